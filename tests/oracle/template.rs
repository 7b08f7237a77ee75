//! Templates and globs into regular expressions, straight from the language's table: no product code, no cleverness.
//!
//! Only templates that the product accepts come here; what is wrong in one is not looked for.

use fancy_regex::Regex;

use super::value::Value;
use super::value::dates::{Pieces, field_expression, fields_of};

const GUARD: &str = r"(?:(?<!/)|(?!\.|_(?![^/]*=)))";

/// A template as one expression, and what its groups say.
pub struct Translated {
    pub regex: Regex,
    groups: Vec<Meaning>,
    /// Every name, once.
    pub names: Vec<String>,
    /// The empty group in front of what a slash at the end takes.
    below: Option<usize>,
    /// What every text that matches begins with one of.
    pub prefixes: Vec<String>,
}

#[derive(Clone, Debug)]
struct Meaning {
    name: String,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Text,
    Hive,
    Field(&'static str),
    Epoch(i64),
}

/// Why a template does not take a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Miss {
    Unmatched,
    BadDate,
    /// A hive value that is no UTF-8.
    BadValue,
}

impl Translated {
    /// `template` begins with its scheme.
    pub fn new(template: &str, ignore_case: bool) -> Translated {
        let rest = template.split_once("://").expect("a template has a scheme").1;
        let mut translator = Translator {
            chars: rest.chars().collect(),
            at: 0,
            ignore_case,
            in_bucket: true,
            groups: Vec::new(),
            unnamed: 0,
            starts: vec![(String::new(), false)],
        };
        let mut known = Vec::new();
        let mut text = translator.sequence(false, &mut known);
        let below = ends_in_slash(rest).then_some(translator.groups.len() + 1);
        if below.is_some() {
            text += &format!("(){}", self::below());
        }
        let regex = fancy_regex::RegexBuilder::new(&format!(r"\A{text}\z")).backtrack_limit(50_000_000).build();
        let regex = regex.unwrap_or_else(|error| panic!("{template} became {text}: {error}"));
        let mut names: Vec<String> = Vec::new();
        for group in &translator.groups {
            // The dates of `{_}` have a space in theirs.
            if !names.contains(&group.name) && !group.name.contains(' ') {
                names.push(group.name.clone());
            }
        }
        let prefixes = translator.starts.into_iter().map(|(text, _)| text).collect();
        Translated { regex, groups: translator.groups, names, below, prefixes }
    }

    /// What stands in front of what the slash at the end takes, of a text that matches.
    pub fn prefix<'t>(&self, rest: &'t str) -> &'t str {
        let captures = self.regex.captures(rest).unwrap().unwrap();
        &rest[..captures.get(self.below.unwrap()).unwrap().start()]
    }

    /// The values of every name, if `rest` (what follows `scheme://`) matches.
    pub fn captures(&self, rest: &str) -> Result<Vec<(String, Value)>, Miss> {
        let captures = self.regex.captures(rest).expect("no blow-up").ok_or(Miss::Unmatched)?;
        let mut dates: Vec<(String, Pieces)> = Vec::new();
        let mut values: Vec<(String, Value)> = self.names.iter().map(|name| (name.clone(), Value::Null)).collect();
        let mut bad_value = false;
        for (number, meaning) in (1..).zip(&self.groups) {
            let Some(found) = captures.get(number).map(|found| found.as_str()) else { continue };
            let slot = values.iter_mut().find(|(name, _)| *name == meaning.name);
            match &meaning.kind {
                Kind::Text => slot.expect("named").1 = Value::text(found),
                Kind::Hive => {
                    let text = percent_decoded(found);
                    bad_value |= text.is_none();
                    let text = text.filter(|_| found != "__HIVE_DEFAULT_PARTITION__");
                    if let Some(slot) = slot {
                        slot.1 = text.map_or(Value::Null, |text| Value::text(&text));
                    }
                }
                Kind::Field(_) | Kind::Epoch(_) => {
                    let at = dates.iter().position(|(name, _)| *name == meaning.name).unwrap_or_else(|| {
                        dates.push((meaning.name.clone(), Pieces::default()));
                        dates.len() - 1
                    });
                    match meaning.kind {
                        Kind::Field(field) => dates[at].1.add(field, found),
                        Kind::Epoch(unit) => dates[at].1.add_epoch(found.parse::<i64>().expect("digits") / unit),
                        _ => unreachable!(),
                    }
                }
            }
        }
        for (name, pieces) in dates {
            let date = pieces.together().ok_or(Miss::BadDate)?;
            if let Some(slot) = values.iter_mut().find(|(known, _)| *known == name) {
                slot.1 = Value::Date(date);
            }
        }
        if bad_value { Err(Miss::BadValue) } else { Ok(values) }
    }
}

/// A slash that is not escaped.
fn ends_in_slash(text: &str) -> bool {
    let before = text.strip_suffix('/');
    before.is_some_and(|before| (before.len() - before.trim_end_matches('\\').len()) % 2 == 0)
}

fn below() -> String {
    format!("(?:{GUARD}[^/]*/)*{GUARD}[^/]*")
}

/// `%XX` into bytes; a malformed `%` stays.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let hex = behind.get(..2).filter(|two| two.iter().all(u8::is_ascii_hexdigit));
        if let (b'%', Some(two)) = (first, hex) {
            bytes.push(u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap());
            rest = &behind[2..];
        } else {
            bytes.push(*first);
            rest = behind;
        }
    }
    String::from_utf8(bytes).ok()
}

struct Translator {
    chars: Vec<char>,
    at: usize,
    ignore_case: bool,
    in_bucket: bool,
    groups: Vec<Meaning>,
    unnamed: usize,
    /// The literal texts in front of the place in hand, one for each way there; `true` where a hole has ended it.
    starts: Vec<(String, bool)>,
}

impl Translator {
    fn end_starts(&mut self) {
        self.starts.iter_mut().for_each(|(_, ended)| *ended = true);
    }

    fn grow_starts(&mut self, text: &str) {
        let folds = self.ignore_case && !self.in_bucket;
        for c in text.chars() {
            for (start, ended) in &mut self.starts {
                *ended |= folds && c.is_alphabetic();
                if !*ended {
                    start.push(c);
                }
            }
        }
    }

    fn looking_at(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(i, c)| self.chars.get(self.at + i) == Some(&c))
    }

    fn text(&mut self, c: char) -> String {
        self.grow_starts(c.encode_utf8(&mut [0; 4]));
        let escaped = regex_syntax_escape(c);
        let folded = if self.ignore_case && !self.in_bucket { format!("(?i:{escaped})") } else { escaped };
        self.in_bucket &= c != '/';
        folded
    }

    fn sequence(&mut self, inside: bool, known: &mut Vec<(String, usize)>) -> String {
        let mut out = String::new();
        while let Some(&c) = self.chars.get(self.at) {
            if matches!(c, '*' | '?' | '[') {
                self.end_starts();
            }
            match c {
                ',' | '}' if inside => break,
                '\\' => {
                    let escaped = self.chars[self.at + 1];
                    out += &self.text(escaped);
                    self.at += 2;
                }
                '*' if self.looking_at("**/") => {
                    out += &format!("(?:{GUARD}[^/]*/)*");
                    self.at += 3;
                }
                '*' if self.looking_at("**") => {
                    out += &below();
                    self.at += 2;
                }
                '*' => {
                    out += &format!("{GUARD}[^/]*?");
                    self.at += 1;
                }
                '?' => {
                    out += &format!("{GUARD}[^/]");
                    self.at += 1;
                }
                '[' => out += &self.class(),
                '{' => out += &self.brace(known),
                c => {
                    out += &self.text(c);
                    self.at += 1;
                }
            }
        }
        out
    }

    fn class(&mut self) -> String {
        let close = (self.at + 1..self.chars.len())
            .find(|&i| {
                let negated = matches!(self.chars[self.at + 1], '!' | '^');
                self.chars[i] == ']' && i > self.at + 1 + usize::from(negated)
            })
            .expect("a class is closed");
        let inner = &self.chars[self.at + 1..close];
        self.at = close + 1;
        let (negated, inner) = match inner.first() {
            Some('!' | '^') => (true, &inner[1..]),
            _ => (false, inner),
        };
        let mut items = String::new();
        let mut i = 0;
        while i < inner.len() {
            items += &regex_syntax_escape(inner[i]);
            if i + 2 < inner.len() && inner[i + 1] == '-' {
                items += &format!("-{}", regex_syntax_escape(inner[i + 2]));
                i += 2;
            }
            i += 1;
        }
        let fold = if self.ignore_case { "(?i:" } else { "(?:" };
        format!("{GUARD}(?!/){fold}[{}{items}])", if negated { "^" } else { "" })
    }

    fn brace(&mut self, known: &mut Vec<(String, usize)>) -> String {
        let rest: String = self.chars[self.at + 1..].iter().collect();
        let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let behind = rest.chars().nth(name.len());
        if is_name && behind == Some('}') {
            self.at += name.len() + 2;
            return self.capture(&name, "", "", known);
        }
        if is_name && behind == Some(':') {
            self.at += name.len() + 2;
            let word: String = self.chars[self.at..].iter().take_while(|c| c.is_ascii_alphanumeric()).collect();
            self.at += word.len();
            let mut argument = String::new();
            if self.chars[self.at] == '(' {
                argument = self.argument(word == "re");
            }
            self.at += 1;
            return self.capture(&name, &word, &argument, known);
        }
        self.at += 1;
        let (before, in_bucket) = (known.clone(), self.in_bucket);
        let starts = std::mem::take(&mut self.starts);
        let mut ends = Vec::new();
        let mut branches = Vec::new();
        loop {
            let mut own = before.clone();
            self.in_bucket = in_bucket;
            self.starts = starts.clone();
            branches.push(self.sequence(true, &mut own));
            ends.append(&mut self.starts);
            known.extend(own.drain(before.len()..));
            self.at += 1;
            if self.chars[self.at - 1] == '}' {
                self.starts = ends;
                return format!("(?:{})", branches.join("|"));
            }
        }
    }

    /// The text in parentheses, as written; leaves the place behind them.
    fn argument(&mut self, is_re: bool) -> String {
        let start = self.at + 1;
        let mut i = start;
        let (mut depth, mut class) = (0, 0);
        loop {
            match self.chars[i] {
                '\\' => i += 1,
                '[' if is_re => {
                    class += 1;
                    i += usize::from(self.chars[i + 1] == '^');
                    i += usize::from(self.chars[i + 1] == ']');
                }
                ']' if is_re && class > 0 => class -= 1,
                '(' if is_re && class == 0 => depth += 1,
                ')' if class == 0 && depth > 0 => depth -= 1,
                ')' if class == 0 => break,
                _ => {}
            }
            i += 1;
        }
        self.at = i + 1;
        self.chars[start..i].iter().collect()
    }

    fn capture(&mut self, name: &str, word: &str, argument: &str, known: &mut Vec<(String, usize)>) -> String {
        let is_date = matches!(word, "date" | "epoch");
        if word == "in" && (name == "_" || known.iter().all(|(n, _)| n != name)) {
            let starts = std::mem::take(&mut self.starts);
            for text in item_texts(argument) {
                let before = std::mem::replace(&mut self.starts, starts.clone());
                self.grow_starts(&text);
                self.starts.splice(0..0, before);
            }
        } else {
            self.end_starts();
        }
        let own: String = if name == "_" {
            self.unnamed += 1;
            format!("_ {}", self.unnamed)
        } else {
            name.to_owned()
        };
        let fold = |text: String| if self.ignore_case && !self.in_bucket { format!("(?i:{text})") } else { text };
        let earlier: Vec<String> =
            known.iter().filter(|(n, _)| n == name).map(|(_, group)| format!("(?:\\{group})")).collect();
        if name != "_" && !is_date && !earlier.is_empty() {
            return fold(format!("(?:{})", earlier.join("|")));
        }
        let (before, inner) = match word {
            "" => (GUARD.to_owned(), "[^/]+?".to_owned()),
            "int" if argument.is_empty() => (String::new(), "[0-9]+".to_owned()),
            "int" => (String::new(), format!("[0-9]{{{argument}}}")),
            "in" => (String::new(), fold(format!("(?:{})", items(argument).join("|")))),
            "re" => (String::new(), fold(format!("(?:{})", without_slash(argument)))),
            "path" => (GUARD.to_owned(), format!("(?:{GUARD}[^/]+/)*?{GUARD}[^/]+")),
            "hive" => (format!("(?:(?=__HIVE_DEFAULT_PARTITION__)|{GUARD})"), "[^/]+?".to_owned()),
            "epoch" => (String::new(), if argument == "ms" { "[0-9]{12,13}" } else { "[0-9]{9,10}" }.to_owned()),
            "date" => return self.date(&own, argument),
            other => panic!("a type {other}"),
        };
        let kind = match word {
            "hive" => Kind::Hive,
            "epoch" => Kind::Epoch(if argument == "ms" { 1000 } else { 1 }),
            _ => Kind::Text,
        };
        if name == "_" && !is_date && kind != Kind::Hive {
            return format!("{before}(?:{inner})");
        }
        self.groups.push(Meaning { name: own.clone(), kind });
        known.push((own, self.groups.len()));
        format!("{before}({inner})")
    }

    fn date(&mut self, own: &str, form: &str) -> String {
        let mut out = String::new();
        for part in fields_of(form) {
            match part {
                Ok(field) => {
                    out += &format!("({})", field_expression(field));
                    self.groups.push(Meaning { name: own.to_owned(), kind: Kind::Field(field) });
                }
                Err(c) => out += &self.text(c),
            }
        }
        out
    }
}

fn items(argument: &str) -> Vec<String> {
    item_texts(argument).iter().map(|item| item.chars().map(regex_syntax_escape).collect()).collect()
}

fn item_texts(argument: &str) -> Vec<String> {
    let mut list = vec![String::new()];
    let mut chars = argument.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => list.last_mut().unwrap().push(chars.next().unwrap()),
            ',' => list.push(String::new()),
            c => list.last_mut().unwrap().push(c),
        }
    }
    list
}

/// Puts a look-ahead in front of everything in a `re(…)` that could be a slash.
fn without_slash(expression: &str) -> String {
    let chars: Vec<char> = expression.chars().collect();
    let mut out = String::new();
    let mut i = 0;
    while i < chars.len() {
        let start = i;
        match chars[i] {
            '\\' => {
                i += if matches!(chars[i + 1], 'p' | 'P') && chars[i + 2] == '{' {
                    chars[i..].iter().position(|c| *c == '}').unwrap()
                } else if matches!(chars[i + 1], 'p' | 'P') {
                    2
                } else {
                    1
                }
            }
            '[' => {
                let mut depth = 0;
                loop {
                    match chars[i] {
                        '\\' => i += 1,
                        '[' => {
                            depth += 1;
                            i += usize::from(chars[i + 1] == '^');
                            i += usize::from(chars[i + 1] == ']');
                        }
                        ']' => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                    i += 1;
                }
            }
            _ => {}
        }
        let item: String = chars[start..=i].iter().collect();
        let may_be_slash = item == "."
            || item.starts_with('[')
            || matches!(&*item, r"\D" | r"\W" | r"\S")
            || item.starts_with(r"\p")
            || item.starts_with(r"\P");
        out += &if may_be_slash { format!("(?:(?!/){item})") } else { item };
        i += 1;
    }
    out
}

fn regex_syntax_escape(c: char) -> String {
    if c.is_ascii_alphanumeric() || !c.is_ascii() { c.to_string() } else { format!("\\x{:02x}", c as u32) }
}

/// A glob of `exclude`: as in templates, but nothing is hidden from it, and case counts.
pub fn glob(glob: &str) -> Regex {
    let glob = if ends_in_slash(glob) { format!("{glob}**") } else { glob.to_owned() };
    let translator = Translator {
        chars: glob.chars().collect(),
        at: 0,
        ignore_case: false,
        in_bucket: false,
        groups: Vec::new(),
        unnamed: 0,
        starts: Vec::new(),
    };
    let text = { translator }.sequence(false, &mut Vec::new()).replace(GUARD, "");
    Regex::new(&format!(r"\A{text}\z")).unwrap()
}
