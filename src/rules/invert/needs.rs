//! Backwards from the values of partition columns: what captures must have said for them.
//!
//! Where that cannot be told, nothing is said of a capture: then it may be anything. What is said holds for every match
//! that gives the values.

use std::collections::{BTreeMap, BTreeSet};

use super::fields::{Known, canonical};
use crate::rules::date::{DateForm, DatePart, Field};
use crate::rules::set::{Attribute, Expression, ExpressionPart, Filter, Hole, HoleSource};
use crate::rules::table::{Lookup, ValueSource};
use crate::rules::template::Template;
use crate::value::{HIVE_NULL, PartitionType, PartitionValue};

/// Ways of one value that are told apart; where there are more, nothing is said.
const MAX_WAYS: usize = 64;

/// Zeros that whole numbers are tried with: as many as a form has digits.
const MAX_ZEROS: usize = 17;

/// What the captures of a match say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    texts: BTreeMap<String, Need>,
    dates: BTreeMap<String, Known>,
}

/// What one capture says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Need {
    /// One of these; `None` is NULL.
    pub texts: BTreeSet<Option<String>>,
    /// They are whole numbers, whatever zeros stand in front.
    pub is_number: bool,
}

impl Needs {
    pub fn text(&self, name: &str) -> Option<&Need> {
        self.texts.get(name)
    }

    pub fn date(&self, name: &str) -> Option<&Known> {
        self.dates.get(name)
    }

    fn of_text(name: &str, texts: BTreeSet<Option<String>>, is_number: bool) -> Needs {
        Needs { texts: BTreeMap::from([(name.to_owned(), Need { texts, is_number })]), ..Needs::default() }
    }

    fn of_date(name: &str, known: Known) -> Needs {
        Needs { dates: BTreeMap::from([(name.to_owned(), known)]), ..Needs::default() }
    }

    /// Both; `None` where they contradict each other.
    fn and(&self, other: &Needs) -> Option<Needs> {
        let mut both = self.clone();
        for (name, need) in &other.texts {
            let Some(known) = both.texts.get_mut(name) else {
                both.texts.insert(name.clone(), need.clone());
                continue;
            };
            match (known.is_number, need.is_number) {
                // Each has a say of its own: what is said by texts is the closer one.
                (true, false) => *known = need.clone(),
                (false, true) => {}
                _ => known.texts.retain(|text| need.texts.contains(text)),
            }
            if known.texts.is_empty() {
                return None;
            }
        }
        for (name, known) in &other.dates {
            let all = both.dates.entry(name.clone()).or_default();
            for (field, value) in known {
                if *all.entry(*field).or_insert(*value) != *value {
                    return None;
                }
            }
        }
        Some(both)
    }
}

/// What gives a value, and what it may be made of.
pub(super) struct Solver<'r> {
    /// `None` for a `regex`, whose captures are texts.
    pub template: Option<&'r Template>,
    pub lookups: &'r [Lookup],
}

impl Solver<'_> {
    /// Every way in which `source` gives one of `values`, on top of `needs`; none where it cannot. `None` where there are too
    /// many to tell apart.
    pub fn column(
        &self,
        source: &ValueSource,
        kind: &PartitionType,
        values: &[PartitionValue],
        needs: &[Needs],
    ) -> Option<Vec<Needs>> {
        let mut all = Vec::new();
        for value in values {
            let ways = self.value(source, kind, value);
            for way in &ways {
                all.extend(needs.iter().filter_map(|already| already.and(way)));
            }
            if all.len() > MAX_WAYS {
                return None;
            }
        }
        Some(all)
    }

    fn value(&self, source: &ValueSource, kind: &PartitionType, value: &PartitionValue) -> Vec<Needs> {
        let is_number = matches!(kind, PartitionType::Integer { .. });
        match source {
            ValueSource::Capture(name) => self.capture(name, value.as_str(), is_number),
            ValueSource::Expression(expression) => self.expression(expression, value.as_str(), is_number),
        }
    }

    fn capture(&self, name: &str, value: Option<&str>, is_number: bool) -> Vec<Needs> {
        if !self.is_date(name) {
            // What spells NULL is a text until a column takes it.
            let spelled = value.is_none().then(|| Some(HIVE_NULL.to_owned()));
            let texts = [value.map(str::to_owned)].into_iter().chain(spelled).collect();
            return vec![Needs::of_text(name, texts, is_number)];
        }
        // A date that prints as a whole number is a year, or a month or a day alone.
        let known = value.filter(|_| !is_number).and_then(iso);
        vec![known.map_or_else(Needs::default, |known| Needs::of_date(name, known))]
    }

    fn is_date(&self, name: &str) -> bool {
        self.template.is_some_and(|template| !template.date_units(name).is_empty())
    }

    fn expression(&self, expression: &Expression, value: Option<&str>, is_number: bool) -> Vec<Needs> {
        let anything = || vec![Needs::default()];
        match (expression.parts.as_slice(), value) {
            ([ExpressionPart::Hole(hole)], Some(text)) if is_number => self.number(hole, text),
            ([ExpressionPart::Hole(hole)], None) => [None, Some(HIVE_NULL)].map(|text| self.hole(hole, text)).concat(),
            // The walk holds what is composed against what it may be.
            (_, None) => anything(),
            (_, Some(_)) if is_number => anything(),
            (parts, Some(text)) => {
                let mut ways = Vec::new();
                self.split(parts, text, &Needs::default(), &mut ways);
                if ways.len() > MAX_WAYS { anything() } else { ways }
            }
        }
    }

    /// A whole number, which zeros may have stood in front of.
    fn number(&self, hole: &Hole, text: &str) -> Vec<Needs> {
        match (&hole.from, hole.filters.as_slice()) {
            (HoleSource::Capture(name), [] | [Filter::Pad(_)]) if !self.is_date(name) => {
                self.capture(name, Some(text), true)
            }
            (HoleSource::Capture(name), [Filter::Format(form)]) => {
                let ways = numbers(text).flat_map(|text| read(form, &text));
                ways.map(|known| Needs::of_date(name, known)).collect()
            }
            _ => vec![Needs::default()],
        }
    }

    /// Every way to cut `text` so that the parts give it.
    fn split(&self, parts: &[ExpressionPart], text: &str, so_far: &Needs, ways: &mut Vec<Needs>) {
        if ways.len() > MAX_WAYS {
            return;
        }
        match parts.split_first() {
            None if text.is_empty() => ways.push(so_far.clone()),
            None => {}
            Some((ExpressionPart::Text(literal), rest)) => {
                if let Some(text) = text.strip_prefix(literal.as_str()) {
                    self.split(rest, text, so_far, ways);
                }
            }
            Some((ExpressionPart::Hole(hole), rest)) => {
                let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
                for end in ends.filter(|end| !rest.is_empty() || *end == text.len()) {
                    for way in self.hole(hole, Some(&text[..end])) {
                        if let Some(both) = so_far.and(&way) {
                            self.split(rest, &text[end..], &both, ways);
                        }
                    }
                }
            }
        }
    }

    /// Every way in which a hole gives this text, or NULL.
    fn hole(&self, hole: &Hole, text: Option<&str>) -> Vec<Needs> {
        let name = match &hole.from {
            HoleSource::Capture(name) => name,
            HoleSource::Attribute(Attribute::Bucket | Attribute::Modified | Attribute::Size | Attribute::Name) => {
                return vec![Needs::default()];
            }
        };
        if self.is_date(name) {
            return match (hole.filters.as_slice(), text) {
                ([], text) => self.capture(name, text, false),
                ([Filter::Format(form)], Some(text)) => {
                    read(form, text).into_iter().map(|known| Needs::of_date(name, known)).collect()
                }
                _ => vec![Needs::default()],
            };
        }
        match self.before(&hole.filters, BTreeSet::from([text.map(str::to_owned)])) {
            Some(texts) if texts.is_empty() => Vec::new(),
            Some(texts) => vec![Needs::of_text(name, texts, false)],
            None => vec![Needs::default()],
        }
    }

    /// The texts out of which filters make one of `texts`; `None` where they cannot be told.
    fn before(&self, filters: &[Filter], texts: BTreeSet<Option<String>>) -> Option<BTreeSet<Option<String>>> {
        let Some((last, before)) = filters.split_last() else { return Some(texts) };
        let mut found = BTreeSet::new();
        for text in texts {
            match (last, text) {
                (Filter::Default(_), None) => {}
                (Filter::Default(default), Some(text)) => {
                    found.extend((*default == text).then_some(None));
                    found.insert(Some(text));
                }
                // A key that the lookup lacks is NULL too.
                (Filter::Lookup(_), None) => return None,
                (_, None) => drop(found.insert(None)),
                (Filter::Pad(width), Some(text)) => found.extend(unpadded(&text, *width as usize).map(Some)),
                (Filter::Lookup(table), Some(text)) => {
                    let entries = self.lookups.get(*table)?.entries.iter();
                    found.extend(entries.filter(|(_, value)| **value == text).map(|(key, _)| Some(key.clone())));
                }
                (Filter::Lower | Filter::Upper | Filter::Format(_), Some(_)) => return None,
            }
        }
        self.before(before, found)
    }
}

/// What zeros in front make `text` of, where they fill it up to `width`.
fn unpadded(text: &str, width: usize) -> impl Iterator<Item = String> {
    let len = text.chars().count();
    let zeros = if len == width { text.bytes().take_while(|b| *b == b'0').count() } else { 0 };
    let most = zeros.min(text.len().saturating_sub(1));
    let fits = (len >= width).then_some(0..=most);
    fits.into_iter().flatten().map(move |cut| text[cut..].to_owned()).collect::<Vec<_>>().into_iter()
}

/// A whole number with more and more zeros in front.
fn numbers(text: &str) -> impl Iterator<Item = String> {
    (0..=MAX_ZEROS).map(move |zeros| format!("{}{text}", "0".repeat(zeros)))
}

/// What a date says that prints so; `None` where that is not plain.
fn iso(text: &str) -> Option<Known> {
    const FORMS: [&str; 8] = [
        "yyyy-MM-dd",
        "yyyy-MM-dd HH",
        "yyyy-MM-dd HH:mm",
        "yyyy-MM-dd HH:mm:ss",
        "yyyy-MM",
        "yyyy",
        "YYYY-Www",
        "yyyy-Qq",
    ];
    let forms = FORMS.iter().filter_map(|form| DateForm::parse(form).ok());
    forms.filter(|form| form.source.len() == text.len()).find_map(|form| read(&form, text).into_iter().next())
}

/// Every way to read `text` as what [`PartialDate::write_format`](crate::rules::date::PartialDate::write_format) writes
/// by `form`; none where it does not.
fn read(form: &DateForm, text: &str) -> Vec<Known> {
    let mut ways = Vec::new();
    read_parts(&form.parts, text, &Known::new(), &mut ways);
    ways
}

fn read_parts(parts: &[DatePart], text: &str, so_far: &Known, ways: &mut Vec<Known>) {
    match parts.split_first() {
        None if text.is_empty() => ways.push(so_far.clone()),
        None => {}
        Some((DatePart::Text(literal), rest)) => {
            if let Some(text) = text.strip_prefix(literal.as_str()) {
                read_parts(rest, text, so_far, ways);
            }
        }
        Some((DatePart::Field(field), rest)) => {
            for reading in field.readings(text.as_bytes()).into_iter().flatten() {
                let mut known = so_far.clone();
                // Two digits of a year do not say the century, and a millisecond is never known.
                let agrees = match (canonical(*field), field) {
                    (_, Field::Year2) | (None, _) => true,
                    (Some(unit), _) => *known.entry(unit).or_insert(reading.value) == reading.value,
                };
                if agrees {
                    read_parts(rest, &text[usize::from(reading.len)..], &known, ways);
                }
            }
        }
    }
}
