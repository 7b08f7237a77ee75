//! Files that get their name only when they are whole: a link fails where something has the name, so that "nothing is there"
//! needs neither a lock nor a look, and a write that is killed leaves nothing.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::ETag;
use crate::error::Result;
use crate::map::body::Body;

/// Whether the system has been found to make no such files.
#[derive(Debug, Default)]
pub(super) struct Nameless {
    is_impossible: AtomicBool,
}

/// What came of a try.
pub(super) enum Made {
    Done(ETag),
    /// Something is there.
    Taken,
    /// The directory is not there, or not any more.
    Gone,
    /// The system, or this file system, has no such files.
    Impossible,
}

impl Nameless {
    /// Writes `body` to `path`, which lies in `directory`, if nothing is there.
    ///
    /// # Errors
    /// `Io` and the like.
    pub fn make(&self, directory: &Path, path: &Path, body: &Body) -> Result<Made> {
        if self.is_impossible.load(Ordering::Relaxed) {
            return Ok(Made::Impossible);
        }
        let made = make(directory, path, body)?;
        if matches!(made, Made::Impossible) {
            self.is_impossible.store(true, Ordering::Relaxed);
        }
        Ok(made)
    }
}

#[cfg(target_os = "linux")]
fn make(directory: &Path, path: &Path, body: &Body) -> Result<Made> {
    use std::fs::File;
    use std::os::fd::AsRawFd;

    use rustix::fs::{AtFlags, CWD, Mode, OFlags};
    use rustix::io::Errno;

    use super::{fill, shown};
    use crate::error::Error;

    let failed = |error| Error::io(shown(path), error);
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let mut file = match rustix::fs::open(directory, flags, Mode::from_raw_mode(0o666)) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(Made::Gone),
        // What other errors there are, a file with a name meets too, and says better.
        Err(_) => return Ok(Made::Impossible),
    };
    let etag = fill(&mut file, body, failed)?;
    let opened = format!("/proc/self/fd/{}", file.as_raw_fd());
    match rustix::fs::linkat(CWD, &*opened, CWD, path, AtFlags::SYMLINK_FOLLOW) {
        Ok(()) => Ok(Made::Done(etag)),
        Err(Errno::EXIST) => Ok(Made::Taken),
        Err(Errno::NOENT) if Path::new(&opened).exists() || !directory.exists() => Ok(Made::Gone),
        Err(_) => Ok(Made::Impossible),
    }
}

#[cfg(not(target_os = "linux"))]
fn make(_: &Path, _: &Path, _: &Body) -> Result<Made> {
    Ok(Made::Impossible)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_is_made_and_only_where_there_is_a_directory() {
        let folder = tempfile::tempdir().unwrap();
        let (nameless, path) = (Nameless::default(), folder.path().join("symlink.txt"));
        let make = |body: &str, directory: &Path| nameless.make(directory, &path, &body.into()).unwrap();
        if matches!(make("one\n", folder.path()), Made::Impossible) {
            return;
        }
        assert!(matches!(make("two\n", folder.path()), Made::Taken));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(matches!(make("one\n", &folder.path().join("gone")), Made::Gone));
    }
}
