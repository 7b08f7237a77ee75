//! What a plan costs to carry out: requests, and dollars where the store has a price; and what its tables then cost to
//! query: the LISTs that an engine makes.
//!
//! Pure.

use std::cmp::Reverse;

use serde::Serialize;

use super::manifest::Shape;
use super::{Partition, TablePlan};
use crate::map::directories::Lists;
use crate::rules::table::{Engine, Table};
use crate::value::PartitionValue;

/// What a query of one partition makes Athena or Trino list, in pages of 1,000 keys: the directory of the manifest, and
/// that of each object, whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueryLists {
    /// Over the partitions, each once.
    pub average: f64,
    /// Of the partition where it is most.
    pub worst: u64,
    pub partition: Partition,
    /// Whether the listing does not show some directory of that partition whole.
    pub at_least: bool,
}

impl QueryLists {
    /// Pages of which a plan warns.
    pub const MANY: u64 = 100;

    /// Of the partitions of `table`, each with the LISTs of its objects' directories; `None` where there are none, or no
    /// engine of the table makes LISTs.
    pub fn of(table: &Table, partitions: &[(Lists, &[PartitionValue])]) -> Option<QueryLists> {
        makes_lists(table).then_some(())?;
        let all: u64 = partitions.iter().map(|(lists, _)| lists.lists + 1).sum();
        // Of several the first by its values, whoever counted it.
        let ((Lists { lists, at_least }, values), _) =
            partitions.iter().map(|one| (*one, (one.0.lists, Reverse(one.1)))).max_by_key(|(_, order)| *order)?;
        let partition = Partition::new(&Shape::of(table), values);
        Some(QueryLists { average: all as f64 / partitions.len() as f64, worst: lists + 1, partition, at_least })
    }
}

/// Whether some engine of the table finds a manifest's objects by listing their directories; Hive and Spark ask for each
/// object.
pub fn makes_lists(table: &Table) -> bool {
    table.engines.iter().any(|engine| matches!(engine, Engine::Athena | Engine::Trino { .. }))
}

/// What a store asks for reading.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Price {
    pub dollars_per_1000_lists: f64,
    pub dollars_per_1000_gets: f64,
}

impl Price {
    /// What AWS asks for S3 (us-east-1, standard).
    pub const AWS: Price = Price { dollars_per_1000_lists: 0.005, dollars_per_1000_gets: 0.0004 };

    pub fn dollars(&self, lists: u64, gets: u64) -> f64 {
        (lists as f64 * self.dollars_per_1000_lists + gets as f64 * self.dollars_per_1000_gets) / 1000.0
    }
}

/// The requests of an apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cost {
    /// PUTs of manifests, copies among them.
    pub manifests: u64,
    /// PUTs of markers: taken and freed, and tried once more where it is new.
    pub markers: u64,
    pub dollars: f64,
}

impl Cost {
    /// What `table` costs in a store that asks `dollars_per_1000_writes`. A long apply renews its lease every 20 s on
    /// top of that.
    pub fn of(table: &TablePlan, dollars_per_1000_writes: f64) -> Cost {
        if !table.writes() {
            return Cost::default();
        }
        let manifests = match &table.switch {
            Some(switch) => switch.manifests(&table.changes),
            None => table.changes.iter().map(|change| 1 + u64::from(change.interim.is_some())).sum(),
        };
        let markers = if table.marker_requires == super::Requirement::Absent { 3 } else { 2 };
        Cost { manifests, markers, dollars: (manifests + markers) as f64 * dollars_per_1000_writes / 1000.0 }
    }

    pub fn requests(&self) -> u64 {
        self.manifests + self.markers
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Cost>>(costs: I) -> Cost {
        costs.fold(Cost::default(), |a, b| Cost {
            manifests: a.manifests + b.manifests,
            markers: a.markers + b.markers,
            dollars: a.dollars + b.dollars,
        })
    }
}
