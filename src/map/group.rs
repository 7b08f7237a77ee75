//! The lines of each partition, gathered while pages come in any order, sorted once at the end.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hasher};

use super::page::Object;
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
    pub body: Vec<u8>,
    /// Lines in `body`.
    pub lines: u64,
    /// Bytes of the objects behind the lines, where sizes are known.
    pub bytes: u64,
}

/// Looks at every line before it is kept: the number that [`Groups::number`] was given last, the table (an index into
/// `Rules::tables`), the object, and the line without its newline. `false` refuses the line.
pub type Inspect<'r> = Box<dyn FnMut(u64, usize, &Object<'_>, &[u8]) -> bool + Send + 'r>;

/// A sink that gathers lines by partition. Memory is the bodies of the manifests and a few words per partition.
pub struct Groups<'r> {
    rules: &'r Rules,
    /// Seconds since 1970, UTC.
    now: i64,
    tables: Vec<TableGroups>,
    /// By [`PartitionId`].
    partitions: Vec<Lines>,
    inspect: Option<Inspect<'r>>,
    /// Where in the listing the objects are that come now.
    number: u64,
    /// With where it was met.
    error: Option<(u64, Error)>,
    /// By table: where the example of what cannot be written was met.
    unwritable_at: Vec<u64>,
    /// A line that is looked at and not kept.
    line: Vec<u8>,
}

impl<'r> Groups<'r> {
    /// For the objects of one mapper over `rules`. `now` is what `leave_after` counts from.
    pub fn new(rules: &'r Rules, now: i64) -> Groups<'r> {
        let table = |table: &crate::rules::table::Table| TableGroups {
            taken_by_rule: vec![0; table.rules.len()],
            ..TableGroups::default()
        };
        Groups {
            rules,
            now,
            tables: rules.tables.iter().map(table).collect(),
            partitions: Vec::new(),
            inspect: None,
            number: 0,
            error: None,
            unwritable_at: vec![0; rules.tables.len()],
            line: Vec::new(),
        }
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

    /// Sorts what has come; one result per table of the rules. `mapper` is the one whose sink this was, finished.
    ///
    /// # Errors
    /// `Usage` where a table has `leave_after` and the listing does not say when an object was modified.
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
        let index = taken.partition.0 as usize;
        if index >= self.partitions.len() {
            self.partitions.resize_with(index + 1, Lines::default);
        }
        let lines = &mut self.partitions[index];
        let start = lines.body.len();
        // Looked for where it is read from: what has just been written in pieces is slow to read in other ones.
        let breaks = breaks_line(object, taken);
        write_line(object, taken, &mut lines.body);
        let line = &lines.body[start..];
        let counts = &mut self.tables[table];
        if self.inspect.as_mut().is_some_and(|inspect| !inspect(self.number, table, object, line)) {
            lines.body.truncate(start);
            counts.refused += 1;
            return;
        }
        if breaks {
            lines.body.truncate(start);
            counts.unwritable += 1;
            if counts.unwritable_example.is_none() {
                counts.unwritable_example = Some(object.uri());
                self.unwritable_at[table] = self.number;
            }
            return;
        }
        lines.end_line(start, object.size.unwrap_or(0));
    }

    fn supersede(&mut self, object: &Object<'_>, taken: Taken) {
        self.tables[taken.table as usize].taken_by_rule[taken.rule as usize] += 1;
        self.withhold(object, taken);
    }

    fn leave(&mut self, _: &Object<'_>, _: Why) {}
}

/// What several gathered, each by the mapper whose sink it was; one result per table of the rules.
///
/// # Errors
/// As [`Groups::finish`].
pub fn finish(mut workers: Vec<(Groups<'_>, &Mapper<'_>)>) -> Result<Vec<TableGroups>> {
    let errors = workers.iter_mut().filter_map(|(groups, _)| groups.error.take());
    if let Some((_, error)) = errors.min_by_key(|(number, _)| *number) {
        return Err(error);
    }
    let mut tables: Vec<TableGroups> = Vec::new();
    let mut partitions: HashMap<(usize, &[PartitionValue]), Lines> = HashMap::new();
    let mut unwritable_at: Vec<u64> = Vec::new();
    for (groups, mapper) in workers {
        for (id, lines) in (0..).map(PartitionId).zip(groups.partitions) {
            if !lines.body.is_empty() {
                partitions.entry(mapper.partition(id)).or_default().append(lines);
            }
        }
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
    let mut partitions: Vec<_> = partitions.into_iter().collect();
    partitions.sort_unstable_by_key(|(of, _)| *of);
    for ((table, values), lines) in partitions {
        let bytes = lines.bytes;
        let (body, lines) = lines.into_sorted();
        tables[table].bytes += bytes;
        tables[table].partitions.push(Group { values: values.to_vec(), body, lines, bytes });
    }
    Ok(tables)
}

impl TableGroups {
    /// Adds another one's counts.
    fn add(&mut self, more: TableGroups) {
        self.taken_by_rule.iter_mut().zip(more.taken_by_rule).for_each(|(own, more)| *own += more);
        self.withheld.extend(more.withheld);
        self.left += more.left;
        self.unwritable += more.unwritable;
        self.refused += more.refused;
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

/// Lines as they come, and whether they came sorted.
#[derive(Debug, Default)]
struct Lines {
    body: Vec<u8>,
    /// Where the last line begins in `body`.
    last: usize,
    unsorted: bool,
    lines: u64,
    bytes: u64,
}

impl Lines {
    /// Ends the line that begins at `start`; one that repeats the line before it is dropped.
    fn end_line(&mut self, start: usize, bytes: u64) {
        self.bytes += bytes;
        if self.lines > 0 {
            let before = &self.body[self.last..start - 1];
            match before.cmp(&self.body[start..]) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => {
                    self.body.truncate(start);
                    return;
                }
                std::cmp::Ordering::Greater => self.unsorted = true,
            }
        }
        self.body.push(b'\n');
        self.last = start;
        self.lines += 1;
    }

    /// Adds another one's lines.
    fn append(&mut self, mut more: Lines) {
        self.bytes += more.bytes;
        if self.lines == 0 {
            (self.body, self.last) = (std::mem::take(&mut more.body), more.last);
            (self.unsorted, self.lines) = (more.unsorted, more.lines);
            return;
        }
        let first = more.body.split(|byte| *byte == b'\n').next().expect("there is a line");
        self.unsorted |= more.unsorted || self.body[self.last..self.body.len() - 1] >= *first;
        self.last = self.body.len() + more.last;
        self.lines += more.lines;
        self.body.append(&mut more.body);
    }

    /// The body with its lines sorted, each once, and how many there are.
    fn into_sorted(self) -> (Vec<u8>, u64) {
        if !self.unsorted {
            return (self.body, self.lines);
        }
        let mut lines: Vec<&[u8]> = self.body.split_inclusive(|byte| *byte == b'\n').collect();
        // With its newline a line would sort before those that it begins, as it should, but for control characters.
        lines.sort_unstable_by_key(|line| &line[..line.len() - 1]);
        lines.dedup();
        let count = lines.len() as u64;
        (lines.concat(), count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(input: &[&str]) -> (String, u64) {
        let mut lines = Lines::default();
        for line in input {
            let start = lines.body.len();
            lines.body.extend_from_slice(line.as_bytes());
            lines.end_line(start, 1);
        }
        let (body, count) = lines.into_sorted();
        (String::from_utf8(body).unwrap(), count)
    }

    #[test]
    fn lines_are_sorted_by_bytes_and_stand_once() {
        assert_eq!(sorted(&["a", "b", "b", "c"]), ("a\nb\nc\n".into(), 3));
        assert_eq!(sorted(&["b", "a", "b", "a\u{1}", "a"]), ("a\na\u{1}\nb\n".into(), 3));
        assert_eq!(sorted(&["é", "z", "z/1"]), ("z\nz/1\né\n".into(), 3));
    }
}
