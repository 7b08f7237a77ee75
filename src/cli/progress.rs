//! How far a run has come, on standard error: one line that is redrawn on a terminal, a line now and then elsewhere, or JSON
//! lines for programs (`docs/performance.md` says what they hold).

use std::fmt::Display;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::Global;
use super::global::Show;
use crate::listing::survey;
use crate::plan::brakes::grouped;
use crate::uri::Uri;

/// Of what JSON lines hold. Fields may be added within one.
const VERSION: u32 = 1;

/// How often the line on a terminal is redrawn, at most.
const TICK: Duration = Duration::from_millis(200);

/// How often a line is written where there is no terminal and `--progress always` asks for it.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// How often a JSON line is written, beside the last.
const JSON_EVERY: Duration = Duration::from_secs(1);

/// What is being done right now; gone from a terminal without a trace when dropped.
pub struct Progress {
    kind: Kind,
    started: Instant,
    shown: Mutex<Shown>,
}

enum Kind {
    Hidden,
    Terminal(ProgressBar),
    Plain,
    Json,
}

struct Shown {
    /// When something was shown last.
    at: Instant,
    /// What came since then.
    held: Option<Event>,
}

/// One JSON line.
#[derive(Serialize)]
struct Event {
    version: u32,
    /// Since the run began to do this.
    seconds: f64,
    #[serde(flatten)]
    what: What,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum What {
    Listing {
        /// What is being listed; `null`: everything.
        prefix: Option<String>,
        sources: usize,
        done: usize,
        keys: u64,
        pages: u64,
        keys_per_second: u64,
        requests: u64,
        throttled: u64,
        dollars: f64,
    },
    Writing {
        written: u64,
        manifests: u64,
    },
}

impl Progress {
    pub fn start(global: &Global) -> Progress {
        let terminal = std::io::stderr().is_terminal();
        let kind = match global.progress {
            _ if global.quiet => Kind::Hidden,
            Show::Never => Kind::Hidden,
            Show::Json => Kind::Json,
            Show::Auto if !terminal => Kind::Hidden,
            Show::Auto | Show::Always if terminal => Kind::Terminal(spinner()),
            Show::Auto | Show::Always => Kind::Plain,
        };
        let now = Instant::now();
        Progress { kind, started: now, shown: Mutex::new(Shown { at: now, held: None }) }
    }

    /// Says how far a listing has come.
    pub fn listing(&self, at: &survey::Progress<'_>) {
        let prefix = at.prefix.map(|prefix| prefix.shown());
        let seconds = self.started.elapsed().as_secs_f64();
        self.show(
            || listing_line(at, seconds),
            || What::Listing {
                prefix: prefix.clone(),
                sources: at.sources,
                done: at.done,
                keys: at.keys,
                pages: at.pages,
                keys_per_second: per_second(at.keys, seconds),
                requests: at.requests.lists + at.requests.gets,
                throttled: at.requests.throttled,
                dollars: at.dollars,
            },
        );
    }

    /// Says how many manifests have been written, of how many.
    pub fn writing(&self, written: u64, manifests: u64) {
        let noun = if manifests == 1 { "manifest" } else { "manifests" };
        self.show(
            || format!("writing  {} of {} {noun}", grouped(written), grouped(manifests)),
            || What::Writing { written, manifests },
        );
    }

    /// Hides the line while `f` prints.
    pub fn aside<T>(&self, f: impl FnOnce() -> T) -> T {
        match &self.kind {
            Kind::Terminal(bar) => bar.suspend(f),
            _ => f(),
        }
    }

    /// Shows what is to be shown, if it is time for it.
    fn show<L: Display>(&self, line: impl FnOnce() -> L, what: impl FnOnce() -> What) {
        let every = match &self.kind {
            Kind::Hidden => return,
            Kind::Terminal(_) => TICK,
            Kind::Plain => PLAIN_EVERY,
            Kind::Json => JSON_EVERY,
        };
        let mut shown = self.shown.lock().expect("nothing panics while it holds the lock");
        let is_due = shown.at.elapsed() >= every;
        if is_due {
            shown.at = Instant::now();
        }
        match &self.kind {
            Kind::Terminal(bar) if is_due => bar.set_message(line().to_string()),
            Kind::Plain if is_due => anstream::eprintln!("{}  {} s", line(), self.started.elapsed().as_secs()),
            Kind::Json => {
                let event = Event { version: VERSION, seconds: self.started.elapsed().as_secs_f64(), what: what() };
                shown.held = if is_due { write(&event) } else { Some(event) };
            }
            _ => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Kind::Terminal(bar) = &self.kind {
            bar.finish_and_clear();
        }
        let held = self.shown.get_mut().ok().and_then(|shown| shown.held.take());
        held.as_ref().and_then(write);
    }
}

/// Writes a JSON line; returns what is left of it: nothing.
fn write(event: &Event) -> Option<Event> {
    anstream::eprintln!("{}", serde_json::to_string(event).expect("every field has a form in JSON"));
    None
}

/// `listing  s3://b/data/  1,204,331 keys, 812,000 a second  1,205 pages  1,230 requests, $0.01  3 throttled`
fn listing_line(at: &survey::Progress<'_>, seconds: f64) -> String {
    let prefix = at.prefix.map_or_else(|| "everything".to_owned(), Uri::shown);
    let mut line = format!("listing  {prefix}  {} keys", grouped(at.keys));
    // What took no second has no rate yet.
    if seconds >= 1.0 {
        line += &format!(", {} a second", grouped(per_second(at.keys, seconds)));
    }
    let requests = at.requests.lists + at.requests.gets;
    if requests > 0 {
        line += &format!("  {} pages  {} requests", grouped(at.pages), grouped(requests));
    }
    if at.dollars > 0.0 {
        line += &format!(", ${:.2}", at.dollars);
    }
    if at.requests.throttled > 0 {
        line += &format!("  {} throttled", grouped(at.requests.throttled));
    }
    if at.sources > 1 {
        line += &format!("  {} of {} prefixes", at.done, at.sources);
    }
    line
}

fn per_second(keys: u64, seconds: f64) -> u64 {
    (keys as f64 / seconds.max(0.001)) as u64
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}").expect("the template is fixed"));
    bar.enable_steady_tick(TICK);
    bar
}
