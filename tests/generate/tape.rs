//! A tape of random words that every choice is read from, so that proptest can shrink a whole rule file by shrinking it.

/// At the tape's end every choice is the first and nothing optional happens, so that a shorter tape is a simpler case.
pub struct Tape<'t> {
    words: &'t [u32],
    at: usize,
}

impl<'t> Tape<'t> {
    pub fn new(words: &'t [u32]) -> Tape<'t> {
        Tape { words, at: 0 }
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        let word = self.words.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        // The high half is the better mixed one, and 0 stays 0.
        (word as usize * limit) >> 32
    }

    pub fn one<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) >= 100 - percent
    }

    /// So many times, at least `least`, at most `most`.
    pub fn count(&mut self, least: usize, most: usize) -> std::ops::Range<usize> {
        0..least + self.below(most - least + 1)
    }
}
