//! Rows of a report, gathered into pages: which of them are objects below the prefix, and where in a page their texts
//! stand. A key is written once, into the page's text; none is a `String` of its own.

use std::fmt;
use std::ops::Range;

use super::super::PageBuilder;
use super::super::lines::MAX_KEY_BYTES;
use super::super::thread::{Pages, Stop};
use crate::error::{Error, ErrorKind, Result};
use crate::map::page::Attributes;
use crate::uri::{Shown, Uri};

/// About the text of a page.
pub(super) const PAGE_BYTES: usize = 512 << 10;

/// The page being filled from one file.
pub(super) struct Rows<'a> {
    /// What the listing is of; other rows are passed over.
    prefix: &'a Uri,
    /// The file, for errors.
    name: &'a str,
    pages: &'a Pages,
    text: Vec<u8>,
    keys: Vec<Range<u32>>,
    attributes: Attributes,
    /// Where in the text each storage class stands that has come.
    classes: Vec<Range<u32>>,
}

/// What a row says beside its key.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said<'a> {
    /// Bytes.
    pub size: Option<u64>,
    /// Seconds since 1970, UTC.
    pub modified: Option<i64>,
    pub storage_class: Option<&'a [u8]>,
    pub etag: Option<&'a [u8]>,
}

impl<'a> Rows<'a> {
    pub fn new(prefix: &'a Uri, name: &'a str, pages: &'a Pages) -> Rows<'a> {
        Rows {
            prefix,
            name,
            pages,
            text: Vec::new(),
            keys: Vec::new(),
            attributes: Attributes::default(),
            classes: Vec::new(),
        }
    }

    /// Adds an object whose key `write` appends to the text, or says why there is none; `row`, from 1, is for errors.
    ///
    /// # Errors
    /// `Corrupt` for what can be no key.
    pub fn push(
        &mut self,
        row: u64,
        says: Said<'_>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), &'static str>,
    ) -> Result<(), Stop> {
        if self.text.len() >= PAGE_BYTES {
            self.flush()?;
        }
        let start = self.text.len();
        write(&mut self.text).map_err(|what| self.error(row, what))?;
        if !self.push_at(row, start..self.text.len(), says)? {
            self.text.truncate(start);
        }
        Ok(())
    }

    /// Begins a page over `text`, which holds keys.
    pub fn begin(&mut self, text: Vec<u8>) -> Result<(), Stop> {
        self.flush()?;
        self.text = text;
        Ok(())
    }

    /// Adds an object whose key stands in the text; `false` where it is not below the prefix.
    ///
    /// # Errors
    /// `Corrupt` for what can be no key.
    pub fn push_at(&mut self, row: u64, key: Range<usize>, says: Said<'_>) -> Result<bool, Stop> {
        let bytes = &self.text[key.clone()];
        if bytes.is_empty() || bytes.len() > MAX_KEY_BYTES {
            let what = format!("a key of {} bytes, where S3 has 1 to {MAX_KEY_BYTES}", bytes.len());
            return Err(self.error(row, what).into());
        }
        if !self.prefix.key.is_empty() && !bytes.starts_with(self.prefix.key.as_bytes()) {
            return Ok(false);
        }
        let index = self.keys.len();
        self.keys.push(bound(key.start)..bound(key.end));
        let storage_class = says.storage_class.filter(|class| !class.is_empty()).map(|class| self.class(class));
        let etag = says.etag.map(unquoted).filter(|etag| !etag.is_empty()).map(|etag| append(&mut self.text, etag));
        self.attributes.say(index, None, says.size, says.modified, storage_class, etag);
        Ok(true)
    }

    /// A page has a dozen classes at most, and each stands once in its text.
    fn class(&mut self, class: &[u8]) -> Range<u32> {
        let known = self.classes.iter().find(|span| self.text[span.start as usize..span.end as usize] == *class);
        known.cloned().unwrap_or_else(|| {
            let span = append(&mut self.text, class);
            self.classes.push(span.clone());
            span
        })
    }

    /// Hands on what there is.
    ///
    /// # Errors
    /// `Corrupt` for text that is no UTF-8.
    pub fn flush(&mut self) -> Result<(), Stop> {
        let (keys, attributes) = (std::mem::take(&mut self.keys), std::mem::take(&mut self.attributes));
        let text = std::mem::take(&mut self.text);
        self.classes.clear();
        if keys.is_empty() {
            return Ok(());
        }
        let (room, texts) = (text.capacity().min(PAGE_BYTES + MAX_KEY_BYTES), String::from_utf8(text));
        let text = texts.map_err(|error| self.not_utf8(error.as_bytes(), &keys))?;
        let whole = |key: &Range<u32>| text.get(key.start as usize..key.end as usize).is_some();
        if !text.is_ascii() && !keys.iter().all(whole) {
            return Err(self.not_utf8(text.as_bytes(), &keys).into());
        }
        let count = keys.len();
        self.pages.send(PageBuilder::over_with(self.prefix.bucket.clone(), text, keys, attributes))?;
        self.text.reserve(room);
        self.keys.reserve(count);
        Ok(())
    }

    fn not_utf8(&self, text: &[u8], keys: &[Range<u32>]) -> Error {
        let texts = keys.iter().map(|key| String::from_utf8_lossy(&text[key.start as usize..key.end as usize]));
        let broken = texts.into_iter().find(|key| key.contains(char::REPLACEMENT_CHARACTER)).unwrap_or_default();
        let message = format!("{}: `{}` is not UTF-8, which every key is", self.name, Shown(&broken));
        Error::new(ErrorKind::Corrupt, message)
    }

    /// What is wrong in a row, from 1.
    pub fn error(&self, row: u64, what: impl fmt::Display) -> Error {
        Error::new(ErrorKind::Corrupt, format!("{}:{row}: {what}", self.name))
    }
}

fn append(text: &mut Vec<u8>, more: &[u8]) -> Range<u32> {
    let start = text.len();
    text.extend_from_slice(more);
    bound(start)..bound(text.len())
}

/// An ETag as `restitch` has it.
fn unquoted(etag: &[u8]) -> &[u8] {
    etag.strip_prefix(b"\"").and_then(|etag| etag.strip_suffix(b"\"")).unwrap_or(etag)
}

fn bound(at: usize) -> u32 {
    u32::try_from(at).expect("a page is far below 4 GiB")
}
