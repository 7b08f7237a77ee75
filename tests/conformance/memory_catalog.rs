//! Memory as a catalog.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use restitch::catalog::conformance::{Subject, check};
use restitch::catalog::{Catalog, memory::Memory};

use crate::next;

/// One catalog a database.
#[derive(Default)]
struct InMemory(Mutex<BTreeMap<String, Memory>>);

impl InMemory {
    fn at(&self, database: &str) -> Memory {
        self.0.lock().unwrap().entry(database.to_owned()).or_insert_with(Memory::without_database).clone()
    }
}

#[async_trait]
impl Subject for InMemory {
    async fn database(&self) -> String {
        format!("database_{}", next())
    }

    async fn open(&self, database: &str, page_size: usize) -> Arc<dyn Catalog> {
        let memory = self.at(database);
        memory.set_page_size(page_size);
        Arc::new(memory)
    }

    async fn mark(&self, database: &str, table: &str, partition: Option<&[String]>) {
        self.at(database).mark(table, partition, "owner", "somebody else");
    }

    async fn marks(&self, database: &str, table: &str, partition: Option<&[String]>) -> BTreeMap<String, String> {
        self.at(database).marks(table, partition)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_a_catalog_as_every_one() {
    check(&InMemory::default()).await;
}
