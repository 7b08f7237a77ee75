//! Inline tests of the rule file: each URI alone, as if it were the whole listing.
//!
//! Rules with `done` are tested as if their marker were there: a test has one object and cannot bring it.

use super::page::{Object, PageBuilder};
use super::{Mapper, Program, Sink, Taken, Why};
use crate::rules::table::{Rules, Test};

/// What became of one `[[table.NAME.test]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct TestOutcome {
    /// An index into `Rules::tables`.
    pub table: usize,
    /// An index into its tests.
    pub test: usize,
    pub passed: bool,
    pub got: Got,
}

/// What the table does with the test's object.
#[derive(Clone, Debug, PartialEq)]
pub enum Got {
    Taken {
        /// An index into the table's rules.
        rule: usize,
        /// Every partition column with its value, in the table's order; `None` is NULL.
        values: Vec<(String, Option<String>)>,
    },
    /// The table does not take it; `by` is the table that does, where an earlier one claimed it.
    Left { why: Why, by: Option<usize> },
    /// The test lacks an attribute that a rule asks for, or the like.
    Failed(String),
}

/// Runs every test of the file, in its order.
pub fn run(rules: &Rules) -> Vec<TestOutcome> {
    let mut tested = rules.clone();
    tested.tables.iter_mut().flat_map(|table| &mut table.rules).for_each(|rule| rule.done = None);
    let program = Program::new(&tested);
    let mut outcomes = Vec::new();
    for (table, of_table) in rules.tables.iter().enumerate() {
        for (number, test) in of_table.tests.iter().enumerate() {
            let got = got(&program, rules, table, test);
            outcomes.push(TestOutcome { table, test: number, passed: is_expected(test, &got), got });
        }
    }
    outcomes
}

fn is_expected(test: &Test, got: &Got) -> bool {
    match (&test.gives, got) {
        (None, Got::Left { .. }) => true,
        (Some(gives), Got::Taken { values, .. }) => gives.iter().all(|given| values.contains(given)),
        _ => false,
    }
}

fn got(program: &Program, rules: &Rules, table: usize, test: &Test) -> Got {
    let mut page = PageBuilder::new(test.uri.bucket.clone());
    page.push(&Object {
        bucket: &test.uri.bucket,
        key: &test.uri.key,
        physical: None,
        size: test.size,
        modified: test.modified,
        storage_class: test.storage_class.as_deref(),
        etag: None,
    });
    let mut mapper = Mapper::new(program);
    let mut seen = Seen { taken: Vec::new(), why: Why::Unmatched };
    if let Err(error) = mapper.page(&page.finish(), &mut seen).and_then(|()| mapper.finish(&mut seen)) {
        return Got::Failed(error.message().to_owned());
    }
    let Some(taken) = seen.taken.iter().find(|taken| taken.table as usize == table) else {
        return Got::Left { why: seen.why, by: seen.taken.first().map(|taken| taken.table as usize) };
    };
    let (_, values) = mapper.partition(taken.partition);
    let columns = rules.tables[table].partitioned_by.iter().map(|column| column.name.clone());
    let values = columns.zip(values.iter().map(|value| value.as_str().map(str::to_owned)));
    Got::Taken { rule: taken.rule as usize, values: values.collect() }
}

struct Seen {
    taken: Vec<Taken>,
    why: Why,
}

impl Sink for Seen {
    fn take(&mut self, _: &Object<'_>, taken: Taken) {
        self.taken.push(taken);
    }

    fn leave(&mut self, _: &Object<'_>, why: Why) {
        self.why = why;
    }
}
