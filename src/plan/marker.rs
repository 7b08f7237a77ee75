//! The marker `<location>/_restitch.json`: whose table lies there, how it was last written, and who is writing now.
//!
//! Pure: the fields and what they are held against. It is of constant size, under 4 KB, and no state: deleted, it costs
//! an `--adopt`, nothing else. Its JSON is written and read in `apply::lease`.

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::manifest::Shape;
use super::{Counts, TablePlan};
use crate::rules::table::{Column, Layout, LayoutPart, Matcher, Rule, Table, ValueSource};
use crate::uri::{Uri, is_sibling};
use crate::value::PartitionType;

/// The version of the marker's own form.
pub const MARKER_VERSION: u32 = 1;

/// The marker is refused above this.
pub const MARKER_LIMIT_BYTES: usize = 4096;

/// What the commits of a marker may take of that.
const COMMITS_LIMIT_BYTES: usize = 1024;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// [`MARKER_VERSION`].
    pub restitch: u32,
    /// The name at the top of the rule file, if it has one.
    pub project: Option<String>,
    pub table: String,
    /// `region={region}/`
    pub layout: String,
    /// `region string`: the partition columns and their types, in order.
    pub columns: Vec<String>,
    /// A digest of the rules that the last apply went by.
    pub rules: String,
    /// A digest of how the bytes of objects are read: format, serde, data columns.
    pub reading: String,
    /// Which directory holds the manifests: what stands behind the location's name, empty for the location itself.
    pub current: String,
    /// What `current` took the place of, for a day at least; `None` where no switch has been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Replaced>,
    /// How many runs have held the lease. Each leaves other bytes behind, so that a plan made before one of them is stale
    /// after it, even if it ended as it began.
    #[serde(default)]
    pub runs: u64,
    /// When it was made, in seconds since 1970 by the store's clock: since when a directory that it does not name has not
    /// been current, nothing says if that was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<i64>,
    pub applied: Option<Applied>,
    /// Set before the first write of an apply and taken away after its last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Unfinished>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
}

/// The last apply that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The plan's id.
    pub plan: String,
    /// When the listing that it rested on was made: ISO, UTC.
    pub as_of: String,
    #[serde(flatten)]
    pub counts: Counts,
    /// As in [`TablePlan::commits`]; none where they are more than a marker has room for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commits: Vec<String>,
    /// As in [`TablePlan::snapshot`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

impl Applied {
    /// That `plan` has been carried out, under this id, on a listing as of then.
    pub fn of(plan: &TablePlan, id: &str, as_of: &str) -> Applied {
        let fit = plan.commits.iter().map(String::len).sum::<usize>() <= COMMITS_LIMIT_BYTES;
        let commits = if fit { plan.commits.clone() } else { Vec::new() };
        Applied {
            plan: id.to_owned(),
            as_of: as_of.to_owned(),
            counts: plan.totals.unwrap_or(plan.after),
            commits,
            snapshot: plan.snapshot.clone(),
        }
    }
}

/// What a switch has replaced: queries that had begun may still read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// When, in seconds since 1970 by the store's clock.
    pub at: i64,
    /// The directory, as in [`Marker::current`].
    pub directory: String,
    /// As in [`Marker::layout`].
    pub layout: String,
    /// As in [`Marker::columns`].
    pub columns: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// The plan's id.
    pub plan: String,
}

/// Who is writing. It holds for `seconds` from the marker's last write, both by the store's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Random, one a run.
    pub holder: String,
    pub seconds: u32,
    /// Counts the renewals, so that each gives the marker another ETag, and a takeover by the old one fails.
    pub renewal: u64,
}

impl Marker {
    /// The marker of `table` before anything was applied.
    pub fn new(project: Option<&str>, table: &Table) -> Marker {
        Marker {
            restitch: MARKER_VERSION,
            project: project.map(str::to_owned),
            table: table.name.clone(),
            layout: Shape::of(table).text(),
            columns: table.partitioned_by.iter().map(column_text).collect(),
            rules: rules_digest(table),
            reading: reading_digest(table),
            current: String::new(),
            replaced: None,
            runs: 0,
            made: None,
            applied: None,
            unfinished: None,
            lease: None,
        }
    }

    /// Whether it says the same owner as `other`.
    pub fn same_owner(&self, other: &Marker) -> bool {
        self.project == other.project && self.table == other.table
    }

    /// The directory that holds the manifests of the table at `location`, with its last slash.
    pub fn directory(&self, location: &Uri) -> Uri {
        location.sibling(&self.current)
    }

    /// The shape of the keys below a location that bears this marker, or `None` if its layout cannot be read.
    pub fn shape(&self) -> Option<Shape> {
        shape(&self.layout, &self.columns)
    }

    /// Says that manifests lie where `other` says it.
    pub fn lie_where(&mut self, other: &Marker) {
        (self.current, self.replaced) = (other.current.clone(), other.replaced.clone());
    }

    /// Whether `current` and what it replaced are names that a switch gives.
    pub fn names_directories(&self) -> bool {
        let replaced = self.replaced.as_ref().map_or("", |replaced| &replaced.directory);
        [self.current.as_str(), replaced].iter().all(|name| name.is_empty() || is_sibling(name))
    }

    /// Whether tables are read by it as by `other`: the same partition columns, layout, format, serde and columns.
    pub fn reads_as(&self, other: &Marker) -> bool {
        self.lies_as(other) && self.reading == other.reading
    }

    /// Whether manifests lie as `other` says: the same partition columns in the same layout.
    pub fn lies_as(&self, other: &Marker) -> bool {
        (&self.columns, &self.layout) == (&other.columns, &other.layout)
    }
}

impl Replaced {
    /// The shape of the keys in it, or `None` if its layout cannot be read.
    pub fn shape(&self) -> Option<Shape> {
        shape(&self.layout, &self.columns)
    }
}

fn shape(layout: &str, columns: &[String]) -> Option<Shape> {
    let columns: Vec<(String, PartitionType)> = columns
        .iter()
        .map(|column| column.split_once(' ').map(|(name, kind)| (name.to_owned(), PartitionType::parse(kind))))
        .collect::<Option<_>>()?;
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut chars = layout.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.push(chars.next()?),
            '{' => {
                let name: String = chars.by_ref().take_while(|c| *c != '}').collect();
                if !text.is_empty() {
                    parts.push(LayoutPart::Text(std::mem::take(&mut text)));
                }
                parts.push(LayoutPart::Column(columns.iter().position(|(column, _)| *column == name)?));
            }
            c => text.push(c),
        }
    }
    if !text.is_empty() {
        parts.push(LayoutPart::Text(text));
    }
    Some(Shape::new(&Layout { parts, custom: true }, columns))
}

/// A digest of everything that decides how the bytes of objects become rows. Comments do not.
fn reading_digest(table: &Table) -> String {
    let mut digest = Fields::default();
    if let Some(format) = &table.format {
        digest.field(&format.serde);
        format.serde_properties.iter().for_each(|(name, value)| {
            digest.field(name);
            digest.field(value);
        });
        digest.field(&format.header_lines.to_string());
    }
    digest.field("columns");
    table.columns.iter().for_each(|column| digest.field(&column_text(column)));
    digest.finish()
}

/// A digest of the table's rules; where they stand in the file does not count.
fn rules_digest(table: &Table) -> String {
    let mut digest = Fields::default();
    for rule in &table.rules {
        digest_rule(&mut digest, rule);
    }
    digest.field(&format!("{:?}", table.skip));
    digest.field(&format!("{:?}", table.pick));
    table.exclude.iter().for_each(|exclude| digest.field(&exclude.source));
    for (key, value) in table.lookups.iter().flat_map(|lookup| &lookup.entries) {
        digest.field(key);
        digest.field(value);
    }
    if table.strict_values {
        digest.field("strict_values");
    }
    digest.finish()
}

fn digest_rule(digest: &mut Fields, rule: &Rule) {
    match &rule.matcher {
        Matcher::Template(template) => digest.field(&template.source),
        Matcher::Regex { under, regex } => {
            digest.field(&under.raw());
            digest.field(regex.as_str());
        }
    }
    digest.field(if rule.ignore_case { "ignore_case" } else { "" });
    for value in &rule.values {
        digest.field(match value {
            ValueSource::Capture(name) => name,
            ValueSource::Expression(expression) => &expression.source,
        });
    }
    digest.field(&format!("{:?}", rule.conditions));
    rule.exclude.iter().for_each(|exclude| digest.field(&exclude.source));
    digest.field(rule.done.as_ref().map_or("", |done| &done.source));
    digest.field(&format!("{:?}", rule.line_kind));
}

/// `region string`: white space and case of the type do not count.
fn column_text(column: &Column) -> String {
    let kind: String = column.ddl_type.to_ascii_lowercase().split_whitespace().collect();
    format!("{} {kind}", column.name)
}

/// A digest of texts in their order.
pub fn digest<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let mut digest = Fields::default();
    texts.into_iter().for_each(|text| digest.field(text));
    digest.finish()
}

/// A digest of manifests that hold lines, in the order of their keys, each with the MD5 of its body.
pub fn manifests_digest<'k>(manifests: impl IntoIterator<Item = (&'k str, [u8; 16])>) -> String {
    let mut digest = Fields::default();
    for (key, md5) in manifests {
        digest.field(key);
        digest.field(&hex(&md5));
    }
    digest.finish()
}

/// An MD5 over texts, each with its length, so that no two sequences of texts give the same bytes.
#[derive(Default)]
struct Fields(Md5);

impl Fields {
    fn field(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
    }

    fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
