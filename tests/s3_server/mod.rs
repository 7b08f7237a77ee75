//! An S3 server inside the test process, on a free port of the loopback interface, that a test can make misbehave.
//!
//! The protocol (signatures, headers, XML) is the crate `s3s`, which nobody here wrote, so that our client and our server
//! cannot share a misreading. What lies behind it is [`backend`]: exact keys in byte order. `s3s` sees each request only
//! after [`Shared::answer`] has counted it, checked the region and let the test's script strike; that is where
//! connections are cut, which no backend can do.
#![allow(dead_code, reason = "each test binary that includes this uses a part of it")]

mod backend;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use s3s::dto::LifecycleRule;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Error, S3ErrorCode};

use crate::loopback::{Cut, Loopback};

pub const ACCESS_KEY: &str = "AKIARESTITCHTEST";
/// Looked for in everything that restitch writes.
pub const SECRET_KEY: &str = "restitch-test-secret/must+never=appear";

/// A running server; dropping it stops it and closes every connection.
pub struct Server {
    shared: Arc<Shared>,
    http: Loopback,
}

/// What the server does that a good S3 does, or not; all of it may change while it runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Keys a page, 1 to 1,000, whatever a client asks for beyond that.
    pub page_size: usize,
    /// Whether `encoding-type=url` is honoured; without it keys come raw, though XML cannot say them all.
    pub encodes_urls: bool,
    /// Whether a last page with keys says that more follow, which then is an empty page (as MinIO does).
    pub empty_last_page: bool,
    /// Whether pages end before they are full, each somewhere else.
    pub cuts_anywhere: bool,
    /// Whether `start-after` counts.
    pub starts_after: bool,
    /// Whether `delimiter` is known; else it is refused.
    pub delimits: bool,
    pub conditions: Conditions,
    pub tags: Tags,
    pub wrong_region: WrongRegion,
    /// Whether it also speaks Google's dialect: `x-goog-generation` in answers, `x-goog-if-generation-match` on writes.
    pub generations: bool,
    /// Whether a part of an object can be read; otherwise all of it comes.
    pub ranges: bool,
    /// The clock, in seconds since 1970; `None`: the system's.
    pub now: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conditions {
    Honoured,
    /// Writes whatever the condition says.
    Ignored,
    /// 501.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tags {
    /// The MD5 of the body.
    Md5,
    /// 32 hex digits too, but another for every write, as under KMS.
    Kms,
}

/// What a request signed for another region than the bucket's gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongRegion {
    /// 301 PermanentRedirect with `x-amz-bucket-region`, as a region's endpoint answers.
    Redirect,
    /// 400 AuthorizationHeaderMalformed, with the region in the text and the header, as the global endpoint answers.
    Malformed,
}

/// Who may use a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Signed,
    /// Unsigned requests too.
    Public,
    /// Nobody: 403.
    Denied,
    /// Only requests that say `x-amz-request-payer: requester`.
    RequesterPays,
}

/// An object as stored; [`Server::edit`] hands it out.
#[derive(Clone, Debug)]
pub struct Object {
    pub body: Bytes,
    /// Without quotes.
    pub etag: String,
    /// Seconds since 1970.
    pub modified: i64,
    pub storage_class: &'static str,
    /// The number of the write that made it.
    pub generation: u64,
    /// Whether a delete is refused with AccessDenied.
    pub locked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    List,
    Get,
    Put,
    Delete,
    /// Of up to 1,000 keys.
    DeleteBatch,
    HeadBucket,
    Versioning,
    Lifecycle,
    Other,
}

/// A request about to be answered.
#[derive(Clone, Debug)]
pub struct Call {
    pub kind: Kind,
    pub bucket: String,
    /// Decoded; empty for requests about a bucket.
    pub key: String,
    /// How many of this kind came before.
    pub before: u64,
}

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 503 SlowDown; nothing happens.
    SlowDown,
    /// 500 InternalError; nothing happens.
    Internal,
    /// 409 ConditionalRequestConflict; nothing happens.
    Conflict,
    /// 403 AccessDenied; nothing happens.
    Denied,
    /// 501 NotImplemented; nothing happens.
    NotImplemented,
    /// 200 with an error document in it; nothing happens.
    ErrorDocument,
    /// The connection is cut; nothing happens.
    LostRequest,
    /// It happens; the connection is cut before the answer.
    LostAnswer,
    /// It happens; the connection is cut in the middle of the answer's body.
    TornAnswer,
    /// It happens, so much later.
    Late(Duration),
}

/// Requests that arrived so far, by kind, whatever became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    pub fn of(&self, kind: Kind) -> u64 {
        self.0.get(name(kind)).copied().unwrap_or(0)
    }

    /// Everything that changes something.
    pub fn writes(&self) -> u64 {
        [Kind::Put, Kind::Delete, Kind::DeleteBatch].into_iter().map(|kind| self.of(kind)).sum()
    }

    pub fn all(&self) -> u64 {
        self.0.values().sum()
    }
}

impl Server {
    /// A server without buckets, ready when this returns. It runs on a thread of its own, so that tests without a
    /// runtime can use it.
    pub fn start() -> Server {
        let shared = Arc::new(Shared::default());
        let mut builder = S3ServiceBuilder::new(backend::Backend(shared.clone()));
        builder.set_auth(backend::Backend(shared.clone()));
        builder.set_access(backend::Backend(shared.clone()));
        let (service, answering) = (builder.build(), shared.clone());
        let http = Loopback::start(move |request| {
            let (shared, service) = (answering.clone(), service.clone());
            async move { shared.answer(&service, request).await }
        });
        Server { shared, http }
    }

    pub fn url(&self) -> String {
        self.http.url()
    }

    /// The environment in which restitch finds this server and nothing else of AWS.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let nowhere = if cfg!(windows) { "NUL" } else { "/dev/null" };
        vec![
            ("AWS_ENDPOINT_URL", self.url()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.into()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.into()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
            ("AWS_CONFIG_FILE", nowhere.into()),
            ("AWS_SHARED_CREDENTIALS_FILE", nowhere.into()),
        ]
    }

    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.shared.state().settings);
    }

    pub fn settings(&self) -> Settings {
        self.shared.state().settings.clone()
    }

    /// Lets `script` decide about every request from here on.
    pub fn script(&self, script: impl FnMut(&Call) -> Option<Fault> + Send + 'static) {
        self.shared.state().script = Some(Box::new(script));
    }

    pub fn clear_script(&self) {
        self.shared.state().script = None;
    }

    pub fn counts(&self) -> Counts {
        self.shared.state().counts.clone()
    }

    pub fn reset_counts(&self) {
        self.shared.state().counts = Counts::default();
    }

    /// Makes a bucket in a region.
    pub fn bucket(&self, name: &str, region: &str) {
        self.bucket_with(name, region, Access::Signed);
    }

    pub fn bucket_with(&self, name: &str, region: &str, access: Access) {
        let region = region.to_owned();
        let bucket = Bucket { region, access, objects: BTreeMap::new(), versioned: false, lifecycle: Vec::new() };
        self.shared.state().buckets.insert(name.to_owned(), bucket);
    }

    /// Lets a bucket say that it keeps versions, and by which rules objects leave it.
    pub fn upkeep(&self, name: &str, versioned: bool, lifecycle: Vec<LifecycleRule>) {
        let mut state = self.shared.state();
        let bucket = state.buckets.get_mut(name).expect("a bucket");
        (bucket.versioned, bucket.lifecycle) = (versioned, lifecycle);
    }

    /// Puts an object there, past script and counts.
    pub fn insert(&self, bucket: &str, key: &str, body: impl Into<Bytes>) {
        self.shared.state().write(bucket, key, body.into());
    }

    /// Changes an object that is there, past script and counts.
    pub fn edit(&self, bucket: &str, key: &str, change: impl FnOnce(&mut Object)) {
        let mut state = self.shared.state();
        change(state.objects(bucket).get_mut(key).expect("an object to edit"));
    }

    /// Takes an object away, past script and counts.
    pub fn remove(&self, bucket: &str, key: &str) -> bool {
        self.shared.state().objects(bucket).remove(key).is_some()
    }

    pub fn body(&self, bucket: &str, key: &str) -> Option<Bytes> {
        self.shared.state().objects(bucket).get(key).map(|object| object.body.clone())
    }

    /// Every key of a bucket, in byte order.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        self.shared.state().objects(bucket).keys().cloned().collect()
    }
}

type Script = dyn FnMut(&Call) -> Option<Fault> + Send;

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    buckets: BTreeMap<String, Bucket>,
    settings: Settings,
    script: Option<Box<Script>>,
    counts: Counts,
    writes: u64,
    lists: u64,
}

struct Bucket {
    region: String,
    access: Access,
    objects: BTreeMap<String, Object>,
    /// Whether it says that it keeps versions; it keeps none.
    versioned: bool,
    /// Said, not followed.
    lifecycle: Vec<LifecycleRule>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            page_size: 1_000,
            encodes_urls: true,
            empty_last_page: false,
            cuts_anywhere: false,
            starts_after: true,
            delimits: true,
            conditions: Conditions::Honoured,
            tags: Tags::Md5,
            wrong_region: WrongRegion::Redirect,
            generations: false,
            ranges: true,
            now: None,
        }
    }
}

impl State {
    /// Seconds since 1970.
    fn now(&self) -> i64 {
        let system = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        self.settings.now.unwrap_or_else(system)
    }

    fn objects(&mut self, bucket: &str) -> &mut BTreeMap<String, Object> {
        &mut self.buckets.get_mut(bucket).unwrap_or_else(|| panic!("no bucket {bucket}")).objects
    }
}

type Answer = Response<UnsyncBoxBody<Bytes, std::io::Error>>;

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    async fn answer(&self, service: &S3Service, mut request: Request<Incoming>) -> Result<Answer, Cut> {
        let fault = self.arrived(&request);
        let refusal = match fault {
            Some(Fault::LostRequest) => return Err(Cut),
            Some(Fault::SlowDown) => Some(S3ErrorCode::SlowDown),
            Some(Fault::Internal) => Some(S3ErrorCode::InternalError),
            Some(Fault::Conflict) => Some(S3ErrorCode::ConditionalRequestConflict),
            Some(Fault::Denied) => Some(S3ErrorCode::AccessDenied),
            Some(Fault::NotImplemented) => Some(S3ErrorCode::NotImplemented),
            Some(Fault::ErrorDocument) => Some(S3ErrorCode::InternalError),
            Some(Fault::Late(pause)) => {
                tokio::time::sleep(pause).await;
                None
            }
            Some(Fault::LostAnswer | Fault::TornAnswer) | None => None,
        };
        if self.state().settings.generations {
            // A token of Google's, which S3's protocol has no place for.
            request.headers_mut().remove(http::header::AUTHORIZATION);
        }
        let redirected = self.redirected(&request);
        let answer = match (refusal, redirected) {
            (Some(code), _) => refused(S3Error::with_message(code, "as the test's script says"), HeaderMap::new()),
            (None, Some(answer)) => answer,
            (None, None) => service.call(request.map(s3s::Body::from)).await.map_err(|_| Cut)?,
        };
        if fault == Some(Fault::LostAnswer) {
            return Err(Cut);
        }
        let (mut parts, body) = answer.into_parts();
        parts.headers.insert(http::header::DATE, self.date());
        if fault == Some(Fault::ErrorDocument) {
            parts.status = http::StatusCode::OK;
        }
        let body = BodyExt::collect(body).await.map_err(|_| Cut)?.to_bytes();
        let body = if fault == Some(Fault::TornAnswer) { torn(&mut parts.headers, body) } else { whole(body) };
        Ok(Response::from_parts(parts, body))
    }

    /// Counts a request and asks the script about it.
    fn arrived(&self, request: &Request<Incoming>) -> Option<Fault> {
        let (bucket, key) = place(request.uri().path());
        let kind = kind(request.method(), request.uri().query().unwrap_or(""), key.is_empty());
        let mut state = self.state();
        let before = state.counts.of(kind);
        *state.counts.0.entry(name(kind)).or_default() += 1;
        let call = Call { kind, bucket, key, before };
        state.script.as_mut().and_then(|script| script(&call))
    }

    /// The answer to a request signed for another region than its bucket's.
    fn redirected(&self, request: &Request<Incoming>) -> Option<Response<s3s::Body>> {
        let signature = request.headers().get(http::header::AUTHORIZATION)?.to_str().ok()?;
        let signed_for = signature.split_once("Credential=")?.1.split('/').nth(2)?;
        let state = self.state();
        let bucket = state.buckets.get(&place(request.uri().path()).0)?;
        if bucket.region == signed_for {
            return None;
        }
        let region = HeaderValue::from_str(&bucket.region).ok()?;
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-amz-bucket-region"), region)]);
        Some(match state.settings.wrong_region {
            WrongRegion::Redirect => {
                let message = "The bucket you are attempting to access must be addressed using the specified endpoint.";
                refused(S3Error::with_message(S3ErrorCode::PermanentRedirect, message), headers)
            }
            WrongRegion::Malformed => {
                let message = format!(
                    "The authorization header is malformed; the region '{signed_for}' is wrong; expecting '{}'",
                    bucket.region
                );
                refused(S3Error::with_message(S3ErrorCode::AuthorizationHeaderMalformed, message), headers)
            }
        })
    }

    /// The clock as an HTTP date.
    fn date(&self) -> HeaderValue {
        let now = jiff::Timestamp::from_second(self.state().now()).unwrap();
        let date = now.to_zoned(jiff::tz::TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        HeaderValue::from_str(&date).unwrap()
    }
}

fn refused(mut error: S3Error, mut headers: HeaderMap) -> Response<s3s::Body> {
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    error.set_headers(headers);
    error.to_http_response().expect("an error document")
}

fn whole(body: Bytes) -> UnsyncBoxBody<Bytes, std::io::Error> {
    Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// Half of `body`, under headers that promise all of it.
fn torn(headers: &mut HeaderMap, body: Bytes) -> UnsyncBoxBody<Bytes, std::io::Error> {
    headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let half = futures::stream::once(std::future::ready(Ok(Frame::data(body.slice(..body.len() / 2)))));
    let cut = futures::stream::once(async {
        // What has been written reaches the client only if the connection still stands a moment later.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(std::io::Error::other("cut"))
    });
    StreamBody::new(half.chain(cut)).boxed_unsync()
}

/// Bucket and key of a path-style request.
fn place(path: &str) -> (String, String) {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    (bucket.to_owned(), percent_decoded(key))
}

fn percent_decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut digit = || (bytes.next().unwrap_or(b'0') as char).to_digit(16).unwrap_or(0) as u8;
        out.push(if byte == b'%' { digit() * 16 + digit() } else { byte });
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn kind(method: &Method, query: &str, of_bucket: bool) -> Kind {
    let asks = |name: &str| query.split('&').any(|part| part.split('=').next() == Some(name));
    match (method.as_str(), of_bucket) {
        ("GET", true) if asks("list-type") => Kind::List,
        ("POST", true) if asks("delete") => Kind::DeleteBatch,
        ("HEAD", true) => Kind::HeadBucket,
        ("GET", true) if asks("versioning") => Kind::Versioning,
        ("GET", true) if asks("lifecycle") => Kind::Lifecycle,
        ("GET", false) => Kind::Get,
        ("PUT", false) => Kind::Put,
        ("DELETE", false) => Kind::Delete,
        _ => Kind::Other,
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::List => "LIST",
        Kind::Get => "GET",
        Kind::Put => "PUT",
        Kind::Delete => "DELETE",
        Kind::DeleteBatch => "DELETE batch",
        Kind::HeadBucket => "HEAD bucket",
        Kind::Versioning => "GET versioning",
        Kind::Lifecycle => "GET lifecycle",
        Kind::Other => "other",
    }
}
