//! A catalog of one table, kept in an object of the simulated store: its calls are requests that the schedule permutes.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use restitch::catalog::{Catalog, EXTERNAL_TABLE, Entry, Version};
use restitch::ddl::projection::LOCATION_TEMPLATE;
use restitch::error::{Error, ErrorKind, Result};
use restitch::map::body::Body;
use restitch::plan::catalog::{PartitionDefinition, TableDefinition};
use restitch::store::{Condition, ETag, Store};
use restitch::uri::Uri;

/// Where the table is kept.
pub fn entry() -> Uri {
    Uri::parse("s3://catalog/taxes").expect("a URI")
}

/// The directory in which readers of the entry look for manifests.
pub fn directory(body: &[u8]) -> Uri {
    let table: TableDefinition = serde_json::from_slice(body).expect("an entry of ours");
    let template = &table.parameters[LOCATION_TEMPLATE];
    Uri::parse(template.strip_suffix("region=${region}/").expect("the layout of the table")).expect("a URI")
}

/// Its table is projected, so it knows no partitions.
#[derive(Debug)]
pub struct OneTable(pub Arc<dyn Store>);

fn body(table: &TableDefinition) -> Body {
    serde_json::to_vec(table).expect("plain data prints").into()
}

#[async_trait]
impl Catalog for OneTable {
    fn shown(&self) -> String {
        "the catalog".to_owned()
    }

    async fn database_exists(&self) -> Result<bool> {
        Ok(true)
    }

    async fn create_database(&self) -> Result<()> {
        Ok(())
    }

    async fn table(&self, _: &str) -> Result<Option<Entry>> {
        let Some(stored) = self.0.get(&entry()).await? else { return Ok(None) };
        let table = serde_json::from_slice(&stored.body).expect("an entry of ours");
        let (version, table_type) = (Version(stored.etag.0), Some(EXTERNAL_TABLE.to_owned()));
        Ok(Some(Entry { table, version, table_type, buckets: 0 }))
    }

    async fn create_table(&self, _: &str, table: &TableDefinition) -> Result<()> {
        self.0.put(&entry(), body(table), &Condition::Absent).await.map(drop)
    }

    async fn update_table(
        &self,
        name: &str,
        version: &Version,
        table: &TableDefinition,
        removed: &[String],
    ) -> Result<()> {
        let there = self.table(name).await?.filter(|there| there.version == *version);
        let there = there.ok_or_else(|| Error::new(ErrorKind::Conflict, "the table is another one"))?;
        let condition = Condition::Is(ETag(version.0.clone()));
        self.0.put(&entry(), body(&table.over(&there.table, removed)), &condition).await.map(drop)
    }

    fn partitions<'a>(&'a self, _: &str) -> BoxStream<'a, Result<Vec<PartitionDefinition>>> {
        stream::empty().boxed()
    }

    async fn partitions_of(&self, _: &str, _: &[Vec<String>]) -> Result<Vec<PartitionDefinition>> {
        Ok(Vec::new())
    }

    async fn create_partitions(&self, _: &str, _: &[PartitionDefinition]) -> Result<Vec<(usize, Error)>> {
        unreachable!("a projected table registers none")
    }

    async fn update_partitions(&self, _: &str, _: &[PartitionDefinition]) -> Result<Vec<(usize, Error)>> {
        Ok(Vec::new())
    }

    async fn delete_partitions(&self, _: &str, _: &[Vec<String>]) -> Result<Vec<(usize, Error)>> {
        unreachable!("a projected table registers none")
    }

    fn requests(&self) -> u64 {
        0
    }
}
