//! Between Thrift's tables and partitions and ours. Pure: no call is made here.
//!
//! What an entry has beside our fields stays in the Thrift value that was read, and goes back in it.

use std::collections::BTreeMap;

use hive_metastore::{FieldSchema, Partition, SerDeInfo, StorageDescriptor, Table};
use md5::{Digest, Md5};
use pilota::{AHashMap, FastStr};

use super::super::{EXTERNAL_TABLE, Version};
use crate::plan::catalog::{CatalogColumn, PartitionDefinition, Storage, TableDefinition};
use crate::plan::marker::hex;
use crate::value::PartitionValue;

type Parameters = Option<AHashMap<FastStr, FastStr>>;

/// The parameter that is a table's comment.
const COMMENT: &str = "comment";

const EXTERNAL: &str = "EXTERNAL";

pub(super) fn table_read(table: &Table) -> TableDefinition {
    let mut parameters = parameters_read(&table.parameters);
    let comment = parameters.remove(COMMENT);
    let sd = table.sd.clone().unwrap_or_default();
    TableDefinition {
        columns: columns_read(&sd.cols),
        partition_keys: columns_read(&table.partition_keys),
        storage: storage_read(&sd),
        comment,
        parameters,
    }
}

/// Makes `table` the definition, and leaves in it whatever a definition does not say.
pub(super) fn write_table(table: &mut Table, definition: &TableDefinition) {
    write_storage(table.sd.get_or_insert_with(fresh_sd), &definition.columns, &definition.storage);
    table.partition_keys = Some(columns(&definition.partition_keys));
    let comment = definition.comment.iter().map(|comment| (COMMENT.to_owned(), comment.clone()));
    table.parameters = parameters(definition.parameters.clone().into_iter().chain(comment));
    if definition.parameters.get(EXTERNAL).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        table.table_type = Some(EXTERNAL_TABLE.into());
    }
}

pub(super) fn buckets(table: &Table) -> u32 {
    table.sd.as_ref().and_then(|sd| sd.num_buckets?.try_into().ok()).unwrap_or(0)
}

/// What a table's state is known by: everything that was read but for the time of its last use, which readers set.
pub(super) fn version(table: &Table) -> Version {
    let mut rest = Table { last_access_time: None, ..table.clone() };
    let mut sd = rest.sd.take();
    // Maps come in any order.
    let mut sorted = vec![parameters_read(&rest.parameters.take())];
    let mut skew = BTreeMap::new();
    if let Some(sd) = &mut sd {
        sorted.push(parameters_read(&sd.parameters.take()));
        sorted.extend(sd.serde_info.as_mut().map(|serde| parameters_read(&serde.parameters.take())));
        let maps = sd.skewed_info.as_mut().and_then(|skewed| skewed.skewed_col_value_location_maps.take());
        skew.extend(maps.into_iter().flatten());
    }
    let digest = Md5::digest(format!("{rest:?}{sd:?}{sorted:?}{skew:?}"));
    Version(hex(&digest))
}

pub(super) fn partition_read(partition: &Partition) -> PartitionDefinition {
    let sd = partition.sd.clone().unwrap_or_default();
    PartitionDefinition {
        values: values_read(partition),
        columns: columns_read(&sd.cols),
        storage: storage_read(&sd),
        parameters: parameters_read(&partition.parameters),
    }
}

pub(super) fn values_read(partition: &Partition) -> Vec<String> {
    partition.values.iter().flatten().map(FastStr::to_string).collect()
}

/// As [`write_table`].
pub(super) fn write_partition(partition: &mut Partition, definition: &PartitionDefinition) {
    write_storage(partition.sd.get_or_insert_with(fresh_sd), &definition.columns, &definition.storage);
    partition.values = Some(definition.values.iter().map(FastStr::new).collect());
    partition.parameters = parameters(definition.parameters.clone());
}

/// What the metastore calls a partition: `region=a%3Db/year=7`.
pub(super) fn partition_name(keys: &[CatalogColumn], values: &[String]) -> FastStr {
    let parts = keys.iter().zip(values).map(|(key, value)| {
        format!("{}={}", crate::value::hive_escape(&key.name), PartitionValue::new(value).escaped())
    });
    parts.collect::<Vec<_>>().join("/").into()
}

/// Its location ends in `/`, which metastores drop, most of them.
fn storage_read(sd: &StorageDescriptor) -> Storage {
    let text = |text: &Option<FastStr>| text.as_deref().unwrap_or_default().to_owned();
    let mut location = text(&sd.location);
    if !location.is_empty() && !location.ends_with('/') {
        location.push('/');
    }
    let serde = sd.serde_info.clone().unwrap_or_default();
    Storage {
        location,
        input_format: text(&sd.input_format),
        output_format: text(&sd.output_format),
        serde: text(&serde.serialization_lib),
        serde_parameters: parameters_read(&serde.parameters),
    }
}

fn write_storage(sd: &mut StorageDescriptor, stated: &[CatalogColumn], storage: &Storage) {
    sd.cols = Some(columns(stated));
    sd.location = Some(FastStr::new(unslashed(&storage.location)));
    sd.input_format = Some(FastStr::new(&storage.input_format));
    sd.output_format = Some(FastStr::new(&storage.output_format));
    let serde = sd.serde_info.get_or_insert_with(SerDeInfo::default);
    serde.serialization_lib = Some(FastStr::new(&storage.serde));
    serde.parameters = parameters(storage.serde_parameters.clone());
    if sd.num_buckets.is_some_and(|count| count > 0) {
        (sd.num_buckets, sd.bucket_cols) = (Some(-1), Some(Vec::new()));
    }
}

/// Without the last `/`: some calls of a metastore drop it and some keep it. A bucket's own stays.
fn unslashed(location: &str) -> &str {
    match location.strip_suffix('/') {
        Some(rest) if rest.split_once("://").is_some_and(|(_, path)| path.contains('/')) => rest,
        _ => location,
    }
}

/// What the metastore's own clients say of a table that nobody buckets or sorts: it does not take nothing for empty.
fn fresh_sd() -> StorageDescriptor {
    StorageDescriptor {
        compressed: Some(false),
        num_buckets: Some(-1),
        bucket_cols: Some(Vec::new()),
        sort_cols: Some(Vec::new()),
        parameters: Some(AHashMap::default()),
        stored_as_sub_directories: Some(false),
        ..StorageDescriptor::default()
    }
}

fn columns_read(columns: &Option<Vec<FieldSchema>>) -> Vec<CatalogColumn> {
    let text = |text: &Option<FastStr>| text.as_deref().unwrap_or_default().to_owned();
    let column = |column: &FieldSchema| CatalogColumn {
        name: text(&column.name),
        hive_type: text(&column.r#type),
        comment: column.comment.as_ref().map(FastStr::to_string),
    };
    columns.iter().flatten().map(column).collect()
}

fn columns(columns: &[CatalogColumn]) -> Vec<FieldSchema> {
    let column = |column: &CatalogColumn| FieldSchema {
        name: Some(FastStr::new(&column.name)),
        r#type: Some(FastStr::new(&column.hive_type)),
        comment: column.comment.as_ref().map(FastStr::new),
    };
    columns.iter().map(column).collect()
}

fn parameters_read(parameters: &Parameters) -> BTreeMap<String, String> {
    parameters.iter().flatten().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn parameters(parameters: impl IntoIterator<Item = (String, String)>) -> Parameters {
    Some(parameters.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
}
