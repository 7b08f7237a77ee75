//! What is known of the directory in hand: which rules can take its objects, and with which captures. Listings are
//! sorted, so all this is worked out once per directory and asked once per key.

use super::backtrack::{Scratch, TooManySteps, UNSET};
use super::mapper::Outcome;
use super::page::Object;
use super::program::{ExcludeProgram, Program};
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
    /// `bucket/` and the path, and behind them the base name while a match needs it.
    text: String,
    /// How much of the text is the directory's.
    len: usize,
    /// Whether it lies under a location of the rule file.
    pub is_manifest: bool,
    /// Whether a component below the listing prefix is hidden; worked out when it is asked.
    is_hidden: Option<bool>,
    /// The rules whose prefix fits, in the order of tables and rules.
    pub candidates: Vec<Candidate>,
    /// The same, as table and rule: a buffer.
    rules: Vec<(u32, u32)>,
    /// The markers whose prefix fits.
    pub markers: Vec<u32>,
    /// Per directory program.
    resolved: Vec<Resolved>,
    /// The slots of all ways in which directory programs match.
    slots: Vec<u32>,
    /// Per exclude: what it says of every object here, once it is known.
    excludes: Vec<Option<bool>>,
}

/// A rule that may take objects of this directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub table: u32,
    pub rule: u32,
    /// The same for every object here, once it is known, where the directory alone decides.
    pub outcome: Option<Outcome>,
}

/// The ways in which a directory program matches this directory: sets of slots in `Directory::slots`.
#[derive(Clone, Copy, Debug)]
enum Resolved {
    Unknown,
    Ways { start: u32, count: u32 },
}

impl Directory {
    pub fn new(program: &Program) -> Directory {
        Directory {
            bucket: None,
            bucket_number: None,
            bucket_text: String::new(),
            path: String::new(),
            text: String::new(),
            len: 0,
            is_manifest: false,
            is_hidden: None,
            candidates: Vec::new(),
            rules: Vec::new(),
            markers: Vec::new(),
            resolved: vec![Resolved::Unknown; program.directories.len()],
            slots: Vec::new(),
            excludes: vec![None; program.excludes.len()],
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
        }
        self.path.clear();
        self.path.push_str(path);
        self.text.clear();
        self.text.push_str(&self.bucket_text);
        self.text.push_str(path);
        self.len = self.text.len();
        self.is_manifest = program.is_manifest(bucket, path);
        self.is_hidden = None;
        self.resolved.fill(Resolved::Unknown);
        self.slots.clear();
        self.excludes.fill(None);
        self.rules.clear();
        self.markers.clear();
        if let Some(bucket) = self.bucket_number {
            program.candidates(bucket, path, &mut self.rules, &mut self.markers);
        }
        self.candidates.clear();
        let candidate = |(table, rule): &(u32, u32)| Candidate { table: *table, rule: *rule, outcome: None };
        self.candidates.extend(self.rules.iter().map(candidate));
    }

    /// Bytes of the match text in front of the base name.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The whole match text of an object here.
    pub fn text_of(&mut self, base_name: &str) -> &[u8] {
        self.text.truncate(self.len);
        self.text.push_str(base_name);
        self.text.as_bytes()
    }

    /// Whether a component below the prefix that lists this directory is hidden.
    pub fn is_hidden_below(&mut self, program: &Program, object: &Object<'_>) -> bool {
        if program.hides_base_name(object) {
            return true;
        }
        let path = &self.path;
        *self.is_hidden.get_or_insert_with(|| program.is_hidden_below(object.bucket, path))
    }

    /// How many ways a directory program has to match here: more than one only where a later repeat asks for captures
    /// that differ.
    pub fn ways(&mut self, program: &Program, number: u32, scratch: &mut Scratch) -> Result<Ways, TooManySteps> {
        if let Resolved::Ways { start, count } = self.resolved[number as usize] {
            return Ok(Ways { start, count });
        }
        let directory = &program.directories[number as usize];
        let start = self.slots.len() as u32;
        let mut count = 0;
        let text = &self.text.as_bytes()[..self.len];
        if directory.may_match(text) {
            let mut slots = [UNSET; 64];
            let mut many = Vec::new();
            let slots = if directory.slots as usize <= slots.len() {
                &mut slots[..directory.slots as usize]
            } else {
                many.resize(directory.slots as usize, UNSET);
                &mut many[..]
            };
            let found = &mut self.slots;
            scratch.each(&directory.code, text, 0, slots, |slots| {
                found.extend_from_slice(slots);
                count += 1;
                false
            })?;
        }
        self.resolved[number as usize] = Resolved::Ways { start, count };
        Ok(Ways { start, count })
    }

    /// The slots of one way.
    pub fn way(&self, program: &Program, number: u32, ways: Ways, index: u32) -> &[u32] {
        let len = program.directories[number as usize].slots as usize;
        let start = ways.start as usize + index as usize * len;
        &self.slots[start..start + len]
    }

    /// Whether any of these excludes takes an object of this directory.
    pub fn excludes(&mut self, program: &Program, numbers: &[u32], object: &Object<'_>, base_name: &str) -> bool {
        numbers.iter().any(|number| {
            let known = &mut self.excludes[*number as usize];
            match (&program.excludes[*number as usize], &known) {
                (_, Some(says)) => *says,
                (ExcludeProgram::Directory(exclude), None) => {
                    // Whatever stands behind the directory, the glob says the same.
                    let some_object = Object { key: &format!("{}x", self.path), ..*object };
                    *known.insert(exclude.excludes(&some_object))
                }
                (ExcludeProgram::Suffix(suffix), None) => base_name.ends_with(suffix.as_str()),
                (ExcludeProgram::Any(exclude), None) => exclude.excludes(object),
            }
        })
    }
}

/// Handle of the ways of one directory program in the directory in hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ways {
    start: u32,
    pub count: u32,
}
