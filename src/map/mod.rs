//! The hot path: a page of keys in, (table, partition, line) out.
//!
//! [`page`] is what comes in; [`program`] is all rules of all tables, compiled once; [`mapper`] runs it over pages;
//! `select` is what must wait for the whole listing (`pick`, `done`); [`group`] gathers the lines of each partition, as
//! [`runs`] beyond what memory holds, which a [`body`] puts together; [`shapes`] counts what no rule took, [`directories`]
//! what reading it all makes an engine list; [`tests`] runs the rule file's own tests.
//!
//! [`explain`] says of one URI why; [`shadow`] which rules can take nothing.
//!
//! Inside, a rule's `match` becomes a `pattern`, compiled to `code`, which `backtrack` runs; `values` makes partition
//! values of what was captured. `remedy` knows what would make a rule match.

pub mod body;
pub mod directories;
pub mod explain;
pub mod group;
pub mod mapper;
pub mod page;
pub mod program;
pub mod runs;
pub mod shadow;
pub mod shapes;
pub mod tests;

mod backtrack;
mod base_name;
mod code;
mod directory;
mod intern;
mod openings;
#[cfg(test)]
mod oracle;
mod pattern;
mod remedy;
mod select;
mod split;
mod values;

pub use mapper::Mapper;
pub use program::Program;

use page::{Object, Page};

/// Where mapping's results go, object by object, in the order of the input; what `pick` or `done` holds back comes at
/// the end.
pub trait Sink {
    /// A table takes the object. Called once for each table that does, in the order of the file.
    fn take(&mut self, object: &Object<'_>, taken: Taken);

    /// A rule of a table took the object and the table's `pick` preferred another. Called once for each such table;
    /// where no other table takes the object, [`Sink::leave`] follows with [`Why::Superseded`].
    fn supersede(&mut self, object: &Object<'_>, taken: Taken) {
        let _ = (object, taken);
    }

    /// No table takes it. Called once.
    fn leave(&mut self, object: &Object<'_>, why: Why);

    /// The objects of a page come now, but for those that are held back.
    fn page_begins(&mut self, page: &Page) {
        let _ = page;
    }

    /// The page's objects from the one numbered `at` on lie right in the directory `path` (with its last slash), up to the
    /// next such call.
    fn directory(&mut self, page: &Page, at: usize, path: &str) {
        let _ = (page, at, path);
    }

    /// The page is done with.
    fn page_ends(&mut self, page: &Page) {
        let _ = page;
    }
}

/// That a table takes an object: indices into `Rules::tables`, its `rules`, and the mapper's partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    pub table: u32,
    pub rule: u32,
    pub partition: PartitionId,
    /// Under `line = "prefix"`, how many bytes of the key the manifest's line shows: up to where the prefix ends.
    pub prefix_len: Option<u32>,
}

/// A partition's number, dense from 0 in the order of first sight; what it stands for is asked of the mapper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionId(pub u32);

/// Why no table takes an object. Where rules disagree, the reason of the one that came furthest, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Why {
    /// A key of some location of the rule file.
    Manifest,
    /// `skip`: a key that ends in `/`.
    Marker,
    /// `skip`: a base name that begins with `.` or `_`; or nothing took it and a directory below the listing prefix does.
    Hidden,
    /// `skip`: `*_$folder$`.
    Folder,
    /// `skip`: zero bytes.
    Empty,
    /// `skip`: an archived storage class.
    Archived,
    /// No rule matched.
    Unmatched,
    /// A date that does not exist, or disagrees with itself.
    BadDate,
    /// `exclude`.
    Excluded,
    /// `where`.
    Filtered,
    /// `done`: no marker yet.
    Waiting,
    /// A value that its column's type does not take.
    BadValue,
    /// A key that the lookup lacks, with no default.
    NoLookup,
    /// `pick` preferred another.
    Superseded,
}

impl<A: Sink, B: Sink> Sink for (A, B) {
    fn take(&mut self, object: &Object<'_>, taken: Taken) {
        self.0.take(object, taken);
        self.1.take(object, taken);
    }

    fn supersede(&mut self, object: &Object<'_>, taken: Taken) {
        self.0.supersede(object, taken);
        self.1.supersede(object, taken);
    }

    fn leave(&mut self, object: &Object<'_>, why: Why) {
        self.0.leave(object, why);
        self.1.leave(object, why);
    }

    fn page_begins(&mut self, page: &Page) {
        self.0.page_begins(page);
        self.1.page_begins(page);
    }

    fn directory(&mut self, page: &Page, at: usize, path: &str) {
        self.0.directory(page, at, path);
        self.1.directory(page, at, path);
    }

    fn page_ends(&mut self, page: &Page) {
        self.0.page_ends(page);
        self.1.page_ends(page);
    }
}

/// What comes is not looked at.
impl Sink for () {
    fn take(&mut self, _: &Object<'_>, _: Taken) {}

    fn leave(&mut self, _: &Object<'_>, _: Why) {}
}

/// What is not there looks at nothing.
impl<S: Sink> Sink for Option<S> {
    fn take(&mut self, object: &Object<'_>, taken: Taken) {
        if let Some(sink) = self {
            sink.take(object, taken);
        }
    }

    fn supersede(&mut self, object: &Object<'_>, taken: Taken) {
        if let Some(sink) = self {
            sink.supersede(object, taken);
        }
    }

    fn leave(&mut self, object: &Object<'_>, why: Why) {
        if let Some(sink) = self {
            sink.leave(object, why);
        }
    }

    fn page_begins(&mut self, page: &Page) {
        if let Some(sink) = self {
            sink.page_begins(page);
        }
    }

    fn directory(&mut self, page: &Page, at: usize, path: &str) {
        if let Some(sink) = self {
            sink.directory(page, at, path);
        }
    }

    fn page_ends(&mut self, page: &Page) {
        if let Some(sink) = self {
            sink.page_ends(page);
        }
    }
}

impl<S: Sink> Sink for &mut S {
    fn take(&mut self, object: &Object<'_>, taken: Taken) {
        (**self).take(object, taken);
    }

    fn supersede(&mut self, object: &Object<'_>, taken: Taken) {
        (**self).supersede(object, taken);
    }

    fn leave(&mut self, object: &Object<'_>, why: Why) {
        (**self).leave(object, why);
    }

    fn page_begins(&mut self, page: &Page) {
        (**self).page_begins(page);
    }

    fn directory(&mut self, page: &Page, at: usize, path: &str) {
        (**self).directory(page, at, path);
    }

    fn page_ends(&mut self, page: &Page) {
        (**self).page_ends(page);
    }
}

impl Why {
    /// Every reason, in its order.
    pub const ALL: [Why; 14] = [
        Why::Manifest,
        Why::Marker,
        Why::Hidden,
        Why::Folder,
        Why::Empty,
        Why::Archived,
        Why::Unmatched,
        Why::BadDate,
        Why::Excluded,
        Why::Filtered,
        Why::Waiting,
        Why::BadValue,
        Why::NoLookup,
        Why::Superseded,
    ];

    /// The word for it in `map`'s output and in counts.
    pub fn name(self) -> &'static str {
        match self {
            Why::Manifest => "manifest",
            Why::Marker => "directory marker",
            Why::Hidden => "hidden",
            Why::Folder => "folder marker",
            Why::Empty => "zero bytes",
            Why::Archived => "archived",
            Why::Unmatched => "unmatched",
            Why::BadDate => "bad date",
            Why::Excluded => "excluded",
            Why::Filtered => "filtered",
            Why::Waiting => "waiting",
            Why::BadValue => "bad value",
            Why::NoLookup => "no such key in lookup",
            Why::Superseded => "superseded",
        }
    }
}
