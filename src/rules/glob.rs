//! `exclude` globs: `*` and `?` never cross `/`, `**` does, `[…]` and `{a,b}` as in templates; nothing is hidden from them.
//!
//! Pure. globset matches them; where it reads a glob otherwise (bytes for characters, `**` within alternatives), a regular
//! expression of the meaning above does.

use std::ops::Range;

use globset::{GlobBuilder, GlobMatcher};

use super::diagnostic::Diagnostic;
use super::shape::Text;
use super::table::{Exclude, ExcludeOver};
use crate::uri::Scheme;

/// A compiled glob over a base name, a key or a URI.
#[derive(Clone, Debug)]
pub struct KeyGlob(Engine);

#[derive(Clone, Debug)]
enum Engine {
    Globset(GlobMatcher),
    /// For `?` and `[…]`, which globset takes as one byte, and `**` within alternatives, which it takes as `*`.
    Regex(regex::Regex),
}

impl KeyGlob {
    pub fn is_match(&self, text: &str) -> bool {
        match &self.0 {
            Engine::Globset(glob) => glob.is_match(text),
            Engine::Regex(regex) => regex.is_match(text),
        }
    }
}

/// Reads one `exclude`; what is wrong with it is added to `found`.
pub fn read(text: &Text<'_>, from_defaults: bool, found: &mut Vec<Diagnostic>) -> Option<Exclude> {
    if text.value.is_empty() {
        found.push(
            Diagnostic::error(text.span.clone(), "an empty glob excludes nothing").help("write\nexclude = [\"*.tmp\"]"),
        );
        return None;
    }
    found.extend(odd_place(text));
    match parse(text.value) {
        Ok(glob) => {
            let over = match text.value {
                source if source.contains("://") => ExcludeOver::Uri,
                source if source.contains('/') => ExcludeOver::Key,
                _ => ExcludeOver::BaseName,
            };
            Some(Exclude { source: text.value.to_owned(), over, glob, from_defaults })
        }
        Err(mistakes) => {
            found.extend(
                mistakes
                    .into_iter()
                    .map(|mistake| Diagnostic::error(text.at(mistake.span), mistake.message).help_maybe(mistake.help)),
            );
            None
        }
    }
}

/// A glob that no object can be in the place of.
fn odd_place(text: &Text<'_>) -> Option<Diagnostic> {
    if let Some((scheme, rest)) = text.value.split_once("://") {
        let is_plain = scheme.bytes().all(|c| c.is_ascii_alphanumeric());
        if !is_plain || Scheme::parse(scheme).is_some() {
            return None;
        }
        let error = Diagnostic::error(text.at(0..scheme.len()), format!("the scheme `{scheme}` is not known"));
        return Some(match scheme.to_ascii_lowercase().as_str() {
            "s3" | "s3a" | "s3n" => error.help(format!("write \"s3://{rest}\"")),
            _ => error.help("the schemes are s3, lakefs and file"),
        });
    }
    let key = text.value.strip_prefix('/').filter(|key| !key.starts_with('/'))?;
    let warning =
        Diagnostic::warning(text.at(0..1), "keys begin without a slash").label("this excludes hardly anything");
    Some(warning.help(format!("write \"{key}\"")))
}

impl Exclude {
    /// Whether it leaves out all that lies in a directory or nothing of it.
    pub fn is_by_directory(&self) -> bool {
        self.over != ExcludeOver::BaseName && (self.source.ends_with("/**") || is_directory(&self.source))
    }
}

struct Mistake {
    span: Range<usize>,
    message: String,
    help: Option<String>,
}

fn parse(source: &str) -> Result<KeyGlob, Vec<Mistake>> {
    let mut translator =
        Translator { source, at: 0, regex: String::new(), depth: 0, mistakes: Vec::new(), beyond_globset: false };
    translator.sequence();
    let Translator { regex, mistakes, beyond_globset, .. } = translator;
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let unreadable = |message: String| vec![Mistake { span: 0..source.len(), message, help: None }];
    if beyond_globset {
        let regex = regex::Regex::new(&format!("(?s)\\A(?:{regex})\\z"));
        return regex
            .map(|regex| KeyGlob(Engine::Regex(regex)))
            .map_err(|_| unreadable("this glob is too large".to_owned()));
    }
    // A trailing slash means everything below, as in templates.
    let source = if is_directory(source) { format!("{source}**") } else { source.to_owned() };
    let glob = GlobBuilder::new(&source).literal_separator(true).backslash_escape(true).empty_alternates(true).build();
    glob.map(|glob| KeyGlob(Engine::Globset(glob.compile_matcher())))
        .map_err(|error| unreadable(error.kind().to_string()))
}

/// Whether a glob ends in `/`, which takes all below; in `\/` it is text.
fn is_directory(source: &str) -> bool {
    source.strip_suffix('/').is_some_and(|before| (before.len() - before.trim_end_matches('\\').len()) % 2 == 0)
}

/// Checks a glob and writes the regular expression of the same meaning.
struct Translator<'a> {
    source: &'a str,
    at: usize,
    regex: String,
    depth: usize,
    mistakes: Vec<Mistake>,
    /// Whether globset would read it otherwise.
    beyond_globset: bool,
}

impl Translator<'_> {
    fn mistake(&mut self, span: Range<usize>, message: &str, help: &str) {
        let help = (!help.is_empty()).then(|| help.to_owned());
        self.mistakes.push(Mistake { span, message: message.to_owned(), help });
    }

    fn literal(&mut self, c: char) {
        self.regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
    }

    fn sequence(&mut self) {
        while let Some(c) = self.source[self.at..].chars().next() {
            let start = self.at;
            self.at += c.len_utf8();
            match c {
                '*' => self.stars(start),
                '?' => {
                    self.beyond_globset = true;
                    self.regex.push_str("[^/]");
                }
                '[' => self.class(start),
                '{' => self.alternatives(start),
                ',' if self.depth > 0 => self.regex.push('|'),
                '}' if self.depth > 0 => {
                    self.at = start;
                    return;
                }
                '}' => {
                    self.mistake(start..self.at, "a `}` that closes nothing", "write `\\}` for the character itself")
                }
                '\\' => match self.source[self.at..].chars().next() {
                    Some(c) => {
                        self.at += c.len_utf8();
                        self.literal(c);
                    }
                    None => self.mistake(start..self.at, "`\\` escapes nothing here", "write `\\\\` for a backslash"),
                },
                c => self.literal(c),
            }
        }
        if is_directory(self.source) {
            self.regex.push_str(".*");
        }
    }

    fn stars(&mut self, start: usize) {
        let rest = &self.source[start..];
        let count = rest.len() - rest.trim_start_matches('*').len();
        self.at = start + count;
        self.beyond_globset |= count > 1 && self.depth > 0;
        let begins = start == 0 || self.source[..start].ends_with(['/', '{', ',']);
        match (count, self.source[self.at..].chars().next()) {
            (1, _) => self.regex.push_str("[^/]*"),
            (2, Some('/')) if begins => {
                self.at += 1;
                self.regex.push_str("(?:[^/]*/)*");
            }
            (2, None | Some(',' | '}')) if begins => self.regex.push_str(".*"),
            _ => self.mistake(
                start..self.at,
                "`**` stands between slashes or at an end and means whole directories",
                "within a name write `*`",
            ),
        }
    }

    fn class(&mut self, start: usize) {
        self.beyond_globset = true;
        let rest = &self.source[self.at..];
        let negated = rest.starts_with(['!', '^']);
        let from = usize::from(negated);
        // A `]` right after the opening is itself.
        let first = rest[from..].chars().next().map_or(0, char::len_utf8);
        let Some(close) = rest.get(from + first..).and_then(|rest| rest.find(']')) else {
            return self.mistake(
                start..start + 1,
                "a `[` that is never closed",
                "write `\\[` for the character itself",
            );
        };
        let items: Vec<char> = rest[from..from + first + close].chars().collect();
        self.at += from + first + close + 1;
        let mut class = String::new();
        let mut index = 0;
        while index < items.len() {
            let low = items[index];
            let high = if items.get(index + 1) == Some(&'-') { items.get(index + 2).copied() } else { None };
            index += if high.is_some() { 3 } else { 1 };
            let high = high.unwrap_or(low);
            if low > high {
                return self.mistake(start..self.at, &format!("the range `{low}-{high}` is empty"), "");
            }
            class.push_str(&format!("\\x{{{:x}}}-\\x{{{:x}}}", low as u32, high as u32));
        }
        let negation = if negated { "^" } else { "" };
        self.regex.push_str(&format!("[[{negation}{class}]&&[^/]]"));
    }

    fn alternatives(&mut self, start: usize) {
        self.depth += 1;
        self.regex.push_str("(?:");
        self.sequence();
        self.depth -= 1;
        self.regex.push(')');
        if self.at >= self.source.len() {
            return self.mistake(
                start..start + 1,
                "a `{` that is never closed",
                "write `\\{` for the character itself",
            );
        }
        self.at += 1;
        let inner = &self.source[start + 1..self.at - 1];
        if !inner.contains(',') {
            self.mistake(
                start..self.at,
                "an `exclude` captures nothing",
                "write `*` for any text, `{a,b}` for alternatives, `\\{` for the character itself",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(glob: &str, text: &str) -> bool {
        parse(glob).ok().unwrap().is_match(text)
    }

    #[test]
    fn globs_take_what_they_say() {
        for (glob, taken, left) in [
            ("*.tmp", vec!["a.tmp", ".tmp"], vec!["a.tmp2", "x/a.tmp"]),
            ("d/late/**", vec!["d/late/x", "d/late/x/y"], vec!["d/later", "x/d/late/x"]),
            ("d/late/", vec!["d/late/x", "d/late/x/y"], vec!["d/later"]),
            ("**/archive/**", vec!["archive/x", "a/b/archive/x/y"], vec!["a/archive", "myarchive/x"]),
            ("**/*_MDM", vec!["_MDM", "a/b/c_MDM"], vec!["a/b/c_MDM/d"]),
            ("a/**/b", vec!["a/b", "a//b", "a/x/y/b"], vec!["a/xb"]),
            ("s3://two/**", vec!["s3://two/x", "s3://two/x/y"], vec!["s3://twox/y"]),
            ("x?.csv", vec!["xé.csv", "xa.csv"], vec!["x/.csv", "x.csv"]),
            ("x[!a-c].csv", vec!["xé.csv", "xd.csv"], vec!["xa.csv", "x/.csv"]),
            ("x[+-9]y", vec!["x1y", "x+y"], vec!["x/y"]),
            ("[]a]x", vec!["]x", "ax"], vec!["bx"]),
            ("{a,b{c,}}.{csv,json}", vec!["a.csv", "bc.json", "b.csv"], vec!["c.csv"]),
            ("a\\*b", vec!["a*b"], vec!["axb"]),
            ("\\?x", vec!["?x"], vec!["ax"]),
        ] {
            taken.iter().for_each(|text| assert!(matches(glob, text), "{glob} takes {text}"));
            left.iter().for_each(|text| assert!(!matches(glob, text), "{glob} leaves {text}"));
        }
    }

    /// Both engines say the same of the same glob.
    #[test]
    fn globset_and_the_expression_agree() {
        let texts = ["", "a", "a/b", "a//b", "/a", "a/", "a/b/c", ".x", "_y/z", "a.tmp", "b/a.tmp", "é", "a*b"];
        for glob in [
            "*", "**", "a/**", "**/a", "**/b/**", "*.tmp", "a/", "a\\/", "{a,b}", "{a,**/c}", "a/{**,c}", "*/*",
            "a/**/c", "\\a",
        ] {
            let mut translator = Translator {
                source: glob,
                at: 0,
                regex: String::new(),
                depth: 0,
                mistakes: vec![],
                beyond_globset: false,
            };
            translator.sequence();
            let regex = regex::Regex::new(&format!("(?s)\\A(?:{})\\z", translator.regex)).unwrap();
            for text in texts {
                assert_eq!(matches(glob, text), regex.is_match(text), "{glob} on {text:?}");
            }
        }
    }

    #[test]
    fn bad_globs_are_told() {
        for glob in ["a**", "a/**b", "[a", "{a,b", "a}", "{a}", "x\\", "[z-a]"] {
            assert_eq!(parse(glob).err().unwrap().len(), 1, "{glob}");
        }
    }
}
