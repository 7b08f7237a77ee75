//! `restitch schema` against real rule files: every one that is right is valid by it, and mistakes in keys and values are
//! not. It is made from the same table of keys as the reader, and holds each of them.
#![cfg(feature = "cli")]

use std::path::{Path, PathBuf};

use restitch::cli::schema::schema;
use restitch::rules::keys::{self, Section};
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rule_files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).expect("the folder is there");
    let files = entries.map(|entry| entry.expect("it is readable").path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect()
}

fn as_json(text: &str) -> Value {
    let table: toml::Table = text.parse().expect("it is TOML");
    json(toml::Value::Table(table))
}

/// As editors hand it to the schema: dates are texts.
fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(date) => Value::String(date.to_string()),
        toml::Value::Array(items) => items.into_iter().map(json).collect(),
        toml::Value::Table(table) => Value::Object(table.into_iter().map(|(key, value)| (key, json(value))).collect()),
    }
}

#[test]
fn every_right_file_is_valid() {
    let validator = jsonschema::draft202012::new(&schema()).expect("the schema is one");
    let mut files = vec![root().join("examples/article/restitch.toml")];
    files.extend(["tests/corpus", "rules"].into_iter().flat_map(rule_files));
    files.extend(rule_files("tests/check").into_iter().filter(|path| path.to_string_lossy().contains("/fine-")));
    for file in &files {
        let document = as_json(&std::fs::read_to_string(file).expect("it is text"));
        let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", file.display());
    }
    assert!(files.len() > 60, "the files are there");
}

#[test]
fn mistakes_in_keys_and_values_are_not_valid() {
    let validator = jsonschema::draft202012::new(&schema()).expect("the schema is one");
    let right = "[table.t]\ncolumns = ['a int']\n[[table.t.rule]]\nmatch = 's3://b/x/*'\n";
    assert!(validator.is_valid(&as_json(right)));
    for wrong in [
        "projct = 'x'",
        "[default]",
        "[defaults]\nclaim = 'frist'",
        "[defaults]\nengine = 'trino:x'",
        "[defaults]\nengine = ['athena', 'trinno']",
        "[defaults]\nmax_removed = 1.5",
        "[defaults]\nleave_after = '29 days'",
        "[table.t]\nclaim = 'first'",
        "[table.t]\ncolumns = 'a int'",
        "[table.t]\nformat = 'cvs'",
        "[table.t]\nformat = { type = 'csv', delimeter = ';' }",
        "[table.t]\nmax_lines = 0",
        "[table.t]\nskip = ['hiden']",
        "[table.t]\nset = { a = true }",
        "[table.t]\npick = { on = '{x}' }",
        "[table.t]\nlike = ['glue:x']",
        "[table.'a table']",
        "[catalog]\ntype = 'aws'",
        "[catalog]\ncatalog_id = '12'",
        "[table.t.catalog]\nendpoint = 'x'",
        "[[table.t.rule]]\nmatches = 's3://b/x/*'",
        "[[table.t.rule]]\nmatch = ['s3://b/x/*']",
        "[[table.t.rule]]\nmatch = 's3://b/x/'\nline = 'folder'",
        "[[table.t.test]]\ngives = true",
        "[[table.t.test]]\nsize = -1",
        "[[listing]]\nendpoint = '127.0.0.1:9000'",
        "[lookup.x]\na = 1.5",
    ] {
        assert!(!validator.is_valid(&as_json(wrong)), "{wrong}");
    }
}

#[test]
fn the_schema_has_every_key_and_no_other() {
    let schema = schema();
    let at = |pointer: &str| schema.pointer(pointer).unwrap_or_else(|| panic!("there is no {pointer}"));
    let table = "/properties/table/additionalProperties/properties";
    for (section, pointer) in [
        (&keys::FILE, "/properties"),
        (&keys::DEFAULTS, "/properties/defaults/properties"),
        (&keys::TABLE, table),
        (&keys::RULE, &format!("{table}/rule/items/properties")),
        (&keys::TEST, &format!("{table}/test/items/properties")),
        (&keys::LISTING, "/properties/listing/items/properties"),
        (&keys::FORMAT, &format!("{table}/format/anyOf/1/properties")),
        (&keys::PICK, &format!("{table}/pick/anyOf/0/properties")),
        (&keys::CATALOG, "/properties/catalog/properties"),
    ] as [(&Section, &str); 9]
    {
        let properties = at(pointer).as_object().expect("properties are an object");
        let mut known: Vec<&str> = section.keys.iter().map(|key| key.name).collect();
        known.sort_unstable();
        let mut there: Vec<&str> = properties.keys().map(String::as_str).collect();
        there.sort_unstable();
        assert_eq!(known, there, "{pointer}");
        for (key, value) in properties {
            assert!(value["description"].as_str().is_some_and(|text| text.len() > 10), "{pointer}/{key} says nothing");
        }
    }
}

/// Editors find the schema by the first line of a file.
#[test]
fn every_example_names_the_schema() {
    let examples = rule_files("examples/article").into_iter().chain(rule_files("rules"));
    for file in examples {
        let text = std::fs::read_to_string(&file).expect("it is text");
        assert!(text.starts_with("#:schema ./restitch.schema.json\n"), "{}", file.display());
    }
}
