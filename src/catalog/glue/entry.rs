//! What our fields are in Glue's: read from its tables and partitions, and laid over what was read there. Pure.
//!
//! Whatever else Glue's input takes (owner, retention, the last access, sort order, skew, a schema's reference,
//! parameters of columns and of the storage) is written back as it was read.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_glue::types::{Column, Partition, PartitionInput, SerDeInfo, StorageDescriptor, Table, TableInput};
use md5::{Digest, Md5};

use crate::catalog::EXTERNAL_TABLE;
use crate::plan::catalog::{CatalogColumn, PartitionDefinition, Storage, TableDefinition};
use crate::plan::marker::hex;

pub(super) fn table(there: &Table) -> TableDefinition {
    let storage = there.storage_descriptor();
    TableDefinition {
        columns: columns(storage.map(StorageDescriptor::columns).unwrap_or_default()),
        partition_keys: columns(there.partition_keys()),
        storage: storage.map(self::storage).unwrap_or_default(),
        comment: said(there.description()),
        parameters: sorted(there.parameters()),
    }
}

pub(super) fn buckets(there: &Table) -> u32 {
    there.storage_descriptor().and_then(|storage| storage.number_of_buckets().try_into().ok()).unwrap_or(0)
}

pub(super) fn partition(there: Partition) -> PartitionDefinition {
    let storage = there.storage_descriptor();
    PartitionDefinition {
        columns: columns(storage.map(StorageDescriptor::columns).unwrap_or_default()),
        storage: storage.map(self::storage).unwrap_or_default(),
        parameters: sorted(there.parameters()),
        values: there.values.unwrap_or_default(),
    }
}

pub(super) fn new_table(name: &str, table: &TableDefinition) -> TableInput {
    let input = TableInput::builder()
        .name(name)
        .table_type(EXTERNAL_TABLE)
        .set_description(table.comment.clone())
        .set_partition_keys(Some(columns_over(&table.partition_keys, &[])))
        .storage_descriptor(storage_over(name, None, &table.storage, &table.columns))
        .set_parameters(Some(unsorted(&table.parameters)));
    input.build().expect("it has a name")
}

/// `None` where the table is more than its input can say: a view, or one that lives in another catalog.
pub(super) fn table_over(there: &Table, table: &TableDefinition, removed: &[String]) -> Option<TableInput> {
    let is_view = there.view_definition.is_some() || there.table_type() == Some("VIRTUAL_VIEW");
    if is_view || there.federated_table.is_some() || there.target_table.is_some() {
        return None;
    }
    let after = table.over(&self::table(there), removed);
    let input = TableInput::builder()
        .name(&there.name)
        .table_type(EXTERNAL_TABLE)
        .set_description(after.comment.or_else(|| there.description.clone()))
        .set_owner(there.owner.clone())
        .retention(there.retention)
        .set_last_access_time(there.last_access_time)
        .set_last_analyzed_time(there.last_analyzed_time)
        .set_view_original_text(there.view_original_text.clone())
        .set_view_expanded_text(there.view_expanded_text.clone())
        .set_partition_keys(Some(columns_over(&after.partition_keys, there.partition_keys())))
        .storage_descriptor(storage_over(&there.name, there.storage_descriptor(), &after.storage, &after.columns))
        .set_parameters(Some(unsorted(&after.parameters)));
    Some(input.build().expect("it has a name"))
}

pub(super) fn new_partition(table: &str, partition: &PartitionDefinition) -> PartitionInput {
    PartitionInput::builder()
        .set_values(Some(partition.values.clone()))
        .storage_descriptor(storage_over(table, None, &partition.storage, &partition.columns))
        .set_parameters(Some(unsorted(&partition.parameters)))
        .build()
}

pub(super) fn partition_over(table: &str, there: &Partition, partition: &PartitionDefinition) -> PartitionInput {
    let after = partition.over(&self::partition(there.clone()));
    PartitionInput::builder()
        .set_values(Some(after.values))
        .set_last_access_time(there.last_access_time)
        .set_last_analyzed_time(there.last_analyzed_time)
        .storage_descriptor(storage_over(table, there.storage_descriptor(), &after.storage, &after.columns))
        .set_parameters(Some(unsorted(&after.parameters)))
        .build()
}

/// Of everything that was read, but for the times that are not anybody's change.
pub(super) fn digest(table: &Table) -> String {
    let mut of = table.clone();
    of.last_access_time = None;
    // A map's order is another one at each reading.
    let parameters = [sorted(of.parameters.take().as_ref())];
    let inner = of.storage_descriptor.as_mut().map(|storage| {
        let serde = storage.serde_info.as_mut().and_then(|serde| serde.parameters.take());
        [sorted(storage.parameters.take().as_ref()), sorted(serde.as_ref())]
    });
    let said = format!("{of:?} {parameters:?} {inner:?}");
    hex(&Md5::digest(said))
}

fn storage(there: &StorageDescriptor) -> Storage {
    let serde = there.serde_info();
    let text = |text: Option<&str>| text.unwrap_or("").to_owned();
    Storage {
        location: text(there.location()),
        input_format: text(there.input_format()),
        output_format: text(there.output_format()),
        serde: text(serde.and_then(SerDeInfo::serialization_library)),
        serde_parameters: sorted(serde.and_then(SerDeInfo::parameters)),
    }
}

fn storage_over(
    table: &str,
    there: Option<&StorageDescriptor>,
    storage: &Storage,
    columns: &[CatalogColumn],
) -> StorageDescriptor {
    let mut after = there.cloned().unwrap_or_else(|| StorageDescriptor::builder().build());
    let serde = after.serde_info.take();
    // Athena fails on a serde without a name.
    let name = serde.and_then(|serde| serde.name).filter(|name| !name.is_empty()).unwrap_or_else(|| table.to_owned());
    let serde = SerDeInfo::builder()
        .name(name)
        .serialization_library(&storage.serde)
        .set_parameters(Some(unsorted(&storage.serde_parameters)));
    after.serde_info = Some(serde.build());
    after.columns = Some(columns_over(columns, after.columns.as_deref().unwrap_or_default()));
    after.location = Some(storage.location.clone());
    after.input_format = Some(storage.input_format.clone());
    after.output_format = Some(storage.output_format.clone());
    if after.number_of_buckets > 0 {
        (after.number_of_buckets, after.bucket_columns) = (0, None);
    }
    after
}

fn columns(there: &[Column]) -> Vec<CatalogColumn> {
    let column = |column: &Column| CatalogColumn {
        name: column.name.clone(),
        hive_type: column.r#type().unwrap_or("").to_owned(),
        comment: said(column.comment()),
    };
    there.iter().map(column).collect()
}

/// The columns, with the parameters of those of the same name.
fn columns_over(stated: &[CatalogColumn], there: &[Column]) -> Vec<Column> {
    let column = |column: &CatalogColumn| {
        let there = there.iter().find(|there| there.name == column.name);
        Column::builder()
            .name(&column.name)
            .r#type(&column.hive_type)
            .set_comment(column.comment.clone())
            .set_parameters(there.and_then(|there| there.parameters.clone()))
            .build()
            .expect("it has a name")
    };
    stated.iter().map(column).collect()
}

/// A comment of no characters is none.
fn said(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

fn sorted(map: Option<&HashMap<String, String>>) -> BTreeMap<String, String> {
    map.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn unsorted(map: &BTreeMap<String, String>) -> HashMap<String, String> {
    map.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}
