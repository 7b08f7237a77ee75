//! S3 against the in-process server, well-behaved and not: pages, encodings, regions, throttling, ETags.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::retry::RetryConfig;
use restitch::listing::s3::S3;
use restitch::listing::{self, Listing};
use restitch::rules::table::Access;
use restitch::store::conformance::Holds;
use restitch::store::s3::S3Store;
use restitch::store::{self, Store};
use restitch::uri::Uri;

use crate::next;
use crate::s3_server::{ACCESS_KEY, Fault, SECRET_KEY, Server, Settings, Tags, WrongRegion};

struct InProcess {
    server: Server,
    sdk: SdkConfig,
    /// By page size: a client costs milliseconds to make.
    stores: Mutex<HashMap<usize, Arc<S3Store>>>,
}

impl InProcess {
    /// A bucket in another region than the client's, so that every test follows a redirect.
    fn started(change: impl FnOnce(&mut Settings)) -> InProcess {
        let server = Server::start();
        server.bucket("bucket", "eu-central-1");
        server.set(change);
        let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(server.url())
            .region(Region::from_static("us-east-1"))
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(5)))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        InProcess { server, sdk, stores: Mutex::default() }
    }
}

fn place() -> Uri {
    Uri::parse(&format!("s3://bucket/places/{}/", next())).unwrap()
}

/// Without `encoding-type=url` the answer is XML that cannot say most control characters.
fn is_xml(key: &str) -> bool {
    key.chars().all(|c| c >= ' ' || matches!(c, '\t' | '\n'))
}

#[async_trait]
impl listing::conformance::Subject for InProcess {
    async fn place(&self) -> Uri {
        place()
    }

    async fn listing(&self, place: &Uri, keys: &[String], page_size: usize) -> Arc<dyn Listing> {
        for key in keys {
            self.server.insert(&place.bucket.name, key, "xyz");
        }
        Arc::new(S3::over(&self.sdk, &Access::default()).unwrap().page_size(page_size))
    }

    fn holds(&self, key: &str) -> bool {
        self.server.settings().encodes_urls || is_xml(key)
    }
}

#[async_trait]
impl store::conformance::Subject for InProcess {
    async fn open(&self, page_size: usize) -> Arc<dyn Store> {
        let open = || Arc::new(S3Store::over(&self.sdk, &Access::default()).unwrap().page_size(page_size));
        self.stores.lock().unwrap().entry(page_size).or_insert_with(open).clone()
    }

    async fn place(&self) -> Uri {
        place()
    }

    fn holds(&self, key: &str) -> Holds {
        if self.server.settings().encodes_urls || is_xml(key) { Holds::Exactly } else { Holds::Garbled }
    }
}

async fn check(subject: InProcess) {
    listing::conformance::check(&subject).await;
    store::conformance::check(&subject).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_is_as_every_listing_and_store() {
    check(InProcess::started(|_| {})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_that_encodes_nothing() {
    check(InProcess::started(|settings| settings.encodes_urls = false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_whose_last_page_is_empty() {
    check(InProcess::started(|settings| settings.empty_last_page = true)).await;
}

/// A server may give fewer keys than it was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn s3_that_cuts_pages_short() {
    check(InProcess::started(|settings| settings.page_size = 3)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_whose_tags_say_nothing_of_the_body() {
    check(InProcess::started(|settings| settings.tags = Tags::Kms)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_that_calls_a_wrong_region_malformed() {
    check(InProcess::started(|settings| settings.wrong_region = WrongRegion::Malformed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_that_asks_to_slow_down() {
    let subject = InProcess::started(|_| {});
    let mut requests = 0;
    subject.server.script(move |_| {
        requests += 1;
        (requests % 50 == 0).then_some(Fault::SlowDown)
    });
    check(subject).await;
}
