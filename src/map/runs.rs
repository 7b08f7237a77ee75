//! The lines of each partition while they come: written against the partition's first line in an arena of bounded size
//! that all partitions share, and handed to a [`Spill`] as one sorted block a partition whenever the arena is full.
//!
//! Pure: where blocks go is the caller's. What fits in the arena is never handed over.

use std::cmp::Ordering;
use std::fmt;
use std::sync::{Arc, RwLock};

use crate::error::{Error, ErrorKind, Result};

/// Where blocks go that memory does not hold: appended once, read anywhere, as often as needed, by any thread.
pub trait Spill: fmt::Debug + Send + Sync {
    /// Appends, and says where `bytes` begin.
    ///
    /// # Errors
    /// `Io` and the like. A full disk need not be said before [`Spill::settle`].
    fn append(&self, bytes: &[u8]) -> Result<u64>;

    /// Fills `into` with what was appended, from `at` on.
    ///
    /// # Errors
    /// `Io` and the like; `Corrupt` where there is not so much.
    fn read(&self, at: u64, into: &mut [u8]) -> Result<()>;

    /// Told when no more comes.
    ///
    /// # Errors
    /// `Io` where something that was appended is not there.
    fn settle(&self) -> Result<()> {
        Ok(())
    }
}

/// A spill in memory.
#[derive(Debug, Default)]
pub struct InMemory(RwLock<Vec<u8>>);

impl Spill for InMemory {
    fn append(&self, bytes: &[u8]) -> Result<u64> {
        let mut all = self.0.write().expect("nothing panics while it holds the lock");
        all.extend_from_slice(bytes);
        Ok((all.len() - bytes.len()) as u64)
    }

    fn read(&self, at: u64, into: &mut [u8]) -> Result<()> {
        let all = self.0.read().expect("nothing panics while it holds the lock");
        let of_it = usize::try_from(at).ok().and_then(|at| all.get(at..)?.get(..into.len()));
        let of_it = of_it.ok_or_else(|| Error::new(ErrorKind::Corrupt, "less was spilled than is asked for"))?;
        into.copy_from_slice(of_it);
        Ok(())
    }
}

/// No block: the end of a chain.
const NONE: u64 = u64::MAX;

/// No slot, or no partition's pending lines.
const NO_SLOT: u32 = u32::MAX;

/// A block in the spill begins with where the block before it lies and how long that is.
const HEADER_BYTES: usize = 12;

/// A slot in the arena begins with where the next one lies, how much of it is used and how much there is.
const SLOT_HEADER_BYTES: usize = 12;

/// What a partition's first slot holds beside its first line.
const FIRST_SLOT_BYTES: usize = 96;

/// Slots grow up to this.
const LARGEST_SLOT_BYTES: usize = 4096;

/// What the arena begins with.
const ARENA_BYTES: usize = 64 << 10;

/// What the arena may grow to where no budget is given.
const LARGEST_ARENA_BYTES: usize = 1 << 30;

/// Blocks are handed over together, so many bytes at once.
const WRITE_BYTES: usize = 1 << 20;

/// The lines of every partition of one worker, by the partition's number.
pub(super) struct Runs {
    spill: Arc<dyn Spill>,
    /// What the arena may grow to.
    limit: usize,
    arena: Vec<u8>,
    used: usize,
    chains: Vec<Chain>,
    /// Of the partitions that have lines in the arena, in the order in which they came.
    pending: Vec<Pending>,
    /// Blocks on their way to the spill.
    blocks: Blocks,
    sorter: Sorter,
}

/// All of one partition's lines.
#[derive(Clone, Copy, Debug)]
struct Chain {
    /// Where its last block lies in the spill, and that block's length.
    block: u64,
    block_len: u32,
    /// Its place in `Runs::pending`.
    pending: u32,
    blocks: u32,
    /// Each once within a block.
    lines: u32,
    /// Bytes of those lines, newlines included.
    size: u64,
}

/// A partition's lines in the arena: slots with its first line and its length, then entries. An entry is how many bytes
/// the line shares with that first one, how many more there are, and those; the first line is an entry too.
#[derive(Clone, Copy, Debug)]
struct Pending {
    chain: u32,
    head: u32,
    /// The slot that is written to.
    tail: u32,
    /// Where the last entry begins.
    last: u32,
    /// Where the first line begins, and its length.
    first: u32,
    first_len: u32,
    /// Lines that came, and their bytes with newlines.
    lines: u32,
    size: u64,
    unsorted: bool,
}

impl Chain {
    const EMPTY: Chain = Chain { block: NONE, block_len: 0, pending: NO_SLOT, blocks: 0, lines: 0, size: 0 };

    fn count(&mut self, lines: u32, size: u64) {
        self.lines = self.lines.checked_add(lines).expect("a worker has less than 4 G lines of one partition");
        self.size += size;
    }
}

impl Runs {
    /// Some `arena_bytes` in memory beside some 32 bytes a partition, the rest in `spill`.
    pub fn new(arena_bytes: usize, spill: Arc<dyn Spill>) -> Runs {
        Runs {
            spill,
            limit: arena_bytes.min(LARGEST_ARENA_BYTES),
            arena: Vec::new(),
            used: 0,
            chains: Vec::new(),
            pending: Vec::new(),
            blocks: Blocks::default(),
            sorter: Sorter::default(),
        }
    }

    /// Adds a line to a partition; one that repeats the line before it may be dropped.
    ///
    /// # Errors
    /// Of the spill.
    pub fn push(&mut self, partition: u32, line: &[u8]) -> Result<()> {
        let index = partition as usize;
        if index >= self.chains.len() {
            self.chains.resize(index + 1, Chain::EMPTY);
        }
        if self.chains[index].pending == NO_SLOT {
            return self.open(index, line);
        }
        let number = self.chains[index].pending as usize;
        let pending = self.pending[number];
        let shared = common_prefix(self.bytes(pending.first, pending.first_len), line);
        let rest = &line[shared..];
        match self.against_last(&pending, shared, rest) {
            Ordering::Less => {}
            Ordering::Equal => return Ok(()),
            Ordering::Greater => self.pending[number].unsorted = true,
        }
        let mut lengths = [0; 20];
        let lengths_len = write_lengths(shared, rest.len(), &mut lengths);
        let needed = lengths_len + rest.len();
        let Some(at) = self.room(number, needed) else {
            self.flush()?;
            return self.open(index, line);
        };
        self.arena[at..at + lengths_len].copy_from_slice(&lengths[..lengths_len]);
        self.arena[at + lengths_len..at + needed].copy_from_slice(rest);
        let pending = &mut self.pending[number];
        pending.last = at as u32;
        pending.lines += 1;
        pending.size += line.len() as u64 + 1;
        Ok(())
    }

    /// Begins a partition's lines in the arena.
    fn open(&mut self, index: usize, line: &[u8]) -> Result<()> {
        let payload = line.len() + 10 + FIRST_SLOT_BYTES;
        let mut slot = self.allocate(payload);
        if slot.is_none() {
            self.flush()?;
            slot = self.allocate(payload);
        }
        let Some(slot) = slot else { return self.push_alone(index, line) };
        let mut lengths = [0; 20];
        let start = slot as usize + SLOT_HEADER_BYTES;
        let len = write_length(line.len(), &mut lengths);
        self.arena[start..start + len].copy_from_slice(&lengths[..len]);
        let first = start + len;
        self.arena[first..first + line.len()].copy_from_slice(line);
        let entry = first + line.len();
        let len = write_lengths(line.len(), 0, &mut lengths);
        self.arena[entry..entry + len].copy_from_slice(&lengths[..len]);
        self.set_used(slot, entry + len - start);
        self.chains[index].pending = self.pending.len() as u32;
        self.pending.push(Pending {
            chain: index as u32,
            head: slot,
            tail: slot,
            last: entry as u32,
            first: first as u32,
            first_len: line.len() as u32,
            lines: 1,
            size: line.len() as u64 + 1,
            unsorted: false,
        });
        Ok(())
    }

    /// A block of this one line.
    fn push_alone(&mut self, index: usize, line: &[u8]) -> Result<()> {
        let mut lengths = [0; 20];
        let mut block = Vec::with_capacity(line.len() + 10);
        let len = write_length(line.len(), &mut lengths);
        block.extend_from_slice(&lengths[..len]);
        block.extend_from_slice(line);
        let len = write_lengths(line.len(), 0, &mut lengths);
        block.extend_from_slice(&lengths[..len]);
        self.blocks.add(&mut self.chains[index], index as u32, &block, 1, line.len() as u64 + 1);
        self.blocks.hand_over(self.spill.as_ref(), &mut self.chains)
    }

    /// Writes every pending line to the spill, one sorted block a partition; the arena is empty then.
    fn flush(&mut self) -> Result<()> {
        let pending = std::mem::take(&mut self.pending);
        for one in &pending {
            let mut block = std::mem::take(&mut self.sorter.block);
            block.clear();
            self.gather(one.head, &mut block);
            let (mut lines, mut size) = (one.lines, one.size);
            if one.unsorted {
                (lines, size) = self.sorter.sort(&mut block);
            }
            let index = one.chain as usize;
            self.chains[index].pending = NO_SLOT;
            self.blocks.add(&mut self.chains[index], one.chain, &block, lines, size);
            self.sorter.block = block;
            if self.blocks.bytes.len() >= WRITE_BYTES {
                self.blocks.hand_over(self.spill.as_ref(), &mut self.chains)?;
            }
        }
        self.blocks.hand_over(self.spill.as_ref(), &mut self.chains)?;
        self.pending = pending;
        self.pending.clear();
        self.used = 0;
        Ok(())
    }

    /// Ends the gathering: what lies in the arena is sorted where it lies.
    ///
    /// # Errors
    /// Of the spill.
    pub fn finish(&mut self) -> Result<()> {
        for number in 0..self.pending.len() {
            let one = self.pending[number];
            let (mut lines, mut size) = (one.lines, one.size);
            if one.unsorted {
                let mut block = std::mem::take(&mut self.sorter.block);
                block.clear();
                self.gather(one.head, &mut block);
                (lines, size) = self.sorter.sort(&mut block);
                self.scatter(one.head, &block);
                self.sorter.block = block;
            }
            let chain = &mut self.chains[one.chain as usize];
            chain.count(lines, size);
        }
        self.sorter = Sorter::default();
        self.blocks = Blocks::default();
        self.arena.truncate(self.used);
        self.chains.shrink_to_fit();
        self.spill.settle()
    }

    /// How a new line stands to the last entry: `Less` where that comes before it.
    fn against_last(&self, pending: &Pending, shared: usize, rest: &[u8]) -> Ordering {
        let first = self.bytes(pending.first, pending.first_len);
        let entry = &self.arena[pending.last as usize..];
        let (last_shared, at) = read_length(entry).expect("an entry lies whole in its slot");
        let (len, more) = read_length(&entry[at..]).expect("an entry lies whole in its slot");
        let last = &entry[at + more..at + more + len];
        compare(first, (last_shared, last), (shared, rest))
    }

    fn bytes(&self, at: u32, len: u32) -> &[u8] {
        &self.arena[at as usize..][..len as usize]
    }

    /// Where the next `needed` bytes of a partition go; `None` if the arena is full.
    fn room(&mut self, number: usize, needed: usize) -> Option<usize> {
        let tail = self.pending[number].tail;
        let (used, capacity) = (self.slot_used(tail), self.slot_capacity(tail));
        if used + needed <= capacity {
            self.set_used(tail, used + needed);
            return Some(tail as usize + SLOT_HEADER_BYTES + used);
        }
        let slot = self.allocate((capacity * 2).min(LARGEST_SLOT_BYTES).max(needed))?;
        self.set_number(tail, slot);
        self.set_used(slot, needed);
        self.pending[number].tail = slot;
        Some(slot as usize + SLOT_HEADER_BYTES)
    }

    /// An empty slot for so many bytes; `None` if the arena is full.
    fn allocate(&mut self, payload: usize) -> Option<u32> {
        let (slot, end) = (self.used, self.used + SLOT_HEADER_BYTES + payload);
        if end > self.limit {
            return None;
        }
        if end > self.arena.len() {
            let doubled = (self.arena.len() * 2).max(ARENA_BYTES).max(end);
            self.arena.resize(doubled.min(self.limit), 0);
        }
        self.used = end;
        let slot = slot as u32;
        self.set_number(slot, NO_SLOT);
        self.set_number(slot + 8, payload as u32);
        Some(slot)
    }

    fn next_slot(&self, slot: u32) -> Option<u32> {
        Some(self.number(slot)).filter(|next| *next != NO_SLOT)
    }

    fn slot_used(&self, slot: u32) -> usize {
        self.number(slot + 4) as usize
    }

    fn slot_capacity(&self, slot: u32) -> usize {
        self.number(slot + 8) as usize
    }

    fn set_used(&mut self, slot: u32, used: usize) {
        self.set_number(slot + 4, used as u32);
    }

    fn number(&self, at: u32) -> u32 {
        u32::from_le_bytes(self.arena[at as usize..][..4].try_into().expect("four bytes"))
    }

    fn set_number(&mut self, at: u32, number: u32) {
        self.arena[at as usize..][..4].copy_from_slice(&number.to_le_bytes());
    }

    fn payload(&self, slot: u32) -> &[u8] {
        &self.arena[slot as usize + SLOT_HEADER_BYTES..][..self.slot_used(slot)]
    }

    /// Appends what a chain of slots holds.
    fn gather(&self, head: u32, out: &mut Vec<u8>) {
        let mut slot = Some(head);
        while let Some(at) = slot {
            out.extend_from_slice(self.payload(at));
            slot = self.next_slot(at);
        }
    }

    /// Puts a block where a chain of slots held one at least as long.
    fn scatter(&mut self, head: u32, mut block: &[u8]) {
        let mut slot = Some(head);
        while let Some(at) = slot {
            let (now, later) = block.split_at(block.len().min(self.slot_capacity(at)));
            self.arena[at as usize + SLOT_HEADER_BYTES..][..now.len()].copy_from_slice(now);
            self.set_used(at, now.len());
            block = later;
            slot = self.next_slot(at);
        }
    }
}

/// What is read of finished runs.
impl Runs {
    pub fn is_empty(&self, partition: u32) -> bool {
        self.chains.get(partition as usize).is_none_or(|chain| chain.lines == 0)
    }

    /// Lines of a partition, and their bytes with newlines; and in how many runs they lie. Within one run each line
    /// stands once.
    pub fn counts(&self, partition: u32) -> (u64, u64, u32) {
        let chain = &self.chains[partition as usize];
        (chain.lines.into(), chain.size, chain.blocks + u32::from(chain.pending != NO_SLOT))
    }

    /// Appends a cursor for each of the partition's runs, before its first line.
    ///
    /// # Errors
    /// Of the spill.
    pub fn cursors(&self, partition: u32, cursors: &mut Vec<Cursor>) -> Result<()> {
        let chain = &self.chains[partition as usize];
        let buffer_bytes = (BUFFERS_BYTES / (chain.blocks as usize + 1)).clamp(4 << 10, 64 << 10);
        if chain.pending != NO_SLOT {
            let head = self.pending[chain.pending as usize].head;
            cursors.push(Cursor::new(Source::Arena { next: Some(head) }, Vec::new(), buffer_bytes));
        }
        let (mut block, mut len) = (chain.block, chain.block_len as usize);
        while block != NONE {
            let mut buffer = vec![0; HEADER_BYTES + len.min(buffer_bytes)];
            self.spill.read(block, &mut buffer)?;
            let number = |range: std::ops::Range<usize>| &buffer[range];
            let before = u64::from_le_bytes(number(0..8).try_into().expect("eight bytes"));
            let before_len = u32::from_le_bytes(number(8..12).try_into().expect("four bytes"));
            let read = buffer.len() - HEADER_BYTES;
            let rest = Source::Spill { at: block + buffer.len() as u64, left: len - read };
            let mut cursor = Cursor::new(rest, buffer, buffer_bytes);
            cursor.at = HEADER_BYTES;
            cursors.push(cursor);
            (block, len) = (before, before_len as usize);
        }
        Ok(())
    }
}

impl fmt::Debug for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runs").field("partitions", &self.chains.len()).finish_non_exhaustive()
    }
}

/// Bytes that the buffers of one partition's cursors take together, about.
const BUFFERS_BYTES: usize = 1 << 20;

/// One run on its way out.
#[derive(Debug)]
pub(super) struct Cursor {
    source: Source,
    buffer: Vec<u8>,
    /// What of `buffer` has been read.
    at: usize,
    buffer_bytes: usize,
    begun: bool,
    first: Vec<u8>,
    /// The line in hand, and what of it is the first one's.
    line: Vec<u8>,
    shared: usize,
}

/// Where a run's next bytes are.
#[derive(Debug)]
enum Source {
    Arena { next: Option<u32> },
    Spill { at: u64, left: usize },
}

impl Cursor {
    fn new(source: Source, buffer: Vec<u8>, buffer_bytes: usize) -> Cursor {
        Cursor { source, buffer, at: 0, buffer_bytes, begun: false, first: Vec::new(), line: Vec::new(), shared: 0 }
    }

    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// Takes up the next line; `false` at the end.
    ///
    /// # Errors
    /// Of the spill.
    pub fn advance(&mut self, runs: &Runs) -> Result<bool> {
        let Some((shared, len)) = self.entry(runs)? else { return Ok(false) };
        self.line.truncate(self.shared.min(shared));
        let from = self.line.len();
        self.line.extend_from_slice(&self.first[from..shared]);
        self.line.extend_from_slice(&self.buffer[self.at..self.at + len]);
        self.at += len;
        self.shared = shared;
        Ok(true)
    }

    /// Appends lines, each with its newline, until `out` has `limit` bytes or more; `false` at the end. The line in hand
    /// is of no meaning then.
    ///
    /// # Errors
    /// Of the spill.
    pub fn fill(&mut self, runs: &Runs, out: &mut Vec<u8>, limit: usize) -> Result<bool> {
        while out.len() < limit {
            let Some((shared, len)) = self.entry(runs)? else { return Ok(false) };
            out.reserve(shared + len + 1);
            out.extend_from_slice(&self.first[..shared]);
            out.extend_from_slice(&self.buffer[self.at..self.at + len]);
            out.push(b'\n');
            self.at += len;
        }
        Ok(true)
    }

    /// The next entry, its own bytes at `at` in the buffer.
    #[inline]
    fn entry(&mut self, runs: &Runs) -> Result<Option<(usize, usize)>> {
        if !self.begun {
            self.begun = true;
            let Some(len) = self.length(runs)? else { return Ok(None) };
            self.have(runs, len)?;
            self.first.extend_from_slice(&self.buffer[self.at..self.at + len]);
            self.at += len;
        }
        let Some(shared) = self.length(runs)? else { return Ok(None) };
        let len = self.length(runs)?.expect("an entry has both lengths");
        if self.buffer.len() - self.at < len {
            self.have(runs, len)?;
        }
        Ok(Some((shared, len)))
    }

    #[inline]
    fn length(&mut self, runs: &Runs) -> Result<Option<usize>> {
        loop {
            if let Some((length, read)) = read_length(&self.buffer[self.at..]) {
                self.at += read;
                return Ok(Some(length));
            }
            if !self.more(runs)? {
                return Ok(None);
            }
        }
    }

    fn have(&mut self, runs: &Runs, bytes: usize) -> Result<()> {
        while self.buffer.len() - self.at < bytes {
            let more = self.more(runs)?;
            assert!(more, "a run ends behind an entry");
        }
        Ok(())
    }

    /// Reads on; `false` if there is nothing more.
    fn more(&mut self, runs: &Runs) -> Result<bool> {
        self.buffer.drain(..self.at);
        self.at = 0;
        match &mut self.source {
            Source::Arena { next } => {
                let Some(slot) = *next else { return Ok(false) };
                self.buffer.extend_from_slice(runs.payload(slot));
                *next = runs.next_slot(slot);
            }
            Source::Spill { left: 0, .. } => return Ok(false),
            Source::Spill { at, left } => {
                let (kept, now) = (self.buffer.len(), (*left).min(self.buffer_bytes));
                self.buffer.resize(kept + now, 0);
                runs.spill.read(*at, &mut self.buffer[kept..])?;
                *at += now as u64;
                *left -= now;
            }
        }
        Ok(true)
    }
}

/// Blocks on their way to the spill. Until they are there, chains hold their places relative to the first one.
#[derive(Debug, Default)]
struct Blocks {
    bytes: Vec<u8>,
    /// Per block: its partition, and where it begins in `bytes`.
    places: Vec<(u32, usize)>,
}

impl Blocks {
    fn add(&mut self, chain: &mut Chain, index: u32, block: &[u8], lines: u32, size: u64) {
        self.places.push((index, self.bytes.len()));
        self.bytes.extend_from_slice(&chain.block.to_le_bytes());
        self.bytes.extend_from_slice(&chain.block_len.to_le_bytes());
        self.bytes.extend_from_slice(block);
        chain.block_len = u32::try_from(block.len()).expect("an arena holds less than 4 GiB");
        chain.blocks += 1;
        chain.count(lines, size);
    }

    fn hand_over(&mut self, spill: &dyn Spill, chains: &mut [Chain]) -> Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let at = spill.append(&self.bytes)?;
        for (index, start) in self.places.drain(..) {
            chains[index as usize].block = at + start as u64;
        }
        self.bytes.clear();
        Ok(())
    }
}

/// Sorts blocks.
#[derive(Debug, Default)]
struct Sorter {
    /// A buffer for the block in hand.
    block: Vec<u8>,
    entries: Vec<Entry>,
    sorted: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where the entry begins in the block, and where its own bytes do.
    start: u32,
    rest: u32,
    end: u32,
    shared: u32,
}

impl Sorter {
    /// Sorts the lines of a block, each once; says how many there are, and their bytes with newlines.
    fn sort(&mut self, block: &mut Vec<u8>) -> (u32, u64) {
        let (first_len, at) = read_length(block).expect("a block begins with its first line");
        let head = at + first_len;
        let first = &block[at..head];
        self.entries.clear();
        let mut at = head;
        while at < block.len() {
            let (shared, a) = read_length(&block[at..]).expect("a block ends behind an entry");
            let (len, b) = read_length(&block[at + a..]).expect("a block ends behind an entry");
            let rest = at + a + b;
            self.entries.push(Entry {
                start: at as u32,
                rest: rest as u32,
                end: (rest + len) as u32,
                shared: shared as u32,
            });
            at = rest + len;
        }
        let of = |entry: &Entry| (entry.shared as usize, &block[entry.rest as usize..entry.end as usize]);
        self.entries.sort_unstable_by(|a, b| compare(first, of(a), of(b)));
        self.entries.dedup_by(|a, b| a.shared == b.shared && of(a).1 == of(b).1);
        self.sorted.clear();
        self.sorted.extend_from_slice(&block[..head]);
        let mut size = 0;
        for entry in &self.entries {
            self.sorted.extend_from_slice(&block[entry.start as usize..entry.end as usize]);
            size += u64::from(entry.shared) + u64::from(entry.end - entry.rest) + 1;
        }
        std::mem::swap(block, &mut self.sorted);
        (self.entries.len() as u32, size)
    }
}

/// Two lines by their bytes, each given as how much of `first` it begins with, at most, and the rest.
fn compare(first: &[u8], a: (usize, &[u8]), b: (usize, &[u8])) -> Ordering {
    match a.0.cmp(&b.0) {
        Ordering::Equal => a.1.cmp(b.1),
        // The one that shares less parts from `first` where the other still goes with it.
        Ordering::Greater => b.1.first().map_or(Ordering::Greater, |byte| first[b.0].cmp(byte)),
        Ordering::Less => a.1.first().map_or(Ordering::Less, |byte| byte.cmp(&first[a.0])),
    }
}

/// How many bytes two texts begin with in common.
fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let len = a.len().min(b.len());
    let mut at = 0;
    for (a, b) in a[..len].chunks_exact(8).zip(b[..len].chunks_exact(8)) {
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let differ = word(a) ^ word(b);
        if differ != 0 {
            return at + differ.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + a[at..len].iter().zip(&b[at..len]).take_while(|(a, b)| a == b).count()
}

/// LEB128: seven bits a byte, the least first.
fn write_length(mut length: usize, out: &mut [u8]) -> usize {
    let mut at = 0;
    while length >= 0x80 {
        out[at] = length as u8 | 0x80;
        length >>= 7;
        at += 1;
    }
    out[at] = length as u8;
    at + 1
}

fn write_lengths(shared: usize, rest: usize, out: &mut [u8; 20]) -> usize {
    let at = write_length(shared, out);
    at + write_length(rest, &mut out[at..])
}

/// A length and how many bytes it takes; `None` where the bytes end before it does.
#[inline]
fn read_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let first = *bytes.first()?;
    if first < 0x80 {
        return Some((first.into(), 1));
    }
    let mut length = 0;
    for (at, byte) in bytes.iter().enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((length, at + 1));
        }
    }
    None
}
