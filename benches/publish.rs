//! What publishing costs, and planning again where nothing has changed: time and peak memory of the binary itself, on
//! listings that are hard in different ways. Manifests go to a folder below the system's temporary one: `TMPDIR` says where.
//!
//! `cargo bench --no-default-features --features cli --bench publish [-- NAME…]`

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A listing: its name, and how many partitions of how many objects each it has.
struct Case {
    name: &'static str,
    partitions: u64,
    objects: u64,
    shuffled: bool,
}

const CASES: [Case; 5] = [
    Case { name: "manifests", partitions: 37_280, objects: 27, shuffled: false },
    Case { name: "sorted", partitions: 37_280, objects: 268, shuffled: false },
    Case { name: "shuffled", partitions: 37_280, objects: 268, shuffled: true },
    Case { name: "partitions", partitions: 1_000_000, objects: 10, shuffled: false },
    Case { name: "lines", partitions: 1, objects: 10_000_000, shuffled: true },
];

const RULES: &str = r#"
[defaults]
location = "out/{table}/"
format   = "parquet"
columns  = ["id bigint"]

[table.events]
partitioned_by = ["source int"]
max_partitions = 10_000_000
max_lines      = 100_000_000
[[table.events.rule]]
match = "s3://bench/events/source={source}/*.parquet"
"#;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    println!("{:<12} {:>12} {:>12} {:<9} {:>8} {:>12}", "", "objects", "manifests", "", "seconds", "peak memory");
    for case in CASES.iter().filter(|case| asked.is_empty() || asked.iter().any(|name| name == case.name)) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("restitch.toml"), RULES).expect("the rules are written");
        case.write(&folder.path().join("keys.txt"));
        for (what, arguments) in [("publish", &["apply", "--yes", "--quiet"][..]), ("again", &["plan", "--quiet"])] {
            let (took, peak_kib) = run(folder.path(), arguments);
            let (objects, manifests) = (case.partitions * case.objects, case.partitions);
            let (seconds, peak) = (took.as_secs_f64(), peak_kib / 1024);
            println!("{:<12} {objects:>12} {manifests:>12} {what:<9} {seconds:>8.2} {peak:>8} MiB", case.name);
        }
    }
}

impl Case {
    fn write(&self, path: &Path) {
        let mut out = BufWriter::new(File::create(path).expect("a file"));
        let all = self.partitions * self.objects;
        for number in 0..all {
            // An odd stride that shares no factor with the number of keys goes through all of them.
            let number = if self.shuffled { (number * 7_919_999_993) % all } else { number };
            let (partition, object) = (number / self.objects, number % self.objects);
            let hash = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let key = format!("events/source={partition:07}/part-{object:08}-{hash:016x}-c000.snappy.parquet");
            writeln!(out, "{key}").expect("a key is written");
        }
        out.flush().expect("the keys are written");
    }
}

/// How long the binary took, and its peak memory in KiB; 0 where the system does not say.
fn run(folder: &Path, arguments: &[&str]) -> (Duration, u64) {
    let began = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_restitch"))
        .current_dir(folder)
        .args(arguments)
        .args(["--listing", "s3://bench/=keys.txt"])
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let mut peak_kib = 0;
    let ended = loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let peak =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak_kib = peak.unwrap_or(0).max(peak_kib);
        if let Some(ended) = child.try_wait().expect("the binary is waited for") {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(ended.success(), "restitch {arguments:?}: {ended}");
    (began.elapsed(), peak_kib)
}
