//! Where each prefix's listing comes from: `--listing`, the rule file's `[[listing]]`, or the store itself.

use std::collections::HashMap;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use super::Listing;
use super::folder::Folder;
use super::recorded::Recorded;
use crate::error::{Error, ErrorKind, Result};
use crate::rules::invert::{self, Reach};
use crate::rules::table::{self, Access, ListingSource, Rules};
use crate::uri::{Scheme, Uri};

/// `[PREFIX=]SOURCE`. What begins with a scheme has its prefix up to the first `/=`, else the first `=s3://`, else the last
/// `=`; a prefix may itself hold a `=` (`s3://bucket/dt=2024/=keys.txt`).
#[derive(Clone, Debug, PartialEq)]
pub struct ListingArg {
    /// `None`: everything, and then every line of the source is a URI.
    pub prefix: Option<Uri>,
    /// A path, relative to the working directory; `-` is standard input.
    pub source: String,
}

impl FromStr for ListingArg {
    type Err = Error;

    fn from_str(text: &str) -> Result<ListingArg> {
        let equals = || {
            let at = text.find("/=").map(|at| at + 1);
            at.or_else(|| text.find("=s3://")).or_else(|| text.rfind('='))
        };
        let equals = text.contains("://").then(equals).flatten();
        Ok(match equals {
            Some(at) => ListingArg { prefix: Some(Uri::parse(&text[..at])?), source: text[at + 1..].to_owned() },
            None => ListingArg { prefix: None, source: text.to_owned() },
        })
    }
}

/// All sources that a run may list from.
#[derive(Debug)]
pub struct Sources {
    /// No one's prefix inside another's.
    written: Vec<Written>,
    /// The rule file's `[[listing]]`s.
    listings: Vec<ListingSource>,
    /// Live listings, one for all that is reached the same way: what they know (regions, the commits that refs are pinned
    /// to) holds for the whole run.
    open: tokio::sync::Mutex<HashMap<(Scheme, Access), Arc<dyn Listing>>>,
    /// All that is listed, if that is said: [`Sources::only`].
    only: Option<Vec<Reach>>,
}

/// A listing that was written down, and whether it was given for this run, so that all of it counts.
#[derive(Debug)]
struct Written {
    listing: Arc<Recorded>,
    given: bool,
}

/// One thing to list.
#[derive(Clone, Debug)]
pub enum Source {
    /// A whole written listing, whatever prefixes rules name.
    Written(Arc<Recorded>),
    /// A prefix, from the store itself; keys less than `from`, where there is one, are not asked for.
    Live { prefix: Uri, from: Option<String> },
}

impl Source {
    /// What it is the listing of; `None`: everything.
    pub fn prefix(&self) -> Option<&Uri> {
        match self {
            Source::Written(recorded) => recorded.prefix(),
            Source::Live { prefix, .. } => Some(prefix),
        }
    }
}

impl Sources {
    /// Opens what `--listing` and `[[listing]] from` name; nothing is listed yet. An argument takes the place of the rule
    /// file's sources below its prefix. A relative `from` is taken from the rule file's folder.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Unsupported` for a source; `Usage` where two overlap; of inventories, what
    /// [`Inventory::open`](super::inventory::Inventory::open) says.
    pub async fn open(rules: &Rules, args: &[ListingArg]) -> Result<Sources> {
        Sources::open_with(rules, args, false).await
    }

    /// The same, with all that listings say: with ETags, which mapping has no use for.
    ///
    /// # Errors
    /// As [`Sources::open`].
    pub async fn open_whole(rules: &Rules, args: &[ListingArg]) -> Result<Sources> {
        Sources::open_with(rules, args, true).await
    }

    async fn open_with(rules: &Rules, args: &[ListingArg], etags: bool) -> Result<Sources> {
        let mut written = Vec::new();
        for arg in args {
            let access = access_of_source(rules, &arg.source, &Access::default());
            let listing = Recorded::open(&arg.source, Path::new(""), arg.prefix.clone(), &access, etags).await?;
            written.push(Written { listing: Arc::new(listing), given: true });
        }
        let folder = rules.path.parent().unwrap_or(Path::new(""));
        for listing in &rules.listings {
            let Some(from) = &listing.from else { continue };
            let replaced = |arg: &Written| covers(arg.listing.prefix(), listing.prefix.as_ref());
            if !written.iter().any(|arg| arg.given && replaced(arg)) {
                let access = access_of_source(rules, from, &listing.access);
                let opened = Recorded::open(from, folder, listing.prefix.clone(), &access, etags).await?;
                written.push(Written { listing: Arc::new(opened), given: false });
            }
        }
        refuse_overlaps(&written)?;
        Ok(Sources { written, listings: rules.listings.clone(), only: None, open: tokio::sync::Mutex::default() })
    }

    /// Everything live, whatever is written down: for what has changed since.
    pub fn live_only(rules: &Rules) -> Sources {
        let listings = rules.listings.clone();
        Sources { written: Vec::new(), listings, only: None, open: tokio::sync::Mutex::default() }
    }

    /// These and nothing else, whatever prefixes rules name: for a run over some partitions. Other formats' books are then
    /// not looked for but in what is listed.
    #[must_use]
    pub fn only(mut self, reaches: Vec<Reach>) -> Sources {
        self.only = Some(reaches);
        self
    }

    pub(super) fn is_partial(&self) -> bool {
        self.only.is_some()
    }

    /// What to list so that every object below `prefixes` (none inside another) comes once: each `--listing` whole, and
    /// for what they do not cover, the rule file's listings or the stores.
    ///
    /// # Errors
    /// `Usage` where a written listing covers a part of a prefix only.
    pub fn cover<'u>(&self, prefixes: impl IntoIterator<Item = &'u Uri>) -> Result<Vec<Source>> {
        let mut needed: Vec<bool> = self.written.iter().map(|written| written.given).collect();
        let mut live = Vec::new();
        let reaches = match &self.only {
            // Stores that cannot begin behind a key list the prefix whole.
            Some(only) => invert::merge(
                only.iter()
                    .cloned()
                    .map(|mut reach| {
                        reach.from = reach.from.filter(|_| reach.prefix.bucket.scheme == Scheme::S3);
                        reach
                    })
                    .collect(),
            ),
            None => prefixes.into_iter().cloned().map(Reach::from).collect(),
        };
        for Reach { prefix, from } in reaches {
            let prefix = &prefix;
            let covering = self.written.iter().position(|written| covers(written.listing.prefix(), Some(prefix)));
            if let Some(covering) = covering {
                needed[covering] = true;
                continue;
            }
            let inside =
                self.written.iter().find_map(|w| w.listing.prefix().filter(|inner| prefix.is_prefix_of(inner)));
            if let Some(inside) = inside {
                let message =
                    format!("rules list {}, and a listing is given for {} only", prefix.shown(), inside.shown());
                return Err(Error::new(ErrorKind::Usage, message)
                    .help(format!("give one for all of it: --listing {}=SOURCE", prefix.shown())));
            }
            live.push(Source::Live { prefix: prefix.clone(), from });
        }
        let written = self.written.iter().zip(needed).filter(|(_, needed)| *needed);
        Ok(written.map(|(written, _)| Source::Written(written.listing.clone())).chain(live).collect())
    }

    /// What a person should know of how the written listings were found.
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        self.written.iter().flat_map(|written| written.listing.notes()).map(String::as_str)
    }

    /// Whether what lies below `prefix`, or some of it, is said by an S3 Inventory, which is never of now.
    pub fn is_reported(&self, prefix: &Uri) -> bool {
        let overlaps = |own: Option<&Uri>| covers(own, Some(prefix)) || own.is_some_and(|own| prefix.is_prefix_of(own));
        self.written.iter().any(|written| written.listing.is_report() && overlaps(written.listing.prefix()))
    }

    /// Whether everything is listed live, whatever prefixes are.
    pub fn is_live(&self) -> bool {
        self.written.is_empty()
    }

    /// Whether a listing that was written down may name addresses, as `restitch ls` does of what lies in lakeFS.
    pub fn may_say_addresses(&self) -> bool {
        self.written.iter().any(|written| written.listing.may_say_addresses())
    }

    /// How the store of `uri` is reached.
    pub fn access(&self, uri: &Uri) -> Access {
        table::access(&self.listings, uri)
    }

    /// The listing that a source is read by.
    ///
    /// # Errors
    /// As [`Sources::live`].
    pub(super) async fn listing(&self, source: &Source) -> Result<Arc<dyn Listing>> {
        match source {
            Source::Written(listing) => Ok(listing.clone()),
            Source::Live { prefix, .. } => self.live(prefix).await,
        }
    }

    /// The live listing of a URI's store.
    ///
    /// # Errors
    /// `Unsupported` for stores that are not listed, or not by this build; of S3 and lakeFS, what their settings have
    /// wrong.
    pub async fn live(&self, uri: &Uri) -> Result<Arc<dyn Listing>> {
        let access = self.access(uri);
        let mut open = self.open.lock().await;
        let key = (uri.bucket.scheme, access);
        if let Some(listing) = open.get(&key) {
            return Ok(listing.clone());
        }
        let listing = live(uri, &key.1).await?;
        open.insert(key, listing.clone());
        Ok(listing)
    }
}

async fn live(uri: &Uri, access: &Access) -> Result<Arc<dyn Listing>> {
    match uri.bucket.scheme {
        Scheme::File => Ok(Arc::new(Folder::new())),
        Scheme::S3 => s3(uri, access).await,
        Scheme::LakeFs => lakefs(uri, access),
        Scheme::Gs | Scheme::Az => {
            let message = format!("{}: objects in {}:// are not listed", uri.shown(), uri.bucket.scheme.name());
            let error = Error::new(ErrorKind::Unsupported, message);
            Err(error.help(format!("only manifests can lie there; or give a listing: --listing {}=FILE", uri.shown())))
        }
    }
}

#[cfg(feature = "s3")]
async fn s3(_: &Uri, access: &Access) -> Result<Arc<dyn Listing>> {
    Ok(Arc::new(super::s3::S3::open(access).await?))
}

#[cfg(not(feature = "s3"))]
async fn s3(uri: &Uri, _: &Access) -> Result<Arc<dyn Listing>> {
    Err(without_feature(uri, "s3"))
}

#[cfg(feature = "lakefs")]
fn lakefs(_: &Uri, access: &Access) -> Result<Arc<dyn Listing>> {
    Ok(Arc::new(super::lakefs::LakeFs::open(access)?))
}

#[cfg(not(feature = "lakefs"))]
fn lakefs(uri: &Uri, _: &Access) -> Result<Arc<dyn Listing>> {
    Err(without_feature(uri, "lakefs"))
}

/// What a build without a feature says to a URI that needs it.
#[allow(dead_code, reason = "a build with every feature has no use for it")]
pub(crate) fn without_feature(uri: &Uri, feature: &str) -> Error {
    let message = format!("{}: this build of restitch cannot reach {}://", uri.shown(), uri.bucket.scheme.name());
    let error = Error::new(ErrorKind::Unsupported, message);
    error.help(format!("build it with that: cargo install restitch --features {feature}"))
}

/// Whether a source of `outer` (`None`: everything) holds all of `inner`.
fn covers(outer: Option<&Uri>, inner: Option<&Uri>) -> bool {
    match (outer, inner) {
        (None, _) => true,
        (Some(outer), Some(inner)) => outer.is_prefix_of(inner),
        (Some(_), None) => false,
    }
}

fn refuse_overlaps(written: &[Written]) -> Result<()> {
    let shown = |prefix: Option<&Uri>| prefix.map_or("everything".to_owned(), Uri::shown);
    for (index, one) in written.iter().enumerate() {
        for other in &written[index + 1..] {
            let (one, other) = (one.listing.prefix(), other.listing.prefix());
            if covers(one, other) || covers(other, one) {
                let message = format!("two listings overlap: one of {}, one of {}", shown(one), shown(other));
                let error = Error::new(ErrorKind::Usage, message);
                return Err(error.help("a listing is complete for its prefix, so give one that covers both"));
            }
        }
    }
    Ok(())
}

/// How a source that lies in a bucket is reached: as a `[[listing]]` that covers it says, else as `otherwise` does, for S3
/// writes an inventory in the region of the bucket that it is of.
fn access_of_source(rules: &Rules, source: &str, otherwise: &Access) -> Access {
    let Ok(uri) = Uri::parse(source) else { return otherwise.clone() };
    let covers = |listing: &&ListingSource| listing.prefix.as_ref().is_some_and(|prefix| prefix.is_prefix_of(&uri));
    let is_covered = rules.listings.iter().any(|listing| covers(&listing));
    if is_covered || *otherwise == Access::default() { table::access(&rules.listings, &uri) } else { otherwise.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::table::Claim;

    fn rules(folder: &Path, listings: Vec<ListingSource>) -> Rules {
        let path = folder.join("restitch.toml");
        Rules {
            path,
            project: None,
            claim: Claim::Every,
            lookups: Vec::new(),
            listings,
            tables: Vec::new(),
            catalog: None,
            removed: Vec::new(),
        }
    }

    fn uri(text: &str) -> Uri {
        Uri::parse(text).unwrap()
    }

    fn of(prefix: &str, from: Option<&str>, region: &str) -> ListingSource {
        let access = Access { region: Some(region.into()), ..Access::default() };
        ListingSource { prefix: Some(uri(prefix)), from: from.map(str::to_owned), access }
    }

    /// What is listed for `prefixes`, written listings in brackets.
    fn cover(sources: &Sources, prefixes: &[&str]) -> Result<Vec<String>> {
        let prefixes: Vec<Uri> = prefixes.iter().map(|prefix| uri(prefix)).collect();
        let shown = |source: Source| match source {
            Source::Written(listing) => format!("[{}]", listing.prefix().map_or("*".to_owned(), Uri::raw)),
            Source::Live { prefix, .. } => {
                format!("{} {}", prefix.raw(), sources.access(&prefix).region.unwrap_or_default())
            }
        };
        Ok(sources.cover(&prefixes)?.into_iter().map(shown).collect())
    }

    #[tokio::test]
    async fn a_listing_that_only_says_from_takes_no_settings_away() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file.txt"), "").unwrap();
        let bare =
            ListingSource { prefix: Some(uri("s3://b/in/")), from: Some("file.txt".into()), access: Access::default() };
        let rules = rules(folder.path(), vec![of("s3://b/", None, "wide"), bare]);
        let sources = Sources::open(&rules, &[]).await.unwrap();
        assert_eq!(sources.access(&uri("s3://b/in/tables/")).region.as_deref(), Some("wide"));
    }

    #[test]
    fn a_listing_argument_splits_behind_its_prefix() {
        let split = |text: &str| {
            let arg: ListingArg = text.parse().unwrap();
            (arg.prefix.map(|uri| uri.raw()), arg.source)
        };
        assert_eq!(split("keys.txt"), (None, "keys.txt".into()));
        assert_eq!(split("a=b.txt"), (None, "a=b.txt".into()));
        assert_eq!(split("s3://b/=keys.txt"), (Some("s3://b/".into()), "keys.txt".into()));
        assert_eq!(split("s3://b/dt=1/=x=y.txt"), (Some("s3://b/dt=1/".into()), "x=y.txt".into()));
        assert_eq!(split("s3://b/da=-"), (Some("s3://b/da".into()), "-".into()));
        assert_eq!(split("s3://b/da=s3://i/x=1/y"), (Some("s3://b/da".into()), "s3://i/x=1/y".into()));
        assert_eq!(split("s3://inventory/manifest.json"), (None, "s3://inventory/manifest.json".into()));
        let error = "s3a://b/=keys.txt".parse::<ListingArg>().unwrap_err();
        assert_eq!(error.help_text(), Some("write s3://b/"));
    }

    #[tokio::test]
    async fn each_prefix_comes_from_the_nearest_source_that_covers_it() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["keys.txt", "file.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let listings = vec![
            of("s3://b/", None, "wide"),
            of("s3://b/data/", None, "near"),
            of("s3://file/", Some("file.txt"), "-"),
            of("s3://unused/", Some("file.txt"), "-"),
        ];
        let rules = rules(folder.path(), listings);
        let keys = folder.path().join("keys.txt").to_str().unwrap().to_owned();
        let arg = |prefix: &str| ListingArg { prefix: Some(uri(prefix)), source: keys.clone() };

        let sources = Sources::open(&rules, &[arg("s3://k/logs/")]).await.unwrap();
        let prefixes = ["s3://b/data/x", "s3://b/other", "s3://c/", "s3://file/a", "s3://file/b", "s3://k/logs/2024"];
        let expected = ["[s3://k/logs/]", "[s3://file/]", "s3://b/data/x near", "s3://b/other wide", "s3://c/ "];
        assert_eq!(cover(&sources, &prefixes).unwrap(), expected);
        assert_eq!(cover(&sources, &["s3://k/"]).unwrap_err().kind(), ErrorKind::Usage);

        // Manifests may lie where the listing is written down.
        assert_eq!(sources.access(&uri("s3://file/tables/t/")).region.as_deref(), Some("-"));

        let everything = Sources::open(&rules, &[ListingArg { prefix: None, source: keys.clone() }]).await.unwrap();
        assert_eq!(cover(&everything, &prefixes).unwrap(), ["[*]"]);
        let replaced = Sources::open(&rules, &[arg("s3://file/")]).await.unwrap();
        assert_eq!(cover(&replaced, &["s3://file/a"]).unwrap(), ["[s3://file/]"]);

        for overlapping in [vec![arg("s3://b/"), arg("s3://b/x/")], vec![arg("s3://file/a/")]] {
            assert_eq!(Sources::open(&rules, &overlapping).await.unwrap_err().kind(), ErrorKind::Usage);
        }
        let remote = ListingArg { prefix: None, source: "gs://b/keys.txt".into() };
        assert_eq!(Sources::open(&rules, &[remote]).await.unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
