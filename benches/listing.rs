//! What listing S3 costs a key: the client against a server that sends one page of 1,000 keys again and again from
//! memory, beside the same page read by the SDK alone.
//!
//! `cargo bench --bench listing`. Client and server share the machine, so each figure is the client's time and the few
//! hundredths of it that sending takes.

mod settings;

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use aws_sdk_s3::types::EncodingType;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::TryStreamExt;
use restitch::listing::Listing;
use restitch::listing::s3::S3;
use restitch::rules::table::Access;
use restitch::uri::Uri;
use settings::settings;

const KEYS: u64 = 1_000;

fn listing(criterion: &mut Criterion) {
    let address = serve();
    let settings = settings(address);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut group = criterion.benchmark_group("listing a page");
    group.throughput(Throughput::Elements(KEYS));

    let ours = S3::over(&settings, &Access::default()).unwrap();
    let prefix = Uri::parse("s3://bucket/").unwrap();
    group.bench_function("restitch", |bencher| {
        bencher.iter(|| {
            let page = runtime.block_on(ours.list(&prefix).try_next()).unwrap().unwrap();
            assert_eq!(black_box(page).len() as u64, KEYS);
        });
    });

    let config = aws_sdk_s3::config::Builder::from(&settings).force_path_style(true);
    let tls =
        aws_smithy_http_client::tls::Provider::Rustls(aws_smithy_http_client::tls::rustls_provider::CryptoMode::Ring);
    let http = aws_smithy_http_client::Builder::new().tls_provider(tls).build_https();
    let theirs = aws_sdk_s3::Client::from_conf(config.http_client(http).build());
    group.bench_function("the SDK alone", |bencher| {
        bencher.iter(|| {
            let request = theirs.list_objects_v2().bucket("bucket").encoding_type(EncodingType::Url);
            let page = runtime.block_on(request.send()).unwrap();
            assert_eq!(black_box(page).contents().len() as u64, KEYS);
        });
    });
    group.finish();
}

/// Answers every request on a loopback port with the page, for as long as the process lives.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let page = page();
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\r\n{page}", page.len());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, answer) = (stream.unwrap(), answer.clone());
            std::thread::spawn(move || converse(&stream, answer.as_bytes()));
        }
    });
    address
}

fn converse(mut stream: &TcpStream, answer: &[u8]) {
    stream.set_nodelay(true).unwrap();
    let mut requests = BufReader::new(stream);
    let mut line = String::new();
    while requests.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
        if line == "\r\n" && stream.write_all(answer).is_err() {
            return;
        }
        line.clear();
    }
}

/// As S3 writes it: keys of 86 bytes, an ETag, a checksum's name.
fn page() -> String {
    let contents = (0..KEYS).map(|n| {
        format!(
            "<Contents><Key>data/region%3Dus-east-1/year%3D2024/month%3D01/day%3D{:02}/part-00000-{n:032}.csv</Key>\
             <LastModified>2024-01-20T06:{:02}:{:02}.000Z</LastModified>\
             <ETag>&quot;9b2cf535f27731c974343645a3985328&quot;</ETag>\
             <ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>\
             <Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
            n % 28 + 1,
            n / 60 % 60,
            n % 60,
            n * 1_000_003
        )
    });
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult \
         xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>bucket</Name><Prefix></Prefix>\
         <KeyCount>{KEYS}</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType>\
         <IsTruncated>false</IsTruncated>{}</ListBucketResult>",
        contents.collect::<String>()
    )
}

criterion_group!(benches, listing);
criterion_main!(benches);
