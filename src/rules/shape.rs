//! A parsed TOML document held against the table of keys, and read back with the place of everything.
//!
//! Pure. What is said here is only about TOML types, names of keys and fixed words; what values mean is `file.rs`.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Diagnostic;
use super::keys::{self, Section, Shape};

/// Holds a TOML table against its section, and all that is in it; every mistake is added to `found`.
pub fn check(section: &'static Section, table: &DeTable<'_>, found: &mut Vec<Diagnostic>) {
    for (name, value) in in_order(table) {
        let key = match section.key(name.get_ref()) {
            Some(key) => Some(key),
            None => {
                let knows_enough = found.len() >= MOST_SUGGESTIONS;
                found.push(unknown_key(section, name.get_ref(), name.span(), knows_enough));
                if knows_enough { None } else { meant(section, name.get_ref()) }
            }
        };
        if let Some(key) = key {
            check_value(key.name, &key.shape, key.example, &name.span(), value, found);
        }
    }
}

/// Mistakes after which nothing is guessed any more.
const MOST_SUGGESTIONS: usize = 1000;

/// The key of a section that a misspelt one was meant to be: it is read as that, so that nothing else is said of it.
fn meant(section: &'static Section, name: &str) -> Option<&'static keys::Key> {
    let is_elsewhere = everywhere().into_iter().any(|other| other.key(name).is_some());
    if is_elsewhere {
        return None;
    }
    section.key(nearest(name, available(section))?)
}

fn available(section: &'static Section) -> impl Iterator<Item = &'static str> {
    section.keys.iter().map(|key| key.name)
}

fn everywhere() -> [&'static Section; 8] {
    use keys::{CATALOG, DEFAULTS, FORMAT, LISTING, PICK, RULE, TABLE, TEST};
    [&RULE, &TABLE, &DEFAULTS, &TEST, &LISTING, &FORMAT, &PICK, &CATALOG]
}

/// The entries of a TOML table in the order of the text.
pub fn in_order<'t, 'i>(table: &'t DeTable<'i>) -> Vec<(&'t Key<'i>, &'t Value<'i>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

pub type Key<'i> = Spanned<toml::de::DeString<'i>>;
pub type Value<'i> = Spanned<DeValue<'i>>;

/// The candidate that a misspelt word was most likely meant to be: one that is a few letters away, or begins the same.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // Nobody misspells a novel.
    if word.len() > 100 {
        return None;
    }
    let lower = word.to_lowercase();
    let limit = (word.chars().count() / 3).max(1);
    let distance = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        let distance = strsim::damerau_levenshtein(&lower, &candidate);
        let same = lower.bytes().zip(candidate.bytes()).take_while(|(a, b)| a == b).count();
        let begins = same >= 4 && same * 3 >= lower.len() * 2;
        if distance <= limit { Some((0, distance)) } else { begins.then_some((1, distance)) }
    };
    let near = candidates.into_iter().filter(|candidate| *candidate != word);
    near.filter_map(|candidate| Some((distance(candidate)?, candidate)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, near)| near)
}

/// ``did you mean `x`?``, or nothing.
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    nearest(word, candidates).map_or_else(String::new, |near| format!("did you mean `{near}`?"))
}

fn unknown_key(section: &'static Section, name: &str, span: Range<usize>, knows_enough: bool) -> Diagnostic {
    let error = Diagnostic::error(span, format!("unknown key `{name}`"));
    if knows_enough {
        return error;
    }
    if let Some(home) = everywhere().into_iter().find(|other| other.key(name).is_some()) {
        return error.label(format!("belongs in `{}`, not in `{}`", home.header, section.header));
    }
    let label = did_you_mean(name, available(section));
    if !label.is_empty() {
        return error.label(label);
    }
    let elsewhere = everywhere().into_iter().find_map(|other| {
        let near = nearest(name, other.keys.iter().map(|key| key.name))?;
        Some(format!("did you mean `{near}` of `{}`?", other.header))
    });
    let known: Vec<&str> = available(section).collect();
    error.label(elsewhere.unwrap_or_default()).help(format!("{} takes {}", section.header, known.join(", ")))
}

fn check_value(
    name: &str,
    shape: &'static Shape,
    example: &str,
    key: &Range<usize>,
    value: &Value<'_>,
    found: &mut Vec<Diagnostic>,
) {
    let shape = match shape {
        Shape::Either(shapes) => shapes.iter().find(|shape| has_type(shape, value.get_ref())).unwrap_or(shape),
        shape => shape,
    };
    let wrong = |what: &str| wrong_type(name, shape, example, key, value, what);
    match (shape, value.get_ref()) {
        (shape, value) if !has_type(shape, value) => found.push(wrong(this_is(value))),
        (Shape::Text { pattern, words, .. }, DeValue::String(text))
            if !pattern.is_empty() && !matches_whole(pattern, text) =>
        {
            let (word, version) = text.split_once(':').map_or((&**text, None), |(word, version)| (word, Some(version)));
            found.push(match version {
                Some(_) if words.contains(&word) => wrong("only `trino` takes a version, in digits: `trino:476`"),
                _ => wrong(&not_a_word(word, words)),
            });
        }
        (Shape::Word(words), DeValue::String(text)) if !words.contains(&&**text) => {
            found.push(wrong(&not_a_word(text, words)));
        }
        (Shape::Whole { min, max }, DeValue::Integer(number)) => {
            let number = whole(number);
            if number.is_none_or(|number| !(*min..=*max).contains(&number)) {
                found.push(wrong("out of range"));
            }
        }
        (Shape::Share, value) if share(value).is_none() => found.push(wrong("out of range")),
        (Shape::List(of), DeValue::Array(items)) => {
            items.iter().for_each(|item| check_value(name, of, example, &item.span(), item, found));
        }
        (Shape::Map { of, .. }, DeValue::Table(entries)) => {
            for (entry, value) in in_order(entries) {
                check_value(entry.get_ref(), of, "", &entry.span(), value, found);
            }
        }
        (Shape::Section(section), DeValue::Table(table)) => check(section, table, found),
        (Shape::Sections(section), DeValue::Array(tables)) => {
            let tables = tables.iter().filter_map(|table| table.get_ref().as_table());
            tables.for_each(|table| check(section, table, found));
        }
        _ => {}
    }
}

/// Whether the TOML type is one that the shape takes, whatever the value.
fn has_type(shape: &Shape, value: &DeValue<'_>) -> bool {
    match (shape, value) {
        (Shape::Either(shapes), _) => shapes.iter().any(|shape| has_type(shape, value)),
        (Shape::Text { .. } | Shape::Word(_) | Shape::Scalar, DeValue::String(_))
        | (Shape::Flag, DeValue::Boolean(_))
        | (Shape::False, DeValue::Boolean(false))
        | (Shape::Whole { .. } | Shape::Scalar | Shape::Share, DeValue::Integer(_))
        | (Shape::Share, DeValue::Float(_))
        | (Shape::Moment, DeValue::Datetime(_))
        | (Shape::List(_), DeValue::Array(_))
        | (Shape::Map { .. } | Shape::Section(_), DeValue::Table(_)) => true,
        (Shape::Sections(_), DeValue::Array(items)) => items.iter().all(|item| item.get_ref().is_table()),
        _ => false,
    }
}

fn wrong_type(
    name: &str,
    shape: &Shape,
    example: &str,
    key: &Range<usize>,
    value: &Value<'_>,
    label: &str,
) -> Diagnostic {
    // An empty value is a broken line that TOML has already complained about; point at something all the same.
    let span = if value.span().is_empty() { key.clone() } else { value.span() };
    let error = Diagnostic::error(span, format!("`{name}` takes {}", shape.takes()));
    let error = error.label(label);
    let raw = |text: String| format!("write\n{name} = {text}");
    match (shape, value.get_ref()) {
        (Shape::Sections(section), DeValue::Table(_)) => error.help(format!("write\n{}", section.header)),
        (Shape::Text { .. }, DeValue::Array(_)) if name == "match" => {
            error.help(format!("write a rule for each, or alternatives\n{name} = 's3://bucket/{{one,other}}/*.csv'"))
        }
        (Shape::List(_), DeValue::String(text)) => error.help(raw(format!("[{:?}]", &**text))),
        (Shape::Flag, DeValue::String(text)) if matches!(&**text, "true" | "false") => {
            error.help(raw(text.to_string()))
        }
        (Shape::Scalar | Shape::Either(_), value) if example.is_empty() => match unquoted(value) {
            Some(text) => error.help(raw(format!("\"{text}\""))),
            None => error,
        },
        _ if example.is_empty() => error,
        _ => error.help(format!("write it as in\n{name} = {example}")),
    }
}

/// What could be meant as a text, but stands without quotes.
fn unquoted(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Integer(number) => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Datetime(date) => Some(date.to_string()),
        _ => None,
    }
}

fn not_a_word(text: &str, words: &[&'static str]) -> String {
    let label = did_you_mean(text, words.iter().copied());
    if label.is_empty() { "this is not one".to_owned() } else { label }
}

fn this_is(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "this is text",
        DeValue::Integer(_) => "this is a whole number",
        DeValue::Float(_) => "this is a fraction",
        DeValue::Boolean(true) => "this is true",
        DeValue::Boolean(false) => "this is false",
        DeValue::Datetime(_) => "this is a date",
        DeValue::Array(_) => "this is a list",
        DeValue::Table(_) => "this is a table",
    }
}

fn matches_whole(pattern: &str, text: &str) -> bool {
    regex::Regex::new(&format!("^(?:{pattern})$")).expect("the patterns of the key table compile").is_match(text)
}

fn whole(number: &toml::de::DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn share(value: &DeValue<'_>) -> Option<f64> {
    let share: f64 = match value {
        DeValue::Float(number) => number.as_str().parse().ok()?,
        DeValue::Integer(number) => whole(number)? as f64,
        _ => return None,
    };
    (0.0..=1.0).contains(&share).then_some(share)
}

/// A TOML table with the section that it was held against. What it hands out has the right TOML type; what has not, or
/// is not there, is `None`.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    /// The whole rule file.
    file: &'a str,
    table: &'a DeTable<'a>,
    section: &'static Section,
    /// Misspelt keys, with what each was meant to be.
    misspelt: Vec<(&'static str, &'a Key<'a>)>,
    /// The header, or the inline table.
    pub span: Range<usize>,
}

/// A TOML string and where it stands.
#[derive(Clone, Debug)]
pub struct Text<'a> {
    pub value: &'a str,
    /// With its quotes, in bytes of the file.
    pub span: Range<usize>,
    /// As it stands in the file, with its quotes.
    raw: &'a str,
}

/// A name of the user's own, and where it stands.
#[derive(Clone, Debug)]
pub struct Name<'a> {
    pub value: &'a str,
    pub span: Range<usize>,
}

impl<'a> Node<'a> {
    pub fn new(file: &'a str, table: &'a DeTable<'a>, section: &'static Section, span: Range<usize>) -> Node<'a> {
        let unknown = table.keys().filter(|name| section.key(name.get_ref()).is_none());
        let meant = |name: &'a Key<'a>| Some((meant(section, name.get_ref())?.name, name));
        Node { file, table, section, misspelt: unknown.take(MOST_SUGGESTIONS).filter_map(meant).collect(), span }
    }

    pub fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// Whether the key is not there, or is a list of nothing.
    pub fn is_empty(&self, key: &str) -> bool {
        self.entry(key).is_none_or(|value| value.get_ref().as_array().is_some_and(|items| items.is_empty()))
    }

    /// Where the key itself stands.
    pub fn key_span(&self, key: &str) -> Option<Range<usize>> {
        self.key_value(key).map(|(name, _)| name.span())
    }

    pub fn value_span(&self, key: &str) -> Option<Range<usize>> {
        self.entry(key).map(Spanned::span)
    }

    pub fn text(&self, key: &str) -> Option<Text<'a>> {
        self.entry(key).and_then(|value| self.as_text(value))
    }

    /// A word of the key's list; another one is `None`.
    pub fn word(&self, key: &str) -> Option<&'a str> {
        self.entry(key)?.get_ref().as_str()
    }

    /// A text or each text of a list.
    pub fn texts(&self, key: &str) -> Option<Vec<Text<'a>>> {
        self.entry(key).and_then(|value| self.as_texts(value))
    }

    pub fn flag(&self, key: &str) -> Option<bool> {
        self.entry(key)?.get_ref().as_bool()
    }

    pub fn whole(&self, key: &str) -> Option<u64> {
        self.entry(key)?.get_ref().as_integer().and_then(whole)?.try_into().ok()
    }

    /// From 0 to 1.
    pub fn share(&self, key: &str) -> Option<f64> {
        share(self.entry(key)?.get_ref())
    }

    pub fn moment(&self, key: &str) -> Option<&'a toml::value::Datetime> {
        self.entry(key)?.get_ref().as_datetime()
    }

    /// The entries of a table of the user's own names, in the order of the text.
    pub fn map(&self, key: &str) -> Option<Vec<(Name<'a>, &'a Value<'a>)>> {
        Some(self.entries(self.entry(key)?.get_ref().as_table()?))
    }

    /// The names and texts (or numbers, as written in decimal) of such a table.
    pub fn scalars(&self, key: &str) -> Option<Vec<(Name<'a>, Scalar<'a>)>> {
        let entries = self.map(key)?;
        Some(entries.into_iter().filter_map(|(name, value)| Some((name, self.as_scalar(value)?))).collect())
    }

    pub fn section(&self, key: &str) -> Option<Node<'a>> {
        let value = self.entry(key)?;
        Some(self.as_section(self.section_of(key)?, value.get_ref().as_table()?, value.span()))
    }

    /// One section, or each of a list.
    pub fn sections(&self, key: &str) -> Vec<Node<'a>> {
        let Some((value, section)) = self.entry(key).zip(self.section_of(key)) else { return Vec::new() };
        let one = |value: &'a Value<'a>| Some(self.as_section(section, value.get_ref().as_table()?, value.span()));
        match value.get_ref() {
            DeValue::Array(items) => items.iter().filter_map(one).collect(),
            _ => one(value).into_iter().collect(),
        }
    }

    /// `[key.NAME]`: the named sections under a key, in the order of the text.
    pub fn named(&self, key: &str) -> Vec<(Name<'a>, Node<'a>)> {
        let Some(Shape::Map { of: Shape::Section(section), .. }) = self.section.key(key).map(|key| &key.shape) else {
            return Vec::new();
        };
        let entries = self.map(key).unwrap_or_default().into_iter();
        entries
            .filter_map(|(name, value)| {
                let node = self.as_section(section, value.get_ref().as_table()?, value.span());
                Some((name, node))
            })
            .collect()
    }

    pub fn as_text(&self, value: &'a Value<'a>) -> Option<Text<'a>> {
        let text = value.get_ref().as_str()?;
        Some(Text { value: text, span: value.span(), raw: self.file.get(value.span())? })
    }

    pub fn as_texts(&self, value: &'a Value<'a>) -> Option<Vec<Text<'a>>> {
        match value.get_ref() {
            DeValue::Array(items) => Some(items.iter().filter_map(|item| self.as_text(item)).collect()),
            _ => self.as_text(value).map(|text| vec![text]),
        }
    }

    pub fn as_scalar(&self, value: &'a Value<'a>) -> Option<Scalar<'a>> {
        match value.get_ref() {
            DeValue::Integer(number) => Some(Scalar::Number(whole(number)?, value.span())),
            _ => self.as_text(value).map(Scalar::Text),
        }
    }

    pub fn entries(&self, table: &'a DeTable<'a>) -> Vec<(Name<'a>, &'a Value<'a>)> {
        in_order(table)
            .into_iter()
            .map(|(name, value)| (Name { value: name.get_ref(), span: name.span() }, value))
            .collect()
    }

    fn as_section(&self, section: &'static Section, table: &'a DeTable<'a>, span: Range<usize>) -> Node<'a> {
        Node::new(self.file, table, section, span)
    }

    fn section_of(&self, key: &str) -> Option<&'static Section> {
        fn find(shape: &'static Shape) -> Option<&'static Section> {
            match shape {
                Shape::Section(section) | Shape::Sections(section) => Some(section),
                Shape::List(of) => find(of),
                Shape::Either(shapes) => shapes.iter().find_map(find),
                _ => None,
            }
        }
        find(&self.section.key(key)?.shape)
    }

    fn entry(&self, key: &str) -> Option<&'a Value<'a>> {
        self.key_value(key).map(|(_, value)| value)
    }

    fn key_value(&self, key: &str) -> Option<(&'a Key<'a>, &'a Value<'a>)> {
        debug_assert!(self.section.key(key).is_some(), "`{key}` is not in the table of keys");
        self.table.get_key_value(key).or_else(|| {
            let (_, name) = self.misspelt.iter().find(|(meant, _)| *meant == key)?;
            self.table.get_key_value(&**name.get_ref())
        })
    }
}

/// A text or a whole number.
#[derive(Clone, Debug)]
pub enum Scalar<'a> {
    Text(Text<'a>),
    Number(i64, Range<usize>),
}

impl Scalar<'_> {
    pub fn span(&self) -> Range<usize> {
        match self {
            Scalar::Text(text) => text.span.clone(),
            Scalar::Number(_, span) => span.clone(),
        }
    }

    pub fn to_text(&self) -> String {
        match self {
            Scalar::Text(text) => text.value.to_owned(),
            Scalar::Number(number, _) => number.to_string(),
        }
    }
}

impl Text<'_> {
    /// Where bytes `range` of the value stand in the file.
    pub fn at(&self, range: Range<usize>) -> Range<usize> {
        let is_verbatim =
            self.raw.len() == self.value.len() + 2 && (self.raw.starts_with('\'') || !self.raw.contains('\\'));
        if is_verbatim {
            let (start, end) = (range.start.min(self.value.len()), range.end.min(self.value.len()));
            return self.span.start + 1 + start..self.span.start + 1 + end.max(start);
        }
        let offsets = self.offsets();
        let last = offsets.len() - 1;
        let (start, end) = (offsets[range.start.min(last)], offsets[range.end.min(last)]);
        self.span.start + start..self.span.start + end.max(start)
    }

    /// For each byte of the value, and for its end, the byte of `raw` that it comes from.
    fn offsets(&self) -> Vec<usize> {
        let quote = self.raw.chars().next().unwrap_or('"');
        let multiline = self.raw.len() >= 6 && self.raw.starts_with(&quote.to_string().repeat(3));
        let mut at = if multiline { 3 } else { self.raw.len().min(1) };
        if multiline {
            at += ["\r\n", "\n"].into_iter().find(|end| self.raw[at..].starts_with(end)).map_or(0, str::len);
        }
        let mut offsets = Vec::with_capacity(self.value.len() + 1);
        for c in self.value.chars() {
            if quote == '"' {
                at = after_line_ending_backslash(self.raw, at);
            }
            if c == '\n' && self.raw[at..].starts_with("\r\n") {
                at += 1;
            }
            offsets.extend(std::iter::repeat_n(at, c.len_utf8()));
            at += if quote == '"' { escape_len(&self.raw[at..]) } else { c.len_utf8() };
            // What TOML could not read need not be what stands there.
            at = (at..self.raw.len()).find(|at| self.raw.is_char_boundary(*at)).unwrap_or(self.raw.len());
        }
        offsets.push(at);
        offsets
    }
}

/// Skips `\` at the end of a line with all white space that follows.
fn after_line_ending_backslash(raw: &str, mut at: usize) -> usize {
    while let Some(rest) = raw[at..].strip_prefix('\\') {
        let line_end = rest.trim_start_matches([' ', '\t', '\r']);
        if !line_end.starts_with('\n') {
            break;
        }
        at = raw.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }
    at
}

/// Bytes of the character or escape that a basic string's rest begins with.
fn escape_len(rest: &str) -> usize {
    let mut chars = rest.chars();
    match (chars.next(), chars.next()) {
        (Some('\\'), Some('u')) => 6,
        (Some('\\'), Some('U')) => 10,
        (Some('\\'), Some('x')) => 4,
        (Some('\\'), Some(c)) => 1 + c.len_utf8(),
        (Some(c), _) => c.len_utf8(),
        (None, _) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str) -> Vec<String> {
        let (table, errors) = DeTable::parse_recoverable(file);
        assert!(errors.is_empty(), "{errors:?}");
        let mut found = Vec::new();
        check(&keys::FILE, table.get_ref(), &mut found);
        found.into_iter().map(|d| format!("{} | {} | {}", d.message, d.label, &file[d.span])).collect()
    }

    #[test]
    fn keys_are_found_out() {
        assert_eq!(
            found("projet = 'x'\n[table.t]\nmatch = 'x'\nclaim = 'first'\nzzzzz = 1\npartitionned_by = []"),
            [
                "unknown key `projet` | did you mean `project`? | projet",
                "unknown key `match` | belongs in `[[table.NAME.rule]]`, not in `[table.NAME]` | match",
                "unknown key `claim` | belongs in `[defaults]`, not in `[table.NAME]` | claim",
                "unknown key `zzzzz` |  | zzzzz",
                "unknown key `partitionned_by` | did you mean `partitioned_by`? | partitionned_by",
            ]
        );
    }

    #[test]
    fn types_are_found_out() {
        assert_eq!(
            found(
                "[defaults]\nengine = ['athena', 'trimo:4']\nskip = 'hiden'\nappend_only = 1\nmax_lines = 0\nmax_removed = 1.5\n[table]\nrule = []\n[table.t]\ncolumns = 'a int'\nset = { a = 1.5, b = true }\nrule = {}\n[[table.t.test]]\ngives = true"
            ),
            [
                "`engine` takes \"athena\", \"trino\", \"spark\" or \"hive\" | did you mean `trino`? | 'trimo:4'",
                "`skip` takes one of \"markers\", \"hidden\", \"folder\", \"empty\", \"archived\" | did you mean `hidden`? | 'hiden'",
                "`append_only` takes true or false | this is a whole number | 1",
                "`max_lines` takes a whole number from 1 | out of range | 0",
                "`max_removed` takes a number from 0 to 1 | out of range | 1.5",
                "`rule` takes a table | this is a list | []",
                "`columns` takes a list, each text as in \"id bigint\" | this is text | 'a int'",
                "`a` takes text or a whole number | this is a fraction | 1.5",
                "`b` takes text or a whole number | this is true | true",
                "`rule` takes tables, each under [[table.NAME.rule]] | this is a table | {}",
                "`gives` takes false, or a table of partition columns, each text or a whole number | this is true | true",
            ]
        );
    }

    #[test]
    fn a_place_in_a_string_is_a_place_in_the_file() {
        for (file, value, range, there) in [
            ("k = 'ab{c}'", "ab{c}", 2..5, "{c}"),
            ("k = \"a\\u0041{c}\"", "aA{c}", 1..2, "\\u0041"),
            ("k = \"a\\u0041{c}\"", "aA{c}", 2..5, "{c}"),
            ("k = \"é\\\\{c}\"", "é\\{c}", 3..6, "{c}"),
            ("k = '''\nab\n{c}'''", "ab\n{c}", 3..6, "{c}"),
            ("k = \"\"\"\r\nab \\\r\n   {c}\"\"\"", "ab {c}", 3..6, "{c}"),
            ("k = \"\"\"a\\t\\U0001F600{c}\"\"\"", "a\t😀{c}", 6..9, "{c}"),
            ("k = 'abc'", "abc", 3..3, ""),
        ] {
            let (table, errors) = DeTable::parse_recoverable(file);
            assert!(errors.is_empty(), "{errors:?}");
            let value_there = table.get_ref().get("k").unwrap();
            let node = Node::new(file, table.get_ref(), &keys::FILE, 0..0);
            let text = node.as_text(value_there).unwrap();
            assert_eq!(text.value, value);
            assert_eq!(&file[text.at(range)], there, "{file}");
        }
    }

    #[test]
    fn strings_that_toml_cannot_read_have_places_too() {
        for file in
            [r#"k = """\é {x:é}"#, r#"k = "\é{é}""#, r#"k = "\uD800é{é}""#, r#"k = "\u12é{é}""#, r#"k = "a\xé""#]
        {
            let (table, errors) = DeTable::parse_recoverable(file);
            assert!(!errors.is_empty());
            let Some(value) = table.get_ref().get("k") else { continue };
            let text = Node::new(file, table.get_ref(), &keys::FILE, 0..0).as_text(value).unwrap();
            for at in 0..text.value.len() + 3 {
                assert!(file.get(text.at(at..at + 1)).is_some(), "{file} {at}");
            }
        }
    }
}
