//! What the user writes: the rule file, read and checked, every mistake at once.

pub mod date;
pub mod diagnostic;
pub mod set;
pub mod table;
pub mod template;

pub use diagnostic::{Diagnostic, Severity};
