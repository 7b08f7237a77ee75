//! `format` in the rule file: a name or a table of settings, and the serde that it stands for.
//!
//! Pure. Serde classes and their properties are as AWS documents them for Athena.

use super::diagnostic::Diagnostic;
use super::shape::{Node, Text};
use super::table::{Format, FormatKind};

/// The format that a name alone stands for.
pub fn by_name(name: &str) -> Option<Format> {
    let (kind, serde) = KINDS.iter().find(|(known, _, _)| *known == name).map(|(_, kind, serde)| (*kind, *serde))?;
    let mut format = Format { kind, serde: serde.to_owned(), serde_properties: Vec::new(), header_lines: 0 };
    let mut set = |name: &str, value: &str| put(&mut format.serde_properties, name, value);
    match kind {
        FormatKind::Csv => delimited(&mut set, ","),
        FormatKind::Tsv => delimited(&mut set, "\t"),
        FormatKind::OpenCsv => {
            set("separatorChar", ",");
            set("quoteChar", "\"");
            set("escapeChar", "\\");
        }
        _ => set("serialization.format", "1"),
    }
    Some(format)
}

/// Reads `format = { … }`; what is wrong with it is added to `found`.
pub fn read(node: &Node<'_>, found: &mut Vec<Diagnostic>) -> Option<Format> {
    let before = found.len();
    let mut format = match (node.text("name"), node.text("serde")) {
        (Some(name), None) => by_name(name.value)?,
        (None, Some(serde)) => by_class(&serde, found),
        (Some(_), Some(serde)) => {
            found.push(
                Diagnostic::error(serde.span, "a format has a `name` or a `serde`, not both")
                    .label("leave one of them out"),
            );
            return None;
        }
        (None, None) => {
            found.push(Diagnostic::error(node.span.clone(), "a format needs a `name` or a `serde`").help(
                "write\nformat = { name = \"csv\", header_lines = 1 }\nformat = { serde = \"com.example.MySerDe\", properties = { } }",
            ));
            return None;
        }
    };
    settings(node, &mut format, found);
    if matches!(format.kind, FormatKind::Regex)
        && !format.serde_properties.iter().any(|(name, _)| name == "input.regex")
    {
        found.push(no_regex(node.span.clone()));
    }
    (found.len() == before).then_some(format)
}

/// What is said where the format `regex` has no expression.
pub fn no_regex(span: std::ops::Range<usize>) -> Diagnostic {
    Diagnostic::error(span, "the format `regex` needs its expression")
        .label("a group a column")
        .help("write\nformat = { name = \"regex\", regex = '^(\\S+) (\\S+)$' }")
}

const KINDS: &[(&str, FormatKind, &str)] = &[
    ("csv", FormatKind::Csv, "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"),
    ("tsv", FormatKind::Tsv, "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"),
    ("opencsv", FormatKind::OpenCsv, "org.apache.hadoop.hive.serde2.OpenCSVSerde"),
    ("json", FormatKind::Json, "org.openx.data.jsonserde.JsonSerDe"),
    ("parquet", FormatKind::Parquet, "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"),
    ("orc", FormatKind::Orc, "org.apache.hadoop.hive.ql.io.orc.OrcSerde"),
    ("avro", FormatKind::Avro, "org.apache.hadoop.hive.serde2.avro.AvroSerDe"),
    ("regex", FormatKind::Regex, "org.apache.hadoop.hive.serde2.RegexSerDe"),
];

const HCATALOG_JSON: &str = "org.apache.hive.hcatalog.data.JsonSerDe";

/// The kind that a serde class is of; a class of nobody's is kept as it is.
pub fn kind_of(serde: &str) -> FormatKind {
    match KINDS.iter().find(|(_, _, class)| *class == serde) {
        Some((_, kind, _)) => *kind,
        None if serde == HCATALOG_JSON => FormatKind::Json,
        None => FormatKind::Other,
    }
}

fn by_class(serde: &Text<'_>, found: &mut Vec<Diagnostic>) -> Format {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.');
    if serde.value.is_empty() || !serde.value.chars().all(word) {
        found.push(
            Diagnostic::error(serde.span.clone(), format!("`{}` is not the name of a Java class", serde.value))
                .help("write\nformat = { serde = \"org.apache.hadoop.hive.serde2.OpenCSVSerde\" }"),
        );
    }
    Format { kind: kind_of(serde.value), serde: serde.value.to_owned(), serde_properties: Vec::new(), header_lines: 0 }
}

fn delimited(set: &mut impl FnMut(&str, &str), delimiter: &str) {
    set("field.delim", delimiter);
    set("serialization.format", delimiter);
}

fn settings(node: &Node<'_>, format: &mut Format, found: &mut Vec<Diagnostic>) {
    use FormatKind::{Avro, Csv, Json, OpenCsv, Other, Regex, Tsv};
    let kind = format.kind;
    let mut allowed = |key: &str, kinds: &[FormatKind]| {
        let ok = kinds.contains(&kind);
        if let (false, Some(span)) = (ok, node.key_span(key)) {
            found.push(not_for(key, kind, span));
        }
        ok && node.has(key)
    };
    let (delimiter, escape, quote) =
        (allowed("delimiter", &[Csv, OpenCsv]), allowed("escape", &[Csv, Tsv, OpenCsv]), allowed("quote", &[OpenCsv]));
    let header_lines = allowed("header_lines", &[Csv, Tsv, OpenCsv, Regex, Other]);
    let (flavour, regex, schema) =
        (allowed("flavour", &[Json]), allowed("regex", &[Regex]), allowed("schema", &[Avro]));
    let properties = &mut format.serde_properties;
    if delimiter && let Some(text) = one_character(node, "delimiter", found) {
        if kind == OpenCsv {
            put(properties, "separatorChar", &text);
        } else {
            delimited(&mut |name, value| put(properties, name, value), &text);
        }
    }
    if escape && let Some(text) = one_character(node, "escape", found) {
        put(properties, if kind == OpenCsv { "escapeChar" } else { "escape.delim" }, &text);
    }
    if quote && let Some(text) = one_character(node, "quote", found) {
        put(properties, "quoteChar", &text);
    }
    if flavour && node.word("flavour") == Some("hcatalog") {
        HCATALOG_JSON.clone_into(&mut format.serde);
    }
    if regex && let Some(text) = node.text("regex") {
        put(properties, "input.regex", text.value);
    }
    if schema && let Some(text) = node.text("schema") {
        put(properties, "avro.schema.literal", text.value);
    }
    if header_lines {
        format.header_lines = node.whole("header_lines").and_then(|lines| lines.try_into().ok()).unwrap_or(0);
    }
    for (name, value) in node.scalars("properties").unwrap_or_default() {
        put(properties, name.value, &value.to_text());
    }
}

fn not_for(key: &str, kind: FormatKind, span: std::ops::Range<usize>) -> Diagnostic {
    let name =
        KINDS.iter().find(|(_, known, _)| *known == kind).map_or("of a serde named by class", |(name, _, _)| name);
    let error = Diagnostic::error(span, format!("`{key}` is no setting of the format {name}"));
    match (key, kind) {
        ("quote", FormatKind::Csv | FormatKind::Tsv) => error
            .label("this serde knows no quotes")
            .help("quoted fields are read by\nformat = { name = \"opencsv\", quote = '\"' }"),
        ("delimiter", FormatKind::Tsv) => error.help("write\nformat = { name = \"csv\", delimiter = \";\" }"),
        (_, FormatKind::Other) => error.help("write it among the serde's own\nproperties = { \"…\" = \"…\" }"),
        _ => error,
    }
}

fn one_character(node: &Node<'_>, key: &str, found: &mut Vec<Diagnostic>) -> Option<String> {
    let text = node.text(key)?;
    if text.value.chars().count() == 1 {
        return Some(text.value.to_owned());
    }
    let help = match text.value {
        "\\t" => "write\ndelimiter = \"\\t\"".to_owned(),
        _ => format!("write\n{key} = \"{}\"", text.value.chars().next().unwrap_or(';')),
    };
    found.push(Diagnostic::error(text.span, format!("`{key}` takes one character")).help(help));
    None
}

/// Sets a property, in place if it is there already.
fn put(properties: &mut Vec<(String, String)>, name: &str, value: &str) {
    match properties.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => value.clone_into(old),
        None => properties.push((name.to_owned(), value.to_owned())),
    }
}
