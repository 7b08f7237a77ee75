//! The commands that publish, run as a user runs them: the real binary, local folders, everything that can go wrong.
#![cfg(all(feature = "cli", unix))]

mod apply;
mod ask;
mod at_once;
mod here;
mod json;
mod partial;
mod plan;
mod prune;
mod refused;
mod saved;
mod switch;
mod verify;
