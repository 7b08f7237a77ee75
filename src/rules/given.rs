//! What a rule file names and only the world can tell: definitions of tables that are elsewhere (`like`), and where a
//! repository of lakeFS keeps its objects (`{storage_namespace}`).
//!
//! Pure. Reading a rule file says what it lacks ([`super::Loaded::lacking`], [`super::Loaded::lacking_namespaces`]); whoever reads it fetches that, puts it
//! into a [`Given`], and reads the file again.

use std::collections::HashMap;

use super::catalog::metastore_of;
use super::table::{Access, CatalogService, CatalogSettings, Column, Format, ListingSource, access};
use crate::error::{Error, Result};
use crate::uri::{Bucket, Scheme, Uri};

/// `like = "SOURCE:…"`: whose definition a table takes, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Like {
    /// `lakefs:repo/ref/_lakefs_tables/taxes.yaml`: a table descriptor in a repository.
    LakeFs { uri: Uri, access: Access },
    /// `glue:default.taxes`, `hive:default.taxes`, `hive:thrift://host:9083/default.taxes`: a table of a catalog, in lower
    /// case.
    Catalog { settings: CatalogSettings, table: String },
}

/// A repository of lakeFS whose storage namespace a location begins with, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Repository {
    pub name: String,
    pub access: Access,
}

/// A table as something else describes it. Names are in lower case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Definition {
    pub columns: Vec<Column>,
    pub partitioned_by: Vec<Column>,
    /// `None` where it does not say how the data is read: then the rule file does.
    pub format: Option<Format>,
    pub comment: Option<String>,
    /// Table properties worth keeping, in their order.
    pub properties: Vec<(String, String)>,
}

/// What has been fetched so far, or why it could not be.
#[derive(Debug, Default)]
pub struct Given {
    definitions: HashMap<Like, Result<Definition>>,
    namespaces: HashMap<Repository, Result<Uri>>,
}

impl Given {
    pub fn define(&mut self, like: Like, definition: Result<Definition>) {
        self.definitions.insert(like, definition);
    }

    /// `None` while nobody has asked for it.
    pub fn definition(&self, like: &Like) -> Option<Result<&Definition, &Error>> {
        self.definitions.get(like).map(Result::as_ref)
    }

    /// `namespace` ends in `/`.
    pub fn place(&mut self, repository: Repository, namespace: Result<Uri>) {
        self.namespaces.insert(repository, namespace);
    }

    /// `None` while nobody has asked for it.
    pub fn namespace(&self, repository: &Repository) -> Option<Result<&Uri, &Error>> {
        self.namespaces.get(repository).map(Result::as_ref)
    }
}

const GLUE_HELP: &str = "write\nlike = \"glue:default.taxes\"";
const HIVE_HELP: &str = "write\nlike = \"hive:default.taxes\"";
const METASTORE_HELP: &str =
    "write\n[catalog]\ntype     = \"hive\"\ndatabase = \"default\"\nuri      = \"thrift://metastore.example.com:9083\"";

impl Like {
    /// Reads `SOURCE:…`; `listings` say how stores are reached, `catalog` how its own kind of catalog is.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead.
    pub fn parse(
        text: &str,
        listings: &[ListingSource],
        catalog: Option<&CatalogSettings>,
    ) -> Result<Like, (String, &'static str)> {
        const HELP: &str = "write\nlike = \"lakefs:repo/main/_lakefs_tables/taxes.yaml\"";
        let Some((source, rest)) = text.split_once(':') else {
            return Err((format!("`{text}` does not say where the table is described"), HELP));
        };
        match source {
            "lakefs" => {
                let rest = rest.strip_prefix("//").unwrap_or(rest);
                let mut parts = rest.splitn(3, '/');
                match (parts.next(), parts.next(), parts.next()) {
                    (Some(repository), Some(reference), Some(path)) if ![repository, reference, path].contains(&"") => {
                        let uri = Uri::new(Bucket::new(Scheme::LakeFs, repository), format!("{reference}/{path}"));
                        let access = access(listings, &uri);
                        Ok(Like::LakeFs { uri, access })
                    }
                    _ => Err((format!("`{text}` is no file of a repository"), HELP)),
                }
            }
            "glue" | "hive" => {
                let help = if source == "glue" { GLUE_HELP } else { HIVE_HELP };
                let (database, table) = match rest.rsplit_once('.') {
                    Some((database, table)) if !database.is_empty() && !table.is_empty() => (database, table),
                    _ => return Err((format!("`{text}` names no table of a database"), help)),
                };
                let (metastore, database) = match database.rsplit_once('/') {
                    Some((metastore, database)) if source == "hive" => (Some(metastore), database),
                    _ => (None, database),
                };
                let stated = match metastore {
                    Some(uri) => {
                        let wrong = |wrong| (format!("`{uri}` is not the URI of a metastore: {wrong}"), HIVE_HELP);
                        let (host, port) = metastore_of(uri).map_err(wrong)?;
                        Some(CatalogService::Hive { host, port })
                    }
                    None => None,
                };
                let near = stated.as_ref().or(catalog.map(|catalog| &catalog.service));
                let service = match (source, near) {
                    ("glue", Some(service @ CatalogService::Glue { .. }))
                    | ("hive", Some(service @ CatalogService::Hive { .. })) => service.clone(),
                    ("glue", _) => {
                        CatalogService::Glue { region: None, profile: None, endpoint: None, catalog_id: None }
                    }
                    _ => return Err(("nothing says where the Hive metastore is".to_owned(), METASTORE_HELP)),
                };
                let settings = CatalogSettings { database: database.to_lowercase(), service };
                Ok(Like::Catalog { settings, table: table.to_lowercase() })
            }
            _ => Err((format!("`{source}:` is nothing that describes tables"), HELP)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_named_with_or_without_slashes() {
        for text in ["lakefs:r/main/_lakefs_tables/t.yaml", "lakefs://r/main/_lakefs_tables/t.yaml"] {
            let Like::LakeFs { uri, .. } = Like::parse(text, &[], None).unwrap() else { panic!("{text}") };
            assert_eq!(uri.raw(), "lakefs://r/main/_lakefs_tables/t.yaml");
        }
        for wrong in ["taxes", "lakefs:r/main", "lakefs:r/main/", "lakefs:r//x", "lakefs:/main/x", "sql:x", ":r/main/x"]
        {
            assert!(Like::parse(wrong, &[], None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_table_of_a_catalog_is_named_by_database_and_name() {
        let of = |text: &str, catalog: Option<&CatalogSettings>| match Like::parse(text, &[], catalog) {
            Ok(Like::Catalog { settings, table }) => Ok((settings, table)),
            Ok(other) => panic!("{other:?}"),
            Err((message, _)) => Err(message),
        };
        let glue = |region: Option<&str>| CatalogService::Glue {
            region: region.map(str::to_owned),
            profile: None,
            endpoint: None,
            catalog_id: None,
        };
        let settings = |service: CatalogService| CatalogSettings { database: "old".to_owned(), service };
        let hive = || CatalogService::Hive { host: "localhost".to_owned(), port: 9083 };
        assert_eq!(of("glue:Old.Taxes", None), Ok((settings(glue(None)), "taxes".to_owned())));
        let own = CatalogSettings { database: "new".to_owned(), service: glue(Some("eu-west-1")) };
        assert_eq!(of("glue:old.taxes", Some(&own)), Ok((settings(glue(Some("eu-west-1"))), "taxes".to_owned())));
        let own = CatalogSettings { database: "new".to_owned(), service: hive() };
        assert_eq!(of("hive:old.taxes", Some(&own)), Ok((settings(hive()), "taxes".to_owned())));
        assert_eq!(of("glue:old.taxes", Some(&own)), Ok((settings(glue(None)), "taxes".to_owned())));
        let other = "hive:thrift://localhost/Old.Taxes";
        assert_eq!(of(other, None), Ok((settings(hive()), "taxes".to_owned())));
        for wrong in
            ["glue:taxes", "glue:.taxes", "glue:old.", "hive:old.taxes", "hive:http://h/old.taxes", "hive:h/old.taxes"]
        {
            assert!(of(wrong, None).is_err(), "{wrong}");
        }
    }
}
