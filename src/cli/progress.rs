//! One line on standard error while something runs: redrawn in place on a terminal, a line now and then elsewhere.

use std::fmt::Display;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::Global;
use super::global::When;
use crate::listing::survey;
use crate::uri::Uri;

/// How often the line on a terminal is redrawn, at most.
const TICK: Duration = Duration::from_millis(200);

/// How often a line is written where there is no terminal and `--progress always` asks for it.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// What is being done right now; gone from a terminal without a trace when dropped.
pub struct Progress(Kind);

enum Kind {
    Hidden,
    Terminal(ProgressBar),
    Plain { started: Instant, last: Mutex<Instant> },
}

impl Progress {
    pub fn start(global: &Global) -> Progress {
        let terminal = std::io::stderr().is_terminal();
        Progress(match global.progress {
            _ if global.quiet => Kind::Hidden,
            When::Never => Kind::Hidden,
            When::Auto if !terminal => Kind::Hidden,
            When::Auto | When::Always if terminal => Kind::Terminal(spinner()),
            _ => Kind::Plain { started: Instant::now(), last: Mutex::new(Instant::now()) },
        })
    }

    /// Says what is being done; `what` holds what [`Shown`](crate::uri::Shown) let through.
    pub fn say(&self, what: impl Display) {
        match &self.0 {
            Kind::Hidden => {}
            Kind::Terminal(bar) => bar.set_message(what.to_string()),
            Kind::Plain { started, last } => {
                let mut last = last.lock().expect("nothing panics while it holds the lock");
                if last.elapsed() >= PLAIN_EVERY {
                    *last = Instant::now();
                    anstream::eprintln!("{what}  {} s", started.elapsed().as_secs());
                }
            }
        }
    }

    /// Says how far a listing has come.
    pub fn listing(&self, at: &survey::Progress<'_>) {
        let prefix = at.prefix.map_or_else(|| "everything".to_owned(), Uri::shown);
        self.say(format_args!("listing  {prefix}  {} keys", at.keys));
    }

    /// Hides the line while `f` prints.
    pub fn aside<T>(&self, f: impl FnOnce() -> T) -> T {
        match &self.0 {
            Kind::Terminal(bar) => bar.suspend(f),
            _ => f(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Kind::Terminal(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}").expect("the template is fixed"));
    bar.enable_steady_tick(TICK);
    bar
}
