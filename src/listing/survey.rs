//! All that the rules need, listed once and mapped: what `map`, `plan` and `check` begin with.
//!
//! Each source is read ahead on another task than the one that maps. Folders of Delta, Iceberg and Hudi tables are looked
//! for on the way: their removed files look alive, so what follows refuses them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use memchr::memmem;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::sources::{Source, Sources};
use super::{Listing, Page, Requests};
use crate::error::{ErrorKind, Result};
use crate::map::{Mapper, Program, Sink};
use crate::uri::{Scheme, Uri};

/// Pages listed ahead of the one being mapped.
const AHEAD: usize = 4;

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

    /// What stands in every key that [`LakeFormat::table_directory`] knows.
    fn witness(self) -> &'static str {
        if self == LakeFormat::Iceberg { ".metadata.json" } else { self.marker() }
    }
}

/// Lists every source that `program` needs, once, and maps every object into `sink`; ends the mapper. `progress` is told
/// of every page that has been mapped, and may end it all.
///
/// # Errors
/// Of the sources, of the mapper and of `progress`; then nothing that came is a whole listing.
pub async fn survey(
    program: &Program,
    sources: &Sources,
    mapper: &mut Mapper<'_>,
    sink: &mut impl Sink,
    progress: &mut (dyn FnMut(&Progress<'_>, &Mapper<'_>) -> Result<()> + Send),
) -> Result<Surveyed> {
    let parts = sources.cover(program.prefixes())?;
    let mut lakes = Lakes::new(program.prefixes());
    let mut listed = Vec::new();
    let mut come = Come { sources: parts.len(), ..Come::default() };
    for source in &parts {
        let listing = sources.listing(source).await?;
        let mut part = Part { source, listing, is_partial: sources.is_partial() };
        listed.push(part.list(&mut lakes, mapper, sink, &mut come, progress).await?);
    }
    mapper.finish(sink)?;
    Ok(Surveyed { listed, lake_folders: lakes.finish() })
}

/// Every page of all that `program` needs, in the order of the sources: what `ls` prints.
///
/// # Errors
/// Of the sources; `visit`'s own end it too.
pub async fn pages(
    program: &Program,
    sources: &Sources,
    visit: &mut (dyn FnMut(&Page, &Progress<'_>) -> Result<()> + Send),
) -> Result<()> {
    let parts = sources.cover(program.prefixes())?;
    let mut come = Come { sources: parts.len(), ..Come::default() };
    for source in &parts {
        let listing = sources.listing(source).await?;
        let before = listing.requests();
        let mut pages = Ahead::start(source, listing.clone(), Order::Bytes, std::convert::identity);
        while let Some(page) = pages.next().await {
            let page = page?;
            come.page(&page);
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
    fn page(&mut self, page: &Page) {
        self.keys += page.len() as u64;
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

/// One source on its way through the mapper.
struct Part<'a> {
    source: &'a Source,
    listing: Arc<dyn Listing>,
    is_partial: bool,
}

impl Part<'_> {
    async fn list(
        &mut self,
        lakes: &mut Lakes,
        mapper: &mut Mapper<'_>,
        sink: &mut impl Sink,
        come: &mut Come,
        progress: &mut (dyn FnMut(&Progress<'_>, &Mapper<'_>) -> Result<()> + Send),
    ) -> Result<Listed> {
        let (start, before) = (Instant::now(), self.listing.requests());
        let prefix = self.source.prefix();
        let mut keys = 0;
        let mut pages = Ahead::start(self.source, self.listing.clone(), Order::Any, witnessed());
        while let Some(arrived) = pages.next().await {
            let Arrived { page, witnessed } = arrived?;
            keys += page.len() as u64;
            come.page(&page);
            lakes.look(&page, &witnessed);
            mapper.page(&page, sink)?;
            progress(&come.progress(prefix, self.listing.as_ref(), before), mapper)?;
        }
        let mut commit = None;
        if let Source::Live { prefix, .. } = self.source {
            if !self.is_partial {
                lakes.probe(prefix, self.listing.as_ref()).await?;
            }
            commit = self.listing.pin(prefix).await?;
        }
        come.done(self.listing.as_ref(), before);
        let requests = self.listing.requests().since(before);
        Ok(Listed {
            prefix: prefix.cloned(),
            keys,
            requests,
            dollars: self.listing.price().dollars(requests.lists, requests.gets),
            took: start.elapsed(),
            as_of: self.listing.as_of(),
            commit,
        })
    }
}

/// A source's pages, listed by a task of their own, a few ahead; what that task makes of each is a `T`.
struct Ahead<T> {
    receiver: mpsc::Receiver<Result<T>>,
    task: JoinHandle<()>,
}

/// The order of the pages of a live source.
#[derive(Clone, Copy, Debug)]
enum Order {
    Bytes,
    /// As they are there soonest.
    Any,
}

/// A page, and the formats whose books it may hold.
struct Arrived {
    page: Page,
    witnessed: Vec<LakeFormat>,
}

/// Looks for books in a page: ahead of the mapper's task, which has enough to do.
fn witnessed() -> impl Fn(Page) -> Arrived + Send + Sync + 'static {
    let witnesses = LakeFormat::ALL.map(|format| (format, memmem::Finder::new(format.witness())));
    move |page| {
        let text = page.text().as_bytes();
        let witnessed = witnesses.iter().filter(|(_, witness)| witness.find(text).is_some());
        let witnessed = witnessed.map(|(format, _)| *format).collect();
        Arrived { page, witnessed }
    }
}

impl<T: Send + 'static> Ahead<T> {
    fn start(
        source: &Source,
        listing: Arc<dyn Listing>,
        order: Order,
        see: impl Fn(Page) -> T + Send + Sync + 'static,
    ) -> Ahead<T> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let source = source.clone();
        let task = tokio::spawn(async move {
            let mut pages = match (&source, order) {
                (Source::Written(lines), _) => lines.all(),
                (Source::Live { prefix, .. }, Order::Bytes) => listing.list(prefix),
                (Source::Live { prefix, from }, Order::Any) => listing.list_in_any_order(prefix, from.as_deref()),
            };
            while let Some(page) = pages.next().await {
                if sender.send(page.map(&see)).await.is_err() {
                    return;
                }
            }
        });
        Ahead { receiver, task }
    }

    async fn next(&mut self) -> Option<Result<T>> {
        if let Some(page) = self.receiver.recv().await {
            return Some(page);
        }
        // The channel also closes when the task panics: that end must not be taken for the listing's.
        match (&mut self.task).await {
            Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
            _ => None,
        }
    }
}

impl<T> Drop for Ahead<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Looks for the books of other table formats: in what is listed anyway, and by one request each where it is not.
struct Lakes {
    /// Each literal directory, and its parent.
    directories: BTreeSet<Uri>,
    found: BTreeSet<LakeFolder>,
    probed: BTreeSet<Uri>,
}

impl Lakes {
    fn new<'u>(prefixes: impl IntoIterator<Item = &'u Uri>) -> Lakes {
        let directories = prefixes.into_iter().flat_map(|prefix| {
            let directory = directory_of(prefix);
            [parent_of(&directory), Some(directory)].into_iter().flatten()
        });
        Lakes { directories: directories.collect(), found: BTreeSet::new(), probed: BTreeSet::new() }
    }

    fn look(&mut self, page: &Page, witnessed: &[LakeFormat]) {
        for format in witnessed {
            for index in 0..page.len() {
                let Some(directory) = format.table_directory(page.key(index)) else { continue };
                let directory = Uri::new(page.bucket().clone(), directory);
                let literal = self.directories.contains(&directory);
                if literal || self.found.len() < MAX_LAKE_FOLDERS {
                    self.found.insert(LakeFolder { directory, format: *format, literal });
                }
            }
        }
    }

    /// Asks for what the listing of `prefix` cannot have shown.
    async fn probe(&mut self, prefix: &Uri, listing: &dyn Listing) -> Result<()> {
        let directory = directory_of(prefix);
        for directory in [parent_of(&directory), Some(directory)].into_iter().flatten() {
            if !self.probed.insert(directory.clone()) {
                continue;
            }
            for format in LakeFormat::ALL {
                let books = directory.join(format.marker());
                if prefix.is_prefix_of(&books) {
                    continue;
                }
                match has_books(format, &books, listing).await {
                    Ok(false) => {}
                    Ok(true) => {
                        self.found.insert(LakeFolder { directory: directory.clone(), format, literal: true });
                    }
                    // Permissions may end at the prefixes that rules name.
                    Err(error) if error.kind() == ErrorKind::Denied => {
                        tracing::info!("not looked for a {} table at {}: {error}", format.name(), directory.shown());
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Vec<LakeFolder> {
        self.found.into_iter().collect()
    }
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
        let memory = Memory::new();
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
            let probed = lakes.probe(&prefix, &memory).await.map_err(|error| error.kind());
            let folders = lakes.finish();
            let folders: Vec<String> = folders.iter().map(|folder| folder.directory.raw()).collect();
            assert_eq!(probed.map(|()| folders), found.map(|found| found.into_iter().map(String::from).collect()));
        }
    }
}
