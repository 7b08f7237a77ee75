//! The events of a queue, gathered and refreshed by, round after round.
//!
//! A message is deleted only once what it asked for has been published, so each counts at least once; events are hints, so
//! their order and their doubles do not matter. What a refresh cannot tell, a whole run does.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::WatchArgs;
use crate::apply::interrupt::Interrupt;
use crate::apply::{Done, mapped, random_id};
use crate::cli::apply::written_by;
use crate::cli::ask::unless_interrupted;
use crate::cli::plan::partial::{self, Hints, Partial};
use crate::cli::plan::{draw_all, iso};
use crate::cli::{Exit, Global, Output, rule_file, show};
use crate::error::{Error, ErrorKind, Result};
use crate::events::sqs::{MAX_WAIT, Message, Sqs};
use crate::events::{self, Said};
use crate::map::Program;
use crate::plan::brakes::counted;
use crate::rules::table::Rules;
use crate::uri::{Shown, Uri};

/// How long messages are hidden from others, and how often that is said anew.
const HIDDEN: Duration = Duration::from_secs(300);
const HIDE_EVERY: Duration = Duration::from_secs(100);

/// Messages gathered for one refresh.
const MAX_MESSAGES: usize = 10_000;

/// How long nothing is asked of a queue after it failed.
const PAUSE: Duration = Duration::from_secs(10);

/// # Errors
/// `Interrupted` and `Terminated`, which is how it ends; of the queue and the rule file where the first try at them fails.
pub(super) async fn follow(global: &Global, args: &WatchArgs) -> Result<Exit> {
    rule_file::load(global).await?;
    let queue = Arc::new(Sqs::open(&args.queue).await?);
    let mut watching =
        Watching { global, args, held: Held::of(queue.clone()), queue, said: HashSet::new(), full_due: Instant::now() };
    let ended = match watching.begin().await {
        Err(error) => error,
        Ok(()) => loop {
            if let Err(error) = watching.round().await {
                break error;
            }
        },
    };
    // What was gathered and not done is for whoever asks next.
    let given_back = watching.held.give_back().await;
    if is_signal(&ended) {
        let messages = counted(given_back as u64, "message");
        return Err(Error::new(ended.kind(), format!("stopped; {messages} given back to the queue")));
    }
    Err(ended)
}

struct Watching<'a> {
    global: &'a Global,
    args: &'a WatchArgs,
    queue: Arc<Sqs>,
    held: Held,
    /// Messages that are no events and have been said.
    said: HashSet<String>,
    full_due: Instant,
}

/// Messages that have been received and not deleted; they are kept hidden from others.
struct Held {
    queue: Arc<Sqs>,
    receipts: Arc<Mutex<Vec<String>>>,
    keeper: JoinHandle<()>,
}

impl Watching<'_> {
    /// Sees whether the queue is there. What comes is what the whole run that follows will have done.
    async fn begin(&mut self) -> Result<()> {
        let received = unless_interrupted(self.global, self.queue.receive(Duration::ZERO, HIDDEN)).await?;
        received.into_iter().for_each(|message| self.take(message, &mut Vec::new()));
        self.line(format_args!("watching {}, gathering for {} s", self.queue.shown(), self.args.every.0.as_secs()));
        Ok(())
    }

    /// Gathers events for a while and refreshes what they name, or everything, where that is due.
    ///
    /// # Errors
    /// `Interrupted`, `Terminated`.
    async fn round(&mut self) -> Result<()> {
        if Instant::now() >= self.full_due {
            self.full(None).await?;
        }
        let objects = self.gather().await?;
        if !objects.is_empty() {
            return self.refresh(objects).await;
        }
        self.done().await
    }

    /// What events name, once `--every` has passed since the first of them; nothing where a whole run is due before.
    async fn gather(&mut self) -> Result<Vec<Uri>> {
        let mut objects = Vec::new();
        let mut end = self.full_due;
        while Instant::now() < end && self.held.len() < MAX_MESSAGES {
            let wait = end.saturating_duration_since(Instant::now()).min(MAX_WAIT).max(Duration::from_secs(1));
            let received = match unless_interrupted(self.global, self.queue.receive(wait, HIDDEN)).await {
                Ok(received) => received,
                Err(error) => {
                    self.failed_queue(error).await?;
                    continue;
                }
            };
            let first = self.held.len() == 0 && !received.is_empty();
            for message in received {
                self.take(message, &mut objects);
            }
            if first {
                end = Instant::now() + self.args.every.0;
            }
        }
        Ok(objects)
    }

    /// One message: what it names, or what is wrong with it. One that is no event is left to the queue, which puts it aside
    /// if it is told to (a redrive policy).
    fn take(&mut self, message: Message, objects: &mut Vec<Uri>) {
        match events::read(&message.body) {
            Ok(said) => {
                self.held.add(message.receipt);
                match said {
                    Said::Objects(named) => objects.extend(named),
                    Said::Nothing => {}
                }
            }
            Err(why) => {
                if self.said.insert(message.id.clone()) {
                    let id = Shown(&message.id).to_string();
                    self.line(format_args!("message {id} is left in the queue: {}", Shown(&why)));
                }
            }
        }
    }

    /// # Errors
    /// A failure that ends it all: a signal.
    async fn failed_queue(&mut self, error: Error) -> Result<()> {
        if is_signal(&error) {
            return Err(error);
        }
        show::error(self.global, &error);
        self.sleep(PAUSE).await
    }

    /// Brings the partitions of these objects to what the rules say, then deletes the messages.
    async fn refresh(&mut self, objects: Vec<Uri>) -> Result<()> {
        let started = Instant::now();
        let done = unless_ended(self.touched(&objects).await)?;
        match done {
            Ok((said, done)) => {
                self.line(format_args!("{said}: {}, {} s", done_in_words(&done), started.elapsed().as_secs()));
                self.done().await
            }
            Err(error) if error.kind() == ErrorKind::Partial => self.full(Some(error)).await,
            Err(error) => self.stays(&error).await,
        }
    }

    async fn touched(&self, objects: &[Uri]) -> Result<(String, Done)> {
        let rules = rule_file::load(self.global).await?;
        let partial = hints(&rules, objects)?;
        let options = self.args.locking.options(&random_id()?, Interrupt::new(self.global.interrupt()))?;
        let planning = self.args.planning.planning(&rules)?;
        let drawing = partial::draw(self.global, &rules, &partial, planning, || (), Some(&options));
        let drawn = unless_interrupted(self.global, drawing).await?;
        Ok((partial.said, written_by(self.global, &mut Output::text(), &rules, drawn, &options).await?))
    }

    /// Brings everything to what the rules say; then whatever the messages say has been done too. `why`: what only this can
    /// tell.
    async fn full(&mut self, why: Option<Error>) -> Result<()> {
        if let Some(why) = why {
            self.line(format_args!("everything is compared: {}", why.message()));
        }
        let started = Instant::now();
        self.full_due = started + self.args.full_every.0;
        let done = unless_ended(self.everything().await)?;
        match done {
            Ok(done) => {
                self.line(format_args!("everything: {}, {} s", done_in_words(&done), started.elapsed().as_secs()));
                self.done().await
            }
            Err(error) => self.stays(&error).await,
        }
    }

    async fn everything(&self) -> Result<Done> {
        let rules = rule_file::load(self.global).await?;
        let options = self.args.locking.options(&random_id()?, Interrupt::new(self.global.interrupt()))?;
        let drawing = draw_all(self.global, &rules, &self.args.planning, Some(&options));
        let drawn = unless_interrupted(self.global, drawing).await?;
        written_by(self.global, &mut Output::text(), &rules, drawn, &options).await
    }

    /// Deletes what is held: it has been done.
    async fn done(&mut self) -> Result<()> {
        let receipts = self.held.take();
        match unless_interrupted(self.global, self.queue.delete(&receipts)).await {
            Err(error) if !is_signal(&error) => {
                show::error(self.global, &error);
                self.line(format_args!(
                    "{} left in the queue, to come again",
                    counted(receipts.len() as u64, "message")
                ));
                Ok(())
            }
            other => other,
        }
    }

    /// Says what failed. The messages stay in the queue and come again when their time runs out.
    async fn stays(&mut self, error: &Error) -> Result<()> {
        show::error(self.global, error);
        let messages = counted(self.held.take().len() as u64, "message");
        self.line(format_args!("{messages} left in the queue, to come again within {} min", HIDDEN.as_secs() / 60));
        Ok(())
    }

    async fn sleep(&self, pause: Duration) -> Result<()> {
        let sleeping = async {
            tokio::time::sleep(pause).await;
            Ok(())
        };
        unless_interrupted(self.global, sleeping).await
    }

    fn line(&self, line: std::fmt::Arguments<'_>) {
        self.global.say(format_args!("{}  {line}", iso(mapped::now_s())));
    }
}

/// A failure that is for the watch to say, or one that ends it.
fn unless_ended<T>(done: Result<T>) -> Result<Result<T>> {
    match done {
        Err(error) if is_signal(&error) || show::is_closed_pipe(&error) => Err(error),
        other => Ok(other),
    }
}

fn is_signal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::Terminated)
}

fn hints(rules: &Rules, objects: &[Uri]) -> Result<Partial> {
    let program = Program::new(rules);
    let mut hints = Hints::new(&program, rules);
    objects.iter().try_for_each(|object| hints.take(object))?;
    Ok(hints.partial())
}

fn done_in_words(done: &Done) -> String {
    let registered = match done.registered.partitions {
        0 => String::new(),
        partitions => format!(", {} registered", counted(partitions, "partition")),
    };
    if done.manifests == 0 {
        format!("no change{registered}")
    } else {
        format!("{} written{registered}", counted(done.manifests, "manifest"))
    }
}

impl Held {
    fn of(queue: Arc<Sqs>) -> Held {
        let receipts: Arc<Mutex<Vec<String>>> = Arc::default();
        let (held, asked) = (receipts.clone(), queue.clone());
        let keeper = tokio::spawn(async move {
            loop {
                tokio::time::sleep(HIDE_EVERY).await;
                let receipts = held.lock().expect("no holder panics").clone();
                if let Err(error) = asked.hide(&receipts, HIDDEN).await {
                    tracing::warn!("messages are not hidden any longer, and may come twice: {error}");
                }
            }
        });
        Held { queue, receipts, keeper }
    }

    fn len(&self) -> usize {
        self.receipts.lock().expect("no holder panics").len()
    }

    fn add(&self, receipt: String) {
        self.receipts.lock().expect("no holder panics").push(receipt);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.receipts.lock().expect("no holder panics"))
    }

    /// Lets the messages come again at once; says how many there were.
    async fn give_back(&self) -> usize {
        let receipts = self.take();
        if let Err(error) = self.queue.hide(&receipts, Duration::ZERO).await {
            tracing::info!("messages come again when their time runs out: {error}");
        }
        receipts.len()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}
