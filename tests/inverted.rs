//! Rules inverted: what is listed for some partitions is enough to have all of their lines, on random rule files.

mod generate;
mod oracle;
mod program;
mod words;

use generate::case;
use oracle::Object;
use program::Manifest;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use restitch::rules::invert::{self, Reach};
use restitch::rules::table::Rules;
use restitch::rules::wanted::{Allowed, Order, Wanted};
use restitch::uri::Uri;
use restitch::value::PartitionValue;
use words::{cases, words};

/// Cases of the property, if `PROPTEST_CASES` does not say otherwise.
const CASES: u32 = 1_000;

/// Whether listing `reaches` shows an object.
fn is_listed(reaches: &[Reach], uri: &str) -> bool {
    let uri = Uri::parse(uri).unwrap();
    let shows = |reach: &Reach| {
        reach.prefix.is_prefix_of(&uri) && reach.from.as_ref().is_none_or(|from| uri.key.as_bytes() >= from.as_bytes())
    };
    reaches.iter().any(shows)
}

fn value(text: &Option<String>) -> PartitionValue {
    text.as_deref().map_or(PartitionValue::NULL, PartitionValue::new)
}

/// What a case is asked for: partitions by their values, or columns of one table between what some partitions have.
fn wanted(rules: &Rules, manifests: &[Manifest], seed: u32) -> Vec<Wanted> {
    let mut wanted = vec![Wanted::default(); rules.tables.len()];
    let index = |name: &str| rules.tables.iter().position(|table| table.name == name).unwrap();
    let picked = &manifests[seed as usize % manifests.len()];
    let table = index(&picked.0);
    if !seed.is_multiple_of(3) {
        wanted[table].insert(picked.1.iter().map(value).collect());
        return wanted;
    }
    let other = manifests.iter().filter(|one| one.0 == picked.0).nth(seed as usize / 7 % 3).unwrap_or(picked);
    let columns = picked.1.iter().zip(&other.1).zip(&rules.tables[table].partitioned_by).enumerate();
    let allowed = columns.map(|(at, ((one, other), column))| {
        let mut allowed = Allowed::any(Order::of(&column.partition_type()));
        match (seed >> (4 + 3 * at)) % 6 {
            0 => one.iter().for_each(|one| allowed.at_least(one, seed.is_multiple_of(2))),
            1 => other.iter().for_each(|other| allowed.at_most(other, !seed.is_multiple_of(5))),
            2 => {
                one.iter().for_each(|one| allowed.at_least(one, true));
                other.iter().for_each(|other| allowed.at_most(other, true));
            }
            3 => allowed.within([value(one), value(other)]),
            4 => allowed.not(value(other)),
            _ => {}
        }
        allowed
    });
    let allowed = allowed.collect();
    wanted[table].insert_all(allowed);
    wanted
}

/// Whether partitions stand for themselves: a `pick` across partitions does not.
fn weighs_across(rules: &Rules) -> bool {
    rules.tables.iter().any(|table| table.pick.iter().any(|pick| pick.per.is_some()))
}

fn of_wanted(rules: &Rules, wanted: &[Wanted], manifests: Vec<Manifest>) -> Vec<Manifest> {
    let index = |name: &str| rules.tables.iter().position(|table| table.name == name).unwrap();
    let is_wanted = |one: &Manifest| wanted[index(&one.0)].contains(&one.1.iter().map(value).collect::<Vec<_>>());
    manifests.into_iter().filter(is_wanted).collect()
}

fn holds(words: &[u32]) -> Result<(), String> {
    let case = case(words);
    let Some(rules) = program::read(&case.rules).rules else { return Ok(()) };
    let manifests = program::manifests(&rules, &case.objects, 1000);
    if manifests.is_empty() || weighs_across(&rules) {
        return Ok(());
    }
    let wanted = wanted(&rules, &manifests, words[0]);
    let reaches = invert::listed(&rules, &wanted);
    let listed: Vec<Object> = case.objects.iter().filter(|one| is_listed(&reaches, &one.uri)).cloned().collect();
    let found = of_wanted(&rules, &wanted, program::manifests(&rules, &listed, 1000));
    let expected = of_wanted(&rules, &wanted, manifests);
    if found != expected {
        return Err(format!("{}\n{wanted:#?}\n{reaches:#?}\nexpected {expected:#?}\nfound {found:#?}", case.rules));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(CASES), failure_persistence: None, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_is_listed_for_some_partitions_is_all_of_them(words in words()) {
        holds(&words.0).map_err(TestCaseError::fail)?;
    }
}

/// The property says something only if most partitions take fewer objects than the whole.
#[test]
fn most_partitions_take_a_part_of_the_listing() {
    let mut runner = TestRunner::deterministic();
    let (mut asked, mut narrowed) = (0, 0);
    for _ in 0..600 {
        let words = words().new_tree(&mut runner).unwrap().current();
        let case = case(&words.0);
        let Some(rules) = program::read(&case.rules).rules else { continue };
        let manifests = program::manifests(&rules, &case.objects, 1000);
        if manifests.is_empty() || weighs_across(&rules) {
            continue;
        }
        let wanted = wanted(&rules, &manifests, words.0[0]);
        let whole: Vec<Reach> = rules
            .tables
            .iter()
            .flat_map(|table| &table.rules)
            .flat_map(restitch::rules::listed)
            .map(Reach::from)
            .collect();
        let reaches = invert::listed(&rules, &wanted);
        let count = |reaches: &[Reach]| case.objects.iter().filter(|one| is_listed(reaches, &one.uri)).count();
        asked += 1;
        narrowed += usize::from(count(&reaches) < count(&whole));
    }
    assert!(asked > 200 && narrowed * 2 > asked, "{narrowed} of {asked}");
}

/// What is listed for a partition of a table with one rule.
fn reaches(rule: &str, columns: &str, table: &str, allowed: Vec<Allowed>) -> Vec<String> {
    let text = format!("[table.t]\npartitioned_by = [{columns}]\n{table}\n[[table.t.rule]]\n{rule}\n");
    let loaded = program::read(&text);
    let rules = loaded.rules.unwrap_or_else(|| panic!("{text}\n{:#?}", loaded.diagnostics));
    let mut wanted = Wanted::default();
    wanted.insert_all(allowed);
    let shown = |reach: Reach| match reach.from {
        None => reach.prefix.raw(),
        Some(from) => format!("{} from {from}", reach.prefix.raw()),
    };
    invert::listed(&rules, &[wanted]).into_iter().map(shown).collect()
}

/// Found at random: without the first table's marker its objects fell to the second.
#[test]
fn the_first_table_that_waits_for_a_marker_has_its_say_under_claim_first() {
    let text = |claim: &str| {
        format!(
            "[defaults]\nclaim = '{claim}'\n\
             [[table.t0.rule]]\nmatch = 's3://b/{{x}}/k={{_}}/'\ndone = 's3://two/done/{{x}}/ok'\n\
             [table.t1]\npartitioned_by = ['x string']\n[[table.t1.rule]]\nmatch = 's3://b/{{x}}/{{_}}/{{_}}'\n"
        )
    };
    let listed = |claim: &str| {
        let loaded = program::read(&text(claim));
        let rules = loaded.rules.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
        let mut wanted = vec![Wanted::default(); 2];
        wanted[1].insert(vec![PartitionValue::new("ab")]);
        let reaches = invert::listed(&rules, &wanted).into_iter();
        reaches.map(|reach| reach.prefix.raw()).collect::<Vec<_>>()
    };
    assert_eq!(listed("first"), ["s3://b/ab/", "s3://two/done/"]);
    assert_eq!(listed("every"), ["s3://b/ab/"]);
}

fn is(text: &str) -> Allowed {
    Allowed::value(PartitionValue::new(text))
}

fn since(text: &str) -> Allowed {
    let mut allowed = Allowed::default();
    allowed.at_least(text, true);
    allowed
}

#[test]
fn values_become_prefixes() {
    let string = |names: &str| names.split(' ').map(|name| format!("'{name} string'")).collect::<Vec<_>>().join(", ");
    let of = |matches: &str, columns: &str, set: &str, allowed: Vec<Allowed>| {
        let set = if set.is_empty() { String::new() } else { format!("set = {{ {set} }}") };
        reaches(&format!("match = '{matches}'\n{set}"), &string(columns), "", allowed)
    };
    assert_eq!(of("s3://b/data/{region}/*.csv", "region", "", vec![is("amer")]), ["s3://b/data/amer/"]);
    assert_eq!(
        of("s3://b/{region:in(amer,apac)}/{dt}/*", "region dt", "", vec![is("apac"), is("1")]),
        ["s3://b/apac/1/"]
    );
    assert_eq!(of("s3://b/{region:in(amer,apac)}/*", "region", "", vec![is("emea")]), [""; 0]);
    assert_eq!(
        of(
            "s3://b/{ts:date(yyyy/MM/dd/HH)}/*.gz",
            "dt hour",
            r#"dt = "{ts|format(yyyy-MM-dd)}", hour = "{ts|format(HH)}""#,
            vec![is("2026-11-20"), is("05")]
        ),
        ["s3://b/2026/11/20/05/"]
    );
    assert_eq!(
        of("s3://b/{ts:date(yyyy/MM/dd/HH)}/*.gz", "dt", r#"dt = "{ts|format(yyyy-MM-dd)}""#, vec![is("2026-11-20")]),
        ["s3://b/2026/11/20/"]
    );
    assert_eq!(
        of("s3://b/{ts:date(yyyy/MM/dd)}/*.gz", "dt", r#"dt = "{ts|format(yyyy-MM-dd)}""#, vec![is("2026-02-30")]),
        [""; 0]
    );
    assert_eq!(
        of("s3://b/{y}/{m}/{d}/*", "dt", r#"dt = "{y}-{m|pad(2)}-{d|pad(2)}""#, vec![is("2026-01-10")]),
        ["s3://b/2026/01/10/", "s3://b/2026/1/10/"]
    );
    assert_eq!(of("s3://b/{team}/x/*", "team", r#"team = "{team|lower}""#, vec![is("a")]), ["s3://b/"]);
    assert_eq!(of("s3://b/{t:in(A,B)}/x/*", "team", r#"team = "{t|lower}""#, vec![is("a")]), ["s3://b/A/x/"]);
    assert_eq!(of("s3://b/old/", "region", r#"region = "emea""#, vec![is("amer")]), [""; 0]);
    assert_eq!(of("s3://b/old/", "region", r#"region = "emea""#, vec![is("emea")]), ["s3://b/old/"]);
    assert_eq!(of("s3://{b:in(x,y)}/in/*", "b", "", vec![is("y")]), ["s3://y/in/"]);
    assert_eq!(of("s3://b/{run}/{run}-*", "run", "", vec![is("7")]), ["s3://b/7/7-"]);
}

#[test]
fn days_from_one_on_take_few_prefixes() {
    let all = reaches(
        "match = 's3://b/{ts:date(yyyy/MM/dd)}/*'\nset = { dt = \"{ts|format(yyyy-MM-dd)}\" }",
        "'dt date'",
        "",
        vec![since("2026-11-20")],
    );
    let first: Vec<&str> = all.iter().map(String::as_str).take(4).collect();
    assert_eq!(first, ["s3://b/2026/11/2", "s3://b/2026/11/30/", "s3://b/2026/12/", "s3://b/2027/"]);
    assert!(all.len() < 40, "{}", all.len());
    let text = |kind: &str| {
        reaches(&format!("match = 's3://b/dt={{dt{kind}}}/*'"), "'dt string'", "", vec![since("2026-11-20")])
    };
    assert_eq!(text(""), ["s3://b/dt= from dt=2026-11-20"]);
    assert_eq!(text(":hive").iter().filter(|one| one.ends_with("dt= from dt=2026-11-20")).count(), 1);
    let date = reaches("match = 's3://b/dt={dt}/*'", "'dt date'", "", vec![since("2026-11-20")]);
    assert_eq!(&date[..3], ["s3://b/dt=2026-11-2", "s3://b/dt=2026-11-3", "s3://b/dt=2026-12"]);
}

#[test]
fn markers_are_listed_with_their_objects() {
    let done = "match = 's3://b/exports/{run}/part-*'\ndone = 's3://b/exports/{run}/_SUCCESS'";
    assert_eq!(
        reaches(done, "'run string'", "", vec![is("7")]),
        ["s3://b/exports/7/_SUCCESS", "s3://b/exports/7/part-"]
    );
}
