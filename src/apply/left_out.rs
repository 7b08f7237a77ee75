//! What no table took, counted by shape on a thread of its own: mapping is the longest part of a run, and the shapes of
//! millions of keys would make it a third longer. Which thread counts changes nothing of what is counted.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::error::{Error, Result};
use crate::listing::Object;
use crate::map::shapes::Shapes;
use crate::map::{Sink, Taken, Why};
use crate::uri::Bucket;

/// Bytes of keys handed over at once.
const BATCH_BYTES: usize = 256 << 10;

/// Batches on their way; mapping waits for the counting where it falls further behind.
const AHEAD: usize = 8;

/// A sink that hands what is left out to the thread that counts it.
#[derive(Debug)]
pub(super) struct LeftOut {
    batch: Batch,
    sender: SyncSender<Batch>,
    counting: JoinHandle<Shapes>,
}

/// Keys of one bucket, one after another.
#[derive(Debug, Default)]
struct Batch {
    bucket: Option<Bucket>,
    keys: String,
    /// Where each key ends, and why it was left out.
    ends: Vec<(usize, Why)>,
}

impl LeftOut {
    /// # Errors
    /// `Io` if the system gives no thread.
    pub fn start(shapes: Shapes) -> Result<LeftOut> {
        let (sender, receiver) = sync_channel::<Batch>(AHEAD);
        let count = move || {
            let mut shapes = shapes;
            receiver.iter().for_each(|batch| batch.count(&mut shapes));
            shapes
        };
        let counting = std::thread::Builder::new().name("left out".to_owned()).spawn(count);
        let counting = counting.map_err(|error| Error::io("cannot start a thread", error))?;
        Ok(LeftOut { batch: Batch::default(), sender, counting })
    }

    /// All that was counted.
    pub fn finish(mut self) -> Shapes {
        self.hand_over();
        drop(self.sender);
        self.counting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn hand_over(&mut self) {
        // Only a thread that panicked no longer receives; `finish` passes that on.
        let _ = self.sender.send(std::mem::take(&mut self.batch));
    }
}

impl Sink for LeftOut {
    fn take(&mut self, _: &Object<'_>, _: Taken) {}

    fn leave(&mut self, object: &Object<'_>, why: Why) {
        if self.batch.bucket.as_ref() != Some(object.bucket) || self.batch.keys.len() > BATCH_BYTES {
            self.hand_over();
            self.batch.keys.reserve(BATCH_BYTES + object.key.len());
            self.batch.bucket = Some(object.bucket.clone());
        }
        self.batch.keys.push_str(object.key);
        self.batch.ends.push((self.batch.keys.len(), why));
    }
}

impl Batch {
    fn count(&self, shapes: &mut Shapes) {
        let Some(bucket) = &self.bucket else { return };
        let mut start = 0;
        for (end, why) in &self.ends {
            let key = &self.keys[start..*end];
            let (physical, storage_class, etag) = (None, None, None);
            let object = Object { bucket, key, physical, size: None, modified: None, storage_class, etag };
            shapes.leave(&object, *why);
            start = *end;
        }
    }
}
