//! A manifest's bytes, wherever they are: in memory whole, or as runs that are put together as they are read.
//!
//! Pure. Nothing holds a table's bodies: a [`Body`] says how long it is, and is read in chunks, or line by line, as often
//! as is needed.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use md5::{Digest, Md5};

use super::runs::{Cursor, Runs};
use crate::error::Result;

/// Bytes that are read at once where no other number is asked for, about: a chunk ends with a line.
pub const CHUNK_BYTES: usize = 256 << 10;

/// Bytes that can be read again.
#[derive(Clone)]
pub struct Body(Source);

#[derive(Clone)]
enum Source {
    Whole(Arc<[u8]>),
    Gathered { gathered: Arc<Gathered>, number: u32 },
    Without(Arc<Without>),
}

/// Another body, without some of its lines.
struct Without {
    body: Body,
    lines: HashSet<Vec<u8>>,
    counts: Counts,
}

impl Body {
    pub(super) fn gathered(gathered: &Arc<Gathered>, number: u32) -> Body {
        Body(Source::Gathered { gathered: gathered.clone(), number })
    }

    /// The body without these lines.
    ///
    /// # Errors
    /// Of where it lies.
    pub fn without(&self, lines: HashSet<Vec<u8>>) -> Result<Body> {
        let (mut counts, mut reader) = (Counts::default(), self.reader()?);
        while let Some(line) = reader.line()? {
            if !lines.contains(line) {
                counts.lines += 1;
                counts.size += line.len() as u64 + 1;
            }
        }
        Ok(Body(Source::Without(Arc::new(Without { body: self.clone(), lines, counts }))))
    }

    /// Bytes.
    pub fn len(&self) -> u64 {
        match &self.0 {
            Source::Without(without) => without.counts.size,
            Source::Whole(bytes) => bytes.len() as u64,
            Source::Gathered { gathered, number } => gathered.counts(*number).size,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many lines there are; they end with a newline, but perhaps for the last.
    pub fn lines(&self) -> u64 {
        match &self.0 {
            Source::Without(without) => without.counts.lines,
            Source::Whole(bytes) => lines(bytes).count() as u64,
            Source::Gathered { gathered, number } => gathered.counts(*number).lines,
        }
    }

    /// From the beginning.
    ///
    /// # Errors
    /// Of where it lies.
    pub fn reader(&self) -> Result<Reader<'_>> {
        Ok(Reader(match &self.0 {
            Source::Whole(bytes) => Reading::Whole(bytes),
            Source::Gathered { gathered, number } => Reading::Merged(Merged::new(gathered, *number)?),
            Source::Without(without) => Reading::Without(Box::new(Rest {
                of: without.body.reader()?,
                without: &without.lines,
                line: Vec::new(),
            })),
        }))
    }

    /// All of it at once.
    ///
    /// # Errors
    /// Of where it lies.
    pub fn read(&self) -> Result<Arc<[u8]>> {
        if let Source::Whole(bytes) = &self.0 {
            return Ok(bytes.clone());
        }
        let mut out = Vec::with_capacity(usize::try_from(self.len()).unwrap_or(0));
        self.reader()?.fill(&mut out, usize::MAX)?;
        Ok(out.into())
    }

    /// # Errors
    /// Of where it lies.
    pub fn md5(&self) -> Result<[u8; 16]> {
        let mut digest = Md5::new();
        self.each_chunk(|chunk| {
            digest.update(chunk);
            true
        })?;
        Ok(digest.finalize().into())
    }

    /// Whether it is these bytes.
    ///
    /// # Errors
    /// Of where it lies.
    pub fn is(&self, bytes: &[u8]) -> Result<bool> {
        if self.len() != bytes.len() as u64 {
            return Ok(false);
        }
        let mut rest = bytes;
        let mut same = true;
        self.each_chunk(|chunk| {
            same = rest.strip_prefix(chunk).map(|left| rest = left).is_some();
            same
        })?;
        Ok(same && rest.is_empty())
    }

    /// Hands over chunk by chunk, as long as `visit` wants more.
    fn each_chunk(&self, mut visit: impl FnMut(&[u8]) -> bool) -> Result<()> {
        if let Source::Whole(bytes) = &self.0 {
            visit(bytes);
            return Ok(());
        }
        let (mut reader, mut chunk) = (self.reader()?, Vec::new());
        loop {
            let more = reader.fill(&mut chunk, CHUNK_BYTES)?;
            if !visit(&chunk) || !more {
                return Ok(());
            }
            chunk.clear();
        }
    }
}

impl Default for Body {
    fn default() -> Body {
        Body(Source::Whole(Arc::default()))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Body {
        Body(Source::Whole(bytes.into()))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Body {
        text.into_bytes().into()
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Body {
        Body(Source::Whole(text.as_bytes().into()))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.len())
    }
}

/// A body on its way out.
#[derive(Debug)]
pub struct Reader<'b>(Reading<'b>);

#[derive(Debug)]
enum Reading<'b> {
    /// What is left.
    Whole(&'b [u8]),
    Merged(Merged<'b>),
    Without(Box<Rest<'b>>),
}

/// What is left of a body without some of its lines.
#[derive(Debug)]
struct Rest<'b> {
    of: Reader<'b>,
    without: &'b HashSet<Vec<u8>>,
    line: Vec<u8>,
}

impl Rest<'_> {
    fn line(&mut self) -> Result<Option<&[u8]>> {
        while let Some(line) = self.of.line()? {
            if !self.without.contains(line) {
                self.line.clear();
                self.line.extend_from_slice(line);
                return Ok(Some(&self.line));
            }
        }
        Ok(None)
    }

    fn fill(&mut self, out: &mut Vec<u8>, limit: usize) -> Result<bool> {
        while out.len() < limit {
            let Some(line) = self.line()? else { return Ok(false) };
            out.extend_from_slice(line);
            out.push(b'\n');
        }
        Ok(true)
    }
}

impl Reader<'_> {
    /// The next line, without its newline.
    ///
    /// # Errors
    /// Of where the body lies.
    pub fn line(&mut self) -> Result<Option<&[u8]>> {
        match &mut self.0 {
            Reading::Whole([]) => Ok(None),
            Reading::Whole(left) => {
                let end = memchr::memchr(b'\n', left).unwrap_or(left.len());
                let (line, rest) = left.split_at(end);
                *left = rest.get(1..).unwrap_or_default();
                Ok(Some(line))
            }
            Reading::Merged(merged) => merged.line(),
            Reading::Without(rest) => rest.line(),
        }
    }

    /// Appends to `out` until it has `limit` bytes or a line's length more; `false` once there is nothing left. Not to be
    /// mixed with [`Reader::line`].
    ///
    /// # Errors
    /// Of where the body lies.
    pub fn fill(&mut self, out: &mut Vec<u8>, limit: usize) -> Result<bool> {
        match &mut self.0 {
            Reading::Whole(left) => {
                let (now, later) = left.split_at(left.len().min(limit.saturating_sub(out.len())));
                out.extend_from_slice(now);
                *left = later;
                Ok(!left.is_empty())
            }
            Reading::Merged(merged) => merged.fill(out, limit),
            Reading::Without(rest) => rest.fill(out, limit),
        }
    }
}

/// The lines of a manifest, without their newlines.
pub fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    let some = (!body.is_empty()).then_some(body);
    some.into_iter().flat_map(|body| body.split(|byte| *byte == b'\n'))
}

/// The runs of all workers, finished, and which of them make up a body.
#[derive(Debug)]
pub(super) struct Gathered {
    workers: Vec<Runs>,
    /// Per worker and body: the worker's number of that partition; [`NOT_THERE`] where it has no line.
    partitions: Vec<Vec<u32>>,
    /// Of the bodies whose lines lie in several runs.
    merged: HashMap<u32, Counts>,
}

/// That a worker has no line of a body.
pub(super) const NOT_THERE: u32 = u32::MAX;

/// What a body comes to, exactly.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    lines: u64,
    size: u64,
}

impl Gathered {
    /// Of finished runs; `partitions` has one place for each body, for each worker. Bodies whose lines lie in several
    /// runs are merged once, to count those that stand in more than one.
    ///
    /// # Errors
    /// Of the spill.
    pub fn new(workers: Vec<Runs>, partitions: Vec<Vec<u32>>) -> Result<Gathered> {
        let mut gathered = Gathered { workers, partitions, merged: HashMap::new() };
        let bodies = gathered.partitions.iter().map(Vec::len).max().unwrap_or(0);
        let several: Vec<u32> = (0..bodies as u32).filter(|number| gathered.of(*number).2 > 1).collect();
        let share = several.len().div_ceil(gathered.workers.len().max(1)).max(1);
        let count = |numbers: &[u32]| numbers.iter().map(|number| Ok((*number, gathered.merge(*number)?))).collect();
        let counted = std::thread::scope(|scope| {
            let threads: Vec<_> = several.chunks(share).map(|share| scope.spawn(|| count(share))).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            threads.into_iter().map(join).collect::<Result<Vec<Vec<_>>>>()
        });
        gathered.merged = counted?.into_iter().flatten().collect();
        Ok(gathered)
    }

    fn counts(&self, number: u32) -> Counts {
        self.merged.get(&number).copied().unwrap_or_else(|| {
            let (lines, size, _) = self.of(number);
            Counts { lines, size }
        })
    }

    /// Lines of a body and their bytes as far as they lie in one run, and in how many they do.
    fn of(&self, number: u32) -> (u64, u64, u32) {
        let mut all = (0, 0, 0);
        for (runs, of_worker) in self.workers.iter().zip(&self.partitions) {
            let partition = of_worker[number as usize];
            if partition != NOT_THERE {
                let (lines, size, in_runs) = runs.counts(partition);
                all = (all.0 + lines, all.1 + size, all.2 + in_runs);
            }
        }
        all
    }

    fn merge(&self, number: u32) -> Result<Counts> {
        let (mut counts, mut merged) = (Counts::default(), Merged::new(self, number)?);
        while let Some(line) = merged.line()? {
            counts.lines += 1;
            counts.size += line.len() as u64 + 1;
        }
        Ok(counts)
    }
}

/// The runs of one body, merged: lines in order, each once.
#[derive(Debug)]
struct Merged<'g> {
    gathered: &'g Gathered,
    cursors: Vec<(usize, Cursor)>,
    /// Indices into `cursors`, those that have a line in hand, the least line first: a heap.
    heap: Vec<usize>,
    begun: bool,
    last: Option<Vec<u8>>,
}

impl<'g> Merged<'g> {
    fn new(gathered: &'g Gathered, number: u32) -> Result<Merged<'g>> {
        let (mut cursors, mut of_worker) = (Vec::new(), Vec::new());
        for (worker, partition) in gathered.partitions.iter().map(|of| of[number as usize]).enumerate() {
            if partition != NOT_THERE {
                gathered.workers[worker].cursors(partition, &mut of_worker)?;
                cursors.extend(of_worker.drain(..).map(|cursor| (worker, cursor)));
            }
        }
        Ok(Merged { gathered, cursors, heap: Vec::new(), begun: false, last: None })
    }

    fn fill(&mut self, out: &mut Vec<u8>, limit: usize) -> Result<bool> {
        if let [(worker, cursor)] = &mut self.cursors[..] {
            return cursor.fill(&self.gathered.workers[*worker], out, limit);
        }
        while out.len() < limit {
            let Some(line) = self.line()? else { return Ok(false) };
            out.extend_from_slice(line);
            out.push(b'\n');
        }
        Ok(true)
    }

    fn line(&mut self) -> Result<Option<&[u8]>> {
        loop {
            if self.begun {
                self.advance_least()?;
            } else {
                self.begin()?;
            }
            let Some(least) = self.heap.first() else { return Ok(None) };
            if self.cursors.len() == 1 {
                return Ok(Some(self.cursors[0].1.line()));
            }
            let line = self.cursors[*least].1.line();
            if self.last.as_deref() != Some(line) {
                let last = self.last.get_or_insert_default();
                last.clear();
                last.extend_from_slice(line);
                return Ok(self.last.as_deref());
            }
        }
    }

    fn begin(&mut self) -> Result<()> {
        self.begun = true;
        for (index, (worker, cursor)) in self.cursors.iter_mut().enumerate() {
            if cursor.advance(&self.gathered.workers[*worker])? {
                self.heap.push(index);
            }
        }
        let Merged { heap, cursors, .. } = self;
        // A sorted list is a heap.
        heap.sort_unstable_by(|a, b| cursors[*a].1.line().cmp(cursors[*b].1.line()));
        Ok(())
    }

    /// Takes up the next line of the run that the least one is of.
    fn advance_least(&mut self) -> Result<()> {
        let Some(least) = self.heap.first() else { return Ok(()) };
        let (worker, cursor) = &mut self.cursors[*least];
        if !cursor.advance(&self.gathered.workers[*worker])? {
            self.heap.swap_remove(0);
        }
        self.sink();
        Ok(())
    }

    /// Puts the first of the heap where it belongs.
    fn sink(&mut self) {
        let mut at = 0;
        loop {
            let line = |at: usize| self.cursors[self.heap[at]].1.line();
            let children = (2 * at + 1..=2 * at + 2).filter(|child| *child < self.heap.len());
            let Some(least) = children.min_by(|a, b| line(*a).cmp(line(*b))) else { return };
            if line(at) <= line(least) {
                return;
            }
            self.heap.swap(at, least);
            at = least;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::runs::{InMemory, Spill};
    use super::*;
    use crate::error::{Error, ErrorKind};

    /// A worker's number, a partition's and a line.
    type Line = (usize, u32, String);

    const WORKERS: usize = 3;

    fn gathered(lines: &[Line], arena_bytes: usize, spill: &Arc<dyn Spill>) -> Result<Vec<Body>> {
        let mut workers: Vec<Runs> = (0..WORKERS).map(|_| Runs::new(arena_bytes, spill.clone())).collect();
        for (worker, partition, line) in lines {
            // A worker numbers partitions in its own way.
            workers[*worker].push(partition + *worker as u32, line.as_bytes())?;
        }
        workers.iter_mut().try_for_each(Runs::finish)?;
        let of_worker = |(worker, runs): (usize, &Runs)| {
            let number = |partition: u32| Some(partition + worker as u32).filter(|number| !runs.is_empty(*number));
            (0..8).map(|partition| number(partition).unwrap_or(NOT_THERE)).collect()
        };
        let partitions = workers.iter().enumerate().map(of_worker).collect();
        let gathered = Arc::new(Gathered::new(workers, partitions)?);
        Ok((0..8).map(|number| Body::gathered(&gathered, number)).collect())
    }

    fn any_line() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => "s3://b/t/dt=[0-2]/part-[0-9]{1,4}",
            1 => "[ab]{1,3}",
            1 => "s3://b/(é|\u{1}|z){0,3}",
            1 => "s3://b/x{120,300}[ab]",
        ]
    }

    proptest! {
        #[test]
        fn any_order_any_budget_any_workers_come_to_sorted_lines_each_once(
            mut lines in prop::collection::vec((0..WORKERS, 0..8_u32, any_line()), 0..200),
            sorted in any::<bool>(),
            arena_bytes in prop_oneof![Just(0_usize), 1..600_usize, Just(usize::MAX)],
            limit in 1..300_usize,
        ) {
            if sorted {
                lines.sort_by(|a, b| a.2.cmp(&b.2));
            }
            let spill: Arc<dyn Spill> = Arc::new(InMemory::default());
            for (number, body) in gathered(&lines, arena_bytes, &spill).unwrap().into_iter().enumerate() {
                let of_it = lines.iter().filter(|(_, partition, _)| *partition as usize == number);
                let simple: BTreeSet<&str> = of_it.map(|(_, _, line)| line.as_str()).collect();
                let text: String = simple.iter().flat_map(|line| [line, "\n"]).collect();
                prop_assert_eq!(&body.read().unwrap()[..], text.as_bytes());
                prop_assert_eq!((body.lines(), body.len()), (simple.len() as u64, text.len() as u64));
                prop_assert_eq!(body.md5().unwrap(), <[u8; 16]>::from(Md5::digest(&text)));
                prop_assert!(body.is(text.as_bytes()).unwrap() && !body.is(b"other").unwrap());
                let (mut reader, mut chunks, mut more) = (body.reader().unwrap(), Vec::new(), true);
                while more {
                    let mut chunk = Vec::new();
                    more = reader.fill(&mut chunk, limit).unwrap();
                    chunks.extend(chunk);
                }
                prop_assert_eq!(&chunks[..], text.as_bytes());
                let odd: HashSet<Vec<u8>> = simple.iter().step_by(2).map(|line| line.as_bytes().to_vec()).collect();
                let rest: String = simple.iter().skip(1).step_by(2).flat_map(|line| [line, "\n"]).collect();
                let without = body.without(odd).unwrap();
                prop_assert_eq!(&without.read().unwrap()[..], rest.as_bytes());
                prop_assert_eq!(without.len(), rest.len() as u64);
            }
        }
    }

    #[test]
    fn a_body_in_memory_is_read_as_it_is() {
        for (text, expected) in [("", vec![]), ("a\n", vec!["a"]), ("a\n\nb", vec!["a", "", "b"])] {
            let body = Body::from(text);
            let (mut reader, mut lines) = (body.reader().unwrap(), Vec::new());
            while let Some(line) = reader.line().unwrap() {
                lines.push(String::from_utf8(line.to_vec()).unwrap());
            }
            assert_eq!((lines, body.len()), (expected.into_iter().map(String::from).collect(), text.len() as u64));
        }
    }

    /// Takes so many bytes and no more; fails then when it is told that nothing more comes.
    #[derive(Debug)]
    struct Full(InMemory, usize);

    impl Spill for Full {
        fn append(&self, bytes: &[u8]) -> Result<u64> {
            let at = self.0.append(bytes)?;
            if at as usize + bytes.len() > self.1 { Err(Error::new(ErrorKind::Io, "full")) } else { Ok(at) }
        }

        fn read(&self, at: u64, into: &mut [u8]) -> Result<()> {
            self.0.read(at, into)
        }
    }

    #[test]
    fn a_full_spill_is_an_error_and_no_shorter_body() {
        let lines: Vec<Line> = (0..100).map(|n| (0, n % 3, format!("s3://b/{n}"))).collect();
        let full: Arc<dyn Spill> = Arc::new(Full(InMemory::default(), 900));
        assert_eq!(gathered(&lines, 300, &full).unwrap_err().kind(), ErrorKind::Io);
    }
}
