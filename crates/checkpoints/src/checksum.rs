//! The checksum that every record carries: CRC32 over its fields, each with its length, in a fixed order.
//!
//! SQLite keeps no checksums of its pages, so a flipped byte could otherwise pass for data. Invariant: two different
//! records never feed the same bytes to the checksum.

use crc32fast::Hasher;

/// Collects the fields of one record.
pub(crate) struct Checksum(Hasher);

impl Checksum {
    /// A checksum for a record of the named kind.
    pub(crate) fn of(kind: &str) -> Self {
        Self(Hasher::new()).text(kind)
    }

    /// Adds bytes with their length.
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds a text with its length.
    pub(crate) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// Adds a number.
    pub(crate) fn number(mut self, number: u64) -> Self {
        self.0.update(&number.to_le_bytes());
        self
    }

    /// Adds bytes that may be absent; absent and empty differ.
    pub(crate) fn optional(self, bytes: Option<&[u8]>) -> Self {
        match bytes {
            Some(bytes) => self.number(1).bytes(bytes),
            None => self.number(0),
        }
    }

    /// The checksum of everything added.
    pub(crate) fn finish(self) -> u32 {
        self.0.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_between_fields_count() {
        let sums = [
            Checksum::of("t").text("ab").text("c").finish(),
            Checksum::of("t").text("a").text("bc").finish(),
            Checksum::of("t").text("abc").finish(),
            Checksum::of("t").optional(None).finish(),
            Checksum::of("t").optional(Some(b"")).finish(),
        ];
        for (index, sum) in sums.iter().enumerate() {
            assert!(!sums[..index].contains(sum));
        }
    }
}
