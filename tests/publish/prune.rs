//! `restitch prune` and `[removed]`: what goes, when, and what never does.

use crate::here::{Here, TAXES};

/// A table of three regions, of which one has been empty for as many hours.
fn emptied(hours: u64) -> Here {
    let here = Here::published(&["data/amer/1.csv", "data/emea/1.csv", "data/test/1.csv"]);
    here.remove("data/test");
    here.run("apply --yes").ok();
    here.age("out/taxes/region=test/symlink.txt", hours);
    here
}

#[test]
fn what_has_been_empty_for_a_day_goes() {
    let here = emptied(25);
    let before = here.files("out");
    here.run("prune").ends(1, &["there is no terminal to ask on", "--yes"]);
    assert_eq!(here.files("out"), before);
    let ran = here.run("prune --yes");
    ran.ends(
        0,
        &[
            "taxes    1 empty for over 24 h",
            "− region=test    empty since",
            "prune: 1 manifest to delete",
            "first run this in Athena ALTER TABLE `taxes` DROP IF EXISTS PARTITION (`region` = 'test');",
            "✓ 1 manifest deleted",
        ],
    );
    assert!(!here.path("out/taxes/region=test").exists());
    assert_eq!(here.manifests().len(), 2);
    assert!(here.marker("out/taxes").get("lease").is_none());
    here.run("prune --yes").ends(0, &["nothing is empty", "nothing to delete"]);
    here.settles();
}

#[test]
fn what_has_been_empty_for_less_stays() {
    let here = emptied(23);
    let before = here.files("out");
    here.run("prune --yes").ends(0, &["1 empty, for less than 24 h", "nothing to delete"]).without("DROP");
    assert_eq!(here.files("out"), before);
}

#[test]
fn a_quiet_prune_prints_the_statements_alone() {
    let here = emptied(25);
    let ran = here.run("prune --yes -q").ok();
    assert_eq!(ran.stdout, "ALTER TABLE `taxes` DROP IF EXISTS\n  PARTITION (`region` = 'test');\n");
}

#[test]
fn ddl_drops_what_prune_would() {
    here_and_ddl(25, true);
    here_and_ddl(23, false);
}

fn here_and_ddl(hours: u64, drops: bool) {
    let ran = emptied(hours).run("ddl").ok();
    assert_eq!(ran.stdout.contains("DROP IF EXISTS"), drops, "{ran}");
}

#[test]
fn what_is_not_empty_or_of_another_shape_never_goes() {
    let here = emptied(25);
    for other in ["out/taxes/region=test/readme.txt", "out/taxes/symlink.txt", "out/taxes/area=x/symlink.txt"] {
        here.file(other, "");
        here.age(other, 48);
    }
    here.age("out/taxes/region=amer/symlink.txt", 48);
    here.run("prune --yes").ends(0, &["✓ 1 manifest deleted"]);
    for left in ["region=test/readme.txt", "symlink.txt", "area=x/symlink.txt", "region=amer/symlink.txt"] {
        assert!(here.path(&format!("out/taxes/{left}")).exists(), "{left}");
    }
}

#[test]
fn a_partition_that_comes_back_stays() {
    let here = emptied(25);
    here.file("data/test/2.csv", "1\n");
    here.run("apply --yes").ends(0, &["~ region=test"]);
    here.run("prune --yes").ends(0, &["nothing to delete"]);
}

#[test]
fn a_table_that_was_removed_is_emptied_and_then_goes_wholly() {
    let old = TAXES.replace("taxes", "old");
    let here = Here::new(&format!("{TAXES}{old}"), &["data/amer/1.csv", "data/emea/1.csv"]);
    here.run("apply --yes").ok();
    here.rules(&format!("[removed]\nold = 'out/old/'\n{TAXES}"));
    here.run("plan").ends(0, &["old      remove", "− region=amer", "2 to empty"]).without("lies beside");
    here.run("verify").ends(1, &["of `old`, region=amer", "restitch apply; a day later: restitch prune"]);
    here.run("apply --yes").ends(0, &["✓ 2 manifests written"]);
    assert!(here.manifests().iter().all(|(name, text)| !name.starts_with("old/") || text.is_empty()));
    here.settles();
    here.run("prune --yes").ends(0, &["2 empty, for less than 24 h", "nothing to delete"]);
    here.age("out/old/region=amer/symlink.txt", 25);
    here.run("prune").ends(1, &["1 manifest to delete"]).without("DROP TABLE");
    here.age("out/old/region=emea/symlink.txt", 25);
    here.run("prune --yes").ends(
        0,
        &[
            "old      all of it goes",
            "2 manifests and 1 marker to delete",
            "DROP TABLE IF EXISTS `old`;",
            "✓ 2 manifests deleted",
        ],
    );
    assert!(here.files("out/old").is_empty());
    here.run("plan --detailed-exitcode").ok();
    here.run("prune --yes").ends(0, &["nothing to delete"]);
}

#[test]
fn nothing_goes_where_something_else_is_published() {
    let here = emptied(25);
    here.rules(&TAXES.replace("table.taxes", "table.levies"));
    here.run("prune --yes").ends(3, &["belongs to table `taxes`"]);
    here.rules(&TAXES.replace("region", "area"));
    here.run("prune --yes").ends(3, &["the partition columns or their layout have changed"]);
    assert!(here.path("out/taxes/region=test/symlink.txt").exists());
    // How bytes are read has nothing to do with it.
    here.rules(&TAXES.replace("\"csv\"", "\"tsv\""));
    here.run("prune --yes").ends(0, &["✓ 1 manifest deleted"]);
}

#[test]
fn nothing_goes_while_another_run_writes() {
    let here = emptied(25);
    let mut marker = here.marker("out/taxes");
    marker["lease"] = serde_json::json!({"holder": "another", "seconds": 60, "renewal": 0});
    here.file("out/taxes/_restitch.json", &marker.to_string());
    here.run("prune --yes").ends(4, &["another run is writing to"]);
    here.age("out/taxes/_restitch.json", 1);
    here.run("prune --yes").ends(0, &["✓ 1 manifest deleted"]);
}
