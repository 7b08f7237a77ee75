//! The few requests that restitch makes of lakeFS, each tried again where that may help, and what their failures mean to
//! a person.
//!
//! Credentials go into one header of a request and nowhere else; of an answer its status, its message and its body are
//! taken. Never a presigned address.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use percent_encoding::{PercentEncode, utf8_percent_encode};
use reqwest::header::{LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::settings::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::listing::Requests;
use crate::listing::said::{RESERVED, deepest, is_loopback, without_path, words};
use crate::uri::{Shown, Uri};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// For one try of a request.
const TRY_TIMEOUT: Duration = Duration::from_secs(60);

/// Failures to reach an endpoint that has never answered, after which it is given up.
const FIRST_TRIES: u32 = 3;

/// Pauses between tries: the first, and the longest, which `Retry-After` cannot exceed either.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// The pause before every request while a server has too much to do: the first, and the longest.
const FIRST_PACE_MS: u64 = 50;
const LONGEST_PACE_MS: u64 = 2_000;

const LOOK_AT: &str = "look at LAKECTL_SERVER_ENDPOINT_URL, `endpoint_url` in ~/.lakectl.yaml, or `endpoint` in the rule \
                       file's `[[listing]]`";

/// What one request asks for; `of` is that as people call it, by its ref and not by the commit.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask<'a> {
    /// A repository's settings.
    Repository { repository: &'a str },
    /// The newest commit of a ref.
    Commit { repository: &'a str, reference: &'a str },
    /// A page of objects.
    Objects { repository: &'a str, commit: &'a str, prefix: &'a str, after: &'a str, amount: usize, of: &'a Uri },
    /// An object's body.
    Object { repository: &'a str, commit: &'a str, path: &'a str, of: &'a Uri },
}

/// lakeFS, reached in one way.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    settings: Settings,
    counts: Counts,
    /// Whether the endpoint has ever answered.
    answered: AtomicBool,
    /// Milliseconds to wait before each request; 0 unless the server has said that it is too many.
    pace_ms: AtomicU64,
}

#[derive(Debug, Default)]
struct Counts {
    lists: AtomicU64,
    gets: AtomicU64,
    throttled: AtomicU64,
}

impl Client {
    /// # Errors
    /// `Unsupported` if this machine has no certificates to trust, or the like.
    pub fn new(settings: Settings) -> Result<Client> {
        // The HTTP client brings no cryptography of its own; a second call changes nothing.
        static CRYPTOGRAPHY: Once = Once::new();
        CRYPTOGRAPHY.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("restitch/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TRY_TIMEOUT)
            // Whoever answers in another's place would get the credentials.
            .redirect(Policy::none());
        if is_loopback(settings.endpoint.as_str()) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| {
            Error::new(ErrorKind::Unsupported, "no HTTP client for lakeFS").note(words(&deepest(&error))).source(error)
        })?;
        let (answered, pace_ms) = (AtomicBool::new(false), AtomicU64::new(0));
        Ok(Client { http, settings, counts: Counts::default(), answered, pace_ms })
    }

    pub fn requests(&self) -> Requests {
        let Counts { lists, gets, throttled } = &self.counts;
        let so_far = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Requests { lists: so_far(lists), gets: so_far(gets), throttled: so_far(throttled) }
    }

    /// The answer, read as JSON.
    ///
    /// # Errors
    /// As [`Client::body`]; `Corrupt` for an answer of another form.
    pub async fn json<T: DeserializeOwned>(&self, ask: Ask<'_>) -> Result<T> {
        serde_json::from_slice(&self.body(ask).await?).map_err(|error| self.unreadable(ask, error))
    }

    /// What is said of an answer that is not what was asked for.
    pub fn unreadable(&self, ask: Ask<'_>, error: serde_json::Error) -> Error {
        let made = Error::new(ErrorKind::Corrupt, format!("the answer to {} cannot be read", ask.what()));
        let made = made.note(words(&error.to_string())).source(error);
        made.help(format!("is {} a lakeFS endpoint? {LOOK_AT}", self.endpoint()))
    }

    /// The answer's body.
    ///
    /// # Errors
    /// `Credentials`, `Denied`, `NotFound`, `Usage` as the server refuses; `Throttled` and `Unreachable` after every
    /// retry.
    pub async fn body(&self, ask: Ask<'_>) -> Result<Bytes> {
        if let Some(what) = ask.climbs() {
            return Err(self.not_found(ask, what));
        }
        let path = format!("{}{}", self.settings.endpoint.as_str(), ask.path());
        let mut tries = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(self.pace_ms.load(Ordering::Relaxed))).await;
            tries += 1;
            self.counts.count(ask);
            let failed = match self.once(&path).await {
                Ok(body) => {
                    self.pace_ms.store(self.pace_ms.load(Ordering::Relaxed) * 3 / 4, Ordering::Relaxed);
                    return Ok(body);
                }
                Err(failed) => failed,
            };
            let pause = match &failed {
                Failed::Unreached(_) if !self.answered.load(Ordering::Relaxed) && tries >= FIRST_TRIES => None,
                Failed::Unreached(_) => Some(pause(tries)),
                Failed::Refused { status, after, .. } if is_too_many(*status) => {
                    self.counts.throttled.fetch_add(1, Ordering::Relaxed);
                    let pace_ms = (self.pace_ms.load(Ordering::Relaxed) * 2).clamp(FIRST_PACE_MS, LONGEST_PACE_MS);
                    self.pace_ms.store(pace_ms, Ordering::Relaxed);
                    Some(after.unwrap_or_else(|| pause(tries)).min(LONGEST_PAUSE))
                }
                Failed::Refused { status, .. } => status.is_server_error().then(|| pause(tries)),
            };
            let Some(pause) = pause.filter(|_| tries < self.settings.max_tries) else {
                return Err(self.error(ask, failed));
            };
            tracing::info!("{}: {}; again in {pause:?}", ask.what(), failed.shown());
            tokio::time::sleep(pause).await;
        }
    }

    async fn once(&self, path: &str) -> Result<Bytes, Failed> {
        let mut request = self.http.get(path);
        if let Some(credentials) = &self.settings.credentials {
            request = request.basic_auth(&credentials.access_key_id, Some(&credentials.secret_access_key));
        }
        let answer = request.send().await.map_err(Failed::Unreached)?;
        self.answered.store(true, Ordering::Relaxed);
        if answer.status() == StatusCode::OK {
            return answer.bytes().await.map_err(Failed::Unreached);
        }
        Err(Failed::refused(answer).await)
    }

    fn error(&self, ask: Ask<'_>, failed: Failed) -> Error {
        match failed {
            Failed::Unreached(error) => self.unreachable(ask, error),
            Failed::Refused { status, message, location, .. } => {
                let made = self.refused(ask, status, message.as_deref(), location.as_deref());
                let message = message.map_or_else(String::new, |message| format!(": {}", words(&message)));
                made.note(format!("{} answers {}{message}", self.endpoint(), status.as_u16()))
            }
        }
    }

    fn refused(&self, ask: Ask<'_>, status: StatusCode, message: Option<&str>, location: Option<&str>) -> Error {
        let what = ask.what();
        let error = |kind, message: String| Error::new(kind, message);
        match status.as_u16() {
            401 => error(ErrorKind::Credentials, format!("{} does not know these credentials", self.endpoint())).help(
                "look at LAKECTL_CREDENTIALS_ACCESS_KEY_ID and LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY, or ~/.lakectl.yaml",
            ),
            403 => error(ErrorKind::Denied, format!("{what} is denied")).help(format!(
                "the lakeFS user needs {} on arn:lakefs:fs:::repository/{}",
                ask.permission(),
                Shown(&ask.resource())
            )),
            404 if message.is_none() => {
                error(ErrorKind::NotFound, format!("{} does not answer as lakeFS does", self.endpoint()))
                    .help(LOOK_AT)
            }
            404 | 410 => self.not_found(ask, message.unwrap_or_default()),
            300..400 => {
                let made = error(ErrorKind::Unreachable, format!("{} sends us elsewhere", self.endpoint()));
                let to = location.and_then(|to| self.settings.endpoint.join(to).ok()).map(|to| without_path(to.as_str()));
                made.help(match to {
                    Some(to) => format!("write that as the endpoint: {}", Shown(&to)),
                    None => LOOK_AT.to_owned(),
                })
            }
            _ if is_too_many(status) => {
                error(ErrorKind::Throttled, format!("{what} was put off for load, again and again"))
                    .help("run again when lakeFS is less busy; nothing half-done counts")
            }
            500.. => error(ErrorKind::Unreachable, format!("{what} failed in lakeFS")),
            400 => error(ErrorKind::Usage, format!("{what} is not possible")).help("look at how the repository, the ref or the path is written"),
            _ => error(ErrorKind::Unsupported, format!("{what} was refused")),
        }
    }

    fn not_found(&self, ask: Ask<'_>, message: &str) -> Error {
        let error = |message: String| Error::new(ErrorKind::NotFound, message);
        let no_repository = |repository: &str| {
            error(format!("there is no repository `{}` at {}", Shown(repository), self.endpoint()))
                .help("lakectl repo list")
        };
        match ask {
            Ask::Repository { repository } => no_repository(repository),
            Ask::Commit { repository, .. } | Ask::Objects { repository, .. } | Ask::Object { repository, .. }
                if message.contains("repository") =>
            {
                no_repository(repository)
            }
            Ask::Commit { repository, reference } | Ask::Objects { repository, commit: reference, .. } => {
                let (repository, reference) = (Shown(repository), Shown(reference));
                error(format!("repository `{repository}` has no branch, tag or commit `{reference}`"))
                    .help(format!("lakectl branch list lakefs://{repository}"))
            }
            Ask::Object { of, .. } => {
                error(format!("there is no object {}", of.shown())).note("only what is committed counts")
            }
        }
    }

    fn unreachable(&self, ask: Ask<'_>, error: reqwest::Error) -> Error {
        let made = if error.is_timeout() {
            let made = Error::new(ErrorKind::Unreachable, format!("{} does not answer", self.endpoint()));
            made.note(format!("{}: no answer within {TRY_TIMEOUT:?}", ask.what()))
        } else {
            let message = match self.answered.load(Ordering::Relaxed) {
                true => format!("the connection to {} broke", self.endpoint()),
                false => format!("nobody answers at {}", self.endpoint()),
            };
            Error::new(ErrorKind::Unreachable, message).note(format!("{}: {}", ask.what(), words(&deepest(&error))))
        };
        // With its URL it would say whatever stands in the endpoint.
        made.help(LOOK_AT).source(error.without_url())
    }

    /// Scheme, host and port: whatever else stands in the endpoint may be a secret.
    pub fn endpoint(&self) -> String {
        Shown(&without_path(self.settings.endpoint.as_str())).to_string()
    }
}

impl Counts {
    fn count(&self, ask: Ask<'_>) {
        let count = if matches!(ask, Ask::Objects { .. }) { &self.lists } else { &self.gets };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// One try that came to nothing.
enum Failed {
    Unreached(reqwest::Error),
    Refused { status: StatusCode, message: Option<String>, after: Option<Duration>, location: Option<String> },
}

impl Failed {
    async fn refused(answer: Response) -> Failed {
        #[derive(Deserialize)]
        struct Said {
            message: String,
        }
        let status = answer.status();
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let after = header(RETRY_AFTER).and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs);
        let location = header(LOCATION);
        let body = answer.bytes().await.unwrap_or_default();
        let message = serde_json::from_slice::<Said>(&body).ok().map(|said| said.message);
        Failed::Refused { status, message, after, location }
    }

    fn shown(&self) -> String {
        match self {
            Failed::Unreached(error) => words(&deepest(error)),
            Failed::Refused { status, .. } => status.as_u16().to_string(),
        }
    }
}

impl Ask<'_> {
    /// The path behind the endpoint, and the query.
    fn path(self) -> String {
        match self {
            Ask::Repository { repository } => format!("/repositories/{}", encoded(repository)),
            Ask::Commit { repository, reference } => {
                format!("/repositories/{}/refs/{}/commits?amount=1", encoded(repository), encoded(reference))
            }
            Ask::Objects { repository, commit, prefix, after, amount, .. } => format!(
                "/repositories/{}/refs/{}/objects/ls?user_metadata=false&presign=false&prefix={}&after={}&amount={amount}",
                encoded(repository),
                encoded(commit),
                encoded(prefix),
                encoded(after)
            ),
            Ask::Object { repository, commit, path, .. } => format!(
                "/repositories/{}/refs/{}/objects?presign=false&path={}",
                encoded(repository),
                encoded(commit),
                encoded(path)
            ),
        }
    }

    /// What is called `.` or `..`: no name in lakeFS, and in a URL a step to another path.
    fn climbs(self) -> Option<&'static str> {
        let is_dots = |name: &str| matches!(name, "." | "..");
        let (Ask::Repository { repository }
        | Ask::Commit { repository, .. }
        | Ask::Objects { repository, .. }
        | Ask::Object { repository, .. }) = self;
        match self {
            _ if is_dots(repository) => Some("repository"),
            Ask::Commit { reference, .. } if is_dots(reference) => Some("ref"),
            _ => None,
        }
    }

    /// `listing lakefs://repo/main/data/`
    fn what(self) -> String {
        match self {
            Ask::Repository { repository } => format!("looking at lakefs://{}", Shown(repository)),
            Ask::Commit { repository, reference } => {
                format!("looking at lakefs://{}/{}", Shown(repository), Shown(reference))
            }
            Ask::Objects { of, .. } => format!("listing {}", of.shown()),
            Ask::Object { of, .. } => format!("reading {}", of.shown()),
        }
    }

    fn permission(self) -> &'static str {
        match self {
            Ask::Repository { .. } => "fs:ReadRepository",
            Ask::Commit { .. } => "fs:ReadBranch",
            Ask::Objects { .. } => "fs:ListObjects",
            Ask::Object { .. } => "fs:ReadObject",
        }
    }

    fn resource(self) -> String {
        match self {
            Ask::Repository { repository } | Ask::Objects { repository, .. } => repository.to_owned(),
            Ask::Commit { repository, reference } => format!("{repository}/branch/{reference}"),
            Ask::Object { repository, path, .. } => format!("{repository}/object/{path}"),
        }
    }
}

/// Percent-encoded, a slash and a space too.
fn encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, RESERVED)
}

/// Whether an answer says that too much is asked. Older versions of the API say 420.
fn is_too_many(status: StatusCode) -> bool {
    matches!(status.as_u16(), 420 | 429 | 503)
}

/// The pause behind a try: twice as long each time, and a random part of it, so that clients part.
fn pause(tries: u32) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1 << tries.min(16)).min(LONGEST_PAUSE);
    let mut random = [0; 1];
    // Without random numbers the pause is whole.
    let share = if getrandom::fill(&mut random).is_ok() { 0.5 + f64::from(random[0]) / 512.0 } else { 1.0 };
    whole.mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_request_is_escaped() {
        let of = &Uri::parse("lakefs://repo/feat/").unwrap();
        let ask = Ask::Objects {
            of,
            repository: "repo",
            commit: "feat/x~1",
            prefix: "/lead//%2F+ \u{1}\n😀",
            after: "a&b=c",
            amount: 1_000,
        };
        assert_eq!(
            ask.path(),
            "/repositories/repo/refs/feat%2Fx~1/objects/ls?user_metadata=false&presign=false\
             &prefix=%2Flead%2F%2F%252F%2B%20%01%0A%F0%9F%98%80&after=a%26b%3Dc&amount=1000"
        );
    }

    #[test]
    fn pauses_grow_and_end_growing() {
        assert!((1..=40).map(pause).all(|pause| pause >= FIRST_PAUSE && pause <= LONGEST_PAUSE));
        assert!(pause(40) >= LONGEST_PAUSE / 2 && pause(1) <= FIRST_PAUSE * 2);
    }
}
