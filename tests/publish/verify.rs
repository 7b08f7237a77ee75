//! `restitch verify`: what is wrong with what is published, and what mends it.

use crate::here::{Here, Ran, TAXES};

fn published() -> Here {
    Here::published(&["data/amer/1.csv", "data/amer/2.csv", "data/emea/1.csv"])
}

/// Found, with these pieces; what is said to mend it does.
#[track_caller]
fn found(here: &Here, pieces: &[&str]) -> Ran {
    let ran = here.run("verify").ends(1, pieces).ends(1, &["help: restitch apply"]);
    here.run("apply --yes --allow-empty").ok();
    here.run("verify").ends(0, &["all as it should be"]);
    ran
}

#[test]
fn all_is_as_it_should_be() {
    published().run("verify").ends(0, &["verify: 1 table, 2 manifests, 3 lines: all as it should be"]);
}

#[test]
fn nothing_is_published() {
    let here = Here::new(TAXES, &["data/amer/1.csv"]);
    found(&here, &["nothing of `taxes` is published at file:///", "1 finding"]);
}

#[test]
fn an_object_has_gone() {
    let here = published();
    here.remove("data/amer/2.csv");
    found(&here, &["1 line of `taxes`, region=amer, whose object is not there", "data/amer/2.csv"]);
}

#[test]
fn an_object_is_there_that_no_line_names() {
    let here = published();
    here.file("data/amer/3.csv", "1\n");
    here.file("data/apac/1.csv", "1\n");
    let both =
        ["region=amer, that the rules give", "region=apac, that the rules give", "data/apac/1.csv", "2 findings"];
    found(&here, &both);
}

#[test]
fn a_line_that_the_rules_do_not_give() {
    let here = published();
    let root = here.path("").canonicalize().unwrap();
    here.file("elsewhere/x.csv", "1\n");
    let lines = ["data/amer/1.csv", "data/amer/2.csv", "data/emea/1.csv", "elsewhere/x.csv", "elsewhere/y.csv"];
    let lines: String = lines.iter().map(|line| format!("file://{}/{line}\n", root.display())).collect();
    here.file("out/taxes/region=amer/symlink.txt", &format!("{lines}no uri\n"));
    found(
        &here,
        &[
            "2 lines of `taxes`, region=amer, that the rules do not give",
            "elsewhere/x.csv",
            "1 line of `taxes`, region=amer, whose object is not there",
            "elsewhere/y.csv",
            "1 line of `taxes`, region=amer, that name no object",
            "no uri",
            "changed by another hand: its marker says 2 partitions with 3 lines, there are 2 partitions with 7 lines",
        ],
    );
}

#[test]
fn a_manifest_has_gone_or_is_in_disorder() {
    let here = published();
    here.remove("out/taxes/region=emea");
    let lines = here.read("out/taxes/region=amer/symlink.txt");
    let reversed: String = lines.lines().rev().map(|line| format!("{line}\n")).collect();
    here.file("out/taxes/region=amer/symlink.txt", &reversed);
    found(&here, &["region=emea, that the rules give", "region=amer, whose lines are unsorted or stand twice"]);
}

#[test]
fn an_apply_that_did_not_end() {
    let here = published();
    let mut marker = here.marker("out/taxes");
    marker["unfinished"] = serde_json::json!({"plan": "0123456789abcdef"});
    here.file("out/taxes/_restitch.json", &marker.to_string());
    found(&here, &["an apply to `taxes` began and did not end"]);
}

#[test]
fn what_apply_alone_does_not_mend_says_what_does() {
    let here = published();
    here.remove("out/taxes/_restitch.json");
    here.run("verify").ends(1, &["no marker that says whose they are", "--adopt"]);
    let here = published();
    here.file("out/taxes/report.xlsx", "x");
    here.run("verify").ends(1, &["holds 1 file that", "report.xlsx", "move those files away"]);
}

#[test]
fn many_of_a_kind_are_said_together() {
    let here = Here::new(TAXES, &[]);
    (0..20).for_each(|number| here.file(&format!("data/{number:02}/1.csv"), "1\n"));
    here.run("apply --yes").ok();
    (0..20).for_each(|number| here.remove(&format!("data/{number:02}")));
    let ran = here.run("verify").ends(1, &["20 lines of `taxes` are dangling in 20 manifests (-v shows each)"]);
    assert!(ran.stdout.lines().count() < 15, "{ran}");
    assert_eq!(here.run("verify -v").stdout.matches("whose object is not there").count(), 20);
    let document: serde_json::Value = serde_json::from_str(&here.run("verify --json").stdout).unwrap();
    assert_eq!(document["findings"].as_array().unwrap().len(), 20);
}

#[test]
fn a_written_listing_says_what_is_there() {
    let here = Here::new(&TAXES.replace("'data/", "'s3://b/data/"), &[]);
    here.file("keys.txt", "data/amer/1.csv\ndata/amer/2.csv\n");
    here.run("apply --yes --listing s3://b/=keys.txt").ok();
    here.run("verify --listing s3://b/=keys.txt").ok();
    here.file("keys.txt", "data/amer/1.csv\n");
    here.run("verify --listing s3://b/=keys.txt").ends(1, &["whose object is not there", "s3://b/data/amer/2.csv"]);
}
