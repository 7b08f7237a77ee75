//! `restitch create-symlink`: the flags of `lakectl metastore create-symlink` as a rule file, then plan and apply as ever.

#[cfg(feature = "lakefs")]
mod publish;
#[cfg_attr(not(feature = "lakefs"), allow(dead_code, reason = "nothing can be listed then"))]
mod rules;

use clap::ValueEnum;

use super::plan::args::LockingArgs;
use super::{Exit, Global};
use crate::error::Result;

#[derive(clap::Args)]
#[cfg_attr(not(feature = "lakefs"), allow(dead_code, reason = "nothing can be listed then"))]
pub struct CreateSymlinkArgs {
    /// The repository in lakeFS
    #[arg(long, value_name = "REPO")]
    repo: String,

    /// Its branch; what is committed on it is read
    #[arg(long, value_name = "BRANCH")]
    branch: String,

    /// The table's path on the branch
    #[arg(long, value_name = "PATH")]
    path: String,

    /// Where the table is described: hive or glue; else as `metastore.type` of ~/.lakectl.yaml says
    #[arg(long, value_name = "TYPE", hide_possible_values = true)]
    from_client_type: Option<ClientType>,

    /// The database of the table that is copied
    #[arg(long, value_name = "SCHEMA")]
    from_schema: String,

    /// The table that is copied
    #[arg(long, value_name = "TABLE")]
    from_table: String,

    /// The Glue database of the copy; else as `--from-schema`
    #[arg(long, value_name = "SCHEMA")]
    to_schema: Option<String>,

    /// The name of the copy; else as `--from-table`
    #[arg(long, value_name = "TABLE")]
    to_table: Option<String>,

    /// The Glue catalog, an account's id; else as `metastore.glue.catalog_id` says, or the credentials' own
    #[arg(long, value_name = "ID")]
    catalog_id: Option<String>,

    /// Show what would be done, and write nothing
    #[arg(long)]
    dry_run: bool,

    /// Print the rule file that does the same, for `restitch plan` and `apply`, and write nothing
    #[arg(long, conflicts_with = "dry_run")]
    print_rules: bool,

    /// Take over a table of Glue that neither restitch nor lakectl made for this path, and a location of another table
    #[arg(long)]
    adopt: bool,

    /// Make the Glue database where there is none
    #[arg(long)]
    create_database: bool,

    /// Go on where the path holds no object of the table
    // With `=TABLE:N` as in `plan`, whose messages name it; there is one rule.
    #[arg(long, value_name = "TABLE:N", num_args = 0..=1, require_equals = true, default_missing_value = "", hide_possible_values = true)]
    allow_empty: Option<String>,

    #[command(flatten)]
    locking: LockingArgs,
}

/// A metastore that describes tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ClientType {
    Hive,
    Glue,
}

/// # Errors
/// As [`super::plan::draw::draw`] and [`crate::apply::table`]; `Usage` for flags that name no table; `NotFound` where
/// there is no table to copy, or no object.
#[cfg(feature = "lakefs")]
pub async fn run(global: &Global, args: &CreateSymlinkArgs) -> Result<Exit> {
    publish::run(global, args).await
}

/// # Errors
/// `Unsupported`.
#[cfg(not(feature = "lakefs"))]
pub async fn run(_: &Global, args: &CreateSymlinkArgs) -> Result<Exit> {
    use crate::uri::{Bucket, Scheme, Uri};
    let uri = Uri::new(Bucket::new(Scheme::LakeFs, &args.repo), "");
    Err(crate::listing::sources::without_feature(&uri, "lakefs"))
}
