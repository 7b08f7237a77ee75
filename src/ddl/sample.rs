//! Tables for the tests of this room, made by hand.

use crate::rules::format::{self, FormatOptions};
use crate::rules::location::default_layout;
use crate::rules::table::{Column, Engine, Limits, OnTrap, Partitions, Publish, Skip, Table};
use crate::uri::Uri;

/// A CSV table `taxes` at `s3://athena/tables/taxes/`, partitioned by the columns given as `(name, type)`.
pub fn table(partitioned_by: &[(&str, &str)]) -> Table {
    let column = |(name, ddl_type): &(&str, &str)| Column {
        name: (*name).to_owned(),
        ddl_type: (*ddl_type).to_owned(),
        comment: None,
    };
    let partitioned_by: Vec<Column> = partitioned_by.iter().map(column).collect();
    Table {
        name: "taxes".to_owned(),
        line: 1,
        location: Some(Uri::parse("s3://athena/tables/taxes/").unwrap()),
        lies_by_name: true,
        engines: vec![Engine::Athena],
        columns: [("id", "bigint"), ("amount", "double")].iter().map(column).collect(),
        layout: default_layout(&partitioned_by),
        partitioned_by,
        comment: None,
        format: Some(format::format(Some("csv"), &FormatOptions::default()).unwrap()),
        properties: Vec::new(),
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
        exclude: Vec::new(),
        pick: Vec::new(),
        rules: Vec::new(),
        lookups: Vec::new(),
        tests: Vec::new(),
    }
}
