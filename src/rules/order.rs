//! The order in which `where` compares and `pick` chooses: natural, so that `v10` comes after `v9`.
//!
//! Texts are cut into runs of ASCII digits and runs of anything else, and compared run by run. Nothing is allocated.

use std::cmp::Ordering;

/// Compares two texts run by run: digits as numbers of any size (`01` equals `1`), the rest by scalar values; text
/// sorts before digits, and a text before what it begins.
///
/// `Equal` does not mean the same text: `a01` and `a1` are equal.
pub fn natural_order(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (Runs(left.as_bytes()), Runs(right.as_bytes()));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(left), Some(right)) => compare_runs(left, right),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn compare_runs(left: &[u8], right: &[u8]) -> Ordering {
    match (left[0].is_ascii_digit(), right[0].is_ascii_digit()) {
        (true, true) => {
            let (left, right) = (significant(left), significant(right));
            left.len().cmp(&right.len()).then_with(|| left.cmp(right))
        }
        (false, false) => left.cmp(right),
        (left_is_number, _) => {
            if left_is_number {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
    }
}

/// Digits without the zeros in front.
fn significant(digits: &[u8]) -> &[u8] {
    &digits[digits.iter().take_while(|digit| **digit == b'0').count()..]
}

/// Runs of digits and of anything else, none empty.
struct Runs<'a>(&'a [u8]);

impl<'a> Iterator for Runs<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let is_number = self.0.first()?.is_ascii_digit();
        let len = self.0.iter().take_while(|byte| byte.is_ascii_digit() == is_number).count();
        let (run, rest) = self.0.split_at(len);
        self.0 = rest;
        Some(run)
    }
}

#[cfg(test)]
mod tests {
    use super::natural_order;

    #[test]
    fn texts_are_compared_run_by_run() {
        // Each less than the next.
        let rising = [
            "",
            "a",
            "a/1",
            "ab",
            "ab1",
            "abc",
            "v9",
            "v9-",
            "v9-1",
            "v10",
            "z",
            "é",
            "0",
            "1",
            "1-2",
            "1a",
            "9",
            "10",
            "99999999999999999999999999",
            "100000000000000000000000000",
        ];
        for (i, left) in rising.iter().enumerate() {
            for (j, right) in rising.iter().enumerate() {
                assert_eq!(natural_order(left, right), i.cmp(&j), "{left} {right}");
            }
        }
    }

    #[test]
    fn zeros_in_front_do_not_count() {
        assert!(natural_order("a01-0", "a1-000").is_eq());
        assert!(natural_order("a01b", "a1c").is_lt());
    }
}
