//! Distinctive secrets in every slot, and others that repeat them: none appears in a log at any level, a metric, a page of
//! the admin server, an error, a report or the state.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

mod destinations;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};

/// Every file in a folder and the folders below it.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
