//! Why a rule takes a URI, or where exactly it stops: what `restitch explain` shows, as data.
//!
//! Slow and thorough: patterns are compiled anew with the places that their pieces came from. Never on the hot path.

use std::ops::Range;

use super::Why;
use super::backtrack::{Furthest, Scratch, UNSET};
use super::code::{Code, Instruction};
use super::page::Object;
use super::pattern::flat;
use super::program::{Compiled, Program};
use super::remedy;
pub use super::remedy::Remedy;
use super::values::{Captured, Lacking, Match, Misread, NoValue, Read};
use crate::error::Result;
use crate::rules::set::{Expression, HoleValue};
use crate::rules::table::{Claim, Matcher, PickOne, Rule, Table, ValueSource};
use crate::rules::template::{CaptureKind, Piece, PieceKind, Template};
use crate::uri::Uri;
use crate::value::PartitionValue;

/// What every table makes of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The location of the rule file that it lies under: then it is never an object.
    pub below: Option<Uri>,
    /// Nothing takes it, and a directory below its listing prefix is hidden: counted as hidden, not as unmatched.
    pub is_hidden_below: bool,
    /// Every table that does not skip it excludes it, the first of them by this glob: where no rule matches it is counted as
    /// excluded, not as unmatched.
    pub excluded_by: Option<String>,
    /// Rules whose `done` it is the marker of: indices of table and rule.
    pub marks: Vec<(usize, usize)>,
    /// In the order of the file.
    pub tables: Vec<TableExplanation>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TableExplanation {
    /// An index into `Rules::tables`.
    pub table: usize,
    /// `skip` leaves it out before any rule looks at it.
    pub skipped: Option<Why>,
    /// Under `claim = "first"`: the earlier table that takes it.
    pub claimed_by: Option<usize>,
    /// The first rule that takes it, an index into the table's rules.
    pub taken_by: Option<usize>,
    /// One per rule, in order; those behind the one that takes it too.
    pub rules: Vec<RuleVerdict>,
}

/// What one rule says.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleVerdict {
    /// The rule looks into other buckets.
    OtherBucket,
    /// It does not match.
    Stopped(Stop),
    /// It matches, and this date does not exist, or its pieces (all that `captures` has of its name) disagree.
    BadDate { captures: Vec<Capture>, name: String },
    /// An `exclude` takes it out.
    Excluded { captures: Vec<Capture>, glob: String, from: ExcludedBy },
    /// A test of `where` does not hold: an index into the rule's conditions, and what is tested (`None` is NULL).
    Filtered { captures: Vec<Capture>, condition: usize, value: Option<String> },
    /// The bytes of this Hive value are no text.
    BadHive { captures: Vec<Capture>, name: String },
    /// A value does not fit its column's type: an index into the partition columns, `None` for `where`; `text` is `None`
    /// for a time that no date says.
    BadValue { captures: Vec<Capture>, column: Option<usize>, text: Option<String> },
    /// A lookup (an index into `Rules::lookups`) lacks the key: an index into the partition columns.
    NoLookup { captures: Vec<Capture>, column: usize, lookup: usize, key: String },
    /// A rule asks for what is not said about the object: `size`, `modified` or `storage_class`.
    Lacks { captures: Vec<Capture>, attribute: &'static str },
    /// It takes the object.
    Takes(Takes),
}

/// Whose `exclude` it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExcludedBy {
    Rule,
    Table,
    Defaults,
}

/// A match that passes everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Takes {
    pub captures: Vec<Capture>,
    /// One per partition column.
    pub values: Vec<PartitionValue>,
    /// What each value comes from: `{region}`, or the text of its `set`.
    pub sources: Vec<String>,
    /// The names that a marker must agree in, with their values, where the rule waits for one (`done`).
    pub waits_for: Option<Vec<(String, Option<String>)>>,
    /// What each step of the table's `pick` sees: the group, `None` where it is NULL or there is none to name.
    pub picks: Vec<Option<String>>,
    /// Bytes of the key that the line shows, under `line = "prefix"`.
    pub prefix_len: Option<u32>,
}

/// A named capture of a match; a date's pieces come one by one.
#[derive(Clone, Debug, PartialEq)]
pub struct Capture {
    pub name: String,
    /// As it stands in the key; `None` where it took no part.
    pub text: Option<String>,
    /// What the name stands for; `None` is NULL.
    pub value: Option<String>,
}

/// Where a match came to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    /// What could not match, as a span in the template's source, in bytes; empty, at its end, where the whole template
    /// matched and the key went on. `None` under `regex =`.
    pub piece: Option<Range<usize>>,
    /// Where in the URI, in bytes, it was tried when it came furthest.
    pub at: usize,
    /// What would have had to stand there, in words.
    pub expected: String,
    pub remedy: Option<Remedy>,
}

/// Explains one object.
///
/// # Errors
/// `Unsupported` where a rule with repeated captures takes too many steps on the key.
pub fn explain(program: &Program, object: &Object<'_>) -> Result<Explanation> {
    let mut tables = Vec::new();
    let mut claimed_by = None;
    for (number, table) in program.rules.tables.iter().enumerate() {
        let mut rules = Vec::new();
        for rule in 0..table.rules.len() {
            rules.push(Explainer { program, table, number, rule: &table.rules[rule], index: rule, object }.verdict()?);
        }
        let skips = program.tables[number].skips;
        let skipped = skips.why(skips.given_by(object, object.base_name()));
        let left = rules.iter().position(RuleVerdict::leaves).unwrap_or(rules.len());
        let takes = |verdict: &RuleVerdict| matches!(verdict, RuleVerdict::Takes(_));
        let taken_by = if skipped.is_none() { rules[..left].iter().position(takes) } else { None };
        tables.push(TableExplanation { table: number, skipped, claimed_by, taken_by, rules });
        if taken_by.is_some() && program.rules.claim == Claim::First {
            claimed_by = claimed_by.or(Some(number));
        }
    }
    Ok(Explanation {
        below: program.location_of(object.bucket, object.key).cloned(),
        is_hidden_below: program.is_hidden_below(object.bucket, object.key)
            || program.hides_base_name(object, object.base_name()),
        excluded_by: excluded_by(program, &tables, object),
        marks: marks(program, object)?,
        tables,
    })
}

impl Explanation {
    /// The tables that take the object; `pick` may still prefer others, and rules with `done` wait for their marker.
    pub fn takers(&self) -> impl Iterator<Item = &TableExplanation> {
        self.tables
            .iter()
            .filter(|table| self.below.is_none() && table.claimed_by.is_none() && table.taken_by.is_some())
    }

    /// Why nothing takes it, in the word of `map`; `None` if something does.
    pub fn why(&self) -> Option<Why> {
        if self.below.is_some() {
            return Some(Why::Manifest);
        }
        if self.takers().next().is_some() {
            return None;
        }
        let why = self.tables.iter().map(TableExplanation::why).max().unwrap_or(Why::Unmatched);
        Some(match why {
            Why::Unmatched if self.excluded_by.is_some() => Why::Excluded,
            Why::Unmatched if self.is_hidden_below => Why::Hidden,
            why => why,
        })
    }
}

impl TableExplanation {
    /// The rules that the table asks, with their verdicts: up to the one that takes the object, or leaves it to other
    /// tables.
    pub fn asked(&self) -> &[RuleVerdict] {
        let ends = |verdict: &RuleVerdict| matches!(verdict, RuleVerdict::Takes(_)) || verdict.leaves();
        &self.rules[..self.rules.iter().position(ends).map_or(self.rules.len(), |end| end + 1)]
    }

    fn why(&self) -> Why {
        let of_rules = self.asked().iter().map(RuleVerdict::why).max().unwrap_or(Why::Unmatched);
        self.skipped.unwrap_or(of_rules)
    }
}

impl RuleVerdict {
    /// Whether no other rule of the table is asked, for its own or the file's `exclude` counts.
    pub fn leaves(&self) -> bool {
        matches!(self, RuleVerdict::Excluded { from: ExcludedBy::Table | ExcludedBy::Defaults, .. })
    }

    /// Why the rule does not take it, in the word of `map`.
    pub fn why(&self) -> Why {
        match self {
            RuleVerdict::OtherBucket | RuleVerdict::Stopped(_) => Why::Unmatched,
            RuleVerdict::BadDate { .. } => Why::BadDate,
            RuleVerdict::Excluded { .. } => Why::Excluded,
            RuleVerdict::Filtered { .. } => Why::Filtered,
            RuleVerdict::BadHive { .. } | RuleVerdict::BadValue { .. } | RuleVerdict::Lacks { .. } => Why::BadValue,
            RuleVerdict::NoLookup { .. } => Why::NoLookup,
            RuleVerdict::Takes(_) => Why::Waiting,
        }
    }
}

/// The glob by which the first of the tables that ask their rules excludes the object, if all of them do.
fn excluded_by(program: &Program, tables: &[TableExplanation], object: &Object<'_>) -> Option<String> {
    let asked = tables.iter().filter(|table| table.skipped.is_none());
    let globs = asked.map(|table| {
        let mut excludes = program.rules.tables[table.table].exclude.iter();
        excludes.find(|exclude| exclude.excludes(object)).map(|exclude| exclude.source.clone())
    });
    globs.collect::<Option<Vec<String>>>()?.into_iter().next()
}

/// The rules that wait for this object as their marker.
fn marks(program: &Program, object: &Object<'_>) -> Result<Vec<(usize, usize)>> {
    let mut found = Vec::new();
    for (number, table) in program.tables.iter().enumerate() {
        for (index, rule) in table.rules.iter().enumerate() {
            let Some(marker) = rule.marker else { continue };
            let compiled = &program.markers[marker as usize].compiled;
            if !compiled.is_of(object.bucket) {
                continue;
            }
            let text = format!("{}{}", object.bucket.match_prefix(), object.key);
            let mut slots = vec![UNSET; compiled.pattern.slots as usize];
            let code = Code::new(&compiled.pattern.parts, &[]);
            let matches = Scratch::default().first(&code, text.as_bytes(), 0, &mut slots);
            if matches.map_err(|_| super::mapper::too_many_steps("a `done`", object))? {
                found.push((number, index));
            }
        }
    }
    Ok(found)
}

struct Explainer<'a> {
    program: &'a Program,
    table: &'a Table,
    number: usize,
    rule: &'a Rule,
    index: usize,
    object: &'a Object<'a>,
}

impl Explainer<'_> {
    fn verdict(&self) -> Result<RuleVerdict> {
        let compiled = &self.program.tables[self.number].rules[self.index].compiled;
        if !compiled.is_of(self.object.bucket) {
            return Ok(RuleVerdict::OtherBucket);
        }
        let bucket = self.object.bucket.match_prefix();
        let text = format!("{bucket}{}", self.object.key);
        let mut slots = vec![UNSET; compiled.pattern.slots as usize];
        let mut scratch = Scratch::default();
        let code = Code::new(&flat(compiled.pattern.parts.clone()), &[]);
        let furthest = scratch.furthest(&code, text.as_bytes(), 0, &mut slots);
        let too_many = |_| super::mapper::too_many_steps(&super::mapper::place(self.table, self.index), self.object);
        match furthest.map_err(too_many)? {
            Some(furthest) => Ok(RuleVerdict::Stopped(self.stop(&code, &furthest, &text))),
            None => Ok(self.matched(compiled, &bucket, &slots)),
        }
    }

    fn stop(&self, code: &Code, furthest: &Furthest, text: &str) -> Stop {
        let scheme = self.object.bucket.scheme.name().len() + "://".len();
        let piece = code.origins[furthest.instruction as usize].clone();
        let (place, at, expected) = match &self.rule.matcher {
            Matcher::Regex { under, .. } => {
                let (at, expected) = stop_of_regex(under, furthest, text);
                (None, at, expected)
            }
            Matcher::Template(template) => {
                let ended = matches!(code.instructions[furthest.instruction as usize], Instruction::Match);
                let found = piece.as_ref().filter(|_| !ended).and_then(|span| find(&template.pieces, span, None));
                match found {
                    None => {
                        let end = template.source.len();
                        (Some(end..end), furthest.start, "the end of the key".to_owned())
                    }
                    Some((piece, group)) => {
                        let (place, at, expected) = stop_at(template, piece, group, furthest, text);
                        (Some(place), at, expected)
                    }
                }
            }
        };
        let remedy = remedy::find(self.rule, text, piece.as_ref(), at);
        Stop { piece: place, at: scheme + at, expected, remedy }
    }

    /// What comes after the match, in the order of the language.
    fn matched(&self, compiled: &Compiled, bucket: &str, slots: &[u32]) -> RuleVerdict {
        let mut read = Read::default();
        let captured = Captured { bucket, key: self.object.key, slots };
        match read.captures(&compiled.pattern, &compiled.names, &captured, self.object.size) {
            Ok(()) => {}
            Err(Misread::Date) => {
                // The dates that exist have been read; the next one does not.
                let number = read.dates().len() as u32;
                let bad = compiled.names.iter().find(|name| name.date == Some(number));
                let name = bad.map_or_else(String::new, |bad| bad.name.clone());
                return RuleVerdict::BadDate { captures: texts(compiled, &captured, None), name };
            }
            Err(Misread::Hive(capture)) => {
                let name = compiled.pattern.captures[capture as usize].name.clone();
                return RuleVerdict::BadHive { captures: texts(compiled, &captured, None), name };
            }
        }
        let matched = Match::new(compiled, bucket, slots, &read, self.object, self.program);
        let captures = texts(compiled, &captured, Some(&matched));
        let of_table = self.table.exclude.iter().map(|exclude| (exclude, ExcludedBy::Table));
        let of_rule = self.rule.exclude.iter().map(|exclude| (exclude, ExcludedBy::Rule));
        for (exclude, from) in of_table.chain(of_rule) {
            if exclude.excludes(self.object) {
                let from = if exclude.from_defaults { ExcludedBy::Defaults } else { from };
                return RuleVerdict::Excluded { captures, glob: exclude.source.clone(), from };
            }
        }
        let mut text = String::new();
        for (index, condition) in self.rule.conditions.iter().enumerate() {
            match matched.holds(condition, &mut text) {
                Ok(true) => {}
                Err(NoValue::Lacks(lacking)) => return RuleVerdict::Lacks { captures, attribute: lacking.name() },
                Err(_) => return RuleVerdict::BadValue { captures, column: None, text: None },
                Ok(false) => {
                    let value = Some(text).filter(|text| !text.is_empty());
                    return RuleVerdict::Filtered { captures, condition: index, value };
                }
            }
        }
        self.valued(&matched, captures)
    }

    fn valued(&self, matched: &Match<'_>, captures: Vec<Capture>) -> RuleVerdict {
        let mut values = Vec::new();
        let types = &self.program.tables[self.number].types;
        for (column, (source, kind)) in self.rule.values.iter().zip(types).enumerate() {
            let mut text = String::new();
            let written = match source {
                ValueSource::Capture(name) => Ok(matched.write_name(name, &mut text)),
                ValueSource::Expression(expression) => matched.write(expression, &mut text),
            };
            match written {
                Ok(_) => match kind.value(&text) {
                    Some(value) => values.push(value),
                    None => return RuleVerdict::BadValue { captures, column: Some(column), text: Some(text) },
                },
                Err(NoValue::Bad) => return RuleVerdict::BadValue { captures, column: Some(column), text: None },
                Err(NoValue::NoLookup) => {
                    let (lookup, key) = missed(source, matched);
                    return RuleVerdict::NoLookup { captures, column, lookup, key };
                }
                Err(NoValue::Lacks(lacking)) => return RuleVerdict::Lacks { captures, attribute: lacking.name() },
            }
        }
        let mut picks = Vec::new();
        for step in &self.table.pick {
            let mut text = String::new();
            let (one, newest) = match &step.one {
                PickOne::Rule => (None, false),
                PickOne::Greatest(one) => (Some(one), false),
                PickOne::Newest(one) => (Some(one), true),
            };
            let lacking = match one.map(|one| matched.write(one, &mut text)) {
                Some(Err(NoValue::Lacks(lacking))) => Some(lacking),
                _ if newest && self.object.modified.is_none() => Some(Lacking::Modified),
                _ => None,
            };
            if let Some(lacking) = lacking {
                return RuleVerdict::Lacks { captures, attribute: lacking.name() };
            }
            picks.push(Some(text).filter(|text| !text.is_empty()));
        }
        let program = &self.program.tables[self.number].rules[self.index];
        let waits_for = program.marker.map(|marker| {
            let names = self.program.markers[marker as usize].binds.iter();
            names.map(|name| (name.clone(), value(matched, name))).collect()
        });
        let bucket = matched.captured.bucket.len() as u32;
        let prefix_len = program.line_end.map(|slot| matched.captured.slots[slot as usize].saturating_sub(bucket));
        let sources = self.rule.values.iter().map(source_text).collect();
        RuleVerdict::Takes(Takes { captures, values, sources, waits_for, picks, prefix_len })
    }
}

/// The named captures with their texts and, where the dates exist, what their names stand for.
fn texts(compiled: &Compiled, captured: &Captured<'_>, matched: Option<&Match<'_>>) -> Vec<Capture> {
    let kept = (0..).zip(&compiled.pattern.captures).filter(|(_, capture)| capture.name != "_" || matched.is_none());
    kept.map(|(index, capture)| Capture {
        name: capture.name.clone(),
        text: captured.text(index).map(str::to_owned),
        value: matched.and_then(|matched| value(matched, &capture.name)),
    })
    .collect()
}

fn value(matched: &Match<'_>, name: &str) -> Option<String> {
    let mut text = String::new();
    matched.write_name(name, &mut text).then_some(text)
}

fn source_text(source: &ValueSource) -> String {
    match source {
        ValueSource::Capture(name) => format!("{{{name}}}"),
        ValueSource::Expression(expression) => expression.source.clone(),
    }
}

/// The lookup that lacks a key, and the key.
fn missed(source: &ValueSource, matched: &Match<'_>) -> (usize, String) {
    let ValueSource::Expression(expression) = source else { return (0, String::new()) };
    let missed = std::cell::RefCell::new((0, String::new()));
    let lookup = |table: usize, key: &str| {
        let found = matched.lookups[table].entries.get(key).map(String::as_str);
        if found.is_none() {
            *missed.borrow_mut() = (table, key.to_owned());
        }
        found
    };
    evaluate(expression, matched, &lookup);
    missed.into_inner()
}

fn evaluate<'v>(expression: &Expression, matched: &Match<'v>, lookup: &dyn Fn(usize, &str) -> Option<&'v str>) {
    let mut value_of = |from: &_| matched.hole(from).unwrap_or(HoleValue::Null);
    expression.evaluate(&mut String::new(), &mut value_of, lookup);
}

/// Under `regex =`: the prefix comes first, then the expression.
fn stop_of_regex(under: &Uri, furthest: &Furthest, text: &str) -> (usize, String) {
    let prefix = under.bucket.match_prefix() + &under.key;
    let same = text.bytes().zip(prefix.bytes()).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
    if same < prefix.len() {
        let at = prefix[..floor(&prefix, same)].rfind('/').map_or(0, |slash| slash + 1);
        return (at.min(text.len()), format!("`{}`", &prefix[at..]));
    }
    (floor(text, furthest.end), "what `regex` says".to_owned())
}

/// The piece at `span`, and the outermost alternatives of which it is the first piece of a branch.
fn find<'p>(
    pieces: &'p [Piece],
    span: &Range<usize>,
    group: Option<&'p Piece>,
) -> Option<(&'p Piece, Option<&'p Piece>)> {
    pieces.iter().enumerate().find_map(|(index, piece)| match &piece.kind {
        PieceKind::Alternatives(branches) => {
            let outer = if index == 0 { group } else { None };
            branches.iter().find_map(|branch| find(branch, span, Some(outer.unwrap_or(piece))))
        }
        _ if piece.span == *span => Some((piece, group.filter(|_| index == 0))),
        _ => None,
    })
}

/// What of the template stopped, where in the text, and what was expected there.
fn stop_at(
    template: &Template,
    piece: &Piece,
    group: Option<&Piece>,
    furthest: &Furthest,
    text: &str,
) -> (Range<usize>, usize, String) {
    let start = furthest.start;
    if let Some(group) = group.filter(|_| furthest.end == start) {
        let written = template.source.get(group.span.clone()).unwrap_or_default();
        return (group.span.clone(), start, format!("one of `{written}`"));
    }
    match &piece.kind {
        PieceKind::Text(literal) => {
            let same = literal.bytes().zip(text[start..].bytes()).take_while(|(a, b)| a == b).count();
            let slash = |text: &str, upto: usize| text[..floor(text, upto)].rfind('/').map_or(0, |slash| slash + 1);
            // Of a longer text, the component that differs.
            let from = slash(literal, same);
            let to = literal[from..].find('/').map_or(literal.len(), |slash| from + slash + 1);
            let is_verbatim = template.source.get(piece.span.clone()) == Some(literal);
            let place = if is_verbatim { piece.span.start + from..piece.span.start + to } else { piece.span.clone() };
            (place, start + from, format!("`{}`", &literal[from..to]))
        }
        kind => {
            let within = &text[start..floor(text, furthest.end)];
            let from = if matches!(kind, PieceKind::Capture { kind: CaptureKind::Date(_), .. }) {
                within.rfind('/').map_or(0, |slash| slash + 1)
            } else {
                0
            };
            (piece.span.clone(), start + from, expected(template, piece))
        }
    }
}

/// What a piece that is no text takes, in words.
fn expected(template: &Template, piece: &Piece) -> String {
    let written = template.source.get(piece.span.clone()).unwrap_or_default();
    let some = "one or more characters but `/`";
    match &piece.kind {
        PieceKind::Text(text) => format!("`{text}`"),
        PieceKind::Star => "any characters but `/`".to_owned(),
        PieceKind::AnyChar => "one character but `/`".to_owned(),
        PieceKind::Class(_) => format!("one character of `{written}`"),
        PieceKind::Directories => "whole directories".to_owned(),
        PieceKind::Below => "an object below".to_owned(),
        PieceKind::Alternatives(_) => format!("one of `{written}`"),
        PieceKind::Repeat(name) => format!("the text of `{{{name}}}` again"),
        PieceKind::Capture { kind, .. } => match kind {
            CaptureKind::Plain | CaptureKind::Hive => some.to_owned(),
            CaptureKind::Int => "digits".to_owned(),
            CaptureKind::IntOf(1) => "1 digit".to_owned(),
            CaptureKind::IntOf(digits) => format!("{digits} digits"),
            CaptureKind::In(items) => {
                format!("one of {}", items.iter().map(|i| format!("`{i}`")).collect::<Vec<_>>().join(", "))
            }
            CaptureKind::Re(expression) => format!("text as in `{expression}`"),
            CaptureKind::Path => "one or more whole components".to_owned(),
            CaptureKind::Date(form) => format!("a date `{}`", form.source),
            CaptureKind::Epoch => "9 or 10 digits".to_owned(),
            CaptureKind::EpochMs => "12 or 13 digits".to_owned(),
        },
    }
}

/// The nearest character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
