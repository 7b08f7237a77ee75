//! What a command that writes shares with others of its kind: it asks first, and a signal before it writes ends it at once.

use std::io::{BufRead, IsTerminal, Write};

use tokio::sync::watch;

use super::Global;
use crate::error::{Error, ErrorKind, Result};

/// Asks on the terminal; anything but `y` and `yes` is a no.
///
/// # Errors
/// `Usage` where standard input is no terminal; `Interrupted`, `Terminated`.
pub async fn ask(global: &Global, question: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        let message = "there is no terminal to ask on, and no --yes; nothing was written";
        return Err(Error::new(ErrorKind::Usage, message).help("to go on without asking: --yes"));
    }
    // Nobody is left to ask if standard error is closed; then there is no answer either.
    let _ = write!(anstream::stderr(), "{question} [y/N] ");
    let read = || std::io::stdin().lock().lines().next().transpose();
    let answer = async {
        let answer = tokio::task::spawn_blocking(read).await;
        let answer = answer.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
        answer.map_err(|error| Error::io("standard input", error))
    };
    let answer = unless_interrupted(global, answer).await;
    if !matches!(answer, Ok(Some(_))) {
        // Nobody has ended the line that the question stands on.
        let _ = writeln!(anstream::stderr());
    }
    let answer = answer?.unwrap_or_default();
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Does what needs no putting in order: a signal ends it on the spot.
///
/// # Errors
/// `Interrupted`, `Terminated`, and those of `work`.
pub async fn unless_interrupted<T>(global: &Global, work: impl Future<Output = Result<T>>) -> Result<T> {
    let mut signals = global.interrupt();
    tokio::select! {
        done = work => done,
        signal = signal(&mut signals) => Err(Error::new(signal, "interrupted; nothing was written")),
    }
}

async fn signal(signals: &mut watch::Receiver<Option<ErrorKind>>) -> ErrorKind {
    match signals.wait_for(Option::is_some).await {
        Ok(signal) => signal.expect("waited for"),
        Err(_) => std::future::pending().await,
    }
}
