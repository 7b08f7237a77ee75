//! Runs over some partitions only (`--only`, `--touched`): what such a run cannot tell, and what the table holds after it.
//!
//! Pure. No line may go to or come from a partition that is not looked at: its manifest would go on naming the object, and
//! rows would come twice. With the rules of the last apply a key alone decides its partition; where it does not, the run is
//! refused.

use super::Counts;
use super::marker::Marker;
use crate::error::{Error, ErrorKind};
use crate::rules::invert;
use crate::rules::set::{Attribute, HoleSource};
use crate::rules::table::{ConditionOn, Rule, Table, ValueSource};
use crate::rules::wanted::Wanted;
use crate::uri::Shown;

/// Why only a whole run can tell what becomes of `table`, if so; `found` is its marker, `now` the one that its rules make.
pub fn refusal(table: &Table, wanted: &Wanted, found: Option<&Marker>, now: &Marker) -> Option<Error> {
    let whole =
        |message: String| Error::new(ErrorKind::Partial, message).help("run it whole: without --only or --touched");
    let name = Shown(&table.name);
    if let Some(why) = unsettled(table) {
        return Some(whole(format!("some partitions of `{name}` cannot be told without the others")).note(why));
    }
    if let Some(column) = written(table, wanted) {
        let message = format!("`{column}` of `{name}` comes from the object itself, not from its key");
        let note =
            "an object that is written again may leave a partition that is not looked at, and its row would come twice";
        return Some(whole(message).note(note));
    }
    let found = found?;
    if found.unfinished.is_some() {
        return Some(whole(format!("an apply of `{name}` has begun and not ended: what it left is not known")));
    }
    if !found.reads_as(now) {
        let message = format!("`{name}` is read in another way than before, which concerns every partition");
        return Some(whole(message));
    }
    if found.applied.is_some() && found.rules != now.rules {
        let message = format!("the rules of `{name}` have changed since the last apply");
        let note = "lines may move between partitions, and what lies in those that are not looked at is not known";
        return Some(whole(message).note(note));
    }
    None
}

/// What refuses a partial run that would have to switch the table.
pub fn switch_refused(table: &str) -> Error {
    let message = format!("`{}` would be switched, which concerns every partition", Shown(table));
    Error::new(ErrorKind::Partial, message).help("run it whole: without --only or --touched")
}

/// What the whole table holds when some of its partitions have gone from `before` to `after`.
pub fn totals(whole: Counts, before: Counts, after: Counts) -> Counts {
    let total = |whole: u64, before: u64, after: u64| whole.saturating_sub(before) + after;
    Counts {
        partitions: total(whole.partitions, before.partitions, after.partitions),
        lines: total(whole.lines, before.lines, after.lines),
        // Of the partitions alone nobody knows how many bytes they were.
        bytes: None,
    }
}

/// Why a key does not decide by itself which partition its object is in.
fn unsettled(table: &Table) -> Option<String> {
    if table.pick.iter().any(|pick| pick.per.is_some()) {
        return Some("`pick` with `per` weighs objects of several partitions against each other".into());
    }
    let by_object = |rule: &&Rule| {
        let by_attribute =
            |on: &ConditionOn| matches!(on, ConditionOn::Size | ConditionOn::Modified | ConditionOn::StorageClass);
        rule.done.is_some() || rule.conditions.iter().any(|condition| by_attribute(&condition.on))
    };
    let falls_to =
        |rule: &&Rule| table.rules.iter().any(|other| other.number > rule.number && !invert::apart(rule, other));
    let rule = table.rules.iter().filter(by_object).find(falls_to)?;
    Some(format!(
        "what rule {} (line {}) does not take yet, by its `done` or `where`, another rule may put elsewhere meanwhile",
        rule.number, rule.line
    ))
}

/// A column that is asked for and whose value an object may change without changing its key.
fn written<'t>(table: &'t Table, wanted: &Wanted) -> Option<&'t str> {
    let by_object = |source: &ValueSource| match source {
        ValueSource::Capture(_) => false,
        ValueSource::Expression(expression) => expression
            .holes()
            .any(|hole| matches!(hole.from, HoleSource::Attribute(Attribute::Modified | Attribute::Size))),
    };
    let asked = |at: usize| wanted.open().any(|allowed| !allowed[at].is_any()) || wanted.exact().len() > 0;
    let mut columns = table.partitioned_by.iter().enumerate();
    let found = columns.find(|(at, _)| asked(*at) && table.rules.iter().any(|rule| by_object(&rule.values[*at])));
    found.map(|(_, column)| column.name.as_str())
}
