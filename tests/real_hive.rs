//! Tables in a real Hive metastore: `tests/engines/hms cargo test --test real_hive -- --ignored`.
#![cfg(feature = "hive")]

#[path = "hive_server/subject.rs"]
mod subject;

use restitch::catalog::conformance::check;

use subject::Metastore;

fn metastore() -> Metastore {
    let uri = std::env::var("RESTITCH_HMS_URI").expect("tests/engines/hms sets it");
    Metastore::at(uri.strip_prefix("thrift://").unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a server: tests/engines/hms"]
async fn hive_catalogs_as_every_catalog() {
    check(&metastore()).await;
}
