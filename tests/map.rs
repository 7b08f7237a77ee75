//! `restitch map` on keys that nobody thinks of: what goes in as JSON comes out as JSON, byte for byte, from every form of
//! listing that can say it.
#![cfg(feature = "cli")]

use std::io::Write;
use std::process::{Command, Stdio};

const KEYS: &[&str] = &[
    "d/plain.csv",
    "/lead",
    "a//b",
    "trail/",
    ".",
    "..",
    "./x",
    "../../x",
    "sp ace ",
    " ",
    "%20%zz%",
    "a+b&c=d",
    "\"quoted\\\"",
    "\\",
    "{json}: [\"x\"]",
    "tab\tnew\nline\rreturn",
    "\u{1}\u{1f}\u{7f}\u{80}\u{9f}",
    "é e\u{301} 日本 🦄",
    "\u{2028}\u{202e}\u{feff}",
    "\u{fffd}",
    "'; DROP TABLE t; --",
    "<script>",
];

/// Runs `restitch map` in a folder of its own over what stands on standard input.
fn map(arguments: &[&str], input: &[u8]) -> Vec<serde_json::Value> {
    let folder = tempfile::tempdir().unwrap();
    let rules = "[table.t]\npartitioned_by = ['x string']\nskip = []\n[[table.t.rule]]\nunder = 's3://b/'\nregex = '(?s)(?<x>.*)'\n";
    std::fs::write(folder.path().join("restitch.toml"), rules).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_restitch"));
    let command = command.arg("map").args(arguments).current_dir(folder.path());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let lines = output.stdout.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\n');
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

fn expected(keys: &[&str]) -> Vec<serde_json::Value> {
    let line = |key: &&str| serde_json::json!({ "uri": format!("s3://b/{key}"), "table": "t", "partition": { "x": key }, "rule": 1 });
    keys.iter().map(line).collect()
}

#[test]
fn odd_keys_come_out_as_they_went_in() {
    let json = |key: &&str| format!("{}\n", serde_json::json!({ "uri": format!("s3://b/{key}"), "size": 1 }));
    let lines: String = KEYS.iter().map(json).collect();
    assert_eq!(map(&[], lines.as_bytes()), expected(KEYS));

    let contents: Vec<_> = KEYS.iter().map(|key| serde_json::json!({ "Key": key, "Size": 1 })).collect();
    let document = serde_json::to_vec_pretty(&serde_json::json!({ "Contents": contents })).unwrap();
    assert_eq!(map(&["--listing", "s3://b/=-"], &document), expected(KEYS));

    let field = |key: &&str| format!("\"s3://b/{}\"\r\n", key.replace('"', "\"\""));
    let csv: String = ["uri\r\n".to_owned()].into_iter().chain(KEYS.iter().map(field)).collect();
    let packed =
        zstd::encode_all(csv.replacen("uri", "uri,size", 1).replace("\"\r\n", "\",1\r\n").as_bytes(), 1).unwrap();
    assert_eq!(map(&["--listing", "-"], &packed), expected(KEYS));

    let writable: Vec<&str> = KEYS.iter().copied().filter(|key| !key.contains(['\n', '\r'])).collect();
    let text: String = writable.iter().map(|key| format!("s3://b/{key}\n")).collect();
    assert_eq!(map(&["-"], text.as_bytes()), expected(&writable));
    let uris: Vec<String> = KEYS.iter().map(|key| format!("s3://b/{key}")).collect();
    assert_eq!(map(&uris.iter().map(String::as_str).collect::<Vec<_>>(), b""), expected(KEYS));
}
