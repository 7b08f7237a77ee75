//! Keys that were named by somebody (an event, a list), as the partitions that they may be in, whether or not the objects
//! are there any more.
//!
//! Of an object nothing but its key is known here: every rule that matches counts, whatever `skip`, `exclude`, `where` or an
//! earlier rule would say of it, so that the partition that it leaves is among them.

use super::super::program::Compiled;
use super::{Mapper, Match, place, too_many_steps, value};
use crate::error::Result;
use crate::map::page::Object;
use crate::map::values::NoValue;
use crate::rules::set::{Expression, HoleSource};
use crate::rules::table::{Table, ValueSource};
use crate::rules::wanted::{Allowed, Wanted};
use crate::uri::Uri;
use crate::value::PartitionValue;

impl Mapper<'_> {
    /// Adds the partitions that the object at `uri` may be in, or that wait for it as their marker, to `wanted` (one per
    /// table of the rules); `false` if there are none.
    ///
    /// # Errors
    /// `Unsupported` where a rule with repeated captures takes too many steps on the key.
    pub fn touched(&mut self, uri: &Uri, wanted: &mut [Wanted]) -> Result<bool> {
        let object = Object::bare(&uri.bucket, &uri.key);
        let (base_name, _) = self.enter(&object, self.directory.is_in(&uri.bucket));
        if self.directory.is_manifest() {
            return Ok(false);
        }
        let marks = self.touched_by_marker(&object, base_name, wanted)?;
        Ok(self.touched_by_object(&object, base_name, wanted)? || marks)
    }

    fn touched_by_object(&mut self, object: &Object<'_>, base_name: &str, wanted: &mut [Wanted]) -> Result<bool> {
        let program = self.program;
        let mut found = false;
        for index in 0..self.directory.candidates().len() {
            let candidate = &self.directory.candidates()[index];
            let (table, rule) = (candidate.table as usize, candidate.rule as usize);
            let compiled = &program.tables[table].rules[rule].compiled;
            let of_table = program.table(table);
            let matches = self.matches(compiled, base_name);
            if !matches.map_err(|_| too_many_steps(&place(of_table, rule), object))?
                || self.read(compiled, object).is_err()
            {
                continue;
            }
            let columns = self.columns(compiled, of_table, rule, object, &|_| true);
            found |= columns.is_some();
            columns.into_iter().for_each(|columns| add(&mut wanted[table], columns));
        }
        Ok(found)
    }

    /// The partitions whose objects the marker lets count: as far as the names that it binds say them.
    fn touched_by_marker(&mut self, object: &Object<'_>, base_name: &str, wanted: &mut [Wanted]) -> Result<bool> {
        let program = self.program;
        let mut found = false;
        for index in 0..self.directory.markers().len() {
            let number = self.directory.markers()[index];
            let marker = &program.markers[number as usize];
            let matches = self.matches(&marker.compiled, base_name);
            let matches = matches.map_err(|_| too_many_steps("a `done`", object))?;
            if !matches || self.read(&marker.compiled, object).is_err() {
                continue;
            }
            let is_said = |source: &ValueSource| match source {
                ValueSource::Capture(name) => marker.binds.contains(name),
                ValueSource::Expression(expression) => {
                    names(expression).all(|name| name.is_some_and(|name| marker.binds.contains(name)))
                }
            };
            for (table, wanted) in wanted.iter_mut().enumerate() {
                for (rule, compiled) in program.tables[table].rules.iter().enumerate() {
                    if compiled.marker == Some(number) {
                        let columns = self.columns(&marker.compiled, program.table(table), rule, object, &is_said);
                        found |= columns.is_some();
                        columns.into_iter().for_each(|columns| add(wanted, columns));
                    }
                }
            }
        }
        Ok(found)
    }

    /// What the columns of a rule may be for the match in hand: their values where `is_said`, and anything where the object
    /// itself has a say. `None` where the rule takes no such object.
    fn columns(
        &mut self,
        compiled: &Compiled,
        table: &Table,
        rule: usize,
        object: &Object<'_>,
        is_said: &dyn Fn(&ValueSource) -> bool,
    ) -> Option<Vec<Allowed>> {
        let work = &mut self.work;
        let matched = Match::new(compiled, &self.directory.bucket_text, &work.slots, &work.read, object, self.program);
        let mut columns = Vec::new();
        for (source, column) in table.rules[rule].values.iter().zip(&table.partitioned_by) {
            if !is_said(source) {
                columns.push(Allowed::default());
                continue;
            }
            let typed = match value(source, &matched, &mut work.text) {
                Ok(known) => column.partition_type().value(if known { &work.text } else { "" }),
                Err(NoValue::Lacks(_)) => {
                    columns.push(Allowed::default());
                    continue;
                }
                Err(NoValue::NoLookup | NoValue::Bad) => None,
            };
            columns.push(Allowed::value(typed?));
        }
        Some(columns)
    }
}

/// The captures of an expression; `None` for what the object itself says.
fn names(expression: &Expression) -> impl Iterator<Item = Option<&String>> {
    expression.holes().map(|hole| match &hole.from {
        HoleSource::Capture(name) => Some(name),
        HoleSource::Attribute(_) => None,
    })
}

fn add(wanted: &mut Wanted, columns: Vec<Allowed>) {
    let values: Option<Vec<PartitionValue>> = columns.iter().map(|column| column.only().cloned()).collect();
    match values {
        Some(values) => wanted.insert(values),
        None => wanted.insert_all(columns),
    }
}
