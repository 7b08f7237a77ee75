//! What the rules make of a whole listing: each table's lines by partition, the traps they are in, what was left out.
//!
//! Everything is listed once and streamed; what is held are the manifests' bodies and counts.

use std::collections::{BTreeSet, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use super::left_out::LeftOut;
use crate::error::{Error, ErrorKind, Result};
use crate::listing::survey::{self, LakeFolder, LakeFormat, Listed};
use crate::listing::{Object, Sources};
use crate::map::group::{Groups, TableGroups, line_hash};
use crate::map::shapes::Shapes;
use crate::map::{Mapper, PartitionId, Program, Sink};
use crate::plan::brakes;
use crate::plan::manifest::Shape;
use crate::plan::traps::{TrapCounts, Traps};
use crate::rules::table::{OnTrap, Rules, Table};
use crate::uri::{Shown, Uri};

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

    fn any_in(&self, folder: &Uri) -> bool {
        self.seen.range(folder..).next().is_some_and(|first| folder.is_prefix_of(first))
    }
}

/// Lists everything that the rules need and maps it. `also` sees what the mapper says, as the groups do.
///
/// # Errors
/// Of the listing and the mapper: then nothing that came counts. `Brake` as soon as a table comes to more partitions than
/// its `max_partitions`.
pub async fn all(
    rules: &Rules,
    sources: &Sources,
    also: &mut impl Sink,
    progress: &mut (dyn FnMut(&survey::Progress<'_>) + Send),
) -> Result<Mapped> {
    let program = Program::new(rules);
    let now = now_s();
    let traps: Vec<Traps> = rules.tables.iter().map(Traps::for_table).collect();
    let mut trapped = vec![TrapCounts::default(); rules.tables.len()];
    let mut shared = vec![Shared::default(); rules.tables.len()];
    let mut directories = vec![Directories::default(); rules.tables.len()];
    let inspect = |table: usize, object: &Object<'_>, line: &[u8]| {
        let found = match object.physical {
            None => traps[table].line_traps(line),
            Some(_) => {
                shared[table].see(object, line);
                directories[table].see(object);
                traps[table].address_traps(object.key, line)
            }
        };
        if !found.is_empty() {
            trapped[table].add(found, line);
        }
        !(rules.tables[table].on_trap == OnTrap::Skip && traps[table].is_error(found))
    };
    let mut mapper = Mapper::new(&program);
    let mut groups = Groups::new(rules, now).inspected_by(Box::new(inspect));
    let mut left_out = LeftOut::start(Shapes::new(rules))?;
    let mut sinks = (&mut groups, (&mut left_out, also));
    let mut partitions = PartitionBrake::new(rules);
    let mut each_page = |at: &survey::Progress<'_>, mapper: &Mapper<'_>| {
        progress(at);
        partitions.look(mapper)
    };
    let surveyed = survey::survey(&program, sources, &mut mapper, &mut sinks, &mut each_page).await?;
    let groups = groups.finish(&mapper)?;
    let mut shared = shared.into_iter().zip(directories);
    let of_table = |(((table, groups), traps), mut trapped): (((&Table, TableGroups), Traps), TrapCounts)| {
        let (shared, directories) = shared.next().unwrap_or_default();
        let takes = |lake: &&LakeFolder| takes_from(&groups, lake) || directories.any_in(&lake.directory);
        let partitions = groups.partitions.iter().map(|group| group.values.as_slice());
        traps.count_partitions(table, partitions, &mut trapped);
        MappedTable {
            lakes: surveyed.lake_folders.iter().filter(takes).cloned().collect(),
            groups,
            traps,
            trapped,
            shared,
        }
    };
    let tables = rules.tables.iter().zip(groups).zip(traps).zip(trapped).map(of_table).collect();
    let as_of = surveyed.listed.iter().filter_map(|listed| listed.as_of).min().unwrap_or(now).min(now);
    Ok(Mapped { listed: surveyed.listed, as_of, tables, left_out: left_out.finish() })
}

impl MappedTable {
    /// What refuses the table whatever is published: its traps, and folders whose files do not all count.
    pub fn refusals(&self, table: &Table) -> Vec<Error> {
        let traps = self.traps.refusal(table, &self.trapped);
        traps.into_iter().chain(lake_folders(table, &self.lakes)).collect()
    }
}

/// Counts each table's partitions while pages come, so that a rule gone wrong ends early.
struct PartitionBrake<'r> {
    rules: &'r Rules,
    /// Partitions of the mapper that have been counted.
    seen: u32,
    counts: Vec<u64>,
}

impl<'r> PartitionBrake<'r> {
    fn new(rules: &'r Rules) -> PartitionBrake<'r> {
        PartitionBrake { rules, seen: 0, counts: vec![0; rules.tables.len()] }
    }

    fn look(&mut self, mapper: &Mapper<'_>) -> Result<()> {
        for number in self.seen..mapper.partitions() {
            let (table, _) = mapper.partition(PartitionId(number));
            self.counts[table] += 1;
            let Table { name, limits, .. } = &self.rules.tables[table];
            if self.counts[table] > limits.max_partitions {
                let samples = self.samples(table, mapper);
                let braked = brakes::too_many_partitions(name, limits, self.counts[table], &samples);
                return Err(braked.expect("there are too many"));
            }
        }
        self.seen = mapper.partitions();
        Ok(())
    }

    fn samples(&self, table: usize, mapper: &Mapper<'_>) -> Vec<String> {
        let shape = Shape::of(&self.rules.tables[table]);
        let of_table = (0..mapper.partitions()).map(|number| mapper.partition(PartitionId(number)));
        of_table.filter(|(of, _)| *of == table).take(3).map(|(_, values)| shape.shown(values)).collect()
    }
}

/// Seconds since 1970 by this machine's clock.
pub fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Whether some line names an object below the folder.
fn takes_from(groups: &TableGroups, lake: &LakeFolder) -> bool {
    let folder = lake.directory.raw();
    let begins = [b"\n", folder.as_bytes()].concat();
    let inner = memchr::memmem::Finder::new(&begins);
    groups.partitions.iter().any(|group| group.body.starts_with(folder.as_bytes()) || inner.find(&group.body).is_some())
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
