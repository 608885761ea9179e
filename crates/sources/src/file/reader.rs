//! One open file, plain or gzip: its records, from a place on, with where each begins.
//!
//! Invariant: a page holds whole records only, and is bounded in records and bytes.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::framing::Framing;
use crate::splitter::{Place, Record, Splitter};

const MOST_RECORDS: usize = 1000;
const MOST_BYTES: usize = 1 << 20;
const READ: usize = 128 << 10;
/// What one page reads at most, so that passing over a line without end does not take the thread for long.
const MOST_READ: usize = 8 << 20;

/// Some records that follow each other.
#[derive(Default)]
pub(super) struct Page {
    pub(super) records: Vec<Record>,
    /// Whether the file held no more.
    pub(super) is_at_end: bool,
}

/// How a file is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Rows with this delimiter instead of lines.
    pub(super) delimiter: Option<u8>,
    /// Longest record, in bytes.
    pub(super) max_record: usize,
}

impl Manner {
    fn splitter(self, place: Place) -> Splitter {
        Splitter::new(Framing::new(self.delimiter), self.max_record, place)
    }
}

enum Input {
    Plain(File),
    Gzip(Box<MultiGzDecoder<File>>),
}

/// An open file.
pub(super) struct Reader {
    input: Input,
    manner: Manner,
    splitter: Splitter,
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
        Ok(Self { input, manner, splitter: manner.splitter(place) })
    }

    /// The same open file at another place; one that is packed cannot go back.
    pub(super) fn back_to(self, place: Place) -> io::Result<Self> {
        let Input::Plain(mut file) = self.input else { return Err(ErrorKind::Unsupported.into()) };
        file.seek(SeekFrom::Start(place.offset))?;
        Ok(Self { input: Input::Plain(file), manner: self.manner, splitter: self.manner.splitter(place) })
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
        self.splitter.place()
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
            if let Some(record) = self.splitter.next() {
                bytes += record.text.len();
                page.records.push(record);
                continue;
            }
            if read >= MOST_READ {
                return Ok(page);
            }
            let filled = self.fill()?;
            read += filled;
            if filled == 0 {
                page.is_at_end = true;
                if is_complete {
                    page.records.extend(self.splitter.rest());
                }
                return Ok(page);
            }
        }
        Ok(page)
    }

    /// Reads on; 0 at the end of the file.
    fn fill(&mut self) -> io::Result<usize> {
        let buffer = self.splitter.buffer();
        let old = buffer.len();
        buffer.resize(old + READ, 0);
        let read = loop {
            let read = match &mut self.input {
                Input::Plain(file) => file.read(&mut buffer[old..]),
                Input::Gzip(unpacked) => unpacked.read(&mut buffer[old..]),
            };
            match read {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        buffer.truncate(old + read.as_ref().copied().unwrap_or(0));
        read
    }
}
