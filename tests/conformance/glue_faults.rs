//! What the Glue adapter does when calls fail, and how many it makes.

use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use futures::TryStreamExt;
use restitch::catalog::Catalog;
use restitch::catalog::glue::Glue;
use restitch::error::{Error, ErrorKind, Result};
use restitch::plan::catalog::{CatalogColumn, PartitionDefinition, Storage, TableDefinition};
use restitch::rules::table::Access;
use serde_json::json;

use crate::glue_server::{ACCESS_KEY, Fault, REGION, SECRET_KEY, Server};

/// An adapter whose retries do not wait.
pub fn glue(server: &Server, database: &str) -> Glue {
    Glue::over(&sdk(&server.url()), database, &Access::default(), None).unwrap()
}

fn sdk(url: &str) -> SdkConfig {
    let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(url)
        .region(Region::from_static(REGION))
        .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(2)))
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(2)).build())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

fn storage(location: &str) -> Storage {
    Storage {
        location: location.to_owned(),
        input_format: "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat".to_owned(),
        output_format: "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat".to_owned(),
        serde: "org.apache.hadoop.hive.serde2.OpenCSVSerde".to_owned(),
        ..Storage::default()
    }
}

fn table() -> TableDefinition {
    let key = CatalogColumn { name: "p".to_owned(), hive_type: "string".to_owned(), comment: None };
    TableDefinition {
        partition_keys: vec![key],
        storage: storage("s3://bucket/t/"),
        parameters: [("EXTERNAL".to_owned(), "TRUE".to_owned())].into(),
        ..TableDefinition::default()
    }
}

fn partitions(range: std::ops::Range<usize>) -> Vec<PartitionDefinition> {
    let partition = |n: usize| PartitionDefinition {
        values: vec![n.to_string()],
        storage: storage(&format!("s3://bucket/t/p={n}/")),
        ..PartitionDefinition::default()
    };
    range.map(partition).collect()
}

async fn with_table(server: &Server) -> Glue {
    server.database("db");
    let glue = glue(server, "db");
    glue.create_table("t", &table()).await.unwrap();
    server.forget_calls();
    glue
}

fn kinds(failed: &[(usize, Error)]) -> Vec<(usize, ErrorKind)> {
    failed.iter().map(|(index, error)| (*index, error.kind())).collect()
}

/// Everything that a person is shown of an error.
fn shown(error: &Error) -> String {
    let text = format!("{error}\n{}\n{}", error.notes().join("\n"), error.help_text().unwrap_or_default());
    assert!(!text.contains(SECRET_KEY) && !format!("{error:?}").contains(SECRET_KEY), "a secret is shown");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_has_its_kind_and_says_what_to_do() {
    let server = Server::start();
    let glue = with_table(&server).await;
    for (exception, kind, said) in [
        ("AccessDeniedException", ErrorKind::Denied, "these credentials need glue:GetTable on arn:aws:glue:eu-west-1"),
        ("UnrecognizedClientException", ErrorKind::Credentials, "AWS_ACCESS_KEY_ID"),
        ("ExpiredTokenException", ErrorKind::Credentials, "aws sso login"),
        ("InvalidInputException", ErrorKind::Unsupported, "Glue table db.t"),
        ("GlueEncryptionException", ErrorKind::Denied, "kms:Decrypt"),
        ("ResourceNumberLimitExceededException", ErrorKind::Unsupported, "quota"),
        ("OperationTimeoutException", ErrorKind::Unreachable, "in time"),
        ("UnknownOperationException", ErrorKind::Unsupported, "not possible there"),
        ("ThrottlingException", ErrorKind::Throttled, "run again later"),
    ] {
        server.script(move |_| Some(Fault::Exception(exception)));
        let error = glue.table("t").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{exception}: {error:?}");
        let shown = shown(&error);
        assert!(
            shown.contains(said) && shown.contains("GetTable") && shown.contains(exception),
            "{exception}: {shown}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_second_meets_a_conflict() {
    let server = Server::start();
    let glue = with_table(&server).await;
    let version = glue.table("t").await.unwrap().unwrap().version;
    // Between our reading and our writing.
    server.script(|call| (call.action == "UpdateTable").then_some(Fault::Exception("ConcurrentModificationException")));
    let error = glue.update_table("t", &version, &table(), &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert_eq!(server.count("UpdateTable"), 1, "a lost race is not run again");
    server.clear_script();
    server.edit("db", "t", |table| table["Description"] = json!("theirs"));
    let calls = server.count("UpdateTable");
    let error = glue.update_table("t", &version, &table(), &[]).await.unwrap_err();
    assert_eq!((error.kind(), server.count("UpdateTable")), (ErrorKind::Conflict, calls), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_is_tried_again() {
    for fault in [
        Fault::Exception("ThrottlingException"),
        Fault::Exception("OperationTimeoutException"),
        Fault::Internal,
        Fault::LostRequest,
    ] {
        let server = Server::start();
        let glue = with_table(&server).await;
        let first = fault.clone();
        server.script(move |call| (call.before < 2).then(|| first.clone()));
        assert!(glue.table("t").await.unwrap().is_some(), "{fault:?}");
        let failed = glue.create_partitions("t", &partitions(0..3)).await.unwrap();
        assert!(failed.is_empty(), "{fault:?}: {failed:?}");
        assert_eq!(server.calls().len(), 6, "{fault:?}");
        assert_eq!(glue.requests(), 7, "with the table's creation");
    }
}

/// The retry of a change that had happened finds it done: for the caller to look at, as after any conflict.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_a_conflict_that_was_ours() {
    let server = Server::start();
    let glue = with_table(&server).await;
    server.script(|call| (call.before == 0 && call.action.contains("Create")).then_some(Fault::LostAnswer));
    let failed = glue.create_partitions("t", &partitions(0..2)).await.unwrap();
    assert_eq!(kinds(&failed), [(0, ErrorKind::Conflict), (1, ErrorKind::Conflict)]);
    assert_eq!(glue.partitions_of("t", &[vec!["1".to_owned()]]).await.unwrap(), partitions(1..2));
    let error = glue.create_table("u", &table()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert!(glue.table("u").await.unwrap().is_some(), "the table was made");

    server.script(|call| (call.action == "UpdateTable").then_some(Fault::LostAnswer));
    let version = glue.table("t").await.unwrap().unwrap().version;
    let error = glue.update_table("t", &version, &table(), &[]).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Unreachable), "{error:?}");
    assert_ne!(glue.table("t").await.unwrap().unwrap().version, version, "the update had happened");
}

#[tokio::test(flavor = "multi_thread")]
async fn items_fail_one_by_one() {
    let server = Server::start();
    let glue = with_table(&server).await;
    // Of the second batch, one is refused for good and two have trouble that passes.
    server.script(|call| match (call.action.as_str(), call.body["PartitionInputList"][0]["Values"][0].as_str()) {
        ("BatchCreatePartition", Some("100")) => Some(Fault::Items(vec![7], "AccessDeniedException")),
        ("BatchCreatePartition", Some("200")) if call.before < 3 => {
            Some(Fault::Items(vec![0, 3], "InternalServiceException"))
        }
        _ => None,
    });
    let failed = glue.create_partitions("t", &partitions(0..250)).await.unwrap();
    assert_eq!(kinds(&failed), [(107, ErrorKind::Denied)]);
    assert!(shown(&failed[0].1).contains("partition (107) of Glue table db.t"), "{}", shown(&failed[0].1));
    assert_eq!(server.partitions("db", "t").len(), 249);
    assert_eq!(server.count("BatchCreatePartition"), 4, "three batches, and one of the two that had trouble");

    server.script(|call| call.action.contains("Batch").then_some(Fault::Items(vec![1], "InternalServiceException")));
    let values: Vec<Vec<String>> = partitions(0..2).into_iter().map(|partition| partition.values).collect();
    let failed = glue.delete_partitions("t", &values).await.unwrap();
    assert!(failed.is_empty(), "its second try is alone, and first of its batch: {failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_glue_leaves_are_asked_for_again() {
    let server = Server::start();
    let glue = with_table(&server).await;
    glue.create_partitions("t", &partitions(0..30)).await.unwrap();
    let values: Vec<Vec<String>> = partitions(0..40).into_iter().map(|partition| partition.values).collect();
    server.script(|call| (call.action == "BatchGetPartition").then_some(Fault::Unprocessed(11)));
    assert_eq!(glue.partitions_of("t", &values).await.unwrap().len(), 30);
    server.script(|call| (call.action == "BatchGetPartition").then_some(Fault::Unprocessed(0)));
    let error = glue.partitions_of("t", &values).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled, "{error:?}");
}

/// 20,000 partitions: each page once, in ten chains; what is new in few calls.
#[tokio::test(flavor = "multi_thread")]
async fn calls_are_as_few_as_glue_allows() -> Result<()> {
    let server = Server::start();
    let glue = with_table(&server).await;
    glue.create_partitions("t", &partitions(0..20_000)).await?;
    assert_eq!(server.count("BatchCreatePartition"), 200);
    server.forget_calls();
    let pages: Vec<Vec<PartitionDefinition>> = glue.partitions("t").try_collect().await?;
    assert_eq!(pages.concat().len(), 20_000);
    let calls = server.count("GetPartitions");
    assert!((21..=31).contains(&calls), "{calls} calls for 20 pages, each segment's last one not full");
    let segments: std::collections::BTreeSet<String> =
        server.bodies("GetPartitions").iter().map(|body| body["Segment"]["SegmentNumber"].to_string()).collect();
    assert_eq!(segments.len(), 11, "ten, and the first page that was asked for without: {segments:?}");

    server.forget_calls();
    glue.create_partitions("t", &partitions(20_000..20_003)).await?;
    assert_eq!(server.calls(), ["BatchCreatePartition"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_said_soon() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let began = Instant::now();
    let glue = Glue::over(&sdk(&url), "db", &Access::default(), None).unwrap();
    let error = glue.table("t").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    assert!(shown(&error).contains(&url) && began.elapsed() < Duration::from_secs(20), "{}", shown(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_left() {
    let server = Server::start();
    let glue = with_table(&server).await;
    server.script(|call| (call.before == 0).then_some(Fault::Late(Duration::from_secs(3))));
    assert!(glue.table("t").await.unwrap().is_some(), "the second try answers");
}

#[test]
fn what_cannot_be_asked_is_refused_before() {
    let access = |endpoint: Option<&str>| Access { endpoint: endpoint.map(str::to_owned), ..Access::default() };
    let without_region = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
    let error = Glue::over(&without_region, "db", &access(None), None).unwrap_err();
    assert!(error.kind() == ErrorKind::Usage && shown(&error).contains("AWS_REGION"), "{error:?}");
    let error = Glue::over(&sdk("http://127.0.0.1"), "db", &access(Some("glue.example.com")), None).unwrap_err();
    assert!(error.kind() == ErrorKind::Usage && shown(&error).contains("https://glue.example.com"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn views_and_links_are_left_alone() {
    let server = Server::start();
    let glue = with_table(&server).await;
    server.edit("db", "view", |view| view["TableType"] = json!("VIRTUAL_VIEW"));
    server.edit("db", "link", |link| link["TargetTable"] = json!({ "DatabaseName": "other", "Name": "t" }));
    for name in ["view", "link"] {
        let there = glue.table(name).await.unwrap().unwrap();
        let error = glue.update_table(name, &there.version, &table(), &[]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error:?}");
    }
    assert_eq!(server.count("UpdateTable"), 0);
}
