//! How a key may spell what a capture says: zeros in front of whole numbers, percent-escapes of Hive directories.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::rules::template::CaptureKind;
use crate::value::{HIVE_NULL, hive_escape, is_hive_escaped};

/// One spelling in a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spelling {
    pub raw: String,
    /// What the capture then says; `None` is NULL.
    pub value: Option<String>,
    /// This is how the spelling begins, and no more is known of it.
    pub ends: bool,
}

/// Every spelling of `text` (`None` is NULL) in a capture of this kind; none where it cannot say that. `is_number`: any
/// spelling of that whole number. Others than the usual ones (a letter that stands percent-escaped, three zeros in
/// front) come as what they begin with.
pub(super) fn spellings(kind: &CaptureKind, text: Option<&str>, is_number: bool, ignore_case: bool) -> Vec<Spelling> {
    let said = text.unwrap_or(HIVE_NULL);
    let number = is_number && text.is_some();
    let whole = |raw: &str| Spelling { raw: raw.to_owned(), value: text.map(|_| raw.to_owned()), ends: false };
    match kind {
        CaptureKind::In(items) => {
            let is_said = |item: &str| match number {
                _ if item.is_empty() => text.is_none(),
                true => item.parse::<i64>().ok() == said.parse().ok(),
                false if ignore_case => item.to_lowercase() == said.to_lowercase(),
                false => item == said,
            };
            let items: BTreeSet<&str> = items.iter().map(String::as_str).filter(|item| is_said(item)).collect();
            // Where case does not count, what the capture says is the key's own text.
            let own = |item: &str| whole(if ignore_case && !number && !item.is_empty() { said } else { item });
            items.into_iter().map(own).collect()
        }
        CaptureKind::IntOf(digits) => {
            let digits = *digits as usize;
            let padded = if number && said.len() < digits { format!("{said:0>digits$}") } else { said.to_owned() };
            let fits = padded.len() == digits && padded.bytes().all(|b| b.is_ascii_digit());
            fits.then(|| whole(&padded)).into_iter().collect()
        }
        CaptureKind::Int if said.is_empty() || !said.bytes().all(|b| b.is_ascii_digit()) => Vec::new(),
        // An expression may take part and match nothing.
        CaptureKind::Re(_) if text.is_none() => vec![whole("")],
        CaptureKind::Plain | CaptureKind::Path | CaptureKind::Int if text.is_none() => Vec::new(),
        CaptureKind::Plain | CaptureKind::Re(_) | CaptureKind::Int if !number => {
            if said.is_empty() || said.contains('/') { Vec::new() } else { vec![whole(said)] }
        }
        CaptureKind::Path if !number => vec![whole(said)],
        CaptureKind::Hive if !number => escapes(said, text),
        CaptureKind::Hive => {
            let mut all = Vec::new();
            for spelling in zeros(said) {
                match spelling.ends {
                    true => all.push(spelling),
                    false => all.extend(escapes(&spelling.raw, Some(&spelling.raw))),
                }
            }
            all.push(begins(format!("{}%", zeros_before(said, 2))));
            all
        }
        CaptureKind::Plain | CaptureKind::Re(_) | CaptureKind::Int | CaptureKind::Path => zeros(said),
        CaptureKind::Date(_) | CaptureKind::Epoch | CaptureKind::EpochMs => Vec::new(),
    }
}

fn begins(raw: String) -> Spelling {
    Spelling { raw, value: None, ends: true }
}

fn zeros_before(number: &str, zeros: usize) -> String {
    let sign = if number.starts_with('-') { "-" } else { "" };
    format!("{sign}{}", "0".repeat(zeros))
}

/// A whole number with zeros in front: one digit as two is common, anything else is not.
fn zeros(number: &str) -> Vec<Spelling> {
    let digits = number.trim_start_matches('-');
    let whole = |raw: String| Spelling { value: Some(raw.clone()), raw, ends: false };
    let with = |zeros: usize| format!("{}{digits}", zeros_before(number, zeros));
    let mut all = vec![whole(with(0))];
    all.push(if digits.len() == 1 { whole(with(1)) } else { begins(with(1)) });
    all.push(begins(with(2)));
    all.push(begins(zeros_before(number, 3)));
    if digits == "0" {
        all.push(begins("-0".to_owned()));
    }
    all
}

/// What Hive writes for `said`, and how every other text begins that reads so.
fn escapes(said: &str, value: Option<&str>) -> Vec<Spelling> {
    let mut all = vec![Spelling { raw: hive_escape(said).into_owned(), value: value.map(str::to_owned), ends: false }];
    let mut before = String::new();
    for c in said.chars() {
        let mut bytes = [0; 4];
        let first = c.encode_utf8(&mut bytes).as_bytes()[0];
        let (high, low) = (first >> 4, first & 15);
        if c.is_ascii() && is_hive_escaped(first) {
            if c != '/' {
                all.push(begins(format!("{before}{c}")));
            }
            if low > 9 {
                all.push(begins(format!("{before}%{high:X}{low:x}")));
            }
            write!(before, "%{first:02X}").expect("a String takes all text");
        } else {
            all.push(begins(format!("{before}%{high:X}")));
            if high > 9 {
                all.push(begins(format!("{before}%{high:x}")));
            }
            before.push(c);
        }
    }
    all
}
