//! A real engine reads what restitch registered: objects on an S3 server, `restitch apply`, tables and partitions in moto's
//! Glue, queries by Trino, the stand-in for Athena. No statement is run by hand: what apply leaves behind is all.
//!
//! Asked for by name, for it needs all of them (gofakes3, since moto's own S3 takes no odd keys; lakeFS on top of it):
//!
//!     RESTITCH_S3_KIND=gofakes3 tests/engines/moto tests/engines/lakefs tests/engines/trino \\
//!         cargo test --test trino -- --ignored --nocapture
#![cfg(all(feature = "cli", feature = "glue", feature = "lakefs"))]

use std::process::Command;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Credentials, Region};
use serde_json::{Value, json};

const RULES: &str = r#"
[defaults]
location = 's3://trino-tables/{table}/'
engine   = "trino"
format   = "csv"
columns  = ["id bigint", "item string"]

[catalog]
type     = "glue"
database = "shop"

[table.registered]
partitioned_by = ["region string"]
[[table.registered.rule]]
match = 's3://trino-sales/csv/{region}/*.csv'
[[table.registered.rule]]
match = 's3://trino-archive/**/*.csv'
set   = { region = "archive" }

[table.unpartitioned]
[[table.unpartitioned.rule]]
match = 's3://trino-sales/csv/*/*.csv'
[[table.unpartitioned.rule]]
match = 's3://trino-archive/**/*.csv'

[table.projected]
format         = "json"
partitioned_by = ["dt date"]
partitions     = "projection"
[[table.projected.rule]]
match = 's3://trino-sales/json/{dt}/*.json'

[table.columnar]
format = "parquet"
[[table.columnar.rule]]
match = 's3://trino-sales/parquet/*.parquet'

# Columns and format of a table that is there already.
[table.alike]
like = "glue:shop.columnar"
[[table.alike.rule]]
match = 's3://trino-sales/parquet/*.parquet'
"#;

const CSV: [(&str, &str, &str); 5] = [
    ("trino-sales", "csv/north america/sales1.csv", "1,kite\n2,drum\n"),
    ("trino-sales", "csv/north america/sales 2.csv", "3,lamp\n"),
    ("trino-sales", "csv/münchen/süd=1%20.csv", "5,harp"),
    ("trino-sales", "csv/gone/sales1.csv", "6,vase\n"),
    ("trino-archive", "2019/q1/x.csv", "7,globe\n8,quill\n"),
];

#[tokio::test]
#[ignore = "needs moto, gofakes3 and Trino"]
async fn trino_reads_what_restitch_registered() {
    let world = World::new(RULES, &["trino-sales", "trino-archive", "trino-tables"]).await;
    for (bucket, key, body) in CSV {
        world.put(bucket, key, body.into()).await;
    }
    world.put("trino-sales", "json/2026-11-20/a.json", "{\"id\":11,\"item\":\"fife\"}\n".into()).await;
    world.put("trino-sales", "json/2026-11-22/a.json", "{\"id\":12,\"item\":\"fan\"}\n".into()).await;
    let parquet = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples/items.parquet");
    world.put("trino-sales", "parquet/items.parquet", std::fs::read(parquet).expect("the sample")).await;

    // `alike` takes its columns from a table that the first apply makes.
    let alike = RULES.find("# Columns and format").expect("it is there");
    world.rules(&RULES[..alike]);
    world.restitch(&["apply", "--yes", "--create-database"]);
    world.rules(RULES);
    world.restitch(&["apply", "--yes"]);
    let mut seen = Seen::default();
    let csv = [
        (1, "north america"),
        (2, "north america"),
        (3, "north america"),
        (5, "münchen"),
        (6, "gone"),
        (7, "archive"),
        (8, "archive"),
    ];
    let rows = |pairs: &[(i64, &str)]| pairs.iter().map(|(id, part)| json!([id, part])).collect::<Vec<_>>();
    let ids = |ids: &[i64]| ids.iter().map(|id| json!([id])).collect::<Vec<_>>();
    seen.expect(
        "registered partitions, CSV, two buckets",
        world.query("SELECT id, region FROM registered").await,
        rows(&csv),
    );
    seen.expect(
        "one partition of them",
        world.query("SELECT id FROM registered WHERE region = 'münchen'").await,
        ids(&[5]),
    );
    seen.expect(
        "no partitions, CSV, two buckets",
        world.query("SELECT id FROM unpartitioned").await,
        ids(&[1, 2, 3, 5, 6, 7, 8]),
    );
    seen.expect(
        "projection, JSON",
        world.query("SELECT id, CAST(dt AS varchar) FROM projected").await,
        rows(&[(11, "2026-11-20"), (12, "2026-11-22")]),
    );
    seen.expect(
        "one day of it",
        world.query("SELECT id FROM projected WHERE dt = DATE '2026-11-22'").await,
        ids(&[12]),
    );
    seen.expect(
        "a day without a file",
        world.query("SELECT id FROM projected WHERE dt = DATE '2026-11-21'").await,
        ids(&[]),
    );
    seen.expect("Parquet", world.query("SELECT id FROM columnar").await, ids(&[21, 22, 23]));
    seen.expect(
        "Parquet, like another table",
        world.query("SELECT id FROM alike WHERE item = 'bell'").await,
        ids(&[23]),
    );

    // A file in an old partition, one in a new one, a file goes, a partition empties, a day comes.
    world.put("trino-sales", "csv/north america/new.csv", "9,rope\n".into()).await;
    world.put("trino-sales", "csv/日本/x.csv", "10,bell\n".into()).await;
    world.put("trino-sales", "json/2026-11-24/a.json", "{\"id\":13,\"item\":\"x\"}\n".into()).await;
    world.delete("trino-sales", "csv/north america/sales 2.csv").await;
    world.delete("trino-sales", "csv/gone/sales1.csv").await;
    world.restitch(&["apply", "--yes"]);
    let csv = [
        (1, "north america"),
        (2, "north america"),
        (5, "münchen"),
        (7, "archive"),
        (8, "archive"),
        (9, "north america"),
        (10, "日本"),
    ];
    seen.expect("files came and went", world.query("SELECT id, region FROM registered").await, rows(&csv));
    seen.expect(
        "the same without partitions",
        world.query("SELECT id FROM unpartitioned").await,
        ids(&[1, 2, 5, 7, 8, 9, 10]),
    );
    seen.expect("an emptied partition", world.query("SELECT id FROM registered WHERE region = 'gone'").await, ids(&[]));
    let partitions = world.query("SELECT region FROM \"registered$partitions\"").await;
    let names = ["archive", "gone", "münchen", "north america", "日本"];
    seen.expect("partitions that are registered", partitions, names.iter().map(|name| json!([name])).collect());
    seen.expect("a new day, projected", world.query("SELECT id FROM projected").await, ids(&[11, 12, 13]));
    let again = world.restitch(&["plan", "--full", "--detailed-exitcode"]);
    assert!(again.contains("no change"), "{again}");
    seen.print();
}

const LIST_RULES: &str = r#"
[defaults]
location = 's3://trino-lists-tables/{table}/'
engine   = "trino"
format   = "csv"
columns  = ["id bigint", "item string"]

[catalog]
type     = "glue"
database = "lists"

[table.regions]
partitioned_by = ["region string"]
[[table.regions.rule]]
match = 's3://trino-lists/flat/{region}-*.csv'
[[table.regions.rule]]
match = 's3://trino-lists/deep/{region}/**/*.csv'

[table.whole]
[[table.whole.rule]]
match = 's3://trino-lists/**/*.csv'
"#;

/// The LISTs that a plan says a query makes are those that Trino makes.
#[tokio::test]
#[ignore = "needs moto, gofakes3 and Trino"]
async fn trino_lists_as_often_as_a_plan_says() {
    let world = World::new(LIST_RULES, &["trino-lists", "trino-lists-tables"]).await;
    for number in 0..2_100 {
        world.put("trino-lists", &format!("flat/other-{number:04}.bak"), b"x".to_vec()).await;
    }
    for key in ["flat/emea-1.csv", "flat/emea-2.csv", "flat/amer-1.csv"] {
        world.put("trino-lists", key, "1,kite\n".into()).await;
    }
    for key in ["deep/apac/1.csv", "deep/apac/a/1.csv", "deep/apac/a/2.csv", "deep/apac/b/c/1.csv", "deep/apac/b/_x"] {
        world.put("trino-lists", key, "2,drum\n".into()).await;
    }
    world.restitch(&["apply", "--yes", "--create-database"]);
    let planned: Value = serde_json::from_str(&world.restitch(&["plan", "--json"])).expect("JSON");
    let said = |table: usize, field: &str| planned["tables"][table]["query_lists"][field].clone();
    assert_eq!(said(0, "average"), json!(4.0), "3 pages of `flat/` for two partitions, 3 directories for the third");
    let mut seen = Seen::default();
    let mut counted = async |case: &str, sql: &str, rows: usize, lists: Value| {
        let before = World::lists();
        let found = world.query(sql).await.unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(found.len(), rows, "{case}");
        assert_eq!(json!(World::lists() - before), lists, "{case}");
        seen.0.push((case.to_owned(), format!("{lists} LISTs, as planned")));
    };
    let regions = "SELECT id FROM glue.lists.regions WHERE region";
    counted("a partition in a large directory", &format!("{regions} = 'emea'"), 2, json!(4)).await;
    counted("a partition in three directories", &format!("{regions} = 'apac'"), 4, json!(4)).await;
    counted("the worst partition", &format!("{regions} = 'amer'"), 1, said(0, "worst")).await;
    counted("a table without partitions", "SELECT id FROM glue.lists.whole", 7, said(1, "worst")).await;
    seen.print();
}

const SWITCH_RULES: &str = r#"
[lookup.turned]
north = "south"
south = "north"

[defaults]
location = 's3://trino-switch-tables/{table}/'
engine   = "trino"
format   = "csv"
columns  = ["id bigint", "item string"]

[catalog]
type     = "glue"
database = "switched"

[table.projected]
partitioned_by = ["region string"]
partitions     = "projection"
[[table.projected.rule]]
match = 's3://trino-switch/{r}/*.csv'
set   = { region = "{r}" }

[table.whole]
publish = "switch"
[[table.whole.rule]]
match = 's3://trino-switch/**/*.csv'
"#;

/// Every line moves to the other partition, and every row is skipped but the second: the very next query sees all of it.
#[tokio::test]
#[ignore = "needs moto, gofakes3 and Trino"]
async fn the_query_after_a_switch_reads_the_new_directory() {
    let world = World::new(SWITCH_RULES, &["trino-switch", "trino-switch-tables"]).await;
    world.put("trino-switch", "north/1.csv", "1,kite\n2,drum\n".into()).await;
    world.put("trino-switch", "south/1.csv", "3,lamp\n4,harp\n".into()).await;
    world.restitch(&["apply", "--yes", "--create-database"]);
    let regions = "SELECT id, region FROM glue.switched.projected";
    let mut seen = Seen::default();
    let rows = |pairs: &[(i64, &str)]| pairs.iter().map(|(id, part)| json!([id, part])).collect::<Vec<_>>();
    let before = [(1, "north"), (2, "north"), (3, "south"), (4, "south")];
    seen.expect("before a switch", world.query(regions).await, rows(&before));

    world.rules(&SWITCH_RULES.replace(r#""{r}""#, r#""{r|lookup(turned)}""#));
    let planned = world.restitch(&["plan"]);
    assert!(planned.contains("switch") && planned.contains("lines move between partitions"), "{planned}");
    seen.expect("planned, not applied", world.query(regions).await, rows(&before));
    world.restitch(&["apply", "--yes"]);
    let after = [(1, "south"), (2, "south"), (3, "north"), (4, "north")];
    seen.expect("lines have moved, by one change", world.query(regions).await, rows(&after));
    seen.expect(
        "one partition after it",
        world.query(&format!("{regions} WHERE region = 'north'")).await,
        rows(&[(3, "north"), (4, "north")]),
    );

    world.put("trino-switch", "south/2.csv", "5,rope\n6,bell\n".into()).await;
    let turned = SWITCH_RULES.replace(r#""{r}""#, r#""{r|lookup(turned)}""#);
    let headed = turned.replace(r#""csv""#, r#"{ type = "csv", header_lines = 1 }"#);
    world.rules(&headed);
    world.restitch(&["apply", "--yes"]);
    seen.expect(
        "another way of reading, and a new file",
        world.query(regions).await,
        rows(&[(2, "south"), (4, "north"), (6, "north")]),
    );
    let whole = world.query("SELECT id FROM glue.switched.whole").await;
    seen.expect("no partitions", whole, [2, 4, 6].iter().map(|id| json!([id])).collect());
    let again = world.restitch(&["plan", "--full", "--detailed-exitcode"]);
    assert!(again.contains("no change"), "{again}");
    seen.print();
}

/// What Trino fails on or misreads, and restitch refuses: the trap's name, the key behind the line, and what Trino says
/// of the line if it is written all the same.
const TRAPS: [(&str, &str, &str); 6] = [
    ("hidden-name", "t/_hidden.csv", "HIVE_FILE_NOT_FOUND"),
    ("hidden-name", "t/.hidden.csv", "HIVE_FILE_NOT_FOUND"),
    ("leading-slash", "/t/lead.csv", "HIVE_UNKNOWN_ERROR"),
    ("prefix-line", "t/folder/", "HIVE_UNKNOWN_ERROR"),
    ("line-break", "t/a\nb.csv", "HIVE_BAD_DATA"),
    ("extension-case", "t/x.csv.GZ", "read, but not as written"),
];

const TRAP_RULES: &str = r#"
[catalog]
type     = "glue"
database = "traps"

[table.trap]
location = 's3://trino-trap-tables/trap/'
skip     = []
engine   = "trino"
format   = "csv"
columns  = ["id bigint", "item string"]
[[table.trap.rule]]
regex = '(?s:.*)'
under = 's3://trino-traps/'
"#;

#[tokio::test]
#[ignore = "needs moto, gofakes3 and Trino"]
async fn what_trino_fails_on_is_refused_before() {
    let world = World::new(TRAP_RULES, &["trino-traps", "trino-trap-tables"]).await;
    world.put("trino-traps", "t/good.csv", "1,kite\n".into()).await;
    world.restitch(&["apply", "--yes", "--create-database"]);
    let query = "SELECT id FROM glue.traps.trap";
    let mut seen = Seen::default();
    seen.expect("a table without a trap", world.query(query).await, vec![json!([1])]);
    for (trap, key, says) in TRAPS {
        world.put("trino-traps", key, b"\x1f\x8b\x08 no text".to_vec()).await;
        let (code, said) = world.run(&["plan"]);
        assert!(code == Some(3) && said.contains(trap), "{key:?} is not refused as {trap}: {code:?}\n{said}");
        world.put("trino-trap-tables", "trap/symlink.txt", format!("s3://trino-traps/{key}\n").into_bytes()).await;
        let outcome = match world.query(query).await {
            Err(error) => error,
            Ok(rows) => {
                assert!(!rows.contains(&json!([1])), "{rows:?}");
                "read, but not as written".to_owned()
            }
        };
        assert!(outcome.contains(says), "{key:?}: {outcome}");
        seen.0.push((format!("{trap}: {key:?}"), says.to_owned()));
        world.delete("trino-traps", key).await;
    }
    seen.print();
}

/// A table in lakeFS, as `restitch create-symlink` copies it: what is committed is read, at the objects' own addresses.
#[tokio::test]
#[ignore = "needs moto, lakeFS on gofakes3, and Trino"]
async fn trino_reads_what_create_symlink_published() {
    let world = World::new("", &[]).await;
    let repository = format!("trino-{}", std::process::id());
    let lake = |path: &str| format!("/repositories/{repository}{path}");
    let namespace = format!("s3://restitch/lakes/{repository}");
    let body = json!({"name": repository, "storage_namespace": namespace, "default_branch": "main"});
    world.lakefs("/repositories", body.to_string()).await;
    let put = async |path: &str, body: &str| {
        world.lakefs(&lake(&format!("/branches/main/objects?path={path}")), body.to_owned()).await;
    };
    let commit = async || {
        world.lakefs(&lake("/branches/main/commits"), json!({"message": "more"}).to_string()).await;
    };
    for (path, body) in [
        ("my_table/year%3D2020/month%3D12/a.csv", "1,kite\n2,drum\n"),
        ("my_table/year%3D2021/month%3D1/a.csv", "3,lamp\n"),
        ("my_table/year%3D2021/month%3D2/a.csv", "4,harp\n"),
        ("my_table/year%3D2021/month%3D2/_SUCCESS", "x"),
        ("my_table2/year%3D2021/month%3D2/a.csv", "9,none\n"),
    ] {
        put(path, body).await;
    }
    commit().await;
    put("my_table/year%3D2021/month%3D3/a.csv", "5,rope\n").await;
    world.plain_table(&repository).await;

    let copy = [
        "create-symlink",
        "--repo",
        &repository,
        "--branch",
        "main",
        "--path",
        "my_table",
        "--from-client-type",
        "glue",
        "--from-schema",
        "lake",
        "--from-table",
        "my_table",
        "--to-schema",
        "lake",
        "--to-table",
        "copied",
    ];
    world.restitch(&copy);
    let query = "SELECT id, year, month FROM glue.lake.copied";
    let mut seen = Seen::default();
    let rows =
        |all: &[(i64, i64, i64)]| all.iter().map(|(id, year, month)| json!([id, year, month])).collect::<Vec<_>>();
    let first = [(1, 2020, 12), (2, 2020, 12), (3, 2021, 1), (4, 2021, 2)];
    seen.expect("lakeFS: what is committed", world.query(query).await, rows(&first));
    seen.expect(
        "lakeFS: one partition",
        world.query(&format!("{query} WHERE year = 2021 AND month = 1")).await,
        rows(&[(3, 2021, 1)]),
    );
    commit().await;
    seen.expect("lakeFS: a commit alone changes nothing", world.query(query).await, rows(&first));
    world.restitch(&copy);
    let second = [&first[..], &[(5, 2021, 3)]].concat();
    seen.expect("lakeFS: copied again", world.query(query).await, rows(&second));
    seen.print();
}

/// What was seen of each case.
#[derive(Default)]
struct Seen(Vec<(String, String)>);

impl Seen {
    /// The same rows in any order, each once.
    fn expect(&mut self, case: &str, rows: Result<Vec<Value>, String>, mut expected: Vec<Value>) {
        let mut rows = rows.unwrap_or_else(|error| panic!("{case}: {error}"));
        let order = |row: &Value| row.to_string();
        rows.sort_by_key(order);
        expected.sort_by_key(order);
        assert_eq!(rows, expected, "{case}");
        self.0.push((case.to_owned(), format!("{} rows, each once", rows.len())));
    }

    fn print(&self) {
        for (case, outcome) in &self.0 {
            println!("trino  {case:44} {outcome}");
        }
    }
}

/// moto, Trino, and the folder with the rule file.
struct World {
    s3: Client,
    http: reqwest::Client,
    trino: String,
    folder: tempfile::TempDir,
}

impl World {
    async fn new(rules: &str, buckets: &[&str]) -> World {
        let setting = |name: &str| std::env::var(name).expect("run as this file says");
        let key = Credentials::new(setting("AWS_ACCESS_KEY_ID"), setting("AWS_SECRET_ACCESS_KEY"), None, None, "test");
        let config = aws_sdk_s3::Config::builder()
            .behavior_version_latest()
            .endpoint_url(setting("AWS_ENDPOINT_URL"))
            .region(Region::new("us-east-1"))
            .credentials_provider(key)
            .force_path_style(true)
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        let s3 = Client::from_conf(config.build());
        for bucket in buckets {
            s3.create_bucket().bucket(*bucket).send().await.expect("the bucket is made");
        }
        // The HTTP client brings no cryptography of its own; none is needed here.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let world = World {
            s3,
            http: reqwest::Client::new(),
            trino: setting("TRINO_URL"),
            folder: tempfile::tempdir().expect("a folder"),
        };
        world.rules(rules);
        world
    }

    fn rules(&self, rules: &str) {
        std::fs::write(self.folder.path().join("restitch.toml"), rules).expect("the rule file is written");
    }

    async fn put(&self, bucket: &str, key: &str, body: Vec<u8>) {
        self.s3.put_object().bucket(bucket).key(key).body(body.into()).send().await.expect("the object is written");
    }

    /// LISTs of the buckets `trino-lists…` that the S3 server has answered so far: other tests run beside this one.
    fn lists() -> usize {
        let log = std::env::var("RESTITCH_S3_LOG").expect("run as this file says");
        std::fs::read_to_string(log)
            .expect("the log")
            .lines()
            .filter(|line| line.contains("bucketName: trino-lists") && line.contains("page:"))
            .count()
    }

    async fn delete(&self, bucket: &str, key: &str) {
        self.s3.delete_object().bucket(bucket).key(key).send().await.expect("the object is deleted");
    }

    /// Runs the binary beside the rule file; how it ended and what it printed.
    fn run(&self, args: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_restitch")).args(args).current_dir(self.folder.path()).output();
        let output = output.expect("restitch runs");
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("UTF-8"));
        (output.status.code(), said.concat())
    }

    /// The same, which must go well.
    fn restitch(&self, args: &[&str]) -> String {
        let (code, said) = self.run(args);
        assert_eq!(code, Some(0), "restitch {args:?}:\n{said}");
        said
    }

    /// Asks lakeFS for something, which must go well.
    async fn lakefs(&self, path: &str, body: String) {
        let setting = |name: &str| std::env::var(name).expect("run as this file says");
        let endpoint = setting("LAKECTL_SERVER_ENDPOINT_URL");
        let url = format!("{}/api/v1{path}", endpoint.trim_end_matches('/').trim_end_matches("/api/v1"));
        let kind = if path.contains("/objects?") { "octet-stream" } else { "json" };
        let request = self.http.post(url).header("Content-Type", format!("application/{kind}")).body(body);
        let key = setting("LAKECTL_CREDENTIALS_ACCESS_KEY_ID");
        let answer = request.basic_auth(key, Some(setting("LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY"))).send().await;
        let answer = answer.expect("lakeFS answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
    }

    /// `lake.my_table` in Glue, a table that reads lakeFS through its gateway: what is to be copied.
    async fn plain_table(&self, repository: &str) {
        use aws_sdk_glue::types::{Column, DatabaseInput, SerDeInfo, StorageDescriptor, TableInput};
        let setting = |name: &str| std::env::var(name).expect("run as this file says");
        let key = Credentials::new(setting("AWS_ACCESS_KEY_ID"), setting("AWS_SECRET_ACCESS_KEY"), None, None, "test");
        let config = aws_sdk_glue::Config::builder()
            .behavior_version_latest()
            .endpoint_url(setting("AWS_ENDPOINT_URL_GLUE"))
            .region(Region::new("us-east-1"))
            .credentials_provider(key)
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        let glue = aws_sdk_glue::Client::from_conf(config.build());
        let column = |name: &str, kind: &str| Column::builder().name(name).r#type(kind).build().expect("it has a name");
        let serde = SerDeInfo::builder()
            .serialization_library("org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe")
            .parameters("field.delim", ",")
            .build();
        let storage = StorageDescriptor::builder()
            .columns(column("id", "bigint"))
            .columns(column("item", "string"))
            .location(format!("s3a://{repository}/main/my_table"))
            .input_format("org.apache.hadoop.mapred.TextInputFormat")
            .output_format("org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat")
            .serde_info(serde)
            .build();
        let table = TableInput::builder()
            .name("my_table")
            .table_type("EXTERNAL_TABLE")
            .partition_keys(column("year", "int"))
            .partition_keys(column("month", "int"))
            .storage_descriptor(storage)
            .build();
        let database = DatabaseInput::builder().name("lake").build().expect("it has a name");
        glue.create_database().database_input(database).send().await.expect("the database is made");
        let table = table.expect("it has a name");
        glue.create_table().database_name("lake").table_input(table).send().await.expect("the table is made");
    }

    /// The rows of one statement, or `ERROR_NAME: message`.
    async fn query(&self, sql: &str) -> Result<Vec<Value>, String> {
        let with = |request: reqwest::RequestBuilder| {
            request
                .header("X-Trino-User", "restitch")
                .header("X-Trino-Catalog", "glue")
                .header("X-Trino-Schema", "shop")
        };
        let mut rows = Vec::new();
        let mut request = with(self.http.post(format!("{}/v1/statement", self.trino)).body(sql.to_owned()));
        loop {
            let text = request.send().await.expect("Trino answers").text().await.expect("text");
            let page: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            if let Some(error) = page.get("error") {
                return Err(format!("{}: {}", error["errorName"].as_str().unwrap_or(""), error["message"]));
            }
            rows.extend(page["data"].as_array().cloned().unwrap_or_default());
            match page["nextUri"].as_str() {
                Some(next) => request = with(self.http.get(next)),
                None => return Ok(rows),
            }
        }
    }
}
