//! `restitch apply`: draws up a plan, shows it, asks, carries it out, and says which statements to run then.

mod next;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::ask::{ask, unless_interrupted};
use super::plan::args::{LockingArgs, PlanningArgs};
use super::plan::draw::{Drawn, DrawnTable};
use super::plan::partial::PartialArgs;
use super::plan::saved::Saved;
use super::plan::show;
use super::plan::{draw, iso, refuse};
use super::show::ADDED;
use super::{Exit, Global, Output, Progress, rule_file};
use crate::apply::interrupt::Interrupt;
use crate::apply::register::Registered;
use crate::apply::{self, Done, Options, random_id};
use crate::catalog::{Catalog, Catalogs};
use crate::error::{Error, ErrorKind, Result};
use crate::listing::Sources;
use crate::plan::TablePlan;
use crate::plan::brakes::counted;
use crate::rules::table::Rules;
use crate::store::{Store, Stores};
use crate::uri::{Shown, Uri};

/// How often it is said how far the writing has come.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(clap::Args)]
pub struct ApplyArgs {
    /// A plan that `restitch plan --out` saved: exactly this is done, without listing or asking
    #[arg(value_name = "PLAN", conflicts_with_all = NOT_WITH_A_PLAN)]
    plan: Option<PathBuf>,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    planning: PlanningArgs,

    #[command(flatten)]
    partial: PartialArgs,

    #[command(flatten)]
    locking: LockingArgs,

    /// Manifests written at once
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
}

impl ApplyArgs {
    fn options(&self, global: &Global, plan: &str) -> Result<Options> {
        let mut options = self.locking.options(plan, Interrupt::new(global.interrupt()))?;
        options.concurrency = self.concurrency.into();
        Ok(options)
    }
}

/// What has been decided when a plan was saved.
const NOT_WITH_A_PLAN: [&str; 9] = [
    "accept_moves",
    "adopt",
    "create_database",
    "full",
    "allow_empty",
    "allow_removals",
    "unmatched",
    "only",
    "touched",
];

/// # Errors
/// As [`draw`], [`apply::saved::look`] and [`apply::table`]; `Usage` where there is nobody to ask.
pub async fn run(global: &Global, args: &ApplyArgs) -> Result<Exit> {
    match &args.plan {
        Some(path) => saved(global, args, path).await,
        None => drawn(global, args).await,
    }
}

/// Plans, shows, asks and carries out.
async fn drawn(global: &Global, args: &ApplyArgs) -> Result<Exit> {
    let rules = rule_file::load(global).await?;
    let options = args.options(global, &random_id()?)?;
    let drawn = unless_interrupted(global, draw(global, &rules, &args.planning, &args.partial, Some(&options))).await?;
    publish(global, &rules, drawn, &options, args.yes).await
}

/// Shows a plan and carries it out, unless something refuses it; asks first without `yes`.
///
/// # Errors
/// The last refusal, once the others have been shown; as [`apply::table`]; `Usage` where there is nobody to ask.
pub(super) async fn publish(
    global: &Global,
    rules: &Rules,
    drawn: Drawn,
    options: &Options,
    yes: bool,
) -> Result<Exit> {
    let mut out = Output::text();
    if !global.quiet || drawn.is_refused() {
        show::show(&mut out, &drawn, global.verbose > 0)?;
        out.flush()?;
    }
    if drawn.is_refused() {
        refuse(global, drawn)?;
        return Ok(Exit::Done);
    }
    if !drawn.is_empty() && !yes && !ask(global, "apply this?").await? {
        global.say("nothing was written");
        return Ok(Exit::Declined);
    }
    let as_of = iso(drawn.as_of);
    let with_plan = drawn.tables.into_iter().filter_map(Work::of);
    carry_out(global, out, rules, with_plan.collect(), &as_of, options).await
}

/// Carries out a plan without showing it, unless something refuses it; prints the statements that are to be run then.
///
/// # Errors
/// The last refusal, once the others have been shown; as [`apply::table`].
#[cfg(feature = "sqs")]
pub(super) async fn written_by(
    global: &Global,
    out: &mut Output,
    rules: &Rules,
    drawn: Drawn,
    options: &Options,
) -> Result<Done> {
    if drawn.is_refused() {
        refuse(global, drawn)?;
        return Ok(Done::default());
    }
    let as_of = iso(drawn.as_of);
    let work: Vec<Work> = drawn.tables.into_iter().filter_map(Work::of).filter(|one| one.plan.writes()).collect();
    let next = next::Next::new(rules, work.iter().map(|one| &one.plan));
    let done = write(work, &as_of, options).await?;
    next.write(out, global.quiet)?;
    out.flush()?;
    Ok(done)
}

/// Carries out a saved plan, or refuses it as a whole.
async fn saved(global: &Global, args: &ApplyArgs, path: &Path) -> Result<Exit> {
    if !global.listing.is_empty() {
        let message = "--listing: a saved plan is carried out as it is, nothing is listed for it";
        return Err(Error::new(ErrorKind::Usage, message).help(format!("restitch apply {}", shown(path))));
    }
    let saved = Saved::read(path)?;
    let rules = rule_file::load_from(&saved.rule_file(global)).await?;
    saved.refuse_if_rules_changed(&rules)?;
    let options = args.options(global, &saved.id)?;
    let sources = Sources::open(&rules, &[]).await?;
    let (mut stores, mut catalogs) = (Stores::default(), Catalogs::default());
    let mut work = Vec::new();
    for plan in saved.plan.tables {
        let location = Uri::parse(&plan.location)?;
        let settings = plan.catalog.as_ref().and_then(|_| {
            rules.tables.iter().find(|table| table.name == plan.table).and_then(|table| table.catalog.as_ref())
        });
        let catalog = catalogs.open_any(settings).await?;
        work.push(Work { store: stores.open(&location, &sources.access(&location)).await?, plan, catalog });
    }
    let look = async {
        let mut left = false;
        for one in &work {
            left |= apply::saved::look(one.store.as_ref(), &one.plan, &one.options(&options)).await?;
        }
        Ok(left)
    };
    let mut out = Output::text();
    let is_left = unless_interrupted(global, look).await?;
    if !is_left && work.iter().any(|one| one.plan.writes()) {
        global.say("this plan has been carried out already; nothing was written");
        return Ok(Exit::Done);
    }
    if !global.quiet {
        let plans: Vec<(&TablePlan, &dyn Store)> = work.iter().map(|one| (&one.plan, one.store.as_ref())).collect();
        show::show_saved(&mut out, &plans, global.verbose > 0)?;
        out.flush()?;
    }
    carry_out(global, out, &rules, work, &saved.plan.as_of, &options).await
}

/// One table's plan, and where it is carried out.
struct Work {
    plan: TablePlan,
    store: Arc<dyn Store>,
    catalog: Option<Arc<dyn Catalog>>,
}

/// The stores of a run, each once, and how many answers had told us to slow down before it.
struct Throttled {
    stores: Vec<Arc<dyn Store>>,
    before: u64,
}

impl Throttled {
    fn new<'s>(all: impl Iterator<Item = &'s Arc<dyn Store>>) -> Throttled {
        let mut stores: Vec<Arc<dyn Store>> = Vec::new();
        for store in all {
            if !stores.iter().any(|known| Arc::ptr_eq(known, store)) {
                stores.push(store.clone());
            }
        }
        let mut throttled = Throttled { stores, before: 0 };
        throttled.before = throttled.since();
        throttled
    }

    fn since(&self) -> u64 {
        self.stores.iter().map(|store| store.throttled()).sum::<u64>() - self.before
    }
}

/// Writes, and says what was written and what to run then.
async fn carry_out(
    global: &Global,
    mut out: Output,
    rules: &Rules,
    mut work: Vec<Work>,
    as_of: &str,
    options: &Options,
) -> Result<Exit> {
    work.retain(|one| one.plan.writes());
    if work.is_empty() {
        return out.flush().map(|()| Exit::Done);
    }
    let next = next::Next::new(rules, work.iter().map(|one| &one.plan));
    let stores = Throttled::new(work.iter().map(|one| &one.store));
    let catalogs: Vec<Arc<dyn Catalog>> = work.iter().filter_map(|one| one.catalog.clone()).collect();
    let total = work.iter().map(|one| manifests(&one.plan)).sum();
    let progress = Progress::start(global);
    let done = tokio::select! {
        done = write(work, as_of, options) => done,
        never = look_on(&progress, options, total) => match never {},
    };
    drop(progress);
    let done = done?;
    if !global.quiet {
        let what = if done.manifests == 0 { "markers".to_owned() } else { counted(done.manifests, "manifest") };
        let throttled = match stores.since() {
            0 => String::new(),
            count => format!(", {} throttled and sent again", counted(count, "request")),
        };
        writeln!(out, "{ADDED}✓{ADDED:#} {what} written{throttled}")?;
        registered(&mut out, &done.registered, &catalogs)?;
    }
    next.write(&mut out, global.quiet)?;
    out.flush()?;
    Ok(Exit::Done)
}

/// Manifests that a plan writes, in a switch those that are copied too.
fn manifests(plan: &TablePlan) -> u64 {
    plan.switch.as_ref().map_or(plan.changes.len() as u64, |switch| switch.manifests(&plan.changes))
}

/// Says again and again how many manifests have been written.
async fn look_on(progress: &Progress, options: &Options, total: u64) -> Infallible {
    loop {
        let written = options.written.load(Ordering::Relaxed);
        progress.writing(written, total);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What was done to catalogs, and how many requests that took, those of the planning too.
fn registered(out: &mut Output, done: &Registered, catalogs: &[Arc<dyn Catalog>]) -> Result<()> {
    let mut different: Vec<&Arc<dyn Catalog>> = Vec::new();
    for catalog in catalogs {
        if !different.iter().any(|known| Arc::ptr_eq(known, catalog)) {
            different.push(catalog);
        }
    }
    if different.is_empty() {
        return Ok(());
    }
    let requests: u64 = different.iter().map(|catalog| catalog.requests()).sum();
    let some = |count: u64, what: &str| (count > 0).then(|| counted(count, what));
    let made: Vec<String> = some(done.tables, "table").into_iter().chain(some(done.partitions, "partition")).collect();
    let made = (!made.is_empty()).then(|| format!("{} registered", made.join(" and ")));
    let removed = some(done.removed, "partition").map(|partitions| format!("{partitions} unregistered"));
    let what: Vec<String> = made.into_iter().chain(removed).collect();
    let what = if what.is_empty() { "nothing to register".to_owned() } else { what.join(", ") };
    let where_to: Vec<String> = different.iter().map(|catalog| catalog.shown()).collect();
    writeln!(out, "{ADDED}✓{ADDED:#} {what} in {}, {} in all", where_to.join(", "), counted(requests, "request"))
}

impl Work {
    fn of(table: DrawnTable) -> Option<Work> {
        Some(Work { plan: table.plan?, store: table.store, catalog: table.catalog })
    }

    fn options(&self, options: &Options) -> Options {
        Options { catalog: self.catalog.clone(), ..options.clone() }
    }
}

/// Carries out one table after the other; says what was done to all of them.
///
/// # Errors
/// As [`apply::table`], with what was done to the tables before.
async fn write(work: Vec<Work>, as_of: &str, options: &Options) -> Result<Done> {
    let mut all = Done::default();
    let names: Vec<String> = work.iter().map(|one| one.plan.table.clone()).collect();
    for (number, mut one) in work.into_iter().enumerate() {
        let options = one.options(options);
        let done = apply::table(one.store.as_ref(), &mut one.plan, as_of, &options).await;
        let done = done.map_err(|error| with_the_others(error, &names, number))?;
        all.manifests += done.manifests;
        all.registered.tables += done.registered.tables;
        all.registered.partitions += done.registered.partitions;
        all.registered.removed += done.registered.removed;
    }
    Ok(all)
}

/// Says what became of the tables besides the one that failed.
fn with_the_others(error: Error, names: &[String], failed: usize) -> Error {
    let error = match error.kind() {
        ErrorKind::Interrupted | ErrorKind::Terminated => error.help("run again: it comes to the same end"),
        _ => error,
    };
    if names.len() == 1 {
        return error;
    }
    let list = |names: &[String]| names.iter().map(|name| format!("`{}`", Shown(name))).collect::<Vec<_>>().join(", ");
    let (done, left) = (&names[..failed], &names[failed + 1..]);
    let error = error.note(format!("that was table `{}`", Shown(&names[failed])));
    let error = if done.is_empty() { error } else { error.note(format!("done before: {}", list(done))) };
    if left.is_empty() { error } else { error.note(format!("not begun: {}", list(left))) }
}

fn shown(path: &Path) -> String {
    Shown(&path.to_string_lossy()).to_string()
}
