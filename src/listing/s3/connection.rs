//! The one place that makes an SDK client: settings, credentials, retries, and each bucket's own region, found and
//! followed, which the SDK does not do.
//!
//! A connection is kept for as long as its runtime, so that listing and publishing share credentials, sockets and found regions.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::{RetryConfig, RetryMode, RetryPartition, TokenBucket};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{Config, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::RequestPayer;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use memchr::memmem;
use tokio::runtime::{self, Handle};

use super::watch::Reach;
use crate::error::{Error, ErrorKind, Result};
use crate::listing::said::is_loopback;
use crate::rules::table::Access;
use crate::uri::Shown;

/// Where a bucket is looked for first when nothing says; S3 answers from there where it is.
const FIRST_REGION: &str = "us-east-1";

/// Tries of one request; the pauses between them grow to 20 s.
const MAX_TRIES: u32 = 10;

/// What may be spent on retries at once, at 5 a retry; what succeeds gives back.
const RETRY_QUOTA: usize = 5_000;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

const TRY_TIMEOUT: Duration = Duration::from_secs(60);

/// Regions tried for one request.
const MAX_REGIONS: u32 = 3;

/// S3, or a store that speaks its language, reached in one way.
#[derive(Debug)]
pub(crate) struct Connection {
    access: Access,
    config: Config,
    /// Whose credentials are taken, where that is said.
    profile: Option<String>,
    /// Where buckets are looked for first.
    first_region: String,
    /// Set by the user, so not AWS's own.
    endpoint: Option<String>,
    /// For one try of a request whose answer is small.
    try_timeout: Duration,
    found: Mutex<Found>,
}

#[derive(Debug, Default)]
struct Found {
    region_of_bucket: HashMap<String, String>,
    client_of_region: HashMap<String, Client>,
}

impl Connection {
    /// The connection for `access` that this runtime shares. Asks nothing of S3 yet, and looks for credentials once they are needed.
    ///
    /// # Errors
    /// `Usage` for an endpoint that is no `http://` or `https://` URL.
    pub async fn open(access: &Access) -> Result<Arc<Connection>> {
        type Open = HashMap<(runtime::Id, Access), Arc<Connection>>;
        static OPEN: tokio::sync::Mutex<Option<Open>> = tokio::sync::Mutex::const_new(None);
        let mut open = OPEN.lock().await;
        let open = open.get_or_insert_default();
        // Sockets end with the runtime that opened them.
        let key = (Handle::current().id(), access.clone());
        if let Some(connection) = open.get(&key) {
            return Ok(connection.clone());
        }
        let sdk = settings(access, "AWS_ENDPOINT_URL_S3", Some(FIRST_REGION)).await;
        let mut connection = Connection::over(&sdk, access)?;
        connection.profile = profile(access);
        let connection = Arc::new(connection);
        open.insert(key, connection.clone());
        Ok(connection)
    }

    /// A connection of its own with the caller's settings, under what `access` says.
    ///
    /// # Errors
    /// `Usage` for an endpoint that is no `http://` or `https://` URL.
    pub fn over(sdk: &SdkConfig, access: &Access) -> Result<Connection> {
        check_endpoint(access)?;
        let own_endpoint = || std::env::var("AWS_ENDPOINT_URL_S3").ok().filter(|url| !url.is_empty());
        let endpoint = access.endpoint.clone().or_else(own_endpoint).or_else(|| sdk.endpoint_url().map(str::to_owned));
        // Stores other than AWS seldom have a host name for each bucket.
        let is_elsewhere = endpoint.as_ref().is_some_and(|endpoint| !is_of_aws(endpoint));
        let try_timeout = try_timeout(sdk);
        let reach = Reach::default();
        let mut config = aws_sdk_s3::config::Builder::from(sdk)
            .force_path_style(access.path_style.unwrap_or(is_elsewhere))
            .retry_config(retries(sdk))
            .retry_partition(retry_partition())
            .retry_classifier(reach.clone())
            .interceptor(reach)
            .timeout_config(timeouts(try_timeout))
            // Stores that do not know the newer checksums refuse them; what is written carries its MD5 instead.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if let Some(endpoint) = &access.endpoint {
            config = config.endpoint_url(endpoint);
        }
        if sdk.http_client().is_none() {
            config = config.http_client(http_client(endpoint.as_deref().is_some_and(is_loopback)));
        }
        let region = access.region.clone().or_else(|| sdk.region().map(|region| region.as_ref().to_owned()));
        let first_region = region.unwrap_or_else(|| FIRST_REGION.to_owned());
        Ok(Connection {
            access: access.clone(),
            config: config.build(),
            profile: access.profile.clone(),
            first_region,
            endpoint,
            try_timeout,
            found: Mutex::default(),
        })
    }

    /// Sends what `request` makes of a client, to the region of `bucket`; again where an answer says that it is in
    /// another.
    pub async fn send<T, E, F>(
        &self,
        bucket: &str,
        request: impl Fn(Client) -> F,
    ) -> std::result::Result<T, SdkError<E, HttpResponse>>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
    {
        let mut left = MAX_REGIONS;
        loop {
            let region = self.region(bucket);
            let error = match request(self.client(&region)).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            left -= 1;
            let Some(other) = self.other_region(bucket, &region, &error).await.filter(|_| left > 0) else {
                return Err(error);
            };
            tracing::info!("s3://{}/ is in {}", Shown(bucket), Shown(&other));
            self.found().region_of_bucket.insert(bucket.to_owned(), other);
        }
    }

    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The endpoint that the user set, if one is; else it is AWS's own.
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    /// Whether it is AWS's own, which costs what AWS asks.
    pub fn is_aws(&self) -> bool {
        self.endpoint().is_none_or(is_of_aws)
    }

    /// The profile whose credentials are taken; `None`: the SDK's first.
    pub fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }

    /// How long one try of a request may take whose answer is small.
    pub fn try_timeout(&self) -> Duration {
        self.try_timeout
    }

    /// Where `bucket` is looked for.
    pub fn region(&self, bucket: &str) -> String {
        self.found().region_of_bucket.get(bucket).unwrap_or(&self.first_region).clone()
    }

    pub fn payer(&self) -> Option<RequestPayer> {
        self.access.requester_pays.then_some(RequestPayer::Requester)
    }

    fn client(&self, region: &str) -> Client {
        let make = || Client::from_conf(self.config.to_builder().region(Region::new(region.to_owned())).build());
        self.found().client_of_region.entry(region.to_owned()).or_insert_with(make).clone()
    }

    /// Where an error says that the bucket is, if not in `region`.
    async fn other_region<E: ProvideErrorMetadata>(
        &self,
        bucket: &str,
        region: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> Option<String> {
        let known = self.region(bucket);
        if known != region {
            // Another request has found it meanwhile.
            return Some(known);
        }
        let response = error.raw_response()?;
        let said = region_in(response);
        if said.is_none() && is_elsewhere(response, error.code()) {
            let found = match self.client(region).head_bucket().bucket(bucket).send().await {
                Ok(answer) => answer.bucket_region,
                Err(error) => error.raw_response().and_then(region_in),
            };
            return found.filter(|found| found != region);
        }
        said.filter(|said| said != region)
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        locked(&self.found)
    }
}

fn is_of_aws(endpoint: &str) -> bool {
    endpoint.contains(".amazonaws.com")
}

/// The timeouts of one request whose tries may each take so long.
pub(crate) fn timeouts(one_try: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(one_try).build()
}

/// Whose credentials are taken, where the rule file or the environment says.
pub(crate) fn profile(access: &Access) -> Option<String> {
    let of_environment = || std::env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty());
    access.profile.clone().or_else(of_environment)
}

/// # Errors
/// `Usage` for an endpoint that is no `http://` or `https://` URL.
pub(crate) fn check_endpoint(access: &Access) -> Result<()> {
    if let Some(endpoint) = &access.endpoint
        && !endpoint.starts_with("http://")
        && !endpoint.starts_with("https://")
    {
        let error = Error::new(ErrorKind::Usage, format!("the endpoint `{}` is no URL", Shown(endpoint)));
        return Err(error.help(format!("endpoint = \"https://{}\"", Shown(endpoint))));
    }
    Ok(())
}

/// What the SDK makes of its environment and files, under what the rule file says, for the service whose own endpoint
/// `variable` names. Without a region of either, that is `region`.
pub(crate) async fn settings(access: &Access, variable: &str, region: Option<&'static str>) -> SdkConfig {
    let of_environment = || [variable, "AWS_ENDPOINT_URL"].into_iter().find_map(|name| std::env::var(name).ok());
    let http = http_client(access.endpoint.clone().or_else(of_environment).is_some_and(|url| is_loopback(&url)));
    let mut profile_region = ProfileFileRegionProvider::builder();
    if let Some(profile) = &access.profile {
        profile_region = profile_region.profile_name(profile);
    }
    // The region of the machine is not asked for: that takes seconds where there is none, and a bucket's is found anyway.
    let found = RegionProviderChain::first_try(access.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(profile_region.build())
        .or_else(region.map(Region::from_static))
        .region()
        .await;
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http.clone())
        .app_name(AppName::new("restitch").expect("a name of letters"))
        .region(found.clone());
    if access.anonymous {
        loader = loader.no_credentials();
    } else if let Some(profile) = &access.profile {
        // A profile that is named counts before keys in the environment, which the SDK's own order would take first.
        let provider = ProviderConfig::without_region().with_http_client(http).with_region(found);
        let credentials = ProfileFileCredentialsProvider::builder().configure(&provider).profile_name(profile);
        loader = loader.profile_name(profile).credentials_provider(credentials.build());
    }
    loader.load().await
}

/// HTTPS with the system's certificates, through the environment's proxy (`HTTPS_PROXY`, `NO_PROXY`) unless `is_near`;
/// one set of sockets for each pair of timeouts.
pub(crate) fn http_client(is_near: bool) -> SharedHttpClient {
    let connectors = Mutex::new(HashMap::new());
    http_client_fn(move |settings, _| {
        let timeouts = (settings.connect_timeout(), settings.read_timeout());
        let make = || {
            let proxy = if is_near { ProxyConfig::disabled() } else { ProxyConfig::from_env() };
            let tls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
            let builder = Connector::builder().connector_settings(settings.clone()).proxy_config(proxy);
            SharedHttpConnector::new(builder.tls_provider(tls).build())
        };
        locked(&connectors).entry(timeouts).or_insert_with(make).clone()
    })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The SDK's settings, but more tries: its default of three is too few for a listing of hours. Each request waits for
/// itself: the SDK's adaptive mode makes a lone chain of pages wait 20 s for every answer that tells it to slow down.
pub(crate) fn retries(sdk: &SdkConfig) -> RetryConfig {
    let set = sdk.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
    let is_default = set.max_attempts() == RetryConfig::standard().max_attempts();
    let tries = if is_default { MAX_TRIES } else { set.max_attempts() };
    set.with_retry_mode(RetryMode::Standard).with_max_attempts(tries)
}

/// What may be spent on retries by all requests of one client.
pub(crate) fn retry_partition() -> RetryPartition {
    let tokens = TokenBucket::builder().capacity(RETRY_QUOTA).build();
    RetryPartition::custom("restitch").token_bucket(tokens).build()
}

/// For one try of a request whose answer is small.
pub(crate) fn try_timeout(sdk: &SdkConfig) -> Duration {
    sdk.timeout_config().and_then(TimeoutConfig::operation_attempt_timeout).unwrap_or(TRY_TIMEOUT)
}

/// Whether an answer says that the bucket is in another region, perhaps without saying which.
pub(super) fn is_elsewhere(response: &HttpResponse, code: Option<&str>) -> bool {
    match code.unwrap_or("") {
        "PermanentRedirect" | "TemporaryRedirect" | "IllegalLocationConstraintException" => true,
        // It may also be the access key that has no right form.
        "AuthorizationHeaderMalformed" => {
            response.body().bytes().is_some_and(|body| memmem::find(body, b"region").is_some())
        }
        _ => matches!(response.status().as_u16(), 301 | 307 | 308),
    }
}

/// The region that an answer names as the bucket's.
fn region_in(response: &HttpResponse) -> Option<String> {
    let is_name = |text: &&str| {
        (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if let Some(region) = response.headers().get("x-amz-bucket-region") {
        return Some(region).filter(is_name).map(str::to_owned);
    }
    let body = response.body().bytes()?;
    let start = memmem::find(body, b"<Region>")? + "<Region>".len();
    let length = memmem::find(&body[start..], b"</Region>")?;
    std::str::from_utf8(&body[start..start + length]).ok().filter(is_name).map(str::to_owned)
}
