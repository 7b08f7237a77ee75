//! `restitch apply`: what is written, what is said, and what is left where it is cut off.

use crate::here::{Here, TAXES};

#[test]
fn a_first_apply_writes_manifests_and_says_what_to_run() {
    let here = Here::new(TAXES, &["data/amer/1.csv", "data/amer/2.csv", "data/emea/1.csv"]);
    let ran = here.run("apply --yes").ok();
    let order = [
        "taxes    new",
        "plan: 2 to add",
        "✓ 2 manifests written",
        "next: run this in Athena",
        "CREATE EXTERNAL TABLE",
    ];
    let places: Vec<usize> =
        order.iter().map(|piece| ran.stdout.find(piece).unwrap_or_else(|| panic!("{piece}\n{ran}"))).collect();
    assert!(places.is_sorted(), "{ran}");
    assert!(ran.stdout.contains("PARTITION (`region` = 'amer') LOCATION 'file:///"), "{ran}");
    let manifests = here.manifests();
    assert_eq!(manifests["taxes/region=amer/symlink.txt"], "data/amer/1.csv\ndata/amer/2.csv\n");
    assert_eq!(manifests["taxes/region=emea/symlink.txt"], "data/emea/1.csv\n");
    assert_eq!(manifests.len(), 2);
    let marker = here.marker("out/taxes");
    assert_eq!(marker["applied"]["lines"], 3);
    assert!(marker.get("lease").is_none() && marker.get("unfinished").is_none(), "{marker}");
    here.settles();
}

#[test]
fn a_refresh_names_new_partitions_only() {
    let here = Here::published(&["data/amer/1.csv"]);
    here.file("data/latam/1.csv", "1\n");
    let ran = here.run("apply --yes").ends(0, &["ALTER TABLE `taxes` ADD IF NOT EXISTS", "'latam'"]);
    ran.without("CREATE EXTERNAL").without("'amer'");
    here.file("data/latam/2.csv", "1\n");
    here.run("apply --yes").ends(0, &["✓ 1 manifest written"]).without("next:");
}

#[test]
fn a_quiet_apply_prints_the_statements_alone() {
    let here = Here::new(TAXES, &["data/amer/1.csv"]);
    let ran = here.run("apply --yes -q").ok();
    assert!(ran.stdout.starts_with("CREATE EXTERNAL TABLE") && ran.stdout.ends_with(";\n"), "{ran}");
    assert_eq!(ran.stderr, "");
}

#[test]
fn nobody_to_ask_is_an_error() {
    let here = Here::new(TAXES, &["data/amer/1.csv"]);
    here.run("apply").ends(1, &["+ region=amer", "there is no terminal to ask on", "--yes"]);
    assert!(!here.path("out").exists());
    here.run("apply --yes").ok();
    here.run("apply").ends(0, &["no change"]);
}

#[test]
fn the_order_of_a_listing_does_not_show() {
    let rules = TAXES.replace("'data/", "'s3://b/data/");
    let mut keys: Vec<String> = (0..500).map(|n| format!("data/{}/{n}.csv\n", n % 7)).collect();
    let of = |keys: &[String], how: &str| {
        let here = Here::new(&rules, &[]);
        here.file("keys.txt", &keys.concat());
        here.run(&format!("apply --yes --listing s3://b/=keys.txt {how}")).ok();
        here.manifests()
    };
    let sorted = of(&keys, "");
    keys.reverse();
    keys.rotate_left(123);
    assert_eq!(of(&keys, "--concurrency 1"), sorted);
    // Twice the same key is one line.
    keys.push(keys[0].clone());
    assert_eq!(of(&keys, ""), sorted);
}

#[test]
fn manifests_below_what_is_listed_are_no_objects() {
    let rules =
        TAXES.replace("'out/taxes/'", "'data/published/'").replace("'data/{region}/*.csv'", "'data/{region}/**'");
    let here = Here::new(&rules, &["data/amer/1.csv"]);
    here.run("apply --yes").ok();
    assert_eq!(here.read("data/published/region=amer/symlink.txt").lines().count(), 1);
    let again = here.run("plan --detailed-exitcode").ends(0, &["in locations"]);
    again.without("region=published");
}

#[test]
fn manifests_of_another_table_are_no_objects_either() {
    let other = TAXES
        .replace("table.taxes", "table.all")
        .replace("'out/taxes/'", "'out/all/'")
        .replace("data/{region}/*.csv", "{region:path}/*.txt");
    let here = Here::new(&format!("{TAXES}{other}"), &["data/amer/1.csv", "notes/1.txt"]);
    here.run("apply --yes").ok();
    here.settles();
    let manifests = here.manifests();
    assert_eq!(
        manifests.keys().filter(|name| name.starts_with("all/")).collect::<Vec<_>>(),
        ["all/region=notes/symlink.txt"]
    );
}

#[test]
fn an_unpartitioned_table_is_one_manifest() {
    let rules = TAXES.replace("partitioned_by = [\"region string\"]\n", "").replace("{region}", "*");
    let here = Here::new(&rules, &["data/amer/1.csv", "data/emea/1.csv"]);
    here.run("apply --yes").ends(0, &["+ the whole table    2 lines", "CREATE EXTERNAL TABLE"]).without("ALTER TABLE");
    assert_eq!(here.manifests()["taxes/symlink.txt"], "data/amer/1.csv\ndata/emea/1.csv\n");
    here.remove("data");
    here.run("apply --yes --allow-empty").ends(0, &["− the whole table", "✓ 1 manifest written"]);
    assert_eq!(here.manifests()["taxes/symlink.txt"], "");
    here.run("prune --yes").ends(0, &["nothing to delete"]);
}

#[test]
fn what_was_done_to_the_tables_before_is_said() {
    let rules: String = ["one", "two", "three"].iter().map(|name| TAXES.replace("taxes", name)).collect();
    let here = Here::new(&rules, &["data/amer/1.csv"]);
    here.file("out/two", "a file where the folder should be");
    let ran = here.run("apply --yes");
    ran.ends(1, &["a part of it is a file", "that was table `two`", "done before: `one`", "not begun: `three`"]);
    assert_eq!(here.manifests().len(), 1);
    here.remove("out/two");
    here.settles();
    assert_eq!(here.manifests().len(), 3);
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let here = Here::published(&["data/amer/1.csv", "data/emea/1.csv"]);
    let before = here.manifests();
    for number in 0..200 {
        here.file(&format!("data/emea/some-rather-long-name-{number}.csv"), "1\n");
    }
    here.file("data/apac/1.csv", "1\n");
    // No file may grow beyond 4 KiB (8 blocks): the markers fit, the manifest of emea does not.
    let ran = here.shell("trap '' XFSZ; ulimit -f 8; exec restitch apply --yes");
    ran.ends(1, &["region=emea", "manifests had been written before"]);
    assert_eq!(here.manifests()["taxes/region=emea/symlink.txt"], before["taxes/region=emea/symlink.txt"]);
    assert!(here.marker("out/taxes").get("unfinished").is_some());
    here.run("plan").ok();
    here.settles();
    assert_eq!(here.manifests()["taxes/region=emea/symlink.txt"].lines().count(), 201);
    assert!(here.files("out").keys().all(|name| !name.ends_with(".restitch.tmp")));
}

#[test]
fn a_full_disk_under_the_unmatched_is_said() {
    let here = Here::new(TAXES, &["data/amer/1.csv", "data/amer/readme.txt"]);
    here.run("plan --unmatched /dev/full").ends(1, &["/dev/full", "no space left"]);
    here.run("apply --yes --unmatched /dev/full").ends(1, &["free some space"]);
    assert!(!here.path("out").exists());
}
