//! SIGINT and SIGTERM: most commands end on the spot, those that write put things in order first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::watch;

use super::Global;

/// Whether the user wants the run to end, and the exit code that the signal asks for.
#[derive(Clone, Debug)]
pub(super) struct Interrupt {
    came: Arc<watch::Sender<bool>>,
    code: Arc<AtomicU8>,
}

impl Interrupt {
    pub(super) fn new() -> Interrupt {
        Interrupt { came: Arc::new(watch::Sender::new(false)), code: Arc::default() }
    }

    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.came.subscribe()
    }

    pub(super) fn code(&self) -> Option<u8> {
        Some(self.code.load(Ordering::Relaxed)).filter(|code| *code != 0)
    }

    fn set(&self, code: u8) {
        self.code.store(code, Ordering::Relaxed);
        self.came.send_replace(true);
    }
}

/// Listens for signals from now on. A command that `ends_itself` is told by the first and ended by the second.
pub(super) fn listen(global: &Global, ends_itself: bool) {
    let interrupt = global.interrupt.get_or_init(Interrupt::new).clone();
    tokio::spawn(async move {
        let code = next().await;
        if ends_itself {
            interrupt.set(code);
            next().await;
        }
        std::process::exit(code.into());
    });
}

/// Waits for a signal and gives its exit code.
#[cfg(unix)]
async fn next() -> u8 {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // No handlers to be had: the system's own way of ending a process stays in force.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => 130,
        _ = terminate.recv() => 143,
    }
}

#[cfg(not(unix))]
async fn next() -> u8 {
    match tokio::signal::ctrl_c().await {
        Ok(()) => 130,
        Err(_) => std::future::pending().await,
    }
}
