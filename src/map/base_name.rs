//! Base names without backtracking: most rules end in texts, runs of a class and one `*`, and need no more than a look
//! at the front and the end of the name.

use super::backtrack::is_hidden;
use super::pattern::{Class, Pattern};

/// A pattern of base names in which every step has only one way to go.
#[derive(Clone, Debug)]
pub(crate) struct BaseName {
    steps: Vec<Step>,
    /// Some class has characters beyond ASCII that the steps do not know: right for ASCII names only.
    ascii_only: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Text(Vec<u8>),
    /// One of these sequences of byte sets, all of one length.
    Fixed(Vec<Vec<u128>>),
    /// The one of these that the name goes on with; none begins another.
    OneOf(Vec<Vec<u8>>),
    /// As many bytes of the set as there are, within these bounds; what follows cannot begin with one of the set.
    Run {
        set: u128,
        beyond_ascii: bool,
        min: u32,
        max: u32,
    },
    Save(u32),
    Guard,
    /// Anything, then one of these ends, the first that fits; the slot notes where the end begins.
    Rest {
        min: u32,
        save: Option<u32>,
        ends: Vec<Tail>,
    },
}

#[derive(Clone, Debug)]
enum Tail {
    Text(Vec<u8>),
    Sets(Vec<u128>),
}

impl BaseName {
    /// Compiles the parts of a base name, if each has only one way to match.
    pub fn new(parts: &[Pattern]) -> Option<BaseName> {
        let mut builder = Builder { made: BaseName { steps: Vec::new(), ascii_only: false } };
        builder.sequence(parts)?;
        Some(builder.made)
    }

    /// Whether it can decide about this name.
    pub fn decides(&self, name: &[u8]) -> bool {
        !self.ascii_only || name.is_ascii()
    }

    /// Whether the whole name matches. Slots get positions counted from `base`; those of a failed match are of no use.
    pub fn matches(&self, name: &[u8], base: u32, slots: &mut [u32]) -> bool {
        let mut at = 0;
        for step in &self.steps {
            let rest = &name[at..];
            match step {
                Step::Text(text) => {
                    if !rest.starts_with(text) {
                        return false;
                    }
                    at += text.len();
                }
                Step::Fixed(choices) => {
                    if !choices.iter().any(|sets| begins_with(rest, sets)) {
                        return false;
                    }
                    at += choices[0].len();
                }
                Step::OneOf(texts) => match texts.iter().find(|text| rest.starts_with(text)) {
                    Some(text) => at += text.len(),
                    None => return false,
                },
                Step::Run { set, beyond_ascii, min, max } => {
                    let most = rest.len().min(*max as usize);
                    let holds = |byte: &u8| if *byte < 128 { set >> byte & 1 == 1 } else { *beyond_ascii };
                    let len = rest[..most].iter().position(|byte| !holds(byte)).unwrap_or(most);
                    if len < *min as usize {
                        return false;
                    }
                    at += len;
                }
                Step::Save(slot) => slots[*slot as usize] = base + at as u32,
                // A base name is a component, so only its own start is one.
                Step::Guard => {
                    if at == 0 && is_hidden(rest) {
                        return false;
                    }
                }
                Step::Rest { min, save, ends } => return finish(rest, *min, *save, ends, base + at as u32, slots),
            }
        }
        at == name.len()
    }
}

fn finish(rest: &[u8], min: u32, save: Option<u32>, ends: &[Tail], base: u32, slots: &mut [u32]) -> bool {
    for end in ends {
        let (len, fits) = match end {
            Tail::Text(text) => (text.len(), rest.ends_with(text)),
            Tail::Sets(sets) => {
                let from = rest.len().checked_sub(sets.len());
                (sets.len(), from.is_some_and(|from| begins_with(&rest[from..], sets)))
            }
        };
        if fits && rest.len() - len >= min as usize {
            if let Some(slot) = save {
                slots[slot as usize] = base + (rest.len() - len) as u32;
            }
            return true;
        }
    }
    false
}

fn begins_with(text: &[u8], sets: &[u128]) -> bool {
    text.len() >= sets.len() && text.iter().zip(sets).all(|(byte, set)| *byte < 128 && set >> byte & 1 == 1)
}

struct Builder {
    made: BaseName,
}

/// Most ends that alternatives behind a `*` are multiplied out to.
const MOST_ENDS: usize = 64;

impl Builder {
    fn sequence(&mut self, parts: &[Pattern]) -> Option<()> {
        for (index, part) in parts.iter().enumerate() {
            let rest = &parts[index + 1..];
            match part {
                Pattern::Text(text) => self.made.steps.push(Step::Text(text.clone())),
                Pattern::Save(slot) => self.made.steps.push(Step::Save(*slot)),
                Pattern::Guard => self.made.steps.push(Step::Guard),
                Pattern::Class(_) | Pattern::Either(_) => self.choice(part)?,
                Pattern::Repeat { what, min, max, greedy } => {
                    let Pattern::Class(class) = &**what else {
                        self.choice(part)?;
                        continue;
                    };
                    if *max == Some(*min) {
                        let set = self.set(class);
                        let sets = vec![set; *min as usize];
                        self.made.steps.push(Step::Fixed(vec![sets]));
                    } else if *class == Class::not_slash() && max.is_none() && *min <= 1 {
                        return self.rest(*min, *greedy, rest);
                    } else {
                        self.run(class, *min, *max, rest)?;
                    }
                }
                Pattern::Concat(inner) => {
                    // Flattened already, but for what stands in alternatives.
                    let all: Vec<Pattern> = inner.iter().chain(rest).cloned().collect();
                    return self.sequence(&all);
                }
                Pattern::HiveGuard | Pattern::Look { .. } | Pattern::Again { .. } | Pattern::From(..) => return None,
            }
        }
        Some(())
    }

    /// The set of a class, of its ASCII characters.
    fn set(&mut self, class: &Class) -> u128 {
        self.made.ascii_only |= !class.is_ascii();
        class.ascii
    }

    /// Alternatives of one fixed length, or texts none of which begins another.
    fn choice(&mut self, part: &Pattern) -> Option<()> {
        let choices = self.sequences(part)?;
        let (first, others) = choices.split_first()?;
        if others.iter().all(|other| other.len() == first.len()) {
            self.made.steps.push(Step::Fixed(choices));
            return Some(());
        }
        let texts: Vec<Vec<u8>> = choices.iter().map(|sets| text(sets)).collect::<Option<_>>()?;
        let apart = |a: &Vec<u8>, b: &Vec<u8>| !a.starts_with(b) && !b.starts_with(a);
        let clear = texts.iter().enumerate().all(|(i, a)| texts[i + 1..].iter().all(|b| apart(a, b)));
        clear.then(|| self.made.steps.push(Step::OneOf(texts)))
    }

    /// All that a part can be, as sequences of byte sets, in its order of preference.
    fn sequences(&mut self, part: &Pattern) -> Option<Vec<Vec<u128>>> {
        match part {
            Pattern::Text(text) if text.is_ascii() => Some(vec![text.iter().map(|byte| 1 << byte).collect()]),
            Pattern::Class(class) => Some(vec![vec![self.set(class)]]),
            Pattern::Concat(parts) => self.product(parts),
            Pattern::Either(branches) => {
                let all: Option<Vec<Vec<Vec<u128>>>> = branches.iter().map(|branch| self.sequences(branch)).collect();
                all.map(|all| all.concat()).filter(|all| all.len() <= MOST_ENDS)
            }
            Pattern::Repeat { what, min, max, .. } if *max == Some(*min) && *min <= 64 => {
                let copies = vec![(**what).clone(); *min as usize];
                self.product(&copies)
            }
            _ => None,
        }
    }

    fn product(&mut self, parts: &[Pattern]) -> Option<Vec<Vec<u128>>> {
        let mut all: Vec<Vec<u128>> = vec![Vec::new()];
        for part in parts {
            let next = self.sequences(part)?;
            if all.len() * next.len() > MOST_ENDS {
                return None;
            }
            all = all.iter().flat_map(|front| next.iter().map(|back| [&front[..], back].concat())).collect();
        }
        Some(all)
    }

    /// A run that can end at one place only.
    fn run(&mut self, class: &Class, min: u32, max: Option<u32>, rest: &[Pattern]) -> Option<()> {
        let beyond_ascii = class.has_all_others();
        if !class.is_ascii() && !beyond_ascii {
            self.made.ascii_only = true;
        }
        if beyond_ascii && (min > 1 || max.is_some()) {
            // Counted in characters, which are several bytes.
            self.made.ascii_only = true;
        }
        let (first, first_beyond) = first_set(rest)?;
        if first & class.ascii != 0 || first_beyond && !class.is_ascii() {
            return None;
        }
        let max = max.unwrap_or(u32::MAX);
        self.made.steps.push(Step::Run { set: class.ascii, beyond_ascii, min, max });
        Some(())
    }

    /// `[^/]*` or `[^/]+` and nothing but a choice of ends behind it.
    fn rest(&mut self, min: u32, greedy: bool, rest: &[Pattern]) -> Option<()> {
        let (save, rest) = match rest {
            [Pattern::Save(slot), rest @ ..] => (Some(*slot), rest),
            rest => (None, rest),
        };
        let mut ends = self.product(rest)?;
        // The shorter the run, the longer the end; of ends as long as each other only one can be there, or they are as
        // good as each other.
        ends.sort_by_key(|end| if greedy { end.len() as isize } else { -(end.len() as isize) });
        let end = |sets: Vec<u128>| text(&sets).map_or(Tail::Sets(sets), Tail::Text);
        let ends = ends.into_iter().map(end).collect();
        self.made.steps.push(Step::Rest { min, save, ends });
        Some(())
    }
}

/// The bytes that what follows can begin with, and whether it can with one beyond ASCII; `None` where that is not clear.
fn first_set(parts: &[Pattern]) -> Option<(u128, bool)> {
    let mut set = (0, false);
    for part in parts {
        let (of_part, can_be_empty) = match part {
            Pattern::Text(text) => (first_of(text[0]), false),
            Pattern::Class(class) => ((class.ascii, !class.is_ascii()), false),
            Pattern::Repeat { what, .. } => (first_set(std::slice::from_ref(what))?, super::code::can_be_empty(part)),
            Pattern::Concat(parts) => (first_set(parts)?, parts.iter().all(super::code::can_be_empty)),
            Pattern::Either(branches) => {
                let firsts: Option<Vec<(u128, bool)>> =
                    branches.iter().map(|branch| first_set(std::slice::from_ref(branch))).collect();
                let union = firsts?.into_iter().fold((0, false), |all, one| (all.0 | one.0, all.1 | one.1));
                (union, branches.iter().any(super::code::can_be_empty))
            }
            Pattern::Save(_) | Pattern::Guard => ((0, false), true),
            _ => return None,
        };
        set = (set.0 | of_part.0, set.1 | of_part.1);
        if !can_be_empty {
            break;
        }
    }
    Some(set)
}

fn first_of(byte: u8) -> (u128, bool) {
    if byte < 128 { (1 << byte, false) } else { (0, true) }
}

/// The text, if each set holds one byte.
fn text(sets: &[u128]) -> Option<Vec<u8>> {
    sets.iter().map(|set| (set.count_ones() == 1).then(|| set.trailing_zeros() as u8)).collect()
}
