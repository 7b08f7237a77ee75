//! Publishing, with every accident at every step.
//!
//! Appliers, queries, and a store in which each request is a step that a schedule decides about: it happens, fails, is
//! answered by nobody, or lands when its sender is long dead; processes are killed and interrupted, time passes, objects
//! change. After each step the rules of `checker` must hold, and at the end one more plan and apply must come to what a
//! run without accidents comes to. `all` tries every schedule within bounds that each test states, `random` draws some
//! beyond them (`RESTITCH_SIMULATIONS` says how many). The mutations leave out one step of the protocol each, and show
//! that it would be noticed.
//!
//! loom and shuttle permute threads and turmoil a network; here what must be permuted are requests to one store, and a
//! few hundred lines do that without changing a type of the product.

#[path = "../published/mod.rs"]
mod published;

mod actor;
mod catalog;
mod checker;
mod explore;
mod run;
mod scenario;
mod tables;
mod world;

use checker::Broken;
use explore::{Random, all, random, shortest};
use restitch::apply::Protocol;
use run::Bounds;
use scenario::{Events, Role, Scenario};
use snapbox::str;
use tables::{changes, first_publication, moves, new_objects, registered, switches};

const APPLY: Role = Role::Apply { rules: 0 };
const OTHER: Role = Role::Apply { rules: 1 };

/// Processes die, and everybody is stopped until a lease has run out.
const KILLED_AND_LATE: Events = Events { kills: true, stops_ms: &[61_000], ..Events::NONE };

/// Schedules drawn where nothing says how many.
const SIMULATIONS: u64 = 1_000;

/// Tries all schedules within the bounds and panics with the first that breaks a rule.
#[track_caller]
fn holds(scenario: Scenario, switches: Option<u32>, events: u32) {
    match all(&scenario.prepare(), Bounds { switches, events }) {
        Ok(explored) => println!("{} schedules, {} states", explored.schedules, explored.states),
        Err(failure) => panic!("{failure}"),
    }
}

#[test]
fn one_run_and_any_two_accidents() {
    for scenario in [changes(), moves(), first_publication()] {
        holds(scenario.by(&[APPLY]).under(Events::ALL), Some(0), 2);
    }
}

#[test]
fn one_run_with_three_writes_in_flight_and_any_accident() {
    for scenario in [changes(), moves()] {
        let scenario = Scenario { concurrency: 3, ..scenario };
        holds(scenario.by(&[APPLY]).under(Events::ALL), Some(2), 1);
    }
}

#[test]
fn two_runs_in_every_order() {
    holds(changes(), None, 0);
    holds(first_publication(), None, 0);
    holds(moves(), Some(3), 0);
}

#[test]
fn two_runs_two_switches_and_any_accident() {
    holds(changes().under(Events::ALL), Some(2), 1);
}

#[test]
fn two_runs_that_move_lines_one_switch_and_any_accident() {
    holds(moves().under(Events::ALL), Some(1), 1);
    holds(first_publication().under(Events::ALL), Some(1), 1);
}

#[test]
fn a_saved_plan_that_is_cut_off_and_applied_again_while_another_run_plans() {
    let scenario = changes().by(&[Role::Saved { rules: 0 }, Role::Again { actor: 0 }, OTHER]);
    let interrupted = Events { interrupts: true, ..Events::NONE };
    holds(scenario.clone(), Some(2), 0);
    holds(scenario.clone().under(interrupted), Some(1), 2);
    holds(scenario.under(KILLED_AND_LATE), Some(0), 2);
}

#[test]
fn a_run_that_waits_for_one_that_dies() {
    let killed = Events { kills: true, ..Events::NONE };
    holds(Scenario { lock_timeout_s: 90, ..changes() }.under(killed), Some(1), 1);
}

#[test]
fn objects_that_change_while_two_runs_list_and_apply() {
    holds(new_objects(), Some(3), 1);
}

#[test]
fn queries_in_every_order() {
    holds(changes().by(&[APPLY, Role::Query]), None, 0);
    holds(moves().by(&[APPLY, Role::Query]), None, 0);
    holds(changes().by(&[APPLY, Role::Query]).under(KILLED_AND_LATE), Some(2), 1);
}

#[test]
fn prunes_while_an_emptied_partition_gets_lines_again() {
    let accidents =
        Events { stops_ms: &[46_000, 61_000], outages_ms: &[61_000], kills: true, faults: true, ..Events::NONE };
    holds(changes().by(&[OTHER, Role::Prune]), None, 0);
    holds(changes().by(&[OTHER, Role::Prune]).under(accidents), Some(1), 1);
    holds(changes().by(&[Role::Prune, OTHER]).under(accidents), Some(1), 1);
    holds(changes().by(&[Role::Prune, Role::Prune]).under(accidents), Some(2), 1);
}

#[test]
fn switches_in_every_order() {
    holds(Scenario { roles: vec![APPLY, Role::Query], ..switches() }, None, 0);
    holds(Scenario { roles: vec![Role::Saved { rules: 0 }, OTHER, Role::Query], ..switches() }, Some(2), 0);
    holds(switches(), Some(3), 0);
}

#[test]
fn switches_and_any_accident() {
    holds(Scenario { roles: vec![APPLY], events: Events::ALL, ..switches() }, Some(0), 2);
    holds(Scenario { events: Events::ALL, ..switches() }, Some(1), 1);
    let killed = Events { kills: true, stops_ms: &[61_000], ..Events::NONE };
    holds(Scenario { roles: vec![APPLY, Role::Query, Role::Prune], events: killed, ..switches() }, Some(2), 1);
}

#[test]
fn switches_of_a_table_in_a_catalog() {
    holds(Scenario { roles: vec![APPLY, Role::Query], ..registered() }, None, 0);
    holds(Scenario { roles: vec![APPLY, OTHER, Role::Query], ..registered() }, Some(2), 0);
    holds(Scenario { roles: vec![APPLY], events: Events::ALL, ..registered() }, Some(0), 2);
    holds(Scenario { events: Events::ALL, ..registered() }, Some(1), 1);
    let killed = Events { kills: true, stops_ms: &[61_000], ..Events::NONE };
    holds(Scenario { roles: vec![APPLY, OTHER, Role::Query], events: killed, ..registered() }, Some(1), 1);
}

#[test]
fn schedules_at_random() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a whole number"));
    let seeds = match number("RESTITCH_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("RESTITCH_SIMULATIONS").unwrap_or(SIMULATIONS),
    };
    for seed in seeds {
        let mut drawn = Random(seed);
        let scenario = tables::random(&mut drawn);
        let events = drawn.below(6) as u32;
        if let Err(failure) = random(&scenario.clone().prepare(), seed, events) {
            panic!("{scenario:#?}\n{failure}\nto see it again: RESTITCH_SIMULATION_SEED={seed}");
        }
    }
}

/// Runs a scenario without one step of the protocol, and holds the shortest schedule that breaks a rule against `steps`.
#[track_caller]
fn caught(scenario: Scenario, protocol: Protocol, broken: Broken, steps: snapbox::data::Inline) {
    let most = Bounds { switches: Some(3), events: 1 };
    let failure = shortest(&Scenario { protocol, ..scenario }.prepare(), most).expect("it is noticed");
    assert_eq!(failure.violation.broken, broken, "{failure}");
    snapbox::assert_data_eq!(failure.to_string(), steps);
}

/// Without conditions two runs both take the lease.
#[test]
fn without_conditions() {
    let protocol = Protocol { conditions: false, ..Protocol::default() };
    caught(
        changes(),
        protocol,
        Broken::Twice,
        str![[r#"
A begins, gets the marker, the objects, lists the location, gets amer, apac, the marker
B begins, gets the marker, the objects, lists the location, gets amer, apac, the marker, puts the marker, mea, amer, old, apac, the marker, is done
A puts the marker, latam
Twice: s3://data/6 stands in latam and in old
"#]],
    );
}

/// Where a live lease is not respected, one run writes beside another.
#[test]
fn without_a_lease() {
    let protocol = Protocol { lease: false, ..Protocol::default() };
    caught(
        changes(),
        protocol,
        Broken::Twice,
        str![[r#"
A begins, gets the marker, the objects, lists the location, gets amer, apac, the marker, puts the marker
B begins, gets the marker, the objects, lists the location, gets amer, apac, the marker, puts the marker, mea, amer, old, apac, the marker, is done
A puts latam
Twice: s3://data/6 stands in latam and in old
"#]],
    );
}

/// Lines that are added before they are taken away are there twice.
#[test]
fn without_removals_first() {
    let protocol = Protocol { removals_first: false, ..Protocol::default() };
    caught(
        moves().by(&[APPLY]),
        protocol,
        Broken::Twice,
        str![[r#"
A begins, gets the marker, the objects, lists the location, gets amer, apac, emea, amer, apac, emea, the marker, puts the marker, amer
Twice: s3://data/4 stands in amer and in apac
"#]],
    );
}

/// A write whose answer is lost has landed; a run that does not look fails for no reason.
#[test]
fn without_reading_back() {
    let protocol = Protocol { read_back: false, ..Protocol::default() };
    caught(
        changes().by(&[APPLY]).under(Events { faults: true, ..Events::NONE }),
        protocol,
        Broken::Outcome,
        str![[r#"
A begins, gets the marker, the objects, lists the location, gets amer, apac, the marker, puts the marker, latam, amer, apac, the marker, and the answer is lost
Outcome: A fails for no reason: Unreachable: s3://published/taxes/_restitch.json: no answer
"#]],
    );
}

/// A marker that says nothing of a run under way claims what is not so.
#[test]
fn without_unfinished() {
    let protocol = Protocol { unfinished: false, ..Protocol::default() };
    caught(
        changes().by(&[APPLY]),
        protocol,
        Broken::Marker,
        str![[r#"
A begins, gets the marker, the objects, lists the location, gets amer, apac, the marker, puts the marker, latam
Marker: region=latam/symlink.txt is written, and the marker says that all is done
"#]],
    );
}

/// A partition that has vanished keeps lines to objects that are gone.
#[test]
fn without_empty_manifests() {
    let protocol = Protocol { empties: false, ..Protocol::default() };
    caught(
        changes().by(&[APPLY]),
        protocol,
        Broken::Dangling,
        str![[r#"
A begins, gets the marker, the objects, lists the location, gets amer, apac, the marker, puts the marker, latam, amer, the marker
Dangling: s3://data/3 stands in apac, and what was applied last does not want it
"#]],
    );
}

/// A plan from before another run adds what that run has added elsewhere.
#[test]
fn without_holding_the_plan_to_its_marker() {
    let protocol = Protocol { marker_requires: false, ..Protocol::default() };
    caught(
        changes(),
        protocol,
        Broken::Twice,
        str![[r#"
A begins, gets the marker, the objects, lists the location, gets amer, apac, the marker
B begins, gets the marker, the objects, lists the location, gets amer, apac, the marker, puts the marker, mea, amer, old, apac, the marker, is done
A puts the marker: 412, gets the marker, the marker, puts the marker, latam
Twice: s3://data/6 stands in latam and in old
"#]],
    );
}
