//! How a sink's files are written, and when one is complete.
//!
//! Invariant: it is made of the pipeline file alone and never changes while the sink lives.

use sluicebox_core::Timestamp;

use super::Entry;
use crate::file::encoding::Encoding;

/// How a sink's files are written.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) encoding: Encoding,
    /// A file of at least so many bytes is complete.
    pub(crate) rotate_size: Option<u64>,
    /// A file that was begun in an earlier stretch of so many milliseconds (since 1970, UTC) is complete.
    pub(crate) rotate_every: Option<i64>,
    /// Whether files have another name until they are complete.
    pub(crate) parts: bool,
    pub(crate) max_open_files: usize,
    /// Whether nobody else may change a file: what it should hold is known elsewhere.
    pub(crate) is_exact: bool,
}

impl Layout {
    /// Whether files are ever complete.
    pub(crate) fn renames(&self) -> bool {
        self.parts || self.rotate_size.is_some() || self.rotate_every.is_some()
    }

    /// Whether a file is complete.
    pub(super) fn is_due(&self, entry: &Entry, now: Timestamp) -> bool {
        let is_large = self.rotate_size.is_some_and(|size| entry.length >= size);
        let stretch = |every: i64, time: Timestamp| time.as_millis().div_euclid(every);
        let is_old = self.rotate_every.is_some_and(|every| stretch(every, now) > stretch(every, entry.begun));
        entry.length > 0 && (is_large || is_old)
    }
}
