//! What is published, read and held against what should be: one table's plan.
//!
//! Reads only: the marker, the location's listing, and the bodies of those manifests that the listing does not prove to
//! be as desired. Pages stream through the merge; unchanged manifests cost no request.

use std::collections::HashSet;

use futures::StreamExt;

use super::compared::{Compared, Looked, Manifests, compare};
use super::lease::{self, Found};
use super::planning::{Planned, Planning};
use super::{register, registration};
use crate::catalog::Catalog;
use crate::error::{Error, ErrorKind, Result};
use crate::map::directories::KEYS_A_LIST;
use crate::map::group::{Group, TableGroups};
use crate::plan::brakes::{self, Braked};
use crate::plan::catalog::owner;
use crate::plan::manifest::{self, Desired, Shape};
use crate::plan::marker::{self, Applied, Marker, manifests_digest};
use crate::plan::merge::{Published, etag_md5};
use crate::plan::moves::Move;
use crate::plan::switch::Reason;
use crate::plan::{Action, Counts, Draft, Kind, TablePlan, partial};
use crate::rules::table::{Partitions, Publish, Removed, Table};
use crate::store::Store;
use crate::uri::{Shown, Uri};

/// Partitions shown where there are too many.
const SAMPLES: usize = 3;

/// Plans `table`, whose listing gave `groups`. `found` is its marker as [`lease::read`] gave it before that listing was
/// begun: the plan holds only as long as nobody has written since, or an older listing would undo a newer one.
///
/// # Errors
/// `Unsupported` for what cannot be published (values that make no key, a switch at a bucket's root), `Corrupt` for a
/// listing that is none, and the store's own errors. What a person may let happen is among the refusals.
pub async fn table(
    store: &dyn Store,
    table: &Table,
    found: Option<Found>,
    groups: TableGroups,
    planning: &Planning,
) -> Result<Planned> {
    let TableGroups { partitions, taken_by_rule, withheld, bytes, .. } = groups;
    let location = publishable(table)?;
    let drawing = Drawing { store, table, location, found: found.as_ref(), planning };
    let mut wanted = Marker::new(planning.project.as_deref(), table);
    if let Some(refusal) = drawing.foreign(&wanted) {
        return Ok(Planned { plan: None, refusals: vec![refusal] });
    }
    let mut refusals: Vec<Error> = found.iter().filter_map(|found| under_way(found, &table.name)).collect();
    if let Some(found) = &found {
        wanted.lie_where(&found.marker);
    }
    if let Some(only) = &planning.only
        && let Some(refusal) = partial::refusal(table, only, found.as_ref().map(|found| &found.marker), &wanted)
    {
        refusals.push(refusal);
        return Ok(Planned { plan: None, refusals });
    }
    let shape = Shape::of(table);
    if let Some(refusal) = too_many_partitions(table, &shape, &partitions) {
        refusals.push(refusal);
        return Ok(Planned { plan: None, refusals });
    }
    let bytes = (bytes > 0 || partitions.is_empty()).then_some(bytes);
    let desired = manifest::desired(&shape, location, partitions, store.traits().folds_case)?;
    let of_inputs = |inputs: &str| Ok::<_, Error>(snapshot(inputs, &digest(&desired)?));
    let snapshot = planning.inputs.as_deref().map(of_inputs).transpose()?;
    let current = &wanted.directory(location);
    let read_otherwise = drawing.read_otherwise(&wanted);
    let mut compared = drawing.compare(current, shape, desired, withheld, read_otherwise).await?;
    refusals.extend(drawing.ownership(&compared, current).await?);
    let moves = compared.moves(store, current).await?;
    let reason = drawing.reason(read_otherwise, &compared.draft, &moves);
    compared.draft.moved_lines = moves.len() as u64;
    if planning.only.is_some() && reason.is_some() {
        refusals.push(partial::switch_refused(&table.name));
        return Ok(Planned { plan: None, refusals });
    }
    if reason.is_none() {
        refusals.extend(drawing.settle(&mut compared, current, &moves)?);
    }
    if planning.only.is_none() {
        compared.draft.before.bytes = drawing.applied().and_then(|applied| applied.counts.bytes);
        compared.draft.after.bytes = bytes;
    }
    refusals.extend(drawing.brakes(&compared.draft, &taken_by_rule));
    let totals = drawing.totals(&compared.draft);
    if let Some(totals) = totals {
        refusals.extend(brakes::too_many_partitions(&table.name, &table.limits, totals.partitions, &[]));
    }
    let manifests = planning.catalog.is_some().then(|| compared.manifests());
    let mut plan = match (reason, &found) {
        (Some(reason), Some(found)) => compared.switch(store, reason, location, found, wanted).await?,
        _ => compared.plan(Kind::Refresh, location, found.as_ref(), wanted),
    };
    plan.snapshot = snapshot;
    plan.totals = totals;
    if let (Some(catalog), Some(manifests)) = (&planning.catalog, manifests) {
        refusals.extend(drawing.register(catalog.as_ref(), &mut plan, manifests).await?);
    }
    Ok(Planned { plan: Some(plan), refusals })
}

/// A digest of the manifests as they should be.
fn digest(desired: &[Desired]) -> Result<String> {
    let md5 = |manifest: &Desired| manifest.body.md5();
    let md5s = desired.iter().map(md5).collect::<Result<Vec<_>>>()?;
    Ok(manifests_digest(desired.iter().map(|manifest| manifest.key.as_str()).zip(md5s)))
}

/// Plans the emptying of a table that has left the rule file; `None` if nothing of it is there any more.
///
/// # Errors
/// As [`table`].
pub async fn removed(store: &dyn Store, removed: &Removed, planning: &Planning) -> Result<Option<Planned>> {
    let location = &removed.location;
    let refused = |error| Ok(Some(Planned { plan: None, refusals: vec![error] }));
    let Some(found) = lease::read(store, location).await? else {
        let there = store.list(location, None).next().await.transpose()?.is_some_and(|page| !page.is_empty());
        return if there { refused(no_marker(removed)) } else { Ok(None) };
    };
    let mut wanted = found.marker.clone();
    (wanted.lease, wanted.unfinished) = (None, None);
    (wanted.table, wanted.project) = (removed.name.clone(), planning.project.clone());
    if let Some(error) = foreign_marker(&found, &wanted, location).filter(|_| !planning.adopt) {
        return refused(error);
    }
    let Some(shape) = found.marker.shape() else { return refused(no_marker(removed)) };
    if let Some(error) = half_switched(&found, location, planning).await? {
        return refused(error);
    }
    let current = &found.marker.directory(location);
    let (looked, draft) = (Looked::all(current), Draft::new(shape.clone()));
    let mut compared = compare(store, &looked, draft, shape, Vec::new(), planning.adopt).await?;
    let mut refusals: Vec<Error> = under_way(&found, &removed.name).into_iter().collect();
    refusals.extend(compared.ownership(current, true, planning));
    compared.draft.before.bytes = found.marker.applied.as_ref().and_then(|applied| applied.counts.bytes);
    compared.draft.after.bytes = Some(0);
    let plan = compared.plan(Kind::Remove, location, Some(&found), wanted);
    Ok(Some(Planned { plan: Some(plan), refusals }))
}

/// The plan of a table for which nothing has changed since the last apply. `None` where that cannot be told from the
/// location's listing, the catalog's table and [`Planning::inputs`], or is otherwise.
///
/// # Errors
/// Of the store and the catalog.
pub async fn unchanged(
    store: &dyn Store,
    table: &Table,
    found: &Found,
    planning: &Planning,
) -> Result<Option<TablePlan>> {
    let Some(inputs) = planning.inputs.as_deref() else { return Ok(None) };
    let (location, marker) = (publishable(table)?, &found.marker);
    let mut wanted = Marker::new(planning.project.as_deref(), table);
    let is_settled = marker.unfinished.is_none() && found.live_s.is_none() && marker.same_owner(&wanted);
    let Some(applied) = marker.applied.as_ref().filter(|applied| is_settled && applied.snapshot.is_some()) else {
        return Ok(None);
    };
    let (directory, shape) = (marker.directory(location), Shape::of(table));
    let mut compared = Compared::new(Draft::new(shape.clone()));
    let mut manifests = Vec::new();
    let mut pages = store.list(&directory, None);
    while let Some(page) = pages.next().await {
        for object in page?.objects() {
            match compared.classify(&object, &directory, &shape) {
                Some(Published { size: Some(0), .. }) | None => {}
                Some(Published { key, etag, .. }) => match etag.as_deref().and_then(etag_md5) {
                    Some(md5) if store.traits().md5_etags => manifests.push((key, md5)),
                    _ => return Ok(None),
                },
            }
        }
    }
    let digest = manifests_digest(manifests.iter().map(|(key, md5)| (key.as_str(), *md5)));
    if compared.others > 0 || applied.snapshot != Some(snapshot(inputs, &digest)) {
        return Ok(None);
    }
    (compared.draft.before, compared.draft.after) = (applied.counts, applied.counts);
    wanted.lie_where(marker);
    let emptied = compared.manifests().emptied;
    let mut plan = compared.plan(Kind::Refresh, location, Some(found), wanted);
    if let Some(catalog) = &planning.catalog {
        let manifests = Manifests { filled: manifests.into_iter().map(|(key, _)| key).collect(), emptied };
        let (planned, refusals) = registration::plan(catalog.as_ref(), table, &plan, &manifests, planning).await?;
        if planned.writes() || !refusals.is_empty() {
            return Ok(None);
        }
        plan.catalog = Some(planned);
    }
    Ok(Some(plan))
}

/// The location of a table that can be published.
///
/// # Errors
/// `Unsupported`, naming what is missing.
pub fn publishable(table: &Table) -> Result<&Uri> {
    let name = &table.name;
    let missing = |what: &str, help: String| {
        Err(Error::new(ErrorKind::Rules, format!("table `{name}` cannot be published: it has no {what}")).help(help))
    };
    if table.format.is_none() {
        return missing("format", format!("in [table.{name}]: format = \"csv\""));
    }
    if table.columns.is_empty() {
        return missing("columns", format!("in [table.{name}]: columns = [\"id bigint\"]"));
    }
    match &table.location {
        Some(location) => Ok(location),
        None => missing("location", "in [defaults]: location = 's3://bucket/tables/{table}/'".into()),
    }
}

/// One table while its plan is drawn up.
struct Drawing<'a> {
    store: &'a dyn Store,
    table: &'a Table,
    location: &'a Uri,
    found: Option<&'a Found>,
    planning: &'a Planning,
}

impl Drawing<'_> {
    fn applied(&self) -> Option<&Applied> {
        self.found?.marker.applied.as_ref()
    }

    fn foreign(&self, wanted: &Marker) -> Option<Error> {
        foreign_marker(self.found?, wanted, self.location).filter(|_| !self.planning.adopt)
    }

    /// Why readers would see a mix of old and new if manifests were replaced where they stand.
    fn read_otherwise(&self, wanted: &Marker) -> Option<Reason> {
        let old = &self.found?.marker;
        match (old.lies_as(wanted), old.reads_as(wanted)) {
            (false, _) => Some(Reason::Layout),
            (true, false) => (!self.planning.in_place).then_some(Reason::Reading),
            (true, true) => None,
        }
    }

    async fn compare(
        &self,
        current: &Uri,
        shape: Shape,
        desired: Vec<Desired>,
        withheld: HashSet<u64>,
        read_otherwise: Option<Reason>,
    ) -> Result<Compared> {
        let table = self.table;
        let may_switch = read_otherwise.is_some() || table.publish == Publish::Switch || table.is_switched_at_once();
        let keeps = self.planning.catalog.is_some() || (self.found.is_some() && may_switch);
        let draft = Draft::new(shape.clone()).withholding(withheld).keeping(keeps);
        match (self.found, read_otherwise) {
            (Some(found), Some(Reason::Layout)) => Compared::with_another_layout(draft, desired, &found.marker),
            _ => {
                let looked = self.looked(current, &shape);
                compare(self.store, &looked, draft, shape, desired, self.planning.adopt).await
            }
        }
    }

    /// The manifests that are looked at. A directory whose keys take fewer requests than the partitions' is listed whole; so
    /// is one without a marker, as whose it is must be known, and one whose range is projected.
    fn looked<'l>(&'l self, current: &'l Uri, shape: &Shape) -> Looked<'l> {
        let only = self.planning.only.as_ref();
        let mut looked = Looked { only, ..Looked::all(current) };
        let Some((only, applied)) = only.zip(self.applied()) else { return looked };
        let projected = self.planning.catalog.is_some() && self.table.partitions == Partitions::Projection;
        let prefixes = shape.prefixes(only);
        if !projected && prefixes.len() as u64 <= applied.counts.partitions / KEYS_A_LIST {
            looked.prefixes = prefixes;
        }
        looked
    }

    /// Whether the current directory is somebody else's, as far as its files say.
    async fn ownership(&self, compared: &Compared, current: &Uri) -> Result<Option<Error>> {
        let foreign = compared.ownership(current, self.found.is_some(), self.planning);
        let has_begun = async || Ok::<_, Error>(lease::read(self.store, self.location).await?.is_some());
        match foreign {
            Some(_) if self.found.is_none() && has_begun().await? => Ok(Some(begun(&self.table.name))),
            foreign => Ok(foreign),
        }
    }

    /// Why the table is switched, if it is.
    fn reason(&self, read_otherwise: Option<Reason>, draft: &Draft, moves: &[Move]) -> Option<Reason> {
        let was_published = self.applied().is_some();
        let asked = self.table.publish == Publish::Switch && !draft.changes.is_empty();
        let moved = self.table.is_switched_at_once() && !moves.is_empty();
        read_otherwise
            .or((was_published && asked).then_some(Reason::Asked))
            .or((was_published && moved).then_some(Reason::Moves))
    }

    /// Puts the changes of a refresh into the order in which they can be made where the manifests stand, and gives what
    /// refuses that.
    ///
    /// # Errors
    /// `Unsupported` where the store would take two keys for one.
    fn settle(&self, compared: &mut Compared, current: &Uri, moves: &[Move]) -> Result<Option<Error>> {
        let new = compared.draft.changes.iter().filter(|change| change.action == Action::Create);
        if let Some(error) = manifest::folded(current, new.map(|change| change.key.as_str()), &compared.folded) {
            return Err(error);
        }
        let accepted = self.planning.accept_moves || self.table.accept_moves;
        let refusal = if accepted { None } else { compared.draft.moves_refused(&self.table.name, moves) };
        compared.draft.settle(moves)?;
        Ok(refusal)
    }

    /// What all partitions hold afterwards, where only some were looked at.
    fn totals(&self, draft: &Draft) -> Option<Counts> {
        let whole = self.applied().map(|applied| applied.counts).unwrap_or_default();
        self.planning.only.as_ref().map(|_| partial::totals(whole, draft.before, draft.after))
    }

    fn brakes(&self, draft: &Draft, taken_by_rule: &[u64]) -> Vec<Error> {
        let (table, planning) = (self.table, self.planning);
        let braked = Braked {
            table,
            file: &planning.file,
            taken_by_rule,
            before: draft.before,
            after: draft.after,
            removed_lines: draft.removed_lines.saturating_sub(draft.moved_lines).saturating_sub(draft.withheld_lines),
            picks: !table.pick.is_empty(),
            is_partial: planning.only.is_some(),
        };
        let mut errors = braked.errors(&planning.allowed);
        errors.extend(brakes::too_many_lines(&table.name, &table.limits, &draft.changes));
        errors.extend(brakes::too_old(&table.name, &table.limits, planning.as_of, planning.now));
        errors
    }

    /// Adds to the plan what becomes of the table in its catalog, and gives what refuses that.
    async fn register(
        &self,
        catalog: &dyn Catalog,
        plan: &mut TablePlan,
        mut manifests: Manifests,
    ) -> Result<Vec<Error>> {
        let (table, planning) = (self.table, self.planning);
        let mut refusals = Vec::new();
        if plan.switch.is_some() {
            // What is emptied is not there any more in the new directory.
            manifests.emptied.clear();
            let accepted = planning.accept_moves || table.accept_moves || table.is_switched_at_once();
            refusals.extend((!accepted).then(|| one_by_one(catalog, table)));
        }
        let (planned, more) = registration::plan(catalog, table, plan, &manifests, planning).await?;
        plan.catalog = Some(planned);
        refusals.extend(more);
        Ok(refusals)
    }
}

/// What [`TablePlan::snapshot`] is.
fn snapshot(inputs: &str, manifests: &str) -> String {
    marker::digest([inputs, manifests])
}

/// The location is somebody else's, as its marker says.
pub(crate) fn foreign_marker(found: &Found, wanted: &Marker, location: &Uri) -> Option<Error> {
    if found.marker.same_owner(wanted) {
        return None;
    }
    let owner = |marker: &Marker| owner::owner(&marker.table, marker.project.as_deref());
    let (theirs, ours) = (owner(&found.marker), owner(wanted));
    Some(
        Error::new(ErrorKind::Ownership, format!("{} belongs to {theirs}", location.shown()))
            .note(format!("this is {ours}"))
            .help(
                "give the table a `location` of its own; if it is the same table under another name: restitch apply --adopt",
            ),
    )
}

fn one_by_one(catalog: &dyn Catalog, table: &Table) -> Error {
    let name = Shown(&table.name);
    let message = format!("`{name}` would be switched, and {} changes its partitions one by one", catalog.shown());
    Error::new(ErrorKind::Moves, message).note("meanwhile readers see some partitions old and some new").help(format!(
        "--accept-moves (or `moves = \"accept\"` in [table.{name}]) lets it, and takes lines away before it adds them; with \
         partitions = \"projection\" readers change over at once"
    ))
}

/// A plan made while another run writes does not hold: what that run has yet to write is not in it. Should it die, its
/// marker would stay as the plan found it, and nothing else would tell.
fn under_way(found: &Found, table: &str) -> Option<Error> {
    let live_s = found.live_s?;
    Some(
        Error::new(ErrorKind::Leased, format!("another run is writing to `{table}`"))
            .note(format!("its lease holds for {live_s} s more unless it is renewed"))
            .help("`restitch plan` again when it is done"),
    )
}

/// Its manifests were listed, its marker was not there before that.
fn begun(table: &str) -> Error {
    Error::new(ErrorKind::Leased, format!("another run has begun to write to `{table}` meanwhile"))
        .help("`restitch plan` again when it is done")
}

/// A switch that was cut off after readers of the catalog had changed over: the marker does not know their directory.
async fn half_switched(found: &Found, location: &Uri, planning: &Planning) -> Result<Option<Error>> {
    let marker = &found.marker;
    let (Some(catalog), Some(_)) = (&planning.catalog, &marker.unfinished) else { return Ok(None) };
    let Some(entry) = register::entry(catalog.as_ref(), marker).await? else { return Ok(None) };
    let (there, here) = (register::directory(&entry), marker.directory(location));
    if !entry.table.is_owned_by(&marker.table, marker.project.as_deref()) || there.starts_with(&here.raw()) {
        return Ok(None);
    }
    let name = Shown(&marker.table);
    let message = format!("an apply of `{name}` did not end, and {} may lead readers past its marker", catalog.shown());
    let error = Error::new(ErrorKind::Ownership, message);
    Ok(Some(
        error
            .note(format!("readers look in {}", Shown(&there)))
            .note(format!("the marker says {}", here.shown()))
            .help(format!("put [table.{name}] back into the file and `restitch apply`; then take it out")),
    ))
}

fn no_marker(removed: &Removed) -> Error {
    let message = format!("{} has no marker that says what lies there", removed.location.shown());
    Error::new(ErrorKind::Ownership, message).help("if it may go, delete it by hand")
}

fn too_many_partitions(table: &Table, shape: &Shape, partitions: &[Group]) -> Option<Error> {
    let samples: Vec<String> = partitions.iter().take(SAMPLES).map(|group| shape.shown(&group.values)).collect();
    brakes::too_many_partitions(&table.name, &table.limits, partitions.len() as u64, &samples)
}
