//! Several runs at once, and runs that are cut off: killed, interrupted, terminated.

use std::process::Child;
use std::time::{Duration, Instant};

use crate::here::{Here, Ran, TAXES, send};

/// Enough partitions that a run can be met in the middle.
const PARTITIONS: usize = 1_000;

#[test]
fn two_applies_at_once_come_to_one_end() {
    let here = many();
    let runs: Vec<Child> =
        (0..4).map(|_| here.start("apply --yes --listing s3://b/=keys.txt --lock-timeout 60s")).collect();
    let codes: Vec<i32> = runs
        .into_iter()
        .map(|run| {
            let ran = Ran::of(run.wait_with_output().unwrap());
            assert!(ran.code == 0 || ran.code == 4, "{ran}");
            ran.code
        })
        .collect();
    assert!(codes.contains(&0), "{codes:?}");
    assert_eq!(here.manifests().len(), PARTITIONS);
    here.run("plan --detailed-exitcode --listing s3://b/=keys.txt").ok();
}

#[test]
fn who_does_not_wait_loses_the_race() {
    let here = many();
    let mut first = here.start("apply --yes --listing s3://b/=keys.txt --concurrency 1");
    wait_for(|| here.path("out/taxes/region=00000/symlink.txt").exists());
    // It stands still, and holds its lease.
    send("STOP", &first);
    let second = here.run("apply --yes --listing s3://b/=keys.txt --lock-timeout 0s");
    second.ends(4, &["another run is writing to", "--lock-timeout=300s"]);
    here.run("plan --listing s3://b/=keys.txt").ends(4, &["another run is writing to `taxes`"]);
    here.run("verify --listing s3://b/=keys.txt").ends(4, &["another run is writing"]);
    send("CONT", &first);
    assert!(first.wait().unwrap().success());
}

#[test]
fn killed_in_the_middle_and_run_again() {
    let here = many();
    let mut run = here.start("apply --yes --listing s3://b/=keys.txt --concurrency 4");
    wait_for(|| here.path("out/taxes/region=00100/symlink.txt").exists());
    run.kill().unwrap();
    run.wait().unwrap();
    let written = here.manifests().len();
    assert!((100..PARTITIONS).contains(&written), "{written} manifests");
    let marker = here.marker("out/taxes");
    assert!(marker.get("unfinished").is_some() && marker.get("lease").is_some(), "{marker}");
    // Its lease holds for a minute yet.
    here.run("apply --yes --listing s3://b/=keys.txt --lock-timeout 0s").ends(4, &["its lease holds for"]);
    here.age("out/taxes/_restitch.json", 1);
    let again = here.run("apply --yes --listing s3://b/=keys.txt").ok();
    assert!(again.stdout.contains(&format!("✓ {} manifests written", grouped(PARTITIONS - written))), "{again}");
    assert_eq!(here.manifests().len(), PARTITIONS);
    assert!(here.marker("out/taxes").get("unfinished").is_none());
    here.run("plan --detailed-exitcode --listing s3://b/=keys.txt").ok();
}

#[test]
fn killed_behind_the_last_manifest_only_the_marker_is_left() {
    let here = Here::published(&["data/amer/1.csv"]);
    let mut marker = here.marker("out/taxes");
    marker["unfinished"] = serde_json::json!({"plan": "0123456789abcdef"});
    here.file("out/taxes/_restitch.json", &marker.to_string());
    here.run("plan --detailed-exitcode").ends(2, &["to end what an earlier apply began", "markers only"]);
    here.run("apply --yes").ends(0, &["✓ markers written"]);
    assert!(here.marker("out/taxes").get("unfinished").is_none());
}

#[test]
fn a_signal_lets_the_write_in_hand_end_and_frees_the_lease() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let here = many();
        let run = here.start("apply --yes --listing s3://b/=keys.txt --concurrency 1");
        wait_for(|| here.path("out/taxes/region=00100/symlink.txt").exists());
        send(signal, &run);
        let ran = Ran::of(run.wait_with_output().unwrap());
        ran.ends(code, &["interrupted", "manifests had been written before", "run again"]);
        let marker = here.marker("out/taxes");
        assert!(marker.get("unfinished").is_some() && marker.get("lease").is_none(), "{marker}");
        assert!(here.files("out").keys().all(|name| !name.ends_with(".restitch.tmp")));
        here.run("apply --yes --listing s3://b/=keys.txt --lock-timeout 0s").ok();
        assert_eq!(here.manifests().len(), PARTITIONS);
    }
}

#[test]
fn a_signal_while_listing_ends_it_at_once() {
    let here = Here::new(&rules(), &[]);
    let mut command = here.command("apply --yes --listing s3://b/=- --progress always");
    let mut run = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let input = run.stdin.take();
    std::thread::sleep(Duration::from_millis(500));
    send("INT", &run);
    let began = Instant::now();
    Ran::of(run.wait_with_output().unwrap()).ends(130, &["nothing was written"]);
    assert!(began.elapsed() < Duration::from_secs(5));
    drop(input);
    assert!(!here.path("out").exists());
}

fn rules() -> String {
    TAXES.replace("'data/", "'s3://b/data/")
}

fn many() -> Here {
    let here = Here::new(&rules(), &[]);
    here.file("keys.txt", &(0..PARTITIONS).map(|number| format!("data/{number:05}/1.csv\n")).collect::<String>());
    here
}

#[track_caller]
fn wait_for(there: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !there() {
        assert!(Instant::now() < deadline, "it never came");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// `2,900`
fn grouped(number: usize) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    }
}
