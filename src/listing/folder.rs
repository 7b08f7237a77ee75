//! Local folders as a listing: `file:///dir/` walked in the byte order of its keys.
//!
//! Reads directories and file attributes, never a file; never writes. A name that is no UTF-8 is an error, for a key is
//! text and a listing is never silently partial. Links are followed only to what lies inside the listed folder.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;

use super::thread::{self, Stop};
use super::{Listing, Object, Page, PageBuilder, Requests};
use crate::error::{Error, ErrorKind, Result};
use crate::uri::{Shown, Uri};

/// The name under which a store's folder holds a file that is being written; never an object.
pub(crate) const TEMPORARY: &str = ".restitch.tmp";

/// Lists `file://` prefixes. A folder that is not there holds nothing, as on S3.
#[derive(Debug)]
pub struct Folder {
    page_size: usize,
}

impl Default for Folder {
    fn default() -> Folder {
        Folder::new()
    }
}

impl Folder {
    pub fn new() -> Folder {
        Folder { page_size: 4_096 }
    }

    /// Keys a page, at least 1.
    #[must_use]
    pub fn page_size(mut self, keys: usize) -> Folder {
        self.page_size = keys.max(1);
        self
    }
}

#[async_trait]
impl Listing for Folder {
    fn list<'a>(&'a self, prefix: &Uri) -> BoxStream<'a, Result<Page>> {
        pages(prefix.clone(), None, self.page_size, |_| None)
    }

    async fn any(&self, prefix: &Uri) -> Result<bool> {
        let first = pages(prefix.clone(), None, 1, |_| None).next().await;
        first.transpose().map(|page| page.is_some())
    }

    fn requests(&self) -> Requests {
        Requests::default()
    }
}

/// The pages of what lies below `prefix`, after a key if one is given, with the tag that `tag` makes of a file.
pub(crate) fn pages(
    prefix: Uri,
    start_after: Option<String>,
    page_size: usize,
    tag: fn(&Metadata) -> Option<String>,
) -> BoxStream<'static, Result<Page>> {
    thread::pages(move |pages| {
        let bucket = prefix.bucket.clone();
        let mut page = PageBuilder::new(bucket.clone());
        let mut walk = Walk::new(&prefix.key, start_after.as_deref());
        let skipped = walk.run(&mut |key, metadata| {
            let etag = tag(metadata);
            page.push(&Object {
                bucket: &bucket,
                key,
                physical: None,
                size: Some(metadata.len()),
                modified: Some(modified_s(metadata)),
                storage_class: None,
                etag: etag.as_deref(),
            });
            if page.len() == page_size {
                pages.send(std::mem::replace(&mut page, PageBuilder::new(bucket.clone())).finish())?;
            }
            Ok(())
        })?;
        if skipped > 0 {
            tracing::warn!("{} links below {} lead out of it or in a circle: not followed", skipped, prefix.shown());
        }
        pages.send(page.finish())
    })
}

/// The path of a local key: an absolute path without its first slash.
pub(crate) fn path_of(key: &str) -> PathBuf {
    PathBuf::from(format!("/{key}"))
}

/// Seconds since 1970; times before are negative.
pub(crate) fn modified_s(metadata: &Metadata) -> i64 {
    let Ok(modified) = metadata.modified() else { return 0 };
    let seconds = |d: std::time::Duration| i64::try_from(d.as_secs()).unwrap_or(i64::MAX);
    modified.duration_since(UNIX_EPOCH).map_or_else(|before| -seconds(before.duration()) - 1, seconds)
}

type Visit<'v> = dyn FnMut(&str, &Metadata) -> Result<(), Stop> + 'v;

/// One walk, depth first, each directory sorted as keys sort: a directory by its name and the slash behind it.
struct Walk<'a> {
    prefix: &'a str,
    start_after: &'a str,
    /// The listed folder's real path: links may lead inside it only.
    root: PathBuf,
    /// Real paths of the directories that are being read, to see circles.
    open: Vec<PathBuf>,
    links_skipped: u64,
}

impl<'a> Walk<'a> {
    fn new(prefix: &'a str, start_after: Option<&'a str>) -> Walk<'a> {
        Walk {
            prefix,
            start_after: start_after.unwrap_or(""),
            root: PathBuf::new(),
            open: Vec::new(),
            links_skipped: 0,
        }
    }

    /// Visits every file, and says how many links were not followed.
    fn run(&mut self, visit: &mut Visit<'_>) -> Result<u64, Stop> {
        let directory = &self.prefix[..self.prefix.rfind('/').map_or(0, |slash| slash + 1)];
        let path = path_of(directory);
        if !is_plain(directory) {
            return Ok(0);
        }
        match fs::canonicalize(&path) {
            Ok(root) => self.root = root,
            Err(error) if is_absent(&error) => return Ok(0),
            Err(error) => return Err(Error::io(shown(&path), error).into()),
        }
        if self.root.is_dir() {
            self.directory(directory, &path, self.root.clone(), visit)?;
        }
        Ok(self.links_skipped)
    }

    fn directory(&mut self, key: &str, path: &Path, real: PathBuf, visit: &mut Visit<'_>) -> Result<(), Stop> {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            // It went away since its parent was read.
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => return Err(Error::io(shown(path), error).into()),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| Error::io(shown(path), error))?;
            names.extend(self.entry(key, &entry)?);
        }
        names.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        self.open.push(real);
        for Entry { name, real } in names {
            let child = format!("{key}{name}");
            let path = path_of(&child);
            if name.ends_with('/') {
                let real =
                    real.unwrap_or_else(|| self.open.last().expect("pushed above").join(name.trim_end_matches('/')));
                self.directory(&child, &path, real, visit)?;
            } else {
                match fs::metadata(&path) {
                    Ok(metadata) => visit(&child, &metadata)?,
                    Err(error) if is_absent(&error) => {}
                    Err(error) => return Err(Error::io(shown(&path), error).into()),
                }
            }
        }
        self.open.pop();
        Ok(())
    }

    /// A directory entry as it is to be visited; `None` where it is outside what was asked for, or no object.
    fn entry(&mut self, parent: &str, entry: &fs::DirEntry) -> Result<Option<Entry>> {
        let path = entry.path();
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(Error::io(shown(&path), error)),
        };
        let (is_directory, is_file, real) = if kind.is_symlink() {
            match self.follow(&path) {
                None => return Ok(None),
                Some((real, metadata)) => (metadata.is_dir(), metadata.is_file(), Some(real)),
            }
        } else {
            (kind.is_dir(), kind.is_file(), None)
        };
        let mut name = utf8(entry.file_name(), &path)?;
        if is_directory {
            name.push('/');
        } else if !is_file || name == TEMPORARY {
            return Ok(None);
        }
        Ok(self.wants(&format!("{parent}{name}")).then_some(Entry { name, real }))
    }

    /// Where a link leads, if it stays inside the listed folder and runs in no circle.
    fn follow(&mut self, link: &Path) -> Option<(PathBuf, Metadata)> {
        // One that cannot be resolved (dangling, a circle of links, somebody else's folder) leads nowhere.
        let target = fs::canonicalize(link).and_then(|real| Ok((fs::metadata(&real)?, real)));
        let target = target.ok().map(|(metadata, real)| (real, metadata));
        let inside = target.filter(|(real, metadata)| {
            let directory = link.parent().and_then(|parent| fs::canonicalize(parent).ok());
            let circle = metadata.is_dir()
                && (self.open.iter().any(|open| open.starts_with(real))
                    || directory.is_some_and(|d| d.starts_with(real)));
            real.starts_with(&self.root) && !circle
        });
        self.links_skipped += u64::from(inside.is_none());
        inside
    }

    /// Whether a key, or anything below a directory's key (with its slash), is asked for.
    fn wants(&self, key: &str) -> bool {
        let below = key.ends_with('/');
        let in_prefix = key.starts_with(self.prefix) || below && self.prefix.starts_with(key);
        let after = key > self.start_after || below && self.start_after.starts_with(key);
        in_prefix && after
    }
}

/// A name to visit; directories carry their slash. `real` is where a link leads.
struct Entry {
    name: String,
    real: Option<PathBuf>,
}

/// Whether a path spelled like this key is that key: `a//b` and `a/../b` would name other files.
pub(crate) fn is_plain(key: &str) -> bool {
    let key = key.strip_suffix('/').unwrap_or(key);
    key.is_empty() || key.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'))
}

/// Whether an error says that nothing is there.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename)
}

pub(crate) fn shown(path: &Path) -> String {
    Shown(&path.to_string_lossy()).to_string()
}

fn utf8(name: OsString, path: &Path) -> Result<String> {
    name.into_string().map_err(|_| {
        Error::new(ErrorKind::Corrupt, format!("{}: this name is not UTF-8, so it can be no key", shown(path)))
            .help("rename it, or list the folder's files in a text file and give that as --listing")
    })
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;
    use crate::uri::Bucket;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "body").unwrap();
        }
        folder
    }

    fn uri(folder: &Path, rest: &str) -> Uri {
        Uri::new(Bucket::local(), format!("{}/{rest}", folder.to_str().unwrap().trim_start_matches('/')))
    }

    async fn keys(folder: &Path, prefix: &str, page_size: usize) -> Result<Vec<String>> {
        let root = uri(folder, "").key;
        let pages: Vec<Page> = Folder::new().page_size(page_size).list(&uri(folder, prefix)).try_collect().await?;
        assert!(pages.iter().all(|page| (1..=page_size).contains(&page.len())));
        Ok(pages.iter().flat_map(Page::objects).map(|o| o.key.strip_prefix(&root).unwrap().to_owned()).collect())
    }

    #[tokio::test]
    async fn keys_come_in_byte_order_across_directories() {
        let folder = folder(&["a/x", "a-b", "a.c", "a0", "a/b/c", "b/é", "b/sp ace+%20"]);
        for page_size in [1, 2, 7, 1000] {
            let all = keys(folder.path(), "", page_size).await.unwrap();
            assert_eq!(all, ["a-b", "a.c", "a/b/c", "a/x", "a0", "b/sp ace+%20", "b/é"]);
        }
        assert_eq!(keys(folder.path(), "a", 7).await.unwrap(), ["a-b", "a.c", "a/b/c", "a/x", "a0"]);
        assert_eq!(keys(folder.path(), "a/", 7).await.unwrap(), ["a/b/c", "a/x"]);
        assert_eq!(keys(folder.path(), "a/b/c", 7).await.unwrap(), ["a/b/c"]);
        for nothing in ["zz", "zz/", "a0/", "a//", "b/../a/"] {
            assert!(keys(folder.path(), nothing, 7).await.unwrap().is_empty(), "{nothing}");
        }
    }

    #[tokio::test]
    async fn size_and_time_are_known() {
        let folder = folder(&["a"]);
        let page = Folder::new().list(&uri(folder.path(), "")).next().await.unwrap().unwrap();
        let object = page.object(0);
        let now = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        assert_eq!((object.size, object.etag), (Some(4), None));
        assert!((now - object.modified.unwrap()).abs() < 60);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn links_lead_nowhere_but_inside() {
        use std::os::unix::fs::symlink;
        let outside = folder(&["secret", "dir/secret"]);
        let folder = folder(&["in/a", "in/deep/b"]);
        let at = |name: &str| folder.path().join(name);
        symlink(outside.path().join("secret"), at("in/out-file")).unwrap();
        symlink(outside.path().join("dir"), at("in/out-dir")).unwrap();
        symlink(at("in"), at("in/deep/circle")).unwrap();
        symlink("missing", at("in/dangling")).unwrap();
        symlink(at("in/a"), at("in/same-file")).unwrap();
        symlink(at("in/deep"), at("in/same-dir")).unwrap();
        let all = keys(folder.path(), "in/", 7).await.unwrap();
        assert_eq!(all, ["in/a", "in/deep/b", "in/same-dir/b", "in/same-file"]);
        symlink(at("in"), at("listed")).unwrap();
        assert_eq!(keys(folder.path(), "listed/a", 7).await.unwrap(), ["listed/a"]);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_name_that_is_no_text_is_an_error() {
        use std::os::unix::ffi::OsStrExt;
        let folder = folder(&["a/ok"]);
        fs::write(folder.path().join("a").join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
        assert_eq!(keys(folder.path(), "", 7).await.unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
