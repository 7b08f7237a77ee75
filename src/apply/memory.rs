//! How much memory a run may take, as a person writes it, and what of that goes to lines.

use std::str::FromStr;

/// A budget for a run that maps a whole listing. What grows with the listing are lines: those that their part does not
/// hold go to a temporary file. The rest is for pages on their way, for partitions (some 300 bytes each) and the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    bytes: u64,
}

impl Memory {
    /// With less there is no room for the pages on their way.
    const LEAST: &str = "64MiB";

    /// Of the standard budget, that lines are held in. A larger part was no faster, for files in a temporary folder stay
    /// in the system's own cache; and a million lines already fill it, so that ten million take no more.
    const LINES_BYTES: u64 = 16 << 20;

    const STANDARD_BYTES: u64 = 256 << 20;

    /// The part that lines are held in, by all workers together.
    pub fn lines_bytes(self) -> usize {
        let bytes = match self.bytes.checked_sub(Memory::STANDARD_BYTES) {
            Some(more) => Memory::LINES_BYTES + more / 2,
            None => self.bytes / 16,
        };
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }
}

impl Default for Memory {
    fn default() -> Memory {
        Memory { bytes: Memory::STANDARD_BYTES }
    }
}

/// `256MiB`, `1g`, `512 MB`: a whole number and a unit, each 1,024 of the one before; a bare number is bytes.
impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Memory, String> {
        let wrong = || "write it as 256MiB or 1GiB".to_owned();
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
        let shift = match text[digits..].trim_start().to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kb" | "kib" => 10,
            "m" | "mb" | "mib" => 20,
            "g" | "gb" | "gib" => 30,
            "t" | "tb" | "tib" => 40,
            _ => return Err(wrong()),
        };
        let bytes = number.checked_mul(1 << shift).ok_or_else(wrong)?;
        if bytes < 64 << 20 { Err(format!("the least is {}", Memory::LEAST)) } else { Ok(Memory { bytes }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read_as_people_write_them() {
        let bytes = |text: &str| text.parse::<Memory>().map(|memory| memory.bytes).ok();
        for text in ["256MiB", "256mib", "256M", "256 MB", "256m", "268435456", "268435456B", "262144K"] {
            assert_eq!(bytes(text), Some(256 << 20), "{text}");
        }
        assert_eq!([bytes("1GiB"), bytes("2g"), bytes("1TB")], [Some(1 << 30), Some(2 << 30), Some(1 << 40)]);
        for text in ["", "MiB", "1.5GiB", "-1G", "256 MiB s", "256MiBs", "99999999999T", "63MiB", "1000"] {
            assert_eq!(bytes(text), None, "{text}");
        }
        assert_eq!("64MiB".parse::<Memory>().map(Memory::lines_bytes), Ok(4 << 20));
        assert_eq!("10M".parse::<Memory>().unwrap_err(), "the least is 64MiB");
    }

    #[test]
    fn the_standard_budget_is_what_it_says() {
        assert_eq!("256MiB".parse(), Ok(Memory::default()));
        assert_eq!(Memory::default().lines_bytes(), 16 << 20);
    }
}
