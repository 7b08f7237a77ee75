//! One `[[table.NAME.rule]]`: its matcher, the names it binds, and what gives each partition column its value.
//!
//! Pure. Every mistake is added to a list; what is fine is returned beside it.

use std::ops::Range;

use regex_syntax::ast;

use super::column::is_name;
use super::date::Units;
use super::diagnostic::{Diagnostic, Lines};
use super::keys;
use super::set::{Expression, ExpressionError, ExpressionPart, Filter, Hole, HoleSource};
use super::shape::{Name, Node, Scalar, Text, did_you_mean, nearest};
use super::table::{
    Column, Condition, ConditionOn, Exclude, LineKind, Lookup, Matcher, Operator, PickOne, Rule, ValueSource,
};
use super::template::Template;
use super::{glob, table};
use crate::uri::{Bucket, Scheme, Uri};

/// What every part of the file is read with.
pub struct Context<'c> {
    pub lines: &'c Lines<'c>,
    /// Absolute, without a slash at its end.
    pub base_dir: &'c str,
    pub lookups: Vec<Lookup>,
    /// Lines that TOML could not read, sorted: what seems to be missing near them may just not have been understood.
    pub broken_lines: &'c [u32],
    /// Lines that begin with `[`, sorted.
    pub headers: &'c [u32],
}

impl Context<'_> {
    pub fn is_broken(&self) -> bool {
        !self.broken_lines.is_empty()
    }

    /// Whether a line is broken between the header that stands at `span` and the one after it.
    pub fn is_broken_under(&self, span: &Range<usize>) -> bool {
        let lines = self.lines_under(span);
        let broken = &self.broken_lines[self.broken_lines.partition_point(|line| *line < lines.start)..];
        broken.first().is_some_and(|line| *line < lines.end)
    }

    /// The lines of what begins at `span`, up to the next header.
    pub fn lines_under(&self, span: &Range<usize>) -> Range<u32> {
        self.lines_under_line(self.lines.line(span.start))
    }

    /// The lines from this one up to the next header.
    pub fn lines_under_line(&self, line: u32) -> Range<u32> {
        let next = self.headers.partition_point(|header| *header <= line);
        line..self.headers.get(next).copied().unwrap_or(u32::MAX)
    }
}

/// Where a `set` or `where` stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Defaults,
    Table,
    Rule,
}

/// One value of `set`.
#[derive(Clone, Debug)]
pub struct SetEntry<'a> {
    pub name: Name<'a>,
    /// `None` if it is neither text nor a number.
    pub value: Option<Scalar<'a>>,
    /// `None` if it could not be read; then it counts as giving its column a value.
    pub expression: Option<Expression>,
    pub level: Level,
}

/// The tests of one name in `where`.
#[derive(Clone, Debug)]
pub struct WhereEntry<'a> {
    pub name: Name<'a>,
    pub tests: Vec<WhereTest>,
    pub level: Level,
}

/// One test of `where`, and where it stands.
#[derive(Clone, Debug)]
pub struct WhereTest {
    pub operator: Operator,
    pub value: String,
    pub span: Range<usize>,
}

/// What a table hands to its rules.
pub struct Head<'a> {
    pub name: Name<'a>,
    pub partitioned_by: Vec<Column>,
    /// Where the partition columns stand, one each.
    pub partition_spans: Vec<Range<usize>>,
    /// Texts of `partitioned_by` that could not be read.
    pub unread_columns: Vec<&'a str>,
    /// Whether a line of the table's own keys could not be read.
    pub is_broken: bool,
    pub set: Vec<SetEntry<'a>>,
    pub wheres: Vec<WhereEntry<'a>>,
    pub exclude: Vec<Exclude>,
    pub ignore_case: bool,
    pub pick: Vec<(table::Pick, Vec<Text<'a>>)>,
    /// Texts in `pick` that could not be read.
    pub unread_picks: Vec<&'a str>,
}

impl Head<'_> {
    /// Whether a name may be that of a column that could not be read.
    pub fn may_have(&self, name: &str) -> bool {
        self.is_broken || self.unread_columns.iter().any(|text| text.to_ascii_lowercase().contains(name))
    }
}

/// A name that a rule binds.
#[derive(Clone, Debug)]
pub struct Bound {
    pub name: String,
    pub span: Range<usize>,
    /// Of a date: what each way through the template tells of it.
    pub units: Option<Vec<Units>>,
    pub is_used: bool,
}

/// A rule and where its parts stand.
pub struct RuleDraft<'a> {
    /// `None` where the matcher could not be read.
    pub rule: Option<Rule>,
    pub node: Node<'a>,
    /// `match` or `regex`.
    pub text: Option<Text<'a>>,
    pub bound: Vec<Bound>,
}

/// Reads one rule of a table; `number` is its place there, from 1.
pub fn read<'a>(
    context: &Context<'_>,
    head: &Head<'a>,
    node: Node<'a>,
    number: u32,
    found: &mut Vec<Diagnostic>,
) -> RuleDraft<'a> {
    let ignore_case = node.flag("ignore_case").unwrap_or(head.ignore_case);
    let (text, matched) = matcher(context, &node, ignore_case, found);
    let (matcher, mut bound) = matched.map_or((None, Vec::new()), |(matcher, bound)| (Some(matcher), bound));
    let own_set = set_entries(context, &node, Level::Rule, found);
    let own_wheres = where_entries(&node, Level::Rule, found);
    let own_exclude = exclude(&node, false, found);
    let done = node.text("done").and_then(|text| done(context, &text, &mut bound, matcher.is_some(), found));
    let is_read = matcher.is_some();
    differing_in_case(head, &mut bound, found);
    let values =
        if is_read { values(head, &own_set, &mut bound, &node, text.as_ref(), context, found) } else { Vec::new() };
    let conditions = if is_read { conditions(head, &own_wheres, &mut bound, found) } else { Vec::new() };
    if is_read {
        picks(head, &mut bound, context, &node, found);
        if !context.is_broken_under(&node.span) {
            unused(head, &bound, found);
        }
    } else {
        without_captures(head, &own_set, &own_wheres, text.as_ref(), found);
    }
    let line_kind = line_kind(&node, matcher.as_ref(), found);
    let line_of = text.as_ref().map_or(node.span.start, |text| text.span.start);
    let rule = matcher.map(|matcher| Rule {
        number,
        line: context.lines.line(line_of),
        matcher,
        ignore_case,
        values,
        conditions,
        exclude: head.exclude.iter().cloned().chain(own_exclude).collect(),
        done,
        line_kind,
    });
    RuleDraft { rule, node, text, bound }
}

type Matched<'a> = (Option<Text<'a>>, Option<(Matcher, Vec<Bound>)>);

fn matcher<'a>(context: &Context<'_>, node: &Node<'a>, ignore_case: bool, found: &mut Vec<Diagnostic>) -> Matched<'a> {
    let example = "write\nmatch = 's3://bucket/folder/{name}/*.csv'";
    match (node.text("match"), node.text("regex")) {
        (Some(text), None) => {
            if let Some(span) = node.key_span("under") {
                found.push(
                    Diagnostic::error(span, "`under` stands beside `regex` only").label("`match` says where already"),
                );
            }
            let matched = template(context, &text, found).map(|template| {
                let bound = template_names(&template, &text);
                (Matcher::Template(template), bound)
            });
            (Some(text), matched)
        }
        (None, Some(text)) => {
            let under = under(context, node, &text, found);
            let matched = expression(&text, ignore_case, found);
            let matched = matched.zip(under).map(|((regex, bound), under)| (Matcher::Regex { under, regex }, bound));
            (Some(text), matched)
        }
        (Some(text), Some(_)) => {
            let span = node.key_span("regex").unwrap_or(text.span.clone());
            found.push(
                Diagnostic::error(span, "a rule has `match` or `regex`, not both").label("leave one of them out"),
            );
            (Some(text), None)
        }
        (None, None) => {
            let wrongly_typed = node.has("match") || node.has("regex");
            if !wrongly_typed && !context.is_broken_under(&node.span) {
                found.push(
                    Diagnostic::error(node.span.clone(), "a rule without `match`")
                        .label("matches nothing")
                        .help(example),
                );
            }
            (None, None)
        }
    }
}

/// Mistakes of one template that are told.
const MOST_IN_TEMPLATE: usize = 50;

/// Parses a template; what it says of its source is said of the file.
fn template(context: &Context<'_>, text: &Text<'_>, found: &mut Vec<Diagnostic>) -> Option<Template> {
    match Template::parse_in(text.value, context.base_dir) {
        Ok(template) => Some(template),
        Err(errors) => {
            let left = errors.len().saturating_sub(MOST_IN_TEMPLATE);
            for (number, error) in errors.into_iter().take(MOST_IN_TEMPLATE).enumerate() {
                let shown = Diagnostic::error(text.at(error.span), error.message).label(error.label);
                let shown = shown.help_maybe(error.help);
                let is_last = left > 0 && number + 1 == MOST_IN_TEMPLATE;
                found.push(if is_last {
                    shown.note(format!("and {left} more mistakes in this template"))
                } else {
                    shown
                });
            }
            None
        }
    }
}

fn template_names(template: &Template, text: &Text<'_>) -> Vec<Bound> {
    let captures = template.captures().into_iter();
    captures
        .map(|capture| Bound {
            name: capture.name.to_owned(),
            span: text.at(capture.span),
            units: capture.is_date.then(|| template.date_units(capture.name)),
            is_used: capture.is_used_within,
        })
        .collect()
}

fn under(context: &Context<'_>, node: &Node<'_>, regex: &Text<'_>, found: &mut Vec<Diagnostic>) -> Option<Uri> {
    let help = "write beside it\nunder = 's3://bucket/folder/'";
    let Some(text) = node.text("under") else {
        if !node.has("under") && !context.is_broken_under(&node.span) {
            found.push(
                Diagnostic::error(regex.span.clone(), "`regex` needs `under`").label("under which prefix?").help(help),
            );
        }
        return None;
    };
    let uri = match text.value.split_once("://") {
        None => Ok(Uri::new(Bucket::local(), local_key(text.value, context.base_dir))),
        Some(_) => Uri::parse(text.value),
    };
    match uri {
        Ok(uri) if matches!(uri.bucket.scheme, Scheme::Gs | Scheme::Az) => {
            let message = format!("`{}://` can hold manifests, but is not listed", uri.bucket.scheme.name());
            found.push(Diagnostic::error(text.span, message).label("a rule reads from s3, lakefs or file"));
            None
        }
        Ok(uri) => Some(uri),
        Err(error) => {
            let help = error.help_text().map(str::to_owned);
            found.push(Diagnostic::error(text.span, error.message()).help_maybe(help));
            None
        }
    }
}

/// A local path as a key, byte for byte; a relative one begins at the rule file's folder.
pub fn local_key(written: &str, base_dir: &str) -> String {
    match written.strip_prefix('/') {
        Some(absolute) => absolute.to_owned(),
        None => {
            let base = base_dir.trim_start_matches('/').trim_end_matches('/');
            let written = written.strip_prefix("./").unwrap_or(written);
            if base.is_empty() { written.to_owned() } else { format!("{base}/{written}") }
        }
    }
}

/// Compiles `regex`, anchored, and finds the names of its groups.
fn expression(text: &Text<'_>, ignore_case: bool, found: &mut Vec<Diagnostic>) -> Option<(regex::Regex, Vec<Bound>)> {
    let before = found.len();
    let groups = match ast::parse::Parser::new().parse(text.value) {
        Ok(ast) => groups(&ast),
        Err(error) => {
            let span = error.span();
            let message = format!("this is no regular expression: {}", lower_first(&error.kind().to_string()));
            found.push(Diagnostic::error(text.at(span.start.offset..span.end.offset), message));
            return None;
        }
    };
    let mut bound: Vec<Bound> = Vec::new();
    for (span, name) in groups {
        let there = text.at(span.clone());
        match name {
            None => found.push(
                Diagnostic::error(there, "an unnamed group captures for nothing")
                    .label("name it, or group only")
                    .help(format!("write `(?:{}`", &text.value[span.start + 1..span.end])),
            ),
            Some(name) if !is_name(&name) => found.push(
                Diagnostic::error(there, format!("`{name}` is not a name")).label(format!("a name is {}", keys::NAME)),
            ),
            Some(name) => bound.push(Bound { name, span: there, units: None, is_used: false }),
        }
    }
    let built = regex::RegexBuilder::new(&format!("\\A(?:{})\\z", text.value)).case_insensitive(ignore_case).build();
    match built {
        Ok(regex) if found.len() == before => Some((regex, bound)),
        Ok(_) => None,
        Err(error) => {
            let message = match error {
                regex::Error::CompiledTooBig(limit) => {
                    format!("this regular expression compiles to over {limit} bytes")
                }
                error => {
                    let text = error.to_string();
                    let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
                    format!("this is no regular expression: {}", lower_first(last))
                }
            };
            found.push(Diagnostic::error(text.span.clone(), message));
            None
        }
    }
}

/// The capturing groups of an expression with their names, in the order of the text.
fn groups(ast: &ast::Ast) -> Vec<(Range<usize>, Option<String>)> {
    struct Finder(Vec<(Range<usize>, Option<String>)>);
    impl ast::Visitor for Finder {
        type Output = Vec<(Range<usize>, Option<String>)>;
        type Err = std::convert::Infallible;

        fn finish(self) -> Result<Self::Output, Self::Err> {
            Ok(self.0)
        }

        fn visit_pre(&mut self, ast: &ast::Ast) -> Result<(), Self::Err> {
            if let ast::Ast::Group(group) = ast {
                let span = group.span.start.offset..group.span.end.offset;
                match &group.kind {
                    ast::GroupKind::CaptureIndex(_) => self.0.push((span, None)),
                    ast::GroupKind::CaptureName { name, .. } => self.0.push((span, Some(name.name.clone()))),
                    ast::GroupKind::NonCapturing(_) => {}
                }
            }
            Ok(())
        }
    }
    match ast::visit(ast, Finder(Vec::new())) {
        Ok(groups) => groups,
        Err(never) => match never {},
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// Reads `set` of the file's defaults, a table or a rule.
pub fn set_entries<'a>(
    context: &Context<'_>,
    node: &Node<'a>,
    level: Level,
    found: &mut Vec<Diagnostic>,
) -> Vec<SetEntry<'a>> {
    let entries = node.map("set").unwrap_or_default().into_iter();
    entries
        .map(|(name, value)| {
            let value = node.as_scalar(value);
            let expression = match &value {
                Some(Scalar::Text(text)) => read_expression(context, text, found),
                Some(Scalar::Number(number, _)) => Some(constant(&number.to_string())),
                None => None,
            };
            SetEntry { name, value, expression, level }
        })
        .collect()
}

fn constant(text: &str) -> Expression {
    Expression { source: text.to_owned(), parts: vec![ExpressionPart::Text(text.to_owned())] }
}

/// Parses a value expression; what it says of its source is said of the file.
pub fn read_expression(context: &Context<'_>, text: &Text<'_>, found: &mut Vec<Diagnostic>) -> Option<Expression> {
    let index = |name: &str| context.lookups.iter().position(|lookup| lookup.name == name);
    match Expression::parse(text.value, &index) {
        Ok(expression) => Some(expression),
        Err(errors) => {
            let names = || context.lookups.iter().map(|lookup| lookup.name.as_str());
            for mut error in errors {
                let is_lookup = error.message.starts_with("there is no table `[lookup.");
                let near = text.value.get(error.span.clone()).and_then(|word| nearest(word, names()));
                if let Some(near) = near.filter(|_| is_lookup) {
                    error.help = Some(format!("did you mean `{near}`?"));
                }
                found.push(expression_error(text, error));
            }
            None
        }
    }
}

fn expression_error(text: &Text<'_>, error: ExpressionError) -> Diagnostic {
    Diagnostic::error(text.at(error.span), error.message).help_maybe(error.help)
}

/// Reads `where` of the file's defaults, a table or a rule.
pub fn where_entries<'a>(node: &Node<'a>, level: Level, found: &mut Vec<Diagnostic>) -> Vec<WhereEntry<'a>> {
    let mut entries = Vec::new();
    for (name, value) in node.map("where").unwrap_or_default() {
        let Some(texts) = node.as_texts(value) else { continue };
        let tests = texts.iter().filter_map(|text| condition_test(text, name.value, found)).collect();
        entries.push(WhereEntry { name, tests, level });
    }
    entries
}

/// One test: an operator and a text.
fn condition_test(text: &Text<'_>, name: &str, found: &mut Vec<Diagnostic>) -> Option<WhereTest> {
    const OPERATORS: &[(&str, Operator)] = &[
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("=", Operator::Equal),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ];
    for (wrong, right) in [("==", "="), ("<>", "!="), ("=>", ">="), ("=<", "<="), ("=!", "!=")] {
        if let Some(value) = text.value.strip_prefix(wrong) {
            found.push(
                Diagnostic::error(text.at(0..wrong.len()), format!("`{wrong}` is no test"))
                    .label(format!("did you mean `{right}`?"))
                    .help(format!("write\nwhere = {{ {name} = \"{right}{}\" }}", value.trim_start())),
            );
            return None;
        }
    }
    let operator = OPERATORS.iter().find(|(written, _)| text.value.starts_with(written));
    let (operator, value) = match operator {
        Some((written, operator)) => (*operator, text.value[written.len()..].trim_start()),
        None => (Operator::Equal, text.value),
    };
    Some(WhereTest { operator, value: value.to_owned(), span: text.span.clone() })
}

/// The tests that hold for one rule: the table's and its own.
fn conditions(
    head: &Head<'_>,
    own: &[WhereEntry<'_>],
    bound: &mut [Bound],
    found: &mut Vec<Diagnostic>,
) -> Vec<Condition> {
    let mut conditions = Vec::new();
    for entry in head.wheres.iter().chain(own) {
        let name = entry.name.value;
        let on = match bound.iter_mut().find(|bound| bound.name == name) {
            Some(bound) => {
                bound.is_used = true;
                ConditionOn::Capture(name.to_owned())
            }
            None => match attribute(name) {
                Some(on) => on,
                None if entry.level == Level::Rule => {
                    found.push(unknown_condition(entry, bound));
                    use_nearest(name, bound);
                    continue;
                }
                // Another rule of the table binds it, or `file.rs` says that none does. Here it is NULL, which passes
                // no test.
                None => {
                    use_nearest(name, bound);
                    ConditionOn::Capture(name.to_owned())
                }
            },
        };
        found.extend(entry.tests.iter().filter_map(|test| odd_test(&on, test)));
        let tests = entry.tests.iter();
        conditions.extend(tests.map(|test| Condition {
            on: on.clone(),
            operator: test.operator,
            value: test.value.clone(),
        }));
    }
    conditions
}

/// What can be said of `set` and `where` where the matcher could not be read, so that its captures are not known.
fn without_captures(
    head: &Head<'_>,
    set: &[SetEntry<'_>],
    wheres: &[WhereEntry<'_>],
    text: Option<&Text<'_>>,
    found: &mut Vec<Diagnostic>,
) {
    found.extend(set.iter().filter_map(|entry| set_for_no_column(entry, head)));
    for entry in wheres {
        let name = entry.name.value;
        // A capture would go before the attribute of its name.
        let is_captured = text.is_some_and(|text| text.value.contains(&format!("{{{name}")));
        let on = attribute(name).filter(|_| !is_captured);
        found.extend(on.iter().flat_map(|on| entry.tests.iter().filter_map(|test| odd_test(on, test))));
    }
}

/// Marks the capture that a misspelt name was meant to be, so that it is not blamed a second time.
fn use_nearest(name: &str, bound: &mut [Bound]) {
    let near = nearest(name, bound.iter().map(|bound| bound.name.as_str())).map(str::to_owned);
    bound.iter_mut().filter(|bound| near.as_deref() == Some(&bound.name)).for_each(|bound| bound.is_used = true);
}

/// Marks the captures whose names stand in a text that could not be read.
fn use_mentioned(text: &str, bound: &mut [Bound]) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for bound in bound {
        bound.is_used |= text.split(|c| !is_name(c)).any(|word| word == bound.name);
    }
}

/// What every object has.
pub fn attribute(name: &str) -> Option<ConditionOn> {
    match name {
        "size" => Some(ConditionOn::Size),
        "modified" => Some(ConditionOn::Modified),
        "storage_class" => Some(ConditionOn::StorageClass),
        "bucket" => Some(ConditionOn::Bucket),
        "name" => Some(ConditionOn::Name),
        _ => None,
    }
}

const ATTRIBUTES: [&str; 5] = ["size", "modified", "storage_class", "bucket", "name"];

/// What is said of a rule that does not bind what the table's `where` tests, where others do.
pub fn takes_nothing(entry: &WhereEntry<'_>, table: &str, text: &Text<'_>) -> Diagnostic {
    let name = entry.name.value;
    Diagnostic::warning(text.span.clone(), "this rule takes nothing")
        .label(format!("captures no `{name}`"))
        .note(format!("`where` of table `{table}` tests `{name}`, which is NULL here and passes no test"))
        .help(format!("capture it, or test it in the rules that do\nwhere = {{ {name} = \"…\" }}"))
}

/// What is said of a name in `where` that nothing has.
pub fn unknown_condition(entry: &WhereEntry<'_>, bound: &[Bound]) -> Diagnostic {
    let name = entry.name.value;
    let mut captured: Vec<&str> = bound.iter().map(|bound| bound.name.as_str()).collect();
    captured.sort_unstable();
    captured.dedup();
    let error = Diagnostic::error(entry.name.span.clone(), format!("`where` tests `{name}`, which nothing has"));
    let near = did_you_mean(name, captured.iter().copied().chain(ATTRIBUTES));
    let error = error.label(near);
    match captured.as_slice() {
        [] => error.help(format!("capture it: `{{{name}}}`; every object has {}", ATTRIBUTES.join(", "))),
        captured => {
            error.note(format!("captured are {}; every object has {}", captured.join(", "), ATTRIBUTES.join(", ")))
        }
    }
}

/// A test that cannot mean what it says.
fn odd_test(on: &ConditionOn, test: &WhereTest) -> Option<Diagnostic> {
    let WhereTest { operator, value, span } = test;
    let span = span.clone();
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    match on {
        ConditionOn::Size if !is_digits(value) => Some(
            Diagnostic::error(span, format!("`{value}` is no number of bytes"))
                .label("compared with a size")
                .help("write\nwhere = { size = \">1048576\" }"),
        ),
        ConditionOn::Modified if !value.get(..4).is_some_and(is_digits) => Some(
            Diagnostic::error(span, format!("`{value}` is no date"))
                .label("compared with `2024-03-01T06:00:00Z`")
                .help("write\nwhere = { modified = \">=2024-01-01\" }"),
        ),
        _ if value.is_empty() && *operator != Operator::NotEqual => Some(
            Diagnostic::warning(span, "a test against an empty text never holds")
                .label("an empty value is NULL, and NULL passes no test"),
        ),
        _ => None,
    }
}

/// Reads `exclude`.
pub fn exclude(node: &Node<'_>, from_defaults: bool, found: &mut Vec<Diagnostic>) -> Vec<Exclude> {
    let texts = node.texts("exclude").unwrap_or_default();
    texts.iter().filter_map(|text| glob::read(text, from_defaults, found)).collect()
}

/// Reads `done`: a template that binds only what the rule binds, dates as dates.
fn done(
    context: &Context<'_>,
    text: &Text<'_>,
    bound: &mut [Bound],
    is_rule_read: bool,
    found: &mut Vec<Diagnostic>,
) -> Option<Template> {
    let Some(done) = template(context, text, found) else {
        use_mentioned(text.value, bound);
        return None;
    };
    if !is_rule_read {
        return Some(done);
    }
    for capture in done.captures() {
        let span = text.at(capture.span);
        match bound.iter_mut().find(|bound| bound.name == capture.name) {
            Some(bound) => {
                bound.is_used = true;
                if bound.units.is_some() != capture.is_date {
                    let (one, other) = if capture.is_date { ("a date", "no date") } else { ("no date", "a date") };
                    found.push(
                        Diagnostic::error(span, format!("`{}` is {one} here and {other} in `match`", capture.name))
                            .help("give both the same `date(…)`"),
                    );
                }
            }
            None => {
                let near = did_you_mean(capture.name, bound.iter().map(|bound| bound.name.as_str()));
                found.push(
                    Diagnostic::error(span, format!("`done` names `{}`, which the rule does not bind", capture.name))
                        .label(near)
                        .help(format!("capture it in `match`: `{{{}}}`, or write `{{_}}` here", capture.name)),
                );
                use_nearest(capture.name, bound);
            }
        }
    }
    Some(done)
}

/// What gives each partition column its value.
fn values(
    head: &Head<'_>,
    own_set: &[SetEntry<'_>],
    bound: &mut [Bound],
    node: &Node<'_>,
    text: Option<&Text<'_>>,
    context: &Context<'_>,
    found: &mut Vec<Diagnostic>,
) -> Vec<ValueSource> {
    for entry in own_set {
        found.extend(set_for_no_column(entry, head));
    }
    let mut values = Vec::new();
    for (column, declared) in head.partitioned_by.iter().zip(&head.partition_spans) {
        let set = own_set.iter().chain(&head.set).find(|entry| entry.name.value == column.name);
        if let Some(entry) = set {
            match (&entry.expression, &entry.value) {
                (Some(expression), Some(value)) => {
                    check_holes(context, expression, value, entry.level, bound, node, found);
                    found.extend(odd_constant(column, expression, value));
                    values.push(ValueSource::Expression(expression.clone()));
                }
                (None, Some(value)) => use_mentioned(&value.to_text(), bound),
                (_, None) => {}
            }
            continue;
        }
        match bound.iter_mut().find(|bound| bound.name == column.name) {
            Some(bound) => {
                bound.is_used = true;
                found.extend(date_that_never_fits(column, bound));
                values.push(ValueSource::Capture(column.name.clone()));
            }
            None if head.is_broken || context.is_broken_under(&node.span) => {}
            None => found.extend(nothing_gives(head, column, declared, bound, text, context)),
        }
    }
    values
}

/// `set` for something that is no partition column.
pub fn set_for_no_column(entry: &SetEntry<'_>, head: &Head<'_>) -> Option<Diagnostic> {
    let name = entry.name.value;
    let columns = || head.partitioned_by.iter().map(|column| column.name.as_str());
    if columns().any(|column| column == name) || head.may_have(name) {
        return None;
    }
    let error = Diagnostic::error(entry.name.span.clone(), format!("`set` for `{name}`, which is no partition column"));
    if let Some(column) = columns().find(|column| column.eq_ignore_ascii_case(name)) {
        return Some(error.label("column names are lower case").help(format!("write `{column}`")));
    }
    let near = did_you_mean(name, columns());
    Some(error.label(near).note(match head.partitioned_by.as_slice() {
        [] => format!("table `{}` has no partition columns", head.name.value),
        _ => format!("table `{}` is partitioned by {}", head.name.value, columns().collect::<Vec<_>>().join(", ")),
    }))
}

/// A column that neither a capture nor `set` gives.
fn nothing_gives(
    head: &Head<'_>,
    column: &Column,
    declared: &Range<usize>,
    bound: &mut [Bound],
    text: Option<&Text<'_>>,
    context: &Context<'_>,
) -> Option<Diagnostic> {
    let text = text?;
    if bound.iter().any(|bound| bound.name.eq_ignore_ascii_case(&column.name)) {
        // `differing_in_case` has said so.
        return None;
    }
    let captured: Vec<String> = bound.iter().map(|bound| bound.name.clone()).collect();
    let label = match captured.as_slice() {
        [] => "captures nothing".to_owned(),
        captured => format!("captures {}", captured.join(", ")),
    };
    let near = nearest(&column.name, captured.iter().map(String::as_str));
    // It was meant for this column, and is not blamed a second time.
    bound.iter_mut().filter(|bound| near == Some(&bound.name)).for_each(|bound| bound.is_used = true);
    let error = Diagnostic::error(text.span.clone(), format!("no capture or `set` gives column `{}`", column.name))
        .label(label)
        .note(format!(
            "table `{}` is partitioned by `{}` (line {})",
            head.name.value,
            column.name,
            context.lines.line(declared.start)
        ));
    Some(match near {
        Some(near) => error.help(format!("did you mean that column by `{{{near}}}`? write `{{{}}}`", column.name)),
        None => error.help(format!("name it in the rule\nset = {{ {} = \"…\" }}", column.name)),
    })
}

/// A date of another width than a whole day never fits a column of type `date`.
fn date_that_never_fits(column: &Column, bound: &Bound) -> Option<Diagnostic> {
    let ways = bound.units.as_ref().filter(|_| column.ddl_type == "date")?;
    let fits = |units: &Units| units.is_whole_day();
    (!ways.is_empty() && !ways.iter().any(fits)).then(|| {
        Diagnostic::warning(
            bound.span.clone(),
            format!("`{}` never is a whole day, as column `{0}` of type date needs", column.name),
        )
        .label("every value would be a bad one")
        .help(format!("name the date otherwise and write\nset = {{ {} = \"{{ts|format(yyyy-MM-dd)}}\" }}", column.name))
    })
}

/// A text without holes that its column's type does not take.
fn odd_constant(column: &Column, expression: &Expression, value: &Scalar<'_>) -> Option<Diagnostic> {
    let mut text = String::new();
    for part in &expression.parts {
        match part {
            ExpressionPart::Text(more) => text.push_str(more),
            ExpressionPart::Hole(_) => return None,
        }
    }
    column.partition_type().value(&text).is_none().then(|| {
        Diagnostic::warning(value.span(), format!("`{text}` is no {}", column.ddl_type))
            .label(format!("column `{}` would take nothing", column.name))
    })
}

/// Checks the holes of an expression against what the rule binds, and marks what they use.
fn check_holes(
    context: &Context<'_>,
    expression: &Expression,
    value: &Scalar<'_>,
    level: Level,
    bound: &mut [Bound],
    node: &Node<'_>,
    found: &mut Vec<Diagnostic>,
) {
    let Scalar::Text(text) = value else { return };
    for (hole, name) in captured_holes(expression) {
        match bound.iter_mut().find(|bound| bound.name == name) {
            Some(bound) => bound.is_used = true,
            None => {
                let has_default = hole.filters.iter().any(|filter| matches!(filter, Filter::Default(_)));
                if level == Level::Rule || !has_default {
                    found.push(unbound(context, hole, name, text, level, bound, node));
                    use_nearest(name, bound);
                }
            }
        }
    }
    check_formats(expression, text, bound, found);
}

fn captured_holes(expression: &Expression) -> impl Iterator<Item = (&Hole, &str)> {
    expression.holes().filter_map(|hole| match &hole.from {
        HoleSource::Capture(name) => Some((hole, name.as_str())),
        HoleSource::Attribute(_) => None,
    })
}

/// `format` of what is no date, or of what the date does not know.
fn check_formats(expression: &Expression, text: &Text<'_>, bound: &[Bound], found: &mut Vec<Diagnostic>) {
    let is_unbound = |name: &str| bound.iter().all(|bound| bound.name != name);
    let units_of = |name: &str| match bound.iter().find(|bound| bound.name == name) {
        Some(bound) => bound.units.clone().unwrap_or_default(),
        // Said already, or NULL under this rule.
        None => vec![Units::TO_THE_SECOND],
    };
    let errors = expression.check_formats(&units_of).into_iter();
    let about_unbound = |error: &ExpressionError| {
        captured_holes(expression).any(|(hole, name)| hole.span == error.span && is_unbound(name))
    };
    found.extend(errors.filter(|error| !about_unbound(error)).map(|error| expression_error(text, error)));
}

fn unbound(
    context: &Context<'_>,
    hole: &Hole,
    name: &str,
    text: &Text<'_>,
    level: Level,
    bound: &[Bound],
    node: &Node<'_>,
) -> Diagnostic {
    let captured: Vec<&str> = bound.iter().map(|bound| bound.name.as_str()).collect();
    let line = context.lines.line(node.span.start);
    let error = Diagnostic::error(text.at(hole.span.clone()), format!("no capture is called `{name}`"))
        .label(did_you_mean(name, captured.iter().copied()))
        .note(match captured.as_slice() {
            [] => format!("the rule on line {line} captures nothing"),
            captured => format!("the rule on line {line} captures {}", captured.join(", ")),
        });
    if level == Level::Rule {
        return error;
    }
    error.help(format!("capture it in that rule, or say what it is without one\n{{{name}|default(…)}}"))
}

/// Checks the table's `pick` against what this rule binds, and marks what it uses.
fn picks(head: &Head<'_>, bound: &mut [Bound], context: &Context<'_>, node: &Node<'_>, found: &mut Vec<Diagnostic>) {
    for text in &head.unread_picks {
        use_mentioned(text, bound);
    }
    for (pick, texts) in &head.pick {
        let one = match &pick.one {
            PickOne::Greatest(expression) | PickOne::Newest(expression) => Some(expression),
            PickOne::Rule => None,
        };
        for (expression, text) in one.into_iter().chain(&pick.per).zip(texts) {
            for (hole, name) in captured_holes(expression) {
                match bound.iter_mut().find(|bound| bound.name == name) {
                    Some(bound) => bound.is_used = true,
                    None => {
                        let line = context.lines.line(node.span.start);
                        let near = did_you_mean(name, bound.iter().map(|bound| bound.name.as_str()));
                        let message = format!("`pick` names `{name}`, which not every rule binds");
                        let error = Diagnostic::error(text.at(hole.span.clone()), message).label(near);
                        found.push(
                            error
                                .note(format!("the rule on line {line} does not"))
                                .help(format!("capture it in every rule: `{{{name}}}`")),
                        );
                        use_nearest(name, bound);
                    }
                }
            }
            check_formats(expression, text, bound, found);
        }
    }
}

/// Captures whose names differ from a column's only in case. They are used, as far as that error goes.
fn differing_in_case(head: &Head<'_>, bound: &mut [Bound], found: &mut Vec<Diagnostic>) {
    let differs = |name: &str, column: &str| column.eq_ignore_ascii_case(name) && column != name;
    for bound in bound {
        let Some(column) = head.partitioned_by.iter().find(|column| differs(&bound.name, &column.name)) else {
            continue;
        };
        bound.is_used = true;
        let message = format!("capture `{}` differs from column `{}` only in case", bound.name, column.name);
        let error = Diagnostic::error(bound.span.clone(), message).label("column names are lower case");
        found.push(error.help(format!("write `{{{}}}`, or another name", column.name)));
    }
}

/// Captures that nothing uses.
fn unused(head: &Head<'_>, bound: &[Bound], found: &mut Vec<Diagnostic>) {
    for bound in bound.iter().filter(|bound| !bound.is_used && !head.may_have(&bound.name)) {
        let error = Diagnostic::error(bound.span.clone(), format!("nothing uses capture `{}`", bound.name));
        let columns = || head.partitioned_by.iter().map(|column| column.name.as_str());
        let overridden = columns().any(|column| column == bound.name);
        found.push(if overridden {
            error.label("`set` gives that column its value").help("write `{_}` for a part that is not kept")
        } else {
            let near = did_you_mean(&bound.name, columns());
            error.label(near).help("make it a partition column, or write `{_}` for a part that is not kept")
        });
    }
}

/// `line = "prefix"` stands only where `match` ends in `/`, and only where every object below is meant.
fn line_kind(node: &Node<'_>, matcher: Option<&Matcher>, found: &mut Vec<Diagnostic>) -> LineKind {
    if node.word("line") != Some("prefix") {
        return LineKind::Object;
    }
    let span = node.value_span("line").unwrap_or(node.span.clone());
    let error = |message: &str| Diagnostic::error(span.clone(), message);
    match matcher {
        Some(Matcher::Template(template)) if !template.source.ends_with('/') => found.push(
            error("`line = \"prefix\"` stands only beside a `match` that ends in `/`")
                .label("the line would be no prefix")
                .help("write\nmatch = 's3://bucket/folder/'"),
        ),
        Some(Matcher::Regex { .. }) => found.push(
            error("`line = \"prefix\"` stands only beside a `match`")
                .label("a regular expression has no prefix")
                .help("write\nmatch = 's3://bucket/folder/'"),
        ),
        _ => {}
    }
    LineKind::Prefix
}
