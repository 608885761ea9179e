//! Bytes in the order in which they come, cut into whole records with the place where each begins.
//!
//! Invariant: a record is given once it is whole; the place is always behind a whole record, so that reading can go on
//! there; no more than one record of the longest length is held, besides what was just read.

use bytes::{Bytes, BytesMut};
use crc32fast::Hasher;

use crate::framing::Framing;

/// How much of the beginning has a checksum of its own.
pub(crate) const HEAD: u64 = 1024;

/// What is kept of a record that is too long.
const EXCERPT: usize = 1024;

/// A whole record.
pub(crate) struct Record {
    /// Where it begins, in bytes.
    pub(crate) at: u64,
    /// With what ends it; the beginning alone if it is too long.
    pub(crate) text: Bytes,
    pub(crate) is_too_long: bool,
}

/// Where to go on reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// In bytes, unpacked.
    pub(crate) offset: u64,
    /// The checksum of all that lies before.
    pub(crate) sum: u32,
    /// The checksum of its first [`HEAD`] bytes.
    pub(crate) head: u32,
}

/// A place that moves.
#[derive(Clone)]
struct Progress {
    offset: u64,
    sum: Hasher,
    head: Hasher,
}

impl Progress {
    fn new(place: Place) -> Self {
        Self {
            offset: place.offset,
            sum: Hasher::new_with_initial_len(place.sum, place.offset),
            head: Hasher::new_with_initial_len(place.head, place.offset.min(HEAD)),
        }
    }

    fn pass(&mut self, bytes: &[u8]) {
        self.sum.update(bytes);
        let missing = usize::try_from(HEAD.saturating_sub(self.offset)).unwrap_or(0);
        self.head.update(&bytes[..bytes.len().min(missing)]);
        self.offset += bytes.len() as u64;
    }

    fn place(&self) -> Place {
        let (sum, head) = (self.sum.clone().finalize(), self.head.clone().finalize());
        Place { offset: self.offset, sum, head }
    }
}

/// A record that is too long, passed over until its line ends.
struct Skipped {
    /// Where it begins.
    start: Progress,
    beginning: Bytes,
}

/// Cuts what it is fed into records.
pub(crate) struct Splitter {
    framing: Framing,
    max_record: usize,
    buffer: BytesMut,
    /// How much of the buffer has been looked at in vain.
    seen: usize,
    /// Where the buffer begins.
    progress: Progress,
    skipped: Option<Skipped>,
}

impl Splitter {
    /// What it is fed begins at this place.
    pub(crate) fn new(framing: Framing, max_record: usize, place: Place) -> Self {
        let (buffer, progress) = (BytesMut::new(), Progress::new(place));
        Self { framing, max_record, buffer, seen: 0, progress, skipped: None }
    }

    /// Behind the last whole record.
    pub(crate) fn place(&self) -> Place {
        self.skipped.as_ref().map_or(&self.progress, |skipped| &skipped.start).place()
    }

    /// Where to put what comes next: at the end.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next whole record.
    pub(crate) fn next(&mut self) -> Option<Record> {
        let new = &self.buffer[self.seen..];
        let found = if self.skipped.is_some() {
            // Whatever was quoted: the next line is where reading can go on.
            Framing::Lines.find_end(new)
        } else {
            self.framing.find_end(new)
        };
        if let Some(length) = found {
            return Some(self.take(self.seen + length));
        }
        self.seen = self.buffer.len();
        if self.skipped.is_some() || self.buffer.len() > self.max_record {
            self.skip();
        }
        None
    }

    /// What is left, if nothing more will come.
    pub(crate) fn rest(&mut self) -> Option<Record> {
        let length = self.buffer.len();
        (length > 0 || self.skipped.is_some()).then(|| self.take(length))
    }

    fn take(&mut self, length: usize) -> Record {
        let text = self.buffer.split_to(length).freeze();
        let at = self.progress.offset;
        self.progress.pass(&text);
        self.seen = 0;
        self.framing.reset();
        if let Some(skipped) = self.skipped.take() {
            return Record { at: skipped.start.offset, text: skipped.beginning, is_too_long: true };
        }
        let is_too_long = length > self.max_record;
        let text = if is_too_long { beginning(&text) } else { text };
        Record { at, text, is_too_long }
    }

    /// Drops what is in the buffer, which belongs to a record that is too long.
    fn skip(&mut self) {
        let text = self.buffer.split();
        let start = &self.progress;
        let begin = || Skipped { start: start.clone(), beginning: beginning(&text) };
        self.skipped.get_or_insert_with(begin);
        self.progress.pass(&text);
        self.seen = 0;
    }
}

/// A copy, so that the rest is not held.
fn beginning(text: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&text[..text.len().min(EXCERPT)])
}
