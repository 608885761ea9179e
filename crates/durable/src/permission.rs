//! Whether a folder could be written to, told without writing.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

/// The folder itself, or the nearest one above it that exists: the one in which the missing ones would be made.
pub fn nearest(folder: &Path) -> PathBuf {
    let existing = folder.ancestors().find(|above| !above.as_os_str().is_empty() && above.exists());
    existing.unwrap_or(Path::new(".")).to_owned()
}

/// Whether this process may make files in a folder that exists. Blocking.
///
/// # Errors
/// It may not, and why: permissions, or a file system that is mounted read-only.
pub fn may_write(folder: &Path) -> io::Result<()> {
    Ok(accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
}
