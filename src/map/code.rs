//! A pattern as instructions: the compiled form that the general matcher runs. Built once per pattern.

use std::ops::Range;

use regex_syntax::hir::Look;

use super::pattern::{Class, Pattern};

/// An instruction; where it goes on stands in it, so that there are no jumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    /// These bytes of the code's text.
    Text {
        start: u32,
        end: u32,
        next: u32,
    },
    /// One scalar value of the class with this number.
    Class {
        class: u32,
        next: u32,
    },
    /// First here, then there. The number counts splits, for the matcher's memory.
    Split {
        first: u32,
        second: u32,
        number: u32,
    },
    Save {
        slot: u32,
        next: u32,
    },
    Guard {
        next: u32,
    },
    HiveGuard {
        next: u32,
    },
    Look {
        look: Look,
        subject: Option<u32>,
        next: u32,
    },
    /// The text of an earlier capture again; the number is an index into `Code::agains`.
    Again {
        again: u32,
        next: u32,
    },
    /// Nothing matches here.
    Fail,
    Match,
}

/// What a back-reference asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Again {
    pub captures: Vec<u32>,
    pub fold: bool,
}

/// A compiled pattern; starts at `entry`, ends at a `Match` that stands at the end of the text.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub instructions: Vec<Instruction>,
    pub entry: u32,
    pub text: Vec<u8>,
    pub classes: Vec<Class>,
    pub agains: Vec<Again>,
    /// How many `Split`s there are.
    pub splits: u32,
    /// The captures that are made here and asked for again, here or in what follows: what a state depends on beside its
    /// instruction and its position.
    pub tracked: Vec<u32>,
    /// Per split: a bit for each of `tracked` that can still be asked for. The last bit stands for all from there on.
    pub live: Vec<u64>,
    /// The same at the end.
    pub live_at_end: u64,
    /// Per instruction: the piece of the template that it came from.
    pub origins: Vec<Option<Range<usize>>>,
}

impl Code {
    /// Compiles a sequence; `asked_later` are the captures that what follows it asks for again.
    pub fn new(parts: &[Pattern], asked_later: &[u32]) -> Code {
        let mut builder = Builder::default();
        let end = builder.add(Instruction::Match);
        let entry = builder.sequence(parts, end);
        let mut code = Code {
            instructions: builder.instructions,
            entry,
            text: builder.text,
            classes: builder.classes,
            agains: builder.agains,
            splits: builder.splits,
            tracked: Vec::new(),
            live: Vec::new(),
            live_at_end: 0,
            origins: builder.origins,
        };
        code.find_live(asked_later);
        code
    }

    /// Whether it neither makes captures nor asks for any.
    pub fn captures_nothing(&self) -> bool {
        self.agains.is_empty() && !self.instructions.iter().any(|i| matches!(i, Instruction::Save { .. }))
    }

    /// The captures that any of these parts asks for again.
    pub fn asked(&self) -> Vec<u32> {
        let mut asked: Vec<u32> = self.agains.iter().flat_map(|again| again.captures.iter().copied()).collect();
        asked.sort_unstable();
        asked.dedup();
        asked
    }

    /// Works out `tracked` and the live sets, backwards until nothing changes.
    fn find_live(&mut self, asked_later: &[u32]) {
        let made = |capture: &u32| {
            let saves = |i: &Instruction| matches!(i, Instruction::Save { slot, .. } if slot / 2 == *capture);
            self.instructions.iter().any(saves)
        };
        let mut tracked: Vec<u32> = self.asked().into_iter().chain(asked_later.iter().copied()).collect();
        tracked.sort_unstable();
        tracked.dedup();
        tracked.retain(made);
        self.tracked = tracked;
        self.live_at_end = asked_later.iter().fold(0, |set, capture| set | self.bit(*capture));
        let mut live = vec![0u64; self.instructions.len()];
        loop {
            let mut changed = false;
            for at in 0..self.instructions.len() {
                let set = self.live_before(at, &live);
                changed |= live[at] != set;
                live[at] = set;
            }
            if !changed {
                break;
            }
        }
        let splits = self.instructions.iter().zip(&live);
        let mut by_number: Vec<(u32, u64)> = splits
            .filter_map(|(i, set)| if let Instruction::Split { number, .. } = i { Some((*number, *set)) } else { None })
            .collect();
        by_number.sort_unstable();
        self.live = by_number.into_iter().map(|(_, set)| set).collect();
    }

    fn live_before(&self, at: usize, live: &[u64]) -> u64 {
        match self.instructions[at] {
            Instruction::Match => self.live_at_end,
            Instruction::Fail => 0,
            Instruction::Split { first, second, .. } => live[first as usize] | live[second as usize],
            Instruction::Again { again, next } => {
                let asked = self.agains[again as usize].captures.iter();
                asked.fold(live[next as usize], |set, capture| set | self.bit(*capture))
            }
            Instruction::Text { next, .. }
            | Instruction::Class { next, .. }
            | Instruction::Save { next, .. }
            | Instruction::Guard { next }
            | Instruction::HiveGuard { next }
            | Instruction::Look { next, .. } => live[next as usize],
        }
    }

    fn bit(&self, capture: u32) -> u64 {
        self.tracked.binary_search(&capture).map_or(0, |index| 1 << index.min(63))
    }
}

/// Builds from the back: every instruction knows where it goes on when it is made.
#[derive(Default)]
struct Builder {
    instructions: Vec<Instruction>,
    origins: Vec<Option<Range<usize>>>,
    text: Vec<u8>,
    classes: Vec<Class>,
    agains: Vec<Again>,
    splits: u32,
    origin: Option<Range<usize>>,
}

impl Builder {
    fn add(&mut self, instruction: Instruction) -> u32 {
        self.instructions.push(instruction);
        self.origins.push(self.origin.clone());
        self.instructions.len() as u32 - 1
    }

    fn split(&mut self, first: u32, second: u32) -> u32 {
        self.splits += 1;
        self.add(Instruction::Split { first, second, number: self.splits - 1 })
    }

    fn sequence(&mut self, parts: &[Pattern], next: u32) -> u32 {
        parts.iter().rev().fold(next, |next, part| self.part(part, next))
    }

    fn part(&mut self, part: &Pattern, next: u32) -> u32 {
        match part {
            Pattern::Text(bytes) => {
                let start = self.text.len() as u32;
                self.text.extend_from_slice(bytes);
                self.add(Instruction::Text { start, end: self.text.len() as u32, next })
            }
            Pattern::Class(class) => {
                let class = position(&mut self.classes, class);
                self.add(Instruction::Class { class, next })
            }
            Pattern::Concat(parts) => self.sequence(parts, next),
            Pattern::Either(branches) => self.either(branches, next),
            Pattern::Repeat { what, min, max, greedy } => self.repeat(what, *min, *max, *greedy, next),
            Pattern::Save(slot) => self.add(Instruction::Save { slot: *slot, next }),
            Pattern::Guard => self.add(Instruction::Guard { next }),
            Pattern::HiveGuard => self.add(Instruction::HiveGuard { next }),
            Pattern::Look { look, subject } => self.add(Instruction::Look { look: *look, subject: *subject, next }),
            Pattern::Again { captures, fold } => {
                let again = position(&mut self.agains, &Again { captures: captures.clone(), fold: *fold });
                self.add(Instruction::Again { again, next })
            }
            Pattern::From(span, inner) => {
                let outer = self.origin.replace(span.clone());
                let start = self.part(inner, next);
                self.origin = outer;
                start
            }
        }
    }

    fn either(&mut self, branches: &[Pattern], next: u32) -> u32 {
        let starts: Vec<u32> = branches.iter().map(|branch| self.part(branch, next)).collect();
        let tried_last = match starts.last() {
            Some(last) => *last,
            None => self.add(Instruction::Fail),
        };
        let before = starts.len().saturating_sub(1);
        starts[..before].iter().rev().fold(tried_last, |later, start| self.split(*start, later))
    }

    fn repeat(&mut self, what: &Pattern, min: u32, max: Option<u32>, greedy: bool, next: u32) -> u32 {
        let ordered = |into, out| if greedy { (into, out) } else { (out, into) };
        let (start, copies) = match max {
            // The optional ones nest, so that leaving one leaves those behind it.
            Some(max) => {
                let mut start = next;
                for _ in min..max {
                    let into = self.part(what, start);
                    let (first, second) = ordered(into, next);
                    start = self.split(first, second);
                }
                (start, min)
            }
            None if min == 0 && !can_be_empty(what) => {
                let again = self.split(u32::MAX, u32::MAX);
                let into = self.part(what, again);
                self.aim(again, ordered(into, next));
                (again, 0)
            }
            // `x+`; and `x*` as `(?:x+)?` where `x` can be empty, so that an empty turn ends the loop.
            None => {
                let again = self.split(u32::MAX, u32::MAX);
                let into = self.part(what, again);
                self.aim(again, ordered(into, next));
                if min == 0 {
                    let (first, second) = ordered(into, next);
                    (self.split(first, second), 0)
                } else {
                    (into, min - 1)
                }
            }
        };
        (0..copies).fold(start, |next, _| self.part(what, next))
    }

    fn aim(&mut self, split: u32, (first_aim, second_aim): (u32, u32)) {
        if let Instruction::Split { first, second, .. } = &mut self.instructions[split as usize] {
            (*first, *second) = (first_aim, second_aim);
        }
    }
}

/// Where `value` stands in `list`, put there if it is not yet.
fn position<T: PartialEq + Clone>(list: &mut Vec<T>, value: &T) -> u32 {
    let at = list.iter().position(|known| known == value).unwrap_or_else(|| {
        list.push(value.clone());
        list.len() - 1
    });
    at as u32
}

/// Whether it can match nothing at all.
pub(crate) fn can_be_empty(part: &Pattern) -> bool {
    match part {
        Pattern::Text(_) | Pattern::Class(_) => false,
        Pattern::Concat(parts) => parts.iter().all(can_be_empty),
        Pattern::Either(branches) => branches.iter().any(can_be_empty),
        Pattern::Repeat { what, min, .. } => *min == 0 || can_be_empty(what),
        Pattern::From(_, inner) => can_be_empty(inner),
        Pattern::Save(_) | Pattern::Guard | Pattern::HiveGuard | Pattern::Look { .. } | Pattern::Again { .. } => true,
    }
}
