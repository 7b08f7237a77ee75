//! The threads that a folder's work runs on. A write is some 40 µs of system calls: to wake a thread for each and be woken
//! by it costs as much again. So the threads are few, and each goes on as long as there is something to do.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::oneshot;

/// Threads at most: enough for a disk that syncs many writes at once.
pub(super) const MOST: usize = 16;

/// Threads that work which hardly waits keeps busy.
pub(super) fn busy() -> usize {
    /// To ask takes a dozen system calls.
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, MOST)))
}

#[derive(Default)]
pub(super) struct Threads(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<Work>,
    running: usize,
}

type Work = Box<dyn FnOnce() + Send>;

impl Threads {
    /// What `work` comes to, done on one of the threads; another one is started for it only where there are fewer than
    /// `most`. A panic there is passed on.
    pub async fn run<T: Send + 'static>(
        self: &Arc<Threads>,
        most: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let (sender, receiver) = oneshot::channel();
        let work = Box::new(move || {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            // Nobody may be waiting for it any more.
            let _ = sender.send(done);
        });
        self.push(most, work);
        let done = receiver.await.expect("work that waits is done");
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn push(self: &Arc<Threads>, most: usize, work: Work) {
        let mut state = self.0.lock().expect("nothing panics while it holds the lock");
        state.waiting.push_back(work);
        if state.running < most {
            state.running += 1;
            let threads = self.clone();
            tokio::task::spawn_blocking(move || {
                while let Some(work) = threads.next() {
                    work();
                }
            });
        }
    }

    /// The next work; where there is none the thread that asks has come to its end.
    fn next(&self) -> Option<Work> {
        let mut state = self.0.lock().expect("nothing panics while it holds the lock");
        let next = state.waiting.pop_front();
        if next.is_none() {
            state.running -= 1;
        }
        next
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn more_work_than_threads_is_done_and_a_panic_takes_no_thread_away() {
        let threads = Arc::new(Threads::default());
        for _ in 0..2 * MOST {
            let doomed = tokio::spawn({
                let threads = threads.clone();
                async move { threads.run(MOST, || panic!("expected")).await }
            });
            assert!(doomed.await.is_err_and(|error| error.is_panic()));
        }
        let works = (0..10 * MOST).map(|n| threads.run(MOST, move || n));
        assert_eq!(futures::future::join_all(works).await, (0..10 * MOST).collect::<Vec<_>>());
    }
}
