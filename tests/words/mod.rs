//! What random rule files are made of: the words of a tape, and how many tapes a property gets.

use std::fmt;

use proptest::prelude::*;

/// `otherwise`, unless `PROPTEST_CASES` says another number.
pub fn cases(otherwise: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(otherwise)
}

/// The words of a tape; a failure shows what was made of them instead.
#[derive(Clone)]
pub struct Words(pub Vec<u32>);

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} words", self.0.len())
    }
}

pub fn words() -> impl Strategy<Value = Words> {
    prop::collection::vec(any::<u32>(), 600..1_200).prop_map(Words)
}
