//! `--only` and `--touched`: which partitions are meant, and the plan of those alone. Reads only.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use futures::{StreamExt, TryStreamExt, stream};

use super::draw::{Drawn, DrawnTable, TABLES, draw_table, map, place};
use crate::apply::Options;
use crate::apply::current;
use crate::apply::mapped::{Also, Mapped};
use crate::apply::planning::Planning;
use crate::catalog::Catalogs;
use crate::cli::Global;
use crate::error::Result;
use crate::listing::{Sources, touched};
use crate::map::{Mapper, Program};
use crate::plan::brakes::counted;
use crate::rules::table::Rules;
use crate::rules::wanted::Wanted;
use crate::rules::{self, invert, only};
use crate::store::Stores;
use crate::uri::{Bucket, Shown, Uri};

/// Which partitions a run is over, where not all.
#[derive(clap::Args)]
pub struct PartialArgs {
    /// Only partitions for which EXPR holds, as `dt >= 2026-11-20 and region in (amer, apac)`; the rest is neither listed nor
    /// touched
    ///
    /// Of the tables that have its columns, or of TABLE. Comparisons are = != < <= > >=, `in (…)`, `is null`, joined by
    /// `and`. May be given once for each table.
    #[arg(long, value_name = "[TABLE:]EXPR", conflicts_with_all = NOT_PARTIAL)]
    only: Vec<String>,

    /// Only partitions of the objects that FILE names, a URI or key (or a JSON object with `uri`) a line; `-` is standard
    /// input
    ///
    /// The lines are hints: those partitions are listed live, whatever became of the objects.
    #[arg(long, value_name = "FILE", conflicts_with_all = NOT_PARTIAL, conflicts_with_all = ["only", "listing"])]
    touched: Option<PathBuf>,
}

/// What concerns every partition.
const NOT_PARTIAL: [&str; 3] = ["adopt", "full", "allow_empty"];

/// Some partitions of some tables.
pub struct Partial {
    /// One per table of the rules; a table whose entry is empty is left alone.
    pub wanted: Vec<Wanted>,
    /// Tables of which that is every partition, planned as in a whole run.
    pub whole: BTreeSet<String>,
    /// Whether written listings count: they do not say what has changed since.
    pub live: bool,
    /// What the user said, in one line.
    pub said: String,
}

impl PartialArgs {
    /// The partitions that are meant; `None`: all.
    ///
    /// # Errors
    /// `Usage` for an expression; as [`touched::read`].
    pub fn partial(&self, rules: &Rules) -> Result<Option<Partial>> {
        if let Some(path) = &self.touched {
            return touched_in(rules, path).map(Some);
        }
        if self.only.is_empty() {
            return Ok(None);
        }
        let wanted = only::wanted(rules, &self.only)?;
        let said = self.only.iter().map(|text| Shown(text).to_string()).collect::<Vec<_>>().join("; ");
        Ok(Some(Partial { wanted, whole: BTreeSet::new(), live: false, said }))
    }
}

/// Reads the hints and maps each.
fn touched_in(rules: &Rules, path: &Path) -> Result<Partial> {
    let program = Program::new(rules);
    let mut hints = Hints::new(&program, rules);
    touched::read(path, only_bucket(rules).as_ref(), &mut |uri| hints.take(&uri))?;
    Ok(hints.partial())
}

/// The bucket that all rules list, if it is one.
fn only_bucket(rules: &Rules) -> Option<Bucket> {
    let prefixes = rules.tables.iter().flat_map(|table| &table.rules).flat_map(rules::listed);
    let buckets: BTreeSet<Bucket> = prefixes.map(|prefix| prefix.bucket).collect();
    buckets.first().filter(|_| buckets.len() == 1).cloned()
}

/// Objects that are said to have changed, as they come.
pub struct Hints<'p> {
    mapper: Mapper<'p>,
    wanted: Vec<Wanted>,
    keys: u64,
    strays: u64,
    /// The first of those that no rule takes.
    stray: Option<Uri>,
}

impl<'p> Hints<'p> {
    /// `program` is that of `rules`.
    pub fn new(program: &'p Program, rules: &Rules) -> Hints<'p> {
        let wanted = vec![Wanted::default(); rules.tables.len()];
        Hints { mapper: Mapper::new(program), wanted, keys: 0, strays: 0, stray: None }
    }

    /// # Errors
    /// As [`Mapper::touched`].
    pub fn take(&mut self, uri: &Uri) -> Result<()> {
        self.keys += 1;
        if !self.mapper.touched(uri, &mut self.wanted)? {
            self.strays += 1;
            self.stray.get_or_insert_with(|| uri.clone());
        }
        Ok(())
    }

    pub fn partial(self) -> Partial {
        let partitions: usize = self.wanted.iter().map(|wanted| wanted.exact().len() + wanted.open().len()).sum();
        let mut said = format!("{} in {}", counted(self.keys, "key"), counted(partitions as u64, "partition"));
        if let Some(stray) = &self.stray {
            said += &format!("; no rule takes {} of them, as {}", self.strays, stray.shown());
        }
        Partial { wanted: self.wanted, whole: BTreeSet::new(), live: true, said }
    }
}

impl Partial {
    /// Where its objects are listed.
    ///
    /// # Errors
    /// As [`Global::sources`].
    pub async fn sources(&self, global: &Global, rules: &Rules) -> Result<Sources> {
        let sources = if self.live { Sources::live_only(rules) } else { global.sources(rules).await? };
        Ok(sources.only(invert::listed(rules, &self.wanted)))
    }
}

/// As [`draw`](super::draw::draw), of the partitions that `partial` means. Tables that have none of them are left alone; so
/// are those that left the rule file.
///
/// # Errors
/// As [`draw`](super::draw::draw).
pub async fn draw<A: Also>(
    global: &Global,
    rules: &Rules,
    partial: &Partial,
    mut planning: Planning,
    also: impl Fn() -> A + Send + 'static,
    run: Option<&Options>,
) -> Result<Drawn> {
    let sources = partial.sources(global, rules).await?;
    let asked = || rules.tables.iter().zip(&partial.wanted).filter(|(_, wanted)| !wanted.is_empty());
    let (mut stores, mut catalogs) = (Stores::default(), Catalogs::default());
    let mut places = Vec::new();
    for (table, _) in asked() {
        let location = current::publishable(table)?;
        let store = stores.open(location, &sources.access(location)).await?;
        let catalog = catalogs.open_any(table.catalog.as_ref()).await?;
        places.push(place(location, store, catalog, run));
    }
    // As in a whole run: markers first, then the listing.
    let places: Vec<_> = stream::iter(places).buffered(TABLES).try_collect().await?;
    let Mapped { listed, as_of, tables, left_out } = map(global, rules, &sources, also, &mut planning).await?;
    let mapped = tables.into_iter().zip(&partial.wanted).filter(|(_, wanted)| !wanted.is_empty());
    let each = asked().zip(places).zip(mapped);
    let drawn: Vec<DrawnTable> = stream::iter(each)
        .map(|(((table, wanted), place), (mut mapped, _))| {
            // Prefixes may show more than what is wanted.
            mapped.groups.partitions.retain(|group| wanted.contains(&group.values));
            let only = (!partial.whole.contains(&table.name)).then(|| wanted.clone());
            let planning = Planning { only, ..planning.clone() };
            async move { draw_table(table, place, mapped, &planning).await }
        })
        .buffered(TABLES)
        .try_collect()
        .await?;
    Ok(Drawn { as_of, listed, tables: drawn, left_out, gone: Vec::new(), only: Some(partial.said.clone()) })
}
