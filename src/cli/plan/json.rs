//! `plan --json`: the same as the text, for programs; `docs/publishing.md` says what each field means.

use serde::Serialize;

use super::draw::{Drawn, DrawnTable};
use super::iso;
use crate::apply::beside::Left;
use crate::cli::Output;
use crate::error::{Error, ErrorKind, Result};
use crate::listing::survey::Listed;
use crate::map::Why;
use crate::map::shapes::Shapes;
use crate::plan::catalog::{CatalogPlan, FieldChange, PartitionChange, TableChange};
use crate::plan::cost::{Cost, QueryLists};
use crate::plan::traps::{Level, On, ReaderName, Trap};
use crate::plan::{Action, Change, Counts, Kind, PLAN_VERSION, Partition, Requirement, TablePlan, switch};
use crate::uri::Uri;

/// Writes one document and a newline.
///
/// # Errors
/// Of standard output.
pub fn write(out: &mut Output, id: &str, drawn: &Drawn) -> Result<()> {
    let text = serde_json::to_vec_pretty(&Document::new(id, drawn)).expect("every field has a form in JSON");
    out.write(&text)?;
    out.write(b"\n")
}

#[derive(Serialize)]
struct Document<'d> {
    version: u32,
    id: &'d str,
    as_of: String,
    refused: bool,
    changes: bool,
    /// `--only`, `--touched`: which partitions were looked at; `null`: all.
    only: Option<&'d str>,
    listing: Vec<Listing<'d>>,
    tables: Vec<Table<'d>>,
    left_out: Vec<LeftOut<'d>>,
    beside: Vec<Beside<'d>>,
    cost: Cost,
}

/// A table that the file does not have.
#[derive(Serialize)]
struct Beside<'d> {
    table: &'d str,
    location: String,
}

#[derive(Serialize)]
struct Listing<'d> {
    /// `null`: everything.
    prefix: Option<String>,
    keys: u64,
    requests: u64,
    dollars: f64,
    throttled: u64,
    seconds: f64,
    /// `null`: live.
    as_of: Option<String>,
    /// Of lakeFS: what its ref was pinned to; `null` elsewhere.
    commit: Option<&'d str>,
}

#[derive(Serialize)]
struct Table<'d> {
    table: &'d str,
    location: String,
    /// The rest is there only where something could be compared.
    #[serde(flatten)]
    plan: Option<Planned<'d>>,
    left: u64,
    skipped: u64,
    /// Objects at another one's address.
    shared: u64,
    /// Pages that a query of one partition makes Athena or Trino list; `null` where neither reads it, or it is not known.
    query_lists: Option<&'d QueryLists>,
    refusals: Vec<Refusal<'d>>,
    traps: Vec<Trapped>,
}

#[derive(Serialize)]
struct Planned<'d> {
    kind: &'static str,
    columns: &'d [String],
    before: Counts,
    after: Counts,
    /// Where only some partitions were looked at, and those counts are theirs: what all hold afterwards.
    totals: Option<Counts>,
    moved_lines: u64,
    unfinished: bool,
    /// Where the kind is `switch`.
    switch: Option<Switched>,
    /// Of lakeFS: `lakefs://repo/main@` and the commit, for each ref that the table's rules list.
    commits: &'d [String],
    changes: Vec<Changed<'d>>,
    /// Where the table is in one.
    catalog: Option<Registered<'d>>,
}

#[derive(Serialize)]
struct Registered<'d> {
    catalog: &'d str,
    name: &'d str,
    creates_database: bool,
    /// `none`, `create` or `update`.
    table: &'static str,
    /// Of an update.
    fields: &'d [FieldChange],
    compared: bool,
    partitions: &'d [PartitionChange],
    /// Values of partitions without a manifest that others have registered.
    foreign: &'d [Vec<String>],
}

#[derive(Serialize)]
struct Switched {
    reason: switch::Reason,
    /// The URI of the new directory.
    directory: String,
    /// Manifests that are copied as they are.
    kept: u64,
}

#[derive(Serialize)]
struct Changed<'d> {
    action: Action,
    key: &'d str,
    partition: Partition,
    lines: u64,
    added: u64,
    removed: u64,
}

#[derive(Serialize)]
struct Refusal<'d> {
    kind: &'static str,
    message: &'d str,
    notes: &'d [String],
    help: Option<&'d str>,
}

#[derive(Serialize)]
struct Trapped {
    trap: &'static str,
    level: &'static str,
    readers: Vec<String>,
    /// Of a trap on lines.
    lines: Option<u64>,
    /// Of a trap on partitions.
    partitions: Option<u64>,
    /// A line, a partition, or what was found on the table.
    found: String,
    reason: &'static str,
    help: &'static str,
}

#[derive(Serialize)]
struct LeftOut<'d> {
    why: &'static str,
    count: u64,
    shapes: Vec<Shape<'d>>,
}

#[derive(Serialize)]
struct Shape<'d> {
    /// `null`: all that have no entry of their own.
    shape: Option<&'d str>,
    count: u64,
    example: String,
}

impl<'d> Document<'d> {
    fn new(id: &'d str, drawn: &'d Drawn) -> Document<'d> {
        let cost = |table: &DrawnTable| {
            let plan = table.plan.as_ref();
            plan.map(|plan| Cost::of(plan, table.store.traits().dollars_per_1000_writes)).unwrap_or_default()
        };
        Document {
            version: PLAN_VERSION,
            id,
            as_of: iso(drawn.as_of),
            refused: drawn.is_refused(),
            changes: !drawn.is_empty(),
            only: drawn.only.as_deref(),
            listing: drawn.listed.iter().map(listing).collect(),
            tables: drawn.tables.iter().map(table).collect(),
            left_out: drawn.left_out.reasons().map(|(why, count)| left_out(&drawn.left_out, why, count)).collect(),
            beside: drawn.gone.iter().map(beside).collect(),
            cost: drawn.tables.iter().map(cost).sum(),
        }
    }
}

fn beside(left: &Left) -> Beside<'_> {
    Beside { table: &left.marker.table, location: left.location.raw() }
}

fn listing(listed: &Listed) -> Listing<'_> {
    Listing {
        prefix: listed.prefix.as_ref().map(|prefix| prefix.raw()),
        keys: listed.keys,
        requests: listed.requests.lists + listed.requests.gets,
        dollars: listed.dollars,
        throttled: listed.requests.throttled,
        seconds: listed.took.as_millis() as f64 / 1000.0,
        as_of: listed.as_of.map(iso),
        commit: listed.commit.as_deref(),
    }
}

fn table(table: &DrawnTable) -> Table<'_> {
    Table {
        table: &table.name,
        location: table.location.raw(),
        plan: table.plan.as_ref().map(|plan| planned(plan, &table.location)),
        left: table.left,
        skipped: table.skipped,
        shared: table.shared.count,
        query_lists: table.query_lists.as_ref(),
        refusals: table.refusals.iter().map(refusal).collect(),
        traps: traps(table),
    }
}

fn planned<'p>(plan: &'p TablePlan, location: &Uri) -> Planned<'p> {
    Planned {
        kind: match plan.kind {
            _ if plan.marker_requires == Requirement::Absent => "new",
            Kind::Refresh => "refresh",
            Kind::Switch => "switch",
            Kind::Remove => "remove",
        },
        switch: plan.switch.as_ref().map(|switch| Switched {
            reason: switch.reason,
            directory: plan.marker.directory(location).raw(),
            kept: switch.kept.len() as u64,
        }),
        columns: &plan.columns,
        before: plan.before,
        after: plan.after,
        totals: plan.totals,
        moved_lines: plan.moved_lines,
        unfinished: plan.unfinished,
        commits: &plan.commits,
        changes: changed(plan),
        catalog: plan.catalog.as_ref().map(registered),
    }
}

fn registered(planned: &CatalogPlan) -> Registered<'_> {
    let CatalogPlan { catalog, name, creates_database, compared, partitions, foreign, .. } = planned;
    let (table, fields): (_, &[FieldChange]) = match &planned.table {
        TableChange::None => ("none", &[]),
        TableChange::Create => ("create", &[]),
        TableChange::Update { fields, .. } => ("update", fields),
    };
    Registered {
        catalog,
        name,
        creates_database: *creates_database,
        table,
        fields,
        compared: *compared,
        partitions,
        foreign,
    }
}

fn changed(plan: &TablePlan) -> Vec<Changed<'_>> {
    let shape = plan.shape();
    let changes = plan.changes.iter().map(|change| {
        let Change { action, key, lines, added, removed, .. } = change;
        let partition = Partition::new(&shape, &change.values(&shape));
        Changed { action: *action, key, partition, lines: *lines, added: *added, removed: *removed }
    });
    changes.collect()
}

fn refusal(error: &Error) -> Refusal<'_> {
    let kind = match error.kind() {
        ErrorKind::Brake => "brake",
        ErrorKind::Partial => "partial",
        ErrorKind::Moves => "moves",
        ErrorKind::Ownership => "ownership",
        ErrorKind::Trap => "trap",
        ErrorKind::Leased => "leased",
        _ => "error",
    };
    Refusal { kind, message: error.message(), notes: error.notes(), help: error.help_text() }
}

fn traps(table: &DrawnTable) -> Vec<Trapped> {
    let readers =
        |trap: &Trap| table.traps.readers_of(trap).into_iter().map(|one| ReaderName(one).to_string()).collect();
    let level = |level| match level {
        Level::Warning => "warning",
        Level::Error => "error",
    };
    let of_table = table.traps.on_table().iter().map(|finding| (finding.of(), None, finding.detail.clone()));
    let counted = table.trapped.iter().map(|(trap, count, example)| (trap, Some(count), example));
    let both = of_table.chain(counted).filter_map(|(trap, count, found)| {
        let level = level(table.traps.level(trap)?);
        Some(Trapped {
            trap: trap.name,
            level,
            readers: readers(trap),
            lines: count.filter(|_| trap.on == On::Line),
            partitions: count.filter(|_| trap.on == On::Partition),
            found,
            reason: trap.reason,
            help: trap.help,
        })
    });
    both.collect()
}

fn left_out(shapes: &Shapes, why: Why, count: u64) -> LeftOut<'_> {
    let shapes = shapes.shapes(why).into_iter().map(|one| Shape {
        shape: one.shape,
        count: one.count,
        example: one.example.raw(),
    });
    LeftOut { why: why.name(), count, shapes: shapes.collect() }
}
