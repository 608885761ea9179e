//! What is saved of each file, and how that is written as a cursor.
//!
//! Invariant: a file is known by its device and inode and by what it begins with; its name may change.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sluicebox_core::{Cursor, Error, Result};

use crate::splitter::Place;

/// Device and inode. Where a device gets another number, files are known again by what they hold.
pub(super) type Node = (u64, u64);

/// One file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Entry {
    /// What it was called last.
    pub(super) path: String,
    pub(super) node: Node,
    /// Everything before this has been read, in bytes of the unpacked file.
    pub(super) offset: u64,
    /// The checksum (CRC 32) of all that has been read.
    pub(super) sum: u32,
    /// The checksum of its first 1,024 bytes, or of less while less has been read.
    pub(super) head: u32,
    /// What the ids of its events begin with; 0 before the first one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) id: u64,
    /// The id of the file that it was before it was cut short.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) after: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Entry {
    pub(super) fn place(&self) -> Place {
        Place { offset: self.offset, sum: self.sum, head: self.head }
    }

    pub(super) fn stand_at(&mut self, place: Place) {
        Place { offset: self.offset, sum: self.sum, head: self.head } = place;
    }

    /// Gives the file the id that it keeps. Inodes are used again, so the time when the file was made and its first
    /// record are in it: a file that replaces another must not have its ids, else its events would count as repeats.
    pub(super) fn name(&mut self, created_nanoseconds: u128, first_record: &[u8]) {
        let mut hash = Sha256::new();
        hash.update(self.after.to_be_bytes());
        hash.update(self.node.1.to_be_bytes());
        hash.update(created_nanoseconds.to_be_bytes());
        hash.update(first_record);
        let number =
            hash.finalize().iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        self.id = number.max(1);
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    files: Vec<Entry>,
}

/// Writes the cursor.
pub(super) fn to_cursor<'a>(entries: impl Iterator<Item = &'a Entry>) -> Cursor {
    let saved = Saved { files: entries.cloned().collect() };
    Cursor::from(serde_json::to_string(&saved).expect("texts and numbers can always be written"))
}

/// Reads the cursor.
///
/// # Errors
/// `Config`: it is none of this source.
pub(super) fn from_cursor(cursor: &Cursor) -> Result<Vec<Entry>> {
    let text = cursor.as_str().unwrap_or_default();
    serde_json::from_str(text).map(|saved: Saved| saved.files).map_err(|error| {
        Error::config("the saved cursor is no list of files")
            .with_reason("cursor_rejected")
            .with_help("reset it with `sluicebox cursor reset`; then every file is read from its beginning")
            .with_cause(error)
    })
}
