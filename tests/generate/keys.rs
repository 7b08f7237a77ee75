//! Keys that nearly match: what a listing can hold that nobody thought of.

use super::tape::Tape;

/// Changes the key of a URI at one place.
pub fn mutated(uri: &str, tape: &mut Tape<'_>) -> String {
    let (scheme, rest) = uri.split_once("://").unwrap();
    let (bucket, key) = rest.split_once('/').unwrap();
    let (bucket, key) = match tape.below(20) {
        19 => (tape.one(&["two", "b", "B"]), key.to_owned()),
        _ => (bucket, changed(key, tape)),
    };
    format!("{scheme}://{bucket}/{key}")
}

const INSERTED: &[&str] = &[
    "a",
    "/",
    "//",
    ".",
    "_",
    "-",
    "1",
    "%2F",
    "%c3%A9",
    "%zz",
    "%",
    "é",
    "e\u{301}",
    "\u{1f984}",
    "\n",
    "\r",
    "\t",
    "\u{1}",
    "\u{7f}",
    "__HIVE_DEFAULT_PARTITION__",
    "=",
    "./",
    "../",
    "_x=1/",
    "_x/",
    ".x/",
    "*",
    "{x}",
    "\\",
    "ſ",
    "\u{212a}",
];

fn changed(key: &str, tape: &mut Tape<'_>) -> String {
    let boundaries: Vec<usize> = key.char_indices().map(|(at, _)| at).chain([key.len()]).collect();
    let at = boundaries[tape.below(boundaries.len())];
    let next = key[at..].chars().next().map_or(at, |c| at + c.len_utf8());
    let (before, here, after) = (&key[..at], &key[at..next], &key[next..]);
    let components: Vec<&str> = key.split('/').collect();
    let component = tape.below(components.len());
    let with_component = |text: &str| {
        let mut all = components.clone();
        all[component] = text;
        all.join("/")
    };
    match tape.below(18) {
        0..4 => format!("{before}{}{here}{after}", tape.one(INSERTED)),
        4..6 => format!("{before}{after}"),
        6 => format!("{before}{}{after}", tape.one(INSERTED)),
        7 => format!("{before}{here}{here}{after}"),
        8 => with_component(&format!("{}{}", tape.one(&["_", ".", "_a=", "%5F", " "]), components[component])),
        9 => with_component(tape.one(&["", ".", "..", "_x", ".x", "_x=1", "__HIVE_DEFAULT_PARTITION__", "a", "2024"])),
        10 => format!("/{key}"),
        11 => format!("{key}{}", tape.one(&["/", ".tmp", "_$folder$", "\n", "x", ".csv"])),
        12 => {
            let digit = |c: char| if c.is_ascii_digit() { char::from(b'0' + tape.below(10) as u8) } else { c };
            key.chars().map(digit).collect()
        }
        13..15 => {
            let digits: Vec<usize> =
                key.bytes().enumerate().filter(|(_, b)| b.is_ascii_digit()).map(|(at, _)| at).collect();
            match digits.as_slice() {
                [] => format!("{key}x"),
                digits => {
                    let at = digits[tape.below(digits.len())];
                    format!("{}{}{}", &key[..at], tape.below(10), &key[at + 1..])
                }
            }
        }
        15 => {
            if tape.percent(50) {
                key.to_uppercase()
            } else {
                key.to_lowercase()
            }
        }
        16 if tape.percent(30) => components[..component].join("/") + "/",
        _ => {
            let turned =
                here.chars().map(|c| if c.is_uppercase() { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() });
            format!("{before}{}{after}", turned.collect::<String>())
        }
    }
}
