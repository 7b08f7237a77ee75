//! `restitch watch` as a user runs it, over a queue in this process: events in, manifests out, messages gone only then.
#![cfg(all(feature = "cli", feature = "sqs", unix))]

mod loopback;
mod s3_server;
mod sqs_server;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const RULES: &str = r#"
[defaults]
location = 's3://tables/{table}/'
columns  = ["id bigint"]
format   = "csv"

[table.hours]
partitioned_by = ["dt string", "hour int"]
[[table.hours.rule]]
match = 's3://data/in/dt={dt:hive}/hour={hour:int(2)}/*.csv'
"#;

/// Longer than anything here takes, on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Lake {
    s3: s3_server::Server,
    queue: sqs_server::Server,
    folder: TempDir,
}

/// A watch that is running.
struct Watch {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Lake {
    fn open() -> Lake {
        let s3 = s3_server::Server::start();
        s3.bucket("data", "us-east-1");
        s3.bucket("tables", "us-east-1");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("restitch.toml"), RULES).unwrap();
        let lake = Lake { s3, queue: sqs_server::Server::start(), folder };
        for hour in 0..3 {
            lake.object(&format!("in/dt=2026-11-20/hour={hour:02}/a.csv"));
        }
        lake
    }

    fn object(&self, key: &str) {
        self.s3.insert("data", key, "1\n");
    }

    fn watch(&self, arguments: &str) -> Watch {
        let mut command = Command::new(env!("CARGO_BIN_EXE_restitch"));
        command.args(["watch", "--queue", &self.queue.url()]).args(arguments.split_whitespace());
        command.current_dir(self.folder.path()).env_clear().envs(self.s3.environment()).env("NO_PROXY", "127.0.0.1");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Watch { child, lines, said: Vec::new() }
    }

    fn manifest(&self, hour: u8) -> String {
        let key = format!("hours/dt=2026-11-20/hour={hour}/symlink.txt");
        self.s3.body("tables", &key).map(|body| String::from_utf8(body.to_vec()).unwrap()).unwrap_or_default()
    }

    /// S3's own notification of these keys.
    fn notify(&self, keys: &[&str]) {
        let record = |key: &&str| {
            let key = key.replace('=', "%3D").replace(' ', "+");
            serde_json::json!({"eventSource": "aws:s3", "s3": {"bucket": {"name": "data"}, "object": {"key": key}}})
        };
        let records: Vec<_> = keys.iter().map(record).collect();
        self.queue.send(&serde_json::json!({"Records": records}).to_string());
    }

    #[track_caller]
    fn until(&self, what: &str, holds: impl Fn(&Lake) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < end, "{what} did not come to be");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Watch {
    /// Waits until it has said a line with this in it.
    #[track_caller]
    fn says(&mut self, piece: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.said.push(line),
                Err(_) => panic!("no {piece:?} in\n{}", self.said.join("\n")),
            }
            if self.said.last().unwrap().contains(piece) {
                return;
            }
        }
    }

    #[track_caller]
    fn ends(mut self, signal: &str, code: i32) {
        assert!(
            Command::new("kill")
                .args([&format!("-{signal}"), &self.child.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(self.child.wait().unwrap().code(), Some(code), "{}", self.said.join("\n"));
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_events_name_is_refreshed_and_only_then_are_they_gone() {
    let lake = Lake::open();
    let mut watch = lake.watch("--every 1s");
    watch.says("everything: 3 manifests written");
    lake.object("in/dt=2026-11-20/hour=01/red flower.csv");
    lake.object("in/dt=2026-11-20/hour=02/unheard.csv");
    lake.object("in/dt=2026-11-20/hour=07/a.csv");
    // Twice, and in another order than they happened; and of an object that is gone again.
    lake.notify(&["in/dt=2026-11-20/hour=07/a.csv", "in/dt=2026-11-20/hour=01/red flower.csv"]);
    lake.notify(&["in/dt=2026-11-20/hour=01/red flower.csv", "in/dt=2026-11-20/hour=09/gone.csv", "elsewhere"]);
    watch.says("5 keys in 3 partitions; no rule takes 1 of them, as s3://data/elsewhere: 2 manifests written");
    lake.until("an empty queue", |lake| lake.queue.len() == 0);
    assert!(lake.manifest(1).contains("red flower.csv"));
    assert!(lake.manifest(7).contains("a.csv"));
    assert!(!lake.manifest(2).contains("unheard"), "nothing has been said of it");
    watch.ends("INT", 130);
}

#[test]
fn eventbridge_and_sns_are_understood_and_test_events_passed_over() {
    let lake = Lake::open();
    let mut watch = lake.watch("--every 1s");
    watch.says("everything:");
    lake.object("in/dt=2026-11-20/hour=01/x+y.csv");
    lake.object("in/dt=2026-11-20/hour=02/new.csv");
    lake.queue.send(r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"data"}"#);
    let event = r#"{"detail-type":"Object Created","detail":{"bucket":{"name":"data"},"object":{"key":"in/dt=2026-11-20/hour=01/x+y.csv"}}}"#;
    lake.queue.send(event);
    let record =
        r#"{"Records":[{"s3":{"bucket":{"name":"data"},"object":{"key":"in/dt%3D2026-11-20/hour%3D02/new.csv"}}}]}"#;
    lake.queue.send(&serde_json::json!({"Type": "Notification", "Message": record}).to_string());
    lake.until("an empty queue", |lake| lake.queue.len() == 0);
    assert!(lake.manifest(1).contains("x+y.csv"));
    assert!(lake.manifest(2).contains("new.csv"));
    watch.ends("TERM", 143);
}

#[test]
fn what_is_no_event_is_said_once_and_left() {
    let lake = Lake::open();
    lake.queue.send("hello");
    let mut watch = lake.watch("--every 1s");
    watch.says("is left in the queue: it is no event in JSON");
    watch.says("everything:");
    lake.object("in/dt=2026-11-20/hour=01/new.csv");
    lake.notify(&["in/dt=2026-11-20/hour=01/new.csv"]);
    watch.says("1 manifest written");
    lake.queue.forward(Duration::from_secs(400));
    lake.until("another delivery", |lake| lake.queue.visible() == 0);
    lake.notify(&["in/dt=2026-11-20/hour=01/new.csv"]);
    watch.says("no change");
    // The queue's own policy puts it aside.
    lake.until("the other message gone", |lake| lake.queue.len() == 1);
    assert_eq!(watch.said.iter().filter(|line| line.contains("left in the queue")).count(), 1);
}

#[test]
fn a_brake_is_said_and_the_messages_stay() {
    let lake = Lake::open();
    for number in 0..30 {
        lake.object(&format!("in/dt=2026-11-20/hour=01/{number}.csv"));
    }
    let mut watch = lake.watch("--every 1s");
    watch.says("everything:");
    for number in 0..30 {
        lake.s3.remove("data", &format!("in/dt=2026-11-20/hour=01/{number}.csv"));
    }
    let before = lake.manifest(1);
    lake.notify(&["in/dt=2026-11-20/hour=01/0.csv"]);
    watch.says("this would take 30 of 31 lines");
    watch.says("1 message left in the queue");
    assert_eq!((lake.queue.len(), lake.queue.visible()), (1, 0));
    assert_eq!(lake.manifest(1), before);
    // The objects are back, and so is the message when its time has run out.
    for number in 0..30 {
        lake.object(&format!("in/dt=2026-11-20/hour=01/{number}.csv"));
    }
    lake.queue.forward(Duration::from_secs(400));
    watch.says("no change");
    lake.until("an empty queue", |lake| lake.queue.len() == 0);
}

#[test]
fn what_a_refresh_cannot_tell_a_whole_run_does() {
    let lake = Lake::open();
    let mut watch = lake.watch("--every 1s");
    watch.says("everything:");
    let changed = RULES.replace("*.csv'", "{_}.csv'");
    std::fs::write(lake.folder.path().join("restitch.toml"), changed).unwrap();
    lake.object("in/dt=2026-11-20/hour=01/new.csv");
    lake.object("in/dt=2026-11-20/hour=02/unheard.csv");
    lake.notify(&["in/dt=2026-11-20/hour=01/new.csv"]);
    watch.says("everything is compared: the rules of `hours` have changed");
    watch.says("everything: 2 manifests written");
    lake.until("an empty queue", |lake| lake.queue.len() == 0);
}

#[test]
fn what_was_gathered_is_given_back_when_it_ends() {
    let lake = Lake::open();
    let mut watch = lake.watch("--every 1h");
    watch.says("everything:");
    lake.notify(&["in/dt=2026-11-20/hour=01/a.csv"]);
    lake.until("a delivery", |lake| lake.queue.visible() == 0);
    watch.ends("TERM", 143);
    assert_eq!((lake.queue.len(), lake.queue.visible()), (1, 1));
}

#[test]
fn a_queue_that_is_not_there_ends_it_at_once() {
    let lake = Lake::open();
    let mut watch = Lake::watch(&lake, "--every 1s");
    watch.child.kill().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_restitch"))
        .args(["watch", "--queue", &lake.queue.url().replace("events", "others")])
        .current_dir(lake.folder.path())
        .env_clear()
        .envs(lake.s3.environment())
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("there is no queue http://127.0.0.1"), "{text}");
}
