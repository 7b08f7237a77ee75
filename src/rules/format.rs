//! How the bytes of objects are read: a format's name and options on one side, a serde's class and properties on the other.
//!
//! The classes and their properties are Athena's, from its table of supported serdes.

use super::table::{Format, FormatKind};

/// The names that `format` takes.
pub const NAMES: [&str; 8] = ["csv", "opencsv", "tsv", "json", "parquet", "orc", "avro", "regex"];

pub const LAZY_SIMPLE_SERDE: &str = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe";
pub const OPEN_CSV_SERDE: &str = "org.apache.hadoop.hive.serde2.OpenCSVSerde";
pub const OPENX_JSON_SERDE: &str = "org.openx.data.jsonserde.JsonSerDe";
pub const HCATALOG_JSON_SERDE: &str = "org.apache.hive.hcatalog.data.JsonSerDe";
/// What `STORED AS JSONFILE` means.
pub const HIVE_JSON_SERDE: &str = "org.apache.hadoop.hive.serde2.JsonSerDe";
pub const PARQUET_SERDE: &str = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe";
pub const ORC_SERDE: &str = "org.apache.hadoop.hive.ql.io.orc.OrcSerde";
pub const AVRO_SERDE: &str = "org.apache.hadoop.hive.serde2.avro.AvroSerDe";
pub const REGEX_SERDE: &str = "org.apache.hadoop.hive.serde2.RegexSerDe";
/// The regex serde of old Athena examples; takes the same `input.regex`.
pub const CONTRIB_REGEX_SERDE: &str = "org.apache.hadoop.hive.contrib.serde2.RegexSerDe";

/// The property that counts header lines.
pub const HEADER_LINES: &str = "skip.header.line.count";

/// What may stand beside a format's name; each belongs to some formats only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormatOptions {
    /// csv, opencsv: between two fields; one ASCII character.
    pub delimiter: Option<String>,
    /// opencsv: round a field; one ASCII character.
    pub quote: Option<String>,
    /// csv, tsv, opencsv: before a character that is meant; one ASCII character.
    pub escape: Option<String>,
    /// csv, tsv: the text that is NULL.
    pub null: Option<String>,
    /// csv, tsv, opencsv, regex: lines to skip at the top of each object.
    pub header_lines: Option<u32>,
    /// regex: a Java expression with a group for each column.
    pub regex: Option<String>,
    /// avro: the schema, as JSON text.
    pub schema: Option<String>,
    /// json: `openx` (the default) or `hcatalog`; anywhere: a class of one's own.
    pub serde: Option<String>,
    /// Serde properties as they are, behind those that the options above make.
    pub properties: Vec<(String, String)>,
}

/// Why a format cannot be: which option is at fault (`None`: the name), what is wrong, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    pub option: Option<&'static str>,
    pub message: String,
    pub help: Option<String>,
}

/// The format called `name` (one of [`NAMES`]) with its options; without a name the options' `serde` says all.
///
/// # Errors
/// An unknown name, an option that the format does not have, one that it needs and lacks, a delimiter that is not one
/// ASCII character.
pub fn format(name: Option<&str>, options: &FormatOptions) -> Result<Format, FormatError> {
    let kind = match name {
        Some(name) => kind_of_name(name)?,
        None => kind_of_serde(options.serde.as_deref().ok_or_else(|| {
            wrong(None, "a format has a `type` or a `serde`").help(r#"format = { type = "csv", header_lines = 1 }"#)
        })?),
    };
    refuse_foreign_options(kind, options)?;
    let mut properties = own_properties(kind, name.is_some(), options)?;
    properties.retain(|(key, _)| options.properties.iter().all(|(other, _)| other != key));
    properties.extend(options.properties.iter().cloned());
    Ok(Format {
        kind,
        serde: serde_class(kind, options),
        serde_properties: properties,
        header_lines: options.header_lines.unwrap_or(0),
    })
}

/// Which of the formats a serde's class reads.
pub fn kind_of_serde(class: &str) -> FormatKind {
    match class {
        LAZY_SIMPLE_SERDE => FormatKind::Csv,
        OPEN_CSV_SERDE => FormatKind::OpenCsv,
        OPENX_JSON_SERDE | HCATALOG_JSON_SERDE | HIVE_JSON_SERDE => FormatKind::Json,
        PARQUET_SERDE | "parquet.hive.serde.ParquetHiveSerDe" => FormatKind::Parquet,
        ORC_SERDE => FormatKind::Orc,
        AVRO_SERDE => FormatKind::Avro,
        REGEX_SERDE | CONTRIB_REGEX_SERDE => FormatKind::Regex,
        _ => FormatKind::Other,
    }
}

/// How many groups of a Java expression capture: unescaped `(` outside classes, without `?` behind it unless it names
/// the group. The regex serde wants one for each column.
pub fn capture_groups(regex: &str) -> usize {
    let bytes = regex.as_bytes();
    let (mut at, mut groups, mut class_depth) = (0, 0, 0usize);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if bytes[at..].starts_with(b"\\Q") => {
                at += memchr::memmem::find(&bytes[at..], b"\\E").unwrap_or(bytes.len() - at);
            }
            b'\\' => at += 1,
            b'[' => class_depth += 1,
            b']' => class_depth = class_depth.saturating_sub(1),
            b'(' if class_depth == 0 => {
                let rest = &bytes[at + 1..];
                let names = rest.starts_with(b"?<") && rest.get(2).is_some_and(u8::is_ascii_alphabetic);
                groups += usize::from(names || !rest.starts_with(b"?"));
            }
            _ => {}
        }
        at += 1;
    }
    groups
}

fn kind_of_name(name: &str) -> Result<FormatKind, FormatError> {
    Ok(match name {
        "csv" => FormatKind::Csv,
        "opencsv" => FormatKind::OpenCsv,
        "tsv" => FormatKind::Tsv,
        "json" => FormatKind::Json,
        "parquet" => FormatKind::Parquet,
        "orc" => FormatKind::Orc,
        "avro" => FormatKind::Avro,
        "regex" => FormatKind::Regex,
        _ => {
            let near = NAMES.iter().filter(|known| strsim::damerau_levenshtein(name, known) <= 2);
            let near = near.min_by_key(|known| strsim::damerau_levenshtein(name, known));
            let help = match near {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("the formats are {}; any serde by its class: {{ serde = \"…\" }}", NAMES.join(", ")),
            };
            return Err(wrong(None, format!("there is no format `{name}`")).help(help));
        }
    })
}

fn refuse_foreign_options(kind: FormatKind, options: &FormatOptions) -> Result<(), FormatError> {
    use FormatKind::{Avro, Csv, Json, OpenCsv, Other, Regex, Tsv};
    let given: [(&'static str, bool, &[FormatKind]); 7] = [
        ("delimiter", options.delimiter.is_some(), &[Csv, OpenCsv]),
        ("quote", options.quote.is_some(), &[OpenCsv]),
        ("escape", options.escape.is_some(), &[Csv, Tsv, OpenCsv]),
        ("null", options.null.is_some(), &[Csv, Tsv]),
        ("header_lines", options.header_lines.is_some(), &[Csv, Tsv, OpenCsv, Regex, Other]),
        ("regex", options.regex.is_some(), &[Regex]),
        ("schema", options.schema.is_some(), &[Avro]),
    ];
    for (option, is_given, kinds) in given {
        if is_given && !kinds.contains(&kind) {
            let error = wrong(Some(option), format!("{} has no `{option}`", name_of(kind)));
            return Err(match (option, kind) {
                ("quote", Csv | Tsv) => error.help(r#"quoted fields are read by format = { type = "opencsv" }"#),
                ("delimiter", Tsv) => error.help(r#"format = { type = "csv", delimiter = "…" }"#),
                (_, Other) => error.help(r#"say it as the serde does: properties = { "…" = "…" }"#),
                _ => error.help("leave it out"),
            });
        }
    }
    match options.serde.as_deref() {
        Some("openx" | "hcatalog") if kind != Json => {
            Err(wrong(Some("serde"), "`openx` and `hcatalog` read JSON")
                .help(r#"format = { type = "json", serde = "…" }"#))
        }
        _ => Ok(()),
    }
}

fn own_properties(
    kind: FormatKind,
    named: bool,
    options: &FormatOptions,
) -> Result<Vec<(String, String)>, FormatError> {
    let mut out = Vec::new();
    let mut put = |key: &str, value: &str| out.push((key.to_owned(), value.to_owned()));
    // A serde named by its class has what is said of it, and its own defaults for the rest.
    let or = |default: &'static str| named.then_some(default);
    match kind {
        FormatKind::Csv | FormatKind::Tsv => {
            let default = if kind == FormatKind::Tsv { "\t" } else { "," };
            if let Some(delimiter) = one_character("delimiter", options.delimiter.as_deref())?.or(or(default)) {
                put("field.delim", delimiter);
                put("serialization.format", delimiter);
            }
            if let Some(escape) = one_character("escape", options.escape.as_deref())? {
                put("escape.delim", escape);
            }
            if let Some(null) = &options.null {
                put("serialization.null.format", null);
            }
        }
        FormatKind::OpenCsv => {
            let said = [
                ("separatorChar", one_character("delimiter", options.delimiter.as_deref())?.or(or(","))),
                ("quoteChar", one_character("quote", options.quote.as_deref())?.or(or("\""))),
                ("escapeChar", one_character("escape", options.escape.as_deref())?.or(or("\\"))),
            ];
            said.into_iter().filter_map(|(key, value)| Some((key, value?))).for_each(|(key, value)| put(key, value));
        }
        FormatKind::Regex => match options.regex.as_deref() {
            Some(regex) if !regex.is_empty() => put("input.regex", regex),
            None if !named => {}
            _ => return Err(wrong(Some("regex"), "a regex format needs its `regex`, with a group for each column")),
        },
        FormatKind::Avro => options.schema.iter().for_each(|schema| put("avro.schema.literal", schema)),
        _ => {}
    }
    Ok(out)
}

fn serde_class(kind: FormatKind, options: &FormatOptions) -> String {
    let class = match options.serde.as_deref() {
        Some("openx") => OPENX_JSON_SERDE,
        Some("hcatalog") => HCATALOG_JSON_SERDE,
        Some(class) => class,
        None => match kind {
            FormatKind::Csv | FormatKind::Tsv => LAZY_SIMPLE_SERDE,
            FormatKind::OpenCsv => OPEN_CSV_SERDE,
            FormatKind::Json => OPENX_JSON_SERDE,
            FormatKind::Parquet => PARQUET_SERDE,
            FormatKind::Orc => ORC_SERDE,
            FormatKind::Avro => AVRO_SERDE,
            FormatKind::Regex => REGEX_SERDE,
            FormatKind::Other => unreachable!("a format without a name has a serde"),
        },
    };
    class.to_owned()
}

/// The name of a kind, as `format` takes it.
pub fn name_of(kind: FormatKind) -> &'static str {
    match kind {
        FormatKind::Csv => "csv",
        FormatKind::OpenCsv => "opencsv",
        FormatKind::Tsv => "tsv",
        FormatKind::Json => "json",
        FormatKind::Parquet => "parquet",
        FormatKind::Orc => "orc",
        FormatKind::Avro => "avro",
        FormatKind::Regex => "regex",
        FormatKind::Other => "this serde",
    }
}

fn one_character<'a>(option: &'static str, text: Option<&'a str>) -> Result<Option<&'a str>, FormatError> {
    match text {
        Some(text) if text.len() != 1 => {
            Err(wrong(Some(option), format!("`{option}` is one ASCII character, this is {}", text.chars().count()))
                .help(r#"a tab is "\t", a control character "\u0001""#))
        }
        Some(text) if text.as_bytes()[0].is_ascii_digit() => Err(wrong(
            Some(option),
            format!("`{option}` cannot be the digit `{text}`: serdes read it as a character's number"),
        )),
        _ => Ok(text),
    }
}

fn wrong(option: Option<&'static str>, message: impl Into<String>) -> FormatError {
    FormatError { option, message: message.into(), help: None }
}

impl FormatError {
    fn help(mut self, help: impl Into<String>) -> FormatError {
        self.help = Some(help.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn property<'a>(format: &'a Format, key: &str) -> Option<&'a str> {
        format.serde_properties.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    #[test]
    fn every_name_has_its_serde() {
        for name in NAMES {
            let regex = (name == "regex").then(|| "(.*)".to_owned());
            let made = format(Some(name), &FormatOptions { regex, ..FormatOptions::default() }).unwrap();
            assert_eq!(name_of(made.kind), name);
            assert!(made.serde.contains(if name == "json" { "openx" } else { "hadoop.hive" }), "{name}");
        }
        let tsv = format(Some("tsv"), &FormatOptions::default()).unwrap();
        assert_eq!(property(&tsv, "field.delim"), Some("\t"));
        let hcatalog = FormatOptions { serde: Some("hcatalog".to_owned()), ..FormatOptions::default() };
        assert_eq!(format(Some("json"), &hcatalog).unwrap().serde, HCATALOG_JSON_SERDE);
    }

    #[test]
    fn options_become_properties() {
        let options = FormatOptions {
            delimiter: Some(";".to_owned()),
            escape: Some("\\".to_owned()),
            header_lines: Some(2),
            properties: vec![("field.delim".to_owned(), "|".to_owned()), ("x".to_owned(), "y".to_owned())],
            ..FormatOptions::default()
        };
        let csv = format(Some("csv"), &options).unwrap();
        assert_eq!((property(&csv, "field.delim"), property(&csv, "escape.delim")), (Some("|"), Some("\\")));
        assert_eq!((property(&csv, "x"), csv.header_lines), (Some("y"), 2));
        let opencsv = format(Some("opencsv"), &FormatOptions { properties: Vec::new(), ..options }).unwrap();
        assert_eq!((property(&opencsv, "separatorChar"), property(&opencsv, "quoteChar")), (Some(";"), Some("\"")));
    }

    #[test]
    fn a_class_of_ones_own_keeps_its_properties() {
        let options = FormatOptions {
            serde: Some("com.example.SerDe".to_owned()),
            properties: vec![("a".to_owned(), "b".to_owned())],
            ..FormatOptions::default()
        };
        let made = format(None, &options).unwrap();
        assert_eq!((made.kind, made.serde_properties.len()), (FormatKind::Other, 1));
        // What is said beside a class that is known goes to its properties, or is refused.
        let known = FormatOptions {
            serde: Some(OPEN_CSV_SERDE.to_owned()),
            delimiter: Some(";".to_owned()),
            ..FormatOptions::default()
        };
        let made = format(None, &known).unwrap();
        assert_eq!((made.serde_properties.len(), property(&made, "separatorChar")), (1, Some(";")));
        let unknown = FormatOptions { serde: Some("com.example.SerDe".to_owned()), ..known };
        assert_eq!(format(None, &unknown).unwrap_err().option, Some("delimiter"));
        let lazy = FormatOptions { serde: Some(LAZY_SIMPLE_SERDE.to_owned()), ..FormatOptions::default() };
        assert_eq!(format(None, &lazy).unwrap().serde_properties, Vec::new());
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let with = |options: FormatOptions, name| format(Some(name), &options).unwrap_err();
        let quote = FormatOptions { quote: Some("\"".to_owned()), ..FormatOptions::default() };
        assert!(with(quote, "csv").help.unwrap().contains("opencsv"));
        let long = FormatOptions { delimiter: Some("||".to_owned()), ..FormatOptions::default() };
        assert_eq!(with(long, "csv").option, Some("delimiter"));
        let digit = FormatOptions { delimiter: Some("1".to_owned()), ..FormatOptions::default() };
        assert!(with(digit, "csv").message.contains("the digit `1`"));
        assert_eq!(with(FormatOptions::default(), "regex").option, Some("regex"));
        assert_eq!(with(FormatOptions::default(), "parket").help.unwrap(), "did you mean \"parquet\"?");
        assert!(format(None, &FormatOptions::default()).is_err());
    }

    #[test]
    fn groups_are_counted_as_java_counts_them() {
        let count = |regex, groups| assert_eq!(capture_groups(regex), groups, "{regex}");
        count(r"^(\S+) \[(.*?)\] (?:x|y)(?<name>a)(?=b)", 3);
        count(r"\( [(] \Q(((\E (a)", 1);
        count("", 0);
    }
}
