//! The manifests of a switch: everything the table holds is put into a directory of its own, and counted there. Then it
//! becomes current: in the catalog, whose readers change over with it, and in the marker.
//!
//! Until then nobody reads the new directory. Its name comes from what it holds, so a run that was cut off finds there
//! what it had written, and writes only the rest.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use futures::{StreamExt, TryStreamExt, stream};

use super::lease::Held;
use super::{Options, write};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::TablePlan;
use crate::plan::marker::{Marker, Replaced, hex};
use crate::plan::merge::{body_md5, etag_md5};
use crate::plan::switch::{self, Expected, Source, Switch};
use crate::store::{Condition, ETag, Store};
use crate::uri::{Shown, Uri};

/// Bodies read at once.
const READS: usize = 64;

/// Puts all that `plan` wants into its new directory, and counts it there; says how many manifests were written.
///
/// # Errors
/// `Leased`, `Conflict`: somebody else writes there. `Ownership` if the new directory holds anything else. `Interrupted`,
/// `Terminated`. After any error readers see what they saw, and running again goes on from there.
pub(super) async fn manifests(
    store: &dyn Store,
    plan: &TablePlan,
    switch: &Switch,
    held: &Held<'_>,
    options: &Options,
) -> Result<u64> {
    let directory = Directory { store, at: plan.directory()?, from: plan.current()?, held, options };
    let filled = directory.fill(&switch::expected(&switch.kept, &plan.changes)?).await;
    filled.map_err(|error| error.note("readers see the table as it was"))
}

/// What a switch that is done has replaced.
pub(super) fn replaced(switch: &Switch, held: &Held<'_>) -> Replaced {
    let Marker { current, layout, columns, .. } = &switch.before;
    Replaced { at: held.now(), directory: current.clone(), layout: layout.clone(), columns: columns.clone() }
}

/// Whether `directory` can come to hold exactly this: all that lies there is part of it, or nothing does.
///
/// # Errors
/// The store's own.
pub(super) async fn can_hold(store: &dyn Store, directory: &Uri, expected: &[Expected<'_>]) -> Result<bool> {
    let index: HashMap<&str, usize> = expected.iter().enumerate().map(|(at, one)| (one.key, at)).collect();
    let mut pages = store.list(directory, None);
    while let Some(page) = pages.try_next().await? {
        for object in page.objects() {
            let Some(at) = index.get(&object.key[directory.key.len()..]) else { return Ok(false) };
            let found = (object.size.unwrap_or(0), object.etag.unwrap_or_default().to_owned());
            if look(store, directory, &expected[*at], Some(&found)).await?.is_some() {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// `None` if it is there as it should be, by its size and MD5; a tag that is no MD5 has the body read.
async fn look(
    store: &dyn Store,
    directory: &Uri,
    expected: &Expected<'_>,
    found: Option<&(u64, String)>,
) -> Result<Option<Condition>> {
    let Some((size, etag)) = found else { return Ok(Some(Condition::Absent)) };
    let proves = |md5: [u8; 16]| hex(&md5) == expected.md5;
    let by_tag = store.traits().md5_etags && etag_md5(etag).is_some_and(proves);
    if *size == expected.size && by_tag {
        return Ok(None);
    }
    match store.get(&directory.join(expected.key)).await? {
        Some(stored) if proves(body_md5(&stored.body)) => Ok(None),
        Some(stored) => Ok(Some(Condition::Is(stored.etag))),
        None => Ok(Some(Condition::Absent)),
    }
}

/// The new directory.
struct Directory<'a> {
    store: &'a dyn Store,
    at: Uri,
    /// The current one, from which what stays is copied.
    from: Uri,
    held: &'a Held<'a>,
    options: &'a Options,
}

impl Directory<'_> {
    /// Puts everything there that is not there yet, and counts it; says how many manifests were written.
    async fn fill(&self, expected: &[Expected<'_>]) -> Result<u64> {
        let missing = self.missing(expected).await?;
        let written = missing.len() as u64;
        let one = async |(at, condition): (usize, Condition)| {
            self.write(&expected[at], &condition).await.inspect_err(|error| self.held.failed(error))
        };
        let count = |()| {
            self.options.written.fetch_add(1, Ordering::Relaxed);
        };
        write::each(missing, self.options.concurrency, one, count).await?;
        self.store.settle().await?;
        self.held.check()?;
        match self.missing(expected).await?.first() {
            None => Ok(written),
            Some((at, _)) => Err(self.miscounted(expected[*at].key)),
        }
    }

    async fn write(&self, expected: &Expected<'_>, condition: &Condition) -> Result<()> {
        self.held.check()?;
        let to = self.at.join(expected.key);
        match expected.source {
            Source::Body(body) => {
                let holds = || self.held.holds();
                write::put(self.store, &to, body, None, condition, self.options, holds).await.map(drop)
            }
            Source::Kept(kept) => {
                let (from, etag) = (self.from.join(&kept.key), ETag(kept.etag.clone()));
                write::copy(self.store, &from, &etag, &to, || self.held.holds()).await
            }
        }
    }

    /// What is not there as it should be, each with what is there instead.
    ///
    /// # Errors
    /// `Ownership` if anything is there that should not be.
    async fn missing(&self, expected: &[Expected<'_>]) -> Result<Vec<(usize, Condition)>> {
        let index: HashMap<&str, usize> = expected.iter().enumerate().map(|(at, one)| (one.key, at)).collect();
        let mut there: HashMap<usize, (u64, String)> = HashMap::with_capacity(expected.len());
        let mut pages = self.store.list(&self.at, None);
        while let Some(page) = pages.try_next().await? {
            for object in page.objects() {
                let key = &object.key[self.at.key.len()..];
                let at = index.get(key).ok_or_else(|| self.foreign(key))?;
                there.insert(*at, (object.size.unwrap_or(0), object.etag.unwrap_or_default().to_owned()));
            }
        }
        drop(pages);
        let looks = stream::iter(expected.iter().enumerate()).map(|(at, one)| {
            let found = there.get(&at);
            async move { Ok(look(self.store, &self.at, one, found).await?.map(|condition| (at, condition))) }
        });
        looks.buffered(READS).try_filter_map(|missing| std::future::ready(Ok(missing))).try_collect().await
    }

    fn foreign(&self, key: &str) -> Error {
        let message = format!("{} holds `{}`, which is not of this table", self.at.shown(), Shown(key));
        Error::new(ErrorKind::Ownership, message)
            .note("engines would read every file there as a list of objects")
            .help("move it away and run again")
    }

    fn miscounted(&self, key: &str) -> Error {
        let message = format!("{} is not there as it was written", self.at.join(key).shown());
        Error::new(ErrorKind::Conflict, message).help("run again")
    }
}
