//! What must hold at every step, whatever happened before.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use restitch::error::ErrorKind;
use restitch::plan::manifest::MARKER;
use restitch::plan::marker::Marker;
use restitch::rules::table::Publish;
use restitch::store::memory::Memory;
use restitch::uri::{Uri, is_sibling};

use crate::actor::{Outcome, name};
use crate::catalog;
use crate::scenario::{Contents, NEIGHBOURS, Role, Scenario, line, location};
use crate::world::{Call, Happened};

/// A rule that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A line stands in two manifests at once, or a query that nothing moves under sees it twice.
    Twice,
    /// A line that was published before, and is in every listing, is not there.
    Lost,
    /// A manifest is neither as it was nor as anybody wants it.
    Torn,
    /// The marker says that a listing has been applied, and a line stands there whose object that listing lacks.
    Dangling,
    /// Something was written or deleted that is not the table's.
    Touched,
    /// The marker says what is not so.
    Marker,
    /// A manifest was written by a run that does not hold the lease.
    Overlap,
    /// An older listing took the place of a newer one.
    Older,
    /// A run reports what is not so, or fails for no reason.
    Outcome,
    /// Planned and applied once more, it does not end as if nothing had happened.
    Recovery,
}

#[derive(Clone, Debug)]
pub struct Violation {
    pub broken: Broken,
    pub what: String,
}

impl Violation {
    pub fn new(broken: Broken, what: impl Into<String>) -> Violation {
        Violation { broken, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.broken, self.what)
    }
}

/// By plan, what it is to bring about, and the state of the objects that its listing saw.
#[derive(Clone, Debug, Default)]
pub struct Intents(Arc<Mutex<BTreeMap<String, (Contents, usize)>>>);

impl Intents {
    pub fn add(&self, plan: &str, contents: &Contents, state: usize) {
        let mut intents = self.0.lock().expect("nobody panics with it");
        intents.insert(plan.into(), (contents.clone(), state));
    }

    fn of(&self, plan: &str) -> Option<(Contents, usize)> {
        self.0.lock().expect("nobody panics with it").get(plan).cloned()
    }
}

#[derive(Debug)]
pub struct Checker {
    scenario: Arc<Scenario>,
    pub intents: Intents,
    kept: BTreeMap<u32, String>,
    /// Whether some line stands in two partitions in different states.
    moves: bool,
    /// The state of the objects of the listing that was applied last.
    applied: usize,
    /// Plans that a marker has borne as applied.
    ended: BTreeSet<String>,
    /// Who has changed the store, in order, as far as it was somebody else than before.
    writers: Vec<usize>,
    /// Whether anything has happened that lets a run fail.
    pub disturbed: bool,
    /// Whether all this has been looked at before, in another schedule that began in the same way.
    pub replays: bool,
}

impl Checker {
    pub fn new(scenario: &Arc<Scenario>) -> Checker {
        let intents = Intents::default();
        for (actor, role) in scenario.roles.iter().enumerate() {
            if let Role::Saved { rules } = role {
                intents.add(&name(actor), &scenario.listings[*rules][0], 0);
            }
        }
        let mut homes: BTreeMap<u32, BTreeSet<&String>> = BTreeMap::new();
        for state in std::iter::once(&scenario.before).chain(scenario.listings.iter().flatten()) {
            for (region, numbers) in state {
                for number in numbers {
                    homes.entry(*number).or_default().insert(region);
                }
            }
        }
        Checker {
            moves: homes.values().any(|homes| homes.len() > 1),
            scenario: scenario.clone(),
            intents,
            kept: scenario.kept(),
            applied: 0,
            ended: BTreeSet::new(),
            writers: Vec::new(),
            disturbed: false,
            replays: false,
        }
    }

    /// Looks at the store after something has changed it.
    pub fn landed(&mut self, happened: &Happened, memory: &Memory) -> Result<(), Violation> {
        if self.writers.last() != Some(&happened.actor) {
            self.writers.push(happened.actor);
        }
        let Some(uri) = happened.call.uri() else { return Ok(()) };
        if self.scenario.registered {
            self.readable(&memory.snapshot())?;
        }
        if *uri == catalog::entry() {
            return Ok(());
        }
        let place = below(uri).filter(|(name, key)| (name.is_empty() && *key == MARKER) || region(key).is_some());
        let (directory, key) =
            place.ok_or_else(|| Violation::new(Broken::Touched, format!("{uri:?} was written or deleted")))?;
        if self.replays && key != MARKER {
            return Ok(());
        }
        let snapshot = memory.snapshot();
        let marker = snapshot.get(&location().join(MARKER));
        let marker: Option<Marker> = marker.map(|body| serde_json::from_slice(body).expect("a marker"));
        let current = marker.as_ref().map_or("", |marker| &marker.current);
        let published = published(&snapshot, current);
        self.whole(&published)?;
        if key == MARKER {
            return marker.map_or(Ok(()), |marker| self.claimed(&marker, &published));
        }
        if matches!(happened.call, Call::Put { .. })
            && marker.as_ref().is_some_and(|marker| marker.unfinished.is_none())
        {
            return Err(Violation::new(
                Broken::Marker,
                format!("{key} is written, and the marker says that all is done"),
            ));
        }
        let was_published = marker.as_ref().is_some_and(|marker| marker.applied.is_some());
        if self.scenario.publish == Publish::Switch && was_published && directory == current {
            return Err(Violation::new(Broken::Torn, format!("{key} is written where readers read")));
        }
        let holder = marker.and_then(|marker| marker.lease).map(|lease| lease.holder);
        if holder.as_deref() != Some(&name(happened.actor)) {
            let (writer, holder) = (name(happened.actor), holder.unwrap_or_else(|| "nobody".into()));
            return Err(Violation::new(
                Broken::Overlap,
                format!("{writer} writes {key} while {holder} holds the lease"),
            ));
        }
        Ok(())
    }

    /// Where the catalog leads its readers, everything is there, as in one state of the objects and no other.
    fn readable(&self, snapshot: &BTreeMap<Uri, bytes::Bytes>) -> Result<(), Violation> {
        let Some(entry) = snapshot.get(&catalog::entry()) else { return Ok(()) };
        let directory = catalog::directory(entry);
        let name = directory.key.trim_start_matches("taxes").trim_end_matches('/');
        let there = published(snapshot, name);
        let mut states = std::iter::once(&self.scenario.before).chain(self.scenario.listings.iter().flatten());
        match states.any(|state| differs(state, &there).is_ok()) {
            true => Ok(()),
            false => Err(Violation::new(Broken::Torn, format!("the catalog leads readers to {there:?}"))),
        }
    }

    /// Whatever moment it is: no line twice, none lost, each manifest as somebody wants it.
    fn whole(&self, published: &Contents) -> Result<(), Violation> {
        let mut seen: BTreeMap<u32, &String> = BTreeMap::new();
        for (region, numbers) in published {
            for number in numbers {
                if let Some(other) = seen.insert(*number, region) {
                    let what = format!("{} stands in {other} and in {region}", line(*number));
                    return Err(Violation::new(Broken::Twice, what));
                }
            }
        }
        for (number, home) in &self.kept {
            if seen.get(number) != Some(&home) {
                return Err(Violation::new(Broken::Lost, format!("{} is not in {home}", line(*number))));
            }
        }
        for (region, numbers) in published {
            let mut states = std::iter::once(&self.scenario.before).chain(self.scenario.listings.iter().flatten());
            let as_in = |state: &Contents| match state.get(region) {
                Some(wanted) => numbers == wanted || (self.moves && numbers.is_subset(wanted)),
                None => numbers.is_empty(),
            };
            if !(numbers.is_empty() || states.any(as_in)) {
                return Err(Violation::new(Broken::Torn, format!("{region} holds {numbers:?}")));
            }
        }
        Ok(())
    }

    /// A marker without `unfinished` says that its plan has been carried out, all of it.
    fn claimed(&mut self, marker: &Marker, published: &Contents) -> Result<(), Violation> {
        if marker.unfinished.is_some() {
            return Ok(());
        }
        let Some(applied) = &marker.applied else { return Ok(()) };
        self.ended.insert(applied.plan.clone());
        let Some((wanted, state)) = self.intents.of(&applied.plan) else { return Ok(()) };
        differs(&wanted, published)?;
        let filled: Vec<_> = published.values().filter(|numbers| !numbers.is_empty()).collect();
        let lines: usize = filled.iter().map(|numbers| numbers.len()).sum();
        if (applied.counts.partitions, applied.counts.lines) != (filled.len() as u64, lines as u64) {
            return Err(Violation::new(Broken::Marker, format!("it counts {:?}", applied.counts)));
        }
        if state < self.applied {
            let what = format!("objects as in state {state} took the place of those in state {}", self.applied);
            return Err(Violation::new(Broken::Older, what));
        }
        self.applied = state;
        Ok(())
    }

    /// What a run reports must be so, and a run that nothing disturbed does not fail.
    pub fn outcome(&self, actor: usize, outcome: &Outcome) -> Result<(), Violation> {
        match outcome {
            Outcome::Pruned => Ok(()),
            Outcome::Read(read) => self.read(read),
            Outcome::Applied => {
                let plan = match self.scenario.roles[actor] {
                    Role::Again { actor } => name(actor),
                    _ => name(actor),
                };
                if self.ended.contains(&plan) || !self.writers.contains(&actor) {
                    return Ok(());
                }
                let what = format!("{} says that it has applied {plan}, and no marker did", name(actor));
                Err(Violation::new(Broken::Outcome, what))
            }
            Outcome::Failed(error) => {
                let forestalled = self.writers.iter().any(|writer| *writer != actor);
                let interrupted = error.kind() == ErrorKind::Interrupted;
                if self.disturbed || forestalled || interrupted {
                    return Ok(());
                }
                Err(Violation::new(Broken::Outcome, format!("{} fails for no reason: {error:?}", name(actor))))
            }
        }
    }

    /// A query may see each manifest at another moment.
    fn read(&self, read: &BTreeMap<String, String>) -> Result<(), Violation> {
        let mut seen: BTreeMap<&str, &String> = BTreeMap::new();
        for (region, body) in read {
            for one in body.lines() {
                if let Some(other) = seen.insert(one, region).filter(|_| !self.moves) {
                    return Err(Violation::new(
                        Broken::Twice,
                        format!("a query sees {one} in {other} and in {region}"),
                    ));
                }
            }
        }
        if self.scenario.publish == Publish::Switch && !self.scenario.before.is_empty() {
            let numbers = |body: &String| body.lines().map(number).collect();
            let read = read.iter().map(|(region, body)| (region.clone(), numbers(body))).collect();
            let mut states = std::iter::once(&self.scenario.before).chain(self.scenario.listings.iter().flatten());
            if !states.any(|state| differs(state, &read).is_ok()) {
                return Err(Violation::new(Broken::Torn, format!("a query sees a mix: {read:?}")));
            }
        }
        let lost = self.kept.keys().find(|number| !seen.contains_key(line(**number).as_str()));
        lost.map_or(Ok(()), |number| Err(Violation::new(Broken::Lost, format!("a query misses {}", line(*number)))))
    }
}

/// Holds what is published against what is wanted; emptied partitions may be there besides.
pub fn differs(wanted: &Contents, published: &Contents) -> Result<(), Violation> {
    let lines = |contents: &Contents| -> BTreeSet<(String, u32)> {
        let of = |(region, numbers): (&String, &BTreeSet<u32>)| {
            numbers.iter().map(|number| (region.clone(), *number)).collect::<Vec<_>>()
        };
        contents.iter().flat_map(of).collect()
    };
    let (wanted, published) = (lines(wanted), lines(published));
    if let Some((region, number)) = published.difference(&wanted).next() {
        let what = format!("{} stands in {region}, and what was applied last does not want it", line(*number));
        return Err(Violation::new(Broken::Dangling, what));
    }
    if let Some((region, number)) = wanted.difference(&published).next() {
        let what = format!("{} is not in {region}, and what was applied last wants it", line(*number));
        return Err(Violation::new(Broken::Lost, what));
    }
    Ok(())
}

/// The manifests that are there, in the directory that is called so.
pub fn published(snapshot: &BTreeMap<Uri, bytes::Bytes>, current: &str) -> Contents {
    let mut published = Contents::new();
    for (uri, body) in snapshot {
        let Some(region) = below(uri).filter(|(name, _)| *name == current).and_then(|(_, key)| region(key)) else {
            continue;
        };
        let body = std::str::from_utf8(body).expect("lines are text here");
        published.insert(region.to_owned(), body.lines().map(number).collect());
    }
    published
}

/// The name of the directory, as the marker has it, and the key below it.
fn below(uri: &Uri) -> Option<(&str, &str)> {
    let (name, key) = uri.key.strip_prefix("taxes")?.split_once('/')?;
    let ours = uri.bucket.name == "published" && !NEIGHBOURS.contains(&uri.raw().as_str());
    (ours && (name.is_empty() || is_sibling(name))).then_some((name, key))
}

/// The number behind a line.
fn number(line: &str) -> u32 {
    line.rsplit('/').next().and_then(|number| number.parse().ok()).expect("a line of ours")
}

fn region(key: &str) -> Option<&str> {
    key.strip_prefix("region=")?.strip_suffix("/symlink.txt").filter(|region| !region.contains('/'))
}
