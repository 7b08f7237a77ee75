//! A table and its partitions as a catalog holds them, field by field, and what is to change there.
//!
//! Pure. What stands here is only what restitch owns: whatever else an entry of a catalog bears (an owner, statistics, a
//! crawler's marks, parameters that nobody stated) is not in these types, and an adapter keeps it as it was.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The parameters that say whose a table is.
pub const OWNER_TABLE: &str = "restitch.table";
pub const OWNER_PROJECT: &str = "restitch.project";

/// On a partition: a digest of its storage as it was written.
pub const STORAGE_DIGEST: &str = "restitch.def";

/// A table as a catalog holds it: exactly what its `CREATE EXTERNAL TABLE` would say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDefinition {
    pub columns: Vec<CatalogColumn>,
    pub partition_keys: Vec<CatalogColumn>,
    pub storage: Storage,
    pub comment: Option<String>,
    /// What is stated, `EXTERNAL` and the owner's among it; of a table that was read, all that it has.
    pub parameters: BTreeMap<String, String>,
}

/// Its name and type are in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogColumn {
    pub name: String,
    pub hive_type: String,
    pub comment: Option<String>,
}

/// How bytes are found and read; a partition has its own, the same but for the location.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// A URI that ends in `/`.
    pub location: String,
    pub input_format: String,
    pub output_format: String,
    pub serde: String,
    pub serde_parameters: BTreeMap<String, String>,
}

/// A partition as a catalog holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionDefinition {
    /// One for each partition key, in their order; NULL as Hive spells it.
    pub values: Vec<String>,
    pub columns: Vec<CatalogColumn>,
    pub storage: Storage,
    pub parameters: BTreeMap<String, String>,
}

/// One field that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// As a person says it: `location`, `columns.id`, `parameters.projection.enabled`.
    pub field: String,
    /// `None` where there is none.
    pub old: Option<String>,
    pub new: Option<String>,
}
