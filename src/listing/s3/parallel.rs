//! A listing by many requests at once: `ranges` says what to ask, `limit` how much of it at a time.
//!
//! Each answer is read and checked on the task that asked for it, so that as many cores are used as there are. Holds no
//! more pages than there are requests on their way.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::task::JoinSet;

use super::document::Listed;
use super::limit::{Limit, Permit};
use super::pages::{Asker, Pages, Place};
use super::ranges::{Ask, Disorder, Ranges};
use crate::error::{Error, ErrorKind, Result};
use crate::listing::Page;

/// Pages without a key in a row, after which a store is not asked further.
const MAX_EMPTY_PAGES: u32 = 1_000;

/// A prefix on its way.
pub(super) struct Parallel {
    asker: Arc<Asker>,
    start: Place,
    limit: Arc<Limit>,
    ranges: Ranges,
    /// What was found to be worth asking, and has no permit yet.
    wanted: Option<Ask>,
    asked: JoinSet<Answer>,
    ready: VecDeque<Page>,
    /// Takes over where the store has another order than that of bytes.
    chain: Option<Pages>,
    empty_pages: u32,
    /// Answers that asked to slow down, when that was last looked at.
    throttled: u64,
    /// How many more requests may be refused for load, all their tries long, before a page comes; `None`: one has come
    /// since the last of them.
    patience: Option<usize>,
}

struct Answer {
    ask: Ask,
    listed: Result<Listed>,
    /// Whether keys come in byte order.
    is_ascending: bool,
}

impl Parallel {
    /// All that lies below the asker's prefix, from a place on.
    pub fn new(asker: Asker, start: Place, limit: Arc<Limit>) -> Parallel {
        let ranges = Ranges::new(&asker.prefix.key, limit.most());
        Parallel {
            asker: Arc::new(asker),
            start,
            limit,
            ranges,
            wanted: None,
            asked: JoinSet::new(),
            ready: VecDeque::new(),
            chain: None,
            empty_pages: 0,
            throttled: 0,
            patience: Some(0),
        }
    }

    /// The pages that hold keys. Nothing is asked before the first is waited for; an error is the last item.
    pub fn stream(self) -> BoxStream<'static, Result<Page>> {
        stream::try_unfold(self, |mut pages| async move { Ok(pages.page().await?.map(|page| (page, pages))) }).boxed()
    }

    async fn page(&mut self) -> Result<Option<Page>> {
        loop {
            if let Some(page) = self.ready.pop_front() {
                return Ok(Some(page));
            }
            if let Some(chain) = &mut self.chain {
                return chain.page().await;
            }
            while let Some(ask) = self.wanted.take().or_else(|| self.ranges.next()) {
                match self.limit.try_take() {
                    Some(permit) => self.send(ask, permit),
                    None => {
                        self.wanted = Some(ask);
                        break;
                    }
                }
            }
            let answer = match &self.wanted {
                None => self.asked.join_next().await,
                Some(_) => tokio::select! {
                    Some(answer) = self.asked.join_next() => Some(answer),
                    permit = self.limit.take() => {
                        let ask = self.wanted.take().expect("it was just there");
                        self.send(ask, permit);
                        continue;
                    }
                },
            };
            match answer {
                None => return Ok(None),
                Some(Ok(answer)) => self.take_in(answer)?,
                Some(Err(failed)) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
                Some(Err(_)) => unreachable!("no task is aborted before all of them are"),
            }
        }
    }

    fn send(&mut self, ask: Ask, permit: Permit) {
        let (asker, start) = (self.asker.clone(), self.start.clone());
        self.asked.spawn(async move {
            let listed = match &ask {
                Ask::Page { token, .. } => asker.page(&token.clone().map_or(start, Place::Token)).await,
                Ask::Trial { point } => asker.page(&Place::After(point.clone())).await,
                Ask::Directory { directory, after } => asker.directory(directory, after).await,
            };
            let listed = listed.and_then(|listed| asker.check(&listed.page, None).map(|()| listed));
            let is_ascending = listed.as_ref().is_ok_and(|listed| listed.page.is_ascending());
            drop(permit);
            Answer { ask, listed, is_ascending }
        });
    }

    fn take_in(&mut self, answer: Answer) -> Result<()> {
        let Answer { ask, listed, is_ascending } = answer;
        let throttled = self.asker.counts.so_far().throttled;
        self.limit.answered(throttled > self.throttled);
        self.throttled = throttled;
        match (ask, listed) {
            (Ask::Page { range, token }, Ok(listed)) => self.take_page(range, token, listed, is_ascending),
            (Ask::Page { range, token }, Err(error)) => {
                self.bear_with(error)?;
                self.ranges.again(range, token);
                Ok(())
            }
            (Ask::Trial { point }, Ok(Listed { mut page, next, .. })) => {
                if !is_ascending {
                    self.ranges.stop();
                }
                let own = self.ranges.trial(&point, Some((&page, next)).filter(|_| is_ascending));
                page.truncate(own);
                self.ready.extend(Some(page).filter(|page| !page.is_empty()));
                Ok(())
            }
            (Ask::Directory { directory, .. }, Ok(listed)) => {
                let is_whole = listed.next.is_none();
                self.ranges.directory(&directory, Some((listed.directories, is_whole)));
                Ok(())
            }
            // What is only tried need not succeed.
            (Ask::Trial { point }, Err(error)) => {
                tracing::debug!("{} is not listed from within: {error}", self.asker.prefix.shown());
                if error.kind() != ErrorKind::Throttled {
                    self.ranges.stop();
                }
                self.ranges.trial(&point, None);
                Ok(())
            }
            (Ask::Directory { directory, .. }, Err(error)) => {
                tracing::debug!("{} is not listed by directory: {error}", self.asker.prefix.shown());
                self.ranges.directory(&directory, None);
                Ok(())
            }
        }
    }

    fn take_page(&mut self, range: u64, token: Option<String>, listed: Listed, is_ascending: bool) -> Result<()> {
        let asked = token.map_or(Place::Start, Place::Token);
        let next = self.asker.follows(&asked, &listed)?;
        let Listed { mut page, next: token, .. } = listed;
        self.patience = None;
        self.empty_pages = if page.is_empty() { self.empty_pages + 1 } else { 0 };
        if self.empty_pages >= MAX_EMPTY_PAGES {
            return Err(self.asker.going_round());
        }
        let own = if is_ascending { self.ranges.page(range, &page, token) } else { Err(self.ranges.disorder()) };
        match own {
            Ok(own) => page.truncate(own),
            Err(Disorder { is_cut: true }) => return Err(self.out_of_order()),
            Err(Disorder { is_cut: false }) => {
                tracing::info!("{} is not listed in byte order: page by page", self.asker.prefix.shown());
                self.asked.abort_all();
                self.chain = Some(Pages::from(Asker::clone(&self.asker), next));
            }
        }
        self.ready.extend(Some(page).filter(|page| !page.is_empty()));
        Ok(())
    }

    /// Whether a page that was refused for load, all its tries long, is asked for again: as long as pages come between
    /// such refusals, of which as many may come at once as there are requests.
    fn bear_with(&mut self, error: Error) -> Result<()> {
        let left = self.patience.get_or_insert(self.asked.len() + 1);
        if error.kind() != ErrorKind::Throttled || *left == 0 {
            return Err(error);
        }
        *left -= 1;
        Ok(())
    }

    fn out_of_order(&self) -> Error {
        let message = format!("{} is not listed in byte order", self.asker.prefix.shown());
        let error = Error::new(ErrorKind::Corrupt, message).note("so it cannot be listed by several requests at once");
        error.help("list it page by page: RESTITCH_LIST_REQUESTS=1 restitch …")
    }
}
