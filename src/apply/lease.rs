//! The marker in the world: read, taken with a lease, renewed, and written for the last time.
//!
//! The lease holds for 60 s from the marker's last write, both by the store's clock: no clock of ours is ever compared
//! with it. We ourselves stop 45 s after we began the write that last landed: what is in flight then has 15 s to land or
//! to fail, and stores tell the time in whole seconds.

use std::future::Future;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::{Options, write};
use crate::error::{Error, ErrorKind, Result};
use crate::map::body::Body;
use crate::plan::Requirement;
use crate::plan::manifest::MARKER;
use crate::plan::marker::{Lease, MARKER_LIMIT_BYTES, MARKER_VERSION, Marker, Unfinished};
use crate::store::{Condition, ETag, Store, Written};
use crate::uri::{Shown, Uri};

/// How long a lease holds.
pub const LEASE: Duration = Duration::from_secs(60);

/// How long before its end we stop, and hang up on what is in flight.
const SPARE: Duration = Duration::from_secs(15);

/// How often it is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(20);

/// The pause after a renewal that failed for want of an answer.
const RENEW_AGAIN: Duration = Duration::from_secs(5);

/// How often a live lease of another run is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often the marker is tried for, where each time somebody else writes it between our look and our write.
const TAKES: u32 = 3;

/// A marker as read.
#[derive(Clone, Debug)]
pub struct Found {
    pub marker: Marker,
    pub etag: ETag,
    /// Seconds that its lease still holds, by the store's clock; `None` without a live one.
    pub live_s: Option<i64>,
    /// The store's clock when it was read, in seconds since 1970.
    pub now: i64,
}

/// Reads the marker of `location`.
///
/// # Errors
/// `Ownership` if it is no marker of ours, or of a later version.
pub async fn read(store: &dyn Store, location: &Uri) -> Result<Option<Found>> {
    let uri = location.join(MARKER);
    let Some(stored) = store.get(&uri).await? else { return Ok(None) };
    let marker = parse(&uri, &stored.body)?;
    let live_s = marker.lease.as_ref().map(|lease| stored.modified + i64::from(lease.seconds) - stored.now);
    let live_s = live_s.filter(|seconds| *seconds > 0);
    Ok(Some(Found { marker, etag: stored.etag, live_s, now: stored.now }))
}

/// Waits until no other run holds the lease of `location`.
///
/// # Errors
/// `Leased` after `options.lock_timeout`; `Interrupted`.
pub async fn wait_until_free(store: &dyn Store, location: &Uri, options: &Options) -> Result<Option<Found>> {
    let deadline = Instant::now() + options.lock_timeout;
    loop {
        options.interrupt.check()?;
        let found = read(store, location).await?;
        let Some(live_s) = found.as_ref().and_then(|found| live_of_another(found, options)) else { return Ok(found) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(leased(location, live_s, options));
        }
        let until_free = Duration::from_secs(u64::try_from(live_s).unwrap_or(0)).max(Duration::from_millis(100));
        tokio::time::sleep(LOOK_EVERY.min(left).min(until_free)).await;
    }
}

/// What a marker must be for us to take it.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    pub requires: &'a Requirement,
    /// The marker to write, lease and `unfinished` aside.
    pub marker: &'a Marker,
    /// Whether manifests are about to be written: then it says `unfinished`.
    pub unfinished: bool,
}

/// A lease that we hold.
#[derive(Debug)]
pub struct Held<'a> {
    store: &'a dyn Store,
    uri: Uri,
    options: &'a Options,
    marker: Marker,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    etag: ETag,
    renewal: u64,
    /// By our own clock; [`SPARE`] before the store's end of it.
    valid_until: Instant,
    /// Whether some write may still land after we have given it up.
    in_doubt: bool,
    /// The store's clock, in seconds since 1970, and ours when it said so.
    clock: (i64, Instant),
}

impl State {
    /// A lease whose write began at `began`.
    fn new(written: Written, began: Instant) -> State {
        let clock = (written.now, Instant::now());
        State { etag: written.etag, renewal: 0, valid_until: began + LEASE - SPARE, in_doubt: false, clock }
    }
}

impl<'a> Held<'a> {
    /// Takes the lease: over an absent marker, a free one or an expired one, each under its condition. `found` is the marker
    /// as [`wait_until_free`] has just given it.
    ///
    /// # Errors
    /// `Leased` if another run holds it for longer than we wait, `Stale` if the marker is not what the plan was made
    /// against (nor what that same plan made of it), `Brake` if the store does not write under conditions.
    pub async fn take(
        store: &'a dyn Store,
        location: &Uri,
        mut found: Option<Found>,
        claim: Claim<'_>,
        options: &'a Options,
    ) -> Result<Held<'a>> {
        let uri = location.join(MARKER);
        let mut lost = None;
        for take in 0..TAKES {
            if take > 0 {
                found = wait_until_free(store, location, options).await?;
            }
            if options.protocol.marker_requires {
                refuse_if_stale(location, claim.requires, found.as_ref(), options)?;
            }
            let mut marker = claim.marker.clone();
            marker.runs = found.as_ref().map_or(0, |found| found.marker.runs).saturating_add(1);
            marker.applied = found.as_ref().and_then(|found| found.marker.applied.clone());
            marker.made = found.as_ref().and_then(|found| found.marker.made);
            let left_over = found.as_ref().and_then(|found| found.marker.unfinished.clone());
            let ours =
                (claim.unfinished && options.protocol.unfinished).then(|| Unfinished { plan: options.plan.clone() });
            marker.unfinished = ours.or(left_over);
            marker.lease = Some(Lease { holder: options.holder.clone(), seconds: LEASE.as_secs() as u32, renewal: 0 });
            let condition = found.as_ref().map_or(Condition::Absent, |found| Condition::Is(found.etag.clone()));
            let body = render(&uri, &marker)?;
            let began = Instant::now();
            let condition_met = write::put(store, &uri, &body, None, &condition, options, || Ok(())).await;
            let written = match condition_met {
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    lost = Some(error);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Unsupported && !options.single_writer => {
                    return Err(unconditional(&uri).source(error));
                }
                Err(error) => return Err(error),
            };
            if condition == Condition::Absent && !options.single_writer && options.protocol.conditions {
                probe(store, &uri, &body).await?;
            }
            if marker.applied.is_none() {
                marker.made.get_or_insert(written.now);
            }
            let state = Mutex::new(State::new(written, began));
            return Ok(Held { store, uri, options, marker, state });
        }
        Err(lost.unwrap_or_else(|| taken_over(&uri)))
    }

    /// The marker as it was when we took it, with our lease in it.
    pub fn marker(&self) -> &Marker {
        &self.marker
    }

    /// The store's clock, in seconds since 1970, as we last heard it and have counted since.
    pub fn now(&self) -> i64 {
        let (said, heard) = self.state().clock;
        said + i64::try_from(heard.elapsed().as_secs()).unwrap_or(0)
    }

    /// Does `work` while the lease is renewed beside it. `work` asks [`Held::check`] before each write.
    ///
    /// # Errors
    /// `Leased` as soon as the lease is lost or runs out: then `work` is dropped, and with it what it has in flight.
    pub async fn while_renewed<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            done = work => done,
            lost = self.renew_until_lost() => {
                self.state().in_doubt = true;
                Err(lost)
            }
        }
    }

    /// # Errors
    /// `Leased` if the lease has run out; `Interrupted` or `Terminated` if a signal came.
    pub fn check(&self) -> Result<()> {
        self.options.interrupt.check()?;
        self.holds()
    }

    /// Asked before a write in hand is tried again, which a signal does not stop.
    ///
    /// # Errors
    /// `Leased` if the lease has run out.
    pub fn holds(&self) -> Result<()> {
        if Instant::now() < self.state().valid_until { Ok(()) } else { Err(ran_out(&self.uri)) }
    }

    /// Notes how a write failed: if it may still land, [`Held::abandon`] does not let the next run begin at once.
    pub fn failed(&self, error: &Error) {
        if matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Throttled | ErrorKind::Leased) {
            self.state().in_doubt = true;
        }
    }

    /// Writes the marker for the last time: `marker` without a lease.
    ///
    /// # Errors
    /// `Conflict` if somebody took the lease over.
    pub async fn free(self, mut marker: Marker) -> Result<()> {
        (marker.lease, marker.runs, marker.made) = (None, self.marker.runs, self.marker.made);
        let body = render(&self.uri, &marker)?;
        self.write(&body).await
    }

    /// Frees the lease after a failure, as well as can be: `unfinished` stays. Where a write may still land, the lease is
    /// left to run out.
    pub async fn abandon(self) {
        if self.state().in_doubt {
            return;
        }
        let marker = self.marker.clone();
        if let Err(error) = self.free(marker).await {
            tracing::debug!("the lease could not be freed, it runs out by itself: {error}");
        }
    }

    /// Takes the marker away with the lease: nothing of the table is left.
    pub async fn delete(self) -> Result<()> {
        let failed = self.store.delete(std::slice::from_ref(&self.uri)).await?;
        failed.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }

    async fn renew_until_lost(&self) -> Error {
        let mut pause = RENEW_EVERY;
        loop {
            let valid_until = self.state().valid_until;
            tokio::time::sleep_until(valid_until.min(Instant::now() + pause)).await;
            if Instant::now() >= valid_until {
                return ran_out(&self.uri);
            }
            pause = match tokio::time::timeout_at(valid_until, self.renew()).await {
                Ok(Ok(())) => RENEW_EVERY,
                Ok(Err(error)) if error.kind() == ErrorKind::Conflict => return taken_over(&self.uri).source(error),
                Ok(Err(error)) => {
                    tracing::debug!("the lease was not renewed, trying again: {error}");
                    RENEW_AGAIN
                }
                Err(_) => RENEW_AGAIN,
            };
        }
    }

    async fn renew(&self) -> Result<()> {
        let mut marker = self.marker.clone();
        if let Some(lease) = &mut marker.lease {
            // Another one for each try: what an earlier try has written must not be taken for this one, which is younger.
            let mut state = self.state();
            state.renewal += 1;
            lease.renewal = state.renewal;
        }
        let body = render(&self.uri, &marker)?;
        let began = Instant::now();
        self.write(&body).await?;
        self.state().valid_until = began + LEASE - SPARE;
        Ok(())
    }

    /// Writes over the marker as we know it, or over an own renewal whose answer was lost.
    async fn write(&self, body: &Body) -> Result<()> {
        for _ in 0..3 {
            let etag = self.state().etag.clone();
            match self.put(body, Condition::Is(etag)).await {
                Ok(etag) => {
                    self.state().etag = etag;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Conflict => match self.own_marker().await? {
                    Some(etag) => self.state().etag = etag,
                    None => return Err(error),
                },
                Err(error) => return Err(error),
            }
        }
        Err(taken_over(&self.uri))
    }

    async fn put(&self, body: &Body, condition: Condition) -> Result<ETag> {
        let written = write::put(self.store, &self.uri, body, None, &condition, self.options, || Ok(())).await;
        written.map(|written| written.etag)
    }

    /// The marker's ETag if the lease in it is still ours.
    async fn own_marker(&self) -> Result<Option<ETag>> {
        let Some(stored) = self.store.get(&self.uri).await? else { return Ok(None) };
        let lease = parse(&self.uri, &stored.body)?.lease;
        Ok(lease.is_some_and(|lease| lease.holder == self.options.holder).then_some(stored.etag))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// # Errors
/// `Stale` if the marker is not what the plan was made against.
pub(super) fn refuse_if_stale(
    location: &Uri,
    requires: &Requirement,
    found: Option<&Found>,
    options: &Options,
) -> Result<()> {
    if as_planned(requires, found, options) { Ok(()) } else { Err(stale(location, found)) }
}

/// Whether the marker is what the plan was made against, or what the same plan made of it before it was cut off.
fn as_planned(requires: &Requirement, found: Option<&Found>, options: &Options) -> bool {
    let Some(found) = found else { return *requires == Requirement::Absent };
    let untouched = matches!(requires, Requirement::ETag(etag) if *etag == found.etag.0);
    untouched || is_of_plan(found, &options.plan)
}

/// Whether this very plan wrote the marker last.
fn is_of_plan(found: &Found, plan: &str) -> bool {
    match (&found.marker.unfinished, &found.marker.applied) {
        (Some(unfinished), _) => unfinished.plan == plan,
        (None, Some(applied)) => applied.plan == plan,
        (None, None) => false,
    }
}

/// Whether this very plan was carried out to its end, and nothing since.
pub(super) fn has_ended(found: &Found, plan: &str) -> bool {
    found.marker.unfinished.is_none() && is_of_plan(found, plan)
}

/// Finds out a store that ignores `If-None-Match`: writing a new marker a second time must fail. No answer tells nothing,
/// so it is asked again.
async fn probe(store: &dyn Store, uri: &Uri, body: &Body) -> Result<()> {
    for left in (0..TAKES).rev() {
        match store.put(uri, body.clone(), &Condition::Absent).await {
            Err(error) if error.kind() == ErrorKind::Conflict => return Ok(()),
            Err(error) if left == 0 || !write::leaves_doubt(&error) => return Err(error),
            Err(_) => tokio::time::sleep(write::PAUSE).await,
            Ok(_) => {
                store.delete(std::slice::from_ref(uri)).await?;
                return Err(unconditional(uri));
            }
        }
    }
    Ok(())
}

fn live_of_another(found: &Found, options: &Options) -> Option<i64> {
    let lease = found.marker.lease.as_ref()?;
    let live_s = found.live_s.filter(|_| options.protocol.lease)?;
    (lease.holder != options.holder).then_some(live_s)
}

fn parse(uri: &Uri, body: &[u8]) -> Result<Marker> {
    let foreign = |why: String| {
        Error::new(ErrorKind::Ownership, format!("{} is not a marker that this version reads: {why}", uri.shown()))
            .help("give the table another `location`, or look at what lies there")
    };
    let marker: Marker = serde_json::from_slice(body).map_err(|error| foreign(error.to_string()))?;
    if marker.restitch != MARKER_VERSION {
        return Err(foreign(format!("it has version {}, not {MARKER_VERSION}", marker.restitch)));
    }
    if !marker.names_directories() {
        return Err(foreign(format!("it names the directory `{}`", Shown(&marker.current))));
    }
    Ok(marker)
}

fn render(uri: &Uri, marker: &Marker) -> Result<Body> {
    let mut body = serde_json::to_vec(marker).expect("a marker has no keys that JSON lacks");
    body.push(b'\n');
    if body.len() > MARKER_LIMIT_BYTES {
        let message = format!("the marker {} would have {} bytes, over {MARKER_LIMIT_BYTES}", uri.shown(), body.len());
        return Err(Error::new(ErrorKind::Unsupported, message).help("use fewer or shorter partition columns"));
    }
    Ok(body.into())
}

fn leased(location: &Uri, live_s: i64, options: &Options) -> Error {
    let waited = options.lock_timeout.as_secs();
    Error::new(ErrorKind::Leased, format!("another run is writing to {}", location.shown()))
        .note(format!("its lease holds for {live_s} s more unless it is renewed; waited {waited} s"))
        .help("run again when it is done, or wait longer: --lock-timeout=300s")
}

fn stale(location: &Uri, found: Option<&Found>) -> Error {
    let why = match found {
        None => "the marker has gone",
        Some(found) if found.marker.unfinished.is_some() => "another run has begun to write, and has not finished",
        Some(_) => "another run has written",
    };
    Error::new(ErrorKind::Stale, format!("the plan for {} no longer fits what is published", location.shown()))
        .note(format!("{why} since it was made; nothing was written"))
        .help("`restitch plan` again")
}

pub(super) fn unconditional(uri: &Uri) -> Error {
    let message = format!("the store of {} does not write under conditions", uri.shown());
    Error::new(ErrorKind::Brake, message)
        .note("two runs at once could overwrite each other there")
        .help("if nobody else ever writes there: --single-writer")
}

fn ran_out(uri: &Uri) -> Error {
    Error::new(ErrorKind::Leased, format!("the lease in {} ran out before it could be renewed", uri.shown()))
        .help("run again; what was written counts")
}

fn taken_over(uri: &Uri) -> Error {
    Error::new(ErrorKind::Leased, format!("another run took over the lease in {}", Shown(&uri.raw())))
        .help("run again when it is done; what was written counts")
}
