//! Real layouts: `tests/corpus/NAME.toml` maps the URIs of `NAME.expected` to what stands beside them.

mod oracle;
mod program;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use oracle::{Fate, Object, Oracle};

/// URI, and one line per table that takes it: `table TAB col=value,…`.
type Expected = BTreeMap<String, BTreeSet<String>>;

fn corpus() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut rules: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|ext| ext == "toml")).collect();
    rules.sort();
    assert!(rules.len() >= 49, "the corpus is there");
    rules
}

fn expected(rules: &Path) -> (Expected, Vec<Object>) {
    let text = fs::read_to_string(rules.with_extension("expected")).unwrap();
    let mut expected = Expected::new();
    let mut objects: Vec<Object> = Vec::new();
    for line in text.lines() {
        let (uri, taken) = line.split_once('\t').unwrap();
        if !expected.contains_key(uri) {
            objects.push(Object { uri: uri.to_owned(), ..Object::default() });
        }
        expected.entry(uri.to_owned()).or_default().extend((taken != "-").then(|| taken.to_owned()));
    }
    if let Ok(listing) = fs::read_to_string(rules.with_extension("jsonl")) {
        objects = listing.lines().map(object).collect();
    }
    (expected, objects)
}

fn object(line: &str) -> Object {
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    let seconds = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_second();
    Object {
        uri: line["uri"].as_str().unwrap().to_owned(),
        size: line["size"].as_u64(),
        modified: line["modified"].as_str().map(seconds),
        storage_class: line["storage_class"].as_str().map(str::to_owned),
    }
}

/// A line of `.expected` behind its URI.
fn shown(table: &str, partition: &[(String, Option<String>)]) -> String {
    let escaped = |value: &str| value.replace('\\', r"\\").replace(',', r"\,");
    let value = |value: &Option<String>| value.as_deref().map_or(r"\N".to_owned(), escaped);
    let values: Vec<String> = partition.iter().map(|(name, text)| format!("{name}={}", value(text))).collect();
    format!("{table}\t{}", values.join(","))
}

/// Holds one reading of a rule file's text against every file of the corpus.
fn check(reading: impl Fn(&str, &[Object]) -> Vec<Fate>) {
    for rules in corpus() {
        let (expected, objects) = expected(&rules);
        let fates = reading(&fs::read_to_string(&rules).unwrap(), &objects);
        for (object, fate) in objects.iter().zip(fates) {
            let lines = fate.unwrap_or_default();
            let lines: BTreeSet<String> = lines.iter().map(|taken| shown(&taken.table, &taken.partition)).collect();
            assert_eq!(lines, expected[&object.uri], "{} {}", rules.display(), object.uri);
        }
    }
}

#[test]
fn the_plain_reading_takes_the_corpus_as_expected() {
    check(|text, objects| Oracle::new(text).map(objects));
}

#[test]
fn the_program_takes_the_corpus_as_expected() {
    for page_len in [1, 3, 1000] {
        check(|text, objects| {
            let loaded = program::read(text);
            let rules = loaded.rules.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
            program::map(&rules, objects, page_len)
        });
    }
}

/// What `explain` says of an object is what `map` does with it, by the same rules with nothing that waits for others.
#[test]
fn explanations_say_what_the_program_does() {
    for path in corpus() {
        let mut rules = program::read(&fs::read_to_string(&path).unwrap()).rules.unwrap();
        for table in &mut rules.tables {
            table.pick.clear();
            table.rules.iter_mut().for_each(|rule| rule.done = None);
        }
        let (_, objects) = expected(&path);
        let explained = program::explained(&rules, &objects);
        for ((object, mapped), explained) in objects.iter().zip(program::map(&rules, &objects, 1)).zip(explained) {
            assert_eq!(explained, mapped, "{} {}", path.display(), object.uri);
        }
    }
}
