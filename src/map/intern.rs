//! Byte strings and their numbers, dense from 0: what partitions, groups, arenas and shapes are known by inside.

use std::hash::{BuildHasher, RandomState};

/// Numbers for byte strings, in the order of first sight. Looking one up allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    hashes: RandomState,
    bytes: Vec<u8>,
    /// Where each string ends in `bytes`, and the hash it was put under.
    entries: Vec<(usize, u64)>,
    /// Open addressing by hash; [`FREE`] or an index into `entries`. A power of two, at most half full.
    table: Vec<u32>,
}

const FREE: u32 = u32::MAX;

impl Interner {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of all strings together.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }

    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.table.fill(FREE);
    }

    /// The string with this number.
    pub fn bytes(&self, number: u32) -> &[u8] {
        let index = number as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.entries[before].0);
        &self.bytes[start..self.entries[index].0]
    }

    /// A hash of `bytes`, another one in each run.
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        self.hashes.hash_one(bytes)
    }

    /// The number of `bytes`, if it has one.
    pub fn find(&self, bytes: &[u8]) -> Option<u32> {
        if self.table.is_empty() {
            return None;
        }
        self.slot(bytes, self.hashes.hash_one(bytes)).1
    }

    /// The number of `bytes`, and whether it is new.
    pub fn intern(&mut self, bytes: &[u8]) -> (u32, bool) {
        if self.entries.len() * 2 >= self.table.len() {
            self.grow();
        }
        let hash = self.hashes.hash_one(bytes);
        match self.slot(bytes, hash) {
            (_, Some(number)) => (number, false),
            (slot, None) => {
                let number = self.entries.len() as u32;
                self.bytes.extend_from_slice(bytes);
                self.entries.push((self.bytes.len(), hash));
                self.table[slot] = number;
                (number, true)
            }
        }
    }

    /// Where `bytes` stands in the table, or would.
    fn slot(&self, bytes: &[u8], hash: u64) -> (usize, Option<u32>) {
        let mask = self.table.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            match self.table[slot] {
                FREE => return (slot, None),
                number if self.entries[number as usize].1 == hash && self.bytes(number) == bytes => {
                    return (slot, Some(number));
                }
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    fn grow(&mut self) {
        let len = (self.table.len() * 2).max(16);
        self.table.clear();
        self.table.resize(len, FREE);
        for (number, (_, hash)) in self.entries.iter().enumerate() {
            let mut slot = *hash as usize & (len - 1);
            while self.table[slot] != FREE {
                slot = (slot + 1) & (len - 1);
            }
            self.table[slot] = number as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dense_and_stay() {
        let mut interner = Interner::default();
        for round in 0..2 {
            for n in 0..1000u32 {
                let (number, new) = interner.intern(format!("value {n}").as_bytes());
                assert_eq!((number, new), (n, round == 0));
            }
        }
        assert_eq!(interner.bytes(7), b"value 7");
        assert_eq!(interner.find(b"value 999"), Some(999));
        assert_eq!(interner.find(b"value 1000"), None);
        interner.clear();
        assert_eq!((interner.len(), interner.find(b"value 7"), interner.intern(b"x")), (0, None, (0, true)));
    }
}
