//! One run of a scenario, step by step: what could happen next, and what is made to happen.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use restitch::error::ErrorKind;
use restitch::plan::manifest::MARKER;
use restitch::plan::marker::Marker;
use restitch::store::Store;
use restitch::store::memory::Fault;
use restitch::uri::Uri;
use tokio::sync::watch;

use crate::actor::{self, Outcome, name};
use crate::catalog;
use crate::checker::{Broken, Checker, Violation, differs, published};
use crate::scenario::{NEIGHBOURS, Prepared, Role, data, location};
use crate::world::{Call, Happened, Kind, Pending, World};

/// How far time goes at once while everybody sleeps.
const TICK_MS: u64 = 100;

/// How far time goes at once while nobody's requests get through.
const OUTAGE_TICK_MS: u64 = 1_000;

/// Longer than anybody sleeps.
const LONGEST_SLEEP_MS: u64 = 200_000;

/// What may happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// A request happens and is answered.
    Request(u32),
    Fault(u32, Fault),
    /// Time passes until somebody wakes.
    Sleep,
    /// The process dies with whatever it has in flight.
    Kill(usize),
    /// A request whose sender has died or hung up lands.
    Land(u32),
    Interrupt(usize),
    /// Everybody is stopped for so many milliseconds.
    Stop(u64),
    /// Nobody's requests get through for so many milliseconds.
    Outage(u64),
    /// The listed objects change.
    NewObjects,
    /// All actors have ended; what is in flight is lost.
    End,
}

/// How much of what is not the plain course may happen. The plain course: one actor after the other, in their order,
/// each until it ends or sleeps, and nothing fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Turns away from an actor that could go on, or from the request it sent first; `None`: any number.
    pub switches: Option<u32>,
    /// Faults, kills, interrupts, times that pass, late landings, changes of the objects.
    pub events: u32,
}

struct Actor {
    future: Option<Pin<Box<dyn Future<Output = Outcome>>>>,
    woken: Arc<Woken>,
    signals: watch::Sender<Option<ErrorKind>>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Woken>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub struct Run {
    prepared: Arc<Prepared>,
    pub world: World,
    actors: Vec<Actor>,
    pub checker: Checker,
    /// Who did something last.
    current: usize,
    bounds: Bounds,
    /// The state that the listed objects are in.
    state: usize,
    ended: bool,
    /// Whether some run has come to its end.
    pub applied: bool,
    /// What has happened, for a person; only where asked for.
    pub told: Option<Vec<String>>,
}

impl Run {
    pub async fn new(prepared: &Arc<Prepared>, bounds: Bounds, told: bool) -> Result<Run, Violation> {
        let scenario = &prepared.scenario;
        let world = World::new(&prepared.objects, scenario.roles.len(), scenario.tags, scenario.page_size);
        let checker = Checker::new(scenario);
        let actor = |number: usize| {
            let (signals, signalled) = watch::channel(None);
            let client = world.client(number);
            let future = actor::act(prepared.clone(), number, client, checker.intents.clone(), signalled);
            let future: Pin<Box<dyn Future<Output = Outcome>>> = Box::pin(tokio::task::unconstrained(future));
            Actor { future: Some(future), woken: Arc::new(Woken(AtomicBool::new(true))), signals }
        };
        let actors = (0..scenario.roles.len()).map(actor).collect();
        let mut run = Run {
            prepared: prepared.clone(),
            world,
            actors,
            checker,
            current: 0,
            bounds,
            state: 0,
            ended: false,
            applied: false,
            told: told.then(Vec::new),
        };
        run.poll_all()?;
        Ok(run)
    }

    /// A digest of everything that what comes next depends on, bounds included.
    pub fn digest(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.world.digest().hash(&mut hasher);
        let current = self.bounds.switches.map(|switches| (switches, self.current));
        (current, self.bounds.events, self.state, self.checker.disturbed, self.ended).hash(&mut hasher);
        self.actors.iter().for_each(|actor| actor.future.is_some().hash(&mut hasher));
        hasher.finish()
    }

    /// What may happen next within the bounds, the plain course first; nothing once the run has ended.
    pub fn choices(&self) -> Vec<Choice> {
        if self.ended {
            return Vec::new();
        }
        let requests = self.world.pending();
        let of = |actor: usize| requests.iter().filter(move |request| !request.orphan && request.actor == actor);
        let mut choices = Vec::new();
        let alive: Vec<usize> = (0..self.actors.len()).filter(|actor| self.actors[*actor].future.is_some()).collect();
        let asleep = |actor: usize| alive.contains(&actor) && of(actor).next().is_none();
        let goes_on = of(self.current).next().is_some() || asleep(self.current);
        let may_switch = self.bounds.switches != Some(0);
        choices
            .extend(of(self.current).take(if may_switch { usize::MAX } else { 1 }).map(|one| Choice::Request(one.id)));
        if asleep(self.current) || (alive.iter().any(|actor| asleep(*actor)) && (may_switch || !goes_on)) {
            choices.push(Choice::Sleep);
        }
        for actor in alive.iter().copied().filter(|actor| *actor != self.current) {
            let first = of(actor).next().filter(|_| may_switch || !goes_on || asleep(self.current));
            choices.extend(first.map(|one| Choice::Request(one.id)));
        }
        if alive.is_empty() {
            choices.push(Choice::End);
        }
        if self.bounds.events > 0 {
            self.events(&alive, &mut choices);
        }
        choices
    }

    fn events(&self, alive: &[usize], choices: &mut Vec<Choice>) {
        let scenario = &self.prepared.scenario;
        let events = &scenario.events;
        let requests = self.world.pending();
        let queries = |actor: usize| scenario.roles[actor] == Role::Query;
        if events.faults {
            for actor in alive.iter().filter(|actor| !queries(**actor)) {
                let own = |request: &&Pending| !request.orphan && request.actor == *actor;
                let Some(first) = requests.iter().find(own).filter(|first| first.kind != Kind::Begin) else { continue };
                if first.kind != Kind::Read {
                    choices.push(Choice::Fault(first.id, Fault::LostAnswer));
                }
                choices.push(Choice::Fault(first.id, Fault::LostRequest));
                if first.kind == Kind::Put {
                    choices
                        .extend([Fault::Conflict, Fault::LandedConflict].map(|fault| Choice::Fault(first.id, fault)));
                }
            }
        }
        choices.extend(requests.iter().filter(|request| request.orphan).map(|request| Choice::Land(request.id)));
        let begun = |actor: usize| !requests.iter().any(|one| one.actor == actor && one.kind == Kind::Begin);
        for actor in alive.iter().copied().filter(|actor| begun(*actor) && !queries(*actor)) {
            if events.kills {
                choices.push(Choice::Kill(actor));
            }
            if events.interrupts && self.actors[actor].signals.borrow().is_none() {
                choices.push(Choice::Interrupt(actor));
            }
        }
        if !alive.is_empty() {
            choices.extend(events.stops_ms.iter().map(|ms| Choice::Stop(*ms)));
            choices.extend(events.outages_ms.iter().map(|ms| Choice::Outage(*ms)));
        }
        let states = scenario.listings.iter().map(Vec::len).min().unwrap_or(0);
        if self.state + 1 < states && !alive.is_empty() {
            choices.push(Choice::NewObjects);
        }
    }

    /// Makes it happen, lets everybody go on who can, and looks whether all is well.
    pub async fn take(&mut self, choice: Choice) -> Result<(), Violation> {
        self.pay(choice);
        match choice {
            Choice::Request(id) => self.happen(id, None)?,
            Choice::Fault(id, fault) => self.happen(id, Some(fault))?,
            Choice::Land(id) => self.happen(id, None)?,
            Choice::Sleep => self.sleep().await?,
            Choice::Kill(actor) => {
                self.actors[actor].future = None;
                self.tell(|| format!("{} is killed", name(actor)));
            }
            Choice::Interrupt(actor) => {
                self.world.tell(actor, "interrupt");
                self.actors[actor].signals.send_replace(Some(ErrorKind::Interrupted));
                self.tell(|| format!("{} is interrupted", name(actor)));
            }
            Choice::Stop(ms) => {
                self.tell(|| format!("everybody is stopped for {ms} ms"));
                self.pass(ms).await;
            }
            Choice::Outage(ms) => {
                self.tell(|| format!("no request gets through for {ms} ms"));
                for _ in 0..ms / OUTAGE_TICK_MS {
                    self.pass(OUTAGE_TICK_MS).await;
                    self.poll_all()?;
                }
            }
            Choice::NewObjects => {
                self.state += 1;
                self.world.memory().insert(&data(), self.state.to_string());
                self.tell(|| "the objects change".into());
            }
            Choice::End => {
                self.ended = true;
                return self.recover().await;
            }
        }
        self.poll_all()
    }

    /// Takes the choice off what the bounds allow.
    fn pay(&mut self, choice: Choice) {
        match choice {
            Choice::Request(id) => {
                let requests = self.world.pending();
                let first = requests.iter().find(|request| !request.orphan && request.actor == self.current);
                let free = first.is_none_or(|first| first.id == id);
                self.bounds.switches = self.bounds.switches.map(|switches| switches - u32::from(!free));
            }
            Choice::Sleep => {
                let requests = self.world.pending();
                let goes_on = requests.iter().any(|request| !request.orphan && request.actor == self.current);
                self.bounds.switches = self.bounds.switches.map(|switches| switches - u32::from(goes_on));
            }
            Choice::End => {}
            _ => {
                self.bounds.events -= 1;
                let lets_fail = match choice {
                    // A put that fails is tried again, so it must not fail the run.
                    Choice::Fault(id, _) => {
                        !self.world.pending().iter().any(|one| one.id == id && one.kind == Kind::Put)
                    }
                    Choice::Land(_) | Choice::NewObjects | Choice::Interrupt(_) => false,
                    _ => true,
                };
                self.checker.disturbed |= lets_fail;
            }
        }
    }

    fn happen(&mut self, id: u32, fault: Option<Fault>) -> Result<(), Violation> {
        let happened = self.world.happen(id, fault);
        let Happened { actor, ref call, landed, failed } = happened;
        if self.actors[actor].future.is_some() {
            self.current = actor;
        }
        self.tell(|| {
            let verb = match call {
                Call::Begin => "begins",
                Call::List { .. } => "lists",
                Call::Get(_) => "gets",
                Call::Put { .. } => "puts",
                Call::Delete(_) => "deletes",
            };
            let how = match (fault, failed) {
                (Some(Fault::LostRequest), _) => ", which never arrives",
                (Some(Fault::LostAnswer), _) => ", and the answer is lost",
                (Some(Fault::Conflict), _) => ": 409",
                (Some(Fault::LandedConflict), _) => ", loses the answer, and its client's own retry gets 412",
                (_, Some(ErrorKind::Conflict)) => ": 412",
                _ => "",
            };
            let what = call.uri().map_or_else(String::new, |uri| format!(" {}", shown(uri)));
            format!("{} {verb}{what}{how}", name(actor))
        });
        if landed { self.checker.landed(&happened, &self.world.memory()) } else { Ok(()) }
    }

    async fn sleep(&mut self) -> Result<(), Violation> {
        for _ in 0..LONGEST_SLEEP_MS / TICK_MS {
            self.pass(TICK_MS).await;
            if self.actors.iter().any(|actor| actor.future.is_some() && actor.woken.0.load(Ordering::Relaxed)) {
                self.tell(|| "time passes until somebody wakes".into());
                return Ok(());
            }
        }
        Err(Violation::new(Broken::Outcome, "somebody sleeps for ever"))
    }

    async fn pass(&mut self, ms: u64) {
        self.world.pass(ms);
        tokio::time::advance(Duration::from_millis(ms)).await;
    }

    /// Polls whoever has been woken until nobody has.
    fn poll_all(&mut self) -> Result<(), Violation> {
        for number in 0..self.actors.len() {
            let actor = &mut self.actors[number];
            let waker = Waker::from(actor.woken.clone());
            while actor.woken.0.swap(false, Ordering::Relaxed) {
                let Some(future) = &mut actor.future else { break };
                if let Poll::Ready(outcome) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    actor.future = None;
                    self.applied |= matches!(outcome, Outcome::Applied | Outcome::Pruned);
                    self.checker.outcome(number, &outcome)?;
                    if let Some(told) = &mut self.told {
                        told.push(match &outcome {
                            Outcome::Failed(error) => format!("{} ends: {}", name(number), error.message()),
                            _ => format!("{} is done", name(number)),
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// The end: whatever lease there is runs out, and one more run plans and applies, on the newest listing.
    async fn recover(&mut self) -> Result<(), Violation> {
        let appliers = self.prepared.scenario.roles.iter().filter(|role| **role != Role::Query).count();
        if !self.checker.disturbed && !self.applied && appliers > 0 && !self.interrupted() {
            return Err(Violation::new(Broken::Outcome, "nobody has applied anything, and nothing went wrong"));
        }
        self.pass(61_000).await;
        self.world.forget_requests();
        if !self.prepared.recovered.lock().expect("nobody panics with it").insert(self.world.objects_digest()) {
            return Ok(());
        }
        let broken = |what: String| Violation::new(Broken::Recovery, what);
        let scenario = self.prepared.scenario.clone();
        let store = self.world.memory();
        let states = scenario.listings.iter().map(Vec::len).min().unwrap_or(0);
        store.insert(&data(), (states - 1).to_string());
        let rules = scenario.listings.len() - 1;
        let mut puts = 0;
        for plan in ["recovery", "once more"] {
            puts = store.counts().puts;
            let through: Arc<dyn Store> = Arc::new(store.clone());
            let options = scenario.options(plan, plan, &through);
            let applied = actor::apply(&self.prepared, rules, &through, &self.checker.intents, &options).await;
            applied.map_err(|error| broken(format!("planned and applied again: {error:?}")))?;
        }
        if store.counts().puts != puts {
            return Err(broken("nothing was left to do, and something was written".into()));
        }
        let snapshot = store.snapshot();
        let marker = snapshot.get(&location().join(MARKER)).expect("what was applied has a marker");
        let marker: Marker = serde_json::from_slice(marker).expect("a marker");
        differs(&scenario.listings[rules][states - 1], &published(&snapshot, &marker.current))
            .map_err(|violation| broken(format!("planned and applied again: {violation}")))?;
        if scenario.registered {
            let entry = snapshot.get(&catalog::entry()).expect("what was applied is registered");
            if catalog::directory(entry) != marker.directory(&location()) {
                return Err(broken("the catalog and the marker name two directories".into()));
            }
        }
        let untouched: BTreeMap<&Uri, _> = self.prepared.objects.iter().filter(|(uri, _)| neighbour(uri)).collect();
        match untouched.into_iter().find(|(uri, body)| snapshot.get(uri) != Some(body)) {
            Some((uri, _)) => Err(Violation::new(Broken::Touched, format!("{uri:?} is not as it was"))),
            None => Ok(()),
        }
    }

    fn interrupted(&self) -> bool {
        self.actors.iter().any(|actor| actor.signals.borrow().is_some())
    }

    fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(told) = &mut self.told {
            told.push(what());
        }
    }
}

fn neighbour(uri: &Uri) -> bool {
    NEIGHBOURS.contains(&uri.raw().as_str()) || uri.key.ends_with('/') || uri.key.ends_with("_$folder$")
}

/// `amer` for the manifest of that region, `the marker`.
fn shown(uri: &Uri) -> String {
    let key = uri.key.strip_prefix("taxes/").unwrap_or(&uri.key);
    if let Some((_, region)) = key.strip_prefix("taxes--").and_then(|key| key.split_once("/region=")) {
        return format!("the new {}", region.trim_end_matches("/symlink.txt"));
    }
    match key {
        "_restitch.json" => "the marker".into(),
        "state" => "the objects".into(),
        "taxes" => "the table".into(),
        "" => "the location".into(),
        key => key.trim_start_matches("region=").trim_end_matches("/symlink.txt").to_owned(),
    }
}
