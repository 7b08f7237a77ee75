//! JSON: a line an object, as `restitch ls` writes them, and the document that `aws s3api list-objects-v2` prints (one,
//! several in a row, or what `--query` leaves of it: an array of objects or keys).

use std::fmt;
use std::io::{BufRead, Read};

use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Attributes, CHUNK_BYTES, Filler, Pages, Scope, Stop};
use crate::error::{Error, Result};
use crate::listing::{Object, Page, PageBuilder, url};
use crate::uri::{Bucket, Scheme, Shown};
use crate::value::instant;

/// Appends an object as a JSON line: `uri`, `physical_address` where that is another, and `size`, `modified` (ISO, UTC), `storage_class`, `etag` where known.
pub fn write_line(object: &Object<'_>, line: &mut Vec<u8>) {
    let text = |line: &mut Vec<u8>, text: &str| serde_json::to_writer(line, text).expect("a Vec takes all bytes");
    line.extend_from_slice(b"{\"uri\":");
    text(line, &object.uri().raw());
    if let Some(physical) = object.physical {
        line.extend_from_slice(b",\"physical_address\":");
        text(line, physical);
    }
    if let Some(size) = object.size {
        line.extend_from_slice(format!(",\"size\":{size}").as_bytes());
    }
    if let Some(modified) = object.modified.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok()) {
        line.extend_from_slice(format!(",\"modified\":\"{modified}\"").as_bytes());
    }
    for (name, value) in [("storage_class", object.storage_class), ("etag", object.etag)] {
        if let Some(value) = value {
            line.extend_from_slice(format!(",\"{name}\":").as_bytes());
            text(line, value);
        }
    }
    line.extend_from_slice(b"}\n");
}

/// An object in our own words or in the AWS CLI's; what else stands there is not ours to read.
#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    uri: Option<String>,
    #[serde(default, alias = "Key")]
    key: Option<String>,
    #[serde(default)]
    physical_address: Option<String>,
    #[serde(default, alias = "Size")]
    size: Option<u64>,
    #[serde(default, alias = "LastModified", alias = "last_modified")]
    modified: Option<String>,
    #[serde(default, alias = "StorageClass")]
    storage_class: Option<String>,
    #[serde(default, alias = "ETag")]
    etag: Option<String>,
}

impl Item {
    fn time(&self) -> Result<Option<i64>, String> {
        let Some(text) = &self.modified else { return Ok(None) };
        instant(text).map(Some).ok_or_else(|| format!("`{}` is no date and time", Shown(text)))
    }

    fn attributes(&self, modified: Option<i64>) -> Attributes<'_> {
        Attributes {
            physical: self.physical_address.as_deref(),
            size: self.size,
            modified,
            storage_class: self.storage_class.as_deref(),
            etag: self.etag.as_deref(),
        }
    }
}

/// Whether the first line is an object with a `uri` or a key of its own, so that a line an object follows.
pub(super) fn is_lines(head: &[u8]) -> bool {
    let head = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head);
    let line = head.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    let item = line.and_then(|line| item(line.trim_ascii()).ok());
    item.is_some_and(|item| item.uri.is_some() || item.key.is_some())
}

/// serde would take an array for an object's values too.
fn item(line: &[u8]) -> serde_json::Result<Item> {
    if line.starts_with(b"{") { serde_json::from_slice(line) } else { Err(serde::de::Error::custom("expected `{`")) }
}

pub(super) fn read_lines(mut source: impl BufRead, scope: &Scope, pages: &Pages) -> Result<(), Stop> {
    let mut filler = Filler::new(pages);
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        if source.read_until(b'\n', &mut bytes).map_err(|error| scope.io(error))? == 0 {
            break;
        }
        let text = if line == 1 { bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes) } else { &bytes };
        if text.trim_ascii().is_empty() {
            continue;
        }
        let item = item(text.trim_ascii())
            .map_err(|error| scope.error(line, format!("not a JSON object of a listing: {error}")).source(error))?;
        let Some(place) = item.uri.as_deref().or(item.key.as_deref()) else {
            return Err(scope.error(line, "the object has neither `uri` nor `key`").into());
        };
        let (bucket, key) = scope.locate(line, place)?;
        let modified = item.time().map_err(|why| scope.error(line, why))?;
        filler.push(&bucket, key, item.attributes(modified))?;
    }
    filler.flush()
}

/// Reads documents and sends their keys on as they come, but for those that only a document's end says how to read.
pub(super) fn read_documents(mut source: impl BufRead, scope: &Scope, pages: &Pages) -> Result<(), Stop> {
    let start = source.fill_buf().map_err(|error| scope.io(error))?;
    if start.starts_with("\u{feff}".as_bytes()) {
        source.consume("\u{feff}".len());
    }
    let mut stream = serde_json::Deserializer::from_reader(source.by_ref());
    let mut last = None;
    loop {
        match at_end(&mut stream) {
            Ok(true) => break,
            Ok(false) => {}
            Err(error) => return Err(wrong(scope, error).into()),
        }
        let mut keys = Keys::new(scope, pages);
        let document = Document::new(&mut keys).deserialize(&mut stream);
        let document = document.map(Document::said);
        if let Some(stop) = keys.stop.take() {
            return Err(stop);
        }
        let said = document.map_err(|error| wrong(scope, error))?;
        said.check(scope)?;
        keys.end(&said)?;
        last = Some(said.cut_short);
    }
    if last == Some(true) {
        let error = scope.error(0, "the listing is cut short: it says that there are more keys");
        return Err(error.help("run it without --max-items and --no-paginate, so that it goes on to the end").into());
    }
    Ok(())
}

/// Whether nothing but white space follows.
fn at_end<R: Read>(stream: &mut serde_json::Deserializer<serde_json::de::IoRead<R>>) -> serde_json::Result<bool> {
    match stream.end() {
        Ok(()) => Ok(true),
        Err(error) if error.is_io() => Err(error),
        // `end` has looked at the next value's first byte and left it.
        Err(_) => Ok(false),
    }
}

fn wrong(scope: &Scope, error: serde_json::Error) -> Error {
    let line = error.line() as u64;
    if error.is_io() {
        return scope.io(error.into());
    }
    let what = if error.is_eof() { "the document is cut short".to_owned() } else { error.to_string() };
    scope.error(line, what).source(error)
}

/// The keys of a document on their way: sent on as soon as it is clear which bucket they are of and that decoding them
/// would change nothing.
struct Keys<'a> {
    scope: &'a Scope,
    pages: &'a Pages,
    bucket: Option<Bucket>,
    /// What is not clear yet, in order; of a bucket without a name where it is not known.
    held: Vec<Page>,
    spelling: Spelling,
    /// Why reading ended, where that is no error of JSON.
    stop: Option<Stop>,
}

/// Whether keys could be url-encoded. The AWS CLI and boto3 ask for the encoding and decode it again, but leave
/// `EncodingType` standing: then some key holds a character that the encoding never leaves, or none needs decoding.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// Decoding would change none of them.
    Either,
    /// All may be encoded, and some would change.
    PerhapsEncoded,
    /// Some cannot be.
    Plain,
}

impl<'a> Keys<'a> {
    fn new(scope: &'a Scope, pages: &'a Pages) -> Keys<'a> {
        let bucket = scope.prefix.as_ref().map(|prefix| prefix.bucket.clone());
        Keys { scope, pages, bucket, held: Vec::new(), spelling: Spelling::Either, stop: None }
    }

    fn page(&mut self, page: Page) -> Result<(), Stop> {
        for key in (0..page.len()).map(|index| page.key(index)) {
            self.spelling = match self.spelling {
                Spelling::Plain => break,
                _ if !url::is_encoded(key) => Spelling::Plain,
                Spelling::Either if key.contains(['%', '+']) => Spelling::PerhapsEncoded,
                spelling => spelling,
            };
        }
        self.held.push(page);
        match self.bucket.clone() {
            Some(bucket) if self.spelling != Spelling::PerhapsEncoded => self.send(&bucket, false),
            _ => Ok(()),
        }
    }

    fn send(&mut self, bucket: &Bucket, encoded: bool) -> Result<(), Stop> {
        for page in self.held.drain(..) {
            let page = if encoded { decoded(&page, bucket, self.scope)? } else { page.in_bucket(bucket.clone()) };
            for index in 0..page.len() {
                self.scope.check(0, bucket, page.key(index))?;
            }
            self.pages.send(page)?;
        }
        Ok(())
    }

    /// Sends what was held back, now that the document has said everything.
    fn end(&mut self, said: &DocumentSaid) -> Result<(), Stop> {
        let bucket = match (&self.bucket, &said.name) {
            (Some(bucket), Some(name)) if &bucket.name != name => {
                return Err(self.scope.error(0, format!("this is a listing of bucket `{}`", Shown(name))).into());
            }
            (Some(bucket), _) => bucket.clone(),
            (None, Some(name)) => Bucket::new(Scheme::S3, name),
            (None, None) if self.held.iter().all(Page::is_empty) => return Ok(()),
            (None, None) => {
                let error = self.scope.error(0, "the document does not say which bucket it lists");
                return Err(error.help("say it: --listing s3://BUCKET/=FILE").into());
            }
        };
        self.send(&bucket, said.url && self.spelling == Spelling::PerhapsEncoded)
    }
}

/// What a document says beside its keys.
#[derive(Default)]
struct DocumentSaid {
    name: Option<String>,
    url: bool,
    cut_short: bool,
    rolled_up: bool,
    strange: Option<&'static str>,
}

impl DocumentSaid {
    /// # Errors
    /// Where it is no listing, or not all of one.
    fn check(&self, scope: &Scope) -> Result<()> {
        if let Some(strange) = self.strange {
            let error = scope.error(0, format!("this is {strange}, not a listing of keys"));
            return Err(error.help("give what `aws s3api list-objects-v2` prints, or `restitch ls`"));
        }
        if self.rolled_up {
            let error = scope.error(0, "the listing has `CommonPrefixes`: the keys below them are missing");
            return Err(error.help("run it without --delimiter"));
        }
        Ok(())
    }
}

fn decoded(page: &Page, bucket: &Bucket, scope: &Scope) -> Result<Page> {
    let mut decoded = PageBuilder::new(bucket.clone());
    for object in page.objects() {
        let key = url::decode(object.key)
            .ok_or_else(|| scope.error(0, format!("`{}` is not url-encoded UTF-8", Shown(object.key))))?;
        decoded.push(&Object { bucket, key: &key, ..object });
    }
    Ok(decoded.finish())
}

/// A document while it is read.
struct Document<'a, 'k> {
    keys: &'a mut Keys<'k>,
    said: DocumentSaid,
}

impl<'a, 'k> Document<'a, 'k> {
    fn new(keys: &'a mut Keys<'k>) -> Document<'a, 'k> {
        Document { keys, said: DocumentSaid::default() }
    }

    fn said(self) -> DocumentSaid {
        self.said
    }
}

impl<'de> DeserializeSeed<'de> for Document<'_, '_> {
    type Value = Self;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document<'_, '_> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a listing document")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        let said = &mut self.said;
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "Contents" => map.next_value_seed(Contents { keys: self.keys })?,
                "Name" => said.name = map.next_value()?,
                "EncodingType" => said.url = map.next_value::<Option<String>>()?.as_deref() == Some("url"),
                "IsTruncated" => said.cut_short |= map.next_value::<Option<bool>>()? == Some(true),
                "NextToken" => said.cut_short |= map.next_value::<Option<IgnoredAny>>()?.is_some(),
                "CommonPrefixes" => {
                    said.rolled_up |= map.next_value::<Option<Vec<IgnoredAny>>>()?.is_some_and(|v| !v.is_empty())
                }
                other => {
                    said.strange = match other {
                        "Versions" | "DeleteMarkers" => Some("a listing of versions"),
                        "fileSchema" | "fileFormat" => Some("the manifest of an S3 Inventory, which is not read yet"),
                        "Buckets" => Some("a listing of buckets"),
                        _ => said.strange,
                    };
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self, A::Error> {
        Contents { keys: self.keys }.visit_seq(seq)?;
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}

/// The objects of a document, straight into pages.
struct Contents<'a, 'k> {
    keys: &'a mut Keys<'k>,
}

/// What stands in an array: an object or a bare key.
#[derive(Deserialize)]
#[serde(untagged)]
enum Element {
    Key(String),
    Item(Item),
}

impl<'de> DeserializeSeed<'de> for Contents<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Contents<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let bucket = self.keys.bucket.clone().unwrap_or(Bucket::new(Scheme::S3, ""));
        let mut page = PageBuilder::new(bucket.clone());
        loop {
            let element = seq.next_element::<Element>()?;
            if page.text_len() >= CHUNK_BYTES || element.is_none() {
                let full = std::mem::replace(&mut page, PageBuilder::new(bucket.clone())).finish();
                self.keys.page(full).map_err(|stop| {
                    self.keys.stop = Some(stop);
                    serde::de::Error::custom("stopped")
                })?;
            }
            match element {
                Some(element) => push(&mut page, &bucket, element)?,
                None => return Ok(()),
            }
        }
    }
}

fn push<E: serde::de::Error>(page: &mut PageBuilder, bucket: &Bucket, element: Element) -> Result<(), E> {
    let item = match element {
        Element::Item(item) => item,
        Element::Key(key) => Item {
            uri: None,
            key: Some(key),
            physical_address: None,
            size: None,
            modified: None,
            storage_class: None,
            etag: None,
        },
    };
    let modified = item.time().map_err(E::custom)?;
    let key = item.key.as_ref().ok_or_else(|| E::custom("an object has no `Key`"))?;
    page.push(&item.attributes(modified).of(bucket, key));
    Ok(())
}
