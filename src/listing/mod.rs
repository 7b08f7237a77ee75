//! Where objects come from, page by page. One adapter a file; every adapter passes [`conformance`].

pub mod conformance;
pub mod feed;
pub mod folder;
#[cfg(feature = "inventory")]
pub mod inventory;
#[cfg(feature = "lakefs")]
pub mod lakefs;
pub mod lines;
pub mod recorded;
#[cfg(feature = "s3")]
pub mod s3;
#[cfg(any(feature = "lakefs", feature = "s3"))]
pub(crate) mod said;
pub mod sources;
pub mod survey;
mod thread;
pub mod touched;
pub mod upkeep;
pub(crate) mod url;

pub use crate::map::page::{Object, Page, PageBuilder};
pub use sources::{ListingArg, Sources};

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;
use futures::stream::BoxStream;

use self::upkeep::Upkeep;
use crate::error::Result;
use crate::plan::cost::Price;
use crate::uri::{Bucket, Uri};

/// A source of pages.
#[async_trait]
pub trait Listing: Debug + Send + Sync {
    /// Every object whose URI begins with `prefix`, each once. Within a page, and over the pages of one prefix, keys
    /// come in byte order unless the source has another order of its own (a list of lines, an inventory).
    ///
    /// # Errors
    /// `Denied`, `NotFound` (the bucket), `Credentials`, `Unreachable`, `Throttled`, `Corrupt`; after an error the stream
    /// ends. A listing is never silently partial.
    fn list<'a>(&'a self, prefix: &Uri) -> BoxStream<'a, Result<Page>>;

    /// The same pages in any order, keys within each in order, by as many requests at once as are worth it; for whoever
    /// does not go by the order. Keys less than `from` may be left out.
    ///
    /// # Errors
    /// As [`Listing::list`].
    fn list_in_any_order<'a>(&'a self, prefix: &Uri, from: Option<&str>) -> BoxStream<'a, Result<Page>> {
        let _ = from;
        self.list(prefix)
    }

    /// Whether anything lies below `prefix`; of what is asked live, at most one request for one key.
    ///
    /// # Errors
    /// As [`Listing::list`].
    async fn any(&self, prefix: &Uri) -> Result<bool> {
        Ok(self.list(prefix).try_next().await?.is_some())
    }

    /// The same source, whose requests count from 0, where several prefixes may be listed at once.
    fn apart(&self) -> Option<Arc<dyn Listing>> {
        None
    }

    /// What this listing has asked for so far.
    fn requests(&self) -> Requests;

    /// What those requests cost.
    fn price(&self) -> Price {
        Price::default()
    }

    /// When what it lists was true, in seconds since 1970; `None`: as it is asked, live.
    fn as_of(&self) -> Option<i64> {
        None
    }

    /// The commit that `prefix` is listed at, where the source has such: the same for as long as this is open.
    ///
    /// # Errors
    /// As [`Listing::list`].
    async fn pin(&self, prefix: &Uri) -> Result<Option<String>> {
        let _ = prefix;
        Ok(None)
    }

    /// What `bucket` does to its objects by itself, where the source has buckets that do, and says so.
    async fn upkeep(&self, bucket: &Bucket) -> Option<Upkeep> {
        let _ = bucket;
        None
    }
}

/// Requests so far, for the progress line and the cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    pub lists: u64,
    pub gets: u64,
    /// Answers that told us to slow down, each retried.
    pub throttled: u64,
}

impl Requests {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Requests) -> Requests {
        Requests {
            lists: self.lists + other.lists,
            gets: self.gets + other.gets,
            throttled: self.throttled + other.throttled,
        }
    }

    /// What has been asked since `before`.
    #[must_use]
    pub fn since(self, before: Requests) -> Requests {
        Requests {
            lists: self.lists - before.lists,
            gets: self.gets - before.gets,
            throttled: self.throttled - before.throttled,
        }
    }
}
