//! `--unmatched FILE`: the URIs that no rule matched, one a line, in the order of the listing, written while it comes.
//!
//! Workers bring their lines as they map; the one that brings what is next writes it, and all that waits behind it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::apply::mapped::Also;
use crate::error::{Error, Result};
use crate::map::page::Object;
use crate::map::{Sink, Taken, Why};
use crate::uri::Shown;

/// Batches that may wait to be written; who brings one more waits while others write.
const AHEAD: usize = 8;

/// The file; without one nothing is written.
pub struct Unmatched(Option<Arc<Out>>);

struct Out {
    path: PathBuf,
    queue: Mutex<Queue>,
    written: Condvar,
}

struct Queue {
    /// The number of what is written next.
    next: u64,
    early: BTreeMap<u64, Vec<u8>>,
    /// Missing while somebody writes.
    file: Option<File>,
    failed: Option<io::Error>,
    /// Buffers that have been written.
    spare: Vec<Vec<u8>>,
}

/// A worker's sink.
pub struct Lines {
    out: Option<Arc<Out>>,
    batch: Vec<u8>,
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
        let file = Some(File::create(path).map_err(failed)?);
        let queue = Queue { next: 0, early: BTreeMap::new(), file, failed: None, spare: Vec::new() };
        let (queue, written) = (Mutex::new(queue), Condvar::new());
        Ok(Unmatched(Some(Arc::new(Out { path: path.to_owned(), queue, written }))))
    }

    /// A sink for each worker.
    pub fn each(&self) -> impl Fn() -> Lines + Send + 'static + use<> {
        let out = self.0.clone();
        move || Lines { out: out.clone(), batch: Vec::new() }
    }

    /// Whether all has been written.
    ///
    /// # Errors
    /// The first that any write met.
    pub fn finish(self) -> Result<()> {
        let Some(out) = self.0 else { return Ok(()) };
        let failed = out.lock().failed.take();
        failed.map_or(Ok(()), |error| Err(Error::io(Shown(&out.path.to_string_lossy()), error)))
    }
}

impl Out {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the lines of one number, and gives an empty buffer.
    fn bring(&self, number: u64, lines: Vec<u8>) -> Vec<u8> {
        let mut queue = self.lock();
        queue.early.insert(number, lines);
        while queue.file.is_none() && queue.early.len() > AHEAD {
            queue = self.written.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        while let Some(mut file) = queue.file.take() {
            let next = queue.next;
            let Some(mut lines) = queue.early.remove(&next) else {
                queue.file = Some(file);
                break;
            };
            drop(queue);
            let done = file.write_all(&lines);
            lines.clear();
            queue = self.lock();
            queue.next += 1;
            queue.file = Some(file);
            queue.failed = queue.failed.take().or(done.err());
            queue.spare.push(lines);
            self.written.notify_all();
        }
        queue.spare.pop().unwrap_or_default()
    }

    /// Writes what came when everything else had been written.
    fn end(&self, lines: &[u8]) {
        let mut queue = self.lock();
        if let Some(Err(error)) = queue.file.as_mut().map(|file| file.write_all(lines)) {
            queue.failed.get_or_insert(error);
        }
    }
}

impl Also for Lines {
    fn end(&mut self, number: u64) {
        if let Some(out) = &self.out {
            self.batch = out.bring(number, std::mem::take(&mut self.batch));
        }
    }
}

impl Drop for Lines {
    /// What was held back comes behind the last number.
    fn drop(&mut self) {
        if let Some(out) = self.out.as_ref().filter(|_| !self.batch.is_empty()) {
            out.end(&self.batch);
        }
    }
}

impl Sink for Lines {
    fn take(&mut self, _: &Object<'_>, _: Taken) {}

    fn leave(&mut self, object: &Object<'_>, why: Why) {
        if why != Why::Unmatched || self.out.is_none() {
            return;
        }
        let line_ends = memchr::memchr2(b'\n', b'\r', object.key.as_bytes()).is_some();
        let escaped = line_ends.then(|| object.key.replace('\n', "\\n").replace('\r', "\\r"));
        let key = escaped.as_deref().unwrap_or(object.key);
        Object { key, physical: None, ..*object }.write_line(&mut self.batch);
        self.batch.push(b'\n');
    }
}
