//! Date forms (`yyyy-MM-dd`, `yyyyMMddTHHmmssZ`) and the dates that their pieces make together.

use std::ops::Range;

/// A date form: fields and texts, in the order written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateForm {
    pub source: String,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
