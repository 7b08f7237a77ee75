//! The user's own `CREATE EXTERNAL TABLE`, Athena's or Hive's: read into the rule model, with spans for what is replaced.
//!
//! sqlparser's tokenizer under a dialect of ours cuts the text; the clauses are read here, since no dialect of sqlparser
//! knows all of them, and one that nobody knows is stepped over and stays in the text. Nothing is executed or printed.

use std::ops::Range;

use sqlparser::dialect::{Dialect, HiveDialect};
use sqlparser::tokenizer::{Location, Token, Tokenizer, Whitespace};

use super::column::MAX_NAME_BYTES;
use super::ddl_type;
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
    /// `COMMENT '…'` of the table.
    pub comment: Range<usize>,
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
    /// Pieces of column types that Athena takes only as the text beside them.
    pub respelled: Vec<(Range<usize>, String)>,
    /// Comments from the head to the end.
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
    /// What to write at the caret; may be empty.
    pub label: String,
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

/// Reads the one `CREATE TABLE` statement of a script. Statements that only stand round it (`USE`, `CREATE DATABASE`,
/// `MSCK REPAIR`, `ALTER TABLE … ADD PARTITION` and the like) are stepped over.
///
/// # Errors
/// Every mistake that could be found: text without such a statement, and tables that no symlink table can stand for
/// (bucketed, stored by a handler, transactional, of Iceberg, Delta or Hudi, made by `AS SELECT` or `LIKE`).
pub fn read(text: &str) -> Result<CreateTable, Vec<DdlError>> {
    let mut words = Words::cut(text).map_err(|error| vec![error])?;
    let list = words.create_table(text).map_err(|error| vec![error])?;
    let mut reader = Reader { text, words: &words.list[list], at: 0, respelled: Vec::new(), errors: Vec::new() };
    reader.refuse_table_formats();
    if !reader.errors.is_empty() {
        // What their clauses say is not Hive's, and every further mistake would follow from that.
        return Err(reader.errors);
    }
    let statement = reader.statement();
    let (mut errors, mut respelled) = (reader.errors, reader.respelled);
    let mut table = match statement {
        Ok(table) if errors.is_empty() => table,
        Ok(_) => return Err(errors),
        Err(error) => {
            errors.push(error);
            return Err(errors);
        }
    };
    let (start, end) = (table.spans.head.start, table.spans.end);
    let is_inside = |span: &Range<usize>| start <= span.start && span.end <= end;
    respelled.extend(words.odd_spaces.drain(..).map(|span| (span, " ".to_owned())));
    respelled.retain(|(span, _)| is_inside(span));
    table.spans.respelled = respelled;
    table.spans.comments = words.comments.into_iter().filter(is_inside).collect();
    Ok(table)
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
    /// White space that only Unicode calls so, such as a copied page's no-break spaces; engines refuse it.
    odd_spaces: Vec<Range<usize>>,
}

impl Words {
    fn cut(text: &str) -> Result<Words, DdlError> {
        let tokens = Tokenizer::new(&AthenaDialect, text).with_unescape(false).tokenize_with_location();
        let tokens = tokens.map_err(|error| {
            let at = Offsets::new(text).of(error.location);
            let next = text[at..].chars().next().map_or(0, char::len_utf8);
            make_error(at..at + next, lower_first(&error.message), None)
        })?;
        let mut offsets = Offsets::new(text);
        let mut words = Words { list: Vec::new(), comments: Vec::new(), odd_spaces: Vec::new() };
        for token in tokens {
            let span = offsets.of(token.span.start)..offsets.of(token.span.end);
            match token.token {
                Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => {
                    words.comments.push(span);
                }
                _ if text[span.clone()].chars().all(|c| c.is_whitespace() || c == BYTE_ORDER_MARK) => {
                    if !text[span.clone()].is_ascii() {
                        words.odd_spaces.push(span);
                    }
                }
                token => words.list.push(Word { token, span }),
            }
        }
        Ok(words)
    }

    /// Which words are the script's one CREATE TABLE statement.
    fn create_table(&self, text: &str) -> Result<Range<usize>, DdlError> {
        let ends = (0..self.list.len()).filter(|at| self.list[*at].token == Token::SemiColon);
        let mut found = None;
        let mut start = 0;
        for end in ends.chain([self.list.len()]) {
            let reader =
                Reader { text, words: &self.list[start..end], at: 0, respelled: Vec::new(), errors: Vec::new() };
            let range = start..end;
            start = end + 1;
            if reader.words.is_empty() || reader.stands_beside() {
                continue;
            }
            if found.is_some() {
                let help = "keep one CREATE TABLE in the file";
                return Err(reader.error_at(
                    reader.span_here(),
                    "one CREATE TABLE statement is read, this is another",
                    Some(help),
                ));
            }
            found = Some(range);
        }
        // Nothing but what stands beside such a statement.
        found.ok_or_else(|| {
            let reader = Reader { text, words: &self.list, at: 0, respelled: Vec::new(), errors: Vec::new() };
            reader.expected("CREATE EXTERNAL TABLE", Some(EXAMPLE))
        })
    }
}

const BYTE_ORDER_MARK: char = '\u{feff}';

const EXAMPLE: &str = "write\nCREATE EXTERNAL TABLE name (…) … LOCATION 's3://…/'";

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
    /// As [`Spans::respelled`].
    respelled: Vec<(Range<usize>, String)>,
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
    properties: Properties,
}

/// `('a' = 'b', …)`, and the span of each entry.
#[derive(Default)]
struct Properties {
    pairs: Vec<(String, String)>,
    spans: Vec<Range<usize>>,
}

enum StoredAs {
    /// `PARQUET` and so on, in upper case.
    Name(String),
    InputFormat(String),
}

impl Reader<'_> {
    /// Whether the statement only stands round the CREATE TABLE of a script: it says nothing about the table.
    fn stands_beside(&self) -> bool {
        let openers: [&[&str]; 13] = [
            &["CREATE", "DATABASE"],
            &["CREATE", "SCHEMA"],
            &["USE"],
            &["SET"],
            &["DROP"],
            &["MSCK"],
            &["REPAIR"],
            &["ANALYZE"],
            &["SELECT"],
            &["SHOW"],
            &["DESCRIBE"],
            &["DESC"],
            &["REFRESH"],
        ];
        let begins = |words: &&[&str]| words.iter().enumerate().all(|(at, word)| self.is_keyword(at, word));
        let is_of_partitions = || {
            let names = |word: &str| (0..self.words.len()).any(|at| self.is_keyword(at, word));
            self.is_keyword(0, "ALTER")
                && (names("PARTITION") || names("PARTITIONS"))
                && ["ADD", "DROP", "RECOVER"].into_iter().any(names)
        };
        openers.iter().any(begins) || is_of_partitions()
    }

    fn statement(&mut self) -> Result<CreateTable, DdlError> {
        let (head, database, name) = self.head()?;
        let columns = if self.eat(&Token::LParen) { self.columns()? } else { Vec::new() };
        let columns_end = self.previous_end();
        let mut clauses = Clauses::default();
        while self.peek().is_some() {
            self.clause(&mut clauses)?;
        }
        let spans = clauses.spans(head, columns_end, self.previous_end());
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
            properties: clauses.properties.pairs,
            spans,
        })
    }

    /// `CREATE EXTERNAL TABLE IF NOT EXISTS db.name`.
    fn head(&mut self) -> Result<(Range<usize>, Option<String>, String), DdlError> {
        let start = self.peek().map_or(0, |word| word.span.start);
        if !self.eat_word("CREATE") {
            return Err(self.expected("CREATE EXTERNAL TABLE", Some(EXAMPLE)));
        }
        for kind in ["TEMPORARY", "TRANSACTIONAL", "MANAGED", "TEMP"] {
            if self.next_is(kind) {
                let message = format!("a {} table has no symlinks", kind.to_lowercase());
                return Err(self.error_at(self.span_here(), message, Some(EXAMPLE)));
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
        // Hive prints both in one pair of backticks; a name of its own holds no dot.
        if database.is_none()
            && let Some((before, after)) = name.split_once('.')
        {
            (database, name) = (Some(before.to_owned()), after.to_owned());
        }
        Ok((start..self.previous_end(), database, name))
    }

    /// Columns up to and with `)`. A constraint of Hive's is stepped over.
    fn columns(&mut self) -> Result<Vec<Column>, DdlError> {
        let mut columns: Vec<Column> = Vec::new();
        loop {
            let is_constraint = ["CONSTRAINT", "PRIMARY", "FOREIGN", "UNIQUE", "CHECK"]
                .iter()
                .any(|word| self.bare_word_before_key(word));
            if is_constraint {
                self.skip_to_end_of_item();
            } else {
                let span = self.span_here();
                let column = self.column()?;
                if columns.iter().any(|other| other.name == column.name) {
                    let again = format!("column `{}` a second time", column.name);
                    let again = self.error_at(span, again, None).label("names count in lower case");
                    self.errors.push(again);
                }
                columns.push(column);
            }
            if self.eat(&Token::RParen) {
                return Ok(columns);
            }
            self.need(&Token::Comma, "`,` or `)`")?;
        }
    }

    fn column(&mut self) -> Result<Column, DdlError> {
        let span = self.span_here();
        let name = self.name("a column's name")?.to_lowercase();
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            let message =
                format!("the name of a column is 1 to {MAX_NAME_BYTES} bytes long, this one is {}", name.len());
            let error = self.error_at(span, message, None);
            self.errors.push(error);
        }
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

    /// A type as `ddl_type` prints it.
    fn data_type(&mut self) -> Result<String, DdlError> {
        let start = self.span_here().start;
        let here = |span: &Range<usize>| start + span.start..start + span.end;
        // Past its words: a type never ends within one.
        let end = self.words.last().map_or(start, |word| word.span.end).max(start);
        let read = ddl_type::read(&self.text[start..end]).map_err(|wrong| DdlError {
            message: wrong.message,
            span: here(&wrong.span),
            label: wrong.label,
            help: wrong.help,
        })?;
        self.respelled.extend(read.respelled.iter().map(|(span, new)| (here(span), new.clone())));
        while self.peek().is_some_and(|word| word.span.start < start + read.end) {
            self.at += 1;
        }
        Ok(read.printed)
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
            clauses.properties = self.properties()?;
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
        let refused: [(&[&str], &str, &str); 10] = [
            (
                &["CLUSTERED", "BY"],
                "a bucketed table cannot be read through symlinks",
                "take the CLUSTERED BY clause out",
            ),
            (&["STORED", "BY"], "a table that a storage handler reads has no symlinks", "describe files: STORED AS …"),
            (&["AS", "SELECT"], NO_FILES_YET, COLUMNS_INSTEAD),
            (&["AS", "WITH"], NO_FILES_YET, COLUMNS_INSTEAD),
            (&["AS", "FROM"], NO_FILES_YET, COLUMNS_INSTEAD),
            (&["AS", "VALUES"], NO_FILES_YET, COLUMNS_INSTEAD),
            (&["AS", "TABLE"], NO_FILES_YET, COLUMNS_INSTEAD),
            (&["LIKE"], "LIKE says no columns", COLUMNS_INSTEAD),
            (&["USING"], "this is a Spark data source table", "write it with ROW FORMAT and STORED AS"),
            (&["ENGINE"], "this is no table of Athena's or Hive's", "write it with ROW FORMAT and STORED AS"),
        ];
        for (words, message, help) in refused {
            if self.eat_words(words) {
                let format = self.peek().and_then(|word| table_format(&self.text[word.span.clone()]));
                self.errors.push(match format {
                    Some(format) => self.error_at(start..self.span_here().end, lists_its_own(format), None),
                    None => self.error_at(start..self.previous_end(), message, Some(help)),
                });
                if words[0] != "CLUSTERED" {
                    self.at = self.words.len();
                }
                return Ok(());
            }
        }
        let has_query = self.eat_word("AS") && self.next_is_token(&Token::LParen);
        let is_trinos = !has_query
            && self.next_is("WITH")
            && matches!(self.words.get(self.at + 1), Some(word) if word.token == Token::LParen)
            && matches!(self.words.get(self.at + 3), Some(word) if word.token == Token::Eq);
        if has_query || is_trinos {
            let (message, help) = if has_query {
                (NO_FILES_YET, COLUMNS_INSTEAD)
            } else {
                ("this is Trino's CREATE TABLE", "write it as Hive does, with ROW FORMAT and STORED AS")
            };
            self.errors.push(self.error_at(start..self.span_here().end, message, Some(help)));
            self.at = self.words.len();
            return Ok(());
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
                clauses.serde_properties = self.properties()?.pairs;
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
                    return Err(self.expected("OUTPUTFORMAT behind INPUTFORMAT", None));
                }
            }
            return Ok(StoredAs::InputFormat(class));
        }
        Ok(StoredAs::Name(self.name("a file format")?.to_uppercase()))
    }

    /// `('a' = 'b', …)`, with the span of each entry.
    fn properties(&mut self) -> Result<Properties, DdlError> {
        self.need(&Token::LParen, "`(`")?;
        let mut properties = Properties::default();
        loop {
            let start = self.span_here().start;
            let key = self.literal("a property's name in quotes")?;
            self.need(&Token::Eq, "`=`")?;
            let value = self.property_value()?;
            properties.pairs.push((key, value));
            properties.spans.push(start..self.previous_end());
            if self.eat(&Token::RParen) {
                return Ok(properties);
            }
            self.need(&Token::Comma, "`,` or `)`")?;
        }
    }

    /// A literal; a number or a word too, as Spark has them.
    fn property_value(&mut self) -> Result<String, DdlError> {
        match self.peek() {
            Some(Word { token: Token::Number(..), span }) => {
                let value = self.text[span.clone()].to_owned();
                self.at += 1;
                Ok(value)
            }
            _ if self.next_is("TRUE") || self.next_is("FALSE") => Ok(self.name("a value")?.to_lowercase()),
            _ => self.literal("a property's value in quotes"),
        }
    }

    /// Names every property, input format and handler by which a table is no plain one.
    fn refuse_table_formats(&mut self) {
        let literal = |at: usize| {
            let word = self.words.get(at)?;
            let is_literal = matches!(word.token, Token::SingleQuotedString(_) | Token::DoubleQuotedString(_));
            if is_literal { unquote_literal(&self.text[word.span.clone()]) } else { None }
        };
        let mut found = Vec::new();
        for at in 0..self.words.len() {
            let span = |last: usize| self.words[at].span.start..self.words[last].span.end;
            if self.is_keyword(at, "INPUTFORMAT")
                && let Some(format) = literal(at + 1).as_deref().and_then(table_format)
            {
                found.push(make_error(span(at + 1), lists_its_own(format), None));
            }
            if !matches!(self.words.get(at + 1), Some(word) if word.token == Token::Eq) {
                continue;
            }
            let (Some(key), Some(value)) = (literal(at), literal(at + 2)) else { continue };
            let message = match key.to_ascii_lowercase().as_str() {
                "table_type" | "spark.sql.sources.provider" => table_format(&value).map(lists_its_own),
                "storage_handler" => Some("a table that a storage handler reads has no symlinks".to_owned()),
                "transactional" if value.eq_ignore_ascii_case("true") => Some(
                    "a transactional table keeps its own list of files: symlinks would show removed rows".to_owned(),
                ),
                _ => None,
            };
            found.extend(message.map(|message| make_error(span(at + 2), message, None)));
        }
        self.errors.extend(found);
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
        let end = self.words.last().map_or(self.text.len(), |word| word.span.end);
        self.peek().map_or(end..end, |word| word.span.clone())
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
        make_error(span, message, help)
    }
}

impl DdlError {
    fn label(mut self, label: impl Into<String>) -> DdlError {
        self.label = label.into();
        self
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
            comment: span(Clause::Comment),
            partitioned_by: span(Clause::PartitionedBy),
            row_format: span(Clause::RowFormat),
            stored_as: span(Clause::StoredAs),
            location: span(Clause::Location),
            properties: span(Clause::Properties),
            property_entries: self.properties.spans.clone(),
            respelled: Vec::new(),
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
        let header = self.properties.pairs.iter().find(|(key, _)| key == HEADER_LINES);
        let format = Format {
            kind: format::kind_of_serde(&serde),
            serde,
            serde_properties: self.serde_properties.clone(),
            header_lines: header.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0),
        };
        (format, unknown)
    }
}

const NO_FILES_YET: &str = "a table made by AS SELECT has no files of its own yet";
const COLUMNS_INSTEAD: &str = "give its columns instead";

/// The table format that a provider's name or an input format's class belongs to.
fn table_format(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    [("iceberg", "Iceberg"), ("hudi", "Hudi"), ("hoodie", "Hudi"), ("delta", "Delta")]
        .into_iter()
        .find(|(word, _)| name.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| part == *word))
        .map(|(_, format)| format)
}

fn lists_its_own(format: &str) -> String {
    format!("{format} keeps its own list of files: symlinks would show removed rows")
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

fn make_error(span: Range<usize>, message: impl Into<String>, help: Option<&str>) -> DdlError {
    DdlError { message: message.into(), span, label: String::new(), help: help.map(str::to_owned) }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::diagnostic::Lines;
    use crate::rules::table::FormatKind;

    fn names(columns: &[Column]) -> Vec<String> {
        columns.iter().map(|column| format!("{} {}", column.name, column.ddl_type)).collect()
    }

    fn message(text: &str) -> String {
        let errors = read(text).unwrap_err();
        let lines = Lines::new(text);
        let at = |e: &DdlError| format!("{}:{} {}", lines.line(e.span.start), lines.column(e.span.start), e.message);
        errors.iter().map(at).collect::<Vec<_>>().join("; ")
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
        assert_eq!((table.database.as_deref(), table.name.as_str()), (Some("default"), "taxes"));
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
        assert!(with("; CREATE TABLE u (a int)").starts_with("2:3 one CREATE TABLE"));
        assert!(with("; ALTER TABLE t SET TBLPROPERTIES ('a'='b')").contains("this is another"));
        assert!(with("STORED AS ORC STORED AS AVRO").contains("twice"));
        assert!(message("CREATE TABLE t LIKE u").contains("LIKE"));
        assert!(message("SELECT 1").starts_with("1:1 CREATE EXTERNAL TABLE is expected, `SELECT`"));
        assert!(message("").contains("the text ends"));
    }

    #[test]
    fn mistakes_have_their_place() {
        assert_eq!(message("CREATE EXTERNAL TABLE t (\n  é int,\n  b strng)"), "3:5 unknown type `strng`");
        let errors = read("CREATE EXTERNAL TABLE t (a strng)").unwrap_err();
        assert_eq!((errors[0].label.as_str(), errors[0].span.clone()), ("did you mean `string`?", 27..32));
        assert!(message("CREATE EXTERNAL TABLE t (a int) LOCATION 's3://open").contains("nterminated"));
        assert!(message("CREATE EXTERNAL TABLE t (a array<int)").contains("`>`"));
        assert!(message("CREATE EXTERNAL TABLE t (a int").contains("the text ends"));
        assert!(message("CREATE EXTERNAL TABLE t (a int) PARTITIONED BY (day(ts))").contains("a type is expected"));
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
