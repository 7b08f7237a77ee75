//! The command line: one file a command, and how things are shown. Nothing here decides what is true; the rooms above do.
//!
//! A command is a file `src/cli/NAME.rs` with
//! - `pub struct NameArgs` (`#[derive(clap::Args)]`; its doc comments are the help text), and
//! - `pub async fn run(global: &Global, args: &NameArgs) -> Result<Exit>`,
//!
//! and three lines here: its `mod`, its variant in `Command` (the variant's doc comment is its line in `--help`), and
//! its arm in `Command::run`. Then `tests/cli/help.trycmd` gets its `--help`.
//!
//! What a command does and does not do:
//! - Results go to standard output through [`Output`], never `println!`, which panics on a closed pipe. Everything else
//!   goes to standard error: [`Global::say`] for what `-q` silences, [`Progress`] while something runs.
//! - It returns errors, it never prints them: `show::error` does, once, and [`Error::exit_code`] decides the code.
//! - Whatever a user or a store wrote passes through `uri::Shown` on its way to a terminal.

mod apply;
mod ask;
mod check;
mod create_symlink;
mod ddl;
mod explain;
mod global;
mod interrupt;
mod live;
mod ls;
mod map;
mod plan;
mod progress;
mod prune;
mod rule_file;
pub mod schema;
pub mod show;
mod verify;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use global::Global;
pub use progress::Progress;
pub use show::Output;

use crate::error::{Error, Result};

/// Any set of S3 objects as an Athena table, without moving a byte.
///
/// Rules in a TOML file say which objects make up which table and partition. restitch lists the objects, writes one
/// `symlink.txt` per partition and prints the DDL that makes them a table; run again, it keeps both true.
#[derive(Parser)]
#[command(
    name = "restitch",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring what is published to what the rules say: plan, show, ask, write
    Apply(apply::ApplyArgs),
    /// Check the rule file: mistakes, its tests, what its rules list, traps
    Check(check::CheckArgs),
    /// Do what `lakectl metastore create-symlink` did: from lakeFS to Glue
    CreateSymlink(create_symlink::CreateSymlinkArgs),
    /// Print the statements that make tables of what is published
    Ddl(ddl::DdlArgs),
    /// Say of one URI which rule takes it, and where each other rule stops
    Explain(explain::ExplainArgs),
    /// Print the listing that the rules need, as JSON lines for `--listing`
    Ls(ls::LsArgs),
    /// Say what the rules make of URIs: table, partition values, or why not
    Map(map::MapArgs),
    /// Show the difference between what is published and what the rules say
    Plan(plan::PlanArgs),
    /// Delete what has long been empty: manifests without lines, tables that left the rules
    Prune(prune::PruneArgs),
    /// Print the JSON Schema of the rule file, for editors
    Schema(schema::SchemaArgs),
    /// Check that every published line names an object, and manifests are as the rules say
    Verify(verify::VerifyArgs),
    /// Refresh what S3's events name, again and again
    Watch(watch::WatchArgs),
}

impl Command {
    async fn run(&self, global: &Global) -> Result<Exit> {
        match self {
            Command::Apply(args) => apply::run(global, args).await,
            Command::Check(args) => check::run(global, args).await,
            Command::CreateSymlink(args) => create_symlink::run(global, args).await,
            Command::Ddl(args) => ddl::run(global, args).await,
            Command::Explain(args) => explain::run(global, args).await,
            Command::Ls(args) => ls::run(global, args).await,
            Command::Map(args) => map::run(global, args).await,
            Command::Plan(args) => plan::run(global, args).await,
            Command::Prune(args) => prune::run(global, args).await,
            Command::Schema(args) => schema::run(global, args).await,
            Command::Verify(args) => verify::run(global, args).await,
            Command::Watch(args) => watch::run(global, args).await,
        }
    }

    /// Whether the command ends by itself, and soon, once an interrupt has come, for it has something to put in order.
    /// Any other is ended on the spot.
    fn ends_itself(&self) -> bool {
        matches!(self, Command::Apply(_) | Command::CreateSymlink(_) | Command::Watch(_))
    }
}

/// How a command that met no error ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do: 0.
    Done,
    /// `check` or `verify` found something, and has shown it: 1.
    Findings,
    /// `--detailed-exitcode`, and there are changes: 2.
    Changes,
    /// The user was asked, and said no: 1.
    Declined,
}

impl Exit {
    fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Findings | Exit::Declined => 1,
            Exit::Changes => 2,
        }
    }
}

/// Runs the process's command line and says how it ended.
pub fn main() -> ExitCode {
    let mut cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => return usage(&answer),
    };
    cli.global.settle();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ExitCode::from(finish(&cli.global, Err(Error::io("cannot start", error)))),
    };
    let code = runtime.block_on(async {
        interrupt::listen(&cli.global, cli.command.ends_itself());
        finish(&cli.global, cli.command.run(&cli.global).await)
    });
    // Work that is still waiting for an answer (a request nobody needs any more) does not hold up the end.
    runtime.shutdown_background();
    ExitCode::from(code)
}

/// Shows clap's answer: help and version on standard output, a mistake on standard error, with 1 and not clap's 2, which
/// means "there are changes" here.
fn usage(answer: &clap::Error) -> ExitCode {
    // Nobody to tell if the pipe is closed.
    let _ = answer.print();
    ExitCode::from(u8::from(answer.use_stderr()))
}

/// Shows the error, if there is one, and gives the exit code.
fn finish(global: &Global, ended: Result<Exit>) -> u8 {
    match ended {
        Ok(exit) => exit.code(),
        Err(error) if show::is_closed_pipe(&error) => 0,
        Err(error) => {
            show::error(global, &error);
            error.exit_code()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
