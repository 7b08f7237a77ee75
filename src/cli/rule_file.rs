//! The rule file as every command reads it: found, read, parsed, what it names elsewhere fetched, and its mistakes shown.

#[cfg(feature = "lakefs")]
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Global;
use crate::catalog::{self, Catalogs};
use crate::error::{Error, ErrorKind, Result};
#[cfg(feature = "lakefs")]
use crate::listing::lakefs::LakeFs;
use crate::rules::diagnostic::{self, Lines};
#[cfg(feature = "lakefs")]
use crate::rules::table::Access;
use crate::rules::table::Rules;
use crate::rules::{self, Definition, Diagnostic, Given, Like, Loaded, Repository, Severity};
use crate::uri::{Bucket, Shown, Uri};

/// A rule file that could be read, with or without mistakes.
pub struct RuleFile {
    path: PathBuf,
    text: String,
    pub loaded: Loaded,
}

impl RuleFile {
    /// # Errors
    /// `NotFound`, `Denied` or `Io` if there is no such file or it cannot be read; `Corrupt` if it is no text. What it
    /// names elsewhere and cannot be had is among its mistakes.
    pub async fn read(path: &Path) -> Result<RuleFile> {
        let bytes = std::fs::read(path).map_err(|error| unreadable(path, error))?;
        let text = String::from_utf8(bytes).map_err(|error| not_text(path, &error))?;
        RuleFile::of(path, text, Given::default()).await
    }

    /// A text as the rule file at `path`, whether or not it is there, with what has been fetched for it already.
    ///
    /// # Errors
    /// As [`RuleFile::read`], but for those of reading it.
    pub async fn of(path: &Path, text: String, mut given: Given) -> Result<RuleFile> {
        let absolute = std::path::absolute(path).map_err(|error| Error::io(shown(path), error))?;
        let folder = absolute.parent().unwrap_or(Path::new("/"));
        let read = |ddl: &Path| std::fs::read_to_string(ddl).map_err(|error| Error::io(shown(ddl), error));
        let mut loaded = rules::load_with(&text, path, folder, &read, &given);
        let mut elsewhere = Elsewhere::default();
        while !(loaded.lacking.is_empty() && loaded.lacking_namespaces.is_empty()) {
            for repository in loaded.lacking_namespaces {
                let namespace = elsewhere.namespace(&repository).await;
                given.place(repository, namespace);
            }
            for like in loaded.lacking {
                let definition = elsewhere.definition(&like).await;
                given.define(like, definition);
            }
            loaded = rules::load_with(&text, path, folder, &read, &given);
        }
        Ok(RuleFile { path: path.to_owned(), text, loaded })
    }

    /// Its rules; its errors are shown.
    ///
    /// # Errors
    /// `Rules` if it has errors.
    pub fn into_rules(mut self) -> Result<Rules> {
        match self.loaded.rules.take() {
            Some(rules) => Ok(rules),
            None => {
                let errors = self.loaded.diagnostics.iter().filter(|one| one.severity == Severity::Error);
                let count = errors.clone().count();
                anstream::eprint!("{}", self.render(errors));
                let plural = if count == 1 { "1 error" } else { &format!("{count} errors") };
                Err(Error::new(ErrorKind::Rules, format!("{} has {plural}; nothing was done", shown(&self.path))))
            }
        }
    }

    /// As the user named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Mistakes as people read them, with colour in them.
    pub fn render<'d>(&self, diagnostics: impl IntoIterator<Item = &'d Diagnostic>) -> String {
        let lines = Lines::new(&self.text);
        diagnostics.into_iter().map(|one| diagnostic::render(one, &self.path, &lines, true)).collect()
    }
}

/// The rules, for commands that only need them to be right. Errors are shown; warnings are `check`'s to show.
///
/// # Errors
/// As [`RuleFile::read`]; `Rules` if the file has errors.
pub async fn load(global: &Global) -> Result<Rules> {
    load_from(&global.file).await
}

/// The same, of a file that was named otherwise than by `-f`.
///
/// # Errors
/// As [`load`].
pub async fn load_from(path: &Path) -> Result<Rules> {
    RuleFile::read(path).await?.into_rules()
}

/// The places that a rule file names, each opened once.
#[derive(Debug, Default)]
pub struct Elsewhere {
    catalogs: Catalogs,
    #[cfg(feature = "lakefs")]
    lakes: HashMap<Access, LakeFs>,
}

impl Elsewhere {
    /// The definition that `like` names, from where it is.
    ///
    /// # Errors
    /// `NotFound` where there is none; `Unsupported` for one that cannot be taken over; those of reaching it.
    pub async fn definition(&mut self, like: &Like) -> Result<Definition> {
        match like {
            #[cfg(feature = "lakefs")]
            Like::LakeFs { uri, access } => self.lake(access)?.definition(uri).await,
            #[cfg(not(feature = "lakefs"))]
            Like::LakeFs { uri, .. } => Err(crate::listing::sources::without_feature(uri, "lakefs")),
            Like::Catalog { settings, table } => {
                let catalog = self.catalogs.open(settings).await?;
                match catalog.table(table).await? {
                    Some(entry) => catalog::like::definition(table, entry),
                    None => {
                        let message = format!("there is no table `{}` in {}", Shown(table), catalog.shown());
                        Err(Error::new(ErrorKind::NotFound, message))
                    }
                }
            }
        }
    }

    /// Where a repository keeps its objects.
    ///
    /// # Errors
    /// `NotFound` where there is none; those of reaching it.
    pub async fn namespace(&mut self, repository: &Repository) -> Result<Uri> {
        #[cfg(feature = "lakefs")]
        return self.lake(&repository.access)?.storage_namespace(&repository.name).await;
        #[cfg(not(feature = "lakefs"))]
        Err(crate::listing::sources::without_feature(
            &Uri::new(Bucket::new(crate::uri::Scheme::LakeFs, &repository.name), ""),
            "lakefs",
        ))
    }

    #[cfg(feature = "lakefs")]
    fn lake(&mut self, access: &Access) -> Result<&LakeFs> {
        use std::collections::hash_map::Entry;
        Ok(match self.lakes.entry(access.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(LakeFs::open(access)?),
        })
    }
}

/// The object that an argument names: a URI, or a local file's path.
///
/// # Errors
/// `Usage` if it is neither, or a bucket alone.
pub fn object_uri(text: &str) -> Result<Uri> {
    if text.contains("://") {
        let uri = Uri::parse(text)?;
        if uri.key.is_empty() {
            let error = Error::new(ErrorKind::Usage, format!("{} names a bucket and no object", uri.shown()));
            return Err(error.help(format!("write a key behind it: {}folder/file.csv", uri.shown())));
        }
        return Ok(uri);
    }
    if text.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "an empty text names no object").help("s3://bucket/folder/file.csv"));
    }
    let absolute = std::path::absolute(text).map_err(|error| Error::io(Shown(text), error))?;
    // The argument was text, and so was the working directory if this is.
    let absolute = absolute
        .into_os_string()
        .into_string()
        .map_err(|path| Error::new(ErrorKind::Usage, format!("{} is not UTF-8", shown(Path::new(&path)))))?;
    // `..` goes as it does in a rule's relative path: no listing has such a key.
    let mut parts: Vec<&str> = Vec::new();
    for part in absolute.trim_start_matches('/').split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Ok(Uri::new(Bucket::local(), parts.join("/")))
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::new(ErrorKind::NotFound, format!("there is no rule file {}", shown(path))).source(error).help(
                "name one with `-f FILE`, or write one; the smallest is\n\
                 [table.NAME]\n[[table.NAME.rule]]\nmatch = 's3://bucket/folder/*.csv'",
            )
        }
        std::io::ErrorKind::IsADirectory => {
            let file = path.join("restitch.toml");
            let error =
                Error::new(ErrorKind::Usage, format!("{} is a folder, not a rule file", shown(path))).source(error);
            if file.exists() { error.help(format!("-f {}", shown(&file))) } else { error }
        }
        _ => Error::io(shown(path), error),
    }
}

fn not_text(path: &Path, error: &std::string::FromUtf8Error) -> Error {
    let valid = error.utf8_error().valid_up_to();
    let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
    Error::new(ErrorKind::Corrupt, format!("{}:{line}: a byte that is no UTF-8 text", shown(path)))
        .help("save the file as UTF-8")
}

fn shown(path: &Path) -> String {
    Shown(&path.to_string_lossy()).to_string()
}
