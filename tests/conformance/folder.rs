//! Local folders, as a listing and as a store.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use restitch::listing::{self, Listing};
use restitch::store::conformance::Holds;
use restitch::store::{self, Store};
use restitch::uri::{Bucket, Uri};
use tempfile::TempDir;

use crate::next;

struct Folders(TempDir);

impl Folders {
    fn new() -> Folders {
        Folders(tempfile::tempdir().unwrap())
    }

    fn at(&self, rest: &str) -> Uri {
        let folder = self.0.path().canonicalize().unwrap();
        Uri::new(Bucket::local(), format!("{}/{rest}", folder.to_str().unwrap().trim_start_matches('/')))
    }

    /// Whether a key is a file's path, and none that another key needs as a folder.
    fn is_path(key: &str) -> bool {
        let part = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= 255;
        key.split('/').all(part) && !Folders::is_also_folder(key)
    }

    fn is_also_folder(key: &str) -> bool {
        matches!(key, "n" | "o" | "p")
    }
}

#[async_trait]
impl listing::conformance::Subject for Folders {
    async fn place(&self) -> Uri {
        self.at(&format!("{}/", next()))
    }

    async fn listing(&self, _: &Uri, keys: &[String], page_size: usize) -> Arc<dyn Listing> {
        for key in keys {
            let path = Path::new("/").join(key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "xyz").unwrap();
        }
        Arc::new(listing::folder::Folder::new().page_size(page_size))
    }

    fn holds(&self, key: &str) -> bool {
        Folders::is_path(key)
    }
}

#[async_trait]
impl store::conformance::Subject for Folders {
    async fn open(&self, page_size: usize) -> Arc<dyn Store> {
        Arc::new(store::folder::Folder::open(&self.at("")).unwrap().page_size(page_size))
    }

    async fn place(&self) -> Uri {
        self.at(&format!("{}/", next()))
    }

    fn holds(&self, key: &str) -> Holds {
        match key {
            key if Folders::is_path(key) => Holds::Exactly,
            key if Folders::is_also_folder(key) => Holds::Garbled,
            _ => Holds::Refused,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_list_as_every_listing() {
    listing::conformance::check(&Folders::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_store_as_every_store() {
    store::conformance::check(&Folders::new()).await;
}
