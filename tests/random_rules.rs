//! Random rule files over random listings: the product against the plain reading of the language in `tests/oracle`.

mod generate;
mod oracle;
mod program;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use generate::{Case, case};
use oracle::{Fate, Object, Oracle, Skipped, Why};
use program::{Manifest, Values};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use restitch::rules::table::Rules;
use words::{cases, words};

/// Cases of the property, if `PROPTEST_CASES` does not say otherwise.
const CASES: u32 = 10_000;

/// The rules of a case, where `check` accepts them.
fn rules(case: &Case) -> Option<Rules> {
    program::read(&case.rules).rules
}

/// The order in which a listing comes must not matter, nor where its pages end.
fn shuffled(objects: &[Object], seed: u32) -> Vec<Object> {
    let mut all = objects.to_vec();
    let mut state = u64::from(seed) | 1;
    for i in (1..all.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        all.swap(i, (state >> 33) as usize % (i + 1));
    }
    all
}

/// Where only some tables skip hidden names the language does not say how the others' leavings are counted.
fn agree(rules: &Rules, expected: &Fate, found: &Fate) -> bool {
    let mixed = rules.tables.iter().any(|table| table.skip.hidden != rules.tables[0].skip.hidden);
    let either = |fate: &Fate| matches!(fate, Err(Why::Unmatched | Why::Skipped(Skipped::Hidden)));
    expected == found || mixed && either(expected) && either(found)
}

fn holds(words: &[u32]) -> Result<(), String> {
    let case = case(words);
    let Some(rules) = rules(&case) else { return Ok(()) };
    let expected = Oracle::new(&case.rules).map(&case.objects);
    let of = |uri: &str| &expected[case.objects.iter().position(|object| object.uri == uri).unwrap()];
    let page_len = [1, 2, 3, 7, 1000][words[0] as usize % 5];
    for objects in [case.objects.clone(), shuffled(&case.objects, words[1])] {
        let found = program::map(&rules, &objects, page_len);
        for (object, found) in objects.iter().zip(&found) {
            if !agree(&rules, of(&object.uri), found) {
                return Err(format!("{}\n{object:?}\nexpected {:?}\nfound    {found:?}", case.rules, of(&object.uri)));
            }
        }
        let manifests = program::manifests(&rules, &objects, page_len);
        if manifests != self::manifests(&expected) {
            return Err(format!("{}\n{objects:#?}\n{manifests:#?}", case.rules));
        }
    }
    Ok(())
}

/// What must be written: the URIs of each partition, sorted, those that a line cannot say left out.
fn manifests(fates: &[Fate]) -> Vec<Manifest> {
    let mut lines: BTreeMap<(String, Values), BTreeSet<&str>> = BTreeMap::new();
    for taken in fates.iter().flatten().flatten().filter(|taken| !taken.line.contains(['\n', '\r'])) {
        let values = taken.partition.iter().map(|(_, value)| value.clone()).collect();
        lines.entry((taken.table.clone(), values)).or_default().insert(&taken.line);
    }
    let body = |lines: BTreeSet<&str>| lines.into_iter().flat_map(|line| [line, "\n"]).collect();
    lines.into_iter().map(|((table, values), lines)| (table, values, body(lines))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(CASES), failure_persistence: None, max_shrink_iters: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn a_rule_file_takes_what_the_language_says(words in words()) {
        holds(&words.0).map_err(TestCaseError::fail)?;
    }
}

/// The property says something only if most files are accepted and their rules take things, and leave them, for all
/// reasons there are.
#[test]
fn most_random_files_are_accepted_and_do_something() {
    let mut runner = TestRunner::deterministic();
    let (mut accepted, mut objects, mut taken) = (0, 0, 0);
    let mut whys = BTreeMap::new();
    let mut refusals = BTreeMap::new();
    for _ in 0..1000 {
        let words = words().new_tree(&mut runner).unwrap().current();
        let case = case(&words.0);
        let loaded = program::read(&case.rules);
        let Some(rules) = loaded.rules else {
            for one in &loaded.diagnostics {
                *refusals.entry(one.message.replace(|c: char| c.is_ascii_digit(), "")).or_insert(0) += 1;
            }
            continue;
        };
        accepted += 1;
        objects += case.objects.len();
        for fate in program::map(&rules, &case.objects, 1000) {
            match fate {
                Ok(_) => taken += 1,
                Err(why) => *whys.entry(why).or_insert(0) += 1,
            }
        }
    }
    let mut refusals: Vec<(i32, String)> = refusals.into_iter().map(|(message, count)| (count, message)).collect();
    refusals.sort();
    println!("accepted {accepted}, objects {objects}, taken {taken}, {whys:?}\n{refusals:#?}");
    assert!(accepted > 800, "{accepted} of 1000 files are accepted; the others:\n{refusals:#?}");
    assert!(taken * 5 > objects, "{taken} of {objects} objects are taken");
    assert!(whys.len() == 14 && whys.values().all(|count| *count > 20), "{whys:#?}");
}
