//! Tables that have left the rule file: found by their markers, in folders beside those of the file's own tables.
//!
//! There is no state that could name them. What can be known is what lies beside: `[defaults] location` with `{table}` in
//! it puts all tables of a file into one folder. Reads only, a bounded number of requests, and never an error.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, stream};

use super::lease;
use crate::plan::marker::Marker;
use crate::rules::table::Rules;
use crate::store::Store;
use crate::uri::Uri;

/// Unknown folders looked at between two known ones.
const MOST_UNKNOWN: usize = 16;

/// Gaps between known folders looked at at once.
const GAPS: usize = 16;

/// A table that no rule file of this project may know any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    pub location: Uri,
    pub marker: Marker,
}

/// A folder in which tables lie by their names.
#[derive(Debug)]
pub struct Beside {
    folder: Uri,
    store: Arc<dyn Store>,
    /// Names of the folders in it that the rule file has, with their slashes.
    known: BTreeSet<String>,
}

impl Beside {
    /// The folders of `rules` in which some table's own is called after it; `stores` has one per table.
    pub fn all(rules: &Rules, stores: &[Arc<dyn Store>]) -> Vec<Beside> {
        let mut folders: BTreeMap<Uri, Beside> = BTreeMap::new();
        for (table, store) in rules.tables.iter().zip(stores).filter(|(table, _)| table.lies_by_name) {
            let Some((folder, name)) = table.location.as_ref().and_then(split) else { continue };
            if name.strip_suffix('/') == Some(table.name.as_str()) {
                let new = || Beside { folder: folder.clone(), store: store.clone(), known: BTreeSet::new() };
                folders.entry(folder.clone()).or_insert_with(new);
            }
        }
        let locations = rules.tables.iter().filter_map(|table| table.location.as_ref());
        let locations = locations.chain(rules.removed.iter().map(|removed| &removed.location));
        for beside in folders.values_mut() {
            let below = locations.clone().filter(|location| beside.folder.is_prefix_of(location));
            let first = |location: &Uri| {
                let below = &location.key[beside.folder.key.len()..];
                below.find('/').map(|slash| below[..=slash].to_owned())
            };
            beside.known = below.filter_map(first).collect();
        }
        folders.into_values().collect()
    }

    /// Tables of `project` that lie here, and that the rule file does not have. What cannot be read is passed over.
    pub async fn left(&self, project: Option<&str>) -> Vec<Left> {
        let begins = std::iter::once(None).chain(self.known.iter().map(|name| Some(name.as_str())));
        let ends = self.known.iter().map(|name| Some(name.as_str())).chain([None]);
        let gaps = stream::iter(begins.zip(ends)).map(|(begin, end)| self.gap(begin, end, project)).buffered(GAPS);
        gaps.collect::<Vec<_>>().await.concat()
    }

    /// Those between two known folders.
    async fn gap(&self, begin: Option<&str>, end: Option<&str>, project: Option<&str>) -> Vec<Left> {
        let mut left = Vec::new();
        let mut after = begin.map(|name| self.behind(name));
        for _ in 0..MOST_UNKNOWN {
            let Ok(Some(first)) = self.store.first(&self.folder, after.as_deref()).await else { break };
            let below = &first[self.folder.key.len()..];
            if end.is_some_and(|end| below >= end) {
                break;
            }
            let name = below.find('/').map(|slash| &below[..=slash]);
            after = Some(name.map_or_else(|| first.clone(), |name| self.behind(name)));
            let Some(name) = name else { continue };
            let location = self.folder.join(name);
            if let Ok(Some(found)) = lease::read(self.store.as_ref(), &location).await
                && found.marker.project.as_deref() == project
            {
                left.push(Left { location, marker: found.marker });
            }
        }
        left
    }

    /// A key behind everything in a folder, and before what follows it: `0` comes right after `/`.
    fn behind(&self, name: &str) -> String {
        format!("{}{}0", self.folder.key, name.trim_end_matches('/'))
    }
}

/// `s3://b/tables/taxes/` as `s3://b/tables/` and `taxes/`.
fn split(location: &Uri) -> Option<(Uri, &str)> {
    let inner = location.key.strip_suffix('/')?;
    let name = inner.rfind('/').map_or(0, |slash| slash + 1);
    Some((Uri::new(location.bucket.clone(), &location.key[..name]), &location.key[name..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::Memory;

    fn beside(store: &Memory, known: &[&str]) -> Beside {
        Beside {
            folder: Uri::parse("s3://b/tables/").unwrap(),
            store: Arc::new(store.clone()),
            known: known.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn publish(store: &Memory, folder: &str, project: Option<&str>) {
        let project = project.map_or("null".to_owned(), |project| format!("\"{project}\""));
        let marker = format!(
            r#"{{"restitch":1,"project":{project},"table":"{folder}","layout":"","columns":[],"rules":"","reading":"","current":"","applied":null}}"#
        );
        let location = Uri::parse("s3://b/tables/").unwrap().join(&format!("{folder}/"));
        store.insert(&location.join("_restitch.json"), marker);
        store.insert(&location.join("symlink.txt"), "s3://b/x\n");
    }

    #[tokio::test]
    async fn tables_of_the_project_that_nobody_names_are_found() {
        let store = Memory::new();
        for folder in ["a", "a-old", "b", "old", "z"] {
            publish(&store, folder, None);
        }
        publish(&store, "theirs", Some("theirs"));
        store.insert(&Uri::parse("s3://b/tables/_unmatched.txt").unwrap(), "");
        store.insert(&Uri::parse("s3://b/tables/other/file").unwrap(), "");
        let names = |left: Vec<Left>| left.into_iter().map(|one| one.marker.table).collect::<Vec<_>>();
        let here = beside(&store, &["a/", "b/", "gone/"]);
        assert_eq!(names(here.left(None).await), ["a-old", "old", "z"]);
        assert_eq!(names(here.left(Some("theirs")).await), ["theirs"]);
        assert_eq!(names(beside(&store, &[]).left(None).await), ["a-old", "a", "b", "old", "z"]);
    }

    #[tokio::test]
    async fn a_folder_full_of_other_things_costs_a_bounded_number_of_requests() {
        let store = Memory::new();
        for number in 0..1_000 {
            store.insert(&Uri::parse("s3://b/tables/").unwrap().join(&format!("{number}/file")), "");
        }
        assert!(beside(&store, &["taxes/"]).left(None).await.is_empty());
        let counts = store.counts();
        assert!(counts.lists + counts.gets <= 2 * 2 * MOST_UNKNOWN as u64, "{counts:?}");
    }
}
