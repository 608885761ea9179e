//! Where a source stands: opaque bytes that only the source understands.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// An opaque position in a feed, byte for byte as the source gave it.
///
/// The engine stores, compares for equality and hands back cursors; it never parses, orders or re-encodes one.
/// `Debug` prints the text as far as it is UTF-8.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Cursor(Bytes);

impl Cursor {
    /// Wraps the bytes that a source wants back after a restart.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The bytes as the source gave them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The cursor as text, if it is valid UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The cursor as text for people; bytes that are not UTF-8 are replaced.
    pub fn to_text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl From<&str> for Cursor {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Cursor {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cursor({:?})", self.to_text())
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

/// What a destination (or the checkpoint, for a sink that cannot hold it) remembers of one partition.
///
/// Written in the same atomic unit as the data: the row and its position share one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The source component's name.
    pub source: SmolStr,
    /// The partition within the source: the account.
    pub partition: SmolStr,
    /// The ownership epoch that wrote this record.
    pub epoch: u64,
    /// Sequence number of the safe cursor; +1 for every advance, never reused.
    pub safe_seq: u64,
    /// The safe cursor as raw bytes; absent where the source has none yet.
    pub safe_cursor: Option<Bytes>,
    /// Ids of events that this sink committed beyond the safe cursor; bounded by the in-flight cap.
    pub ahead: Vec<SmolStr>,
}
