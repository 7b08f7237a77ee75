//! A plan as a person reads it: what was listed, each table's changes, what was left out, warnings, the summary.
//!
//! It fits 100 columns and reads without colour. What people or stores wrote passes through `Shown`.

use std::time::Duration;

use super::draw::Drawn;
use crate::apply::beside::Left;
use crate::apply::registration::field_shown;
use crate::cli::Output;
use crate::cli::show::{ADDED, DIM, REMOVED, STRONG, WARNING};
use crate::error::Result;
use crate::map::Why;
use crate::plan::brakes::{counted, grouped};
use crate::plan::catalog::{CatalogPlan, FieldChange, PartitionAction, TableChange};
use crate::plan::cost::{Cost, QueryLists};
use crate::plan::manifest::Shape;
use crate::plan::marker::Marker;
use crate::plan::switch::Reason;
use crate::plan::traps::{Level, ReaderName, Trap};
use crate::plan::{Action, Change, Kind, Requirement, TablePlan};
use crate::rules::table::Engine;
use crate::store::Store;
use crate::uri::{Shown, Uri};

/// Columns of a terminal that everything fits into.
const WIDTH: usize = 100;

/// Changes of a table that are all shown; of more, only some of each kind.
const ALL_SHOWN: usize = 24;

/// Changes shown of each kind where there are too many.
const SOME_SHOWN: usize = 5;

/// Shapes shown for each reason why objects were left out.
const SHAPES_SHOWN: usize = 4;

/// Prints it; `all` shows every change and every shape.
pub fn show(out: &mut Output, drawn: &Drawn, all: bool) -> Result<()> {
    if let Some(only) = &drawn.only {
        write_wrapped(out, "only     ", 9, only)?;
    }
    listing(out, drawn)?;
    writeln!(out)?;
    let tables: Vec<(&str, Option<&TablePlan>)> =
        drawn.tables.iter().map(|table| (table.name.as_str(), table.plan.as_ref())).collect();
    self::tables(out, &tables, all)?;
    left_out(out, drawn, all)?;
    // Those that nothing is written for have been shown before.
    if all || !drawn.is_empty() {
        queries(out, drawn)?;
        warnings(out, drawn)?;
    }
    gone(out, drawn)?;
    writeln!(out)?;
    if drawn.is_refused() {
        return writeln!(out, "{STRONG}plan: refused{STRONG:#}, as follows; nothing is written");
    }
    let priced = drawn.tables.iter().filter_map(|table| Some((table.plan.as_ref()?, table.store.as_ref())));
    summary(out, &priced.collect::<Vec<_>>())
}

/// Prints what a saved plan is to do, with the store of each of its tables.
pub fn show_saved(out: &mut Output, plans: &[(&TablePlan, &dyn Store)], all: bool) -> Result<()> {
    let tables: Vec<(&str, Option<&TablePlan>)> =
        plans.iter().map(|(plan, _)| (plan.table.as_str(), Some(*plan))).collect();
    self::tables(out, &tables, all)?;
    writeln!(out)?;
    summary(out, plans)
}

fn listing(out: &mut Output, drawn: &Drawn) -> Result<()> {
    if let Some(prefixes) = many_prefixes(drawn) {
        return writeln!(out, "listing  {prefixes}");
    }
    if drawn.listed.is_empty() && drawn.only.is_some() {
        return writeln!(out, "listing  nothing: no rule gives such partitions");
    }
    if drawn.listed.is_empty() && !drawn.tables.is_empty() {
        return writeln!(out, "listing  nothing: the commits and the rules are those of the last apply");
    }
    let rows: Vec<[String; 4]> = drawn
        .listed
        .iter()
        .map(|listed| {
            let prefix = listed.prefix.as_ref().map_or_else(|| "everything".to_owned(), Uri::shown);
            let asked = listed.requests.lists + listed.requests.gets;
            let mut requests = if asked == 0 { String::new() } else { counted(asked, "request") };
            if listed.dollars > 0.0 {
                requests += &format!(", ${:.2}", listed.dollars);
            }
            if listed.requests.throttled > 0 {
                requests += &format!(", {} throttled", listed.requests.throttled);
            }
            let at = listed.commit.as_deref().map_or_else(String::new, |commit| format!(" at {}", short(commit)));
            [shortened(&prefix, 48 - at.len()) + &at, counted(listed.keys, "key"), requests, seconds(listed.took)]
        })
        .collect();
    let widths = [0, 1, 2].map(|column| rows.iter().map(|row| columns(&row[column])).max().unwrap_or(0));
    for (number, [prefix, keys, requests, took]) in rows.iter().enumerate() {
        let head = if number == 0 { "listing" } else { "" };
        let requests = if widths[2] == 0 { String::new() } else { format!("   {}", right(requests, widths[2])) };
        let line = format!("{head:<9}{}   {}{requests}   {took}", left(prefix, widths[0]), right(keys, widths[1]));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// All prefixes of some partitions in one line, where they are many; those too that an inventory would change.
fn many_prefixes(drawn: &Drawn) -> Option<String> {
    /// Prefixes that have a line each.
    const MAX: usize = 8;
    let first = drawn.listed.first().filter(|_| drawn.listed.len() > MAX)?;
    if drawn.only.is_none() && first.as_of.is_none() {
        return None;
    }
    let prefix = first.prefix.as_ref().map_or_else(String::new, Uri::shown);
    let keys: u64 = drawn.listed.iter().map(|listed| listed.keys).sum();
    let asked: u64 = drawn.listed.iter().map(|listed| listed.requests.lists + listed.requests.gets).sum();
    let requests = if asked == 0 { String::new() } else { format!("   {}", counted(asked, "request")) };
    let more = counted(drawn.listed.len() as u64 - 1, "prefix").replace("prefixs", "prefixes");
    Some(format!("{} and {more} more   {}{requests}", shortened(&prefix, 40), counted(keys, "key")))
}

/// As many digits of a commit as people pass on.
fn short(commit: &str) -> String {
    Shown(&commit.chars().take(12).collect::<String>()).to_string()
}

fn tables(out: &mut Output, tables: &[(&str, Option<&TablePlan>)], all: bool) -> Result<()> {
    let width = tables.iter().map(|(name, _)| columns(&shown(name))).max().unwrap_or(0);
    tables.iter().try_for_each(|(name, plan)| table(out, &left(&shown(name), width), *plan, all))
}

fn table(out: &mut Output, name: &str, plan: Option<&TablePlan>, all: bool) -> Result<()> {
    let Some(plan) = plan else {
        return writeln!(out, "{STRONG}{name}{STRONG:#}    refused");
    };
    let changes = plan.changes.len() as u64;
    let registers = plan.catalog.as_ref().is_some_and(CatalogPlan::writes);
    if changes == 0 && plan.switch.is_none() {
        let what = match (registers, plan.unfinished) {
            (true, _) => "no manifest changes",
            (false, true) => "no change; its marker is written, to end what an earlier apply began",
            (false, false) => "no change",
        };
        writeln!(out, "{STRONG}{name}{STRONG:#}    {what}")?;
        return catalog(out, plan, all);
    }
    let kind = match plan.kind {
        _ if plan.marker_requires == Requirement::Absent => "new    ",
        Kind::Refresh => "refresh",
        Kind::Switch => "switch ",
        Kind::Remove => "remove ",
    };
    let looked_at = plan.after.partitions.max(plan.before.partitions);
    let partitions = match plan.totals {
        Some(totals) => format!("{} of {}", grouped(looked_at), counted(totals.partitions.max(looked_at), "partition")),
        None => counted(looked_at, "partition"),
    };
    let change = match changes {
        0 => "none changes".to_owned(),
        1 => "1 changes".to_owned(),
        changes => format!("{} change", grouped(changes)),
    };
    let counts = if plan.columns.is_empty() { "not partitioned".to_owned() } else { format!("{partitions}, {change}") };
    writeln!(out, "{STRONG}{name}{STRONG:#}    {kind}    {counts}    {}", shown(&plan.location))?;
    if let Some(switch) = &plan.switch {
        let (old, new) = (columns_in(&switch.before), columns_in(&plan.marker));
        let change = if old == new { String::new() } else { format!(" from {old} to {new}") };
        let reason = switched_for(switch.reason, !plan.commits.is_empty());
        let text = format!("{reason}{change}: {} becomes current", plan.directory()?.shown());
        write_wrapped(out, "  ", 2, &text)?;
    }
    self::changes(out, plan, all)?;
    catalog(out, plan, all)
}

/// What becomes of the table in its catalog, field by field.
fn catalog(out: &mut Output, plan: &TablePlan, all: bool) -> Result<()> {
    let Some(planned) = &plan.catalog else { return Ok(()) };
    if planned.writes() {
        writeln!(out, "  in {}", shown(&planned.catalog))?;
    }
    if planned.creates_database {
        writeln!(out, "  {ADDED}+{ADDED:#} the database")?;
    }
    let table = format!("table {}", shown(&planned.name));
    match &planned.table {
        TableChange::None => {}
        TableChange::Create => writeln!(out, "  {ADDED}+{ADDED:#} {table}")?,
        TableChange::Update { fields, .. } => {
            writeln!(out, "  {WARNING}~{WARNING:#} {table}")?;
            fields_changed(out, fields)?;
        }
    }
    let added = planned.count(PartitionAction::Add);
    if added > 0 {
        writeln!(out, "  {ADDED}+{ADDED:#} {} registered", counted(added, "partition"))?;
    }
    let few = all || planned.partitions.len() as u64 - added <= ALL_SHOWN as u64;
    let most = if few { usize::MAX } else { SOME_SHOWN };
    for (action, sign, style) in [(PartitionAction::Mend, '~', WARNING), (PartitionAction::Remove, '−', REMOVED)] {
        let of_kind = || planned.partitions.iter().filter(move |change| change.action == action);
        for change in of_kind().take(most) {
            let note = if action == PartitionAction::Remove { "    is registered and has no manifest" } else { "" };
            writeln!(out, "  {style}{sign}{style:#} {}{note}", change.partition.shown())?;
            fields_changed(out, &change.fields)?;
        }
        let rest = of_kind().skip(most).count() as u64;
        if rest > 0 {
            writeln!(out, "  {style}{sign}{style:#} … {} more", grouped(rest))?;
        }
    }
    if let Some(first) = planned.foreign.first() {
        let text = format!(
            "{} without a manifest that others have registered {}, such as {}",
            counted(planned.foreign.len() as u64, "partition"),
            if planned.foreign.len() == 1 { "stays" } else { "stay" },
            shown(&first.join("/"))
        );
        write_wrapped(out, "    ", 4, &text)?;
    }
    Ok(())
}

fn fields_changed(out: &mut Output, fields: &[FieldChange]) -> Result<()> {
    fields.iter().try_for_each(|field| write_wrapped(out, "      ", 8, &field_shown(field)))
}

/// `region string in region={region}/`
fn columns_in(marker: &Marker) -> String {
    match marker.columns.is_empty() {
        true => "none".to_owned(),
        false => format!("{} in {}", shown(&marker.columns.join(", ")), shown(&marker.layout)),
    }
}

fn switched_for(reason: Reason, of_commits: bool) -> &'static str {
    match reason {
        Reason::Asked if of_commits => "a commit is a snapshot, `publish = \"switch\"`",
        Reason::Asked => "`publish = \"switch\"`",
        Reason::Moves => "lines move between partitions",
        Reason::Reading => "the format, the serde or the columns have changed",
        Reason::Layout => "the partition columns or their layout have changed",
    }
}

/// The changes: all of them, or some of each kind and how many more there are.
fn changes(out: &mut Output, plan: &TablePlan, all: bool) -> Result<()> {
    let few = all || plan.changes.len() <= ALL_SHOWN;
    let shape = plan.shape();
    let mut rows: Vec<Row> = Vec::new();
    for action in [Action::Create, Action::Change, Action::Empty] {
        let of_kind = || plan.changes.iter().filter(move |change| change.action == action);
        let shown = if few { usize::MAX } else { SOME_SHOWN };
        rows.extend(of_kind().take(shown).map(|change| Row::of(change, &shape)));
        let rest = of_kind().skip(shown);
        if let Some(row) = Row::of_rest(action, rest) {
            rows.push(row);
        }
    }
    let widths = (
        rows.iter().map(|row| columns(&row.partition)).max().unwrap_or(0).min(WIDTH - 50),
        rows.iter().map(|row| columns(&row.lines)).max().unwrap_or(0),
    );
    rows.iter().try_for_each(|row| row.write(out, widths))
}

struct Row {
    action: Action,
    partition: String,
    lines: String,
    difference: String,
    note: &'static str,
}

impl Row {
    fn of(change: &Change, shape: &Shape) -> Row {
        let mut partition = shape.shown(&change.values(shape));
        if shape.values(&change.key).is_none() {
            // An old manifest deeper in its directory.
            partition = format!("{partition}, {}", shown(&change.key));
        }
        Row {
            action: change.action,
            partition,
            lines: counted(change.lines, "line"),
            difference: difference(change.action, change.added, change.removed),
            note: if change.action == Action::Empty { "emptied, a query reads 0 rows" } else { "" },
        }
    }

    fn of_rest<'c>(action: Action, rest: impl Iterator<Item = &'c Change>) -> Option<Row> {
        let (mut count, mut lines, mut added, mut removed) = (0u64, 0, 0, 0);
        for change in rest {
            count += 1;
            lines += change.lines;
            added += change.added;
            removed += change.removed;
        }
        let what = match action {
            Action::Create => "to add",
            Action::Change => "to change",
            Action::Empty => "to empty",
        };
        (count > 0).then(|| Row {
            action,
            partition: format!("… {} more {what}", grouped(count)),
            lines: counted(lines, "line"),
            difference: difference(action, added, removed),
            note: "",
        })
    }

    fn write(&self, out: &mut Output, (partition, lines): (usize, usize)) -> Result<()> {
        let (sign, style) = match self.action {
            Action::Create => ('+', ADDED),
            Action::Change => ('~', WARNING),
            Action::Empty => ('−', REMOVED),
        };
        let difference = if self.note.is_empty() { self.difference.clone() } else { left(&self.difference, 8) };
        let line = format!(
            "{}    {}   {difference} {}",
            left(&self.partition, partition),
            right(&self.lines, lines),
            self.note
        );
        writeln!(out, "  {style}{sign}{style:#} {}", line.trim_end())
    }
}

fn difference(action: Action, added: u64, removed: u64) -> String {
    match action {
        Action::Create => String::new(),
        Action::Empty => format!("−{}", grouped(removed)),
        Action::Change if added + removed == 0 => "the same lines, in order".to_owned(),
        Action::Change => {
            let part = |sign, count| (count > 0).then(|| format!("{sign}{}", grouped(count)));
            part('+', added).into_iter().chain(part('−', removed)).collect::<Vec<_>>().join(" ")
        }
    }
}

/// What no table took, by reason and shape, with an example of each.
pub fn left_out(out: &mut Output, drawn: &Drawn, all: bool) -> Result<()> {
    let mut reasons: Vec<(Why, u64)> = drawn.left_out.reasons().filter(|(why, _)| *why != Why::Unmatched).collect();
    reasons.extend(drawn.left_out.reasons().filter(|(why, _)| *why == Why::Unmatched));
    let mut rows: Vec<[String; 4]> = Vec::new();
    let mut heading = "left out";
    for (why, count) in reasons {
        let shapes = drawn.left_out.shapes(why);
        let shown = if all { shapes.len() } else { SHAPES_SHOWN.min(shapes.len()) };
        let (rest, more) = shapes[shown..].iter().fold((0, 0), |(rest, more), shape| (rest + shape.count, more + 1));
        let heading = if why == Why::Unmatched { "unmatched" } else { std::mem::take(&mut heading) };
        for (number, shape) in shapes[..shown].iter().enumerate() {
            let of_reason = if number == 0 { format!("{} {}", grouped(count), why_shown(why)) } else { String::new() };
            let text = shape.shape.map_or_else(|| "other shapes".to_owned(), |text| Shown(text).to_string());
            let heading = if number == 0 { heading } else { "" };
            rows.push([
                heading.to_owned(),
                of_reason,
                format!("{} {text}", grouped(shape.count)),
                shape.example.shown(),
            ]);
        }
        if more > 0 {
            rows.push([
                String::new(),
                String::new(),
                format!("{} of {more} shapes more", grouped(rest)),
                String::new(),
            ]);
        }
    }
    for table in drawn.tables.iter().filter(|table| table.left > 0) {
        let what = format!("{} of `{}`, by leave_after", counted(table.left, "line"), Shown(&table.name));
        rows.push([std::mem::take(&mut heading).to_owned(), what, String::new(), String::new()]);
    }
    for table in drawn.tables.iter().filter(|table| table.skipped > 0) {
        let what = format!("{} of `{}`, by on_trap = \"skip\"", counted(table.skipped, "line"), Shown(&table.name));
        rows.push([std::mem::take(&mut heading).to_owned(), what, String::new(), String::new()]);
    }
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    write_rows(out, &rows)
}

fn write_rows(out: &mut Output, rows: &[[String; 4]]) -> Result<()> {
    let counted_shapes = |row: &&[String; 4]| !row[2].is_empty();
    let reason = rows.iter().filter(counted_shapes).map(|row| columns(&row[1])).max().unwrap_or(0);
    let shape = rows.iter().map(|row| columns(&row[2])).max().unwrap_or(0).min(44);
    for [heading, what, text, example] in rows {
        if text.is_empty() {
            writeln!(out, "{heading:<10} {what}")?;
            continue;
        }
        let line = format!("{heading:<10} {}   {}", right(what, reason), left(text, shape));
        // An example is for `restitch explain`, so it is never cut short.
        match columns(&line) + 3 + columns(example) <= WIDTH || example.is_empty() {
            true => writeln!(out, "{line}   {DIM}{example}{DIM:#}")?,
            false => writeln!(out, "{}\n{}{DIM}{example}{DIM:#}", line.trim_end(), " ".repeat(14 + reason))?,
        }
    }
    Ok(())
}

fn why_shown(why: Why) -> &'static str {
    match why {
        Why::Unmatched => "",
        Why::Manifest => "in locations",
        other => other.name(),
    }
}

/// What a query makes Athena and Trino list, table by table.
fn queries(out: &mut Output, drawn: &Drawn) -> Result<()> {
    let known: Vec<(&str, &QueryLists)> =
        drawn.tables.iter().filter_map(|table| Some((table.name.as_str(), table.query_lists.as_ref()?))).collect();
    let width = known.iter().map(|(name, _)| columns(&shown(name))).max().unwrap_or(0);
    if !known.is_empty() {
        writeln!(out)?;
    }
    for (number, (name, lists)) in known.iter().enumerate() {
        let head = if number == 0 { "queries" } else { "" };
        let least = if lists.at_least { "at least " } else { "" };
        let average = (lists.average * 10.0).round() / 10.0;
        let what = match lists.partition.0.is_empty() {
            true => format!("{least}{}", counted(lists.worst, "LIST")),
            false if lists.average == lists.worst as f64 => {
                format!("{least}{} a partition", counted(lists.worst, "LIST"))
            }
            false => {
                let worst = grouped(lists.worst);
                format!("{average} LISTs a partition, at worst {least}{worst}: {}", lists.partition.shown())
            }
        };
        writeln!(out, "{head:<10} {}   {what}", left(&shown(name), width))?;
    }
    Ok(())
}

/// Traps that are no errors, each once for all the tables that are in it.
fn warnings(out: &mut Output, drawn: &Drawn) -> Result<()> {
    let mut found: Vec<(&'static Trap, String)> = Vec::new();
    let mut note = |trap: &'static Trap, what: String| match found.iter_mut().find(|(known, _)| known.name == trap.name)
    {
        Some((_, whats)) => whats.push_str(&format!(", {what}")),
        None => found.push((trap, what)),
    };
    for table in &drawn.tables {
        let name = shown(&table.name);
        for finding in table.traps.on_table().iter().filter(|finding| finding.level == Level::Warning) {
            note(finding.of(), format!("`{name}`"));
        }
        for (trap, count, _) in
            table.trapped.iter().filter(|(trap, ..)| table.traps.level(trap) == Some(Level::Warning))
        {
            note(trap, format!("{} of `{name}`", trap.counted(count)));
        }
    }
    let slow = || {
        let known = drawn.tables.iter().filter_map(|table| Some((table, table.query_lists.as_ref()?)));
        known.filter(|(_, lists)| lists.worst > QueryLists::MANY)
    };
    let shared = || drawn.tables.iter().filter_map(|table| Some((table, table.shared.example.as_ref()?)));
    if !found.is_empty() || shared().next().is_some() || slow().next().is_some() {
        writeln!(out)?;
    }
    for (table, lists) in slow() {
        let text = format!(
            "a query of `{}`{} makes Athena and Trino list {}{} pages of keys, at 30 to 100 ms each: they list the \
             directory of each object whole; put these objects in folders of their own",
            shown(&table.name),
            if lists.partition.0.is_empty() { String::new() } else { format!(" at {}", lists.partition.shown()) },
            if lists.at_least { "at least " } else { "" },
            grouped(lists.worst)
        );
        write_wrapped(out, &format!("{WARNING}warning{WARNING:#}    "), 11, &text)?;
    }
    for (table, example) in shared() {
        let text = format!(
            "{} of `{}` at another one's address, the first {}: a partition's manifest names an address once, so that \
             their rows come once there",
            counted(table.shared.count, "object"),
            shown(&table.name),
            example.shown()
        );
        write_wrapped(out, &format!("{WARNING}warning{WARNING:#}    "), 11, &text)?;
    }
    for (trap, whats) in found {
        let mut readers: Vec<String> = drawn
            .tables
            .iter()
            .flat_map(|table| table.traps.readers_of(trap))
            .map(|reader| ReaderName(reader).to_string())
            .collect();
        readers.sort_unstable();
        readers.dedup();
        let text =
            format!("{} ({}), {whats}: {}: {}; {}", trap.name, readers.join(", "), trap.what, trap.reason, trap.help);
        write_wrapped(out, &format!("{WARNING}warning{WARNING:#}    "), 11, &text)?;
    }
    Ok(())
}

/// Tables that nobody names any more: they stay as they are until somebody says so.
fn gone(out: &mut Output, drawn: &Drawn) -> Result<()> {
    if !drawn.gone.is_empty() {
        writeln!(out)?;
    }
    for Left { location, marker } in &drawn.gone {
        let (name, location) = (Shown(&marker.table), location.shown());
        let whose = match &marker.project {
            Some(_) => "this project has published it",
            None => "it is of a file without `project`, as this one is",
        };
        let text = format!(
            "`{name}` lies beside these tables and is none of them ({whose}): it stays as it is; if it has left this \
             file, this empties it:"
        );
        write_wrapped(out, &format!("{WARNING}note{WARNING:#}       "), 11, &text)?;
        writeln!(out, "{0}[removed]\n{0}{name} = '{location}'", " ".repeat(11))?;
    }
    Ok(())
}

/// What it comes to: counts, requests, dollars, and what readers see.
fn summary(out: &mut Output, plans: &[(&TablePlan, &dyn Store)]) -> Result<()> {
    if !plans.iter().any(|(plan, _)| plan.writes()) {
        let whole = !plans.iter().any(|(plan, _)| plan.totals.is_some());
        let of = if whole { "what is published" } else { "what is published of these partitions" };
        return writeln!(out, "{STRONG}no change{STRONG:#}: {of} is what the rules say");
    }
    let count = |action| plans.iter().map(|(plan, _)| plan.count(action) as u64).sum::<u64>();
    let actions = [(Action::Create, "to add"), (Action::Change, "to change"), (Action::Empty, "to empty")];
    let counts: Vec<String> = actions
        .iter()
        .map(|(action, what)| (count(*action), what))
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", grouped(count)))
        .collect();
    let mut counts = if counts.is_empty() { "markers only".to_owned() } else { counts.join(", ") };
    let registered = plans.iter().filter_map(|(plan, _)| plan.catalog.as_ref());
    let (tables, partitions) = registered.fold((0, 0), |(tables, partitions), planned| {
        (tables + u64::from(planned.table != TableChange::None), partitions + planned.partitions.len() as u64)
    });
    for (count, what) in [(tables, "table"), (partitions, "partition")].into_iter().filter(|(count, _)| *count > 0) {
        counts += &format!(", {} in the catalog", counted(count, what));
    }
    let price = |store: &dyn Store| store.traits().dollars_per_1000_writes;
    let cost: Cost = plans.iter().map(|(plan, store)| Cost::of(plan, price(*store))).sum();
    let priced = plans.iter().any(|(_, store)| price(*store) > 0.0);
    let dollars = if priced { format!(", ${:.2}", cost.dollars) } else { String::new() };
    let text = format!(
        "{counts}; {} to write ({}, {} of markers){dollars}; {}",
        counted(cost.requests(), "request"),
        counted(cost.manifests, "manifest"),
        grouped(cost.markers),
        readers_see(plans)
    );
    write_wrapped(out, &format!("{STRONG}plan:{STRONG:#} "), 6, &text)
}

fn readers_see(plans: &[(&TablePlan, &dyn Store)]) -> String {
    let switched = |registered: bool| -> Vec<String> {
        let switched = plans.iter().map(|(plan, _)| plan).filter(|plan| plan.switch.is_some());
        let named = switched.filter(|plan| plan.catalog.is_some() == registered);
        named.map(|plan| format!("`{}`", shown(&plan.table))).collect()
    };
    let (told, by_hand) = (switched(true), switched(false));
    if !told.is_empty() {
        let one_by_one = plans.iter().any(|(plan, _)| {
            plan.switch.is_some() && plan.catalog.as_ref().is_some_and(|catalog| !catalog.partitions.is_empty())
        });
        let how = if one_by_one { "partition by partition" } else { "at once, the whole table" };
        return format!("readers of {} change over {how}, when all is there", told.join(", "));
    }
    if !by_hand.is_empty() {
        return format!(
            "readers see {} as they were until they are told of the new directory: `restitch ddl` prints how",
            by_hand.join(", ")
        );
    }
    let moved: u64 = plans.iter().map(|(plan, _)| plan.moved_lines).sum();
    if moved > 0 {
        let lines = if moved == 1 { "1 line moves".to_owned() } else { format!("{} lines move", grouped(moved)) };
        return format!(
            "{lines} between partitions, taken away first and added then: no reader sees a row twice, and for a moment \
             some see it not at all"
        );
    }
    let mut written = plans.iter().map(|(plan, _)| plan).filter(|plan| plan.writes());
    if written.all(|plan| plan.marker_requires == Requirement::Absent && plan.before.lines == 0) {
        return "nothing of these tables was published before".to_owned();
    }
    "nothing moves between partitions, so readers see each partition old or new".to_owned()
}

/// Writes `head`, of `indent` columns, and `text` behind it, broken at spaces and indented.
fn write_wrapped(out: &mut Output, head: &str, indent: usize, text: &str) -> Result<()> {
    let mut line = String::new();
    let mut head = Some(head);
    let mut flush = |out: &mut Output, line: &str| match head.take() {
        Some(head) => writeln!(out, "{head}{line}"),
        None => writeln!(out, "{}{line}", " ".repeat(indent)),
    };
    for word in text.split(' ') {
        if !line.is_empty() && indent + columns(&line) + 1 + columns(word) > WIDTH {
            flush(out, &line)?;
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    flush(out, &line)
}

pub fn shown(text: &str) -> String {
    Shown(text).to_string()
}

/// As many columns as a terminal needs, for all that is not wide; `text` has no styles in it.
pub fn columns(text: &str) -> usize {
    text.chars().count()
}

pub fn left(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}

fn right(text: &str, width: usize) -> String {
    format!("{text:>width$}")
}

/// The text, with `…` for what does not fit.
fn shortened(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// ` in Athena`: where statements are run.
pub fn places(engines: &[Engine]) -> String {
    let name = |engine: &Engine| match engine {
        Engine::Athena => Some("Athena"),
        Engine::Spark => Some("Spark"),
        Engine::Hive => Some("Hive"),
        // It reads the tables of a metastore, and makes none of this kind itself.
        Engine::Trino { .. } => None,
    };
    let mut names: Vec<&str> = engines.iter().filter_map(name).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { String::new() } else { format!(" in {}", names.join(" and ")) }
}

/// `9 s`; nothing for what took less than one.
fn seconds(took: Duration) -> String {
    match took.as_secs() {
        0 => String::new(),
        s if s < 120 => format!("{s} s"),
        s => format!("{} min", s / 60),
    }
}
