//! Every key of a rule file: its name, what it takes, what it means. The reader, its messages and the JSON Schema all
//! come from this one table.
//!
//! Nothing is read or checked here; `shape.rs` holds a file against it.

/// A TOML table of fixed keys.
#[derive(Debug)]
pub struct Section {
    /// As a user writes it: `[[table.NAME.rule]]`.
    pub header: &'static str,
    pub doc: &'static str,
    pub keys: &'static [Key],
}

#[derive(Debug)]
pub struct Key {
    pub name: &'static str,
    pub shape: Shape,
    /// One or more sentences for editors and `docs/rules.md`.
    pub doc: &'static str,
    /// A value that can be pasted behind `name = `; empty for sections.
    pub example: &'static str,
}

/// What a key takes.
#[derive(Debug)]
pub enum Shape {
    /// Text; `pattern` is a regular expression that all of it must match, or empty; `words` are for "did you mean".
    Text {
        what: &'static str,
        pattern: &'static str,
        words: &'static [&'static str],
    },
    /// One of these words.
    Word(&'static [&'static str]),
    Flag,
    /// `false` alone.
    False,
    /// A whole number, both ends included.
    Whole {
        min: i64,
        max: i64,
    },
    /// A number from 0 to 1.
    Share,
    /// Text or a whole number, as a `set` value.
    Scalar,
    /// A TOML date and time with an offset.
    Moment,
    List(&'static Shape),
    /// Names of the user's own, each with a value.
    Map {
        names: &'static str,
        of: &'static Shape,
    },
    Section(&'static Section),
    /// `[[…]]`
    Sections(&'static Section),
    /// Any of these, tried in order.
    Either(&'static [Shape]),
}

impl Section {
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Shape {
    /// What it takes, as the end of "… takes".
    pub fn takes(&self) -> String {
        let words = |words: &[&str]| words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        match self {
            Shape::Text { what, .. } => (*what).to_owned(),
            Shape::Word([one]) => format!("\"{one}\""),
            Shape::Word(of) => format!("one of {}", words(of)),
            Shape::Flag => "true or false".to_owned(),
            Shape::False => "false".to_owned(),
            Shape::Whole { min, max: i64::MAX } => format!("a whole number from {min}"),
            Shape::Whole { min, max } => format!("a whole number from {min} to {max}"),
            Shape::Share => "a number from 0 to 1".to_owned(),
            Shape::Scalar => "text or a whole number".to_owned(),
            Shape::Moment => "a date and time with its offset".to_owned(),
            Shape::List(of) => format!("a list, each {}", of.takes()),
            Shape::Map { names, of } => format!("a table of {names}, each {}", of.takes()),
            Shape::Section(_) => "a table".to_owned(),
            Shape::Sections(section) => format!("tables, each under {}", section.header),
            Shape::Either(shapes) => shapes.iter().map(Shape::takes).collect::<Vec<_>>().join(", or "),
        }
    }
}

/// The names of tables, columns, captures and lookups.
pub const NAME: &str = "[A-Za-z_][A-Za-z0-9_]*";

pub const FORMATS: &[&str] = &["csv", "opencsv", "tsv", "json", "parquet", "orc", "avro", "regex"];
pub const ENGINES: &[&str] = &["athena", "trino", "spark", "hive"];
pub const SKIPS: &[&str] = &["markers", "hidden", "folder", "empty", "archived"];

const TEXT: Shape = Shape::Text { what: "text", pattern: "", words: &[] };
const WORD: Shape = Shape::Text { what: "text without spaces", pattern: "\\S+", words: &[] };
const URL: Shape = Shape::Text { what: "a URL as text", pattern: "https?://.+", words: &[] };
const TEMPLATE: Shape = Shape::Text { what: "a template in '…'", pattern: "", words: &[] };
const EXPRESSION: Shape = Shape::Text { what: "text with captures, such as \"{snapshot}\"", pattern: "", words: &[] };
const LOCATION: Shape = Shape::Text { what: "a URI or a folder, as text", pattern: "", words: &[] };
const ENGINE: Shape = Shape::Text {
    what: "\"athena\", \"trino\", \"spark\" or \"hive\"",
    pattern: "athena|spark|hive|trino(?::[0-9]+)?",
    words: ENGINES,
};
const DURATION: Shape =
    Shape::Text { what: "a duration such as \"29d\" or \"36h\"", pattern: "[0-9]+ ?[smhdw]", words: &[] };
const PERCENT: Shape = Shape::Text { what: "a share such as \"10%\"", pattern: "[0-9]+(?:\\.[0-9]+)? ?%", words: &[] };
const COLUMN: Shape = Shape::Text { what: "text as in \"id bigint\"", pattern: "", words: &[] };
const COUNT: Shape = Shape::Whole { min: 1, max: i64::MAX };
const TEXTS: Shape = Shape::Either(&[TEXT, Shape::List(&TEXT)]);
const SET: Shape = Shape::Map { names: "partition columns", of: &Shape::Scalar };
const WHERE: Shape = Shape::Map { names: "captures and attributes", of: &TEXTS };

/// The file itself.
pub static FILE: Section = Section {
    header: "the top of the file",
    doc: "A restitch rule file: which objects feed which tables, and where the manifests go.",
    keys: &[
        Key {
            name: "project",
            shape: TEXT,
            doc: "Whose tables these are. Kept in each location's marker, so that two projects never publish to one place.",
            example: "\"billing\"",
        },
        Key {
            name: "defaults",
            shape: Shape::Section(&DEFAULTS),
            doc: "What every table has unless it says otherwise. `exclude` adds up, `set` and `where` merge by name, anything else is replaced.",
            example: "",
        },
        Key {
            name: "table",
            shape: Shape::Map { names: "table names", of: &Shape::Section(&TABLE) },
            doc: "The tables, in the order of the text.",
            example: "",
        },
        Key {
            name: "lookup",
            shape: Shape::Map { names: "lookup names", of: &Shape::Map { names: "keys", of: &Shape::Scalar } },
            doc: "Tables of texts for the filter `lookup(name)`.",
            example: "",
        },
        Key {
            name: "listing",
            shape: Shape::Sections(&LISTING),
            doc: "Where the listing of a prefix comes from, or how its bucket is reached. The longest prefix counts.",
            example: "",
        },
        Key {
            name: "removed",
            shape: Shape::Map { names: "table names", of: &LOCATION },
            doc: "Locations of tables that left the file and are to be emptied; `restitch prune` deletes them later.",
            example: "",
        },
        Key {
            name: "catalog",
            shape: Shape::Section(&CATALOG),
            doc: "Where tables are registered, unless a table says otherwise; without it nowhere: `restitch ddl` prints the statements to run.",
            example: "",
        },
    ],
};

macro_rules! table_keys {
    ($($more:expr),* $(,)?) => {
        &[
            Key {
                name: "location",
                shape: LOCATION,
                doc: "Where the manifests go; `{table}` is the table's name; at the beginning, `{storage_namespace}` is where the repository of lakeFS that the rules list keeps its objects. A relative folder is taken from the rule file's. `plan`, `apply` and `ddl` need it.",
                example: "\"s3://example-athena/tables/{table}/\"",
            },
            Key {
                name: "engine",
                shape: Shape::Either(&[ENGINE, Shape::List(&ENGINE)]),
                doc: "Who will read: athena (the default), trino, spark, hive, or a list of them. A version stands behind a colon: \"trino:476\".",
                example: "\"athena\"",
            },
            Key {
                name: "columns",
                shape: Shape::List(&COLUMN),
                doc: "The columns in the data, each \"name type\" and, behind them, a comment.",
                example: "[\"id bigint\", \"amount double\"]",
            },
            Key {
                name: "ddl",
                shape: TEXT,
                doc: "A file with an existing CREATE EXTERNAL TABLE: columns, format and properties are taken from it. Relative to the rule file.",
                example: "\"taxes.sql\"",
            },
            Key {
                name: "like",
                shape: TEXT,
                doc: "A table that is described elsewhere: columns, partition columns and what else is said there are taken from it. \"lakefs:REPO/REF/PATH.yaml\" is a table descriptor in lakeFS.",
                example: "\"lakefs:repo/main/_lakefs_tables/taxes.yaml\"",
            },
            Key {
                name: "partitioned_by",
                shape: Shape::List(&COLUMN),
                doc: "The partition columns, each \"name type\"; none for a table of one manifest.",
                example: "[\"region string\", \"dt date\"]",
            },
            Key {
                name: "format",
                shape: Shape::Either(&[Shape::Word(FORMATS), Shape::Section(&FORMAT)]),
                doc: "How the data is read: a name, or a table with its settings.",
                example: "\"csv\"",
            },
            Key {
                name: "comment",
                shape: TEXT,
                doc: "The table's comment.",
                example: "\"taxes of all regions\"",
            },
            Key {
                name: "properties",
                shape: Shape::Map { names: "properties", of: &Shape::Scalar },
                doc: "TBLPROPERTIES.",
                example: "{ \"classification\" = \"csv\" }",
            },
            Key {
                name: "layout",
                shape: Shape::Text { what: "text with every partition column, such as '{region}/'", pattern: "", words: &[] },
                doc: "Where a partition's manifest lies below the location: texts and every partition column. The default is `col=value/` for each.",
                example: "'{region}/'",
            },
            Key {
                name: "partitions",
                shape: Shape::Word(&["registered", "projection"]),
                doc: "Whether partitions are registered in the catalog (the default) or projected by the engine.",
                example: "\"projection\"",
            },
            Key {
                name: "publish",
                shape: Shape::Word(&["refresh", "switch"]),
                doc: "How changes reach readers: \"refresh\" (the default) replaces each manifest where it stands, \"switch\" puts everything into a new directory, to which readers change over at once; so it is by default for tables from lakeFS in a catalog, unpartitioned or projected.",
                example: "\"refresh\"",
            },
            Key {
                name: "moves",
                shape: Shape::Word(&["refuse", "accept"]),
                doc: "Whether lines may move between partitions without asking each time.",
                example: "\"accept\"",
            },
            Key {
                name: "append_only",
                shape: Shape::Flag,
                doc: "Objects only ever come: what an S3 Inventory would change is then not listed live first.",
                example: "true",
            },
            Key {
                name: "on_trap",
                shape: Shape::Word(&["refuse", "skip"]),
                doc: "What to do about an object that an engine could not read: stop, or leave its line out.",
                example: "\"skip\"",
            },
            Key {
                name: "strict_values",
                shape: Shape::Flag,
                doc: "Whether an object is left out for a value that its column's type does not hold, whatever the type: not of integers and dates alone. A plan refuses the others otherwise.",
                example: "true",
            },
            Key {
                name: "max_removed",
                shape: Shape::Either(&[Shape::Share, PERCENT]),
                doc: "The share of a table's lines of which more may not go at once (from 20 lines on). 0.1 if not said.",
                example: "\"10%\"",
            },
            Key {
                name: "max_partitions",
                shape: COUNT,
                doc: "More partitions than this stop the run. 100,000 if not said.",
                example: "100_000",
            },
            Key {
                name: "max_lines",
                shape: COUNT,
                doc: "More lines in one manifest than this stop the run. 1,000,000 if not said.",
                example: "1_000_000",
            },
            Key {
                name: "max_lists_per_partition",
                shape: COUNT,
                doc: "Where a query of one partition makes Athena or Trino list more pages than this, the run stops.",
                example: "200",
            },
            Key {
                name: "max_listing_age",
                shape: DURATION,
                doc: "A listing older than this is refused.",
                example: "\"36h\"",
            },
            Key {
                name: "leave_after",
                shape: DURATION,
                doc: "Lines of objects older than this leave, before a lifecycle rule deletes what they name.",
                example: "\"29d\"",
            },
            Key {
                name: "skip",
                shape: Shape::Either(&[Shape::Word(SKIPS), Shape::List(&Shape::Word(SKIPS))]),
                doc: "What is left out before the match: all five kinds if not said.",
                example: "[\"markers\", \"hidden\", \"folder\", \"empty\", \"archived\"]",
            },
            Key {
                name: "exclude",
                shape: TEXTS,
                doc: "Globs of objects to leave out: without a slash the base name, with one the key, with a scheme the URI.",
                example: "[\"*.tmp\", \"**/archive/**\"]",
            },
            Key {
                name: "pick",
                shape: Shape::Either(&[Shape::Section(&PICK), Shape::List(&Shape::Section(&PICK))]),
                doc: "One snapshot, version or layout out of each partition, so that no row comes twice. A list applies in order.",
                example: "{ one = \"{snapshot}\" }",
            },
            Key {
                name: "set",
                shape: SET,
                doc: "Values of partition columns: text, captures, filters.",
                example: "{ dt = \"{ts|format(yyyy-MM-dd)}\" }",
            },
            Key {
                name: "where",
                shape: WHERE,
                doc: "Tests on captures and on size, modified, storage_class, name, bucket; all must hold.",
                example: "{ size = \">0\", dt = [\">=2024-01-01\", \"<2024-07-01\"] }",
            },
            Key {
                name: "ignore_case",
                shape: Shape::Flag,
                doc: "Whether the rules match in any case; values keep theirs.",
                example: "true",
            },
            $($more),*
        ]
    };
}

pub static DEFAULTS: Section = Section {
    header: "[defaults]",
    doc: "What every table has unless it says otherwise.",
    keys: table_keys![Key {
        name: "claim",
        shape: Shape::Word(&["every", "first"]),
        doc: "Across tables: each decides alone (\"every\"), or the first table in the file takes an object (\"first\").",
        example: "\"first\"",
    }],
};

pub static TABLE: Section = Section {
    header: "[table.NAME]",
    doc: "A table: its columns, how its data is read, and the rules that feed it.",
    keys: table_keys![
        Key {
            name: "catalog",
            shape: Shape::Section(&CATALOG),
            doc: "Where this table is registered: what differs from the file's `[catalog]`.",
            example: "",
        },
        Key {
            name: "rule",
            shape: Shape::Sections(&RULE),
            doc: "The table's rules; the first that takes an object has it.",
            example: "",
        },
        Key {
            name: "test",
            shape: Shape::Sections(&TEST),
            doc: "What a URI must come out as; `restitch check` runs them.",
            example: "",
        },
    ],
};

pub static RULE: Section = Section {
    header: "[[table.NAME.rule]]",
    doc: "Which objects feed the table, and the values of its partition columns.",
    keys: &[
        Key {
            name: "match",
            shape: TEMPLATE,
            doc: "The URI with holes: `*`, `**`, `{name}`, `{name:int}`, `{ts:date(yyyy/MM/dd)}`, …",
            example: "'s3://example-bucket/data/{region}/taxes*.csv'",
        },
        Key {
            name: "regex",
            shape: Shape::Text { what: "a regular expression in '…'", pattern: "", words: &[] },
            doc: "Where a template cannot say it: matched against the whole rest of the key below `under`. Named groups are captures.",
            example: "'(?<region>[a-z]+)/taxes[0-9]+\\.csv'",
        },
        Key {
            name: "under",
            shape: Shape::Text { what: "a prefix as text", pattern: "", words: &[] },
            doc: "The prefix that `regex` stands under.",
            example: "'s3://example-bucket/data/'",
        },
        Key {
            name: "set",
            shape: SET,
            doc: "Values of partition columns under this rule: text, captures, filters.",
            example: "{ region = \"emea\" }",
        },
        Key {
            name: "where",
            shape: WHERE,
            doc: "Tests on captures and on size, modified, storage_class, name, bucket; all must hold, the table's too.",
            example: "{ dt = \">=2024-01-01\" }",
        },
        Key {
            name: "exclude",
            shape: TEXTS,
            doc: "Globs of objects that this rule leaves to the next one.",
            example: "[\"*.tmp\"]",
        },
        Key {
            name: "ignore_case",
            shape: Shape::Flag,
            doc: "Whether this rule matches in any case; values keep theirs.",
            example: "true",
        },
        Key {
            name: "done",
            shape: TEMPLATE,
            doc: "A marker: an object counts only once one exists that agrees in every capture the marker binds.",
            example: "'s3://example-bucket/exports/{run}/_SUCCESS'",
        },
        Key {
            name: "line",
            shape: Shape::Word(&["object", "prefix"]),
            doc: "What the manifest's line is: the object, or the prefix that `match` ends in, for engines that read it.",
            example: "\"prefix\"",
        },
    ],
};

pub static TEST: Section = Section {
    header: "[[table.NAME.test]]",
    doc: "What a URI must come out as.",
    keys: &[
        Key { name: "uri", shape: TEXT, doc: "The object.", example: "'s3://example-bucket/data/amer/taxes1.csv'" },
        Key {
            name: "gives",
            shape: Shape::Either(&[Shape::False, Shape::Map { names: "partition columns", of: &Shape::Scalar }]),
            doc: "The values of the partition columns (\"\\\\N\" is NULL), or false if the table must not take it.",
            example: "{ region = \"amer\" }",
        },
        Key {
            name: "size",
            shape: Shape::Whole { min: 0, max: i64::MAX },
            doc: "Its size in bytes, where that matters.",
            example: "1024",
        },
        Key {
            name: "modified",
            shape: Shape::Either(&[
                Shape::Moment,
                Shape::Text { what: "text such as \"2024-03-01T06:00:00Z\"", pattern: "", words: &[] },
            ]),
            doc: "When it was last written, where that matters.",
            example: "\"2024-03-01T06:00:00Z\"",
        },
        Key {
            name: "storage_class",
            shape: TEXT,
            doc: "Its storage class, where that matters.",
            example: "\"GLACIER\"",
        },
    ],
};

pub static LISTING: Section = Section {
    header: "[[listing]]",
    doc: "Where the listing of a prefix comes from, or how its bucket is reached.",
    keys: &[
        Key {
            name: "prefix",
            shape: LOCATION,
            doc: "What this is about; everything if not said.",
            example: "'s3://example-bucket/data/'",
        },
        Key {
            name: "from",
            shape: TEXT,
            doc: "A file with the listing, instead of a live one: text, JSON lines, CSV, relative to the rule file; or an S3 Inventory, also in a bucket.",
            example: "\"keys.txt\"",
        },
        Key { name: "endpoint", shape: URL, doc: "The S3 endpoint.", example: "\"http://127.0.0.1:9000\"" },
        Key { name: "region", shape: TEXT, doc: "The bucket's region; found if not said.", example: "\"eu-west-1\"" },
        Key { name: "profile", shape: TEXT, doc: "The AWS profile to use.", example: "\"logs\"" },
        Key { name: "requester_pays", shape: Shape::Flag, doc: "Whether we pay for the requests.", example: "true" },
        Key { name: "anonymous", shape: Shape::Flag, doc: "Whether to ask without credentials.", example: "true" },
        Key {
            name: "path_style",
            shape: Shape::Flag,
            doc: "Whether the bucket stands in the path instead of the host name.",
            example: "true",
        },
    ],
};

pub static CATALOG: Section = Section {
    header: "[catalog]",
    doc: "Where tables are registered: with it, `plan` and `apply` keep a catalog's tables and partitions as they keep manifests.",
    keys: &[
        Key {
            name: "type",
            shape: Shape::Word(&["none", "glue", "hive"]),
            doc: "The AWS Glue Data Catalog, a Hive metastore, or none.",
            example: "\"glue\"",
        },
        Key {
            name: "database",
            shape: TEXT,
            doc: "The database that the tables stand in, in lower case. If not said, the one that the table's own DDL names.",
            example: "\"sales\"",
        },
        Key {
            name: "region",
            shape: WORD,
            doc: "glue: the region of the catalog; as the AWS settings say if not said.",
            example: "\"eu-west-1\"",
        },
        Key { name: "profile", shape: WORD, doc: "glue: the AWS profile to use.", example: "\"analytics\"" },
        Key {
            name: "endpoint",
            shape: URL,
            doc: "glue: another endpoint than the region's own.",
            example: "\"http://127.0.0.1:5000\"",
        },
        Key {
            name: "catalog_id",
            shape: Shape::Text {
                what: "an account of 12 digits as text, and a catalog within it behind a colon",
                pattern: "[0-9]{12}(?::\\S+)?",
                words: &[],
            },
            doc: "glue: the account whose catalog it is, if it is another's.",
            example: "\"123456789012\"",
        },
        Key {
            name: "uri",
            shape: TEXT,
            doc: "hive: where the metastore listens.",
            example: "\"thrift://metastore.example.com:9083\"",
        },
    ],
};

pub static PICK: Section = Section {
    header: "pick",
    doc: "One group out of each partition, or out of each arena that `per` says.",
    keys: &[
        Key {
            name: "one",
            shape: EXPRESSION,
            doc: "What the groups are; the greatest stays. \"rule\": the objects of the earliest rule.",
            example: "\"{snapshot}\"",
        },
        Key {
            name: "by",
            shape: Shape::Word(&["modified"]),
            doc: "\"modified\": the group with the newest object stays, instead of the greatest.",
            example: "\"modified\"",
        },
        Key {
            name: "per",
            shape: EXPRESSION,
            doc: "The arena, instead of the partition.",
            example: "\"{path}/{row}\"",
        },
    ],
};

pub static FORMAT: Section = Section {
    header: "format",
    doc: "How the data is read, with its settings.",
    keys: &[
        Key { name: "type", shape: Shape::Word(FORMATS), doc: "The format; or say `serde` alone.", example: "\"csv\"" },
        Key {
            name: "serde",
            shape: TEXT,
            doc: "The class of any serde; for json also \"openx\" (the default) or \"hcatalog\".",
            example: "\"com.example.hive.MySerDe\"",
        },
        Key {
            name: "properties",
            shape: Shape::Map { names: "serde properties", of: &Shape::Scalar },
            doc: "SERDEPROPERTIES.",
            example: "{ \"ignore.malformed.json\" = \"true\" }",
        },
        Key {
            name: "delimiter",
            shape: TEXT,
            doc: "csv, opencsv: what stands between fields, one ASCII character.",
            example: "\";\"",
        },
        Key { name: "escape", shape: TEXT, doc: "csv, tsv, opencsv: the escape character.", example: "'\\'" },
        Key { name: "quote", shape: TEXT, doc: "opencsv: the quote character.", example: "'\"'" },
        Key { name: "null", shape: TEXT, doc: "csv, tsv: the text that is NULL.", example: "'\\N'" },
        Key {
            name: "header_lines",
            shape: Shape::Whole { min: 0, max: 1_000_000 },
            doc: "csv, tsv, opencsv, regex: lines to skip at the top of each object.",
            example: "1",
        },
        Key {
            name: "regex",
            shape: TEXT,
            doc: "regex: the Java expression that each line matches, a group a column.",
            example: "'^(\\S+) (\\S+)$'",
        },
        Key { name: "schema", shape: TEXT, doc: "avro: the schema, as JSON text.", example: "'{\"type\":\"record\"}'" },
    ],
};
