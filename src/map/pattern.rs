//! What a rule's `match` or `regex` means, as one small tree: `docs/rules.md`'s expression, piece by piece.
//!
//! Templates and regular expressions end here alike, so that splitting, the fast forms and the general matcher each know
//! one language. Nothing is matched here.

use std::ops::Range;

use regex_syntax::hir::{self, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look};

use crate::rules::date::{DatePart, Field};
use crate::rules::template::{CaptureKind, Piece, PieceKind, Template};
use crate::uri::Uri;

/// One node of the tree. Everything is about the match text: the bucket, a slash, the key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Pattern {
    /// These bytes; never empty.
    Text(Vec<u8>),
    /// One scalar value of a class.
    Class(Class),
    Concat(Vec<Pattern>),
    /// The first that leads to a match, in this order.
    Either(Vec<Pattern>),
    Repeat {
        what: Box<Pattern>,
        min: u32,
        max: Option<u32>,
        greedy: bool,
    },
    /// Notes the position in a slot.
    Save(u32),
    /// `G`: at a component's start, what follows is not hidden.
    Guard,
    /// `(?:(?=__HIVE_DEFAULT_PARTITION__)|G)`
    HiveGuard,
    /// An anchor or a word boundary of a regular expression, which sees nothing of what stands before its subject: for
    /// `regex =` the text behind `under`, where that slot was saved.
    Look {
        look: Look,
        subject: Option<u32>,
    },
    /// The text of the first of these captures that took part, again.
    Again {
        captures: Vec<u32>,
        fold: bool,
    },
    /// The piece of the template that the inner part came from, as a span in its source.
    From(Range<usize>, Box<Pattern>),
}

/// A set of scalar values: a bit for each ASCII one, sorted ranges for the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Class {
    pub ascii: u128,
    pub others: Vec<(char, char)>,
}

/// A capture: a pair of slots, `2 * index` and the one after it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Capture {
    pub name: String,
    pub kind: CaptureKind,
    /// Where it stands in the template; empty for `regex =`.
    pub span: Range<usize>,
}

/// The whole of what a rule matches, with its captures.
#[derive(Clone, Debug)]
pub(crate) struct RulePattern {
    /// In sequence; matched from end to end of the match text.
    pub parts: Vec<Pattern>,
    /// Every named capture, in the order written, and dates and Hive values that are only checked, called `_`. One name may stand in
    /// several: branches of alternatives, pieces of a date.
    pub captures: Vec<Capture>,
    /// Slots in use: two per capture, and those that have no capture.
    pub slots: u32,
    /// The slot where the last `**` or `…/` begins: the end of the prefix that `line = "prefix"` writes.
    pub below: Option<u32>,
}

impl Class {
    pub fn contains(&self, c: char) -> bool {
        if c.is_ascii() {
            return self.ascii >> (c as u32) & 1 == 1;
        }
        let after = self.others.partition_point(|range| range.0 <= c);
        after > 0 && c <= self.others[after - 1].1
    }

    pub fn is_ascii(&self) -> bool {
        self.others.is_empty()
    }

    /// Whether it holds every scalar value beyond ASCII.
    pub fn has_all_others(&self) -> bool {
        matches!(self.others[..], [('\u{80}', '\u{10FFFF}')])
    }

    fn of(class: &ClassUnicode) -> Class {
        let mut ascii = 0u128;
        let mut others = Vec::new();
        for range in class.ranges() {
            for c in range.start() as u32..=(range.end() as u32).min(127) {
                ascii |= 1 << c;
            }
            if range.end() as u32 > 127 {
                others.push((range.start().max('\u{80}'), range.end()));
            }
        }
        Class { ascii, others }
    }

    /// One of its characters, a plain letter or digit if it has any.
    pub fn some(&self) -> Option<char> {
        let ascii = || (0..128u8).filter(|c| self.ascii >> c & 1 == 1).map(char::from);
        let plain = ascii().find(|c| c.is_ascii_alphanumeric());
        plain.or_else(|| ascii().next()).or_else(|| self.others.first().map(|range| range.0))
    }

    /// One character.
    pub fn one(c: char) -> Class {
        Class::of(&ClassUnicode::new([ClassUnicodeRange::new(c, c)]))
    }

    pub fn anything() -> Class {
        Class::of(&ClassUnicode::new([ClassUnicodeRange::new('\0', char::MAX)]))
    }

    /// `[^/]`
    pub fn not_slash() -> Class {
        Class::of(&without_slash(&ClassUnicode::new([ClassUnicodeRange::new('\0', char::MAX)])))
    }
}

impl RulePattern {
    /// What a template means; `ignore_case` folds every text behind the bucket.
    pub fn of_template(template: &Template, ignore_case: bool) -> RulePattern {
        let mut reader = Reader {
            made: RulePattern { parts: Vec::new(), captures: Vec::new(), slots: 0, below: None },
            ignore_case,
            in_bucket: true,
        };
        let parts = reader.pieces(&template.pieces);
        let mut made = reader.made;
        made.parts = flat(parts);
        made.slots += 2 * made.captures.len() as u32;
        if let Some(below) = &mut made.below {
            *below = made.slots;
            made.slots += 1;
            set_below(&mut made.parts, *below);
        }
        made
    }

    /// What `regex = '…'` under a prefix means.
    pub fn of_regex(under: &Uri, regex: &regex::Regex, ignore_case: bool) -> RulePattern {
        let mut reader = Reader {
            made: RulePattern { parts: Vec::new(), captures: Vec::new(), slots: 0, below: None },
            ignore_case,
            in_bucket: true,
        };
        let mut parts = vec![reader.text(&under.bucket.match_prefix())];
        reader.in_bucket = false;
        if !under.key.is_empty() {
            parts.push(reader.text(&under.key));
        }
        let capture =
            |name: Option<&str>| Capture { name: name.unwrap_or("").into(), kind: CaptureKind::Plain, span: 0..0 };
        let captures: Vec<Capture> = regex.capture_names().skip(1).map(capture).collect();
        let subject = 2 * captures.len() as u32;
        let look = |look| Pattern::Look { look, subject: Some(subject) };
        let hir = parse(regex.as_str(), ignore_case).expect("the crate regex has compiled it");
        parts.push(Pattern::Save(subject));
        parts.push(of_hir(&hir, &HirMeaning { keep_slash: true, subject: Some(subject) }));
        let mut parts = flat(parts);
        // Anchors that say what holds anyway would keep the expression from being split at a slash.
        parts.dedup_by(|anchor, before| *anchor == look(Look::Start) && *before == Pattern::Save(subject));
        if parts.last() == Some(&look(Look::End)) {
            parts.pop();
        }
        RulePattern { parts, captures, slots: subject + 1, below: None }
    }

    /// The captures called `name`, in the order written.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = u32> + 'a {
        let here = move |(index, capture): (usize, &Capture)| (capture.name == name).then_some(index as u32);
        self.captures.iter().enumerate().filter_map(here)
    }
}

/// Turns pieces into patterns, noting captures as they come.
struct Reader {
    made: RulePattern,
    ignore_case: bool,
    /// Buckets count case whatever the rule says.
    in_bucket: bool,
}

impl Reader {
    fn pieces(&mut self, pieces: &[Piece]) -> Vec<Pattern> {
        pieces.iter().map(|piece| Pattern::From(piece.span.clone(), Box::new(self.piece(piece)))).collect()
    }

    fn piece(&mut self, piece: &Piece) -> Pattern {
        match &piece.kind {
            PieceKind::Text(text) => self.text(text),
            PieceKind::Star => Pattern::Concat(vec![Pattern::Guard, many(not_slash(), 0, false)]),
            PieceKind::AnyChar => Pattern::Concat(vec![Pattern::Guard, not_slash()]),
            PieceKind::Class(class) => Pattern::Concat(vec![Pattern::Guard, self.class(class)]),
            PieceKind::Directories => directories(),
            PieceKind::Below => {
                self.made.below = Some(u32::MAX);
                Pattern::Concat(vec![
                    Pattern::Save(u32::MAX),
                    directories(),
                    Pattern::Guard,
                    many(not_slash(), 0, true),
                ])
            }
            PieceKind::Alternatives(branches) => self.alternatives(branches),
            PieceKind::Capture { name, kind } => self.capture(name.as_deref(), kind, &piece.span),
            PieceKind::Repeat(name) => {
                let captures = self.made.named(name).collect();
                Pattern::Again { captures, fold: self.folds() }
            }
        }
    }

    fn alternatives(&mut self, branches: &[Vec<Piece>]) -> Pattern {
        let bucket_before = self.in_bucket;
        let mut all_left = true;
        let read = branches.iter().map(|branch| {
            self.in_bucket = bucket_before;
            let parts = self.pieces(branch);
            all_left &= !self.in_bucket;
            Pattern::Concat(parts)
        });
        let read = read.collect();
        self.in_bucket = bucket_before && !all_left;
        Pattern::Either(read)
    }

    fn capture(&mut self, name: Option<&str>, kind: &CaptureKind, span: &Range<usize>) -> Pattern {
        let (guard, inner) = self.capture_kind(kind);
        let mut parts = Vec::from_iter(guard);
        // A date that is not kept must exist all the same, and a Hive value must be text.
        match name.or(matches!(kind, CaptureKind::Date(_) | CaptureKind::Hive).then_some("_")) {
            None => parts.push(inner),
            Some(name) => {
                let index = self.made.captures.len() as u32;
                self.made.captures.push(Capture { name: name.into(), kind: kind.clone(), span: span.clone() });
                parts.extend([Pattern::Save(2 * index), inner, Pattern::Save(2 * index + 1)]);
            }
        }
        Pattern::Concat(parts)
    }

    fn capture_kind(&mut self, kind: &CaptureKind) -> (Option<Pattern>, Pattern) {
        let digits = |min, max| Pattern::Repeat { what: Box::new(digit()), min, max, greedy: true };
        match kind {
            CaptureKind::Plain => (Some(Pattern::Guard), many(not_slash(), 1, false)),
            CaptureKind::Hive => (Some(Pattern::HiveGuard), many(not_slash(), 1, false)),
            CaptureKind::Path => {
                let directory =
                    Pattern::Concat(vec![Pattern::Guard, many(not_slash(), 1, true), Pattern::Text(b"/".to_vec())]);
                let inner = vec![many(directory, 0, false), Pattern::Guard, many(not_slash(), 1, true)];
                (Some(Pattern::Guard), Pattern::Concat(inner))
            }
            CaptureKind::Int => (None, digits(1, None)),
            CaptureKind::IntOf(n) => (None, digits(*n, Some(*n))),
            CaptureKind::Epoch => (None, digits(9, Some(10))),
            CaptureKind::EpochMs => (None, digits(12, Some(13))),
            CaptureKind::In(texts) => (None, Pattern::Either(texts.iter().map(|text| self.text(text)).collect())),
            CaptureKind::Re(expression) => {
                let meaning = HirMeaning { keep_slash: false, subject: None };
                let inner = parse(expression, self.folds()).map(|hir| of_hir(&hir, &meaning));
                (None, inner.unwrap_or(Pattern::Either(Vec::new())))
            }
            CaptureKind::Date(form) => {
                let part = |part: &DatePart| match part {
                    DatePart::Text(text) => self.text(text),
                    DatePart::Field(field) => date_field(*field),
                };
                (None, Pattern::Concat(form.parts.iter().map(part).collect()))
            }
        }
    }

    fn folds(&self) -> bool {
        self.ignore_case && !self.in_bucket
    }

    /// A text; the first slash in it ends the bucket.
    fn text(&mut self, text: &str) -> Pattern {
        let bucket = if self.in_bucket { text.find('/').map_or(text.len(), |slash| slash + 1) } else { 0 };
        self.in_bucket &= bucket == text.len() && !text.ends_with('/');
        if !self.ignore_case {
            return literal(text);
        }
        let mut parts = Vec::from_iter((bucket > 0).then(|| literal(&text[..bucket])));
        parts.extend(text[bucket..].chars().map(folded));
        Pattern::Concat(parts)
    }

    fn class(&self, class: &crate::rules::template::Class) -> Pattern {
        let ranges = class.ranges.iter().map(|&(first, last)| ClassUnicodeRange::new(first, last));
        let mut set = ClassUnicode::new(ranges);
        if self.folds() {
            set.case_fold_simple();
        }
        if class.negated {
            set.negate();
        }
        Pattern::Class(Class::of(&without_slash(&set)))
    }
}

/// What differs between `re(…)` and `regex =`.
struct HirMeaning {
    keep_slash: bool,
    /// The slot in which the start of the subject stands, where that is not the text's.
    subject: Option<u32>,
}

fn of_hir(hir: &Hir, meaning: &HirMeaning) -> Pattern {
    let all = |hirs: &[Hir]| hirs.iter().map(|hir| of_hir(hir, meaning)).collect();
    match hir.kind() {
        HirKind::Empty => Pattern::Concat(Vec::new()),
        // In `re(…)` a slash can only be what is left of a class such as `[/]`, which has lost it.
        HirKind::Literal(hir::Literal(bytes)) if !meaning.keep_slash && bytes.contains(&b'/') => {
            Pattern::Either(Vec::new())
        }
        HirKind::Literal(hir::Literal(bytes)) => Pattern::Text(bytes.to_vec()),
        HirKind::Class(class) => {
            let set = match class {
                hir::Class::Unicode(set) => set.clone(),
                hir::Class::Bytes(set) => set.to_unicode_class().unwrap_or_else(ClassUnicode::empty),
            };
            Pattern::Class(Class::of(&if meaning.keep_slash { set } else { without_slash(&set) }))
        }
        HirKind::Look(look) => Pattern::Look { look: *look, subject: meaning.subject },
        HirKind::Repetition(repeat) => Pattern::Repeat {
            what: Box::new(of_hir(&repeat.sub, meaning)),
            min: repeat.min,
            max: repeat.max,
            greedy: repeat.greedy,
        },
        HirKind::Capture(group) => {
            let first = 2 * (group.index - 1);
            Pattern::Concat(vec![Pattern::Save(first), of_hir(&group.sub, meaning), Pattern::Save(first + 1)])
        }
        HirKind::Concat(hirs) => Pattern::Concat(all(hirs)),
        HirKind::Alternation(hirs) => Pattern::Either(all(hirs)),
    }
}

fn parse(expression: &str, ignore_case: bool) -> Option<Hir> {
    regex_syntax::ParserBuilder::new().case_insensitive(ignore_case).build().parse(expression).ok()
}

/// The expression of a date field, its range included.
fn date_field(field: Field) -> Pattern {
    let hir = parse(field.expression(), false).expect("a field's expression is well-formed");
    of_hir(&hir, &HirMeaning { keep_slash: false, subject: None })
}

/// `(?:G[^/]*/)*`
fn directories() -> Pattern {
    let directory = vec![Pattern::Guard, many(not_slash(), 0, true), Pattern::Text(b"/".to_vec())];
    many(Pattern::Concat(directory), 0, true)
}

fn many(what: Pattern, min: u32, greedy: bool) -> Pattern {
    Pattern::Repeat { what: Box::new(what), min, max: None, greedy }
}

fn not_slash() -> Pattern {
    Pattern::Class(Class::not_slash())
}

fn digit() -> Pattern {
    Pattern::Class(Class::of(&ClassUnicode::new([ClassUnicodeRange::new('0', '9')])))
}

fn literal(text: &str) -> Pattern {
    if text.is_empty() { Pattern::Concat(Vec::new()) } else { Pattern::Text(text.as_bytes().to_vec()) }
}

/// One character in any case.
fn folded(c: char) -> Pattern {
    let mut set = ClassUnicode::new([ClassUnicodeRange::new(c, c)]);
    set.case_fold_simple();
    match set.literal() {
        Some(bytes) => Pattern::Text(bytes),
        None => Pattern::Class(Class::of(&set)),
    }
}

fn without_slash(set: &ClassUnicode) -> ClassUnicode {
    let mut rest = set.clone();
    rest.difference(&ClassUnicode::new([ClassUnicodeRange::new('/', '/')]));
    rest
}

/// Parts in one sequence: no `Concat` inside, neighbouring texts of one origin joined.
pub(crate) fn flat(parts: Vec<Pattern>) -> Vec<Pattern> {
    fn add(part: Pattern, from: Option<&Range<usize>>, out: &mut Vec<Pattern>) {
        match (part, from) {
            (Pattern::Concat(parts), from) => parts.into_iter().for_each(|part| add(part, from, out)),
            (Pattern::From(span, part), _) => add(*part, Some(&span), out),
            (part, Some(span)) => out.push(Pattern::From(span.clone(), Box::new(part))),
            (part, None) => out.push(part),
        }
    }
    let mut out = Vec::new();
    parts.into_iter().for_each(|part| add(part, None, &mut out));
    out
}

/// The same parts without their origins, neighbouring texts joined: what equal patterns have in common.
pub(crate) fn plain(parts: &[Pattern]) -> Vec<Pattern> {
    let mut out: Vec<Pattern> = Vec::new();
    for part in flat(parts.iter().map(without_origin).collect()) {
        match (out.last_mut(), part) {
            (Some(Pattern::Text(before)), Pattern::Text(text)) => before.extend_from_slice(&text),
            (_, part) => out.push(part),
        }
    }
    out
}

fn without_origin(part: &Pattern) -> Pattern {
    match part {
        Pattern::From(_, inner) => without_origin(inner),
        Pattern::Concat(parts) => Pattern::Concat(plain(parts)),
        Pattern::Either(branches) => Pattern::Either(branches.iter().map(without_origin).collect()),
        Pattern::Repeat { what, min, max, greedy } => {
            Pattern::Repeat { what: Box::new(without_origin(what)), min: *min, max: *max, greedy: *greedy }
        }
        other => other.clone(),
    }
}

/// Gives the `Save` of the last `**` its slot, which is known only once all captures are.
fn set_below(parts: &mut [Pattern], slot: u32) {
    for part in parts {
        match part {
            Pattern::Save(unset @ u32::MAX) => *unset = slot,
            Pattern::Concat(parts) | Pattern::Either(parts) => set_below(parts, slot),
            Pattern::From(_, inner) => set_below(std::slice::from_mut(inner), slot),
            _ => {}
        }
    }
}
