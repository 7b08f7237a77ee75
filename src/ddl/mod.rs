//! A plan or what is published, as SQL text that Athena, Hive and Spark take.
//!
//! [`create`] makes the table, [`partitions`] its partitions, [`projection`] the properties that stand in for them, all
//! through [`quote`]; [`definition`] says the same as data, for catalogs. Pure text: nothing here reads a store or runs a statement.

pub mod create;
pub mod definition;
pub mod partitions;
pub mod projection;
pub mod quote;
#[cfg(test)]
pub(crate) mod sample;

use std::fmt;

pub use create::{TableName, create_table, drop_table, set_location};
pub use definition::{partition_definition, table_definition};
pub use partitions::{Partition, add_partitions, drop_partitions, set_locations};
pub use projection::{Projection, ProjectionBuilder};

/// The longest statement that Athena takes, in bytes of UTF-8.
pub const MAX_STATEMENT_BYTES: usize = 262_144;

/// One statement, without a semicolon: Athena takes one a call. [`fmt::Display`] prints it as a script has it, with `;`
/// and a newline; even that form is at most [`MAX_STATEMENT_BYTES`] long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub kind: StatementKind,
    pub text: String,
    /// How many partitions it names.
    pub partitions: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatementKind {
    Create,
    /// `ALTER TABLE … SET TBLPROPERTIES`.
    SetProperties,
    /// `ALTER TABLE … SET LOCATION`, of the table or of one partition.
    SetLocation,
    AddPartitions,
    DropPartitions,
    DropTable,
}

impl StatementKind {
    /// How `--split` names a file of it.
    pub fn name(self) -> &'static str {
        match self {
            StatementKind::Create => "create",
            StatementKind::SetProperties => "set-properties",
            StatementKind::SetLocation => "set-location",
            StatementKind::AddPartitions => "add-partitions",
            StatementKind::DropPartitions => "drop-partitions",
            StatementKind::DropTable => "drop-table",
        }
    }
}

impl Statement {
    /// Bytes of the text.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{};", self.text)
    }
}

/// What a statement's text may take, so that it fits with its semicolon and newline.
const TEXT_BUDGET_BYTES: usize = MAX_STATEMENT_BYTES - 2;
