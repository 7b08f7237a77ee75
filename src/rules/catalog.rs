//! `[catalog]` of the file and `[table.NAME.catalog]` over it, field by field: where a table is registered.
//!
//! Pure. What a table says wrong for a catalog (a name, a location, a comment too long) is said here too, since it is
//! wrong only there.

use std::ops::Range;

use super::diagnostic::Diagnostic;
use super::shape::{Name, Node, Text};
use super::table::{CatalogService, CatalogSettings, Column, Table};
use crate::uri::Scheme;

/// Glue's limits, in bytes.
const MAX_DATABASE_BYTES: usize = 255;
const MAX_LOCATION_BYTES: usize = 2056;
const MAX_COLUMN_COMMENT_BYTES: usize = 255;
const MAX_TABLE_COMMENT_BYTES: usize = 2048;
const MAX_PROPERTY_NAME_BYTES: usize = 255;
const MAX_PROPERTY_BYTES: usize = 512_000;

/// Where Hive's metastores listen unless said.
const METASTORE_PORT: u16 = 9083;

/// Keys that one type alone has.
const OF_GLUE: [&str; 4] = ["region", "profile", "endpoint", "catalog_id"];
const OF_HIVE: [&str; 1] = ["uri"];

/// What of `[catalog]` is for the tables to say is `None` there, and no mistake; `own` is the table's section.
/// `None` where there is no catalog, or what is said of it is wrong.
pub fn read(
    file: Option<&Node<'_>>,
    own: Option<&Node<'_>>,
    stated_database: Option<&str>,
    found: &mut Vec<Diagnostic>,
) -> Option<CatalogSettings> {
    let sections = Sections { own, file };
    let nearest = own.or(file)?;
    let before = found.len();
    let kind = match sections.nearest("type") {
        Some(node) => node.word("type")?,
        None => {
            let error = Diagnostic::error(nearest.span.clone(), "a catalog needs its `type`");
            found.push(error.help("write\ntype = \"glue\""));
            return None;
        }
    };
    let foreign: &[&str] = match kind {
        "glue" => &OF_HIVE,
        "hive" => &OF_GLUE,
        _ => return None,
    };
    sections.refuse_foreign(kind, foreign, found);
    let database = match sections.text("database") {
        Some(text) => database(&text, kind, found),
        None => stated_database.map(str::to_lowercase).or_else(|| {
            let error = Diagnostic::error(nearest.span.clone(), "a catalog needs the `database` of the table");
            found.push(error.help("write\ndatabase = \"default\""));
            None
        }),
    };
    let text = |key: &str| sections.text(key).map(|text| text.value.to_owned());
    let service = match kind {
        "glue" => Some(CatalogService::Glue {
            region: text("region"),
            profile: text("profile"),
            endpoint: text("endpoint"),
            catalog_id: text("catalog_id"),
        }),
        _ => match sections.text("uri") {
            Some(uri) => metastore(&uri, found).map(|(host, port)| CatalogService::Hive { host, port }),
            None => {
                let error = Diagnostic::error(nearest.span.clone(), "a Hive catalog needs the `uri` of its metastore");
                found.push(error.help("write\nuri = \"thrift://metastore.example.com:9083\""));
                None
            }
        },
    };
    let settings = CatalogSettings { database: database?, service: service? };
    (found.len() == before).then_some(settings)
}

/// The table's section before the file's.
struct Sections<'n, 'a> {
    own: Option<&'n Node<'a>>,
    file: Option<&'n Node<'a>>,
}

impl<'n, 'a> Sections<'n, 'a> {
    fn nearest(&self, key: &str) -> Option<&'n Node<'a>> {
        self.own.filter(|node| node.has(key)).or(self.file.filter(|node| node.has(key)))
    }

    fn text(&self, key: &str) -> Option<Text<'a>> {
        self.nearest(key)?.text(key)
    }

    /// Keys of the other type, beside the `type` or in front of it; those of a section that the table's own type
    /// replaces are just not read.
    fn refuse_foreign(&self, kind: &str, foreign: &[&str], found: &mut Vec<Diagnostic>) {
        let is_replaced = self.own.is_some_and(|node| node.has("type"));
        let read = self.own.into_iter().chain(self.file.filter(|_| !is_replaced));
        for (node, key) in read.flat_map(|node| foreign.iter().map(move |key| (node, *key))) {
            let Some(span) = node.key_span(key) else { continue };
            let (other, service) = if kind == "glue" { ("hive", "Glue") } else { ("glue", "a Hive metastore") };
            let error = Diagnostic::error(span, format!("`{key}` beside `type = \"{kind}\"`"));
            found.push(
                error.label(format!("{service} has none; it belongs to `type = \"{other}\"`")).help("leave it out"),
            );
        }
    }
}

fn database(text: &Text<'_>, kind: &str, found: &mut Vec<Diagnostic>) -> Option<String> {
    let name = text.value;
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let error = |message: String| Diagnostic::error(text.span.clone(), message);
    let wrong = if name.trim().is_empty() || name.len() > MAX_DATABASE_BYTES {
        error(format!("a database is named by 1 to {MAX_DATABASE_BYTES} bytes"))
    } else if name.chars().any(char::is_control) || (kind == "hive" && !name.chars().all(is_word)) {
        let label = if kind == "hive" { "Hive takes letters, digits and `_`" } else { "control characters" };
        error(format!("`{}` is not a database's name", name.escape_debug())).label(label)
    } else if name.to_lowercase() != name {
        error(format!("the database `{name}` is not in lower case"))
            .label("catalogs keep names in lower case")
            .help(format!("write\ndatabase = \"{}\"", name.to_lowercase()))
    } else {
        return Some(name.to_owned());
    };
    found.push(wrong);
    None
}

/// `thrift://host:9083`, without the port 9083.
fn metastore(text: &Text<'_>, found: &mut Vec<Diagnostic>) -> Option<(String, u16)> {
    metastore_of(text.value)
        .map_err(|label| {
            let error = Diagnostic::error(text.span.clone(), format!("`{}` is not the URI of a metastore", text.value));
            found.push(error.label(label).help("write\nuri = \"thrift://metastore.example.com:9083\""));
        })
        .ok()
}

/// Host and port of `thrift://host:9083`; the port may be left out.
///
/// # Errors
/// What is wrong with it.
pub fn metastore_of(uri: &str) -> Result<(String, u16), &'static str> {
    let Some(rest) = uri.strip_prefix("thrift://") else { return Err("it begins with `thrift://`") };
    if rest.contains(',') {
        return Err("one metastore, not a list");
    }
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match (rest.strip_prefix('['), rest.rsplit_once(':')) {
        (Some(bracketed), _) => match bracketed.split_once(']') {
            Some((host, "")) => (host, None),
            Some((host, port)) => match port.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None => return Err("a port stands behind a colon"),
            },
            None => return Err("the bracket does not end"),
        },
        (None, Some((host, port))) => (host, Some(port)),
        (None, None) => (rest, None),
    };
    let is_ipv6 = rest.starts_with('[');
    let in_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') || (is_ipv6 && c == ':');
    if host.is_empty() || !host.chars().all(in_host) {
        return Err("this is no host and port");
    }
    match port.map(str::parse).unwrap_or(Ok(METASTORE_PORT)) {
        Ok(0) | Err(_) => Err("a port is 1 to 65535"),
        Ok(port) => Ok((host.to_owned(), port)),
    }
}

/// What of a table its catalog does not take.
pub fn check(
    table: &Table,
    name: &Name<'_>,
    location: Option<&Text<'_>>,
    own: &Node<'_>,
    columns: &[Range<usize>],
    found: &mut Vec<Diagnostic>,
) {
    let Some(settings) = &table.catalog else { return };
    let CatalogService::Glue { .. } = settings.service else { return };
    if let Some((uri, text)) = table.location.as_ref().zip(location) {
        let error = |message: String| Diagnostic::error(text.span.clone(), message);
        if uri.bucket.scheme != Scheme::S3 {
            found.push(
                error(format!("`{}` cannot be registered in Glue at this location", name.value))
                    .label("Athena, and what else reads from Glue, takes `s3://` alone")
                    .help(format!("write\nlocation = \"s3://bucket/folder/{{table}}/\"\nor, to try it out\n[table.{}.catalog]\ntype = \"none\"", name.value)),
            );
        }
        let long = uri.raw().len();
        if long > MAX_LOCATION_BYTES {
            found.push(error(format!("Glue takes locations of up to {MAX_LOCATION_BYTES} bytes, this one has {long}")));
        }
    }
    let comment_span = own.value_span("comment").unwrap_or(name.span.clone());
    let mut within = |span: Range<usize>, what: String, text: &str, most: usize| {
        if text.len() > most {
            found.push(Diagnostic::error(
                span,
                format!("Glue takes {what} of up to {most} bytes, this one has {}", text.len()),
            ));
        }
    };
    within(
        comment_span,
        "a table's comment".into(),
        table.comment.as_deref().unwrap_or_default(),
        MAX_TABLE_COMMENT_BYTES,
    );
    let spans = columns.iter().cloned().map(Some).chain(std::iter::repeat(None));
    let all = table.columns.iter().zip(spans).chain(table.partitioned_by.iter().map(|column| (column, None)));
    for (Column { name: column, comment, .. }, span) in all {
        let (span, comment) = (span.unwrap_or(name.span.clone()), comment.as_deref().unwrap_or_default());
        within(span, format!("a comment on `{column}`"), comment, MAX_COLUMN_COMMENT_BYTES);
    }
    let properties_span = own.value_span("properties").unwrap_or(name.span.clone());
    for (property, value) in &table.properties {
        within(properties_span.clone(), "a property's name".into(), property, MAX_PROPERTY_NAME_BYTES);
        within(properties_span.clone(), format!("a value of `{property}`"), value, MAX_PROPERTY_BYTES);
    }
}
