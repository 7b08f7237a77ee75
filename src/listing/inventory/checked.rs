//! A file of an inventory as it comes, held to the size and the MD5 that the manifest gives it.

use std::io::{self, Read};

use md5::{Digest, Md5};

use super::manifest::File;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::marker::hex;

/// Reads through to `source`; [`Checked::finish`] says whether it was the file.
pub(super) struct Checked<R> {
    source: R,
    bytes: u64,
    digest: Md5,
}

impl<R: Read> Checked<R> {
    pub fn new(source: R) -> Checked<R> {
        Checked { source, bytes: 0, digest: Md5::new() }
    }

    pub fn source(&self) -> &R {
        &self.source
    }

    /// Reads what is left, and holds all of it against what the manifest says. `name` is what errors call the file.
    ///
    /// # Errors
    /// `Corrupt` for another size or MD5; what reading meets.
    pub fn finish(mut self, file: &File, name: &str) -> Result<()> {
        // Bytes too many are told by one of them.
        let left = (file.size.saturating_add(1)).saturating_sub(self.bytes);
        io::copy(&mut self.by_ref().take(left), &mut io::sink()).map_err(|error| failed(name, error))?;
        let changed = "it was changed since, or not copied whole: fetch it again, or take a newer inventory";
        if self.bytes != file.size {
            let is = if self.bytes < file.size { format!("{} bytes", self.bytes) } else { "longer".to_owned() };
            let message = format!("{name} is {is}, where the manifest says {}", file.size);
            return Err(Error::new(ErrorKind::Corrupt, message).help(changed));
        }
        let digest = hex(&self.digest.finalize());
        if digest != file.md5 {
            let message = format!("{name} has the MD5 {digest}, where the manifest says {}", file.md5);
            return Err(Error::new(ErrorKind::Corrupt, message).help(changed));
        }
        Ok(())
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.digest.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

/// What a failed read of a file means: an error of the store comes through readers as it was.
pub(super) fn failed(name: &str, error: io::Error) -> Error {
    error.downcast::<Error>().unwrap_or_else(|error| Error::io(name, error))
}
