//! Lines that memory does not hold, in one temporary file without a name: it goes with the process, however that ends.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};
use crate::map::runs::Spill;
use crate::uri::Shown;

/// A file in the system's folder for such (`TMPDIR`), made when it is first needed.
#[derive(Debug, Default)]
pub struct TemporaryFile {
    file: OnceLock<File>,
    /// What was appended, or would have been.
    len: AtomicU64,
    /// Whether the disk is full: then what comes is only counted, so that it can be said how much room it takes.
    full: AtomicBool,
}

impl TemporaryFile {
    fn file(&self) -> Result<&File> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let made = tempfile::tempfile().map_err(|error| {
            Error::io(format!("a temporary file in {}", shown_folder()), error)
                .note("lines that --memory does not hold are put there")
                .help("TMPDIR=/a/folder/with/room restitch …")
        })?;
        // Another worker may have made one meanwhile.
        Ok(self.file.get_or_init(|| made))
    }

    fn no_room(&self) -> Error {
        let (needed, folder) = (self.len.load(Ordering::Relaxed), shown_folder());
        Error::new(ErrorKind::Io, format!("{folder} is full: {} are needed there", megabytes(needed)))
            .note("lines that --memory does not hold are put there; nothing was written elsewhere")
            .help("TMPDIR=/a/folder/with/room restitch …; or a larger --memory")
    }
}

impl Spill for TemporaryFile {
    fn append(&self, bytes: &[u8]) -> Result<u64> {
        let file = self.file()?;
        let at = self.len.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if !self.full.load(Ordering::Relaxed) {
            match write_all_at(file, bytes, at) {
                Err(error) if is_no_room(&error) => self.full.store(true, Ordering::Relaxed),
                other => other.map_err(|error| Error::io(format!("a temporary file in {}", shown_folder()), error))?,
            }
        }
        Ok(at)
    }

    fn read(&self, at: u64, into: &mut [u8]) -> Result<()> {
        read_exact_at(self.file()?, into, at)
            .map_err(|error| Error::io(format!("a temporary file in {}", shown_folder()), error))
    }

    fn settle(&self) -> Result<()> {
        if self.full.load(Ordering::Relaxed) { Err(self.no_room()) } else { Ok(()) }
    }
}

fn is_no_room(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

fn folder() -> PathBuf {
    tempfile::env::temp_dir()
}

fn shown_folder() -> String {
    Shown(&folder().to_string_lossy()).to_string()
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", crate::plan::brakes::grouped(bytes.div_ceil(1_000_000)))
}

#[cfg(unix)]
fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(unix)]
fn read_exact_at(file: &File, into: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, at)
}

#[cfg(windows)]
fn write_all_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, at)?;
        bytes = &bytes[written..];
        at += written as u64;
    }
    Ok(())
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut into: &mut [u8], mut at: u64) -> io::Result<()> {
    while !into.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, into, at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                into = &mut into[read..];
                at += read as u64;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_appended_is_read_back() {
        let file = TemporaryFile::default();
        assert_eq!((file.append(b"one").unwrap(), file.append(b"two").unwrap()), (0, 3));
        let mut read = [0; 4];
        file.read(1, &mut read).unwrap();
        assert_eq!(&read, b"netw");
        assert_eq!(file.read(3, &mut read).unwrap_err().kind(), ErrorKind::Io);
    }
}
