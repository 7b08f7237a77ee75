//! Manifests in a real server of Azure's protocol: `tests/engines/azurite cargo test --test real_azure -- --ignored`.
#![cfg(feature = "object_store")]

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use restitch::rules::table::Access;
use restitch::store::conformance::{Holds, Races, Subject, check};
use restitch::store::object_store::ObjectStore;
use restitch::store::{self, Store};
use restitch::uri::Uri;

const CONTAINER: &str = "az://restitch/";

struct Azurite;

#[async_trait]
impl Subject for Azurite {
    async fn open(&self, page_size: usize) -> Arc<dyn Store> {
        let container = Uri::parse(CONTAINER).unwrap();
        Arc::new(ObjectStore::open(&container, &Access::default()).unwrap().page_size(page_size))
    }

    async fn place(&self) -> Uri {
        let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        Uri::parse(&format!("{CONTAINER}places/{nanoseconds}/")).unwrap()
    }

    fn holds(&self, key: &str) -> Holds {
        let part = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(|c: char| c.is_ascii_control());
        if key.split('/').all(part) && !key.contains('\\') { Holds::Exactly } else { Holds::Refused }
    }

    fn races(&self) -> Races {
        Races { clients: 8, rounds: 5 }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a server: tests/engines/azurite"]
async fn azure_stores_as_every_store() {
    check(&Azurite).await;
}

#[tokio::test]
#[ignore = "needs a server: tests/engines/azurite"]
async fn a_container_that_is_not_there_is_named() {
    let location = Uri::parse("az://nowhere/tables/t/").unwrap();
    let store = store::open(&location, &Access::default()).await.unwrap();
    let error = store.get(&location.join("_restitch.json")).await.unwrap_err();
    assert_eq!(error.message(), "az://nowhere/ does not exist");
}
