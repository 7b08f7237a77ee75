//! Manifests in S3, or in a store that speaks its language: writes under conditions, deletes in batches.
//!
//! What the store's answers mean for a condition is decided here; everything else of a request is the listing's
//! [`connection`](crate::listing::s3).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_s3::config::Config;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{self, Delete, ObjectIdentifier};
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use md5::{Digest, Md5};
use percent_encoding::{AsciiSet, utf8_percent_encode};

use super::{Condition, ETag, Store, Stored, Traits, Written, conflict_with, whole};
use crate::error::{Error, ErrorKind, Result};
use crate::listing::Page;
use crate::listing::s3::connection::{Connection, timeouts};
use crate::listing::s3::watch::{Counts, Kind, Watch};
use crate::listing::s3::{Action, Asker, Failure, MAX_PAGE_KEYS, Pages, is_missing_key, unquoted};
use crate::listing::said::RESERVED;
use crate::map::body::Body;
use crate::rules::table::Access;
use crate::uri::{Shown, Uri};

/// Keys of one batch, by S3's own rule.
const MAX_BATCH_KEYS: usize = 1_000;

/// Batches under way at once, and single deletes.
const BATCHES: usize = 4;
const DELETES: usize = 16;

/// Tries of a write that another one, not yet decided, stands in the way of; the pauses double from this.
const CONFLICT_TRIES: u32 = 5;
const CONFLICT_PAUSE: Duration = Duration::from_millis(100);

/// Tries of a read whose body broke off.
const READ_TRIES: u32 = 3;

/// A write may take a second for so many bytes, on top of what any request may take.
const SLOW_BYTES_PER_S: u64 = 128 * 1024;

/// What is escaped in the path that names a copy's source, in which slashes stand.
const NOT_IN_A_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// What AWS asks for 1,000 PUTs or LISTs (us-east-1).
const DOLLARS_PER_1000_WRITES: f64 = 0.005;

/// Objects in buckets.
#[derive(Debug)]
pub struct S3Store {
    connection: Arc<Connection>,
    counts: Arc<Counts>,
    page_size: usize,
    /// Whether the store has refused a batch of deletes.
    lacks_batches: AtomicBool,
}

impl S3Store {
    /// The buckets that are reached by `access`. Asks nothing yet.
    ///
    /// # Errors
    /// `Usage` for an endpoint that is no URL.
    pub async fn open(access: &Access) -> Result<S3Store> {
        Ok(S3Store::of(Connection::open(access).await?))
    }

    /// The buckets that are reached by the caller's own settings of the SDK, under what `access` says.
    ///
    /// # Errors
    /// `Usage` for an endpoint that is no URL.
    pub fn over(sdk: &SdkConfig, access: &Access) -> Result<S3Store> {
        Ok(S3Store::of(Arc::new(Connection::over(sdk, access)?)))
    }

    fn of(connection: Arc<Connection>) -> S3Store {
        S3Store { connection, counts: Arc::default(), page_size: MAX_PAGE_KEYS, lacks_batches: false.into() }
    }

    /// Keys a page, 1 to 1,000.
    #[must_use]
    pub fn page_size(mut self, keys: usize) -> S3Store {
        self.page_size = keys.clamp(1, MAX_PAGE_KEYS);
        self
    }

    fn asker(&self, prefix: &Uri, page_size: usize) -> Asker {
        let (connection, counts) = (self.connection.clone(), self.counts.clone());
        Asker { connection, counts, prefix: prefix.clone(), page_size }
    }

    async fn read(&self, uri: &Uri, watch: &Watch) -> Result<Option<GetObjectOutput>> {
        let sent = self.connection.send(&uri.bucket.name, |client| {
            let request = client.get_object().bucket(&uri.bucket.name).key(&uri.key);
            request.set_request_payer(self.connection.payer()).customize().interceptor(watch.clone()).send()
        });
        match sent.await {
            Ok(output) => Ok(Some(output)),
            Err(error) if is_missing_key(&error) => Ok(None),
            Err(error) => Err(self.failure(watch, Action::Read, uri).of(error)),
        }
    }

    async fn write(
        &self,
        uri: &Uri,
        body: &Bytes,
        condition: &Condition,
        watch: &Watch,
    ) -> std::result::Result<Option<String>, SdkError<PutObjectError, HttpResponse>> {
        let digest = aws_smithy_types::base64::encode(Md5::digest(body));
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let one_try = self.connection.try_timeout() + Duration::from_secs(length / SLOW_BYTES_PER_S);
        let sent = self.connection.send(&uri.bucket.name, |client| {
            let request = client.put_object().bucket(&uri.bucket.name).key(&uri.key).content_md5(&digest);
            let request = match condition {
                Condition::None => request,
                Condition::Absent => request.if_none_match("*"),
                Condition::Is(etag) => request.if_match(format!("\"{}\"", etag.0)),
            };
            let request = request.body(ByteStream::from(body.clone())).set_request_payer(self.connection.payer());
            let timeouts = Config::builder().timeout_config(timeouts(one_try));
            request.customize().config_override(timeouts).interceptor(watch.clone()).send()
        });
        sent.await.map(|output| output.e_tag)
    }

    /// Deletes a batch; returns the keys that want a delete of their own, and those that cannot be deleted.
    async fn delete_batch(&self, uris: Vec<Uri>) -> Result<(Vec<Uri>, Vec<(Uri, Error)>)> {
        let Some(first) = uris.first().cloned() else { return Ok((uris, Vec::new())) };
        let watch = Watch::new(Kind::Other, &self.counts);
        let keys = uris.iter().map(|uri| ObjectIdentifier::builder().key(&uri.key).build().expect("it has a key"));
        let batch = Delete::builder().set_objects(Some(keys.collect())).build().expect("it has keys");
        let sent = self.connection.send(&first.bucket.name, |client| {
            let request = client.delete_objects().bucket(&first.bucket.name).delete(batch.clone());
            request.set_request_payer(self.connection.payer()).customize().interceptor(watch.clone()).send()
        });
        let answer = match sent.await {
            Ok(answer) => answer,
            Err(error) if is_no_batch(&error) => {
                tracing::debug!("the store takes no batches of deletes: one by one");
                self.lacks_batches.store(true, Ordering::Relaxed);
                return Ok((uris, Vec::new()));
            }
            Err(error) => return Err(self.failure(&watch, Action::Delete, &first).of(error)),
        };
        let deleted: HashSet<&str> = answer.deleted().iter().filter_map(|deleted| deleted.key()).collect();
        let said = |error| (types::Error::code(error).unwrap_or(""), types::Error::message(error).unwrap_or(""));
        let errors = answer.errors().iter().filter_map(|error| Some((error.key()?, said(error))));
        let errors: HashMap<&str, (&str, &str)> = errors.collect();
        // What the answer does not say about a key, a delete of its own will.
        let (mut single, mut failed) = (Vec::new(), Vec::new());
        for uri in uris.into_iter().filter(|uri| !deleted.contains(uri.key.as_str())) {
            match errors.get(uri.key.as_str()) {
                Some(("NoSuchKey", _)) => {}
                None | Some(("InternalError" | "SlowDown" | "ServiceUnavailable", _)) => single.push(uri),
                Some((code, message)) => {
                    let error = undeletable(&uri, code, message);
                    failed.push((uri, error));
                }
            }
        }
        Ok((single, failed))
    }

    async fn delete_one(&self, uri: &Uri) -> Result<()> {
        let watch = Watch::new(Kind::Other, &self.counts);
        let sent = self.connection.send(&uri.bucket.name, |client| {
            let request = client.delete_object().bucket(&uri.bucket.name).key(&uri.key);
            request.set_request_payer(self.connection.payer()).customize().interceptor(watch.clone()).send()
        });
        match sent.await {
            Ok(_) => Ok(()),
            Err(error) if is_missing_key(&error) => Ok(()),
            Err(error) => Err(self.failure(&watch, Action::Delete, uri).of(error)),
        }
    }

    fn failure<'a>(&'a self, watch: &'a Watch, action: Action, uri: &'a Uri) -> Failure<'a> {
        Failure { connection: &self.connection, watch, action, uri }
    }
}

#[async_trait]
impl Store for S3Store {
    fn list<'a>(&'a self, prefix: &Uri, start_after: Option<&str>) -> BoxStream<'a, Result<Page>> {
        let pages = Pages::new(self.asker(prefix, self.page_size), start_after).stream();
        let prefix = prefix.clone();
        // What is published is merged with what should be, which only works in order.
        pages
            .scan(String::new(), move |last, page| {
                let page = page.and_then(|page| in_order(page, last, &prefix));
                std::future::ready(Some(page))
            })
            .boxed()
    }

    /// One key is asked for, not a page of them.
    async fn first(&self, prefix: &Uri, start_after: Option<&str>) -> Result<Option<String>> {
        let mut pages = Pages::new(self.asker(prefix, 1), start_after).stream();
        while let Some(page) = pages.try_next().await? {
            if !page.is_empty() {
                return Ok(Some(page.key(0).to_owned()));
            }
        }
        Ok(None)
    }

    async fn get(&self, uri: &Uri) -> Result<Option<Stored>> {
        let watch = Watch::new(Kind::Get, &self.counts);
        let mut left = READ_TRIES;
        loop {
            let Some(output) = self.read(uri, &watch).await? else { return Ok(None) };
            let etag = ETag(unquoted(output.e_tag.as_deref().unwrap_or("")).to_owned());
            let modified = output.last_modified.map_or(0, |time| time.secs());
            left -= 1;
            match output.body.collect().await {
                Ok(body) => return Ok(Some(Stored { body: body.into_bytes(), etag, modified, now: now(&watch) })),
                Err(_) if left > 0 => {}
                Err(error) => {
                    let message = format!("reading {} broke off, again and again", uri.shown());
                    return Err(Error::new(ErrorKind::Unreachable, message).source(error));
                }
            }
        }
    }

    async fn put(&self, uri: &Uri, body: Body, condition: &Condition) -> Result<Written> {
        let body = whole(&body)?;
        let watch = Watch::new(Kind::Other, &self.counts);
        let mut pause = CONFLICT_PAUSE;
        for left in (0..CONFLICT_TRIES).rev() {
            let error = match self.write(uri, &body, condition, &watch).await {
                Ok(etag) => return self.written(uri, etag, &watch).await,
                Err(error) => error,
            };
            match verdict(&error, condition) {
                Verdict::Undecided if left > 0 => tokio::time::sleep(pause).await,
                Verdict::Undecided => return Err(conflict_with(uri, condition, "another write under way")),
                Verdict::Lost(found) => return Err(conflict_with(uri, condition, found)),
                Verdict::Impossible => {
                    let message = format!("the store does not write {} under a condition", uri.shown());
                    return Err(Error::new(ErrorKind::Unsupported, message));
                }
                Verdict::Failed => return Err(self.failure(&watch, Action::Write, uri).of(error)),
            }
            pause *= 2;
        }
        unreachable!("the last try returns")
    }

    /// By the store itself: the bytes do not pass through here.
    async fn copy(&self, from: &Uri, etag: &ETag, to: &Uri) -> Result<()> {
        let watch = Watch::new(Kind::Other, &self.counts);
        let source = format!("{}/{}", from.bucket.name, utf8_percent_encode(&from.key, NOT_IN_A_PATH));
        let sent = self.connection.send(&to.bucket.name, |client| {
            let request = client.copy_object().copy_source(&source).copy_source_if_match(format!("\"{}\"", etag.0));
            let request = request.bucket(&to.bucket.name).key(&to.key).set_request_payer(self.connection.payer());
            request.customize().interceptor(watch.clone()).send()
        });
        let Err(error) = sent.await else { return Ok(()) };
        let status = error.raw_response().map_or(0, |response| response.status().as_u16());
        if status == 412 || is_missing_key(&error) {
            return Err(conflict_with(from, &Condition::Is(etag.clone()), "something else, or nothing"));
        }
        Err(self.failure(&watch, Action::Write, to).of(error))
    }

    async fn delete(&self, uris: &[Uri]) -> Result<Vec<(Uri, Error)>> {
        let batches = !self.lacks_batches.load(Ordering::Relaxed);
        let (batched, mut single): (Vec<Uri>, Vec<Uri>) =
            uris.iter().cloned().partition(|uri| batches && fits_in_xml(&uri.key));
        let mut failed = Vec::new();
        let of_bucket = batched.chunk_by(|one, other| one.bucket == other.bucket);
        let chunks: Vec<Vec<Uri>> =
            of_bucket.flat_map(|uris| uris.chunks(MAX_BATCH_KEYS)).map(<[Uri]>::to_vec).collect();
        let mut answers = stream::iter(chunks).map(|chunk| self.delete_batch(chunk)).buffer_unordered(BATCHES).boxed();
        while let Some((rest, refused)) = answers.try_next().await? {
            single.extend(rest);
            failed.extend(refused);
        }
        drop(answers);
        let deletes = stream::iter(single).map(|uri| async move { (self.delete_one(&uri).await, uri) });
        let mut deletes = deletes.buffer_unordered(DELETES).boxed();
        while let Some((deleted, uri)) = deletes.next().await {
            failed.extend(deleted.err().map(|error| (uri, error)));
        }
        drop(deletes);
        Ok(failed)
    }

    fn throttled(&self) -> u64 {
        self.counts.so_far().throttled
    }

    fn traits(&self) -> Traits {
        let dollars_per_1000_writes = if self.connection.is_aws() { DOLLARS_PER_1000_WRITES } else { 0.0 };
        Traits { md5_etags: true, dollars_per_1000_writes, folds_case: false }
    }
}

impl S3Store {
    /// What a write that happened comes to. A store that does not say the ETag is asked for it.
    async fn written(&self, uri: &Uri, etag: Option<String>, watch: &Watch) -> Result<Written> {
        if let Some(etag) = etag {
            return Ok(Written { etag: ETag(unquoted(&etag).to_owned()), now: now(watch) });
        }
        let stored = self.get(uri).await?;
        let stored = stored.ok_or_else(|| conflict_with(uri, &Condition::None, "nothing there"))?;
        Ok(Written { etag: stored.etag, now: stored.now })
    }
}

/// What a failed write says about its condition.
enum Verdict {
    /// It did not hold; with what is there.
    Lost(&'static str),
    /// Another write has not been decided yet.
    Undecided,
    /// The store knows no conditions.
    Impossible,
    /// Nothing.
    Failed,
}

fn verdict(error: &SdkError<PutObjectError, HttpResponse>, condition: &Condition) -> Verdict {
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    let is_conditional = *condition != Condition::None;
    match (status, error.code().unwrap_or("")) {
        (409, _) => Verdict::Undecided,
        (412, _) | (_, "PreconditionFailed") => Verdict::Lost(match condition {
            Condition::Is(_) => "something else, or nothing",
            Condition::Absent | Condition::None => "something there",
        }),
        (404, code) if code != "NoSuchBucket" && is_conditional => Verdict::Lost("nothing there"),
        (501, _) | (_, "NotImplemented") if is_conditional => Verdict::Impossible,
        _ => Verdict::Failed,
    }
}

/// Whether a store refuses batches as such. Any other trouble shows again, and better, when keys are deleted one by one.
fn is_no_batch<E>(error: &SdkError<E, HttpResponse>) -> bool {
    error.raw_response().is_some_and(|response| matches!(response.status().as_u16(), 400 | 405 | 411 | 501))
}

/// Whether XML can say a key: it has no way to write most control characters.
fn fits_in_xml(key: &str) -> bool {
    !key.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r') || matches!(c, '\u{fffe}' | '\u{ffff}'))
}

fn undeletable(uri: &Uri, code: &str, message: &str) -> Error {
    let kind = if code == "AccessDenied" { ErrorKind::Denied } else { ErrorKind::Unsupported };
    let error = Error::new(kind, format!("{} was not deleted", uri.shown()));
    let error = error.note(format!("the store answers {}: {}", Shown(code), Shown(message)));
    if kind != ErrorKind::Denied {
        return error;
    }
    let (bucket, key) = (Shown(&uri.bucket.name), Shown(&uri.key));
    error.help(format!("these credentials need s3:DeleteObject on arn:aws:s3:::{bucket}/{key}"))
}

/// The page, if its keys come after `last` and in byte order.
fn in_order(page: Page, last: &mut String, prefix: &Uri) -> Result<Page> {
    let keys = (0..page.len()).map(|index| page.key(index));
    let mut before = last.as_str();
    for key in keys {
        if key <= before {
            let message = format!("the store does not list {} in byte order", prefix.shown());
            let error = Error::new(ErrorKind::Unsupported, message);
            return Err(error.note(format!("`{}` comes after `{}`", Shown(key), Shown(before))));
        }
        before = key;
    }
    *last = before.to_owned();
    Ok(page)
}

/// The store's clock; ours where the store does not say.
fn now(watch: &Watch) -> i64 {
    let ours = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
    watch.now().unwrap_or_else(ours)
}
