//! From captures to values: dates put together, tests of `where`, expressions of `set`, typed partition values.
//!
//! Everything here is told what it needs; nothing is looked up in the world. On the ordinary path none of it runs: the
//! mapper remembers what a combination of captures came to.

use std::cmp::Ordering;
use std::fmt;

use super::Why;
use super::backtrack::UNSET;
use super::page::Object;
use super::pattern::RulePattern;
use crate::rules::date::{DatePart, DatePieces, PartialDate};
use crate::rules::order::natural_order;
use crate::rules::set::{Attribute, Expression, HoleSource, HoleValue, Outcome};
use crate::rules::table::{Condition, ConditionOn, Lookup, Operator};
use crate::rules::template::CaptureKind;
use crate::value::{HIVE_NULL, hive_unescape};

/// A match: where each capture lies in the match text (`bucket/` and the key).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Captured<'a> {
    /// `bucket/`
    pub bucket: &'a str,
    pub key: &'a str,
    pub slots: &'a [u32],
}

impl<'a> Captured<'a> {
    /// The text of a capture; `None` where it took no part.
    pub fn text(&self, capture: u32) -> Option<&'a str> {
        let (start, end) = (self.slots[2 * capture as usize], self.slots[2 * capture as usize + 1]);
        if start == UNSET || end == UNSET {
            return None;
        }
        let (start, end) = (start as usize, end as usize);
        match start.checked_sub(self.bucket.len()) {
            Some(in_key) => self.key.get(in_key..end - self.bucket.len()),
            None => self.bucket.get(start..end),
        }
    }
}

/// A name that a pattern binds, and the captures it stands in.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub name: String,
    /// Indices into [`RulePattern::captures`].
    pub captures: Vec<u32>,
    /// An index into the dates of a match, where it is a date.
    pub date: Option<u32>,
}

/// All names of a pattern. Dates that are only checked (`{_:date(…)}`) have one each, called `_`.
pub(crate) fn names(pattern: &RulePattern) -> Vec<Name> {
    let mut names: Vec<Name> = Vec::new();
    let mut dates = 0..;
    for (index, capture) in pattern.captures.iter().enumerate() {
        let known = names.iter_mut().find(|known| known.name == capture.name && capture.name != "_");
        match known {
            Some(known) => known.captures.push(index as u32),
            None => {
                let date = if is_date(&capture.kind) { dates.next() } else { None };
                names.push(Name { name: capture.name.clone(), captures: vec![index as u32], date });
            }
        }
    }
    names
}

fn is_date(kind: &CaptureKind) -> bool {
    matches!(kind, CaptureKind::Date(_) | CaptureKind::Epoch | CaptureKind::EpochMs)
}

/// A rule's match with its dates put together: what conditions and expressions are asked of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Match<'a> {
    pub pattern: &'a RulePattern,
    pub names: &'a [Name],
    pub captured: Captured<'a>,
    pub read: &'a Read,
    pub object: &'a Object<'a>,
    pub lookups: &'a [Lookup],
}

/// Why an expression came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoValue {
    /// The listing does not say it.
    Lacks(Lacking),
    /// A key that the lookup lacks, with no default behind it.
    NoLookup,
    /// A value that its type does not take.
    Bad,
}

/// An attribute that a listing may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lacking {
    Size,
    Modified,
    StorageClass,
}

/// Why a match is none once its captures are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misread {
    /// A date that does not exist, or disagrees with itself.
    Date,
    /// The bytes of this Hive value are no UTF-8.
    Hive(u32),
}

/// What the captures of a match say, as far as it is not their text.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// One per name that is a date; `None` where no piece of it took part, or none that is kept.
    dates: Vec<Option<PartialDate>>,
    /// Hive values that are escaped, by capture.
    unescaped: Vec<(u32, String)>,
    /// The object's size in digits.
    size: String,
}

impl Read {
    /// One per name that is a date, up to the first that does not exist.
    pub fn dates(&self) -> &[Option<PartialDate>] {
        &self.dates
    }

    /// Reads a match anew.
    ///
    /// # Errors
    /// Why it is none after all.
    pub fn captures(
        &mut self,
        pattern: &RulePattern,
        names: &[Name],
        captured: &Captured<'_>,
        size: Option<u64>,
    ) -> Result<(), Misread> {
        if !read_dates(pattern, names, captured, &mut self.dates) {
            return Err(Misread::Date);
        }
        self.unescaped.clear();
        for (index, capture) in (0..).zip(&pattern.captures) {
            let text = captured.text(index).filter(|text| capture.kind == CaptureKind::Hive && text.contains('%'));
            if let Some(text) = text {
                self.unescaped.push((index, hive_unescape(text).ok_or(Misread::Hive(index))?.into_owned()));
            }
        }
        self.size.clear();
        if let Some(size) = size {
            fmt::Write::write_fmt(&mut self.size, format_args!("{size}")).expect("a String takes all text");
        }
        Ok(())
    }
}

impl Misread {
    pub fn why(self) -> Why {
        match self {
            Misread::Date => Why::BadDate,
            Misread::Hive(_) => Why::BadValue,
        }
    }
}

impl NoValue {
    /// The reason to give for an object that a rule does not take for this.
    pub fn why(self) -> Why {
        match self {
            NoValue::NoLookup => Why::NoLookup,
            NoValue::Bad | NoValue::Lacks(_) => Why::BadValue,
        }
    }
}

impl Lacking {
    /// As rule files and listings call it.
    pub fn name(self) -> &'static str {
        match self {
            Lacking::Size => "size",
            Lacking::Modified => "modified",
            Lacking::StorageClass => "storage_class",
        }
    }
}

/// Puts the dates of a match together into `dates`.
fn read_dates(
    pattern: &RulePattern,
    names: &[Name],
    captured: &Captured<'_>,
    dates: &mut Vec<Option<PartialDate>>,
) -> bool {
    dates.clear();
    for name in names.iter().filter(|name| name.date.is_some()) {
        let mut pieces = DatePieces::default();
        for capture in &name.captures {
            let Some(text) = captured.text(*capture) else { continue };
            match &pattern.captures[*capture as usize].kind {
                CaptureKind::Date(form) => {
                    if !read_form(&form.parts, text.as_bytes(), &mut pieces) {
                        return false;
                    }
                }
                CaptureKind::EpochMs => pieces.add_epoch(text.parse().unwrap_or(i64::MAX) / 1000),
                _ => pieces.add_epoch(text.parse().unwrap_or(i64::MAX)),
            }
        }
        match pieces.finish() {
            Some(date) => dates.push(Some(date).filter(|date| *date != PartialDate::default())),
            None => return false,
        }
    }
    true
}

/// Reads a text that the form's expression has matched, fields in the first order in which the whole of it fits.
fn read_form(parts: &[DatePart], text: &[u8], pieces: &mut DatePieces) -> bool {
    let Some((part, rest)) = parts.split_first() else { return text.is_empty() };
    match part {
        // Under `ignore_case` the text may stand in another case, of another length.
        DatePart::Text(literal) => (0..=text.len()).any(|end| {
            let same = std::str::from_utf8(&text[..end]).is_ok_and(|found| same_in_any_case(found, literal));
            same && read_form(rest, &text[end..], pieces)
        }),
        DatePart::Field(field) => field.readings(text).into_iter().flatten().any(|reading| {
            let mut with = *pieces;
            with.add(*field, reading.value);
            let fits = read_form(rest, &text[usize::from(reading.len)..], &mut with);
            if fits {
                *pieces = with;
            }
            fits
        }),
    }
}

fn same_in_any_case(a: &str, b: &str) -> bool {
    a == b || a.chars().map(super::backtrack::fold).eq(b.chars().map(super::backtrack::fold))
}

impl<'a> Match<'a> {
    /// What the name stands for; NULL where nothing binds it.
    pub fn name(&self, name: &str) -> HoleValue<'a> {
        let Some(known) = self.names.iter().find(|known| known.name == name) else { return HoleValue::Null };
        if let Some(date) = known.date {
            return self.read.dates[date as usize].map_or(HoleValue::Null, HoleValue::Date);
        }
        let taken = known.captures.iter().find_map(|capture| Some((*capture, self.captured.text(*capture)?)));
        let Some((capture, text)) = taken else { return HoleValue::Null };
        if self.pattern.captures[capture as usize].kind != CaptureKind::Hive {
            return of_text(text);
        }
        match self.read.unescaped.iter().find(|unescaped| unescaped.0 == capture) {
            Some((_, unescaped)) => of_text(unescaped),
            None if text == HIVE_NULL => HoleValue::Null,
            None => of_text(text),
        }
    }

    /// What fills a hole of an expression.
    ///
    /// # Errors
    /// `Bad` for a Hive value that is no text, `Lacks` for an attribute that the listing does not say.
    pub fn hole(&self, from: &HoleSource) -> Result<HoleValue<'a>, NoValue> {
        match from {
            HoleSource::Capture(name) => Ok(self.name(name)),
            HoleSource::Attribute(attribute) => self.attribute(*attribute),
        }
    }

    fn attribute(&self, attribute: Attribute) -> Result<HoleValue<'a>, NoValue> {
        Ok(match attribute {
            Attribute::Name => of_text(base_name(self.captured.key)),
            Attribute::Bucket => of_text(self.captured.bucket.strip_suffix('/').unwrap_or(self.captured.bucket)),
            Attribute::Size if self.object.size.is_none() => return Err(NoValue::Lacks(Lacking::Size)),
            Attribute::Size => of_text(&self.read.size),
            Attribute::Modified => {
                let modified = self.object.modified.ok_or(NoValue::Lacks(Lacking::Modified))?;
                HoleValue::Date(PartialDate::from_epoch(modified).ok_or(NoValue::Bad)?)
            }
        })
    }

    /// Writes what the names stand for, so that two matches that agree in all of them write the same.
    pub fn write_names(&self, names: &[String], text: &mut String, out: &mut Vec<u8>) {
        out.clear();
        for name in names {
            text.clear();
            let known = self.write_name(name, text);
            write_text(known.then_some(text), out);
        }
    }

    /// Appends what a name stands for; `false` if it is NULL.
    pub fn write_name(&self, name: &str, out: &mut String) -> bool {
        write_value(self.name(name), out)
    }

    /// Appends an expression's text to `out`; `false` if it is NULL, and then nothing is appended.
    ///
    /// # Errors
    /// Why it has no value at all.
    pub fn write(&self, expression: &Expression, out: &mut String) -> Result<bool, NoValue> {
        let mut nothing = None;
        let mut value_of = |from: &HoleSource| {
            self.hole(from).unwrap_or_else(|no_value| {
                nothing.get_or_insert(no_value);
                HoleValue::Null
            })
        };
        let lookups: &'a [Lookup] = self.lookups;
        let lookup = |table: usize, key: &str| lookups[table].entries.get(key).map(String::as_str);
        let outcome = expression.evaluate(out, &mut value_of, &lookup);
        match (nothing, outcome) {
            (Some(no_value), _) => Err(no_value),
            (None, Outcome::NoSuchKey) => Err(NoValue::NoLookup),
            (None, outcome) => Ok(outcome == Outcome::Text),
        }
    }

    /// Whether a test of `where` holds.
    ///
    /// # Errors
    /// `Lacks` if it is on what the listing does not say.
    pub fn holds(&self, condition: &Condition, text: &mut String) -> Result<bool, NoValue> {
        text.clear();
        let known = match &condition.on {
            ConditionOn::Capture(name) => self.write_name(name, text),
            ConditionOn::Size => write_value(self.attribute(Attribute::Size)?, text),
            ConditionOn::Bucket => write_value(self.attribute(Attribute::Bucket)?, text),
            ConditionOn::Name => write_value(self.attribute(Attribute::Name)?, text),
            ConditionOn::Modified => {
                let known = write_value(self.attribute(Attribute::Modified)?, text);
                as_instant(text);
                known
            }
            ConditionOn::StorageClass => {
                let class = self.object.storage_class.ok_or(NoValue::Lacks(Lacking::StorageClass))?;
                text.push_str(class);
                !class.is_empty()
            }
        };
        if !known {
            return Ok(false);
        }
        let order = natural_order(text, &condition.value);
        Ok(match condition.operator {
            Operator::Equal => order == Ordering::Equal,
            Operator::NotEqual => order != Ordering::Equal,
            Operator::Less => order == Ordering::Less,
            Operator::LessOrEqual => order != Ordering::Greater,
            Operator::Greater => order == Ordering::Greater,
            Operator::GreaterOrEqual => order != Ordering::Less,
        })
    }
}

fn of_text(text: &str) -> HoleValue<'_> {
    if text.is_empty() { HoleValue::Null } else { HoleValue::Text(text) }
}

fn base_name(key: &str) -> &str {
    &key[key.rfind('/').map_or(0, |slash| slash + 1)..]
}

/// Appends a value's text; `false` if it is NULL.
fn write_value(value: HoleValue<'_>, out: &mut String) -> bool {
    match value {
        HoleValue::Null => return false,
        HoleValue::Text(text) => out.push_str(text),
        HoleValue::Date(date) => date.write_value(out),
    }
    true
}

/// `2024-03-01T06:00:00Z`: how `where` sees `modified`.
fn as_instant(text: &mut String) {
    if let Some(space) = text.find(' ') {
        text.replace_range(space..=space, "T");
    }
    text.push('Z');
}

/// Appends a text or NULL so that a sequence of them can be told from every other.
pub(crate) fn write_text(text: Option<&str>, out: &mut Vec<u8>) {
    let len = text.map_or(u32::MAX, |text| text.len() as u32);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(text.unwrap_or("").as_bytes());
}
