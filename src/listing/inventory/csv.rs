//! A CSV file of an inventory: gzip, no header, every field in quotes, keys URL-encoded (form encoding: `+` is a space).
//!
//! Lines are cut by hand, for S3 puts no line break into a field: the crate `csv`, which must expect them, takes longer
//! than unpacking does.

use std::io::{BufReader, Read};
use std::ops::Range;

use flate2::bufread::MultiGzDecoder;

use super::checked;
use super::manifest::Columns;
use super::rows::{Rows, Said};
use crate::error::{Error, ErrorKind, Result};
use crate::listing::thread::Stop;
use crate::listing::url;
use crate::uri::Shown;
use crate::value::{days_in_month, instant};

/// Bytes unpacked at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// The longest line taken, in bytes: a key takes 3,072 at most, access control lists a few thousand.
const MAX_LINE_BYTES: usize = 1 << 20;

/// Reads `packed` to its end into `rows`; `name` is what errors call it.
///
/// # Errors
/// `Corrupt` for what is no gzip, or no line of these columns.
pub(super) fn read(
    packed: impl Read,
    columns: &Columns,
    etags: bool,
    name: &str,
    rows: &mut Rows<'_>,
) -> Result<(), Stop> {
    let mut unpacked = MultiGzDecoder::new(BufReader::with_capacity(128 << 10, packed));
    let mut lines = Lines { columns, etags, fields: vec![0..0; columns.names.len()], row: 0 };
    let mut buffer = vec![0; CHUNK_BYTES];
    // What of the buffer is filled: the part of a line that was left over, and what was read behind it.
    let mut filled = 0;
    loop {
        if filled == buffer.len() {
            if filled >= MAX_LINE_BYTES {
                return Err(rows.error(lines.row + 1, format!("a line of over {MAX_LINE_BYTES} bytes")).into());
            }
            buffer.resize(filled * 2, 0);
        }
        let read = unpacked.read(&mut buffer[filled..]).map_err(|error| broken(name, error))?;
        filled += read;
        let end = match read {
            0 => filled,
            _ => memchr::memrchr(b'\n', &buffer[..filled]).map_or(0, |newline| newline + 1),
        };
        lines.read(&buffer[..end], rows)?;
        if read == 0 {
            return rows.flush();
        }
        buffer.copy_within(end..filled, 0);
        filled -= end;
    }
}

/// What lines are read by.
struct Lines<'a> {
    columns: &'a Columns,
    etags: bool,
    /// Where the fields of a line stand in it, without their quotes.
    fields: Vec<Range<usize>>,
    /// Lines so far.
    row: u64,
}

impl Lines<'_> {
    /// Reads whole lines; the last may lack its end.
    fn read(&mut self, mut text: &[u8], rows: &mut Rows<'_>) -> Result<(), Stop> {
        while !text.is_empty() {
            let end = memchr::memchr(b'\n', text).unwrap_or(text.len());
            let line = &text[..end];
            text = &text[(end + 1).min(text.len())..];
            self.row += 1;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                self.line(line, rows)?;
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8], rows: &mut Rows<'_>) -> Result<(), Stop> {
        split(line, &mut self.fields).map_err(|found| {
            let columns = self.fields.len();
            rows.error(self.row, format!("{found}, where the manifest's `fileSchema` has {columns} columns"))
        })?;
        let field = |column: usize| &line[self.fields[column].clone()];
        let wrong = |column: usize, what: &str| {
            let text = String::from_utf8_lossy(field(column));
            rows.error(self.row, format!("`{}` in {} is no {what}", Shown(&text), self.columns.names[column]))
        };
        if let Some(versions) = self.columns.versions {
            let flag = |column| flag(field(column)).ok_or_else(|| wrong(column, "`true` or `false`"));
            if !flag(versions.is_latest)? || flag(versions.is_delete_marker)? {
                return Ok(());
            }
        }
        let said = |column: Option<usize>| column.filter(|column| !field(*column).is_empty());
        let size = match said(self.columns.size) {
            Some(column) => Some(number(field(column)).ok_or_else(|| wrong(column, "size in bytes"))?),
            None => None,
        };
        let modified = match said(self.columns.modified) {
            Some(column) => Some(moment(field(column)).ok_or_else(|| wrong(column, "date and time"))?),
            None => None,
        };
        let storage_class = said(self.columns.storage_class).map(field);
        let etag = said(self.columns.etag).filter(|_| self.etags).map(field);
        let key = field(self.columns.key);
        rows.push(self.row, Said { size, modified, storage_class, etag }, |text| {
            let encoded = !key.contains(&b'"');
            let decoded = encoded.then(|| url::decode_into(key, text)).flatten();
            decoded.ok_or("the key is not URL-encoded, as S3 writes keys in CSV")
        })
    }
}

/// Cuts a line into as many fields as `fields` has, or says how many it has instead.
fn split(line: &[u8], fields: &mut [Range<usize>]) -> Result<(), String> {
    let last = fields.len() - 1;
    let mut at = 0;
    for (index, field) in fields.iter_mut().enumerate() {
        let end = match line.get(at) {
            Some(b'"') => {
                let close = closing_quote(line, at + 1).ok_or("a quote that is not closed")?;
                *field = at + 1..close;
                close + 1
            }
            _ => {
                let end = memchr::memchr(b',', &line[at..]).map_or(line.len(), |length| at + length);
                *field = at..end;
                end
            }
        };
        match line.get(end) {
            Some(b',') if index < last => at = end + 1,
            None if index == last => {}
            None => return Err(format!("{} fields", index + 1)),
            Some(b',') => return Err(format!("over {} fields", index + 1)),
            Some(_) => return Err("text behind a quoted field".to_owned()),
        }
    }
    Ok(())
}

/// Where the quote stands that ends a field; two of them stand for one in it.
fn closing_quote(line: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let quote = from + memchr::memchr(b'"', line.get(from..)?)?;
        if line.get(quote + 1) != Some(&b'"') {
            return Some(quote);
        }
        from = quote + 2;
    }
}

fn flag(text: &[u8]) -> Option<bool> {
    if text.eq_ignore_ascii_case(b"true") { Some(true) } else { text.eq_ignore_ascii_case(b"false").then_some(false) }
}

fn number(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Seconds since 1970 of `2026-11-24T01:00:00.000Z`, which S3 writes in every row, or of whatever else is a time.
fn moment(text: &[u8]) -> Option<i64> {
    let number = |from: usize, to: usize| number(&text[from..to]).and_then(|number| i32::try_from(number).ok());
    let is_usual = text.len() == 24
        && text.ends_with(b".000Z")
        && [text[4], text[7], text[10]] == *b"--T"
        && text[13] == b':'
        && text[16] == b':';
    if !is_usual {
        return std::str::from_utf8(text).ok().and_then(instant);
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let whole = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 60;
    if !whole || day.unsigned_abs() > days_in_month(year.unsigned_abs(), month.unsigned_abs()) {
        return None;
    }
    // Days since 1 March of the year 0, so that leap days come last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (month * 153 + 2) / 5 + day - 1;
    Some(i64::from(days - 719_468) * 86_400 + i64::from(hour * 3_600 + minute * 60 + second))
}

/// What does not unpack: mostly a file that is cut short.
fn broken(name: &str, error: std::io::Error) -> Error {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::UnexpectedEof | Io::InvalidData | Io::InvalidInput => {
            let message = format!("{name} cannot be unpacked: {error}; it may be cut short");
            Error::new(ErrorKind::Corrupt, message).source(error)
        }
        _ => checked::failed(name, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_fields_in_quotes_or_without() {
        let cut = |line: &str, columns: usize| {
            let mut fields = vec![0..0; columns];
            split(line.as_bytes(), &mut fields)?;
            Ok(fields.into_iter().map(|field| line[field].to_owned()).collect::<Vec<_>>().join("|"))
        };
        for (line, fields) in [
            (r#""b","k","1""#, "b|k|1"),
            (r#"b,k,1"#, "b|k|1"),
            (r#""","k","#, "|k|"),
            (r#""a,b","say ""hi""",x"#, r#"a,b|say ""hi""|x"#),
        ] {
            assert_eq!(cut(line, 3), Ok(fields.to_owned()), "{line}");
        }
        for (line, wrong) in [
            (r#""b","k""#, "2 fields"),
            (r#""b","k","1","2""#, "over 3 fields"),
            (r#""b","k","1"#, "a quote that is not closed"),
            (r#""b"x,"k","1""#, "text behind a quoted field"),
        ] {
            assert_eq!(cut(line, 3), Err(wrong.to_owned()), "{line}");
        }
    }

    #[test]
    fn sizes_are_whole_numbers() {
        assert_eq!((number(b"0"), number(b"18446744073709551615")), (Some(0), Some(u64::MAX)));
        assert_eq!((number(b"-1"), number(b"1.5"), number(b"18446744073709551616")), (None, None, None));
    }

    #[test]
    fn times_are_what_the_calendar_says() {
        for text in [
            "1970-01-01T00:00:00.000Z",
            "2024-02-29T23:59:59.000Z",
            "2000-03-01T00:00:00.000Z",
            "2026-11-24T01:02:03.000Z",
            "2026-11-24T01:02:03Z",
            "2026-11-24T01:02:03.456Z",
        ] {
            assert_eq!(moment(text.as_bytes()), instant(text), "{text}");
        }
        for text in [
            "2023-02-29T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-11-24T24:00:00.000Z",
            "yesterday",
            "2026-11-24Txx:00:00.000Z",
        ] {
            assert_eq!(moment(text.as_bytes()), None, "{text}");
        }
    }
}
