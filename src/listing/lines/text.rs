//! A URI or a whole key a line. Lines end in `\n` alone; nothing is trimmed, so that a key is what its line says.
//!
//! The pages lie over the bytes as they were read: no key is copied.

use std::io::Read;
use std::ops::Range;

use super::super::PageBuilder;
use super::{CHUNK_BYTES, Pages, Scope, Stop, is_uri};
use crate::error::{Error, ErrorKind, Result};
use crate::uri::Bucket;

/// The longest line taken, in bytes; a key is at most 1,024, but for local paths.
const MAX_LINE_BYTES: usize = 1 << 16;

pub(super) fn read(mut source: impl Read, scope: &Scope, pages: &Pages) -> Result<(), Stop> {
    let mut rest = Vec::new();
    let mut lines_before = 0;
    loop {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES + MAX_LINE_BYTES);
        chunk.append(&mut rest);
        let wanted = CHUNK_BYTES.saturating_sub(chunk.len()) as u64;
        let read = source.by_ref().take(wanted).read_to_end(&mut chunk).map_err(|error| scope.io(error))?;
        let at_end = read < usize::try_from(wanted).unwrap_or(usize::MAX);
        if !at_end {
            let end = memchr::memrchr(b'\n', &chunk).map_or(0, |newline| newline + 1);
            if chunk.len() - end > MAX_LINE_BYTES {
                let line = lines_before + 1 + memchr::memchr_iter(b'\n', &chunk).count() as u64;
                return Err(scope
                    .error(line, format!("a line of over {MAX_LINE_BYTES} bytes: this is no list of keys"))
                    .into());
            }
            rest.extend_from_slice(&chunk[end..]);
            chunk.truncate(end);
        }
        lines_before = Chunk { scope, lines_before }.send(chunk, pages)?;
        if at_end {
            return Ok(());
        }
    }
}

/// Whole lines, and how many came before them.
struct Chunk<'a> {
    scope: &'a Scope,
    lines_before: u64,
}

/// Keys of one bucket that follow each other.
struct Run {
    bucket: Bucket,
    /// `s3://bucket/`, for recognising the next line of the same bucket.
    uri_prefix: String,
    keys: Vec<Range<u32>>,
}

impl Chunk<'_> {
    /// Sends the keys on as a page a run, and says how many lines there have been.
    fn send(&self, bytes: Vec<u8>, pages: &Pages) -> Result<u64, Stop> {
        let text = String::from_utf8(bytes).map_err(|error| self.not_utf8(error.as_bytes(), error.utf8_error()))?;
        let (mut runs, lines) = self.runs(&text)?;
        if runs.len() == 1 {
            let run = runs.remove(0);
            pages.send(PageBuilder::over(run.bucket, text, run.keys))?;
            return Ok(lines);
        }
        for run in runs {
            let (Some(first), Some(last)) = (run.keys.first(), run.keys.last()) else { continue };
            let (start, end) = (first.start, last.end);
            let keys = run.keys.iter().map(|key| key.start - start..key.end - start);
            pages.send(PageBuilder::over(run.bucket, text[start as usize..end as usize].to_owned(), keys))?;
        }
        Ok(lines)
    }

    fn runs(&self, text: &str) -> Result<(Vec<Run>, u64)> {
        let mut runs: Vec<Run> = Vec::new();
        let mut line = self.lines_before;
        let mut start = 0;
        while start < text.len() {
            let end = memchr::memchr(b'\n', &text.as_bytes()[start..]).map_or(text.len(), |length| start + length);
            line += 1;
            if start < end {
                let key = self.line(&text[start..end], line, &mut runs)?;
                let run = runs.last_mut().expect("a line has its run");
                run.keys.push(bound(end - key)..bound(end));
            }
            start = end + 1;
        }
        Ok((runs, line))
    }

    /// Checks one line, sees to it that the last run is of its bucket, and gives the length of its key.
    fn line(&self, text: &str, line: u64, runs: &mut Vec<Run>) -> Result<usize> {
        if text.ends_with('\r') || (line == 1 && text.starts_with('\u{feff}')) {
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
        if line == 1 && is_ls(text) {
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
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] if self.lines_before == 0 => {
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
