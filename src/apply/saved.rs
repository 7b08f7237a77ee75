//! Whether a plan that was made some time ago still fits: the marker, and every manifest that it would change.
//!
//! Reads only, and all of it before the first write, so that a plan that went stale is refused as a whole. What is
//! written in between, the conditions of the writes themselves find.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};

use super::{Options, lease, register};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::switch::Reason;
use crate::plan::{Change, Requirement, TablePlan};
use crate::store::Store;
use crate::uri::Uri;

/// Bodies read at once.
const READS: usize = 64;

/// Waits for other runs, then looks; says whether anything is left to be done.
///
/// # Errors
/// `Stale` if anything changed since the plan was made, other than by this very plan; `Leased`, `Interrupted`.
pub async fn look(store: &dyn Store, plan: &TablePlan, options: &Options) -> Result<bool> {
    if !plan.writes() {
        return Ok(false);
    }
    let location = &Uri::parse(&plan.location)?;
    let found = lease::wait_until_free(store, location, options).await?;
    if found.as_ref().is_some_and(|found| lease::has_ended(found, &options.plan)) {
        return Ok(false);
    }
    lease::refuse_if_stale(location, &plan.marker_requires, found.as_ref(), options)?;
    // Of another layout, what lies in the current directory is neither changed nor asked for.
    if plan.switch.as_ref().is_none_or(|switch| switch.reason != Reason::Layout) {
        manifests(store, plan).await?;
    }
    if let (Some(catalog), Some(planned)) = (&options.catalog, &plan.catalog) {
        register::look(catalog.as_ref(), planned).await?;
    }
    Ok(true)
}

/// # Errors
/// `Stale` if a manifest is neither as it was when the plan was made nor as the plan makes it.
async fn manifests(store: &dyn Store, plan: &TablePlan) -> Result<()> {
    let current = &plan.current()?;
    let there = etags(store, current, &plan.changes).await?;
    let odd = plan.changes.iter().filter(|change| there.get(change.key.as_str()).cloned() != required(change));
    let mut looks = stream::iter(odd).map(|change| is_as_desired(store, current, change)).buffered(READS);
    while let Some((change, as_desired)) = looks.try_next().await? {
        if !as_desired {
            return Err(stale(&current.join(&change.key)));
        }
    }
    Ok(())
}

/// The ETags of those manifests that the plan would change, as a listing of its directory has them.
async fn etags<'c>(store: &dyn Store, directory: &Uri, changes: &'c [Change]) -> Result<HashMap<&'c str, String>> {
    let known: HashSet<&str> = changes.iter().map(|change| change.key.as_str()).collect();
    let mut etags = HashMap::with_capacity(changes.len());
    let mut pages = store.list(directory, None);
    while let Some(page) = pages.try_next().await? {
        for object in page.objects() {
            let below = object.key.strip_prefix(directory.key.as_str());
            if let Some(key) = below.and_then(|below| known.get(below)) {
                etags.insert(*key, object.etag.unwrap_or_default().to_owned());
            }
        }
    }
    Ok(etags)
}

fn required(change: &Change) -> Option<String> {
    match &change.requires {
        Requirement::Absent => None,
        Requirement::ETag(etag) => Some(etag.clone()),
    }
}

/// This plan may have been cut off before: what it has written is no reason to refuse it.
async fn is_as_desired<'c>(store: &dyn Store, directory: &Uri, change: &'c Change) -> Result<(&'c Change, bool)> {
    let found = store.get(&directory.join(&change.key)).await?;
    let Some(found) = found else { return Ok((change, false)) };
    let interim = change.interim.as_ref().map(|interim| interim.is(&found.body)).transpose()?.unwrap_or(false);
    let as_required = Requirement::ETag(found.etag.0) == change.requires;
    Ok((change, as_required || interim || change.body.is(&found.body)?))
}

fn stale(uri: &Uri) -> Error {
    Error::new(ErrorKind::Stale, format!("{} changed since the plan was made", uri.shown()))
        .note("nothing was written")
        .help("`restitch plan` again")
}
