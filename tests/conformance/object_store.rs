//! The crate `object_store` behind our adapter: its in-memory store, whose paths are those of its clients for Google and
//! Azure.

use std::sync::Arc;

use ::object_store::memory::InMemory;
use async_trait::async_trait;
use restitch::store::conformance::{Holds, Subject, check};
use restitch::store::object_store::ObjectStore;
use restitch::store::{Condition, Store};
use restitch::uri::{Bucket, Scheme, Uri};

use crate::next;

struct InTheirMemory(Arc<InMemory>);

/// What the crate's paths cannot say.
pub fn holds(key: &str) -> Holds {
    let part = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(|c: char| c.is_ascii_control());
    if key.split('/').all(part) && !key.contains('\\') { Holds::Exactly } else { Holds::Refused }
}

#[async_trait]
impl Subject for InTheirMemory {
    async fn open(&self, page_size: usize) -> Arc<dyn Store> {
        Arc::new(ObjectStore::new(self.0.clone(), Bucket::new(Scheme::Az, "container")).page_size(page_size))
    }

    async fn place(&self) -> Uri {
        Uri::parse(&format!("az://container/places/{}/", next())).unwrap()
    }

    fn holds(&self, key: &str) -> Holds {
        holds(key)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn their_memory_stores_as_every_store() {
    check(&InTheirMemory(Arc::default())).await;
}

#[tokio::test]
async fn a_refused_key_says_why_before_anything_is_written() {
    let subject = InTheirMemory(Arc::default());
    let (store, place) = (subject.open(1_000).await, subject.place().await);
    let error = store.put(&place.join("a//b"), "x".into(), &Condition::Absent).await.unwrap_err();
    assert!(error.message().contains("empty part") && error.help_text().is_some(), "{error:?}");
}
