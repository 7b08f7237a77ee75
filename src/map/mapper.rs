//! Keys through the program: the walk over tables and rules, in the order that the language gives.
//!
//! A mapper is one worker's state: scratch, the partitions it has seen, what it holds back. It is `Send`; several can run
//! over one program.

use std::ops::Range;

use super::backtrack::{Scratch, TooManySteps, UNSET};
use super::intern::Interner;
use super::page::{Object, Page};
use super::program::{Compiled, Program, TableProgram};
use super::select::{Arena, Contest, Group, Waiting};
use super::values::{Captured, Lacking, Match, NoValue, Read, write_text};
use super::{PartitionId, Sink, Taken, Why};
use crate::error::{Error, ErrorKind, Result};
use crate::rules::table::{Claim, Pick, PickOne, Rule, Skip, Table, ValueSource};
use crate::value::PartitionValue;

/// Maps pages by a [`Program`].
#[derive(Debug)]
pub struct Mapper<'p> {
    program: &'p Program,
    partitions: Partitions,
    /// Per marker program: the markers seen, as what the names that they bind stand for.
    markers: Vec<Interner>,
    waiting: Waiting,
    contest: Contest,
    work: Work,
    /// The tables that take the object in hand, each with the steps of its `pick`.
    taken: Vec<(Taken, Range<usize>)>,
}

/// Buffers that every object uses anew.
#[derive(Debug, Default)]
struct Work {
    scratch: Scratch,
    /// `bucket/`
    bucket: String,
    /// The bucket, a slash, the key.
    text: String,
    slots: Vec<u32>,
    read: Read,
    expression: String,
    bytes: Vec<u8>,
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
            partitions: Partitions::default(),
            markers: program.markers.iter().map(|_| Interner::default()).collect(),
            waiting: Waiting::default(),
            contest: Contest::default(),
            work: Work::default(),
            taken: Vec::new(),
        }
    }

    /// Maps the objects of a page. Pages may come in any order.
    ///
    /// # Errors
    /// `Usage` where a rule asks for what the listing lacks (a size, a time, a storage class); `Unsupported` where a rule
    /// with repeated captures takes too many steps on a key. After an error the mapper is of no more use.
    pub fn page(&mut self, page: &Page, sink: &mut impl Sink) -> Result<()> {
        page.objects().try_for_each(|object| self.object(&object, sink))
    }

    /// Ends the listing: what `pick` or `done` held back comes out, in the order of the input.
    ///
    /// # Errors
    /// As [`Mapper::page`].
    pub fn finish(&mut self, sink: &mut impl Sink) -> Result<()> {
        let mut waiting = std::mem::take(&mut self.waiting);
        for number in (0..waiting.len()).filter(|number| waiting.verdict(*number).is_none()).collect::<Vec<_>>() {
            let object = waiting.object(number);
            self.work.begin(&object);
            // No rule waits on the last walk.
            if let Walk::Done(why) = self.walk(&object, true)? {
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

    fn object(&mut self, object: &Object<'_>, sink: &mut impl Sink) -> Result<()> {
        if self.program.is_manifest(object.bucket, object.key) {
            sink.leave(object, Why::Manifest);
            return Ok(());
        }
        self.work.begin(object);
        self.note_markers(object)?;
        match self.walk(object, false)? {
            Walk::Waits => self.waiting.hold(object, None),
            Walk::Done(why) if self.taken.iter().any(|(_, steps)| !steps.is_empty()) => {
                let candidates = self.contest.enter(&self.taken, object.modified);
                self.waiting.hold(object, Some((candidates, why)));
            }
            Walk::Done(why) => emit(object, self.taken.iter().map(|(taken, _)| (*taken, false)), why, sink),
        }
        Ok(())
    }

    /// Remembers the object as a marker of every `done` that it matches, whatever the rules make of it.
    fn note_markers(&mut self, object: &Object<'_>) -> Result<()> {
        let program = self.program;
        for (marker, seen) in program.markers.iter().zip(&mut self.markers) {
            let matches = self.work.matches(&marker.compiled, object);
            if !matches.map_err(|_| too_many_steps("a `done`", object))? || !self.work.read(&marker.compiled, object) {
                continue;
            }
            let Work { bucket, slots, read, expression, bytes, .. } = &mut self.work;
            let matched = Match::new(&marker.compiled, bucket, slots, read, object, program);
            if matched.write_names(&marker.binds, expression, bytes) {
                seen.intern(bytes);
            }
        }
        Ok(())
    }

    /// Holds the object against every table that may take it; `last` when no more markers can come.
    fn walk(&mut self, object: &Object<'_>, last: bool) -> Result<Walk> {
        let program = self.program;
        self.taken.clear();
        let mut why = Why::Manifest;
        for (number, table) in program.rules.tables.iter().enumerate() {
            if let Some(skipped) = skipped(&table.skip, object) {
                why = why.max(skipped);
                continue;
            }
            match self.table(number, object, last)? {
                Verdict::Takes(taken, steps) => {
                    self.taken.push((taken, steps));
                    if program.rules.claim == Claim::First {
                        break;
                    }
                }
                Verdict::Passes(reason) | Verdict::Leaves(reason) => why = why.max(reason),
                Verdict::Waits => return Ok(Walk::Waits),
            }
        }
        if why == Why::Unmatched && program.is_hidden_below(object.bucket, object.key) {
            why = Why::Hidden;
        }
        Ok(Walk::Done(why))
    }

    fn table(&mut self, number: usize, object: &Object<'_>, last: bool) -> Result<Verdict> {
        let program = self.program;
        let mut why = Why::Unmatched;
        for (index, rule) in program.tables[number].rules.iter().enumerate() {
            let matches = self.work.matches(&rule.compiled, object);
            if !matches.map_err(|_| too_many_steps(&place(program.table(number), index), object))? {
                continue;
            }
            match self.rule(number, index, object, last)? {
                Verdict::Passes(reason) => why = why.max(reason),
                verdict => return Ok(verdict),
            }
        }
        Ok(Verdict::Passes(why))
    }

    /// What stands between a match and taking the object: dates, `exclude`, `where`, `done`, values, in this order.
    fn rule(&mut self, number: usize, index: usize, object: &Object<'_>, last: bool) -> Result<Verdict> {
        let program = self.program;
        let table = program.table(number);
        let (rule, compiled) = (&table.rules[index], &program.tables[number].rules[index]);
        if !self.work.read(&compiled.compiled, object) {
            return Ok(Verdict::Passes(Why::BadDate));
        }
        if table.exclude.iter().any(|exclude| exclude.excludes(object)) {
            return Ok(Verdict::Leaves(Why::Excluded));
        }
        if rule.exclude.iter().any(|exclude| exclude.excludes(object)) {
            return Ok(Verdict::Passes(Why::Excluded));
        }
        let Work { bucket, slots, read, bytes, expression, .. } = &mut self.work;
        let matched = Match::new(&compiled.compiled, bucket, slots, read, object, program);
        for condition in &rule.conditions {
            match matched.holds(condition, expression) {
                Ok(true) => {}
                Ok(false) => return Ok(Verdict::Passes(Why::Filtered)),
                Err(no_value) => return verdict(no_value, table, index, object),
            }
        }
        if let Some(marker) = compiled.marker {
            let bound = matched.write_names(&program.markers[marker as usize].binds, expression, bytes);
            if !bound || self.markers[marker as usize].find(bytes).is_none() {
                return Ok(if last { Verdict::Passes(Why::Waiting) } else { Verdict::Waits });
            }
        }
        let partition = match self.partitions.find(number, &program.tables[number], rule, &matched, expression, bytes) {
            Ok(partition) => partition,
            Err(no_value) => return verdict(no_value, table, index, object),
        };
        let prefix_len = compiled.line_end.map(|slot| slots[slot as usize].saturating_sub(bucket.len() as u32));
        let taken = Taken { table: number as u32, rule: index as u32, partition, prefix_len };
        let start = self.contest.steps_len();
        for step in &table.pick {
            if let Err(no_value) = add_step(&mut self.contest, step, index, partition, &matched, expression) {
                return verdict(no_value, table, index, object);
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

impl Work {
    /// Sets up for an object.
    fn begin(&mut self, object: &Object<'_>) {
        self.bucket.clear();
        self.bucket.push_str(&object.bucket.name);
        self.bucket.push('/');
        self.text.clear();
        self.text.push_str(&self.bucket);
        self.text.push_str(object.key);
    }

    /// Whether the whole match text matches; the slots are left behind.
    fn matches(&mut self, compiled: &Compiled, object: &Object<'_>) -> Result<bool, TooManySteps> {
        let text = self.text.as_bytes();
        if compiled.scheme != object.bucket.scheme || !text.starts_with(&compiled.prefix) {
            return Ok(false);
        }
        self.slots.clear();
        self.slots.resize(compiled.pattern.slots as usize, UNSET);
        self.scratch.first(&compiled.code, text, 0, &mut self.slots)
    }

    /// Reads the captures of the match; `false` if one of its dates does not exist.
    fn read(&mut self, compiled: &Compiled, object: &Object<'_>) -> bool {
        let captured = Captured { bucket: &self.bucket, key: object.key, slots: &self.slots };
        self.read.captures(&compiled.pattern, &compiled.names, &captured, object.size)
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
        ValueSource::Capture(name) => matched.write_name(name, text),
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

/// Why the table does not look at the object at all.
pub(super) fn skipped(skip: &Skip, object: &Object<'_>) -> Option<Why> {
    let base = object.base_name();
    let archived = |class: &str| matches!(class, "GLACIER" | "DEEP_ARCHIVE");
    if skip.markers && object.key.ends_with('/') {
        Some(Why::Marker)
    } else if skip.hidden && base.starts_with(['.', '_']) {
        Some(Why::Hidden)
    } else if skip.folder && base.ends_with("_$folder$") {
        Some(Why::Folder)
    } else if skip.empty && object.size == Some(0) {
        Some(Why::Empty)
    } else if skip.archived && object.storage_class.is_some_and(archived) {
        Some(Why::Archived)
    } else {
        None
    }
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
    let attribute = match no_value {
        NoValue::Bad => return Ok(Verdict::Passes(Why::BadValue)),
        NoValue::NoLookup => return Ok(Verdict::Passes(Why::NoLookup)),
        NoValue::Lacks(lacking) => lacking.name(),
    };
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
