//! `restitch check`: every mistake in the rule file, its tests, what its rules list, the traps that they alone show.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::rule_file::RuleFile;
use super::show::{DIM, ERROR, HELP, STRONG};
use super::{Exit, Global, Output, Progress, live};
use crate::apply::live::Reached;
use crate::apply::mapped::{self, Mapped};
use crate::error::{Error, ErrorKind, Result};
use crate::map::shadow::{self, Shadowed};
use crate::map::tests::{self, Got, TestOutcome};
use crate::plan::brakes::counted;
use crate::plan::traps::{Finding, Level, On, Traps};
use crate::rules::diagnostic::Lines;
use crate::rules::excerpt::{WIDTH, shortened, wrapped};
use crate::rules::table::{Engine, Matcher, OnTrap, Rule, Rules, Table, Test};
use crate::rules::{Diagnostic, Severity, listed};
use crate::uri::Shown;

#[derive(clap::Args)]
pub struct CheckArgs {
    /// Print one JSON document instead
    #[arg(long)]
    json: bool,

    /// Also reach what the rule file names: buckets, locations, catalogs
    ///
    /// What is permitted is found out by trying: below each location, a small object is written and deleted again.
    #[arg(long)]
    live: bool,
}

/// # Errors
/// Those of reading the file and of writing the result; what is wrong in it is a finding.
pub async fn run(global: &Global, args: &CheckArgs) -> Result<Exit> {
    let file = RuleFile::read(&global.file).await?;
    let lines = Lines::new(file.text());
    let mut diagnostics = file.loaded.diagnostics.clone();
    let (rules, is_cut, tests) = match (&file.loaded.rules, &file.loaded.sound) {
        (Some(rules), _) => (rules, None, rules.tables.iter().map(|table| table.tests.len()).sum()),
        (None, Some(sound)) => (&sound.rules, Some(&sound.is_cut), sound.tests),
        (None, None) => unreachable!("what is no whole rule file has its sound part"),
    };
    let mut outcomes = tests::run(rules);
    // Of a table with a broken rule, only what the rules in front of that take is known.
    outcomes.retain(|one| !is_cut.is_some_and(|cut| cut[one.table]) || matches!(one.got, Got::Taken { .. }));
    diagnostics.extend(shadow::shadowed(rules).into_iter().map(|one| shadow_warning(rules, one, &lines)));
    diagnostics.sort_by_key(|one| (one.span.start, one.span.end, one.severity));
    if let Some(rules) = &file.loaded.rules {
        diagnostics.extend(rules.tables.iter().flat_map(|table| traps(table, &lines)));
    }
    let listed = match (&file.loaded.rules, global.listing.is_empty()) {
        (Some(rules), false) => Some(over_listing(global, rules, &lines, &mut diagnostics).await?),
        _ => None,
    };
    let reached = match &file.loaded.rules {
        Some(rules) if args.live => Some(live::reach(global, rules).await?),
        _ => None,
    };
    if let Some(reached) = &reached {
        diagnostics.extend(live::diagnostics(reached, rules, &lines));
        diagnostics.sort_by_key(|one| one.severity);
    }
    let (file, diagnostics, outcomes) = (&file, &diagnostics, &outcomes);
    let checked = Checked { file, rules, diagnostics, outcomes, tests, listed, reached, is_live: args.live };
    let mut out = if args.json { Output::bytes() } else { Output::text() };
    if args.json {
        let document = serde_json::to_string_pretty(&checked.json()).expect("JSON values print");
        writeln!(out, "{document}")?;
    } else {
        checked.print(&mut out, global.quiet)?;
    }
    out.flush()?;
    let is_fine = checked.count(Severity::Error) == 0 && checked.failed().next().is_none();
    Ok(if is_fine { Exit::Done } else { Exit::Findings })
}

/// Mistakes that are shown one by one; `--json` has them all.
const MOST_DIAGNOSTICS: usize = 1_000;

struct Checked<'c> {
    file: &'c RuleFile,
    /// The whole file's, or what of it is sound.
    rules: &'c Rules,
    diagnostics: &'c [Diagnostic],
    outcomes: &'c [TestOutcome],
    /// Tests of the whole file; those that could not be run have no outcome.
    tests: usize,
    /// What the rules make of the listing that `--listing` names.
    listed: Option<Mapped>,
    /// What `--live` reached.
    reached: Option<Vec<Reached>>,
    /// Whether `--live` was given.
    is_live: bool,
}

impl Checked<'_> {
    fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|one| one.severity == severity).count()
    }

    fn failed(&self) -> impl Iterator<Item = &TestOutcome> {
        self.outcomes.iter().filter(|outcome| !outcome.passed)
    }

    fn print(&self, out: &mut Output, quiet: bool) -> Result<()> {
        let shown = gathered(self.diagnostics, &Lines::new(self.file.text()));
        out.write(self.file.render(shown.iter().take(MOST_DIAGNOSTICS)).as_bytes())?;
        if let Some(more @ 1..) = shown.len().checked_sub(MOST_DIAGNOSTICS) {
            writeln!(out, "and {more} more\n")?;
        }
        for outcome in self.failed() {
            self.failed_test(out, outcome)?;
        }
        if !quiet && self.file.loaded.rules.is_some() {
            lists(out, self.rules)?;
        }
        if let Some(listed) = self.listed.as_ref().filter(|_| !quiet) {
            objects(out, self.rules, listed)?;
        }
        if let Some(reached) = &self.reached {
            live::print(out, reached, quiet)?;
        }
        let errors = self.count(Severity::Error);
        let style = match errors + self.failed().count() {
            0 => STRONG,
            _ => ERROR,
        };
        writeln!(out, "{style}{}{style:#}", self.summary())
    }

    fn failed_test(&self, out: &mut Output, outcome: &TestOutcome) -> Result<()> {
        let table = &self.rules.tables[outcome.table];
        let test = &table.tests[outcome.test];
        writeln!(out, "{ERROR}test failed:{ERROR:#} {}, line {}", Shown(&table.name), test.line)?;
        writeln!(out, "  {}", shortened(&test.uri.shown(), WIDTH - 2))?;
        writeln!(out, "  expected: {}", wrapped(&expected(test), WIDTH - 12, 12))?;
        writeln!(out, "  got:      {}", wrapped(&got(self.rules, table, outcome), WIDTH - 12, 12))?;
        if matches!(outcome.got, Got::Left { by: None, .. }) && test.gives.is_some() {
            let uri = test.uri.raw();
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "/:.-_=".contains(c);
            let quoted = if uri.chars().all(is_plain) { uri } else { format!("'{}'", uri.replace('\'', "'\\''")) };
            writeln!(out, "  {HELP}why:{HELP:#}      restitch explain {}", Shown(&quoted))?;
        }
        writeln!(out)
    }

    /// `2 errors, 1 warning, 1 of 9 tests failed`
    fn summary(&self) -> String {
        let plural = |count: usize, what: &str| match count {
            0 => format!("no {what}s"),
            1 => format!("1 {what}"),
            count => format!("{count} {what}s"),
        };
        let mut parts =
            vec![plural(self.count(Severity::Error), "error"), plural(self.count(Severity::Warning), "warning")];
        let (failed, ran) = (self.failed().count(), self.outcomes.len());
        let is_whole = self.file.loaded.rules.is_some();
        match (ran, failed) {
            (0, _) if self.tests == 0 => parts.extend(is_whole.then(|| "no tests".to_owned())),
            (0, _) => parts.push(format!("{} not run", plural(self.tests, "test"))),
            (ran, 0) => parts.push(format!("{} passed", plural(ran, "test"))),
            (_, failed) => parts.push(format!("{failed} of {} failed", plural(self.tests, "test"))),
        }
        if ran > 0 && ran < self.tests {
            parts.push(format!("{} not run", self.tests - ran));
        }
        if self.is_live && self.reached.is_none() {
            parts.push("nothing reached".to_owned());
        }
        parts.join(", ")
    }

    fn json(&self) -> Value {
        let lines = Lines::new(self.file.text());
        let diagnostics: Vec<Value> = self.diagnostics.iter().map(|one| diagnostic_json(one, &lines)).collect();
        let tests: Vec<Value> = self.outcomes.iter().map(|outcome| test_json(self.rules, outcome)).collect();
        let whole = self.file.loaded.rules.iter().flat_map(|rules| &rules.tables);
        let each = whole.flat_map(|table| table.rules.iter().map(move |rule| (table, rule)));
        let lists: Vec<Value> = each
            .map(|(table, rule)| {
                let prefixes: Vec<String> = listed(rule).iter().map(|prefix| prefix.raw()).collect();
                json!({"table": table.name, "rule": rule.number, "line": rule.line, "prefixes": prefixes})
            })
            .collect();
        let objects = self.listed.as_ref().map(|mapped| {
            let tables = self.rules.tables.iter().zip(&mapped.tables);
            let tables: Vec<Value> = tables
                .map(|(table, of)| json!({"table": table.name, "taken_by_rule": of.groups.taken_by_rule, "partitions": of.groups.partitions.len()}))
                .collect();
            let left: serde_json::Map<_, _> =
                mapped.left_out.reasons().map(|(why, count)| (why.name().to_owned(), json!(count))).collect();
            json!({"tables": tables, "left_out": left})
        });
        json!({
            "version": 1,
            "file": self.file.path().to_string_lossy(),
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "failed_tests": self.failed().count(),
            "tests_not_run": self.tests - self.outcomes.len(),
            "diagnostics": diagnostics,
            "tests": tests,
            "lists": lists,
            "listing": objects,
            "live": self.reached.as_deref().map(live::json),
        })
    }
}

fn diagnostic_json(one: &Diagnostic, lines: &Lines<'_>) -> Value {
    let inside = one.inside.as_ref().map(|inside| {
        let lines = Lines::new(&inside.text);
        let (line, column) = (lines.line(inside.span.start), lines.column(inside.span.start));
        json!({
            "file": inside.path.to_string_lossy(),
            "line": line,
            "column": column,
            "start": inside.span.start,
            "end": inside.span.end,
        })
    });
    json!({
        "severity": one.severity.name(),
        "message": one.message,
        "line": lines.line(one.span.start),
        "column": lines.column(one.span.start),
        "start": one.span.start,
        "end": one.span.end,
        "inside": inside,
        "label": one.label,
        "notes": one.notes,
        "help": one.help,
    })
}

fn test_json(rules: &Rules, outcome: &TestOutcome) -> Value {
    let table = &rules.tables[outcome.table];
    let test = &table.tests[outcome.test];
    let expected = test.gives.as_ref().map(|values| values_json(values));
    let got = match &outcome.got {
        Got::Taken { values, .. } => values_json(values),
        Got::Left { .. } | Got::Failed(_) => Value::Bool(false),
    };
    let rule = match &outcome.got {
        Got::Taken { rule, .. } => Some(table.rules[*rule].number),
        Got::Left { .. } | Got::Failed(_) => None,
    };
    let why = match &outcome.got {
        Got::Left { why, .. } => Some(why.name().to_owned()),
        Got::Failed(why) => Some(why.clone()),
        Got::Taken { .. } => None,
    };
    json!({
        "table": table.name,
        "line": test.line,
        "uri": test.uri.raw(),
        "passed": outcome.passed,
        "expected": expected.unwrap_or(Value::Bool(false)),
        "got": got,
        "rule": rule,
        "why": why,
    })
}

fn values_json(values: &[(String, Option<String>)]) -> Value {
    Value::Object(values.iter().map(|(name, value)| (name.clone(), json!(value))).collect())
}

fn expected(test: &Test) -> String {
    match &test.gives {
        None => "no match".to_owned(),
        Some(values) if values.is_empty() => "a match".to_owned(),
        Some(values) => shown_values(values),
    }
}

fn got(rules: &Rules, table: &Table, outcome: &TestOutcome) -> String {
    match &outcome.got {
        Got::Taken { rule, values } => {
            let values = if values.is_empty() { "a match".to_owned() } else { shown_values(values) };
            format!("{values}   by the rule on line {}", table.rules[*rule].line)
        }
        Got::Left { why, by: Some(by) } => format!("{}: table {} takes it", why.name(), Shown(&rules.tables[*by].name)),
        Got::Left { why, by: None } => format!("no match: {}", why.name()),
        Got::Failed(why) => {
            format!("{}; say it in the test, beside `uri`", Shown(why).to_string().replace("listing", "test"))
        }
    }
}

fn shown_values(values: &[(String, Option<String>)]) -> String {
    let shown = values.iter().map(|(name, value)| match value {
        Some(value) => format!("{} = {}", Shown(name), Shown(value)),
        None => format!("{} = NULL", Shown(name)),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// Warnings of one trap for the same readers put together: at the first place, with the lines of the others.
fn gathered(diagnostics: &[Diagnostic], lines: &Lines<'_>) -> Vec<Diagnostic> {
    let mut out: Vec<(Diagnostic, Vec<u32>)> = Vec::new();
    let mut first: HashMap<&[String], usize> = HashMap::new();
    for one in diagnostics {
        let is_trap = one.severity == Severity::Warning && one.notes.iter().any(|note| note.starts_with("trap `"));
        let known = if is_trap { *first.entry(&one.notes).or_insert(out.len()) } else { out.len() };
        match out.get_mut(known) {
            Some((_, others)) => others.push(lines.line(one.span.start)),
            None => out.push((one.clone(), Vec::new())),
        }
    }
    let with_others = |(one, others): (Diagnostic, Vec<u32>)| match others.as_slice() {
        [] => one,
        [line] => one.note(format!("the same on line {line}")),
        others => {
            let others: Vec<String> = others.iter().map(u32::to_string).collect();
            one.note(format!("the same on lines {}", others.join(", ")))
        }
    };
    out.into_iter().map(with_others).collect()
}

/// Prefixes of one rule that are shown one by one.
const MOST_SHOWN: usize = 5;

/// Runs a listing's keys through the rules: what is refused there, and the traps that its keys are in, are findings.
async fn over_listing(
    global: &Global,
    rules: &Rules,
    lines: &Lines<'_>,
    found: &mut Vec<Diagnostic>,
) -> Result<Mapped> {
    let sources = global.sources(rules).await?;
    let progress = Progress::start(global);
    let mapped = mapped::all(rules, &sources, global.memory, || (), &mut |at| progress.listing(at)).await?;
    for (table, of) in rules.tables.iter().zip(&mapped.tables) {
        let span = lines.of_line(table.line);
        // What the table itself is in has been said.
        let is_new = |error: &Error| !of.lakes.is_empty() || !of.trapped.is_empty() && error.kind() == ErrorKind::Trap;
        for error in of.refusals(table).iter().filter(|error| is_new(error)) {
            let one = error
                .notes()
                .iter()
                .fold(Diagnostic::error(span.clone(), error.message()), |one, note| one.note(note.clone()));
            found.push(one.help_maybe(error.help_text().map(str::to_owned)));
        }
        for (trap, count, example) in of.trapped.iter() {
            let is_skipped = table.on_trap == OnTrap::Skip && trap.on == On::Line;
            if of.traps.level(trap) == Some(Level::Warning) || is_skipped {
                let what = format!("{} of `{}`: {}", trap.counted(count), table.name, trap.what);
                found.push(
                    Diagnostic::warning(span.clone(), what)
                        .note(format!("the first is {example}"))
                        .note(trap_name(trap.name)),
                );
            }
        }
    }
    Ok(mapped)
}

/// How many objects each table takes out of the listing, and what none does.
fn objects(out: &mut Output, rules: &Rules, mapped: &Mapped) -> Result<()> {
    let width = rules.tables.iter().map(|table| table.name.chars().count()).max().unwrap_or(0).clamp(10, 40);
    for (table, of) in rules.tables.iter().zip(&mapped.tables) {
        let name = Shown(&table.name).to_string();
        let taken = of.groups.taken_by_rule.iter().sum();
        let partitions = counted(of.groups.partitions.len() as u64, "partition");
        writeln!(out, "{name:width$}  takes {} into {partitions}", counted(taken, "object"))?;
    }
    for (why, count) in mapped.left_out.reasons() {
        let shapes = mapped.left_out.shapes(why);
        let example = shapes.first().map_or_else(String::new, |shape| shape.example.shown());
        let room = WIDTH.saturating_sub(width + 40);
        writeln!(out, "{:width$}  {count} {}: {DIM}{}{DIM:#}", "left out", why.name(), shortened(&example, room))?;
    }
    writeln!(out)
}

/// What each rule makes restitch list.
fn lists(out: &mut Output, rules: &Rules) -> Result<()> {
    let width = rules.tables.iter().map(|table| table.name.chars().count()).max().unwrap_or(0).min(40);
    for table in &rules.tables {
        for rule in &table.rules {
            let name = if rule.number == 1 { Shown(&table.name).to_string() } else { String::new() };
            let prefixes = listed(rule);
            for (index, prefix) in prefixes.iter().take(MOST_SHOWN).enumerate() {
                let (name, label) = match index {
                    0 => (name.as_str(), format!("rule {} lists", rule.number)),
                    _ => ("", String::new()),
                };
                writeln!(out, "{name:width$}  {DIM}{label:13}{DIM:#}  {}", prefix.shown())?;
            }
            if prefixes.len() > MOST_SHOWN {
                let more = prefixes.len() - MOST_SHOWN;
                writeln!(out, "{:width$}  {:13}  {DIM}and {more} more{DIM:#}", "", "")?;
            }
        }
    }
    if rules.tables.is_empty() { Ok(()) } else { writeln!(out) }
}

/// What is said of a rule that an earlier one shadows.
fn shadow_warning(rules: &Rules, one: Shadowed, lines: &Lines<'_>) -> Diagnostic {
    let rule = |(table, rule): (usize, usize)| (&rules.tables[table], &rules.tables[table].rules[rule]);
    let ((table, later), (by_table, earlier)) = (rule(one.rule), rule(one.by));
    let whose = if by_table.name == table.name { String::new() } else { format!(" of table `{}`", by_table.name) };
    Diagnostic::warning(lines.value_on(later.line), "this rule takes nothing: an earlier one has it all")
        .label(format!("rule {}{whose} (line {}) takes every key of it", earlier.number, earlier.line))
        .help("put it in front of that rule, or leave it out")
}

/// The traps of a table, and of the lines that its rules' fixed texts will make.
fn traps(table: &Table, lines: &Lines<'_>) -> Vec<Diagnostic> {
    let traps = Traps::for_table(table);
    let mut found: Vec<Diagnostic> = traps.on_table().iter().map(|finding| table_trap(table, finding, lines)).collect();
    for rule in &table.rules {
        let line = sample_line(rule);
        // Where an object of lakeFS lies, only its listing says.
        if line.starts_with("lakefs://") {
            continue;
        }
        for trap in traps.line_traps(line.as_bytes()).iter() {
            let Some(level) = traps.level(trap) else { continue };
            let is_error = level == Level::Error && table.on_trap == OnTrap::Refuse;
            let span = lines.value_on(rule.line);
            let message = format!("every key of this rule: {}", trap.what);
            let one = if is_error { Diagnostic::error(span, message) } else { Diagnostic::warning(span, message) };
            found.push(
                one.note(reason(trap.reason, &traps.readers_of(trap))).note(trap_name(trap.name)).help(trap.help),
            );
        }
    }
    found
}

fn table_trap(table: &Table, finding: &Finding, lines: &Lines<'_>) -> Diagnostic {
    let trap = finding.of();
    let span = lines.of_line(table.line);
    let message = format!("table `{}`: {}", table.name, trap.what);
    let one = match finding.level {
        Level::Error => Diagnostic::error(span, message),
        Level::Warning => Diagnostic::warning(span, message),
    };
    one.label(finding.detail.clone())
        .note(reason(trap.reason, &finding.readers))
        .note(trap_name(trap.name))
        .help(trap.help)
}

fn reason(reason: &str, readers: &[Engine]) -> String {
    let readers: Vec<String> = readers.iter().map(|reader| engine_name(*reader)).collect();
    format!("{}: {reason}", readers.join(", "))
}

fn trap_name(name: &str) -> String {
    format!("trap `{name}`, see docs/traps.md")
}

fn engine_name(engine: Engine) -> String {
    match engine {
        Engine::Athena => "athena".to_owned(),
        Engine::Spark => "spark".to_owned(),
        Engine::Hive => "hive".to_owned(),
        Engine::Trino { version: None } => "trino".to_owned(),
        Engine::Trino { version: Some(version) } => format!("trino {version}"),
    }
}

/// A line as this rule makes them, with plain letters in its holes: what is odd about it is odd about all.
fn sample_line(rule: &Rule) -> String {
    match &rule.matcher {
        Matcher::Template(template) => template.sample(rule.line_kind),
        Matcher::Regex { under, .. } => under.join("x/x").raw(),
    }
}
