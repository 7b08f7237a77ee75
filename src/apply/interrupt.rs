//! SIGINT and SIGTERM as something that is looked at between writes: what is in hand is finished, nothing new is begun.

use tokio::sync::watch;

use crate::error::{Error, ErrorKind, Result};

/// Whether the user wants the run to end; a clone looks at the same.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Option<watch::Receiver<Option<ErrorKind>>>);

impl Interrupt {
    /// Heeds what is sent there: `Interrupted` or `Terminated`.
    pub fn new(signals: watch::Receiver<Option<ErrorKind>>) -> Interrupt {
        Interrupt(Some(signals))
    }

    /// # Errors
    /// `Interrupted` or `Terminated` once that was sent.
    pub fn check(&self) -> Result<()> {
        match self.0.as_ref().and_then(|signals| *signals.borrow()) {
            Some(kind) => Err(Error::new(kind, "interrupted")),
            None => Ok(()),
        }
    }
}
