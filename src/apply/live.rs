//! What a rule file names, reached: prefixes listed, locations written to for a moment, catalogs and buckets asked.
//!
//! Permissions are found out by trying. The one thing ever written is a small object of its own, named [`PROBE`]…, which
//! is taken away again; nothing of a table and nothing of a catalog is changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use super::lease::unconditional;
use super::random_id;
use crate::catalog::{Catalog, Catalogs};
use crate::error::{Error, ErrorKind, Result};
use crate::listing::Sources;
use crate::listing::folder::path_of;
use crate::listing::sources::Source;
use crate::listing::upkeep::{End, LifecycleRule, Upkeep, When};
use crate::map::body::Body;
use crate::plan::manifest::PROBE;
use crate::rules::listed;
use crate::rules::table::{CatalogSettings, Rules, Table};
use crate::store::{Condition, ETag, Store, Stores};
use crate::uri::{Bucket, Scheme, Shown, Uri};

/// Prefixes, locations and tables asked about at once.
const AT_ONCE: usize = 16;

const DAY_S: u64 = 86_400;

/// One thing that the rule file names, and what became of reaching it.
#[derive(Debug)]
pub struct Reached {
    pub what: What,
    /// `s3://data/2024/`
    pub name: String,
    /// What holds of it: `listed`, `in eu-west-1`.
    pub facts: Vec<String>,
    pub findings: Vec<Finding>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Prefix,
    Location,
    Bucket,
    Catalog,
}

impl What {
    pub fn name(self) -> &'static str {
        match self {
            What::Prefix => "prefix",
            What::Location => "location",
            What::Bucket => "bucket",
            What::Catalog => "catalog",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub level: Level,
    /// An index into the rule file's tables.
    pub table: usize,
    /// An index into the table's rules, where it is about one.
    pub rule: Option<usize>,
    pub message: String,
    pub notes: Vec<String>,
    pub help: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A command would fail.
    Error,
    /// Something will go wrong, or may.
    Warning,
    /// Good to know, or could not be found out.
    Note,
}

impl Finding {
    fn new(level: Level, table: usize, message: impl Into<String>) -> Finding {
        Finding { level, table, rule: None, message: message.into(), notes: Vec::new(), help: None }
    }

    fn of(error: &Error, level: Level, table: usize) -> Finding {
        let (notes, help) = (error.notes().to_vec(), error.help_text().map(str::to_owned));
        Finding { notes, help, ..Finding::new(level, table, error.message()) }
    }
}

impl Reached {
    fn new(what: What, name: impl Into<String>) -> Reached {
        Reached { what, name: name.into(), facts: Vec::new(), findings: Vec::new() }
    }

    fn is_listed(&self) -> bool {
        self.facts.iter().any(|fact| fact == LISTED)
    }

    fn fact(&mut self, fact: impl Into<String>) {
        self.facts.push(fact.into());
    }
}

/// Reaches everything that the rules name, each thing once: prefixes, locations, their buckets, catalogs. What cannot be
/// reached is a finding.
pub async fn reach(rules: &Rules, sources: &Sources) -> Vec<Reached> {
    let prefixes = prefixes(rules);
    let mut reached: Vec<Reached> = stream::iter(&prefixes)
        .map(|(prefix, (table, rule))| reach_prefix(sources, prefix, *table, *rule))
        .buffered(AT_ONCE)
        .collect()
        .await;
    let live = prefixes.keys().zip(&reached).filter(|(_, one)| one.is_listed());
    let mut buckets: BTreeMap<Bucket, Uri> = live.map(|(prefix, _)| (prefix.bucket.clone(), prefix.clone())).collect();
    let (mut stores, mut catalogs) = (Stores::default(), Catalogs::default());
    let mut locations = Vec::new();
    for (index, table) in rules.tables.iter().enumerate() {
        let Some(location) = &table.location else { continue };
        let store = stores.open(&standing(location), &sources.access(location)).await;
        locations.push(async move { reach_location(store, location, index).await });
    }
    for (location, one) in stream::iter(locations).buffered(AT_ONCE).collect::<Vec<_>>().await {
        if one.is_listed() {
            buckets.entry(location.bucket.clone()).or_insert_with(|| location.clone());
        }
        reached.push(one);
    }
    for (bucket, uri) in &buckets {
        reached.extend(reach_bucket(rules, sources, bucket, uri, &prefixes).await);
    }
    for (settings, tables) in registered(rules) {
        reached.push(reach_catalog(catalogs.open(settings).await, settings, &tables).await);
    }
    said_once(&mut reached);
    reached
}

const LISTED: &str = "listed";

/// What is listed, with the first table and rule that list it.
fn prefixes(rules: &Rules) -> BTreeMap<Uri, (usize, usize)> {
    let mut prefixes = BTreeMap::new();
    for (table, of) in rules.tables.iter().enumerate() {
        for (rule, of) in of.rules.iter().enumerate() {
            for prefix in listed(of) {
                prefixes.entry(prefix).or_insert((table, rule));
            }
        }
    }
    prefixes
}

async fn reach_prefix(sources: &Sources, prefix: &Uri, table: usize, rule: usize) -> Reached {
    let mut reached = Reached::new(What::Prefix, prefix.shown());
    let tried = async {
        let covered = sources.cover([prefix])?;
        if !covered.iter().any(|source| matches!(source, Source::Live { .. })) {
            return Ok(None);
        }
        sources.live(prefix).await?.any(prefix).await.map(Some)
    };
    let finding = match tried.await {
        Ok(None) => return with_fact(reached, "its listing is written down: not asked"),
        Ok(Some(any)) => {
            reached.fact(LISTED);
            (!any).then(|| {
                let message = format!("nothing lies below {}", prefix.shown());
                let help = "look at `match`, or leave the rule until something is there".to_owned();
                Finding { help: Some(help), ..Finding::new(Level::Warning, table, message) }
            })
        }
        Err(error) => Some(Finding::of(&error, Level::Error, table)),
    };
    reached.findings.extend(finding.map(|finding| Finding { rule: Some(rule), ..finding }));
    reached
}

fn with_fact(mut reached: Reached, fact: &str) -> Reached {
    reached.fact(fact);
    reached
}

/// The location, or, of a local one whose folder is still to be made, the folder above that is there: trying a location
/// out makes no folders.
fn standing(location: &Uri) -> Uri {
    let mut key = location.key.as_str();
    while location.bucket.scheme == Scheme::File && !key.is_empty() && !path_of(key.trim_end_matches('/')).exists() {
        key = key[..key.len() - 1].rfind('/').map_or("", |slash| &key[..=slash]);
    }
    Uri::new(location.bucket.clone(), key)
}

async fn reach_location(store: Result<Arc<dyn Store>>, location: &Uri, table: usize) -> (&Uri, Reached) {
    let mut reached = Reached::new(What::Location, location.shown());
    let tried = async {
        let store = store?;
        // A whole page, which also shows whether keys come in byte order.
        store.list(location, None).try_next().await?;
        reached.fact(LISTED);
        try_out(store.as_ref(), &standing(location), &mut reached, table).await
    };
    if let Err(error) = tried.await {
        reached.findings.push(Finding::of(&error, Level::Error, table));
    }
    (location, reached)
}

/// Writes, reads and deletes an object of its own. Where it may not be deleted it is not written, only tried to: nothing
/// stays.
async fn try_out(store: &dyn Store, location: &Uri, reached: &mut Reached, table: usize) -> Result<()> {
    let probe = location.join(&format!("{PROBE}{}", random_id()?));
    // To delete what is not there takes the same permission, where each action has one of its own.
    if location.bucket.scheme != Scheme::File
        && let Err(error) = deleted(store, &probe).await
    {
        if error.kind() != ErrorKind::Denied {
            return Err(error);
        }
        let mut finding = Finding::of(&error, Level::Warning, table);
        finding.notes.push("`prune` has to delete; `apply` does not".to_owned());
        reached.findings.push(finding);
        return write_nothing(store, &probe, location, reached).await;
    }
    let tried = write_and_read(store, &probe, location).await;
    // A write that failed may have happened all the same.
    let gone = deleted(store, &probe).await;
    tried?;
    reached.fact("written under conditions");
    reached.fact("read");
    gone.map_err(|error| error.note(format!("{} stays behind; engines skip it", probe.shown())))?;
    reached.fact("deleted");
    Ok(())
}

/// Whether writing is allowed, by a write whose condition cannot hold: nothing is there.
async fn write_nothing(store: &dyn Store, probe: &Uri, location: &Uri, reached: &mut Reached) -> Result<()> {
    match store.put(probe, Body::default(), &Condition::Is(ETag("0".repeat(32)))).await {
        Err(error) if error.kind() == ErrorKind::Conflict => {}
        Err(error) if error.kind() == ErrorKind::Unsupported => return Err(unconditional(location).source(error)),
        Err(error) => return Err(error),
        Ok(_) => return Err(unconditional(location).note(format!("{} stays behind; engines skip it", probe.shown()))),
    }
    reached.fact("may be written, under conditions");
    Ok(())
}

async fn deleted(store: &dyn Store, uri: &Uri) -> Result<()> {
    store.delete(std::slice::from_ref(uri)).await?.pop().map_or(Ok(()), |(_, error)| Err(error))
}

async fn write_and_read(store: &dyn Store, probe: &Uri, location: &Uri) -> Result<()> {
    let body = Body::from("written by `restitch check --live`; may be deleted\n");
    match store.put(probe, body.clone(), &Condition::Absent).await {
        // The name is new: a try whose answer was lost has written it.
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::Conflict => {}
        Err(error) if error.kind() == ErrorKind::Unsupported => return Err(unconditional(location).source(error)),
        Err(error) => return Err(error),
    }
    for condition in [Condition::Absent, Condition::Is(ETag("0".repeat(32)))] {
        match store.put(probe, body.clone(), &condition).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
            Ok(_) => return Err(unconditional(location)),
        }
    }
    match store.get(probe).await? {
        Some(stored) if body.is(&stored.body)? => Ok(()),
        _ => Err(Error::new(ErrorKind::Corrupt, format!("{} does not give back what is written", location.shown()))),
    }
}

/// A bucket's versions and lifecycle, as far as they concern the tables.
async fn reach_bucket(
    rules: &Rules,
    sources: &Sources,
    bucket: &Bucket,
    uri: &Uri,
    prefixes: &BTreeMap<Uri, (usize, usize)>,
) -> Option<Reached> {
    let upkeep = sources.live(uri).await.ok()?.upkeep(bucket).await?;
    let mut reached = Reached::new(What::Bucket, bucket.uri_prefix());
    reached.fact(format!("in {}", Shown(&upkeep.region)));
    let of_prefix = prefixes.iter().find(|(prefix, _)| prefix.bucket == *bucket).map(|(_, (table, _))| *table);
    let here = |table: &Table| table.location.as_ref().is_some_and(|location| location.bucket == *bucket);
    let of_location = rules.tables.iter().position(here);
    let first = of_prefix.or(of_location).unwrap_or_default();
    match &upkeep.lifecycle {
        Ok(lifecycle) => {
            for (index, table) in rules.tables.iter().enumerate() {
                reached.findings.extend(data_that_goes(bucket, index, table, lifecycle));
                reached.findings.extend(manifests_that_go(bucket, index, table, lifecycle));
            }
            if reached.findings.is_empty() {
                reached.fact("no lifecycle rule takes away what tables name");
            }
        }
        Err(error) => reached.findings.push(Finding::of(error, Level::Note, first)),
    }
    if let Some(table) = of_location {
        reached.findings.extend(versions(&upkeep, bucket, table, rules));
    }
    Some(reached)
}

/// Lifecycle rules that take away objects while the table still names them, and the `leave_after` that fits.
fn data_that_goes(bucket: &Bucket, index: usize, table: &Table, lifecycle: &[LifecycleRule]) -> Option<Finding> {
    let prefixes: BTreeSet<Uri> = table.rules.iter().flat_map(listed).filter(|it| it.bucket == *bucket).collect();
    let leaves_before = |days: u32| table.limits.leave_after_s.is_some_and(|seconds| seconds < u64::from(days) * DAY_S);
    let is_late = |end: &End| match end.when {
        When::Days(days) => !leaves_before(days),
        When::On(_) => true,
    };
    let touching = lifecycle.iter().filter(|rule| prefixes.iter().any(|prefix| rule.touches(&prefix.key)));
    let late: Vec<(&LifecycleRule, &End)> = touching
        .flat_map(|rule| rule.ends.iter().map(move |end| (rule, end)))
        .filter(|(_, end)| is_late(end))
        .collect();
    let soonest = late.iter().map(|(_, end)| end.when).min()?;
    let message = format!("objects that `{}` names will be taken away in {}", Shown(&table.name), bucket.uri_prefix());
    let help = match soonest {
        When::Days(0) => "these objects can be in no table: `exclude` them, or change that rule".to_owned(),
        When::Days(1) => "let lines leave before that:\nleave_after = \"12h\"".to_owned(),
        When::Days(days) => format!("let lines leave before that:\nleave_after = \"{}d\"", days - 1),
        When::On(_) => "run `restitch apply` right after that day, or change that rule".to_owned(),
    };
    let notes = late.iter().map(|(rule, end)| told(rule, end)).collect();
    Some(Finding { notes, help: Some(help), ..Finding::new(Level::Warning, index, message) })
}

/// Lifecycle rules that take away the table's own manifests. They bear no tags.
fn manifests_that_go(bucket: &Bucket, index: usize, table: &Table, lifecycle: &[LifecycleRule]) -> Option<Finding> {
    let location = table.location.as_ref().filter(|location| location.bucket == *bucket)?;
    let touching = lifecycle.iter().filter(|rule| !rule.is_for_tags && rule.touches(&location.key));
    let ends: Vec<(&LifecycleRule, &End)> =
        touching.flat_map(|rule| rule.ends.iter().map(move |end| (rule, end))).collect();
    let is_sure = |(rule, end): &(&LifecycleRule, &End)| end.archive.is_none() && !rule.is_for_sizes;
    let level = if ends.iter().any(is_sure) { Level::Error } else { Level::Warning };
    let message = format!("the manifests of `{}` themselves will be taken away", Shown(&table.name));
    let help = format!("let that rule leave out {}, or give the table another `location`", location.shown());
    let notes = ends.iter().map(|(rule, end)| told(rule, end)).collect();
    let finding = Finding { notes, help: Some(help), ..Finding::new(level, index, message) };
    (!ends.is_empty()).then_some(finding)
}

/// ``lifecycle rule `old`: deletes objects below `logs/` 30 days after they were written``
fn told(rule: &LifecycleRule, end: &End) -> String {
    let keys = if rule.prefix.is_empty() {
        "all objects".to_owned()
    } else {
        format!("what begins with `{}`", Shown(&rule.prefix))
    };
    let does = match &end.archive {
        None => format!("deletes {keys}"),
        Some(class) => format!("archives {keys} to {}, where no engine reads it,", Shown(class)),
    };
    let when = match end.when {
        When::Days(0) => "at once".to_owned(),
        When::Days(1) => "a day after it was written".to_owned(),
        When::Days(days) => format!("{days} days after it was written"),
        When::On(seconds) => match jiff::Timestamp::from_second(seconds) {
            Ok(day) => format!("on {}", day.strftime("%Y-%m-%d")),
            Err(_) => "on a day".to_owned(),
        },
    };
    let only = match (rule.is_for_tags, rule.is_for_sizes) {
        (true, _) => "; only what bears its tags",
        (false, true) => "; only what has its sizes",
        (false, false) => "",
    };
    format!("lifecycle rule `{}` {does} {when}{only}", Shown(&rule.id))
}

/// What versions mean for a bucket with manifests.
fn versions(upkeep: &Upkeep, bucket: &Bucket, table: usize, rules: &Rules) -> Option<Finding> {
    match &upkeep.keeps_versions {
        Ok(false) => None,
        Err(error) => Some(Finding::of(error, Level::Note, table)),
        Ok(true) => {
            let message = format!("{} keeps versions", bucket.uri_prefix());
            let mut finding = Finding::new(Level::Note, table, message);
            finding.notes.push("each change of a manifest leaves an old version, each delete a marker".to_owned());
            finding.notes.push("so did trying it out just now".to_owned());
            let locations = rules.tables.iter().filter_map(|table| table.location.as_ref());
            let mut here = locations.filter(|location| location.bucket == *bucket);
            let cleans = |location: &Uri| {
                let lifecycle = upkeep.lifecycle.as_deref().unwrap_or_default();
                lifecycle.iter().any(|rule| rule.deletes_versions && location.key.starts_with(&rule.prefix))
            };
            if !here.all(cleans) {
                let help = "a lifecycle rule with NoncurrentVersionExpiration there keeps them from piling up";
                finding.help = Some(help.to_owned());
            }
            Some(finding)
        }
    }
}

/// Catalogs, each with its tables, in the order of the file.
fn registered(rules: &Rules) -> Vec<(&CatalogSettings, Vec<(usize, &Table)>)> {
    let mut found: Vec<(&CatalogSettings, Vec<(usize, &Table)>)> = Vec::new();
    let mut at: HashMap<&CatalogSettings, usize> = HashMap::new();
    for (index, table) in rules.tables.iter().enumerate() {
        let Some(settings) = &table.catalog else { continue };
        let known = *at.entry(settings).or_insert_with(|| {
            found.push((settings, Vec::new()));
            found.len() - 1
        });
        found[known].1.push((index, table));
    }
    found
}

/// Reads only: what may be written there is not tried.
async fn reach_catalog(
    catalog: Result<Arc<dyn Catalog>>,
    settings: &CatalogSettings,
    tables: &[(usize, &Table)],
) -> Reached {
    let first = tables[0].0;
    let catalog = match catalog {
        Ok(catalog) => catalog,
        Err(error) => {
            let mut reached = Reached::new(What::Catalog, format!("database {}", Shown(&settings.database)));
            reached.findings.push(Finding::of(&error, Level::Error, first));
            return reached;
        }
    };
    let mut reached = Reached::new(What::Catalog, catalog.shown());
    match catalog.database_exists().await {
        Ok(true) => reached.fact("there"),
        Ok(false) => {
            reached.fact("not there");
            let finding = Finding::new(Level::Error, first, format!("there is no {}", catalog.shown()));
            let help = "make it, or let restitch:\nrestitch apply --create-database".to_owned();
            reached.findings.push(Finding { help: Some(help), ..finding });
            return reached;
        }
        Err(error) => {
            reached.findings.push(Finding::of(&error, Level::Error, first));
            return reached;
        }
    }
    let read: Vec<(usize, Result<bool>)> = stream::iter(tables)
        .map(|(index, table)| {
            let catalog = catalog.clone();
            async move { (*index, read_table(catalog.as_ref(), table).await) }
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    let there = read.iter().filter(|(_, read)| matches!(read, Ok(true))).count();
    if read.iter().all(|(_, read)| read.is_ok()) {
        reached.fact(format!("read: {there} of {} tables registered", tables.len()));
    }
    let failed = read.iter().filter_map(|(index, read)| Some((*index, read.as_ref().err()?)));
    reached.findings.extend(failed.map(|(index, error)| Finding::of(error, Level::Error, index)));
    reached.fact("writing there was not tried");
    reached
}

/// Whether the table is there, its partitions read as far as one page.
async fn read_table(catalog: &dyn Catalog, table: &Table) -> Result<bool> {
    let name = table.catalog_name();
    let is_there = catalog.table(&name).await?.is_some();
    if is_there && table.registers_partitions() {
        catalog.partitions(&name).try_next().await?;
    }
    Ok(is_there)
}

/// Leaves of findings with the same words the first: a bucket that is not there is not there for every prefix.
fn said_once(reached: &mut [Reached]) {
    let mut said: BTreeSet<(Level, String)> = BTreeSet::new();
    for one in reached {
        one.findings.retain(|finding| said.insert((finding.level, finding.message.clone())));
    }
}
