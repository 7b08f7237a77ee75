//! SIGINT and SIGTERM: most commands end on the spot, those that write put things in order first.

use tokio::sync::watch;

use super::Global;
use crate::error::{Error, ErrorKind};

/// The signal that came, as the kind of error that a command which heeds it ends with.
pub(super) type Interrupt = watch::Sender<Option<ErrorKind>>;

/// Listens for signals from now on. A command that `ends_itself` is told by the first and ended by the second.
pub(super) fn listen(global: &Global, ends_itself: bool) {
    let interrupt = global.interrupt.clone();
    tokio::spawn(async move {
        let mut signal = next().await;
        if ends_itself {
            interrupt.send_replace(Some(signal));
            signal = next().await;
        }
        std::process::exit(Error::new(signal, "interrupted").exit_code().into());
    });
}

/// Waits for a signal.
#[cfg(unix)]
async fn next() -> ErrorKind {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // No handlers to be had: the system's own way of ending a process stays in force.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => ErrorKind::Interrupted,
        _ = terminate.recv() => ErrorKind::Terminated,
    }
}

#[cfg(not(unix))]
async fn next() -> ErrorKind {
    match tokio::signal::ctrl_c().await {
        Ok(()) => ErrorKind::Interrupted,
        Err(_) => std::future::pending().await,
    }
}
