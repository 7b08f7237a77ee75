//! The workers: each maps the pages that it takes into groups and counts of its own; at the end all are made one.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use super::{Also, Directories, SAMPLES, Shared};
use crate::apply::memory::Memory;
use crate::apply::spill::TemporaryFile;
use crate::error::Result;
use crate::listing::Object;
use crate::listing::feed::{Batch, Incoming, Stopped};
use crate::listing::survey::Lakes;
use crate::map::directories::{DirectoryLists, Lists};
use crate::map::group::{self, Groups, TableGroups};
use crate::map::runs::Spill;
use crate::map::shapes::Shapes;
use crate::map::{Mapper, PartitionId, Program};
use crate::plan::cost::QueryLists;
use crate::plan::traps::{TrapCounts, Traps};
use crate::rules::table::{OnTrap, Rules, Table};
use crate::value::PartitionValue;

/// What all workers together made of a listing.
pub(super) struct Gathered {
    /// One per table of the rules.
    pub groups: Vec<TableGroups>,
    /// One per table of the rules.
    pub counted: Vec<Counted>,
    /// One per table of the rules.
    pub query_lists: Vec<Option<QueryLists>>,
    pub left_out: Shapes,
    /// Keys that were matched by backtracking.
    pub slow: u64,
}

/// What was seen on a table's lines.
#[derive(Default)]
pub(super) struct Counted {
    pub traps: Traps,
    pub trapped: TrapCounts,
    pub shared: Shared,
    pub directories: Directories,
}

/// A partition that a worker has come to for the first time; another one may have before.
pub(super) struct NewPartition {
    /// An index into `Rules::tables`.
    pub table: usize,
    pub hash: u64,
    /// Of the first of each table.
    pub values: Option<Vec<PartitionValue>>,
}

/// Runs so many workers until nothing more comes in; each counts by a `lists` of its own.
///
/// # Errors
/// `Stopped` where something failed, which has been told; else those of the mappers' and the groups' ends.
pub(super) fn gather<A: Also>(
    workers: usize,
    memory: Memory,
    program: &Program,
    now: i64,
    lists: &Option<DirectoryLists>,
    also: &impl Fn() -> A,
    incoming: &Incoming<Vec<NewPartition>>,
) -> Result<Result<(Gathered, Lakes)>, Stopped> {
    let rules = &program.rules;
    let of_tables = || rules.tables.iter().map(Counted::new).collect();
    let mut counted: Vec<Vec<Counted>> = (0..workers).map(|_| of_tables()).collect();
    let spill: Arc<dyn Spill> = Arc::new(TemporaryFile::default());
    let worked = thread::scope(|scope| {
        let threads = counted.iter_mut().map(|counted| {
            let groups = Groups::new(rules, now).within(memory.lines_bytes() / workers, spill.clone());
            let worker = Worker::new(program, groups, counted, lists.clone(), also());
            scope.spawn(move || worker.work(incoming))
        });
        let threads: Vec<_> = threads.collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        joined.collect::<Result<Result<Vec<Worker<'_, A>>>, Stopped>>()
    });
    let workers = match worked? {
        Ok(workers) => workers,
        Err(error) => return Ok(Err(error)),
    };
    let mut left_out = Shapes::new(rules);
    let mut lakes = Lakes::new(program.prefixes());
    let mut groups = Vec::new();
    let mut mappers = Vec::new();
    let mut lists = Vec::new();
    for worker in workers {
        left_out.merge(worker.left_out);
        lakes.merge(worker.lakes);
        groups.push(worker.groups);
        mappers.push(worker.mapper);
        lists.extend(worker.lists);
    }
    let query_lists = query_lists(rules, &mappers, lists);
    let groups = group::finish(groups.into_iter().zip(&mappers).collect());
    let slow = mappers.iter().map(Mapper::slow).sum();
    let counted = Counted::merged(counted);
    Ok(groups.map(|groups| (Gathered { groups, counted, query_lists, left_out: left_out.finish(), slow }, lakes)))
}

/// One worker, and all that it feeds.
struct Worker<'r, A> {
    mapper: Mapper<'r>,
    groups: Groups<'r>,
    left_out: Shapes,
    lakes: Lakes,
    lists: Option<DirectoryLists>,
    also: A,
    /// Partitions of the mapper that have been told.
    told: u32,
    /// By table: values of partitions that have been told.
    samples: Vec<usize>,
}

impl<'r, A: Also> Worker<'r, A> {
    fn new(
        program: &'r Program,
        groups: Groups<'r>,
        counted: &'r mut [Counted],
        lists: Option<DirectoryLists>,
        also: A,
    ) -> Worker<'r, A> {
        let rules = &program.rules;
        let inspect = |number, table: usize, object: &Object<'_>, line: &[u8]| {
            counted[table].see(&rules.tables[table], number, object, line)
        };
        Worker {
            mapper: Mapper::new(program),
            groups: groups.inspected_by(Box::new(inspect)),
            left_out: Shapes::new(rules),
            lakes: Lakes::new(program.prefixes()),
            lists,
            also,
            told: 0,
            samples: vec![0; rules.tables.len()],
        }
    }

    /// Maps what comes in, and at the end what was held back, which only a lone worker does.
    fn work(mut self, incoming: &Incoming<Vec<NewPartition>>) -> Result<Result<Worker<'r, A>>, Stopped> {
        incoming.each(|batch| self.map(batch))?;
        self.number(u64::MAX);
        let mut sinks = ((&mut self.groups, &mut self.lists), (&mut self.left_out, &mut self.also));
        Ok(self.mapper.finish(&mut sinks).map(|()| self))
    }

    fn map(&mut self, batch: &Batch) -> Result<Vec<NewPartition>> {
        self.number(batch.number);
        let mut sinks = (((&mut self.groups, &mut self.lists), &mut self.lakes), (&mut self.left_out, &mut self.also));
        for page in &batch.pages {
            self.mapper.page(page, &mut sinks)?;
        }
        self.also.end(batch.number);
        Ok(self.new_partitions())
    }

    fn number(&mut self, number: u64) {
        self.groups.number(number);
        self.left_out.number(number);
    }

    fn new_partitions(&mut self) -> Vec<NewPartition> {
        let new = self.told..self.mapper.partitions();
        self.told = new.end;
        let news = new.map(|number| {
            let (table, values) = self.mapper.partition(PartitionId(number));
            let mut hasher = DefaultHasher::new();
            values.hash(&mut hasher);
            self.samples[table] += 1;
            let values = (self.samples[table] <= SAMPLES).then(|| values.to_vec());
            NewPartition { table, hash: hasher.finish(), values }
        });
        news.collect()
    }
}

/// Of each table, what a query makes an engine list. `counted` are the workers' own, if they counted it.
fn query_lists(rules: &Rules, mappers: &[Mapper<'_>], counted: Vec<DirectoryLists>) -> Vec<Option<QueryLists>> {
    let mut numbers: HashMap<(usize, &[PartitionValue]), PartitionId> = HashMap::new();
    let mut partitions = Vec::new();
    let mut all: Option<DirectoryLists> = None;
    for (mapper, counted) in mappers.iter().zip(counted) {
        let mut number = |own: PartitionId| {
            let partition = mapper.partition(own);
            *numbers.entry(partition).or_insert_with(|| {
                partitions.push(partition);
                PartitionId(partitions.len() as u32 - 1)
            })
        };
        let known: Vec<PartitionId> = (0..mapper.partitions()).map(|own| number(PartitionId(own))).collect();
        // The first one's numbers are as they were.
        match &mut all {
            None => all = Some(counted),
            Some(all) => all.merge(counted, |own| known[own.0 as usize]),
        }
    }
    let lists = all.and_then(DirectoryLists::finish).unwrap_or_default();
    let mut of_tables = vec![Vec::new(); rules.tables.len()];
    for ((table, values), lists) in partitions.into_iter().zip(lists).filter(|(_, lists)| *lists != Lists::default()) {
        of_tables[table].push((lists, values));
    }
    rules.tables.iter().zip(of_tables).map(|(table, lists)| QueryLists::of(table, &lists)).collect()
}

impl Counted {
    fn new(table: &Table) -> Counted {
        Counted { traps: Traps::for_table(table), ..Counted::default() }
    }

    /// Counts the traps that a line is in; `false` where it is to be left out for them.
    fn see(&mut self, table: &Table, number: u64, object: &Object<'_>, line: &[u8]) -> bool {
        let found = match object.physical {
            None => self.traps.line_traps(line),
            Some(_) => {
                self.shared.see(object, line);
                self.directories.see(object);
                self.traps.address_traps(object.key, line)
            }
        };
        if !found.is_empty() {
            self.trapped.add(found, number, line);
        }
        !(table.on_trap == OnTrap::Skip && self.traps.is_error(found))
    }

    /// What all workers counted, table by table.
    fn merged(workers: Vec<Vec<Counted>>) -> Vec<Counted> {
        let mut workers = workers.into_iter();
        let mut all = workers.next().unwrap_or_default();
        for more in workers {
            for (own, more) in all.iter_mut().zip(more) {
                own.trapped.merge(more.trapped);
                own.shared.merge(more.shared);
                own.directories.merge(more.directories);
            }
        }
        all
    }
}
