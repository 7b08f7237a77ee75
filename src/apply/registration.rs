//! A table's catalog held against its manifests: what is to be registered, mended and removed there. Reads only.
//!
//! A refresh reads no partitions: it adds those of new manifests. All of them are read, page by page, where the catalog may
//! have lost touch: a table that is not there, an apply that did not end, another way of reading, or `--full`.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::TryStreamExt;

use super::compared::Manifests;
use super::planning::Planning;
use crate::catalog::{Catalog, EXTERNAL_TABLE, Entry};
use crate::ddl::{self, ProjectionBuilder};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::catalog::{CatalogPlan, FieldChange, PartitionAction, PartitionChange, TableChange, TableDefinition};
use crate::plan::manifest::{Shape, directory_of};
use crate::plan::switch::Reason;
use crate::plan::{Action, Change, Partition, TablePlan};
use crate::rules::table::{Column, Partitions, Table};
use crate::uri::{Shown, Uri};
use crate::value::{PartitionValue, in_catalog};

/// A table's type, as a field.
const TABLE_TYPE: &str = "table_type";

/// The parameter that turns projection on.
const PROJECTED: &str = "projection.enabled";

/// The day in UTC from which a projection reaches on.
const DAY: &str = "%Y-%m-%d";

/// Plans what becomes of `table` in `catalog`, and gives what refuses it. `plan` is what becomes of its manifests.
///
/// # Errors
/// Of the catalog; `Rules` and `Unsupported` for what cannot be registered.
pub(super) async fn plan(
    catalog: &dyn Catalog,
    table: &Table,
    plan: &TablePlan,
    manifests: &Manifests,
    planning: &Planning,
) -> Result<(CatalogPlan, Vec<Error>)> {
    let directory = &plan.directory()?;
    let shape = Shape::of(table);
    let name = table.catalog_name();
    let entry = catalog.table(&name).await?;
    let there = entry.as_ref().map(|entry| &entry.table);
    let definition = definition(table, directory, &shape, manifests, there, planning)?;
    let mut planned = CatalogPlan {
        catalog: catalog.shown(),
        name,
        creates_database: false,
        table: TableChange::None,
        definition,
        compared: false,
        removes_first: false,
        partitions: Vec::new(),
        foreign: Vec::new(),
    };
    let whose = Whose { table, catalog, planning };
    let mut refusals = Vec::new();
    if planning.only.is_some() && entry.as_ref().is_none_or(|entry| !whose.is_ours(&entry.table)) {
        return Ok((planned, vec![whose.only_whole()]));
    }
    let Some(entry) = entry else {
        planned.table = TableChange::Create;
        if !catalog.database_exists().await? {
            planned.creates_database = planning.create_database;
            refusals.extend((!planning.create_database).then(|| whose.no_database()));
        }
        planned.partitions = additions(table, &shape, manifests.filled.iter().map(String::as_str));
        planned.compared = true;
        return Ok((planned, refusals));
    };
    let mut fields = planned.definition.changes(&entry.table);
    fields.extend(untyped(&entry).into_iter().chain(bucketed(&entry)));
    if let Some(refusal) = whose.refusal(&entry, &planned.definition, &fields) {
        return Ok((planned, vec![refusal]));
    }
    refusals.extend(whose.injected(&planned.definition, &entry.table));
    // Of another layout, and where a switch was cut off, nobody has counted the lines that move.
    let counted = plan.switch.as_ref().is_none_or(|switch| switch.reason != Reason::Layout) && !plan.unfinished;
    let relocated = fields.iter().any(|field| field.field == "location");
    planned.removes_first = (plan.switch.is_some() && plan.moved_lines > 0) || (relocated && !counted);
    let was_ours = whose.is_ours(&entry.table);
    let compares = planning.full || plan.unfinished || plan.adopts || !was_ours || reads_otherwise(&fields);
    if planning.only.is_some() && compares {
        return Ok((planned, vec![whose.only_whole()]));
    }
    if fields.iter().any(|field| field.field.starts_with("columns")) {
        let refused = catalog.refused_types(&entry.table.columns, &planned.definition.columns).await?;
        refusals.extend(whose.refused_types(&refused));
    }
    if !fields.is_empty() {
        planned.table =
            TableChange::Update { version: entry.version.0, removed: planned.definition.removed(&entry.table), fields };
    }
    if !table.registers_partitions() {
        return Ok((planned, refusals));
    }
    if compares {
        compare(catalog, &mut planned, directory, &shape, manifests).await?;
        planned.compared = true;
    } else {
        // One that was empty may have been unregistered by a prune that was cut off.
        let empty: HashSet<&str> = manifests.emptied.iter().map(String::as_str).collect();
        let comes = |change: &&Change| match change.action {
            Action::Create => true,
            Action::Change => empty.contains(change.key.as_str()),
            Action::Empty => false,
        };
        let coming = plan.changes.iter().filter(comes);
        planned.partitions = additions(table, &shape, coming.map(|change| change.key.as_str()));
    }
    Ok((planned, refusals))
}

fn definition(
    table: &Table,
    directory: &Uri,
    shape: &Shape,
    manifests: &Manifests,
    there: Option<&TableDefinition>,
    planning: &Planning,
) -> Result<TableDefinition> {
    let project = planning.project.as_deref();
    if table.partitions != Partitions::Projection || table.partitioned_by.is_empty() {
        return ddl::table_definition(table, project, directory, None);
    }
    if let Some(there) = there.filter(|there| manifests.filled.is_empty() && there.parameters.contains_key(PROJECTED)) {
        // Nothing is left that a range could be taken from: it stays as it is.
        let projection = ddl::projection::kept(table, directory, &there.parameters);
        return ddl::table_definition(table, project, directory, Some(&projection));
    }
    let now = jiff::Timestamp::from_second(planning.now).unwrap_or_default();
    let today = now.strftime(DAY).to_string();
    let mut builder = ProjectionBuilder::new(table, directory, &today)?;
    for values in manifests.filled.iter().filter_map(|key| shape.values(key)) {
        builder.add(&values)?;
    }
    let projection = builder.finish()?;
    let projection = match there {
        Some(there) => projection.reaching(table, &there.parameters),
        None => projection,
    };
    ddl::table_definition(table, project, directory, Some(&projection))
}

/// Athena fails on a table that does not say what it is.
fn untyped(entry: &Entry) -> Option<FieldChange> {
    let new = Some(EXTERNAL_TABLE.to_owned());
    entry.table_type.is_none().then(|| FieldChange { field: TABLE_TYPE.to_owned(), old: None, new })
}

/// Trino reads no manifests of a table that is bucketed.
fn bucketed(entry: &Entry) -> Option<FieldChange> {
    let old = Some(entry.buckets.to_string());
    (entry.buckets > 0).then(|| FieldChange { field: "buckets".to_owned(), old, new: None })
}

/// Whether partitions may have to follow: the table was read in another way, or had its partitions projected.
fn reads_otherwise(fields: &[FieldChange]) -> bool {
    let of_table = |field: &str| {
        [TABLE_TYPE, "comment"].contains(&field) || field.ends_with(".comment") || field.starts_with("parameters.")
    };
    fields.iter().any(|one| !of_table(&one.field) || one.field == "parameters.projection.enabled")
}

/// Partitions to add, one for each of these manifests; none for a table that registers none.
fn additions<'k>(table: &Table, shape: &Shape, keys: impl Iterator<Item = &'k str>) -> Vec<PartitionChange> {
    if !table.registers_partitions() {
        return Vec::new();
    }
    let add = |key: &str| {
        let partition = Partition::new(shape, &shape.values(key)?);
        Some(PartitionChange {
            action: PartitionAction::Add,
            partition,
            directory: directory_of(key).to_owned(),
            fields: Vec::new(),
        })
    };
    let mut additions: Vec<PartitionChange> = keys.filter_map(add).collect();
    additions.sort_unstable_by(|a, b| a.directory.cmp(&b.directory));
    additions
}

/// Holds every partition of the catalog against the manifests.
async fn compare(
    catalog: &dyn Catalog,
    planned: &mut CatalogPlan,
    directory: &Uri,
    shape: &Shape,
    manifests: &Manifests,
) -> Result<()> {
    /// What a registered partition may stand for.
    struct Known<'m> {
        key: &'m str,
        /// Whether it has lines, and so must be registered.
        filled: bool,
    }
    let mut known: HashMap<Vec<String>, Known<'_>> = HashMap::new();
    for (keys, filled) in [(&manifests.emptied, false), (&manifests.filled, true)] {
        let of = |key: &'_ String| shape.values(key).map(|values| in_catalog(&values));
        known.extend(keys.iter().filter_map(|key| Some((of(key)?, Known { key, filled }))));
    }
    let mut changed: BTreeMap<String, PartitionChange> = BTreeMap::new();
    let mut removed = Vec::new();
    let mut pages = catalog.partitions(&planned.name);
    while let Some(page) = pages.try_next().await? {
        for there in page {
            let Some(known) = known.remove(&there.values) else {
                match there.is_ours() {
                    true => removed.push(PartitionChange {
                        action: PartitionAction::Remove,
                        partition: named(shape, &there.values),
                        directory: String::new(),
                        fields: Vec::new(),
                    }),
                    false => planned.foreign.push(there.values),
                }
                continue;
            };
            let values = shape.values(known.key).unwrap_or_default();
            let folder = directory_of(known.key).to_owned();
            let stated = ddl::Partition { location: directory.join(&folder), values };
            let fields = ddl::partition_definition(&planned.definition, &stated).changes(&there);
            if !fields.is_empty() {
                let partition = named(shape, &there.values);
                let change =
                    PartitionChange { action: PartitionAction::Mend, partition, directory: folder.clone(), fields };
                changed.insert(folder, change);
            }
        }
    }
    drop(pages);
    for (values, known) in known.into_iter().filter(|(_, known)| known.filled) {
        let (directory, partition) = (directory_of(known.key).to_owned(), named(shape, &values));
        let add = PartitionChange { action: PartitionAction::Add, partition, directory, fields: Vec::new() };
        changed.insert(directory_of(known.key).to_owned(), add);
    }
    planned.partitions = changed.into_values().chain(removed).collect();
    Ok(())
}

fn named(shape: &Shape, values: &[String]) -> Partition {
    let values: Vec<PartitionValue> = values.iter().map(|text| PartitionValue::new(text)).collect();
    Partition::new(shape, &values)
}

/// What may refuse a table that the catalog has, or lacks.
struct Whose<'a> {
    table: &'a Table,
    catalog: &'a dyn Catalog,
    planning: &'a Planning,
}

impl Whose<'_> {
    fn is_ours(&self, there: &TableDefinition) -> bool {
        there.is_owned_by(&self.table.name, self.planning.project.as_deref())
    }

    fn refusal(&self, entry: &Entry, stated: &TableDefinition, fields: &[FieldChange]) -> Option<Error> {
        let (name, catalog) = (Shown(&self.table.name), self.catalog.shown());
        let refused = |kind, message: String| Error::new(kind, message);
        if let Some(what) = entry.table.other_kind(entry.table_type.as_deref()) {
            let message = format!("`{name}` in {catalog} is {what}");
            let help = match self.is_ours(&entry.table) {
                true => "it bears our marks: set its type back to EXTERNAL_TABLE there",
                false => "give the table of the rule file another name",
            };
            return Some(refused(ErrorKind::Ownership, message).note("no manifest can stand behind it").help(help));
        }
        if let Some(refusal) = self.keyed_otherwise(entry, stated) {
            return Some(refusal);
        }
        if !self.is_ours(&entry.table) && !self.planning.adopt {
            let mut error =
                refused(ErrorKind::Ownership, format!("there is a table `{name}` in {catalog}, which is not ours"))
                    .note(whose(&entry.table))
                    .note(format!("its location is {}", Shown(&entry.table.storage.location)));
            for one in fields.iter().take(FIELDS_SHOWN) {
                error = error.note(field_shown(one));
            }
            if fields.len() > FIELDS_SHOWN {
                error = error.note(format!("and {} fields more", fields.len() - FIELDS_SHOWN));
            }
            return Some(error.help(
                "an apply with --adopt takes it over and changes these fields; its owner, its comments and all other \
                 parameters stay",
            ));
        }
        None
    }

    /// Of partition columns that no change can bring there.
    fn keyed_otherwise(&self, entry: &Entry, stated: &TableDefinition) -> Option<Error> {
        let (name, catalog) = (Shown(&self.table.name), self.catalog.shown());
        let is_ours = self.is_ours(&entry.table);
        let follows = self.table.partitions == Partitions::Projection && self.catalog.changes_partition_keys();
        (stated.is_keyed_otherwise(&entry.table) && !follows).then(|| {
            let help = match is_ours {
                true => String::new(),
                false => format!("give this table another name; or, if `{name}` there may go: "),
            };
            let message = format!("the partition columns of `{name}` in {catalog} are others than the rules say");
            let keys = |table: &TableDefinition| match table.partition_keys.as_slice() {
                [] => "none".to_owned(),
                keys => keys.iter().map(|key| format!("{} {}", key.name, key.hive_type)).collect::<Vec<_>>().join(", "),
            };
            let error = Error::new(if is_ours { ErrorKind::Moves } else { ErrorKind::Ownership }, message);
            let error = if is_ours { error } else { error.note(whose(&entry.table)) };
            error
                .note(format!("there: {}", Shown(&keys(&entry.table))))
                .note(format!("here: {}", Shown(&keys(stated))))
                .help(format!(
                    "{help}no table changes those; drop it there (an external table keeps its files) and apply again: DROP \
                     TABLE {name}"
                ))
        })
    }

    fn only_whole(&self) -> Error {
        let message = format!("`{}` is to be compared whole with {}", Shown(&self.table.name), self.catalog.shown());
        Error::new(ErrorKind::Partial, message).help("run it whole: without --only or --touched")
    }

    /// Of a column that would be projected in a way in which most queries fail, and was not before.
    fn injected(&self, stated: &TableDefinition, there: &TableDefinition) -> Option<Error> {
        let Table { name, properties, partitioned_by, .. } = self.table;
        let kind = |column: &Column| format!("projection.{}.type", column.name);
        let becomes = |column: &&Column| {
            let key = kind(column);
            let of = |table: &TableDefinition| table.parameters.get(&key).map(|kind| kind == "injected");
            let is_said = properties.iter().any(|(name, _)| *name == key);
            (of(there), of(stated)) == (Some(false), Some(true)) && !is_said
        };
        let column = partitioned_by.iter().find(becomes)?;
        let (table, name) = (Shown(name), Shown(&column.name));
        let message = format!("`{name}` of `{table}` would be projected as `injected`");
        Some(
            Error::new(ErrorKind::Trap, message)
                .note(format!(
                    "every query would have to say which `{name}` it wants; the others, which work now, would fail"
                ))
                .note(
                    "the list of an enum holds no value with a comma or blanks at its ends, and not any number of them",
                )
                .help(format!(
                    "give it other values: set, lookup; or partitions = \"registered\"; or, if that is meant, in \
                     [table.{table}]: properties = {{ \"{}\" = \"injected\" }}",
                    Shown(&kind(column))
                )),
        )
    }

    fn refused_types(&self, fields: &[FieldChange]) -> Option<Error> {
        if fields.is_empty() {
            return None;
        }
        let name = Shown(&self.table.name);
        let message = format!("{} takes no narrower types for columns of `{name}`", self.catalog.shown());
        let error = Error::new(ErrorKind::Moves, message);
        let error = fields.iter().fold(error, |error, field| error.note(field_shown(field)));
        Some(
            error.help(format!("drop it there (an external table keeps its files) and apply again: DROP TABLE {name}")),
        )
    }

    fn no_database(&self) -> Error {
        let message = format!("there is no {}", self.catalog.shown());
        Error::new(ErrorKind::Ownership, message)
            .note(format!("table `{}` is to be registered there", Shown(&self.table.name)))
            .help("an apply with --create-database makes it; or name another one: [catalog] database = \"…\"")
    }
}

/// What a table that is not ours says of whose it is.
fn whose(there: &TableDefinition) -> String {
    match there.owner() {
        Some(owner) => format!("it says that it is {owner}"),
        None => "nothing in it says that restitch made it".to_owned(),
    }
}

/// Fields named with a table that is not ours.
const FIELDS_SHOWN: usize = 12;

/// `location: s3://b/x/ → s3://b/y/`
pub fn field_shown(change: &FieldChange) -> String {
    let text =
        |text: &Option<String>| text.as_deref().map_or_else(|| "nothing".to_owned(), |text| Shown(text).to_string());
    format!("{}: {} → {}", Shown(&change.field), text(&change.old), text(&change.new))
}
