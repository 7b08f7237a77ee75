//! A saved plan: everything that `apply FILE` needs but the rule file, and nothing secret.
//!
//! One line of JSON with the plan, then the bodies of changed manifests one after another, compressed by zstd with a
//! checksum. Written beside its name and renamed, mode 0600, so that it is there whole or not at all.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::apply::mapped::now_s;
use crate::cli::Global;
use crate::cli::global::RULE_FILE;
use crate::error::{Error, ErrorKind, Result};
use crate::map::body::{Body, CHUNK_BYTES};
use crate::plan::marker::{self, Marker};
use crate::plan::{Change, Kind, PLAN_VERSION, Plan, TablePlan, brakes};
use crate::rules::table::{Lookup, Rules, Table};
use crate::uri::{Shown, Uri};

/// What a plan's file may take.
pub const MAX_BYTES: u64 = 2 << 30;

/// zstd's own standard.
const LEVEL: i32 = 3;

#[derive(Debug, Serialize, Deserialize)]
pub struct Saved {
    /// [`PLAN_VERSION`]; first, so that another version's file is told by it.
    pub restitch_plan: u32,
    pub id: String,
    /// The rule file it was made from: an absolute path.
    pub rule_file: String,
    /// A digest of the file's lookups, which its tables' own digests do not cover.
    pub lookups: String,
    /// By table, a digest of what its entry in a catalog is made of beside that: one that is in none has none.
    #[serde(default)]
    pub registered: BTreeMap<String, String>,
    /// Of each change, in order: the bytes of its body, and of its interim body where it has one.
    pub sizes: Vec<(u64, Option<u64>)>,
    pub plan: Plan,
}

impl Saved {
    /// # Errors
    /// `Unsupported` if the rule file's path is no text; `Io` if there is no working directory.
    pub fn new(id: String, rules: &Rules, plan: Plan) -> Result<Saved> {
        let path = std::path::absolute(&rules.path).map_err(|error| Error::io(shown(&rules.path), error))?;
        let rule_file = path.into_os_string().into_string().map_err(|path| {
            Error::new(
                ErrorKind::Unsupported,
                format!("{} is not UTF-8, so no plan can name it", shown(Path::new(&path))),
            )
        })?;
        let sizes = plan
            .changes()
            .map(|change| (change.body.len(), change.interim.as_ref().map(|interim| interim.len())))
            .collect();
        let registered = rules.tables.iter().filter_map(|table| Some((table.name.clone(), registered_digest(table)?)));
        let (lookups, registered) = (lookups_digest(&rules.lookups), registered.collect());
        Ok(Saved { restitch_plan: PLAN_VERSION, id, rule_file, lookups, registered, sizes, plan })
    }

    /// Writes it to `path`, at most `max_bytes`.
    ///
    /// # Errors
    /// `Unsupported` if it is larger; `Io` and the like. Then there is no file, or the one that was there before.
    pub fn write(&self, path: &Path, max_bytes: u64) -> Result<()> {
        let failed = |error: io::Error| match error.get_ref().is_some_and(|inner| inner.is::<TooLarge>()) {
            true => too_large(path, max_bytes),
            false => Error::io(format!("the plan {}", shown(path)), error),
        };
        // It is renamed into its place, which would put a device or a pipe away.
        if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            let message = format!("the plan {}: this is no file, and a plan is saved as one", shown(path));
            return Err(Error::new(ErrorKind::Usage, message).help("restitch plan --out tonight.plan"));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Such files are made with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        self.write_to(&mut Limited { out: BufWriter::new(file.as_file_mut()), left: max_bytes }).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.write_all(b"\n")?;
        let mut bodies = zstd::Encoder::new(&mut *out, LEVEL)?;
        bodies.include_checksum(true)?;
        for change in self.plan.changes() {
            write_body(&mut bodies, &change.body)?;
            change.interim.iter().try_for_each(|interim| write_body(&mut bodies, interim))?;
        }
        bodies.finish()?;
        out.flush()
    }

    /// Reads the plan at `path`.
    ///
    /// # Errors
    /// `NotFound` and the like; `Corrupt` if it is no plan, or not whole; `Unsupported` if another version wrote it.
    pub fn read(path: &Path) -> Result<Saved> {
        let failed = |error| Error::io(format!("the plan {}", shown(path)), error);
        let file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() > MAX_BYTES {
            return Err(too_large(path, MAX_BYTES));
        }
        let mut input = BufReader::new(file);
        let mut head = Vec::new();
        input.read_until(b'\n', &mut head).map_err(failed)?;
        let version: Version = serde_json::from_slice(&head).map_err(|error| no_plan(path).source(error))?;
        if version.restitch_plan != PLAN_VERSION {
            let message = format!("{} was saved by another version of restitch", shown(path));
            return Err(Error::new(ErrorKind::Unsupported, message).help("`restitch plan --out` again"));
        }
        let mut saved: Saved = serde_json::from_slice(&head).map_err(|error| no_plan(path).source(error))?;
        saved.read_bodies(input).map_err(|error| no_plan(path).note("it is not whole").source(error))?;
        Ok(saved)
    }

    fn read_bodies(&mut self, input: impl BufRead) -> io::Result<()> {
        let mut bodies = zstd::Decoder::with_buffer(input)?;
        let sizes = std::mem::take(&mut self.sizes);
        let changes: Vec<&mut Change> = self.plan.tables.iter_mut().flat_map(|table| &mut table.changes).collect();
        if changes.len() != sizes.len() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        for (change, (body, interim)) in changes.into_iter().zip(&sizes) {
            change.body = exactly(&mut bodies, *body)?.into();
            change.interim = interim
                .map(|interim| exactly(&mut bodies, interim))
                .transpose()?
                .map(|interim| Box::new(interim.into()));
        }
        // Reading on to the end has the checksum looked at.
        if bodies.read(&mut [0])? != 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.sizes = sizes;
        Ok(())
    }

    /// The rule file that it was made from, or what `-f` names in its place.
    pub fn rule_file(&self, global: &Global) -> PathBuf {
        let standard = global.file == Path::new(RULE_FILE);
        if standard { PathBuf::from(&self.rule_file) } else { global.file.clone() }
    }

    /// Whether the rules still say what they said of every table that would be written.
    ///
    /// # Errors
    /// `Stale` where they do not, `Brake` where its listing has become too old.
    pub fn refuse_if_rules_changed(&self, rules: &Rules) -> Result<()> {
        let lookups_changed = lookups_digest(&rules.lookups) != self.lookups;
        for plan in self.plan.tables.iter().filter(|plan| plan.writes()) {
            let same = match plan.kind {
                Kind::Remove => {
                    rules.removed.iter().any(|it| it.name == plan.table && it.location.raw() == plan.location)
                }
                Kind::Refresh | Kind::Switch => !lookups_changed && self.is_as_planned(plan, rules),
            };
            if !same {
                return Err(rules_changed(plan, rules));
            }
        }
        self.refuse_if_too_old(rules)
    }

    fn is_as_planned(&self, plan: &TablePlan, rules: &Rules) -> bool {
        let Some(table) = rules.tables.iter().find(|table| table.name == plan.table) else { return false };
        let location = table.location.as_ref().map(Uri::raw);
        let mut marker = Marker::new(rules.project.as_deref(), table);
        // Where manifests lie, the rules do not say.
        marker.lie_where(&plan.marker);
        let registered = self.registered.get(&plan.table) == registered_digest(table).as_ref();
        registered && location.as_ref() == Some(&plan.location) && marker == plan.marker
    }

    fn refuse_if_too_old(&self, rules: &Rules) -> Result<()> {
        let as_of = self.plan.as_of.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_second);
        let planned = |table: &&Table| self.plan.tables.iter().any(|plan| plan.writes() && plan.table == table.name);
        let too_old = |table: &Table| brakes::too_old(&table.name, &table.limits, as_of, now_s());
        rules.tables.iter().filter(planned).find_map(too_old).map_or(Ok(()), Err)
    }
}

fn rules_changed(plan: &TablePlan, rules: &Rules) -> Error {
    let (name, file) = (Shown(&plan.table), shown(&rules.path));
    Error::new(ErrorKind::Stale, format!("what {file} says of `{name}` has changed since the plan was made"))
        .note("nothing was written")
        .help("`restitch plan` again")
}

/// A digest of all that a table's entry in its catalog is made of and its marker does not cover: which catalog, how it is
/// reached, and what is stated there; `None` where it is in none.
fn registered_digest(table: &Table) -> Option<String> {
    let Table { catalog, partitions, comment, properties, columns, partitioned_by, .. } = table;
    let catalog = catalog.as_ref()?;
    let stated = format!("{catalog:?} {partitions:?} {comment:?} {properties:?} {columns:?} {partitioned_by:?}");
    Some(marker::digest([stated.as_str()]))
}

/// A digest of every lookup of the file.
pub fn lookups_digest(lookups: &[Lookup]) -> String {
    use md5::{Digest, Md5};
    let mut digest = Md5::new();
    for lookup in lookups {
        // Debug text is quoted, so that no two sets of lookups give the same.
        digest.update(format!("{:?} {:?}\n", lookup.name, lookup.entries));
    }
    crate::plan::marker::hex(&digest.finalize())
}

#[derive(Deserialize)]
struct Version {
    restitch_plan: u32,
}

/// A writer that fails rather than write more than it may.
struct Limited<W> {
    out: W,
    left: u64,
}

impl<W: Write> Write for Limited<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(self::bytes(bytes)).ok_or_else(|| io::Error::other(TooLarge))?;
        self.out.write_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[derive(Debug)]
struct TooLarge;

impl std::fmt::Display for TooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("too large")
    }
}

impl std::error::Error for TooLarge {}

fn write_body(out: &mut impl Write, body: &Body) -> io::Result<()> {
    let mut reader = body.reader().map_err(io::Error::other)?;
    let (mut chunk, mut more) = (Vec::new(), true);
    while more {
        chunk.clear();
        more = reader.fill(&mut chunk, CHUNK_BYTES).map_err(io::Error::other)?;
        out.write_all(&chunk)?;
    }
    Ok(())
}

/// So many bytes and no fewer; no more is set aside than really comes.
fn exactly(input: &mut impl Read, size: u64) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    input.take(size).read_to_end(&mut body)?;
    if bytes(&body) == size { Ok(body) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn bytes(body: &[u8]) -> u64 {
    body.len() as u64
}

fn too_large(path: &Path, max_bytes: u64) -> Error {
    let message = format!("the plan {} would take more than {max_bytes} bytes", shown(path));
    Error::new(ErrorKind::Unsupported, message)
        .note("nothing was saved")
        .help("apply it without saving: restitch apply; or plan fewer tables at once, in rule files of their own")
}

fn no_plan(path: &Path) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{} is no plan that restitch saved", shown(path)))
        .help("restitch plan --out FILE")
}

fn shown(path: &Path) -> String {
    Shown(&path.to_string_lossy()).to_string()
}
