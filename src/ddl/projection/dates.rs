//! Dates in partition values: which form a column's values have, in Java's letters, and how many lie between two.

use jiff::civil::DateTime;

use crate::rules::date::{DateForm, DatePart, Field};

/// A form of dates that projection can count through: fields of digits and texts between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DatePattern {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Its unit, and how many digits; 0 for one or two.
    Digits(Unit, usize),
    Text(String),
}

/// From the largest to the smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unit {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

impl Unit {
    const ALL: [Unit; 6] = [Unit::Year, Unit::Month, Unit::Day, Unit::Hour, Unit::Minute, Unit::Second];

    /// As `projection.*.interval.unit` has it.
    pub fn name(self) -> &'static str {
        ["YEARS", "MONTHS", "DAYS", "HOURS", "MINUTES", "SECONDS"][self as usize]
    }

    /// The values of this unit alone, both ends included; `None` for years.
    pub fn range(self) -> Option<(i64, i64)> {
        [None, Some((1, 12)), Some((1, 31)), Some((0, 23)), Some((0, 59)), Some((0, 59))][self as usize]
    }
}

/// A moment as far as a pattern says it, what is not said at its first value; ordered by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment([i64; 6]);

impl DatePattern {
    /// Reads a form in Java's letters; only `yyyy MM dd HH mm ss` and texts. For the forms known here.
    pub fn of(form: &str) -> DatePattern {
        let mut parts = Vec::new();
        let mut rest = form;
        while let Some(c) = rest.chars().next() {
            let run = rest.len() - rest.trim_start_matches(c).len();
            let unit = "yMdHms".find(c).map(|index| Unit::ALL[index]);
            parts.push(unit.map_or_else(|| Part::Text(rest[..run].to_owned()), |unit| Part::Digits(unit, run)));
            rest = &rest[run..];
        }
        DatePattern { parts }
    }

    /// The pattern of a rule's form, if all its fields are units in digits.
    pub fn from_form(form: &DateForm) -> Option<DatePattern> {
        let part = |part: &DatePart| {
            Some(match part {
                DatePart::Text(text) => Part::Text(text.clone()),
                DatePart::Field(field) => {
                    let (unit, digits) = digits_of(*field)?;
                    Part::Digits(unit, digits)
                }
            })
        };
        Some(DatePattern { parts: form.parts.iter().map(part).collect::<Option<_>>()? })
    }

    /// `yyyy-MM-dd` as far as `smallest`: how a whole date capture prints.
    pub fn iso(smallest: Unit) -> DatePattern {
        let forms = ["yyyy", "yyyy-MM", "yyyy-MM-dd", "yyyy-MM-dd HH", "yyyy-MM-dd HH:mm", "yyyy-MM-dd HH:mm:ss"];
        DatePattern::of(forms[smallest as usize])
    }

    /// The form in Java's letters, texts that hold letters in quotes.
    pub fn java(&self) -> String {
        let letters = |unit: Unit, digits: usize| "yMdHms"[unit as usize..=unit as usize].repeat(digits.max(1));
        let part = |part: &Part| match part {
            Part::Digits(unit, digits) => letters(*unit, *digits),
            Part::Text(text) if text.bytes().any(|b| b.is_ascii_alphabetic() || b == b'\'') => {
                format!("'{}'", text.replace('\'', "''"))
            }
            Part::Text(text) => text.clone(),
        };
        self.parts.iter().map(part).collect()
    }

    pub fn smallest(&self) -> Option<Unit> {
        self.units().max()
    }

    /// Whether it says a year and everything down to its smallest unit, so that its values can be counted through.
    pub fn is_whole(&self) -> bool {
        let smallest = self.smallest();
        smallest.is_some()
            && Unit::ALL.into_iter().filter(|unit| Some(*unit) <= smallest).all(|u| self.units().any(|v| v == u))
    }

    /// The unit and its digits where the pattern is one field and no text.
    pub fn single(&self) -> Option<(Unit, usize)> {
        match self.parts.as_slice() {
            [Part::Digits(unit, digits)] => Some((*unit, *digits)),
            _ => None,
        }
    }

    /// The moment that `value` writes in exactly this form; `None` if it is another text or no real date.
    pub fn parse(&self, value: &str) -> Option<Moment> {
        let mut moment = [1, 1, 1, 0, 0, 0];
        let mut rest = value;
        for part in &self.parts {
            match part {
                Part::Text(text) => rest = rest.strip_prefix(text.as_str())?,
                Part::Digits(unit, digits) => {
                    let found = rest.bytes().take_while(u8::is_ascii_digit).count();
                    let taken = if *digits == 0 { found.min(2) } else { *digits };
                    if taken == 0 || found < taken || (*digits == 0 && taken == 2 && rest.starts_with('0')) {
                        return None;
                    }
                    moment[*unit as usize] = rest[..taken].parse().ok()?;
                    rest = &rest[taken..];
                }
            }
        }
        let moment = Moment(moment);
        (rest.is_empty() && moment.civil().is_some()).then_some(moment)
    }

    /// The moment that an ISO day begins.
    pub fn day(iso: &str) -> Option<Moment> {
        DatePattern::of("yyyy-MM-dd").parse(iso)
    }

    fn units(&self) -> impl Iterator<Item = Unit> {
        self.parts.iter().filter_map(|part| match part {
            Part::Digits(unit, _) => Some(*unit),
            Part::Text(_) => None,
        })
    }
}

impl Moment {
    /// How many steps of `unit` from here to `other` (later or the same), both ends counted.
    pub fn steps_to(self, other: Moment, unit: Unit) -> u128 {
        let months = |m: Moment| m.0[0] * 12 + m.0[1];
        let steps = match unit {
            Unit::Year => other.0[0] - self.0[0],
            Unit::Month => months(other) - months(self),
            _ => {
                let seconds = |m: Moment| m.civil().map_or(0, |civil| civil.duration_since(DateTime::ZERO).as_secs());
                let size = [86_400, 3_600, 60, 1][unit as usize - Unit::Day as usize];
                (seconds(other) - seconds(self)) / size
            }
        };
        u128::try_from(steps).unwrap_or(0) + 1
    }

    /// How many days the moment lies behind the one that begins `day`, as whole days that reach it; 0 where it is on
    /// that day's first second or before.
    pub fn days_behind(self, day: Moment) -> i64 {
        let seconds = |m: Moment| m.civil().map_or(0, |civil| civil.duration_since(DateTime::ZERO).as_secs());
        let behind = seconds(self) - seconds(day);
        if behind > 0 { (behind + 86_399) / 86_400 } else { 0 }
    }

    pub fn year(self) -> i64 {
        self.0[0]
    }

    fn civil(self) -> Option<DateTime> {
        let [year, month, day, hour, minute, second] = self.0;
        let small = |n: i64| i8::try_from(n).ok();
        DateTime::new(
            i16::try_from(year).ok()?,
            small(month)?,
            small(day)?,
            small(hour)?,
            small(minute)?,
            small(second)?,
            0,
        )
        .ok()
    }
}

fn digits_of(field: Field) -> Option<(Unit, usize)> {
    Some(match field {
        Field::Year => (Unit::Year, 4),
        Field::Month => (Unit::Month, 2),
        Field::MonthShort => (Unit::Month, 0),
        Field::Day => (Unit::Day, 2),
        Field::DayShort => (Unit::Day, 0),
        Field::Hour => (Unit::Hour, 2),
        Field::HourShort => (Unit::Hour, 0),
        Field::Minute => (Unit::Minute, 2),
        Field::MinuteShort => (Unit::Minute, 0),
        Field::Second => (Unit::Second, 2),
        Field::SecondShort => (Unit::Second, 0),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_in_exactly_their_form() {
        let day = DatePattern::of("yyyy-MM-dd");
        assert!(day.parse("2024-02-29").is_some());
        for wrong in ["2023-02-29", "2024-2-9", "2024-02-29 ", "24-02-29", ""] {
            assert_eq!(day.parse(wrong), None, "{wrong}");
        }
        assert!(day.parse("2024-01-31") < day.parse("2024-02-01"));
        assert_eq!(DatePattern::of("yyyy-MM-dd-HH").java(), "yyyy-MM-dd-HH");
        assert_eq!(DatePattern { parts: vec![Part::Text("Tag 'x".to_owned())] }.java(), "'Tag ''x'");
    }

    #[test]
    fn steps_count_both_ends() {
        let steps = |form: &str, from: &str, to: &str| {
            let pattern = DatePattern::of(form);
            let (from, to) = (pattern.parse(from).unwrap(), pattern.parse(to).unwrap());
            from.steps_to(to, pattern.smallest().unwrap())
        };
        assert_eq!(steps("yyyy-MM-dd", "2024-02-28", "2024-03-01"), 3);
        assert_eq!(steps("yyyy-MM", "2023-12", "2024-02"), 3);
        assert_eq!(steps("yyyy-MM-dd HH", "2024-01-01 23", "2024-01-02 01"), 3);
        assert_eq!(steps("yyyy", "2024", "2024"), 1);
    }
}
