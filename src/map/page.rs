//! A page of listed objects: one buffer of text and a table of spans, so that mapping borrows and copies nothing.

use std::ops::Range;

use crate::uri::{Bucket, Uri};

/// Objects of one bucket, in the order the listing gave them.
#[derive(Clone, Debug)]
pub struct Page {
    bucket: Bucket,
    text: String,
    keys: Vec<Range<u32>>,
    attributes: Attributes,
}

/// What a listing says of a page's objects beside their keys, texts as spans into the page's. A column has an entry per
/// key, up to the last that says something: what is behind its end, or `None`, is not said.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    pub physical: Vec<Option<Range<u32>>>,
    pub size: Vec<Option<u64>>,
    pub modified: Vec<Option<i64>>,
    pub storage_class: Vec<Option<Range<u32>>>,
    pub etag: Vec<Option<Range<u32>>>,
}

impl Attributes {
    /// Adds what is said of the key at `index`; of those behind it nothing has been.
    pub fn say(
        &mut self,
        index: usize,
        physical: Option<Range<u32>>,
        size: Option<u64>,
        modified: Option<i64>,
        storage_class: Option<Range<u32>>,
        etag: Option<Range<u32>>,
    ) {
        say(&mut self.physical, index, physical);
        say(&mut self.size, index, size);
        say(&mut self.modified, index, modified);
        say(&mut self.storage_class, index, storage_class);
        say(&mut self.etag, index, etag);
    }
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

impl<'a> Object<'a> {
    /// One of which nothing but where it lies is known.
    pub fn bare(bucket: &'a Bucket, key: &'a str) -> Object<'a> {
        Object { bucket, key, physical: None, size: None, modified: None, storage_class: None, etag: None }
    }

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

    /// Keeps the first objects only.
    pub fn truncate(&mut self, len: usize) {
        self.keys.truncate(len);
    }

    /// Whether each key comes behind the one before it, in byte order.
    pub fn is_ascending(&self) -> bool {
        (1..self.len()).all(|index| self.key(index - 1) < self.key(index))
    }

    /// Its text's bytes, for another page to be made of them.
    pub fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    pub fn key(&self, index: usize) -> &str {
        let span = &self.keys[index];
        &self.text[span.start as usize..span.end as usize]
    }

    pub fn object(&self, index: usize) -> Object<'_> {
        let Attributes { physical, size, modified, storage_class, etag } = &self.attributes;
        let text = |column: &[Option<Range<u32>>]| {
            let span = column.get(index)?.as_ref()?;
            Some(&self.text[span.start as usize..span.end as usize])
        };
        Object {
            bucket: &self.bucket,
            key: self.key(index),
            physical: text(physical),
            size: size.get(index).copied().flatten(),
            modified: modified.get(index).copied().flatten(),
            storage_class: text(storage_class),
            etag: text(etag),
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
        PageBuilder { page: Page { bucket, text: String::new(), keys: Vec::new(), attributes: Attributes::default() } }
    }

    /// With room for so many objects with so many bytes of text.
    pub fn with_capacity(bucket: Bucket, objects: usize, text_bytes: usize) -> PageBuilder {
        let (text, keys) = (String::with_capacity(text_bytes), Vec::with_capacity(objects));
        PageBuilder { page: Page { bucket, text, keys, attributes: Attributes::default() } }
    }

    /// A page over text that already holds the keys, one span each: no key is copied.
    pub fn over(bucket: Bucket, text: String, keys: impl IntoIterator<Item = Range<u32>>) -> Page {
        PageBuilder::over_with(bucket, text, keys.into_iter().collect(), Attributes::default())
    }

    /// The same where the text holds attributes too.
    pub fn over_with(bucket: Bucket, text: String, keys: Vec<Range<u32>>, attributes: Attributes) -> Page {
        debug_assert!(keys.iter().all(|key| text.get(key.start as usize..key.end as usize).is_some()));
        Page { bucket, text, keys, attributes }
    }

    /// Adds an object; its `bucket` must be the page's.
    pub fn push(&mut self, object: &Object<'_>) {
        debug_assert_eq!(object.bucket, &self.page.bucket);
        let index = self.page.keys.len();
        let key = self.text(object.key);
        let [physical, etag] = [object.physical, object.etag].map(|text| text.map(|text| self.text(text)));
        let storage_class = object.storage_class.map(|class| self.storage_class(class));
        self.page.keys.push(key);
        self.page.attributes.say(index, physical, object.size, object.modified, storage_class, etag);
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

    /// Neighbours mostly are of one class, so that its name stands once.
    fn storage_class(&mut self, class: &str) -> Range<u32> {
        let last = self.page.attributes.storage_class.last().cloned().flatten();
        let is_same = |span: &Range<u32>| &self.page.text[span.start as usize..span.end as usize] == class;
        last.filter(is_same).unwrap_or_else(|| self.text(class))
    }

    fn text(&mut self, text: &str) -> Range<u32> {
        let start = self.page.text.len();
        self.page.text.push_str(text);
        let bound = |at: usize| u32::try_from(at).expect("a page holds at most 4 GiB of text");
        bound(start)..bound(self.page.text.len())
    }
}

/// Puts `value`, if there is one, behind what the keys before `index` have.
fn say<T: Clone>(column: &mut Vec<Option<T>>, index: usize, value: Option<T>) {
    if value.is_some() {
        column.resize(index, None);
        column.push(value);
    }
}
