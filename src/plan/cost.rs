//! What a plan costs to carry out: requests, and dollars where the store has a price.
//!
//! Pure. What its tables then cost to query (the LISTs that an engine makes) is not counted here.

use serde::Serialize;

use super::TablePlan;

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
