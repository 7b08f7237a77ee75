//! What of a file with errors can be run all the same: its tables that are right as far as mapping goes, and of each the
//! rules in front of the first that is wrong.
//!
//! Pure. Decided by the lines that errors stand on.

use std::ops::Range;

use super::diagnostic::Lines;
use super::file::Draft;
use super::rule::Context;
use super::shape::Node;
use super::table::{Claim, Rules};

/// The sound part of a rule file.
#[derive(Clone, Debug)]
pub struct Sound {
    pub rules: Rules,
    /// By table: whether rules are missing at its end.
    pub is_cut: Vec<bool>,
    /// Tests of the whole file.
    pub tests: usize,
}

/// Keys of a table that decide what its rules take.
const DECIDING: &[&str] = &["partitioned_by", "ddl", "like", "set", "where", "exclude", "ignore_case", "pick", "skip"];

/// Picks the sound part; `error_lines` are sorted.
pub fn sound(
    context: &Context<'_>,
    drafts: &[Draft<'_>],
    defaults: Option<&Node<'_>>,
    rules: Rules,
    error_lines: &[u32],
) -> Sound {
    let lines = context.lines;
    let has_error = |range: Range<u32>| {
        let from = error_lines.partition_point(|line| *line < range.start);
        error_lines.get(from).is_some_and(|line| *line < range.end)
    };
    let decides = |node: &Node<'_>| {
        let keys = DECIDING.iter().filter_map(|key| Some(node.key_span(key)?.start..node.value_span(key)?.end));
        keys.map(|span| lines_of(lines, &span)).any(has_error) || context.is_broken_under(&node.span)
    };
    let mut sound = Sound { rules: Rules { tables: Vec::new(), ..rules }, is_cut: Vec::new(), tests: 0 };
    let mut is_decided = !defaults.is_some_and(decides);
    for draft in drafts {
        sound.tests += draft.tests;
        if !is_decided || decides(&draft.node) {
            // Which table has an object is open from here on.
            is_decided &= sound.rules.claim == Claim::Every;
            continue;
        }
        let is_sound =
            |rule: &super::rule::RuleDraft<'_>| rule.rule.is_some() && !has_error(context.lines_under(&rule.node.span));
        let kept = draft.rules.iter().take_while(|rule| is_sound(rule)).count();
        let is_cut = kept < draft.rules.len();
        let mut table = draft.table.clone();
        // Every rule in front of the first that could not be read is there.
        table.rules.truncate(kept);
        table.tests.retain(|test| !has_error(context.lines_under_line(test.line)));
        sound.rules.tables.push(table);
        sound.is_cut.push(is_cut);
        is_decided &= !is_cut || sound.rules.claim == Claim::Every;
    }
    sound
}

fn lines_of(lines: &Lines<'_>, span: &Range<usize>) -> Range<u32> {
    lines.line(span.start)..lines.line(span.end) + 1
}
