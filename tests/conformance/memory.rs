//! Memory, which keeps all keys, as a listing and as a store.

use std::sync::Arc;

use async_trait::async_trait;
use restitch::listing::{self, Listing};
use restitch::store::memory::{Memory, Tags};
use restitch::store::{self, Store};
use restitch::uri::Uri;

use crate::place;

struct InMemory(Memory);

#[async_trait]
impl listing::conformance::Subject for InMemory {
    async fn place(&self) -> Uri {
        place()
    }

    async fn listing(&self, place: &Uri, keys: &[String], page_size: usize) -> Arc<dyn Listing> {
        for key in keys {
            self.0.insert(&Uri::new(place.bucket.clone(), key.as_str()), "xyz");
        }
        self.0.set_page_size(page_size);
        Arc::new(self.0.clone())
    }
}

#[async_trait]
impl store::conformance::Subject for InMemory {
    async fn open(&self, page_size: usize) -> Arc<dyn Store> {
        self.0.set_page_size(page_size);
        Arc::new(self.0.clone())
    }

    async fn place(&self) -> Uri {
        place()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_lists_as_every_listing() {
    listing::conformance::check(&InMemory(Memory::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_stores_as_every_store() {
    for tags in [Tags::Md5, Tags::Kms] {
        let memory = Memory::new();
        memory.set_tags(tags);
        store::conformance::check(&InMemory(memory)).await;
    }
}
