//! `restitch create-symlink` as people who had `lakectl metastore create-symlink` run it: the real binary over lakeFS, S3,
//! Glue and a Hive metastore, all in process and strict. One test for each of lakectl's defects.
#![cfg(all(feature = "cli", feature = "lakefs", feature = "s3", feature = "glue", feature = "hive"))]

mod glue_server;
mod hive_server;
mod lakefs_server;
mod loopback;
mod ran;
mod s3_server;

use restitch::catalog::Catalog;
use restitch::plan::catalog::{CatalogColumn, Storage, TableDefinition};
use serde_json::{Value, json};
use tempfile::TempDir;

use ran::Ran;

const SYMLINK: &str = "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat";
const PARQUET_SERDE: &str = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe";

/// The page's command, of lakeFS's own documentation.
const COMMAND: &str = "create-symlink --repo example --branch main --path my_table --from-client-type hive \
                       --from-schema default --from-table my_table --to-schema default --to-table my_table";

struct Lake {
    lakefs: lakefs_server::Server,
    s3: s3_server::Server,
    glue: glue_server::Server,
    /// `LAKECTL_METASTORE_HIVE_URI`, where there is one.
    metastore: Option<String>,
    folder: TempDir,
}

impl Lake {
    /// Nothing but servers, with the repository `example` in `s3://lake/ns` and a Glue database `default`.
    fn open() -> Lake {
        let (lakefs, s3, glue) =
            (lakefs_server::Server::start(), s3_server::Server::start(), glue_server::Server::start());
        lakefs.repository("example", "s3://lake/ns");
        s3.bucket("lake", "us-east-1");
        glue.database("default");
        Lake { lakefs, s3, glue, metastore: None, folder: tempfile::tempdir().unwrap() }
    }

    /// With a table of Glue to be copied, `source.my_table`, of these partition keys.
    fn with_source(keys: &[(&str, &str)]) -> Lake {
        let lake = Lake::open();
        lake.glue.database("source");
        let keys: Vec<Value> = keys.iter().map(|(name, kind)| json!({"Name": name, "Type": kind})).collect();
        lake.glue.edit("source", "my_table", |table| {
            *table = json!({
                "Name": "my_table",
                "TableType": "EXTERNAL_TABLE",
                "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet", "numRows": "7"},
                "PartitionKeys": keys,
                "StorageDescriptor": {
                    "Columns": [{"Name": "id", "Type": "bigint", "Comment": "the id"}],
                    "Location": "s3://elsewhere/my_table",
                    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                    "SerdeInfo": {"SerializationLibrary": PARQUET_SERDE, "Parameters": {"serialization.format": "1"}}
                }
            });
        });
        lake
    }

    /// By year and month, with three objects committed.
    fn by_month() -> Lake {
        let lake = Lake::with_source(&[("year", "int"), ("month", "int")]);
        for directory in ["year=2020/month=12", "year=2021/month=1", "year=2021/month=2"] {
            lake.put(&format!("my_table/{directory}/part-0.parquet"));
        }
        lake.commit();
        lake
    }

    /// `create-symlink` from Glue's `source.my_table`, of a path of a branch.
    fn link(&self, branch: &str, path: &str, more: &str) -> Ran {
        self.run(&format!(
            "create-symlink --repo example --branch {branch} --path {path} --from-client-type glue --from-schema source \
             --from-table my_table --to-schema default {more}"
        ))
    }

    /// The source without partition keys.
    fn without_keys(&self) {
        self.glue.edit("source", "my_table", |table| table["PartitionKeys"] = json!([]));
    }

    fn put(&self, path: &str) -> String {
        self.lakefs.put("example", "main", path, "rows")
    }

    fn commit(&self) {
        self.lakefs.commit("example", "main");
    }

    fn run(&self, args: &str) -> Ran {
        let home = self.folder.path();
        let mut environment = self.glue.environment();
        environment.extend(self.s3.environment().into_iter().chain(self.lakefs.environment()));
        environment.push(("HOME", home.to_str().unwrap().to_owned()));
        environment.push(("LAKECTL_METASTORE_GLUE_REGION", glue_server::REGION.to_owned()));
        environment.extend(self.metastore.clone().map(|uri| ("LAKECTL_METASTORE_HIVE_URI", uri)));
        Ran::of(args, home, environment, &[s3_server::SECRET_KEY, lakefs_server::SECRET_KEY])
    }

    /// `create-symlink` of the table in Glue, with more flags.
    fn create(&self, more: &str) -> Ran {
        self.link("main", "my_table", more)
    }

    /// Each manifest below the place of `my_table`, by its directory.
    fn manifests(&self) -> Vec<(String, String)> {
        let of_table = |key: String| {
            let directory = key.strip_prefix("ns/symlinks/example/main/my_table/")?.strip_suffix("symlink.txt")?;
            let body = self.s3.body("lake", &key).expect("it is listed");
            Some((directory.to_owned(), String::from_utf8(body.to_vec()).unwrap()))
        };
        self.s3.keys("lake").into_iter().filter_map(of_table).collect()
    }

    fn directories(&self) -> Vec<String> {
        self.manifests().into_iter().map(|(directory, _)| directory).collect()
    }

    /// The registered partitions of `default.my_table`, as values.
    fn partitions(&self) -> Vec<Value> {
        self.glue.partitions("default", "my_table").iter().map(|one| one["Values"].clone()).collect()
    }

    /// As lakectl left it: a manifest of this body, without a marker.
    fn old_manifest(&self, directory: &str, body: &str) {
        self.s3.insert("lake", &format!("ns/symlinks/example/main/my_table/{directory}symlink.txt"), body.to_owned());
    }

    /// `plan` with the printed rules finds nothing to do.
    #[track_caller]
    fn settles(&self, rules: &Ran) {
        std::fs::write(self.folder.path().join("restitch.toml"), &rules.stdout).unwrap();
        self.run("check").says(0, &[]);
        self.run("plan --detailed-exitcode").says(0, &["no change"]);
        self.run("plan --full --detailed-exitcode").says(0, &["no change"]);
        self.run("verify").says(0, &[]);
    }
}

/// The table of the page in a Hive metastore.
async fn hive_source(server: &hive_server::Server) {
    let metastore = hive_server::subject::Metastore::at(server.address);
    let hive = metastore.open("default");
    hive.create_database().await.unwrap();
    let column = |name: &str, kind: &str| CatalogColumn { name: name.into(), hive_type: kind.into(), comment: None };
    let storage = Storage {
        location: "s3a://example/main/my_table".into(),
        input_format: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat".into(),
        output_format: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat".into(),
        serde: PARQUET_SERDE.into(),
        serde_parameters: [("serialization.format".to_owned(), "1".to_owned())].into(),
    };
    let table = TableDefinition {
        columns: vec![column("id", "bigint")],
        partition_keys: vec![column("year", "int"), column("month", "int")],
        storage,
        ..TableDefinition::default()
    };
    hive.create_table("my_table", &table).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_lakefs_word_for_word() {
    let hive = hive_server::Server::start(hive_server::Generation::Three).await;
    hive_source(&hive).await;
    let mut lake = Lake::open();
    lake.metastore = Some(hive.address.to_string());
    let paths = ["year=2020/month=12/", "year=2021/month=1/", "year=2021/month=2/"];
    let addresses = paths.map(|directory| lake.put(&format!("my_table/{directory}part-0.parquet")));
    lake.commit();

    lake.run(COMMAND).says(0, &["✓ 3 manifests written", "✓ 1 table and 3 partitions registered in Glue"]);

    let expected: Vec<_> = paths.iter().zip(&addresses).map(|(at, to)| ((*at).to_owned(), format!("{to}\n"))).collect();
    assert_eq!(lake.manifests(), expected);
    let table = lake.glue.table("default", "my_table").unwrap();
    let storage = &table["StorageDescriptor"];
    assert_eq!(
        (&storage["InputFormat"], &storage["SerdeInfo"]["SerializationLibrary"]),
        (&json!(SYMLINK), &json!(PARQUET_SERDE))
    );
    assert_eq!(storage["SerdeInfo"]["Parameters"]["serialization.format"], "1");
    assert_eq!(storage["Location"], "s3://lake/ns/symlinks/example/main/my_table/");
    assert_eq!(storage["Columns"][0]["Name"], "id");
    assert_eq!(
        (&table["PartitionKeys"][0]["Name"], &table["PartitionKeys"][1]["Type"]),
        (&json!("year"), &json!("int"))
    );
    let partitions = lake.glue.partitions("default", "my_table");
    for (partition, directory) in
        partitions.iter().zip(["year=2020/month=12", "year=2021/month=1", "year=2021/month=2"])
    {
        let storage = &partition["StorageDescriptor"];
        assert_eq!(storage["InputFormat"], SYMLINK);
        let location = storage["Location"].as_str().unwrap().trim_end_matches('/');
        assert_eq!(location, format!("s3://lake/ns/symlinks/example/main/my_table/{directory}"));
    }
    assert_eq!(partitions.len(), 3);

    lake.run(COMMAND).says(0, &["no change"]);
    let rules = lake.run(&format!("{COMMAND} --print-rules"));
    lake.settles(&rules);
}

#[test]
fn what_is_printed_is_what_is_done() {
    let lake = Lake::by_month();
    lake.create("--dry-run").says(0, &["my_table", "new", "+ table my_table", "+ 3 partitions registered"]);
    assert!(lake.s3.keys("lake").is_empty() && lake.glue.table("default", "my_table").is_none());
    let rules = lake.create("--print-rules").says(0, &["like", "'glue:source.my_table'", "location", "match"]);
    assert!(lake.s3.keys("lake").is_empty());
    lake.create("").says(0, &["✓ 3 manifests"]);
    lake.settles(&rules);
    // And on from there.
    lake.put("my_table/year=2021/month=3/part-0.parquet");
    lake.commit();
    lake.run("apply --yes").says(0, &["✓ 1 manifest written", "✓ 1 partition registered"]);
    lake.create("").says(0, &["no change"]);
}

#[test]
fn manifests_hold_the_objects_of_their_own_directory() {
    let lake = Lake::by_month();
    let more = lake.put("my_table/year=2021/month=1/part-1.parquet");
    lake.commit();
    lake.create("").says(0, &[]);
    let lines: Vec<usize> = lake.manifests().iter().map(|(_, body)| body.lines().count()).collect();
    assert_eq!(lines, [1, 2, 1]);
    assert!(lake.manifests()[1].1.contains(&more));
}

#[test]
fn a_path_without_objects_writes_nothing_and_says_so() {
    let lake = Lake::with_source(&[("year", "int")]);
    lake.put("my_table/notes.txt");
    lake.commit();
    let says = ["nothing that is committed in lakefs://example/main/my_table/", "year=…/", "--allow-empty"];
    for flags in ["", "--dry-run"] {
        let ran = lake.create(flags).says(1, &says).without("plan:");
        assert!(ran.stdout.trim_start().starts_with("unmatched"), "{}", ran.stdout);
    }
    assert!(lake.s3.keys("lake").is_empty() && lake.glue.table("default", "my_table").is_none());
    lake.create("--allow-empty").says(0, &["✓ 1 table registered"]);
}

#[test]
fn a_neighbour_whose_name_goes_on_is_not_taken() {
    let lake = Lake::by_month();
    lake.put("my_table2/year=2021/month=1/part-0.parquet");
    lake.put("my_table_old/year=1999/month=1/part-0.parquet");
    lake.commit();
    lake.create("").says(0, &[]);
    assert_eq!(lake.manifests().iter().map(|(_, body)| body.lines().count()).sum::<usize>(), 3);
}

#[test]
fn directories_that_the_listing_splits_are_one_manifest() {
    // `a=1-x/` lists between what lies above and in `a=1/`.
    let lake = Lake::with_source(&[("a", "string")]);
    for path in ["a=1/x/deep.parquet", "a=1/z.parquet", "a=1-x/y.parquet", "a=1/a.parquet"] {
        lake.put(&format!("my_table/{path}"));
    }
    lake.commit();
    lake.create("").says(0, &[]);
    let lines: Vec<_> = lake.manifests().iter().map(|(at, body)| (at.clone(), body.lines().count())).collect();
    assert_eq!(lines, [("a=1-x/".to_owned(), 1), ("a=1/".to_owned(), 3)]);
}

#[test]
fn what_holds_no_rows_is_not_listed() {
    let lake = Lake::by_month();
    for path in
        ["_SUCCESS", "year=2021/month=1/_SUCCESS", "year=2021/month=1/.part-0.parquet.crc", "year=2022/month=1/_x"]
    {
        lake.put(&format!("my_table/{path}"));
    }
    lake.lakefs.put("example", "main", "my_table/year=2023/month=1/", "");
    lake.lakefs.put("example", "main", "my_table/year=2023/month=2/part-0.parquet", "");
    lake.commit();
    lake.create("").says(0, &["left out", "✓ 3 manifests"]);
    assert!(lake.manifests().iter().all(|(_, body)| body.lines().count() == 1));
}

#[test]
fn what_is_gone_is_emptied() {
    let lake = Lake::by_month();
    // More than a brake would let go: lakectl had none, and a commit's listing is whole.
    for number in 1..=30 {
        lake.put(&format!("my_table/year=2021/month=2/part-{number}.parquet"));
    }
    lake.commit();
    lake.create("").says(0, &[]);
    lake.lakefs.remove("example", "main", "my_table/year=2020/month=12/part-0.parquet");
    for number in 0..=30 {
        lake.lakefs.remove("example", "main", &format!("my_table/year=2021/month=2/part-{number}.parquet"));
    }
    lake.commit();
    let rules = lake.create("--print-rules");
    std::fs::write(lake.folder.path().join("restitch.toml"), &rules.stdout).unwrap();
    lake.run("plan").says(0, &["emptied", "2 to empty"]);
    lake.create("").says(0, &["emptied", "✓ 2 manifests"]);
    let bytes: Vec<bool> = lake.manifests().iter().map(|(_, body)| body.is_empty()).collect();
    assert_eq!(bytes, [true, false, true]);
}

#[test]
fn a_path_that_has_become_empty_is_a_brake() {
    let lake = Lake::by_month();
    lake.create("").says(0, &[]);
    for directory in ["year=2020/month=12", "year=2021/month=1", "year=2021/month=2"] {
        lake.lakefs.remove("example", "main", &format!("my_table/{directory}/part-0.parquet"));
    }
    lake.commit();
    lake.create("").says(3, &["matched nothing, while the table is published", "--allow-empty=my_table:1"]);
    assert!(lake.manifests().iter().all(|(_, body)| !body.is_empty()));
    lake.create("--allow-empty=other:9").says(1, &["`other:9` is no rule of this table", "--allow-empty=my_table:1"]);
    lake.create("--allow-empty=my_table:1").says(0, &["✓ 3 manifests"]);
    assert!(lake.manifests().iter().all(|(_, body)| body.is_empty()));
}

#[test]
fn lines_that_move_between_partitions_move() {
    let lake = Lake::with_source(&[("a", "string")]);
    lake.lakefs.import("example", "main", "my_table/a=1/x.parquet", "s3://raw/x.parquet");
    lake.lakefs.import("example", "main", "my_table/a=2/y.parquet", "s3://raw/y.parquet");
    lake.commit();
    lake.create("").says(0, &[]);
    lake.lakefs.remove("example", "main", "my_table/a=1/x.parquet");
    lake.lakefs.import("example", "main", "my_table/a=2/x.parquet", "s3://raw/x.parquet");
    lake.commit();
    lake.create("").says(0, &["✓"]);
    let expected = [("a=1/", ""), ("a=2/", "s3://raw/x.parquet\ns3://raw/y.parquet\n")];
    assert_eq!(lake.manifests(), expected.map(|(at, body)| (at.to_owned(), body.to_owned())));
}

#[test]
fn only_what_is_committed_is_there() {
    let lake = Lake::by_month();
    lake.put("my_table/year=2021/month=3/part-0.parquet");
    lake.create("").says(0, &["✓ 3 manifests"]);
    lake.commit();
    lake.create("").says(0, &["✓ 1 manifest written"]);
    assert_eq!(lake.directories().len(), 4);
}

#[test]
fn more_partitions_than_a_batch_holds_and_each_refusal_is_said() {
    let lake = Lake::with_source(&[("n", "int")]);
    for number in 0..250 {
        lake.put(&format!("my_table/n={number}/part-0.parquet"));
    }
    lake.commit();
    lake.glue.script(|call| {
        let strikes = call.action == "BatchCreatePartition";
        strikes.then(|| glue_server::Fault::Items(vec![1], "InvalidInputException"))
    });
    lake.create("").says(1, &["3 partitions of `my_table` could not be registered"]);
    lake.glue.clear_script();
    lake.create("").says(0, &["✓ 3 partitions registered"]);
    assert_eq!(lake.partitions().len(), 250);
}

#[test]
fn partitions_come_from_the_listing_unescaped_and_what_has_no_directory_is_counted() {
    let lake = Lake::with_source(&[("year", "int"), ("city", "string")]);
    for path in [
        "year=2020/city=S%C3%A3o%2FPaulo/a.parquet",
        "year=2020/city=__HIVE_DEFAULT_PARTITION__/a.parquet",
        "city=Rome/year=2020/a.parquet",
        "2020/Rome/a.parquet",
        "stray.parquet",
    ] {
        lake.put(&format!("my_table/{path}"));
    }
    lake.commit();
    lake.create("").says(0, &["unmatched", "3 ", "✓ 2 manifests"]);
    assert_eq!(lake.partitions(), [json!(["2020", "São/Paulo"]), json!(["2020", "__HIVE_DEFAULT_PARTITION__"])]);
    assert_eq!(lake.directories(), ["year=2020/city=São%2FPaulo/", "year=2020/city=__HIVE_DEFAULT_PARTITION__/"]);
}

#[test]
fn a_value_that_is_not_of_the_keys_type_is_said() {
    let lake = Lake::by_month();
    lake.put("my_table/year=2021/month=May/part-0.parquet");
    lake.commit();
    lake.create("").says(0, &["left out", "month=May"]);
    assert_eq!(lake.directories().len(), 3);
}

#[test]
fn values_of_whatever_type_are_held_to_it() {
    for (kind, good, bad) in
        [("boolean", "true", "maybe"), ("decimal(10,2)", "1.5", "abc"), ("varchar(2)", "ab", "abc")]
    {
        let lake = Lake::with_source(&[("k", kind)]);
        lake.put(&format!("my_table/k={good}/part-0.parquet"));
        lake.put(&format!("my_table/k={bad}/part-0.parquet"));
        lake.commit();
        lake.create("").says(0, &["left out", "1 bad value", &format!("k={bad}"), "✓ 1 manifest"]);
        assert_eq!(lake.directories(), [format!("k={good}/")]);
        let rules = lake.create("--print-rules");
        lake.settles(&rules);
    }
}

#[test]
fn columns_that_change_at_the_source_change_where_the_copy_stands() {
    let lake = Lake::by_month();
    lake.create("").says(0, &[]);
    let before = lake.s3.keys("lake");
    lake.glue.edit("source", "my_table", |table| {
        let columns = table["StorageDescriptor"]["Columns"].as_array_mut().unwrap();
        columns.push(json!({"Name": "amount", "Type": "double"}));
    });
    lake.create("").says(0, &["~ table my_table", "columns", "✓"]);
    assert_eq!(lake.s3.keys("lake"), before);
    let table = lake.glue.table("default", "my_table").unwrap();
    assert_eq!(table["StorageDescriptor"]["Location"], "s3://lake/ns/symlinks/example/main/my_table/");
    for partition in lake.glue.partitions("default", "my_table") {
        assert_eq!(partition["StorageDescriptor"]["Columns"][1]["Name"], "amount");
    }
    lake.create("").says(0, &["no change"]);
    let rules = lake.create("--print-rules");
    lake.settles(&rules);
}

#[test]
fn a_listing_that_is_handed_in_keeps_its_brake() {
    let lake = Lake::by_month();
    for number in 1..=30 {
        lake.put(&format!("my_table/year=2021/month=2/part-{number}.parquet"));
    }
    lake.commit();
    lake.create("").says(0, &[]);
    let line = r#"{"uri": "lakefs://example/main/my_table/year=2021/month=1/part-0.parquet", "size": 4, "physical_address": "s3://lake/x"}"#;
    std::fs::write(lake.folder.path().join("part.jsonl"), line).unwrap();
    lake.create("--listing part.jsonl").says(3, &["more than max_removed allows", "--print-rules prints"]);
}

#[test]
fn what_lakectl_left_is_adopted() {
    let lake = Lake::by_month();
    // Off by one directory, and stale.
    lake.old_manifest("year=2020/month=12/", "");
    lake.old_manifest("year=2021/month=1/", "s3://lake/ns/data/of/december\n");
    lake.old_manifest("year=1999/month=1/", "s3://lake/ns/data/of/long/ago\n");
    lake.glue.edit("default", "my_table", |table| {
        *table = json!({
            "Name": "my_table",
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"EXTERNAL": "TRUE"},
            "PartitionKeys": [{"Name": "year", "Type": "int"}, {"Name": "month", "Type": "int"}],
            "StorageDescriptor": {
                "Columns": [{"Name": "id", "Type": "bigint"}],
                "Location": "s3://lake/ns/symlinks/example/main/my_table",
                "InputFormat": SYMLINK,
                "SerdeInfo": {"Name": "default", "SerializationLibrary": PARQUET_SERDE}
            }
        });
    });
    lake.create("").says(0, &["✓"]);
    let lines: Vec<_> = lake.manifests().iter().map(|(at, body)| (at.clone(), body.lines().count())).collect();
    let expected =
        [("year=1999/month=1/", 0), ("year=2020/month=12/", 1), ("year=2021/month=1/", 1), ("year=2021/month=2/", 1)];
    assert_eq!(lines, expected.map(|(at, count)| (at.to_owned(), count)));
    lake.create("").says(0, &["no change"]);
}

/// It wrote one for each directory that held an object, `_SUCCESS` and hidden ones too.
#[test]
fn what_lakectl_left_for_each_directory_is_adopted() {
    let lake = Lake::with_source(&[("k", "string")]);
    let line = format!("{}\n", lake.put("my_table/k=1/sub/part-0.parquet"));
    lake.commit();
    for directory in ["", "k=1/", "k=1/sub/", "_temporary/0/", "other/"] {
        lake.old_manifest(directory, &line);
    }
    lake.create("").says(0, &["k=1, k=1/sub/symlink.txt", "emptied", "✓ 1 manifest written"]);
    // What no engine reads for this table stays as it was.
    let expected = [("_temporary/0/", &*line), ("k=1/sub/", ""), ("k=1/", &line), ("other/", &line), ("", &line)];
    assert_eq!(lake.manifests(), expected.map(|(at, body)| (at.to_owned(), body.to_owned())));
    assert_eq!(lake.partitions(), [json!(["1"])]);
    lake.create("").says(0, &["no change"]);
    let rules = lake.create("--print-rules");
    lake.settles(&rules);
    // One that comes later is nobody's to empty without being asked, but lakectl's.
    lake.old_manifest("k=1/sub/", &line);
    lake.run("plan").says(3, &["k=1/sub/symlink.txt", "--adopt empties them"]);
    lake.create("").says(0, &["emptied"]);
}

#[test]
fn a_table_of_somebody_else_is_refused_until_it_is_adopted() {
    let lake = Lake::by_month();
    lake.glue.edit("default", "my_table", |table| {
        *table = json!({
            "Name": "my_table",
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"EXTERNAL": "TRUE", "team": "tax"},
            "PartitionKeys": [{"Name": "year", "Type": "int"}, {"Name": "month", "Type": "int"}],
            "StorageDescriptor": {
                "Columns": [{"Name": "id", "Type": "bigint"}],
                "Location": "s3://theirs/my_table/",
                "SerdeInfo": {"SerializationLibrary": PARQUET_SERDE}
            }
        });
    });
    lake.create("").says(3, &["there is a table `my_table`", "which is not ours", "--adopt takes it over"]);
    assert!(lake.s3.keys("lake").is_empty());
    lake.create("--adopt").says(0, &["✓ 3 manifests"]);
    let table = lake.glue.table("default", "my_table").unwrap();
    assert_eq!(
        (&table["Parameters"]["team"], &table["StorageDescriptor"]["InputFormat"]),
        (&json!("tax"), &json!(SYMLINK))
    );
}

/// Its removed files look alive; the addresses in manifests do not tell that they lie there.
#[test]
fn a_folder_of_another_format_is_refused() {
    let lake = Lake::by_month();
    lake.put("my_table2/_delta_log/00000000000000000000.json");
    lake.commit();
    lake.create("").says(0, &["✓ 3 manifests"]);
    lake.put("my_table/_delta_log/00000000000000000000.json");
    lake.commit();
    lake.create("")
        .says(3, &["`my_table` would take files out of a Delta table's folder", "lakefs://example/main/my_table/"]);
}

#[test]
fn a_table_within_another_ones_directory_is_refused() {
    let lake = Lake::by_month();
    lake.create("").says(0, &[]);
    let before = lake.s3.keys("lake");
    lake.without_keys();
    let refused =
        ["year=2020/month=12/ lies in the directory of table `my_table`", "ns/symlinks/example/main/my_table/"];
    lake.link("main", "my_table/year=2020/month=12", "--to-table inner").says(3, &refused);
    lake.link("main", "my_table/year=2020/month=12", "--to-table inner --adopt").says(3, &refused);
    assert_eq!((lake.s3.keys("lake"), lake.glue.table("default", "inner")), (before, None));

    // The inner one first.
    let lake = Lake::by_month();
    lake.without_keys();
    lake.link("main", "my_table/year=2020/month=12", "--to-table inner").says(0, &["✓ 1 manifest"]);
    lake.link("main", "my_table/year=2020", "--to-table outer").says(3, &["month=12/_restitch.json"]);
}

/// Two places would take it from each other at every run.
#[test]
fn a_table_of_another_branch_or_path_is_refused_until_it_is_adopted() {
    let lake = Lake::by_month();
    lake.lakefs.branch("example", "dev");
    lake.put("other/year=2020/month=12/part-0.parquet");
    lake.commit();
    lake.create("").says(0, &["✓ 1 table and 3 partitions registered"]);
    let registered = lake.partitions();
    for (branch, path) in [("dev", "my_table"), ("main", "other")] {
        let refused = ["reads manifests at another place", "example/main/my_table/", "--adopt leads it here"];
        lake.link(branch, path, "--to-table my_table").says(3, &refused);
        assert_eq!(lake.partitions(), registered);
    }
    lake.create("").says(0, &["no change"]);
    lake.link("dev", "my_table", "--adopt").says(0, &["~ table my_table"]);
    lake.link("dev", "my_table", "").says(0, &["no change"]);
    lake.create("").says(3, &["example/dev/my_table/"]);
    let location = &lake.glue.table("default", "my_table").unwrap()["StorageDescriptor"]["Location"];
    assert_eq!(location, "s3://lake/ns/symlinks/example/dev/my_table/");
}

#[test]
fn the_same_commit_leaves_nothing_to_list() {
    let lake = Lake::by_month();
    lake.create("").says(0, &[]);
    let pages = || lake.lakefs.take_calls().iter().filter(|call| call.is_page()).count();
    assert!(pages() > 0);
    lake.create("").says(0, &["listing  nothing: the commits and the rules are those of the last apply", "no change"]);
    assert_eq!(pages(), 0);
    // What somebody did to the table in Glue is seen, and mended.
    lake.glue.edit("default", "my_table", |table| table["StorageDescriptor"]["Columns"][0]["Type"] = json!("string"));
    lake.create("").says(0, &["columns.id", "✓"]);
    assert!(pages() > 0);
    lake.create("").says(0, &["no change"]);
    assert_eq!(pages(), 0);
    lake.put("my_table/year=2021/month=3/part-0.parquet");
    lake.commit();
    lake.create("").says(0, &["✓ 1 manifest written"]);
}

#[test]
fn a_location_of_another_table_is_refused() {
    let lake = Lake::by_month();
    lake.create("").says(0, &[]);
    lake.create("--to-table other").says(3, &["belongs to table `my_table`"]);
    assert!(lake.glue.table("default", "other").is_none());
}

#[test]
fn flags_that_name_nothing_say_what_to_write() {
    let lake = Lake::by_month();
    lake.create("--to-schema source").says(1, &["used multiple times"]);
    let glue = "create-symlink --repo example --branch main --path my_table --from-schema source --from-table my_table";
    lake.run(glue).says(1, &["nothing says where the table is described", "--from-client-type hive"]);
    lake.run(&format!("{glue} --from-client-type glue"))
        .says(1, &["`source.my_table` would become its own copy", "--to-table"]);
    lake.run(&format!("{glue} --from-client-type hive")).says(1, &["LAKECTL_METASTORE_HIVE_URI", "metastore:"]);
    let of = |more: &str| lake.run(&format!("create-symlink --from-client-type glue --from-schema source {more}"));
    of("--repo example --branch main --path / --from-table my_table").says(1, &["--path: `` is no path"]);
    for (path, says) in [
        ("lakefs://example/main/deep", ["is a URI", "help: --path deep"]),
        ("a//b", ["has a component ``", "--print-rules"]),
        ("a/{x}/t", ["has `{`, which no location can have", "--print-rules"]),
    ] {
        of(&format!("--repo example --branch main --path {path} --from-table my_table --to-schema default"))
            .says(1, &says);
    }
    let long = "n".repeat(256);
    of(&format!("--repo example --branch main --path x --from-table my_table --to-schema default --to-table {long}"))
        .says(1, &["is not the name of a table", "it has 256 bytes, and catalogs take 255"]);
    lake.glue.edit("source", "bare", |table| {
        *table = json!({"Name": "bare", "StorageDescriptor": {"Columns": [{"Name": "id", "Type": "bigint"}]}});
    });
    of("--repo example --branch main --path x --from-table bare --to-schema default").says(
        1,
        &["`source.bare` does not say how its rows are read: it has no serde", "help: give that table a serde"],
    );
    of("--repo example --branch main --path x --from-table none --to-schema default")
        .says(1, &["there is no table `none` in Glue"]);
}

/// Many tables lie beside each other at these places, and each is of a rule file of its own.
#[test]
fn tables_beside_are_nobodys_to_empty() {
    let lake = Lake::by_month();
    lake.put("other/year=2021/month=1/part-0.parquet");
    lake.commit();
    lake.link("main", "other", "--to-table other").says(0, &["✓"]);
    lake.create("").says(0, &["✓"]).without("[removed]");
    let rules = lake.create("--print-rules");
    std::fs::write(lake.folder.path().join("restitch.toml"), &rules.stdout).unwrap();
    lake.run("plan").says(0, &["no change"]).without("[removed]");
}

/// What is wrong with the repository is no mistake in a rule file that nobody wrote.
#[test]
fn a_repository_that_is_not_there_is_said_plainly() {
    let lake = Lake::by_month();
    let ran = lake.run(
        "create-symlink --repo nope --branch main --path my_table --from-client-type glue --from-schema source \
         --from-table my_table --to-schema default",
    );
    let ran = ran.says(1, &["error: ", "nope"]);
    assert!(!ran.text.contains("--print-rules"), "{}", ran.text);
}
