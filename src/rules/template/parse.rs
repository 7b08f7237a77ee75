//! The syntax of templates: text in, pieces with spans out, every mistake noted and stepped over.
//!
//! What a piece means next to others (repeats, neighbours, the bucket) is settled in `resolve`.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::{CaptureKind, Class, Piece, PieceKind, TemplateError};
use crate::rules::date::DateForm;
use crate::uri::{Scheme, Shown};

/// Alternatives within alternatives; deeper is a mistake, and a stack is finite.
const MAX_DEPTH: usize = 32;
/// A key holds at most 1,024 bytes.
const MAX_DIGITS: u32 = 1024;
const TYPES: [&str; 8] = ["int", "in", "re", "path", "hive", "date", "epoch", "plain"];

/// Scheme and raw pieces of a template; where something is wrong, a piece stands in for it so that the rest is checked.
pub(super) fn pieces(source: &str, base_dir: Option<&str>) -> (Scheme, Vec<Piece>, Vec<TemplateError>) {
    let last_close = source.rfind('}').unwrap_or(0);
    let mut parser =
        Parser { source, at: 0, depth: 0, errors: Vec::new(), last_close, unclosed: HashSet::new(), closing: None };
    let (scheme, base) = parser.scheme(base_dir);
    parser.control_characters();
    let mut pieces = Vec::new();
    if let Some(base) = base {
        pieces.push(Piece { kind: PieceKind::Text(base), span: parser.at..parser.at });
    }
    parser.sequence(&mut pieces);
    if source.ends_with('/') && !ends_escaped(source) && matches!(pieces.last(), Some(piece) if ends_in_slash(piece)) {
        pieces.push(Piece { kind: PieceKind::Below, span: source.len() - 1..source.len() });
    }
    (scheme, pieces, parser.errors)
}

/// What a text without `://` was meant to be, if that is no local path; and whether it can be written so.
fn meant_for_s3(source: &str) -> Option<(bool, String)> {
    if source.is_empty() {
        return Some((false, "write 's3://bucket/folder/*.csv'".to_owned()));
    }
    let rest = ["s3:/", "s3:", "s3a:/", "arn:aws:s3:::"].into_iter().find_map(|begin| source.strip_prefix(begin))?;
    Some((true, format!("s3://{}", rest.trim_start_matches('/'))))
}

/// Bucket and key of a web address of S3.
fn bucket_of_http(path: &str) -> Option<(&str, &str)> {
    let (host, key) = path.split_once('/')?;
    if !host.ends_with(".amazonaws.com") {
        return None;
    }
    match host.split_once(".s3").filter(|(_, rest)| rest.starts_with(['.', '-'])) {
        Some((bucket, _)) => Some((bucket, key)),
        None if host.starts_with("s3") => key.split_once('/'),
        None => None,
    }
}

/// Whether the last character is behind a `\` that is not escaped itself.
fn ends_escaped(source: &str) -> bool {
    source.bytes().rev().skip(1).take_while(|b| *b == b'\\').count() % 2 == 1
}

fn ends_in_slash(piece: &Piece) -> bool {
    match &piece.kind {
        PieceKind::Text(text) => text.ends_with('/'),
        kind => *kind == PieceKind::Directories,
    }
}

struct Parser<'a> {
    source: &'a str,
    at: usize,
    depth: usize,
    errors: Vec<TemplateError>,
    /// Where the last `}` stands.
    last_close: usize,
    /// Braces that are known to be never closed, by where they stand: what follows is not read again for each.
    unclosed: HashSet<usize>,
    /// Where each brace closes, for those that are too deep to be looked into.
    closing: Option<HashMap<usize, usize>>,
}

impl<'a> Parser<'a> {
    fn error(&mut self, span: Range<usize>, message: impl Into<String>, label: &str, help: impl Into<String>) {
        let help = Some(help.into()).filter(|help: &String| !help.is_empty());
        self.errors.push(TemplateError { span, message: message.into(), label: label.to_owned(), help });
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn eat(&mut self, expected: char) -> bool {
        let found = self.peek() == Some(expected);
        self.at += if found { expected.len_utf8() } else { 0 };
        found
    }

    /// Reads the scheme. For a local path without one, also the text that stands in front of what the user wrote.
    fn scheme(&mut self, base_dir: Option<&str>) -> (Scheme, Option<String>) {
        let name_len = self.source.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)).count();
        let (name, rest) = self.source.split_at(name_len);
        let Some(path) = rest.strip_prefix("://") else {
            if let Some((whole, meant)) = meant_for_s3(self.source) {
                let help = if whole { format!("write '{meant}'") } else { meant.to_owned() };
                self.error(0..self.source.len(), "this is no URI", "`s3://bucket/key` expected", help);
                // Nothing more is to be said of what an empty one lacks.
                return (Scheme::S3, self.source.is_empty().then(|| "bucket/".to_owned()));
            }
            return match base_dir {
                Some(base) => (Scheme::File, Some(self.local(base))),
                None => {
                    self.error(0..self.source.len(), "no scheme", "`s3://` expected", "write 's3://bucket/key'");
                    (Scheme::S3, None)
                }
            };
        };
        self.at = name_len + 3;
        match Scheme::parse(name) {
            Some(scheme @ (Scheme::S3 | Scheme::LakeFs | Scheme::File)) => return (scheme, None),
            Some(_) => {
                let message = format!("`{name}://` can hold manifests, but is not listed");
                self.error(0..name_len, message, "", "a rule reads from s3, lakefs or file");
            }
            None => {
                let help = match name.to_ascii_lowercase().as_str() {
                    "s3" | "s3a" | "s3n" => format!("write 's3://{path}'"),
                    "file" => format!("write 'file://{path}'"),
                    "lakefs" => format!("write 'lakefs://{path}'"),
                    "http" | "https" => match bucket_of_http(path) {
                        Some((bucket, key)) => format!("write 's3://{bucket}/{key}'"),
                        None => "write 's3://bucket/key', and the host in a `[[listing]]` as its `endpoint`".to_owned(),
                    },
                    _ => "the schemes are s3, lakefs and file".to_owned(),
                };
                self.error(0..name_len, format!("the scheme `{name}` is not known"), "", help);
            }
        }
        (Scheme::S3, None)
    }

    /// The text in front of a local path: the folder it begins in, after leading `./` and `../`.
    fn local(&mut self, base_dir: &str) -> String {
        if self.source.starts_with('/') {
            return String::new();
        }
        let mut base = base_dir.trim_end_matches('/');
        loop {
            if let Some(rest) = self.rest().strip_prefix("./") {
                self.at = self.source.len() - rest.len();
            } else if let Some(rest) = self.rest().strip_prefix("../") {
                base = &base[..base.rfind('/').unwrap_or(0)];
                self.at = self.source.len() - rest.len();
            } else {
                return format!("{base}/");
            }
        }
    }

    fn control_characters(&mut self) {
        for (at, c) in self.source.char_indices().filter(|(_, c)| c.is_control()) {
            let message = format!("the control character `{}` in a template", Shown(&c.to_string()));
            let help = "take it out; in \"…\" TOML itself reads `\\` escapes, in '…' it does not";
            self.error(at..at + c.len_utf8(), message, "", help);
        }
    }

    /// Pieces up to the end, or (inside alternatives) up to the `,` or `}` that ends a branch, which stays.
    fn sequence(&mut self, pieces: &mut Vec<Piece>) {
        while let Some(c) = self.peek() {
            let start = self.at;
            let kind = match c {
                ',' | '}' if self.depth > 0 => return,
                '}' => {
                    self.at += 1;
                    let help = "write `\\}` for the character itself";
                    self.error(start..self.at, "a `}` that closes nothing", "", help);
                    continue;
                }
                '{' => self.brace(),
                '*' => self.stars(),
                '?' => {
                    self.at += 1;
                    PieceKind::AnyChar
                }
                '[' => self.class(),
                _ => PieceKind::Text(self.text()),
            };
            let span = start..self.at;
            match (pieces.last_mut(), kind) {
                (Some(Piece { kind: PieceKind::Text(text), span: whole }), PieceKind::Text(more)) => {
                    text.push_str(&more);
                    whole.end = span.end;
                }
                (_, kind) => pieces.push(Piece { kind, span }),
            }
        }
    }

    /// One character of text, unescaped.
    fn text(&mut self) -> String {
        let start = self.at;
        match (self.next(), self.peek()) {
            (Some('\\'), Some(c)) => {
                self.at += c.len_utf8();
                c.into()
            }
            (Some('\\'), None) => {
                self.error(start..self.at, "`\\` escapes nothing here", "", "write `\\\\` for a backslash");
                "\\".into()
            }
            (c, _) => c.into_iter().collect(),
        }
    }

    /// `*`, or `**` if what follows lets it be a whole component; what stands before is for `resolve` to see.
    fn stars(&mut self) -> PieceKind {
        let start = self.at;
        self.at += self.rest().bytes().take_while(|b| *b == b'*').count();
        let count = self.at - start;
        match self.peek() {
            _ if count == 1 => return PieceKind::Star,
            Some('/') if count == 2 => {
                self.at += 1;
                return PieceKind::Directories;
            }
            None if count == 2 => return PieceKind::Below,
            Some(',' | '}') if count == 2 && self.depth > 0 => return PieceKind::Below,
            _ => {}
        }
        let message = format!("`{}` is not a whole component", &self.source[start..self.at]);
        let help = "`**` stands between slashes or at the end and means whole directories; within a name write `*`";
        self.error(start..self.at, message, "", help);
        PieceKind::AnyChar
    }

    fn class(&mut self) -> PieceKind {
        let start = self.at;
        self.at += 1;
        let negated = self.eat('!') || self.eat('^');
        let mut ranges = Vec::new();
        let mut first = true;
        loop {
            let item = self.at;
            match self.next() {
                Some(']') if !first => break,
                Some(low) => {
                    let mut ahead = self.rest().chars();
                    let high = match (ahead.next(), ahead.next()) {
                        (Some('-'), Some(high)) if high != ']' => {
                            self.at += 1 + high.len_utf8();
                            high
                        }
                        _ => low,
                    };
                    if low > high {
                        let message = format!("the range `{low}-{high}` is empty");
                        self.error(item..self.at, message, "", format!("write `{high}-{low}`"));
                    }
                    ranges.push((low, high));
                }
                None => {
                    self.at = start + 1;
                    let help = "write `\\[` for the character itself";
                    self.error(start..self.at, "a `[` that is never closed", "", help);
                    return PieceKind::AnyChar;
                }
            }
            first = false;
        }
        let ranges = without_slash(ranges);
        if ranges.is_empty() && !negated {
            let label = "a class never matches `/`";
            self.error(start..self.at, "this class matches nothing", label, "write the slash outside of it");
        }
        PieceKind::Class(Class { negated, ranges })
    }

    fn brace(&mut self) -> PieceKind {
        let start = self.at;
        self.at += 1;
        let name_len = name_len(self.rest());
        let name = &self.rest()[..name_len];
        match self.rest()[name_len..].chars().next() {
            Some('}') if name_len > 0 => {
                self.at += name_len + 1;
                capture(name, CaptureKind::Plain)
            }
            Some(':') if name_len > 0 => {
                self.at += name_len + 1;
                let kind = self.capture_type(start, name);
                capture(name, kind)
            }
            _ => self.alternatives(start),
        }
    }

    fn alternatives(&mut self, start: usize) -> PieceKind {
        if start >= self.last_close || self.unclosed.contains(&start) {
            return self.never_closed(start);
        }
        if self.depth == MAX_DEPTH {
            let closing = self.closing.get_or_insert_with(|| closing_braces(self.source));
            self.at = closing.get(&start).map_or(self.source.len(), |at| at + 1);
            let message = format!("alternatives within alternatives, more than {MAX_DEPTH} deep");
            self.error(start..start + 1, message, "", "");
            return capture("_", CaptureKind::IntOf(1));
        }
        self.depth += 1;
        let errors_before = self.errors.len();
        let mut branches = Vec::new();
        let closed = loop {
            let mut branch = Vec::new();
            self.sequence(&mut branch);
            branches.push(branch);
            match self.next() {
                Some(',') => {}
                end => break end.is_some(),
            }
        };
        self.depth -= 1;
        if !closed {
            // What follows is read once more, as if the brace were text, so that its own mistakes are named once.
            self.errors.truncate(errors_before);
            self.unclosed.insert(start);
            return self.never_closed(start);
        }
        if branches.len() == 1 {
            self.not_alternatives(start);
            return capture("_", CaptureKind::IntOf(1));
        }
        PieceKind::Alternatives(branches)
    }

    fn never_closed(&mut self, start: usize) -> PieceKind {
        self.at = start + 1;
        let help = match &self.rest()[..name_len(self.rest())] {
            "" => "write `\\{` for the character itself".to_owned(),
            name => format!("write `{{{name}}}`, or `\\{{` for the character itself"),
        };
        self.error(start..self.at, "a `{` that is never closed", "", help);
        capture("_", CaptureKind::IntOf(1))
    }

    /// A brace that is neither a capture nor alternatives.
    fn not_alternatives(&mut self, start: usize) {
        let inner = &self.source[start + 1..self.at - 1];
        let (name, kind) = inner.trim().split_once(':').unwrap_or((inner.trim(), ""));
        let trimmed = name.trim();
        let (message, help) = if inner.is_empty() {
            ("nothing in braces".to_owned(), "write `{_}` for a part that is not kept, or `\\{\\}`".to_owned())
        } else if !trimmed.is_empty() && name_len(trimmed) == trimmed.len() {
            let colon = if kind.is_empty() { "" } else { ":" };
            ("a space in a capture".to_owned(), format!("write `{{{trimmed}{colon}{}}}`", kind.trim()))
        } else {
            let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
            let name: String = trimmed.chars().map(allowed).collect();
            let digit = if name.starts_with(|c: char| c.is_ascii_digit()) { "_" } else { "" };
            let name = if name.is_empty() { "name" } else { &name };
            let help = format!(
                "a name is letters, digits and `_`: `{{{digit}{name}}}`; alternatives have a comma: `{{{inner},…}}`; or \
                 write `\\{{{inner}\\}}`"
            );
            (format!("`{{{inner}}}` is neither a capture nor alternatives"), help)
        };
        self.error(start..self.at, message, "", help);
    }

    /// Behind the colon: the type and the closing brace.
    fn capture_type(&mut self, start: usize, name: &str) -> CaptureKind {
        let type_at = self.at;
        self.at += self.rest().bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        let word = &self.source[type_at..self.at];
        let argument_at = self.at + 1;
        let argument = if self.peek() == Some('(') { self.argument(word) } else { Ok(None) };
        let Ok(argument) = argument else {
            self.error(self.at..self.at + 1, "a `(` that is never closed", "", "write `)` where the type ends");
            self.at = self.closing_brace(argument_at).map_or(self.source.len(), |at| at + 1);
            return CaptureKind::IntOf(1);
        };
        if !self.eat('}') {
            let end = self.closing_brace(self.at);
            let Some(end) = end else {
                self.at = self.source.len();
                let help = "write `}` where the capture ends";
                self.error(start..start + 1, "a `{` that is never closed", "", help);
                return CaptureKind::IntOf(1);
            };
            self.at = end + 1;
            self.unknown_type(name, type_at..end);
            return CaptureKind::IntOf(1);
        }
        let span = type_at..self.at - 1;
        match (word, argument) {
            ("int", None) => CaptureKind::Int,
            ("int", Some(digits)) => self.int(digits, argument_at),
            ("in", Some(items)) => self.items(items, span),
            ("re", Some(expression)) => self.re(expression, argument_at),
            ("path", None) => CaptureKind::Path,
            ("hive", None) => CaptureKind::Hive,
            ("date", Some(form)) => self.date(form, argument_at),
            ("epoch", None) => CaptureKind::Epoch,
            ("epoch", Some("ms")) => CaptureKind::EpochMs,
            _ => {
                self.unknown_type(name, span);
                CaptureKind::IntOf(1)
            }
        }
    }

    /// The text in parentheses; stands at the `(` if it never ends.
    fn argument(&mut self, word: &str) -> Result<Option<&'a str>, ()> {
        let inner = &self.rest()[1..];
        let end = if word == "re" { balanced_end(inner) } else { unescaped_end(inner) };
        let end = end.ok_or(())?;
        self.at += end + 2;
        Ok(Some(&inner[..end]))
    }

    fn unknown_type(&mut self, name: &str, span: Range<usize>) {
        let written = &self.source[span.clone()];
        let (word, argument) = written.split_once('(').map_or((written, None), |(word, rest)| (word, Some(rest)));
        let near = |known: &str| strsim::damerau_levenshtein(known, word) <= 1 + usize::from(known.len() > 4);
        let all = "the types are int, int(n), in(a,b), re(…), path, hive, date(FORM), epoch, epoch(ms)";
        let help = match (word, argument) {
            ("date" | "in" | "re", None) => format!("write `{{{name}:{word}({})}}`", example_argument(word)),
            ("int" | "path" | "hive", Some(_)) => format!("write `{{{name}:{word}}}`"),
            ("epoch", Some(_)) => "write `epoch` for seconds, `epoch(ms)` for milliseconds".to_owned(),
            ("string" | "str" | "text" | "plain" | "", _) if written == word => format!("write `{{{name}}}`; {all}"),
            ("integer" | "number" | "digits" | "bigint", _) => format!("write `{{{name}:int}}`"),
            _ if looks_like_form(written) => format!("write `{{{name}:date({written})}}`"),
            _ if written.starts_with('[') => format!("write `{{{name}:re({written})}}`"),
            _ => match TYPES.iter().find(|known| near(known)) {
                Some(near) => format!("did you mean `{near}`? {all}"),
                None => format!("{all}; alternatives that begin so are written `{{{name}\\:…,…}}`"),
            },
        };
        self.error(span, format!("`{}` is no type of a capture", Shown(written)), "", help);
    }

    fn int(&mut self, digits: &str, at: usize) -> CaptureKind {
        let number = digits.parse().ok().filter(|n| (1..=MAX_DIGITS).contains(n) && !digits.starts_with('+'));
        number.map_or_else(
            || {
                let message = format!("`int({})` is no number of digits", Shown(digits));
                self.error(at..at + digits.len(), message, "", format!("write 1 to {MAX_DIGITS}, or just `int`"));
                CaptureKind::IntOf(1)
            },
            CaptureKind::IntOf,
        )
    }

    fn items(&mut self, items: &str, span: Range<usize>) -> CaptureKind {
        if items.is_empty() {
            self.error(span, "`in()` allows nothing", "", "name what it may be: `in(amer,apac)`");
        }
        let mut list = vec![String::new()];
        let mut chars = items.chars();
        while let Some(c) = chars.next() {
            let last = list.last_mut().expect("the list begins with one item");
            match c {
                '\\' => last.extend(chars.next()),
                ',' => list.push(String::new()),
                c => last.push(c),
            }
        }
        CaptureKind::In(list)
    }

    fn re(&mut self, expression: &str, at: usize) -> CaptureKind {
        for error in super::expression::check_re(expression) {
            let span = at + error.span.start..at + error.span.end;
            self.errors.push(TemplateError { span, ..error });
        }
        CaptureKind::Re(expression.to_owned())
    }

    fn date(&mut self, form: &str, at: usize) -> CaptureKind {
        match DateForm::parse(form) {
            Ok(form) => CaptureKind::Date(form),
            Err(errors) => {
                for error in errors {
                    let span = at + error.span.start..at + error.span.end;
                    self.error(span, error.message, "", error.help.unwrap_or_default());
                }
                CaptureKind::Epoch
            }
        }
    }

    /// The `}` that closes a brace whose inside begins at `from`, braces inside it counted.
    fn closing_brace(&self, from: usize) -> Option<usize> {
        let mut depth = 0usize;
        let mut escaped = false;
        for (at, c) in self.source[from..].char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '{' => depth += 1,
                '}' if depth == 0 => return Some(from + at),
                '}' => depth -= 1,
                _ => {}
            }
        }
        None
    }
}

/// For each brace that opens where it closes, if it does; what `\` escapes is none.
fn closing_braces(source: &str) -> HashMap<usize, usize> {
    let (mut closing, mut open) = (HashMap::new(), Vec::new());
    let mut chars = source.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '{' => open.push(at),
            '}' => drop(open.pop().map(|start| closing.insert(start, at))),
            _ => {}
        }
    }
    closing
}

fn capture(name: &str, kind: CaptureKind) -> PieceKind {
    PieceKind::Capture { name: (name != "_").then(|| name.to_owned()), kind }
}

/// How long a name (`[A-Za-z_][A-Za-z0-9_]*`) the text begins with; 0 if with none.
fn name_len(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count()
}

fn example_argument(word: &str) -> &'static str {
    match word {
        "date" => "yyyy-MM-dd",
        "in" => "a,b",
        _ => "[0-9a-f]{8}",
    }
}

fn looks_like_form(written: &str) -> bool {
    let fields = DateForm::parse(written).is_ok_and(|form| form.fields().count() > 1);
    fields || ["yyyy", "YYYY"].iter().any(|year| written.starts_with(year))
}

/// Where the first `)` stands that no `\` escapes.
fn unescaped_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| match c {
        _ if escaped => {
            escaped = false;
            None
        }
        '\\' => {
            escaped = true;
            None
        }
        ')' => Some(at),
        _ => None,
    })
}

/// Where the `)` stands that closes a regular expression, groups, classes and escapes in it counted.
fn balanced_end(text: &str) -> Option<usize> {
    let mut groups = 0usize;
    let mut classes = 0usize;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '[' => {
                classes += 1;
                chars.next_if(|(_, c)| *c == '^');
                chars.next_if(|(_, c)| *c == ']');
            }
            ']' => classes = classes.saturating_sub(1),
            _ if classes > 0 => {}
            '(' => groups += 1,
            ')' if groups == 0 => return Some(at),
            ')' => groups -= 1,
            _ => {}
        }
    }
    None
}

/// Sorts ranges, joins those that touch, and cuts `/` out.
fn without_slash(ranges: Vec<(char, char)>) -> Vec<(char, char)> {
    let mut class = regex_syntax::hir::ClassUnicode::new(
        ranges.into_iter().map(|(low, high)| regex_syntax::hir::ClassUnicodeRange::new(low, high)),
    );
    let slash = regex_syntax::hir::ClassUnicodeRange::new('/', '/');
    class.difference(&regex_syntax::hir::ClassUnicode::new([slash]));
    class.ranges().iter().map(|range| (range.start(), range.end())).collect()
}
