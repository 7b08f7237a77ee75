//! Columns as written in `columns` and `partitioned_by`: "name type" and, behind them, a comment.
//!
//! Pure. What a type is says `ddl_type.rs`.

use std::ops::Range;

use super::diagnostic::Diagnostic;
use super::shape::Text;
use super::table::Column;
use super::{ddl_in, ddl_type, keys};

/// The longest name that Glue takes.
pub const MAX_NAME_BYTES: usize = 255;

/// Reads one column; what is wrong with it is added to `found`.
pub fn read(text: &Text<'_>, partition: bool, found: &mut Vec<Diagnostic>) -> Option<Column> {
    parse(text, partition).map_err(|error| found.push(error)).ok()
}

fn parse(text: &Text<'_>, partition: bool) -> Result<Column, Diagnostic> {
    let start = text.value.len() - text.value.trim_start().len();
    let (name, end) = name_of(&text.value[start..]).ok_or_else(|| {
        Diagnostic::error(text.at(start..text.value.len()), "this name does not end")
            .label("its second backtick is missing")
    })?;
    let name_span = start..start + end;
    if name.is_empty() {
        let error = Diagnostic::error(text.span.clone(), "a column needs a name and a type");
        return Err(error.help("write\n\"id bigint\""));
    }
    let behind = &text.value[name_span.end..];
    let is_quoted = text.value[name_span.clone()].starts_with('`');
    check_name(&name, is_quoted, behind.trim(), partition, text.at(name_span.clone()))?;
    if behind.trim().is_empty() {
        return Err(no_type(text, &name));
    }
    let read = ddl_type::read(behind).map_err(|wrong| {
        let span = name_span.end + wrong.span.start..name_span.end + wrong.span.end;
        Diagnostic::error(text.at(span), wrong.message).label(wrong.label).help_maybe(wrong.help)
    })?;
    let rest = name_span.end + read.end;
    if let Some(c) = text.value[rest..].chars().next().filter(|c| !c.is_whitespace()) {
        let error = Diagnostic::error(text.at(rest..rest + c.len_utf8()), format!("`{c}` right behind the type"));
        return Err(error.label("one text a column; a comment stands behind a space"));
    }
    if partition && !is_partition_type(&read.printed) {
        let message = format!("partition column `{name}` cannot be of type `{}`", read.printed);
        let error = Diagnostic::error(text.span.clone(), message).label("partition values are text, numbers and dates");
        return Err(error.help(format!("write\n\"{name} string\"")));
    }
    Ok(Column { name: name.to_lowercase(), ddl_type: read.printed, comment: comment(&text.value[rest..]) })
}

/// Where a column's name stands, without its backticks.
pub fn name_span(text: &Text<'_>) -> Range<usize> {
    let start = text.value.len() - text.value.trim_start().len();
    let end = start + name_of(&text.value[start..]).map_or(0, |(_, end)| end);
    match text.value[start..end].starts_with('`') {
        true => text.at(start + 1..end - 1),
        false => text.at(start..end),
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

/// A data column's name comes from the data, and Hive takes almost whatever stands in backticks; a partition column's is a
/// capture's and a directory's.
fn check_name(name: &str, quoted: bool, behind: &str, partition: bool, span: Range<usize>) -> Result<(), Diagnostic> {
    if name.len() > MAX_NAME_BYTES {
        let message =
            format!("the name of a column is at most {MAX_NAME_BYTES} bytes long, this one is {}", name.len());
        return Err(Diagnostic::error(span, message));
    }
    let odd = |c: char| matches!(c, ':' | ',' | ';') || c.is_control() || (!quoted && matches!(c, '`' | '\'' | '"'));
    if if partition { is_name(name) } else { !name.contains(odd) } {
        return Ok(());
    }
    let error = Diagnostic::error(span, format!("`{name}` is not a column's name")).label(match (partition, quoted) {
        (true, _) => format!("a name is {}", keys::NAME),
        (false, true) => "Hive keeps names in a list and takes no `,`, `:` or `;` in them".to_owned(),
        (false, false) => "name and type stand apart by a space".to_owned(),
    });
    let (name, joined) = name.split_once([':', ',']).unwrap_or((name, ""));
    let kind = [behind, joined, "string"].into_iter().find(|kind| !kind.is_empty()).unwrap_or_default();
    Err(error.help(format!("write\n\"{} {kind}\"", as_name(name))))
}

fn no_type(text: &Text<'_>, name: &str) -> Diagnostic {
    Diagnostic::error(text.span.clone(), format!("column `{name}` has no type"))
        .label("a name alone")
        .help(format!("write its type behind it\n\"{name} string\""))
}

/// `comment 'text'` as in DDL, or just the text.
fn comment(rest: &str) -> Option<String> {
    let rest = rest.trim();
    let literal = rest.get(..7).filter(|word| word.eq_ignore_ascii_case("comment")).map(|_| rest[7..].trim());
    let text = match literal {
        Some("''" | "\"\"") => String::new(),
        // A doubled quote is SQL's for one; Hive would put two literals together.
        Some(literal) => ddl_in::unquote_literal(&literal.replace("''", "\\'"))
            .filter(|_| !literal.is_empty())
            .unwrap_or_else(|| rest.to_owned()),
        None => rest.to_owned(),
    };
    (!text.is_empty()).then_some(text)
}

/// Whether a partition column may be of this type.
pub fn is_partition_type(ddl_type: &str) -> bool {
    let name = ddl_type.split(['(', '<']).next().unwrap_or(ddl_type);
    !matches!(name, "array" | "map" | "struct" | "uniontype" | "binary")
}

/// The name that a text begins with, and where it ends: in backticks, where a doubled one is one, or up to a space.
fn name_of(text: &str) -> Option<(String, usize)> {
    let Some(quoted) = text.strip_prefix('`') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        return Some((text[..end].to_owned(), end));
    };
    let mut name = String::new();
    let mut chars = quoted.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '`' if chars.next_if(|(_, next)| *next == '`').is_none() => return Some((name, at + 2)),
            c => name.push(c),
        }
    }
    None
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
            ("a decimal(10, 2) comment 'it''s'", "a", "decimal(10,2)", Some("it's")),
            ("a int COMMENT \"it\\'s\"", "a", "int", Some("it's")),
            ("a int comment ''", "a", "int", None),
            ("a int comment", "a", "int", Some("comment")),
            (
                "s struct<A:int, b : array<map<string,double precision>>> x",
                "s",
                "struct<A:int,b:array<map<string,double>>>",
                Some("x"),
            ),
            ("`my col` varchar (5)", "my col", "varchar(5)", None),
            ("`A``B \"'É` int", "a`b \"'é", "int", None),
            ("ts timestamp with local time zone", "ts", "timestamp with local time zone", None),
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
            (
                "`a:b` int",
                false,
                "`a:b` is not a column's name | `a:b` | Hive keeps names in a list and takes no `,`, `:` or `;` in them",
            ),
            ("`id int", false, "this name does not end | `id int | its second backtick is missing"),
            (
                "id bigint,amount double",
                false,
                "`,` right behind the type | , | one text a column; a comment stands behind a space",
            ),
            ("a-b int", true, "`a-b` is not a column's name | a-b | a name is [A-Za-z_][A-Za-z0-9_]*"),
            ("id bigit", false, "unknown type `bigit` | bigit | did you mean `bigint`?"),
            ("id array<long>", false, "unknown type `long` | long | did you mean `bigint`?"),
            ("id array<int", false, "`>` expected in type `array` |  | here"),
            ("id varchar", false, "`varchar` takes its greatest length in brackets, 1 to 65535 | varchar | here"),
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
