//! A plan drawn up: markers read, everything listed and mapped, each table held against what is published. Reads only.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use crate::apply::Options;
use crate::apply::above;
use crate::apply::beside::{Beside, Left};
use crate::apply::current;
use crate::apply::lease::{self, Found};
use crate::apply::mapped::{self, Also, Mapped, MappedTable, Shared};
use crate::apply::planning::{Planned, Planning};
use crate::catalog::{Catalog, Catalogs};
use crate::cli::{Global, Progress};
use crate::error::{Error, Result};
use crate::listing::Sources;
use crate::listing::survey::Listed;
use crate::map::group::TableGroups;
use crate::map::shapes::Shapes;
use crate::plan::TablePlan;
use crate::plan::cost::QueryLists;
use crate::plan::marker::{self, Marker};
use crate::plan::traps::{TrapCounts, Traps};
use crate::rules;
use crate::rules::table::{Removed, Rules, Table};
use crate::store::{Store, Stores};
use crate::uri::{Scheme, Uri};

/// Tables planned at once.
pub(super) const TABLES: usize = 8;

/// What is looked at, though the plan may not need it.
#[derive(Clone, Copy, Debug)]
pub struct Looks {
    /// The listing, where nothing can have changed since the last apply.
    pub relist: bool,
    /// What lies beside the tables: some may have left the file.
    pub beside: bool,
}

/// A plan, and all that is said of it.
pub struct Drawn {
    /// When the listing was true, in seconds since 1970.
    pub as_of: i64,
    pub listed: Vec<Listed>,
    /// In the order of the rule file, then what it has `[removed]`.
    pub tables: Vec<DrawnTable>,
    pub left_out: Shapes,
    /// Tables that lie beside these, and that no table of the file is.
    pub gone: Vec<Left>,
    /// Where only some partitions were looked at: which, as the user said it.
    pub only: Option<String>,
}

/// One table's part.
pub struct DrawnTable {
    pub name: String,
    pub location: Uri,
    /// The marker that was found; `None` where there is none, or none that can be read.
    pub published: Option<Marker>,
    /// Missing where a refusal leaves nothing to compare.
    pub plan: Option<TablePlan>,
    pub refusals: Vec<Error>,
    pub traps: Traps,
    pub trapped: TrapCounts,
    /// Objects at another one's address.
    pub shared: Shared,
    /// What a query of it makes an engine list, where that is known.
    pub query_lists: Option<QueryLists>,
    /// Lines that were left out for the traps that they are in.
    pub skipped: u64,
    /// Lines that have left by `leave_after`.
    pub left: u64,
    pub store: Arc<dyn Store>,
    /// Where it is registered, if anywhere.
    pub catalog: Option<Arc<dyn Catalog>>,
}

impl Drawn {
    pub fn refusals(&self) -> impl Iterator<Item = &Error> {
        self.tables.iter().flat_map(|table| &table.refusals)
    }

    pub fn is_refused(&self) -> bool {
        self.refusals().next().is_some()
    }

    pub fn plans(&self) -> impl Iterator<Item = &TablePlan> {
        self.tables.iter().filter_map(|table| table.plan.as_ref())
    }

    /// Whether nothing at all is to be written.
    pub fn is_empty(&self) -> bool {
        !self.plans().any(TablePlan::writes)
    }

    /// The refusals, those that only ask to plan again first; what is said of several tables alike once.
    pub fn into_refusals(self) -> Vec<Error> {
        let mut refusals: Vec<Error> = self.tables.into_iter().flat_map(|table| table.refusals).collect();
        let mut said = BTreeSet::new();
        refusals.retain(|refusal| said.insert(refusal.message().to_owned()));
        refusals.sort_by_key(|error| std::cmp::Reverse(error.exit_code()));
        refusals
    }
}

/// A place where manifests are to lie, as it was before the listing began.
pub(super) struct Place {
    location: Uri,
    store: Arc<dyn Store>,
    catalog: Option<Arc<dyn Catalog>>,
    found: Result<Option<Found>>,
}

/// Draws up the plan of all tables. With the options of a run that is to write, other runs' leases are waited for. Each
/// worker's `also` sees what the rules say of its objects.
///
/// # Errors
/// Of the listing and the stores, and for what cannot be published at all. What a person may let happen is a refusal.
pub async fn draw<A: Also>(
    global: &Global,
    rules: &Rules,
    sources: &Sources,
    mut planning: Planning,
    also: impl Fn() -> A + Send + 'static,
    run: Option<&Options>,
    looks: Looks,
) -> Result<Drawn> {
    let locations = rules.tables.iter().map(current::publishable).collect::<Result<Vec<&Uri>>>()?;
    // An older listing must never undo what a newer one published: markers first, then the listing.
    let mut stores = Stores::default();
    let mut open = Vec::with_capacity(locations.len());
    for location in &locations {
        open.push(stores.open(location, &sources.access(location)).await?);
    }
    let mut catalogs = Catalogs::default();
    let mut registered = Vec::with_capacity(locations.len());
    for table in &rules.tables {
        registered.push(catalogs.open_any(table.catalog.as_ref()).await?);
    }
    let folders = if looks.beside { Beside::all(rules, &open) } else { Vec::new() };
    let folders = stream::iter(folders);
    let gone = folders.then(async |folder| folder.left(rules.project.as_deref()).await).concat();
    let places = stream::iter(locations.iter().zip(&open).zip(registered))
        .map(|((location, store), catalog)| place(location, store.clone(), catalog, run))
        .buffered(TABLES)
        .try_collect::<Vec<Place>>();
    let (gone, places) = futures::future::join(gone, places).await;
    let places = places?;
    (planning.inputs, planning.now) = (inputs(rules, sources).await?, mapped::now_s());
    if !looks.relist
        && planning.inputs.is_some()
        && let Some(tables) = unchanged(rules, &places, &planning).await?
    {
        let (as_of, left_out) = (mapped::now_s(), Shapes::new(rules));
        return Ok(Drawn { as_of, listed: Vec::new(), tables, left_out, gone, only: None });
    }
    let Mapped { listed, as_of, tables, left_out } = map(global, rules, sources, also, &mut planning).await?;
    let each = rules.tables.iter().zip(places).zip(tables);
    let mut drawn: Vec<DrawnTable> = stream::iter(each)
        .map(|((table, place), mapped)| draw_table(table, place, mapped, &planning))
        .buffered(TABLES)
        .try_collect()
        .await?;
    let mut made: BTreeSet<String> = BTreeSet::new();
    for (table, drawn) in rules.tables.iter().zip(&mut drawn) {
        if let Some(plan) = &mut drawn.plan {
            plan.commits = commits(table, &listed);
        }
        if let Some(planned) = drawn.plan.as_mut().and_then(|plan| plan.catalog.as_mut()) {
            // The first of its tables makes it.
            planned.creates_database &= made.insert(planned.catalog.clone());
        }
        if !planning.adopt {
            let taken = taken_from_another(drawn, &mut stores, sources).await?;
            drawn.refusals.extend(taken);
        }
    }
    for removed in &rules.removed {
        let store = stores.open(&removed.location, &sources.access(&removed.location)).await?;
        planning.catalog = catalogs.open_any(rules.catalog.as_ref()).await?;
        drawn.extend(draw_removed(removed, store, &planning).await?);
    }
    Ok(Drawn { as_of, listed, tables: drawn, left_out, gone, only: None })
}

/// Lists and maps, showing how far that is; `planning` is of the time when it was done.
pub(super) async fn map<A: Also>(
    global: &Global,
    rules: &Rules,
    sources: &Sources,
    also: impl Fn() -> A + Send + 'static,
    planning: &mut Planning,
) -> Result<Mapped> {
    let progress = Progress::start(global);
    let mapped = mapped::all(rules, sources, global.memory, also, &mut |at| progress.listing(at)).await?;
    (planning.as_of, planning.now) = (mapped.as_of, mapped::now_s());
    Ok(mapped)
}

/// A digest of all that decides the tables' lines, where a commit stands for every object: `None` where anything that is
/// listed may change without one, or lines leave with time.
async fn inputs(rules: &Rules, sources: &Sources) -> Result<Option<String>> {
    let prefixes: BTreeSet<Uri> = rules.tables.iter().flat_map(|table| &table.rules).flat_map(rules::listed).collect();
    let is_pinned = |prefix: &Uri| prefix.bucket.scheme == Scheme::LakeFs;
    let leaves = |table: &Table| table.limits.leave_after_s.is_some();
    if !sources.is_live() || prefixes.is_empty() || !prefixes.iter().all(is_pinned) || rules.tables.iter().any(leaves) {
        return Ok(None);
    }
    // What the rules say is all in how they are shown to a programmer; a version may make other lines of them.
    let mut texts = vec![env!("CARGO_PKG_VERSION").to_owned(), format!("{rules:?}")];
    for prefix in &prefixes {
        let Some(commit) = sources.live(prefix).await?.pin(prefix).await? else { return Ok(None) };
        texts.extend([prefix.raw(), commit]);
    }
    Ok(Some(marker::digest(texts.iter().map(String::as_str))))
}

/// The tables as they are, where each rests on the very inputs of now: then nothing needs to be listed.
async fn unchanged(rules: &Rules, places: &[Place], planning: &Planning) -> Result<Option<Vec<DrawnTable>>> {
    let mut tables = Vec::new();
    for (table, place) in rules.tables.iter().zip(places) {
        let Ok(Some(found)) = &place.found else { return Ok(None) };
        if !rules.removed.is_empty() {
            return Ok(None);
        }
        let store = place.store.as_ref();
        let planning = &Planning { catalog: place.catalog.clone(), ..planning.clone() };
        let Some(mut plan) = current::unchanged(store, table, found, planning).await? else { return Ok(None) };
        plan.commits = found.marker.applied.iter().flat_map(|applied| applied.commits.clone()).collect();
        tables.push(DrawnTable {
            name: table.name.clone(),
            location: place.location.clone(),
            published: Some(found.marker.clone()),
            plan: Some(plan),
            refusals: Vec::new(),
            traps: Traps::for_table(table),
            trapped: TrapCounts::default(),
            shared: Shared::default(),
            query_lists: None,
            skipped: 0,
            left: 0,
            store: place.store.clone(),
            catalog: place.catalog.clone(),
        });
    }
    Ok(Some(tables))
}

/// The commits that the rules of a table listed.
fn commits(table: &Table, listed: &[Listed]) -> Vec<String> {
    let prefixes: Vec<Uri> = table.rules.iter().flat_map(rules::listed).collect();
    let is_of_table = |prefix: &Uri| prefixes.iter().any(|own| prefix.is_prefix_of(own));
    let of_table = listed.iter().filter_map(|listed| {
        let (prefix, commit) = (listed.prefix.as_ref().filter(|prefix| is_of_table(prefix))?, listed.commit.as_ref()?);
        let reference = prefix.key.split('/').next().unwrap_or_default();
        Some(format!("{}{reference}@{commit}", prefix.bucket.uri_prefix()))
    });
    let mut commits: Vec<String> = of_table.collect();
    commits.sort_unstable();
    commits.dedup();
    commits
}

pub(super) async fn place(
    location: &Uri,
    store: Arc<dyn Store>,
    catalog: Option<Arc<dyn Catalog>>,
    run: Option<&Options>,
) -> Result<Place> {
    let found = match run {
        Some(options) => lease::wait_until_free(store.as_ref(), location, options).await,
        None => lease::read(store.as_ref(), location).await,
    };
    let mut found = refusal_aside(found)?;
    if let Ok(None) = found
        && let Some(refusal) = above::nested(store.as_ref(), location).await?
    {
        found = Err(refusal);
    }
    Ok(Place { location: location.clone(), store, catalog, found })
}

/// What refuses to lead the catalog's table away from a place where it is published.
async fn taken_from_another(drawn: &DrawnTable, stores: &mut Stores, sources: &Sources) -> Result<Option<Error>> {
    let Some(plan) = drawn.plan.as_ref().and_then(|plan| plan.catalog.as_ref()) else { return Ok(None) };
    let Some(old) = above::led_from(plan, &drawn.location) else { return Ok(None) };
    let store = stores.open(&old, &sources.access(&old)).await?;
    above::taken_from(store.as_ref(), &old, plan, &drawn.location).await
}

/// Puts aside what refuses one table, so that the others are still planned; any other error ends the planning.
fn refusal_aside<T>(done: Result<T>) -> Result<Result<T>> {
    match done {
        Err(error) if error.exit_code() == 3 => Ok(Err(error)),
        other => other.map(Ok),
    }
}

pub(super) async fn draw_table(
    table: &Table,
    place: Place,
    mapped: MappedTable,
    planning: &Planning,
) -> Result<DrawnTable> {
    let mut refusals = mapped.refusals(table);
    let MappedTable { groups, traps, trapped, shared, query_lists, .. } = mapped;
    let TableGroups { refused: skipped, left, .. } = groups;
    let published = place.found.as_ref().ok().and_then(|found| Some(found.as_ref()?.marker.clone()));
    let Place { location, store, catalog, found } = place;
    let planning = &Planning { catalog: catalog.clone(), ..planning.clone() };
    let planned = match found {
        Ok(found) => refusal_aside(current::table(store.as_ref(), table, found, groups, planning).await)?,
        Err(error) => Err(error),
    };
    let Planned { plan, refusals: more } =
        planned.unwrap_or_else(|error| Planned { plan: None, refusals: vec![error] });
    refusals.extend(more);
    Ok(DrawnTable {
        name: table.name.clone(),
        location,
        published,
        plan,
        refusals,
        traps,
        trapped,
        shared,
        query_lists,
        skipped,
        left,
        store,
        catalog,
    })
}

async fn draw_removed(removed: &Removed, store: Arc<dyn Store>, planning: &Planning) -> Result<Option<DrawnTable>> {
    let Some(planned) = current::removed(store.as_ref(), removed, planning).await? else { return Ok(None) };
    Ok(Some(DrawnTable {
        name: removed.name.clone(),
        location: removed.location.clone(),
        published: None,
        plan: planned.plan,
        refusals: planned.refusals,
        traps: Traps::default(),
        trapped: TrapCounts::default(),
        shared: Shared::default(),
        query_lists: None,
        skipped: 0,
        left: 0,
        store,
        catalog: None,
    }))
}
