//! Where lakeFS is and who asks: the rule file's `endpoint`, then what `lakectl` reads too, its environment variables
//! before its `~/.lakectl.yaml`.
//!
//! Reads that one file. What it holds is never shown, not in an error either.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use reqwest::Url;
use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::rules::table::Access;
use crate::uri::Shown;

/// What every path of the API begins with, where the endpoint has no path of its own.
const API: &str = "/api/v1";

/// One lakeFS, and how it is asked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Up to and with the API's path, without a slash at its end.
    pub endpoint: Url,
    /// `None`: asked without.
    pub credentials: Option<Credentials>,
    /// Tries of one request.
    pub max_tries: u32,
}

/// An access key. `Debug` does not say it.
#[derive(Clone)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// A variable of the environment; an empty one is none.
type Variable<'v> = &'v dyn Fn(&str) -> Option<String>;

impl Settings {
    /// # Errors
    /// `Usage` where no endpoint is said, or one that is no URL; `Credentials` where there are none; `Denied`, `Corrupt`
    /// and the like for a `.lakectl.yaml` that cannot be read.
    pub fn read(access: &Access) -> Result<Settings> {
        Settings::of(access, &environment, std::env::home_dir().as_deref())
    }

    /// As [`Settings::read`], in an environment that is handed in.
    ///
    /// # Errors
    /// As there.
    pub fn of(access: &Access, variable: Variable<'_>, home: Option<&Path>) -> Result<Settings> {
        let endpoint = access.endpoint.clone().or_else(|| variable("LAKECTL_SERVER_ENDPOINT_URL"));
        let keys = Keys {
            access_key_id: variable("LAKECTL_CREDENTIALS_ACCESS_KEY_ID"),
            secret_access_key: variable("LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY"),
        };
        let is_whole = endpoint.is_some() && (access.anonymous || keys.is_whole());
        let file = if is_whole { Lakectl::default() } else { Lakectl::of(variable, home)? };
        let endpoint = endpoint.or(filled(file.server.endpoint_url)).ok_or_else(no_endpoint)?;
        let keys = Keys {
            access_key_id: keys.access_key_id.or(filled(file.credentials.access_key_id)),
            secret_access_key: keys.secret_access_key.or(filled(file.credentials.secret_access_key)),
        };
        let credentials = match keys {
            _ if access.anonymous => None,
            Keys { access_key_id: Some(access_key_id), secret_access_key: Some(secret_access_key) } => {
                Some(Credentials { access_key_id, secret_access_key })
            }
            keys => return Err(no_credentials(&keys)),
        };
        Ok(Settings { endpoint: endpoint_url(&endpoint)?, credentials, max_tries: 10 })
    }
}

/// Where `lakectl` found the catalogs of its commands about metastores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metastore {
    /// `hive` or `glue`, where no flag says it.
    pub kind: Option<String>,
    pub hive_uri: Option<String>,
    pub glue_region: Option<String>,
    pub glue_profile: Option<String>,
    pub glue_catalog_id: Option<String>,
}

impl Metastore {
    /// # Errors
    /// `Denied`, `Corrupt` and the like for a `.lakectl.yaml` that cannot be read.
    pub fn read() -> Result<Metastore> {
        Metastore::of(&environment, std::env::home_dir().as_deref())
    }

    /// As [`Metastore::read`], in an environment that is handed in.
    ///
    /// # Errors
    /// As there.
    pub fn of(variable: Variable<'_>, home: Option<&Path>) -> Result<Metastore> {
        let Metastores { kind, hive, glue } = Lakectl::of(variable, home)?.metastore;
        let said = |name: &str, of_file| variable(&format!("LAKECTL_METASTORE_{name}")).or(filled(of_file));
        Ok(Metastore {
            kind: said("TYPE", kind),
            hive_uri: said("HIVE_URI", hive.uri),
            glue_region: said("GLUE_REGION", glue.region),
            glue_profile: said("GLUE_PROFILE", glue.profile),
            glue_catalog_id: said("GLUE_CATALOG_ID", glue.catalog_id),
        })
    }
}

/// The variable in this process's environment.
fn environment(name: &str) -> Option<String> {
    filled(std::env::var(name).ok())
}

fn filled(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.is_empty())
}

/// The part of `.lakectl.yaml` that matters here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Lakectl {
    server: Server,
    credentials: Keys,
    metastore: Metastores,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metastores {
    #[serde(rename = "type")]
    kind: Option<String>,
    hive: HiveMetastore,
    glue: Glue,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HiveMetastore {
    uri: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Glue {
    region: Option<String>,
    profile: Option<String>,
    catalog_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Server {
    endpoint_url: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Keys {
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
}

impl Keys {
    fn is_whole(&self) -> bool {
        self.access_key_id.is_some() && self.secret_access_key.is_some()
    }
}

impl Lakectl {
    /// The file that the environment names, or that lies in the home directory.
    fn of(variable: Variable<'_>, home: Option<&Path>) -> Result<Lakectl> {
        let stated = variable("LAKECTL_CONFIG_FILE").map(PathBuf::from);
        let path = stated.or_else(|| Some(home?.join(".lakectl.yaml")));
        path.map_or_else(|| Ok(Lakectl::default()), |path| Lakectl::read(&path))
    }

    /// The file at `path`; one that is not there says nothing.
    fn read(path: &Path) -> Result<Lakectl> {
        let shown = Shown(&path.to_string_lossy()).to_string();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lakectl::default()),
            Err(error) => return Err(Error::io(shown, error)),
        };
        if text.trim().is_empty() {
            return Ok(Lakectl::default());
        }
        serde_saphyr::from_str(&text).map_err(|error| {
            // Its own words would quote the line, and with it a secret.
            let line = error.location().map_or_else(String::new, |at| format!(":{}", at.line()));
            let error = Error::new(ErrorKind::Corrupt, format!("{shown}{line}: not as `lakectl config` writes it"));
            error.help("write it anew: lakectl config")
        })
    }
}

/// As `lakectl` takes it: with the API's path, or without any.
fn endpoint_url(text: &str) -> Result<Url> {
    let wrong = |help: String| {
        // A password may stand in it.
        Err(Error::new(ErrorKind::Usage, "the endpoint of lakeFS is no http:// or https:// URL").help(help))
    };
    let parsed = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(mut url) = parsed else {
        return wrong("write it as https://lakefs.example.com, in LAKECTL_SERVER_ENDPOINT_URL or `[[listing]]`".into());
    };
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(if path.is_empty() { API } else { &path });
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

fn no_endpoint() -> Error {
    Error::new(ErrorKind::Usage, "nothing says where lakeFS is").help(
        "set LAKECTL_SERVER_ENDPOINT_URL, or run `lakectl config`; or say it in the rule file:\n\
         [[listing]]\nprefix = 'lakefs://repo/'\nendpoint = \"https://lakefs.example.com\"",
    )
}

fn no_credentials(keys: &Keys) -> Error {
    let error = Error::new(ErrorKind::Credentials, "lakeFS needs credentials, and none were found");
    let error = match keys {
        Keys { access_key_id: Some(_), .. } => error.note("there is an access key id, and no secret access key"),
        Keys { secret_access_key: Some(_), .. } => error.note("there is a secret access key, and no access key id"),
        _ => error,
    };
    error.help(
        "set LAKECTL_CREDENTIALS_ACCESS_KEY_ID and LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY, or run `lakectl config`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "credentials:\n  access_key_id: AKIAFILE\n  secret_access_key: filesecret/+\nserver:\n  endpoint_url: http://file:8000/api/v1/\n";

    /// The settings with `file` as `~/.lakectl.yaml`, as endpoint and key id, or the error with everything that it says.
    fn read(file: Option<&str>, variables: &[(&str, &str)], access: &Access) -> Result<(String, String), String> {
        let home = tempfile::tempdir().unwrap();
        if let Some(file) = file {
            std::fs::write(home.path().join(".lakectl.yaml"), file).unwrap();
        }
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into());
        let settings = Settings::of(access, &variable, Some(home.path()));
        let settings = settings.map_err(|error| format!("{error:?}").replace(home.path().to_str().unwrap(), "~"))?;
        assert!(!format!("{settings:?}").contains("secret"));
        let key = settings.credentials.map_or_else(String::new, |it| it.access_key_id + " " + &it.secret_access_key);
        Ok((settings.endpoint.to_string(), key))
    }

    #[test]
    fn the_environment_counts_before_the_file_and_the_rule_file_before_both() {
        let file = Ok(("http://file:8000/api/v1".into(), "AKIAFILE filesecret/+".into()));
        assert_eq!(read(Some(FILE), &[], &Access::default()), file);
        let variables = [
            ("LAKECTL_SERVER_ENDPOINT_URL", "https://env"),
            ("LAKECTL_CREDENTIALS_ACCESS_KEY_ID", "AKIAENV"),
            ("LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY", "secret"),
        ];
        let env = ("https://env/api/v1".to_owned(), "AKIAENV secret".to_owned());
        assert_eq!(read(Some(FILE), &variables, &Access::default()), Ok(env.clone()));
        // Then the file is not even looked at.
        assert_eq!(read(Some("]"), &variables, &Access::default()), Ok(env));
        let access = Access { endpoint: Some("http://rules:1".into()), ..Access::default() };
        assert_eq!(
            read(Some(FILE), &variables, &access),
            Ok(("http://rules:1/api/v1".into(), "AKIAENV secret".into()))
        );
        assert_eq!(
            read(Some(FILE), &variables[..1], &Access::default()),
            Ok(("https://env/api/v1".into(), "AKIAFILE filesecret/+".into()))
        );
        let anonymous = Access { anonymous: true, ..access };
        assert_eq!(read(None, &[], &anonymous), Ok(("http://rules:1/api/v1".into(), String::new())));
    }

    #[test]
    fn keys_that_look_like_numbers_are_text_and_the_rest_of_the_file_does_not_matter() {
        let file = "credentials: {access_key_id: 123, secret_access_key: 0x1F}\nserver:\n  endpoint_url: http://h\n  retries:\n    max_attempts: 4\nmetastore:\n  type: glue\n";
        assert_eq!(read(Some(file), &[], &Access::default()), Ok(("http://h/api/v1".into(), "123 0x1F".into())));
    }

    #[test]
    fn metastores_are_where_lakectl_found_them() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(Metastore::of(&|_| None, Some(home.path())).unwrap(), Metastore::default());
        let file = "metastore:\n  type: hive\n  hive:\n    uri: hive-metastore:9083\n    db_location_uri: x\n  glue:\n    \
                    catalog_id: 012345678901\n    region: eu-west-1\n    credentials: {access_key_id: AKIA}\n";
        std::fs::write(home.path().join(".lakectl.yaml"), file).unwrap();
        let variable = |name: &str| (name == "LAKECTL_METASTORE_GLUE_REGION").then(|| "us-east-1".to_owned());
        let expected = Metastore {
            kind: Some("hive".into()),
            hive_uri: Some("hive-metastore:9083".into()),
            glue_region: Some("us-east-1".into()),
            glue_profile: None,
            glue_catalog_id: Some("012345678901".into()),
        };
        assert_eq!(Metastore::of(&variable, Some(home.path())).unwrap(), expected);
    }

    #[test]
    fn an_endpoint_keeps_a_path_of_its_own() {
        for (text, url) in [
            ("http://h:8000", "http://h:8000/api/v1"),
            ("http://h:8000/", "http://h:8000/api/v1"),
            ("http://h/api/v1", "http://h/api/v1"),
            ("https://h/api/v1/", "https://h/api/v1"),
            ("https://h/proxy/api/v1", "https://h/proxy/api/v1"),
        ] {
            assert_eq!(endpoint_url(text).unwrap().as_str(), url);
        }
        for wrong in ["localhost:8000", "h", "ftp://h", "", "http://"] {
            assert_eq!(endpoint_url(wrong).unwrap_err().kind(), ErrorKind::Usage, "{wrong}");
        }
    }

    #[test]
    fn what_is_missing_is_named_and_no_secret_is() {
        let none = read(None, &[], &Access::default()).unwrap_err();
        assert!(none.contains("nothing says where lakeFS is"), "{none}");
        let half = "credentials:\n  access_key_id: AKIA\nserver:\n  endpoint_url: http://h\n";
        let half = read(Some(half), &[], &Access::default()).unwrap_err();
        assert!(half.contains("no secret access key"), "{half}");
        for broken in [
            "credentials:\n  access_key_id: [verysecret\n",
            "credentials: verysecret\n",
            "credentials: {access_key_id: {verysecret: 1}}",
        ] {
            let error = read(Some(broken), &[], &Access::default()).unwrap_err();
            assert!(error.contains("~/.lakectl.yaml:") && !error.contains("verysecret"), "{error}");
        }
        assert!(read(Some("# nothing\n"), &[], &Access::default()).unwrap_err().contains("where lakeFS is"));
    }
}
