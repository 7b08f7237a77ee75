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
mod limit;
#[cfg(feature = "inventory")]
mod object;
mod pages;
mod parallel;
mod ranges;
pub(crate) mod watch;
mod xml;

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use futures::TryStreamExt;
use futures::stream::BoxStream;

use super::{Listing, Page, Requests};
use crate::error::{Error, ErrorKind, Result};
use crate::listing::upkeep::Upkeep;
use crate::map::directories::KEYS_A_LIST;
use crate::plan::cost::Price;
use crate::rules::table::Access;
use crate::uri::{Bucket, Shown, Uri};

use connection::Connection;
pub(crate) use document::unquoted;
pub(crate) use failure::{Action, Failure, is_missing_key};
use limit::Limit;
#[cfg(feature = "inventory")]
pub(crate) use object::Object;
use pages::Place;
pub(crate) use pages::{Asker, Pages};
use parallel::Parallel;
use watch::Counts;

/// Keys a page at most, by S3's own rule.
pub(crate) const MAX_PAGE_KEYS: usize = KEYS_A_LIST as usize;

/// Requests on their way at once, where nothing says.
const REQUESTS: usize = 100;

/// Says how many requests may be on their way at once.
const REQUESTS_VARIABLE: &str = "RESTITCH_LIST_REQUESTS";

/// Objects in buckets, listed as they are now.
#[derive(Debug)]
pub struct S3 {
    connection: Arc<Connection>,
    counts: Arc<Counts>,
    page_size: usize,
    limit: Arc<Limit>,
}

impl S3 {
    /// The buckets that are reached by `access`. Asks nothing yet.
    ///
    /// # Errors
    /// `Usage` for an endpoint that is no URL.
    pub async fn open(access: &Access) -> Result<S3> {
        S3::of(Connection::open(access).await?)
    }

    /// The buckets that are reached by the caller's own settings of the SDK, under what `access` says.
    ///
    /// # Errors
    /// `Usage` for an endpoint that is no URL.
    pub fn over(sdk: &SdkConfig, access: &Access) -> Result<S3> {
        S3::of(Arc::new(Connection::over(sdk, access)?))
    }

    fn of(connection: Arc<Connection>) -> Result<S3> {
        let limit = Arc::new(Limit::new(requests()?));
        Ok(S3 { connection, counts: Arc::default(), page_size: MAX_PAGE_KEYS, limit })
    }

    /// Keys a page, 1 to 1,000.
    #[must_use]
    pub fn page_size(mut self, keys: usize) -> S3 {
        self.page_size = keys.clamp(1, MAX_PAGE_KEYS);
        self
    }

    /// Requests on their way at once, at most; all listings of this together.
    #[must_use]
    pub fn at_once(mut self, requests: usize) -> S3 {
        self.limit = Arc::new(Limit::new(requests));
        self
    }

    fn asker(&self, prefix: &Uri, page_size: usize) -> Asker {
        let (connection, counts) = (self.connection.clone(), self.counts.clone());
        Asker { connection, counts, prefix: prefix.clone(), page_size }
    }
}

#[async_trait]
impl Listing for S3 {
    fn list<'a>(&'a self, prefix: &Uri) -> BoxStream<'a, Result<Page>> {
        Pages::new(self.asker(prefix, self.page_size), None).stream()
    }

    fn list_in_any_order<'a>(&'a self, prefix: &Uri, from: Option<&str>) -> BoxStream<'a, Result<Page>> {
        let start = from.and_then(just_before).map_or(Place::Start, Place::After);
        let asker = self.asker(prefix, self.page_size);
        match self.limit.most() {
            1 => Pages::from(asker, Some(start)).stream(),
            _ => Parallel::new(asker, start, self.limit.clone()).stream(),
        }
    }

    async fn any(&self, prefix: &Uri) -> Result<bool> {
        Ok(Pages::new(self.asker(prefix, 1), None).stream().try_next().await?.is_some())
    }

    fn apart(&self) -> Option<Arc<dyn Listing>> {
        let (connection, limit) = (self.connection.clone(), self.limit.clone());
        Some(Arc::new(S3 { connection, counts: Arc::default(), page_size: self.page_size, limit }))
    }

    fn requests(&self) -> Requests {
        self.counts.so_far()
    }

    fn price(&self) -> Price {
        if self.connection.is_aws() { Price::AWS } else { Price::default() }
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

/// # Errors
/// `Usage` where the variable holds no number from 1 on.
fn requests() -> Result<usize> {
    let Some(said) = std::env::var_os(REQUESTS_VARIABLE).filter(|said| !said.is_empty()) else { return Ok(REQUESTS) };
    let said = said.to_string_lossy();
    said.parse().ok().filter(|requests| *requests > 0).ok_or_else(|| {
        let message = format!("`{}` is no number of requests at once", Shown(&said));
        Error::new(ErrorKind::Usage, message).help(format!("{REQUESTS_VARIABLE}={REQUESTS}"))
    })
}
