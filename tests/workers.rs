//! However many workers map a listing, and whichever of them takes which of its chunks: what comes of it is the same, errors
//! and the first examples included.
#![cfg(feature = "io")]

use std::path::Path;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use restitch::apply::mapped::{self, Also, Mapped};
use restitch::apply::memory::Memory;
use restitch::error::Result;
use restitch::listing::{ListingArg, Sources};
use restitch::map::page::Object;
use restitch::map::{Sink, Taken, Why};
use restitch::rules::file::load;
use restitch::rules::table::Rules;
use restitch::uri::Uri;

/// Two tables that take some of the same objects, one of which leaves out what engines would misread, and one whose values
/// are often bad.
const RULES: &str = r#"
[defaults]
location = "out/{table}/"
format = "json"
columns = ["id bigint"]
exclude = ["*.tmp"]

[table.logs]
partitioned_by = ["app string", "hour int"]
on_trap = "skip"
max_partitions = 60
rule = [{ match = 's3://b/logs/{app}/{hour}/**' }]

[table.every]
partitioned_by = ["hour string"]
rule = [{ match = 's3://b/logs/{_}/{hour:int}/*.json' }, { match = 's3://b/other/{hour}/*' }]
"#;

fn rules() -> Rules {
    let loaded = load(RULES, Path::new("restitch.toml"), Path::new("/"), &|_| unreachable!("no DDL lies in a file"));
    loaded.rules.expect("the rules have no mistakes")
}

/// Keys in any order, some twice. They are long, so that a few thousand make many chunks.
fn key() -> impl Strategy<Value = String> {
    let directory = prop_oneof![
        8 => (0..4u8, 0..12u8).prop_map(|(app, hour)| format!("logs/app{app}/{hour}")),
        2 => (0..12u8).prop_map(|hour| format!("other/{hour}")),
        1 => (0..1_500u16).prop_map(|n| format!("beside/{}", "x".repeat(n as usize % 7) + &letters(n))),
        1 => Just("logs/app0/noon/_delta_log".to_owned()),
        1 => Just("logs/app1/1//a:b".to_owned()),
    ];
    let ending = prop_oneof![6 => Just("json"), 1 => Just("tmp"), 1 => Just("GZ"), 1 => Just("metadata.json")];
    (directory, "[a-c]{1,3}", 200..900usize, ending).prop_map(|(directory, name, padding, ending)| {
        format!("{directory}/{name}{}.{ending}", "p".repeat(padding.min(1_020 - directory.len() - 20)))
    })
}

/// A word for a number, for shapes have holes where digits are.
fn letters(number: u16) -> String {
    number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect()
}

/// What makes a listing wrong, or its tables too large.
fn flaw() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("logs/app0/1/a\r".to_owned()),
        Just("s3://elsewhere/x".to_owned()),
        Just("x".repeat(1_025)),
        Just((0..70).map(|n| format!("logs/many{n}/1/a.json")).collect::<Vec<_>>().join("\n")),
    ]
}

/// What no table took, by the number of where it was met.
#[derive(Clone, Default)]
struct Left {
    all: Arc<Mutex<Vec<(u64, String)>>>,
    batch: Vec<String>,
}

impl Sink for Left {
    fn take(&mut self, _: &Object<'_>, _: Taken) {}

    fn leave(&mut self, object: &Object<'_>, why: Why) {
        self.batch.push(format!("{} {}", object.key, why.name()));
    }
}

impl Also for Left {
    fn end(&mut self, number: u64) {
        self.all.lock().unwrap().extend(self.batch.drain(..).map(|line| (number, line)));
    }
}

fn mapped_by(workers: usize, listing: &Path) -> (Result<Mapped>, Vec<String>, u64) {
    let rules = rules();
    let listing =
        ListingArg { prefix: Some(Uri::parse("s3://b/").unwrap()), source: listing.to_str().unwrap().to_owned() };
    let left = Left::default();
    let (each, mut keys) = (left.clone(), 0);
    let also = move || Left { all: each.all.clone(), batch: Vec::new() };
    let mut progress = |at: &restitch::listing::survey::Progress<'_>| {
        assert!(at.keys > keys, "progress goes on");
        keys = at.keys;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mapped = runtime.block_on(async {
        let sources = Sources::open(&rules, &[listing]).await.unwrap();
        mapped::all_by(workers, &rules, &sources, Memory::default(), also, &mut progress).await
    });
    let mut left = std::mem::take(&mut *left.all.lock().unwrap());
    left.sort_by_key(|(number, _)| *number);
    (mapped, left.into_iter().map(|(_, line)| line).collect(), keys)
}

/// All of it, as text.
fn said(mapped: &Mapped) -> String {
    let mut said = String::new();
    for table in &mapped.tables {
        let groups = &table.groups;
        for group in &groups.partitions {
            let body = group.body.read().unwrap();
            said += &format!("{:?} {} {}\n", group.values, group.body.lines(), String::from_utf8_lossy(&body));
        }
        let trapped: Vec<_> = table.trapped.iter().map(|(trap, count, example)| (trap.name, count, example)).collect();
        said += &format!("{:?} {} {trapped:?} {:?}\n", groups.taken_by_rule, groups.refused, table.lakes);
        said += &format!("{:?}\n", table.query_lists);
    }
    for (why, count) in mapped.left_out.reasons() {
        said += &format!("{why:?} {count} {:#?}\n", mapped.left_out.shapes(why));
    }
    said
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_number_of_workers_makes_the_same_of_a_listing(
        keys in prop::collection::vec(key(), 3_000..6_000),
        flaws in prop::collection::vec((any::<prop::sample::Index>(), flaw()), 0..3),
    ) {
        let mut lines = keys;
        for (at, flaw) in flaws {
            let at = at.index(lines.len());
            lines.insert(at, flaw);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.txt");
        std::fs::write(&path, lines.join("\n")).unwrap();
        let (alone, left_alone, keys) = mapped_by(1, &path);
        for workers in [2, 3, 7] {
            let (together, left, keys_of_all) = mapped_by(workers, &path);
            match (&alone, &together) {
                (Ok(alone), Ok(together)) => {
                    prop_assert_eq!(said(alone), said(together));
                    prop_assert_eq!(&left_alone, &left);
                    prop_assert_eq!(keys, keys_of_all);
                }
                (Err(alone), Err(together)) => {
                    prop_assert_eq!(alone.message(), together.message());
                    prop_assert_eq!(alone.notes(), together.notes());
                }
                (alone, together) => prop_assert!(false, "{:?}, {:?}", alone.is_ok(), together.is_ok()),
            }
        }
    }
}
