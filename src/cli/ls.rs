//! `restitch ls`: the listing that the rules need, as JSON lines, so that it can be kept and given back by `--listing`.

use super::{Exit, Global, Output, Progress, rule_file};
use crate::error::Result;
use crate::listing::survey::{self, Order};
use crate::listing::{Page, lines};
use crate::map::Program;

#[derive(clap::Args)]
pub struct LsArgs {
    /// Print objects as they come, by as many requests at once as S3 bears, not in byte order
    #[arg(long)]
    any_order: bool,
}

/// # Errors
/// Those of the rule file and of the listing.
pub async fn run(global: &Global, args: &LsArgs) -> Result<Exit> {
    let rules = rule_file::load(global).await?;
    let sources = global.sources_whole(&rules).await?;
    let progress = Progress::start(global);
    let mut out = Output::bytes();
    let mut line = Vec::new();
    let mut visit = |page: &Page, at: &survey::Progress<'_>| {
        for object in page.objects() {
            line.clear();
            lines::write_line(&object, &mut line);
            out.write(&line)?;
        }
        progress.listing(at);
        Ok(())
    };
    let order = if args.any_order { Order::Any } else { Order::Bytes };
    survey::pages(&Program::new(&rules), &sources, order, &mut visit).await?;
    out.flush()?;
    Ok(Exit::Done)
}
