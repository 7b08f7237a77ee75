//! What a folder's writes have left to be made safe from a power cut, and how that is done once for all of them.
//!
//! A write that replaces a manifest syncs it before the rename, or a power cut could leave an empty one, which reads as no
//! rows. A new manifest may come to that: until the marker says otherwise the table is unfinished, and the next run finds
//! and mends it. So new files and names are synced together, before the marker says that all is done: two syncs a
//! manifest made 30,000 first ones take minutes on a busy disk.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::sync;
use crate::error::{Error, Result};
use crate::listing::folder::{is_absent, shown};

/// Beyond so many, the whole file system is synced instead: each sync of one waits for the disk.
const MANY: usize = 32;

/// Files and directories that have changed since they were last synced.
#[derive(Debug, Default)]
pub(super) struct Unsettled(Mutex<Vec<PathBuf>>);

impl Unsettled {
    pub fn add(&self, path: &Path) {
        let mut paths = self.0.lock().expect("nothing panics while it holds the lock");
        if !SYNCS_ALL || paths.len() <= MANY {
            paths.push(path.to_owned());
        }
    }

    /// Syncs them, and with them what was added up to now. Nothing is forgotten if it fails.
    ///
    /// # Errors
    /// `Io` and the like; a file or directory that has gone meanwhile needs no sync.
    pub fn settle(&self, root: &Path) -> Result<()> {
        let mut paths = self.0.lock().expect("nothing panics while it holds the lock");
        if paths.len() > MANY && SYNCS_ALL {
            sync_all(root).map_err(|error| Error::io(shown(root), error))?;
        } else {
            paths.sort_unstable();
            paths.dedup();
            for path in paths.iter() {
                let done = if path.is_dir() { sync(path) } else { File::open(path).and_then(|file| file.sync_all()) };
                match done {
                    Err(error) if is_absent(&error) => {}
                    other => other.map_err(|error| Error::io(shown(path), error))?,
                }
            }
        }
        paths.clear();
        Ok(())
    }
}

/// Whether one call syncs everything: elsewhere than on Linux it does not wait.
const SYNCS_ALL: bool = cfg!(target_os = "linux");

#[cfg(target_os = "linux")]
fn sync_all(root: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(root)?)?)
}

#[cfg(not(target_os = "linux"))]
fn sync_all(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_are_settled_once() {
        let folder = tempfile::tempdir().unwrap();
        for many in [3, MANY + 2] {
            let unsettled = Unsettled::default();
            for number in 0..many {
                let path = folder.path().join(number.to_string());
                std::fs::write(&path, "x").unwrap();
                unsettled.add(&path);
            }
            unsettled.add(&folder.path().join("gone"));
            unsettled.add(folder.path());
            unsettled.settle(folder.path()).unwrap();
            assert!(unsettled.0.lock().unwrap().is_empty());
            unsettled.settle(&folder.path().join("nothing to do, so nothing is looked at")).unwrap();
        }
    }
}
