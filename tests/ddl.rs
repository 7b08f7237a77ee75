//! `ddl = "x.sql"`: statements as people have them, in `tests/ddl`, and what becomes of each.
//!
//! `NAME.expected` holds the statement that `restitch ddl` prints for the table `t`, or what is said where there can be
//! none. A line `-- rules: …` at the top of a statement is put into the table's rules. `RESTITCH_BLESS=1 cargo test
//! --test ddl` writes the expectations anew.

use std::path::Path;

use restitch::ddl::{TableName, create_table};
use restitch::rules::ddl_in::{self, CreateTable};
use restitch::rules::diagnostic::{Lines, render};
use restitch::rules::file::load;
use restitch::rules::table::{Rules, Table};

/// The rule file for a statement, called `case.sql` there.
fn rules(statement: &str) -> Result<Rules, String> {
    let says: Vec<&str> =
        statement.lines().filter_map(|line| line.trim_start_matches('\u{feff}').strip_prefix("-- rules: ")).collect();
    let text = format!(
        "[table.t]\nddl = 'case.sql'\nlocation = 's3://tables/t/'\n{}\n[[table.t.rule]]\nmatch = 's3://data/x/*.x'\n",
        says.join("\n")
    );
    let read = |_: &Path| Ok(statement.to_owned());
    let loaded = load(&text, Path::new("restitch.toml"), Path::new("/rules"), &read);
    let lines = Lines::new(&text);
    let said = || loaded.diagnostics.iter().map(|one| render(one, Path::new("restitch.toml"), &lines, false));
    loaded.rules.ok_or_else(|| said().collect())
}

fn created(table: &Table) -> String {
    let location = table.location.as_ref().expect("the rules say one");
    create_table(table, &TableName::of(table, None), location, None).expect("it is a statement").text
}

fn statements() -> Vec<(String, String)> {
    let mut cases: Vec<(String, String)> = std::fs::read_dir("tests/ddl")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap()))
        .collect();
    cases.sort();
    cases
}

#[test]
fn statements_become_symlink_tables_or_are_refused() {
    for (name, statement) in statements() {
        let found = match rules(&statement) {
            Ok(rules) => created(&rules.tables[0]) + "\n",
            Err(said) => said,
        };
        assert_eq!(name.starts_with("refused"), found.starts_with("error"), "{name}:\n{found}");
        let path = format!("tests/ddl/{name}.expected");
        if std::env::var_os("RESTITCH_BLESS").is_some() {
            std::fs::write(&path, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(found, expected, "{name}: RESTITCH_BLESS=1 cargo test --test ddl writes it anew");
    }
}

#[test]
fn what_was_said_is_still_said() {
    for (name, statement) in statements() {
        let Ok(rules) = rules(&statement) else { continue };
        let table = &rules.tables[0];
        let before = ddl_in::read(&statement).unwrap();
        let text = created(table);
        let after = ddl_in::read(&text).unwrap_or_else(|errors| panic!("{name}: {errors:?}\n{text}"));
        assert_eq!((&after.columns, &after.comment), (&before.columns, &before.comment), "{name}");
        assert_eq!(after.partitioned_by, table.partitioned_by, "{name}");
        assert_eq!((&after.format, &after.database), (&before.format, &before.database), "{name}");
        assert_eq!(after.location.as_deref(), Some("s3://tables/t/"), "{name}");
        assert!(text.contains("INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'"), "{name}");
        for (key, value) in kept(&before, table) {
            assert!(after.properties.contains(&(key.clone(), value.clone())), "{name}: {key}");
        }
        // Read again, it is a symlink table already.
        let mut again = table.clone();
        let ddl = again.ddl.as_mut().unwrap();
        (ddl.statement, ddl.text) = (after, text.clone());
        assert_eq!(created(&again), text, "{name}");
    }
}

/// The properties that have to stay: all but those that say how else the table could be read.
fn kept<'a>(before: &'a CreateTable, table: &'a Table) -> impl Iterator<Item = &'a (String, String)> {
    let is_ours = |key: &str| {
        ["projection.", "storage.location.template", "EXTERNAL", "spark.sql.sources."]
            .iter()
            .any(|ours| key.starts_with(ours))
    };
    before
        .properties
        .iter()
        .filter(move |(key, value)| !is_ours(key) && table.properties.contains(&(key.clone(), value.clone())))
}
