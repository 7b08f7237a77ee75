//! A date in pieces: what each field of a form may say, once some are known, and how it may be spelled.

use std::collections::BTreeMap;

use crate::rules::date::{DateForm, DatePart, DatePieces, Field, PartialDate};

/// What is known of a date, by [`canonical`] fields.
pub(super) type Known = BTreeMap<Field, u16>;

/// The field that stands for all that say the same; `None` for what no date keeps.
pub(super) fn canonical(field: Field) -> Option<Field> {
    Some(match field {
        Field::Year | Field::Year2 => Field::Year,
        Field::Month | Field::MonthShort | Field::MonthAbbreviated | Field::MonthName => Field::Month,
        Field::Day | Field::DayShort => Field::Day,
        Field::Hour | Field::HourShort => Field::Hour,
        Field::Minute | Field::MinuteShort => Field::Minute,
        Field::Second | Field::SecondShort => Field::Second,
        Field::WeekYear | Field::Week | Field::DayOfYear | Field::Quarter => field,
        Field::Millisecond => return None,
    })
}

/// Notes what a field says; `false` where that contradicts what is known.
pub(super) fn note(known: &mut Known, field: Field, value: u16) -> bool {
    canonical(field).is_none_or(|unit| *known.entry(unit).or_insert(value) == value)
}

/// What a field says where all that is known leaves one value only.
pub(super) fn only_value(field: Field, known: &Known) -> Option<u16> {
    let unit = canonical(field)?;
    if let Some(value) = known.get(&unit) {
        return Some(*value);
    }
    let date = date(known)?;
    let day = date.year.is_some() && date.month.is_some() && date.day.is_some();
    let written = |letters: &str| {
        let form = DateForm::parse(letters).expect("a field is a form");
        date.format(&form).parse().ok()
    };
    match unit {
        Field::Month if known.contains_key(&Field::DayOfYear) => date.month.map(u16::from),
        Field::Day if known.contains_key(&Field::DayOfYear) => date.day.map(u16::from),
        Field::Quarter if date.month.is_some() => written("q"),
        Field::DayOfYear if day => written("DDD"),
        Field::WeekYear if day => written("YYYY"),
        Field::Week if day => written("ww"),
        _ => None,
    }
}

/// The date that all that is known makes, as far as it goes; `None` where there is no such date.
pub(super) fn date(known: &Known) -> Option<PartialDate> {
    let week = known.contains_key(&Field::WeekYear) && known.contains_key(&Field::Week);
    let day_of_year = known.contains_key(&Field::Year);
    let mut pieces = DatePieces::default();
    for (field, value) in known {
        match field {
            Field::WeekYear | Field::Week if !week => {}
            Field::DayOfYear if !day_of_year => {}
            _ => pieces.add(*field, *value),
        }
    }
    pieces.finish()
}

/// How a field may spell a value; none where it cannot, `None` where that is not known to the letter.
pub(super) fn spellings(field: Field, value: u16) -> Option<Vec<String>> {
    let width = match field {
        Field::MonthAbbreviated | Field::MonthName => return None,
        Field::Year2 => {
            let number = value.checked_sub(2000).filter(|number| *number < 100);
            return Some(number.map(|number| format!("{number:02}")).into_iter().collect());
        }
        _ => field.digits().map_or(2, |(_, most)| usize::from(most)),
    };
    let (least, most) = field.range();
    if !(least..=most).contains(&value) {
        return Some(Vec::new());
    }
    let padded = format!("{value:0width$}");
    let short = field.digits().is_some_and(|(fewest, _)| fewest == 1) && width > 1 && value < 10;
    Some(if short { vec![value.to_string(), padded] } else { vec![padded] })
}

/// Every value that a field may say.
pub(super) fn all_values(field: Field) -> impl Iterator<Item = u16> {
    let (least, most) = field.range();
    let century = if field == Field::Year2 { 2000 } else { 0 };
    (least + century)..=(most + century)
}

/// What a date prints by `form`, as far as its fields are known; and whether that is all of it.
pub(super) fn begins(form: &DateForm, known: &Known) -> Option<(String, bool)> {
    let date = date(known)?;
    let day = date.year.is_some() && date.month.is_some() && date.day.is_some();
    let is_known = |field: Field| match canonical(field) {
        Some(Field::Year) => date.year.is_some(),
        Some(Field::Month) => date.month.is_some(),
        Some(Field::Day) => date.day.is_some(),
        Some(Field::Hour) => date.hour.is_some(),
        Some(Field::Minute) => date.minute.is_some(),
        Some(Field::Second) => date.second.is_some(),
        Some(Field::Quarter) => date.month.is_some(),
        Some(Field::WeekYear | Field::Week | Field::DayOfYear) => day,
        _ => false,
    };
    let unknown = |part: &DatePart| matches!(part, DatePart::Field(field) if !is_known(*field));
    let end = form.parts.iter().position(unknown).unwrap_or(form.parts.len());
    let known = DateForm { source: String::new(), parts: form.parts[..end].to_vec() };
    Some((date.format(&known), end == form.parts.len()))
}

/// What the value of a date begins with: its year, and finer units as far as they are known.
pub(super) fn value_begins(known: &Known) -> Option<String> {
    let date = date(known)?;
    let Some(year) = date.year.filter(|_| !known.contains_key(&Field::Week)) else { return Some(String::new()) };
    let month = date.month;
    let day = date.day.filter(|_| month.is_some());
    let hour = date.hour.filter(|_| day.is_some());
    let known = PartialDate { year: Some(year), month, day, hour, ..PartialDate::default() };
    Some(known.value())
}
