//! Listings that somebody wrote down, in each format.

use std::sync::Arc;

use async_trait::async_trait;
use restitch::listing::{self, Listing};
use restitch::uri::Uri;
use tempfile::TempDir;

use crate::{next, place};

struct Written {
    folder: TempDir,
    format: Format,
}

#[derive(Clone, Copy, Debug)]
enum Format {
    Text,
    JsonLines,
    Document,
    Csv,
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Format::Text => "txt",
            Format::JsonLines => "jsonl",
            Format::Document => "json",
            Format::Csv => "csv",
        }
    }

    fn write(self, place: &Uri, keys: &[String]) -> String {
        const TIME: &str = "2024-01-05T12:00:00Z";
        let json = |value: &str| serde_json::to_string(value).unwrap();
        let raw = |key: &String| Uri::new(place.bucket.clone(), key.as_str()).raw();
        match self {
            Format::Text => keys.iter().map(|key| raw(key) + "\n").collect(),
            Format::JsonLines => {
                let line =
                    |key: &String| format!("{{\"uri\": {}, \"size\": 3, \"modified\": \"{TIME}\"}}\n", json(&raw(key)));
                keys.iter().map(line).collect()
            }
            Format::Document => {
                let object =
                    |key: &String| format!("{{\"Key\": {}, \"Size\": 3, \"LastModified\": \"{TIME}\"}}", json(key));
                format!("{{\"Contents\": [{}]}}", keys.iter().map(object).collect::<Vec<_>>().join(",\n"))
            }
            Format::Csv => {
                let line = |key: &String| format!("\"{}\",3,{TIME}\n", key.replace('"', "\"\""));
                "key,size,last_modified\n".to_owned() + &keys.iter().map(line).collect::<String>()
            }
        }
    }
}

#[async_trait]
impl listing::conformance::Subject for Written {
    async fn place(&self) -> Uri {
        place()
    }

    async fn listing(&self, place: &Uri, keys: &[String], _: usize) -> Arc<dyn Listing> {
        let path = self.folder.path().join(format!("{}.{}", next(), self.format.extension()));
        std::fs::write(&path, self.format.write(place, keys)).unwrap();
        Arc::new(listing::lines::Lines::open(&path, Some(place.clone())).unwrap())
    }

    /// A text's lines end at `\n`, with a `\r` before it or not.
    fn holds(&self, key: &str) -> bool {
        !matches!(self.format, Format::Text) || !key.contains(['\n', '\r'])
    }

    fn is_ordered(&self) -> bool {
        false
    }

    fn cuts_pages(&self) -> bool {
        false
    }

    fn has_attributes(&self) -> bool {
        !matches!(self.format, Format::Text)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn written_listings_list_as_every_listing() {
    for format in [Format::Text, Format::JsonLines, Format::Document, Format::Csv] {
        println!("{format:?}");
        listing::conformance::check(&Written { folder: tempfile::tempdir().unwrap(), format }).await;
    }
}
