//! Cases of `tests/plan/*.yml`: what is published, what should be, and the plan that must come of it.
//!
//! Each case is planned against a store that holds `current` (published by an apply of its own), applied unless it is
//! refused, and planned once more: then nothing may be left, and not one write may happen.

mod published;

use std::collections::BTreeMap;

use restitch::apply::Options;
use restitch::apply::planning::Planning;
use restitch::map::body::lines;
use restitch::map::group::line_hash;
use restitch::plan::{Change, TablePlan};
use restitch::rules::table::Table;
use restitch::store::memory::{Memory, Tags};
use restitch::uri::Uri;
use serde::Deserialize;

use published::{carry_out, group, groups, planning, table};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// `["region string"]`; none: unpartitioned.
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    layout: Option<Vec<String>>,
    #[serde(default)]
    max_removed: Option<f64>,
    #[serde(default)]
    max_partitions: Option<u64>,
    #[serde(default)]
    max_lines: Option<u64>,
    /// ETags that are no MD5.
    #[serde(default)]
    kms: bool,
    /// `amer|2024-01-01`: lines, a number for so many.
    #[serde(default)]
    current: Partitions,
    desired: Partitions,
    /// Lines that `pick` or `leave_after` left out.
    #[serde(default)]
    withheld: Partitions,
    /// Objects taken by each rule; one rule that takes all where it is not given.
    #[serde(default)]
    taken: Option<Vec<u64>>,
    /// Files put below the location besides: key and body.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// Files taken away.
    #[serde(default)]
    delete: Vec<String>,
    #[serde(default)]
    flags: Vec<String>,
    /// The plan, a change a line: `+ region=latam/symlink.txt 12 +12 -0`.
    #[serde(default)]
    plan: Vec<String>,
    #[serde(default)]
    moved: u64,
    /// Pieces of what refuses it, in order: the message and its help.
    #[serde(default)]
    refused: Vec<String>,
    /// A piece of the error that leaves no plan.
    #[serde(default)]
    error: Option<String>,
    /// Bodies read while planning.
    #[serde(default)]
    reads: Option<u64>,
}

type Partitions = BTreeMap<String, Lines>;

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Lines {
    Count(u64),
    Named(Vec<String>),
}

#[tokio::test]
async fn every_case_comes_to_its_plan() {
    let mut ran = 0;
    for file in std::fs::read_dir("tests/plan").unwrap() {
        let path = file.unwrap().path();
        let cases: Vec<Case> = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for case in cases {
            println!("{}: {}", path.display(), case.name);
            run(&case).await;
            ran += 1;
        }
    }
    assert!(ran > 20, "the cases are gone");
}

async fn run(case: &Case) {
    let table = case.table();
    let store = Memory::new();
    store.set_now(1_000_000);
    if case.kms {
        store.set_tags(Tags::Kms);
    }
    if !case.current.is_empty() {
        let groups = groups(&table, case.groups(&case.current));
        published::publish(&store, &Table { limits: Default::default(), ..table.clone() }, groups).await.unwrap();
    }
    let location = table.location.clone().unwrap();
    case.files.iter().for_each(|(key, body)| drop(store.insert(&location.join(key), body.clone())));
    case.delete.iter().for_each(|key| assert!(store.remove(&location.join(key)), "{key} is not there"));

    let gets = store.counts().gets;
    let planned = match published::plan(&store, &table, case.listed(&table), &case.planning()).await {
        Ok(planned) => planned,
        Err(error) => {
            let wanted = case.error.as_ref().unwrap_or_else(|| panic!("{error:?}"));
            return assert!(format!("{error:?}").contains(wanted), "{error:?}");
        }
    };
    assert!(case.error.is_none(), "{:?} is missing", case.error);
    if let Some(reads) = case.reads {
        assert_eq!(store.counts().gets - gets - 1, reads, "bodies read, beside the marker");
    }
    let refused: Vec<String> = planned.refusals.iter().map(|error| format!("{error:?}")).collect();
    assert_eq!(refused.len(), case.refused.len(), "{refused:#?}");
    for (refused, wanted) in refused.iter().zip(&case.refused) {
        assert!(refused.contains(wanted), "{refused} has no {wanted}");
    }
    if let Some(plan) = &planned.plan {
        assert_eq!(shown(plan), case.plan);
        assert_eq!(plan.moved_lines, case.moved);
    }
    if !refused.is_empty() {
        return;
    }
    let directory = planned.plan.as_ref().expect("nothing refuses it").directory().unwrap();
    carry_out(&store, planned, &Options::new("the-plan").unwrap()).await.unwrap();
    assert_published(&store, &directory, case);

    let puts = store.counts().puts;
    let again = published::plan(&store, &table, case.listed(&table), &case.planning()).await.unwrap();
    assert_eq!(again.plan.as_ref().map(shown), Some(vec![]), "nothing is left to do");
    carry_out(&store, again, &Options::new("once-more").unwrap()).await.unwrap();
    assert_eq!(store.counts().puts, puts, "no change, not one write");
}

/// The manifests in `location` hold exactly what is desired, vanished ones are empty, and nothing else was touched.
fn assert_published(store: &Memory, location: &Uri, case: &Case) {
    let shape = restitch::plan::manifest::Shape::of(&case.table());
    let mut wanted: BTreeMap<String, String> = case.files.clone();
    for group in case.groups(&case.current) {
        wanted.insert(shape.key(location, &group.values).unwrap(), String::new());
    }
    case.delete.iter().for_each(|key| drop(wanted.remove(key)));
    for group in case.groups(&case.desired) {
        let body = String::from_utf8(group.body.read().unwrap().to_vec()).unwrap();
        wanted.insert(shape.key(location, &group.values).unwrap(), body);
    }
    let mut there: BTreeMap<String, String> = store
        .snapshot()
        .into_iter()
        .filter(|(uri, _)| location.is_prefix_of(uri))
        .map(|(uri, body)| (uri.key[location.key.len()..].to_owned(), String::from_utf8(body.to_vec()).unwrap()))
        .collect();
    there.remove("_restitch.json");
    wanted.remove("_restitch.json");
    // A manifest of the table's own shape that was put there by hand and is not desired has been emptied.
    for (key, body) in &mut wanted {
        if case.files.contains_key(key) && there.get(key).is_some_and(String::is_empty) {
            body.clear();
        }
    }
    assert_eq!(there, wanted);
}

fn shown(plan: &TablePlan) -> Vec<String> {
    let one = |c: &Change| format!("{} {} {} +{} -{}", c.action.sign(), c.key, c.lines, c.added, c.removed);
    let switch = plan.switch.iter().map(|switch| format!("switch {:?}", switch.reason).to_lowercase());
    switch.chain(plan.changes.iter().map(one)).collect()
}

impl Case {
    fn table(&self) -> Table {
        use restitch::rules::table::{Layout, LayoutPart};
        let columns: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        let rules = self.taken.as_ref().map_or(1, |taken| taken.len() as u32);
        let mut table = table("taxes", &columns, rules);
        if let Some(parts) = &self.layout {
            let column = |name: &str| table.partitioned_by.iter().position(|column| column.name == name).unwrap();
            let part = |text: &String| match text.strip_prefix('$') {
                Some(name) => LayoutPart::Column(column(name)),
                None => LayoutPart::Text(text.clone()),
            };
            table.layout = Layout { parts: parts.iter().map(part).collect(), custom: true };
        }
        table.limits.max_removed = self.max_removed.unwrap_or(table.limits.max_removed);
        table.limits.max_partitions = self.max_partitions.unwrap_or(table.limits.max_partitions);
        table.limits.max_lines = self.max_lines.unwrap_or(table.limits.max_lines);
        table
    }

    fn groups(&self, partitions: &Partitions) -> Vec<restitch::map::group::Group> {
        let one = |(name, lines): (&String, &Lines)| {
            let values: Vec<&str> = if self.columns.is_empty() { vec![] } else { name.split('|').collect() };
            let lines = match lines {
                Lines::Count(count) => (0..*count).map(|n| format!("s3://data/{name}/{n:06}")).collect(),
                Lines::Named(lines) => lines.clone(),
            };
            group(&values, &lines.iter().map(String::as_str).collect::<Vec<_>>())
        };
        partitions.iter().map(one).collect()
    }

    fn listed(&self, table: &Table) -> restitch::map::group::TableGroups {
        let mut groups = groups(table, self.groups(&self.desired));
        let withheld = self.groups(&self.withheld);
        let bodies: Vec<_> = withheld.iter().map(|group| group.body.read().unwrap()).collect();
        groups.withheld = bodies.iter().flat_map(|body| lines(body)).map(line_hash).collect();
        groups.taken_by_rule = self.taken.clone().unwrap_or_else(|| vec![1]);
        groups
    }

    fn planning(&self) -> Planning {
        let mut planning = planning();
        for flag in &self.flags {
            match flag.split_once('=') {
                None if flag == "--accept-moves" => planning.accept_moves = true,
                None if flag == "--adopt" => planning.adopt = true,
                None if flag == "--allow-empty" => planning.allowed.empty = true,
                None if flag == "--allow-removals" => planning.allowed.removals = true,
                Some(("--allow-removals", table)) => planning.allowed.removals_of.push(table.into()),
                Some(("--allow-empty", rule)) => {
                    let (table, number) = rule.split_once(':').unwrap();
                    planning.allowed.empty_rules.push((table.into(), number.parse().unwrap()));
                }
                _ => panic!("no flag {flag}"),
            }
        }
        planning
    }
}
