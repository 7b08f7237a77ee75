//! What a simulation is about: a table, what listings of its objects give, who does what, and what may go wrong.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use restitch::apply::planning::Planning;
use restitch::apply::{self, Options, Protocol};
use restitch::catalog::Catalog;
use restitch::map::group::TableGroups;
use restitch::plan::TablePlan;
use restitch::rules::table::{CatalogService, CatalogSettings, Partitions, Publish, Table};
use restitch::store::Store;
use restitch::store::memory::{Memory, Tags};
use restitch::uri::Uri;

use crate::catalog::OneTable;
use crate::published;

/// By region, the numbers of the objects behind the lines; a region without any is an emptied partition.
pub type Contents = BTreeMap<String, BTreeSet<u32>>;

/// `amer: 1 2, apac: 3, emea:`
pub fn contents(text: &str) -> Contents {
    let partition = |part: &str| {
        let (region, numbers) = part.split_once(':').expect("`region: numbers`");
        let number = |text: &str| text.parse().expect("a number");
        (region.trim().to_owned(), numbers.split_whitespace().map(number).collect())
    };
    text.split(',').map(partition).collect()
}

#[derive(Clone, Debug)]
pub struct Scenario {
    /// What an apply before has published; nothing at all: not even a marker is there.
    pub before: Contents,
    /// What a listing gives: by the rules it is mapped by, then by the state that the objects are in, oldest first.
    pub listings: Vec<Vec<Contents>>,
    pub roles: Vec<Role>,
    pub events: Events,
    pub protocol: Protocol,
    pub tags: Tags,
    pub page_size: usize,
    /// Writes in flight.
    pub concurrency: usize,
    pub lock_timeout_s: u64,
    /// `Switch`: whatever changes goes into a directory of its own.
    pub publish: Publish,
    /// Whether the table is kept in a catalog, and projected there.
    pub registered: bool,
}

/// What an actor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads the marker, lists the objects, plans by these rules, applies.
    Apply { rules: usize },
    /// Applies a plan that was saved before anything else happened.
    Saved { rules: usize },
    /// Applies once more what this actor applies; for saved plans.
    Again { actor: usize },
    /// Deletes what has long been empty.
    Prune,
    /// Reads the table as a query does.
    Query,
}

/// What may happen besides requests.
#[derive(Clone, Copy, Debug)]
pub struct Events {
    /// Requests fail: lost, answered by nobody, 409, 412 to what the client itself has written.
    pub faults: bool,
    pub kills: bool,
    pub interrupts: bool,
    /// Times that may pass at once, in milliseconds: everybody is stopped meanwhile.
    pub stops_ms: &'static [u64],
    /// Times that may pass while nobody's requests get through, in milliseconds.
    pub outages_ms: &'static [u64],
}

impl Events {
    pub const NONE: Events = Events { faults: false, kills: false, interrupts: false, stops_ms: &[], outages_ms: &[] };
    pub const ALL: Events = Events {
        faults: true,
        kills: true,
        interrupts: true,
        stops_ms: &[9_000, 40_000, 46_000, 61_000],
        outages_ms: &[61_000],
    };
}

impl Scenario {
    /// The same, done by these.
    pub fn by(self, roles: &[Role]) -> Scenario {
        Scenario { roles: roles.to_vec(), ..self }
    }

    /// The same, with what may happen besides.
    pub fn under(self, events: Events) -> Scenario {
        Scenario { events, ..self }
    }
}

impl Default for Scenario {
    fn default() -> Scenario {
        Scenario {
            before: Contents::new(),
            listings: Vec::new(),
            roles: Vec::new(),
            events: Events::NONE,
            protocol: Protocol::default(),
            tags: Tags::Md5,
            page_size: 1000,
            concurrency: 1,
            lock_timeout_s: 0,
            publish: Publish::Refresh,
            registered: false,
        }
    }
}

impl Scenario {
    pub fn table(&self) -> Table {
        let table = published::table("taxes", &["region string"], 1);
        let service = CatalogService::Hive { host: "catalog".into(), port: 9083 };
        let catalog = self.registered.then(|| CatalogSettings { database: "default".into(), service });
        let partitions = if self.registered { Partitions::Projection } else { Partitions::Registered };
        Table { publish: self.publish, catalog, partitions, ..table }
    }

    pub fn groups(&self, table: &Table, contents: &Contents) -> TableGroups {
        let partition = |(region, numbers): (&String, &BTreeSet<u32>)| {
            let lines: Vec<String> = numbers.iter().map(|number| line(*number)).collect();
            published::group(&[region], &lines.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let filled = contents.iter().filter(|(_, numbers)| !numbers.is_empty());
        published::groups(table, filled.map(partition).collect())
    }

    /// The lines that stand in one partition, the same, before and in every listing: every query must see each of them,
    /// once, whatever happens.
    pub fn kept(&self) -> BTreeMap<u32, String> {
        let mut states = std::iter::once(&self.before).chain(self.listings.iter().flatten());
        let lines = |contents: &Contents| -> BTreeMap<u32, String> {
            let of = |(region, numbers): (&String, &BTreeSet<u32>)| {
                numbers.iter().map(|number| (*number, region.clone())).collect::<Vec<_>>()
            };
            contents.iter().flat_map(of).collect()
        };
        let mut kept = states.next().map(lines).unwrap_or_default();
        for state in states {
            let there = lines(state);
            kept.retain(|number, region| there.get(number) == Some(region));
        }
        kept
    }

    /// The objects below and beside the location before the run begins, and the plans that were saved.
    pub fn prepare(self) -> Arc<Prepared> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let memory = Memory::new();
            let store: Arc<dyn Store> = Arc::new(memory.clone());
            memory.set_tags(self.tags);
            memory.set_now(999_000_000);
            for uri in NEIGHBOURS {
                memory.insert(&Uri::parse(uri).expect("a URI"), "theirs");
            }
            for folder in ["", "region=amer/", "region=amer_$folder$"] {
                memory.insert(&location().join(folder), "");
            }
            memory.insert(&data(), "0");
            if !self.before.is_empty() {
                let mut full = self.before.clone();
                for numbers in full.values_mut().filter(|numbers| numbers.is_empty()) {
                    numbers.insert(0);
                }
                for (id, contents) in [("filled", &full), ("before", &self.before)] {
                    let mut plan = self.plan(&memory, contents).await;
                    let options = Options { protocol: Protocol::default(), ..self.options(id, id, &store) };
                    let applied = apply::table(&memory, &mut plan, "0", &options).await;
                    applied.expect("nothing disturbs it");
                }
            }
            let mut saved = Vec::new();
            for role in &self.roles {
                saved.push(match role {
                    Role::Saved { rules } => Some(self.plan(&memory, &self.listings[*rules][0]).await),
                    _ => None,
                });
            }
            let objects = memory.snapshot();
            let table = self.table();
            Arc::new(Prepared { table, scenario: Arc::new(self), objects, saved, recovered: Mutex::default() })
        })
    }

    async fn plan(&self, memory: &Memory, contents: &Contents) -> TablePlan {
        let planning = self.planning(&(Arc::new(memory.clone()) as Arc<dyn Store>));
        let table = self.table();
        let planned = published::plan(memory, &table, self.groups(&table, contents), &planning).await;
        let planned = planned.expect("a plan");
        assert!(planned.refusals.is_empty(), "{:?}", planned.refusals);
        planned.plan.expect("a plan without refusals")
    }

    /// What is planned over `store`.
    pub fn planning(&self, store: &Arc<dyn Store>) -> Planning {
        Planning { accept_moves: true, now: 999_000_000, catalog: self.catalog(store), ..published::planning() }
    }

    fn catalog(&self, store: &Arc<dyn Store>) -> Option<Arc<dyn Catalog>> {
        self.registered.then(|| Arc::new(OneTable(store.clone())) as Arc<dyn Catalog>)
    }

    /// `plan` is the id of what is applied to `store`; `holder` the run that applies it.
    pub fn options(&self, plan: &str, holder: &str, store: &Arc<dyn Store>) -> Options {
        Options {
            plan: plan.into(),
            holder: holder.into(),
            lock_timeout: std::time::Duration::from_secs(self.lock_timeout_s),
            single_writer: false,
            concurrency: self.concurrency,
            catalog: self.catalog(store),
            interrupt: Default::default(),
            written: Arc::default(),
            protocol: self.protocol,
        }
    }
}

/// A scenario ready to run, any number of times.
#[derive(Debug)]
pub struct Prepared {
    pub scenario: Arc<Scenario>,
    pub table: Table,
    pub objects: BTreeMap<Uri, Bytes>,
    /// By actor.
    pub saved: Vec<Option<TablePlan>>,
    /// Digests of what was published at the ends of runs that have been recovered from.
    pub recovered: Mutex<HashSet<u64>>,
}

/// What lies around the location and is nobody's business.
pub const NEIGHBOURS: [&str; 5] = [
    "s3://published/taxes",
    "s3://published/taxes--0a1b2c3d/_restitch.json",
    "s3://published/taxes--0a1b2c3d/region=amer/symlink.txt",
    "s3://published/taxes2/symlink.txt",
    "s3://published/tax",
];

pub fn location() -> Uri {
    Uri::parse("s3://published/taxes/").expect("a URI")
}

/// An object that says which state the listed objects are in: reading it stands for listing them.
pub fn data() -> Uri {
    Uri::parse("s3://data/state").expect("a URI")
}

pub fn line(number: u32) -> String {
    format!("s3://data/{number}")
}
