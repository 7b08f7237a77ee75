//! `manifest.json` of an S3 Inventory: whose objects it lists, when, in which files, in which columns. Pure.
//!
//! As the S3 user guide describes it ("Locating your inventory list"); what it says more than is read here is passed over.

use std::fmt;

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::uri::Shown;

/// The longest manifest taken, in bytes: some 200 a file, and files hold millions of keys.
pub(super) const MAX_MANIFEST_BYTES: u64 = 64 << 20;

/// One report.
#[derive(Debug)]
pub(super) struct Manifest {
    pub source_bucket: String,
    pub destination_bucket: String,
    /// When S3 began to look at the bucket, in seconds since 1970.
    pub created: i64,
    pub format: Format,
    pub columns: Columns,
    pub files: Vec<File>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// gzip, without a header; keys are URL-encoded.
    Csv,
    Parquet,
    Orc,
}

/// A file of the report.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// A whole key of the destination bucket.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// In lower case.
    pub md5: String,
}

/// Where in a row what is read stands, from 0.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Columns {
    /// Every column, as the schema names it.
    pub names: Vec<String>,
    pub key: usize,
    pub size: Option<usize>,
    pub modified: Option<usize>,
    pub storage_class: Option<usize>,
    pub etag: Option<usize>,
    /// Only a report of all versions has these two: the one that counts, and whether it stands for a deletion.
    pub versions: Option<Versions>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Versions {
    pub is_latest: usize,
    pub is_delete_marker: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    source_bucket: String,
    destination_bucket: String,
    creation_timestamp: Millis,
    file_format: String,
    file_schema: String,
    files: Vec<WrittenFile>,
}

#[derive(Deserialize)]
struct WrittenFile {
    key: String,
    size: u64,
    #[serde(rename = "MD5checksum")]
    md5: String,
}

/// S3 writes it as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Millis {
    Text(String),
    Number(i64),
}

impl Manifest {
    /// Reads `manifest.json`; `name` is what errors call it.
    ///
    /// # Errors
    /// `Corrupt` for what is no manifest, or no whole one; `Unsupported` for formats that S3 does not write, and for
    /// versions that cannot be told from each other.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Manifest> {
        let corrupt = |what: &dyn fmt::Display| Error::new(ErrorKind::Corrupt, format!("{name}: {what}"));
        let written: Written = serde_json::from_slice(bytes).map_err(|error| {
            let error = corrupt(&format!("this is no manifest of an S3 Inventory: {}", Shown(&error.to_string())));
            error
                .help("name the `manifest.json` that S3 wrote, or the folder of its dates: s3://dest/bucket/config-id/")
        })?;
        let format = match written.file_format.to_ascii_lowercase().as_str() {
            "csv" => Format::Csv,
            "parquet" => Format::Parquet,
            "orc" => Format::Orc,
            _ => {
                let format = Shown(&written.file_format);
                let message = format!("{name}: `{format}` is no format of S3 Inventory that is known here");
                return Err(Error::new(ErrorKind::Unsupported, message).help("CSV, Parquet and ORC are read"));
            }
        };
        let millis = match &written.creation_timestamp {
            Millis::Number(millis) => Some(*millis),
            Millis::Text(text) => text.parse().ok(),
        };
        let millis = millis.ok_or_else(|| corrupt(&"`creationTimestamp` is no number of milliseconds"))?;
        let columns = Columns::parse(format, &written.file_schema, name)?;
        let files = written.files.into_iter().map(|file| file.checked(&corrupt)).collect::<Result<_>>()?;
        Ok(Manifest {
            source_bucket: bucket_of(&written.source_bucket).to_owned(),
            destination_bucket: bucket_of(&written.destination_bucket).to_owned(),
            created: millis.div_euclid(1_000),
            format,
            columns,
            files,
        })
    }
}

impl WrittenFile {
    fn checked(self, corrupt: &impl Fn(&dyn fmt::Display) -> Error) -> Result<File> {
        let is_md5 = self.md5.len() == 32 && self.md5.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_md5 {
            return Err(corrupt(&format!("`{}` is no MD5 ({})", Shown(&self.md5), Shown(&self.key))));
        }
        Ok(File { md5: self.md5.to_ascii_lowercase(), key: self.key, size: self.size })
    }
}

impl Columns {
    /// Reads `fileSchema`.
    fn parse(format: Format, schema: &str, name: &str) -> Result<Columns> {
        let names = match format {
            Format::Csv => csv_names(schema),
            Format::Parquet => parquet_names(schema),
            Format::Orc => orc_names(schema),
        };
        let wrong = |kind, what: String| Error::new(kind, format!("{name}: {what}"));
        let at = |wanted: &str| names.iter().position(|name| plain(name) == wanted);
        let Some(key) = at("key") else {
            let what = format!("`fileSchema` names no column `Key`: {}", Shown(schema));
            return Err(wrong(ErrorKind::Corrupt, what));
        };
        let versions = match (at("islatest"), at("isdeletemarker"), at("versionid")) {
            (Some(is_latest), Some(is_delete_marker), _) => Some(Versions { is_latest, is_delete_marker }),
            (None, None, None) => None,
            (is_latest, _, _) => {
                let lacks = if is_latest.is_none() { "IsLatest" } else { "IsDeleteMarker" };
                let what = format!("the report lists versions without `{lacks}`: what is there cannot be told");
                let error = wrong(ErrorKind::Unsupported, what);
                return Err(
                    error.help("set the inventory up anew, for current versions only, or for all with both columns")
                );
            }
        };
        Ok(Columns {
            key,
            size: at("size"),
            modified: at("lastmodifieddate"),
            storage_class: at("storageclass"),
            etag: at("etag"),
            versions,
            names,
        })
    }
}

/// `arn:aws:s3:::bucket`, or the bucket itself.
fn bucket_of(text: &str) -> &str {
    text.strip_prefix("arn:").and_then(|arn| arn.rsplit(':').next()).unwrap_or(text)
}

/// A column's name as all three formats have it: `IsLatest` and `is_latest` are one.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

/// `Bucket, Key, Size`
fn csv_names(schema: &str) -> Vec<String> {
    schema.split(',').map(|name| name.trim().to_owned()).collect()
}

/// `message s3.inventory { required binary key (STRING); optional int64 size; }`
fn parquet_names(schema: &str) -> Vec<String> {
    let fields = schema.split_once('{').map_or("", |(_, fields)| fields);
    let fields = fields.split(';').filter_map(|field| field.split_whitespace().nth(2));
    fields.map(str::to_owned).collect()
}

/// `struct<key:string,size:bigint>`
fn orc_names(schema: &str) -> Vec<String> {
    let fields = schema.trim().strip_prefix("struct<").and_then(|rest| rest.strip_suffix('>')).unwrap_or("");
    let mut depth = 0_u32;
    let fields = fields.split(|c: char| {
        match c {
            '<' | '(' => depth += 1,
            '>' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    fields.filter_map(|field| Some(field.split_once(':')?.0.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &str = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass";

    fn manifest(format: &str, schema: &str) -> Result<Manifest> {
        let document = serde_json::json!({
            "sourceBucket": "source", "destinationBucket": "arn:aws:s3:::destination", "version": "2016-11-30",
            "creationTimestamp": "1514944800123", "fileFormat": format, "fileSchema": schema,
            "files": [{"key": "inv/data/a.gz", "size": 7, "MD5checksum": "F11166069F1990ABEB9C97ACE9CDFABC"}],
        });
        Manifest::parse(document.to_string().as_bytes(), "manifest.json")
    }

    #[test]
    fn a_manifest_says_whose_objects_when_and_in_which_files() {
        let read = manifest("CSV", CSV).unwrap();
        assert_eq!((read.source_bucket.as_str(), read.destination_bucket.as_str()), ("source", "destination"));
        assert_eq!(read.created, 1_514_944_800);
        assert_eq!((read.files[0].key.as_str(), read.files[0].size), ("inv/data/a.gz", 7));
        assert_eq!(read.files[0].md5, "f11166069f1990abeb9c97ace9cdfabc");
    }

    #[test]
    fn the_three_ways_to_write_a_schema_say_the_same() {
        let parquet = "message s3.inventory {  required binary bucket (UTF8);  required binary key (UTF8);  optional \
                       binary version_id (UTF8);  optional boolean is_latest;  optional boolean is_delete_marker;  \
                       optional int64 size;  optional int64 last_modified_date (TIMESTAMP(MILLIS,true));  optional \
                       binary e_tag (UTF8);  optional binary storage_class (UTF8);}";
        let orc = "struct<bucket:string,key:string,version_id:string,is_latest:boolean,is_delete_marker:boolean,\
                   size:bigint,last_modified_date:timestamp,e_tag:string,storage_class:string>";
        for (format, schema) in [("CSV", CSV), ("Parquet", parquet), ("ORC", orc)] {
            let columns = manifest(format, schema).unwrap().columns;
            assert_eq!(columns.names.len(), 9, "{format}");
            let found = (columns.key, columns.size, columns.modified, columns.etag, columns.storage_class);
            assert_eq!(found, (1, Some(5), Some(6), Some(7), Some(8)), "{format}");
            assert_eq!(columns.versions, Some(Versions { is_latest: 3, is_delete_marker: 4 }), "{format}");
        }
    }

    #[test]
    fn columns_stand_in_any_order_and_some_are_absent() {
        let columns = manifest("CSV", "Size,StorageClass , Key").unwrap().columns;
        assert_eq!((columns.key, columns.size, columns.storage_class), (2, Some(0), Some(1)));
        assert_eq!((columns.modified, columns.etag, columns.versions), (None, None, None));
    }

    #[test]
    fn what_cannot_be_read_rightly_is_not_read() {
        for (format, schema, kind) in [
            ("CSV", "Bucket, Size", ErrorKind::Corrupt),
            ("Parquet", "Bucket, Key", ErrorKind::Corrupt),
            ("ORC", "struct<bucket:string>", ErrorKind::Corrupt),
            ("Avro", "Bucket, Key", ErrorKind::Unsupported),
            ("CSV", "Key, VersionId", ErrorKind::Unsupported),
            ("CSV", "Key, IsDeleteMarker", ErrorKind::Unsupported),
            ("CSV", "Key, VersionId, IsLatest", ErrorKind::Unsupported),
        ] {
            assert_eq!(manifest(format, schema).unwrap_err().kind(), kind, "{format} {schema}");
        }
        for text in ["", "{", "[]", "{\"Contents\": []}", "key\n"] {
            assert_eq!(Manifest::parse(text.as_bytes(), "m").unwrap_err().kind(), ErrorKind::Corrupt, "{text}");
        }
    }
}
