//! `restitch watch`: refreshes what S3's events name, again and again, until it is told to stop.

#[cfg(feature = "sqs")]
mod follow;

use super::plan::args::{LockingArgs, PlanningArgs, Time};
use super::{Exit, Global};
use crate::error::Result;

#[derive(clap::Args)]
pub struct WatchArgs {
    /// The SQS queue that S3's event notifications, or EventBridge's, come to: its URL
    #[arg(long, value_name = "URL")]
    queue: String,

    /// How long events are gathered before what they name is refreshed
    #[arg(long, value_name = "TIME", default_value = "60s")]
    every: Time,

    /// How often everything is listed and compared; the first time at once
    #[arg(long, value_name = "TIME", default_value = "24h")]
    full_every: Time,

    #[command(flatten)]
    planning: PlanningArgs,

    #[command(flatten)]
    locking: LockingArgs,
}

/// # Errors
/// `Interrupted` and `Terminated`, which is how it ends; of the queue and the rule file where the first try at them fails.
#[cfg(feature = "sqs")]
pub async fn run(global: &Global, args: &WatchArgs) -> Result<Exit> {
    follow::follow(global, args).await
}

/// # Errors
/// `Unsupported`: this build follows no queue.
#[cfg(not(feature = "sqs"))]
pub async fn run(_: &Global, _: &WatchArgs) -> Result<Exit> {
    use crate::error::{Error, ErrorKind};
    let error = Error::new(ErrorKind::Unsupported, "watch: this build of restitch cannot reach SQS");
    Err(error.help("build it with that: cargo install restitch --features sqs"))
}
