//! Attachments of `zenzap_updates`: which files are fetched, what the event says of them, and what a failure costs.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed unwrap fails the test, in its support code too"
)]

mod emulated;
mod probe;
mod scripted;
mod servers;

use std::path::{Path, PathBuf};

/// The sources of this crate.
fn registry() -> sluicebox_core::Registry {
    let mut registry = sluicebox_core::Registry::new();
    sluicebox_sources::register(&mut registry);
    registry
}

/// Every file below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
