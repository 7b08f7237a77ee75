//! Tables in a real Hive metastore: `tests/engines/hms cargo test --test real_hive -- --ignored`.
#![cfg(feature = "hive")]

#[path = "hive_server/subject.rs"]
mod subject;

use std::collections::BTreeMap;

use futures::future::join_all;
use restitch::catalog::Catalog;
use restitch::catalog::conformance::check;
use restitch::error::ErrorKind;
use restitch::plan::catalog::{Storage, TableDefinition};

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

/// Hive 3 has no way to tell; `docs/catalogs.md` says so.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a server: tests/engines/hms"]
async fn of_many_who_alter_a_table_at_once_one_wins_in_hive_4() {
    if std::env::var("RESTITCH_HMS_VERSION").is_ok_and(|version| version.starts_with('3')) {
        return;
    }
    let metastore = metastore();
    let hive = metastore.open(&metastore.place());
    hive.create_database().await.unwrap();
    let located = |client: usize| TableDefinition {
        storage: Storage { location: format!("s3://bucket/client={client}/"), ..Storage::default() },
        parameters: BTreeMap::from([("EXTERNAL".to_owned(), "TRUE".to_owned())]),
        ..TableDefinition::default()
    };
    hive.create_table("t", &located(0)).await.unwrap();
    for round in 0..10 {
        let version = hive.table("t").await.unwrap().unwrap().version;
        let updates = (1..=5).map(|client| {
            let (hive, version, definition) = (&hive, &version, located(client));
            async move { (client, hive.update_table("t", version, &definition, &[]).await) }
        });
        let mut winners = Vec::new();
        for (client, outcome) in join_all(updates).await {
            match outcome {
                Ok(()) => winners.push(client),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "round {round}: {error:?}"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}: {winners:?} won");
        let there = hive.table("t").await.unwrap().unwrap();
        assert_eq!(there.table.storage.location, located(winners[0]).storage.location, "round {round}");
    }
}
