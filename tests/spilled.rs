//! Lines that memory does not hold, by the binary: what is published is the same whatever the budget, and where the
//! temporary folder has no room it is said how much there must be.
#![cfg(all(feature = "cli", unix))]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const KEYS: u64 = 150_000;

const RULES: &str = r#"
[defaults]
location = "out/{table}/"
format   = "parquet"
columns  = ["id bigint"]

[table.events]
partitioned_by = ["source int"]
[[table.events.rule]]
match = "s3://bench/events/source={source}/*.parquet"
"#;

/// A folder with rules and a listing out of order, some of it said twice.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("restitch.toml"), RULES).unwrap();
    let key = |number: u64| {
        // The stride shares no factor with the number of keys.
        let number = number * 7_919 % KEYS;
        let hash = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!("events/source={}/part-{hash:016x}-{number:08}-a-name-that-takes-room.parquet\n", number % 97)
    };
    let keys: String = (0..KEYS + 1_000).map(key).collect();
    fs::write(folder.path().join("keys.txt"), keys).unwrap();
    folder
}

fn restitch(folder: &Path, prepared: &str, arguments: &str) -> Output {
    let script =
        format!("{prepared} exec {} {arguments} --listing s3://bench/=keys.txt", env!("CARGO_BIN_EXE_restitch"));
    Command::new("sh").args(["-c", &script]).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Every manifest and its body.
fn published(folder: &Path) -> BTreeMap<String, String> {
    let partitions = fs::read_dir(folder.join("out/events")).unwrap().map(|entry| entry.unwrap().path());
    let manifests = partitions.filter(|path| path.is_dir()).map(|path| path.join("symlink.txt"));
    manifests.map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn what_is_published_is_the_same_whatever_the_budget() {
    let folder = folder();
    let applied = restitch(folder.path(), "", "apply --yes --memory 64MiB");
    assert!(applied.status.success(), "{}", text(&applied.stderr));
    let small = published(folder.path());
    let lines: u64 = small.values().map(|body| body.lines().count() as u64).sum();
    assert_eq!((small.len(), lines), (97, KEYS), "each object once");
    assert!(small.values().all(|body| body.lines().is_sorted()));
    let planned = restitch(folder.path(), "", "plan --memory 8GiB --detailed-exitcode");
    assert_eq!(planned.status.code(), Some(0), "with all lines in memory nothing differs: {}", text(&planned.stdout));
}

#[test]
fn a_full_disk_says_how_much_room_is_needed_and_where() {
    let folder = folder();
    let tmp = folder.path().join("tmp");
    fs::create_dir(&tmp).unwrap();
    // A file of this size is as good as a full disk, once the signal that comes with it is ignored.
    let prepared = format!("trap '' XFSZ; ulimit -f 2000; TMPDIR={}", tmp.display());
    let failed = restitch(folder.path(), &prepared, "plan --memory 64MiB");
    let said = text(&failed.stderr);
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(said.contains("tmp is full: ") && said.contains(" MB are needed there"), "{said}");
    assert!(said.contains("TMPDIR=/a/folder/with/room restitch"), "{said}");
    let planned = restitch(folder.path(), &prepared, "plan --memory 8GiB --detailed-exitcode");
    assert_eq!(planned.status.code(), Some(2), "what memory holds needs no room: {}", text(&planned.stderr));
}

#[test]
fn without_a_temporary_folder_it_is_said_what_it_is_for() {
    let folder = folder();
    let failed = restitch(folder.path(), "TMPDIR=/nowhere/at/all", "plan --memory 64MiB");
    let said = text(&failed.stderr);
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(said.contains("a temporary file in /nowhere/at/all") && said.contains("--memory"), "{said}");
}

#[test]
fn a_budget_that_is_too_small_says_the_least() {
    let folder = folder();
    let said = text(&restitch(folder.path(), "", "plan --memory 1MiB").stderr);
    assert!(said.contains("the least is 64MiB"), "{said}");
}
