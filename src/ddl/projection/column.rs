//! One column under projection: what its rules promise, what its values are, and the settings that follow.

use super::dates::{DatePattern, Moment, Unit};
use super::{MAX_ENUM_VALUES, Settings, Values};
use crate::error::{Error, ErrorKind, Result};
use crate::rules::set::{Expression, ExpressionPart, Filter, HoleSource};
use crate::rules::table::{Column, Engine, Matcher, Rule, Table, ValueSource};
use crate::rules::template::{CaptureKind, Piece, PieceKind};
use crate::uri::Shown;
use crate::value::{PartitionType, PartitionValue};

/// What the values of a column are, while they come.
#[derive(Debug)]
pub(super) struct ColumnValues<'a> {
    table: &'a Table,
    index: usize,
    /// What each rule promises.
    sources: Vec<Source>,
    /// Distinct values, as long as there are no more than an enum takes; then `None`.
    values: Option<Values>,
    /// The patterns that every value so far has.
    dates: Vec<Dates>,
    /// Least and greatest, while every value is an integer.
    integers: Option<Integers>,
    seen: bool,
    /// The first value that an enum cannot list.
    unlistable: Option<String>,
}

/// What one rule says of a column's values.
#[derive(Clone, Debug, PartialEq)]
enum Source {
    /// One of these.
    Closed(Values),
    /// A date in this form.
    Date(DatePattern),
    Open,
}

/// A pattern that every value has.
#[derive(Clone, Debug)]
struct Dates {
    pattern: DatePattern,
    /// `None` before the first value.
    span: Option<DateSpan>,
}

/// The first and the last value in time, as moments and as texts.
#[derive(Clone, Debug)]
struct DateSpan {
    first: (Moment, String),
    last: (Moment, String),
}

#[derive(Clone, Debug)]
struct Integers {
    min: i64,
    max: i64,
    /// Digits of every value, while all have the same number of them.
    digits: Option<usize>,
    /// Whether some value begins with a zero it does not need.
    padded: bool,
    /// Greatest common divisor of all distances from the first.
    step: u64,
}

/// Forms that are tried on values whose rules say no date; from the first that fits.
const COMMON_FORMS: [&str; 6] = ["yyyy-MM-dd", "yyyyMMdd", "yyyy-MM", "yyyy-MM-dd-HH", "yyyy-MM-dd HH", "yyyyMMddHH"];

impl<'a> ColumnValues<'a> {
    pub fn new(table: &'a Table, index: usize) -> ColumnValues<'a> {
        let sources: Vec<Source> = table.rules.iter().filter_map(|rule| source(rule, index)).collect();
        let mut patterns: Vec<DatePattern> = Vec::new();
        for source in &sources {
            if let Source::Date(pattern) = source
                && !patterns.contains(pattern)
            {
                patterns.push(pattern.clone());
            }
        }
        for form in COMMON_FORMS {
            let pattern = DatePattern::of(form);
            if !patterns.contains(&pattern) {
                patterns.push(pattern);
            }
        }
        ColumnValues {
            table,
            index,
            sources,
            values: Some(Values::new()),
            dates: patterns.into_iter().map(|pattern| Dates { pattern, span: None }).collect(),
            integers: None,
            seen: false,
            unlistable: None,
        }
    }

    pub fn column(&self) -> &'a Column {
        &self.table.partitioned_by[self.index]
    }

    /// # Errors
    /// `Unsupported` for a value whose directory is not its text.
    pub fn add(&mut self, value: &str) -> Result<()> {
        if self.values.as_ref().is_some_and(|values| values.contains(value)) {
            return Ok(());
        }
        let escaped = PartitionValue::new(value);
        if escaped.escaped() != value || value.contains("${") {
            return Err(self.refused(&format!(
                "the value `{}` lies in a directory called `{}`: a projected one is not escaped alike in every reader",
                Shown(value),
                Shown(&escaped.escaped())
            )));
        }
        self.take_dates(value);
        self.take_integer(value);
        self.seen = true;
        if value.contains(',') || value.trim() != value {
            self.unlistable.get_or_insert_with(|| value.to_owned());
        }
        if let Some(values) = &mut self.values {
            values.insert(value.to_owned());
            if values.len() > MAX_ENUM_VALUES {
                self.values = None;
            }
        }
        Ok(())
    }

    /// The type and its settings; what the user states in `properties` goes before what is worked out.
    pub fn settings(&self, today: &str) -> Result<Settings> {
        let mut settings = match self.stated("type") {
            Some(stated) => self.stated_settings(&stated)?,
            None => match self.column().partition_type() {
                PartitionType::Integer { .. } => self.integer_settings(today)?,
                PartitionType::Date => self.date_settings(today)?,
                PartitionType::Text => self.text_settings(today)?,
                PartitionType::Other if self.column().ddl_type == "timestamp" => self
                    .date_text_settings(today)
                    .ok_or_else(|| self.refused("its values are not all dates of one form, such as yyyy-MM-dd"))?,
                PartitionType::Other => {
                    let message =
                        format!("its type is {}: projection takes strings, integers and dates", self.column().ddl_type);
                    return Err(self.refused(&message));
                }
            },
        };
        for (setting, value) in &mut settings.entries {
            if let Some(stated) = self.stated(setting) {
                *value = stated;
            }
        }
        self.check_stated_range(&settings, today)?;
        self.check_readers(&settings)?;
        Ok(settings)
    }

    fn take_dates(&mut self, value: &str) {
        self.dates.retain_mut(|dates| {
            let Some(moment) = dates.pattern.parse(value) else { return false };
            let here = || (moment, value.to_owned());
            let span = dates.span.get_or_insert_with(|| DateSpan { first: here(), last: here() });
            if moment < span.first.0 {
                span.first = here();
            }
            if moment > span.last.0 {
                span.last = here();
            }
            true
        });
    }

    fn take_integer(&mut self, value: &str) {
        let digits = value.strip_prefix('-').unwrap_or(value);
        let number = value.parse::<i64>().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
        let Some(number) = number else {
            self.integers = None;
            self.seen = true;
            return;
        };
        let padded = digits.len() > 1 && digits.starts_with('0');
        let length = Some(value.len());
        match &mut self.integers {
            Some(integers) => {
                integers.step = gcd(integers.step, number.abs_diff(integers.min));
                integers.digits = integers.digits.filter(|_| integers.digits == length);
                integers.padded |= padded;
                (integers.min, integers.max) = (integers.min.min(number), integers.max.max(number));
            }
            None if !self.seen => {
                self.integers = Some(Integers { min: number, max: number, digits: length, padded, step: 0 });
            }
            None => {}
        }
    }

    fn integer_settings(&self, today: &str) -> Result<Settings> {
        let integers = self.integers.as_ref().ok_or_else(|| self.no_values())?;
        // An integer column prints without leading zeros, whatever its rules' form.
        Ok(self.integer_over(integers, self.date_field().map(|(unit, _)| (unit, 0)), today))
    }

    /// The unit, and its digits, where every rule gives one field of a date.
    fn date_field(&self) -> Option<(Unit, usize)> {
        let [Source::Date(pattern), others @ ..] = self.sources.as_slice() else { return None };
        others.iter().all(|other| *other == Source::Date(pattern.clone())).then(|| pattern.single())?
    }

    /// An integer projection from `integers`, or over a unit's own range where rules say that values are one.
    fn integer_over(&self, integers: &Integers, unit: Option<(Unit, usize)>, today: &str) -> Settings {
        // A year goes on: the next one is found too, before anybody thinks of it.
        let is_year = unit.is_some_and(|(unit, _)| unit == Unit::Year);
        let next_year = DatePattern::day(today).filter(|_| is_year).map(|day| day.year() + 1);
        let natural = unit.and_then(|(unit, _)| unit.range());
        let widest = natural.or(next_year.map(|year| (integers.min, year)));
        let (min, max) =
            widest.map_or((integers.min, integers.max), |(min, max)| (min.min(integers.min), max.max(integers.max)));
        // Two values always lie one step apart; that says nothing.
        let repeats = self.values.as_ref().is_none_or(|values| values.len() > 2);
        let step = if widest.is_some() || !repeats { 1 } else { integers.step.max(1) };
        let mut entries = vec![("type", "integer".to_owned()), ("range", format!("{min},{max}"))];
        let mut why = match natural {
            Some(_) => format!("integer, {min} to {max}, all that this field of a date can be"),
            None if next_year.is_some() => format!("integer, {min} to {max}: years, up to the next one"),
            None => format!("integer, {min} to {max}, the least and the greatest published"),
        };
        let advice = match natural {
            Some(_) => Vec::new(),
            None => vec![self.only_these(&format!("outside {min} to {max}"))],
        };
        // Said also where it is 1: a wider one that the table still has would go on counting.
        entries.push(("interval", step.to_string()));
        if step > 1 {
            why += &format!(", {step} apart");
        }
        // What happens to be of one length now need not stay so: `10` to `12` become `9`.
        let digits = match unit {
            Some((_, digits)) => Some(digits),
            None => integers.digits.filter(|_| integers.padded),
        };
        if let Some(digits) = digits.filter(|digits| *digits > 1) {
            entries.push(("digits", digits.to_string()));
            why += &format!(", with zeros in front to {digits} digits");
        }
        let projected = u128::from(max.abs_diff(min)) / u128::from(step) + 1;
        Settings { entries, why, advice, projected }
    }

    /// That a value beyond what is projected takes the statements anew.
    fn only_these(&self, beyond: &str) -> String {
        format!("a `{}` {beyond} is not found until `restitch ddl` is run again", Shown(&self.column().name))
    }

    fn date_settings(&self, today: &str) -> Result<Settings> {
        let day = DatePattern::of("yyyy-MM-dd");
        let dates = self.dates.iter().find(|dates| dates.pattern == day);
        let span = dates.and_then(|dates| dates.span.as_ref()).ok_or_else(|| self.no_values())?;
        Ok(date_over(&day, span, today))
    }

    fn text_settings(&self, today: &str) -> Result<Settings> {
        if !self.seen {
            return Err(self.no_values());
        }
        if let Some(settings) = self.date_text_settings(today) {
            return Ok(settings);
        }
        if let Some(integers) = self.integers.as_ref().filter(|integers| self.counts_up(integers)) {
            return Ok(self.integer_over(integers, None, today));
        }
        match (&self.values, &self.unlistable) {
            (Some(values), None) => Ok(self.enum_settings(values)),
            (values, unlistable) => self.injected_settings(values.as_ref(), unlistable.as_deref()),
        }
    }

    /// Where all values have one form of dates, or are one field of a date.
    fn date_text_settings(&self, today: &str) -> Option<Settings> {
        if let Some((unit, digits)) = self.date_field()
            && let Some(integers) = self.integers.as_ref()
            && (digits == 0 || integers.digits == Some(digits))
        {
            return Some(self.integer_over(integers, Some((unit, digits)), today));
        }
        let counts_through = |dates: &&Dates| dates.pattern.is_whole() && dates.pattern.single().is_none();
        let dates = self.dates.iter().find(counts_through)?;
        Some(date_over(&dates.pattern, dates.span.as_ref()?, today))
    }

    /// Whether integers in a string column lie densely enough to count through, and print alike.
    fn counts_up(&self, integers: &Integers) -> bool {
        let span = u128::from(integers.max.abs_diff(integers.min)) / u128::from(integers.step.max(1)) + 1;
        let distinct = self.values.as_ref().map_or(0, Values::len) as u128;
        let closed = self.sources.iter().any(|source| matches!(source, Source::Closed(_)));
        let prints_back = !integers.padded || (integers.digits.is_some() && integers.min >= 0);
        !closed && prints_back && distinct > 1 && span <= 2 * distinct
    }

    fn enum_settings(&self, values: &Values) -> Settings {
        let mut all = values.clone();
        let mut promised = 0;
        for source in &self.sources {
            if let Source::Closed(closed) = source {
                promised += closed.iter().filter(|value| is_listable(value) && all.insert((*value).clone())).count();
            }
        }
        let why = match promised {
            0 => format!("enum of the {} published", counted(all.len())),
            more => format!("enum of {}, {more} of them only named by rules so far", counted(all.len())),
        };
        let projected = all.len() as u128;
        let listed: Vec<String> = all.into_iter().collect();
        let entries = vec![("type", "enum".to_owned()), ("values", listed.join(","))];
        let is_closed = self.sources.iter().all(|source| matches!(source, Source::Closed(_)));
        let advice = if is_closed { Vec::new() } else { vec![self.only_these("that is not among these")] };
        Settings { entries, why, advice, projected }
    }

    fn injected_settings(&self, values: Option<&Values>, unlistable: Option<&str>) -> Result<Settings> {
        let name = Shown(&self.column().name);
        let reason = match unlistable {
            Some(value) => format!("`{}` cannot stand in an enum's list", Shown(value)),
            None => format!("there are more than {MAX_ENUM_VALUES} values"),
        };
        if self.column().ddl_type != "string" {
            return Err(self.refused(&format!("{reason}, and only a column of type string can be injected")));
        }
        Ok(Settings {
            entries: vec![("type", "injected".to_owned())],
            why: format!("injected, for {reason}"),
            advice: vec![format!("every query has to say which `{name}` it wants: … WHERE {name} = '…'")],
            projected: values.map_or(MAX_ENUM_VALUES, Values::len) as u128,
        })
    }

    /// `projection.COLUMN.setting` as the rule file states it. What the user's own DDL says of the kind belongs to the
    /// table's old places.
    fn stated(&self, setting: &str) -> Option<String> {
        let key = format!("projection.{}.{setting}", self.column().name);
        let (_, value) = self.table.properties.iter().find(|(name, _)| *name == key)?;
        let old = self.table.ddl.iter().flat_map(|ddl| &ddl.statement.properties);
        let is_old = old.into_iter().any(|(name, old)| *name == key && old == value);
        (!is_old).then(|| value.clone())
    }

    fn stated_settings(&self, stated: &str) -> Result<Settings> {
        const SETTINGS: [&str; 6] = ["values", "range", "digits", "format", "interval", "interval.unit"];
        if !["enum", "integer", "date", "injected"].contains(&stated) {
            return Err(self.refused(&format!("there is no projection of type `{}`", Shown(stated))));
        }
        let mut entries = vec![("type", stated.to_owned())];
        entries.extend(SETTINGS.iter().filter_map(|setting| Some((*setting, self.stated(setting)?))));
        let projected = self.values.as_ref().map_or(MAX_ENUM_VALUES, Values::len) as u128;
        Ok(Settings { entries, why: format!("{stated}, as the table's properties say"), advice: Vec::new(), projected })
    }

    /// A range or list that the user states must hold what is published.
    fn check_stated_range(&self, settings: &Settings, today: &str) -> Result<()> {
        let setting =
            |name: &str| settings.entries.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
        let outside = |value: &str, what: &str| {
            let message = format!("the published value `{}` lies outside the stated {what}", Shown(value));
            Err(Error::new(ErrorKind::Rules, self.message(&message)))
        };
        if self.stated("values").is_some()
            && let (Some(list), Some(values)) = (setting("values"), &self.values)
            && let Some(value) = values.iter().find(|value| list.split(',').all(|one| one.trim() != value.as_str()))
        {
            return outside(value, "values");
        }
        let stated_range = self.stated("range");
        let bounds = stated_range.as_deref().and_then(|range| range.split_once(','));
        if let (Some("integer"), Some(integers), Some((from, to))) = (setting("type"), &self.integers, bounds) {
            for (bound, value, is_below) in [(from, integers.min, true), (to, integers.max, false)] {
                if bound.trim().parse::<i64>().is_ok_and(|bound| if is_below { value < bound } else { value > bound }) {
                    return outside(&value.to_string(), "range");
                }
            }
        }
        if let (Some(stated), Some("date"), true) = (self.stated("format"), setting("type"), self.seen)
            && self.dates.iter().all(|dates| dates.pattern.java() != stated)
        {
            let message = format!("the published values are not written as the stated format `{}`", Shown(&stated));
            return Err(Error::new(ErrorKind::Rules, self.message(&message)));
        }
        let Some((from, to)) = bounds.map(|(from, to)| (from.trim(), to.trim())) else { return Ok(()) };
        if setting("type") == Some("date")
            && let Some(format) = setting("format")
            && let Some(dates) = self.dates.iter().find(|dates| dates.pattern.java() == format)
            && let Some(span) = &dates.span
        {
            if dates.pattern.parse(from).is_some_and(|bound| span.first.0 < bound) {
                return outside(&span.first.1, "range");
            }
            if dates.pattern.parse(to).is_some_and(|bound| span.last.0 > bound) {
                return outside(&span.last.1, "range");
            }
            let ends_now = to == "NOW" && DatePattern::day(today).is_some_and(|day| span.last.0.days_behind(day) > 1);
            if ends_now {
                return outside(&span.last.1, "range");
            }
        }
        Ok(())
    }

    /// Trino is stricter than Athena.
    fn check_readers(&self, settings: &Settings) -> Result<()> {
        if !self.table.engines.iter().any(|engine| matches!(engine, Engine::Trino { .. })) {
            return Ok(());
        }
        let setting =
            |name: &str| settings.entries.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
        match (setting("type"), self.column().partition_type()) {
            (Some("date"), _) if matches!(setting("interval.unit"), Some("MONTHS" | "YEARS")) => {
                Err(self.refused("Trino projects dates by days, hours, minutes and seconds only"))
            }
            (Some("enum"), PartitionType::Integer { .. } | PartitionType::Date) => {
                Err(self.refused("Trino projects an enum on a string column only"))
            }
            (Some("integer"), _) => {
                let range = setting("range").unwrap_or("");
                let fits = range.split(',').all(|bound| bound.trim().parse::<i32>().is_ok());
                if fits { Ok(()) } else { Err(self.refused(&format!("Trino counts in 32 bits, the range is {range}"))) }
            }
            _ => Ok(()),
        }
    }

    fn no_values(&self) -> Error {
        self.refused("nothing is published yet that a range could be taken from")
            .help("publish once, or state it: properties = { \"projection.COLUMN.range\" = \"…\" }")
    }

    fn refused(&self, why: &str) -> Error {
        Error::new(ErrorKind::Unsupported, self.message(why))
            .help("or register the partitions: partitions = \"registered\"")
    }

    fn message(&self, why: &str) -> String {
        format!("`{}` of table `{}` cannot be projected: {why}", Shown(&self.column().name), Shown(&self.table.name))
    }
}

/// A date projection from the first value up to `NOW`, which takes tomorrow's partition without another statement; where
/// values lie in the future, as many days further as they do.
fn date_over(pattern: &DatePattern, span: &DateSpan, today: &str) -> Settings {
    let unit = pattern.smallest().expect("a pattern of dates has a unit");
    let now = DatePattern::day(today);
    let ahead = now.map_or(0, |day| span.last.0.days_behind(day));
    let end = match (now, ahead) {
        (None, _) => span.last.1.clone(),
        (Some(_), 0) => "NOW".to_owned(),
        (Some(_), days) => format!("NOW+{days}DAYS"),
    };
    let entries = vec![
        ("type", "date".to_owned()),
        ("format", pattern.java()),
        ("range", format!("{},{end}", span.first.1)),
        ("interval", "1".to_owned()),
        ("interval.unit", unit.name().to_owned()),
    ];
    let until = match ahead {
        0 => "until now".to_owned(),
        1 => "until a day from now, for the last lies there".to_owned(),
        days => format!("until {days} days from now, for the last lies there"),
    };
    let why = format!("date as {}, every one from {}, the first published, {until}", pattern.java(), span.first.1);
    let last = now.map_or(span.last.0, |day| day.max(span.last.0));
    Settings { entries, why, advice: Vec::new(), projected: span.first.0.steps_to(last, unit) }
}

/// What a rule promises of column `index`; `None` where the rule has no such column.
fn source(rule: &Rule, index: usize) -> Option<Source> {
    Some(match rule.values.get(index)? {
        ValueSource::Capture(name) => captured(rule, name),
        ValueSource::Expression(expression) => expressed(rule, expression),
    })
}

fn expressed(rule: &Rule, expression: &Expression) -> Source {
    let texts: Option<String> = expression
        .parts
        .iter()
        .map(|part| match part {
            ExpressionPart::Text(text) => Some(text.as_str()),
            ExpressionPart::Hole(_) => None,
        })
        .collect();
    if let Some(text) = texts {
        return Source::Closed(Values::from([text]));
    }
    let [ExpressionPart::Hole(hole)] = expression.parts.as_slice() else { return Source::Open };
    match (&hole.from, hole.filters.as_slice()) {
        (HoleSource::Capture(name), []) => captured(rule, name),
        (_, [Filter::Format(form)]) => DatePattern::from_form(form).map_or(Source::Open, Source::Date),
        _ => Source::Open,
    }
}

/// What the captures of a name promise together.
fn captured(rule: &Rule, name: &str) -> Source {
    let Matcher::Template(template) = &rule.matcher else { return Source::Open };
    let mut kinds = Vec::new();
    gather(&template.pieces, name, &mut kinds);
    let mut closed = Values::new();
    let mut smallest: Option<Unit> = None;
    for kind in kinds {
        match kind {
            CaptureKind::In(items) => closed.extend(items.iter().cloned()),
            CaptureKind::Date(form) => match DatePattern::from_form(form).and_then(|pattern| pattern.smallest()) {
                Some(unit) => smallest = smallest.max(Some(unit)),
                None => return Source::Open,
            },
            CaptureKind::Epoch | CaptureKind::EpochMs => smallest = Some(Unit::Second),
            _ => return Source::Open,
        }
    }
    match smallest {
        Some(unit) => Source::Date(DatePattern::iso(unit)),
        None if closed.is_empty() => Source::Open,
        None => Source::Closed(closed),
    }
}

fn gather<'t>(pieces: &'t [Piece], name: &str, kinds: &mut Vec<&'t CaptureKind>) {
    for piece in pieces {
        match &piece.kind {
            PieceKind::Capture { name: Some(found), kind } if found == name => kinds.push(kind),
            PieceKind::Alternatives(branches) => branches.iter().for_each(|branch| gather(branch, name, kinds)),
            _ => {}
        }
    }
}

fn is_listable(value: &str) -> bool {
    !value.is_empty() && !value.contains(',') && value.trim() == value && PartitionValue::new(value).escaped() == value
}

fn counted(values: usize) -> String {
    if values == 1 { "one value".to_owned() } else { format!("{values} values") }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
