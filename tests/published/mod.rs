//! Tables, partitions and runs made by hand, for the tests of publishing.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use restitch::apply::current;
use restitch::apply::planning::{Planned, Planning};
use restitch::apply::{self, Options, lease};
use restitch::error::Result;
use restitch::map::group::{Group, TableGroups};
use restitch::rules::table::*;
use restitch::rules::template::Template;
use restitch::store::Store;
use restitch::uri::Uri;
use restitch::value::PartitionValue;

/// A table at `s3://published/NAME/` with as many rules as asked for, partitioned by `columns` (`region string`).
pub fn table(name: &str, columns: &[&str], rules: u32) -> Table {
    let column = |text: &&str| {
        let (name, kind) = text.split_once(' ').unwrap();
        Column { name: name.into(), ddl_type: kind.into(), comment: None }
    };
    let partitioned_by: Vec<Column> = columns.iter().map(column).collect();
    let rule = |number| Rule {
        number,
        line: 10 + number,
        matcher: Matcher::Template(Template::parse(&format!("s3://data/{number}/**")).unwrap()),
        ignore_case: false,
        values: vec![],
        conditions: vec![],
        exclude: vec![],
        done: None,
        line_kind: LineKind::Object,
    };
    Table {
        name: name.into(),
        line: 1,
        location: Some(Uri::parse(&format!("s3://published/{name}/")).unwrap()),
        lies_by_name: true,
        engines: vec![Engine::Athena],
        columns: vec![Column { name: "id".into(), ddl_type: "bigint".into(), comment: None }],
        layout: default_layout(&partitioned_by),
        partitioned_by,
        comment: None,
        format: Some(Format {
            kind: FormatKind::Csv,
            serde: "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe".into(),
            serde_properties: vec![("field.delim".into(), ",".into())],
            header_lines: 0,
        }),
        properties: vec![],
        ddl: None,
        like: None,
        partitions: Partitions::Registered,
        catalog: None,
        publish: Publish::Refresh,
        accept_moves: false,
        append_only: false,
        on_trap: OnTrap::Refuse,
        strict_values: false,
        limits: Limits::default(),
        skip: Skip::default(),
        exclude: vec![],
        pick: vec![],
        rules: (1..=rules).map(rule).collect(),
        lookups: vec![],
        tests: vec![],
    }
}

pub fn default_layout(columns: &[Column]) -> Layout {
    let parts = columns.iter().enumerate().flat_map(|(at, column)| {
        let text = format!("{}{}=", if at > 0 { "/" } else { "" }, column.name);
        [LayoutPart::Text(text), LayoutPart::Column(at)]
    });
    let mut parts: Vec<LayoutPart> = parts.collect();
    if !parts.is_empty() {
        parts.push(LayoutPart::Text("/".into()));
    }
    Layout { parts, custom: false }
}

/// One partition: its values (`NULL` is NULL) and its lines, in any order.
pub fn group(values: &[&str], lines: &[&str]) -> Group {
    let value = |text: &&str| if *text == "NULL" { PartitionValue::NULL } else { PartitionValue::new(text) };
    let mut sorted = lines.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let body: String = sorted.iter().flat_map(|line| [line, "\n"]).collect();
    Group { values: values.iter().map(value).collect(), body: body.into() }
}

/// What a listing gave, all of it by rule 1.
pub fn groups(table: &Table, partitions: Vec<Group>) -> TableGroups {
    let mut taken_by_rule = vec![0; table.rules.len()];
    taken_by_rule[0] = partitions.iter().map(|group| group.body.lines()).sum();
    TableGroups { partitions, taken_by_rule, ..TableGroups::default() }
}

pub fn planning() -> Planning {
    Planning { file: "restitch.toml".into(), ..Planning::default() }
}

/// Reads the marker, as is done before a listing, and plans.
pub async fn plan(store: &dyn Store, table: &Table, groups: TableGroups, planning: &Planning) -> Result<Planned> {
    let found = lease::read(store, table.location.as_ref().expect("a table made here has one")).await?;
    current::table(store, table, found, groups, planning).await
}

/// Plans and carries out; panics if anything refuses.
pub async fn publish(store: &dyn Store, table: &Table, groups: TableGroups) -> Result<u64> {
    let planned = plan(store, table, groups, &planning()).await?;
    assert!(planned.refusals.is_empty(), "{:?}", planned.refusals);
    carry_out(store, planned, &Options::new("a-plan")?).await
}

pub async fn carry_out(store: &dyn Store, planned: Planned, options: &Options) -> Result<u64> {
    let mut plan = planned.plan.expect("a plan without refusals");
    Ok(apply::table(store, &mut plan, "2026-11-22T10:00:00Z", options).await?.manifests)
}
