//! One Hive metastore over plain Thrift: connected on first use, each call under a time limit, each failure in our words.
//!
//! Knows nothing of tables. Reads are tried again where the connection broke; a write never is, since the server may have
//! done it.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hive_metastore::{
    AlreadyExistsException, ConfigValSecurityException, InvalidObjectException, InvalidOperationException,
    MetaException, NoSuchObjectException, ThriftHiveMetastoreClient, ThriftHiveMetastoreClientBuilder,
};
use pilota::FastStr;
use pilota::thrift::{ApplicationException, ApplicationExceptionKind};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use volo_thrift::codec::default::DefaultMakeCodec;
use volo_thrift::{ClientError, MaybeException};

use crate::error::{Error, ErrorKind, Result};
use crate::uri::Shown;

/// To connect, and for the first answer: what never answers is no metastore.
const CONNECT_S: u64 = 10;
const FIRST_ANSWER_S: u64 = 30;

/// Of a read whose connection breaks.
const TRIES: u32 = 3;

/// Of what a server says of itself: some send whole stack traces.
const MAX_CHARS: usize = 400;

pub(super) struct Client {
    host: String,
    port: u16,
    read_limit: Duration,
    write_limit: Duration,
    connection: OnceCell<ThriftHiveMetastoreClient>,
    /// It has answered a call, so it is a metastore.
    has_answered: AtomicBool,
    requests: AtomicU64,
}

/// Whether a call changes something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Read,
    Write,
}

impl Client {
    pub fn new(host: String, port: u16) -> Client {
        Client {
            host,
            port,
            read_limit: Duration::from_secs(120),
            // Thousands of partitions on a busy database take minutes, and giving up on them does not stop them.
            write_limit: Duration::from_secs(900),
            connection: OnceCell::new(),
            has_answered: AtomicBool::new(false),
            requests: AtomicU64::new(0),
        }
    }

    pub fn set_limits(&mut self, read: Duration, write: Duration) {
        (self.read_limit, self.write_limit) = (read, write);
    }

    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// `host:port`, as a person writes it.
    pub fn address(&self) -> String {
        let host = Shown(&self.host);
        if self.host.contains(':') { format!("[{host}]:{}", self.port) } else { format!("{host}:{}", self.port) }
    }

    /// Makes a call, whose purpose is `what`: `read table \`t\``.
    ///
    /// # Errors
    /// What the server said, by kind: `NotFound`, `Conflict` for what is there already, `Denied`, `Usage` for a value it
    /// does not take, `Unsupported` for anything else it refuses and for a method that it does not have. `Unreachable`
    /// if it does not answer.
    pub async fn call<T, E, F>(
        &self,
        call: Call,
        what: &str,
        send: impl Fn(ThriftHiveMetastoreClient) -> F,
    ) -> Result<T>
    where
        E: Into<Exception>,
        F: Future<Output = Result<MaybeException<T, E>, ClientError>>,
    {
        let mut tries = 1;
        loop {
            let client = self.connection.get_or_try_init(|| self.connect()).await?.clone();
            self.requests.fetch_add(1, Ordering::Relaxed);
            let limit = self.limit(call);
            match timeout(limit, send(client)).await {
                Ok(Ok(answer)) => {
                    self.has_answered.store(true, Ordering::Relaxed);
                    return match answer {
                        MaybeException::Ok(value) => Ok(value),
                        MaybeException::Exception(exception) => Err(self.refused(what, exception.into())),
                    };
                }
                Ok(Err(ClientError::Transport(_))) if call == Call::Read && self.is_known() && tries < TRIES => {
                    tokio::time::sleep(Duration::from_millis(250) * tries).await;
                    tries += 1;
                }
                Ok(Err(failure)) => return Err(self.failed(call, what, failure)),
                Err(_) => return Err(self.silent(call, what, limit)),
            }
        }
    }

    fn is_known(&self) -> bool {
        self.has_answered.load(Ordering::Relaxed)
    }

    fn limit(&self, call: Call) -> Duration {
        match call {
            Call::Write => self.write_limit,
            Call::Read if self.is_known() => self.read_limit,
            Call::Read => self.read_limit.min(Duration::from_secs(FIRST_ANSWER_S)),
        }
    }

    /// Tries each address that the name has, and keeps to the first that takes a connection.
    async fn connect(&self) -> Result<ThriftHiveMetastoreClient> {
        let limit = Duration::from_secs(CONNECT_S).min(self.read_limit);
        let found = lookup_host((self.host.as_str(), self.port)).await;
        let addresses: Vec<SocketAddr> = found.map(Iterator::collect).map_err(|error| {
            let message = format!("the host `{}` of the Hive metastore was not found", Shown(&self.host));
            Error::new(ErrorKind::Unreachable, message).help("check `uri` in `[catalog]`").source(error)
        })?;
        let mut why = "its name has no address".to_owned();
        for address in addresses {
            match timeout(limit, TcpStream::connect(address)).await {
                Ok(Ok(_)) => return Ok(client(address)),
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                    why = "the connection was refused".to_owned();
                }
                Ok(Err(error)) => why = error.to_string(),
                Err(_) => why = format!("no connection within {} s", limit.as_secs_f64()),
            }
        }
        let message = format!("the Hive metastore at {} cannot be reached: {why}", self.address());
        Err(Error::new(ErrorKind::Unreachable, message).help("check `uri` in `[catalog]`, and that it is running"))
    }

    /// An exception that the metastore declares.
    fn refused(&self, what: &str, exception: Exception) -> Error {
        let said = exception.message.as_deref().unwrap_or_default();
        let is_denied = ["AccessControlException", "AuthorizationException", "ermission denied", "No privilege"]
            .iter()
            .any(|word| said.contains(word));
        let kind = if is_denied { ErrorKind::Denied } else { exception.kind };
        Error::new(kind, format!("the Hive metastore at {} could not {what}: {}", self.address(), in_short(said)))
    }

    fn failed(&self, call: Call, what: &str, failure: ClientError) -> Error {
        match &failure {
            ClientError::Application(refused) if is_no_method(refused) => {
                let message = format!("the Hive metastore at {} has no call to {what}", self.address());
                Error::new(ErrorKind::Unsupported, message).source(failure)
            }
            ClientError::Application(refused) => {
                let (address, said) = (self.address(), in_short(refused.message()));
                let message = format!("the Hive metastore at {address} could not {what}: {said}");
                Error::new(ErrorKind::Unsupported, message).source(failure)
            }
            _ if !self.is_known() => {
                self.stranger(what, "closes the connection, or answers in another protocol").source(failure)
            }
            ClientError::Transport(_) => self.after(call, "the connection broke", what).source(failure),
            _ => {
                let message = format!("the Hive metastore at {} gave an answer that cannot be read", self.address());
                Error::new(ErrorKind::Corrupt, message).note(format!("while it was to {what}")).source(failure)
            }
        }
    }

    fn silent(&self, call: Call, what: &str, limit: Duration) -> Error {
        let within = format!("no answer within {} s", limit.as_secs_f64());
        if self.is_known() { self.after(call, &within, what) } else { self.stranger(what, &within) }
    }

    /// What listens there has never answered as a metastore does.
    fn stranger(&self, what: &str, how: &str) -> Error {
        let message = format!("what listens at {} does not answer as a Hive metastore does: {how}", self.address());
        Error::new(ErrorKind::Unreachable, message)
            .note(format!("it was to {what}"))
            .help("metastores over plain Thrift are spoken to; not those that ask for Kerberos (SASL), TLS or HTTP")
    }

    /// A call of which nobody knows what became.
    fn after(&self, call: Call, why: &str, what: &str) -> Error {
        let message = format!("the Hive metastore at {} was to {what}: {why}", self.address());
        let error = Error::new(ErrorKind::Unreachable, message);
        match call {
            Call::Read => error,
            Call::Write => error
                .note("it may have been done, or may still be going on there")
                .help("run again: what is there then is compared in full"),
        }
    }
}

fn client(address: SocketAddr) -> ThriftHiveMetastoreClient {
    ThriftHiveMetastoreClientBuilder::new("hive_metastore")
        .make_codec(DefaultMakeCodec::buffered())
        .connect_timeout(Some(Duration::from_secs(CONNECT_S)))
        .address(address)
        .build()
}

/// Whether a call failed because the server has no such method.
pub(super) fn is_unknown_method(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<ClientError>());
    matches!(source, Some(ClientError::Application(refused)) if is_no_method(refused))
}

fn is_no_method(refused: &ApplicationException) -> bool {
    refused.kind() == ApplicationExceptionKind::UNKNOWN_METHOD
}

/// What a server says, for a message: without a stack trace behind it.
fn in_short(said: &str) -> String {
    let lines = said.lines().map(str::trim).take_while(|line| !line.starts_with("at "));
    let text = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return "it does not say why".to_owned();
    }
    let short: String = text.chars().take(MAX_CHARS).collect();
    Shown(&short).to_string()
}

/// The exceptions of every method, in one type.
pub(super) struct Exception {
    kind: ErrorKind,
    message: Option<FastStr>,
}

/// Each exception of the protocol, with the kind that it is to us.
macro_rules! kinds {
    ($($exception:ident is $kind:ident;)*) => {
        $(impl From<$exception> for Exception {
            fn from(exception: $exception) -> Exception {
                Exception { kind: ErrorKind::$kind, message: exception.message }
            }
        })*
    };
}

kinds! {
    NoSuchObjectException is NotFound;
    AlreadyExistsException is Conflict;
    InvalidObjectException is Usage;
    InvalidOperationException is Unsupported;
    ConfigValSecurityException is Denied;
    MetaException is Unsupported;
}

/// Each method numbers its exceptions on its own.
macro_rules! methods {
    ($($method:ident: $($number:ident)*;)*) => {
        $(impl From<hive_metastore::$method> for Exception {
            fn from(exception: hive_metastore::$method) -> Exception {
                match exception {
                    $(hive_metastore::$method::$number(exception) => exception.into(),)*
                }
            }
        })*
    };
}

methods! {
    ThriftHiveMetastoreGetDatabaseException: O1 O2;
    ThriftHiveMetastoreGetConfigValueException: O1;
    ThriftHiveMetastoreCreateDatabaseException: O1 O2 O3;
    ThriftHiveMetastoreGetTableException: O1 O2;
    ThriftHiveMetastoreGetTableReqException: O1 O2;
    ThriftHiveMetastoreCreateTableWithEnvironmentContextException: O1 O2 O3 O4;
    ThriftHiveMetastoreAlterTableWithEnvironmentContextException: O1 O2;
    ThriftHiveMetastoreGetPartitionNamesException: O2;
    ThriftHiveMetastoreGetPartitionsByNamesException: O1 O2;
    ThriftHiveMetastoreAddPartitionsReqException: O1 O2 O3;
    ThriftHiveMetastoreAlterPartitionsWithEnvironmentContextException: O1 O2;
    ThriftHiveMetastoreDropPartitionsReqException: O1 O2;
}
