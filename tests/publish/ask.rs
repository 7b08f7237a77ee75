//! The question that `apply` and `prune` ask, on a real terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::here::{Here, TAXES, send};

const QUESTION: &str = "[y/N] ";

/// How the question is answered.
enum Answer {
    Types(&'static str),
    Signal(&'static str),
}

/// Runs a command on a terminal of its own and answers once it asks; its exit code, and all that the terminal shows.
fn answered(here: &Here, arguments: &str, answer: Answer) -> (i32, String) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
    let other_end = || Stdio::from(File::options().read(true).write(true).open(&name).unwrap());
    let mut command = here.command(arguments);
    let mut run = command.stdin(other_end()).stdout(other_end()).stderr(other_end()).spawn().unwrap();
    // As long as the command holds an end open, the terminal has one.
    drop(command);
    let mut terminal = File::from(terminal);
    let (mut shown, mut answer) = (Vec::new(), Some(answer));
    let mut bytes = [0; 4096];
    // The end of the last process that holds it is an error of the terminal.
    while let Ok(count @ 1..) = terminal.read(&mut bytes) {
        shown.extend_from_slice(&bytes[..count]);
        match answer.take_if(|_| String::from_utf8_lossy(&shown).ends_with(QUESTION)) {
            Some(Answer::Types(text)) => terminal.write_all(text.as_bytes()).unwrap(),
            Some(Answer::Signal(signal)) => send(signal, &run),
            None => {}
        }
    }
    assert!(answer.is_none(), "nothing was asked:\n{}", String::from_utf8_lossy(&shown));
    (run.wait().unwrap().code().unwrap(), String::from_utf8(shown).unwrap().replace('\r', ""))
}

#[test]
fn only_a_yes_lets_it_write() {
    for (typed, goes_on) in [("y\n", true), (" YES \n", true), ("\n", false), ("n\n", false), ("yess\n", false)] {
        let here = Here::new(TAXES, &["data/amer/1.csv"]);
        let (code, shown) = answered(&here, "apply", Answer::Types(typed));
        assert_eq!(code, i32::from(!goes_on), "{typed:?}\n{shown}");
        let told = if goes_on { "✓\u{1b}[0m 1 manifest written" } else { "nothing was written" };
        assert!(shown.contains("apply this? [y/N]") && shown.contains(told), "{typed:?}\n{shown}");
        assert_eq!(here.path("out").exists(), goes_on, "{typed:?}");
    }
}

#[test]
fn the_end_of_the_input_and_a_signal_are_no_yes() {
    for (answer, code, told) in [
        (Answer::Types("\u{4}"), 1, "nothing was written"),
        (Answer::Signal("INT"), 130, "interrupted; nothing was written"),
        (Answer::Signal("TERM"), 143, "interrupted; nothing was written"),
    ] {
        let here = Here::new(TAXES, &["data/amer/1.csv"]);
        let (ended, shown) = answered(&here, "apply", answer);
        assert_eq!(ended, code, "{shown}");
        let (_, behind) = shown.split_once(QUESTION).unwrap();
        assert!(
            behind.trim_start_matches("^D\u{8}\u{8}").starts_with('\n'),
            "what is said has a line of its own:\n{shown}"
        );
        assert!(behind.contains(told), "{shown}");
        assert!(!here.path("out").exists());
    }
}

#[test]
fn it_says_how_far_the_writing_has_come() {
    let here = Here::new(&TAXES.replace("'data/", "'s3://b/data/"), &[]);
    here.file("keys.txt", &(0..10_000).map(|number| format!("data/{number}/1.csv\n")).collect::<String>());
    let (code, shown) = answered(&here, "apply --concurrency 1 --listing s3://b/=keys.txt", Answer::Types("y\n"));
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains(" of 10,000 manifests"), "{shown}");
    assert!(here.run("apply --yes --listing s3://b/=keys.txt").ok().stderr.is_empty(), "no terminal, no line");
}

#[test]
fn nothing_is_asked_where_nothing_is_to_be_done() {
    let here = Here::published(&["data/amer/1.csv", "data/emea/1.csv"]);
    here.remove("data/emea");
    here.run("apply --yes --allow-removals").ok();
    here.age("out/taxes/region=emea/symlink.txt", 48);
    let (code, shown) = answered(&here, "prune", Answer::Types("n\n"));
    assert_eq!(code, 1, "{shown}");
    assert!(here.path("out/taxes/region=emea/symlink.txt").exists());
    let (code, shown) = answered(&here, "prune", Answer::Types("y\n"));
    assert_eq!(code, 0, "{shown}");
    assert!(!here.path("out/taxes/region=emea/symlink.txt").exists());
    // Without a terminal a question would be an error.
    here.run("prune").ok();
    here.run("apply").ok();
}
