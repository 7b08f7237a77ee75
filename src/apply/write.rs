//! Conditional writes, one or many, with everything that can happen to their answers.
//!
//! A 412, a 409 and a lost answer are told apart by reading the object back: the body as desired means that our own
//! earlier try landed; what was required still there means that nothing happened, so it is tried again.

use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;

use futures::{StreamExt, stream};

use super::{Options, Protocol};
use crate::error::{Error, ErrorKind, Result};
use crate::map::body::Body;
use crate::plan::Requirement;
use crate::store::{Condition, ETag, Store, Stored, Written};
use crate::uri::Uri;

/// Tries of one write, on top of those of the store's own client.
pub(super) const TRIES: u32 = 5;

/// The pause after the first try; each further one is twice as long.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// Does `one` to each, so many at once, and hands `done` what comes of it. Nothing is begun after the first failure, which
/// is returned when what is in flight has come to its end.
pub(super) async fn each<T, D, F: Future<Output = Result<D>>>(
    all: impl IntoIterator<Item = T>,
    at_once: usize,
    one: impl Fn(T) -> F,
    mut done: impl FnMut(D),
) -> Result<()> {
    let failed: Mutex<Option<Error>> = Mutex::new(None);
    let doing = stream::iter(all).map(|item| {
        let (failed, doing) = (&failed, one(item));
        async move {
            if failed.lock().expect("no write panics").is_some() {
                return None;
            }
            let failing = |error| {
                failed.lock().expect("no write panics").get_or_insert(error);
            };
            doing.await.map_err(failing).ok()
        }
    });
    let done = |one: Option<D>| {
        one.into_iter().for_each(&mut done);
        std::future::ready(())
    };
    doing.buffer_unordered(at_once.max(1)).for_each(done).await;
    failed.into_inner().expect("no write panics").map_or(Ok(()), Err)
}

/// Writes `body` if `condition` holds, and reads back where the answer leaves doubt. `later`, if that is what is found,
/// will do as well. Each try asks `check` first: between two of them a lease may have run out. A store that knows no
/// conditions is written to without one where nobody else writes there.
///
/// # Errors
/// Of `check`; `Conflict` with what was found there, if something else is; the store's own error if it stays.
pub(super) async fn put(
    store: &dyn Store,
    uri: &Uri,
    body: &Body,
    later: Option<&Body>,
    condition: &Condition,
    options: &Options,
    check: impl Fn() -> Result<()>,
) -> Result<Written> {
    match conditional(store, uri, body, later, condition, options.protocol, check).await {
        Err(error) if error.kind() == ErrorKind::Unsupported && options.single_writer => {
            store.put(uri, body.clone(), &Condition::None).await
        }
        written => written,
    }
}

async fn conditional(
    store: &dyn Store,
    uri: &Uri,
    body: &Body,
    later: Option<&Body>,
    condition: &Condition,
    protocol: Protocol,
    check: impl Fn() -> Result<()>,
) -> Result<Written> {
    let unconditional = Condition::None;
    let condition = if protocol.conditions { condition } else { &unconditional };
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        check()?;
        let error = match store.put(uri, body.clone(), condition).await {
            Ok(written) => return Ok(written),
            Err(error) if leaves_doubt(&error) && protocol.read_back => error,
            Err(error) => return Err(error),
        };
        match store.get(uri).await {
            Ok(Some(found)) if is_either(&found.body, body, later)? => {
                return Ok(Written { etag: found.etag, now: found.now });
            }
            Ok(found) if holds(condition, found.as_ref()) => {}
            Ok(found) => return Err(lost(uri, condition, found.as_ref())),
            Err(_) => return Err(error),
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    check()?;
    store.put(uri, body.clone(), condition).await
}

/// Copies what `etag` says of `from`, again where no answer came: done twice it is the same. Each try asks `check` first.
///
/// # Errors
/// Of `check`; `Conflict` if `from` is not that any more; the store's own error if it stays.
pub(super) async fn copy(
    store: &dyn Store,
    from: &Uri,
    etag: &ETag,
    to: &Uri,
    check: impl Fn() -> Result<()>,
) -> Result<()> {
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        check()?;
        match store.copy(from, etag, to).await {
            // Of two writes at once, or of a source that has changed: then it is over.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                if store.get(from).await?.is_none_or(|there| there.etag != *etag) {
                    return Err(error);
                }
            }
            Err(error) if leaves_doubt(&error) => {}
            other => return other,
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    check()?;
    store.copy(from, etag, to).await
}

/// Whether what was found is the one body or the other.
fn is_either(found: &[u8], body: &Body, later: Option<&Body>) -> Result<bool> {
    Ok(body.is(found)? || later.map(|later| later.is(found)).transpose()?.unwrap_or(false))
}

/// The condition that a plan's requirement asks for.
pub(super) fn condition(requirement: &Requirement) -> Condition {
    match requirement {
        Requirement::Absent => Condition::Absent,
        Requirement::ETag(etag) => Condition::Is(ETag(etag.clone())),
    }
}

/// Whether the write may have happened all the same.
pub(super) fn leaves_doubt(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Unreachable | ErrorKind::Throttled | ErrorKind::Io)
}

fn holds(condition: &Condition, found: Option<&Stored>) -> bool {
    match condition {
        Condition::None => true,
        Condition::Absent => found.is_none(),
        Condition::Is(etag) => found.is_some_and(|found| found.etag == *etag),
    }
}

/// The error of a write that somebody else forestalled.
fn lost(uri: &Uri, condition: &Condition, found: Option<&Stored>) -> Error {
    let planned = match condition {
        Condition::None => "planned against anything".into(),
        Condition::Absent => "planned where there was nothing".into(),
        Condition::Is(etag) => format!("planned against ETag \"{}\"", etag.0),
    };
    let now = match found {
        Some(found) => format!("found \"{}\", written {}", found.etag.0, at(found.modified)),
        None => "found nothing there".into(),
    };
    Error::new(ErrorKind::Conflict, format!("{} changed since the plan was made", uri.shown()))
        .note(format!("{planned}, {now}"))
        .note("nothing of that partition was overwritten")
        .help("`restitch plan` again")
}

/// `2026-11-22 10:31:04 UTC`
pub(crate) fn at(seconds: i64) -> String {
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => format!("{seconds} s after 1970"),
    }
}
