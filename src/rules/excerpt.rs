//! One line of a text with a place in it, safe for a terminal and cut to its width: what diagnostics and `explain` point
//! into.
//!
//! Pure. Columns are counted as terminals do: wide characters are two, combining ones none.

use std::ops::Range;

use unicode_width::UnicodeWidthChar;

use crate::uri::Shown;

/// Columns of a terminal that everything shown fits into.
pub const WIDTH: usize = 100;

/// A line for a terminal: tabs are four spaces, what a terminal would obey is spelled out.
pub fn safe(text: &str) -> String {
    Shown(&text.replace('\t', "    ")).to_string()
}

/// Characters of a line that are looked at on either side: more than any terminal shows.
const MOST_LOOKED_AT: usize = 1000;

/// The beginning of a text, as much as can be shown, so that a line of megabytes costs no more than another.
pub fn first(text: &str) -> &str {
    text.char_indices().nth(MOST_LOOKED_AT).map_or(text, |(at, _)| &text[..at])
}

/// The end of a text, as much as can be shown.
pub fn last(text: &str) -> &str {
    text.char_indices().rev().nth(MOST_LOOKED_AT).map_or(text, |(at, _)| &text[at..])
}

/// `before`, `marked` and `after` as one line of at most `room` columns, and where `marked` stands in it. What is left
/// out at either end is shown as `…`.
pub fn cut(before: &str, marked: &str, after: &str, room: usize) -> (String, Range<usize>) {
    let most = room * 3 / 4;
    let marked = if columns(marked) > most { head(marked, most - 1).to_owned() + "…" } else { marked.to_owned() };
    let left = room - columns(&marked);
    let before_room = if columns(before) + columns(after) <= left {
        left
    } else {
        // At least a third of what is free stays for what follows, if it needs that.
        left - columns(after).min(left / 3)
    };
    let before = if columns(before) <= before_room {
        before.to_owned()
    } else {
        "…".to_owned() + tail(before, before_room - 1)
    };
    let left = left - columns(&before);
    let after =
        if columns(after) <= left { after.to_owned() } else { head(after, left.saturating_sub(1)).to_owned() + "…" };
    let span = before.len()..before.len() + marked.len();
    (before + &marked + &after, span)
}

/// A line of at most `room` columns; where there is more, its middle is `…`.
pub fn shortened(text: &str, room: usize) -> String {
    if columns(text) <= room {
        return text.to_owned();
    }
    // The end of a key says more than its middle.
    let room = room.max(2);
    let behind = tail(text, (room - 1) * 2 / 3);
    format!("{}…{behind}", head(text, room - 1 - columns(behind)))
}

/// Columns on a terminal.
pub fn columns(text: &str) -> usize {
    text.chars().map(column_width).sum()
}

fn column_width(c: char) -> usize {
    c.width().unwrap_or(0)
}

fn head(text: &str, room: usize) -> &str {
    let mut left = room;
    let end = text.char_indices().find(|(_, c)| left.checked_sub(column_width(*c)).map(|rest| left = rest).is_none());
    &text[..end.map_or(text.len(), |(at, _)| at)]
}

fn tail(text: &str, room: usize) -> &str {
    let mut left = room;
    let mut from = text.len();
    for (at, c) in text.char_indices().rev() {
        match left.checked_sub(column_width(c)) {
            Some(rest) => left = rest,
            None => break,
        }
        from = at;
    }
    &text[from..]
}

/// The first line of `text` broken at spaces to fit `room`; what follows on lines of its own is to be pasted and stays
/// whole. Every line but the first is moved in by `indent`.
pub fn wrapped(text: &str, room: usize, indent: usize) -> String {
    let mut out = String::new();
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            out.push_str(&Shown(line).to_string());
            continue;
        }
        let mut used = 0;
        for word in Shown(line).to_string().split(' ') {
            let word = shortened(word, room);
            let width = columns(&word);
            if used > 0 && used + 1 + width > room {
                out.push('\n');
                out.push_str(&" ".repeat(indent));
                used = 0;
            } else if used > 0 {
                out.push(' ');
                used += 1;
            }
            out.push_str(&word);
            used += width;
        }
    }
    out
}
