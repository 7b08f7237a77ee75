//! Rules inverted: from what partition columns may be to the prefixes below which their objects lie.
//!
//! Pure. A template is walked from the left with all that its captures must have said; what cannot be told (a lookup with a
//! default, `lower`, `{@modified}`, a free `*`) ends the prefix in front of it. Every object that maps into such a
//! partition lies below one of the prefixes, and more may: what they list is mapped as ever.

mod fields;
mod needs;
mod spell;

use std::collections::BTreeMap;

use self::fields::Known;
use self::needs::{Needs, Solver};
use self::spell::Spelling;
use super::date::{DateForm, DatePart, Field};
use super::set::{Attribute, Expression, ExpressionPart, Filter, HoleSource, HoleValue, Outcome};
use super::table::{Claim, Matcher, Rule, Rules, Table, ValueSource};
use super::template::{CaptureKind, Piece, PieceKind, Template};
use super::wanted::{Allowed, Wanted};
use crate::uri::{Bucket, Scheme, Uri};
use crate::value::PartitionType;

/// Prefixes that one rule's walk may split into; where there would be more, they end in front of what splits them.
const MAX_PREFIXES: usize = 1000;

/// A prefix to list, or what lies behind a key of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reach {
    pub prefix: Uri,
    /// Nothing that is wanted lies below `prefix` with a key less than this.
    pub from: Option<String>,
}

/// What must be listed so that every object of the wanted partitions comes, and the markers that a `done` waits for:
/// sorted, none inside another. `wanted` has one entry per table of the rules.
pub fn listed(rules: &Rules, wanted: &[Wanted]) -> Vec<Reach> {
    let mut all = Vec::new();
    // Under `claim = "first"` an object that no marker holds for one table is another's.
    let any_table = rules.claim == Claim::First && wanted.iter().any(|wanted| !wanted.is_empty());
    for (table, wanted) in rules.tables.iter().zip(wanted) {
        for allowed in wanted.each() {
            for rule in &table.rules {
                all.extend(rule_reaches(rules, table, rule, &allowed));
            }
        }
        if any_table || !wanted.is_empty() {
            let markers = table.rules.iter().filter(|rule| !marker_follows(rules, table, rule));
            let markers = markers.filter_map(|rule| rule.done.as_ref());
            all.extend(markers.flat_map(|done| done.literal_prefixes(false)).map(Reach::from));
        }
    }
    merge(all)
}

/// The prefixes below which `rule` finds the objects of the partitions that `allowed` (one per partition column) holds
/// for, and their markers; none where it gives no such partition.
pub fn rule_reaches(rules: &Rules, table: &Table, rule: &Rule, allowed: &[Allowed]) -> Vec<Reach> {
    let walk = Walk::new(rules, table, rule, allowed);
    let (needs, template) = match (walk.needs(), &rule.matcher) {
        (Some(needs), Matcher::Template(template)) => (needs, template),
        (Some(needs), Matcher::Regex { .. }) if needs.is_empty() => return Vec::new(),
        _ => return super::listed(rule).into_iter().map(Reach::from).collect(),
    };
    let mut all = Vec::new();
    for needs in &needs {
        all.extend(walk.reaches(template, needs, rule.ignore_case, true));
        if let Some(done) = rule.done.as_ref().filter(|_| marker_follows(rules, table, rule)) {
            all.extend(walk.reaches(done, needs, false, false));
        }
    }
    merge(all)
}

/// Sorts reaches and drops those that lie inside another.
pub fn merge(mut all: Vec<Reach>) -> Vec<Reach> {
    all.sort();
    let mut merged: Vec<Reach> = Vec::new();
    for reach in all {
        // What encloses it is one of those whose prefix begins its own: they stand before it.
        let covers = |outer: &Reach| {
            outer.prefix.is_prefix_of(&reach.prefix)
                && outer.from.as_ref().is_none_or(|from| reach.from.as_ref().unwrap_or(&reach.prefix.key) >= from)
        };
        if !merged.iter().rev().take_while(|outer| outer.prefix.bucket == reach.prefix.bucket).any(covers) {
            merged.push(reach);
        }
    }
    merged
}

impl From<Uri> for Reach {
    fn from(prefix: Uri) -> Reach {
        Reach { prefix, from: None }
    }
}

/// Whether the markers that `rule` waits for have a say for its own partitions only: no other rule gets what it leaves.
fn marker_follows(rules: &Rules, table: &Table, rule: &Rule) -> bool {
    let others = rules.tables.iter().filter(|other| rules.claim == Claim::First || other.name == table.name);
    others.flat_map(|table| &table.rules).filter(|other| !std::ptr::eq(*other, rule)).all(|other| apart(rule, other))
}

/// Whether no object can be taken by both.
pub fn apart(one: &Rule, other: &Rule) -> bool {
    let others = other.openings();
    one.openings().iter().all(|own| others.iter().all(|other| !own.is_prefix_of(other) && !other.is_prefix_of(own)))
}

/// One rule, held against what its table's partition columns may be.
struct Walk<'r> {
    rules: &'r Rules,
    rule: &'r Rule,
    columns: Vec<Column<'r>>,
}

struct Column<'r> {
    source: &'r ValueSource,
    kind: PartitionType,
    allowed: &'r Allowed,
}

/// One way through a template, up to its first hole.
#[derive(Clone, Debug, Default)]
struct Path {
    /// Text behind `scheme://` that every match begins with.
    text: String,
    /// A hole follows: nothing is added any more.
    ended: bool,
    from: Option<String>,
    /// What captures say, and as what it stands in the key; `None` is NULL.
    texts: BTreeMap<String, (Option<String>, String)>,
    dates: BTreeMap<String, Known>,
}

/// What a column's value is known to be.
enum Value {
    Whole(Option<String>),
    Begins(String),
    Never,
}

impl<'r> Walk<'r> {
    fn new(rules: &'r Rules, table: &'r Table, rule: &'r Rule, allowed: &'r [Allowed]) -> Walk<'r> {
        let columns = rule.values.iter().zip(&table.partitioned_by).zip(allowed);
        let columns =
            columns.map(|((source, column), allowed)| Column { source, kind: column.partition_type(), allowed });
        Walk { rules, rule, columns: columns.filter(|column| !column.allowed.is_any()).collect() }
    }

    /// Every way in which captures give an allowed partition; `None` where nothing narrows.
    fn needs(&self) -> Option<Vec<Needs>> {
        let template = match &self.rule.matcher {
            Matcher::Template(template) => Some(template),
            Matcher::Regex { .. } => None,
        };
        let solver = Solver { template, lookups: &self.rules.lookups };
        let mut needs = vec![Needs::default()];
        for column in &self.columns {
            let Some(values) = column.allowed.values() else { continue };
            // Too many to tell apart: the walk holds each against what it may be.
            needs = solver.column(column.source, &column.kind, &values, &needs).unwrap_or(needs);
        }
        let fixed = |column: &Column<'_>| match column.source {
            ValueSource::Expression(expression) => expression.holes().next().is_none(),
            ValueSource::Capture(_) => false,
        };
        let nothing = Path::default();
        if self.columns.iter().filter(|column| fixed(column)).any(|column| !self.may_be(column, &nothing, false)) {
            needs.clear();
        }
        (!self.columns.is_empty()).then_some(needs)
    }

    /// The prefixes of a template whose captures say what they must: the rule's own if `whole`, where a name that no piece
    /// binds is NULL, else its marker's.
    fn reaches(&self, template: &Template, needs: &Needs, ignore_case: bool, whole: bool) -> Vec<Reach> {
        let is_file = template.scheme == Scheme::File;
        let pieces = Pieces { walk: self, needs, ignore_case, is_marker: !whole, is_file };
        let paths = pieces.sequence(&template.pieces, vec![Path::default()]);
        let ends_well =
            |path: &Path| path.ended || !whole || self.columns.iter().all(|column| self.may_be(column, path, true));
        paths.into_iter().filter(ends_well).map(|path| path.reach(template.scheme)).collect()
    }

    /// Whether the column may be allowed, as far as the path goes; `whole` where no more comes.
    fn may_be(&self, column: &Column<'_>, path: &Path, whole: bool) -> bool {
        match self.value(column.source, path, whole) {
            Value::Whole(text) => {
                let value = column.kind.value(text.as_deref().unwrap_or_default());
                value.is_some_and(|value| column.allowed.contains(&value))
            }
            // Zeros may stand in front of a whole number.
            Value::Begins(text) => {
                matches!(column.kind, PartitionType::Integer { .. }) || column.allowed.may_begin(&text)
            }
            Value::Never => false,
        }
    }

    fn allows(&self, path: &Path) -> bool {
        self.columns.iter().all(|column| self.may_be(column, path, false))
    }

    fn value(&self, source: &ValueSource, path: &Path, whole: bool) -> Value {
        match source {
            ValueSource::Expression(expression) => self.expression(expression, path, whole),
            ValueSource::Capture(name) => match (path.texts.get(name), path.dates.get(name)) {
                (Some((value, _)), _) => Value::Whole(value.clone()),
                (None, Some(known)) => fields::value_begins(known).map_or(Value::Never, Value::Begins),
                (None, None) if whole => Value::Whole(None),
                (None, None) => Value::Begins(String::new()),
            },
        }
    }

    fn expression(&self, expression: &Expression, path: &Path, whole: bool) -> Value {
        let lookup = |table: usize, key: &str| self.rules.lookups[table].entries.get(key).map(String::as_str);
        let mut text = String::new();
        for part in &expression.parts {
            let hole = match part {
                ExpressionPart::Text(literal) => {
                    text.push_str(literal);
                    continue;
                }
                ExpressionPart::Hole(hole) => hole,
            };
            let value = match &hole.from {
                HoleSource::Capture(name) => match (path.texts.get(name), path.dates.get(name)) {
                    (Some((value, _)), _) => value.as_deref().map_or(HoleValue::Null, HoleValue::Text),
                    (None, Some(known)) => match hole.filters.as_slice() {
                        [Filter::Format(form)] => match fields::begins(form, known) {
                            Some((formatted, true)) => {
                                text.push_str(&formatted);
                                continue;
                            }
                            Some((formatted, false)) => return Value::Begins(text + &formatted),
                            None => return Value::Never,
                        },
                        _ => return Value::Begins(text),
                    },
                    (None, None) if whole => HoleValue::Null,
                    (None, None) => return Value::Begins(text),
                },
                HoleSource::Attribute(Attribute::Bucket) => match path.bucket() {
                    Some("") => HoleValue::Null,
                    Some(bucket) => HoleValue::Text(bucket),
                    None => return Value::Begins(text),
                },
                HoleSource::Attribute(_) => return Value::Begins(text),
            };
            match hole.evaluate(&mut text, value, &lookup) {
                Outcome::Text => {}
                Outcome::Null => return Value::Whole(None),
                Outcome::NoSuchKey => return Value::Never,
            }
        }
        Value::Whole(Some(text))
    }

    /// The column whose value is this capture, and nothing else.
    fn column_of(&self, name: Option<&str>) -> Option<&Column<'r>> {
        self.columns.iter().find(|column| match column.source {
            ValueSource::Capture(source) => Some(source.as_str()) == name,
            ValueSource::Expression(expression) => match expression.parts.as_slice() {
                [ExpressionPart::Hole(hole)] if hole.filters.is_empty() => {
                    matches!(&hole.from, HoleSource::Capture(source) if Some(source.as_str()) == name)
                }
                _ => false,
            },
        })
    }

    /// Whether some column that is not free has to do with a capture.
    fn concerns(&self, name: Option<&str>) -> bool {
        self.columns.iter().any(|column| match column.source {
            ValueSource::Capture(source) => Some(source.as_str()) == name,
            ValueSource::Expression(expression) => name.is_some_and(|name| expression.captures().contains(&name)),
        })
    }
}

impl Path {
    /// `None` while it is not known whole.
    fn bucket(&self) -> Option<&str> {
        self.text.split_once('/').map(|(bucket, _)| bucket)
    }

    fn ended(mut self) -> Path {
        self.ended = true;
        self
    }

    fn reach(self, scheme: Scheme) -> Reach {
        let (bucket, key) = self.text.split_once('/').unwrap_or((&self.text, ""));
        let from = self.from.as_ref().and_then(|from| from.split_once('/')).map(|(_, key)| key.to_owned());
        Reach { prefix: Uri::new(Bucket::new(scheme, bucket), key), from }
    }
}

/// A template's pieces, walked.
struct Pieces<'w, 'r> {
    walk: &'w Walk<'r>,
    needs: &'w Needs,
    ignore_case: bool,
    /// What names agree with is said by the object, not here.
    is_marker: bool,
    /// Local paths begin with the slash behind their empty bucket.
    is_file: bool,
}

impl Pieces<'_, '_> {
    fn sequence(&self, pieces: &[Piece], mut paths: Vec<Path>) -> Vec<Path> {
        for piece in pieces {
            let in_bucket = !self.is_file && paths.iter().any(|path| !path.ended && path.bucket().is_none());
            let mut grown = Vec::new();
            for path in &paths {
                match path.ended {
                    true => grown.push(path.clone()),
                    false => self.piece(&piece.kind, path, &mut grown),
                }
            }
            if grown.len() > MAX_PREFIXES.max(paths.len()) && !in_bucket {
                return paths.into_iter().map(Path::ended).collect();
            }
            paths = grown;
        }
        paths
    }

    fn piece(&self, kind: &PieceKind, path: &Path, grown: &mut Vec<Path>) {
        match kind {
            PieceKind::Text(text) => grown.push(self.with(path, text)),
            PieceKind::Alternatives(branches) => {
                grown.extend(branches.iter().flat_map(|branch| self.sequence(branch, vec![path.clone()])));
            }
            PieceKind::Repeat(name) => grown.push(match path.texts.get(name) {
                Some((_, raw)) => self.with(path, raw),
                None => path.clone().ended(),
            }),
            PieceKind::Capture { name, kind: CaptureKind::Date(form) } => {
                grown.extend(self.date(form, name.as_deref(), path));
            }
            PieceKind::Capture { name, kind } => self.capture(name.as_deref(), kind, path, grown),
            PieceKind::Star | PieceKind::AnyChar | PieceKind::Class(_) | PieceKind::Directories | PieceKind::Below => {
                grown.push(path.clone().ended());
            }
        }
    }

    /// Text of the template: where case does not count, up to its first letter.
    fn with(&self, path: &Path, text: &str) -> Path {
        let mut grown = path.clone();
        for c in text.chars() {
            if self.ignore_case && (self.is_file || grown.bucket().is_some()) && super::template::has_case(c) {
                grown.ended = true;
                break;
            }
            grown.text.push(c);
        }
        grown
    }

    fn allows(&self, path: &Path) -> bool {
        self.is_marker || self.walk.allows(path)
    }

    fn capture(&self, name: Option<&str>, kind: &CaptureKind, path: &Path, grown: &mut Vec<Path>) {
        if let Some((name, need)) = name.and_then(|name| Some((name, self.needs.text(name)?))) {
            let all = need.texts.iter().flat_map(|text| {
                spell::spellings(kind, text.as_deref(), need.is_number && text.is_some(), self.ignore_case)
            });
            grown.extend(all.map(|spelling| spelled(path, name, spelling)).filter(|path| self.allows(path)));
            return;
        }
        let bound = |item: &str| {
            let mut next = self.with(path, item);
            if let Some(name) = name.filter(|_| !next.ended) {
                next.texts.insert(name.to_owned(), (Some(item.to_owned()), item.to_owned()));
            }
            next
        };
        match kind {
            CaptureKind::In(items) => {
                grown.extend(items.iter().map(|item| bound(item)).filter(|path| self.allows(path)));
            }
            CaptureKind::IntOf(digits @ 1..=4) if self.walk.concerns(name) => {
                let width = *digits as usize;
                let all = (0..10usize.pow(*digits)).map(|number| format!("{number:0width$}"));
                let all = all.map(|text| (bound(&text), text));
                let all: Vec<_> = all.map(|(next, text)| (text, Some(next).filter(|next| self.allows(next)))).collect();
                grown.extend(fewest(path, "", &all));
            }
            _ => grown.extend(self.free(name, kind, path)),
        }
    }

    /// A capture of which only bounds are known, if anything is.
    fn free(&self, name: Option<&str>, kind: &CaptureKind, path: &Path) -> Vec<Path> {
        let ends = || vec![path.clone().ended()];
        let is_text = matches!(kind, CaptureKind::Plain | CaptureKind::Hive | CaptureKind::Re(_) | CaptureKind::Path);
        let Some(column) = self.walk.column_of(name).filter(|_| is_text) else { return ends() };
        let is_hive = *kind == CaptureKind::Hive;
        if column.kind == PartitionType::Date && column.allowed.least().is_some() {
            let mut all = Vec::new();
            days(column.allowed, "", &mut all);
            let escaped = |text: &str| (0..text.len()).map(|at| format!("{}%", &text[..at])).collect::<Vec<_>>();
            let escaped = all.iter().filter(|_| is_hive).flat_map(|text| escaped(text));
            let all: Vec<String> = escaped.chain(all.iter().cloned()).collect();
            return all.iter().map(|text| plus(path, text).ended()).collect();
        }
        // What Hive may write in another way is no text that keys are in the order of.
        let plain = |text: &'_ str| {
            let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'));
            text[..end.filter(|_| is_hive).unwrap_or(text.len())].to_owned()
        };
        let common = plain(column.allowed.common());
        let mut all = vec![plus(path, &common).ended()];
        if let Some(least) = column.allowed.least().map(plain) {
            all[0].from = (least.len() > common.len()).then(|| format!("{}{least}", path.text));
            let ends = (0..least.len()).filter(|_| is_hive);
            all.extend(ends.map(|at| plus(path, &format!("{}%", &least[..at])).ended()));
        }
        all
    }

    /// A date's piece, field by field.
    fn date(&self, form: &DateForm, name: Option<&str>, path: &Path) -> Vec<Path> {
        let mut paths = vec![path.clone()];
        for part in &form.parts {
            let mut grown = Vec::new();
            for path in &paths {
                match part {
                    _ if path.ended => grown.push(path.clone()),
                    DatePart::Text(text) => grown.push(self.with(path, text)),
                    DatePart::Field(field) => grown.extend(self.field(*field, name, path)),
                }
            }
            paths = grown;
        }
        paths
    }

    fn field(&self, field: Field, name: Option<&str>, path: &Path) -> Vec<Path> {
        let ends = || vec![path.clone().ended()];
        let Some(name) = name.filter(|name| self.walk.concerns(Some(name)) || self.needs.date(name).is_some()) else {
            return ends();
        };
        let mut known = path.dates.get(name).cloned().unwrap_or_default();
        // What is needed counts, but only what the key has said is held against the columns.
        let needed = self.needs.date(name);
        for (unit, value) in needed.into_iter().flatten() {
            if *known.entry(*unit).or_insert(*value) != *value {
                return Vec::new();
            }
        }
        let only = fields::only_value(field, &known);
        let mut all = Vec::new();
        for value in only.map_or_else(|| fields::all_values(field).collect(), |only| vec![only]) {
            let Some(spellings) = fields::spellings(field, value) else { return ends() };
            let mut next = path.clone();
            let fits = fields::note(next.dates.entry(name.to_owned()).or_default(), field, value) && self.allows(&next);
            all.extend(spellings.into_iter().map(|text| (text.clone(), fits.then(|| plus(&next, &text)))));
        }
        if only.is_some() { all.into_iter().filter_map(|(_, next)| next).collect() } else { fewest(path, "", &all) }
    }
}

/// The path with text behind it that stands so in every key.
fn plus(path: &Path, text: &str) -> Path {
    let mut grown = path.clone();
    grown.text.push_str(text);
    grown
}

fn spelled(path: &Path, name: &str, spelling: Spelling) -> Path {
    let mut grown = plus(path, &spelling.raw);
    match spelling.ends {
        true => grown.ended = true,
        // A later capture of that name has no say.
        false => drop(grown.texts.entry(name.to_owned()).or_insert((spelling.value, spelling.raw))),
    }
    grown
}

/// The paths of all that fits, of texts that could stand here: where all do that begin alike, the path ends there.
fn fewest(path: &Path, begin: &str, all: &[(String, Option<Path>)]) -> Vec<Path> {
    let mut fits = all.iter().filter_map(|(_, next)| next.as_ref());
    match (all.len(), fits.clone().count()) {
        (_, 0) => Vec::new(),
        (1, _) => fits.next().cloned().into_iter().collect(),
        (all, fit) if all == fit => vec![plus(path, begin).ended()],
        _ => {
            let mut groups: BTreeMap<&str, Vec<(String, Option<Path>)>> = BTreeMap::new();
            for (text, next) in all {
                let end = text[begin.len()..].chars().next().map_or(0, char::len_utf8);
                groups.entry(&text[..begin.len() + end]).or_default().push((text.clone(), next.clone()));
            }
            groups.into_iter().flat_map(|(begin, all)| fewest(path, begin, &all)).collect()
        }
    }
}

/// What the days begin with that a column may be, in as few texts as there are; whether all do that begin so.
fn days(allowed: &Allowed, begin: &str, all: &mut Vec<String>) -> bool {
    const LEN: usize = "yyyy-MM-dd".len();
    if !allowed.may_begin(begin) {
        return false;
    }
    if begin.len() == LEN || allowed.holds_all(begin) {
        all.push(begin.to_owned());
        return true;
    }
    let next = match begin.len() {
        4 | 7 => "-",
        5 => "01",
        8 => "0123",
        _ => "0123456789",
    };
    let first = all.len();
    let whole = next.chars().filter(|c| days(allowed, &format!("{begin}{c}"), all)).count() == next.len();
    if whole {
        all.truncate(first);
        all.push(begin.to_owned());
    }
    whole
}
