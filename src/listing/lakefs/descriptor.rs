//! A table descriptor, `_lakefs_tables/NAME.yaml`, as lakeFS's own exporters read it, as a definition of a table. Pure.

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::rules::given::Definition;
use crate::rules::table::Column;
use crate::uri::Shown;

#[derive(Deserialize)]
struct Descriptor {
    /// The only kind with columns is `hive`.
    r#type: String,
    #[serde(default)]
    partition_columns: Vec<String>,
    schema: Option<Schema>,
}

#[derive(Deserialize)]
struct Schema {
    /// In the order of the table; the partition columns are among them.
    #[serde(default)]
    fields: Vec<Field>,
}

#[derive(Deserialize)]
struct Field {
    name: String,
    r#type: String,
    comment: Option<String>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    comment: Option<String>,
}

/// Reads the descriptor that `name` names in messages.
///
/// # Errors
/// `Corrupt` where it is none; `Unsupported` where it describes no Hive table.
pub(super) fn read(body: &[u8], name: &str) -> Result<Definition> {
    let corrupt = |what: String| {
        let help = "name: taxes\ntype: hive\npath: tables/taxes\npartition_columns: [region]\nschema:\n  type: struct\n  fields:\n  - {name: region, type: string}\n  - {name: id, type: long}";
        Error::new(ErrorKind::Corrupt, what).help(format!("a table descriptor looks like\n{help}"))
    };
    let text = std::str::from_utf8(body).map_err(|_| corrupt(format!("{name} is no text")))?;
    let descriptor: Descriptor = serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().map_or_else(String::new, |at| format!(":{}", at.line()));
        let why = error.without_snippet().to_string();
        corrupt(format!("{name}{line} is no table descriptor"))
            .note(Shown(why.lines().next().unwrap_or("")).to_string())
    })?;
    if descriptor.r#type != "hive" {
        let message = format!("{name} describes a table of type `{}`", Shown(&descriptor.r#type));
        return Err(Error::new(ErrorKind::Unsupported, message).help("tables of type `hive` can be taken over"));
    }
    let mut columns: Vec<Column> =
        descriptor.schema.into_iter().flat_map(|schema| schema.fields).map(Field::column).collect();
    let mut partitioned_by = Vec::new();
    for partition in &descriptor.partition_columns {
        let at = columns.iter().position(|column| column.name == partition.to_lowercase());
        let at = at.ok_or_else(|| {
            corrupt(format!("{name} has partition column `{}`, which is none of its fields", Shown(partition)))
        })?;
        partitioned_by.push(columns.remove(at));
    }
    Ok(Definition { columns, partitioned_by, ..Definition::default() })
}

impl Field {
    fn column(self) -> Column {
        let comment = self.comment.or_else(|| self.metadata?.comment);
        Column { name: self.name.to_lowercase(), ddl_type: ddl_type(&self.r#type), comment }
    }
}

/// A type as DDL writes it. Descriptors have Hive's words, and Spark's where those differ.
fn ddl_type(written: &str) -> String {
    match written {
        "integer" => "int",
        "long" => "bigint",
        "short" => "smallint",
        "byte" => "tinyint",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANIMALS: &str = "
name: animals
type: hive
path: tables/animals
partition_columns: ['Type', weight]
schema:
  type: struct
  fields:
    - name: type
      type: string
      nullable: false
      metadata:
        comment: axolotl, cat, dog, fish etc
    - name: weight
      type: integer
      nullable: false
      metadata: {}
    - name: Name
      type: string
    - name: born
      type: long
      comment: milliseconds
";

    fn shown(columns: &[Column]) -> Vec<String> {
        let one = |column: &Column| {
            format!("{} {} {}", column.name, column.ddl_type, column.comment.as_deref().unwrap_or("-"))
        };
        columns.iter().map(one).collect()
    }

    #[test]
    fn partition_columns_come_in_the_order_of_the_directories() {
        let animals = read(ANIMALS.as_bytes(), "x").unwrap();
        assert_eq!(shown(&animals.columns), ["name string -", "born bigint milliseconds"]);
        assert_eq!(shown(&animals.partitioned_by), ["type string axolotl, cat, dog, fish etc", "weight int -"]);
        assert_eq!(animals.format, None);
        let plain = read(b"{name: a, type: hive, path: p, schema: {fields: [{name: x, type: date}]}}", "x").unwrap();
        assert_eq!((shown(&plain.columns), plain.partitioned_by), (vec!["x date -".into()], vec![]));
    }

    #[test]
    fn what_is_no_descriptor_says_so() {
        for (text, kind, says) in [
            ("a: [", ErrorKind::Corrupt, "no table descriptor"),
            ("name: a\ntype: hive\nschema: 7\n", ErrorKind::Corrupt, "x:3 is no table descriptor"),
            ("name: a\ntype: delta\npath: p\n", ErrorKind::Unsupported, "type `delta`"),
            ("type: hive\npartition_columns: [y]\nschema: {fields: []}", ErrorKind::Corrupt, "`y`"),
            ("", ErrorKind::Corrupt, "no table descriptor"),
        ] {
            let error = read(text.as_bytes(), "x").unwrap_err();
            assert!(error.kind() == kind && error.message().contains(says), "{error:?}");
        }
        assert_eq!(read(&[0xff], "x").unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
