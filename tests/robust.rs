//! Whatever stands in a rule file or in a key: nothing panics, what is told has a place in the text, and what is printed
//! reads back the same.

mod generate;
mod oracle;
mod program;

use std::path::Path;

use generate::{Case, case};
use oracle::Object;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use restitch::plan::manifest::Shape;
use restitch::rules::diagnostic::{Lines, render};
use restitch::rules::template::Template;
use restitch::uri::Uri;
use restitch::value::{PartitionType, PartitionValue, hive_escape, hive_unescape};

/// Cases of each property, if `PROPTEST_CASES` does not say otherwise.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(10_000);
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 3_000, ..ProptestConfig::default() }
}

/// What templates are made of, and what they are not.
const PIECES: &[&str] = &[
    "s3://",
    "b",
    "/",
    "/",
    "a",
    "{",
    "}",
    "{x}",
    "{x:",
    "int",
    "int(2)",
    "in(",
    "re(",
    "path}",
    "hive}",
    "date(yyyy-MM-dd)}",
    "date(",
    "epoch(ms)}",
    ")",
    "(",
    "*",
    "**",
    "**/",
    "?",
    "[",
    "]",
    "[!a-c]",
    "[]",
    ",",
    "\\",
    "{a,b}",
    "{_}",
    "{_:int}",
    "|",
    ".",
    "_",
    "é",
    "\u{1f984}",
    "\n",
    "\0",
    "yyyy",
    "MM",
    "d",
    "q",
    "T",
    "-",
    "[^/",
    "\\d",
    "(?:",
    "(?i)",
    "{1,3}",
    "{300}",
    "+",
    "&&",
    "file:///",
    "lakefs://",
    "s3a://",
];

/// A text of pieces, some of them cut anywhere.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![8 => prop::sample::select(PIECES).prop_map(str::to_owned), 1 => ".{0,3}"];
    (any::<bool>(), prop::collection::vec(piece, 0..14))
        .prop_map(|(is_whole, pieces)| if is_whole { format!("s3://b/{}", pieces.concat()) } else { pieces.concat() })
}

/// A rule file that was right, with some of its text replaced, and the listing that was made for it.
fn broken_file() -> impl Strategy<Value = Case> {
    let word = prop_oneof![
        4 => prop::sample::select(vec![
            "", "'", "\"", "=", "[", "]", "[[", "{", "}", "\n", "#", ",", "\\", "'''", "\"\"\"", "true", "1e9", "1979-05-27T07:32:00Z", "table", "rule",
            "[table.t0]\n", "match = ", "\r", "\u{feff}", "é", "\0", "pick = 3\n", "[defaults]\n", "set = { x = 1 }\n", "format = { type = 'csv', delimiter = '' }\n",
            "ddl = 'x.sql'\n", "columns = ['a int', 'a']\n", "[[listing]]\nprefix = 's3://b'\n", "layout = '{x}-{y}/'\n", "[removed]\na = 'b'\n", "engine = ['trino:9']\n",
        ]).prop_map(str::to_owned),
        1 => ".{0,4}",
    ];
    let change = (any::<prop::sample::Index>(), 0..12usize, word);
    (prop::collection::vec(any::<u32>(), 300..600), prop::collection::vec(change, 1..5)).prop_map(|(words, changes)| {
        let Case { rules: mut text, objects } = case(&words);
        for (at, len, word) in changes {
            let boundaries: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let start = at.index(boundaries.len());
            let end = (start + len).min(boundaries.len() - 1);
            text.replace_range(boundaries[start]..boundaries[end], &word);
        }
        Case { rules: text, objects }
    })
}

/// Reads a file as `check` would, shows all that is told of it, and maps what it can.
fn read(text: &str, objects: &[Object]) {
    let loaded = program::read(text);
    let lines = Lines::new(text);
    for one in &loaded.diagnostics {
        assert!(text.get(one.span.clone()).is_some(), "{one:?} has no place in\n{text}");
        assert!(!one.message.is_empty());
        render(one, Path::new("restitch.toml"), &lines, false);
    }
    let errors = loaded.diagnostics.iter().filter(|one| one.severity == restitch::rules::Severity::Error);
    assert_eq!(loaded.rules.is_none(), errors.count() > 0, "{text}");
    if let Some(rules) = loaded.rules {
        program::failure(&rules, objects);
    }
}

/// Texts with everything that escaping is about.
fn value() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "a",
            "=",
            "/",
            "%",
            "%2F",
            "%zz",
            "__HIVE_DEFAULT_PARTITION__",
            " ",
            "é",
            "\u{1}",
            "\u{7f}",
            "\u{1f984}",
            ".",
            "{",
            "}",
            ":",
            "-",
            "+"
        ])
        .prop_map(str::to_owned),
        ".{0,2}",
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_template_panics_and_what_is_printed_reads_back(text in pieces()) {
        match Template::parse(&text) {
            Err(errors) => {
                prop_assert!(!errors.is_empty());
                for error in errors {
                    prop_assert!(text.get(error.span.clone()).is_some(), "{:?}", error);
                }
            }
            Ok(template) => {
                let printed = template.to_string();
                let again = Template::parse(&printed);
                prop_assert_eq!(again.as_ref(), Ok(&template), "{}", printed);
                prop_assert_eq!(again.unwrap().to_string(), printed);
                for ignore_case in [false, true] {
                    let expression = template.expression(ignore_case);
                    prop_assert!(fancy_regex::Regex::new(&expression.text).is_ok(), "{}", expression.text);
                    template.literal_prefixes(ignore_case);
                }
                template.captures();
            }
        }
    }

    #[test]
    fn no_rule_file_panics_and_every_mistake_has_its_place(case in broken_file()) {
        read(&case.rules, &case.objects);
    }

    #[test]
    fn no_text_at_all_panics(text in ".{0,60}") {
        read(&text, &[]);
    }

    #[test]
    fn hive_values_read_back(text in value()) {
        let escaped = hive_escape(&text);
        prop_assert_eq!(hive_unescape(&escaped), Some(text.as_str().into()));
        prop_assert!(!escaped.contains('/') && !escaped.contains('='));
        hive_unescape(&text);
    }

    #[test]
    fn values_read_back_from_the_keys_of_their_manifests(
        values in prop::collection::vec(value(), 3),
        layout in prop::sample::select(vec!["", "layout = '{c}/{a}/{b}/'", "layout = 'x/{a}-{b}/y{c}/'", "layout = '{a}.{b}.{c}/'"]),
        number in any::<Option<i16>>(),
    ) {
        let text = format!("[table.t]\npartitioned_by = ['a string', 'b int', 'c varchar(9)']\n{layout}\n[[table.t.rule]]\nmatch = 's3://b/{{a}}/{{b}}/{{c}}'\n");
        let rules = program::read(&text).rules.unwrap();
        let shape = Shape::of(&rules.tables[0]);
        let location = Uri::parse("s3://k/t/").unwrap();
        let int = number.map_or(PartitionValue::NULL, |n| PartitionType::parse("int").value(&n.to_string()).unwrap());
        let values = [PartitionValue::new(&values[0]), int, PartitionValue::new(&values[2])];
        // What would not read back is refused.
        if let Ok(key) = shape.key(&location, &values) {
            prop_assert_eq!(shape.values(&key), Some(values.to_vec()), "{}", key);
        }
    }
}

/// The property on templates says something only if enough of them are some.
#[test]
fn enough_random_texts_are_templates() {
    let mut runner = TestRunner::deterministic();
    let texts = (0..1000).map(|_| pieces().new_tree(&mut runner).unwrap().current());
    let parsed = texts.filter(|text| Template::parse(text).is_ok()).count();
    assert!(parsed > 100, "{parsed}");
}

/// Each is as bad as its kind can be: without repeats a match costs at most the template's length times the key's, with
/// them it is given up in time, and says so.
#[test]
fn no_template_takes_forever() {
    let a = "a".repeat(500);
    for (template, key, decides) in [
        ("**/**/**/**/**/**/c", "a/".repeat(500), true),
        ("{_:re((?:(?:a*)*)*)}{_:re((?:a|a|aa)+)}b", a.clone(), true),
        ("{_:re((?:a?){300}a{300})}b", a.clone(), true),
        ("*a*a*a*a*a*a*a*a*a*a*a*a*b", a.clone(), true),
        ("{a,aa}{a,aa}{a,aa}{a,aa}{a,aa}*{a,aa}*{a,aa}*b", a.clone(), true),
        ("**/{x}/**/{y}/**/{x}/**/{y}/c", "a/".repeat(500), true),
        ("{x:re(a+)}*{x}*{x}*{x}*c", a.clone(), true),
        ("*{x:re(a+)}*{y:re(a+)}*{z:re(a+)}*{x}*{y}*{z}c", a.clone(), false),
    ] {
        let columns = ["x", "y", "z"].into_iter().filter(|name| template.contains(&format!("{{{name}")));
        let columns: Vec<String> = columns.map(|name| format!("'{name} string'")).collect();
        let rules = format!(
            "[table.t]\npartitioned_by = [{}]\n[[table.t.rule]]\nmatch = 's3://k/{template}'\n",
            columns.join(",")
        );
        let rules = program::read(&rules).rules.unwrap_or_else(|| panic!("{template}"));
        let object = Object { uri: format!("s3://k/{key}x"), ..Object::default() };
        let began = std::time::Instant::now();
        let failure = program::failure(&rules, &[object]);
        assert!(began.elapsed().as_secs() < 60, "{template}");
        match failure {
            None => assert!(decides, "{template}"),
            Some(error) => {
                assert!(!decides, "{template}: {error:?}");
                assert!(error.message().contains("repeats captures in too many ways"), "{error:?}");
            }
        }
    }
}
