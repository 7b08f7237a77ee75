//! A plan carried out: the lease, the writes in their order, and what is cleaned up later.
//!
//! What is true is what can be read: the location's listing and the manifests' bytes. Nothing is kept anywhere else, so
//! an apply may be killed at any step and run again, and comes to the same end.

pub mod above;
pub mod beside;
mod compared;
pub mod current;
pub mod interrupt;
pub mod lease;
pub mod live;
pub mod mapped;
pub mod memory;
pub mod planning;
pub mod prune;
pub mod refresh;
pub mod register;
pub mod registration;
pub mod replaced;
pub mod saved;
mod spill;
pub mod switch;
pub mod verify;
pub(crate) mod write;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use self::interrupt::Interrupt;
use self::lease::{Claim, Held};
use self::register::Registered;
use crate::catalog::Catalog;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::TablePlan;
use crate::plan::brakes::grouped;
use crate::plan::marker::Applied;
use crate::store::Store;
use crate::uri::Uri;

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

/// What an apply did to one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Manifests written.
    pub manifests: u64,
    pub registered: Registered,
}

/// Carries out `plan`, whose bodies it takes: the marker with lease and `unfinished`, the manifests, the catalog, the marker
/// again. `as_of` is when its listing was made: ISO, UTC.
///
/// # Errors
/// `Leased`, `Stale`, `Conflict`: somebody else writes there; `Ownership` if a switch's directory holds anything else.
/// `Interrupted`, `Terminated`. After any error the marker says `unfinished`, and running again comes to the end that this
/// run would have come to.
pub async fn table(store: &dyn Store, plan: &mut TablePlan, as_of: &str, options: &Options) -> Result<Done> {
    if !plan.writes() {
        return Ok(Done::default());
    }
    let location = &Uri::parse(&plan.location)?;
    let found = lease::wait_until_free(store, location, options).await?;
    if found.as_ref().is_some_and(|found| lease::has_ended(found, &options.plan)) {
        return Ok(Done::default());
    }
    // Until a switch is done, the marker says what it said.
    let marker = plan.switch.as_ref().map_or(&plan.marker, |switch| &switch.before);
    let claim = Claim { requires: &plan.marker_requires, marker, unfinished: true };
    let held = Held::take(store, location, found, claim, options).await?;
    let all = plan.changes.len() as u64;
    let mut written = 0;
    let writing = async {
        match &plan.switch {
            Some(switch) => written = switch::manifests(store, plan, switch, &held, options).await?,
            None => refresh::manifests(store, plan, &held, options, &mut written).await?,
        }
        register::carry_out(options.catalog.as_deref(), plan, || held.check()).await
    };
    let registered = match held.while_renewed(writing).await {
        Ok(registered) => registered,
        Err(error) => {
            held.abandon().await;
            let before = || format!("{} of {} manifests had been written before", grouped(written), grouped(all));
            return Err(if plan.switch.is_some() { error } else { error.note(before()) });
        }
    };
    let mut marker = plan.marker.clone();
    marker.applied = Some(Applied::of(plan, &options.plan, as_of));
    if let Some(switch) = &plan.switch {
        marker.replaced = Some(switch::replaced(switch, &held));
    }
    held.free(marker).await?;
    Ok(Done { manifests: written, registered })
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
