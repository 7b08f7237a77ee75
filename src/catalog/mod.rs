//! Where tables live. One adapter a file; every adapter passes [`conformance`].
//!
//! An adapter talks to one database of one catalog. It changes only the fields that [`crate::plan::catalog`] has types for
//! and writes back everything else as it read it.

pub mod conformance;
#[cfg(feature = "glue")]
pub mod glue;
#[cfg(feature = "hive")]
pub mod hive;
pub mod like;
pub mod memory;

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::error::{Error, ErrorKind, Result};
use crate::plan::catalog::{CatalogColumn, FieldChange, PartitionDefinition, TableDefinition};
#[cfg(feature = "glue")]
use crate::rules::table::Access;
use crate::rules::table::{CatalogService, CatalogSettings};

/// Catalogs that are open: one client for all tables of a database.
#[derive(Debug, Default)]
pub struct Catalogs {
    open: HashMap<CatalogSettings, Arc<dyn Catalog>>,
}

impl Catalogs {
    /// # Errors
    /// As [`open`].
    pub async fn open(&mut self, settings: &CatalogSettings) -> Result<Arc<dyn Catalog>> {
        if let Some(catalog) = self.open.get(settings) {
            return Ok(catalog.clone());
        }
        let catalog = open(settings).await?;
        self.open.insert(settings.clone(), catalog.clone());
        Ok(catalog)
    }

    /// The catalog of a table that may be in none.
    ///
    /// # Errors
    /// As [`open`].
    pub async fn open_any(&mut self, settings: Option<&CatalogSettings>) -> Result<Option<Arc<dyn Catalog>>> {
        match settings {
            Some(settings) => self.open(settings).await.map(Some),
            None => Ok(None),
        }
    }
}

/// The catalog that these settings name; it is asked nothing yet.
///
/// # Errors
/// `Unsupported` for one that this build does not reach; what opening one meets.
pub async fn open(settings: &CatalogSettings) -> Result<Arc<dyn Catalog>> {
    match &settings.service {
        #[cfg(feature = "glue")]
        CatalogService::Glue { region, profile, endpoint, catalog_id } => {
            let (region, profile, endpoint) = (region.clone(), profile.clone(), endpoint.clone());
            let access = Access { region, profile, endpoint, ..Access::default() };
            Ok(Arc::new(glue::Glue::open(&settings.database, &access, catalog_id.as_deref()).await?))
        }
        #[cfg(not(feature = "glue"))]
        CatalogService::Glue { .. } => Err(without_feature("Glue", "glue")),
        #[cfg(feature = "hive")]
        CatalogService::Hive { host, port } => Ok(Arc::new(hive::Hive::new(host.as_str(), *port, &settings.database))),
        #[cfg(not(feature = "hive"))]
        CatalogService::Hive { .. } => Err(without_feature("Hive metastores", "hive")),
    }
}

#[allow(dead_code, reason = "a build with every feature has no use for it")]
fn without_feature(what: &str, feature: &str) -> Error {
    let message = format!("this build of restitch cannot reach {what}");
    let error = Error::new(ErrorKind::Unsupported, message);
    error.help(format!("build it with that: cargo install restitch --features {feature}"))
}

/// One database of a catalog. Names of tables are in lower case.
#[async_trait]
pub trait Catalog: Debug + Send + Sync {
    /// For a person: `Glue database sales in eu-west-1`.
    fn shown(&self) -> String;

    async fn database_exists(&self) -> Result<bool>;

    /// Makes the database; that it is there already will do.
    async fn create_database(&self) -> Result<()>;

    /// The table, or `None` where there is none.
    async fn table(&self, name: &str) -> Result<Option<Entry>>;

    /// # Errors
    /// `Conflict` if a table of that name has come to be meanwhile; `NotFound` if there is no database.
    async fn create_table(&self, name: &str, table: &TableDefinition) -> Result<()>;

    /// Makes the table what [`TableDefinition::over`] says; what that has no type for stays as it is.
    ///
    /// # Errors
    /// `Conflict` if it is not any more as `version` says, or gone.
    async fn update_table(
        &self,
        name: &str,
        version: &Version,
        table: &TableDefinition,
        removed: &[String],
    ) -> Result<()>;

    /// Every partition of the table, in the catalog's order, a page at a time; `NotFound` if there is no table.
    fn partitions<'a>(&'a self, name: &str) -> BoxStream<'a, Result<Vec<PartitionDefinition>>>;

    /// Those of the partitions with these values that are there.
    async fn partitions_of(&self, name: &str, values: &[Vec<String>]) -> Result<Vec<PartitionDefinition>>;

    /// Adds partitions, however many; each that could not be is returned with its index. One that is there already is a
    /// `Conflict`, and is left as it is. After an error of the whole call some may have been added; the same holds of
    /// updates and deletes.
    async fn create_partitions(&self, name: &str, partitions: &[PartitionDefinition]) -> Result<Vec<(usize, Error)>>;

    /// Makes each partition what [`PartitionDefinition::over`] says; what that has no type for stays as it is. One that
    /// is not there is `NotFound`.
    async fn update_partitions(&self, name: &str, partitions: &[PartitionDefinition]) -> Result<Vec<(usize, Error)>>;

    /// Unregisters partitions by their values; one that is not there counts as gone.
    async fn delete_partitions(&self, name: &str, values: &[Vec<String>]) -> Result<Vec<(usize, Error)>>;

    /// Whether an update may give a table other partition keys.
    fn changes_partition_keys(&self) -> bool {
        true
    }

    /// Those of the columns whose change of type an update would be refused for, as this catalog is set.
    async fn refused_types(&self, _there: &[CatalogColumn], _stated: &[CatalogColumn]) -> Result<Vec<FieldChange>> {
        Ok(Vec::new())
    }

    /// Requests so far, those tried again among them.
    fn requests(&self) -> u64;
}

/// The type of table that restitch makes and takes over.
pub const EXTERNAL_TABLE: &str = "EXTERNAL_TABLE";

/// A table as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub table: TableDefinition,
    pub version: Version,
    /// As the catalog says it: [`EXTERNAL_TABLE`], `MANAGED_TABLE`, `VIRTUAL_VIEW`; `None` where it says nothing.
    pub table_type: Option<String>,
    /// Into how many buckets it says that its files are divided; 0 where it says nothing of the kind. An update of the table
    /// takes that away: manifests are in none.
    pub buckets: u32,
}

/// What a table's state is known by: Glue's VersionId, or a digest of all that was read where a catalog has none.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Version(pub String);
