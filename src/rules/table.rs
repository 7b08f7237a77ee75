//! The rule file as the rest of the program sees it: parsed, checked, resolved. Nothing here keeps TOML.
//!
//! `file.rs` reads the text into these types and gathers every mistake; a [`Rules`] exists only where there was none.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use super::ddl_in::CreateTable;
use super::given::Like;
pub use super::glob::KeyGlob;
use super::set::Expression;
use super::template::Template;
use crate::uri::{Scheme, Uri};
use crate::value::{PartitionType, ValueType};

/// A whole rule file.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The file it was read from, as the user named it (for `restitch.toml:14`).
    pub path: PathBuf,
    pub project: Option<String>,
    pub claim: Claim,
    pub lookups: Vec<Lookup>,
    pub listings: Vec<ListingSource>,
    /// `[catalog]`, if it says enough by itself: for tables that left the file.
    pub catalog: Option<CatalogSettings>,
    /// In the order of the text.
    pub tables: Vec<Table>,
    /// `[removed] name = 's3://…/'`: locations of tables that left the file and are to be emptied.
    pub removed: Vec<Removed>,
}

/// Across tables: each decides alone, or the first table in the file takes an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Claim {
    #[default]
    Every,
    First,
}

/// `[lookup.plant]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    pub name: String,
    pub entries: BTreeMap<String, String>,
}

/// `[[listing]]`: where the listing of a prefix comes from, or how to reach it live.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListingSource {
    /// `None`: everything.
    pub prefix: Option<Uri>,
    /// A file with the listing; `None`: live.
    pub from: Option<String>,
    pub access: Access,
}

/// How a bucket is reached; all from the SDK's own settings where `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Access {
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub profile: Option<String>,
    pub path_style: Option<bool>,
    pub requester_pays: bool,
    pub anonymous: bool,
}

/// How the store of `uri` is reached: the `[[listing]]` with the longest prefix that covers it, but for those that only
/// say `from`. Manifests may lie below a prefix whose listing is written down; the settings beside `from` are for them.
pub fn access(listings: &[ListingSource], uri: &Uri) -> Access {
    let says = listings.iter().filter(|it| it.from.is_none() || it.access != Access::default());
    let covering = says.filter(|listing| listing.prefix.as_ref().is_none_or(|prefix| prefix.is_prefix_of(uri)));
    let longest = covering.max_by_key(|listing| listing.prefix.as_ref().map_or(0, |prefix| prefix.key.len() + 1));
    longest.map(|listing| listing.access.clone()).unwrap_or_default()
}

#[derive(Clone, Debug, PartialEq)]
pub struct Removed {
    pub name: String,
    pub location: Uri,
}

/// `[table.NAME]`, with the defaults merged in.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    /// The line of its header, from 1.
    pub line: u32,
    /// Ends in `/`; `None` only where no command that publishes can run.
    pub location: Option<Uri>,
    /// Whether tables of the same file may lie beside it by their names.
    pub lies_by_name: bool,
    /// Who will read; never empty.
    pub engines: Vec<Engine>,
    /// Data columns; empty where none of `columns`, `ddl` and `like` says them.
    pub columns: Vec<Column>,
    pub partitioned_by: Vec<Column>,
    pub comment: Option<String>,
    /// How the data is read; `None` where the file does not say (then `plan`, `apply` and `ddl` refuse).
    pub format: Option<Format>,
    /// Table properties the user states, in the order written.
    pub properties: Vec<(String, String)>,
    /// The user's own CREATE EXTERNAL TABLE, as text, where `ddl =` names one; columns and format above come from it.
    pub ddl: Option<UserDdl>,
    /// Whose definition columns, format and properties above come from, where `like =` names one.
    pub like: Option<Like>,
    /// `layout = '{region}/'`: texts and columns; the default is `col=value/` for each.
    pub layout: Layout,
    pub partitions: Partitions,
    /// Where it is registered; `None`: nowhere.
    pub catalog: Option<CatalogSettings>,
    pub publish: Publish,
    pub accept_moves: bool,
    pub append_only: bool,
    pub on_trap: OnTrap,
    /// Whether values of every type have to fit it, not those of integers and dates alone.
    pub strict_values: bool,
    pub limits: Limits,
    pub skip: Skip,
    pub exclude: Vec<Exclude>,
    pub pick: Vec<Pick>,
    /// In the order of the text: the first that matches takes the object.
    pub rules: Vec<Rule>,
    /// Those of [`Rules::lookups`] that its values are looked up in.
    pub lookups: Vec<Lookup>,
    pub tests: Vec<Test>,
}

/// A column: its name in lower case, its DDL type as written, a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub ddl_type: String,
    pub comment: Option<String>,
}

impl Table {
    /// Whether each partition is registered on its own, where the table is.
    pub fn registers_partitions(&self) -> bool {
        !self.partitioned_by.is_empty() && self.partitions == Partitions::Registered
    }

    /// Whether one change of its catalog's table changes all readers over, as there are no partitions registered.
    pub fn is_switched_at_once(&self) -> bool {
        self.catalog.is_some() && !self.registers_partitions()
    }

    /// Whether some of its objects come from lakeFS, whose every commit is a snapshot.
    pub fn lists_lakefs(&self) -> bool {
        self.rules.iter().flat_map(Rule::openings).any(|opening| opening.bucket.scheme == Scheme::LakeFs)
    }

    /// What its rules hold the values of one of its partition columns to.
    pub fn value_type(&self, column: &Column) -> ValueType {
        ValueType::new(&column.ddl_type, self.strict_values)
    }

    /// Its name in catalogs, which keep names in lower case.
    pub fn catalog_name(&self) -> String {
        self.name.to_ascii_lowercase()
    }
}

impl Column {
    pub fn partition_type(&self) -> PartitionType {
        PartitionType::parse(&self.ddl_type)
    }
}

/// A reader whose traps count, with the version where it matters (`trino:476`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Engine {
    Athena,
    Trino { version: Option<u32> },
    Spark,
    Hive,
}

/// How the bytes of the objects are read: a serde by class with its properties, and header lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    pub kind: FormatKind,
    /// `SerializationLibrary`.
    pub serde: String,
    /// `SERDEPROPERTIES`, in the order written.
    pub serde_properties: Vec<(String, String)>,
    /// `skip.header.line.count`; 0 where there is none.
    pub header_lines: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatKind {
    Csv,
    OpenCsv,
    Tsv,
    Json,
    Parquet,
    Orc,
    Avro,
    Regex,
    /// A serde named by class.
    Other,
}

/// The user's own DDL and the file it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct UserDdl {
    pub path: PathBuf,
    pub text: String,
    /// What the text says.
    pub statement: CreateTable,
}

/// Where a partition's manifest directory lies below the location: texts and partition columns, in order; every
/// column stands in it once, Hive-escaped. Ends in `/`, or is empty (unpartitioned).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub parts: Vec<LayoutPart>,
    /// Whether the user wrote it.
    pub custom: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayoutPart {
    Text(String),
    /// An index into `partitioned_by`.
    Column(usize),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Partitions {
    #[default]
    Registered,
    Projection,
}

/// `[catalog]`, with the table's own over it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CatalogSettings {
    /// In lower case.
    pub database: String,
    pub service: CatalogService,
}

/// What the catalog is and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CatalogService {
    /// All from the SDK's own settings where `None`.
    Glue { region: Option<String>, profile: Option<String>, endpoint: Option<String>, catalog_id: Option<String> },
    /// A Hive metastore; an IPv6 host without its brackets.
    Hive { host: String, port: u16 },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Publish {
    #[default]
    Refresh,
    Switch,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnTrap {
    #[default]
    Refuse,
    Skip,
}

/// The brakes' settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// A share of a table's lines, 0.0 to 1.0, of which more may not go at once (from 20 lines on).
    pub max_removed: f64,
    pub max_partitions: u64,
    pub max_lines: u64,
    /// Pages that a query of one partition may make an engine list.
    pub max_lists_per_partition: Option<u64>,
    /// Seconds.
    pub max_listing_age_s: Option<u64>,
    /// Lines of objects older than so many seconds leave.
    pub leave_after_s: Option<u64>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_removed: 0.1,
            max_partitions: 100_000,
            max_lines: 1_000_000,
            max_lists_per_partition: None,
            max_listing_age_s: None,
            leave_after_s: None,
        }
    }
}

/// What is left out before the match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Keys that end in `/`.
    pub markers: bool,
    /// Base names that begin with `.` or `_`.
    pub hidden: bool,
    /// `*_$folder$`.
    pub folder: bool,
    /// Size 0, where known.
    pub empty: bool,
    /// GLACIER and DEEP_ARCHIVE, where known.
    pub archived: bool,
}

impl Default for Skip {
    fn default() -> Skip {
        Skip { markers: true, hidden: true, folder: true, empty: true, archived: true }
    }
}

/// An `exclude` glob and what it is held against.
#[derive(Clone, Debug)]
pub struct Exclude {
    pub source: String,
    pub over: ExcludeOver,
    pub glob: KeyGlob,
    /// Whether it came from `[defaults]`: then the object goes to no table.
    pub from_defaults: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExcludeOver {
    BaseName,
    Key,
    Uri,
}

/// One step of `pick`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pick {
    pub one: PickOne,
    /// The arena; `None` is the partition.
    pub per: Option<Expression>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum PickOne {
    /// The greatest group.
    Greatest(Expression),
    /// The group whose newest object is newest.
    Newest(Expression),
    /// The earliest rule.
    Rule,
}

/// `[[table.NAME.rule]]`.
#[derive(Clone, Debug)]
pub struct Rule {
    /// From 1, within its table.
    pub number: u32,
    /// The line of its `match` or `regex`, from 1.
    pub line: u32,
    pub matcher: Matcher,
    pub ignore_case: bool,
    /// One per partition column, in their order: what gives its value.
    pub values: Vec<ValueSource>,
    /// The table's and the rule's, both hold.
    pub conditions: Vec<Condition>,
    pub exclude: Vec<Exclude>,
    pub done: Option<Template>,
    pub line_kind: LineKind,
}

impl Rule {
    /// What every URI that the rule takes begins with one of. Under `ignore_case` they end in front of a letter.
    pub fn openings(&self) -> Vec<Uri> {
        match &self.matcher {
            Matcher::Template(template) => template.literal_prefixes(self.ignore_case),
            Matcher::Regex { under, .. } => {
                let letter = under.key.find(char::is_alphabetic).filter(|_| self.ignore_case);
                vec![Uri::new(under.bucket.clone(), &under.key[..letter.unwrap_or(under.key.len())])]
            }
        }
    }
}

#[derive(Clone, Debug)]
pub enum Matcher {
    Template(Template),
    /// `regex = '…'` with `under = '…'`: matched against the whole rest of the key.
    Regex {
        under: Uri,
        regex: regex::Regex,
    },
}

/// What gives a partition column its value under one rule.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueSource {
    /// The capture of its name.
    Capture(String),
    /// `set`, the rule's or else the table's.
    Expression(Expression),
}

/// What a manifest's line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineKind {
    #[default]
    Object,
    /// `line = "prefix"`: the literal prefix itself.
    Prefix,
}

/// One test of `where`.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub on: ConditionOn,
    pub operator: Operator,
    pub value: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConditionOn {
    Capture(String),
    Size,
    Modified,
    StorageClass,
    Bucket,
    Name,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// `[[table.NAME.test]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    pub line: u32,
    pub uri: Uri,
    /// Column and value (`None` is NULL); `None` as a whole: no match.
    pub gives: Option<Vec<(String, Option<String>)>>,
    pub size: Option<u64>,
    /// Seconds since 1970, UTC.
    pub modified: Option<i64>,
    pub storage_class: Option<String>,
}

/// A span in the rule file, in bytes.
pub type Span = Range<usize>;
