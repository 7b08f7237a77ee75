//! Value expressions, as in `set = { dt = "{ts|format(yyyy-MM-dd)}" }`: text, captures, attributes, filters.
//!
//! They are parsed here, and evaluated here, so that there is one place that says what a filter does; where the values
//! come from is the caller's.

use std::fmt;
use std::ops::Range;

use super::date::{DateForm, PartialDate, Units};
use crate::uri::Shown;

/// A composed text: NULL in any hole makes the whole NULL. Expressions that read the same are equal.
#[derive(Clone, Debug)]
pub struct Expression {
    /// As the user wrote it.
    pub source: String,
    /// Neighbouring texts are one part.
    pub parts: Vec<ExpressionPart>,
}

#[derive(Clone, Debug)]
pub enum ExpressionPart {
    Text(String),
    Hole(Hole),
}

/// `{name|filter|filter(argument)}`
#[derive(Clone, Debug)]
pub struct Hole {
    pub from: HoleSource,
    pub filters: Vec<Filter>,
    /// In [`Expression::source`], in bytes, braces included.
    pub span: Range<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
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

/// A mistake in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    /// In [`Expression::source`], in bytes.
    pub span: Range<usize>,
    /// Lower case, no full stop, backticks round what the user wrote.
    pub message: String,
    pub help: Option<String>,
}

/// What a hole is filled from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HoleValue<'a> {
    Null,
    /// An empty text is NULL.
    Text(&'a str),
    Date(PartialDate),
}

/// What came of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The text that was appended; not empty.
    Text,
    /// NULL; nothing was appended.
    Null,
    /// A key that a lookup lacks, with no `default` behind it: the rule does not take the object.
    NoSuchKey,
}

/// Zeros that `pad` may put in front; a key holds at most 1,024 bytes.
const MAX_PAD: u32 = 1024;
const FILTERS: [&str; 6] = ["lower", "upper", "pad", "default", "format", "lookup"];

impl PartialEq for Expression {
    fn eq(&self, other: &Expression) -> bool {
        self.parts == other.parts
    }
}

impl PartialEq for ExpressionPart {
    fn eq(&self, other: &ExpressionPart) -> bool {
        match (self, other) {
            (ExpressionPart::Text(left), ExpressionPart::Text(right)) => left == right,
            (ExpressionPart::Hole(left), ExpressionPart::Hole(right)) => {
                left.from == right.from && left.filters == right.filters
            }
            _ => false,
        }
    }
}

impl Attribute {
    pub const ALL: [Attribute; 4] = [Attribute::Modified, Attribute::Size, Attribute::Bucket, Attribute::Name];

    /// As it is written behind the `@`.
    pub fn name(self) -> &'static str {
        match self {
            Attribute::Modified => "modified",
            Attribute::Size => "size",
            Attribute::Bucket => "bucket",
            Attribute::Name => "name",
        }
    }
}

impl Expression {
    /// Parses an expression; `lookup` gives the index of the lookup table of a name.
    ///
    /// # Errors
    /// Every mistake in it at once, in the order of the text.
    pub fn parse(source: &str, lookup: &dyn Fn(&str) -> Option<usize>) -> Result<Expression, Vec<ExpressionError>> {
        let mut parser = Parser { source, at: 0, lookup, errors: Vec::new() };
        let parts = parser.parts();
        if parser.errors.is_empty() { Ok(Expression { source: source.to_owned(), parts }) } else { Err(parser.errors) }
    }

    pub fn holes(&self) -> impl Iterator<Item = &Hole> + '_ {
        self.parts.iter().filter_map(|part| match part {
            ExpressionPart::Hole(hole) => Some(hole),
            ExpressionPart::Text(_) => None,
        })
    }

    /// The names of the captures it uses, each once.
    pub fn captures(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for hole in self.holes() {
            match &hole.from {
                HoleSource::Capture(name) if !names.contains(&name.as_str()) => names.push(name),
                _ => {}
            }
        }
        names
    }

    /// Checks each `format` against what is formatted. `units_of` says what a capture tells of its date
    /// ([`super::template::Template::date_units`]); empty for what is no date.
    ///
    /// # Errors
    /// Each `format` of what is no date, and of a unit that the date does not know.
    pub fn check_formats(&self, units_of: &dyn Fn(&str) -> Vec<Units>) -> Vec<ExpressionError> {
        let mut errors = Vec::new();
        for hole in self.holes() {
            let mut units = match &hole.from {
                HoleSource::Capture(name) => units_of(name),
                HoleSource::Attribute(Attribute::Modified) => vec![Units::TO_THE_SECOND],
                HoleSource::Attribute(_) => Vec::new(),
            };
            for filter in &hole.filters {
                if let Filter::Format(form) = filter {
                    errors.extend(format_error(hole, form, &units));
                }
                // What any filter makes of a date is a text.
                units.clear();
            }
        }
        errors
    }

    /// Appends the text of the expression to `out`. `value_of` fills the holes; `lookup` answers for the lookup tables,
    /// by index and key. Allocates only where a filter changes a text.
    pub fn evaluate<'v>(
        &self,
        out: &mut String,
        value_of: &mut dyn FnMut(&HoleSource) -> HoleValue<'v>,
        lookup: &dyn Fn(usize, &str) -> Option<&'v str>,
    ) -> Outcome {
        let start = out.len();
        let mut outcome = Outcome::Text;
        for part in &self.parts {
            let written = match part {
                ExpressionPart::Text(text) => {
                    out.push_str(text);
                    Outcome::Text
                }
                ExpressionPart::Hole(hole) => hole.evaluate(out, value_of(&hole.from), lookup),
            };
            // A missing key says more than a NULL beside it: every hole is looked at.
            outcome = match (outcome, written) {
                (Outcome::NoSuchKey, _) | (_, Outcome::NoSuchKey) => Outcome::NoSuchKey,
                (Outcome::Null, _) | (_, Outcome::Null) => Outcome::Null,
                (Outcome::Text, Outcome::Text) => Outcome::Text,
            };
        }
        if outcome == Outcome::Text && out.len() == start {
            outcome = Outcome::Null;
        }
        if outcome != Outcome::Text {
            out.truncate(start);
        }
        outcome
    }
}

impl Hole {
    /// Appends what the filters make of `value`.
    pub fn evaluate<'v>(
        &self,
        out: &mut String,
        value: HoleValue<'v>,
        lookup: &dyn Fn(usize, &str) -> Option<&'v str>,
    ) -> Outcome {
        let start = out.len();
        let mut missed = false;
        let mut filters = self.filters.iter();
        match (value, self.filters.first()) {
            (HoleValue::Null, _) => {}
            (HoleValue::Text(text), _) => out.push_str(text),
            (HoleValue::Date(date), Some(Filter::Format(form))) => {
                filters.next();
                date.write_format(form, out);
            }
            (HoleValue::Date(date), _) => date.write_value(out),
        }
        for filter in filters {
            let is_null = out.len() == start;
            match filter {
                Filter::Default(text) => {
                    if is_null {
                        out.push_str(text);
                        missed = false;
                    }
                }
                _ if is_null => {}
                Filter::Lower => change(out, start, str::to_lowercase),
                Filter::Upper => change(out, start, str::to_uppercase),
                Filter::Pad(width) => {
                    let zeros = (*width as usize).saturating_sub(out[start..].chars().count());
                    out.insert_str(start, &"0".repeat(zeros));
                }
                Filter::Lookup(table) => {
                    let found = lookup(*table, &out[start..]);
                    out.truncate(start);
                    missed |= found.is_none();
                    out.push_str(found.unwrap_or(""));
                }
                // Only a date can be formatted; `check_formats` refuses what is none.
                Filter::Format(_) => out.truncate(start),
            }
        }
        match out.len() > start {
            _ if missed => Outcome::NoSuchKey,
            true => Outcome::Text,
            false => Outcome::Null,
        }
    }
}

fn change(out: &mut String, start: usize, how: impl Fn(&str) -> String) {
    let changed = how(&out[start..]);
    out.truncate(start);
    out.push_str(&changed);
}

fn format_error(hole: &Hole, form: &DateForm, units: &[Units]) -> Option<ExpressionError> {
    let span = hole.span.clone();
    let name = match &hole.from {
        HoleSource::Capture(name) => name.clone(),
        HoleSource::Attribute(attribute) => format!("@{}", attribute.name()),
    };
    if units.is_empty() {
        let message = format!("`format` of `{name}`, which is no date here");
        let behind_another = hole.filters.first().is_some_and(|first| !matches!(first, Filter::Format(_)));
        let help = match &hole.from {
            _ if behind_another => {
                format!("`format` takes a date, so it comes first: `{{{name}|format({})|…}}`", form.source)
            }
            HoleSource::Capture(_) => format!("capture it as one: `{{{name}:date({})}}`", form.source),
            HoleSource::Attribute(_) => "of what an object says itself only `@modified` is a date".to_owned(),
        };
        return Some(ExpressionError { span, message, help: Some(help) });
    }
    let missing = units.iter().find_map(|units| units.missing_for(form))?;
    let message = format!("the date `{name}` does not know what `{}` prints", missing.letters());
    let help = "capture the year too, or leave the field out".to_owned();
    Some(ExpressionError { span, message, help: Some(help) })
}

/// Prints the expression so that it reads back the same; lookups are named by `lookup_name`.
impl Expression {
    pub fn print(&self, lookup_name: &dyn Fn(usize) -> String) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                ExpressionPart::Text(literal) => push_escaped(&mut text, literal, &['\\', '{', '}']),
                ExpressionPart::Hole(hole) => {
                    text += "{";
                    match &hole.from {
                        HoleSource::Capture(name) => text += name,
                        HoleSource::Attribute(attribute) => text += &format!("@{}", attribute.name()),
                    }
                    hole.filters.iter().for_each(|filter| push_filter(&mut text, filter, lookup_name));
                    text += "}";
                }
            }
        }
        text
    }
}

fn push_filter(text: &mut String, filter: &Filter, lookup_name: &dyn Fn(usize) -> String) {
    *text += "|";
    match filter {
        Filter::Lower => *text += "lower",
        Filter::Upper => *text += "upper",
        Filter::Pad(width) => *text += &format!("pad({width})"),
        Filter::Format(form) => *text += &format!("format({form})"),
        Filter::Lookup(table) => *text += &format!("lookup({})", lookup_name(*table)),
        Filter::Default(value) => {
            *text += "default(";
            push_escaped(text, value, &['\\', ')']);
            *text += ")";
        }
    }
}

fn push_escaped(text: &mut String, literal: &str, special: &[char]) {
    for c in literal.chars() {
        if special.contains(&c) {
            text.push('\\');
        }
        text.push(c);
    }
}

struct Parser<'a> {
    source: &'a str,
    at: usize,
    lookup: &'a dyn Fn(&str) -> Option<usize>,
    errors: Vec<ExpressionError>,
}

impl<'a> Parser<'a> {
    fn error(&mut self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.errors.push(ExpressionError { span, message: message.into(), help: Some(help.into()) });
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn eat(&mut self, expected: char) -> bool {
        let found = self.rest().starts_with(expected);
        self.at += if found { expected.len_utf8() } else { 0 };
        found
    }

    fn parts(&mut self) -> Vec<ExpressionPart> {
        let mut parts = Vec::new();
        while let Some(c) = self.rest().chars().next() {
            let start = self.at;
            if c == '{' {
                parts.extend(self.hole().map(ExpressionPart::Hole));
                continue;
            }
            self.at += c.len_utf8();
            let text = match (c, self.rest().chars().next()) {
                ('\\', Some(escaped)) => {
                    self.at += escaped.len_utf8();
                    escaped
                }
                ('\\', None) => {
                    self.error(start..self.at, "`\\` escapes nothing here", "write `\\\\` for a backslash");
                    c
                }
                ('}', _) => {
                    self.error(start..self.at, "a `}` that closes nothing", "write `\\}` for the character itself");
                    c
                }
                _ => c,
            };
            match parts.last_mut() {
                Some(ExpressionPart::Text(literal)) => literal.push(text),
                _ => parts.push(ExpressionPart::Text(text.into())),
            }
        }
        parts
    }

    /// From its `{` to behind its `}`; `None` if it is so wrong that nothing can be said of it.
    fn hole(&mut self) -> Option<Hole> {
        let start = self.at;
        self.at += 1;
        let is_attribute = self.eat('@');
        let name_at = self.at;
        let name = self.word();
        let from = match (is_attribute, name) {
            (false, "") => None,
            (false, "_") => {
                self.error(start..self.at, "`_` keeps nothing", "give the capture a name in the template");
                None
            }
            (false, name) => Some(HoleSource::Capture(name.to_owned())),
            (true, name) => self.attribute(name, name_at - 1..self.at),
        };
        let name_is_missing = from.is_none() && name.is_empty() && !is_attribute;
        let mut filters = Vec::new();
        while !name_is_missing && self.eat('|') {
            filters.extend(self.filter());
        }
        if !name_is_missing && self.eat('}') {
            return from.map(|from| Hole { from, filters, span: start..self.at });
        }
        self.broken_hole(start);
        None
    }

    /// Steps over what is no hole and says why.
    fn broken_hole(&mut self, start: usize) {
        let Some(len) = self.rest().find('}') else {
            self.at = self.source.len();
            self.error(start..start + 1, "a `{` that is never closed", "write `\\{` for the character itself");
            return;
        };
        self.at += len + 1;
        let written = &self.source[start..self.at];
        let inner = written[1..written.len() - 1].trim();
        let help = match inner.split_once(':') {
            Some((name, _)) => format!("types belong in the template: write `{{{name}}}`"),
            None if inner.is_empty() => "write `\\{\\}` for the characters themselves".to_owned(),
            None => "a hole is `{name|filter|filter(argument)}`, with no spaces; `\\{` is the character".to_owned(),
        };
        self.error(start..self.at, format!("`{}` is no hole", Shown(written)), help);
    }

    /// A name or a filter's name; may be empty.
    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let is_digit = rest.starts_with(|c: char| c.is_ascii_digit());
        let len = rest.bytes().take_while(|b| !is_digit && (b.is_ascii_alphanumeric() || *b == b'_')).count();
        self.at += len;
        &rest[..len]
    }

    fn attribute(&mut self, name: &str, span: Range<usize>) -> Option<HoleSource> {
        let found = Attribute::ALL.into_iter().find(|attribute| attribute.name() == name);
        if found.is_none() {
            let help = nearest(name, Attribute::ALL.iter().map(|attribute| attribute.name()))
                .map_or_else(String::new, |near| format!("did you mean `@{near}`? "));
            let help = help + "there are @modified, @size, @bucket and @name";
            self.error(span, format!("objects have no `@{}`", Shown(name)), help);
        }
        found.map(HoleSource::Attribute)
    }

    /// Behind a `|`.
    fn filter(&mut self) -> Option<Filter> {
        let start = self.at;
        let name = self.word();
        let argument_at = self.at + 1;
        let argument = if self.rest().starts_with('(') { Some(self.argument()?) } else { None };
        let span = start..self.at;
        match (name, argument) {
            ("lower", None) => Some(Filter::Lower),
            ("upper", None) => Some(Filter::Upper),
            ("default", Some(text)) => Some(Filter::Default(unescaped(text))),
            ("pad", Some(width)) => self.pad(width, argument_at),
            ("format", Some(form)) => self.format(form, argument_at),
            ("lookup", Some(table)) => self.lookup(table, argument_at),
            _ => {
                self.unknown_filter(name, argument, span);
                None
            }
        }
    }

    /// The text in parentheses, `\\` escapes kept; `None` (and an error) if it never ends.
    fn argument(&mut self) -> Option<&'a str> {
        let start = self.at;
        let inner = &self.rest()[1..];
        let mut escaped = false;
        for (at, c) in inner.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                ')' => {
                    self.at += at + 2;
                    return Some(&inner[..at]);
                }
                _ => {}
            }
        }
        self.error(start..start + 1, "a `(` that is never closed", "write `)` where the argument ends");
        self.at = self.source.rfind('}').map_or(self.source.len(), |at| at.max(start));
        None
    }

    fn unknown_filter(&mut self, name: &str, argument: Option<&str>, span: Range<usize>) {
        let help = match (name, argument) {
            ("lower" | "upper", Some(_)) => format!("write `|{name}`"),
            ("default", None) => "write what fills NULL: `|default(none)`".to_owned(),
            ("pad", None) => "write how long it becomes: `|pad(2)`".to_owned(),
            ("format", None) => "write the form: `|format(yyyy-MM-dd)`".to_owned(),
            ("lookup", None) => "write which table: `|lookup(name)`, for `[lookup.name]`".to_owned(),
            _ => {
                let near = nearest(name, FILTERS).map_or_else(String::new, |near| format!("did you mean `{near}`? "));
                near + "the filters are lower, upper, pad(n), default(v), format(FORM) and lookup(name)"
            }
        };
        let message = match FILTERS.contains(&name) {
            true if argument.is_some() => format!("`{name}` takes no argument"),
            true => format!("`{name}` needs an argument"),
            false => format!("there is no filter `{}`", Shown(name)),
        };
        self.error(span, message, help);
    }

    fn pad(&mut self, width: &str, at: usize) -> Option<Filter> {
        let digits = width.bytes().all(|b| b.is_ascii_digit());
        let number = width.parse().ok().filter(|n| digits && (1..=MAX_PAD).contains(n));
        if number.is_none() {
            let message = format!("`pad({})` is no width", Shown(width));
            self.error(at..at + width.len(), message, format!("write 1 to {MAX_PAD}, as in `pad(2)`"));
        }
        number.map(Filter::Pad)
    }

    fn format(&mut self, form: &str, at: usize) -> Option<Filter> {
        match DateForm::parse(form) {
            Ok(form) => Some(Filter::Format(form)),
            Err(errors) => {
                self.errors.extend(errors.into_iter().map(|error| ExpressionError {
                    span: at + error.span.start..at + error.span.end,
                    message: error.message,
                    help: error.help,
                }));
                None
            }
        }
    }

    fn lookup(&mut self, table: &str, at: usize) -> Option<Filter> {
        let index = (self.lookup)(table);
        if index.is_none() {
            let message = format!("there is no table `[lookup.{}]`", Shown(table));
            self.error(at..at + table.len(), message, format!("write one:\n[lookup.{table}]\n\"key\" = \"value\""));
        }
        index.map(Filter::Lookup)
    }
}

fn unescaped(text: &str) -> String {
    let mut chars = text.chars();
    let mut out = String::with_capacity(text.len());
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}

fn nearest<'n>(word: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let near = known.into_iter().map(|name| (strsim::damerau_levenshtein(name, word), name)).min()?;
    (near.0 <= 2 && near.0 < near.1.len()).then_some(near.1)
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(source: &str) -> Expression {
        Expression::parse(source, &|name| (name == "t").then_some(0)).unwrap_or_else(|e| panic!("{source}: {e:?}"))
    }

    fn evaluate(source: &str, value: HoleValue<'_>) -> Result<String, Outcome> {
        let mut out = String::from("before ");
        let lookup = |_: usize, key: &str| match key {
            "01" => Some("Berlin"),
            "empty" => Some(""),
            _ => None,
        };
        match parse(source).evaluate(&mut out, &mut |_| value, &lookup) {
            Outcome::Text => Ok(out["before ".len()..].to_owned()),
            other => {
                assert_eq!(out, "before ");
                Err(other)
            }
        }
    }

    #[test]
    fn filters_do_what_they_say() {
        let text = HoleValue::Text;
        assert_eq!(evaluate(r"a\{b\}\\{x|lower}-{x|upper|pad(4)}", text("É1")).unwrap(), "a{b}\\é1-00É1");
        assert_eq!(evaluate("{x|pad(2)}", text("123")).unwrap(), "123");
        assert_eq!(evaluate(r"{x|default(a\)b)}", HoleValue::Null).unwrap(), "a)b");
        assert_eq!(evaluate("{x|default(v)}", text("")).unwrap(), "v");
        assert_eq!(evaluate("{x|pad(2)|upper}", HoleValue::Null), Err(Outcome::Null));
        assert_eq!(evaluate("a{x}", HoleValue::Null), Err(Outcome::Null));
        assert_eq!(evaluate("a{x}", text("")), Err(Outcome::Null));
        assert_eq!(evaluate("", HoleValue::Null), Err(Outcome::Null));
    }

    #[test]
    fn a_missing_key_is_null_only_where_a_default_follows() {
        let text = HoleValue::Text;
        assert_eq!(evaluate("{x|lookup(t)}", text("01")).unwrap(), "Berlin");
        assert_eq!(evaluate("{x|lookup(t)}", text("99")), Err(Outcome::NoSuchKey));
        assert_eq!(evaluate("{x|default(01)|lookup(t)}", text("99")), Err(Outcome::NoSuchKey));
        assert_eq!(evaluate("{x|lookup(t)|lower|default(other)|upper}", text("99")).unwrap(), "OTHER");
        assert_eq!(evaluate("{x|lookup(t)|default(99)|lookup(t)}", text("7")), Err(Outcome::NoSuchKey));
        // NULL is passed on, and an entry may be empty.
        assert_eq!(evaluate("{x|lookup(t)}", HoleValue::Null), Err(Outcome::Null));
        assert_eq!(evaluate("{x|lookup(t)}", text("empty")), Err(Outcome::Null));
    }

    #[test]
    fn dates_are_formatted_or_print_their_value() {
        let date = HoleValue::Date(PartialDate::from_epoch(1_704_460_023).unwrap());
        assert_eq!(evaluate("{x}", date).unwrap(), "2024-01-05 13:07:03");
        assert_eq!(evaluate("{x|format(d MMM yy)|default(no)|upper}", date).unwrap(), "5 JAN 24");
        assert_eq!(evaluate("{x|format(yyyy)|default(no)}", HoleValue::Null).unwrap(), "no");
    }

    #[test]
    fn every_mistake_is_named_with_its_place() {
        let source = "{}{a b}}{x|uper}{x|pad(0)}{x|lookup(u)}{x|format(Md)}{@modifed}{_}{x|lower(1)}{x:int}{y";
        let errors = Expression::parse(source, &|_| None).unwrap_err();
        let found: Vec<&str> = errors.iter().map(|error| &source[error.span.clone()]).collect();
        let expected = ["{}", "{a b}", "}", "uper", "0", "u", "Md", "@modifed", "{_", "lower(1)", "{x:int}", "{"];
        assert_eq!(found, expected);
        assert!(errors[3].help.as_ref().unwrap().starts_with("did you mean `upper`?"));
    }

    #[test]
    fn formats_need_dates_that_know_what_they_print() {
        let units = |name: &str| match name {
            "day" => vec![Units::of(&DateForm::parse("dd").unwrap())],
            "ts" => vec![Units::TO_THE_SECOND],
            _ => Vec::new(),
        };
        let source = "{ts|format(yyyy)}{@modified|format(ww YYYY)}{day|format(dd)}{day|format(yyyy)}{x|format(dd)}\
                      {ts|lower|format(dd)}{@size|format(q)}{ts|default(no)|format(dd)}";
        let errors = parse(source).check_formats(&units);
        let found: Vec<&str> = errors.iter().map(|error| &source[error.span.clone()]).collect();
        assert_eq!(
            found,
            [
                "{day|format(yyyy)}",
                "{x|format(dd)}",
                "{ts|lower|format(dd)}",
                "{@size|format(q)}",
                "{ts|default(no)|format(dd)}",
            ]
        );
    }

    #[test]
    fn what_is_printed_reads_back_the_same() {
        for source in [r"a\{b\}\\{x|lower|pad(3)}", r"{x|default(a\)\\|})|lookup(t)}", r"{@modified|format(\d=d\)T)}"] {
            let expression = parse(source);
            assert_eq!(parse(&expression.print(&|_| "t".to_owned())), expression);
        }
    }
}
