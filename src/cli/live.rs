//! What `check --live` shows: errors and warnings among those of the rule file, and what was reached, with notes.

use serde_json::{Value, json};

use super::show::{DIM, HELP, STRONG};
use super::{Global, Output, Progress};
use crate::apply::live::{self, Finding, Level, Reached};
use crate::error::Result;
use crate::rules::Diagnostic;
use crate::rules::diagnostic::Lines;
use crate::rules::table::Rules;

/// # Errors
/// Those of `--listing`; what cannot be reached is a finding.
pub async fn reach(global: &Global, rules: &Rules) -> Result<Vec<Reached>> {
    let sources = global.sources(rules).await?;
    let _progress = Progress::start(global);
    Ok(live::reach(rules, &sources).await)
}

/// Errors and warnings, each at its rule or its table.
pub fn diagnostics<'r>(
    reached: &'r [Reached],
    rules: &'r Rules,
    lines: &'r Lines<'_>,
) -> impl Iterator<Item = Diagnostic> + 'r {
    let findings = reached.iter().flat_map(|one| &one.findings).filter(|finding| finding.level != Level::Note);
    findings.map(|finding| {
        let table = &rules.tables[finding.table];
        let span = match finding.rule {
            Some(rule) => lines.value_on(table.rules[rule].line),
            None => lines.of_line(table.line),
        };
        let one = match finding.level {
            Level::Error => Diagnostic::error(span, &finding.message),
            Level::Warning | Level::Note => Diagnostic::warning(span, &finding.message),
        };
        finding.notes.iter().fold(one, |one, note| one.note(note.as_str())).help_maybe(finding.help.clone())
    })
}

/// What holds of each thing that was reached, then notes.
pub fn print(out: &mut Output, reached: &[Reached], quiet: bool) -> Result<()> {
    if reached.is_empty() || quiet {
        return Ok(());
    }
    for one in reached {
        let facts = if one.facts.is_empty() { "not reached".to_owned() } else { one.facts.join(", ") };
        writeln!(out, "{DIM}{:8}{DIM:#}  {}  {facts}", one.what.name(), one.name)?;
    }
    writeln!(out)?;
    for finding in notes(reached) {
        writeln!(out, "{STRONG}note:{STRONG:#} {}", finding.message)?;
        for note in &finding.notes {
            writeln!(out, "  {note}")?;
        }
        if let Some(help) = &finding.help {
            writeln!(out, "  {HELP}help:{HELP:#} {}", help.replace('\n', "\n        "))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn notes(reached: &[Reached]) -> impl Iterator<Item = &Finding> {
    reached.iter().flat_map(|one| &one.findings).filter(|finding| finding.level == Level::Note)
}

pub fn json(reached: &[Reached]) -> Value {
    let each = reached.iter().map(|one| {
        let notes: Vec<Value> = notes(std::slice::from_ref(one))
            .map(|note| json!({"message": note.message, "notes": note.notes, "help": note.help}))
            .collect();
        json!({"what": one.what.name(), "name": one.name, "facts": one.facts, "notes": notes})
    });
    Value::Array(each.collect())
}
