//! `--listing [PREFIX=]SOURCE`: listings that were written down. Text (a URI or key a line), JSON lines as `restitch ls`
//! writes them, the document that `aws s3api list-objects-v2` prints, CSV with a header; plain, gzip or zstd.
//!
//! Reads a file or standard input, on a thread of its own. Keys are taken byte for byte: what may not be a whole,
//! unchanged list of keys is an error with file and line, never a partial listing.

mod csv;
mod json;
mod text;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use async_trait::async_trait;
use flate2::read::MultiGzDecoder;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::folder::{modified_s, shown};
use super::thread::{self, Pages, Stop};
use super::{Listing, Object, Page, PageBuilder, Requests};
use crate::error::{Error, ErrorKind, Result};
use crate::uri::{Bucket, Scheme, Shown, Uri};

pub use json::write_line;
pub use text::{Chunk, Chunks};

/// Bytes read at a time, and about the text of a page. Pages of 4 MiB are no faster and hold a third more memory.
const CHUNK_BYTES: usize = 512 << 10;

/// What S3 takes as a key, in bytes.
pub(super) const MAX_KEY_BYTES: usize = 1_024;

/// A listing in a file or on standard input.
#[derive(Debug)]
pub struct Lines {
    from: Origin,
    prefix: Option<Uri>,
    as_of: Option<i64>,
}

#[derive(Debug)]
enum Origin {
    File(PathBuf),
    /// Until it has been read.
    Stdin(Mutex<bool>),
}

/// Where a listing comes from and what it may hold, for messages and checks.
#[derive(Clone, Debug)]
struct Scope {
    /// The file's name as the user gave it, safe to show.
    name: String,
    /// What every object must lie below; `None`: anything, and then every line is a URI.
    prefix: Option<Uri>,
}

/// How a listing is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text,
    JsonLines,
    /// One JSON value, or several: documents with `Contents`, or arrays.
    Document,
    Csv,
}

impl Lines {
    /// The listing of `prefix` (of everything: then every line is a URI) in the file at `path`; `-` is standard input.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Io`; `Unsupported` for formats that are not read.
    pub fn open(path: &Path, prefix: Option<Uri>) -> Result<Lines> {
        if path == Path::new("-") {
            return Ok(Lines { from: Origin::Stdin(Mutex::new(false)), prefix, as_of: None });
        }
        let name = path.to_string_lossy();
        format_of_name(&name)?;
        let failed = |error| Error::io(format!("the listing {}", shown(path)), error);
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if metadata.is_dir() {
            let error = Error::new(ErrorKind::Usage, format!("{} is a folder, not a listing", shown(path)));
            return Err(error.help("folders are listed by rules whose `match` begins with them"));
        }
        Ok(Lines { from: Origin::File(path.to_owned()), prefix, as_of: Some(modified_s(&metadata)) })
    }

    /// What it is complete for; `None`: everything.
    pub fn prefix(&self) -> Option<&Uri> {
        self.prefix.as_ref()
    }

    /// Every object, in the order written. Standard input can be read once.
    ///
    /// # Errors
    /// `Corrupt` with file and line; `Io`; `Usage` for standard input's second time.
    pub fn all(&self) -> BoxStream<'static, Result<Page>> {
        let open = self.opener();
        thread::pages(move |pages| open()?.read(pages))
    }

    /// The same for several at once to take from: a text comes in chunks whose lines are not told apart yet.
    ///
    /// # Errors
    /// As [`Lines::all`].
    pub async fn supply(&self) -> Result<Supplied> {
        let opened = tokio::task::spawn_blocking(self.opener()).await;
        let opened = opened.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))?;
        Ok(match opened.format {
            Format::Text => Supplied::Chunks(Chunks::new(opened.reader, opened.scope)),
            _ => Supplied::Pages(thread::pages(move |pages| opened.read(pages))),
        })
    }

    /// Opens it, unpacks it and finds out the format. Blocks until something can be read.
    fn opener(&self) -> impl FnOnce() -> Result<Opened> + Send + 'static {
        let scope = Scope { name: self.name(), prefix: self.prefix.clone() };
        let (path, taken) = match &self.from {
            Origin::File(path) => (Some(path.clone()), false),
            Origin::Stdin(taken) => {
                let mut taken = taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                (None, std::mem::replace(&mut *taken, true))
            }
        };
        move || {
            if taken {
                let error = Error::new(ErrorKind::Usage, "standard input holds one listing, and it has been read");
                return Err(error.help("write it to a file and name that"));
            }
            let Some(path) = path else { return Opened::new(io::stdin(), "", scope) };
            let file = File::open(&path).map_err(|error| Error::io(format!("the listing {}", scope.name), error))?;
            Opened::new(file, &path.to_string_lossy(), scope)
        }
    }

    /// Whether its name says that it may tell of addresses, as `restitch ls` does of what lies in lakeFS.
    pub fn may_say_addresses(&self) -> bool {
        let Origin::File(path) = &self.from else { return false };
        let format = format_of_name(&path.to_string_lossy()).ok().flatten();
        matches!(format, Some(Format::JsonLines | Format::Document | Format::Csv))
    }

    fn name(&self) -> String {
        match &self.from {
            Origin::File(path) => shown(path),
            Origin::Stdin(_) => "standard input".to_owned(),
        }
    }
}

#[async_trait]
impl Listing for Lines {
    fn list<'a>(&'a self, prefix: &Uri) -> BoxStream<'a, Result<Page>> {
        below(self.all(), prefix)
    }

    fn requests(&self) -> Requests {
        Requests::default()
    }

    fn as_of(&self) -> Option<i64> {
        self.as_of
    }
}

/// Of all that is listed, the objects below `prefix`.
pub(super) fn below<'a>(all: BoxStream<'a, Result<Page>>, prefix: &Uri) -> BoxStream<'a, Result<Page>> {
    let prefix = prefix.clone();
    all.try_filter_map(move |page| std::future::ready(Ok(page_below(page, &prefix)))).boxed()
}

/// The page's objects below `prefix`, if there are any.
fn page_below(page: Page, prefix: &Uri) -> Option<Page> {
    if page.bucket() != &prefix.bucket {
        return None;
    }
    if (0..page.len()).all(|index| page.key(index).starts_with(&prefix.key)) {
        return Some(page);
    }
    let mut kept = PageBuilder::new(prefix.bucket.clone());
    page.objects().filter(|object| object.key.starts_with(&prefix.key)).for_each(|object| kept.push(&object));
    Some(kept.finish()).filter(|kept| !kept.is_empty())
}

/// A listing that is being read: unpacked, its format known.
struct Opened {
    format: Format,
    scope: Scope,
    reader: Box<dyn Read + Send>,
}

/// A listing for several at once to take from.
pub enum Supplied {
    Chunks(Chunks),
    Pages(BoxStream<'static, Result<Page>>),
}

impl Opened {
    fn new(source: impl Read + Send + 'static, name: &str, scope: Scope) -> Result<Opened> {
        let (start, rest) = peek(Box::new(source), 4).map_err(|error| scope.io(error))?;
        let mut reader: Box<dyn Read + Send> = Box::new(io::Cursor::new(start.clone()).chain(rest));
        let packed = packing(name);
        let unpacked = match (&start[..], packed) {
            ([0x1f, 0x8b, ..], _) => Some(Packing::Gzip),
            ([0x28, 0xb5, 0x2f, 0xfd], _) => Some(Packing::Zstd),
            (_, None) => None,
            (_, Some(_)) => return Err(scope.error(0, "is not packed as its name says; it may be cut short")),
        };
        match unpacked {
            Some(Packing::Gzip) => reader = Box::new(MultiGzDecoder::new(BufReader::with_capacity(1 << 17, reader))),
            Some(Packing::Zstd) => {
                reader = Box::new(zstd::stream::read::Decoder::new(reader).map_err(|error| scope.io(error))?);
            }
            None => {}
        }
        let (head, rest) = peek(reader, 1 << 16).map_err(|error| scope.io(error))?;
        let format = match format_of_name(name)? {
            Some(format) => format,
            None => format_of_content(&head),
        };
        let format = if format == Format::Document && json::is_lines(&head) { Format::JsonLines } else { format };
        Ok(Opened { format, scope, reader: Box::new(io::Cursor::new(head).chain(rest)) })
    }

    /// Reads to the end.
    fn read(self, pages: &Pages) -> Result<(), Stop> {
        let Opened { format, scope, reader } = self;
        match format {
            Format::Text => text::read(Chunks::new(reader, scope), pages),
            Format::JsonLines => json::read_lines(BufReader::with_capacity(1 << 18, reader), &scope, pages),
            Format::Document => json::read_documents(BufReader::with_capacity(1 << 18, reader), &scope, pages),
            Format::Csv => csv::read(reader, &scope, pages),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zstd,
}

/// The first `bytes` (fewer at the end), and what follows them.
fn peek(mut source: Box<dyn Read + Send>, bytes: u64) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut head = Vec::new();
    source.by_ref().take(bytes).read_to_end(&mut head)?;
    Ok((head, source))
}

fn extension(name: &str) -> Option<String> {
    Path::new(name).extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase())
}

fn packing(name: &str) -> Option<Packing> {
    match extension(name)?.as_str() {
        "gz" => Some(Packing::Gzip),
        "zst" | "zstd" => Some(Packing::Zstd),
        _ => None,
    }
}

/// The format that a file's name states, under its packing.
///
/// # Errors
/// `Unsupported` for formats that are not read.
fn format_of_name(name: &str) -> Result<Option<Format>> {
    let stem = if packing(name).is_some() { name.rsplit_once('.').map_or(name, |(stem, _)| stem) } else { name };
    Ok(match extension(stem).as_deref() {
        Some("txt" | "lst" | "list" | "keys") => Some(Format::Text),
        Some("jsonl" | "ndjson") => Some(Format::JsonLines),
        Some("json") => Some(Format::Document),
        Some("csv") => Some(Format::Csv),
        Some(other @ ("parquet" | "orc" | "avro" | "xml")) => {
            let message = format!("{}: listings in {other} are not read", Shown(name));
            let error = Error::new(ErrorKind::Unsupported, message);
            return Err(
                error.help("give it as text (a URI a line), JSON lines, CSV with a header, or the AWS CLI's JSON")
            );
        }
        _ => None,
    })
}

/// The format that the first bytes look like.
fn format_of_content(head: &[u8]) -> Format {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some('{' | '['), Some('"' | '{' | '[' | ']' | '}' | ' ' | '\n' | '\r' | '\t')) => Format::Document,
        _ if csv::is_header(text.lines().next().unwrap_or("")) => Format::Csv,
        _ => Format::Text,
    }
}

impl Scope {
    /// What is wrong in a line (from 1), or in the whole (0).
    fn error(&self, line: u64, what: impl std::fmt::Display) -> Error {
        let place = if line == 0 { self.name.clone() } else { format!("{}:{line}", self.name) };
        Error::new(ErrorKind::Corrupt, format!("{place}: {what}"))
    }

    fn io(&self, error: io::Error) -> Error {
        use io::ErrorKind as Io;
        match error.kind() {
            Io::UnexpectedEof | Io::InvalidData | Io::InvalidInput | Io::Other => {
                self.error(0, format!("cannot be unpacked: {error}; it may be cut short")).source(error)
            }
            _ => Error::io(&self.name, error),
        }
    }

    /// Where an object lies that is written as `text`: a URI, or a whole key of the prefix's bucket.
    fn locate<'t>(&self, line: u64, text: &'t str) -> Result<(Bucket, &'t str)> {
        let (bucket, key) = match (&self.prefix, is_uri(text)) {
            (Some(prefix), false) => (prefix.bucket.clone(), text),
            (None, false) => {
                let error = self.error(line, format!("`{}` is not a URI", Shown(text)));
                return Err(error.help("a listing of bare keys needs its bucket: --listing s3://BUCKET/=FILE"));
            }
            (_, true) => {
                let uri = Uri::parse(text).map_err(|error| {
                    let wrong = self.error(line, error.message());
                    error.help_text().into_iter().fold(wrong, |wrong, help| wrong.help(help))
                })?;
                (uri.bucket, &text[text.len() - uri.key.len()..])
            }
        };
        self.check(line, &bucket, key)?;
        Ok((bucket, key))
    }

    /// Whether a key may stand here.
    fn check(&self, line: u64, bucket: &Bucket, key: &str) -> Result<()> {
        match &self.prefix {
            Some(prefix) if &prefix.bucket != bucket => Err(self.outside(line, prefix, bucket, key)),
            _ => self.check_key(line, bucket, key),
        }
    }

    /// The same of a key whose bucket has been checked.
    fn check_key(&self, line: u64, bucket: &Bucket, key: &str) -> Result<()> {
        if key.is_empty() {
            return Err(self.error(line, "there is no key behind the bucket"));
        }
        if bucket.scheme == Scheme::S3 && key.len() > MAX_KEY_BYTES {
            let what = format!("a key of {} bytes, where S3 takes {MAX_KEY_BYTES}: this is no list of keys", key.len());
            return Err(self.error(line, what));
        }
        match &self.prefix {
            // Comparing nothing is not free: where vectors are masked, glibc's `memcmp` loads from an empty `String`'s
            // pointer and takes 70 ns to find that it may not.
            Some(prefix) if !prefix.key.is_empty() && !key.starts_with(&prefix.key) => {
                Err(self.outside(line, prefix, bucket, key))
            }
            _ => Ok(()),
        }
    }

    fn outside(&self, line: u64, prefix: &Uri, bucket: &Bucket, key: &str) -> Error {
        let found = Uri::new(bucket.clone(), key);
        let error = self.error(line, format!("{} is not below {}", found.shown(), prefix.shown()));
        error.help("keys are written whole, from the bucket's start; name the prefix that covers them all")
    }
}

/// Whether `text` begins with a scheme that objects have (or that people write for `s3`).
fn is_uri(text: &str) -> bool {
    let Some(colon) = text.as_bytes().iter().take(8).position(|byte| *byte == b':') else { return false };
    let (scheme, rest) = text.split_at(colon);
    rest.starts_with("://") && (Scheme::parse(scheme).is_some() || matches!(scheme, "s3a" | "s3n"))
}

/// Gathers objects with attributes into pages of one bucket each, in the order they come.
struct Filler<'a> {
    pages: &'a Pages,
    page: Option<(Bucket, PageBuilder)>,
}

/// What a line says about an object beside where it lies.
#[derive(Clone, Copy, Debug, Default)]
struct Attributes<'a> {
    physical: Option<&'a str>,
    size: Option<u64>,
    modified: Option<i64>,
    storage_class: Option<&'a str>,
    etag: Option<&'a str>,
}

impl<'a> Attributes<'a> {
    /// The object that has them; an empty text says nothing.
    fn of(self, bucket: &'a Bucket, key: &'a str) -> Object<'a> {
        let said = |text: &&str| !text.is_empty();
        Object {
            bucket,
            key,
            physical: self.physical.filter(said),
            size: self.size,
            modified: self.modified,
            storage_class: self.storage_class.filter(said),
            etag: self.etag.map(|etag| etag.trim_matches('"')).filter(said),
        }
    }
}

impl<'a> Filler<'a> {
    fn new(pages: &'a Pages) -> Filler<'a> {
        Filler { pages, page: None }
    }

    fn push(&mut self, bucket: &Bucket, key: &str, attributes: Attributes<'_>) -> Result<(), Stop> {
        let full = |(of, page): &(Bucket, PageBuilder)| of != bucket || page.text_len() >= CHUNK_BYTES;
        if self.page.as_ref().is_some_and(full) {
            self.flush()?;
        }
        let (_, page) = self.page.get_or_insert_with(|| (bucket.clone(), PageBuilder::new(bucket.clone())));
        page.push(&attributes.of(bucket, key));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Stop> {
        self.page.take().map_or(Ok(()), |(_, page)| self.pages.send(page.finish()))
    }
}

#[cfg(test)]
mod tests;
