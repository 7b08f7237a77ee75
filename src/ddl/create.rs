//! `CREATE EXTERNAL TABLE`: all of our own, or the user's own statement with spans of its text replaced.
//!
//! Either way the table reads symlinks: the input format is the symlink one, the location holds manifests. The serde and
//! everything else that the user said stays.

use std::fmt::{self, Write};
use std::ops::Range;

use super::quote::{Identifier, Literal, TemplateLiteral};
use super::{Projection, Statement, StatementKind, TEXT_BUDGET_BYTES};
use crate::error::{Error, ErrorKind, Result};
use crate::rules::ddl_in::CreateTable;
use crate::rules::ddl_type;
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

    /// In `database`, or else in the one that the user's own statement names.
    pub fn of(table: &Table, database: Option<&str>) -> TableName {
        let own = table.ddl.as_ref().and_then(|ddl| ddl.statement.database.as_deref());
        TableName::new(database.or(own), &table.name)
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
/// `Rules` where the table lacks columns or a format, or has a type that no engine knows;
/// `Unsupported` where the statement would be longer than Athena takes.
pub fn create_table(
    table: &Table,
    name: &TableName,
    location: &Uri,
    projection: Option<&Projection>,
) -> Result<Statement> {
    let format = with_what_it_needs(table)?;
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

/// The statement that points a table at another directory (ends in `/`); it changes nothing where it points there already.
pub fn set_location(name: &TableName, directory: &Uri) -> Statement {
    let text = format!("ALTER TABLE {name} SET LOCATION {}", Literal(&directory.raw()));
    Statement { kind: StatementKind::SetLocation, text, partitions: 0 }
}

/// The statement that makes room for a table that is read in another way; an external table keeps its files.
pub fn drop_table(name: &TableName) -> Statement {
    Statement { kind: StatementKind::DropTable, text: format!("DROP TABLE IF EXISTS {name}"), partitions: 0 }
}

/// The table's format.
///
/// # Errors
/// `Rules` where the table lacks it, or columns.
pub(super) fn with_what_it_needs(table: &Table) -> Result<&Format> {
    let format = table.format.as_ref().ok_or_else(|| lacks(table, "a format", r#"format = "parquet""#))?;
    if table.columns.is_empty() && table.ddl.is_none() {
        return Err(lacks(table, "columns", r#"columns = ["id bigint", "amount double"], or ddl = "table.sql""#));
    }
    Ok(format)
}

fn composed(
    table: &Table,
    format: &Format,
    name: &TableName,
    location: &Uri,
    projection: Option<&Projection>,
) -> Result<String> {
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
    let read = &ddl.statement;
    let spans = &read.spans;
    let mut edits = vec![(spans.head.clone(), head(name))];
    if read.comment != table.comment {
        let comment = table.comment.as_deref().map(|comment| format!("COMMENT {}", Literal(comment)));
        edits.push((spans.comment.clone(), comment.unwrap_or_default()));
    }
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
    edits.extend(property_edit(&ddl.text, read, &properties(table, format, projection)));
    // Inside a clause that is replaced they go with it.
    let is_kept = |span: &Range<usize>| !edits.iter().any(|(edit, _)| edit.start <= span.start && span.end <= edit.end);
    let within =
        spans.respelled.iter().cloned().chain(spans.comments.iter().filter_map(|span| comment_edit(&ddl.text, span)));
    let within: Vec<_> = within.filter(|(span, _)| is_kept(span)).collect();
    edits.extend(within);
    Ok(replace(&ddl.text, spans.head.start..spans.end, edits).trim_end().to_owned())
}

/// A comment with a semicolon goes: scripts are cut at semicolons.
fn comment_edit(text: &str, span: &Range<usize>) -> Option<(Range<usize>, String)> {
    let comment = &text[span.clone()];
    let instead = if comment.ends_with('\n') { "\n" } else { " " };
    comment.contains(';').then(|| (span.clone(), instead.to_owned()))
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
pub(super) fn properties(table: &Table, format: &Format, projection: Option<&Projection>) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> =
        table.properties.iter().filter(|(key, value)| !reads_otherwise(key, value)).cloned().collect();
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
        !replaced && !reads_otherwise(key, value)
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

/// Whether a table property says another way of reading the table: partition projection, which restitch works out anew
/// or leaves out, one of Spark's own sources, which would take manifests for data, or a table that owns its files.
fn reads_otherwise(key: &str, value: &str) -> bool {
    key.starts_with("projection.")
        || key == super::projection::LOCATION_TEMPLATE
        || key.starts_with("spark.sql.sources.")
        || (key.eq_ignore_ascii_case("EXTERNAL") && !value.eq_ignore_ascii_case("TRUE"))
}

fn head(name: &TableName) -> String {
    format!("CREATE EXTERNAL TABLE IF NOT EXISTS {name}")
}

fn columns(table: &Table, columns: &[Column]) -> Result<String> {
    let mut lines = Vec::with_capacity(columns.len());
    for column in columns {
        let ddl_type = typed(table, column)?;
        let mut line = format!("{} {ddl_type}", Identifier(&column.name));
        if let Some(comment) = &column.comment {
            write!(line, " COMMENT {}", Literal(comment)).expect("a String takes all text");
        }
        lines.push(line);
    }
    Ok(list(&lines))
}

/// A column's type, in the one form that is printed.
///
/// # Errors
/// `Rules` for a type that no engine knows.
pub(super) fn typed(table: &Table, column: &Column) -> Result<String> {
    ddl_type::whole(&column.ddl_type).map_err(|error| {
        let message = format!(
            "the type `{}` of `{}` in table `{}`: {}",
            Shown(&column.ddl_type),
            Shown(&column.name),
            Shown(&table.name),
            error.message
        );
        let made = Error::new(ErrorKind::Rules, message);
        error.help.into_iter().fold(made, Error::help)
    })
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sqlparser::ast::{HiveDistributionStyle, HiveIOFormat, HiveRowFormat, Statement as Parsed};
    use sqlparser::parser::Parser;
    use sqlparser::tokenizer::Token;

    use super::*;
    use crate::ddl::sample::table;
    use crate::rules::ddl_in::{self, AthenaDialect};
    use crate::rules::table::{FormatKind, Partitions};

    fn made(table: &Table) -> String {
        let location = table.location.clone().unwrap();
        create_table(table, &TableName::new(None, &table.name), &location, None).unwrap().text
    }

    fn with_ddl(text: &str, partitioned_by: &[(&str, &str)]) -> Table {
        let read = ddl_in::read(text).unwrap();
        let mut table = table(partitioned_by);
        (table.columns, table.comment, table.format) = (read.columns, read.comment, Some(read.format));
        let statement = ddl_in::read(text).unwrap();
        table.ddl = Some(UserDdl { path: "taxes.sql".into(), text: text.to_owned(), statement });
        table
    }

    /// Through sqlparser, every clause to the end. Its rule for EXTERNAL tables stops at a table's comment, the one for
    /// plain tables does not.
    fn parsed(text: &str) -> sqlparser::ast::CreateTable {
        assert!(text.starts_with("CREATE EXTERNAL TABLE"));
        let mut parser = Parser::new(&AthenaDialect).try_with_sql(&text.replacen("EXTERNAL ", "", 1)).unwrap();
        match parser.parse_statement() {
            Ok(Parsed::CreateTable(create)) if parser.peek_token().token == Token::EOF => create,
            other => panic!("{other:?}, then {} in\n{text}", parser.peek_token()),
        }
    }

    #[test]
    fn a_table_of_our_own_is_athenas() {
        let mut table = table(&[("region", "string")]);
        table.comment = Some("it's all".to_owned());
        table.columns[0].comment = Some("key".to_owned());
        table.columns[1].ddl_type = "real".to_owned();
        table.format.as_mut().unwrap().header_lines = 1;
        table.properties =
            vec![("classification".to_owned(), "csv".to_owned()), ("projection.enabled".to_owned(), "true".to_owned())];
        let text = made(&table);
        assert_eq!(
            text,
            r"CREATE EXTERNAL TABLE IF NOT EXISTS `taxes` (
  `id` bigint COMMENT 'key',
  `amount` float
)
COMMENT 'it\'s all'
PARTITIONED BY (
  `region` string
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe'
WITH SERDEPROPERTIES (
  'field.delim' = ',',
  'serialization.format' = ','
)
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://athena/tables/taxes/'
TBLPROPERTIES (
  'classification' = 'csv',
  'skip.header.line.count' = '1'
)"
        );
        let create = parsed(&text);
        assert!(create.if_not_exists);
        assert_eq!(create.comment.unwrap().to_string(), "it's all");
        assert!(
            matches!(create.hive_distribution, HiveDistributionStyle::PARTITIONED { columns } if columns.len() == 1)
        );
        let formats = create.hive_formats.unwrap();
        assert!(
            matches!(formats.row_format, Some(HiveRowFormat::SERDE { class }) if class.ends_with("LazySimpleSerDe"))
        );
        assert_eq!(formats.serde_properties.unwrap().len(), 2);
        assert!(matches!(formats.storage, Some(HiveIOFormat::IOF { .. })));
        assert_eq!(formats.location.as_deref(), Some("s3://athena/tables/taxes/"));
        assert_eq!(create.table_options.to_string().matches(" = ").count(), 2, "{}", create.table_options);
    }

    #[test]
    fn our_own_text_reads_back_as_the_same_table() {
        for kind in ["csv", "opencsv", "tsv", "json", "parquet", "orc", "avro"] {
            let mut table = table(&[("region", "string"), ("dt", "date")]);
            table.format = Some(crate::rules::format::format(Some(kind), &Default::default()).unwrap());
            table.comment = Some("a;b\n`c`".to_owned());
            let read = ddl_in::read(&made(&table)).unwrap();
            assert_eq!((&read.columns, &read.partitioned_by), (&table.columns, &table.partitioned_by));
            assert_eq!((read.comment, read.location.as_deref()), (table.comment, Some("s3://athena/tables/taxes/")));
            let format = table.format.unwrap();
            assert_eq!((read.format.serde, read.format.serde_properties), (format.serde, format.serde_properties));
        }
    }

    #[test]
    fn the_users_text_stays_but_for_spans() {
        let text = r"CREATE EXTERNAL TABLE old_name(
  `id` bigint COMMENT 'it\'s', -- keep this
  amount   DOUBLE) -- drop; this
PARTITIONED BY (`region` string)
ROW FORMAT SERDE 'com.example.MySerDe' WITH SERDEPROPERTIES ('odd'='\001')
FROBNICATED AS IT WERE
STORED AS INPUTFORMAT 'org.apache.hadoop.mapred.TextInputFormat' OUTPUTFORMAT 'o.F'
LOCATION 's3://old/place/'
TBLPROPERTIES ('a'='b', 'EXTERNAL'='TRUE');
";
        let table = with_ddl(text, &[("region", "string")]);
        assert_eq!(
            made(&table),
            r"CREATE EXTERNAL TABLE IF NOT EXISTS `taxes`(
  `id` bigint COMMENT 'it\'s', -- keep this
  amount   DOUBLE)  
PARTITIONED BY (`region` string)
ROW FORMAT SERDE 'com.example.MySerDe' WITH SERDEPROPERTIES ('odd'='\001')
FROBNICATED AS IT WERE
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://athena/tables/taxes/'
TBLPROPERTIES ('a'='b', 'EXTERNAL'='TRUE')"
        );
    }

    #[test]
    fn what_the_users_text_lacks_is_put_in() {
        let table = with_ddl("create table t (id bigint) stored as parquet", &[("region", "string")]);
        assert_eq!(table.format.as_ref().unwrap().kind, FormatKind::Parquet);
        let text = made(&table);
        assert_eq!(
            text,
            "CREATE EXTERNAL TABLE IF NOT EXISTS `taxes` (id bigint)\nPARTITIONED BY (\n  `region` string\n)\n\
             ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe' \
             STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'\n\
             OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'\n\
             LOCATION 's3://athena/tables/taxes/'"
        );
        parsed(&text);
        let bare = with_ddl("CREATE EXTERNAL TABLE t (id bigint)", &[]);
        let read = ddl_in::read(&made(&bare)).unwrap();
        assert_eq!((read.format.serde.as_str(), read.serde_stated), (LAZY_SIMPLE_SERDE, true));
    }

    #[test]
    fn partition_columns_come_from_the_rules() {
        let text = "CREATE EXTERNAL TABLE t (id bigint) PARTITIONED BY (dt string) ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' LOCATION 's3://x/'";
        let read = ddl_in::read(&made(&with_ddl(text, &[("region", "string")]))).unwrap();
        assert_eq!(read.partitioned_by[0].name, "region");
        assert_eq!(read.format.serde_properties[0].1, "|");
        let read = ddl_in::read(&made(&with_ddl(text, &[]))).unwrap();
        assert_eq!(read.partitioned_by, []);
    }

    #[test]
    fn a_comment_of_the_rules_is_the_tables() {
        for (text, said) in [
            (
                "CREATE EXTERNAL TABLE t (id bigint) COMMENT 'old' STORED AS parquet LOCATION 's3://x/'",
                "(id bigint) COMMENT 'it\\'s new'",
            ),
            (
                "CREATE EXTERNAL TABLE t (id bigint) STORED AS parquet LOCATION 's3://x/'",
                "(id bigint)\nCOMMENT 'it\\'s new'",
            ),
            ("CREATE EXTERNAL TABLE t (id bigint)", "(id bigint)\nCOMMENT 'it\\'s new'\nPARTITIONED BY"),
        ] {
            let mut table = with_ddl(text, &[("region", "string")]);
            table.comment = Some("it's new".to_owned());
            let made = made(&table);
            assert!(made.contains(said), "{made}");
            assert_eq!(ddl_in::read(&made).unwrap().comment, table.comment);
        }
    }

    #[test]
    fn old_projection_properties_go() {
        let text = "CREATE EXTERNAL TABLE t (id bigint) PARTITIONED BY (region string) LOCATION 's3://x/' TBLPROPERTIES (\
                    'keep'='1', 'projection.enabled'='true', 'storage.location.template'='s3://old/${region}/', 'EXTERNAL'='FALSE')";
        let mut table = with_ddl(text, &[("region", "string")]);
        let read = ddl_in::read(&made(&table)).unwrap();
        assert_eq!(read.properties, [("keep".to_owned(), "1".to_owned())]);
        table.partitions = Partitions::Projection;
        let projection = Projection {
            properties: vec![
                ("projection.enabled".to_owned(), "true".to_owned()),
                ("storage.location.template".to_owned(), "s3://athena/tables/taxes/region=${region}/".to_owned()),
            ],
            why: Vec::new(),
            advice: Vec::new(),
        };
        let location = table.location.clone().unwrap();
        let text = create_table(&table, &TableName::new(None, "taxes"), &location, Some(&projection)).unwrap().text;
        let read = ddl_in::read(&text).unwrap();
        assert_eq!(read.properties.len(), 3);
        assert!(text.contains("'storage.location.template' = 's3://athena/tables/taxes/region=${region}/'"), "{text}");
    }

    #[test]
    fn names_and_places_are_quoted() {
        let mut table = table(&[]);
        let name = TableName::new(Some("d`b"), "t");
        let location = Uri::parse("s3://athena/it's;/\u{1}/").unwrap();
        table.columns[0].name = "order".to_owned();
        let text = create_table(&table, &name, &location, None).unwrap().text;
        assert!(text.starts_with("CREATE EXTERNAL TABLE IF NOT EXISTS `d``b`.`t` (\n  `order` bigint"), "{text}");
        assert_eq!(ddl_in::read(&text).unwrap().location.unwrap(), location.raw());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        #[test]
        fn names_and_texts_are_read_back(
            names in prop::collection::btree_set(r#"([ -+\--9<-~]|[a-z`'" é日]){1,9}"#, 1..4),
            texts in prop::collection::vec(r#"([\x01-\x7f]|\PC|[\\'"`;${}%_\u{85}\u{2028}]|'\) |-- |/\*){1,12}"#, 6),
            database in "[a-z`' ]{1,6}",
        ) {
            let mut table = table(&[("region", "string")]);
            let lower: std::collections::BTreeSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
            let comment = |at: usize| Some(texts[at].clone());
            let column = |name: String| Column { name, ddl_type: "struct<`a b`:int,c:string>".to_owned(), comment: comment(0) };
            table.columns = lower.into_iter().map(column).collect();
            table.comment = comment(1);
            table.properties = vec![(texts[2].clone() + "x", texts[3].clone())];
            table.format.as_mut().unwrap().serde_properties = vec![(texts[4].clone(), texts[5].clone())];
            let location = table.location.clone().unwrap().join(&format!("{}/", texts[2]));
            let name = TableName::new(Some(&database), "t");
            let text = create_table(&table, &name, &location, None).unwrap().text;
            let read = ddl_in::read(&text).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
            prop_assert_eq!(&read.columns, &table.columns);
            prop_assert_eq!((&read.partitioned_by, &read.comment), (&table.partitioned_by, &table.comment));
            prop_assert_eq!((&read.properties, read.location), (&table.properties, Some(location.raw())));
            prop_assert_eq!(&read.format.serde_properties, &table.format.unwrap().serde_properties);
            prop_assert_eq!(read.database, Some(database));
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_said() {
        let with = |change: &dyn Fn(&mut Table)| {
            let mut table = table(&[]);
            change(&mut table);
            let location = table.location.clone().unwrap();
            create_table(&table, &TableName::new(None, "t"), &location, None).unwrap_err()
        };
        assert!(with(&|table| table.columns.clear()).message().contains("says no columns"));
        assert!(with(&|table| table.format = None).message().contains("says no format"));
        let evil = with(&|table| table.columns[0].ddl_type = "int) LOCATION 's3://evil/'".to_owned());
        assert_eq!(evil.kind(), ErrorKind::Rules);
        let long = with(&|table| table.comment = Some("x".repeat(crate::ddl::MAX_STATEMENT_BYTES)));
        assert_eq!(long.kind(), ErrorKind::Unsupported);
    }
}
