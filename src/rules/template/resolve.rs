//! What pieces mean next to each other: which capture repeats which, what may stand beside what, where the bucket ends.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{CaptureKind, Piece, PieceKind, TemplateError};
use crate::rules::date::{DatePart, Units, meant};
use crate::uri::Scheme;

/// Buckets that alternatives and `in(…)` may name together.
const MAX_BUCKETS: usize = 1000;

/// Turns captures that name an earlier one into repeats and notes every mistake.
pub(super) fn resolve(
    source: &str,
    scheme: Scheme,
    mut pieces: Vec<Piece>,
    errors: &mut Vec<TemplateError>,
) -> Vec<Piece> {
    let repeats = Names::of(&pieces, errors);
    make_repeats(&mut pieces, &repeats);
    each_place(&pieces, None, &mut |place| neighbours(place, source, errors));
    BucketCheck { source, errors, scheme }.check(&pieces);
    dates(&pieces, errors);
    pieces
}

fn error(span: Range<usize>, message: impl Into<String>, label: &str, help: impl Into<String>) -> TemplateError {
    let help = Some(help.into()).filter(|help: &String| !help.is_empty());
    TemplateError { span, message: message.into(), label: label.to_owned(), help }
}

/// A piece among its neighbours, and the alternatives it stands in.
#[derive(Clone, Copy)]
struct Place<'a> {
    pieces: &'a [Piece],
    at: usize,
    up: Option<&'a Place<'a>>,
}

impl<'a> Place<'a> {
    fn piece(&self) -> &'a Piece {
        &self.pieces[self.at]
    }

    /// What may come right behind this piece, by any way through alternatives.
    fn following(&self, found: &mut BTreeSet<Next>) {
        if firsts(&self.pieces[self.at + 1..], found) {
            match self.up {
                Some(up) => up.following(found),
                None => drop(found.insert(Next::End)),
            }
        }
    }

    /// What may stand right before this piece, by any way through alternatives.
    fn preceding(&self, found: &mut BTreeSet<Next>) {
        if lasts(&self.pieces[..self.at], found) {
            match self.up {
                Some(up) => up.preceding(found),
                None => drop(found.insert(Next::End)),
            }
        }
    }

    /// Whether only fixed text stands in the component beside this piece.
    fn is_alone(&self) -> bool {
        self.is_alone_behind() && self.is_alone_before()
    }

    fn is_alone_behind(&self) -> bool {
        for piece in &self.pieces[self.at + 1..] {
            match &piece.kind {
                PieceKind::Text(text) if !text.contains('/') => {}
                kind => return matches!(kind, PieceKind::Text(_)) || first_of(kind) == Some(Next::Slash),
            }
        }
        self.up.is_none_or(Place::is_alone_behind)
    }

    fn is_alone_before(&self) -> bool {
        for piece in self.pieces[..self.at].iter().rev() {
            match &piece.kind {
                PieceKind::Text(text) if !text.contains('/') => {}
                kind => return matches!(kind, PieceKind::Text(_)) || last_of(kind) == Some(Next::Slash),
            }
        }
        self.up.is_none_or(Place::is_alone_before)
    }
}

/// What stands at an edge, as far as neighbours care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Slash,
    /// The template's end, or its beginning.
    End,
    Star,
    Unbounded,
    Other,
}

fn each_place<'a>(pieces: &'a [Piece], up: Option<&'a Place<'a>>, visit: &mut dyn FnMut(&Place<'_>)) {
    for at in 0..pieces.len() {
        let place = Place { pieces, at, up };
        visit(&place);
        if let PieceKind::Alternatives(branches) = &pieces[at].kind {
            branches.iter().for_each(|branch| each_place(branch, Some(&place), visit));
        }
    }
}

/// Adds what pieces may begin with; says whether they may be empty.
fn firsts(pieces: &[Piece], found: &mut BTreeSet<Next>) -> bool {
    pieces.iter().all(|piece| match &piece.kind {
        PieceKind::Alternatives(branches) => branches.iter().fold(false, |empty, branch| firsts(branch, found) | empty),
        kind => {
            found.insert(first_of(kind).unwrap_or(Next::Other));
            false
        }
    })
}

/// Adds what pieces may end in; says whether they may be empty.
fn lasts(pieces: &[Piece], found: &mut BTreeSet<Next>) -> bool {
    pieces.iter().rev().all(|piece| match &piece.kind {
        PieceKind::Alternatives(branches) => branches.iter().fold(false, |empty, branch| lasts(branch, found) | empty),
        kind => {
            found.insert(last_of(kind).unwrap_or(Next::Other));
            false
        }
    })
}

fn first_of(kind: &PieceKind) -> Option<Next> {
    match kind {
        PieceKind::Text(text) => text.starts_with('/').then_some(Next::Slash),
        PieceKind::Star => Some(Next::Star),
        PieceKind::Capture { kind: CaptureKind::Date(form), .. } => match form.parts.first() {
            Some(DatePart::Text(text)) => text.starts_with('/').then_some(Next::Slash),
            _ => None,
        },
        PieceKind::Capture { kind, .. } => kind.is_unbounded().then_some(Next::Unbounded),
        _ => None,
    }
}

fn last_of(kind: &PieceKind) -> Option<Next> {
    match kind {
        PieceKind::Text(text) => text.ends_with('/').then_some(Next::Slash),
        PieceKind::Directories => Some(Next::Slash),
        PieceKind::Capture { kind: CaptureKind::Date(form), .. } => match form.parts.last() {
            Some(DatePart::Text(text)) => text.ends_with('/').then_some(Next::Slash),
            _ => None,
        },
        _ => None,
    }
}

fn neighbours(place: &Place<'_>, source: &str, errors: &mut Vec<TemplateError>) {
    let piece = place.piece();
    let span = piece.span.clone();
    let written = source.get(span.clone()).unwrap_or_default();
    let (mut before, mut behind) = (BTreeSet::new(), BTreeSet::new());
    place.preceding(&mut before);
    place.following(&mut behind);
    let is_edge = |next: &Next| matches!(next, Next::Slash | Next::End);
    match &piece.kind {
        PieceKind::Capture { kind: CaptureKind::Path, .. }
            if !(before.iter().all(is_edge) && behind.iter().all(is_edge)) =>
        {
            let help = "`path` takes whole components: put slashes around it, or leave `:path` out";
            errors.push(error(span, format!("`{written}` does not stand between slashes"), "", help));
        }
        PieceKind::Capture { kind, .. } if kind.is_unbounded() => {
            let neighbour = match (behind.contains(&Next::Star), behind.contains(&Next::Unbounded)) {
                (true, _) => "`*`",
                (_, true) => "another capture without an end",
                _ => return,
            };
            let message = format!("`{written}` stands right before {neighbour}");
            let help = "put text between them, or give it a type that says where it ends: int, in(…), re(…), date(…)";
            errors.push(error(span, message, "nothing says where it ends", help));
        }
        PieceKind::Directories | PieceKind::Below => {
            let ends_badly = piece.kind == PieceKind::Below && behind.iter().any(|next| *next != Next::End);
            if ends_badly || !before.iter().all(is_edge) {
                let message = "`**` is not a whole component";
                let help = "`**` stands between slashes or at the end and means whole directories; within a name \
                            write `*`";
                errors.push(error(span.start..(span.start + 2).min(span.end), message, "", help));
            }
        }
        _ => {}
    }
}

/// A capture that a later one of the same name may repeat.
#[derive(Clone)]
struct First<'a> {
    name: &'a str,
    kind: &'a CaptureKind,
    /// Of a fixed class, or alone with fixed text in its component.
    repeats: bool,
}

/// Finds the captures that are repeats, by where their spans begin.
struct Names<'e> {
    repeats: BTreeSet<usize>,
    refused: BTreeSet<String>,
    errors: &'e mut Vec<TemplateError>,
}

impl Names<'_> {
    fn of(pieces: &[Piece], errors: &mut Vec<TemplateError>) -> BTreeSet<usize> {
        let refused = dates_and_others(pieces, errors);
        let mut names = Names { repeats: BTreeSet::new(), refused, errors };
        names.sequence(pieces, None, &mut Vec::new());
        names.repeats
    }

    fn sequence<'a>(&mut self, pieces: &'a [Piece], up: Option<&Place<'_>>, known: &mut Vec<First<'a>>) {
        for (at, piece) in pieces.iter().enumerate() {
            let place = Place { pieces, at, up };
            match &piece.kind {
                PieceKind::Alternatives(branches) => {
                    // What one branch captures, no other branch repeats.
                    let before = known.len();
                    let mut all = known.clone();
                    for branch in branches {
                        let mut within = known.clone();
                        self.sequence(branch, Some(&place), &mut within);
                        all.extend(within.drain(before..));
                    }
                    *known = all;
                }
                PieceKind::Capture { name: Some(name), kind } if !kind.is_date() => {
                    let firsts: Vec<&First<'_>> = known.iter().filter(|first| first.name == name).collect();
                    if firsts.is_empty() {
                        let repeats = !kind.is_unbounded() || place.is_alone();
                        known.push(First { name, kind, repeats });
                    } else if !self.refused.contains(name) {
                        self.repeats.insert(piece.span.start);
                        let others = firsts.iter().find(|first| *kind != CaptureKind::Plain && first.kind != kind);
                        let refused = others.is_some() || firsts.iter().any(|first| !first.repeats);
                        self.errors.extend(repeat_error(piece, name, others.is_some(), refused));
                    }
                }
                _ => {}
            }
        }
    }
}

fn repeat_error(piece: &Piece, name: &str, is_other_type: bool, is_refused: bool) -> Option<TemplateError> {
    let span = piece.span.clone();
    if is_other_type {
        let message = format!("`{name}` is repeated with another type");
        return Some(error(span, message, "means the first one's text again", format!("write `{{{name}}}`")));
    }
    is_refused.then(|| {
        let message = format!("`{name}` cannot be repeated");
        let help = format!(
            "give the first a type that says where it ends, such as `{{{name}:int}}`, `{{{name}:in(…)}}` or \
             `{{{name}:re(…)}}`, or a component of its own"
        );
        error(span, message, "the first one shares its component with more than text", help)
    })
}

/// Names that are a date in one place and none in another: an error at each of the latter.
fn dates_and_others(pieces: &[Piece], errors: &mut Vec<TemplateError>) -> BTreeSet<String> {
    let mut uses: BTreeMap<&str, (bool, Vec<&Piece>)> = BTreeMap::new();
    super::each_piece(pieces, &mut |piece| {
        if let PieceKind::Capture { name: Some(name), kind } = &piece.kind {
            let (is_date, others) = uses.entry(name).or_default();
            *is_date |= kind.is_date();
            others.extend((!kind.is_date()).then_some(piece));
        }
    });
    uses.retain(|_, (is_date, others)| *is_date && !others.is_empty());
    for (name, (_, others)) in &uses {
        for piece in others {
            let message = format!("`{name}` is a date in one place and none here");
            let help = format!("dates are not repeated, their pieces add up: write `{{{name}:date(…)}}` here too");
            errors.push(error(piece.span.clone(), message, "", help));
        }
    }
    uses.into_keys().map(str::to_owned).collect()
}

fn make_repeats(pieces: &mut [Piece], repeats: &BTreeSet<usize>) {
    for piece in pieces {
        match &mut piece.kind {
            PieceKind::Alternatives(branches) => {
                branches.iter_mut().for_each(|branch| make_repeats(branch, repeats));
            }
            PieceKind::Capture { name: Some(name), .. } if repeats.contains(&piece.span.start) => {
                piece.kind = PieceKind::Repeat(std::mem::take(name));
            }
            _ => {}
        }
    }
}

/// Checks each date: its pieces together, by every way through the alternatives.
fn dates(pieces: &[Piece], errors: &mut Vec<TemplateError>) {
    let mut seen = BTreeSet::new();
    super::each_piece(pieces, &mut |piece| {
        let PieceKind::Capture { name, kind } = &piece.kind else { return };
        let units = match (name, kind) {
            (_, kind) if !kind.is_date() => return,
            (Some(name), _) if seen.insert(name) => date_units(pieces, name),
            (None, kind) => BTreeSet::from([units_of(kind)]),
            _ => return,
        };
        if let Some(gap) = units.into_iter().find_map(Units::gap) {
            let whose = name.as_ref().map_or_else(String::new, |name| format!(" of `{name}`"));
            let meant = match kind {
                CaptureKind::Date(form) => meant(&form.source),
                _ => None,
            };
            let help = match meant {
                Some(meant) => format!("write `{{{}:date({meant})}}`", name.as_deref().unwrap_or("_")),
                None => "add the unit that is missing, or capture the parts under names of their own".to_owned(),
            };
            errors.push(error(piece.span.clone(), format!("the pieces{whose} make no date: {gap}"), "", help));
        }
    });
}

fn units_of(kind: &CaptureKind) -> Units {
    match kind {
        CaptureKind::Date(form) => Units::of(form),
        _ => Units::TO_THE_SECOND,
    }
}

/// The units of one date's pieces, for each way through the alternatives.
pub(super) fn date_units(pieces: &[Piece], name: &str) -> BTreeSet<Units> {
    units_behind(pieces, name, BTreeSet::from([Units::NONE]))
}

fn units_behind(pieces: &[Piece], name: &str, mut ways: BTreeSet<Units>) -> BTreeSet<Units> {
    for piece in pieces {
        match &piece.kind {
            PieceKind::Capture { name: Some(n), kind } if n == name && kind.is_date() => {
                ways = ways.into_iter().map(|units| units.and(units_of(kind))).collect();
            }
            PieceKind::Alternatives(branches) => {
                ways = branches.iter().flat_map(|branch| units_behind(branch, name, ways.clone())).collect();
            }
            _ => {}
        }
    }
    ways
}

/// Checks the bucket: text, alternatives and `in` only, and it ends.
struct BucketCheck<'a> {
    source: &'a str,
    errors: &'a mut Vec<TemplateError>,
    scheme: Scheme,
}

impl BucketCheck<'_> {
    fn check(&mut self, pieces: &[Piece]) {
        let whole = 0..self.source.len();
        let begins_with_slash =
            matches!(pieces.first(), Some(Piece { kind: PieceKind::Text(text), .. }) if text.starts_with('/'));
        if self.scheme == Scheme::File {
            if !begins_with_slash {
                let rest = self.source.strip_prefix("file://").unwrap_or(self.source);
                let help = format!("write 'file:///{rest}', or without a scheme for a path beside the rule file");
                self.errors.push(error(whole, "a local path with a scheme is absolute", "", help));
            }
            return;
        }
        let mut begins = BTreeSet::new();
        let is_empty = firsts(pieces, &mut begins);
        if is_empty || begins.contains(&Next::Slash) {
            self.errors.push(error(whole, "the bucket is missing", "", "write 's3://bucket/key'"));
            return;
        }
        let before = self.errors.len();
        let still_in_bucket = self.sequence(pieces, true);
        if self.errors.len() > before {
            return;
        }
        if still_in_bucket {
            let help = format!("write '{}/' for everything in it", self.source);
            self.errors.push(error(whole, "this names a bucket and no object", "", help));
        } else if bucket_count(pieces) > MAX_BUCKETS {
            let message = format!("more than {MAX_BUCKETS} buckets in one template");
            self.errors.push(error(whole, message, "", "each of them would be listed; split the rule"));
        }
    }

    /// Says whether the bucket has not ended behind these pieces.
    fn sequence(&mut self, pieces: &[Piece], mut in_bucket: bool) -> bool {
        for piece in pieces {
            if !in_bucket {
                return false;
            }
            let span = piece.span.clone();
            match &piece.kind {
                PieceKind::Text(text) => in_bucket = !text.contains('/'),
                PieceKind::Alternatives(branches) => {
                    let ends: Vec<bool> = branches.iter().map(|branch| self.sequence(branch, true)).collect();
                    if ends.iter().any(|end| *end != ends[0]) {
                        let help = "put the slash behind the bucket into each alternative, or behind all of them";
                        self.errors.push(error(span, "the bucket ends in some of these alternatives only", "", help));
                    }
                    in_bucket = ends[0];
                }
                PieceKind::Capture { kind: CaptureKind::In(items), .. } => {
                    if items.iter().any(|item| item.contains('/')) {
                        self.errors.push(error(span, "a slash in a bucket's name", "", "a bucket has no slash"));
                    }
                }
                _ => self.errors.push(wild_bucket(piece, self.source)),
            }
        }
        in_bucket
    }
}

fn wild_bucket(piece: &Piece, source: &str) -> TemplateError {
    let span = piece.span.clone();
    let written = source.get(span.clone()).unwrap_or_default();
    let (message, help) = match &piece.kind {
        PieceKind::Capture { name, .. } => {
            let name = name.as_deref().unwrap_or("_");
            (format!("the capture `{written}` in the bucket"), format!("use `in(…)`: `{{{name}:in(one,two)}}`"))
        }
        PieceKind::Repeat(_) => {
            (format!("the repeat `{written}` in the bucket"), "use `in(…)`, or name the buckets".to_owned())
        }
        _ => (format!("the wildcard `{written}` in the bucket"), "use `in(…)`: `{_:in(one,two)}`".to_owned()),
    };
    error(span, message, "buckets cannot be listed, they must be named", help)
}

/// How many buckets the pieces in front of the first slash name.
fn bucket_count(pieces: &[Piece]) -> usize {
    let mut count = 1usize;
    for piece in pieces {
        match &piece.kind {
            PieceKind::Text(text) if text.contains('/') => break,
            PieceKind::Alternatives(branches) => {
                count = count.saturating_mul(branches.iter().map(|branch| bucket_count(branch)).sum());
            }
            PieceKind::Capture { kind: CaptureKind::In(items), .. } => count = count.saturating_mul(items.len()),
            _ => {}
        }
    }
    count
}
