//! S3, live, as listing and store: against the in-process server where a good S3 answers, and against answers written
//! down where none would give them.
#![cfg(feature = "s3")]

mod loopback;
mod s3_server;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use futures::TryStreamExt;
use restitch::error::{Error, ErrorKind, Result};
use restitch::listing::s3::S3;
use restitch::listing::{Listing, Page};
use restitch::rules::table;
use restitch::store::s3::S3Store;
use restitch::store::{Condition, ETag, Store};
use restitch::uri::Uri;

use s3_server::{ACCESS_KEY, Access, Conditions, Fault, Kind, SECRET_KEY, Server, Tags, WrongRegion};

fn sdk(url: &str, tries: u32) -> SdkConfig {
    let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(url)
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::standard().with_max_attempts(tries).with_initial_backoff(Duration::from_millis(5)))
        // The tests' servers have clocks of their own.
        .disable_clock_skew_correction(true)
        .build()
}

fn listing(server: &Server) -> S3 {
    S3::over(&sdk(&server.url(), 5), &table::Access::default()).unwrap()
}

fn store(server: &Server) -> S3Store {
    S3Store::over(&sdk(&server.url(), 5), &table::Access::default()).unwrap()
}

fn started() -> Server {
    let server = Server::start();
    server.bucket("bucket", "us-east-1");
    server
}

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

async fn pages(listing: &S3, prefix: &str) -> Result<Vec<Vec<String>>> {
    let pages: Vec<Page> = listing.list(&uri(prefix)).try_collect().await?;
    Ok(pages.iter().map(|page| page.objects().map(|object| object.key.to_owned()).collect()).collect())
}

async fn keys(listing: &S3, prefix: &str) -> Result<Vec<String>> {
    Ok(pages(listing, prefix).await?.concat())
}

/// What is listed by many requests at once, sorted.
async fn keys_in_any_order(listing: &S3, prefix: &str) -> Result<Vec<String>> {
    let pages: Vec<Page> = listing.list_in_any_order(&uri(prefix), None).try_collect().await?;
    let mut keys: Vec<String> = pages.iter().flat_map(Page::objects).map(|object| object.key.to_owned()).collect();
    keys.sort_unstable();
    Ok(keys)
}

/// What an error says, in full; that it gives nothing away is checked here, for every error of this file.
fn said(error: &Error) -> String {
    let said = format!("{error:?}");
    for secret in [SECRET_KEY, "AWS4-HMAC", "Signature=", "authorization"] {
        assert!(!said.contains(secret), "{said}");
    }
    said
}

const ODD: [&str; 21] = [
    "/lead",
    "//",
    "./x",
    "../x",
    "a",
    "a/",
    "a//b",
    "a/b",
    "a/./b",
    "a/../b",
    "ctl\u{1}x",
    "ctl\u{7f}x\u{85}",
    "k=v/f",
    "new\r\nline\t",
    "sp ace ",
    "ti~lde*'()!",
    "%20%",
    "a+b",
    "<&>\"'&amp;",
    "é😀\u{2028}",
    "\u{fffd}",
];

#[tokio::test]
async fn every_key_comes_exactly_as_it_is() {
    let server = started();
    let longest = "x".repeat(1_024);
    for key in ODD.into_iter().chain([longest.as_str()]) {
        server.insert("bucket", key, "x");
    }
    let all = server.keys("bucket");
    for page_size in [1, 2, 7, 1_000] {
        server.set(|settings| settings.page_size = page_size);
        assert_eq!(keys(&listing(&server), "s3://bucket/").await.unwrap(), all);
    }
    for key in &all {
        assert_eq!(keys(&listing(&server), &format!("s3://bucket/{key}")).await.unwrap()[0], *key);
    }
    // What XML cannot say, a store that leaves keys as they are cannot list.
    server.set(|settings| settings.encodes_urls = false);
    for key in ["ctl\u{1}x", "ctl\u{7f}x\u{85}"] {
        server.remove("bucket", key);
    }
    assert_eq!(keys(&listing(&server), "s3://bucket/").await.unwrap(), server.keys("bucket"));
}

/// A server with 2,000 keys of two layouts.
fn filled() -> Server {
    let server = started();
    server.set(|settings| settings.page_size = 20);
    for number in 0..1_000_u32 {
        server.insert("bucket", &format!("flat/{:08x}.csv", number.wrapping_mul(0x9e37_79b9)), "x");
        server.insert("bucket", &format!("k=é&{}/{:02}//{number:04}+ .csv", number % 3, number % 28), "x");
    }
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_at_once_list_what_one_after_the_other_do() {
    let honest: fn(&mut s3_server::Settings) = |_| {};
    for change in [
        honest,
        |settings| settings.starts_after = false,
        |settings| settings.delimits = false,
        |settings| settings.encodes_urls = false,
        |settings| settings.empty_last_page = true,
        |settings| settings.cuts_anywhere = true,
        |settings| (settings.starts_after, settings.delimits, settings.cuts_anywhere) = (false, false, true),
    ] {
        let server = filled();
        server.set(change);
        for prefix in ["s3://bucket/", "s3://bucket/flat/", "s3://bucket/k", "s3://bucket/k=é&1/", "s3://bucket/none"]
        {
            let all = keys(&listing(&server), prefix).await.unwrap();
            for at_once in [1, 2, 16] {
                let listed = keys_in_any_order(&listing(&server).at_once(at_once), prefix).await.unwrap();
                assert!(listed == all, "{prefix}, {at_once} at once: {} keys, not {}", listed.len(), all.len());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_one_request_and_many_pages_are_on_their_way_at_once() {
    let server = filled();
    let one_page = listing(&server);
    assert_eq!(keys_in_any_order(&one_page, "s3://bucket/k=é&1/05/").await.unwrap().len(), 12);
    assert_eq!(one_page.requests().lists, 1);
    // 50 pages of 20 keys that each take 20 ms are a second one after the other.
    server.script(|call| (call.kind == Kind::List).then_some(Fault::Late(Duration::from_millis(20))));
    let (many, start) = (listing(&server), std::time::Instant::now());
    assert_eq!(keys_in_any_order(&many, "s3://bucket/flat/").await.unwrap().len(), 1_000);
    assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
    assert!(many.requests().lists <= 100, "{:?}", many.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_and_deleted_meanwhile_neither_hides_nor_doubles_a_key() {
    let server = filled();
    let all = server.keys("bucket");
    let listing = listing(&server);
    let mut pages = listing.list_in_any_order(&uri("s3://bucket/"), None);
    let (mut seen, mut round) = (Vec::new(), 0_u32);
    while let Some(page) = pages.try_next().await.unwrap() {
        seen.extend(page.objects().map(|object| object.key.to_owned()));
        for number in 0..10 {
            server.insert("bucket", &format!("flat/{:08x}.new", (round * 10 + number).wrapping_mul(0x51_7cc1)), "new");
            server.remove("bucket", &format!("flat/{:08x}.new", (round * 5 + number).wrapping_mul(0x51_7cc1)));
        }
        server.insert("bucket", &all[round as usize * 7 % all.len()], "overwritten");
        round += 1;
    }
    seen.sort_unstable();
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "a key came twice");
    seen.retain(|key| !key.ends_with(".new"));
    assert!(seen == all, "{} keys of {}", seen.len(), all.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_asks_to_slow_down_loses_no_page() {
    let server = filled();
    let all = server.keys("bucket");
    let mut answers = 0;
    server.script(move |_| {
        answers += 1;
        (answers % 3 == 0).then_some(Fault::SlowDown)
    });
    // With one try each, what is refused is asked for again by the listing itself.
    for tries in [1, 5] {
        let listing = S3::over(&sdk(&server.url(), tries), &table::Access::default()).unwrap().at_once(8);
        assert!(keys_in_any_order(&listing, "s3://bucket/").await.unwrap() == all, "{tries} tries");
        assert!(listing.requests().throttled > 30, "{:?}", listing.requests());
    }
    server.script(|_| Some(Fault::SlowDown));
    let listing = S3::over(&sdk(&server.url(), 2), &table::Access::default()).unwrap();
    assert_eq!(keys_in_any_order(&listing, "s3://bucket/").await.unwrap_err().kind(), ErrorKind::Throttled);
    assert_eq!(listing.requests().lists, 2);
}

/// Stores that sort as UTF-16 does, or not at all, are listed as ever: page by page.
#[tokio::test]
async fn a_store_in_another_order_is_listed_page_by_page() {
    let key = |key: &str| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>");
    let canned = Canned::start(move |request, _| {
        let more = "<IsTruncated>true</IsTruncated><NextContinuationToken>2</NextContinuationToken>";
        let last = "<IsTruncated>false</IsTruncated>";
        let inner = if request == 0 { key("p/b") + &key("p/a") + more } else { key("p/0") + last };
        format!("HTTP/1.1 200 OK\r\n\r\n<ListBucketResult>{inner}</ListBucketResult>")
    });
    let listing = S3::over(&sdk(&canned.url(), 1), &table::Access::default()).unwrap();
    assert_eq!(keys_in_any_order(&listing, "s3://bucket/p/").await.unwrap(), ["p/0", "p/a", "p/b"]);
    assert_eq!(canned.requests(), 2);
}

#[tokio::test]
async fn an_object_comes_with_its_attributes() {
    let server = started();
    server.set(|settings| settings.now = Some(1_709_164_800));
    server.insert("bucket", "k", "hello\n");
    server.edit("bucket", "k", |object| object.storage_class = "GLACIER");
    let page = listing(&server).list(&uri("s3://bucket/")).try_next().await.unwrap().unwrap();
    let object = page.object(0);
    assert_eq!(object.uri(), uri("s3://bucket/k"));
    assert_eq!((object.size, object.modified, object.storage_class), (Some(6), Some(1_709_164_800), Some("GLACIER")));
    assert_eq!(object.etag, Some("b1946ac92492d2347c6235b4d2611184"));
}

#[tokio::test]
async fn the_last_page_may_be_empty_and_one_key_answers_any() {
    let server = started();
    let listing = listing(&server);
    server.insert("bucket", "p/1", "x");
    server.insert("bucket", "p/2", "x");
    server.set(|settings| (settings.page_size, settings.empty_last_page) = (1, true));
    assert_eq!(pages(&listing, "s3://bucket/p/").await.unwrap(), [["p/1"], ["p/2"]]);
    assert_eq!((listing.requests().lists, listing.requests().throttled), (3, 0));
    assert!(listing.any(&uri("s3://bucket/p")).await.unwrap());
    assert_eq!(listing.requests().lists, 4);
    assert!(!listing.any(&uri("s3://bucket/q")).await.unwrap());
}

#[tokio::test]
async fn a_buckets_region_is_found_once() {
    for wrong_region in [WrongRegion::Redirect, WrongRegion::Malformed] {
        let server = started();
        server.set(|settings| settings.wrong_region = wrong_region);
        server.bucket("far-away", "eu-west-1");
        server.insert("bucket", "k", "x");
        server.insert("far-away", "k", "x");
        let listing = listing(&server);
        for _ in 0..3 {
            assert_eq!(keys(&listing, "s3://far-away/").await.unwrap(), ["k"]);
            assert_eq!(keys(&listing, "s3://bucket/").await.unwrap(), ["k"]);
        }
        assert_eq!(server.counts().of(Kind::List), 7);
        assert_eq!(server.counts().of(Kind::HeadBucket), 0);
        let store = store(&server);
        store.put(&uri("s3://far-away/m"), "x".into(), &Condition::Absent).await.unwrap();
        assert_eq!(server.counts().of(Kind::Put), 2);
    }
}

#[tokio::test]
async fn throttling_is_counted_and_waited_out() {
    let server = started();
    server.insert("bucket", "k", "x");
    server.script(|call| (call.before < 2).then_some(Fault::SlowDown));
    let listing = listing(&server);
    assert_eq!(keys(&listing, "s3://bucket/").await.unwrap(), ["k"]);
    assert_eq!((listing.requests().lists, listing.requests().throttled), (3, 2));
}

#[tokio::test]
async fn what_breaks_off_is_asked_again() {
    for fault in [Fault::Internal, Fault::ErrorDocument, Fault::LostRequest, Fault::TornAnswer] {
        let server = started();
        server.insert("bucket", "k", "x");
        // A 200 to a GET is the object, whatever it looks like.
        let strikes = move |kind| fault != Fault::ErrorDocument || kind == Kind::List;
        server.script(move |call| (call.before == 0 && strikes(call.kind)).then_some(fault));
        assert_eq!(keys(&listing(&server), "s3://bucket/").await.unwrap(), ["k"], "{fault:?}");
        assert_eq!(store(&server).get(&uri("s3://bucket/k")).await.unwrap().unwrap().body, "x", "{fault:?}");
        assert_eq!(server.counts().of(Kind::List), 2);
        assert_eq!(server.counts().of(Kind::Get), 1 + u64::from(strikes(Kind::Get)));
    }
}

#[tokio::test]
async fn each_failure_has_its_kind_and_says_what_to_do() {
    let server = started();
    server.bucket_with("shut", "us-east-1", Access::Denied);
    server.bucket_with("payer", "us-east-1", Access::RequesterPays);
    let listing = listing(&server);
    let failed = async |prefix| keys(&listing, prefix).await.unwrap_err();

    let missing = failed("s3://missing/data/").await;
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(missing.message(), format!("there is no bucket `missing` at {}", server.url()));

    let denied = failed("s3://shut/data/").await;
    assert_eq!((denied.kind(), denied.message()), (ErrorKind::Denied, "listing s3://shut/data/ is denied"));
    assert!(said(&denied).contains("these credentials need s3:ListBucket on arn:aws:s3:::shut\n"));

    let pays = table::Access { requester_pays: true, ..table::Access::default() };
    assert!(said(&failed("s3://payer/").await).contains("requester_pays = true"));
    assert!(keys(&S3::over(&sdk(&server.url(), 5), &pays).unwrap(), "s3://payer/").await.unwrap().is_empty());

    let wrong = sdk(&server.url(), 5).into_builder();
    let wrong = wrong.credentials_provider(SharedCredentialsProvider::new(Credentials::new(
        ACCESS_KEY,
        "not the secret",
        None,
        None,
        "test",
    )));
    let wrong = S3::over(&wrong.build(), &table::Access::default()).unwrap();
    let wrong = keys(&wrong, "s3://bucket/").await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Credentials);
    assert_eq!(wrong.message(), format!("{} takes the secret key for wrong", server.url()));
    said(&wrong);

    server.script(|_| Some(Fault::SlowDown));
    let throttled = S3::over(&sdk(&server.url(), 2), &table::Access::default()).unwrap();
    let error = keys(&throttled, "s3://bucket/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert_eq!(throttled.requests().throttled, 2);
    assert!(said(&error).contains("503 SlowDown"));
}

#[tokio::test]
async fn who_has_no_credentials_is_told_so_or_reads_what_is_open() {
    let server = started();
    server.bucket_with("open", "us-east-1", Access::Public);
    server.insert("open", "k", "x");
    let anonymous = table::Access { anonymous: true, endpoint: Some(server.url()), ..table::Access::default() };
    let anonymous = S3::open(&anonymous).await.unwrap();
    assert_eq!(keys(&anonymous, "s3://open/").await.unwrap(), ["k"]);
    let denied = keys(&anonymous, "s3://bucket/").await.unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::Denied);
    assert!(said(&denied).contains("leave out `anonymous = true`"));

    let none = table::Access {
        profile: Some("there-is-no-such-profile".into()),
        endpoint: Some(server.url()),
        ..table::Access::default()
    };
    let none = keys(&S3::open(&none).await.unwrap(), "s3://bucket/").await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::Credentials);
    assert_eq!(none.message(), "profile `there-is-no-such-profile` gives no credentials");
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_named() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listing = S3::over(&sdk(&format!("http://{closed}/"), 10), &table::Access::default()).unwrap();
    let error = keys(&listing, "s3://bucket/").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Unreachable, &*format!("nobody answers at http://{closed}"))
    );

    let server = started();
    let tls = S3::over(&sdk(&server.url().replace("http:", "https:"), 10), &table::Access::default()).unwrap();
    let error = keys(&tls, "s3://bucket/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(said(&error).contains("\n  TLS: "));

    let impatient = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(50)).build();
    let impatient = sdk(&server.url(), 2).into_builder().timeout_config(impatient).build();
    server.script(|_| Some(Fault::Late(Duration::from_secs(2))));
    let error = keys(&S3::over(&impatient, &table::Access::default()).unwrap(), "s3://bucket/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(error.message(), format!("{} does not answer", server.url()));
    assert_eq!(error.notes(), ["listing s3://bucket/: no answer within 50ms"]);

    let no_url = table::Access { endpoint: Some("localhost:9000".into()), ..table::Access::default() };
    let error = S3::open(&no_url).await.unwrap_err();
    assert_eq!((error.kind(), error.help_text()), (ErrorKind::Usage, Some("endpoint = \"https://localhost:9000\"")));
}

#[tokio::test]
async fn a_listing_that_is_none_is_an_error() {
    let page = |inner: &str| format!("<ListBucketResult>{inner}</ListBucketResult>");
    let key = |key: &str| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>");
    let more =
        |token: &str| format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>");
    let last = "<IsTruncated>false</IsTruncated>";
    let canned = |answer: Box<dyn Fn(u64) -> String + Send>| {
        Canned::start(move |request, _| format!("HTTP/1.1 200 OK\r\n\r\n{}", answer(request)))
    };
    for (answer, says) in [
        (canned(Box::new(move |_| page(&(key("p/a") + &more("same"))))), "does not come to an end"),
        (canned(Box::new(move |n| page(&(key("p/a") + &more(&n.to_string()))))), "does not come to an end"),
        (canned(Box::new(move |n| page(&more(&n.to_string())))), "does not come to an end"),
        (canned(Box::new(move |_| page(&(key("p/a") + "<IsTruncated>true</IsTruncated>")))), "no token asks for them"),
        (canned(Box::new(move |_| page(&key("p/a")))), "does not say whether more keys follow"),
        (canned(Box::new(move |_| page(&(key("p%2Fa") + last)))), "answers with `p%2Fa`"),
        (canned(Box::new(move |_| page(&(key("") + last)))), "an object without a key"),
        (canned(Box::new(move |_| page(&key("p/a")).replace("</ListBucketResult>", ""))), "breaks off"),
        (canned(Box::new(|_| "<!DOCTYPE html><html>sign in</html>".into())), "it begins with `<!DOCTYPE html>"),
        (canned(Box::new(|_| "<Versions></Versions>".into())), "a `Versions`, not a listing"),
    ] {
        let listing = S3::over(&sdk(&answer.url(), 1), &table::Access::default()).unwrap();
        let error = keys(&listing, "s3://bucket/p/").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{says}");
        assert!(said(&error).contains(says), "{says}: {error:?}");
    }
}

#[tokio::test]
async fn refusals_that_no_good_server_gives_have_their_kinds_too() {
    let error = |code: &str| format!("<Error><Code>{code}</Code><Message>in its words</Message></Error>");
    for (status, code, kind, says) in [
        ("400 Bad Request", "ExpiredToken", ErrorKind::Credentials, "help: get new ones: aws sso login"),
        ("403 Forbidden", "InvalidAccessKeyId", ErrorKind::Credentials, "does not know these credentials"),
        ("400 Bad Request", "AuthorizationHeaderMalformed", ErrorKind::Credentials, "these credentials misshapen"),
        ("403 Forbidden", "RequestTimeTooSkewed", ErrorKind::Denied, "clock is too far from the store's"),
        ("301 Moved", "PermanentRedirect", ErrorKind::NotFound, "region = \"…\""),
        ("405 Not Allowed", "MethodNotAllowed", ErrorKind::Unsupported, "is not possible there"),
        ("400 Bad Request", "InvalidArgument", ErrorKind::Unsupported, "400 InvalidArgument: in its words"),
        ("500 Internal", "InternalError", ErrorKind::Unreachable, "failed in the store"),
        ("404 Not Found", "", ErrorKind::NotFound, "does not answer as S3 does"),
    ] {
        let body = if code.is_empty() { String::new() } else { error(code) };
        let canned = Canned::start(move |_, _| {
            format!("HTTP/1.1 {status}\r\nDate: Tue, 14 Nov 2023 22:14:20 GMT\r\n\r\n{body}")
        });
        let listing = S3::over(&sdk(&canned.url(), 1), &table::Access::default()).unwrap();
        let error = keys(&listing, "s3://bucket/p/").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(said(&error).contains(says), "{error:?}");
    }
}

/// Where the answer that sends away does not say where to, the bucket itself is asked.
#[tokio::test]
async fn a_region_that_a_redirect_hides_is_asked_for() {
    let canned = Canned::start(|_, head| {
        if head.starts_with("HEAD") {
            "HTTP/1.1 301 Moved\r\nx-amz-bucket-region: eu-west-3\r\n\r\n".into()
        } else if head.contains("/eu-west-3/s3/aws4_request") {
            "HTTP/1.1 200 OK\r\n\r\n<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>".into()
        } else {
            "HTTP/1.1 301 Moved\r\n\r\n<Error><Code>PermanentRedirect</Code></Error>".into()
        }
    });
    let listing = S3::over(&sdk(&canned.url(), 1), &table::Access::default()).unwrap();
    assert!(keys(&listing, "s3://bucket/").await.unwrap().is_empty());
    assert_eq!(canned.requests(), 3);
}

#[tokio::test]
async fn a_write_happens_under_its_condition_only() {
    let server = started();
    let store = store(&server);
    let k = uri("s3://bucket/dir/k");
    assert!(store.get(&k).await.unwrap().is_none());
    server.set(|settings| settings.now = Some(1_700_000_000));
    let first = store.put(&k, "1".into(), &Condition::Absent).await.unwrap();
    assert_eq!((first.etag.0.as_str(), first.now), ("c4ca4238a0b923820dcc509a6f75849b", 1_700_000_000));
    let conflict = store.put(&k, "2".into(), &Condition::Absent).await.unwrap_err();
    assert_eq!(conflict.kind(), ErrorKind::Conflict);
    assert_eq!(conflict.message(), "s3://bucket/dir/k was written by somebody else meanwhile");
    let second = store.put(&k, "2".into(), &Condition::Is(first.etag.clone())).await.unwrap();
    let stale = store.put(&k, "3".into(), &Condition::Is(first.etag.clone())).await.unwrap_err();
    assert_eq!(stale.kind(), ErrorKind::Conflict);
    let gone = store.put(&uri("s3://bucket/gone"), "3".into(), &Condition::Is(first.etag)).await.unwrap_err();
    assert_eq!((gone.kind(), gone.notes()[0].ends_with("found nothing there")), (ErrorKind::Conflict, true));
    server.set(|settings| settings.now = Some(1_700_000_060));
    let stored = store.get(&k).await.unwrap().unwrap();
    assert_eq!((&*stored.body, stored.etag), (&b"2"[..], second.etag));
    assert_eq!((stored.modified, stored.now), (1_700_000_000, 1_700_000_060));
    store.put(&k, "4".into(), &Condition::None).await.unwrap();
    assert_eq!(server.body("bucket", "dir/k").unwrap(), "4");
}

#[tokio::test]
async fn conditions_that_a_store_lacks_or_is_not_sure_of() {
    let server = started();
    let store = store(&server);
    let k = uri("s3://bucket/k");
    server.script(|call| (call.kind == Kind::Put && call.before < 2).then_some(Fault::Conflict));
    store.put(&k, "1".into(), &Condition::Absent).await.unwrap();
    server.script(|call| (call.kind == Kind::Put).then_some(Fault::Conflict));
    let error = store.put(&k, "1".into(), &Condition::Is(ETag("x".into()))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    server.clear_script();
    server.set(|settings| settings.conditions = Conditions::Refused);
    let error = store.put(&k, "1".into(), &Condition::Absent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    store.put(&k, "2".into(), &Condition::None).await.unwrap();
    // The answer to a write was lost, and the retry meets the write.
    server.set(|settings| settings.conditions = Conditions::Honoured);
    server.reset_counts();
    server.script(|call| (call.kind == Kind::Put && call.before == 0).then_some(Fault::LostAnswer));
    let error = store.put(&uri("s3://bucket/new"), "3".into(), &Condition::Absent).await.unwrap_err();
    assert_eq!((error.kind(), server.counts().of(Kind::Put)), (ErrorKind::Conflict, 2));
}

#[tokio::test]
async fn a_store_lists_in_order_after_a_key_and_refuses_disorder() {
    let server = started();
    let store = store(&server);
    for key in ["p/a", "p/a=1-x/", "p/a=1/", "q"] {
        server.insert("bucket", key, "x");
    }
    server.set(|settings| (settings.page_size, settings.tags) = (1, Tags::Kms));
    let pages: Vec<Page> = store.list(&uri("s3://bucket/p/"), Some("p/a")).try_collect().await.unwrap();
    assert_eq!(pages.iter().map(|page| page.key(0)).collect::<Vec<_>>(), ["p/a=1-x/", "p/a=1/"]);
    assert!(ETag(pages[0].object(0).etag.unwrap().to_owned()).md5().is_some());

    let canned = Canned::start(|_, _| {
        let keys = "<Contents><Key>b</Key></Contents><Contents><Key>a</Key></Contents>";
        format!("HTTP/1.1 200 OK\r\n\r\n<ListBucketResult>{keys}<IsTruncated>false</IsTruncated></ListBucketResult>")
    });
    let store = S3Store::over(&sdk(&canned.url(), 1), &table::Access::default()).unwrap();
    let error = store.list(&uri("s3://bucket/"), None).try_collect::<Vec<Page>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn deletes_go_in_batches_and_each_that_fails_is_named() {
    let server = started();
    let store = store(&server);
    let mut uris: Vec<Uri> = (0..2_001).map(|n| uri(&format!("s3://bucket/k{n:04}"))).collect();
    uris.extend(ODD.map(|key| uri("s3://bucket/").join(key)));
    for uri in &uris {
        server.insert("bucket", &uri.key, "x");
    }
    server.edit("bucket", "k0007", |object| object.locked = true);
    uris.push(uri("s3://bucket/was-never-there"));
    let failed = store.delete(&uris).await.unwrap();
    assert_eq!(failed.len(), 1);
    assert_eq!((&failed[0].0.key[..], failed[0].1.kind()), ("k0007", ErrorKind::Denied));
    assert!(said(&failed[0].1).contains("s3:DeleteObject on arn:aws:s3:::bucket/k0007"), "{:?}", failed[0].1);
    assert_eq!(server.keys("bucket"), ["k0007"]);
    assert_eq!(server.counts().of(Kind::DeleteBatch), 3);
}

#[tokio::test]
async fn a_store_without_batches_deletes_one_by_one() {
    let server = started();
    let store = store(&server);
    server.script(|call| (call.kind == Kind::DeleteBatch).then_some(Fault::NotImplemented));
    for round in 0..2 {
        for key in ["a", "b"] {
            server.insert("bucket", key, "x");
        }
        let failed = store.delete(&[uri("s3://bucket/a"), uri("s3://bucket/b")]).await.unwrap();
        assert!(failed.is_empty() && server.keys("bucket").is_empty());
        assert_eq!((server.counts().of(Kind::DeleteBatch), server.counts().of(Kind::Delete)), (1, 2 * round + 2));
    }
}

/// A server that says what a test wrote down, one connection a request.
struct Canned {
    address: std::net::SocketAddr,
    requests: Arc<AtomicU64>,
}

impl Canned {
    /// `answer` gets the number of the request, from 0, and its head; the answer ends with the connection.
    fn start(answer: impl Fn(u64, &str) -> String + Send + 'static) -> Canned {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let canned = Canned { address: listener.local_addr().unwrap(), requests: Arc::default() };
        let requests = canned.requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let head = head_of(&stream);
                let text = answer(requests.fetch_add(1, Ordering::Relaxed), &head);
                let (head, body) = text.split_once("\r\n\r\n").unwrap();
                let length = body.len();
                let text = format!("{head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                stream.write_all(text.as_bytes()).unwrap();
            }
        });
        canned
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

fn head_of(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    reader.read_exact(&mut vec![0; length.unwrap_or(0)]).unwrap();
    head
}
