//! Value expressions, as in `set = { dt = "{ts|format(yyyy-MM-dd)}" }`: text, captures, attributes, filters.

use super::date::DateForm;

/// A composed text: NULL in any hole makes the whole NULL.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    /// As the user wrote it.
    pub source: String,
    pub parts: Vec<ExpressionPart>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExpressionPart {
    Text(String),
    Hole { from: HoleSource, filters: Vec<Filter> },
}

#[derive(Clone, Debug, PartialEq)]
pub enum HoleSource {
    Capture(String),
    Attribute(Attribute),
}

/// `{@modified}`, `{@size}`, `{@bucket}`, `{@name}`: what the object itself says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// When it was last written: a date, UTC, to the second.
    Modified,
    /// Bytes.
    Size,
    /// The bucket, or the lakeFS repository.
    Bucket,
    /// The base name.
    Name,
}

/// Every filter but `default` passes NULL on.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    Lower,
    Upper,
    /// Zeros in front, up to so many characters.
    Pad(u32),
    /// Fills NULL.
    Default(String),
    /// A date in another form.
    Format(DateForm),
    /// An index into [`super::table::Rules::lookups`]; a missing key is NULL.
    Lookup(usize),
}
