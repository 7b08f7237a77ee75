//! All rules of all tables, compiled once. Shared by every mapper; nothing in it changes while keys are mapped.

use super::code::Code;
use super::page::Object;
use super::pattern::{Pattern, RulePattern, plain};
use super::values::{Name, names};
use crate::rules::table::{Exclude, ExcludeOver, LineKind, Matcher, Rule, Rules, Table};
use crate::rules::template::{Template, merge_prefixes};
use crate::uri::{Bucket, Scheme, Uri};
use crate::value::PartitionType;

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
}

#[derive(Debug)]
pub(crate) struct TableProgram {
    pub rules: Vec<RuleProgram>,
    pub types: Vec<PartitionType>,
}

/// One rule.
#[derive(Debug)]
pub(crate) struct RuleProgram {
    pub compiled: Compiled,
    /// The slot where the line ends, for `line = "prefix"`.
    pub line_end: Option<u32>,
    /// An index into [`Program::markers`].
    pub marker: Option<u32>,
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
    pub scheme: Scheme,
    /// What every URI that matches begins with one of.
    pub openings: Vec<Uri>,
    pub pattern: RulePattern,
    pub names: Vec<Name>,
    /// What every match text begins with, bucket and all.
    pub prefix: Vec<u8>,
    pub code: Code,
}

impl Program {
    /// Compiles every rule. The rules have been checked, so that nothing can fail.
    pub fn new(rules: &Rules) -> Program {
        let mut markers = Vec::new();
        let tables = rules.tables.iter().map(|table| TableProgram {
            rules: table.rules.iter().map(|rule| compile(rule, &mut markers)).collect(),
            types: table.partitioned_by.iter().map(|column| column.partition_type()).collect(),
        });
        let tables: Vec<TableProgram> = tables.collect();
        Program {
            prefixes: listing_prefixes(rules),
            tables,
            locations: locations(rules),
            markers,
            rules: rules.clone(),
        }
    }

    /// What must be listed: the literal prefixes of every `match`, `under` and `done`, sorted, none inside another.
    pub fn prefixes(&self) -> impl ExactSizeIterator<Item = &Uri> {
        self.prefixes.iter().map(|(prefix, _)| prefix)
    }

    pub(crate) fn table(&self, table: usize) -> &Table {
        &self.rules.tables[table]
    }

    /// Whether the key lies under a location of the file, or under a sibling that a switch made of one.
    pub(crate) fn is_manifest(&self, bucket: &Bucket, key: &str) -> bool {
        self.locations.iter().any(|location| {
            location.bucket == *bucket
                && key
                    .strip_prefix(location.key.strip_suffix('/').unwrap_or(&location.key))
                    .is_some_and(|rest| rest.starts_with('/') || is_sibling(rest) || location.key.is_empty())
        })
    }

    /// Whether a component below the prefix that lists this key is hidden, where tables skip such.
    pub(crate) fn is_hidden_below(&self, bucket: &Bucket, key: &str) -> bool {
        let covering =
            self.prefixes.iter().find(|(prefix, _)| prefix.bucket == *bucket && key.starts_with(&prefix.key));
        let Some((prefix, true)) = covering else { return false };
        let below = if prefix.key.is_empty() || prefix.key.ends_with('/') {
            &key[prefix.key.len()..]
        } else {
            // The component in which the prefix ends has been named, so it is no hidden one.
            key[prefix.key.len()..].split_once('/').map_or("", |(_, rest)| rest)
        };
        let mut rest = below;
        loop {
            let hidden = match rest.split_once('/') {
                Some(_) => super::backtrack::is_hidden(rest.as_bytes()),
                None => rest.starts_with(['.', '_']),
            };
            match rest.split_once('/') {
                _ if hidden => return true,
                Some((_, behind)) => rest = behind,
                None => return false,
            }
        }
    }
}

/// `--` and eight hex digits behind a location's name: the directory that a switch publishes into.
fn is_sibling(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix("--") else { return false };
    let digits = rest.as_bytes();
    digits.len() > 8 && digits[8] == b'/' && digits[..8].iter().all(u8::is_ascii_hexdigit)
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
            all.extend(openings(rule).into_iter().chain(done).map(|uri| (uri, table.skip.hidden)));
        }
    }
    let merged = merge_prefixes(all.iter().map(|(uri, _)| uri.clone()));
    let skips = |uri: &Uri| all.iter().any(|(inner, skips)| *skips && uri.is_prefix_of(inner));
    merged.into_iter().map(|uri| (uri.clone(), skips(&uri))).collect()
}

/// What every URI that a rule takes begins with one of.
fn openings(rule: &Rule) -> Vec<Uri> {
    match &rule.matcher {
        Matcher::Template(template) => template.literal_prefixes(rule.ignore_case),
        Matcher::Regex { under, .. } if rule.ignore_case => {
            let literal = under.key.find(|c: char| c.is_alphabetic()).unwrap_or(under.key.len());
            vec![Uri::new(under.bucket.clone(), &under.key[..literal])]
        }
        Matcher::Regex { under, .. } => vec![under.clone()],
    }
}

fn compile(rule: &Rule, markers: &mut Vec<MarkerProgram>) -> RuleProgram {
    let (scheme, pattern) = match &rule.matcher {
        Matcher::Template(template) => (template.scheme, RulePattern::of_template(template, rule.ignore_case)),
        Matcher::Regex { under, regex } => (under.bucket.scheme, RulePattern::of_regex(under, regex, rule.ignore_case)),
    };
    let marker = rule.done.as_ref().map(|done| {
        markers.push(compile_marker(done));
        markers.len() as u32 - 1
    });
    RuleProgram {
        line_end: if rule.line_kind == LineKind::Prefix { pattern.below } else { None },
        compiled: Compiled::new(openings(rule), scheme, pattern),
        marker,
    }
}

/// Markers count case whatever the rule says.
fn compile_marker(done: &Template) -> MarkerProgram {
    let compiled = Compiled::new(done.literal_prefixes(false), done.scheme, RulePattern::of_template(done, false));
    let kept = compiled.names.iter().map(|name| name.name.clone()).filter(|name| name != "_");
    MarkerProgram { binds: kept.collect(), compiled }
}

impl Compiled {
    /// Whether a match can lie in this bucket.
    pub fn is_of(&self, bucket: &Bucket) -> bool {
        self.openings.iter().any(|opening| opening.bucket == *bucket)
    }

    fn new(openings: Vec<Uri>, scheme: Scheme, pattern: RulePattern) -> Compiled {
        Compiled {
            scheme,
            openings,
            names: names(&pattern),
            prefix: literal_prefix(&pattern.parts),
            code: Code::new(&plain(&pattern.parts), &[]),
            pattern,
        }
    }
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

fn literal_prefix(parts: &[Pattern]) -> Vec<u8> {
    let mut prefix = Vec::new();
    for part in plain(parts) {
        match part {
            Pattern::Text(bytes) => prefix.extend_from_slice(&bytes),
            Pattern::Save(_) => {}
            _ => break,
        }
    }
    prefix
}
