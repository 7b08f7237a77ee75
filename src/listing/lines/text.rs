//! A URI or a whole key a line. Lines end in `\n` alone; nothing is trimmed, so that a key is what its line says.
//!
//! Reading only cuts chunks at a newline; whoever maps a chunk tells its lines apart. The pages lie over the bytes as they
//! were read: no key is copied.

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use super::super::{Page, PageBuilder};
use super::{CHUNK_BYTES, Pages, Scope, Stop, is_uri};
use crate::error::{Error, ErrorKind, Result};
use crate::uri::Bucket;

/// The longest line taken, in bytes; a key is at most 1,024, but for local paths.
const MAX_LINE_BYTES: usize = 1 << 16;

pub(super) fn read(mut chunks: Chunks, pages: &Pages) -> Result<(), Stop> {
    let mut lines_before = 0;
    while let Some(chunk) = chunks.next(Vec::new()) {
        let (of_chunk, lines) = chunk.pages(lines_before).map_err(|(error, _)| error)?;
        of_chunk.into_iter().try_for_each(|page| pages.send(page))?;
        lines_before += lines;
    }
    Ok(())
}

/// A text on its way, cut into chunks of whole lines.
pub struct Chunks {
    source: Box<dyn Read + Send>,
    scope: Arc<Scope>,
    /// Of the last chunk's last line what has been read already.
    rest: Vec<u8>,
    is_first: bool,
    at_end: bool,
}

/// Whole lines as they were read, or what came instead of them.
#[derive(Debug)]
pub struct Chunk {
    scope: Arc<Scope>,
    bytes: Vec<u8>,
    is_first: bool,
    failed: Option<std::io::Error>,
}

impl Chunks {
    pub(super) fn new(source: Box<dyn Read + Send>, scope: Scope) -> Chunks {
        Chunks { source, scope: Arc::new(scope), rest: Vec::new(), is_first: true, at_end: false }
    }

    /// The next chunk, in `buffer`, whose own bytes are of no more use.
    pub fn next(&mut self, mut buffer: Vec<u8>) -> Option<Chunk> {
        if self.at_end {
            return None;
        }
        buffer.clear();
        buffer.reserve(CHUNK_BYTES + MAX_LINE_BYTES);
        buffer.append(&mut self.rest);
        let wanted = CHUNK_BYTES.saturating_sub(buffer.len()) as u64;
        let read = self.source.by_ref().take(wanted).read_to_end(&mut buffer);
        self.at_end = read.as_ref().map_or(true, |read| (*read as u64) < wanted);
        if !self.at_end {
            let end = memchr::memrchr(b'\n', &buffer).map_or(0, |newline| newline + 1);
            // A longer line stays where it is: it is no key, and telling the lines apart says so.
            if buffer.len() - end <= MAX_LINE_BYTES {
                self.rest.extend_from_slice(&buffer[end..]);
                buffer.truncate(end);
            } else {
                self.at_end = true;
            }
        }
        let is_first = std::mem::replace(&mut self.is_first, false);
        Some(Chunk { scope: self.scope.clone(), bytes: buffer, is_first, failed: read.err() })
    }
}

/// Keys of one bucket that follow each other.
struct Run {
    bucket: Bucket,
    /// `s3://bucket/`, for recognising the next line of the same bucket.
    uri_prefix: String,
    keys: Vec<Range<u32>>,
}

/// Lines as text, and what is known of them.
struct Told<'a> {
    scope: &'a Scope,
    is_first: bool,
    lines_before: u64,
}

impl Chunk {
    /// The keys, a page for each run of one bucket, and how many lines there were. `lines_before` is for errors.
    ///
    /// # Errors
    /// `Corrupt` with file and line, `Io`; with the chunk, to be asked again by whoever knows how many lines came before.
    pub fn pages(mut self, lines_before: u64) -> Result<(Vec<Page>, u64), (Error, Chunk)> {
        if let Some(error) = &self.failed {
            // An error of the system has no copy: its kind and its words are what is shown of it.
            let error = self.scope.io(std::io::Error::new(error.kind(), error.to_string()));
            return Err((error, self));
        }
        let told = Told { scope: &self.scope.clone(), is_first: self.is_first, lines_before };
        let text = match String::from_utf8(std::mem::take(&mut self.bytes)) {
            Ok(text) => text,
            Err(error) => {
                let wrong = told.not_utf8(error.as_bytes(), error.utf8_error());
                self.bytes = error.into_bytes();
                return Err((wrong, self));
            }
        };
        match told.runs(&text) {
            Ok((runs, lines)) => Ok((pages(runs, text), lines)),
            Err(error) => {
                self.bytes = text.into_bytes();
                Err((error, self))
            }
        }
    }
}

fn pages(mut runs: Vec<Run>, text: String) -> Vec<Page> {
    if runs.len() == 1 {
        let run = runs.remove(0);
        return vec![PageBuilder::over(run.bucket, text, run.keys)];
    }
    let page = |run: Run| {
        let (start, end) = (run.keys.first()?.start, run.keys.last()?.end);
        let keys = run.keys.iter().map(|key| key.start - start..key.end - start);
        Some(PageBuilder::over(run.bucket, text[start as usize..end as usize].to_owned(), keys))
    };
    runs.into_iter().filter_map(page).collect()
}

impl Told<'_> {
    fn runs(&self, text: &str) -> Result<(Vec<Run>, u64)> {
        let mut runs: Vec<Run> = Vec::new();
        let mut line = self.lines_before;
        let mut start = 0;
        while start < text.len() {
            let end = memchr::memchr(b'\n', &text.as_bytes()[start..]).map_or(text.len(), |length| start + length);
            line += 1;
            if end - start > MAX_LINE_BYTES {
                let what = format!("a line of over {MAX_LINE_BYTES} bytes: this is no list of keys");
                return Err(self.scope.error(line, what));
            }
            if start < end {
                let key = self.line(&text[start..end], line, &mut runs)?;
                let run = runs.last_mut().expect("a line has its run");
                run.keys.push(bound(end - key)..bound(end));
            }
            start = end + 1;
        }
        Ok((runs, line - self.lines_before))
    }

    /// Checks one line, sees to it that the last run is of its bucket, and gives the length of its key.
    fn line(&self, text: &str, line: u64, runs: &mut Vec<Run>) -> Result<usize> {
        let is_first = self.is_first && line == self.lines_before + 1;
        if text.ends_with('\r') || (is_first && text.starts_with('\u{feff}')) {
            return Err(self.windows(text, line));
        }
        if let Some(run) = runs.last() {
            // Where the scope has a bucket every run is of it.
            let is_key = self.scope.prefix.is_some() && !is_uri(text);
            let key = if is_key { Some(text) } else { text.strip_prefix(&run.uri_prefix) };
            if let Some(key) = key {
                self.scope.check_key(line, &run.bucket, key)?;
                return Ok(key.len());
            }
        }
        if is_first && is_ls(text) {
            let error = self.scope.error(line, "this is what `aws s3 ls` prints, whose columns are not told from keys");
            return Err(error.help("use `aws s3api list-objects-v2 --bucket B --prefix P`, or `restitch ls`"));
        }
        let (bucket, key) = self.scope.locate(line, text)?;
        if runs.last().is_none_or(|run| run.bucket != bucket) {
            runs.push(Run { uri_prefix: bucket.uri_prefix(), bucket, keys: Vec::new() });
        }
        Ok(key.len())
    }

    /// A carriage return or a byte order mark may be a key's, but for all we know it is an editor's.
    fn windows(&self, text: &str, line: u64) -> Error {
        if text.ends_with('\r') {
            let error = self.scope.error(line, "the line ends in a carriage return, which would be part of the key");
            return error.help("if it is not: `tr -d '\\r' <FILE`; if it is: give the listing as JSON lines");
        }
        let error = self.scope.error(line, "the file begins with a byte order mark, which would be part of the key");
        error.help("save it as UTF-8 without one; if it is the key's: give the listing as JSON lines")
    }

    fn not_utf8(&self, bytes: &[u8], error: std::str::Utf8Error) -> Error {
        let line = self.lines_before + 1 + memchr::memchr_iter(b'\n', &bytes[..error.valid_up_to()]).count() as u64;
        let wrong =
            Error::new(ErrorKind::Corrupt, format!("{}:{line}: not UTF-8, which every key is", self.scope.name));
        match bytes {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] if self.is_first => {
                wrong.help("the file is UTF-16, as PowerShell's `>` writes it: save it as UTF-8")
            }
            _ => wrong,
        }
    }
}

/// Whether a line has the columns of `aws s3 ls`: date, time, size, key.
fn is_ls(text: &str) -> bool {
    let mut words = text.split_ascii_whitespace();
    let mut is = |shape: &[u8]| {
        words.next().is_some_and(|word| {
            word.len() == shape.len()
                && word
                    .bytes()
                    .zip(shape)
                    .all(|(byte, shape)| byte == *shape || *shape == b'0' && byte.is_ascii_digit())
        })
    };
    is(b"0000-00-00") && is(b"00:00:00") && words.next().is_some_and(|size| size.bytes().all(|b| b.is_ascii_digit()))
}

fn bound(at: usize) -> u32 {
    u32::try_from(at).expect("a chunk is far below 4 GiB")
}
