//! A location's listing, held against the manifests that should be there.
//!
//! Reads only: the listing, and the bodies of those manifests that the listing does not prove to be as desired. Pages
//! stream through the merge; unchanged manifests cost no request.

use futures::{StreamExt, stream};

use super::lease::Found;
use super::planning::Planning;
use super::switch::can_hold;
use crate::error::{Error, ErrorKind, Result};
use crate::listing::Object;
use crate::plan::brakes;
use crate::plan::manifest::{self, Desired, MANIFEST, MARKER, PROBE, Shape};
use crate::plan::marker::Marker;
use crate::plan::merge::{Merge, Published, Step};
use crate::plan::moves::Move;
use crate::plan::switch::{self, Expected, Reason, Switch};
use crate::plan::{Action, Draft, Kind, Requirement, Seen, TablePlan};
use crate::rules::wanted::Wanted;
use crate::store::Store;
use crate::uri::{Shown, Uri};

/// Published bodies read at once.
const READS: usize = 64;

/// Names tried for the directory of a switch.
const NAMES: usize = 32;

/// Foreign keys shown.
const SAMPLES: usize = 3;

/// A location's listing, held against what should be there.
pub(super) struct Compared {
    pub draft: Draft,
    /// Whether manifests of another shape are taken over (`--adopt`): emptied, where readers of the table find them.
    adopts: bool,
    /// Manifests that may be this table's, of its own shape or not.
    own: u64,
    /// Keys that are not, and some of them.
    pub others: u64,
    samples: Vec<String>,
    /// Those among the others that are manifests: deeper than a partition's own.
    deeper: u64,
    /// The keys of the table's own shape, where the store takes two that differ only in case for one.
    pub folded: Vec<String>,
    /// Keys of the table's own that hold no line now.
    empties: Vec<String>,
    /// Keys of partitions that are not looked at and hold lines.
    beside: Vec<String>,
}

/// Which manifests of a directory are looked at.
pub(super) struct Looked<'a> {
    pub directory: &'a Uri,
    /// What is listed below it, in byte order, none inside another.
    pub prefixes: Vec<String>,
    /// `None`: all.
    pub only: Option<&'a Wanted>,
}

impl<'a> Looked<'a> {
    pub fn all(directory: &'a Uri) -> Looked<'a> {
        Looked { directory, prefixes: vec![String::new()], only: None }
    }
}

/// The manifests of a table as they will be: keys below its directory.
#[derive(Debug, Default)]
pub(super) struct Manifests {
    pub filled: Vec<String>,
    pub emptied: Vec<String>,
}

/// Lists what is `looked` at, and reads those of its manifests that the listing does not prove to be as `desired`.
///
/// # Errors
/// Of the store; `Corrupt` for a listing that is out of order.
pub(super) async fn compare(
    store: &dyn Store,
    looked: &Looked<'_>,
    draft: Draft,
    shape: Shape,
    desired: Vec<Desired>,
    adopts: bool,
) -> Result<Compared> {
    let location = looked.directory;
    let mut merge = Merge::new(desired, store.traits().md5_etags);
    let folds = store.traits().folds_case;
    let mut compared = Compared { adopts, ..Compared::new(draft) };
    let mut steps = Vec::new();
    let list = |prefix: &String| store.list(&location.join(prefix), None);
    let mut pages = stream::iter(looked.prefixes.iter().map(list)).flatten();
    while let Some(page) = pages.next().await {
        for object in page?.objects() {
            if let Some(published) = compared.classify(&object, location, &shape) {
                compared.folded.extend(folds.then(|| published.key.clone()));
                if looked.only.is_none_or(|only| only.contains(&published.values)) {
                    merge.published(published, &mut steps)?;
                } else if published.size != Some(0) {
                    compared.beside.push(published.key);
                }
            }
        }
        take(store, location, &mut steps, &mut compared.draft).await?;
    }
    merge.finish().try_for_each(|step| compared.draft.push(Seen::Step(step)))?;
    Ok(compared)
}

/// Reads the bodies that the steps ask for, at most [`READS`] at once, and hands the draft everything in its order.
async fn take(store: &dyn Store, location: &Uri, steps: &mut Vec<Step>, draft: &mut Draft) -> Result<()> {
    let read = |step| async move {
        let Step::Look { desired, published } = step else { return Ok(Seen::Step(step)) };
        let old = match (published.size, &published.etag) {
            (Some(0), Some(etag)) => Some((Vec::new(), etag.clone())),
            _ => body(store, &location.join(&published.key)).await?,
        };
        Ok::<_, Error>(Seen::Body { desired, published, old })
    };
    let mut seen = stream::iter(steps.drain(..)).map(read).buffered(READS);
    while let Some(seen) = seen.next().await {
        draft.push(seen?)?;
    }
    Ok(())
}

async fn body(store: &dyn Store, uri: &Uri) -> Result<Option<(Vec<u8>, String)>> {
    Ok(store.get(uri).await?.map(|stored| (stored.body.into(), stored.etag.0)))
}

impl Compared {
    /// What is published lies in another layout: nothing of it stays, and how much it is the marker says.
    pub(super) fn with_another_layout(mut draft: Draft, desired: Vec<Desired>, published: &Marker) -> Result<Compared> {
        desired.into_iter().try_for_each(|one| draft.push(Seen::Step(Step::Create(one))))?;
        draft.before = published.applied.as_ref().map(|applied| applied.counts).unwrap_or_default();
        draft.removed_lines = draft.before.lines.saturating_sub(draft.after.lines);
        Ok(Compared::new(draft))
    }

    pub(super) fn new(draft: Draft) -> Compared {
        Compared {
            draft,
            adopts: false,
            own: 0,
            others: 0,
            samples: Vec::new(),
            deeper: 0,
            folded: Vec::new(),
            empties: Vec::new(),
            beside: Vec::new(),
        }
    }

    /// A listed object as a manifest that is this table's; anything else is counted.
    pub(super) fn classify(&mut self, object: &Object<'_>, location: &Uri, shape: &Shape) -> Option<Published> {
        let key = object.key.strip_prefix(location.key.as_str())?;
        if key == MARKER || key.starts_with(PROBE) || is_folder_marker(key, object.size) {
            return None;
        }
        let own = shape.values(key);
        let values = match own {
            Some(values) => values,
            None if !is_manifest(key) => return self.other(key),
            None => match shape.around(key) {
                None if names_a_partition(key) => return self.other(key),
                // No reader of the table looks into it, or it holds no line.
                None => {
                    self.own += 1;
                    return None;
                }
                Some(_) if object.size == Some(0) => return None,
                Some(values) if self.adopts => values,
                Some(_) => {
                    self.deeper += 1;
                    return self.other(key);
                }
            },
        };
        self.own += 1;
        if object.size == Some(0) {
            self.empties.push(key.to_owned());
        }
        Some(Published { key: key.to_owned(), values, size: object.size, etag: object.etag.map(str::to_owned) })
    }

    fn other(&mut self, key: &str) -> Option<Published> {
        self.others += 1;
        if self.samples.len() < SAMPLES {
            self.samples.push(Shown(key).to_string());
        }
        None
    }

    /// Whether the location is somebody else's, as far as its files say.
    pub(super) fn ownership(&self, location: &Uri, has_marker: bool, planning: &Planning) -> Option<Error> {
        let foreign = |message: String| Error::new(ErrorKind::Ownership, message);
        if self.others > 0 {
            let shown = location.shown();
            let what = if self.others == 1 { "is no manifest" } else { "are no manifests" };
            let error = foreign(format!("{shown} holds {} that {what} of this table", files(self.others)));
            let error = self.samples.iter().fold(error, |error, sample| error.note(sample.clone()));
            return Some(error.note("engines would read every file there as a list of objects").help(
                if self.deeper == self.others {
                    "if they are old manifests of this table, an apply with --adopt empties them; otherwise give the \
                         table a `location` of its own"
                } else {
                    "give the table a `location` of its own, or move those files away"
                },
            ));
        }
        if !has_marker && self.own > 0 && !planning.adopt {
            let shown = location.shown();
            return Some(
                foreign(format!("{shown} holds {} and no marker that says whose they are", files(self.own))).help(
                    "if they are this table's: an apply with --adopt; otherwise give the table a `location` of its own",
                ),
            );
        }
        None
    }

    /// The manifests as they will be.
    pub(super) fn manifests(&self) -> Manifests {
        let emptied = self.draft.changes.iter().filter(|change| change.action == Action::Empty);
        let emptied = emptied.map(|change| &change.key).chain(&self.empties).cloned().collect();
        let filled = self.draft.filled().map(str::to_owned).chain(self.beside.iter().cloned());
        Manifests { filled: filled.collect(), emptied }
    }

    /// The lines that move, for certain: the published bodies of those that may give some are read again.
    pub(super) async fn moves(&mut self, store: &dyn Store, location: &Uri) -> Result<Vec<Move>> {
        let mut suspects = self.draft.suspects()?;
        let changes = &self.draft.changes;
        let givers = suspects.givers();
        let read = |at: u32| async move {
            let change = &changes[at as usize];
            let uri = location.join(&change.key);
            match body(store, &uri).await? {
                Some((old, etag)) if Requirement::ETag(etag.clone()) == change.requires => Ok((at, old)),
                _ => Err(changed_meanwhile(&uri)),
            }
        };
        let mut bodies = stream::iter(givers).map(read).buffered(READS);
        while let Some(read) = bodies.next().await {
            let (at, old) = read?;
            suspects.confirm(at, &old, &changes[at as usize].body)?;
        }
        suspects.moves(|at| &changes[at as usize].body)
    }

    /// A plan that puts everything into a directory of its own: a new one, or one that a run which was cut off began so.
    ///
    /// # Errors
    /// `Unsupported` where there can be no directory beside the location, or where its keys would be too long; of the store.
    pub(super) async fn switch(
        mut self,
        store: &dyn Store,
        reason: Reason,
        location: &Uri,
        found: &Found,
        mut marker: Marker,
    ) -> Result<TablePlan> {
        let before = found.marker.clone();
        let kept = self.draft.kept();
        let all = switch::expected(&kept, &self.draft.changes)?;
        let table = &marker.table;
        if location.key.is_empty() {
            let message = format!("`{}` cannot be switched: nothing lies beside {}", Shown(table), location.shown());
            return Err(Error::new(ErrorKind::Unsupported, message)
                .help(format!("in [table.{table}]: location = '{}{table}/'", location.raw())));
        }
        marker.current = free_name(store, &marker, location, &all).await?;
        let (directory, table) = (marker.directory(location), &marker.table);
        if let Some(long) = all.iter().find(|one| directory.key.len() + one.key.len() > manifest::KEY_LIMIT_BYTES) {
            let message = format!(
                "`{}` cannot be switched: {} is longer than the {} bytes that S3 takes",
                Shown(table),
                directory.join(long.key).shown(),
                manifest::KEY_LIMIT_BYTES
            );
            return Err(Error::new(ErrorKind::Unsupported, message).help("give the table a shorter `location`"));
        }
        let mut plan = self.plan(Kind::Switch, location, Some(found), marker);
        plan.switch = Some(Switch { before, kept, reason });
        Ok(plan)
    }

    pub(super) fn plan(self, kind: Kind, location: &Uri, found: Option<&Found>, marker: Marker) -> TablePlan {
        let Compared { draft, own, .. } = self;
        // Only with `--adopt` does a plan come to be where this holds.
        let adopts = found.map_or(own > 0, |found| !found.marker.same_owner(&marker));
        TablePlan {
            table: marker.table.clone(),
            location: location.raw(),
            kind,
            switch: None,
            columns: marker.columns.iter().filter_map(|column| Some(column.split_once(' ')?.0.to_owned())).collect(),
            before: draft.before,
            after: draft.after,
            totals: None,
            moved_lines: draft.moved_lines,
            unfinished: found.is_some_and(|found| found.marker.unfinished.is_some()),
            changes: draft.changes,
            marker_requires: found.map_or(Requirement::Absent, |found| Requirement::ETag(found.etag.0.clone())),
            marker,
            adopts,
            commits: Vec::new(),
            snapshot: None,
            catalog: None,
        }
    }
}

fn is_manifest(key: &str) -> bool {
    key.rsplit('/').next() == Some(MANIFEST)
}

/// Whether a directory of it names a partition: of another table, or of this one in a way of writing that is not its own,
/// which `MSCK REPAIR TABLE` would take for one all the same.
fn names_a_partition(key: &str) -> bool {
    key.contains('=')
}

/// Zero-byte objects that consoles and Hadoop make for folders; engines read them as nothing.
fn is_folder_marker(key: &str, size: Option<u64>) -> bool {
    size == Some(0) && (key.is_empty() || key.ends_with('/') || key.ends_with("_$folder$"))
}

/// The name of a directory that can come to hold exactly `all`, and is not current.
///
/// # Errors
/// `Ownership` where each of [`NAMES`] names is taken; of the store.
async fn free_name(store: &dyn Store, marker: &Marker, location: &Uri, all: &[Expected<'_>]) -> Result<String> {
    for name in switch::directories(marker, all).filter(|name| *name != marker.current).take(NAMES) {
        if can_hold(store, &location.sibling(&name), all).await? {
            return Ok(name);
        }
    }
    let (name, location) = (Shown(&marker.table), location.shown());
    let message = format!("`{name}` cannot be switched: too many directories lie beside {location}");
    Err(Error::new(ErrorKind::Ownership, message).help("`restitch prune` takes away those not current for over a day"))
}

fn changed_meanwhile(uri: &Uri) -> Error {
    Error::new(ErrorKind::Conflict, format!("{} changed while it was compared", uri.shown()))
        .help("`restitch plan` again")
}

fn files(count: u64) -> String {
    if count == 1 { "1 file".into() } else { format!("{} files", brakes::grouped(count)) }
}
