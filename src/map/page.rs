//! A page of listed objects: one buffer of text and a table of spans, so that mapping borrows and copies nothing.

use std::ops::Range;

use crate::uri::{Bucket, Uri};

/// Objects of one bucket, in the order the listing gave them.
#[derive(Clone, Debug)]
pub struct Page {
    bucket: Bucket,
    text: String,
    keys: Vec<Range<u32>>,
    /// One per key, or empty where the listing says nothing but keys.
    attributes: Vec<Attributes>,
}

/// Spans into the page's text; an attribute that the listing lacks is absent.
#[derive(Clone, Debug, Default)]
struct Attributes {
    physical: Option<Range<u32>>,
    size: Option<u64>,
    modified: Option<i64>,
    storage_class: Option<Range<u32>>,
    etag: Option<Range<u32>>,
}

/// One object, borrowed from its page. Rules match the logical URI (`bucket` and `key`); the manifest says the physical
/// one, which differs only for lakeFS.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    pub bucket: &'a Bucket,
    pub key: &'a str,
    /// The whole physical URI, where it is not the logical one.
    pub physical: Option<&'a str>,
    /// Bytes.
    pub size: Option<u64>,
    /// Seconds since 1970, UTC.
    pub modified: Option<i64>,
    pub storage_class: Option<&'a str>,
    /// Without quotes.
    pub etag: Option<&'a str>,
}

impl Object<'_> {
    /// What stands behind the last slash of the key.
    pub fn base_name(&self) -> &str {
        &self.key[memchr::memrchr(b'/', self.key.as_bytes()).map_or(0, |slash| slash + 1)..]
    }

    pub fn uri(&self) -> Uri {
        Uri::new(self.bucket.clone(), self.key)
    }

    /// Appends the bytes of the manifest line, without its newline.
    pub fn write_line(&self, line: &mut Vec<u8>) {
        match self.physical {
            Some(physical) => line.extend_from_slice(physical.as_bytes()),
            None => {
                for part in [self.bucket.scheme.name(), "://", &self.bucket.name, "/", self.key] {
                    line.extend_from_slice(part.as_bytes());
                }
            }
        }
    }
}

impl Page {
    pub fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// The same keys in another bucket, for sources that name it last.
    #[must_use]
    pub fn in_bucket(mut self, bucket: Bucket) -> Page {
        self.bucket = bucket;
        self
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The buffer that holds every key, for searches over all of them at once; what stands between keys is undefined.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn key(&self, index: usize) -> &str {
        let span = &self.keys[index];
        &self.text[span.start as usize..span.end as usize]
    }

    pub fn object(&self, index: usize) -> Object<'_> {
        const NONE: Attributes =
            Attributes { physical: None, size: None, modified: None, storage_class: None, etag: None };
        let attributes = self.attributes.get(index).unwrap_or(&NONE);
        let text = |span: &Range<u32>| &self.text[span.start as usize..span.end as usize];
        Object {
            bucket: &self.bucket,
            key: self.key(index),
            physical: attributes.physical.as_ref().map(text),
            size: attributes.size,
            modified: attributes.modified,
            storage_class: attributes.storage_class.as_ref().map(text),
            etag: attributes.etag.as_ref().map(text),
        }
    }

    pub fn objects(&self) -> impl ExactSizeIterator<Item = Object<'_>> {
        (0..self.keys.len()).map(|index| self.object(index))
    }
}

/// Fills a [`Page`]; at most 4 GiB of text.
#[derive(Debug)]
pub struct PageBuilder {
    page: Page,
}

impl PageBuilder {
    pub fn new(bucket: Bucket) -> PageBuilder {
        PageBuilder { page: Page { bucket, text: String::new(), keys: Vec::new(), attributes: Vec::new() } }
    }

    /// A page over text that already holds the keys, one span each: no key is copied.
    pub fn over(bucket: Bucket, text: String, keys: impl IntoIterator<Item = Range<u32>>) -> Page {
        let keys: Vec<Range<u32>> = keys.into_iter().collect();
        debug_assert!(keys.iter().all(|key| text.get(key.start as usize..key.end as usize).is_some()));
        Page { bucket, text, keys, attributes: Vec::new() }
    }

    /// Adds an object; its `bucket` must be the page's.
    pub fn push(&mut self, object: &Object<'_>) {
        debug_assert_eq!(object.bucket, &self.page.bucket);
        let key = self.text(object.key);
        let attributes = Attributes {
            physical: object.physical.map(|text| self.text(text)),
            size: object.size,
            modified: object.modified,
            storage_class: object.storage_class.map(|text| self.text(text)),
            etag: object.etag.map(|text| self.text(text)),
        };
        self.page.keys.push(key);
        self.page.attributes.push(attributes);
    }

    /// Bytes of text so far.
    pub fn text_len(&self) -> usize {
        self.page.text.len()
    }

    pub fn len(&self) -> usize {
        self.page.len()
    }

    pub fn is_empty(&self) -> bool {
        self.page.is_empty()
    }

    pub fn finish(self) -> Page {
        self.page
    }

    fn text(&mut self, text: &str) -> Range<u32> {
        let start = self.page.text.len();
        self.page.text.push_str(text);
        let bound = |at: usize| u32::try_from(at).expect("a page holds at most 4 GiB of text");
        bound(start)..bound(self.page.text.len())
    }
}
