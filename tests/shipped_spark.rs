//! Spark reads the ready rule files' lines back: the DDL that `restitch ddl --planned` prints, run unedited over folders
//! that stand for buckets, for every table whose serde Spark has and reads behind a symlink.
//!
//! Asked for by name, for it needs Spark: `cargo test --test shipped_spark -- --ignored`.
#![cfg(feature = "cli")]

mod samples;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use restitch::plan::manifest::{MANIFEST, Shape};
use restitch::rules::table::Table;
use restitch::value::{HIVE_NULL, PartitionValue};
use samples::{Cell, Shipped};
use serde_json::Value;

/// Partition values and then columns, and how often the row is there.
type Rows = BTreeMap<Vec<Cell>, usize>;

#[test]
#[ignore = "needs Spark"]
fn every_row_comes_back_in_its_columns() {
    let folder = tempfile::tempdir().expect("a folder");
    let buckets = folder.path().join("buckets");
    let mut statements = Vec::new();
    let mut expected = Vec::new();
    for shipped in Shipped::all() {
        let tables: Vec<&Table> =
            shipped.rules.tables.iter().filter(|table| samples::is_text(table.format.as_ref().unwrap())).collect();
        if tables.is_empty() {
            continue;
        }
        let listing = folder.path().join("listing.jsonl");
        std::fs::write(&listing, shipped.listing()).expect("the listing is written");
        let from = ["-f", shipped.path.to_str().unwrap(), "--listing", listing.to_str().unwrap()];
        let mapped = restitch(&[&["map"][..], &from].concat());
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        let ddl = restitch(&[&["ddl", "--planned"][..], &from, &names].concat());
        for table in tables {
            expected.push((table.clone(), publish(&shipped, table, &mapped, &ddl, &buckets)));
        }
        statements.push((shipped.name().to_owned(), ddl));
    }
    let queries =
        expected.iter().map(|(table, _)| format!("SELECT {} FROM `{}`;\n", columns(table).join(", "), table.name));
    statements.push(("queries".to_owned(), queries.collect()));
    let answers = spark(folder.path(), &buckets, &statements);
    let failed: Vec<&Value> = answers.iter().filter(|answer| answer.get("error").is_some()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    for ((table, expected), answer) in expected.iter().zip(&answers[answers.len() - expected.len()..]) {
        assert_eq!(&read(table, answer), expected, "{}", table.name);
    }
    assert!(expected.len() >= 10, "only {} tables were read", expected.len());
}

/// Writes the objects that the table takes and its manifests; the rows that are to come back.
fn publish(shipped: &Shipped, table: &Table, mapped: &str, ddl: &str, buckets: &Path) -> Rows {
    // Spark skips no header: those lines come back as rows.
    let header = shipped.header(table);
    let lines: Vec<String> = header.into_iter().chain(shipped.lines(table).into_iter().map(|line| line.text)).collect();
    let location = table.location.as_ref().expect("a ready rule file says its location");
    let mut rows = Rows::new();
    let mut manifests: BTreeMap<String, String> = BTreeMap::new();
    for line in mapped.lines() {
        let line: Value = serde_json::from_str(line).expect("`map` prints JSON lines");
        if line["table"] != table.name {
            continue;
        }
        let uri = line["uri"].as_str().expect("a URI is text");
        write(buckets, uri, &lines.iter().flat_map(|line| [line, "\n"]).collect::<String>());
        let names = table.partitioned_by.iter().map(|column| column.name.as_str());
        let values: Vec<Cell> = names.map(|name| line["partition"][name].as_str().map(str::to_owned)).collect();
        // Spark, as Hive, reads NULL in a partition column of text as the name of its directory.
        let seen: Vec<Cell> = values.iter().map(|value| value.clone().or_else(|| Some(HIVE_NULL.to_owned()))).collect();
        for text in &lines {
            *rows.entry([seen.clone(), samples::read(table, text)].concat()).or_default() += 1;
        }
        let values: Vec<PartitionValue> =
            values.iter().map(|value| PartitionValue::new(value.as_deref().unwrap_or_default())).collect();
        let directory = location.join(&Shape::of(table).directory(&values)).raw();
        assert!(ddl.contains(&format!("LOCATION '{directory}'")), "no partition for {directory}");
        *manifests.entry(directory).or_default() += &format!("{uri}\n");
    }
    for (directory, manifest) in manifests {
        write(buckets, &format!("{directory}{MANIFEST}"), &manifest);
    }
    rows
}

/// Writes an object into the folder of its bucket, compressed if its name says so.
fn write(buckets: &Path, uri: &str, text: &str) {
    let path = buckets.join(uri.strip_prefix("s3://").expect("ready rules are about S3"));
    std::fs::create_dir_all(path.parent().expect("below the bucket")).expect("its folder is made");
    let bytes = match uri.ends_with(".gz") {
        true => {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
            gzip.write_all(text.as_bytes()).and_then(|()| gzip.finish()).expect("memory takes it")
        }
        false => text.as_bytes().to_vec(),
    };
    std::fs::write(path, bytes).expect("the object is written");
}

fn columns(table: &Table) -> Vec<String> {
    table.partitioned_by.iter().chain(&table.columns).map(|column| format!("`{}`", column.name)).collect()
}

fn read(table: &Table, answer: &Value) -> Rows {
    let types: Vec<&str> =
        table.partitioned_by.iter().chain(&table.columns).map(|column| column.ddl_type.as_str()).collect();
    let cell = |(value, ddl_type): (&Value, &&str)| match value {
        Value::Null => None,
        Value::String(text) => samples::typed(ddl_type, text),
        number => samples::typed(ddl_type, &number.to_string()),
    };
    let mut rows = Rows::new();
    for row in answer["rows"].as_array().unwrap_or_else(|| panic!("no rows: {answer}")) {
        let row: Vec<Cell> = row.as_array().expect("a row is a list").iter().zip(&types).map(cell).collect();
        *rows.entry(row).or_default() += 1;
    }
    rows
}

/// Runs statements by name, in order, in one session; what each gave.
fn spark(folder: &Path, buckets: &Path, statements: &[(String, String)]) -> Vec<Value> {
    let file = |(name, text): &(String, String)| -> PathBuf {
        let path = folder.join(format!("{name}.sql"));
        std::fs::write(&path, text).expect("the statements are written");
        path
    };
    let files: Vec<PathBuf> = statements.iter().map(file).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engines/spark");
    let output = Command::new(script).arg(buckets).args(files).output().expect("Spark runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(!text.is_empty(), "Spark said nothing: {}", String::from_utf8_lossy(&output.stderr));
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn restitch(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_restitch")).args(args).output().expect("restitch runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "restitch {args:?}: {}\n{said}", output.status);
    String::from_utf8(output.stdout).expect("what is printed is text")
}
