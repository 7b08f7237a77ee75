//! Lines as vendors document them (`tests/shipped/NAME.toml`, one file for each `rules/NAME.toml`), and what each serde
//! makes of a line, read as plainly as can be: nothing here knows Hive, Spark or what restitch prints.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::{Path, PathBuf};

use restitch::rules::file::load;
use restitch::rules::table::{Column, Format, FormatKind, Rules, Table};
use serde_json::Value;

/// One value of a row as text in one form for its type; `None` is NULL.
pub type Cell = Option<String>;

/// A ready rule file with the lines for its tables.
pub struct Shipped {
    pub path: PathBuf,
    pub text: String,
    pub rules: Rules,
    samples: toml::Table,
}

/// A line of data, and the row that a reader must make of it (not said for JSON).
pub struct Line {
    pub text: String,
    pub row: Option<Vec<Cell>>,
}

impl Shipped {
    /// Every file of `rules/`, by name.
    pub fn all() -> Vec<Shipped> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let files = std::fs::read_dir(root.join("rules")).expect("rules/ is there");
        let mut paths: Vec<PathBuf> = files
            .map(|entry| entry.expect("rules/ is readable").path())
            .filter(|path| path.extension() == Some("toml".as_ref()))
            .collect();
        paths.sort();
        paths.into_iter().map(Shipped::read).collect()
    }

    fn read(path: PathBuf) -> Shipped {
        let text = std::fs::read_to_string(&path).expect("the rule file is text");
        let loaded = load(&text, &path, Path::new("/rules"), &|file| panic!("{} is asked for", file.display()));
        let rules = loaded.rules.unwrap_or_else(|| panic!("{}: {:#?}", path.display(), loaded.diagnostics));
        let samples = sibling(&path, "toml");
        let samples = std::fs::read_to_string(&samples).unwrap_or_else(|e| panic!("{}: {e}", samples.display()));
        Shipped { samples: samples.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display())), path, text, rules }
    }

    /// `cloudtrail`.
    pub fn name(&self) -> &str {
        self.path.file_stem().expect("it has a name").to_str().expect("its name is text")
    }

    /// `tests/shipped/cloudtrail.sql`, for `sql`.
    pub fn sibling(&self, extension: &str) -> PathBuf {
        sibling(&self.path, extension)
    }

    /// The comment at the top: its lines without `# `, behind the line for the editor.
    pub fn head(&self) -> Vec<&str> {
        let lines = self.text.lines().skip(1).take_while(|line| line.starts_with('#'));
        lines.map(|line| line[1..].trim_start()).collect()
    }

    /// A listing of what the file's own tests say is taken, and of the markers that they wait for: JSON lines.
    pub fn listing(&self) -> String {
        let tests = self.rules.tables.iter().flat_map(|table| &table.tests).filter(|test| test.gives.is_some());
        let also = self.samples.get("also").and_then(|also| also.as_array()).into_iter().flatten();
        let also = also.map(|uri| uri.as_str().expect("a URI is text").to_owned());
        let mut uris: Vec<String> = tests.map(|test| test.uri.raw()).chain(also).collect();
        uris.sort();
        uris.dedup();
        let line = |uri: String| {
            let object = serde_json::json!({"uri": uri, "size": 1, "modified": "2024-01-20T10:00:00Z"});
            format!("{object}\n")
        };
        uris.into_iter().map(line).collect()
    }

    /// The lines for one of its tables; none for a binary format.
    pub fn lines(&self, table: &Table) -> Vec<Line> {
        let lines =
            self.samples.get(&table.name).and_then(|table| table.get("line")).and_then(|lines| lines.as_array());
        let text = |value: &toml::Value| value.as_str().expect("a line and its values are text").to_owned();
        let cell = |(value, column): (&toml::Value, &Column)| {
            Some(text(value)).filter(|value| value != "\\N").map(|value| {
                typed(&column.ddl_type, &value).unwrap_or_else(|| panic!("{value} is no {}", column.ddl_type))
            })
        };
        let line = |line: &toml::Value| {
            let row = line.get("row").and_then(|row| row.as_array());
            let row = row.map(|row| {
                assert_eq!(row.len(), table.columns.len(), "values of {}: {:?}", table.name, line["text"]);
                row.iter().zip(&table.columns).map(cell).collect()
            });
            Line { text: text(&line["text"]), row }
        };
        lines.into_iter().flatten().map(line).collect()
    }

    /// The lines at the top of each object of a table.
    pub fn header(&self, table: &Table) -> Vec<String> {
        let header = self.samples.get(&table.name).and_then(|table| table.get("header"));
        let header = header.and_then(|header| header.as_array()).into_iter().flatten();
        header.map(|line| line.as_str().expect("a line is text").to_owned()).collect()
    }
}

fn sibling(path: &Path, extension: &str) -> PathBuf {
    let name = Path::new(path.file_name().expect("it has a name")).with_extension(extension);
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shipped").join(name)
}

/// Whether each line is a row that reads as text, which Spark too reads behind a symlink.
pub fn is_text(format: &Format) -> bool {
    matches!(format.kind, FormatKind::Csv | FormatKind::OpenCsv | FormatKind::Tsv | FormatKind::Regex)
}

/// The row that the serde makes of a line of text: what lacks or does not fit its type is NULL.
pub fn read(table: &Table, line: &str) -> Vec<Cell> {
    let format = table.format.as_ref().expect("a table has a format");
    let fields = match format.kind {
        FormatKind::Regex => groups(property(format, "input.regex"), line),
        FormatKind::OpenCsv => quoted(line),
        _ => line.split(property(format, "field.delim")).map(|field| Some(field.to_owned())).collect(),
    };
    let field = |index: usize| fields.get(index).cloned().flatten();
    let columns = table.columns.iter().enumerate();
    columns.map(|(index, column)| field(index).and_then(|text| typed(&column.ddl_type, &text))).collect()
}

fn property<'a>(format: &'a Format, key: &str) -> &'a str {
    let found = format.serde_properties.iter().find(|(name, _)| name == key);
    &found.unwrap_or_else(|| panic!("the serde has no {key}")).1
}

/// What each group takes; all NULL where the expression does not match the line as a whole.
fn groups(regex: &str, line: &str) -> Vec<Cell> {
    let regex = fancy_regex::Regex::new(&format!("^(?:{regex})$")).expect("the expression is one");
    let Some(found) = regex.captures(line).expect("the expression comes to an end") else { return Vec::new() };
    found.iter().skip(1).map(|group| group.map(|group| group.as_str().to_owned())).collect()
}

/// Fields between commas, of which those in quotes may hold commas.
fn quoted(line: &str) -> Vec<Cell> {
    let mut fields = vec![String::new()];
    let mut in_quotes = false;
    for c in line.chars() {
        match c {
            '"' => in_quotes = !in_quotes,
            ',' if !in_quotes => fields.push(String::new()),
            _ => fields.last_mut().expect("there is one").push(c),
        }
    }
    fields.into_iter().map(Some).collect()
}

/// A value's text in one form for its type; `None` where it does not fit.
pub fn typed(ddl_type: &str, text: &str) -> Cell {
    match ddl_type {
        "int" => text.parse::<i32>().ok().map(|value| value.to_string()),
        "bigint" => text.parse::<i64>().ok().map(|value| value.to_string()),
        "float" => text.parse::<f32>().ok().map(|value| value.to_string()),
        "double" => text.parse::<f64>().ok().map(|value| value.to_string()),
        "date" => restitch::value::is_iso_date(text).then(|| text.to_owned()),
        "string" => Some(text.to_owned()),
        other => panic!("no sample reads {other}"),
    }
}

/// What of a JSON document the table's columns do not say, or say otherwise: each a path.
pub fn undeclared(table: &Table, document: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(document).unwrap_or_else(|e| panic!("{e}: {document}"));
    let properties = &table.format.as_ref().expect("a table has a format").serde_properties;
    let columns = table.columns.iter().map(|column| (column.name.as_str(), column.ddl_type.as_str())).collect();
    let mut found = Vec::new();
    fields(columns, &document, "", properties, &mut found);
    found
}

fn fields(declared: Vec<(&str, &str)>, value: &Value, at: &str, how: &[(String, String)], found: &mut Vec<String>) {
    let Value::Object(object) = value else { return found.push(format!("{at} is no object")) };
    let keeps_case = how.iter().any(|(key, value)| key == "case.insensitive" && value == "false");
    for (key, value) in object {
        let is_key = |name: &str| match how.iter().find(|(property, _)| property.strip_prefix("mapping.") == Some(name))
        {
            Some((_, mapped)) => mapped == key,
            None if keeps_case => name == key,
            None => name == key.to_lowercase(),
        };
        match declared.iter().find(|(name, _)| is_key(name)) {
            Some((_, ddl_type)) => fits(ddl_type, value, &format!("{at}.{key}"), how, found),
            None => found.push(format!("{at}.{key}")),
        }
    }
}

fn fits(ddl_type: &str, value: &Value, at: &str, how: &[(String, String)], found: &mut Vec<String>) {
    let inner = |name: &str| ddl_type.strip_prefix(name)?.strip_prefix('<')?.strip_suffix('>');
    if value.is_null() || ddl_type == "string" {
        return;
    }
    if let Some(of) = inner("struct") {
        let declared = arguments(of).into_iter().filter_map(|field| field.split_once(':')).collect();
        return fields(declared, value, at, how, found);
    }
    match (inner("array"), inner("map"), value) {
        (Some(of), _, Value::Array(items)) => items.iter().for_each(|item| fits(of, item, at, how, found)),
        (_, Some(of), Value::Object(entries)) => {
            entries.values().for_each(|entry| fits(arguments(of)[1], entry, at, how, found));
        }
        (None, None, Value::Number(_) | Value::String(_)) => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if typed(ddl_type, &text).is_none() {
                found.push(format!("{at} is no {ddl_type}"));
            }
        }
        _ => found.push(format!("{at} is no {ddl_type}")),
    }
}

/// `a:int,b:map<string,int>` cut at its outer commas.
fn arguments(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut found) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    found.push(&text[from..]);
    found
}
