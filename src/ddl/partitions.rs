//! `ALTER TABLE … ADD` and `DROP PARTITION`: as few statements as the size limit allows, streamed.
//!
//! `ADD IF NOT EXISTS` and `DROP IF EXISTS` only, so that running everything twice changes nothing.

use std::fmt::Write;

use super::quote::{Identifier, Literal};
use super::{Statement, StatementKind, TEXT_BUDGET_BYTES, TableName};
use crate::error::{Error, ErrorKind, Result};
use crate::rules::table::{Column, Engine, Table};
use crate::uri::{Shown, Uri};
use crate::value::{HIVE_NULL, PartitionType, PartitionValue};

/// A partition: its values, one per partition column, and the directory of its manifest (ends in `/`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    pub values: Vec<PartitionValue>,
    pub location: Uri,
}

/// Adds `partitions` to the table that is called `name` where it is made; statements come as they fill up.
///
/// # Errors
/// Each item may be one: `Unsupported` for NULL where a reader of the table could not take it (see
/// [`null_spelling`]), and for a single partition longer than a statement may be.
pub fn add_partitions<'a, I>(
    table: &'a Table,
    name: &TableName,
    partitions: I,
) -> impl Iterator<Item = Result<Statement>>
where
    I: IntoIterator<Item = Partition> + 'a,
{
    let clauses = partitions.into_iter().map(move |partition| {
        let mut clause = String::from("\n  ");
        write_specification(&mut clause, table, &partition.values)?;
        let location = partition.location.raw();
        write!(clause, " LOCATION {}", Literal(&location)).expect("a String takes all text");
        Ok(clause)
    });
    Packed {
        kind: StatementKind::AddPartitions,
        head: format!("ALTER TABLE {name} ADD IF NOT EXISTS"),
        separator: "",
        clauses,
        held: None,
        failed: false,
    }
}

/// Drops partitions by their values; the caller hands in only those that prune would drop.
///
/// # Errors
/// As [`add_partitions`].
pub fn drop_partitions<'a, I>(
    table: &'a Table,
    name: &TableName,
    partitions: I,
) -> impl Iterator<Item = Result<Statement>>
where
    I: IntoIterator<Item = Vec<PartitionValue>> + 'a,
{
    let clauses = partitions.into_iter().map(move |values| {
        let mut clause = String::from("\n  ");
        write_specification(&mut clause, table, &values)?;
        Ok(clause)
    });
    Packed {
        kind: StatementKind::DropPartitions,
        head: format!("ALTER TABLE {name} DROP IF EXISTS"),
        separator: ",",
        clauses,
        held: None,
        failed: false,
    }
}

/// Puts clauses into statements, as many into each as fit.
struct Packed<C> {
    kind: StatementKind,
    head: String,
    /// Between two clauses.
    separator: &'static str,
    clauses: C,
    /// The clause that did not fit into the statement before.
    held: Option<String>,
    failed: bool,
}

impl<C: Iterator<Item = Result<String>>> Iterator for Packed<C> {
    type Item = Result<Statement>;

    fn next(&mut self) -> Option<Result<Statement>> {
        if self.failed {
            return None;
        }
        let mut text = self.head.clone();
        let mut partitions = 0;
        loop {
            let clause = match self.held.take().map(Ok).or_else(|| self.clauses.next()) {
                Some(Ok(clause)) => clause,
                Some(Err(error)) => {
                    self.failed = true;
                    return Some(Err(error));
                }
                None if partitions == 0 => return None,
                None => break,
            };
            let separator = if partitions == 0 { "" } else { self.separator };
            if text.len() + separator.len() + clause.len() > TEXT_BUDGET_BYTES {
                if partitions == 0 {
                    self.failed = true;
                    return Some(Err(too_long(&clause)));
                }
                self.held = Some(clause);
                break;
            }
            text += separator;
            text += &clause;
            partitions += 1;
        }
        Some(Ok(Statement { kind: self.kind, text, partitions }))
    }
}

fn too_long(clause: &str) -> Error {
    let shown: String = clause.trim_start().chars().take(80).collect();
    Error::new(
        ErrorKind::Unsupported,
        format!("one partition alone is longer than a statement may be: {}…", Shown(&shown)),
    )
}

/// `PARTITION (…)`. Numbers stand bare, everything else is quoted.
fn write_specification(out: &mut String, table: &Table, values: &[PartitionValue]) -> Result<()> {
    debug_assert_eq!(table.partitioned_by.len(), values.len());
    out.push_str("PARTITION (");
    for (index, (column, value)) in table.partitioned_by.iter().zip(values).enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        write!(out, "{separator}{} = ", Identifier(&column.name)).expect("a String takes all text");
        match value.as_str() {
            None => out.push_str(null_spelling(table, column)?),
            Some(text) if stands_bare(column, text) => out.push_str(text),
            Some(text) => write!(out, "{}", Literal(text)).expect("a String takes all text"),
        }
    }
    out.push(')');
    Ok(())
}

/// How NULL is written for a column, the same for every type: Spark was seen to take it for strings (where it reads back
/// as this text), integers and dates.
///
/// # Errors
/// `Unsupported` where Hive is among the readers: it refuses a reserved value in `ADD PARTITION`.
fn null_spelling(table: &Table, column: &Column) -> Result<&'static str> {
    const SPELLING: &str = "'__HIVE_DEFAULT_PARTITION__'";
    debug_assert_eq!(SPELLING.trim_matches('\''), HIVE_NULL);
    if !table.engines.contains(&Engine::Hive) {
        return Ok(SPELLING);
    }
    let name = Identifier(&table.name);
    let error = Error::new(
        ErrorKind::Unsupported,
        format!(
            "Hive takes no NULL in ADD PARTITION, and a partition of `{}` has one in `{}`",
            Shown(&table.name),
            column.name
        ),
    );
    Err(if table.layout.custom {
        error.help(format!("give it a value: set = {{ {} = \"{{{}|default(none)}}\" }}", column.name, column.name))
    } else {
        error.help(format!("MSCK REPAIR TABLE {name}; finds it in its directory; or give it a value with `default(…)`"))
    })
}

/// Whether a value is written without quotes: a number in a number's column, a boolean in a boolean's. Hive's grammar
/// takes no sign there, and a quoted `'-5'` means the same.
fn stands_bare(column: &Column, text: &str) -> bool {
    let plain_number = |text: &str| {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        [whole, part].iter().all(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    match column.partition_type() {
        PartitionType::Integer { .. } => plain_number(text),
        PartitionType::Text | PartitionType::Date => false,
        PartitionType::Other => {
            let ddl_type = column.ddl_type.trim().to_ascii_lowercase();
            match ddl_type.split('(').next().unwrap_or("").trim_end() {
                "boolean" => matches!(text, "true" | "false"),
                "decimal" | "numeric" | "double" | "float" | "real" => plain_number(text),
                _ => false,
            }
        }
    }
}
