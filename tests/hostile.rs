//! Rule files that nobody would write: huge ones, deep ones, broken ones. None panics, none takes long, and whatever is said
//! of them fits a terminal.

use std::path::Path;
use std::time::{Duration, Instant};

use restitch::error::{Error, ErrorKind};
use restitch::map::shadow::shadowed;
use restitch::rules::diagnostic::{Lines, render};
use restitch::rules::excerpt::{WIDTH, columns};
use restitch::rules::{Loaded, load};

/// Far more than each takes, and far less than anything quadratic would.
const LIMIT: Duration = Duration::from_secs(60);

fn read(text: &str) -> Loaded {
    let no_file = |_: &Path| Err(Error::new(ErrorKind::NotFound, "it is not there"));
    load(text, Path::new("restitch.toml"), Path::new("/rules"), &no_file)
}

/// Reads a file, and renders what is said of it as `restitch check` does.
fn check(text: &str) -> Loaded {
    let loaded = read(text);
    let lines = Lines::new(text);
    for diagnostic in loaded.diagnostics.iter().take(1_000) {
        let span = diagnostic.span.clone();
        assert!(text.get(span.clone()).is_some(), "{span:?} is no part of the file: {diagnostic:?}");
        for line in render(diagnostic, Path::new("restitch.toml"), &lines, false).lines() {
            // What is to be pasted stays whole.
            assert!(line.starts_with("        ") || columns(line) <= WIDTH, "{line}");
        }
    }
    loaded
}

fn rule(template: &str) -> String {
    format!("[table.t]\npartitioned_by = ['x string']\nset = {{ x = 'x' }}\n[[table.t.rule]]\nmatch = '{template}'\n")
}

fn many(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

#[test]
fn huge_and_deep_files_are_read_in_time() {
    let table = "[table.t]\npartitioned_by = ['x string']\n";
    let cases: Vec<(&str, String)> = vec![
        ("a template of a megabyte", rule(&format!("s3://b/{}", "a".repeat(1_000_000)))),
        (
            "a template of thousands of holes",
            rule(&format!("s3://b/x/{}", many(8_000, |i| format!("{{_:int}}-a{i}/")))),
        ),
        ("braces that never close", rule(&format!("s3://b/x/{}", "{".repeat(100_000)))),
        ("braces that one closes", rule(&format!("s3://b/x/{}}}", "{".repeat(20_000)))),
        ("braces in braces", rule(&format!("s3://b/x/{}b{}", "{a,".repeat(20_000), "}".repeat(20_000)))),
        ("thousands of mistakes in a line", rule(&format!("s3://b/x/{}", "{a-b}/".repeat(20_000)))),
        ("groups in groups", rule(&format!("s3://b/x/{{_:re({}a{})}}", "(?:".repeat(5_000), ")".repeat(5_000)))),
        ("stars", rule(&format!("s3://b/{}x", "**/".repeat(10_000)))),
        ("a long list", rule(&format!("s3://b/{{_:in({})}}/*", many(50_000, |i| format!("v{i},"))))),
        ("rules", table.to_owned() + &many(3_000, |i| format!("[[table.t.rule]]\nmatch = 's3://b/f{i}/{{x}}/*'\n"))),
        (
            "rules in one folder",
            table.to_owned() + &many(300, |i| format!("[[table.t.rule]]\nmatch = 's3://b/{{x}}/{i}-*'\n")),
        ),
        (
            "tables",
            "[defaults]\nlocation = 's3://m/{table}/'\n".to_owned()
                + &many(3_000, |i| format!("[table.t{i}]\n[[table.t{i}.rule]]\nmatch = 's3://b/f{i}/*'\n")),
        ),
        (
            "tables in one place",
            "[defaults]\nlocation = 's3://m/'\n".to_owned()
                + &many(3_000, |i| format!("[table.t{i}]\n[[table.t{i}.rule]]\nmatch = 's3://b/f{i}/*'\n")),
        ),
        ("unknown keys", table.to_owned() + &many(50_000, |i| format!("key{i} = 1\n"))),
        ("broken lines", table.to_owned() + &many(50_000, |i| format!("key{i} = abc\n"))),
        ("open lists", many(5_000, |i| format!("[table.t{i}]\nx = ['\n"))),
        ("lists in lists", format!("a = {}", "[".repeat(100_000))),
        ("tables in tables", format!("a = {}", "{a=".repeat(100_000))),
        ("quotes", "'".repeat(1_000_000)),
        ("columns", format!("[table.t]\ncolumns = [{}]\n", "'a int',".repeat(50_000))),
        ("a comment", format!("#{}\n{}", "x".repeat(10_000_000), rule("s3://b/x/*"))),
    ];
    for (what, text) in cases {
        let start = Instant::now();
        let loaded = check(&text);
        loaded.rules.iter().for_each(|rules| drop(shadowed(rules)));
        assert!(start.elapsed() < LIMIT, "{what}: {:?}", start.elapsed());
    }
}

/// A generator that says the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// Real rule files with one thing or two taken out, put in or doubled.
#[test]
fn broken_files_are_told_and_never_panic() {
    const ODD: &[&str] = &[
        "{", "}", "[", "]", "'", "\"", "=", "#", "\\", "\n", ",", "*", "/", "(", ")", "|", ":", ".", "é", "日",
        "\u{1b}", "\t", "\r\n", "{x}", "**", "'''", "[[", "s3a://", "date(", "\u{202e}", "0", " ",
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let files = ["corpus", "check"].iter().flat_map(|name| std::fs::read_dir(folder.join(name)).expect("it is there"));
    let mut files: Vec<_> = files.map(|entry| entry.expect("it is readable").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    let mut random = Random(7);
    let mut with_errors = 0;
    for path in &files {
        let text = std::fs::read_to_string(path).expect("it is text");
        for _ in 0..30 {
            let mut broken = text.clone();
            for _ in 0..=random.below(2) {
                let starts: Vec<usize> = broken.char_indices().map(|(at, _)| at).collect();
                if starts.is_empty() {
                    continue;
                }
                let at = starts[random.below(starts.len())];
                match random.below(3) {
                    0 => drop(broken.remove(at)),
                    1 => broken.insert_str(at, ODD[random.below(ODD.len())]),
                    _ => {
                        let rest: String = broken[at..].chars().take(1 + random.below(40)).collect();
                        broken.replace_range(at..at + rest.len(), if random.below(2) == 0 { "" } else { "x" });
                    }
                }
            }
            let loaded = check(&broken);
            with_errors += usize::from(loaded.rules.is_none());
            assert_eq!(loaded.rules.is_none(), loaded.sound.is_some());
        }
    }
    assert!(with_errors > files.len() * 10, "only {with_errors} were errors");
}
