//! Schedules: every one within bounds, the shortest that breaks a rule, or random ones.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::checker::Violation;
use crate::run::{Bounds, Choice, Run};
use crate::scenario::Prepared;

/// A schedule that broke a rule, told step by step.
#[derive(Debug)]
pub struct Failure {
    pub violation: Violation,
    pub steps: Vec<String>,
}

/// One line for each turn: `A gets the marker, the objects, puts amer`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut last_actor, mut last_verb) = ("", "");
        for step in &self.steps {
            let (actor, what) = step.split_once(' ').unwrap_or((step, ""));
            let (verb, object) = what.split_once(' ').unwrap_or((what, ""));
            if actor != last_actor {
                write!(f, "{}{step}", if last_actor.is_empty() { "" } else { "\n" })?;
            } else if verb == last_verb && !object.is_empty() {
                write!(f, ", {object}")?;
            } else {
                write!(f, ", {what}")?;
            }
            (last_actor, last_verb) = (actor, verb);
        }
        write!(f, "\n{}", self.violation)
    }
}

/// What an exhaustive search has seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Explored {
    /// Schedules begun; those that came to a state seen before were left there.
    pub schedules: usize,
    /// Different states.
    pub states: usize,
}

/// Tries every schedule within `bounds`.
pub fn all(prepared: &Arc<Prepared>, bounds: Bounds) -> Result<Explored, Box<Failure>> {
    in_stopped_time(async {
        let mut seen = HashSet::new();
        let mut explored = Explored::default();
        let mut schedules: Vec<Vec<u16>> = vec![Vec::new()];
        while let Some(mut schedule) = schedules.pop() {
            explored.schedules += 1;
            if let Err(violation) = follow(prepared, bounds, &mut schedule, &mut seen, &mut schedules).await {
                return Err(tell(prepared, bounds, &schedule, violation).await);
            }
        }
        explored.states = seen.len();
        Ok(explored)
    })
}

/// Looks for the schedule with the fewest switches and events that breaks a rule.
pub fn shortest(prepared: &Arc<Prepared>, most: Bounds) -> Option<Box<Failure>> {
    let most_switches = most.switches.unwrap_or(u32::MAX);
    for deviations in 0..=most_switches + most.events {
        for events in 0..=most.events.min(deviations) {
            let switches = deviations - events;
            if switches <= most_switches
                && let Err(failure) = all(prepared, Bounds { switches: Some(switches), events })
            {
                return Some(failure);
            }
        }
    }
    None
}

/// Follows one schedule drawn from `seed`.
pub fn random(prepared: &Arc<Prepared>, seed: u64, events: u32) -> Result<(), Box<Failure>> {
    in_stopped_time(async {
        let bounds = Bounds { switches: None, events };
        let mut random = Random(seed);
        let mut schedule = Vec::new();
        let mut run = Run::new(prepared, bounds, false).await.map_err(|violation| failed(violation, Vec::new()))?;
        loop {
            let choices = run.choices();
            if choices.is_empty() {
                return Ok(());
            }
            let choice = random.choice(&choices);
            schedule.push(choice as u16);
            if let Err(violation) = run.take(choices[choice]).await {
                return Err(tell(prepared, bounds, &schedule, violation).await);
            }
        }
    })
}

/// Replays the beginning of a schedule, goes on plainly until it ends or comes to a state that was seen, and notes every
/// other way on.
async fn follow(
    prepared: &Arc<Prepared>,
    bounds: Bounds,
    schedule: &mut Vec<u16>,
    seen: &mut HashSet<u64>,
    schedules: &mut Vec<Vec<u16>>,
) -> Result<(), Violation> {
    let mut run = Run::new(prepared, bounds, false).await?;
    for (at, choice) in schedule.iter().enumerate() {
        run.checker.replays = at + 1 < schedule.len();
        let choice = run.choices()[usize::from(*choice)];
        run.take(choice).await?;
    }
    while seen.insert(run.digest()) {
        let choices = run.choices();
        let Some(first) = choices.first() else { break };
        for other in (1..choices.len()).rev() {
            let mut schedule = schedule.clone();
            schedule.push(other as u16);
            schedules.push(schedule);
        }
        schedule.push(0);
        run.take(*first).await?;
    }
    Ok(())
}

/// Runs a schedule that failed once more, to tell what happens in it.
async fn tell(prepared: &Arc<Prepared>, bounds: Bounds, schedule: &[u16], violation: Violation) -> Box<Failure> {
    let Ok(mut run) = Run::new(prepared, bounds, true).await else { return failed(violation, Vec::new()) };
    for choice in schedule {
        let choice = run.choices()[usize::from(*choice)];
        let _ = run.take(choice).await;
    }
    failed(violation, run.told.unwrap_or_default())
}

fn failed(violation: Violation, steps: Vec<String>) -> Box<Failure> {
    Box::new(Failure { violation, steps })
}

/// Runs `work` where time passes only when it is told to.
fn in_stopped_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(work)
}

/// SplitMix64: enough to draw schedules from.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }

    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Mostly requests, so that runs come far before something happens to them.
    fn choice(&mut self, choices: &[Choice]) -> usize {
        let plain = |choice: &Choice| matches!(choice, Choice::Request(_) | Choice::Sleep | Choice::End);
        let plain = choices.iter().filter(|choice| plain(choice)).count();
        if plain == 0 || (plain < choices.len() && self.one_in(10)) {
            plain + self.below(choices.len() - plain)
        } else {
            self.below(plain)
        }
    }
}
