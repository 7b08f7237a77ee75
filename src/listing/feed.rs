//! Pages for several workers: whoever is free takes what comes next, and what became of each is told in the order of the
//! listing, so that nothing shows how many there were.
//!
//! Reading is done by the worker that takes: its bytes are then where they are mapped. Nothing here is async but the
//! hearing of what was told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc as parts};

use tokio::sync::mpsc;

use super::Page;
use super::lines::{Chunk, Chunks};
use crate::error::{Error, Result};

/// What is listed together, and its number in the order of the whole listing, from 0 on.
#[derive(Debug)]
pub struct Batch {
    pub number: u64,
    /// Mostly one: more where a text goes from bucket to bucket.
    pub pages: Vec<Page>,
}

/// Something has failed, or nobody waits any more: what was mapped is no whole listing.
#[derive(Clone, Copy, Debug)]
pub struct Stopped;

/// Where workers take their pages; a clone each.
#[derive(Debug)]
pub struct Incoming<N> {
    supply: Arc<Mutex<Supply>>,
    told: mpsc::UnboundedSender<Told<N>>,
    stopped: Arc<AtomicBool>,
}

/// A source's pages, as they come.
pub(super) enum Part {
    Chunks(Chunks),
    Pages(mpsc::Receiver<Result<Page>>),
}

/// What became of the number `.0`.
struct Told<N>(u64, Fate<N>);

/// What became of one number.
pub(super) enum Fate<N> {
    Mapped {
        keys: u64,
        /// Lines of its text, if it was one.
        lines: u64,
        news: N,
    },
    /// The part has no more.
    End,
    /// Its lines cannot be read; which, can be said once it is known how many came before.
    Unread(Box<Chunk>),
    Failed(Error),
}

/// The other end: parts in, fates out.
pub(super) struct Outcome<N> {
    /// Workers end once it is gone.
    parts: Option<parts::Sender<Part>>,
    told: mpsc::UnboundedReceiver<Told<N>>,
    early: BTreeMap<u64, Fate<N>>,
    next: u64,
    stopped: Arc<AtomicBool>,
}

struct Supply {
    parts: parts::Receiver<Part>,
    part: Option<Part>,
    /// The number of what comes next.
    next: u64,
}

enum Taken {
    Chunk(Chunk),
    Page(Result<Page>),
}

impl std::fmt::Debug for Supply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supply").field("next", &self.next).finish_non_exhaustive()
    }
}

/// A feed of which nothing has come yet.
pub(super) fn feed<N>() -> (Incoming<N>, Outcome<N>) {
    let (part_sender, part_receiver) = parts::channel();
    let (teller, told) = mpsc::unbounded_channel();
    let stopped = Arc::new(AtomicBool::new(false));
    let supply = Supply { parts: part_receiver, part: None, next: 0 };
    let incoming = Incoming { supply: Arc::new(Mutex::new(supply)), told: teller, stopped: stopped.clone() };
    (incoming, Outcome { parts: Some(part_sender), told, early: BTreeMap::new(), next: 0, stopped })
}

impl<N> Clone for Incoming<N> {
    fn clone(&self) -> Incoming<N> {
        Incoming { supply: self.supply.clone(), told: self.told.clone(), stopped: self.stopped.clone() }
    }
}

impl<N> Incoming<N> {
    /// Has `map` take batch after batch, as long as there are any; what it says of each is told. Blocks.
    ///
    /// # Errors
    /// Once anything has failed, here or with another worker: everything that came before it has been mapped, or is
    /// being mapped.
    pub fn each(&self, mut map: impl FnMut(&Batch) -> Result<N>) -> Result<(), Stopped> {
        let mut spare = Vec::new();
        while let Some((number, taken)) = self.take(&mut spare)? {
            let (pages, lines) = match taken {
                Taken::Page(Ok(page)) => (vec![page], 0),
                Taken::Page(Err(error)) => return Err(self.fail(number, Fate::Failed(error))),
                Taken::Chunk(chunk) => match chunk.pages(0) {
                    Ok(read) => read,
                    Err((_, chunk)) => return Err(self.fail(number, Fate::Unread(Box::new(chunk)))),
                },
            };
            let mut batch = Batch { number, pages };
            let fate = match map(&batch) {
                Ok(news) => Fate::Mapped { keys: batch.pages.iter().map(|page| page.len() as u64).sum(), lines, news },
                Err(error) => return Err(self.fail(number, Fate::Failed(error))),
            };
            spare = batch.pages.pop().map(Page::into_bytes).unwrap_or_default();
            self.told.send(Told(number, fate)).map_err(|_| self.stop())?;
        }
        Ok(())
    }

    /// What comes next, with its number; what is read goes into `spare`.
    fn take(&self, spare: &mut Vec<u8>) -> Result<Option<(u64, Taken)>, Stopped> {
        // Whoever panicked while it held the lock has ended the listing with it.
        let mut supply = self.supply.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if self.stopped.load(Ordering::Acquire) {
                return Err(Stopped);
            }
            let Some(part) = &mut supply.part else {
                match supply.parts.recv() {
                    Ok(part) => supply.part = Some(part),
                    Err(_) => return Ok(None),
                }
                continue;
            };
            let taken = match part {
                Part::Chunks(chunks) => chunks.next(std::mem::take(spare)).map(Taken::Chunk),
                Part::Pages(pages) => pages.blocking_recv().map(Taken::Page),
            };
            let number = supply.next;
            supply.next += 1;
            match taken {
                Some(taken) => return Ok(Some((number, taken))),
                None => supply.part = None,
            }
            self.told.send(Told(number, Fate::End)).map_err(|_| self.stop())?;
        }
    }

    fn fail(&self, number: u64, fate: Fate<N>) -> Stopped {
        // Nobody may be waiting for it any more; then it concerns nobody.
        let _ = self.told.send(Told(number, fate));
        self.stop()
    }

    fn stop(&self) -> Stopped {
        self.stopped.store(true, Ordering::Release);
        Stopped
    }
}

impl<N> Outcome<N> {
    /// Has the workers take these pages, once all before them have been taken.
    pub fn add(&self, part: Part) {
        // Where the workers are gone, the next fate says so.
        let _ = self.parts.as_ref().map(|parts| parts.send(part));
    }

    /// There are no more parts.
    pub fn end(&mut self) {
        self.parts = None;
    }

    /// What became of the next number; `None` where no worker is left that could say.
    pub async fn next(&mut self) -> Option<Fate<N>> {
        loop {
            if let Some(fate) = self.early.remove(&self.next) {
                self.next += 1;
                return Some(fate);
            }
            let Told(number, fate) = self.told.recv().await?;
            self.early.insert(number, fate);
        }
    }
}

/// Whoever no longer listens wants no more.
impl<N> Drop for Outcome<N> {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
    }
}
