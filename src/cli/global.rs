//! What every command takes: the rule file, where listings come from, and how much is said and how.

use std::path::PathBuf;

use anstream::ColorChoice;
use clap::{ArgAction, Args, ValueEnum};
use tokio::sync::watch;

use super::interrupt::Interrupt;
use crate::apply::memory::Memory;
use crate::error::{ErrorKind, Result};
use crate::listing::{ListingArg, Sources};
use crate::rules::table::Rules;

/// The rule file where none is named.
pub(super) const RULE_FILE: &str = "restitch.toml";

/// Options that every command takes, before or after its name.
#[derive(Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The rule file
    #[arg(short, long, global = true, value_name = "FILE", default_value = RULE_FILE)]
    pub file: PathBuf,

    /// Take the listing of a prefix (or of everything) from a file instead of the store
    ///
    /// SOURCE is a file of URIs or keys, one a line, or `.jsonl` (as `restitch ls` prints), `.json` (as `aws s3api
    /// list-objects-v2` prints) or `.csv` with a header, also as `.gz` or `.zst`; `-` is standard input. Or an S3
    /// Inventory: its `manifest.json`, or the folder of its dates, of which the latest complete one is taken; both may
    /// be `s3://…`. It is taken as complete for PREFIX. May be given several times.
    #[arg(long, global = true, value_name = "[PREFIX=]SOURCE")]
    pub listing: Vec<ListingArg>,

    /// Print results and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Say more about what is done (-vv: much more)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,

    /// When to use colour: auto, always, never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub color: When,

    /// When to show progress on standard error: auto (on a terminal), always, never, json
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub progress: Show,

    /// Memory to get along with; lines beyond it go to a temporary file, in TMPDIR
    #[arg(long, global = true, value_name = "SIZE", default_value = "256MiB")]
    pub memory: Memory,

    #[arg(skip)]
    pub(super) interrupt: Interrupt,
}

/// `auto` looks at the terminal and the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    Auto,
    Always,
    Never,
}

/// When progress is shown, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Show {
    Auto,
    Always,
    Never,
    Json,
}

impl Global {
    /// Puts colour and logging in force; once, before anything is printed.
    pub(super) fn settle(&mut self) {
        match self.color {
            When::Auto => ColorChoice::Auto,
            When::Always => ColorChoice::Always,
            When::Never => ColorChoice::Never,
        }
        .write_global();
        // Only what restitch itself says: the SDK's own events hold headers and with them signatures.
        let level = match self.verbose {
            0 => return,
            1 => "restitch=info",
            2 => "restitch=debug",
            _ => "restitch=trace",
        };
        tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::new(level))
            .with_writer(anstream::stderr)
            .with_ansi(self.color != When::Never)
            .without_time()
            .init();
    }

    /// A line to standard error, unless `-q` is given. `line` holds what [`Shown`](crate::uri::Shown) let through.
    pub fn say(&self, line: impl std::fmt::Display) {
        if !self.quiet {
            anstream::eprintln!("{line}");
        }
    }

    /// What a run lists from, by the rule file and `--listing`.
    ///
    /// # Errors
    /// As [`Sources::open`].
    pub async fn sources(&self, rules: &Rules) -> Result<Sources> {
        Ok(self.noted(Sources::open(rules, &self.listing).await?))
    }

    /// The same, with all that listings say.
    ///
    /// # Errors
    /// As [`Sources::open`].
    pub async fn sources_whole(&self, rules: &Rules) -> Result<Sources> {
        Ok(self.noted(Sources::open_whole(rules, &self.listing).await?))
    }

    fn noted(&self, sources: Sources) -> Sources {
        sources.notes().for_each(|note| self.say(format_args!("note: {note}")));
        sources
    }

    /// Holds `Interrupted` or `Terminated` once the user wants the run to end; for commands that put something in order
    /// first, and then end with an error of that kind.
    pub fn interrupt(&self) -> watch::Receiver<Option<ErrorKind>> {
        self.interrupt.subscribe()
    }
}
