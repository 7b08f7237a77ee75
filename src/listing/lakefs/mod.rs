//! lakeFS, over its REST API: `lakefs://repo/ref/path`, every path exactly as it is there.
//!
//! A ref is looked up once and pinned to the commit that it names: every page of every listing comes from that commit,
//! whatever is committed meanwhile, and what is not committed is not there. Rules match the path; a manifest's line is
//! the object's physical address, byte for byte as lakeFS says it.

mod client;
mod descriptor;
mod settings;

pub use settings::{Credentials, Metastore, Settings};

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;

use self::client::{Ask, Client};
use super::{Listing, Object, Page, PageBuilder, Requests};
use crate::error::{Error, ErrorKind, Result};
use crate::rules::given::Definition;
use crate::rules::table::Access;
use crate::uri::{Shown, Uri};

/// Objects a page at most; lakeFS refuses more.
const MAX_PAGE_OBJECTS: usize = 1_000;

/// Pages without an object in a row, after which a server is not asked further.
const MAX_EMPTY_PAGES: u32 = 1_000;

/// Repositories of one lakeFS.
#[derive(Debug)]
pub struct LakeFs {
    client: Client,
    page_size: usize,
    /// Commits, by repository and ref.
    pins: Mutex<HashMap<(String, String), Arc<Pin>>>,
}

/// A ref's commit, once it has been asked for.
type Pin = tokio::sync::OnceCell<String>;

impl LakeFs {
    /// The lakeFS that `access`, the environment or `~/.lakectl.yaml` names. Asks nothing yet.
    ///
    /// # Errors
    /// `Usage` where nothing says where it is; `Credentials` where there are none.
    pub fn open(access: &Access) -> Result<LakeFs> {
        LakeFs::over(Settings::read(access)?)
    }

    /// The lakeFS of these settings.
    ///
    /// # Errors
    /// `Unsupported` if there can be no HTTP client.
    pub fn over(settings: Settings) -> Result<LakeFs> {
        Ok(LakeFs { client: Client::new(settings)?, page_size: MAX_PAGE_OBJECTS, pins: Mutex::default() })
    }

    /// Objects a page, 1 to 1,000.
    #[must_use]
    pub fn page_size(mut self, objects: usize) -> LakeFs {
        self.page_size = objects.clamp(1, MAX_PAGE_OBJECTS);
        self
    }

    /// The commit that a branch, tag or other ref names: the same for as long as this is open.
    ///
    /// # Errors
    /// `NotFound` for a repository or ref that there is not, and every other of the server's.
    pub async fn commit(&self, repository: &str, reference: &str) -> Result<String> {
        let key = (repository.to_owned(), reference.to_owned());
        let pin = self.pins.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
        let found = pin.get_or_try_init(|| self.newest(repository, reference)).await?;
        Ok(found.clone())
    }

    async fn newest(&self, repository: &str, reference: &str) -> Result<String> {
        #[derive(Deserialize)]
        struct Commits {
            results: Vec<Commit>,
        }
        #[derive(Deserialize)]
        struct Commit {
            id: String,
        }
        let ask = Ask::Commit { repository, reference };
        let commits: Commits = self.client.json(ask).await?;
        let newest = commits.results.into_iter().next().map(|commit| commit.id).filter(|id| !id.is_empty());
        newest.ok_or_else(|| {
            let uri = format!("lakefs://{repository}/{reference}");
            Error::new(ErrorKind::NotFound, format!("{} has no commit", Shown(&uri)))
        })
    }

    /// Where a repository keeps its objects: a URI of the store below it, which ends in `/`.
    ///
    /// # Errors
    /// `NotFound` for a repository that there is not, and every other of the server's; `Unsupported` where the store is
    /// none that manifests can lie in.
    pub async fn storage_namespace(&self, repository: &str) -> Result<Uri> {
        #[derive(Deserialize)]
        struct Repository {
            storage_namespace: String,
        }
        let found: Repository = self.client.json(Ask::Repository { repository }).await?;
        let found = found.storage_namespace;
        let namespace = Uri::parse(&found).map_err(|_| {
            let message = format!("repository `{}` keeps its objects at `{}`", Shown(repository), Shown(&found));
            Error::new(ErrorKind::Unsupported, message)
                .help("manifests go to s3, gs or az: give the table a `location` of its own")
        })?;
        let ends = namespace.key.is_empty() || namespace.key.ends_with('/');
        Ok(if ends { namespace } else { namespace.join("/") })
    }

    /// The definition that a table descriptor (`_lakefs_tables/NAME.yaml`) gives.
    ///
    /// # Errors
    /// Of the server; `Corrupt` with the line where it is no such descriptor, `Unsupported` for tables of another kind.
    pub async fn definition(&self, descriptor: &Uri) -> Result<Definition> {
        let body = self.read(descriptor).await?;
        descriptor::read(&body, &descriptor.shown())
    }

    /// The body of a committed object.
    async fn read(&self, uri: &Uri) -> Result<Bytes> {
        let (reference, path) = parts(uri)?;
        let repository = &uri.bucket.name;
        let commit = self.commit(repository, reference).await?;
        self.client.body(Ask::Object { repository, commit: &commit, path, of: uri }).await
    }

    fn pages<'a>(&'a self, prefix: &Uri, page_size: usize) -> BoxStream<'a, Result<Page>> {
        let start = Pages { of: self, prefix: prefix.clone(), page_size, after: Some(String::new()), empty_pages: 0 };
        stream::try_unfold(start, |mut pages| async move { Ok(pages.page().await?.map(|page| (page, pages))) }).boxed()
    }
}

#[async_trait]
impl Listing for LakeFs {
    fn list<'a>(&'a self, prefix: &Uri) -> BoxStream<'a, Result<Page>> {
        self.pages(prefix, self.page_size)
    }

    async fn any(&self, prefix: &Uri) -> Result<bool> {
        Ok(self.pages(prefix, 1).try_next().await?.is_some())
    }

    fn requests(&self) -> Requests {
        self.client.requests()
    }

    async fn pin(&self, prefix: &Uri) -> Result<Option<String>> {
        let (reference, _) = parts(prefix)?;
        self.commit(&prefix.bucket.name, reference).await.map(Some)
    }
}

/// One chain of pages: all paths below a prefix, in lakeFS's order, which is that of their bytes.
struct Pages<'a> {
    of: &'a LakeFs,
    prefix: Uri,
    page_size: usize,
    /// The path behind which the next page begins; `None` behind the last.
    after: Option<String>,
    empty_pages: u32,
}

/// A page as lakeFS answers it.
#[derive(Deserialize)]
struct Listed<'a> {
    pagination: Pagination,
    #[serde(borrow)]
    results: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct Pagination {
    has_more: bool,
    #[serde(default)]
    next_offset: String,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    path: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    path_type: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    physical_address: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    checksum: std::borrow::Cow<'a, str>,
    size_bytes: Option<u64>,
    mtime: Option<i64>,
}

impl Pages<'_> {
    /// The next page with an object.
    async fn page(&mut self) -> Result<Option<Page>> {
        let prefix = self.prefix.clone();
        let (reference, below) = parts(&prefix)?;
        let repository = &prefix.bucket.name;
        while let Some(after) = self.after.take() {
            let commit = self.of.commit(repository, reference).await?;
            let amount = self.page_size;
            let ask = Ask::Objects { repository, commit: &commit, prefix: below, after: &after, amount, of: &prefix };
            let body = self.of.client.body(ask).await?;
            let listed: Listed<'_> =
                serde_json::from_slice(&body).map_err(|error| self.of.client.unreadable(ask, error))?;
            let page = self.fill(&listed.results, below, &after)?;
            if listed.pagination.has_more {
                self.after = Some(self.next(listed.pagination.next_offset, &after)?);
            }
            if !page.is_empty() {
                self.empty_pages = 0;
                return Ok(Some(page));
            }
            self.empty_pages += 1;
            if self.empty_pages >= MAX_EMPTY_PAGES {
                return Err(self.going_round(NOT_WHERE));
            }
        }
        Ok(None)
    }

    /// The page's objects, each of which must lie below the prefix and behind the one before.
    fn fill(&self, entries: &[Entry<'_>], below: &str, after: &str) -> Result<Page> {
        let bucket = &self.prefix.bucket;
        let mut page = PageBuilder::new(bucket.clone());
        let mut key = self.prefix.key[..self.prefix.key.len() - below.len()].to_owned();
        let reference_len = key.len();
        let mut last = after;
        for entry in entries {
            let path: &str = &entry.path;
            if path.starts_with(below) && path <= after && last == after {
                return Err(self.going_round("lakeFS gives again what it has given before"));
            }
            if !path.starts_with(below) || path <= last || entry.path_type != "object" {
                let message =
                    format!("lakeFS was asked for {} and answers with `{}`", self.prefix.shown(), Shown(path));
                return Err(Error::new(ErrorKind::Corrupt, message).help(
                    "a proxy, or the server, changes paths or leaves out the prefix; its listing cannot be used",
                ));
            }
            if entry.physical_address.is_empty() {
                let message = format!("lakeFS does not say where `{}` lies", Shown(path));
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
            last = path;
            key.truncate(reference_len);
            key.push_str(path);
            page.push(&Object {
                bucket,
                key: &key,
                physical: Some(&entry.physical_address),
                size: entry.size_bytes,
                modified: entry.mtime,
                storage_class: None,
                etag: Some(&*entry.checksum).filter(|checksum| !checksum.is_empty()),
            });
        }
        tracing::debug!("{} paths of {}", page.len(), self.prefix.shown());
        Ok(page.finish())
    }

    /// Where the next page begins; it must lie behind where this one began, or the listing would have no end.
    fn next(&self, offset: String, after: &str) -> Result<String> {
        if offset.as_str() > after { Ok(offset) } else { Err(self.going_round(NOT_WHERE)) }
    }

    fn going_round(&self, why: &str) -> Error {
        let message = format!("the listing of {} does not come to an end", self.prefix.shown());
        let error = Error::new(ErrorKind::Corrupt, message).note(why);
        error.help("give the listing as a file: --listing PREFIX=SOURCE")
    }
}

/// Of a page without objects, or without the place at which the next one begins.
const NOT_WHERE: &str = "lakeFS says that there is more, and not where";

/// The ref and the path of a URI.
///
/// # Errors
/// `Usage` where no slash ends the ref: which one is meant is open.
fn parts(uri: &Uri) -> Result<(&str, &str)> {
    uri.key.split_once('/').filter(|(reference, _)| !reference.is_empty()).ok_or_else(|| {
        let message = format!("{} names no whole branch, tag or commit", uri.shown());
        let repository = Shown(&uri.bucket.name);
        Error::new(ErrorKind::Usage, message).help(format!("write the ref as it is: lakefs://{repository}/main/…"))
    })
}
