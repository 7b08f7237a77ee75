//! The in-process S3 server, seen through the SDK with nothing of ours between: what other tests lean on when they use
//! it.
#![cfg(feature = "s3")]

mod loopback;
mod s3_server;

use aws_config::BehaviorVersion;
use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, Region};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{Delete, EncodingType, ObjectIdentifier};
use aws_smithy_types::retry::RetryConfig;
use s3s::dto::{ExpirationStatus, LifecycleExpiration, LifecycleRule};

use s3_server::{ACCESS_KEY, Access, Conditions, Fault, Kind, SECRET_KEY, Server, Tags, WrongRegion};

fn client(server: &Server, region: &str, secret: &str) -> Client {
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(server.url())
        .region(Region::new(region.to_owned()))
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .credentials_provider(Credentials::new(ACCESS_KEY, secret, None, None, "test"))
        .build();
    Client::from_conf(config)
}

fn started() -> (Server, Client) {
    let server = Server::start();
    server.bucket("bucket", "us-east-1");
    let client = client(&server, "us-east-1", SECRET_KEY);
    (server, client)
}

/// `CODE` or `ok`, with the status where there is an answer.
macro_rules! outcome {
    ($sent:expr) => {
        match $sent.send().await {
            Ok(_) => "ok".to_owned(),
            Err(error) => {
                let status = error.raw_response().map_or(0, |answer| answer.status().as_u16());
                format!("{status} {}", error.code().unwrap_or("-"))
            }
        }
    };
}

/// Every key below `prefix`, page by page, as they are after decoding.
async fn pages(client: &Client, prefix: &str, encoded: bool) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut token = None;
    loop {
        let list = client.list_objects_v2().bucket("bucket").prefix(prefix).set_continuation_token(token);
        let list = if encoded { list.encoding_type(EncodingType::Url) } else { list };
        let page = list.send().await.unwrap();
        assert_eq!(page.encoding_type().is_some(), encoded);
        pages.push(page.contents().iter().map(|object| object.key().unwrap().to_owned()).collect());
        token = page.next_continuation_token().map(str::to_owned);
        if page.is_truncated() != Some(true) {
            return pages;
        }
    }
}

#[tokio::test]
async fn keys_come_back_in_byte_order_exact_or_encoded() {
    let (server, client) = started();
    let odd = [
        "/lead",
        "./x",
        "../x",
        "a//b",
        "a",
        "a/b",
        "ctl\u{1}x",
        "k=v/f",
        "new\nline",
        "sp ace",
        "ti~lde",
        "%20",
        "a+b",
        "é😀",
        "trail/",
    ];
    for key in odd {
        client.put_object().bucket("bucket").key(key).body(Vec::from(key).into()).send().await.unwrap();
        let stored = client.get_object().bucket("bucket").key(key).send().await.unwrap();
        assert_eq!(stored.body.collect().await.unwrap().to_vec(), key.as_bytes());
    }
    let mut sorted = odd.map(str::to_owned);
    sorted.sort();
    assert_eq!(server.keys("bucket"), sorted);
    let encoded = pages(&client, "", true).await.concat();
    for (key, expected) in
        [("sp ace", "sp+ace"), ("ctl\u{1}x", "ctl%01x"), ("ti~lde", "ti%7Elde"), ("k=v/f", "k%3Dv/f")]
    {
        assert_eq!(encoded[sorted.iter().position(|sorted| sorted == key).unwrap()], expected);
    }
    server.remove("bucket", "ctl\u{1}x");
    let raw: Vec<_> = sorted.iter().filter(|key| *key != "ctl\u{1}x").cloned().collect();
    assert_eq!(pages(&client, "", false).await.concat(), raw);
}

#[tokio::test]
async fn pages_are_as_long_as_set_and_the_last_may_be_empty() {
    let (server, client) = started();
    for n in 0..5 {
        server.insert("bucket", &format!("p/{n}"), "x");
    }
    server.set(|settings| settings.page_size = 2);
    assert_eq!(pages(&client, "p/", true).await.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    server.set(|settings| settings.empty_last_page = true);
    assert_eq!(pages(&client, "p/", true).await.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1, 0]);
    let after = client.list_objects_v2().bucket("bucket").prefix("p/").start_after("p/2").send().await.unwrap();
    assert_eq!(after.contents()[0].key(), Some("p/3"));
    assert_eq!(server.counts().of(Kind::List), 8);
}

#[tokio::test]
async fn conditions_hold_are_ignored_or_refused() {
    let (server, client) = started();
    let put = || client.put_object().bucket("bucket").key("k").body(b"1".to_vec().into());
    let etag = put().if_none_match("*").send().await.unwrap().e_tag.unwrap();
    assert_eq!(etag, "\"c4ca4238a0b923820dcc509a6f75849b\"");
    assert_eq!(outcome!(put().if_none_match("*")), "412 PreconditionFailed");
    assert_eq!(outcome!(put().if_match(&etag)), "ok");
    assert_eq!(outcome!(put().if_match("\"0\"")), "412 PreconditionFailed");
    assert_eq!(outcome!(put().key("missing").if_match(&etag)), "404 NoSuchKey");
    server.set(|settings| settings.conditions = Conditions::Ignored);
    assert_eq!(outcome!(put().if_none_match("*")), "ok");
    server.set(|settings| settings.conditions = Conditions::Refused);
    assert_eq!(outcome!(put().if_none_match("*")), "501 NotImplemented");
    assert_eq!(outcome!(put()), "ok");
    server.set(|settings| settings.tags = Tags::Kms);
    assert_ne!(put().send().await.unwrap().e_tag, put().send().await.unwrap().e_tag);
}

#[tokio::test]
async fn who_asks_where_is_checked() {
    let (server, client) = started();
    server.bucket("far-away", "eu-west-1");
    for (name, access) in [("open", Access::Public), ("shut", Access::Denied), ("payer", Access::RequesterPays)] {
        server.bucket_with(name, "us-east-1", access);
    }
    let list = |bucket: &str| client.list_objects_v2().bucket(bucket);
    assert_eq!(outcome!(list("open")), "ok");
    assert_eq!(outcome!(list("shut")), "403 AccessDenied");
    assert_eq!(outcome!(list("payer")), "403 AccessDenied");
    assert_eq!(outcome!(list("payer").request_payer("requester".into())), "ok");
    assert_eq!(outcome!(list("missing")), "404 NoSuchBucket");
    assert_eq!(outcome!(list("far-away")), "301 PermanentRedirect");
    let error = list("far-away").send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().headers().get("x-amz-bucket-region"), Some("eu-west-1"));
    server.set(|settings| settings.wrong_region = WrongRegion::Malformed);
    assert_eq!(outcome!(list("far-away")), "400 AuthorizationHeaderMalformed");
    assert_eq!(outcome!(self::client(&server, "eu-west-1", SECRET_KEY).list_objects_v2().bucket("far-away")), "ok");
    let wrong = self::client(&server, "us-east-1", "not the secret");
    assert_eq!(outcome!(wrong.list_objects_v2().bucket("bucket")), "403 SignatureDoesNotMatch");
}

#[tokio::test]
async fn batches_delete_up_to_1000_and_say_what_they_could_not() {
    let (server, client) = started();
    for key in ["a", "b", "c"] {
        server.insert("bucket", key, "x");
    }
    server.edit("bucket", "b", |object| object.locked = true);
    let batch = |keys: Vec<String>| {
        let objects = keys.into_iter().map(|key| ObjectIdentifier::builder().key(key).build().unwrap());
        let delete = Delete::builder().set_objects(Some(objects.collect())).quiet(true).build().unwrap();
        client.delete_objects().bucket("bucket").delete(delete)
    };
    let done = batch(vec!["a".into(), "b".into(), "missing".into()]).send().await.unwrap();
    assert_eq!((done.deleted().len(), done.errors().len()), (0, 1));
    assert_eq!((done.errors()[0].key(), done.errors()[0].code()), (Some("b"), Some("AccessDenied")));
    assert_eq!(server.keys("bucket"), ["b", "c"]);
    assert_eq!(outcome!(batch((0..1_001).map(|n| n.to_string()).collect())), "400 MalformedXML");
    assert_eq!(outcome!(client.delete_object().bucket("bucket").key("b")), "403 AccessDenied");
}

#[tokio::test]
async fn faults_strike_before_or_after_the_write() {
    let (server, client) = started();
    for (fault, outcome, lands) in [
        (Fault::SlowDown, "503 SlowDown", false),
        (Fault::Internal, "500 InternalError", false),
        (Fault::Conflict, "409 ConditionalRequestConflict", false),
        (Fault::NotImplemented, "501 NotImplemented", false),
        (Fault::LostRequest, "0 -", false),
        (Fault::LostAnswer, "0 -", true),
    ] {
        server.remove("bucket", "k");
        server.script(move |call| (call.kind == Kind::Put && call.key == "k").then_some(fault));
        assert_eq!(outcome!(client.put_object().bucket("bucket").key("k").body(b"1".to_vec().into())), outcome);
        assert_eq!(server.body("bucket", "k").is_some(), lands, "{fault:?}");
    }
    server.insert("bucket", "k", "a body to be torn");
    server.script(|call| (call.kind == Kind::Get).then_some(Fault::TornAnswer));
    let torn = client.get_object().bucket("bucket").key("k").send().await.unwrap();
    assert!(torn.body.collect().await.is_err());
    server.clear_script();
    assert_eq!((server.counts().of(Kind::Put), server.counts().writes(), server.counts().of(Kind::Get)), (6, 6, 1));
}

#[tokio::test]
async fn the_clock_is_the_tests() {
    let (server, client) = started();
    server.set(|settings| settings.now = Some(1_700_000_000));
    server.insert("bucket", "k", "x");
    server.set(|settings| settings.now = Some(1_700_000_060));
    let object = client.get_object().bucket("bucket").key("k").send().await.unwrap();
    assert_eq!(object.last_modified().unwrap().secs(), 1_700_000_000);
    let error = client.get_object().bucket("bucket").key("other").send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().headers().get("date"), Some("Tue, 14 Nov 2023 22:14:20 GMT"));
}

#[tokio::test]
async fn a_bucket_says_whether_it_has_versions_and_what_leaves_it() {
    let (server, client) = started();
    let versioning = || client.get_bucket_versioning().bucket("bucket");
    let lifecycle = || client.get_bucket_lifecycle_configuration().bucket("bucket");
    assert_eq!(versioning().send().await.unwrap().status, None);
    assert_eq!(outcome!(lifecycle()), "404 NoSuchLifecycleConfiguration");
    let rule = LifecycleRule {
        abort_incomplete_multipart_upload: None,
        expiration: Some(LifecycleExpiration { days: Some(30), ..LifecycleExpiration::default() }),
        filter: None,
        id: Some("old".into()),
        noncurrent_version_expiration: None,
        noncurrent_version_transitions: None,
        prefix: Some("logs/".into()),
        status: ExpirationStatus::from_static(ExpirationStatus::ENABLED),
        transitions: None,
    };
    server.upkeep("bucket", true, vec![rule]);
    assert_eq!(versioning().send().await.unwrap().status.unwrap().as_str(), "Enabled");
    let said = lifecycle().send().await.unwrap();
    assert_eq!((said.rules()[0].id(), said.rules()[0].expiration().unwrap().days()), (Some("old"), Some(30)));
    let kinds = [Kind::Versioning, Kind::Lifecycle].map(|kind| server.counts().of(kind));
    assert_eq!(kinds, [2, 2]);
}
