//! A key as a template makes them, with plain letters in its holes: what is odd about it is odd about every key.

use super::date::{DatePart, Field};
use super::table::LineKind;
use super::template::{CaptureKind, Piece, PieceKind, Template};

impl Template {
    /// A manifest line of a rule with this template. It need not match: alternatives and classes are plain letters too, for
    /// not every key has what one branch says.
    pub fn sample(&self, line_kind: LineKind) -> String {
        let mut line = format!("{}://", self.scheme.name());
        for piece in &self.pieces {
            push(&mut line, piece, line_kind);
        }
        line
    }
}

fn push(line: &mut String, piece: &Piece, line_kind: LineKind) {
    match &piece.kind {
        PieceKind::Text(text) => line.push_str(text),
        PieceKind::Directories => line.push_str("x/"),
        PieceKind::Below if line_kind == LineKind::Prefix => {}
        PieceKind::Below => line.push_str("x/x"),
        PieceKind::Capture { kind: CaptureKind::Date(form), .. } => {
            for part in &form.parts {
                match part {
                    DatePart::Text(text) => line.push_str(text),
                    DatePart::Field(Field::MonthName | Field::MonthAbbreviated) => line.push('x'),
                    DatePart::Field(_) => line.push('1'),
                }
            }
        }
        _ => line.push('x'),
    }
}
