//! A refresh: the marker with lease and `unfinished`, the manifests each under its condition, the catalog, the marker
//! again.
//!
//! Manifests that are new go first, then those that change, then those that are emptied; a manifest that takes lines from
//! another partition waits until every one that gives some has been written. Killed anywhere, it is simply run again.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures::{StreamExt, stream};

use super::lease::{self, Claim, Held};
use super::register::{self, Registered};
use super::{Options, write};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::brakes::grouped;
use crate::plan::marker::Applied;
use crate::plan::{Action, Change, TablePlan};
use crate::store::{Condition, ETag, Store};
use crate::uri::Uri;

/// What an apply did to one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Manifests written.
    pub manifests: u64,
    pub registered: Registered,
}

/// Carries out `plan`, whose bodies it takes. `as_of` is when its listing was made: ISO, UTC.
///
/// # Errors
/// `Leased`, `Stale`, `Conflict`: somebody else writes there. `Interrupted`, `Terminated`. After any error the marker
/// says `unfinished`, and running again comes to the end that this run would have come to.
pub async fn table(store: &dyn Store, plan: &mut TablePlan, as_of: &str, options: &Options) -> Result<Done> {
    if !plan.writes() {
        return Ok(Done::default());
    }
    let location = &Uri::parse(&plan.location)?;
    let found = lease::wait_until_free(store, location, options).await?;
    if found.as_ref().is_some_and(|found| lease::has_ended(found, &options.plan)) {
        return Ok(Done::default());
    }
    let claim = Claim { requires: &plan.marker_requires, marker: &plan.marker, unfinished: true };
    let held = Held::take(store, location, found, claim, options).await?;
    let directory = plan.directory()?;
    let all = plan.changes.len() as u64;
    let mut written = 0;
    let writing = async {
        // The marker is safe before the first manifest is there, and every manifest before the marker says so.
        store.settle().await?;
        manifests(store, &directory, plan, &held, options, &mut written).await?;
        store.settle().await?;
        match &options.catalog {
            Some(catalog) => register::carry_out(catalog.as_ref(), plan, || held.check()).await,
            None => Ok(Registered::default()),
        }
    };
    let registered = match held.while_renewed(writing).await {
        Ok(registered) => registered,
        Err(error) => {
            held.abandon().await;
            return Err(error.note(format!(
                "{} of {} manifests had been written before",
                grouped(written),
                grouped(all)
            )));
        }
    };
    let mut marker = plan.marker.clone();
    marker.unfinished = None;
    marker.applied = Some(Applied::of(plan, &options.plan, as_of));
    held.free(marker).await?;
    Ok(Done { manifests: written, registered })
}

/// One write: which change it is of, and what is written under which condition.
struct Write {
    change: usize,
    body: Bytes,
    /// Where `body` is not the last of its change: what that will be. Found there, this write is not needed any more.
    later: Option<Bytes>,
    condition: Condition,
}

/// Writes every manifest of the plan; gives up at the first failure, when what is in flight has come to its end.
async fn manifests(
    store: &dyn Store,
    directory: &Uri,
    plan: &mut TablePlan,
    held: &Held<'_>,
    options: &Options,
    written: &mut u64,
) -> Result<()> {
    let mut changes: Vec<Prepared> = plan.changes.iter_mut().map(Prepared::new).collect();
    let order: [Wave; 2] =
        if options.protocol.removals_first { [first_wave, second_wave] } else { [second_wave, first_wave] };
    for wave in order {
        let failed: Mutex<Option<Error>> = Mutex::new(None);
        let wave: Vec<(Uri, Write)> = wave(&changes)
            .into_iter()
            .filter(|write| options.protocol.empties || plan.changes[write.change].action != Action::Empty)
            .map(|write| (directory.join(&plan.changes[write.change].key), write))
            .collect();
        let writes = stream::iter(wave).map(|(uri, write)| {
            let failed = &failed;
            async move {
                if failed.lock().expect("no write panics").is_some() {
                    return None;
                }
                match one(store, &uri, &write, held, options).await {
                    Ok(etag) => Some((write, etag)),
                    Err(error) => {
                        failed.lock().expect("no write panics").get_or_insert(error);
                        None
                    }
                }
            }
        });
        let mut writes = writes.buffer_unordered(options.concurrency.max(1));
        while let Some(done) = writes.next().await {
            if let Some((write, etag)) = done {
                let is_last = u64::from(write.later.is_none());
                *written += is_last;
                options.written.fetch_add(is_last, Ordering::Relaxed);
                changes[write.change].requires = Condition::Is(etag);
            }
        }
        drop(writes);
        if let Some(error) = failed.into_inner().expect("no write panics") {
            return Err(error);
        }
    }
    Ok(())
}

async fn one(store: &dyn Store, uri: &Uri, write: &Write, held: &Held<'_>, options: &Options) -> Result<ETag> {
    held.check()?;
    let (later, holds) = (write.later.as_ref(), || held.holds());
    match write::put(store, uri, &write.body, later, &write.condition, options.protocol, holds).await {
        Ok(written) => Ok(written.etag),
        Err(error) if error.kind() == ErrorKind::Unsupported && options.single_writer => {
            Ok(store.put(uri, write.body.clone(), &Condition::None).await?.etag)
        }
        Err(error) => {
            held.failed(&error);
            Err(error)
        }
    }
}

/// Which of the changes' writes may go out together.
type Wave = fn(&[Prepared]) -> Vec<Write>;

/// A change with its bodies ready to send.
struct Prepared {
    action: Action,
    takes_moved: bool,
    body: Bytes,
    interim: Option<Bytes>,
    requires: Condition,
}

impl Prepared {
    fn new(change: &mut Change) -> Prepared {
        Prepared {
            action: change.action,
            takes_moved: change.takes_moved,
            body: std::mem::take(&mut change.body).into(),
            interim: change.interim.take().map(Bytes::from),
            requires: write::condition(&change.requires),
        }
    }
}

/// What takes no line from another partition, and the interim bodies of what gives and takes: new, changed, emptied.
fn first_wave(changes: &[Prepared]) -> Vec<Write> {
    let mut wave = Vec::with_capacity(changes.len());
    for (at, change) in changes.iter().enumerate() {
        let (body, later) = match (&change.interim, change.takes_moved) {
            (Some(interim), _) => (interim.clone(), Some(change.body.clone())),
            (None, false) => (change.body.clone(), None),
            (None, true) => continue,
        };
        wave.push(Write { change: at, body, later, condition: change.requires.clone() });
    }
    wave.sort_by_key(|write| changes[write.change].action);
    wave
}

/// What takes lines, once all that give some are written.
fn second_wave(changes: &[Prepared]) -> Vec<Write> {
    let takes = changes.iter().enumerate().filter(|(_, change)| change.takes_moved);
    let write = |(at, change): (usize, &Prepared)| Write {
        change: at,
        body: change.body.clone(),
        later: None,
        condition: change.requires.clone(),
    };
    takes.map(write).collect()
}
