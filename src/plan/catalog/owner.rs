//! Whose a catalog's table is, and whether it is one that can be ours at all.
//!
//! Pure.

use super::{OWNER_PROJECT, OWNER_TABLE, TableDefinition};

impl TableDefinition {
    /// Whether its parameters say that it is this table of this project.
    pub fn is_owned_by(&self, table: &str, project: Option<&str>) -> bool {
        let said = |name: &str| self.parameters.get(name).map(String::as_str);
        said(OWNER_TABLE) == Some(table) && said(OWNER_PROJECT) == project
    }

    /// Whose it says it is.
    pub fn owner(&self) -> Option<String> {
        let table = self.parameters.get(OWNER_TABLE)?;
        Some(match self.parameters.get(OWNER_PROJECT) {
            Some(project) => format!("table `{table}` of project `{project}`"),
            None => format!("table `{table}` of a rule file without a project"),
        })
    }

    /// What it is, if it is no table that manifests could stand behind. `table_type` as the catalog says it.
    pub fn other_kind(&self, table_type: Option<&str>) -> Option<&'static str> {
        let said = |name: &str| self.parameters.get(name).map(|value| value.to_ascii_lowercase());
        let provider = said("spark.sql.sources.provider");
        match (said("table_type").as_deref(), provider.as_deref(), table_type) {
            (Some("iceberg"), _, _) | (_, Some("iceberg"), _) => Some("an Iceberg table"),
            (Some("delta"), _, _) | (_, Some("delta"), _) => Some("a Delta table"),
            (Some("hudi"), _, _) | (_, Some("hudi"), _) => Some("a Hudi table"),
            (_, Some(provider), _) if provider != "hive" => Some("a table of one of Spark's own sources"),
            (_, _, Some(kind)) if kind.to_ascii_uppercase().ends_with("VIEW") => Some("a view"),
            (_, _, Some(kind)) if kind.eq_ignore_ascii_case("MANAGED_TABLE") => {
                Some("a managed table, whose files are the engine's own")
            }
            _ => None,
        }
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
    }
}
