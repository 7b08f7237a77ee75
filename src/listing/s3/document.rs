//! S3's answer to ListObjectsV2, read straight into a page. Pure.
//!
//! The SDK's own reading of it costs nine tenths of a listing's time (`benches/listing.rs`), so this one is ours, and a
//! property test holds it against quick-xml. What it does not understand is an error, never a key less.

use std::borrow::Cow;
use std::fmt;

use memchr::{memchr, memchr2};

use super::super::url;
use super::xml::{Element, Malformed, Reader};
use crate::listing::{Object, Page, PageBuilder};
use crate::uri::{Bucket, Shown};

/// What a store answers when it is asked for a page.
#[derive(Debug)]
pub(super) enum Answer {
    Listed(Listed),
    Refused { code: String, message: String },
}

/// A page, and the token that asks for the next one; `None`: this was the last.
#[derive(Debug)]
pub(super) struct Listed {
    pub page: Page,
    /// What all keys that are not in the page share up to a delimiter, where one was asked for.
    pub directories: Vec<String>,
    pub next: Option<String>,
}

/// An answer that is no listing, or a broken one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

impl From<Malformed> for Unreadable {
    fn from(malformed: Malformed) -> Unreadable {
        Unreadable(format!("byte {}: {}", malformed.at, malformed.what))
    }
}

/// Reads an answer about objects of `bucket`.
pub(super) fn read(bucket: &Bucket, body: &[u8]) -> Result<Answer, Unreadable> {
    let mut reader = Reader::new(body)?;
    let root = reader.root().map_err(|_| Unreadable(format!("it begins with `{}`", Shown(&start(body)))))?;
    let answer = match root.name() {
        "ListBucketResult" => Answer::Listed(listing(&mut reader, root, bucket)?),
        "Error" => refusal(&mut reader, root)?,
        name => return Err(Unreadable(format!("it is a `{}`, not a listing", Shown(name)))),
    };
    reader.end()?;
    Ok(answer)
}

/// As much of an answer as helps to see what it is.
fn start(body: &[u8]) -> String {
    String::from_utf8_lossy(body).trim_start().chars().take(40).collect()
}

/// One `Contents`, as written.
#[derive(Default)]
struct Item<'a> {
    key: Option<Cow<'a, str>>,
    size: Option<u64>,
    modified: Option<i64>,
    storage_class: Option<Cow<'a, str>>,
    etag: Option<Cow<'a, str>>,
}

impl Item<'_> {
    /// Bytes of its texts.
    fn len(&self) -> usize {
        [&self.key, &self.storage_class, &self.etag].into_iter().flatten().map(|text| text.len()).sum()
    }
}

fn listing<'a>(reader: &mut Reader<'a>, root: Element<'a>, bucket: &Bucket) -> Result<Listed, Unreadable> {
    let (mut items, mut prefixes) = (Vec::with_capacity(1_000), Vec::new());
    let (mut is_encoded, mut is_truncated, mut token) = (false, None, None);
    loop {
        while let Some(item) = usual_item(reader) {
            items.push(item);
        }
        let Some(element) = reader.child(root)? else { break };
        match element.name() {
            "Contents" => items.push(item(reader, element)?),
            "CommonPrefixes" => prefixes.push(common_prefix(reader, element)?),
            "EncodingType" => is_encoded = reader.text(element)?.trim() == "url",
            "IsTruncated" => is_truncated = Some(truth(&reader.text(element)?)?),
            "NextContinuationToken" => token = Some(reader.text(element)?.into_owned()),
            _ => reader.skip(element)?,
        }
    }
    let next = match (is_truncated, token) {
        (Some(false), _) => None,
        (Some(true), Some(token)) if !token.is_empty() => Some(token),
        (Some(true), _) => return Err(Unreadable("more keys follow, and no token asks for them".into())),
        (None, _) => return Err(Unreadable("it does not say whether more keys follow".into())),
    };
    let mut scratch = Vec::new();
    let directories = prefixes.iter().map(|prefix| Ok(as_stored(prefix, is_encoded, &mut scratch)?.to_owned()));
    let directories = directories.collect::<Result<_, Unreadable>>()?;
    Ok(Listed { page: page(bucket, &items, is_encoded)?, directories, next })
}

fn common_prefix<'a>(reader: &mut Reader<'a>, element: Element<'a>) -> Result<Cow<'a, str>, Unreadable> {
    let mut prefix = None;
    while let Some(inner) = reader.child(element)? {
        match inner.name() {
            "Prefix" => prefix = Some(reader.text(inner)?),
            _ => reader.skip(inner)?,
        }
    }
    prefix.ok_or_else(|| Unreadable("a common prefix that is none".into()))
}

/// The next `Contents` in the very form in which S3 writes them, which is read at a tenth of the cost; `None` where it has
/// any other, and then nothing is read.
fn usual_item<'a>(reader: &mut Reader<'a>) -> Option<Item<'a>> {
    let mut rest = reader.rest().strip_prefix("<Contents><Key>")?;
    let key = plain(&mut rest, "</Key><LastModified>")?;
    let modified = usual_seconds(plain(&mut rest, "</LastModified><ETag>")?.as_bytes())?;
    let etag = match rest.strip_prefix("&quot;") {
        Some(inner) => {
            let etag = &inner[..memchr(b'&', inner.as_bytes())?];
            rest = inner[etag.len()..].strip_prefix("&quot;</ETag>")?;
            // Only what is the same with its quotes.
            etag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-').then_some(etag)?
        }
        None => plain(&mut rest, "</ETag>")?,
    };
    for (start, end) in [("<ChecksumAlgorithm>", "</ChecksumAlgorithm>"), ("<ChecksumType>", "</ChecksumType>")] {
        if let Some(inner) = rest.strip_prefix(start) {
            rest = inner;
            plain(&mut rest, end)?;
        }
    }
    rest = rest.strip_prefix("<Size>")?;
    let size = plain(&mut rest, "</Size><StorageClass>")?;
    let size = size.bytes().all(|byte| byte.is_ascii_digit()).then(|| size.parse().ok()).flatten()?;
    let storage_class = plain(&mut rest, "</StorageClass></Contents>")?;
    reader.skip_to(rest);
    Some(Item {
        key: Some(Cow::Borrowed(key)),
        size: Some(size),
        modified: Some(modified),
        storage_class: Some(Cow::Borrowed(storage_class)),
        etag: Some(Cow::Borrowed(etag)),
    })
}

/// Text without entities, up to these tags, which are read too.
fn plain<'a>(rest: &mut &'a str, tags: &str) -> Option<&'a str> {
    let (text, behind) = rest.split_at(memchr2(b'<', b'&', rest.as_bytes())?);
    *rest = behind.strip_prefix(tags)?;
    Some(text)
}

fn item<'a>(reader: &mut Reader<'a>, contents: Element<'a>) -> Result<Item<'a>, Unreadable> {
    let mut item = Item::default();
    while let Some(element) = reader.child(contents)? {
        match element.name() {
            "Key" if item.key.is_some() => return Err(reader.malformed("a second key of one object").into()),
            "Key" => item.key = Some(reader.text(element)?),
            "Size" => item.size = Some(number(&reader.text(element)?)?),
            "LastModified" => item.modified = Some(seconds(&reader.text(element)?)?),
            "StorageClass" => item.storage_class = Some(reader.text(element)?),
            "ETag" => item.etag = Some(reader.text(element)?),
            _ => reader.skip(element)?,
        }
    }
    Ok(item)
}

fn page(bucket: &Bucket, items: &[Item<'_>], is_encoded: bool) -> Result<Page, Unreadable> {
    let text = items.iter().map(Item::len).sum();
    let mut page = PageBuilder::with_capacity(bucket.clone(), items.len(), text);
    let mut scratch = Vec::new();
    for item in items {
        let key = item.key.as_deref().filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| Unreadable("an object without a key".into()))?;
        let key = as_stored(key, is_encoded, &mut scratch)?;
        page.push(&Object {
            bucket,
            key,
            physical: None,
            size: item.size,
            modified: item.modified,
            storage_class: item.storage_class.as_deref().filter(|class| !class.is_empty()),
            etag: item.etag.as_deref().map(unquoted).filter(|etag| !etag.is_empty()),
        });
    }
    Ok(page.finish())
}

/// A key or a prefix out of the form in which an answer says it.
fn as_stored<'k>(key: &'k str, is_encoded: bool, scratch: &'k mut Vec<u8>) -> Result<&'k str, Unreadable> {
    if !is_encoded || memchr2(b'%', b'+', key.as_bytes()).is_none() {
        return Ok(key);
    }
    scratch.clear();
    let decoded = url::decode_into(key.as_bytes(), scratch).and_then(|()| std::str::from_utf8(scratch).ok());
    decoded.ok_or_else(|| Unreadable(format!("`{}` is no url-encoded key", Shown(key))))
}

fn refusal<'a>(reader: &mut Reader<'a>, root: Element<'a>) -> Result<Answer, Unreadable> {
    let (mut code, mut message) = (String::new(), String::new());
    while let Some(element) = reader.child(root)? {
        match element.name() {
            "Code" => code = reader.text(element)?.into_owned(),
            "Message" => message = reader.text(element)?.into_owned(),
            _ => reader.skip(element)?,
        }
    }
    Ok(Answer::Refused { code, message })
}

/// An ETag without the quotes that belong to its header.
pub(crate) fn unquoted(etag: &str) -> &str {
    let etag = etag.trim();
    etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"')).unwrap_or(etag)
}

fn truth(text: &str) -> Result<bool, Unreadable> {
    match text.trim() {
        "true" | "True" => Ok(true),
        "false" | "False" => Ok(false),
        text => Err(Unreadable(format!("`{}` is neither true nor false", Shown(text)))),
    }
}

fn number(text: &str) -> Result<u64, Unreadable> {
    text.trim().parse().map_err(|_| Unreadable(format!("`{}` is no size", Shown(text))))
}

/// `2009-10-12T17:50:30.000Z` in seconds since 1970.
fn seconds(text: &str) -> Result<i64, Unreadable> {
    let text = text.trim();
    let usual = || usual_seconds(text.as_bytes());
    let any = || text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second);
    usual().or_else(any).ok_or_else(|| Unreadable(format!("`{}` is no date and time", Shown(text))))
}

/// The one form that S3 uses, read without a general parser: this is done once a key.
fn usual_seconds(text: &[u8]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', mo1, mo2, b'-', d1, d2, b'T', h1, h2, b':', m1, m2, b':', s1, s2, fraction @ ..] = text
    else {
        return None;
    };
    if !matches!(fraction, [b'Z'] | [b'.', _, _, _, b'Z']) || !fraction.iter().all(|b| b".Z0123456789".contains(b)) {
        return None;
    }
    let of = |digits: &[u8]| {
        let value = |sum: i64, digit: &u8| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'));
        digits.iter().try_fold(0, value)
    };
    let (year, month, day) = (of(&[*y1, *y2, *y3, *y4])?, of(&[*mo1, *mo2])?, of(&[*d1, *d2])?);
    let (hour, minute, second) = (of(&[*h1, *h2])?, of(&[*m1, *m2])?, of(&[*s1, *s2])?);
    const DAYS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let days = *DAYS.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    // Leap days and leap seconds are left to the general parser.
    if !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 59 || year < 1 {
        return None;
    }
    Some(days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// Of the Gregorian calendar, counted in years that begin in March, so that the leap day is the last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 719_469
}

#[cfg(test)]
mod tests;
