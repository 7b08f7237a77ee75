//! A strict AWS Glue inside the test process, on a free port of the loopback interface, that a test can make misbehave.
//!
//! Speaks Glue's JSON 1.1 as its API reference says it: what Glue refuses is refused here (batches over their limits,
//! fields that are no field, values that do not fit the keys), and so is what Glue takes but Athena or the next writer
//! would suffer from (an update without a version, a serde without a name). The protocol is here, the catalog in
//! [`backend`].
#![allow(dead_code, reason = "each test binary that includes this uses a part of it")]

mod backend;
mod shape;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};

use self::backend::Backend;
use crate::loopback::{Cut, Loopback};

pub const ACCESS_KEY: &str = "AKIARESTITCHTEST";
/// Looked for in everything that restitch writes.
pub const SECRET_KEY: &str = "restitch-test-secret/must+never=appear";
pub const REGION: &str = "eu-west-1";

/// A running server; dropping it stops it and closes every connection.
pub struct Server {
    shared: Arc<Shared>,
    http: Loopback,
}

/// A call about to be answered.
#[derive(Clone, Debug)]
pub struct Call {
    /// As Glue names it: `GetTable`.
    pub action: String,
    /// In lower case; empty where the call is about the database.
    pub table: String,
    pub body: Value,
    /// How many of this action came before.
    pub before: usize,
}

/// How a call fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 400 with this exception; nothing happens.
    Exception(&'static str),
    /// 500; nothing happens.
    Internal,
    /// The connection is cut; nothing happens.
    LostRequest,
    /// It happens; the connection is cut before the answer.
    LostAnswer,
    /// It happens, so much later.
    Late(Duration),
    /// Of a batch, the items of these indices fail with this code in the answer's `Errors`; the others happen.
    Items(Vec<usize>, &'static str),
    /// Of a BatchGetPartition, all but so many keys are left unprocessed.
    Unprocessed(usize),
}

/// An exception: its name and message.
#[derive(Clone, Debug)]
pub struct Refusal(pub &'static str, pub String);

impl Server {
    /// An empty catalog, ready when this returns. It runs on a thread of its own, so that tests without a runtime can use
    /// it.
    pub fn start() -> Server {
        let shared = Arc::new(Shared::default());
        let answering = shared.clone();
        let http = Loopback::start(move |request| {
            let shared = answering.clone();
            async move { shared.answer(request).await }
        });
        Server { shared, http }
    }

    pub fn url(&self) -> String {
        self.http.url()
    }

    /// The environment in which restitch finds this server as Glue. The rest of AWS is for another server's environment to
    /// say, which may stand before or behind this.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let nowhere = if cfg!(windows) { "NUL" } else { "/dev/null" };
        vec![
            ("AWS_ENDPOINT_URL_GLUE", self.url()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.into()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.into()),
            ("AWS_REGION", REGION.into()),
            ("AWS_EC2_METADATA_DISABLED", "true".into()),
            ("AWS_CONFIG_FILE", nowhere.into()),
            ("AWS_SHARED_CREDENTIALS_FILE", nowhere.into()),
        ]
    }

    /// Partitions a page, 1 to 1,000, whatever a client asks for beyond that.
    pub fn set_page_size(&self, partitions: usize) {
        self.shared.state().backend.page_size = partitions;
    }

    /// Whether every page is followed by one that is empty but goes on, as Glue does where it filters.
    pub fn set_empty_pages(&self, are: bool) {
        self.shared.state().backend.empty_pages = are;
    }

    /// Lets `script` decide about every call from here on.
    pub fn script(&self, script: impl FnMut(&Call) -> Option<Fault> + Send + 'static) {
        self.shared.state().script = Some(Box::new(script));
    }

    pub fn clear_script(&self) {
        self.shared.state().script = None;
    }

    /// The calls that arrived, whatever became of them, by their action.
    pub fn calls(&self) -> Vec<String> {
        self.shared.state().calls.iter().map(|call| call.action.clone()).collect()
    }

    pub fn count(&self, action: &str) -> usize {
        self.shared.state().calls.iter().filter(|call| call.action == action).count()
    }

    /// The bodies of the calls of an action, in their order.
    pub fn bodies(&self, action: &str) -> Vec<Value> {
        let state = self.shared.state();
        state.calls.iter().filter(|call| call.action == action).map(|call| call.body.clone()).collect()
    }

    pub fn forget_calls(&self) {
        self.shared.state().calls.clear();
    }

    /// Makes a database, past script and counts.
    pub fn database(&self, name: &str) {
        self.shared.state().backend.databases.entry(name.to_lowercase()).or_default();
    }

    /// A table as GetTable gives it, past script and counts.
    pub fn table(&self, database: &str, name: &str) -> Option<Value> {
        let mut state = self.shared.state();
        state.backend.table(database, name).ok().map(|table| table.body.clone())
    }

    /// Changes what GetTable gives, past script and counts, under a new version; a table that is not there is made.
    pub fn edit(&self, database: &str, name: &str, change: impl FnOnce(&mut Value)) {
        self.shared.state().backend.edit(database, name, change);
    }

    /// A table's partitions as GetPartitions gives them, in the order of their values, past script and counts.
    pub fn partitions(&self, database: &str, name: &str) -> Vec<Value> {
        let mut state = self.shared.state();
        state
            .backend
            .table(database, name)
            .map(|table| table.partitions.values().cloned().collect())
            .unwrap_or_default()
    }

    /// Changes the partition with these values, past script and counts.
    ///
    /// # Panics
    /// If it is not there.
    pub fn edit_partition(&self, database: &str, name: &str, values: &[String], change: impl FnOnce(&mut Value)) {
        let mut state = self.shared.state();
        let table = state.backend.table(database, name).expect("a table");
        change(table.partitions.get_mut(values).expect("a partition"));
    }
}

type Script = dyn FnMut(&Call) -> Option<Fault> + Send;

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    backend: Backend,
    script: Option<Box<Script>>,
    calls: Vec<Call>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Cut> {
        let (head, body) = request.into_parts();
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
        let (target, kind, authorization) = (header("x-amz-target"), header("content-type"), header("authorization"));
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        let Some(action) = target.strip_prefix("AWSGlue.").filter(|_| kind == "application/x-amz-json-1.1") else {
            return Ok(refused(&Refusal("UnknownOperationException", target)));
        };
        let Ok(body) = serde_json::from_slice::<Value>(&body) else {
            return Ok(refused(&Refusal("SerializationException", "no JSON".to_owned())));
        };
        let scope = format!("Credential={ACCESS_KEY}/");
        if !authorization.contains(&scope) || !authorization.contains(&format!("/{REGION}/glue/aws4_request")) {
            let message = "The security token included in the request is invalid.".to_owned();
            return Ok(refused(&Refusal("UnrecognizedClientException", message)));
        }
        let fault = self.arrived(action, &body);
        if let Some(Fault::Late(pause)) = fault {
            tokio::time::sleep(pause).await;
        }
        let outcome = match &fault {
            Some(Fault::LostRequest) => return Err(Cut),
            Some(Fault::Internal) => {
                return Ok(with(StatusCode::INTERNAL_SERVER_ERROR, "InternalServiceException", ""));
            }
            Some(Fault::Exception(name)) => Err(Refusal(name, as_glue_says(name, action))),
            _ => self.state().backend.call(action, &body, fault.as_ref()),
        };
        if fault == Some(Fault::LostAnswer) {
            return Err(Cut);
        }
        Ok(match outcome {
            Ok(answer) => {
                let response = Response::builder().header("content-type", "application/x-amz-json-1.1");
                response.body(Full::from(answer.to_string())).unwrap()
            }
            Err(refusal) => refused(&refusal),
        })
    }

    /// Remembers a call and asks the script about it.
    fn arrived(&self, action: &str, body: &Value) -> Option<Fault> {
        let mut state = self.state();
        let before = state.calls.iter().filter(|call| call.action == action).count();
        let named = [&body["TableName"], &body["Name"], &body["TableInput"]["Name"]];
        let is_of_table = action.contains("Table") || action.contains("Partition");
        let table = named.iter().find_map(|name| name.as_str()).filter(|_| is_of_table).unwrap_or("").to_lowercase();
        let call = Call { action: action.to_owned(), table, body: body.clone(), before };
        let fault = state.script.as_mut().and_then(|script| script(&call));
        state.calls.push(call);
        fault
    }
}

fn refused(Refusal(name, message): &Refusal) -> Response<Full<Bytes>> {
    with(StatusCode::BAD_REQUEST, name, message)
}

fn with(status: StatusCode, name: &str, message: &str) -> Response<Full<Bytes>> {
    let body = json!({ "__type": name, "Message": message }).to_string();
    let answer = Response::builder().status(status).header("content-type", "application/x-amz-json-1.1");
    answer.header("x-amzn-errortype", name).body(Full::from(body)).unwrap()
}

fn as_glue_says(name: &str, action: &str) -> String {
    match name {
        "AccessDeniedException" => {
            format!("User: arn:aws:iam::123456789012:user/test is not authorized to perform: glue:{action} on resource")
        }
        "ThrottlingException" => "Rate exceeded".to_owned(),
        _ => "as the test's script says".to_owned(),
    }
}
