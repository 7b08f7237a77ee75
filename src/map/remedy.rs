//! What would make a rule match a key that it does not match. Every change is tried on the key; none is guessed.

use std::ops::Range;

use super::backtrack::{Scratch, UNSET, is_hidden};
use super::code::Code;
use super::pattern::{Pattern, RulePattern};
use crate::rules::date::{DateForm, DatePart, Field};
use crate::rules::table::{Matcher, Rule};
use crate::rules::template::{CaptureKind, Piece, PieceKind, Template, each_piece};

/// One change to a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Remedy {
    /// `ignore_case = true`
    IgnoreCase,
    /// Naming this component, which begins with `.` or `_`, so that no wildcard and no capture enters it; `at` is where
    /// in the URI it stands, in bytes.
    NameHidden { component: String, at: usize },
    /// Writing the piece at this span of the template's source so.
    Rewrite { span: Range<usize>, text: String },
    /// Writing this behind the template.
    Append(&'static str),
}

/// The least change that makes a rule match `text` (the bucket, a slash, the key). `piece` is where in the template's
/// source it stops and `at` where in `text`; without a piece it is the text that goes on.
pub(super) fn find(rule: &Rule, text: &str, piece: Option<&Range<usize>>, at: usize) -> Option<Remedy> {
    if !rule.ignore_case && matches(&in_case(&rule.matcher, true), text) {
        return Some(Remedy::IgnoreCase);
    }
    let Matcher::Template(template) = &rule.matcher else { return None };
    let takes = |template: &Template| matches(&RulePattern::of_template(template, rule.ignore_case), text);
    hidden(template, rule.ignore_case, text, at).or_else(|| {
        let rewrite = |piece: &Piece| {
            let taking =
                others(piece).find(|kind| template.rewritten(&piece.span, kind.clone()).is_some_and(|t| takes(&t)))?;
            Some(Remedy::Rewrite { span: piece.span.clone(), text: taking.to_string() })
        };
        suspects(template, piece).into_iter().find_map(rewrite).or_else(|| {
            let more = [("*", PieceKind::Star), ("/**", PieceKind::Below)];
            let fits = |kind: &PieceKind| match kind {
                PieceKind::Below => {
                    template.appended(PieceKind::Text("/".into())).and_then(|t| t.appended(kind.clone()))
                }
                kind => template.appended(kind.clone()),
            };
            more.into_iter()
                .find(|(_, kind)| fits(kind).is_some_and(|t| takes(&t)))
                .map(|(text, _)| Remedy::Append(text))
        })
    })
}

fn in_case(matcher: &Matcher, ignore_case: bool) -> RulePattern {
    match matcher {
        Matcher::Template(template) => RulePattern::of_template(template, ignore_case),
        Matcher::Regex { under, regex } => RulePattern::of_regex(under, regex, ignore_case),
    }
}

fn matches(pattern: &RulePattern, text: &str) -> bool {
    let mut slots = vec![UNSET; pattern.slots as usize];
    let code = Code::new(&pattern.parts, &[]);
    // One that takes too many steps is no remedy.
    Scratch::default().first(&code, text.as_bytes(), 0, &mut slots).unwrap_or(false)
}

/// The hidden component that keeps a template from matching, if nothing else does.
fn hidden(template: &Template, ignore_case: bool, text: &str, at: usize) -> Option<Remedy> {
    let mut pattern = RulePattern::of_template(template, ignore_case);
    pattern.parts = pattern.parts.into_iter().map(unguarded).collect();
    if !matches(&pattern, text) {
        return None;
    }
    let mut start = 0;
    for component in text.split('/') {
        let end = start + component.len();
        if start > 0 && end >= at && is_hidden(&text.as_bytes()[start..]) {
            let scheme = template.scheme.name().len() + "://".len();
            return Some(Remedy::NameHidden { component: component.to_owned(), at: scheme + start });
        }
        start = end + 1;
    }
    None
}

fn unguarded(pattern: Pattern) -> Pattern {
    let all = |parts: Vec<Pattern>| parts.into_iter().map(unguarded).collect();
    match pattern {
        Pattern::Guard | Pattern::HiveGuard => Pattern::Concat(Vec::new()),
        Pattern::Concat(parts) => Pattern::Concat(all(parts)),
        Pattern::Either(parts) => Pattern::Either(all(parts)),
        Pattern::From(span, part) => Pattern::From(span, Box::new(unguarded(*part))),
        Pattern::Repeat { what, min, max, greedy } => {
            Pattern::Repeat { what: Box::new(unguarded(*what)), min, max, greedy }
        }
        other => other,
    }
}

/// The piece that stopped, and the one before it, which may have taken too little or too much.
fn suspects<'t>(template: &'t Template, stopped: Option<&Range<usize>>) -> Vec<&'t Piece> {
    let mut all: Vec<&Piece> = Vec::new();
    each_piece(&template.pieces, &mut |piece| all.push(piece));
    let at = stopped.and_then(|span| all.iter().position(|piece| piece.span == *span)).unwrap_or(all.len());
    let before = at.checked_sub(1).map(|before| all[before]);
    all.get(at).copied().into_iter().chain(before).collect()
}

/// What else could stand for a piece, the nearest to it first.
fn others(piece: &Piece) -> impl Iterator<Item = PieceKind> {
    let capture = |name: &Option<String>, kind: CaptureKind| PieceKind::Capture { name: name.clone(), kind };
    let found = match &piece.kind {
        PieceKind::Capture { name, kind } => {
            let kinds = match kind {
                CaptureKind::Plain => vec![CaptureKind::Hive, CaptureKind::Path],
                CaptureKind::IntOf(_) => vec![CaptureKind::Int, CaptureKind::Plain],
                CaptureKind::Int | CaptureKind::In(_) | CaptureKind::Re(_) => vec![CaptureKind::Plain],
                CaptureKind::Epoch => vec![CaptureKind::EpochMs],
                CaptureKind::EpochMs => vec![CaptureKind::Epoch],
                CaptureKind::Date(form) => with_short_fields(form).map(CaptureKind::Date).into_iter().collect(),
                CaptureKind::Path | CaptureKind::Hive => Vec::new(),
            };
            kinds.into_iter().map(|kind| capture(name, kind)).collect()
        }
        PieceKind::AnyChar | PieceKind::Class(_) => vec![PieceKind::Star],
        _ => Vec::new(),
    };
    found.into_iter()
}

/// The form with fields of one or two digits where it has two.
fn with_short_fields(form: &DateForm) -> Option<DateForm> {
    let short = |part: &DatePart| match part {
        DatePart::Field(Field::Month) => DatePart::Field(Field::MonthShort),
        DatePart::Field(Field::Day) => DatePart::Field(Field::DayShort),
        DatePart::Field(Field::Hour) => DatePart::Field(Field::HourShort),
        DatePart::Field(Field::Minute) => DatePart::Field(Field::MinuteShort),
        DatePart::Field(Field::Second) => DatePart::Field(Field::SecondShort),
        other => other.clone(),
    };
    let parts: Vec<DatePart> = form.parts.iter().map(short).collect();
    let text = parts.iter().map(|part| match part {
        DatePart::Text(text) => text.as_str(),
        DatePart::Field(field) => field.letters(),
    });
    // Texts that need a `\` come out as something else, and are not offered.
    DateForm::parse(&text.collect::<String>()).ok().filter(|short| short.parts == parts && parts != form.parts)
}
