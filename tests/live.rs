//! `check --live`: the real binary against S3 and Glue in process, and against local folders.
#![cfg(all(feature = "cli", feature = "s3", feature = "glue"))]

mod glue_server;
mod loopback;
mod ran;
mod s3_server;

use std::path::Path;

use s3s::dto::{
    ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter, NoncurrentVersionExpiration, Tag,
    Transition, TransitionStorageClass,
};
use serde_json::Value;
use tempfile::TempDir;

use ran::Ran;
use s3_server::{Access, Conditions, Fault, Kind};

const RULES: &str = r#"
[catalog]
type     = "glue"
database = "sales"
region   = "eu-west-1"

[defaults]
location = 's3://tables/{table}/'

[table.taxes]
columns        = ["id bigint", "amount decimal(10,2)"]
partitioned_by = ["region string"]
format         = { type = "csv", header_lines = 1 }

[[table.taxes.rule]]
match = 's3://data/tax/{region}/*.csv'
"#;

struct World {
    s3: s3_server::Server,
    glue: glue_server::Server,
    folder: TempDir,
}

impl World {
    /// With all that the rules name, and nothing published.
    fn whole() -> World {
        let (s3, glue) = (s3_server::Server::start(), glue_server::Server::start());
        s3.bucket("data", "eu-west-1");
        s3.bucket("tables", "us-east-1");
        s3.insert("data", "tax/amer/1.csv", "id,amount\n1,2.0\n");
        glue.database("sales");
        let world = World { s3, glue, folder: tempfile::tempdir().unwrap() };
        world.rules(RULES);
        world
    }

    fn rules(&self, text: &str) {
        std::fs::write(self.folder.path().join("restitch.toml"), text).unwrap();
    }

    fn run(&self, args: &str) -> Ran {
        let environment = self.glue.environment().into_iter().chain(self.s3.environment());
        Ran::of(args, self.folder.path(), environment, &[s3_server::SECRET_KEY])
    }

    /// Checks, and leaves nothing behind.
    #[track_caller]
    fn check(&self) -> Ran {
        let before = self.s3.keys("tables");
        let ran = self.run("check --live");
        assert_eq!(self.s3.keys("tables"), before);
        ran
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.run("check --live --json").text).unwrap()
    }
}

const PROBE: &str = "arn:aws:s3:::tables/taxes/_restitch_probe_";

/// A rule that is switched on, for what begins with `prefix`.
fn lifecycle(id: &str, prefix: &str) -> LifecycleRule {
    LifecycleRule {
        abort_incomplete_multipart_upload: None,
        expiration: None,
        filter: Some(LifecycleRuleFilter { prefix: Some(prefix.into()), ..LifecycleRuleFilter::default() }),
        id: Some(id.into()),
        noncurrent_version_expiration: None,
        noncurrent_version_transitions: None,
        prefix: None,
        status: ExpirationStatus::from_static(ExpirationStatus::ENABLED),
        transitions: None,
    }
}

fn deleting(id: &str, prefix: &str, days: i32) -> LifecycleRule {
    let expiration = Some(LifecycleExpiration { days: Some(days), ..LifecycleExpiration::default() });
    LifecycleRule { expiration, ..lifecycle(id, prefix) }
}

fn moving(id: &str, prefix: &str, days: i32, class: &'static str) -> LifecycleRule {
    let storage_class = Some(TransitionStorageClass::from_static(class));
    let transition = Transition { days: Some(days), storage_class, ..Transition::default() };
    LifecycleRule { transitions: Some(vec![transition]), ..lifecycle(id, prefix) }
}

#[test]
fn what_is_there_is_said_and_nothing_is_left_behind() {
    let world = World::whole();
    world.check().says(
        0,
        &[
            "prefix    s3://data/tax/  listed",
            "location  s3://tables/taxes/  listed, written under conditions, read, deleted",
            "bucket    s3://data/  in eu-west-1, no lifecycle rule takes away what tables name",
            "bucket    s3://tables/  in us-east-1",
            "catalog   Glue database",
            "there, read: 0 of 1 tables registered, writing there was not tried",
            "no errors, no warnings",
        ],
    );
    assert_eq!(world.glue.calls().iter().filter(|call| !call.starts_with("Get")).count(), 0);
    world.run("apply --yes").says(0, &[]);
    world.check().says(0, &["read: 1 of 1 tables registered"]);
    assert_eq!(world.glue.count("GetPartitions"), 1);
    let document = world.json();
    assert_eq!((&document["errors"], &document["live"][1]["what"]), (&0.into(), &"location".into()));
}

#[test]
fn without_live_nobody_is_asked() {
    let world = World::whole();
    world.run("check").says(0, &[]).without("location  ");
    assert_eq!((world.s3.counts().all(), world.glue.calls().len()), (0, 0));
    let document: Value = serde_json::from_str(&world.run("check --json").text).unwrap();
    assert_eq!(document["live"], Value::Null);
    world.rules("[table.taxes]\ncolums = 1\n");
    world.run("check --live").says(1, &["nothing reached"]);
}

#[test]
fn all_that_is_missing_is_said_at_once_errors_first() {
    let world = World::whole();
    world.s3.bucket_with("shut", "us-east-1", Access::Denied);
    let more = "[[table.taxes.rule]]\nmatch = 's3://data/empty/{region}/*.csv'\n[[table.taxes.rule]]\nmatch = \
                's3://shut/x/{region}/*.csv'\n[[table.taxes.rule]]\nmatch = 's3://none/a/{region}/*.csv'\n\
                [[table.taxes.rule]]\nmatch = 's3://none/b/{region}/*.csv'\n";
    let rules = RULES.replace("s3://tables/", "s3://nowhere/").replace("\"sales\"", "\"other\"");
    world.rules(&format!("{rules}{more}"));
    let ran = world.check().says(
        1,
        &[
            "error: there is no bucket `none`",
            "error: listing s3://shut/x/ is denied",
            "s3:ListBucket",
            "requester_pays = true",
            "error: there is no bucket `nowhere`",
            "error: there is no Glue database",
            "restitch apply --create-database",
            "warning: nothing lies below s3://data/empty/",
            "prefix    s3://shut/x/  not reached",
            "catalog   Glue database other in eu-west-1  not there",
            "4 errors, 1 warning",
        ],
    );
    assert_eq!(ran.text.matches("no bucket `none`").count(), 1, "{}", ran.text);
    let document = world.json();
    let severities: Vec<&Value> =
        document["diagnostics"].as_array().unwrap().iter().map(|one| &one["severity"]).collect();
    assert_eq!(severities, ["error", "error", "error", "error", "warning"]);
}

#[test]
fn lines_can_leave_before_a_lifecycle_rule_takes_their_objects() {
    let world = World::whole();
    let warning = "warning: objects that `taxes` names will be taken away in s3://data/";
    for (rule, help) in [
        (deleting("old", "tax/", 30), "leave_after = \"29d\""),
        (deleting("old", "", 30), "leave_after = \"29d\""),
        (deleting("old", "tax/amer/", 1), "leave_after = \"12h\""),
        (moving("cold", "ta", 90, "GLACIER"), "leave_after = \"89d\""),
        (moving("cold", "tax/", 0, "DEEP_ARCHIVE"), "can be in no table"),
        (LifecycleRule { prefix: Some("tax/".into()), filter: None, ..deleting("older", "", 7) }, "\"6d\""),
    ] {
        let id = rule.id.clone().unwrap();
        world.s3.upkeep("data", false, vec![rule]);
        world.check().says(0, &[warning, &format!("lifecycle rule `{id}`"), help]);
    }
    world.s3.upkeep("data", false, vec![deleting("a", "tax/", 30), deleting("b", "tax/", 10)]);
    world.check().says(0, &["`a`", "30 days", "`b`", "10 days", "leave_after = \"9d\"", "1 warning"]);
    let after = |text: &str| RULES.replace("[table.taxes]", &format!("[table.taxes]\nleave_after = \"{text}\""));
    world.rules(&after("9d"));
    world.check().says(0, &["no warnings"]);
    world.rules(&after("10d"));
    world.check().says(0, &[warning]);
}

#[test]
fn a_lifecycle_rule_that_touches_nothing_is_passed_over() {
    let world = World::whole();
    let off = ExpirationStatus::from_static(ExpirationStatus::DISABLED);
    let tag = Some(Tag { key: Some("k".into()), value: Some("v".into()) });
    let tagged = Some(LifecycleRuleFilter { tag, ..LifecycleRuleFilter::default() });
    world.s3.upkeep(
        "data",
        false,
        vec![
            deleting("elsewhere", "logs/", 1),
            LifecycleRule { status: off, ..deleting("off", "tax/", 1) },
            moving("warm", "tax/", 30, "STANDARD_IA"),
        ],
    );
    // Manifests bear no tags.
    world.s3.upkeep("tables", false, vec![LifecycleRule { filter: tagged, ..deleting("tagged", "", 1) }]);
    world.check().says(0, &["no warnings"]);
}

#[test]
fn a_lifecycle_rule_that_takes_the_manifests_is_an_error() {
    let world = World::whole();
    world.s3.upkeep("tables", false, vec![deleting("all", "", 365)]);
    world.check().says(
        1,
        &["error: the manifests of `taxes` themselves will be taken away", "deletes all objects 365 days", "location"],
    );
}

#[test]
fn versions_and_what_may_not_be_asked_are_notes() {
    let world = World::whole();
    world.s3.upkeep("tables", true, vec![]);
    world.check().says(0, &["note: s3://tables/ keeps versions", "help: a lifecycle rule"]);
    let days = Some(NoncurrentVersionExpiration { noncurrent_days: Some(7), ..NoncurrentVersionExpiration::default() });
    let cleaning = LifecycleRule { noncurrent_version_expiration: days, ..lifecycle("clean", "taxes/") };
    world.s3.upkeep("tables", true, vec![cleaning]);
    world.check().says(0, &["note: s3://tables/ keeps versions"]).without("help: a lifecycle rule");
    let settings = |kind| matches!(kind, Kind::Versioning | Kind::Lifecycle);
    world.s3.script(move |call| settings(call.kind).then_some(Fault::Denied));
    world.check().says(0, &["no errors, no warnings"]);
    let notes = world.run("check --live").text;
    for action in ["s3:GetBucketVersioning on arn:aws:s3:::tables", "s3:GetLifecycleConfiguration on arn:aws:s3:::data"]
    {
        assert!(notes.contains(action), "no {action} in\n{notes}");
    }
    world.s3.script(move |call| settings(call.kind).then_some(Fault::NotImplemented));
    world.check().says(0, &["no errors, no warnings"]).without("note:");
}

#[test]
fn a_store_that_does_not_keep_conditions_is_found_out() {
    let world = World::whole();
    for conditions in [Conditions::Ignored, Conditions::Refused] {
        world.s3.set(|settings| settings.conditions = conditions);
        world.check().says(1, &["error: the store of s3://tables/taxes/ does not write under conditions"]);
    }
}

#[test]
fn each_permission_below_a_location_is_tried() {
    let world = World::whole();
    for (kind, said, code) in [
        (Kind::Put, ["s3:PutObject", PROBE], 1),
        (Kind::Get, ["s3:GetObject", PROBE], 1),
        (Kind::DeleteBatch, ["s3:DeleteObject", PROBE], 0),
        (Kind::List, ["s3:ListBucket", "arn:aws:s3:::tables"], 1),
    ] {
        world.s3.script(move |call| (call.kind == kind && call.bucket == "tables").then_some(Fault::Denied));
        world.check().says(code, &said);
    }
    // What could not be deleted is not written, only tried to.
    let keys = world.s3.keys("tables");
    world.s3.script(|call| (call.kind == Kind::DeleteBatch).then_some(Fault::Denied));
    world.check().says(0, &["warning: ", "`prune` has to delete", "listed, may be written, under conditions"]);
    world.s3.script(|call| [Kind::DeleteBatch, Kind::Put].contains(&call.kind).then_some(Fault::Denied));
    world.check().says(1, &["error: ", "s3:PutObject", PROBE, "warning: ", "`prune` has to delete"]);
    assert_eq!(world.s3.keys("tables"), keys);
}

#[test]
fn an_answer_that_is_lost_is_no_finding() {
    let world = World::whole();
    world.s3.script(|call| (call.kind == Kind::Put && call.before == 0).then_some(Fault::LostAnswer));
    world.check().says(0, &["written under conditions, read, deleted"]);
}

#[test]
fn glue_that_may_not_be_read_is_an_error_with_the_action() {
    let world = World::whole();
    for action in ["GetDatabase", "GetTable"] {
        let denied = glue_server::Fault::Exception("AccessDeniedException");
        world.glue.script(move |call| (call.action == action).then_some(denied.clone()));
        world.check().says(1, &["error: ", &format!("glue:{action}")]);
    }
}

#[test]
fn a_probe_under_way_does_not_stand_in_the_way_of_a_plan() {
    let world = World::whole();
    world.s3.insert("tables", "taxes/_restitch_probe_0123456789abcdef", "x");
    world.run("apply --yes").says(0, &[]);
    world.run("verify").says(0, &[]);
}

#[test]
fn local_folders_are_reached_and_none_is_made() {
    let world = World::whole();
    let folder = world.folder.path();
    let rules = "[table.t]\ncolumns = [\"id bigint\"]\nformat = \"csv\"\nlocation = 'out/made/later/'\n\n\
                 [[table.t.rule]]\nmatch = 'file://DATA/*.csv'\n";
    let data = folder.join("data");
    let rules = rules.replace("DATA", &data.to_string_lossy());
    world.rules(&rules);
    let files = |path: &Path| std::fs::read_dir(path).unwrap().count();
    std::fs::create_dir(&data).unwrap();
    let reached = "listed, written under conditions, read, deleted";
    world.run("check --live").says(0, &["nothing lies below file://", "location  file://", reached]);
    assert_eq!(files(folder), 2);
    std::fs::write(data.join("1.csv"), "1\n").unwrap();
    world.run("check --live").says(0, &[reached]).without("nothing lies below");
    // A file stands where a folder is to be made.
    std::fs::write(folder.join("out"), "").unwrap();
    world.run("check --live").says(1, &["error: "]);
    assert_eq!(files(folder), 3);
}
