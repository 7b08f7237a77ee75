//! What an engine would fail on or misread: each trap by name, with its level for each reader, its reason, what to do.
//!
//! The levels come from what Hive, Spark and Trino were seen to do with symlink tables; `docs/traps.md` lists them all
//! and a test holds it to this file. Pure: lines and tables in, findings out; who refuses or skips is `plan`'s to say.

use std::collections::HashSet;
use std::fmt;

use super::brakes::counted;
use super::manifest::Shape;
use crate::error::{Error, ErrorKind};
use crate::rules::format;
use crate::rules::table::{Column, Engine, FormatKind, OnTrap, Partitions, Table};
use crate::uri::{Scheme, Shown};
use crate::value::{PartitionType, PartitionValue, one_spelling};

/// How bad a trap is for a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// It works there, with a drawback or under a condition.
    Warning,
    /// A query would fail or read wrong rows.
    Error,
}

/// What a trap is seen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum On {
    /// A line of a manifest: the target's URI.
    Line,
    /// A partition: its values.
    Partition,
    /// A table: its format, its location, its partitions.
    Table,
    /// Another object in a directory that engines read manifests from.
    Location,
    /// A folder that is listed.
    Folder,
}

/// One trap.
#[derive(Debug)]
pub struct Trap {
    /// In kebab case; what messages, JSON and `docs/traps.md` call it.
    pub name: &'static str,
    pub on: On,
    /// What is there, as the start of a sentence.
    pub what: &'static str,
    /// What a reader does with it.
    pub reason: &'static str,
    /// What to do about it.
    pub help: &'static str,
    pub athena: Option<Level>,
    pub trino: Option<Level>,
    /// The first and the last version of Trino that it holds for.
    pub trino_versions: (u32, u32),
    pub spark: Option<Level>,
    pub hive: Option<Level>,
}

impl Trap {
    /// Its level for one reader; a Trino of no stated version is the newest.
    pub fn level(&self, reader: Engine) -> Option<Level> {
        match reader {
            Engine::Athena => self.athena,
            Engine::Spark => self.spark,
            Engine::Hive => self.hive,
            Engine::Trino { version } => {
                let (from, to) = self.trino_versions;
                self.trino.filter(|_| (from..=to).contains(&version.unwrap_or(NEWEST)))
            }
        }
    }

    /// `3 lines`, `1 partition`: how many of what it is seen on.
    pub fn counted(&self, count: u64) -> String {
        counted(count, if self.on == On::Partition { "partition" } else { "line" })
    }

    /// The trap called so.
    pub fn named(name: &str) -> Option<&'static Trap> {
        TRAPS.iter().find(|trap| trap.name == name)
    }
}

/// A version of Trino above any there is.
const NEWEST: u32 = u32::MAX;
/// The last version whose behaviour is known.
const NEWEST_KNOWN: u32 = 483;
const ANY: (u32, u32) = (0, NEWEST);
const ERROR: Option<Level> = Some(Level::Error);
const WARNING: Option<Level> = Some(Level::Warning);

/// Every trap; those on lines and on partitions come first, at the place that is their bit in a [`TrapSet`].
pub static TRAPS: &[Trap] = &[
    Trap {
        name: "line-break",
        on: On::Line,
        what: "a carriage return or a line feed in the key",
        reason: "it ends the line: a manifest cannot name this object",
        help: "copy the object to a key without it, or exclude it",
        athena: ERROR,
        trino: ERROR,
        trino_versions: ANY,
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "colon",
        on: On::Line,
        what: "a `:` in the key",
        reason: "Hadoop's paths take none (`URISyntaxException`), and no way of writing it helps",
        help: "copy the object to a key without it, or read the table with Athena or Trino only",
        athena: WARNING,
        trino: WARNING,
        trino_versions: (0, 426),
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "glob",
        on: On::Line,
        what: "one of `{ } [ ] * ? \\` in the key",
        reason: "Hive and Spark read the line as a glob: an error, or silently the rows of its neighbours",
        help: "copy the object to a key without it, or read the table with Athena or Trino only",
        athena: WARNING,
        trino: WARNING,
        trino_versions: (0, 426),
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "double-slash",
        on: On::Line,
        what: "an empty component (`//`) in the key",
        reason: "Hadoop's paths drop it and read another object, or none",
        help: "copy the object to a key without it, or read the table with Athena or Trino only",
        athena: WARNING,
        trino: WARNING,
        trino_versions: (0, 426),
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "dot-component",
        on: On::Line,
        what: "a component `.` or `..` in the key",
        reason: "Hadoop's paths resolve it and read another object, or none",
        help: "copy the object to a key without it, or read the table with Athena or Trino only",
        athena: WARNING,
        trino: WARNING,
        trino_versions: (0, 426),
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "leading-slash",
        on: On::Line,
        what: "a key that begins with `/`",
        reason: "Trino fails (`newPathElement starts with a slash`), Hive and Spark drop the slash",
        help: "copy the object to a key without it, or exclude it",
        athena: ERROR,
        trino: ERROR,
        trino_versions: ANY,
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "hidden-name",
        on: On::Line,
        what: "a base name that begins with `_` or `.`",
        reason: "every reader hides such files: Trino says that it is not there (HIVE_FILE_NOT_FOUND), Hive the same",
        help: "keep `skip = [\"hidden\", …]`, or copy the object to another name",
        athena: ERROR,
        trino: ERROR,
        trino_versions: ANY,
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "prefix-line",
        on: On::Line,
        what: "a line that names a prefix",
        reason: "Trino from 427 on wants objects (`File location cannot end with '/'`); Hive and Spark read what lies right in it, not below",
        help: "take `line = \"prefix\"` out of the rule",
        athena: ERROR,
        trino: ERROR,
        trino_versions: (427, NEWEST),
        spark: WARNING,
        hive: WARNING,
    },
    Trap {
        name: "bucket-root",
        on: On::Line,
        what: "a target right at the root of its bucket",
        reason: "Trino lists the directory of each target, here the whole bucket, a thousand keys a page, in every query",
        help: "keep data in folders",
        athena: WARNING,
        trino: WARNING,
        trino_versions: ANY,
        spark: None,
        hive: None,
    },
    Trap {
        name: "extension-case",
        on: On::Line,
        what: "a compression's extension in capitals, such as `.GZ`, on text",
        reason: "readers go by the extension in small letters: this is read as raw bytes, silently as garbage rows",
        help: "copy the object to a name in small letters, or exclude it",
        athena: ERROR,
        trino: ERROR,
        trino_versions: ANY,
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "local-target",
        on: On::Line,
        what: "a target in a local folder",
        reason: "Athena and Trino read no `file://` (`No factory for location`)",
        help: "fine for trying things out; a table for Athena names `s3://` objects",
        athena: WARNING,
        trino: ERROR,
        trino_versions: ANY,
        spark: None,
        hive: None,
    },
    Trap {
        name: "other-cloud-target",
        on: On::Line,
        what: "a target in another cloud's store",
        reason: "Athena reads S3 only; other readers need a connector for that store",
        help: "exclude it, or read the table with an engine that reaches that store",
        athena: ERROR,
        trino: WARNING,
        trino_versions: ANY,
        spark: WARNING,
        hive: WARNING,
    },
    Trap {
        name: "unreadable-target",
        on: On::Line,
        what: "a target at an address that no engine reads, such as `local://`, `mem://`, `https://` or `lakefs://`",
        reason: "a manifest names objects in a store: queries fail on anything else",
        help: "exclude it; a listing of lakeFS that is given as a file needs `physical_address`, as `restitch ls` writes it",
        athena: ERROR,
        trino: ERROR,
        trino_versions: ANY,
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "extension-lost",
        on: On::Line,
        what: "compressed text (by its path) at an address without that extension",
        reason: "readers go by the address's extension: this is read as raw bytes, silently as garbage rows",
        help: "store the data uncompressed in lakeFS, or as Parquet or ORC; or import objects that keep their own names",
        athena: ERROR,
        trino: ERROR,
        trino_versions: ANY,
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "value-type",
        on: On::Partition,
        what: "a value that its column's type does not hold",
        reason: "Trino fails on such a partition (HIVE_INVALID_PARTITION_VALUE), Hive and Spark do not add it",
        help: "declare the partition column as string, or leave such keys out: where, exclude",
        athena: ERROR,
        trino: ERROR,
        trino_versions: ANY,
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "value-spelling",
        on: On::Partition,
        what: "another spelling of a value that there is, as `1.50` beside `1.5` in a decimal column",
        reason: "to Hive's metastore, and so to Hive and Spark, both are one partition: the second is not added, and its rows are missing; Glue keeps both",
        help: "declare the partition column as string, or have the rules give one spelling: set, lookup",
        athena: WARNING,
        trino: WARNING,
        trino_versions: ANY,
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "null-as-text",
        on: On::Partition,
        what: "NULL in a partition column of strings",
        reason: "Spark reads it back as the text `__HIVE_DEFAULT_PARTITION__`, so that `IS NULL` finds no row",
        help: "give it a value, as set = { region = \"{region|default(none)}\" } does",
        athena: None,
        trino: None,
        trino_versions: ANY,
        spark: WARNING,
        hive: None,
    },
    Trap {
        name: "null-not-added",
        on: On::Partition,
        what: "NULL in a partition column",
        reason: "Hive's ADD PARTITION takes none, so that `restitch ddl` has no statement for it",
        help: "MSCK REPAIR TABLE finds it in its directory; or give it a value, as set = { region = \"{region|default(none)}\" } does",
        athena: None,
        trino: None,
        trino_versions: ANY,
        spark: None,
        hive: WARNING,
    },
    Trap {
        name: "quote-in-value",
        on: On::Partition,
        what: "a `'` in a partition value",
        reason: "Trino does not escape it where it asks Glue for partitions: queries that filter on it fail (HIVE_METASTORE_ERROR), others read it",
        help: "give it another value: set, lookup",
        athena: WARNING,
        trino: WARNING,
        trino_versions: ANY,
        spark: None,
        hive: None,
    },
    Trap {
        name: "avro-behind-symlink",
        on: On::Table,
        what: "Avro",
        reason: "Trino reads it behind symlinks from 330 on",
        help: "use a later Trino",
        athena: None,
        trino: ERROR,
        trino_versions: (0, 329),
        spark: None,
        hive: None,
    },
    Trap {
        name: "text-behind-symlink",
        on: On::Table,
        what: "text, CSV or JSON",
        reason: "Trino 427 to 441 cannot read it behind symlinks (`Unsupported input format`)",
        help: "use Trino 442 or later",
        athena: None,
        trino: ERROR,
        trino_versions: (427, 441),
        spark: None,
        hive: None,
    },
    Trap {
        name: "columnar-behind-symlink",
        on: On::Table,
        what: "Parquet, ORC or Avro",
        reason: "Hive and Spark read what lies behind symlinks as text: an error, or rows of NULLs",
        help: "read the table with Athena or Trino",
        athena: None,
        trino: None,
        trino_versions: ANY,
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "spark-empty-splits",
        on: On::Table,
        what: "a partitioned table",
        reason: "Spark 3.5 and 4.0 read no rows from partitioned symlink tables, silently, by default",
        help: "set spark.hadoopRDD.ignoreEmptySplits=false",
        athena: None,
        trino: None,
        trino_versions: ANY,
        spark: WARNING,
        hive: None,
    },
    Trap {
        name: "spark-header-lines",
        on: On::Table,
        what: "header lines to skip",
        reason: "Spark ignores `skip.header.line.count`: the header comes as a row",
        help: "leave the headers out of the data, or filter the row",
        athena: None,
        trino: None,
        trino_versions: ANY,
        spark: ERROR,
        hive: None,
    },
    Trap {
        name: "spark-json-serde",
        on: On::Table,
        what: "JSON",
        reason: "Spark does not bring the serde's class along",
        help: "add the serde's jar: spark-sql --jars …",
        athena: None,
        trino: None,
        trino_versions: ANY,
        spark: WARNING,
        hive: None,
    },
    Trap {
        name: "opencsv-types",
        on: On::Table,
        what: "OpenCSV with columns that are no strings",
        reason: "Trino, Hive and Spark read every column as a string; Athena wants days and milliseconds since 1970 in dates and timestamps",
        help: "declare the columns as string and cast them in queries",
        athena: WARNING,
        trino: WARNING,
        trino_versions: ANY,
        spark: WARNING,
        hive: WARNING,
    },
    Trap {
        name: "regex-groups",
        on: On::Table,
        what: "a regular expression with more or fewer groups than there are columns",
        reason: "the serde gives each group to a column and fails where they do not go together",
        help: "make it one group a column; groups that only hold together are `(?:…)`",
        athena: ERROR,
        trino: ERROR,
        trino_versions: ANY,
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "input-format-lost",
        on: On::Table,
        what: "an input format of its own in the table's `ddl`",
        reason: "the symlink input format takes its place, so that the data is read line by line",
        help: "describe the data as the serde alone reads it",
        athena: ERROR,
        trino: ERROR,
        trino_versions: ANY,
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "projection-unread",
        on: On::Table,
        what: "projected partitions",
        reason: "Hive and Spark know no projection and see a table without partitions",
        help: "partitions = \"registered\"",
        athena: None,
        trino: None,
        trino_versions: ANY,
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "projection-off",
        on: On::Table,
        what: "projected partitions",
        reason: "Trino projects them by itself only in recent versions; before, it sees a table without partitions",
        help: "set hive.partition-projection-enabled=true in Trino's catalog",
        athena: None,
        trino: WARNING,
        trino_versions: (0, NEWEST_KNOWN),
        spark: None,
        hive: None,
    },
    Trap {
        name: "local-location",
        on: On::Table,
        what: "a location in a local folder",
        reason: "Athena and Trino read no `file://`",
        help: "fine for trying things out; a table for Athena has an `s3://` location",
        athena: WARNING,
        trino: ERROR,
        trino_versions: ANY,
        spark: None,
        hive: None,
    },
    Trap {
        name: "location-form",
        on: On::Table,
        what: "a location with an empty, `.` or `..` component, or longer than 2,056 bytes",
        reason: "Athena collapses `//`, Glue takes 2,056 bytes, Hadoop's paths resolve dots: readers look elsewhere",
        help: "choose another location",
        athena: ERROR,
        trino: ERROR,
        trino_versions: ANY,
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "location-characters",
        on: On::Table,
        what: "one of `: { } [ ] * ? \\` in the location",
        reason: "Hive and Spark read it as a glob, or cannot read it at all",
        help: "choose another location",
        athena: WARNING,
        trino: None,
        trino_versions: ANY,
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "compressed-manifest",
        on: On::Location,
        what: "a compressed file beside a manifest",
        reason: "every reader takes it for a manifest and fails on its bytes",
        help: "delete it, or move it out of the location",
        athena: ERROR,
        trino: ERROR,
        trino_versions: ANY,
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "stray-file",
        on: On::Location,
        what: "a file beside a manifest",
        reason: "whatever its name, it is read as one more manifest: its lines fail, or rows come twice",
        help: "delete it, or move it out of the location",
        athena: ERROR,
        trino: ERROR,
        trino_versions: ANY,
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "nested-directory",
        on: On::Location,
        what: "a directory below a directory of manifests",
        reason: "Trino reads it too, hidden or not, so that rows come twice or its files fail as manifests; Hive fails (`Is a directory`)",
        help: "move it out of the location",
        athena: ERROR,
        trino: ERROR,
        trino_versions: ANY,
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "delta-table",
        on: On::Folder,
        what: "a folder of a Delta table (`_delta_log/`)",
        reason: "files that the table has removed still lie there: their rows would come back",
        help: "read it as a Delta table",
        athena: ERROR,
        trino: ERROR,
        trino_versions: ANY,
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "iceberg-table",
        on: On::Folder,
        what: "a folder of an Iceberg table (`metadata/*.metadata.json`)",
        reason: "files that the table has removed still lie there: their rows would come back",
        help: "read it as an Iceberg table",
        athena: ERROR,
        trino: ERROR,
        trino_versions: ANY,
        spark: ERROR,
        hive: ERROR,
    },
    Trap {
        name: "hudi-table",
        on: On::Folder,
        what: "a folder of a Hudi table (`.hoodie/`)",
        reason: "older versions of its files still lie there: their rows would come twice",
        help: "read it as a Hudi table",
        athena: ERROR,
        trino: ERROR,
        trino_versions: ANY,
        spark: ERROR,
        hive: ERROR,
    },
];

/// How many traps are seen on lines: the first so many of [`TRAPS`].
pub const LINE_TRAPS: usize = 14;

/// How many are seen on lines and on partitions.
pub const COUNTED_TRAPS: usize = LINE_TRAPS + 5;

const LINE_BREAK: u32 = 1;
const COLON: u32 = 1 << 1;
const GLOB: u32 = 1 << 2;
const DOUBLE_SLASH: u32 = 1 << 3;
const DOT_COMPONENT: u32 = 1 << 4;
const LEADING_SLASH: u32 = 1 << 5;
const HIDDEN_NAME: u32 = 1 << 6;
const PREFIX_LINE: u32 = 1 << 7;
const BUCKET_ROOT: u32 = 1 << 8;
const EXTENSION_CASE: u32 = 1 << 9;
const LOCAL_TARGET: u32 = 1 << 10;
const OTHER_CLOUD_TARGET: u32 = 1 << 11;
const UNREADABLE_TARGET: u32 = 1 << 12;
const EXTENSION_LOST: u32 = 1 << 13;
const VALUE_TYPE: u32 = 1 << 14;
const VALUE_SPELLING: u32 = 1 << 15;
const NULL_AS_TEXT: u32 = 1 << 16;
const NULL_NOT_ADDED: u32 = 1 << 17;
const QUOTE_IN_VALUE: u32 = 1 << 18;

/// Traps that one line, or one partition, is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TrapSet(u32);

impl TrapSet {
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = &'static Trap> {
        self.indices().map(|index| &TRAPS[index])
    }

    fn indices(self) -> impl Iterator<Item = usize> {
        (0..COUNTED_TRAPS).filter(move |index| self.0 & (1 << index) != 0)
    }
}

/// A trap that a table or a place is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// [`Trap::name`].
    pub trap: &'static str,
    /// The worst of its readers'.
    pub level: Level,
    /// Those readers of the table that it is a trap for.
    pub readers: Vec<Engine>,
    /// What exactly was found, with text that is safe on a terminal.
    pub detail: String,
}

impl Finding {
    pub fn of(&self) -> &'static Trap {
        Trap::named(self.trap).expect("a finding is made from a trap")
    }
}

/// The traps that count for one table's readers; none by default.
#[derive(Clone, Debug, Default)]
pub struct Traps {
    readers: Vec<Engine>,
    /// Bits of [`TrapSet`] that count at all, and those that are errors.
    counts: u32,
    errors: u32,
    table: Vec<Finding>,
}

impl Traps {
    pub fn for_table(table: &Table) -> Traps {
        let readers = table.engines.clone();
        let bits = |wanted: &dyn Fn(Level) -> bool| {
            let is_wanted = |trap: &Trap| readers.iter().any(|reader| trap.level(*reader).is_some_and(wanted));
            (0..COUNTED_TRAPS).filter(|index| is_wanted(&TRAPS[*index])).fold(0u32, |bits, index| bits | 1 << index)
        };
        let of_format = if is_text(table) { u32::MAX } else { !(EXTENSION_CASE | EXTENSION_LOST) };
        let counts = bits(&|_| true) & of_format;
        let errors = bits(&|level| level == Level::Error) & of_format;
        let mut traps = Traps { readers, counts, errors, table: Vec::new() };
        let found = table_traps(table);
        traps.table = found.into_iter().filter_map(|(name, detail)| traps.finding(name, detail)).collect();
        traps
    }

    /// What the table alone shows: its format, its location, how its partitions are known.
    pub fn on_table(&self) -> &[Finding] {
        &self.table
    }

    /// The traps of one manifest line (without its newline) that count for this table's readers. One pass over the bytes.
    pub fn line_traps(&self, line: &[u8]) -> TrapSet {
        TrapSet(line_bits(line, self.counts & EXTENSION_CASE != 0) & self.counts)
    }

    /// The same, of an object that does not lie where its key says: `line` names its address.
    pub fn address_traps(&self, key: &str, line: &[u8]) -> TrapSet {
        let TrapSet(bits) = self.line_traps(line);
        let extension = key.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
        let is_lost =
            |extension: String| is_compression(&extension) && !line.ends_with(format!(".{extension}").as_bytes());
        TrapSet(bits | if extension.is_some_and(is_lost) { EXTENSION_LOST & self.counts } else { 0 })
    }

    /// The traps that one partition's values show by themselves.
    pub fn partition_traps(&self, table: &Table, values: &[PartitionValue]) -> TrapSet {
        let each = table.partitioned_by.iter().zip(values);
        TrapSet(each.fold(0, |bits, (column, value)| bits | value_bits(column, value)) & self.counts)
    }

    /// Counts the traps that a table's partitions are in, all of them seen together.
    pub fn count_partitions<'v>(
        &self,
        table: &Table,
        partitions: impl Iterator<Item = &'v [PartitionValue]>,
        counts: &mut TrapCounts,
    ) {
        let shape = Shape::of(table);
        let mut known = HashSet::new();
        for values in partitions {
            let mut found = self.partition_traps(table, values);
            if let Some(spelling) = one_spelling_of(table, values) {
                let is_new = known.insert(spelling);
                found.0 |= if is_new { 0 } else { VALUE_SPELLING & self.counts };
            }
            if !found.is_empty() {
                counts.add(found, 0, shape.shown(values).as_bytes());
            }
        }
    }

    /// What is wrong with an object that lies in a directory of manifests and is none of ours: `below` is its key behind
    /// that directory, `size` in bytes. `None` where readers do not mind it.
    pub fn on_other_object(&self, below: &str, size: u64) -> Option<Finding> {
        let name = match below.rsplit_once('/') {
            Some((_, "")) => return None,
            Some(_) => "nested-directory",
            None if below.starts_with(['_', '.']) || below.ends_with("_$folder$") || size == 0 => return None,
            None if is_compression(below.rsplit('.').next().unwrap_or("")) => "compressed-manifest",
            None => "stray-file",
        };
        self.finding(name, Shown(below).to_string())
    }

    /// A folder that belongs to a table format: `delta-table`, `iceberg-table` or `hudi-table`, found at `place`.
    pub fn on_folder(&self, trap: &'static str, place: &str) -> Option<Finding> {
        self.finding(trap, Shown(place).to_string())
    }

    /// Whether a line in these traps must not be published as it is.
    pub fn is_error(&self, set: TrapSet) -> bool {
        set.0 & self.errors != 0
    }

    /// What stops a plan of `table`: errors of the table itself, of its partitions, and of lines unless they are skipped. `None` where
    /// there are only warnings.
    pub fn refusal(&self, table: &Table, counts: &TrapCounts) -> Option<Error> {
        let is_error = |trap: &Trap| self.level(trap) == Some(Level::Error);
        let of_table = self.table.iter().filter(|finding| finding.level == Level::Error);
        let mut found: Vec<(&Trap, String)> =
            of_table.map(|finding| (finding.of(), format!("{}: {}", finding.of().what, finding.detail))).collect();
        let is_skipped = |trap: &Trap| trap.on == On::Line && table.on_trap == OnTrap::Skip;
        let counted = counts.iter().filter(|(trap, ..)| is_error(trap) && !is_skipped(trap));
        found.extend(counted.map(|(trap, count, example)| {
            (trap, format!("{} with {}; the first is {example}", trap.counted(count), trap.what))
        }));
        let (first, _) = found.first()?;
        let readers = |trap| {
            let names = self.readers_of(trap).into_iter().filter(|reader| trap.level(*reader) == Some(Level::Error));
            names.map(|reader| ReaderName(reader).to_string()).collect::<Vec<_>>().join(", ")
        };
        let message = format!("queries of `{}` would fail or read wrong rows", Shown(&table.name));
        let help = match first.on {
            On::Line => format!("{}; or leave such lines out: on_trap = \"skip\"", first.help),
            _ => first.help.to_owned(),
        };
        let notes = found.iter().map(|(trap, what)| format!("{what} ({}, {})", trap.name, readers(trap)));
        let reason = format!("{}: {}", first.name, first.reason);
        let error = notes.fold(Error::new(ErrorKind::Trap, message), Error::note);
        Some(error.note(reason).help(help))
    }

    /// The worst level of a trap among this table's readers.
    pub fn level(&self, trap: &Trap) -> Option<Level> {
        self.readers.iter().filter_map(|reader| trap.level(*reader)).max()
    }

    /// The readers that a trap is one for.
    pub fn readers_of(&self, trap: &Trap) -> Vec<Engine> {
        self.readers.iter().copied().filter(|reader| trap.level(*reader).is_some()).collect()
    }

    fn finding(&self, trap: &'static str, detail: String) -> Option<Finding> {
        let of = Trap::named(trap)?;
        Some(Finding { trap, level: self.level(of)?, readers: self.readers_of(of), detail })
    }
}

/// How many lines and partitions are in each trap, and the first of each.
#[derive(Clone, Debug, Default)]
pub struct TrapCounts {
    counts: [u64; COUNTED_TRAPS],
    /// Each with the number that it was added under.
    examples: [Option<(u64, Box<[u8]>)>; COUNTED_TRAPS],
}

impl TrapCounts {
    /// `example` is the line, or what shows the partition; `number` says where in the listing it stands, numbers never
    /// going down.
    pub fn add(&mut self, set: TrapSet, number: u64, example: &[u8]) {
        for index in set.indices() {
            self.counts[index] += 1;
            self.examples[index].get_or_insert_with(|| (number, example.into()));
        }
    }

    /// Takes over what another one counted.
    pub fn merge(&mut self, other: TrapCounts) {
        for (own, more) in self.counts.iter_mut().zip(other.counts) {
            *own += more;
        }
        for (own, example) in self.examples.iter_mut().zip(other.examples) {
            let is_earlier = |(number, _): &(u64, _)| own.as_ref().is_none_or(|(first, _)| number < first);
            if example.as_ref().is_some_and(is_earlier) {
                *own = example;
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    /// Each trap that some line or partition is in, with how many, and the first of them (safe on a terminal).
    pub fn iter(&self) -> impl Iterator<Item = (&'static Trap, u64, String)> + '_ {
        let counted = self.counts.iter().zip(&self.examples).zip(TRAPS);
        counted.filter(|((count, _), _)| **count > 0).map(|((count, example), trap)| {
            let example = example.as_ref().map(|(_, example)| &**example);
            let line = String::from_utf8_lossy(example.unwrap_or_default()).into_owned();
            (trap, *count, Shown(&line).to_string())
        })
    }
}

/// A reader as a rule file names it.
pub struct ReaderName(pub Engine);

impl fmt::Display for ReaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Engine::Athena => f.write_str("athena"),
            Engine::Spark => f.write_str("spark"),
            Engine::Hive => f.write_str("hive"),
            Engine::Trino { version: None } => f.write_str("trino"),
            Engine::Trino { version: Some(version) } => write!(f, "trino:{version}"),
        }
    }
}

/// Bits that a byte may set anywhere (low), and right behind a slash (high).
const SLASH: u8 = 1 << 3;
const AFTER_SLASH_SLASH: u8 = 1 << 4;
const AFTER_SLASH_HIDDEN: u8 = 1 << 5;
const ANYWHERE: u8 = 0x0f;

/// For each byte: what it may set, and which of those the next byte may set.
static CLASSES: [(u8, u8); 256] = classes();

const fn classes() -> [(u8, u8); 256] {
    let mut table = [(0u8, ANYWHERE); 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'\r' | b'\n' => (LINE_BREAK as u8, ANYWHERE),
            b':' => (COLON as u8, ANYWHERE),
            b'{' | b'}' | b'[' | b']' | b'*' | b'?' | b'\\' => (GLOB as u8, ANYWHERE),
            b'/' => (SLASH | AFTER_SLASH_SLASH, 0xff),
            b'.' | b'_' => (AFTER_SLASH_HIDDEN, ANYWHERE),
            _ => (0, ANYWHERE),
        };
        byte += 1;
    }
    table
}

fn line_bits(line: &[u8], is_text: bool) -> u32 {
    let (scheme, key) = split(line);
    let seen = if is_odd(key) { seen_in(key) } else { if memchr::memchr(b'/', key).is_some() { SLASH } else { 0 } };
    let mut bits = u32::from(seen & (LINE_BREAK | COLON | GLOB) as u8);
    if seen & AFTER_SLASH_SLASH != 0 {
        bits |= if key[0] == b'/' { LEADING_SLASH | DOUBLE_SLASH } else { DOUBLE_SLASH };
    }
    if seen & AFTER_SLASH_HIDDEN != 0 {
        bits |= hidden_bits(key);
    }
    if seen & SLASH == 0 {
        bits |= BUCKET_ROOT;
    }
    if key.last().is_none_or(|last| *last == b'/') {
        bits |= PREFIX_LINE;
    }
    if is_text && has_compression_in_capitals(key) {
        bits |= EXTENSION_CASE;
    }
    match scheme {
        b"s3" | b"" => {}
        // A local path has no bucket that a reader would list.
        b"file" => bits = (bits | LOCAL_TARGET) & !BUCKET_ROOT,
        b"gs" | b"az" | b"abfs" | b"abfss" | b"wasb" | b"wasbs" => bits |= OTHER_CLOUD_TARGET,
        _ => bits |= UNREADABLE_TARGET,
    }
    bits
}

/// What all bytes of a key set.
fn seen_in(key: &[u8]) -> u8 {
    let mut seen = 0;
    let mut gate = 0xff;
    for byte in key {
        let (sets, next) = CLASSES[usize::from(*byte)];
        seen |= sets & gate;
        gate = next;
    }
    seen
}

/// Whether a key may set more than [`SLASH`]: most do not. Byte by byte without a branch, for processors that take many at
/// once.
fn is_odd(key: &[u8]) -> bool {
    let mut odd = matches!(key.first(), Some(b'/' | b'.' | b'_'));
    for byte in key {
        // `[ \\ ]` and `{ | }` differ in one bit.
        let is_bracket = (byte | 0x20).wrapping_sub(b'{') < 3;
        odd |= is_bracket | (*byte == b':') | (*byte == b'*') | (*byte == b'?') | (*byte == b'\n') | (*byte == b'\r');
    }
    for (byte, next) in key.iter().zip(key.get(1..).unwrap_or_default()) {
        odd |= (*byte == b'/') & ((*next == b'/') | (*next == b'.') | (*next == b'_'));
    }
    odd
}

/// The scheme, and what stands behind the bucket's slash.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let colon = memchr::memchr(b':', line).filter(|colon| line[*colon..].starts_with(b"://"));
    let Some(colon) = colon else { return (b"", line) };
    let rest = &line[colon + 3..];
    let key = memchr::memchr(b'/', rest).map_or(&rest[rest.len()..], |slash| &rest[slash + 1..]);
    (&line[..colon], key)
}

/// Some component begins with `.` or `_`: which of them matter?
fn hidden_bits(key: &[u8]) -> u32 {
    let mut bits = 0;
    for component in key.split(|byte| *byte == b'/') {
        if matches!(component, b"." | b"..") {
            bits |= DOT_COMPONENT;
        }
    }
    let base = key.rsplit(|byte| *byte == b'/').next().unwrap_or(key);
    if base.first().is_some_and(|first| matches!(first, b'.' | b'_')) {
        bits |= HIDDEN_NAME;
    }
    bits
}

fn value_bits(column: &Column, value: &PartitionValue) -> u32 {
    let Some(text) = value.as_str() else {
        let is_text = column.partition_type() == PartitionType::Text;
        return if is_text { NULL_AS_TEXT | NULL_NOT_ADDED } else { NULL_NOT_ADDED };
    };
    let fits = one_spelling(&column.ddl_type, text).is_some();
    (if fits { 0 } else { VALUE_TYPE }) | (if text.contains('\'') { QUOTE_IN_VALUE } else { 0 })
}

/// The partition with every value in its one spelling; `None` where no other spelling can be, or some value has none.
fn one_spelling_of(table: &Table, values: &[PartitionValue]) -> Option<Vec<Option<String>>> {
    let is_spelled =
        |column: &Column| column.partition_type() == PartitionType::Other || column.ddl_type.starts_with("char");
    if !table.partitioned_by.iter().any(is_spelled) {
        return None;
    }
    let one = |(column, value): (&Column, &PartitionValue)| match value.as_str() {
        None => Some(None),
        Some(text) => one_spelling(&column.ddl_type, text).map(|text| Some(text.into_owned())),
    };
    table.partitioned_by.iter().zip(values).map(one).collect()
}

fn has_compression_in_capitals(key: &[u8]) -> bool {
    let tail = &key[key.len().saturating_sub(9)..];
    let Some(dot) = memchr::memrchr(b'.', tail) else { return false };
    let extension = &tail[dot + 1..];
    extension.iter().any(u8::is_ascii_uppercase)
        && std::str::from_utf8(extension).is_ok_and(|extension| is_compression(&extension.to_ascii_lowercase()))
}

fn is_compression(extension: &str) -> bool {
    matches!(extension, "gz" | "bz2" | "zst" | "lz4" | "snappy" | "deflate" | "lzo")
}

/// Whether the data is read as lines of text, so that extensions decide about compression.
fn is_text(table: &Table) -> bool {
    let kind = table.format.as_ref().map(|format| format.kind);
    !matches!(kind, Some(FormatKind::Parquet | FormatKind::Orc | FormatKind::Avro))
}

/// Names of the traps that a table may be in for some reader, with what was found.
fn table_traps(table: &Table) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    if let Some(format) = &table.format {
        let name = format::name_of(format.kind);
        match format.kind {
            FormatKind::Parquet | FormatKind::Orc | FormatKind::Avro => {
                found.push(("columnar-behind-symlink", format!("its format is {name}")));
                if format.kind == FormatKind::Avro {
                    found.push(("avro-behind-symlink", format!("its format is {name}")));
                }
            }
            FormatKind::Other => {}
            _ => found.push(("text-behind-symlink", format!("its format is {name}"))),
        }
        match format.kind {
            FormatKind::Json => found.push(("spark-json-serde", format!("its serde is {}", Shown(&format.serde)))),
            FormatKind::OpenCsv => found.extend(opencsv_types(table)),
            FormatKind::Regex => found.extend(regex_groups(table)),
            _ => {}
        }
        if format.header_lines > 0 {
            found.push(("spark-header-lines", format!("{} = {}", format::HEADER_LINES, format.header_lines)));
        }
    }
    if !table.partitioned_by.is_empty() {
        found.push(("spark-empty-splits", partition_columns(table)));
    }
    if table.partitions == Partitions::Projection {
        found.push(("projection-unread", partition_columns(table)));
        found.push(("projection-off", partition_columns(table)));
    }
    found.extend(lost_input_format(table));
    found.extend(location_traps(table));
    found
}

fn partition_columns(table: &Table) -> String {
    let names: Vec<String> = table.partitioned_by.iter().map(|column| Shown(&column.name).to_string()).collect();
    format!("it is partitioned by {}", names.join(", "))
}

fn opencsv_types(table: &Table) -> Option<(&'static str, String)> {
    let column = table.columns.iter().find(|column| column.ddl_type != "string")?;
    Some(("opencsv-types", format!("{} is {}", Shown(&column.name), Shown(&column.ddl_type))))
}

fn regex_groups(table: &Table) -> Option<(&'static str, String)> {
    let properties = &table.format.as_ref()?.serde_properties;
    let (_, regex) = properties.iter().find(|(key, _)| key == "input.regex")?;
    let (groups, columns) = (format::capture_groups(regex), table.columns.len());
    (groups != columns).then(|| ("regex-groups", format!("{groups} groups, {columns} columns")))
}

fn lost_input_format(table: &Table) -> Option<(&'static str, String)> {
    let lost = table.ddl.as_ref()?.statement.unknown_input_format.as_ref()?;
    Some(("input-format-lost", format!("its `ddl` says {}", Shown(lost))))
}

fn location_traps(table: &Table) -> Vec<(&'static str, String)> {
    let Some(location) = &table.location else { return Vec::new() };
    let mut found = Vec::new();
    let shown = location.shown();
    if location.bucket.scheme == Scheme::File {
        found.push(("local-location", shown.clone()));
    }
    let components: Vec<&str> = location.key.strip_suffix('/').unwrap_or(&location.key).split('/').collect();
    let is_odd = |component: &&str| component.is_empty() || *component == "." || *component == "..";
    if (!location.key.is_empty() && components.iter().any(is_odd)) || location.raw().len() > 2_056 {
        found.push(("location-form", shown.clone()));
    }
    if location.key.contains([':', '{', '}', '[', ']', '*', '?', '\\']) {
        found.push(("location-characters", shown));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ddl::sample::table;
    use crate::rules::ddl_in;
    use crate::rules::table::UserDdl;
    use crate::uri::Uri;

    #[test]
    fn traps_that_are_counted_come_first() {
        let place = |index: usize| match index {
            0..LINE_TRAPS => Some(On::Line),
            LINE_TRAPS..COUNTED_TRAPS => Some(On::Partition),
            _ => None,
        };
        let counted = |on: On| matches!(on, On::Line | On::Partition).then_some(on);
        assert!(TRAPS.iter().enumerate().all(|(index, trap)| counted(trap.on) == place(index)));
        let mut names: Vec<&str> = TRAPS.iter().map(|trap| trap.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TRAPS.len());
    }

    #[test]
    fn athena_takes_trino_430s_errors_and_hives_as_warnings() {
        for trap in &TRAPS[..COUNTED_TRAPS] {
            let trino = trap.level(Engine::Trino { version: Some(430) });
            let derived = trino.or(trap.hive.map(|_| Level::Warning));
            let expected = match trap.name {
                "local-target" => WARNING,
                "other-cloud-target" => ERROR,
                _ => derived,
            };
            let expected = if trap.name == "null-not-added" { None } else { expected };
            assert_eq!(trap.athena, expected, "{}", trap.name);
        }
    }

    #[test]
    fn no_byte_that_sets_a_bit_seems_even() {
        let with = |bytes: &[u8]| [b"data/x" as &[u8], bytes, b"y/z.csv"].concat();
        for byte in 0..=255 {
            for other in [b'/', b'.', b'_', b'a', b':', 0xff] {
                for key in [with(&[byte]), with(&[byte, other]), with(&[other, byte]), vec![byte, other], vec![byte]] {
                    assert!(is_odd(&key) || seen_in(&key) & !SLASH == 0, "{key:?}");
                }
            }
        }
    }

    #[test]
    fn bits_are_the_places_of_their_traps() {
        let named = |bits: u32| TrapSet(bits).iter().map(|trap| trap.name).collect::<Vec<_>>();
        assert_eq!(named(LINE_BREAK | COLON | GLOB), ["line-break", "colon", "glob"]);
        assert_eq!(
            named(DOUBLE_SLASH | DOT_COMPONENT | LEADING_SLASH),
            ["double-slash", "dot-component", "leading-slash"]
        );
        assert_eq!(named(HIDDEN_NAME | PREFIX_LINE | BUCKET_ROOT), ["hidden-name", "prefix-line", "bucket-root"]);
        assert_eq!(named(EXTENSION_CASE | LOCAL_TARGET), ["extension-case", "local-target"]);
        assert_eq!(
            named(OTHER_CLOUD_TARGET | UNREADABLE_TARGET | EXTENSION_LOST),
            ["other-cloud-target", "unreadable-target", "extension-lost"]
        );
        assert_eq!(named(VALUE_TYPE | VALUE_SPELLING), ["value-type", "value-spelling"]);
        assert_eq!(
            named(NULL_AS_TEXT | NULL_NOT_ADDED | QUOTE_IN_VALUE),
            ["null-as-text", "null-not-added", "quote-in-value"]
        );
    }

    #[test]
    fn what_a_table_was_made_from_shows() {
        let names = |table: &Table| Traps::for_table(table).on_table().iter().map(|one| one.trap).collect::<Vec<_>>();
        let mut table = table(&[]);
        assert_eq!(names(&table), Vec::<&str>::new());
        for odd in ["s3://b/a//t/", "s3://b/../t/", "s3://b//t/", &format!("s3://b/{}/", "x".repeat(2_056))] {
            table.location = Some(Uri::parse(odd).unwrap());
            assert_eq!(names(&table), ["location-form"], "{odd}");
        }
        table.location = Some(Uri::parse("s3://b/").unwrap());
        let text = "CREATE EXTERNAL TABLE t (id bigint) STORED AS INPUTFORMAT 'com.x.In' OUTPUTFORMAT 'com.x.Out'";
        let statement = ddl_in::read(text).unwrap();
        table.ddl = Some(UserDdl { path: "t.sql".into(), text: text.to_owned(), statement });
        assert_eq!(names(&table), ["input-format-lost"]);
        assert_eq!(Traps::for_table(&table).on_table()[0].detail, "its `ddl` says com.x.In");
    }
}
