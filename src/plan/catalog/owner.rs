//! Whose a catalog's table is, and whether it is one that can be ours at all.
//!
//! Pure.

use super::{OWNER_PROJECT, OWNER_TABLE, TableDefinition};
use crate::uri::Shown;

/// The parameter that names the source by which Spark reads a table.
const SPARK_SOURCE: &str = "spark.sql.sources.provider";

/// ``table `taxes` of project `billing` ``, for a person.
pub fn owner(table: &str, project: Option<&str>) -> String {
    match project {
        Some(project) => format!("table `{}` of project `{}`", Shown(table), Shown(project)),
        None => format!("table `{}` of a rule file without a project", Shown(table)),
    }
}

/// Whether a catalog's word for a table's type is one for views.
pub fn is_view(table_type: Option<&str>) -> bool {
    table_type.is_some_and(|kind| kind.to_ascii_uppercase().ends_with("VIEW"))
}

impl TableDefinition {
    /// Whether its parameters say that it is this table of this project.
    pub fn is_owned_by(&self, table: &str, project: Option<&str>) -> bool {
        let said = |name: &str| self.parameters.get(name).map(String::as_str);
        said(OWNER_TABLE) == Some(table) && said(OWNER_PROJECT) == project
    }

    /// Whose it says it is, for a person.
    pub fn owner(&self) -> Option<String> {
        Some(owner(self.parameters.get(OWNER_TABLE)?, self.parameters.get(OWNER_PROJECT).map(String::as_str)))
    }

    /// What it is, if it is no table that manifests could stand behind. `table_type` as the catalog says it.
    pub fn other_kind(&self, table_type: Option<&str>) -> Option<&'static str> {
        let of_itself = self.keeps_its_own_list().or_else(|| is_view(table_type).then_some("a view"));
        of_itself.or_else(|| match (self.spark_source(), table_type) {
            (Some(_), _) => Some("a table of one of Spark's own sources"),
            (None, Some(kind)) if kind.eq_ignore_ascii_case("MANAGED_TABLE") => {
                Some("a managed table, whose files are the engine's own")
            }
            _ => None,
        })
    }

    /// What it is, if only its own metadata says which of its files count. The formats are marked in several ways: by
    /// `table_type` (Athena, crawlers, Iceberg everywhere), by Spark's provider (Delta and Hudi), by a storage handler
    /// (Hive), by an input format (Hudi).
    pub fn keeps_its_own_list(&self) -> Option<&'static str> {
        let said = |name: &str| {
            let found = self.parameters.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_ascii_lowercase()).unwrap_or_default()
        };
        let names = [said("table_type"), said(SPARK_SOURCE)];
        let classes = [said("storage_handler"), self.storage.input_format.to_ascii_lowercase()];
        let is = |name: &str, classes_of: &[&str]| {
            names.iter().any(|said| said == name)
                || classes.iter().any(|said| classes_of.iter().any(|class| said.contains(class)))
        };
        match () {
            () if is("iceberg", &[".iceberg."]) => Some("an Iceberg table"),
            () if is("delta", &["io.delta.", ".deltastoragehandler"]) => Some("a Delta table"),
            () if is("hudi", &[".hudi.", ".hoodie."]) => Some("a Hudi table"),
            () => None,
        }
    }

    /// The source of Spark's own that reads it, if one does.
    pub fn spark_source(&self) -> Option<&str> {
        self.parameters.get(SPARK_SOURCE).map(String::as_str).filter(|source| !source.eq_ignore_ascii_case("hive"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(parameters: &[(&str, &str)]) -> TableDefinition {
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        TableDefinition { parameters: parameters.collect(), ..TableDefinition::default() }
    }

    #[test]
    fn the_project_counts() {
        let ours = with(&[(OWNER_TABLE, "t"), (OWNER_PROJECT, "p")]);
        assert!(ours.is_owned_by("t", Some("p")));
        assert!(!ours.is_owned_by("t", None) && !ours.is_owned_by("u", Some("p")));
        assert!(with(&[(OWNER_TABLE, "t")]).is_owned_by("t", None));
        assert!(!with(&[]).is_owned_by("t", None) && with(&[]).owner().is_none());
    }

    #[test]
    fn what_is_no_external_table_is_told() {
        let kind = |parameters: &[(&str, &str)], table_type| with(parameters).other_kind(table_type);
        assert_eq!(kind(&[], Some("EXTERNAL_TABLE")), None);
        assert_eq!(kind(&[("spark.sql.sources.provider", "hive")], None), None);
        assert_eq!(kind(&[], Some("VIRTUAL_VIEW")), Some("a view"));
        assert!(kind(&[], Some("MANAGED_TABLE")).unwrap().starts_with("a managed table"));
        assert_eq!(kind(&[("table_type", "ICEBERG")], Some("EXTERNAL_TABLE")), Some("an Iceberg table"));
        assert_eq!(kind(&[("spark.sql.sources.provider", "delta")], None), Some("a Delta table"));
        assert!(kind(&[("spark.sql.sources.provider", "parquet")], None).is_some());
        let handler = "org.apache.iceberg.mr.hive.HiveIcebergStorageHandler";
        assert_eq!(kind(&[("storage_handler", handler)], None), Some("an Iceberg table"));
        assert_eq!(kind(&[("storage_handler", "io.delta.hive.DeltaStorageHandler")], None), Some("a Delta table"));
        let mut synced = with(&[]);
        synced.storage.input_format = "org.apache.hudi.hadoop.HoodieParquetInputFormat".to_owned();
        assert_eq!(synced.other_kind(Some("EXTERNAL_TABLE")), Some("a Hudi table"));
        synced.storage.input_format = "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat".to_owned();
        assert_eq!(synced.other_kind(Some("EXTERNAL_TABLE")), None);
    }
}
