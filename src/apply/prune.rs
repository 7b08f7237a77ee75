//! What has long been empty or replaced is taken away: manifests that hold no line for over 24 h, directories that a
//! switch has left for as long, and tables that have left the rules.
//!
//! A query that was running when a partition emptied is done by then. Partitions are unregistered before their manifests
//! go, and only in a table of the catalog that is ours; the table itself stays for a person to drop. Only keys of exactly
//! the table's own shape are ever deleted, under the same lease as every other write, and only what is still empty when it
//! is looked at again.

use std::collections::HashMap;

use futures::TryStreamExt;

use super::Options;
use super::current::foreign_marker;
use super::lease::{self, Claim, Found, Held};
use super::register;
use super::replaced::{self, Old};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::manifest::{MARKER, Shape};
use crate::plan::marker::Marker;
use crate::plan::{Partition, Requirement};
use crate::rules::table::{Removed, Table};
use crate::store::Store;
use crate::uri::Uri;
use crate::value::PartitionValue;

/// How long a manifest is empty before it goes, in seconds of the store's clock.
pub const EMPTY_FOR_S: i64 = 24 * 60 * 60;

/// Keys deleted at once, as many as S3 takes.
const BATCH: usize = 1_000;

/// What would be taken away of one table.
#[derive(Clone, Debug)]
pub struct Pruning {
    pub table: String,
    pub location: Uri,
    /// In byte order of their keys.
    pub gone: Vec<Gone>,
    /// Empty manifests that have yet to wait.
    pub waiting: u64,
    /// Directories that have not been current for long enough, with all that is the table's in them.
    pub replaced: Vec<Old>,
    /// Those that have yet to wait.
    pub replaced_lately: u64,
    /// Whether nothing of the table is left then, so that its marker goes too.
    pub whole: bool,
    marker: Marker,
    requires: Requirement,
}

/// A manifest that has been empty for long enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Below the location.
    pub key: String,
    pub values: Vec<PartitionValue>,
    pub partition: Partition,
    /// Since when, in seconds since 1970.
    pub since: i64,
    etag: String,
}

impl Pruning {
    pub fn deletes(&self) -> bool {
        !self.gone.is_empty() || self.whole || self.replaced.iter().any(|old| !old.manifests.is_empty())
    }
}

/// What can go of a table of the rule file; `None` where nothing of it is published. The one manifest of an unpartitioned
/// table stays: without it the table would have nothing to read.
///
/// # Errors
/// `Ownership` or `Moves` where what is published is not this table as the rules say it; `Leased` while another run
/// writes.
pub async fn of_table(store: &dyn Store, project: Option<&str>, table: &Table) -> Result<Option<Pruning>> {
    let Some(location) = &table.location else { return Ok(None) };
    let Some(found) = lease::read(store, location).await? else { return Ok(None) };
    let wanted = Marker::new(project, table);
    if let Some(error) = foreign_marker(&found, &wanted, location) {
        return Err(error);
    }
    if !found.marker.lies_as(&wanted) {
        let message =
            format!("the partition columns or their layout have changed since `{}` was published", table.name);
        return Err(Error::new(ErrorKind::Moves, message).help("`restitch apply` first, which publishes it anew"));
    }
    let shape = found.marker.shape().ok_or_else(|| unreadable(location))?;
    let mut pruning = look(store, location, &shape, &found).await?;
    if shape.columns().len() == 0 {
        pruning.gone.clear();
    }
    pruning.whole = false;
    Ok(Some(pruning))
}

/// What can go of a table that has left the rule file: all of it, once all of it has been empty for long enough.
///
/// # Errors
/// As [`of_table`].
pub async fn of_removed(store: &dyn Store, project: Option<&str>, removed: &Removed) -> Result<Option<Pruning>> {
    let location = &removed.location;
    let Some(found) = lease::read(store, location).await? else { return Ok(None) };
    let mut wanted = found.marker.clone();
    (wanted.table, wanted.project) = (removed.name.clone(), project.map(str::to_owned));
    if let Some(error) = foreign_marker(&found, &wanted, location) {
        return Err(error);
    }
    match found.marker.shape() {
        Some(shape) => look(store, location, &shape, &found).await.map(Some),
        None => Err(unreadable(location)),
    }
}

/// Deletes it; says how many manifests went.
///
/// # Errors
/// `Leased`, `Stale`: somebody else writes there. `Interrupted`, `Terminated`. What was deleted is gone; run again.
pub async fn carry_out(store: &dyn Store, pruning: &Pruning, options: &Options) -> Result<u64> {
    let claim = Claim { requires: &pruning.requires, marker: &pruning.marker, unfinished: false };
    let found = lease::wait_until_free(store, &pruning.location, options).await?;
    let held = Held::take(store, &pruning.location, found, claim, options).await?;
    match held.while_renewed(delete(store, pruning, &held, options)).await {
        Ok((deleted, true)) => held.delete().await.map(|()| deleted),
        Ok((deleted, false)) => {
            let marker = held.marker().clone();
            held.free(marker).await.map(|()| deleted)
        }
        Err(error) => {
            held.abandon().await;
            Err(error)
        }
    }
}

/// Unregisters and deletes what is still as it was; also says whether nothing is left. What lies in directories that are
/// not current nobody writes to without this lease.
async fn delete(store: &dyn Store, pruning: &Pruning, held: &Held<'_>, options: &Options) -> Result<(u64, bool)> {
    held.check()?;
    let known: HashMap<&str, &Gone> = pruning.gone.iter().map(|gone| (gone.key.as_str(), gone)).collect();
    let mut still: Vec<&Gone> = Vec::with_capacity(known.len());
    let mut left = 0u64;
    let shape = pruning.marker.shape().ok_or_else(|| unreadable(&pruning.location))?;
    let directory = pruning.marker.directory(&pruning.location);
    let mut pages = store.list(&directory, None);
    while let Some(page) = pages.try_next().await? {
        for object in page.objects() {
            let Some(key) = object.key.strip_prefix(directory.key.as_str()) else { continue };
            let is_still = |gone: &&Gone| object.size == Some(0) && object.etag == Some(gone.etag.as_str());
            match known.get(key).copied().filter(is_still) {
                Some(gone) => still.push(gone),
                None => left += u64::from(shape.values(key).is_some()),
            }
        }
    }
    drop(pages);
    let mut named = None;
    if let Some(catalog) = options.catalog.as_deref().filter(|_| !still.is_empty() || !pruning.replaced.is_empty())
        && let Some(entry) = register::entry(catalog, &pruning.marker).await?
    {
        let values: Vec<&[PartitionValue]> = still.iter().map(|gone| gone.values.as_slice()).collect();
        register::forget(catalog, &entry, &pruning.marker, &values, || held.check()).await?;
        named = Some(register::directory(&entry));
    }
    // Of a table that has left the rules nothing stays for readers.
    let named = named.filter(|_| !pruning.whole);
    let is_named = |old: &&Old| named.as_ref().is_some_and(|named| named.starts_with(&old.directory.raw()));
    let replaced = pruning.replaced.iter().filter(|old| !is_named(old));
    let old = |old: &'_ Old| old.manifests.iter().map(|one| old.directory.join(&one.key)).collect::<Vec<_>>();
    let still = still.iter().map(|gone| directory.join(&gone.key)).chain(replaced.flat_map(old)).collect::<Vec<Uri>>();
    let mut deleted = 0;
    for batch in still.chunks(BATCH) {
        held.check()?;
        let failed = store.delete(batch).await.inspect_err(|error| held.failed(error))?;
        deleted += (batch.len() - failed.len()) as u64;
        failed.iter().for_each(|(_, error)| held.failed(error));
        if let Some((uri, error)) = failed.into_iter().next() {
            return Err(error.note(format!("{} could not be deleted; {deleted} manifests were", uri.shown())));
        }
    }
    held.check()?;
    Ok((deleted, pruning.whole && left == 0))
}

async fn look(store: &dyn Store, location: &Uri, shape: &Shape, found: &Found) -> Result<Pruning> {
    if let Some(live_s) = found.live_s {
        return Err(Error::new(ErrorKind::Leased, format!("another run is writing to {}", location.shown()))
            .note(format!("its lease holds for {live_s} s more unless it is renewed"))
            .help("run again when it is done"));
    }
    let mut pruning = Pruning {
        table: found.marker.table.clone(),
        location: location.clone(),
        gone: Vec::new(),
        waiting: 0,
        replaced: Vec::new(),
        replaced_lately: 0,
        whole: false,
        marker: found.marker.clone(),
        requires: Requirement::ETag(found.etag.0.clone()),
    };
    let directory = found.marker.directory(location);
    let mut filled = 0u64;
    let mut pages = store.list(&directory, None);
    while let Some(page) = pages.try_next().await? {
        for object in page.objects() {
            let Some(key) = object.key.strip_prefix(directory.key.as_str()).filter(|key| *key != MARKER) else {
                continue;
            };
            let Some(values) = shape.values(key) else { continue };
            let since = object.modified.filter(|_| object.size == Some(0));
            match (since, object.etag) {
                (Some(since), Some(etag)) if found.now - since > EMPTY_FOR_S => pruning.gone.push(Gone {
                    key: key.to_owned(),
                    partition: Partition::new(shape, &values),
                    values,
                    since,
                    etag: etag.to_owned(),
                }),
                (Some(_), _) => pruning.waiting += 1,
                (None, _) => filled += 1,
            }
        }
    }
    drop(pages);
    let replaced_at = found.marker.replaced.as_ref().map(|replaced| replaced.at);
    let since = |old: &Old| [old.newest, replaced_at, found.marker.made].into_iter().flatten().max();
    // An apply that did not end may have told the catalog of another directory than the marker has.
    let ended = found.marker.unfinished.is_none();
    let is_due = |old: &Old| ended && since(old).is_some_and(|since| found.now - since > EMPTY_FOR_S);
    let (due, lately): (Vec<Old>, Vec<Old>) =
        replaced::all(store, location, &found.marker).await?.into_iter().partition(is_due);
    (pruning.replaced, pruning.replaced_lately) = (due, lately.len() as u64);
    pruning.whole = filled + pruning.waiting + pruning.replaced_lately == 0;
    Ok(pruning)
}

fn unreadable(location: &Uri) -> Error {
    let message = format!("the marker of {} does not say where its manifests lie", location.shown());
    Error::new(ErrorKind::Ownership, message).help("if it may go, delete it by hand")
}
