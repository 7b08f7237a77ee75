//! Desired against current: what is published, what should be, and the changes between, as data.
//!
//! Pure. [`Draft`] gathers the steps of [`merge`] into a [`TablePlan`]; the world half reads the published bodies that it
//! asks for. A [`Plan`] alone says what an apply will do: each change carries what must hold for it.

pub mod brakes;
pub mod catalog;
pub mod cost;
pub mod manifest;
pub mod marker;
pub mod merge;
pub mod moves;
pub mod partial;
pub mod switch;
pub mod traps;

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use self::catalog::CatalogPlan;
use self::manifest::{Desired, Shape};
use self::marker::{Marker, hex};
use self::merge::{Kept, Published, Step, body_md5, compare_lines};
use self::moves::{Move, Moves, Suspects};
use self::switch::Switch;
use crate::error::{Error, ErrorKind, Result};
use crate::map::body::{Body, lines};
use crate::map::group::line_hash;
use crate::uri::{Shown, Uri};
use crate::value::PartitionValue;

/// The version of a plan's JSON and of saved plans; `docs/publishing.md` documents it.
pub const PLAN_VERSION: u32 = 1;

/// Everything an apply would do, table by table, in the order of the rule file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    pub version: u32,
    /// When the listing that it rests on was made: ISO, UTC.
    pub as_of: String,
    pub tables: Vec<TablePlan>,
}

impl Plan {
    /// Whether nothing at all is to be written.
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(|table| !table.writes())
    }

    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.tables.iter().flat_map(|table| &table.changes)
    }
}

/// What is to happen to one table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TablePlan {
    pub table: String,
    /// Where the marker lies: a URI that ends in `/`. The manifests lie there too, or in a directory beside it:
    /// [`TablePlan::directory`].
    pub location: String,
    pub kind: Kind,
    /// Where the kind is `Switch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch: Option<Switch>,
    /// The partition columns, in order, in lower case.
    pub columns: Vec<String>,
    pub before: Counts,
    pub after: Counts,
    /// Where only some partitions were looked at, and `before` and `after` are theirs: what all hold afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totals: Option<Counts>,
    /// Lines that go from one partition to another; they are taken away before they are added.
    pub moved_lines: u64,
    /// Whether an earlier apply began and did not end.
    pub unfinished: bool,
    /// In byte order of their keys.
    pub changes: Vec<Change>,
    /// What the marker must be for this plan to hold.
    pub marker_requires: Requirement,
    /// The marker as it will be, without lease and `unfinished`.
    pub marker: Marker,
    /// Whether the location is taken over (`--adopt`): its marker is written, whatever else is.
    pub adopts: bool,
    /// The commits that its rules listed, as `lakefs://repo/main@8ac0…`, each once.
    #[serde(default)]
    pub commits: Vec<String>,
    /// Where all that the file's rules list is pinned to commits: a digest of those, of the rules, and of the manifests as
    /// they will be. While it holds there is nothing to list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// `None` where the table is in no catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catalog: Option<CatalogPlan>,
}

impl TablePlan {
    /// Whether anything is to be written, if only the marker: to end what an earlier apply began, or to take over.
    pub fn writes(&self) -> bool {
        let registers = self.catalog.as_ref().is_some_and(CatalogPlan::writes);
        !self.changes.is_empty() || self.switch.is_some() || self.unfinished || self.adopts || registers
    }

    /// The directory that holds the manifests that this plan goes by, with its last slash.
    ///
    /// # Errors
    /// `Usage` if the plan's location is no URI.
    pub fn current(&self) -> Result<Uri> {
        let marker = self.switch.as_ref().map_or(&self.marker, |switch| &switch.before);
        Ok(marker.directory(&Uri::parse(&self.location)?))
    }

    /// The directory that will hold the manifests: another one only for a switch.
    ///
    /// # Errors
    /// As [`TablePlan::current`].
    pub fn directory(&self) -> Result<Uri> {
        Ok(self.marker.directory(&Uri::parse(&self.location)?))
    }

    /// How the keys of its changes are made up.
    pub fn shape(&self) -> Shape {
        self.marker.shape().unwrap_or_default()
    }

    /// The partition that a change is of.
    pub fn partition(&self, change: &Change) -> Partition {
        let shape = self.shape();
        Partition::new(&shape, &change.values(&shape))
    }

    pub fn count(&self, action: Action) -> usize {
        self.changes.iter().filter(|change| change.action == action).count()
    }
}

/// How a table is brought to its desired state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Each manifest is replaced where it stands.
    Refresh,
    /// Everything goes into a directory of its own, and readers change over then.
    Switch,
    /// The table has left the rule file (`[removed]`): every manifest is emptied.
    Remove,
}

/// What a table holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Partitions with at least one line.
    pub partitions: u64,
    pub lines: u64,
    /// Bytes of the objects behind the lines; `None` where a listing does not say sizes.
    pub bytes: Option<u64>,
}

/// One manifest that is to be written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Change {
    pub action: Action,
    /// Below the location; which partition it is, [`TablePlan::partition`] says.
    pub key: String,
    /// Lines afterwards.
    pub lines: u64,
    pub added: u64,
    pub removed: u64,
    /// What must be there for the write to happen; that it is already as desired will do as well.
    pub requires: Requirement,
    /// Whether it takes lines from another partition: then it is written after all that do not.
    pub takes_moved: bool,
    /// The manifest's bytes afterwards.
    #[serde(skip)]
    pub body: Body,
    /// Where it both gives and takes lines: its bytes without those that it takes, written before anything takes.
    #[serde(skip)]
    pub interim: Option<Box<Body>>,
}

impl Change {
    /// One value per partition column of the shape that its key is of, or lies deeper in.
    pub fn values(&self, shape: &Shape) -> Vec<PartitionValue> {
        shape.values(&self.key).or_else(|| shape.around(&self.key)).unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Create,
    Change,
    Empty,
}

impl Action {
    pub fn sign(self) -> char {
        match self {
            Action::Create => '+',
            Action::Change => '~',
            Action::Empty => '-',
        }
    }
}

/// What must hold at a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Requirement {
    Absent,
    ETag(String),
}

/// Partition columns and their values, NULL as `None`, in the table's order; in JSON an object in that order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partition(pub Vec<(String, Option<String>)>);

impl Partition {
    pub fn new(shape: &Shape, values: &[PartitionValue]) -> Partition {
        let text = |value: &PartitionValue| value.as_str().map(str::to_owned);
        Partition(shape.columns().map(str::to_owned).zip(values.iter().map(text)).collect())
    }

    /// `region=amer dt=2024-01-05`, for a person; `the whole table` where there is no partition column.
    pub fn shown(&self) -> String {
        if self.0.is_empty() {
            return "the whole table".into();
        }
        let one = |(name, value): &(String, Option<String>)| {
            format!("{}={}", Shown(name), Shown(value.as_deref().unwrap_or("NULL")))
        };
        self.0.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    pub fn values(&self) -> Vec<PartitionValue> {
        self.0.iter().map(|(_, text)| text.as_deref().map_or(PartitionValue::NULL, PartitionValue::new)).collect()
    }
}

impl Serialize for Partition {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Partition {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Partition, D::Error> {
        struct InOrder;
        impl<'de> serde::de::Visitor<'de> for InOrder {
            type Value = Partition;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of column names and values")
            }
            fn visit_map<M: serde::de::MapAccess<'de>>(self, mut map: M) -> Result<Partition, M::Error> {
                let mut out = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    out.push(entry);
                }
                Ok(Partition(out))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// A step whose published body has been read where [`merge`] asked for it.
#[derive(Debug)]
pub enum Seen {
    Step(Step),
    /// A `Look` with the body that is there now and its ETag; `None` if the manifest has gone meanwhile.
    Body {
        desired: Option<Desired>,
        published: Published,
        old: Option<(Vec<u8>, String)>,
    },
}

/// One table's plan in the making: steps in, in key order, changes and counts out.
#[derive(Debug)]
pub struct Draft {
    shape: Shape,
    pub changes: Vec<Change>,
    pub before: Counts,
    pub after: Counts,
    /// Lines that leave the table's manifests, moved and withheld ones included.
    pub removed_lines: u64,
    /// Those of them that are left out on purpose, as [`Draft::withholding`] was told.
    pub withheld_lines: u64,
    pub moved_lines: u64,
    moves: Moves,
    /// Hashes of lines that are left out on purpose.
    withheld: HashSet<u64>,
    /// What is published as it should be, where that is asked for.
    kept: Option<Vec<Kept>>,
}

impl Draft {
    pub fn new(shape: Shape) -> Draft {
        Draft {
            shape,
            changes: Vec::new(),
            before: Counts::default(),
            after: Counts::default(),
            removed_lines: 0,
            moved_lines: 0,
            moves: Moves::default(),
            withheld_lines: 0,
            withheld: HashSet::new(),
            kept: None,
        }
    }

    /// Told to remember what stays as it is, for a switch; otherwise that is only counted.
    #[must_use]
    pub fn keeping(mut self, keeps: bool) -> Draft {
        self.kept = keeps.then(Vec::new);
        self
    }

    /// What stays as it is, in byte order of the keys; nothing unless [`Draft::keeping`] was told.
    pub fn kept(&mut self) -> Vec<Kept> {
        self.kept.take().unwrap_or_default()
    }

    /// The keys of manifests that will hold lines, in no order; all of them only if [`Draft::keeping`] was told.
    pub fn filled(&self) -> impl Iterator<Item = &str> {
        let changed = self.changes.iter().filter(|change| change.lines > 0).map(|change| change.key.as_str());
        self.kept.iter().flatten().map(|kept| kept.key.as_str()).chain(changed)
    }

    /// Told of lines (by their hashes) that are left out on purpose, so that their going is no loss.
    #[must_use]
    pub fn withholding(mut self, lines: HashSet<u64>) -> Draft {
        self.withheld = lines;
        self
    }

    /// Takes the next step, in byte order of the keys.
    ///
    /// # Errors
    /// Of where its body lies.
    pub fn push(&mut self, seen: Seen) -> Result<()> {
        match seen {
            Seen::Step(Step::Same(kept)) => self.same(kept.lines, |_| kept),
            Seen::Step(Step::Emptied) => {}
            Seen::Step(Step::Create(desired)) | Seen::Body { desired: Some(desired), old: None, .. } => {
                self.create(desired)
            }
            Seen::Body { desired: None, old: None, .. } => {}
            Seen::Body { desired, published, old: Some((old, etag)) } => {
                self.compare(desired, published, &old, etag)?;
            }
            Seen::Step(Step::Look { .. }) => unreachable!("a look comes back as a body"),
        }
        Ok(())
    }

    /// What may have moved, once every step has been taken; the old bodies of its givers must be read again.
    ///
    /// # Errors
    /// Of where bodies lie.
    pub fn suspects(&mut self) -> Result<Suspects> {
        let created = (0..).zip(&self.changes).filter(|(_, change)| change.action == Action::Create);
        std::mem::take(&mut self.moves).suspects(created.map(|(at, change)| (at, &change.body)))
    }

    /// Orders the changes so that every moved line is taken away before it is added.
    ///
    /// # Errors
    /// Of where bodies lie.
    pub fn settle(&mut self, moves: &[Move]) -> Result<()> {
        self.moved_lines = moves.len() as u64;
        let givers: HashSet<u32> = moves.iter().map(|one| one.from).collect();
        let mut taken: HashMap<u32, HashSet<Vec<u8>>> = HashMap::new();
        for one in moves {
            taken.entry(one.to).or_default().insert(one.line.clone());
        }
        for (at, taken) in taken {
            let change = &mut self.changes[at as usize];
            change.takes_moved = true;
            if givers.contains(&at) {
                change.interim = Some(Box::new(change.body.without(taken)?));
            }
        }
        Ok(())
    }

    /// The error that refuses a plan whose lines move, where that has not been accepted.
    pub fn moves_refused(&self, table: &str, moves: &[Move]) -> Option<Error> {
        let first = moves.first()?;
        let partition = |at: u32| self.shape.shown(&self.changes[at as usize].values(&self.shape));
        let plural =
            if moves.len() == 1 { "1 line would move".into() } else { format!("{} lines would move", moves.len()) };
        let message = format!("{plural} between partitions of `{table}`, which no refresh can do at once");
        let example = format!(
            "{} goes from {} to {}",
            Shown(&String::from_utf8_lossy(&first.line)),
            partition(first.from),
            partition(first.to)
        );
        Some(Error::new(ErrorKind::Moves, message).note(example).help(format!(
            "--accept-moves (or `moves = \"accept\"` in [table.{table}]) takes lines away first and adds them then: \
             no reader sees a row twice, and for a moment some see it not at all"
        )))
    }

    /// Counts what stays; `kept` is asked for only where that is remembered, as it takes an MD5.
    fn same(&mut self, lines: u64, kept: impl FnOnce(u64) -> Kept) {
        for counts in [&mut self.before, &mut self.after] {
            counts.partitions += u64::from(lines > 0);
            counts.lines += lines;
        }
        if let Some(all) = &mut self.kept {
            all.push(kept(lines));
        }
    }

    fn create(&mut self, desired: Desired) {
        let lines = desired.body.lines();
        self.after.partitions += 1;
        self.after.lines += lines;
        self.changes.push(Change {
            action: Action::Create,
            key: desired.key,
            lines,
            added: lines,
            removed: 0,
            requires: Requirement::Absent,
            takes_moved: false,
            body: desired.body,
            interim: None,
        });
    }

    fn compare(&mut self, desired: Option<Desired>, published: Published, old: &[u8], etag: String) -> Result<()> {
        let is_same = desired.as_ref().map(|desired| desired.body.is(old)).transpose()?.unwrap_or(false);
        let old_lines = desired.as_ref().filter(|_| is_same).map(|desired| desired.body.lines());
        let old_lines = old_lines.unwrap_or_else(|| lines(old).count() as u64);
        if is_same {
            self.same(old_lines, |old_lines| Kept {
                key: published.key,
                etag,
                md5: hex(&body_md5(old)),
                size: old.len() as u64,
                lines: old_lines,
            });
            return Ok(());
        }
        let is_desired = desired.is_some();
        let body = desired.map(|desired| desired.body).unwrap_or_default();
        let new_lines = body.lines();
        self.before.partitions += u64::from(old_lines > 0);
        self.before.lines += old_lines;
        self.after.partitions += u64::from(new_lines > 0);
        self.after.lines += new_lines;
        if old.is_empty() && body.is_empty() {
            return Ok(());
        }
        let at = self.changes.len() as u32;
        let (mut added, mut removed, mut withheld) = (0, 0, 0);
        let moves = std::cell::RefCell::new(&mut self.moves);
        compare_lines(
            old,
            &body,
            |line| {
                removed += 1;
                withheld += u64::from(!self.withheld.is_empty() && self.withheld.contains(&line_hash(line)));
                moves.borrow_mut().removed(at, line);
            },
            |line| {
                added += 1;
                moves.borrow_mut().added(at, line);
            },
        )?;
        self.removed_lines += removed;
        self.withheld_lines += withheld;
        self.changes.push(Change {
            action: if is_desired { Action::Change } else { Action::Empty },
            key: published.key,
            lines: new_lines,
            added,
            removed,
            requires: Requirement::ETag(etag),
            takes_moved: false,
            body,
            interim: None,
        });
        Ok(())
    }
}
