//! What every [`Catalog`] must do, as checks that an adapter's own tests run: hand [`check`] a [`Subject`].
//!
//! Panics with what was broken, as tests do. Public so that an adapter outside this crate can be held to it; uses nothing
//! that the library does not.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;

use super::{Catalog, Entry, Version};
use crate::error::{Error, ErrorKind};
use crate::plan::catalog::{CatalogColumn, PartitionDefinition, Storage, TableDefinition};

/// The adapter under test, and what lies behind it.
#[async_trait]
pub trait Subject: Send + Sync {
    /// The name of a database that is not there; another one at each call.
    async fn database(&self) -> String;

    /// An adapter of that database, cutting its listings into pages of at most so many partitions where it can be told.
    async fn open(&self, database: &str, page_size: usize) -> Arc<dyn Catalog>;

    /// Sets, past the adapter, as much as the catalog has of what the port has no type for (an owner, a retention, a
    /// crawler's note, statistics) on a table, or on the partition of it with these values.
    async fn mark(&self, database: &str, table: &str, partition: Option<&[String]>);

    /// Everything that the catalog holds of the table or partition beyond what the port has types for, but for times and
    /// counters that the catalog keeps itself; at least what [`Subject::mark`] sets.
    async fn marks(&self, database: &str, table: &str, partition: Option<&[String]>) -> BTreeMap<String, String>;

    /// Whether the catalog holds a partition's value exactly.
    fn holds(&self, value: &str) -> bool {
        let _ = value;
        true
    }
}

/// Runs every check.
///
/// # Panics
/// If the catalog breaks the contract.
pub async fn check(subject: &dyn Subject) {
    a_database_is_made_once(subject).await;
    a_table_is_read_as_it_was_made(subject).await;
    a_table_is_made_once(subject).await;
    names_are_folded(subject).await;
    an_update_changes_what_is_stated(subject).await;
    what_others_set_survives(subject).await;
    a_stale_version_is_a_conflict(subject).await;
    one_of_many_updates(subject).await;
    odd_values_are_kept(subject).await;
    many_partitions_are_made_and_read(subject).await;
    a_partition_fails_alone(subject).await;
    partitions_are_updated(subject).await;
    deletes_leave_nothing(subject).await;
    without_a_table_there_are_no_partitions(subject).await;
    requests_are_counted(subject).await;
}

/// Partitions a page for which reading is tried.
const PAGE_SIZES: [usize; 3] = [1, 7, 1_000];

/// A database is not there, is made, and may be made again.
pub async fn a_database_is_made_once(subject: &dyn Subject) {
    let catalog = subject.open(&subject.database().await, 1_000).await;
    assert!(!catalog.database_exists().await.expect("an answer"), "a database is there before it is made");
    let error = catalog.create_table("t", &table(&["p"])).await.expect_err("a table without a database");
    assert_eq!(error.kind(), ErrorKind::NotFound, "a table without a database: {error:?}");
    assert_eq!(catalog.table("t").await.expect("an answer"), None, "a table of a database that is not there");
    for _ in 0..2 {
        catalog.create_database().await.expect("a database");
        assert!(catalog.database_exists().await.expect("an answer"), "a database that was made is not there");
    }
}

/// Every field comes back as it was, whatever characters stand in it; a table that is not there is none.
pub async fn a_table_is_read_as_it_was_made(subject: &dyn Subject) {
    let catalog = fresh(subject).await;
    let mut odd = table(&["p", "q"]);
    odd.comment = Some("sales, `all` of \"them\"; it's é 100 %".to_owned());
    odd.storage.location = "s3://bucket/a b/%20/é/x:y=1+2/".to_owned();
    for value in ["", " ", "a b", "%20", "é", "O'Brien", "\"", "\\", "\\001", "${p}", "x".repeat(4_000).as_str()] {
        odd.parameters.insert(format!("odd.{}", odd.parameters.len()), value.to_owned());
    }
    let serde = [("field.delim", "\t"), ("escape.delim", "\\"), ("separatorChar", "|"), ("quoteChar", "\"")];
    odd.storage.serde_parameters.extend(serde.map(|(name, value)| (name.to_owned(), value.to_owned())));
    odd.columns[0].comment = Some("it's an id, in `cents`".to_owned());
    odd.columns.push(column("deep", "struct<a:array<map<string,decimal(10,2)>>,b:varchar(3)>"));
    let unpartitioned = table(&[]);
    let bare = TableDefinition { columns: Vec::new(), ..table(&["p"]) };
    for (name, definition) in [("odd", &odd), ("unpartitioned", &unpartitioned), ("bare", &bare)] {
        assert_eq!(catalog.table(name).await.expect("an answer"), None, "`{name}` before it is made");
        catalog.create_table(name, definition).await.unwrap_or_else(|error| panic!("making `{name}`: {error:?}"));
        assert_table(&read(&*catalog, name).await.table, definition, name);
    }
    let (one, other) = (read(&*catalog, "odd").await, read(&*catalog, "odd").await);
    assert_eq!(one, other, "a table that nobody changed, read twice");
}

/// A second table of a name is a `Conflict`, and the first stays as it is.
pub async fn a_table_is_made_once(subject: &dyn Subject) {
    let catalog = fresh(subject).await;
    catalog.create_table("t", &table(&["p"])).await.expect("a table");
    let before = read(&*catalog, "t").await;
    let mut second = table(&["p"]);
    second.storage.location = "s3://bucket/elsewhere/".to_owned();
    for definition in [&second, &table(&["p"])] {
        assert_conflict(catalog.create_table("t", definition).await, "a second table of a name");
    }
    assert_eq!(read(&*catalog, "t").await, before, "a table after a second one was refused");
}

/// A name in capitals is the name in lower case.
pub async fn names_are_folded(subject: &dyn Subject) {
    let catalog = fresh(subject).await;
    catalog.create_table("Sales_2026", &table(&["p"])).await.expect("a table");
    for name in ["sales_2026", "SALES_2026"] {
        assert_table(&read(&*catalog, name).await.table, &table(&["p"]), name);
    }
    assert_conflict(catalog.create_table("sales_2026", &table(&["p"])).await, "a table whose name differs in case");
    assert_all(catalog.create_partitions("SALES_2026", &[partition(&["1"])]).await, "made");
    assert_eq!(partitions(&*catalog, "sales_2026").await.len(), 1, "partitions of a name in capitals");
}

/// An update changes each of our fields, takes away the parameters that it is told to, and leaves what it does not state.
pub async fn an_update_changes_what_is_stated(subject: &dyn Subject) {
    let catalog = fresh(subject).await;
    let mut first = table(&["p"]);
    first.comment = Some("stays".to_owned());
    first.columns[0].comment = Some("stays too".to_owned());
    first.parameters.extend(parameters(&[("stays", "1"), ("changes", "1"), ("goes", "1")]));
    first.storage.serde_parameters = parameters(&[("field.delim", ","), ("goes", "1")]);
    catalog.create_table("t", &first).await.expect("a table");

    let mut second = table(&["p"]);
    second.columns = vec![column("name", "string"), column("id", "int")];
    second.columns.swap(0, 1);
    second.storage = Storage {
        location: "s3://bucket/t--0a1b2c3d/".to_owned(),
        input_format: "org.apache.hadoop.mapred.TextInputFormat".to_owned(),
        output_format: "org.apache.hadoop.hive.ql.io.IgnoreKeyTextOutputFormat".to_owned(),
        serde: "org.openx.data.jsonserde.JsonSerDe".to_owned(),
        serde_parameters: parameters(&[("ignore.malformed.json", "true")]),
    };
    second.parameters.extend(parameters(&[("changes", "2"), ("comes", "1")]));
    let before = read(&*catalog, "t").await;
    let removed = ["goes".to_owned(), "never.was".to_owned()];
    catalog.update_table("t", &before.version, &second, &removed).await.expect("an update");
    let after = read(&*catalog, "t").await;
    assert_table(&after.table, &second.over(&first, &removed), "t");
    assert_eq!(after.table.comment.as_deref(), Some("stays"), "a comment that was not stated");
    assert_eq!(after.table.columns[0].comment.as_deref(), Some("stays too"), "a column's comment that was not stated");
    assert!(after.table.parameters.contains_key("stays") && !after.table.parameters.contains_key("goes"));
    assert_eq!(after.table.storage, second.storage, "storage is stated as a whole");

    let unstated = TableDefinition { columns: Vec::new(), ..second.clone() };
    catalog.update_table("t", &after.version, &unstated, &[]).await.expect("an update");
    assert_eq!(read(&*catalog, "t").await.table.columns, after.table.columns, "columns that were not stated");
}

/// What the port has no type for is there after an update as it was before: of a table, and of a partition.
pub async fn what_others_set_survives(subject: &dyn Subject) {
    let (catalog, database) = fresh_with_name(subject).await;
    catalog.create_table("t", &table(&["p"])).await.expect("a table");
    assert_all(catalog.create_partitions("t", &[partition(&["1"]), partition(&["2"])]).await, "made");
    let marked = ["1".to_owned()];
    subject.mark(&database, "t", None).await;
    subject.mark(&database, "t", Some(&marked)).await;
    let before = subject.marks(&database, "t", None).await;
    let of_partition = subject.marks(&database, "t", Some(&marked)).await;
    assert!(!before.is_empty() && !of_partition.is_empty(), "the subject marks nothing");

    let mut changed = table(&["p"]);
    changed.storage.location = "s3://bucket/elsewhere/".to_owned();
    changed.columns[0].hive_type = "bigint".to_owned();
    let version = read(&*catalog, "t").await.version;
    catalog.update_table("t", &version, &changed, &[]).await.expect("an update");
    assert_eq!(read(&*catalog, "t").await.table.storage, changed.storage, "an update changed nothing");
    assert_eq!(subject.marks(&database, "t", None).await, before, "what others set on a table");

    let mut changed = partition(&["1"]);
    changed.storage.location = "s3://bucket/elsewhere/p=1/".to_owned();
    assert_all(catalog.update_partitions("t", &[changed.clone()]).await, "updated");
    let now = catalog.partitions_of("t", &[changed.values.clone()]).await.expect("partitions");
    assert_eq!(now[0].storage, changed.storage, "an update changed nothing");
    assert_eq!(subject.marks(&database, "t", Some(&marked)).await, of_partition, "what others set on a partition");
}

/// An update under a version that is gone is a `Conflict` and changes nothing; so is one of a table that is not there.
pub async fn a_stale_version_is_a_conflict(subject: &dyn Subject) {
    let (catalog, database) = fresh_with_name(subject).await;
    let other = subject.open(&database, 1_000).await;
    catalog.create_table("t", &table(&["p"])).await.expect("a table");
    let Entry { version: stale, .. } = read(&*catalog, "t").await;
    let mut theirs = table(&["p"]);
    theirs.parameters.insert("theirs".to_owned(), "1".to_owned());
    other.update_table("t", &stale, &theirs, &[]).await.expect("an update");
    let between = read(&*catalog, "t").await;
    assert_ne!(between.version, stale, "the version after an update");
    let mut ours = table(&["p"]);
    ours.storage.location = "s3://bucket/ours/".to_owned();
    assert_conflict(catalog.update_table("t", &stale, &ours, &[]).await, "an update under a stale version");
    assert_eq!(read(&*catalog, "t").await, between, "a table after a refused update");
    catalog.update_table("t", &between.version, &ours, &[]).await.expect("an update under the version that is there");
    assert_eq!(read(&*catalog, "t").await.table.parameters.get("theirs").map(String::as_str), Some("1"));

    let absent = catalog.update_table("absent", &between.version, &ours, &[]).await;
    assert_conflict(absent, "an update of a table that is not there");
    assert_eq!(catalog.table("absent").await.expect("an answer"), None, "an update made a table");
    let invented = catalog.update_table("t", &Version("4711".to_owned()), &theirs, &[]).await;
    assert_conflict(invented, "an update under a version that never was");
}

/// Of updates under one version, one after the other, the first wins.
pub async fn one_of_many_updates(subject: &dyn Subject) {
    let catalog = fresh(subject).await;
    catalog.create_table("t", &table(&["p"])).await.expect("a table");
    for round in 0..3 {
        let version = read(&*catalog, "t").await.version;
        let located = |client: usize| {
            let mut definition = table(&["p"]);
            definition.storage.location = format!("s3://bucket/round={round}/client={client}/");
            definition
        };
        let mut winners = Vec::new();
        for client in 0..3 {
            match catalog.update_table("t", &version, &located(client), &[]).await {
                Ok(()) => winners.push(client),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "a lost race: {error:?}"),
            }
        }
        assert_eq!(winners, [0], "clients that won under one version");
        assert_eq!(read(&*catalog, "t").await.table.storage, located(0).storage, "what the winner wrote");
    }
}

/// Values with every odd character, and NULL, make a partition each, which is read, found, updated and deleted as it is.
pub async fn odd_values_are_kept(subject: &dyn Subject) {
    let catalog = fresh(subject).await;
    catalog.create_table("t", &table(&["p", "q"])).await.expect("a table");
    let values: Vec<&str> = ODD_VALUES.into_iter().filter(|value| subject.holds(value)).collect();
    assert!(values.len() > ODD_VALUES.len() / 2, "of the odd values the catalog holds {} only", values.len());
    let odd: Vec<PartitionDefinition> = values.iter().map(|value| partition(&[value, "x"])).collect();
    assert_all(catalog.create_partitions("t", &odd).await, "made");
    assert_same(partitions(&*catalog, "t").await, odd.clone(), "partitions of odd values");
    for one in &odd {
        let found = catalog.partitions_of("t", std::slice::from_ref(&one.values)).await.expect("partitions");
        assert_same(found, vec![one.clone()], &format!("the partition of {:?}", one.values));
        let again = catalog.create_partitions("t", std::slice::from_ref(one)).await.expect("an answer");
        assert_eq!(kinds(&again), [(0, ErrorKind::Conflict)], "{:?} a second time", one.values);
    }
    let moved = odd.iter().cloned().map(|mut partition| {
        partition.storage.location = partition.storage.location.replace("s3://bucket/", "s3://other/");
        partition
    });
    let moved: Vec<PartitionDefinition> = moved.collect();
    assert_all(catalog.update_partitions("t", &moved).await, "updated");
    assert_same(partitions(&*catalog, "t").await, moved.clone(), "updated partitions of odd values");
    for (index, one) in moved.iter().enumerate() {
        assert_all(catalog.delete_partitions("t", std::slice::from_ref(&one.values)).await, "deleted");
        assert_same(
            partitions(&*catalog, "t").await,
            moved[index + 1..].to_vec(),
            &format!("without {:?}", one.values),
        );
    }
}

/// What Hive escapes in a path, what a URL or SQL would, what looks like an escape, capitals, NULL as Hive spells it.
const ODD_VALUES: [&str; 24] = [
    "a b",
    " lead",
    "trail ",
    "a:b",
    "2026-11-24 10:00:00",
    "a/b",
    "a=b",
    "%20",
    "a%2Fb",
    "100%",
    "é",
    "日本",
    "🦀",
    "O'Brien",
    "\"quoted\"",
    "back\\slash",
    "a,b",
    "A",
    "a",
    "*",
    "[x]",
    "{y}",
    "#",
    "__HIVE_DEFAULT_PARTITION__",
];

/// 1,100 partitions made in one call are there once each, in pages of every size; those of some values are found, and
/// those that are not there are left out.
pub async fn many_partitions_are_made_and_read(subject: &dyn Subject) {
    let (catalog, database) = fresh_with_name(subject).await;
    catalog.create_table("t", &table(&["p", "q"])).await.expect("a table");
    assert_same(partitions(&*catalog, "t").await, Vec::new(), "partitions of a new table");
    assert_all(catalog.create_partitions("t", &[]).await, "made");
    let many: Vec<PartitionDefinition> =
        (0..1_100).map(|n| partition(&[&(n % 11).to_string(), &format!("{n:04}")])).collect();
    let (few, rest) = many.split_at(250);
    assert_all(catalog.create_partitions("t", few).await, "made");
    for page_size in PAGE_SIZES {
        let catalog = subject.open(&database, page_size).await;
        assert_same(partitions(&*catalog, "t").await, few.to_vec(), &format!("pages of {page_size}"));
    }
    assert_all(catalog.create_partitions("t", rest).await, "made");
    assert_same(partitions(&*catalog, "t").await, many.clone(), "partitions in several pages");

    let mut values: Vec<Vec<String>> = many.iter().map(|partition| partition.values.clone()).collect();
    values.insert(500, vec!["0".to_owned(), "absent".to_owned()]);
    values.push(vec!["absent".to_owned(), "0000".to_owned()]);
    let found = catalog.partitions_of("t", &values).await.expect("partitions");
    assert_same(found, many, "partitions of 1,102 values");
    assert_same(catalog.partitions_of("t", &[]).await.expect("partitions"), Vec::new(), "partitions of no values");
}

/// A partition that is there already is a `Conflict` of its own and is left as it is; the others of the call are made.
pub async fn a_partition_fails_alone(subject: &dyn Subject) {
    let catalog = fresh(subject).await;
    catalog.create_table("t", &table(&["p"])).await.expect("a table");
    let all: Vec<PartitionDefinition> = (0..230).map(|n| partition(&[&n.to_string()])).collect();
    let there = [3, 99, 100, 229];
    let first: Vec<PartitionDefinition> = there
        .iter()
        .map(|index| {
            let mut partition = all[*index].clone();
            partition.storage.location = format!("s3://bucket/theirs/{index}/");
            partition
        })
        .collect();
    assert_all(catalog.create_partitions("t", &first).await, "made");
    let failed = catalog.create_partitions("t", &all).await.expect("an answer");
    assert_eq!(kinds(&failed), there.map(|index| (index, ErrorKind::Conflict)), "partitions that were there");
    let mut expected = all;
    for (index, partition) in there.iter().zip(&first) {
        expected[*index] = partition.clone();
    }
    assert_same(partitions(&*catalog, "t").await, expected, "partitions after some were there already");
}

/// An update makes our fields what it states and keeps foreign parameters; one that is not there is `NotFound` alone.
pub async fn partitions_are_updated(subject: &dyn Subject) {
    let catalog = fresh(subject).await;
    catalog.create_table("t", &table(&["p"])).await.expect("a table");
    let mut all: Vec<PartitionDefinition> = (0..120).map(|n| partition(&[&n.to_string()])).collect();
    for partition in &mut all {
        partition.parameters.extend(parameters(&[("theirs", "1"), ("ours", "1")]));
        partition.columns[0].comment = Some("stays".to_owned());
    }
    assert_all(catalog.create_partitions("t", &all).await, "made");
    let changed = |n: usize| {
        let mut changed = partition(&[&n.to_string()]);
        changed.storage.location = format!("s3://bucket/new/p={n}/");
        changed.storage.serde = "org.apache.hadoop.hive.serde2.OpenCSVSerde".to_owned();
        changed.storage.serde_parameters = parameters(&[("separatorChar", ";")]);
        changed.columns[1].hive_type = "date".to_owned();
        changed.parameters = parameters(&[("ours", "2")]);
        changed
    };
    let update: Vec<PartitionDefinition> = (110..130).chain(0..95).map(changed).collect();
    let failed = catalog.update_partitions("t", &update).await.expect("an answer");
    let absent: Vec<(usize, ErrorKind)> = (10..20).map(|index| (index, ErrorKind::NotFound)).collect();
    assert_eq!(kinds(&failed), absent, "partitions that are not there");
    for (n, there) in all.iter_mut().enumerate().filter(|(n, _)| !(95..110).contains(n)) {
        *there = changed(n).over(there);
        let expected = parameters(&[("ours", "2"), ("restitch.def", "0a1b2c3d"), ("theirs", "1")]);
        assert_eq!(there.parameters, expected, "parameters of {:?}", there.values);
    }
    assert_same(partitions(&*catalog, "t").await, all, "partitions after an update");
}

/// Deletes of what is there, of what is not, of none, and of more than a batch.
pub async fn deletes_leave_nothing(subject: &dyn Subject) {
    let catalog = fresh(subject).await;
    catalog.create_table("t", &table(&["p"])).await.expect("a table");
    let all: Vec<PartitionDefinition> = (0..60).map(|n| partition(&[&n.to_string()])).collect();
    assert_all(catalog.create_partitions("t", &all).await, "made");
    assert_all(catalog.delete_partitions("t", &[]).await, "deleted");
    let values: Vec<Vec<String>> = (1..90).map(|n| vec![n.to_string()]).collect();
    assert_all(catalog.delete_partitions("t", &values).await, "deleted");
    assert_same(partitions(&*catalog, "t").await, all[..1].to_vec(), "partitions that no delete named");
    assert_all(catalog.delete_partitions("t", &values).await, "deleted a second time");
    assert_all(catalog.create_partitions("t", &all[1..]).await, "made again");
}

/// Partitions of a table that is not there are `NotFound`.
pub async fn without_a_table_there_are_no_partitions(subject: &dyn Subject) {
    let catalog = fresh(subject).await;
    let read: Result<Vec<_>, Error> = catalog.partitions("absent").try_collect().await;
    let made = catalog.create_partitions("absent", &[partition(&["1"])]).await;
    for (what, error) in [("reading", read.map(|_| ()).err()), ("making", made.map(|_| ()).err())] {
        let kind = error.map(|error| error.kind());
        assert_eq!(kind, Some(ErrorKind::NotFound), "{what} partitions of a table that is not there");
    }
}

/// Every call adds to the count, and a call of many partitions adds few.
pub async fn requests_are_counted(subject: &dyn Subject) {
    let catalog = fresh(subject).await;
    let before = catalog.requests();
    catalog.create_table("t", &table(&["p"])).await.expect("a table");
    read(&*catalog, "t").await;
    let read = catalog.requests();
    assert!(read >= before + 2, "two calls were counted as {}", read - before);
    let many: Vec<PartitionDefinition> = (0..100).map(|n| partition(&[&n.to_string()])).collect();
    assert_all(catalog.create_partitions("t", &many).await, "made");
    let made = catalog.requests() - read;
    assert!((1..10).contains(&made), "100 partitions took {made} requests");
}

/// A CSV table whose partition keys are strings.
fn table(keys: &[&str]) -> TableDefinition {
    TableDefinition {
        columns: vec![column("id", "int"), column("name", "string")],
        partition_keys: keys.iter().map(|key| column(key, "string")).collect(),
        storage: storage("s3://bucket/tables/t/"),
        comment: None,
        parameters: parameters(&[("EXTERNAL", "TRUE"), ("restitch.table", "t")]),
    }
}

fn partition(values: &[&str]) -> PartitionDefinition {
    PartitionDefinition {
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        columns: vec![column("id", "int"), column("name", "string")],
        storage: storage(&format!("s3://bucket/tables/t/p={}/", values.join("/"))),
        parameters: parameters(&[("restitch.def", "0a1b2c3d")]),
    }
}

fn storage(location: &str) -> Storage {
    Storage {
        location: location.to_owned(),
        input_format: "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat".to_owned(),
        output_format: "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat".to_owned(),
        serde: "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe".to_owned(),
        serde_parameters: parameters(&[("field.delim", ","), ("serialization.format", ",")]),
    }
}

fn column(name: &str, hive_type: &str) -> CatalogColumn {
    CatalogColumn { name: name.to_owned(), hive_type: hive_type.to_owned(), comment: None }
}

fn parameters(stated: &[(&str, &str)]) -> BTreeMap<String, String> {
    stated.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn fresh(subject: &dyn Subject) -> Arc<dyn Catalog> {
    fresh_with_name(subject).await.0
}

async fn fresh_with_name(subject: &dyn Subject) -> (Arc<dyn Catalog>, String) {
    let database = subject.database().await;
    let catalog = subject.open(&database, 1_000).await;
    catalog.create_database().await.expect("a database");
    (catalog, database)
}

async fn read(catalog: &dyn Catalog, name: &str) -> Entry {
    let entry = catalog.table(name).await.unwrap_or_else(|error| panic!("reading `{name}`: {error:?}"));
    entry.unwrap_or_else(|| panic!("`{name}` was made, and is not there"))
}

async fn partitions(catalog: &dyn Catalog, name: &str) -> Vec<PartitionDefinition> {
    let pages: Vec<Vec<PartitionDefinition>> = catalog.partitions(name).try_collect().await.expect("partitions");
    pages.concat()
}

/// Parameters that a catalog adds of its own accord (a time, a statistic) are not asked about; those that were stated are.
fn assert_table(read: &TableDefinition, expected: &TableDefinition, what: &str) {
    let mut read = read.clone();
    read.parameters.retain(|name, _| expected.parameters.contains_key(name));
    assert_eq!(&read, expected, "the table {what}");
}

/// The same partitions in any order, each once.
fn assert_same(mut read: Vec<PartitionDefinition>, mut expected: Vec<PartitionDefinition>, what: &str) {
    read.sort_by(|one, other| one.values.cmp(&other.values));
    expected.sort_by(|one, other| one.values.cmp(&other.values));
    for (read, expected) in read.iter_mut().zip(&expected) {
        read.parameters.retain(|name, _| expected.parameters.contains_key(name));
        assert_eq!(read, expected, "{what}");
    }
    assert_eq!(read.len(), expected.len(), "{what}");
}

fn kinds(failed: &[(usize, Error)]) -> Vec<(usize, ErrorKind)> {
    let mut kinds: Vec<(usize, ErrorKind)> = failed.iter().map(|(index, error)| (*index, error.kind())).collect();
    kinds.sort_unstable_by_key(|(index, _)| *index);
    kinds
}

fn assert_all(outcome: Result<Vec<(usize, Error)>, Error>, what: &str) {
    let failed = outcome.unwrap_or_else(|error| panic!("partitions were not {what}: {error:?}"));
    assert!(failed.is_empty(), "partitions were not {what}: {failed:?}");
}

fn assert_conflict(outcome: Result<(), Error>, what: &str) {
    match outcome {
        Ok(()) => panic!("{what}: it happened"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{what}: {error:?}"),
    }
}
