//! CSV with a header: `uri`, or `key` (with `bucket`), and what else the columns say. Keys stand as they are.

use std::io::Read;

use csv::{ByteRecord, ErrorKind, ReaderBuilder};

use super::{Attributes, Filler, Pages, Scope, Stop};
use crate::error::{Error, Result};
use crate::uri::{Bucket, Scheme, Shown};
use crate::value::instant;

/// The columns that are read, by their place.
#[derive(Debug, Default)]
struct Columns {
    uri: Option<usize>,
    key: Option<usize>,
    bucket: Option<usize>,
    size: Option<usize>,
    modified: Option<usize>,
    storage_class: Option<usize>,
    etag: Option<usize>,
    physical_address: Option<usize>,
}

pub(super) fn read(source: impl Read, scope: &Scope, pages: &Pages) -> Result<(), Stop> {
    let mut reader = ReaderBuilder::new().has_headers(false).from_reader(source);
    let mut record = ByteRecord::new();
    if !reader.read_byte_record(&mut record).map_err(|error| wrong(scope, error))? {
        return Ok(());
    }
    let columns = Columns::read(&record, scope)?;
    let mut filler = Filler::new(pages);
    while reader.read_byte_record(&mut record).map_err(|error| wrong(scope, error))? {
        let line = record.position().map_or(0, csv::Position::line);
        columns.object(&record, line, scope, &mut filler)?;
    }
    filler.flush()
}

/// Whether a line is a header of columns that are all known here, one of them `uri` or `key`.
pub(super) fn is_header(line: &str) -> bool {
    let mut columns = Columns::default();
    let known =
        line.split(',').all(|name| columns.slot(name.trim_matches('"')).is_some_and(|slot| slot.replace(0).is_none()));
    known && line.contains(',') && (columns.uri.is_some() || columns.key.is_some())
}

impl Columns {
    fn read(header: &ByteRecord, scope: &Scope) -> Result<Columns> {
        let mut columns = Columns::default();
        for (place, name) in header.iter().enumerate() {
            let name = String::from_utf8_lossy(name).into_owned();
            if let Some(slot) = columns.slot(&name)
                && slot.replace(place).is_some()
            {
                return Err(scope.error(1, format!("two columns say the same as `{}`", Shown(&name))));
            }
        }
        if columns.uri.is_none() && columns.key.is_none() {
            let error = scope.error(1, "no column is called `uri` or `key`");
            return Err(error.help("the first line names the columns: uri,size,modified,storage_class,etag"));
        }
        Ok(columns)
    }

    /// Where the place of a column goes; case, `_`, `-` and spaces in its name do not count.
    fn slot(&mut self, name: &str) -> Option<&mut Option<usize>> {
        let plain = |c: &char| c.is_alphanumeric();
        let name: String = name.trim_start_matches('\u{feff}').chars().filter(plain).collect();
        match name.to_lowercase().as_str() {
            "uri" | "url" | "s3uri" => Some(&mut self.uri),
            "key" | "objectkey" => Some(&mut self.key),
            "bucket" | "bucketname" => Some(&mut self.bucket),
            "size" | "sizebytes" | "sizeinbytes" => Some(&mut self.size),
            "modified" | "lastmodified" | "lastmodifieddate" => Some(&mut self.modified),
            "storageclass" => Some(&mut self.storage_class),
            "etag" => Some(&mut self.etag),
            "physicaladdress" => Some(&mut self.physical_address),
            _ => None,
        }
    }

    fn object(&self, record: &ByteRecord, line: u64, scope: &Scope, filler: &mut Filler<'_>) -> Result<(), Stop> {
        let field = |place: Option<usize>| -> Result<Option<&str>> {
            let Some(bytes) = place.and_then(|place| record.get(place)) else { return Ok(None) };
            let text = std::str::from_utf8(bytes).map_err(|_| scope.error(line, "not UTF-8, which every key is"))?;
            Ok(Some(text).filter(|text| !text.is_empty()))
        };
        let size = match field(self.size)? {
            None => None,
            Some(text) => {
                Some(text.parse().map_err(|_| scope.error(line, format!("`{}` is no size in bytes", Shown(text))))?)
            }
        };
        let modified = match field(self.modified)? {
            None => None,
            Some(text) => {
                Some(instant(text).ok_or_else(|| scope.error(line, format!("`{}` is no date and time", Shown(text))))?)
            }
        };
        let (storage_class, etag) = (field(self.storage_class)?, field(self.etag)?);
        let attributes = Attributes { physical: field(self.physical_address)?, size, modified, storage_class, etag };
        let (bucket, key) = match (field(self.uri)?, field(self.key)?, field(self.bucket)?) {
            (Some(uri), ..) => scope.locate(line, uri)?,
            (None, Some(key), Some(bucket)) => {
                let scheme = scope.prefix.as_ref().map_or(Scheme::S3, |prefix| prefix.bucket.scheme);
                let bucket = Bucket::new(scheme, bucket);
                scope.check(line, &bucket, key)?;
                (bucket, key)
            }
            (None, Some(key), None) => scope.locate(line, key)?,
            (None, None, _) => return Err(scope.error(line, "the key is missing").into()),
        };
        filler.push(&bucket, key, attributes)
    }
}

fn wrong(scope: &Scope, error: csv::Error) -> Error {
    let line = error.position().map_or(0, csv::Position::line);
    match error.into_kind() {
        ErrorKind::Io(error) => scope.io(error),
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            scope.error(line, format!("{len} fields, where the header has {expected_len}"))
        }
        other => scope.error(line, format!("{other:?}")),
    }
}
