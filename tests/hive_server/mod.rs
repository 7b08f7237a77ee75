//! A Hive metastore inside the test process, on a free port of the loopback interface, that a test can make misbehave.
//!
//! The protocol is that of the crates `hive_metastore` and `volo-thrift`; what lies behind it is here, and is strict where
//! a real one is (`tests/real_hive.rs` holds both to the same suite): which exception a call raises, what becomes of a
//! slash, which names are left out. Calls that restitch does not make are unknown methods.
#![allow(dead_code, reason = "each test binary that includes this uses a part of it")]

pub mod subject;

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hive_metastore::*;
use pilota::FastStr;
use pilota::thrift::{ApplicationException, ApplicationExceptionKind};
use restitch::value::hive_escape;
use tokio::task::JoinHandle;
use volo::net::incoming::DefaultIncoming;
use volo_thrift::ServerError;
use volo_thrift::codec::default::DefaultMakeCodec;
use volo_thrift::context::ServerContext;
use volo_thrift::server::Server as Volo;

/// A running server; dropping it stops it.
pub struct Server {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

/// Whose manners it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Has `get_table`, and compares nothing before it alters a table.
    Three,
    /// Has `get_table_req` alone, and compares the parameter that an alteration says to expect.
    Four,
}

/// What a call meets instead of its answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is done, and never answered.
    Silence,
    Meta(&'static str),
}

/// Told of every call before it happens, by the name that the crate gives it: `GetTable`.
type Script = dyn FnMut(&str, &mut Tables) -> Option<Fault> + Send;

/// By database and name, in lower case.
pub type Tables = BTreeMap<(String, String), Held>;

pub struct Held {
    pub table: Table,
    /// By name: `p=1/q=x`.
    pub partitions: BTreeMap<String, Partition>,
}

struct State {
    generation: Generation,
    databases: HashSet<String>,
    tables: Tables,
    /// `metastore.disallow.incompatible.col.type.changes` is false.
    takes_any_types: bool,
    script: Option<Box<Script>>,
    calls: Vec<String>,
}

impl Server {
    pub async fn start(generation: Generation) -> Server {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (databases, tables) = (HashSet::new(), BTreeMap::new());
        let state = State { generation, databases, tables, takes_any_types: false, script: None, calls: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let service = Service(state.clone());
        let task = tokio::spawn(async move {
            let volo = Volo::new(service).make_codec(DefaultMakeCodec::buffered());
            volo.run(DefaultIncoming::from(listener)).await.unwrap();
        });
        Server { address, state, task }
    }

    pub fn set_script(&self, script: impl FnMut(&str, &mut Tables) -> Option<Fault> + Send + 'static) {
        self.state.lock().unwrap().script = Some(Box::new(script));
    }

    /// From now on a column may become of any type.
    pub fn take_any_types(&self) {
        self.state.lock().unwrap().takes_any_types = true;
    }

    /// Names of the calls so far.
    pub fn calls(&self) -> Vec<String> {
        self.state.lock().unwrap().calls.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Service(Arc<Mutex<State>>);

/// An exception that a method declares.
enum Raised {
    NoSuchObject(String),
    AlreadyExists(String),
    InvalidObject(String),
    InvalidOperation(String),
    Meta(String),
}

impl volo::service::Service<ServerContext, ThriftHiveMetastoreRequestRecv> for Service {
    type Response = ThriftHiveMetastoreResponseSend;
    type Error = ServerError;

    async fn call(
        &self,
        _cx: &mut ServerContext,
        request: ThriftHiveMetastoreRequestRecv,
    ) -> Result<Self::Response, Self::Error> {
        let answer = self.0.lock().unwrap().answer(request);
        match answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }
}

type Answer = Result<ThriftHiveMetastoreResponseSend, ServerError>;

fn refused(kind: ApplicationExceptionKind, message: &str) -> ServerError {
    ServerError::Application(ApplicationException::new(kind, message.to_owned()))
}

/// Does what a method is to do, unless the script says otherwise, and wraps the outcome up as that method's answer, with
/// its numbers for exceptions.
macro_rules! answer {
    ($state:ident, $method:ident, $result:ident, $outcome:expr $(, $raised:ident($exception:ident) is $number:ident)*) => {{
        let fault = $state.told(stringify!($method));
        let outcome = match &fault {
            Some(Fault::Meta(message)) => Err(Raised::Meta((*message).to_owned())),
            _ => $outcome,
        };
        let answer: Answer = match outcome {
            Ok(value) => Ok(ThriftHiveMetastoreResponseSend::$method($result::Ok(value))),
            $(Err(Raised::$raised(message)) => {
                let exception = $exception { message: Some(message.into()) };
                Ok(ThriftHiveMetastoreResponseSend::$method($result::$number(exception)))
            })*
            #[allow(unreachable_patterns, reason = "a method may declare every exception there is")]
            Err(_) => Err(refused(ApplicationExceptionKind::INTERNAL_ERROR, "an exception that is not declared")),
        };
        (!matches!(fault, Some(Fault::Silence))).then_some(answer)
    }};
}

impl State {
    fn told(&mut self, method: &str) -> Option<Fault> {
        self.calls.push(method.to_owned());
        let State { script, tables, .. } = self;
        script.as_mut().and_then(|script| script(method, tables))
    }

    /// `None`: never.
    fn answer(&mut self, request: ThriftHiveMetastoreRequestRecv) -> Option<Answer> {
        use ThriftHiveMetastoreRequestRecv as Request;
        match request {
            Request::GetDatabase(args) => answer!(
                self, GetDatabase, ThriftHiveMetastoreGetDatabaseResultSend, self.database(&args.name),
                NoSuchObject(NoSuchObjectException) is O1, Meta(MetaException) is O2
            ),
            Request::GetConfigValue(args) => {
                assert_eq!(args.name, "metastore.disallow.incompatible.col.type.changes");
                let set = FastStr::from((!self.takes_any_types).to_string());
                answer!(self, GetConfigValue, ThriftHiveMetastoreGetConfigValueResultSend, Ok::<_, Raised>(set))
            }
            Request::CreateDatabase(args) => answer!(
                self, CreateDatabase, ThriftHiveMetastoreCreateDatabaseResultSend, self.create_database(&args.database),
                AlreadyExists(AlreadyExistsException) is O1, Meta(MetaException) is O3
            ),
            Request::GetTable(args) if self.generation == Generation::Three => answer!(
                self, GetTable, ThriftHiveMetastoreGetTableResultSend,
                self.held(&args.dbname, &args.tbl_name).map(|held| held.table.clone()),
                Meta(MetaException) is O1, NoSuchObject(NoSuchObjectException) is O2
            ),
            Request::GetTableReq(args) => answer!(
                self, GetTableReq, ThriftHiveMetastoreGetTableReqResultSend,
                self.held(&args.req.db_name, &args.req.tbl_name).map(|held| GetTableResult { table: held.table.clone() }),
                Meta(MetaException) is O1, NoSuchObject(NoSuchObjectException) is O2
            ),
            Request::CreateTableWithEnvironmentContext(args) => answer!(
                self, CreateTableWithEnvironmentContext,
                ThriftHiveMetastoreCreateTableWithEnvironmentContextResultSend, self.create_table(args.tbl),
                AlreadyExists(AlreadyExistsException) is O1, InvalidObject(InvalidObjectException) is O2,
                Meta(MetaException) is O3, NoSuchObject(NoSuchObjectException) is O4
            ),
            Request::AlterTable(args) => answer!(
                self, AlterTable, ThriftHiveMetastoreAlterTableResultSend,
                self.alter_table(&args.dbname, &args.tbl_name, args.new_tbl, &EnvironmentContext::default()),
                InvalidOperation(InvalidOperationException) is O1, Meta(MetaException) is O2
            ),
            Request::AlterTableWithEnvironmentContext(args) => answer!(
                self, AlterTableWithEnvironmentContext, ThriftHiveMetastoreAlterTableWithEnvironmentContextResultSend,
                self.alter_table(&args.dbname, &args.tbl_name, args.new_tbl, &args.environment_context),
                InvalidOperation(InvalidOperationException) is O1, Meta(MetaException) is O2
            ),
            request => self.answer_of_partitions(request),
        }
    }

    fn answer_of_partitions(&mut self, request: ThriftHiveMetastoreRequestRecv) -> Option<Answer> {
        use ThriftHiveMetastoreRequestRecv as Request;
        match request {
            Request::GetPartition(args) => answer!(
                self, GetPartition, ThriftHiveMetastoreGetPartitionResultSend,
                self.partition(&args.db_name, &args.tbl_name, &args.part_vals),
                Meta(MetaException) is O1, NoSuchObject(NoSuchObjectException) is O2
            ),
            Request::GetPartitionNames(args) => answer!(
                self, GetPartitionNames, ThriftHiveMetastoreGetPartitionNamesResultSend,
                Ok(self.names(&args.db_name, &args.tbl_name, args.max_parts)),
                Meta(MetaException) is O2
            ),
            Request::GetPartitionsByNames(args) => answer!(
                self, GetPartitionsByNames, ThriftHiveMetastoreGetPartitionsByNamesResultSend,
                self.by_names(&args.db_name, &args.tbl_name, &args.names),
                Meta(MetaException) is O1, NoSuchObject(NoSuchObjectException) is O2
            ),
            Request::AddPartitionsReq(args) => answer!(
                self, AddPartitionsReq, ThriftHiveMetastoreAddPartitionsReqResultSend, self.add_partitions(args.request),
                InvalidObject(InvalidObjectException) is O1, AlreadyExists(AlreadyExistsException) is O2,
                Meta(MetaException) is O3
            ),
            Request::AlterPartitions(args) => answer!(
                self, AlterPartitions, ThriftHiveMetastoreAlterPartitionsResultSend,
                self.alter_partitions(&args.db_name, &args.tbl_name, args.new_parts),
                InvalidOperation(InvalidOperationException) is O1, Meta(MetaException) is O2
            ),
            Request::AlterPartitionsWithEnvironmentContext(args) => answer!(
                self, AlterPartitionsWithEnvironmentContext,
                ThriftHiveMetastoreAlterPartitionsWithEnvironmentContextResultSend,
                self.alter_partitions(&args.db_name, &args.tbl_name, args.new_parts),
                InvalidOperation(InvalidOperationException) is O1, Meta(MetaException) is O2
            ),
            Request::DropPartitionsReq(args) => answer!(
                self, DropPartitionsReq, ThriftHiveMetastoreDropPartitionsReqResultSend, self.drop_partitions(&args.req),
                NoSuchObject(NoSuchObjectException) is O1, Meta(MetaException) is O2
            ),
            _ => Some(Err(refused(ApplicationExceptionKind::UNKNOWN_METHOD, "Invalid method name"))),
        }
    }

    fn database(&self, name: &str) -> Result<Database, Raised> {
        if !self.databases.contains(&name.to_lowercase()) {
            return Err(Raised::NoSuchObject(format!("database hive.{name}")));
        }
        Ok(Database { name: Some(FastStr::new(name)), ..Database::default() })
    }

    fn create_database(&mut self, database: &Database) -> Result<(), Raised> {
        let name = database.name.as_deref().ok_or_else(|| Raised::Meta("a database without a name".into()))?;
        if !self.databases.insert(name.to_lowercase()) {
            return Err(Raised::AlreadyExists(format!("Database {name} already exists")));
        }
        Ok(())
    }

    fn held(&mut self, database: &str, table: &str) -> Result<&mut Held, Raised> {
        let key = (database.to_lowercase(), table.to_lowercase());
        let absent = || Raised::NoSuchObject(format!("hive.{database}.{table} table not found"));
        self.tables.get_mut(&key).ok_or_else(absent)
    }

    fn create_table(&mut self, mut table: Table) -> Result<(), Raised> {
        let text = |text: &Option<FastStr>| text.as_deref().unwrap_or_default().to_lowercase();
        let key = (text(&table.db_name), text(&table.table_name));
        if !self.databases.contains(&key.0) {
            return Err(match self.generation {
                Generation::Three => Raised::InvalidObject(key.0),
                Generation::Four => Raised::NoSuchObject(format!("database hive.{}", key.0)),
            });
        }
        if self.tables.contains_key(&key) {
            return Err(Raised::AlreadyExists(format!("Table hive.{}.{} already exists", key.0, key.1)));
        }
        is_whole(&table.sd)?;
        without_slash(&mut table.sd);
        table.create_time = Some(1_795_550_000);
        table.parameters.get_or_insert_default().entry(DDL_TIME.into()).or_insert("1795550000".into());
        self.tables.insert(key, Held { table, partitions: BTreeMap::new() });
        Ok(())
    }

    fn alter_table(
        &mut self,
        database: &str,
        name: &str,
        table: Table,
        context: &EnvironmentContext,
    ) -> Result<(), Raised> {
        let (compares, takes_any_types) = (self.generation == Generation::Four, self.takes_any_types);
        let absent = |_| Raised::InvalidOperation(format!("Table {database}.{name} does not exist"));
        let held = self.held(database, name).map_err(absent)?;
        let property = |name: &str| context.properties.as_ref().and_then(|properties| properties.get(name));
        if let Some((key, value)) = property(EXPECTED_PARAMETER_KEY).zip(property(EXPECTED_PARAMETER_VALUE))
            && compares
            && held.table.parameters.as_ref().and_then(|parameters| parameters.get(key)) != Some(value)
        {
            return Err(Raised::Meta(format!(
                "The table has been modified. The parameter value for key '{key}' is other"
            )));
        }
        is_whole(&table.sd)?;
        let typed = |table: &Table| {
            let keys = table.partition_keys.iter().flatten();
            keys.map(|key| (key.name.clone(), key.r#type.clone())).collect::<Vec<_>>()
        };
        if typed(&held.table) != typed(&table) {
            return Err(Raised::InvalidOperation("partition keys can not be changed.".into()));
        }
        let narrows =
            columns(&held.table).zip(columns(&table)).find(|(old, new)| is_narrower(&old.r#type, &new.r#type));
        if let Some((_, new)) = narrows.filter(|_| !takes_any_types) {
            let column = new.name.as_deref().unwrap_or_default();
            return Err(Raised::InvalidOperation(format!(
                "The following columns have types incompatible with the existing columns in their respective positions :\n{column}"
            )));
        }
        held.table = table;
        without_slash(&mut held.table.sd);
        Ok(())
    }

    fn partition(&mut self, database: &str, table: &str, values: &[FastStr]) -> Result<Partition, Raised> {
        let held = self.held(database, table)?;
        let name = held.name(values)?;
        held.partitions.get(&name).cloned().ok_or_else(|| Raised::NoSuchObject(format!("partition values={values:?}")))
    }

    /// Of a table that is not there, none.
    fn names(&mut self, database: &str, table: &str, max: i16) -> Vec<FastStr> {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let names = self.held(database, table).map(|held| held.partitions.keys().cloned().collect::<Vec<_>>());
        names.unwrap_or_default().into_iter().take(max).map(FastStr::from_string).collect()
    }

    /// Names that are not there are left out.
    fn by_names(&mut self, database: &str, table: &str, names: &[FastStr]) -> Result<Vec<Partition>, Raised> {
        let held = self.held(database, table)?;
        let names: HashSet<&str> = names.iter().map(FastStr::as_str).collect();
        Ok(names.into_iter().filter_map(|name| held.partitions.get(name).cloned()).collect())
    }

    fn add_partitions(&mut self, request: AddPartitionsRequest) -> Result<AddPartitionsResult, Raised> {
        let absent = |_| Raised::InvalidObject("Unable to add partitions because the table doesn't exist".into());
        let held = self.held(&request.db_name, &request.tbl_name).map_err(absent)?;
        let mut fresh = BTreeMap::new();
        for mut partition in request.parts {
            is_whole(&partition.sd)?;
            let name = held.name(partition.values.as_deref().unwrap_or_default())?;
            if held.partitions.contains_key(&name) {
                if request.if_not_exists {
                    continue;
                }
                return Err(Raised::AlreadyExists(format!("Partition already exists: {name}")));
            }
            without_slash(&mut partition.sd);
            partition.create_time = Some(1_795_550_000);
            let parameters = partition.parameters.get_or_insert_default();
            parameters.extend([("numFiles", "0"), ("totalSize", "0")].map(|(name, value)| (name.into(), value.into())));
            if fresh.insert(name, partition).is_some() {
                return Err(Raised::Meta("Duplicate partitions in the list".into()));
            }
        }
        let added = fresh.values().cloned().collect();
        held.partitions.append(&mut fresh);
        Ok(AddPartitionsResult { partitions: request.need_result.unwrap_or(true).then_some(added) })
    }

    /// Slashes stay.
    fn alter_partitions(&mut self, database: &str, table: &str, partitions: Vec<Partition>) -> Result<(), Raised> {
        let held = self.held(database, table).map_err(|_| Raised::Meta("table not found".into()))?;
        let mut altered = BTreeMap::new();
        for partition in partitions {
            is_whole(&partition.sd)?;
            let name = held.name(partition.values.as_deref().unwrap_or_default())?;
            if !held.partitions.contains_key(&name) {
                return Err(Raised::InvalidOperation("alter is not possible: partition does not exist".into()));
            }
            altered.insert(name, partition);
        }
        held.partitions.append(&mut altered);
        Ok(())
    }

    fn drop_partitions(&mut self, request: &DropPartitionsRequest) -> Result<DropPartitionsResult, Raised> {
        assert_eq!(request.delete_data, Some(false), "files are not the metastore's to delete");
        let RequestPartsSpec::Names(names) = &request.parts else {
            return Err(Raised::Meta("expressions are not understood".into()));
        };
        let held = self.held(&request.db_name, &request.tbl_name)?;
        let absent = names.iter().any(|name| !held.partitions.contains_key(name.as_str()));
        if absent && request.if_exists == Some(false) {
            return Err(Raised::NoSuchObject("Some partitions to drop are missing".into()));
        }
        names.iter().for_each(|name| drop(held.partitions.remove(name.as_str())));
        Ok(DropPartitionsResult::default())
    }
}

impl Held {
    /// What a partition is called, by which a real metastore finds it too.
    fn name(&self, values: &[FastStr]) -> Result<String, Raised> {
        let keys = self.table.partition_keys.as_deref().unwrap_or_default();
        if keys.len() != values.len() {
            return Err(Raised::Meta("Incorrect number of partition values".into()));
        }
        let part = |(key, value): (&FieldSchema, &FastStr)| {
            format!("{}={}", key.name.as_deref().unwrap_or_default(), hive_escape(value))
        };
        Ok(keys.iter().zip(values).map(part).collect::<Vec<_>>().join("/"))
    }
}

/// What makes a real metastore fail somewhere within.
fn is_whole(sd: &Option<StorageDescriptor>) -> Result<(), Raised> {
    let sd = sd.as_ref().ok_or_else(|| Raised::Meta("java.lang.NullPointerException".into()))?;
    let lists = sd.cols.is_some() && sd.bucket_cols.is_some() && sd.sort_cols.is_some();
    if !lists || sd.parameters.is_none() || sd.serde_info.is_none() {
        return Err(Raised::Meta("java.lang.NullPointerException".into()));
    }
    Ok(())
}

fn without_slash(sd: &mut Option<StorageDescriptor>) {
    let location = sd.as_mut().and_then(|sd| sd.location.as_mut());
    if let Some(location) = location {
        *location = FastStr::new(location.trim_end_matches('/'));
    }
}

fn columns(table: &Table) -> impl Iterator<Item = &FieldSchema> {
    table.sd.iter().flat_map(|storage| storage.cols.iter().flatten())
}

/// Of integers; a real metastore refuses more.
fn is_narrower(old: &Option<FastStr>, new: &Option<FastStr>) -> bool {
    let place = |name: &Option<FastStr>| {
        ["tinyint", "smallint", "int", "bigint"].iter().position(|it| Some(*it) == name.as_deref())
    };
    place(old).zip(place(new)).is_some_and(|(old, new)| new < old)
}
