//! A table of a catalog as the definition of another one (`like = "glue:db.table"`). Pure.
//!
//! Takes what says how bytes are read; leaves out what a crawler, a writer or restitch noted about that table alone.

use std::collections::BTreeSet;

use super::Entry;
use crate::ddl::projection::LOCATION_TEMPLATE;
use crate::error::{Error, ErrorKind, Result};
use crate::plan::catalog::owner::is_view;
use crate::plan::catalog::{CatalogColumn, TableDefinition};
use crate::rules::format::{HEADER_LINES, kind_of_serde};
use crate::rules::given::Definition;
use crate::rules::table::{Column, Format, FormatKind};
use crate::uri::Shown;

/// Properties that are about the table's own data, and beginnings of such.
const OF_ITS_DATA: [&str; 18] = [
    "EXTERNAL",
    "COLUMN_STATS_ACCURATE",
    "UPDATED_BY_CRAWLER",
    "averageRecordSize",
    "bucketing_version",
    "columnsOrdered",
    "compressionType",
    "last_modified_by",
    "last_modified_time",
    "objectCount",
    "partition_filtering.enabled",
    "rawDataSize",
    "recordCount",
    "sizeKey",
    LOCATION_TEMPLATE,
    "totalSize",
    "transient_lastDdlTime",
    "typeOfData",
];
const PREFIXES_OF_ITS_DATA: [&str; 6] =
    ["projection.", "restitch.", "CrawlerSchema", "num", "spark.sql.", "exclusions"];

/// What `name`, as it was read, says of a table's columns, format and properties.
///
/// # Errors
/// `Unsupported` for a view, a table whose files only its own metadata names, and one with two columns of one name.
pub fn definition(name: &str, entry: Entry) -> Result<Definition> {
    let Entry { table, table_type, .. } = entry;
    let view = || is_view(table_type.as_deref()).then_some("a view");
    if let Some(what) = table.keeps_its_own_list().or_else(view).or_else(|| sparks_own(&table)) {
        let error = Error::new(ErrorKind::Unsupported, format!("{} is {what}", Shown(name)));
        return Err(error.help("a table whose columns and serde say how its files are read can be taken over"));
    }
    let mut names = BTreeSet::new();
    let mut columns = table.columns.iter().chain(&table.partition_keys);
    if let Some(twice) = columns.find(|column| !names.insert(column.name.to_lowercase())) {
        let message = format!("{} has a column `{}` twice, but for its case", Shown(name), Shown(&twice.name));
        return Err(Error::new(ErrorKind::Unsupported, message)
            .help("engines fail on such a table: give one of them another name there"));
    }
    let header_lines = table.parameters.get(HEADER_LINES).and_then(|lines| lines.trim().parse().ok()).unwrap_or(0);
    let is_kept = |name: &str| {
        name != HEADER_LINES
            && !OF_ITS_DATA.contains(&name)
            && !PREFIXES_OF_ITS_DATA.iter().any(|prefix| name.starts_with(prefix))
    };
    let serde_properties: Vec<(String, String)> = table.storage.serde_parameters.into_iter().collect();
    let format = (!table.storage.serde.is_empty()).then(|| Format {
        kind: kind(&table.storage.serde, &serde_properties),
        serde: table.storage.serde,
        serde_properties,
        header_lines,
    });
    Ok(Definition {
        columns: table.columns.into_iter().map(column).collect(),
        partitioned_by: table.partition_keys.into_iter().map(column).collect(),
        format,
        comment: table.comment,
        properties: table.parameters.into_iter().filter(|(name, _)| is_kept(name)).collect(),
    })
}

/// What Spark writes where a catalog cannot hold a table's columns: they are in its own properties then.
fn sparks_own(table: &TableDefinition) -> Option<&'static str> {
    let is_stand_in = |columns: &[CatalogColumn]| match columns {
        [column] => column.name == "col" && column.hive_type == "array<string>",
        _ => false,
    };
    let is_own = table.spark_source().is_some() && is_stand_in(&table.columns);
    is_own.then_some("a table whose columns only Spark can read")
}

fn kind(serde: &str, properties: &[(String, String)]) -> FormatKind {
    let is_tabbed = properties.iter().any(|(name, value)| name == "field.delim" && value == "\t");
    match kind_of_serde(serde) {
        FormatKind::Csv if is_tabbed => FormatKind::Tsv,
        kind => kind,
    }
}

fn column(column: CatalogColumn) -> Column {
    Column { name: column.name.to_lowercase(), ddl_type: column.hive_type.to_lowercase(), comment: column.comment }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::catalog::Version;
    use crate::plan::catalog::Storage;

    fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn entry(parameters: &[(&str, &str)], table_type: &str) -> Entry {
        let column = |name: &str, hive_type: &str| CatalogColumn {
            name: name.to_owned(),
            hive_type: hive_type.to_owned(),
            comment: Some(format!("the {name}")),
        };
        let table = TableDefinition {
            columns: vec![column("Id", "INT"), column("deep", "struct<a:int>")],
            partition_keys: vec![column("region", "string")],
            storage: Storage {
                serde: "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe".to_owned(),
                serde_parameters: texts(&[("field.delim", "\t")]),
                ..Storage::default()
            },
            comment: Some("of old".to_owned()),
            parameters: texts(parameters),
        };
        Entry { table, version: Version("1".to_owned()), table_type: Some(table_type.to_owned()), buckets: 0 }
    }

    #[test]
    fn what_says_how_bytes_are_read_is_taken() {
        let parameters = [
            ("EXTERNAL", "TRUE"),
            ("UPDATED_BY_CRAWLER", "c"),
            ("classification", "csv"),
            ("numFiles", "3"),
            ("projection.enabled", "true"),
            ("restitch.table", "old"),
            ("skip.header.line.count", "1"),
            ("team", "tax"),
        ];
        let taken = definition("db.t", entry(&parameters, "EXTERNAL_TABLE")).unwrap();
        let names = |columns: &[Column]| -> Vec<String> {
            columns.iter().map(|one| format!("{} {}", one.name, one.ddl_type)).collect()
        };
        assert_eq!(names(&taken.columns), ["id int", "deep struct<a:int>"]);
        assert_eq!(names(&taken.partitioned_by), ["region string"]);
        assert_eq!((taken.comment.as_deref(), taken.columns[0].comment.as_deref()), (Some("of old"), Some("the Id")));
        let format = taken.format.unwrap();
        assert_eq!((format.kind, format.header_lines), (FormatKind::Tsv, 1));
        assert_eq!(format.serde_properties, [("field.delim".to_owned(), "\t".to_owned())]);
        let kept = [("classification".to_owned(), "csv".to_owned()), ("team".to_owned(), "tax".to_owned())];
        assert_eq!(taken.properties, kept);
    }

    #[test]
    fn a_column_that_stands_twice_is_refused() {
        for (name, of_keys) in [("ID", false), ("deep", false), ("Region", false), ("id", true)] {
            let mut entry = entry(&[], "EXTERNAL_TABLE");
            let column = CatalogColumn { name: name.to_owned(), hive_type: "string".to_owned(), comment: None };
            let table = &mut entry.table;
            if of_keys {
                table.partition_keys.push(column)
            } else {
                table.columns.push(column)
            }
            let error = definition("db.t", entry).unwrap_err();
            assert!(error.kind() == ErrorKind::Unsupported && error.message().contains("twice"), "{error:?}");
        }
    }

    #[test]
    fn views_and_tables_of_other_formats_are_refused() {
        let provider = |source| [("spark.sql.sources.provider", source)];
        for (parameters, table_type, said) in [
            (&[][..], "VIRTUAL_VIEW", "a view"),
            (&[("table_type", "ICEBERG")], "EXTERNAL_TABLE", "an Iceberg table"),
            (&provider("delta"), "EXTERNAL_TABLE", "a Delta table"),
            (&provider("DELTA"), "MANAGED_TABLE", "a Delta table"),
            (&provider("hudi"), "EXTERNAL_TABLE", "a Hudi table"),
        ] {
            let error = definition("db.t", entry(parameters, table_type)).unwrap_err();
            assert_eq!((error.kind(), error.message()), (ErrorKind::Unsupported, format!("db.t is {said}").as_str()));
        }
        assert!(definition("db.t", entry(&provider("parquet"), "MANAGED_TABLE")).is_ok(), "its columns are there");
        let mut sparks = entry(&provider("csv"), "EXTERNAL_TABLE");
        sparks.table.columns.truncate(1);
        (sparks.table.columns[0].name, sparks.table.columns[0].hive_type) = ("col".into(), "array<string>".into());
        assert!(definition("db.t", sparks).unwrap_err().message().contains("only Spark"));
    }
}
