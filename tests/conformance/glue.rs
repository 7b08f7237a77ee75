//! Glue against the strict in-process server: the suite, and what it does when calls fail.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use restitch::catalog::Catalog;
use restitch::catalog::conformance::{Subject, check};
use serde_json::{Value, json};

use crate::glue_server::Server;
use crate::next;

use super::glue_faults::glue;

struct InProcess(Server);

#[async_trait]
impl Subject for InProcess {
    async fn database(&self) -> String {
        format!("Database_{}", next())
    }

    async fn open(&self, database: &str, page_size: usize) -> Arc<dyn Catalog> {
        Arc::new(glue(&self.0, database).page_size(page_size))
    }

    async fn mark(&self, database: &str, table: &str, partition: Option<&[String]>) {
        let marked = |storage: &mut Value| {
            storage["AdditionalLocations"] = json!(["s3://bucket/more/"]);
            storage["Parameters"] = json!({ "crawler": "storage" });
            storage["SortColumns"] = json!([{ "Column": "id", "SortOrder": 1 }]);
            storage["SkewedInfo"] = json!({ "SkewedColumnNames": ["id"] });
            storage["StoredAsSubDirectories"] = json!(true);
            storage["Compressed"] = json!(true);
            storage["SerdeInfo"]["Name"] = json!("theirs");
            storage["Columns"][0]["Parameters"] = json!({ "classification": "personal" });
            storage["SchemaReference"] = json!({ "SchemaVersionId": "theirs", "SchemaVersionNumber": 1 });
        };
        match partition {
            None => self.0.edit(database, table, |table| {
                table["Owner"] = json!("somebody else");
                table["Retention"] = json!(7);
                table["LastAccessTime"] = json!(1_700_000_000);
                table["LastAnalyzedTime"] = json!(1_700_000_001.5);
                table["ViewOriginalText"] = json!("theirs");
                table["PartitionKeys"][0]["Parameters"] = json!({ "theirs": "1" });
                table["Parameters"]["CrawlerSchemaSerializerVersion"] = json!("1.0");
                marked(&mut table["StorageDescriptor"]);
            }),
            Some(values) => self.0.edit_partition(database, table, values, |partition| {
                partition["LastAccessTime"] = json!(1_700_000_000);
                partition["LastAnalyzedTime"] = json!(1_700_000_001.5);
                partition["Parameters"]["recordCount"] = json!("12");
                marked(&mut partition["StorageDescriptor"]);
            }),
        }
    }

    async fn marks(&self, database: &str, table: &str, partition: Option<&[String]>) -> BTreeMap<String, String> {
        let mut whole = match partition {
            None => self.0.table(database, table).expect("a table"),
            Some(values) => {
                let all = self.0.partitions(database, table);
                all.into_iter().find(|partition| partition["Values"] == json!(values)).expect("a partition")
            }
        };
        for ours in ["VersionId", "UpdateTime"] {
            whole.as_object_mut().unwrap().remove(ours);
        }
        let storage = whole["StorageDescriptor"].as_object_mut().unwrap();
        for ours in ["Location", "InputFormat", "OutputFormat"] {
            storage.remove(ours);
        }
        storage["SerdeInfo"].as_object_mut().unwrap().retain(|name, _| name == "Name");
        for column in storage["Columns"].as_array_mut().unwrap() {
            column.as_object_mut().unwrap().remove("Type");
        }
        whole.as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.to_string())).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn glue_is_a_catalog_as_every_one() {
    check(&InProcess(Server::start())).await;
}

/// Small pages, some of them empty, of all ten segments.
#[tokio::test(flavor = "multi_thread")]
async fn glue_is_a_catalog_whatever_its_pages() {
    for empty in [false, true] {
        let server = Server::start();
        server.set_page_size(3);
        server.set_empty_pages(empty);
        check(&InProcess(server)).await;
    }
}
