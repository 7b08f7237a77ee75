//! A database of a Hive metastore, over Thrift, through the crate `hive_metastore`.
//!
//! A metastore has no versions: a table is read again right before it is altered, and what a version says is compared
//! then. Newer servers (Hive 4) also refuse an alteration if the table's last one was not the one that we saw. Files are
//! never the metastore's business: whatever is dropped here is dropped with `deleteData = false`.

mod client;
mod entry;
mod types;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use hive_metastore::{
    AddPartitionsRequest, DDL_TIME, Database, DropPartitionsRequest, EXPECTED_PARAMETER_KEY, EXPECTED_PARAMETER_VALUE,
    EnvironmentContext, GetTableRequest, Partition, RequestPartsSpec, Table,
};
use pilota::FastStr;

use self::client::{Call, Client};
use super::{Catalog, Entry, Version};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::brakes::counted;
use crate::plan::catalog::{CatalogColumn, FieldChange, PartitionDefinition, TableDefinition};
use crate::uri::Shown;

/// Partitions of one call. A metastore writes a thousand in seconds, or in minutes when it is busy.
const BATCH: usize = 500;

/// More refusals of single partitions than this are not about the partitions.
const MAX_REFUSED: usize = 20;

/// A metastore that is told so lists no files to count them.
const NO_STATISTICS: (&str, &str) = ("DO_NOT_UPDATE_STATS", "true");

/// How Hive 4 begins to say that the table was altered meanwhile.
const MODIFIED: &str = "The table has been modified";

/// How a metastore says that a column may not become of another type.
const INCOMPATIBLE: &str = "have types incompatible with the existing columns";

/// The metastore's setting for that.
const DISALLOWS: &str = "metastore.disallow.incompatible.col.type.changes";

/// Partitions that were not done, by their index, with why.
type Failed = Vec<(usize, Error)>;

/// A partition and its index.
type Numbered<'a> = (usize, &'a PartitionDefinition);

/// One database of one metastore.
pub struct Hive {
    client: Client,
    database: String,
    has_get_table: AtomicBool,
}

impl fmt::Debug for Hive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Hive {
    /// Connects when it is first used.
    pub fn new(host: impl Into<String>, port: u16, database: &str) -> Hive {
        let client = Client::new(host.into(), port);
        Hive { client, database: database.to_lowercase(), has_get_table: AtomicBool::new(true) }
    }

    /// How long the metastore is waited for: 2 minutes for what it reads and 15 for what it writes, unless said.
    #[must_use]
    pub fn limits(mut self, read: Duration, write: Duration) -> Hive {
        self.client.set_limits(read, write);
        self
    }

    /// `` `sales.taxes` ``
    fn of(&self, name: &str) -> String {
        format!("`{}.{}`", Shown(&self.database), Shown(name))
    }

    async fn read(&self, name: &str) -> Result<Option<Table>> {
        let got = match self.has_get_table.load(Ordering::Relaxed) {
            true => match self.get_table(name).await {
                Err(error) if client::is_unknown_method(&error) => {
                    self.has_get_table.store(false, Ordering::Relaxed);
                    self.get_table_req(name).await
                }
                other => other,
            },
            false => self.get_table_req(name).await,
        };
        match got {
            Ok(table) => Ok(Some(table)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What every server before Hive 4 has.
    async fn get_table(&self, name: &str) -> Result<Table> {
        let what = format!("read table {}", self.of(name));
        let (database, table) = (FastStr::new(&self.database), FastStr::new(name));
        let call = self.client.call(Call::Read, &what, |client| {
            let (database, table) = (database.clone(), table.clone());
            async move { client.get_table(database, table).await }
        });
        call.await
    }

    /// What servers since Hive 3 have.
    async fn get_table_req(&self, name: &str) -> Result<Table> {
        let what = format!("read table {}", self.of(name));
        let (database, table) = (FastStr::new(&self.database), FastStr::new(name));
        let request = GetTableRequest { db_name: database, tbl_name: table, capabilities: None };
        let call = self.client.call(Call::Read, &what, |client| {
            let request = request.clone();
            async move { client.get_table_req(request).await }
        });
        Ok(call.await?.table)
    }

    async fn keys(&self, name: &str) -> Result<Vec<CatalogColumn>> {
        let table = self.read(name).await?;
        let table =
            table.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no table {}", self.of(name))))?;
        Ok(entry::table_read(&table).partition_keys)
    }

    /// At most a batch of names.
    async fn by_names(&self, name: &str, names: Vec<FastStr>) -> Result<Vec<Partition>> {
        let what = format!("read {} partitions of {}", names.len(), self.of(name));
        let (database, table) = (FastStr::new(&self.database), FastStr::new(name));
        let call = self.client.call(Call::Read, &what, |client| {
            let (database, table, names) = (database.clone(), table.clone(), names.clone());
            async move { client.get_partitions_by_names(database, table, names).await }
        });
        call.await
    }

    /// Gives those that are there already.
    async fn add(&self, name: &str, batch: &[Numbered<'_>]) -> Result<Failed> {
        let what = format!("add {} to {}", counted(batch.len() as u64, "partition"), self.of(name));
        let fresh = |&(_, definition): &Numbered<'_>| {
            let mut partition = Partition {
                db_name: Some(FastStr::new(&self.database)),
                table_name: Some(FastStr::new(name)),
                ..Partition::default()
            };
            entry::write_partition(&mut partition, definition);
            partition
        };
        let request = AddPartitionsRequest {
            db_name: FastStr::new(&self.database),
            tbl_name: FastStr::new(name),
            parts: batch.iter().map(fresh).collect(),
            if_not_exists: true,
            need_result: Some(true),
            cat_name: None,
        };
        let call = self.client.call(Call::Write, &what, |client| {
            let request = request.clone();
            async move { client.add_partitions_req(request).await }
        });
        let added: HashSet<_> = call.await?.partitions.iter().flatten().map(entry::values_read).collect();
        let there = batch.iter().filter(|(_, definition)| !added.contains(&definition.values));
        Ok(there.map(|&(index, definition)| (index, self.is_there(name, &definition.values))).collect())
    }

    /// Gives those that are not there.
    async fn alter(&self, name: &str, keys: &[CatalogColumn], batch: &[Numbered<'_>]) -> Result<Failed> {
        let names = batch.iter().map(|(_, definition)| entry::partition_name(keys, &definition.values)).collect();
        let there = self.by_names(name, names).await?;
        let mut there: HashMap<_, _> =
            there.into_iter().map(|partition| (entry::values_read(&partition), partition)).collect();
        let (mut altered, mut missing) = (Vec::new(), Vec::new());
        for &(index, definition) in batch {
            let Some(mut partition) = there.remove(&definition.values) else {
                missing.push((index, self.of_partition(ErrorKind::NotFound, name, &definition.values, "is not there")));
                continue;
            };
            let whole = definition.over(&entry::partition_read(&partition));
            entry::write_partition(&mut partition, &whole);
            altered.push(partition);
        }
        if altered.is_empty() {
            return Ok(missing);
        }
        let what = format!("alter {} of {}", counted(altered.len() as u64, "partition"), self.of(name));
        let call = self.client.call(Call::Write, &what, |client| {
            let (database, table) = (FastStr::new(&self.database), FastStr::new(name));
            let (altered, context) = (altered.clone(), context([NO_STATISTICS]));
            async move { client.alter_partitions_with_environment_context(database, table, altered, context).await }
        });
        call.await?;
        Ok(missing)
    }

    async fn drop(&self, name: &str, keys: &[CatalogColumn], batch: &[(usize, &Vec<String>)]) -> Result<()> {
        let what = format!("drop {} of {}", counted(batch.len() as u64, "partition"), self.of(name));
        let names = batch.iter().map(|(_, values)| entry::partition_name(keys, values)).collect();
        let request = DropPartitionsRequest {
            db_name: FastStr::new(&self.database),
            tbl_name: FastStr::new(name),
            parts: RequestPartsSpec::Names(names),
            delete_data: Some(false),
            if_exists: Some(true),
            need_result: Some(false),
            ..DropPartitionsRequest::default()
        };
        let call = self.client.call(Call::Write, &what, |client| {
            let request = request.clone();
            async move { client.drop_partitions_req(request).await }
        });
        call.await.map(|_| ())
    }

    fn of_partition(&self, kind: ErrorKind, name: &str, values: &[String], what: &str) -> Error {
        let values: Vec<String> = values.iter().map(|value| Shown(value).to_string()).collect();
        Error::new(kind, format!("partition `{}` of {} {what}", values.join("/"), self.of(name)))
    }

    fn is_there(&self, name: &str, values: &[String]) -> Error {
        self.of_partition(ErrorKind::Conflict, name, values, "is there already")
    }

    /// What does not have one value for each key, or comes a second time, is refused here: the metastore would refuse its
    /// whole batch.
    fn checked<'a>(
        &self,
        name: &str,
        keys: &[CatalogColumn],
        partitions: &'a [PartitionDefinition],
    ) -> (Vec<Numbered<'a>>, Failed) {
        let (mut seen, mut fine, mut refused) = (HashSet::new(), Vec::new(), Vec::new());
        for (index, partition) in partitions.iter().enumerate() {
            let values = &partition.values;
            if values.len() != keys.len() {
                let what = format!("does not have one value for each of {} keys", keys.len());
                refused.push((index, self.of_partition(ErrorKind::Usage, name, values, &what)));
            } else if !seen.insert(values) {
                refused.push((index, self.is_there(name, values)));
            } else {
                fine.push((index, partition));
            }
        }
        (fine, refused)
    }
}

#[async_trait]
impl Catalog for Hive {
    /// A metastore refuses it.
    fn changes_partition_keys(&self) -> bool {
        false
    }

    /// A metastore compares the columns place by place.
    async fn refused_types(&self, there: &[CatalogColumn], stated: &[CatalogColumn]) -> Result<Vec<FieldChange>> {
        let pairs = there.iter().zip(stated);
        let refused: Vec<FieldChange> = pairs.filter_map(|(old, new)| types::refused(old, new)).collect();
        if refused.is_empty() {
            return Ok(refused);
        }
        let what = format!("read the setting {DISALLOWS}");
        let call = self.client.call(Call::Read, &what, |client| async move {
            client.get_config_value(FastStr::from_static_str(DISALLOWS), FastStr::from_static_str("true")).await
        });
        match call.await {
            Ok(set) if set.eq_ignore_ascii_case("false") => Ok(Vec::new()),
            Ok(_) => Ok(refused),
            // One that does not tell is asked by the update itself.
            Err(error) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Denied) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn shown(&self) -> String {
        format!("Hive database {} at {}", Shown(&self.database), self.client.address())
    }

    async fn database_exists(&self) -> Result<bool> {
        let what = format!("read database `{}`", Shown(&self.database));
        let database = FastStr::new(&self.database);
        let call = self.client.call(Call::Read, &what, |client| {
            let database = database.clone();
            async move { client.get_database(database).await }
        });
        match call.await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn create_database(&self) -> Result<()> {
        let what = format!("create database `{}`", Shown(&self.database));
        let database = Database { name: Some(FastStr::new(&self.database)), ..Database::default() };
        let call = self.client.call(Call::Write, &what, |client| {
            let database = database.clone();
            async move { client.create_database(database).await }
        });
        match call.await {
            Err(error) if error.kind() != ErrorKind::Conflict => Err(error),
            _ => Ok(()),
        }
    }

    async fn table(&self, name: &str) -> Result<Option<Entry>> {
        let table = self.read(&name.to_lowercase()).await?;
        Ok(table.map(|table| Entry {
            table: entry::table_read(&table),
            version: entry::version(&table),
            table_type: table.table_type.as_ref().map(FastStr::to_string),
            buckets: entry::buckets(&table),
        }))
    }

    async fn create_table(&self, name: &str, table: &TableDefinition) -> Result<()> {
        let name = name.to_lowercase();
        let what = format!("create table {}", self.of(&name));
        let mut fresh = Table {
            table_name: Some(FastStr::new(&name)),
            db_name: Some(FastStr::new(&self.database)),
            owner: user().map(FastStr::from_string),
            ..Table::default()
        };
        entry::write_table(&mut fresh, table);
        let call = self.client.call(Call::Write, &what, |client| {
            let (fresh, context) = (fresh.clone(), context([NO_STATISTICS]));
            async move { client.create_table_with_environment_context(fresh, context).await }
        });
        match call.await {
            // Hive 3 says so by an invalid object whose message is the database's name.
            Err(error) if error.kind() == ErrorKind::Usage && !self.database_exists().await? => {
                let message = format!("could not {what}: there is no {}", self.shown());
                Err(Error::new(ErrorKind::NotFound, message).source(error))
            }
            outcome => outcome,
        }
    }

    async fn update_table(
        &self,
        name: &str,
        version: &Version,
        table: &TableDefinition,
        removed: &[String],
    ) -> Result<()> {
        let name = name.to_lowercase();
        let changed = |what: &str| Err(Error::new(ErrorKind::Conflict, format!("table {} {what}", self.of(&name))));
        let Some(mut there) = self.read(&name).await? else { return changed("is not there any more") };
        if entry::version(&there) != *version {
            return changed("was changed meanwhile");
        }
        let mut whole = table.over(&entry::table_read(&there), removed);
        let seen = whole.parameters.get(DDL_TIME).cloned();
        whole.parameters.insert(DDL_TIME.to_owned(), later_than(seen.as_deref()).to_string());
        entry::write_table(&mut there, &whole);
        let what = format!("alter table {}", self.of(&name));
        let call = self.client.call(Call::Write, &what, |client| {
            let expected = seen
                .iter()
                .flat_map(|seen| [(EXPECTED_PARAMETER_KEY, DDL_TIME), (EXPECTED_PARAMETER_VALUE, seen.as_str())]);
            let context = context(expected.chain([NO_STATISTICS]));
            let (database, table, there) = (FastStr::new(&self.database), FastStr::new(&name), there.clone());
            async move { client.alter_table_with_environment_context(database, table, there, context).await }
        });
        match call.await {
            Err(error) if error.message().contains(MODIFIED) => changed("was changed meanwhile"),
            Err(error) if error.message().contains(INCOMPATIBLE) => Err(error.help(format!(
                "drop the table there and apply again, or have the metastore run with {DISALLOWS}=false"
            ))),
            outcome => outcome,
        }
    }

    fn partitions<'a>(&'a self, name: &str) -> BoxStream<'a, Result<Vec<PartitionDefinition>>> {
        let name = name.to_lowercase();
        let pages = async move {
            let what = format!("name the partitions of {}", self.of(&name));
            let (database, table) = (FastStr::new(&self.database), FastStr::new(&name));
            // Of a table that is not there, some servers name none.
            self.keys(&name).await?;
            let names = self.client.call(Call::Read, &what, |client| {
                let (database, table) = (database.clone(), table.clone());
                async move { client.get_partition_names(database, table, -1).await }
            });
            let batches: Vec<Vec<FastStr>> = names.await?.chunks(BATCH).map(<[FastStr]>::to_vec).collect();
            let pages = stream::iter(batches).then(move |names| {
                let name = name.clone();
                async move {
                    let partitions = self.by_names(&name, names).await?;
                    Ok(partitions.iter().map(entry::partition_read).collect())
                }
            });
            Ok::<_, Error>(pages)
        };
        stream::once(pages).try_flatten().boxed()
    }

    async fn partitions_of(&self, name: &str, values: &[Vec<String>]) -> Result<Vec<PartitionDefinition>> {
        let name = name.to_lowercase();
        let keys = self.keys(&name).await?;
        let mut found = Vec::new();
        for batch in values.chunks(BATCH) {
            let names = batch.iter().map(|values| entry::partition_name(&keys, values)).collect();
            found.extend(self.by_names(&name, names).await?.iter().map(entry::partition_read));
        }
        Ok(found)
    }

    async fn create_partitions(&self, name: &str, partitions: &[PartitionDefinition]) -> Result<Failed> {
        let name = name.to_lowercase();
        let keys = self.keys(&name).await?;
        let (fine, mut failed) = self.checked(&name, &keys, partitions);
        failed.extend(in_batches(&fine, |batch| self.add(&name, batch)).await?);
        Ok(failed)
    }

    async fn update_partitions(&self, name: &str, partitions: &[PartitionDefinition]) -> Result<Failed> {
        let name = name.to_lowercase();
        let keys = self.keys(&name).await?;
        let all: Vec<_> = partitions.iter().enumerate().collect();
        in_batches(&all, |batch| self.alter(&name, &keys, batch)).await
    }

    async fn delete_partitions(&self, name: &str, values: &[Vec<String>]) -> Result<Failed> {
        let name = name.to_lowercase();
        let keys = self.keys(&name).await?;
        let all: Vec<_> = values.iter().enumerate().collect();
        in_batches(&all, |batch| async { self.drop(&name, &keys, batch).await.map(|()| Vec::new()) }).await
    }

    fn requests(&self) -> u64 {
        self.client.requests()
    }
}

/// Sends partitions batch by batch. A metastore takes a batch or refuses it whole: one that it refuses is halved until it
/// is known for which partitions.
async fn in_batches<'a, T, F>(items: &'a [(usize, T)], send: impl Fn(&'a [(usize, T)]) -> F) -> Result<Failed>
where
    F: Future<Output = Result<Failed>>,
{
    let mut pending: Vec<&[(usize, T)]> = items.chunks(BATCH).rev().collect();
    let (mut failed, mut refused) = (Vec::new(), 0);
    while let Some(batch) = pending.pop() {
        let error = match send(batch).await {
            Ok(of_batch) => {
                failed.extend(of_batch);
                continue;
            }
            Err(error) => error,
        };
        let is_of_some = matches!(error.kind(), ErrorKind::Usage | ErrorKind::Unsupported | ErrorKind::Conflict);
        if !is_of_some || client::is_unknown_method(&error) || refused == MAX_REFUSED {
            return Err(error);
        }
        match batch {
            [(index, _)] => {
                refused += 1;
                failed.push((*index, error));
            }
            _ => {
                let (first, second) = batch.split_at(batch.len() / 2);
                pending.extend([second, first]);
            }
        }
    }
    Ok(failed)
}

fn context<'a>(properties: impl IntoIterator<Item = (&'a str, &'a str)>) -> EnvironmentContext {
    let properties = properties.into_iter().map(|(name, value)| (FastStr::new(name), FastStr::new(value)));
    EnvironmentContext { properties: Some(properties.collect()) }
}

/// Now, in seconds, and in any case later than `seen`: two alterations never leave the same time.
fn later_than(seen: Option<&str>) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    now.max(seen.and_then(|seen| seen.parse::<u64>().ok()).map_or(0, |seen| seen + 1))
}

/// Who a new table belongs to, as Hadoop's own clients find it.
fn user() -> Option<String> {
    let named = |name: &str| std::env::var(name).ok().filter(|user| !user.is_empty());
    named("HADOOP_USER_NAME").or_else(|| named("USER"))
}
