//! S3 Inventory as a listing: the report that a `manifest.json` names, or the latest complete one below a destination.
//!
//! Every file of it is held to the size and the MD5 in the manifest while it is read, and the manifest to
//! `manifest.checksum`: what does not agree ends the listing, which is never partial. Files are read side by side, and
//! their pages come in turns, so that the order is the same at every run.

mod batch;
mod checked;
mod csv;
mod manifest;
mod orc;
mod parquet;
mod place;
mod rows;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use md5::{Digest, Md5};

use self::checked::Checked;
use self::manifest::{Format, MAX_MANIFEST_BYTES, Manifest};
use self::place::Place;
use self::rows::Rows;
use super::lines::below;
use super::thread::{self, Pages, Stop};
use super::{Listing, Page, Requests};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::marker::hex;
use crate::rules::table::Access;
use crate::uri::{Bucket, Scheme, Shown, Uri};

/// The name of every manifest.
const MANIFEST: &str = "manifest.json";

/// What holds the manifest's MD5; S3 writes it last of all.
const CHECKSUM: &str = "manifest.checksum";

/// Files read side by side at most; each takes some MiB.
const MAX_READERS: usize = 8;

/// Pages that a file's reader may be ahead.
const AHEAD: usize = 2;

/// One report.
#[derive(Debug)]
pub struct Inventory {
    place: Place,
    manifest: Arc<Manifest>,
    prefix: Uri,
    etags: bool,
    notes: Vec<String>,
}

/// Whether `source` names an inventory, not a file of lines: a `manifest.json`, a folder, or what lies in a bucket.
pub(super) fn is_inventory(source: &str, path: &Path) -> bool {
    source.contains("://") || path.is_dir() || path.file_name().is_some_and(|name| name == MANIFEST)
}

impl Inventory {
    /// Finds the report that `source` names and reads its manifest: `path` where it is a local file or folder, else a URI,
    /// reached by `access`. It is the listing of `prefix`, or of the bucket that it is of; with ETags, which mapping has no
    /// use for, only where they are asked for.
    ///
    /// # Errors
    /// `NotFound` where there is no manifest or no complete report; `Corrupt` for a manifest that is none, or not of its
    /// checksum; `Usage` where it is of another bucket than `prefix`; `Unsupported`; what reading meets.
    pub async fn open(
        source: &str,
        path: &Path,
        prefix: Option<Uri>,
        access: &Access,
        etags: bool,
    ) -> Result<Inventory> {
        let mut notes = Vec::new();
        let (place, manifest) = match named(source, path, access).await? {
            Named::Manifest(place) => {
                let manifest = read_manifest(&place, &mut notes).await?;
                (place, manifest)
            }
            Named::Destination(place) => latest(&place, &mut notes).await?,
        };
        let name = place.shown(MANIFEST);
        let whole = Uri::new(Bucket::new(Scheme::S3, &manifest.source_bucket), "");
        if let Some(prefix) = prefix.as_ref().filter(|prefix| prefix.bucket != whole.bucket) {
            let message = format!("{name} lists {}, not {}", whole.shown(), prefix.shown());
            let help = format!("--listing {}={}", whole.shown(), Shown(source));
            return Err(Error::new(ErrorKind::Usage, message).help(help));
        }
        tracing::debug!("{name}: {} files in {:?}", manifest.files.len(), manifest.format);
        Ok(Inventory { place, manifest: Arc::new(manifest), prefix: prefix.unwrap_or(whole), etags, notes })
    }

    /// What it is complete for.
    pub fn prefix(&self) -> &Uri {
        &self.prefix
    }

    /// What a person should know of how it was found.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Every object below the prefix that is there, in the order of the files, whose pages come in turns.
    ///
    /// # Errors
    /// `NotFound` for a file that is missing; `Corrupt`, with the file and mostly the row; what reading meets.
    pub fn all(&self) -> BoxStream<'static, Result<Page>> {
        let report = Report {
            place: self.place.clone(),
            manifest: self.manifest.clone(),
            prefix: self.prefix.clone(),
            etags: self.etags,
        };
        let side_by_side = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, MAX_READERS);
        let mut files = (0..report.manifest.files.len()).map(move |index| {
            let report = report.clone();
            thread::start(move |pages| report.read(index, pages), AHEAD)
        });
        stream::once(async move {
            let reading: VecDeque<_> = files.by_ref().take(side_by_side).collect();
            stream::unfold((files, reading), |(mut files, mut reading)| async move {
                loop {
                    let mut pages = reading.pop_front()?;
                    match pages.next().await {
                        Some(page) => {
                            reading.push_back(pages);
                            return Some((page, (files, reading)));
                        }
                        None => reading.extend(files.next()),
                    }
                }
            })
        })
        .flatten()
        .boxed()
    }
}

#[async_trait]
impl Listing for Inventory {
    fn list<'a>(&'a self, prefix: &Uri) -> BoxStream<'a, Result<Page>> {
        below(self.all(), prefix)
    }

    fn requests(&self) -> Requests {
        self.place.requests()
    }

    fn as_of(&self) -> Option<i64> {
        Some(self.manifest.created)
    }
}

/// What is read, by all its readers.
#[derive(Clone)]
struct Report {
    place: Place,
    manifest: Arc<Manifest>,
    prefix: Uri,
    etags: bool,
}

impl Report {
    /// Reads one file.
    fn read(&self, index: usize, pages: &Pages) -> Result<(), Stop> {
        let Manifest { format, columns, files, .. } = &*self.manifest;
        let file = &files[index];
        let (name, source) = self.place.open(file, &self.manifest.destination_bucket)?;
        let mut rows = Rows::new(&self.prefix, &name, pages);
        let mut source = Checked::new(source);
        if *format == Format::Csv {
            let read = csv::read(&mut source, columns, self.etags, &name, &mut rows);
            if matches!(read, Err(Stop::Unwanted)) {
                return read;
            }
            // A file that is not the manifest's own explains whatever else is wrong in it.
            source.finish(file, &name)?;
            return read;
        }
        // These are read from their end, but must be seen whole to be known for what the manifest says.
        let seekable = match source.source() {
            place::Source::File(opened) => opened.try_clone().map_err(|error| Error::io(&name, error))?,
            #[cfg(feature = "s3")]
            place::Source::Object(_) => spooled(&mut source, file.size, &name)?,
        };
        source.finish(file, &name)?;
        match format {
            Format::Parquet => parquet::read(seekable, columns, self.etags, &name, &mut rows),
            _ => orc::read(seekable, columns, self.etags, &name, &mut rows),
        }
    }
}

/// A copy in a temporary file, which is gone with its handle.
#[cfg(feature = "s3")]
fn spooled(source: &mut impl std::io::Read, size: u64, name: &str) -> Result<std::fs::File> {
    let failed = |error| {
        let error = Error::io(format!("a temporary copy of {name}"), error);
        error.note(format!("it takes {size} bytes in {}", super::folder::shown(&std::env::temp_dir())))
    };
    let mut copy = tempfile::tempfile().map_err(failed)?;
    std::io::copy(source, &mut copy).map_err(|error| error.downcast::<Error>().unwrap_or_else(failed))?;
    Ok(copy)
}

/// What a source names.
enum Named {
    /// The folder of a manifest.
    Manifest(Place),
    /// A folder of folders by date.
    Destination(Place),
}

async fn named(source: &str, path: &Path, access: &Access) -> Result<Named> {
    if source.contains("://") {
        return in_bucket(source, access).await;
    }
    if path.is_dir() {
        let place = Place::Folder(path.to_owned());
        let has_manifest = path.join(MANIFEST).exists();
        return Ok(if has_manifest { Named::Manifest(place) } else { Named::Destination(place) });
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    Ok(Named::Manifest(Place::Folder(folder.map_or_else(|| PathBuf::from("."), Path::to_owned))))
}

#[cfg(feature = "s3")]
async fn in_bucket(source: &str, access: &Access) -> Result<Named> {
    use super::s3::S3;

    let uri = Uri::parse(source)?;
    let base_name = uri.key.rsplit('/').next().unwrap_or_default();
    if uri.bucket.scheme != Scheme::S3 || (base_name.contains('.') && base_name != MANIFEST) {
        return Err(unreadable(source));
    }
    let s3 = Arc::new(S3::open(access).await?);
    if base_name == MANIFEST {
        let folder = Uri::new(uri.bucket, &uri.key[..uri.key.len() - MANIFEST.len()]);
        return Ok(Named::Manifest(Place::Bucket { s3, folder }));
    }
    let slash = if uri.key.is_empty() || uri.key.ends_with('/') { "" } else { "/" };
    let folder = uri.join(slash);
    let is_date = folder.key.rsplit('/').nth(1).is_some_and(place::is_date);
    let place = Place::Bucket { s3, folder };
    Ok(if is_date { Named::Manifest(place) } else { Named::Destination(place) })
}

#[cfg(not(feature = "s3"))]
async fn in_bucket(source: &str, _: &Access) -> Result<Named> {
    Err(match Uri::parse(source)? {
        uri if uri.bucket.scheme == Scheme::S3 => super::sources::without_feature(&uri, "s3"),
        _ => unreadable(source),
    })
}

/// What lies somewhere else, and is no inventory.
fn unreadable(source: &str) -> Error {
    let message = format!("{}: of what lies in buckets, only an S3 Inventory is read as a listing", Shown(source));
    Error::new(ErrorKind::Unsupported, message)
        .help("name its manifest.json or its destination; download other listings first")
}

/// The manifest in a place that was named itself.
async fn read_manifest(place: &Place, notes: &mut Vec<String>) -> Result<Manifest> {
    let name = place.shown(MANIFEST);
    let Some(bytes) = place.read(MANIFEST, MAX_MANIFEST_BYTES).await? else {
        return Err(Error::new(ErrorKind::NotFound, format!("{name} is not there")));
    };
    // It is read first: what is no manifest needs no checksum.
    let manifest = Manifest::parse(&bytes, &name)?;
    match place.read(CHECKSUM, MAX_MANIFEST_BYTES).await? {
        None => notes.push(format!("{name} is not checked itself, for there is no {CHECKSUM} beside it")),
        Some(checksum) if agrees(&bytes, &checksum) => {}
        Some(_) => {
            let error = Error::new(ErrorKind::Corrupt, format!("{name} is not what {CHECKSUM} says"));
            return Err(error.help("it was changed, or not copied whole: fetch both again"));
        }
    }
    Ok(manifest)
}

/// The newest report that is there whole. S3 writes the manifest after the files, and its checksum last.
async fn latest(destination: &Place, notes: &mut Vec<String>) -> Result<(Place, Manifest)> {
    let dates = destination.dates().await?;
    for date in dates.iter().rev() {
        let place = destination.below(date);
        let name = place.shown(MANIFEST);
        let why =
            match (place.read(MANIFEST, MAX_MANIFEST_BYTES).await?, place.read(CHECKSUM, MAX_MANIFEST_BYTES).await?) {
                (Some(bytes), Some(checksum)) if agrees(&bytes, &checksum) => {
                    let manifest = Manifest::parse(&bytes, &name)?;
                    return Ok((place, manifest));
                }
                (Some(_), Some(_)) => format!("{name} is not what {CHECKSUM} says"),
                (Some(_), None) => format!("{} is not there", place.shown(CHECKSUM)),
                (None, _) => format!("{name} is not there"),
            };
        notes.push(format!("the report of {date} is not complete, an older one is taken: {why}"));
    }
    let what = if dates.is_empty() { "no report" } else { "no complete report" };
    let error = Error::new(ErrorKind::NotFound, format!("{} holds {what} of an S3 Inventory", destination.shown("")));
    Err(error.help("name the folder of the folders by date: s3://destination/prefix/source-bucket/config-id/"))
}

fn agrees(bytes: &[u8], checksum: &[u8]) -> bool {
    hex(&Md5::digest(bytes)).as_bytes().eq_ignore_ascii_case(checksum.trim_ascii())
}
