//! A switch: everything the table holds goes into a directory of its own beside the current one, and readers then change
//! over at once.
//!
//! Pure. The directory's name comes from what will be in it, so a run that was cut off goes on where it stopped.

use serde::{Deserialize, Serialize};

use super::manifest::MANIFEST;
use super::marker::{Marker, digest, hex};
use super::merge::Kept;
use super::{Action, Change};
use crate::error::Result;
use crate::map::body::Body;

/// What a switch does beyond the changes of its plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// The marker as it was found: it stays so, but for lease and `unfinished`, until everything is in its new place.
    pub before: Marker,
    /// Manifests of the current directory that stay as they are; they are copied. In byte order of their keys.
    pub kept: Vec<Kept>,
    pub reason: Reason,
}

/// Why a table is switched and not refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// `publish = "switch"`, or the default of tables from lakeFS.
    Asked,
    /// Lines go from one partition to another.
    Moves,
    /// The format, the serde or the columns have changed.
    Reading,
    /// The partition columns or their layout have changed.
    Layout,
}

impl Switch {
    /// How many manifests will lie in the new directory.
    pub fn manifests(&self, changes: &[Change]) -> u64 {
        (self.kept.len() + changes.iter().filter(stays).count()) as u64
    }
}

/// What is emptied is not in the new directory, but for the one manifest of a table without partition columns.
fn stays(change: &&Change) -> bool {
    change.action != Action::Empty || change.key == MANIFEST
}

/// A manifest as it must lie in the new directory.
#[derive(Clone, Debug)]
pub struct Expected<'a> {
    pub key: &'a str,
    /// Lower-case hex.
    pub md5: String,
    /// Bytes.
    pub size: u64,
    pub source: Source<'a>,
}

/// Where its bytes come from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    Body(&'a Body),
    /// Copied from the current directory.
    Kept(&'a Kept),
}

/// All that will lie in the new directory, in byte order of the keys.
///
/// # Errors
/// Of where the bodies lie.
pub fn expected<'a>(kept: &'a [Kept], changes: &'a [Change]) -> Result<Vec<Expected<'a>>> {
    let kept = kept.iter().map(|kept| {
        let source = Source::Kept(kept);
        Ok(Expected { key: &kept.key, md5: kept.md5.clone(), size: kept.size, source })
    });
    let changed = changes.iter().filter(stays).map(|change| {
        let Change { key, body, .. } = change;
        Ok(Expected { key, md5: hex(&body.md5()?), size: body.len(), source: Source::Body(body) })
    });
    let mut all: Vec<Expected<'a>> = kept.chain(changed).collect::<Result<_>>()?;
    all.sort_unstable_by(|a, b| a.key.as_bytes().cmp(b.key.as_bytes()));
    Ok(all)
}

/// Names for the new directory, the best first: `--` and 8 hex digits of what will lie there, and of how it is read. A
/// directory that has such a name may hold something else by now.
pub fn directories(marker: &Marker, expected: &[Expected<'_>]) -> impl Iterator<Item = String> + use<> {
    let marked = [marker.reading.as_str(), &marker.layout].into_iter().chain(marker.columns.iter().map(String::as_str));
    let all = digest(marked.chain(expected.iter().flat_map(|one| [one.key, one.md5.as_str()])));
    (0u32..).map(move |at| {
        let digest = if at == 0 { all.clone() } else { digest([all.as_str(), &at.to_string()]) };
        format!("--{}", &digest[..8])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Requirement;
    use crate::uri::is_sibling;

    fn marker(reading: &str) -> Marker {
        let text = format!(
            r#"{{"restitch":1,"project":null,"table":"t","layout":"a={{a}}/","columns":["a string"],"rules":"","reading":"{reading}","current":"","applied":null}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn change(action: Action, key: &str, body: &str) -> Change {
        Change {
            action,
            key: key.into(),
            lines: 0,
            added: 0,
            removed: 0,
            requires: Requirement::Absent,
            takes_moved: false,
            body: body.into(),
            interim: None,
        }
    }

    fn kept(key: &str) -> Kept {
        Kept { key: key.into(), etag: "e".into(), md5: "0".repeat(32), size: 4, lines: 1 }
    }

    #[test]
    fn what_is_emptied_is_not_there() {
        let kept = [kept("a=2/symlink.txt")];
        let changes =
            [change(Action::Change, "a=1/symlink.txt", "s3://b/x\n"), change(Action::Empty, "a=3/symlink.txt", "")];
        let all = expected(&kept, &changes).unwrap();
        let keys: Vec<&str> = all.iter().map(|one| one.key).collect();
        assert_eq!(keys, ["a=1/symlink.txt", "a=2/symlink.txt"]);
        assert_eq!((all[0].size, all[1].size), (9, 4));
        let whole = [change(Action::Empty, "symlink.txt", "")];
        assert_eq!(
            expected(&[], &whole).unwrap().len(),
            1,
            "without it an unpartitioned table would have nothing to read"
        );
    }

    #[test]
    fn the_name_follows_what_lies_there_and_how_it_is_read() {
        let names = |reading: &str, body: &str| {
            let changes = [change(Action::Create, "a=1/symlink.txt", body)];
            directories(&marker(reading), &expected(&[], &changes).unwrap()).take(3).collect::<Vec<String>>()
        };
        let first = names("r", "s3://b/x\n");
        assert!(first.iter().all(|name| is_sibling(name)), "{first:?}");
        assert_eq!(names("r", "s3://b/x\n"), first);
        let others = [names("r", "s3://b/y\n"), names("q", "s3://b/x\n")].concat();
        let all: std::collections::BTreeSet<&String> = first.iter().chain(&others).collect();
        assert_eq!(all.len(), 9, "{first:?} {others:?}");
    }
}
