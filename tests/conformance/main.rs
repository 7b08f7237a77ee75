//! Every adapter against the public suites of listings, stores and catalogs. One adapter a file.
#![cfg(feature = "io")]

mod broken;
mod broken_catalog;
mod folder;
#[cfg(feature = "glue")]
mod glue;
#[cfg(feature = "glue")]
mod glue_faults;
#[cfg(feature = "inventory")]
mod inventory;
#[cfg(feature = "lakefs")]
mod lakefs;
mod lines;
mod memory;
mod memory_catalog;
#[cfg(feature = "object_store")]
mod object_store;
#[cfg(feature = "s3")]
mod s3;

#[cfg(feature = "glue")]
#[path = "../glue_server/mod.rs"]
mod glue_server;
#[cfg(feature = "lakefs")]
#[path = "../lakefs_server/mod.rs"]
mod lakefs_server;
#[cfg(any(feature = "glue", feature = "lakefs", feature = "object_store", feature = "s3"))]
#[path = "../loopback/mod.rs"]
mod loopback;
#[cfg(any(feature = "object_store", feature = "s3"))]
#[path = "../s3_server/mod.rs"]
mod s3_server;

use std::sync::atomic::{AtomicUsize, Ordering};

use restitch::uri::Uri;

/// A number that no other call gets.
fn next() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A prefix with nothing below it, in a bucket that is called `bucket`.
fn place() -> Uri {
    Uri::parse(&format!("s3://bucket/places/{}/", next())).unwrap()
}
