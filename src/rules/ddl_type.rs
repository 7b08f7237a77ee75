//! Column types of Athena's and Hive's DDL, read from text into one printed form: lower case, no spaces, `int` for
//! `integer`, fields of odd names in backticks.
//!
//! Pure. The same grammar serves `columns` of a rule file and the columns of a `CREATE TABLE`.

use std::ops::Range;

use super::shape::nearest;

/// A type that a text begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DdlType {
    /// As Athena writes it.
    pub printed: String,
    /// Where it ends, in bytes of the text.
    pub end: usize,
    /// Pieces of the text that Athena would not take as they stand, and what it takes in their place.
    pub respelled: Vec<(Range<usize>, String)>,
}

/// Why a text begins with no type. Spans are in bytes of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeError {
    pub span: Range<usize>,
    /// Lower case, no full stop.
    pub message: String,
    /// What to write at the caret; may be empty.
    pub label: String,
    pub help: Option<String>,
}

/// Reads the type that `text` begins with, behind white space and SQL comments.
///
/// # Errors
/// A type that there is not, a bracket that is missing, a precision or a length that no engine takes.
pub fn read(text: &str) -> Result<DdlType, TypeError> {
    let mut reader = Reader { text, at: 0, respelled: Vec::new() };
    let printed = reader.ddl_type(0)?;
    Ok(DdlType { printed, end: reader.at, respelled: reader.respelled })
}

/// Reads a text that is a type and nothing else.
///
/// # Errors
/// As [`read`]; also for what stands behind the type.
pub fn whole(text: &str) -> Result<String, TypeError> {
    let read = read(text)?;
    let mut reader = Reader { text, at: read.end, respelled: Vec::new() };
    reader.space();
    match reader.rest() {
        "" => Ok(read.printed),
        _ => Err(reader.error_here("the type ends before this", "")),
    }
}

/// A printed type as catalogs hold it: all in lower case, field names without backticks, `decimal` with its digits.
pub fn in_catalog(printed: &str) -> String {
    let mut out = String::new();
    let mut rest = printed;
    while let Some(c) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix('`') {
            let name_end = quoted.replace("``", "  ").find('`').unwrap_or(quoted.len());
            out += &quoted[..name_end].replace("``", "`").to_lowercase();
            rest = quoted.get(name_end + 1..).unwrap_or_default();
        } else if c.is_alphanumeric() || c == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let word = rest[..end].to_lowercase();
            rest = &rest[end..];
            let digits = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
            match digits {
                _ if word != "decimal" || rest.starts_with(':') => out += &word,
                None => out += "decimal(10,0)",
                Some((digits, behind)) => {
                    let scale = if digits.contains(',') { "" } else { ",0" };
                    out += &format!("decimal({digits}{scale})");
                    rest = behind;
                }
            }
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// Whether a name stands without backticks everywhere.
pub fn is_plain_name(name: &str) -> bool {
    let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    name.bytes().all(word) && name.bytes().next().is_some_and(|c| c.is_ascii_alphabetic())
}

const TYPES: [&str; 18] = [
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

/// Other names that Hive or SQL have for these types, and what Athena's DDL takes.
const OTHER_SPELLINGS: [(&str, &str); 4] =
    [("integer", "int"), ("real", "float"), ("numeric", "decimal"), ("dec", "decimal")];

/// Names that other systems have for these types.
const OTHER_NAMES: [(&str, &str); 21] = [
    ("long", "bigint"),
    ("text", "string"),
    ("str", "string"),
    ("number", "decimal(38,0)"),
    ("bool", "boolean"),
    ("datetime", "timestamp"),
    ("int64", "bigint"),
    ("uint64", "decimal(20,0)"),
    ("int32", "int"),
    ("int16", "smallint"),
    ("int8", "tinyint"),
    ("byte", "tinyint"),
    ("short", "smallint"),
    ("float64", "double"),
    ("float32", "float"),
    ("timestamptz", "timestamp"),
    ("json", "string"),
    ("uuid", "string"),
    ("row", "struct<a:int>"),
    ("list", "array<string>"),
    ("bytes", "binary"),
];

/// How deep types may stand in types.
const MAX_DEPTH: usize = 64;

struct Reader<'a> {
    text: &'a str,
    at: usize,
    respelled: Vec<(Range<usize>, String)>,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Steps over white space and SQL comments.
    fn space(&mut self) {
        loop {
            let rest = self.rest().trim_start();
            self.at = self.text.len() - rest.len();
            let comment = if rest.starts_with("--") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").map_or(rest.len(), |end| end + 2)
            } else {
                return;
            };
            self.at += comment;
        }
    }

    /// A run of ASCII letters, digits and `_`; may be empty.
    fn word(&mut self) -> (&'a str, Range<usize>) {
        self.space();
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let span = self.at..self.at + end;
        self.at += end;
        (&rest[..end], span)
    }

    /// Takes the words if they come next, in any case.
    fn eat_words(&mut self, words: &[&str]) -> bool {
        let before = self.at;
        let are = words.iter().all(|word| self.word().0.eq_ignore_ascii_case(word));
        if !are {
            self.at = before;
        }
        are
    }

    fn eat(&mut self, c: char) -> bool {
        let before = self.at;
        self.space();
        let is_next = self.rest().starts_with(c);
        self.at = if is_next { self.at + c.len_utf8() } else { before };
        is_next
    }

    fn expect(&mut self, c: char, inside: &str) -> Result<(), TypeError> {
        if self.eat(c) {
            return Ok(());
        }
        self.space();
        Err(self.error_here(format!("`{c}` expected in type `{inside}`"), "here"))
    }

    fn ddl_type(&mut self, depth: usize) -> Result<String, TypeError> {
        let (word, span) = self.word();
        let name = self.type_name(word, &span)?;
        if depth > MAX_DEPTH {
            let message = format!("types stand in one another more than {MAX_DEPTH} deep");
            return Err(TypeError { span, message, label: String::new(), help: None });
        }
        match name {
            "array" => {
                self.expect('<', name)?;
                let of = self.ddl_type(depth + 1)?;
                self.expect('>', name)?;
                Ok(format!("array<{of}>"))
            }
            "map" => self.map(depth),
            "struct" => self.fields(depth),
            "uniontype" => {
                self.expect('<', name)?;
                let mut of = vec![self.ddl_type(depth + 1)?];
                while self.eat(',') {
                    of.push(self.ddl_type(depth + 1)?);
                }
                self.expect('>', name)?;
                Ok(format!("uniontype<{}>", of.join(",")))
            }
            "decimal" => match self.numbers(name)?[..] {
                [] => Ok("decimal".to_owned()),
                [p] if (1..=38).contains(&p) => Ok(format!("decimal({p})")),
                [p, s] if (1..=38).contains(&p) && s <= p => Ok(format!("decimal({p},{s})")),
                _ => Err(bad_numbers(span.start..self.at, name)),
            },
            "char" | "varchar" => {
                let most = if name == "char" { 255 } else { 65_535 };
                match self.numbers(name)?[..] {
                    [n] if (1..=most).contains(&n) => Ok(format!("{name}({n})")),
                    _ => Err(bad_numbers(span.start..self.at, name)),
                }
            }
            _ => self.plain(name),
        }
    }

    /// The type's name as Athena has it.
    fn type_name(&mut self, word: &str, span: &Range<usize>) -> Result<&'static str, TypeError> {
        let lower = word.to_ascii_lowercase();
        if let Some((_, name)) = OTHER_SPELLINGS.iter().find(|(other, _)| *other == lower) {
            self.respelled.push((span.clone(), (*name).to_owned()));
            return Ok(name);
        }
        TYPES.into_iter().find(|name| *name == lower).ok_or_else(|| unknown(self.text, word, span.clone()))
    }

    /// A type of one word, with the words that Hive lets follow.
    fn plain(&mut self, name: &'static str) -> Result<String, TypeError> {
        let printed = match name {
            "double" => {
                let before = self.at;
                if self.eat_words(&["precision"]) {
                    self.respelled.push((before..self.at, String::new()));
                }
                name
            }
            "timestamp" if self.eat_words(&["with", "local", "time", "zone"]) => "timestamp with local time zone",
            _ => name,
        };
        let before = self.at;
        self.space();
        if self.rest().starts_with(['(', '<']) {
            return Err(self.error_here(format!("`{name}` takes nothing in brackets"), ""));
        }
        self.at = before;
        Ok(printed.to_owned())
    }

    fn map(&mut self, depth: usize) -> Result<String, TypeError> {
        self.expect('<', "map")?;
        self.space();
        let start = self.at;
        let key = self.ddl_type(depth + 1)?;
        if key.contains('<') {
            return Err(TypeError {
                span: start..self.at,
                message: format!("the key of a map cannot be `{key}`"),
                label: "text, numbers and dates can".to_owned(),
                help: None,
            });
        }
        self.expect(',', "map")?;
        let value = self.ddl_type(depth + 1)?;
        self.expect('>', "map")?;
        Ok(format!("map<{key},{value}>"))
    }

    /// `<a:int,b:string COMMENT 'x'>` behind `struct`.
    fn fields(&mut self, depth: usize) -> Result<String, TypeError> {
        self.expect('<', "struct")?;
        let mut fields = Vec::new();
        loop {
            let name = self.field_name()?;
            self.expect(':', "struct")?;
            let of = self.ddl_type(depth + 1)?;
            let comment = if self.eat_words(&["comment"]) { self.literal()? } else { String::new() };
            fields.push(format!("{name}:{of}{comment}"));
            if !self.eat(',') {
                break;
            }
        }
        self.expect('>', "struct")?;
        Ok(format!("struct<{}>", fields.join(",")))
    }

    /// A field's name, in backticks unless it is a plain one.
    fn field_name(&mut self) -> Result<String, TypeError> {
        self.space();
        let start = self.at;
        let rest = self.rest();
        if let Some(quoted) = rest.strip_prefix('`') {
            let end = end_of_quoted(quoted, '`').ok_or_else(|| self.error_here("this name does not end", ""))?;
            self.at += 1 + end;
            let name = &self.text[start..self.at];
            return if end > 1 { Ok(name.to_owned()) } else { Err(self.error_at(start, "a field needs a name")) };
        }
        let is_end =
            |c: char| c.is_whitespace() || matches!(c, ':' | ',' | '<' | '>' | '(' | ')' | '\'' | '"' | '`' | ';');
        let end = rest.find(is_end).unwrap_or(rest.len());
        self.at += end;
        let name = &rest[..end];
        match name {
            "" => Err(self.error_here("a field needs a name", "name:type")),
            // Hive takes a word that begins with `_` only in backticks; one that begins with a digit it takes.
            _ if is_plain_name(name) => Ok(name.to_owned()),
            _ => {
                let quoted = format!("`{name}`");
                self.respelled.push((start..self.at, quoted.clone()));
                Ok(quoted)
            }
        }
    }

    /// ` COMMENT '…'` as it stands.
    fn literal(&mut self) -> Result<String, TypeError> {
        self.space();
        let quote = self.rest().chars().next().filter(|c| matches!(c, '\'' | '"'));
        let quote = quote.ok_or_else(|| self.error_here("a comment in quotes is expected", "here"))?;
        let end =
            end_of_quoted(&self.rest()[1..], quote).ok_or_else(|| self.error_here("this comment does not end", ""))?;
        let literal = &self.rest()[..=end];
        self.at += literal.len();
        Ok(format!(" COMMENT {literal}"))
    }

    /// `(10,2)`, or nothing.
    fn numbers(&mut self, name: &'static str) -> Result<Vec<u32>, TypeError> {
        let mut numbers = Vec::new();
        if !self.eat('(') {
            return Ok(numbers);
        }
        loop {
            let (word, span) = self.word();
            numbers.push(word.parse().map_err(|_| bad_numbers(span, name))?);
            if !self.eat(',') {
                break;
            }
        }
        self.expect(')', name)?;
        Ok(numbers)
    }

    fn error_here(&self, message: impl Into<String>, label: &str) -> TypeError {
        let next = self.rest().chars().next().map_or(0, char::len_utf8);
        TypeError { span: self.at..self.at + next, message: message.into(), label: label.to_owned(), help: None }
    }

    fn error_at(&self, start: usize, message: &str) -> TypeError {
        TypeError { span: start..self.at, message: message.to_owned(), label: String::new(), help: None }
    }
}

/// Where a quoted text ends whose opening quote has been taken: behind its closing quote. A backslash escapes in
/// literals, a doubled quote stands for itself in names.
fn end_of_quoted(text: &str, quote: char) -> Option<usize> {
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && quote != '`' {
            chars.next();
        } else if c == quote {
            match chars.peek() {
                Some((_, next)) if quote == '`' && *next == quote => drop(chars.next()),
                _ => return Some(at + c.len_utf8()),
            }
        }
    }
    None
}

fn bad_numbers(span: Range<usize>, name: &str) -> TypeError {
    let (message, example) = match name {
        "decimal" => ("`decimal` takes a precision of 1 to 38 and a scale up to that", "decimal(38,9)"),
        "char" => ("`char` takes its length in brackets, 1 to 255", "char(10)"),
        _ => ("`varchar` takes its greatest length in brackets, 1 to 65535", "varchar(100)"),
    };
    TypeError { span, message: message.to_owned(), label: "here".to_owned(), help: Some(format!("write\n{example}")) }
}

fn unknown(text: &str, word: &str, span: Range<usize>) -> TypeError {
    let lower = word.to_ascii_lowercase();
    let other = OTHER_NAMES.iter().find(|(name, _)| *name == lower).map(|(_, name)| *name);
    let near = other.or_else(|| {
        let near = nearest(word, TYPES.into_iter().chain(OTHER_SPELLINGS.map(|(other, _)| other)))?;
        OTHER_SPELLINGS.iter().find(|(other, _)| *other == near).map_or(Some(near), |(_, name)| Some(*name))
    });
    let next = text[span.start..].chars().next().map_or(0, char::len_utf8);
    let (message, span) = match (word, next) {
        ("", 0) => ("a type is expected".to_owned(), span),
        ("", _) => {
            let span = span.start..span.start + next;
            (format!("a type is expected, `{}` stands here", &text[span.clone()]), span)
        }
        _ => (format!("unknown type `{word}`"), span),
    };
    TypeError {
        span,
        message,
        label: near.map_or_else(|| "not a type of Athena's DDL".to_owned(), |near| format!("did you mean `{near}`?")),
        help: near.is_none().then(|| format!("types are {}", TYPES.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalogs_hold_types_in_one_form() {
        for (printed, held) in [
            ("bigint", "bigint"),
            ("decimal", "decimal(10,0)"),
            ("decimal(5)", "decimal(5,0)"),
            ("decimal(10,2)", "decimal(10,2)"),
            (
                "struct<A:int,`b c``D`:array<decimal>,decimal:char(3)>",
                "struct<a:int,b c`d:array<decimal(10,0)>,decimal:char(3)>",
            ),
            ("timestamp with local time zone", "timestamp with local time zone"),
        ] {
            assert_eq!(in_catalog(printed), held);
        }
    }

    #[test]
    fn types_are_printed_as_athena_writes_them() {
        for (written, printed) in [
            (" INTEGER ", "int"),
            ("Real", "float"),
            ("double  precision", "double"),
            ("decimal( 10 , 2 )", "decimal(10,2)"),
            ("NUMERIC(5)", "decimal(5)"),
            ("varchar (5)", "varchar(5)"),
            ("timestamp with local\ttime zone", "timestamp with local time zone"),
            ("ARRAY< STRUCT<A : REAL, b:array<array<int>>> >", "array<struct<A:float,b:array<array<int>>>>"),
            (
                "struct<`Odd ``Name`:int,user-agent:string,2nd:int,_x:int,é:int>",
                "struct<`Odd ``Name`:int,`user-agent`:string,`2nd`:int,`_x`:int,`é`:int>",
            ),
            ("struct<a:int COMMENT 'it\\'s, a>b', b:string>", "struct<a:int COMMENT 'it\\'s, a>b',b:string>"),
            (
                "struct<\n  type: string, -- who; did\n  /* x> */ id: map<string,string>\n>",
                "struct<type:string,id:map<string,string>>",
            ),
            ("uniontype<int, string>", "uniontype<int,string>"),
        ] {
            assert_eq!(whole(written).as_deref(), Ok(printed), "{written}");
            assert_eq!(whole(printed).as_deref(), Ok(printed));
        }
    }

    #[test]
    fn what_is_respelled_is_known_by_its_place() {
        let text = "map<integer,struct<user-agent:double precision,ok:dec(5,1)>>";
        let read = read(text).unwrap();
        let respelled: Vec<_> = read.respelled.iter().map(|(span, new)| (&text[span.clone()], new.as_str())).collect();
        assert_eq!(
            respelled,
            [("integer", "int"), ("user-agent", "`user-agent`"), (" precision", ""), ("dec", "decimal")]
        );
    }

    #[test]
    fn what_is_no_type_is_told_with_its_place() {
        for (written, at, told) in [
            ("", "", "a type is expected"),
            ("'x'", "'", "a type is expected, `'` stands here"),
            ("strng", "strng", "unknown type `strng`"),
            ("array<int", "", "`>` expected in type `array`"),
            ("array<int)", ")", "`>` expected in type `array`"),
            ("map<string>", ">", "`,` expected in type `map`"),
            ("map<array<int>,int>", "array<int>", "the key of a map cannot be `array<int>`"),
            ("struct<>", ">", "a field needs a name"),
            ("struct<``:int>", "``", "a field needs a name"),
            ("struct<a int>", "i", "`:` expected in type `struct`"),
            ("struct<`a:int>", "`", "this name does not end"),
            ("int; DROP TABLE t", ";", "the type ends before this"),
            ("string(10)", "(", "`string` takes nothing in brackets"),
            ("varchar", "varchar", "`varchar` takes its greatest length in brackets, 1 to 65535"),
            ("varchar(a)", "a", "`varchar` takes its greatest length in brackets, 1 to 65535"),
            ("char(256)", "char(256)", "`char` takes its length in brackets, 1 to 255"),
            ("decimal(39)", "decimal(39)", "`decimal` takes a precision of 1 to 38 and a scale up to that"),
            ("decimal(5,6)", "decimal(5,6)", "`decimal` takes a precision of 1 to 38 and a scale up to that"),
        ] {
            let error = whole(written).unwrap_err();
            assert_eq!((&written[error.span], error.message.as_str()), (at, told), "{written}");
        }
        let deep = "array<".repeat(10_000);
        assert!(whole(&deep).unwrap_err().message.contains("deep"));
        assert_eq!(whole("long").unwrap_err().label, "did you mean `bigint`?");
        assert_eq!(whole("intger").unwrap_err().label, "did you mean `int`?");
    }
}
