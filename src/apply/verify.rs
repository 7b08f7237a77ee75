//! Published manifests held against what is there: lines whose objects are gone, lines that the rules give otherwise.
//!
//! Reads only. That a line's object is there is seen from the listing that the rules need anyway: of each object listed a
//! hash is kept, 8 bytes, and no object is asked for on its own but those that no rule lists any more.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{StreamExt, TryStreamExt, stream};

use super::mapped::Also;
use crate::error::Result;
use crate::listing::survey::Listed;
use crate::listing::{Listing, Object, Sources};
use crate::map::group::line_hash;
use crate::map::{Sink, Taken, Why};
use crate::plan::merge::compare_lines;
use crate::plan::{Change, Requirement, TablePlan};
use crate::rules::table::Access;
use crate::store::Store;
use crate::uri::{Bucket, Uri};

/// Bodies, or objects, asked for at once.
const READS: usize = 64;

/// Lines given with a finding.
const EXAMPLES: usize = 3;

/// What is wrong with one manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub what: What,
    /// Below the location.
    pub key: String,
    /// `region=amer`
    pub partition: String,
    pub lines: u64,
    /// Some of the lines, as they stand there or should.
    pub examples: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum What {
    /// Lines whose objects are not there.
    Dangling,
    /// Lines that are no URIs.
    Unreadable,
    /// Lines that the rules do not give, or give to another partition; their objects are there.
    Unwanted,
    /// Lines that the rules give and that are not published.
    Missing,
    /// The right lines, unsorted, twice, or in other bytes.
    Disordered,
}

impl What {
    pub fn name(self) -> &'static str {
        match self {
            What::Dangling => "dangling",
            What::Unreadable => "unreadable",
            What::Unwanted => "unwanted",
            What::Missing => "missing",
            What::Disordered => "disordered",
        }
    }
}

/// Every object of a listing, as a hash of its manifest line, whichever worker saw it.
#[derive(Clone, Debug, Default)]
pub struct Seen(Arc<Mutex<Vec<u64>>>);

/// What one worker sees.
#[derive(Debug)]
pub struct Look {
    all: Seen,
    hashes: Vec<u64>,
    line: Vec<u8>,
}

impl Seen {
    /// A sink for each worker.
    pub fn each(&self) -> impl Fn() -> Look + Send + 'static + use<> {
        let all = self.clone();
        move || Look { all: all.clone(), hashes: Vec::new(), line: Vec::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is asked once everything has been listed: `listed`.
    pub fn there<'s>(self, listed: &'s [Listed], sources: &'s Sources) -> There<'s> {
        let mut hashes = std::mem::take(&mut *self.lock());
        hashes.sort_unstable();
        There { hashes, listed, sources }
    }
}

impl Look {
    fn see(&mut self, object: &Object<'_>) {
        self.line.clear();
        object.write_line(&mut self.line);
        let hash = line_hash(&self.line);
        // Several tables may take one object.
        if self.hashes.last() != Some(&hash) {
            self.hashes.push(hash);
        }
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        self.all.lock().append(&mut self.hashes);
    }
}

impl Also for Look {
    fn end(&mut self, _: u64) {}
}

impl Sink for Look {
    fn take(&mut self, object: &Object<'_>, _: Taken) {
        self.see(object);
    }

    fn supersede(&mut self, object: &Object<'_>, _: Taken) {
        self.see(object);
    }

    fn leave(&mut self, object: &Object<'_>, _: Why) {
        self.see(object);
    }
}

/// Says of a line whether its object is there.
pub struct There<'s> {
    hashes: Vec<u64>,
    listed: &'s [Listed],
    sources: &'s Sources,
}

impl There<'_> {
    /// What is wrong with the manifests that `plan` would write, in the order of their keys.
    ///
    /// # Errors
    /// Of the stores.
    pub async fn look(&self, store: &dyn Store, plan: &TablePlan) -> Result<Vec<Finding>> {
        let current = &plan.current()?;
        let compared =
            stream::iter(&plan.changes).map(|change| Compared::read(store, current, plan, change)).buffered(READS);
        let compared: Vec<Compared<'_>> = compared.try_collect().await?;
        let mut asked: HashMap<&[u8], What> = HashMap::new();
        let removed = compared.iter().flat_map(|one| &one.removed);
        let mut unlisted = Vec::new();
        for line in removed {
            match self.listed(line) {
                Some(what) => drop(asked.insert(line, what)),
                None => unlisted.push(line),
            }
        }
        let mut listings = Listings::default();
        for line in &unlisted {
            listings.open(line, self.sources).await;
        }
        let answers = stream::iter(&unlisted).map(|line| listings.ask(line, self.sources)).buffered(READS);
        let answers: Vec<What> = answers.collect().await;
        asked.extend(unlisted.iter().map(|line| line.as_slice()).zip(answers));
        Ok(compared.iter().flat_map(|one| one.findings(&asked)).collect())
    }

    /// What the listing says; `None` where it does not reach.
    fn listed(&self, line: &[u8]) -> Option<What> {
        let Some(uri) = uri(line) else { return Some(What::Unreadable) };
        let covers = |listed: &Listed| listed.prefix.as_ref().is_none_or(|prefix| prefix.is_prefix_of(&uri));
        let covered = !uri.key.ends_with('/') && self.listed.iter().any(covers);
        let is_there = self.hashes.binary_search(&line_hash(line)).is_ok();
        match (is_there, covered) {
            (true, _) => Some(What::Unwanted),
            (false, true) => Some(What::Dangling),
            (false, false) => None,
        }
    }
}

/// Live listings of what the rules do not list. A store that cannot be asked says nothing: the lines are unwanted then,
/// whether their objects are there or not.
#[derive(Default)]
struct Listings(HashMap<(Bucket, Access), Option<Arc<dyn Listing>>>);

impl Listings {
    async fn open(&mut self, line: &[u8], sources: &Sources) {
        let Some(uri) = uri(line) else { return };
        let access = sources.access(&uri);
        if let Entry::Vacant(vacant) = self.0.entry((uri.bucket.clone(), access.clone())) {
            vacant.insert(sources.live(&uri).await.ok());
        }
    }

    /// One request: whether the object, or anything below the prefix, is there.
    async fn ask(&self, line: &[u8], sources: &Sources) -> What {
        let Some(uri) = uri(line) else { return What::Unreadable };
        let known = self.0.get(&(uri.bucket.clone(), sources.access(&uri)));
        let Some(listing) = known.and_then(Option::as_ref) else { return What::Unwanted };
        let is_there = if uri.key.ends_with('/') {
            listing.any(&uri).await
        } else {
            // In byte order, the object itself comes before all that its key begins.
            let first = listing.list(&uri).try_next().await;
            first.map(|page| page.is_some_and(|page| page.objects().next().is_some_and(|first| first.key == uri.key)))
        };
        if is_there.unwrap_or(true) { What::Unwanted } else { What::Dangling }
    }
}

/// A manifest as it is against what it should be.
struct Compared<'c> {
    plan: &'c TablePlan,
    change: &'c Change,
    removed: Vec<Vec<u8>>,
    added: Vec<Vec<u8>>,
}

impl<'c> Compared<'c> {
    async fn read(store: &dyn Store, directory: &Uri, plan: &'c TablePlan, change: &'c Change) -> Result<Compared<'c>> {
        let old = match change.requires {
            Requirement::Absent => None,
            Requirement::ETag(_) => store.get(&directory.join(&change.key)).await?,
        };
        let old = old.map(|old| old.body).unwrap_or_default();
        let (mut removed, mut added) = (Vec::new(), Vec::new());
        compare_lines(&old, &change.body, |line| removed.push(line.to_vec()), |line| added.push(line.to_vec()))?;
        Ok(Compared { plan, change, removed, added })
    }

    fn findings(&self, asked: &HashMap<&[u8], What>) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::new();
        for line in &self.removed {
            self.add(&mut findings, asked.get(line.as_slice()).copied().unwrap_or(What::Unwanted), line);
        }
        for line in &self.added {
            self.add(&mut findings, What::Missing, line);
        }
        if findings.is_empty() {
            findings.push(self.finding(What::Disordered));
        }
        findings.sort_by_key(|finding| finding.what);
        findings
    }

    fn add(&self, findings: &mut Vec<Finding>, what: What, line: &[u8]) {
        let at = findings.iter().position(|finding| finding.what == what).unwrap_or_else(|| {
            findings.push(self.finding(what));
            findings.len() - 1
        });
        let finding = &mut findings[at];
        finding.lines += 1;
        if finding.examples.len() < EXAMPLES {
            finding.examples.push(String::from_utf8_lossy(line).into_owned());
        }
    }

    fn finding(&self, what: What) -> Finding {
        let (key, partition) = (self.change.key.clone(), self.plan.partition(self.change).shown());
        Finding { what, key, partition, lines: 0, examples: Vec::new() }
    }
}

fn uri(line: &[u8]) -> Option<Uri> {
    Uri::parse(std::str::from_utf8(line).ok()?).ok()
}
