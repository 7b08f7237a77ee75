//! Rules that can take nothing, for an earlier one takes every key that they match: a question about languages, answered
//! by walking both patterns at once. Where it cannot be answered cheaply, or only nearly, nothing is said.
//!
//! The earlier pattern is read as a little less than it is where that is easier, the later one as a little more, so that
//! what is said is true. Dates that do not exist do not count.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::pattern::{Class, Pattern, RulePattern, plain};
use crate::rules::date::DatePart;
use crate::rules::set::{Expression, Filter, HoleSource};
use crate::rules::table::{Claim, ConditionOn, Exclude, Matcher, Rule, Rules, Skip, Table, ValueSource};
use crate::rules::template::{CaptureKind, PieceKind, each_piece};
use crate::uri::{Bucket, Uri};
use crate::value::ValueType;

/// A rule (indices of table and rule) and the earlier one that takes all it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shadowed {
    pub rule: (usize, usize),
    pub by: (usize, usize),
}

/// Steps taken for one pair of rules, and for a whole file.
const PAIR_LIMIT: usize = 2_000_000;
const FILE_LIMIT: usize = 5_000_000;
/// States of one pattern.
const STATE_LIMIT: usize = 20_000;
/// Bytes of the longest key that S3 takes, and of a sample with its bucket.
const LONGEST_KEY: usize = 1_024;
const LONGEST_SAMPLE: usize = 1_100;

/// Every rule that an earlier one wholly shadows: of its table, or (under `claim = "first"`) of an earlier table.
pub fn shadowed(rules: &Rules) -> Vec<Shadowed> {
    let mut finder = Finder { rules, known: Vec::new(), by_opening: HashMap::new(), left: FILE_LIMIT };
    let mut found = Vec::new();
    for (table, of) in rules.tables.iter().enumerate() {
        if rules.claim == Claim::Every {
            finder.known.clear();
            finder.by_opening.clear();
        }
        for rule in 0..of.rules.len() {
            found.extend(finder.rule(table, rule));
        }
    }
    found
}

struct Finder<'r> {
    rules: &'r Rules,
    known: Vec<Known>,
    /// By each prefix that keys of a known rule begin with: indices into `known`.
    by_opening: HashMap<(Bucket, String), Vec<usize>>,
    left: usize,
}

/// A rule that may shadow later ones.
struct Known {
    table: usize,
    rule: usize,
    openings: Vec<Uri>,
    pattern: Vec<Pattern>,
    /// `None` where it is too large.
    states: Option<States>,
}

impl Finder<'_> {
    fn rule(&mut self, table: usize, number: usize) -> Option<Shadowed> {
        if self.left == 0 {
            return None;
        }
        let rule = &self.rules.tables[table].rules[number];
        let pattern = without_captures(&plain(&pattern_of(rule).parts));
        let openings = rule.openings();
        let states = States::new(&pattern, Reading::More);
        let sample = states.as_ref().and_then(States::sample);
        let found = self.earlier(&openings).into_iter().find(|index| {
            let known = &self.known[*index];
            let is_same = known.pattern == pattern;
            let covers = |opening: &Uri| known.openings.iter().any(|other| other.is_prefix_of(opening));
            let earlier = &self.rules.tables[known.table];
            // Most rules are told apart by one key.
            let takes = |states: &States| sample.as_deref().is_none_or(|sample| states.take(sample));
            openings.iter().all(covers)
                && (is_same || known.states.as_ref().is_some_and(takes))
                && keeps_all(earlier, &earlier.rules[known.rule], &self.rules.tables[table], rule, is_same)
                && (is_same || includes(&known.states, &states, &mut self.left))
        });
        let by = found.map(|index| (self.known[index].table, self.known[index].rule));
        if by.is_none() {
            for opening in &openings {
                let key = (opening.bucket.clone(), opening.key.clone());
                self.by_opening.entry(key).or_default().push(self.known.len());
            }
            let states = States::new(&pattern, Reading::Less);
            self.known.push(Known { table, rule: number, openings, pattern, states });
        }
        Some(Shadowed { rule: (table, number), by: by? })
    }

    /// Known rules that list what the first of these prefixes covers, in the order of the file.
    fn earlier(&self, openings: &[Uri]) -> BTreeSet<usize> {
        let Some(first) = openings.first() else { return BTreeSet::new() };
        let ends = (0..=first.key.len().min(LONGEST_KEY)).filter(|end| first.key.is_char_boundary(*end));
        let at = |end: usize| self.by_opening.get(&(first.bucket.clone(), first.key[..end].to_owned()));
        ends.filter_map(at).flatten().copied().collect()
    }
}

fn pattern_of(rule: &Rule) -> RulePattern {
    match &rule.matcher {
        Matcher::Template(template) => RulePattern::of_template(template, rule.ignore_case),
        Matcher::Regex { under, regex } => RulePattern::of_regex(under, regex, rule.ignore_case),
    }
}

/// Whether the earlier rule keeps every object that it matches and the later one would take.
fn keeps_all(earlier_table: &Table, earlier: &Rule, table: &Table, rule: &Rule, same_pattern: bool) -> bool {
    let holds = earlier.conditions.iter().all(|condition| {
        let is_same = same_pattern || !matches!(condition.on, ConditionOn::Capture(_));
        is_same && rule.conditions.contains(condition)
    });
    let excludes = |exclude: &Exclude| rule.exclude.iter().any(|other| other.source == exclude.source);
    let values = earlier.values.iter().zip(&earlier_table.partitioned_by);
    earlier.done.is_none()
        && holds
        && earlier.exclude.iter().all(excludes)
        && skips_no_more(&earlier_table.skip, &table.skip)
        && earlier.values.len() == earlier_table.partitioned_by.len()
        && values.into_iter().all(|(value, column)| always_fits(value, &earlier_table.value_type(column), earlier))
}

fn skips_no_more(earlier: &Skip, later: &Skip) -> bool {
    let flags = |skip: &Skip| [skip.markers, skip.hidden, skip.folder, skip.empty, skip.archived];
    flags(earlier).into_iter().zip(flags(later)).all(|(earlier, later)| !earlier || later)
}

/// Whether a column gets a value of its type whatever the key.
fn always_fits(value: &ValueSource, kind: &ValueType, rule: &Rule) -> bool {
    let is_text = kind.takes_all();
    match value {
        ValueSource::Capture(name) => {
            is_text || ((kind.is_date() || kind.is_integer()) && captures_fit(name, kind.is_date(), rule))
        }
        ValueSource::Expression(expression) => !may_miss(expression) && (is_text || expression_fits(expression, kind)),
    }
}

fn captures_fit(name: &str, as_date: bool, rule: &Rule) -> bool {
    let Matcher::Template(template) = &rule.matcher else { return false };
    let mut fits = true;
    each_piece(&template.pieces, &mut |piece| {
        if let PieceKind::Capture { name: Some(other), kind } = &piece.kind
            && other == name
        {
            fits &= match kind {
                CaptureKind::Int | CaptureKind::IntOf(_) => !as_date,
                CaptureKind::In(items) => !as_date && items.iter().all(|item| is_number(item)),
                kind => as_date && kind.is_date(),
            };
        }
    });
    fits
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() < 10 && text.bytes().all(|c| c.is_ascii_digit())
}

/// Whether a lookup of it may lack a key, with no default behind it.
fn may_miss(expression: &Expression) -> bool {
    expression.holes().any(|hole| {
        let lookup = hole.filters.iter().rposition(|filter| matches!(filter, Filter::Lookup(_)));
        lookup.is_some_and(|at| !hole.filters[at..].iter().any(|filter| matches!(filter, Filter::Default(_))))
    })
}

fn expression_fits(expression: &Expression, kind: &ValueType) -> bool {
    let mut holes = expression.holes();
    match (holes.next(), holes.next()) {
        (None, _) => kind.value(&expression.source).is_some(),
        (Some(hole), None) if expression.parts.len() == 1 => match (&hole.from, hole.filters.as_slice()) {
            // The parts of a date are numbers, and a whole one is a date.
            (HoleSource::Capture(_), [Filter::Format(form)]) if kind.is_date() => form.source == "yyyy-MM-dd",
            (HoleSource::Capture(_), [Filter::Format(form)]) => {
                kind.is_integer() && matches!(form.parts[..], [DatePart::Field(field)] if field.digits().is_some())
            }
            _ => false,
        },
        _ => false,
    }
}

/// The same pattern without the places of its captures.
fn without_captures(parts: &[Pattern]) -> Vec<Pattern> {
    let mut out: Vec<Pattern> = Vec::new();
    for part in parts {
        let part = match part {
            Pattern::Save(_) => continue,
            Pattern::Concat(inner) => Pattern::Concat(without_captures(inner)),
            Pattern::Either(branches) => Pattern::Either(without_captures(branches)),
            Pattern::Repeat { what, min, max, greedy } => {
                let what = Pattern::Concat(without_captures(std::slice::from_ref(what)));
                Pattern::Repeat { what: Box::new(what), min: *min, max: *max, greedy: *greedy }
            }
            other => other.clone(),
        };
        out.push(part);
    }
    out
}

/// Whether every text of `later` is one of `earlier`; `false` where that is not plain. `left` pays for the steps.
fn includes(earlier: &Option<States>, later: &Option<States>, left: &mut usize) -> bool {
    let (Some(earlier), Some(later)) = (earlier, later) else { return false };
    Inclusion { alphabet: alphabet(earlier, later), earlier, later }.holds(left)
}

/// How what cannot be followed exactly is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Less,
    More,
}

/// A pattern as states; a state's number is where it stands.
struct States {
    states: Vec<State>,
    entry: u32,
}

enum State {
    One(Class, u32),
    Either(Vec<u32>),
    Guard(u32),
    Fail,
    Match,
}

impl States {
    fn new(parts: &[Pattern], reading: Reading) -> Option<States> {
        let mut states = States { states: vec![State::Match], entry: 0 };
        states.entry = states.sequence(parts, 0, reading)?;
        Some(states)
    }

    /// The ways in front of the first character.
    fn start(&self) -> Vec<Way> {
        closed(self, [Way { state: self.entry, guarded: false, owes: false }], false)
    }

    fn take(&self, text: &str) -> bool {
        let ways = text.chars().fold(self.start(), |ways, c| {
            closed(self, ways.into_iter().filter_map(|way| step(self, way, c)), c == '/')
        });
        ways.into_iter().any(|way| accepts(self, way))
    }

    /// Some text that it takes, if there is one that is easily found.
    fn sample(&self) -> Option<String> {
        let mut seen = HashSet::new();
        let mut open: Vec<(Way, String)> = self.start().into_iter().map(|way| (way, String::new())).collect();
        while let Some((way, text)) = open.pop() {
            if accepts(self, way) {
                return Some(text);
            }
            let State::One(class, _) = &self.states[way.state as usize] else { continue };
            if !seen.insert(way) || text.len() > LONGEST_SAMPLE {
                continue;
            }
            let Some(c) = class.some() else { continue };
            let next = closed(self, step(self, way, c), c == '/');
            open.extend(next.into_iter().map(|way| (way, format!("{text}{c}"))));
        }
        None
    }

    fn add(&mut self, state: State) -> Option<u32> {
        self.states.push(state);
        (self.states.len() <= STATE_LIMIT).then(|| self.states.len() as u32 - 1)
    }

    fn sequence(&mut self, parts: &[Pattern], next: u32, reading: Reading) -> Option<u32> {
        parts.iter().rev().try_fold(next, |next, part| self.part(part, next, reading))
    }

    fn part(&mut self, part: &Pattern, next: u32, reading: Reading) -> Option<u32> {
        match part {
            Pattern::Text(bytes) => {
                let text = std::str::from_utf8(bytes).ok()?;
                text.chars().rev().try_fold(next, |next, c| self.add(State::One(Class::one(c), next)))
            }
            Pattern::Class(class) => self.add(State::One(class.clone(), next)),
            Pattern::Concat(parts) => self.sequence(parts, next, reading),
            Pattern::From(_, part) => self.part(part, next, reading),
            Pattern::Either(branches) => {
                let branches = branches.iter().map(|branch| self.part(branch, next, reading));
                let branches = branches.collect::<Option<Vec<u32>>>()?;
                self.add(State::Either(branches))
            }
            Pattern::Repeat { what, min, max, .. } => self.repeat(what, *min, *max, next, reading),
            Pattern::Save(_) => Some(next),
            Pattern::Guard => self.add(State::Guard(next)),
            Pattern::HiveGuard if reading == Reading::Less => self.add(State::Guard(next)),
            Pattern::HiveGuard => Some(next),
            Pattern::Look { .. } | Pattern::Again { .. } if reading == Reading::Less => self.add(State::Fail),
            Pattern::Look { .. } => Some(next),
            Pattern::Again { .. } => {
                let anything = Pattern::Class(Class::anything());
                self.repeat(&anything, 0, None, next, reading)
            }
        }
    }

    fn repeat(&mut self, what: &Pattern, min: u32, max: Option<u32>, next: u32, reading: Reading) -> Option<u32> {
        let mut next = match max {
            None => {
                let again = self.add(State::Fail)?;
                let inner = self.part(what, again, reading)?;
                self.states[again as usize] = State::Either(vec![inner, next]);
                again
            }
            Some(max) => (min..max).try_fold(next, |behind, _| {
                let inner = self.part(what, behind, reading)?;
                self.add(State::Either(vec![inner, next]))
            })?,
        };
        for _ in 0..min {
            next = self.part(what, next, reading)?;
        }
        Some(next)
    }
}

/// A character for each set of characters that no class of either pattern tells apart.
fn alphabet(one: &States, other: &States) -> Vec<char> {
    let mut starts: BTreeSet<u32> =
        ['\0', '.', '_', '=', '/'].into_iter().flat_map(|c| [c as u32, c as u32 + 1]).collect();
    for state in one.states.iter().chain(&other.states) {
        let State::One(class, _) = state else { continue };
        let ascii = (0..128u32).filter(|c| class.ascii >> c & 1 == 1);
        starts.extend(ascii.flat_map(|c| [c, c + 1]));
        starts.extend(class.others.iter().flat_map(|(first, last)| [*first as u32, *last as u32 + 1]));
    }
    starts.insert(128);
    starts.into_iter().filter_map(char::from_u32).collect()
}

/// A way through a pattern: a state, whether the guard waits to see the next character, and whether a `=` is owed before
/// the component ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Way {
    state: u32,
    guarded: bool,
    owes: bool,
}

struct Inclusion<'s> {
    earlier: &'s States,
    later: &'s States,
    alphabet: Vec<char>,
}

impl Inclusion<'_> {
    fn holds(&self, left: &mut usize) -> bool {
        let mut seen = HashSet::new();
        let earlier = self.earlier.start();
        let mut open: Vec<(Way, Vec<Way>, bool)> =
            self.later.start().into_iter().map(|way| (way, earlier.clone(), false)).collect();
        let mut steps = 0;
        while let Some((way, ways, behind_slash)) = open.pop() {
            if !seen.insert((way, ways.clone(), behind_slash)) {
                continue;
            }
            if accepts(self.later, way) && !ways.iter().any(|way| accepts(self.earlier, *way)) {
                return false;
            }
            for c in &self.alphabet {
                let Some(next) = step(self.later, way, *c) else { continue };
                steps += 1 + ways.len();
                *left = left.saturating_sub(1 + ways.len());
                if steps > PAIR_LIMIT || *left == 0 {
                    return false;
                }
                let slash = *c == '/';
                let others = closed(self.earlier, ways.iter().filter_map(|way| step(self.earlier, *way, *c)), slash);
                for next in closed(self.later, [next], slash) {
                    open.push((next, others.clone(), slash));
                }
            }
        }
        true
    }
}

fn accepts(states: &States, way: Way) -> bool {
    matches!(states.states[way.state as usize], State::Match) && !way.owes
}

fn step(states: &States, way: Way, c: char) -> Option<Way> {
    let State::One(class, next) = &states.states[way.state as usize] else { return None };
    if !class.contains(c) || way.guarded && c == '.' || way.owes && c == '/' {
        return None;
    }
    let owes = way.owes && c != '=' || way.guarded && c == '_';
    Some(Way { state: *next, guarded: false, owes })
}

/// All that is reached without a character, sorted; only states that wait for one, or are the end.
fn closed(states: &States, from: impl IntoIterator<Item = Way>, behind_slash: bool) -> Vec<Way> {
    let mut open: Vec<Way> = from.into_iter().collect();
    let mut seen: HashSet<Way> = open.iter().copied().collect();
    let mut found = Vec::new();
    while let Some(way) = open.pop() {
        let mut add = |next: Way| {
            if seen.insert(next) {
                open.push(next);
            }
        };
        match &states.states[way.state as usize] {
            State::One(..) | State::Match => found.push(way),
            State::Fail => {}
            State::Either(branches) => branches.iter().for_each(|state| add(Way { state: *state, ..way })),
            State::Guard(next) => add(Way { state: *next, guarded: way.guarded || behind_slash, ..way }),
        }
    }
    found.sort_unstable();
    found
}
