//! `restitch plan`: what it shows, that it writes nothing, and how it ends.

use crate::here::{Here, TAXES};

#[test]
fn a_plan_shows_what_is_added_changed_and_emptied() {
    let here = Here::published(&["data/amer/1.csv", "data/emea/1.csv", "data/emea/2.csv", "data/test/1.csv"]);
    here.file("data/latam/1.csv", "1\n");
    here.file("data/emea/3.csv", "1\n");
    here.remove("data/emea/1.csv");
    here.remove("data/test/1.csv");
    let before = here.files(".");
    let plan = here.run("plan").ok();
    for line in [
        "taxes    refresh    3 partitions, 3 change    file:///",
        "  + region=latam     1 line",
        "  ~ region=emea     2 lines   +1 −1",
        "  − region=test     0 lines   −1       emptied, a query reads 0 rows",
    ] {
        assert!(plan.stdout.contains(line), "{line:?} is missing\n{plan}");
    }
    let summary = "plan: 1 to add, 1 to change, 1 to empty; 5 requests to write (3 manifests, 2 of markers); nothing \
                   moves between partitions, so readers see each partition old or new";
    plan.ends(0, &[summary]);
    assert_eq!(here.files("."), before, "a plan writes nothing");
    here.run("plan --detailed-exitcode").ends(2, &[]);
    here.settles();
    here.run("plan --detailed-exitcode").ends(0, &["taxes    no change", "no change: what is published"]);
}

#[test]
fn a_new_table_is_new_and_nobody_reads_it_yet() {
    let here = Here::new(TAXES, &["data/amer/1.csv"]);
    here.run("plan").ends(0, &["taxes    new", "+ region=amer", "nothing of these tables was published before"]);
    assert!(!here.path("out").exists());
}

#[test]
fn a_plan_says_what_queries_will_list() {
    let rules = TAXES.replace("'data/{region}/", "'s3://b/data/{region}/**/");
    let here = Here::new(&rules, &[]);
    let lists = |keys: Vec<String>| here.file("keys.txt", &keys.concat());
    let with = "--listing s3://b/=keys.txt";
    // 150 pages of other keys beside one, and two directories in another partition.
    let other = (0..149_999).map(|number| format!("data/amer/{number:06}.bak\n"));
    let keys: Vec<String> =
        other.chain(["amer/x", "emea/a/x", "emea/b/x"].map(|name| format!("data/{name}.csv\n"))).collect();
    lists(keys.clone());
    here.run(&format!("plan {with}"))
        .ends(0, &["queries    taxes   77 LISTs a partition, at worst 151: region=amer"])
        .ends(0, &["a query of `taxes` at region=amer makes Athena and Trino list 151 pages of keys"]);
    let limited = |limit: u32| rules.replace("format ", &format!("max_lists_per_partition = {limit}\nformat "));
    here.rules(&limited(151));
    here.run(&format!("plan {with}")).ok();
    here.rules(&limited(150));
    let message = "a query of `taxes` at region=amer would make an engine list 151 pages";
    let apply = here.run(&format!("apply --yes {with}"));
    apply.ends(3, &[message, "max_lists_per_partition (150)", "max_lists_per_partition = 151"]);
    assert!(!here.path("out").exists());
    // Of keys in no order nothing is known, and Spark asks for each object.
    lists(keys.iter().rev().cloned().collect());
    here.rules(&rules);
    let shuffled = here.run(&format!("plan {with}")).ok();
    lists(keys);
    here.rules(&rules.replace("format ", "engine = \"spark\"\nformat "));
    for shown in [shuffled, here.run(&format!("plan {with}")).ok()] {
        assert!(!shown.stdout.contains("LIST"), "{shown}");
    }
    // What the listing does not show whole may be more.
    here.rules(&rules.replace("{region}/**/*", "{region:in(emea)}/a/x"));
    lists(vec!["data/emea/a/x.csv\n".into()]);
    here.run("plan --listing s3://b/data/emea/a/=keys.txt").ends(0, &["queries    taxes   2 LISTs a partition"]);
    here.run("plan --listing s3://b/data/emea/a/x=keys.txt")
        .ends(0, &["queries    taxes   at least 2 LISTs a partition"]);
}

#[test]
fn what_is_left_out_is_counted_by_reason_and_shape() {
    let rules = TAXES.replace("format ", "exclude = [\"*.tmp\"]\nformat ");
    let here = Here::new(&rules, &["data/amer/1.csv", "data/amer/_hidden.csv", "data/amer/x.tmp"]);
    here.file("data/amer/empty.csv", "");
    for number in 1..=3 {
        here.file(&format!("data/apac/readme-000{number}.txt"), "1\n");
    }
    let plan = here.run("plan --unmatched lists/not-mine.txt").ok();
    for piece in
        ["1 hidden", "1 zero bytes", "1 excluded", "unmatched", "3 ", "/data/{}/readme-{}.txt", "readme-0001.txt"]
    {
        assert!(plan.stdout.contains(piece), "{piece:?} is missing\n{plan}");
    }
    let unmatched = here.read("lists/not-mine.txt");
    let names: Vec<&str> = unmatched.lines().map(|line| line.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["readme-0001.txt", "readme-0002.txt", "readme-0003.txt"]);
    assert!(unmatched.lines().all(|line| line.starts_with("file:///")));
}

#[test]
fn a_line_end_in_a_key_makes_no_line_of_its_own() {
    let here = Here::new(&s3_rules(), &[]);
    here.file("keys.jsonl", "{\"uri\":\"s3://b/data/amer/1.csv\"}\n{\"uri\":\"s3://b/data/x\\ny\\r.txt\"}\n");
    here.run("plan --listing s3://b/=keys.jsonl --unmatched u.txt").ok();
    assert_eq!(here.read("u.txt"), "s3://b/data/x\\ny\\r.txt\n");
}

#[test]
fn thirty_thousand_partitions_are_rolled_up() {
    let here = Here::new(&s3_rules(), &[]);
    here.file("keys.txt", &keys(0..30_000));
    let first = here.run("plan --listing s3://b/=keys.txt").ok();
    assert!(first.stdout.lines().count() < 30, "{first}");
    assert!(first.stdout.contains("+ … 29,995 more to add    29,995 lines"), "{first}");
    assert!(first.stdout.contains("30,000 partitions, 30,000 change"), "{first}");
    assert!(first.stdout.lines().all(|line| line.chars().count() <= 100), "{first}");
}

#[test]
fn a_refresh_of_many_partitions_is_rolled_up_by_kind() {
    let here = Here::new(&s3_rules(), &[]);
    here.file("keys.txt", &keys(0..2_000));
    let first = here.run("apply --yes --listing s3://b/=keys.txt");
    first.ends(0, &["✓ 2,000 manifests written", "next: run what this prints in Athena restitch ddl taxes"]);
    here.file("keys.txt", &format!("{}data/00500/2.csv\ndata/00600/2.csv\ndata/new/1.csv\n", keys(100..1_500)));
    let rolled = here.run("plan --listing s3://b/=keys.txt --allow-removals").ok();
    for line in [
        "  + region=new              1 line",
        "  ~ region=00500           2 lines   +1",
        "  − region=00000           0 lines   −1       emptied, a query reads 0 rows",
        "  − … 595 more to empty    0 lines   −595",
        "plan: 1 to add, 2 to change, 600 to empty;",
    ] {
        assert!(rolled.stdout.contains(line), "{line:?} is missing\n{rolled}");
    }
    let all = here.run("plan -v --listing s3://b/=keys.txt --allow-removals").ok();
    assert_eq!(all.stdout.lines().filter(|line| line.starts_with("  − region=")).count(), 600);
}

#[test]
fn flags_that_name_nothing_are_mistakes() {
    let here = Here::new(TAXES, &["data/amer/1.csv"]);
    here.run("plan --allow-removals=taxs").ends(1, &["there is no table `taxs`", "did you mean `taxes`?"]);
    here.run("plan --allow-empty=elsewhere:1").ends(1, &["there is no table `elsewhere`", "its tables are taxes"]);
    here.run("plan --allow-empty=taxes:2").ends(1, &["has no rule `2`", "its only rule is 1"]);
    here.run("plan --allow-empty=taxes").ends(1, &["--allow-empty=taxes:1"]);
    here.run("apply --lock-timeout soon").ends(1, &["write it as 90s, 5m or 1h"]);
    here.run("plan --no-such-flag").ends(1, &["unexpected argument"]);
}

#[test]
fn a_table_that_left_the_file_is_named() {
    let old = TAXES.replace("taxes", "old");
    let here = Here::new(&format!("{TAXES}{old}"), &["data/amer/1.csv"]);
    here.run("apply --yes").ok();
    let before = here.files("out");
    here.rules(TAXES);
    here.run("plan").ends(0, &["`old` lies beside these tables", "[removed]", "old = 'file:///"]);
    here.run("apply --yes").ends(0, &["`old` lies beside"]);
    assert_eq!(here.files("out"), before);
    here.rules(&format!("project = \"another\"\n{}", TAXES.replace("taxes", "fresh")));
    here.run("plan").ok().without("lies beside");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let here = Here::new(&s3_rules(), &[]);
    here.file("keys.txt", &(0..20_000).map(|n| format!("data/{n}/1.csv\n")).collect::<String>());
    here.shell("restitch plan -v --listing s3://b/=keys.txt 2>err | head -1; cat err")
        .ends(0, &["listing"])
        .without("error");
}

/// [`TAXES`] over a bucket, whose listing is given.
fn s3_rules() -> String {
    TAXES.replace("'data/", "'s3://b/data/")
}

fn keys(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|number| format!("data/{number:05}/1.csv\n")).collect()
}
