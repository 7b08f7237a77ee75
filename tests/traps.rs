//! Each trap as data: `tests/traps/*.toml` hold lines, tables and places with the traps they are in for each reader, and
//! `docs/traps.md` is held to the list. `RESTITCH_BLESS=1 cargo test --test traps` writes the page anew.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use restitch::plan::traps::{Level, On, TRAPS, Trap, TrapCounts, Traps};
use restitch::rules::file::load;
use restitch::rules::table::{Engine, OnTrap, Table};
use restitch::value::PartitionValue;

const READERS: [&str; 4] = ["athena", "trino", "spark", "hive"];

/// The one table of a rule file whose `[table.t]` says `says`; what it does not say of location, columns and rule is given.
fn table(says: &str) -> Table {
    let mut text = format!("[table.t]\n{says}\n");
    if !says.contains("location") {
        text += "location = 's3://tables/t/'\n";
    }
    if !says.contains("columns") {
        text += "columns = [\"id bigint\", \"name string\"]\n";
    }
    let set = match says {
        says if says.contains("\"p ") => "set = { region = \"amer\", p = \"\" }\n",
        says if says.contains("partitioned_by") => "set = { region = \"amer\" }\n",
        _ => "",
    };
    text += &format!("[[table.t.rule]]\nmatch = 's3://bucket/data/*.x'\n{set}");
    let loaded = load(&text, Path::new("restitch.toml"), Path::new("/rules"), &|_| unreachable!("no file is named"));
    let rules = loaded.rules.unwrap_or_else(|| panic!("{text}\n{:?}", loaded.diagnostics));
    rules.tables.into_iter().next().unwrap()
}

fn engine(name: &str) -> Engine {
    match name.split_once(':') {
        Some(("trino", version)) => Engine::Trino { version: Some(version.parse().unwrap()) },
        _ => match name {
            "athena" => Engine::Athena,
            "trino" => Engine::Trino { version: None },
            "spark" => Engine::Spark,
            "hive" => Engine::Hive,
            other => panic!("no reader is called {other}"),
        },
    }
}

/// Readers and the traps expected for each, written `name` (an error) or `name?` (a warning); readers that the case does
/// not name are in none.
fn expectations(case: &toml::Table) -> Vec<(String, BTreeSet<String>)> {
    let named = case.keys().filter(|key| READERS.contains(&key.as_str()) || key.starts_with("trino:"));
    let mut readers: Vec<String> = READERS.map(str::to_owned).into_iter().chain(named.cloned()).collect();
    readers.sort();
    readers.dedup();
    let list = |reader: &str| -> BTreeSet<String> {
        let traps = case.get(reader).and_then(|traps| traps.as_array()).cloned().unwrap_or_default();
        traps.iter().map(|trap| trap.as_str().unwrap().to_owned()).collect()
    };
    readers.into_iter().map(|reader| (reader.clone(), list(&reader))).collect()
}

fn cases(file: &str) -> Vec<toml::Table> {
    let text = std::fs::read_to_string(Path::new("tests/traps").join(file)).unwrap();
    let document: toml::Table = toml::from_str(&text).unwrap();
    document["case"].as_array().unwrap().iter().map(|case| case.as_table().unwrap().clone()).collect()
}

fn written(trap: &Trap, level: Level) -> String {
    format!("{}{}", trap.name, if level == Level::Error { "" } else { "?" })
}

#[test]
fn lines() {
    let mut seen = BTreeSet::new();
    for case in cases("lines.toml") {
        let line = case["line"].as_str().unwrap().as_bytes();
        let is_text = case.get("text").is_none_or(|text| text.as_bool().unwrap());
        let mut table = table(if is_text { "format = \"csv\"" } else { "format = \"parquet\"" });
        for (reader, expected) in expectations(&case) {
            table.engines = vec![engine(&reader)];
            let traps = Traps::for_table(&table);
            // The path of an object whose line is its address.
            let path = case.get("path").map(|path| path.as_str().unwrap());
            let found = path.map_or_else(|| traps.line_traps(line), |path| traps.address_traps(path, line));
            let names: BTreeSet<String> = found.iter().map(|trap| written(trap, traps.level(trap).unwrap())).collect();
            assert_eq!(names, expected, "{reader}: {:?}", case["line"]);
            assert_eq!(traps.is_error(found), expected.iter().any(|name| !name.ends_with('?')), "{reader}");
            seen.extend(found.iter().map(|trap| trap.name));
        }
    }
    all_seen(On::Line, &seen);
}

#[test]
fn partitions() {
    let mut seen = BTreeSet::new();
    for case in cases("partitions.toml") {
        let column = case["column"].as_str().unwrap();
        let mut table = table(&format!("format = \"csv\"\npartitioned_by = [\"region string\", \"p {column}\"]"));
        let texts = case["values"].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
        let partitions: Vec<_> = texts.map(|text| [PartitionValue::new("amer"), PartitionValue::new(text)]).collect();
        for (reader, expected) in expectations(&case) {
            table.engines = vec![engine(&reader)];
            let traps = Traps::for_table(&table);
            let mut counts = TrapCounts::default();
            traps.count_partitions(&table, partitions.iter().map(|values| values.as_slice()), &mut counts);
            let names: BTreeSet<String> =
                counts.iter().map(|(trap, ..)| written(trap, traps.level(trap).unwrap())).collect();
            assert_eq!(names, expected, "{reader}: {column} {:?}", case["values"]);
            seen.extend(counts.iter().map(|(trap, ..)| trap.name));
        }
    }
    all_seen(On::Partition, &seen);
}

#[test]
fn tables() {
    let mut seen = BTreeSet::new();
    for case in cases("tables.toml") {
        let mut table = table(case["table"].as_str().unwrap());
        for (reader, expected) in expectations(&case) {
            table.engines = vec![engine(&reader)];
            let traps = Traps::for_table(&table);
            let names: BTreeSet<String> =
                traps.on_table().iter().map(|finding| written(finding.of(), finding.level)).collect();
            assert_eq!(names, expected, "{reader}: {:?}", case["table"]);
            seen.extend(traps.on_table().iter().map(|finding| finding.trap));
        }
    }
    // Of a location and a `ddl` that the rule file itself does not let pass everywhere: tested in `plan::traps`.
    seen.extend(["input-format-lost", "location-form"]);
    all_seen(On::Table, &seen);
}

#[test]
fn places() {
    let traps = Traps::for_table(&table("format = \"csv\""));
    let mut seen = BTreeSet::new();
    for case in cases("places.toml") {
        let size = case.get("size").map_or(10, |size| size.as_integer().unwrap() as u64);
        let found = traps.on_other_object(case["below"].as_str().unwrap(), size);
        let name = found.as_ref().map(|finding| finding.trap);
        assert_eq!(name, case.get("trap").map(|trap| trap.as_str().unwrap()), "{:?}", case["below"]);
        seen.extend(name);
    }
    all_seen(On::Location, &seen);
}

#[test]
fn folders_of_table_formats_are_errors_for_every_reader() {
    for reader in READERS {
        let mut table = table("format = \"parquet\"");
        table.engines = vec![engine(reader)];
        let traps = Traps::for_table(&table);
        for name in ["delta-table", "iceberg-table", "hudi-table"] {
            let finding = traps.on_folder(name, "s3://b/x\u{1b}/").unwrap();
            assert_eq!((finding.level, finding.detail.as_str()), (Level::Error, "s3://b/x\\u{1b}/"));
        }
    }
}

#[test]
fn several_readers_have_the_traps_of_all() {
    let mut table = table("format = \"csv\"");
    table.engines = vec![Engine::Athena, Engine::Hive];
    let traps = Traps::for_table(&table);
    let colon = traps.line_traps(b"s3://b/x/a:b");
    let trap = colon.iter().next().unwrap();
    assert_eq!((traps.level(trap), traps.readers_of(trap)), (Some(Level::Error), vec![Engine::Athena, Engine::Hive]));
    assert!(traps.is_error(colon));
}

#[test]
fn counts_keep_the_first_example_of_each() {
    let traps = Traps::for_table(&table("format = \"csv\""));
    let mut counts = TrapCounts::default();
    for line in ["s3://b/x/plain", "s3://b/x/a:b", "s3://b/x/c:\u{1b}d", "s3://b/x//y"] {
        counts.add(traps.line_traps(line.as_bytes()), 0, line.as_bytes());
    }
    let found: Vec<_> = counts.iter().map(|(trap, count, example)| (trap.name, count, example)).collect();
    assert_eq!(found, [("colon", 2, "s3://b/x/a:b".to_owned()), ("double-slash", 1, "s3://b/x//y".to_owned())]);
}

#[test]
fn what_stops_a_plan_is_said_with_what_to_do() {
    let mut table = table("format = { type = \"csv\", header_lines = 1 }");
    table.engines = vec![Engine::Athena, Engine::Hive];
    let refusal = |table: &Table, line: &str| {
        let (traps, mut counts) = (Traps::for_table(table), TrapCounts::default());
        counts.add(traps.line_traps(line.as_bytes()), 0, line.as_bytes());
        traps.refusal(table, &counts).map(|error| (error.notes().join("; "), error.help_text().unwrap().to_owned()))
    };
    let (notes, help) = refusal(&table, "s3://b/x/a:b").unwrap();
    assert!(notes.starts_with("1 line with a `:` in the key; the first is s3://b/x/a:b (colon, hive)"), "{notes}");
    assert!(help.ends_with("on_trap = \"skip\""), "{help}");
    table.on_trap = OnTrap::Skip;
    assert_eq!(refusal(&table, "s3://b/x/a:b"), None);
    // What is wrong with the table itself cannot be skipped.
    table.engines.push(Engine::Spark);
    assert!(refusal(&table, "s3://b/x/a").unwrap().0.contains("spark-header-lines, spark"));
    table.engines = vec![Engine::Athena];
    table.on_trap = OnTrap::Refuse;
    assert_eq!(refusal(&table, "s3://b/x/a:b"), None, "a warning stops nothing");
}

#[test]
fn the_page_lists_every_trap() {
    let path = Path::new("docs/traps.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (head, rest) = page.split_once("<!-- traps -->\n").expect("the page says where the list begins");
    let (_, tail) = rest.split_once("<!-- end of traps -->\n").expect("the page says where the list ends");
    let made = format!("{head}<!-- traps -->\n{}<!-- end of traps -->\n{tail}", list());
    if std::env::var_os("RESTITCH_BLESS").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    assert_eq!(page, made, "RESTITCH_BLESS=1 cargo test --test traps writes it anew");
}

fn all_seen(on: On, seen: &BTreeSet<&str>) {
    for trap in TRAPS.iter().filter(|trap| trap.on == on) {
        assert!(seen.contains(trap.name), "no case shows {}", trap.name);
    }
}

fn list() -> String {
    let titles = [
        (On::Line, "A line in a manifest, or the key behind it"),
        (On::Partition, "A partition's values"),
        (On::Table, "A table"),
        (On::Location, "Another object where manifests lie"),
        (On::Folder, "A folder that is listed"),
    ];
    let mut out = String::new();
    for (on, title) in titles {
        let _ = write!(out, "\n## {title}\n\n| trap | Athena | Trino | Spark | Hive |\n|---|---|---|---|---|\n");
        for trap in TRAPS.iter().filter(|trap| trap.on == on) {
            let trino = match trap.trino_versions {
                (0, u32::MAX) => level(trap.trino).to_owned(),
                (0, to) => format!("{} to {to}", level(trap.trino)),
                (from, u32::MAX) => format!("{} from {from}", level(trap.trino)),
                (from, to) => format!("{} {from} to {to}", level(trap.trino)),
            };
            let (athena, spark, hive) = (level(trap.athena), level(trap.spark), level(trap.hive));
            let _ = writeln!(out, "| `{}` | {athena} | {trino} | {spark} | {hive} |", trap.name);
        }
        for trap in TRAPS.iter().filter(|trap| trap.on == on) {
            let first: String = trap.what.chars().take(1).flat_map(char::to_uppercase).collect();
            let what: String = first + &trap.what.chars().skip(1).collect::<String>();
            let _ = write!(out, "\n**`{}`** — {what}: {}.\nWhat to do: {}.\n", trap.name, trap.reason, trap.help);
        }
    }
    out.push('\n');
    out
}

fn level(level: Option<Level>) -> &'static str {
    match level {
        None => "",
        Some(Level::Warning) => "warning",
        Some(Level::Error) => "**error**",
    }
}
