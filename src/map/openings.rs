//! What keys begin with, sorted: among thousands of prefixes the few that have to do with a directory are found at once.

/// Prefixes, each with what it is of.
#[derive(Debug)]
pub(crate) struct Openings<T> {
    /// In byte order of their prefixes.
    entries: Vec<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    prefix: String,
    of: T,
    /// The nearest entry before this one whose prefix begins this one's.
    outer: Option<usize>,
}

impl<T: Copy + Ord> Openings<T> {
    pub fn new(mut prefixes: Vec<(String, T)>) -> Openings<T> {
        prefixes.sort_unstable();
        let mut entries: Vec<Entry<T>> = Vec::with_capacity(prefixes.len());
        for (prefix, of) in prefixes {
            let mut outer = entries.len().checked_sub(1);
            while let Some(at) = outer.filter(|at| !prefix.starts_with(&entries[*at].prefix)) {
                outer = entries[at].outer;
            }
            entries.push(Entry { prefix, of, outer });
        }
        Openings { entries }
    }

    /// Fills `found` with what an object of this directory can begin as, in order and each once: its prefix begins the
    /// path, or the path begins its prefix.
    pub fn find(&self, path: &str, found: &mut Vec<T>) {
        found.clear();
        let from = self.entries.partition_point(|entry| entry.prefix.as_str() < path);
        // What lies between a prefix of the path and the path begins with it too; what begins one that fits, fits.
        let mut outer = from.checked_sub(1);
        while let Some(at) = outer.filter(|at| !path.starts_with(&self.entries[*at].prefix)) {
            outer = self.entries[at].outer;
        }
        while let Some(at) = outer {
            found.push(self.entries[at].of);
            outer = self.entries[at].outer;
        }
        found.reverse();
        let inner = self.entries[from..].iter().take_while(|entry| entry.prefix.starts_with(path));
        found.extend(inner.map(|entry| entry.of));
        found.sort_unstable();
        found.dedup();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_a_directory_is_what_a_look_at_each_prefix_finds() {
        let texts = ["", "a", "a/", "a/b", "a/b/", "a/b/c", "a/b/c/", "a/ba/", "a0/", "b/", "b/a/b/", "é/"];
        for mask in 0u32..1 << texts.len() {
            let of = |at: usize| (at % 5) as u32;
            let chosen = || texts.iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1);
            let openings = Openings::new(chosen().map(|(at, text)| ((*text).to_owned(), of(at))).collect());
            for path in ["", "a/", "a/b/", "a/b/c/d/", "a/c/", "a0/", "b/a/", "b/a/b/", "c/", "é/", "\u{1}/"] {
                let mut expected: Vec<u32> = chosen()
                    .filter(|(_, prefix)| prefix.starts_with(path) || path.starts_with(*prefix))
                    .map(|(at, _)| of(at))
                    .collect();
                expected.sort_unstable();
                expected.dedup();
                let mut found = vec![99];
                openings.find(path, &mut found);
                assert_eq!(found, expected, "{path} of {mask:b}");
            }
        }
    }
}
