//! What the server keeps, and S3's rules about it: one map of exact keys a bucket. Speaks the terms of `s3s` only.

use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use md5::{Digest, Md5};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::{
    BucketVersioningStatus, CommonPrefix, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource,
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETag, ETagCondition,
    EncodingType, Error, GetBucketLifecycleConfigurationInput, GetBucketLifecycleConfigurationOutput,
    GetBucketVersioningInput, GetBucketVersioningOutput, GetObjectInput, GetObjectOutput, HeadBucketInput,
    HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, Object as Listed,
    ObjectStorageClass, PutObjectInput, PutObjectOutput, StreamingBlob, Timestamp,
};
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};

use super::{ACCESS_KEY, Access, Bucket, Conditions, Object, SECRET_KEY, Shared, State, Tags};

/// Handed to `s3s` three times: as the store, as the keeper of secrets, as the guard.
pub struct Backend(pub Arc<Shared>);

#[async_trait]
impl S3Auth for Backend {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == ACCESS_KEY { Ok(SECRET_KEY.into()) } else { Err(s3_error!(InvalidAccessKeyId)) }
    }
}

#[async_trait]
impl S3Access for Backend {
    /// Called once the signature, if there is one, has been found right.
    async fn check(&self, request: &mut S3AccessContext<'_>) -> S3Result<()> {
        let signed = request.credentials().is_some();
        let Some(name) = request.s3_path().get_bucket_name() else { return Err(s3_error!(AccessDenied)) };
        let state = self.0.state();
        let Some(bucket) = state.buckets.get(name) else { return Err(s3_error!(NoSuchBucket)) };
        let pays = request.headers().get("x-amz-request-payer").is_some_and(|value| value == "requester");
        let allowed = match bucket.access {
            Access::Signed => signed,
            Access::Public => true,
            Access::Denied => false,
            Access::RequesterPays => signed && pays,
        };
        if allowed { Ok(()) } else { Err(s3_error!(AccessDenied, "Access Denied")) }
    }
}

#[async_trait]
impl S3 for Backend {
    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let mut state = self.0.state();
        state.lists += 1;
        let settings = &state.settings;
        if input.delimiter.is_some() && !settings.delimits {
            return Err(s3_error!(NotImplemented, "this server has no delimiters"));
        }
        let asked = input.max_keys.map_or(1_000, |keys| usize::try_from(keys).unwrap_or(0));
        let most = asked.min(settings.page_size).min(1_000);
        let page_size = if settings.cuts_anywhere { 1 + state.lists as usize * 7 % most } else { most };
        let prefix = input.prefix.clone().unwrap_or_default();
        let token = input.continuation_token.as_deref().map(key_of_token).transpose()?;
        let after = token.or_else(|| input.start_after.clone().filter(|_| settings.starts_after));
        let below = state.bucket(&input.bucket)?.below(&prefix, after.as_deref());
        let mut entries = Entries { below: below.peekable(), prefix: &prefix, delimiter: input.delimiter.as_deref() };
        let page: Vec<Entry<'_>> = entries.by_ref().take(page_size).collect();
        let more = entries.next().is_some() || settings.empty_last_page && !page.is_empty();
        let next = page.last().filter(|_| more).map(|entry| token_of_key(&entry.last_key()));
        let encodes = settings.encodes_urls && input.encoding_type.is_some();
        let said = |key: &str| if encodes { form_encoded(key) } else { key.to_owned() };
        let contents = page.iter().filter_map(|entry| match entry {
            Entry::Object(key, object) => Some(object.listed(said(key))),
            Entry::Directory(_) => None,
        });
        let directories = page.iter().filter_map(|entry| match entry {
            Entry::Object(..) => None,
            Entry::Directory(prefix) => Some(CommonPrefix { prefix: Some(said(prefix)) }),
        });
        Ok(S3Response::new(ListObjectsV2Output {
            key_count: Some(i32::try_from(page.len()).unwrap()),
            contents: Some(contents.collect()),
            common_prefixes: Some(directories.collect()),
            is_truncated: Some(more),
            next_continuation_token: next,
            continuation_token: input.continuation_token,
            encoding_type: encodes.then(|| EncodingType::from_static(EncodingType::URL)),
            prefix: Some(said(&prefix)),
            start_after: input.start_after.as_deref().map(said),
            max_keys: Some(i32::try_from(asked).unwrap()),
            name: Some(input.bucket),
            ..ListObjectsV2Output::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let state = self.0.state();
        let object = state.object(&request.input.bucket, &request.input.key)?;
        let length = object.body.len();
        let asked = request.input.range.filter(|_| state.settings.ranges);
        let range = asked.as_ref().map(|range| range.check(length as u64)).transpose()?;
        let said = range.as_ref().map(|range| format!("bytes {}-{}/{length}", range.start, range.end - 1));
        let range = range.map_or(0..length, |range| range.start as usize..range.end as usize);
        let output = GetObjectOutput {
            content_length: Some(i64::try_from(range.len()).unwrap()),
            content_range: said,
            body: Some(StreamingBlob::from(Body::from(object.body.slice(range)))),
            e_tag: Some(ETag::Strong(object.etag.clone())),
            last_modified: Some(timestamp(object.modified)),
            ..GetObjectOutput::default()
        };
        Ok(S3Response::with_headers(output, state.generation(object)))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let state = self.0.state();
        let object = state.object(&request.input.bucket, &request.input.key)?;
        let output = HeadObjectOutput {
            content_length: Some(i64::try_from(object.body.len()).unwrap()),
            e_tag: Some(ETag::Strong(object.etag.clone())),
            last_modified: Some(timestamp(object.modified)),
            ..HeadObjectOutput::default()
        };
        Ok(S3Response::with_headers(output, state.generation(object)))
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        let bucket_region = Some(self.0.state().bucket(&request.input.bucket)?.region.clone());
        Ok(S3Response::new(HeadBucketOutput { bucket_region, ..HeadBucketOutput::default() }))
    }

    async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        let versioned = self.0.state().bucket(&request.input.bucket)?.versioned;
        let status = versioned.then(|| BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED));
        Ok(S3Response::new(GetBucketVersioningOutput { status, ..GetBucketVersioningOutput::default() }))
    }

    async fn get_bucket_lifecycle_configuration(
        &self,
        request: S3Request<GetBucketLifecycleConfigurationInput>,
    ) -> S3Result<S3Response<GetBucketLifecycleConfigurationOutput>> {
        let rules = self.0.state().bucket(&request.input.bucket)?.lifecycle.clone();
        if rules.is_empty() {
            return Err(s3_error!(NoSuchLifecycleConfiguration, "The lifecycle configuration does not exist"));
        }
        let rules = Some(rules);
        Ok(S3Response::new(GetBucketLifecycleConfigurationOutput {
            rules,
            ..GetBucketLifecycleConfigurationOutput::default()
        }))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let body = match input.body {
            Some(stream) => {
                Body::from(stream).store_all_limited(1 << 30).await.map_err(|_| s3_error!(IncompleteBody))?
            }
            None => Bytes::new(),
        };
        let mut state = self.0.state();
        state.check(&input.bucket, &input.key, input.if_none_match.as_ref(), input.if_match.as_ref())?;
        state.check_generation(&input.bucket, &input.key, &request.headers)?;
        let etag = state.write(&input.bucket, &input.key, body);
        let output = PutObjectOutput { e_tag: Some(ETag::Strong(etag)), ..PutObjectOutput::default() };
        Ok(S3Response::with_headers(output, state.generation(state.object(&input.bucket, &input.key)?)))
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = request.input;
        let CopySource::Bucket { bucket, key, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented));
        };
        let mut state = self.0.state();
        let source = state.object(bucket, key)?;
        let is_as_seen = |condition: &ETagCondition| match condition {
            ETagCondition::ETag(etag) => etag.value() == source.etag,
            ETagCondition::Any => true,
        };
        if !input.copy_source_if_match.as_ref().is_none_or(is_as_seen) {
            return Err(s3_error!(PreconditionFailed));
        }
        let body = source.body.clone();
        let etag = state.write(&input.bucket, &input.key, body);
        let copy_object_result =
            Some(CopyObjectResult { e_tag: Some(ETag::Strong(etag)), ..CopyObjectResult::default() });
        Ok(S3Response::new(CopyObjectOutput { copy_object_result, ..CopyObjectOutput::default() }))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let mut state = self.0.state();
        state.bucket(&request.input.bucket)?;
        if state.delete(&request.input.bucket, &request.input.key) {
            Ok(S3Response::new(DeleteObjectOutput::default()))
        } else {
            Err(s3_error!(AccessDenied, "Access Denied"))
        }
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let (name, batch) = (&request.input.bucket, &request.input.delete);
        if !has_digest(&request.headers) {
            return Err(s3_error!(InvalidRequest, "Missing required header for this request: Content-MD5"));
        }
        if batch.objects.is_empty() || batch.objects.len() > 1_000 {
            return Err(s3_error!(MalformedXML));
        }
        let mut state = self.0.state();
        state.bucket(name)?;
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for object in &batch.objects {
            let key = Some(object.key.clone());
            if state.delete(name, &object.key) {
                deleted.push(DeletedObject { key, ..DeletedObject::default() });
            } else {
                let (code, message) = (Some("AccessDenied".into()), Some("Access Denied".into()));
                errors.push(Error { key, code, message, ..Error::default() });
            }
        }
        let deleted = Some(deleted).filter(|_| batch.quiet != Some(true));
        Ok(S3Response::new(DeleteObjectsOutput { deleted, errors: Some(errors), ..DeleteObjectsOutput::default() }))
    }
}

impl State {
    fn bucket(&self, name: &str) -> S3Result<&Bucket> {
        self.buckets.get(name).ok_or_else(|| s3_error!(NoSuchBucket))
    }

    fn object(&self, bucket: &str, key: &str) -> S3Result<&Object> {
        self.bucket(bucket)?.objects.get(key).ok_or_else(|| s3_error!(NoSuchKey))
    }

    /// Whether a write's conditions hold.
    fn check(
        &self,
        bucket: &str,
        key: &str,
        if_none_match: Option<&ETagCondition>,
        if_match: Option<&ETagCondition>,
    ) -> S3Result<()> {
        let there = self.bucket(bucket)?.objects.get(key);
        match self.settings.conditions {
            Conditions::Ignored => return Ok(()),
            Conditions::Refused if if_none_match.is_some() || if_match.is_some() => {
                return Err(s3_error!(
                    NotImplemented,
                    "A header you provided implies functionality that is not implemented"
                ));
            }
            Conditions::Refused | Conditions::Honoured => {}
        }
        match if_none_match {
            Some(ETagCondition::Any) if there.is_some() => return Err(s3_error!(PreconditionFailed)),
            Some(ETagCondition::ETag(_)) => return Err(s3_error!(NotImplemented, "a PUT takes If-None-Match: * only")),
            Some(ETagCondition::Any) | None => {}
        }
        match (if_match, there) {
            (None, _) | (Some(ETagCondition::Any), Some(_)) => Ok(()),
            (Some(_), None) => Err(s3_error!(NoSuchKey)),
            (Some(ETagCondition::ETag(etag)), Some(there)) if etag.value() == there.etag => Ok(()),
            (Some(ETagCondition::ETag(_)), Some(_)) => Err(s3_error!(PreconditionFailed)),
        }
    }

    /// Whether a write's generation, in Google's dialect, is that of what is there; 0 where nothing is.
    fn check_generation(&self, bucket: &str, key: &str, headers: &HeaderMap) -> S3Result<()> {
        let Some(asked) = headers.get("x-goog-if-generation-match").filter(|_| self.settings.generations) else {
            return Ok(());
        };
        let there = self.bucket(bucket)?.objects.get(key).map_or(0, |object| object.generation);
        if *asked == there.to_string() { Ok(()) } else { Err(s3_error!(PreconditionFailed)) }
    }

    fn generation(&self, object: &Object) -> HeaderMap {
        let header = (HeaderName::from_static("x-goog-generation"), HeaderValue::from(object.generation));
        HeaderMap::from_iter(Some(header).filter(|_| self.settings.generations))
    }

    /// Writes, and returns the ETag.
    pub fn write(&mut self, bucket: &str, key: &str, body: Bytes) -> String {
        self.writes += 1;
        let digest = match self.settings.tags {
            Tags::Md5 => Md5::digest(&body),
            Tags::Kms => Md5::digest([b"write ".as_slice(), &self.writes.to_le_bytes()].concat()),
        };
        let etag: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let modified = self.now();
        let (storage_class, generation) = ("STANDARD", self.writes);
        let object = Object { body, etag: etag.clone(), modified, storage_class, generation, locked: false };
        self.objects(bucket).insert(key.to_owned(), object);
        etag
    }

    /// Deletes what may be deleted; says whether nothing is left.
    fn delete(&mut self, bucket: &str, key: &str) -> bool {
        let objects = self.objects(bucket);
        let locked = objects.get(key).is_some_and(|object| object.locked);
        if !locked {
            objects.remove(key);
        }
        !locked
    }
}

impl Bucket {
    /// The objects whose keys begin with `prefix`, after a key.
    fn below<'a>(&'a self, prefix: &'a str, after: Option<&str>) -> impl Iterator<Item = (&'a String, &'a Object)> {
        let from = match after.filter(|after| *after >= prefix) {
            Some(after) => Bound::Excluded(after.to_owned()),
            None => Bound::Included(prefix.to_owned()),
        };
        self.objects.range((from, Bound::Unbounded)).take_while(move |(key, _)| key.starts_with(prefix))
    }
}

/// What one line of a listing is.
enum Entry<'a> {
    Object(&'a str, &'a Object),
    /// All keys that begin so: up to a delimiter.
    Directory(&'a str),
}

impl Entry<'_> {
    /// A key that no key of this entry lies behind.
    fn last_key(&self) -> String {
        match self {
            Entry::Object(key, _) => (*key).to_owned(),
            Entry::Directory(prefix) => format!("{prefix}\u{10ffff}"),
        }
    }
}

/// Objects, those that share what comes up to the delimiter rolled into one entry.
struct Entries<'a, I: Iterator> {
    below: Peekable<I>,
    prefix: &'a str,
    delimiter: Option<&'a str>,
}

impl<'a, I: Iterator<Item = (&'a String, &'a Object)>> Iterator for Entries<'a, I> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let (key, object) = self.below.next()?;
        let inner = &key[self.prefix.len()..];
        let Some((delimiter, at)) = self.delimiter.and_then(|delimiter| Some((delimiter, inner.find(delimiter)?)))
        else {
            return Some(Entry::Object(key, object));
        };
        let directory = &key[..self.prefix.len() + at + delimiter.len()];
        while self.below.next_if(|(key, _)| key.starts_with(directory)).is_some() {}
        Some(Entry::Directory(directory))
    }
}

impl Object {
    fn listed(&self, key: String) -> Listed {
        Listed {
            key: Some(key),
            size: Some(i64::try_from(self.body.len()).unwrap()),
            e_tag: Some(ETag::Strong(self.etag.clone())),
            last_modified: Some(timestamp(self.modified)),
            storage_class: Some(ObjectStorageClass::from_static(self.storage_class)),
            ..Listed::default()
        }
    }
}

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from(UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).expect("a time after 1970")))
}

/// Whether a batch says what its body's digest is, without which S3 refuses it.
fn has_digest(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name == "content-md5" || name.as_str().starts_with("x-amz-checksum-"))
}

/// Keys as S3 encodes them for `encoding-type=url`: form encoding that leaves slashes standing.
fn form_encoded(key: &str) -> String {
    let mut out = String::new();
    for byte in key.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'-' | b'_' | b'.' | b'*' | b'/' => out.push(byte as char),
            byte if byte.is_ascii_alphanumeric() => out.push(byte as char),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A continuation token: opaque to clients, here the last key in hex.
fn token_of_key(key: &str) -> String {
    key.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn key_of_token(token: &str) -> S3Result<String> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let key: Option<Vec<u8>> = token.as_bytes().chunks(2).map(byte).collect();
    key.and_then(|key| String::from_utf8(key).ok()).ok_or_else(|| s3_error!(InvalidArgument, "no such token"))
}
