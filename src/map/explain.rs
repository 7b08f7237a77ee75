//! Why a rule takes a URI, or where exactly it stops: what `restitch explain` shows, as data.
//!
//! Slow and thorough: patterns are compiled anew with the places that their pieces came from. Never on the hot path.

use std::ops::Range;

use super::Why;
use super::backtrack::{Furthest, Scratch, UNSET};
use super::code::{Code, Instruction};
use super::page::Object;
use super::pattern::{RulePattern, flat};
use super::program::{Compiled, Program};
use super::values::{Captured, Match, Misread, NoValue, Read};
use crate::error::Result;
use crate::rules::table::{Claim, Matcher, Rule, Table, ValueSource};
use crate::value::PartitionValue;

/// What every table makes of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// It lies under a location of the rule file, so it is never an object.
    pub is_manifest: bool,
    /// Nothing takes it, and a directory below its listing prefix is hidden: counted as hidden, not as unmatched.
    pub is_hidden_below: bool,
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
    /// It matches, and a date does not exist, or its pieces disagree.
    BadDate { captures: Vec<Capture> },
    /// An `exclude` takes it out.
    Excluded { captures: Vec<Capture>, glob: String, from: ExcludedBy },
    /// A test of `where` does not hold: an index into the rule's conditions.
    Filtered { captures: Vec<Capture>, condition: usize },
    /// The bytes of this Hive value are no text: an index into the captures.
    BadHive { captures: Vec<Capture>, capture: usize },
    /// A column's value does not fit its type: an index into the partition columns.
    BadValue { captures: Vec<Capture>, column: usize, text: String },
    /// A lookup lacks the key: an index into the partition columns.
    NoLookup { captures: Vec<Capture>, column: usize },
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
    /// Bytes of the key that the line shows, under `line = "prefix"`.
    pub prefix_len: Option<u32>,
}

/// A named capture of a match; a date's pieces come one by one.
#[derive(Clone, Debug, PartialEq)]
pub struct Capture {
    pub name: String,
    /// In the template's source, in bytes; empty for `regex =`.
    pub span: Range<usize>,
    /// As it stands in the key; `None` where it took no part.
    pub text: Option<String>,
    /// What the name stands for; `None` is NULL.
    pub value: Option<String>,
}

/// Where a match came to its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    /// The piece that could not match, as a span in the template's source, in bytes. `None`: the whole template matched and the
    /// text went on, or there is no template (`regex =`).
    pub piece: Option<Range<usize>>,
    /// Where in the URI, in bytes, that piece was tried when it came furthest.
    pub at: usize,
    /// How far from there the URI agreed with it but for case.
    pub agreed: usize,
    /// What was expected at `at`: a text, or `None` where only the piece itself says it.
    pub expected: Option<String>,
    /// The rest of the URI from `at`.
    pub found: String,
    /// With `ignore_case` the rule would match.
    pub matches_in_any_case: bool,
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
        let leaves = |verdict: &RuleVerdict| {
            matches!(verdict, RuleVerdict::Excluded { from: ExcludedBy::Table | ExcludedBy::Defaults, .. })
        };
        let left = rules.iter().position(leaves).unwrap_or(rules.len());
        let takes = |verdict: &RuleVerdict| matches!(verdict, RuleVerdict::Takes(_));
        let taken_by = if skipped.is_none() { rules[..left].iter().position(takes) } else { None };
        tables.push(TableExplanation { table: number, skipped, claimed_by, taken_by, rules });
        if taken_by.is_some() && program.rules.claim == Claim::First {
            claimed_by = claimed_by.or(Some(number));
        }
    }
    Ok(Explanation {
        is_manifest: program.is_manifest(object.bucket, object.key),
        is_hidden_below: program.is_hidden_below(object.bucket, object.key) || program.hides_base_name(object),
        tables,
    })
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
        let expected = match code.instructions[furthest.instruction as usize] {
            Instruction::Text { start, end, .. } => {
                Some(String::from_utf8_lossy(&code.text[start as usize..end as usize]).into_owned())
            }
            Instruction::Match => Some(String::new()),
            _ => None,
        };
        let is_regex = matches!(self.rule.matcher, Matcher::Regex { .. });
        let mut agreed = furthest.end;
        while !text.is_char_boundary(agreed) {
            agreed -= 1;
        }
        Stop {
            piece: code.origins[furthest.instruction as usize].clone(),
            at: scheme + furthest.start,
            agreed: agreed - furthest.start,
            expected: expected.filter(|_| !is_regex),
            found: text[furthest.start..].to_owned(),
            matches_in_any_case: !self.rule.ignore_case && self.matches_in_any_case(text),
        }
    }

    fn matches_in_any_case(&self, text: &str) -> bool {
        let pattern = match &self.rule.matcher {
            Matcher::Template(template) => RulePattern::of_template(template, true),
            Matcher::Regex { under, regex } => RulePattern::of_regex(under, regex, true),
        };
        let mut slots = vec![UNSET; pattern.slots as usize];
        let code = Code::new(&pattern.parts, &[]);
        Scratch::default().first(&code, text.as_bytes(), 0, &mut slots).unwrap_or(false)
    }

    /// What comes after the match, in the order of the language.
    fn matched(&self, compiled: &Compiled, bucket: &str, slots: &[u32]) -> RuleVerdict {
        let mut read = Read::default();
        let captured = Captured { bucket, key: self.object.key, slots };
        match read.captures(&compiled.pattern, &compiled.names, &captured, self.object.size) {
            Ok(()) => {}
            Err(Misread::Date) => return RuleVerdict::BadDate { captures: texts(compiled, &captured, None) },
            Err(Misread::Hive(capture)) => {
                return RuleVerdict::BadHive { captures: texts(compiled, &captured, None), capture: capture as usize };
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
                Ok(false) | Err(_) => return RuleVerdict::Filtered { captures, condition: index },
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
                    None => return RuleVerdict::BadValue { captures, column, text },
                },
                // A time that no date says.
                Err(NoValue::Bad) => return RuleVerdict::BadValue { captures, column, text: String::new() },
                Err(NoValue::NoLookup) => return RuleVerdict::NoLookup { captures, column },
                Err(NoValue::Lacks(lacking)) => return RuleVerdict::Lacks { captures, attribute: lacking.name() },
            }
        }
        let program = &self.program.tables[self.number].rules[self.index];
        let waits_for = program.marker.map(|marker| {
            let names = self.program.markers[marker as usize].binds.iter();
            names.map(|name| (name.clone(), value(matched, name))).collect()
        });
        let bucket = matched.captured.bucket.len() as u32;
        let prefix_len = program.line_end.map(|slot| matched.captured.slots[slot as usize].saturating_sub(bucket));
        let sources = self.rule.values.iter().map(source_text).collect();
        RuleVerdict::Takes(Takes { captures, values, sources, waits_for, prefix_len })
    }
}

/// The named captures with their texts and, where the dates exist, what their names stand for.
fn texts(compiled: &Compiled, captured: &Captured<'_>, matched: Option<&Match<'_>>) -> Vec<Capture> {
    let kept = (0..).zip(&compiled.pattern.captures).filter(|(_, capture)| capture.name != "_" || matched.is_none());
    kept.map(|(index, capture)| Capture {
        name: capture.name.clone(),
        span: capture.span.clone(),
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
