//! What was left out, counted by reason and by shape: `data/{}/readme-{}.txt`, with an example. Memory is bounded by the
//! number of shapes kept, whatever the number of keys; which are kept does not depend on who counted which keys.

use std::collections::BTreeMap;

use super::page::{Object, Page};
use super::{Sink, Taken, Why};
use crate::rules::date::DatePart;
use crate::rules::table::{Matcher, Rules};
use crate::rules::template::{CaptureKind, Piece, PieceKind};
use crate::uri::{Bucket, Uri};

/// Shapes kept for each reason, the first in byte order; keys of further ones are counted together.
pub const MOST_SHAPES: usize = 1000;

/// A sink that counts what no table took.
#[derive(Debug)]
pub struct Shapes {
    paths: Vec<Path>,
    /// By reason, in [`Why`]'s order.
    reasons: Vec<Reason>,
    /// The bucket and directory last seen, and their shape, if anything has been left out there.
    bucket: Option<Bucket>,
    directory: String,
    directory_shape: Option<String>,
    /// Whether what comes lies there, by the mapper's word.
    in_page: bool,
    /// The shape of the base name last seen there: its neighbours are mostly alike.
    base_shape: String,
    alike: Alike,
    /// Keys in a row of the last shape that have not been counted yet, why, and the first of them.
    run: Option<(Why, u64, Uri)>,
    /// The number of what is being looked at, in the order of the whole listing.
    number: u64,
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
    shapes: BTreeMap<String, Kept>,
    others: Option<Kept>,
}

#[derive(Clone, Debug)]
struct Kept {
    count: u64,
    /// The first of them, and the number of where it was met.
    example: (u64, Uri),
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
            directory_shape: None,
            in_page: false,
            base_shape: String::new(),
            alike: Alike::default(),
            run: None,
            number: 0,
            other_base_shape: String::new(),
            shape: String::new(),
        }
    }

    /// What comes now has this number in the order of the whole listing, for examples: the first of all is shown.
    pub fn number(&mut self, number: u64) {
        self.end_run();
        self.number = number;
    }

    /// Takes over what another one counted.
    pub fn merge(&mut self, mut other: Shapes) {
        self.end_run();
        other.end_run();
        for (own, other) in self.reasons.iter_mut().zip(other.reasons) {
            other.shapes.into_iter().for_each(|(shape, kept)| own.add(&shape, kept));
            other.others.into_iter().for_each(|kept| own.add_other(kept));
        }
    }

    /// Counts what has come last; to be called before anything is asked.
    #[must_use]
    pub fn finish(mut self) -> Shapes {
        self.end_run();
        self
    }

    /// How many objects were left out for each reason that occurred.
    pub fn reasons(&self) -> impl Iterator<Item = (Why, u64)> + '_ {
        Why::ALL.into_iter().map(|why| (why, self.count(why))).filter(|(_, count)| *count > 0)
    }

    /// How many objects were left out for this reason.
    pub fn count(&self, why: Why) -> u64 {
        let reason = &self.reasons[why as usize];
        reason.shapes.values().chain(&reason.others).map(|kept| kept.count).sum()
    }

    /// The shapes of what was left out for a reason, the commonest first.
    pub fn shapes(&self, why: Why) -> Vec<Shape<'_>> {
        fn shape<'a>(shape: Option<&'a str>, kept: &'a Kept) -> Shape<'a> {
            Shape { shape, count: kept.count, example: &kept.example.1 }
        }
        let reason = &self.reasons[why as usize];
        let mut shapes: Vec<Shape<'_>> = reason.shapes.iter().map(|(text, kept)| shape(Some(text), kept)).collect();
        shapes.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.shape.cmp(&b.shape)));
        shapes.extend(reason.others.iter().map(|kept| shape(None, kept)));
        shapes
    }

    fn end_run(&mut self) {
        let Some((why, count, example)) = self.run.take() else { return };
        self.shape.clear();
        self.shape.push_str(self.directory_shape.as_deref().unwrap_or_default());
        self.shape.push_str(&self.base_shape);
        self.reasons[why as usize].add(&self.shape, Kept { count, example: (self.number, example) });
    }

    /// Takes up a directory, if it is not the one in hand.
    fn enter(&mut self, bucket: &Bucket, directory: &str) {
        if self.directory == directory && self.bucket.as_ref() == Some(bucket) {
            return;
        }
        self.end_run();
        self.bucket = Some(bucket.clone());
        self.directory.clear();
        self.directory.push_str(directory);
        self.directory_shape = None;
    }

    fn shape_directory(&self, object: &Object<'_>) -> String {
        let mut shape = String::new();
        let path = self.paths.iter().find(|path| path.covers(object));
        for (index, component) in self.directory.split_inclusive('/').enumerate() {
            let name = component.trim_end_matches('/');
            if path.is_some_and(|path| path.holes.get(index) == Some(&true)) && !name.contains('=') {
                shape.push_str("{}");
            } else {
                write_shape(name, &mut shape);
            }
            shape.push('/');
        }
        shape
    }

    /// Whether a base name has the shape of the one seen last.
    fn is_alike(&mut self, base: &str) -> bool {
        if self.alike.fits(base.as_bytes()) {
            return true;
        }
        self.other_base_shape.clear();
        write_shape(base, &mut self.other_base_shape);
        let same = self.base_shape == self.other_base_shape;
        if same {
            self.alike.learn(base);
        }
        same
    }
}

impl Sink for Shapes {
    fn take(&mut self, _: &Object<'_>, _: Taken) {}

    fn leave(&mut self, object: &Object<'_>, why: Why) {
        if !self.in_page {
            self.enter(object.bucket, &object.key[..object.key.len() - object.base_name().len()]);
        }
        if self.directory_shape.is_none() {
            self.directory_shape = Some(self.shape_directory(object));
        }
        let same = self.is_alike(&object.key[self.directory.len()..]);
        match &mut self.run {
            Some((of, count, _)) if *of == why && same => *count += 1,
            _ => {
                self.end_run();
                if !same {
                    std::mem::swap(&mut self.base_shape, &mut self.other_base_shape);
                    self.alike.forget();
                }
                self.run = Some((why, 1, object.uri()));
            }
        }
    }

    fn page_begins(&mut self, _: &Page) {
        self.in_page = true;
    }

    fn directory(&mut self, page: &Page, _: usize, path: &str) {
        self.enter(page.bucket(), path);
    }

    fn page_ends(&mut self, _: &Page) {
        self.in_page = false;
    }
}

impl Reason {
    fn add(&mut self, shape: &str, more: Kept) {
        if let Some(kept) = self.shapes.get_mut(shape) {
            return kept.add(more);
        }
        if self.shapes.len() >= MOST_SHAPES {
            // One that goes never comes back, for all that are kept come before it: so its count is whole where it stays.
            match self.shapes.last_entry().filter(|last| shape < last.key().as_str()) {
                None => return self.add_other(more),
                Some(last) => {
                    let gone = last.remove();
                    self.add_other(gone);
                }
            }
        }
        self.shapes.insert(shape.to_owned(), more);
    }

    fn add_other(&mut self, more: Kept) {
        match &mut self.others {
            Some(others) => others.add(more),
            None => self.others = Some(more),
        }
    }
}

impl Kept {
    fn add(&mut self, more: Kept) {
        self.count += more.count;
        if more.example.0 < self.example.0 {
            self.example = more.example;
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

/// What a name may be and still have the shape of one that was seen: most names of a directory differ in nothing but digits
/// and letters at the same places. Says no where it is not sure.
#[derive(Debug, Default)]
struct Alike {
    name: Vec<u8>,
    /// By byte of the name.
    free: Vec<Free>,
    /// Words that are holes as a whole.
    words: Vec<std::ops::Range<usize>>,
}

/// What may stand in a byte's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Free {
    Same,
    Digit,
    LetterOrDigit,
}

impl Alike {
    fn forget(&mut self) {
        self.name.clear();
    }

    fn learn(&mut self, name: &str) {
        self.name.clear();
        if !name.is_ascii() || name.contains('=') {
            return;
        }
        self.name.extend_from_slice(name.as_bytes());
        self.free.clear();
        self.free.resize(name.len(), Free::Same);
        self.words.clear();
        let mut at = 0;
        while at < name.len() {
            let word = Word::at(name, at);
            match word.first_digit {
                None => {}
                Some(digit) if digit > word.start && word.is_counted => self.free[digit..word.end].fill(Free::Digit),
                Some(_) => {
                    self.free[word.start..word.end].fill(Free::LetterOrDigit);
                    self.words.push(word.start..word.end);
                }
            }
            at = word.end + 1;
        }
    }

    /// Byte by byte without a branch, for processors that take many at once.
    fn fits(&self, name: &[u8]) -> bool {
        if name.len() != self.name.len() || name.is_empty() {
            return false;
        }
        let mut fits = true;
        for ((byte, own), free) in name.iter().zip(&self.name).zip(&self.free) {
            let is_digit = byte.wrapping_sub(b'0') < 10;
            let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
            fits &= (byte == own)
                | (is_digit & (*free as u8 >= Free::Digit as u8))
                | (is_letter & (*free as u8 == Free::LetterOrDigit as u8));
        }
        fits && self.words.iter().all(|word| is_hole(&name[word.clone()]))
    }
}

/// Whether a word of ASCII letters and digits is a hole as a whole: a letter stands behind a digit, or none before it.
fn is_hole(word: &[u8]) -> bool {
    let Some(digit) = word.iter().position(u8::is_ascii_digit) else { return false };
    digit == 0 || word[digit..].iter().any(u8::is_ascii_alphabetic)
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
    #[test]
    fn what_seems_alike_has_the_same_shape() {
        let shape = |name: &str| {
            let mut shape = String::new();
            write_shape(name, &mut shape);
            shape
        };
        let words = ["", "a", "1", "ab", "a1", "1a", "12", "a12", "a1b", "1ab", "b2", "é", "x=1", "ab1c", "abc1"];
        let names: Vec<String> =
            words.iter().flat_map(|one| words.map(|other| format!("{one}-{other}"))).chain(["-".into()]).collect();
        let mut alike = Alike::default();
        let mut found = 0;
        for seen in &names {
            alike.learn(seen);
            for name in &names {
                if alike.fits(name.as_bytes()) {
                    assert_eq!(shape(name), shape(seen), "{name} and {seen}");
                    found += u32::from(name != seen);
                }
            }
        }
        assert!(found > 100, "it is of use: {found}");
    }
}
