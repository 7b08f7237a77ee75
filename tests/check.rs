//! What `restitch check` says of rule files: `tests/check/NAME.toml` is checked, and what a person reads must be
//! `NAME.out`. `SNAPSHOTS=overwrite cargo test --test check` writes down what is printed now.
//!
//! Files called `fine-…` are those of which nothing must be said.
#![cfg(feature = "cli")]

use std::path::{Path, PathBuf};
use std::process::Command;

use restitch::rules::excerpt::{WIDTH, columns};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check")
}

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).expect("the folder is there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it is readable").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    assert!(files.len() > 50, "the cases are there");
    files
}

/// What is printed, and whether the exit code is 0.
fn check(file: &Path) -> (String, bool) {
    let name = file.file_name().expect("it is a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_restitch"));
    command.args(["check", "-q", "--color", "never", "-f"]).arg(name).current_dir(folder());
    let output = command.output().expect("restitch runs");
    let printed = String::from_utf8([output.stdout, output.stderr].concat()).expect("what is printed is text");
    let here = folder().canonicalize().expect("the folder is there");
    (printed.replace(here.to_str().expect("its name is text"), "[CWD]"), output.status.success())
}

#[test]
fn every_mistake_reads_as_written_down() {
    let assert = snapbox::Assert::new().action_env("SNAPSHOTS");
    for file in files() {
        let (printed, succeeded) = check(&file);
        let summary = printed.lines().last().unwrap_or_default();
        let is_fine = summary.starts_with("no errors") && !summary.contains(" failed");
        assert_eq!(succeeded, is_fine, "{}: {summary}", file.display());
        for line in printed.lines() {
            assert!(columns(line) <= WIDTH, "{}: too wide: {line}", file.display());
            assert!(!line.contains(char::is_control), "{}: {line:?}", file.display());
        }
        assert.eq(printed, snapbox::Data::read_from(&file.with_extension("out"), None).raw());
    }
}

#[test]
fn nothing_is_said_of_what_is_fine() {
    let fine = files()
        .into_iter()
        .filter(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("fine-")));
    for file in fine {
        let (printed, _) = check(&file);
        assert!(printed.starts_with("no errors, no warnings"), "{}:\n{printed}", file.display());
    }
}
