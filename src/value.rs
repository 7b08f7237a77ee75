//! A partition's values: their types, their NULL, and how Hive writes them into a directory name.

use std::borrow::Cow;
use std::fmt;

/// How Hive writes NULL (and an empty value) into a directory name.
pub const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// One partition column's value: NULL or a non-empty text in the form its type prints.
///
/// NULL, an empty value and [`HIVE_NULL`] are one, NULL: a table whose directories are read by Hive could not tell them
/// apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionValue(Option<Box<str>>);

impl PartitionValue {
    pub const NULL: PartitionValue = PartitionValue(None);

    /// The value that `text` stands for in a column of no type; see [`PartitionType::value`] for typed ones.
    pub fn new(text: &str) -> PartitionValue {
        if text.is_empty() || text == HIVE_NULL { PartitionValue::NULL } else { PartitionValue(Some(text.into())) }
    }

    /// The text, or `None` for NULL.
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_deref()
    }

    pub fn is_null(&self) -> bool {
        self.0.is_none()
    }

    /// What stands behind `col=` in a directory name: escaped as Hive does, [`HIVE_NULL`] for NULL.
    pub fn escaped(&self) -> Cow<'_, str> {
        self.as_str().map_or(Cow::Borrowed(HIVE_NULL), hive_escape)
    }
}

/// A partition's values as catalogs hold them: [`HIVE_NULL`] for NULL.
pub fn in_catalog(values: &[PartitionValue]) -> Vec<String> {
    values.iter().map(|value| value.as_str().unwrap_or(HIVE_NULL).to_owned()).collect()
}

/// A partition column's type, as far as it decides how values are checked and printed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PartitionType {
    /// `string`, `varchar(n)`, `char(n)`: any text.
    Text,
    /// `tinyint`, `smallint`, `int`, `bigint`, with their range.
    Integer { min: i64, max: i64 },
    /// A whole ISO date.
    Date,
    /// Anything else (`boolean`, `decimal(p,s)`, `double`, `timestamp`, …): text as it came; see [`one_spelling`].
    Other,
}

impl PartitionType {
    /// The type that DDL text such as `int` or `varchar(10)` names.
    pub fn parse(ddl_type: &str) -> PartitionType {
        let name = ddl_type.trim().to_ascii_lowercase();
        let integer = |min: i64, max: i64| PartitionType::Integer { min, max };
        match name.split('(').next().unwrap_or("").trim() {
            "string" | "varchar" | "char" => PartitionType::Text,
            "tinyint" => integer(i8::MIN.into(), i8::MAX.into()),
            "smallint" => integer(i16::MIN.into(), i16::MAX.into()),
            "int" | "integer" => integer(i32::MIN.into(), i32::MAX.into()),
            "bigint" => integer(i64::MIN, i64::MAX),
            "date" => PartitionType::Date,
            _ => PartitionType::Other,
        }
    }

    /// `text` as a value of this type: integers without leading zeros, dates whole; `None` if it does not fit ("bad
    /// value"). An empty text and [`HIVE_NULL`] are NULL in every type.
    pub fn value(&self, text: &str) -> Option<PartitionValue> {
        let plain = PartitionValue::new(text);
        if plain.is_null() {
            return Some(plain);
        }
        match self {
            PartitionType::Text | PartitionType::Other => Some(plain),
            PartitionType::Date => is_iso_date(text).then_some(plain),
            PartitionType::Integer { min, max } => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return None;
                }
                let number: i64 = text.parse().ok()?;
                (*min <= number && number <= *max).then(|| PartitionValue(Some(number.to_string().into())))
            }
        }
    }
}

/// A partition column's type as rules hold values to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueType {
    kind: PartitionType,
    /// The type as its DDL names it, where a value has to be what [`one_spelling`] takes.
    strict: Option<Box<str>>,
}

impl ValueType {
    /// Of DDL text; a `strict` one of any type takes only what engines read in it, not integers and dates alone.
    pub fn new(ddl_type: &str, strict: bool) -> ValueType {
        let kind = PartitionType::parse(ddl_type);
        let may_not_fit = matches!(kind, PartitionType::Text | PartitionType::Other) && ddl_type != "string";
        ValueType { kind, strict: (strict && may_not_fit).then(|| ddl_type.into()) }
    }

    /// Whether any text fits.
    pub fn takes_all(&self) -> bool {
        matches!(self.kind, PartitionType::Text | PartitionType::Other) && self.strict.is_none()
    }

    pub fn is_date(&self) -> bool {
        self.kind == PartitionType::Date
    }

    pub fn is_integer(&self) -> bool {
        matches!(self.kind, PartitionType::Integer { .. })
    }

    /// As [`PartitionType::value`].
    pub fn value(&self, text: &str) -> Option<PartitionValue> {
        let value = self.kind.value(text)?;
        match (&self.strict, value.as_str()) {
            (Some(ddl_type), Some(text)) => one_spelling(ddl_type, text).is_some().then_some(value),
            _ => Some(value),
        }
    }
}

/// The one spelling of what engines read from `text` in a partition column of this type, as its DDL names it: `1.50` and `1.5`
/// are one decimal. `None` where the type does not hold it: then Hive and Spark refuse it, and Trino fails on it.
pub fn one_spelling<'t>(ddl_type: &str, text: &'t str) -> Option<Cow<'t, str>> {
    let ddl_type = ddl_type.trim().to_ascii_lowercase();
    let (name, arguments) = ddl_type.split_once('(').unwrap_or((&ddl_type, ""));
    let mut numbers = arguments.trim_end_matches(')').split(',').map(|number| number.trim().parse::<usize>().ok());
    let mut argument = || numbers.next().flatten();
    match name.trim() {
        "varchar" => (text.chars().count() <= argument()?).then_some(Cow::Borrowed(text)),
        // The spaces that fill it up are no part of the value.
        "char" => {
            let text = text.trim_end_matches(' ');
            (text.chars().count() <= argument()?).then_some(Cow::Borrowed(text))
        }
        "boolean" => {
            let text = text.to_ascii_lowercase();
            matches!(text.as_str(), "true" | "false").then_some(Cow::Owned(text))
        }
        "float" | "double" | "real" => text.parse::<f64>().ok().map(|number| Cow::Owned(number.to_string())),
        "decimal" | "numeric" => {
            let (precision, scale) = (argument().unwrap_or(10), argument().unwrap_or(0));
            one_decimal(text, precision, scale).map(Cow::Owned)
        }
        "timestamp" => {
            let is_whole = is_iso_date(text) || text.split_once(' ').is_some_and(|(_, time)| time.contains(':'));
            let time = text.parse::<jiff::civil::DateTime>().ok().filter(|_| is_whole)?;
            Some(Cow::Owned(time.to_string()))
        }
        _ => Some(Cow::Borrowed(text)),
    }
}

/// A decimal without the zeros that say nothing; `None` where it takes more digits than there are.
fn one_decimal(text: &str, precision: usize, scale: usize) -> Option<String> {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    if ![whole, part].iter().all(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let (whole, part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
    let fits = whole.len() <= precision.saturating_sub(scale) && part.len() <= scale;
    fits.then(|| if whole.is_empty() && part.is_empty() { "0".to_owned() } else { format!("{sign}{whole}.{part}") })
}

/// Seconds since 1970 of an ISO date and time, or of a date's midnight; one without a zone is UTC.
pub fn instant(text: &str) -> Option<i64> {
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_second());
    }
    let civil = text.parse::<jiff::civil::DateTime>().ok()?;
    Some(jiff::tz::Offset::UTC.to_timestamp(civil).ok()?.as_second())
}

/// Whether `text` is `yyyy-MM-dd` and that day exists.
pub fn is_iso_date(text: &str) -> bool {
    let b = text.as_bytes();
    let shape = b.len() == 10
        && b.iter().enumerate().all(|(i, c)| if i == 4 || i == 7 { *c == b'-' } else { c.is_ascii_digit() });
    let number = |range: std::ops::Range<usize>| b[range].iter().fold(0u32, |n, c| n * 10 + u32::from(c - b'0'));
    shape && (1..=days_in_month(number(0..4), number(5..7))).contains(&number(8..10))
}

/// Days in a month of the proleptic Gregorian calendar; 0 for a month that does not exist.
pub fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 0,
    }
}

/// Escapes a value for a Hive directory name (`FileUtils.escapePathName`): 0x01-0x1F, 0x7F and `" # % ' * / : = ? [ \ ] ^ {` become
/// `%XX` in upper-case hex; space, `}`, `& + , ; @ $ ! ~ | < >`, the backtick and non-ASCII stay.
pub fn hive_escape(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(is_hive_escaped) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_ascii() && is_hive_escaped(c as u8) {
            fmt::Write::write_fmt(&mut out, format_args!("%{:02X}", c as u32)).expect("a String takes all text");
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// Whether Hive escapes this byte in a directory name.
pub fn is_hive_escaped(byte: u8) -> bool {
    matches!(
        byte,
        0x01..=0x1f
            | 0x7f
            | b'"'
            | b'#'
            | b'%'
            | b'\''
            | b'*'
            | b'/'
            | b':'
            | b'='
            | b'?'
            | b'['
            | b'\\'
            | b']'
            | b'^'
            | b'{'
    )
}

/// Undoes [`hive_escape`] as Hive does: `%XX` in either case of hex becomes that byte, a malformed `%` stays. `None` if
/// the bytes are no UTF-8.
pub fn hive_unescape(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let bytes = text.as_bytes();
    let hex = |b: Option<&u8>| b.and_then(|b| (*b as char).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        match (bytes[i], hex(bytes.get(i + 1)), hex(bytes.get(i + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                i += 3;
            }
            (byte, _, _) => {
                out.push(byte);
                i += 1;
            }
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hive_escapes_what_hive_escapes() {
        let all: String = (1u8..128).map(char::from).collect();
        let escaped: String = all.chars().filter(|c| hive_escape(&c.to_string()) != c.to_string()).collect();
        assert_eq!(escaped.replace(|c: char| c.is_control(), ""), "\"#%'*/:=?[\\]^{");
        assert_eq!(hive_escape("a:b/é"), "a%3Ab%2Fé");
        assert_eq!(hive_unescape("a%3ab%zz%2F%").unwrap(), "a:b%zz/%");
        assert_eq!(hive_unescape("%ff"), None);
    }

    #[test]
    fn each_value_has_one_spelling() {
        for (ddl_type, same) in [
            ("decimal(4,2)", &["1.5", "1.50", "01.5"] as &[&str]),
            ("decimal(4,2)", &["0", "-0.00", "000"]),
            ("decimal(4,2)", &["-12.34"]),
            ("decimal", &["1234567890", "1234567890.0"]),
            ("double", &["1", "1.0", "1e0", "+1"]),
            ("boolean", &["true", "TRUE", "True"]),
            ("timestamp", &["2024-01-05", "2024-01-05 00:00", "2024-01-05 00:00:00.000"]),
            ("timestamp", &["2024-01-05 13:04:05.5"]),
            ("char(3)", &["ab", "ab ", "ab      "]),
            ("varchar(3)", &["äöü"]),
            ("string", &["01"]),
        ] {
            let spellings: Vec<_> = same.iter().map(|text| one_spelling(ddl_type, text)).collect();
            assert!(spellings.iter().all(|one| one.is_some() && *one == spellings[0]), "{ddl_type} {spellings:?}");
        }
        for (ddl_type, text) in [
            ("decimal(4,2)", "x"),
            ("decimal(4,2)", "123.4"),
            ("decimal(4,2)", "1.234"),
            ("decimal(4,2)", ".5"),
            ("decimal", "0.5"),
            ("double", "1,5"),
            ("boolean", "yes"),
            ("timestamp", "2024-01"),
            ("timestamp", "2024-01-05 13"),
            ("timestamp", "2024-02-30 00:00:00"),
            ("varchar(3)", "äöüß"),
            ("char(3)", "a  b"),
        ] {
            assert_eq!(one_spelling(ddl_type, text), None, "{ddl_type} {text}");
        }
        assert_ne!(one_spelling("varchar(3)", "ab"), one_spelling("varchar(3)", "ab "));
        assert_ne!(one_spelling("decimal(4,2)", "1"), one_spelling("decimal(4,2)", "-1"));
    }

    #[test]
    fn a_value_takes_its_columns_type() {
        let int = PartitionType::parse("int");
        assert_eq!(int.value("007").unwrap().as_str(), Some("7"));
        assert_eq!(int.value("-0").unwrap().as_str(), Some("0"));
        assert_eq!(int.value("2147483648"), None);
        assert_eq!(int.value("+1"), None);
        assert_eq!(int.value("").unwrap(), PartitionValue::NULL);
        assert_eq!(PartitionType::parse("DATE").value("2023-02-29"), None);
        assert!(PartitionType::parse("date").value("2024-02-29").is_some());
        assert_eq!(PartitionType::parse("varchar(3)").value(HIVE_NULL).unwrap(), PartitionValue::NULL);
    }

    #[test]
    fn a_strict_type_takes_what_engines_read() {
        for (ddl_type, text, fits) in [
            ("boolean", "true", true),
            ("boolean", "maybe", false),
            ("boolean", HIVE_NULL, true),
            ("decimal(10,2)", "1.50", true),
            ("decimal(10,2)", "abc", false),
            ("varchar(3)", "abcd", false),
            ("string", "anything", true),
            ("int", "x", false),
        ] {
            assert_eq!(ValueType::new(ddl_type, true).value(text).is_some(), fits, "{ddl_type} {text}");
            let as_ever = ValueType::new(ddl_type, false);
            assert_eq!(as_ever.value(text).is_some(), fits || as_ever.takes_all(), "{ddl_type} {text}");
        }
    }
}
