//! What mapping costs a key on one core: pages of a listing in, (table, partition, line) out, nothing kept.
//!
//! `cargo bench --no-default-features --bench map`. Times are of a million keys: milliseconds are nanoseconds a key. How many
//! keys were matched by backtracking is printed first.

mod keys;

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use restitch::map::page::{Object, Page, PageBuilder};
use restitch::map::{Mapper, Program, Sink, Taken, Why};
use restitch::rules::file::load;
use restitch::rules::table::Rules;
use restitch::uri::{Bucket, Scheme};

const KEYS: u64 = 1_000_000;

/// As many as a page of S3 holds.
const KEYS_A_PAGE: usize = 1_000;

fn map(criterion: &mut Criterion) {
    let orders = [("sorted", pages(&keys::sorted(KEYS))), ("shuffled", pages(&keys::shuffled(KEYS)))];
    for name in ["r3", "r50"] {
        let program = Program::new(&rules_of(name));
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(KEYS)).sample_size(10);
        for (order, pages) in &orders {
            println!("{name}/{order}: {} of {KEYS} keys by backtracking", mapped(&program, pages));
            group.bench_function(*order, |bencher| bencher.iter(|| mapped(&program, pages)));
        }
    }
    let (program, pages) = (Program::new(&many_rules()), pages(&keys_of_many()));
    let mut group = criterion.benchmark_group("5000 rules");
    group.throughput(Throughput::Elements(KEYS)).sample_size(10);
    group.bench_function("sorted", |bencher| bencher.iter(|| mapped(&program, &pages)));
}

fn rules_of(name: &str) -> Rules {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/rules").join(name).with_extension("toml");
    let text = std::fs::read_to_string(&path).expect("the rules are there");
    loaded(&text, &path)
}

fn loaded(text: &str, path: &Path) -> Rules {
    let loaded = load(text, path, Path::new("/"), &|_| unreachable!("no table has its DDL in a file"));
    loaded.rules.expect("the rules have no mistakes")
}

/// Tables of the benchmark of many rules, and rules a pair of them: one table has two, the next three.
const TABLES: u64 = 2_000;

/// 5,000 rules of 2,000 tables.
fn many_rules() -> Rules {
    let mut text = String::from("[defaults]\nformat = \"parquet\"\ncolumns = [\"id bigint\"]\n");
    for number in 0..TABLES {
        let kinds = &["parquet", "orc", "avro"][..2 + number as usize % 2];
        let rule =
            |kind: &&str| format!("{{ match = 's3://acme-datalake/lake/t{number:04}/dt={{dt}}/part-*.{kind}' }}");
        let rules: Vec<String> = kinds.iter().map(rule).collect();
        text += &format!("[table.t{number:04}]\npartitioned_by = [\"dt string\"]\nrule = [{}]\n", rules.join(", "));
    }
    loaded(&text, Path::new("restitch.toml"))
}

/// Ten days of each table, fifty objects a day.
fn keys_of_many() -> String {
    let key = |number: u64| {
        let (table, day, part) = (number / 500, number / 50 % 10, number % 50);
        format!("lake/t{table:04}/dt=2024-01-{:02}/part-{part:05}-{number:032x}.parquet\n", day + 1)
    };
    (0..KEYS).map(key).collect()
}

fn pages(keys: &str) -> Vec<Page> {
    let bucket = Bucket::new(Scheme::S3, "acme-datalake");
    let lines: Vec<&str> = keys.lines().collect();
    let page = |keys: &[&str]| {
        let mut page = PageBuilder::new(bucket.clone());
        for key in keys {
            let (physical, storage_class, etag) = (None, None, None);
            page.push(&Object { bucket: &bucket, key, physical, size: None, modified: None, storage_class, etag });
        }
        page.finish()
    };
    lines.chunks(KEYS_A_PAGE).map(page).collect()
}

/// Maps all pages and counts what was taken and what was left, so that nothing can be left out; gives the number of keys that
/// were matched by backtracking.
fn mapped(program: &Program, pages: &[Page]) -> u64 {
    let mut mapper = Mapper::new(program);
    let mut counted = Counted::default();
    for page in pages {
        mapper.page(black_box(page), &mut counted).expect("no rule asks for what is not there");
    }
    mapper.finish(&mut counted).expect("nothing waits");
    assert_eq!(counted.taken + counted.left, KEYS);
    black_box(mapper.slow())
}

#[derive(Default)]
struct Counted {
    taken: u64,
    left: u64,
}

impl Sink for Counted {
    fn take(&mut self, object: &Object<'_>, taken: Taken) {
        black_box((object.key, taken));
        self.taken += 1;
    }

    fn leave(&mut self, object: &Object<'_>, why: Why) {
        black_box((object.key, why));
        self.left += 1;
    }
}

criterion_group!(benches, map);
criterion_main!(benches);
