//! All that the rules need, listed once and mapped: what `map`, `plan` and `check` begin with.
//!
//! Who maps is not decided here: workers take pages as they come, and what they say of them is heard in the order of the
//! listing. Folders of Delta, Iceberg and Hudi tables are looked for on the way: their removed files look alive, so what
//! follows refuses them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, try_join_all};
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use memchr::memmem;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::feed::{self, Fate, Incoming, Outcome, Stopped};
use super::lines::Supplied;
use super::sources::{Source, Sources};
use super::{Listing, Object, Page, Requests};
use crate::error::{ErrorKind, Result};
use crate::map::{Program, Sink, Taken, Why};
use crate::uri::{Scheme, Uri};

/// Pages listed ahead of those being mapped.
const AHEAD: usize = 4;

/// Sources that may be asked for their first pages ahead of the one being mapped, so that many small ones do not wait for
/// each other.
const SOURCES_AHEAD: usize = 16;

/// Findings of one kind kept at most, beside those in literal directories.
const MAX_LAKE_FOLDERS: usize = 1_000;

/// What a whole listing came to.
#[derive(Debug, Default)]
pub struct Surveyed {
    /// One per source, in the order listed.
    pub listed: Vec<Listed>,
    /// Sorted by directory.
    pub lake_folders: Vec<LakeFolder>,
}

/// One source, listed to its end.
#[derive(Clone, Debug)]
pub struct Listed {
    /// What it is complete for; `None`: everything.
    pub prefix: Option<Uri>,
    pub keys: u64,
    /// Of this source, probes included; all 0 for files and folders.
    pub requests: Requests,
    /// What they cost, where the store has a price.
    pub dollars: f64,
    pub took: Duration,
    /// When it was true, in seconds since 1970; `None`: live, as of this run.
    pub as_of: Option<i64>,
    /// The commit that it was listed at, where the source has such.
    pub commit: Option<String>,
}

/// How far a listing has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// What is being listed; `None`: everything.
    pub prefix: Option<&'a Uri>,
    /// Of all sources so far.
    pub keys: u64,
    pub pages: u64,
    pub requests: Requests,
    /// What those requests cost, where the store has a price.
    pub dollars: f64,
    /// Sources, and how many of them are done.
    pub sources: usize,
    pub done: usize,
}

/// A directory in which another table format keeps its books, so that its files do not all count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LakeFolder {
    /// Ends in `/`, or is a bucket's root.
    pub directory: Uri,
    pub format: LakeFormat,
    /// Whether a rule names the directory, or one right below it, literally; otherwise it was met below such.
    pub literal: bool,
}

impl LakeFolder {
    fn books(&self) -> Uri {
        self.directory.join(self.format.marker())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LakeFormat {
    /// `_delta_log/`
    Delta,
    /// `metadata/*.metadata.json`
    Iceberg,
    /// `.hoodie/`
    Hudi,
}

impl LakeFormat {
    pub const ALL: [LakeFormat; 3] = [LakeFormat::Delta, LakeFormat::Iceberg, LakeFormat::Hudi];

    pub fn name(self) -> &'static str {
        match self {
            LakeFormat::Delta => "Delta",
            LakeFormat::Iceberg => "Iceberg",
            LakeFormat::Hudi => "Hudi",
        }
    }

    /// The directory of its books, with its slash.
    pub fn marker(self) -> &'static str {
        match self {
            LakeFormat::Delta => "_delta_log/",
            LakeFormat::Iceberg => "metadata/",
            LakeFormat::Hudi => ".hoodie/",
        }
    }

    /// The directory whose books `key` belongs to.
    fn table_directory(self, key: &str) -> Option<&str> {
        let marker = self.marker();
        let found = memmem::find_iter(key.as_bytes(), marker.as_bytes());
        let mut starts = found.filter(|start| *start == 0 || key.as_bytes()[start - 1] == b'/');
        let start = starts.find(|start| {
            let rest = &key[start + marker.len()..];
            self != LakeFormat::Iceberg || rest.ends_with(".metadata.json") && !rest.contains('/')
        })?;
        Some(&key[..start])
    }

    /// Whether a key right in this directory can be one that [`LakeFormat::table_directory`] knows.
    fn may_keep_books_in(self, directory: &str) -> bool {
        if self == LakeFormat::Iceberg {
            return directory.ends_with(self.marker());
        }
        memmem::find(directory.as_bytes(), self.marker().as_bytes()).is_some()
    }
}

/// Lists every source that `program` needs, once. `workers` runs on a thread of its own, takes pages until there are none,
/// and gives what it made of them and the books that it met. `progress` is told of every batch that has been mapped, in the
/// order of the listing, with what the worker said of it, and may end it all.
///
/// # Errors
/// Of the sources, of the workers and of `progress`, the first in the order of the listing; then nothing that came is a
/// whole listing.
pub async fn survey<N: Send + 'static, T: Send + 'static>(
    program: &Program,
    sources: &Sources,
    workers: impl FnOnce(Incoming<N>) -> Result<Result<(T, Lakes)>, Stopped> + Send + 'static,
    progress: &mut (dyn FnMut(&Progress<'_>, N) -> Result<()> + Send),
) -> Result<(Surveyed, T)> {
    let parts = sources.cover(program.prefixes())?;
    let mut lakes = Lakes::new(program.prefixes());
    let mut listed = Vec::new();
    let mut come = Come { sources: parts.len(), ..Come::default() };
    let (incoming, mut outcome) = feed::feed();
    let working = tokio::task::spawn_blocking(move || workers(incoming));
    let (mut later, mut next) = (parts.iter(), VecDeque::new());
    loop {
        while next.len() <= SOURCES_AHEAD
            && let Some(source) = later.next()
        {
            let unseen = match source {
                Source::Live { prefix, .. } if !sources.is_partial() => lakes.unseen(prefix),
                _ => Vec::new(),
            };
            next.push_back(Part::new(source, sources.listing(source).await?, unseen));
        }
        let Some(mut part) = next.pop_front() else { break };
        match part.list(&mut lakes, &mut outcome, &mut come, progress).await? {
            Some(one) => listed.push(one),
            // No worker is left: one has panicked.
            None => break,
        }
    }
    outcome.end();
    let worked = working.await.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
    let (made, met) = worked.expect("workers are stopped by an error, which has been returned")?;
    lakes.merge(met);
    Ok((Surveyed { listed, lake_folders: lakes.finish() }, made))
}

/// Every page of all that `program` needs, in the order of the sources, of live ones in this order: what `ls` prints.
///
/// # Errors
/// Of the sources; `visit`'s own end it too.
pub async fn pages(
    program: &Program,
    sources: &Sources,
    order: Order,
    visit: &mut (dyn FnMut(&Page, &Progress<'_>) -> Result<()> + Send),
) -> Result<()> {
    let parts = sources.cover(program.prefixes())?;
    let mut come = Come { sources: parts.len(), ..Come::default() };
    for source in &parts {
        let listing = sources.listing(source).await?;
        let before = listing.requests();
        let mut pages = Ahead::start(source, listing.clone(), order);
        while let Some(page) = pages.next().await {
            let page = page?;
            come.page(page.len() as u64);
            visit(&page, &come.progress(source.prefix(), listing.as_ref(), before))?;
        }
        come.done(listing.as_ref(), before);
    }
    Ok(())
}

/// What has come of all sources.
#[derive(Debug, Default)]
struct Come {
    sources: usize,
    done: usize,
    keys: u64,
    pages: u64,
    /// Of those that are done.
    requests: Requests,
    dollars: f64,
}

impl Come {
    fn page(&mut self, keys: u64) {
        self.keys += keys;
        self.pages += 1;
    }

    /// With what the source that is not done has asked for since `before`.
    fn progress<'a>(&self, prefix: Option<&'a Uri>, listing: &dyn Listing, before: Requests) -> Progress<'a> {
        let asked = listing.requests().since(before);
        Progress {
            prefix,
            keys: self.keys,
            pages: self.pages,
            requests: self.requests.and(asked),
            dollars: self.dollars + listing.price().dollars(asked.lists, asked.gets),
            sources: self.sources,
            done: self.done,
        }
    }

    fn done(&mut self, listing: &dyn Listing, before: Requests) {
        let Progress { requests, dollars, .. } = self.progress(None, listing, before);
        (self.requests, self.dollars, self.done) = (requests, dollars, self.done + 1);
    }
}

/// One source on its way through the workers.
struct Part<'a> {
    source: &'a Source,
    listing: Arc<dyn Listing>,
    /// Its pages, where they are asked for before its turn comes.
    ahead: Option<Ahead>,
    /// What it does not show of other formats' books.
    books: BoxFuture<'static, Result<Vec<LakeFolder>>>,
}

impl<'a> Part<'a> {
    fn new(source: &'a Source, listing: Arc<dyn Listing>, unseen: Vec<LakeFolder>) -> Part<'a> {
        let Some(listing) = listing.apart() else {
            let books = probe(unseen, listing.clone()).boxed();
            return Part { source, listing, ahead: None, books };
        };
        let ahead = Some(Ahead::start(source, listing.clone(), Order::Any));
        let books = tokio::spawn(probe(unseen, listing.clone()));
        let books = books.map(|done| done.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic())));
        Part { source, listing, ahead, books: books.boxed() }
    }

    /// `None` where the workers are gone.
    async fn list<N>(
        &mut self,
        lakes: &mut Lakes,
        outcome: &mut Outcome<N>,
        come: &mut Come,
        progress: &mut (dyn FnMut(&Progress<'_>, N) -> Result<()> + Send),
    ) -> Result<Option<Listed>> {
        let start = Instant::now();
        let before = if self.ahead.is_some() { Requests::default() } else { self.listing.requests() };
        let prefix = self.source.prefix();
        let (keys_before, mut lines_before) = (come.keys, 0);
        let mut ahead = self.supply(outcome).await?;
        loop {
            match outcome.next().await {
                None => return Ok(None),
                Some(Fate::End) => break,
                Some(Fate::Failed(error)) => return Err(error),
                Some(Fate::Unread(chunk)) => {
                    let again = chunk.pages(lines_before).err();
                    return Err(again.expect("what is no list of keys stays none").0);
                }
                Some(Fate::Mapped { keys, lines, news }) => {
                    lines_before += lines;
                    come.page(keys);
                    progress(&come.progress(prefix, self.listing.as_ref(), before), news)?;
                }
            }
        }
        if let Some(task) = &mut ahead {
            task.end().await;
        }
        let mut commit = None;
        if let Source::Live { prefix, .. } = self.source {
            (&mut self.books).await?.into_iter().for_each(|lake| lakes.keep(lake));
            commit = self.listing.pin(prefix).await?;
        }
        come.done(self.listing.as_ref(), before);
        let requests = self.listing.requests().since(before);
        Ok(Some(Listed {
            prefix: prefix.cloned(),
            keys: come.keys - keys_before,
            requests,
            dollars: self.listing.price().dollars(requests.lists, requests.gets),
            took: start.elapsed(),
            as_of: self.listing.as_of(),
            commit,
        }))
    }

    /// Has the workers take this source's pages; gives the task that lists them, where there is one.
    async fn supply<N>(&mut self, outcome: &Outcome<N>) -> Result<Option<Task>> {
        let ahead = match self.source {
            _ if let Some(ahead) = self.ahead.take() => ahead,
            Source::Live { .. } => Ahead::start(self.source, self.listing.clone(), Order::Any),
            Source::Written(written) => match written.supply().await? {
                Supplied::Pages(pages) => Ahead::of(pages),
                Supplied::Chunks(chunks) => {
                    outcome.add(feed::Part::Chunks(chunks));
                    return Ok(None);
                }
            },
        };
        outcome.add(feed::Part::Pages(ahead.receiver));
        Ok(Some(ahead.task))
    }
}

/// A source's pages, listed by a task of their own, a few ahead.
struct Ahead {
    receiver: mpsc::Receiver<Result<Page>>,
    task: Task,
}

/// The order of the pages of a live source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Bytes,
    /// As they are there soonest.
    Any,
}

impl Ahead {
    fn start(source: &Source, listing: Arc<dyn Listing>, order: Order) -> Ahead {
        let source = source.clone();
        let (sender, receiver) = mpsc::channel(AHEAD);
        let task = tokio::spawn(async move {
            let pages = match (&source, order) {
                (Source::Written(lines), _) => lines.all(),
                (Source::Live { prefix, .. }, Order::Bytes) => listing.list(prefix),
                (Source::Live { prefix, from }, Order::Any) => listing.list_in_any_order(prefix, from.as_deref()),
            };
            send(pages, sender).await;
        });
        Ahead { receiver, task: Task(task) }
    }

    fn of(pages: BoxStream<'static, Result<Page>>) -> Ahead {
        let (sender, receiver) = mpsc::channel(AHEAD);
        Ahead { receiver, task: Task(tokio::spawn(send(pages, sender))) }
    }

    async fn next(&mut self) -> Option<Result<Page>> {
        if let Some(page) = self.receiver.recv().await {
            return Some(page);
        }
        self.task.end().await;
        None
    }
}

async fn send(mut pages: BoxStream<'_, Result<Page>>, sender: mpsc::Sender<Result<Page>>) {
    while let Some(page) = pages.next().await {
        if sender.send(page).await.is_err() {
            return;
        }
    }
}

/// A task that lists, as long as somebody wants its pages.
struct Task(JoinHandle<()>);

impl Task {
    /// Waits for its end. Its channel also closes when it panics: that must not be taken for the listing's end.
    async fn end(&mut self) {
        if let Err(failed) = (&mut self.0).await
            && failed.is_panic()
        {
            std::panic::resume_unwind(failed.into_panic());
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Looks for the books of other table formats: in what is listed anyway, as a sink that is told of every directory, and by
/// one request each where it is not.
pub struct Lakes {
    /// Each literal directory, and its parent.
    directories: BTreeSet<Uri>,
    literal: BTreeSet<LakeFolder>,
    /// The first, in the order of their names: it does not matter who met them, and when.
    met: BTreeSet<LakeFolder>,
    probed: BTreeSet<Uri>,
}

impl Lakes {
    pub fn new<'u>(prefixes: impl IntoIterator<Item = &'u Uri>) -> Lakes {
        let directories = prefixes.into_iter().flat_map(|prefix| {
            let directory = directory_of(prefix);
            [parent_of(&directory), Some(directory)].into_iter().flatten()
        });
        let (literal, met, probed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Lakes { directories: directories.collect(), literal, met, probed }
    }

    /// Takes over what another one found.
    pub fn merge(&mut self, other: Lakes) {
        other.literal.into_iter().chain(other.met).for_each(|folder| self.keep(folder));
    }

    fn keep(&mut self, folder: LakeFolder) {
        if folder.literal {
            self.literal.insert(folder);
        } else if self.met.insert(folder) && self.met.len() > MAX_LAKE_FOLDERS {
            self.met.pop_last();
        }
    }

    /// What the listing of `prefix` cannot show, and no other was to ask for.
    fn unseen(&mut self, prefix: &Uri) -> Vec<LakeFolder> {
        let directory = directory_of(prefix);
        let directories = [parent_of(&directory), Some(directory)].into_iter().flatten();
        let new: Vec<Uri> = directories.filter(|directory| self.probed.insert(directory.clone())).collect();
        let each = |directory: &Uri| {
            LakeFormat::ALL.map(|format| LakeFolder { directory: directory.clone(), format, literal: true })
        };
        new.iter().flat_map(each).filter(|lake| !prefix.is_prefix_of(&lake.books())).collect()
    }

    fn finish(mut self) -> Vec<LakeFolder> {
        self.literal.append(&mut self.met);
        self.literal.into_iter().collect()
    }
}

impl Sink for Lakes {
    fn take(&mut self, _: &Object<'_>, _: Taken) {}

    fn leave(&mut self, _: &Object<'_>, _: Why) {}

    fn directory(&mut self, page: &Page, at: usize, path: &str) {
        for format in LakeFormat::ALL.into_iter().filter(|format| format.may_keep_books_in(path)) {
            let here = (at..page.len()).map(|index| page.key(index)).take_while(|key| key.starts_with(path));
            let Some(directory) = here.filter_map(|key| format.table_directory(key)).next() else { continue };
            let directory = Uri::new(page.bucket().clone(), directory);
            let literal = self.directories.contains(&directory);
            self.keep(LakeFolder { directory, format, literal });
        }
    }
}

/// Those that are there, asked for all at once.
async fn probe(lakes: Vec<LakeFolder>, listing: Arc<dyn Listing>) -> Result<Vec<LakeFolder>> {
    let has_books = |lake: LakeFolder| {
        let listing = listing.as_ref();
        async move {
            match has_books(lake.format, &lake.books(), listing).await {
                Ok(there) => Ok(Some(lake).filter(|_| there)),
                // Permissions may end at the prefixes that rules name.
                Err(error) if error.kind() == ErrorKind::Denied => {
                    let (format, directory) = (lake.format.name(), lake.directory.shown());
                    tracing::info!("not looked for a {format} table at {directory}: {error}");
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        }
    };
    let found: Vec<Option<LakeFolder>> = try_join_all(lakes.into_iter().map(has_books)).await?;
    Ok(found.into_iter().flatten().collect())
}

/// One request: for one key, or for a page of Iceberg's metadata, which lies among other files.
async fn has_books(format: LakeFormat, books: &Uri, listing: &dyn Listing) -> Result<bool> {
    if format != LakeFormat::Iceberg {
        return listing.any(books).await;
    }
    let page = listing.list(books).try_next().await?;
    Ok(page.is_some_and(|page| (0..page.len()).any(|index| format.table_directory(page.key(index)).is_some())))
}

/// The directory in which a prefix ends.
fn directory_of(prefix: &Uri) -> Uri {
    Uri::new(prefix.bucket.clone(), &prefix.key[..prefix.key.rfind('/').map_or(0, |slash| slash + 1)])
}

/// A ref of lakeFS has none: what stands before it is the repository.
fn parent_of(directory: &Uri) -> Option<Uri> {
    let inner = directory.key.strip_suffix('/')?;
    if directory.bucket.scheme == Scheme::LakeFs && !inner.contains('/') {
        return None;
    }
    Some(Uri::new(directory.bucket.clone(), &inner[..inner.rfind('/').map_or(0, |slash| slash + 1)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::{Fault, Memory};

    #[tokio::test]
    async fn a_probe_that_is_denied_finds_nothing_and_any_other_failure_ends_the_listing() {
        let uri = |text: &str| Uri::parse(text).unwrap();
        let memory = Arc::new(Memory::new());
        for key in ["data/in/_delta_log/0.json", "data/metadata/v1.metadata.json", "data/in/year=1/x.csv"] {
            memory.insert(&uri("s3://b/").join(key), "x");
        }
        for (fault, found) in [
            (None, Ok(vec!["s3://b/data/", "s3://b/data/in/"])),
            (Some(Fault::Denied), Ok(vec!["s3://b/data/in/"])),
            (Some(Fault::Throttled), Err(ErrorKind::Throttled)),
        ] {
            memory.set_script(move |call| fault.filter(|_| !call.uri.key.starts_with("data/in/")));
            let prefix = uri("s3://b/data/in/year=");
            let mut lakes = Lakes::new([&prefix]);
            let probed = probe(lakes.unseen(&prefix), memory.clone()).await.map_err(|error| error.kind());
            let folders = probed.map(|lakes| lakes.iter().map(|lake| lake.directory.raw()).collect::<Vec<_>>());
            assert_eq!(folders, found.map(|found| found.into_iter().map(String::from).collect()));
            assert!(lakes.unseen(&prefix).is_empty(), "what was asked for is not asked for again");
        }
    }
}
