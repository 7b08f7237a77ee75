//! The suite of catalogs against a Glue that nobody here wrote, beside the strict one in the test process: by hand with
//!
//!     tests/engines/moto cargo test --test real_glue -- --ignored
//!
//! moto is laxer than Glue: it takes any VersionId, batches of any size and any segment (each is the whole table), and
//! gives all partitions in one page. None of that is asked of it here; `tests/conformance/` asks it of the strict one.
#![cfg(feature = "glue")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use aws_sdk_glue::Client;
use aws_sdk_glue::types::{Partition, PartitionInput, StorageDescriptor, Table, TableInput};
use restitch::catalog::Catalog;
use restitch::catalog::conformance::{Subject, check};
use restitch::catalog::glue::Glue;
use restitch::rules::table::Access;

struct Moto(Client);

#[async_trait]
impl Subject for Moto {
    async fn database(&self) -> String {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        format!("conformance_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
    }

    async fn open(&self, database: &str, page_size: usize) -> Arc<dyn Catalog> {
        let glue = Glue::open(database, &Access::default(), None).await.unwrap();
        Arc::new(glue.page_size(page_size))
    }

    async fn mark(&self, database: &str, table: &str, partition: Option<&[String]>) {
        let Some(values) = partition else {
            let there = self.table(database, table).await;
            let mut parameters = there.parameters.clone().unwrap_or_default();
            parameters.insert("crawler".to_owned(), "theirs".to_owned());
            let input = TableInput::builder()
                .name(&there.name)
                .owner("somebody else")
                .retention(7)
                .set_table_type(there.table_type.clone())
                .set_partition_keys(there.partition_keys.clone())
                .set_storage_descriptor(there.storage_descriptor.map(marked))
                .set_parameters(Some(parameters));
            let request = self.0.update_table().database_name(database).table_input(input.build().unwrap());
            request.send().await.unwrap();
            return;
        };
        let there = self.partition(database, table, values).await;
        let mut parameters = there.parameters.clone().unwrap_or_default();
        parameters.insert("crawler".to_owned(), "theirs".to_owned());
        let input = PartitionInput::builder()
            .set_values(Some(values.to_vec()))
            .set_storage_descriptor(there.storage_descriptor.map(marked))
            .set_parameters(Some(parameters));
        let request = self.0.update_partition().database_name(database).table_name(table);
        let request = request.set_partition_value_list(Some(values.to_vec())).partition_input(input.build());
        request.send().await.unwrap();
    }

    async fn marks(&self, database: &str, table: &str, partition: Option<&[String]>) -> BTreeMap<String, String> {
        let (mut marks, storage, parameters) = match partition {
            None => {
                let there = self.table(database, table).await;
                let marks = [("owner", format!("{:?}", there.owner)), ("retention", there.retention.to_string())];
                (BTreeMap::from(marks), there.storage_descriptor, there.parameters)
            }
            Some(values) => {
                let there = self.partition(database, table, values).await;
                (BTreeMap::new(), there.storage_descriptor, there.parameters)
            }
        };
        let storage = storage.unwrap();
        marks.insert("crawler", format!("{:?}", parameters.unwrap().get("crawler")));
        marks.insert("parameters", format!("{:?}", storage.parameters));
        marks.insert("column", format!("{:?}", storage.columns.unwrap()[0].parameters));
        marks.insert("serde", format!("{:?}", storage.serde_info.unwrap().name));
        marks.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

impl Moto {
    async fn table(&self, database: &str, name: &str) -> Table {
        self.0.get_table().database_name(database).name(name).send().await.unwrap().table.unwrap()
    }

    async fn partition(&self, database: &str, table: &str, values: &[String]) -> Partition {
        let request = self.0.get_partition().database_name(database).table_name(table);
        request.set_partition_values(Some(values.to_vec())).send().await.unwrap().partition.unwrap()
    }
}

fn marked(mut storage: StorageDescriptor) -> StorageDescriptor {
    storage.parameters = Some([("crawler".to_owned(), "storage".to_owned())].into());
    storage.columns.as_mut().unwrap()[0].parameters = Some([("class".to_owned(), "personal".to_owned())].into());
    storage.serde_info.as_mut().unwrap().name = Some("theirs".to_owned());
    storage
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs tests/engines/moto"]
async fn moto_is_a_catalog_as_every_one() {
    let endpoint = std::env::var("RESTITCH_MOTO").expect("run by tests/engines/moto");
    let sdk = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .http_client(http_client())
        .endpoint_url(endpoint)
        .load()
        .await;
    check(&Moto(Client::new(&sdk))).await;
}

/// The SDK is built without one.
fn http_client() -> aws_smithy_runtime_api::client::http::SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_http()
}
