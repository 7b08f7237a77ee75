//! The general matcher: tries a compiled pattern in the order that Perl would, and never one state twice.
//!
//! A state is an instruction, a position, and the captures that can still be asked for again. Without back-references a
//! match costs at most instructions × length; with them there is a limit of steps, and running into it is an error.

use std::collections::{HashMap, HashSet};

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange, Look};

use super::code::{Again, Code, Instruction};
use crate::value::HIVE_NULL;

/// A slot that holds no position.
pub(crate) const UNSET: u32 = u32::MAX;

/// Steps after which a match with back-references is given up: about a second, and 100 MB. Templates that people write
/// take some thousand on keys of 1,024 bytes.
pub(crate) const STEP_LIMIT: u64 = 5_000_000;

/// A match that took more than [`STEP_LIMIT`] steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManySteps;

/// What the matcher works with, kept between runs so that a run allocates nothing once it has grown.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    stack: Vec<Frame>,
    /// A bit per split and position.
    visited: Vec<u64>,
    /// The same where captures count too: split, position, number of the context.
    visited_with: HashSet<(u32, u32, u32)>,
    /// Spans of the live captures, each combination with its number.
    contexts: HashMap<Vec<u32>, u32>,
    context: Vec<u32>,
    /// Instructions run so far, over all runs.
    pub steps: u64,
    /// Where the last traced run came furthest.
    furthest: Option<Furthest>,
}

/// Where a match could not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Furthest {
    /// The instruction that failed; `Match` where the text went on behind the end of the pattern.
    pub instruction: u32,
    /// Where the piece of the template that failed had begun.
    pub start: usize,
    /// How far it agreed with the text, in any case.
    pub end: usize,
}

#[derive(Clone, Copy, Debug)]
enum Frame {
    /// `since`: where the piece of the template that `at` is of began.
    Try {
        at: u32,
        position: u32,
        since: u32,
    },
    Restore {
        slot: u32,
        position: u32,
    },
}

impl Scratch {
    /// The first match of `text` from `start` to its end, in the order of preference; its slots are left in `slots`.
    pub fn first(&mut self, code: &Code, text: &[u8], start: usize, slots: &mut [u32]) -> Result<bool, TooManySteps> {
        self.run::<false>(code, text, start, slots, |_| true)
    }

    /// All matches that differ in a capture which is asked for later, in the order of preference, until `found` says
    /// that it is enough.
    pub fn each(
        &mut self,
        code: &Code,
        text: &[u8],
        start: usize,
        slots: &mut [u32],
        found: impl FnMut(&[u32]) -> bool,
    ) -> Result<bool, TooManySteps> {
        self.run::<false>(code, text, start, slots, found)
    }

    /// Where [`Scratch::first`] comes furthest before it gives up; `None` if it matches. The code must know the origins
    /// of its instructions.
    pub fn furthest(
        &mut self,
        code: &Code,
        text: &[u8],
        start: usize,
        slots: &mut [u32],
    ) -> Result<Option<Furthest>, TooManySteps> {
        self.furthest = None;
        let found = self.run::<true>(code, text, start, slots, |_| true)?;
        Ok(self.furthest.take().filter(|_| !found))
    }

    fn run<const TRACE: bool>(
        &mut self,
        code: &Code,
        text: &[u8],
        start: usize,
        slots: &mut [u32],
        mut found: impl FnMut(&[u32]) -> bool,
    ) -> Result<bool, TooManySteps> {
        self.prepare(code, text.len());
        let limit = self.steps + STEP_LIMIT;
        let mut ended = false;
        self.stack.push(Frame::Try { at: code.entry, position: start as u32, since: start as u32 });
        while let Some(frame) = self.stack.pop() {
            let (mut at, mut position, mut since) = match frame {
                Frame::Restore { slot, position } => {
                    slots[slot as usize] = position;
                    continue;
                }
                Frame::Try { at, position, since } => (at, position as usize, since),
            };
            if !code.tracked.is_empty() && self.steps > limit {
                return Err(TooManySteps);
            }
            while let Some((next, advanced)) = self.step::<TRACE>(code, text, at, position, since, slots) {
                if TRACE && code.origins[next as usize] != code.origins[at as usize] {
                    since = advanced as u32;
                }
                (at, position) = (next, advanced);
            }
            if matches!(code.instructions[at as usize], Instruction::Match) && position == text.len() {
                if code.tracked.is_empty() || !ended || self.is_new_end(code, slots) {
                    ended = true;
                    if found(slots) {
                        return Ok(true);
                    }
                }
                if code.live_at_end == 0 {
                    return Ok(false);
                }
            } else if TRACE {
                self.note(code, text, at, position, since as usize);
            }
        }
        Ok(false)
    }

    /// Runs one instruction: where to go on, or `None` where this way ends (also at `Match`).
    #[inline]
    fn step<const TRACE: bool>(
        &mut self,
        code: &Code,
        text: &[u8],
        at: u32,
        position: usize,
        since: u32,
        slots: &mut [u32],
    ) -> Option<(u32, usize)> {
        self.steps += 1;
        match code.instructions[at as usize] {
            Instruction::Text { start, end, next } => {
                let wanted = &code.text[start as usize..end as usize];
                text[position..].starts_with(wanted).then(|| (next, position + wanted.len()))
            }
            Instruction::Class { class, next } => {
                let class = &code.classes[class as usize];
                let byte = *text.get(position)?;
                if byte < 128 {
                    return (class.ascii >> byte & 1 == 1).then_some((next, position + 1));
                }
                let c = char_at(text, position)?;
                class.contains(c).then(|| (next, position + c.len_utf8()))
            }
            Instruction::Split { first, second, number } => {
                if !self.is_new(code, text.len(), number, position, slots) {
                    return None;
                }
                let same = !TRACE || code.origins[second as usize] == code.origins[at as usize];
                let since = if same { since } else { position as u32 };
                self.stack.push(Frame::Try { at: second, position: position as u32, since });
                Some((first, position))
            }
            Instruction::Save { slot, next } => {
                let old = std::mem::replace(&mut slots[slot as usize], position as u32);
                self.stack.push(Frame::Restore { slot, position: old });
                Some((next, position))
            }
            Instruction::Guard { next } => is_open(text, position).then_some((next, position)),
            Instruction::HiveGuard { next } => {
                let open = text[position..].starts_with(HIVE_NULL.as_bytes()) || is_open(text, position);
                open.then_some((next, position))
            }
            Instruction::Look { look, subject, next } => {
                let start = subject.map_or(0, |slot| slots[slot as usize] as usize);
                holds(look, &text[start..], position - start).then_some((next, position))
            }
            Instruction::Again { again, next } => {
                let after = repeated(&code.agains[again as usize], text, position, slots)?;
                Some((next, after))
            }
            Instruction::Fail | Instruction::Match => None,
        }
    }

    fn prepare(&mut self, code: &Code, len: usize) {
        self.stack.clear();
        if code.tracked.is_empty() {
            let words = (code.splits as usize * (len + 1)).div_ceil(64);
            self.visited.clear();
            self.visited.resize(words, 0);
        } else {
            self.visited_with.clear();
            self.contexts.clear();
        }
    }

    /// Whether this split has not been reached in this state before; notes that it has now.
    #[inline]
    fn is_new(&mut self, code: &Code, len: usize, split: u32, position: usize, slots: &[u32]) -> bool {
        if code.tracked.is_empty() {
            let bit = split as usize * (len + 1) + position;
            let word = &mut self.visited[bit / 64];
            let new = *word >> (bit % 64) & 1 == 0;
            *word |= 1 << (bit % 64);
            return new;
        }
        let context = self.context(code, code.live[split as usize], slots);
        self.visited_with.insert((split, position as u32, context))
    }

    fn is_new_end(&mut self, code: &Code, slots: &[u32]) -> bool {
        let context = self.context(code, code.live_at_end, slots);
        self.visited_with.insert((u32::MAX, 0, context))
    }

    /// The number of this combination of spans of the live captures.
    fn context(&mut self, code: &Code, live: u64, slots: &[u32]) -> u32 {
        self.context.clear();
        for (index, capture) in code.tracked.iter().enumerate() {
            if live >> index.min(63) & 1 == 1 {
                let slot = 2 * *capture as usize;
                self.context.extend([slots[slot], slots[slot + 1]]);
            }
        }
        if let Some(number) = self.contexts.get(&self.context) {
            return *number;
        }
        let number = self.contexts.len() as u32;
        self.contexts.insert(self.context.clone(), number);
        number
    }

    /// Keeps the failure that says most: in the piece that comes last the one that agreed longest, and of those the last,
    /// for what is tried at every place of a component lacks at its end.
    fn note(&mut self, code: &Code, text: &[u8], at: u32, position: usize, since: usize) {
        let agreed = match code.instructions[at as usize] {
            Instruction::Text { start, end, .. } => {
                let wanted = &code.text[start as usize..end as usize];
                let same = wanted.iter().zip(&text[position..]).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
                position + same
            }
            _ => position,
        };
        let found = Furthest { instruction: at, start: since, end: agreed };
        let rank = |found: &Furthest| {
            let piece = code.origins[found.instruction as usize].as_ref().map_or(usize::MAX, |span| span.start);
            (piece, found.end - found.start, found.start)
        };
        if self.furthest.as_ref().is_none_or(|known| rank(&found) > rank(known)) {
            self.furthest = Some(found);
        }
    }
}

/// `G`: not at a component's start, or what follows is neither `.…` nor `_…` without a `=` later in the component.
pub(crate) fn is_open(text: &[u8], position: usize) -> bool {
    if position > 0 && text[position - 1] != b'/' {
        return true;
    }
    position == 0 || !is_hidden(&text[position..])
}

/// Whether the component that `rest` begins with is hidden from wildcards.
pub(crate) fn is_hidden(rest: &[u8]) -> bool {
    match rest.first() {
        Some(b'.') => true,
        Some(b'_') => !matches!(memchr::memchr2(b'=', b'/', rest), Some(at) if rest[at] == b'='),
        _ => false,
    }
}

/// Where the text goes on behind another copy of the capture, if it is there.
fn repeated(again: &Again, text: &[u8], position: usize, slots: &[u32]) -> Option<usize> {
    let taken = again.captures.iter().find_map(|capture| {
        let (start, end) = (slots[2 * *capture as usize], slots[2 * *capture as usize + 1]);
        (start != UNSET && end != UNSET && start <= end).then_some(start as usize..end as usize)
    })?;
    let wanted = &text[taken];
    if !again.fold {
        return text[position..].starts_with(wanted).then(|| position + wanted.len());
    }
    let mut after = position;
    for wanted in std::str::from_utf8(wanted).ok()?.chars() {
        let found = char_at(text, after)?;
        if fold(wanted) != fold(found) {
            return None;
        }
        after += found.len_utf8();
    }
    Some(after)
}

/// The least character that is the same in another case, by Unicode's simple case folding.
pub(crate) fn fold(c: char) -> char {
    // Only two characters beyond ASCII fold to ASCII letters, and they are greater than those.
    if c.is_ascii() {
        return c.to_ascii_uppercase();
    }
    let mut set = ClassUnicode::new([ClassUnicodeRange::new(c, c)]);
    set.case_fold_simple();
    set.ranges().first().map_or(c, ClassUnicodeRange::start)
}

/// The character that begins at `position`, of a text that is UTF-8.
fn char_at(text: &[u8], position: usize) -> Option<char> {
    let end = text.len().min(position + 4);
    let bytes = text.get(position..end)?;
    let len = match bytes.first()? {
        0..=0x7f => 1,
        0..=0xdf => 2,
        0..=0xef => 3,
        _ => 4,
    };
    std::str::from_utf8(bytes.get(..len)?).ok()?.chars().next()
}

/// The character that ends at `position`.
fn char_before(text: &[u8], position: usize) -> Option<char> {
    let start = (position.saturating_sub(4)..position).rev().find(|start| text[*start] & 0xc0 != 0x80)?;
    char_at(text, start)
}

/// An anchor or word boundary, as the crate `regex` means it.
fn holds(look: Look, text: &[u8], position: usize) -> bool {
    let ascii = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let unicode = |c: Option<char>| c.is_some_and(regex_syntax::is_word_character);
    let before = char_before(text, position);
    let after = char_at(text, position);
    match look {
        Look::Start => position == 0,
        Look::End => position == text.len(),
        Look::StartLF => before.is_none() || before == Some('\n'),
        Look::EndLF => after.is_none() || after == Some('\n'),
        Look::StartCRLF => before.is_none() || before == Some('\n') || before == Some('\r') && after != Some('\n'),
        Look::EndCRLF => after.is_none() || after == Some('\r') || after == Some('\n') && before != Some('\r'),
        Look::WordAscii => ascii(before) != ascii(after),
        Look::WordAsciiNegate => ascii(before) == ascii(after),
        Look::WordUnicode => unicode(before) != unicode(after),
        Look::WordUnicodeNegate => unicode(before) == unicode(after),
        Look::WordStartAscii => !ascii(before) && ascii(after),
        Look::WordEndAscii => ascii(before) && !ascii(after),
        Look::WordStartUnicode => !unicode(before) && unicode(after),
        Look::WordEndUnicode => unicode(before) && !unicode(after),
        Look::WordStartHalfAscii => !ascii(before),
        Look::WordEndHalfAscii => !ascii(after),
        Look::WordStartHalfUnicode => !unicode(before),
        Look::WordEndHalfUnicode => !unicode(after),
    }
}
