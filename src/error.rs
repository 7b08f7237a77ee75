//! One error type for the whole library: a kind, a message, where it happened, what to do, and the cause.
//!
//! Messages follow one form: lower case, no full stop, backticks round what the user wrote. A `help` can be pasted. No
//! credential ever enters one. Mistakes in a rule file are `rules::Diagnostic`s, gathered and shown together.

use std::fmt;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in the terms in which a caller decides what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The command line, or a value handed in, is not of the form that is asked for.
    Usage,
    /// The rule file has errors; they have been reported one by one.
    Rules,
    /// Something that was named is not there: a file, a bucket, a key.
    NotFound,
    /// The store said no: 401 or 403.
    Denied,
    /// No credentials were found, or they have run out.
    Credentials,
    /// Nobody answers at the endpoint.
    Unreachable,
    /// The store went on refusing for load (429, 503) after every retry.
    Throttled,
    /// What was read is not what it says it is: a broken page, a bad checksum, an unreadable line.
    Corrupt,
    /// The disk or the file system failed.
    Io,
    /// Not possible here, or not yet.
    Unsupported,
    /// A brake: what would be done is so large or so odd that a person must look. Exit 3.
    Brake,
    /// A run over some partitions cannot tell what only a whole one can. Exit 3.
    Partial,
    /// Lines would move between partitions, or reading would change, without a switch. Exit 3.
    Moves,
    /// The location is somebody else's. Exit 3.
    Ownership,
    /// A query would fail or read wrong rows. Exit 3.
    Trap,
    /// A condition of a write did not hold: somebody else wrote. Exit 4.
    Conflict,
    /// A live lease of another run. Exit 4.
    Leased,
    /// A saved plan no longer fits what is published. Exit 4.
    Stale,
    /// SIGINT came. Exit 130.
    Interrupted,
    /// SIGTERM came. Exit 143.
    Terminated,
}

/// An error with all that a person needs: what, where, why, what to do.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    notes: Vec<String>,
    help: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(Box::new(Inner { kind, message: message.into(), notes: Vec::new(), help: None, source: None }))
    }

    /// A failed file operation on `what`; a full disk and a missing file get their own words.
    pub fn io(what: impl fmt::Display, error: std::io::Error) -> Error {
        use std::io::ErrorKind as Io;
        let kind = match error.kind() {
            Io::NotFound => ErrorKind::NotFound,
            Io::PermissionDenied => ErrorKind::Denied,
            _ => ErrorKind::Io,
        };
        let full = matches!(error.kind(), Io::StorageFull | Io::QuotaExceeded);
        let made = Error::new(kind, format!("{what}: {}", plain(&error))).source(error);
        if full { made.help("free some space there and run again; nothing half-written counts") } else { made }
    }

    /// A line under the message: what was found, what was expected, what was done so far.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Error {
        self.0.notes.push(note.into());
        self
    }

    /// What to do, as something that can be pasted where possible.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Error {
        self.0.help = Some(help.into());
        self
    }

    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        self.0.source = Some(source.into());
        self
    }

    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn notes(&self) -> &[String] {
        &self.0.notes
    }

    pub fn help_text(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// The process's exit code for this error: 3 where a flag that the message names would let it go on, 4 for a lost
    /// race, else 1.
    pub fn exit_code(&self) -> u8 {
        match self.kind() {
            ErrorKind::Brake | ErrorKind::Partial | ErrorKind::Moves | ErrorKind::Ownership | ErrorKind::Trap => 3,
            ErrorKind::Conflict | ErrorKind::Leased | ErrorKind::Stale => 4,
            ErrorKind::Interrupted => 130,
            ErrorKind::Terminated => 143,
            _ => 1,
        }
    }
}

/// The system's words for an error without `(os error 2)` behind them.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.0.message)?;
        self.0.notes.iter().try_for_each(|note| write!(f, "\n  {note}"))?;
        self.0.help.iter().try_for_each(|help| write!(f, "\n  help: {help}"))?;
        self.0.source.iter().try_for_each(|source| write!(f, "\n  cause: {source}"))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source.as_ref() as _)
    }
}
