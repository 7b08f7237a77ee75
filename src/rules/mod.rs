//! What the user writes: the rule file, read and checked, every mistake at once.

mod across;
mod catalog;
mod check;
mod column;
pub mod date;
pub mod ddl_in;
pub mod ddl_type;
pub mod diagnostic;
pub mod excerpt;
pub mod file;
pub mod format;
pub mod given;
mod glob;
pub mod invert;
pub mod keys;
pub(crate) mod location;
mod mend;
pub mod only;
pub mod order;
mod rule;
mod sample;
pub mod set;
mod shape;
pub mod sound;
pub mod table;
pub mod template;
mod toml_words;
pub mod wanted;

pub use check::listed;
pub use diagnostic::{Diagnostic, Severity};
pub use file::{Loaded, load, load_with};
pub use given::{Definition, Given, Like, Repository};
pub use shape::did_you_mean;
