//! Tables in a Hive metastore within this process: the catalogs' suite, and what a real one does only on bad days.
#![cfg(feature = "hive")]

mod hive_server;

use std::net::SocketAddr;
use std::time::Duration;

use restitch::catalog::conformance::check;
use restitch::catalog::hive::Hive;
use restitch::catalog::{Catalog, Entry};
use restitch::error::{Error, ErrorKind};
use restitch::plan::catalog::{CatalogColumn, PartitionDefinition, Storage, TableDefinition};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use hive_server::subject::Metastore;
use hive_server::{Fault, Generation, Server};

#[tokio::test]
async fn hive_catalogs_as_every_catalog() {
    for generation in [Generation::Three, Generation::Four] {
        let server = Server::start(generation).await;
        check(&Metastore::at(server.address)).await;
    }
}

/// A table `t` with one partition key in a database of its own.
async fn table(server: &Server) -> Hive {
    let metastore = Metastore::at(server.address);
    let hive = metastore.open(&metastore.place());
    hive.create_database().await.unwrap();
    hive.create_table("t", &definition()).await.unwrap();
    hive
}

fn definition() -> TableDefinition {
    let key = CatalogColumn { name: "p".into(), hive_type: "string".into(), comment: None };
    let storage = Storage { location: "s3://bucket/t/".into(), ..Storage::default() };
    TableDefinition { partition_keys: vec![key], storage, ..TableDefinition::default() }
}

fn partitions(count: usize) -> Vec<PartitionDefinition> {
    let partition = |n: usize| PartitionDefinition {
        values: vec![n.to_string()],
        storage: Storage { location: format!("s3://bucket/t/p={n}/"), ..Storage::default() },
        ..PartitionDefinition::default()
    };
    (0..count).map(partition).collect()
}

#[tokio::test]
async fn a_table_that_is_altered_between_our_look_and_our_change_is_a_conflict_to_hive_4() {
    let server = Server::start(Generation::Four).await;
    let hive = table(&server).await;
    let Entry { version, .. } = hive.table("t").await.unwrap().unwrap();
    server.set_script(|call, tables| {
        if call == "AlterTableWithEnvironmentContext" {
            let held = tables.values_mut().next().unwrap();
            let parameters = held.table.parameters.as_mut().unwrap();
            parameters.insert("transient_lastDdlTime".into(), "1".into());
            parameters.insert("theirs".into(), "1".into());
        }
        None
    });
    let error = hive.update_table("t", &version, &definition(), &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    let there = hive.table("t").await.unwrap().unwrap();
    assert!(there.table.parameters.contains_key("theirs"));
}

#[tokio::test]
async fn what_readers_set_is_no_change() {
    let server = Server::start(Generation::Three).await;
    let hive = table(&server).await;
    let before = hive.table("t").await.unwrap().unwrap();
    server.set_script(|_, tables| {
        tables.values_mut().next().unwrap().table.last_access_time = Some(1_795_550_001);
        None
    });
    assert_eq!(hive.table("t").await.unwrap().unwrap(), before);
    hive.update_table("t", &before.version, &definition(), &[]).await.unwrap();
}

#[tokio::test]
async fn partitions_that_a_metastore_refuses_do_not_take_their_batch_with_them() {
    let server = Server::start(Generation::Three).await;
    let hive = table(&server).await;
    let mut many = partitions(1_200);
    for odd in [0, 701, 1_199] {
        many[odd].values.push("one too many".into());
    }
    many[800].values = vec!["799".into()];
    let failed = hive.create_partitions("t", &many).await.unwrap();
    let kinds: Vec<_> = failed.iter().map(|(index, error)| (*index, error.kind())).collect();
    let usage = |index| (index, ErrorKind::Usage);
    assert_eq!(kinds, [usage(0), usage(701), (800, ErrorKind::Conflict), usage(1_199)]);

    // What it refuses and we cannot foresee.
    let calls = server.calls().len();
    let refuses = |call: &str, tables: &mut hive_server::Tables| {
        let some_are_gone = tables.values().next().unwrap().partitions.len() < 1_190;
        (call == "AddPartitionsReq" && some_are_gone).then_some(Fault::Meta("no such file system"))
    };
    hive.delete_partitions("t", &(0..10).map(|n| vec![n.to_string()]).collect::<Vec<_>>()).await.unwrap();
    server.set_script(refuses);
    let failed = hive.create_partitions("t", &partitions(10)).await.unwrap();
    assert_eq!(failed.len(), 10);
    assert!(failed[0].1.message().ends_with("no such file system"), "{:?}", failed[0]);
    let error = hive.create_partitions("t", &partitions(1_100)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(server.calls().len() - calls < 100, "a metastore that refuses everything is asked on and on");
}

#[tokio::test]
async fn a_write_that_is_not_answered_says_that_it_may_go_on() {
    let server = Server::start(Generation::Three).await;
    let hive = table(&server).await.limits(Duration::from_secs(60), Duration::from_millis(200));
    server.set_script(|call, _| (call == "AddPartitionsReq").then_some(Fault::Silence));
    let error = hive.create_partitions("t", &partitions(3)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    let (message, notes) = (error.message(), error.notes());
    assert!(
        message.contains("was to add 3 partitions to `") && message.ends_with("no answer within 0.2 s"),
        "{message}"
    );
    assert_eq!(notes, ["it may have been done, or may still be going on there"]);
    assert_eq!(hive.partitions_of("t", &[vec!["1".into()]]).await.unwrap().len(), 1);
    assert_eq!(server.calls().iter().filter(|call| *call == "AddPartitionsReq").count(), 1, "a write was tried again");
}

#[tokio::test]
async fn what_a_metastore_says_of_permissions_is_denied() {
    let server = Server::start(Generation::Three).await;
    let hive = table(&server).await;
    let said = "Got exception: org.apache.hadoop.security.AccessControlException\u{1b}[2J Permission denied\nat java";
    server.set_script(move |call, _| (call == "CreateTableWithEnvironmentContext").then_some(Fault::Meta(said)));
    let error = hive.create_table("u", &definition()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.message().ends_with("AccessControlException\\u{1b}[2J Permission denied"), "{error}");
}

/// What reading a table says of a server that sends `answer` to whatever it is asked, and then closes or holds on.
async fn stranger(answer: &'static [u8], holds_on: bool) -> Error {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut asked = [0; 1_024];
            let _ = connection.read(&mut asked).await;
            let _ = connection.write_all(answer).await;
            if holds_on {
                held.push(connection);
            }
        }
    });
    let error = open(address).table("t").await.unwrap_err();
    serve.abort();
    error
}

fn open(address: SocketAddr) -> Hive {
    let limit = Duration::from_millis(500);
    Hive::new(address.ip().to_string(), address.port(), "default").limits(limit, limit)
}

#[tokio::test]
async fn what_is_no_metastore_is_told_apart() {
    let http = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let sasl = b"\x03\x00\x00\x00\x10Invalid status 2";
    for (answer, holds_on) in [(&http[..], false), (&http[..], true), (&sasl[..], false), (b"", false), (b"", true)] {
        let error = stranger(answer, holds_on).await;
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
        assert!(error.message().contains("does not answer as a Hive metastore does"), "{error:?}");
        assert!(error.help_text().unwrap().contains("Kerberos"), "{error:?}");
    }
}

#[tokio::test]
async fn who_is_not_there_is_named() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = open(nobody).table("t").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    let expected = format!("the Hive metastore at {nobody} cannot be reached: the connection was refused");
    assert_eq!(error.message(), expected);

    let error = Hive::new("metastore.invalid", 9083, "default").table("t").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(error.message(), "the host `metastore.invalid` of the Hive metastore was not found");
}
