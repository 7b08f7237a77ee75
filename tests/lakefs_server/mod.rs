//! A lakeFS inside the test process, on a free port of the loopback interface, that a test can make misbehave.
//!
//! It answers what a real lakeFS 1.83 was seen to answer (`tests/real_lakefs.rs` asks one the same), and is stricter than
//! that where a client could go wrong unseen: a parameter that it does not know, a presigned address or a page of more
//! than 1,000 objects is refused with 400, a request without the right credentials with 401.
#![allow(dead_code, reason = "each test binary that includes this uses a part of it")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::header::{AUTHORIZATION, LOCATION, RETRY_AFTER};
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::loopback::{Cut, Loopback};

pub const ACCESS_KEY: &str = "AKIAJRESTITCHTEST";
/// Looked for in everything that restitch writes.
pub const SECRET_KEY: &str = "lakefs-test-secret/must+never=appear";
/// What a request carries instead of it: `base64(ACCESS_KEY:SECRET_KEY)`.
pub const AUTHORIZED: &str = "Basic QUtJQUpSRVNUSVRDSFRFU1Q6bGFrZWZzLXRlc3Qtc2VjcmV0L211c3QrbmV2ZXI9YXBwZWFy";

/// A running server; dropping it stops it.
pub struct Server {
    shared: Arc<Shared>,
    http: Loopback,
}

/// What a script may have a request come to.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status with a message, and `Retry-After` in seconds.
    Status(u16, &'static str, Option<u64>),
    /// This status with something that no lakeFS says.
    Page(u16, &'static str),
    /// 301.
    Redirect(&'static str),
    /// The connection is closed without an answer.
    Cut,
    /// A page that says there is more, behind where it began.
    Stuck,
    /// A page with one object out of place: `path`.
    Stray(&'static str),
    /// Nothing for so long, then the answer.
    Late(std::time::Duration),
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Call {
    /// Path and query, as sent.
    pub target: String,
    /// Decoded.
    pub query: BTreeMap<String, String>,
}

impl Call {
    pub fn is_page(&self) -> bool {
        self.target.contains("/objects/ls?")
    }
}

type Script = Box<dyn FnMut(&Call) -> Option<Fault> + Send>;

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    repositories: BTreeMap<String, Repository>,
    calls: Vec<Call>,
    script: Option<Script>,
    commits: u64,
}

#[derive(Default)]
struct Repository {
    namespace: String,
    /// The newest commit of each, and what is not committed.
    branches: BTreeMap<String, (String, Tree)>,
    tags: BTreeMap<String, String>,
    commits: BTreeMap<String, Commit>,
}

struct Commit {
    parent: Option<String>,
    tree: Tree,
}

type Tree = BTreeMap<String, Object>;

#[derive(Clone)]
struct Object {
    physical: String,
    size: u64,
    body: Bytes,
}

impl Server {
    pub fn start() -> Server {
        let shared = Arc::new(Shared::default());
        let answering = shared.clone();
        let http = Loopback::start(move |request| answer(answering.clone(), request));
        Server { shared, http }
    }

    pub fn url(&self) -> String {
        self.http.url()
    }

    /// The environment in which restitch finds this server.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LAKECTL_SERVER_ENDPOINT_URL", self.url()),
            ("LAKECTL_CREDENTIALS_ACCESS_KEY_ID", ACCESS_KEY.into()),
            ("LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY", SECRET_KEY.into()),
        ]
    }

    /// Makes a repository with an empty commit on `main`.
    pub fn repository(&self, name: &str, namespace: &str) {
        let mut state = self.shared.state();
        let first = state.commit_id();
        let mut repository = Repository { namespace: namespace.to_owned(), ..Repository::default() };
        repository.commits.insert(first.clone(), Commit { parent: None, tree: Tree::new() });
        repository.branches.insert("main".into(), (first, Tree::new()));
        state.repositories.insert(name.to_owned(), repository);
    }

    /// Puts an object on a branch, uncommitted, at an address of the repository's own. Returns the address.
    pub fn put(&self, repository: &str, branch: &str, path: &str, body: &str) -> String {
        let mut state = self.shared.state();
        let number = state.commit_id();
        let namespace = &state.repositories[repository].namespace;
        let physical = format!("{}/data/{}/{}", namespace.trim_end_matches('/'), &number[..8], &number[44..]);
        let object = Object { physical: physical.clone(), size: body.len() as u64, body: body.to_owned().into() };
        state.branch(repository, branch).1.insert(path.to_owned(), object);
        physical
    }

    /// Puts an object that lies anywhere on a branch, as an import does.
    pub fn import(&self, repository: &str, branch: &str, path: &str, physical: &str) {
        let object = Object { physical: physical.to_owned(), size: 3, body: "xyz".into() };
        self.shared.state().branch(repository, branch).1.insert(path.to_owned(), object);
    }

    pub fn remove(&self, repository: &str, branch: &str, path: &str) {
        self.shared.state().branch(repository, branch).1.remove(path).expect("it is there");
    }

    /// Commits a branch; returns the commit's id.
    pub fn commit(&self, repository: &str, branch: &str) -> String {
        let mut state = self.shared.state();
        let id = state.commit_id();
        let (head, tree) = state.branch(repository, branch);
        let (parent, tree) = (std::mem::replace(head, id.clone()), tree.clone());
        let commit = Commit { parent: Some(parent), tree };
        state.repositories.get_mut(repository).unwrap().commits.insert(id.clone(), commit);
        id
    }

    /// Makes a branch, or a tag, of the newest commit of `main`.
    pub fn branch(&self, repository: &str, name: &str) {
        let mut state = self.shared.state();
        let repository = state.repositories.get_mut(repository).unwrap();
        let head = repository.branches["main"].0.clone();
        let tree = repository.commits[&head].tree.clone();
        repository.branches.insert(name.to_owned(), (head, tree));
    }

    pub fn tag(&self, repository: &str, name: &str) {
        let mut state = self.shared.state();
        let repository = state.repositories.get_mut(repository).unwrap();
        let head = repository.branches["main"].0.clone();
        repository.tags.insert(name.to_owned(), head);
    }

    /// Lets `script` decide about every request from here on.
    pub fn script(&self, script: impl FnMut(&Call) -> Option<Fault> + Send + 'static) {
        self.shared.state().script = Some(Box::new(script));
    }

    pub fn clear_script(&self) {
        self.shared.state().script = None;
    }

    /// What has been asked so far, and is forgotten now.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.shared.state().calls)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    /// 64 hex digits that no other call gives, the first of which differ too.
    fn commit_id(&mut self) -> String {
        self.commits += 1;
        let mixed = self.commits.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("{mixed:016x}{:048x}", self.commits)
    }

    fn branch(&mut self, repository: &str, branch: &str) -> &mut (String, Tree) {
        self.repositories.get_mut(repository).unwrap().branches.get_mut(branch).expect("the branch is there")
    }
}

impl Repository {
    /// The commit that a ref names, and whether it is a branch's own name: that sees what is not committed too.
    fn resolve(&self, reference: &str) -> Option<(&str, Option<&Tree>)> {
        if let Some(base) = reference.strip_suffix('~').or_else(|| reference.strip_suffix("~1")) {
            let (commit, _) = self.resolve(base)?;
            return Some((self.commits[commit].parent.as_deref()?, None));
        }
        if let Some((head, tree)) = self.branches.get(reference) {
            return Some((head, Some(tree)));
        }
        if let Some(branch) = reference.strip_suffix('@') {
            return Some((&self.branches.get(branch)?.0, None));
        }
        if let Some(commit) = self.tags.get(reference) {
            return Some((commit, None));
        }
        let mut begun = self.commits.keys().filter(|id| reference.len() >= 6 && id.starts_with(reference));
        begun.next().filter(|_| begun.next().is_none()).map(|id| (id.as_str(), None))
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Cut> {
    let target = request.uri().path_and_query().map_or("", |target| target.as_str()).to_owned();
    let query = request.uri().query().unwrap_or_default();
    let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name, true), decoded(value, true))
    });
    let call = Call { target, query: query.collect() };
    let fault = {
        let mut state = shared.state();
        state.calls.push(call.clone());
        state.script.as_mut().and_then(|script| script(&call))
    };
    match &fault {
        Some(Fault::Cut) => return Err(Cut),
        Some(Fault::Late(time)) => tokio::time::sleep(*time).await,
        Some(Fault::Status(status, message, after)) => {
            let mut answer = said(*status, &json!({"message": message}));
            if let Some(after) = after {
                answer.headers_mut().insert(RETRY_AFTER, (*after).into());
            }
            return Ok(answer);
        }
        Some(Fault::Page(status, body)) => {
            return Ok(Response::builder().status(*status).body(Full::from(*body)).unwrap());
        }
        Some(Fault::Redirect(to)) => {
            return Ok(Response::builder().status(301).header(LOCATION, *to).body(Full::default()).unwrap());
        }
        _ => {}
    }
    let authorized = request.headers().get(AUTHORIZATION).is_some_and(|value| value == AUTHORIZED);
    if !authorized {
        return Ok(refused(401, "error authenticating request"));
    }
    if request.method() != Method::GET {
        return Ok(refused(405, "method not allowed"));
    }
    let Some(path) = request.uri().path().strip_prefix("/api/v1/") else {
        return Ok(refused(404, "invalid API endpoint"));
    };
    let parts: Vec<String> = path.split('/').map(|part| decoded(part, false)).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    Ok(shared.state().answer(&parts, &call, fault))
}

impl State {
    fn answer(&self, parts: &[&str], call: &Call, fault: Option<Fault>) -> Response<Full<Bytes>> {
        let ["repositories", name, rest @ ..] = parts else { return refused(404, "invalid API endpoint") };
        let Some(repository) = self.repositories.get(*name) else { return refused(404, "repository not found") };
        match rest {
            [] => said(
                200,
                &json!({"id": name, "default_branch": "main", "storage_namespace": repository.namespace, "creation_date": 1_795_342_454}),
            ),
            ["refs", reference, "commits"] if has_only(call, &["amount"]) => match repository.resolve(reference) {
                None => refused(404, "ref: not found"),
                Some((id, _)) => said(
                    200,
                    &json!({"pagination": {"has_more": true, "max_per_page": 1000, "next_offset": id, "results": 1}, "results": [{"id": id, "message": "m", "parents": []}]}),
                ),
            },
            ["refs", reference, "objects", "ls"]
                if has_only(call, &["user_metadata", "presign", "prefix", "after", "amount"]) =>
            {
                match repository.tree(reference) {
                    None => refused(404, "not found"),
                    Some(tree) => page(tree, call, fault),
                }
            }
            ["refs", reference, "objects"] if has_only(call, &["presign", "path"]) => {
                let path = call.query.get("path").map_or("", String::as_str);
                match repository.tree(reference).and_then(|tree| tree.get(path)) {
                    None => refused(404, "not found"),
                    Some(object) => Response::new(Full::new(object.body.clone())),
                }
            }
            _ => refused(400, "not a request that restitch should make"),
        }
    }
}

impl Repository {
    fn tree(&self, reference: &str) -> Option<&Tree> {
        let (commit, uncommitted) = self.resolve(reference)?;
        Some(uncommitted.unwrap_or(&self.commits[commit].tree))
    }
}

fn page(tree: &Tree, call: &Call, fault: Option<Fault>) -> Response<Full<Bytes>> {
    let of = |name: &str| call.query.get(name).map_or("", String::as_str);
    let (prefix, after) = (of("prefix"), of("after"));
    let amount: usize = match of("amount").parse() {
        Ok(amount @ 1..=1_000) => amount,
        _ => return refused(400, "argument amount: out of range"),
    };
    if of("presign") != "false" {
        return refused(400, "nobody asks for presigned addresses");
    }
    let below = tree.iter().filter(|(path, _)| path.starts_with(prefix) && path.as_str() > after);
    let mut entries: Vec<(&str, &Object)> =
        below.take(amount + 1).map(|(path, object)| (path.as_str(), object)).collect();
    let mut has_more = entries.len() > amount;
    entries.truncate(amount);
    let mut next = entries.last().filter(|_| has_more).map_or("", |(path, _)| path);
    match fault {
        Some(Fault::Stuck) => (has_more, next) = (true, after),
        Some(Fault::Stray(path)) => entries.iter_mut().take(1).for_each(|entry| entry.0 = path),
        _ => {}
    }
    let entry = |(path, object): &(&str, &Object)| {
        json!({
            "checksum": "2bbc29be5d636d37fce340804b1e0142",
            "content_type": "application/octet-stream",
            "mtime": 1_795_342_454,
            "path": path,
            "path_type": "object",
            "physical_address": object.physical,
            "size_bytes": object.size,
        })
    };
    let results: Vec<Value> = entries.iter().map(entry).collect();
    let pagination =
        json!({"has_more": has_more, "max_per_page": 1_000, "next_offset": next, "results": results.len()});
    said(200, &json!({"pagination": pagination, "results": results}))
}

fn has_only(call: &Call, names: &[&str]) -> bool {
    call.query.keys().all(|name| names.contains(&name.as_str()))
}

fn refused(status: u16, message: &str) -> Response<Full<Bytes>> {
    said(status, &json!({ "message": message }))
}

fn said(status: u16, body: &Value) -> Response<Full<Bytes>> {
    let answer = Response::builder().status(status).header("Content-Type", "application/json");
    answer.body(Full::new(serde_json::to_vec(body).unwrap().into())).unwrap()
}

/// Percent-decoding; in a query a `+` is a space.
fn decoded(text: &str, in_query: bool) -> String {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digit = |byte: Option<u8>| (byte.expect("two digits") as char).to_digit(16).expect("hex") as u8;
                let high = digit(bytes.next());
                out.push(high * 16 + digit(bytes.next()));
            }
            b'+' if in_query => out.push(b' '),
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).expect("paths are text")
}
