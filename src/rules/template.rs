//! Templates: a URI with holes, parsed once. What each piece means as a regular expression is in `docs/rules.md`.
//!
//! Pure text in, pieces with spans out; which name repeats which, and what a date form says, is settled here too.
//! Nothing here matches keys: that is `map`, and [`Template::expression`] says what it must do.

mod expression;
mod parse;
mod prefixes;
mod print;
mod resolve;

use std::ops::Range;

use super::date::{DateForm, Units};
use crate::uri::Scheme;

pub(super) use expression::anchor_in_re;
pub use expression::{Group, GroupKind, TemplateExpression};
pub(super) use prefixes::has_case;
pub use prefixes::merge_prefixes;

/// A parsed template: everything behind `scheme://`, as pieces in the order written.
///
/// Two templates are equal if their pieces are: how they were written, and where, does not count.
#[derive(Clone, Debug)]
pub struct Template {
    /// As the user wrote it, with its scheme unless it is a relative local path.
    pub source: String,
    pub scheme: Scheme,
    pub pieces: Vec<Piece>,
}

/// A piece and where it stands in [`Template::source`], in bytes.
#[derive(Clone, Debug)]
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

/// `[a-z]`, `[!a-z]`: ranges of scalar values, both ends included; sorted, none touching another, none holding `/`.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    /// A negated class does not match `/` either.
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
    /// `(a|b)`: literal texts, in order; they may hold slashes, but not in the bucket.
    In(Vec<String>),
    /// `(R)`: the expression as written, checked; its classes lose `/` when it is compiled ([`Template::re_without_slash`]).
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

/// A mistake in a template, or something odd about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// In the source as the user wrote it, in bytes.
    pub span: Range<usize>,
    /// Lower case, no full stop, backticks round what the user wrote.
    pub message: String,
    /// What to write at the caret; may be empty.
    pub label: String,
    pub help: Option<String>,
}

/// A name that a template captures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureName<'a> {
    pub name: &'a str,
    /// Of its first piece, in the source.
    pub span: Range<usize>,
    /// Whether its pieces are a date's.
    pub is_date: bool,
    /// Whether a repeat, or another piece of its date, uses it within the template.
    pub is_used_within: bool,
}

impl PartialEq for Template {
    fn eq(&self, other: &Template) -> bool {
        self.scheme == other.scheme && self.pieces == other.pieces
    }
}

impl PartialEq for Piece {
    fn eq(&self, other: &Piece) -> bool {
        self.kind == other.kind
    }
}

impl CaptureKind {
    pub fn is_date(&self) -> bool {
        matches!(self, CaptureKind::Date(_) | CaptureKind::Epoch | CaptureKind::EpochMs)
    }

    /// `plain`, `path` and `hive`: nothing in the expression says where they end.
    pub fn is_unbounded(&self) -> bool {
        matches!(self, CaptureKind::Plain | CaptureKind::Path | CaptureKind::Hive)
    }
}

impl Template {
    /// Parses a template with its scheme: `s3://bucket/key`, `lakefs://repository/ref/path`, `file:///dir/…`.
    ///
    /// # Errors
    /// Every mistake in it at once, in the order of the text.
    pub fn parse(source: &str) -> Result<Template, Vec<TemplateError>> {
        Template::parse_with(source, None)
    }

    /// As [`Template::parse`], but without a scheme it is a local path; a relative one begins at `base_dir` (absolute,
    /// taken literally; leading `./` and `../` are resolved). Spans point into `source`.
    ///
    /// # Errors
    /// Every mistake in it at once, in the order of the text.
    pub fn parse_in(source: &str, base_dir: &str) -> Result<Template, Vec<TemplateError>> {
        Template::parse_with(source, Some(base_dir))
    }

    fn parse_with(source: &str, base_dir: Option<&str>) -> Result<Template, Vec<TemplateError>> {
        let (scheme, pieces, mut errors) = parse::pieces(source, base_dir);
        let pieces = resolve::resolve(source, scheme, pieces, &mut errors);
        errors.sort_by_key(|error| (error.span.start, error.span.end));
        errors.dedup();
        if errors.is_empty() { Ok(Template { source: source.to_owned(), scheme, pieces }) } else { Err(errors) }
    }

    /// The names it captures, in order of first appearance.
    pub fn captures(&self) -> Vec<CaptureName<'_>> {
        let mut found: Vec<CaptureName<'_>> = Vec::new();
        each_piece(&self.pieces, &mut |piece| {
            let (name, is_date) = match &piece.kind {
                PieceKind::Capture { name: Some(name), kind } => (name, kind.is_date()),
                PieceKind::Repeat(name) => (name, false),
                _ => return,
            };
            match found.iter_mut().find(|capture| capture.name == name) {
                Some(capture) => {
                    capture.is_used_within |= is_date || matches!(piece.kind, PieceKind::Repeat(_));
                }
                None => found.push(CaptureName { name, span: piece.span.clone(), is_date, is_used_within: false }),
            }
        });
        found
    }

    /// What a match may tell of the date `name`: the units of its pieces, for each way through the alternatives that
    /// takes any of them. Empty if it is no date here.
    pub fn date_units(&self, name: &str) -> Vec<Units> {
        resolve::date_units(&self.pieces, name).into_iter().filter(|units| *units != Units::NONE).collect()
    }
}

/// Calls `visit` for each piece in the order of the text, those inside alternatives too.
pub fn each_piece<'a>(pieces: &'a [Piece], visit: &mut dyn FnMut(&'a Piece)) {
    for piece in pieces {
        visit(piece);
        if let PieceKind::Alternatives(branches) = &piece.kind {
            branches.iter().for_each(|branch| each_piece(branch, visit));
        }
    }
}
