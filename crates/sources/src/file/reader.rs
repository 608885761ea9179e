//! One open file, plain or gzip: its records, from a place on, with where each begins.
//!
//! Invariant: a record is given once it is whole; the position is always behind a whole record, so that reading can go on
//! there; no more than one record of the longest length is held besides a page.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use bytes::{Bytes, BytesMut};
use crc32fast::Hasher;
use flate2::read::MultiGzDecoder;

use super::entry::HEAD;
use super::framing::Framing;

const MOST_RECORDS: usize = 1000;
const MOST_BYTES: usize = 1 << 20;
const READ: usize = 128 << 10;
/// What one page reads at most, so that passing over a line without end does not take the thread for long.
const MOST_READ: usize = 8 << 20;
/// What is kept of a record that is too long.
const EXCERPT: usize = 1024;

/// A whole record.
pub(super) struct Record {
    /// Where it begins, in bytes of the unpacked file.
    pub(super) at: u64,
    /// With what ends it; the beginning alone if it is too long.
    pub(super) text: Bytes,
    pub(super) is_too_long: bool,
}

/// Some records that follow each other.
#[derive(Default)]
pub(super) struct Page {
    pub(super) records: Vec<Record>,
    /// Whether the file held no more.
    pub(super) is_at_end: bool,
}

/// Where to go on reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// In bytes of the unpacked file.
    pub(super) offset: u64,
    /// The checksum of all that lies before.
    pub(super) sum: u32,
    /// The checksum of its first [`HEAD`] bytes.
    pub(super) head: u32,
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

/// How a file is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Rows with this delimiter instead of lines.
    pub(super) delimiter: Option<u8>,
    /// Longest record, in bytes.
    pub(super) max_record: usize,
}

enum Input {
    Plain(File),
    Gzip(Box<MultiGzDecoder<File>>),
}

/// A record that is too long, passed over until its line ends.
struct Skipped {
    /// Where it begins.
    start: Progress,
    beginning: Bytes,
}

/// An open file.
pub(super) struct Reader {
    input: Input,
    framing: Framing,
    max_record: usize,
    buffer: BytesMut,
    /// How much of the buffer has been looked at in vain.
    seen: usize,
    /// Where the buffer begins.
    progress: Progress,
    skipped: Option<Skipped>,
}

/// Opens a file for reading what it holds, unpacked.
pub(super) fn unpacked(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    let file = File::open(path)?;
    Ok(if is_packed(path) { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

/// Whether the name says that the file is packed.
pub(super) fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"))
}

impl Reader {
    /// Opens a file at a place.
    pub(super) fn open(path: &Path, place: Place, manner: Manner) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let input = if is_packed(path) {
            let mut unpacked = MultiGzDecoder::new(file);
            io::copy(&mut (&mut unpacked).take(place.offset), &mut io::sink())?;
            Input::Gzip(Box::new(unpacked))
        } else {
            file.seek(SeekFrom::Start(place.offset))?;
            Input::Plain(file)
        };
        Ok(Self {
            input,
            framing: Framing::new(manner.delimiter),
            max_record: manner.max_record,
            buffer: BytesMut::new(),
            seen: 0,
            progress: Progress::new(place),
            skipped: None,
        })
    }

    /// The same open file at another place; one that is packed cannot go back.
    pub(super) fn back_to(self, place: Place) -> io::Result<Self> {
        let Input::Plain(mut file) = self.input else { return Err(ErrorKind::Unsupported.into()) };
        file.seek(SeekFrom::Start(place.offset))?;
        let mut framing = self.framing;
        framing.reset();
        let (buffer, progress) = (BytesMut::new(), Progress::new(place));
        Ok(Self { input: Input::Plain(file), framing, buffer, seen: 0, progress, skipped: None, ..self })
    }

    /// The file itself, whatever it is called by now.
    pub(super) fn file(&self) -> &File {
        match &self.input {
            Input::Plain(file) => file,
            Input::Gzip(unpacked) => unpacked.get_ref(),
        }
    }

    /// Behind the last whole record.
    pub(super) fn place(&self) -> Place {
        self.skipped.as_ref().map_or(&self.progress, |skipped| &skipped.start).place()
    }

    /// The next record alone; `None` if there is no whole one. `is_complete`: the file will not grow, so that its end
    /// ends a record.
    pub(super) fn record(&mut self, is_complete: bool) -> io::Result<Option<Record>> {
        Ok(self.read(is_complete, 1)?.records.pop())
    }

    /// The next records.
    pub(super) fn page(&mut self, is_complete: bool) -> io::Result<Page> {
        self.read(is_complete, MOST_RECORDS)
    }

    fn read(&mut self, is_complete: bool, most_records: usize) -> io::Result<Page> {
        let mut page = Page::default();
        let (mut bytes, mut read) = (0, 0);
        while page.records.len() < most_records && bytes < MOST_BYTES {
            if let Some(length) = self.find_end() {
                bytes += length;
                page.records.push(self.take(length));
                continue;
            }
            if self.skipped.is_some() || self.buffer.len() > self.max_record {
                self.skip();
            }
            if read >= MOST_READ {
                return Ok(page);
            }
            let filled = self.fill()?;
            read += filled;
            if filled == 0 {
                page.is_at_end = true;
                let length = self.buffer.len();
                if is_complete && (length > 0 || self.skipped.is_some()) {
                    page.records.push(self.take(length));
                }
                return Ok(page);
            }
        }
        Ok(page)
    }

    /// How much of the buffer belongs to the record that it begins with, or that is being passed over, if that ends.
    fn find_end(&mut self) -> Option<usize> {
        let new = &self.buffer[self.seen..];
        let found = if self.skipped.is_some() {
            // Whatever was quoted: the next line is where reading can go on.
            Framing::Lines.find_end(new)
        } else {
            self.framing.find_end(new)
        };
        let end = found.map(|length| self.seen + length);
        self.seen = if end.is_some() { 0 } else { self.buffer.len() };
        end
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

    /// Reads on; 0 at the end of the file.
    fn fill(&mut self) -> io::Result<usize> {
        let old = self.buffer.len();
        self.buffer.resize(old + READ, 0);
        let read = loop {
            let read = match &mut self.input {
                Input::Plain(file) => file.read(&mut self.buffer[old..]),
                Input::Gzip(unpacked) => unpacked.read(&mut self.buffer[old..]),
            };
            match read {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(old + read.as_ref().copied().unwrap_or(0));
        read
    }
}

/// A copy, so that the rest is not held.
fn beginning(text: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&text[..text.len().min(EXCERPT)])
}
