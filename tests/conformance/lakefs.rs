//! lakeFS against the in-process server: committed objects on a branch.

use std::sync::Arc;

use async_trait::async_trait;
use restitch::listing::lakefs::{Credentials, LakeFs, Settings};
use restitch::listing::{self, Listing};
use restitch::uri::Uri;

use crate::lakefs_server::{ACCESS_KEY, Fault, SECRET_KEY, Server};
use crate::next;

struct InProcess(Server);

fn started() -> InProcess {
    let server = Server::start();
    server.repository("repo", "s3://bucket/repo");
    InProcess(server)
}

#[async_trait]
impl listing::conformance::Subject for InProcess {
    async fn place(&self) -> Uri {
        Uri::parse(&format!("lakefs://repo/main/places/{}/", next())).unwrap()
    }

    async fn listing(&self, _: &Uri, keys: &[String], page_size: usize) -> Arc<dyn Listing> {
        for key in keys {
            self.0.put("repo", "main", key.strip_prefix("main/").unwrap(), "xyz");
        }
        self.0.commit("repo", "main");
        let credentials = Credentials { access_key_id: ACCESS_KEY.into(), secret_access_key: SECRET_KEY.into() };
        let endpoint = format!("{}/api/v1", self.0.url()).parse().unwrap();
        let settings = Settings { endpoint, credentials: Some(credentials), max_tries: 5 };
        Arc::new(LakeFs::over(settings).unwrap().page_size(page_size))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lakefs_is_as_every_listing() {
    listing::conformance::check(&started()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lakefs_that_has_too_much_to_do() {
    let subject = started();
    let mut requests = 0;
    subject.0.script(move |_| {
        requests += 1;
        (requests % 50 == 0).then_some(Fault::Status(429, "slow down", Some(0)))
    });
    listing::conformance::check(&subject).await;
}
