//! What is refused with exit 3 until a person has looked, and the flag or the work by hand that lets it go on.

use std::fs;

use crate::here::{Here, TAXES};

/// Refused by `plan` and by `apply`, with these pieces, and nothing is written.
#[track_caller]
fn refused(here: &Here, arguments: &str, pieces: &[&str]) {
    let before = here.files(".");
    here.run(&format!("plan {arguments}")).ends(3, pieces).ends(3, &["plan: refused"]);
    here.run(&format!("apply --yes {arguments}")).ends(3, pieces);
    assert_eq!(here.files("."), before, "nothing is written");
}

#[test]
fn a_listing_that_lost_half_its_keys() {
    let here = Here::new(TAXES, &[]);
    (0..100).for_each(|number| here.file(&format!("data/amer/{number}.csv"), "1\n"));
    here.run("apply --yes").ok();
    (0..50).for_each(|number| here.remove(&format!("data/amer/{number}.csv")));
    let message = "this would take 50 of 100 lines (50 %) out of `taxes`, more than max_removed allows (10 %)";
    let rule = "rule 1 (restitch.toml:8) found 50 objects";
    refused(&here, "", &[message, rule, "100 lines are published", "--allow-removals=taxes"]);
    here.run("apply --yes --allow-removals=taxes").ends(0, &["−50"]);
    here.settles();
}

#[test]
fn a_rule_that_matches_nothing_any_more() {
    let rule = "\n[[table.taxes.rule]]\nmatch = 'old/*.csv'\nset = { region = \"emea\" }\n";
    let here = Here::new(&format!("{TAXES}{rule}"), &["data/amer/1.csv", "old/1.csv"]);
    here.run("apply --yes").ok();
    here.remove("old");
    refused(&here, "", &["rule 2 of `taxes` (restitch.toml:11) matched nothing", "--allow-empty=taxes:2"]);
    refused(&here, "--allow-empty=taxes:1", &["rule 2 of `taxes`"]);
    here.run("apply --yes --allow-empty=taxes:2").ends(0, &["− region=emea"]);
}

#[test]
fn yes_lets_no_brake_go() {
    let here = Here::published(&["data/amer/1.csv"]);
    here.remove("data");
    here.run("apply -y").ends(3, &["matched nothing"]);
}

#[test]
fn lines_that_move_between_partitions() {
    let here = Here::published(&["data/amer/1.csv", "data/emea/1.csv"]);
    let rules = TAXES.replace("*.csv'", "*.csv'\nset = { region = \"all\" }").replace("{region}", "{_}");
    here.rules(&rules);
    refused(
        &here,
        "",
        &["2 lines would move between partitions of `taxes`", "goes from region=amer to region=all", "--accept-moves"],
    );
    here.run("apply --yes --accept-moves")
        .ends(0, &["2 lines move between partitions, taken away first and added then"]);
    assert_eq!(here.manifests()["taxes/region=all/symlink.txt"].lines().count(), 2);
    here.settles();
    here.rules(&TAXES.replace("format ", "moves = \"accept\"\nformat "));
    here.run("apply --yes").ends(0, &["2 lines move between partitions"]);
}

#[test]
fn a_location_with_manifests_and_no_marker() {
    let here = Here::published(&["data/amer/1.csv"]);
    here.remove("out/taxes/_restitch.json");
    refused(&here, "", &["holds 1 file and no marker", "--adopt"]);
    here.file("data/emea/1.csv", "1\n");
    let ran = here.run("apply --yes --adopt").ok();
    // The catalog may know none of the partitions, so the new one alone would not do.
    ran.ends(0, &["next: run what this prints in Athena", "restitch ddl taxes"]).without("was published before");
    here.settles();
}

#[test]
fn a_location_of_another_table() {
    let here = Here::published(&["data/amer/1.csv"]);
    here.rules(&TAXES.replace("table.taxes", "table.levies"));
    refused(&here, "", &["belongs to table `taxes`", "this is table `levies`", "--adopt"]);
    here.run("apply --yes --adopt").ok();
    assert_eq!(here.marker("out/taxes")["table"], "levies");
    here.settles();
}

#[test]
fn a_location_of_another_project() {
    let here = Here::new(&format!("project = \"a\"\n{TAXES}"), &["data/amer/1.csv"]);
    here.run("apply --yes").ok();
    here.rules(&format!("project = \"b\"\n{TAXES}"));
    refused(&here, "", &["belongs to table `taxes` of project `a`", "of project `b`"]);
}

#[test]
fn a_location_with_somebodys_data() {
    let here = Here::new(TAXES, &["data/amer/1.csv", "out/taxes/report.xlsx", "out/taxes/region=amer/part-0.csv"]);
    let pieces =
        ["holds 2 files that are no manifests", "report.xlsx", "region=amer/part-0.csv", "a `location` of its own"];
    refused(&here, "", &pieces);
    refused(&here, "--adopt", &pieces);
    // Folders that consoles and Hadoop make are nobody's data.
    here.remove("out");
    here.file("out/taxes/region=amer_$folder$", "");
    here.run("apply --yes").ok();
}

#[test]
fn a_marker_that_is_none() {
    let here = Here::new(TAXES, &["data/amer/1.csv", "out/taxes/_restitch.json"]);
    refused(&here, "", &["is not a marker that this version reads"]);
    here.file("out/taxes/_restitch.json", &"x".repeat(5_000));
    refused(&here, "", &["is not a marker that this version reads"]);
}

#[test]
fn a_comment_changes_nothing() {
    let here = Here::published(&["data/amer/1.csv"]);
    here.rules(&TAXES.replace("id bigint", "id bigint comment 'the number'"));
    here.run("plan --detailed-exitcode").ends(0, &["no change"]);
}

#[test]
fn more_partitions_than_there_may_be() {
    let rules = TAXES.replace("'data/", "'s3://b/data/").replace("format ", "max_partitions = 10\nformat ");
    let here = Here::new(&rules, &[]);
    here.file("keys.txt", &(0..100_000).map(|number| format!("data/{number}/1.csv\n")).collect::<String>());
    let ran = here.run("plan --listing s3://b/=keys.txt");
    ran.ends(3, &["`taxes` comes to more than 10 partitions", "region=0", "region=1", "max_partitions ="])
        .without("100,000");
    here.run("ddl --planned --listing s3://b/=keys.txt").ends(3, &["more than 10 partitions"]);
}

#[test]
fn more_lines_than_a_manifest_may_have() {
    let here = Here::new(&TAXES.replace("format ", "max_lines = 1\nformat "), &["data/amer/1.csv", "data/amer/2.csv"]);
    refused(&here, "", &["would have 2 lines, more than max_lines (1)", "region=amer/symlink.txt"]);
}

#[test]
fn a_listing_that_is_too_old() {
    let rules = TAXES.replace("'data/", "'s3://b/data/").replace("format ", "max_listing_age = \"1h\"\nformat ");
    let here = Here::new(&rules, &[]);
    here.file("keys.txt", "data/amer/1.csv\n");
    here.run("plan --listing s3://b/=keys.txt").ok();
    here.age("keys.txt", 2);
    refused(&here, "--listing s3://b/=keys.txt", &["the listing for `taxes` is 72", "max_listing_age is 3600 s"]);
}

#[test]
fn keys_that_readers_cannot_read() {
    let rules = TAXES.replace("'data/", "'s3://b/data/").replace("format ", "engine = \"spark\"\nformat ");
    let here = Here::new(&rules, &[]);
    here.file("keys.txt", "data/amer/1.csv\ndata/amer/10:00.csv\ndata/amer/11:00.csv\ndata/emea/[x].csv\n");
    let pieces = [
        "queries of `taxes` would fail or read wrong rows",
        "2 lines with a `:` in the key; the first is s3://b/data/amer/10:00.csv (colon, spark)",
        "1 line with one of",
        "(glob, spark)",
        "on_trap = \"skip\"",
    ];
    refused(&here, "--listing s3://b/=keys.txt", &pieces);
    here.run("ddl --planned --listing s3://b/=keys.txt").ends(3, &["queries of `taxes` would fail"]);
    here.rules(&rules.replace("format ", "on_trap = \"skip\"\nformat "));
    let ran = here.run("apply --yes --listing s3://b/=keys.txt");
    ran.ends(0, &["3 lines of `taxes`, by on_trap = \"skip\"", "✓ 1 manifest written"]);
    assert_eq!(here.manifests()["taxes/region=amer/symlink.txt"], "s3://b/data/amer/1.csv\n");
}

#[test]
fn values_that_readers_cannot_tell_apart_or_read() {
    let rules = TAXES.replace("region string", "region decimal(3,1)").replace("format ", "engine = \"hive\"\nformat ");
    let here = Here::new(&rules, &["data/1.5/1.csv", "data/1.50/1.csv", "data/x/1.csv"]);
    let notes = [
        "1 partition with a value that its column's type does not hold; the first is region=x (value-type, hive)",
        "1 partition with another spelling of a value that there is",
        "the first is region=1.50 (value-spelling, hive)",
    ];
    refused(&here, "", &notes);
    // They are no lines, which could be left out one by one.
    here.rules(&rules.replace("format ", "on_trap = \"skip\"\nformat "));
    refused(&here, "", &notes[..1]);
    here.remove("data/x");
    here.rules(&rules.replace("hive", "athena"));
    here.run("apply --yes")
        .ends(0, &["warning value-spelling (athena), 1 partition of `taxes`", "✓ 2 manifests written"]);
}

#[test]
fn keys_that_no_manifest_can_name() {
    let rules = TAXES.replace("'data/", "'s3://b/data/");
    let here = Here::new(&rules, &[]);
    here.file("keys.jsonl", "{\"uri\":\"s3://b/data/amer/1.csv\"}\n{\"uri\":\"s3://b/data/amer/a\\nb.csv\"}\n");
    let pieces = ["1 line with a carriage return or a line feed in the key", "a\\nb.csv (line-break, athena)", "skip"];
    refused(&here, "--listing s3://b/=keys.jsonl", &pieces);
    here.rules(&rules.replace("format ", "on_trap = \"skip\"\nformat "));
    here.run("apply --yes --listing s3://b/=keys.jsonl").ends(0, &["1 line of `taxes`, by on_trap"]);
    assert_eq!(here.manifests()["taxes/region=amer/symlink.txt"], "s3://b/data/amer/1.csv\n");
}

#[test]
fn folders_of_other_table_formats() {
    for (books, what) in [
        ("data/amer/_delta_log/00000.json", "a Delta table's folder"),
        ("data/amer/metadata/v1.metadata.json", "an Iceberg table's folder"),
        ("data/amer/.hoodie/hoodie.properties", "a Hudi table's folder"),
        ("data/_delta_log/00000.json", "a Delta table's folder"),
    ] {
        let here = Here::new(TAXES, &["data/amer/1.csv", books]);
        refused(&here, "", &["`taxes` would take files out of", what, "exclude = ["]);
        here.run("ddl --planned").ends(3, &[what]);
    }
    // Beside what is listed: the parent is looked at too.
    let here = Here::new(
        &TAXES.replace("data/{region}", "lake/data/{region}"),
        &["lake/data/amer/1.csv", "lake/_delta_log/0.json"],
    );
    refused(&here, "", &["a Delta table's folder", "lake/ holds _delta_log/"]);
    // A folder that no rule takes anything from is nobody's business, and so is one that is excluded.
    let here = Here::new(TAXES, &["data/amer/1.csv", "data/lake/x.parquet", "data/lake/_delta_log/0.json"]);
    here.run("plan").ok();
    let here = Here::new(TAXES, &["data/amer/1.csv", "data/lake/x.csv", "data/lake/_delta_log/0.json"]);
    refused(&here, "", &["data/lake/ holds _delta_log/"]);
    here.rules(&TAXES.replace("format ", "exclude = ['**/lake/**']\nformat "));
    here.run("plan").ok();
}

#[test]
fn every_refusal_is_shown_and_the_other_tables_too() {
    let rules: String = ["one", "two", "three"].iter().map(|name| TAXES.replace("taxes", name)).collect();
    let here = Here::new(&rules, &["data/amer/1.csv", "out/one/report.xlsx", "out/three/report.xlsx"]);
    refused(&here, "", &["two new 1 partition", "out/one/ holds 1 file", "out/three/ holds 1 file"]);
}

#[test]
fn two_partitions_never_share_a_manifest() {
    let rules = TAXES
        .replace("[\"region string\"]", "[\"a string\", \"b string\"]\nlayout = '{a}-{b}/'")
        .replace("{region}", "{a}/{b}");
    let here = Here::new(&rules, &["data/x-y/z/1.csv", "data/x/y-z/1.csv"]);
    here.run("plan").ends(1, &["separate the columns of `layout` by slashes"]);
}

#[test]
fn what_is_missing_to_publish_is_said() {
    for (line, what) in [("location ", "no location"), ("columns ", "no columns"), ("format ", "no format")] {
        let rules: String = TAXES.lines().filter(|one| !one.starts_with(line)).map(|one| format!("{one}\n")).collect();
        let here = Here::new(&rules, &["data/amer/1.csv"]);
        here.run("plan").ends(1, &["table `taxes` cannot be published", what]);
        here.run("apply --yes").ends(1, &[what]);
    }
}

#[test]
fn a_removed_table_must_be_ours() {
    let here = Here::published(&["data/amer/1.csv"]);
    fs::write(here.path("out/taxes/note.txt"), "x").unwrap();
    let other = TAXES.replace("taxes", "other");
    let removed = |name: &str, location: &str| format!("[removed]\n{name} = '{location}'\n{other}");
    here.rules(&removed("taxes", "out/taxes/"));
    refused(&here, "", &["holds 1 file that", "no manifest"]);
    here.remove("out/taxes/note.txt");
    here.rules(&removed("levies", "out/taxes/"));
    refused(&here, "", &["belongs to table `taxes`"]);
    here.rules(&removed("data", "data/"));
    refused(&here, "", &["has no marker that says what lies there", "delete it by hand"]);
}
