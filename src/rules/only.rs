//! `--only 'dt >= 2026-11-20 and region in (amer, apac)'`: tests on partition columns, read and held against a table.
//!
//! Pure. Values are typed by the column that they are held against; spans point into the text as the user wrote it.

use std::ops::Range;

use super::shape::did_you_mean;
use super::table::{Column, Operator, Rules, Table};
use super::wanted::{Allowed, Order, Wanted};
use crate::error::{Error, ErrorKind, Result};
use crate::uri::Shown;
use crate::value::{PartitionType, PartitionValue};

/// An expression: all of its tests hold.
#[derive(Clone, Debug)]
struct Only<'t> {
    /// As it is written, the table's name too.
    text: &'t str,
    /// Where it stands in front: `taxes:dt >= 2026-11-20`.
    table: Option<Word<'t>>,
    tests: Vec<Test<'t>>,
}

/// One comparison.
#[derive(Clone, Debug)]
struct Test<'t> {
    column: Word<'t>,
    is: Is,
}

#[derive(Clone, Debug)]
enum Is {
    Compared(Operator, Value),
    In { values: Vec<Value>, negated: bool },
    Null { negated: bool },
}

#[derive(Clone, Debug)]
struct Value {
    text: String,
    span: Range<usize>,
}

#[derive(Clone, Debug)]
struct Word<'t> {
    text: &'t str,
    span: Range<usize>,
}

/// What each table is asked for, one entry per table of the rules: the partitions that its own expression (`TABLE:EXPR`)
/// holds for, else the one without a table, where the table has its columns. A table that no expression is for is left
/// alone.
///
/// # Errors
/// `Usage`, with a caret, for what is no expression, for a column that no table has, for a value that its type does not
/// take, and for two expressions for one table.
pub fn wanted(rules: &Rules, texts: &[String]) -> Result<Vec<Wanted>> {
    let mut general: Option<Only<'_>> = None;
    let mut own: Vec<Option<Only<'_>>> = vec![None; rules.tables.len()];
    for text in texts {
        let only = Parser { text, at: 0 }.only()?;
        let place = match &only.table {
            None => &mut general,
            Some(name) => match rules.tables.iter().position(|table| table.name == name.text) {
                Some(index) => &mut own[index],
                None => return Err(only.no_table(name, rules)),
            },
        };
        if place.is_some() {
            let whose = only.table.as_ref().map_or_else(String::new, |name| format!(" for `{}`", Shown(name.text)));
            let error = Error::new(ErrorKind::Usage, format!("--only stands twice{whose}"));
            return Err(error.help("write one expression, with `and` or `in (…)`"));
        }
        *place = Some(only);
    }
    if let Some(general) = &general {
        general.check_columns(rules)?;
    }
    let mut all = Vec::new();
    for (table, own) in rules.tables.iter().zip(&own) {
        let mut wanted = Wanted::default();
        let only = own.as_ref().or_else(|| general.as_ref().filter(|general| general.fits(table)));
        if let Some(only) = only {
            wanted.insert_all(only.columns(table)?);
        }
        all.push(wanted);
    }
    Ok(all)
}

impl Only<'_> {
    fn error(&self, span: &Range<usize>, message: impl Into<String>) -> Error {
        let carets = "^".repeat(self.text[span.clone()].chars().count().max(1));
        let before = " ".repeat(Shown(&self.text[..span.start]).to_string().chars().count());
        Error::new(ErrorKind::Usage, format!("--only: {}", message.into()))
            .note(Shown(self.text).to_string())
            .note(format!("{before}{carets}"))
    }

    fn no_table(&self, name: &Word<'_>, rules: &Rules) -> Error {
        let names = || rules.tables.iter().map(|table| table.name.as_str());
        let near = did_you_mean(name.text, names());
        let help =
            if near.is_empty() { format!("its tables are {}", names().collect::<Vec<_>>().join(", ")) } else { near };
        self.error(&name.span, format!("the rule file has no table `{}`", Shown(name.text))).help(help)
    }

    /// That some table has all of the columns.
    fn check_columns(&self, rules: &Rules) -> Result<()> {
        if rules.tables.iter().any(|table| self.fits(table)) {
            return Ok(());
        }
        let columns = || rules.tables.iter().flat_map(|table| &table.partitioned_by).map(|column| column.name.as_str());
        let unknown = self.tests.iter().find(|test| !columns().any(|name| name.eq_ignore_ascii_case(test.column.text)));
        let (test, message) = match unknown {
            Some(test) => (test, format!("no table is partitioned by `{}`", Shown(test.column.text))),
            None => (&self.tests[0], "no table is partitioned by all of these columns".to_owned()),
        };
        let near = did_you_mean(test.column.text, columns());
        let mut all: Vec<&str> = columns().collect();
        all.sort_unstable();
        all.dedup();
        let help = match all.as_slice() {
            _ if unknown.is_some() && !near.is_empty() => near,
            [] => "no table has partition columns: run it whole".to_owned(),
            all => format!("the partition columns are {}", all.join(", ")),
        };
        Err(self.error(&test.column.span, message).help(help))
    }

    fn fits(&self, table: &Table) -> bool {
        self.tests.iter().all(|test| column(table, test).is_some())
    }

    /// What the table's columns may be.
    fn columns(&self, table: &Table) -> Result<Vec<Allowed>> {
        let of = |column: &Column| Allowed::any(Order::of(&column.partition_type()));
        let mut all: Vec<Allowed> = table.partitioned_by.iter().map(of).collect();
        for test in &self.tests {
            let Some(index) = column(table, test) else {
                let message = format!("`{}` is not partitioned by `{}`", Shown(&table.name), Shown(test.column.text));
                let names: Vec<&str> = table.partitioned_by.iter().map(|column| column.name.as_str()).collect();
                let help =
                    if names.is_empty() { "it has no partitions".into() } else { format!("by {}", names.join(", ")) };
                return Err(self.error(&test.column.span, message).help(help));
            };
            let (allowed, column) = (&mut all[index], &table.partitioned_by[index]);
            match &test.is {
                Is::Null { negated: false } => allowed.within([PartitionValue::NULL]),
                Is::Null { negated: true } => allowed.not_null(),
                Is::In { values, negated } => {
                    let values = values.iter().map(|value| self.typed(value, column)).collect::<Result<Vec<_>>>()?;
                    match negated {
                        false => allowed.within(values),
                        true => values.into_iter().for_each(|value| allowed.not(value)),
                    }
                }
                Is::Compared(operator, value) => self.compared(allowed, *operator, value, column)?,
            }
        }
        Ok(all)
    }

    fn compared(&self, allowed: &mut Allowed, operator: Operator, value: &Value, column: &Column) -> Result<()> {
        let typed = self.typed(value, column)?;
        let text = typed.as_str().unwrap_or_default();
        match operator {
            Operator::Equal => allowed.within([typed]),
            Operator::NotEqual => allowed.not(typed),
            Operator::Less => allowed.at_most(text, false),
            Operator::LessOrEqual => allowed.at_most(text, true),
            Operator::Greater => allowed.at_least(text, false),
            Operator::GreaterOrEqual => allowed.at_least(text, true),
        }
        Ok(())
    }

    fn typed(&self, value: &Value, column: &Column) -> Result<PartitionValue> {
        let kind = column.partition_type();
        let (name, shown) = (&column.name, Shown(&value.text));
        let help = match kind {
            PartitionType::Date => "write a whole day: 2026-11-20",
            PartitionType::Integer { .. } => "write a whole number",
            PartitionType::Text | PartitionType::Other => "",
        };
        match kind.value(&value.text) {
            Some(typed) if typed.is_null() => {
                let error = self.error(&value.span, "an empty value is NULL, which compares with nothing");
                Err(error.help(format!("{name} is null")))
            }
            Some(typed) => Ok(typed),
            None => {
                let error = self.error(&value.span, format!("`{shown}` is no {}, as `{name}` is", column.ddl_type));
                Err(error.help(help))
            }
        }
    }
}

fn column(table: &Table, test: &Test<'_>) -> Option<usize> {
    table.partitioned_by.iter().position(|column| column.name.eq_ignore_ascii_case(test.column.text))
}

/// The text while it is read.
struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    fn only(mut self) -> Result<Only<'t>> {
        let table = self.table();
        let mut tests = vec![self.test()?];
        loop {
            match self.name() {
                _ if self.rest().is_empty() => return Ok(Only { text: self.text, table, tests }),
                Some(word) if word.text.eq_ignore_ascii_case("and") => tests.push(self.test()?),
                Some(word) if word.text.eq_ignore_ascii_case("or") => {
                    let help = "for several values of a column: region in (amer, apac)";
                    return Err(self.error(word.span, "tests are joined by `and` only").help(help));
                }
                Some(word) => return Err(self.error(word.span, "`and` expected")),
                None => return Err(self.error(self.at..self.text.len(), "`and` expected")),
            }
        }
    }

    /// A name right before a colon.
    fn table(&mut self) -> Option<Word<'t>> {
        let end = self.text.find(':')?;
        let name = &self.text[..end];
        if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')) {
            return None;
        }
        self.at = end + 1;
        Some(Word { text: name, span: 0..end })
    }

    fn test(&mut self) -> Result<Test<'t>> {
        let start = self.skip();
        let Some(column) = self.name() else {
            let error = self.error(start..self.text.len(), "a partition column expected");
            return Err(error.help("dt >= 2026-11-20"));
        };
        let negated = self.keyword("not");
        if self.keyword("in") {
            return Ok(Test { column, is: Is::In { values: self.list()?, negated } });
        }
        if !negated && self.keyword("is") {
            let negated = self.keyword("not");
            if self.keyword("null") {
                return Ok(Test { column, is: Is::Null { negated } });
            }
            return Err(self.error(self.at..self.text.len(), "`null` expected"));
        }
        let start = self.skip();
        const OPERATORS: [(&str, Operator); 8] = [
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("!=", Operator::NotEqual),
            ("<>", Operator::NotEqual),
            ("==", Operator::Equal),
            ("=", Operator::Equal),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let found = OPERATORS.into_iter().find(|(text, _)| !negated && self.rest().starts_with(text));
        let Some((text, operator)) = found else {
            let error = self.error(start..self.text.len(), "a comparison expected");
            return Err(error.help("one of = != < <= > >=, `in (…)`, `is null`"));
        };
        self.at += text.len();
        Ok(Test { column, is: Is::Compared(operator, self.value()?) })
    }

    /// `(a, b)`
    fn list(&mut self) -> Result<Vec<Value>> {
        let mut values = Vec::new();
        self.symbol('(')?;
        loop {
            values.push(self.value()?);
            self.skip();
            if self.rest().starts_with(')') {
                self.at += 1;
                return Ok(values);
            }
            self.symbol(',')?;
        }
    }

    fn symbol(&mut self, symbol: char) -> Result<()> {
        let start = self.skip();
        if !self.rest().starts_with(symbol) {
            return Err(self.error(start..self.text.len(), format!("`{symbol}` expected")));
        }
        self.at += 1;
        Ok(())
    }

    /// A word, or a text in quotes, in which a quote stands twice.
    fn value(&mut self) -> Result<Value> {
        let start = self.skip();
        let quote = self.rest().chars().next().filter(|c| matches!(c, '\'' | '"'));
        let Some(quote) = quote else {
            let end = self.rest().find(|c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')' | '\'' | '"'));
            self.at += end.unwrap_or(self.rest().len());
            if self.at == start {
                return Err(self.error(start..self.text.len(), "a value expected").help("dt >= 2026-11-20"));
            }
            return Ok(Value { text: self.text[start..self.at].to_owned(), span: start..self.at });
        };
        let mut text = String::new();
        loop {
            self.at += 1;
            let Some(end) = self.rest().find(quote) else {
                return Err(self.error(start..self.text.len(), "this quote is not closed"));
            };
            text.push_str(&self.rest()[..end]);
            self.at += end + 1;
            if !self.rest().starts_with(quote) {
                return Ok(Value { text, span: start..self.at });
            }
            text.push(quote);
        }
    }

    /// Takes a word that must be this one, if it is.
    fn keyword(&mut self, keyword: &str) -> bool {
        let start = self.at;
        let is = self.name().is_some_and(|word| word.text.eq_ignore_ascii_case(keyword));
        if !is {
            self.at = start;
        }
        is
    }

    fn name(&mut self) -> Option<Word<'t>> {
        let start = self.skip();
        let len = self.rest().find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest().len());
        self.at += len;
        (len > 0).then(|| Word { text: &self.text[start..start + len], span: start..start + len })
    }

    /// Passes over white space; says where the rest begins.
    fn skip(&mut self) -> usize {
        self.at += self.rest().len() - self.rest().trim_start().len();
        self.at
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn error(&self, span: Range<usize>, message: impl Into<String>) -> Error {
        Only { text: self.text, table: None, tests: Vec::new() }.error(&span, message)
    }
}
