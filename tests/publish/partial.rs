//! `--only` and `--touched`: some partitions, and byte for byte nothing else.

use crate::here::{Here, Ran};

const HOURS: &str = r#"
[defaults]
location = 'out/{table}/'
columns  = ["id bigint"]
format   = "csv"

[table.hours]
partitioned_by = ["dt date", "hour int"]
[[table.hours.rule]]
match = 'data/{ts:date(yyyy/MM/dd/HH)}/{_}.csv'
set   = { dt = "{ts|format(yyyy-MM-dd)}", hour = "{ts|format(H)}" }

[table.regions]
partitioned_by = ["region string"]
[[table.regions.rule]]
match = 'sites/{region}/*.csv'
"#;

const FILES: [&str; 7] = [
    "data/2026/11/19/23/a.csv",
    "data/2026/11/20/00/a.csv",
    "data/2026/11/20/05/a.csv",
    "data/2026/11/20/05/b.csv",
    "data/2026/11/21/05/a.csv",
    "sites/amer/a.csv",
    "sites/emea/a.csv",
];

/// [`FILES`], published, with a change in every partition since.
fn changed() -> Here {
    let here = Here::new(HOURS, &FILES);
    here.run("apply --yes").ok();
    for file in ["data/2026/11/19/23", "data/2026/11/20/00", "data/2026/11/20/05", "sites/amer", "sites/emea"] {
        here.file(&format!("{file}/new.csv"), "1\n");
    }
    here.remove("data/2026/11/20/05/b.csv");
    here.remove("data/2026/11/21/05/a.csv");
    here
}

/// The manifests that another run than `before` left, by their directories.
fn written(here: &Here, before: &std::collections::BTreeMap<String, (String, u64)>) -> Vec<String> {
    let now = here.files("out");
    let manifests = now.iter().filter(|(name, file)| name.ends_with("symlink.txt") && before.get(*name) != Some(file));
    manifests.map(|(name, _)| name.trim_end_matches("/symlink.txt").to_owned()).collect()
}

#[test]
fn only_takes_the_partitions_for_which_it_holds() {
    for (only, expected) in [
        ("dt='2026-11-20'", &["hours/dt=2026-11-20/hour=0", "hours/dt=2026-11-20/hour=5"][..]),
        ("dt>=2026-11-20", &["hours/dt=2026-11-20/hour=0", "hours/dt=2026-11-20/hour=5", "hours/dt=2026-11-21/hour=5"]),
        ("hour!=5", &["hours/dt=2026-11-19/hour=23", "hours/dt=2026-11-20/hour=0"]),
        ("DT<2026-11-20", &["hours/dt=2026-11-19/hour=23"]),
        ("hours:hour=05", &["hours/dt=2026-11-20/hour=5", "hours/dt=2026-11-21/hour=5"]),
        ("region=emea", &["regions/region=emea"]),
        ("region>b", &["regions/region=emea"]),
    ] {
        let here = changed();
        let before = here.files("out");
        here.run(&format!("apply --yes --only {only}")).ok();
        assert_eq!(written(&here, &before), expected, "{only}");
        let again = here.run(&format!("plan --detailed-exitcode --only {only}"));
        again.ends(0, &["no change", "of these partitions"]);
        here.settles();
        assert_eq!(here.manifests(), whole(), "{only}");
    }
}

/// What a whole run makes of [`changed`].
fn whole() -> std::collections::BTreeMap<String, String> {
    let here = changed();
    here.run("apply --yes").ok();
    here.manifests()
}

#[test]
fn several_tables_have_an_expression_each() {
    let here = changed();
    let before = here.files("out");
    let run = here.shell("restitch apply --yes --only 'dt = 2026-11-20 and hour in (0, 7)' --only regions:region=amer");
    run.ok();
    assert_eq!(written(&here, &before), ["hours/dt=2026-11-20/hour=0", "regions/region=amer"]);
}

#[test]
fn the_marker_goes_on_counting_the_whole_table() {
    let here = changed();
    here.run("apply --yes --only dt=2026-11-20").ok();
    let applied = &here.marker("out/hours")["applied"];
    assert_eq!((&applied["partitions"], &applied["lines"]), (&4.into(), &6.into()));
    assert!(applied["bytes"].is_null());
    here.run("apply --yes").ok();
    let applied = &here.marker("out/hours")["applied"];
    assert_eq!((&applied["partitions"], &applied["lines"]), (&3.into(), &6.into()));
}

#[test]
fn touched_keys_are_hints_whatever_became_of_them() {
    let here = changed();
    let before = here.files("out");
    let lines = ["2026/11/20/05/b.csv", "2026/11/20/05/new.csv", "2026/11/21/05/a.csv", "x.csv"];
    let uri = |line: &str| format!("file://{}/data/{line}\n", here.path(".").canonicalize().unwrap().display());
    here.file("touched", &lines.map(uri).concat());
    let run = here.run("apply --yes --touched touched").ok();
    assert!(run.stdout.contains("4 keys in 2 partitions; no rule takes 1 of them, as file://"), "{run}");
    assert_eq!(written(&here, &before), ["hours/dt=2026-11-20/hour=5", "hours/dt=2026-11-21/hour=5"]);
    assert_eq!(here.read("out/hours/dt=2026-11-21/hour=5/symlink.txt"), "", "its object is gone");
    let json = here.run("plan --json --touched touched").ok();
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&json["changes"], json["tables"].as_array().unwrap().len()), (&false.into(), 1));
    assert_eq!(json["tables"][0]["totals"]["lines"], 4, "{json}");
}

#[test]
fn touched_keys_come_from_standard_input_too() {
    let here = changed();
    let before = here.files("out");
    let line = format!("file://{}/sites/apac/x.csv", here.path(".").canonicalize().unwrap().display());
    here.file("sites/apac/x.csv", "1\n");
    here.shell(&format!("echo '{{\"uri\":\"{line}\"}}' | restitch apply --yes --touched -")).ok();
    assert_eq!(written(&here, &before), ["regions/region=apac"]);
}

#[test]
fn a_saved_plan_of_some_partitions_is_carried_out_as_it_is() {
    let here = changed();
    let before = here.files("out");
    here.run("plan --only region=emea --out p").ok();
    here.run("apply p").ok();
    assert_eq!(written(&here, &before), ["regions/region=emea"]);
    let counts = &here.marker("out/regions")["applied"];
    assert_eq!((&counts["partitions"], &counts["lines"]), (&2.into(), &3.into()));
}

#[test]
fn removals_are_held_against_the_lines_of_these_partitions() {
    let files: Vec<String> = (0..200).map(|n| format!("sites/r{}/{n:03}.csv", n % 2)).collect();
    let here = Here::new(HOURS, &files.iter().map(String::as_str).collect::<Vec<_>>());
    here.run("apply --yes").ok();
    (0..60).step_by(2).for_each(|n| here.remove(&format!("sites/r0/{n:03}.csv")));
    here.run("plan --only region=r0").ends(3, &["30 of 100 lines (30 %)"]);
    here.run("plan --only region=r1").ends(0, &["no change"]);
}

/// A first run over some partitions publishes those; a whole one adds the rest.
#[test]
fn a_table_may_begin_with_some_of_its_partitions() {
    let here = Here::new(HOURS, &FILES);
    here.run("apply --yes --only region=emea").ok();
    assert_eq!(here.manifests().into_keys().collect::<Vec<_>>(), ["regions/region=emea/symlink.txt"]);
    here.settles();
    assert_eq!(here.manifests().len(), 6);
}

#[track_caller]
fn refused(rules: &str, run: &str, pieces: &[&str]) -> Ran {
    let here = changed();
    here.rules(rules);
    let before = here.files("out");
    let ran = here.run(run);
    for piece in pieces {
        assert!(ran.stderr.contains(piece), "{piece:?} is missing\n{ran}");
    }
    assert_eq!(here.files("out"), before, "nothing is written");
    ran
}

#[test]
fn what_only_a_whole_run_can_tell_is_refused() {
    let moved = HOURS.replace("'sites/{region}/*.csv'", "'sites/{region}/{_}.csv'");
    let ran = refused(&moved, "apply --yes --only region=emea", &["rules of `regions` have changed", "run it whole"]);
    assert_eq!(ran.code, 3);
    let read = HOURS.replace("\"id bigint\"", "\"id string\"");
    refused(&read, "apply --yes --only region=emea", &["read in another way"]);
    let retyped = HOURS.replace("hour int", "hour string");
    refused(&retyped, "apply --yes --only hour=5", &["read in another way"]);
    let switched = HOURS.replace("[table.regions]", "[table.regions]\npublish = \"switch\"");
    refused(&switched, "apply --yes --only region=emea", &["would be switched"]);
    let modified = HOURS.replace("dt = \"{ts|format", "dt = \"{@modified|format");
    refused(&modified, "apply --yes --only dt=2026-11-20", &["`dt` of `hours` comes from the object itself"]);
    let picks = HOURS.replace("[table.regions]", "[table.regions]\npick = { one = \"rule\", per = \"{region}x\" }");
    refused(&picks, "apply --yes --only region=emea", &["`pick` with `per`"]);
}

#[test]
fn an_apply_that_did_not_end_is_ended_by_a_whole_run() {
    let here = changed();
    let marker =
        here.read("out/regions/_restitch.json").replace("\"applied\"", "\"unfinished\":{\"plan\":\"x\"},\"applied\"");
    here.file("out/regions/_restitch.json", &marker);
    let ran = here.run("apply --yes --only region=emea");
    ran.ends(3, &["begun and not ended"]);
    here.settles();
}

#[test]
fn flags_that_concern_everything_do_not_go_together() {
    for flags in ["--adopt", "--full", "--allow-empty", "--touched x"] {
        refused(HOURS, &format!("plan --only region=emea {flags}"), &["cannot be used with"]);
    }
    refused(HOURS, "plan --touched x --listing y", &["cannot be used with"]);
    refused(HOURS, "plan --touched nowhere", &["nowhere"]);
}

#[test]
fn what_is_no_expression_is_pointed_at() {
    let here = Here::new(HOURS, &FILES);
    for (only, pieces) in [
        ("dte = 2026-11-20", ["no table is partitioned by `dte`\n  dte = 2026-11-20\n  ^^^\n", "did you mean `dt`?"]),
        ("dt >= 2026-11", ["`2026-11` is no date, as `dt` is\n  dt >= 2026-11\n        ^^^^^^^\n", "a whole day"]),
        ("hour in (5, x)", ["`x` is no int, as `hour` is\n  hour in (5, x)\n              ^\n", "a whole number"]),
        ("dt = 2026-11-20 or hour = 5", ["\n                  ^^\n", "region in (amer, apac)"]),
        ("region ~ x", ["a comparison expected\n  region ~ x\n         ^^^\n", "one of = !="]),
        ("region = 'x", ["this quote is not closed\n  region = 'x\n           ^^\n", ""]),
        ("hour = 5 and region = amer", ["no table is partitioned by all of these columns", "dt, hour, region"]),
        ("hour:hour = 5", ["no table `hour`\n  hour:hour = 5\n  ^^^^\n", "did you mean `hours`?"]),
        ("regions:hour = 5", ["`regions` is not partitioned by `hour`", "by region"]),
        ("dt = ''", ["an empty value is NULL", "dt is null"]),
    ] {
        let ran = Ran::of(here.command("plan --only").arg(only).output().unwrap());
        assert_eq!(ran.code, 1, "{ran}");
        for piece in pieces {
            assert!(ran.stderr.contains(piece), "{piece:?} is missing\n{ran}");
        }
    }
}
