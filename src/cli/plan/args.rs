//! The flags with which `plan` and `apply` say what may happen, held against the rule file.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::apply::Options;
use crate::apply::interrupt::Interrupt;
use crate::apply::planning::Planning;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::brakes::Allowed;
use crate::rules::did_you_mean;
use crate::rules::table::Rules;
use crate::uri::Shown;

/// What the user lets happen.
#[derive(clap::Args)]
pub struct PlanningArgs {
    /// Let lines move between partitions: taken away first, then added
    #[arg(long)]
    accept_moves: bool,

    /// Take over locations that hold manifests without a marker, or under another table's name, and tables of a catalog
    /// that are not ours
    #[arg(long)]
    adopt: bool,

    /// Make the catalog's database where there is none
    #[arg(long)]
    create_database: bool,

    /// Compare every partition of the catalog, not only those of new manifests, and mend what differs
    #[arg(long)]
    full: bool,

    /// Let rules (or rule N of TABLE) match nothing while their table is published
    #[arg(long, value_name = "TABLE:N", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    allow_empty: Vec<String>,

    /// Let more lines go (of TABLE) than `max_removed` allows
    #[arg(long, value_name = "TABLE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    allow_removals: Vec<String>,

    /// Write the URIs that no rule matched to FILE, one a line
    #[arg(long, value_name = "FILE")]
    pub unmatched: Option<PathBuf>,
}

impl PlanningArgs {
    /// # Errors
    /// `Usage` for a table or a rule that there is not.
    pub fn planning(&self, rules: &Rules) -> Result<Planning> {
        Ok(Planning {
            project: rules.project.clone(),
            file: Shown(&rules.path.to_string_lossy()).to_string(),
            accept_moves: self.accept_moves,
            adopt: self.adopt,
            create_database: self.create_database,
            full: self.full,
            allowed: self.allowed(rules)?,
            ..Planning::default()
        })
    }

    fn allowed(&self, rules: &Rules) -> Result<Allowed> {
        let mut allowed = Allowed::default();
        for text in &self.allow_empty {
            match text.rsplit_once(':') {
                _ if text.is_empty() => allowed.empty = true,
                None => return Err(no_rule_named(text, rules)),
                Some((table, number)) => {
                    let found = known_table(Some("--allow-empty"), table, rules)?;
                    let rule =
                        number.parse().ok().filter(|number| found.rules.iter().any(|rule| rule.number == *number));
                    let rule = rule.ok_or_else(|| no_rule(table, number, found.rules.len()))?;
                    allowed.empty_rules.push((table.to_owned(), rule));
                }
            }
        }
        for table in &self.allow_removals {
            if table.is_empty() {
                allowed.removals = true;
            } else {
                allowed.removals_of.push(known_table(Some("--allow-removals"), table, rules)?.name.clone());
            }
        }
        Ok(allowed)
    }
}

/// The table that `name` names; `flag` is where it stands, if that needs saying.
///
/// # Errors
/// `Usage` for one that the rule file does not have.
pub(in crate::cli) fn known_table<'r>(
    flag: Option<&str>,
    name: &str,
    rules: &'r Rules,
) -> Result<&'r crate::rules::table::Table> {
    rules.tables.iter().find(|table| table.name == name).ok_or_else(|| {
        let flag = flag.map(|flag| format!("{flag}: ")).unwrap_or_default();
        let message = format!("{flag}there is no table `{}` in {}", Shown(name), Shown(&rules.path.to_string_lossy()));
        let names = || rules.tables.iter().map(|table| table.name.as_str());
        let near = did_you_mean(name, names());
        let tables = || format!("its tables are {}", names().collect::<Vec<_>>().join(", "));
        Error::new(ErrorKind::Usage, message).help(if near.is_empty() { tables() } else { near })
    })
}

fn no_rule(table: &str, number: &str, rules: usize) -> Error {
    let message = format!("--allow-empty: table `{}` has no rule `{}`", Shown(table), Shown(number));
    let range = if rules == 1 { "its only rule is 1".to_owned() } else { format!("its rules are 1 to {rules}") };
    Error::new(ErrorKind::Usage, message).help(range)
}

fn no_rule_named(text: &str, rules: &Rules) -> Error {
    match known_table(Some("--allow-empty"), text, rules) {
        Err(error) => error,
        Ok(table) => {
            let message = format!("--allow-empty: `{}` names a table and no rule of it", Shown(text));
            Error::new(ErrorKind::Usage, message).help(format!("--allow-empty={}:1", Shown(&table.name)))
        }
    }
}

/// How a location is locked.
#[derive(clap::Args)]
pub struct LockingArgs {
    /// How long to wait for another run that is writing to the same table
    #[arg(long, value_name = "TIME", default_value = "90s")]
    lock_timeout: Time,

    /// Go on where the store cannot write under a condition: nobody else ever writes there
    #[arg(long)]
    single_writer: bool,
}

impl LockingArgs {
    /// The options of a run that carries out the plan of this id.
    ///
    /// # Errors
    /// `Io` if the system has no random numbers.
    pub fn options(&self, plan: &str, interrupt: Interrupt) -> Result<Options> {
        let mut options = Options::new(plan)?;
        options.lock_timeout = self.lock_timeout.0;
        options.single_writer = self.single_writer;
        options.interrupt = interrupt;
        Ok(options)
    }
}

/// `90s`, `5m`, `1h`; a bare number is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Duration);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Time, String> {
        let wrong = || "write it as 90s, 5m or 1h".to_owned();
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit_s = match &text[digits.len()..] {
            "" | "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => return Err(wrong()),
        };
        let number: u32 = digits.parse().map_err(|_| wrong())?;
        Ok(Time(Duration::from_secs(u64::from(number) * unit_s)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        let seconds = |text: &str| text.parse::<Time>().map(|time| time.0.as_secs()).ok();
        assert_eq!(
            [seconds("90s"), seconds("5m"), seconds("1h"), seconds("7")],
            [Some(90), Some(300), Some(3_600), Some(7)]
        );
        assert_eq!(
            [seconds("0s"), seconds(""), seconds("s"), seconds("1d"), seconds("-1s"), seconds("1.5s")],
            [Some(0), None, None, None, None, None]
        );
    }
}
