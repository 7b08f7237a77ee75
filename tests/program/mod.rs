//! The product, asked the same way as the plain reading: rule file and objects in, fates out.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::HashMap;
use std::path::Path;

use restitch::error::{Error, ErrorKind, Result};
use restitch::map::explain::{RuleVerdict, explain};
use restitch::map::group::{Groups, write_line};
use restitch::map::page::{Object as Listed, PageBuilder};
use restitch::map::{Mapper, Program, Sink, Taken as MapTaken, Why as MapWhy};
use restitch::rules::file::{Loaded, load};
use restitch::rules::table::Rules;
use restitch::uri::Uri;

use crate::oracle::{Fate, Object, Skipped, Taken, Why};

/// Reads a rule file; relative names are taken from `/rules`, and no file can be read.
pub fn read(text: &str) -> Loaded {
    let no_file = |path: &Path| Err(Error::new(ErrorKind::NotFound, format!("{} is not there", path.display())));
    load(text, Path::new("restitch.toml"), Path::new("/rules"), &no_file)
}

/// The fate of each object, pages of at most `page_len` objects.
pub fn map(rules: &Rules, objects: &[Object], page_len: usize) -> Vec<Fate> {
    let program = Program::new(rules);
    let mut mapper = Mapper::new(&program);
    let mut fates = Fates::default();
    run(&mut mapper, objects, page_len, &mut fates).unwrap();
    objects.iter().map(|object| fates.of(&object.uri, rules, &mapper)).collect()
}

/// A table, a partition's values, and the body of its manifest.
pub type Manifest = (String, Values, String);

pub type Values = Vec<Option<String>>;

/// Every manifest that the objects make, sorted.
pub fn manifests(rules: &Rules, objects: &[Object], page_len: usize) -> Vec<Manifest> {
    let program = Program::new(rules);
    let mut mapper = Mapper::new(&program);
    let mut groups = Groups::new(rules, 0);
    run(&mut mapper, objects, page_len, &mut groups).unwrap();
    let mut manifests = Vec::new();
    for (table, of_table) in rules.tables.iter().zip(groups.finish(&mapper).unwrap()) {
        for group in of_table.partitions {
            let values = group.values.iter().map(|value| value.as_str().map(str::to_owned)).collect();
            manifests.push((
                table.name.clone(),
                values,
                String::from_utf8(group.body.read().unwrap().to_vec()).unwrap(),
            ));
        }
    }
    manifests.sort();
    manifests
}

/// The error that mapping the objects ends in.
pub fn failure(rules: &Rules, objects: &[Object]) -> Option<Error> {
    let program = Program::new(rules);
    run(&mut Mapper::new(&program), objects, 1000, &mut Fates::default()).err()
}

fn run(mapper: &mut Mapper<'_>, objects: &[Object], page_len: usize, sink: &mut impl Sink) -> Result<()> {
    let uris: Vec<Uri> = objects.iter().map(|object| Uri::parse(&object.uri).unwrap()).collect();
    let mut at = 0;
    while at < objects.len() {
        let bucket = &uris[at].bucket;
        let len = uris[at..].iter().take(page_len).take_while(|uri| uri.bucket == *bucket).count();
        let mut page = PageBuilder::new(bucket.clone());
        for (uri, object) in uris[at..at + len].iter().zip(&objects[at..at + len]) {
            page.push(&Listed {
                bucket,
                key: &uri.key,
                physical: None,
                size: object.size,
                modified: object.modified,
                storage_class: object.storage_class.as_deref(),
                etag: None,
            });
        }
        mapper.page(&page.finish(), sink)?;
        at += len;
    }
    mapper.finish(sink)
}

/// The fate of each object alone, as `explain` has it; `done` and `pick`, which look at a whole listing, must be out of
/// the rules.
pub fn explained(rules: &Rules, objects: &[Object]) -> Vec<Fate> {
    let program = Program::new(rules);
    let one = |object: &Object| {
        let uri = Uri::parse(&object.uri).unwrap();
        let listed = Listed {
            bucket: &uri.bucket,
            key: &uri.key,
            physical: None,
            size: object.size,
            modified: object.modified,
            storage_class: object.storage_class.as_deref(),
            etag: None,
        };
        let explanation = explain(&program, &listed).unwrap();
        if let Some(why) = explanation.why() {
            return Err(shown_why(why));
        }
        let taken = explanation.takers().map(|of| {
            let (table, rule) = (&rules.tables[of.table], of.taken_by.unwrap());
            let RuleVerdict::Takes(takes) = &of.rules[rule] else {
                panic!("{:?} takes {}", of.rules[rule], object.uri)
            };
            let names = table.partitioned_by.iter().map(|column| column.name.clone());
            let key = takes.prefix_len.map_or(listed.key, |len| &listed.key[..len as usize]);
            Taken {
                table: table.name.clone(),
                rule: rule + 1,
                partition: names.zip(takes.values.iter().map(|value| value.as_str().map(str::to_owned))).collect(),
                line: uri.bucket.uri_prefix() + key,
            }
        });
        Ok(taken.collect())
    };
    objects.iter().map(one).collect()
}

/// What the mapper said of each URI.
#[derive(Default)]
struct Fates(HashMap<String, Said>);

/// The tables that take an object, each with its line; and why none does.
type Said = (Vec<(MapTaken, String)>, Vec<MapWhy>);

impl Sink for Fates {
    fn take(&mut self, object: &Listed<'_>, taken: MapTaken) {
        let mut line = Vec::new();
        write_line(object, taken, &mut line);
        self.0.entry(object.uri().raw()).or_default().0.push((taken, String::from_utf8(line).unwrap()));
    }

    fn leave(&mut self, object: &Listed<'_>, why: MapWhy) {
        self.0.entry(object.uri().raw()).or_default().1.push(why);
    }
}

impl Fates {
    fn of(&self, uri: &str, rules: &Rules, mapper: &Mapper<'_>) -> Fate {
        let (taken, whys) = self.0.get(uri).unwrap_or_else(|| panic!("nothing was said of {uri}"));
        assert_eq!(whys.len(), usize::from(taken.is_empty()), "{uri} is taken or left, once");
        if let [why] = whys[..] {
            return Err(shown_why(why));
        }
        let shown = taken.iter().map(|(taken, line)| {
            let table = &rules.tables[taken.table as usize];
            let (of_table, values) = mapper.partition(taken.partition);
            assert_eq!(of_table, taken.table as usize);
            let names = table.partitioned_by.iter().map(|column| column.name.clone());
            Taken {
                table: table.name.clone(),
                rule: taken.rule as usize + 1,
                partition: names.zip(values.iter().map(|value| value.as_str().map(str::to_owned))).collect(),
                line: line.clone(),
            }
        });
        Ok(shown.collect())
    }
}

fn shown_why(why: MapWhy) -> Why {
    match why {
        MapWhy::Manifest => Why::Location,
        MapWhy::Marker => Why::Skipped(Skipped::Marker),
        MapWhy::Hidden => Why::Skipped(Skipped::Hidden),
        MapWhy::Folder => Why::Skipped(Skipped::Folder),
        MapWhy::Empty => Why::Skipped(Skipped::Empty),
        MapWhy::Archived => Why::Skipped(Skipped::Archived),
        MapWhy::Unmatched => Why::Unmatched,
        MapWhy::BadDate => Why::BadDate,
        MapWhy::Excluded => Why::Excluded,
        MapWhy::Filtered => Why::Filtered,
        MapWhy::Waiting => Why::Waiting,
        MapWhy::BadValue => Why::BadValue,
        MapWhy::NoLookup => Why::NoSuchKey,
        MapWhy::Superseded => Why::Superseded,
    }
}
