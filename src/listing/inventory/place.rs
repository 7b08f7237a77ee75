//! Where an inventory lies: a folder, or a prefix of a bucket. What of it is small is read whole, what is large as it
//! comes.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::manifest::File;
use crate::error::{Error, ErrorKind, Result};
use crate::listing::Requests;
use crate::listing::folder::shown;
use crate::uri::Shown;
#[cfg(feature = "s3")]
use crate::{listing::Listing, uri::Uri};

/// The folder that holds `manifest.json`, or the folders of dates that do.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Folder(PathBuf),
    #[cfg(feature = "s3")]
    Bucket {
        s3: std::sync::Arc<crate::listing::s3::S3>,
        /// Ends in `/`, or is the bucket's root.
        folder: Uri,
    },
}

impl Place {
    pub fn requests(&self) -> Requests {
        match self {
            Place::Folder(_) => Requests::default(),
            #[cfg(feature = "s3")]
            Place::Bucket { s3, .. } => s3.requests(),
        }
    }

    /// A name below it, as messages have it.
    pub fn shown(&self, name: &str) -> String {
        match self {
            Place::Folder(folder) => shown(&folder.join(name)),
            #[cfg(feature = "s3")]
            Place::Bucket { folder, .. } => folder.join(name).shown(),
        }
    }

    pub fn below(&self, name: &str) -> Place {
        match self {
            Place::Folder(folder) => Place::Folder(folder.join(name)),
            #[cfg(feature = "s3")]
            Place::Bucket { s3, folder } => Place::Bucket { s3: s3.clone(), folder: folder.join(&format!("{name}/")) },
        }
    }

    /// A small file of it, or `None`; at most `max_bytes`.
    ///
    /// # Errors
    /// Of the file system and the store; `Corrupt` for what is longer.
    pub async fn read(&self, name: &str, max_bytes: u64) -> Result<Option<Vec<u8>>> {
        let read = match self {
            Place::Folder(folder) => read_file(&folder.join(name), max_bytes + 1)?,
            #[cfg(feature = "s3")]
            Place::Bucket { s3, folder } => read_object(s3, &folder.join(name), max_bytes + 1).await?,
        };
        match read {
            Some(bytes) if bytes.len() as u64 > max_bytes => {
                let message = format!("{} is longer than {max_bytes} bytes", self.shown(name));
                Err(Error::new(ErrorKind::Corrupt, message))
            }
            read => Ok(read),
        }
    }

    /// The names of the folders in it that are named as S3 names a report, by when it was begun: oldest first.
    ///
    /// # Errors
    /// Of the file system and the store.
    pub async fn dates(&self) -> Result<Vec<String>> {
        let mut dates = match self {
            Place::Folder(folder) => folders(folder)?,
            #[cfg(feature = "s3")]
            Place::Bucket { s3, folder } => prefixes(s3, folder).await?,
        };
        dates.retain(|name| is_date(name));
        dates.sort_unstable();
        dates.dedup();
        Ok(dates)
    }

    /// A file that the manifest in this place names, to be read from its start; `destination` is the bucket in which it
    /// first lay. Is called on a thread that may block.
    ///
    /// # Errors
    /// `NotFound`, and what opening it meets.
    pub fn open(&self, file: &File, destination: &str) -> Result<(String, Source)> {
        match self {
            Place::Folder(folder) => {
                let Some((path, opened)) = open_file(folder, file)? else {
                    let help = format!("aws s3 cp s3://{0}/{1} {1}", Shown(destination), Shown(&file.key));
                    return Err(missing(&shown(&folder.join(&file.key))).help(help));
                };
                Ok((shown(&path), Source::File(opened)))
            }
            #[cfg(feature = "s3")]
            Place::Bucket { s3, folder } => {
                let uri = Uri::new(folder.bucket.clone(), &file.key);
                let runtime = tokio::runtime::Handle::current();
                let Some(object) = runtime.block_on(s3.read(&uri))? else {
                    return Err(
                        missing(&uri.shown()).help("a lifecycle rule may have deleted it: take a newer inventory")
                    );
                };
                Ok((uri.shown(), Source::Object(Box::new(Download { runtime, object, bytes: bytes::Bytes::new() }))))
            }
        }
    }
}

/// A file that has been opened.
pub(super) enum Source {
    File(std::fs::File),
    #[cfg(feature = "s3")]
    Object(Box<Download>),
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Source::File(file) => file.read(buffer),
            #[cfg(feature = "s3")]
            Source::Object(object) => object.read(buffer),
        }
    }
}

/// An object that a thread waits for.
#[cfg(feature = "s3")]
pub(super) struct Download {
    runtime: tokio::runtime::Handle,
    object: crate::listing::s3::Object,
    bytes: bytes::Bytes,
}

#[cfg(feature = "s3")]
impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.bytes.is_empty() {
            match self.runtime.block_on(self.object.next()).map_err(io::Error::other)? {
                Some(bytes) => self.bytes = bytes,
                None => return Ok(0),
            }
        }
        let taken = self.bytes.split_to(buffer.len().min(self.bytes.len()));
        buffer[..taken.len()].copy_from_slice(&taken);
        Ok(taken.len())
    }
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("{name} is not there, and the manifest names it"))
}

/// Looks for a file of a manifest in `folder` where copies of an inventory have it: below it or beside the manifest, in
/// the `data/` beside the folders by date (a copy of the destination), by its whole key below a folder above (a copy of
/// the bucket).
fn open_file(folder: &Path, file: &File) -> Result<Option<(PathBuf, std::fs::File)>> {
    let is_plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\\');
    let key = Path::new(&file.key);
    let base_name = file.key.rsplit('/').next().unwrap_or_default();
    if !file.key.split('/').all(is_plain) || key.is_absolute() {
        let message = format!("`{}` is no path below the manifest's folder", Shown(&file.key));
        return Err(Error::new(ErrorKind::Corrupt, message));
    }
    let whole = folder.canonicalize().map_err(|error| Error::io(shown(folder), error))?;
    let copies = whole.ancestors().map(|above| above.join(key));
    let data = whole.parent().map(|above| above.join("data").join(base_name));
    let places = [folder.join(key), folder.join(base_name)].into_iter().chain(data).chain(copies);
    for path in places {
        match std::fs::File::open(&path) {
            Ok(opened) => return Ok(Some((path, opened))),
            Err(error) if error.kind() == io::ErrorKind::NotFound || error.kind() == io::ErrorKind::NotADirectory => {}
            Err(error) => return Err(Error::io(shown(&path), error)),
        }
    }
    Ok(None)
}

fn read_file(path: &Path, max_bytes: u64) -> Result<Option<Vec<u8>>> {
    let failed = |error| Error::io(shown(path), error);
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(max_bytes).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

fn folders(folder: &Path) -> Result<Vec<String>> {
    let failed = |error| Error::io(shown(folder), error);
    let entries = std::fs::read_dir(folder).map_err(failed)?.collect::<io::Result<Vec<_>>>().map_err(failed)?;
    Ok(entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// `2026-11-24T01-00Z`
pub(super) fn is_date(name: &str) -> bool {
    let shape = b"0000-00-00T00-00Z";
    let fits = |(byte, shape): (u8, &u8)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == *shape };
    name.len() == shape.len() && name.bytes().zip(shape).all(fits)
}

#[cfg(feature = "s3")]
async fn read_object(s3: &crate::listing::s3::S3, uri: &Uri, max_bytes: u64) -> Result<Option<Vec<u8>>> {
    let Some(mut object) = s3.read(uri).await? else { return Ok(None) };
    let mut bytes = Vec::new();
    while let Some(more) = object.next().await? {
        bytes.extend_from_slice(&more);
        if bytes.len() as u64 >= max_bytes {
            break;
        }
    }
    Ok(Some(bytes))
}

/// Reports are two keys each, in folders that begin with a digit of the year; the data, of which there may be much, does
/// not.
#[cfg(feature = "s3")]
async fn prefixes(s3: &crate::listing::s3::S3, folder: &Uri) -> Result<Vec<String>> {
    use futures::TryStreamExt;

    let mut pages = s3.list(&folder.join("2"));
    let mut names = Vec::new();
    while let Some(page) = pages.try_next().await? {
        let below = (0..page.len()).filter_map(|index| page.key(index)[folder.key.len()..].split_once('/'));
        names.extend(below.map(|(name, _)| name.to_owned()));
        names.dedup();
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::is_date;

    #[test]
    fn a_report_has_a_folder_by_its_minute() {
        assert!(is_date("2026-11-24T01-00Z"));
        for name in ["data", "hive", "2026-11-24", "2026-11-24T01:00Z", "2026-11-24T01-00Z2", "dt=2026-11-24-01-00"] {
            assert!(!is_date(name), "{name}");
        }
    }
}
