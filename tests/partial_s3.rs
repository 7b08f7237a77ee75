//! Partial runs over S3, against the in-process server: on random rule files equal to a whole run, and no request more than
//! what is asked for takes, however large the bucket is.
#![cfg(all(feature = "cli", feature = "s3", unix))]

mod generate;
mod loopback;
mod oracle;
mod ran;
mod s3_server;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use generate::case;
use oracle::Object;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use ran::Ran;
use s3_server::{Kind, SECRET_KEY, Server};
use tempfile::TempDir;

struct Lake {
    server: Server,
    folder: TempDir,
}

impl Lake {
    fn open(rules: &str, buckets: &[&str]) -> Lake {
        let server = Server::start();
        buckets.iter().for_each(|bucket| server.bucket(bucket, "us-east-1"));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("restitch.toml"), rules).unwrap();
        Lake { server, folder }
    }

    fn run(&self, args: &str) -> Ran {
        Ran::of(args, self.folder.path(), self.server.environment(), &[SECRET_KEY])
    }

    fn touched(&self, uris: impl IntoIterator<Item = impl AsRef<str>>) {
        let mut lines = String::new();
        for uri in uris {
            writeln!(lines, "{}", serde_json::json!({"uri": uri.as_ref()})).unwrap();
        }
        std::fs::write(self.folder.path().join("touched"), lines).unwrap();
    }

    /// Every manifest of these buckets, with its bytes.
    fn manifests(&self, buckets: &[&str]) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for bucket in buckets {
            for key in self.server.keys(bucket) {
                if key.ends_with("symlink.txt") {
                    let body = String::from_utf8(self.server.body(bucket, &key).unwrap().to_vec()).unwrap();
                    found.insert(format!("{bucket}/{key}"), body);
                }
            }
        }
        found
    }
}

const BUCKETS: [&str; 3] = ["bbb", "two", "out"];

/// What lets a run of random rules go on.
const LET_GO: &str = "--allow-removals --accept-moves";

/// A random rule file, so that its tables can be published.
fn publishable(rules: &str) -> String {
    let has_location =
        rules.lines().take_while(|line| !line.starts_with("[table")).any(|line| line.starts_with("location"));
    let mut out = String::new();
    let mut lines = rules.lines().peekable();
    while let Some(line) = lines.next() {
        out += &format!("{line}\n");
        let Some(table) = line.strip_prefix("[table.").and_then(|rest| rest.strip_suffix(']')) else { continue };
        out += "columns = ['zz9 string']\nformat = 'csv'\non_trap = 'skip'\n";
        let of_table = lines.clone().take_while(|line| !line.starts_with('['));
        if !has_location && !of_table.into_iter().any(|line| line.starts_with("location")) {
            out += &format!("location = 's3://out/{table}/'\n");
        }
    }
    out
}

/// S3 takes no bucket of one letter.
fn longer(text: &str) -> String {
    text.replace("://b/", "://bbb/").replace("(b,two)", "(bbb,two)").replace("{b,two}", "{bbb,two}")
}

fn split(uri: &str) -> (&str, &str) {
    uri.strip_prefix("s3://").and_then(|rest| rest.split_once('/')).unwrap()
}

/// One case: published, changed, refreshed by what has changed, and held against a whole run. `None` where there is
/// nothing to hold: the rules cannot be published, or only a whole run can tell.
fn holds(words: &[u32]) -> Option<Result<(), String>> {
    let case = case(words);
    let rules = longer(&publishable(&case.rules));
    let lake = Lake::open(&rules, &BUCKETS);
    let put = |object: &Object| {
        let (bucket, key) = split(&object.uri);
        lake.server.insert(bucket, key, "1,2\n");
    };
    let take = |object: &Object| {
        let (bucket, key) = split(&object.uri);
        lake.server.remove(bucket, key);
    };
    let chance = |at: usize, percent: u32| words[at % words.len()].rotate_left(at as u32) % 100 < percent;
    let objects = case.objects.into_iter().map(|object| Object { uri: longer(&object.uri), ..object });
    let all: Vec<Object> = objects.filter(|object| BUCKETS.contains(&split(&object.uri).0)).collect();
    all.iter().enumerate().filter(|(at, _)| chance(*at, 60)).for_each(|(_, object)| put(object));
    if lake.run(&format!("apply --yes {LET_GO}")).code != Some(0) {
        return None;
    }
    let before = lake.manifests(&BUCKETS);
    let mut changed = BTreeSet::new();
    for (at, object) in all.iter().enumerate().filter(|(at, _)| chance(at + 7, 40)) {
        if chance(at, 60) {
            take(object)
        } else {
            put(object)
        }
        changed.insert(object.uri.as_str());
    }
    // First some of it, then all.
    lake.touched(changed.iter().enumerate().filter(|(at, _)| chance(at + 3, 50)).map(|(_, uri)| uri));
    let some = lake.run(&format!("apply --yes {LET_GO} --touched touched"));
    if some.text.contains("run it whole") {
        return None;
    }
    let between = lake.manifests(&BUCKETS);
    lake.touched(&changed);
    let all = lake.run(&format!("apply --yes {LET_GO} --touched touched"));
    if all.text.contains("run it whole") {
        return None;
    }
    let after = lake.manifests(&BUCKETS);
    let whole = lake.run(&format!("apply --yes {LET_GO} --allow-empty"));
    if whole.code != Some(0) {
        return None;
    }
    let expected = lake.manifests(&BUCKETS);
    let wrong =
        |what: &str| Some(Err(format!("{what}\n{rules}\n{changed:#?}\n{}\n{}\n{}", some.text, all.text, whole.text)));
    let absent = String::new();
    let one_or_other = |(key, found): (&String, &String)| {
        [before.get(key), expected.get(key)].into_iter().any(|there| there.unwrap_or(&absent) == found)
    };
    if all.code != Some(0) || some.code != Some(0) {
        return wrong("a refresh fails where a whole run does not");
    }
    if !between.iter().all(one_or_other) {
        return wrong("a manifest is neither as before nor as a whole run makes it");
    }
    let filled = |all: &BTreeMap<String, String>| {
        all.iter().filter(|(_, one)| !one.is_empty()).map(|(key, one)| (key.clone(), one.clone())).collect::<Vec<_>>()
    };
    if filled(&after) != filled(&expected) {
        return wrong(&format!("a whole run finds more to do\n{after:#?}\n{expected:#?}"));
    }
    Some(Ok(()))
}

/// Cases, if `PARTIAL_CASES` does not say otherwise.
const CASES: usize = 40;

#[test]
fn a_refresh_by_all_that_has_changed_is_a_whole_run() {
    let cases = std::env::var("PARTIAL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let mut runner = TestRunner::deterministic();
    let words = prop::collection::vec(any::<u32>(), 600..1_200);
    let mut held = 0;
    for _ in 0..cases * 20 {
        match holds(&words.new_tree(&mut runner).unwrap().current()) {
            None => {}
            Some(Ok(())) => held += 1,
            Some(Err(why)) => panic!("{why}"),
        }
        if held == cases {
            return;
        }
    }
    panic!("only {held} of the random rule files could be published and refreshed");
}

fn hours(matches: &str) -> String {
    format!(
        "[table.hours]\nlocation = 's3://out/hours/'\ncolumns = ['id bigint']\nformat = 'csv'\n\
         partitioned_by = ['dt string', 'hour string']\n[[table.hours.rule]]\n{matches}\n"
    )
}

/// A lake of so many days, published, in which an hour has changed.
fn days(rule: &str, key: fn(usize, usize) -> String, days: usize) -> Lake {
    let lake = Lake::open(&hours(rule), &BUCKETS);
    for (day, hour) in (0..days).flat_map(|day| (0..24).map(move |hour| (day, hour))) {
        (0..12).for_each(|file| lake.server.insert("two", &format!("{}{file}.csv", key(day, hour)), "1\n"));
    }
    lake.run("apply --yes").says(0, &[]);
    lake.server.insert("two", &format!("{}new.csv", key(0, 5)), "1\n");
    lake.server.remove("two", &format!("{}3.csv", key(0, 5)));
    lake
}

/// What a refresh of an hour asks for, by kind.
fn requests(lake: &Lake, args: &str) -> [u64; 3] {
    lake.server.reset_counts();
    lake.run(args).says(0, &["1 to change"]);
    let counts = lake.server.counts();
    [Kind::List, Kind::Get, Kind::Put].map(|kind| counts.of(kind))
}

#[test]
fn an_hour_takes_the_requests_of_that_hour_however_large_the_rest_is() {
    let slashes = "match = 's3://two/in/{ts:date(yyyy/MM/dd/HH)}/{_}.csv'\n\
                   set = { dt = '{ts|format(yyyy-MM-dd)}', hour = '{ts|format(HH)}' }";
    let hive = "match = 's3://two/in/dt={dt:hive}/hour={hour:hive}/*.csv'";
    let plain = "match = 's3://two/in/dt={dt}/hour={hour}/*.csv'";
    let by_slashes: fn(usize, usize) -> String =
        |day, hour| format!("in/2026/{:02}/{:02}/{hour:02}/", day / 28 + 1, day % 28 + 1);
    let by_names: fn(usize, usize) -> String =
        |day, hour| format!("in/dt=2026-{:02}-{:02}/hour={hour:02}/", day / 28 + 1, day % 28 + 1);
    for (rule, key, lists) in [(slashes, by_slashes, 2), (plain, by_names, 2), (hive, by_names, 14)] {
        let mut asked = Vec::new();
        // 288 objects, and 28,800 of them in 2,400 partitions.
        for count in [1, 100] {
            let lake = days(rule, key, count);
            lake.touched([format!("s3://two/{}new.csv", key(0, 5))]);
            asked.push(requests(&lake, "apply --yes --touched touched"));
            lake.run("plan --only dt='2026-01-01'").says(0, &["no change"]);
        }
        assert_eq!(asked[0], asked[1], "{rule}");
        // The hour's objects, and its manifest; with `:hive` each character that may stand escaped.
        assert_eq!(asked[1][0], lists, "{rule}: {asked:?}");
        assert!(asked[1][1] + asked[1][2] <= 8, "{rule}: {asked:?}");
    }
}
