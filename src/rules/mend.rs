//! TOML that does not parse: every syntax error in words of ours, and texts and lists that are never closed closed for
//! reading on.
//!
//! Pure. Without this, one missing `]` would make an error of every line below it, and hide what is wrong there.

use std::collections::HashSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeTable;

use super::diagnostic::{Diagnostic, Lines};
use super::toml_words::{follows, in_words};

/// A text that differs from the user's only by closing quotes and brackets put in.
pub struct Mended {
    pub text: String,
    /// Where in `text` something was put in, in the order of doing, and how much.
    inserted: Vec<(usize, usize)>,
    /// In the user's own text; first those that were mended.
    pub errors: Vec<Diagnostic>,
}

impl Mended {
    /// Where errors that are not mended stand: what lies there has not been read.
    pub fn unread(&self) -> impl Iterator<Item = usize> + '_ {
        self.errors[self.inserted.len()..].iter().map(|error| error.span.start)
    }
}

impl Mended {
    /// A span of `text` as one of the user's own.
    pub fn original(&self, span: Range<usize>) -> Range<usize> {
        let back = |offset: usize| {
            self.inserted.iter().rev().fold(offset, |offset, (at, len)| offset - offset.saturating_sub(*at).min(*len))
        };
        back(span.start)..back(span.end)
    }
}

/// Texts and lists that one file may leave open.
const MOST_MENDED: usize = 20;
/// Errors of the parser that are told; who has more has no rule file.
const MOST_ERRORS: usize = 100;

/// Closes what is open, and says what is wrong besides.
pub fn mend(text: &str) -> Mended {
    let mut mended = Mended { text: text.to_owned(), inserted: Vec::new(), errors: Vec::new() };
    loop {
        let (_, errors) = DeTable::parse_recoverable(&mended.text);
        let has = |begin: &str| errors.iter().any(|error| error.message().starts_with(begin));
        let is_text_open = has("invalid literal string") || has("invalid basic string");
        let is_list_open = has("unclosed ");
        let open = Some(mended.inserted.len()).filter(|inserted| *inserted < MOST_MENDED).and_then(|_| {
            let text = open_text(&mended.text).filter(|_| is_text_open);
            text.or_else(|| open_bracket(&mended.text).filter(|_| is_list_open))
        });
        match open {
            Some(open) => {
                mended.errors.push(never_closed(&mended, text, &open));
                mended.text.insert_str(open.close_at, &open.closers);
                mended.inserted.push((open.close_at, open.closers.len()));
            }
            None => {
                let others = first_of_each_line(&mended.text, &errors);
                let others = others.into_iter().map(|mut error| {
                    error.span = mended.original(error.span);
                    error
                });
                let others: Vec<_> = others.collect();
                mended.errors.extend(others);
                return mended;
            }
        }
    }
}

/// The document of a mended text.
pub fn parse(text: &str) -> Spanned<DeTable<'_>> {
    DeTable::parse_recoverable(text).0
}

fn never_closed(mended: &Mended, text: &str, open: &Open) -> Diagnostic {
    if open.closers.starts_with(['\'', '"']) {
        let mut line_end = mended.text[open.at..].find('\n').map_or(mended.text.len(), |end| open.at + end);
        line_end -= usize::from(mended.text[..line_end].ends_with('\r'));
        let line_start = mended.text[..open.at].rfind('\n').map_or(0, |end| end + 1);
        let quote = &open.closers;
        let span = mended.original(open.at..open.close_at);
        let line =
            format!("{}{quote}{}", &mended.text[line_start..open.close_at], &mended.text[open.close_at..line_end]);
        return Diagnostic::error(span, format!("bad TOML: this `{quote}…{quote}` is never closed"))
            .help(format!("write\n{}", line.trim()));
    }
    let span = mended.original(open.at..open.at + 1);
    let bracket = text.get(span.clone()).unwrap_or("[");
    Diagnostic::error(span, format!("bad TOML: this `{bracket}` is never closed"))
        .label(format!("write `{}` where the value ends", open.closers))
}

/// One broken line often breaks in several ways at once; the first says enough.
fn first_of_each_line(text: &str, errors: &[toml::de::Error]) -> Vec<Diagnostic> {
    let lines = Lines::new(text);
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut told = HashSet::new();
    for error in errors.iter().take(MOST_ERRORS) {
        let shown = in_words(&lines, error);
        let is_first = error.span().is_none_or(|span| told.insert(lines.line(span.start)));
        if is_first && !follows(&lines, error, &found) {
            found.push(shown);
        }
    }
    found
}

/// What is not closed: a text at the end of its line, or the brackets of a value where the next entry comes.
struct Open {
    /// The quote, or the first of the brackets.
    at: usize,
    closers: String,
    /// Behind the last thing that belongs to the value.
    close_at: usize,
}

/// The first text on one line that is not closed on it, outside of comments. Brackets at the line's end that belong to
/// what is open around it are not its own.
fn open_text(text: &str) -> Option<Open> {
    let mut at = 0;
    let mut depth = 0usize;
    while let Some(found) = text[at..].find(['#', '\'', '"', '[', '{', ']', '}', '\n']).map(|found| at + found) {
        let rest = &text[found..];
        match rest.as_bytes()[0] {
            b'#' => at = found + rest.find('\n').unwrap_or(rest.len()),
            b'[' | b'{' => {
                depth += 1;
                at = found + 1;
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                at = found + 1;
            }
            b'\n' => {
                // A header, or a value that is never closed: `open_bracket` sees to the latter.
                depth = 0;
                at = found + 1;
            }
            quote => {
                let len = string_len(rest);
                let quote = char::from(quote);
                let string = &rest[..len];
                let is_closed =
                    len > 1 && string.ends_with(quote) || string.starts_with("\'\'\'") || string.starts_with("\"\"\"");
                if !is_closed {
                    let mut end = string.trim_end().len();
                    if depth > 0 {
                        end = string.trim_end_matches([' ', '\t', '\r', ']', '}', ',']).len();
                    }
                    return Some(Open { at: found, closers: quote.to_string(), close_at: found + end.max(1) });
                }
                at = found + len;
            }
        }
    }
    None
}

/// The first value whose brackets are still open where a new entry, or the end, comes.
fn open_bracket(text: &str) -> Option<Open> {
    let mut open: Vec<(char, usize)> = Vec::new();
    let mut close_at = 0;
    let mut at = 0;
    let mut in_value = false;
    while at < text.len() {
        let rest = &text[at..];
        let c = rest.chars().next()?;
        let is_line_start = at == 0 || text[..at].ends_with('\n');
        if is_line_start && !open.is_empty() && begins_entry(rest, open.last().is_some_and(|(c, _)| *c == '[')) {
            break;
        }
        match c {
            '#' => at += rest.find('\n').unwrap_or(rest.len()),
            '\n' => {
                in_value &= !open.is_empty();
                at += 1;
            }
            '\'' | '"' => {
                at += string_len(rest);
                close_at = at;
            }
            '[' | '{' if in_value => {
                open.push((c, at));
                at += 1;
                close_at = at;
            }
            ']' | '}' if in_value => {
                open.pop();
                at += 1;
                close_at = at;
            }
            c => {
                in_value |= c == '=';
                at += c.len_utf8();
                if !c.is_whitespace() {
                    close_at = at;
                }
            }
        }
    }
    let (_, first) = *open.first()?;
    let closers = open.iter().rev().map(|(c, _)| if *c == '[' { ']' } else { '}' }).collect();
    Some(Open { at: first, closers, close_at })
}

/// Whether a line begins a new entry: `[header]`, or (in a list, where it cannot be anything else) `key =`.
fn begins_entry(rest: &str, in_list: bool) -> bool {
    let line = rest.lines().next().unwrap_or_default().trim();
    let is_key = |key: &str| {
        let key = key.trim();
        !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | '\'' | ' '))
    };
    let line = line.split('#').next().unwrap_or_default().trim();
    let header = line.strip_prefix('[').and_then(|line| line.strip_suffix(']'));
    let header = header.map(|inner| inner.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(inner));
    let is_header = header.is_some_and(|inner| {
        is_key(inner) && !inner.trim().starts_with(|c: char| c.is_ascii_digit() || matches!(c, '"' | '\''))
    });
    let is_entry = in_list
        && line.split_once('=').is_some_and(|(key, _)| is_key(key) && !key.trim_start().starts_with(['"', '\'']));
    is_header || is_entry
}

/// Bytes of the string that `rest` begins with; one on a single line ends with that line at the latest.
fn string_len(rest: &str) -> usize {
    let quote = &rest[..1];
    let triple = quote.repeat(3);
    if let Some(inner) = rest.strip_prefix(&triple) {
        return inner.find(&triple).map_or(rest.len(), |end| end + 6);
    }
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '\n' => return at,
            _ if escaped => escaped = false,
            '\\' if quote == "\"" => escaped = true,
            c if quote.starts_with(c) => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(text: &str) -> (String, Vec<String>) {
        let mended = mend(text);
        let told = mended.errors.iter().map(|error| format!("{} | {}", error.message, &text[error.span.clone()]));
        let told = told.collect();
        (mended.text, told)
    }

    #[test]
    fn a_sound_text_stays() {
        let text = "a = [\n 'x', # ]\n [1],\n]\n[t]\nb = { c = [1], d = '[' }\n";
        assert_eq!(mended(text), (text.to_owned(), Vec::new()));
    }

    #[test]
    fn an_open_list_is_closed_before_the_next_entry() {
        let (text, told) = mended("[t]\na = ['x', # no ]\nb = 1\n[[t.rule]]\nc = [ { d = 1 \n[u]\ne = foo\n");
        assert_eq!(text, "[t]\na = ['x',] # no ]\nb = 1\n[[t.rule]]\nc = [ { d = 1}] \n[u]\ne = foo\n");
        assert_eq!(told[..2], ["bad TOML: this `[` is never closed | [", "bad TOML: this `[` is never closed | ["]);
        assert!(told[2].ends_with("| foo") && told.len() == 3, "{told:?}");
    }

    #[test]
    fn offsets_are_taken_back() {
        let text = "a = ['x'\nb = ['y'\nc = 1\n";
        let mended = mend(text);
        assert_eq!(mended.text, "a = ['x']\nb = ['y']\nc = 1\n");
        let at = mended.text.find('c').unwrap();
        assert_eq!(&text[mended.original(at..at + 1)], "c");
        let at = mended.text.find('b').unwrap();
        assert_eq!(&text[mended.original(at..at + 1)], "b");
        assert_eq!(mended.original(0..1), 0..1);
    }
}
