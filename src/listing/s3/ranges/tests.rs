//! Listings played through against a store of keys that changes meanwhile: what must come comes once, by few requests, in
//! few rounds.

use std::collections::BTreeSet;
use std::ops::Bound;

use proptest::prelude::*;

use super::*;
use crate::listing::{Object, PageBuilder};
use crate::uri::{Bucket, Scheme};

/// A store, and how well it behaves.
#[derive(Clone, Debug)]
struct Store {
    keys: BTreeSet<String>,
    prefix: String,
    page_size: usize,
    /// Pages end before they are full.
    cuts_anywhere: bool,
    starts_after: bool,
    delimits: bool,
    /// The last page says that more follow.
    empty_last_page: bool,
}

/// How a listing went.
#[derive(Debug, Default)]
struct Went {
    /// In the order they came.
    keys: Vec<String>,
    requests: usize,
    /// Times that all requests on their way were waited for.
    rounds: usize,
}

impl Store {
    fn of(prefix: &str, page_size: usize, keys: impl IntoIterator<Item = String>) -> Store {
        let (keys, prefix) = (keys.into_iter().collect(), prefix.to_owned());
        Store {
            keys,
            prefix,
            page_size,
            cuts_anywhere: false,
            starts_after: true,
            delimits: true,
            empty_last_page: false,
        }
    }

    fn below(&self) -> impl Iterator<Item = &String> {
        self.keys.range(self.prefix.clone()..).take_while(|key| key.starts_with(&self.prefix))
    }

    /// The page behind a key, and the token of the next one: its last key.
    fn page(&self, after: Option<&str>, salt: usize) -> (Page, Option<String>) {
        let size = if self.cuts_anywhere { 1 + salt % self.page_size } else { self.page_size };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let below = self.keys.range::<str, _>((from, Bound::Unbounded)).filter(|key| key.starts_with(&self.prefix));
        let mut below = below.peekable();
        let bucket = Bucket::new(Scheme::S3, "b");
        let mut page = PageBuilder::new(bucket.clone());
        for key in below.by_ref().take(size) {
            page.push(&Object::bare(&bucket, key));
        }
        let page = page.finish();
        let last = (!page.is_empty()).then(|| page.key(page.len() - 1).to_owned());
        let more = below.peek().is_some() || self.empty_last_page;
        (page, last.filter(|_| more))
    }

    fn directory(&self, directory: &str, after: &str) -> Option<(Vec<String>, bool)> {
        let behind = self.keys.range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
        let inner = behind.filter_map(|key| key.strip_prefix(directory));
        let mut names: Vec<&str> = inner.map(|name| name.find('/').map_or(name, |slash| &name[..=slash])).collect();
        names.dedup();
        let is_whole = names.len() <= self.page_size;
        names.truncate(self.page_size);
        let directories = names.into_iter().filter(|name| name.ends_with('/'));
        self.delimits.then(|| (directories.map(|name| format!("{directory}{name}")).collect(), is_whole))
    }

    /// Lists everything, `width` requests at a time; `meanwhile` sees the store between answers, which come in an order
    /// that `salts` decide.
    fn list(&mut self, width: usize, salts: &[usize], mut meanwhile: impl FnMut(&mut Store, usize)) -> Went {
        let (mut ranges, mut went) = (Ranges::new(&self.prefix, width), Went::default());
        let (mut on_their_way, mut of_round) = (Vec::new(), 0);
        loop {
            while on_their_way.len() < width
                && let Some(ask) = ranges.next()
            {
                on_their_way.push(ask);
            }
            if of_round == 0 {
                (of_round, went.rounds) = (on_their_way.len(), went.rounds + 1);
            }
            if on_their_way.is_empty() {
                return went;
            }
            let salt = salts.get(went.requests % salts.len().max(1)).copied().unwrap_or(0);
            let ask = if salts.is_empty() {
                on_their_way.remove(0)
            } else {
                on_their_way.swap_remove(salt % on_their_way.len())
            };
            (went.requests, of_round) = (went.requests + 1, of_round - 1);
            let (page, own) = self.answer(&mut ranges, ask, salt);
            went.keys.extend((0..own).map(|index| page.key(index).to_owned()));
            meanwhile(self, went.requests);
        }
    }

    fn answer(&self, ranges: &mut Ranges, ask: Ask, salt: usize) -> (Page, usize) {
        match ask {
            Ask::Page { range, token } => {
                let (page, next) = self.page(token.as_deref(), salt);
                let own = ranges.page(range, &page, next).expect("pages in order");
                (page, own)
            }
            Ask::Trial { point } => {
                let (page, next) = self.page(Some(point.as_str()).filter(|_| self.starts_after), salt);
                let own = ranges.trial(&point, Some((&page, next)));
                (page, own)
            }
            Ask::Directory { directory, after } => {
                ranges.directory(&directory, self.directory(&directory, &after));
                (self.page(Some("\u{10ffff}"), salt).0, 0)
            }
        }
    }
}

/// Names such as people, machines and tests give; what sorts otherwise in UTF-16 than in bytes among them.
fn key() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        4 => "[a-c0-2]{0,3}",
        2 => "[0-9]{3}",
        2 => "[0-9a-f]{4}",
        1 => "(year|month)=[0-9]{2}",
        1 => "[\u{1}\t\n\r %+~&<\"]{1,2}",
        1 => "[éß日\u{fffd}\u{e000}\u{10000}😀\u{10ffff}]{1,2}",
    ];
    prop::collection::vec(name, 1..5).prop_map(|names| names.join("/"))
}

fn prefix() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), Just("p/".to_owned()), Just("p/y".to_owned()), Just("日/".to_owned())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn each_key_that_is_there_all_the_time_comes_once(
        (prefix, page_size, width) in (prefix(), 1usize..12, 1usize..20),
        (staying, coming, going) in (prop::collection::btree_set(key(), 0..200), prop::collection::vec(key(), 0..40), prop::collection::vec(key(), 0..40)),
        flaws in any::<[bool; 4]>(),
        salts in prop::collection::vec(any::<usize>(), 1..40),
    ) {
        let under = |key: &String| format!("{prefix}{key}");
        let staying: BTreeSet<String> = staying.iter().map(under).collect();
        let passing: BTreeSet<String> = going.iter().chain(&coming).map(under).filter(|key| !staying.contains(key)).collect();
        let [cuts_anywhere, starts_after, delimits, empty_last_page] = flaws;
        let mut store = Store::of(&prefix, page_size, staying.iter().cloned().chain(going.iter().map(under)));
        store = Store { cuts_anywhere, starts_after, delimits, empty_last_page, ..store };
        // Keys before and behind the prefix are nobody's.
        store.keys.extend(["", "o", "p", "p0", "q/x", "\u{10ffff}x"].map(str::to_owned).into_iter().filter(|key| !key.starts_with(&prefix)));
        let (mut arriving, mut leaving) = (coming.iter().map(under), going.iter().map(under));
        let went = store.list(width, &salts, |store, request| match request % 3 {
            0 => store.keys.extend(arriving.next()),
            1 => { leaving.next().filter(|key| !staying.contains(key)).map(|key| store.keys.remove(&key)); }
            _ => {}
        });
        let mut got = went.keys;
        got.sort_unstable();
        prop_assert!(got.windows(2).all(|pair| pair[0] < pair[1]), "a key twice: {:?}", got);
        let got: BTreeSet<String> = got.into_iter().collect();
        let wanted: BTreeSet<String> = staying.iter().filter(|key| key.starts_with(&prefix)).cloned().collect();
        prop_assert!(got.is_superset(&wanted), "missed: {:?}", wanted.difference(&got).collect::<Vec<_>>());
        prop_assert!(got.iter().all(|key| wanted.contains(key) || passing.contains(key)));
        prop_assert!(starts_after || width > 1 || went.rounds == went.requests + 1);
    }
}

/// Layouts that buckets have, `keys` keys each.
fn layouts(keys: usize, page_size: usize) -> Vec<(&'static str, Store)> {
    let hash = |number: usize| (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let store = |prefix: &str, name: &dyn Fn(usize) -> String| {
        Store::of(prefix, page_size, (0..keys).map(|number| format!("{prefix}{}", name(number))))
    };
    vec![
        ("hashed names, flat", store("data/", &|n| format!("{:016x}.parquet", hash(n)))),
        ("numbered names, flat", store("data/", &|n| format!("part-{n:010}.csv"))),
        ("numbers without zeros", store("data/", &|n| format!("{n}.csv"))),
        (
            "a day a directory",
            store("data/", &|n| {
                format!(
                    "region={}/year={}/month={:02}/day={:02}/{n:07}.csv",
                    ["ap-1", "eu-1", "us-1"][n % 3],
                    2020 + n / 3 % 6,
                    1 + n / 18 % 12,
                    1 + n / 216 % 28
                )
            }),
        ),
        ("a user a directory", store("u/", &|n| format!("{:07x}/{}.json", hash(n / 10) >> 36, n % 10))),
        (
            "one directory holds nearly all",
            store("d/", &|n| {
                if n % 10 == 0 { format!("a{n:07}/x.csv") } else { format!("zz/big/{n:09}.csv") }
            }),
        ),
    ]
}

#[test]
fn many_requests_are_on_their_way_soon_whatever_the_layout() {
    for (layout, mut store) in layouts(100_000, 20) {
        let all: Vec<String> = store.below().cloned().collect();
        let needed = all.len() / store.page_size;
        let mut went = store.list(32, &[], |_, _| {});
        went.keys.sort_unstable();
        assert!(went.keys == all, "{layout}");
        assert!(needed as f64 / went.rounds as f64 >= 25.0, "{layout}: {} rounds for {needed} pages", went.rounds);
        assert!(went.requests < needed * 5 / 4, "{layout}: {} requests for {needed} pages", went.requests);
    }
}

#[test]
fn what_a_page_holds_takes_one_request_and_what_few_hold_not_many_more() {
    for (keys, most) in [(0, 1), (40, 1), (100, 1), (101, 4), (1_000, 25), (5_000, 100)] {
        for (layout, mut store) in layouts(keys, 100) {
            for width in [2, 100, 1_000] {
                let went = store.list(width, &[], |_, _| {});
                assert_eq!(went.keys.len(), keys, "{layout}");
                assert!(went.requests <= most, "{layout}: {} requests for {keys} keys, {width} at once", went.requests);
            }
        }
    }
}

#[test]
fn a_store_that_does_not_start_where_it_should_is_listed_by_one_chain() {
    for (layout, store) in layouts(5_000, 100) {
        let mut store = Store { starts_after: false, ..store };
        let went = store.list(100, &[], |_, _| {});
        assert!(went.keys.is_sorted() && went.keys.len() == 5_000, "{layout}");
        assert!(went.requests <= 50 + 3 * 10, "{layout}: {} requests", went.requests);
    }
}

#[test]
fn keys_that_do_not_rise_are_found_out() {
    let mut ranges = Ranges::new("", 10);
    let of = |key: &str| Store::of("", 1, [key.to_owned()]).page(None, 0).0;
    let Some(Ask::Page { range, .. }) = ranges.next() else { panic!("a page is asked for first") };
    assert_eq!(ranges.page(range, &of("b"), Some("1".into())), Ok(1));
    assert_eq!(ranges.page(range, &of("b"), Some("2".into())), Err(Disorder { is_cut: false }));
    assert_eq!(ranges.page(range, &of("a"), Some("2".into())), Err(Disorder { is_cut: false }));
    assert_eq!(ranges.page(range, &of("c"), Some("2".into())), Ok(1));
}
