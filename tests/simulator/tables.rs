//! The tables that are simulated: new, changed and emptied partitions at once, and lines that move.

use crate::explore::Random;
use crate::scenario::{Contents, Events, Role, Scenario, contents};
use restitch::rules::table::Publish;
use restitch::store::memory::Tags;

/// Two runs by different rules. No line moves against what is published, but the two want line 5 in different partitions,
/// and line 6.
pub fn changes() -> Scenario {
    Scenario {
        before: contents("amer: 1 2, apac: 3, emea: 4, old:"),
        listings: vec![
            vec![contents("amer: 1 5, emea: 4, latam: 6")],
            vec![contents("amer: 1, emea: 4, mea: 5, old: 6")],
        ],
        roles: vec![Role::Apply { rules: 0 }, Role::Apply { rules: 1 }],
        ..Scenario::default()
    }
}

/// Two runs by different rules; both move lines, and one has partitions that give and take.
pub fn moves() -> Scenario {
    Scenario {
        before: contents("amer: 1 2, apac: 3 4, emea: 5"),
        listings: vec![vec![contents("amer: 1 4, apac: 3 5, latam: 2")], vec![contents("amer: 1 2, emea: 3 5")]],
        ..changes()
    }
}

/// Two runs by different rules where nothing has been published yet.
pub fn first_publication() -> Scenario {
    Scenario { before: Contents::new(), ..changes() }
}

/// Two runs by the same rules, while objects come and go.
pub fn new_objects() -> Scenario {
    Scenario {
        listings: vec![vec![contents("amer: 1 2 5, emea: 4, latam: 6"), contents("amer: 1, apac: 3, emea: 4")]],
        roles: vec![Role::Apply { rules: 0 }, Role::Apply { rules: 0 }],
        ..changes()
    }
}

/// Two runs by different rules, each of which puts everything into a directory of its own.
pub fn switches() -> Scenario {
    Scenario { publish: Publish::Switch, ..moves() }
}

/// The same, of a table that is projected, and whose readers ask a catalog where it lies.
pub fn registered() -> Scenario {
    Scenario { registered: true, ..switches() }
}

/// Any table, any number of runs.
pub fn random(drawn: &mut Random) -> Scenario {
    let moves = drawn.one_in(2);
    let lines = 2 + drawn.below(10) as u32;
    let regions = 2 + drawn.below(5);
    let homes: Vec<usize> = (0..lines).map(|_| drawn.below(regions)).collect();
    let state = |drawn: &mut Random| {
        let mut contents = Contents::new();
        for line in 0..lines {
            let home = if moves && drawn.one_in(4) { drawn.below(regions) } else { homes[line as usize] };
            if line == 0 || !drawn.one_in(3) {
                contents.entry(format!("r{home}")).or_default().insert(1 + line);
            }
        }
        if drawn.one_in(3) {
            contents.entry(format!("r{}", drawn.below(regions))).or_default();
        }
        contents
    };
    let before = if drawn.one_in(5) { Contents::new() } else { state(drawn) };
    let states = 1 + drawn.below(3);
    let listings = (0..2).map(|_| (0..states).map(|_| state(drawn)).collect()).collect();
    let mut roles = vec![Role::Apply { rules: drawn.below(2) }];
    if drawn.one_in(3) {
        roles = vec![Role::Saved { rules: 0 }, Role::Again { actor: 0 }];
    }
    let saved = roles.len() > 1;
    for _ in 0..drawn.below(3) {
        roles.push(Role::Apply { rules: drawn.below(2) });
    }
    if drawn.one_in(3) {
        roles.push(Role::Prune);
    }
    if drawn.one_in(2) {
        roles.push(Role::Query);
    }
    let publish = if drawn.one_in(3) { Publish::Switch } else { Publish::Refresh };
    let before_is_empty = before.is_empty();
    Scenario {
        before,
        listings,
        roles,
        events: Events::ALL,
        // Where every write has a tag of its own, a plan saved before the run fits no run.
        tags: if !saved && drawn.one_in(4) { Tags::Kms } else { Tags::Md5 },
        page_size: [1, 2, 7, 1000][drawn.below(4)],
        concurrency: 1 + drawn.below(4),
        lock_timeout_s: [0, 90][drawn.below(2)],
        publish,
        registered: publish == Publish::Switch && !before_is_empty && drawn.one_in(2),
        ..Scenario::default()
    }
}
