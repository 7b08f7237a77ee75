//! What reading a partition makes an engine list: Trino and Athena list the directory of each object that a manifest
//! names, whole, with all that lies below it and is none of the table's, in every query.
//!
//! Counted while pages come, directory by directory and not key by key. Memory is the directories that a page begins or
//! ends in, those of over one page, and a few words a partition.

use std::collections::{HashMap, HashSet};

use super::group::line_hash;
use super::page::{Object, Page};
use super::{PartitionId, Sink, Taken, Why};
use crate::uri::{Bucket, Uri};

/// Keys in one answer to a LIST.
pub const KEYS_A_LIST: u64 = 1000;

/// A sink that counts, for each partition, the LISTs of the directories that its lines lie in.
#[derive(Clone, Debug)]
pub struct DirectoryLists {
    /// What the listing is complete for; `None`: everything.
    covered: Option<Vec<Uri>>,
    lists: Vec<Lists>,
    /// By the directory's hash: what may go on before or after the page that it was met on.
    parts: HashMap<u64, Part>,
    /// Keys of directories of more than one page of keys.
    large: HashMap<u64, u64>,
    /// Lines whose directories were not in hand when they came: held back, or said as a prefix.
    late: HashSet<(PartitionId, u64)>,
    /// Lines at addresses that the listing does not name.
    elsewhere: HashSet<(PartitionId, u64)>,
    /// Whether keys came in byte order, without which nothing here is true.
    in_order: bool,
    /// The first and the last key of each page, where the order of pages is not known to be right.
    edges: Option<Vec<(Uri, Uri)>>,
    page: InHand,
}

/// LISTs for one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    pub lists: u64,
    /// Whether the listing does not show a directory whole, so that there may be more in it.
    pub at_least: bool,
}

/// The page in hand, and where in it.
#[derive(Clone, Debug, Default)]
struct InHand {
    bucket: Option<Bucket>,
    /// Keys before the directory in hand.
    before: usize,
    directory: String,
    /// The directories that the one in hand lies in, the bucket's root first, itself last.
    open: Vec<Open>,
    /// The partitions of the open directories, each behind those of the ones that it lies in.
    partitions: Vec<PartitionId>,
    /// By partition: the open directory that it was last met in.
    met: Vec<u32>,
    opened: u32,
}

#[derive(Clone, Debug)]
struct Open {
    /// Bytes of its path.
    len: usize,
    keys: u64,
    /// Where its partitions begin.
    partitions: usize,
    number: u32,
    /// Whether it may have begun on another page.
    is_first: bool,
}

/// As much of a directory as some pages show.
#[derive(Clone, Debug, Default)]
struct Part {
    keys: u64,
    partitions: Vec<PartitionId>,
    at_least: bool,
}

impl DirectoryLists {
    /// For a listing that is complete for the prefixes `covered`, or for everything. `in_order` where each of its pages is known to be in
    /// byte order and to share no range of keys with another one.
    pub fn new(covered: Option<Vec<Uri>>, in_order: bool) -> DirectoryLists {
        DirectoryLists {
            covered,
            lists: Vec::new(),
            parts: HashMap::new(),
            large: HashMap::new(),
            late: HashSet::new(),
            elsewhere: HashSet::new(),
            in_order: true,
            edges: (!in_order).then(Vec::new),
            page: InHand::default(),
        }
    }

    /// Takes over what another one counted, on other pages; `partition` says what its partitions are here.
    pub fn merge(&mut self, other: DirectoryLists, partition: impl Fn(PartitionId) -> PartitionId) {
        for (number, lists) in (0..).map(PartitionId).zip(other.lists) {
            self.of(partition(number)).add(lists);
        }
        for (directory, part) in other.parts {
            let partitions = part.partitions.into_iter().map(&partition);
            let own = self.parts.entry(directory).or_default();
            own.keys += part.keys;
            own.at_least |= part.at_least;
            own.partitions.extend(partitions);
        }
        self.large.extend(other.large);
        self.late.extend(other.late.into_iter().map(|(of, directory)| (partition(of), directory)));
        self.elsewhere.extend(other.elsewhere.into_iter().map(|(of, directory)| (partition(of), directory)));
        self.in_order &= other.in_order;
        self.edges = self.edges.take().zip(other.edges).map(|(own, other)| [own, other].concat());
    }

    /// The LISTs of each partition, by its number; `None` where the keys did not come in byte order, so that a directory's
    /// keys may have stood anywhere.
    pub fn finish(mut self) -> Option<Vec<Lists>> {
        if !self.in_order || self.edges.take().is_some_and(|edges| !are_apart(edges)) {
            return None;
        }
        for (_, part) in self.parts.iter_mut() {
            part.partitions.sort_unstable();
            part.partitions.dedup();
        }
        for (partition, directory) in std::mem::take(&mut self.late) {
            match self.parts.get_mut(&directory) {
                Some(part) => {
                    if let Err(at) = part.partitions.binary_search(&partition) {
                        part.partitions.insert(at, partition);
                    }
                }
                None => {
                    let lists = self.large.get(&directory).map_or(1, |keys| lists(*keys));
                    self.of(partition).add(Lists { lists, at_least: false });
                }
            }
        }
        for (_, part) in std::mem::take(&mut self.parts) {
            let all = Lists { lists: lists(part.keys), at_least: part.at_least };
            part.partitions.into_iter().for_each(|partition| self.of(partition).add(all));
        }
        for (partition, _) in std::mem::take(&mut self.elsewhere) {
            self.of(partition).add(Lists { lists: 1, at_least: true });
        }
        Some(self.lists)
    }

    fn of(&mut self, partition: PartitionId) -> &mut Lists {
        let index = partition.0 as usize;
        if index >= self.lists.len() {
            self.lists.resize(index + 1, Lists::default());
        }
        &mut self.lists[index]
    }

    /// Counts the keys of the directory in hand, of which there are no more before the key `at`.
    fn end_directory(&mut self, at: usize) {
        let InHand { open, before, .. } = &mut self.page;
        if let Some(directory) = open.last_mut() {
            directory.keys += (at - *before) as u64;
        }
        *before = at;
    }

    /// Ends the innermost of the open directories; `ends_page` where it may go on behind the page.
    fn close(&mut self, ends_page: bool) {
        let Some(closed) = self.page.open.pop() else { return };
        let InHand { bucket, directory, open, partitions, .. } = &mut self.page;
        if let Some(parent) = open.last_mut() {
            parent.keys += closed.keys;
        }
        let (bucket, path) = (bucket.as_ref().expect("a page is in hand"), &directory[..closed.len]);
        if ends_page || closed.is_first {
            let part = self.parts.entry(hash(bucket, path)).or_default();
            part.keys += closed.keys;
            part.partitions.extend(partitions.drain(closed.partitions..));
            let covers = |prefix: &Uri| prefix.bucket == *bucket && path.starts_with(&prefix.key);
            part.at_least = self.covered.as_ref().is_some_and(|covered| !covered.iter().any(covers));
            return;
        }
        if closed.keys > KEYS_A_LIST {
            self.large.insert(hash(bucket, path), closed.keys);
        }
        let own = &mut partitions[closed.partitions..];
        own.sort_unstable();
        let mut last = None;
        for at in closed.partitions..self.page.partitions.len() {
            let partition = self.page.partitions[at];
            if last.replace(partition) != Some(partition) {
                self.of(partition).add(Lists { lists: lists(closed.keys), at_least: false });
            }
        }
        self.page.partitions.truncate(closed.partitions);
    }

    /// Opens the directories of the path in hand behind its first `len` bytes.
    fn open(&mut self, len: usize, is_first: bool) {
        let InHand { directory, open, partitions, opened, .. } = &mut self.page;
        let root = open.is_empty().then_some(0);
        let deeper = memchr::memchr_iter(b'/', &directory.as_bytes()[len..]).map(|slash| len + slash + 1);
        for len in root.into_iter().chain(deeper) {
            *opened += 1;
            open.push(Open { len, keys: 0, partitions: partitions.len(), number: *opened, is_first });
        }
    }
}

impl Sink for DirectoryLists {
    fn page_begins(&mut self, page: &Page) {
        if page.is_empty() {
            return;
        }
        if let Some(edges) = &mut self.edges {
            edges.push((page.object(0).uri(), page.object(page.len() - 1).uri()));
        }
        self.page.bucket = Some(page.bucket().clone());
        self.page.before = 0;
    }

    fn page_ends(&mut self, page: &Page) {
        self.end_directory(page.len());
        while !self.page.open.is_empty() {
            self.close(true);
        }
        self.page.bucket = None;
    }

    fn directory(&mut self, page: &Page, at: usize, path: &str) {
        let is_first = self.page.open.is_empty();
        self.end_directory(at);
        self.in_order &= is_first || page.key(at - 1) < page.key(at);
        let old = self.page.directory.bytes();
        let common = old.zip(path.bytes()).take_while(|(old, new)| old == new).count();
        while self.page.open.last().is_some_and(|directory| directory.len > common) {
            self.close(false);
        }
        let kept = self.page.open.last().map_or(0, |directory| directory.len);
        self.page.directory.truncate(kept);
        self.page.directory.push_str(&path[kept..]);
        self.open(kept, is_first);
    }

    fn take(&mut self, object: &Object<'_>, taken: Taken) {
        let partition = taken.partition;
        let parent = |text: &str| memchr::memrchr(b'/', text.as_bytes()).map_or(0, |slash| slash + 1);
        match (object.physical, taken.prefix_len, &self.page.bucket) {
            (Some(address), ..) => {
                self.elsewhere.insert((partition, line_hash(&address.as_bytes()[..parent(address)])));
            }
            (None, None, Some(_)) => self.page.meet(partition),
            (None, prefix_len, _) => {
                let path = prefix_len.map_or(parent(object.key), |len| len as usize);
                self.late.insert((partition, hash(object.bucket, &object.key[..path])));
            }
        }
    }

    fn leave(&mut self, _: &Object<'_>, _: Why) {}
}

impl InHand {
    #[inline]
    fn meet(&mut self, partition: PartitionId) {
        let index = partition.0 as usize;
        if index >= self.met.len() {
            self.met.resize(index + 1, 0);
        }
        let number = self.open.last().map_or(0, |directory| directory.number);
        if self.met[index] != number {
            self.met[index] = number;
            self.partitions.push(partition);
        }
    }
}

impl Lists {
    fn add(&mut self, other: Lists) {
        self.lists += other.lists;
        self.at_least |= other.at_least;
    }
}

fn lists(keys: u64) -> u64 {
    keys.div_ceil(KEYS_A_LIST).max(1)
}

fn hash(bucket: &Bucket, path: &str) -> u64 {
    line_hash(format!("{}{path}", bucket.uri_prefix()).as_bytes())
}

/// Whether the pages, each from one key to another, share no range of keys.
fn are_apart(mut edges: Vec<(Uri, Uri)>) -> bool {
    edges.sort_by_cached_key(|(first, _)| first.raw());
    edges.windows(2).all(|pair| pair[0].1.raw() < pair[1].0.raw())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::map::page::PageBuilder;
    use crate::uri::Scheme;

    /// A key, and the partition that takes it.
    type Keyed = (String, Option<u32>);

    fn bucket() -> Bucket {
        Bucket::new(Scheme::S3, "b")
    }

    /// Counts keys, each with its partition if it is taken, page by page.
    fn counted(pages: &[&[Keyed]], prefix: &str, in_order: bool) -> DirectoryLists {
        let mut directories = DirectoryLists::new(Some(vec![Uri::new(bucket(), prefix)]), in_order);
        for keys in pages {
            let mut page = PageBuilder::new(bucket());
            for (key, _) in *keys {
                page.push(&Object::bare(&bucket(), key));
            }
            let page = page.finish();
            directories.page_begins(&page);
            let mut last = None;
            for (at, (object, (_, partition))) in page.objects().zip(*keys).enumerate() {
                let path = &object.key[..object.key.len() - object.base_name().len()];
                if last.replace(path) != Some(path) {
                    directories.directory(&page, at, path);
                }
                if let Some(number) = partition {
                    directories.take(&object, taken(*number));
                }
            }
            directories.page_ends(&page);
        }
        directories
    }

    fn taken(number: u32) -> Taken {
        Taken { table: 0, rule: 0, partition: PartitionId(number), prefix_len: None }
    }

    /// The same, directory by directory, over all keys at once.
    fn plainly(keys: &[Keyed], prefix: &str, partition: u32) -> Lists {
        let parent = |key: &str| key[..key.rfind('/').map_or(0, |slash| slash + 1)].to_owned();
        let own = keys.iter().filter(|(_, of)| *of == Some(partition)).map(|(key, _)| parent(key));
        let mut all = Lists::default();
        for directory in own.collect::<BTreeSet<String>>() {
            let below = keys.iter().filter(|(key, _)| key.starts_with(&directory)).count() as u64;
            all.add(Lists { lists: lists(below), at_least: !directory.starts_with(prefix) });
        }
        all
    }

    proptest! {
        #[test]
        fn any_pages_and_any_workers_count_the_same(
            keys in prop::collection::btree_map("p/([ab/]{0,3}/)?[a-c-]{1,3}", prop::option::of(0u32..3), 1..60),
            cuts in prop::collection::vec(1usize..20, 1..20),
            many in 0usize..3,
            workers in 1usize..4,
        ) {
            // Some directories hold more keys than one LIST says.
            let mut keys: Vec<Keyed> = keys.into_iter().collect();
            for number in 0..many * 700 {
                keys.push((format!("p/a/{number:04}"), Some(number as u32 % 2)));
            }
            keys.sort();
            keys.dedup_by(|a, b| a.0 == b.0);
            for prefix in ["", "p/", "p/a"] {
                let listed: Vec<_> = keys.iter().filter(|(key, _)| key.starts_with(prefix)).cloned().collect();
                let mut pages: Vec<Vec<&[Keyed]>> = vec![Vec::new(); workers];
                let (mut rest, mut cuts) = (listed.as_slice(), cuts.iter().cycle().enumerate());
                while !rest.is_empty() {
                    let (number, cut) = cuts.next().unwrap();
                    let (page, after) = rest.split_at((*cut * (1 + 40 * many)).min(rest.len()));
                    pages[number % workers].push(page);
                    rest = after;
                }
                let mut each = pages.iter().map(|pages| counted(pages, prefix, false));
                let mut all = each.next().unwrap();
                each.for_each(|one| all.merge(one, |partition| partition));
                let found = all.finish().expect("the keys are in order");
                for partition in 0..3 {
                    let lists = found.get(partition as usize).copied().unwrap_or_default();
                    prop_assert_eq!(lists, plainly(&listed, prefix, partition), "{} of {:?}", partition, listed);
                }
            }
        }
    }

    #[test]
    fn keys_out_of_order_are_not_counted() {
        let key = |key: &str| (key.to_owned(), Some(0));
        let (a, b) = ([key("a/1"), key("b/1")], [key("a/2")]);
        assert!(counted(&[&a, &b], "", false).finish().is_none(), "pages that overlap");
        assert!(counted(&[&[key("b/1"), key("a/1")]], "", true).finish().is_none(), "a page out of order");
        assert!(counted(&[&b, &a[1..]], "", false).finish().is_some());
    }

    #[test]
    fn what_was_held_back_counts_by_the_directories_that_came() {
        let flat: Vec<_> = (0..2500).map(|number| (format!("flat/{number:04}"), None)).collect();
        for page in [1000, 2500] {
            let pages: Vec<_> = flat.chunks(page).collect();
            let mut directories = counted(&pages, "", true);
            for key in ["flat/0001", "flat/2000", "one/x"] {
                directories.take(&Object::bare(&bucket(), key), taken(0));
            }
            assert_eq!(directories.finish(), Some(vec![Lists { lists: 4, at_least: false }]));
        }
    }
}
