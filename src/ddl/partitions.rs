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
/// `null_spelling`), and for a single partition longer than a statement may be.
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

/// Points partitions that are there already at their directories, a statement each: Athena and Hive take no more.
///
/// # Errors
/// As [`add_partitions`].
pub fn set_locations<'a, I>(
    table: &'a Table,
    name: &TableName,
    partitions: I,
) -> impl Iterator<Item = Result<Statement>>
where
    I: IntoIterator<Item = Partition> + 'a,
{
    let head = format!("ALTER TABLE {name} ");
    partitions.into_iter().map(move |partition| {
        let mut text = head.clone();
        write_specification(&mut text, table, &partition.values)?;
        write!(text, " SET LOCATION {}", Literal(&partition.location.raw())).expect("a String takes all text");
        if text.len() > TEXT_BUDGET_BYTES {
            return Err(too_long(&text));
        }
        Ok(Statement { kind: StatementKind::SetLocation, text, partitions: 1 })
    })
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sqlparser::parser::Parser;
    use sqlparser::tokenizer::{Token, Tokenizer};

    use super::*;
    use crate::ddl::MAX_STATEMENT_BYTES;
    use crate::ddl::sample::table;
    use crate::rules::ddl_in::{AthenaDialect, unquote_literal};
    use crate::value::hive_escape;

    fn partition(table: &Table, texts: &[&str]) -> Partition {
        let values: Vec<PartitionValue> = texts.iter().map(|text| PartitionValue::new(text)).collect();
        let names = table.partitioned_by.iter().map(|column| column.name.as_str());
        let path: String = names.zip(&values).map(|(name, value)| format!("{name}={}/", value.escaped())).collect();
        Partition { values, location: table.location.as_ref().unwrap().join(&path) }
    }

    fn added(table: &Table, partitions: Vec<Partition>) -> Vec<Statement> {
        add_partitions(table, &TableName::new(None, "taxes"), partitions).collect::<Result<_>>().unwrap()
    }

    /// Reads an ADD as sqlparser's pieces: values and location of each partition. Its own rule for ADD PARTITION knows
    /// no LOCATION, so the clauses are taken one by one.
    fn read(text: &str) -> Vec<(Vec<String>, String)> {
        let mut parser = Parser::new(&AthenaDialect).try_with_sql(text).unwrap();
        let word = |parser: &mut Parser<'_>, expected: &str| {
            let token = parser.next_token().to_string();
            assert_eq!(token.to_uppercase(), expected);
        };
        ["ALTER", "TABLE"].iter().for_each(|expected| word(&mut parser, expected));
        parser.parse_object_name(false).unwrap();
        ["ADD", "IF", "NOT", "EXISTS"].iter().for_each(|expected| word(&mut parser, expected));
        let mut out = Vec::new();
        while parser.peek_token().token != Token::EOF {
            word(&mut parser, "PARTITION");
            let sqlparser::ast::Partition::Partitions(values) = parser.parse_partition().unwrap() else {
                panic!("{text}")
            };
            let value = |expression: &sqlparser::ast::Expr| match expression {
                sqlparser::ast::Expr::BinaryOp { right, .. } => match right.as_ref() {
                    sqlparser::ast::Expr::Value(value) => {
                        value.clone().value.into_string().unwrap_or_else(|| right.to_string())
                    }
                    other => panic!("{other}"),
                },
                other => panic!("{other}"),
            };
            word(&mut parser, "LOCATION");
            out.push((values.iter().map(value).collect(), parser.parse_literal_string().unwrap()));
        }
        out
    }

    #[test]
    fn partitions_are_added_without_commas() {
        let table = table(&[("region", "string"), ("year", "int")]);
        let statements = added(&table, vec![partition(&table, &["amer", "2024"]), partition(&table, &["emea", "-1"])]);
        assert_eq!(
            statements[0].to_string(),
            "ALTER TABLE `taxes` ADD IF NOT EXISTS\n  \
             PARTITION (`region` = 'amer', `year` = 2024) LOCATION 's3://athena/tables/taxes/region=amer/year=2024/'\n  \
             PARTITION (`region` = 'emea', `year` = '-1') LOCATION 's3://athena/tables/taxes/region=emea/year=-1/';\n"
        );
        assert_eq!(read(&statements[0].text)[0].0, ["amer", "2024"]);
        assert_eq!((statements.len(), statements[0].partitions), (1, 2));
    }

    #[test]
    fn a_value_stays_in_its_literal() {
        let table = table(&[("region", "string")]);
        let evil = ["x') LOCATION 's3://evil/", "O'Brien \\ % = é", "a\\", "-- x", "/* x", "a;b"];
        let statements = added(&table, evil.iter().map(|value| partition(&table, &[value])).collect());
        let read = read(&statements[0].text);
        for (value, (values, location)) in evil.iter().zip(read) {
            assert_eq!(values, [*value]);
            assert_eq!(location, format!("s3://athena/tables/taxes/region={}/", hive_escape(value)));
        }
    }

    #[test]
    fn only_numbers_and_booleans_stand_bare() {
        let bare = |ddl_type: &str, value: &str| {
            let table = table(&[("p", ddl_type)]);
            let text = added(&table, vec![partition(&table, &[value])]).remove(0).text;
            !text.contains(&Literal(value).to_string())
        };
        for (ddl_type, value) in
            [("bigint", "3000000000"), ("decimal(5,2)", "1.50"), ("boolean", "true"), ("double", "2")]
        {
            assert!(bare(ddl_type, value), "{ddl_type} {value}");
        }
        for (ddl_type, value) in [
            ("string", "5"),
            ("varchar(3)", "5"),
            ("date", "2024-01-05"),
            ("timestamp", "2024"),
            ("int", "-5"),
            ("double", "1e5"),
            ("decimal(3,1)", "1."),
            ("boolean", "true or 1"),
            ("double", "1) LOCATION 's3://evil/"),
        ] {
            assert!(!bare(ddl_type, value), "{ddl_type} {value}");
        }
    }

    #[test]
    fn statements_fill_up_to_the_limit_and_no_further() {
        let table = table(&[("region", "string")]);
        let count = 12_000;
        let partitions: Vec<Partition> = (0..count).map(|n| partition(&table, &[&format!("r{n:05}")])).collect();
        let statements = added(&table, partitions);
        assert!(statements.iter().all(|statement| statement.to_string().len() <= MAX_STATEMENT_BYTES));
        assert_eq!(statements.iter().map(|statement| statement.partitions).sum::<usize>(), count);
        let one = "\n  PARTITION (`region` = 'r00000') LOCATION 's3://athena/tables/taxes/region=r00000/'".len();
        let fit = (MAX_STATEMENT_BYTES - 2 - "ALTER TABLE `taxes` ADD IF NOT EXISTS".len()) / one;
        assert_eq!(statements.len(), count.div_ceil(fit));
        assert_eq!(statements[0].partitions, fit);
    }

    #[test]
    fn statements_are_as_few_as_bytes_allow() {
        let table = table(&[("region", "string")]);
        // Of many lengths, and longer in bytes than in characters.
        let partitions: Vec<Partition> =
            (0..2_500usize).map(|n| partition(&table, &[&format!("{n}-{}", "é日😀".repeat(n * 7 % 23))])).collect();
        let statements = added(&table, partitions.clone());
        assert!(statements.len() > 2);
        assert!(statements.iter().all(|statement| statement.to_string().len() <= MAX_STATEMENT_BYTES));
        let together: Vec<(Vec<String>, String)> = statements.iter().flat_map(|one| read(&one.text)).collect();
        let expected =
            partitions.iter().map(|one| (vec![one.values[0].as_str().unwrap().to_owned()], one.location.raw()));
        assert!(together.into_iter().eq(expected), "each once, in their order");
        for pair in statements.windows(2) {
            let next = pair[1].text.split("\n  ").nth(1).unwrap();
            assert!(pair[0].to_string().len() + "\n  ".len() + next.len() > MAX_STATEMENT_BYTES, "one more would fit");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        #[test]
        fn values_are_read_back(
            values in prop::collection::vec(r#"([\x01-\x7f]|\PC|[\\'"`;${}%_nu0-9\u{85}\u{2028}]|'\) |-- |/\*){1,12}"#, 2..6)
        ) {
            let table = table(&[("a", "string"), ("b", "varchar(9)")]);
            let partitions: Vec<Partition> = values.windows(2).map(|pair| partition(&table, &[&pair[0], &pair[1]])).collect();
            let (skeleton, literals) = cut(&added(&table, partitions.clone())[0].text);
            let expected: Vec<String> = partitions
                .iter()
                .flat_map(|one| {
                    let values = one.values.iter().map(|value| value.as_str().unwrap_or(HIVE_NULL).to_owned());
                    values.chain([one.location.raw()]).collect::<Vec<_>>()
                })
                .collect();
            prop_assert_eq!(literals, expected);
            let clause = "PARTITION ( `a` = ? , `b` = ? ) LOCATION ? ";
            prop_assert_eq!(skeleton, format!("ALTER TABLE `taxes` ADD IF NOT EXISTS {}", clause.repeat(partitions.len())));
        }
    }

    /// A statement's words, `?` for each literal, and what the literals stand for.
    fn cut(text: &str) -> (String, Vec<String>) {
        let tokens = Tokenizer::new(&AthenaDialect, text).with_unescape(false).tokenize().unwrap();
        let (mut skeleton, mut literals) = (String::new(), Vec::new());
        for token in tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))) {
            match token {
                Token::SingleQuotedString(raw) => {
                    literals.push(unquote_literal(&format!("'{raw}'")).unwrap());
                    skeleton += "? ";
                }
                token => write!(skeleton, "{token} ").unwrap(),
            }
        }
        (skeleton, literals)
    }

    #[test]
    fn a_partition_that_fits_nowhere_is_an_error() {
        let table = table(&[("region", "string")]);
        let name = TableName::new(None, "taxes");
        let long = partition(&table, &[&"x".repeat(MAX_STATEMENT_BYTES)]);
        let made: Vec<Result<Statement>> =
            add_partitions(&table, &name, vec![partition(&table, &["a"]), long]).collect();
        assert_eq!((made.len(), made[0].is_ok(), made[1].is_err()), (2, true, true));
    }

    #[test]
    fn null_is_spelled_as_spark_takes_it_and_refused_for_hive() {
        let mut table = table(&[("region", "string"), ("year", "int")]);
        let null = partition(&table, &["", "2024"]);
        let text = added(&table, vec![null.clone()]).remove(0).text;
        assert!(text.contains("(`region` = '__HIVE_DEFAULT_PARTITION__', `year` = 2024)"), "{text}");
        table.engines.push(Engine::Hive);
        let error = add_partitions(&table, &TableName::new(None, "taxes"), vec![null]).next().unwrap().unwrap_err();
        assert!(error.help_text().unwrap().contains("MSCK REPAIR TABLE `taxes`"));
    }

    #[test]
    fn partitions_are_pointed_elsewhere_one_by_one() {
        let table = table(&[("region", "string"), ("year", "int")]);
        let partitions = vec![partition(&table, &["a'b", "2024"]), partition(&table, &["c", "-1"])];
        let statements: Vec<Statement> =
            set_locations(&table, &TableName::new(None, "taxes"), partitions).collect::<Result<_>>().unwrap();
        let texts: Vec<&str> = statements.iter().map(|one| one.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "ALTER TABLE `taxes` PARTITION (`region` = 'a\\'b', `year` = 2024) SET LOCATION \
                 's3://athena/tables/taxes/region=a%27b/year=2024/'",
                "ALTER TABLE `taxes` PARTITION (`region` = 'c', `year` = '-1') SET LOCATION \
                 's3://athena/tables/taxes/region=c/year=-1/'",
            ]
        );
    }

    #[test]
    fn partitions_are_dropped_with_commas() {
        let table = table(&[("region", "string")]);
        let values = ["a", "b'c"].map(|value| vec![PartitionValue::new(value)]);
        let statements: Vec<Statement> =
            drop_partitions(&table, &TableName::new(Some("db"), "taxes"), values).collect::<Result<_>>().unwrap();
        let expected =
            "ALTER TABLE `db`.`taxes` DROP IF EXISTS\n  PARTITION (`region` = 'a'),\n  PARTITION (`region` = 'b\\'c')";
        assert_eq!(statements[0].text, expected);
        assert_eq!(statements[0].bytes(), expected.len());
        Parser::new(&AthenaDialect).try_with_sql(expected).unwrap();
        assert_eq!(unquote_literal("'b\\'c'").unwrap(), "b'c");
        assert_eq!(drop_partitions(&table, &TableName::new(None, "t"), Vec::new()).count(), 0);
    }
}
