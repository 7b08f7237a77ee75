//! `restitch apply`: draws up a plan, shows it, asks, carries it out, and says which statements to run then.

mod next;

use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;

use tokio::sync::watch;

use super::plan::args::{PlanningArgs, WritingArgs};
use super::plan::draw::{self, Drawn};
use super::plan::refuse;
use super::plan::show::{self, counted};
use super::show::ADDED;
use super::{Exit, Global, Output, rule_file};
use crate::apply::interrupt::Interrupt;
use crate::apply::{Options, random_id, refresh};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::TablePlan;
use crate::store::Store;
use crate::uri::Shown;

#[derive(clap::Args)]
pub struct ApplyArgs {
    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    planning: PlanningArgs,

    #[command(flatten)]
    writing: WritingArgs,
}

/// # Errors
/// As [`draw::draw`] and [`refresh::table`]; `Usage` where there is nobody to ask.
pub async fn run(global: &Global, args: &ApplyArgs) -> Result<Exit> {
    let rules = rule_file::load(global)?;
    let options = args.writing.options(&random_id()?, Interrupt::new(global.interrupt()))?;
    let drawn = unless_interrupted(global, draw::draw(global, &rules, &args.planning, Some(&options))).await?;
    let mut out = Output::text();
    if !global.quiet || drawn.is_refused() {
        show::show(&mut out, &drawn, global.verbose > 0)?;
        out.flush()?;
    }
    if drawn.is_refused() {
        refuse(global, drawn)?;
        return Ok(Exit::Done);
    }
    if drawn.is_empty() {
        return Ok(Exit::Done);
    }
    if !args.yes {
        let yes = unless_interrupted(global, ask("apply this?")).await?;
        if !yes {
            global.say("nothing was written");
            return Ok(Exit::Declined);
        }
    }
    let as_of = iso(drawn.as_of);
    let next = next::Next::new(&rules, &drawn);
    let work = work(drawn);
    let written = carry_out(work, &as_of, &options).await?;
    if !global.quiet {
        writeln!(out, "{ADDED}✓{ADDED:#} {} written", counted(written, "manifest"))?;
    }
    next.write(&mut out, global.quiet)?;
    out.flush()?;
    Ok(Exit::Done)
}

/// One table's plan, and where it is carried out.
struct Work {
    plan: TablePlan,
    store: Arc<dyn Store>,
}

fn work(drawn: Drawn) -> Vec<Work> {
    let with_plan = drawn.tables.into_iter().filter_map(|table| Some(Work { plan: table.plan?, store: table.store }));
    with_plan.filter(|work| work.plan.writes()).collect()
}

/// Carries out one table after the other; says how many manifests were written.
///
/// # Errors
/// As [`refresh::table`], with what was done to the tables before.
async fn carry_out(work: Vec<Work>, as_of: &str, options: &Options) -> Result<u64> {
    let mut written = 0;
    let names: Vec<String> = work.iter().map(|one| one.plan.table.clone()).collect();
    for (number, mut one) in work.into_iter().enumerate() {
        let done = refresh::table(one.store.as_ref(), &mut one.plan, as_of, options).await;
        written += done.map_err(|error| with_the_others(error, &names, number))?.manifests;
    }
    Ok(written)
}

/// Says what became of the tables besides the one that failed.
fn with_the_others(error: Error, names: &[String], failed: usize) -> Error {
    if names.len() == 1 {
        return error;
    }
    let list = |names: &[String]| names.iter().map(|name| format!("`{}`", Shown(name))).collect::<Vec<_>>().join(", ");
    let (done, left) = (&names[..failed], &names[failed + 1..]);
    let error = error.note(format!("that was table `{}`", Shown(&names[failed])));
    let error = if done.is_empty() { error } else { error.note(format!("done before: {}", list(done))) };
    if left.is_empty() { error } else { error.note(format!("not begun: {}", list(left))) }
}

/// Does what needs no putting in order: a signal ends it on the spot.
async fn unless_interrupted<T>(global: &Global, work: impl Future<Output = Result<T>>) -> Result<T> {
    let mut signals = global.interrupt();
    tokio::select! {
        done = work => done,
        signal = signal(&mut signals) => Err(Error::new(signal, "interrupted; nothing was written")),
    }
}

async fn signal(signals: &mut watch::Receiver<Option<ErrorKind>>) -> ErrorKind {
    match signals.wait_for(Option::is_some).await {
        Ok(signal) => signal.expect("waited for"),
        Err(_) => std::future::pending().await,
    }
}

/// Asks on the terminal; anything but `y` and `yes` is a no.
///
/// # Errors
/// `Usage` where standard input is no terminal.
async fn ask(question: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        let message = "there is no terminal to ask on, and no --yes; nothing was written";
        return Err(Error::new(ErrorKind::Usage, message).help("to go on without asking: --yes"));
    }
    // Nobody is left to ask if standard error is closed; then there is no answer either.
    let _ = write!(anstream::stderr(), "{question} [y/N] ");
    let read = || std::io::stdin().lock().lines().next().transpose();
    let answer = tokio::task::spawn_blocking(read).await;
    let answer = answer.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
    let answer = answer.map_err(|error| Error::io("standard input", error))?.unwrap_or_default();
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// `2026-11-22T10:31:04Z`
fn iso(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| String::new(), |at| at.to_string())
}
