//! What must wait for the whole listing: objects whose tables `pick` among them, and objects whose marker (`done`) has
//! not come yet. Only such objects are kept, copied out of their pages.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;

use super::intern::Interner;
use super::page::Object;
use super::{Taken, Why};
use crate::rules::order::natural_order;
use crate::rules::table::{Pick, PickOne};
use crate::uri::Bucket;

/// The objects that wait, in the order of the input.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    buckets: Vec<Bucket>,
    text: String,
    objects: Vec<WaitingObject>,
}

#[derive(Debug)]
struct WaitingObject {
    bucket: u32,
    /// Where the texts begin: the key, the physical URI, the storage class, the ETag, one behind the other.
    start: usize,
    key: u32,
    physical: Option<u32>,
    storage_class: Option<u32>,
    etag: Option<u32>,
    size: Option<u64>,
    modified: Option<i64>,
    /// Its candidates in the contest, and why no table takes it where there are none; `None` while a marker may come.
    verdict: Option<(Range<usize>, Why)>,
}

impl Waiting {
    pub fn len(&self) -> u32 {
        self.objects.len() as u32
    }

    /// Keeps an object until the end. Without a verdict it waits for a marker.
    pub fn hold(&mut self, object: &Object<'_>, verdict: Option<(Range<usize>, Why)>) {
        let bucket = self.buckets.iter().rposition(|known| known == object.bucket).unwrap_or_else(|| {
            self.buckets.push(object.bucket.clone());
            self.buckets.len() - 1
        });
        let start = self.text.len();
        let mut keep = |text: &str| {
            self.text.push_str(text);
            text.len() as u32
        };
        self.objects.push(WaitingObject {
            bucket: bucket as u32,
            start,
            key: keep(object.key),
            physical: object.physical.map(&mut keep),
            storage_class: object.storage_class.map(&mut keep),
            etag: object.etag.map(&mut keep),
            size: object.size,
            modified: object.modified,
            verdict,
        });
    }

    pub fn object(&self, number: u32) -> Object<'_> {
        let held = &self.objects[number as usize];
        let mut at = held.start;
        let mut text = |len: u32| {
            let start = at;
            at += len as usize;
            &self.text[start..at]
        };
        Object {
            bucket: &self.buckets[held.bucket as usize],
            key: text(held.key),
            physical: held.physical.map(&mut text),
            storage_class: held.storage_class.map(&mut text),
            etag: held.etag.map(&mut text),
            size: held.size,
            modified: held.modified,
        }
    }

    pub fn verdict(&self, number: u32) -> Option<&(Range<usize>, Why)> {
        self.objects[number as usize].verdict.as_ref()
    }

    pub fn decide(&mut self, number: u32, candidates: Range<usize>, why: Why) {
        self.objects[number as usize].verdict = Some((candidates, why));
    }
}

/// The candidates among which `pick` chooses.
#[derive(Debug, Default)]
pub(crate) struct Contest {
    candidates: Vec<Candidate>,
    /// Per candidate, one for each step of its table's `pick`.
    steps: Vec<Step>,
    names: Interner,
    /// How many candidates have an arena of their own.
    lone: u32,
}

/// That a table takes a waiting object, unless its `pick` prefers another.
#[derive(Clone, Debug)]
struct Candidate {
    taken: Taken,
    modified: Option<i64>,
    steps: Range<usize>,
    superseded: bool,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    arena: u32,
    /// The number of the group's name; for `"rule"` the rule's own.
    group: u32,
}

/// A step's arena, as the mapper finds it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arena<'a> {
    Partition(PartitionNumber),
    Named(&'a str),
    /// NULL in `per`: the object is alone.
    Lone,
}

type PartitionNumber = u32;

/// A step's group.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Group<'a> {
    Rule(u32),
    /// `None` is NULL.
    Named(Option<&'a str>),
}

impl Contest {
    /// Where the steps that are added next begin.
    pub fn steps_len(&self) -> usize {
        self.steps.len()
    }

    pub fn add_step(&mut self, arena: Arena<'_>, group: Group<'_>) {
        let arena = match arena {
            Arena::Partition(partition) => partition,
            Arena::Named(text) => self.name(Some(text)),
            Arena::Lone => {
                self.lone += 1;
                u32::MAX - self.lone
            }
        };
        let group = match group {
            Group::Rule(rule) => rule,
            Group::Named(text) => self.name(text),
        };
        self.steps.push(Step { arena, group });
    }

    /// Enters an object's tables, each with the steps added for it; returns their numbers.
    pub fn enter(&mut self, taken: &[(Taken, Range<usize>)], modified: Option<i64>) -> Range<usize> {
        let start = self.candidates.len();
        self.candidates.extend(taken.iter().map(|(taken, steps)| Candidate {
            taken: *taken,
            modified,
            steps: steps.clone(),
            superseded: false,
        }));
        start..self.candidates.len()
    }

    /// Runs the `pick` of one table: each step on what the one before left.
    pub fn pick(&mut self, table: u32, pick: &[Pick]) {
        for (index, step) in pick.iter().enumerate() {
            let mut best: HashMap<u32, (u32, Option<i64>)> = HashMap::new();
            for candidate in self.candidates.iter().filter(|candidate| candidate.contests(table)) {
                let found = self.steps[candidate.steps.start + index];
                let challenger = (found.group, candidate.modified);
                let leader = best.entry(found.arena).or_insert(challenger);
                if self.is_better(&step.one, challenger, *leader) {
                    *leader = challenger;
                }
            }
            for candidate in self.candidates.iter_mut().filter(|candidate| candidate.contests(table)) {
                let found = self.steps[candidate.steps.start + index];
                candidate.superseded = best.get(&found.arena).is_some_and(|leader| leader.0 != found.group);
            }
        }
    }

    /// These candidates, each with whether `pick` left it out.
    pub fn outcome(&self, candidates: &Range<usize>) -> impl Iterator<Item = (Taken, bool)> + '_ {
        self.candidates[candidates.clone()].iter().map(|candidate| (candidate.taken, candidate.superseded))
    }

    fn is_better(&self, one: &PickOne, challenger: (u32, Option<i64>), leader: (u32, Option<i64>)) -> bool {
        match one {
            PickOne::Rule => challenger.0 < leader.0,
            PickOne::Greatest(_) => self.by_name(challenger.0, leader.0) == Ordering::Greater,
            PickOne::Newest(_) => {
                let by_name = || self.by_name(challenger.0, leader.0);
                challenger.1.cmp(&leader.1).then_with(by_name) == Ordering::Greater
            }
        }
    }

    /// The order of `where`, NULL least; names that tie in it go by their text.
    fn by_name(&self, a: u32, b: u32) -> Ordering {
        match (self.text(a), self.text(b)) {
            (Some(a), Some(b)) => natural_order(a, b).then_with(|| a.cmp(b)),
            (a, b) => a.is_some().cmp(&b.is_some()),
        }
    }

    /// NULL is the empty string, a text stands behind an `=`.
    fn name(&mut self, text: Option<&str>) -> u32 {
        match text {
            None => self.names.intern(b"").0,
            Some(text) => self.names.intern(format!("={text}").as_bytes()).0,
        }
    }

    fn text(&self, name: u32) -> Option<&str> {
        let bytes = self.names.bytes(name).get(1..)?;
        Some(std::str::from_utf8(bytes).expect("names were texts"))
    }
}

impl Candidate {
    fn contests(&self, table: u32) -> bool {
        self.taken.table == table && !self.superseded
    }
}
