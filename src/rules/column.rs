//! Columns as written in `columns` and `partitioned_by`: "name type" and, behind them, a comment.
//!
//! Pure. Types are Athena's and Hive's DDL types, printed in one form: lower case, no spaces.

use std::ops::Range;

use super::diagnostic::Diagnostic;
use super::keys;
use super::shape::{Text, nearest};
use super::table::Column;

/// Reads one column; what is wrong with it is added to `found`.
pub fn read(text: &Text<'_>, partition: bool, found: &mut Vec<Diagnostic>) -> Option<Column> {
    let mut cursor = Cursor { text: text.value, at: 0 };
    cursor.space();
    let name_at = cursor.at;
    let name = cursor.name();
    let name_span = text.at(name_at..cursor.at);
    if name.is_empty() {
        found.push(
            Diagnostic::error(text.span.clone(), "a column needs a name and a type").help("write\n\"id bigint\""),
        );
        return None;
    }
    if let Some(error) = bad_name(name, cursor.rest().trim(), partition, &name_span) {
        found.push(error);
        return None;
    }
    cursor.space();
    if cursor.rest().is_empty() {
        found.push(no_type(text, name));
        return None;
    }
    match cursor.ddl_type(0) {
        Ok(ddl_type) => {
            if partition && !is_partition_type(&ddl_type) {
                let error = Diagnostic::error(
                    text.span.clone(),
                    format!("partition column `{name}` cannot be of type `{ddl_type}`"),
                );
                found.push(
                    error
                        .label("partition values are text, numbers and dates")
                        .help(format!("write\n\"{name} string\"")),
                );
                return None;
            }
            Some(Column { name: name.to_ascii_lowercase(), ddl_type, comment: comment(cursor.rest()) })
        }
        Err(wrong) => {
            let mut error = Diagnostic::error(text.at(wrong.span), wrong.message).label(wrong.label);
            error.help = wrong.help;
            found.push(error);
            None
        }
    }
}

/// Whether `text` is a name as tables, columns, captures and lookups have it.
pub fn is_name(text: &str) -> bool {
    let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    text.bytes().all(word) && text.bytes().next().is_some_and(|c| !c.is_ascii_digit())
}

/// The nearest well-formed name to a badly formed one.
pub fn as_name(text: &str) -> String {
    let word: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if word.starts_with(|c: char| c.is_ascii_digit()) || word.is_empty() { format!("_{word}") } else { word }
}

fn bad_name(name: &str, rest: &str, partition: bool, span: &Range<usize>) -> Option<Diagnostic> {
    let error = |message: String| Diagnostic::error(span.clone(), message);
    if name.len() > 255 {
        return Some(error(format!("the name of a column is at most 255 bytes long, this one is {}", name.len())));
    }
    // A data column's name comes from the data, and Hive takes whatever stands in backticks; a partition column's is a
    // capture's and a directory's.
    let well_formed = if partition { is_name(name) } else { !name.contains([':', ',', '`', '\'', '"', '\n', '\r']) };
    (!well_formed).then(|| {
        error(format!("`{name}` is not a column's name"))
            .label(if partition {
                format!("a name is {}", keys::NAME)
            } else {
                "name and type stand apart by a space".to_owned()
            })
            .help({
                let (name, joined) = name.split_once([':', ',']).unwrap_or((name, ""));
                let kind = [rest, joined, "string"].into_iter().find(|kind| !kind.is_empty()).unwrap_or_default();
                format!("write\n\"{} {kind}\"", as_name(name))
            })
    })
}

fn no_type(text: &Text<'_>, name: &str) -> Diagnostic {
    Diagnostic::error(text.span.clone(), format!("column `{name}` has no type"))
        .label("a name alone")
        .help(format!("write its type behind it\n\"{name} string\""))
}

/// `comment 'text'` as in DDL, or just the text.
fn comment(rest: &str) -> Option<String> {
    let rest = rest.trim();
    let quoted = rest.get(..7).filter(|word| word.eq_ignore_ascii_case("comment")).and_then(|_| {
        let text = rest[7..].trim();
        text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''))
    });
    match quoted {
        Some(text) => Some(text.replace("\\'", "'").replace("\\\\", "\\")),
        None if rest.is_empty() => None,
        None => Some(rest.to_owned()),
    }
}

fn is_partition_type(ddl_type: &str) -> bool {
    let name = ddl_type.split(['(', '<']).next().unwrap_or(ddl_type);
    !matches!(name, "array" | "map" | "struct" | "uniontype" | "binary")
}

const TYPES: &[&str] = &[
    "boolean",
    "tinyint",
    "smallint",
    "int",
    "bigint",
    "float",
    "double",
    "decimal",
    "char",
    "varchar",
    "string",
    "binary",
    "date",
    "timestamp",
    "array",
    "map",
    "struct",
    "uniontype",
];

/// Names that other systems have for these types.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("long", "bigint"),
    ("text", "string"),
    ("str", "string"),
    ("number", "decimal(38,0)"),
    ("numeric", "decimal(38,0)"),
    ("bool", "boolean"),
    ("datetime", "timestamp"),
    ("real", "float"),
    ("int64", "bigint"),
    ("int32", "int"),
    ("byte", "tinyint"),
    ("short", "smallint"),
    ("float64", "double"),
    ("float32", "float"),
    ("timestamptz", "timestamp"),
    ("json", "string"),
    ("uuid", "string"),
    ("row", "struct<a:int>"),
    ("list", "array<string>"),
    ("object", "struct<a:int>"),
    ("bytes", "binary"),
];

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

struct TypeError {
    span: Range<usize>,
    message: String,
    label: String,
    help: Option<String>,
}

/// How deep types may stand in types.
const MAX_DEPTH: usize = 32;

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// A name: in backticks, or up to a space.
    fn name(&mut self) -> &'a str {
        let rest = self.rest();
        if let Some((name, _)) = rest.strip_prefix('`').and_then(|rest| rest.split_once('`')) {
            self.at += name.len() + 2;
            return name;
        }
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn word(&mut self) -> (&'a str, Range<usize>) {
        self.space();
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let span = self.at..self.at + end;
        self.at += end;
        (&rest[..end], span)
    }

    fn eat(&mut self, c: char) -> bool {
        let before = self.at;
        self.space();
        let there = self.rest().starts_with(c);
        self.at = if there { self.at + c.len_utf8() } else { before };
        there
    }

    fn expect(&mut self, c: char, inside: &str) -> Result<(), TypeError> {
        if self.eat(c) {
            return Ok(());
        }
        Err(TypeError {
            span: self.at..self.at + self.rest().chars().next().map_or(0, char::len_utf8),
            message: format!("`{c}` expected in type `{inside}`"),
            label: "here".to_owned(),
            help: None,
        })
    }

    fn ddl_type(&mut self, depth: usize) -> Result<String, TypeError> {
        let (word, span) = self.word();
        let name = match word.to_ascii_lowercase().as_str() {
            "integer" => "int".to_owned(),
            name => name.to_owned(),
        };
        if !TYPES.contains(&name.as_str()) {
            let span = if span.is_empty() { span.start..self.text.len() } else { span };
            return Err(unknown_type(&self.text[span.clone()], span));
        }
        if depth > MAX_DEPTH {
            let message = format!("types stand in one another more than {MAX_DEPTH} deep");
            return Err(TypeError { span, message, label: String::new(), help: None });
        }
        match name.as_str() {
            "array" => {
                self.expect('<', &name)?;
                let of = self.ddl_type(depth + 1)?;
                self.expect('>', &name)?;
                Ok(format!("array<{of}>"))
            }
            "map" => {
                self.expect('<', &name)?;
                let key = self.ddl_type(depth + 1)?;
                self.expect(',', &name)?;
                let value = self.ddl_type(depth + 1)?;
                self.expect('>', &name)?;
                Ok(format!("map<{key},{value}>"))
            }
            "struct" | "uniontype" => self.fields(&name, depth),
            "decimal" => {
                let numbers = self.numbers(&name)?;
                match numbers[..] {
                    [] => Ok(name),
                    [p] if (1..=38).contains(&p) => Ok(format!("decimal({p})")),
                    [p, s] if (1..=38).contains(&p) && s <= p => Ok(format!("decimal({p},{s})")),
                    _ => Err(bad_numbers(span.start..self.at, "decimal", "decimal(38,9)")),
                }
            }
            "char" | "varchar" => {
                let most = if name == "char" { 255 } else { 65_535 };
                match self.numbers(&name)?[..] {
                    [n] if (1..=most).contains(&n) => Ok(format!("{name}({n})")),
                    _ => Err(bad_numbers(span.start..self.at, &name, "string")),
                }
            }
            "double" => {
                let before = self.at;
                if !self.word().0.eq_ignore_ascii_case("precision") {
                    self.at = before;
                }
                Ok(name)
            }
            _ => Ok(name),
        }
    }

    /// `<a:int,b:string>` behind `struct`, `<int,string>` behind `uniontype`.
    fn fields(&mut self, name: &str, depth: usize) -> Result<String, TypeError> {
        self.expect('<', name)?;
        let mut fields = Vec::new();
        loop {
            if name == "struct" {
                self.space();
                let quoted = self.rest().starts_with('`');
                let field = if quoted { self.name().to_owned() } else { self.word().0.to_owned() };
                self.expect(':', name)?;
                let of = self.ddl_type(depth + 1)?;
                fields.push(if quoted { format!("`{field}`:{of}") } else { format!("{field}:{of}") });
            } else {
                fields.push(self.ddl_type(depth + 1)?);
            }
            if !self.eat(',') {
                break;
            }
        }
        self.expect('>', name)?;
        Ok(format!("{name}<{}>", fields.join(",")))
    }

    /// `(10,2)`, or nothing.
    fn numbers(&mut self, name: &str) -> Result<Vec<u32>, TypeError> {
        let mut numbers = Vec::new();
        if !self.eat('(') {
            return Ok(numbers);
        }
        loop {
            let (word, span) = self.word();
            match word.parse() {
                Ok(number) => numbers.push(number),
                Err(_) => {
                    return Err(bad_numbers(
                        span,
                        name,
                        if name == "decimal" { "decimal(38,9)" } else { "varchar(100)" },
                    ));
                }
            }
            if !self.eat(',') {
                break;
            }
        }
        self.expect(')', name)?;
        Ok(numbers)
    }
}

fn bad_numbers(span: Range<usize>, name: &str, instead: &str) -> TypeError {
    TypeError {
        span,
        message: match name {
            "decimal" => "`decimal` takes a precision of 1 to 38 and a scale up to that".to_owned(),
            _ => format!("`{name}` takes its greatest length in brackets"),
        },
        label: "here".to_owned(),
        help: Some(format!("write\n{instead}")),
    }
}

fn unknown_type(word: &str, span: Range<usize>) -> TypeError {
    let lower = word.to_ascii_lowercase();
    let other = OTHER_NAMES.iter().find(|(name, _)| *name == lower).map(|(_, name)| *name);
    let near = other.or_else(|| nearest(word, TYPES.iter().copied()));
    TypeError {
        span,
        message: format!("unknown type `{word}`"),
        label: near.map_or_else(|| "not a type of Athena's DDL".to_owned(), |near| format!("did you mean `{near}`?")),
        help: near.is_none().then(|| format!("types are {}", TYPES.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::shape::Node;
    use toml::de::DeTable;

    /// The column that `written` is, or what is said about it and where.
    fn column(written: &str, partition: bool) -> Result<Column, String> {
        let file = format!("k = '''{written}'''");
        let (table, errors) = DeTable::parse_recoverable(&file);
        assert!(errors.is_empty());
        let node = Node::new(&file, table.get_ref(), &keys::FILE, 0..0);
        let mut found = Vec::new();
        let column = read(&node.as_text(table.get_ref().get("k").unwrap()).unwrap(), partition, &mut found);
        column.ok_or_else(|| {
            let error = found.pop().unwrap();
            format!("{} | {} | {}", error.message, &file[error.span], error.label)
        })
    }

    #[test]
    fn columns_are_read() {
        for (written, name, ddl_type, comment) in [
            ("id bigint", "id", "bigint", None),
            ("  Id   INTEGER  the id ", "id", "int", Some("the id")),
            ("a decimal(10, 2) comment 'it''s'", "a", "decimal(10,2)", Some("it''s")),
            (
                "s struct<A:int, b : array<map<string,double precision>>> x",
                "s",
                "struct<A:int,b:array<map<string,double>>>",
                Some("x"),
            ),
            ("`my col` varchar (5)", "my col", "varchar(5)", None),
        ] {
            let read = column(written, false).unwrap();
            assert_eq!(
                (read.name.as_str(), read.ddl_type.as_str(), read.comment.as_deref()),
                (name, ddl_type, comment)
            );
        }
    }

    #[test]
    fn bad_columns_are_told() {
        for (written, partition, told) in [
            ("", false, "a column needs a name and a type | '''''' | "),
            ("id", false, "column `id` has no type | '''id''' | a name alone"),
            (
                "id:bigint",
                false,
                "`id:bigint` is not a column's name | id:bigint | name and type stand apart by a space",
            ),
            ("a-b int", true, "`a-b` is not a column's name | a-b | a name is [A-Za-z_][A-Za-z0-9_]*"),
            ("id bigit", false, "unknown type `bigit` | bigit | did you mean `bigint`?"),
            ("id array<long>", false, "unknown type `long` | long | did you mean `bigint`?"),
            ("id array<int", false, "`>` expected in type `array` |  | here"),
            ("id varchar", false, "`varchar` takes its greatest length in brackets | varchar | here"),
            (
                "id decimal(50)",
                false,
                "`decimal` takes a precision of 1 to 38 and a scale up to that | decimal(50) | here",
            ),
            (
                "m map<string,int>",
                true,
                "partition column `m` cannot be of type `map<string,int>` | '''m map<string,int>''' | partition values are text, numbers and dates",
            ),
        ] {
            assert_eq!(column(written, partition).unwrap_err(), told);
        }
    }
}
