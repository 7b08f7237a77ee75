//! Any set of S3 objects, as an Athena table, without moving a byte.
//!
//! The modules stand in the order in which a key passes them; each uses only those above it. Up to [`ddl`] everything is
//! pure: no async, no clock, no environment, no file system. What touches the world lies below, behind the feature `io`.

pub mod error;
pub mod uri;
pub mod value;

pub mod rules;

pub mod map;

pub mod plan;

pub mod ddl;

#[cfg(feature = "io")]
pub mod listing;

#[cfg(feature = "io")]
pub mod events;

#[cfg(feature = "io")]
pub mod store;

#[cfg(feature = "io")]
pub mod catalog;

#[cfg(feature = "io")]
pub mod apply;

#[cfg(feature = "cli")]
pub mod cli;
