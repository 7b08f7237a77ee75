//! What an SDK error means to a person: what was being done, where, why it failed, what to do. Pure.
//!
//! Takes of an answer its status, code, message and `Date`; never a header of a request, never the rest of a body.

use std::error::Error as StdError;
use std::io;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::connection::{Connection, is_elsewhere};
use super::document::Unreadable;
use super::watch::Watch;
use crate::error::{Error, ErrorKind};
use crate::rules::table::Access;
use crate::uri::{Shown, Uri};

/// Characters of a store's own words that are shown.
const MAX_WORDS: usize = 400;

/// A request that failed, for what is said about it.
#[derive(Debug)]
pub(crate) struct Failure<'a> {
    pub connection: &'a Connection,
    pub watch: &'a Watch,
    pub action: Action,
    pub uri: &'a Uri,
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    List,
    Read,
    Write,
    Delete,
}

impl Action {
    fn doing(self) -> &'static str {
        match self {
            Action::List => "listing",
            Action::Read => "reading",
            Action::Write => "writing",
            Action::Delete => "deleting",
        }
    }

    fn permission(self) -> &'static str {
        match self {
            Action::List => "s3:ListBucket",
            Action::Read => "s3:GetObject",
            Action::Write => "s3:PutObject",
            Action::Delete => "s3:DeleteObject",
        }
    }
}

impl Failure<'_> {
    /// The error to show for `error`.
    pub fn of<E>(&self, error: SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let made = match &error {
            SdkError::ServiceError(refused) => self.refused(refused.raw(), refused.err()),
            SdkError::TimeoutError(_) => self.silent(),
            SdkError::ResponseError(_) => match cause::<Unreadable>(&error) {
                Some(unreadable) => self.unreadable(unreadable),
                None => self.unreachable(&error),
            },
            _ => match cause::<CredentialsError>(&error) {
                Some(credentials) => self.without_credentials(credentials),
                None if matches!(error, SdkError::DispatchFailure(_)) => self.unreachable(&error),
                None => self.error(ErrorKind::Usage, format!("{} cannot be asked for", self.uri.shown())),
            },
        };
        match error.into_source() {
            Ok(source) => made.source(source),
            Err(error) => made.source(error),
        }
    }

    /// The store's own refusal.
    fn refused(&self, response: &HttpResponse, error: &impl ProvideErrorMetadata) -> Error {
        let status = response.status().as_u16();
        let code = error.code().unwrap_or("");
        let made = match (code, status) {
            _ if is_elsewhere(response, error.code()) => self.in_another_region(),
            ("ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "RequestExpired", _) => self.expired(),
            ("InvalidAccessKeyId" | "InvalidToken" | "InvalidSecurity" | "UnrecognizedClientException", _) => {
                self.unknown_credentials("does not know these credentials")
            }
            ("AuthorizationHeaderMalformed", _) => self.unknown_credentials("finds these credentials misshapen"),
            ("SignatureDoesNotMatch", _) => self.unknown_credentials("takes the secret key for wrong"),
            ("RequestTimeTooSkewed", _) => self.skewed(),
            ("NoSuchBucket" | "NotFound", _) => self.no_bucket(),
            ("", 404) => {
                let error = self.error(ErrorKind::NotFound, format!("{} does not answer as S3 does", self.endpoint()));
                error.help(self.look_at())
            }
            ("InvalidBucketName", _) => {
                self.error(ErrorKind::Usage, format!("`{}` can be no bucket's name", Shown(&self.uri.bucket.name)))
            }
            ("SlowDown" | "RequestLimitExceeded" | "Throttling" | "ServiceUnavailable", _) | (_, 429 | 503) => {
                self.throttled()
            }
            ("NotImplemented" | "MethodNotAllowed", _) | (_, 405 | 501) => {
                self.error(ErrorKind::Unsupported, format!("{} is not possible there", self.what()))
            }
            (_, 401 | 403) => self.denied(),
            (_, 500..) => self.error(ErrorKind::Unreachable, format!("{} failed in the store", self.what())),
            _ => self.error(ErrorKind::Unsupported, format!("{} was refused", self.what())),
        };
        let answer = self.answer(status, code, error.message());
        let is_said = made.message().contains(&self.what());
        made.note(if is_said { answer } else { format!("{}: {answer}", self.what()) })
    }

    fn denied(&self) -> Error {
        let error = self.error(ErrorKind::Denied, format!("{} is denied", self.what()));
        let access = self.connection.access();
        let bucket = Shown(&self.uri.bucket.name);
        if access.anonymous {
            return error.help("the bucket is not open to everybody: leave out `anonymous = true`");
        }
        let object = if self.action == Action::List { String::new() } else { format!("/{}", Shown(&self.uri.key)) };
        let permission = self.action.permission();
        error.help(match self.action {
            Action::List if !access.requester_pays => format!(
                "these credentials need {permission} on arn:aws:s3:::{bucket}\nif its owner lets others pay{}",
                self.setting("requester_pays = true")
            ),
            Action::Read => format!(
                "these credentials need {permission} on arn:aws:s3:::{bucket}{object}\nand s3:ListBucket on \
                 arn:aws:s3:::{bucket}, without which S3 does not say what is missing"
            ),
            _ => format!("these credentials need {permission} on arn:aws:s3:::{bucket}{object}"),
        })
    }

    fn no_bucket(&self) -> Error {
        let place = match self.connection.endpoint() {
            Some(_) => format!(" at {}", self.endpoint()),
            None => String::new(),
        };
        let message = format!("there is no bucket `{}`{place}", Shown(&self.uri.bucket.name));
        self.error(ErrorKind::NotFound, message).help("look at its name in the rule file")
    }

    fn in_another_region(&self) -> Error {
        let bucket = &self.uri.bucket.name;
        let region = self.connection.region(bucket);
        let message = format!("the bucket `{}` is not in {}", Shown(bucket), Shown(&region));
        let error = self.error(ErrorKind::NotFound, message).note("and the store does not say where it is");
        error.help(format!("say it in the rule file{}", self.setting("region = \"…\"")))
    }

    fn throttled(&self) -> Error {
        self.error(ErrorKind::Throttled, format!("{} was put off for load, again and again", self.what()))
            .help("run again when the bucket is less busy; nothing half-done counts")
    }

    fn skewed(&self) -> Error {
        let error = self.error(ErrorKind::Denied, "this machine's clock is too far from the store's");
        let error = match self.watch.now().and_then(|now| jiff::Timestamp::from_second(now).ok()) {
            Some(now) => error.note(format!("the store's says {now}")),
            None => error,
        };
        error.help("set the clock: sudo timedatectl set-ntp true")
    }

    fn expired(&self) -> Error {
        let error = self.error(ErrorKind::Credentials, "the credentials have expired");
        error.help(format!("get new ones: {}", self.login()))
    }

    fn unknown_credentials(&self, what: &str) -> Error {
        let error = self.error(ErrorKind::Credentials, format!("{} {what}", self.endpoint()));
        error.help(match self.connection.profile() {
            Some(profile) => format!("look at profile `{}` in ~/.aws", Shown(profile)),
            None => "look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or ~/.aws".to_owned(),
        })
    }

    fn without_credentials(&self, error: &CredentialsError) -> Error {
        let is_absent = matches!(error, CredentialsError::CredentialsNotLoaded(_));
        if let Some(profile) = self.connection.profile() {
            let message = format!("profile `{}` gives no credentials", Shown(profile));
            let why = if is_absent { "it is not in ~/.aws, or names none".into() } else { words(&deepest(error)) };
            let error = self.error(ErrorKind::Credentials, message).note(why);
            return error.help(format!(
                "see `aws configure list --profile {0}`, or sign in: {1}",
                Shown(profile),
                self.login()
            ));
        }
        let made = self.error(ErrorKind::Credentials, format!("{} needs AWS credentials", self.what()));
        let made = made.note(if is_absent { "none were found".into() } else { words(&deepest(error)) });
        made.help(format!(
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in: {}\nor name a profile{}\nor, if the bucket is open to everybody{}",
            self.login(),
            self.setting("profile = \"…\""),
            self.setting("anonymous = true")
        ))
    }

    fn silent(&self) -> Error {
        let message = format!("{} does not answer", self.endpoint());
        let error = self.error(ErrorKind::Unreachable, message);
        error
            .note(format!("{}: no answer within {:?}", self.what(), self.connection.try_timeout()))
            .help(self.look_at())
    }

    fn unreachable(&self, error: &(dyn StdError + 'static)) -> Error {
        if let Some(tls) = cause::<rustls::Error>(error) {
            let message = format!("no safe connection to {}", self.endpoint());
            let error = self.error(ErrorKind::Unreachable, message).note(format!("TLS: {}", words(&tls.to_string())));
            return error.help(
                "if its certificate is signed by an authority of your own: SSL_CERT_FILE=ca.pem restitch …\nif it \
                 does not speak TLS: write the endpoint with http://",
            );
        }
        let message = match self.watch.now() {
            Some(_) => format!("the connection to {} broke", self.endpoint()),
            None => format!("nobody answers at {}", self.endpoint()),
        };
        let made = self.error(ErrorKind::Unreachable, message);
        made.note(format!("{}: {}", self.what(), words(&deepest(error)))).help(self.look_at())
    }

    fn unreadable(&self, unreadable: &Unreadable) -> Error {
        let message = format!("the answer to {} cannot be read", self.what());
        let error = self.error(ErrorKind::Corrupt, message).note(unreadable.to_string());
        error.help(format!("is {} an S3 endpoint? {}", self.endpoint(), self.look_at()))
    }

    fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        Error::new(kind, message)
    }

    /// `listing s3://bucket/prefix`
    fn what(&self) -> String {
        format!("{} {}", self.action.doing(), self.uri.shown())
    }

    /// The store's own words.
    fn answer(&self, status: u16, code: &str, message: Option<&str>) -> String {
        let code = if code.is_empty() { String::new() } else { format!(" {}", Shown(code)) };
        let message = message.filter(|message| !message.is_empty());
        let message = message.map_or_else(String::new, |message| format!(": {}", words(message)));
        format!("{} answers {status}{code}{message}", self.endpoint())
    }

    fn endpoint(&self) -> String {
        let asked = self.watch.endpoint().or_else(|| self.connection.endpoint().map(super::watch::without_path));
        asked.map_or_else(|| "S3".to_owned(), |endpoint| Shown(&endpoint).to_string())
    }

    fn look_at(&self) -> String {
        match (&self.connection.access().endpoint, self.connection.endpoint()) {
            (Some(_), _) => "look at `endpoint` in the rule file's `[[listing]]`".to_owned(),
            (None, Some(_)) => "look at AWS_ENDPOINT_URL, or `endpoint_url` in ~/.aws/config".to_owned(),
            (None, None) => "look at the network, and at HTTPS_PROXY if there is a proxy".to_owned(),
        }
    }

    fn login(&self) -> String {
        match self.connection.profile() {
            Some(profile) => format!("aws sso login --profile {}", Shown(profile)),
            None => "aws sso login".to_owned(),
        }
    }

    /// How the rule file says something about this bucket: behind words that say what for.
    fn setting(&self, line: &str) -> String {
        if *self.connection.access() == Access::default() {
            return format!(":\n[[listing]]\nprefix = 's3://{}/'\n{line}", Shown(&self.uri.bucket.name));
        }
        format!(": {line} in its `[[listing]]`")
    }
}

/// The error of type `T` among the causes of `error`.
fn cause<'e, T: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e T> {
    causes(error).find_map(|error| error.downcast_ref::<T>())
}

/// What the innermost cause says.
fn deepest(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}

/// An error and what caused it, what an I/O error holds too.
fn causes<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = held.map(|held| held as &(dyn StdError + 'static)).or_else(|| error.source());
        Some(error)
    })
}

/// Somebody else's words, as they may be shown: not too many, without the number that the system gives an error.
fn words(text: &str) -> String {
    let text = text.split(" (os error").next().unwrap_or(text);
    Shown(&text.chars().take(MAX_WORDS).collect::<String>()).to_string()
}
