//! A table and its partitions as a catalog holds them, field by field, and what is to change there.
//!
//! Pure. What stands here is only what restitch owns: whatever else an entry of a catalog bears (an owner, statistics, a
//! crawler's marks, parameters that nobody stated) is not in these types, and an adapter keeps it as it was.

pub mod compare;
pub mod owner;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Partition;

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

/// What is to happen to a table in its catalog, once its manifests are written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CatalogPlan {
    /// For a person: `Glue database sales in eu-west-1`.
    pub catalog: String,
    /// The table's name there.
    pub name: String,
    /// Whether the database is made first (`--create-database`).
    pub creates_database: bool,
    pub table: TableChange,
    /// The table as it is stated; its partitions are read as it is.
    pub definition: TableDefinition,
    /// Whether all partitions of the catalog were compared; if not, only those of new manifests are among `partitions`.
    pub compared: bool,
    /// Whether what is to be mended is removed first and added then, as lines move between partitions.
    #[serde(default)]
    pub removes_first: bool,
    /// Those to add and to mend in byte order of their directories, then those to remove.
    pub partitions: Vec<PartitionChange>,
    /// Partitions without a manifest that somebody else has registered: they stay.
    pub foreign: Vec<Vec<String>>,
}

/// What is to happen to the table itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum TableChange {
    None,
    Create,
    Update {
        /// What it must still be, as `catalog::Version` has it.
        version: String,
        fields: Vec<FieldChange>,
        /// Parameters that go.
        removed: Vec<String>,
    },
}

/// What is to happen to one partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartitionChange {
    pub action: PartitionAction,
    pub partition: Partition,
    /// Below the table's directory, with its last slash; empty for one to remove.
    pub directory: String,
    /// What is mended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartitionAction {
    Add,
    Mend,
    /// It is ours, and has no manifest.
    Remove,
}

impl CatalogPlan {
    /// Whether anything is to be written.
    pub fn writes(&self) -> bool {
        self.creates_database || self.table != TableChange::None || !self.partitions.is_empty()
    }

    /// Whether the table's partitions were projected, and are to be registered.
    pub fn ends_projection(&self) -> bool {
        let ends = |field: &FieldChange| field.field == "parameters.projection.enabled" && field.new.is_none();
        matches!(&self.table, TableChange::Update { fields, .. } if fields.iter().any(ends))
    }

    pub fn count(&self, action: PartitionAction) -> u64 {
        self.partitions.iter().filter(|change| change.action == action).count() as u64
    }
}

impl TableDefinition {
    /// What becomes of `there` when it is updated to this. Parameters that nobody stated stay, but for `removed`; so do serde
    /// parameters that are not ours, columns where none are stated, and comments where none is.
    #[must_use]
    pub fn over(&self, there: &TableDefinition, removed: &[String]) -> TableDefinition {
        TableDefinition {
            columns: columns_over(&self.columns, &there.columns),
            partition_keys: columns_over(&self.partition_keys, &there.partition_keys),
            storage: self.storage.clone().keeping(&there.storage),
            comment: self.comment.clone().or_else(|| there.comment.clone()),
            parameters: parameters_over(&self.parameters, &there.parameters, removed),
        }
    }
}

impl PartitionDefinition {
    /// What becomes of `there` when it is updated to this, as [`TableDefinition::over`].
    #[must_use]
    pub fn over(&self, there: &PartitionDefinition) -> PartitionDefinition {
        PartitionDefinition {
            values: self.values.clone(),
            columns: columns_over(&self.columns, &there.columns),
            storage: self.storage.clone().keeping(&there.storage),
            parameters: parameters_over(&self.parameters, &there.parameters, &[]),
        }
    }
}

fn columns_over(stated: &[CatalogColumn], there: &[CatalogColumn]) -> Vec<CatalogColumn> {
    if stated.is_empty() {
        return there.to_vec();
    }
    let comment = |name: &str| there.iter().find(|column| column.name == name)?.comment.clone();
    let over = |column: &CatalogColumn| CatalogColumn {
        comment: column.comment.clone().or_else(|| comment(&column.name)),
        ..column.clone()
    };
    stated.iter().map(over).collect()
}

fn parameters_over(
    stated: &BTreeMap<String, String>,
    there: &BTreeMap<String, String>,
    removed: &[String],
) -> BTreeMap<String, String> {
    let kept = there.iter().filter(|(name, _)| !removed.contains(name));
    kept.chain(stated).map(|(name, value)| (name.clone(), value.clone())).collect()
}
