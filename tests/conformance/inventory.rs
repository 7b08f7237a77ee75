//! An S3 Inventory in CSV, whose keys are URL-encoded. Parquet and ORC are held to real writers' files in
//! `tests/inventory.rs`.

use std::io::Write;
use std::sync::Arc;

use async_trait::async_trait;
use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest, Md5};
use restitch::listing::inventory::Inventory;
use restitch::listing::{self, Listing};
use restitch::rules::table::Access;
use restitch::uri::Uri;
use serde_json::json;
use tempfile::TempDir;

use crate::{next, place};

/// Files that a report's rows are spread over, more than are read at once.
const FILES: usize = 11;

struct Reports {
    folder: TempDir,
}

/// As S3 encodes keys.
fn encoded(key: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => (byte as char).to_string(),
        b' ' => "+".to_owned(),
        _ => format!("%{byte:02X}"),
    };
    key.bytes().map(encode).collect()
}

fn hex(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[async_trait]
impl listing::conformance::Subject for Reports {
    async fn place(&self) -> Uri {
        place()
    }

    async fn listing(&self, place: &Uri, keys: &[String], _: usize) -> Arc<dyn Listing> {
        let folder = self.folder.path().join(next().to_string());
        std::fs::create_dir(&folder).unwrap();
        let mut files = Vec::new();
        for file in 0..FILES {
            let name = format!("{file}.csv.gz");
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            for key in keys.iter().skip(file).step_by(FILES) {
                let key = encoded(key);
                writeln!(gzip, "\"{}\",\"{key}\",\"3\",\"2024-01-05T12:00:00.000Z\"", place.bucket.name).unwrap();
            }
            let body = gzip.finish().unwrap();
            files.push(json!({"key": name, "size": body.len(), "MD5checksum": hex(&body)}));
            std::fs::write(folder.join(name), body).unwrap();
        }
        let manifest = json!({
            "sourceBucket": place.bucket.name, "destinationBucket": "arn:aws:s3:::reports", "version": "2016-11-30",
            "creationTimestamp": "1704456000000", "fileFormat": "CSV",
            "fileSchema": "Bucket, Key, Size, LastModifiedDate", "files": files,
        })
        .to_string();
        std::fs::write(folder.join("manifest.checksum"), hex(manifest.as_bytes())).unwrap();
        let path = folder.join("manifest.json");
        std::fs::write(&path, manifest).unwrap();
        let source = path.to_str().unwrap();
        let opened = Inventory::open(source, &path, Some(place.clone()), &Access::default(), true).await.unwrap();
        Arc::new(opened)
    }

    fn is_ordered(&self) -> bool {
        false
    }

    fn cuts_pages(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inventory_lists_as_every_listing() {
    listing::conformance::check(&Reports { folder: tempfile::tempdir().unwrap() }).await;
}
