//! What the rules make of a whole listing: each table's lines by partition, the traps they are in, what was left out.
//!
//! Everything is listed once and streamed; what is held are the manifests' bodies and counts. Pages are mapped by several
//! workers, each on a thread of its own with all that it feeds; what comes of it does not depend on how many there are.

mod workers;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use self::workers::{Counted, Gathered, NewPartition};
use super::memory::Memory;
use crate::error::{Error, ErrorKind, Result};
use crate::listing::feed::Incoming;
use crate::listing::sources::Source;
use crate::listing::survey::{self, LakeFolder, LakeFormat, Listed};
use crate::listing::{Object, Sources};
use crate::map::directories::DirectoryLists;
use crate::map::group::{TableGroups, line_hash};
use crate::map::shapes::Shapes;
use crate::map::{Program, Sink};
use crate::plan::brakes;
use crate::plan::cost::{self, QueryLists};
use crate::plan::manifest::Shape;
use crate::plan::traps::{TrapCounts, Traps};
use crate::rules::table::{Rules, Table};
use crate::uri::{Scheme, Shown, Uri};

/// A whole listing, mapped.
#[derive(Debug)]
pub struct Mapped {
    /// One per source, in the order listed.
    pub listed: Vec<Listed>,
    /// When the listing was true, in seconds since 1970: the oldest of its sources.
    pub as_of: i64,
    /// One per table of the rules.
    pub tables: Vec<MappedTable>,
    /// What no table took.
    pub left_out: Shapes,
}

/// What one table got.
#[derive(Debug)]
pub struct MappedTable {
    pub groups: TableGroups,
    pub traps: Traps,
    /// Of its lines, those that were skipped included, and of its partitions.
    pub trapped: TrapCounts,
    /// Folders of other table formats out of which it would take objects.
    pub lakes: Vec<LakeFolder>,
    pub shared: Shared,
    /// What a query of it makes an engine list; `None` where none does, or that cannot be told.
    pub query_lists: Option<QueryLists>,
}

/// Objects of a table that lie at another one's address, as a copy in lakeFS does. A manifest names each address once, so
/// their rows come once in a partition.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    pub count: u64,
    /// The first of them.
    pub example: Option<Uri>,
    /// By the address's hash, that of the path that had it first: a listing may say one object twice.
    paths: HashMap<u64, u64>,
}

impl Shared {
    /// What was counted, once nothing comes any more: the addresses go.
    fn counted(self) -> Shared {
        Shared { paths: HashMap::new(), ..self }
    }

    /// Takes over what another one counted, of objects that came later.
    fn merge(&mut self, other: Shared) {
        let differs = |(address, path): &(u64, u64)| self.paths.get(address).is_some_and(|own| own != path);
        let elsewhere = other.paths.iter().map(|(address, path)| (*address, *path)).filter(differs).count();
        self.count += other.count + elsewhere as u64;
        self.example = self.example.take().or(other.example);
        for (address, path) in other.paths {
            self.paths.entry(address).or_insert(path);
        }
    }

    fn see(&mut self, object: &Object<'_>, line: &[u8]) {
        let path = line_hash(object.key.as_bytes());
        if *self.paths.entry(line_hash(line)).or_insert(path) != path {
            self.count += 1;
            self.example.get_or_insert_with(|| object.uri());
        }
    }
}

/// The directories out of which a table takes objects whose lines do not say so: those of lakeFS name addresses.
#[derive(Clone, Debug, Default)]
struct Directories {
    seen: BTreeSet<Uri>,
    /// That of the object before, in which most lie.
    last: Option<Uri>,
}

impl Directories {
    fn see(&mut self, object: &Object<'_>) {
        let directory = &object.key[..object.key.rfind('/').map_or(0, |slash| slash + 1)];
        if self.last.as_ref().is_none_or(|last| last.key != directory || last.bucket != *object.bucket) {
            let directory = Uri::new(object.bucket.clone(), directory);
            self.seen.insert(directory.clone());
            self.last = Some(directory);
        }
    }

    /// Takes over what another one saw.
    fn merge(&mut self, mut other: Directories) {
        self.seen.append(&mut other.seen);
    }

    fn any_in(&self, folder: &Uri) -> bool {
        self.seen.range(folder..).next().is_some_and(|first| folder.is_prefix_of(first))
    }
}

/// What else wants to see what the mappers say, one for each worker.
pub trait Also: Sink + Send {
    /// All of the number has been mapped, in the order of the listing; each number comes to one worker, from 0 on.
    fn end(&mut self, number: u64);
}

/// Nobody looks.
impl Also for () {
    fn end(&mut self, _: u64) {}
}

/// Workers that are of use; what each holds is memory.
const MOST_WORKERS: usize = 16;

/// Lists everything that the rules need and maps it, on as many cores as there are. Each worker has an `also`.
///
/// # Errors
/// Of the listing and the mapper, the first in the order of the listing: then nothing that came counts. `Brake` as soon as
/// a table comes to more partitions than its `max_partitions`.
pub async fn all<A: Also>(
    rules: &Rules,
    sources: &Sources,
    memory: Memory,
    also: impl Fn() -> A + Send + 'static,
    progress: &mut (dyn FnMut(&survey::Progress<'_>) + Send),
) -> Result<Mapped> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = if needs_order(rules, sources) { 1 } else { cores.min(MOST_WORKERS) };
    all_by(workers, rules, sources, memory, also, progress).await
}

/// [`all`], by so many workers: how many makes no difference to what comes of it.
#[doc(hidden)]
pub async fn all_by<A: Also>(
    workers: usize,
    rules: &Rules,
    sources: &Sources,
    memory: Memory,
    also: impl Fn() -> A + Send + 'static,
    progress: &mut (dyn FnMut(&survey::Progress<'_>) + Send),
) -> Result<Mapped> {
    let program = Arc::new(Program::new(rules));
    let now = now_s();
    let mut partitions = PartitionBrake::new(rules);
    let mut each_batch = |at: &survey::Progress<'_>, new: Vec<NewPartition>| {
        progress(at);
        partitions.look(new)
    };
    let shared_program = program.clone();
    let lists = directory_lists(&program, sources)?;
    let work =
        move |incoming: Incoming<_>| workers::gather(workers, memory, &shared_program, now, &lists, &also, &incoming);
    let (surveyed, gathered) = survey::survey(&program, sources, work, &mut each_batch).await?;
    let Gathered { groups, counted, query_lists, left_out, slow } = gathered;
    let keys: u64 = surveyed.listed.iter().map(|listed| listed.keys).sum();
    tracing::info!("{slow} of {keys} keys were matched by backtracking, {workers} workers");
    let of_table = |(((table, groups), counted), query_lists): (((&Table, TableGroups), Counted), _)| {
        let Counted { traps, mut trapped, shared, directories } = counted;
        let partitions = groups.partitions.iter().map(|group| group.values.as_slice());
        traps.count_partitions(table, partitions, &mut trapped);
        let mut lakes = Vec::new();
        for lake in &surveyed.lake_folders {
            if directories.any_in(&lake.directory) || takes_from(&groups, lake)? {
                lakes.push(lake.clone());
            }
        }
        Ok(MappedTable { lakes, groups, traps, trapped, shared: shared.counted(), query_lists })
    };
    let all = rules.tables.iter().zip(groups).zip(counted).zip(query_lists);
    let tables = all.map(of_table).collect::<Result<_>>()?;
    let as_of = surveyed.listed.iter().filter_map(|listed| listed.as_of).min().unwrap_or(now).min(now);
    Ok(Mapped { listed: surveyed.listed, as_of, tables, left_out })
}

/// Whether one worker must see everything in its order: `pick` and `done` hold objects against each other, and so does
/// telling which of two was first at an address.
fn needs_order(rules: &Rules, sources: &Sources) -> bool {
    let mut of_tables = rules.tables.iter().flat_map(|table| &table.rules);
    rules.tables.iter().any(|table| !table.pick.is_empty())
        || of_tables.clone().any(|rule| rule.done.is_some())
        || of_tables.any(|rule| rule.openings().iter().any(|opening| opening.bucket.scheme == Scheme::LakeFs))
        || sources.may_say_addresses()
}

/// What counts the LISTs of queries, where some engine makes any; of local folders none does.
fn directory_lists(program: &Program, sources: &Sources) -> Result<Option<DirectoryLists>> {
    let is_local = program.prefixes().all(|prefix| prefix.bucket.scheme == Scheme::File);
    if is_local || !program.rules.tables.iter().any(cost::makes_lists) {
        return Ok(None);
    }
    let parts = sources.cover(program.prefixes())?;
    let whole = parts.iter().filter(|part| !matches!(part, Source::Live { from: Some(_), .. }));
    let covered = whole.map(|part| part.prefix().cloned()).collect();
    Ok(Some(DirectoryLists::new(covered, sources.is_live())))
}

impl MappedTable {
    /// What refuses the table whatever is published: its traps, folders whose files do not all count, what queries would
    /// list.
    pub fn refusals(&self, table: &Table) -> Vec<Error> {
        let traps = self.traps.refusal(table, &self.trapped);
        let lists = self.query_lists.as_ref();
        let lists = lists.and_then(|lists| brakes::too_many_lists(&table.name, &table.limits, lists));
        traps.into_iter().chain(lake_folders(table, &self.lakes)).chain(lists).collect()
    }
}

/// Partitions shown where there are too many.
const SAMPLES: usize = 3;

/// Counts each table's partitions while pages come, in their order, so that a rule gone wrong ends early.
struct PartitionBrake<'r> {
    rules: &'r Rules,
    /// By their hashes: two workers may come to the same one.
    seen: Vec<HashSet<u64>>,
    samples: Vec<Vec<String>>,
}

impl<'r> PartitionBrake<'r> {
    fn new(rules: &'r Rules) -> PartitionBrake<'r> {
        let tables = rules.tables.len();
        PartitionBrake { rules, seen: vec![HashSet::new(); tables], samples: vec![Vec::new(); tables] }
    }

    fn look(&mut self, new: Vec<NewPartition>) -> Result<()> {
        for NewPartition { table, hash, values } in new {
            if !self.seen[table].insert(hash) {
                continue;
            }
            let of = &self.rules.tables[table];
            if let Some(values) = values.filter(|_| self.samples[table].len() < SAMPLES) {
                self.samples[table].push(Shape::of(of).shown(&values));
            }
            let count = self.seen[table].len() as u64;
            if let Some(error) = brakes::too_many_partitions(&of.name, &of.limits, count, &self.samples[table]) {
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Seconds since 1970 by this machine's clock.
pub fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Whether some line names an object below the folder.
fn takes_from(groups: &TableGroups, lake: &LakeFolder) -> Result<bool> {
    let folder = lake.directory.raw();
    for group in &groups.partitions {
        let mut lines = group.body.reader()?;
        while let Some(line) = lines.line()? {
            if line.starts_with(folder.as_bytes()) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn lake_folders(table: &Table, lakes: &[LakeFolder]) -> Option<Error> {
    /// Folders named in one error.
    const SHOWN: usize = 5;
    let first = lakes.first()?;
    let trap = first.format.trap();
    let message = format!("`{}` would take files out of {} table's folder", Shown(&table.name), first.format.article());
    let note = |error: Error, lake: &LakeFolder| {
        error.note(format!("{} holds {}", lake.directory.shown(), lake.format.books()))
    };
    let mut error = lakes.iter().take(SHOWN).fold(Error::new(ErrorKind::Trap, message), note);
    if lakes.len() > SHOWN {
        error = error.note(format!("and {} folders more", lakes.len() - SHOWN));
    }
    let glob = format!("{}**", first.directory.shown());
    Some(error.note(format!("{}: {}", trap.name, trap.reason)).help(format!(
        "{}; or leave it out, in [table.{}]: exclude = ['{glob}']",
        trap.help,
        Shown(&table.name)
    )))
}

impl LakeFormat {
    fn trap(self) -> &'static crate::plan::traps::Trap {
        let name = match self {
            LakeFormat::Delta => "delta-table",
            LakeFormat::Iceberg => "iceberg-table",
            LakeFormat::Hudi => "hudi-table",
        };
        crate::plan::traps::Trap::named(name).expect("each format has its trap")
    }

    fn article(self) -> &'static str {
        match self {
            LakeFormat::Delta => "a Delta",
            LakeFormat::Iceberg => "an Iceberg",
            LakeFormat::Hudi => "a Hudi",
        }
    }

    fn books(self) -> &'static str {
        match self {
            LakeFormat::Iceberg => "metadata/*.metadata.json",
            other => other.marker(),
        }
    }
}
