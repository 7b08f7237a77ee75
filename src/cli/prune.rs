//! `restitch prune`: deletes manifests that have been empty for over a day, and tables that have left the rule file.

use std::sync::Arc;

use super::ask::{ask, unless_interrupted};
use super::plan::args::LockingArgs;
use super::plan::show::{columns, left, places, shown};
use super::show::{ADDED, REMOVED, STRONG};
use super::{Exit, Global, Output, rule_file};
use crate::apply::interrupt::Interrupt;
use crate::apply::prune::{self, Gone, Pruning};
use crate::apply::replaced::Old;
use crate::apply::{Options, random_id, write};
use crate::catalog::{Catalog, Catalogs};
use crate::ddl::{self, TableName};
use crate::error::Result;
use crate::listing::Sources;
use crate::plan::brakes::{counted, grouped};
use crate::rules::table::{Engine, Partitions, Rules, Table};
use crate::store::{Store, Stores};

/// Manifests of a table that are shown.
const SHOWN: usize = 10;

#[derive(clap::Args)]
pub struct PruneArgs {
    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    locking: LockingArgs,
}

/// One table, and where it is pruned.
struct Work<'r> {
    /// `None`: it has left the rule file.
    table: Option<&'r Table>,
    pruning: Pruning,
    store: Arc<dyn Store>,
    /// Where its partitions are registered, if anywhere.
    catalog: Option<Arc<dyn Catalog>>,
    /// The database there.
    database: Option<&'r str>,
}

/// # Errors
/// Those of the rule file and the stores; `Ownership`, `Moves` where something else is published; `Leased`; `Usage`
/// where there is nobody to ask.
pub async fn run(global: &Global, args: &PruneArgs) -> Result<Exit> {
    let rules = rule_file::load(global).await?;
    let options = args.locking.options(&random_id()?, Interrupt::new(global.interrupt()))?;
    let work = unless_interrupted(global, look(&rules)).await?;
    let mut out = Output::text();
    let deletes = work.iter().any(|one| one.pruning.deletes());
    if !global.quiet {
        show(&mut out, &work, global.verbose > 0)?;
    }
    if !deletes {
        return out.flush().map(|()| Exit::Done);
    }
    drops(&mut out, &work, global.quiet)?;
    out.flush()?;
    if !args.yes && !ask(global, "delete this?").await? {
        global.say("nothing was deleted");
        return Ok(Exit::Declined);
    }
    let mut deleted = 0;
    for one in work.iter().filter(|one| one.pruning.deletes()) {
        let options = Options { catalog: one.catalog.clone(), ..options.clone() };
        let done = prune::carry_out(one.store.as_ref(), &one.pruning, &options).await;
        deleted += done.map_err(|error| error.note(format!("{} deleted before", counted(deleted, "manifest"))))?;
    }
    if !global.quiet {
        writeln!(out, "{ADDED}✓{ADDED:#} {} deleted", counted(deleted, "manifest"))?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

async fn look(rules: &Rules) -> Result<Vec<Work<'_>>> {
    let sources = Sources::open(rules, &[]).await?;
    let (mut stores, mut catalogs) = (Stores::default(), Catalogs::default());
    let project = rules.project.as_deref();
    let mut work = Vec::new();
    for table in &rules.tables {
        let Some(location) = &table.location else { continue };
        let store = stores.open(location, &sources.access(location)).await?;
        let pruning = prune::of_table(store.as_ref(), project, table).await?;
        let catalog = catalogs.open_any(table.catalog.as_ref()).await?;
        let database = table.catalog.as_ref().map(|settings| settings.database.as_str());
        work.extend(pruning.map(|pruning| Work { table: Some(table), pruning, store, catalog, database }));
    }
    for removed in &rules.removed {
        let store = stores.open(&removed.location, &sources.access(&removed.location)).await?;
        let pruning = prune::of_removed(store.as_ref(), project, removed).await?;
        let catalog = catalogs.open_any(rules.catalog.as_ref()).await?;
        let database = rules.catalog.as_ref().map(|settings| settings.database.as_str());
        work.extend(pruning.map(|pruning| Work { table: None, pruning, store, catalog, database }));
    }
    Ok(work)
}

fn show(out: &mut Output, work: &[Work<'_>], all: bool) -> Result<()> {
    let width = work.iter().map(|one| columns(&shown(&one.pruning.table))).max().unwrap_or(0);
    for Work { pruning, catalog, .. } in work {
        let what = match (pruning.gone.len() as u64, pruning.waiting) {
            _ if pruning.whole => "all of it goes".to_owned(),
            (0, 0) => "nothing is empty".to_owned(),
            (0, waiting) => format!("{} empty, for less than 24 h", grouped(waiting)),
            (gone, 0) => format!("{} empty for over 24 h", grouped(gone)),
            (gone, waiting) => format!("{} empty for over 24 h, {} for less", grouped(gone), grouped(waiting)),
        };
        let (name, location) = (left(&shown(&pruning.table), width), pruning.location.shown());
        writeln!(out, "{STRONG}{name}{STRONG:#}    {what}    {location}")?;
        let most = if all || pruning.gone.len() <= SHOWN + 1 { usize::MAX } else { SHOWN };
        for Gone { partition, since, .. } in pruning.gone.iter().take(most) {
            writeln!(out, "  {REMOVED}−{REMOVED:#} {}    empty since {}", partition.shown(), write::at(*since))?;
        }
        if pruning.gone.len() > most {
            writeln!(out, "  {REMOVED}−{REMOVED:#} … {} more", grouped((pruning.gone.len() - most) as u64))?;
        }
        for Old { directory, manifests, foreign, .. } in &pruning.replaced {
            let stays =
                if *foreign == 0 { String::new() } else { format!(", {} of another shape stay", grouped(*foreign)) };
            let count = counted(manifests.len() as u64, "manifest");
            writeln!(out, "  {REMOVED}−{REMOVED:#} {}    {count}, replaced over 24 h ago{stays}", directory.shown())?;
        }
        // Readers of a catalog have followed.
        if !pruning.replaced.is_empty() && catalog.is_none() {
            let name = shown(&pruning.table);
            writeln!(
                out,
                "    who has not followed the switch would read nothing then; `restitch ddl {name}` says how"
            )?;
        }
        if pruning.replaced_lately > 0 {
            let (count, last) = (pruning.replaced_lately, "replaced less than 24 h ago");
            let what = if count == 1 { "directory stays" } else { "directories stay" };
            writeln!(out, "    {} {what}: {last}", grouped(count))?;
        }
    }
    let replaced = |one: &Work<'_>| one.pruning.replaced.iter().map(|old| old.manifests.len()).sum::<usize>();
    let manifests: usize = work.iter().map(|one| one.pruning.gone.len() + replaced(one)).sum();
    let markers = work.iter().filter(|one| one.pruning.whole).count();
    match (manifests, markers) {
        (0, 0) => writeln!(out, "\n{STRONG}prune:{STRONG:#} nothing to delete"),
        (manifests, 0) => {
            writeln!(out, "\n{STRONG}prune:{STRONG:#} {} to delete", counted(manifests as u64, "manifest"))
        }
        (manifests, markers) => writeln!(
            out,
            "\n{STRONG}prune:{STRONG:#} {} and {} to delete",
            counted(manifests as u64, "manifest"),
            counted(markers as u64, "marker")
        ),
    }
}

/// What to run before anything is deleted, so that no query meets a partition without its manifest.
fn drops(out: &mut Output, work: &[Work<'_>], bare: bool) -> Result<()> {
    let mut statements = Vec::new();
    let mut engines: Vec<Engine> = Vec::new();
    for Work { table, pruning, catalog, database, .. } in work.iter().filter(|one| one.pruning.deletes()) {
        match table {
            Some(_) if catalog.is_some() => {}
            None if pruning.whole => {
                let name = TableName::new(*database, &pruning.table);
                statements.push(format!("DROP TABLE IF EXISTS {name};\n"));
            }
            None => {}
            Some(table) if table.partitions == Partitions::Projection => {}
            Some(table) => {
                engines.extend(&table.engines);
                let values = pruning.gone.iter().map(|gone| gone.values.clone());
                for statement in ddl::drop_partitions(table, &TableName::new(None, &table.name), values) {
                    statements.push(statement?.to_string());
                }
            }
        }
    }
    if !statements.is_empty() && !bare {
        writeln!(out, "first run this{}", places(&engines))?;
    }
    let indent = if bare { "" } else { "  " };
    let mut lines = statements.iter().flat_map(|statement| statement.lines());
    lines.try_for_each(|line| writeln!(out, "{indent}{line}"))
}
