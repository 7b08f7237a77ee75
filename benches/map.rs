//! What mapping costs a key: pages of a listing in, (table, partition, line) out, nothing kept.
//!
//! `cargo bench --no-default-features --bench map`. Times are of a million keys; divide by that for the cost of one.

mod keys;

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use restitch::map::page::{Object, Page, PageBuilder};
use restitch::map::{Mapper, Program, Sink, Taken, Why};
use restitch::rules::file::load;
use restitch::uri::{Bucket, Scheme};

const KEYS: u64 = 1_000_000;

/// As many as a page of S3 holds.
const KEYS_A_PAGE: usize = 1_000;

fn map(criterion: &mut Criterion) {
    let orders = [("sorted", pages(&keys::sorted(KEYS))), ("shuffled", pages(&keys::shuffled(KEYS)))];
    for name in ["r3", "r50"] {
        let program = program(name);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(KEYS)).sample_size(10);
        for (order, pages) in &orders {
            group.bench_function(*order, |bencher| bencher.iter(|| mapped(&program, pages)));
        }
    }
}

fn program(name: &str) -> Program {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/rules").join(name).with_extension("toml");
    let text = std::fs::read_to_string(&path).expect("the rules are there");
    let loaded = load(&text, &path, Path::new("/"), &|_| unreachable!("no table has its DDL in a file"));
    Program::new(&loaded.rules.expect("the rules have no mistakes"))
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

/// Maps all pages and counts what was taken and what was left, so that nothing can be left out.
fn mapped(program: &Program, pages: &[Page]) -> (u64, u64) {
    let mut mapper = Mapper::new(program);
    let mut counted = Counted::default();
    for page in pages {
        mapper.page(black_box(page), &mut counted).expect("no rule asks for what is not there");
    }
    mapper.finish(&mut counted).expect("nothing waits");
    assert_eq!(counted.taken + counted.left, KEYS);
    black_box((counted.taken, counted.left))
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
