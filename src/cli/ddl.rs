//! `restitch ddl`: the statements that make a table of what is published, or of what a plan would publish. Reads only.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt;

use super::plan::args::known_table;
use super::{Exit, Global, Output, Progress, rule_file};
use crate::apply::mapped::{self, MappedTable, now_s};
use crate::apply::prune::EMPTY_FOR_S;
use crate::apply::{current, lease, replaced};
use crate::ddl::{self, ProjectionBuilder, Statement, TableName};
use crate::error::{Error, ErrorKind, Result};
use crate::listing::{Sources, survey};
use crate::map::group::TableGroups;
use crate::plan::manifest::{self, Shape};
use crate::plan::marker::Marker;
use crate::plan::traps::{Level, ReaderName, TrapCounts, Traps};
use crate::rules::table::{Engine, Partitions, Rules, Table};
use crate::store::{self, Store};
use crate::uri::{Shown, Uri};
use crate::value::PartitionValue;

#[derive(clap::Args)]
pub struct DdlArgs {
    /// The tables; all of the rule file if none is named
    #[arg(value_name = "TABLE")]
    tables: Vec<String>,

    /// Let the engine work out the partitions (`partitions = "projection"`) instead of adding each
    #[arg(long)]
    projection: bool,

    /// Print what a plan would come to, from the rules and a listing, with nothing published
    #[arg(long)]
    planned: bool,

    /// Drop the tables first, for those that are read in another way now; external tables keep their files
    #[arg(long)]
    replace: bool,

    /// The database of the tables, where the session's own is not meant
    #[arg(long, value_name = "NAME")]
    database: Option<String>,

    /// Write each statement to a file of its own in DIR, numbered, without its semicolon; DIR is made, or empty
    #[arg(long, value_name = "DIR")]
    split: Option<PathBuf>,
}

/// # Errors
/// Those of the rule file and the stores; `NotFound` where nothing is published; `Trap` where a query would fail;
/// `Usage` for a table that there is not; what `ddl` cannot say.
pub async fn run(global: &Global, args: &DdlArgs) -> Result<Exit> {
    let rules = rule_file::load(global).await?;
    let tables = chosen(&rules, &args.tables)?;
    let mut out = match &args.split {
        Some(directory) => Out::Files { directory: empty_directory(directory)?, written: 0 },
        None => Out::Script { output: Output::bytes(), tables: 0 },
    };
    let mut planned =
        if args.planned { plan_partitions(global, &rules, &tables).await?.into_iter() } else { vec![].into_iter() };
    let sources = Sources::open(&rules, &[]).await?;
    for table in tables {
        let mut table = table.clone();
        if args.projection && !table.partitioned_by.is_empty() {
            table.partitions = Partitions::Projection;
        }
        let location = current::publishable(&table)?.clone();
        warn(global, &table)?;
        let partitions = match planned.next() {
            Some(partitions) => partitions,
            None => {
                let store = store::open(&location, &sources.access(&location)).await?;
                published(global, rules.project.as_deref(), &table, &location, store).await?
            }
        };
        if let Some(settings) = &table.catalog {
            let (name, database) = (Shown(&table.name), Shown(&settings.database));
            global.say(format_args!(
                "{name}  note: `restitch apply` keeps it in the catalog's database `{database}` itself"
            ));
        }
        let name = TableName::of(&table, args.database.as_deref());
        out.table(&table)?;
        if args.replace {
            out.statement(&ddl::drop_table(&name))?;
        }
        write(global, &mut out, &table, &name, partitions)?;
    }
    out.finish()?;
    Ok(Exit::Done)
}

/// The partitions of one table, in byte order of their manifests' keys.
struct PartitionsOf {
    /// Where their manifests lie: the location, or what a switch has put in its place.
    directory: Uri,
    /// Whether a switch has put it there.
    switched: bool,
    /// To be added.
    present: Vec<Vec<PartitionValue>>,
    /// Whether those that are registered already may lie in a directory that a switch has replaced.
    moved: bool,
    /// Empty for so long that prune would drop them, or left behind by a switch.
    gone: Vec<Vec<PartitionValue>>,
}

fn write(global: &Global, out: &mut Out, table: &Table, name: &TableName, partitions: PartitionsOf) -> Result<()> {
    let location = &partitions.directory;
    let follow = partitions.switched.then(|| ddl::set_location(name, location));
    if table.partitioned_by.is_empty() {
        out.statement(&ddl::create_table(table, name, location, None)?)?;
        return follow.map_or(Ok(()), |statement| out.statement(&statement));
    }
    if table.partitions == Partitions::Projection {
        let today = today();
        let mut builder = ProjectionBuilder::new(table, location, &today)?;
        partitions.present.iter().try_for_each(|values| builder.add(values))?;
        let projection = builder.finish()?;
        for line in &projection.why {
            global.say(format_args!("{}  {line}", Shown(&table.name)));
        }
        for line in &projection.advice {
            global.say(format_args!("{}  note: {line}", Shown(&table.name)));
        }
        out.statement(&ddl::create_table(table, name, location, Some(&projection))?)?;
        out.statement(&projection.set_properties(name))?;
        return follow.map_or(Ok(()), |statement| out.statement(&statement));
    }
    out.statement(&ddl::create_table(table, name, location, None)?)?;
    follow.map_or(Ok(()), |statement| out.statement(&statement))?;
    if table.engines.contains(&Engine::Athena) && partitions.present.iter().flatten().any(PartitionValue::is_null) {
        global.say(format_args!(
            "{}  note: a partition with NULL is added as Spark takes it; whether Athena does has not been seen",
            Shown(&table.name)
        ));
    }
    let shape = Shape::of(table);
    let placed = |values: &Vec<PartitionValue>| ddl::Partition {
        values: values.clone(),
        location: location.join(&shape.directory(values)),
    };
    if partitions.moved {
        let name = Shown(&table.name);
        global.say(format_args!(
            "{name}  note: rows that go from one partition to another may be missing, or come twice, until the last statement \
             has run"
        ));
    }
    // Away before anything is added: it may have gone elsewhere.
    ddl::drop_partitions(table, name, partitions.gone).try_for_each(|statement| out.statement(&statement?))?;
    let add = partitions.present.iter().map(placed);
    ddl::add_partitions(table, name, add).try_for_each(|statement| out.statement(&statement?))?;
    // `IF NOT EXISTS` leaves those that are there as they are.
    let moved = partitions.present.iter().filter(|_| partitions.moved).map(placed);
    ddl::set_locations(table, name, moved).try_for_each(|statement| out.statement(&statement?))
}

/// Reads the location's listing: every manifest of the table's own shape is a partition, but for those that have been
/// empty for as long as prune wants.
async fn published(
    global: &Global,
    project: Option<&str>,
    table: &Table,
    location: &Uri,
    store: Arc<dyn Store>,
) -> Result<PartitionsOf> {
    let shape = Shape::of(table);
    let nothing = || {
        let message = format!("nothing of `{}` is published at {}", Shown(&table.name), location.shown());
        Error::new(ErrorKind::NotFound, message)
            .help("restitch apply; or print what it would come to: restitch ddl --planned")
    };
    let found = lease::read(store.as_ref(), location).await?.ok_or_else(nothing)?;
    if let Some(error) = current::foreign_marker(&found, &Marker::new(project, table), location) {
        return Err(error);
    }
    let wanted = Marker::new(project, table);
    if !found.marker.reads_as(&wanted) {
        let message = format!("`{}` is not published as the rules say it now", Shown(&table.name));
        return Err(Error::new(ErrorKind::Moves, message).help("restitch plan says what to do"));
    }
    if found.marker.unfinished.is_some() {
        global.say(format_args!(
            "{}  note: an apply has not ended; this is what it has written so far",
            Shown(&table.name)
        ));
    }
    let directory = found.marker.directory(location);
    let mut partitions = PartitionsOf::at(directory.clone());
    partitions.switched = found.marker.replaced.is_some();
    if table.partitioned_by.is_empty() {
        return Ok(partitions);
    }
    let mut pages = store.list(&directory, None);
    while let Some(page) = pages.try_next().await? {
        for object in page.objects() {
            let below = object.key.strip_prefix(directory.key.as_str());
            let Some(values) = below.and_then(|below| shape.values(below)) else { continue };
            let is_gone = object.size == Some(0) && object.modified.is_some_and(|at| found.now - at > EMPTY_FOR_S);
            if is_gone { partitions.gone.push(values) } else { partitions.present.push(values) }
        }
    }
    if partitions.switched && table.partitions == Partitions::Registered {
        left_behind(store.as_ref(), location, &found.marker, &mut partitions).await?;
    }
    Ok(partitions)
}

/// What partitions a switch may have moved: all, for old manifests may have been pruned; and what it has left behind, as far
/// as those are still there.
async fn left_behind(store: &dyn Store, location: &Uri, marker: &Marker, partitions: &mut PartitionsOf) -> Result<()> {
    // Of another layout they are partitions of another table.
    let columns = marker.replaced.as_ref().map(|replaced| &replaced.columns);
    if columns != Some(&marker.columns) {
        return Ok(());
    }
    let present: HashSet<&Vec<PartitionValue>> = partitions.present.iter().collect();
    let mut gone: BTreeSet<Vec<PartitionValue>> = BTreeSet::new();
    for old in replaced::all(store, location, marker).await? {
        for manifest in old.manifests {
            if !present.contains(&manifest.values) {
                gone.insert(manifest.values);
            }
        }
    }
    partitions.moved = true;
    partitions.gone.extend(gone);
    Ok(())
}

impl PartitionsOf {
    fn at(directory: Uri) -> PartitionsOf {
        PartitionsOf { directory, switched: false, present: Vec::new(), moved: false, gone: Vec::new() }
    }
}

/// What the rules make of the listing, for each of `tables`; nothing is published or looked up there.
async fn plan_partitions(global: &Global, rules: &Rules, tables: &[&Table]) -> Result<Vec<PartitionsOf>> {
    let sources = global.sources(rules).await?;
    let progress = Progress::start(global);
    let mut show = |at: &survey::Progress<'_>| progress.listing(at);
    let mapped = mapped::all(rules, &sources, global.memory, || (), &mut show).await?;
    drop(progress);
    let mut found: Vec<Option<MappedTable>> = mapped.tables.into_iter().map(Some).collect();
    let mut out = Vec::with_capacity(tables.len());
    for table in tables {
        let index = rules.tables.iter().position(|one| one.name == table.name).expect("a table of the file");
        if let Some(error) = found[index].iter().flat_map(|mapped| mapped.refusals(table)).next() {
            return Err(error);
        }
        // Named twice, it is printed twice.
        let groups = found[index].take().map(|mapped| mapped.groups).unwrap_or_default();
        out.push(of_groups(table, groups)?);
    }
    Ok(out)
}

fn of_groups(table: &Table, groups: TableGroups) -> Result<PartitionsOf> {
    let shape = Shape::of(table);
    let location = current::publishable(table)?;
    let desired = manifest::desired(&shape, location, groups.partitions, false)?;
    let present = desired.iter().filter_map(|one| shape.values(&one.key)).collect();
    Ok(PartitionsOf { present, ..PartitionsOf::at(location.clone()) })
}

/// Says the table's warnings; its errors stop.
fn warn(global: &Global, table: &Table) -> Result<()> {
    let traps = Traps::for_table(table);
    if let Some(error) = traps.refusal(table, &TrapCounts::default()) {
        return Err(error);
    }
    for finding in traps.on_table().iter().filter(|finding| finding.level == Level::Warning) {
        let readers: Vec<String> = finding.readers.iter().map(|reader| ReaderName(*reader).to_string()).collect();
        let (name, readers) = (Shown(&table.name), readers.join(", "));
        global.say(format_args!(
            "{name}  warning: {} ({readers}): {}; {}",
            finding.trap,
            finding.detail,
            finding.of().reason
        ));
    }
    Ok(())
}

fn chosen<'r>(rules: &'r Rules, names: &[String]) -> Result<Vec<&'r Table>> {
    if names.is_empty() {
        return Ok(rules.tables.iter().collect());
    }
    names.iter().map(|name| known_table(None, name, rules)).collect()
}

/// Where statements go.
enum Out {
    /// One after another, each with `;` and a newline; a blank line between tables.
    Script { output: Output, tables: u32 },
    /// One a file.
    Files { directory: PathBuf, written: u32 },
}

impl Out {
    /// Begins a table.
    fn table(&mut self, _: &Table) -> Result<()> {
        if let Out::Script { output, tables } = self {
            *tables += 1;
            if *tables > 1 {
                output.write(b"\n")?;
            }
        }
        Ok(())
    }

    fn statement(&mut self, statement: &Statement) -> Result<()> {
        match self {
            Out::Script { output, .. } => write!(output, "{statement}"),
            Out::Files { directory, written } => {
                *written += 1;
                let path = directory.join(format!("{written:04}-{}.sql", statement.kind.name()));
                let text = format!("{}\n", statement.text);
                std::fs::write(&path, text).map_err(|error| Error::io(Shown(&path.to_string_lossy()), error))
            }
        }
    }

    fn finish(self) -> Result<()> {
        match self {
            Out::Script { mut output, .. } => output.flush(),
            Out::Files { .. } => Ok(()),
        }
    }
}

/// Makes the directory of `--split`. Files of an earlier run beside new ones would be run with them, so it must be empty.
fn empty_directory(directory: &Path) -> Result<PathBuf> {
    let shown = || Shown(&directory.to_string_lossy()).to_string();
    std::fs::create_dir_all(directory).map_err(|error| Error::io(shown(), error))?;
    let mut entries = std::fs::read_dir(directory).map_err(|error| Error::io(shown(), error))?;
    if entries.next().is_some() {
        let message = format!("{} is not empty: what lies there would be taken for statements of this run", shown());
        return Err(Error::new(ErrorKind::Usage, message).help("name a new directory, or empty this one"));
    }
    Ok(directory.to_owned())
}

/// The day in UTC, `yyyy-MM-dd`.
fn today() -> String {
    jiff::Timestamp::from_second(now_s()).map_or_else(|_| String::new(), |now| now.strftime("%Y-%m-%d").to_string())
}
