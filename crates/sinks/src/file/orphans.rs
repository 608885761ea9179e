//! Parts that a crash has left behind: what is whole in them was delivered, so readers shall see it.
//!
//! Invariant: a part that somebody writes is left alone: its writer holds the lock.

use std::io;
use std::path::{Path, PathBuf};

use sluicebox_core::{Error, ErrorClass, Result};

use crate::file::appender::Appender;
use crate::file::encoding::Encoding;
use crate::file::fault::classify;
use crate::file::names;

/// Completes every part in `folder`: those of the `fixed` path, or of any path in it or below.
///
/// # Errors
/// Retryable if the folder cannot be read now.
pub(crate) fn complete(folder: &Path, fixed: Option<&Path>, encoding: &Encoding) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if !folder.is_dir() {
        return Ok(());
    }
    let mut parts = Vec::new();
    find(folder, fixed.is_none(), &mut parts)
        .map_err(|error| classify(error, "look for parts of", folder))?;
    for part in parts {
        let Some(name) = names::complete_of(&part) else { continue };
        if fixed.is_none_or(|path| names::is_of(&name, path)) {
            complete_one(&part, &name, encoding)?;
        }
    }
    Ok(())
}

fn find(folder: &Path, goes_down: bool, parts: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // Links are not followed.
        let kind = entry.file_type()?;
        if kind.is_dir() && goes_down {
            find(&entry.path(), goes_down, parts)?;
        } else if kind.is_file() && names::complete_of(&entry.path()).is_some() {
            parts.push(entry.path());
        }
    }
    Ok(())
}

fn complete_one(part: &Path, name: &Path, encoding: &Encoding) -> Result<()> {
    let mut file = match Appender::open(part) {
        Ok(file) => file,
        // Somebody else writes it.
        Err(error) if error.class() == ErrorClass::Transient => return Ok(()),
        Err(error) => return Err(error),
    };
    match file.repair(encoding) {
        Ok(()) => {}
        // It is not one of ours.
        Err(error) if error.class() == ErrorClass::Config => return Ok(()),
        Err(error) => return Err(error),
    }
    let failed = |error| -> Error { classify(error, "rename", part) };
    if file.length() == 0 {
        return sluicebox_durable::remove(part).map_err(failed);
    }
    sluicebox_durable::rename(part, name).map_err(failed)
}
