//! What was left out, counted by reason and by shape: `data/{}/readme-{}.txt`, with an example. Memory is bounded by the
//! number of shapes kept, whatever the number of keys.

use super::intern::Interner;
use super::page::Object;
use super::{Sink, Taken, Why};
use crate::rules::date::DatePart;
use crate::rules::table::{Matcher, Rules};
use crate::rules::template::{CaptureKind, Piece, PieceKind};
use crate::uri::{Bucket, Uri};

/// Shapes kept for each reason; keys of further ones are counted together.
pub const MOST_SHAPES: usize = 1000;

/// A sink that counts what no table took.
#[derive(Debug)]
pub struct Shapes {
    paths: Vec<Path>,
    /// By reason, in [`Why`]'s order.
    reasons: Vec<Reason>,
    /// The bucket and directory last seen, and their shape.
    bucket: Option<Bucket>,
    directory: String,
    directory_shape: String,
    /// The shape of the base name last seen there, and what it was counted as: its neighbours are mostly alike.
    base_shape: String,
    counted: Option<(Why, u32)>,
    /// Buffers.
    other_base_shape: String,
    shape: String,
}

/// Keys of one shape that were left out for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape<'a> {
    /// The key with `{}` for what differs; `None` for all the shapes beyond [`MOST_SHAPES`].
    pub shape: Option<&'a str>,
    pub count: u64,
    /// The first of them.
    pub example: &'a Uri,
}

#[derive(Debug, Default)]
struct Reason {
    count: u64,
    known: Interner,
    /// By number: how many, and the first.
    shapes: Vec<(u64, Uri)>,
    others: Option<(u64, Uri)>,
}

/// Which components of keys differ, as a rule's template says.
#[derive(Debug)]
struct Path {
    prefixes: Vec<Uri>,
    /// Per component of the key, from the first: whether the template has a hole there.
    holes: Vec<bool>,
}

impl Shapes {
    pub fn new(rules: &Rules) -> Shapes {
        let all = rules.tables.iter().flat_map(|table| &table.rules);
        let templates = all.filter_map(|rule| match &rule.matcher {
            Matcher::Template(template) => {
                Some(Path { prefixes: template.literal_prefixes(rule.ignore_case), holes: holes(&template.pieces) })
            }
            Matcher::Regex { .. } => None,
        });
        Shapes {
            paths: templates.collect(),
            reasons: Why::ALL.iter().map(|_| Reason::default()).collect(),
            bucket: None,
            directory: String::new(),
            directory_shape: String::new(),
            base_shape: String::new(),
            counted: None,
            other_base_shape: String::new(),
            shape: String::new(),
        }
    }

    /// How many objects were left out for each reason that occurred.
    pub fn reasons(&self) -> impl Iterator<Item = (Why, u64)> + '_ {
        Why::ALL.into_iter().zip(&self.reasons).map(|(why, reason)| (why, reason.count)).filter(|(_, count)| *count > 0)
    }

    /// How many objects were left out for this reason.
    pub fn count(&self, why: Why) -> u64 {
        self.reasons[why as usize].count
    }

    /// The shapes of what was left out for a reason, the commonest first.
    pub fn shapes(&self, why: Why) -> Vec<Shape<'_>> {
        let reason = &self.reasons[why as usize];
        let text = |number| std::str::from_utf8(reason.known.bytes(number)).expect("shapes were texts");
        let known = (0..).zip(&reason.shapes);
        let mut shapes: Vec<Shape<'_>> = known
            .map(|(number, (count, example))| Shape { shape: Some(text(number)), count: *count, example })
            .collect();
        shapes.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.shape.cmp(&b.shape)));
        shapes.extend(reason.others.iter().map(|(count, example)| Shape { shape: None, count: *count, example }));
        shapes
    }

    /// Takes up another directory.
    fn enter(&mut self, object: &Object<'_>, directory: &str) {
        self.bucket = Some(object.bucket.clone());
        self.directory.clear();
        self.directory.push_str(directory);
        self.directory_shape.clear();
        self.counted = None;
        let path = self.paths.iter().find(|path| path.covers(object));
        for (index, component) in directory.split_inclusive('/').enumerate() {
            let name = component.trim_end_matches('/');
            if path.is_some_and(|path| path.holes.get(index) == Some(&true)) && !name.contains('=') {
                self.directory_shape.push_str("{}");
            } else {
                write_shape(name, &mut self.directory_shape);
            }
            self.directory_shape.push('/');
        }
    }
}

impl Sink for Shapes {
    fn take(&mut self, _: &Object<'_>, _: Taken) {}

    fn leave(&mut self, object: &Object<'_>, why: Why) {
        let base = object.base_name();
        let directory = &object.key[..object.key.len() - base.len()];
        if self.directory != directory || self.bucket.as_ref() != Some(object.bucket) {
            self.enter(object, directory);
        }
        self.other_base_shape.clear();
        write_shape(base, &mut self.other_base_shape);
        std::mem::swap(&mut self.base_shape, &mut self.other_base_shape);
        let reason = &mut self.reasons[why as usize];
        match self.counted {
            Some((of, number)) if of == why && self.base_shape == self.other_base_shape => reason.add(number),
            _ => {
                self.shape.clear();
                self.shape.push_str(&self.directory_shape);
                self.shape.push_str(&self.base_shape);
                self.counted = reason.add_shape(&self.shape, object).map(|number| (why, number));
            }
        }
    }
}

impl Reason {
    fn add(&mut self, number: u32) {
        self.count += 1;
        self.shapes[number as usize].0 += 1;
    }

    /// Counts an object of this shape, and gives the shape's number, if it is one of those kept.
    fn add_shape(&mut self, shape: &str, object: &Object<'_>) -> Option<u32> {
        match self.known.find(shape.as_bytes()) {
            Some(number) => {
                self.add(number);
                Some(number)
            }
            None if self.shapes.len() < MOST_SHAPES => {
                self.count += 1;
                self.shapes.push((1, object.uri()));
                Some(self.known.intern(shape.as_bytes()).0)
            }
            None => {
                self.count += 1;
                self.others.get_or_insert_with(|| (0, object.uri())).0 += 1;
                None
            }
        }
    }
}

impl Path {
    fn covers(&self, object: &Object<'_>) -> bool {
        self.prefixes.iter().any(|prefix| prefix.bucket == *object.bucket && object.key.starts_with(&prefix.key))
    }
}

/// The components of a template's key that have a hole, up to where their number is no longer sure.
fn holes(pieces: &[Piece]) -> Vec<bool> {
    // The bucket is the first component here and dropped at the end.
    let mut holes = vec![false];
    for piece in pieces {
        match &piece.kind {
            PieceKind::Text(text) => holes.extend(text.matches('/').map(|_| false)),
            PieceKind::Directories | PieceKind::Below => break,
            PieceKind::Capture { kind: CaptureKind::Path, .. } => break,
            PieceKind::Alternatives(branches) if branches.iter().any(|branch| self::holes(branch).len() > 1) => break,
            PieceKind::Capture { kind: CaptureKind::Date(form), .. } => {
                *holes.last_mut().expect("there is a first") = true;
                for part in &form.parts {
                    if let DatePart::Text(text) = part {
                        holes.extend(text.matches('/').map(|_| true));
                    }
                }
            }
            _ => *holes.last_mut().expect("there is a first") = true,
        }
    }
    holes.remove(0);
    holes
}

/// Appends a component with `{}` for what looks like a number, a date, an id; and for the value of `name=value`.
fn write_shape(component: &str, shape: &mut String) {
    let bytes = component.as_bytes();
    if let Some(equals) = memchr::memchr(b'=', bytes) {
        shape.push_str(&component[..=equals]);
        shape.push_str("{}");
        return;
    }
    let start = shape.len();
    let mut at = 0;
    loop {
        let word = Word::at(component, at);
        word.write(component, start, shape);
        at = word.end;
        let Some(mark) = bytes.get(at) else { return };
        if mark.is_ascii() {
            shape.push(char::from(*mark));
            at += 1;
        } else {
            let mark = component[at..].chars().next().map_or(0, char::len_utf8);
            shape.push_str(&component[at..at + mark]);
            at += mark;
        }
    }
}

/// Letters and digits in a row, and where its digits are.
struct Word {
    start: usize,
    end: usize,
    first_digit: Option<usize>,
    /// Whether nothing but digits follows its first.
    is_counted: bool,
}

impl Word {
    /// The word that begins here, which may be empty. Each byte is looked at once: there are millions of them.
    fn at(text: &str, start: usize) -> Word {
        let mut word = Word { start, end: text.len(), first_digit: None, is_counted: true };
        for (at, byte) in text.as_bytes().iter().enumerate().skip(start) {
            if byte.is_ascii_digit() {
                word.first_digit = word.first_digit.or(Some(at));
            } else if byte.is_ascii_alphabetic() {
                word.is_counted &= word.first_digit.is_none();
            } else if byte.is_ascii() || !word.goes_on(text, at) {
                word.end = at;
                break;
            }
        }
        word
    }

    /// Whether the letter whose bytes stand around `at` belongs to the word.
    fn goes_on(&mut self, text: &str, at: usize) -> bool {
        // What follows the first byte of a letter is a part of it.
        let is_letter = text.get(at..).is_none_or(|rest| rest.starts_with(char::is_alphanumeric));
        self.is_counted &= !is_letter || self.first_digit.is_none();
        is_letter
    }

    /// A word with a digit in it is a hole, but for letters in front of its digits; holes with a mark between are one.
    fn write(&self, text: &str, start: usize, shape: &mut String) {
        match self.first_digit {
            None => shape.push_str(&text[self.start..self.end]),
            Some(digit) if digit > self.start && self.is_counted => {
                shape.push_str(&text[self.start..digit]);
                shape.push_str("{}");
            }
            Some(_) => match &shape.as_bytes()[start..] {
                [.., b'{', b'}', b'-' | b'_' | b':'] => drop(shape.pop()),
                _ => shape.push_str("{}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_leaves_holes_for_what_differs() {
        for (component, expected) in [
            ("readme-0001.txt", "readme-{}.txt"),
            ("taxes1.csv.bak", "taxes{}.csv.bak"),
            ("unicorn-inventory.csv", "unicorn-inventory.csv"),
            ("part-00012-0a1b2c3d-1111-4222-8333-444455556666.c000.gz", "part-{}.c{}.gz"),
            ("region=amer", "region={}"),
            ("2024-01-05", "{}"),
            ("été", "été"),
            ("été7", "été{}"),
            ("7été-8", "{}"),
            ("a—1—b2c", "a—{}—{}"),
            ("", ""),
        ] {
            let mut shape = String::new();
            write_shape(component, &mut shape);
            assert_eq!(shape, expected, "{component}");
        }
    }
}
