//! Catalogs that do one thing wrong, to show that the suite sees it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use restitch::catalog::conformance::{Subject, check};
use restitch::catalog::memory::Memory;
use restitch::catalog::{Catalog, Entry, Version};
use restitch::error::{Error, ErrorKind, Result};
use restitch::plan::catalog::{PartitionDefinition, TableDefinition};

use crate::next;

#[derive(Clone, Copy, Debug)]
enum Defect {
    IgnoresVersions,
    DropsForeignParameters,
    KeepsRemovedParameters,
    ForgetsMarks,
    UpdatesWhatIsNotThere,
    OverwritesPartitions,
    HidesItemErrors,
    FailsOnAbsentDeletes,
    LosesTheLastPage,
    MakesTablesTwice,
    UnescapesValues,
}

#[derive(Debug)]
struct Broken {
    memory: Memory,
    defect: Defect,
}

#[async_trait]
impl Catalog for Broken {
    fn shown(&self) -> String {
        self.memory.shown()
    }

    async fn database_exists(&self) -> Result<bool> {
        self.memory.database_exists().await
    }

    async fn create_database(&self) -> Result<()> {
        self.memory.create_database().await
    }

    async fn table(&self, name: &str) -> Result<Option<Entry>> {
        self.memory.table(name).await
    }

    async fn create_table(&self, name: &str, table: &TableDefinition) -> Result<()> {
        match self.memory.create_table(name, table).await {
            Err(error) if error.kind() == ErrorKind::Conflict && matches!(self.defect, Defect::MakesTablesTwice) => {
                Ok(())
            }
            made => made,
        }
    }

    async fn update_table(
        &self,
        name: &str,
        version: &Version,
        table: &TableDefinition,
        removed: &[String],
    ) -> Result<()> {
        let Some(there) = self.memory.table(name).await? else {
            return match self.defect {
                Defect::UpdatesWhatIsNotThere => self.memory.create_table(name, table).await,
                _ => self.memory.update_table(name, version, table, removed).await,
            };
        };
        if matches!(self.defect, Defect::ForgetsMarks) && there.version == *version {
            self.memory.mark(name, None, "owner", "");
        }
        let all: Vec<String> = there.table.parameters.into_keys().collect();
        let removed = match self.defect {
            Defect::DropsForeignParameters => &all[..],
            Defect::KeepsRemovedParameters => &[],
            _ => removed,
        };
        let version = if matches!(self.defect, Defect::IgnoresVersions) { &there.version } else { version };
        self.memory.update_table(name, version, table, removed).await
    }

    fn partitions<'a>(&'a self, name: &str) -> BoxStream<'a, Result<Vec<PartitionDefinition>>> {
        let pages = self.memory.partitions(name);
        match self.defect {
            Defect::LosesTheLastPage => pages
                .scan(0, |seen, page| {
                    *seen += 1;
                    std::future::ready((*seen == 1).then_some(page))
                })
                .boxed(),
            _ => pages,
        }
    }

    async fn partitions_of(&self, name: &str, values: &[Vec<String>]) -> Result<Vec<PartitionDefinition>> {
        self.memory.partitions_of(name, values).await
    }

    async fn create_partitions(&self, name: &str, partitions: &[PartitionDefinition]) -> Result<Vec<(usize, Error)>> {
        let mut partitions = partitions.to_vec();
        if matches!(self.defect, Defect::UnescapesValues) {
            let values = partitions.iter_mut().flat_map(|partition| &mut partition.values);
            values.for_each(|value| *value = value.replace("%20", " "));
        }
        let failed = self.memory.create_partitions(name, &partitions).await?;
        match self.defect {
            Defect::OverwritesPartitions => self.memory.update_partitions(name, &partitions).await,
            Defect::HidesItemErrors => Ok(Vec::new()),
            _ => Ok(failed),
        }
    }

    async fn update_partitions(&self, name: &str, partitions: &[PartitionDefinition]) -> Result<Vec<(usize, Error)>> {
        self.memory.update_partitions(name, partitions).await
    }

    async fn delete_partitions(&self, name: &str, values: &[Vec<String>]) -> Result<Vec<(usize, Error)>> {
        let there = self.memory.partitions_of(name, values).await?.len();
        if matches!(self.defect, Defect::FailsOnAbsentDeletes) && there < values.len() {
            return Err(Error::new(ErrorKind::NotFound, "not all of them are there"));
        }
        self.memory.delete_partitions(name, values).await
    }

    fn requests(&self) -> u64 {
        self.memory.requests()
    }
}

struct Under {
    defect: Defect,
    databases: Mutex<BTreeMap<String, Memory>>,
}

impl Under {
    fn at(&self, database: &str) -> Memory {
        let mut databases = self.databases.lock().unwrap();
        databases.entry(database.to_owned()).or_insert_with(Memory::without_database).clone()
    }
}

#[async_trait]
impl Subject for Under {
    async fn database(&self) -> String {
        format!("database_{}", next())
    }

    async fn open(&self, database: &str, page_size: usize) -> Arc<dyn Catalog> {
        let memory = self.at(database);
        memory.set_page_size(page_size);
        Arc::new(Broken { memory, defect: self.defect })
    }

    async fn mark(&self, database: &str, table: &str, partition: Option<&[String]>) {
        self.at(database).mark(table, partition, "owner", "somebody else");
    }

    async fn marks(&self, database: &str, table: &str, partition: Option<&[String]>) -> BTreeMap<String, String> {
        self.at(database).marks(table, partition)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_that_does_one_thing_wrong_fails() {
    use Defect::*;
    for defect in [
        IgnoresVersions,
        DropsForeignParameters,
        KeepsRemovedParameters,
        ForgetsMarks,
        UpdatesWhatIsNotThere,
        OverwritesPartitions,
        HidesItemErrors,
        FailsOnAbsentDeletes,
        LosesTheLastPage,
        MakesTablesTwice,
        UnescapesValues,
    ] {
        let subject = Under { defect, databases: Mutex::default() };
        let checked = tokio::spawn(async move { check(&subject).await });
        assert!(checked.await.is_err(), "{defect:?} was not noticed");
    }
}
