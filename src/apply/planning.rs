//! What one table's plan goes by, and what comes of it.
//!
//! Words of the rooms that plan; they read nothing and decide nothing.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::error::Error;
use crate::plan::TablePlan;
use crate::plan::brakes::Allowed;
use crate::rules::wanted::Wanted;

/// What the user lets happen, and what the messages need.
#[derive(Clone, Debug, Default)]
pub struct Planning {
    pub project: Option<String>,
    /// The rule file, for `restitch.toml:14`.
    pub file: String,
    /// `--accept-moves`
    pub accept_moves: bool,
    /// `--adopt`
    pub adopt: bool,
    /// `--create-database`
    pub create_database: bool,
    /// `--full`: every partition of the catalog is compared.
    pub full: bool,
    /// What is read otherwise than before changes where it stands too, partition by partition: no switch.
    pub in_place: bool,
    /// `--only`, `--touched`: the partitions that are looked at; of each table its own. `None`: all.
    pub only: Option<Wanted>,
    /// Where the table is registered; of each table its own.
    pub catalog: Option<Arc<dyn Catalog>>,
    pub allowed: Allowed,
    /// A digest of all that decides the tables' lines, where every listing is pinned to a commit: see
    /// [`TablePlan::snapshot`].
    pub inputs: Option<String>,
    /// When the listing was made, and what time it is: seconds since 1970.
    pub as_of: i64,
    pub now: i64,
}

/// One table's plan, and everything that refuses it. With refusals the plan shows what would be done, and is not to be.
#[derive(Debug)]
pub struct Planned {
    /// Missing where a refusal leaves nothing to compare.
    pub plan: Option<TablePlan>,
    pub refusals: Vec<Error>,
}
