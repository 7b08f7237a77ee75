//! S3 Inventory as a listing, by the real binary: reports that pyarrow and DuckDB wrote (`samples/inventory/make.py`), in
//! folders and in buckets, and what happens where one is not what it says.
#![cfg(all(feature = "cli", feature = "inventory"))]

#[cfg(feature = "s3")]
mod loopback;
mod ran;
#[cfg(feature = "s3")]
mod s3_server;

use std::fs;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use serde_json::{Value, json};
use tempfile::TempDir;

use ran::Ran;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples/inventory");

/// The newest complete report of every sample.
const DATE: &str = "2026-11-23T01-00Z";

const RULES: &str = r"
[table.events]
location       = 'out/events/'
columns        = ['id bigint']
partitioned_by = ['dt date']
format         = 'parquet'
append_only    = true

[[table.events.rule]]
match = 's3://acme-data/events/dt={dt}/hour={_}/*.parquet'
";

/// A rule file that lists the whole bucket.
const EVERYTHING: &str = r"
[table.all]
columns = ['id bigint']
format  = 'parquet'

[[table.all.rule]]
match = 's3://acme-data/**'
";

fn folder(rules: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("restitch.toml"), rules).unwrap();
    folder
}

fn run(folder: &TempDir, args: &str) -> Ran {
    Ran::of(args, folder.path(), [], &[])
}

/// The names of the samples.
fn samples() -> Vec<String> {
    let entries = fs::read_dir(SAMPLES).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.path().join(DATE).is_dir());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names.len(), 14);
    names
}

/// The objects that JSON lines name, in order of their URIs.
fn objects(lines: &str) -> Vec<Value> {
    let mut objects: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    objects.sort_by_key(|object| object["uri"].as_str().unwrap().to_owned());
    objects
}

/// What a sample lists.
fn expected(sample: &str) -> Vec<Value> {
    let mut objects = objects(&fs::read_to_string(format!("{SAMPLES}/objects.jsonl")).unwrap());
    if sample.ends_with("-some") {
        for object in objects.iter_mut().map(|object| object.as_object_mut().unwrap()) {
            object.retain(|name, _| name != "modified" && name != "etag");
        }
    }
    objects
}

/// A copy of a sample that may be spoilt.
fn copy(sample: &str) -> (TempDir, PathBuf) {
    let folder = folder(EVERYTHING);
    let copy = folder.path().join("inv");
    for part in [DATE, "data"] {
        fs::create_dir_all(copy.join(part)).unwrap();
        for entry in fs::read_dir(format!("{SAMPLES}/{sample}/{part}")).unwrap().map(Result::unwrap) {
            fs::copy(entry.path(), copy.join(part).join(entry.file_name())).unwrap();
        }
    }
    (folder, copy.join(DATE))
}

/// Changes a manifest, and its checksum with it.
fn edit(report: &Path, change: impl FnOnce(&mut Value)) {
    let path = report.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    let text = manifest.to_string();
    let digest: String = Md5::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(report.join("manifest.checksum"), digest).unwrap();
    fs::write(path, text).unwrap();
}

/// The first data file of a report.
fn data(report: &Path) -> PathBuf {
    let manifest: Value = serde_json::from_slice(&fs::read(report.join("manifest.json")).unwrap()).unwrap();
    let key = manifest["files"][0]["key"].as_str().unwrap().to_owned();
    report.parent().unwrap().join("data").join(key.rsplit('/').next().unwrap())
}

#[test]
fn every_format_writer_and_choice_of_columns_lists_the_same_objects() {
    let folder = folder(EVERYTHING);
    for sample in samples() {
        for source in [format!("{SAMPLES}/{sample}"), format!("{SAMPLES}/{sample}/{DATE}/manifest.json")] {
            let ran = run(&folder, &format!("ls --listing s3://acme-data/={source}")).says(0, &[]);
            assert_eq!(objects(&ran.stdout), expected(&sample), "{source}");
        }
    }
}

#[test]
fn without_a_prefix_an_inventory_is_of_its_bucket_and_with_one_of_what_is_below() {
    let folder = folder(EVERYTHING);
    let ran = run(&folder, &format!("ls --listing {SAMPLES}/parquet-snappy")).says(0, &[]);
    assert_eq!(objects(&ran.stdout), expected("parquet-snappy"));

    let rules = EVERYTHING.replace("acme-data/**", "acme-data/odd/**");
    fs::write(folder.path().join("restitch.toml"), rules).unwrap();
    for sample in ["csv", "parquet-versions", "orc-zlib"] {
        let ran = run(&folder, &format!("ls --listing s3://acme-data/odd/={SAMPLES}/{sample}")).says(0, &[]);
        let below = |object: &Value| object["uri"].as_str().unwrap().starts_with("s3://acme-data/odd/");
        let expected: Vec<Value> = expected(sample).into_iter().filter(below).collect();
        assert_eq!(objects(&ran.stdout), expected, "{sample}");
    }
}

#[test]
fn the_newest_complete_report_is_taken_and_others_are_named() {
    let folder = folder(EVERYTHING);
    let ran = run(&folder, &format!("ls --listing {SAMPLES}/csv"));
    ran.says(0, &["the report of 2026-11-24T01-00Z is not complete", "manifest.checksum is not there"]);

    let (folder, report) = copy("csv-some");
    let newer = report.with_file_name("2026-11-25T01-00Z");
    fs::create_dir(&newer).unwrap();
    run(&folder, "ls --listing inv").says(0, &["2026-11-25T01-00Z is not complete", "manifest.json is not there"]);
    fs::copy(report.join("manifest.json"), newer.join("manifest.json")).unwrap();
    fs::write(newer.join("manifest.checksum"), "0".repeat(32)).unwrap();
    let ran = run(&folder, "ls --listing inv")
        .says(0, &["is not complete", "manifest.json is not what manifest.checksum says"]);
    assert_eq!(objects(&ran.stdout), expected("csv-some"));
    fs::remove_file(report.join("manifest.json")).unwrap();
    let none = ["inv/ holds no complete report of an S3 Inventory", "help:"];
    run(&folder, "ls --listing inv").says(1, &none);
    fs::create_dir(folder.path().join("empty")).unwrap();
    run(&folder, "ls --listing empty").says(1, &["empty/ holds no report of an S3 Inventory"]);
}

#[test]
fn a_report_copied_flat_or_with_its_bucket_is_found() {
    let (folder, report) = copy("csv");
    let expected = expected("csv");
    let data = report.parent().unwrap().join("data");
    let flat = folder.path().join("flat");
    fs::create_dir(&flat).unwrap();
    for from in [&data, &report] {
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            fs::copy(entry.path(), flat.join(entry.file_name())).unwrap();
        }
    }
    let ran = run(&folder, "ls --listing flat/manifest.json").says(0, &[]);
    assert_eq!(objects(&ran.stdout), expected);

    let whole = folder.path().join("bucket/reports/acme-data/csv");
    fs::create_dir_all(whole.join("dates")).unwrap();
    fs::rename(&data, whole.join("data")).unwrap();
    fs::rename(&report, whole.join("dates").join(DATE)).unwrap();
    let ran = run(&folder, &format!("ls --listing bucket/reports/acme-data/csv/dates/{DATE}")).says(0, &[]);
    assert_eq!(objects(&ran.stdout), expected);
}

#[test]
fn a_report_says_when_it_was_true_and_a_table_may_say_how_old_it_may_be() {
    let folder = folder(RULES);
    let listing = format!("--listing s3://acme-data/={SAMPLES}/csv");
    let ran = run(&folder, &format!("plan --json {listing}")).says(0, &[]);
    let plan: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(plan["as_of"], "2026-11-23T01:00:00Z");
    run(&folder, &format!("apply --yes {listing}")).says(0, &["events"]);
    let manifest = fs::read_to_string(folder.path().join("out/events/dt=2026-11-22/symlink.txt")).unwrap();
    assert_eq!(manifest.lines().count(), 3 - glacier("dt=2026-11-22"));

    let limited = RULES.replace("[table.events]", "[table.events]\nmax_listing_age = '1h'");
    fs::write(folder.path().join("restitch.toml"), limited).unwrap();
    run(&folder, &format!("plan {listing}")).says(3, &["the listing for `events` is", "max_listing_age is 3600 s"]);
}

/// Objects whose URI holds `piece` that are archived, so that nothing can read them.
fn glacier(piece: &str) -> usize {
    let is = |object: &&Value| object["uri"].as_str().unwrap().contains(piece) && object["storage_class"] == "GLACIER";
    expected("csv").iter().filter(is).count()
}

#[test]
fn a_rule_file_names_an_inventory_beside_itself() {
    let listing = format!("[[listing]]\nprefix = 's3://acme-data/'\nfrom = '{SAMPLES}/orc-snappy'\n");
    let folder = folder(&(listing + EVERYTHING));
    let ran = run(&folder, "ls").says(0, &[]);
    assert_eq!(objects(&ran.stdout), expected("orc-snappy"));
}

#[test]
fn what_is_no_inventory_is_said_to_be_none() {
    let listed = |change: &dyn Fn(&Path), says: &[&str]| {
        let (folder, report) = copy("csv");
        change(&report);
        run(&folder, &format!("ls --listing inv/{DATE}/manifest.json")).says(1, says);
    };
    let write = |text: &'static str| move |report: &Path| fs::write(report.join("manifest.json"), text).unwrap();
    listed(&write("{\"Contents\": []}"), &["manifest.json: this is no manifest of an S3 Inventory", "help:"]);
    listed(&write("s3://acme-data/x\n"), &["manifest.json: this is no manifest of an S3 Inventory"]);
    listed(&|report| fs::remove_file(report.join("manifest.json")).unwrap(), &["manifest.json is not there"]);
    let set =
        |name: &'static str, value: Value| move |report: &Path| edit(report, |manifest| manifest[name] = value.clone());
    listed(
        &set("fileFormat", json!("Avro")),
        &["`Avro` is no format of S3 Inventory", "help: CSV, Parquet and ORC are read"],
    );
    listed(&set("fileSchema", json!("Bucket, Size")), &["`fileSchema` names no column `Key`: Bucket, Size"]);
    listed(
        &set("fileSchema", json!("Bucket, Key, VersionId")),
        &["the report lists versions without `IsLatest`", "help:"],
    );
    listed(&set("fileSchema", json!("Bucket, Key")), &["2026-11-23-0.csv.gz:1: over 2 fields", "has 2 columns"]);
}

#[test]
fn an_inventory_of_another_bucket_is_not_this_ones_listing() {
    let folder = folder(EVERYTHING);
    let ran = run(&folder, &format!("ls --listing s3://other/={SAMPLES}/csv"));
    ran.says(1, &["lists s3://acme-data/, not s3://other/", "help: --listing s3://acme-data/="]);
}

#[test]
fn two_listings_of_one_prefix_are_one_too_many() {
    let folder = folder(EVERYTHING);
    let ran = run(&folder, &format!("ls --listing {SAMPLES}/csv --listing s3://acme-data/odd/={SAMPLES}/orc-zlib"));
    ran.says(1, &["two listings overlap: one of s3://acme-data/, one of s3://acme-data/odd/", "help:"]);
}

#[test]
fn a_file_that_is_not_the_manifests_own_is_never_a_part_of_a_listing() {
    for sample in ["csv", "parquet-snappy", "orc-zlib"] {
        let spoilt = |change: &dyn Fn(&Path, Vec<u8>), says: &[&str]| {
            let (folder, report) = copy(sample);
            let rules = RULES.replace("out/events/", "out/{table}/");
            fs::write(folder.path().join("restitch.toml"), rules).unwrap();
            let path = data(&report);
            change(&path, fs::read(&path).unwrap());
            for command in ["ls", "plan", "apply --yes"] {
                run(&folder, &format!("{command} --listing inv")).says(1, says);
            }
            assert!(!folder.path().join("out").exists(), "{sample}: something was published");
        };
        spoilt(
            &|path, _| fs::remove_file(path).unwrap(),
            &["is not there, and the manifest names it", "help: aws s3 cp"],
        );
        let half = |path: &Path, body: Vec<u8>| fs::write(path, &body[..body.len() / 2]).unwrap();
        spoilt(&half, &[" bytes, where the manifest says ", "help:"]);
        let longer = |path: &Path, body: Vec<u8>| fs::write(path, [body, vec![0]].concat()).unwrap();
        spoilt(&longer, &["is longer, where the manifest says "]);
        let other = |path: &Path, mut body: Vec<u8>| {
            let last = body.len() - 1;
            body[last / 2] ^= 1;
            fs::write(path, body).unwrap();
        };
        spoilt(&other, &["has the MD5 ", ", where the manifest says "]);
    }
}

#[test]
fn a_file_that_is_as_the_manifest_says_may_still_be_broken() {
    for (sample, says) in [
        ("csv", "cannot be unpacked"),
        ("parquet-snappy", "is not read as Parquet"),
        ("orc-zlib", "is not read as ORC"),
    ] {
        let (folder, report) = copy(sample);
        let path = data(&report);
        let mut body = fs::read(&path).unwrap();
        body.truncate(body.len() / 2);
        fs::write(&path, &body).unwrap();
        let digest: String = Md5::digest(&body).iter().map(|byte| format!("{byte:02X}")).collect();
        edit(&report, |manifest| {
            manifest["files"][0]["size"] = json!(body.len());
            manifest["files"][0]["MD5checksum"] = json!(digest);
        });
        run(&folder, "ls --listing inv").says(1, &[says]);
    }
}

#[test]
fn a_manifest_is_held_to_its_checksum() {
    let (folder, report) = copy("csv");
    let manifest = format!("ls --listing inv/{DATE}/manifest.json");
    fs::write(report.join("manifest.checksum"), "f".repeat(32)).unwrap();
    run(&folder, &manifest).says(1, &["manifest.json is not what manifest.checksum says", "help:"]);
    fs::remove_file(report.join("manifest.checksum")).unwrap();
    let ran = run(&folder, &manifest).says(0, &["there is no manifest.checksum beside it"]);
    assert_eq!(objects(&ran.stdout), expected("csv"));
}

#[test]
fn a_manifest_names_nothing_outside_its_folder() {
    let (folder, report) = copy("csv");
    edit(&report, |manifest| manifest["files"][0]["key"] = json!("../../../etc/passwd"));
    run(&folder, "ls --listing inv").says(1, &["`../../../etc/passwd` is no path below the manifest's folder"]);
}

#[test]
fn rows_that_are_none_are_named_by_file_and_row() {
    let gz = |text: &str| {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut writer, text.as_bytes()).unwrap();
        writer.finish().unwrap()
    };
    let good = "\"acme-data\",\"a+b%2Bc\",\"true\",\"false\",\"5\",\"2026-11-01T00:00:00.000Z\"\n";
    for (row, says) in [
        (good.replace("%2B", "%2x"), "x.csv.gz:2: the key is not URL-encoded"),
        (good.replace("%2B", "%FF"), "is not UTF-8, which every key is"),
        (good.replace("a+b%2Bc", ""), "x.csv.gz:2: a key of 0 bytes"),
        (good.replace("a+b%2Bc", &"k".repeat(1025)), "x.csv.gz:2: a key of 1025 bytes"),
        (good.replace("\"5\"", "\"5.5\""), "x.csv.gz:2: `5.5` in Size is no size in bytes"),
        (good.replace("2026-11-01", "2026-11-31"), "in LastModifiedDate is no date and time"),
        (good.replace("true", ""), "x.csv.gz:2: `` in IsLatest is no `true` or `false`"),
        ("\"acme-data\",\"k\"\n".to_owned(), "x.csv.gz:2: 2 fields"),
        ("\"acme-data\",\"k\n".to_owned(), "x.csv.gz:2: a quote that is not closed"),
    ] {
        let (folder, report) = copy("csv");
        let body = gz(&format!("{good}{row}"));
        let digest: String = Md5::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(report.join("x.csv.gz"), &body).unwrap();
        edit(&report, |manifest| {
            manifest["fileSchema"] = json!("Bucket, Key, IsLatest, IsDeleteMarker, Size, LastModifiedDate");
            manifest["files"] = json!([{"key": "x.csv.gz", "size": body.len(), "MD5checksum": digest}]);
        });
        run(&folder, "ls --listing inv").says(1, &[says]);
    }
}

#[cfg(feature = "s3")]
mod in_buckets {
    use std::collections::HashSet;
    use std::sync::{Arc, Mutex};

    use super::s3_server::{Access, Fault, Kind, SECRET_KEY, Server};
    use super::*;

    /// Where S3 puts the reports on `acme-data`.
    const DESTINATION: &str = "s3://acme-inventory/reports/acme-data";

    /// A server with every sample, and with the objects that they list.
    fn server() -> Server {
        let server = Server::start();
        server.bucket("acme-data", "eu-west-1");
        server.bucket("acme-inventory", "eu-west-1");
        let mut folders = vec![PathBuf::from(SAMPLES)];
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                match path.is_dir() {
                    true => folders.push(path),
                    false => {
                        let below = path.strip_prefix(SAMPLES).unwrap().to_str().unwrap();
                        let key = format!("reports/acme-data/{below}");
                        server.insert("acme-inventory", &key, fs::read(&path).unwrap());
                    }
                }
            }
        }
        for object in expected("csv") {
            let key = object["uri"].as_str().unwrap().strip_prefix("s3://acme-data/").unwrap();
            server.insert("acme-data", key, "x");
        }
        server
    }

    fn run(server: &Server, folder: &TempDir, args: &str) -> Ran {
        Ran::of(args, folder.path(), server.environment(), &[SECRET_KEY])
    }

    #[test]
    fn a_report_is_streamed_from_its_bucket() {
        let (server, folder) = (server(), folder(EVERYTHING));
        for sample in samples() {
            for source in [format!("{sample}/{DATE}/manifest.json"), format!("{sample}/"), sample.clone()] {
                let ran = run(&server, &folder, &format!("ls --listing s3://acme-data/={DESTINATION}/{source}"));
                let ran = ran.says(0, &[]);
                assert_eq!(objects(&ran.stdout), expected(&sample), "{source}");
            }
        }
        let ran = run(&server, &folder, &format!("ls --listing {DESTINATION}/csv/"));
        ran.says(0, &["the report of 2026-11-24T01-00Z is not complete"]);
    }

    #[test]
    fn a_file_that_breaks_off_is_taken_up_where_it_did() {
        let (server, folder) = (server(), folder(EVERYTHING));
        for (sample, ranges) in [("csv", true), ("csv", false), ("parquet-snappy", true), ("orc-zlib", false)] {
            server.set(|settings| settings.ranges = ranges);
            let mut torn = HashSet::new();
            server.script(move |call| {
                let is_first = call.kind == Kind::Get && torn.insert(call.key.clone());
                is_first.then_some(Fault::TornAnswer)
            });
            let ran = run(&server, &folder, &format!("ls --listing s3://acme-data/={DESTINATION}/{sample}/"));
            assert_eq!(objects(&ran.says(0, &[]).stdout), expected(sample));
        }
    }

    #[test]
    fn what_the_bucket_lacks_or_refuses_is_said() {
        let (server, folder) = (server(), folder(EVERYTHING));
        let ls = |source: &str| run(&server, &folder, &format!("ls --listing s3://acme-data/={source}"));
        ls(&format!("{DESTINATION}/none/")).says(1, &["none/ holds no report of an S3 Inventory", "help:"]);
        ls(&format!("{DESTINATION}/none/manifest.json")).says(1, &["none/manifest.json is not there"]);
        ls("s3://acme-inventory/keys.txt").says(1, &["only an S3 Inventory is read", "help:"]);
        ls("s3://no-such-bucket/x/").says(1, &["no-such-bucket"]);
        let data = server.keys("acme-inventory").into_iter().find(|key| key.contains("/orc-some/data/")).unwrap();
        server.remove("acme-inventory", &data);
        ls(&format!("{DESTINATION}/orc-some/")).says(1, &[&data, "is not there, and the manifest names it", "help:"]);
        server.bucket_with("acme-inventory", "eu-west-1", Access::Denied);
        ls(&format!("{DESTINATION}/csv/")).says(1, &["acme-inventory", "s3:ListBucket"]);
    }

    #[test]
    fn partitions_that_an_inventory_would_change_are_listed_live_first() {
        let (server, sample) = (server(), format!("--listing s3://acme-data/={DESTINATION}/parquet-snappy/"));
        // The server says of no object that it is archived.
        let rules = RULES.replace("append_only    = true", "skip = []");
        let folder = folder(&rules);
        let published = |dt: &str| {
            let path = folder.path().join(format!("out/events/dt={dt}/symlink.txt"));
            fs::read_to_string(path).map_or(Vec::new(), |text| text.lines().map(str::to_owned).collect())
        };
        // Since the report one object has gone and another has come.
        assert!(server.remove("acme-data", "events/dt=2026-11-21/hour=00/part-0.parquet"));
        server.insert("acme-data", "events/dt=2026-11-21/hour=09/part-9.parquet", "x");
        run(&server, &folder, &format!("apply --yes {sample}"))
            .says(0, &["listing all of `events` live", "append_only"]);
        let day = |hour: &str, part: u8| format!("s3://acme-data/events/dt=2026-11-21/hour={hour}/part-{part}.parquet");
        assert_eq!(published("2026-11-21"), [day("07", 7), day("09", 9), day("23", 23)]);

        // What the report does not know yet stays, and only what it would change is listed: the dates of the reports, the day.
        let listed = Arc::new(Mutex::new(Vec::new()));
        let seen = listed.clone();
        server.script(move |call| {
            seen.lock().unwrap().extend((call.kind == Kind::List).then(|| call.bucket.clone()));
            None
        });
        run(&server, &folder, &format!("apply --yes {sample}")).says(0, &["listing 1 partition of `events` live"]);
        server.clear_script();
        let mut listed = listed.lock().unwrap().clone();
        // A bucket's region is asked for once.
        listed.dedup();
        assert_eq!(listed, ["acme-inventory", "acme-data"]);
        assert_eq!(published("2026-11-21"), [day("07", 7), day("09", 9), day("23", 23)]);

        // A table to which objects are only added takes the report's word.
        fs::write(folder.path().join("restitch.toml"), rules.replace("skip", "append_only = true\nskip")).unwrap();
        run(&server, &folder, &format!("apply --yes {sample}")).says(0, &["events"]).without("live");
        assert_eq!(published("2026-11-21"), [day("00", 0), day("07", 7), day("23", 23)]);
    }
}
