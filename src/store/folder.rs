//! Local folders as a store: compare and rename under a lock on the directory, and everything synced in the end. What must
//! be new is made without a name and then linked, where the system can: that is one step by itself and needs no lock.
//!
//! ETags are opaque: a write's time to the nanosecond, the size, the inode; so a listing reads no file. Nothing is left
//! behind but the files written: the lock is on the directory itself, and a write over something that was killed leaves one
//! `.restitch.tmp`, which engines skip, listings leave out and the next such write or delete there replaces.

mod nameless;
mod threads;
mod unsettled;

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use futures::TryStreamExt;
use futures::stream::BoxStream;

use self::nameless::{Made, Nameless};
use self::threads::Threads;
use self::unsettled::Unsettled;
use super::{Condition, ETag, Store, Stored, Traits, Written, conflict};
use crate::error::{Error, ErrorKind, Result};
use crate::listing::Page;
use crate::listing::folder::{TEMPORARY, is_absent, is_plain, modified_s, pages, path_of, shown};
use crate::map::body::{Body, CHUNK_BYTES};
use crate::uri::{Scheme, Shown, Uri};

/// The longest name that file systems take, in bytes.
const MAX_NAME_BYTES: usize = 255;

/// How often a write starts over because its directory was taken away under it.
const MAX_TURNS: usize = 1_000;

/// Objects below one local folder, which need not be there yet.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Empty directories below it go with their last file; it stays.
    root: PathBuf,
    folds_case: bool,
    page_size: usize,
    unsettled: Arc<Unsettled>,
    threads: Arc<Threads>,
    nameless: Arc<Nameless>,
}

impl Folder {
    /// The store whose objects lie below `location` (`file:///dir/…`). Looks, without writing, whether the file system
    /// takes names that differ only in case for one.
    ///
    /// # Errors
    /// `Usage` if `location` is not local; `Unsupported` if it is no plain path.
    pub fn open(location: &Uri) -> Result<Folder> {
        if location.bucket.scheme != Scheme::File {
            return Err(Error::new(ErrorKind::Usage, format!("{} is not a local folder", location.shown())));
        }
        let directory = &location.key[..location.key.rfind('/').map_or(0, |slash| slash + 1)];
        if !is_plain(directory) {
            let error = Error::new(ErrorKind::Unsupported, format!("{} is not a plain path", location.shown()));
            return Err(error.help("write it without `//`, `.` and `..`"));
        }
        let root = path_of(directory);
        Ok(Folder {
            folds_case: folds_case(&root),
            root,
            page_size: 4_096,
            unsettled: Arc::default(),
            threads: Arc::default(),
            nameless: Arc::default(),
        })
    }

    /// Keys a page, at least 1.
    #[must_use]
    pub fn page_size(mut self, keys: usize) -> Folder {
        self.page_size = keys.max(1);
        self
    }

    /// States whether names that differ only in case are one file there, where looking cannot tell.
    #[must_use]
    pub fn case_folding(mut self, folds: bool) -> Folder {
        self.folds_case = folds;
        self
    }

    async fn blocking<T: Send + 'static>(&self, most: usize, work: impl FnOnce(&Folder) -> T + Send + 'static) -> T {
        let folder = self.clone();
        self.threads.run(most, move || work(&folder)).await
    }

    fn write(&self, uri: &Uri, body: &Body, condition: &Condition) -> Result<Written> {
        let path = self.path(uri)?;
        let directory = path.parent().expect("a file's path has a parent");
        for _ in 0..MAX_TURNS {
            if self.folds_case {
                self.refuse_folded(&path, uri)?;
            }
            self.make_directories(directory)?;
            if *condition == Condition::Absent {
                match self.nameless.make(directory, &path, body)? {
                    Made::Done(etag) => return Ok(self.written(directory, Some(&path), etag)),
                    Made::Gone => continue,
                    Made::Taken | Made::Impossible => {}
                }
            }
            let Some(_lock) = DirectoryLock::take(directory)? else { continue };
            let there = tag_at(&path)?;
            let holds = match condition {
                Condition::None => true,
                Condition::Absent => there.is_none(),
                Condition::Is(etag) => there.as_ref() == Some(etag),
            };
            if !holds {
                return Err(conflict(uri, condition, there.as_ref()));
            }
            let etag = replace(directory, &path, body, there.is_some())?;
            return Ok(self.written(directory, Some(&*path).filter(|_| there.is_none()), etag));
        }
        Err(Error::new(ErrorKind::Io, format!("{}: the directory is taken away again and again", shown(directory))))
    }

    /// Remembers what of a write is not safe yet: the directory, and a file that is new.
    fn written(&self, directory: &Path, new: Option<&Path>, etag: ETag) -> Written {
        new.into_iter().chain([directory]).for_each(|path| self.unsettled.add(path));
        Written { etag, now: now_s() }
    }

    /// Makes `directory` and what is missing above it.
    fn make_directories(&self, directory: &Path) -> Result<()> {
        let failed = |error: io::Error| {
            if error.kind() == io::ErrorKind::NotADirectory || error.kind() == io::ErrorKind::AlreadyExists {
                let error = Error::new(ErrorKind::Io, format!("{}: a part of it is a file", shown(directory)));
                return error.help("local folders cannot hold an object `a` beside objects below `a/`");
            }
            Error::io(shown(directory), error)
        };
        match fs::create_dir(directory) {
            Ok(()) => {
                directory.parent().iter().for_each(|parent| self.unsettled.add(parent));
                Ok(())
            }
            // It is there, or a delete has just taken it away: then the caller's turn starts over.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !is_file(directory) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let Some(parent) = directory.parent() else { return Err(failed(error)) };
                self.make_directories(parent)?;
                match fs::create_dir(directory) {
                    Ok(()) => {
                        self.unsettled.add(parent);
                        Ok(())
                    }
                    // Somebody made it meanwhile, or took its parent away again: the caller's turn starts over.
                    Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {
                        Ok(())
                    }
                    Err(error) => Err(failed(error)),
                }
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn read(uri: &Uri) -> Result<Option<Stored>> {
        if !is_plain(&uri.key) || uri.key.ends_with('/') {
            return Ok(None);
        }
        let path = path_of(&uri.key);
        let failed = |error| Error::io(shown(&path), error);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let mut body = Vec::new();
        io::Read::read_to_end(&mut file, &mut body).map_err(failed)?;
        Ok(Some(Stored { body: body.into(), etag: tag(&metadata), modified: modified_s(&metadata), now: now_s() }))
    }

    fn remove(&self, uri: &Uri) -> Result<()> {
        let Ok(path) = self.path(uri) else { return Ok(()) };
        let directory = path.parent().expect("a file's path has a parent");
        for _ in 0..MAX_TURNS {
            let Some(_lock) = DirectoryLock::take(directory)? else {
                if directory.exists() { continue } else { return Ok(()) }
            };
            match fs::remove_file(&path) {
                Err(error) if !is_absent(&error) => return Err(Error::io(shown(&path), error)),
                Err(_) => return Ok(()),
                Ok(()) => {}
            }
            let _ = fs::remove_file(directory.join(TEMPORARY));
            self.remove_empty(directory);
            return Ok(());
        }
        Err(Error::new(ErrorKind::Io, format!("{}: the directory is taken away again and again", shown(directory))))
    }

    /// Takes away `directory`, whose lock is held, and its parents as far as they are empty and below the store's folder.
    fn remove_empty(&self, directory: &Path) {
        let mut directory = directory;
        // A parent is taken away under its own lock, for a put may be writing there.
        let mut _lock;
        while directory != self.root && directory.starts_with(&self.root) && fs::remove_dir(directory).is_ok() {
            let Some(parent) = directory.parent() else { return };
            let Ok(Some(locked)) = DirectoryLock::take(parent) else { return };
            _lock = locked;
            directory = parent;
        }
        // The file is gone for every reader; a power cut now only brings it back.
        self.unsettled.add(directory);
    }

    /// The path of an object's key.
    ///
    /// # Errors
    /// `Unsupported` for keys that no file can have.
    fn path(&self, uri: &Uri) -> Result<PathBuf> {
        let why = if !is_plain(&uri.key) || uri.key.ends_with('/') || uri.key.is_empty() {
            "a file's path has no empty part, `.`, `..` or zero byte and does not end in `/`"
        } else if uri.key.split('/').any(|part| part.len() > MAX_NAME_BYTES) {
            "a file's name has at most 255 bytes"
        } else if uri.key.rsplit('/').next() == Some(TEMPORARY) {
            "this name is kept for files that are being written"
        } else {
            return Ok(path_of(&uri.key));
        };
        Err(Error::new(ErrorKind::Unsupported, format!("{} can be no local file: {why}", uri.shown())))
    }

    /// Refuses a path of which some part is there in another case.
    fn refuse_folded(&self, path: &Path, uri: &Uri) -> Result<()> {
        let mut at = self.root.clone();
        for part in path.strip_prefix(&self.root).unwrap_or(path) {
            let Some(name) = part.to_str() else { continue };
            let entries = match fs::read_dir(&at) {
                Ok(entries) => entries,
                Err(error) if is_absent(&error) => return Ok(()),
                Err(error) => return Err(Error::io(shown(&at), error)),
            };
            let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            if let Some(other) = names.into_iter().find(|other| other != name && folded(other) == folded(name)) {
                let message =
                    format!("{} cannot be written: this file system takes it for `{}`", uri.shown(), Shown(&other));
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .note("keys that differ only in case are one file here")
                    .help("publish to a file system that tells upper from lower case, or to a bucket"));
            }
            at.push(part);
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Folder {
    fn list<'a>(&'a self, prefix: &Uri, start_after: Option<&str>) -> BoxStream<'a, Result<Page>> {
        pages(prefix.clone(), start_after.map(str::to_owned), self.page_size, |metadata| Some(tag(metadata).0))
    }

    /// Walks no further than it must.
    async fn first(&self, prefix: &Uri, start_after: Option<&str>) -> Result<Option<String>> {
        let page = self.clone().page_size(1).list(prefix, start_after).try_next().await?;
        Ok(page.map(|page| page.key(0).to_owned()))
    }

    async fn get(&self, uri: &Uri) -> Result<Option<Stored>> {
        let uri = uri.clone();
        self.blocking(threads::busy(), move |_| Folder::read(&uri)).await
    }

    async fn put(&self, uri: &Uri, body: Body, condition: &Condition) -> Result<Written> {
        let (uri, condition) = (uri.clone(), condition.clone());
        // What is new is not synced here, so that there is nothing to wait for.
        let most = if condition == Condition::Absent { threads::busy() } else { threads::MOST };
        self.blocking(most, move |folder| folder.write(&uri, &body, &condition)).await
    }

    async fn delete(&self, uris: &[Uri]) -> Result<Vec<(Uri, Error)>> {
        let uris = uris.to_vec();
        let delete = |folder: &Folder| {
            uris.into_iter().filter_map(|uri| folder.remove(&uri).err().map(|error| (uri, error))).collect()
        };
        Ok(self.blocking(threads::MOST, delete).await)
    }

    async fn settle(&self) -> Result<()> {
        self.blocking(threads::MOST, |folder| folder.unsettled.settle(&folder.root)).await
    }

    fn traits(&self) -> Traits {
        Traits { md5_etags: false, dollars_per_1000_writes: 0.0, folds_case: self.folds_case }
    }
}

/// Seconds since 1970 by the system's clock, which also stamps what is written here.
fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn tag(metadata: &Metadata) -> ETag {
    let modified = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    let inode = 0;
    ETag(format!("{:x}-{:x}-{inode:x}", modified.as_nanos(), metadata.len()))
}

/// The tag of the file at `path`, if one is there.
fn tag_at(path: &Path) -> Result<Option<ETag>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(Some(tag(&metadata))),
        Ok(_) => Err(Error::new(ErrorKind::Ownership, format!("{} is there and is no plain file", shown(path)))),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(Error::io(shown(path), error)),
    }
}

/// Puts `body` in the place of `path` in one step, under the directory's lock. What is `replaced` is never lost to a power
/// cut: its successor is safe on disk first. See [`unsettled`] for the rest.
fn replace(directory: &Path, path: &Path, body: &Body, replaced: bool) -> Result<ETag> {
    let temporary = directory.join(TEMPORARY);
    let failed = |error| Error::io(shown(path), error);
    let written = write(&temporary, body, replaced, failed);
    let written = written.and_then(|etag| fs::rename(&temporary, path).map(|()| etag).map_err(failed));
    if written.is_err() {
        // The error that counts is the first one; a leftover is replaced by the next write.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write(temporary: &Path, body: &Body, synced: bool, failed: impl Fn(io::Error) -> Error) -> Result<ETag> {
    let file = match File::create_new(temporary) {
        // Left by a write that was killed; nobody else is here, as the directory is locked.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(temporary).and_then(|()| File::create_new(temporary))
        }
        made => made,
    };
    let mut file = file.map_err(&failed)?;
    let etag = fill(&mut file, body, &failed)?;
    if synced {
        file.sync_all().map_err(&failed)?;
    }
    Ok(etag)
}

/// Writes an empty file.
fn fill(file: &mut File, body: &Body, failed: impl Fn(io::Error) -> Error) -> Result<ETag> {
    let (mut reader, mut chunk, mut more) = (body.reader()?, Vec::new(), true);
    while more {
        chunk.clear();
        more = reader.fill(&mut chunk, CHUNK_BYTES)?;
        file.write_all(&chunk).map_err(&failed)?;
    }
    // The kernel's own stamp is as coarse as its tick, in which several writes fit; the tag must tell them apart.
    file.set_modified(SystemTime::now()).map_err(&failed)?;
    Ok(tag(&file.metadata().map_err(&failed)?))
}

/// Whether something other than a directory is there.
fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_dir()) && !path.is_dir()
}

/// Makes the entries of `directory` safe on disk, where the system can.
fn sync(directory: &Path) -> io::Result<()> {
    if cfg!(unix) {
        match File::open(directory).and_then(|directory| directory.sync_all()) {
            Err(error) if is_absent(&error) || error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            done => done,
        }
    } else {
        Ok(())
    }
}

/// The right to change files of one directory: one holder at a time, over all processes; freed when dropped or killed.
struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// `None` if the directory is not, or no longer, at this path.
    #[cfg(unix)]
    fn take(directory: &Path) -> Result<Option<DirectoryLock>> {
        use std::os::unix::fs::MetadataExt;
        let failed = |error| Error::io(format!("locking {}", shown(directory)), error);
        let file = match File::open(directory) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        file.lock().map_err(failed)?;
        // While we waited, a delete may have taken the directory away and a put made another of that name.
        let (ours, there) = (file.metadata().map_err(failed)?, fs::metadata(directory));
        let same = there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()));
        Ok(same.then_some(DirectoryLock { _file: file }))
    }

    /// Where a directory cannot be locked: a file of the system's temporary folder stands for it, so the lock holds on
    /// this machine only.
    #[cfg(not(unix))]
    fn take(directory: &Path) -> Result<Option<DirectoryLock>> {
        use md5::{Digest, Md5};
        if !directory.is_dir() {
            return Ok(None);
        }
        let digest = Md5::digest(directory.as_os_str().as_encoded_bytes());
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = std::env::temp_dir().join(format!("restitch-{name}.lock"));
        let failed = |error| Error::io(format!("locking {}", shown(directory)), error);
        let file = File::options().create(true).truncate(false).write(true).open(path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(directory.is_dir().then_some(DirectoryLock { _file: file }))
    }
}

/// Whether the file system under `root` takes names that differ only in case for one, seen by asking for something that
/// is there in the other case.
fn folds_case(root: &Path) -> bool {
    let Some(existing) = root.ancestors().find(|path| path.is_dir()) else { return false };
    let children = fs::read_dir(existing).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let known = children.chain(existing.ancestors().map(Path::to_owned));
    known.filter_map(|path| Some((swapped(&path)?, path))).next().is_some_and(|(other, path)| same_file(&other, &path))
}

/// The path with the case of its last part's ASCII letters swapped; `None` if it has none.
fn swapped(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let swap = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    let other: String = name.chars().map(swap).collect();
    (other != name).then(|| path.with_file_name(other))
}

fn same_file(a: &Path, b: &Path) -> bool {
    matches!((fs::canonicalize(a), fs::canonicalize(b)), (Ok(a), Ok(b)) if a == b)
}

fn folded(name: &str) -> String {
    name.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uri::Bucket;

    fn at(folder: &Path, rest: &str) -> Uri {
        Uri::new(Bucket::local(), format!("{}/{rest}", folder.to_str().unwrap().trim_start_matches('/')))
    }

    fn store(folder: &Path) -> Folder {
        Folder::open(&at(folder, "")).unwrap()
    }

    #[tokio::test]
    async fn a_write_leaves_nothing_beside_it_and_a_delete_nothing_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let (store, uri) = (store(folder.path()), at(folder.path(), "a=1/b=x y/symlink.txt"));
        fs::create_dir_all(folder.path().join("a=1/b=x y")).unwrap();
        fs::write(folder.path().join("a=1/b=x y").join(TEMPORARY), "killed while writing").unwrap();
        let written = store.put(&uri, "one\n".into(), &Condition::None).await.unwrap();
        let pages: Vec<Page> = store.list(&at(folder.path(), ""), None).try_collect().await.unwrap();
        let listed: Vec<_> = pages.iter().flat_map(Page::objects).collect();
        assert_eq!((listed.len(), listed[0].etag), (1, Some(written.etag.0.as_str())));
        assert_eq!(fs::read_dir(folder.path().join("a=1/b=x y")).unwrap().count(), 1);
        let stored = store.get(&uri).await.unwrap().unwrap();
        assert_eq!((&stored.body[..], &stored.etag), (&b"one\n"[..], &written.etag));
        assert!(store.delete(std::slice::from_ref(&uri)).await.unwrap().is_empty());
        assert!(store.delete(std::slice::from_ref(&uri)).await.unwrap().is_empty());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(store.get(&uri).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn writes_in_one_tick_have_tags_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let (store, uri) = (store(folder.path()), at(folder.path(), "k"));
        let mut tags = std::collections::HashSet::new();
        for _ in 0..50 {
            assert!(tags.insert(store.put(&uri, "same".into(), &Condition::None).await.unwrap().etag));
        }
    }

    #[tokio::test]
    async fn keys_that_differ_in_case_are_refused_where_that_is_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let plain = store(folder.path());
        assert_eq!(plain.traits().folds_case, cfg!(any(target_os = "macos", windows)));
        let folding = plain.case_folding(true);
        folding.put(&at(folder.path(), "r=Ä/symlink.txt"), "x".into(), &Condition::Absent).await.unwrap();
        for other in ["r=ä/symlink.txt", "R=Ä/symlink.txt", "r=Ä/Symlink.txt"] {
            let error = folding.put(&at(folder.path(), other), "x".into(), &Condition::Absent).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{other}");
        }
        folding.put(&at(folder.path(), "r=Ä/symlink.txt"), "y".into(), &Condition::None).await.unwrap();
    }

    #[tokio::test]
    async fn keys_that_are_no_path_are_refused_and_never_found() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        store.put(&at(folder.path(), "a/b"), "x".into(), &Condition::Absent).await.unwrap();
        for key in ["a//b", "a/./b", "a/../a/b", "a/b/", "a/\0", &"x".repeat(256), "a/b/c", "a/.restitch.tmp", "a"] {
            let uri = at(folder.path(), key);
            assert!(store.put(&uri, "x".into(), &Condition::None).await.is_err(), "{key}");
            assert!(store.get(&uri).await.unwrap().is_none(), "{key}");
        }
        assert!(store.delete(&[at(folder.path(), "a//b")]).await.unwrap().is_empty());
        assert!(store.get(&at(folder.path(), "a/b")).await.unwrap().is_some());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn puts_and_deletes_of_one_directory_do_not_lose_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let one = |n: usize| {
            let (store, uri) = (store.clone(), at(folder.path(), &format!("d/e/{}", n % 4)));
            tokio::spawn(async move {
                for _ in 0..25 {
                    store.put(&uri, "x".into(), &Condition::None).await.unwrap();
                    assert!(store.delete(std::slice::from_ref(&uri)).await.unwrap().is_empty());
                }
            })
        };
        for task in (0..8).map(one).collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
