//! The binary, an S3 and a Glue inside the test process: what apply registers, with how many calls, what it says of errors.
#![cfg(all(feature = "cli", feature = "glue"))]

mod glue_server;
mod loopback;
mod ran;
mod s3_server;

use serde_json::{Value, json};

use glue_server::Fault;
use ran::Ran;

const RULES: &str = r#"
[defaults]
location = 's3://bucket/tables/{table}/'
format   = "csv"

[catalog]
type     = "glue"
database = "shop"
region   = "eu-west-1"

[table.sales]
columns        = ["id bigint", "item string"]
partitioned_by = ["region string"]
[[table.sales.rule]]
match = 's3://bucket/data/{region}/*.csv'
"#;

struct World {
    s3: s3_server::Server,
    glue: glue_server::Server,
    folder: tempfile::TempDir,
}

impl World {
    /// So many partitions, which are not published yet.
    fn new(partitions: usize) -> World {
        let world = World {
            s3: s3_server::Server::start(),
            glue: glue_server::Server::start(),
            folder: tempfile::tempdir().expect("a folder"),
        };
        world.s3.bucket("bucket", "us-east-1");
        world.glue.database("shop");
        (0..partitions).for_each(|n| world.arrives(n));
        world.rules(RULES);
        world
    }

    fn rules(&self, text: &str) {
        std::fs::write(self.folder.path().join("restitch.toml"), text).expect("the rule file is written");
    }

    fn arrives(&self, n: usize) {
        self.s3.insert("bucket", &format!("data/r{n:05}/x.csv"), format!("{n},kite\n"));
    }

    fn run(&self, args: &str) -> Ran {
        let glue = ("AWS_ENDPOINT_URL_GLUE", self.glue.url());
        let environment = self.s3.environment().into_iter().chain([glue]);
        Ran::of(args, self.folder.path(), environment, &[glue_server::SECRET_KEY])
    }

    /// It goes well, and prints this.
    fn restitch(&self, args: &str) -> String {
        self.run(args).says(0, &[]).text
    }

    fn locations(&self, table: &str) -> Vec<Value> {
        let all = self.glue.partitions("shop", table);
        all.iter().map(|partition| partition["StorageDescriptor"]["Location"].clone()).collect()
    }
}

/// Three new partitions take as many calls beside 500 as beside 5.
#[test]
fn a_refresh_does_not_read_the_partitions_that_are_there() {
    let mut calls = Vec::new();
    for partitions in [5, 500] {
        let world = World::new(partitions);
        world.restitch("apply --yes");
        assert_eq!(world.locations("sales").len(), partitions);
        world.glue.forget_calls();
        (partitions..partitions + 3).for_each(|n| world.arrives(n));
        world.restitch("apply --yes");
        assert_eq!(world.locations("sales").len(), partitions + 3);
        calls.push(world.glue.calls());

        world.glue.forget_calls();
        let said = world.restitch("apply --yes");
        assert!(said.contains("no change"), "{said}");
        assert!(world.glue.calls().iter().all(|call| call.starts_with("Get")), "{:?}", world.glue.calls());
    }
    assert_eq!(calls[0], calls[1]);
    assert_eq!(calls[0].iter().filter(|call| *call == "BatchCreatePartition").count(), 1, "{:?}", calls[0]);
    assert!(!calls[0].iter().any(|call| call == "GetPartitions"), "{:?}", calls[0]);
}

/// What somebody changed by hand is mended, what is theirs stays.
#[test]
fn drift_is_mended_field_by_field() {
    let world = World::new(2);
    world.restitch("apply --yes");
    world.glue.edit("shop", "sales", |table| {
        table["StorageDescriptor"]["Columns"][0]["Type"] = json!("int");
        table["Owner"] = json!("somebody else");
        table["Parameters"]["crawler"] = json!("theirs");
    });
    let values = ["r00000".to_owned()];
    world.glue.edit_partition("shop", "sales", &values, |partition| {
        partition["StorageDescriptor"]["Location"] = json!("s3://elsewhere/");
        partition["Parameters"]["crawler"] = json!("theirs");
    });
    let said = world.restitch("plan --full");
    assert!(said.contains("s3://elsewhere/"), "{said}");
    world.restitch("apply --full --yes --accept-moves");
    let table = world.glue.table("shop", "sales").expect("the table");
    assert_eq!(table["StorageDescriptor"]["Columns"][0]["Type"], "bigint");
    assert_eq!((&table["Owner"], &table["Parameters"]["crawler"]), (&json!("somebody else"), &json!("theirs")));
    let partitions = world.glue.partitions("shop", "sales");
    assert_eq!(partitions[0]["StorageDescriptor"]["Location"], "s3://bucket/tables/sales/region=r00000/");
    assert_eq!(partitions[0]["Parameters"]["crawler"], "theirs");
}

#[test]
fn what_is_denied_is_said_with_the_permission_that_lacks() {
    let world = World::new(1);
    world.glue.script(|call| (call.action == "GetTable").then_some(Fault::Exception("AccessDeniedException")));
    let Ran { code, text: said, .. } = world.run("plan");
    assert_ne!(code, Some(0), "{said}");
    assert!(said.contains("glue:GetTable") && said.contains("shop"), "{said}");
}

/// `like` takes columns, serde and partition keys of a table that nobody here made.
#[test]
fn a_table_like_another_is_read_as_that() {
    let world = World::new(1);
    world.glue.edit("shop", "old", |table| {
        table["TableType"] = json!("EXTERNAL_TABLE");
        table["PartitionKeys"] = json!([{ "Name": "region", "Type": "string" }]);
        table["Parameters"] = json!({ "UPDATED_BY_CRAWLER": "c", "classification": "csv", "EXTERNAL": "TRUE" });
        table["StorageDescriptor"] = json!({
            "Columns": [{ "Name": "id", "Type": "int", "Comment": "in cents" }, { "Name": "item", "Type": "string" }],
            "Location": "s3://elsewhere/",
            "SerdeInfo": {
                "SerializationLibrary": "org.apache.hadoop.hive.serde2.OpenCSVSerde",
                "Parameters": { "separatorChar": ";" },
            },
        });
    });
    let alike = RULES.replace("format   = \"csv\"\n", "").replace(
        "columns        = [\"id bigint\", \"item string\"]\npartitioned_by = [\"region string\"]",
        "like = \"glue:shop.old\"",
    );
    world.rules(&alike);
    world.restitch("apply --yes");
    let table = world.glue.table("shop", "sales").expect("the table");
    let storage = &table["StorageDescriptor"];
    assert_eq!(storage["Columns"][0], json!({ "Name": "id", "Type": "int", "Comment": "in cents" }));
    assert_eq!(storage["SerdeInfo"]["SerializationLibrary"], "org.apache.hadoop.hive.serde2.OpenCSVSerde");
    assert_eq!(storage["SerdeInfo"]["Parameters"]["separatorChar"], ";");
    assert_eq!(table["Parameters"]["classification"], "csv");
    assert_eq!(table["Parameters"]["UPDATED_BY_CRAWLER"], Value::Null);
    assert_eq!(world.locations("sales"), ["s3://bucket/tables/sales/region=r00000/"]);
    world.rules(&alike.replace("shop.old", "shop.absent"));
    let Ran { code, text: said, .. } = world.run("plan");
    assert!(code == Some(1) && said.contains("there is no table `absent` in Glue database shop"), "{said}");
}
