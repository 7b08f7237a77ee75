//! Other tables' markers that have a say in where a table lies: in a directory above it, and where the catalog's table of
//! its name reads now. Reads only.

use futures::{StreamExt, TryStreamExt, stream};

use super::lease::{self, Found};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::catalog::{CatalogPlan, TableChange};
use crate::plan::marker::Marker;
use crate::store::Store;
use crate::uri::{Scheme, Shown, Uri, is_sibling};

/// Markers looked for at once.
const READS: usize = 8;

/// What refuses a location in the directory of a table that is published: engines read all that lies there as that table's.
/// Asks for one key for each directory above; where that is denied, nobody can tell.
///
/// # Errors
/// Of the store.
pub async fn nested(store: &dyn Store, location: &Uri) -> Result<Option<Error>> {
    let inner = location.key.strip_suffix('/').unwrap_or(&location.key);
    let slashes = inner.match_indices('/').map(|(slash, _)| slash + 1);
    let ends: Vec<usize> = if inner.is_empty() { Vec::new() } else { std::iter::once(0).chain(slashes).collect() };
    let above = ends.into_iter().map(|end| Uri::new(location.bucket.clone(), &location.key[..end]));
    let mut looked = stream::iter(above).map(|directory| look(store, directory)).buffered(READS);
    while let Some(looked) = looked.try_next().await? {
        let Some((directory, marker)) = looked else { continue };
        let message = format!("{} lies in the directory of {}", location.shown(), owner(&marker));
        return Ok(Some(
            Error::new(ErrorKind::Ownership, message)
                .note(format!("its marker is in {}", directory.shown()))
                .note("engines would read manifests there as that table's too")
                .help("give the table a place that is in no other table's"),
        ));
    }
    Ok(None)
}

/// Where a catalog's table reads, if `plan` would lead it from there to its `location`.
pub fn led_from(plan: &CatalogPlan, location: &Uri) -> Option<Uri> {
    let TableChange::Update { fields, .. } = &plan.table else { return None };
    let old = fields.iter().find(|field| field.field == "location")?.old.as_deref()?;
    let old = Uri::parse(old).ok()?;
    let stem = old.key.trim_end_matches('/');
    // A switch has led it into a directory beside; the marker lies in the location itself.
    let named = stem.len().checked_sub("--01234567".len()).filter(|at| stem.is_char_boundary(*at));
    let stem = named.filter(|at| is_sibling(&stem[*at..])).map_or(stem, |at| &stem[..at]);
    let old = Uri::new(old.bucket.clone(), format!("{stem}/"));
    (old != *location && old.bucket.scheme != Scheme::LakeFs).then_some(old)
}

/// What refuses to lead a catalog's table away from `old`, where manifests are published: two places would take it from each
/// other for ever.
///
/// # Errors
/// Of the store.
pub async fn taken_from(store: &dyn Store, old: &Uri, plan: &CatalogPlan, location: &Uri) -> Result<Option<Error>> {
    let Some((old, marker)) = look(store, old.clone()).await? else { return Ok(None) };
    let message = format!("`{}` in {} reads manifests at another place", Shown(&plan.name), plan.catalog);
    Ok(Some(
        Error::new(ErrorKind::Ownership, message)
            .note(format!("there, {} is published: {}", owner(&marker), old.shown()))
            .note(format!("here: {}", location.shown()))
            .help("--adopt leads it here, and nobody reads the other place then; or give this table another name"),
    ))
}

async fn look(store: &dyn Store, directory: Uri) -> Result<Option<(Uri, Marker)>> {
    match lease::read(store, &directory).await {
        Ok(found) => Ok(found.map(|Found { marker, .. }| (directory, marker))),
        Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

fn owner(marker: &Marker) -> String {
    let table = Shown(&marker.table);
    match &marker.project {
        Some(project) => format!("table `{table}` of project `{}`", Shown(project)),
        None => format!("table `{table}`"),
    }
}
