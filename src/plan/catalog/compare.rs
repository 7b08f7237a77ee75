//! What is stated held against what a catalog has: field by field, and only what restitch owns.
//!
//! Pure. Owned are the formats, the serde and what is stated of it, columns if they are stated, partition keys, the
//! location, `EXTERNAL`, `projection.*` with its template, header lines, `restitch.*` and every parameter that is stated.

use std::collections::BTreeMap;

use super::{CatalogColumn, FieldChange, PartitionDefinition, STORAGE_DIGEST, Storage, TableDefinition};
use crate::rules::ddl_type;
use crate::rules::format::HEADER_LINES;

/// Parameters that say how a table is read or whose it is: where they are not stated they go.
const OWNED_PREFIXES: [&str; 2] = ["projection.", "restitch."];
const OWNED: [&str; 2] = ["storage.location.template", HEADER_LINES];

/// Serde parameters that change what is read: where they are not stated they go.
const READING: [&str; 13] = [
    "field.delim",
    "escape.delim",
    "line.delim",
    "collection.delim",
    "colelction.delim",
    "mapkey.delim",
    "serialization.null.format",
    "separatorChar",
    "quoteChar",
    "escapeChar",
    "input.regex",
    "avro.schema.literal",
    "avro.schema.url",
];

impl TableDefinition {
    /// What of ours an update of `there` to this would change.
    pub fn changes(&self, there: &TableDefinition) -> Vec<FieldChange> {
        let mut changes = self.storage.changes(&there.storage);
        changes.extend(column_changes("columns", &self.columns, &there.columns));
        changes.extend(column_changes("partition_keys", &self.partition_keys, &there.partition_keys));
        if let Some(comment) = &self.comment {
            changes.extend(change("comment", said(there.comment.as_deref()), Some(comment)));
        }
        let removed = self.removed(there);
        changes.extend(parameter_changes("parameters", &self.parameters, &there.parameters, &removed));
        changes
    }

    /// The parameters of `there` that are ours and are not stated any more.
    pub fn removed(&self, there: &TableDefinition) -> Vec<String> {
        let is_owned = |name: &str| OWNED.contains(&name) || OWNED_PREFIXES.iter().any(|owned| name.starts_with(owned));
        let unstated = there.parameters.keys().filter(|name| !self.parameters.contains_key(*name));
        unstated.filter(|name| is_owned(name)).cloned().collect()
    }

    /// Whether the partition columns are others, or in another order: a table is not brought from one to the other.
    pub fn is_keyed_otherwise(&self, there: &TableDefinition) -> bool {
        let keys = |table: &TableDefinition| -> Vec<(String, String)> {
            table.partition_keys.iter().map(|key| (key.name.to_lowercase(), plain_type(&key.hive_type))).collect()
        };
        keys(self) != keys(there)
    }
}

impl PartitionDefinition {
    /// What of ours an update of `there` to this would change. The digest is named only if nothing else differs.
    pub fn changes(&self, there: &PartitionDefinition) -> Vec<FieldChange> {
        let mut changes = self.storage.changes(&there.storage);
        changes.extend(column_changes("columns", &self.columns, &there.columns));
        let of_parameters = parameter_changes("parameters", &self.parameters, &there.parameters, &[]);
        let (digest, others): (Vec<_>, Vec<_>) =
            of_parameters.into_iter().partition(|one| one.field.ends_with(STORAGE_DIGEST));
        changes.extend(others);
        if changes.is_empty() { digest } else { changes }
    }

    /// Whether it was registered by restitch.
    pub fn is_ours(&self) -> bool {
        self.parameters.contains_key(STORAGE_DIGEST)
    }
}

impl Storage {
    fn changes(&self, there: &Storage) -> Vec<FieldChange> {
        // Hive takes the last slash away.
        let is_there = self.location.trim_end_matches('/') == there.location.trim_end_matches('/');
        let location = if is_there { &self.location } else { &there.location };
        let fields = [
            ("location", location, &self.location),
            ("input_format", &there.input_format, &self.input_format),
            ("output_format", &there.output_format, &self.output_format),
            ("serde", &there.serde, &self.serde),
        ];
        let mut changes: Vec<FieldChange> =
            fields.into_iter().filter_map(|(field, old, new)| change(field, said(Some(old)), Some(new))).collect();
        let unstated = there.serde_parameters.keys().filter(|name| !self.serde_parameters.contains_key(*name));
        let removed: Vec<String> = unstated.filter(|name| READING.contains(&name.as_str())).cloned().collect();
        let (stated, old) = (&self.serde_parameters, &there.serde_parameters);
        changes.extend(parameter_changes("serde_parameters", stated, old, &removed));
        changes
    }

    /// With the serde parameters of `there` that are not ours; those of another serde mean nothing to this one.
    pub(super) fn keeping(mut self, there: &Storage) -> Storage {
        if self.serde == there.serde {
            let foreign = there.serde_parameters.iter().filter(|(name, _)| !READING.contains(&name.as_str()));
            for (name, value) in foreign {
                self.serde_parameters.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        self
    }
}

fn change(field: impl Into<String>, old: Option<&str>, new: Option<&str>) -> Option<FieldChange> {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    (old != new).then(|| FieldChange { field: field.into(), old: owned(old), new: owned(new) })
}

/// Some catalogs have an empty text where nothing is said.
fn said(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn parameter_changes(
    of: &str,
    stated: &BTreeMap<String, String>,
    there: &BTreeMap<String, String>,
    removed: &[String],
) -> Vec<FieldChange> {
    let is_same =
        |name: &str, old: &str, new: &str| old == new || (name == "EXTERNAL" && old.eq_ignore_ascii_case(new));
    let stated = stated.iter().filter_map(|(name, new)| {
        let old = there.get(name).map(String::as_str);
        if old.is_some_and(|old| is_same(name, old, new)) {
            return None;
        }
        change(format!("{of}.{name}"), old, Some(new))
    });
    let removed =
        removed.iter().filter_map(|name| change(format!("{of}.{name}"), there.get(name).map(String::as_str), None));
    stated.chain(removed).collect()
}

/// Nothing is said of columns where none are stated, or of comments where none is.
fn column_changes(of: &str, stated: &[CatalogColumn], there: &[CatalogColumn]) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    if stated.is_empty() {
        return changes;
    }
    for column in stated {
        let old = named(there, &column.name);
        let old_type = old.map(|old| old.hive_type.as_str());
        let is_same =
            old_type.is_some_and(|old| old == column.hive_type || plain_type(old) == plain_type(&column.hive_type));
        let field = format!("{of}.{}", column.name);
        let seen = if is_same { Some(column.hive_type.as_str()) } else { old_type };
        changes.extend(change(field.clone(), seen, Some(&column.hive_type)));
        if let (Some(old), Some(comment)) = (old, &column.comment) {
            changes.extend(change(format!("{field}.comment"), said(old.comment.as_deref()), Some(comment)));
        }
    }
    for old in there.iter().filter(|old| named(stated, &old.name).is_none()) {
        changes.extend(change(format!("{of}.{}", old.name), Some(&old.hive_type), None));
    }
    let names =
        |columns: &[CatalogColumn]| columns.iter().map(|one| one.name.to_lowercase()).collect::<Vec<_>>().join(", ");
    if changes.iter().all(|change| change.field.ends_with(".comment")) {
        changes.extend(change(of, Some(&names(there)), Some(&names(stated))));
    }
    changes
}

fn named<'c>(columns: &'c [CatalogColumn], name: &str) -> Option<&'c CatalogColumn> {
    columns.iter().find(|one| one.name.eq_ignore_ascii_case(name))
}

/// A type in the one spelling that they are compared in.
fn plain_type(hive_type: &str) -> String {
    ddl_type::in_catalog(&ddl_type::whole(hive_type).unwrap_or_else(|_| hive_type.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, hive_type: &str, comment: Option<&str>) -> CatalogColumn {
        CatalogColumn { name: name.to_owned(), hive_type: hive_type.to_owned(), comment: comment.map(str::to_owned) }
    }

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn stated() -> TableDefinition {
        TableDefinition {
            columns: vec![column("id", "bigint", None), column("amount", "decimal(10,0)", Some("net"))],
            partition_keys: vec![column("region", "string", None)],
            storage: Storage {
                location: "s3://bucket/t/".to_owned(),
                input_format: "in".to_owned(),
                output_format: "out".to_owned(),
                serde: "lazy".to_owned(),
                serde_parameters: map(&[("field.delim", ",")]),
            },
            comment: None,
            parameters: map(&[("EXTERNAL", "TRUE"), ("restitch.table", "t"), ("classification", "csv")]),
        }
    }

    /// As `stated` in the catalog, with what others and the catalog itself put there.
    fn there() -> TableDefinition {
        let mut there = stated();
        there.storage.location = "s3://bucket/t".to_owned();
        there.storage.serde_parameters.insert("serialization.format".to_owned(), "1".to_owned());
        there.columns[0].comment = Some("theirs".to_owned());
        there.columns[1].hive_type = "DECIMAL".to_owned();
        there.comment = Some("theirs".to_owned());
        there.parameters.extend(map(&[("owner.team", "x"), ("transient_lastDdlTime", "1"), ("EXTERNAL", "true")]));
        there
    }

    fn told(changes: &[FieldChange]) -> Vec<String> {
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        changes.iter().map(|one| format!("{}: {} > {}", one.field, text(&one.old), text(&one.new))).collect()
    }

    #[test]
    fn what_others_put_there_is_no_change_and_is_kept() {
        assert_eq!(told(&stated().changes(&there())), [""; 0]);
        assert_eq!(stated().removed(&there()), [""; 0]);
        let kept = stated().over(&there(), &[]);
        assert_eq!(kept.storage.serde_parameters, map(&[("field.delim", ","), ("serialization.format", "1")]));
    }

    #[test]
    fn one_field_by_hand_is_one_change() {
        type Edit = fn(&mut TableDefinition);
        let cases: [(Edit, &str); 15] = [
            (|t| t.storage.location = "s3://b/o/".to_owned(), "location: s3://b/o/ > s3://bucket/t/"),
            (|t| t.storage.input_format = String::new(), "input_format: - > in"),
            (|t| t.storage.serde = "open".to_owned(), "serde: open > lazy"),
            (|t| drop(t.storage.serde_parameters.remove("field.delim")), "serde_parameters.field.delim: - > ,"),
            (
                |t| t.storage.serde_parameters.extend(map(&[("escape.delim", "\\")])),
                "serde_parameters.escape.delim: \\ > -",
            ),
            (|t| t.columns[0].hive_type = "int".to_owned(), "columns.id: int > bigint"),
            (|t| drop(t.columns.remove(0)), "columns.id: - > bigint"),
            (|t| t.columns.push(column("more", "int", None)), "columns.more: int > -"),
            (|t| t.columns.swap(0, 1), "columns: amount, id > id, amount"),
            (|t| t.columns[1].comment = None, "columns.amount.comment: - > net"),
            (|t| t.partition_keys[0].hive_type = "int".to_owned(), "partition_keys.region: int > string"),
            (|t| drop(t.parameters.remove("classification")), "parameters.classification: - > csv"),
            (
                |t| drop(t.parameters.insert("EXTERNAL".to_owned(), "FALSE".to_owned())),
                "parameters.EXTERNAL: FALSE > TRUE",
            ),
            (
                |t| t.parameters.extend(map(&[("projection.enabled", "true")])),
                "parameters.projection.enabled: true > -",
            ),
            (
                |t| t.parameters.extend(map(&[("skip.header.line.count", "1")])),
                "parameters.skip.header.line.count: 1 > -",
            ),
        ];
        for (edit, expected) in cases {
            let mut edited = there();
            edit(&mut edited);
            assert_eq!(told(&stated().changes(&edited)), [expected]);
        }
    }

    #[test]
    fn columns_that_are_not_stated_are_not_ours() {
        let mut bare = stated();
        bare.columns.clear();
        assert_eq!(told(&bare.changes(&there())), [""; 0]);
        let mut commented = stated();
        commented.comment = Some("ours".to_owned());
        assert_eq!(told(&commented.changes(&there())), ["comment: theirs > ours"]);
    }

    #[test]
    fn other_partition_keys_are_another_table() {
        let mut other = there();
        assert!(!stated().is_keyed_otherwise(&other));
        other.partition_keys.push(column("dt", "date", None));
        assert!(stated().is_keyed_otherwise(&other));
    }

    #[test]
    fn a_partition_names_its_digest_only_where_nothing_else_differs() {
        let stated = PartitionDefinition {
            values: vec!["amer".to_owned()],
            columns: Vec::new(),
            storage: stated().storage,
            parameters: map(&[(STORAGE_DIGEST, "1")]),
        };
        let mut there = PartitionDefinition { parameters: map(&[(STORAGE_DIGEST, "0")]), ..stated.clone() };
        assert_eq!(told(&stated.changes(&there)), ["parameters.restitch.def: 0 > 1"]);
        there.storage.serde = "open".to_owned();
        assert_eq!(told(&stated.changes(&there)), ["serde: open > lazy"]);
        there.parameters.clear();
        assert!(!there.is_ours() && stated.is_ours());
    }
}
