//! What any AWS service's error means to a person, as far as it is about who asks, and whether anybody answers. Pure.
//!
//! Takes of an answer its status, code, message and `Date`; never a header of a request, never the rest of a body.

use std::error::Error as StdError;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::SdkError;

use super::watch::Watch;
use crate::error::{Error, ErrorKind};
use crate::listing::said::{causes, deepest, without_path, words};
use crate::uri::Shown;

/// A request, for what is said of it when it fails.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    /// The service, where nothing else names who was asked.
    pub service: &'static str,
    /// `listing s3://bucket/prefix`
    pub what: String,
    pub watch: &'a Watch,
    /// Whose credentials are taken, where that is said.
    pub profile: Option<&'a str>,
    /// The endpoint that the user set, if one is.
    pub endpoint: Option<&'a str>,
    /// Where the endpoint is said.
    pub look_at: &'static str,
    pub try_timeout: Duration,
}

/// `made` of `error`, which goes along as its source.
pub(crate) fn made_of<E>(made: Error, error: SdkError<E, HttpResponse>) -> Error
where
    E: StdError + Send + Sync + 'static,
{
    match error.into_source() {
        Ok(source) => made.source(source),
        Err(error) => made.source(error),
    }
}

impl Asked<'_> {
    /// The error to show for a request that has no answer; `settings` says what else may help one without credentials.
    pub fn unanswered<E>(&self, error: &SdkError<E, HttpResponse>, settings: impl FnOnce() -> String) -> Error
    where
        E: StdError + Send + Sync + 'static,
    {
        match error {
            SdkError::TimeoutError(_) => self.silent(),
            SdkError::ResponseError(_) => self.unreachable(error),
            _ => match cause::<CredentialsError>(error) {
                Some(credentials) => self.without_credentials(credentials, settings),
                None if matches!(error, SdkError::DispatchFailure(_)) => self.unreachable(error),
                None => Error::new(ErrorKind::Usage, format!("{} cannot be asked for", self.what)),
            },
        }
    }

    /// The error to show where the service does not know who asks, by its code.
    pub fn misknown(&self, code: &str) -> Option<Error> {
        Some(match code {
            "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "RequestExpired" => self.expired(),
            "InvalidAccessKeyId"
            | "InvalidToken"
            | "InvalidSecurity"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId" => self.unknown_credentials("does not know these credentials"),
            "AuthorizationHeaderMalformed" | "IncompleteSignature" | "MissingAuthenticationToken" => {
                self.unknown_credentials("finds these credentials misshapen")
            }
            "SignatureDoesNotMatch" | "InvalidSignatureException" => {
                self.unknown_credentials("takes the secret key for wrong")
            }
            "RequestTimeTooSkewed" => self.skewed(),
            _ => return None,
        })
    }

    /// The service's own words.
    pub fn answer(&self, status: u16, code: &str, message: Option<&str>) -> String {
        let code = if code.is_empty() { String::new() } else { format!(" {}", Shown(code)) };
        let message = message.filter(|message| !message.is_empty());
        let message = message.map_or_else(String::new, |message| format!(": {}", words(message)));
        format!("{} answers {status}{code}{message}", self.endpoint())
    }

    /// Who was asked.
    pub fn endpoint(&self) -> String {
        let asked = self.watch.endpoint().or_else(|| self.endpoint.map(without_path));
        asked.map_or_else(|| self.service.to_owned(), |endpoint| Shown(&endpoint).to_string())
    }

    fn expired(&self) -> Error {
        let error = Error::new(ErrorKind::Credentials, "the credentials have expired");
        error.help(format!("get new ones: {}", self.login()))
    }

    fn unknown_credentials(&self, what: &str) -> Error {
        let error = Error::new(ErrorKind::Credentials, format!("{} {what}", self.endpoint()));
        error.help(match self.profile {
            Some(profile) => format!("look at profile `{}` in ~/.aws", Shown(profile)),
            None => "look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or ~/.aws".to_owned(),
        })
    }

    fn skewed(&self) -> Error {
        let error = Error::new(ErrorKind::Denied, "this machine's clock is too far from the store's");
        let error = match self.watch.now().and_then(|now| jiff::Timestamp::from_second(now).ok()) {
            Some(now) => error.note(format!("the store's says {now}")),
            None => error,
        };
        error.help("set the clock: sudo timedatectl set-ntp true")
    }

    fn without_credentials(&self, error: &CredentialsError, settings: impl FnOnce() -> String) -> Error {
        let is_absent = matches!(error, CredentialsError::CredentialsNotLoaded(_));
        if let Some(profile) = self.profile {
            let message = format!("profile `{}` gives no credentials", Shown(profile));
            let why = if is_absent { "it is not in ~/.aws, or names none".into() } else { words(&deepest(error)) };
            let error = Error::new(ErrorKind::Credentials, message).note(why);
            return error.help(format!(
                "see `aws configure list --profile {0}`, or sign in: {1}",
                Shown(profile),
                self.login()
            ));
        }
        let made = Error::new(ErrorKind::Credentials, format!("{} needs AWS credentials", self.what));
        let made = made.note(if is_absent { "none were found".into() } else { words(&deepest(error)) });
        let (login, settings) = (self.login(), settings());
        made.help(format!("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in: {login}\n{settings}"))
    }

    fn silent(&self) -> Error {
        let message = format!("{} does not answer", self.endpoint());
        let error = Error::new(ErrorKind::Unreachable, message);
        error.note(format!("{}: no answer within {:?}", self.what, self.try_timeout)).help(self.look_at)
    }

    fn unreachable(&self, error: &(dyn StdError + 'static)) -> Error {
        if let Some(tls) = cause::<rustls::Error>(error) {
            let message = format!("no safe connection to {}", self.endpoint());
            let error = Error::new(ErrorKind::Unreachable, message).note(format!("TLS: {}", words(&tls.to_string())));
            return error.help(
                "if its certificate is signed by an authority of your own: SSL_CERT_FILE=ca.pem restitch …\nif it \
                 does not speak TLS: write the endpoint with http://",
            );
        }
        let message = match self.watch.now() {
            Some(_) => format!("the connection to {} broke", self.endpoint()),
            None => format!("nobody answers at {}", self.endpoint()),
        };
        let made = Error::new(ErrorKind::Unreachable, message);
        made.note(format!("{}: {}", self.what, words(&deepest(error)))).help(self.look_at)
    }

    fn login(&self) -> String {
        match self.profile {
            Some(profile) => format!("aws sso login --profile {}", Shown(profile)),
            None => "aws sso login".to_owned(),
        }
    }
}

/// The error of type `T` among the causes of `error`.
pub(crate) fn cause<'e, T: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e T> {
    causes(error).find_map(|error| error.downcast_ref::<T>())
}
