//! Splitting a pattern at the last slash of the key: what it asks of the directory, and what of the base name.
//!
//! Listings are sorted, so a directory is resolved once and serves all its objects. A pattern is split only where every
//! match must have its last slash at one place of the pattern.

use super::pattern::{Pattern, RulePattern};
use crate::rules::template::CaptureKind;

/// A pattern in two: everything up to and with the last slash of the match text, and the base name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Split {
    pub directory: Vec<Pattern>,
    pub base_name: Vec<Pattern>,
}

/// Splits the plain parts of a rule's pattern, where that is sound.
pub(crate) fn split(parts: &[Pattern], rule: &RulePattern) -> Option<Split> {
    if parts.iter().any(looks_around) {
        return None;
    }
    for (index, part) in parts.iter().enumerate().rev() {
        if let Pattern::Text(bytes) = part
            && let Some(slash) = memchr::memrchr(b'/', bytes)
        {
            let (before, after) = bytes.split_at(slash + 1);
            let mut directory = parts[..index].to_vec();
            directory.push(Pattern::Text(before.to_vec()));
            let rest = (!after.is_empty()).then(|| Pattern::Text(after.to_vec()));
            let base_name = rest.into_iter().chain(parts[index + 1..].iter().cloned()).collect();
            return Some(Split { directory, base_name });
        }
        if can_hold_slash(part, rule) {
            let (directory, base_name) = parts.split_at(index + 1);
            let at_start = directory.iter().fold(false, |at_start, part| ends_with_slash(part, at_start));
            return at_start.then(|| Split { directory: directory.to_vec(), base_name: base_name.to_vec() });
        }
    }
    None
}

/// Whether it asks for more than the text that it takes; guards look no further than their own component.
fn looks_around(part: &Pattern) -> bool {
    match part {
        Pattern::Look { .. } => true,
        Pattern::Concat(parts) | Pattern::Either(parts) => parts.iter().any(looks_around),
        Pattern::Repeat { what, .. } | Pattern::From(_, what) => looks_around(what),
        Pattern::Text(_)
        | Pattern::Class(_)
        | Pattern::Save(_)
        | Pattern::Guard
        | Pattern::HiveGuard
        | Pattern::Again { .. } => false,
    }
}

fn can_hold_slash(part: &Pattern, rule: &RulePattern) -> bool {
    match part {
        Pattern::Text(bytes) => bytes.contains(&b'/'),
        Pattern::Class(class) => class.contains('/'),
        Pattern::Concat(parts) | Pattern::Either(parts) => parts.iter().any(|part| can_hold_slash(part, rule)),
        Pattern::Repeat { what, .. } | Pattern::From(_, what) => can_hold_slash(what, rule),
        Pattern::Again { captures, .. } => {
            captures.iter().any(|capture| match &rule.captures[*capture as usize].kind {
                CaptureKind::Path | CaptureKind::Date(_) => true,
                CaptureKind::In(texts) => texts.iter().any(|text| text.contains('/')),
                _ => false,
            })
        }
        Pattern::Save(_) | Pattern::Guard | Pattern::HiveGuard | Pattern::Look { .. } => false,
    }
}

/// Whether a slash stands before whatever follows this part, given whether one stood before it.
fn ends_with_slash(part: &Pattern, before: bool) -> bool {
    match part {
        Pattern::Text(bytes) => bytes.ends_with(b"/"),
        Pattern::Concat(parts) => parts.iter().fold(before, |before, part| ends_with_slash(part, before)),
        Pattern::Either(branches) => branches.iter().all(|branch| ends_with_slash(branch, before)),
        Pattern::Repeat { what, min, max, .. } => {
            (*min > 0 || before) && (*max == Some(0) || ends_with_slash(what, before) && ends_with_slash(what, true))
        }
        Pattern::From(_, inner) => ends_with_slash(inner, before),
        Pattern::Class(_) | Pattern::Again { .. } => false,
        Pattern::Save(_) | Pattern::Guard | Pattern::HiveGuard | Pattern::Look { .. } => before,
    }
}
