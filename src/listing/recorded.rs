//! A listing that was made before: lines in a file, or an S3 Inventory.

use std::path::Path;

use async_trait::async_trait;
use futures::stream::BoxStream;

#[cfg(feature = "inventory")]
use super::inventory::{self, Inventory};
use super::lines::{Lines, Supplied};
use super::{Listing, Page, Requests};
use crate::error::Result;
use crate::rules::table::Access;
use crate::uri::Uri;

/// What `--listing` and `[[listing]] from` name.
#[derive(Debug)]
pub enum Recorded {
    Lines(Lines),
    #[cfg(feature = "inventory")]
    Inventory(Inventory),
}

impl Recorded {
    /// Opens `source`, a URI or a path taken from `folder`, as the listing of `prefix`; `access` says how its bucket is
    /// reached. ETags of inventories are read only where they are asked for.
    ///
    /// # Errors
    /// As [`Lines::open`] and [`Inventory::open`](super::inventory::Inventory::open).
    pub(super) async fn open(
        source: &str,
        folder: &Path,
        prefix: Option<Uri>,
        access: &Access,
        etags: bool,
    ) -> Result<Recorded> {
        let path = folder.join(source);
        #[cfg(feature = "inventory")]
        if inventory::is_inventory(source, &path) {
            // In a box: rustc lays out nested futures whole, and through the SDK they are nested too deep for it.
            let opening = Box::pin(Inventory::open(source, &path, prefix, access, etags));
            return Ok(Recorded::Inventory(opening.await?));
        }
        #[cfg(not(feature = "inventory"))]
        if source.contains("://") || path.file_name().is_some_and(|name| name == "manifest.json") {
            let _ = (access, etags);
            return Err(without_inventories(source));
        }
        Ok(Recorded::Lines(Lines::open(&path, prefix)?))
    }

    /// What it is complete for; `None`: everything.
    pub fn prefix(&self) -> Option<&Uri> {
        match self {
            Recorded::Lines(lines) => lines.prefix(),
            #[cfg(feature = "inventory")]
            Recorded::Inventory(inventory) => Some(inventory.prefix()),
        }
    }

    /// Whether the store itself made it, at a time of its own choice.
    pub fn is_report(&self) -> bool {
        !matches!(self, Recorded::Lines(_))
    }

    /// What a person should know of how it was found.
    pub fn notes(&self) -> &[String] {
        match self {
            Recorded::Lines(_) => &[],
            #[cfg(feature = "inventory")]
            Recorded::Inventory(inventory) => inventory.notes(),
        }
    }

    /// Every object of it.
    ///
    /// # Errors
    /// As [`Lines::all`] and [`Inventory::all`](super::inventory::Inventory::all).
    pub fn all(&self) -> BoxStream<'static, Result<Page>> {
        match self {
            Recorded::Lines(lines) => lines.all(),
            #[cfg(feature = "inventory")]
            Recorded::Inventory(inventory) => inventory.all(),
        }
    }

    /// The same for several at once to take from.
    ///
    /// # Errors
    /// As [`Recorded::all`].
    pub(super) async fn supply(&self) -> Result<Supplied> {
        match self {
            Recorded::Lines(lines) => lines.supply().await,
            #[cfg(feature = "inventory")]
            Recorded::Inventory(inventory) => Ok(Supplied::Pages(inventory.all())),
        }
    }

    /// Whether it may name addresses, as `restitch ls` does of what lies in lakeFS.
    pub fn may_say_addresses(&self) -> bool {
        matches!(self, Recorded::Lines(lines) if lines.may_say_addresses())
    }

    fn listing(&self) -> &dyn Listing {
        match self {
            Recorded::Lines(lines) => lines,
            #[cfg(feature = "inventory")]
            Recorded::Inventory(inventory) => inventory,
        }
    }
}

#[async_trait]
impl Listing for Recorded {
    fn list<'a>(&'a self, prefix: &Uri) -> BoxStream<'a, Result<Page>> {
        self.listing().list(prefix)
    }

    async fn any(&self, prefix: &Uri) -> Result<bool> {
        self.listing().any(prefix).await
    }

    fn requests(&self) -> Requests {
        self.listing().requests()
    }

    fn as_of(&self) -> Option<i64> {
        self.listing().as_of()
    }
}

#[cfg(not(feature = "inventory"))]
fn without_inventories(source: &str) -> crate::error::Error {
    use crate::error::{Error, ErrorKind};

    let message = format!("{}: this build of restitch cannot read an S3 Inventory", crate::uri::Shown(source));
    let error = Error::new(ErrorKind::Unsupported, message);
    error.help("build it with that: cargo install restitch --features inventory")
}
