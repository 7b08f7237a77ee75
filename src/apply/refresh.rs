//! The manifests of a refresh, each replaced where it stands under its condition.
//!
//! Manifests that are new go first, then those that change, then those that are emptied; a manifest that takes lines from
//! another partition waits until every one that gives some has been written. Killed anywhere, it is simply run again.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::lease::Held;
use super::{Options, write};
use crate::error::Result;
use crate::map::body::Body;
use crate::plan::{Action, Change, TablePlan};
use crate::store::{Condition, ETag, Store};
use crate::uri::Uri;

/// One write: which change it is of, and what is written under which condition.
struct Write<'p> {
    change: usize,
    body: &'p Body,
    /// Where `body` is not the last of its change: what that will be. Found there, this write is not needed any more.
    later: Option<&'p Body>,
    condition: Condition,
}

/// Which of the writes may go out together.
#[derive(Clone, Copy)]
enum Wave {
    /// What takes no line from another partition, and the interim bodies of what gives and takes.
    First,
    /// What takes lines, once all that give some are written.
    Second,
}

/// Writes every manifest of the plan, and counts in `written` those that are as they should be; gives up at the first
/// failure, when what is in flight has come to its end.
///
/// # Errors
/// `Leased`, `Conflict`: somebody else writes there; `Interrupted`, `Terminated`; of the store.
pub(super) async fn manifests(
    store: &dyn Store,
    plan: &TablePlan,
    held: &Held<'_>,
    options: &Options,
    written: &mut u64,
) -> Result<()> {
    // The marker is safe before the first manifest is there, and every manifest before the marker says so.
    store.settle().await?;
    let directory = plan.directory()?;
    // Of the changes that are written in both waves: what the first left there.
    let mut left: HashMap<usize, ETag> = HashMap::new();
    let order = if options.protocol.removals_first { [Wave::First, Wave::Second] } else { [Wave::Second, Wave::First] };
    for wave in order {
        let there = std::mem::take(&mut left);
        let writes = wave.writes(&plan.changes, &there);
        let writes =
            writes.filter(|write| options.protocol.empties || plan.changes[write.change].action != Action::Empty);
        let one = async |write: Write<'_>| {
            let uri = directory.join(&plan.changes[write.change].key);
            let etag = one(store, &uri, &write, held, options).await?;
            Ok((write.change, write.later.is_none(), etag))
        };
        let done = |(change, is_last, etag): (usize, bool, ETag)| {
            *written += u64::from(is_last);
            options.written.fetch_add(u64::from(is_last), Ordering::Relaxed);
            if plan.changes[change].takes_moved {
                left.insert(change, etag);
            }
        };
        write::each(writes, options.concurrency, one, done).await?;
    }
    store.settle().await
}

async fn one(store: &dyn Store, uri: &Uri, write: &Write<'_>, held: &Held<'_>, options: &Options) -> Result<ETag> {
    held.check()?;
    let holds = || held.holds();
    let written = write::put(store, uri, write.body, write.later, &write.condition, options, holds).await;
    written.map(|written| written.etag).inspect_err(|error| held.failed(error))
}

impl Wave {
    /// Its writes: new manifests, changed ones, emptied ones. `there` is what the wave before left.
    fn writes<'p>(
        self,
        changes: &'p [Change],
        there: &'p HashMap<usize, ETag>,
    ) -> impl Iterator<Item = Write<'p>> + Send {
        let order: &[Option<Action>] = match self {
            Wave::First => &[Some(Action::Create), Some(Action::Change), Some(Action::Empty)],
            Wave::Second => &[None],
        };
        let of = move |action: &Option<Action>| {
            let action = *action;
            changes.iter().enumerate().filter(move |(_, change)| action.is_none_or(|action| change.action == action))
        };
        order.iter().flat_map(of).filter_map(move |(at, change)| {
            let (body, later) = match (self, &change.interim, change.takes_moved) {
                (Wave::First, Some(interim), _) => (&**interim, Some(&change.body)),
                (Wave::First, None, false) | (Wave::Second, _, true) => (&change.body, None),
                (Wave::First, None, true) | (Wave::Second, _, false) => return None,
            };
            let condition = there.get(&at).map(|etag| Condition::Is(etag.clone()));
            let condition = condition.unwrap_or_else(|| write::condition(&change.requires));
            Some(Write { change: at, body, later, condition })
        })
    }
}
