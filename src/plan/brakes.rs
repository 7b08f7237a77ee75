//! The brakes: what is so large or so odd that a person must look. None of them is overridden by `--yes`.
//!
//! Pure: numbers in, errors out, each naming the flag or the setting that lets it go on.

use super::cost::QueryLists;
use super::{Change, Counts};
use crate::error::{Error, ErrorKind};
use crate::rules::table::{Limits, Matcher, Table};
use crate::uri::Shown;

/// Fewer lines than this may always go.
const REMOVED_FREE_LINES: u64 = 20;

/// Which brakes the user has let go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// `--allow-empty`
    pub empty: bool,
    /// `--allow-empty=TABLE:N`: tables and rule numbers from 1.
    pub empty_rules: Vec<(String, u32)>,
    /// `--allow-removals`
    pub removals: bool,
    /// `--allow-removals=TABLE`
    pub removals_of: Vec<String>,
}

impl Allowed {
    fn empty(&self, table: &str, rule: u32) -> bool {
        self.empty || self.empty_rules.iter().any(|(name, number)| name == table && *number == rule)
    }

    fn removals(&self, table: &str) -> bool {
        self.removals || self.removals_of.iter().any(|name| name == table)
    }
}

/// What the brakes on one table look at.
#[derive(Clone, Copy, Debug)]
pub struct Braked<'a> {
    pub table: &'a Table,
    /// The rule file, for `restitch.toml:14`.
    pub file: &'a str,
    pub taken_by_rule: &'a [u64],
    pub before: Counts,
    pub after: Counts,
    /// Lines that leave the table: neither moved nor left out on purpose.
    pub removed_lines: u64,
    /// Whether only some partitions were looked at: rules may have nothing there.
    pub is_partial: bool,
    /// Whether a removal may be `pick`'s doing, so that fewer bytes mean nothing.
    pub picks: bool,
}

impl Braked<'_> {
    /// Every brake that this plan runs into.
    pub fn errors(&self, allowed: &Allowed) -> Vec<Error> {
        let mut errors = self.empty_rules(allowed);
        errors.extend(self.removals(allowed));
        errors
    }

    /// A rule that matched nothing while its table is published.
    fn empty_rules(&self, allowed: &Allowed) -> Vec<Error> {
        if self.before.lines == 0 || self.is_partial {
            return Vec::new();
        }
        let name = &self.table.name;
        let silent = self.table.rules.iter().zip(self.taken_by_rule).filter(|(_, taken)| **taken == 0);
        let silent = silent.filter(|(rule, _)| !allowed.empty(name, rule.number));
        let error = |number: u32, line: u32, matcher: &Matcher| {
            let (count, table) = (self.before.lines, name);
            Error::new(
                ErrorKind::Brake,
                format!(
                    "rule {number} of `{table}` ({}:{line}) matched nothing, while the table is published",
                    self.file
                ),
            )
            .note(format!("it matches {}", Shown(source(matcher))))
            .note(format!("{} published", are(count)))
            .help(format!("look at the listing first; if it is right: --allow-empty={table}:{number}"))
        };
        silent.map(|(rule, _)| error(rule.number, rule.line, &rule.matcher)).collect()
    }

    /// More lines or bytes taken out than `max_removed` allows.
    fn removals(&self, allowed: &Allowed) -> Option<Error> {
        let name = &self.table.name;
        if allowed.removals(name) || self.removed_lines < REMOVED_FREE_LINES {
            return None;
        }
        let limit = self.table.limits.max_removed;
        let too_many = |removed: u64, of: u64| removed as f64 > of as f64 * limit;
        let shrunk = |before: u64, after: u64| before.saturating_sub(after);
        let what = match (self.before.bytes, self.after.bytes) {
            _ if too_many(self.removed_lines, self.before.lines) => {
                let percent = percent(self.removed_lines, self.before.lines);
                format!("{} of {} lines ({percent} %)", grouped(self.removed_lines), grouped(self.before.lines))
            }
            (Some(before), Some(after)) if !self.picks && too_many(shrunk(before, after), before) => {
                let percent = percent(shrunk(before, after), before);
                format!("{} of {} bytes ({percent} %)", grouped(shrunk(before, after)), grouped(before))
            }
            _ => return None,
        };
        let message = format!(
            "this would take {what} out of `{name}`, more than max_removed allows ({} %)",
            (limit * 1000.0).round() / 10.0
        );
        let found = |(rule, taken): (&crate::rules::table::Rule, &u64)| {
            let (number, line) = (rule.number, rule.line);
            format!("rule {number} ({}:{line}) found {}", self.file, counted(*taken, "object"))
        };
        let mut error = Error::new(ErrorKind::Brake, message);
        for note in self.table.rules.iter().zip(self.taken_by_rule).take(8).map(found) {
            error = error.note(note);
        }
        Some(
            error
                .note(format!("{} published", are(self.before.lines)))
                .help(format!("look at the listing first; if it is right: --allow-removals={name}")),
        )
    }
}

/// More partitions than `max_partitions`; asked while listing, so that a wrong rule ends early. `samples` are some of
/// the partitions, as a person reads them.
pub fn too_many_partitions(table: &str, limits: &Limits, count: u64, samples: &[String]) -> Option<Error> {
    if count <= limits.max_partitions {
        return None;
    }
    let message = format!("`{table}` comes to more than {} partitions, max_partitions", grouped(limits.max_partitions));
    let error = samples.iter().fold(Error::new(ErrorKind::Brake, message), |error, sample| error.note(sample.clone()));
    Some(error.help(format!(
        "does a column hold what is different in every key? if not, in [table.{table}]: max_partitions = {}",
        count.max(limits.max_partitions * 2)
    )))
}

/// A manifest with more lines than `max_lines`.
pub fn too_many_lines(table: &str, limits: &Limits, changes: &[Change]) -> Option<Error> {
    let longest = changes.iter().max_by_key(|change| change.lines)?;
    if longest.lines <= limits.max_lines {
        return None;
    }
    let message = format!(
        "a manifest of `{table}` would have {} lines, more than max_lines ({})",
        grouped(longest.lines),
        grouped(limits.max_lines)
    );
    Some(
        Error::new(ErrorKind::Brake, message)
            .note(format!("it is {}", Shown(&longest.key)))
            .help(format!("partition further, or in [table.{table}]: max_lines = {}", longest.lines)),
    )
}

/// A query of one partition that makes an engine list more than `max_lists_per_partition`.
pub fn too_many_lists(table: &str, limits: &Limits, lists: &QueryLists) -> Option<Error> {
    let limit = limits.max_lists_per_partition.filter(|limit| lists.worst > *limit)?;
    let message = format!(
        "a query of `{table}`{} would make an engine list {}{} pages, more than max_lists_per_partition ({})",
        if lists.partition.0.is_empty() { String::new() } else { format!(" at {}", lists.partition.shown()) },
        if lists.at_least { "at least " } else { "" },
        grouped(lists.worst),
        grouped(limit)
    );
    Some(Error::new(ErrorKind::Brake, message).note("Athena and Trino list the directory of each object whole").help(
        format!(
            "put the objects in folders of their own, or in [table.{table}]: max_lists_per_partition = {}",
            lists.worst
        ),
    ))
}

/// A listing older than `max_listing_age`; both in seconds since 1970.
pub fn too_old(table: &str, limits: &Limits, as_of: i64, now: i64) -> Option<Error> {
    let age = now.saturating_sub(as_of);
    let limit = i64::try_from(limits.max_listing_age_s?).unwrap_or(i64::MAX);
    (age > limit).then(|| {
        Error::new(ErrorKind::Brake, format!("the listing for `{table}` is {age} s old, max_listing_age is {limit} s"))
            .help(format!("list again, or raise max_listing_age in [table.{table}]"))
    })
}

fn source(matcher: &Matcher) -> &str {
    match matcher {
        Matcher::Template(template) => &template.source,
        Matcher::Regex { regex, .. } => regex.as_str(),
    }
}

/// The share in whole percent; 99 for what is not quite all.
fn percent(part: u64, whole: u64) -> u64 {
    if part >= whole { 100 } else { ((part as f64 * 100.0 / whole as f64).round() as u64).min(99) }
}

/// `1 line is`, `1,204 lines are`
fn are(lines: u64) -> String {
    format!("{} {}", counted(lines, "line"), if lines == 1 { "is" } else { "are" })
}

/// `1 line`, `1,204 lines`
pub fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// `1,204,331`
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
