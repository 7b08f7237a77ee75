//! lakeFS as the source: against a server in this process where a good lakeFS answers, and against answers that none
//! would give. Whatever a run prints, and every error, is searched for the credentials.
#![cfg(feature = "lakefs")]

mod lakefs_server;
mod loopback;
#[cfg(all(feature = "cli", feature = "s3"))]
mod s3_server;

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use restitch::error::{Error, ErrorKind, Result};
use restitch::listing::lakefs::{Credentials, LakeFs, Settings};
use restitch::listing::{Listing, Page};
use restitch::uri::Uri;

use lakefs_server::{ACCESS_KEY, AUTHORIZED, Fault, SECRET_KEY, Server};

/// For every page that is asked for.
const SAME_PAGE: &str = r#"{
    "results": [{"path": "d/a", "path_type": "object", "physical_address": "s3://bucket/a", "size_bytes": 1}],
    "pagination": {"has_more": true, "next_offset": "d/a"}
}"#;

fn started() -> Server {
    let server = Server::start();
    server.repository("repo", "s3://bucket/repo/");
    server
}

fn settings(server: &Server, max_tries: u32) -> Settings {
    let credentials = Credentials { access_key_id: ACCESS_KEY.into(), secret_access_key: SECRET_KEY.into() };
    let endpoint = format!("{}/api/v1", server.url()).parse().unwrap();
    Settings { endpoint, credentials: Some(credentials), max_tries }
}

fn lakefs(server: &Server) -> LakeFs {
    LakeFs::over(settings(server, 3)).unwrap()
}

/// Every object below a prefix, as its URI and its address.
async fn listed(lakefs: &LakeFs, prefix: &str) -> Result<Vec<(String, String)>> {
    let pages: Vec<Page> = lakefs.list(&Uri::parse(prefix).unwrap()).try_collect().await?;
    let each = pages.iter().flat_map(Page::objects);
    Ok(each.map(|object| (object.uri().raw(), object.physical.unwrap_or_default().to_owned())).collect())
}

async fn paths(lakefs: &LakeFs, prefix: &str) -> Result<Vec<String>> {
    Ok(listed(lakefs, prefix).await?.into_iter().map(|(uri, _)| uri).collect())
}

/// What an error says, in full, without the server's address.
fn said(server: &Server, error: &Error) -> String {
    let said = format!("{error:?}");
    for secret in [SECRET_KEY, ACCESS_KEY, AUTHORIZED] {
        assert!(!said.contains(secret), "{said}");
    }
    said.replace(&server.url(), "[URL]")
}

#[tokio::test]
async fn only_what_is_committed_is_there_at_its_address() {
    let server = started();
    let address = server.put("repo", "main", "data/a.csv", "1,2\n");
    server.import("repo", "main", "data/b.csv", "s3://other/raw/in put+1%20.csv");
    server.commit("repo", "main");
    server.put("repo", "main", "data/uncommitted.csv", "3,4\n");
    let expected = [
        ("lakefs://repo/main/data/a.csv".into(), address),
        ("lakefs://repo/main/data/b.csv".into(), "s3://other/raw/in put+1%20.csv".into()),
    ];
    assert_eq!(listed(&lakefs(&server), "lakefs://repo/main/data/").await.unwrap(), expected);
    let calls = server.take_calls();
    assert!(calls.iter().filter(|call| call.is_page()).all(|call| !call.target.contains("/refs/main/")));
}

#[tokio::test]
async fn refs_of_every_kind_are_pinned_for_good() {
    let server = started();
    server.put("repo", "main", "a", "x");
    let first = server.commit("repo", "main");
    server.tag("repo", "v1.0");
    server.branch("repo", "dev");
    let lakefs = lakefs(&server);
    for reference in ["main", "v1.0", "dev", "main@", &first, &first[..8]] {
        assert_eq!(lakefs.commit("repo", reference).await.unwrap(), first, "{reference}");
        assert_eq!(paths(&lakefs, &format!("lakefs://repo/{reference}/")).await.unwrap().len(), 1);
    }
    server.put("repo", "main", "b", "x");
    let second = server.commit("repo", "main");
    assert_eq!(lakefs.commit("repo", "main").await.unwrap(), first);
    assert_eq!(paths(&lakefs, "lakefs://repo/main/").await.unwrap(), ["lakefs://repo/main/a"]);
    assert_eq!(lakefs.commit("repo", "main~1").await.unwrap(), first);
    assert_eq!(self::lakefs(&server).commit("repo", "main").await.unwrap(), second);
    server.take_calls();
    let twice = futures::future::join(lakefs.commit("repo", &second), lakefs.commit("repo", &second)).await;
    assert_eq!((twice.0.unwrap(), twice.1.unwrap()), (second.clone(), second));
    assert_eq!(server.take_calls().len(), 1, "a ref is looked up once");
}

#[tokio::test]
async fn a_commit_between_two_pages_changes_nothing() {
    let server = started();
    for path in ["a", "c", "e", "g"] {
        server.put("repo", "main", path, "x");
    }
    server.commit("repo", "main");
    let lakefs = lakefs(&server).page_size(1);
    let prefix = Uri::parse("lakefs://repo/main/").unwrap();
    let mut pages = lakefs.list(&prefix);
    let mut seen = Vec::new();
    while let Some(page) = pages.try_next().await.unwrap() {
        seen.extend(page.objects().map(|object| object.key.to_owned()));
        server.put("repo", "main", "f", "x");
        if seen.len() == 1 {
            server.remove("repo", "main", "e");
        }
        server.commit("repo", "main");
    }
    assert_eq!(seen, ["main/a", "main/c", "main/e", "main/g"]);
}

#[tokio::test]
async fn each_refusal_says_what_where_and_what_to_do() {
    let server = started();
    server.commit("repo", "main");
    let lakefs = lakefs(&server);
    for (prefix, says) in [
        (
            "lakefs://nope/main/",
            "NotFound: there is no repository `nope` at [URL]\n  [URL] answers 404: repository not found\n  help: lakectl repo list",
        ),
        (
            "lakefs://repo/nope/",
            "NotFound: repository `repo` has no branch, tag or commit `nope`\n  [URL] answers 404: ref: not found\n  help: lakectl branch list lakefs://repo",
        ),
        (
            "lakefs://repo/ma",
            "Usage: lakefs://repo/ma names no whole branch, tag or commit\n  help: write the ref as it is: lakefs://repo/main/…",
        ),
        (
            "lakefs://repo/feat%2Fx\u{1b}/",
            "NotFound: repository `repo` has no branch, tag or commit `feat%2Fx\\u{1b}`\n  [URL] answers 404: ref: not found\n  help: lakectl branch list lakefs://repo",
        ),
        (
            "lakefs://repo/../commits/",
            "NotFound: repository `repo` has no branch, tag or commit `..`\n  help: lakectl branch list lakefs://repo",
        ),
        ("lakefs://../repo/main/", "NotFound: there is no repository `..` at [URL]\n  help: lakectl repo list"),
    ] {
        assert_eq!(said(&server, &paths(&lakefs, prefix).await.unwrap_err()), says);
    }
    let wrong = Credentials { access_key_id: ACCESS_KEY.into(), secret_access_key: "wrong".into() };
    let wrong = LakeFs::over(Settings { credentials: Some(wrong), ..settings(&server, 3) }).unwrap();
    assert_eq!(
        said(&server, &paths(&wrong, "lakefs://repo/main/").await.unwrap_err()),
        "Credentials: [URL] does not know these credentials\n  [URL] answers 401: error authenticating request\n  \
         help: look at LAKECTL_CREDENTIALS_ACCESS_KEY_ID and LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY, or ~/.lakectl.yaml"
    );
}

#[tokio::test]
async fn what_no_lakefs_answers_is_never_a_listing() {
    let server = started();
    for path in ["d/a", "d/b", "d/c"] {
        server.put("repo", "main", path, "x");
    }
    server.commit("repo", "main");
    for (fault, kind, says) in [
        (
            Fault::Status(403, "insufficient permissions", None),
            ErrorKind::Denied,
            "needs fs:ListObjects on arn:lakefs:fs:::repository/repo",
        ),
        (Fault::Status(400, "bad", None), ErrorKind::Usage, "is not possible"),
        (Fault::Status(418, "teapot", None), ErrorKind::Unsupported, "was refused"),
        (Fault::Page(404, "<html>"), ErrorKind::NotFound, "does not answer as lakeFS does"),
        (Fault::Page(200, "<html>"), ErrorKind::Corrupt, "cannot be read"),
        (Fault::Page(200, "{\"results\": []}"), ErrorKind::Corrupt, "cannot be read"),
        (
            Fault::Redirect("https://lakefs.example.com/x?y"),
            ErrorKind::Unreachable,
            "help: write that as the endpoint: https://lakefs.example.com",
        ),
        (Fault::Stuck, ErrorKind::Corrupt, "does not come to an end"),
        (Fault::Page(200, SAME_PAGE), ErrorKind::Corrupt, "does not come to an end\n  lakeFS gives again"),
        (Fault::Stray("e/a"), ErrorKind::Corrupt, "answers with `e/a`"),
        (Fault::Stray("d/c"), ErrorKind::Corrupt, "answers with `d/b`"),
    ] {
        let each = fault.clone();
        server.script(move |call| call.is_page().then(|| each.clone()));
        let error = paths(&lakefs(&server), "lakefs://repo/main/d/").await.unwrap_err();
        assert!(error.kind() == kind && said(&server, &error).contains(says), "{fault:?}: {}", said(&server, &error));
    }
}

#[tokio::test]
async fn load_and_failures_of_a_moment_are_waited_out_and_counted() {
    let server = started();
    server.put("repo", "main", "a", "x");
    server.commit("repo", "main");
    for fault in [
        Fault::Status(429, "too many", None),
        Fault::Status(420, "enhance your calm", None),
        Fault::Status(503, "Throughput exceeded. Slow down and retry", None),
        Fault::Status(500, "branch is currently locked, try again later", None),
        Fault::Cut,
    ] {
        let (mut left, each) = (2, fault.clone());
        server.script(move |call| {
            left -= i32::from(call.is_page());
            (call.is_page() && left >= 0).then(|| each.clone())
        });
        let lakefs = lakefs(&server);
        assert_eq!(paths(&lakefs, "lakefs://repo/main/").await.unwrap().len(), 1, "{fault:?}");
        let throttled = matches!(fault, Fault::Status(420 | 429 | 503, ..));
        assert_eq!(lakefs.requests().throttled, if throttled { 2 } else { 0 }, "{fault:?}");
        assert_eq!(lakefs.requests().lists, 3);
    }
    for (fault, kind) in [
        (Fault::Status(429, "too many", Some(0)), ErrorKind::Throttled),
        (Fault::Status(420, "calm", Some(0)), ErrorKind::Throttled),
        (Fault::Status(502, "bad gateway", None), ErrorKind::Unreachable),
        (Fault::Cut, ErrorKind::Unreachable),
    ] {
        let each = fault.clone();
        server.script(move |_| Some(each.clone()));
        let error = paths(&lakefs(&server), "lakefs://repo/main/").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{}", said(&server, &error));
    }
}

#[tokio::test]
async fn the_servers_own_pause_is_kept() {
    let server = started();
    server.commit("repo", "main");
    let mut first = true;
    server.script(move |_| std::mem::take(&mut first).then_some(Fault::Status(429, "too many", Some(1))));
    let start = Instant::now();
    lakefs(&server).commit("repo", "main").await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn nobody_there_is_said_soon_without_what_else_stands_in_the_endpoint() {
    let server = started();
    let address = server.url().replace("http://", "");
    let endpoint = format!("http://user:{SECRET_KEY}@{address}/api/v1").replace("/must+", "%2Fmust+");
    let settings = Settings { endpoint: endpoint.parse().unwrap(), ..settings(&server, 10) };
    let url = server.url();
    drop(server);
    let error = LakeFs::over(settings).unwrap().commit("repo", "main").await.unwrap_err();
    let said = format!("{error:?}");
    assert!(said.contains(&format!("nobody answers at {url}")) && !said.contains("secret"), "{said}");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
}

#[tokio::test]
async fn a_repository_says_where_it_keeps_its_objects() {
    let server = started();
    server.repository("bare", "s3://bucket");
    server.repository("local", "local://data");
    let lakefs = lakefs(&server);
    assert_eq!(lakefs.storage_namespace("repo").await.unwrap().raw(), "s3://bucket/repo/");
    assert_eq!(lakefs.storage_namespace("bare").await.unwrap().raw(), "s3://bucket/");
    assert_eq!(lakefs.storage_namespace("local").await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(lakefs.storage_namespace("none").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[cfg(feature = "cli")]
mod command {
    use std::process::Command;

    use tempfile::TempDir;

    use super::*;

    const RULES: &str = r#"
[defaults]
location = 'tables/{table}/'

[table.taxes]
like   = "lakefs:repo/main/_lakefs_tables/taxes.yaml"
format = "csv"

[[table.taxes.rule]]
match = 'lakefs://repo/main/taxes/region={region:hive}/*.csv'
"#;

    const DESCRIPTOR: &str = "name: taxes\ntype: hive\npath: taxes\npartition_columns: [region]\nschema:\n  type: struct\n  fields:\n  - {name: region, type: string}\n  - {name: id, type: long}\n";

    /// A server with a repository, and a folder with the rule file.
    struct Lake {
        server: Server,
        folder: TempDir,
        environment: Vec<(&'static str, String)>,
    }

    struct Ran {
        code: Option<i32>,
        out: String,
        err: String,
    }

    impl Lake {
        fn open(rules: &str) -> Lake {
            let (server, folder) = (started(), tempfile::tempdir().unwrap());
            std::fs::write(folder.path().join("restitch.toml"), rules).unwrap();
            server.put("repo", "main", "_lakefs_tables/taxes.yaml", DESCRIPTOR);
            let environment = server.environment();
            Lake { server, folder, environment }
        }

        fn run(&self, args: &str) -> Ran {
            let mut command = Command::new(env!("CARGO_BIN_EXE_restitch"));
            command.args(args.split_whitespace()).current_dir(self.folder.path()).env_clear();
            let output = command.envs(self.environment.clone()).output().unwrap();
            let text = |bytes: Vec<u8>| {
                let text = String::from_utf8(bytes).unwrap();
                for secret in [SECRET_KEY, ACCESS_KEY, AUTHORIZED] {
                    assert!(!text.contains(secret), "a credential is printed:\n{text}");
                }
                text.replace(&self.server.url(), "[URL]")
            };
            Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
        }

        fn manifest(&self, key: &str) -> String {
            std::fs::read_to_string(self.folder.path().join("tables").join(key)).unwrap()
        }
    }

    impl Ran {
        fn assert(self, code: i32) -> Ran {
            assert_eq!(self.code, Some(code), "--- stdout\n{}--- stderr\n{}", self.out, self.err);
            self
        }
    }

    #[test]
    fn check_live_reaches_the_repository_its_ref_and_who_asks() {
        let lake = Lake::open(RULES);
        lake.server.put("repo", "main", "taxes/region=amer/1.csv", "1\n");
        lake.server.commit("repo", "main");
        let reached = lake.run("check --live").assert(0).out;
        assert!(reached.contains("prefix    lakefs://repo/main/taxes/region=  listed"), "{reached}");
        assert!(!lake.folder.path().join("tables").exists());
        for (place, said) in [("repo/nope", "`nope`"), ("nowhere/main", "`nowhere`")] {
            let lake = Lake::open(&RULES.replace("lakefs://repo/main/taxes", &format!("lakefs://{place}/taxes")));
            lake.server.commit("repo", "main");
            let missing = lake.run("check --live").assert(1).out;
            assert!(missing.contains("error: ") && missing.contains(said), "{missing}");
        }
    }

    #[test]
    fn a_branch_becomes_a_table_whose_manifests_name_addresses() {
        let lake = Lake::open(RULES);
        let amer = lake.server.put("repo", "main", "taxes/region=amer/1.csv", "1\n");
        let odd = lake.server.put("repo", "main", "taxes/region=a%2Fb/1.csv", "1\n");
        let commit = lake.server.commit("repo", "main");
        let later = lake.server.put("repo", "main", "taxes/region=amer/later.csv", "2\n");

        let plan = lake.run("plan").assert(0);
        assert!(plan.out.contains(&format!("lakefs://repo/main/taxes/region= at {}", &commit[..12])), "{}", plan.out);
        lake.run("apply --yes").assert(0);
        assert_eq!(lake.manifest("taxes/region=amer/symlink.txt"), format!("{amer}\n"));
        assert_eq!(lake.manifest("taxes/region=a%2Fb/symlink.txt"), format!("{odd}\n"));
        let marker: serde_json::Value = serde_json::from_str(&lake.manifest("taxes/_restitch.json")).unwrap();
        assert_eq!(marker["applied"]["commits"][0], format!("lakefs://repo/main@{commit}"));
        assert!(lake.run("ddl").assert(0).out.contains("`id` bigint"));
        lake.run("verify").assert(0);
        assert!(lake.run("plan").assert(0).out.contains("no change"));

        let second = lake.server.commit("repo", "main");
        let plan = lake.run("plan --json").assert(0);
        let plan: serde_json::Value = serde_json::from_str(&plan.out).unwrap();
        assert_eq!(plan["listing"][0]["commit"], second);
        assert_eq!(plan["tables"][0]["commits"][0], format!("lakefs://repo/main@{second}"));
        lake.run("apply --yes").assert(0);
        let mut lines = [amer, later];
        lines.sort();
        assert_eq!(lake.manifest("taxes/region=amer/symlink.txt"), lines.join("\n") + "\n");
    }

    #[test]
    fn a_listing_that_was_kept_comes_to_the_same_plan() {
        let lake = Lake::open(RULES);
        let amer = lake.server.put("repo", "main", "taxes/region=amer/1.csv", "1\n");
        lake.server.commit("repo", "main");
        let listing = lake.run("ls").assert(0).out;
        assert!(listing.contains(&format!("\"physical_address\":\"{amer}\"")), "{listing}");
        std::fs::write(lake.folder.path().join("keys.jsonl"), &listing).unwrap();
        let mapped = lake.run("map --listing keys.jsonl").assert(0).out;
        assert!(
            mapped.contains(
                r#""uri":"lakefs://repo/main/taxes/region=amer/1.csv","table":"taxes","partition":{"region":"amer"}"#
            ),
            "{mapped}"
        );
        lake.run("apply --yes --listing keys.jsonl").assert(0);
        assert_eq!(lake.manifest("taxes/region=amer/symlink.txt"), format!("{amer}\n"));
        // Without addresses there is nothing that an engine could read.
        std::fs::write(lake.folder.path().join("keys.txt"), "lakefs://repo/main/taxes/region=amer/1.csv\n").unwrap();
        let refused = lake.run("plan --listing keys.txt").assert(3);
        assert!(refused.err.contains("unreadable-target"), "{}", refused.err);
    }

    #[test]
    fn explain_says_no_trap_of_an_address_that_it_does_not_know() {
        let lake = Lake::open(RULES);
        lake.server.commit("repo", "main");
        let explained = lake.run("explain lakefs://repo/main/taxes/region=amer/a:b.csv").assert(0).out;
        assert!(explained.contains("region=amer/symlink.txt") && !explained.contains("colon"), "{explained}");
        let check = lake.run("check").assert(0).out;
        assert!(check.contains("lists") && check.contains("lakefs://repo/main/taxes/region="), "{check}");
    }

    #[test]
    fn compressed_text_without_its_extension_is_refused_and_an_import_is_not() {
        let rules = RULES.replace("*.csv'", "*.csv{,.gz}'");
        let lake = Lake::open(&rules);
        lake.server.put("repo", "main", "taxes/region=amer/1.csv.gz", "zipped");
        lake.server.commit("repo", "main");
        let refused = lake.run("plan").assert(3);
        assert!(refused.err.contains("extension-lost"), "{}", refused.err);
        lake.server.import("repo", "main", "taxes/region=amer/1.csv.gz", "s3://other/raw/1.csv.gz");
        lake.server.commit("repo", "main");
        lake.run("apply --yes").assert(0);
        assert_eq!(lake.manifest("taxes/region=amer/symlink.txt"), "s3://other/raw/1.csv.gz\n");
        std::fs::write(lake.folder.path().join("restitch.toml"), rules.replace("\"csv\"", "\"parquet\"")).unwrap();
        lake.server.put("repo", "main", "taxes/region=apac/1.csv.gz", "x");
        lake.server.commit("repo", "main");
        assert!(!lake.run("plan").err.contains("extension-lost"));
    }

    #[test]
    fn addresses_that_no_engine_reads_are_refused_if_a_rule_takes_them() {
        for (address, trap) in [
            ("local://data/x", "unreadable-target"),
            ("mem://data/x", "unreadable-target"),
            ("https://account.blob.core.windows.net/c/x", "unreadable-target"),
            ("gs://bucket/x", "other-cloud-target"),
        ] {
            let lake = Lake::open(RULES);
            lake.server.import("repo", "main", "elsewhere/1.csv", address);
            lake.server.put("repo", "main", "taxes/region=amer/1.csv", "1\n");
            lake.server.commit("repo", "main");
            lake.run("plan").assert(0);
            lake.server.import("repo", "main", "taxes/region=amer/2.csv", address);
            lake.server.commit("repo", "main");
            let refused = lake.run("plan").assert(3);
            assert!(refused.err.contains(trap) && refused.err.contains(address), "{}", refused.err);
        }
    }

    #[test]
    fn two_paths_with_one_address_are_one_line_and_said() {
        let lake = Lake::open(RULES);
        let amer = lake.server.put("repo", "main", "taxes/region=amer/1.csv", "1\n");
        lake.server.import("repo", "main", "taxes/region=amer/2.csv", &amer);
        lake.server.commit("repo", "main");
        let plan = lake.run("apply --yes").assert(0).out;
        assert!(plan.contains("1 object of `taxes` at another one's address"), "{plan}");
        assert_eq!(lake.manifest("taxes/region=amer/symlink.txt"), format!("{amer}\n"));
        let plan: serde_json::Value = serde_json::from_str(&lake.run("plan --json").assert(0).out).unwrap();
        assert_eq!(plan["tables"][0]["shared"], 1);
    }

    #[test]
    fn a_location_in_the_storage_namespace_is_looked_up() {
        let lake = Lake::open(&RULES.replace("'tables/{table}/'", "'{storage_namespace}/tables/{table}/'"));
        lake.server.commit("repo", "main");
        let explained = lake.run("explain lakefs://repo/main/taxes/region=amer/1.csv").assert(0).out;
        assert!(explained.contains("s3://bucket/repo/tables/taxes/region=amer/symlink.txt"), "{explained}");
        lake.server.script(|call| call.target.ends_with("/repo").then_some(Fault::Status(403, "no", None)));
        let refused = lake.run("check").assert(1).out;
        assert!(refused.contains("fs:ReadRepository on arn:lakefs:fs:::repository/repo"), "{refused}");
    }

    #[cfg(feature = "s3")]
    #[test]
    fn the_same_commit_and_the_same_rules_leave_nothing_to_list() {
        let s3 = s3_server::Server::start();
        s3.bucket("tables", "us-east-1");
        let mut lake = Lake::open(&RULES.replace("'tables/{table}/'", "'s3://tables/{table}/'"));
        lake.environment.extend(s3.environment());
        lake.server.put("repo", "main", "taxes/region=amer/1.csv", "1\n");
        lake.server.put("repo", "main", "taxes/region=apac/1.csv", "1\n");
        lake.server.commit("repo", "main");
        lake.run("apply --yes").assert(0);
        let pages = || lake.server.take_calls().iter().filter(|call| call.is_page()).count();
        assert!(pages() > 0);

        let plan = lake.run("plan").assert(0).out;
        assert!(plan.contains("listing  nothing: the commits and the rules are those of the last apply"), "{plan}");
        assert!(plan.contains("taxes    no change"), "{plan}");
        assert_eq!(pages(), 0);
        let json: serde_json::Value = serde_json::from_str(&lake.run("plan --json").assert(0).out).unwrap();
        assert_eq!((&json["listing"], json["changes"].as_bool()), (&serde_json::json!([]), Some(false)));
        assert_eq!(json["tables"][0]["after"]["lines"], 2);
        lake.run("apply --yes").assert(0);
        assert_eq!(pages(), 0);
        // What somebody did to a manifest is seen, and mended.
        let manifest = s3.body("tables", "taxes/region=amer/symlink.txt").unwrap();
        s3.insert("tables", "taxes/region=amer/symlink.txt", "s3://x/y\n");
        assert!(lake.run("plan --detailed-exitcode").assert(2).out.contains("region=amer"));
        lake.run("apply --yes").assert(0);
        assert_eq!(s3.body("tables", "taxes/region=amer/symlink.txt").unwrap(), manifest);
        pages();
        // Asked for what no rule takes, it is listed all the same; so is a stray manifest's table.
        lake.run("plan --unmatched left.txt").assert(0);
        assert!(pages() > 0);
        s3.remove("tables", "taxes/region=apac/symlink.txt");
        lake.run("plan --detailed-exitcode").assert(2);
        lake.run("apply --yes").assert(0);
        pages();
        lake.run("plan").assert(0);
        assert_eq!(pages(), 0);
        // Another commit, or other rules.
        lake.server.put("repo", "main", "taxes/region=apac/2.csv", "1\n");
        lake.server.commit("repo", "main");
        lake.run("plan --detailed-exitcode").assert(2);
        assert!(pages() > 0);
        lake.run("apply --yes").assert(0);
        let rules = RULES.replace("'tables/{table}/'", "'s3://tables/{table}/'").replace("/*.csv", "/1*.csv");
        std::fs::write(lake.folder.path().join("restitch.toml"), rules).unwrap();
        pages();
        lake.run("plan --detailed-exitcode").assert(2);
        assert!(pages() > 0);
    }

    #[test]
    fn one_run_sees_one_commit_in_all_its_tables() {
        let second = RULES.split_once("[table.taxes]").unwrap().1.replace("table.taxes", "table.others");
        let rules = format!("{RULES}\n[table.others]{}", second.replace("/taxes/region", "/others/region"));
        let lake = Lake::open(&rules);
        lake.server.put("repo", "main", "taxes/region=amer/1.csv", "1\n");
        lake.server.put("repo", "main", "others/region=amer/1.csv", "1\n");
        let commit = lake.server.commit("repo", "main");
        lake.run("plan").assert(0);
        let pages = lake.server.take_calls().into_iter().filter(lakefs_server::Call::is_page);
        let targets: Vec<String> = pages.map(|call| call.target).collect();
        assert!(targets.len() > 2 && targets.iter().all(|target| target.contains(&commit)), "{targets:#?}");
    }

    #[test]
    fn a_definition_that_cannot_be_had_stands_at_its_key() {
        let lake = Lake::open(&RULES.replace("taxes.yaml", "none.yaml"));
        lake.server.commit("repo", "main");
        let refused = lake.run("check").assert(1).out;
        assert!(refused.contains("there is no object lakefs://repo/main/_lakefs_tables/none.yaml"), "{refused}");
        assert!(refused.contains("restitch.toml:6:10") && refused.contains("1 error,"), "{refused}");
    }

    #[test]
    fn a_log_at_its_loudest_says_no_secret() {
        let lake = Lake::open(RULES);
        lake.server.put("repo", "main", "taxes/region=amer/1.csv", "1\n");
        lake.server.commit("repo", "main");
        let mut first = true;
        lake.server.script(move |call| {
            (call.is_page() && std::mem::take(&mut first)).then_some(Fault::Status(429, "too many", Some(0)))
        });
        let ran = lake.run("-vvv plan").assert(0);
        assert!(ran.err.contains("429"), "{}", ran.err);
        assert!(ran.out.contains("1 throttled"), "{}", ran.out);
    }
}
