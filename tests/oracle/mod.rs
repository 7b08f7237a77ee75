//! An independent reading of the rule language: rule file and objects in, what each table takes out.
//!
//! Written from the language's text alone, as plainly as it goes: TOML tables, one regular expression a rule, every
//! object through every rule. It uses nothing of the product, so that the two cannot be wrong together by construction.
//! It reads rule files that `check` accepts, and expects listings that have every attribute the rules ask for.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod template;
pub mod value;

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use template::{Miss, Translated, glob};
use toml::{Table as Toml, Value as TomlValue};
use value::dates::Date;
use value::{Value, natural, typed};

#[derive(Clone, Debug, Default)]
pub struct Object {
    pub uri: String,
    pub size: Option<u64>,
    /// Seconds since 1970, UTC.
    pub modified: Option<i64>,
    pub storage_class: Option<String>,
}

/// One table takes an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken {
    pub table: String,
    /// From 1.
    pub rule: usize,
    pub partition: Vec<(String, Option<String>)>,
    /// What the manifest says: the URI, or under `line = "prefix"` its prefix.
    pub line: String,
}

/// Why a table leaves an object, the furthest that it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    Location,
    Skipped(Skipped),
    Unmatched,
    BadDate,
    Excluded,
    Filtered,
    Waiting,
    BadValue,
    NoSuchKey,
    Superseded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skipped {
    Marker,
    Hidden,
    Folder,
    Empty,
    Archived,
}

/// The names that one marker binds, and their values.
type Bound = Vec<(String, Value)>;

/// What becomes of one object: who takes it, or why nobody does.
pub type Fate = Result<Vec<Taken>, Why>;

pub struct Oracle {
    tables: Vec<Table>,
    lookups: HashMap<String, HashMap<String, String>>,
    claim_first: bool,
    locations: Vec<String>,
}

struct Table {
    name: String,
    columns: Vec<(String, String)>,
    skip: Vec<String>,
    exclude: Vec<String>,
    pick: Vec<Toml>,
    rules: Vec<Rule>,
}

struct Rule {
    number: usize,
    matcher: Matcher,
    exclude: Vec<String>,
    conditions: Vec<(String, String)>,
    done: Option<Translated>,
    done_scheme: String,
    is_prefix_line: bool,
    /// What must be listed for it, as URIs.
    prefixes: Vec<String>,
    set: BTreeMap<String, String>,
}

enum Matcher {
    Template(String, Translated),
    Regex { under: String, ignore_case: bool, regex: regex::Regex },
}

/// An object that a rule of a table has taken, before `pick`.
#[derive(Clone)]
struct Candidate {
    object: usize,
    rule: usize,
    partition: Vec<Option<String>>,
    captures: Vec<(String, Value)>,
    line: String,
}

impl Oracle {
    /// `text` is a rule file whose relative names are not used.
    pub fn new(text: &str) -> Oracle {
        let file: Toml = text.parse().expect("TOML");
        let empty = Toml::new();
        let defaults = file.get("defaults").map_or(&empty, |value| value.as_table().unwrap());
        // The order of the text is the order of the tables.
        let mut tables: Vec<(&String, &Toml)> =
            file["table"].as_table().unwrap().iter().map(|(name, table)| (name, table.as_table().unwrap())).collect();
        tables.sort_by_key(|(name, _)| {
            let header = regex::Regex::new(&format!(r"(?m)^\[table\.{name}\]")).unwrap();
            header.find(text).map_or(usize::MAX, |found| found.start())
        });
        let lookups = file.get("lookup").map_or(&empty, |value| value.as_table().unwrap());
        let texts = |table: &TomlValue| {
            let entries = table.as_table().unwrap().iter();
            entries.map(|(key, value)| (key.clone(), shown(value))).collect()
        };
        let tables: Vec<Table> = tables.into_iter().map(|(name, table)| Table::new(name, table, defaults)).collect();
        Oracle {
            lookups: lookups.iter().map(|(name, table)| (name.clone(), texts(table))).collect(),
            claim_first: defaults.get("claim").and_then(TomlValue::as_str) == Some("first"),
            locations: locations(&file, defaults),
            tables,
        }
    }

    /// The fate of each object of a complete listing, in its order.
    pub fn map(&self, objects: &[Object]) -> Vec<Fate> {
        let markers = self.markers(objects);
        let mut reasons = vec![Why::Unmatched; objects.len()];
        let mut candidates: Vec<Vec<Candidate>> = self.tables.iter().map(|_| Vec::new()).collect();
        for (index, object) in objects.iter().enumerate() {
            if self.locations.iter().any(|location| object.uri.starts_with(location.as_str())) {
                reasons[index] = Why::Location;
                continue;
            }
            let mut whys = Vec::new();
            for (table, found) in self.tables.iter().zip(&mut candidates) {
                match self.take(table, object, &markers[&table.name]) {
                    Ok(candidate) => {
                        found.push(Candidate { object: index, ..candidate });
                        if self.claim_first {
                            break;
                        }
                    }
                    Err(why) => whys.push(why),
                }
            }
            reasons[index] = whys.into_iter().max().unwrap_or(Why::Superseded);
            if reasons[index] == Why::Unmatched && self.all_exclude(object) {
                reasons[index] = Why::Excluded;
            } else if reasons[index] == Why::Unmatched && self.is_hidden(&object.uri) {
                reasons[index] = Why::Skipped(Skipped::Hidden);
            }
        }
        let mut fates: Vec<Vec<Taken>> = vec![Vec::new(); objects.len()];
        for (table, candidates) in self.tables.iter().zip(candidates) {
            for candidate in &candidates {
                reasons[candidate.object] = Why::Superseded;
            }
            for candidate in self.pick(table, candidates, objects) {
                let names = table.columns.iter().map(|(name, _)| name.clone());
                fates[candidate.object].push(Taken {
                    table: table.name.clone(),
                    rule: candidate.rule,
                    partition: names.zip(candidate.partition).collect(),
                    line: candidate.line,
                });
            }
        }
        fates.into_iter().zip(reasons).map(|(taken, why)| if taken.is_empty() { Err(why) } else { Ok(taken) }).collect()
    }

    /// Whether a component that begins below the listing prefix is hidden. Says nothing sensible where only some of the
    /// tables skip such.
    fn is_hidden(&self, uri: &str) -> bool {
        if !self.tables.iter().any(|table| table.skip.iter().any(|skip| skip == "hidden")) {
            return false;
        }
        let all = self.tables.iter().flat_map(|table| table.rules.iter().flat_map(|rule| &rule.prefixes));
        // Where one lies below another, only the shorter is listed.
        let Some(prefix) = all.filter(|prefix| uri.starts_with(prefix.as_str())).min_by_key(|prefix| prefix.len())
        else {
            return false;
        };
        let base = uri.len() - base_name(uri).len();
        let starts = (prefix.len()..=base).filter(|at| uri.as_bytes()[at - 1] == b'/');
        starts.into_iter().any(|at| {
            let component = uri[at..].split('/').next().unwrap();
            let named = at < base && component.starts_with('_') && component.contains('=');
            component.starts_with(['.', '_']) && !named
        })
    }

    /// Per table and rule, what the markers of its `done` bind.
    fn markers(&self, objects: &[Object]) -> HashMap<String, Vec<Vec<Bound>>> {
        let bound = |rule: &Rule| match &rule.done {
            None => Vec::new(),
            Some(done) => {
                let rest = objects.iter().filter_map(|object| object.uri.strip_prefix(&rule.done_scheme));
                rest.filter_map(|rest| done.captures(rest).ok()).collect()
            }
        };
        self.tables.iter().map(|table| (table.name.clone(), table.rules.iter().map(bound).collect())).collect()
    }

    /// Whether every table that does not skip the object excludes it, matched or not: then nobody misses it.
    fn all_exclude(&self, object: &Object) -> bool {
        let mut considered = self.tables.iter().filter(|table| skipped(table, object).is_none());
        considered.all(|table| table.exclude.iter().any(|pattern| excludes(pattern, &object.uri)))
    }

    fn take(&self, table: &Table, object: &Object, markers: &[Vec<Bound>]) -> Result<Candidate, Why> {
        if let Some(skipped) = skipped(table, object) {
            return Err(Why::Skipped(skipped));
        }
        let mut furthest = Why::Unmatched;
        for (rule, markers) in table.rules.iter().zip(markers) {
            match self.take_by(table, rule, object, markers) {
                Ok(candidate) => return Ok(candidate),
                Err(why) => furthest = furthest.max(why),
            }
            // What the table excludes, no later rule of its looks at.
            if furthest >= Why::Excluded && table.exclude.iter().any(|pattern| excludes(pattern, &object.uri)) {
                break;
            }
        }
        Err(furthest)
    }

    fn take_by(&self, table: &Table, rule: &Rule, object: &Object, markers: &[Bound]) -> Result<Candidate, Why> {
        let captures = rule.matcher.captures(&object.uri).map_err(|miss| match miss {
            Miss::Unmatched => Why::Unmatched,
            Miss::BadDate => Why::BadDate,
            Miss::BadValue => Why::BadValue,
        })?;
        if table.exclude.iter().chain(&rule.exclude).any(|pattern| excludes(pattern, &object.uri)) {
            return Err(Why::Excluded);
        }
        if !rule.conditions.iter().all(|(name, test)| holds(name, test, &captures, object)) {
            return Err(Why::Filtered);
        }
        if rule.done.is_some() && !markers.iter().any(|marker| agrees(marker, &captures)) {
            return Err(Why::Waiting);
        }
        let mut partition = Vec::new();
        let mut problem = None;
        for (column, column_type) in &table.columns {
            let value = match rule.set.get(column) {
                Some(expression) => self.evaluate(expression, &captures, object),
                None => Ok(captures.iter().find(|(name, _)| name == column).and_then(|(_, value)| value.shown())),
            };
            match value.and_then(|text| typed(column_type, text).map_err(|()| Why::BadValue)) {
                Ok(value) => partition.push(value),
                Err(why) => problem = problem.or(Some(why)),
            }
        }
        match problem {
            Some(why) => Err(why),
            None => Ok(Candidate { object: 0, rule: rule.number, partition, captures, line: rule.line(&object.uri) }),
        }
    }

    /// `Err(NoSuchKey)` where a lookup misses for good.
    fn evaluate(&self, expression: &str, captures: &[(String, Value)], object: &Object) -> Result<Option<String>, Why> {
        let mut out = Some(String::new());
        let mut missed = false;
        for part in parts_of(expression) {
            let text = match part {
                Part::Text(text) => Some(text),
                Part::Hole(name, filters) => self.hole(&name, &filters, captures, object, &mut missed),
            };
            out = out.zip(text).map(|(out, text)| out + &text);
        }
        if missed { Err(Why::NoSuchKey) } else { Ok(out.filter(|text| !text.is_empty())) }
    }

    fn hole(
        &self,
        name: &str,
        filters: &[(String, String)],
        captures: &[(String, Value)],
        object: &Object,
        missed: &mut bool,
    ) -> Option<String> {
        let mut value = value_of(name, captures, object);
        for (i, (filter, argument)) in filters.iter().enumerate() {
            let text = value.shown();
            value = match (filter.as_str(), text) {
                ("default", None) => Value::text(&unescaped(argument)),
                ("default", Some(_)) => value,
                (_, None) => Value::Null,
                ("lower", Some(text)) => Value::text(&text.to_lowercase()),
                ("upper", Some(text)) => Value::text(&text.to_uppercase()),
                ("pad", Some(text)) => {
                    let missing = argument.parse::<usize>().unwrap().saturating_sub(text.chars().count());
                    Value::Text("0".repeat(missing) + &text)
                }
                ("format", Some(_)) => match value {
                    Value::Date(date) => Value::text(&date.format(argument)),
                    _ => panic!("format of no date"),
                },
                ("lookup", Some(text)) => match self.lookups[argument].get(&text) {
                    Some(found) => Value::text(found),
                    None => {
                        *missed |= !filters[i + 1..].iter().any(|(later, _)| later == "default");
                        Value::Null
                    }
                },
                (other, _) => panic!("a filter {other}"),
            };
        }
        value.shown()
    }

    fn pick(&self, table: &Table, candidates: Vec<Candidate>, objects: &[Object]) -> Vec<Candidate> {
        let mut left = candidates;
        for (step, pick) in table.pick.iter().enumerate() {
            let one = pick["one"].as_str().unwrap();
            let text = |expression: &str, candidate: &Candidate| {
                self.evaluate(expression, &candidate.captures, &objects[candidate.object]).unwrap_or(None)
            };
            let mut arenas: BTreeMap<Vec<Option<String>>, Vec<Candidate>> = BTreeMap::new();
            for candidate in left {
                let arena = match pick.get("per").and_then(TomlValue::as_str) {
                    None => candidate.partition.clone(),
                    Some(per) => match text(per, &candidate) {
                        Some(arena) => vec![Some(arena)],
                        None => vec![None, Some(format!("{step} {}", candidate.object))],
                    },
                };
                arenas.entry(arena).or_default().push(candidate);
            }
            left = Vec::new();
            for (_, arena) in arenas {
                let by_modified = pick.get("by").is_some();
                if one == "rule" {
                    let first = arena.iter().map(|candidate| candidate.rule).min();
                    left.extend(arena.into_iter().filter(|candidate| Some(candidate.rule) == first));
                    continue;
                }
                let group = |candidate: &Candidate| text(one, candidate);
                let newest = |name: &Option<String>| {
                    let of_it = arena.iter().filter(|candidate| group(candidate) == *name);
                    of_it.map(|candidate| objects[candidate.object].modified.expect("modified")).max()
                };
                let mut best = group(&arena[0]);
                for candidate in &arena {
                    let name = group(candidate);
                    let order = by_name(&name, &best);
                    let order = if by_modified { newest(&name).cmp(&newest(&best)).then(order) } else { order };
                    if order == Ordering::Greater {
                        best = name;
                    }
                }
                let winners: Vec<Candidate> =
                    arena.iter().filter(|candidate| group(candidate) == best).cloned().collect();
                left.extend(winners);
            }
        }
        left.sort_by_key(|candidate| candidate.object);
        left
    }
}

/// NULL least; groups that tie in the natural order go by their text.
fn by_name(left: &Option<String>, right: &Option<String>) -> Ordering {
    match (left, right) {
        (Some(left), Some(right)) => natural(left, right).then(left.cmp(right)),
        (left, right) => left.is_some().cmp(&right.is_some()),
    }
}

impl Table {
    fn new(name: &str, table: &Toml, defaults: &Toml) -> Table {
        let of = |key: &str| table.get(key).or_else(|| defaults.get(key));
        let columns = of("partitioned_by").map_or_else(Vec::new, |list| {
            let columns = list.as_array().unwrap().iter().map(|column| column.as_str().unwrap());
            columns
                .map(|column| {
                    let (name, column_type) = column.trim().split_once(char::is_whitespace).unwrap();
                    (name.to_lowercase(), column_type.trim().to_lowercase())
                })
                .collect()
        });
        let all = ["markers", "hidden", "folder", "empty", "archived"];
        let skip = of("skip").map_or_else(|| all.map(str::to_owned).to_vec(), strings);
        let pick = of("pick").map_or_else(Vec::new, |pick| match pick {
            TomlValue::Array(list) => list.iter().map(|one| one.as_table().unwrap().clone()).collect(),
            one => vec![one.as_table().unwrap().clone()],
        });
        let both = [defaults.get("exclude"), table.get("exclude")];
        let rules = table.get("rule").map_or(&[][..], |rules| rules.as_array().unwrap());
        Table {
            name: name.to_owned(),
            columns,
            skip,
            exclude: both.into_iter().flatten().flat_map(strings).collect(),
            pick,
            rules: (1..).zip(rules).map(|(n, rule)| Rule::new(n, rule.as_table().unwrap(), table, defaults)).collect(),
        }
    }
}

impl Rule {
    fn new(number: usize, rule: &Toml, table: &Toml, defaults: &Toml) -> Rule {
        let of = |key: &str| rule.get(key).or_else(|| table.get(key)).or_else(|| defaults.get(key));
        let text = |key: &str| rule.get(key).and_then(TomlValue::as_str);
        let ignore_case = of("ignore_case").is_some_and(|value| value.as_bool().unwrap());
        let levels = [defaults, table, rule];
        let mut set = BTreeMap::new();
        // The table's `where` and the rule's both hold; the defaults' and the table's merge by name.
        let mut merged: BTreeMap<String, TomlValue> = BTreeMap::new();
        for level in levels {
            for (name, value) in level.get("set").into_iter().flat_map(|set| set.as_table().unwrap()) {
                let value = shown(value);
                set.insert(name.to_lowercase(), value);
            }
        }
        for level in [defaults, table] {
            for (name, value) in level.get("where").into_iter().flat_map(|set| set.as_table().unwrap()) {
                merged.insert(name.clone(), value.clone());
            }
        }
        let own = rule.get("where").into_iter().flat_map(|set| set.as_table().unwrap().clone());
        let conditions = merged.into_iter().chain(own).flat_map(|(name, tests)| {
            let tests = match &tests {
                TomlValue::Array(list) => list.iter().map(shown).collect(),
                one => vec![shown(one)],
            };
            tests.into_iter().map(move |test| (name.clone(), test))
        });
        let matcher = match text("match") {
            Some(template) => {
                let scheme = template.split_once("://").unwrap().0;
                Matcher::Template(format!("{scheme}://"), Translated::new(template, ignore_case))
            }
            None => {
                let expression = text("regex").unwrap();
                let regex = regex::RegexBuilder::new(&format!(r"\A(?:{expression})\z"));
                let regex = { regex }.case_insensitive(ignore_case).build().unwrap();
                Matcher::Regex { under: text("under").unwrap().to_owned(), ignore_case, regex }
            }
        };
        let scheme = |text: &str| format!("{}://", text.split_once("://").unwrap().0);
        let done = text("done").map(|done| (scheme(done), Translated::new(done, false)));
        let mut prefixes = matcher.prefixes();
        if let Some((scheme, done)) = &done {
            prefixes.extend(done.prefixes.iter().map(|prefix| format!("{scheme}{prefix}")));
        }
        let (done_scheme, done) = done.unzip();
        Rule {
            number,
            matcher,
            exclude: rule.get("exclude").map_or_else(Vec::new, strings),
            conditions: conditions.collect(),
            done,
            done_scheme: done_scheme.unwrap_or_default(),
            is_prefix_line: text("line") == Some("prefix"),
            prefixes,
            set,
        }
    }
}

impl Rule {
    fn line(&self, uri: &str) -> String {
        match &self.matcher {
            Matcher::Template(scheme, template) if self.is_prefix_line => {
                format!("{scheme}{}", template.prefix(&uri[scheme.len()..]))
            }
            _ => uri.to_owned(),
        }
    }
}

impl Matcher {
    fn prefixes(&self) -> Vec<String> {
        match self {
            Matcher::Template(scheme, template) => {
                template.prefixes.iter().map(|prefix| format!("{scheme}{prefix}")).collect()
            }
            Matcher::Regex { under, ignore_case, .. } => {
                let key = under.len() - key_of(under).len();
                let letter = under[key..].find(char::is_alphabetic).filter(|_| *ignore_case);
                vec![under[..letter.map_or(under.len(), |letter| key + letter)].to_owned()]
            }
        }
    }

    fn captures(&self, uri: &str) -> Result<Vec<(String, Value)>, Miss> {
        match self {
            Matcher::Template(scheme, template) => template.captures(uri.strip_prefix(scheme).ok_or(Miss::Unmatched)?),
            Matcher::Regex { under, ignore_case, regex } => {
                let rest = after_prefix(uri, under, *ignore_case).ok_or(Miss::Unmatched)?;
                let found = regex.captures(rest).ok_or(Miss::Unmatched)?;
                let value = |name| found.name(name).map_or(Value::Null, |text| Value::text(text.as_str()));
                Ok(regex.capture_names().flatten().map(|name| (name.to_owned(), value(name))).collect())
            }
        }
    }
}

/// The bucket is always exact in case.
fn after_prefix<'u>(uri: &'u str, under: &str, ignore_case: bool) -> Option<&'u str> {
    let bucket_end = under.find("://")? + 3;
    let bucket_end = under[bucket_end..].find('/').map_or(under.len(), |slash| bucket_end + slash);
    let rest = uri.strip_prefix(&under[..bucket_end])?;
    let prefix = regex::RegexBuilder::new(&format!(r"\A{}", regex::escape(&under[bucket_end..])));
    let found = { prefix }.case_insensitive(ignore_case).build().unwrap().find(rest)?.end();
    Some(&rest[found..])
}

fn strings(list: &TomlValue) -> Vec<String> {
    match list {
        TomlValue::Array(list) => list.iter().map(|one| one.as_str().unwrap().to_owned()).collect(),
        one => vec![one.as_str().unwrap().to_owned()],
    }
}

fn shown(value: &TomlValue) -> String {
    match value {
        TomlValue::Integer(number) => number.to_string(),
        text => text.as_str().unwrap().to_owned(),
    }
}

fn locations(file: &Toml, defaults: &Toml) -> Vec<String> {
    let mut found = Vec::new();
    for (name, table) in file["table"].as_table().unwrap() {
        let own = table.get("location").or_else(|| defaults.get("location"));
        found.extend(own.map(|location| location.as_str().unwrap().replace("{table}", name)));
    }
    found.iter().map(|location| format!("{}/", location.trim_end_matches('/'))).collect()
}

fn key_of(uri: &str) -> &str {
    uri.split_once("://").unwrap().1.split_once('/').map_or("", |(_, key)| key)
}

fn base_name(uri: &str) -> &str {
    key_of(uri).rsplit('/').next().unwrap()
}

fn skipped(table: &Table, object: &Object) -> Option<Skipped> {
    let base = base_name(&object.uri);
    let archived = matches!(object.storage_class.as_deref(), Some("GLACIER" | "DEEP_ARCHIVE"));
    let tests = [
        ("markers", key_of(&object.uri).ends_with('/'), Skipped::Marker),
        ("hidden", base.starts_with(['.', '_']), Skipped::Hidden),
        ("folder", base.ends_with("_$folder$"), Skipped::Folder),
        ("empty", object.size == Some(0), Skipped::Empty),
        ("archived", archived, Skipped::Archived),
    ];
    tests.into_iter().find(|(name, is_it, _)| *is_it && table.skip.iter().any(|skip| skip == name)).map(|found| found.2)
}

fn excludes(pattern: &str, uri: &str) -> bool {
    let over = match (pattern.contains("://"), pattern.contains('/')) {
        (true, _) => uri,
        (_, true) => key_of(uri),
        _ => base_name(uri),
    };
    glob(pattern).is_match(over).unwrap()
}

fn value_of(name: &str, captures: &[(String, Value)], object: &Object) -> Value {
    match name {
        "@modified" => Value::Date(Date::from_epoch(object.modified.expect("modified"))),
        "@size" => Value::text(&object.size.expect("size").to_string()),
        "@bucket" => Value::text(object.uri.split_once("://").unwrap().1.split('/').next().unwrap()),
        "@name" => Value::text(base_name(&object.uri)),
        _ => captures.iter().find(|(known, _)| known == name).map_or(Value::Null, |(_, value)| value.clone()),
    }
}

fn holds(name: &str, test: &str, captures: &[(String, Value)], object: &Object) -> bool {
    let is_capture = captures.iter().any(|(known, _)| known == name);
    let value = match name {
        _ if is_capture => value_of(name, captures, object).shown(),
        "modified" => Some(Date::from_epoch(object.modified.expect("modified")).format("yyyy-MM-ddTHH:mm:ssZ")),
        "size" => Some(object.size.expect("size").to_string()),
        "storage_class" => Some(object.storage_class.clone().expect("storage class")),
        "bucket" | "name" => value_of(&format!("@{name}"), captures, object).shown(),
        // Another rule of the table binds it; here it is NULL.
        _ => None,
    };
    let Some(value) = value else { return false };
    let operators = ["<=", ">=", "!=", "<", ">", "="];
    let operator = operators.into_iter().find(|operator| test.starts_with(operator));
    let order = natural(&value, test[operator.map_or(0, str::len)..].trim_start());
    match operator.unwrap_or("=") {
        "<=" => order.is_le(),
        ">=" => order.is_ge(),
        "!=" => order.is_ne(),
        "<" => order.is_lt(),
        ">" => order.is_gt(),
        _ => order.is_eq(),
    }
}

/// Dates agree when their values are the same text; NULL agrees with NULL only.
fn agrees(marker: &[(String, Value)], captures: &[(String, Value)]) -> bool {
    marker.iter().all(|(name, value)| {
        let own = captures.iter().find(|(known, _)| known == name).expect("the rule binds what its marker does");
        own.1.shown() == value.shown()
    })
}

enum Part {
    Text(String),
    Hole(String, Vec<(String, String)>),
}

fn parts_of(expression: &str) -> Vec<Part> {
    let chars: Vec<char> = expression.chars().collect();
    let mut parts = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        match chars[i] {
            '\\' => {
                parts.push(Part::Text(chars[i + 1].to_string()));
                i += 2;
            }
            '{' => {
                let mut pieces = vec![String::new()];
                let mut in_argument = false;
                i += 1;
                while in_argument || chars[i] != '}' {
                    match chars[i] {
                        '\\' => {
                            pieces.last_mut().unwrap().push('\\');
                            i += 1;
                            pieces.last_mut().unwrap().push(chars[i]);
                        }
                        '|' if !in_argument => pieces.push(String::new()),
                        c => {
                            in_argument = c == '(' || in_argument && c != ')';
                            pieces.last_mut().unwrap().push(c);
                        }
                    }
                    i += 1;
                }
                i += 1;
                let filters = pieces[1..].iter().map(|filter| {
                    let (name, argument) = filter.split_once('(').unwrap_or((filter, ""));
                    (name.to_owned(), argument.strip_suffix(')').unwrap_or(argument).to_owned())
                });
                parts.push(Part::Hole(pieces[0].clone(), filters.collect()));
            }
            c => {
                parts.push(Part::Text(c.to_string()));
                i += 1;
            }
        }
    }
    parts
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}
