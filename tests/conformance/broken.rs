//! Stores that do one thing wrong, to show that the suite sees it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use restitch::error::{Error, ErrorKind, Result};
use restitch::listing::Page;
use restitch::map::body::Body;
use restitch::store::memory::Memory;
use restitch::store::{self, Condition, ETag, Store, Stored, Traits, Written};
use restitch::uri::Uri;

use crate::place;

#[derive(Debug)]
struct Broken {
    memory: Memory,
    defect: Defect,
}

#[derive(Clone, Copy, Debug)]
enum Defect {
    IgnoresConditions,
    /// Looks whether the condition holds, and writes a moment later.
    LooksThenWrites,
    /// A write under `Is` makes what is not there.
    CreatesUnderIs,
    BeginsAtTheKey,
    LosesTheLastPage,
    TakesPrefixesForFolders,
    JoinsSlashes,
    DecodesKeys,
    OneTagForAll,
    FailsOnMissing,
    DeletesOneBatchOnly,
    TearsBodies,
    CopiesWhateverIsThere,
}

impl Broken {
    fn garbled(&self, uri: &Uri) -> Uri {
        let key = match self.defect {
            Defect::JoinsSlashes => uri.key.replace("//", "/"),
            Defect::DecodesKeys => uri.key.replace("%20", " "),
            _ => return uri.clone(),
        };
        Uri::new(uri.bucket.clone(), key)
    }
}

#[async_trait]
impl Store for Broken {
    fn list<'a>(&'a self, prefix: &Uri, start_after: Option<&str>) -> BoxStream<'a, Result<Page>> {
        let before = start_after.map(|after| after[..after.floor_char_boundary(after.len() - 1)].to_owned());
        let start_after = if matches!(self.defect, Defect::BeginsAtTheKey) { before.as_deref() } else { start_after };
        let is_file = !prefix.key.ends_with('/') && self.memory.snapshot().contains_key(prefix);
        let prefix = match self.defect {
            Defect::TakesPrefixesForFolders if !prefix.key.ends_with('/') && !is_file => &prefix.join("/"),
            _ => prefix,
        };
        let pages = Store::list(&self.memory, prefix, start_after);
        let loses = matches!(self.defect, Defect::LosesTheLastPage);
        let cut = move |pages: Vec<Result<Page>>| {
            let kept = pages.len() - usize::from(loses && pages.len() > 1);
            futures::stream::iter(pages.into_iter().take(kept))
        };
        pages.collect::<Vec<_>>().map(cut).flatten_stream().boxed()
    }

    async fn get(&self, uri: &Uri) -> Result<Option<Stored>> {
        match self.memory.get(&self.garbled(uri)).await? {
            None if matches!(self.defect, Defect::FailsOnMissing) => {
                Err(Error::new(ErrorKind::NotFound, "there is no such key"))
            }
            stored => Ok(stored),
        }
    }

    async fn put(&self, uri: &Uri, body: Body, condition: &Condition) -> Result<Written> {
        let uri = self.garbled(uri);
        let there = self.memory.get(&uri).await?.map(|stored| stored.etag);
        let condition = match (self.defect, condition) {
            (Defect::IgnoresConditions, _) => &Condition::None,
            (Defect::CreatesUnderIs, Condition::Is(_)) if there.is_none() => &Condition::Absent,
            (Defect::LooksThenWrites, Condition::Absent) if there.is_none() => &Condition::None,
            (Defect::LooksThenWrites, Condition::Is(etag)) if there.as_ref() == Some(etag) => &Condition::None,
            (_, condition) => condition,
        };
        if matches!(self.defect, Defect::LooksThenWrites) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if matches!(self.defect, Defect::TearsBodies) && *condition == Condition::None {
            let body = body.read()?;
            self.memory.insert(&uri, body[..body.len() / 2].to_vec());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let written = self.memory.put(&uri, body, condition).await?;
        let same = ETag("0123456789abcdef0123456789abcdef".into());
        Ok(if matches!(self.defect, Defect::OneTagForAll) { Written { etag: same, ..written } } else { written })
    }

    async fn copy(&self, from: &Uri, etag: &ETag, to: &Uri) -> Result<()> {
        let there = self.memory.get(from).await?.map(|stored| stored.etag);
        let any = matches!(self.defect, Defect::CopiesWhateverIsThere);
        self.memory.copy(from, there.as_ref().filter(|_| any).unwrap_or(etag), to).await
    }

    async fn delete(&self, uris: &[Uri]) -> Result<Vec<(Uri, Error)>> {
        let batches = if matches!(self.defect, Defect::DeletesOneBatchOnly) { 1 } else { usize::MAX };
        let reached: Vec<&Uri> = uris.chunks(1_000).take(batches).flatten().collect();
        self.memory.delete(&reached.into_iter().map(|uri| self.garbled(uri)).collect::<Vec<_>>()).await
    }

    fn traits(&self) -> Traits {
        self.memory.traits()
    }
}

#[async_trait]
impl store::conformance::Subject for Broken {
    async fn open(&self, page_size: usize) -> Arc<dyn Store> {
        self.memory.set_page_size(page_size);
        Arc::new(Broken { memory: self.memory.clone(), defect: self.defect })
    }

    async fn place(&self) -> Uri {
        place()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_one_thing_wrong_fails() {
    use Defect::*;
    for defect in [
        IgnoresConditions,
        LooksThenWrites,
        CreatesUnderIs,
        BeginsAtTheKey,
        LosesTheLastPage,
        TakesPrefixesForFolders,
        JoinsSlashes,
        DecodesKeys,
        OneTagForAll,
        FailsOnMissing,
        DeletesOneBatchOnly,
        TearsBodies,
        CopiesWhateverIsThere,
    ] {
        let checked =
            tokio::spawn(async move { store::conformance::check(&Broken { memory: Memory::new(), defect }).await });
        assert!(checked.await.is_err(), "{defect:?} was not noticed");
    }
}
