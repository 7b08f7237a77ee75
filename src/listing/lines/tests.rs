use std::io::Write;

use super::*;

const PREFIX: &str = "s3://b/";

async fn read_all(name: &str, content: &[u8], prefix: &str) -> Result<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let prefix = (!prefix.is_empty()).then(|| Uri::parse(prefix).unwrap());
    let pages: Vec<Page> = Lines::open(&path, prefix)?.all().try_collect().await?;
    let mut all = Vec::new();
    for object in pages.iter().flat_map(Page::objects) {
        let mut line = Vec::new();
        write_line(&object, &mut line);
        all.push(String::from_utf8(line).unwrap().trim_end().to_owned());
    }
    Ok(all)
}

async fn uris(name: &str, content: &[u8], prefix: &str) -> Vec<String> {
    let lines = read_all(name, content, prefix).await.unwrap();
    let uri =
        |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap()["uri"].as_str().unwrap().to_owned();
    lines.iter().map(uri).collect()
}

async fn error(name: &str, content: &[u8], prefix: &str) -> String {
    let error = read_all(name, content, prefix).await.unwrap_err();
    let message = error.message().rsplit(name).next().unwrap();
    format!("{message} | {}", error.help_text().unwrap_or(""))
}

#[tokio::test]
async fn text_keeps_every_byte_of_its_keys() {
    let keys = "a//b\n/lead\ntrail/\n./x\n../x\nsp ace \n%20\na+b\n\u{1}\té\n{name}\nno newline";
    let expected: Vec<String> = keys.lines().map(|key| format!("s3://b/{key}")).collect();
    assert_eq!(uris("keys.txt", keys.as_bytes(), PREFIX).await, expected);
    let of_uris = expected.join("\n") + "\n";
    assert_eq!(uris("keys", of_uris.as_bytes(), "").await, expected);
    assert_eq!(uris("keys", of_uris.as_bytes(), PREFIX).await, expected);
    assert!(uris("keys", b"", PREFIX).await.is_empty());
    assert_eq!(uris("keys", b"\n\na\n\n", PREFIX).await, ["s3://b/a"]);
}

#[tokio::test]
async fn uris_of_several_buckets_stay_in_order() {
    let text = "s3://b/1\ns3://c/2\nfile:///d/3\ns3://b/4\ns3://b/5\n";
    assert_eq!(uris("keys", text.as_bytes(), "").await, text.lines().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_listing_of_many_chunks_loses_nothing() {
    let key = |n: usize| format!("data/é{n:07}/{}", "x".repeat(n % 90));
    let text: String = (0..200_000).map(|n| key(n) + "\n").collect();
    let found = uris("keys.txt", text.as_bytes(), PREFIX).await;
    assert!(text.len() > 2 * CHUNK_BYTES && found.len() == 200_000);
    assert!(found.iter().enumerate().all(|(n, uri)| uri.strip_prefix(PREFIX) == Some(&key(n))));
    let late = text.clone() + "bad\r\n";
    assert!(error("keys.txt", late.as_bytes(), PREFIX).await.starts_with(":200001: the line ends in a carriage"));
}

#[tokio::test]
async fn doubtful_lines_are_errors_with_file_and_line() {
    let utf16: Vec<u8> = [0xfeff_u16].into_iter().chain("key".encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for (content, prefix, expected) in [
        (b"a\nb\r\n".to_vec(), PREFIX, ":2: the line ends in a carriage return, which would be part of the key"),
        (b"\xef\xbb\xbfa\n".to_vec(), PREFIX, ":1: the file begins with a byte order mark"),
        (b"a\n\xffb\n".to_vec(), PREFIX, ":2: not UTF-8"),
        (utf16, PREFIX, ":1: not UTF-8, which every key is | the file is UTF-16"),
        (
            b"a\n".to_vec(),
            "",
            ":1: `a` is not a URI | a listing of bare keys needs its bucket: --listing s3://BUCKET/=FILE",
        ),
        (b"s3a://b/k\n".to_vec(), PREFIX, ":1: s3a://b/k is not an object URI"),
        (b"s3://b/k\ns3://c/k\n".to_vec(), PREFIX, ":2: s3://c/k is not below s3://b/"),
        (b"data/a\ndat\n".to_vec(), "s3://b/data/", ":2: s3://b/dat is not below s3://b/data/"),
        (b"s3://b/\n".to_vec(), "", ":1: there is no key behind the bucket"),
        ([b"x".repeat(1_025), b"\n".to_vec()].concat(), PREFIX, ":1: a key of 1025 bytes"),
        (b"x".repeat(5 << 20), PREFIX, ":1: a line of over 65536 bytes"),
        (b"2024-01-01 10:00:00    123 data/a\n".to_vec(), PREFIX, ":1: this is what `aws s3 ls` prints"),
    ] {
        let found = error("keys.txt", &content, prefix).await;
        assert!(found.starts_with(expected), "{found}");
    }
}

#[tokio::test]
async fn json_lines_come_out_as_they_went_in() {
    let lines = concat!(
        "{\"uri\":\"s3://b/\\u0001\\né\\\\\",\"size\":5,\"modified\":\"2024-01-20T06:00:00Z\",\"storage_class\":\"GLACIER\",\"etag\":\"9b2c\"}\n",
        "{\"uri\":\"s3://b/k\\r\"}\n",
    );
    for (name, prefix) in [("l.jsonl", ""), ("l.json", PREFIX), ("stdin", PREFIX)] {
        assert_eq!(read_all(name, lines.as_bytes(), prefix).await.unwrap(), lines.lines().collect::<Vec<_>>());
    }
    let foreign = "{\"Key\":\"a b\",\"Size\":1,\"LastModified\":\"2024-01-20T07:00:00.5+01:00\",\"ETag\":\"\\\"x\\\"\",\"Owner\":{}}\n";
    let ours = "{\"uri\":\"s3://b/a b\",\"size\":1,\"modified\":\"2024-01-20T06:00:00Z\",\"etag\":\"x\"}";
    assert_eq!(read_all("stdin", foreign.as_bytes(), PREFIX).await.unwrap(), [ours]);
    for (content, expected) in [
        ("{\"uri\":\"s3://b/a\"}\n{\"uri\":", ":2: not a JSON object of a listing"),
        ("{\"uri\":\"s3://b/a\"}\n{}\n", ":2: the object has neither `uri` nor `key`"),
        ("{\"uri\":\"s3://b/a\",\"modified\":\"yesterday\"}\n", ":1: `yesterday` is no date and time"),
        ("{\"uri\":\"s3://b/a\",\"size\":-1}\n", ":1: not a JSON object"),
    ] {
        let found = error("l.jsonl", content.as_bytes(), "").await;
        assert!(found.starts_with(expected), "{found}");
    }
}

const DOCUMENT: &str = r#"{
    "Contents": [
        { "Key": "data/a b.csv", "LastModified": "2024-01-20T06:00:00+00:00", "ETag": "\"9b2c\"",
          "ChecksumAlgorithm": ["CRC64NVME"], "Size": 12, "StorageClass": "STANDARD" },
        { "Key": "data/%20+é.csv", "LastModified": "2024-01-20T06:00:01+00:00", "Size": 0 }
    ],
    "RequestCharged": null,
    "Prefix": "data/"
}
"#;

#[tokio::test]
async fn the_document_of_the_aws_cli_is_read() {
    let expected = [
        r#"{"uri":"s3://b/data/a b.csv","size":12,"modified":"2024-01-20T06:00:00Z","storage_class":"STANDARD","etag":"9b2c"}"#,
        r#"{"uri":"s3://b/data/%20+é.csv","size":0,"modified":"2024-01-20T06:00:01Z"}"#,
    ];
    for name in ["doc.json", "stdin"] {
        assert_eq!(read_all(name, DOCUMENT.as_bytes(), PREFIX).await.unwrap(), expected);
    }
    assert!(read_all("doc.json", br#"{"RequestCharged": null, "Prefix": ""}"#, PREFIX).await.unwrap().is_empty());
    assert_eq!(uris("q.json", br#"["a", "b//c"]"#, PREFIX).await, ["s3://b/a", "s3://b/b//c"]);
    assert_eq!(uris("q.json", br#"[{"Key": "a", "Size": 1}]"#, PREFIX).await, ["s3://b/a"]);
    assert_eq!(uris("n.json", br#"{"Name": "c", "Contents": [{"Key": "a"}]}"#, "").await, ["s3://c/a"]);
}

#[tokio::test]
async fn an_attribute_that_is_empty_is_none_in_lines_and_in_documents() {
    let item = r#"{"key": "a", "physical_address": "", "storage_class": "", "etag": "\"\""}"#;
    for (name, content) in [
        ("list.jsonl", item.to_owned()),
        ("list.json", format!("[{item}]")),
        ("list.json", format!("{{\"Contents\": [{item}]}}")),
    ] {
        assert_eq!(read_all(name, content.as_bytes(), PREFIX).await.unwrap(), [r#"{"uri":"s3://b/a"}"#], "{content}");
    }
}

#[tokio::test]
async fn encoded_keys_are_decoded_only_where_they_are_encoded() {
    let encoded = br#"{"Contents": [{"Key": "k%3Dv/a+b"}, {"Key": "c%2Bd"}], "EncodingType": "url"}"#;
    assert_eq!(uris("doc.json", encoded, PREFIX).await, ["s3://b/k=v/a b", "s3://b/c+d"]);
    let by_the_cli = br#"{"EncodingType": "url", "Contents": [{"Key": "k=v/%20"}, {"Key": "c+d"}]}"#;
    assert_eq!(uris("doc.json", by_the_cli, PREFIX).await, ["s3://b/k=v/%20", "s3://b/c+d"]);
    let plain = br#"{"Contents": [{"Key": "a%20b+c"}]}"#;
    assert_eq!(uris("doc.json", plain, PREFIX).await, ["s3://b/a%20b+c"]);
}

#[tokio::test]
async fn a_document_is_not_held_whole_but_for_keys_that_may_be_encoded() {
    let folder = tempfile::tempdir().unwrap();
    let key = |n: usize, sign: &str| format!("data/{n:07}{sign}{}", "x".repeat(90));
    for (sign, streams) in [("", true), ("=", true), (" ", true), ("+", false)] {
        let items: Vec<String> =
            (0..100_000).map(|n| format!(r#"{{"Key": "{}"}}"#, key(n, if n == 7 { sign } else { "" }))).collect();
        let path = folder.path().join("doc.json");
        std::fs::write(&path, format!(r#"{{"Contents": [{}], "EncodingType": "url""#, items.join(","))).unwrap();
        let mut pages = Lines::open(&path, Some(Uri::parse(PREFIX).unwrap())).unwrap().all();
        // The end of the file is missing: what comes first was sent before it was reached.
        assert_eq!(pages.next().await.unwrap().is_ok(), streams, "{sign:?}");
        if streams {
            assert!(pages.next().await.unwrap().is_ok() && pages.try_collect::<Vec<Page>>().await.is_err());
        }
    }
    let late = br#"{"Contents": [{"Key": "a+b"}, {"Key": "c=d+e"}], "EncodingType": "url"}"#;
    assert_eq!(uris("doc.json", late, PREFIX).await, ["s3://b/a+b", "s3://b/c=d+e"]);
    let named_last = br#"{"Contents": [{"Key": "a+b"}], "EncodingType": "url", "Name": "c"}"#;
    assert_eq!(uris("doc.json", named_last, "").await, ["s3://c/a b"]);
}

#[tokio::test]
async fn a_document_that_is_not_whole_is_an_error() {
    let pages =
        br#"{"IsTruncated": true, "Contents": [{"Key": "a"}]} {"IsTruncated": false, "Contents": [{"Key": "b"}]}"#;
    assert_eq!(uris("doc.json", pages, PREFIX).await, ["s3://b/a", "s3://b/b"]);
    for (content, expected) in [
        (r#"{"Contents": [{"Key": "a"}], "NextToken": "ey"}"#, ": the listing is cut short"),
        (r#"{"Contents": [{"Key": "a"}], "IsTruncated": true}"#, ": the listing is cut short"),
        (r#"{"Contents": [{"Key": "a"}], "CommonPrefixes": [{"Prefix": "b/"}]}"#, ": the listing has `CommonPrefixes`"),
        (&DOCUMENT[..200], ":4: the document is cut short"),
        (r#"{"Versions": [{"Key": "a"}]}"#, ": this is a listing of versions"),
        (r#"{"Name": "other", "Contents": [{"Key": "a"}]}"#, ": this is a listing of bucket `other`"),
        (r#"{"Contents": [{"Size": 1}]}"#, ":1: an object has no `Key`"),
        (r#"{"fileFormat": "CSV", "fileSchema": "Key"}"#, ": this is the manifest of an S3 Inventory"),
    ] {
        let found = error("doc.json", content.as_bytes(), PREFIX).await;
        assert!(found.starts_with(expected), "{found}");
    }
    assert!(error("doc.json", br#"["a"]"#, "").await.contains("does not say which bucket"));
}

#[tokio::test]
async fn csv_says_its_columns() {
    let csv = "Key,Size,Last Modified,storage_class,ETag,Other\r\n\"a,\"\"b\"\"\nc\",5,2024-01-20 06:00:00,STANDARD,\"\"\"x\"\"\",?\r\nplain,,,,,\r\n";
    let expected = [
        r#"{"uri":"s3://b/a,\"b\"\nc","size":5,"modified":"2024-01-20T06:00:00Z","storage_class":"STANDARD","etag":"x"}"#,
        r#"{"uri":"s3://b/plain"}"#,
    ];
    assert_eq!(read_all("l.csv", csv.as_bytes(), PREFIX).await.unwrap(), expected);
    assert_eq!(uris("stdin", b"bucket,key\nb,x\nc,y\n", "").await, ["s3://b/x", "s3://c/y"]);
    assert_eq!(uris("l.csv", b"uri\ns3://b/x+%20\n", "").await, ["s3://b/x+%20"]);
    for (content, expected) in [
        ("a,b\n1,2\n", ":1: no column is called `uri` or `key`"),
        ("key,size\nx,5\ny\n", ":3: 1 fields, where the header has 2"),
        ("key,size\nx,big\n", ":2: `big` is no size in bytes"),
        ("key,modified\nx,now\n", ":2: `now` is no date and time"),
        ("key,size\n,5\n", ":2: the key is missing"),
        ("key,Key\nx,y\n", ":1: two columns say the same as `Key`"),
    ] {
        let found = error("l.csv", content.as_bytes(), PREFIX).await;
        assert!(found.starts_with(expected), "{found}");
    }
}

#[tokio::test]
async fn packed_listings_are_unpacked_whole_or_not_at_all() {
    let text = "a\nb\n".repeat(1_000);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
    for (name, content) in [("k.txt.gz", &gzip), ("k.zst", &zstd), ("k.txt", &gzip), ("stdin", &zstd)] {
        assert_eq!(uris(name, content, PREFIX).await.len(), 2_000, "{name}");
    }
    let twice = [gzip.clone(), gzip.clone()].concat();
    assert_eq!(uris("k.gz", &twice, PREFIX).await.len(), 4_000);
    for (name, content) in
        [("k.gz", &gzip[..gzip.len() - 9]), ("k.zst", &zstd[..zstd.len() - 1]), ("k.gz", b""), ("k.zst", b"a\n")]
    {
        assert!(error(name, content, PREFIX).await.contains("cut short"), "{name}");
    }
}

#[tokio::test]
async fn what_is_not_read_says_so() {
    let error = Lines::open(Path::new("keys.parquet"), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let error = Lines::open(Path::new("/nowhere/keys.txt"), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.message(), "the listing /nowhere/keys.txt: no such file or directory");
}

#[tokio::test]
async fn a_prefix_of_a_listing_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    std::fs::write(&path, "a/1\nb/2\nb/3\n").unwrap();
    let lines = Lines::open(&path, Some(Uri::parse(PREFIX).unwrap())).unwrap();
    let prefix = Uri::parse("s3://b/b/").unwrap();
    let pages: Vec<Page> = lines.list(&prefix).try_collect().await.unwrap();
    assert_eq!(pages.iter().flat_map(Page::objects).map(|o| o.key).collect::<Vec<_>>(), ["b/2", "b/3"]);
    assert!(lines.any(&prefix).await.unwrap() && !lines.any(&Uri::parse("s3://b/c").unwrap()).await.unwrap());
    assert!(lines.as_of().is_some());
}
