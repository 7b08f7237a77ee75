//! What an error of Glue means to a person: what was being done, why it failed, what to do. Pure.
//!
//! What any AWS service says of a request is in [`Asked`]; here stands what Glue alone says.

use std::error::Error as StdError;

use aws_sdk_glue::config::http::HttpResponse;
use aws_sdk_glue::error::{ProvideErrorMetadata, SdkError};

use super::Glue;
use crate::catalog::Catalog;
use crate::error::{Error, ErrorKind};
use crate::listing::s3::asked::{Asked, made_of};
use crate::listing::s3::watch::Watch;
use crate::uri::Shown;

/// A call that failed, for what is said about it.
#[derive(Debug)]
pub(super) struct Failure<'a> {
    pub glue: &'a Glue,
    pub watch: &'a Watch,
    /// As Glue and IAM call it: `GetTable`.
    pub action: &'static str,
    /// Empty where it is about the database.
    pub table: &'a str,
}

/// Whether another try of a call may go well, of what the SDK does not try again itself. One that is decided by who comes
/// first (`is_decisive`) is not tried again because another came.
pub(super) fn is_passing(code: Option<&str>, is_decisive: bool) -> bool {
    match code.unwrap_or("") {
        "OperationTimeoutException" => true,
        "ConcurrentModificationException" | "ResourceNotReadyException" => !is_decisive,
        _ => false,
    }
}

/// Whether another try of an item may go well. The SDK does not look at items.
pub(super) fn is_item_passing(code: Option<&str>) -> bool {
    matches!(code.unwrap_or(""), "InternalServiceException" | "InternalFailure" | "ThrottlingException")
        || is_passing(code, false)
}

impl Failure<'_> {
    /// The error to show for `error`.
    pub fn of<E>(&self, error: SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let asked = self.asked();
        let made = match &error {
            SdkError::ServiceError(refused) => {
                let (status, err) = (refused.raw().status().as_u16(), refused.err());
                let code = err.code().unwrap_or("");
                let message = err.message();
                let made = asked.misknown(code).unwrap_or_else(|| self.refused(status, code, message.unwrap_or("")));
                made.note(format!("{}: {}", self.action, asked.answer(status, code, message)))
            }
            _ => asked.unanswered(&error, || "or name a profile:\n[catalog]\nprofile = \"…\"".to_owned()),
        };
        made_of(made, error)
    }

    /// The error of one partition in an answer about many.
    pub fn of_item(&self, values: &[String], code: Option<&str>, message: Option<&str>) -> Error {
        let code = code.unwrap_or("");
        let values: Vec<String> = values.iter().map(|value| Shown(value).to_string()).collect();
        let partition = format!("partition ({}) of {}", values.join(", "), self.what());
        let made = match code {
            "AlreadyExistsException" => Error::new(ErrorKind::Conflict, format!("{partition} is there already")),
            "EntityNotFoundException" => Error::new(ErrorKind::NotFound, format!("{partition} is not there")),
            _ => {
                let (kind, why) = self.kind(200, code);
                Error::new(kind, format!("{partition}: {why}"))
            }
        };
        match message {
            Some(message) => made.note(format!("{}: Glue answers {}: {}", self.action, Shown(code), Shown(message))),
            None => made,
        }
    }

    /// Somebody else changed the table.
    pub fn conflict(&self, why: &str) -> Error {
        let message = format!("{} was changed by somebody else meanwhile", self.what());
        Error::new(ErrorKind::Conflict, message).note(format!("since it was read: {why}"))
    }

    /// A table that no `CREATE EXTERNAL TABLE` made.
    pub fn not_external(&self) -> Error {
        let message = format!("{} is a view, or a link to another catalog", self.what());
        Error::new(ErrorKind::Unsupported, message).help("give the rule file's table another name")
    }

    /// Glue leaves as many keys for another call as it was given.
    pub fn unread(&self, keys: usize) -> Error {
        let message = format!("Glue does not say whether {keys} partitions of {} are there", self.what());
        Error::new(ErrorKind::Throttled, message).help("run again later; nothing half-done counts")
    }

    /// A page that leads to itself.
    pub fn stuck(&self) -> Error {
        Error::new(ErrorKind::Corrupt, format!("the pages of partitions of {} do not go on", self.what()))
    }

    fn refused(&self, status: u16, code: &str, message: &str) -> Error {
        match code {
            "EntityNotFoundException" => {
                let is_database = self.table.is_empty() || self.action == "CreateTable" || message.contains("Database");
                let what = if is_database { self.glue.shown() } else { self.what() };
                Error::new(ErrorKind::NotFound, format!("there is no {what}"))
            }
            "AlreadyExistsException" => Error::new(ErrorKind::Conflict, format!("{} is there already", self.what())),
            "ConcurrentModificationException" => self.conflict("another change came first"),
            "AccessDeniedException" => self.denied(message),
            "InvalidInputException" | "ValidationException" => {
                Error::new(ErrorKind::Unsupported, format!("Glue does not take this of {}", self.what()))
            }
            _ => {
                let (kind, why) = self.kind(status, code);
                let error = Error::new(kind, format!("{}: {why}", self.what()));
                match code {
                    "ResourceNumberLimitExceededException" => {
                        error.help("ask for a higher quota: aws service-quotas list-service-quotas --service-code glue")
                    }
                    "GlueEncryptionException" => {
                        error.help("the catalog is encrypted: these credentials need its KMS key (kms:Decrypt, kms:GenerateDataKey)")
                    }
                    _ if kind == ErrorKind::Throttled => error.help("run again later; nothing half-done counts"),
                    _ => error,
                }
            }
        }
    }

    fn kind(&self, status: u16, code: &str) -> (ErrorKind, &'static str) {
        match (code, status) {
            ("ThrottlingException" | "Throttling" | "RequestLimitExceeded" | "TooManyRequestsException", _)
            | (_, 429 | 503) => (ErrorKind::Throttled, "put off for load, again and again"),
            ("OperationTimeoutException", _) => {
                (ErrorKind::Unreachable, "Glue did not end the call in time, again and again")
            }
            ("ResourceNumberLimitExceededException", _) => {
                (ErrorKind::Unsupported, "one of the account's limits is reached")
            }
            ("GlueEncryptionException", _) => (ErrorKind::Denied, "the catalog's key refuses"),
            ("ConcurrentModificationException", _) => {
                (ErrorKind::Conflict, "changed by somebody else at the same time")
            }
            ("AccessDeniedException", _) | (_, 401 | 403) => (ErrorKind::Denied, "access denied"),
            ("UnknownOperationException" | "NotImplemented", _) | (_, 404 | 405 | 501) => {
                (ErrorKind::Unsupported, "not possible there")
            }
            ("InternalServiceException", _) | (_, 500..) => (ErrorKind::Unreachable, "failed in Glue, again and again"),
            _ => (ErrorKind::Unsupported, "refused"),
        }
    }

    fn denied(&self, message: &str) -> Error {
        let error = Error::new(ErrorKind::Denied, format!("glue:{} is denied on {}", self.action, self.what()));
        if message.contains("Lake Formation") {
            return error
                .help("the database is governed by Lake Formation: grant these credentials what they need there");
        }
        let database = Shown(&self.glue.database);
        let table = match self.table {
            "" => String::new(),
            table => format!(", …:table/{database}/{}", Shown(table)),
        };
        error.help(format!(
            "these credentials need glue:{} on arn:aws:glue:{}:ACCOUNT:catalog, …:database/{database}{table}",
            self.action,
            Shown(&self.glue.region)
        ))
    }

    fn what(&self) -> String {
        if self.table.is_empty() {
            return self.glue.shown();
        }
        format!("Glue table {}.{}", Shown(&self.glue.database), Shown(self.table))
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            service: "Glue",
            what: format!("{} of {}", self.action, self.what()),
            watch: self.watch,
            profile: self.glue.profile.as_deref(),
            endpoint: self.glue.endpoint.as_deref(),
            look_at: match (self.glue.is_endpoint_in_rules, &self.glue.endpoint) {
                (true, _) => "look at `endpoint` in the rule file's `[catalog]`",
                (false, Some(_)) => {
                    "look at AWS_ENDPOINT_URL_GLUE and AWS_ENDPOINT_URL, or `endpoint_url` in ~/.aws/config"
                }
                (false, None) => "look at the network, at the region, and at HTTPS_PROXY if there is a proxy",
            },
            try_timeout: self.glue.try_timeout,
        }
    }
}
