//! Tables and their partitions in a catalog, kept as manifests are: with the library, a store and a catalog in memory.
#![cfg(feature = "io")]

mod published;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use restitch::apply::planning::{Planned, Planning};
use restitch::apply::{self, Options, current, prune};
use restitch::catalog::memory::{Fault, Memory as Catalog, Operation};
use restitch::catalog::{Catalog as _, EXTERNAL_TABLE};
use restitch::error::{Error, ErrorKind, Result};
use restitch::map::group::TableGroups;
use restitch::plan::TablePlan;
use restitch::plan::catalog::{CatalogPlan, PartitionAction, PartitionDefinition, TableChange, TableDefinition};
use restitch::rules::table::{CatalogService, CatalogSettings, Column, Partitions, Publish, Removed, Table};
use restitch::store::memory::Memory as Store;

use restitch::uri::Uri;

use published::{group, groups, table};

/// A table by region in a store and a catalog.
struct World {
    store: Store,
    catalog: Catalog,
    table: Table,
}

impl World {
    fn new() -> World {
        World { store: Store::new(), catalog: Catalog::new(), table: table("taxes", &["region string"], 1) }
    }

    fn planning(&self) -> Planning {
        Planning { catalog: Some(Arc::new(self.catalog.clone())), now: 1_700_000_000, ..published::planning() }
    }

    fn listed(&self, regions: &[&str]) -> TableGroups {
        let groups_of = regions.iter().map(|region| group(&[region], &[&format!("s3://data/1/{region}.csv")]));
        groups(&self.table, groups_of.collect())
    }

    async fn planned(&self, regions: &[&str], planning: &Planning) -> Planned {
        published::plan(&self.store, &self.table, self.listed(regions), planning).await.expect("a plan")
    }

    /// The plan, which nothing refuses.
    async fn plan(&self, regions: &[&str]) -> TablePlan {
        self.plan_with(regions, &self.planning()).await
    }

    async fn plan_with(&self, regions: &[&str], planning: &Planning) -> TablePlan {
        let planned = self.planned(regions, planning).await;
        assert!(planned.refusals.is_empty(), "{:?}", planned.refusals);
        planned.plan.expect("a plan")
    }

    /// What refuses it, in one.
    async fn refused(&self, regions: &[&str], planning: &Planning) -> Error {
        let mut refusals = self.planned(regions, planning).await.refusals;
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        refusals.remove(0)
    }

    async fn carry_out(&self, mut plan: TablePlan) -> Result<apply::Done> {
        let mut options = Options::new("a-plan")?;
        options.plan = format!("plan-{}", self.catalog.requests());
        options.catalog = Some(Arc::new(self.catalog.clone()));
        apply::table(&self.store, &mut plan, "2026-11-22T10:00:00Z", &options).await
    }

    async fn apply(&self, regions: &[&str]) -> apply::Done {
        self.carry_out(self.plan(regions).await).await.expect("it is carried out")
    }

    fn there(&self) -> (TableDefinition, Vec<PartitionDefinition>) {
        self.catalog.snapshot().remove("taxes").expect("the table is registered")
    }

    fn registered(&self) -> Vec<String> {
        self.there().1.into_iter().map(|partition| partition.values.join("/")).collect()
    }

    /// Plans again, in full too: nothing is left to be done.
    async fn settles(&self, regions: &[&str]) {
        for full in [false, true] {
            let plan = self.plan_with(regions, &Planning { full, ..self.planning() }).await;
            assert!(!plan.writes(), "full = {full}: {plan:?}");
        }
    }
}

fn catalog_of(plan: &TablePlan) -> &CatalogPlan {
    plan.catalog.as_ref().expect("it is in a catalog")
}

/// `~ region=amer location`
fn changes(plan: &TablePlan) -> Vec<String> {
    let planned = catalog_of(plan);
    let mut told = Vec::new();
    match &planned.table {
        TableChange::None => {}
        TableChange::Create => told.push("+ table".to_owned()),
        TableChange::Update { fields, .. } => told.extend(fields.iter().map(|field| format!("~ {}", field.field))),
    }
    for change in &planned.partitions {
        let sign = match change.action {
            PartitionAction::Add => '+',
            PartitionAction::Mend => '~',
            PartitionAction::Remove => '-',
        };
        let fields: String = change.fields.iter().map(|field| format!(" {}", field.field)).collect();
        told.push(format!("{sign} {}{fields}", change.partition.shown()));
    }
    told
}

#[tokio::test]
async fn a_first_apply_registers_all() {
    let world = World::new();
    let plan = world.plan(&["amer", "emea"]).await;
    assert_eq!(changes(&plan), ["+ table", "+ region=amer", "+ region=emea"]);
    let done = world.carry_out(plan).await.unwrap();
    assert_eq!((done.registered.tables, done.registered.partitions), (1, 2));
    let (table, partitions) = world.there();
    assert_eq!(table.parameters["EXTERNAL"], "TRUE");
    assert_eq!(table.parameters["restitch.table"], "taxes");
    assert_eq!(table.storage.location, "s3://published/taxes/");
    assert_eq!(partitions[0].storage.location, "s3://published/taxes/region=amer/");
    assert_eq!(
        (partitions[0].storage.serde.as_str(), &partitions[0].columns),
        (table.storage.serde.as_str(), &table.columns)
    );
    world.settles(&["amer", "emea"]).await;
}

/// 20,000 partitions and 3 new ones: as many requests as with 20.
#[tokio::test]
async fn a_refresh_takes_no_more_requests_for_more_partitions() {
    let mut taken = Vec::new();
    for count in [20, 20_000] {
        let world = World::new();
        let regions: Vec<String> = (0..count + 3).map(|n| format!("r{n:05}")).collect();
        let regions: Vec<&str> = regions.iter().map(String::as_str).collect();
        world.apply(&regions[..count]).await;
        let before = world.catalog.requests();
        let plan = world.plan(&regions).await;
        let planned = world.catalog.requests();
        let done = world.carry_out(plan).await.expect("it is carried out");
        assert_eq!(done.registered.partitions, 3);
        assert_eq!(world.there().1.len(), count + 3);
        taken.push((planned - before, world.catalog.requests() - planned));
    }
    assert_eq!(taken, [(1, 1), (1, 1)], "one reads the table, one adds three partitions");
}

#[tokio::test]
async fn an_emptied_partition_stays_until_it_is_pruned() {
    let world = World::new();
    world.apply(&["amer", "emea", "apac"]).await;
    let mut planning = world.planning();
    planning.allowed.removals = true;
    world.carry_out(world.plan_with(&["amer"], &planning).await).await.unwrap();
    assert_eq!(world.registered(), ["amer", "apac", "emea"]);
    world.settles(&["amer"]).await;

    world.store.advance(25 * 60 * 60);
    let pruning = prune::of_table(&world.store, None, &world.table).await.unwrap().unwrap();
    let mut options = Options::new("a-prune").unwrap();
    options.catalog = Some(Arc::new(world.catalog.clone()));
    // Where it cannot be unregistered, nothing is deleted.
    world.catalog.set_script(|call| {
        (call.operation == Operation::DeletePartitions).then_some(Fault::Item(1, ErrorKind::Denied))
    });
    let error = prune::carry_out(&world.store, &pruning, &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    world.catalog.clear_script();
    let pruning = prune::of_table(&world.store, None, &world.table).await.unwrap().unwrap();
    assert_eq!(prune::carry_out(&world.store, &pruning, &options).await.unwrap(), 2);
    assert_eq!(world.registered(), ["amer"]);
    world.settles(&["amer"]).await;
}

#[tokio::test]
async fn one_field_changed_by_hand_is_one_change_and_is_mended() {
    let world = World::new();
    world.apply(&["amer", "emea"]).await;
    world.catalog.mark("taxes", None, "owner", "ada");
    world.catalog.edit("taxes", |table| {
        table.columns[0].hive_type = "int".to_owned();
        table.parameters.insert("theirs".to_owned(), "1".to_owned());
    });
    let plan = world.plan(&["amer", "emea"]).await;
    assert_eq!(changes(&plan), ["~ columns.id"]);
    world.carry_out(plan).await.unwrap();
    let (table, _) = world.there();
    assert_eq!((table.columns[0].hive_type.as_str(), table.parameters["theirs"].as_str()), ("bigint", "1"));
    assert_eq!(world.catalog.marks("taxes", None)["owner"], "ada");
    world.settles(&["amer", "emea"]).await;
}

#[tokio::test]
async fn full_finds_what_became_of_partitions() {
    let world = World::new();
    world.apply(&["amer", "emea", "apac"]).await;
    world.catalog.edit_partitions("taxes", |partitions| {
        partitions.retain(|partition| partition.values != ["amer"]);
        let emea = partitions.iter_mut().find(|partition| partition.values == ["emea"]).unwrap();
        emea.storage.location = "s3://elsewhere/".to_owned();
        emea.parameters.insert("theirs".to_owned(), "1".to_owned());
        let mut ours = partitions[0].clone();
        ours.values = vec!["long gone".to_owned()];
        let mut theirs = ours.clone();
        theirs.values = vec!["theirs".to_owned()];
        theirs.parameters.clear();
        partitions.extend([ours, theirs]);
    });
    let regions = ["amer", "emea", "apac"];
    assert!(!world.plan(&regions).await.writes(), "a refresh reads no partitions");
    let plan = world.plan_with(&regions, &Planning { full: true, ..world.planning() }).await;
    assert_eq!(changes(&plan), ["+ region=amer", "~ region=emea location", "- region=long gone"]);
    assert_eq!(catalog_of(&plan).foreign, [["theirs".to_owned()]]);
    world.carry_out(plan).await.unwrap();
    assert_eq!(world.registered(), ["amer", "apac", "emea", "theirs"]);
    let emea = world.there().1.into_iter().find(|partition| partition.values == ["emea"]).unwrap();
    assert_eq!(emea.storage.location, "s3://published/taxes/region=emea/");
    assert_eq!(emea.parameters["theirs"], "1");
    world.settles(&regions).await;
}

/// A prune that is cut off has unregistered what it has not deleted; when objects come back, so does the partition.
#[tokio::test(start_paused = true)]
async fn what_comes_back_after_half_a_prune_is_registered_again() {
    let world = World::new();
    world.apply(&["amer", "emea"]).await;
    let mut planning = world.planning();
    planning.allowed.removals = true;
    world.carry_out(world.plan_with(&["amer"], &planning).await).await.unwrap();
    world.store.advance(25 * 60 * 60);
    let pruning = prune::of_table(&world.store, None, &world.table).await.unwrap().unwrap();
    let mut options = Options::new("a-prune").unwrap();
    options.catalog = Some(Arc::new(world.catalog.clone()));
    world.catalog.set_script(|call| (call.operation == Operation::DeletePartitions).then_some(Fault::KilledAfter));
    let killed =
        tokio::time::timeout(Duration::from_secs(30), prune::carry_out(&world.store, &pruning, &options)).await;
    world.catalog.clear_script();
    assert!(killed.is_err() && world.registered() == ["amer"]);
    world.store.advance(61);
    world.apply(&["amer", "emea"]).await;
    assert_eq!(world.registered(), ["amer", "emea"]);
    world.settles(&["amer", "emea"]).await;
}

/// A new partition that is registered already is compared and mended.
#[tokio::test]
async fn a_partition_that_is_there_already_is_mended() {
    let world = World::new();
    world.apply(&["amer"]).await;
    world.catalog.edit_partitions("taxes", |partitions| {
        let mut early = partitions[0].clone();
        early.values = vec!["emea".to_owned()];
        partitions.push(early);
    });
    world.apply(&["amer", "emea"]).await;
    let emea = world.there().1.into_iter().find(|partition| partition.values == ["emea"]).unwrap();
    assert_eq!(emea.storage.location, "s3://published/taxes/region=emea/");
    world.settles(&["amer", "emea"]).await;
}

#[tokio::test]
async fn a_table_that_is_not_ours_is_taken_over_only_when_asked() {
    let world = World::new();
    world.apply(&["amer"]).await;
    world.catalog.edit("taxes", |table| {
        table.parameters.remove("restitch.table");
        table.parameters.insert("theirs".to_owned(), "1".to_owned());
        table.storage.serde = "org.apache.hadoop.hive.serde2.OpenCSVSerde".to_owned();
    });
    let error = world.refused(&["amer"], &world.planning()).await;
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Ownership, 3));
    assert!(error.help_text().unwrap().contains("--adopt takes it over"), "{error:?}");
    assert!(error.notes().iter().any(|note| note.starts_with("serde: ")), "{:?}", error.notes());
    let plan = world.plan_with(&["amer"], &Planning { adopt: true, ..world.planning() }).await;
    assert_eq!(changes(&plan), ["~ serde", "~ parameters.restitch.table"]);
    assert!(catalog_of(&plan).compared, "partitions of a table that was not ours may be anything");
    world.carry_out(plan).await.unwrap();
    assert_eq!(world.there().0.parameters["theirs"], "1");
    world.settles(&["amer"]).await;
}

#[tokio::test]
async fn views_and_managed_tables_are_never_taken_over() {
    let world = World::new();
    world.apply(&["amer"]).await;
    for (kind, what) in [("VIRTUAL_VIEW", "is a view"), ("MANAGED_TABLE", "is a managed table"), (EXTERNAL_TABLE, "")] {
        world.catalog.mark("taxes", None, "table_type", kind);
        let planned = world.planned(&["amer"], &Planning { adopt: true, ..world.planning() }).await;
        match planned.refusals.first() {
            Some(error) => assert!(!what.is_empty() && error.message().contains(what), "{error:?}"),
            None => assert_eq!(what, ""),
        }
    }
    world.catalog.edit("taxes", |table| drop(table.parameters.insert("table_type".to_owned(), "ICEBERG".to_owned())));
    assert!(world.refused(&["amer"], &world.planning()).await.message().contains("an Iceberg table"));
}

#[tokio::test]
async fn other_partition_columns_are_refused() {
    let world = World::new();
    world.apply(&["amer"]).await;
    world.catalog.edit("taxes", |table| table.partition_keys[0].hive_type = "int".to_owned());
    let error = world.refused(&["amer"], &world.planning()).await;
    assert_eq!(error.kind(), ErrorKind::Moves);
    assert!(error.help_text().unwrap().contains("DROP TABLE taxes"), "{error:?}");
}

#[tokio::test]
async fn a_missing_database_is_made_only_when_asked() {
    let world = World { catalog: Catalog::without_database(), ..World::new() };
    let error = world.refused(&["amer"], &world.planning()).await;
    assert!(error.exit_code() == 3 && error.help_text().unwrap().contains("--create-database makes it"), "{error:?}");
    let plan = world.plan_with(&["amer"], &Planning { create_database: true, ..world.planning() }).await;
    assert!(catalog_of(&plan).creates_database);
    world.carry_out(plan).await.unwrap();
    world.settles(&["amer"]).await;
}

/// Projection's properties instead of partitions; a wider range reaches the table; back again, all are registered.
#[tokio::test]
async fn projection_is_kept_up_to_date() {
    let mut world = World::new();
    world.table.partitions = Partitions::Projection;
    world.apply(&["amer", "emea"]).await;
    let (table, partitions) = world.there();
    assert_eq!(partitions, []);
    assert_eq!(table.parameters["projection.region.values"], "amer,emea");
    assert_eq!(table.parameters["storage.location.template"], "s3://published/taxes/region=${region}/");
    let plan = world.plan(&["amer", "apac", "emea"]).await;
    assert_eq!(changes(&plan), ["~ parameters.projection.region.values"]);
    world.carry_out(plan).await.unwrap();

    world.table.partitions = Partitions::Registered;
    // Its readers see all of it all the time: projection ends when every partition is there.
    let plan = world.plan(&["amer", "apac", "emea"]).await;
    world.catalog.set_script(|call| {
        (call.operation == Operation::CreatePartitions).then_some(Fault::Item(0, ErrorKind::Denied))
    });
    world.carry_out(plan).await.unwrap_err();
    world.catalog.clear_script();
    assert_eq!(world.there().0.parameters["projection.enabled"], "true");
    world.apply(&["amer", "apac", "emea"]).await;
    assert_eq!(world.registered(), ["amer", "apac", "emea"]);
    assert!(
        world.there().0.parameters.keys().all(|name| !name.starts_with("projection.") && !name.starts_with("storage."))
    );
    world.settles(&["amer", "apac", "emea"]).await;
}

/// Queries that do not say which region they want would fail from then on.
#[tokio::test]
async fn a_projected_column_becomes_injected_only_where_that_is_stated() {
    let mut world = World::new();
    world.table.partitions = Partitions::Projection;
    world.apply(&["amer", "emea"]).await;
    let error = world.refused(&["amer", "a,b"], &world.planning()).await;
    assert_eq!(error.exit_code(), 3);
    assert!(error.help_text().unwrap().contains("\"projection.region.type\" = \"injected\""), "{error:?}");
    world.table.properties.push(("projection.region.type".to_owned(), "injected".to_owned()));
    world.apply(&["amer", "a,b"]).await;
    assert_eq!(world.there().0.parameters["projection.region.type"], "injected");
    world.settles(&["amer", "a,b"]).await;
}

#[tokio::test]
async fn a_table_without_partitions_is_registered_alone() {
    let world = World { table: table("taxes", &[], 1), ..World::new() };
    let listed = || groups(&world.table, vec![group(&[], &["s3://data/1/a.csv"])]);
    let planned = published::plan(&world.store, &world.table, listed(), &world.planning()).await.unwrap();
    world.carry_out(planned.plan.unwrap()).await.unwrap();
    assert!(world.there().1.is_empty() && world.there().0.partition_keys.is_empty());
    let planned = published::plan(&world.store, &world.table, listed(), &world.planning()).await.unwrap();
    assert!(!planned.plan.unwrap().writes());
}

#[tokio::test]
async fn what_others_did_between_plan_and_apply_is_a_lost_race() {
    let world = World::new();
    world.apply(&["amer"]).await;
    world.catalog.edit("taxes", |table| table.columns[0].hive_type = "int".to_owned());
    let plan = world.plan(&["amer"]).await;
    world.catalog.edit("taxes", |table| drop(table.parameters.insert("theirs".to_owned(), "1".to_owned())));
    let error = world.carry_out(plan).await.unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::Conflict, 4));
    world.apply(&["amer"]).await;
    assert_eq!(world.there().0.parameters["theirs"], "1");
    world.settles(&["amer"]).await;
}

#[tokio::test]
async fn a_partition_that_cannot_be_registered_is_said_and_the_others_are() {
    let world = World::new();
    world.catalog.set_script(|call| {
        (call.operation == Operation::CreatePartitions).then_some(Fault::Item(1, ErrorKind::Denied))
    });
    let error = world.carry_out(world.plan(&["amer", "apac", "emea"]).await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.notes().iter().any(|note| note.starts_with("1 partition of `taxes`")), "{:?}", error.notes());
    assert_eq!(world.registered(), ["amer", "emea"]);
    world.catalog.clear_script();
    assert!(world.plan(&["amer", "apac", "emea"]).await.unfinished);
    world.apply(&["amer", "apac", "emea"]).await;
    assert_eq!(world.registered(), ["amer", "apac", "emea"]);
    world.settles(&["amer", "apac", "emea"]).await;
}

/// Every call to the catalog fails once in each way, or is the last that the process makes; the next run comes to the same
/// end.
#[tokio::test(start_paused = true)]
async fn cut_off_anywhere_it_comes_to_the_same_end() {
    let regions = ["amer", "apac", "emea"];
    let straight = World::new();
    straight.apply(&["amer"]).await;
    straight.apply(&regions).await;
    let faults = [
        Fault::Throttled,
        Fault::Denied,
        Fault::LostRequest,
        Fault::LostAnswer,
        Fault::LandedConflict,
        Fault::KilledBefore,
        Fault::KilledAfter,
    ];
    let mut struck = BTreeMap::new();
    for fault in faults {
        for first in [&regions[..1], &[]] {
            for at in 0.. {
                let world = World::new();
                if !first.is_empty() {
                    world.apply(first).await;
                    world.catalog.edit("taxes", |table| table.columns[0].hive_type = "int".to_owned());
                }
                let plan = world.plan(&regions).await;
                let (mut calls, hit) = (0, Arc::new(std::sync::Mutex::new(None)));
                let seen = hit.clone();
                world.catalog.set_script(move |call| {
                    calls += 1;
                    (calls == at + 1).then(|| *seen.lock().unwrap() = Some(call.operation))?;
                    Some(fault)
                });
                let run = tokio::time::timeout(Duration::from_secs(30), world.carry_out(plan)).await;
                world.catalog.clear_script();
                let Some(operation) = *hit.lock().unwrap() else { break };
                *struck.entry(format!("{operation:?}")).or_insert(0) += 1;
                if !matches!(run, Ok(Ok(_))) {
                    world.store.advance(61);
                }
                world.apply(&regions).await;
                assert_eq!(world.catalog.snapshot(), straight.catalog.snapshot(), "{fault:?} at {operation:?}");
                assert_eq!(world.store.snapshot().len(), straight.store.snapshot().len());
                world.settles(&regions).await;
            }
        }
    }
    assert!(["CreateTable", "UpdateTable", "CreatePartitions"].iter().all(|call| struck[*call] >= 7), "{struck:?}");
}

#[tokio::test]
async fn columns_keep_the_comments_that_others_gave_them() {
    let mut world = World::new();
    world.apply(&["amer"]).await;
    world.catalog.edit("taxes", |table| table.columns[0].comment = Some("theirs".to_owned()));
    world.table.properties = vec![("classification".to_owned(), "csv".to_owned())];
    world.apply(&["amer"]).await;
    let (table, _) = world.there();
    assert_eq!(
        (table.columns[0].comment.as_deref(), table.parameters["classification"].as_str()),
        (Some("theirs"), "csv")
    );
    world.table.columns[0] = Column { comment: Some("ours".to_owned()), ..world.table.columns[0].clone() };
    world.apply(&["amer"]).await;
    assert_eq!(world.there().0.columns[0].comment.as_deref(), Some("ours"));
    world.settles(&["amer"]).await;
}

impl World {
    /// A table whose readers one change of the catalog changes over.
    fn switched_at_once(columns: &[&str]) -> World {
        let service = CatalogService::Hive { host: "localhost".to_owned(), port: 9083 };
        let catalog = Some(CatalogSettings { database: "default".to_owned(), service });
        let table = Table { catalog, partitions: Partitions::Projection, ..table("taxes", columns, 1) };
        World { table, ..World::new() }
    }

    /// Lines by region, as a query finds them that asks the catalog where they lie.
    fn read(&self) -> BTreeMap<String, String> {
        let (table, partitions) = self.there();
        let objects = self.store.snapshot();
        let body = |location: &str| {
            let uri = Uri::parse(&format!("{}/symlink.txt", location.trim_end_matches('/'))).unwrap();
            objects.get(&uri).map(|body| String::from_utf8(body.to_vec()).unwrap())
        };
        let Some(template) = table.parameters.get("storage.location.template") else {
            let registered = partitions.iter().map(|one| (one.values.join("/"), body(&one.storage.location)));
            return registered.filter_map(|(region, body)| Some((region, body?))).collect();
        };
        let regions = table.parameters["projection.region.values"].split(',');
        let read =
            regions.filter_map(|region| Some((region.to_owned(), body(&template.replace("${region}", region))?)));
        read.collect()
    }

    async fn planned_lines(&self, lines: &[(&str, &[&str])], planning: &Planning) -> Planned {
        let listed = groups(&self.table, lines.iter().map(|(region, lines)| group(&[region], lines)).collect());
        published::plan(&self.store, &self.table, listed, planning).await.expect("a plan")
    }

    async fn publish_lines(&self, lines: &[(&str, &[&str])], planning: &Planning) -> TablePlan {
        let planned = self.planned_lines(lines, planning).await;
        assert!(planned.refusals.is_empty(), "{:?}", planned.refusals);
        let plan = planned.plan.expect("a plan");
        self.carry_out(plan.clone()).await.expect("it is carried out");
        plan
    }
}

/// Lines that move between projected partitions change places in one update of the table.
#[tokio::test]
async fn moved_lines_of_a_projected_table_are_switched_by_one_change() {
    let world = World::switched_at_once(&["region string"]);
    world.publish_lines(&[("amer", &["s3://d/1", "s3://d/2"]), ("emea", &["s3://d/3"])], &world.planning()).await;
    let before = world.read();
    let moved: &[(&str, &[&str])] = &[("amer", &["s3://d/1"]), ("emea", &["s3://d/2", "s3://d/3"])];
    // Up to the update readers see what they saw.
    let plan = world.planned_lines(moved, &world.planning()).await.plan.unwrap();
    assert_eq!(plan.kind, restitch::plan::Kind::Switch);
    world.catalog.set_script(|call| (call.operation == Operation::UpdateTable).then_some(Fault::Denied));
    world.carry_out(plan).await.unwrap_err();
    world.catalog.clear_script();
    assert_eq!(world.read(), before);
    let updates = world.catalog.requests();
    let plan = world.publish_lines(moved, &world.planning()).await;
    assert!(plan.unfinished);
    assert_eq!(world.catalog.requests() - updates, 2, "one reads the table, one changes it");
    assert_eq!(world.read()["amer"], "s3://d/1\n");
    assert_eq!(world.read()["emea"], "s3://d/2\ns3://d/3\n");
    assert!(!world.planned_lines(moved, &world.planning()).await.plan.unwrap().writes());
}

#[tokio::test]
async fn an_unpartitioned_table_is_switched_by_its_location() {
    let world =
        World { table: Table { publish: Publish::Switch, ..World::switched_at_once(&[]).table }, ..World::new() };
    let planned = async |lines: &[&str]| {
        let listed = groups(&world.table, vec![group(&[], lines)]);
        published::plan(&world.store, &world.table, listed, &world.planning()).await.unwrap().plan.unwrap()
    };
    world.carry_out(planned(&["s3://d/1"]).await).await.unwrap();
    assert_eq!(world.there().0.storage.location, "s3://published/taxes/");
    let plan = planned(&["s3://d/1", "s3://d/2"]).await;
    assert_eq!(changes(&plan), ["~ location"]);
    world.carry_out(plan).await.unwrap();
    let location = world.there().0.storage.location;
    assert!(location.starts_with("s3://published/taxes--"), "{location}");
    assert!(!planned(&["s3://d/1", "s3://d/2"]).await.writes());
}

/// Readers of registered partitions change over one by one, which a person has to let happen.
#[tokio::test]
async fn registered_partitions_are_switched_only_when_accepted() {
    let mut world = World::new();
    world.table.publish = Publish::Switch;
    let first: &[(&str, &[&str])] = &[("amer", &["s3://d/1"]), ("apac", &["s3://d/2"]), ("emea", &["s3://d/3"])];
    world.publish_lines(first, &world.planning()).await;
    let second: &[(&str, &[&str])] =
        &[("amer", &["s3://d/1", "s3://d/2"]), ("emea", &["s3://d/3"]), ("mea", &["s3://d/4"])];
    let refusals = world.planned_lines(second, &world.planning()).await.refusals;
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert!(refusals[0].exit_code() == 3 && refusals[0].help_text().unwrap().starts_with("--accept-moves"));
    let accepted = Planning { accept_moves: true, ..world.planning() };
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let calls = seen.clone();
    world.catalog.set_script(move |call| {
        calls.lock().unwrap().push(call.operation);
        None
    });
    let plan = world.publish_lines(second, &accepted).await;
    world.catalog.clear_script();
    assert_eq!(
        changes(&plan),
        ["~ location", "~ region=amer location", "~ region=emea location", "+ region=mea", "- region=apac",]
    );
    assert!(catalog_of(&plan).removes_first, "a line moves from apac to amer");
    let calls: Vec<Operation> = seen.lock().unwrap().clone();
    let first = |operation| calls.iter().position(|call| *call == operation).unwrap();
    let last = |operation| calls.iter().rposition(|call| *call == operation).unwrap();
    assert!(last(Operation::DeletePartitions) < first(Operation::CreatePartitions), "{calls:?}");
    let lines: Vec<usize> = world.read().values().map(|body| body.lines().count()).collect();
    assert_eq!((world.registered().join(" "), lines), ("amer emea mea".to_owned(), vec![2, 1, 1]));
    assert!(!world.planned_lines(second, &accepted).await.plan.unwrap().writes());
}

/// Another serde reaches the table and every partition.
#[tokio::test]
async fn another_way_of_reading_is_switched_with_its_columns() {
    let mut world = World::new();
    world.apply(&["amer", "emea"]).await;
    world.table.columns.push(Column { name: "name".to_owned(), ddl_type: "string".to_owned(), comment: None });
    let error = world.refused(&["amer", "emea"], &world.planning()).await;
    assert_eq!(error.kind(), ErrorKind::Moves);
    let accepted = Planning { accept_moves: true, ..world.planning() };
    world.carry_out(world.plan_with(&["amer", "emea"], &accepted).await).await.unwrap();
    let (table, partitions) = world.there();
    assert!(
        partitions
            .iter()
            .all(|one| one.columns.len() == 2 && one.storage.location.starts_with("s3://published/taxes--"))
    );
    assert!(table.columns.len() == 2 && table.storage.location.starts_with("s3://published/taxes--"));
    assert!(!world.plan(&["amer", "emea"]).await.writes());
}

/// A renamed partition column of a projected table goes with everything else.
#[tokio::test]
async fn a_renamed_partition_column_of_a_projected_table_is_one_change() {
    let world = World::switched_at_once(&["region string"]);
    world.apply(&["amer", "emea"]).await;
    let renamed = World { table: World::switched_at_once(&["area string"]).table, ..world };
    let plan = renamed.plan(&["amer", "emea"]).await;
    renamed.carry_out(plan).await.unwrap();
    let (table, _) = renamed.there();
    assert_eq!(table.partition_keys[0].name, "area");
    assert!(table.parameters.keys().all(|name| !name.contains(".region.")), "{:?}", table.parameters);
    assert!(table.parameters["storage.location.template"].ends_with("/area=${area}/"));
    assert!(!renamed.plan(&["amer", "emea"]).await.writes());
}

/// Cut off at any call, the next run comes to the same end, and readers see the old table or the new.
#[tokio::test(start_paused = true)]
async fn a_switch_cut_off_anywhere_is_whole() {
    let first: &[(&str, &[&str])] = &[("amer", &["s3://d/1", "s3://d/2"]), ("emea", &["s3://d/3"])];
    let second: &[(&str, &[&str])] = &[("amer", &["s3://d/1"]), ("emea", &["s3://d/2", "s3://d/3"])];
    for fault in [Fault::Throttled, Fault::LostRequest, Fault::LostAnswer, Fault::KilledBefore, Fault::KilledAfter] {
        let world = World::switched_at_once(&["region string"]);
        world.publish_lines(first, &world.planning()).await;
        let old = world.read();
        let plan = world.planned_lines(second, &world.planning()).await.plan.unwrap();
        world.catalog.set_script(move |call| (call.operation == Operation::UpdateTable).then_some(fault));
        let run = tokio::time::timeout(Duration::from_secs(30), world.carry_out(plan)).await;
        world.catalog.clear_script();
        let seen = world.read();
        if !matches!(run, Ok(Ok(_))) {
            world.store.advance(61);
        }
        world.publish_lines(second, &world.planning()).await;
        let new = world.read();
        assert!(seen == old || seen == new, "{fault:?}: {seen:?}");
        assert_ne!(old, new);
        // What was begun is found, not written into yet another directory.
        let directories = world.store.snapshot().into_keys().filter(|uri| uri.key.starts_with("taxes--"));
        assert_eq!(directories.count(), 2, "{fault:?}");
    }
}

/// A directory that the catalog's table still names stays, whatever the marker says.
#[tokio::test]
async fn prune_leaves_what_the_catalog_names() {
    let world = World::switched_at_once(&["region string"]);
    let first: &[(&str, &[&str])] = &[("amer", &["s3://d/1", "s3://d/2"]), ("emea", &["s3://d/3"])];
    let second: &[(&str, &[&str])] = &[("amer", &["s3://d/1"]), ("emea", &["s3://d/2", "s3://d/3"])];
    world.publish_lines(first, &world.planning()).await;
    let old = world.there().0;
    world.publish_lines(second, &world.planning()).await;
    world.store.advance(25 * 60 * 60);
    let options = Options { catalog: Some(Arc::new(world.catalog.clone())), ..Options::new("a-prune").unwrap() };
    let look = || prune::of_table(&world.store, None, &world.table);
    let new = world.there().0;
    world.catalog.edit("taxes", |table| *table = old.clone());
    assert_eq!(prune::carry_out(&world.store, &look().await.unwrap().unwrap(), &options).await.unwrap(), 0);
    world.catalog.edit("taxes", |table| *table = new.clone());
    assert_eq!(prune::carry_out(&world.store, &look().await.unwrap().unwrap(), &options).await.unwrap(), 2);
    assert_eq!(world.read().len(), 2);
}

/// A giver that stays registered keeps its lines: nothing is added that it may hold.
#[tokio::test]
async fn nothing_is_added_while_a_giver_stays() {
    let mut world = World::new();
    world.table.publish = Publish::Switch;
    world.publish_lines(&[("amer", &["s3://d/1"]), ("apac", &["s3://d/2"])], &world.planning()).await;
    let accepted = Planning { accept_moves: true, ..world.planning() };
    let moved: &[(&str, &[&str])] = &[("amer", &["s3://d/1", "s3://d/2"])];
    let plan = world.planned_lines(moved, &accepted).await.plan.unwrap();
    world.catalog.set_script(|call| {
        (call.operation == Operation::DeletePartitions).then_some(Fault::Item(0, ErrorKind::Denied))
    });
    assert_eq!(world.carry_out(plan).await.unwrap_err().kind(), ErrorKind::Denied);
    world.catalog.clear_script();
    let lines: Vec<String> =
        world.read().into_values().flat_map(|body| body.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let once: std::collections::BTreeSet<&String> = lines.iter().collect();
    assert_eq!(once.len(), lines.len(), "a row is there twice: {lines:?}");
    world.publish_lines(moved, &accepted).await;
    assert_eq!(world.read(), BTreeMap::from([("amer".to_owned(), "s3://d/1\ns3://d/2\n".to_owned())]));
}

/// A projected table whose partitions have all vanished keeps its ranges.
#[tokio::test]
async fn a_projected_table_can_be_emptied() {
    let world = World::switched_at_once(&["year int"]);
    world.publish_lines(&[("2024", &["s3://d/1"])], &world.planning()).await;
    let range = world.there().0.parameters["projection.year.range"].clone();
    let mut planning = world.planning();
    (planning.allowed.empty, planning.allowed.removals) = (true, true);
    world.publish_lines(&[], &planning).await;
    assert_eq!(world.there().0.parameters["projection.year.range"], range);
    assert!(world.store.snapshot().iter().all(|(uri, body)| !uri.key.ends_with("symlink.txt") || body.is_empty()));
}

/// A table that somebody else has made since is not written to.
#[tokio::test]
async fn a_saved_plan_that_leaves_the_table_alone_goes_stale_with_it() {
    let world = World::new();
    world.apply(&["amer"]).await;
    let plan = world.plan(&["amer", "emea"]).await;
    assert_eq!(catalog_of(&plan).table, TableChange::None);
    world.catalog.edit("taxes", |table| drop(table.parameters.remove("restitch.table")));
    let options = Options { catalog: Some(Arc::new(world.catalog.clone())), ..Options::new("a-plan").unwrap() };
    let error = apply::saved::look(&world.store, &plan, &options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stale);
}

/// Readers have changed over, the marker does not say so yet: a table is not half removed, nor are its lines left behind.
#[tokio::test(start_paused = true)]
async fn a_table_is_not_removed_in_the_middle_of_a_switch() {
    let world = World::switched_at_once(&["region string"]);
    let removed = Removed { name: "taxes".to_owned(), location: world.table.location.clone().unwrap() };
    let planned = async || current::removed(&world.store, &removed, &world.planning()).await.unwrap().unwrap();
    world.publish_lines(&[("amer", &["s3://d/1", "s3://d/2"])], &world.planning()).await;
    let moved: &[(&str, &[&str])] = &[("amer", &["s3://d/1"]), ("emea", &["s3://d/2"])];
    let plan = world.planned_lines(moved, &world.planning()).await.plan.unwrap();
    world.catalog.set_script(|call| (call.operation == Operation::UpdateTable).then_some(Fault::KilledAfter));
    assert!(tokio::time::timeout(Duration::from_secs(30), world.carry_out(plan)).await.is_err(), "it is killed");
    world.catalog.clear_script();
    world.store.advance(61);
    let refusals = planned().await.refusals;
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    assert_eq!((refusals[0].kind(), refusals[0].exit_code()), (ErrorKind::Ownership, 3));
    world.publish_lines(moved, &world.planning()).await;
    let planned = planned().await;
    assert!(planned.refusals.is_empty(), "{:?}", planned.refusals);
    published::carry_out(&world.store, planned, &Options::new("a-removal").unwrap()).await.unwrap();
    assert!(world.read().values().all(String::is_empty), "{:?}", world.read());
}

/// Nothing of a table that has left the rule file is kept for readers of its table in the catalog.
#[tokio::test]
async fn prune_takes_all_of_a_removed_table_whatever_the_catalog_names() {
    let world = World::switched_at_once(&["region string"]);
    let removed = Removed { name: "taxes".to_owned(), location: world.table.location.clone().unwrap() };
    world.publish_lines(&[("amer", &["s3://d/1", "s3://d/2"])], &world.planning()).await;
    let old = world.there().0;
    world.publish_lines(&[("amer", &["s3://d/1"]), ("emea", &["s3://d/2"])], &world.planning()).await;
    let planned = current::removed(&world.store, &removed, &world.planning()).await.unwrap().unwrap();
    published::carry_out(&world.store, planned, &Options::new("a-removal").unwrap()).await.unwrap();
    world.catalog.edit("taxes", |table| *table = old.clone());
    world.store.advance(25 * 60 * 60);
    let options = Options { catalog: Some(Arc::new(world.catalog.clone())), ..Options::new("a-prune").unwrap() };
    let pruning = prune::of_removed(&world.store, None, &removed).await.unwrap().unwrap();
    assert!(pruning.whole);
    prune::carry_out(&world.store, &pruning, &options).await.unwrap();
    assert!(world.store.snapshot().is_empty(), "{:?}", world.store.snapshot().keys());
}

/// A directory that was refreshed where it stands holds something else than its name says: queries may still read it.
#[tokio::test]
async fn a_switch_back_takes_another_directory_than_one_that_has_changed_since() {
    let world = World::switched_at_once(&["region string"]);
    let first: &[(&str, &[&str])] = &[("amer", &["s3://d/1", "s3://d/2"]), ("emea", &["s3://d/3"])];
    let second: &[(&str, &[&str])] = &[("amer", &["s3://d/1"]), ("emea", &["s3://d/2", "s3://d/3"])];
    world.publish_lines(first, &world.planning()).await;
    let named = world.publish_lines(second, &world.planning()).await.directory().unwrap();
    let more = [second, &[("mea", &["s3://d/4"])]].concat();
    world.publish_lines(&more, &world.planning()).await;
    let mut planning = world.planning();
    (planning.allowed.empty, planning.allowed.removals) = (true, true);
    world.publish_lines(first, &planning).await;
    let as_it_was = world.store.snapshot();
    let again = world.publish_lines(second, &planning).await.directory().unwrap();
    assert_ne!(again, named);
    assert_eq!(world.read()["emea"], "s3://d/2\ns3://d/3\n");
    let now = world.store.snapshot();
    let untouched = as_it_was.iter().filter(|(uri, _)| uri.key.starts_with(&named.key));
    assert!(untouched.clone().count() == 3 && untouched.into_iter().all(|(uri, body)| now.get(uri) == Some(body)));
}

/// Without its marker nothing says since when a directory is not current: the day begins with the new marker.
#[tokio::test]
async fn a_directory_stays_for_a_day_after_its_marker_was_made_anew() {
    let world = World::switched_at_once(&["region string"]);
    let lines: &[(&str, &[&str])] = &[("amer", &["s3://d/1"]), ("emea", &["s3://d/2"])];
    world.publish_lines(&[("amer", &["s3://d/1", "s3://d/2"])], &world.planning()).await;
    world.publish_lines(lines, &world.planning()).await;
    world.store.advance(3 * 24 * 60 * 60);
    let look = async || prune::of_table(&world.store, None, &world.table).await.unwrap().unwrap();
    let options = Options { catalog: Some(Arc::new(world.catalog.clone())), ..Options::new("a-prune").unwrap() };
    prune::carry_out(&world.store, &look().await, &options).await.unwrap();
    assert!(world.store.remove(&world.table.location.as_ref().unwrap().join("_restitch.json")));
    world.publish_lines(lines, &world.planning()).await;
    let pruning = look().await;
    assert_eq!((pruning.replaced.len(), pruning.replaced_lately), (0, 1), "queries may still read it");
    world.store.advance(12 * 60 * 60);
    world.publish_lines(&[lines, &[("mea", &["s3://d/4"])]].concat(), &world.planning()).await;
    world.store.advance(13 * 60 * 60);
    assert_eq!(look().await.replaced.len(), 1, "another apply does not make the day longer");
}
