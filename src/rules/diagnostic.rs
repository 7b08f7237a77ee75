//! Mistakes in a rule file: gathered, never stopped at the first, shown with file, line, column, caret and help.

use std::ops::Range;

/// An error or a warning about one place in the rule file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Lower case, no full stop, backticks round what the user wrote.
    pub message: String,
    /// Where, in bytes of the rule file.
    pub span: Range<usize>,
    /// What to write at the caret.
    pub label: String,
    /// Lines under the excerpt: why.
    pub notes: Vec<String>,
    /// What to do, as something that can be pasted where possible.
    pub help: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}
