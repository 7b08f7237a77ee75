//! Pages that are read and parsed on a thread of their own, so that reading and mapping use two cores.

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Page;
use crate::error::{Error, Result};

/// Pages read ahead of the one being mapped.
const AHEAD: usize = 4;

/// Where a reading thread puts its pages.
pub(super) struct Pages {
    sender: mpsc::Sender<Result<Page>>,
}

/// Why a reading thread stops before its end.
pub(super) enum Stop {
    /// Nobody waits for pages any more.
    Unwanted,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Failed(error)
    }
}

impl Pages {
    /// Hands a page on; waits while enough are read ahead. An empty page is dropped.
    pub fn send(&self, page: Page) -> Result<(), Stop> {
        if page.is_empty() {
            return Ok(());
        }
        self.sender.blocking_send(Ok(page)).map_err(|_| Stop::Unwanted)
    }
}

/// Runs `read` on a thread of its own once the stream is asked for its first page. An error of `read` is the stream's
/// last item.
pub(super) fn pages(
    read: impl FnOnce(&Pages) -> Result<(), Stop> + Send + 'static,
) -> BoxStream<'static, Result<Page>> {
    stream::once(async move { start(read, AHEAD) }).flatten().boxed()
}

/// Runs `read` on a thread of its own, from now on, up to `ahead` pages ahead of what is taken. Is called within a
/// runtime.
pub(super) fn start(
    read: impl FnOnce(&Pages) -> Result<(), Stop> + Send + 'static,
    ahead: usize,
) -> BoxStream<'static, Result<Page>> {
    let (sender, receiver) = mpsc::channel(ahead);
    let thread = tokio::task::spawn_blocking(move || {
        let pages = Pages { sender };
        if let Err(Stop::Failed(error)) = read(&pages) {
            // Nobody may be waiting for it any more; then it concerns nobody.
            let _ = pages.sender.blocking_send(Err(error));
        }
    });
    let next = |(mut receiver, thread): (mpsc::Receiver<Result<Page>>, JoinHandle<()>)| async move {
        if let Some(page) = receiver.recv().await {
            return Some((page, (receiver, thread)));
        }
        // The channel also closes when the thread panics: an end must never be taken for a complete listing.
        match thread.await {
            Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
            _ => None,
        }
    };
    stream::unfold((receiver, thread), next).boxed()
}
