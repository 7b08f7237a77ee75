//! A metastore at an address, as the subject of the catalogs' suite, and what others do there: past our adapter, through
//! the client of the crate `hive_metastore` as it is.
#![allow(dead_code, reason = "each test binary that includes this uses a part of it")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use hive_metastore::{
    GetTableRequest, Order, Partition, StorageDescriptor, Table, ThriftHiveMetastoreClient,
    ThriftHiveMetastoreClientBuilder,
};
use pilota::{AHashMap, FastStr};
use restitch::catalog::Catalog;
use restitch::catalog::conformance::Subject;
use restitch::catalog::hive::Hive;
use volo_thrift::codec::default::DefaultMakeCodec;
use volo_thrift::{ClientError, MaybeException};

/// Somebody else at the metastore.
pub struct Metastore {
    pub address: SocketAddr,
    client: ThriftHiveMetastoreClient,
}

impl Metastore {
    pub fn at(address: SocketAddr) -> Metastore {
        let codec = DefaultMakeCodec::buffered();
        let client = ThriftHiveMetastoreClientBuilder::new("hive_metastore").make_codec(codec).address(address).build();
        Metastore { address, client }
    }

    pub fn open(&self, database: &str) -> Hive {
        Hive::new(self.address.ip().to_string(), self.address.port(), database)
    }

    /// A database's name that no other call gives, nor another run.
    pub fn place(&self) -> String {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        format!("d{nanoseconds}_{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    pub async fn table(&self, database: &str, table: &str) -> Table {
        let request = GetTableRequest { db_name: text(database), tbl_name: text(table), capabilities: None };
        done(self.client.get_table_req(request).await).table
    }

    pub async fn partition(&self, database: &str, table: &str, values: &[String]) -> Partition {
        let values = values.iter().map(|value| text(value)).collect();
        done(self.client.get_partition(text(database), text(table), values).await)
    }

    pub async fn edit_table(&self, database: &str, table: &str, change: impl FnOnce(&mut Table)) {
        let mut there = self.table(database, table).await;
        change(&mut there);
        done(self.client.alter_table(text(database), text(table), there).await);
    }

    pub async fn edit_partition(
        &self,
        database: &str,
        table: &str,
        values: &[String],
        change: impl FnOnce(&mut Partition),
    ) {
        let mut there = self.partition(database, table, values).await;
        change(&mut there);
        done(self.client.alter_partitions(text(database), text(table), vec![there]).await);
    }
}

#[async_trait]
impl Subject for Metastore {
    async fn database(&self) -> String {
        self.place()
    }

    async fn open(&self, database: &str, _page_size: usize) -> Arc<dyn Catalog> {
        Arc::new(Metastore::open(self, database))
    }

    async fn mark(&self, database: &str, table: &str, partition: Option<&[String]>) {
        match partition {
            None => {
                let mark = |table: &mut Table| {
                    table.owner = Some("analyst".into());
                    table.retention = Some(7);
                    mark_parameters(&mut table.parameters);
                    mark_sd(table.sd.as_mut().unwrap());
                };
                self.edit_table(database, table, mark).await;
            }
            Some(values) => {
                let mark = |partition: &mut Partition| {
                    mark_parameters(&mut partition.parameters);
                    mark_sd(partition.sd.as_mut().unwrap());
                };
                self.edit_partition(database, table, values, mark).await;
            }
        }
    }

    async fn marks(&self, database: &str, table: &str, partition: Option<&[String]>) -> BTreeMap<String, String> {
        match partition {
            None => {
                let table = self.table(database, table).await;
                let mut marks = marks_of(table.sd.unwrap(), table.parameters.unwrap());
                mark("owner", table.owner, &mut marks);
                mark("retention", table.retention, &mut marks);
                mark("view_original_text", table.view_original_text, &mut marks);
                mark("view_expanded_text", table.view_expanded_text, &mut marks);
                mark("table_type", table.table_type, &mut marks);
                mark("create_time", table.create_time, &mut marks);
                marks
            }
            Some(values) => {
                let partition = self.partition(database, table, values).await;
                let mut marks = marks_of(partition.sd.unwrap(), partition.parameters.unwrap());
                mark("create_time", partition.create_time, &mut marks);
                marks
            }
        }
    }
}

/// What the metastore sets of its own accord, and what the suite's definitions state.
const NOT_OTHERS: [&str; 4] = ["transient_lastDdlTime", "EXTERNAL", "restitch.table", "restitch.def"];

fn mark_parameters(parameters: &mut Option<AHashMap<FastStr, FastStr>>) {
    let parameters = parameters.get_or_insert_default();
    for (name, value) in [("numRows", "17"), ("classification", "csv"), ("crawler", "Crawls on Mondays")] {
        parameters.insert(name.into(), value.into());
    }
}

fn mark_sd(sd: &mut StorageDescriptor) {
    sd.compressed = Some(true);
    sd.sort_cols = Some(vec![Order { col: Some("id".into()), order: Some(1) }]);
    sd.stored_as_sub_directories = Some(true);
    sd.parameters.get_or_insert_default().insert("sorted by".into(), "hand".into());
    sd.serde_info.as_mut().unwrap().name = Some("theirs".into());
}

fn marks_of(sd: StorageDescriptor, parameters: AHashMap<FastStr, FastStr>) -> BTreeMap<String, String> {
    let mut marks = BTreeMap::new();
    for (name, value) in parameters.into_iter().filter(|(name, _)| !NOT_OTHERS.contains(&name.as_str())) {
        mark(&format!("parameters.{name}"), value, &mut marks);
    }
    for (name, value) in sd.parameters.into_iter().flatten() {
        mark(&format!("sd.parameters.{name}"), value, &mut marks);
    }
    mark("compressed", sd.compressed, &mut marks);
    mark("num_buckets", sd.num_buckets, &mut marks);
    mark("bucket_cols", sd.bucket_cols, &mut marks);
    mark("sort_cols", sd.sort_cols, &mut marks);
    mark("skewed_info", sd.skewed_info, &mut marks);
    mark("stored_as_sub_directories", sd.stored_as_sub_directories, &mut marks);
    mark("serde name", sd.serde_info.map(|serde| serde.name), &mut marks);
    marks
}

fn mark(name: &str, value: impl Debug, marks: &mut BTreeMap<String, String>) {
    marks.insert(name.to_owned(), format!("{value:?}"));
}

fn text(text: &str) -> FastStr {
    FastStr::new(text)
}

#[track_caller]
fn done<T, E: Debug>(answer: Result<MaybeException<T, E>, ClientError>) -> T {
    match answer.unwrap() {
        MaybeException::Ok(value) => value,
        MaybeException::Exception(exception) => panic!("{exception:?}"),
    }
}
