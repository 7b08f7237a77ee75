//! `like`: a table whose definition is elsewhere, and `{storage_namespace}`. What a rule file lacks is said, and what is then given is taken.

use std::path::Path;

use restitch::error::{Error, ErrorKind};
use restitch::rules::file::{Loaded, load_with};
use restitch::rules::format::{self, FormatOptions};
use restitch::rules::table::{Access, Column, Format, Table};
use restitch::rules::{Definition, Given, Like, Repository};
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

/// A table whose rules list these prefixes.
fn placed(location: &str, prefixes: &[&str], given: &Given) -> Loaded {
    let rules: String = prefixes.iter().map(|it| format!("[[table.t.rule]]\nmatch = '{it}*.csv'\n")).collect();
    let text = format!("[table.t]\nlocation = '{location}'\n{rules}");
    load_with(&text, Path::new("restitch.toml"), Path::new("/rules"), &|_| unreachable!(), given)
}

fn repository(name: &str) -> Repository {
    Repository { name: name.into(), access: Access::default() }
}

fn namespaces(of: &[(&str, &str)]) -> Given {
    let mut given = Given::default();
    for (name, namespace) in of {
        given.place(repository(name), Ok(Uri::parse(namespace).unwrap()));
    }
    given
}

#[test]
fn a_location_begins_with_the_namespace_of_the_repository_that_is_listed() {
    let location = "{storage_namespace}/symlinks/{table}/";
    let both = ["lakefs://repo/main/x/", "lakefs://other/main/x/"];
    let lacking = placed(location, &both, &Given::default());
    assert!(lacking.rules.is_none());
    assert_eq!(lacking.lacking_namespaces, [repository("repo"), repository("other")]);

    for (namespace, expected) in [
        ("s3://b/repo/", "s3://b/repo/symlinks/t/"),
        ("s3://b/", "s3://b/symlinks/t/"),
        ("gs://b/r/", "gs://b/r/symlinks/t/"),
    ] {
        let loaded = placed(location, &both[..1], &namespaces(&[("repo", namespace)]));
        assert_eq!(loaded.rules.unwrap().tables[0].location.as_ref().unwrap().raw(), expected);
    }
    let same = namespaces(&[("repo", "s3://b/r/"), ("other", "s3://b/r/")]);
    assert!(placed(location, &both, &same).rules.is_some());
}

#[test]
fn a_namespace_that_is_open_is_an_error() {
    let two = namespaces(&[("repo", "s3://b/r/"), ("other", "s3://b/o/")]);
    for (location, prefixes, says) in [
        (
            "{storage_namespace}/{table}/",
            ["lakefs://repo/main/x/", "lakefs://other/main/x/"],
            "several storage namespaces",
        ),
        ("{storage_namespace}/{table}/", ["s3://b/x/", "s3://b/y/"], "no repository of lakeFS is listed"),
        ("{storage_namespace}x/{table}/", ["lakefs://repo/main/x/", "lakefs://repo/main/y/"], "no `/` behind"),
        (
            "s3://b/{storage_namespace}/",
            ["lakefs://repo/main/x/", "lakefs://repo/main/y/"],
            "`{storage_namespace}` in a location",
        ),
    ] {
        let loaded = placed(location, &prefixes, &two);
        assert!(loaded.rules.is_none() && loaded.lacking_namespaces.is_empty());
        assert!(loaded.diagnostics.iter().any(|one| one.message.contains(says)), "{:?}", loaded.diagnostics);
    }
}
