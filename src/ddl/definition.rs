//! A table and its partitions as a catalog takes them: what `CREATE EXTERNAL TABLE` and `ADD PARTITION` would say, as
//! data instead of text.
//!
//! Pure. A test holds this against the statements: both must say the same.

use std::collections::BTreeMap;

use md5::{Digest, Md5};

use super::create::{SYMLINK_INPUT_FORMAT, SYMLINK_OUTPUT_FORMAT, properties, typed, with_what_it_needs};
use super::{Partition, Projection};
use crate::error::Result;
use crate::plan::catalog::{
    CatalogColumn, OWNER_PROJECT, OWNER_TABLE, PartitionDefinition, STORAGE_DIGEST, Storage, TableDefinition,
};
use crate::plan::marker::hex;
use crate::rules::ddl_type;
use crate::rules::table::{Column, Table};
use crate::uri::Uri;
use crate::value::in_catalog;

/// `table` over `location` (ends in `/`), with the properties of `projection` if there is one, and whose it is.
///
/// # Errors
/// `Rules`, as [`super::create_table`].
pub fn table_definition(
    table: &Table,
    project: Option<&str>,
    location: &Uri,
    projection: Option<&Projection>,
) -> Result<TableDefinition> {
    let format = with_what_it_needs(table)?;
    let mut parameters: BTreeMap<String, String> = properties(table, format, projection).into_iter().collect();
    parameters.insert("EXTERNAL".to_owned(), "TRUE".to_owned());
    parameters.insert(OWNER_TABLE.to_owned(), table.name.clone());
    parameters.extend(project.map(|project| (OWNER_PROJECT.to_owned(), project.to_owned())));
    Ok(TableDefinition {
        columns: columns(table, &table.columns)?,
        partition_keys: columns(table, &table.partitioned_by)?,
        storage: Storage {
            location: location.raw(),
            input_format: SYMLINK_INPUT_FORMAT.to_owned(),
            output_format: SYMLINK_OUTPUT_FORMAT.to_owned(),
            serde: format.serde.clone(),
            serde_parameters: format.serde_properties.iter().cloned().collect(),
        },
        comment: table.comment.clone(),
        parameters,
    })
}

/// A partition of a table that is defined so: read as the table is, at its own place. Comments on columns are the table's
/// alone.
pub fn partition_definition(table: &TableDefinition, partition: &Partition) -> PartitionDefinition {
    let storage = Storage { location: partition.location.raw(), ..table.storage.clone() };
    let bare = |column: &CatalogColumn| CatalogColumn { comment: None, ..column.clone() };
    let columns: Vec<CatalogColumn> = table.columns.iter().map(bare).collect();
    let digest = digest(&storage, &columns);
    PartitionDefinition {
        values: in_catalog(&partition.values),
        columns,
        storage,
        parameters: BTreeMap::from([(STORAGE_DIGEST.to_owned(), digest)]),
    }
}

fn columns(table: &Table, columns: &[Column]) -> Result<Vec<CatalogColumn>> {
    let one = |column: &Column| {
        let hive_type = ddl_type::in_catalog(&typed(table, column)?);
        Ok(CatalogColumn { name: column.name.to_lowercase(), hive_type, comment: column.comment.clone() })
    };
    columns.iter().map(one).collect()
}

/// 16 hex digits.
fn digest(storage: &Storage, columns: &[CatalogColumn]) -> String {
    let text = serde_json::to_vec(&(storage, columns)).expect("plain data prints");
    hex(&Md5::digest(text)[..8])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ddl::sample::table;
    use crate::ddl::{TableName, create_table};
    use crate::rules::ddl_in;
    use crate::rules::format::{self, FormatOptions};
    use crate::rules::table::UserDdl;
    use crate::value::HIVE_NULL;
    use crate::value::PartitionValue;

    /// What the statement says, as a catalog would hold it.
    fn said(table: &Table, projection: Option<&Projection>) -> TableDefinition {
        let location = table.location.as_ref().unwrap();
        let text = create_table(table, &TableName::new(None, &table.name), location, projection).unwrap().text;
        let read = ddl_in::read(&text).unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
        let column = |column: &Column| CatalogColumn {
            name: column.name.clone(),
            hive_type: ddl_type::in_catalog(&column.ddl_type),
            comment: column.comment.clone(),
        };
        let said = |words: &str, class: &str| assert!(text.contains(&format!("{words} '{class}'")), "{text}");
        said("INPUTFORMAT", SYMLINK_INPUT_FORMAT);
        said("OUTPUTFORMAT", SYMLINK_OUTPUT_FORMAT);
        let mut parameters: BTreeMap<String, String> = read.properties.into_iter().collect();
        if read.format.header_lines > 0 {
            parameters.insert(format::HEADER_LINES.to_owned(), read.format.header_lines.to_string());
        }
        // What a statement says with the word EXTERNAL, and what only we say.
        parameters.insert("EXTERNAL".to_owned(), "TRUE".to_owned());
        parameters.insert(OWNER_TABLE.to_owned(), table.name.clone());
        TableDefinition {
            columns: read.columns.iter().map(column).collect(),
            partition_keys: read.partitioned_by.iter().map(column).collect(),
            storage: Storage {
                location: read.location.unwrap(),
                input_format: SYMLINK_INPUT_FORMAT.to_owned(),
                output_format: SYMLINK_OUTPUT_FORMAT.to_owned(),
                serde: read.format.serde,
                serde_parameters: read.format.serde_properties.into_iter().collect(),
            },
            comment: read.comment,
            parameters,
        }
    }

    fn defined(table: &Table, projection: Option<&Projection>) -> TableDefinition {
        table_definition(table, None, table.location.as_ref().unwrap(), projection).unwrap()
    }

    fn projection() -> Projection {
        let properties = [
            ("projection.enabled", "true"),
            ("projection.region.type", "injected"),
            ("storage.location.template", "s3://athena/tables/taxes/region=${region}/"),
        ];
        let properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Projection { properties, why: Vec::new(), advice: Vec::new() }
    }

    #[test]
    fn a_statement_of_the_users_is_defined_as_it_is_rewritten() {
        for text in [
            "CREATE EXTERNAL TABLE t (Id bigint COMMENT 'the id', s struct<A:int,`b c`:decimal>) COMMENT 'all' \
             PARTITIONED BY (dt string) ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' ESCAPED BY '\\\\' LOCATION 's3://x/' \
             TBLPROPERTIES ('skip.header.line.count'='2', 'k'='v', 'projection.enabled'='true', 'EXTERNAL'='FALSE')",
            "create table t (id bigint) stored as parquet",
            "create external table t (id integer) row format serde 'com.example.S' with serdeproperties ('a'='b') \
             stored as inputformat 'i' outputformat 'o' location 's3://x/'",
            "CREATE EXTERNAL TABLE t (line string)",
        ] {
            let read = ddl_in::read(text).unwrap();
            let mut table = table(&[("region", "string")]);
            (table.columns, table.comment, table.format) =
                (read.columns.clone(), read.comment.clone(), Some(read.format.clone()));
            table.properties = read.properties.clone();
            table.ddl = Some(UserDdl { path: "t.sql".into(), text: text.to_owned(), statement: read });
            assert_eq!(defined(&table, None), said(&table, None));
            assert_eq!(defined(&table, Some(&projection())), said(&table, Some(&projection())));
            // What the rule file says beside the statement counts before it.
            table.comment = Some("of the rules".to_owned());
            table.properties.push(("of".to_owned(), "the rules".to_owned()));
            assert_eq!(defined(&table, None), said(&table, None));
        }
    }

    #[test]
    fn a_partition_is_its_table_at_another_place() {
        let table = defined(&table(&[("region", "string"), ("n", "int")]), None);
        let partition = Partition {
            values: vec![PartitionValue::NULL, PartitionValue::new("7")],
            location: Uri::parse("s3://athena/tables/taxes/region=__HIVE_DEFAULT_PARTITION__/n=7/").unwrap(),
        };
        let made = partition_definition(&table, &partition);
        assert_eq!(made.values, [HIVE_NULL, "7"]);
        assert_eq!(made.storage, Storage { location: partition.location.raw(), ..table.storage.clone() });
        assert_eq!(made.columns, table.columns);
        let digest =
            |table: &TableDefinition| partition_definition(table, &partition).parameters[STORAGE_DIGEST].clone();
        let mut other = table.clone();
        other.storage.serde_parameters.insert("field.delim".to_owned(), ";".to_owned());
        assert!(digest(&table).len() == 16 && digest(&table) != digest(&other));
    }

    #[test]
    fn whose_it_is_stands_in_it() {
        let table = table(&[]);
        let made = table_definition(&table, Some("billing"), table.location.as_ref().unwrap(), None).unwrap();
        assert_eq!(made.parameters[OWNER_PROJECT], "billing");
        assert_eq!(made.parameters[OWNER_TABLE], "taxes");
        let mut bare = table;
        bare.columns.clear();
        assert!(table_definition(&bare, None, bare.location.as_ref().unwrap(), None).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn definition_and_statement_say_the_same(
            kind in prop::sample::select(vec!["csv", "opencsv", "tsv", "json", "parquet", "orc", "avro"]),
            types in prop::collection::vec(
                prop::sample::select(vec![
                    "integer", "real", "decimal", "dec(7)", "struct<A:numeric,`b c`:array<map<string,char(3)>>>",
                    "timestamp", "double precision", "varchar(5)",
                ]),
                1..5,
            ),
            texts in prop::collection::vec(r#"([\x01-\x7f]|\PC|[\\'"`;${}%_]|'\) |-- |/\*){1,12}"#, 5),
            header_lines in 0u32..3,
            projects in any::<bool>(),
        ) {
            let mut table = table(&[("region", "string"), ("day", "date")]);
            let options = FormatOptions {
                properties: vec![(texts[0].clone(), texts[1].clone())],
                header_lines: matches!(kind, "csv" | "tsv" | "opencsv").then_some(header_lines),
                ..FormatOptions::default()
            };
            table.format = Some(format::format(Some(kind), &options).unwrap());
            let column = |(at, ddl_type): (usize, &&str)| Column {
                name: format!("c {at}"),
                ddl_type: ddl_type::whole(ddl_type).unwrap(),
                comment: (at % 2 == 0).then(|| texts[2].clone()),
            };
            table.columns = types.iter().enumerate().map(column).collect();
            table.comment = Some(texts[3].clone());
            table.properties = vec![(format!("x{}", texts[4]), texts[1].clone())];
            let projection = projects.then(projection);
            prop_assert_eq!(defined(&table, projection.as_ref()), said(&table, projection.as_ref()));
        }
    }
}
