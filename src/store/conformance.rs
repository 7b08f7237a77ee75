//! What every [`Store`] must do, as checks that an adapter's own tests run: hand [`check`] a [`Subject`].
//!
//! Panics with what was broken, as tests do. Public so that an adapter outside this crate can be held to it; uses nothing
//! that the library does not.

use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;
use futures::future::join_all;

use super::{Condition, ETag, Store, Stored, Written};
use crate::error::{Error, ErrorKind};
use crate::listing::Page;
use crate::listing::conformance::{PAGE_SIZES, assert_same, odd_keys};
use crate::map::body::Body;
use crate::uri::Uri;

/// The adapter under test, and what its store cannot hold.
#[async_trait]
pub trait Subject: Send + Sync {
    /// The store, cutting its listings into pages of at most so many keys. Every call opens the same store.
    async fn open(&self, page_size: usize) -> Arc<dyn Store>;

    /// A prefix that ends in `/` and has nothing below it; another one at each call.
    async fn place(&self) -> Uri;

    /// What becomes of a key; `key` is what follows the place.
    fn holds(&self, key: &str) -> Holds {
        let _ = key;
        Holds::Exactly
    }

    /// Whether a copy is refused where its source has changed. A server that copies whatever is there does no harm: what was
    /// copied is held against its MD5 afterwards.
    fn copies_under_conditions(&self) -> bool {
        true
    }

    /// How many clients race, and how often.
    fn races(&self) -> Races {
        Races { clients: 20, rounds: 10 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    Exactly,
    /// A put is an error, and nothing is written.
    Refused,
    /// The server takes it for another key, and no client can prevent that: left alone.
    Garbled,
}

#[derive(Clone, Copy, Debug)]
pub struct Races {
    /// At least 2.
    pub clients: usize,
    pub rounds: usize,
}

/// How far a store's clock may seem to jump between two answers, in seconds: times are whole seconds.
const TICK_S: i64 = 2;

/// Runs every check.
///
/// # Panics
/// If the store breaks the contract.
pub async fn check(subject: &dyn Subject) {
    odd_keys_are_kept_or_refused(subject).await;
    bodies_are_kept(subject).await;
    listings_begin_after_a_key(subject).await;
    a_prefix_is_no_directory(subject).await;
    what_is_not_there_is_none(subject).await;
    conditions_hold(subject).await;
    tags_follow_the_content(subject).await;
    copies_are_of_what_was_seen(subject).await;
    deletes_leave_nothing(subject).await;
    the_clock_is_the_stores(subject).await;
    one_of_many_creates(subject).await;
    one_of_many_replaces(subject).await;
    readers_see_whole_bodies(subject).await;
}

/// Every key of [`odd_keys`] is written, read, listed and deleted as it is; or a put says that it cannot be, and nothing
/// is there under that name or another.
pub async fn odd_keys_are_kept_or_refused(subject: &dyn Subject) {
    let (store, place) = (subject.open(1_000).await, subject.place().await);
    let mut kept: Vec<(String, ETag)> = Vec::new();
    for key in odd_keys(&place) {
        let uri = place.join(&key);
        match subject.holds(&key) {
            Holds::Garbled => {}
            Holds::Refused => {
                let refused = put(&*store, &uri, &key, &Condition::Absent).await;
                assert!(refused.is_err(), "{key:?} was to be refused, and was written");
                let there = store.get(&uri).await;
                assert!(!matches!(there, Ok(Some(_))), "{key:?} was refused, and is there");
            }
            Holds::Exactly => {
                let written = put(&*store, &uri, &key, &Condition::Absent).await;
                kept.push((uri.key, written.unwrap_or_else(|error| panic!("{key:?}: {error:?}")).etag));
            }
        }
    }
    for (key, etag) in &kept {
        let stored = read(&*store, &Uri::new(place.bucket.clone(), key.as_str())).await;
        assert_eq!(&stored.body[..], &key.as_bytes()[place.key.len()..], "the body of {key:?}");
        assert_eq!(&stored.etag, etag, "the ETag of {key:?}, read and written");
    }
    kept.sort_by(|(a, _), (b, _)| a.cmp(b));
    for page_size in PAGE_SIZES {
        let listed = list(&*subject.open(page_size).await, &place, None, page_size).await;
        let expected: Vec<String> = kept.iter().map(|(key, _)| key.clone()).collect();
        let keys: Vec<String> = listed.iter().map(|listed| listed.key.clone()).collect();
        assert_same(&keys, &expected, &format!("keys in pages of {page_size}"));
        for (listed, (key, etag)) in listed.iter().zip(&kept) {
            assert_eq!(listed.etag.as_ref(), Some(&etag.0), "the ETag of {key:?}, listed and written");
            assert_eq!(listed.size, Some((key.len() - place.key.len()) as u64), "the size of {key:?}");
        }
    }
    for (key, _) in &kept {
        let uri = Uri::new(place.bucket.clone(), key.as_str());
        assert_all_deleted(store.delete(std::slice::from_ref(&uri)).await);
        assert!(store.get(&uri).await.expect("a get").is_none(), "{key:?} is deleted, and is there");
    }
    assert!(list(&*store, &place, None, 1_000).await.is_empty(), "all is deleted, and something is listed");
}

/// Bodies of no bytes, of every byte and of many bytes.
pub async fn bodies_are_kept(subject: &dyn Subject) {
    let (store, place) = (subject.open(1_000).await, subject.place().await);
    let every: Vec<u8> = (0..=255).collect();
    let many = "s3://bucket/a/manifest/line\n".repeat(200_000).into_bytes();
    for body in [Vec::new(), every, many] {
        let uri = place.join(&format!("{}/symlink.txt", body.len()));
        let written = store.put(&uri, body.clone().into(), &Condition::Absent).await.expect("a put");
        let stored = read(&*store, &uri).await;
        assert!(stored.body == body, "a body of {} bytes comes back as {}", body.len(), stored.body.len());
        assert_eq!(stored.etag, written.etag, "ETags, read and written");
        let listed = list(&*store, &uri, None, 1_000).await;
        assert_eq!(listed[0].size, Some(body.len() as u64), "a listed size");
    }
}

/// `start_after` leaves out the key that it names and all before it, whether it is there or not.
pub async fn listings_begin_after_a_key(subject: &dyn Subject) {
    let (store, place) = (subject.open(1_000).await, subject.place().await);
    let mut keys: Vec<String> = (0..9).map(|n| format!("{}p={n}/symlink.txt", place.key)).collect();
    keys.extend(["p-/x", "p/x", "q"].map(|key| format!("{}{key}", place.key)));
    for key in &keys {
        put(&*store, &Uri::new(place.bucket.clone(), key.as_str()), key, &Condition::None).await.expect("a put");
    }
    keys.sort_unstable();
    let between = ["p=3", "p=3/", "p=3/z", "p=", "p", "", "a", "r", "\u{10ffff}"];
    let before = [String::new(), "\u{1}".to_owned(), place.key[..1].to_owned()];
    let starts = keys.iter().cloned().chain(between.iter().map(|key| format!("{}{key}", place.key))).chain(before);
    let starts: Vec<String> = starts.filter(|start| !start.is_empty()).collect();
    for page_size in PAGE_SIZES {
        let store = subject.open(page_size).await;
        for start in &starts {
            let expected: Vec<String> = keys.iter().filter(|key| *key > start).cloned().collect();
            let listed = list(&*store, &place, Some(start), page_size).await;
            let got: Vec<String> = listed.into_iter().map(|listed| listed.key).collect();
            let first = store.first(&place, Some(start)).await.expect("a listing");
            assert_eq!(first.as_ref(), expected.first(), "the first after {start:?}");
            assert_same(&got, &expected, &format!("after {start:?} in pages of {page_size}"));
        }
    }
}

/// `p` covers `p-x` and `pq/x` as it covers `p/x`; nothing before or behind it comes along.
pub async fn a_prefix_is_no_directory(subject: &dyn Subject) {
    let (store, place) = (subject.open(2).await, subject.place().await);
    let mut keys: Vec<String> =
        ["o", "p-x", "p/x", "p/y/z", "p0", "pq/x", "q"].map(|key| format!("{}{key}", place.key)).into();
    for key in &keys {
        put(&*store, &Uri::new(place.bucket.clone(), key.as_str()), key, &Condition::None).await.expect("a put");
    }
    keys.sort_unstable();
    for prefix in ["p", "p/", "p/x", "pq", "p/x/", "", "p/y", "nothing", "nothing/"] {
        let prefix = place.join(prefix);
        let expected: Vec<String> = keys.iter().filter(|key| key.starts_with(&prefix.key)).cloned().collect();
        let got: Vec<String> = list(&*store, &prefix, None, 2).await.into_iter().map(|listed| listed.key).collect();
        assert_same(&got, &expected, &format!("keys below {prefix:?}"));
    }
}

/// A key that is not there is no error: nor is one that others begin with, or that begins with one.
pub async fn what_is_not_there_is_none(subject: &dyn Subject) {
    let (store, place) = (subject.open(1_000).await, subject.place().await);
    let absent = |uri: Uri| {
        let store = &store;
        async move {
            let got = store.get(&uri).await.unwrap_or_else(|error| panic!("get of {uri:?}: {error:?}"));
            assert!(got.is_none(), "{uri:?} is there");
        }
    };
    absent(place.join("a/b")).await;
    put(&*store, &place.join("a/b"), "x", &Condition::None).await.expect("a put");
    for key in ["a", "a/", "a/b/", "a/b/c", "a/c", "A/b"] {
        absent(place.join(key)).await;
    }
}

/// `Absent` and `Is` hold exactly when they should; a write that does not happen changes nothing and is a `Conflict`.
pub async fn conditions_hold(subject: &dyn Subject) {
    let (store, place) = (subject.open(1_000).await, subject.place().await);
    let (uri, other) = (place.join("k=1/symlink.txt"), place.join("k=2/symlink.txt"));
    let elsewhere = put(&*store, &other, "elsewhere", &Condition::None).await.expect("a put");

    let nothing = put(&*store, &uri, "0", &Condition::Is(elsewhere.etag.clone())).await;
    assert_conflict(nothing, "`Is` where nothing is");
    assert!(store.get(&uri).await.expect("a get").is_none(), "a refused write is there");

    let first = put(&*store, &uri, "1", &Condition::Absent).await.expect("`Absent` where nothing is");
    assert_conflict(put(&*store, &uri, "2", &Condition::Absent).await, "`Absent` where something is");
    assert_conflict(put(&*store, &uri, "1", &Condition::Absent).await, "`Absent` where the same is");
    assert_eq!(&read(&*store, &uri).await.body[..], b"1", "a refused write changed the body");

    let foreign = put(&*store, &uri, "2", &Condition::Is(elsewhere.etag)).await;
    assert_conflict(foreign, "`Is` of another object's ETag");
    let second = put(&*store, &uri, "2", &Condition::Is(first.etag.clone())).await.expect("`Is` of what is there");
    assert_conflict(put(&*store, &uri, "3", &Condition::Is(first.etag.clone())).await, "`Is` of what was there");
    assert_eq!(&read(&*store, &uri).await.body[..], b"2", "a refused write changed the body");

    let listed = list(&*store, &uri, None, 1_000).await;
    let of_listing = ETag(listed[0].etag.clone().expect("a listed ETag"));
    assert_eq!(of_listing, second.etag, "ETags, listed and written");
    let third = put(&*store, &uri, "3", &Condition::Is(of_listing)).await.expect("`Is` of a listed ETag");
    put(&*store, &uri, "4", &Condition::None).await.expect("no condition");
    assert_conflict(put(&*store, &uri, "5", &Condition::Is(third.etag)).await, "`Is` of what was there");

    assert_all_deleted(store.delete(std::slice::from_ref(&uri)).await);
    let gone = put(&*store, &uri, "5", &Condition::Is(first.etag)).await;
    assert_conflict(gone, "`Is` where nothing is any more");
    put(&*store, &uri, "5", &Condition::Absent).await.expect("`Absent` where nothing is any more");
}

/// Another content has another ETag, also where size and time are the same; what is read and listed is what was written.
pub async fn tags_follow_the_content(subject: &dyn Subject) {
    let (store, place) = (subject.open(1_000).await, subject.place().await);
    let uri = place.join("symlink.txt");
    let mut seen: Vec<ETag> = Vec::new();
    for n in 0..20 {
        let written = put(&*store, &uri, &format!("{n:04}\n"), &Condition::None).await.expect("a put");
        assert!(!seen.contains(&written.etag), "two contents have the ETag {:?}", written.etag);
        assert!(!written.etag.0.contains('"') && !written.etag.0.is_empty(), "the ETag {:?}", written.etag);
        assert_eq!(read(&*store, &uri).await.etag, written.etag, "ETags, read and written");
        seen.push(written.etag);
    }
}

/// A copy has the bytes of its source, over whatever is there; of a source that has changed or gone there is none.
pub async fn copies_are_of_what_was_seen(subject: &dyn Subject) {
    let (store, place) = (subject.open(1_000).await, subject.place().await);
    for name in ["symlink.txt", "region=a%20b c/é+&'(1)/symlink.txt", "x=%3A/symlink.txt"] {
        let (from, to) = (place.join("from/").join(name), place.join("to/").join(name));
        let first = put(&*store, &from, "one\n", &Condition::None).await.expect("a put");
        store.copy(&from, &first.etag, &to).await.expect("a copy to where nothing is");
        assert_eq!(read(&*store, &to).await.body, "one\n", "the copy of {name}");
        let second = put(&*store, &from, "two\n", &Condition::None).await.expect("a put");
        if subject.copies_under_conditions() {
            let stale = store.copy(&from, &first.etag, &to).await.expect_err("a copy of what has changed");
            assert_eq!(stale.kind(), ErrorKind::Conflict, "{stale:?}");
            assert_eq!(read(&*store, &to).await.body, "one\n", "what a refused copy leaves");
        }
        store.copy(&from, &second.etag, &to).await.expect("a copy over something");
        assert_eq!(read(&*store, &to).await.body, "two\n", "the copy of {name}");
        assert_eq!(read(&*store, &from).await.body, "two\n", "the source of a copy");
        assert_all_deleted(store.delete(std::slice::from_ref(&from)).await);
        let gone = store.copy(&from, &second.etag, &to).await.expect_err("a copy of what is gone");
        assert_eq!(gone.kind(), ErrorKind::Conflict, "{gone:?}");
    }
}

/// Deletes of what is there, of what is not, of one key twice, of none, and of more than one batch holds.
pub async fn deletes_leave_nothing(subject: &dyn Subject) {
    let (store, place) = (subject.open(1_000).await, subject.place().await);
    assert_all_deleted(store.delete(&[]).await);
    let missing = [place.join("missing"), place.join("missing/too")];
    assert_all_deleted(store.delete(&missing).await);
    let there: Vec<Uri> = (0..12).map(|n| place.join(&format!("a={n}/symlink.txt"))).collect();
    for uri in &there {
        put(&*store, uri, "x", &Condition::None).await.expect("a put");
    }
    let kept = place.join("kept");
    put(&*store, &kept, "x", &Condition::None).await.expect("a put");
    let mut many: Vec<Uri> = (0..1_001).map(|n| place.join(&format!("none={n}/symlink.txt"))).collect();
    // Some early, and all at the end, where only a second batch of 1,000 reaches.
    many.splice(500..500, there[..6].iter().cloned());
    many.extend(there.iter().cloned());
    assert_all_deleted(store.delete(&many).await);
    let left: Vec<String> = list(&*store, &place, None, 1_000).await.into_iter().map(|listed| listed.key).collect();
    assert_same(&left, &[kept.key], "keys left by a delete of others");
}

/// Times are the store's, whole seconds, and agree whether written, read or listed.
pub async fn the_clock_is_the_stores(subject: &dyn Subject) {
    let (store, place) = (subject.open(1_000).await, subject.place().await);
    let uri = place.join("symlink.txt");
    let written = put(&*store, &uri, "x", &Condition::None).await.expect("a put");
    let stored = read(&*store, &uri).await;
    assert!(stored.now >= written.now, "the clock goes back from {} to {}", written.now, stored.now);
    let off = (stored.modified - written.now).abs();
    assert!(off <= TICK_S, "modified at {} where the write was answered at {}", stored.modified, written.now);
    let listed = list(&*store, &uri, None, 1_000).await;
    assert_eq!(listed[0].modified, Some(stored.modified), "times, listed and read");
}

/// Of clients that all write under `Absent`, one wins; the others meet a `Conflict`, and the body is the winner's.
pub async fn one_of_many_creates(subject: &dyn Subject) {
    let place = subject.place().await;
    let Races { clients, rounds } = subject.races();
    for round in 0..rounds {
        let uri = place.join(&format!("new/{round}"));
        race(subject, &uri, &Condition::Absent, clients, round).await;
    }
}

/// Of clients that all replace the same ETag, one wins, and so on with the winner's.
pub async fn one_of_many_replaces(subject: &dyn Subject) {
    let (store, uri) = (subject.open(1_000).await, subject.place().await.join("one"));
    let Races { clients, rounds } = subject.races();
    let mut etag = put(&*store, &uri, "first", &Condition::Absent).await.expect("a put").etag;
    for round in 0..rounds {
        etag = race(subject, &uri, &Condition::Is(etag), clients, round).await.etag;
    }
}

/// Whoever reads while others replace sees one body or the other, never a part or nothing.
pub async fn readers_see_whole_bodies(subject: &dyn Subject) {
    let (store, uri) = (subject.open(1_000).await, subject.place().await.join("p=1/symlink.txt"));
    let body = |n: u8| Body::from(vec![b'a' + n; 50_000]);
    store.put(&uri, body(0), &Condition::None).await.expect("a put");
    let writing = {
        let (store, uri) = (store.clone(), uri.clone());
        tokio::spawn(async move {
            for n in 1..20 {
                store.put(&uri, body(n), &Condition::None).await.expect("a put");
            }
        })
    };
    while !writing.is_finished() {
        let read = read(&*store, &uri).await.body;
        let whole = read.len() == 50_000 && read.iter().all(|byte| *byte == read[0]);
        assert!(whole, "a reader saw {} bytes of two writes", read.len());
        // A store that never waits must not keep the writer from its turn.
        tokio::task::yield_now().await;
    }
    writing.await.expect("the writer");
}

/// Lets every client write its own number at once under one condition, each through a handle of its own. The round is in
/// the body too: a winner that wrote what was there before would leave the ETag, and a second one could win.
async fn race(subject: &dyn Subject, uri: &Uri, condition: &Condition, clients: usize, round: usize) -> Written {
    let body = |client: usize| format!("client {client}, round {round}");
    let stores = join_all((0..clients).map(|_| subject.open(1_000))).await;
    let writes = stores.into_iter().enumerate().map(|(client, store)| {
        let (uri, condition, body) = (uri.clone(), condition.clone(), body(client));
        tokio::spawn(async move { store.put(&uri, body.into(), &condition).await })
    });
    let outcomes = join_all(writes.collect::<Vec<_>>()).await.into_iter().map(|outcome| outcome.expect("a client"));
    let mut winners = Vec::new();
    for (client, outcome) in outcomes.enumerate() {
        match outcome {
            Ok(written) => winners.push((client, written)),
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => panic!("client {client} lost the race by {error:?}"),
        }
    }
    assert_eq!(winners.len(), 1, "{} of {clients} clients won under {condition:?}", winners.len());
    let (winner, written) = winners.remove(0);
    let stored = read(&*subject.open(1_000).await, uri).await;
    assert_eq!(&stored.body[..], body(winner).as_bytes(), "the body is another's than the winner's");
    assert_eq!(stored.etag, written.etag, "the winner's ETag, read and written");
    written
}

async fn put(store: &dyn Store, uri: &Uri, body: &str, condition: &Condition) -> Result<Written, Error> {
    store.put(uri, body.into(), condition).await
}

async fn read(store: &dyn Store, uri: &Uri) -> Stored {
    let got = store.get(uri).await.unwrap_or_else(|error| panic!("get of {uri:?}: {error:?}"));
    got.unwrap_or_else(|| panic!("{uri:?} was written, and is not there"))
}

struct Listed {
    key: String,
    size: Option<u64>,
    modified: Option<i64>,
    etag: Option<String>,
}

async fn list(store: &dyn Store, prefix: &Uri, start_after: Option<&str>, page_size: usize) -> Vec<Listed> {
    let pages: Vec<Page> = store.list(prefix, start_after).try_collect().await.expect("a listing");
    let longest = pages.iter().map(Page::len).max().unwrap_or(0);
    assert!(longest <= page_size, "a page has {longest} keys where {page_size} are asked for");
    let listed = pages.iter().flat_map(Page::objects).map(|object| Listed {
        key: object.key.to_owned(),
        size: object.size,
        modified: object.modified,
        etag: object.etag.map(str::to_owned),
    });
    listed.collect()
}

fn assert_conflict(outcome: Result<Written, Error>, what: &str) {
    match outcome {
        Ok(_) => panic!("{what}: the write happened"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{what}: {error:?}"),
    }
}

fn assert_all_deleted(outcome: Result<Vec<(Uri, Error)>, Error>) {
    let failed = outcome.expect("a delete");
    assert!(failed.is_empty(), "not deleted: {failed:?}");
}
