//! What a table's rules, columns and settings say together; what tables say together is `across.rs`.
//!
//! Pure; nothing here reads text, it only compares what was read.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::date::{meant, odd_words};
use super::diagnostic::Diagnostic;
use super::rule::{Context, Head, RuleDraft};
use super::shape::{Node, Text};
use super::table::{LineKind, Matcher, Partitions, Table};
use super::template::{CaptureKind, Piece, PieceKind, anchor_in_re, merge_prefixes};
use crate::uri::{Scheme, Uri};
use crate::value::PartitionType;

/// What a rule makes restitch list: each literal prefix of its `match`, or `under`, and of its `done`; nested ones
/// merged.
pub fn listed(rule: &super::table::Rule) -> Vec<Uri> {
    let mut prefixes = rule.openings();
    // Case counts in `done`, whatever the rule says.
    prefixes.extend(rule.done.iter().flat_map(|done| done.literal_prefixes(false)));
    merge_prefixes(prefixes)
}

/// Checks one table by itself; `column_spans` are where its data columns' names stand, none where `ddl` or `like` names them.
pub fn table(
    context: &Context<'_>,
    table: &Table,
    head: &Head<'_>,
    own: &Node<'_>,
    column_spans: &[Range<usize>],
    rules: &[RuleDraft<'_>],
    found: &mut Vec<Diagnostic>,
) {
    columns(context, table, head, found);
    reserved(table, head, column_spans, found);
    for entry in head.set.iter().filter(|entry| entry.level == super::rule::Level::Table) {
        found.extend(super::rule::set_for_no_column(entry, head));
    }
    if table.partitions == Partitions::Projection {
        projection(table, head, own, found);
    }
    for draft in rules {
        if let (Some(rule), Some(text)) = (&draft.rule, &draft.text) {
            open_ref(rule, text, found);
            template_warnings(rule, text, found);
        }
    }
    prefix_lines(rules, found);
}

fn columns(context: &Context<'_>, table: &Table, head: &Head<'_>, found: &mut Vec<Diagnostic>) {
    let data: HashSet<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let mut first: HashMap<&str, &Range<usize>> = HashMap::new();
    for (column, span) in head.partitioned_by.iter().zip(&head.partition_spans) {
        let error = |message: String| Diagnostic::error(span.clone(), message);
        let columns = match (&table.ddl, &table.like) {
            (Some(_), _) => "the statement's columns",
            (None, Some(_)) => "the columns that `like` brings",
            (None, None) => "`columns`",
        };
        if data.contains(column.name.as_str()) {
            found.push(
                error(format!("partition column `{}` is a data column too", column.name))
                    .label("engines refuse such a table")
                    .help(format!("take it out of {columns}, or give the partition another name")),
            );
        }
        if let Some(first) = first.get(column.name.as_str()) {
            let line = context.lines.line(first.start);
            found.push(
                error(format!("partition column `{}` a second time", column.name))
                    .note(format!("first on line {line}")),
            );
        }
        first.entry(&column.name).or_insert(span);
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

fn reserved(table: &Table, head: &Head<'_>, column_spans: &[Range<usize>], found: &mut Vec<Diagnostic>) {
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
    for (column, span) in table.columns.iter().zip(column_spans) {
        warn(&column.name, "column", span.clone());
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

/// A rule of lakeFS says which ref it lists, in full: there is no listing of several, but one that was written down.
fn open_ref(rule: &super::table::Rule, text: &Text<'_>, found: &mut Vec<Diagnostic>) {
    let is_open = |prefix: &Uri| prefix.bucket.scheme == Scheme::LakeFs && !prefix.key.contains('/');
    let Some(open) = listed(rule).into_iter().find(is_open) else { return };
    let repository = &open.bucket.name;
    let warning =
        Diagnostic::warning(text.span.clone(), "which branch, tag or commit is meant is open: lakeFS cannot list it");
    found.push(warning.label("behind the repository stands a ref, and a path behind that").help(format!(
        "write it out, or several in braces, or give a listing\n'lakefs://{repository}/{{main,v1.0}}/…'"
    )));
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

/// Bytes of a list that a help writes out.
const LONGEST_LIST: usize = 200;

fn in_warnings(name: Option<&str>, items: &[String], piece: &Piece, text: &Text<'_>, found: &mut Vec<Diagnostic>) {
    let mut sorted: Vec<(&str, usize)> = items.iter().map(String::as_str).zip(0..).collect();
    sorted.sort_unstable();
    // Those that an item begins come right behind it.
    let longer = |at: usize| {
        let (item, index) = sorted[at];
        sorted[at + 1..].iter().take_while(|(other, _)| other.starts_with(item)).find(|(_, other)| *other > index)
    };
    let mut found_at: Vec<(usize, &str, &str)> =
        (0..sorted.len()).filter_map(|at| Some((sorted[at].1, sorted[at].0, longer(at)?.0))).collect();
    found_at.sort_unstable();
    for (_, item, longer) in found_at {
        let span = text.at(piece.span.clone());
        if item == longer {
            found.push(Diagnostic::warning(span, format!("`{item}` stands twice in `in(…)`")));
            continue;
        }
        let mut longest_first = items.to_vec();
        longest_first.sort_by_key(|item| std::cmp::Reverse(item.len()));
        longest_first.dedup();
        let escaped: Vec<String> = longest_first.iter().map(|item| escape_item(item)).collect();
        let list = Some(escaped.join(",")).filter(|list| list.len() <= LONGEST_LIST);
        let written = list.map_or(String::new(), |list| format!(": `{{{}:in({list})}}`", name.unwrap_or("_")));
        found.push(
            Diagnostic::warning(span, format!("`{item}` begins `{longer}`, and is tried first"))
                .label("the longer one may never be taken")
                .help(format!("write the longer one first{written}")),
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
