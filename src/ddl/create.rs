//! `CREATE EXTERNAL TABLE`: all of our own, or the user's own statement with spans of its text replaced.
//!
//! Either way the table reads symlinks: the input format is the symlink one, the location holds manifests. The serde and
//! everything else that the user said stays.

use std::fmt::{self, Write};
use std::ops::Range;

use super::quote::{Identifier, Literal, TemplateLiteral};
use super::{Projection, Statement, StatementKind, TEXT_BUDGET_BYTES};
use crate::error::{Error, ErrorKind, Result};
use crate::rules::ddl_in::{self, CreateTable};
use crate::rules::format::{HEADER_LINES, LAZY_SIMPLE_SERDE};
use crate::rules::table::{Column, Format, Table, UserDdl};
use crate::uri::{Shown, Uri};

pub const SYMLINK_INPUT_FORMAT: &str = "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat";
pub const SYMLINK_OUTPUT_FORMAT: &str = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat";

/// A table's name where it is made, with its database if one is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName {
    pub database: Option<String>,
    pub table: String,
}

impl TableName {
    pub fn new(database: Option<&str>, table: &str) -> TableName {
        TableName { database: database.map(str::to_owned), table: table.to_owned() }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(database) = &self.database {
            write!(f, "{}.", Identifier(database))?;
        }
        write!(f, "{}", Identifier(&self.table))
    }
}

/// The statement that makes `table` over `location` (ends in `/`), with the properties of `projection` if there is one.
///
/// # Errors
/// `Rules` where the table lacks columns or a format, has a type that no engine knows, or its `ddl` cannot be read;
/// `Unsupported` where the statement would be longer than Athena takes.
pub fn create_table(
    table: &Table,
    name: &TableName,
    location: &Uri,
    projection: Option<&Projection>,
) -> Result<Statement> {
    let format = table.format.as_ref().ok_or_else(|| lacks(table, "a format", r#"format = "parquet""#))?;
    let text = match &table.ddl {
        Some(ddl) => rewritten(table, ddl, format, name, location, projection)?,
        None => composed(table, format, name, location, projection)?,
    };
    if text.len() > TEXT_BUDGET_BYTES {
        let message = format!(
            "CREATE TABLE of `{}` would be {} bytes long, a statement may be {TEXT_BUDGET_BYTES}",
            Shown(&table.name),
            text.len()
        );
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    Ok(Statement { kind: StatementKind::Create, text, partitions: 0 })
}

fn composed(
    table: &Table,
    format: &Format,
    name: &TableName,
    location: &Uri,
    projection: Option<&Projection>,
) -> Result<String> {
    if table.columns.is_empty() {
        return Err(lacks(table, "columns", r#"columns = ["id bigint", "amount double"], or ddl = "table.sql""#));
    }
    let mut clauses = vec![format!("{} {}", head(name), columns(table, &table.columns)?)];
    clauses.extend(table.comment.as_deref().map(|comment| format!("COMMENT {}", Literal(comment))));
    if !table.partitioned_by.is_empty() {
        clauses.push(format!("PARTITIONED BY {}", columns(table, &table.partitioned_by)?));
    }
    clauses.push(row_format(format));
    clauses.push(stored_as());
    clauses.push(format!("LOCATION {}", Literal(&location.raw())));
    let properties = properties(table, format, projection);
    if !properties.is_empty() {
        let entries: Vec<String> = properties.iter().map(|(key, value)| entry(key, value)).collect();
        clauses.push(format!("TBLPROPERTIES {}", list(&entries)));
    }
    Ok(clauses.join("\n"))
}

/// The user's statement, with what makes it a symlink table put into the spans of its clauses.
fn rewritten(
    table: &Table,
    ddl: &UserDdl,
    format: &Format,
    name: &TableName,
    location: &Uri,
    projection: Option<&Projection>,
) -> Result<String> {
    let read = ddl_in::read(&ddl.text).map_err(|errors| unreadable(ddl, &errors))?;
    let spans = &read.spans;
    let mut edits = vec![(spans.head.clone(), head(name))];
    if read.partitioned_by != table.partitioned_by {
        edits.push((
            spans.partitioned_by.clone(),
            match table.partitioned_by.as_slice() {
                [] => String::new(),
                partitioned_by => format!("PARTITIONED BY {}", columns(table, partitioned_by)?),
            },
        ));
    }
    let states_reading = read.serde_stated || (format.serde == LAZY_SIMPLE_SERDE && !spans.row_format.is_empty());
    if !states_reading
        || (&read.format.serde, &read.format.serde_properties) != (&format.serde, &format.serde_properties)
    {
        edits.push((spans.row_format.clone(), row_format(format)));
    }
    edits.push((spans.stored_as.clone(), stored_as()));
    edits.push((spans.location.clone(), format!("LOCATION {}", Literal(&location.raw()))));
    edits.extend(property_edit(&ddl.text, &read, &properties(table, format, projection)));
    for comment in &spans.comments {
        // A script is cut at semicolons; inside a clause that is replaced the comment goes with it.
        let replaced = edits.iter().any(|(span, _)| span.start <= comment.start && comment.end <= span.end);
        if ddl.text[comment.clone()].contains(';') && !replaced {
            edits.push((comment.clone(), "\n".to_owned()));
        }
    }
    Ok(replace(&ddl.text, spans.head.start..spans.end, edits))
}

/// Replaces spans; an empty span is an insertion on a line of its own. Of insertions in one place the first stays first.
fn replace(text: &str, whole: Range<usize>, mut edits: Vec<(Range<usize>, String)>) -> String {
    edits.sort_by_key(|(span, _)| (span.start, span.end));
    let mut out = String::new();
    let mut at = whole.start;
    for (span, new) in edits.into_iter().filter(|(span, _)| whole.start <= span.start && span.end <= whole.end) {
        out += &text[at..span.start];
        if span.is_empty() && !new.is_empty() {
            out.push('\n');
        }
        out += &new;
        at = span.end;
    }
    out + &text[at..whole.end]
}

/// The table properties that restitch states, in order: the user's, the header lines, projection's.
fn properties(table: &Table, format: &Format, projection: Option<&Projection>) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> =
        table.properties.iter().filter(|(key, _)| !is_projections(key)).cloned().collect();
    if format.header_lines > 0 {
        out.retain(|(key, _)| key != HEADER_LINES);
        out.push((HEADER_LINES.to_owned(), format.header_lines.to_string()));
    }
    out.extend(projection.into_iter().flat_map(|projection| projection.properties.iter().cloned()));
    out
}

/// What becomes of the user's TBLPROPERTIES: entries that ours replace, and projection's old ones, go; ours are added.
fn property_edit(text: &str, read: &CreateTable, ours: &[(String, String)]) -> Option<(Range<usize>, String)> {
    let keeps = |(key, value): &(String, String)| {
        let replaced = ours.iter().any(|(other, new)| other == key && new != value);
        let says_managed = key.eq_ignore_ascii_case("EXTERNAL") && !value.eq_ignore_ascii_case("TRUE");
        !replaced && !is_projections(key) && !says_managed
    };
    let entries = read.properties.iter().zip(&read.spans.property_entries);
    let kept: Vec<_> = entries.filter(|(property, _)| keeps(property)).collect();
    let added = ours.iter().filter(|ours| !kept.iter().any(|(property, _)| property == ours));
    let added: Vec<String> = added.map(|(key, value)| entry(key, value)).collect();
    if added.is_empty() && kept.len() == read.properties.len() {
        return None;
    }
    let mut all: Vec<String> = kept.into_iter().map(|(_, span)| text[span.clone()].to_owned()).collect();
    all.extend(added);
    let clause = if all.is_empty() { String::new() } else { format!("TBLPROPERTIES {}", list(&all)) };
    Some((read.spans.properties.clone(), clause))
}

/// Whether a table property belongs to partition projection, which restitch works out anew or leaves out.
fn is_projections(key: &str) -> bool {
    key.starts_with("projection.") || key == super::projection::LOCATION_TEMPLATE
}

fn head(name: &TableName) -> String {
    format!("CREATE EXTERNAL TABLE IF NOT EXISTS {name}")
}

fn columns(table: &Table, columns: &[Column]) -> Result<String> {
    let mut lines = Vec::with_capacity(columns.len());
    for column in columns {
        let ddl_type = ddl_in::column_type(&column.ddl_type).map_err(|error| {
            let message = format!(
                "the type `{}` of `{}` in table `{}`: {}",
                Shown(&column.ddl_type),
                Shown(&column.name),
                Shown(&table.name),
                error.message
            );
            let made = Error::new(ErrorKind::Rules, message);
            error.help.into_iter().fold(made, Error::help)
        })?;
        let mut line = format!("{} {ddl_type}", Identifier(&column.name));
        if let Some(comment) = &column.comment {
            write!(line, " COMMENT {}", Literal(comment)).expect("a String takes all text");
        }
        lines.push(line);
    }
    Ok(list(&lines))
}

fn row_format(format: &Format) -> String {
    let serde = format!("ROW FORMAT SERDE {}", Literal(&format.serde));
    if format.serde_properties.is_empty() {
        return serde;
    }
    let entries: Vec<String> = format.serde_properties.iter().map(|(key, value)| entry(key, value)).collect();
    format!("{serde}\nWITH SERDEPROPERTIES {}", list(&entries))
}

fn stored_as() -> String {
    format!("STORED AS INPUTFORMAT {}\nOUTPUTFORMAT {}", Literal(SYMLINK_INPUT_FORMAT), Literal(SYMLINK_OUTPUT_FORMAT))
}

fn entry(key: &str, value: &str) -> String {
    match key {
        super::projection::LOCATION_TEMPLATE => format!("{} = {}", Literal(key), TemplateLiteral(value)),
        _ => format!("{} = {}", Literal(key), Literal(value)),
    }
}

/// `(…)`, one item a line.
fn list(items: &[String]) -> String {
    format!("(\n  {}\n)", items.join(",\n  "))
}

fn lacks(table: &Table, what: &str, help: &str) -> Error {
    Error::new(
        ErrorKind::Rules,
        format!("table `{}` (line {}) says no {}", Shown(&table.name), table.line, what.trim_start_matches("a ")),
    )
    .help(help)
}

fn unreadable(ddl: &UserDdl, errors: &[ddl_in::DdlError]) -> Error {
    let path = ddl.path.display().to_string();
    let at = |error: &ddl_in::DdlError| {
        format!("{}:{}:{}: {}", Shown(&path), error.line, error.column, Shown(&error.message))
    };
    let (first, others) = errors.split_first().expect("reading fails with an error");
    let made = others.iter().fold(Error::new(ErrorKind::Rules, at(first)), |made, error| made.note(at(error)));
    first.help.iter().fold(made, |made, help| made.help(help))
}
