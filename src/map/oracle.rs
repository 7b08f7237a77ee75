//! The matcher held against the plain reading of the language: `fancy-regex` on the template's own expression.
//! Random templates, and keys made so that they nearly match.

use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::backtrack::{Scratch, UNSET};
use super::code::Code;
use super::page::{Object, PageBuilder};
use super::pattern::{RulePattern, plain};
use super::values::{Captured, Misread, Read, names};
use super::{Mapper, Program, Sink, Taken, Why};
use crate::rules::date::DatePieces;
use crate::rules::table::{Claim, Column, Layout, Limits, LineKind, Matcher, Rule, Rules, Skip, Table, ValueSource};
use crate::rules::template::{GroupKind, Template, TemplateExpression};
use crate::uri::{Bucket, Scheme};
use crate::value::{PartitionValue, hive_unescape};

/// What a match binds: every name with its value, NULL where nothing was taken.
type Bound = Vec<(String, Option<String>)>;

/// By `fancy-regex`: no match, why it is none after all (`Err`), or what is bound. Where it backtracks without end, as the program must
/// not, it says nothing: such a case is rejected.
fn by_expression(
    template: &Template,
    ignore_case: bool,
    text: &str,
) -> Result<Option<Result<Bound, Why>>, TestCaseError> {
    let expression = template.expression(ignore_case);
    let regex = fancy_regex::RegexBuilder::new(&expression.text).backtrack_limit(5_000_000).build().unwrap();
    let found = regex.captures(text).map_err(|gave_up| TestCaseError::reject(gave_up.to_string()))?;
    Ok(found.map(|found| bound_by_expression(&expression, &found)))
}

fn bound_by_expression(expression: &TemplateExpression, found: &fancy_regex::Captures<'_, str>) -> Result<Bound, Why> {
    let mut bound: Bound = Vec::new();
    let mut dates: Vec<(Option<String>, usize, DatePieces, bool)> = Vec::new();
    for (number, group) in (1..).zip(&expression.groups) {
        let taken = found.get(number).map(|taken| taken.as_str());
        if let GroupKind::Text | GroupKind::Hive = group.kind {
            let Some(name) = group.name.clone() else { continue };
            match bound.iter_mut().find(|known| known.0 == name) {
                Some(known) => known.1 = known.1.take().or(taken.map(str::to_owned)),
                None => bound.push((name, taken.map(str::to_owned))),
            }
            continue;
        }
        let same = |date: &(Option<String>, usize, DatePieces, bool)| match &group.name {
            Some(_) => date.0 == group.name,
            None => date.0.is_none() && date.1 == group.capture,
        };
        let at = dates.iter().position(same).unwrap_or_else(|| {
            dates.push((group.name.clone(), group.capture, DatePieces::default(), false));
            dates.len() - 1
        });
        let Some(taken) = taken else { continue };
        dates[at].3 = true;
        match group.kind {
            GroupKind::Field(field) => {
                let readings = field.readings(taken.as_bytes());
                let whole = readings.into_iter().flatten().find(|reading| usize::from(reading.len) == taken.len());
                dates[at].2.add(field, whole.unwrap().value);
            }
            GroupKind::EpochMs => dates[at].2.add_epoch(taken.parse::<i64>().unwrap() / 1000),
            _ => dates[at].2.add_epoch(taken.parse().unwrap()),
        }
    }
    for (name, _, pieces, said) in dates {
        match (name, pieces.finish()) {
            (_, None) => return Err(Why::BadDate),
            (Some(name), Some(date)) => bound.push((name, said.then(|| date.value()))),
            (None, Some(_)) => {}
        }
    }
    let mut hive = (1..).zip(&expression.groups).filter(|(_, group)| group.kind == GroupKind::Hive);
    if hive.any(|(number, _)| found.get(number).is_some_and(|taken| hive_unescape(taken.as_str()).is_none())) {
        return Err(Why::BadValue);
    }
    bound.sort();
    Ok(bound)
}

/// By the compiled program's general matcher.
fn by_program(template: &Template, ignore_case: bool, text: &str) -> Option<Result<Bound, Why>> {
    let pattern = RulePattern::of_template(template, ignore_case);
    let code = Code::new(&plain(&pattern.parts), &[]);
    let mut slots = vec![UNSET; pattern.slots as usize];
    if !Scratch::default().first(&code, text.as_bytes(), 0, &mut slots).unwrap() {
        return None;
    }
    Some(bound(&pattern, text, &slots))
}

fn bound(pattern: &RulePattern, text: &str, slots: &[u32]) -> Result<Bound, Why> {
    let names = names(pattern);
    let captured = Captured { bucket: "", key: text, slots };
    let mut read = Read::default();
    read.captures(pattern, &names, &captured, None).map_err(Misread::why)?;
    let kept = names.iter().filter(|name| name.name != "_");
    let mut bound: Bound = kept
        .map(|name| {
            let value = match name.date {
                Some(date) => read.dates()[date as usize].map(|date| date.value()),
                None => name.captures.iter().find_map(|capture| captured.text(*capture)).map(str::to_owned),
            };
            (name.name.clone(), value)
        })
        .collect();
    bound.sort();
    Ok(bound)
}

/// A rule file of one table with one rule, with a column for every name that the template binds.
fn rules(template: &Template, ignore_case: bool) -> Rules {
    let mut names: Vec<String> = template.captures().iter().map(|capture| capture.name.to_owned()).collect();
    names.sort();
    let column = |name: &String| Column { name: name.clone(), ddl_type: "string".into(), comment: None };
    let rule = Rule {
        number: 1,
        line: 1,
        matcher: Matcher::Template(template.clone()),
        ignore_case,
        values: names.iter().cloned().map(ValueSource::Capture).collect(),
        conditions: Vec::new(),
        exclude: Vec::new(),
        done: None,
        line_kind: LineKind::Object,
    };
    let table = Table {
        name: "t".into(),
        line: 1,
        location: None,
        lies_by_name: false,
        engines: Vec::new(),
        columns: Vec::new(),
        partitioned_by: names.iter().map(column).collect(),
        comment: None,
        format: None,
        properties: Vec::new(),
        ddl: None,
        like: None,
        layout: Layout { parts: Vec::new(), custom: false },
        partitions: Default::default(),
        catalog: None,
        publish: Default::default(),
        accept_moves: false,
        append_only: false,
        on_trap: Default::default(),
        strict_values: false,
        limits: Limits::default(),
        skip: Skip { markers: false, hidden: false, folder: false, empty: false, archived: false },
        exclude: Vec::new(),
        pick: Vec::new(),
        rules: vec![rule],
        lookups: Vec::new(),
        tests: Vec::new(),
    };
    Rules {
        path: "restitch.toml".into(),
        project: None,
        claim: Claim::Every,
        lookups: Vec::new(),
        listings: Vec::new(),
        tables: vec![table],
        catalog: None,
        removed: Vec::new(),
    }
}

/// What the mapper says of one key, in the same form: the values of the partition, or why not.
type Mapped = Result<Vec<PartitionValue>, Why>;

/// Maps keys of bucket `k`, in this order, by the whole program: directories, base names and all.
fn by_mapper(template: &Template, ignore_case: bool, texts: &[&str]) -> Vec<Mapped> {
    struct Said(Vec<Result<Taken, Why>>);
    impl Sink for Said {
        fn take(&mut self, _: &Object<'_>, taken: Taken) {
            self.0.push(Ok(taken));
        }
        fn leave(&mut self, _: &Object<'_>, why: Why) {
            self.0.push(Err(why));
        }
    }
    let program = Program::new(&rules(template, ignore_case));
    let mut mapper = Mapper::new(&program);
    let bucket = Bucket::new(Scheme::S3, "k");
    let mut page = PageBuilder::new(bucket.clone());
    for text in texts {
        let key = text.strip_prefix("k/").unwrap();
        page.push(&Object::bare(&bucket, key));
    }
    let mut said = Said(Vec::new());
    mapper.page(&page.finish(), &mut said).unwrap();
    mapper.finish(&mut said).unwrap();
    let values = |taken: Taken| mapper.partition(taken.partition).1.to_vec();
    said.0.into_iter().map(|said| said.map(values)).collect()
}

/// The same by the expression.
fn mapped_by_expression(template: &Template, ignore_case: bool, text: &str) -> Result<Mapped, TestCaseError> {
    let bound = match by_expression(template, ignore_case, text)? {
        None => return Ok(Err(Why::Unmatched)),
        Some(Err(why)) => return Ok(Err(why)),
        Some(Ok(bound)) => bound,
    };
    let groups = template.expression(ignore_case).groups;
    let is_hive =
        |name: &str| groups.iter().any(|group| group.name.as_deref() == Some(name) && group.kind == GroupKind::Hive);
    let value = |(name, text): (String, Option<String>)| match text {
        None => Ok(PartitionValue::NULL),
        Some(text) if is_hive(&name) => {
            Ok(PartitionValue::new(&hive_unescape(&text).expect("it was unescaped before")))
        }
        Some(text) => Ok(PartitionValue::new(&text)),
    };
    Ok(bound.into_iter().map(value).collect())
}

/// Pieces that templates are put together of, and texts that stand for them in keys.
const PIECES: &[(&str, &[&str])] = &[
    ("/", &["/", "/", "//", ""]),
    ("/", &["/"]),
    ("a", &["a", "A", "b", ""]),
    ("b-", &["b-", "B-"]),
    ("_", &["_", "."]),
    (".csv", &[".csv", ".CSV", ".csv.csv"]),
    ("é", &["é", "É", "e"]),
    ("s", &["s", "S", "ſ"]),
    ("*", &["", "x", "_x", ".x", "_x=1", "é-", "a/b"]),
    ("?", &["x", "é", "_", ".", "", "/"]),
    ("[a-c]", &["a", "C", "d"]),
    ("[!a-c_]", &["d", "_", "/", "é"]),
    ("/**/", &["/", "/a/", "/a/b/", "/_a/", "/_a=1/b/", "//", "/.a/"]),
    ("/**/**/", &["/", "/x/y/", "//"]),
    ("{x}", &["a", "b-", "é", "_", "_y=1", "a/b", ""]),
    ("{y}", &["a", "ab", "a-b", "1"]),
    ("{x:int}", &["1", "12", "007", "a"]),
    ("{n:int(2)}", &["12", "01", "1", "123"]),
    ("{y:in(a,ab,b)}", &["a", "ab", "b", "AB", "c"]),
    ("{z:re([ab]+|c*)}", &["ab", "cc", "", "aab", "abc"]),
    ("{z:re(.{2}|\\w)}", &["ab", "a/", "é-", "x"]),
    ("{p:path}", &["a", "a/b", "a/b/c", "_a/b", "a/_b", "a//b"]),
    ("{h:hive}", &["a%2Fb", "__HIVE_DEFAULT_PARTITION__", "%zz", "_a", "x=1"]),
    ("{d:date(yyyy-MM-dd)}", &["2024-01-05", "2024-02-30", "2024-13-01", "2024-1-1"]),
    ("{d:date(yyyyMM)}", &["202401", "202402", "202413"]),
    ("{d:date(yyyy/M/d)}", &["2024/1/5", "2024/12/31", "2024/01/05"]),
    ("{_:date(dMMMyy)}", &["5jan24", "30FEB24", "05Mar24"]),
    ("{t:epoch}", &["170000000", "1700000000", "17000000000"]),
    ("{_}", &["a", "_a", "a-b"]),
    ("{_:int}", &["1", "22"]),
    ("{a,ab}", &["a", "ab", "b"]),
    ("{x/,}", &["x/", ""]),
    ("{{x}-,{y}/,}", &["a-", "b/", ""]),
    ("{,_b,{x}b}", &["", "_b", "ab"]),
    ("{*.a,{n:int(2)}}", &["x.a", "12", "_.a"]),
];

/// A template and a text: the same pieces, each filled with something that may or may not fit it, then changed a little.
fn case() -> impl Strategy<Value = (String, String)> {
    let piece = (0..PIECES.len(), any::<prop::sample::Index>());
    let change =
        (0..8u8, any::<prop::sample::Index>(), prop::sample::select(vec!["", "/", "a", "_", ".", "1", "é", "-"]));
    (prop::collection::vec(piece, 0..7), 0..4u8, change).prop_map(|(pieces, end, (how, at, with))| {
        let mut template = String::from("s3://k/");
        let mut text = String::from("k/");
        for (index, choice) in pieces {
            let (piece, fills) = PIECES[index];
            template.push_str(piece);
            text.push_str(fills[choice.index(fills.len())]);
        }
        match end {
            0 => {
                template.push_str("/**");
                text.push_str("/a/b");
            }
            1 => template.push('/'),
            _ => {}
        }
        if how == 0 {
            let boundaries: Vec<usize> = text.char_indices().map(|(at, _)| at).filter(|at| *at >= 2).collect();
            if !boundaries.is_empty() {
                text.insert_str(*at.get(&boundaries), with);
            }
        }
        (template.replace("//**", "/**"), text)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_program_matches_as_the_expression_says((template, text) in case(), ignore_case in any::<bool>()) {
        if let Ok(template) = Template::parse(&template) {
            prop_assert_eq!(by_program(&template, ignore_case, &text), by_expression(&template, ignore_case, &text)?);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// Directories, base names and the memory of what came before change nothing.
    #[test]
    fn the_mapper_says_what_the_expression_says(
        (template, text) in case(),
        other in case(),
        ignore_case in any::<bool>(),
    ) {
        if let Ok(template) = Template::parse(&template) {
            let sibling = format!("{}/{}", text.rsplit_once('/').unwrap().0, other.1.rsplit('/').next().unwrap());
            let texts = [text.as_str(), &sibling, &other.1, &text, &sibling];
            let expected = texts.iter().map(|text| mapped_by_expression(&template, ignore_case, text));
            let expected: Vec<Mapped> = expected.collect::<Result<_, _>>()?;
            prop_assert_eq!(by_mapper(&template, ignore_case, &texts), expected);
        }
    }
}

/// The properties say something only if enough of the texts match.
#[test]
fn enough_random_texts_match() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut parsed, mut matched) = (0, 0);
    for _ in 0..1000 {
        let (template, text) = case().new_tree(&mut runner).unwrap().current();
        if let Ok(template) = Template::parse(&template) {
            parsed += 1;
            matched += usize::from(by_program(&template, false, &text).is_some());
        }
    }
    assert!(parsed > 500 && matched > 100, "of {parsed} templates {matched} matched");
}

/// How many cases a property gets.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(10_000)
}
