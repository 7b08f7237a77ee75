//! What rules and tables say together: columns against columns, locations against locations and listings, rules against
//! the ones before them.
//!
//! Pure; nothing here reads text, it only compares what was read.

use std::ops::Range;

use super::date::{meant, odd_words};
use super::diagnostic::Diagnostic;
use super::file::Draft;
use super::location;
use super::rule::{Context, Head, RuleDraft};
use super::shape::{Node, Text};
use super::table::{LineKind, ListingSource, Matcher, Partitions, Removed, Table};
use super::template::{CaptureKind, Piece, PieceKind, anchor_in_re, merge_prefixes};
use crate::uri::Uri;
use crate::value::PartitionType;

/// What a rule makes restitch list: each literal prefix of its `match`, or `under`, and of its `done`; nested ones
/// merged.
pub fn listed(rule: &super::table::Rule) -> Vec<Uri> {
    let mut prefixes = match &rule.matcher {
        Matcher::Template(template) => template.literal_prefixes(rule.ignore_case),
        Matcher::Regex { under, .. } => vec![under_prefix(under, rule.ignore_case)],
    };
    // Case counts in `done`, whatever the rule says.
    prefixes.extend(rule.done.iter().flat_map(|done| done.literal_prefixes(false)));
    merge_prefixes(prefixes)
}

/// Under `ignore_case` a prefix ends in front of its first letter.
fn under_prefix(under: &Uri, ignore_case: bool) -> Uri {
    let end = if ignore_case { under.key.find(char::is_alphabetic) } else { None };
    Uri::new(under.bucket.clone(), &under.key[..end.unwrap_or(under.key.len())])
}

/// Checks one table by itself.
pub fn table(
    context: &Context<'_>,
    table: &Table,
    head: &Head<'_>,
    own: &Node<'_>,
    rules: &[RuleDraft<'_>],
    found: &mut Vec<Diagnostic>,
) {
    columns(context, table, head, found);
    reserved(table, head, own, found);
    for entry in head.set.iter().filter(|entry| entry.level == super::rule::Level::Table) {
        found.extend(super::rule::set_for_no_column(entry, head));
    }
    if table.partitions == Partitions::Projection {
        projection(table, head, own, found);
    }
    for draft in rules {
        if let (Some(rule), Some(text)) = (&draft.rule, &draft.text) {
            template_warnings(rule, text, found);
        }
    }
    prefix_lines(rules, found);
}

fn columns(context: &Context<'_>, table: &Table, head: &Head<'_>, found: &mut Vec<Diagnostic>) {
    for (index, (column, span)) in head.partitioned_by.iter().zip(&head.partition_spans).enumerate() {
        let error = |message: String| Diagnostic::error(span.clone(), message);
        let columns = if table.ddl.is_some() { "the statement's columns" } else { "`columns`" };
        if table.columns.iter().any(|other| other.name == column.name) {
            found.push(
                error(format!("partition column `{}` is a data column too", column.name))
                    .label("engines refuse such a table")
                    .help(format!("take it out of {columns}, or give the partition another name")),
            );
        }
        if let Some(first) = head.partitioned_by[..index].iter().position(|other| other.name == column.name) {
            let line = context.lines.line(head.partition_spans[first].start);
            found.push(
                error(format!("partition column `{}` a second time", column.name))
                    .note(format!("first on line {line}")),
            );
        }
    }
}

/// Words that Athena's DDL reserves: they work only in quotes.
const RESERVED: &str = " ALL ALTER AND ARRAY AS AUTHORIZATION BETWEEN BIGINT BINARY BOOLEAN BOTH BY CASE CASHE CAST CHAR COLUMN \
CONF CONSTRAINT COMMIT CREATE CROSS CUBE CURRENT CURRENT_DATE CURRENT_TIMESTAMP CURSOR DATABASE DATE DAYOFWEEK DECIMAL \
DELETE DESCRIBE DISTINCT DIV DOUBLE DROP ELSE END EXCHANGE EXISTS EXTENDED EXTERNAL EXTRACT FALSE FETCH FLOAT FLOOR \
FOLLOWING FOR FOREIGN FROM FULL FUNCTION GRANT GROUP GROUPING HAVING IF IMPORT IN INNER INSERT INT INTEGER INTERSECT \
INTERVAL INTO IS JOIN LATERAL LEFT LESS LIKE LOCAL MACRO MAP MORE NONE NOT NULL NUMERIC OF ON ONLY OR ORDER OUT OUTER OVER \
PARTIALSCAN PARTITION PERCENT PRECEDING PRECISION PRESERVE PRIMARY PROCEDURE RANGE READS REDUCE REGEXP REFERENCES REVOKE \
RIGHT RLIKE ROLLBACK ROLLUP ROW ROWS SELECT SET SMALLINT START TABLE TABLESAMPLE THEN TIME TIMESTAMP TO TRANSFORM TRIGGER \
TRUE TRUNCATE UNBOUNDED UNION UNIQUEJOIN UPDATE USER USING UTC_TIMESTAMP VALUES VARCHAR VIEWS WHEN WHERE WINDOW WITH ";

/// Whether Athena's DDL reserves this word.
pub fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&format!(" {} ", word.to_ascii_uppercase()))
}

fn reserved(table: &Table, head: &Head<'_>, own: &Node<'_>, found: &mut Vec<Diagnostic>) {
    let mut warn = |name: &str, what: &str, span: Range<usize>| {
        if is_reserved(name) {
            found.push(
                Diagnostic::warning(span, format!("`{name}` is a reserved word as the name of a {what}"))
                    .label("queries must quote it")
                    .help(format!("SELECT … \"{name}\" …")),
            );
        }
    };
    warn(head.name.value, "table", head.name.span.clone());
    for (column, span) in head.partitioned_by.iter().zip(&head.partition_spans) {
        warn(&column.name, "column", span.clone());
    }
    let texts = own.texts("columns").unwrap_or_default();
    for column in &table.columns {
        let text = texts.iter().find(|text| {
            let name = text.value.trim_start().trim_start_matches('`');
            name.get(..column.name.len()).is_some_and(|name| name.eq_ignore_ascii_case(&column.name))
        });
        if let Some(text) = text {
            let at = text.value.len() - text.value.trim_start().len();
            warn(&column.name, "column", text.at(at..at + column.name.len()));
        }
    }
}

/// What `partitions = "projection"` cannot say.
fn projection(table: &Table, head: &Head<'_>, own: &Node<'_>, found: &mut Vec<Diagnostic>) {
    let span = own.value_span("partitions").unwrap_or(own.span.clone());
    if head.partitioned_by.is_empty() {
        found.push(
            Diagnostic::error(span.clone(), "nothing to project: the table has no partition columns")
                .help("leave it out\npartitions = \"registered\""),
        );
    }
    for (column, column_span) in head.partitioned_by.iter().zip(&head.partition_spans) {
        if column.partition_type() == PartitionType::Other && !column.ddl_type.starts_with("timestamp") {
            found.push(
                Diagnostic::error(
                    column_span.clone(),
                    format!("a column of type `{}` cannot be projected", column.ddl_type),
                )
                .label("text, whole numbers and dates can")
                .help(format!("write\n\"{} string\"", column.name)),
            );
        }
    }
    for pair in table.layout.parts.windows(2) {
        use super::table::LayoutPart::{Column, Text};
        if let [Column(index), Text(text)] = pair
            && !text.starts_with('/')
        {
            let name = &head.partitioned_by[*index].name;
            let span = own.value_span("layout").unwrap_or(span.clone());
            found.push(
                Diagnostic::error(
                    span,
                    format!("column `{name}` ends within a component, which projection cannot say"),
                )
                .label("each column is followed by `/`"),
            );
        }
    }
}

/// What is odd about a template by itself: `col={x}`, and an item of `in()` that begins another.
fn template_warnings(rule: &super::table::Rule, text: &Text<'_>, found: &mut Vec<Diagnostic>) {
    let Matcher::Template(template) = &rule.matcher else { return };
    warnings_in(&template.pieces, text, None, found);
}

fn warnings_in(pieces: &[Piece], text: &Text<'_>, before: Option<&str>, found: &mut Vec<Diagnostic>) {
    let mut before = before;
    for piece in pieces {
        match &piece.kind {
            PieceKind::Capture { name: Some(name), kind: CaptureKind::Plain } => {
                if let Some(column) = before.and_then(hive_column) {
                    found.push(
                        Diagnostic::warning(
                            text.at(piece.span.clone()),
                            format!("`{column}={{{name}}}` looks like a Hive directory"),
                        )
                        .label(format!("write `{{{name}:hive}}`"))
                        .note("as it is, a percent-escape would be escaped again, and Hive's NULL would be a text"),
                    );
                }
            }
            PieceKind::Capture { kind: CaptureKind::Re(expression), .. } => {
                if let Some(anchor) = anchor_in_re(expression) {
                    found.push(
                        Diagnostic::warning(
                            text.at(piece.span.clone()),
                            format!("the anchor `{}` in `re(…)`", &expression[anchor]),
                        )
                        .label("is about the whole text, bucket and all")
                        .help("leave it out: what stands before and behind the capture says where it begins and ends"),
                    );
                }
            }
            PieceKind::Capture { name, kind: CaptureKind::In(items) } => {
                in_warnings(name.as_deref(), items, piece, text, found)
            }
            PieceKind::Capture { name, kind: CaptureKind::Date(form) } => {
                let name = name.as_deref().unwrap_or("_");
                for (word, field) in odd_words(form) {
                    let shown =
                        Diagnostic::warning(text.at(piece.span.clone()), format!("`{word}` is text in this date"))
                            .label(format!("the field is `{field}`"));
                    let meant = meant(&form.source).map(|meant| format!("write `{{{name}:date({meant})}}`"));
                    found.push(shown.help_maybe(meant));
                }
            }
            PieceKind::Alternatives(branches) => {
                branches.iter().for_each(|branch| warnings_in(branch, text, before, found));
            }
            _ => {}
        }
        before = match &piece.kind {
            PieceKind::Text(literal) => Some(literal),
            _ => None,
        };
    }
}

/// `col` of a text that ends in `/col=`.
fn hive_column(text: &str) -> Option<&str> {
    let name = text.strip_suffix('=')?.rsplit('/').next()?;
    super::column::is_name(name).then_some(name)
}

fn in_warnings(name: Option<&str>, items: &[String], piece: &Piece, text: &Text<'_>, found: &mut Vec<Diagnostic>) {
    for (index, item) in items.iter().enumerate() {
        let Some(longer) = items[index + 1..].iter().find(|longer| longer.starts_with(item.as_str())) else { continue };
        let span = text.at(piece.span.clone());
        if item == longer {
            found.push(Diagnostic::warning(span, format!("`{item}` stands twice in `in(…)`")));
            continue;
        }
        let mut sorted = items.to_vec();
        sorted.sort_by_key(|item| std::cmp::Reverse(item.len()));
        sorted.dedup();
        let escaped: Vec<String> = sorted.iter().map(|item| escape_item(item)).collect();
        found.push(
            Diagnostic::warning(span, format!("`{item}` begins `{longer}`, and is tried first"))
                .label("the longer one may never be taken")
                .help(format!("write the longer one first: `{{{}:in({})}}`", name.unwrap_or("_"), escaped.join(","))),
        );
        return;
    }
}

fn escape_item(item: &str) -> String {
    item.chars().flat_map(|c| matches!(c, ',' | ')' | '\\').then_some('\\').into_iter().chain([c])).collect()
}

/// `line = "prefix"`: the line names everything below, so no other rule of the table may reach there, and nothing may be
/// left out.
fn prefix_lines(rules: &[RuleDraft<'_>], found: &mut Vec<Diagnostic>) {
    let read = || rules.iter().filter_map(|draft| draft.rule.as_ref().map(|rule| (draft, rule)));
    for (draft, rule) in read().filter(|(_, rule)| rule.line_kind == LineKind::Prefix) {
        let span = draft.node.value_span("line").unwrap_or(draft.node.span.clone());
        let error = |message: String| Diagnostic::error(span.clone(), message).label("the line names everything below");
        let reaching = read().find(|(_, other)| other.number != rule.number && meet(&listed(rule), &listed(other)));
        if let Some((_, other)) = reaching {
            found.push(
                error(format!("rule {} (line {}) may reach below this prefix", other.number, other.line))
                    .help("leave it out: the manifest then names each object\nline = \"object\""),
            );
        }
        for (is_there, key) in [
            (!rule.conditions.is_empty(), "where"),
            (!rule.exclude.is_empty(), "exclude"),
            (rule.done.is_some(), "done"),
        ] {
            if is_there {
                found.push(
                    error(format!("`{key}` cannot leave out what a prefix line names"))
                        .help("write\nline = \"object\""),
                );
            }
        }
    }
}

/// Whether an object may lie under prefixes of both.
fn meet(one: &[Uri], other: &[Uri]) -> bool {
    one.iter().any(|one| other.iter().any(|other| one.is_prefix_of(other) || other.is_prefix_of(one)))
}

/// Checks tables against one another, and against what is listed.
pub fn across(
    context: &Context<'_>,
    drafts: &[Draft<'_>],
    removed: &[(Removed, Text<'_>)],
    listings: &[(ListingSource, Range<usize>)],
    found: &mut Vec<Diagnostic>,
) {
    names(context, drafts, found);
    locations(context, drafts, removed, found);
    listed_locations(drafts, removed, found);
    whole_buckets(drafts, listings, found);
    unlisted(drafts, listings, found);
}

fn names(context: &Context<'_>, drafts: &[Draft<'_>], found: &mut Vec<Diagnostic>) {
    for (index, draft) in drafts.iter().enumerate() {
        let twin = drafts[..index].iter().find(|other| other.name.value.eq_ignore_ascii_case(draft.name.value));
        if let Some(twin) = twin {
            let line = context.lines.line(twin.name.span.start);
            let message =
                format!("table `{}` differs from `{}` (line {line}) only in case", draft.name.value, twin.name.value);
            found.push(Diagnostic::error(draft.name.span.clone(), message).label("catalogs write names in lower case"));
        }
    }
}

/// A location, whose it is, and where it stands.
struct Place<'p> {
    uri: &'p Uri,
    whose: String,
    span: Range<usize>,
}

fn places<'p>(drafts: &'p [Draft<'_>], removed: &'p [(Removed, Text<'_>)]) -> Vec<Place<'p>> {
    let tables = drafts.iter().filter_map(|draft| {
        let uri = draft.table.location.as_ref()?;
        Some(Place { uri, whose: format!("table `{}`", draft.name.value), span: draft.location.as_ref()?.span.clone() })
    });
    let removed = removed.iter().map(|(removed, text)| Place {
        uri: &removed.location,
        whose: format!("removed table `{}`", removed.name),
        span: text.span.clone(),
    });
    tables.chain(removed).collect()
}

fn locations(
    context: &Context<'_>,
    drafts: &[Draft<'_>],
    removed: &[(Removed, Text<'_>)],
    found: &mut Vec<Diagnostic>,
) {
    let places = places(drafts, removed);
    let mut shared: Vec<Range<usize>> = Vec::new();
    for (index, place) in places.iter().enumerate() {
        let clash = places[..index].iter().find_map(|other| Some((other, location::clash(other.uri, place.uri)?)));
        let Some((other, what)) = clash else { continue };
        let is_shared = other.span == place.span;
        if is_shared && shared.contains(&place.span) {
            continue;
        }
        let error = Diagnostic::error(place.span.clone(), format!("{} and {} have {what}", other.whose, place.whose))
            .note(format!("{}: {} (line {})", other.whose, other.uri.shown(), context.lines.line(other.span.start)))
            .note(format!("{}: {}", place.whose, place.uri.shown()));
        found.push(if is_shared {
            shared.push(place.span.clone());
            error
                .label("one for all tables")
                .help("put the table's name into it\nlocation = \"s3://bucket/tables/{table}/\"")
        } else {
            error.label("each table needs a folder of its own")
        });
    }
}

/// Locations and listings that overlap: the keys there are never source objects.
fn listed_locations(drafts: &[Draft<'_>], removed: &[(Removed, Text<'_>)], found: &mut Vec<Diagnostic>) {
    let places = places(drafts, removed);
    for draft in drafts {
        for rule in &draft.rules {
            let (Some(read), Some(text)) = (&rule.rule, &rule.text) else { continue };
            let prefixes = listed(read);
            if let Some(place) =
                places.iter().find(|place| prefixes.iter().all(|prefix| place.uri.is_prefix_of(prefix)))
            {
                found.push(
                    Diagnostic::warning(text.span.clone(), "this rule takes nothing: it reads from a location")
                        .label(format!("below the location of {}", place.whose))
                        .note("keys below a location are manifests, never source objects"),
                );
            }
        }
    }
    for place in &places {
        let covering = drafts.iter().flat_map(|draft| draft.rules.iter().map(move |rule| (draft, rule)));
        let covering =
            covering.filter_map(|(draft, rule)| Some((draft, rule.rule.as_ref()?))).find_map(|(draft, rule)| {
                let prefix = listed(rule).into_iter().find(|prefix| prefix.is_prefix_of(place.uri))?;
                Some((draft, rule, prefix))
            });
        if let Some((draft, rule, prefix)) = covering {
            found.push(
                Diagnostic::warning(
                    place.span.clone(),
                    format!("the location of {} lies inside a prefix that rules list", place.whose),
                )
                .label("its keys are listed and left out")
                .note(format!("table `{}` lists {} (line {})", draft.name.value, prefix.shown(), rule.line))
                .help("a location elsewhere costs no listing"),
            );
        }
    }
}

/// Rules that begin with a hole make restitch list the whole bucket.
fn whole_buckets(drafts: &[Draft<'_>], listings: &[(ListingSource, Range<usize>)], found: &mut Vec<Diagnostic>) {
    let from_elsewhere = |prefix: &Uri| {
        let covers =
            |listing: &ListingSource| listing.prefix.as_ref().is_none_or(|covered| covered.is_prefix_of(prefix));
        listings.iter().any(|(listing, _)| listing.from.is_some() && covers(listing))
    };
    for draft in drafts.iter().flat_map(|draft| &draft.rules) {
        let (Some(rule), Some(text)) = (&draft.rule, &draft.text) else { continue };
        let whole = listed(rule).into_iter().find(|prefix| prefix.key.is_empty() && !from_elsewhere(prefix));
        let Some(prefix) = whole else { continue };
        let (span, label) = match &rule.matcher {
            Matcher::Template(template) => (first_hole(&template.pieces, text), "nothing literal before it"),
            Matcher::Regex { .. } => (text.span.clone(), "`under` names no folder"),
        };
        let with_case = match &rule.matcher {
            Matcher::Template(template) => template.literal_prefixes(false),
            Matcher::Regex { under, .. } => vec![under.clone()],
        };
        if rule.ignore_case && with_case.iter().all(|prefix| !prefix.key.is_empty()) {
            found.push(
                Diagnostic::warning(text.span.clone(), "this rule lists the whole bucket")
                    .label("`ignore_case` covers the folders too")
                    .help("name the few spellings instead: `{Scans,scans}/`; or take its listing from a file: `[[listing]]`, `from`"),
            );
            continue;
        }
        let is_local = prefix.bucket.scheme == crate::uri::Scheme::File;
        let what = if is_local { "this rule lists the whole file system" } else { "this rule lists the whole bucket" };
        let help = "name the folders in front; or take its listing from a file: `[[listing]]`, `from`";
        found.push(Diagnostic::warning(span, what).label(label).help(help));
    }
}

/// The first piece behind the bucket that is no text, or all of the template.
fn first_hole(pieces: &[Piece], text: &Text<'_>) -> Range<usize> {
    let mut behind_bucket = false;
    for piece in pieces {
        if behind_bucket && !matches!(piece.kind, PieceKind::Text(_)) {
            return text.at(piece.span.clone());
        }
        behind_bucket |= matches!(&piece.kind, PieceKind::Text(literal) if literal.contains('/'));
    }
    text.span.clone()
}

/// `[[listing]]`s that no rule needs.
fn unlisted(drafts: &[Draft<'_>], listings: &[(ListingSource, Range<usize>)], found: &mut Vec<Diagnostic>) {
    let rules = || drafts.iter().flat_map(|draft| &draft.rules).filter_map(|draft| draft.rule.as_ref());
    if drafts.iter().flat_map(|draft| &draft.rules).any(|draft| draft.rule.is_none()) {
        return;
    }
    for (listing, span) in listings {
        let Some(prefix) = &listing.prefix else { continue };
        if !rules().any(|rule| meet(&listed(rule), std::slice::from_ref(prefix))) {
            found.push(Diagnostic::warning(span.clone(), "no rule lists anything under this prefix"));
        }
    }
}
