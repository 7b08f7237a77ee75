//! Random rule files, as text, and listings made so that their rules nearly match: what the properties of
//! `tests/random_rules.rs` are tried on. Uses nothing of the product.

mod keys;
mod tape;
mod template;

use std::collections::BTreeSet;

use crate::oracle::Object;
pub use tape::Tape;
use template::{Filling, Kind, Node, discard, fill, names, template, uses, written};

/// A rule file and a listing for it.
#[derive(Clone, Debug)]
pub struct Case {
    pub rules: String,
    /// Each URI once, sorted.
    pub objects: Vec<Object>,
}

/// A rule while the file is made.
struct Rule {
    matcher: Matcher,
    /// Names with their types; those of a regular expression are plain.
    names: Vec<(String, Kind)>,
    /// What stands behind the matcher, line by line.
    lines: Vec<String>,
    set: Vec<(String, String)>,
    wheres: Vec<(String, String)>,
    done: Option<Vec<Node>>,
}

enum Matcher {
    Template(Vec<Node>),
    Regex { under: &'static str, expression: &'static str, samples: &'static [&'static str] },
}

/// Expressions, the prefixes they stand under, and keys behind those.
const REGEXES: &[(&str, &str, &[&str], &[&str])] = &[
    ("s3://b/", r"(?<x>[a-z]+)/(?:run-|job-)(?<n>[0-9]+)\.csv", &["x", "n"], &["ab/run-1.csv", "b/job-007.csv"]),
    ("s3://b/data", r"(?<x>.*?)/(?<y>[^/]*)", &["x", "y"], &["/a", "-1/x/y", "a/b/"]),
    ("s3://two/A/", r"(?P<v>\w+)(?:/.*)?", &["v"], &["ab", "é/c/d", "_x/"]),
    ("s3://b/", r"(?:(?<x>a+)|(?<y>b+))(?<z>/c)?", &["x", "y", "z"], &["aa/c", "b", "bb/c", "a"]),
    ("s3://b/v1", r"\b(?<x>-?\d{1,3})\b.*", &["x"], &["-10", "0", "-1/a", ".5"]),
    ("s3://b/Data/", r"(?m)^(?<x>\S+)$(?s:.*)", &["x"], &["a", "a\nb", "A/b"]),
    ("s3://b/", r"^(?i:x)(?<v>[^-]+?)(?:-(?<n>\d+))?$", &["v", "n"], &["xa-1", "X/_b", "xé-"]),
];

/// One case of everything the language has.
pub fn case(words: &[u32]) -> Case {
    let tape = &mut Tape::new(words);
    let tables = 1 + usize::from(tape.percent(40)) + usize::from(tape.percent(20));
    let mut rules = String::new();
    let mut made = Vec::new();
    defaults(tape, &mut rules);
    for number in 0..tables {
        let mut table = table(tape);
        rules += &table_text(tape, number, &mut table);
        made.extend(table);
    }
    rules += "[lookup.l]\na = 'AA'\nb = ''\n'10' = 'ten'\n'é' = \"É\"\n1 = 1\n";
    let lacks = !["size", "modified", "storage_class", "@"].iter().any(|word| rules.contains(word)) && tape.percent(30);
    let objects = objects(tape, &made, lacks);
    Case { rules, objects }
}

fn defaults(tape: &mut Tape<'_>, out: &mut String) {
    if !tape.percent(50) {
        return;
    }
    *out += "[defaults]\n";
    for (percent, line) in [
        (20, "claim = 'first'"),
        (15, "ignore_case = true"),
        (15, "location = 's3://two/{table}/'"),
        (10, "set = { c1 = '{@name|lower}' }"),
        (10, "where = { size = '>0', modified = '<2030-01-01' }"),
    ] {
        if tape.percent(percent) {
            *out += &format!("{line}\n");
        }
    }
    if tape.percent(30) {
        *out += &format!("exclude = {}\n", exclude(tape));
    }
    if tape.percent(20) {
        *out += &format!("skip = {}\n", skip(tape));
    }
}

fn skip(tape: &mut Tape<'_>) -> String {
    let all = ["markers", "hidden", "folder", "empty", "archived"];
    let some: Vec<String> = all.iter().filter(|_| tape.percent(50)).map(|skip| format!("'{skip}'")).collect();
    format!("[{}]", some.join(", "))
}

fn exclude(tape: &mut Tape<'_>) -> String {
    const GLOBS: &[&str] = &[
        "*.tmp",
        "*",
        "_*",
        "a*",
        "?",
        "[!a]*.csv",
        "x{,-1}*",
        "*.{csv,gz}",
        "**/a/**",
        "a/**",
        "data/",
        "**/*.csv",
        "*/?",
        "**",
        "b/*/[a-c]*",
        "s3://b/**",
        "s3://two/a/**",
        "s3://{b,two}/*",
        "**/{a,_q=1/**}/*",
        r"\*",
        "**/b",
        "é*",
        "[]]",
        "/**",
        "**//**",
        "x/**/**",
        "s3://b/a\\/*",
    ];
    let globs: Vec<String> = tape.count(1, 2).map(|_| toml_text(tape.one(GLOBS))).collect();
    if globs.len() == 1 && tape.percent(20) { globs[0].clone() } else { format!("[{}]", globs.join(", ")) }
}

fn table(tape: &mut Tape<'_>) -> Vec<Rule> {
    let prefix_line = tape.percent(4);
    let count = if prefix_line { 1 } else { 1 + tape.below(3) };
    (0..count).map(|_| rule(tape, prefix_line)).collect()
}

fn rule(tape: &mut Tape<'_>, prefix_line: bool) -> Rule {
    let (matcher, names) = if !prefix_line && tape.percent(15) {
        let (under, expression, bound, samples) = tape.one(REGEXES);
        let names = bound.iter().map(|name| (name.to_string(), Kind::Plain)).collect();
        (Matcher::Regex { under, expression, samples }, names)
    } else {
        let nodes = template(tape, prefix_line);
        let names = names(&nodes);
        (Matcher::Template(nodes), names)
    };
    let mut lines = Vec::new();
    if prefix_line {
        lines.push("line = 'prefix'".to_owned());
    }
    if tape.percent(12) {
        lines.push(format!("ignore_case = {}", tape.one(&["true", "false"])));
    }
    if !prefix_line && tape.percent(15) {
        lines.push(format!("exclude = {}", exclude(tape)));
    }
    let done = if !prefix_line && tape.percent(12) { Some(done(tape, &names)) } else { None };
    Rule { matcher, names, lines, set: Vec::new(), wheres: Vec::new(), done }
}

/// A marker that binds some of the rule's names.
fn done(tape: &mut Tape<'_>, names: &[(String, Kind)]) -> Vec<Node> {
    let mut nodes = vec![Node::Text(tape.one(&["b", "two"])), Node::Slash, Node::Text("done"), Node::Slash];
    for (name, kind) in names {
        if tape.percent(60) {
            nodes.extend([Node::Capture(name.clone(), *kind), Node::Slash]);
        }
    }
    nodes.push(Node::Text(tape.one(&["_SUCCESS", ".done", "ok", "_$folder$"])));
    nodes
}

const OPERATORS: &[&str] = &["", "=", "!=", "<", "<=", ">", ">="];
const COMPARED: &[&str] =
    &["a", "b", "1", "9", "10", "007", "a-b", "é", "2024", "2024-01-05", "2024-01", "B", "x", "v9"];

fn test_of(tape: &mut Tape<'_>) -> String {
    let one = |tape: &mut Tape<'_>| toml_text(&format!("{}{}", tape.one(OPERATORS), tape.one(COMPARED)));
    if tape.percent(20) { format!("[{}, {}]", one(tape), one(tape)) } else { one(tape) }
}

fn attribute_test(tape: &mut Tape<'_>) -> (String, String) {
    let (name, values): (&str, &[&str]) = match tape.below(5) {
        0 => ("size", &["0", "9", "10", "1000"]),
        1 => ("modified", &["2024", "2024-01-05T00:00:00Z", "2024-03-01"]),
        2 => ("storage_class", &["STANDARD", "GLACIER", "S"]),
        3 => ("name", &["a", "x.csv", "b"]),
        _ => ("bucket", &["b", "two"]),
    };
    (name.to_owned(), toml_text(&format!("{}{}", tape.one(OPERATORS), tape.one(values))))
}

/// Settles the columns of a table, and prints all of it.
fn table_text(tape: &mut Tape<'_>, number: usize, rules: &mut [Rule]) -> String {
    let mut head = format!("[table.t{number}]\n");
    let columns = columns(tape, rules);
    let list: Vec<String> = columns.iter().map(|(name, of)| format!("'{name} {of}'")).collect();
    head += &format!("partitioned_by = [{}]\n", list.join(", "));
    if number == 0 && tape.percent(8) {
        head += &format!("location = '{}'\n", tape.one(&["s3://b/a/", "s3://two/b", "s3://b/data/v1/"]));
    }
    let mut settled = BTreeSet::new();
    if let Some((name, _)) = columns.iter().find(|(name, _)| name.starts_with('c')).filter(|_| tape.percent(15)) {
        head += &format!("set = {{ {name} = '{{x|default(none)}}' }}\n");
        settled.insert(name.clone());
    }
    if tape.percent(10) {
        head += &format!("ignore_case = {}\n", tape.one(&["true", "false"]));
    }
    let is_prefix = rules.iter().any(|rule| rule.lines.iter().any(|line| line.starts_with("line")));
    if !is_prefix && tape.percent(15) {
        let (name, test) = attribute_test(tape);
        head += &format!("where = {{ {name} = {test} }}\n");
    }
    if !is_prefix && tape.percent(15) {
        head += &format!("exclude = {}\n", exclude(tape));
    }
    if tape.percent(15) {
        head += &format!("skip = {}\n", skip(tape));
    }
    let shared = shared(rules);
    let mut picked = BTreeSet::new();
    if !is_prefix && tape.percent(25) {
        head += &format!("pick = {}\n", pick(tape, &shared, &mut picked));
    }
    for rule in rules {
        settle(tape, rule, &columns, &settled, &picked);
        head += &rule_text(tape, number, rule);
    }
    head
}

/// Names that every rule binds, with the type that the first has.
fn shared(rules: &[Rule]) -> Vec<(String, Kind)> {
    let all = |name: &str| rules.iter().all(|rule| rule.names.iter().any(|(known, _)| known == name));
    rules[0].names.iter().filter(|(name, _)| all(name)).cloned().collect()
}

fn columns(tape: &mut Tape<'_>, rules: &[Rule]) -> Vec<(String, &'static str)> {
    let mut columns: Vec<(String, &'static str)> = Vec::new();
    let mut names: Vec<(String, Kind)> = rules.iter().flat_map(|rule| rule.names.clone()).collect();
    names.extend(["c1", "c2"].map(|name| (name.to_owned(), Kind::Plain)));
    for (name, kind) in names {
        if columns.len() < 4 && columns.iter().all(|(known, _)| *known != name) && tape.percent(45) {
            let of = match kind {
                Kind::Int | Kind::IntOf(_) => tape.one(&["int", "tinyint", "smallint", "bigint", "string"]),
                kind if kind.is_date() => tape.one(&["string", "string", "date"]),
                _ => {
                    if tape.percent(85) {
                        "string"
                    } else {
                        tape.one(&["varchar(20)", "int", "date", "boolean"])
                    }
                }
            };
            columns.push((name, of));
        }
    }
    columns
}

/// Gives every column a value and every name a use.
fn settle(
    tape: &mut Tape<'_>,
    rule: &mut Rule,
    columns: &[(String, &str)],
    settled: &BTreeSet<String>,
    picked: &BTreeSet<String>,
) {
    let mut used: BTreeSet<String> = picked.clone();
    if let Some(done) = &rule.done {
        used.extend(names(done).into_iter().map(|(name, _)| name));
    }
    for (column, _) in columns {
        let binds = rule.names.iter().any(|(name, _)| name == column);
        if settled.contains(column) {
            used.insert("x".to_owned());
        } else if binds && !tape.percent(12) {
            used.insert(column.clone());
        } else {
            let value = expression(tape, &rule.names, &mut used);
            rule.set.push((column.clone(), value));
        }
    }
    for (name, _) in rule.names.clone() {
        let Matcher::Template(nodes) = &mut rule.matcher else {
            if !used.contains(&name) {
                rule.wheres.push((name, "'!=zz'".to_owned()));
            }
            continue;
        };
        if used.contains(&name) || uses(nodes, &name) > 1 {
            continue;
        }
        if tape.percent(60) {
            discard(nodes, &name);
            rule.names.retain(|(known, _)| *known != name);
        } else {
            rule.wheres.push((name, test_of(tape)));
        }
    }
    let plain = rule.lines.iter().all(|line| !line.starts_with("line"));
    if plain && tape.percent(10) {
        let (name, test) = attribute_test(tape);
        if rule.wheres.iter().all(|(known, _)| *known != name) {
            rule.wheres.push((name, test));
        }
    }
    // No test can stand beside a line that names everything.
    if !plain {
        for (name, _) in std::mem::take(&mut rule.wheres) {
            if let Matcher::Template(nodes) = &mut rule.matcher {
                discard(nodes, &name);
            }
        }
    }
}

/// A value as TOML.
fn expression(tape: &mut Tape<'_>, names: &[(String, Kind)], used: &mut BTreeSet<String>) -> String {
    if tape.percent(8) {
        return tape.one(&["7", "2024", "-1", "''", "'__HIVE_DEFAULT_PARTITION__'", "'2024-01-05'"]).to_owned();
    }
    let mut out = String::new();
    for _ in tape.count(1, 2) {
        if tape.percent(40) {
            out += tape.one(&["a-", r"\{", "é", r"\\", "/", "0"]);
        }
        out += &hole(tape, names, used);
    }
    toml_text(&out)
}

fn hole(tape: &mut Tape<'_>, names: &[(String, Kind)], used: &mut BTreeSet<String>) -> String {
    let mut filters = String::new();
    let name = if names.is_empty() || tape.percent(15) {
        match tape.below(4) {
            0 => "@name",
            1 => "@size",
            2 => "@bucket",
            _ => {
                filters += &format!("|format({})", tape.one(&["yyyy-MM-dd", "yyyy", "YYYY-Www", "H"]));
                "@modified"
            }
        }
    } else {
        let (name, kind) = &names[tape.below(names.len())];
        used.insert(name.clone());
        if let Kind::Date(form) = kind
            && tape.percent(50)
        {
            // What a date without a year can be asked for is its own form.
            let has_year = form.contains("yy") || form.contains("YY");
            let forms = ["yyyy-MM-dd", "yyyyMMdd", "d.M.yy", "MMM", "YYYY/ww", "DDD", "yyyyQq", "MMMM H:m:s", "dd"];
            filters += &format!("|format({})", if has_year { tape.one(&forms) } else { form });
        } else if matches!(kind, Kind::Epoch | Kind::EpochMs) && tape.percent(50) {
            filters += &format!("|format({})", tape.one(&["yyyy-MM-dd", "HHmmss", "q"]));
        }
        name
    };
    for _ in tape.count(0, 2) {
        filters += tape.one(&[
            "|lower",
            "|upper",
            "|pad(4)",
            "|default(no ne)",
            r"|default(a\)\|})",
            "|lookup(l)",
            "|lookup(l)|default(1)",
        ]);
    }
    format!("{{{name}{filters}}}")
}

fn pick(tape: &mut Tape<'_>, shared: &[(String, Kind)], picked: &mut BTreeSet<String>) -> String {
    let mut step = |tape: &mut Tape<'_>| {
        if tape.percent(15) {
            return "{ one = 'rule' }".to_owned();
        }
        let mut text = format!("{{ one = {}", toml_text(&hole_for_pick(tape, shared, picked)));
        if tape.percent(30) {
            text += ", by = 'modified'";
        }
        if tape.percent(30) {
            text += &format!(", per = {}", toml_text(&hole_for_pick(tape, shared, picked)));
        }
        text + " }"
    };
    if tape.percent(20) { format!("[{}, {}]", step(tape), step(tape)) } else { step(tape) }
}

/// No lookups: what `pick` does with a missing key is not said.
fn hole_for_pick(tape: &mut Tape<'_>, shared: &[(String, Kind)], picked: &mut BTreeSet<String>) -> String {
    loop {
        let text = hole(tape, shared, picked);
        if !text.contains("lookup") {
            return text;
        }
    }
}

fn rule_text(tape: &mut Tape<'_>, table: usize, rule: &Rule) -> String {
    let mut text = format!("[[table.t{table}.rule]]\n");
    match &rule.matcher {
        Matcher::Template(nodes) => text += &format!("match = {}\n", toml_text(&format!("s3://{}", written(nodes)))),
        Matcher::Regex { under, expression, .. } => {
            text += &format!("under = '{under}'\nregex = {}\n", toml_text(expression));
        }
    }
    for line in &rule.lines {
        text += &format!("{line}\n");
    }
    for (key, entries) in [("set", &rule.set), ("where", &rule.wheres)] {
        if !entries.is_empty() {
            let list: Vec<String> = entries.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            text += &format!("{key} = {{ {} }}\n", list.join(", "));
        }
    }
    if let Some(done) = &rule.done {
        text += &format!("done = {}\n", toml_text(&format!("s3://{}", written(done))));
    }
    let _ = tape;
    text
}

/// `'…'` where that can say it.
fn toml_text(text: &str) -> String {
    if !text.contains(['\'', '\n']) {
        return format!("'{text}'");
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

fn objects(tape: &mut Tape<'_>, rules: &[Rule], lacks: bool) -> Vec<Object> {
    let mut uris: BTreeSet<String> = BTreeSet::new();
    for rule in rules {
        for _ in tape.count(3, 6) {
            let mut filling = Filling::new(tape);
            let uri = match &rule.matcher {
                Matcher::Template(nodes) => format!("s3://{}", fill(nodes, tape, &mut filling)),
                Matcher::Regex { under, samples, .. } => format!("{under}{}", tape.one(samples)),
            };
            if let Some(done) = rule.done.as_ref().filter(|_| tape.percent(60)) {
                uris.insert(format!("s3://{}", fill(done, tape, &mut filling)));
            }
            let mut changed = uri.clone();
            for _ in tape.count(0, 2) {
                changed = keys::mutated(&changed, tape);
                uris.insert(changed.clone());
            }
            uris.insert(uri);
        }
    }
    uris.retain(|uri| {
        uri.split_once("://")
            .unwrap()
            .1
            .split_once('/')
            .is_some_and(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
    });
    let attributes = |uri: String| Object {
        uri,
        size: (!lacks).then(|| if tape.percent(8) { 0 } else { tape.one(&[10, 9, 1000]) }),
        modified: (!lacks).then(|| tape.one(&[1_704_412_800, 1_704_412_801, 1_709_164_800, 1_735_689_599])),
        storage_class: (!lacks).then(|| class(tape).to_owned()),
    };
    uris.into_iter().map(attributes).collect()
}

fn class(tape: &mut Tape<'_>) -> &'static str {
    if tape.percent(90) { "STANDARD" } else { tape.one(&["GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"]) }
}
