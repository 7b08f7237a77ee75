//! A catalog in memory: versions, batches of Glue's sizes, marks of others that must survive, and faults that a test sets.
//!
//! For tests and simulations, of this crate and of others. Never blocks, never touches a file or the network.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use super::{Catalog, EXTERNAL_TABLE, Entry, Version};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::catalog::{PartitionDefinition, TableDefinition};

/// Partitions of one call, as Glue takes them.
const READ_BATCH: usize = 1_000;
const WRITE_BATCH: usize = 100;
const DELETE_BATCH: usize = 25;

/// The mark that says another type of a table than [`EXTERNAL_TABLE`].
const TABLE_TYPE: &str = "table_type";

/// One database, there from the start; a clone is the same.
#[derive(Clone)]
pub struct Memory {
    state: Arc<Mutex<State>>,
}

struct State {
    database: bool,
    tables: BTreeMap<String, Table>,
    page_size: usize,
    script: Option<Box<Script>>,
    counts: HashMap<Operation, u64>,
}

struct Table {
    definition: TableDefinition,
    version: u64,
    marks: BTreeMap<String, String>,
    partitions: BTreeMap<Vec<String>, Partition>,
}

struct Partition {
    definition: PartitionDefinition,
    marks: BTreeMap<String, String>,
}

/// Decides which call fails, and how; it sees every call before it happens.
pub type Script = dyn FnMut(&Call<'_>) -> Option<Fault> + Send;

/// A call about to happen; of partitions, one a page or batch.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub operation: Operation,
    /// In lower case; empty where the database is meant.
    pub table: &'a str,
    /// The values of the batch's partitions.
    pub partitions: &'a [Vec<String>],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    DatabaseExists,
    CreateDatabase,
    Table,
    CreateTable,
    UpdateTable,
    Partitions,
    PartitionsOf,
    CreatePartitions,
    UpdatePartitions,
    DeletePartitions,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Refused for load to the last retry: nothing happens, `Throttled`.
    Throttled,
    /// Nothing happens, `Denied`.
    Denied,
    /// The request never arrives: nothing happens, `Unreachable`.
    LostRequest,
    /// It happens, the answer never arrives: `Unreachable`.
    LostAnswer,
    /// Nothing happens, `Conflict`.
    Conflict,
    /// It happens, the answer is lost, the client's own retry finds it done: `Conflict`.
    LandedConflict,
    /// Of a batch, the partition of that index fails alone.
    Item(usize, ErrorKind),
    /// The process dies before the call: nothing happens, and it never returns.
    KilledBefore,
    /// The process dies after the call: it happens, and it never returns.
    KilledAfter,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::new()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} tables)", self.state().tables.len())
    }
}

impl Memory {
    /// No table, and pages of 1,000 partitions.
    pub fn new() -> Memory {
        let state =
            State { database: true, tables: BTreeMap::new(), page_size: 1_000, script: None, counts: HashMap::new() };
        Memory { state: Arc::new(Mutex::new(state)) }
    }

    /// One whose database must be made first.
    pub fn without_database() -> Memory {
        let memory = Memory::new();
        memory.state().database = false;
        memory
    }

    /// Partitions a page, at least 1.
    pub fn set_page_size(&self, partitions: usize) {
        self.state().page_size = partitions.max(1);
    }

    /// Lets `script` decide about every call from here on.
    pub fn set_script(&self, script: impl FnMut(&Call<'_>) -> Option<Fault> + Send + 'static) {
        self.state().script = Some(Box::new(script));
    }

    pub fn clear_script(&self) {
        self.state().script = None;
    }

    /// Calls so far, faulty ones included; of batches as Glue counts them.
    pub fn count(&self, operation: Operation) -> u64 {
        self.state().counts.get(&operation).copied().unwrap_or(0)
    }

    /// Changes a table as somebody else would, past script and counts, under a new version.
    ///
    /// # Panics
    /// If there is no such table.
    pub fn edit(&self, table: &str, change: impl FnOnce(&mut TableDefinition)) {
        let mut state = self.state();
        let table = state.tables.get_mut(table).expect("a table of that name");
        change(&mut table.definition);
        table.version += 1;
    }

    /// Changes the partitions of a table as somebody else would, past script and counts.
    ///
    /// # Panics
    /// If there is no such table.
    pub fn edit_partitions(&self, table: &str, change: impl FnOnce(&mut Vec<PartitionDefinition>)) {
        let mut state = self.state();
        let table = state.tables.get_mut(table).expect("a table of that name");
        let mut definitions = table.partitions.values().map(|partition| partition.definition.clone()).collect();
        change(&mut definitions);
        let mut marks: HashMap<_, _> =
            std::mem::take(&mut table.partitions).into_iter().map(|(values, there)| (values, there.marks)).collect();
        let partitions = definitions.into_iter().map(|definition| {
            let values = definition.values.clone();
            let marks = marks.remove(&values).unwrap_or_default();
            (values, Partition { definition, marks })
        });
        table.partitions = partitions.collect();
    }

    /// Sets what the port has no type for (an owner, a crawler's note), past script and counts: on a table, or on the
    /// partition with these values. A table's `table_type` is what it says of itself.
    ///
    /// # Panics
    /// If there is no such table or partition.
    pub fn mark(&self, table: &str, partition: Option<&[String]>, name: &str, value: &str) {
        let mut state = self.state();
        state.marks(table, partition).insert(name.to_owned(), value.to_owned());
    }

    /// What [`Memory::mark`] set.
    ///
    /// # Panics
    /// If there is no such table or partition.
    pub fn marks(&self, table: &str, partition: Option<&[String]>) -> BTreeMap<String, String> {
        self.state().marks(table, partition).clone()
    }

    /// Everything there is, by name, with partitions in the order of their values; past script and counts.
    pub fn snapshot(&self) -> BTreeMap<String, (TableDefinition, Vec<PartitionDefinition>)> {
        let state = self.state();
        let tables = state.tables.iter().map(|(name, table)| {
            let partitions = table.partitions.values().map(|partition| partition.definition.clone()).collect();
            (name.clone(), (table.definition.clone(), partitions))
        });
        tables.collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Lets the script speak, does `work` where the fault (if any) lets it happen, and gives what the caller sees.
    async fn call<T>(&self, call: Call<'_>, work: impl FnOnce(&mut State, Skipped) -> Result<T>) -> Result<T> {
        let seen = {
            let mut state = self.state();
            *state.counts.entry(call.operation).or_default() += 1;
            let fault = state.script.as_mut().and_then(|script| script(&call));
            match fault {
                None => Some(work(&mut state, None)),
                Some(Fault::Item(index, kind)) => Some(work(&mut state, Some((index, kind)))),
                Some(fault) => fault.strike(|| work(&mut state, None), call),
            }
        };
        match seen {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    /// Does `work` to every partition of a batch, batch after batch; gives those that could not be.
    async fn batches<T>(
        &self,
        operation: Operation,
        name: &str,
        (items, batch): (&[T], usize),
        values: impl Fn(&T) -> &Vec<String>,
        mut work: impl FnMut(&mut Table, &T) -> Result<()>,
    ) -> Result<Vec<(usize, Error)>> {
        let name = name.to_lowercase();
        let mut failed = Vec::new();
        for (number, items) in items.chunks(batch).enumerate() {
            let partitions: Vec<Vec<String>> = items.iter().map(|item| values(item).clone()).collect();
            let call = Call { operation, table: &name, partitions: &partitions };
            let refused = self.call(call, |state, skipped| {
                let table = state.table(&name)?;
                let outcomes = items.iter().enumerate().map(|(index, item)| match skipped {
                    Some((at, kind)) if at == index => Err(of_partition(kind, &name, values(item), "not done")),
                    _ => work(table, item),
                });
                let failed = outcomes.enumerate().filter_map(|(index, outcome)| Some((index, outcome.err()?)));
                Ok(failed.collect::<Vec<_>>())
            });
            failed.extend(refused.await?.into_iter().map(|(index, error)| (number * batch + index, error)));
        }
        Ok(failed)
    }
}

/// The partition of a batch that is to fail alone.
type Skipped = Option<(usize, ErrorKind)>;

impl Fault {
    /// What the caller sees, or `None` if it does not live to see it.
    fn strike<T>(self, work: impl FnOnce() -> Result<T>, call: Call<'_>) -> Option<Result<T>> {
        let lands = matches!(self, Fault::LostAnswer | Fault::LandedConflict | Fault::KilledAfter);
        if lands && let Err(error) = work() {
            return Some(Err(error));
        }
        let (kind, what) = match self {
            Fault::KilledBefore | Fault::KilledAfter => return None,
            Fault::Throttled => (ErrorKind::Throttled, "slow down"),
            Fault::Denied => (ErrorKind::Denied, "access denied"),
            Fault::LostRequest | Fault::LostAnswer => (ErrorKind::Unreachable, "no answer"),
            Fault::Conflict | Fault::LandedConflict => (ErrorKind::Conflict, "changed meanwhile"),
            Fault::Item(_, kind) => (kind, "not done"),
        };
        Some(Err(Error::new(kind, format!("{:?} of `{}`: {what}", call.operation, call.table))))
    }
}

impl State {
    fn table(&mut self, name: &str) -> Result<&mut Table> {
        self.tables.get_mut(name).ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no table `{name}`")))
    }

    fn marks(&mut self, table: &str, partition: Option<&[String]>) -> &mut BTreeMap<String, String> {
        let table = self.tables.get_mut(table).expect("a table of that name");
        match partition {
            None => &mut table.marks,
            Some(values) => &mut table.partitions.get_mut(values).expect("a partition with these values").marks,
        }
    }
}

fn of_partition(kind: ErrorKind, table: &str, values: &[String], what: &str) -> Error {
    Error::new(kind, format!("partition {values:?} of `{table}`: {what}"))
}

#[async_trait]
impl Catalog for Memory {
    fn shown(&self) -> String {
        "a database in memory".to_owned()
    }

    async fn database_exists(&self) -> Result<bool> {
        let call = Call { operation: Operation::DatabaseExists, table: "", partitions: &[] };
        self.call(call, |state, _| Ok(state.database)).await
    }

    async fn create_database(&self) -> Result<()> {
        let call = Call { operation: Operation::CreateDatabase, table: "", partitions: &[] };
        self.call(call, |state, _| {
            state.database = true;
            Ok(())
        })
        .await
    }

    async fn table(&self, name: &str) -> Result<Option<Entry>> {
        let name = name.to_lowercase();
        let call = Call { operation: Operation::Table, table: &name, partitions: &[] };
        self.call(call, |state, _| {
            let entry = |table: &Table| Entry {
                table: table.definition.clone(),
                version: Version(table.version.to_string()),
                table_type: Some(table.marks.get(TABLE_TYPE).map_or(EXTERNAL_TABLE, String::as_str).to_owned()),
                buckets: 0,
            };
            Ok(state.tables.get(&name).map(entry))
        })
        .await
    }

    async fn create_table(&self, name: &str, table: &TableDefinition) -> Result<()> {
        let name = name.to_lowercase();
        let call = Call { operation: Operation::CreateTable, table: &name, partitions: &[] };
        self.call(call, |state, _| {
            if !state.database {
                return Err(Error::new(ErrorKind::NotFound, "there is no database"));
            }
            if state.tables.contains_key(&name) {
                return Err(Error::new(ErrorKind::Conflict, format!("a table `{name}` is there already")));
            }
            let (marks, partitions) = (BTreeMap::new(), BTreeMap::new());
            state.tables.insert(name.clone(), Table { definition: table.clone(), version: 0, marks, partitions });
            Ok(())
        })
        .await
    }

    async fn update_table(
        &self,
        name: &str,
        version: &Version,
        table: &TableDefinition,
        removed: &[String],
    ) -> Result<()> {
        let name = name.to_lowercase();
        let call = Call { operation: Operation::UpdateTable, table: &name, partitions: &[] };
        self.call(call, |state, _| {
            let there = state.tables.get_mut(&name).filter(|there| there.version.to_string() == version.0);
            let there = there
                .ok_or_else(|| Error::new(ErrorKind::Conflict, format!("table `{name}` was changed meanwhile")))?;
            there.definition = table.over(&there.definition, removed);
            there.version += 1;
            Ok(())
        })
        .await
    }

    fn partitions<'a>(&'a self, name: &str) -> BoxStream<'a, Result<Vec<PartitionDefinition>>> {
        let start = Some((name.to_lowercase(), None));
        let next = move |cursor: Option<(String, Option<Vec<String>>)>| async move {
            let (name, last) = cursor?;
            let call = Call { operation: Operation::Partitions, table: &name, partitions: &[] };
            let page = self.call(call, |state, _| {
                let page_size = state.page_size;
                let after = last.map_or(Bound::Unbounded, Bound::Excluded);
                let mut rest = state.table(&name)?.partitions.range((after, Bound::Unbounded));
                let page: Vec<_> = rest.by_ref().take(page_size).map(|(_, there)| there.definition.clone()).collect();
                Ok((page, rest.next().is_some()))
            });
            match page.await {
                Err(error) => Some((Err(error), None)),
                Ok((page, more)) => {
                    let last = page.last().map(|partition| partition.values.clone());
                    Some((Ok(page), more.then_some((name, last))))
                }
            }
        };
        stream::unfold(start, next).boxed()
    }

    async fn partitions_of(&self, name: &str, values: &[Vec<String>]) -> Result<Vec<PartitionDefinition>> {
        let mut found = Vec::new();
        let look = |table: &mut Table, values: &Vec<String>| {
            found.extend(table.partitions.get(values).map(|there| there.definition.clone()));
            Ok(())
        };
        self.batches(Operation::PartitionsOf, name, (values, READ_BATCH), |values| values, look).await?;
        Ok(found)
    }

    async fn create_partitions(&self, name: &str, partitions: &[PartitionDefinition]) -> Result<Vec<(usize, Error)>> {
        let create = |table: &mut Table, partition: &PartitionDefinition| {
            let values = &partition.values;
            if values.len() != table.definition.partition_keys.len() {
                return Err(of_partition(ErrorKind::Usage, name, values, "not one value for each key"));
            }
            if table.partitions.contains_key(values) {
                return Err(of_partition(ErrorKind::Conflict, name, values, "is there already"));
            }
            let there = Partition { definition: partition.clone(), marks: BTreeMap::new() };
            table.partitions.insert(values.clone(), there);
            Ok(())
        };
        let items = (partitions, WRITE_BATCH);
        self.batches(Operation::CreatePartitions, name, items, |partition| &partition.values, create).await
    }

    async fn update_partitions(&self, name: &str, partitions: &[PartitionDefinition]) -> Result<Vec<(usize, Error)>> {
        let update = |table: &mut Table, partition: &PartitionDefinition| {
            let there = table.partitions.get_mut(&partition.values);
            let there =
                there.ok_or_else(|| of_partition(ErrorKind::NotFound, name, &partition.values, "is not there"))?;
            there.definition = partition.over(&there.definition);
            Ok(())
        };
        let items = (partitions, WRITE_BATCH);
        self.batches(Operation::UpdatePartitions, name, items, |partition| &partition.values, update).await
    }

    async fn delete_partitions(&self, name: &str, values: &[Vec<String>]) -> Result<Vec<(usize, Error)>> {
        let delete = |table: &mut Table, values: &Vec<String>| {
            table.partitions.remove(values);
            Ok(())
        };
        self.batches(Operation::DeletePartitions, name, (values, DELETE_BATCH), |values| values, delete).await
    }

    fn requests(&self) -> u64 {
        self.state().counts.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::catalog::CatalogColumn;

    fn table() -> TableDefinition {
        let key = CatalogColumn { name: "p".to_owned(), hive_type: "string".to_owned(), comment: None };
        TableDefinition { partition_keys: vec![key], ..TableDefinition::default() }
    }

    fn partitions(count: usize) -> Vec<PartitionDefinition> {
        let partition =
            |n: usize| PartitionDefinition { values: vec![n.to_string()], ..PartitionDefinition::default() };
        (0..count).map(partition).collect()
    }

    async fn with_table() -> Memory {
        let memory = Memory::new();
        memory.create_table("t", &table()).await.unwrap();
        memory
    }

    #[tokio::test]
    async fn batches_are_counted_as_glue_counts_them() {
        let memory = with_table().await;
        let (all, values) = (partitions(101), partitions(1_001).into_iter().map(|p| p.values).collect::<Vec<_>>());
        memory.create_partitions("t", &all).await.unwrap();
        memory.update_partitions("t", &all).await.unwrap();
        memory.partitions_of("t", &values).await.unwrap();
        memory.delete_partitions("t", &values[..26]).await.unwrap();
        for operation in [
            Operation::CreatePartitions,
            Operation::UpdatePartitions,
            Operation::PartitionsOf,
            Operation::DeletePartitions,
        ] {
            assert_eq!(memory.count(operation), 2, "{operation:?}");
        }
        assert_eq!(memory.requests(), 9);
    }

    #[tokio::test]
    async fn faults_strike_before_or_after_the_change() {
        for (fault, kind, lands) in [
            (Fault::Throttled, ErrorKind::Throttled, false),
            (Fault::Denied, ErrorKind::Denied, false),
            (Fault::LostRequest, ErrorKind::Unreachable, false),
            (Fault::LostAnswer, ErrorKind::Unreachable, true),
            (Fault::Conflict, ErrorKind::Conflict, false),
            (Fault::LandedConflict, ErrorKind::Conflict, true),
        ] {
            let memory = Memory::new();
            memory.set_script(move |call| (call.operation == Operation::CreateTable).then_some(fault));
            let error = memory.create_table("t", &table()).await.unwrap_err();
            assert_eq!((error.kind(), memory.snapshot().len() == 1), (kind, lands), "{fault:?}");
        }
        let memory = Memory::new();
        memory.set_script(|_| Some(Fault::KilledAfter));
        let definition = table();
        let call = memory.create_table("t", &definition);
        assert!(tokio::time::timeout(Duration::from_millis(5), call).await.is_err());
        assert!(memory.snapshot().contains_key("t"));
    }

    #[tokio::test]
    async fn one_partition_of_a_batch_fails() {
        let memory = with_table().await;
        let mut batches = 0;
        memory.set_script(move |call| {
            batches += 1;
            (call.partitions.len() == 50 && batches == 2).then_some(Fault::Item(7, ErrorKind::Denied))
        });
        let failed = memory.create_partitions("t", &partitions(150)).await.unwrap();
        let failed: Vec<(usize, ErrorKind)> = failed.iter().map(|(index, error)| (*index, error.kind())).collect();
        assert_eq!(failed, [(107, ErrorKind::Denied)]);
        assert_eq!(memory.snapshot()["t"].1.len(), 149);
    }

    #[tokio::test]
    async fn what_somebody_else_edits_has_a_new_version() {
        let memory = with_table().await;
        let before = memory.table("t").await.unwrap().unwrap();
        memory.edit("t", |table| table.comment = Some("theirs".to_owned()));
        memory.edit_partitions("t", |all| all.extend(partitions(1)));
        let after = memory.table("t").await.unwrap().unwrap();
        assert!(before.version != after.version && after.table.comment.as_deref() == Some("theirs"));
        assert_eq!(memory.snapshot()["t"].1, partitions(1));
    }
}
