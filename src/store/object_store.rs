//! Manifests in `gs://` and `az://`, through the crate `object_store`: its clients, its credentials, its retries.
//!
//! What it lacks is made up here. Its paths drop slashes, so a key that is no plain path is refused before it is written;
//! its listings have no order, so they are sorted (a location's keys are bounded by `max_partitions`); its answers do not
//! say the time, so a connector around its own keeps their `Date`. Google Cloud Storage knows conditions on generations
//! only, which its listings do not say: there the ETag is looked up first, and the write is tied to the generation that
//! bore it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder};
use object_store::path::Path;
use object_store::{
    ClientConfigKey, ClientOptions, Error as StoreError, ObjectMeta, ObjectStoreExt, PutMode, PutOptions, RetryConfig,
    StaticCredentialProvider, UpdateVersion,
};

use super::{Condition, ETag, Store, Stored, Traits, Written, conflict, whole};
use crate::error::{Error, ErrorKind, Result};
use crate::listing::{Object, Page, PageBuilder};
use crate::map::body::Body;
use crate::rules::table::Access;
use crate::uri::{Bucket, Scheme, Shown, Uri};

/// Retries of one request. The crate's own ten make a machine without credentials wait for a minute.
const RETRIES: usize = 5;

/// How long one request is retried.
const RETRY_FOR: Duration = Duration::from_secs(60);

/// Deletes in flight.
const DELETES: usize = 16;

/// What a key must be for the crate to have a path for it.
const NO_PATH: &str = "keys there have no empty part, `.`, `..` or control character, nor a slash at either end";

/// One bucket (or container).
#[derive(Clone, Debug)]
pub struct ObjectStore {
    inner: Arc<dyn object_store::ObjectStore>,
    bucket: Bucket,
    page_size: usize,
    /// Writes are conditional on generations, not on ETags.
    by_generation: bool,
    traits: Traits,
}

impl ObjectStore {
    /// The bucket of `location`, reached as the environment says (`GOOGLE_…`, `AZURE_…`), or by the endpoint of a
    /// `[[listing]]` that covers it.
    ///
    /// # Errors
    /// `Usage` if `location` is neither `gs://` nor `az://`; `Credentials` if none are found or they cannot be read.
    pub fn open(location: &Uri, access: &Access) -> Result<ObjectStore> {
        // The HTTP client brings no cryptography of its own; a second call changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let retry = RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_FOR, ..RetryConfig::default() };
        let bucket = &location.bucket;
        let inner: Result<Arc<dyn object_store::ObjectStore>, StoreError> = match bucket.scheme {
            Scheme::Gs => google(&bucket.name, access, retry),
            Scheme::Az => azure(&bucket.name, access, retry),
            _ => return Err(Error::new(ErrorKind::Usage, format!("{} is neither gs:// nor az://", location.shown()))),
        };
        let inner = inner.map_err(|error| unopened(location, error))?;
        Ok(ObjectStore::new(inner, bucket.clone()))
    }

    /// Any store of the crate as the store of `bucket`. One whose objects have versions without ETags is no such store.
    pub fn new(inner: Arc<dyn object_store::ObjectStore>, bucket: Bucket) -> ObjectStore {
        let (md5_etags, dollars_per_1000_writes) = match bucket.scheme {
            Scheme::Gs => (true, 0.005),
            Scheme::Az => (false, 0.0065),
            _ => (false, 0.0),
        };
        let traits = Traits { md5_etags, dollars_per_1000_writes, folds_case: false };
        let by_generation = bucket.scheme == Scheme::Gs;
        ObjectStore { inner, bucket, page_size: 1_000, by_generation, traits }
    }

    /// Keys a page, at least 1.
    #[must_use]
    pub fn page_size(mut self, keys: usize) -> ObjectStore {
        self.page_size = keys.max(1);
        self
    }

    /// The crate's path of a key, or why there is none.
    fn path(&self, key: &str) -> Result<Path, &'static str> {
        match Path::parse(key) {
            Ok(path) if path.as_ref() != key => Err(NO_PATH),
            Err(_) => Err(NO_PATH),
            Ok(_) if self.bucket.scheme == Scheme::Az && key.contains('\\') => Err("Azure takes `\\` for `/`"),
            Ok(path) => Ok(path),
        }
    }

    /// Every object below `prefix` after a key, sorted.
    async fn below(&self, prefix: &Uri, start_after: Option<&str>) -> Result<Vec<ObjectMeta>> {
        let directory = &prefix.key[..prefix.key.rfind('/').map_or(0, |slash| slash + 1)];
        // Nothing whose key begins so can be here: no such key is ever written.
        let Ok(directory) = self.path(directory.trim_end_matches('/')) else { return Ok(Vec::new()) };
        let directory = Some(&directory).filter(|directory| !directory.as_ref().is_empty());
        let after = start_after.and_then(|after| Path::parse(after).ok().filter(|path| path.as_ref() <= after));
        let listed = match after.filter(|after| !after.as_ref().is_empty()) {
            Some(after) => self.inner.list_with_offset(directory, &after),
            None => self.inner.list(directory),
        };
        let mut objects: Vec<ObjectMeta> = listed.try_collect().await.map_err(|error| failed(prefix, error))?;
        objects.retain(|object| {
            let key = object.location.as_ref();
            key.starts_with(&prefix.key) && start_after.is_none_or(|after| key > after)
        });
        objects.sort_unstable_by(|a, b| a.location.cmp(&b.location));
        Ok(objects)
    }

    fn page(&self, objects: &[ObjectMeta]) -> Page {
        let mut page = PageBuilder::new(self.bucket.clone());
        for object in objects {
            page.push(&Object {
                bucket: &self.bucket,
                key: object.location.as_ref(),
                physical: None,
                size: Some(object.size),
                modified: Some(object.last_modified.timestamp()),
                storage_class: None,
                etag: object.e_tag.as_deref().map(unquoted),
            });
        }
        page.finish()
    }

    /// How the crate is told a condition, or the conflict that is seen already.
    async fn mode(&self, uri: &Uri, path: &Path, condition: &Condition) -> Result<PutMode> {
        let etag = match condition {
            Condition::None => return Ok(PutMode::Overwrite),
            Condition::Absent => return Ok(PutMode::Create),
            Condition::Is(etag) => etag,
        };
        let quoted = Some(format!("\"{}\"", etag.0));
        if !self.by_generation {
            return Ok(PutMode::Update(UpdateVersion { e_tag: quoted, version: None }));
        }
        let there = match self.inner.head(path).await {
            Ok(there) => there,
            Err(StoreError::NotFound { .. }) => return Err(conflict(uri, condition, None)),
            Err(error) => return Err(failed(uri, error)),
        };
        match there.e_tag.as_deref().map(|tag| ETag(unquoted(tag).to_owned())) {
            Some(found) if found == *etag => {
                Ok(PutMode::Update(UpdateVersion { e_tag: quoted, version: there.version }))
            }
            found => Err(conflict(uri, condition, found.as_ref())),
        }
    }

    /// The tag of what is there, as far as it can be had: to say in a conflict what was found.
    async fn found(&self, path: &Path) -> Option<ETag> {
        let there = self.inner.head(path).await.ok()?;
        there.e_tag.map(|tag| ETag(unquoted(&tag).to_owned()))
    }
}

#[async_trait]
impl Store for ObjectStore {
    fn list<'a>(&'a self, prefix: &Uri, start_after: Option<&str>) -> BoxStream<'a, Result<Page>> {
        let (prefix, start_after) = (prefix.clone(), start_after.map(str::to_owned));
        let pages = async move {
            let objects = self.below(&prefix, start_after.as_deref()).await?;
            let pages: Vec<Result<Page>> =
                objects.chunks(self.page_size).map(|objects| Ok(self.page(objects))).collect();
            Ok::<_, Error>(stream::iter(pages))
        };
        stream::once(pages).try_flatten().boxed()
    }

    async fn get(&self, uri: &Uri) -> Result<Option<Stored>> {
        let Ok(path) = self.path(&uri.key) else { return Ok(None) };
        let got = match self.inner.get(&path).await {
            Ok(got) => got,
            Err(error @ StoreError::NotFound { .. }) if !is_without_bucket(&error) => return Ok(None),
            Err(error) => return Err(failed(uri, error)),
        };
        let now = now_s(got.extensions.get::<Now>());
        let etag = tag(uri, got.meta.e_tag.as_deref())?;
        let modified = got.meta.last_modified.timestamp();
        let body = got.bytes().await.map_err(|error| failed(uri, error))?;
        Ok(Some(Stored { body, etag, modified, now }))
    }

    async fn put(&self, uri: &Uri, body: Body, condition: &Condition) -> Result<Written> {
        let path = self.path(&uri.key).map_err(|why| {
            let message = format!("{} cannot be written to {}://: {why}", uri.shown(), self.bucket.scheme.name());
            Error::new(ErrorKind::Unsupported, message).help("choose another location, or another layout")
        })?;
        let mode = self.mode(uri, &path, condition).await?;
        let creates = matches!(mode, PutMode::Create);
        let written =
            self.inner.put_opts(&path, whole(&body)?.into(), PutOptions { mode, ..PutOptions::default() }).await;
        match written {
            Ok(written) => {
                let etag = tag(uri, written.e_tag.as_deref())?;
                Ok(Written { etag, now: now_s(written.extensions.get::<Now>()) })
            }
            Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => {
                Err(conflict(uri, condition, self.found(&path).await.as_ref()))
            }
            Err(StoreError::NotFound { .. }) if !creates && *condition != Condition::None => {
                Err(conflict(uri, condition, None))
            }
            Err(error) => Err(failed(uri, error)),
        }
    }

    async fn delete(&self, uris: &[Uri]) -> Result<Vec<(Uri, Error)>> {
        let deletes = stream::iter(uris.to_vec()).map(|uri| async move {
            // A key that is no path is not there.
            let path = self.path(&uri.key).ok()?;
            match self.inner.delete(&path).await {
                Ok(()) => None,
                Err(error @ StoreError::NotFound { .. }) if !is_without_bucket(&error) => None,
                Err(error) => Some((uri.clone(), failed(&uri, error))),
            }
        });
        Ok(deletes.buffer_unordered(DELETES).filter_map(std::future::ready).collect().await)
    }

    fn traits(&self) -> Traits {
        self.traits
    }
}

fn google(bucket: &str, access: &Access, retry: RetryConfig) -> Result<Arc<dyn object_store::ObjectStore>, StoreError> {
    let mut builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket).with_retry(retry);
    if let Some(endpoint) = &access.endpoint {
        builder = builder.with_base_url(endpoint).with_client_options(options(endpoint));
    }
    if access.anonymous {
        // The crate asks for a token to write with even where it signs nothing.
        let nobody = StaticCredentialProvider::new(GcpCredential { bearer: String::new() });
        builder = builder.with_skip_signature(true).with_credentials(Arc::new(nobody));
    }
    Ok(Arc::new(builder.with_http_connector(Connector).build()?))
}

fn azure(
    container: &str,
    access: &Access,
    retry: RetryConfig,
) -> Result<Arc<dyn object_store::ObjectStore>, StoreError> {
    let mut builder = MicrosoftAzureBuilder::from_env().with_container_name(container).with_retry(retry);
    if let Some(endpoint) = &access.endpoint {
        builder = builder.with_endpoint(endpoint.clone()).with_client_options(options(endpoint));
    }
    if access.anonymous {
        builder = builder.with_skip_signature(true);
    }
    Ok(Arc::new(builder.with_http_connector(Connector).build()?))
}

/// Plain HTTP where the endpoint that the user wrote is.
fn options(endpoint: &str) -> ClientOptions {
    let plain = endpoint.starts_with("http://");
    ClientOptions::new().with_config(ClientConfigKey::AllowHttp, plain.to_string())
}

fn unquoted(etag: &str) -> &str {
    etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"')).unwrap_or(etag)
}

fn tag(uri: &Uri, etag: Option<&str>) -> Result<ETag> {
    let etag = etag.map(|etag| ETag(unquoted(etag).to_owned()));
    etag.ok_or_else(|| Error::new(ErrorKind::Corrupt, format!("{}: the store gave no ETag", uri.shown())))
}

/// The time at which an answer was given, in seconds since 1970 by the server's clock.
#[derive(Clone, Copy, Debug)]
struct Now(i64);

/// An answer's time; of a store without a server, the system's.
fn now_s(answered: Option<&Now>) -> i64 {
    answered.map_or_else(
        || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        },
        |now| now.0,
    )
}

/// The crate's connector, with each answer's `Date` kept beside it.
#[derive(Debug)]
struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Dated(ReqwestConnector::default().connect(options)?)))
    }
}

#[derive(Debug)]
struct Dated(HttpClient);

#[async_trait]
impl HttpService for Dated {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let mut answer = self.0.execute(request).await?;
        let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok());
        if let Some(date) = date {
            answer.extensions_mut().insert(Now(date.as_second()));
        }
        Ok(answer)
    }
}

/// Whether "not found" is about the bucket, which the crate does not tell from a key.
fn is_without_bucket(error: &StoreError) -> bool {
    let text = error.to_string();
    ["NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist"].iter().any(|code| text.contains(code))
}

/// The first of an error's causes that the HTTP client made.
fn transport(error: &StoreError) -> Option<HttpErrorKind> {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            return Some(http.kind());
        }
        cause = error.source();
    }
    None
}

/// An error of a request about `uri`, with what to do about it. The crate's own text stays the cause: it hides what is
/// signed, and repeats what the server said.
fn failed(uri: &Uri, error: StoreError) -> Error {
    let place = uri.bucket.uri_prefix();
    let text = error.to_string();
    let is_google = uri.bucket.scheme == Scheme::Gs;
    let made = match &error {
        _ if is_without_bucket(&error) => Error::new(ErrorKind::NotFound, format!("{} does not exist", Shown(&place)))
            .help("check the name, and that the credentials are of the account that owns it"),
        StoreError::NotFound { .. } => Error::new(ErrorKind::NotFound, format!("{} is not there", uri.shown())),
        StoreError::PermissionDenied { .. } => {
            let made = Error::new(ErrorKind::Denied, format!("{}: access denied", uri.shown()));
            made.help(if is_google {
                "the account needs the role Storage Object Admin (roles/storage.objectAdmin) on the bucket"
            } else {
                "the account needs the role Storage Blob Data Contributor on the container"
            })
        }
        StoreError::Unauthenticated { .. } => credentials(uri, "the credentials are not taken"),
        StoreError::InvalidPath { .. } => {
            let what = "something is there whose key is no plain path, and cannot be listed";
            Error::new(ErrorKind::Unsupported, format!("{}: {what}", uri.shown()))
                .help("publish to a location that holds nothing else")
        }
        _ if text.contains("oken request") || text.contains("metadata") => {
            credentials(uri, "no credentials were found")
        }
        _ if ["429", "503"].iter().any(|status| text.contains(&format!("status code: {status}"))) => {
            Error::new(ErrorKind::Throttled, format!("{}: the store goes on asking to slow down", uri.shown()))
                .help("run again later, or with fewer other users of the bucket")
        }
        _ if transport(&error).is_some() => {
            Error::new(ErrorKind::Unreachable, format!("{}: nobody answers", Shown(&place)))
                .help("check the network, the endpoint and the account's name")
        }
        _ => Error::new(ErrorKind::Io, format!("{}: the request failed", uri.shown())),
    };
    let cause: String = text.lines().next().unwrap_or_default().chars().take(400).collect();
    made.note(Shown(&cause).to_string()).source(error)
}

/// What opening a store met: settings, for nothing has been asked yet.
fn unopened(location: &Uri, error: StoreError) -> Error {
    let text = error.to_string();
    let made = if text.contains("Account must be specified") {
        Error::new(ErrorKind::Credentials, format!("{}: the storage account is not known", location.shown()))
            .help("export AZURE_STORAGE_ACCOUNT_NAME=…")
    } else {
        credentials(location, "the store's settings cannot be used")
    };
    made.note(Shown(&text).to_string()).source(error)
}

fn credentials(uri: &Uri, what: &str) -> Error {
    let made = Error::new(ErrorKind::Credentials, format!("{}: {what}", uri.shown()));
    made.help(match uri.bucket.scheme {
        Scheme::Gs => "gcloud auth application-default login, or export GOOGLE_SERVICE_ACCOUNT=FILE.json",
        _ => "export AZURE_STORAGE_ACCOUNT_KEY=…, or AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and AZURE_TENANT_ID",
    })
}
