//! The store as the actors see it: each request waits until the schedule lets it happen, fail, or be forgotten.
//!
//! Requests happen at once and whole. A request whose sender has died or hung up may still land, for a while.

use std::collections::BTreeMap;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use restitch::error::{Error, ErrorKind, Result};
use restitch::listing::Page;
use restitch::map::body::Body;
use restitch::store::memory::{Fault, Memory, Tags};
use restitch::store::{Condition, ETag, Store, Stored, Traits, Written};
use restitch::uri::Uri;

/// What the world grants: a request lands within so many milliseconds after it was sent, or never. Its sender gets an
/// error after that time.
pub const LANDS_WITHIN_MS: u64 = 10_000;

/// The store's clock when a run begins, in seconds since 1970. Runs begin in the middle of a second.
const BEGIN_S: i64 = 1_000_000_000;
const BEGIN_MS: u64 = 900;

/// How old everything is then, in seconds: what is empty has been so for long enough to be pruned.
const OLD_S: i64 = 2 * 24 * 3600;

#[derive(Clone, Debug)]
pub struct World(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    memory: Memory,
    now_ms: u64,
    page_size: usize,
    requests: Vec<Request>,
    sent: u32,
    /// Of each object that was written: a digest of what it is, and when that was.
    written: BTreeMap<Uri, (u64, u64)>,
    /// By actor, a digest of everything it was told and when: what it does next depends on nothing else.
    told: Vec<u64>,
}

/// A request that has not happened yet, as far as a schedule cares.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    pub id: u32,
    pub actor: usize,
    pub kind: Kind,
    /// Nobody waits for the answer any more.
    pub orphan: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Begin,
    Read,
    Put,
    Delete,
}

#[derive(Debug)]
struct Request {
    id: u32,
    actor: usize,
    call: Call,
    /// Of the call.
    digest: u64,
    sent_ms: u64,
    orphan: bool,
    answer: Option<Answer>,
    waker: Option<Waker>,
}

#[derive(Clone, Debug)]
pub enum Call {
    /// No request: the actor has yet to begin.
    Begin,
    List {
        prefix: Uri,
        after: Option<String>,
    },
    Get(Uri),
    Put {
        uri: Uri,
        body: Bytes,
        condition: Condition,
    },
    Delete(Uri),
}

impl Call {
    /// The object, or the prefix.
    pub fn uri(&self) -> Option<&Uri> {
        match self {
            Call::Begin => None,
            Call::List { prefix: uri, .. } | Call::Get(uri) | Call::Put { uri, .. } | Call::Delete(uri) => Some(uri),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Call::Begin => Kind::Begin,
            Call::List { .. } | Call::Get(_) => Kind::Read,
            Call::Put { .. } => Kind::Put,
            Call::Delete(_) => Kind::Delete,
        }
    }
}

#[derive(Clone, Debug)]
enum Answer {
    Begun,
    Page(std::result::Result<Page, Told>),
    Got(std::result::Result<Option<Stored>, Told>),
    Put(std::result::Result<Written, Told>),
    Deleted(std::result::Result<(), Told>),
}

/// An error in a form that can be kept and given again.
type Told = (ErrorKind, String);

impl World {
    /// A world that holds `objects`, for so many actors.
    pub fn new(objects: &BTreeMap<Uri, Bytes>, actors: usize, tags: Tags, page_size: usize) -> World {
        let memory = Memory::new();
        memory.set_tags(tags);
        memory.set_page_size(page_size);
        memory.set_now(BEGIN_S - OLD_S);
        objects.iter().for_each(|(uri, body)| drop(memory.insert(uri, body.clone())));
        memory.set_now(BEGIN_S);
        World(Arc::new(Mutex::new(State {
            memory,
            now_ms: BEGIN_MS,
            page_size,
            requests: Vec::new(),
            sent: 0,
            written: BTreeMap::new(),
            told: vec![0; actors],
        })))
    }

    pub fn client(&self, actor: usize) -> Client {
        Client { world: self.clone(), actor }
    }

    /// The store itself, past the schedule.
    pub fn memory(&self) -> Memory {
        self.state().memory.clone()
    }

    /// Requests that have not happened yet, in the order in which they were sent.
    pub fn pending(&self) -> Vec<Pending> {
        let pending = |request: &Request| {
            let Request { id, actor, orphan, .. } = *request;
            request.answer.is_none().then(|| Pending { id, actor, kind: request.call.kind(), orphan })
        };
        self.state().requests.iter().filter_map(pending).collect()
    }

    /// Lets a request happen, or fail as `fault` says, and answers it. Returns the call and whether it wrote.
    pub fn happen(&self, id: u32, fault: Option<Fault>) -> Happened {
        let mut state = self.state();
        let at = state.requests.iter().position(|request| request.id == id).expect("the schedule knows its requests");
        let Request { actor, digest: asked, sent_ms, orphan, .. } = state.requests[at];
        let call = state.requests[at].call.clone();
        let landed = state.would_land(&call) && matches!(fault, None | Some(Fault::LostAnswer | Fault::LandedConflict));
        if let Some(fault) = fault {
            state.memory.set_script(move |_| Some(fault));
        }
        let answer = state.answer(&call);
        state.memory.clear_script();
        let failed = match &answer {
            Answer::Begun => None,
            Answer::Page(told) => told.as_ref().err(),
            Answer::Got(told) => told.as_ref().err(),
            Answer::Put(told) => told.as_ref().err(),
            Answer::Deleted(told) => told.as_ref().err(),
        };
        let failed = failed.map(|(kind, _)| *kind);
        if let Some(uri) = call.uri().filter(|_| landed) {
            let digest = digest(|hasher| (&uri.key, state.etag(uri)).hash(hasher));
            let now_ms = state.now_ms;
            state.written.insert(uri.clone(), (digest, now_ms));
        }
        state.tell(actor, asked, sent_ms, &answer);
        if orphan {
            state.requests.remove(at);
        } else {
            let request = &mut state.requests[at];
            request.answer = Some(answer);
            request.waker.take().into_iter().for_each(Waker::wake);
        }
        Happened { actor, call, landed, failed }
    }

    /// Lets time pass. What was sent too long ago never lands; who waits for it is told so.
    pub fn pass(&self, ms: u64) {
        let mut state = self.state();
        state.now_ms += ms;
        let now_ms = state.now_ms;
        state.memory.set_now(BEGIN_S + (now_ms / 1000) as i64);
        let late = |request: &Request| {
            request.answer.is_none()
                && now_ms - request.sent_ms > LANDS_WITHIN_MS
                && !matches!(request.call, Call::Begin)
        };
        state.requests.retain(|request| !(request.orphan && late(request)));
        for at in 0..state.requests.len() {
            if late(&state.requests[at]) {
                let told = (ErrorKind::Unreachable, "no answer".to_owned());
                let Request { actor, digest, sent_ms, .. } = state.requests[at];
                let answer = match state.requests[at].call {
                    Call::Begin => unreachable!("it is never late"),
                    Call::List { .. } => Answer::Page(Err(told)),
                    Call::Get(_) => Answer::Got(Err(told)),
                    Call::Put { .. } => Answer::Put(Err(told)),
                    Call::Delete(_) => Answer::Deleted(Err(told)),
                };
                state.tell(actor, digest, sent_ms, &answer);
                let request = &mut state.requests[at];
                request.answer = Some(answer);
                request.waker.take().into_iter().for_each(Waker::wake);
            }
        }
    }

    /// Notes that an actor was told something besides answers: a signal.
    pub fn tell(&self, actor: usize, what: &str) {
        let mut state = self.state();
        let told = digest(|hasher| (state.told[actor], what).hash(hasher));
        state.told[actor] = told;
    }

    /// Forgets what is under way.
    pub fn forget_requests(&self) {
        self.state().requests.retain(|request| !request.orphan);
    }

    /// A digest of what every object holds.
    pub fn objects_digest(&self) -> u64 {
        self.state().written.values().fold(0, |all, (digest, _)| all ^ digest)
    }

    /// A digest of everything that what comes next depends on. Tags must be MD5s.
    pub fn digest(&self) -> u64 {
        let state = self.state();
        digest(|hasher| {
            (state.now_ms, &state.told).hash(hasher);
            state.written.values().for_each(|written| written.hash(hasher));
            for request in state.requests.iter().filter(|request| request.answer.is_none()) {
                (request.actor, request.sent_ms, request.orphan, request.digest).hash(hasher);
            }
        })
    }

    fn send(&self, actor: usize, call: Call) -> Asked {
        let mut state = self.state();
        state.sent += 1;
        let (id, sent_ms) = (state.sent, state.now_ms);
        let digest = digest(|hasher| call.hash(hasher));
        state.requests.push(Request { id, actor, call, digest, sent_ms, orphan: false, answer: None, waker: None });
        Asked { world: self.clone(), id }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// What came of a request.
#[derive(Debug)]
pub struct Happened {
    pub actor: usize,
    pub call: Call,
    /// Whether the store is changed.
    pub landed: bool,
    /// What its sender hears, unless it went well.
    pub failed: Option<ErrorKind>,
}

impl State {
    fn answer(&self, call: &Call) -> Answer {
        const NOW: &str = "the memory store never waits";
        match call {
            Call::Begin => Answer::Begun,
            Call::List { prefix, after } => {
                let page = Store::list(&self.memory, prefix, after.as_deref()).next().now_or_never().expect(NOW);
                Answer::Page(page.expect("there is always a first page").map_err(told))
            }
            Call::Get(uri) => Answer::Got(self.memory.get(uri).now_or_never().expect(NOW).map_err(told)),
            Call::Put { uri, body, condition } => Answer::Put(
                self.memory.put(uri, body.clone().into(), condition).now_or_never().expect(NOW).map_err(told),
            ),
            Call::Delete(uri) => {
                let failed = self.memory.delete(std::slice::from_ref(uri)).now_or_never().expect(NOW);
                let failed = failed.expect("failures come one by one").into_iter().next();
                Answer::Deleted(failed.map_or(Ok(()), |(_, error)| Err(told(error))))
            }
        }
    }

    /// Whether it is a write whose condition holds.
    fn would_land(&self, call: &Call) -> bool {
        match call {
            Call::Begin | Call::List { .. } | Call::Get(_) => false,
            Call::Delete(_) | Call::Put { condition: Condition::None, .. } => true,
            Call::Put { uri, condition: Condition::Absent, .. } => self.etag(uri).is_none(),
            Call::Put { uri, condition: Condition::Is(etag), .. } => self.etag(uri).as_ref() == Some(etag),
        }
    }

    fn etag(&self, uri: &Uri) -> Option<ETag> {
        let stored = self.memory.get(uri).now_or_never().expect("the memory store never waits");
        stored.expect("nothing fails by itself").map(|stored| stored.etag)
    }

    fn tell(&mut self, actor: usize, asked: u64, sent_ms: u64, answer: &Answer) {
        self.told[actor] = digest(|hasher| {
            (self.told[actor], asked, sent_ms, self.now_ms).hash(hasher);
            answer.hash(hasher);
        });
    }
}

/// An actor's way to the store.
#[derive(Clone, Debug)]
pub struct Client {
    world: World,
    actor: usize,
}

impl Client {
    /// Waits for the schedule to let the actor begin.
    pub async fn begin(&self) {
        self.ask(Call::Begin).await;
    }

    async fn ask(&self, call: Call) -> Answer {
        self.world.send(self.actor, call).await
    }
}

/// Waits for the answer to a request; given up, it leaves the request to itself.
struct Asked {
    world: World,
    id: u32,
}

impl Future for Asked {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let mut state = self.world.state();
        let at = state.requests.iter().position(|request| request.id == self.id).expect("it is under way");
        let Some(answer) = state.requests[at].answer.take() else {
            state.requests[at].waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        state.requests.remove(at);
        Poll::Ready(answer)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let mut state = self.world.state();
        let Some(at) = state.requests.iter().position(|request| request.id == self.id) else { return };
        if state.requests[at].answer.is_some() {
            state.requests.remove(at);
        } else {
            state.requests[at].orphan = true;
            state.requests[at].waker = None;
        }
    }
}

#[async_trait]
impl Store for Client {
    fn list<'a>(&'a self, prefix: &Uri, start_after: Option<&str>) -> BoxStream<'a, Result<Page>> {
        let cursor = Some((prefix.clone(), start_after.map(str::to_owned)));
        let next = move |cursor: Option<(Uri, Option<String>)>| async move {
            let (prefix, after) = cursor?;
            let call = Call::List { prefix: prefix.clone(), after };
            let Answer::Page(page) = self.ask(call).await else { unreachable!("a list is answered by a page") };
            let full = self.world.state().page_size;
            match page {
                Err(told) => Some((Err(error(told)), None)),
                Ok(page) => {
                    let last = (page.len() == full).then(|| page.key(full - 1).to_owned());
                    Some((Ok(page), last.map(|last| (prefix, Some(last)))))
                }
            }
        };
        stream::unfold(cursor, next).boxed()
    }

    async fn get(&self, uri: &Uri) -> Result<Option<Stored>> {
        let Answer::Got(got) = self.ask(Call::Get(uri.clone())).await else { unreachable!("a get is answered so") };
        got.map_err(error)
    }

    async fn put(&self, uri: &Uri, body: Body, condition: &Condition) -> Result<Written> {
        let body = Bytes::from_owner(body.read()?);
        let call = Call::Put { uri: uri.clone(), body, condition: condition.clone() };
        let Answer::Put(written) = self.ask(call).await else { unreachable!("a put is answered so") };
        written.map_err(error)
    }

    async fn delete(&self, uris: &[Uri]) -> Result<Vec<(Uri, Error)>> {
        let mut failed = Vec::new();
        for uri in uris {
            let Answer::Deleted(deleted) = self.ask(Call::Delete(uri.clone())).await else {
                unreachable!("a delete is answered so")
            };
            failed.extend(deleted.err().map(|told| (uri.clone(), error(told))));
        }
        Ok(failed)
    }

    fn traits(&self) -> Traits {
        self.world.state().memory.traits()
    }
}

fn told(error: Error) -> Told {
    (error.kind(), error.message().to_owned())
}

fn error((kind, message): Told) -> Error {
    Error::new(kind, message)
}

fn digest(hash: impl FnOnce(&mut DefaultHasher)) -> u64 {
    let mut hasher = DefaultHasher::new();
    hash(&mut hasher);
    hasher.finish()
}

impl Hash for Call {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        std::mem::discriminant(self).hash(hasher);
        self.uri().map(|uri| &uri.key).hash(hasher);
        match self {
            Call::List { after, .. } => after.hash(hasher),
            Call::Put { body, condition, .. } => {
                body.hash(hasher);
                match condition {
                    Condition::None => 0.hash(hasher),
                    Condition::Absent => 1.hash(hasher),
                    Condition::Is(etag) => etag.hash(hasher),
                }
            }
            Call::Begin | Call::Get(_) | Call::Delete(_) => {}
        }
    }
}

impl Hash for Answer {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        match self {
            Answer::Page(Ok(page)) => {
                page.objects().for_each(|object| (object.key, object.size, object.etag).hash(hasher));
            }
            Answer::Got(Ok(Some(stored))) => {
                (&stored.etag, stored.modified, stored.now).hash(hasher);
            }
            Answer::Put(Ok(written)) => (&written.etag, written.now).hash(hasher),
            Answer::Begun | Answer::Got(Ok(None)) | Answer::Deleted(Ok(())) => {}
            Answer::Page(Err((kind, _)))
            | Answer::Got(Err((kind, _)))
            | Answer::Put(Err((kind, _)))
            | Answer::Deleted(Err((kind, _))) => kind.hash(hasher),
        }
    }
}
