//! Switches without a catalog: a directory of its own, the statements that readers follow, and what goes later.

use crate::here::{Here, TAXES};

fn switching() -> String {
    TAXES.replace("[table.taxes]\n", "[table.taxes]\npublish = \"switch\"\n")
}

/// As if the marker had been made, and the switch done, 25 hours ago.
fn age_marker(here: &Here) {
    let marker = here.read("out/taxes/_restitch.json");
    let mut aged = marker.clone();
    for key in [r#""at":"#, r#""made":"#] {
        let then = marker.split_once(key).unwrap().1.split_once(',').unwrap().0;
        let long_ago = then.parse::<i64>().unwrap() - 25 * 3_600;
        aged = aged.replace(&format!("{key}{then}"), &format!("{key}{long_ago}"));
    }
    here.file("out/taxes/_restitch.json", &aged);
}

/// The directories beside the location that a switch has made.
fn siblings(here: &Here) -> Vec<String> {
    let mut names: Vec<String> =
        here.files("out").keys().filter_map(|path| Some(path.split_once('/')?.0.to_owned())).collect();
    names.dedup();
    names.into_iter().filter(|name| name.starts_with("taxes--")).collect()
}

fn published(files: &[&str]) -> Here {
    let here = Here::new(&switching(), files);
    here.run("apply --yes").ok();
    here
}

#[test]
fn a_first_publication_goes_to_the_location_itself() {
    let here = published(&["data/amer/1.csv"]);
    assert!(siblings(&here).is_empty());
    assert_eq!(here.read("out/taxes/region=amer/symlink.txt").lines().count(), 1);
    let again = here.run("apply --yes").ok();
    assert!(again.stdout.contains("no change"), "{again}");
}

#[test]
fn changes_go_into_a_directory_of_their_own_and_the_old_one_stays() {
    let here = published(&["data/amer/1.csv", "data/apac/1.csv", "data/emea/1.csv"]);
    let before = here.files("out/taxes");
    here.file("data/amer/2.csv", "2\n");
    here.remove("data/emea");
    here.run("plan --allow-removals").ends(0, &["switch", "becomes current"]);
    let applied = here.run("apply --yes --allow-removals").ok();
    assert!(applied.stdout.contains("restitch ddl taxes"), "{applied}");
    let [sibling] = &siblings(&here)[..] else { panic!("{:?}", siblings(&here)) };
    let manifests: Vec<String> = here.files(&format!("out/{sibling}")).into_keys().collect();
    assert_eq!(manifests, ["region=amer/symlink.txt", "region=apac/symlink.txt"]);
    assert_eq!(here.read(&format!("out/{sibling}/region=amer/symlink.txt")).lines().count(), 2);
    let mut after = here.files("out/taxes");
    let marker = after.remove("_restitch.json").unwrap();
    assert!(marker.0.contains(&format!(r#""current":"{}""#, &sibling["taxes".len()..])), "{}", marker.0);
    assert!(after.iter().all(|(path, file)| before[path] == *file), "the old directory is as it was");
    here.run("plan").ends(0, &["no change"]);
    assert_eq!(here.run("verify").code, 0);
}

#[test]
fn the_statements_lead_readers_to_the_new_directory() {
    let here = published(&["data/amer/1.csv", "data/emea/1.csv"]);
    here.file("data/apac/1.csv", "2\n");
    here.remove("data/emea");
    here.run("apply --yes --allow-removals").ok();
    let sibling = &siblings(&here)[0];
    let ddl = here.run("ddl").ok().stdout;
    let statements: Vec<&str> = ddl.split(";\n").map(|one| one.lines().next().unwrap_or("")).collect();
    assert!(statements[0].starts_with("CREATE EXTERNAL TABLE IF NOT EXISTS `taxes`"), "{ddl}");
    let there = |rest: &str| ddl.contains(&format!("{sibling}/{rest}'"));
    assert!(statements[1].starts_with("ALTER TABLE `taxes` SET LOCATION") && there(""), "{ddl}");
    assert!(ddl.contains("ADD IF NOT EXISTS") && there("region=apac/"), "{ddl}");
    let moved: Vec<&&str> =
        statements.iter().filter(|one| one.contains("PARTITION (`region` = 'amer') SET LOCATION")).collect();
    assert_eq!(moved.len(), 1, "{ddl}");
    // Its rows may have gone elsewhere.
    let dropped = ddl.find("DROP IF EXISTS\n  PARTITION (`region` = 'emea')");
    assert!(dropped.is_some() && dropped < ddl.find("ADD IF NOT EXISTS"), "{ddl}");
    assert_eq!(here.run("ddl").ok().stdout, ddl);
}

#[test]
fn an_unpartitioned_table_is_switched_too() {
    let rules = "[table.all]\nlocation = 'out/taxes/'\ncolumns = [\"id bigint\"]\nformat = \"csv\"\npublish = \"switch\"\n\
                 [[table.all.rule]]\nmatch = 'data/**'\n";
    let here = Here::new(rules, &["data/1.csv", "data/2.csv"]);
    here.run("apply --yes").ok();
    here.file("data/3.csv", "3\n");
    here.run("apply --yes").ok();
    let sibling = &siblings(&here)[0];
    assert_eq!(here.read(&format!("out/{sibling}/symlink.txt")).lines().count(), 3);
    assert_eq!(here.read("out/taxes/symlink.txt").lines().count(), 2);
    let ddl = here.run("ddl").ok().stdout;
    assert!(ddl.contains("ALTER TABLE `all` SET LOCATION") && ddl.contains(&format!("{sibling}/'")), "{ddl}");
}

#[test]
fn another_way_of_reading_is_a_switch_whatever_was_asked_for() {
    let here = Here::published(&["data/amer/1.csv"]);
    here.rules(&TAXES.replace("id bigint", "id bigint\", \"name string"));
    here.run("plan").ends(0, &["the format, the serde or the columns have changed"]);
    assert_eq!(here.run("ddl").code, 3, "what is published is not what the rules say");
    let applied = here.run("apply --yes").ok();
    assert!(applied.stdout.contains("restitch ddl --replace taxes"), "{applied}");
    let ddl = here.run("ddl --replace").ok().stdout;
    assert!(ddl.starts_with("DROP TABLE IF EXISTS `taxes`;\nCREATE EXTERNAL TABLE"), "{ddl}");
    assert!(ddl.contains("`name` string") && ddl.contains(&siblings(&here)[0]), "{ddl}");
    here.run("plan").ends(0, &["no change"]);
    // From now on it is refreshed where it lies.
    here.file("data/amer/2.csv", "2\n");
    here.run("apply --yes").ok();
    assert_eq!(siblings(&here).len(), 1);
    assert_eq!(here.read(&format!("out/{}/region=amer/symlink.txt", siblings(&here)[0])).lines().count(), 2);
}

#[test]
fn every_change_of_how_bytes_are_read_is_a_switch() {
    for (from, to, what) in [
        ("\"csv\"", "\"tsv\"", "the format, the serde or the columns have changed"),
        ("id bigint", "id string", "the format, the serde or the columns have changed"),
        ("region string", "region varchar(10)", "from region string in region={region}/ to region varchar(10) in"),
        (
            "format ",
            "layout = '{region}/'\nformat ",
            "from region string in region={region}/ to region string in {region}/",
        ),
    ] {
        let here = Here::published(&["data/amer/1.csv"]);
        here.rules(&TAXES.replace(from, to));
        here.run("plan").ends(0, &["switch", what]);
        here.run("verify").ends(1, &["not published as the rules say it", "restitch apply"]);
        here.settles();
        assert_eq!(here.run("verify").code, 0);
    }
}

#[test]
fn another_partition_column_is_a_switch_and_never_a_mix() {
    let here = Here::published(&["data/amer/1.csv", "data/emea/1.csv"]);
    here.rules(&TAXES.replace("region string", "area string").replace("{region}", "{area}"));
    here.run("plan").ends(0, &["the partition columns or their layout have changed"]);
    here.run("apply --yes").ok();
    let sibling = &siblings(&here)[0];
    let manifests: Vec<String> = here.files(&format!("out/{sibling}")).into_keys().collect();
    assert_eq!(manifests, ["area=amer/symlink.txt", "area=emea/symlink.txt"]);
    let ddl = here.run("ddl --replace").ok().stdout;
    assert!(ddl.contains("`area` = 'amer'") && !ddl.contains("`region`"), "{ddl}");
    here.run("plan").ends(0, &["no change"]);
}

#[test]
fn a_run_that_was_cut_off_goes_on_where_it_stopped() {
    let here = published(&["data/amer/1.csv", "data/apac/1.csv"]);
    here.file("data/amer/2.csv", "2\n");
    here.run("apply --yes").ok();
    let sibling = siblings(&here)[0].clone();
    // As if it had been killed: the marker as it was, one of the two manifests missing, the other one written.
    let mut fields = here.marker("out/taxes").as_object().unwrap().clone();
    fields.insert("current".into(), "".into());
    fields.remove("replaced");
    fields.insert("unfinished".into(), serde_json::json!({"plan": "0000000000000000"}));
    here.file("out/taxes/_restitch.json", &serde_json::to_string(&fields).unwrap());
    here.remove(&format!("out/{sibling}/region=apac"));
    let before = here.files(&format!("out/{sibling}"));
    here.run("apply --yes").ok();
    assert_eq!(siblings(&here)[..], *std::slice::from_ref(&sibling));
    let after = here.files(&format!("out/{sibling}"));
    assert_eq!(after["region=amer/symlink.txt"], before["region=amer/symlink.txt"], "it was there already");
    assert_eq!(after.len(), 2);
}

#[test]
fn files_of_others_in_the_new_directory_are_refused() {
    let here = published(&["data/amer/1.csv"]);
    here.file("data/amer/2.csv", "2\n");
    here.run("apply --yes").ok();
    let sibling = siblings(&here)[0].clone();
    here.file("data/amer/3.csv", "3\n");
    here.run("apply --yes").ok();
    here.remove("data/amer/3.csv");
    here.run("plan --out back.plan --allow-removals").ok();
    here.file(&format!("out/{sibling}/region=amer/notes.txt"), "mine");
    let ran = here.run("apply back.plan");
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("notes.txt") && ran.stderr.contains("readers see the table as it was"),
        "{}",
        ran.stderr
    );
    here.remove(&format!("out/{sibling}/region=amer/notes.txt"));
    here.run("apply back.plan").ok();
    assert!(here.read("out/taxes/_restitch.json").contains(&sibling["taxes".len()..]));
}

#[test]
fn what_was_replaced_goes_a_day_later() {
    let here = published(&["data/amer/1.csv"]);
    here.file("data/amer/2.csv", "2\n");
    here.run("apply --yes").ok();
    let fresh = here.run("prune --yes").ok().stdout;
    assert!(fresh.contains("replaced less than 24 h ago") && fresh.contains("nothing to delete"), "{fresh}");
    age_marker(&here);
    let young = here.run("prune --yes").ok().stdout;
    assert!(young.contains("nothing to delete"), "its files are young: {young}");
    here.age("out/taxes/region=amer/symlink.txt", 25);
    let pruned = here.run("prune --yes").ok().stdout;
    assert!(pruned.contains("replaced over 24 h ago"), "{pruned}");
    let left: Vec<String> = here.files("out/taxes").into_keys().collect();
    assert_eq!(left, ["_restitch.json"]);
    assert_eq!(siblings(&here).len(), 1);
    here.run("plan").ends(0, &["no change"]);
}

#[test]
fn a_saved_switch_does_what_it_showed_or_goes_stale() {
    let here = published(&["data/amer/1.csv", "data/apac/1.csv"]);
    here.file("data/amer/2.csv", "2\n");
    here.run("plan --out p").ok();
    here.run("apply p").ok();
    assert_eq!(siblings(&here).len(), 1);
    here.run("plan").ends(0, &["no change"]);
    here.file("data/amer/3.csv", "2\n");
    here.run("plan --out q").ok();
    here.file("data/apac/2.csv", "2\n");
    here.run("apply --yes").ok();
    assert_eq!(here.run("apply q").code, 4);
}

/// Once what was replaced is pruned, nothing tells which partitions lay there: all are pointed to where they lie.
#[test]
fn the_statements_lead_there_after_a_prune_too() {
    let here = published(&["data/amer/1.csv"]);
    here.file("data/amer/2.csv", "2\n");
    here.run("apply --yes").ok();
    let before = here.run("ddl").ok().stdout;
    age_marker(&here);
    here.age("out/taxes/region=amer/symlink.txt", 25);
    here.run("prune --yes").ends(0, &["1 manifest deleted"]);
    assert_eq!(here.run("ddl").ok().stdout, before);
    assert!(before.contains("PARTITION (`region` = 'amer') SET LOCATION"), "{before}");
}

#[test]
fn a_saved_switch_to_another_layout_is_carried_out() {
    let rules = TAXES.replace("{region}", "{region:int}");
    let here = Here::new(&rules, &["data/1/1.csv"]);
    here.run("apply --yes").ok();
    here.file("data/1/2.csv", "2\n");
    here.rules(&rules.replace("region string", "region int"));
    here.run("plan --out p").ok();
    here.run("apply p").ok();
    here.run("plan").ends(0, &["no change"]);
}

#[test]
fn json_says_that_it_is_a_switch() {
    let here = published(&["data/amer/1.csv", "data/apac/1.csv"]);
    here.file("data/amer/2.csv", "2\n");
    let plan: serde_json::Value = serde_json::from_str(&here.run("plan --json").ok().stdout).unwrap();
    let plan = &plan["tables"][0];
    assert_eq!((&plan["kind"], &plan["switch"]["reason"]), (&"switch".into(), &"asked".into()));
    assert_eq!(plan["switch"]["kept"], 1);
    assert!(plan["switch"]["directory"].as_str().unwrap().contains("/out/taxes--"), "{plan}");
}
