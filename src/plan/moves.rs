//! Whether a line moves between partitions: taken out of one manifest, put into another.
//!
//! Pure. Only hashes are held while manifests are compared, so a plan that removes a million lines costs megabytes; where
//! hashes meet, the lines themselves are compared, so the answer is exact.

use std::collections::{HashMap, HashSet};

use super::merge::compare_lines;
use crate::error::Result;
use crate::map::body::Body;
use crate::map::group::line_hash as hash;

/// The hashes of what each change of a table removes and adds. Changes go by their place in the plan.
#[derive(Debug, Default)]
pub struct Moves {
    removed: Vec<(u64, u32)>,
    added: Vec<(u64, u32)>,
}

impl Moves {
    pub fn removed(&mut self, change: u32, line: &[u8]) {
        self.removed.push((hash(line), change));
    }

    pub fn added(&mut self, change: u32, line: &[u8]) {
        self.added.push((hash(line), change));
    }

    /// Those hashes that were removed from one change and added to another. Of `created`, changes with their bodies, every
    /// line is added: where nothing was removed they are not read.
    ///
    /// # Errors
    /// Of where those bodies lie.
    pub fn suspects<'b>(self, created: impl Iterator<Item = (u32, &'b Body)>) -> Result<Suspects> {
        let Moves { removed, added } = self;
        let removed_hashes: HashSet<u64> = removed.iter().map(|(hash, _)| *hash).collect();
        let mut added: Vec<(u64, u32)> = added.into_iter().filter(|(hash, _)| removed_hashes.contains(hash)).collect();
        for (change, body) in created.take_while(|_| !removed_hashes.is_empty()) {
            let mut lines = body.reader()?;
            while let Some(line) = lines.line()? {
                let hash = hash(line);
                added.extend(removed_hashes.contains(&hash).then_some((hash, change)));
            }
        }
        let added_hashes: HashSet<u64> = added.iter().map(|(hash, _)| *hash).collect();
        let removed: Vec<(u64, u32)> = removed.into_iter().filter(|(hash, _)| added_hashes.contains(hash)).collect();
        Ok(Suspects { removed: by_change(removed), added: by_change(added), lines: HashMap::new() })
    }
}

/// Lines that may have moved; [`Suspects::confirm`] each of [`Suspects::givers`] to be sure.
#[derive(Debug)]
pub struct Suspects {
    removed: HashMap<u32, HashSet<u64>>,
    added: HashMap<u32, HashSet<u64>>,
    /// Lines truly removed, and the changes that remove them: more than one where a line was published twice.
    lines: HashMap<Vec<u8>, Vec<u32>>,
}

/// One line on its way from one partition to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    pub line: Vec<u8>,
    /// Places of changes in the plan.
    pub from: u32,
    pub to: u32,
}

impl Suspects {
    /// The changes whose published bodies must be looked at once more, in order. None: nothing moves.
    pub fn givers(&self) -> Vec<u32> {
        let mut changes: Vec<u32> = self.removed.keys().copied().collect();
        changes.sort_unstable();
        changes
    }

    /// Takes the old and the new body of one of the givers.
    ///
    /// # Errors
    /// Of where the new one lies.
    pub fn confirm(&mut self, change: u32, old: &[u8], new: &Body) -> Result<()> {
        let Some(hashes) = self.removed.get(&change) else { return Ok(()) };
        let keep = |line: &[u8]| {
            if hashes.contains(&hash(line)) {
                let givers = self.lines.entry(line.to_vec()).or_default();
                if givers.last() != Some(&change) {
                    givers.push(change);
                }
            }
        };
        compare_lines(old, new, keep, |_| ())
    }

    /// The moves, by the line; `body` gives each change's new body.
    ///
    /// # Errors
    /// Of where those bodies lie.
    pub fn moves<'b>(&self, body: impl Fn(u32) -> &'b Body) -> Result<Vec<Move>> {
        let mut moves = Vec::new();
        for (to, hashes) in &self.added {
            let mut lines = body(*to).reader()?;
            while let Some(line) = lines.line()? {
                let givers = hashes.contains(&hash(line)).then(|| self.lines.get(line)).flatten();
                for from in givers.into_iter().flatten().filter(|from| *from != to) {
                    moves.push(Move { line: line.to_vec(), from: *from, to: *to });
                }
            }
        }
        moves.sort_unstable_by(|a, b| (&a.line, a.to, a.from).cmp(&(&b.line, b.to, b.from)));
        Ok(moves)
    }
}

fn by_change(hashes: Vec<(u64, u32)>) -> HashMap<u32, HashSet<u64>> {
    let mut out: HashMap<u32, HashSet<u64>> = HashMap::new();
    for (hash, change) in hashes {
        out.entry(change).or_default().insert(hash);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(changes: &[(&str, &str)]) -> Vec<(String, u32, u32)> {
        let mut moves = Moves::default();
        for (at, (old, new)) in changes.iter().enumerate() {
            if old.is_empty() {
                continue;
            }
            let (mut removed, mut added) = (Vec::new(), Vec::new());
            let (gone, new) = (|line: &[u8]| removed.push(line.to_vec()), Body::from(*new));
            compare_lines(old.as_bytes(), &new, gone, |line| added.push(line.to_vec())).unwrap();
            removed.iter().for_each(|line| moves.removed(at as u32, line));
            added.iter().for_each(|line| moves.added(at as u32, line));
        }
        let bodies: Vec<Body> = changes.iter().map(|(_, new)| (*new).into()).collect();
        let created = (0..).zip(&bodies).filter(|(at, _)| changes[*at as usize].0.is_empty());
        let mut suspects = moves.suspects(created).unwrap();
        for giver in suspects.givers() {
            suspects.confirm(giver, changes[giver as usize].0.as_bytes(), &bodies[giver as usize]).unwrap();
        }
        let found = suspects.moves(|at| &bodies[at as usize]).unwrap();
        found.into_iter().map(|one| (String::from_utf8(one.line).unwrap(), one.from, one.to)).collect()
    }

    #[test]
    fn a_line_moves_if_one_partition_loses_it_and_another_gains_it() {
        assert_eq!(moved(&[("x\n", ""), ("", "x\n")]), [("x".into(), 0, 1)]);
        assert_eq!(moved(&[("a\nx\n", "a\ny\n"), ("y\n", "x\n")]), [("x".into(), 0, 1), ("y".into(), 1, 0)]);
        assert_eq!(moved(&[("x\n", ""), ("", "y\n")]), []);
        assert_eq!(moved(&[("x\n", "x\ny\n"), ("", "x\n")]), [], "gained without a loss is no move");
        assert_eq!(moved(&[("x\n", ""), ("x\n", "x\nz\n")]), [], "a doubled line that is left once has not moved");
    }

    #[test]
    fn a_line_that_was_published_twice_moves_from_both() {
        let both = [("x".into(), 0, 2), ("x".into(), 1, 2)];
        assert_eq!(moved(&[("x\n", ""), ("x\n", ""), ("", "x\n")]), both);
        assert_eq!(moved(&[("x\nx\n", ""), ("", "x\n")]), [("x".into(), 0, 1)]);
        assert_eq!(moved(&[("x\nx\n", "x\n"), ("", "x\n")]), [("x".into(), 0, 1)]);
    }

    #[test]
    fn equal_hashes_alone_are_no_move() {
        let mut moves = Moves::default();
        moves.removed.push((7, 0));
        moves.added.push((7, 1));
        let mut suspects = moves.suspects(std::iter::empty()).unwrap();
        assert_eq!(suspects.givers(), [0]);
        suspects.confirm(0, b"x\n", &Body::default()).unwrap();
        let other = Body::from("y\n");
        assert_eq!(suspects.moves(|_| &other).unwrap(), []);
    }
}
