//! All rules of all tables, compiled once. Shared by every mapper; nothing in it changes while keys are mapped.

use std::collections::{BTreeSet, HashMap};

use super::Why;
use super::base_name::BaseName;
use super::code::{Code, Instruction};
use super::openings::Openings;
use super::page::Object;
use super::pattern::{Pattern, RulePattern, plain};
use super::split::{Split, split};
use super::values::{Name, names};
use crate::rules::set::{Attribute, HoleSource};
use crate::rules::table::{
    Condition, ConditionOn, Exclude, ExcludeOver, LineKind, Matcher, Rule, Rules, Skip, Table, ValueSource,
};
use crate::rules::template::merge_prefixes;
use crate::uri::{Bucket, Uri, is_sibling};
use crate::value::ValueType;

/// The compiled rules; see [`super::Mapper`] for how keys pass through them.
#[derive(Debug)]
pub struct Program {
    pub(crate) rules: Rules,
    pub(crate) tables: Vec<TableProgram>,
    /// Locations of tables, published or removed: no key below them is an object.
    locations: Vec<Uri>,
    /// Where listings begin: literal prefixes of rules, none inside another, and whether a table that reads there skips
    /// hidden names.
    prefixes: Vec<(Uri, bool)>,
    /// Markers that rules wait for, one per rule with `done`.
    pub(crate) markers: Vec<MarkerProgram>,
    /// The directory parts of patterns, each once.
    pub(crate) directories: Vec<DirectoryProgram>,
    /// Every `exclude`, each once.
    pub(crate) excludes: Vec<ExcludeProgram>,
    /// What can lie in each bucket that a rule names.
    buckets: Vec<BucketProgram>,
    /// Every reason to skip that some table has.
    pub(crate) skips: Skips,
    /// Slots that the largest pattern needs.
    pub(crate) most_slots: usize,
}

#[derive(Debug)]
pub(crate) struct TableProgram {
    pub rules: Vec<RuleProgram>,
    pub types: Vec<ValueType>,
    pub skips: Skips,
    /// Indices into [`Program::excludes`].
    pub excludes: Vec<u32>,
}

/// One rule.
#[derive(Debug)]
pub(crate) struct RuleProgram {
    pub compiled: Compiled,
    /// The slot where the line ends, for `line = "prefix"`.
    pub line_end: Option<u32>,
    /// An index into [`Program::markers`].
    pub marker: Option<u32>,
    /// Indices into [`Program::excludes`].
    pub excludes: Vec<u32>,
    pub decided_by: DecidedBy,
}

/// What an outcome depends on once a rule matches: how long it can be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecidedBy {
    /// The captures, all of which lie in the directory.
    Directory,
    /// The captures.
    Captures,
    /// The object too: its attributes, a marker, or the table's `pick`.
    Object,
}

/// A `done` template: what is a marker, and the names that an object must agree in.
#[derive(Debug)]
pub(crate) struct MarkerProgram {
    pub compiled: Compiled,
    /// The names that it binds, each once.
    pub binds: Vec<String>,
}

/// A `match`, `regex` or `done`, ready to run.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// What every URI that matches begins with one of.
    pub openings: Vec<Uri>,
    pub pattern: RulePattern,
    pub names: Vec<Name>,
    pub how: How,
}

/// How a pattern is matched.
#[derive(Debug)]
pub(crate) enum How {
    /// In two parts: the directory, an index into [`Program::directories`], and the base name.
    Split { directory: u32, base_name: BaseNameProgram },
    /// The whole text at once.
    Whole(Code),
}

#[derive(Debug)]
pub(crate) struct BaseNameProgram {
    /// Where it can be had without backtracking.
    pub fast: Option<BaseName>,
    pub code: Code,
}

/// The directory part of one pattern or several.
#[derive(Debug)]
pub(crate) struct DirectoryProgram {
    parts: Vec<Pattern>,
    asked: Vec<u32>,
    pub code: Code,
    /// The slots that it fills.
    pub saves: Vec<u32>,
    /// One more than the last of them.
    pub slots: u32,
    /// A text that stands somewhere in every match.
    inner: Option<memchr::memmem::Finder<'static>>,
}

/// An `exclude`, by how little of an object it must see.
#[derive(Debug)]
pub(crate) enum ExcludeProgram {
    /// The directory decides.
    Directory(Exclude),
    /// The end of the base name decides.
    Suffix(String),
    Any(Exclude),
}

/// The rules and markers that can match in one bucket, by what their keys begin with.
#[derive(Debug)]
struct BucketProgram {
    bucket: Bucket,
    /// Table and rule.
    rules: Openings<(u32, u32)>,
    markers: Openings<u32>,
}

/// Reasons to skip, a bit each, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Skips(u8);

impl Skips {
    const REASONS: [Why; 5] = [Why::Marker, Why::Hidden, Why::Folder, Why::Empty, Why::Archived];

    fn of(skip: &Skip) -> Skips {
        let flags = [skip.markers, skip.hidden, skip.folder, skip.empty, skip.archived];
        Skips(flags.into_iter().enumerate().fold(0, |all, (bit, set)| all | u8::from(set) << bit))
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The reasons among these that the object gives.
    #[inline]
    pub fn given_by(self, object: &Object<'_>, base_name: &str) -> Skips {
        if self.0 == 0 {
            return self;
        }
        let archived = |class: &str| matches!(class, "GLACIER" | "DEEP_ARCHIVE");
        let reasons = [
            object.key.ends_with('/'),
            base_name.starts_with(['.', '_']),
            base_name.ends_with("_$folder$"),
            object.size == Some(0),
            object.storage_class.is_some_and(archived),
        ];
        Skips(self.0 & reasons.into_iter().enumerate().fold(0, |all, (bit, set)| all | u8::from(set) << bit))
    }

    /// The first reason that a table with `self` has to skip an object with `given`.
    #[inline]
    pub fn why(self, given: Skips) -> Option<Why> {
        let both = self.0 & given.0;
        if both == 0 { None } else { Some(Skips::REASONS[both.trailing_zeros() as usize]) }
    }
}

impl Program {
    /// Compiles every rule. The rules have been checked, so that nothing can fail.
    pub fn new(rules: &Rules) -> Program {
        let mut shared = Shared::default();
        let tables: Vec<TableProgram> = rules.tables.iter().map(|table| shared.table(table)).collect();
        let skips = tables.iter().fold(Skips(0), |all, table| Skips(all.0 | table.skips.0));
        let all = tables.iter().flat_map(|table| table.rules.iter().map(|rule| &rule.compiled));
        let all = all.chain(shared.markers.iter().map(|marker| &marker.compiled));
        Program {
            most_slots: all.map(|compiled| compiled.pattern.slots as usize).max().unwrap_or(0),
            prefixes: listing_prefixes(rules),
            buckets: buckets(&tables, &shared.markers),
            tables,
            locations: locations(rules),
            markers: shared.markers,
            directories: shared.directories,
            excludes: shared.excludes,
            skips,
            rules: rules.clone(),
        }
    }

    /// What must be listed: the literal prefixes of every `match`, `under` and `done`, sorted, none inside another.
    pub fn prefixes(&self) -> impl ExactSizeIterator<Item = &Uri> {
        self.prefixes.iter().map(|(prefix, _)| prefix)
    }

    /// The number of a bucket that some rule or marker names.
    pub(crate) fn bucket_number(&self, bucket: &Bucket) -> Option<u32> {
        (0..).zip(&self.buckets).find(|(_, known)| known.bucket == *bucket).map(|(number, _)| number)
    }

    /// The rules and markers that may take objects of a directory, in the order of the file.
    pub(crate) fn candidates(&self, bucket: u32, path: &str, rules: &mut Vec<(u32, u32)>, markers: &mut Vec<u32>) {
        let known = &self.buckets[bucket as usize];
        known.rules.find(path, rules);
        known.markers.find(path, markers);
    }

    pub(crate) fn table(&self, table: usize) -> &Table {
        &self.rules.tables[table]
    }

    /// Whether the key lies under a location of the file, or under a sibling that a switch made of one.
    pub(crate) fn is_manifest(&self, bucket: &Bucket, key: &str) -> bool {
        self.location_of(bucket, key).is_some()
    }

    /// The location of the file under which a key lies, or under a sibling of which.
    pub(crate) fn location_of(&self, bucket: &Bucket, key: &str) -> Option<&Uri> {
        self.locations.iter().find(|location| {
            location.bucket == *bucket
                && key
                    .strip_prefix(location.key.strip_suffix('/').unwrap_or(&location.key))
                    .is_some_and(|rest| rest.starts_with('/') || is_below_sibling(rest) || location.key.is_empty())
        })
    }

    /// Whether a directory below the prefix that lists this path is hidden, where tables skip such. What stands behind
    /// the last slash does not count.
    pub(crate) fn is_hidden_below(&self, bucket: &Bucket, path: &str) -> bool {
        let Some(below) = self.below_prefix(bucket, path) else { return false };
        let mut rest = below;
        while let Some((_, behind)) = rest.split_once('/') {
            if super::backtrack::is_hidden(rest.as_bytes()) {
                return true;
            }
            rest = behind;
        }
        false
    }

    /// Whether the base name is hidden and stands below the prefix that lists it, where tables skip such.
    pub(crate) fn hides_base_name(&self, object: &Object<'_>, base_name: &str) -> bool {
        base_name.starts_with(['.', '_'])
            && self.below_prefix(object.bucket, object.key).is_some_and(|below| below.ends_with(base_name))
    }

    /// The components of a path that begin behind the prefix that lists it; `None` where none does, or no table that
    /// reads there skips hidden names.
    fn below_prefix<'a>(&self, bucket: &Bucket, path: &'a str) -> Option<&'a str> {
        let covers = |prefix: &Uri| prefix.bucket == *bucket && path.starts_with(&prefix.key);
        let (prefix, _) = self.prefixes.iter().find(|(prefix, skips)| *skips && covers(prefix))?;
        let below = &path[prefix.key.len()..];
        if prefix.key.is_empty() || prefix.key.ends_with('/') {
            return Some(below);
        }
        // The component in which the prefix ends has been named, so it is no hidden one.
        below.split_once('/').map(|(_, rest)| rest)
    }
}

/// Whether what stands behind a location's name begins with a directory that a switch publishes into.
fn is_below_sibling(rest: &str) -> bool {
    rest.split_once('/').is_some_and(|(name, _)| is_sibling(name))
}

fn locations(rules: &Rules) -> Vec<Uri> {
    let published = rules.tables.iter().filter_map(|table| table.location.clone());
    published.chain(rules.removed.iter().map(|removed| removed.location.clone())).collect()
}

/// Where listings begin, merged; each with whether a table that reads there skips hidden names.
fn listing_prefixes(rules: &Rules) -> Vec<(Uri, bool)> {
    let mut all = Vec::new();
    for table in &rules.tables {
        for rule in &table.rules {
            let done = rule.done.iter().flat_map(|done| done.literal_prefixes(false));
            all.extend(rule.openings().into_iter().chain(done).map(|uri| (uri, table.skip.hidden)));
        }
    }
    all.sort();
    let merged = merge_prefixes(all.iter().map(|(uri, _)| uri.clone()));
    // What lies below a prefix comes right behind it.
    let skips = |uri: &Uri| {
        let from = all.partition_point(|(inner, _)| inner < uri);
        all[from..].iter().take_while(|(inner, _)| uri.is_prefix_of(inner)).any(|(_, skips)| *skips)
    };
    merged.into_iter().map(|uri| (uri.clone(), skips(&uri))).collect()
}

/// What the rules of all tables share, while they are compiled.
#[derive(Default)]
struct Shared {
    markers: Vec<MarkerProgram>,
    directories: Vec<DirectoryProgram>,
    /// Indices into `directories`, by their longest text.
    by_text: HashMap<Vec<u8>, Vec<usize>>,
    excludes: Vec<ExcludeProgram>,
    /// What each of `excludes` was made of.
    sources: Vec<(String, ExcludeOver)>,
}

impl Shared {
    fn table(&mut self, table: &Table) -> TableProgram {
        TableProgram {
            rules: table.rules.iter().map(|rule| self.rule(table, rule)).collect(),
            types: table.partitioned_by.iter().map(|column| table.value_type(column)).collect(),
            skips: Skips::of(&table.skip),
            excludes: table.exclude.iter().map(|exclude| self.exclude(exclude)).collect(),
        }
    }

    fn rule(&mut self, table: &Table, rule: &Rule) -> RuleProgram {
        let pattern = match &rule.matcher {
            Matcher::Template(template) => RulePattern::of_template(template, rule.ignore_case),
            Matcher::Regex { under, regex } => RulePattern::of_regex(under, regex, rule.ignore_case),
        };
        let compiled = self.compiled(rule.openings(), pattern);
        let marker = rule.done.as_ref().map(|done| {
            // Markers count case whatever the rule says.
            let compiled = self.compiled(done.literal_prefixes(false), RulePattern::of_template(done, false));
            let binds = compiled.names.iter().map(|name| name.name.clone()).filter(|name| name != "_").collect();
            self.markers.push(MarkerProgram { binds, compiled });
            self.markers.len() as u32 - 1
        });
        RuleProgram {
            line_end: if rule.line_kind == LineKind::Prefix { compiled.pattern.below } else { None },
            decided_by: decided_by(table, rule, &compiled),
            excludes: rule.exclude.iter().map(|exclude| self.exclude(exclude)).collect(),
            compiled,
            marker,
        }
    }

    fn compiled(&mut self, openings: Vec<Uri>, pattern: RulePattern) -> Compiled {
        let parts = plain(&pattern.parts);
        let how = match split(&parts, &pattern) {
            None => How::Whole(Code::new(&parts, &[])),
            Some(Split { directory, base_name }) => {
                let code = Code::new(&base_name, &[]);
                let directory = self.directory(directory, code.asked());
                How::Split { directory, base_name: BaseNameProgram { fast: BaseName::new(&base_name), code } }
            }
        };
        Compiled { openings, names: names(&pattern), how, pattern }
    }

    fn directory(&mut self, parts: Vec<Pattern>, asked: Vec<u32>) -> u32 {
        let alike = self.by_text.entry(longest_text(&parts).unwrap_or_default()).or_default();
        let is_same = |known: &DirectoryProgram| known.parts == parts && known.asked == asked;
        let known = alike.iter().copied().find(|index| is_same(&self.directories[*index]));
        let index = known.unwrap_or_else(|| {
            alike.push(self.directories.len());
            let code = Code::new(&parts, &asked);
            let saved = code.instructions.iter().filter_map(|i| match i {
                Instruction::Save { slot, .. } => Some(*slot),
                _ => None,
            });
            let mut saves: Vec<u32> = saved.collect();
            saves.sort_unstable();
            saves.dedup();
            let slots = saves.last().map_or(0, |last| last + 1);
            let inner = longest_text(&parts).map(|text| memchr::memmem::Finder::new(&text).into_owned());
            self.directories.push(DirectoryProgram { parts, asked, code, saves, slots, inner });
            self.directories.len() - 1
        });
        index as u32
    }

    fn exclude(&mut self, exclude: &Exclude) -> u32 {
        let source = (exclude.source.clone(), exclude.over);
        let index = self.sources.iter().position(|known| *known == source).unwrap_or_else(|| {
            self.sources.push(source);
            self.excludes.push(ExcludeProgram::new(exclude));
            self.excludes.len() - 1
        });
        index as u32
    }
}

impl DirectoryProgram {
    /// A quick look that rules most directories out.
    pub fn may_match(&self, text: &[u8]) -> bool {
        self.inner.as_ref().is_none_or(|inner| inner.find(text).is_some())
    }
}

impl ExcludeProgram {
    fn new(exclude: &Exclude) -> ExcludeProgram {
        let source = exclude.source.as_str();
        let plain = |text: &str| !text.is_empty() && !text.contains(['*', '?', '[', ']', '{', '}', '\\', '/', ',']);
        let suffix = match exclude.over {
            ExcludeOver::BaseName => source.strip_prefix('*'),
            ExcludeOver::Key => source.strip_prefix("**/*"),
            ExcludeOver::Uri => None,
        };
        if let Some(suffix) = suffix.filter(|suffix| plain(suffix)) {
            return ExcludeProgram::Suffix(suffix.to_owned());
        }
        if exclude.is_by_directory() {
            return ExcludeProgram::Directory(exclude.clone());
        }
        ExcludeProgram::Any(exclude.clone())
    }
}

fn buckets(tables: &[TableProgram], markers: &[MarkerProgram]) -> Vec<BucketProgram> {
    let rules = (0..).zip(tables).flat_map(|(table, program)| {
        (0..).zip(&program.rules).flat_map(move |(rule, program)| program.compiled.prefixes((table, rule)))
    });
    let mut rules = by_bucket(rules);
    let mut markers = by_bucket((0..).zip(markers).flat_map(|(marker, program)| program.compiled.prefixes(marker)));
    let named: BTreeSet<&Bucket> = rules.keys().chain(markers.keys()).copied().collect();
    let of_bucket = |bucket: &Bucket| BucketProgram {
        bucket: bucket.clone(),
        rules: Openings::new(rules.remove(bucket).unwrap_or_default()),
        markers: Openings::new(markers.remove(bucket).unwrap_or_default()),
    };
    named.into_iter().map(of_bucket).collect()
}

fn by_bucket<'b, T>(all: impl Iterator<Item = (&'b Bucket, String, T)>) -> HashMap<&'b Bucket, Vec<(String, T)>> {
    let mut by_bucket: HashMap<&Bucket, Vec<(String, T)>> = HashMap::new();
    all.for_each(|(bucket, prefix, of)| by_bucket.entry(bucket).or_default().push((prefix, of)));
    by_bucket
}

fn decided_by(table: &Table, rule: &Rule, compiled: &Compiled) -> DecidedBy {
    let by_attribute = |source: &ValueSource| match source {
        ValueSource::Capture(_) => false,
        ValueSource::Expression(expression) => expression
            .holes()
            .any(|hole| matches!(hole.from, HoleSource::Attribute(attribute) if attribute != Attribute::Bucket)),
    };
    let on_object = |condition: &Condition| !matches!(condition.on, ConditionOn::Capture(_) | ConditionOn::Bucket);
    let by_object = rule.done.is_some()
        || !table.pick.is_empty()
        || rule.line_kind == LineKind::Prefix
        || rule.values.iter().any(by_attribute)
        || rule.conditions.iter().any(on_object);
    match &compiled.how {
        _ if by_object => DecidedBy::Object,
        How::Split { base_name, .. } if base_name.code.captures_nothing() => DecidedBy::Directory,
        _ => DecidedBy::Captures,
    }
}

impl Compiled {
    /// Whether a match can lie in this bucket.
    pub fn is_of(&self, bucket: &Bucket) -> bool {
        self.openings.iter().any(|opening| opening.bucket == *bucket)
    }

    /// What keys that match begin with one of, with their buckets and what it is of.
    fn prefixes<T: Copy>(&self, of: T) -> impl Iterator<Item = (&Bucket, String, T)> {
        self.openings.iter().map(move |opening| (&opening.bucket, self.longer_prefix(opening), of))
    }

    /// The key's part of all the text that every match begins with, where there is one opening; else the opening's own.
    fn longer_prefix(&self, opening: &Uri) -> String {
        let mut text = Vec::new();
        for part in plain(&self.pattern.parts) {
            match part {
                Pattern::Text(bytes) => text.extend_from_slice(&bytes),
                Pattern::Save(_) => {}
                _ => break,
            }
        }
        let bucket = opening.bucket.match_prefix();
        let longer = String::from_utf8(text).ok().and_then(|text| Some(text.strip_prefix(&bucket)?.to_owned()));
        longer.filter(|longer| longer.starts_with(&opening.key)).unwrap_or_else(|| opening.key.clone())
    }
}

/// The longest text that stands in every match behind the first part, if it is worth looking for.
fn longest_text(parts: &[Pattern]) -> Option<Vec<u8>> {
    let texts = parts.iter().skip(1).filter_map(|part| match part {
        Pattern::Text(bytes) => Some(bytes.clone()),
        _ => None,
    });
    texts.max_by_key(Vec::len).filter(|text| text.len() > 1)
}

impl Exclude {
    pub(crate) fn excludes(&self, object: &Object<'_>) -> bool {
        match self.over {
            ExcludeOver::BaseName => self.glob.is_match(object.base_name()),
            ExcludeOver::Key => self.glob.is_match(object.key),
            ExcludeOver::Uri => self.glob.is_match(&(object.bucket.uri_prefix() + object.key)),
        }
    }
}
