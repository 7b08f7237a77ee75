//! What is known of the directory in hand: which rules can take its objects, and with which captures. Listings are
//! sorted, so all this is worked out once per directory and asked once per key.
//!
//! In a listing that is not sorted directories come again and again: then what is known of them is kept.

use std::ops::Not;

use super::backtrack::{Scratch, TooManySteps, UNSET};
use super::intern::Interner;
use super::mapper::Outcome;
use super::page::Object;
use super::program::{ExcludeProgram, How, Program};
use crate::uri::Bucket;

/// The directory of the key in hand; its buffers serve one directory after the other.
#[derive(Debug)]
pub(crate) struct Directory {
    bucket: Option<Bucket>,
    /// The program's number for it; `None` where no rule names it.
    pub bucket_number: Option<u32>,
    /// `bucket/`
    pub bucket_text: String,
    /// The directory's own part of the key, up to and with its last slash.
    path: String,
    /// `bucket/` and the path, and behind them the base name while a match needs it; empty until it is asked for.
    text: String,
    known: Known,
    kept: Kept,
    /// Candidates as table and rule: a buffer.
    rules: Vec<(u32, u32)>,
}

/// What is known of one directory; mostly worked out when it is asked.
#[derive(Debug, Default)]
struct Known {
    /// Whether it lies under a location of the rule file.
    is_manifest: bool,
    /// Whether a component below the listing prefix is hidden.
    is_hidden: Option<bool>,
    /// Whether a second key has come, so that rules that do not match here have been sorted out.
    is_settled: bool,
    keys: u32,
    /// The rules whose prefix fits, in the order of tables and rules.
    candidates: Vec<Candidate>,
    /// The markers whose prefix fits.
    markers: Vec<u32>,
    /// The directory programs that have been tried here.
    resolved: Vec<(u32, Ways)>,
    /// The slots of all ways in which they match.
    slots: Vec<u32>,
    /// Excludes that the directory decides, with what they say of every object here.
    excludes: Vec<(u32, bool)>,
}

/// What is known of directories that were left, where they come again.
#[derive(Debug)]
struct Kept {
    /// Whether directories are kept at all.
    on: bool,
    paths: Interner,
    known: Vec<Known>,
    /// Which of them the one in hand is.
    in_hand: Option<u32>,
    /// Hashes of paths that came lately, by their low bits.
    lately: Vec<u32>,
    /// Directories entered since the last time it was decided whether to keep them, and how many of them had come lately.
    entered: u32,
    again: u32,
}

/// After so many directories it is decided whether to keep what comes; so many of them must have come before.
const WINDOW: u32 = 1 << 10;
const AGAIN: u32 = 16;

/// Paths remembered to find that out.
const LATELY: usize = 1 << 12;

/// Directories kept, and bytes of their paths; with all that is known of them some 20 MB.
const MOST_KEPT: usize = 1 << 16;
const MOST_KEPT_BYTES: usize = 8 << 20;

/// A rule that may take objects of this directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub table: u32,
    pub rule: u32,
    /// The same for every object here, once it is known, where the directory alone decides.
    pub outcome: Option<Outcome>,
}

impl Directory {
    pub fn new() -> Directory {
        Directory {
            bucket: None,
            bucket_number: None,
            bucket_text: String::new(),
            path: String::new(),
            text: String::new(),
            known: Known::default(),
            kept: Kept::new(),
            rules: Vec::new(),
        }
    }

    /// Whether this is the directory; the bucket must be the one last entered.
    #[inline]
    pub fn is(&self, path: &str) -> bool {
        self.path == path
    }

    pub fn is_in(&self, bucket: &Bucket) -> bool {
        self.bucket.as_ref() == Some(bucket)
    }

    /// Takes up another directory.
    pub fn enter(&mut self, program: &Program, bucket: &Bucket, path: &str) {
        if !self.is_in(bucket) {
            self.bucket = Some(bucket.clone());
            self.bucket_number = program.bucket_number(bucket);
            self.bucket_text.clear();
            self.bucket_text.push_str(&bucket.name);
            self.bucket_text.push('/');
            self.kept.clear(&mut self.known);
        }
        self.path.clear();
        self.path.push_str(path);
        self.text.clear();
        if self.kept.swap(path, &mut self.known) {
            return;
        }
        self.known.clear();
        self.known.is_manifest = program.is_manifest(bucket, path);
        self.rules.clear();
        if let Some(bucket) = self.bucket_number {
            program.candidates(bucket, path, &mut self.rules, &mut self.known.markers);
        }
        let candidate = |(table, rule): &(u32, u32)| Candidate { table: *table, rule: *rule, outcome: None };
        self.known.candidates.extend(self.rules.iter().map(candidate));
    }

    /// Whether it lies under a location of the rule file.
    #[inline]
    pub fn is_manifest(&self) -> bool {
        self.known.is_manifest
    }

    /// The rules that may take objects here, in the order of tables and rules.
    #[inline]
    pub fn candidates(&self) -> &[Candidate] {
        &self.known.candidates
    }

    /// Remembers what a candidate comes to for every object here.
    pub fn decide(&mut self, candidate: usize, outcome: Outcome) {
        self.known.candidates[candidate].outcome = Some(outcome);
    }

    /// The markers that objects here may be.
    #[inline]
    pub fn markers(&self) -> &[u32] {
        &self.known.markers
    }

    /// Another key of this directory has come. With the second one it is worth trying which rules match here at all.
    #[inline]
    pub fn key(&mut self, program: &Program, scratch: &mut Scratch) {
        self.known.keys = self.known.keys.saturating_add(1);
        if self.known.keys > 1 && !self.known.is_settled {
            self.settle(program, scratch);
        }
    }

    fn settle(&mut self, program: &Program, scratch: &mut Scratch) {
        self.known.is_settled = true;
        let mut candidates = std::mem::take(&mut self.known.candidates);
        candidates.retain(|candidate| {
            let rule = &program.tables[candidate.table as usize].rules[candidate.rule as usize];
            match &rule.compiled.how {
                // What takes too many steps says so when a key gets there.
                How::Split { directory, .. } => {
                    self.ways(program, *directory, scratch).is_ok_and(|ways| ways.count == 0).not()
                }
                How::Whole(_) => true,
            }
        });
        self.known.candidates = candidates;
    }

    /// Bytes of the match text in front of the base name.
    pub fn len(&self) -> usize {
        self.bucket_text.len() + self.path.len()
    }

    /// The match text of the directory alone, or longer.
    fn text(&mut self) -> &mut String {
        if self.text.is_empty() {
            self.text.push_str(&self.bucket_text);
            self.text.push_str(&self.path);
        }
        &mut self.text
    }

    /// The whole match text of an object here.
    pub fn text_of(&mut self, base_name: &str) -> &[u8] {
        let len = self.len();
        let text = self.text();
        text.truncate(len);
        text.push_str(base_name);
        text.as_bytes()
    }

    /// Whether a component below the prefix that lists this directory is hidden.
    pub fn is_hidden_below(&mut self, program: &Program, object: &Object<'_>, base_name: &str) -> bool {
        if program.hides_base_name(object, base_name) {
            return true;
        }
        let path = &self.path;
        *self.known.is_hidden.get_or_insert_with(|| program.is_hidden_below(object.bucket, path))
    }

    /// How many ways a directory program has to match here: more than one only where a later repeat asks for captures
    /// that differ.
    pub fn ways(&mut self, program: &Program, number: u32, scratch: &mut Scratch) -> Result<Ways, TooManySteps> {
        if let Some((_, ways)) = self.known.resolved.iter().find(|(known, _)| *known == number) {
            return Ok(*ways);
        }
        let directory = &program.directories[number as usize];
        let start = self.known.slots.len() as u32;
        let mut count = 0;
        let len = self.len();
        self.text();
        let text = &self.text.as_bytes()[..len];
        if directory.may_match(text) {
            let mut slots = [UNSET; 64];
            let mut many = Vec::new();
            let slots = if directory.slots as usize <= slots.len() {
                &mut slots[..directory.slots as usize]
            } else {
                many.resize(directory.slots as usize, UNSET);
                &mut many[..]
            };
            let found = &mut self.known.slots;
            scratch.each(&directory.code, text, 0, slots, |slots| {
                found.extend_from_slice(slots);
                count += 1;
                false
            })?;
        }
        let ways = Ways { start, count };
        self.known.resolved.push((number, ways));
        Ok(ways)
    }

    /// The slots of one way.
    pub fn way(&self, program: &Program, number: u32, ways: Ways, index: u32) -> &[u32] {
        let len = program.directories[number as usize].slots as usize;
        let start = ways.start as usize + index as usize * len;
        &self.known.slots[start..start + len]
    }

    /// Whether any of these excludes takes an object of this directory.
    pub fn excludes(&mut self, program: &Program, numbers: &[u32], object: &Object<'_>, base_name: &str) -> bool {
        numbers.iter().any(|number| match &program.excludes[*number as usize] {
            // Mostly their last bytes differ, and then nothing needs to be called.
            ExcludeProgram::Suffix(suffix) => {
                base_name.as_bytes().last() == suffix.as_bytes().last() && base_name.ends_with(suffix.as_str())
            }
            ExcludeProgram::Any(exclude) => exclude.excludes(object),
            ExcludeProgram::Directory(exclude) => {
                let known = self.known.excludes.iter().find(|(known, _)| known == number);
                known.map(|(_, says)| *says).unwrap_or_else(|| {
                    // Whatever stands behind the directory, the glob says the same.
                    let some_object = Object { key: &format!("{}x", self.path), ..*object };
                    let says = exclude.excludes(&some_object);
                    self.known.excludes.push((*number, says));
                    says
                })
            }
        })
    }
}

impl Known {
    /// Forgets all but its buffers.
    fn clear(&mut self) {
        (self.is_manifest, self.is_hidden, self.is_settled, self.keys) = (false, None, false, 0);
        self.candidates.clear();
        self.markers.clear();
        self.resolved.clear();
        self.slots.clear();
        self.excludes.clear();
    }
}

impl Kept {
    fn new() -> Kept {
        Kept {
            on: false,
            paths: Interner::default(),
            known: Vec::new(),
            in_hand: None,
            lately: vec![0; LATELY],
            entered: 0,
            again: 0,
        }
    }

    /// Puts away what is in hand and takes up the directory at `path`; `false` where nothing is known of that, and then
    /// what is in hand is of no directory.
    fn swap(&mut self, path: &str, in_hand: &mut Known) -> bool {
        self.decide(path);
        if let Some(number) = self.in_hand.take() {
            std::mem::swap(&mut self.known[number as usize], in_hand);
        }
        if !self.on {
            return false;
        }
        if self.known.len() >= MOST_KEPT || self.paths.bytes_len() >= MOST_KEPT_BYTES {
            self.clear(in_hand);
        }
        let (number, is_new) = self.paths.intern(path.as_bytes());
        self.in_hand = Some(number);
        if is_new {
            self.known.push(Known::default());
            return false;
        }
        std::mem::swap(&mut self.known[number as usize], in_hand);
        true
    }

    /// Keeps directories from here on where many of those that come have come lately, or no longer.
    fn decide(&mut self, path: &str) {
        let hash = self.paths.hash(path.as_bytes());
        let lately = &mut self.lately[hash as usize % LATELY];
        let of_path = (hash >> 32) as u32;
        self.again += u32::from(std::mem::replace(lately, of_path) == of_path);
        self.entered += 1;
        if self.entered < WINDOW {
            return;
        }
        self.on = self.again >= AGAIN;
        (self.entered, self.again) = (0, 0);
    }

    fn clear(&mut self, in_hand: &mut Known) {
        if self.in_hand.take().is_some() {
            in_hand.clear();
        }
        self.paths.clear();
        self.known.clear();
    }
}

/// Handle of the ways of one directory program in the directory in hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ways {
    start: u32,
    pub count: u32,
}
