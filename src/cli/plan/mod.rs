//! `restitch plan`: the difference between what is published and what the rules say. Reads only.

pub(super) mod args;
pub(super) mod draw;
pub(super) mod show;
mod unmatched;

use self::args::PlanningArgs;
use super::{Exit, Global, Output, rule_file};
use crate::error::{Error, Result};

#[derive(clap::Args)]
pub struct PlanArgs {
    /// End with 2 where there are changes
    #[arg(long)]
    detailed_exitcode: bool,

    #[command(flatten)]
    planning: PlanningArgs,
}

/// # Errors
/// As [`draw::draw`]; the last refusal, once the others have been shown.
pub async fn run(global: &Global, args: &PlanArgs) -> Result<Exit> {
    let rules = rule_file::load(global)?;
    let drawn = draw::draw(global, &rules, &args.planning, None).await?;
    let mut out = Output::text();
    show::show(&mut out, &drawn, global.verbose > 0)?;
    out.flush()?;
    let changes = !drawn.is_empty();
    refuse(global, drawn)?;
    Ok(if changes && args.detailed_exitcode { Exit::Changes } else { Exit::Done })
}

/// Shows every refusal but the last, which is returned.
pub(super) fn refuse(global: &Global, drawn: draw::Drawn) -> Result<()> {
    let mut refusals: Vec<Error> = drawn.into_refusals();
    let Some(last) = refusals.pop() else { return Ok(()) };
    refusals.iter().for_each(|refusal| super::show::error(global, refusal));
    Err(last)
}
