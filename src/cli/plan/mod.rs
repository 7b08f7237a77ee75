//! `restitch plan`: the difference between what is published and what the rules say. Reads only.

pub(super) mod args;
mod confirm;
pub(super) mod draw;
pub(super) mod json;
pub(super) mod partial;
pub(super) mod saved;
pub(super) mod show;
mod unmatched;

use std::path::PathBuf;

use self::args::PlanningArgs;
use self::partial::PartialArgs;
use self::saved::Saved;
use self::unmatched::Unmatched;
use super::{Exit, Global, Output, rule_file};
use crate::apply::{Options, random_id};
use crate::error::{Error, Result};
use crate::listing::Sources;
use crate::plan::{PLAN_VERSION, Plan};
use crate::rules::table::Rules;
use crate::uri::Shown;

#[derive(clap::Args)]
pub struct PlanArgs {
    /// Save the plan in FILE, for `restitch apply FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Print one JSON document instead
    #[arg(long)]
    json: bool,

    /// End with 2 where there are changes
    #[arg(long)]
    detailed_exitcode: bool,

    #[command(flatten)]
    planning: PlanningArgs,

    #[command(flatten)]
    partial: PartialArgs,
}

/// # Errors
/// As [`draw::draw`]; the last refusal, once the others have been shown.
pub async fn run(global: &Global, args: &PlanArgs) -> Result<Exit> {
    let rules = rule_file::load(global).await?;
    let drawn = draw(global, &rules, &args.planning, &args.partial, None).await?;
    let id = random_id()?;
    let (changes, refused) = (!drawn.is_empty(), drawn.is_refused());
    let mut out = if args.json { Output::bytes() } else { Output::text() };
    match args.json {
        true => json::write(&mut out, &id, &drawn)?,
        false => show::show(&mut out, &drawn, global.verbose > 0)?,
    }
    if refused {
        out.flush()?;
        refuse(global, drawn)?;
    } else if let Some(path) = &args.out {
        let tables = drawn.tables.into_iter().filter_map(|table| table.plan).collect();
        let plan = Plan { version: PLAN_VERSION, as_of: iso(drawn.as_of), tables };
        Saved::new(id, &rules, plan)?.write(path, saved::MAX_BYTES)?;
        if !args.json {
            let path = path.to_string_lossy();
            writeln!(out, "saved; to do exactly this: restitch apply {}", Shown(&path))?;
        }
    }
    out.flush()?;
    Ok(if changes && args.detailed_exitcode { Exit::Changes } else { Exit::Done })
}

/// As [`draw::draw`], as the flags say.
pub(super) async fn draw(
    global: &Global,
    rules: &Rules,
    args: &PlanningArgs,
    partial: &PartialArgs,
    run: Option<&Options>,
) -> Result<draw::Drawn> {
    let Some(partial) = partial.partial(rules)? else { return draw_all(global, rules, args, run).await };
    let planning = args.planning(rules)?;
    let unmatched = Unmatched::create(args.unmatched.as_deref())?;
    let drawn = partial::draw(global, rules, &partial, planning.clone(), unmatched.each(), run).await?;
    unmatched.finish()?;
    if partial.live {
        return Ok(drawn);
    }
    let sources = Sources::open(rules, &global.listing).await?;
    confirm::confirmed(global, rules, &sources, planning, drawn, run).await
}

/// The same, of all partitions.
pub(super) async fn draw_all(
    global: &Global,
    rules: &Rules,
    args: &PlanningArgs,
    run: Option<&Options>,
) -> Result<draw::Drawn> {
    let planning = args.planning(rules)?;
    let unmatched = Unmatched::create(args.unmatched.as_deref())?;
    let sources = global.sources(rules).await?;
    let relist = args.unmatched.is_some() || planning.full || planning.adopt;
    let looks = draw::Looks { relist, beside: true };
    let drawn = draw::draw(global, rules, &sources, planning.clone(), unmatched.each(), run, looks).await?;
    unmatched.finish()?;
    confirm::confirmed(global, rules, &sources, planning, drawn, run).await
}

/// `2026-11-22T10:31:04Z`
pub(super) fn iso(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| String::new(), |at| at.to_string())
}

/// Shows every refusal but the last, which is returned.
pub(super) fn refuse(global: &Global, drawn: draw::Drawn) -> Result<()> {
    let mut refusals: Vec<Error> = drawn.into_refusals();
    let Some(last) = refusals.pop() else { return Ok(()) };
    refusals.iter().for_each(|refusal| super::show::error(global, refusal));
    Err(last)
}
