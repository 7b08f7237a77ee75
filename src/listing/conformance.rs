//! What every [`Listing`] must do, as checks that an adapter's own tests run: hand [`check`] a [`Subject`].
//!
//! Panics with what was broken, as tests do. Public so that an adapter outside this crate can be held to it; uses nothing
//! that the library does not.

use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;

use super::{Listing, Page};
use crate::uri::Uri;

/// The adapter under test, and what its source cannot hold.
#[async_trait]
pub trait Subject: Send + Sync {
    /// A prefix that ends in `/` and has nothing below it; another one at each call.
    async fn place(&self) -> Uri;

    /// A listing of a source that holds exactly `keys` (whole ones, in no order) below the place, each with a body of
    /// [`SIZE_BYTES`], and whose pages have at most `page_size` keys.
    async fn listing(&self, place: &Uri, keys: &[String], page_size: usize) -> Arc<dyn Listing>;

    /// Whether the source holds a key exactly; `key` is what follows the place.
    fn holds(&self, key: &str) -> bool {
        let _ = key;
        true
    }

    /// Whether keys come in byte order. Lists that somebody wrote have an order of their own.
    fn is_ordered(&self) -> bool {
        true
    }

    /// Whether `page_size` is kept. Where pages are cut by bytes, it is not.
    fn cuts_pages(&self) -> bool {
        true
    }

    /// Whether the source says sizes and times.
    fn has_attributes(&self) -> bool {
        true
    }
}

/// The size of every object that [`Subject::listing`] makes, in bytes.
pub const SIZE_BYTES: u64 = 3;

/// Keys a page for which every order of things is tried: one, the least that is not one, a prime, S3's most.
pub const PAGE_SIZES: [usize; 4] = [1, 2, 7, 1_000];

/// The longest key that S3 takes, in bytes.
const MAX_KEY_BYTES: usize = 1_024;

/// Runs every check.
///
/// # Panics
/// If the listing breaks the contract.
pub async fn check(subject: &dyn Subject) {
    odd_keys_come_exactly_and_once(subject).await;
    pages_join_without_gap_or_overlap(subject).await;
    a_prefix_is_no_directory(subject).await;
    nothing_is_nothing(subject).await;
    any_asks_for_one_key(subject).await;
}

/// Every key of [`odd_keys`] that the source holds comes back as it was, once, in order, whatever the page size.
pub async fn odd_keys_come_exactly_and_once(subject: &dyn Subject) {
    let place = subject.place().await;
    let mut keys = odd_keys(&place);
    keys.retain(|key| subject.holds(key));
    assert!(keys.len() > 20, "of the odd keys the source holds {} only", keys.len());
    let keys: Vec<String> = keys.into_iter().map(|key| format!("{}{key}", place.key)).collect();
    for page_size in PAGE_SIZES {
        let listing = subject.listing(&place, &keys, page_size).await;
        expect(subject, &*listing, &place, &keys, page_size).await;
    }
}

/// Counts that fill the last page exactly, leave one over, or leave one free.
pub async fn pages_join_without_gap_or_overlap(subject: &dyn Subject) {
    for (page_size, counts) in
        [(1, vec![1, 2]), (2, vec![1, 2, 3, 4]), (7, vec![13, 14, 15]), (1_000, vec![1_000, 2_001])]
    {
        for count in counts {
            let place = subject.place().await;
            let keys: Vec<String> = (0..count).map(|n| format!("{}d{}/{n:05}", place.key, n % 3)).collect();
            let listing = subject.listing(&place, &keys, page_size).await;
            expect(subject, &*listing, &place, &keys, page_size).await;
        }
    }
}

/// `p` covers `p`, `p-x` and `pq/x` as it covers `p/x`; nothing before or behind it comes along.
pub async fn a_prefix_is_no_directory(subject: &dyn Subject) {
    let place = subject.place().await;
    let names = ["o", "o/z", "p", "p-x", "p/x", "p0", "pq/x", "q", "P/x"];
    let mut keys: Vec<String> = names.iter().map(|name| format!("{}{name}", place.key)).collect();
    keys.retain(|key| subject.holds(&key[place.key.len()..]));
    for page_size in PAGE_SIZES {
        let listing = subject.listing(&place, &keys, page_size).await;
        for prefix in ["p", "p/", "p/x", "pq", "p/x/", "", "o", "nothing"] {
            let prefix = place.join(prefix);
            let below: Vec<String> = keys.iter().filter(|key| key.starts_with(&prefix.key)).cloned().collect();
            expect(subject, &*listing, &prefix, &below, page_size).await;
        }
    }
}

/// A prefix with nothing below it is no error, and no page with a key.
pub async fn nothing_is_nothing(subject: &dyn Subject) {
    let place = subject.place().await;
    let listing = subject.listing(&place, &[], 7).await;
    for prefix in [place.clone(), place.join("x/"), place.join("x")] {
        expect(subject, &*listing, &prefix, &[], 7).await;
        let any = listing.any(&prefix).await;
        assert!(!any.expect("`any` of an empty prefix"), "`any` finds something below {prefix:?}, where nothing is");
    }
}

/// `any` says whether a listing would have a key, and asks once at most.
pub async fn any_asks_for_one_key(subject: &dyn Subject) {
    let place = subject.place().await;
    let keys: Vec<String> = ["a/_delta_log/1", "a/x", "b", "c/d/e"].map(|key| format!("{}{key}", place.key)).into();
    let listing = subject.listing(&place, &keys, 1_000).await;
    // What is found out once, a bucket's region, is none of the question.
    listing.any(&place).await.expect("`any`");
    for (prefix, expected) in
        [("a/_delta_log/", true), ("a/", true), ("a", true), ("a/_delta_log/2", false), ("b/", false), ("c/d/e", true)]
    {
        let before = listing.requests();
        let any = listing.any(&place.join(prefix)).await.expect("`any`");
        assert_eq!(any, expected, "`any` of {prefix:?}");
        let asked = listing.requests().since(before);
        assert!(asked.lists <= 1 + asked.throttled && asked.gets == 0, "`any` of {prefix:?} asks {asked:?}");
    }
}

/// Lists `prefix` and holds it against the keys that must come.
async fn expect(subject: &dyn Subject, listing: &dyn Listing, prefix: &Uri, keys: &[String], page_size: usize) {
    let pages: Vec<Page> = listing.list(prefix).try_collect().await.expect("a listing");
    let mut got = Vec::new();
    for page in &pages {
        assert_eq!(page.bucket(), &prefix.bucket, "a page's bucket");
        let cut = page.len() <= page_size || !subject.cuts_pages();
        assert!(cut, "a page has {} keys where {page_size} are asked for", page.len());
        for object in page.objects() {
            if subject.has_attributes() {
                assert_eq!(object.size, Some(SIZE_BYTES), "the size of {:?}", object.key);
                assert!(object.modified.is_some(), "{:?} has no time", object.key);
            }
            let quoted = object.etag.is_some_and(|etag| etag.contains('"') || etag.is_empty());
            assert!(!quoted, "the ETag of {:?} is quoted or empty", object.key);
            got.push(object.key.to_owned());
        }
    }
    let mut expected = keys.to_vec();
    expected.sort_unstable();
    if !subject.is_ordered() {
        got.sort_unstable();
    }
    assert_same(&got, &expected, &format!("keys below {prefix:?} in pages of {page_size}"));
    let got = in_any_order(subject, listing, prefix).await;
    assert_same(&got, &expected, &format!("keys below {prefix:?} in any order, in pages of {page_size}"));
}

/// What is listed in any order, sorted.
async fn in_any_order(subject: &dyn Subject, listing: &dyn Listing, prefix: &Uri) -> Vec<String> {
    let pages: Vec<Page> = listing.list_in_any_order(prefix, None).try_collect().await.expect("a listing in any order");
    let mut got = Vec::new();
    for page in &pages {
        assert!(page.is_ascending() || !subject.is_ordered(), "a page of {prefix:?} is in no order");
        got.extend(page.objects().map(|object| object.key.to_owned()));
    }
    got.sort_unstable();
    got
}

/// Panics with the first difference, where two long lists would say nothing.
pub(crate) fn assert_same(got: &[String], expected: &[String], what: &str) {
    let differs = got.iter().zip(expected).position(|(got, expected)| got != expected);
    let at = differs.or_else(|| (got.len() != expected.len()).then(|| got.len().min(expected.len())));
    if let Some(at) = at {
        panic!(
            "{what}: key {at} is {:?}, not {:?} ({} of {})",
            got.get(at),
            expected.get(at),
            got.len(),
            expected.len()
        );
    }
}

/// Keys that some tool or other decodes, trims, normalises, folds or sorts wrongly: what follows `place`. The longest
/// fill S3's 1,024 bytes with it.
pub fn odd_keys(place: &Uri) -> Vec<String> {
    let mut keys: Vec<String> = ODD.iter().map(|key| (*key).to_owned()).collect();
    let room = MAX_KEY_BYTES - place.key.len();
    keys.push("x".repeat(255));
    keys.push("y".repeat(256));
    keys.push("z".repeat(room));
    let component = format!("{}/", "w".repeat(199));
    keys.push(component.repeat(room / 200) + &"v".repeat((room % 200).max(1)));
    keys.push(format!("d/{}", "é".repeat((room - 2) / 2)));
    keys
}

const ODD: [&str; 65] = [
    // Slashes and dots that paths would lose.
    "/lead",
    "//lead",
    "a//b",
    "trail/",
    "trail//",
    "./x",
    "../x",
    "p/./x",
    "p/../x",
    "p/.",
    "p/..",
    ".hidden",
    "...",
    // An object beside what lies below it, and the order around the slash.
    "n",
    "n/b",
    "n-1/b",
    "n.b",
    "n0",
    // What looks encoded, and what an encoder makes of it.
    "%20",
    "%2F",
    "n%2Fb",
    "%",
    "%zz",
    "%E9",
    "a+b",
    "sp ace",
    " lead",
    "trail ",
    "+",
    "?query=1",
    "#fragment",
    "ti~lde",
    "k=v/f",
    "k=a%3Db/f",
    "a&b;c,d:e@f$g",
    "!'()*",
    "[a]{b}|c^d`e",
    // XML's and quotes.
    "&amp;",
    "<Key>x</Key>",
    "]]>",
    "qu\"ote",
    "apos'trophe",
    "back\\slash",
    "\\",
    // Control characters; XML 1.0 can say only some.
    "new\nline",
    "ta\tb",
    "car\rriage",
    "ctl\u{1}x",
    "esc\u{1b}[2J",
    "del\u{7f}",
    "nel\u{85}",
    // Case, forms, direction, and what sorts otherwise in UTF-16 than in bytes.
    "case",
    "CASE",
    "é",
    "e\u{301}",
    "ß",
    "日本",
    "\u{feff}bom",
    "zero\u{200b}width",
    "line\u{2028}separator",
    "\u{202e}right-to-left",
    "\u{e000}",
    "\u{fffd}",
    "\u{10000}",
    "😀/👩‍👩‍👧",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_keys_are_each_another_and_fit_s3() {
        let place = Uri::parse("s3://bucket/place/").unwrap();
        let keys = odd_keys(&place);
        let mut distinct = keys.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), keys.len());
        let lengths = keys.iter().map(|key| place.key.len() + key.len());
        assert_eq!(lengths.clone().max(), Some(MAX_KEY_BYTES));
        assert!(lengths.filter(|length| *length == MAX_KEY_BYTES).count() >= 2);
    }
}
