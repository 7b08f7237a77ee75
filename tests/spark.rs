//! A real engine reads what restitch wrote: objects on a real S3 server, `restitch apply`, the buckets mirrored to
//! folders, the DDL that `restitch ddl` printed run unedited in Spark, then queries.
//!
//! Asked for by name, for it needs both: `tests/engines/s3 minio cargo test --test spark -- --ignored ddl_`, and with a
//! Hive metastore in front, `tests/engines/hms tests/engines/s3 minio cargo test --test spark -- --ignored metastore_`.
#![cfg(all(feature = "cli", feature = "s3"))]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Credentials, Region};
use serde_json::Value;

/// Where objects are, where older ones are, and where the tables go.
const BUCKETS: [&str; 3] = ["spark-sales", "spark-archive", "spark-tables"];

const RULES: &str = r#"
[defaults]
location = 's3://spark-tables/{table}/'
engine   = "spark"
format   = "csv"

[table.sales]
columns        = ["id bigint", "item string"]
partitioned_by = ["region string"]

[[table.sales.rule]]
match = 's3://spark-sales/data/{region}/sales*.csv'

[[table.sales.rule]]
match = 's3://spark-archive/old-sales/**/*.csv'
set   = { region = "archive" }

[[table.sales.rule]]
match = 's3://spark-archive/odd/*.csv'
set   = { region = "x') LOCATION 's3://evil/" }

[table.sales_all]
columns = ["id bigint", "item string"]

[[table.sales_all.rule]]
match = 's3://spark-sales/data/*/sales*.csv'

[[table.sales_all.rule]]
match = 's3://spark-archive/{old-sales/**/,odd/}*.csv'

[[listing]]
path_style = true
"#;

/// Bucket, key and body of what is there at first. Folder names hold what SQL, paths and URLs would trip over.
const FIRST: [(&str, &str, &str); 10] = [
    ("spark-sales", "data/north america/sales1.csv", "1,kite\n2,drum\n"),
    ("spark-sales", "data/north america/sales 2.csv", "3,lamp\n"),
    ("spark-sales", "data/o'hare/sales1.csv", "4,atlas\n"),
    ("spark-sales", "data/50%/sales1.csv", "5,chalk\n"),
    ("spark-sales", "data/a=b/sales=1%20.csv", "6,rope\n"),
    ("spark-sales", "data/münchen/sales-süd.csv", "7,harp\n"),
    ("spark-sales", "data/gone/sales1.csv", "8,vase\n"),
    ("spark-sales", "data/north america/stock.csv", "99,never read\n"),
    ("spark-archive", "old-sales/2019/q1/x.csv", "9,globe\n10,quill\n"),
    ("spark-archive", "odd/x.csv", "13,bell\n"),
];

type Rows = BTreeSet<(Option<String>, i64)>;

#[tokio::test]
#[ignore = "needs a real S3 server and Spark"]
async fn ddl_makes_tables_whose_rows_follow_the_objects() {
    let world = World::new(RULES).await;
    for (bucket, key, body) in FIRST {
        world.put(bucket, key, body).await;
    }
    world.restitch(&["apply", "--yes"]);
    let sales = |region: &str, ids: &[i64]| ids.iter().map(|id| (Some(region.to_owned()), *id)).collect::<Rows>();
    let mut expected: Rows = [
        sales("north america", &[1, 2, 3]),
        sales("o'hare", &[4]),
        sales("50%", &[5]),
        sales("a=b", &[6]),
        sales("münchen", &[7]),
        sales("gone", &[8]),
        sales("archive", &[9, 10]),
        sales("x') LOCATION 's3://evil/", &[13]),
    ]
    .into_iter()
    .flatten()
    .collect();
    world.mirror().await;
    assert_eq!(world.query_all(), both(&expected), "first publication");

    // Files arrive in an old and in a new partition, one file goes, and a whole partition empties.
    world.put("spark-sales", "data/o'hare/sales2.csv", "11,fife\n").await;
    world.put("spark-sales", "data/日本/sales1.csv", "12,fan\n").await;
    world.delete("spark-sales", "data/north america/sales 2.csv").await;
    world.delete("spark-sales", "data/gone/sales1.csv").await;
    expected.extend(sales("o'hare", &[11]));
    expected.extend(sales("日本", &[12]));
    expected.retain(|(_, id)| ![3, 8].contains(id));
    world.restitch(&["plan", "--out", "plan.bin"]);
    world.restitch(&["apply", "plan.bin", "--yes"]);
    world.mirror().await;
    assert_eq!(world.query_all(), both(&expected), "after files came and went");

    // The emptied partition is still there and reads as nothing.
    let answers = world.spark(&["SHOW PARTITIONS sales", "SELECT count(*) FROM sales WHERE region = 'gone'"]);
    assert!(rows(&answers[0]).contains(&serde_json::json!(["region=gone"])), "{answers:?}");
    assert_eq!(rows(&answers[1]), &[serde_json::json!([0])]);

    // Pruning: with one partition's object gone behind restitch's back, a query of another one still runs.
    world.lose("spark-sales", "data/o'hare/sales1.csv");
    let answers = world.spark(&["SELECT id FROM sales WHERE region = 'münchen'", "SELECT id FROM sales"]);
    assert_eq!(rows(&answers[0]), &[serde_json::json!([7])]);
    assert!(answers[1].get("error").is_some(), "a query of every partition should have met the lost object");

    // Nothing changed since: nothing to do.
    let output = world.restitch(&["plan", "--detailed-exitcode"]);
    assert!(output.contains("no change"), "{output}");
}

/// No DDL is run: what Spark finds, `restitch apply` has registered.
#[tokio::test]
#[ignore = "needs a real S3 server, a Hive metastore and Spark"]
async fn metastore_tables_have_rows_that_follow_the_objects() {
    let uri = std::env::var("RESTITCH_HMS_URI").expect("tests/engines/hms sets it");
    let rules = format!("[catalog]\ntype = \"hive\"\nuri = \"{uri}\"\ndatabase = \"shop\"\n{RULES}");
    let world = World::new(&rules).await;
    for (bucket, key, body) in FIRST {
        world.put(bucket, key, body).await;
    }
    let refused = world.refused(&["apply", "--yes"]);
    assert!(refused.contains("--create-database"), "{refused}");
    world.restitch(&["apply", "--yes", "--create-database"]);
    let mut expected: Rows =
        [("north america", 1), ("north america", 2), ("north america", 3), ("o'hare", 4), ("50%", 5)]
            .into_iter()
            .chain([("a=b", 6), ("münchen", 7), ("gone", 8), ("archive", 9), ("archive", 10)])
            .chain([("x') LOCATION 's3://evil/", 13)])
            .map(|(region, id)| (Some(region.to_owned()), id))
            .collect();
    world.mirror().await;
    assert_eq!(world.query_registered(), both(&expected), "first publication");
    assert!(world.restitch(&["plan", "--full"]).contains("no change"), "a full comparison after the first apply");

    // A refresh: a new file, a new partition, an emptied one.
    world.put("spark-sales", "data/o'hare/sales2.csv", "11,fife\n").await;
    world.put("spark-sales", "data/日本/sales1.csv", "12,fan\n").await;
    world.delete("spark-sales", "data/gone/sales1.csv").await;
    expected.extend([("o'hare", 11), ("日本", 12)].map(|(region, id)| (Some(region.to_owned()), id)));
    expected.retain(|(_, id)| *id != 8);
    world.restitch(&["apply", "--yes"]);
    world.mirror().await;
    assert_eq!(world.query_registered(), both(&expected), "after files came and went");

    // Somebody moves a partition and writes a note on the table: the one is mended, the other stays.
    let drift = [
        "ALTER TABLE shop.sales PARTITION (region = 'münchen') SET LOCATION 's3://spark-tables/elsewhere/'",
        "ALTER TABLE shop.sales SET TBLPROPERTIES ('note' = 'mind the gap')",
    ];
    let answers = world.spark(&drift);
    assert!(answers.iter().all(|answer| answer.get("error").is_none()), "{answers:?}");
    let plan = world.restitch(&["plan", "--full"]);
    assert!(plan.contains("s3://spark-tables/elsewhere/"), "{plan}");
    world.restitch(&["apply", "--yes", "--full"]);
    assert_eq!(world.query_registered(), both(&expected), "after drift was mended");
    let noted = world.spark(&["SHOW TBLPROPERTIES shop.sales ('note')"]);
    assert_eq!(rows(&noted[0]), &[serde_json::json!(["note", "mind the gap"])]);

    // Bytes are read otherwise: the unpartitioned table goes to a directory of its own by one change of the table.
    let form = "[table.sales_all]\nformat = { type = \"csv\", null = \"nothing\" }";
    let other = rules.replace("[table.sales_all]", form);
    assert_ne!(other, rules);
    std::fs::write(world.folder.path().join("restitch.toml"), other).expect("the rule file is written");
    world.restitch(&["apply", "--yes"]);
    world.mirror().await;
    assert_eq!(world.query_registered(), both(&expected), "after the switch");
    let located = world.spark(&["DESCRIBE FORMATTED shop.sales_all"]);
    let location = rows(&located[0]).iter().find(|row| row[0] == "Location").expect("a location");
    assert!(location[1].as_str().unwrap().contains("/sales_all--"), "{location}");
    assert!(world.restitch(&["plan", "--full"]).contains("no change"), "a full comparison after all");
}

/// What both tables must hold: the partitioned one with its regions, the other without.
fn both(expected: &Rows) -> (Rows, Rows) {
    (expected.clone(), expected.iter().map(|(_, id)| (None, *id)).collect())
}

fn rows(answer: &Value) -> &[Value] {
    answer["rows"].as_array().unwrap_or_else(|| panic!("no rows: {answer}"))
}

/// The S3 server, the folder with the rule file, and the folder that mirrors the buckets for Spark.
struct World {
    client: Client,
    folder: tempfile::TempDir,
}

impl World {
    /// # Panics
    /// Without `AWS_ENDPOINT_URL`, which `tests/engines/s3` sets.
    async fn new(rules: &str) -> World {
        let setting = |name: &str| {
            std::env::var(name).expect("run as `tests/engines/s3 minio cargo test --test spark -- --ignored`")
        };
        let key = Credentials::new(setting("AWS_ACCESS_KEY_ID"), setting("AWS_SECRET_ACCESS_KEY"), None, None, "test");
        let config = aws_sdk_s3::Config::builder()
            .behavior_version_latest()
            .endpoint_url(setting("AWS_ENDPOINT_URL"))
            .region(Region::new("us-east-1"))
            .credentials_provider(key)
            .force_path_style(true)
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        let client = Client::from_conf(config.build());
        for bucket in BUCKETS {
            client.create_bucket().bucket(bucket).send().await.expect("the bucket is made");
        }
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("restitch.toml"), rules).expect("the rule file is written");
        World { client, folder }
    }

    async fn put(&self, bucket: &str, key: &str, body: &'static str) {
        let body = aws_sdk_s3::primitives::ByteStream::from_static(body.as_bytes());
        self.client.put_object().bucket(bucket).key(key).body(body).send().await.expect("the object is written");
    }

    async fn delete(&self, bucket: &str, key: &str) {
        self.client.delete_object().bucket(bucket).key(key).send().await.expect("the object is deleted");
    }

    /// Runs the binary beside the rule file; what it printed on standard output.
    fn restitch(&self, args: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_restitch")).args(args).current_dir(self.folder.path()).output();
        let output = output.expect("restitch runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "restitch {args:?}: {}\n{text}\n{said}", output.status);
        text
    }

    /// The same of a run that must fail; what it printed as its error.
    fn refused(&self, args: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_restitch")).args(args).current_dir(self.folder.path()).output();
        let output = output.expect("restitch runs");
        assert!(!output.status.success(), "restitch {args:?} was to fail");
        String::from_utf8(output.stderr).expect("UTF-8")
    }

    fn mirrored(&self) -> PathBuf {
        self.folder.path().join("buckets")
    }

    /// Makes the folders hold exactly what the buckets hold.
    async fn mirror(&self) {
        for bucket in BUCKETS {
            let folder = self.mirrored().join(bucket);
            if folder.exists() {
                std::fs::remove_dir_all(&folder).expect("the old mirror goes");
            }
            std::fs::create_dir_all(&folder).expect("a folder for the bucket");
            let listed = self.client.list_objects_v2().bucket(bucket).send().await.expect("the bucket is listed");
            for object in listed.contents() {
                let key = object.key().expect("an object has a key");
                let got = self.client.get_object().bucket(bucket).key(key).send().await.expect("the object is read");
                let body = got.body.collect().await.expect("its body is read").into_bytes();
                let path = folder.join(key);
                std::fs::create_dir_all(path.parent().expect("below the bucket")).expect("its folder");
                std::fs::write(path, body).expect("the object is mirrored");
            }
        }
    }

    fn lose(&self, bucket: &str, key: &str) {
        std::fs::remove_file(self.mirrored().join(bucket).join(key)).expect("it was there");
    }

    /// Runs what `restitch ddl` prints, twice, and gives the rows of both tables.
    fn query_all(&self) -> (Rows, Rows) {
        let ddl = self.restitch(&["ddl"]);
        let path = self.folder.path().join("ddl.sql");
        std::fs::write(&path, ddl).expect("the DDL is written");
        let queries = self.folder.path().join("queries.sql");
        std::fs::write(&queries, "SELECT region, id FROM sales;\nSELECT NULL, id FROM sales_all;\n").expect("written");
        let answers = self.run_spark(&[&path, &path, &queries]);
        let failed: Vec<&Value> = answers.iter().filter(|answer| answer.get("error").is_some()).collect();
        assert!(failed.is_empty(), "{failed:#?}");
        let [.., sales, all] = answers.as_slice() else { panic!("too few answers: {answers:?}") };
        (read_rows(sales), read_rows(all))
    }

    /// The rows of both tables as the metastore has them.
    fn query_registered(&self) -> (Rows, Rows) {
        let answers = self.spark(&["SELECT region, id FROM shop.sales", "SELECT NULL, id FROM shop.sales_all"]);
        (read_rows(&answers[0]), read_rows(&answers[1]))
    }

    fn spark(&self, statements: &[&str]) -> Vec<Value> {
        let path = self.folder.path().join("statements.sql");
        let text: String = statements.iter().map(|statement| format!("{statement};\n")).collect();
        std::fs::write(&path, text).expect("the statements are written");
        self.run_spark(&[&path])
    }

    fn run_spark(&self, files: &[&Path]) -> Vec<Value> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engines/spark");
        let output = Command::new(script).arg(self.mirrored()).args(files).output().expect("Spark runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(!text.is_empty(), "Spark said nothing: {}", String::from_utf8_lossy(&output.stderr));
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }
}

/// `[region, id]` rows as a set; a row that comes twice is a failure.
fn read_rows(answer: &Value) -> Rows {
    let rows = rows(answer);
    let read = |row: &Value| (row[0].as_str().map(str::to_owned), row[1].as_i64().expect("an id"));
    let set: Rows = rows.iter().map(read).collect();
    assert_eq!(set.len(), rows.len(), "a row came twice: {rows:?}");
    set
}
