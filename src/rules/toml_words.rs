//! What the TOML parser says, in words of ours: what is wrong with the line, and the line as it should be.
//!
//! Pure. The parser's own words are kept where there are no better ones.

use std::ops::Range;

use super::diagnostic::{Diagnostic, Lines};

/// Quotes that word processors make, and what else is taken for one.
const CURLY: [char; 5] = ['‘', '’', '“', '”', '`'];

/// One error of the parser.
pub fn in_words(lines: &Lines<'_>, error: &toml::de::Error) -> Diagnostic {
    let span = error.span().unwrap_or(0..0);
    let number = lines.line(span.start);
    let line = Line::new(lines.text(), lines.of_line(number));
    let message = error.message();
    // A list of what could follow says less than what is wrong.
    let short = message.split(", expected").next().unwrap_or(message);
    let shown = |span: Range<usize>, what: &str| Diagnostic::error(span, format!("bad TOML: {what}"));
    match short {
        "duplicate key" => duplicate(lines, &line, span),
        "unclosed table" | "unclosed array table" => {
            shown(line.span(), "this header is never closed").help(format!("write\n{}", line.header()))
        }
        "key with no value" if line.colon().is_some() => {
            let (at, key, value) = line.colon().unwrap_or_default();
            shown(at, "`:` where `=` belongs").help(format!("write\n{key} = {value}"))
        }
        "key with no value" | "missing value" if line.value().is_none() => shown(line.span(), "a key without a value")
            .help(format!("write\n{} = …", line.text.trim_end_matches(['=', ' ']))),
        "missing comma between key-value pairs" | "missing comma between array elements" => {
            shown(span, "a comma is missing").label("write `,` before this")
        }
        "invalid literal string" => line.open_text(span, '\''),
        "invalid basic string" => line.open_text(span, '"'),
        _ if short.contains("escape") || short.contains("unicode value") => {
            shown(span, "`\\` begins no escape here").help("write it in '…', where TOML reads no `\\` escapes")
        }
        _ => match line.unquoted(span.start) {
            Some(value) => {
                let text = &lines.text()[value.clone()];
                let bare = text.trim_matches(CURLY);
                let what = if bare == text { "text without quotes" } else { "TOML takes straight quotes only" };
                let key = line.text.split('=').next().unwrap_or_default().trim();
                shown(value, what).help(format!("write\n{key} = '{bare}'"))
            }
            None if short == "unexpected key or value" => {
                shown(span, "something behind the value").label("only a comment may follow it on its line")
            }
            None => shown(span, message),
        },
    }
}

/// A line of the file without white space around it and without a comment.
struct Line<'a> {
    text: &'a str,
    start: usize,
}

impl<'a> Line<'a> {
    fn new(file: &'a str, range: Range<usize>) -> Line<'a> {
        let whole = &file[range.clone()];
        let text = without_comment(whole).trim();
        let start = range.start + (whole.len() - whole.trim_start().len());
        Line { text, start }
    }

    fn span(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    /// What stands behind the first `=`.
    fn value(&self) -> Option<Range<usize>> {
        let behind = self.text.find('=')? + 1;
        let value = self.text[behind..].trim();
        let start = self.start + self.text.len() - self.text[behind..].trim_start().len();
        (!value.is_empty()).then(|| start..start + value.len())
    }

    /// The value that begins this line's entry, if it is text without quotes and the parser's error lies in it.
    fn unquoted(&self, at: usize) -> Option<Range<usize>> {
        let value = self.value().filter(|value| value.contains(&at) || value.start == at)?;
        let text = &self.text[value.start - self.start..];
        let is_bare = |c: char| c.is_alphabetic() || "/.*~{".contains(c) || CURLY.contains(&c);
        let is_word = ["true", "false", "inf", "nan"].contains(&text);
        let is_table = text.starts_with('{') && text.contains('=');
        (text.starts_with(is_bare) && !is_word && !is_table).then_some(value)
    }

    /// `key: value`: where the colon is, and both sides.
    fn colon(&self) -> Option<(Range<usize>, &'a str, &'a str)> {
        let at = self.text.find(':')?;
        let key = self.text[..at].trim();
        let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.\"'".contains(c));
        is_key.then(|| (self.start + at..self.start + at + 1, key, self.text[at + 1..].trim()))
    }

    /// The header as it was meant.
    fn header(&self) -> String {
        let inner = self.text.trim_matches(['[', ']', ' ']);
        let name = inner.split_whitespace().collect::<Vec<_>>().join(".");
        if self.text.starts_with("[[") { format!("[[{name}]]") } else { format!("[{name}]") }
    }

    fn open_text(&self, span: Range<usize>, quote: char) -> Diagnostic {
        let what = if quote == '\'' {
            "bad TOML: this `'…'` is never closed"
        } else {
            "bad TOML: this `\"…\"` is never closed"
        };
        let open = self.value().filter(|value| self.text[value.start - self.start..].starts_with(quote));
        let Some(open) = open else {
            return Diagnostic::error(span, what).label(format!("write `{quote}` where the text ends"));
        };
        let inner = &self.text[open.start - self.start + 1..];
        if quote == '\'' && inner.contains('\'') {
            return Diagnostic::error(open, "bad TOML: a `'` within `'…'` ends the text")
                .help("a text that holds one itself is written\n'''…'''");
        }
        Diagnostic::error(open, what).help(format!("write\n{}{quote}", self.text))
    }
}

/// A line up to its comment.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') => return &line[..at],
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    // A quote that is never closed may have a comment behind it, or none: nobody knows.
    line
}

fn duplicate(lines: &Lines<'_>, line: &Line<'_>, span: Range<usize>) -> Diagnostic {
    let there = lines.text().get(span.clone()).unwrap_or_default();
    let error = Diagnostic::error(span, format!("bad TOML: `{there}` stands here a second time"));
    if !line.text.starts_with('[') {
        return error.label("keep one of them");
    }
    let inner = line.text.trim_matches(['[', ']', ' ']);
    let is_list = inner == "listing" || inner.ends_with(".rule") || inner.ends_with(".test");
    match is_list && !line.text.starts_with("[[") {
        true => error.help(format!("each of several has double brackets, the first one too\n[[{inner}]]")),
        false => error.label("put its keys under the first one"),
    }
}

/// Whether this error only follows from another: keys under a header that stands there a second time.
pub fn follows(lines: &Lines<'_>, error: &toml::de::Error, others: &[Diagnostic]) -> bool {
    let Some(span) = error.span().filter(|_| error.message().starts_with("duplicate key")) else { return false };
    let number = lines.line(span.start);
    let is_header = |number: u32| lines.text()[lines.of_line(number)].trim_start().starts_with('[');
    if is_header(number) {
        return false;
    }
    let header = (1..number).rev().find(|number| is_header(*number));
    header.is_some_and(|header| others.iter().any(|other| lines.line(other.span.start) == header))
}
