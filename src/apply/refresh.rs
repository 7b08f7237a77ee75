//! The manifests of a refresh, each replaced where it stands under its condition.
//!
//! Manifests that are new go first, then those that change, then those that are emptied; a manifest that takes lines from
//! another partition waits until every one that gives some has been written. Killed anywhere, it is simply run again.

use std::sync::atomic::Ordering;

use super::lease::Held;
use super::{Options, write};
use crate::error::Result;
use crate::map::body::Body;
use crate::plan::{Action, Change, TablePlan};
use crate::store::{Condition, ETag, Store};
use crate::uri::Uri;

/// One write: which change it is of, and what is written under which condition.
struct Write {
    change: usize,
    body: Body,
    /// Where `body` is not the last of its change: what that will be. Found there, this write is not needed any more.
    later: Option<Body>,
    condition: Condition,
}

/// Writes every manifest of the plan, and counts in `written` those that are as they should be; gives up at the first
/// failure, when what is in flight has come to its end.
///
/// # Errors
/// `Leased`, `Conflict`: somebody else writes there; `Interrupted`, `Terminated`; of the store.
pub(super) async fn manifests(
    store: &dyn Store,
    plan: &mut TablePlan,
    held: &Held<'_>,
    options: &Options,
    written: &mut u64,
) -> Result<()> {
    // The marker is safe before the first manifest is there, and every manifest before the marker says so.
    store.settle().await?;
    let directory = plan.directory()?;
    let mut changes: Vec<Prepared> = plan.changes.iter_mut().map(Prepared::new).collect();
    let order: [Wave; 2] =
        if options.protocol.removals_first { [first_wave, second_wave] } else { [second_wave, first_wave] };
    for wave in order {
        let wave: Vec<(Uri, Write)> = wave(&changes)
            .into_iter()
            .filter(|write| options.protocol.empties || plan.changes[write.change].action != Action::Empty)
            .map(|write| (directory.join(&plan.changes[write.change].key), write))
            .collect();
        let one = async |(uri, write): (Uri, Write)| {
            let etag = one(store, &uri, &write, held, options).await?;
            Ok((write, etag))
        };
        let done = |(write, etag): (Write, ETag)| {
            let is_last = u64::from(write.later.is_none());
            *written += is_last;
            options.written.fetch_add(is_last, Ordering::Relaxed);
            changes[write.change].requires = Condition::Is(etag);
        };
        write::each(wave, options.concurrency, one, done).await?;
    }
    store.settle().await
}

async fn one(store: &dyn Store, uri: &Uri, write: &Write, held: &Held<'_>, options: &Options) -> Result<ETag> {
    held.check()?;
    let (later, holds) = (write.later.as_ref(), || held.holds());
    let written = write::put(store, uri, &write.body, later, &write.condition, options, holds).await;
    written.map(|written| written.etag).inspect_err(|error| held.failed(error))
}

/// Which of the changes' writes may go out together.
type Wave = fn(&[Prepared]) -> Vec<Write>;

/// A change with its bodies ready to send.
struct Prepared {
    action: Action,
    takes_moved: bool,
    body: Body,
    interim: Option<Body>,
    requires: Condition,
}

impl Prepared {
    fn new(change: &mut Change) -> Prepared {
        Prepared {
            action: change.action,
            takes_moved: change.takes_moved,
            body: std::mem::take(&mut change.body),
            interim: change.interim.take(),
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
