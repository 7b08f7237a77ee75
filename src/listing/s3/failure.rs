//! What an S3 error means to a person: what was being done, where, why it failed, what to do. Pure.
//!
//! What any AWS service says of a request is in [`super::asked`]; here stands what S3 alone says.

use std::error::Error as StdError;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::asked::{Asked, cause, made_of};
use super::connection::{Connection, is_elsewhere};
use super::document::Unreadable;
use super::watch::Watch;
use crate::error::{Error, ErrorKind};
use crate::rules::table::Access;
use crate::uri::{Shown, Uri};

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
    /// Whether a bucket keeps versions.
    Versioning,
    Lifecycle,
}

impl Action {
    fn doing(self) -> &'static str {
        match self {
            Action::List => "listing",
            Action::Read => "reading",
            Action::Write => "writing",
            Action::Delete => "deleting",
            Action::Versioning => "reading whether there are versions in",
            Action::Lifecycle => "reading the lifecycle rules of",
        }
    }

    fn permission(self) -> &'static str {
        match self {
            Action::List => "s3:ListBucket",
            Action::Read => "s3:GetObject",
            Action::Write => "s3:PutObject",
            Action::Delete => "s3:DeleteObject",
            Action::Versioning => "s3:GetBucketVersioning",
            Action::Lifecycle => "s3:GetLifecycleConfiguration",
        }
    }

    fn is_of_bucket(self) -> bool {
        matches!(self, Action::List | Action::Versioning | Action::Lifecycle)
    }
}

impl Failure<'_> {
    /// The error to show for `error`.
    pub fn of<E>(&self, error: SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let asked = self.asked();
        let made = match &error {
            SdkError::ServiceError(refused) => self.refused(&asked, refused.raw(), refused.err()),
            _ => match cause::<Unreadable>(&error) {
                Some(unreadable) => self.unreadable(unreadable),
                None => asked.unanswered(&error, || self.settings()),
            },
        };
        made_of(made, error)
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            service: "S3",
            what: self.what(),
            watch: self.watch,
            profile: self.connection.profile(),
            endpoint: self.connection.endpoint(),
            look_at: self.look_at(),
            try_timeout: self.connection.try_timeout(),
        }
    }

    /// The store's own refusal.
    fn refused(&self, asked: &Asked<'_>, response: &HttpResponse, error: &impl ProvideErrorMetadata) -> Error {
        let status = response.status().as_u16();
        let code = error.code().unwrap_or("");
        let made = match (code, status) {
            _ if is_elsewhere(response, error.code()) => self.in_another_region(),
            _ if let Some(made) = asked.misknown(code) => made,
            ("NoSuchBucket" | "NotFound", _) => self.no_bucket(),
            ("", 404) => {
                let error =
                    self.error(ErrorKind::NotFound, format!("{} does not answer as S3 does", self.asked().endpoint()));
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
        let answer = asked.answer(status, code, error.message());
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
        let object = if self.action.is_of_bucket() { String::new() } else { format!("/{}", Shown(&self.uri.key)) };
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
            Some(_) => format!(" at {}", self.asked().endpoint()),
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

    fn unreadable(&self, unreadable: &Unreadable) -> Error {
        let message = format!("the answer to {} cannot be read", self.what());
        let error = self.error(ErrorKind::Corrupt, message).note(unreadable.to_string());
        error.help(format!("is {} an S3 endpoint? {}", self.asked().endpoint(), self.look_at()))
    }

    fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        Error::new(kind, message)
    }

    /// `listing s3://bucket/prefix`
    fn what(&self) -> String {
        format!("{} {}", self.action.doing(), self.uri.shown())
    }

    fn look_at(&self) -> &'static str {
        match (&self.connection.access().endpoint, self.connection.endpoint()) {
            (Some(_), _) => "look at `endpoint` in the rule file's `[[listing]]`",
            (None, Some(_)) => "look at AWS_ENDPOINT_URL, or `endpoint_url` in ~/.aws/config",
            (None, None) => "look at the network, and at HTTPS_PROXY if there is a proxy",
        }
    }

    /// What else of the rule file may help one who has no credentials.
    fn settings(&self) -> String {
        let (profile, anonymous) = (self.setting("profile = \"…\""), self.setting("anonymous = true"));
        format!("or name a profile{profile}\nor, if the bucket is open to everybody{anonymous}")
    }

    /// How the rule file says something about this bucket: behind words that say what for.
    fn setting(&self, line: &str) -> String {
        if *self.connection.access() == Access::default() {
            return format!(":\n[[listing]]\nprefix = 's3://{}/'\n{line}", Shown(&self.uri.bucket.name));
        }
        format!(": {line} in its `[[listing]]`")
    }
}

/// Whether there is no such object, as against no such bucket.
pub(crate) fn is_missing_key<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    let is_404 = error.raw_response().is_some_and(|response| response.status().as_u16() == 404);
    is_404 && error.code() != Some("NoSuchBucket")
}
