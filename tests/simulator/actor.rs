//! The actors: each a future over its own way to the store, which ends in what a command would report.

use std::collections::BTreeMap;
use std::sync::Arc;

use restitch::apply::current;
use restitch::apply::interrupt::Interrupt;
use restitch::apply::{self, Options, lease, prune};
use restitch::error::{Error, ErrorKind, Result};
use restitch::plan::TablePlan;
use restitch::rules::table::Publish;
use restitch::store::Store;
use tokio::sync::watch;

use crate::catalog;
use crate::checker::Intents;
use crate::scenario::{Prepared, Role, data, location};
use crate::world::Client;

/// How an actor ended.
#[derive(Debug)]
pub enum Outcome {
    Applied,
    Pruned,
    Failed(Error),
    /// The manifests that a query read, each with its body.
    Read(BTreeMap<String, String>),
}

/// The letter of an actor, and the id of the plan that it makes.
pub fn name(actor: usize) -> String {
    char::from(b'A' + actor as u8).to_string()
}

pub async fn act(
    prepared: Arc<Prepared>,
    actor: usize,
    client: Client,
    intents: Intents,
    signals: watch::Receiver<Option<ErrorKind>>,
) -> Outcome {
    let scenario = &prepared.scenario;
    let store: Arc<dyn Store> = Arc::new(client.clone());
    let of = |plan: usize| Options {
        interrupt: Interrupt::new(signals.clone()),
        ..scenario.options(&name(plan), &name(actor), &store)
    };
    client.begin().await;
    let applied = match scenario.roles[actor] {
        Role::Apply { rules } => apply(&prepared, rules, &store, &intents, &of(actor)).await,
        Role::Saved { .. } => carry_out(&prepared.saved[actor], &client, &of(actor)).await,
        Role::Again { actor: plan } => carry_out(&prepared.saved[plan], &client, &of(plan)).await,
        Role::Prune => {
            let pruned = delete(&prepared, &client, &of(actor)).await;
            return pruned.map_or_else(Outcome::Failed, |()| Outcome::Pruned);
        }
        Role::Query => return read(&prepared, &client).await.map_or_else(Outcome::Failed, Outcome::Read),
    };
    applied.map_or_else(Outcome::Failed, |()| Outcome::Applied)
}

/// `restitch apply`: the marker, the listing, the plan, and what it says.
pub async fn apply(
    prepared: &Prepared,
    rules: usize,
    store: &Arc<dyn Store>,
    intents: &Intents,
    options: &Options,
) -> Result<()> {
    let (scenario, client) = (&prepared.scenario, store.as_ref());
    let found = lease::read(client, &location()).await?;
    let state = client.get(&data()).await?.expect("the objects are always in some state");
    let state: usize = std::str::from_utf8(&state.body).expect("a number").parse().expect("a number");
    let contents = &scenario.listings[rules][state];
    intents.add(&options.plan, contents, state);
    let planning = scenario.planning(store);
    let groups = scenario.groups(&prepared.table, contents);
    let planned = current::table(client, &prepared.table, found, groups, &planning).await?;
    let respected = |refusal: &Error| scenario.protocol.lease || refusal.kind() != ErrorKind::Leased;
    if let Some(refusal) = planned.refusals.into_iter().find(respected) {
        return Err(refusal);
    }
    let mut plan = planned.plan.expect("a plan without refusals");
    apply::table(client, &mut plan, &state.to_string(), options).await.map(drop)
}

async fn carry_out(saved: &Option<TablePlan>, client: &Client, options: &Options) -> Result<()> {
    let mut plan = saved.clone().expect("it was saved");
    apply::table(client, &mut plan, "0", options).await.map(drop)
}

/// `restitch prune`
async fn delete(prepared: &Prepared, client: &Client, options: &Options) -> Result<()> {
    match prune::of_table(client, None, &prepared.table).await? {
        Some(pruning) if pruning.deletes() => prune::carry_out(client, &pruning, options).await.map(drop),
        _ => Ok(()),
    }
}

/// A query: learns which directory is current, and reads every manifest that may ever be there, one after the other. What
/// it finds missing is no rows.
async fn read(prepared: &Prepared, client: &Client) -> Result<BTreeMap<String, String>> {
    let scenario = &prepared.scenario;
    let states = std::iter::once(&scenario.before).chain(scenario.listings.iter().flatten());
    let regions: std::collections::BTreeSet<&String> = states.flat_map(|state| state.keys()).collect();
    let mut directory = location();
    if scenario.registered {
        let entry = client.get(&catalog::entry()).await?.expect("a table that was published is registered");
        directory = catalog::directory(&entry.body);
    } else if scenario.publish == Publish::Switch {
        directory =
            lease::read(client, &location()).await?.map_or(directory, |found| found.marker.directory(&location()));
    }
    let mut read = BTreeMap::new();
    for region in regions {
        let key = format!("region={region}/symlink.txt");
        if let Some(stored) = client.get(&directory.join(&key)).await? {
            read.insert(region.clone(), String::from_utf8(stored.body.to_vec()).expect("lines are text here"));
        }
    }
    Ok(read)
}
