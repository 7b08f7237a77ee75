//! The user's own `CREATE EXTERNAL TABLE`, Athena's or Hive's: read into the rule model, with spans for what is replaced.
//!
//! sqlparser's tokenizer under a dialect of ours cuts the text; the clauses are read here, since no dialect of sqlparser
//! knows all of them, and one that nobody knows is stepped over and stays in the text. Nothing is executed or printed.

use std::ops::Range;

use sqlparser::dialect::{Dialect, HiveDialect};
use sqlparser::tokenizer::{Location, Token, Tokenizer, Whitespace};

use super::format::{self, HEADER_LINES, LAZY_SIMPLE_SERDE};
use super::table::{Column, Format};

/// A table as its CREATE statement says it.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateTable {
    pub database: Option<String>,
    pub name: String,
    /// Names in lower case, types as written.
    pub columns: Vec<Column>,
    pub partitioned_by: Vec<Column>,
    pub comment: Option<String>,
    /// The serde and its properties, after Hive's defaults for what is not said.
    pub format: Format,
    /// Whether `ROW FORMAT SERDE` names the serde; otherwise it follows from `STORED AS`.
    pub serde_stated: bool,
    /// `STORED AS INPUTFORMAT '…'`, where it names a class that is none of the formats restitch knows: behind a symlink
    /// it is lost.
    pub unknown_input_format: Option<String>,
    pub location: Option<String>,
    /// `TBLPROPERTIES`, in the order written.
    pub properties: Vec<(String, String)>,
    pub spans: Spans,
}

/// Where things stand in the text, in bytes; a clause that is missing has an empty span where Hive's grammar wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spans {
    /// `CREATE … TABLE … name`, up to the end of the name.
    pub head: Range<usize>,
    /// `PARTITIONED BY (…)`.
    pub partitioned_by: Range<usize>,
    /// `ROW FORMAT …`, with the serde's properties.
    pub row_format: Range<usize>,
    /// `STORED AS …`.
    pub stored_as: Range<usize>,
    /// `LOCATION '…'`.
    pub location: Range<usize>,
    /// `TBLPROPERTIES (…)`.
    pub properties: Range<usize>,
    /// Each property in there, from its key to its value.
    pub property_entries: Vec<Range<usize>>,
    /// Comments up to there.
    pub comments: Vec<Range<usize>>,
    /// The end of the statement: no semicolon, no comment behind it.
    pub end: usize,
}

/// A mistake in the text, or something that a symlink table cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DdlError {
    /// Lower case, no full stop.
    pub message: String,
    /// In bytes of the text.
    pub span: Range<usize>,
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    pub help: Option<String>,
}

/// Hive's words as Athena writes them: names may begin with `_`, double quotes are literals, a backslash escapes.
#[derive(Clone, Copy, Debug, Default)]
pub struct AthenaDialect;

impl Dialect for AthenaDialect {
    fn dialect(&self) -> std::any::TypeId {
        std::any::TypeId::of::<HiveDialect>()
    }

    fn is_delimited_identifier_start(&self, c: char) -> bool {
        c == '`'
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('`')
    }

    fn is_identifier_start(&self, c: char) -> bool {
        c.is_alphanumeric() || c == '_'
    }

    fn is_identifier_part(&self, c: char) -> bool {
        c.is_alphanumeric() || c == '_'
    }

    fn supports_numeric_prefix(&self) -> bool {
        true
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        true
    }
}

/// Reads one `CREATE EXTERNAL TABLE` statement, with or without a semicolon and comments.
///
/// # Errors
/// Every mistake that could be found: text that is no such statement, and tables that no symlink table can stand for
/// (bucketed, stored by a handler, transactional, Iceberg, made by `AS SELECT` or `LIKE`).
pub fn read(text: &str) -> Result<CreateTable, Vec<DdlError>> {
    let words = Words::cut(text).map_err(|error| vec![error])?;
    let mut reader = Reader { text, words: &words.list, at: 0, errors: Vec::new() };
    match reader.statement() {
        Ok(mut table) if reader.errors.is_empty() => {
            let end = table.spans.end;
            table.spans.comments = words.comments.into_iter().filter(|comment| comment.end <= end).collect();
            Ok(table)
        }
        Ok(_) => Err(reader.errors),
        Err(error) => {
            reader.errors.push(error);
            Err(reader.errors)
        }
    }
}

/// Reads a column type such as `decimal(10,2)` or `array<struct<a:int,b:string>>` and gives it as Athena writes it:
/// `integer` is `int`, `real` is `float`. Struct fields keep their names.
///
/// # Errors
/// Where the text is no type; the span is in `text`.
pub fn column_type(text: &str) -> Result<String, DdlError> {
    let words = Words::cut(text)?;
    let mut reader = Reader { text, words: &words.list, at: 0, errors: Vec::new() };
    let parsed = reader.data_type()?;
    match reader.peek() {
        None => Ok(parsed),
        Some(word) => Err(reader.error_at(word.span.clone(), "the type ends before this", None)),
    }
}

/// What a Hive string literal (its quotes included) stands for; several in a row are one. `None` if it is none.
pub fn unquote_literal(literal: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = literal.chars().peekable();
    while let Some(quote) = chars.next() {
        if quote != '\'' && quote != '"' {
            return None;
        }
        loop {
            match chars.next()? {
                c if c == quote => break,
                '\\' => unescape(&mut chars, &mut out)?,
                c => out.push(c),
            }
        }
    }
    Some(out)
}

/// The name in an identifier with or without backticks.
pub fn unquote_identifier(identifier: &str) -> String {
    match identifier.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
        Some(name) => name.replace("``", "`"),
        None => identifier.to_owned(),
    }
}

/// What stands behind a backslash, as Hive's `unescapeSQLString` has it.
fn unescape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) -> Option<()> {
    let rest: String = chars.clone().take(5).collect();
    let hex = rest.strip_prefix('u').filter(|d| d.len() == 4 && d.bytes().all(|b| b.is_ascii_hexdigit()));
    let hex = hex.and_then(|d| u32::from_str_radix(d, 16).ok());
    if let Some(c) = hex.and_then(char::from_u32) {
        chars.nth(4);
        out.push(c);
        return Some(());
    }
    let octal = rest.get(..3).filter(|d| matches!(d.as_bytes()[0], b'0' | b'1'));
    if let Some(c) = octal.and_then(|d| u32::from_str_radix(d, 8).ok()).and_then(char::from_u32) {
        chars.nth(2);
        out.push(c);
        return Some(());
    }
    match chars.next()? {
        '0' => out.push('\0'),
        'b' => out.push('\u{8}'),
        'n' => out.push('\n'),
        'r' => out.push('\r'),
        't' => out.push('\t'),
        'Z' => out.push('\u{1a}'),
        c @ ('%' | '_') => out.extend(['\\', c]),
        c => out.push(c),
    }
    Some(())
}

/// A token that is neither white space nor a comment, and where it stands.
#[derive(Clone, Debug)]
struct Word {
    token: Token,
    span: Range<usize>,
}

struct Words {
    list: Vec<Word>,
    comments: Vec<Range<usize>>,
}

impl Words {
    fn cut(text: &str) -> Result<Words, DdlError> {
        let tokens = Tokenizer::new(&AthenaDialect, text).with_unescape(false).tokenize_with_location();
        let tokens = tokens.map_err(|error| {
            let at = Offsets::new(text).of(error.location);
            make_error(text, at..text.len().min(at + 1), lower_first(&error.message), None)
        })?;
        let mut offsets = Offsets::new(text);
        let (mut list, mut comments) = (Vec::new(), Vec::new());
        for token in tokens {
            let span = offsets.of(token.span.start)..offsets.of(token.span.end);
            match token.token {
                Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => {
                    comments.push(span);
                }
                Token::Whitespace(_) => {}
                Token::ShiftRight => list.extend(
                    [span.start..span.start + 1, span.start + 1..span.end].map(|span| Word { token: Token::Gt, span }),
                ),
                token => list.push(Word { token, span }),
            }
        }
        Ok(Words { list, comments })
    }
}

/// Lines and columns, which never go back, to bytes.
struct Offsets<'a> {
    text: &'a str,
    at: usize,
    line: u64,
    column: u64,
}

impl<'a> Offsets<'a> {
    fn new(text: &'a str) -> Offsets<'a> {
        Offsets { text, at: 0, line: 1, column: 1 }
    }

    fn of(&mut self, location: Location) -> usize {
        for c in self.text[self.at..].chars() {
            if (self.line, self.column) >= (location.line, location.column) {
                break;
            }
            self.at += c.len_utf8();
            (self.line, self.column) = if c == '\n' { (self.line + 1, 1) } else { (self.line, self.column + 1) };
        }
        self.at
    }
}

/// Reads words in their order; stops at the first mistake that leaves it without a footing, gathers the others.
struct Reader<'a> {
    text: &'a str,
    words: &'a [Word],
    at: usize,
    errors: Vec<DdlError>,
}

/// The clauses behind the columns, in the order of Hive's grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Clause {
    Comment,
    PartitionedBy,
    Skewed,
    RowFormat,
    StoredAs,
    Location,
    Properties,
}

/// What the clauses said so far.
#[derive(Default)]
struct Clauses {
    spans: Vec<(Clause, Range<usize>)>,
    comment: Option<String>,
    partitioned_by: Vec<Column>,
    serde: Option<String>,
    serde_properties: Vec<(String, String)>,
    stored_as: Option<StoredAs>,
    location: Option<String>,
    properties: Vec<(String, String)>,
    property_entries: Vec<Range<usize>>,
}

enum StoredAs {
    /// `PARQUET` and so on, in upper case.
    Name(String),
    InputFormat(String),
}

impl Reader<'_> {
    fn statement(&mut self) -> Result<CreateTable, DdlError> {
        let (head, database, name) = self.head()?;
        let columns = if self.eat(&Token::LParen) { self.columns()? } else { Vec::new() };
        let columns_end = self.previous_end();
        let mut clauses = Clauses::default();
        while self.peek().is_some_and(|word| word.token != Token::SemiColon) {
            self.clause(&mut clauses)?;
        }
        let end = self.previous_end();
        while self.eat(&Token::SemiColon) {}
        if let Some(word) = self.peek() {
            let span = word.span.clone();
            return Err(self.error_at(span, "one CREATE TABLE statement is read, this begins another", None));
        }
        self.refuse_what_is_no_plain_table(&clauses);
        let spans = clauses.spans(head, columns_end, end);
        let (format, unknown_input_format) = clauses.format();
        Ok(CreateTable {
            database,
            name,
            columns,
            partitioned_by: clauses.partitioned_by,
            comment: clauses.comment,
            format,
            serde_stated: clauses.serde.is_some(),
            unknown_input_format,
            location: clauses.location,
            properties: clauses.properties,
            spans,
        })
    }

    /// `CREATE EXTERNAL TABLE IF NOT EXISTS db.name`.
    fn head(&mut self) -> Result<(Range<usize>, Option<String>, String), DdlError> {
        const EXAMPLE: &str = "CREATE EXTERNAL TABLE name (…) … LOCATION 's3://…/'";
        let start = self.peek().map_or(0, |word| word.span.start);
        if !self.eat_word("CREATE") {
            return Err(self.expected("CREATE EXTERNAL TABLE", Some(EXAMPLE)));
        }
        for kind in ["TEMPORARY", "TRANSACTIONAL", "MANAGED"] {
            if self.next_is(kind) {
                let span = self.span_here();
                return Err(self.error_at(
                    span,
                    format!("a {} table has no symlinks", kind.to_lowercase()),
                    Some(EXAMPLE),
                ));
            }
        }
        self.eat_word("EXTERNAL");
        if !self.eat_word("TABLE") {
            return Err(self.expected("TABLE", Some(EXAMPLE)));
        }
        if self.eat_word("IF") && !(self.eat_word("NOT") && self.eat_word("EXISTS")) {
            return Err(self.expected("IF NOT EXISTS", None));
        }
        let mut name = self.name("the table's name")?;
        let mut database = None;
        while self.eat(&Token::Period) {
            database = Some(std::mem::replace(&mut name, self.name("the table's name")?));
        }
        Ok((start..self.previous_end(), database, name))
    }

    /// Columns up to and with `)`. A constraint of Hive's is stepped over.
    fn columns(&mut self) -> Result<Vec<Column>, DdlError> {
        let mut columns = Vec::new();
        while !self.eat(&Token::RParen) {
            if ["CONSTRAINT", "PRIMARY", "FOREIGN", "UNIQUE", "CHECK"]
                .iter()
                .any(|word| self.bare_word_before_key(word))
            {
                self.skip_to_end_of_item();
            } else {
                columns.push(self.column()?);
            }
            if !self.eat(&Token::Comma) && !self.next_is_token(&Token::RParen) {
                return Err(self.expected("`,` or `)`", None));
            }
        }
        Ok(columns)
    }

    fn column(&mut self) -> Result<Column, DdlError> {
        let name = self.name("a column's name")?.to_lowercase();
        let ddl_type = self.data_type()?;
        let mut comment = None;
        while !self.next_is_token(&Token::Comma) && !self.next_is_token(&Token::RParen) {
            if self.eat_word("COMMENT") {
                comment = Some(self.literal("a comment")?);
            } else if self.peek().is_none() {
                return Err(self.expected("`,` or `)`", None));
            } else {
                self.skip_one();
            }
        }
        Ok(Column { name, ddl_type, comment })
    }

    /// A type, printed without white space but where words need it.
    fn data_type(&mut self) -> Result<String, DdlError> {
        let start = self.at;
        let name = match self.peek() {
            Some(Word { token: Token::Word(word), .. }) if word.quote_style.is_none() => word.value.to_lowercase(),
            _ => return Err(self.expected("a type", None)),
        };
        self.at += 1;
        let mut out = match name.as_str() {
            "integer" => "int".to_owned(),
            "real" => "float".to_owned(),
            "double" => {
                self.eat_word("PRECISION");
                name.clone()
            }
            _ => name.clone(),
        };
        match name.as_str() {
            "array" | "map" | "struct" | "uniontype" => self.nested_type(&name, &mut out)?,
            "decimal" | "numeric" | "varchar" | "char" if self.eat(&Token::LParen) => self.type_arguments(&mut out)?,
            "timestamp" if self.next_is("WITH") => {
                self.at += 1;
                out += " with";
                while ["LOCAL", "TIME", "ZONE"].iter().any(|word| self.next_is(word)) {
                    out += &format!(" {}", self.words[self.at].token.to_string().to_lowercase());
                    self.at += 1;
                }
            }
            _ if KNOWN_TYPES.contains(&name.as_str()) => {}
            _ => {
                let span = self.words[start].span.clone();
                let help = near_type(&name).map(|near| format!("did you mean `{near}`?"));
                return Err(self.error_at(span, format!("there is no type `{name}`"), help.as_deref()));
            }
        }
        Ok(out)
    }

    /// `<…>` of `array`, `map`, `struct` and `uniontype`.
    fn nested_type(&mut self, name: &str, out: &mut String) -> Result<(), DdlError> {
        if !self.eat(&Token::Lt) {
            return Err(self.expected(&format!("`<` behind `{name}`"), None));
        }
        out.push('<');
        let mut parts = 0;
        loop {
            if parts > 0 {
                out.push(',');
            }
            if name == "struct" {
                let raw = self.span_here();
                self.name("a field's name")?;
                out.push_str(&self.text[raw]);
                if !self.eat(&Token::Colon) {
                    return Err(self.expected("`:` between a field and its type", None));
                }
                out.push(':');
            }
            *out += &self.data_type()?;
            if name == "struct" && self.eat_word("COMMENT") {
                let raw = self.span_here();
                self.literal("a comment")?;
                *out += &format!(" COMMENT {}", &self.text[raw]);
            }
            parts += 1;
            if !self.eat(&Token::Comma) {
                break;
            }
        }
        let (least, most) = match name {
            "array" => (1, 1),
            "map" => (2, 2),
            _ => (1, usize::MAX),
        };
        if !(least..=most).contains(&parts) {
            return Err(
                self.expected(&format!("{least} inner type{} in `{name}`", if least == 1 { "" } else { "s" }), None)
            );
        }
        if !self.eat(&Token::Gt) {
            return Err(self.expected("`>`", None));
        }
        out.push('>');
        Ok(())
    }

    /// `(10,2)`.
    fn type_arguments(&mut self, out: &mut String) -> Result<(), DdlError> {
        out.push('(');
        loop {
            match self.peek().map(|word| &word.token) {
                Some(Token::Number(digits, _)) => out.push_str(digits),
                _ => return Err(self.expected("a number", None)),
            }
            self.at += 1;
            if self.eat(&Token::RParen) {
                out.push(')');
                return Ok(());
            }
            if !self.eat(&Token::Comma) {
                return Err(self.expected("`,` or `)`", None));
            }
            out.push(',');
        }
    }

    /// One clause behind the columns, or one word of a clause that is not known.
    fn clause(&mut self, clauses: &mut Clauses) -> Result<(), DdlError> {
        let start = self.span_here().start;
        let known = if self.eat_word("COMMENT") {
            clauses.comment = Some(self.literal("a comment")?);
            Clause::Comment
        } else if self.eat_words(&["PARTITIONED", "BY"]) {
            self.need(&Token::LParen, "`(`")?;
            clauses.partitioned_by = self.columns()?;
            Clause::PartitionedBy
        } else if self.eat_words(&["SKEWED", "BY"]) {
            self.skewed();
            Clause::Skewed
        } else if self.eat_words(&["ROW", "FORMAT"]) {
            self.row_format(clauses)?;
            Clause::RowFormat
        } else if self.eat_words(&["STORED", "AS"]) {
            clauses.stored_as = Some(self.stored_as()?);
            Clause::StoredAs
        } else if self.eat_word("LOCATION") {
            clauses.location = Some(self.literal("a location")?);
            Clause::Location
        } else if self.eat_word("TBLPROPERTIES") {
            (clauses.properties, clauses.property_entries) = self.properties()?;
            Clause::Properties
        } else {
            return self.unknown_clause(start);
        };
        let span = start..self.previous_end();
        if clauses.spans.iter().any(|(clause, _)| *clause == known) {
            let again = self.error_at(span.clone(), "this clause stands here twice", None);
            self.errors.push(again);
        }
        clauses.spans.push((known, span));
        Ok(())
    }

    /// Steps over a word that begins no clause known here, with its parentheses; names those that a symlink table
    /// cannot have.
    fn unknown_clause(&mut self, start: usize) -> Result<(), DdlError> {
        let refused: [(&[&str], &str, Option<&str>); 7] = [
            (
                &["CLUSTERED", "BY"],
                "a bucketed table cannot be read through symlinks",
                Some("take the CLUSTERED BY clause out"),
            ),
            (&["STORED", "BY"], "a table that a storage handler reads has no symlinks", None),
            (
                &["AS", "SELECT"],
                "a table made by AS SELECT has no files of its own yet",
                Some("give its columns instead"),
            ),
            (&["AS", "WITH"], "a table made by AS WITH has no files of its own yet", Some("give its columns instead")),
            (&["LIKE"], "LIKE says no columns", Some("give the columns instead")),
            (&["USING"], "this is a Spark data source table", Some("write it with ROW FORMAT and STORED AS")),
            (&["DUPLICATE", "KEY"], "this is no table of Athena's or Hive's", None),
        ];
        for (words, message, help) in refused {
            if self.eat_words(words) {
                let error = self.error_at(start..self.previous_end(), message, help);
                self.errors.push(error);
                if words[0] == "AS" {
                    self.at = self.words.len();
                }
                return Ok(());
            }
        }
        self.skip_one();
        Ok(())
    }

    /// `(a) ON ((1),(2)) STORED AS DIRECTORIES`, all behind the words SKEWED BY.
    fn skewed(&mut self) {
        if self.next_is_token(&Token::LParen) {
            self.skip_one();
        }
        if self.eat_word("ON") && self.next_is_token(&Token::LParen) {
            self.skip_one();
        }
        self.eat_words(&["STORED", "AS", "DIRECTORIES"]);
    }

    fn row_format(&mut self, clauses: &mut Clauses) -> Result<(), DdlError> {
        if self.eat_word("SERDE") {
            clauses.serde = Some(self.literal("a serde's class")?);
            if self.eat_words(&["WITH", "SERDEPROPERTIES"]) {
                clauses.serde_properties = self.properties()?.0;
            }
            return Ok(());
        }
        if !self.eat_word("DELIMITED") {
            return Err(self.expected("SERDE or DELIMITED", None));
        }
        let forms: [(&[&str], &[&str]); 6] = [
            (&["FIELDS", "TERMINATED", "BY"], &["field.delim", "serialization.format"]),
            (&["ESCAPED", "BY"], &["escape.delim"]),
            (&["COLLECTION", "ITEMS", "TERMINATED", "BY"], &["collection.delim"]),
            (&["MAP", "KEYS", "TERMINATED", "BY"], &["mapkey.delim"]),
            (&["LINES", "TERMINATED", "BY"], &["line.delim"]),
            (&["NULL", "DEFINED", "AS"], &["serialization.null.format"]),
        ];
        while let Some((_, keys)) = forms.iter().find(|(words, _)| self.eat_words(words)) {
            let value = self.literal("a character in quotes")?;
            clauses.serde_properties.extend(keys.iter().map(|key| ((*key).to_owned(), value.clone())));
        }
        Ok(())
    }

    fn stored_as(&mut self) -> Result<StoredAs, DdlError> {
        if self.eat_word("INPUTFORMAT") {
            let class = self.literal("an input format's class")?;
            for word in ["OUTPUTFORMAT", "INPUTDRIVER", "OUTPUTDRIVER"] {
                if self.eat_word(word) {
                    self.literal("a class")?;
                } else if word == "OUTPUTFORMAT" {
                    return Err(self.expected("OUTPUTFORMAT, which goes with INPUTFORMAT", None));
                }
            }
            return Ok(StoredAs::InputFormat(class));
        }
        Ok(StoredAs::Name(self.name("a file format")?.to_uppercase()))
    }

    /// `('a' = 'b', …)`, with the span of each entry.
    #[allow(clippy::type_complexity)]
    fn properties(&mut self) -> Result<(Vec<(String, String)>, Vec<Range<usize>>), DdlError> {
        self.need(&Token::LParen, "`(`")?;
        let (mut pairs, mut entries) = (Vec::new(), Vec::new());
        while !self.eat(&Token::RParen) {
            let start = self.span_here().start;
            let key = self.literal("a property's name in quotes")?;
            self.need(&Token::Eq, "`=`")?;
            let value = self.literal("a property's value in quotes")?;
            pairs.push((key, value));
            entries.push(start..self.previous_end());
            if !self.eat(&Token::Comma) && !self.next_is_token(&Token::RParen) {
                return Err(self.expected("`,` or `)`", None));
            }
        }
        Ok((pairs, entries))
    }

    fn refuse_what_is_no_plain_table(&mut self, clauses: &Clauses) {
        for ((key, value), span) in clauses.properties.iter().zip(&clauses.property_entries) {
            let is = |name: &str, what: &str| key.eq_ignore_ascii_case(name) && value.eq_ignore_ascii_case(what);
            let message = if is("table_type", "ICEBERG") {
                "an Iceberg table lists its own files: symlinks would show removed rows"
            } else if is("transactional", "true") {
                "a transactional table cannot be read through symlinks"
            } else {
                continue;
            };
            let error = self.error_at(span.clone(), message, None);
            self.errors.push(error);
        }
    }

    // Words.

    fn peek(&self) -> Option<&Word> {
        self.words.get(self.at)
    }

    fn next_is_token(&self, token: &Token) -> bool {
        self.peek().is_some_and(|word| word.token == *token)
    }

    fn next_is(&self, keyword: &str) -> bool {
        self.is_keyword(self.at, keyword)
    }

    /// Whether the word there is that one, in any case and without backticks.
    fn is_keyword(&self, at: usize, keyword: &str) -> bool {
        matches!(self.words.get(at), Some(Word { token: Token::Word(word), .. })
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(keyword))
    }

    /// Whether a table constraint begins here: `primary key`, `constraint x …`; a column called so has a type behind it.
    fn bare_word_before_key(&self, keyword: &str) -> bool {
        if !self.next_is(keyword) {
            return false;
        }
        match keyword {
            "PRIMARY" | "FOREIGN" => self.is_keyword(self.at + 1, "KEY"),
            "UNIQUE" | "CHECK" => matches!(self.words.get(self.at + 1), Some(word) if word.token == Token::LParen),
            _ => ["PRIMARY", "FOREIGN", "UNIQUE", "CHECK"].iter().any(|word| self.is_keyword(self.at + 2, word)),
        }
    }

    fn eat(&mut self, token: &Token) -> bool {
        let is = self.next_is_token(token);
        self.at += usize::from(is);
        is
    }

    fn eat_word(&mut self, keyword: &str) -> bool {
        self.eat_words(&[keyword])
    }

    fn eat_words(&mut self, keywords: &[&str]) -> bool {
        let are = keywords.iter().enumerate().all(|(i, keyword)| self.is_keyword(self.at + i, keyword));
        if are {
            self.at += keywords.len();
        }
        are
    }

    fn need(&mut self, token: &Token, what: &str) -> Result<(), DdlError> {
        if self.eat(token) { Ok(()) } else { Err(self.expected(what, None)) }
    }

    /// A name, in backticks or not.
    fn name(&mut self, what: &str) -> Result<String, DdlError> {
        match self.peek() {
            Some(Word { token: Token::Word(word), span }) => {
                let name = match word.quote_style {
                    Some(_) => unquote_identifier(&self.text[span.clone()]),
                    None => word.value.clone(),
                };
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.expected(what, None)),
        }
    }

    /// One or more string literals in a row, as Hive reads them.
    fn literal(&mut self, what: &str) -> Result<String, DdlError> {
        let mut value = String::new();
        let first = self.at;
        while let Some(Word { token: Token::SingleQuotedString(_) | Token::DoubleQuotedString(_), span }) = self.peek()
        {
            let raw = &self.text[span.clone()];
            value +=
                &unquote_literal(raw).ok_or_else(|| self.error_at(span.clone(), "this literal does not end", None))?;
            self.at += 1;
        }
        if self.at == first { Err(self.expected(what, None)) } else { Ok(value) }
    }

    /// Steps over a word, or over parentheses with all that stands in them.
    fn skip_one(&mut self) {
        let mut depth = 0usize;
        while let Some(word) = self.peek() {
            match word.token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    fn skip_to_end_of_item(&mut self) {
        while self.peek().is_some() && !self.next_is_token(&Token::Comma) && !self.next_is_token(&Token::RParen) {
            self.skip_one();
        }
    }

    fn span_here(&self) -> Range<usize> {
        self.peek().map_or(self.text.len()..self.text.len(), |word| word.span.clone())
    }

    fn previous_end(&self) -> usize {
        self.at.checked_sub(1).and_then(|at| self.words.get(at)).map_or(0, |word| word.span.end)
    }

    fn expected(&self, what: &str, help: Option<&str>) -> DdlError {
        let span = self.span_here();
        let message = match &self.text[span.clone()] {
            "" => format!("{what} is expected, the text ends"),
            found => format!("{what} is expected, `{found}` stands here"),
        };
        self.error_at(span, message, help)
    }

    fn error_at(&self, span: Range<usize>, message: impl Into<String>, help: Option<&str>) -> DdlError {
        make_error(self.text, span, message.into(), help)
    }
}

impl Clauses {
    fn spans(&self, head: Range<usize>, columns_end: usize, end: usize) -> Spans {
        // A missing clause goes behind the last of those that come before it.
        let span = |clause: Clause| {
            let present = self.spans.iter().find(|(one, _)| *one == clause).map(|(_, span)| span.clone());
            let before = self.spans.iter().filter(|(one, _)| *one < clause).map(|(_, span)| span.end);
            let at = before.max().unwrap_or(columns_end);
            present.unwrap_or(at..at)
        };
        Spans {
            head,
            partitioned_by: span(Clause::PartitionedBy),
            row_format: span(Clause::RowFormat),
            stored_as: span(Clause::StoredAs),
            location: span(Clause::Location),
            properties: span(Clause::Properties),
            property_entries: self.property_entries.clone(),
            comments: Vec::new(),
            end,
        }
    }

    /// The serde that Hive would take, and the input format if it is one that a symlink cannot stand in for.
    fn format(&self) -> (Format, Option<String>) {
        let (default_serde, unknown) = match &self.stored_as {
            None => (LAZY_SIMPLE_SERDE, None),
            Some(StoredAs::Name(name)) => match name.as_str() {
                "TEXTFILE" => (LAZY_SIMPLE_SERDE, None),
                "PARQUET" | "PARQUETFILE" => (format::PARQUET_SERDE, None),
                "ORC" | "ORCFILE" => (format::ORC_SERDE, None),
                "AVRO" | "AVROFILE" => (format::AVRO_SERDE, None),
                "JSONFILE" => (format::HIVE_JSON_SERDE, None),
                _ => (LAZY_SIMPLE_SERDE, Some(name.clone())),
            },
            Some(StoredAs::InputFormat(class)) => {
                (LAZY_SIMPLE_SERDE, (!KNOWN_INPUT_FORMATS.contains(&class.as_str())).then(|| class.clone()))
            }
        };
        let serde = self.serde.clone().unwrap_or_else(|| default_serde.to_owned());
        let header = self.properties.iter().find(|(key, _)| key == HEADER_LINES);
        let format = Format {
            kind: format::kind_of_serde(&serde),
            serde,
            serde_properties: self.serde_properties.clone(),
            header_lines: header.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0),
        };
        (format, unknown)
    }
}

/// Input formats whose data a symlink table reads by its serde.
const KNOWN_INPUT_FORMATS: [&str; 6] = [
    "org.apache.hadoop.mapred.TextInputFormat",
    "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat",
    "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "parquet.hive.DeprecatedParquetInputFormat",
    "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat",
    "org.apache.hadoop.hive.ql.io.avro.AvroContainerInputFormat",
];

const KNOWN_TYPES: [&str; 18] = [
    "tinyint",
    "smallint",
    "int",
    "integer",
    "bigint",
    "boolean",
    "float",
    "real",
    "double",
    "decimal",
    "numeric",
    "string",
    "varchar",
    "char",
    "binary",
    "date",
    "timestamp",
    "void",
];

fn near_type(name: &str) -> Option<&'static str> {
    let known_elsewhere = match name {
        "text" | "str" => Some("string"),
        "long" | "int64" | "uint64" => Some("bigint"),
        "short" | "int16" => Some("smallint"),
        "byte" | "int8" => Some("tinyint"),
        "int32" => Some("int"),
        "bool" => Some("boolean"),
        "datetime" => Some("timestamp"),
        "row" => Some("struct"),
        _ => None,
    };
    known_elsewhere.or_else(|| KNOWN_TYPES.into_iter().find(|known| strsim::damerau_levenshtein(name, known) == 1))
}

fn make_error(text: &str, span: Range<usize>, message: String, help: Option<&str>) -> DdlError {
    let before = &text[..span.start];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    DdlError {
        message,
        line: count(before.bytes().filter(|b| *b == b'\n').count() + 1),
        column: count(text[line_start..span.start].chars().count() + 1),
        span,
        help: help.map(str::to_owned),
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::table::FormatKind;

    fn names(columns: &[Column]) -> Vec<String> {
        columns.iter().map(|column| format!("{} {}", column.name, column.ddl_type)).collect()
    }

    fn message(text: &str) -> String {
        let errors = read(text).unwrap_err();
        errors.iter().map(|e| format!("{}:{} {}", e.line, e.column, e.message)).collect::<Vec<_>>().join("; ")
    }

    const SHOWN: &str = r"CREATE EXTERNAL TABLE `default.taxes`(
  `Id` bigint COMMENT 'it\'s; an id', -- a note; with a semicolon
  `m` map<string,array<struct<`Odd Name`:int,b:decimal(10, 2) COMMENT 'x'>>>,
  amount DOUBLE PRECISION)
COMMENT 'all ''joined'' up'
PARTITIONED BY (
  `region` string COMMENT 'where')
ROW FORMAT DELIMITED
  FIELDS TERMINATED BY '\001' ESCAPED BY '\\'
  COLLECTION ITEMS TERMINATED BY '\u0002'
  MAP KEYS TERMINATED BY ':'
  LINES TERMINATED BY '\n'
  NULL DEFINED AS '\\N'
STORED AS INPUTFORMAT
  'org.apache.hadoop.mapred.TextInputFormat'
OUTPUTFORMAT
  'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION
  's3://old/place/'
TBLPROPERTIES (
  'skip.header.line.count'='2',
  'transient_lastDdlTime'='1700000000');
-- that is all
";

    #[test]
    fn what_show_create_table_prints_is_read_whole() {
        let table = read(SHOWN).unwrap();
        assert_eq!((table.database.as_deref(), table.name.as_str()), (None, "default.taxes"));
        assert_eq!(
            names(&table.columns),
            ["id bigint", "m map<string,array<struct<`Odd Name`:int,b:decimal(10,2) COMMENT 'x'>>>", "amount double"]
        );
        assert_eq!(table.columns[0].comment.as_deref(), Some("it's; an id"));
        assert_eq!(names(&table.partitioned_by), ["region string"]);
        assert_eq!(table.comment.as_deref(), Some("all joined up"));
        let property = |key: &str| {
            let found = table.format.serde_properties.iter().find(|(name, _)| name == key);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(property("field.delim"), Some("\u{1}"));
        assert_eq!(property("escape.delim"), Some("\\"));
        assert_eq!(property("collection.delim"), Some("\u{2}"));
        assert_eq!(property("serialization.null.format"), Some("\\N"));
        assert_eq!((table.format.kind, table.format.header_lines), (FormatKind::Csv, 2));
        assert_eq!((table.serde_stated, table.unknown_input_format.as_deref()), (false, None));
        assert_eq!(table.location.as_deref(), Some("s3://old/place/"));
        assert_eq!(table.properties[1].0, "transient_lastDdlTime");
        assert!(SHOWN[table.spans.location.clone()].starts_with("LOCATION"));
        assert!(SHOWN[..table.spans.end].ends_with("'1700000000')"));
        assert_eq!(table.spans.comments.len(), 1);
    }

    #[test]
    fn clauses_that_are_missing_have_a_place() {
        let text = "create table if not exists Db.t (a int) partitioned by (p date) tblproperties ('a'='b')";
        let table = read(text).unwrap();
        assert_eq!((table.database.as_deref(), table.name.as_str()), (Some("Db"), "t"));
        assert_eq!(&text[table.spans.head.clone()], "create table if not exists Db.t");
        for span in [&table.spans.row_format, &table.spans.stored_as, &table.spans.location] {
            assert!(span.is_empty() && text[..span.start].ends_with("(p date)"), "{span:?}");
        }
        let bare = read("CREATE EXTERNAL TABLE t (a int)").unwrap();
        assert_eq!(bare.spans.properties, 31..31);
    }

    #[test]
    fn file_formats_mean_their_serdes() {
        let serde = |clause: &str| {
            let table = read(&format!("CREATE EXTERNAL TABLE t (a int) {clause} LOCATION 's3://b/'")).unwrap();
            (table.format.kind, table.unknown_input_format)
        };
        assert_eq!(serde(""), (FormatKind::Csv, None));
        assert_eq!(serde("STORED AS TEXTFILE"), (FormatKind::Csv, None));
        assert_eq!(serde("STORED AS parquet"), (FormatKind::Parquet, None));
        assert_eq!(serde("STORED AS ORC"), (FormatKind::Orc, None));
        assert_eq!(serde("STORED AS AVRO"), (FormatKind::Avro, None));
        assert_eq!(serde("STORED AS JSONFILE"), (FormatKind::Json, None));
        assert_eq!(serde("STORED AS SEQUENCEFILE"), (FormatKind::Csv, Some("SEQUENCEFILE".to_owned())));
        assert_eq!(
            serde(
                "ROW FORMAT SERDE 'com.x.Y' WITH SERDEPROPERTIES (\"a\" = 'b') STORED AS INPUTFORMAT 'i.F' OUTPUTFORMAT 'o.F'"
            ),
            (FormatKind::Other, Some("i.F".to_owned()))
        );
        assert_eq!(
            serde("ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' STORED AS TEXTFILE"),
            (FormatKind::Json, None)
        );
    }

    #[test]
    fn unknown_clauses_and_constraints_are_stepped_over() {
        let text = "CREATE EXTERNAL TABLE t (a int NOT NULL DEFAULT 0, primary string, PRIMARY KEY (a) DISABLE NOVALIDATE, \
                    CONSTRAINT c CHECK (a > 0), b date) SKEWED BY (a) ON ((1),(2)) STORED AS DIRECTORIES \
                    FROBNICATED WITH ('x', (1)) STORED AS ORC";
        let table = read(text).unwrap();
        assert_eq!(names(&table.columns), ["a int", "primary string", "b date"]);
        assert_eq!(table.format.kind, FormatKind::Orc);
        assert_eq!(&text[table.spans.stored_as], "STORED AS ORC");
    }

    #[test]
    fn what_is_no_plain_table_is_refused() {
        let with = |rest: &str| message(&format!("CREATE EXTERNAL TABLE t (a int)\n{rest}"));
        assert!(with("CLUSTERED BY (a) SORTED BY (a) INTO 4 BUCKETS").starts_with("2:1 a bucketed table"));
        assert!(with("STORED BY 'x.Handler'").contains("storage handler"));
        assert!(with("AS SELECT 1").contains("AS SELECT"));
        assert!(with("USING parquet").contains("Spark"));
        assert!(with("TBLPROPERTIES ('table_type'='iceberg')").contains("Iceberg"));
        assert!(with("TBLPROPERTIES ('transactional'='true')").contains("transactional"));
        assert!(with("; SELECT 1").contains("begins another"));
        assert!(with("STORED AS ORC STORED AS AVRO").contains("twice"));
        assert!(message("CREATE TABLE t LIKE u").contains("LIKE"));
        assert!(message("SELECT 1").starts_with("1:1 CREATE EXTERNAL TABLE is expected, `SELECT`"));
        assert!(message("").contains("the text ends"));
    }

    #[test]
    fn mistakes_have_their_place() {
        assert_eq!(message("CREATE EXTERNAL TABLE t (\n  é int,\n  b strng)"), "3:5 there is no type `strng`");
        let errors = read("CREATE EXTERNAL TABLE t (a strng)").unwrap_err();
        assert_eq!((errors[0].help.as_deref(), errors[0].span.clone()), (Some("did you mean `string`?"), 27..32));
        assert!(message("CREATE EXTERNAL TABLE t (a int) LOCATION 's3://open").contains("nterminated"));
        assert!(message("CREATE EXTERNAL TABLE t (a array<int)").contains("`>`"));
        assert!(message("CREATE EXTERNAL TABLE t (a int").contains("the text ends"));
        assert!(message("CREATE EXTERNAL TABLE t (a int) PARTITIONED BY (day(ts))").contains("a type is expected"));
    }

    #[test]
    fn types_are_printed_as_athena_writes_them() {
        let printed = |text: &str| column_type(text).unwrap();
        assert_eq!(printed(" INTEGER "), "int");
        assert_eq!(
            printed("ARRAY< STRUCT<A : REAL, b:array<array<int>>> >"),
            "array<struct<A:float,b:array<array<int>>>>"
        );
        assert_eq!(printed("decimal( 10 , 2 )"), "decimal(10,2)");
        assert_eq!(printed("timestamp with local time zone"), "timestamp with local time zone");
        for wrong in ["", "int)", "array<int", "map<string>", "struct<a int>", "int; DROP TABLE t", "'x'", "varchar(a)"]
        {
            assert!(column_type(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn literals_are_hives() {
        let read = |text: &str| unquote_literal(text);
        assert_eq!(read(r"'a\'b\\c\n\t\001\u00e9\x\%\_'").unwrap(), "a'b\\c\n\t\u{1}éx\\%\\_");
        assert_eq!(read("\"it's\"").unwrap(), "it's");
        assert_eq!(read("'a''b'").unwrap(), "ab");
        assert_eq!(read("'open"), None);
        assert_eq!(read("bare"), None);
    }
}
