//! S3, live: ListObjectsV2 page by page, every key exactly as the store has it.
//!
//! Requests go through the AWS SDK (credentials, signing, endpoints, retries); the answers are read by
//! `document`, for nine tenths of the SDK's time would go into its own reading of them.
//! [`store::s3`](crate::store::s3) uses the same connection.

pub(crate) mod asked;
pub(crate) mod connection;
mod document;
mod failure;
mod hook;
mod lifecycle;
#[cfg(feature = "inventory")]
mod object;
pub(crate) mod watch;
mod xml;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::types::EncodingType;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use super::{Listing, Page, Requests};
use crate::error::{Error, ErrorKind, Result};
use crate::listing::upkeep::Upkeep;
use crate::rules::table::Access;
use crate::uri::{Bucket, Shown, Uri};

use connection::Connection;
use document::Listed;
pub(crate) use document::unquoted;
pub(crate) use failure::{Action, Failure, is_missing_key};
use hook::PageHook;
#[cfg(feature = "inventory")]
pub(crate) use object::Object;
use watch::{Counts, Kind, Watch};

/// Keys a page at most, by S3's own rule.
pub(crate) const MAX_PAGE_KEYS: usize = 1_000;

/// Pages without a key in a row, after which a store is not asked further.
const MAX_EMPTY_PAGES: u32 = 1_000;

/// Objects in buckets, listed as they are now.
#[derive(Debug)]
pub struct S3 {
    connection: Arc<Connection>,
    counts: Arc<Counts>,
    page_size: usize,
}

impl S3 {
    /// The buckets that are reached by `access`. Asks nothing yet.
    ///
    /// # Errors
    /// `Usage` for an endpoint that is no URL.
    pub async fn open(access: &Access) -> Result<S3> {
        Ok(S3::of(Connection::open(access).await?))
    }

    /// The buckets that are reached by the caller's own settings of the SDK, under what `access` says.
    ///
    /// # Errors
    /// `Usage` for an endpoint that is no URL.
    pub fn over(sdk: &SdkConfig, access: &Access) -> Result<S3> {
        Ok(S3::of(Arc::new(Connection::over(sdk, access)?)))
    }

    fn of(connection: Arc<Connection>) -> S3 {
        S3 { connection, counts: Arc::default(), page_size: MAX_PAGE_KEYS }
    }

    /// Keys a page, 1 to 1,000.
    #[must_use]
    pub fn page_size(mut self, keys: usize) -> S3 {
        self.page_size = keys.clamp(1, MAX_PAGE_KEYS);
        self
    }

    fn pages(&self, prefix: &Uri, page_size: usize) -> Pages {
        Pages::new(self.connection.clone(), self.counts.clone(), prefix, None, page_size)
    }
}

#[async_trait]
impl Listing for S3 {
    fn list<'a>(&'a self, prefix: &Uri) -> BoxStream<'a, Result<Page>> {
        self.pages(prefix, self.page_size).stream()
    }

    fn list_from<'a>(&'a self, prefix: &Uri, from: &str) -> BoxStream<'a, Result<Page>> {
        let after = just_before(from);
        Pages::new(self.connection.clone(), self.counts.clone(), prefix, after.as_deref(), self.page_size).stream()
    }

    async fn any(&self, prefix: &Uri) -> Result<bool> {
        Ok(self.pages(prefix, 1).stream().try_next().await?.is_some())
    }

    fn requests(&self) -> Requests {
        self.counts.so_far()
    }

    async fn upkeep(&self, bucket: &Bucket) -> Option<Upkeep> {
        lifecycle::upkeep(&self.connection, &self.counts, bucket).await
    }
}

/// A key before `key`, and behind about everything that lies before it: what is asked for comes strictly behind one.
fn just_before(key: &str) -> Option<String> {
    let (at, last) = key.char_indices().next_back()?;
    let less = char::from_u32(u32::from(last).checked_sub(1)?).filter(|less| !less.is_control());
    let before = &key[..at];
    match less {
        Some(less) => Some(format!("{before}{less}~")),
        None => Some(before.to_owned()).filter(|before| !before.is_empty()),
    }
}

/// One chain of pages: all keys below a prefix, in the store's order.
pub(crate) struct Pages {
    connection: Arc<Connection>,
    counts: Arc<Counts>,
    prefix: Uri,
    start_after: Option<String>,
    page_size: usize,
    next: Next,
    empty_pages: u32,
    /// Hashes of each page's first key. A store that forgets its place would be listed without end.
    first_keys: HashSet<u64>,
}

enum Next {
    First,
    Token(String),
    Nothing,
}

impl Pages {
    pub fn new(
        connection: Arc<Connection>,
        counts: Arc<Counts>,
        prefix: &Uri,
        start_after: Option<&str>,
        page_size: usize,
    ) -> Pages {
        Pages {
            connection,
            counts,
            prefix: prefix.clone(),
            start_after: start_after.map(str::to_owned),
            page_size,
            next: Next::First,
            empty_pages: 0,
            first_keys: HashSet::new(),
        }
    }

    /// The pages that hold keys. Nothing is asked before the first is waited for; an error is the last item.
    pub fn stream(self) -> BoxStream<'static, Result<Page>> {
        stream::try_unfold(self, |mut pages| async move { Ok(pages.page().await?.map(|page| (page, pages))) }).boxed()
    }

    async fn page(&mut self) -> Result<Option<Page>> {
        loop {
            let token = match std::mem::replace(&mut self.next, Next::Nothing) {
                Next::First => None,
                Next::Token(token) => Some(token),
                Next::Nothing => return Ok(None),
            };
            let Listed { page, next } = self.ask(token.as_deref()).await?;
            if next.is_some() && next == token {
                return Err(self.going_round());
            }
            self.check(&page)?;
            self.next = next.map_or(Next::Nothing, Next::Token);
            if !page.is_empty() {
                return Ok(Some(page));
            }
        }
    }

    async fn ask(&self, token: Option<&str>) -> Result<Listed> {
        let watch = Watch::new(Kind::List, &self.counts);
        let hook = PageHook::new(&self.prefix.bucket);
        let bucket = &self.prefix.bucket.name;
        let sent = self.connection.send(bucket, |client| {
            client
                .list_objects_v2()
                .bucket(bucket)
                .prefix(&self.prefix.key)
                .encoding_type(EncodingType::Url)
                .max_keys(i32::try_from(self.page_size).expect("at most 1,000"))
                .set_continuation_token(token.map(str::to_owned))
                // With a token S3 leaves it out of account; some other stores do not.
                .set_start_after(self.start_after.clone().filter(|_| token.is_none()))
                .set_request_payer(self.connection.payer())
                .customize()
                .interceptor(watch.clone())
                .interceptor(hook.clone())
                .send()
        });
        let failure = Failure { connection: &self.connection, watch: &watch, action: Action::List, uri: &self.prefix };
        sent.await.map_err(|error| failure.of(error))?;
        let listed = hook.take().expect("an answer that was read");
        tracing::debug!("{} keys of {}", listed.page.len(), self.prefix.shown());
        Ok(listed)
    }

    /// That a page is one that may follow: its keys lie below the prefix, and it did not come before.
    fn check(&mut self, page: &Page) -> Result<()> {
        if page.is_empty() {
            self.empty_pages += 1;
            return if self.empty_pages < MAX_EMPTY_PAGES { Ok(()) } else { Err(self.going_round()) };
        }
        self.empty_pages = 0;
        let after = self.start_after.as_deref();
        let strays = |key: &&str| !key.starts_with(&self.prefix.key) || after.is_some_and(|after| *key <= after);
        if let Some(stray) = (0..page.len()).map(|index| page.key(index)).find(strays) {
            let message =
                format!("the store was asked for {} and answers with `{}`", self.prefix.shown(), Shown(stray));
            let error = Error::new(ErrorKind::Corrupt, message);
            return Err(
                error.help("a proxy, or the store, changes keys or leaves out the prefix; its listing cannot be used")
            );
        }
        let mut hasher = DefaultHasher::new();
        page.key(0).hash(&mut hasher);
        if self.first_keys.insert(hasher.finish()) { Ok(()) } else { Err(self.going_round()) }
    }

    fn going_round(&self) -> Error {
        let message = format!("the listing of {} does not come to an end", self.prefix.shown());
        let error = Error::new(ErrorKind::Corrupt, message).note("the store gives the same page again and again");
        error.help("give the listing as a file: --listing PREFIX=SOURCE")
    }
}
