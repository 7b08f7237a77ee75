//! What S3 says has changed: its event notifications, in all forms in which they reach a queue.
//!
//! Pure here; [`sqs`] is the queue. An event is a hint that a key may have changed, nothing more: how it changed, when, and
//! in which order does not count.

#[cfg(feature = "sqs")]
pub mod sqs;

use serde::Deserialize;

use crate::listing::url;
use crate::uri::{Bucket, Scheme, Uri};

/// What the body of a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// These objects may have changed.
    Objects(Vec<Uri>),
    /// Nothing about an object, as the test event that S3 sends when notifications are set up.
    Nothing,
}

/// Reads the body of a message: S3's own form (`Records`, keys form-encoded: `+` is a space), EventBridge's (`detail`, keys
/// as they are), and either inside of an SNS notification.
///
/// # Errors
/// What is wrong with it, in words, where it is none of these.
pub fn read(body: &str) -> Result<Said, String> {
    /// Envelopes inside of each other; there is one.
    const DEPTH: usize = 3;
    let mut body = std::borrow::Cow::Borrowed(body);
    for _ in 0..DEPTH {
        let event: Event = serde_json::from_str(&body).map_err(|error| format!("it is no event in JSON: {error}"))?;
        match event {
            Event { message: Some(message), .. } => body = message.into(),
            Event { records: Some(records), .. } => return of_records(records),
            Event { detail: Some(detail), .. } => return of_detail(detail),
            Event { event: Some(event), .. } if event == "s3:TestEvent" => return Ok(Said::Nothing),
            _ => return Err("it has neither `Records` nor `detail`".to_owned()),
        }
    }
    Err("it is an envelope in an envelope".to_owned())
}

/// A message's body; of one form only some are there.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "Records")]
    records: Option<Vec<Record>>,
    detail: Option<Detail>,
    #[serde(rename = "Event")]
    event: Option<String>,
    /// Of an SNS notification.
    #[serde(rename = "Message")]
    message: Option<String>,
}

#[derive(Deserialize)]
struct Record {
    s3: Option<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    bucket: Option<NamedBucket>,
    object: Option<NamedObject>,
}

#[derive(Deserialize)]
struct NamedBucket {
    name: String,
}

#[derive(Deserialize)]
struct NamedObject {
    key: String,
}

impl Detail {
    fn names(self) -> Option<(Bucket, String)> {
        Some((Bucket::new(Scheme::S3, self.bucket?.name), self.object?.key))
    }
}

fn of_records(records: Vec<Record>) -> Result<Said, String> {
    let mut objects = Vec::new();
    for record in records {
        let (bucket, key) = record.s3.and_then(Detail::names).ok_or("a record of it names no object")?;
        let key = url::decode(&key).ok_or_else(|| format!("the key {key:?} is not encoded as S3 does it"))?;
        objects.push(Uri::new(bucket, key));
    }
    Ok(if objects.is_empty() { Said::Nothing } else { Said::Objects(objects) })
}

fn of_detail(detail: Detail) -> Result<Said, String> {
    let (bucket, key) = detail.names().ok_or("its `detail` names no object")?;
    Ok(Said::Objects(vec![Uri::new(bucket, key)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(body: &str) -> Result<Vec<String>, String> {
        read(body).map(|said| match said {
            Said::Objects(objects) => objects.iter().map(Uri::raw).collect(),
            Said::Nothing => Vec::new(),
        })
    }

    const RECORD: &str = r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-west-1","eventName":"ObjectCreated:Put","s3":{"s3SchemaVersion":"1.0","configurationId":"c","bucket":{"name":"b","arn":"arn:aws:s3:::b"},"object":{"key":"dt%3D2026-11-20/red+flower%2B%25.csv","size":1,"eTag":"e","sequencer":"0A"}}},{"eventName":"ObjectRemoved:Delete","s3":{"bucket":{"name":"c"},"object":{"key":"x"}}}]}"#;

    const BRIDGE: &str = r#"{"version":"0","id":"i","detail-type":"Object Created","source":"aws.s3","account":"1","time":"2026-11-20T00:00:00Z","region":"eu-west-1","resources":["arn:aws:s3:::b"],"detail":{"version":"0","bucket":{"name":"b"},"object":{"key":"dt=2026-11-20/red flower+%2B.csv","size":1},"reason":"PutObject"}}"#;

    fn in_sns(body: &str) -> String {
        serde_json::json!({"Type": "Notification", "MessageId": "m", "TopicArn": "t", "Subject": "Amazon S3 Notification", "Message": body}).to_string()
    }

    #[test]
    fn keys_are_decoded_as_their_form_says() {
        assert_eq!(objects(RECORD).unwrap(), ["s3://b/dt=2026-11-20/red flower+%.csv", "s3://c/x"]);
        assert_eq!(objects(BRIDGE).unwrap(), ["s3://b/dt=2026-11-20/red flower+%2B.csv"]);
        for body in [RECORD, BRIDGE] {
            assert_eq!(objects(&in_sns(body)), objects(body));
        }
    }

    #[test]
    fn a_test_event_says_nothing_and_what_is_no_event_is_poison() {
        let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-11-20T00:00:00.000Z","Bucket":"b","RequestId":"r","HostId":"h"}"#;
        assert_eq!(read(test), Ok(Said::Nothing));
        assert_eq!(read(&in_sns(test)), Ok(Said::Nothing));
        for poison in [
            "",
            "hello",
            "[]",
            "{}",
            r#"{"Records":[{}]}"#,
            r#"{"Records":[{"s3":{"bucket":{"name":"b"},"object":{"key":"%zz"}}}]}"#,
            r#"{"detail":{"bucket":{"name":"b"}}}"#,
            &in_sns(&in_sns(&in_sns(RECORD))),
        ] {
            assert!(read(poison).is_err(), "{poison}");
        }
    }
}
