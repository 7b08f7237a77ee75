//! `--unmatched FILE`: the URIs that no rule matched, one a line, written while the listing comes, on a thread of its own:
//! mapping does not wait for a disk.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::error::{Error, Result};
use crate::map::page::Object;
use crate::map::{Sink, Taken, Why};
use crate::uri::Shown;

/// Written at once: big enough that a million lines cost a few hundred writes.
const BATCH_BYTES: usize = 256 << 10;

/// Batches that wait to be written; mapping waits where there are more.
const AHEAD: usize = 4;

/// A sink for what no rule matched; without a file it does nothing.
pub struct Unmatched(Option<Out>);

struct Out {
    path: PathBuf,
    /// Lines that are not yet on their way.
    batch: Vec<u8>,
    sender: SyncSender<Vec<u8>>,
    writing: JoinHandle<io::Result<()>>,
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
        let mut file = File::create(path).map_err(failed)?;
        let (sender, receiver) = sync_channel::<Vec<u8>>(AHEAD);
        let write = move || receiver.iter().try_for_each(|batch| file.write_all(&batch));
        let writing = std::thread::Builder::new().name("unmatched".to_owned()).spawn(write).map_err(failed)?;
        Ok(Unmatched(Some(Out { path: path.to_owned(), batch: Vec::new(), sender, writing })))
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// The first that any write met.
    pub fn finish(self) -> Result<()> {
        let Some(mut out) = self.0 else { return Ok(()) };
        out.hand_over();
        drop(out.sender);
        let written = out.writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written.map_err(|error| Error::io(Shown(&out.path.to_string_lossy()), error))
    }
}

impl Out {
    fn hand_over(&mut self) {
        // Only a thread that has failed no longer receives; `finish` says why.
        let _ = self.sender.send(std::mem::take(&mut self.batch));
    }
}

impl Sink for Unmatched {
    fn take(&mut self, _: &Object<'_>, _: Taken) {}

    fn leave(&mut self, object: &Object<'_>, why: Why) {
        let Some(out) = self.0.as_mut().filter(|_| why == Why::Unmatched) else { return };
        if out.batch.is_empty() {
            out.batch.reserve(BATCH_BYTES + object.key.len());
        }
        let line_ends = memchr::memchr2(b'\n', b'\r', object.key.as_bytes()).is_some();
        let escaped = line_ends.then(|| object.key.replace('\n', "\\n").replace('\r', "\\r"));
        let key = escaped.as_deref().unwrap_or(object.key);
        Object { key, physical: None, ..*object }.write_line(&mut out.batch);
        out.batch.push(b'\n');
        if out.batch.len() >= BATCH_BYTES {
            out.hand_over();
        }
    }
}
