//! A real lakeFS on a real S3 server: `tests/engines/lakefs cargo test --test real_lakefs -- --ignored`.
//!
//! What the server in this process (`tests/lakefs_server`) answers is held here against what lakeFS itself does.
#![cfg(all(feature = "cli", feature = "lakefs", feature = "s3"))]

use std::collections::HashSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_config::BehaviorVersion;
use futures::{StreamExt, TryStreamExt, stream};
use restitch::error::ErrorKind;
use restitch::listing::conformance::SIZE_BYTES;
use restitch::listing::lakefs::{LakeFs, Settings};
use restitch::listing::{self, Listing, Page};
use restitch::rules::table::Access;
use restitch::uri::Uri;
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// Objects staged at once.
const STAGED: usize = 8;

/// A repository of its own, with what it takes to fill it.
struct Repository {
    name: String,
    http: reqwest::Client,
    settings: Settings,
}

impl Repository {
    async fn create() -> Repository {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let name = format!("r{now}-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let settings = Settings::read(&Access::default()).expect("tests/engines/lakefs starts one and says where");
        // Only for its setting up of the cryptography.
        LakeFs::over(settings.clone()).unwrap();
        let repository = Repository { name, http: reqwest::Client::builder().no_proxy().build().unwrap(), settings };
        let body = json!({
            "name": repository.name,
            "storage_namespace": format!("s3://restitch/lakes/{}", repository.name),
            "default_branch": "main",
        });
        repository.send(reqwest::Method::POST, "/repositories", &[], body.to_string()).await;
        repository
    }

    /// Sends a request that must succeed; returns its answer.
    async fn send(&self, method: reqwest::Method, path: &str, query: &[(&str, &str)], body: String) -> Value {
        let (status, answer) = self.try_send(method, path, query, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    async fn try_send(
        &self,
        method: reqwest::Method,
        path: &str,
        query: &[(&str, &str)],
        body: String,
    ) -> (u16, Value) {
        let mut url: reqwest::Url = format!("{}{path}", self.settings.endpoint).parse().unwrap();
        url.query_pairs_mut().extend_pairs(query);
        let kind = if path.ends_with("/objects") && method == reqwest::Method::POST { "octet-stream" } else { "json" };
        let credentials = self.settings.credentials.as_ref().unwrap();
        let request = self.http.request(method, url).header("Content-Type", format!("application/{kind}"));
        let request = request.basic_auth(&credentials.access_key_id, Some(&credentials.secret_access_key));
        let answer = request.body(body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    fn of(&self, path: &str) -> String {
        format!("/repositories/{}{path}", self.name)
    }

    /// Uploads an object to `main`; returns its address.
    async fn put(&self, path: &str, body: &str) -> String {
        let objects = self.of("/branches/main/objects");
        let answer = self.send(reqwest::Method::POST, &objects, &[("path", path)], body.to_owned()).await;
        answer["physical_address"].as_str().unwrap().to_owned()
    }

    /// Names an object that lies elsewhere, as an import does.
    async fn link(&self, path: &str, address: &str) {
        let body = json!({"physical_address": address, "checksum": "d16fb36f0911f878998c136191af705e", "size_bytes": SIZE_BYTES});
        self.send(reqwest::Method::PUT, &self.of("/branches/main/objects"), &[("path", path)], body.to_string()).await;
    }

    async fn commit(&self) -> String {
        let commits = self.of("/branches/main/commits");
        let answer = self.send(reqwest::Method::POST, &commits, &[], json!({"message": "m"}).to_string()).await;
        answer["id"].as_str().unwrap().to_owned()
    }

    fn lakefs(&self) -> LakeFs {
        LakeFs::over(self.settings.clone()).unwrap()
    }

    fn uri(&self, rest: &str) -> Uri {
        Uri::parse(&format!("lakefs://{}/{rest}", self.name)).unwrap()
    }
}

struct Real {
    repository: Repository,
    filled: Mutex<HashSet<String>>,
}

#[async_trait]
impl listing::conformance::Subject for Real {
    async fn place(&self) -> Uri {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        self.repository.uri(&format!("main/places/{}/", NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    async fn listing(&self, _: &Uri, keys: &[String], page_size: usize) -> Arc<dyn Listing> {
        let mut filled = self.filled.lock().await;
        let new: Vec<&String> = keys.iter().filter(|key| filled.insert((*key).clone())).collect();
        let paths = new.iter().map(|key| key.strip_prefix("main/").unwrap());
        let links: Vec<_> = paths.map(|path| self.repository.link(path, "s3://elsewhere/x")).collect();
        stream::iter(links).buffer_unordered(STAGED).collect::<Vec<()>>().await;
        if !new.is_empty() {
            self.repository.commit().await;
        }
        Arc::new(self.repository.lakefs().page_size(page_size))
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a lakeFS: tests/engines/lakefs"]
async fn lakefs_is_as_every_listing() {
    let real = Real { repository: Repository::create().await, filled: Mutex::default() };
    listing::conformance::check(&real).await;
}

#[tokio::test]
#[ignore = "needs a lakeFS: tests/engines/lakefs"]
async fn refs_and_refusals_are_as_the_server_of_the_tests_has_them() {
    let repository = Repository::create().await;
    repository.put("a", "xyz").await;
    let first = repository.commit().await;
    let tag = json!({"id": "v1.0", "ref": "main"}).to_string();
    repository.send(reqwest::Method::POST, &repository.of("/tags"), &[], tag).await;
    let dev = json!({"name": "dev", "source": "main"}).to_string();
    repository.try_send(reqwest::Method::POST, &repository.of("/branches"), &[], dev).await;
    repository.put("b", "xyz").await;
    let second = repository.commit().await;
    repository.put("uncommitted", "xyz").await;

    let lakefs = repository.lakefs();
    let name = &repository.name;
    for (reference, commit) in [
        ("main", &second),
        ("main@", &second),
        ("main~1", &first),
        ("v1.0", &first),
        ("dev", &first),
        (first.as_str(), &first),
        (&first[..8], &first),
    ] {
        assert_eq!(&lakefs.commit(name, reference).await.unwrap(), commit, "{reference}");
    }
    let pages: Vec<Page> = lakefs.list(&repository.uri("main/")).try_collect().await.unwrap();
    let paths: Vec<&str> = pages.iter().flat_map(Page::objects).map(|object| object.key).collect();
    assert_eq!(paths, ["main/a", "main/b"]);
    assert_eq!(lakefs.storage_namespace(name).await.unwrap().raw(), format!("s3://restitch/lakes/{name}/"));

    for (repository, reference, says) in [
        (name.as_str(), "nope", "has no branch, tag or commit `nope`"),
        (name, "feat/x", "has no branch, tag or commit `feat/x`"),
        ("nowhere", "main", "there is no repository `nowhere`"),
    ] {
        let error = lakefs.commit(repository, reference).await.unwrap_err();
        assert!(error.kind() == ErrorKind::NotFound && error.message().contains(says), "{error:?}");
    }
    let mut settings = repository.settings.clone();
    settings.credentials.as_mut().unwrap().secret_access_key.push('x');
    let error = LakeFs::over(settings).unwrap().commit(name, "main").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials, "{error:?}");
    let error = lakefs.definition(&repository.uri("main/_lakefs_tables/t.yaml")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && error.message().contains("no object"), "{error:?}");
}

#[tokio::test]
#[ignore = "needs a lakeFS: tests/engines/lakefs"]
async fn a_commit_between_two_pages_changes_nothing() {
    let repository = Repository::create().await;
    for path in ["a", "c", "e"] {
        repository.put(path, "xyz").await;
    }
    repository.commit().await;
    let lakefs = repository.lakefs().page_size(1);
    let mut pages = lakefs.list(&repository.uri("main/"));
    let mut seen = Vec::new();
    while let Some(page) = pages.try_next().await.unwrap() {
        seen.extend(page.objects().map(|object| object.key.to_owned()));
        repository.put(&format!("d{}", seen.len()), "xyz").await;
        repository.commit().await;
    }
    assert_eq!(seen, ["main/a", "main/c", "main/e"]);
}

#[tokio::test]
#[ignore = "needs a lakeFS: tests/engines/lakefs"]
async fn what_is_published_names_objects_that_are_there() {
    let repository = Repository::create().await;
    let s3 = s3().await;
    // It may be there from a run before.
    let _ = s3.create_bucket().bucket("elsewhere").send().await;
    let imported = "raw/in put+1%20.csv";
    s3.put_object().bucket("elsewhere").key(imported).body(b"7\n8".to_vec().into()).send().await.unwrap();

    let descriptor = "name: taxes\ntype: hive\npath: taxes\npartition_columns: [region]\nschema:\n  type: struct\n  fields:\n  - {name: region, type: string}\n  - {name: id, type: long}\n";
    repository.put("_lakefs_tables/taxes.yaml", descriptor).await;
    let mut amer = [
        repository.put("taxes/region=amer/1.csv", "1\n").await,
        repository.put("taxes/region=amer/odd \u{1}\n😀%2F+ .csv", "2\n").await,
        format!("s3://elsewhere/{imported}"),
    ];
    repository.link("taxes/region=amer/imported.csv", &amer[2]).await;
    let commit = repository.commit().await;
    repository.put("taxes/region=amer/uncommitted.csv", "3\n").await;

    let folder = tempfile::tempdir().unwrap();
    let rules = format!(
        "[table.taxes]\nlocation = 's3://restitch/tables/{0}/'\nlike = \"lakefs:{0}/main/_lakefs_tables/taxes.yaml\"\n\
         format = \"csv\"\n[[table.taxes.rule]]\nmatch = 'lakefs://{0}/main/taxes/region={{region:hive}}/*.csv'\n",
        repository.name
    );
    std::fs::write(folder.path().join("restitch.toml"), rules).unwrap();
    let run = |args: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_restitch"));
        let output = command.args(args.split(' ')).current_dir(folder.path()).output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{text}");
        text
    };
    assert!(run("plan").contains(&format!(" at {}", &commit[..12])));
    run("apply --yes");
    run("verify");
    assert!(run("plan").contains("no change"));

    let key = format!("tables/{}/region=amer/symlink.txt", repository.name);
    let manifest = body(&s3, "restitch", &key).await;
    amer.sort();
    assert_eq!(manifest, amer.join("\n") + "\n");
    let mut bodies = Vec::new();
    for line in manifest.lines() {
        let uri = Uri::parse(line).unwrap();
        bodies.push(body(&s3, &uri.bucket.name, &uri.key).await);
    }
    bodies.sort();
    assert_eq!(bodies, ["1\n", "2\n", "7\n8"]);
}

async fn s3() -> aws_sdk_s3::Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let sdk = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
    aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&sdk).force_path_style(true).build())
}

async fn body(s3: &aws_sdk_s3::Client, bucket: &str, key: &str) -> String {
    let object = s3.get_object().bucket(bucket).key(key).send().await.unwrap_or_else(|error| panic!("{key}: {error}"));
    String::from_utf8(object.body.collect().await.unwrap().to_vec()).unwrap()
}
