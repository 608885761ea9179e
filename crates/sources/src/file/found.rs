//! Files on the disk: which there are, and what they begin with.
//!
//! Invariant: nothing here changes a file, and a file that vanishes while it is looked at is no error.

use std::fs::Metadata;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crc32fast::Hasher;
use glob::MatchOptions;

use super::entry::{Entry, Node};
use super::reader::{is_packed, unpacked};
use crate::splitter::HEAD;

/// A file as a look at its folder shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) node: Node,
    /// In bytes as they lie on the disk.
    pub(super) size: u64,
    /// When it was last written to, in nanoseconds since 1970.
    pub(super) modified: i128,
}

impl Found {
    fn new(path: PathBuf, metadata: &Metadata) -> Self {
        let modified = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
        Self { path, node: (metadata.dev(), metadata.ino()), size: metadata.size(), modified }
    }
}

/// How patterns match: a leading dot must be written, so that files which are not complete yet can be hidden by one.
const MATCHING: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// Whether a path is a pattern.
pub(super) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// The files that match, by name. A path without a pattern is itself, if it is there.
///
/// # Errors
/// The pattern is none.
pub(super) fn matching(pattern: &str) -> Result<Vec<Found>, String> {
    let paths: Vec<PathBuf> = if is_pattern(pattern) {
        let paths = glob::glob_with(pattern, MATCHING).map_err(|error| error.to_string())?;
        // A folder that cannot be looked into is told once it is asked for by `check --connect`.
        paths.filter_map(Result::ok).collect()
    } else {
        vec![PathBuf::from(pattern)]
    };
    let mut found: Vec<Found> = Vec::with_capacity(paths.len());
    for path in paths.into_iter().filter(|path| path.to_str().is_some()) {
        let Some(file) = look(&path) else { continue };
        // Two names of one file, or a link to it: the first name counts.
        if found.iter().all(|other| other.node != file.node) {
            found.push(file);
        }
    }
    Ok(found)
}

/// A path as a file, if it is one.
pub(super) fn look(path: &Path) -> Option<Found> {
    let metadata = std::fs::metadata(path).ok().filter(Metadata::is_file)?;
    Some(Found::new(path.to_owned(), &metadata))
}

/// All files of the folder that a file lies in, by name.
pub(super) fn beside(path: &Path) -> Vec<Found> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let read = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = std::fs::read_dir(read).into_iter().flatten().filter_map(Result::ok);
    let mut paths: Vec<PathBuf> = entries.map(|entry| folder.join(entry.file_name())).collect();
    paths.sort_unstable();
    paths.iter().filter(|path| path.to_str().is_some()).filter_map(|path| look(path)).collect()
}

/// When a file was made, if the file system knows.
pub(super) fn created(metadata: &Metadata) -> u128 {
    let since = metadata.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_nanos())
}

/// Whether a file still begins as it did. One that cannot be read is asked again when it is read.
pub(super) fn begins_as(path: &Path, entry: &Entry) -> bool {
    let length = entry.offset.min(HEAD);
    sum(path, length)
        .map_or_else(|error| error.kind() == ErrorKind::PermissionDenied, |sum| sum == Some(entry.head))
}

/// Whether a file holds all that was read of another one: whether it is that file, or a copy.
pub(super) fn holds(file: &Found, entry: &Entry) -> bool {
    let is_long_enough = is_packed(&file.path) || file.size >= entry.offset;
    entry.offset > 0
        && is_long_enough
        && begins_as(&file.path, entry)
        && sum(&file.path, entry.offset).is_ok_and(|sum| sum == Some(entry.sum))
}

/// Whether a file is the beginning of another one, or all of it.
pub(super) fn is_copy(copy: &Path, of: &Path) -> bool {
    let compare = || -> io::Result<bool> {
        let (mut copy, mut of) = (unpacked(copy)?, unpacked(of)?);
        let (mut left, mut right) = (vec![0; 64 << 10], vec![0; 64 << 10]);
        let mut is_empty = true;
        loop {
            let read = match copy.read(&mut left) {
                // It is being packed at this moment.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(true),
                read => read?,
            };
            if read == 0 {
                return Ok(!is_empty);
            }
            is_empty = false;
            match of.read_exact(&mut right[..read]) {
                Ok(()) if left[..read] == right[..read] => {}
                _ => return Ok(false),
            }
        }
    };
    compare().unwrap_or(false)
}

/// The checksum of the first bytes of a file; `None` if it has fewer.
fn sum(path: &Path, length: u64) -> io::Result<Option<u32>> {
    let mut file = unpacked(path)?.take(length);
    let mut hasher = Hasher::new();
    let (mut buffer, mut total) = (vec![0; 64 << 10], 0);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                hasher.update(&buffer[..read]);
                total += read as u64;
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
    }
    Ok((total == length).then(|| hasher.finalize()))
}
