//! The real binary, publishing to S3 and registering in Glue: both in process, both strict. Whatever a run prints is
//! searched for the secret key.
#![cfg(all(feature = "cli", feature = "s3", feature = "glue"))]

mod glue_server;
mod loopback;
mod ran;
mod s3_server;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tempfile::TempDir;

use ran::Ran;

const RULES: &str = r#"
project = "shop"

[catalog]
type     = "glue"
database = "sales"
region   = "eu-west-1"

[defaults]
location = 's3://tables/{table}/'

[table.taxes]
columns        = ["id bigint the id", "amount decimal(10,2)"]
partitioned_by = ["region string"]
format         = { type = "csv", header_lines = 1 }

[[table.taxes.rule]]
match = 's3://data/{region}/taxes*.csv'
"#;

struct Shop {
    s3: s3_server::Server,
    glue: glue_server::Server,
    folder: TempDir,
}

impl Shop {
    fn open() -> Shop {
        let (s3, glue) = (s3_server::Server::start(), glue_server::Server::start());
        s3.bucket("data", "us-east-1");
        s3.bucket("tables", "us-east-1");
        for key in ["amer/taxes1.csv", "amer/taxes2.csv", "emea/taxes1.csv"] {
            s3.insert("data", key, "id,amount\n1,2.0\n");
        }
        let shop = Shop { s3, glue, folder: tempfile::tempdir().unwrap() };
        shop.rules(RULES);
        shop
    }

    /// With the database there, and everything applied.
    fn applied() -> Shop {
        let shop = Shop::open();
        shop.glue.database("sales");
        shop.run("apply --yes").says(0, &[]);
        shop
    }

    fn rules(&self, text: &str) {
        std::fs::write(self.folder.path().join("restitch.toml"), text).unwrap();
    }

    fn run(&self, args: &str) -> Ran {
        let environment = self.glue.environment().into_iter().chain(self.s3.environment());
        Ran::of(args, self.folder.path(), environment, &[s3_server::SECRET_KEY])
    }

    fn table(&self) -> Value {
        self.glue.table("sales", "taxes").expect("the table is registered")
    }

    fn partitions(&self) -> Vec<String> {
        let partitions = self.glue.partitions("sales", "taxes");
        let mut values: Vec<String> =
            partitions.iter().map(|one| one["Values"][0].as_str().unwrap().to_owned()).collect();
        values.sort();
        values
    }

    /// Nothing is left to be done, and nothing is written.
    #[track_caller]
    fn settles(&self) {
        for command in ["plan --detailed-exitcode", "plan --full --detailed-exitcode", "verify"] {
            self.run(command).says(0, &[]);
        }
        self.glue.forget_calls();
        self.run("apply --yes --full").says(0, &["no change"]);
        let writes = self.glue.calls().into_iter().filter(|call| !call.starts_with("Get")).collect::<Vec<_>>();
        assert_eq!(writes, [""; 0]);
    }
}

#[test]
fn a_table_is_registered_in_a_database_that_is_made_when_asked() {
    let shop = Shop::open();
    shop.run("plan").says(3, &["refused", "there is no Glue database", "--create-database makes it"]);
    shop.run("plan --create-database")
        .says(0, &["taxes    new", "in Glue database", "+ the database", "+ table taxes", "+ 2 partitions registered"]);
    shop.run("apply --yes --create-database").says(
        0,
        &["✓ 2 manifests written", "✓ 1 table and 2 partitions registered in Glue database", "requests in all"],
    );
    let table = shop.table();
    assert_eq!(table["TableType"], "EXTERNAL_TABLE");
    let parameters = &table["Parameters"];
    assert_eq!(
        (&parameters["EXTERNAL"], &parameters["skip.header.line.count"], &parameters["restitch.project"]),
        (&json!("TRUE"), &json!("1"), &json!("shop"))
    );
    let storage = &table["StorageDescriptor"];
    assert_eq!(storage["Columns"][0], json!({"Name": "id", "Type": "bigint", "Comment": "the id"}));
    assert_eq!(storage["Location"], "s3://tables/taxes/");
    assert_eq!(table["PartitionKeys"][0]["Name"], "region");
    assert_eq!(shop.partitions(), ["amer", "emea"]);
    shop.settles();
}

#[test]
fn several_tables_make_one_database() {
    let shop = Shop::open();
    let second = RULES.split_once("[table.taxes]").unwrap().1.replace("table.taxes", "table.more");
    shop.rules(&format!("{RULES}\n[table.more]{second}"));
    let refused = shop.run("plan").says(3, &["there is no Glue database"]);
    assert_eq!(refused.text.matches("there is no Glue database").count(), 1, "{}", refused.text);
    let plan = shop.run("plan --create-database").says(0, &["+ the database"]);
    assert_eq!(plan.text.matches("+ the database").count(), 1, "{}", plan.text);
    shop.run("apply --yes --create-database").says(0, &["✓ 2 tables and 4 partitions registered"]);
    assert_eq!(shop.glue.count("CreateDatabase"), 1);
    shop.settles();
}

#[test]
fn drift_is_shown_field_by_field_and_mended() {
    let shop = Shop::applied();
    shop.glue.edit("sales", "taxes", |table| {
        table["StorageDescriptor"]["Columns"][1]["Type"] = json!("double");
        table["Owner"] = json!("ada");
        table["Retention"] = json!(7);
        table["Parameters"]["theirs"] = json!("1");
    });
    shop.glue.edit_partition("sales", "taxes", &["emea".to_owned()], |partition| {
        partition["StorageDescriptor"]["Location"] = json!("s3://elsewhere/");
    });
    shop.run("plan").says(0, &["~ table taxes", "columns.amount: double → decimal(10,2)"]);
    shop.run("verify").says(
        1,
        &["has another columns.amount", "double →", "region=emea of `taxes` is registered otherwise", "apply --full"],
    );
    shop.run("apply --yes").says(0, &["✓ 1 table and 1 partition registered"]);
    let table = shop.table();
    assert_eq!(table["StorageDescriptor"]["Columns"][1]["Type"], "decimal(10,2)");
    assert_eq!(
        (&table["Owner"], &table["Retention"], &table["Parameters"]["theirs"]),
        (&json!("ada"), &json!(7), &json!("1"))
    );
    shop.settles();
}

/// Athena fails on a table without its type.
#[test]
fn a_type_that_was_lost_is_drift_and_one_that_was_changed_is_said() {
    let shop = Shop::applied();
    shop.glue.edit("sales", "taxes", |table| drop(table.as_object_mut().unwrap().remove("TableType")));
    shop.run("plan").says(0, &["~ table taxes", "table_type: nothing → EXTERNAL_TABLE"]);
    shop.run("verify").says(1, &["table_type"]);
    shop.run("apply --yes").says(0, &["✓ 1 table registered"]);
    assert_eq!(shop.table()["TableType"], "EXTERNAL_TABLE");
    shop.settles();
    shop.glue.edit("sales", "taxes", |table| table["TableType"] = json!("MANAGED_TABLE"));
    shop.run("plan").says(3, &["is a managed table", "set its type back to EXTERNAL_TABLE"]);
}

#[test]
fn a_partition_of_somebody_else_is_named_with_the_statement_that_drops_it() {
    let shop = Shop::applied();
    shop.glue.edit_partition("sales", "taxes", &["emea".to_owned()], |partition| partition["Parameters"] = json!({}));
    shop.s3.remove("data", "emea/taxes1.csv");
    shop.s3.remove("tables", "taxes/region=emea/symlink.txt");
    // What is ours of the same kind goes.
    shop.s3.insert("data", "left/taxes.csv", "id,amount\n1,2.0\n");
    shop.run("apply --yes").says(0, &["✓ 1 partition registered in"]);
    shop.s3.remove("data", "left/taxes.csv");
    shop.s3.remove("tables", "taxes/region=left/symlink.txt");
    shop.run("apply --yes --full").says(0, &["✓ 1 partition unregistered in"]);
    shop.run("plan --full")
        .says(0, &["1 partition without a manifest that others have registered stays, such as emea"]);
    let drop = "help: if it is not meant: ALTER TABLE `taxes` DROP IF EXISTS PARTITION (`region` = 'emea');";
    shop.run("verify").says(1, &["emea of `taxes` is registered by somebody else", drop]);
}

/// Trino reads no manifests of a table that is bucketed.
#[test]
fn buckets_are_taken_away() {
    let shop = Shop::applied();
    shop.glue.edit("sales", "taxes", |table| {
        let storage = &mut table["StorageDescriptor"];
        (storage["NumberOfBuckets"], storage["BucketColumns"]) = (json!(3), json!(["id"]));
    });
    shop.run("plan").says(0, &["~ table taxes", "buckets: 3 → nothing"]);
    shop.run("verify").says(1, &["has another buckets"]);
    shop.run("apply --yes").says(0, &["✓ 1 table registered"]);
    let storage = &shop.table()["StorageDescriptor"];
    assert!(
        storage["NumberOfBuckets"].as_i64().unwrap_or(0) < 1
            && storage["BucketColumns"].as_array().is_none_or(Vec::is_empty)
    );
    shop.settles();
}

/// What no flag could let go does not name one.
#[test]
fn a_table_of_somebody_else_with_other_partition_columns_is_refused_once() {
    let shop = Shop::applied();
    shop.glue.edit("sales", "taxes", |table| {
        table["Parameters"] = json!({"EXTERNAL": "TRUE"});
        table["PartitionKeys"] = json!([{"Name": "k", "Type": "int"}]);
    });
    let says =
        ["partition columns of `taxes`", "nothing in it says that restitch made it", "there: k int", "another name"];
    shop.run("plan").says(3, &says).without("--adopt");
    shop.run("plan --adopt").says(3, &says);
}

#[test]
fn new_partitions_take_as_few_calls_whatever_is_there() {
    let shop = Shop::applied();
    for region in 0..300 {
        shop.s3.insert("data", &format!("r{region:03}/taxes.csv"), "id,amount\n1,2.0\n");
    }
    shop.run("apply --yes").says(0, &["300 partitions registered"]);
    shop.s3.insert("data", "latam/taxes.csv", "id,amount\n1,2.0\n");
    shop.glue.forget_calls();
    shop.run("apply --yes").says(0, &["✓ 1 partition registered", "2 requests in all"]);
    assert_eq!(shop.glue.calls(), ["GetTable", "BatchCreatePartition"]);
    assert_eq!(shop.partitions().len(), 303);
    shop.settles();
}

#[test]
fn a_table_of_somebody_else_is_refused_and_adopted_when_asked() {
    let shop = Shop::applied();
    shop.glue.edit("sales", "taxes", |table| {
        table["Parameters"] = json!({"EXTERNAL": "TRUE", "classification": "csv"});
        table["Description"] = json!("theirs");
    });
    shop.run("plan").says(3, &["there is a table `taxes`", "which is not ours", "header", "--adopt takes it over"]);
    shop.run("apply --yes --adopt").says(0, &["✓ 1 table"]);
    let table = shop.table();
    assert_eq!((&table["Description"], &table["Parameters"]["classification"]), (&json!("theirs"), &json!("csv")));
    shop.settles();
}

#[test]
fn a_saved_plan_registers_what_it_showed_or_is_stale() {
    let shop = Shop::applied();
    shop.s3.insert("data", "latam/taxes.csv", "id,amount\n1,2.0\n");
    shop.run("plan --out a.plan").says(0, &["+ 1 partition registered"]);
    shop.run("apply a.plan").says(0, &["✓ 1 partition registered"]);
    assert_eq!(shop.partitions(), ["amer", "emea", "latam"]);
    shop.glue.edit("sales", "taxes", |table| table["StorageDescriptor"]["Columns"][0]["Type"] = json!("int"));
    shop.run("plan --out b.plan").says(0, &["columns.id: int → bigint"]);
    shop.glue.edit("sales", "taxes", |table| table["Parameters"]["theirs"] = json!("1"));
    shop.run("apply b.plan").says(4, &["changed since the plan was made", "`restitch plan` again"]);
    shop.run("apply --yes").says(0, &[]);
    shop.settles();
}

/// What was looked at is done where it was planned, and registered as it was: any other setting makes the plan stale.
#[test]
fn a_saved_plan_is_held_to_every_setting_of_its_catalog() {
    let shop = Shop::applied();
    shop.glue.database("other");
    shop.s3.insert("data", "latam/taxes.csv", "id,amount\n1,2.0\n");
    shop.run("plan --out a.plan").says(0, &["+ 1 partition registered"]);
    let catalog =
        |line: &str| RULES.replace("region   = \"eu-west-1\"\n", &format!("region   = \"eu-west-1\"\n{line}\n"));
    let table = |line: &str| RULES.replace("[table.taxes]\n", &format!("[table.taxes]\n{line}\n"));
    let changed = [
        RULES.replace("\"sales\"", "\"other\""),
        RULES.replace("eu-west-1", "eu-west-2"),
        catalog("profile = \"other\""),
        catalog("endpoint = \"http://127.0.0.1:9\""),
        catalog("catalog_id = \"210987654321\""),
        table("catalog = { type = \"none\" }"),
        table("catalog = { type = \"hive\", uri = \"thrift://127.0.0.1:9083\" }"),
        table("partitions = \"projection\""),
        table("comment = \"all taxes\""),
        table("properties = { source = \"us\" }"),
        RULES.replace("bigint the id", "bigint another id"),
    ];
    for rules in &changed {
        assert_ne!(rules, RULES);
        shop.rules(rules);
        shop.glue.forget_calls();
        shop.run("apply a.plan")
            .says(4, &["says of `taxes` has changed since the plan was made", "nothing was written"]);
        assert_eq!(shop.glue.calls(), [""; 0], "{rules}");
    }
    shop.rules(&RULES.replace("[defaults]", "# other words\n[defaults]"));
    shop.run("apply a.plan").says(0, &["✓ 1 partition registered"]);
    shop.settles();
}

#[test]
fn what_glue_refuses_of_one_partition_is_said_and_the_next_run_ends_it() {
    let shop = Shop::applied();
    for region in ["a", "b", "c"] {
        shop.s3.insert("data", &format!("{region}/taxes.csv"), "id,amount\n1,2.0\n");
    }
    shop.glue.script(|call| {
        let strikes = call.action == "BatchCreatePartition";
        strikes.then(|| glue_server::Fault::Items(vec![1], "InvalidInputException"))
    });
    shop.run("apply --yes").says(1, &["1 partition of `taxes` could not be registered", "compares them all"]);
    shop.glue.clear_script();
    assert_eq!(shop.partitions(), ["a", "amer", "c", "emea"]);
    shop.run("verify").says(1, &["did not end"]);
    shop.run("apply --yes").says(0, &["✓ 1 partition registered"]);
    assert_eq!(shop.partitions(), ["a", "amer", "b", "c", "emea"]);
    shop.settles();
}

#[test]
fn json_says_the_same() {
    let shop = Shop::open();
    shop.glue.database("sales");
    let ran = shop.run("plan --json");
    let plan: Value = serde_json::from_str(&ran.text).unwrap();
    let catalog = &plan["tables"][0]["catalog"];
    assert_eq!((&catalog["table"], &catalog["compared"]), (&json!("create"), &json!(true)));
    assert_eq!(
        catalog["partitions"][0],
        json!({"action": "add", "partition": {"region": "amer"}, "directory": "region=amer/"})
    );
    let page = std::fs::read_to_string("docs/catalogs.md").unwrap();
    let table = page.split("in `tables[].catalog`:").nth(1).expect("a table of fields").split("\n#").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let documented: BTreeSet<&str> = rows.filter(|field| !field.contains('[')).collect();
    assert_eq!(documented, catalog.as_object().unwrap().keys().map(String::as_str).collect::<BTreeSet<&str>>());
}
