//! The ready rule files of `rules/`: each checks, is tested, gives the DDL of `tests/shipped/NAME.sql`, and reads the lines of
//! `tests/shipped/NAME.toml` into the right columns. `RESTITCH_BLESS=1 cargo test --test shipped` writes the DDL and the
//! table of `rules/README.md` anew.
#![cfg(feature = "cli")]

mod samples;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use restitch::rules::format;
use restitch::rules::table::FormatKind;
use samples::Shipped;
use serde_json::Value;

#[test]
fn each_opens_with_whose_it_is_and_what_to_edit() {
    let all = Shipped::all();
    assert!(all.len() >= 14, "the files are there");
    for shipped in &all {
        let name = shipped.name();
        assert!(shipped.text.starts_with("#:schema ./restitch.schema.json\n# "), "{name}");
        let head = shipped.head();
        for word in ["Vendor: ", "Edit: "] {
            assert!(head.iter().any(|line| line.starts_with(word)), "{name} does not say `{word}`");
        }
    }
    // Put together in one file, no two tables have one name.
    let names: Vec<&str> = all.iter().flat_map(|one| &one.rules.tables).map(|table| table.name.as_str()).collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(names.len(), distinct.len(), "{names:?}");
}

#[test]
fn each_checks_and_its_tests_pass() {
    for shipped in Shipped::all() {
        let name = shipped.name();
        let printed = restitch(&["check", "--json", "-f", shipped.path.to_str().unwrap()]);
        let checked: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!((&checked["errors"], &checked["failed_tests"]), (&Value::from(0), &Value::from(0)), "{printed}");
        // A vendor's column may be a reserved word, if the head says that queries must quote it.
        let head = shipped.head().join("\n");
        for warning in checked["diagnostics"].as_array().unwrap() {
            let message = warning["message"].as_str().unwrap();
            let word = message.strip_suffix(" is a reserved word as the name of a column");
            let word = word.unwrap_or_else(|| panic!("{name}: {message}")).trim_matches('`');
            assert!(head.contains(&format!("\"{word}\"")), "{name} does not say that \"{word}\" is to be quoted");
        }
        let (mut taken, mut refused) = (0, 0);
        for table in &shipped.rules.tables {
            let of_table = table.tests.iter().filter(|test| test.gives.is_some());
            assert!(of_table.clone().count() >= 1 && of_table.clone().count() < table.tests.len(), "{}", table.name);
            for gives in of_table.filter_map(|test| test.gives.as_ref()) {
                assert_eq!(gives.len(), table.partitioned_by.len(), "a test of {} leaves out a column", table.name);
                taken += 1;
            }
            refused += table.tests.iter().filter(|test| test.gives.is_none()).count();
        }
        assert!(taken >= 5 && refused >= 3, "{name}: {taken} keys taken, {refused} refused");
    }
}

#[test]
fn each_gives_its_ddl() {
    for shipped in Shipped::all() {
        let made = ddl(&shipped);
        for table in &shipped.rules.tables {
            assert!(made.contains(&format!("CREATE EXTERNAL TABLE IF NOT EXISTS `{}`", table.name)), "{}", table.name);
            assert!(made.contains(&format!("ALTER TABLE `{}` ADD IF NOT EXISTS", table.name)), "{}", table.name);
        }
        let path = shipped.sibling("sql");
        let expected = blessed(&path, &made);
        assert_eq!(expected, made, "{}: RESTITCH_BLESS=1 cargo test --test shipped writes it anew", path.display());
    }
}

#[test]
fn lines_of_text_reach_the_right_columns() {
    for shipped in Shipped::all() {
        for table in shipped.rules.tables.iter().filter(|table| samples::is_text(table.format.as_ref().unwrap())) {
            let lines = shipped.lines(table);
            let mut seen = vec![false; table.columns.len()];
            for line in &lines {
                let row = line.row.as_ref().expect("a line of text says its row");
                assert_eq!(&samples::read(table, &line.text), row, "{}: {}", table.name, line.text);
                row.iter().zip(&mut seen).for_each(|(cell, seen)| *seen |= cell.is_some());
            }
            // Tables of one file may share a format; then one of them shows every column.
            let format = &table.format;
            let is_shared =
                shipped.rules.tables.iter().any(|other| other.name != table.name && &other.format == format);
            let unseen: Vec<&str> =
                table.columns.iter().zip(&seen).filter(|(_, seen)| !**seen).map(|(c, _)| c.name.as_str()).collect();
            assert!(!lines.is_empty() && (is_shared || unseen.is_empty()), "{}: no line shows {unseen:?}", table.name);
            assert_eq!(
                shipped.header(table).len(),
                table.format.as_ref().unwrap().header_lines as usize,
                "{}",
                table.name
            );
        }
    }
}

#[test]
fn documents_have_no_field_without_a_column() {
    for shipped in Shipped::all() {
        for table in shipped.rules.tables.iter().filter(|table| table.format.as_ref().unwrap().kind == FormatKind::Json)
        {
            let lines = shipped.lines(table);
            assert!(!lines.is_empty(), "no line for {}", table.name);
            for line in lines {
                assert_eq!(samples::undeclared(table, &line.text), Vec::<String>::new(), "{}", table.name);
            }
        }
    }
}

/// Of each month one version counts: the newest whose manifest is there.
#[test]
fn one_version_of_each_month_is_reported() {
    let month = "s3://example-logs/cur/costs/20240101-20240201";
    let assembly = |digit: &str| format!("{}-0000-1111-2222-333344445555", digit.repeat(8));
    let object = |name: String, day: u8| {
        format!("{{\"uri\":\"{month}/{name}\",\"size\":1,\"modified\":\"2024-01-{day:02}T00:00:00Z\"}}\n")
    };
    let listing: String = [("f", 10, true), ("0", 12, true), ("b", 14, false)]
        .into_iter()
        .flat_map(|(digit, day, is_whole)| {
            let data = object(format!("{}/costs-00001.csv.gz", assembly(digit)), day);
            let manifest = is_whole.then(|| object(format!("{}/costs-Manifest.json", assembly(digit)), day));
            [Some(data), manifest].into_iter().flatten()
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("listing.jsonl");
    std::fs::write(&path, listing + &object("costs-Manifest.json".to_owned(), 12)).unwrap();
    let printed = restitch(&["map", "-f", "rules/cur.toml", "--listing", path.to_str().unwrap()]);
    let taken: Vec<&str> = printed.lines().filter(|line| line.contains("\"table\":\"cur_csv\"")).collect();
    assert!(matches!(taken[..], [line] if line.contains(&assembly("0"))), "{printed}");
}

#[test]
fn the_page_lists_every_file() {
    let path = Path::new("rules/README.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (head, rest) = page.split_once("<!-- files -->\n").expect("the page says where the table begins");
    let (_, tail) = rest.split_once("<!-- end of files -->\n").expect("the page says where the table ends");
    let made = format!("{head}<!-- files -->\n{}<!-- end of files -->\n{tail}", list());
    assert!(
        blessed(path, &made) == made,
        "{}: RESTITCH_BLESS=1 cargo test --test shipped writes it anew",
        path.display()
    );
}

fn list() -> String {
    let mut out = "| file | layout | tables |\n|---|---|---|\n".to_owned();
    for shipped in Shipped::all() {
        let head = shipped.head();
        let title: Vec<&str> = head.iter().copied().take_while(|line| !line.starts_with("Vendor: ")).collect();
        let tables = shipped.rules.tables.iter().map(|table| {
            let columns: Vec<&str> = table.partitioned_by.iter().map(|column| column.name.as_str()).collect();
            let kind = format::name_of(table.format.as_ref().expect("a table has a format").kind);
            format!("`{}`: {kind}, by {}", table.name, columns.join(", "))
        });
        let tables: Vec<String> = tables.collect();
        let name = shipped.name();
        out += &format!("| [{name}.toml]({name}.toml) | {} | {} |\n", title.join(" "), tables.join("<br>"));
    }
    out
}

/// What `restitch ddl --planned` prints for the keys of the file's own tests.
fn ddl(shipped: &Shipped) -> String {
    let folder = tempfile::tempdir().unwrap();
    let listing = folder.path().join("listing.jsonl");
    std::fs::write(&listing, shipped.listing()).unwrap();
    let (file, listing) = (shipped.path.to_str().unwrap(), listing.to_str().unwrap());
    restitch(&["ddl", "--planned", "-f", file, "--listing", listing])
}

/// What the file holds, which is `made` if it is to be written anew.
fn blessed(path: &Path, made: &str) -> String {
    if std::env::var_os("RESTITCH_BLESS").is_some() {
        std::fs::write(path, made).unwrap();
    }
    std::fs::read_to_string(path).unwrap_or_default()
}

fn restitch(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_restitch")).args(args).output().expect("restitch runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "restitch {args:?}: {}\n{said}", output.status);
    String::from_utf8(output.stdout).expect("what is printed is text")
}
