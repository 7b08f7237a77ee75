//! Date forms (`yyyy-MM-dd`, `yyyyMMddTHHmmssZ`) and the dates that their pieces make together.
//!
//! Pure arithmetic on bytes: no clock, no time zone (everything is UTC), and nothing here allocates but where a form is
//! read. What a field may be is said once, in [`Field::readings`] and, as an expression, in [`Field::expression`].

use std::fmt;
use std::ops::Range;

use crate::value::days_in_month;

/// A date form: fields and texts, in the order written. Forms that read the same are equal.
#[derive(Clone, Debug, Eq)]
pub struct DateForm {
    /// As the user wrote it.
    pub source: String,
    /// Neighbouring texts are one part.
    pub parts: Vec<DatePart>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatePart {
    Field(Field),
    /// Literal text, unescaped; may hold slashes.
    Text(String),
}

/// One field; its pattern letters are its name in the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// `yyyy`
    Year,
    /// `yy`, meaning 20yy
    Year2,
    /// `YYYY`
    WeekYear,
    /// `ww`
    Week,
    /// `MM`
    Month,
    /// `M`
    MonthShort,
    /// `MMM`
    MonthAbbreviated,
    /// `MMMM`
    MonthName,
    /// `dd`
    Day,
    /// `d`
    DayShort,
    /// `DDD`
    DayOfYear,
    /// `HH`
    Hour,
    /// `H`
    HourShort,
    /// `mm`
    Minute,
    /// `m`
    MinuteShort,
    /// `ss`
    Second,
    /// `s`
    SecondShort,
    /// `SSS`
    Millisecond,
    /// `q`
    Quarter,
}

/// Where a form is wrong: a span in its source, in bytes, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateFormError {
    pub span: Range<usize>,
    pub message: String,
    pub help: Option<String>,
}

/// What is known of a date once all its pieces are put together; validated, so that it exists as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PartialDate {
    pub year: Option<u16>,
    pub quarter: Option<u8>,
    pub month: Option<u8>,
    pub day: Option<u8>,
    /// ISO week year and week.
    pub week: Option<(u16, u8)>,
    pub hour: Option<u8>,
    pub minute: Option<u8>,
    pub second: Option<u8>,
}

impl PartialEq for DateForm {
    fn eq(&self, other: &DateForm) -> bool {
        self.parts == other.parts
    }
}

impl DateForm {
    /// Reads a form. A run of ASCII letters is cut into the longest fields from the left, `T Z W Q` standing for
    /// themselves; if that does not use up the run, the whole run is text. `\` makes the next character text.
    ///
    /// # Errors
    /// All of them at once: a field of one or two digits beside another field, no field at all, a `\` at the end.
    pub fn parse(source: &str) -> Result<DateForm, Vec<DateFormError>> {
        let mut reader = FormReader { parts: Vec::new(), fields: Vec::new(), errors: Vec::new() };
        let mut at = 0;
        while let Some(c) = source[at..].chars().next() {
            let next = at + c.len_utf8();
            at = match (c, source[next..].chars().next()) {
                ('\\', Some(escaped)) => {
                    reader.text(escaped);
                    next + escaped.len_utf8()
                }
                ('\\', None) => {
                    reader.error(at..next, "`\\` escapes nothing here", "write `\\\\` for a backslash");
                    next
                }
                _ if c.is_ascii_alphabetic() => {
                    let run = source[at..].bytes().take_while(u8::is_ascii_alphabetic).count();
                    reader.run(source, at..at + run);
                    at + run
                }
                _ => {
                    reader.text(c);
                    next
                }
            };
        }
        reader.check(source);
        if reader.errors.is_empty() {
            Ok(DateForm { source: source.to_owned(), parts: reader.parts })
        } else {
            Err(reader.errors)
        }
    }

    pub fn fields(&self) -> impl Iterator<Item = Field> + '_ {
        self.parts.iter().filter_map(|part| match part {
            DatePart::Field(field) => Some(*field),
            DatePart::Text(_) => None,
        })
    }
}

/// Prints the form so that it reads back the same: every letter that is text is escaped.
impl fmt::Display for DateForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                DatePart::Field(field) => f.write_str(field.letters())?,
                DatePart::Text(text) => {
                    for c in text.chars() {
                        let fixed = matches!(c, 'T' | 'Z' | 'W' | 'Q');
                        let escape = c.is_ascii_alphabetic() && !fixed || matches!(c, '\\' | ')');
                        write!(f, "{}{c}", if escape { "\\" } else { "" })?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A form while it is read.
struct FormReader {
    parts: Vec<DatePart>,
    /// Each field with its span.
    fields: Vec<(Field, Range<usize>)>,
    errors: Vec<DateFormError>,
}

impl FormReader {
    fn error(&mut self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.errors.push(DateFormError { span, message: message.into(), help: Some(help.into()) });
    }

    fn text(&mut self, c: char) {
        match self.parts.last_mut() {
            Some(DatePart::Text(text)) => text.push(c),
            _ => self.parts.push(DatePart::Text(c.into())),
        }
    }

    /// A run of letters: fields if they use it up, else text.
    fn run(&mut self, source: &str, span: Range<usize>) {
        let mut cut = Vec::new();
        let mut at = span.start;
        while at < span.end {
            let rest = &source[at..span.end];
            let field = Field::ALL.into_iter().filter(|field| rest.starts_with(field.letters()));
            match field.max_by_key(|field| field.letters().len()) {
                Some(field) => {
                    cut.push((Some(field), at));
                    at += field.letters().len();
                }
                None if rest.starts_with(['T', 'Z', 'W', 'Q']) => {
                    cut.push((None, at));
                    at += 1;
                }
                None => return source[span].chars().for_each(|c| self.text(c)),
            }
        }
        for (field, at) in cut {
            match field {
                Some(field) => {
                    self.parts.push(DatePart::Field(field));
                    self.fields.push((field, at..at + field.letters().len()));
                }
                None => self.text(source.as_bytes()[at].into()),
            }
        }
    }

    fn check(&mut self, source: &str) {
        if self.fields.is_empty() && self.errors.is_empty() {
            let help = "the fields are yyyy yy M MM MMM MMMM d dd DDD H HH m mm s ss SSS q, and YYYY with ww";
            let message =
                if source.is_empty() { "a date without a form".into() } else { format!("no date field in `{source}`") };
            self.error(0..source.len(), message, help);
        }
        for pair in self.fields.clone().windows(2) {
            let ((left, a), (right, b)) = (&pair[0], &pair[1]);
            if a.end == b.start && (left.is_short() || right.is_short()) {
                let short = if left.is_short() { left } else { right };
                let message = format!(
                    "`{}` takes one or two digits, so it cannot stand right beside `{}`",
                    short.letters(),
                    if left.is_short() { right } else { left }.letters()
                );
                let word: String = source[a.start..b.end].chars().flat_map(|c| ['\\', c]).collect();
                let help = match short.padded() {
                    Some(padded) => format!("write `{}` for two digits, or `{word}` if it is text", padded.letters()),
                    None => format!("write `{word}` if it is text"),
                };
                self.error(a.start..b.end, message, help);
            }
        }
    }
}

/// One way to read a field from the front of a text: how many bytes it takes, and what they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    pub len: u8,
    pub value: u16,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Field {
    pub const ALL: [Field; 19] = [
        Field::Year,
        Field::Year2,
        Field::WeekYear,
        Field::Week,
        Field::Month,
        Field::MonthShort,
        Field::MonthAbbreviated,
        Field::MonthName,
        Field::Day,
        Field::DayShort,
        Field::DayOfYear,
        Field::Hour,
        Field::HourShort,
        Field::Minute,
        Field::MinuteShort,
        Field::Second,
        Field::SecondShort,
        Field::Millisecond,
        Field::Quarter,
    ];

    /// As it is written in a form.
    pub fn letters(self) -> &'static str {
        match self {
            Field::Year => "yyyy",
            Field::Year2 => "yy",
            Field::WeekYear => "YYYY",
            Field::Week => "ww",
            Field::Month => "MM",
            Field::MonthShort => "M",
            Field::MonthAbbreviated => "MMM",
            Field::MonthName => "MMMM",
            Field::Day => "dd",
            Field::DayShort => "d",
            Field::DayOfYear => "DDD",
            Field::Hour => "HH",
            Field::HourShort => "H",
            Field::Minute => "mm",
            Field::MinuteShort => "m",
            Field::Second => "ss",
            Field::SecondShort => "s",
            Field::Millisecond => "SSS",
            Field::Quarter => "q",
        }
    }

    /// Fewest and most digits; `None` for month names.
    pub fn digits(self) -> Option<(u8, u8)> {
        match self {
            Field::Year | Field::WeekYear => Some((4, 4)),
            Field::DayOfYear | Field::Millisecond => Some((3, 3)),
            Field::Year2 | Field::Week | Field::Month | Field::Day | Field::Hour | Field::Minute | Field::Second => {
                Some((2, 2))
            }
            Field::MonthShort | Field::DayShort | Field::HourShort | Field::MinuteShort | Field::SecondShort => {
                Some((1, 2))
            }
            Field::Quarter => Some((1, 1)),
            Field::MonthAbbreviated | Field::MonthName => None,
        }
    }

    /// The least and the greatest value, both allowed.
    pub fn range(self) -> (u16, u16) {
        match self {
            Field::Year | Field::WeekYear => (0, 9999),
            Field::Year2 => (0, 99),
            Field::Week => (1, 53),
            Field::Month | Field::MonthShort | Field::MonthAbbreviated | Field::MonthName => (1, 12),
            Field::Day | Field::DayShort => (1, 31),
            Field::DayOfYear => (1, 366),
            Field::Hour | Field::HourShort => (0, 23),
            Field::Minute | Field::MinuteShort | Field::Second | Field::SecondShort => (0, 59),
            Field::Millisecond => (0, 999),
            Field::Quarter => (1, 4),
        }
    }

    /// The ways to read this field from the front of `text`, in the order in which they are tried: two digits before
    /// one. `yy` is read as 20yy.
    pub fn readings(self, text: &[u8]) -> [Option<Reading>; 2] {
        let Some((fewest, most)) = self.digits() else { return [self.month_name(text), None] };
        let mut found = [None, None];
        let widths = (fewest..=most).rev();
        for (slot, width) in found.iter_mut().zip(widths) {
            *slot = self.number(text, width);
        }
        if found[0].is_none() {
            found.swap(0, 1);
        }
        found
    }

    fn number(self, text: &[u8], width: u8) -> Option<Reading> {
        let digits = text.get(..usize::from(width))?;
        let mut number = 0u16;
        for digit in digits {
            number = number * 10 + u16::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        }
        let (least, greatest) = self.range();
        let value = if self == Field::Year2 { 2000 + number } else { number };
        (least..=greatest).contains(&number).then_some(Reading { len: width, value })
    }

    /// A month's name in any case. As in the expression, case is Unicode's simple folding: `ſ` is an `s`.
    fn month_name(self, text: &[u8]) -> Option<Reading> {
        (1..).zip(MONTHS).find_map(|(value, name)| {
            let name = if self == Field::MonthAbbreviated { &name[..3] } else { name };
            let mut len = 0;
            for letter in name.bytes() {
                let rest = &text[len..];
                len += match rest.first() {
                    Some(b) if b.eq_ignore_ascii_case(&letter) => 1,
                    _ if letter.eq_ignore_ascii_case(&b's') && rest.starts_with("ſ".as_bytes()) => 2,
                    _ => return None,
                };
            }
            Some(Reading { len: len as u8, value })
        })
    }

    /// The expression that takes what [`Field::readings`] takes, in the same order, without a group around it.
    pub fn expression(self) -> &'static str {
        match self {
            Field::Year | Field::WeekYear => "[0-9]{4}",
            Field::Year2 => "[0-9]{2}",
            Field::Week => "0[1-9]|[1-4][0-9]|5[0-3]",
            Field::Month => "0[1-9]|1[0-2]",
            Field::MonthShort => "0[1-9]|1[0-2]|[1-9]",
            Field::MonthAbbreviated => "(?i:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)",
            Field::MonthName => {
                "(?i:January|February|March|April|May|June|July|August|September|October|November|December)"
            }
            Field::Day => "0[1-9]|[12][0-9]|3[01]",
            Field::DayShort => "0[1-9]|[12][0-9]|3[01]|[1-9]",
            Field::DayOfYear => "00[1-9]|0[1-9][0-9]|[12][0-9]{2}|3[0-5][0-9]|36[0-6]",
            Field::Hour => "[01][0-9]|2[0-3]",
            Field::HourShort => "[01][0-9]|2[0-3]|[0-9]",
            Field::Minute | Field::Second => "[0-5][0-9]",
            Field::MinuteShort | Field::SecondShort => "[0-5][0-9]|[0-9]",
            Field::Millisecond => "[0-9]{3}",
            Field::Quarter => "[1-4]",
        }
    }

    /// Whether it takes one or two digits.
    fn is_short(self) -> bool {
        self.padded().is_some()
    }

    /// The two-digit field of a one-or-two-digit one.
    fn padded(self) -> Option<Field> {
        match self {
            Field::MonthShort => Some(Field::Month),
            Field::DayShort => Some(Field::Day),
            Field::HourShort => Some(Field::Hour),
            Field::MinuteShort => Some(Field::Minute),
            Field::SecondShort => Some(Field::Second),
            _ => None,
        }
    }
}

/// A date while its pieces come in: what was said so far, and whether it contradicts itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct DatePieces {
    date: PartialDate,
    week_year: Option<u16>,
    week: Option<u8>,
    day_of_year: Option<u16>,
    contradiction: bool,
}

impl DatePieces {
    /// Adds what a field says, as [`Reading::value`] has it.
    pub fn add(&mut self, field: Field, value: u16) {
        let small = value as u8;
        let date = &mut self.date;
        let agrees = match field {
            Field::Year | Field::Year2 => agree(&mut date.year, value),
            Field::WeekYear => agree(&mut self.week_year, value),
            Field::Week => agree(&mut self.week, small),
            Field::Month | Field::MonthShort | Field::MonthAbbreviated | Field::MonthName => {
                agree(&mut date.month, small)
            }
            Field::Day | Field::DayShort => agree(&mut date.day, small),
            Field::DayOfYear => agree(&mut self.day_of_year, value),
            Field::Hour | Field::HourShort => agree(&mut date.hour, small),
            Field::Minute | Field::MinuteShort => agree(&mut date.minute, small),
            Field::Second | Field::SecondShort => agree(&mut date.second, small),
            Field::Quarter => agree(&mut date.quarter, small),
            Field::Millisecond => true,
        };
        self.contradiction |= !agrees;
    }

    /// Adds seconds since 1970, UTC: every unit down to the second.
    pub fn add_epoch(&mut self, seconds: i64) {
        let Some(date) = PartialDate::from_epoch(seconds) else {
            self.contradiction = true;
            return;
        };
        let units = [
            (Field::Year, date.year),
            (Field::Month, date.month.map(u16::from)),
            (Field::Day, date.day.map(u16::from)),
            (Field::Hour, date.hour.map(u16::from)),
            (Field::Minute, date.minute.map(u16::from)),
            (Field::Second, date.second.map(u16::from)),
        ];
        for (field, value) in units {
            value.into_iter().for_each(|value| self.add(field, value));
        }
    }

    /// Puts the pieces together; `None` ("bad date") if they contradict each other or no such date exists.
    pub fn finish(mut self) -> Option<PartialDate> {
        if self.contradiction {
            return None;
        }
        if let Some(day_of_year) = self.day_of_year {
            let (month, day) = month_and_day(self.date.year?, day_of_year)?;
            if !(agree(&mut self.date.month, month) && agree(&mut self.date.day, day)) {
                return None;
            }
        }
        let date = &mut self.date;
        match (date.quarter, date.month) {
            (Some(quarter), Some(month)) if quarter != quarter_of(month) => return None,
            _ => {}
        }
        if let (Some(month), Some(day)) = (date.month, date.day) {
            // Without a year 29 February may exist.
            let year = date.year.map_or(2000, u32::from);
            if u32::from(day) > days_in_month(year, month.into()) {
                return None;
            }
        }
        match (self.week_year, self.week) {
            (None, None) => Some(*date),
            (Some(year), Some(week)) => {
                date.week = Some((year, week));
                week_holds(year, week, date).then_some(*date)
            }
            _ => None,
        }
    }
}

fn agree<T: Copy + PartialEq>(known: &mut Option<T>, said: T) -> bool {
    *known.get_or_insert(said) == said
}

fn quarter_of(month: u8) -> u8 {
    (month - 1) / 3 + 1
}

/// Whether an ISO week exists and has a day that is in the date's year, month and day, as far as those are known.
fn week_holds(year: u16, week: u8, date: &PartialDate) -> bool {
    let Some(monday) = week_monday(year, week) else { return false };
    (monday..monday + 7).any(|days| {
        let (y, m, d) = civil(days);
        date.year.is_none_or(|year| i64::from(year) == y)
            && date.month.is_none_or(|month| month == m)
            && date.day.is_none_or(|day| day == d)
            && date.quarter.is_none_or(|quarter| quarter == quarter_of(m))
    })
}

/// Days since 1970 of a week's Monday; `None` if the year has no such week, or it begins before year 0.
fn week_monday(year: u16, week: u8) -> Option<i64> {
    let first = first_monday(year.into());
    let monday = first + 7 * (i64::from(week) - 1);
    (monday < first_monday(i64::from(year) + 1) && civil(monday).0 >= 0).then_some(monday)
}

/// The Monday of the week that holds 4 January, in days since 1970.
fn first_monday(year: i64) -> i64 {
    let fourth = days_since_1970(year, 1, 4);
    fourth - weekday(fourth)
}

/// 0 for Monday; 1970-01-01 was a Thursday.
fn weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7)
}

/// ISO week year and week of a day.
fn iso_week(days: i64) -> (i64, i64) {
    // The Thursday of a week decides its year.
    let thursday = days - weekday(days) + 3;
    let year = civil(thursday).0;
    (year, (thursday - days_since_1970(year, 1, 1)) / 7 + 1)
}

fn month_and_day(year: u16, day_of_year: u16) -> Option<(u8, u8)> {
    let mut left = u32::from(day_of_year);
    for month in 1..=12u8 {
        let days = days_in_month(year.into(), month.into());
        if left <= days {
            return Some((month, left as u8));
        }
        left -= days;
    }
    None
}

/// Days from 1970-01-01 to a day of the proleptic Gregorian calendar.
fn days_since_1970(year: i64, month: u8, day: u8) -> i64 {
    // Years are counted from March, so that the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a day counted from 1970-01-01.
fn civil(days: i64) -> (i64, u8, u8) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u8, day as u8)
}

impl PartialDate {
    /// The date and time of seconds since 1970, UTC; `None` outside years 0 to 9999.
    pub fn from_epoch(seconds: i64) -> Option<PartialDate> {
        let (year, month, day) = civil(seconds.div_euclid(86_400));
        let second = seconds.rem_euclid(86_400);
        Some(PartialDate {
            year: Some(u16::try_from(year).ok().filter(|year| *year <= 9999)?),
            month: Some(month),
            day: Some(day),
            hour: Some((second / 3600) as u8),
            minute: Some((second / 60 % 60) as u8),
            second: Some((second % 60) as u8),
            ..PartialDate::default()
        })
    }

    /// ISO text as far as the date is known: `2024-01-05 13`, `2024-W07`, `2023-Q4`, `01`.
    pub fn value(&self) -> String {
        let mut text = String::new();
        self.write_value(&mut text);
        text
    }

    /// Appends [`PartialDate::value`].
    pub fn write_value(&self, text: &mut String) {
        let start = text.len();
        match (self.week, self.quarter) {
            _ if self.month.is_some() || self.day.is_some() => {
                self.year.iter().for_each(|year| write_padded(text, (*year).into(), 4));
                write_joined(text, start, '-', [self.month, self.day]);
            }
            (Some((year, week)), _) => {
                write_padded(text, year.into(), 4);
                text.push_str("-W");
                write_padded(text, week.into(), 2);
            }
            (None, quarter) => {
                self.year.iter().for_each(|year| write_padded(text, (*year).into(), 4));
                if let Some(quarter) = quarter {
                    text.push_str(if text.len() > start { "-Q" } else { "Q" });
                    write_padded(text, quarter.into(), 1);
                }
            }
        }
        let time = [self.hour, self.minute, self.second];
        if time.iter().any(Option::is_some) {
            if text.len() > start {
                text.push(' ');
            }
            let start = text.len();
            write_joined(text, start, ':', time);
        }
    }
}

/// Appends the units that are known, two digits each, a separator between them and whatever stands behind `start`.
fn write_joined<const N: usize>(text: &mut String, start: usize, separator: char, units: [Option<u8>; N]) {
    for unit in units.into_iter().flatten() {
        if text.len() > start {
            text.push(separator);
        }
        write_padded(text, unit.into(), 2);
    }
}

fn write_padded(text: &mut String, number: u32, width: usize) {
    fmt::Write::write_fmt(text, format_args!("{number:0width$}")).expect("a String takes all text");
}

/// Which units of a date a set of forms tells; what `check` asks before any key is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Units(u16);

impl Units {
    pub const NONE: Units = Units(0);
    const YEAR: Units = Units(1);
    const MONTH: Units = Units(1 << 1);
    const DAY: Units = Units(1 << 2);
    const HOUR: Units = Units(1 << 3);
    const MINUTE: Units = Units(1 << 4);
    const SECOND: Units = Units(1 << 5);
    const MILLISECOND: Units = Units(1 << 6);
    const QUARTER: Units = Units(1 << 7);
    const WEEK_YEAR: Units = Units(1 << 8);
    const WEEK: Units = Units(1 << 9);
    const DAY_OF_YEAR: Units = Units(1 << 10);
    /// From the coarsest to the finest.
    const CHAIN: [(Units, &'static str); 7] = [
        (Units::YEAR, "year"),
        (Units::MONTH, "month"),
        (Units::DAY, "day"),
        (Units::HOUR, "hour"),
        (Units::MINUTE, "minute"),
        (Units::SECOND, "second"),
        (Units::MILLISECOND, "millisecond"),
    ];

    /// What an epoch tells, and `{@modified}`: everything down to the second.
    pub const TO_THE_SECOND: Units = Units(0b11_1111);

    pub fn of(form: &DateForm) -> Units {
        form.fields().fold(Units::NONE, |units, field| units.and(Units::of_field(field)))
    }

    fn of_field(field: Field) -> Units {
        match field {
            Field::Year | Field::Year2 => Units::YEAR,
            Field::WeekYear => Units::WEEK_YEAR,
            Field::Week => Units::WEEK,
            Field::Month | Field::MonthShort | Field::MonthAbbreviated | Field::MonthName => Units::MONTH,
            Field::Day | Field::DayShort => Units::DAY,
            Field::DayOfYear => Units::DAY_OF_YEAR,
            Field::Hour | Field::HourShort => Units::HOUR,
            Field::Minute | Field::MinuteShort => Units::MINUTE,
            Field::Second | Field::SecondShort => Units::SECOND,
            Field::Millisecond => Units::MILLISECOND,
            Field::Quarter => Units::QUARTER,
        }
    }

    #[must_use]
    pub fn and(self, other: Units) -> Units {
        Units(self.0 | other.0)
    }

    /// Whether a date of these units prints as `yyyy-MM-dd`, no more and no less.
    pub fn is_whole_day(self) -> bool {
        let day = self.has(Units::MONTH.and(Units::DAY)) || self.has(Units::DAY_OF_YEAR);
        self.has(Units::YEAR) && day && !self.has(Units::HOUR)
    }

    fn has(self, unit: Units) -> bool {
        self.0 & unit.0 == unit.0
    }

    /// Why these units make no date: a unit is known whose coarser neighbour is not, though a coarser one still is.
    pub fn gap(self) -> Option<String> {
        let lonely = |unit: &str, other: &str| Some(format!("`{unit}` without `{other}` tells no date"));
        match (self.has(Units::WEEK_YEAR), self.has(Units::WEEK)) {
            (true, false) => return lonely("YYYY", "ww"),
            (false, true) => return lonely("ww", "YYYY"),
            _ => {}
        }
        let mut known = self;
        if self.has(Units::DAY_OF_YEAR) {
            if !self.has(Units::YEAR) {
                return lonely("DDD", "yyyy");
            }
            known = known.and(Units::MONTH).and(Units::DAY);
        }
        let is_known = |level: usize| known.has(Units::CHAIN[level].0);
        let name = |level: usize| Units::CHAIN[level].1;
        let finest = (0..Units::CHAIN.len()).rev().find(|level| is_known(*level));
        if let Some(finest) = finest.filter(|finest| *finest >= 2 && !is_known(1)) {
            for (unit, called) in [(Units::QUARTER, "quarter"), (Units::WEEK, "week")] {
                if known.has(unit) {
                    return Some(format!("a {called} and the {} without the month leave a gap", name(finest)));
                }
            }
        }
        if known.has(Units::WEEK) && known.has(Units::MONTH) && !known.has(Units::YEAR) {
            return Some("a week and the month without the year leave a gap".to_owned());
        }
        let coarsest = (0..Units::CHAIN.len()).find(|level| is_known(*level))?;
        let missing = (coarsest..finest?).find(|level| !is_known(*level))?;
        Some(format!("the {} and the {} without the {} leave a gap", name(coarsest), name(finest?), name(missing)))
    }

    /// The first field of `form` that a date of these units cannot print: it is not known, and neither is anything
    /// coarser whose first value it could take.
    pub fn missing_for(self, form: &DateForm) -> Option<Field> {
        form.fields().find(|field| !self.prints(*field))
    }

    fn prints(self, field: Field) -> bool {
        let has_year = self.has(Units::YEAR) || self.has(Units::WEEK);
        let coarser_or_known = |level: usize| (0..=level).any(|level| self.has(Units::CHAIN[level].0));
        let has_quarter = self.has(Units::QUARTER);
        match field {
            Field::Year | Field::Year2 | Field::WeekYear | Field::Week | Field::DayOfYear => has_year,
            Field::Quarter => has_year || has_quarter || self.has(Units::MONTH),
            _ => {
                let unit = Units::of_field(field);
                let level = Units::CHAIN.iter().position(|(link, _)| *link == unit).expect("the rest are in the chain");
                has_year || has_quarter || coarser_or_known(level)
            }
        }
    }
}

/// What a form was most likely meant to be, where it writes fields as other tools do: `%Y-%m-%d`, `YYYY-MM-DD`,
/// `yyyy-mm-dd`, `hh`.
pub fn meant(source: &str) -> Option<String> {
    const OTHERS: &[(&str, &str)] = &[
        ("%Y", "yyyy"),
        ("%y", "yy"),
        ("%m", "MM"),
        ("%d", "dd"),
        ("%H", "HH"),
        ("%M", "mm"),
        ("%S", "ss"),
        ("%j", "DDD"),
        ("%b", "MMM"),
        ("%B", "MMMM"),
        ("hh", "HH"),
    ];
    let mut text = OTHERS.iter().fold(source.to_owned(), |text, (other, ours)| text.replace(other, ours));
    if !text.contains("ww") {
        text = text.replace("YYYY", "yyyy");
    }
    if !text.contains("DDD") {
        text = text.replace("DD", "dd");
    }
    if !text.contains(['M', 'H']) {
        text = text.replace("mm", "MM");
    }
    let is_date = |form: DateForm| Units::of(&form).gap().is_none();
    (text != source && DateForm::parse(&text).is_ok_and(is_date)).then_some(text)
}

/// Words in a form's texts that look like fields of other tools, each with the field that was meant.
pub fn odd_words(form: &DateForm) -> Vec<(&'static str, &'static str)> {
    const ODD: &[(&str, &str)] =
        &[("DD", "dd"), ("D", "d"), ("hh", "HH"), ("h", "H"), ("YY", "yy"), ("SS", "ss"), ("MI", "mm"), ("mi", "mm")];
    let texts = form.parts.iter().filter_map(|part| match part {
        DatePart::Text(text) => Some(text.as_str()),
        DatePart::Field(_) => None,
    });
    let in_text = |text: &str| {
        let mut found = Vec::new();
        for (word, field) in ODD {
            let whole = |at: usize| {
                let (before, behind) = (&text[..at], &text[at + word.len()..]);
                // `h=HH` names a directory.
                !before.ends_with(char::is_alphabetic) && !behind.starts_with(|c: char| c.is_alphabetic() || c == '=')
            };
            if text.match_indices(word).any(|(at, _)| whole(at)) {
                found.push((*word, *field));
            }
        }
        found
    };
    texts.flat_map(in_text).collect()
}

/// Whether the pieces of one name make a date together: no gap between what they tell.
///
/// # Errors
/// Why not, as a message.
pub fn check_pieces(forms: &[&DateForm]) -> Result<(), String> {
    let units = forms.iter().fold(Units::NONE, |units, form| units.and(Units::of(form)));
    units.gap().map_or(Ok(()), Err)
}

impl PartialDate {
    /// The date in another form. Units finer than the date knows take their first value: a quarter its first month, a
    /// week its Monday. [`Units::missing_for`] says beforehand what a date cannot print; such a field would print as 0.
    pub fn format(&self, form: &DateForm) -> String {
        let mut text = String::new();
        self.write_format(form, &mut text);
        text
    }

    /// Appends [`PartialDate::format`].
    pub fn write_format(&self, form: &DateForm, text: &mut String) {
        let whole = self.first_moment();
        for part in &form.parts {
            match part {
                DatePart::Text(literal) => text.push_str(literal),
                DatePart::Field(field) => whole.write_field(*field, text),
            }
        }
    }

    fn first_moment(&self) -> Moment {
        let (year, month, day) = match (self.week, self.month) {
            (Some((year, week)), None) => week_monday(year, week).map_or((0, 1, 1), civil),
            _ => {
                let first_of_quarter = self.quarter.map_or(1, |quarter| 3 * (quarter - 1) + 1);
                (self.year.map_or(0, i64::from), self.month.unwrap_or(first_of_quarter), self.day.unwrap_or(1))
            }
        };
        Moment {
            year,
            month,
            day,
            hour: self.hour.unwrap_or(0),
            minute: self.minute.unwrap_or(0),
            second: self.second.unwrap_or(0),
            week: self.week,
        }
    }
}

/// The first moment that a partial date may mean.
struct Moment {
    year: i64,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    /// Where the date itself says its week.
    week: Option<(u16, u8)>,
}

impl Moment {
    fn write_field(&self, field: Field, text: &mut String) {
        let month_name = MONTHS[usize::from(self.month) - 1];
        let days = days_since_1970(self.year, self.month, self.day);
        let (week_year, week) = self.week.map_or_else(|| iso_week(days), |(year, week)| (year.into(), week.into()));
        let number = match field {
            Field::MonthAbbreviated => return text.push_str(&month_name[..3]),
            Field::MonthName => return text.push_str(month_name),
            Field::Year => self.year,
            Field::Year2 => self.year % 100,
            Field::WeekYear => week_year,
            Field::Week => week,
            Field::Month | Field::MonthShort => self.month.into(),
            Field::Day | Field::DayShort => self.day.into(),
            Field::DayOfYear => days - days_since_1970(self.year, 1, 1) + 1,
            Field::Hour | Field::HourShort => self.hour.into(),
            Field::Minute | Field::MinuteShort => self.minute.into(),
            Field::Second | Field::SecondShort => self.second.into(),
            Field::Millisecond => 0,
            Field::Quarter => quarter_of(self.month).into(),
        };
        // Year 0 may begin in the last week of the year before; no form writes a minus.
        let number = u32::try_from(number).unwrap_or(0);
        write_padded(text, number, field.digits().map_or(0, |(fewest, _)| fewest.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(source: &str) -> DateForm {
        DateForm::parse(source).unwrap_or_else(|error| panic!("{source}: {error:?}"))
    }

    /// Reads a text by a form, field by field, the first reading that lets the rest be read.
    fn read(source: &str, text: &str) -> Option<PartialDate> {
        fn step(parts: &[DatePart], text: &[u8], pieces: DatePieces) -> Option<DatePieces> {
            match parts {
                [] => text.is_empty().then_some(pieces),
                [DatePart::Text(literal), rest @ ..] => step(rest, text.strip_prefix(literal.as_bytes())?, pieces),
                [DatePart::Field(field), rest @ ..] => field.readings(text).into_iter().flatten().find_map(|reading| {
                    let mut pieces = pieces;
                    pieces.add(*field, reading.value);
                    step(rest, &text[usize::from(reading.len)..], pieces)
                }),
            }
        }
        step(&form(source).parts, text.as_bytes(), DatePieces::default())?.finish()
    }

    #[test]
    fn a_run_of_letters_is_fields_or_else_text() {
        let cuts = [
            ("year=yyyy/month=M/day=d", "year= <yyyy> /month= <M> /day= <d>"),
            ("yyyyMMddTHHmmssZ", "<yyyy> <MM> <dd> T <HH> <mm> <ss> Z"),
            (r"y=yyyy/\m=MM/\d=dd", "y= <yyyy> /m= <MM> /d= <dd>"),
            ("ddMMMMyyyy", "<dd> <MMMM> <yyyy>"),
            ("yyyyQq", "<yyyy> Q <q>"),
            ("YYYY-Www", "<YYYY> -W <ww>"),
            ("yyyyyy", "<yyyy> <yy>"),
            ("HHmmssSSS", "<HH> <mm> <ss> <SSS>"),
            ("DDD_DD", "<DDD> _DD"),
            ("yyyyx-dd", "yyyyx- <dd>"),
            ("yyyy年MM月", "<yyyy> 年 <MM> 月"),
            ("dt=dd", "dt= <dd>"),
            (r"\yyyyy", "y <yyyy>"),
        ];
        for (source, expected) in cuts {
            let parts: Vec<String> = form(source)
                .parts
                .iter()
                .map(|part| match part {
                    DatePart::Field(field) => format!("<{}>", field.letters()),
                    DatePart::Text(text) => text.clone(),
                })
                .collect();
            assert_eq!(parts.join(" "), expected);
            assert_eq!(form(&form(source).to_string()).parts, form(source).parts, "{source}");
        }
    }

    #[test]
    fn bad_forms_are_told_with_their_place() {
        for (source, span) in [("yyyyM", 0..5), ("dH", 0..2), ("x", 0..1), ("", 0..0), ("dd\\", 2..3)] {
            let errors = DateForm::parse(source).unwrap_err();
            assert_eq!((errors.len(), errors[0].span.clone()), (1, span), "{source}");
        }
        assert_eq!(DateForm::parse("yyyyMd_Hm").unwrap_err().len(), 3);
    }

    #[test]
    fn pieces_become_a_date_and_its_value() {
        let values = [
            ("yyyy-MM-dd", "2024-01-05", "2024-01-05"),
            ("yyyy-MM-dd-H", "2024-01-05-7", "2024-01-05 07"),
            ("yyyyMMddHHmmssSSS", "20240105130723999", "2024-01-05 13:07:23"),
            ("yyyyMM", "202401", "2024-01"),
            ("YYYY-Www", "2024-W07", "2024-W07"),
            ("YYYYww yyyy", "202453 2024", ""),
            ("YYYYww", "202053", "2020-W53"),
            ("YYYYww", "202153", ""),
            ("yyyyQq", "2023Q4", "2023-Q4"),
            ("q", "4", "Q4"),
            ("M", "1", "01"),
            ("dd", "09", "09"),
            ("MM-dd", "02-29", "02-29"),
            ("MM-dd", "02-30", ""),
            ("HH", "07", "07"),
            ("H:m", "7:5", "07:05"),
            ("mm", "05", "05"),
            ("dd HH", "05 07", "05 07"),
            ("yyyyDDD", "2024060", "2024-02-29"),
            ("yyyyDDD", "2023366", ""),
            ("yyyyDDD-MM", "2024060-03", ""),
            ("yyyyMMdd", "20230229", ""),
            ("yyyyMMdd", "19000229", ""),
            ("yyyyMMdd", "20000229", "2000-02-29"),
            ("yyyy-q-MM", "2024-1-04", ""),
            ("yyyy-q-MM", "2024-2-04", "2024-04"),
            ("ddMMMyy", "10JAN16", "2016-01-10"),
            ("ddMMMMyyyy", "01sePTember2016", "2016-09-01"),
            ("yyyy/yy", "2016/16", "2016"),
            ("yyyy/yy", "1916/16", ""),
            ("yyyyMMdd YYYYww", "20241230 202501", "2024-12-30"),
            ("yyyyMMdd YYYYww", "20241229 202501", ""),
            ("yyyy YYYYww", "2024 202501", "2025-W01"),
            ("yyyy YYYYww", "2023 202501", ""),
            ("yyyy/M/d", "2019/4/15", "2019-04-15"),
            ("yyyy/M/d", "2019/04/5", "2019-04-05"),
        ];
        for (source, text, value) in values {
            assert_eq!(read(source, text).map_or(String::new(), |date| date.value()), value, "{source} {text}");
        }
    }

    #[test]
    fn two_digits_are_read_before_one() {
        let reading = |field: Field, text: &str| {
            field.readings(text.as_bytes()).map(|reading| reading.map(|reading| (reading.len, reading.value)))
        };
        assert_eq!(reading(Field::MonthShort, "12"), [Some((2, 12)), Some((1, 1))]);
        assert_eq!(reading(Field::MonthShort, "13"), [Some((1, 1)), None]);
        assert_eq!(reading(Field::MonthShort, "0"), [None, None]);
        assert_eq!(reading(Field::MonthShort, "05"), [Some((2, 5)), None]);
        assert_eq!(reading(Field::HourShort, "24"), [Some((1, 2)), None]);
        assert_eq!(reading(Field::Year2, "16"), [Some((2, 2016)), None]);
        assert_eq!(reading(Field::MonthAbbreviated, "ſEP5"), [Some((4, 9)), None]);
    }

    #[test]
    fn readings_and_expressions_agree() {
        let texts = (0..=9999).flat_map(|n| [format!("{n}"), format!("{n:02}"), format!("{n:03}"), format!("{n:04}")]);
        let names = MONTHS.iter().flat_map(|name| [name.to_string(), name.to_uppercase(), name[..3].to_lowercase()]);
        let texts: Vec<String> = texts.chain(names).chain(["ſep".into(), "Jänner".into(), "".into()]).collect();
        for field in Field::ALL {
            let expression = regex::Regex::new(&format!("^(?:{})", field.expression())).unwrap();
            for text in &texts {
                let expected = expression.find(text).map(|found| found.len());
                let read = field.readings(text.as_bytes())[0].map(|reading| usize::from(reading.len));
                assert_eq!(read, expected, "{field:?} {text}");
            }
        }
    }

    #[test]
    fn gaps_are_found_over_all_pieces() {
        let gap = |forms: &[&str]| {
            let forms: Vec<DateForm> = forms.iter().map(|source| form(source)).collect();
            check_pieces(&forms.iter().collect::<Vec<_>>()).is_err()
        };
        for forms in [
            &["yyyy-dd"][..],
            &["DDD"],
            &["ww"],
            &["YYYY"],
            &["yyyy HH"],
            &["HH ss"],
            &["MM HH"],
            &["yyyy q dd"],
            &["YYYYww HH"],
            &["yyyy", "dd"],
        ] {
            assert!(gap(forms), "{forms:?}");
        }
        for forms in [
            &["yyyy/yyyy-MM"][..],
            &["MM-dd"],
            &["HH"],
            &["mm:ss"],
            &["q"],
            &["yyyyQq"],
            &["YYYY-Www"],
            &["yyyyDDD HH"],
            &["yyyy", "dd", "MM"],
            &["q MM"],
            &["HHmmssSSS"],
        ] {
            assert!(!gap(forms), "{forms:?}");
        }
    }

    #[test]
    fn formats_take_first_values() {
        let formats = [
            ("yyyy", "2024", "yyyy-MM-dd HH:mm:ss.SSS", "2024-01-01 00:00:00.000"),
            ("yyyyQq", "2023Q4", "yyyyMMdd q", "20231001 4"),
            ("YYYYww", "202501", "yyyy-MM-dd YYYY-Www", "2024-12-30 2025-W01"),
            ("YYYYww", "202507", "DDD", "041"),
            ("yyyyMMdd", "20241230", "YYYYww DDD q yy", "202501 365 4 24"),
            ("yyyyMMdd", "20240105", "M/d MMM MMMM", "1/5 Jan January"),
            ("MM", "05", "MMMM d q", "May 1 2"),
            ("HH", "07", "H:mm", "7:00"),
            ("q", "2", "MM", "04"),
        ];
        for (source, text, output, expected) in formats {
            let units = Units::of(&form(source));
            assert_eq!(units.missing_for(&form(output)), None, "{source} {output}");
            assert_eq!(read(source, text).unwrap().format(&form(output)), expected);
        }
        for (source, output) in
            [("MM", "yyyy"), ("MM", "DDD"), ("HH", "dd"), ("q", "yy"), ("dd", "MM"), ("MM-dd", "ww"), ("mm", "HH")]
        {
            assert!(Units::of(&form(source)).missing_for(&form(output)).is_some(), "{source} {output}");
        }
    }

    #[test]
    fn days_agree_with_the_calendar_of_jiff() {
        let first = jiff::civil::date(0, 1, 1);
        let epoch = jiff::civil::date(1970, 1, 1);
        let offset = i64::from(epoch.since((jiff::Unit::Day, first)).unwrap().get_days());
        let mut day = first;
        for days in -offset..2_932_897 {
            let expected = (i64::from(day.year()), day.month() as u8, day.day() as u8);
            assert_eq!(civil(days), expected);
            assert_eq!(days_since_1970(expected.0, expected.1, expected.2), days);
            let week = day.iso_week_date();
            assert_eq!(iso_week(days), (week.year().into(), week.week().into()));
            if days < 2_932_896 {
                day = day.tomorrow().unwrap();
            }
        }
        assert_eq!(day, jiff::civil::date(9999, 12, 31));
    }

    #[test]
    fn epochs_are_utc_to_the_second() {
        assert_eq!(PartialDate::from_epoch(1_704_412_800).unwrap().value(), "2024-01-05 00:00:00");
        assert_eq!(PartialDate::from_epoch(-1).unwrap().value(), "1969-12-31 23:59:59");
        assert_eq!(PartialDate::from_epoch(i64::MAX), None);
        let mut pieces = DatePieces::default();
        pieces.add_epoch(1_704_412_800);
        pieces.add(Field::Day, 6);
        assert_eq!(pieces.finish(), None);
    }
}
