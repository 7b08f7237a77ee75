//! Where manifests live. One adapter a file; every adapter passes [`conformance`].

pub mod conformance;
pub mod folder;
pub mod memory;
#[cfg(feature = "object_store")]
pub mod object_store;
#[cfg(feature = "s3")]
pub mod s3;

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;

use crate::error::{Error, ErrorKind, Result};
use crate::listing::Page;
#[cfg(not(all(feature = "s3", feature = "object_store")))]
use crate::listing::sources::without_feature;
use crate::map::body::Body;
use crate::rules::table::Access;
use crate::uri::{Scheme, Uri};

/// Stores that are open: one client for all that is reached the same way.
#[derive(Debug, Default)]
pub struct Stores {
    s3: HashMap<Access, Arc<dyn Store>>,
}

impl Stores {
    /// # Errors
    /// As [`open`].
    pub async fn open(&mut self, location: &Uri, access: &Access) -> Result<Arc<dyn Store>> {
        if location.bucket.scheme != Scheme::S3 {
            return open(location, access).await;
        }
        if let Some(store) = self.s3.get(access) {
            return Ok(store.clone());
        }
        let store = open(location, access).await?;
        self.s3.insert(access.clone(), store.clone());
        Ok(store)
    }
}

/// The store that holds `location`.
///
/// # Errors
/// `Unsupported` for stores that hold no manifests, or that this build does not reach; what opening one meets.
pub async fn open(location: &Uri, access: &Access) -> Result<Arc<dyn Store>> {
    match location.bucket.scheme {
        Scheme::File => Ok(Arc::new(folder::Folder::open(location)?)),
        Scheme::S3 => s3(location, access).await,
        Scheme::Gs | Scheme::Az => object_store(location, access),
        Scheme::LakeFs => {
            let message = format!("{}: manifests do not lie in lakeFS", location.shown());
            Err(Error::new(ErrorKind::Unsupported, message).help("location = 's3://bucket/tables/{table}/'"))
        }
    }
}

#[cfg(feature = "s3")]
async fn s3(_: &Uri, access: &Access) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(s3::S3Store::open(access).await?))
}

#[cfg(not(feature = "s3"))]
async fn s3(location: &Uri, _: &Access) -> Result<Arc<dyn Store>> {
    Err(without_feature(location, "s3"))
}

#[cfg(feature = "object_store")]
fn object_store(location: &Uri, access: &Access) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(object_store::ObjectStore::open(location, access)?))
}

#[cfg(not(feature = "object_store"))]
fn object_store(location: &Uri, _: &Access) -> Result<Arc<dyn Store>> {
    Err(without_feature(location, "object_store"))
}

/// A place that holds small objects and can write them under a condition. Every URI handed in must be of this store.
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// The objects whose URI begins with `prefix`, in byte order of their keys, with size and ETag, strictly after
    /// `start_after` where one is given (a whole key).
    fn list<'a>(&'a self, prefix: &Uri, start_after: Option<&str>) -> BoxStream<'a, Result<Page>>;

    /// The key of the first object below `prefix`, after a key where one is given.
    async fn first(&self, prefix: &Uri, start_after: Option<&str>) -> Result<Option<String>> {
        let mut pages = self.list(prefix, start_after);
        while let Some(page) = pages.try_next().await? {
            if let Some(object) = page.objects().next() {
                return Ok(Some(object.key.to_owned()));
            }
        }
        Ok(None)
    }

    /// The object, or `None` where there is none.
    async fn get(&self, uri: &Uri) -> Result<Option<Stored>>;

    /// Writes the whole object or nothing.
    ///
    /// # Errors
    /// `Conflict` if the condition does not hold: something is there (`Absent`), or something else or nothing is
    /// (`Is`). A store that cannot tell is `Unsupported`. After any other error the write may or may not have landed.
    /// `body` is read as often as the store's client tries.
    async fn put(&self, uri: &Uri, body: Body, condition: &Condition) -> Result<Written>;

    /// Copies an object within the store, over whatever is at `to`.
    ///
    /// # Errors
    /// `Conflict` if `from` is not any more what `etag` says. After any other error it may or may not have happened.
    async fn copy(&self, from: &Uri, etag: &ETag, to: &Uri) -> Result<()> {
        match self.get(from).await? {
            Some(stored) if stored.etag == *etag => self.put(to, stored.body.into(), &Condition::None).await.map(drop),
            other => Err(conflict(from, &Condition::Is(etag.clone()), other.as_ref().map(|stored| &stored.etag))),
        }
    }

    /// Deletes; an object that is not there counts as deleted. Returns those that could not be.
    async fn delete(&self, uris: &[Uri]) -> Result<Vec<(Uri, Error)>>;

    /// Makes what was written so far safe from a power cut, where a put alone does not. A put that replaces something is
    /// safe itself: after a power cut either the old or the new is there.
    async fn settle(&self) -> Result<()> {
        Ok(())
    }

    /// How many answers so far have told us to slow down, each retried, where the store's client says so.
    fn throttled(&self) -> u64 {
        0
    }

    /// What a plan may say about this store's ETags and costs.
    fn traits(&self) -> Traits;
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        Vec::from(bytes).into()
    }
}

/// A body for a client that takes it whole.
///
/// # Errors
/// Of where it lies.
pub(crate) fn whole(body: &Body) -> Result<Bytes> {
    Ok(Bytes::from_owner(body.read()?))
}

/// What must hold for a write to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Write whatever is there.
    None,
    /// Nothing is there: `If-None-Match: *`.
    Absent,
    /// Exactly this is there: `If-Match`.
    Is(ETag),
}

/// An entity tag, without quotes; opaque but for [`ETag::md5`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ETag(pub String);

impl ETag {
    /// The MD5 that this tag may be: 32 hex digits. Of a KMS-encrypted object it has the form but not the value, so a
    /// mismatch proves nothing.
    pub fn md5(&self) -> Option<[u8; 16]> {
        let digits = self.0.as_bytes();
        if digits.len() != 32 {
            return None;
        }
        let mut out = [0u8; 16];
        for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
            let hex = |b: u8| (b as char).to_digit(16);
            *byte = (hex(pair[0])? * 16 + hex(pair[1])?) as u8;
        }
        Some(out)
    }
}

/// An object as read.
#[derive(Clone, Debug)]
pub struct Stored {
    pub body: Bytes,
    pub etag: ETag,
    /// Seconds since 1970, by the store's clock.
    pub modified: i64,
    /// The store's clock when it answered, in seconds since 1970.
    pub now: i64,
}

/// A write that happened.
#[derive(Clone, Debug)]
pub struct Written {
    pub etag: ETag,
    /// The store's clock when it answered, in seconds since 1970.
    pub now: i64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Traits {
    /// Whether a listed ETag can be the MD5 of the body.
    pub md5_etags: bool,
    /// Dollars for 1,000 PUTs or LISTs; 0 where they cost nothing.
    pub dollars_per_1000_writes: f64,
    /// Whether two keys that differ only in case are one file there.
    pub folds_case: bool,
}

/// A condition that did not hold, with what was there instead.
pub(crate) fn conflict(uri: &Uri, condition: &Condition, there: Option<&ETag>) -> Error {
    let found = there.map_or("nothing there".to_owned(), |etag| format!("ETag \"{}\"", etag.0));
    conflict_with(uri, condition, &found)
}

/// The same, where the store does not say the ETag of what was there.
pub(crate) fn conflict_with(uri: &Uri, condition: &Condition, found: &str) -> Error {
    let error = Error::new(ErrorKind::Conflict, format!("{} was written by somebody else meanwhile", uri.shown()));
    let expected = match condition {
        Condition::None => "anything".to_owned(),
        Condition::Absent => "nothing there".to_owned(),
        Condition::Is(etag) => format!("ETag \"{}\"", etag.0),
    };
    error.note(format!("expected {expected}, found {found}"))
}
