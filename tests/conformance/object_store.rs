//! The crate `object_store` behind our adapter: its in-memory store, and its client for Google against the in-process
//! server, which then speaks Google's dialect of S3.

use std::sync::Arc;

use ::object_store::memory::InMemory;
use async_trait::async_trait;
use restitch::error::ErrorKind;
use restitch::rules::table::Access;
use restitch::store::conformance::{Holds, Subject, check};
use restitch::store::object_store::ObjectStore;
use restitch::store::{self, Condition, Store};
use restitch::uri::{Bucket, Scheme, Uri};

use crate::next;
use crate::s3_server::{self, Fault, Server};

struct InTheirMemory(Arc<InMemory>);

/// What the crate's paths can say.
fn is_path(key: &str) -> bool {
    let part = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(|c: char| c.is_ascii_control());
    key.split('/').all(part)
}

#[async_trait]
impl Subject for InTheirMemory {
    async fn open(&self, page_size: usize) -> Arc<dyn Store> {
        Arc::new(ObjectStore::new(self.0.clone(), Bucket::new(Scheme::Az, "container")).page_size(page_size))
    }

    async fn place(&self) -> Uri {
        Uri::parse(&format!("az://container/places/{}/", next())).unwrap()
    }

    /// Azure takes a backslash for a slash.
    fn holds(&self, key: &str) -> Holds {
        if is_path(key) && !key.contains('\\') { Holds::Exactly } else { Holds::Refused }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn their_memory_stores_as_every_store() {
    check(&InTheirMemory(Arc::default())).await;
}

#[tokio::test]
async fn a_refused_key_says_why_before_anything_is_written() {
    let subject = InTheirMemory(Arc::default());
    let (store, place) = (subject.open(1_000).await, subject.place().await);
    let error = store.put(&place.join("a//b"), "x".into(), &Condition::Absent).await.unwrap_err();
    assert!(error.message().contains("empty part") && error.help_text().is_some(), "{error:?}");
}

struct Google {
    server: Server,
    /// Opened once: each client reads the system's certificates.
    store: ObjectStore,
}

impl Google {
    fn started() -> Google {
        let server = Server::start();
        server.set(|settings| settings.generations = true);
        server.bucket_with("bucket", "us", s3_server::Access::Public);
        server.bucket_with("shut", "us", s3_server::Access::Denied);
        let access = Access { endpoint: Some(server.url()), anonymous: true, ..Access::default() };
        let store = ObjectStore::open(&Uri::parse("gs://bucket/").unwrap(), &access).unwrap();
        Google { server, store }
    }
}

#[async_trait]
impl Subject for Google {
    async fn open(&self, page_size: usize) -> Arc<dyn Store> {
        Arc::new(self.store.clone().page_size(page_size))
    }

    async fn place(&self) -> Uri {
        Uri::parse(&format!("gs://bucket/places/{}/", next())).unwrap()
    }

    fn holds(&self, key: &str) -> Holds {
        if is_path(key) { Holds::Exactly } else { Holds::Refused }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn google_stores_as_every_store() {
    let google = Google::started();
    check(&google).await;
    google.server.set(|settings| settings.page_size = 7);
    check(&google).await;
}

#[tokio::test]
async fn times_are_googles() {
    let google = Google::started();
    google.server.set(|settings| settings.now = Some(1_700_000_000));
    let (store, uri) = (google.open(1_000).await, google.place().await.join("k"));
    let written = store.put(&uri, "x".into(), &Condition::Absent).await.unwrap();
    google.server.set(|settings| settings.now = Some(1_700_000_060));
    let stored = store.get(&uri).await.unwrap().unwrap();
    assert_eq!((written.now, stored.modified, stored.now), (1_700_000_000, 1_700_000_000, 1_700_000_060));
}

#[tokio::test]
async fn what_google_refuses_is_said_by_kind() {
    let google = Google::started();
    let access = Access { endpoint: Some(google.server.url()), anonymous: true, ..Access::default() };
    let kind = async |location: &str, access: &Access| {
        let location = Uri::parse(location).unwrap();
        let store = store::open(&location, access).await.unwrap();
        let error = store.put(&location, "x".into(), &Condition::None).await.unwrap_err();
        assert!(error.help_text().is_some(), "{error:?}");
        error.kind()
    };
    assert_eq!(kind("gs://shut/k", &access).await, ErrorKind::Denied);
    assert_eq!(kind("gs://missing/k", &access).await, ErrorKind::NotFound);
    google.server.script(|_| Some(Fault::SlowDown));
    assert_eq!(kind("gs://bucket/k", &access).await, ErrorKind::Throttled);
    let nobody = Access { endpoint: Some("http://127.0.0.1:9".into()), ..access };
    assert_eq!(kind("gs://bucket/k", &nobody).await, ErrorKind::Unreachable);
}
