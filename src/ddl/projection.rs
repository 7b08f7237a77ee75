//! Partition projection: the table properties that stand in for registered partitions, worked out from rules and values.
//!
//! Each column gets a type with its settings and one line that says why. What projection could not find again (NULL, a
//! value that Hive escapes in its directory) is refused. Knows no clock: the caller says which day it is.

mod column;
mod dates;

use std::collections::BTreeSet;

use super::quote::{Literal, TemplateLiteral};
use super::{Statement, StatementKind, TableName};
use crate::error::{Error, ErrorKind, Result};
use crate::rules::table::{Column, LayoutPart, Table};
use crate::uri::{Shown, Uri};
use crate::value::PartitionValue;

use column::ColumnValues;

/// The property that says where a projected partition lies.
pub const LOCATION_TEMPLATE: &str = "storage.location.template";

/// The most values that an enum lists; a column with more is injected.
pub const MAX_ENUM_VALUES: usize = 1_000;

/// What makes a table projected.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    /// In order: `projection.enabled`, each column's, the template, all as a table states them.
    pub properties: Vec<(String, String)>,
    /// One line for each column: its type and why.
    pub why: Vec<String>,
    /// What a person should think about, each a sentence without a full stop.
    pub advice: Vec<String>,
}

impl Projection {
    /// The statement that gives a table that exists already these properties, so that a wider range reaches it; it
    /// changes nothing where they are the same.
    pub fn set_properties(&self, name: &TableName) -> Statement {
        let entries = self.properties.iter().map(|(key, value)| match key.as_str() {
            LOCATION_TEMPLATE => format!("  {} = {}", Literal(key), TemplateLiteral(value)),
            _ => format!("  {} = {}", Literal(key), Literal(value)),
        });
        let entries: Vec<String> = entries.collect();
        let text = format!("ALTER TABLE {name} SET TBLPROPERTIES (\n{}\n)", entries.join(",\n"));
        Statement { kind: StatementKind::SetProperties, text, partitions: 0 }
    }
}

/// Takes the values of every partition, then says how to project them.
#[derive(Debug)]
pub struct ProjectionBuilder<'a> {
    table: &'a Table,
    location: &'a Uri,
    today: &'a str,
    columns: Vec<ColumnValues<'a>>,
    partitions: u64,
}

impl<'a> ProjectionBuilder<'a> {
    /// `location` is where manifests lie (ends in `/`); `today` is the day in UTC as `yyyy-MM-dd`: a range of dates that
    /// reaches no further ends in `NOW`.
    ///
    /// # Errors
    /// `Unsupported` for a table without partition columns, and for a location or layout that holds `${`.
    pub fn new(table: &'a Table, location: &'a Uri, today: &'a str) -> Result<ProjectionBuilder<'a>> {
        if table.partitioned_by.is_empty() {
            let message = format!("table `{}` has no partition columns to project", Shown(&table.name));
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let texts = table.layout.parts.iter().filter_map(|part| match part {
            LayoutPart::Text(text) => Some(text.as_str()),
            LayoutPart::Column(_) => None,
        });
        if texts.chain([location.key.as_str()]).any(|text| text.contains("${")) {
            let message = format!("`${{` in the location of `{}` would be read as a column", Shown(&table.name));
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let columns = (0..table.partitioned_by.len()).map(|index| ColumnValues::new(table, index)).collect();
        Ok(ProjectionBuilder { table, location, today, columns, partitions: 0 })
    }

    /// Takes one partition's values.
    ///
    /// # Errors
    /// `Unsupported` for a value that projection could not find again.
    pub fn add(&mut self, values: &[PartitionValue]) -> Result<()> {
        debug_assert_eq!(values.len(), self.columns.len());
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.add(value.as_str().ok_or_else(|| null(self.table, column.column()))?)?;
        }
        self.partitions += 1;
        Ok(())
    }

    /// # Errors
    /// `Unsupported` where a column's type or its readers do not go with projection, and where there is no value yet to
    /// take a range from; `Rules` where a stated range leaves published values out.
    pub fn finish(self) -> Result<Projection> {
        let mut properties = vec![("projection.enabled".to_owned(), "true".to_owned())];
        let (mut why, mut advice) = (Vec::new(), Vec::new());
        let mut projected = 1u128;
        for column in &self.columns {
            let settings = column.settings(self.today)?;
            let name = &column.column().name;
            let key = |setting: &str| format!("projection.{name}.{setting}");
            properties.extend(settings.entries.into_iter().map(|(setting, value)| (key(setting), value)));
            why.push(format!("{}: {}", Shown(name), settings.why));
            advice.extend(settings.advice);
            projected = projected.saturating_mul(settings.projected);
        }
        properties.push((LOCATION_TEMPLATE.to_owned(), location_template(self.table, self.location)));
        // A column that is injected counts the values that are there.
        if projected > 2 * u128::from(self.partitions) {
            advice.push(format!(
                "{} of {projected} projected locations hold nothing: queries without a filter list them all; register \
                 the partitions instead (partitions = \"registered\")",
                projected - u128::from(self.partitions)
            ));
        }
        Ok(Projection { properties, why, advice })
    }
}

/// The location with a `${column}` for each hole of the layout.
fn location_template(table: &Table, location: &Uri) -> String {
    let mut out = location.raw();
    for part in &table.layout.parts {
        match part {
            LayoutPart::Text(text) => out += text,
            LayoutPart::Column(index) => out += &format!("${{{}}}", table.partitioned_by[*index].name),
        }
    }
    out
}

fn null(table: &Table, column: &Column) -> Error {
    let (table, column) = (Shown(&table.name), Shown(&column.name));
    Error::new(
        ErrorKind::Unsupported,
        format!("a partition of `{table}` has NULL in `{column}`, which no projection names"),
    )
    .help(format!(
        "give it a value, set = {{ {column} = \"{{{column}|default(none)}}\" }}, or partitions = \"registered\""
    ))
}

/// Settings of one column.
#[derive(Debug)]
struct Settings {
    /// Setting and value: `("type", "enum")`, …
    entries: Vec<(&'static str, String)>,
    why: String,
    advice: Vec<String>,
    /// How many values it projects; for an injected column those that are there.
    projected: u128,
}

/// A set of texts in order, for an enum.
type Values = BTreeSet<String>;
