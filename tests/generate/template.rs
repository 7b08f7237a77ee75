//! Random templates, and texts that they match.

use std::collections::BTreeMap;

use super::tape::Tape;
use crate::oracle::value::dates::Date;

/// A piece of a template.
#[derive(Clone, Debug)]
pub enum Node {
    Text(&'static str),
    Slash,
    Star,
    AnyChar,
    /// The class as written, and a text that it takes.
    Class(&'static str, &'static str),
    /// `**/`
    Directories,
    /// `**` at the end.
    Below,
    /// What a slash at the end stands for.
    BelowSlash,
    Alternatives(Vec<Vec<Node>>),
    /// Also a repeat, and a piece of a date.
    Capture(String, Kind),
}

/// A capture's type. Expressions and lists come with what they take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Plain,
    /// The first one's text again, written without its type.
    Again,
    Int,
    IntOf(usize),
    In(&'static [&'static str]),
    Re(&'static str, &'static [&'static str]),
    Path,
    Hive,
    Date(&'static str),
    Epoch,
    EpochMs,
}

impl Kind {
    pub fn is_date(self) -> bool {
        matches!(self, Kind::Date(_) | Kind::Epoch | Kind::EpochMs)
    }

    fn is_unbounded(self) -> bool {
        matches!(self, Kind::Plain | Kind::Path | Kind::Hive)
    }

    pub fn written(self) -> String {
        match self {
            Kind::Plain | Kind::Again => String::new(),
            Kind::Int => ":int".into(),
            Kind::IntOf(digits) => format!(":int({digits})"),
            Kind::In(items) => {
                let escaped =
                    items.iter().map(|item| item.replace('\\', r"\\").replace(',', r"\,").replace(')', r"\)"));
                format!(":in({})", escaped.collect::<Vec<_>>().join(","))
            }
            Kind::Re(expression, _) => format!(":re({expression})"),
            Kind::Path => ":path".into(),
            Kind::Hive => ":hive".into(),
            Kind::Date(form) => format!(":date({form})"),
            Kind::Epoch => ":epoch".into(),
            Kind::EpochMs => ":epoch(ms)".into(),
        }
    }
}

/// What a text is filled with: one value for each name, so that repeats and pieces agree, mostly.
#[derive(Clone, Debug)]
pub struct Filling {
    texts: BTreeMap<String, String>,
    seconds: i64,
    /// The same moment, or a day that does not exist.
    date: Date,
}

/// Around midnight, leap days, and weeks that belong to another year.
const MOMENTS: &[i64] =
    &[1_704_412_800, 1_704_499_199, 1_709_164_800, 1_735_689_599, 1_609_459_199, 951_782_400, 1_609_372_800];

const WORDS: &[&str] = &[
    "a", "b", "data", "v1", "x-", "a", "b", "10", "a", "b", "data", "v1", "10", "x-", "A", "é", "s", "_h", ".h",
    "_q=1", "a b", "a+b", "100%", "[x]", "{", "d,e", "*", "\\",
];
const JOINS: &[&str] = &["-", ".", "_", "x", "=", "é", "--", ","];
const VALUES: &[&str] =
    &["a", "b", "ab", "10", "9", "a-b", "é", "x.y", "A", "1=2", "__HIVE_DEFAULT_PARTITION__", "007"];
const CLASSES: &[(&str, &str)] = &[
    ("[a-c]", "b"),
    ("[!_.x]", "a"),
    ("[^0-9]", "é"),
    ("[]a-]", "]"),
    ("[A-Z_]", "_"),
    ("[+-9]", "0"),
    ("[\\é]", "\\"),
];
const LISTS: &[&[&str]] = &[
    &["a", "b"],
    &["a", "ab", "b"],
    &["ab", "a", ""],
    &["north", "South", "é"],
    &["x,y", "z)", "\\"],
    &["p/q", "p"],
    &["1", "10", "2"],
    &["_t", ".u"],
];
const EXPRESSIONS: &[(&str, &[&str])] = &[
    ("[0-9a-f]{2}", &["0f", "a1"]),
    ("[a-z]+", &["a", "abc"]),
    ("[0-9]*", &["", "12"]),
    ("a|ab|b?", &["a", "ab", "", "b"]),
    (".+", &["a", "é b"]),
    (r"\D\w", &["ab", "-1"]),
    ("(?:x|y-)+z?", &["xz", "y-x"]),
    ("[^a]{1,3}", &["b", "é_c"]),
    (r"(?i:q)[.]", &["q.", "Q."]),
    (r"[)(]|\)", &[")", "("]),
    (r"\p{Lu}?[é\-]", &["Aé", "-"]),
    ("(?s:.)??", &["", "a"]),
];
/// The pieces of one date.
const DATES: &[&[Kind]] = &[
    &[Kind::Date("yyyy-MM-dd")],
    &[Kind::Date("yyyyMMdd")],
    &[Kind::Date("yyyy/MM/dd")],
    &[Kind::Date("year=yyyy/month=M/day=d")],
    &[Kind::Date("yyyy"), Kind::Date("MM"), Kind::Date("dd")],
    &[Kind::Date("yyyy/MM/dd"), Kind::Date("yyyyMMdd_HHmmss")],
    &[Kind::Date("yyyyMMddTHHmmssZ")],
    &[Kind::Date("yyyy-M-d H")],
    &[Kind::Date("yyyy/MM"), Kind::Date("dd_HH")],
    &[Kind::Date("yyyyMM")],
    &[Kind::Date("yyyy")],
    &[Kind::Date("ddMMMyy")],
    &[Kind::Date("d MMMM yyyy")],
    &[Kind::Date("yyyy-DDD")],
    &[Kind::Date("YYYY-Www")],
    &[Kind::Date("YYYYww"), Kind::Date("yyyy")],
    &[Kind::Date("yyyyQq")],
    &[Kind::Date("yyyyq"), Kind::Date("MM")],
    &[Kind::Date("MM-dd")],
    &[Kind::Date("HH")],
    &[Kind::Date("H.m.s")],
    &[Kind::Date("HHmmssSSS")],
    &[Kind::Date("q")],
    &[Kind::Epoch],
    &[Kind::EpochMs],
    &[Kind::Date("yyyy-MM-dd"), Kind::EpochMs],
    &[Kind::Date(r"\d=d_\m=M_yyyy")],
    &[Kind::Date("yyyyMMdd"), Kind::Date("yyyyMMdd")],
];
const TEXT_NAMES: &[&str] = &["x", "y", "z", "v"];
const DATE_NAMES: &[&str] = &["ts", "day", "w"];

/// What is known while a template is made.
#[derive(Clone, Default)]
struct Scope {
    /// Names captured so far, and whether they may be repeated.
    known: Vec<(String, Kind, bool)>,
    /// Pieces of dates that have begun and are not whole yet.
    owed: Vec<(String, Kind)>,
    within: usize,
}

/// A template without its scheme, from `bucket/` on; `ends_in_slash` asks for `…/`.
pub fn template(tape: &mut Tape<'_>, ends_in_slash: bool) -> Vec<Node> {
    let mut scope = Scope::default();
    let mut nodes = bucket(tape);
    nodes.push(Node::Slash);
    for _ in tape.count(0, 3) {
        component(tape, &mut scope, &mut nodes);
    }
    if ends_in_slash || scope.owed.is_empty() && tape.percent(15) {
        nodes.retain(|node| !matches!(node, Node::Capture(name, _) if scope.owed.iter().any(|(owed, _)| owed == name)));
        nodes.push(if ends_in_slash || tape.percent(50) { Node::BelowSlash } else { Node::Below });
        return nodes;
    }
    for (name, kind) in std::mem::take(&mut scope.owed) {
        nodes.extend([Node::Capture(name, kind), Node::Text(tape.one(&["-", "_", ".", "x"]))]);
    }
    if tape.percent(10) && matches!(nodes.last(), Some(Node::Slash)) {
        let name = fresh(tape, &scope, TEXT_NAMES);
        nodes.push(Node::Capture(name, Kind::Path));
        return nodes;
    }
    atoms(tape, &mut scope, &mut nodes, 3);
    if tape.percent(60) {
        nodes.push(Node::Text(tape.one(&[".csv", ".csv.gz", "", "-1"])));
    }
    if tape.percent(10) {
        nodes.push(Node::Alternatives(vec![vec![Node::Text(".csv")], vec![Node::Text(".json")], vec![]]));
    }
    nodes
}

fn bucket(tape: &mut Tape<'_>) -> Vec<Node> {
    match tape.below(10) {
        8 => vec![Node::Alternatives(vec![vec![Node::Text("b")], vec![Node::Text("two")]])],
        9 => vec![Node::Capture(tape.one(&["_", "bk"]).into(), Kind::In(&["b", "two"]))],
        _ => vec![Node::Text("b")],
    }
}

/// A component and the slash behind it.
fn component(tape: &mut Tape<'_>, scope: &mut Scope, nodes: &mut Vec<Node>) {
    match tape.below(20) {
        0..5 => nodes.push(Node::Text(tape.one(WORDS))),
        5..8 => {
            let name = fresh(tape, scope, TEXT_NAMES);
            scope.known.push((name.clone(), Kind::Plain, true));
            nodes.push(Node::Capture(name, Kind::Plain));
        }
        8..10 => {
            let name = fresh(tape, scope, TEXT_NAMES);
            nodes.push(Node::Text(tape.one(&["k=", "p=", ""])));
            scope.known.push((name.clone(), Kind::Hive, true));
            nodes.push(Node::Capture(name, Kind::Hive));
        }
        10..13 => date(tape, scope, nodes),
        13 => return nodes.push(Node::Directories),
        14 => {
            let name = fresh(tape, scope, TEXT_NAMES);
            scope.known.push((name.clone(), Kind::Path, true));
            nodes.push(Node::Capture(name, Kind::Path));
        }
        15 => nodes.push(Node::Star),
        16 if scope.within < 2 => {
            // Whole components in each branch, none too.
            let branches = alternatives(tape, scope, |tape, scope, branch| {
                for _ in tape.count(0, 2) {
                    component(tape, scope, branch);
                }
            });
            return nodes.push(Node::Alternatives(branches));
        }
        _ => atoms(tape, scope, nodes, 4),
    }
    nodes.push(Node::Slash);
}

/// A sequence within one component.
fn atoms(tape: &mut Tape<'_>, scope: &mut Scope, nodes: &mut Vec<Node>, most: usize) {
    for _ in tape.count(1, most) {
        let after_unbounded = matches!(nodes.last(), Some(Node::Capture(_, kind)) if kind.is_unbounded());
        if after_unbounded {
            nodes.push(Node::Text(tape.one(JOINS)));
        }
        match tape.below(20) {
            0..4 => nodes.push(Node::Text(tape.one(WORDS))),
            4..6 => nodes.push(Node::Star),
            6 => nodes.push(Node::AnyChar),
            7 => {
                let (class, taken) = tape.one(CLASSES);
                nodes.push(Node::Class(class, taken));
            }
            8..10 => date(tape, scope, nodes),
            10 if scope.within < 2 => {
                let branches = alternatives(tape, scope, |tape, scope, branch| match tape.below(4) {
                    0 => {}
                    1 => branch.push(Node::Text(tape.one(WORDS))),
                    _ => atoms(tape, scope, branch, 2),
                });
                nodes.extend([Node::Alternatives(branches), Node::Text(tape.one(JOINS))]);
            }
            11..13 => {
                let repeatable: Vec<_> = scope.known.iter().filter(|(.., repeats)| *repeats).cloned().collect();
                if !repeatable.is_empty() {
                    let (name, kind, _) = &repeatable[tape.below(repeatable.len())];
                    let written = if tape.percent(30) && !kind.is_date() { *kind } else { Kind::Again };
                    nodes.push(Node::Capture(name.clone(), if kind.is_unbounded() { Kind::Again } else { written }));
                }
            }
            _ => typed(tape, scope, nodes),
        }
    }
}

fn typed(tape: &mut Tape<'_>, scope: &mut Scope, nodes: &mut Vec<Node>) {
    let kind = match tape.below(12) {
        0..3 => Kind::Int,
        3 => Kind::IntOf(1 + tape.below(3)),
        4..6 => Kind::In(tape.one(LISTS)),
        6..9 => {
            let (expression, taken) = tape.one(EXPRESSIONS);
            Kind::Re(expression, taken)
        }
        9 => Kind::Hive,
        _ => Kind::Plain,
    };
    let name = if tape.percent(20) { "_".to_owned() } else { fresh(tape, scope, TEXT_NAMES) };
    if name != "_" {
        scope.known.push((name.clone(), kind, !kind.is_unbounded()));
    }
    nodes.push(Node::Capture(name, kind));
}

fn date(tape: &mut Tape<'_>, scope: &mut Scope, nodes: &mut Vec<Node>) {
    if let Some((name, kind)) = scope.owed.pop() {
        return nodes.push(Node::Capture(name, kind));
    }
    let pieces = tape.one(DATES);
    // In alternatives a date is whole at once.
    let pieces = if scope.within > 0 { &pieces[..1] } else { pieces };
    let name = if tape.percent(10) { "_".to_owned() } else { fresh(tape, scope, DATE_NAMES) };
    nodes.push(Node::Capture(name.clone(), pieces[0]));
    if name != "_" {
        scope.known.push((name.clone(), pieces[0], false));
        scope.owed.extend(pieces[1..].iter().rev().map(|kind| (name.clone(), *kind)));
    }
}

fn alternatives(
    tape: &mut Tape<'_>,
    scope: &mut Scope,
    mut branch: impl FnMut(&mut Tape<'_>, &mut Scope, &mut Vec<Node>),
) -> Vec<Vec<Node>> {
    let before = scope.known.len();
    let owed = std::mem::take(&mut scope.owed);
    scope.within += 1;
    let mut branches = Vec::new();
    let mut all = scope.known.clone();
    for _ in tape.count(2, 3) {
        let mut own = scope.clone();
        let mut nodes = Vec::new();
        branch(tape, &mut own, &mut nodes);
        all.extend(own.known.drain(before..));
        branches.push(nodes);
    }
    scope.within -= 1;
    // What stood in the branches may be repeated only if it was of a fixed class in each.
    let fixed = |kind: Kind| !kind.is_unbounded() && !kind.is_date();
    all[before..].iter_mut().for_each(|(_, kind, repeats)| *repeats = fixed(*kind));
    scope.known = all;
    scope.owed = owed;
    branches
}

/// A name that is not taken on the way here, if there is one left.
fn fresh(tape: &mut Tape<'_>, scope: &Scope, names: &[&str]) -> String {
    let free: Vec<&&str> = names.iter().filter(|name| scope.known.iter().all(|(known, ..)| known != **name)).collect();
    if free.is_empty() { "_".to_owned() } else { free[tape.below(free.len())].to_string() }
}

/// The template as written.
pub fn written(nodes: &[Node]) -> String {
    fn write(nodes: &[Node], within: bool, out: &mut String) {
        for node in nodes {
            match node {
                Node::Text(text) => {
                    for c in text.chars() {
                        if matches!(c, '\\' | '*' | '?' | '[' | '{' | '}') || within && c == ',' {
                            out.push('\\');
                        }
                        out.push(c);
                    }
                }
                Node::Slash => out.push('/'),
                Node::Star => out.push('*'),
                Node::AnyChar => out.push('?'),
                Node::Class(class, _) => out.push_str(class),
                Node::Directories => out.push_str("**/"),
                Node::Below => out.push_str("**"),
                Node::BelowSlash => {}
                Node::Alternatives(branches) => {
                    for (i, branch) in branches.iter().enumerate() {
                        out.push(if i == 0 { '{' } else { ',' });
                        write(branch, true, out);
                    }
                    out.push('}');
                }
                Node::Capture(name, kind) => *out += &format!("{{{name}{}}}", kind.written()),
            }
        }
    }
    let mut out = String::new();
    write(nodes, false, &mut out);
    out
}

/// Every name with its first type, in the order of the text.
pub fn names(nodes: &[Node]) -> Vec<(String, Kind)> {
    fn find(nodes: &[Node], found: &mut Vec<(String, Kind)>) {
        for node in nodes {
            match node {
                Node::Capture(name, kind) if name != "_" && found.iter().all(|(known, _)| known != name) => {
                    found.push((name.clone(), *kind));
                }
                Node::Alternatives(branches) => branches.iter().for_each(|branch| find(branch, found)),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    find(nodes, &mut found);
    found
}

/// Throws a name away, wherever it stands, unless it stands twice.
pub fn discard(nodes: &mut [Node], name: &str) {
    for node in nodes {
        match node {
            Node::Capture(own, _) if own == name => *own = "_".to_owned(),
            Node::Alternatives(branches) => branches.iter_mut().for_each(|branch| discard(branch, name)),
            _ => {}
        }
    }
}

/// How often a name stands there.
pub fn uses(nodes: &[Node], name: &str) -> usize {
    let of = |node: &Node| match node {
        Node::Capture(own, _) => usize::from(own == name),
        Node::Alternatives(branches) => branches.iter().map(|branch| uses(branch, name)).sum(),
        _ => 0,
    };
    nodes.iter().map(of).sum()
}

/// A text that the template takes, as far as its pieces do not get in each other's way.
pub fn fill(nodes: &[Node], tape: &mut Tape<'_>, filling: &mut Filling) -> String {
    let mut out = String::new();
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Slash => out.push('/'),
            Node::Star => out.push_str(tape.one(&["a", "b", "", "b-c", "é", "1=2", "_x"])),
            Node::AnyChar => out.push_str(tape.one(&["a", "1", "é", "-", "_"])),
            Node::Class(_, taken) => out.push_str(taken),
            Node::Directories => out.push_str(tape.one(&["", "a/", "b/", "a/b/", "/", "_q=1/", "", "_h/"])),
            Node::Below | Node::BelowSlash => {
                out.push_str(tape.one(&["a", "a/b.csv", "b", "c.csv", "/c", "_q=1/d", "e/_f", ""]))
            }
            Node::Alternatives(branches) => {
                let branch = &branches[tape.below(branches.len())];
                out += &fill(branch, tape, filling);
            }
            Node::Capture(name, kind) => out += &filling.value(name, *kind, tape),
        }
    }
    out
}

impl Filling {
    pub fn new(tape: &mut Tape<'_>) -> Filling {
        let seconds = tape.one(MOMENTS);
        let mut date = Date::from_epoch(seconds);
        if tape.percent(12) {
            (date.month, date.day) = (Some(tape.one(&[2, 4, 12])), Some(tape.one(&[29, 30, 31])));
        }
        Filling { texts: BTreeMap::new(), seconds, date }
    }

    fn value(&mut self, name: &str, kind: Kind, tape: &mut Tape<'_>) -> String {
        match kind {
            Kind::Date(form) if tape.percent(4) => return Date::from_epoch(tape.one(MOMENTS)).format(form),
            Kind::Date(form) => return self.date.format(form),
            Kind::Epoch => return self.seconds.to_string(),
            Kind::EpochMs => return (self.seconds * 1000 + 7).to_string(),
            _ => {}
        }
        if let Some(known) = self.texts.get(name).filter(|_| name != "_") {
            return known.clone();
        }
        let text = match kind {
            Kind::Int => tape.one(&["1", "9", "10", "007", "300", "123456789012345678901"]).to_owned(),
            Kind::IntOf(digits) => tape.one(&["123", "009", "450"])[..digits].to_owned(),
            Kind::In(items) => tape.one(items).to_owned(),
            Kind::Re(_, taken) => tape.one(taken).to_owned(),
            Kind::Path => tape.one(&["a", "a/b", "p/q/r", "é/x"]).to_owned(),
            Kind::Hive => {
                tape.one(&["a%2Fb", "a", "%zz%", "__HIVE_DEFAULT_PARTITION__", "%C3%a9", "100%25", "a b"]).to_owned()
            }
            _ => tape.one(VALUES).to_owned(),
        };
        self.texts.insert(name.to_owned(), text.clone());
        text
    }
}
