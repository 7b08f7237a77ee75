//! Templates back into text: what is printed parses to the same pieces.

use std::fmt;
use std::ops::Range;

use super::{CaptureKind, Class, Piece, PieceKind, Template};

impl Template {
    /// The same template with another piece at `span`, if that is one.
    pub fn rewritten(&self, span: &Range<usize>, kind: PieceKind) -> Option<Template> {
        let mut changed = self.clone();
        *piece_at(&mut changed.pieces, span)? = kind;
        Template::parse(&changed.to_string()).ok()
    }

    /// The same template with another piece at its end, if that is one.
    pub fn appended(&self, kind: PieceKind) -> Option<Template> {
        let mut changed = self.clone();
        let end = changed.source.len();
        changed.pieces.push(Piece { kind, span: end..end });
        Template::parse(&changed.to_string()).ok()
    }
}

fn piece_at<'p>(pieces: &'p mut [Piece], span: &Range<usize>) -> Option<&'p mut PieceKind> {
    pieces.iter_mut().find_map(|piece| match &mut piece.kind {
        kind if piece.span == *span => Some(kind),
        PieceKind::Alternatives(branches) => branches.iter_mut().find_map(|branch| piece_at(branch, span)),
        _ => None,
    })
}

impl fmt::Display for PieceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_piece(f, self, false)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.name())?;
        match self.pieces.split_last() {
            // A bare slash at the very end would be read as `/**`.
            Some((Piece { kind: PieceKind::Text(text), .. }, before)) if text.ends_with('/') => {
                write_pieces(f, before, false)?;
                write_text(f, &text[..text.len() - 1], false)?;
                f.write_str("\\/")
            }
            _ => write_pieces(f, &self.pieces, false),
        }
    }
}

fn write_pieces(f: &mut fmt::Formatter<'_>, pieces: &[Piece], in_alternatives: bool) -> fmt::Result {
    pieces.iter().try_for_each(|piece| write_piece(f, &piece.kind, in_alternatives))
}

fn write_piece(f: &mut fmt::Formatter<'_>, kind: &PieceKind, in_alternatives: bool) -> fmt::Result {
    match kind {
        PieceKind::Text(text) => write_text(f, text, in_alternatives),
        PieceKind::Star => f.write_str("*"),
        PieceKind::AnyChar => f.write_str("?"),
        PieceKind::Class(class) => write_class(f, class),
        PieceKind::Directories => f.write_str("**/"),
        PieceKind::Below => f.write_str("**"),
        PieceKind::Alternatives(branches) => {
            for (i, branch) in branches.iter().enumerate() {
                f.write_str(if i == 0 { "{" } else { "," })?;
                write_pieces(f, branch, true)?;
            }
            f.write_str("}")
        }
        PieceKind::Repeat(name) => write!(f, "{{{name}}}"),
        PieceKind::Capture { name, kind } => {
            write!(f, "{{{}", name.as_deref().unwrap_or("_"))?;
            write_type(f, kind)?;
            f.write_str("}")
        }
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str, in_alternatives: bool) -> fmt::Result {
    for c in text.chars() {
        // A colon behind a name would make the brace in front a capture's.
        let escape = matches!(c, '\\' | '*' | '?' | '[' | '{' | '}') || in_alternatives && matches!(c, ',' | ':');
        write!(f, "{}{c}", if escape { "\\" } else { "" })?;
    }
    Ok(())
}

fn write_type(f: &mut fmt::Formatter<'_>, kind: &CaptureKind) -> fmt::Result {
    match kind {
        CaptureKind::Plain => Ok(()),
        CaptureKind::Int => f.write_str(":int"),
        CaptureKind::IntOf(digits) => write!(f, ":int({digits})"),
        CaptureKind::Re(expression) => write!(f, ":re({expression})"),
        CaptureKind::Path => f.write_str(":path"),
        CaptureKind::Hive => f.write_str(":hive"),
        CaptureKind::Date(form) => write!(f, ":date({form})"),
        CaptureKind::Epoch => f.write_str(":epoch"),
        CaptureKind::EpochMs => f.write_str(":epoch(ms)"),
        CaptureKind::In(items) => {
            for (i, item) in items.iter().enumerate() {
                f.write_str(if i == 0 { ":in(" } else { "," })?;
                for c in item.chars() {
                    write!(f, "{}{c}", if matches!(c, ',' | ')' | '\\') { "\\" } else { "" })?;
                }
            }
            f.write_str(")")
        }
    }
}

/// `]` goes first and `-` last, where they are themselves; neither `!` nor `^` may open a class that is not negated.
fn write_class(f: &mut fmt::Formatter<'_>, class: &Class) -> fmt::Result {
    let mut ranges = class.ranges.clone();
    let has_bracket = cut_out(&mut ranges, ']');
    let has_minus = cut_out(&mut ranges, '-');
    f.write_str(if class.negated { "[!" } else { "[" })?;
    let opens_badly = ranges.first().is_none_or(|(low, _)| matches!(low, '!' | '^')) && !class.negated;
    if has_bracket {
        f.write_str("]")?;
    } else if opens_badly || ranges.is_empty() && !has_minus {
        // A class never matches a slash: it is only there so that the others do not open the class.
        f.write_str("/")?;
    }
    for (low, high) in ranges {
        write!(f, "{low}")?;
        if low != high {
            write!(f, "-{high}")?;
        }
    }
    f.write_str(if has_minus { "-]" } else { "]" })
}

/// Takes one character out of sorted ranges; says whether it was there.
fn cut_out(ranges: &mut Vec<(char, char)>, c: char) -> bool {
    let Some(at) = ranges.iter().position(|(low, high)| (*low..=*high).contains(&c)) else { return false };
    let (low, high) = ranges.remove(at);
    // `]` and `-` are ASCII and not the first or last scalar value: both have neighbours.
    let (before, after) = ((c as u8 - 1) as char, (c as u8 + 1) as char);
    if after <= high {
        ranges.insert(at, (after, high));
    }
    if low <= before {
        ranges.insert(at, (low, before));
    }
    true
}
