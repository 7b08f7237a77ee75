//! `--unmatched FILE`: the URIs that no rule matched, one a line, written while the listing comes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::map::page::Object;
use crate::map::{Sink, Taken, Why};
use crate::uri::Shown;

/// Big enough that a million lines cost a few hundred writes.
const BUFFER_BYTES: usize = 256 * 1024;

/// A sink for what no rule matched; without a file it does nothing.
pub struct Unmatched(Option<Out>);

struct Out {
    path: PathBuf,
    file: BufWriter<File>,
    line: Vec<u8>,
    failed: Option<std::io::Error>,
}

impl Unmatched {
    /// Makes the file, and the folders above it.
    ///
    /// # Errors
    /// `Denied`, `Io` and the like, of the file system.
    pub fn create(path: Option<&Path>) -> Result<Unmatched> {
        let Some(path) = path else { return Ok(Unmatched(None)) };
        let failed = |error| Error::io(Shown(&path.to_string_lossy()), error);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let file = BufWriter::with_capacity(BUFFER_BYTES, File::create(path).map_err(failed)?);
        Ok(Unmatched(Some(Out { path: path.to_owned(), file, line: Vec::new(), failed: None })))
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// The first that any write met.
    pub fn finish(self) -> Result<()> {
        let Some(mut out) = self.0 else { return Ok(()) };
        let failed = |error| Error::io(Shown(&out.path.to_string_lossy()), error);
        out.failed.map_or(Ok(()), Err).and_then(|()| out.file.flush()).map_err(failed)
    }
}

impl Sink for Unmatched {
    fn take(&mut self, _: &Object<'_>, _: Taken) {}

    fn leave(&mut self, object: &Object<'_>, why: Why) {
        let Some(out) = self.0.as_mut().filter(|_| why == Why::Unmatched) else { return };
        out.line.clear();
        Object { physical: None, ..*object }.write_line(&mut out.line);
        escape_line_ends(&mut out.line);
        out.line.push(b'\n');
        if let Err(error) = out.file.write_all(&out.line) {
            out.failed.get_or_insert(error);
        }
    }
}

/// A key may hold a line's end; as `\n` and `\r` it stays one line.
fn escape_line_ends(line: &mut Vec<u8>) {
    if memchr::memchr2(b'\n', b'\r', line).is_some() {
        let text = String::from_utf8_lossy(line);
        *line = text.replace('\n', "\\n").replace('\r', "\\r").into_bytes();
    }
}
