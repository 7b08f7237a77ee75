//! The lines of each partition, gathered while pages come in any order, sorted once at the end.

use crate::value::PartitionValue;

/// What a whole listing gave one table.
#[derive(Debug, Default)]
pub struct TableGroups {
    /// In no particular order; partitions that got no line are not there.
    pub partitions: Vec<Group>,
    /// Objects taken by each rule of the table, superseded ones included.
    pub taken_by_rule: Vec<u64>,
    /// Objects that this table's rules took and `pick` left out.
    pub superseded: u64,
    /// Bytes of the objects behind the lines, where sizes are known.
    pub bytes: u64,
}

/// One partition's lines.
#[derive(Debug)]
pub struct Group {
    /// One per partition column; empty for an unpartitioned table.
    pub values: Vec<PartitionValue>,
    /// The manifest's body: lines sorted by bytes, each once, `\n` after each.
    pub body: Vec<u8>,
    /// Lines in `body`.
    pub lines: u64,
    /// Bytes of the objects behind the lines, where sizes are known.
    pub bytes: u64,
}
