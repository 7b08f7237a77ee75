//! Requests for pages, and the simplest listing that is made of them: one chain, each page asked for by the token of the one
//! before.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use aws_sdk_s3::types::EncodingType;
use futures::StreamExt;
use futures::stream::{self, BoxStream};

use super::connection::Connection;
use super::document::Listed;
use super::hook::PageHook;
use super::watch::{Counts, Kind, Watch};
use super::{Action, Failure};
use crate::error::{Error, ErrorKind, Result};
use crate::listing::Page;
use crate::uri::{Shown, Uri};

/// Pages without a key in a row, after which a store is not asked further.
const MAX_EMPTY_PAGES: u32 = 1_000;

/// What the requests of one listing have in common.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    pub connection: Arc<Connection>,
    pub counts: Arc<Counts>,
    pub prefix: Uri,
    /// Keys a page, 1 to 1,000.
    pub page_size: usize,
}

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Start,
    /// Behind this key.
    After(String),
    /// Where the page ended that came with this token.
    Token(String),
}

impl Asker {
    /// A page of what lies below the prefix.
    pub(super) async fn page(&self, from: &Place) -> Result<Listed> {
        self.ask(&self.prefix.key, from, None).await
    }

    /// What lies right in a directory: its own keys, and the directories in it.
    pub(super) async fn directory(&self, directory: &str, after: &str) -> Result<Listed> {
        self.ask(directory, &Place::After(after.to_owned()), Some("/")).await
    }

    async fn ask(&self, prefix: &str, from: &Place, delimiter: Option<&str>) -> Result<Listed> {
        let watch = Watch::new(Kind::List, &self.counts);
        let hook = PageHook::new(&self.prefix.bucket);
        let bucket = &self.prefix.bucket.name;
        // With a token S3 leaves `start-after` out of account; some other stores do not.
        let (after, token) = match from {
            Place::Start => (None, None),
            Place::After(key) => (Some(key), None),
            Place::Token(token) => (None, Some(token)),
        };
        let sent = self.connection.send(bucket, |client| {
            client
                .list_objects_v2()
                .bucket(bucket)
                .prefix(prefix)
                .encoding_type(EncodingType::Url)
                .max_keys(i32::try_from(self.page_size).expect("at most 1,000"))
                .set_delimiter(delimiter.map(str::to_owned))
                .set_continuation_token(token.cloned())
                .set_start_after(after.cloned())
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

    /// The page that follows, by its place.
    pub(super) fn follows(&self, asked: &Place, listed: &Listed) -> Result<Option<Place>> {
        let next = listed.next.clone().map(Place::Token);
        if next.as_ref() == Some(asked) { Err(self.going_round()) } else { Ok(next) }
    }

    /// That all keys of a page lie below the prefix, and behind `after`.
    pub(super) fn check(&self, page: &Page, after: Option<&str>) -> Result<()> {
        let strays = |key: &&str| !key.starts_with(&self.prefix.key) || after.is_some_and(|after| *key <= after);
        let Some(stray) = (0..page.len()).map(|index| page.key(index)).find(strays) else { return Ok(()) };
        let message = format!("the store was asked for {} and answers with `{}`", self.prefix.shown(), Shown(stray));
        let error = Error::new(ErrorKind::Corrupt, message);
        Err(error.help("a proxy, or the store, changes keys or leaves out the prefix; its listing cannot be used"))
    }

    pub(super) fn going_round(&self) -> Error {
        let message = format!("the listing of {} does not come to an end", self.prefix.shown());
        let error = Error::new(ErrorKind::Corrupt, message).note("the store gives the same page again and again");
        error.help("give the listing as a file: --listing PREFIX=SOURCE")
    }
}

/// One chain of pages: all keys below a prefix, in the store's order.
pub(crate) struct Pages {
    asker: Asker,
    after: Option<String>,
    next: Option<Place>,
    empty_pages: u32,
    /// Hashes of each page's first key. A store that forgets its place would be listed without end.
    first_keys: HashSet<u64>,
}

impl Pages {
    pub fn new(asker: Asker, start_after: Option<&str>) -> Pages {
        let after = start_after.map(str::to_owned);
        let first = after.clone().map_or(Place::Start, Place::After);
        Pages { after, ..Pages::from(asker, Some(first)) }
    }

    /// What follows from a place on.
    pub(super) fn from(asker: Asker, next: Option<Place>) -> Pages {
        Pages { asker, after: None, next, empty_pages: 0, first_keys: HashSet::new() }
    }

    /// The pages that hold keys. Nothing is asked before the first is waited for; an error is the last item.
    pub fn stream(self) -> BoxStream<'static, Result<Page>> {
        stream::try_unfold(self, |mut pages| async move { Ok(pages.page().await?.map(|page| (page, pages))) }).boxed()
    }

    pub(super) async fn page(&mut self) -> Result<Option<Page>> {
        while let Some(place) = self.next.take() {
            let listed = self.asker.page(&place).await?;
            self.next = self.asker.follows(&place, &listed)?;
            self.check(&listed.page)?;
            if !listed.page.is_empty() {
                return Ok(Some(listed.page));
            }
        }
        Ok(None)
    }

    /// That a page is one that may follow: its keys are of what was asked for, and it did not come before.
    fn check(&mut self, page: &Page) -> Result<()> {
        if page.is_empty() {
            self.empty_pages += 1;
            return if self.empty_pages < MAX_EMPTY_PAGES { Ok(()) } else { Err(self.asker.going_round()) };
        }
        self.empty_pages = 0;
        self.asker.check(page, self.after.as_deref())?;
        let mut hasher = DefaultHasher::new();
        page.key(0).hash(&mut hasher);
        if self.first_keys.insert(hasher.finish()) { Ok(()) } else { Err(self.asker.going_round()) }
    }
}
