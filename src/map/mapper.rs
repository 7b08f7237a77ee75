//! Keys through the program: the walk over tables and rules, in the order that the language gives.
//!
//! A mapper is one worker's state: scratch, the partitions it has seen, what it holds back. It is `Send`; several can run
//! over one program.

mod touched;

use std::ops::Range;

use super::backtrack::{Scratch, TooManySteps, UNSET};
use super::directory::{Candidate, Directory};
use super::intern::Interner;
use super::page::{Object, Page};
use super::program::{Compiled, DecidedBy, How, Program, Skips, TableProgram};
use super::select::{Arena, Contest, Group, Waiting};
use super::values::{Captured, Lacking, Match, Misread, NoValue, Read, write_text};
use super::{PartitionId, Sink, Taken, Why};
use crate::error::{Error, ErrorKind, Result};
use crate::rules::table::{Claim, Pick, PickOne, Rule, Table, ValueSource};
use crate::value::PartitionValue;

/// Maps pages by a [`Program`].
#[derive(Debug)]
pub struct Mapper<'p> {
    program: &'p Program,
    directory: Directory,
    partitions: Partitions,
    remembered: Remembered,
    /// Per marker program: the markers seen, as what the names that they bind stand for.
    markers: Vec<Interner>,
    waiting: Waiting,
    contest: Contest,
    work: Work,
    /// The tables that take the object in hand, each with the steps of its `pick`.
    taken: Vec<(Taken, Range<usize>)>,
}

/// Buffers that every object uses anew.
#[derive(Debug)]
struct Work {
    scratch: Scratch,
    /// Of the rule in hand; those that it has no use for are of some rule before.
    slots: Vec<u32>,
    read: Read,
    text: String,
    bytes: Vec<u8>,
    /// Whether the key in hand was matched by backtracking, and how many keys were.
    is_slow: bool,
    slow: u64,
}

/// What captures came to before, by rule. Forgotten whenever it has grown too large.
#[derive(Debug, Default)]
struct Remembered {
    captures: Interner,
    outcomes: Vec<Outcome>,
}

/// Bytes of captures that are remembered, and how many.
const REMEMBERED_BYTES: usize = 16 << 20;
const REMEMBERED: usize = 1 << 18;

/// What a match comes to, as far as its captures decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Misread(Why),
    Filtered,
    /// No value, for this reason: said only once `exclude` has had its say.
    NoValue(Why),
    Partition(PartitionId),
}

/// Partitions and what their numbers stand for.
#[derive(Debug, Default)]
struct Partitions {
    known: Interner,
    /// Per partition: its table and where its values begin.
    entries: Vec<(u32, usize)>,
    values: Vec<PartitionValue>,
}

/// What the walk over the tables came to.
enum Walk {
    /// `Mapper::taken` says which tables take it; the reason counts if none does.
    Done(Why),
    /// A rule waits for its marker.
    Waits,
}

/// What one rule says to an object that it matches.
enum Verdict {
    Takes(Taken, Range<usize>),
    /// Not this rule; the next.
    Passes(Why),
    /// Not this table.
    Leaves(Why),
    Waits,
}

impl<'p> Mapper<'p> {
    pub fn new(program: &'p Program) -> Mapper<'p> {
        Mapper {
            program,
            directory: Directory::new(),
            partitions: Partitions::default(),
            remembered: Remembered::default(),
            markers: program.markers.iter().map(|_| Interner::default()).collect(),
            waiting: Waiting::default(),
            contest: Contest::default(),
            work: Work {
                scratch: Scratch::default(),
                slots: vec![UNSET; program.most_slots],
                read: Read::default(),
                text: String::new(),
                bytes: Vec::new(),
                is_slow: false,
                slow: 0,
            },
            taken: Vec::new(),
        }
    }

    /// Maps the objects of a page. Pages may come in any order; sorted keys are cheapest.
    ///
    /// # Errors
    /// `Usage` where a rule asks for what the listing lacks (a size, a time, a storage class); `Unsupported` where a rule
    /// with repeated captures takes too many steps on a key. After an error the mapper is of no more use.
    pub fn page(&mut self, page: &Page, sink: &mut impl Sink) -> Result<()> {
        sink.page_begins(page);
        let mut known = self.directory.is_in(page.bucket());
        for (at, object) in page.objects().enumerate() {
            let (base_name, is_new) = self.enter(&object, known);
            if is_new || at == 0 {
                sink.directory(page, at, &object.key[..object.key.len() - base_name.len()]);
            }
            known = true;
            self.object(&object, base_name, sink)?;
        }
        sink.page_ends(page);
        Ok(())
    }

    /// Ends the listing: what `pick` or `done` held back comes out, in the order of the input.
    ///
    /// # Errors
    /// As [`Mapper::page`].
    pub fn finish(&mut self, sink: &mut impl Sink) -> Result<()> {
        let mut waiting = std::mem::take(&mut self.waiting);
        for number in 0..waiting.len() {
            if waiting.verdict(number).is_some() {
                continue;
            }
            let object = waiting.object(number);
            let (base_name, _) = self.enter(&object, self.directory.is_in(object.bucket));
            // No rule waits on the last walk.
            if let Walk::Done(why) = self.walk(&object, base_name, true)? {
                let candidates = self.contest.enter(&self.taken, object.modified);
                waiting.decide(number, candidates, why);
            }
        }
        let mut contest = std::mem::take(&mut self.contest);
        for (number, table) in (0..).zip(&self.program.rules.tables) {
            contest.pick(number, &table.pick);
        }
        for number in 0..waiting.len() {
            if let Some((candidates, why)) = waiting.verdict(number) {
                emit(&waiting.object(number), contest.outcome(candidates), *why, sink);
            }
        }
        Ok(())
    }

    /// The table of a partition (an index into `Rules::tables`) and one value per partition column.
    pub fn partition(&self, partition: PartitionId) -> (usize, &[PartitionValue]) {
        self.partitions.partition(partition)
    }

    /// How many partitions there are; their ids are the numbers below.
    pub fn partitions(&self) -> u32 {
        self.partitions.entries.len() as u32
    }

    /// Takes up the object's directory, if it is not the one in hand; `same_bucket` if the bucket is. Returns the base
    /// name, and whether the directory is another one.
    #[inline]
    fn enter<'o>(&mut self, object: &Object<'o>, same_bucket: bool) -> (&'o str, bool) {
        let slash = memchr::memrchr(b'/', object.key.as_bytes()).map_or(0, |slash| slash + 1);
        let (path, base_name) = object.key.split_at(slash);
        let is_new = !same_bucket || !self.directory.is(path);
        if is_new {
            self.directory.enter(self.program, object.bucket, path);
        }
        (base_name, is_new)
    }

    /// How many keys have been held against a rule by backtracking: what no directory and no look at a base name's ends
    /// decides.
    pub fn slow(&self) -> u64 {
        self.work.slow + u64::from(self.work.is_slow)
    }

    #[inline]
    fn object(&mut self, object: &Object<'_>, base_name: &str, sink: &mut impl Sink) -> Result<()> {
        self.work.slow += u64::from(std::mem::take(&mut self.work.is_slow));
        if self.directory.is_manifest() {
            sink.leave(object, Why::Manifest);
            return Ok(());
        }
        if !self.directory.markers().is_empty() {
            self.note_markers(object, base_name)?;
        }
        match self.walk(object, base_name, false)? {
            Walk::Waits => self.waiting.hold(object, None),
            Walk::Done(why) if self.taken.is_empty() => sink.leave(object, why),
            Walk::Done(why) if self.taken.iter().any(|(_, steps)| !steps.is_empty()) => {
                let candidates = self.contest.enter(&self.taken, object.modified);
                self.waiting.hold(object, Some((candidates, why)));
            }
            Walk::Done(_) => self.taken.iter().for_each(|(taken, _)| sink.take(object, *taken)),
        }
        Ok(())
    }

    /// Remembers the object as a marker of every `done` that it matches, whatever the rules make of it.
    fn note_markers(&mut self, object: &Object<'_>, base_name: &str) -> Result<()> {
        let program = self.program;
        for index in 0..self.directory.markers().len() {
            let number = self.directory.markers()[index] as usize;
            let compiled = &program.markers[number].compiled;
            let matches = self.matches(compiled, base_name);
            if !matches.map_err(|_| too_many_steps("a `done`", object))? || self.read(compiled, object).is_err() {
                continue;
            }
            let Work { slots, read, text, bytes, .. } = &mut self.work;
            let matched = Match::new(compiled, &self.directory.bucket_text, slots, read, object, program);
            matched.write_names(&program.markers[number].binds, text, bytes);
            self.markers[number].intern(bytes);
        }
        Ok(())
    }

    /// Holds the object against every table that may take it; `last` when no more markers can come.
    fn walk(&mut self, object: &Object<'_>, base_name: &str, last: bool) -> Result<Walk> {
        let program = self.program;
        self.taken.clear();
        self.directory.key(program, &mut self.work.scratch);
        let given = program.skips.given_by(object, base_name);
        let mut why = Why::Manifest;
        // Candidates before this one are of tables that are done with.
        let mut next = 0;
        while let Some(candidate) = self.directory.candidates().get(next) {
            let table = candidate.table as usize;
            let verdict = match program.tables[table].skips.why(given) {
                Some(skipped) => Verdict::Leaves(skipped),
                None => self.candidate(next, object, base_name, last)?,
            };
            next += 1;
            match verdict {
                Verdict::Passes(reason) => {
                    why = why.max(reason);
                    continue;
                }
                Verdict::Leaves(reason) => why = why.max(reason),
                Verdict::Takes(taken, steps) => {
                    self.taken.push((taken, steps));
                    if program.rules.claim == Claim::First {
                        return Ok(Walk::Done(why));
                    }
                }
                Verdict::Waits => return Ok(Walk::Waits),
            }
            while self.directory.candidates().get(next).is_some_and(|other| other.table as usize == table) {
                next += 1;
            }
        }
        if self.taken.is_empty() && why <= Why::Unmatched {
            why = self.why_unmatched(why, given, object, base_name);
        }
        Ok(Walk::Done(why))
    }

    /// The reason where no rule matched: some table neither skips nor excludes the object, or why they all do.
    fn why_unmatched(&mut self, so_far: Why, given: Skips, object: &Object<'_>, base_name: &str) -> Why {
        let tables = &self.program.tables;
        if given.is_empty() {
            return self.why_unmatched_by(tables.iter(), object, base_name);
        }
        let reasons = tables.iter().map(|table| table.skips.why(given).unwrap_or(Why::Unmatched));
        let why = reasons.max().map_or(Why::Unmatched, |reason| reason.max(so_far));
        if why != Why::Unmatched {
            return why;
        }
        self.why_unmatched_by(tables.iter().filter(|table| table.skips.why(given).is_none()), object, base_name)
    }

    /// The same, where these tables do not skip the object.
    fn why_unmatched_by<'t>(
        &mut self,
        mut considered: impl Iterator<Item = &'t TableProgram>,
        object: &Object<'_>,
        base_name: &str,
    ) -> Why {
        if considered.all(|table| self.directory.excludes(self.program, &table.excludes, object, base_name)) {
            return Why::Excluded;
        }
        if self.directory.is_hidden_below(self.program, object, base_name) { Why::Hidden } else { Why::Unmatched }
    }

    /// What one rule says.
    #[inline]
    fn candidate(&mut self, index: usize, object: &Object<'_>, base_name: &str, last: bool) -> Result<Verdict> {
        let program = self.program;
        let Candidate { table, rule, outcome } = self.directory.candidates()[index];
        let compiled = &program.tables[table as usize].rules[rule as usize];
        let matches = self.matches(&compiled.compiled, base_name);
        let place = |_| too_many_steps(&place(program.table(table as usize), rule as usize), object);
        if !matches.map_err(place)? {
            return Ok(Verdict::Passes(Why::Unmatched));
        }
        let outcome = match (compiled.decided_by, outcome) {
            (DecidedBy::Object, _) => return self.rule(table as usize, rule as usize, object, base_name, last),
            (_, Some(outcome)) => outcome,
            (DecidedBy::Directory, None) => {
                let outcome = self.outcome(table as usize, rule as usize, object);
                self.directory.decide(index, outcome);
                outcome
            }
            (DecidedBy::Captures, None) => self.remembered_outcome(table as usize, rule as usize, object),
        };
        if let Outcome::Misread(why) = outcome {
            return Ok(Verdict::Passes(why));
        }
        if self.directory.excludes(program, &program.tables[table as usize].excludes, object, base_name) {
            return Ok(Verdict::Leaves(Why::Excluded));
        }
        if self.directory.excludes(program, &compiled.excludes, object, base_name) {
            return Ok(Verdict::Passes(Why::Excluded));
        }
        Ok(match outcome {
            Outcome::Filtered => Verdict::Passes(Why::Filtered),
            Outcome::Misread(why) | Outcome::NoValue(why) => Verdict::Passes(why),
            Outcome::Partition(partition) => Verdict::Takes(Taken { table, rule, partition, prefix_len: None }, 0..0),
        })
    }

    /// Whether a pattern matches an object of the directory in hand; its slots are left behind.
    #[inline]
    fn matches(&mut self, compiled: &Compiled, base_name: &str) -> Result<bool, TooManySteps> {
        let Work { scratch, slots, is_slow, .. } = &mut self.work;
        let slots = &mut slots[..compiled.pattern.slots as usize];
        let (number, program) = match &compiled.how {
            How::Whole(code) => {
                *is_slow = true;
                slots.fill(UNSET);
                return scratch.first(code, self.directory.text_of(base_name), 0, slots);
            }
            How::Split { directory, base_name } => (*directory, base_name),
        };
        let name = base_name.as_bytes();
        let start = self.directory.len();
        let fast = program.fast.as_ref().filter(|fast| fast.decides(name));
        if let Some(fast) = fast
            && !fast.matches(name, start as u32, slots)
        {
            return Ok(false);
        }
        let ways = self.directory.ways(self.program, number, scratch)?;
        for index in 0..ways.count {
            let way = self.directory.way(self.program, number, ways, index);
            if fast.is_some() {
                // The base name has written its own slots.
                let saves = self.program.directories[number as usize].saves.iter();
                saves.for_each(|slot| slots[*slot as usize] = way[*slot as usize]);
                return Ok(true);
            }
            *is_slow = true;
            slots.fill(UNSET);
            slots[..way.len()].copy_from_slice(way);
            if scratch.first(&program.code, self.directory.text_of(base_name), start, slots)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads the captures of the match in hand.
    fn read(&mut self, compiled: &Compiled, object: &Object<'_>) -> Result<(), Misread> {
        let captured = Captured { bucket: &self.directory.bucket_text, key: object.key, slots: &self.work.slots };
        self.work.read.captures(&compiled.pattern, &compiled.names, &captured, object.size)
    }

    /// What the captures of a match come to, from memory where they have come before.
    fn remembered_outcome(&mut self, table: usize, rule: usize, object: &Object<'_>) -> Outcome {
        let compiled = &self.program.tables[table].rules[rule].compiled;
        let captured = Captured { bucket: &self.directory.bucket_text, key: object.key, slots: &self.work.slots };
        let bytes = &mut self.work.bytes;
        bytes.clear();
        // `{@bucket}` is not among the captures.
        let bucket = self.directory.bucket_number.unwrap_or(u32::MAX);
        [table as u32, rule as u32, bucket].iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        (0..compiled.pattern.captures.len() as u32).for_each(|capture| write_text(captured.text(capture), bytes));
        if let Some(known) = self.remembered.captures.find(bytes) {
            return self.remembered.outcomes[known as usize];
        }
        if self.remembered.captures.len() >= REMEMBERED || self.remembered.captures.bytes_len() >= REMEMBERED_BYTES {
            self.remembered.captures.clear();
            self.remembered.outcomes.clear();
        }
        self.remembered.captures.intern(bytes);
        let outcome = self.outcome(table, rule, object);
        self.remembered.outcomes.push(outcome);
        outcome
    }

    /// What the captures of a match come to. The rule asks for nothing else of the object.
    fn outcome(&mut self, table: usize, rule: usize, object: &Object<'_>) -> Outcome {
        let program = self.program;
        let compiled = &program.tables[table].rules[rule].compiled;
        if let Err(misread) = self.read(compiled, object) {
            return Outcome::Misread(misread.why());
        }
        let said = &program.table(table).rules[rule];
        let Work { slots, read, text, bytes, .. } = &mut self.work;
        let matched = Match::new(compiled, &self.directory.bucket_text, slots, read, object, program);
        for condition in &said.conditions {
            match matched.holds(condition, text) {
                Ok(true) => {}
                Ok(false) => return Outcome::Filtered,
                Err(no_value) => return Outcome::NoValue(no_value.why()),
            }
        }
        match self.partitions.find(table, &program.tables[table], said, &matched, text, bytes) {
            Ok(partition) => Outcome::Partition(partition),
            Err(no_value) => Outcome::NoValue(no_value.why()),
        }
    }

    /// What stands between a match and taking the object, where the object itself has a say: dates, `exclude`, `where`,
    /// `done`, values, in this order.
    fn rule(&mut self, table: usize, rule: usize, object: &Object<'_>, base_name: &str, last: bool) -> Result<Verdict> {
        let program = self.program;
        let of_table = program.table(table);
        let (said, compiled) = (&of_table.rules[rule], &program.tables[table].rules[rule]);
        if let Err(misread) = self.read(&compiled.compiled, object) {
            return Ok(Verdict::Passes(misread.why()));
        }
        if self.directory.excludes(program, &program.tables[table].excludes, object, base_name) {
            return Ok(Verdict::Leaves(Why::Excluded));
        }
        if self.directory.excludes(program, &compiled.excludes, object, base_name) {
            return Ok(Verdict::Passes(Why::Excluded));
        }
        let bucket = &self.directory.bucket_text;
        let Work { slots, read, bytes, text, .. } = &mut self.work;
        let matched = Match::new(&compiled.compiled, bucket, slots, read, object, program);
        for condition in &said.conditions {
            match matched.holds(condition, text) {
                Ok(true) => {}
                Ok(false) => return Ok(Verdict::Passes(Why::Filtered)),
                Err(no_value) => return verdict(no_value, of_table, rule, object),
            }
        }
        if let Some(marker) = compiled.marker {
            matched.write_names(&program.markers[marker as usize].binds, text, bytes);
            if self.markers[marker as usize].find(bytes).is_none() {
                return Ok(if last { Verdict::Passes(Why::Waiting) } else { Verdict::Waits });
            }
        }
        let partition = match self.partitions.find(table, &program.tables[table], said, &matched, text, bytes) {
            Ok(partition) => partition,
            Err(no_value) => return verdict(no_value, of_table, rule, object),
        };
        let prefix_len = compiled.line_end.map(|slot| slots[slot as usize].saturating_sub(bucket.len() as u32));
        let taken = Taken { table: table as u32, rule: rule as u32, partition, prefix_len };
        let start = self.contest.steps_len();
        for step in &of_table.pick {
            if let Err(no_value) = add_step(&mut self.contest, step, rule, partition, &matched, text) {
                return verdict(no_value, of_table, rule, object);
            }
        }
        Ok(Verdict::Takes(taken, start..self.contest.steps_len()))
    }
}

impl<'a> Match<'a> {
    pub(super) fn new(
        compiled: &'a Compiled,
        bucket: &'a str,
        slots: &'a [u32],
        read: &'a Read,
        object: &'a Object<'a>,
        program: &'a Program,
    ) -> Match<'a> {
        Match {
            pattern: &compiled.pattern,
            names: &compiled.names,
            captured: Captured { bucket, key: object.key, slots },
            read,
            object,
            lookups: &program.rules.lookups,
        }
    }
}

impl Partitions {
    fn partition(&self, partition: PartitionId) -> (usize, &[PartitionValue]) {
        let index = partition.0 as usize;
        let (table, start) = self.entries[index];
        let end = self.entries.get(index + 1).map_or(self.values.len(), |next| next.1);
        (table as usize, &self.values[start..end])
    }

    /// The partition that a match's values make, each in its column's type.
    fn find(
        &mut self,
        number: usize,
        table: &TableProgram,
        rule: &Rule,
        matched: &Match<'_>,
        text: &mut String,
        bytes: &mut Vec<u8>,
    ) -> Result<PartitionId, NoValue> {
        bytes.clear();
        bytes.extend_from_slice(&(number as u32).to_le_bytes());
        let start = self.values.len();
        for (source, kind) in rule.values.iter().zip(&table.types) {
            let value = value(source, matched, text)
                .and_then(|known| kind.value(if known { text } else { "" }).ok_or(NoValue::Bad));
            match value {
                Ok(value) => {
                    write_text(value.as_str(), bytes);
                    self.values.push(value);
                }
                Err(no_value) => {
                    self.values.truncate(start);
                    return Err(no_value);
                }
            }
        }
        let (id, new) = self.known.intern(bytes);
        if new {
            self.entries.push((number as u32, start))
        } else {
            self.values.truncate(start)
        }
        Ok(PartitionId(id))
    }
}

/// Writes a column's text; `false` is NULL.
fn value(source: &ValueSource, matched: &Match<'_>, text: &mut String) -> Result<bool, NoValue> {
    text.clear();
    match source {
        ValueSource::Capture(name) => Ok(matched.write_name(name, text)),
        ValueSource::Expression(expression) => matched.write(expression, text),
    }
}

/// Adds what one step of `pick` needs to know of a match.
fn add_step(
    contest: &mut Contest,
    step: &Pick,
    rule: usize,
    partition: PartitionId,
    matched: &Match<'_>,
    text: &mut String,
) -> Result<(), NoValue> {
    let mut group_text = String::new();
    let group = match &step.one {
        PickOne::Rule => Group::Rule(rule as u32),
        PickOne::Greatest(expression) | PickOne::Newest(expression) => {
            let known = matched.write(expression, &mut group_text)?;
            Group::Named(known.then_some(&group_text))
        }
    };
    if matches!(step.one, PickOne::Newest(_)) && matched.object.modified.is_none() {
        return Err(NoValue::Lacks(Lacking::Modified));
    }
    text.clear();
    let arena = match &step.per {
        None => Arena::Partition(partition.0),
        Some(per) if matched.write(per, text)? => Arena::Named(text),
        Some(_) => Arena::Lone,
    };
    contest.add_step(arena, group);
    Ok(())
}

/// Says what became of an object: the tables that take it, those whose `pick` left it out, or why there are none.
fn emit(object: &Object<'_>, taken: impl Iterator<Item = (Taken, bool)>, why: Why, sink: &mut impl Sink) {
    let mut takers = 0;
    let mut superseded = 0;
    for (taken, left_out) in taken {
        if left_out {
            superseded += 1;
            sink.supersede(object, taken);
        } else {
            takers += 1;
            sink.take(object, taken);
        }
    }
    if takers == 0 {
        sink.leave(object, if superseded > 0 { Why::Superseded } else { why });
    }
}

/// The verdict where a condition or a value came to nothing, or the error where the listing lacks what it needs.
fn verdict(no_value: NoValue, table: &Table, rule: usize, object: &Object<'_>) -> Result<Verdict> {
    let NoValue::Lacks(lacking) = no_value else { return Ok(Verdict::Passes(no_value.why())) };
    let attribute = lacking.name();
    Err(Error::new(
        ErrorKind::Usage,
        format!("{} asks for `{attribute}`, which the listing does not say", place(table, rule)),
    )
    .note(format!("first met at {}", object.uri().shown()))
    .help(format!(
        "use a listing that has it: live, or JSON lines or CSV with `{attribute}` (`restitch ls` writes one)"
    )))
}

pub(super) fn too_many_steps(what: &str, object: &Object<'_>) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{what} repeats captures in too many ways to be decided"))
        .note(format!("met at {}", object.uri().shown()))
        .help("give the captures that stand twice a narrower type, such as `:int(4)` or `:in(…)`")
}

pub(super) fn place(table: &Table, rule: usize) -> String {
    format!("table `{}`, rule {} (line {})", table.name, table.rules[rule].number, table.rules[rule].line)
}
