//! How results and errors reach the terminal: results on standard output, errors on standard error, colour on top.

use std::fmt;
use std::io::{self, BufWriter, Write};

use anstyle::{AnsiColor, Style};

use super::Global;
use crate::error::{Error, ErrorKind, Result};
use crate::uri::Shown;

pub const ERROR: Style = AnsiColor::Red.on_default().bold();
pub const WARNING: Style = AnsiColor::Yellow.on_default().bold();
pub const HELP: Style = AnsiColor::Cyan.on_default();
pub const ADDED: Style = AnsiColor::Green.on_default();
pub const REMOVED: Style = AnsiColor::Red.on_default();
pub const STRONG: Style = Style::new().bold();
pub const DIM: Style = Style::new().dimmed();

/// Big enough that a million lines of `map` cost a few thousand writes.
const BUFFER_BYTES: usize = 256 * 1024;

/// Standard output for results. Flush it before returning. Errors are ready to be returned; a closed pipe becomes one
/// that ends the process quietly.
pub struct Output(BufWriter<Box<dyn Write + Send>>);

impl Output {
    /// For bytes that are written as they are (JSON lines, DDL).
    pub fn bytes() -> Output {
        Output::over(Box::new(io::stdout()))
    }

    /// For text with `anstyle` styles in it, which are taken out where colour is off.
    pub fn text() -> Output {
        Output::over(Box::new(anstream::stdout()))
    }

    fn over(writer: Box<dyn Write + Send>) -> Output {
        Output(BufWriter::with_capacity(BUFFER_BYTES, writer))
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes).map_err(stdout_error)
    }

    /// What `write!` and `writeln!` call.
    pub fn write_fmt(&mut self, arguments: fmt::Arguments<'_>) -> Result<()> {
        self.0.write_fmt(arguments).map_err(stdout_error)
    }

    pub fn flush(&mut self) -> Result<()> {
        self.0.flush().map_err(stdout_error)
    }
}

/// Prints an error: what, where and why, what to do.
pub(super) fn error(global: &Global, error: &Error) {
    let mut text = format!("{ERROR}error:{ERROR:#} {}\n", lines(error.message(), "  "));
    for note in error.notes() {
        text.push_str(&format!("  {}\n", lines(note, "  ")));
    }
    if let Some(help) = error.help_text() {
        text.push_str(&format!("  {HELP}help:{HELP:#} {}\n", lines(help, "        ")));
    }
    if global.verbose > 0 {
        for cause in causes(error) {
            text.push_str(&format!("  {DIM}cause: {}{DIM:#}\n", Shown(&cause)));
        }
    }
    // Nobody is left to tell if standard error is closed.
    let _ = anstream::stderr().write_all(text.as_bytes());
}

pub(super) fn is_closed_pipe(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<ClosedPipe>())
}

/// The reader of standard output has gone away: nothing that anyone needs to hear of.
#[derive(Debug)]
struct ClosedPipe;

impl fmt::Display for ClosedPipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the pipe is closed")
    }
}

impl std::error::Error for ClosedPipe {}

fn stdout_error(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Error::new(ErrorKind::Io, "standard output is closed").source(ClosedPipe),
        _ => Error::io("standard output", error),
    }
}

/// Text with its own line ends kept and everything else escaped; later lines are indented.
fn lines(text: &str, indent: &str) -> String {
    let shown: Vec<String> = text.lines().map(|line| Shown(line).to_string()).collect();
    shown.join(&format!("\n{indent}"))
}

fn causes(error: &Error) -> Vec<String> {
    let first = std::error::Error::source(error);
    std::iter::successors(first, |cause| cause.source()).map(|cause| cause.to_string()).collect()
}
