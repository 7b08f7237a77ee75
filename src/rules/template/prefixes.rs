//! What must be listed for a template: its literal prefixes, up to the first hole.

use super::{CaptureKind, Piece, PieceKind, Template};
use crate::uri::{Bucket, Scheme, Uri};

/// Prefixes in one bucket that alternatives and `in(…)` may split a listing into; where there would be more, the
/// prefix ends in front of them.
const MAX_PREFIXES: usize = 1000;

impl Template {
    /// Each prefix that must be listed, sorted, nested ones merged. Under `ignore_case` a prefix ends in front of the
    /// first letter behind the bucket.
    pub fn literal_prefixes(&self, ignore_case: bool) -> Vec<Uri> {
        let walker = Walker { ignore_case, is_file: self.scheme == Scheme::File };
        let found = walker.sequence(&self.pieces, vec![Prefix::default()]);
        merge_prefixes(found.into_iter().map(|prefix| prefix.uri(self.scheme)))
    }
}

/// Sorts prefixes and drops those that lie below another.
pub fn merge_prefixes(prefixes: impl IntoIterator<Item = Uri>) -> Vec<Uri> {
    let mut sorted: Vec<Uri> = prefixes.into_iter().collect();
    sorted.sort();
    sorted.dedup_by(|later, earlier| earlier.is_prefix_of(later));
    sorted
}

/// Text behind `scheme://` that every match begins with.
#[derive(Clone, Default)]
struct Prefix {
    text: String,
    /// A hole follows: nothing is added any more.
    ended: bool,
}

impl Prefix {
    fn in_bucket(&self) -> bool {
        !self.text.contains('/')
    }

    fn uri(self, scheme: Scheme) -> Uri {
        let (bucket, key) = self.text.split_once('/').unwrap_or((&self.text, ""));
        Uri::new(Bucket::new(scheme, bucket), key)
    }
}

struct Walker {
    ignore_case: bool,
    /// Local paths begin with the slash behind their empty bucket.
    is_file: bool,
}

impl Walker {
    fn sequence(&self, pieces: &[Piece], mut prefixes: Vec<Prefix>) -> Vec<Prefix> {
        for piece in pieces {
            if prefixes.iter().all(|prefix| prefix.ended) {
                break;
            }
            prefixes = self.piece(&piece.kind, prefixes);
        }
        prefixes
    }

    fn piece(&self, kind: &PieceKind, prefixes: Vec<Prefix>) -> Vec<Prefix> {
        let choices = match kind {
            PieceKind::Text(_) => 1,
            PieceKind::Alternatives(branches) => branches.len(),
            PieceKind::Capture { kind: CaptureKind::In(items), .. } => items.len(),
            _ => 0,
        };
        let in_bucket = !self.is_file && prefixes.iter().any(|prefix| !prefix.ended && prefix.in_bucket());
        let fits = in_bucket || choices * prefixes.len() <= MAX_PREFIXES;
        let mut grown = Vec::new();
        for mut prefix in prefixes {
            if prefix.ended || choices == 0 || !fits {
                prefix.ended = true;
                grown.push(prefix);
                continue;
            }
            match kind {
                PieceKind::Text(text) => grown.push(self.with(&prefix, text)),
                PieceKind::Alternatives(branches) => {
                    grown.extend(branches.iter().flat_map(|branch| self.sequence(branch, vec![prefix.clone()])));
                }
                PieceKind::Capture { kind: CaptureKind::In(items), .. } => {
                    grown.extend(items.iter().map(|item| self.with(&prefix, item)));
                }
                _ => {}
            }
        }
        grown
    }

    fn with(&self, prefix: &Prefix, text: &str) -> Prefix {
        let mut grown = prefix.clone();
        for c in text.chars() {
            if self.ignore_case && (self.is_file || !grown.in_bucket()) && has_case(c) {
                grown.ended = true;
                break;
            }
            grown.text.push(c);
        }
        grown
    }
}

/// Whether another character is the same but for case.
pub(in crate::rules) fn has_case(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphabetic();
    }
    let mut class = regex_syntax::hir::ClassUnicode::new([regex_syntax::hir::ClassUnicodeRange::new(c, c)]);
    class.case_fold_simple();
    class.ranges().len() > 1 || class.ranges().iter().any(|range| range.len() > 1)
}
