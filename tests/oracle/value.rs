//! Values as the language says them: NULL, texts, dates, column types, the natural order. No product code.

use std::cmp::Ordering;

use dates::Date;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Text(String),
    Date(Date),
}

impl Value {
    /// An empty text is NULL.
    pub fn text(text: &str) -> Value {
        if text.is_empty() { Value::Null } else { Value::Text(text.to_owned()) }
    }

    /// What it reads as; `None` for NULL.
    pub fn shown(&self) -> Option<String> {
        match self {
            Value::Null => None,
            Value::Text(text) => Some(text.clone()),
            Value::Date(date) => Some(date.value()).filter(|text| !text.is_empty()),
        }
    }
}

/// A column's value from a text: `Err` is a bad value, `Ok(None)` NULL.
pub fn typed(column_type: &str, text: Option<String>) -> Result<Option<String>, ()> {
    let Some(text) = text.filter(|text| !text.is_empty() && text != "__HIVE_DEFAULT_PARTITION__") else {
        return Ok(None);
    };
    let bits = match column_type {
        "tinyint" => 8,
        "smallint" => 16,
        "int" => 32,
        "bigint" => 64,
        "date" => {
            let pieces = regex::Regex::new(r"\A([0-9]{4})-([0-9]{2})-([0-9]{2})\z").unwrap();
            let found = pieces.captures(&text).ok_or(())?;
            let number = |i: usize| found[i].parse::<i64>().unwrap();
            return if dates::exists(number(1), number(2), number(3)) { Ok(Some(text)) } else { Err(()) };
        }
        _ => return Ok(Some(text)),
    };
    if !regex::Regex::new(r"\A-?[0-9]+\z").unwrap().is_match(&text) {
        return Err(());
    }
    // Anything with more digits than i128 holds fits no column, unless they are zeros.
    let (sign, digits) = text.strip_prefix('-').map_or((1, text.as_str()), |digits| (-1, digits));
    let digits = digits.trim_start_matches('0');
    let number: i128 = if digits.is_empty() { 0 } else { sign * digits.parse::<i128>().map_err(drop)? };
    let limit = 1i128 << (bits - 1);
    if (-limit..limit).contains(&number) { Ok(Some(number.to_string())) } else { Err(()) }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Run {
    Text(String),
    /// Without zeros in front; longer is greater.
    Number(usize, String),
}

pub fn natural(left: &str, right: &str) -> Ordering {
    runs(left).cmp(&runs(right))
}

fn runs(text: &str) -> Vec<Run> {
    let cut = regex::Regex::new("[0-9]+|[^0-9]+").unwrap();
    cut.find_iter(text)
        .map(|run| {
            let run = run.as_str();
            if run.as_bytes()[0].is_ascii_digit() {
                let digits = run.trim_start_matches('0').to_owned();
                Run::Number(digits.len(), digits)
            } else {
                Run::Text(run.to_owned())
            }
        })
        .collect()
}

pub mod dates {
    //! Dates in pieces, by plain counting of days.

    /// What is known of a date.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct Date {
        pub year: Option<i64>,
        pub month: Option<i64>,
        pub day: Option<i64>,
        pub hour: Option<i64>,
        pub minute: Option<i64>,
        pub second: Option<i64>,
        pub quarter: Option<i64>,
        pub week: Option<(i64, i64)>,
    }

    /// What each piece said, unit by unit.
    #[derive(Clone, Debug, Default)]
    pub struct Pieces(Vec<(&'static str, i64)>);

    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    const FIELDS: [&str; 19] = [
        "yyyy", "YYYY", "MMMM", "MMM", "DDD", "SSS", "yy", "MM", "dd", "HH", "mm", "ss", "ww", "M", "d", "H", "m", "s",
        "q",
    ];

    /// A form's parts: fields, or characters of text.
    pub fn fields_of(form: &str) -> Vec<Result<&'static str, char>> {
        let chars: Vec<char> = form.chars().collect();
        let mut parts = Vec::new();
        let mut i = 0;
        while i < chars.len() {
            if chars[i] == '\\' {
                parts.push(Err(chars[i + 1]));
                i += 2;
                continue;
            }
            let run: String = chars[i..].iter().take_while(|c| c.is_ascii_alphabetic()).collect();
            if run.is_empty() {
                parts.push(Err(chars[i]));
                i += 1;
                continue;
            }
            i += run.len();
            let mut cut = Vec::new();
            let mut rest = run.as_str();
            while !rest.is_empty() {
                if let Some(field) = FIELDS.iter().find(|field| rest.starts_with(**field)) {
                    cut.push(Ok(*field));
                    rest = &rest[field.len()..];
                } else if rest.starts_with(['T', 'Z', 'W', 'Q']) {
                    cut.push(Err(rest.chars().next().unwrap()));
                    rest = &rest[1..];
                } else {
                    cut = run.chars().map(Err).collect();
                    break;
                }
            }
            parts.extend(cut);
        }
        parts
    }

    pub fn field_expression(field: &str) -> String {
        let two = |from: i64, to: i64| (from..=to).map(|n| format!("{n:02}")).collect::<Vec<_>>().join("|");
        let one_or_two = |from: i64, to: i64| {
            let single = (from..=9).map(|n| n.to_string()).collect::<Vec<_>>().join("|");
            format!("{}|{single}", two(from, to))
        };
        match field {
            "yyyy" | "YYYY" => "[0-9][0-9][0-9][0-9]".into(),
            "yy" => "[0-9][0-9]".into(),
            "SSS" => "[0-9][0-9][0-9]".into(),
            "MM" => two(1, 12),
            "dd" => two(1, 31),
            "HH" => two(0, 23),
            "mm" | "ss" => two(0, 59),
            "ww" => two(1, 53),
            "M" => one_or_two(1, 12),
            "d" => one_or_two(1, 31),
            "H" => one_or_two(0, 23),
            "m" | "s" => one_or_two(0, 59),
            "q" => "1|2|3|4".into(),
            "DDD" => (1..=366).map(|n| format!("{n:03}")).collect::<Vec<_>>().join("|"),
            "MMM" => format!("(?i:{})", MONTHS.map(|name| &name[..3]).join("|")),
            "MMMM" => format!("(?i:{})", MONTHS.join("|")),
            other => panic!("a field {other}"),
        }
    }

    fn is_leap(year: i64) -> bool {
        year % 4 == 0 && year % 100 != 0 || year % 400 == 0
    }

    fn days_in(year: i64, month: i64) -> i64 {
        match month {
            2 => 28 + i64::from(is_leap(year)),
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    pub fn exists(year: i64, month: i64, day: i64) -> bool {
        (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day)
    }

    /// Day of the year, from 1.
    fn ordinal(year: i64, month: i64, day: i64) -> i64 {
        (1..month).map(|month| days_in(year, month)).sum::<i64>() + day
    }

    /// Days since 0000-01-01.
    fn days(year: i64, month: i64, day: i64) -> i64 {
        let before = year - 1;
        let leaps = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) + 1;
        year * 365 + leaps + ordinal(year, month, day) - 1
    }

    /// 1 for Monday: 0000-01-03 was one.
    fn weekday(days: i64) -> i64 {
        (days - 2).rem_euclid(7) + 1
    }

    fn monday_of(year: i64, week: i64) -> i64 {
        let fourth = days(year, 1, 4);
        fourth - (weekday(fourth) - 1) + 7 * (week - 1)
    }

    fn day_of(count: i64) -> (i64, i64, i64) {
        let mut year = count / 366 - 1;
        while days(year + 1, 1, 1) <= count {
            year += 1;
        }
        let mut left = count - days(year, 1, 1);
        let mut month = 1;
        while left >= days_in(year, month) {
            left -= days_in(year, month);
            month += 1;
        }
        (year, month, left + 1)
    }

    fn iso_week(count: i64) -> (i64, i64) {
        let (near, _, _) = day_of(count);
        for year in [near + 1, near, near - 1] {
            if monday_of(year, 1) <= count {
                return (year, (count - monday_of(year, 1)) / 7 + 1);
            }
        }
        unreachable!()
    }

    impl Pieces {
        pub fn add(&mut self, field: &'static str, text: &str) {
            let number = text.parse::<i64>().unwrap_or(0);
            let folded = text.to_lowercase().replace('ſ', "s");
            let month = || 1 + MONTHS.iter().position(|name| name.starts_with(&folded)).expect("a month") as i64;
            self.0.push(match field {
                "yyyy" => ("year", number),
                "yy" => ("year", 2000 + number),
                "YYYY" => ("week year", number),
                "ww" => ("week", number),
                "MMM" | "MMMM" => ("month", month()),
                "MM" | "M" => ("month", number),
                "dd" | "d" => ("day", number),
                "DDD" => ("day of year", number),
                "HH" | "H" => ("hour", number),
                "mm" | "m" => ("minute", number),
                "ss" | "s" => ("second", number),
                "q" => ("quarter", number),
                _ => ("dropped", 0),
            });
        }

        pub fn add_epoch(&mut self, seconds: i64) {
            let (year, month, day) = day_of(days(1970, 1, 1) + seconds.div_euclid(86_400));
            let second = seconds.rem_euclid(86_400);
            self.0.extend([("year", year), ("month", month), ("day", day)]);
            self.0.extend([("hour", second / 3600), ("minute", second / 60 % 60), ("second", second % 60)]);
        }

        /// `None`: they contradict each other, or there is no such date.
        pub fn together(&self) -> Option<Date> {
            let mut said = self.0.clone();
            let of = |said: &[(&str, i64)], unit: &str| said.iter().find(|(name, _)| *name == unit).map(|(_, n)| *n);
            if let Some(ordinal) = of(&said, "day of year") {
                let year = of(&said, "year")?;
                if ordinal > 365 + i64::from(is_leap(year)) {
                    return None;
                }
                let (_, month, day) = day_of(days(year, 1, 1) + ordinal - 1);
                said.extend([("month", month), ("day", day)]);
            }
            if said.iter().any(|(unit, number)| of(&said, unit) != Some(*number)) {
                return None;
            }
            let of = |unit| of(&said, unit);
            let date = Date {
                year: of("year"),
                month: of("month"),
                day: of("day"),
                hour: of("hour"),
                minute: of("minute"),
                second: of("second"),
                quarter: of("quarter"),
                week: of("week year").zip(of("week")),
            };
            date.is_possible().then_some(date)
        }
    }

    impl Date {
        fn is_possible(&self) -> bool {
            if let (Some(quarter), Some(month)) = (self.quarter, self.month)
                && (month + 2) / 3 != quarter
            {
                return false;
            }
            if let (Some(month), Some(day)) = (self.month, self.day)
                && !exists(self.year.unwrap_or(2000), month, day)
            {
                return false;
            }
            let Some((year, week)) = self.week else { return true };
            let monday = monday_of(year, week);
            monday < monday_of(year + 1, 1)
                && (monday..monday + 7).any(|count| {
                    let (y, m, d) = day_of(count);
                    self.year.is_none_or(|year| year == y)
                        && self.month.is_none_or(|month| month == m)
                        && self.day.is_none_or(|day| day == d)
                        && self.quarter.is_none_or(|quarter| quarter == (m + 2) / 3)
                })
        }

        pub fn from_epoch(seconds: i64) -> Date {
            let mut pieces = Pieces::default();
            pieces.add_epoch(seconds);
            pieces.together().unwrap()
        }

        pub fn value(&self) -> String {
            let two = |n: Option<i64>| n.map(|n| format!("{n:02}"));
            let year = self.year.map(|year| format!("{year:04}"));
            let date: Vec<String> = match (self.month.is_some() || self.day.is_some(), self.week, self.quarter) {
                (true, _, _) => [year, two(self.month), two(self.day)].into_iter().flatten().collect(),
                (false, Some((year, week)), _) => vec![format!("{year:04}-W{week:02}")],
                (false, None, Some(quarter)) => year.into_iter().chain([format!("Q{quarter}")]).collect(),
                (false, None, None) => year.into_iter().collect(),
            };
            let time: Vec<String> =
                [two(self.hour), two(self.minute), two(self.second)].into_iter().flatten().collect();
            let both = [date.join("-"), time.join(":")];
            both.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
        }

        pub fn format(&self, form: &str) -> String {
            let (year, month, day) = match (self.month, self.week) {
                (None, Some((year, week))) => day_of(monday_of(year, week)),
                _ => {
                    let month = self.month.unwrap_or(self.quarter.map_or(1, |quarter| quarter * 3 - 2));
                    (self.year.unwrap_or(0), month, self.day.unwrap_or(1))
                }
            };
            let (hour, minute, second) = (self.hour.unwrap_or(0), self.minute.unwrap_or(0), self.second.unwrap_or(0));
            let (week_year, week) = self.week.unwrap_or_else(|| iso_week(days(year, month, day)));
            let name = || {
                let name = MONTHS[month as usize - 1];
                name[..1].to_uppercase() + &name[1..]
            };
            let print = |field: &str| match field {
                "yyyy" => format!("{year:04}"),
                "yy" => format!("{:02}", year % 100),
                "YYYY" => format!("{week_year:04}"),
                "ww" => format!("{week:02}"),
                "MM" => format!("{month:02}"),
                "M" => month.to_string(),
                "MMM" => name()[..3].to_owned(),
                "MMMM" => name(),
                "dd" => format!("{day:02}"),
                "d" => day.to_string(),
                "DDD" => format!("{:03}", ordinal(year, month, day)),
                "HH" => format!("{hour:02}"),
                "H" => hour.to_string(),
                "mm" => format!("{minute:02}"),
                "m" => minute.to_string(),
                "ss" => format!("{second:02}"),
                "s" => second.to_string(),
                "SSS" => "000".to_owned(),
                _ => ((month + 2) / 3).to_string(),
            };
            fields_of(form).into_iter().map(|part| part.map_or_else(|c| c.to_string(), print)).collect()
        }
    }
}
