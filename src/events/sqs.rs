//! An SQS queue, or a server that speaks its language: messages in, and taken away when what they asked for has been done.
//!
//! Settings, credentials, sockets and retries are those of [`crate::listing::s3`].

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry};

use crate::error::{Error, ErrorKind, Result};
use crate::listing::s3::asked::Asked;
use crate::listing::s3::connection::{http_client, profile, retries, retry_partition, settings, timeouts, try_timeout};
use crate::listing::s3::watch::{Counts, Kind, Reach, Watch};
use crate::listing::said::is_loopback;
use crate::rules::table::Access;
use crate::uri::Shown;

/// Messages of one call, by SQS's own rule.
const BATCH: usize = 10;

/// The longest that SQS holds back an answer for a message to come.
pub const MAX_WAIT: Duration = Duration::from_secs(20);

/// A message, hidden from others for as long as was asked for.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: String,
    /// By which this delivery of it is deleted, or hidden for longer.
    pub receipt: String,
    pub body: String,
}

/// One queue.
#[derive(Debug)]
pub struct Sqs {
    client: Client,
    url: String,
    counts: Arc<Counts>,
    profile: Option<String>,
    endpoint: Option<String>,
    try_timeout: Duration,
}

impl Sqs {
    /// The queue at `url`, as SQS names it: `https://sqs.eu-west-1.amazonaws.com/123456789012/name`. Asks nothing yet.
    ///
    /// # Errors
    /// `Usage` for what is no such URL, or where no region is set.
    pub async fn open(url: &str) -> Result<Sqs> {
        let place = Place::of(url)?;
        let access = Access { endpoint: place.endpoint, region: place.region, ..Access::default() };
        let sdk = settings(&access, "AWS_ENDPOINT_URL_SQS", None).await;
        let mut sqs = Sqs::over(&sdk, url, &access)?;
        sqs.profile = profile(&access);
        Ok(sqs)
    }

    fn over(sdk: &SdkConfig, url: &str, access: &Access) -> Result<Sqs> {
        let region = access.region.clone().or_else(|| sdk.region().map(|region| region.as_ref().to_owned()));
        let region = region.ok_or_else(|| {
            let error = Error::new(ErrorKind::Usage, format!("nothing says the region of the queue {}", Shown(url)));
            error.help("export AWS_REGION=eu-west-1")
        })?;
        let (try_timeout, reach) = (try_timeout(sdk), Reach::default());
        let mut config = aws_sdk_sqs::config::Builder::from(sdk)
            .region(Region::new(region))
            .retry_config(retries(sdk))
            .retry_partition(retry_partition())
            .retry_classifier(reach.clone())
            .interceptor(reach)
            .timeout_config(timeouts(try_timeout + MAX_WAIT));
        let set = std::env::var("AWS_ENDPOINT_URL_SQS").ok().filter(|set| !set.is_empty());
        let endpoint = set.or_else(|| access.endpoint.clone());
        if let Some(endpoint) = &endpoint {
            config = config.endpoint_url(endpoint);
        }
        if sdk.http_client().is_none() {
            config = config.http_client(http_client(endpoint.as_deref().is_some_and(is_loopback)));
        }
        let client = Client::from_conf(config.build());
        Ok(Sqs { client, url: url.to_owned(), counts: Arc::default(), profile: None, endpoint, try_timeout })
    }

    /// For a person.
    pub fn shown(&self) -> String {
        Shown(&self.url).to_string()
    }

    /// Up to 10 messages, hidden from others for `hidden`; none where none has come within `wait` (at most [`MAX_WAIT`]).
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Credentials`, `Unreachable`, `Throttled`.
    pub async fn receive(&self, wait: Duration, hidden: Duration) -> Result<Vec<Message>> {
        let watch = self.watch();
        let request = self.client.receive_message().queue_url(&self.url).max_number_of_messages(BATCH as i32);
        let request = request.wait_time_seconds(seconds(wait.min(MAX_WAIT))).visibility_timeout(seconds(hidden));
        let sent = request.customize().interceptor(watch.clone()).send().await;
        let received = sent.map_err(|error| self.failed(&watch, "ReceiveMessage", error))?;
        let message = |message: aws_sdk_sqs::types::Message| {
            Some(Message {
                id: message.message_id.unwrap_or_default(),
                receipt: message.receipt_handle?,
                body: message.body.unwrap_or_default(),
            })
        };
        Ok(received.messages.unwrap_or_default().into_iter().filter_map(message).collect())
    }

    /// Deletes messages; of those whose time has run out, or that have been deleted, nothing is said: they come again, or
    /// not.
    ///
    /// # Errors
    /// As [`Sqs::receive`].
    pub async fn delete(&self, receipts: &[String]) -> Result<()> {
        for batch in receipts.chunks(BATCH) {
            let watch = self.watch();
            let entries = batch.iter().enumerate().map(|(at, receipt)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(at.to_string()).receipt_handle(receipt);
                entry.build().expect("it has an id and a receipt")
            });
            let request = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries.collect()));
            let sent = request.customize().interceptor(watch.clone()).send().await;
            let sent = sent.map_err(|error| self.failed(&watch, "DeleteMessageBatch", error))?;
            if !sent.failed.is_empty() {
                tracing::info!("{} messages were not deleted: they come again", sent.failed.len());
            }
        }
        Ok(())
    }

    /// Hides messages from others for so long from now on; zero lets them come again at once.
    ///
    /// # Errors
    /// As [`Sqs::receive`].
    pub async fn hide(&self, receipts: &[String], hidden: Duration) -> Result<()> {
        for batch in receipts.chunks(BATCH) {
            let watch = self.watch();
            let entries = batch.iter().enumerate().map(|(at, receipt)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(at.to_string());
                let entry = entry.receipt_handle(receipt).visibility_timeout(seconds(hidden));
                entry.build().expect("it has an id and a receipt")
            });
            let request = self.client.change_message_visibility_batch().queue_url(&self.url);
            let request = request.set_entries(Some(entries.collect()));
            let sent = request.customize().interceptor(watch.clone()).send().await;
            sent.map_err(|error| self.failed(&watch, "ChangeMessageVisibilityBatch", error))?;
        }
        Ok(())
    }

    fn watch(&self) -> Watch {
        Watch::new(Kind::Other, &self.counts)
    }

    fn failed<E>(&self, watch: &Watch, action: &'static str, error: SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let asked = Asked {
            service: "SQS",
            what: format!("{action} of {}", self.shown()),
            watch,
            profile: self.profile.as_deref(),
            endpoint: self.endpoint.as_deref(),
            look_at: "look at the queue's URL, at the network, and at AWS_ENDPOINT_URL_SQS if that is set",
            try_timeout: self.try_timeout,
        };
        let made = match &error {
            SdkError::ServiceError(refused) => {
                let (status, err) = (refused.raw().status().as_u16(), refused.err());
                let code = err.code().unwrap_or("");
                let made = asked.misknown(code).unwrap_or_else(|| self.refused(action, status, code));
                made.note(format!("{action}: {}", asked.answer(status, code, err.message())))
            }
            _ => asked.unanswered(&error, || "or name a profile: export AWS_PROFILE=…".to_owned()),
        };
        match error.into_source() {
            Ok(source) => made.source(source),
            Err(error) => made.source(error),
        }
    }

    fn refused(&self, action: &str, status: u16, code: &str) -> Error {
        let queue = self.shown();
        match (code, status) {
            ("AWS.SimpleQueueService.NonExistentQueue" | "QueueDoesNotExist", _) => {
                Error::new(ErrorKind::NotFound, format!("there is no queue {queue}"))
                    .help("look at its URL: aws sqs list-queues")
            }
            ("AccessDenied" | "AccessDeniedException", _) | (_, 401 | 403) => {
                let name = match action {
                    "DeleteMessageBatch" => "DeleteMessage",
                    "ChangeMessageVisibilityBatch" => "ChangeMessageVisibility",
                    action => action,
                };
                Error::new(ErrorKind::Denied, format!("sqs:{name} is denied on {queue}"))
                    .help("these credentials need sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility on it")
            }
            ("ThrottlingException" | "RequestThrottled" | "OverLimit", _) | (_, 429 | 503) => {
                Error::new(ErrorKind::Throttled, format!("{queue}: put off for load, again and again"))
            }
            (_, 500..) => Error::new(ErrorKind::Unreachable, format!("{queue}: failed in SQS, again and again")),
            _ => Error::new(ErrorKind::Unsupported, format!("{queue}: refused")),
        }
    }
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

/// Where a queue lies, by its URL.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// Of AWS's own.
    region: Option<String>,
    /// Of any other server.
    endpoint: Option<String>,
}

impl Place {
    fn of(url: &str) -> Result<Place> {
        let wrong = || {
            let error = Error::new(ErrorKind::Usage, format!("`{}` is no URL of a queue", Shown(url)));
            error.help("as `aws sqs get-queue-url` prints it: https://sqs.eu-west-1.amazonaws.com/123456789012/name")
        };
        let (scheme, rest) =
            url.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme)).ok_or_else(wrong)?;
        let (host, path) = rest.split_once('/').ok_or_else(wrong)?;
        if host.is_empty() || path.is_empty() {
            return Err(wrong());
        }
        let labels: Vec<&str> = host.split('.').collect();
        Ok(match labels.as_slice() {
            ["sqs", region, "amazonaws", ..] | [region, "queue", "amazonaws", ..] => {
                Place { region: Some((*region).to_owned()), endpoint: None }
            }
            _ => Place { region: None, endpoint: Some(format!("{scheme}://{host}")) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_says_where_it_lies() {
        let of = |url: &str| Place::of(url).map(|place| (place.region, place.endpoint)).ok();
        let aws = Some((Some("eu-west-1".to_owned()), None));
        assert_eq!(of("https://sqs.eu-west-1.amazonaws.com/123456789012/events"), aws);
        assert_eq!(of("https://eu-west-1.queue.amazonaws.com/123456789012/events.fifo"), aws);
        let near = Some((None, Some("http://127.0.0.1:5000".to_owned())));
        assert_eq!(of("http://127.0.0.1:5000/123456789012/events"), near);
        for wrong in ["events", "arn:aws:sqs:eu-west-1:123456789012:events", "https://", "https://host", "ftp://host/x"]
        {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
