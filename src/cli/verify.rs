//! `restitch verify`: whether every published line still names an object, manifests are what rules and marker say, and the
//! catalog says the same.
//!
//! Reads only: the listing that the rules need, the locations' listings, the manifests that differ, and every partition of
//! the catalog.

use std::collections::HashMap;

use serde::Serialize;

use super::plan::draw::{self, Drawn, DrawnTable};
use super::plan::iso;
use super::show::{ERROR, HELP, STRONG};
use super::{Exit, Global, Output, rule_file};
use crate::apply::planning::Planning;
use crate::apply::registration::field_shown;
use crate::apply::verify::{Finding, Seen, What};
use crate::ddl::{self, TableName};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::brakes::{Allowed, counted, grouped};
use crate::plan::catalog::{CatalogPlan, FieldChange, PartitionAction, PartitionChange, TableChange};
use crate::plan::switch::Reason;
use crate::plan::{Counts, Kind, Requirement};
use crate::rules::table::{Rules, Table};
use crate::uri::Shown;
use crate::value::PartitionValue;

/// The version of the JSON document; `docs/publishing.md` documents it.
const VERSION: u32 = 1;

/// Manifests with the same thing wrong that are shown one by one.
const SHOWN: usize = 5;

#[derive(clap::Args)]
pub struct VerifyArgs {
    /// Print one JSON document instead
    #[arg(long)]
    json: bool,
}

/// One thing that is wrong, and what mends it.
#[derive(Clone, Debug, Serialize)]
struct Issue {
    table: String,
    what: &'static str,
    /// Of a manifest: below the location.
    key: Option<String>,
    partition: Option<String>,
    /// Lines that are wrong.
    lines: Option<u64>,
    examples: Vec<String>,
    message: String,
    mend: String,
}

#[derive(Serialize)]
struct Document<'d> {
    version: u32,
    as_of: String,
    tables: Vec<Checked>,
    findings: &'d [Issue],
}

/// What was found published.
#[derive(Serialize)]
struct Checked {
    table: String,
    location: String,
    partitions: u64,
    lines: u64,
}

/// # Errors
/// Those of the rule file, the listing and the stores; `Leased` while another run writes.
pub async fn run(global: &Global, args: &VerifyArgs) -> Result<Exit> {
    let rules = rule_file::load(global).await?;
    let sources = global.sources(&rules).await?;
    let seen = Seen::default();
    let looks = draw::Looks { relist: true, beside: false };
    let drawn = draw::draw(global, &rules, &sources, everything_allowed(&rules), seen.each(), None, looks).await?;
    let there = seen.there(&drawn.listed, &sources);
    let mut issues = Vec::new();
    for table in &drawn.tables {
        issues.extend(refusals(table)?);
        let Some(plan) = &table.plan else { continue };
        issues.extend(of_marker(table));
        if plan.marker_requires == Requirement::Absent {
            continue;
        }
        // Of another layout nothing can be compared.
        if plan.switch.as_ref().is_some_and(|switch| switch.reason == Reason::Layout) {
            continue;
        }
        let mend = mend(table);
        let found = there.look(table.store.as_ref(), plan).await?;
        issues.extend(found.into_iter().map(|finding| of_manifest(table, finding, &mend)));
        let stated = rules.tables.iter().find(|stated| stated.name == table.name);
        let planned = plan.catalog.iter().filter(|_| table.refusals.is_empty());
        issues.extend(planned.flat_map(|planned| of_catalog(table, stated, planned)));
    }
    let mut out = if args.json { Output::bytes() } else { Output::text() };
    match args.json {
        true => json(&mut out, &drawn, &issues)?,
        false => show(&mut out, &drawn, &issues, global.verbose > 0)?,
    }
    out.flush()?;
    Ok(if issues.is_empty() { Exit::Done } else { Exit::Findings })
}

/// Nothing is to be written, so nothing needs to be held back.
fn everything_allowed(rules: &Rules) -> Planning {
    let allowed = Allowed { empty: true, removals: true, ..Allowed::default() };
    let file = Shown(&rules.path.to_string_lossy()).to_string();
    Planning { project: rules.project.clone(), file, accept_moves: true, full: true, allowed, ..Planning::default() }
}

/// # Errors
/// `Leased`: what is found while another run writes means nothing.
fn refusals(table: &DrawnTable) -> Result<Vec<Issue>> {
    let refusal = |error: &Error| {
        if error.kind() == ErrorKind::Leased {
            let leased = Error::new(ErrorKind::Leased, error.message());
            return Err(error
                .notes()
                .iter()
                .fold(leased, |made, note| made.note(note))
                .help("run again when it is done"));
        }
        let what = match error.kind() {
            ErrorKind::Ownership => "ownership",
            ErrorKind::Moves => "reading",
            ErrorKind::Trap => "trap",
            _ => "brake",
        };
        Ok(Issue {
            what,
            examples: error.notes().to_vec(),
            mend: error.help_text().unwrap_or_default().to_owned(),
            ..Issue::of(table, error.message().to_owned())
        })
    };
    table.refusals.iter().map(refusal).collect()
}

/// What the marker alone shows.
fn of_marker(table: &DrawnTable) -> Option<Issue> {
    let (plan, name) = (table.plan.as_ref()?, Shown(&table.name));
    if plan.marker_requires == Requirement::Absent {
        let message = format!("nothing of `{name}` is published at {}", table.location.shown());
        let none = plan.after.lines == 0 || !table.refusals.is_empty();
        return (!none).then(|| Issue { what: "unpublished", ..Issue::of(table, message) });
    }
    if plan.unfinished {
        let message = format!("an apply to `{name}` began and did not end");
        return Some(Issue { what: "unfinished", ..Issue::of(table, message) });
    }
    if matches!(plan.switch.as_ref().map(|switch| switch.reason), Some(Reason::Reading | Reason::Layout)) {
        let message = format!("`{name}` is not published as the rules say it now");
        return Some(Issue { what: "reading", mend: "restitch apply".to_owned(), ..Issue::of(table, message) });
    }
    let applied = table.published.as_ref()?.applied.as_ref()?.counts;
    let counts =
        |counts: Counts| format!("{} with {}", counted(counts.partitions, "partition"), counted(counts.lines, "line"));
    let differ = (applied.partitions, applied.lines) != (plan.before.partitions, plan.before.lines);
    (differ && !plan.changes.is_empty()).then(|| {
        let message = format!(
            "`{name}` was changed by another hand: its marker says {}, there are {}",
            counts(applied),
            counts(plan.before)
        );
        Issue { what: "counts", ..Issue::of(table, message) }
    })
}

impl Issue {
    fn in_partition(mut self, partition: String) -> Issue {
        self.partition = Some(partition);
        self
    }

    fn of(table: &DrawnTable, message: String) -> Issue {
        Issue {
            table: table.name.clone(),
            what: "",
            key: None,
            partition: None,
            lines: None,
            examples: Vec::new(),
            message,
            mend: mend(table),
        }
    }
}

fn mend(table: &DrawnTable) -> String {
    let left = table.plan.as_ref().is_some_and(|plan| plan.kind == Kind::Remove);
    if left { "restitch apply; a day later: restitch prune".to_owned() } else { "restitch apply".to_owned() }
}

fn of_manifest(table: &DrawnTable, finding: Finding, mend: &str) -> Issue {
    let of = format!("of `{}`, {},", Shown(&table.name), finding.partition);
    Issue {
        what: finding.what.name(),
        key: Some(finding.key),
        partition: Some(finding.partition),
        lines: Some(finding.lines),
        examples: finding.examples,
        mend: mend.to_owned(),
        ..Issue::of(table, message(finding.what, finding.lines, &of))
    }
}

/// What the catalog says otherwise than manifests and rules.
fn of_catalog(table: &DrawnTable, stated: Option<&Table>, planned: &CatalogPlan) -> Vec<Issue> {
    let (name, catalog) = (Shown(&table.name), Shown(&planned.catalog));
    let of_table = |message: String| Issue { what: "catalog", ..Issue::of(table, message) };
    let mut issues = match &planned.table {
        TableChange::None => Vec::new(),
        // Its partitions go with it.
        TableChange::Create => return vec![of_table(format!("`{name}` is not registered in {catalog}"))],
        TableChange::Update { fields, .. } => {
            let other = |field: &FieldChange| {
                let message = format!("`{name}` in {catalog} has another {}", Shown(&field.field));
                Issue { examples: vec![field_shown(field)], ..of_table(message) }
            };
            fields.iter().map(other).collect()
        }
    };
    let of_partition = |change: &PartitionChange| {
        let partition = change.partition.shown();
        let (what, says) = match change.action {
            PartitionAction::Add => ("unregistered", "is published and not registered"),
            PartitionAction::Mend => ("drifted", "is registered otherwise than it is published"),
            PartitionAction::Remove => ("left over", "is registered and has no manifest"),
        };
        Issue {
            what,
            key: Some(change.directory.clone()),
            examples: change.fields.iter().map(field_shown).collect(),
            mend: "restitch apply --full".to_owned(),
            ..Issue::of(table, format!("{partition} of `{name}` {says}"))
        }
        .in_partition(partition)
    };
    issues.extend(planned.partitions.iter().map(of_partition));
    issues.extend(planned.foreign.iter().map(|values| {
        let partition = values.join("/");
        let message = format!("{partition} of `{name}` is registered by somebody else and has no manifest");
        let drop = stated.and_then(|stated| drop_partition(stated, &planned.name, values));
        let drop = drop.unwrap_or_else(|| format!("ALTER TABLE {} DROP PARTITION (…)", planned.name));
        let mend = format!("if it is not meant: {drop}");
        Issue { what: "foreign", key: Some(partition.clone()), mend, ..Issue::of(table, message) }
            .in_partition(partition)
    }));
    issues
}

/// The statement that unregisters a partition, in one line; `None` for a value that its column's type does not hold.
fn drop_partition(table: &Table, name: &str, values: &[String]) -> Option<String> {
    let values = values.iter().map(|text| PartitionValue::new(text)).collect::<Vec<_>>();
    let statement = ddl::drop_partitions(table, &TableName::new(None, name), [values]).next()?.ok()?;
    Some(statement.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" "))
}

fn message(what: What, lines: u64, of: &str) -> String {
    let lines = counted(lines, "line");
    match what {
        What::Dangling => format!("{lines} {of} whose object is not there"),
        What::Unreadable => format!("{lines} {of} that name no object"),
        What::Unwanted => format!("{lines} {of} that the rules do not give"),
        What::Missing => format!("{lines} {of} that the rules give and that are not published"),
        What::Disordered => format!("a manifest {of} whose lines are unsorted or stand twice"),
    }
}

fn json(out: &mut Output, drawn: &Drawn, findings: &[Issue]) -> Result<()> {
    let document = Document { version: VERSION, as_of: iso(drawn.as_of), tables: checked(drawn), findings };
    out.write(&serde_json::to_vec_pretty(&document).expect("every field has a form in JSON"))?;
    out.write(b"\n")
}

fn checked(drawn: &Drawn) -> Vec<Checked> {
    let of = |table: &DrawnTable| {
        let before = table.plan.as_ref().map(|plan| plan.before).unwrap_or_default();
        Checked {
            table: table.name.clone(),
            location: table.location.raw(),
            partitions: before.partitions,
            lines: before.lines,
        }
    };
    drawn.tables.iter().map(of).collect()
}

fn show(out: &mut Output, drawn: &Drawn, issues: &[Issue], all: bool) -> Result<()> {
    let shown = if all { issues.to_vec() } else { rolled_up(issues) };
    for issue in &shown {
        writeln!(out, "{ERROR}error:{ERROR:#} {}", Shown(&issue.message))?;
        issue.examples.iter().try_for_each(|example| writeln!(out, "  {}", Shown(example)))?;
        writeln!(out, "  {HELP}help:{HELP:#} {}\n", Shown(&issue.mend))?;
    }
    let tables = checked(drawn);
    let partitions: u64 = tables.iter().map(|table| table.partitions).sum();
    let lines: u64 = tables.iter().map(|table| table.lines).sum();
    let findings =
        if issues.is_empty() { "all as it should be".to_owned() } else { counted(issues.len() as u64, "finding") };
    writeln!(
        out,
        "{STRONG}verify:{STRONG:#} {}, {}, {}: {findings}",
        counted(tables.len() as u64, "table"),
        counted(partitions, "manifest"),
        counted(lines, "line")
    )
}

/// The same thing wrong with many manifests of a table, as one.
fn rolled_up(issues: &[Issue]) -> Vec<Issue> {
    let mut alike: HashMap<(&str, &str), Vec<&Issue>> = HashMap::new();
    for issue in issues.iter().filter(|issue| issue.key.is_some()) {
        alike.entry((&issue.table, issue.what)).or_default().push(issue);
    }
    let mut shown = Vec::new();
    for issue in issues {
        let same = (issue.table.as_str(), issue.what);
        match alike.get(&same).filter(|_| issue.key.is_some()) {
            Some(all) if all.len() > SHOWN => {
                shown.push(together(all));
                alike.insert(same, Vec::new());
            }
            // Said together before.
            Some(all) if all.is_empty() => {}
            _ => shown.push(issue.clone()),
        }
    }
    shown
}

fn together(alike: &[&Issue]) -> Issue {
    let first = alike[0];
    let lines: u64 = alike.iter().filter_map(|issue| issue.lines).sum();
    let (name, count) = (Shown(&first.table), grouped(alike.len() as u64));
    let message = match first.lines {
        Some(_) => {
            format!("{} of `{name}` are {} in {count} manifests (-v shows each)", counted(lines, "line"), first.what)
        }
        None => format!("{count} partitions of `{name}` are {} in its catalog (-v shows each)", first.what),
    };
    let examples = alike.iter().flat_map(|issue| issue.examples.first()).take(SHOWN).cloned().collect();
    Issue { message, examples, key: None, partition: None, lines: first.lines.map(|_| lines), ..first.clone() }
}
