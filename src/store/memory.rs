//! A store (and listing) in memory: exact keys, conditional writes, MD5 or KMS-like ETags, a clock and faults that a test sets.
//!
//! For tests and simulations, of this crate and of others. Never blocks, never touches a file or the network.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use md5::{Digest, Md5};

use super::{Condition, ETag, Store, Stored, Traits, Written, whole};
use crate::error::{Error, ErrorKind, Result};
use crate::listing::{Listing, Object, Page, PageBuilder, Requests};
use crate::map::body::Body;
use crate::uri::Uri;

/// Holds objects of any bucket; a clone is the same store.
#[derive(Clone)]
pub struct Memory {
    state: Arc<Mutex<State>>,
}

struct State {
    objects: BTreeMap<Uri, Entry>,
    tags: Tags,
    page_size: usize,
    /// `None`: the system's clock.
    now: Option<i64>,
    script: Option<Box<Script>>,
    counts: Counts,
    writes: u64,
}

struct Entry {
    body: Bytes,
    etag: ETag,
    modified: i64,
}

/// Decides which request fails, and how; it sees every request before it happens.
pub type Script = dyn FnMut(&Call<'_>) -> Option<Fault> + Send;

/// What ETags are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tags {
    /// The MD5 of the body, as S3 gives without KMS.
    Md5,
    /// 32 hex digits too, but another for every write, as under KMS.
    Kms,
}

/// A request about to happen; a list is one request a page, a batch of deletes one a key.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub operation: Operation,
    /// The object; for a list, the prefix.
    pub uri: &'a Uri,
    /// Of a put.
    pub condition: Option<&'a Condition>,
    /// Of a put.
    pub body: Option<&'a Bytes>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    List,
    Get,
    Put,
    Delete,
}

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 503 to the last retry: nothing happens, `Throttled`.
    Throttled,
    /// 403: nothing happens, `Denied`.
    Denied,
    /// The request never arrives: nothing happens, `Unreachable`.
    LostRequest,
    /// It happens, the answer never arrives: `Unreachable`.
    LostAnswer,
    /// 412, or 409 to the last retry: nothing happens, `Conflict`.
    Conflict,
    /// It happens, the answer is lost, the client's own retry finds it done: `Conflict`.
    LandedConflict,
    /// The process dies before the request: nothing happens, and the call never returns.
    KilledBefore,
    /// The process dies after the request: it happens, and the call never returns.
    KilledAfter,
}

/// Requests so far, faulty ones included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub lists: u64,
    pub gets: u64,
    pub puts: u64,
    /// Keys, not batches.
    pub deletes: u64,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::new()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} objects)", self.state().objects.len())
    }
}

impl Memory {
    /// Empty, with MD5 ETags, pages of 1,000 keys and the system's clock.
    pub fn new() -> Memory {
        let state = State {
            objects: BTreeMap::new(),
            tags: Tags::Md5,
            page_size: 1_000,
            now: None,
            script: None,
            counts: Counts::default(),
            writes: 0,
        };
        Memory { state: Arc::new(Mutex::new(state)) }
    }

    /// The ETags of writes from here on.
    pub fn set_tags(&self, tags: Tags) {
        self.state().tags = tags;
    }

    /// Keys a page, at least 1.
    pub fn set_page_size(&self, keys: usize) {
        self.state().page_size = keys.max(1);
    }

    /// Stops the clock at `seconds` since 1970; from then on only [`Memory::advance`] moves it.
    pub fn set_now(&self, seconds: i64) {
        self.state().now = Some(seconds);
    }

    pub fn advance(&self, seconds: i64) {
        let mut state = self.state();
        state.now = Some(state.now() + seconds);
    }

    /// Seconds since 1970.
    pub fn now(&self) -> i64 {
        self.state().now()
    }

    /// Lets `script` decide about every request from here on.
    pub fn set_script(&self, script: impl FnMut(&Call<'_>) -> Option<Fault> + Send + 'static) {
        self.state().script = Some(Box::new(script));
    }

    pub fn clear_script(&self) {
        self.state().script = None;
    }

    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Puts an object there, past script and counts.
    pub fn insert(&self, uri: &Uri, body: impl Into<Bytes>) -> ETag {
        self.state().write(uri, body.into())
    }

    /// Takes an object away, past script and counts.
    pub fn remove(&self, uri: &Uri) -> bool {
        self.state().objects.remove(uri).is_some()
    }

    /// Everything there is, in order, past script and counts.
    pub fn snapshot(&self) -> BTreeMap<Uri, Bytes> {
        self.state().objects.iter().map(|(uri, entry)| (uri.clone(), entry.body.clone())).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Lets the script speak, does `work` where the fault (if any) lets it happen, and gives what the caller sees.
    async fn request<T>(&self, call: Call<'_>, work: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let seen = {
            let mut state = self.state();
            state.count(call.operation);
            let fault = state.script.as_mut().and_then(|script| script(&call));
            match fault {
                None => Seen::Answer(work(&mut state)),
                Some(fault) => fault.strike(|| work(&mut state), call.uri),
            }
        };
        match seen {
            Seen::Answer(answer) => answer,
            Seen::Nothing => std::future::pending().await,
        }
    }

    fn pages<'a>(&'a self, prefix: &Uri, start_after: Option<&str>) -> BoxStream<'a, Result<Page>> {
        let cursor = Some((prefix.clone(), start_after.map(str::to_owned)));
        let next = move |cursor: Option<(Uri, Option<String>)>| async move {
            let (prefix, after) = cursor?;
            let call = Call { operation: Operation::List, uri: &prefix, condition: None, body: None };
            match self.request(call, |state| Ok(state.page(&prefix, after.as_deref()))).await {
                Err(error) => Some((Err(error), None)),
                Ok((page, last)) => Some((Ok(page), last.map(|last| (prefix, Some(last))))),
            }
        };
        stream::unfold(cursor, next).boxed()
    }
}

/// What a caller gets to see of a request.
enum Seen<T> {
    Answer(Result<T>),
    Nothing,
}

impl Fault {
    fn strike<T>(self, work: impl FnOnce() -> Result<T>, uri: &Uri) -> Seen<T> {
        let lands = matches!(self, Fault::LostAnswer | Fault::LandedConflict | Fault::KilledAfter);
        if lands && let Err(error) = work() {
            return Seen::Answer(Err(error));
        }
        let (kind, what) = match self {
            Fault::KilledBefore | Fault::KilledAfter => return Seen::Nothing,
            Fault::Throttled => (ErrorKind::Throttled, "slow down"),
            Fault::Denied => (ErrorKind::Denied, "access denied"),
            Fault::LostRequest | Fault::LostAnswer => (ErrorKind::Unreachable, "no answer"),
            Fault::Conflict | Fault::LandedConflict => (ErrorKind::Conflict, "the condition does not hold"),
        };
        Seen::Answer(Err(Error::new(kind, format!("{}: {what}", uri.shown()))))
    }
}

impl State {
    fn now(&self) -> i64 {
        self.now.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        })
    }

    fn count(&mut self, operation: Operation) {
        let count = match operation {
            Operation::List => &mut self.counts.lists,
            Operation::Get => &mut self.counts.gets,
            Operation::Put => &mut self.counts.puts,
            Operation::Delete => &mut self.counts.deletes,
        };
        *count += 1;
    }

    fn write(&mut self, uri: &Uri, body: Bytes) -> ETag {
        self.writes += 1;
        let digest = match self.tags {
            Tags::Md5 => Md5::digest(&body),
            Tags::Kms => Md5::digest([b"write ".as_slice(), &self.writes.to_le_bytes()].concat()),
        };
        let etag = ETag(digest.iter().map(|byte| format!("{byte:02x}")).collect());
        let modified = self.now();
        self.objects.insert(uri.clone(), Entry { body, etag: etag.clone(), modified });
        etag
    }

    /// Whether `condition` holds for what is at `uri` now.
    fn check(&self, uri: &Uri, condition: &Condition) -> Result<()> {
        let there = self.objects.get(uri).map(|entry| &entry.etag);
        let holds = match condition {
            Condition::None => true,
            Condition::Absent => there.is_none(),
            Condition::Is(etag) => there == Some(etag),
        };
        if holds { Ok(()) } else { Err(super::conflict(uri, condition, there)) }
    }

    /// One page after `after`, and the key to go on from unless it was the last.
    fn page(&self, prefix: &Uri, after: Option<&str>) -> (Page, Option<String>) {
        let from = match after.filter(|after| *after >= prefix.key.as_str()) {
            Some(after) => Bound::Excluded(Uri::new(prefix.bucket.clone(), after)),
            None => Bound::Included(prefix.clone()),
        };
        let mut below =
            self.objects.range((from, Bound::Unbounded)).take_while(|(uri, _)| prefix.is_prefix_of(uri)).peekable();
        let mut page = PageBuilder::new(prefix.bucket.clone());
        let mut last = None;
        while page.len() < self.page_size
            && let Some((uri, entry)) = below.next()
        {
            page.push(&Object {
                bucket: &prefix.bucket,
                key: &uri.key,
                physical: None,
                size: Some(entry.body.len() as u64),
                modified: Some(entry.modified),
                storage_class: None,
                etag: Some(&entry.etag.0),
            });
            last = Some(uri.key.clone());
        }
        let more = below.peek().is_some();
        (page.finish(), last.filter(|_| more))
    }
}

#[async_trait]
impl Store for Memory {
    fn list<'a>(&'a self, prefix: &Uri, start_after: Option<&str>) -> BoxStream<'a, Result<Page>> {
        self.pages(prefix, start_after)
    }

    async fn get(&self, uri: &Uri) -> Result<Option<Stored>> {
        let call = Call { operation: Operation::Get, uri, condition: None, body: None };
        self.request(call, |state| {
            let now = state.now();
            let stored = |e: &Entry| Stored { body: e.body.clone(), etag: e.etag.clone(), modified: e.modified, now };
            Ok(state.objects.get(uri).map(stored))
        })
        .await
    }

    async fn put(&self, uri: &Uri, body: Body, condition: &Condition) -> Result<Written> {
        let body = whole(&body)?;
        let call = Call { operation: Operation::Put, uri, condition: Some(condition), body: Some(&body) };
        self.request(call, |state| {
            state.check(uri, condition)?;
            let etag = state.write(uri, body.clone());
            Ok(Written { etag, now: state.now() })
        })
        .await
    }

    async fn delete(&self, uris: &[Uri]) -> Result<Vec<(Uri, Error)>> {
        let mut failed = Vec::new();
        for uri in uris {
            let call = Call { operation: Operation::Delete, uri, condition: None, body: None };
            let gone = self.request(call, |state| Ok(state.objects.remove(uri))).await;
            failed.extend(gone.err().map(|error| (uri.clone(), error)));
        }
        Ok(failed)
    }

    fn traits(&self) -> Traits {
        let md5_etags = self.state().tags == Tags::Md5;
        Traits { md5_etags, dollars_per_1000_writes: 0.0, folds_case: false }
    }
}

#[async_trait]
impl Listing for Memory {
    fn list<'a>(&'a self, prefix: &Uri) -> BoxStream<'a, Result<Page>> {
        self.pages(prefix, None)
    }

    async fn any(&self, prefix: &Uri) -> Result<bool> {
        let call = Call { operation: Operation::List, uri: prefix, condition: None, body: None };
        self.request(call, |state| Ok(!state.page(prefix, None).0.is_empty())).await
    }

    fn requests(&self) -> Requests {
        let counts = self.counts();
        Requests { lists: counts.lists, gets: counts.gets, throttled: 0 }
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    fn uri(key: &str) -> Uri {
        Uri::parse("s3://bucket/").unwrap().join(key)
    }

    async fn keys(memory: &Memory, after: Option<&str>) -> Vec<Vec<String>> {
        let pages: Vec<Page> = Store::list(memory, &uri("p"), after).try_collect().await.unwrap();
        pages.iter().map(|page| page.objects().map(|object| object.key.to_owned()).collect()).collect()
    }

    #[tokio::test]
    async fn pages_are_cut_to_size_and_start_after_a_key() {
        let memory = Memory::new();
        for key in ["o", "p/a", "p/b", "p/c", "p-", "q"] {
            memory.insert(&uri(key), "x");
        }
        memory.set_page_size(2);
        assert_eq!(keys(&memory, None).await, [["p-", "p/a"], ["p/b", "p/c"]]);
        assert_eq!(keys(&memory, Some("p/b")).await, [["p/c"]]);
        assert_eq!(keys(&memory, Some("a")).await.concat().len(), 4);
        assert_eq!(memory.counts().lists, 5);
    }

    #[tokio::test]
    async fn a_condition_holds_or_is_a_conflict() {
        let memory = Memory::new();
        let first = memory.put(&uri("k"), "1".into(), &Condition::Absent).await.unwrap();
        assert_eq!(first.etag.0, "c4ca4238a0b923820dcc509a6f75849b");
        let again = memory.put(&uri("k"), "2".into(), &Condition::Absent).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::Conflict);
        let second = memory.put(&uri("k"), "2".into(), &Condition::Is(first.etag.clone())).await.unwrap();
        assert_ne!(first.etag, second.etag);
        let stale = memory.put(&uri("k"), "3".into(), &Condition::Is(first.etag.clone())).await.unwrap_err();
        assert_eq!(stale.kind(), ErrorKind::Conflict);
        let gone = memory.put(&uri("other"), "3".into(), &Condition::Is(first.etag)).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::Conflict);
    }

    #[tokio::test]
    async fn faults_strike_before_or_after_the_write() {
        let memory = Memory::new();
        for (fault, kind, lands) in [
            (Fault::Throttled, ErrorKind::Throttled, false),
            (Fault::LostRequest, ErrorKind::Unreachable, false),
            (Fault::LostAnswer, ErrorKind::Unreachable, true),
            (Fault::Conflict, ErrorKind::Conflict, false),
            (Fault::LandedConflict, ErrorKind::Conflict, true),
        ] {
            memory.remove(&uri("k"));
            memory.set_script(move |call| (call.operation == Operation::Put).then_some(fault));
            let error = memory.put(&uri("k"), "1".into(), &Condition::Absent).await.unwrap_err();
            assert_eq!((error.kind(), memory.snapshot().len() == 1), (kind, lands), "{fault:?}");
        }
        memory.set_script(|_| Some(Fault::KilledAfter));
        let target = uri("other");
        let put = memory.put(&target, "1".into(), &Condition::Absent);
        assert!(tokio::time::timeout(std::time::Duration::from_millis(5), put).await.is_err());
        assert!(memory.snapshot().contains_key(&target));
    }

    #[tokio::test]
    async fn kms_tags_say_nothing_about_the_body() {
        let memory = Memory::new();
        memory.set_tags(Tags::Kms);
        let (one, two) = (memory.insert(&uri("a"), "same"), memory.insert(&uri("b"), "same"));
        assert!(one != two && one.md5().is_some());
        memory.set_now(100);
        memory.advance(60);
        memory.insert(&uri("a"), "x");
        let stored = memory.get(&uri("a")).await.unwrap().unwrap();
        assert_eq!((stored.modified, stored.now), (160, 160));
    }
}
