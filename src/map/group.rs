//! The lines of each partition, gathered while pages come in any order, by one worker or several.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use super::body::{Body, Gathered, NOT_THERE};
use super::page::Object;
use super::runs::{InMemory, Runs, Spill};
use super::{Mapper, PartitionId, Sink, Taken, Why};
use crate::error::{Error, ErrorKind, Result};
use crate::rules::table::Rules;
use crate::uri::Uri;
use crate::value::PartitionValue;

/// What a whole listing gave one table.
#[derive(Debug, Default)]
pub struct TableGroups {
    /// In the order of their values; partitions that got no line are not there.
    pub partitions: Vec<Group>,
    /// Objects taken by each rule of the table, superseded ones included.
    pub taken_by_rule: Vec<u64>,
    /// Hashes ([`line_hash`]) of the lines that are left out on purpose, by `pick` or `leave_after`: no loss where they are
    /// published.
    pub withheld: HashSet<u64>,
    /// Objects whose lines have left by `leave_after`.
    pub left: u64,
    /// Objects whose key holds a CR or LF, which no manifest can say. Their lines are never written.
    pub unwritable: u64,
    /// The first of them.
    pub unwritable_example: Option<Uri>,
    /// Objects whose lines the inspection refused.
    pub refused: u64,
    /// Bytes of the objects behind the lines, where sizes are known.
    pub bytes: u64,
}

/// One partition's lines.
#[derive(Debug)]
pub struct Group {
    /// One per partition column; empty for an unpartitioned table.
    pub values: Vec<PartitionValue>,
    /// The manifest's body: lines sorted by bytes, each once, `\n` after each.
    pub body: Body,
}

/// Looks at every line before it is kept: the number that [`Groups::number`] was given last, the table (an index into
/// `Rules::tables`), the object, and the line without its newline. `false` refuses the line.
pub type Inspect<'r> = Box<dyn FnMut(u64, usize, &Object<'_>, &[u8]) -> bool + Send + 'r>;

/// A sink that gathers lines by partition.
pub struct Groups<'r> {
    rules: &'r Rules,
    /// Seconds since 1970, UTC.
    now: i64,
    tables: Vec<TableGroups>,
    /// By [`PartitionId`].
    runs: Runs,
    inspect: Option<Inspect<'r>>,
    /// Where in the listing the objects are that come now.
    number: u64,
    /// With where it was met.
    error: Option<(u64, Error)>,
    /// By table: where the example of what cannot be written was met.
    unwritable_at: Vec<u64>,
    /// The line in hand.
    line: Vec<u8>,
}

impl<'r> Groups<'r> {
    /// For the objects of one mapper over `rules`. `now` is what `leave_after` counts from. All lines are held in memory
    /// unless [`Groups::within`] says otherwise.
    pub fn new(rules: &'r Rules, now: i64) -> Groups<'r> {
        let table = |table: &crate::rules::table::Table| TableGroups {
            taken_by_rule: vec![0; table.rules.len()],
            ..TableGroups::default()
        };
        Groups {
            rules,
            now,
            tables: rules.tables.iter().map(table).collect(),
            runs: Runs::new(usize::MAX, Arc::new(InMemory::default())),
            inspect: None,
            number: 0,
            error: None,
            unwritable_at: vec![0; rules.tables.len()],
            line: Vec::new(),
        }
    }

    /// Holds lines in at most `arena_bytes` of memory, and some 32 bytes more for each partition; the rest goes to
    /// `spill`, which several workers may share.
    #[must_use]
    pub fn within(mut self, arena_bytes: usize, spill: Arc<dyn Spill>) -> Groups<'r> {
        self.runs = Runs::new(arena_bytes, spill);
        self
    }

    /// Has every line looked at before it is kept.
    #[must_use]
    pub fn inspected_by(mut self, inspect: Inspect<'r>) -> Groups<'r> {
        self.inspect = Some(inspect);
        self
    }

    /// What comes now has this number in the order of the whole listing; numbers never go down.
    pub fn number(&mut self, number: u64) {
        self.number = number;
    }

    /// What has come; one result per table of the rules. `mapper` is the one whose sink this was, finished.
    ///
    /// # Errors
    /// As [`finish`].
    pub fn finish(self, mapper: &Mapper<'_>) -> Result<Vec<TableGroups>> {
        finish(vec![(self, mapper)])
    }

    fn withhold(&mut self, object: &Object<'_>, taken: Taken) {
        self.line.clear();
        write_line(object, taken, &mut self.line);
        self.tables[taken.table as usize].withheld.insert(line_hash(&self.line));
    }

    /// Whether the object is so old that its line leaves.
    fn leaves(&mut self, object: &Object<'_>, table: usize) -> bool {
        let Some(after) = self.rules.tables[table].limits.leave_after_s else { return false };
        match object.modified {
            Some(modified) => modified.saturating_add(after.try_into().unwrap_or(i64::MAX)) < self.now,
            None => {
                let name = &self.rules.tables[table].name;
                let message = format!("table `{name}` has `leave_after`, and the listing does not say `modified`");
                self.error.get_or_insert_with(|| {
                    let error = Error::new(ErrorKind::Usage, message)
                        .note(format!("first met at {}", object.uri().shown()))
                        .help("use a listing that has it: live, or JSON lines or CSV with `modified`");
                    (self.number, error)
                });
                true
            }
        }
    }
}

impl Sink for Groups<'_> {
    fn take(&mut self, object: &Object<'_>, taken: Taken) {
        let table = taken.table as usize;
        self.tables[table].taken_by_rule[taken.rule as usize] += 1;
        if self.leaves(object, table) {
            self.tables[table].left += 1;
            self.withhold(object, taken);
            return;
        }
        self.line.clear();
        write_line(object, taken, &mut self.line);
        let counts = &mut self.tables[table];
        if self.inspect.as_mut().is_some_and(|inspect| !inspect(self.number, table, object, &self.line)) {
            counts.refused += 1;
            return;
        }
        if breaks_line(object, taken) {
            counts.unwritable += 1;
            if counts.unwritable_example.is_none() {
                counts.unwritable_example = Some(object.uri());
                self.unwritable_at[table] = self.number;
            }
            return;
        }
        counts.bytes += object.size.unwrap_or(0);
        if self.error.is_none() {
            let pushed = self.runs.push(taken.partition.0, &self.line);
            self.error = pushed.err().map(|error| (self.number, error));
        }
    }

    fn supersede(&mut self, object: &Object<'_>, taken: Taken) {
        self.tables[taken.table as usize].taken_by_rule[taken.rule as usize] += 1;
        self.withhold(object, taken);
    }

    fn leave(&mut self, _: &Object<'_>, _: Why) {}
}

/// What the workers of one listing gathered, one result per table of the rules; each with its mapper, whose sink it was,
/// finished. How objects fell to the workers makes no difference.
///
/// # Errors
/// `Usage` where a table has `leave_after` and the listing does not say when an object was modified; of the spill. The first
/// in the order of the listing.
pub fn finish(mut workers: Vec<(Groups<'_>, &Mapper<'_>)>) -> Result<Vec<TableGroups>> {
    let errors = workers.iter_mut().filter_map(|(groups, _)| groups.error.take());
    if let Some((_, error)) = errors.min_by_key(|(number, _)| *number) {
        return Err(error);
    }
    let mut tables: Vec<TableGroups> = Vec::new();
    let mut unwritable_at: Vec<u64> = Vec::new();
    let mut of_workers = Vec::with_capacity(workers.len());
    for (groups, mapper) in workers {
        let mut runs = groups.runs;
        runs.finish()?;
        of_workers.push((runs, mapper));
        if tables.is_empty() {
            (tables, unwritable_at) = (groups.tables, groups.unwritable_at);
            continue;
        }
        for (index, (table, more)) in tables.iter_mut().zip(groups.tables).enumerate() {
            let at = groups.unwritable_at[index];
            if more.unwritable > 0 && (table.unwritable == 0 || at < unwritable_at[index]) {
                table.unwritable_example = more.unwritable_example.clone();
                unwritable_at[index] = at;
            }
            table.add(more);
        }
    }
    let Numbers { partitions, bodies } = Numbers::of(&of_workers);
    let (runs, mappers): (Vec<Runs>, Vec<&Mapper<'_>>) = of_workers.into_iter().unzip();
    let gathered = Arc::new(Gathered::new(runs, partitions)?);
    let mut bodies: Vec<_> = bodies.into_iter().map(|(worker, id)| mappers[worker].partition(id)).zip(0..).collect();
    bodies.sort_unstable_by_key(|(of, _)| *of);
    for of_table in bodies.chunk_by(|((a, _), _), ((b, _), _)| a == b) {
        tables[of_table[0].0.0].partitions.reserve_exact(of_table.len());
    }
    for ((table, values), number) in bodies {
        let body = Body::gathered(&gathered, number);
        tables[table].partitions.push(Group { values: values.to_vec(), body });
    }
    Ok(tables)
}

/// One number for each partition that has lines, whichever worker has them.
struct Numbers {
    /// Per worker and number: the worker's own.
    partitions: Vec<Vec<u32>>,
    /// A worker that knows the partition, and how.
    bodies: Vec<(usize, PartitionId)>,
}

impl Numbers {
    fn of(workers: &[(Runs, &Mapper<'_>)]) -> Numbers {
        let mut known: HashMap<(usize, &[PartitionValue]), usize> = HashMap::new();
        let mut numbers = Numbers { partitions: vec![Vec::new(); workers.len()], bodies: Vec::new() };
        for (worker, (runs, mapper)) in workers.iter().enumerate() {
            for id in (0..mapper.partitions()).filter(|id| !runs.is_empty(*id)).map(PartitionId) {
                let new = numbers.bodies.len();
                let number = match workers.len() {
                    1 => new,
                    _ => *known.entry(mapper.partition(id)).or_insert(new),
                };
                if number == new {
                    numbers.bodies.push((worker, id));
                    numbers.partitions.iter_mut().for_each(|of_worker| of_worker.push(NOT_THERE));
                }
                numbers.partitions[worker][number] = id.0;
            }
        }
        numbers
    }
}

impl TableGroups {
    /// Adds another one's counts.
    fn add(&mut self, more: TableGroups) {
        self.taken_by_rule.iter_mut().zip(more.taken_by_rule).for_each(|(all, more)| *all += more);
        self.withheld.extend(more.withheld);
        self.left += more.left;
        self.unwritable += more.unwritable;
        self.refused += more.refused;
        self.bytes += more.bytes;
    }
}

/// A line's hash, the same within one build of restitch.
pub fn line_hash(line: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(line);
    hasher.finish()
}

/// Appends what the manifest says of an object, without its newline.
pub fn write_line(object: &Object<'_>, taken: Taken, line: &mut Vec<u8>) {
    said(object, taken).write_line(line);
}

/// What the manifest says of an object: itself, or the prefix that stands for it.
fn said<'o>(object: &Object<'o>, taken: Taken) -> Object<'o> {
    match taken.prefix_len {
        None => *object,
        Some(len) => Object { key: &object.key[..len as usize], physical: None, ..*object },
    }
}

/// Whether a CR or LF stands in what the manifest says of an object.
fn breaks_line(object: &Object<'_>, taken: Taken) -> bool {
    let said = said(object, taken);
    let breaks = |text: &str| memchr::memchr2(b'\r', b'\n', text.as_bytes()).is_some();
    match said.physical {
        Some(physical) => breaks(physical),
        None => breaks(said.key) || breaks(&said.bucket.name),
    }
}
