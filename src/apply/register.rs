//! A catalog brought to what a plan says, once the manifests are there: the table, then its partitions.
//!
//! Whatever of it has been done before (by an earlier try, or an answer that was lost) is read back and left as it is.
//! Killed anywhere, the next run finds `unfinished` in the marker and compares everything.

use crate::catalog::{Catalog, Entry, Version};
use crate::ddl;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::TablePlan;
use crate::plan::catalog::{CatalogPlan, PartitionAction, PartitionChange, PartitionDefinition, TableChange};
use crate::plan::marker::Marker;
use crate::uri::{Shown, Uri};
use crate::value::{PartitionValue, in_catalog};

use super::write::{PAUSE, TRIES, leaves_doubt};

/// Partitions between two looks at the lease and at signals.
const BATCH: usize = 1_000;

/// Partitions named that could not be registered.
const SHOWN: usize = 3;

/// What was done to a catalog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registered {
    /// Tables made or changed.
    pub tables: u64,
    /// Partitions added or mended.
    pub partitions: u64,
    /// Partitions removed.
    pub removed: u64,
}

/// Whether a plan that was saved still fits.
///
/// # Errors
/// `Stale` if the table is neither as it was when the plan was made nor as the plan makes it.
pub(super) async fn look(catalog: &dyn Catalog, planned: &CatalogPlan) -> Result<()> {
    if catalog.shown() != planned.catalog {
        return Err(stale(planned).note(format!("it was made for {}", Shown(&planned.catalog))));
    }
    let fits = match (&planned.table, catalog.table(&planned.name).await?) {
        (TableChange::None, there) => there.is_some_and(|there| planned.definition.changes(&there.table).is_empty()),
        (TableChange::Create, there) => there.is_none_or(|there| planned.definition.changes(&there.table).is_empty()),
        (TableChange::Update { version, .. }, Some(there)) => {
            there.version.0 == *version || planned.definition.changes(&there.table).is_empty()
        }
        (TableChange::Update { .. }, None) => false,
    };
    if fits { Ok(()) } else { Err(stale(planned).note("nothing was written")) }
}

fn stale(planned: &CatalogPlan) -> Error {
    let message = format!("`{}` in {} changed since the plan was made", Shown(&planned.name), Shown(&planned.catalog));
    Error::new(ErrorKind::Stale, message).help("`restitch plan` again")
}

/// Does what `plan` says of its catalog, if it is in one; `check` is asked before each write.
///
/// # Errors
/// `Conflict` if the table was changed since; of partitions the first that could not be written, once all others are; of
/// the catalog; of `check`.
pub(super) async fn carry_out(
    catalog: Option<&dyn Catalog>,
    plan: &TablePlan,
    check: impl Fn() -> Result<()>,
) -> Result<Registered> {
    let (Some(catalog), Some(planned)) = (catalog, &plan.catalog) else { return Ok(Registered::default()) };
    let mut done = Registered::default();
    if planned.creates_database {
        check()?;
        catalog.create_database().await?;
    }
    let partitions = Work { catalog, planned, directory: plan.directory()? };
    let mut failed = Failed::default();
    if planned.removes_first {
        partitions.all(PartitionAction::Mend, How::Remove, &check, &mut failed).await?;
        done.removed += partitions.all(PartitionAction::Remove, How::Remove, &check, &mut failed).await?;
        // What could not be taken away may hold lines that are about to be added elsewhere.
        std::mem::take(&mut failed).error(planned)?;
    }
    // Under projection registered partitions are not looked at: they are all there before it ends.
    let table_last = planned.ends_projection();
    if !table_last {
        done.tables += u64::from(write_table(catalog, planned, &check).await?);
    }
    done.partitions += partitions.all(PartitionAction::Add, How::Add, &check, &mut failed).await?;
    done.partitions += partitions.all(PartitionAction::Mend, How::Mend, &check, &mut failed).await?;
    if !planned.removes_first {
        done.removed += partitions.all(PartitionAction::Remove, How::Remove, &check, &mut failed).await?;
    }
    failed.error(planned)?;
    if table_last {
        done.tables += u64::from(write_table(catalog, planned, &check).await?);
    }
    Ok(done)
}

/// The entry of the table that `marker` names.
///
/// # Errors
/// Of the catalog.
pub(super) async fn entry(catalog: &dyn Catalog, marker: &Marker) -> Result<Option<Entry>> {
    catalog.table(&marker.table.to_ascii_lowercase()).await
}

/// Unregisters partitions that are about to lose their manifests, from the table that `marker` names, if its `entry` is
/// ours.
///
/// # Errors
/// Of the catalog, of `check`; of partitions the first that stayed.
pub(super) async fn forget(
    catalog: &dyn Catalog,
    entry: &Entry,
    marker: &Marker,
    values: &[&[PartitionValue]],
    check: impl Fn() -> Result<()>,
) -> Result<()> {
    let is_ours = entry.table.is_owned_by(&marker.table, marker.project.as_deref());
    if !is_ours || marker.columns.is_empty() || entry.table.partition_keys.is_empty() {
        return Ok(());
    }
    let name = marker.table.to_ascii_lowercase();
    let values: Vec<Vec<String>> = values.iter().map(|values| in_catalog(values)).collect();
    for batch in values.chunks(BATCH) {
        check()?;
        if let Some((_, error)) = catalog.delete_partitions(&name, batch).await?.into_iter().next() {
            return Err(error.note("its manifest stays until it is unregistered"));
        }
    }
    Ok(())
}

/// The directory in which the catalog's readers look for a table, as far as its entry says it: its location, or what its
/// partitions are projected from.
pub(super) fn directory(entry: &Entry) -> String {
    let template = entry.table.parameters.get(ddl::projection::LOCATION_TEMPLATE);
    let location = entry.table.storage.location.trim_end_matches('/');
    template.cloned().unwrap_or_else(|| format!("{location}/"))
}

/// Says whether it wrote. What leaves doubt is read back: as desired, our own earlier try has landed; as it was, nothing
/// has happened, and it is tried again. Each try asks `check` first.
async fn write_table(catalog: &dyn Catalog, planned: &CatalogPlan, check: impl Fn() -> Result<()>) -> Result<bool> {
    let mut pause = PAUSE;
    for left in (0..TRIES).rev() {
        check()?;
        let written = match &planned.table {
            TableChange::None => return Ok(false),
            TableChange::Create => catalog.create_table(&planned.name, &planned.definition).await,
            TableChange::Update { version, removed, .. } => {
                catalog.update_table(&planned.name, &Version(version.clone()), &planned.definition, removed).await
            }
        };
        let error = match written {
            Ok(()) => return Ok(true),
            Err(error) if leaves_doubt(&error) => error,
            Err(error) => return Err(error),
        };
        let Ok(there) = catalog.table(&planned.name).await else { return Err(error) };
        let as_it_was = match (&planned.table, &there) {
            (TableChange::Update { version, .. }, Some(there)) => there.version.0 == *version,
            (_, there) => there.is_none(),
        };
        if there.is_some_and(|there| planned.definition.changes(&there.table).is_empty()) {
            return Ok(true);
        }
        if !as_it_was && error.kind() == ErrorKind::Conflict {
            let what = format!("`{}` in {}", Shown(&planned.name), Shown(&planned.catalog));
            return Err(error.note(format!("{what} changed since the plan was made")).help("`restitch plan` again"));
        }
        if !as_it_was || left == 0 {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    unreachable!("the last try returns")
}

/// Partitions that could not be written.
#[derive(Default)]
struct Failed {
    count: u64,
    errors: Vec<Error>,
}

impl Failed {
    fn push(&mut self, error: Error) {
        self.count += 1;
        if self.errors.len() < SHOWN {
            self.errors.push(error);
        }
    }

    fn error(self, planned: &CatalogPlan) -> Result<()> {
        let count = self.count;
        let mut errors = self.errors.into_iter();
        let Some(first) = errors.next() else { return Ok(()) };
        let what = if count == 1 { "1 partition".to_owned() } else { format!("{count} partitions") };
        let error = first.note(format!("{what} of `{}` could not be registered", Shown(&planned.name)));
        let error = errors.fold(error, |error, other| error.note(other.message().to_owned()));
        Err(error.note("all others were; the next apply compares them all"))
    }
}

/// What is done to partitions.
#[derive(Clone, Copy)]
enum How {
    Add,
    Mend,
    Remove,
}

/// The partitions of one table.
struct Work<'w> {
    catalog: &'w dyn Catalog,
    planned: &'w CatalogPlan,
    directory: Uri,
}

impl Work<'_> {
    fn stated(&self, change: &PartitionChange) -> PartitionDefinition {
        let location = self.directory.join(&change.directory);
        ddl::partition_definition(
            &self.planned.definition,
            &ddl::Partition { values: change.partition.values(), location },
        )
    }

    /// Does this to all partitions of which the plan says that, a batch at a time; says how many were written.
    async fn all(
        &self,
        action: PartitionAction,
        how: How,
        check: &impl Fn() -> Result<()>,
        failed: &mut Failed,
    ) -> Result<u64> {
        let changes = self.planned.partitions.iter().filter(|change| change.action == action);
        let mut done = 0;
        for batch in changes.collect::<Vec<&PartitionChange>>().chunks(BATCH) {
            check()?;
            done += match how {
                How::Add => self.add(batch, failed).await?,
                How::Mend => self.mend(batch, failed).await?,
                How::Remove => self.remove(batch, failed).await?,
            };
        }
        Ok(done)
    }

    /// Adds them; those that are there already are mended.
    async fn add(&self, changes: &[&PartitionChange], failed: &mut Failed) -> Result<u64> {
        let stated: Vec<PartitionDefinition> = changes.iter().map(|change| self.stated(change)).collect();
        let refused = self.catalog.create_partitions(&self.planned.name, &stated).await?;
        let mut done = (changes.len() - refused.len()) as u64;
        let mut there = Vec::new();
        for (index, error) in refused {
            match error.kind() {
                ErrorKind::Conflict => there.push(changes[index]),
                _ => failed.push(error),
            }
        }
        if !there.is_empty() {
            done += self.mend(&there, failed).await?;
        }
        Ok(done)
    }

    /// Makes them what they should be, where they are not, and adds those that have gone.
    async fn mend(&self, changes: &[&PartitionChange], failed: &mut Failed) -> Result<u64> {
        let stated: Vec<PartitionDefinition> = changes.iter().map(|change| self.stated(change)).collect();
        let values: Vec<Vec<String>> = stated.iter().map(|one| one.values.clone()).collect();
        let there = self.catalog.partitions_of(&self.planned.name, &values).await?;
        let (mut differ, mut absent) = (Vec::new(), Vec::new());
        for one in stated {
            match there.iter().find(|there| there.values == one.values) {
                None => absent.push(one),
                Some(there) if one.changes(there).is_empty() => {}
                Some(_) => differ.push(one),
            }
        }
        let mut done = (differ.len() + absent.len()) as u64;
        let mut refused = Vec::new();
        if !differ.is_empty() {
            refused.extend(self.catalog.update_partitions(&self.planned.name, &differ).await?);
        }
        if !absent.is_empty() {
            refused.extend(self.catalog.create_partitions(&self.planned.name, &absent).await?);
        }
        for (_, error) in refused {
            done -= 1;
            failed.push(error);
        }
        Ok(done)
    }

    async fn remove(&self, changes: &[&PartitionChange], failed: &mut Failed) -> Result<u64> {
        let values: Vec<Vec<String>> = changes.iter().map(|change| in_catalog(&change.partition.values())).collect();
        let refused = self.catalog.delete_partitions(&self.planned.name, &values).await?;
        let done = (changes.len() - refused.len()) as u64;
        refused.into_iter().for_each(|(_, error)| failed.push(error));
        Ok(done)
    }
}
