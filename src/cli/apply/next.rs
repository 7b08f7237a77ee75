//! What to run once manifests are written: the statements that make the tables, and their new partitions.

use crate::cli::Output;
use crate::cli::plan::show::places;
use crate::ddl::{self, ProjectionBuilder, Statement, TableName};
use crate::error::{Error, Result};
use crate::plan::manifest::{Shape, directory_of};
use crate::plan::switch::Reason;
use crate::plan::{Action, Kind, Requirement, TablePlan};
use crate::rules::table::{Engine, Partitions, Rules, Table};
use crate::uri::{Shown, Uri};

/// Lines of statements that are shown; where there are more, the command that prints them.
const MAX_LINES: usize = 60;

/// The statements of one table.
struct OfTable {
    name: String,
    engines: Vec<Engine>,
    statements: Result<Vec<Statement>>,
    /// Why only `restitch ddl` can say them: it reads what is published.
    asks: Option<Asks>,
}

/// What `restitch ddl` has to be asked for.
#[derive(Clone, Copy, PartialEq)]
enum Asks {
    /// What to run only all of its partitions tell, those that were published before too.
    All,
    /// It lies in another directory now.
    Switched,
    /// It is read in another way now, so it has to be made anew.
    Replaced,
}

impl OfTable {
    /// The command that prints all that is to be run.
    fn command(&self) -> String {
        let flag = if self.asks == Some(Asks::Replaced) { "--replace " } else { "" };
        format!("restitch ddl {flag}{}", Shown(&self.name))
    }
}

/// The statements of all tables that need any.
pub struct Next(Vec<OfTable>);

impl Next {
    /// Works them out from what is about to be written.
    pub fn new<'p>(rules: &Rules, plans: impl Iterator<Item = &'p TablePlan>) -> Next {
        let of = |plan: &TablePlan| {
            let table = rules.tables.iter().find(|table| table.name == plan.table && plan.kind != Kind::Remove)?;
            if table.catalog.is_some() {
                return None;
            }
            let statements = if plan.switch.is_some() { Ok(Vec::new()) } else { statements(table, plan) };
            let none = statements.as_ref().is_ok_and(Vec::is_empty);
            let widens = none && table.partitions == Partitions::Projection && has_new_partitions(plan);
            let asks = match plan.switch.as_ref().map(|switch| switch.reason) {
                Some(Reason::Reading | Reason::Layout) => Some(Asks::Replaced),
                Some(Reason::Asked | Reason::Moves) => Some(Asks::Switched),
                None => (widens || takes_over(plan)).then_some(Asks::All),
            };
            let (name, engines) = (table.name.clone(), table.engines.clone());
            (!none || widens || plan.switch.is_some()).then(|| OfTable { name, engines, statements, asks })
        };
        Next(plans.filter(|plan| plan.writes()).filter_map(of).collect())
    }

    /// Writes them; `bare`: as a script, all of it and nothing else.
    ///
    /// # Errors
    /// For what no statement can say, once all others are written.
    pub fn write(self, out: &mut Output, bare: bool) -> Result<()> {
        let lines: usize = self.0.iter().filter_map(|one| one.statements.as_ref().ok()).flatten().map(lines_of).sum();
        let whole = bare || lines <= MAX_LINES;
        if !self.0.is_empty() && !bare {
            let engines: Vec<Engine> = self.0.iter().flat_map(|one| one.engines.iter().copied()).collect();
            let whole = whole && self.0.iter().all(|one| one.asks.is_none());
            let what = if whole { "run this" } else { "run what this prints" };
            let all = if whole { " (`restitch ddl` prints all of it)" } else { "" };
            writeln!(out, "next: {what}{}{all}", places(&engines))?;
        }
        let mut failed: Option<Error> = None;
        for one in self.0 {
            let command = one.command();
            match one.statements {
                Ok(statements) if one.asks.is_some() && bare => {
                    statements.iter().try_for_each(|statement| write_statement(out, statement, bare))?;
                    let why = match one.asks {
                        Some(Asks::Switched) => "it lies in another directory now",
                        Some(Asks::Replaced) => "it is read in another way now",
                        Some(Asks::All) | None => "what was published before counts too",
                    };
                    writeln!(out, "-- of {}, {why}: {command}", Shown(&one.name))?;
                }
                Ok(_) if !whole || one.asks.is_some() => writeln!(out, "  {command}")?,
                Ok(statements) => statements.iter().try_for_each(|statement| write_statement(out, statement, bare))?,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(()), |error| Err(error.note("the manifests are written")))
    }
}

/// Whether partitions come that the table's projection may not reach yet.
fn has_new_partitions(plan: &TablePlan) -> bool {
    plan.changes.iter().any(|change| change.action == Action::Create)
}

/// Whether partitions have been published that no catalog of ours may know: `--adopt`.
fn takes_over(plan: &TablePlan) -> bool {
    plan.marker_requires == Requirement::Absent && plan.before.partitions > 0
}

fn lines_of(statement: &Statement) -> usize {
    statement.text.lines().count()
}

fn write_statement(out: &mut Output, statement: &Statement, bare: bool) -> Result<()> {
    if bare {
        return write!(out, "{statement}");
    }
    statement.to_string().lines().try_for_each(|line| writeln!(out, "  {line}"))
}

/// What the engine must be told of a table: all of it where it is new, else its new partitions.
fn statements(table: &Table, plan: &TablePlan) -> Result<Vec<Statement>> {
    let (location, shape) = (&plan.directory()?, plan.shape());
    let name = TableName::of(table, None);
    let is_new = plan.marker_requires == Requirement::Absent;
    let created = || plan.changes.iter().filter(|change| change.action == Action::Create);
    let mut statements = Vec::new();
    if table.partitions == Partitions::Projection && !table.partitioned_by.is_empty() {
        if is_new {
            let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
            let mut builder = ProjectionBuilder::new(table, location, &today)?;
            created().try_for_each(|change| builder.add(&change.values(&shape)))?;
            statements.push(ddl::create_table(table, &name, location, Some(&builder.finish()?))?);
        }
        return Ok(statements);
    }
    if is_new {
        statements.push(ddl::create_table(table, &name, location, None)?);
    }
    if !table.partitioned_by.is_empty() {
        let keys: Vec<&str> = created().map(|change| change.key.as_str()).collect();
        let partitions = keys.into_iter().filter_map(|key| partition(key, &shape, location));
        ddl::add_partitions(table, &name, partitions).try_for_each(|one| one.map(|one| statements.push(one)))?;
    }
    Ok(statements)
}

fn partition(key: &str, shape: &Shape, location: &Uri) -> Option<ddl::Partition> {
    Some(ddl::Partition { values: shape.values(key)?, location: location.join(directory_of(key)) })
}
