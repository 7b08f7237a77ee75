//! In whatever order keys come, the same is said of each: what is known of a directory is kept while directories come again and
//! again, and it is the same as what is worked out anew.

#[path = "../benches/keys/mod.rs"]
mod keys;

use std::collections::BTreeMap;
use std::path::Path;

use restitch::map::page::{Object, Page, PageBuilder};
use restitch::map::{Mapper, Program, Sink, Taken, Why};
use restitch::rules::file::load;
use restitch::uri::{Bucket, Scheme};
use restitch::value::PartitionValue;

#[derive(Default)]
struct Said(Vec<(String, Result<Taken, Why>)>);

impl Sink for Said {
    fn take(&mut self, object: &Object<'_>, taken: Taken) {
        self.0.push((object.key.to_owned(), Ok(taken)));
    }

    fn leave(&mut self, object: &Object<'_>, why: Why) {
        self.0.push((object.key.to_owned(), Err(why)));
    }
}

type Fate = Result<(u32, u32, Vec<PartitionValue>), Why>;

/// What one mapper says of keys in this order, twice over: of each key the same both times.
fn said(program: &Program, keys: &str) -> BTreeMap<String, Fate> {
    let mut mapper = Mapper::new(program);
    let mut said = Said::default();
    for page in [page(keys), page(keys)] {
        mapper.page(&page, &mut said).unwrap();
    }
    mapper.finish(&mut said).unwrap();
    let mut fates = BTreeMap::new();
    for (key, fate) in said.0 {
        let fate = fate.map(|taken| (taken.table, taken.rule, mapper.partition(taken.partition).1.to_vec()));
        let before = fates.insert(key.clone(), fate.clone());
        assert!(before.is_none_or(|before| before == fate), "{key}");
    }
    fates
}

fn page(keys: &str) -> Page {
    let bucket = Bucket::new(Scheme::S3, "acme-datalake");
    let mut page = PageBuilder::new(bucket.clone());
    for key in keys.lines() {
        let (physical, storage_class, etag) = (None, None, None);
        page.push(&Object { bucket: &bucket, key, physical, size: None, modified: None, storage_class, etag });
    }
    page.finish()
}

#[test]
fn keys_in_any_order_come_to_the_same() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/rules/r50.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let loaded = load(&text, &path, Path::new("/"), &|_| unreachable!("no table has its DDL in a file"));
    let program = Program::new(&loaded.rules.unwrap());
    let (sorted, shuffled) = (keys::sorted(30_000), keys::shuffled(30_000));
    let (in_order, in_disorder) = (said(&program, &sorted), said(&program, &shuffled));
    assert_eq!(in_order.len(), 30_000);
    for (key, fate) in &in_order {
        assert_eq!(in_disorder.get(key), Some(fate), "{key}");
    }
}
