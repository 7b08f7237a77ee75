//! What a bucket does to its objects by itself: the versions that it keeps, the lifecycle rules that delete and archive.
//!
//! Words for it, and which keys a rule is for. Asks nobody.

use crate::error::Result;

/// A bucket's own settings; each may be denied by itself.
#[derive(Debug)]
pub struct Upkeep {
    pub region: String,
    /// Whether overwritten and deleted objects stay as old versions.
    pub keeps_versions: Result<bool>,
    /// Those that are switched on.
    pub lifecycle: Result<Vec<LifecycleRule>>,
}

/// One rule of a bucket's lifecycle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LifecycleRule {
    /// As its owner named it; may be empty.
    pub id: String,
    /// What the keys begin with that it is for.
    pub prefix: String,
    /// Whether it is for objects with certain tags only.
    pub is_for_tags: bool,
    /// Whether it is for objects of certain sizes only.
    pub is_for_sizes: bool,
    pub ends: Vec<End>,
    /// Whether it deletes old versions.
    pub deletes_versions: bool,
}

/// When objects can be read no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    pub when: When,
    /// The storage class that they go to, from which no engine reads; `None`: they are deleted.
    pub archive: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// So many days after they were written.
    Days(u32),
    /// All at once, in seconds since 1970.
    On(i64),
}

impl LifecycleRule {
    /// Whether keys that begin with `prefix` may be among its own.
    pub fn touches(&self, prefix: &str) -> bool {
        self.prefix.starts_with(prefix) || prefix.starts_with(&self.prefix)
    }
}
