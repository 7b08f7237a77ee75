//! `restitch explain`: of one URI, which rule takes it, with which values, into which manifest; of every other rule, where
//! exactly it stopped. Decides nothing: `map::explain` says it, here it is shown.

use serde_json::{Value, json};

use super::show::{DIM, ERROR, HELP, STRONG, WARNING};
use super::{Exit, Global, Output, rule_file};
use crate::error::Result;
use crate::map::explain::{
    Capture, ExcludedBy, Explanation, Remedy, RuleVerdict, Stop, TableExplanation, Takes, explain,
};
use crate::map::page::Object;
use crate::map::{Program, Why};
use crate::plan::manifest::{MANIFEST, Shape};
use crate::plan::traps::{Level, ReaderName, Trap, TrapSet, Traps};
use crate::rules::excerpt::{self, WIDTH, columns, safe, shortened};
use crate::rules::table::{Claim, ConditionOn, Matcher, Operator, Pick, PickOne, Rule, Rules, Table, ValueSource};
use crate::rules::template::{Piece, PieceKind};
use crate::uri::{Scheme, Shown, Uri};
use crate::value::instant;

/// Say of one URI which rule takes it, into which manifest, and where each other rule stops
#[derive(clap::Args)]
pub struct ExplainArgs {
    /// The object's URI, or the path of a local file; it need not exist
    #[arg(value_name = "URI")]
    uri: String,

    /// Print one JSON document instead
    #[arg(long)]
    json: bool,

    /// The object's size in bytes, where rules ask for it
    #[arg(long, value_name = "BYTES")]
    size: Option<u64>,

    /// When the object was last written, such as 2024-03-01T06:00:00Z, where rules ask for it
    #[arg(long, value_name = "TIME", value_parser = |text: &str| instant(text).ok_or("this is no date and time"))]
    modified: Option<i64>,

    /// The object's storage class, where rules ask for it
    #[arg(long, value_name = "CLASS")]
    storage_class: Option<String>,
}

/// # Errors
/// Those of the rule file; `Usage` for what is no URI.
pub async fn run(global: &Global, args: &ExplainArgs) -> Result<Exit> {
    let uri = rule_file::object_uri(&args.uri)?;
    let rules = rule_file::load(global).await?;
    let object = Object {
        bucket: &uri.bucket,
        key: &uri.key,
        physical: None,
        size: args.size,
        modified: args.modified,
        storage_class: args.storage_class.as_deref(),
        etag: None,
    };
    let explanation = explain(&Program::new(&rules), &object)?;
    let explained = Explained { rules: &rules, uri: &uri, explanation: &explanation };
    let mut out = if args.json { Output::bytes() } else { Output::text() };
    if args.json {
        let document = serde_json::to_string_pretty(&explained.json()).expect("JSON values print");
        writeln!(out, "{document}")?;
    } else {
        explained.print(&mut out)?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

struct Explained<'e> {
    rules: &'e Rules,
    uri: &'e Uri,
    explanation: &'e Explanation,
}

/// A table that takes the object: where its line goes.
struct Destination {
    /// The URI, or why there can be none; `None` without a location.
    manifest: Option<Result<Uri>>,
    line: Vec<u8>,
    traps: Vec<(&'static Trap, Level, Vec<String>)>,
}

impl Explained<'_> {
    fn table(&self, of: &TableExplanation) -> &Table {
        &self.rules.tables[of.table]
    }

    fn destination(&self, table: &Table, takes: &Takes) -> Destination {
        let shape = Shape::of(table);
        let manifest = table.location.as_ref().map(|location| {
            let key = shape.key(location, &takes.values)?;
            Ok(location.join(&key))
        });
        let mut line = Vec::new();
        let key = match takes.prefix_len {
            Some(len) => &self.uri.key[..len as usize],
            None => &self.uri.key,
        };
        Uri::new(self.uri.bucket.clone(), key).write_to(&mut line);
        let traps = Traps::for_table(table);
        let of_values = traps.partition_traps(table, &takes.values);
        // Where an object of lakeFS lies, only its listing says.
        let of_line = match self.uri.bucket.scheme {
            Scheme::LakeFs => TrapSet::default(),
            _ => traps.line_traps(&line),
        };
        let found = of_line.iter().chain(of_values.iter()).filter_map(|trap| {
            let readers = traps.readers_of(trap).into_iter().map(|reader| ReaderName(reader).to_string()).collect();
            Some((trap, traps.level(trap)?, readers))
        });
        Destination { manifest, traps: found.collect(), line }
    }

    fn print(&self, out: &mut Output) -> Result<()> {
        writeln!(out, "{STRONG}{}{STRONG:#}", shortened(&self.uri.shown(), WIDTH))?;
        if let Some(location) = &self.explanation.below {
            return writeln!(
                out,
                "\nno object: it lies below the location {}\n  {DIM}keys there are manifests, whatever rules say{DIM:#}",
                shortened(&location.shown(), WIDTH - 45)
            );
        }
        let is_elsewhere = |of: &TableExplanation| of.rules.iter().all(|rule| *rule == RuleVerdict::OtherBucket);
        let (elsewhere, here): (Vec<_>, Vec<_>) = self.explanation.tables.iter().partition(|of| is_elsewhere(of));
        let mut here = here.as_slice();
        while let Some(first) = here.first() {
            let same = here.iter().take_while(|of| first.skipped.is_some() && of.skipped == first.skipped).count();
            writeln!(out)?;
            match first.skipped {
                Some(why) => self.print_skipped(out, &here[..same], why)?,
                None => self.print_table(out, first)?,
            }
            here = &here[same.max(1)..];
        }
        if !elsewhere.is_empty() {
            let list = format!("in other buckets: {}", self.names(elsewhere));
            writeln!(out, "\n{DIM}{}{DIM:#}", excerpt::wrapped(&list, WIDTH, 2))?;
        }
        for (table, rule) in &self.explanation.marks {
            let table = &self.rules.tables[*table];
            let text =
                format!("it is a marker that {} of {} waits for", self.place(&table.rules[*rule]), Shown(&table.name));
            writeln!(out, "\n{}", excerpt::wrapped(&text, WIDTH, 2))?;
        }
        if let Some(end) = self.end() {
            writeln!(out, "\n{STRONG}{}{STRONG:#}", excerpt::wrapped(&end, WIDTH, 2))?;
        }
        Ok(())
    }

    /// The last line: what came of it all, where that is not plain to see.
    fn end(&self) -> Option<String> {
        let lacks = |of: &TableExplanation| {
            of.asked().iter().find_map(|verdict| match verdict {
                RuleVerdict::Lacks { attribute, .. } => Some(*attribute),
                _ => None,
            })
        };
        if let Some(attribute) = self.explanation.tables.iter().filter(|of| of.skipped.is_none()).find_map(lacks) {
            return Some(format!("this depends on its {attribute}: say it with --{}", option_of(attribute)));
        }
        let why = self.explanation.why()?;
        let shows_glob = |verdict: &RuleVerdict| matches!(verdict, RuleVerdict::Excluded { .. });
        let is_shown = self.explanation.tables.iter().any(|of| of.asked().iter().any(shows_glob));
        let word = match (why, &self.explanation.excluded_by) {
            (Why::Hidden, _) => "hidden (a component begins with `_` or `.`)".to_owned(),
            (Why::Excluded, Some(glob)) if !is_shown => format!("excluded by {}", quoted(glob)),
            (why, _) => why.name().to_owned(),
        };
        Some(format!("no table takes it: {word}"))
    }

    /// `rule 2 (restitch.toml:14)`
    fn place(&self, rule: &Rule) -> String {
        let path = self.rules.path.to_string_lossy();
        format!("rule {} ({}:{})", rule.number, Shown(&path), rule.line)
    }

    fn names<'t>(&self, tables: impl IntoIterator<Item = &'t TableExplanation>) -> String {
        tables.into_iter().map(|of| Shown(&self.table(of).name).to_string()).collect::<Vec<_>>().join(", ")
    }

    /// Tables that skip the object for one reason.
    fn print_skipped(&self, out: &mut Output, tables: &[&TableExplanation], why: Why) -> Result<()> {
        let verb = if tables.len() == 1 { "skips" } else { "skip" };
        let text = format!("{} {verb} it: {}", self.names(tables.iter().copied()), skipped(why));
        writeln!(out, "{}", excerpt::wrapped(&text, WIDTH, 2))?;
        let [one] = tables else { return Ok(()) };
        let skip = &self.table(one).skip;
        let kinds = [
            (Why::Marker, skip.markers, "markers"),
            (Why::Hidden, skip.hidden, "hidden"),
            (Why::Folder, skip.folder, "folder"),
            (Why::Empty, skip.empty, "empty"),
            (Why::Archived, skip.archived, "archived"),
        ];
        let others =
            kinds.iter().filter(|(kind, skips, _)| *skips && *kind != why).map(|(.., name)| format!("\"{name}\""));
        let others = others.collect::<Vec<_>>().join(", ");
        writeln!(out, "  {HELP}help:{HELP:#} to have its rules asked, write in the table\n        skip = [{others}]")
    }

    fn print_table(&self, out: &mut Output, of: &TableExplanation) -> Result<()> {
        let table = self.table(of);
        let name = Shown(&table.name);
        let what = match (of.claimed_by, of.taken_by) {
            (Some(by), Some(_)) => {
                let by = Shown(&self.rules.tables[by].name);
                format!(" would take it, but comes behind {by}, and the file says claim = \"first\"")
            }
            (None, Some(_)) => " takes it".to_owned(),
            (_, None) => String::new(),
        };
        writeln!(out, "{STRONG}{name}{STRONG:#}{what}")?;
        for (rule, verdict) in table.rules.iter().zip(of.asked()) {
            self.print_rule(out, table, rule, verdict)?;
        }
        let left = table.rules.len() - of.asked().len();
        if left > 0 {
            let rules = if left == 1 { "1 rule".to_owned() } else { format!("{left} rules") };
            writeln!(out, "  {DIM}{rules} behind it not asked{DIM:#}")?;
        }
        Ok(())
    }

    fn print_rule(&self, out: &mut Output, table: &Table, rule: &Rule, verdict: &RuleVerdict) -> Result<()> {
        let label = format!("  {}  ", self.place(rule));
        let source = safe(source(rule));
        match verdict {
            RuleVerdict::Stopped(stop) => {
                writeln!(out, "{}", label.trim_end())?;
                return self.print_stop(out, rule, stop);
            }
            RuleVerdict::OtherBucket => {
                let source = shortened(&source, WIDTH.saturating_sub(columns(&label) + 16).max(20));
                return writeln!(out, "{label}{DIM}another bucket: {source}{DIM:#}");
            }
            _ if columns(&label) + columns(&source) <= WIDTH => writeln!(out, "{label}{source}")?,
            _ => writeln!(out, "{}\n    {}", label.trim_end(), shortened(&source, WIDTH - 4))?,
        }
        let mut rows = Rows::default();
        match verdict {
            RuleVerdict::BadDate { captures, name } => {
                let pieces: Vec<&str> =
                    captures.iter().filter(|one| one.name == *name).filter_map(|one| one.text.as_deref()).collect();
                let why = match pieces.as_slice() {
                    [one] => format!("{} does not exist", quoted(one)),
                    pieces => format!("{} make no date together", list(pieces)),
                };
                let name = if name == "_" { String::new() } else { format!(" {{{}}}", Shown(name)) };
                rows.push("bad date", format!("the date{name}: {why}"));
            }
            RuleVerdict::Excluded { captures, glob, from } => {
                rows.captures(captures, &[]);
                let whose = match from {
                    ExcludedBy::Rule => "of the rule: it leaves the object to the next one",
                    ExcludedBy::Table => "of the table: it leaves the object to other tables",
                    ExcludedBy::Defaults => "of [defaults]: no table takes such objects",
                };
                rows.push("excluded", format!("by {}, {whose}", quoted(glob)));
            }
            RuleVerdict::Filtered { captures, condition, value } => {
                rows.captures(captures, &[]);
                let condition = &rule.conditions[*condition];
                let on = condition_on(&condition.on);
                let value = value.as_ref().map_or("NULL, which passes no test".to_owned(), |value| quoted(value));
                let test = format!("{on} {} {}", operator(condition.operator), quoted(&condition.value));
                rows.push("filtered", format!("`where` wants {test}; it is {value}"));
            }
            RuleVerdict::BadHive { captures, name } => {
                rows.captures(captures, &[]);
                rows.push("bad value", format!("{}: unescaped, it is no UTF-8 text", Shown(name)));
            }
            RuleVerdict::BadValue { captures, column, text } => {
                rows.captures(captures, &[]);
                let column = column.map(|column| &table.partitioned_by[column]);
                let why = match (column, text) {
                    (Some(column), Some(text)) => {
                        let (name, kind) = (Shown(&column.name), Shown(&column.ddl_type));
                        format!("column {name}: {} is no {kind}", quoted(text))
                    }
                    (Some(column), None) => format!("column {}: a time that no date says", Shown(&column.name)),
                    (None, _) => "`where` asks for a time that no date says".to_owned(),
                };
                rows.push("bad value", why);
            }
            RuleVerdict::NoLookup { captures, column, lookup, key } => {
                rows.captures(captures, &[]);
                let name = &table.partitioned_by[*column].name;
                let lookup = Shown(&self.rules.lookups[*lookup].name).to_string();
                rows.push("no such key", format!("column {}: [lookup.{lookup}] lacks {}", Shown(name), quoted(key)));
                if let ValueSource::Expression(expression) = &rule.values[*column] {
                    let call = format!("lookup({lookup})");
                    let filled = expression.source.replace(&call, &format!("{call}|default(…)"));
                    rows.push("help", format!("add it there, or write {name} = \"{}\"", safe(&filled)));
                }
            }
            RuleVerdict::Lacks { captures, attribute } => {
                rows.captures(captures, &[]);
                rows.push("depends", format!("on its {attribute}, which --{} says", option_of(attribute)));
            }
            RuleVerdict::Takes(takes) => self.taken(&mut rows, table, rule, takes),
            RuleVerdict::Stopped(_) | RuleVerdict::OtherBucket => {}
        }
        rows.print(out)
    }

    fn taken(&self, rows: &mut Rows, table: &Table, rule: &Rule, takes: &Takes) {
        rows.captures(&takes.captures, &takes.sources);
        for ((column, value), source) in table.partitioned_by.iter().zip(&takes.values).zip(&takes.sources) {
            let value = value.as_str().map_or("NULL".to_owned(), safe);
            let source = if source.contains('{') { safe(source) } else { "`set`".to_owned() };
            rows.push_from(&column.name, value, format!("from {source}"));
        }
        let destination = self.destination(table, takes);
        match &destination.manifest {
            Some(Ok(uri)) => rows.push_whole("manifest", uri.shown()),
            Some(Err(error)) => rows.push("manifest", format!("none: {}", error.message())),
            None => {
                let below = Shape::of(table).directory(&takes.values);
                rows.push_whole(
                    "manifest",
                    format!("{}{MANIFEST}, below the location, which the file does not say", safe(&below)),
                );
            }
        }
        if takes.prefix_len.is_some() {
            rows.push_whole("line", safe(&String::from_utf8_lossy(&destination.line)));
        }
        if let (Some(done), Some(names)) = (&rule.done, &takes.waits_for) {
            let with: Vec<String> =
                names.iter().map(|(name, value)| format!("{} = {}", Shown(name), shown_value(value))).collect();
            let with = if with.is_empty() { String::new() } else { format!(" with {}", with.join(", ")) };
            rows.push("waits for", format!("a marker {}{with}", safe(&done.source)));
        }
        for (pick, group) in table.pick.iter().zip(&takes.picks) {
            rows.push("pick", picked(pick, rule, group));
        }
        for (trap, level, readers) in &destination.traps {
            let level = match level {
                Level::Error => "error",
                Level::Warning => "warning",
            };
            rows.push(level, format!("{}: {}; {}: {}", trap.name, trap.what, readers.join(", "), trap.reason));
            rows.push("help", trap.help.to_owned());
        }
    }

    /// The template and the URI, each with a caret under where they part.
    fn print_stop(&self, out: &mut Output, rule: &Rule, stop: &Stop) -> Result<()> {
        const INDENT: &str = "    ";
        let room = WIDTH - INDENT.len();
        let (source, uri) = (source(rule), self.uri.raw());
        let at = match &stop.remedy {
            Some(Remedy::NameHidden { at, .. }) => *at,
            _ => stop.at,
        };
        let rest = &uri[at..];
        let found = if rest.is_empty() { "the key ends here".to_owned() } else { format!("found {}", quoted(rest)) };
        let expected = format!("{} expected", safe(&stop.expected));
        let place = at..at + rest.find('/').map_or(rest.len(), |slash| slash.max(1));
        match (&rule.matcher, &stop.piece) {
            (Matcher::Regex { under, .. }, _) => {
                writeln!(out, "{INDENT}under {}", shortened(&under.shown(), room - 6))?;
                writeln!(out, "{INDENT}regex {}", shortened(&safe(source), room - 6))?;
                point(out, &uri, place, &format!("{expected}, {found}"))?;
            }
            (Matcher::Template(template), Some(piece)) => {
                let in_text = |one: &Piece| one.span.start <= piece.start && matches!(one.kind, PieceKind::Text(_));
                // Where the fixed text in front is another one, the key needs no second look.
                if template.pieces.first().is_some_and(|first| in_text(first) && piece.end <= first.span.end) {
                    return point(out, source, piece.clone(), &format!("{expected}, {found}"));
                }
                let expected = if piece.is_empty() { "the template ends here" } else { &expected };
                point(out, source, piece.clone(), expected)?;
                point(out, &uri, place, &found)?;
            }
            (Matcher::Template(_), None) => point(out, &uri, place, &found)?,
        }
        let Some(remedy) = &stop.remedy else { return Ok(()) };
        let text = match remedy {
            Remedy::IgnoreCase => "ignore_case = true would take it".to_owned(),
            Remedy::NameHidden { component, .. } => format!(
                "wildcards and captures take no component that begins with `_` or `.`; name {} to take it",
                quoted(component)
            ),
            Remedy::Rewrite { span, text } => {
                format!("{} instead of {} would take it", quoted(text), quoted(&source[span.clone()]))
            }
            Remedy::Append(text) => format!("`{text}` behind it would take it"),
        };
        writeln!(out, "{INDENT}{HELP}help:{HELP:#} {}", excerpt::wrapped(&text, room - 6, 10))
    }
}

/// A line with carets under `span`, and what there is to say of it beside or below them.
fn point(out: &mut Output, line: &str, span: std::ops::Range<usize>, what: &str) -> Result<()> {
    const INDENT: &str = "    ";
    let room = WIDTH - INDENT.len();
    let (text, marked) =
        excerpt::cut(&safe(&line[..span.start]), &safe(&line[span.clone()]), &safe(&line[span.end..]), room - 1);
    let before = columns(&text[..marked.start]);
    let carets = columns(&text[marked]).max(1);
    writeln!(out, "{INDENT}{text}")?;
    write!(out, "{INDENT}{}{ERROR}{}{ERROR:#}", " ".repeat(before), "^".repeat(carets))?;
    let left = room.saturating_sub(before + carets + 1);
    if columns(what) <= left {
        return writeln!(out, " {what}");
    }
    // Where the rest of a line is short, what is said stands below, ending where the carets do if it can.
    let what = shortened(what, room);
    let indent = (before + carets).saturating_sub(columns(&what)).min(room - columns(&what));
    writeln!(out, "\n{INDENT}{}{what}", " ".repeat(indent))
}

/// Rows of a name and what it is, in two columns.
#[derive(Default)]
struct Rows(Vec<Row>);

struct Row {
    name: String,
    text: String,
    from: String,
    /// Cut instead of broken at spaces.
    whole: bool,
}

impl Rows {
    fn push(&mut self, name: &str, text: String) {
        self.0.push(Row { name: name.to_owned(), text, from: String::new(), whole: false });
    }

    fn push_whole(&mut self, name: &str, text: String) {
        self.0.push(Row { name: name.to_owned(), text, from: String::new(), whole: true });
    }

    fn push_from(&mut self, name: &str, text: String, from: String) {
        self.0.push(Row { name: safe(name), text, from, whole: true });
    }

    /// The captures that are not just a column's value as it stands in the key.
    fn captures(&mut self, captures: &[Capture], sources: &[String]) {
        let mut seen: Vec<&str> = Vec::new();
        for capture in captures {
            if seen.contains(&capture.name.as_str()) {
                continue;
            }
            seen.push(&capture.name);
            let pieces =
                captures.iter().filter(|other| other.name == capture.name).filter_map(|one| one.text.as_deref());
            let pieces: Vec<&str> = pieces.collect();
            let braced = format!("{{{}}}", Shown(&capture.name));
            let is_plain = matches!((pieces.as_slice(), &capture.value), ([one], Some(value)) if one == value);
            if is_plain && sources.contains(&braced) {
                continue;
            }
            let from = if is_plain || pieces.is_empty() { String::new() } else { format!("of {}", list(&pieces)) };
            self.push_from(&braced, shown_value(&capture.value), from);
        }
    }

    fn print(&self, out: &mut Output) -> Result<()> {
        let most =
            |of: fn(&Row) -> usize, limit: usize| self.0.iter().map(of).filter(|w| *w <= limit).max().unwrap_or(0);
        let name_width = most(|row| columns(&row.name), 24);
        let value_width = most(|row| if row.from.is_empty() { 0 } else { columns(&row.text) }, 30);
        for row in &self.0 {
            let name = format!("{}{}", row.name, " ".repeat(name_width.saturating_sub(columns(&row.name))));
            let indent = 4 + columns(&name) + 2;
            let room = WIDTH.saturating_sub(indent).max(20);
            let style = match row.name.as_str() {
                "error" | "bad date" | "bad value" | "no such key" => ERROR,
                "warning" | "excluded" | "filtered" | "depends" | "waits for" => WARNING,
                "help" => HELP,
                _ => STRONG,
            };
            let style = if row.from.is_empty() { style } else { anstyle::Style::new() };
            write!(out, "    {style}{name}{style:#}  ")?;
            match (row.whole, row.from.as_str()) {
                (false, _) => writeln!(out, "{}", excerpt::wrapped(&row.text, room, indent))?,
                (true, "") => writeln!(out, "{}", shortened(&row.text, room))?,
                (true, from) => {
                    let padding = " ".repeat(value_width.saturating_sub(columns(&row.text)));
                    writeln!(out, "{}", shortened(&format!("{}{padding}   {from}", row.text), room))?;
                }
            }
        }
        Ok(())
    }
}

fn source(rule: &Rule) -> &str {
    match &rule.matcher {
        Matcher::Template(template) => &template.source,
        Matcher::Regex { regex, .. } => regex_source(regex),
    }
}

/// The expression as the user wrote it, without the anchors that were put round it.
fn regex_source(regex: &regex::Regex) -> &str {
    let text = regex.as_str();
    text.strip_prefix("\\A(?:").and_then(|text| text.strip_suffix(")\\z")).unwrap_or(text)
}

/// In backticks, and not too long.
fn quoted(text: &str) -> String {
    format!("`{}`", shortened(&safe(text), 60))
}

fn list(texts: &[&str]) -> String {
    texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ")
}

fn shown_value(value: &Option<String>) -> String {
    value.as_ref().map_or("NULL".to_owned(), |value| safe(value))
}

fn skipped(why: Why) -> &'static str {
    match why {
        Why::Marker => "its key ends in `/`, as directory markers do (\"markers\")",
        Why::Hidden => "its base name begins with `_` or `.` (\"hidden\")",
        Why::Folder => "it ends in `_$folder$` (\"folder\")",
        Why::Empty => "it has no bytes (\"empty\")",
        Why::Archived => "its storage class is archived (\"archived\")",
        why => why.name(),
    }
}

/// The option that says an attribute.
fn option_of(attribute: &str) -> String {
    attribute.replace('_', "-")
}

fn condition_on(on: &ConditionOn) -> String {
    match on {
        ConditionOn::Capture(name) => format!("{{{}}}", Shown(name)),
        ConditionOn::Size => "size".to_owned(),
        ConditionOn::Modified => "modified".to_owned(),
        ConditionOn::StorageClass => "storage_class".to_owned(),
        ConditionOn::Bucket => "bucket".to_owned(),
        ConditionOn::Name => "name".to_owned(),
    }
}

fn operator(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => "=",
        Operator::NotEqual => "!=",
        Operator::Less => "<",
        Operator::LessOrEqual => "<=",
        Operator::Greater => ">",
        Operator::GreaterOrEqual => ">=",
    }
}

/// What a step of `pick` may still do to it.
fn picked(pick: &Pick, rule: &Rule, group: &Option<String>) -> String {
    let arena = match &pick.per {
        Some(per) => format!("of the same {}", quoted(&per.source)),
        None => "of the partition".to_owned(),
    };
    let group = shown_value(group);
    match &pick.one {
        PickOne::Greatest(one) => {
            format!("stays unless objects {arena} have a greater {}; here it is {group}", quoted(&one.source))
        }
        PickOne::Newest(one) => {
            format!("stays unless objects {arena} with another {} are newer; here it is {group}", quoted(&one.source))
        }
        PickOne::Rule => format!("stays unless an earlier rule than {} takes objects {arena}", rule.number),
    }
}

impl Explained<'_> {
    /// The document of `--json`, described in `docs/check.md`.
    fn json(&self) -> Value {
        let explanation = self.explanation;
        let takers: Vec<&str> = explanation.takers().map(|of| self.table(of).name.as_str()).collect();
        json!({
            "version": 1,
            "uri": self.uri.raw(),
            "taken_by": takers,
            "why": explanation.why().map(Why::name),
            "below_location": explanation.below.as_ref().map(Uri::raw),
            "claim": if self.rules.claim == Claim::First { "first" } else { "every" },
            "marker_of": explanation.marks.iter().map(|(table, rule)| {
                let table = &self.rules.tables[*table];
                json!({"table": table.name, "rule": table.rules[*rule].number})
            }).collect::<Vec<_>>(),
            "tables": explanation.tables.iter().map(|of| self.table_json(of)).collect::<Vec<_>>(),
        })
    }

    fn table_json(&self, of: &TableExplanation) -> Value {
        let table = self.table(of);
        json!({
            "table": table.name,
            "rule": of.taken_by.map(|rule| table.rules[rule].number),
            "skipped": of.skipped.map(Why::name),
            "claimed_by": of.claimed_by.filter(|_| of.taken_by.is_some()).map(|by| &self.rules.tables[by].name),
            "rules": table.rules.iter().zip(&of.rules).map(|(rule, verdict)| {
                let mut one = self.verdict_json(table, rule, verdict);
                let object = one.as_object_mut().expect("a verdict is an object");
                object.insert("rule".to_owned(), json!(rule.number));
                object.insert("line".to_owned(), json!(rule.line));
                object.insert("match".to_owned(), json!(source(rule)));
                one
            }).collect::<Vec<_>>(),
        })
    }

    fn verdict_json(&self, table: &Table, rule: &Rule, verdict: &RuleVerdict) -> Value {
        match verdict {
            RuleVerdict::OtherBucket => json!({"verdict": "other bucket"}),
            RuleVerdict::Stopped(stop) => json!({
                "verdict": "unmatched",
                "stopped": {
                    "template_start": stop.piece.as_ref().map(|piece| piece.start),
                    "template_end": stop.piece.as_ref().map(|piece| piece.end),
                    "uri_start": stop.at,
                    "expected": stop.expected,
                    "found": self.uri.raw()[stop.at..],
                    "remedy": stop.remedy.as_ref().map(remedy_json),
                },
            }),
            RuleVerdict::BadDate { captures, name } => {
                json!({"verdict": Why::BadDate.name(), "captures": captures_json(captures), "date": name})
            }
            RuleVerdict::Excluded { captures, glob, from } => {
                let from = match from {
                    ExcludedBy::Rule => "rule",
                    ExcludedBy::Table => "table",
                    ExcludedBy::Defaults => "defaults",
                };
                json!({"verdict": Why::Excluded.name(), "captures": captures_json(captures), "exclude": glob, "of": from})
            }
            RuleVerdict::Filtered { captures, condition, value } => {
                let condition = &rule.conditions[*condition];
                json!({
                    "verdict": Why::Filtered.name(),
                    "captures": captures_json(captures),
                    "where": condition_on(&condition.on).trim_matches(['{', '}']),
                    "operator": operator(condition.operator),
                    "wanted": condition.value,
                    "value": value,
                })
            }
            RuleVerdict::BadHive { captures, name } => json!({
                "verdict": Why::BadValue.name(),
                "captures": captures_json(captures),
                "capture": name,
            }),
            RuleVerdict::BadValue { captures, column, text } => json!({
                "verdict": Why::BadValue.name(),
                "captures": captures_json(captures),
                "column": column.map(|column| &table.partitioned_by[column].name),
                "type": column.map(|column| &table.partitioned_by[column].ddl_type),
                "value": text,
            }),
            RuleVerdict::NoLookup { captures, column, lookup, key } => json!({
                "verdict": Why::NoLookup.name(),
                "captures": captures_json(captures),
                "column": table.partitioned_by[*column].name,
                "lookup": self.rules.lookups[*lookup].name,
                "key": key,
            }),
            RuleVerdict::Lacks { captures, attribute } => {
                json!({"verdict": "depends", "captures": captures_json(captures), "on": attribute})
            }
            RuleVerdict::Takes(takes) => self.takes_json(table, rule, takes),
        }
    }

    fn takes_json(&self, table: &Table, rule: &Rule, takes: &Takes) -> Value {
        let names = table.partitioned_by.iter().map(|column| column.name.clone());
        let values = takes.values.iter().map(|value| json!(value.as_str()));
        let destination = self.destination(table, takes);
        let (manifest, refused) = match destination.manifest {
            Some(Ok(uri)) => (Some(uri.raw()), None),
            Some(Err(error)) => (None, Some(error.message().to_owned())),
            None => (None, None),
        };
        let waits_for = rule.done.as_ref().zip(takes.waits_for.as_ref()).map(|(done, names)| {
            let names: serde_json::Map<_, _> = names.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            json!({"done": done.source, "with": names})
        });
        let traps = destination.traps.iter().map(|(trap, level, readers)| {
            let level = if *level == Level::Error { "error" } else { "warning" };
            json!({"trap": trap.name, "level": level, "readers": readers, "what": trap.what, "reason": trap.reason, "help": trap.help})
        });
        json!({
            "verdict": "takes",
            "captures": captures_json(&takes.captures),
            "partition": names.zip(values).collect::<serde_json::Map<_, _>>(),
            "sources": takes.sources,
            "manifest": manifest,
            "refused": refused,
            "manifest_line": String::from_utf8_lossy(&destination.line),
            "waits_for": waits_for,
            "pick": table.pick.iter().zip(&takes.picks).map(|(_, group)| json!(group)).collect::<Vec<_>>(),
            "traps": traps.collect::<Vec<_>>(),
        })
    }
}

fn captures_json(captures: &[Capture]) -> Value {
    let one = |capture: &Capture| json!({"name": capture.name, "text": capture.text, "value": capture.value});
    captures.iter().map(one).collect()
}

fn remedy_json(remedy: &Remedy) -> Value {
    match remedy {
        Remedy::IgnoreCase => json!({"do": "ignore case"}),
        Remedy::NameHidden { component, at } => json!({"do": "name hidden", "component": component, "uri_start": at}),
        Remedy::Rewrite { span, text } => json!({"do": "rewrite", "start": span.start, "end": span.end, "text": text}),
        Remedy::Append(text) => json!({"do": "append", "text": text}),
    }
}
