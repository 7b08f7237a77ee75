//! `like`: a table whose definition is elsewhere. What a rule file lacks is said, and what is then given is taken.

use std::path::Path;

use restitch::error::{Error, ErrorKind};
use restitch::rules::file::{Loaded, load_with};
use restitch::rules::format::{self, FormatOptions};
use restitch::rules::table::{Access, Column, Format, Table};
use restitch::rules::{Definition, Given, Like};
use restitch::uri::Uri;

/// A table `t` with these lines, whose rule binds `region` and `dt`.
fn loaded(table: &str, given: &Given) -> Loaded {
    let text = format!(
        "[[listing]]\nprefix = 'lakefs://repo/'\nendpoint = \"http://localhost:1\"\n[table.t]\n{table}\n\
         [[table.t.rule]]\nmatch = 's3://b/{{region}}/{{dt}}/*.csv'\nset = {{ region = \"{{region}}\", dt = \"{{dt}}\" }}\n"
    );
    load_with(&text, Path::new("restitch.toml"), Path::new("/rules"), &|_| unreachable!(), given)
}

const LIKE: &str = "like = \"lakefs:repo/main/_lakefs_tables/t.yaml\"";

fn like() -> Like {
    let access = Access { endpoint: Some("http://localhost:1".into()), ..Access::default() };
    Like::LakeFs { uri: Uri::parse("lakefs://repo/main/_lakefs_tables/t.yaml").unwrap(), access }
}

fn column(name: &str, ddl_type: &str) -> Column {
    Column { name: name.into(), ddl_type: ddl_type.into(), comment: None }
}

fn named(name: &str) -> Format {
    format::format(Some(name), &FormatOptions::default()).unwrap()
}

fn given(format: Option<Format>) -> Given {
    let mut given = Given::default();
    let definition = Definition {
        columns: vec![column("id", "bigint")],
        partitioned_by: vec![column("region", "string"), column("dt", "date")],
        format,
        comment: Some("of old".into()),
        properties: vec![("classification".into(), "csv".into()), ("kept".into(), "yes".into())],
    };
    given.define(like(), Ok(definition));
    given
}

fn table(lines: &str, given: &Given) -> Table {
    let loaded = loaded(&format!("{LIKE}\n{lines}"), given);
    assert!(loaded.lacking.is_empty());
    loaded.rules.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics)).tables.remove(0)
}

#[test]
fn what_is_lacking_is_said_once_with_how_it_is_reached() {
    let twice = format!("{LIKE}\n[[table.t.rule]]\nmatch = 's3://c/x'\n[table.u]\n{LIKE}");
    let loaded = loaded(&twice, &Given::default());
    assert!(loaded.rules.is_none());
    assert_eq!(loaded.lacking, [like()]);
}

#[test]
fn a_definition_says_what_the_file_does_not() {
    let plain = table("", &given(Some(named("json"))));
    assert_eq!(plain.columns, [column("id", "bigint")]);
    assert_eq!(plain.partitioned_by, [column("region", "string"), column("dt", "date")]);
    assert_eq!((plain.format, plain.comment.as_deref()), (Some(named("json")), Some("of old")));
    assert_eq!(plain.properties.len(), 2);
    assert_eq!(plain.like, Some(like()));

    let own = "format = \"tsv\"\ncomment = \"new\"\nproperties = { kept = \"no\" }";
    let own = table(own, &given(Some(named("json"))));
    assert_eq!((own.format, own.comment.as_deref()), (Some(named("tsv")), Some("new")));
    assert_eq!(own.properties, [("classification".into(), "csv".into()), ("kept".into(), "no".into())]);

    assert_eq!(table("", &given(None)).format, None);
    assert_eq!(table("format = \"csv\"", &given(None)).format, Some(named("csv")));
}

#[test]
fn partition_columns_of_the_file_take_the_place_of_the_definitions() {
    let loaded = loaded(&format!("{LIKE}\npartitioned_by = [\"dt string\", \"region string\"]"), &given(None));
    let table = loaded.rules.unwrap().tables.remove(0);
    assert_eq!(table.partitioned_by, [column("dt", "string"), column("region", "string")]);
    assert_eq!(table.columns, [column("id", "bigint")]);
}

#[test]
fn why_there_is_no_definition_stands_at_the_key() {
    let mut given = Given::default();
    given.define(like(), Err(Error::new(ErrorKind::NotFound, "there is no repository").note("404").help("look")));
    let loaded = loaded(LIKE, &given);
    assert!(loaded.rules.is_none() && loaded.lacking.is_empty());
    let error = loaded.diagnostics.iter().find(|one| one.message.starts_with("cannot take the definition")).unwrap();
    assert_eq!((&*error.label, &error.notes[..]), ("there is no repository", &["404".to_owned()][..]));
    assert_eq!(error.help.as_deref(), Some("look"));
}
