//! A plan carried out: the lease, the writes in their order, and what is cleaned up later.
//!
//! What is true is what can be read: the location's listing and the manifests' bytes. Nothing is kept anywhere else, so
//! an apply may be killed at any step and run again, and comes to the same end.

pub mod beside;
pub mod current;
pub mod interrupt;
pub mod lease;
mod left_out;
pub mod live;
pub mod mapped;
pub mod prune;
pub mod refresh;
pub mod register;
pub mod registration;
pub mod replaced;
pub mod saved;
pub mod switch;
pub mod verify;
pub(crate) mod write;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use self::interrupt::Interrupt;
use self::refresh::Done;
use crate::catalog::Catalog;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{Kind, TablePlan};
use crate::store::Store;

/// How an apply goes about it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The plan's id, which the marker bears while it is under way.
    pub plan: String,
    /// Who holds the lease: random, one a run.
    pub holder: String,
    /// How long to wait for another run's lease.
    pub lock_timeout: Duration,
    /// Go on where the store cannot write under a condition: nobody else writes there.
    pub single_writer: bool,
    /// Writes in flight, at least 1.
    pub concurrency: usize,
    pub interrupt: Interrupt,
    /// Counts the manifests that have been written, for whoever looks on.
    pub written: Arc<AtomicU64>,
    /// Where the table is registered, if its plan says that it is.
    pub catalog: Option<Arc<dyn Catalog>>,
    #[doc(hidden)]
    pub protocol: Protocol,
}

impl Options {
    /// A run of its own, with the usual settings.
    ///
    /// # Errors
    /// `Io` if the system has no random numbers.
    pub fn new(plan: impl Into<String>) -> Result<Options> {
        Ok(Options {
            plan: plan.into(),
            holder: random_id()?,
            lock_timeout: Duration::from_secs(90),
            single_writer: false,
            concurrency: 64,
            interrupt: Interrupt::default(),
            written: Arc::default(),
            catalog: None,
            protocol: Protocol::default(),
        })
    }
}

/// The steps that keep readers safe, each of which the simulator leaves out once to show that it would be noticed.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Manifests and markers are written under a condition.
    pub conditions: bool,
    /// A live lease is respected.
    pub lease: bool,
    /// Lines are taken away before they are added elsewhere.
    pub removals_first: bool,
    /// A failed write is read back: it may have landed.
    pub read_back: bool,
    /// The marker says `unfinished` from before the first write until after the last.
    pub unfinished: bool,
    /// Partitions that vanished are emptied.
    pub empties: bool,
    /// A plan whose marker has changed is stale.
    pub marker_requires: bool,
}

impl Default for Protocol {
    fn default() -> Protocol {
        Protocol {
            conditions: true,
            lease: true,
            removals_first: true,
            read_back: true,
            unfinished: true,
            empties: true,
            marker_requires: true,
        }
    }
}

/// Carries out `plan`, whose bodies it takes. `as_of` is when its listing was made: ISO, UTC.
///
/// # Errors
/// As [`refresh::table`] and [`switch::table`].
pub async fn table(store: &dyn Store, plan: &mut TablePlan, as_of: &str, options: &Options) -> Result<Done> {
    match plan.kind {
        Kind::Refresh | Kind::Remove => refresh::table(store, plan, as_of, options).await,
        Kind::Switch => switch::table(store, plan, as_of, options).await,
    }
}

/// 16 hex digits.
///
/// # Errors
/// `Io` if the system has no random numbers.
pub fn random_id() -> Result<String> {
    let mut bytes = [0u8; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::new(ErrorKind::Io, "the system gave no random numbers").source(error))?;
    Ok(crate::plan::marker::hex(&bytes))
}
