//! Desired and published manifests as two streams in byte order of their keys, merged into steps.
//!
//! Pure. What is published comes page by page and is never held. Where a listing proves nothing, the step says that the published body must be read.

use std::iter::Peekable;
use std::vec::IntoIter;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::manifest::Desired;
use crate::error::{Error, ErrorKind, Result};
use crate::map::body::{Body, lines};
use crate::uri::Shown;
use crate::value::PartitionValue;

/// A manifest as its location's listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Below the location.
    pub key: String,
    pub values: Vec<PartitionValue>,
    /// Bytes.
    pub size: Option<u64>,
    /// Without quotes.
    pub etag: Option<String>,
}

/// A manifest that is published as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Below the location.
    pub key: String,
    pub etag: String,
    /// Lower-case hex, of its bytes.
    pub md5: String,
    /// Bytes.
    pub size: u64,
    pub lines: u64,
}

/// What one key comes to.
#[derive(Debug)]
pub enum Step {
    /// Published as desired: nothing to do, nothing to read.
    Same(Kept),
    /// Not published.
    Create(Desired),
    /// Published, and not proved the same: the published body decides. `None` is desired where it is to be emptied.
    Look { desired: Option<Desired>, published: Published },
    /// Empty and not desired: an earlier run emptied it.
    Emptied,
}

/// The merge; feed it what is published, then [`Merge::finish`] it.
#[derive(Debug)]
pub struct Merge {
    desired: Peekable<IntoIter<Desired>>,
    /// Whether a listed ETag can be the MD5 of the body.
    md5_etags: bool,
    last: Option<String>,
}

impl Merge {
    /// `desired` in byte order of its keys, as [`super::manifest::desired`] gives it.
    pub fn new(desired: Vec<Desired>, md5_etags: bool) -> Merge {
        debug_assert!(desired.is_sorted_by(|a, b| a.key.as_bytes() < b.key.as_bytes()));
        Merge { desired: desired.into_iter().peekable(), md5_etags, last: None }
    }

    /// Takes the next published manifest and appends its step, and those of the desired ones before it.
    ///
    /// # Errors
    /// `Corrupt` if it does not come after the one before: the listing is not in byte order, or repeats a key. Of where
    /// bodies lie.
    pub fn published(&mut self, published: Published, steps: &mut Vec<Step>) -> Result<()> {
        if let Some(last) = self.last.as_ref().filter(|last| last.as_bytes() >= published.key.as_bytes()) {
            let message =
                format!("the listing is not in byte order: {} came after {}", Shown(&published.key), Shown(last));
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        while let Some(before) = self.desired.next_if(|desired| desired.key.as_bytes() < published.key.as_bytes()) {
            steps.push(Step::Create(before));
        }
        self.last = Some(published.key.clone());
        let desired = self.desired.next_if(|desired| desired.key == published.key);
        steps.push(match desired {
            Some(desired) if self.proved_same(&desired, &published)? => Step::Same(kept(desired, published)),
            None if published.size == Some(0) => Step::Emptied,
            desired => Step::Look { desired, published },
        });
        Ok(())
    }

    /// The steps of the desired manifests behind the last published one: all are new.
    pub fn finish(self) -> impl Iterator<Item = Step> {
        self.desired.map(Step::Create)
    }

    /// Equal size and an ETag that is the MD5 prove it. Anything else proves nothing: the tag of an object encrypted
    /// with a KMS key has the form of an MD5 and is none.
    fn proved_same(&self, desired: &Desired, published: &Published) -> Result<bool> {
        if !self.md5_etags || published.size != Some(desired.body.len()) {
            return Ok(false);
        }
        match published.etag.as_deref().and_then(etag_md5) {
            Some(md5) => Ok(md5 == desired.body.md5()?),
            None => Ok(false),
        }
    }
}

fn kept(desired: Desired, published: Published) -> Kept {
    let etag = published.etag.unwrap_or_default();
    Kept {
        md5: etag.to_ascii_lowercase(),
        etag,
        key: published.key,
        size: desired.body.len(),
        lines: desired.body.lines(),
    }
}

/// The MD5 that an ETag may be: 32 hex digits, without quotes.
pub fn etag_md5(etag: &str) -> Option<[u8; 16]> {
    let digits = etag.as_bytes();
    if digits.len() != 32 {
        return None;
    }
    let hex = |b: u8| (b as char).to_digit(16);
    let mut out = [0u8; 16];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (hex(pair[0])? * 16 + hex(pair[1])?) as u8;
    }
    Some(out)
}

pub fn body_md5(body: &[u8]) -> [u8; 16] {
    Md5::digest(body).into()
}

/// Holds two manifests' lines against each other: what only the old one has goes to `removed`, what only the new one
/// has to `added`. `new` is sorted; `old` may be anybody's: unsorted, with lines twice, without a last newline.
///
/// # Errors
/// Of where `new` lies.
pub fn compare_lines(
    old: &[u8],
    new: &Body,
    mut removed: impl FnMut(&[u8]),
    mut added: impl FnMut(&[u8]),
) -> Result<()> {
    let mut old: Vec<&[u8]> = lines(old).collect();
    if !old.is_sorted() {
        old.sort_unstable();
    }
    let mut old = old.into_iter().peekable();
    let mut new = new.reader()?;
    while let Some(fresh) = new.line()? {
        while let Some(gone) = old.next_if(|line| *line < fresh) {
            removed(gone);
        }
        if old.next_if_eq(&fresh).is_none() {
            added(fresh);
        }
    }
    old.for_each(removed);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(key: &str, body: &str) -> Desired {
        Desired { key: key.into(), body: body.into() }
    }

    fn have(key: &str, size: u64, etag: &str) -> Published {
        Published { key: key.into(), values: vec![], size: Some(size), etag: Some(etag.into()) }
    }

    fn merged(desired: Vec<Desired>, published: Vec<Published>, md5_etags: bool) -> Vec<Step> {
        let mut merge = Merge::new(desired, md5_etags);
        let mut steps = Vec::new();
        for one in published {
            merge.published(one, &mut steps).unwrap();
        }
        steps.extend(merge.finish());
        steps
    }

    const A_MD5: &str = "60B725F10C9C85C70D97880DFE8191B3"; // "a\n", in upper case as some stores write it

    #[test]
    fn a_matching_md5_is_all_the_proof_there_is() {
        let kept = Kept { key: "k".into(), etag: A_MD5.into(), md5: A_MD5.to_lowercase(), size: 2, lines: 1 };
        let steps = merged(vec![want("k", "a\n")], vec![have("k", 2, A_MD5)], true);
        assert!(matches!(steps.as_slice(), [Step::Same(same)] if *same == kept), "{steps:?}");
        let looks = |size, etag: &str, md5_etags| {
            let steps = merged(vec![want("k", "a\n")], vec![have("k", size, etag)], md5_etags);
            matches!(steps.as_slice(), [Step::Look { desired: Some(_), .. }])
        };
        assert!(looks(2, A_MD5, false), "the store says that its tags are no MD5");
        assert!(looks(2, "00000000000000000000000000000000", true), "a KMS tag looks like an MD5");
        assert!(looks(2, "60b725f10c9c85c70d97880dfe8191b3-2", true), "a multipart tag");
        assert!(looks(3, A_MD5, true), "another size");
    }

    #[test]
    fn both_streams_go_in_byte_order() {
        let steps = merged(
            vec![want("a=1-x/", "1\n"), want("a=1/", "2\n"), want("a=3/", "3\n")],
            vec![have("a=0/", 0, "x"), have("a=1-y/", 5, "x"), have("a=1/", 2, "x"), have("a=2/", 0, "x")],
            true,
        );
        let shown: Vec<String> = steps
            .iter()
            .map(|step| match step {
                Step::Same(_) => "same".into(),
                Step::Create(desired) => format!("create {}", desired.key),
                Step::Look { desired, published } => format!("look {} {}", published.key, desired.is_some()),
                Step::Emptied => "emptied".into(),
            })
            .collect();
        assert_eq!(
            shown,
            ["emptied", "create a=1-x/", "look a=1-y/ false", "look a=1/ true", "emptied", "create a=3/"]
        );
    }

    #[test]
    fn a_listing_out_of_order_is_corrupt() {
        let mut merge = Merge::new(vec![], true);
        let mut steps = Vec::new();
        merge.published(have("b", 1, "x"), &mut steps).unwrap();
        assert_eq!(merge.published(have("a", 1, "x"), &mut steps).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(merge.published(have("b", 1, "x"), &mut steps).unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn lines_are_compared_as_multisets() {
        let compared = |old: &str, new: &str| {
            let (mut removed, mut added) = (Vec::new(), Vec::new());
            let text = |line: &[u8]| String::from_utf8(line.to_vec()).unwrap();
            compare_lines(old.as_bytes(), &new.into(), |line| removed.push(text(line)), |line| added.push(text(line)))
                .unwrap();
            (removed.join(" "), added.join(" "))
        };
        assert_eq!(compared("a\nb\n", "b\nc\n"), ("a".into(), "c".into()));
        assert_eq!(compared("c\na", "a\nb\nc\n"), (String::new(), "b".into()));
        assert_eq!(compared("a\na\n", "a\n"), ("a".into(), String::new()));
        assert_eq!(compared("", "a\n"), (String::new(), "a".into()));
        assert_eq!(compared("a\n\nb\n", ""), (" a b".into(), String::new()));
    }
}
