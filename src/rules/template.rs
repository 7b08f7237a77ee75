//! Templates: a URI with holes, parsed once. What each piece means as a regular expression is in `docs/rules.md`.
//!
//! Pure text in, pieces with spans out; which name repeats which, and what a date form says, is settled here too.

use std::ops::Range;

use super::date::DateForm;
use crate::uri::Scheme;

/// A parsed template: everything behind `scheme://`, as pieces in the order written.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// As the user wrote it, with its scheme.
    pub source: String,
    pub scheme: Scheme,
    pub pieces: Vec<Piece>,
}

/// A piece and where it stands in [`Template::source`], in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    pub kind: PieceKind,
    pub span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum PieceKind {
    /// Text, unescaped: itself. Neighbouring texts are one piece.
    Text(String),
    /// `*`: `G[^/]*?`
    Star,
    /// `?`: `G[^/]`
    AnyChar,
    /// `[…]`: `G` and a class without `/`.
    Class(Class),
    /// `**/` at a component's start: `(?:G[^/]*/)*`
    Directories,
    /// `**` at the end: `(?:G[^/]*/)*G[^/]*`. A template that ends in `/` is given one.
    Below,
    /// `{a,b}`: two or more, tried as written.
    Alternatives(Vec<Vec<Piece>>),
    /// `{name}`, `{name:TYPE}`, `{_}`, `{_:TYPE}`.
    Capture { name: Option<String>, kind: CaptureKind },
    /// `{name}` where an earlier piece on the way here captures that name (and is no date): the first one's text again.
    /// Never inside the branches of one alternatives group for a sibling branch's capture.
    Repeat(String),
}

/// `[a-z]`, `[!a-z]`: ranges of scalar values, both ends included.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    pub negated: bool,
    pub ranges: Vec<(char, char)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum CaptureKind {
    /// `G([^/]+?)`
    Plain,
    /// `([0-9]+)`
    Int,
    /// `([0-9]{n})`
    IntOf(u32),
    /// `(a|b)`: literal texts, in order.
    In(Vec<String>),
    /// `(R)`: the expression as written, checked; its classes lose `/` when it is compiled.
    Re(String),
    /// `G((?:G[^/]+/)*?G[^/]+)`
    Path,
    /// `(?:(?=__HIVE_DEFAULT_PARTITION__)|G)([^/]+?)`
    Hive,
    /// One piece of the date of that name.
    Date(DateForm),
    /// `([0-9]{9,10})`, seconds
    Epoch,
    /// `([0-9]{12,13})`, milliseconds
    EpochMs,
}
