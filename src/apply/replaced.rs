//! Directories of a table that are not current: what switches have replaced, and what a switch that was cut off began.
//!
//! Reads only. A sibling is known by its name, and by bearing no marker of its own; what lies in it is the table's if its
//! key is of the table's shape, the one that it has or the one that it had before the last switch.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt;

use crate::error::Result;
use crate::plan::manifest::{MARKER, Shape};
use crate::plan::marker::Marker;
use crate::store::Store;
use crate::uri::{Uri, is_sibling};
use crate::value::PartitionValue;

/// A directory that is not current.
#[derive(Clone, Debug)]
pub struct Old {
    pub directory: Uri,
    /// What stands behind the location's name; empty for the location itself.
    pub name: String,
    /// In byte order of their keys.
    pub manifests: Vec<OldManifest>,
    /// Keys that are none of the table's; they stay.
    pub foreign: u64,
    /// When anything in it was written last, in seconds since 1970 by the store's clock; `None` if the store does not say.
    pub newest: Option<i64>,
}

/// A manifest in it.
#[derive(Clone, Debug)]
pub struct OldManifest {
    /// Below the directory.
    pub key: String,
    pub values: Vec<PartitionValue>,
}

/// The directories of the table at `location` that are not current, in byte order of their names.
///
/// # Errors
/// The store's own.
pub async fn all(store: &dyn Store, location: &Uri, marker: &Marker) -> Result<Vec<Old>> {
    let shapes: Vec<Shape> = [marker.shape(), marker.replaced.as_ref().and_then(|replaced| replaced.shape())]
        .into_iter()
        .flatten()
        .collect();
    let mut found = BTreeMap::new();
    if !marker.current.is_empty() {
        let mut pages = store.list(location, None);
        while let Some(page) = pages.try_next().await? {
            for object in page.objects() {
                let key = &object.key[location.key.len()..];
                if key != MARKER {
                    take(&mut found, location, "", key, object.modified, &shapes);
                }
            }
        }
    }
    let Some(stem) = location.key.as_str().strip_suffix('/').filter(|stem| !stem.is_empty()) else {
        return Ok(found.into_values().collect());
    };
    let siblings = Uri::new(location.bucket.clone(), format!("{stem}--"));
    let mut of_others = BTreeSet::new();
    let mut after: Option<String> = None;
    'listing: loop {
        let mut pages = store.list(&siblings, after.as_deref());
        while let Some(page) = pages.try_next().await? {
            for object in page.objects() {
                let Some((name, key)) = object.key[stem.len()..].split_once('/') else { continue };
                if name == marker.current {
                    // The current one is passed over whole: `0` comes right after `/`.
                    after = Some(format!("{stem}{name}0"));
                    continue 'listing;
                } else if key == MARKER {
                    of_others.insert(name.to_owned());
                } else if is_sibling(name) {
                    take(&mut found, location, name, key, object.modified, &shapes);
                }
            }
        }
        break;
    }
    found.retain(|name, _| !of_others.contains(name));
    Ok(found.into_values().collect())
}

fn take(
    found: &mut BTreeMap<String, Old>,
    location: &Uri,
    name: &str,
    key: &str,
    modified: Option<i64>,
    shapes: &[Shape],
) {
    let old = found.entry(name.to_owned()).or_insert_with(|| Old {
        directory: location.sibling(name),
        name: name.to_owned(),
        manifests: Vec::new(),
        foreign: 0,
        newest: modified,
    });
    old.newest = old.newest.zip(modified).map(|(newest, modified)| newest.max(modified));
    match shapes.iter().find_map(|shape| shape.values(key)) {
        Some(values) => old.manifests.push(OldManifest { key: key.to_owned(), values }),
        None => old.foreign += 1,
    }
}
