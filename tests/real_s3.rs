//! Listings and manifests in real S3 servers: `tests/engines/s3 KIND cargo test --test real_s3 -- --ignored`.
//!
//! What each server refuses or takes for another key is stated in [`Kind::holds`], as found by asking it.
#![cfg(feature = "s3")]

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use restitch::listing::s3::S3;
use restitch::listing::{self, Listing};
use restitch::rules::table::Access;
use restitch::store::conformance::{Holds, Races};
use restitch::store::s3::S3Store;
use restitch::store::{self, Condition, Store};
use restitch::uri::Uri;

#[derive(Clone, Copy)]
enum Kind {
    /// Keeps keys as paths of files.
    Minio,
    /// Keeps every key, and lists in XML 1.0 only.
    Gofakes3,
}

impl Kind {
    fn here() -> Kind {
        match std::env::var("RESTITCH_S3_KIND").as_deref() {
            Ok("minio") => Kind::Minio,
            Ok("gofakes3") => Kind::Gofakes3,
            _ => panic!("no server: tests/engines/s3 KIND starts one and says which"),
        }
    }

    fn holds(self, key: &str) -> Holds {
        let is_path = || key.trim_end_matches('/').split('/').all(|part| !matches!(part, "" | "." | ".."));
        match self {
            // It drops a slash in front.
            Kind::Minio if key.starts_with('/') => Holds::Garbled,
            // Beside an object `n`, it does not list what lies below `n/`.
            Kind::Minio if matches!(key, "n" | "o" | "p") => Holds::Garbled,
            Kind::Minio if !is_path() || key.ends_with("//") => Holds::Refused,
            Kind::Minio if key.split('/').any(|part| part.len() > 255) => Holds::Refused,
            // It lists what XML cannot say as U+FFFD.
            Kind::Gofakes3 if key.chars().any(|c| c < ' ' && !matches!(c, '\t' | '\n' | '\r')) => Holds::Garbled,
            Kind::Minio | Kind::Gofakes3 => Holds::Exactly,
        }
    }
}

fn place() -> Uri {
    let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    Uri::parse(&format!("s3://restitch/places/{nanoseconds}/")).unwrap()
}

#[async_trait]
impl listing::conformance::Subject for Kind {
    async fn place(&self) -> Uri {
        place()
    }

    async fn listing(&self, place: &Uri, keys: &[String], page_size: usize) -> Arc<dyn Listing> {
        let store = S3Store::open(&Access::default()).await.unwrap();
        let put = |key: &String| {
            let (store, uri) = (&store, Uri::new(place.bucket.clone(), key.as_str()));
            async move { store.put(&uri, "xyz".into(), &Condition::None).await }
        };
        stream::iter(keys.iter().map(put)).buffer_unordered(16).try_collect::<Vec<_>>().await.unwrap();
        Arc::new(S3::open(&Access::default()).await.unwrap().page_size(page_size))
    }

    fn holds(&self, key: &str) -> bool {
        Kind::holds(*self, key) == Holds::Exactly
    }
}

#[async_trait]
impl store::conformance::Subject for Kind {
    async fn open(&self, page_size: usize) -> Arc<dyn Store> {
        Arc::new(S3Store::open(&Access::default()).await.unwrap().page_size(page_size))
    }

    async fn place(&self) -> Uri {
        place()
    }

    /// gofakes3 takes no notice of the condition.
    fn copies_under_conditions(&self) -> bool {
        matches!(self, Kind::Minio)
    }

    fn holds(&self, key: &str) -> Holds {
        Kind::holds(*self, key)
    }

    fn races(&self) -> Races {
        Races { clients: 20, rounds: 10 }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a server: tests/engines/s3"]
async fn it_lists_as_every_listing() {
    listing::conformance::check(&Kind::here()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a server: tests/engines/s3"]
async fn it_stores_as_every_store() {
    store::conformance::check(&Kind::here()).await;
}
