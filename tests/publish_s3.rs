//! The real binary, publishing to S3: two buckets in two regions against the in-process server, and everything that goes
//! wrong between them. Whatever a run prints is searched for the secret key.
#![cfg(all(feature = "cli", feature = "s3"))]

mod loopback;
mod s3_server;

use std::process::Command;
use std::time::Duration;

use restitch::listing::conformance::odd_keys;
use restitch::uri::Uri;
use s3_server::{ACCESS_KEY, Access, Conditions, Fault, Kind, SECRET_KEY, Server, Tags};
use snapbox::{assert_data_eq, str};
use tempfile::TempDir;

const RULES: &str = r#"
project = "shop"

[defaults]
location = 's3://tables/{table}/'

[table.taxes]
columns        = ["id bigint", "amount double"]
partitioned_by = ["region string"]
format         = "csv"

[[table.taxes.rule]]
match = 's3://data-us/data/{region}/taxes*.csv'

[[table.taxes.rule]]
match = 's3://data-eu/historical/'
set   = { region = "emea" }
"#;

/// A server with the objects of [`RULES`], and a folder with the rule file.
struct Shop {
    server: Server,
    folder: TempDir,
}

/// What a run of restitch left.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Shop {
    fn open() -> Shop {
        let shop = Shop::with_rules(RULES);
        for key in ["data/amer/taxes1.csv", "data/amer/taxes2.csv", "data/apac/taxes 3.csv", "data/amer/unicorns.csv"] {
            shop.server.insert("data-us", key, "1,2.0\n");
        }
        for key in ["historical/2019.csv", "historical/2020.csv"] {
            shop.server.insert("data-eu", key, "1,2.0\n");
        }
        shop
    }

    fn with_rules(rules: &str) -> Shop {
        let server = Server::start();
        server.bucket("data-us", "us-west-2");
        server.bucket("data-eu", "eu-central-1");
        server.bucket("tables", "us-east-1");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("restitch.toml"), rules).unwrap();
        Shop { server, folder }
    }

    fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_restitch"));
        command.args(args.split_whitespace()).current_dir(self.folder.path()).env_clear();
        command.envs(self.server.environment()).env("NO_PROXY", "127.0.0.1");
        command
    }

    fn run(&self, args: &str) -> Ran {
        self.ran(self.command(args))
    }

    fn ran(&self, mut command: Command) -> Ran {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            assert!(!text.contains(SECRET_KEY), "the secret is printed:\n{text}");
            text.replace(&self.server.url(), "[URL]")
        };
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    fn manifest(&self, key: &str) -> String {
        let body = self.server.body("tables", key).unwrap_or_else(|| panic!("no {key}"));
        String::from_utf8(body.to_vec()).unwrap()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "exit {:?}\n--- stdout\n{}--- stderr\n{}", self.code, self.out, self.err)
    }
}

impl Ran {
    fn assert(&self, code: i32) -> &Ran {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }
}

/// Every manifest that [`RULES`] make of [`Shop::open`].
fn assert_published(shop: &Shop) {
    assert_eq!(
        shop.manifest("taxes/region=amer/symlink.txt"),
        "s3://data-us/data/amer/taxes1.csv\ns3://data-us/data/amer/taxes2.csv\n"
    );
    assert_eq!(shop.manifest("taxes/region=apac/symlink.txt"), "s3://data-us/data/apac/taxes 3.csv\n");
    assert_eq!(
        shop.manifest("taxes/region=emea/symlink.txt"),
        "s3://data-eu/historical/2019.csv\ns3://data-eu/historical/2020.csv\n"
    );
    let marker = shop.manifest("taxes/_restitch.json");
    assert!(!marker.contains("lease") && !marker.contains("unfinished"), "{marker}");
}

#[test]
fn two_buckets_in_two_regions_become_one_table_and_stay_it() {
    let shop = Shop::open();
    shop.run("apply --yes").assert(0);
    assert_published(&shop);
    assert_eq!(shop.server.keys("tables").len(), 4);

    shop.server.reset_counts();
    let planned = shop.run("plan --detailed-exitcode");
    planned.assert(0);
    assert!(planned.out.contains("no change"), "{planned}");
    shop.run("apply --yes").assert(0);
    assert_eq!(shop.server.counts().writes(), 0);

    shop.server.insert("data-us", "data/apac/taxes4.csv", "1,2.0\n");
    shop.server.remove("data-us", "data/amer/taxes1.csv");
    shop.server.remove("data-eu", "historical/2019.csv");
    shop.server.remove("data-eu", "historical/2020.csv");
    shop.run("plan --detailed-exitcode --allow-empty").assert(2);
    shop.run("apply --yes --allow-empty").assert(0);
    assert_eq!(shop.manifest("taxes/region=amer/symlink.txt"), "s3://data-us/data/amer/taxes2.csv\n");
    assert_eq!(
        shop.manifest("taxes/region=apac/symlink.txt"),
        "s3://data-us/data/apac/taxes 3.csv\ns3://data-us/data/apac/taxes4.csv\n"
    );
    assert_eq!(shop.manifest("taxes/region=emea/symlink.txt"), "");
}

#[test]
fn a_big_prefix_is_listed_by_many_requests_at_once_and_the_progress_said() {
    let shop = Shop::open();
    shop.server.set(|settings| settings.page_size = 50);
    for number in 0..2_000 {
        shop.server.insert("data-us", &format!("data/r{:02}/taxes{number:04}.csv", number % 40), "1,2.0\n");
    }
    let applied = shop.run("apply --yes --progress json");
    applied.assert(0);
    for region in 0..40 {
        let numbers = (0..2_000).filter(|number| number % 40 == region);
        let lines = numbers.map(|number| format!("s3://data-us/data/r{region:02}/taxes{number:04}.csv\n"));
        assert_eq!(shop.manifest(&format!("taxes/region=r{region:02}/symlink.txt")), lines.collect::<String>());
    }
    let events = applied.err.lines().filter(|line| line.starts_with('{'));
    let events: Vec<serde_json::Value> = events.map(|line| serde_json::from_str(line).unwrap()).collect();
    let listed = events.iter().rfind(|event| event["event"] == "listing").unwrap_or_else(|| panic!("{applied}"));
    assert_eq!((&listed["version"], &listed["sources"], &listed["keys"]), (&1.into(), &2.into(), &2_006.into()));
    assert!(listed["requests"].as_u64() > listed["pages"].as_u64() && listed["dollars"] == 0.0, "{listed}");

    // The same page by page, and with a number of requests that is none.
    for (at_once, code) in [("1", 0), ("3", 0), ("none", 1), ("0", 1)] {
        let mut command = shop.command("plan --detailed-exitcode -q --progress json");
        command.env("RESTITCH_LIST_REQUESTS", at_once);
        let planned = shop.ran(command);
        planned.assert(code);
        assert_eq!(planned.err.contains("RESTITCH_LIST_REQUESTS=100"), code == 1, "{planned}");
        assert!(!planned.err.contains("\"event\""), "{planned}");
    }
    let lines = |args: &str| shop.run(args).assert(0).out.lines().map(str::to_owned).collect::<Vec<_>>();
    let (mut in_order, mut as_they_come) = (lines("ls"), lines("ls --any-order"));
    assert_eq!(in_order.len(), 2_006);
    in_order.sort_unstable();
    as_they_come.sort_unstable();
    assert!(in_order == as_they_come);
}

#[test]
fn many_small_prefixes_do_not_wait_for_each_other() {
    let names: Vec<String> = (0..40).map(|number| format!("r{number:02}")).collect();
    let shop =
        Shop::with_rules(&RULES.replace("{region}/taxes*", &format!("{{region:in({})}}/taxes*", names.join(","))));
    for name in &names {
        shop.server.insert("data-us", &format!("data/{name}/taxes.csv"), "1,2.0\n");
    }
    shop.server.insert("data-eu", "historical/1.csv", "1,2.0\n");
    let on_their_way = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let times = on_their_way.clone();
    shop.server.script(move |call| {
        let is_page = call.kind == Kind::List && call.bucket == "data-us";
        times.lock().unwrap().extend(is_page.then(std::time::Instant::now));
        is_page.then_some(Fault::Late(Duration::from_millis(100)))
    });
    shop.run("apply --yes").assert(0);
    assert_eq!(shop.manifest("taxes/region=r39/symlink.txt"), "s3://data-us/data/r39/taxes.csv\n");
    let times = on_their_way.lock().unwrap();
    let took = *times.last().unwrap() - times[0];
    assert!(times.len() >= 40 && took < Duration::from_secs(3), "{} pages of 100 ms took {took:?}", times.len());
}

#[test]
fn partitions_that_do_not_change_cost_no_request_each() {
    let shop = Shop::open();
    for n in 0..10_000 {
        let key = format!("data/r{n:05}/taxes.csv");
        shop.server.insert("data-us", &key, "1,2.0\n");
        shop.server.insert("tables", &format!("taxes/region=r{n:05}/symlink.txt"), format!("s3://data-us/{key}\n"));
    }
    shop.run("apply --yes --adopt").assert(0);
    assert_published(&shop);
    shop.server.reset_counts();
    let planned = shop.run("plan");
    assert!(planned.out.contains("no change"), "{planned}");
    // 11 pages of objects and 11 of manifests, the cuts by which pages are asked for at once, the probes for table formats, the
    // marker: no request a partition.
    let counts = shop.server.counts();
    assert!(counts.all() < 100 && counts.writes() == 0, "{counts:?}");
}

#[test]
fn a_tag_that_proves_nothing_costs_a_read_and_never_a_write() {
    let shop = Shop::open();
    shop.server.set(|settings| settings.tags = Tags::Kms);
    shop.run("apply --yes").assert(0);
    assert_published(&shop);
    let reads = |args: &str| {
        shop.server.reset_counts();
        shop.run(args).assert(0);
        let counts = shop.server.counts();
        (counts.of(Kind::Get), counts.writes())
    };
    let (with_kms, writes) = reads("apply --yes");
    assert_eq!(writes, 0);
    for key in shop.server.keys("tables") {
        let body = shop.manifest(&key);
        shop.server.set(|settings| settings.tags = Tags::Md5);
        shop.server.insert("tables", &key, body);
    }
    let (with_md5, _) = reads("apply --yes");
    assert_eq!(with_kms - with_md5, 3, "one read a manifest");
}

#[test]
fn a_write_whose_answer_is_lost_or_late_comes_out_right() {
    for fault in [Fault::LostAnswer, Fault::LostRequest, Fault::Conflict, Fault::Internal, Fault::TornAnswer] {
        let shop = Shop::open();
        let mut struck = std::collections::HashSet::new();
        shop.server.script(move |call| (call.kind == Kind::Put && struck.insert(call.key.clone())).then_some(fault));
        let applied = shop.run("apply --yes");
        assert_eq!(applied.code, Some(0), "{fault:?}: {applied}");
        assert_published(&shop);
        shop.server.clear_script();
        shop.server.reset_counts();
        shop.run("apply --yes").assert(0);
        assert_eq!(shop.server.counts().writes(), 0, "{fault:?}");
    }
}

#[test]
fn a_listing_that_breaks_off_is_asked_again_or_nothing_is_written() {
    for fault in [Fault::TornAnswer, Fault::LostAnswer, Fault::ErrorDocument] {
        let shop = Shop::open();
        shop.server.script(move |call| (call.kind == Kind::List && call.before % 4 == 1).then_some(fault));
        shop.run("apply --yes").assert(0);
        assert_published(&shop);
    }
    let shop = Shop::open();
    shop.server.script(|call| (call.kind == Kind::List && call.bucket == "data-eu").then_some(Fault::TornAnswer));
    let mut apply = shop.command("apply --yes");
    apply.env("AWS_MAX_ATTEMPTS", "2");
    shop.ran(apply).assert(1);
    assert!(shop.server.keys("tables").is_empty());
}

#[test]
fn throttling_is_retried_and_counted() {
    let shop = Shop::open();
    let mut requests = 0;
    shop.server.script(move |_| {
        requests += 1;
        (requests % 3 == 0).then_some(Fault::SlowDown)
    });
    let applied = shop.run("apply --yes");
    applied.assert(0);
    assert_published(&shop);
    assert!(applied.out.contains(" throttled"), "{applied}");
    let written = applied.out.lines().find(|line| line.contains("manifests written")).unwrap();
    assert!(written.ends_with("requests throttled and sent again"), "{applied}");
}

#[test]
fn each_failure_says_what_where_why_and_what_to_do() {
    let shop = Shop::open();
    shop.server.bucket_with("shut", "us-east-1", Access::Denied);
    let rules = |from: &str, to: &str| {
        let rules = RULES.replace("s3://data-us/", from).replace("s3://tables/", to);
        std::fs::write(shop.folder.path().join("restitch.toml"), rules).unwrap();
    };
    let said = |change: &dyn Fn(&mut Command)| {
        let mut plan = shop.command("plan");
        change(plan.env("AWS_MAX_ATTEMPTS", "2"));
        let ran = shop.ran(plan);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran}");
        ran.err
    };

    rules("s3://shut/", "s3://tables/");
    assert_data_eq!(
        said(&|_| {}),
        str![[r#"
error: listing s3://shut/data/ is denied
  [URL] answers 403 AccessDenied: Access Denied
  help: these credentials need s3:ListBucket on arn:aws:s3:::shut
        if its owner lets others pay:
        [[listing]]
        prefix = 's3://shut/'
        requester_pays = true

"#]]
    );
    rules("s3://data-us/", "s3://shut/");
    assert_data_eq!(
        said(&|_| {}),
        str![[r#"
error: reading s3://shut/taxes/_restitch.json is denied
  [URL] answers 403 AccessDenied: Access Denied
  help: these credentials need s3:GetObject on arn:aws:s3:::shut/taxes/_restitch.json
        and s3:ListBucket on arn:aws:s3:::shut, without which S3 does not say what is missing

"#]]
    );
    rules("s3://missing/", "s3://tables/");
    assert_data_eq!(
        said(&|_| {}),
        str![[r#"
error: there is no bucket `missing` at [URL]
  listing s3://missing/data/: [URL] answers 404 NoSuchBucket
  help: look at its name in the rule file

"#]]
    );
    rules("s3://data-us/", "s3://missing/");
    assert_data_eq!(
        said(&|_| {}),
        str![[r#"
error: there is no bucket `missing` at [URL]
  reading s3://missing/taxes/_restitch.json: [URL] answers 404 NoSuchBucket
  help: look at its name in the rule file

"#]]
    );

    rules("s3://data-us/", "s3://tables/");
    let without = |plan: &mut Command| {
        plan.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    };
    assert_data_eq!(
        said(&without),
        str![[r#"
error: reading s3://tables/taxes/_restitch.json needs AWS credentials
  none were found
  help: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in: aws sso login
        or name a profile:
        [[listing]]
        prefix = 's3://tables/'
        profile = "…"
        or, if the bucket is open to everybody:
        [[listing]]
        prefix = 's3://tables/'
        anonymous = true

"#]]
    );
    let wrong = |plan: &mut Command| {
        plan.env("AWS_SECRET_ACCESS_KEY", "mistyped");
    };
    assert_data_eq!(
        said(&wrong),
        str![[r#"
error: [URL] takes the secret key for wrong
  reading s3://tables/taxes/_restitch.json: [URL] answers 403 SignatureDoesNotMatch
  help: look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or ~/.aws

"#]]
    );
    let nobody = |plan: &mut Command| {
        plan.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    };
    assert_data_eq!(
        said(&nobody),
        str![[r#"
error: nobody answers at http://127.0.0.1:9
  reading s3://tables/taxes/_restitch.json: Connection refused
  help: look at AWS_ENDPOINT_URL, or `endpoint_url` in ~/.aws/config

"#]]
    );
    let no_host = |plan: &mut Command| {
        plan.env("AWS_ENDPOINT_URL", "http://s3.invalid");
    };
    assert_data_eq!(
        said(&no_host),
        str![[r#"
error: nobody answers at http://s3.invalid
  reading s3://tables/taxes/_restitch.json: [..]
  help: look at AWS_ENDPOINT_URL, or `endpoint_url` in ~/.aws/config

"#]]
    );
    let no_profile = |plan: &mut Command| {
        without(plan);
        plan.env("AWS_PROFILE", "staging");
    };
    assert_data_eq!(
        said(&no_profile),
        str![[r#"
error: profile `staging` gives no credentials
  it is not in ~/.aws, or names none
  help: see `aws configure list --profile staging`, or sign in: aws sso login --profile staging

"#]]
    );
    shop.server.script(|_| Some(Fault::SlowDown));
    assert_data_eq!(
        said(&|_| {}),
        str![[r#"
error: reading s3://tables/taxes/_restitch.json was put off for load, again and again
  [URL] answers 503 SlowDown: as the test's script says
  help: run again when the bucket is less busy; nothing half-done counts

"#]]
    );
}

#[test]
fn a_location_that_holds_somebodys_data_is_refused() {
    let shop = Shop::open();
    shop.server.insert("tables", "taxes/region=amer/part-0000.parquet", "PAR1");
    let refused = shop.run("apply --yes");
    refused.assert(3);
    assert_data_eq!(
        refused.err,
        str![[r#"
error: s3://tables/taxes/ holds 1 file that is no manifest of this table
  region=amer/part-0000.parquet
  engines would read every file there as a list of objects
  help: give the table a `location` of its own, or move those files away

"#]]
    );
    assert_eq!(shop.server.counts().writes(), 0);

    let shop = Shop::open();
    shop.server.insert("tables", "taxes/_restitch.json", "{}");
    shop.run("apply --yes").assert(3);
    assert_eq!(shop.server.counts().writes(), 0);
}

#[test]
fn a_store_without_conditions_is_refused_unless_nobody_else_writes() {
    for conditions in [Conditions::Ignored, Conditions::Refused] {
        let shop = Shop::open();
        shop.server.set(|settings| settings.conditions = conditions);
        let refused = shop.run("apply --yes");
        refused.assert(3);
        assert!(refused.err.contains("--single-writer"), "{refused}");
        let manifests = shop.server.keys("tables").into_iter().filter(|key| key.ends_with("symlink.txt")).count();
        assert_eq!(manifests, 0, "{conditions:?}");

        shop.run("apply --yes --single-writer").assert(0);
        assert_published(&shop);
        shop.server.insert("data-us", "data/apac/taxes4.csv", "1,2.0\n");
        shop.run("apply --yes --single-writer").assert(0);
        assert!(shop.manifest("taxes/region=apac/symlink.txt").ends_with("taxes4.csv\n"));
    }
}

#[test]
fn of_two_applies_at_once_one_waits_or_leaves() {
    let shop = Shop::open();
    let mut first = true;
    shop.server.script(move |call| {
        let late = call.kind == Kind::Put && call.key.ends_with("symlink.txt") && std::mem::take(&mut first);
        late.then_some(Fault::Late(Duration::from_secs(6)))
    });
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| shop.run("apply --yes"));
        while shop.server.counts().of(Kind::Put) < 2 {
            std::thread::sleep(Duration::from_millis(10));
        }
        let left = shop.run("apply --yes --lock-timeout 1s");
        left.assert(4);
        assert_data_eq!(
            left.err,
            str![[r#"
error: another run is writing to s3://tables/taxes/
  its lease holds for [..] s more unless it is renewed; waited 1 s
  help: run again when it is done, or wait longer: --lock-timeout=300s

"#]]
        );
        let waited = shop.run("apply --yes");
        slow.join().unwrap().assert(0);
        assert!(matches!(waited.code, Some(0 | 4)), "{waited}");
    });
    assert_published(&shop);
}

#[test]
fn somebody_elses_write_in_between_is_a_lost_race() {
    let shop = Shop::open();
    shop.run("apply --yes").assert(0);
    shop.server.insert("data-us", "data/apac/taxes4.csv", "1,2.0\n");
    let mut first = true;
    shop.server.script(move |call| {
        let late = call.kind == Kind::Put && call.key.ends_with("symlink.txt") && std::mem::take(&mut first);
        late.then_some(Fault::Late(Duration::from_secs(1)))
    });
    let key = "taxes/region=apac/symlink.txt";
    let lost = std::thread::scope(|scope| {
        let before = shop.server.counts().of(Kind::Put);
        let apply = scope.spawn(|| shop.run("apply --yes"));
        while shop.server.counts().of(Kind::Put) < before + 2 {
            std::thread::sleep(Duration::from_millis(5));
        }
        shop.server.insert("tables", key, "s3://somebody/else\n");
        apply.join().unwrap()
    });
    lost.assert(4);
    assert_eq!(shop.manifest(key), "s3://somebody/else\n");
    assert_data_eq!(
        lost.err,
        str![[r#"
error: s3://tables/taxes/region=apac/symlink.txt changed since the plan was made
  planned against ETag "faa3ef34ee39169de798d7d067937c03", found "11ece1567be199a9b2373c445639ddc3", written [..] UTC
  nothing of that partition was overwritten
  0 of 1 manifests had been written before
  help: `restitch plan` again

"#]]
    );
    shop.run("apply --yes").assert(0);
    assert!(shop.manifest(key).ends_with("taxes4.csv\n"));
}

#[test]
fn the_secret_is_in_no_log_and_no_error() {
    let shop = Shop::open();
    // `ran` looks for it in everything that is printed.
    for args in ["ls -vv", "plan -vv --json", "apply -vv --yes", "ddl -vv"] {
        let mut command = shop.command(args);
        command.env("RUST_LOG", "trace").env("AWS_SESSION_TOKEN", SECRET_KEY);
        assert!(shop.ran(command).code.is_some());
    }
    for key in shop.server.keys("tables") {
        assert!(!shop.manifest(&key).contains(SECRET_KEY), "{key}");
    }
}

#[test]
fn a_saved_plan_is_carried_out_exactly_or_refused_as_stale() {
    let shop = Shop::open();
    let saved = shop.folder.path().join("taxes.plan");
    shop.run("plan --out taxes.plan").assert(0);
    let bytes = std::fs::read(&saved).unwrap();
    assert!(!bytes.windows(SECRET_KEY.len()).any(|window| window == SECRET_KEY.as_bytes()));
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&saved).unwrap().permissions()) & 0o777,
        0o600
    );

    shop.server.insert("data-us", "data/apac/taxes4.csv", "1,2.0\n");
    shop.run("apply taxes.plan").assert(0);
    assert_published(&shop);

    shop.run("plan --out taxes.plan").assert(0);
    shop.server.insert("tables", "taxes/region=apac/symlink.txt", "s3://somebody/else\n");
    shop.server.reset_counts();
    let stale = shop.run("apply taxes.plan");
    stale.assert(4);
    assert_eq!(shop.server.counts().writes(), 0);
    assert_eq!(shop.manifest("taxes/region=apac/symlink.txt"), "s3://somebody/else\n");
}

#[test]
fn what_was_empty_for_a_day_is_pruned_and_verified() {
    let shop = Shop::open();
    shop.run("apply --yes").assert(0);
    shop.server.remove("data-us", "data/apac/taxes 3.csv");
    let dangling = shop.run("verify");
    assert!(dangling.assert(1).out.contains("s3://data-us/data/apac/taxes 3.csv"), "{dangling}");
    shop.run("apply --yes").assert(0);
    shop.run("verify").assert(0);

    let key = "taxes/region=apac/symlink.txt";
    shop.run("prune --yes").assert(0);
    assert_eq!(shop.manifest(key), "");
    shop.server.edit("tables", key, |object| object.modified -= 25 * 3_600);
    shop.run("prune --yes").assert(0);
    assert_eq!(shop.server.body("tables", key), None);
    shop.run("verify").assert(0);
    shop.run("plan --detailed-exitcode").assert(0);
}

#[test]
fn buckets_are_reached_as_the_rule_file_says() {
    let shop = Shop::open();
    shop.server.bucket_with("payer", "us-east-1", Access::RequesterPays);
    shop.server.bucket_with("open", "us-east-1", Access::Public);
    for bucket in ["payer", "open"] {
        shop.server.insert(bucket, "data/x/taxes.csv", "1,2.0\n");
    }
    let ls = |bucket: &str, listing: &str, change: &dyn Fn(&mut Command)| {
        let rules = format!(
            "[table.t]\ncolumns = [\"id bigint\"]\nformat = \"csv\"\nlocation = 's3://tables/t/'\n\n\
             [[table.t.rule]]\nmatch = 's3://{bucket}/'\n\n[[listing]]\nprefix = 's3://{bucket}/'\n{listing}\n"
        );
        std::fs::write(shop.folder.path().join("restitch.toml"), rules).unwrap();
        let mut command = shop.command("ls");
        change(&mut command);
        shop.ran(command)
    };
    let anonymous = |command: &mut Command| {
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    };
    let lists = |ran: Ran, objects: usize| assert_eq!(ran.assert(0).out.lines().count(), objects, "{ran}");
    ls("payer", "", &|_| {}).assert(1);
    lists(ls("payer", "requester_pays = true", &|_| {}), 1);
    ls("open", "", &anonymous).assert(1);
    lists(ls("open", "anonymous = true", &anonymous), 1);

    let config = shop.folder.path().join("config");
    let profile = format!(
        "[profile stranger]\nregion = eu-central-1\nendpoint_url = {}\n\
         aws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n",
        shop.server.url()
    );
    std::fs::write(&config, profile).unwrap();
    let by_profile = |command: &mut Command| {
        anonymous(command);
        command.env_remove("AWS_ENDPOINT_URL").env_remove("AWS_REGION").env("AWS_CONFIG_FILE", &config);
    };
    lists(ls("data-eu", "profile = \"stranger\"", &by_profile), 2);
    let nobody = ls("data-eu", "profile = \"nobody\"", &by_profile);
    assert!(nobody.assert(1).err.contains("profile `nobody` gives no credentials"), "{nobody}");

    let endpoint = format!("endpoint = \"{}\"\nregion = \"us-west-2\"\npath_style = true", shop.server.url());
    let without_endpoint = |command: &mut Command| {
        command.env_remove("AWS_ENDPOINT_URL");
    };
    lists(ls("data-us", &endpoint, &without_endpoint), 4);
}

#[cfg(unix)]
#[test]
fn an_interrupt_frees_the_lease_and_the_next_run_ends_what_was_begun() {
    let shop = Shop::open();
    shop.server.script(|call| {
        let is_manifest = call.kind == Kind::Put && call.key.ends_with("symlink.txt");
        is_manifest.then_some(Fault::Late(Duration::from_secs(1)))
    });
    let mut apply = shop.command("apply --yes --concurrency 1");
    let child = apply.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    while shop.server.counts().of(Kind::Put) < 3 {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let marker = shop.manifest("taxes/_restitch.json");
    assert!(marker.contains("unfinished") && !marker.contains("lease"), "{marker}");
    shop.server.clear_script();
    shop.run("apply --yes --lock-timeout 0s").assert(0);
    assert_published(&shop);
}

#[test]
fn odd_keys_reach_manifests_byte_for_byte() {
    let rules = "[table.t]\ncolumns = [\"id bigint\"]\nformat = \"csv\"\nlocation = 's3://tables/t/'\non_trap = \"skip\"\n\n\
                 [[table.t.rule]]\nmatch = 's3://odd/x/'\n";
    let shop = Shop::with_rules(rules);
    shop.server.bucket("odd", "us-east-1");
    let mut lines = Vec::new();
    for key in odd_keys(&Uri::parse("s3://odd/x/").unwrap()) {
        shop.server.insert("odd", &format!("x/{key}"), "1\n");
        let is_left_out = key.ends_with('/') || key.split('/').any(|part| part.starts_with('.'));
        // Readers end a line at either; `on_trap` leaves them out.
        let ends_a_line = key.contains(['\n', '\r']);
        if !is_left_out && !ends_a_line {
            lines.push(format!("s3://odd/x/{key}\n"));
        }
    }
    lines.sort_unstable();
    shop.run("apply --yes").assert(0);
    assert_eq!(shop.manifest("t/symlink.txt"), lines.concat());
    shop.server.reset_counts();
    shop.run("apply --yes").assert(0);
    assert_eq!(shop.server.counts().writes(), 0);
}
