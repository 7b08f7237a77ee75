//! `restitch watch` over a queue that nobody here wrote, filled by the notifications of an S3 that nobody here wrote: by
//! hand with
//!
//!     tests/engines/moto cargo test --test real_sqs -- --ignored
#![cfg(all(feature = "cli", feature = "sqs", unix))]

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_config::BehaviorVersion;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Event, NotificationConfiguration, QueueConfiguration};
use aws_sdk_sqs::types::QueueAttributeName;

const RULES: &str = r#"
[table.hours]
location       = 's3://restitch/tables/{table}/'
columns        = ["id bigint"]
format         = "csv"
partitioned_by = ["dt string"]
[[table.hours.rule]]
match = 's3://events/in/dt={dt:hive}/*.csv'
"#;

struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: tests/engines/moto"]
async fn objects_that_are_written_are_published_and_their_messages_gone() {
    // The SDK is built without a client of its own.
    let http = aws_smithy_http_client::Builder::new().build_http();
    let sdk = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
    let s3 = aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&sdk).force_path_style(true).build());
    let sqs = aws_sdk_sqs::Client::new(&sdk);
    let queue = sqs.create_queue().queue_name("events").send().await.unwrap().queue_url.unwrap();
    s3.create_bucket().bucket("events").send().await.unwrap();
    let to_queue = QueueConfiguration::builder()
        .queue_arn("arn:aws:sqs:us-east-1:123456789012:events")
        .events(Event::S3ObjectCreated)
        .events(Event::S3ObjectRemoved);
    let notifications = NotificationConfiguration::builder().queue_configurations(to_queue.build().unwrap());
    let configured = s3.put_bucket_notification_configuration().bucket("events");
    configured.notification_configuration(notifications.build()).send().await.unwrap();
    let put = async |key: &str| {
        s3.put_object().bucket("events").key(key).body(ByteStream::from_static(b"1\n")).send().await.unwrap();
    };
    put("in/dt=2026-11-20/a.csv").await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("restitch.toml"), RULES).unwrap();
    let watch = Command::new(env!("CARGO_BIN_EXE_restitch"))
        .args(["watch", "--every", "1s", "--queue", &queue])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut watch = Ends(watch);
    let manifest = async |day: &str| {
        let key = format!("tables/hours/dt={day}/symlink.txt");
        let body = s3.get_object().bucket("restitch").key(key).send().await.ok()?.body.collect().await.ok()?;
        String::from_utf8(body.to_vec()).ok()
    };
    let comes = async |day: &str, line: &str| {
        let end = Instant::now() + Duration::from_secs(60);
        while !manifest(day).await.is_some_and(|manifest| manifest.contains(line)) {
            assert!(Instant::now() < end, "{line} of {day} is not published");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    comes("2026-11-20", "a.csv").await;
    put("in/dt=2026-11-21/red flower+1.csv").await;
    comes("2026-11-21", "s3://events/in/dt=2026-11-21/red flower+1.csv").await;
    s3.delete_object().bucket("events").key("in/dt=2026-11-21/red flower+1.csv").send().await.unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let attributes = sqs.get_queue_attributes().queue_url(&queue).attribute_names(QueueAttributeName::All);
        let attributes = attributes.send().await.unwrap().attributes.unwrap();
        let count = |name: QueueAttributeName| attributes[&name].parse::<u32>().unwrap();
        let there = count(QueueAttributeName::ApproximateNumberOfMessages)
            + count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible);
        if there == 0 && manifest("2026-11-21").await.as_deref() == Some("") {
            break;
        }
        assert!(Instant::now() < end, "{there} messages are left");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(Command::new("kill").args(["-TERM", &watch.0.id().to_string()]).status().unwrap().success());
    assert_eq!(watch.0.wait().unwrap().code(), Some(143));
}
