//! Where manifests go: `location` and `[removed]` as written, resolved against the rule file's folder; and `layout`.
//!
//! Pure: the folder is handed in as text.

use std::ops::Range;

use super::diagnostic::Diagnostic;
use super::shape::{Text, did_you_mean, nearest};
use super::table::{Column, Layout, LayoutPart};
use crate::uri::{Bucket, Scheme, Uri, is_sibling};

/// What a location may begin with: where the repository that the table's rules list keeps its objects.
pub const NAMESPACE: &str = "{storage_namespace}";

/// Reads a location; `{table}` in it becomes `table`, and `{storage_namespace}` at its beginning `namespace`, where there
/// is one. What is wrong with it is added to `found`.
pub fn read(
    text: &Text<'_>,
    table: &str,
    namespace: Option<&Uri>,
    base_dir: &str,
    found: &mut Vec<Diagnostic>,
) -> Option<Uri> {
    let before = found.len();
    holes(text, if namespace.is_some() { NAMESPACE.len() } else { 0 }, found);
    if let Some((at, c)) = text.value.char_indices().find(|(_, c)| c.is_control()) {
        found.push(Diagnostic::error(text.at(at..at + c.len_utf8()), "a control character in a location"));
    }
    if text.value.is_empty() {
        found.push(
            Diagnostic::error(text.span.clone(), "the location is empty").help("write\nlocation = \"out/{table}/\""),
        );
    }
    if found.len() > before {
        return None;
    }
    let written = text.value.replace("{table}", table);
    let written = match namespace {
        Some(namespace) => namespace.raw().trim_end_matches('/').to_owned() + &written[NAMESPACE.len()..],
        None => written,
    };
    let uri = match written.split_once("://") {
        Some((scheme, rest)) => remote(text, scheme, rest, found)?,
        None => Uri::new(Bucket::local(), local(&written, base_dir)),
    };
    let uri = if uri.key.is_empty() || uri.key.ends_with('/') { uri } else { uri.join("/") };
    match odd_component(&uri.key) {
        Some(what) => {
            found.push(
                Diagnostic::error(text.span.clone(), format!("{what} in a location"))
                    .label("engines read such a path as another one")
                    .help("write\nlocation = \"s3://bucket/folder/{table}/\""),
            );
            None
        }
        None => Some(uri),
    }
}

/// Whether tables of one file lie beside this one, as far as its location says. Beside the data of a repository many files'
/// tables lie, unless `{table}` says that they are this one's.
pub fn lies_by_name(text: &str) -> bool {
    text.contains("{table}") || !text.starts_with(NAMESPACE)
}

/// Braces other than `{table}`, from a place on.
fn holes(text: &Text<'_>, from: usize, found: &mut Vec<Diagnostic>) {
    let mut at = from;
    while let Some(open) = text.value[at..].find(['{', '}', '*', '?']).map(|found| at + found) {
        if text.value[open..].starts_with("{table}") {
            at = open + "{table}".len();
            continue;
        }
        let end = match text.value[open..].find('}') {
            Some(close) if text.value[open..].starts_with('{') => open + close + 1,
            _ => open + 1,
        };
        let hole = &text.value[open..end];
        let near = did_you_mean(hole, ["{table}"]);
        let label = if hole == NAMESPACE {
            "it can only stand at the beginning of a table's location".to_owned()
        } else if near.is_empty() {
            "only `{table}` may stand here".to_owned()
        } else {
            near
        };
        found.push(Diagnostic::error(text.at(open..end), format!("`{hole}` in a location")).label(label));
        at = end;
    }
}

fn remote(text: &Text<'_>, scheme: &str, rest: &str, found: &mut Vec<Diagnostic>) -> Option<Uri> {
    let name = text.at(0..scheme.len());
    match Scheme::parse(scheme) {
        Some(Scheme::LakeFs) => {
            found.push(
                Diagnostic::error(name, "manifests cannot live in lakeFS")
                    .label("a location is in s3, gs, az or a local folder")
                    .help("write\nlocation = \"s3://bucket/folder/{table}/\""),
            );
            None
        }
        Some(_) => match Uri::parse(&format!("{scheme}://{rest}")) {
            Ok(uri) => Some(uri),
            Err(error) => {
                let help = error.help_text().map(str::to_owned);
                found.push(Diagnostic::error(text.span.clone(), error.message()).help_maybe(help));
                None
            }
        },
        None => {
            let error = Diagnostic::error(name, format!("the scheme `{scheme}` is not known"));
            found.push(match scheme {
                "s3a" | "s3n" => {
                    let rest = text.value.split_once("://").map_or(rest, |(_, rest)| rest);
                    error.label("write `s3`").help(format!("write\nlocation = \"s3://{rest}\""))
                }
                _ => error.label("a location is in s3, gs, az or a local folder"),
            });
            None
        }
    }
}

/// A local path as a key: absolute, without its first slash; `.` and `..` of a relative one are resolved.
fn local(written: &str, base_dir: &str) -> String {
    if let Some(absolute) = written.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut parts: Vec<&str> = base_dir.split('/').filter(|part| !part.is_empty()).collect();
    let mut rest = written;
    loop {
        if let Some(more) = rest.strip_prefix("./") {
            rest = more;
        } else if let Some(more) = rest.strip_prefix("../") {
            parts.pop();
            rest = more;
        } else {
            break;
        }
    }
    match rest {
        "." => {}
        ".." => drop(parts.pop()),
        rest => parts.push(rest),
    }
    parts.join("/")
}

fn odd_component(key: &str) -> Option<&'static str> {
    key.strip_suffix('/').unwrap_or(key).split('/').find_map(|part| match part {
        "" if key.is_empty() => None,
        "" => Some("an empty component"),
        "." => Some("a component `.`"),
        ".." => Some("a component `..`"),
        _ => None,
    })
}

/// How two locations stand to each other, where they must not.
pub fn clash(one: &Uri, other: &Uri) -> Option<&'static str> {
    if one == other {
        return Some("the same location");
    }
    if one.is_prefix_of(other) || other.is_prefix_of(one) {
        return Some("a location inside another");
    }
    (is_in_sibling(one, other) || is_in_sibling(other, one))
        .then_some("a directory that a switch of the other may write to")
}

/// Whether `other` lies in a `<one>--<8 hex>/`.
fn is_in_sibling(one: &Uri, other: &Uri) -> bool {
    let rest = other.key.strip_prefix(one.key.trim_end_matches('/'));
    one.bucket == other.bucket && rest.and_then(|rest| rest.split('/').next()).is_some_and(is_sibling)
}

/// `col=value/` for each column.
pub fn default_layout(columns: &[Column]) -> Layout {
    let text = |text: String| LayoutPart::Text(text);
    let mut parts = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        parts.push(text(format!("{}{}=", if index > 0 { "/" } else { "" }, column.name)));
        parts.push(LayoutPart::Column(index));
    }
    if !columns.is_empty() {
        parts.push(text("/".to_owned()));
    }
    Layout { parts, custom: false }
}

/// Reads `layout`: texts and `{column}`s. What is wrong with it is added to `found`.
pub fn read_layout(text: &Text<'_>, columns: &[Column], found: &mut Vec<Diagnostic>) -> Option<Layout> {
    let before = found.len();
    let mut parts = Vec::new();
    let mut rest = 0..text.value.len();
    while !rest.is_empty() {
        let left = &text.value[rest.clone()];
        let next = left.find(['{', '}']).unwrap_or(left.len());
        if next > 0 {
            parts.push((LayoutPart::Text(left[..next].to_owned()), rest.start..rest.start + next));
        }
        rest.start += next;
        if rest.is_empty() {
            break;
        }
        let hole = hole(text, rest.clone());
        match column_index(text, hole.clone(), columns) {
            Ok((index, error)) => {
                parts.push((LayoutPart::Column(index), hole.clone()));
                found.extend(error);
            }
            Err(error) => found.push(error),
        }
        rest.start = hole.end;
    }
    layout_mistakes(text, &parts, columns, found);
    if found.len() > before {
        return None;
    }
    let mut parts: Vec<LayoutPart> = parts.into_iter().map(|(part, _)| part).collect();
    if !columns.is_empty() && !text.value.ends_with('/') {
        parts.push(LayoutPart::Text("/".to_owned()));
    }
    Some(Layout { parts, custom: true })
}

fn hole(text: &Text<'_>, rest: Range<usize>) -> Range<usize> {
    let left = &text.value[rest.clone()];
    let end = if left.starts_with('{') { left.find('}').map_or(1, |close| close + 1) } else { 1 };
    rest.start..rest.start + end
}

/// The column of a hole; a misspelt one is found too, with what there is to say of it.
fn column_index(
    text: &Text<'_>,
    hole: Range<usize>,
    columns: &[Column],
) -> Result<(usize, Option<Diagnostic>), Diagnostic> {
    let written = &text.value[hole.clone()];
    let name = written.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or_default();
    let index = |name: &str| columns.iter().position(|column| column.name == name);
    if let Some(index) = index(name) {
        return Ok((index, None));
    }
    let names = || columns.iter().map(|column| column.name.as_str());
    let error = Diagnostic::error(text.at(hole), format!("`{written}` in a layout is no partition column"))
        .label(did_you_mean(name, names()))
        .help(layout_help(columns));
    match nearest(name, names()).and_then(index) {
        Some(index) => Ok((index, Some(error))),
        None => Err(error),
    }
}

fn layout_help(columns: &[Column]) -> String {
    if columns.is_empty() { "leave it out".to_owned() } else { format!("write\nlayout = '{}'", suggestion(columns)) }
}

fn suggestion(columns: &[Column]) -> String {
    columns.iter().map(|column| format!("{{{}}}/", column.name)).collect()
}

fn layout_mistakes(
    text: &Text<'_>,
    parts: &[(LayoutPart, Range<usize>)],
    columns: &[Column],
    found: &mut Vec<Diagnostic>,
) {
    let help = layout_help(columns);
    for (index, column) in columns.iter().enumerate() {
        let places: Vec<_> = parts.iter().filter(|(part, _)| *part == LayoutPart::Column(index)).collect();
        if places.is_empty() {
            found.push(
                Diagnostic::error(text.span.clone(), format!("the layout lacks column `{}`", column.name))
                    .label("two partitions would share a directory")
                    .help(help.clone()),
            );
        }
        for (_, again) in places.iter().skip(1) {
            found.push(Diagnostic::error(text.at(again.clone()), format!("column `{}` a second time", column.name)));
        }
    }
    for pair in parts.windows(2) {
        if let [(LayoutPart::Column(_), _), (LayoutPart::Column(_), second)] = pair {
            found.push(
                Diagnostic::error(text.at(second.clone()), "two columns with nothing between them")
                    .label("where one ends and the other begins cannot be told")
                    .help(help.clone()),
            );
        }
    }
    let skeleton: String = parts
        .iter()
        .map(|(part, _)| match part {
            LayoutPart::Text(text) => text.as_str(),
            LayoutPart::Column(_) => "c",
        })
        .collect();
    let odd = if skeleton.starts_with('/') {
        Some("a layout begins below the location, without a slash")
    } else if skeleton.chars().any(char::is_control) {
        Some("a control character in a layout")
    } else if odd_component(&skeleton).is_some() {
        Some("an empty component, `.` or `..` in a layout")
    } else if columns.is_empty() {
        Some("a layout needs partition columns, and the table has none")
    } else {
        skeleton
            .split('/')
            .any(|part| part.starts_with(['_', '.']))
            .then_some("a component of a layout that begins with `_` or `.`: engines do not look into such directories")
    };
    found.extend(odd.map(|odd| Diagnostic::error(text.span.clone(), odd).help(help)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::keys;
    use crate::rules::shape::Node;
    use toml::de::DeTable;

    fn with_text<T>(written: &str, read: impl Fn(&Text<'_>, &mut Vec<Diagnostic>) -> Option<T>) -> Result<T, String> {
        let file = format!("k = '{written}'");
        let (table, errors) = DeTable::parse_recoverable(&file);
        assert!(errors.is_empty());
        let node = Node::new(&file, table.get_ref(), &keys::FILE, 0..0);
        let mut found = Vec::new();
        let read = read(&node.as_text(table.get_ref().get("k").unwrap()).unwrap(), &mut found);
        let told = |error: &Diagnostic| format!("{} | {}", error.message, &file[error.span.clone()]);
        read.ok_or_else(|| found.iter().map(told).collect::<Vec<_>>().join("; "))
    }

    fn location(written: &str) -> Result<String, String> {
        with_text(written, |text, found| read(text, "t", None, "/home/me/rules", found)).map(|uri| uri.raw())
    }

    #[test]
    fn locations_are_resolved() {
        for (written, there) in [
            ("s3://b/x/{table}", "s3://b/x/t/"),
            ("s3://b", "s3://b/"),
            ("out/{table}/", "file:///home/me/rules/out/t/"),
            ("./out", "file:///home/me/rules/out/"),
            ("../../out/", "file:///home/out/"),
            ("/abs/out", "file:///abs/out/"),
            ("file:///abs/out", "file:///abs/out/"),
            ("gs://b/x/", "gs://b/x/"),
        ] {
            assert_eq!(location(written).unwrap(), there);
        }
        for (written, told) in [
            ("s3a://b/x", "the scheme `s3a` is not known | s3a"),
            ("lakefs://r/main/x", "manifests cannot live in lakeFS | lakefs"),
            ("s3://b/{tabel}/{x}", "`{tabel}` in a location | {tabel}; `{x}` in a location | {x}"),
            ("s3://b//x/", "an empty component in a location | 's3://b//x/'"),
            ("s3://b/../x/", "a component `..` in a location | 's3://b/../x/'"),
            ("s3:///x/", "s3:///x/ is not an object URI: the bucket is missing | 's3:///x/'"),
        ] {
            assert_eq!(location(written).unwrap_err(), told);
        }
    }

    #[test]
    fn locations_clash_when_equal_or_nested() {
        let uri = |text: &str| Uri::parse(text).unwrap();
        let clash = |one: &str, other: &str| clash(&uri(one), &uri(other));
        assert!(clash("s3://b/x/", "s3://b/x/").is_some());
        assert!(clash("s3://b/x/", "s3://b/x/y/").is_some());
        assert!(clash("s3://b/x--0123abcd/", "s3://b/x/").is_some());
        assert!(clash("s3://b/x/", "s3://b/xy/").is_none());
        assert!(clash("s3://b/x--0123abcd/y/", "s3://b/x/").is_some());
        assert!(clash("s3://b/x--0123abcg/", "s3://b/x/").is_none());
        assert!(clash("s3://b/x/", "s3://c/x/").is_none());
    }

    #[test]
    fn a_layout_holds_every_column_once() {
        let columns =
            ["region", "dt"].map(|name| Column { name: name.into(), ddl_type: "string".into(), comment: None });
        let layout = |written: &str| with_text(written, |text, found| read_layout(text, &columns, found));
        let parts = layout("x/{dt}/{region}").unwrap().parts;
        let text = |text: &str| LayoutPart::Text(text.into());
        assert_eq!(parts, [text("x/"), LayoutPart::Column(1), text("/"), LayoutPart::Column(0), text("/")]);
        for (written, told) in [
            ("{region}/", "the layout lacks column `dt` | '{region}/'"),
            ("{region}{dt}/", "two columns with nothing between them | {dt}"),
            ("{regoin}/{dt}/", "`{regoin}` in a layout is no partition column | {regoin}"),
            ("{region}/{dt}/{dt}", "column `dt` a second time | {dt}"),
            ("/{region}/{dt}", "a layout begins below the location, without a slash | '/{region}/{dt}'"),
        ] {
            assert_eq!(layout(written).unwrap_err(), told);
        }
    }
}
