//! Which pages to ask for, so that many are on their way at once: the keys below a prefix, cut into ranges while they are
//! listed. Pure: says what to ask, is told what came, asks nobody.
//!
//! A range is a chain of pages, each asked for by the token of the one before. It is cut only by a page that has come: one
//! asked for from a point inside it, whose first key then is where the range before ends. So what is guessed (the points)
//! costs a request where it is wrong, and never a key: no key lies in two ranges, and none in no range.

use std::collections::VecDeque;

use crate::listing::Page;

/// Extra requests that any listing may take.
const FREE_EXTRAS: u64 = 8;

/// Pages that pay for one extra request.
const PAGES_AN_EXTRA: u64 = 4;

/// Points of one directory that are remembered.
const MAX_POINTS: usize = 256;

/// Keys of a page that are looked at for what characters names are made of.
const SAMPLES: usize = 32;

/// Characters behind the first difference that are looked at for a point.
const DEPTH: usize = 8;

/// Bytes behind a directory that are looked at for what names are made of.
const PLACES: usize = 32;

/// A request to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The next page of a range; without a token, its first.
    Page { range: u64, token: Option<String> },
    /// A page of what comes behind a point at which a range may be cut.
    Trial { point: String },
    /// What lies right in a directory, behind a key.
    Directory { directory: String, after: String },
}

/// What the store did that keeps ranges from being listed apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disorder {
    /// Whether a range has been cut before, so that one chain of pages cannot take over.
    pub is_cut: bool,
}

/// All ranges of one listing.
#[derive(Debug)]
pub(super) struct Ranges {
    /// That are not at their end, in no order.
    ranges: Vec<Range>,
    /// Ranges made so far: the next one's number.
    made: u64,
    /// Requests at once, at most.
    width: u64,
    splits: Splits,
    /// Pages that brought keys.
    pages: u64,
    /// Answers that brought none.
    extras: u64,
}

/// Whether ranges are cut further, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Splits {
    ByDirectory,
    /// The store tells of no directories.
    ByPoint,
    /// The store does not list from a point on.
    No,
}

#[derive(Debug)]
struct Range {
    number: u64,
    /// The first key of the range behind it.
    end: Option<String>,
    /// Behind it, up to the end, there was no key when that was asked.
    ceiling: Option<String>,
    /// The last key that came.
    last: Option<String>,
    next: Next,
    /// That came since the range began or was cut.
    pages: u32,
    /// Points asked for without a key since then.
    misses: u32,
    /// Points asked for.
    trials: Vec<String>,
    /// What all that is left begins with, as far as its last slash.
    directory: String,
    inside: Inside,
    /// Bytes that all keys seen in this directory share, and those of the last page.
    shared: usize,
    shared_by_page: usize,
    /// The ASCII that was seen in each place behind the directory, as bits.
    places: [u128; PLACES],
}

#[derive(Debug)]
enum Next {
    Page(Option<String>),
    Asked,
}

/// What is known of a range's directory.
#[derive(Debug)]
enum Inside {
    Unknown,
    Asked,
    /// All directories in it that are left, in order.
    Points {
        points: VecDeque<String>,
    },
    /// Names without end, which only guesses divide.
    Flat,
    /// Less than a page.
    Little,
}

impl Ranges {
    /// The listing of a prefix of so many bytes, `width` requests at a time.
    pub fn new(prefix: &str, width: usize) -> Ranges {
        let all = Range {
            number: 0,
            end: None,
            ceiling: None,
            last: None,
            next: Next::Page(None),
            pages: 0,
            misses: 0,
            trials: Vec::new(),
            directory: prefix.to_owned(),
            inside: Inside::Unknown,
            shared: usize::MAX,
            shared_by_page: usize::MAX,
            places: [0; PLACES],
        };
        let splits = if width > 1 { Splits::ByDirectory } else { Splits::No };
        Ranges { ranges: vec![all], made: 1, width: width as u64, splits, pages: 0, extras: 0 }
    }

    /// The next request, if there is one worth sending now.
    pub fn next(&mut self) -> Option<Ask> {
        for range in &mut self.ranges {
            if let Next::Page(token) = &mut range.next {
                let token = token.take();
                range.next = Next::Asked;
                return Some(Ask::Page { range: range.number, token });
            }
        }
        if self.splits == Splits::No || !self.affords() {
            return None;
        }
        let divisible = self.ranges.iter_mut().filter(|range| range.is_divisible());
        let range = divisible.max_by(|a, b| a.weight().total_cmp(&b.weight()))?;
        if matches!(range.inside, Inside::Unknown) {
            if self.splits == Splits::ByDirectory {
                range.inside = Inside::Asked;
                self.extras += 1;
                return Some(Ask::Directory { directory: range.directory.clone(), after: range.last.clone()? });
            }
            range.inside = Inside::Flat;
        }
        let Some(point) = range.point() else {
            // Its next page may show more.
            range.pages = 0;
            return self.next();
        };
        range.trials.push(point.clone());
        Some(Ask::Trial { point })
    }

    /// Whether one more request that may bring no key, or less than a page, can be afforded.
    fn affords(&self) -> bool {
        let (paid, cuts) = (self.pages / PAGES_AN_EXTRA, self.made - 1);
        let trials = self.ranges.iter().map(|range| range.trials.len() as u64).sum::<u64>();
        self.extras < FREE_EXTRAS + paid && cuts + trials < (2 * self.width + paid).min(self.pages)
    }

    /// A page of a range has come: how many of its keys, which are sorted, are the range's own.
    pub fn page(&mut self, number: u64, page: &Page, token: Option<String>) -> Result<usize, Disorder> {
        let disorder = self.disorder();
        let at = self.ranges.iter().position(|range| range.number == number).expect("a range that was asked for");
        let range = &mut self.ranges[at];
        if page.is_empty() {
            range.next = Next::Page(token);
            self.extras += 1;
            self.drop_if_done(at);
            return Ok(0);
        }
        if range.last.as_deref().is_some_and(|last| page.key(0) <= last) {
            return Err(disorder);
        }
        let own = own_keys(page, range.end.as_deref());
        let is_last = own < page.len();
        range.next = Next::Page(token.filter(|_| !is_last));
        range.saw(page, own);
        *(if own > 0 { &mut self.pages } else { &mut self.extras }) += 1;
        self.drop_if_done(at);
        Ok(own)
    }

    /// What it means that the store's order is another than that of bytes.
    pub fn disorder(&self) -> Disorder {
        Disorder { is_cut: self.made > 1 }
    }

    /// A page of a range has not come, and is wanted all the same.
    pub fn again(&mut self, number: u64, token: Option<String>) {
        let range = self.ranges.iter_mut().find(|range| range.number == number);
        range.expect("a range that was asked for").next = Next::Page(token);
    }

    /// The page behind a point has come: how many of its keys belong to the range that begins there; 0 where none does.
    /// `None`: there is no answer.
    pub fn trial(&mut self, point: &str, answer: Option<(&Page, Option<String>)>) -> usize {
        let asked = self.ranges.iter().position(|range| range.trials.iter().any(|asked| asked == point));
        if let Some(at) = asked {
            self.ranges[at].trials.retain(|asked| asked != point);
        }
        let at = self.ranges.iter().position(|range| range.is_around(point));
        let cut = answer.zip(at).map_or(0, |((page, token), at)| self.cut(at, point, page, token));
        if let (Some(at), 0) = (asked, cut) {
            self.ranges[at].settle();
        }
        *(if cut > 0 { &mut self.pages } else { &mut self.extras }) += 1;
        cut
    }

    fn cut(&mut self, at: usize, point: &str, page: &Page, token: Option<String>) -> usize {
        if !page.is_empty() && page.key(0) <= point {
            self.stop();
            return 0;
        }
        let range = &mut self.ranges[at];
        let own = own_keys(page, range.end.as_deref());
        if own == 0 {
            if !page.is_empty() || token.is_none() {
                range.ceiling = Some(point.to_owned());
                range.misses += 1;
            }
            return 0;
        }
        let first = page.key(0);
        let behind = range.cut(self.made, point, first);
        self.made += 1;
        self.ranges.push(behind);
        let at = self.ranges.len() - 1;
        let behind = &mut self.ranges[at];
        behind.next = Next::Page(token.filter(|_| own == page.len()));
        behind.saw(page, own);
        self.drop_if_done(at);
        own
    }

    /// What lies right in a directory has come, in order; `whole` if nothing follows. `None`: there is no answer.
    pub fn directory(&mut self, directory: &str, answer: Option<(Vec<String>, bool)>) {
        if answer.is_none() && self.splits == Splits::ByDirectory {
            self.splits = Splits::ByPoint;
        }
        for range in &mut self.ranges {
            if range.directory != directory || !matches!(range.inside, Inside::Asked) {
                continue;
            }
            range.inside = match &answer {
                Some((found, whole)) => range.points(found, *whole),
                None => Inside::Flat,
            };
            range.settle();
        }
    }

    /// Ranges are cut no more: the store does not list from a point on, or not in order.
    pub fn stop(&mut self) {
        self.splits = Splits::No;
    }

    fn drop_if_done(&mut self, at: usize) {
        if matches!(self.ranges[at].next, Next::Page(None)) {
            self.ranges.swap_remove(at);
        } else {
            self.ranges[at].settle();
        }
    }
}

impl Range {
    /// What is left once the range behind `first` is cut off; returns that one.
    fn cut(&mut self, number: u64, point: &str, first: &str) -> Range {
        let shared = self.last.as_deref().map_or(0, |last| common_len(last, first));
        self.shared = self.shared.min(shared);
        let mut behind = Range {
            number,
            end: self.end.replace(first.to_owned()),
            ceiling: self.ceiling.replace(point.to_owned()).filter(|ceiling| ceiling.as_str() > first),
            last: None,
            next: Next::Asked,
            pages: 0,
            misses: 0,
            trials: self.trials.extract_if(.., |asked| asked.as_str() > point).collect(),
            directory: self.directory.clone(),
            inside: Inside::Flat,
            shared,
            shared_by_page: shared,
            places: self.places,
        };
        behind.inside = match &mut self.inside {
            Inside::Unknown => Inside::Unknown,
            Inside::Asked => Inside::Asked,
            Inside::Flat | Inside::Little => Inside::Flat,
            Inside::Points { points } => {
                let at = points.partition_point(|known| known.as_str() <= point);
                Inside::Points { points: points.split_off(at) }
            }
        };
        (self.pages, self.misses) = (0, 0);
        self.settle();
        behind
    }

    /// Takes note of a page's first `own` keys.
    fn saw(&mut self, page: &Page, own: usize) {
        self.pages += 1;
        let Some(last) = own.checked_sub(1) else { return };
        let (first, last) = (page.key(0), page.key(last));
        self.shared_by_page = common_len(first, last);
        let before = self.last.as_deref().unwrap_or(first);
        self.shared = self.shared.min(common_len(before, last));
        for key in (0..own).step_by(own.div_ceil(SAMPLES)).map(|index| page.key(index)) {
            let name = key.strip_prefix(&self.directory).unwrap_or_default().bytes();
            self.places.iter_mut().zip(name).for_each(|(place, byte)| *place |= bit(byte));
        }
        self.last = Some(last.to_owned());
    }

    /// Draws from the last key, the end and the points what is left.
    fn settle(&mut self) {
        let Some(last) = self.last.clone() else { return };
        let last = last.as_str();
        self.trials.retain(|point| point.as_str() > last);
        let shared = self.ceiling().map_or(0, |ceiling| common_len(last, ceiling));
        let deeper = &last[..last[..shared].rfind('/').map_or(0, |slash| slash + 1)];
        if deeper.len() > self.directory.len() || !last.starts_with(&self.directory) {
            self.enter(deeper);
        }
        if let Inside::Points { points } = &mut self.inside {
            let from = points.partition_point(|point| point.as_str() <= last);
            points.drain(..from);
            if points.is_empty() && self.trials.is_empty() {
                // All that is left lies in the one the last key lies in; else it is less than a page.
                match last[self.directory.len()..].find('/') {
                    Some(slash) => self.enter(&last[..=self.directory.len() + slash]),
                    None => self.inside = Inside::Little,
                }
            }
        }
    }

    fn enter(&mut self, directory: &str) {
        self.directory = directory.to_owned();
        self.inside = Inside::Unknown;
        self.places = [0; PLACES];
        self.shared = usize::MAX;
    }

    /// Directories among more than a page of names are not worth each a page; all there are may be.
    fn points(&self, found: &[String], whole: bool) -> Inside {
        if !whole {
            return Inside::Flat;
        }
        let own: Vec<&String> = found.iter().filter(|point| point.ends_with('/') && self.is_around(point)).collect();
        let points = own.iter().step_by(own.len().div_ceil(MAX_POINTS).max(1)).map(|point| (*point).clone());
        Inside::Points { points: points.collect() }
    }

    /// Whether a point lies in what is left.
    fn is_around(&self, point: &str) -> bool {
        self.last.as_deref().is_some_and(|last| point > last) && self.end.as_deref().is_none_or(|end| point < end)
    }

    /// Behind what no key is expected.
    fn ceiling(&self) -> Option<&str> {
        self.ceiling.as_deref().or(self.end.as_deref())
    }

    /// Whether it is worth dividing now.
    fn is_divisible(&self) -> bool {
        self.pages > self.misses
            && match &self.inside {
                Inside::Asked | Inside::Little => false,
                Inside::Points { points } => !points.is_empty(),
                Inside::Unknown | Inside::Flat => self.trials.is_empty(),
            }
    }

    /// What has gone on for longest is likely to go on for longest.
    fn weight(&self) -> f64 {
        f64::from(self.pages) / (1 + self.trials.len()) as f64
    }

    /// Where to cut.
    fn point(&mut self) -> Option<String> {
        if let Inside::Points { points } = &mut self.inside {
            return take_middle(points, &mut self.trials);
        }
        let last = self.last.as_deref()?;
        let ceiling = self.ceiling();
        let from = ceiling.map_or(0, |ceiling| common_len(last, ceiling)).max(self.directory.len());
        let shared = if self.shared < from { self.shared_by_page } else { self.shared }.clamp(from, last.len());
        let step = |at: usize, char: char| {
            let point = format!("{}{char}", &last[..at]);
            Some(point).filter(|point| ceiling.is_none_or(|ceiling| point.as_str() < ceiling))
        };
        // Where all keys so far are the same they may be so to the end: what else there is, is looked for by halves.
        let same = last[from..shared].char_indices();
        let mut same: Vec<String> = same.filter_map(|(at, char)| step(from + at, after(char)?)).collect();
        if !same.is_empty() {
            return Some(same.swap_remove(same.len() / 2));
        }
        last[shared..].char_indices().take(DEPTH).find_map(|(at, char)| {
            let at = shared + at;
            let limit = ceiling.and_then(|ceiling| ceiling.strip_prefix(&last[..at])?.chars().next());
            let steps = letters(self.alphabet(at), char, limit).into_iter();
            let mut steps: Vec<String> = steps.filter_map(|letter| step(at, letter)).collect();
            Some(steps.len() / 2).filter(|_| !steps.is_empty()).map(|middle| steps.swap_remove(middle))
        })
    }

    /// The letters and digits that names hold in the last key's word from `at` on, if both stand in one place of it.
    fn alphabet(&self, at: usize) -> u128 {
        let last = self.last.as_deref().unwrap_or_default().as_bytes();
        let word = last[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let from = (at - self.directory.len()).min(PLACES);
        let places = &self.places[from..(from + word).min(PLACES)];
        let has_both = |place: &&u128| *place & DIGITS != 0 && *place & (LOWER | UPPER) != 0;
        places.iter().filter(has_both).fold(0, |all, place| all | place) & (DIGITS | LOWER | UPPER)
    }
}

/// Takes the one in the middle of the longest row of points that has no point in it which is asked for already.
fn take_middle(points: &mut VecDeque<String>, asked: &mut [String]) -> Option<String> {
    asked.sort_unstable();
    let (mut from, mut longest) = (0, 0..0);
    for end in asked.iter().map(|point| points.partition_point(|known| known < point)).chain([points.len()]) {
        if end - from > longest.len() {
            longest = from..end;
        }
        from = end;
    }
    points.remove(longest.start.midpoint(longest.end))
}

/// What may stand in the place of a character, behind it in order: up to `limit`, where that is known.
fn letters(alphabet: u128, char: char, limit: Option<char>) -> Vec<char> {
    let class = match char {
        char if char.is_ascii_alphanumeric() && alphabet != 0 => alphabet,
        '0'..='9' => DIGITS,
        'a'..='z' => LOWER,
        'A'..='Z' => UPPER,
        _ => 0,
    };
    let class = (char..='z').skip(1).filter(|letter| class & bit(*letter as u8) != 0);
    let mut letters: Vec<char> = class.filter(|letter| limit.is_none_or(|limit| *letter < limit)).collect();
    if let Some(limit) = limit {
        if letters.is_empty() {
            letters.extend(char::from_u32(u32::from(char).midpoint(limit.into())).filter(|middle| *middle > char));
        }
        letters.push(limit);
    } else if !char.is_ascii() {
        // Scripts are thousands of characters wide, or a few dozen.
        letters.extend((0..=12).filter_map(|step| char::from_u32(u32::from(char) + (1 << step))));
    }
    letters
}

/// How many keys of a page lie before `end`.
fn own_keys(page: &Page, end: Option<&str>) -> usize {
    let Some(end) = end else { return page.len() };
    if page.is_empty() || page.key(page.len() - 1) < end {
        return page.len();
    }
    let (mut from, mut to) = (0, page.len());
    while from < to {
        let middle = from.midpoint(to);
        if page.key(middle) < end { from = middle + 1 } else { to = middle }
    }
    from
}

/// Bytes, up to a character's end, that both begin with.
fn common_len(a: &str, b: &str) -> usize {
    let same = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    a.floor_char_boundary(same)
}

fn after(char: char) -> Option<char> {
    (char..=char::MAX).nth(1)
}

/// A byte of ASCII as a bit.
fn bit(byte: u8) -> u128 {
    1u128.checked_shl(byte.into()).unwrap_or(0)
}

const DIGITS: u128 = 0x3ff << b'0';
const UPPER: u128 = 0x3ff_ffff << b'A';
const LOWER: u128 = 0x3ff_ffff << b'a';

#[cfg(test)]
mod tests;
