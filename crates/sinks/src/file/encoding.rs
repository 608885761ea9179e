//! What the bytes of a file are: lines or rows, compressed or not; and where the last whole piece of a file ends.
//!
//! Invariant: only what this sink could have begun is ever cut off.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use sluicebox_core::{Error, ErrorClass, Event, Result};

use crate::file::compression::{Compression, Frame};
use crate::file::csv::CsvColumns;
use crate::file::fault::classify;
use crate::lines;

/// How events become the bytes of a file.
#[derive(Clone, Debug)]
pub(crate) struct Encoding {
    pub(crate) rows: Rows,
    pub(crate) compression: Compression,
}

/// How one event is written.
#[derive(Clone, Debug)]
pub(crate) enum Rows {
    /// As a JSON line, alone or in its envelope.
    Lines {
        /// `{"meta": …, "event": …}`.
        envelope: bool,
    },
    /// As a row of values.
    Csv(Arc<CsvColumns>),
}

/// The last end of a whole piece, and the first byte after it if there is one.
type Tail = (u64, Option<u8>);

const CHUNK_BYTES: u64 = 64 << 10;

impl Encoding {
    /// Appends an event to the bytes of a batch.
    ///
    /// # Errors
    /// This event can never be written.
    pub(crate) fn append(&self, buffer: &mut Vec<u8>, event: &Event) -> Result<()> {
        match &self.rows {
            Rows::Lines { envelope } => lines::append(buffer, event, *envelope),
            Rows::Csv(columns) => columns.append(buffer, event),
        }
    }

    /// The bytes of a batch as they go into a file, which they begin if `starts`.
    pub(crate) fn pack<'b>(&self, batch: &'b [u8], starts: bool) -> io::Result<Cow<'b, [u8]>> {
        let header = self.header();
        if !starts || header.is_empty() {
            return self.compression.pack(batch);
        }
        let whole = [header, batch].concat();
        Ok(Cow::Owned(self.compression.pack(&whole)?.into_owned()))
    }

    /// What a file begins with.
    fn header(&self) -> &[u8] {
        match &self.rows {
            Rows::Lines { .. } => &[],
            Rows::Csv(columns) => columns.header(),
        }
    }

    /// The length to which a file of `length` bytes is to be cut so that it ends with something whole.
    ///
    /// # Errors
    /// `Config` if the file is not one that this sink could have begun: then it is not ours to cut.
    pub(crate) fn whole_length(&self, file: &File, length: u64, path: &Path) -> Result<u64> {
        let failed = |error| classify(error, "read", path);
        if self.compression == Compression::None {
            self.check_beginning(file, length, path)?;
        }
        let (end, next) = self.tail(file, length).map_err(failed)?;
        let is_ours = match (next, self.compression.first_byte(), &self.rows) {
            // A crash can leave zeros where the bytes should be.
            (None | Some(0), _, _) | (_, None, Rows::Csv(_)) => true,
            (Some(next), Some(first), _) => next == first,
            (Some(next), None, Rows::Lines { .. }) => next == b'{',
        };
        if !is_ours {
            return Err(self.not_ours(path));
        }
        if self.compression != Compression::None {
            self.check_beginning(file, end, path)?;
        }
        Ok(end)
    }

    /// Whether a file of `length` bytes begins with a frame, where it should.
    ///
    /// # Errors
    /// `Config` if it does not.
    pub(crate) fn check_kind(&self, file: &File, length: u64, path: &Path) -> Result<()> {
        let first = byte_at(file, 0, length).map_err(|error| classify(error, "read", path))?;
        let expected = self.compression.first_byte();
        match (first, expected) {
            (Some(first), Some(expected)) if first != expected && first != 0 => Err(self.not_ours(path)),
            _ => Ok(()),
        }
    }

    /// Whether a file of `length` bytes begins as ours do; one that is not compressed may be torn in its header.
    ///
    /// # Errors
    /// `Config` if it does not.
    pub(crate) fn check_beginning(&self, file: &File, length: u64, path: &Path) -> Result<()> {
        let header = self.header();
        if header.is_empty() || length == 0 {
            return Ok(());
        }
        let mut found = Vec::with_capacity(header.len());
        let read = self.compression.unpack(file, 0, length);
        read.and_then(|read| read.take(header.len() as u64).read_to_end(&mut found))
            .map_err(|error| classify(error, "read", path))?;
        let may_be_torn = self.compression == Compression::None && found.len() < header.len();
        if found == header
            || (may_be_torn && (header.starts_with(&found) || found.iter().all(|byte| *byte == 0)))
        {
            return Ok(());
        }
        let message = format!("the file {} has other columns than this sink", path.display());
        let help = format!(
            "this sink writes `{}`: choose another `path`, or the columns of that file",
            String::from_utf8_lossy(header).trim_end()
        );
        Err(Error::new(ErrorClass::Config, message).with_help(help))
    }

    fn not_ours(&self, path: &Path) -> Error {
        let shown = path.display();
        let (message, help) = match self.compression {
            Compression::None => (
                format!("the file {shown} does not end in a JSON line"),
                "choose another path, or end its last line with a line break",
            ),
            Compression::Gzip => (format!("the file {shown} does not end in gzip"), "choose another path"),
            Compression::Zstd => (format!("the file {shown} does not end in zstd"), "choose another path"),
        };
        Error::new(ErrorClass::Config, message).with_help(help)
    }

    fn tail(&self, file: &File, length: u64) -> io::Result<Tail> {
        match (self.compression, &self.rows) {
            (Compression::None, Rows::Lines { .. }) => last_line_end(file, length),
            (Compression::None, Rows::Csv(_)) => last_row_end(file, length),
            (compression, _) => last_frame_end(compression, file, length),
        }
    }
}

fn byte_at(file: &File, at: u64, length: u64) -> io::Result<Option<u8>> {
    let mut byte = [0];
    if at < length {
        file.read_exact_at(&mut byte, at)?;
    }
    Ok((at < length).then_some(byte[0]))
}

fn last_line_end(file: &File, length: u64) -> io::Result<Tail> {
    let mut chunk = Vec::new();
    let mut first = None;
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(CHUNK_BYTES);
        chunk.resize(usize::try_from(end - start).unwrap_or(usize::MAX), 0);
        file.read_exact_at(&mut chunk, start)?;
        if let Some(at) = chunk.iter().rposition(|byte| *byte == b'\n') {
            return Ok((start + at as u64 + 1, chunk.get(at + 1).copied().or(first)));
        }
        first = chunk.first().copied();
        end = start;
    }
    Ok((0, first))
}

/// Whether a line break ends a row is known only from the beginning: it may stand between quotes.
fn last_row_end(file: &File, length: u64) -> io::Result<Tail> {
    let mut chunk = Vec::new();
    let (mut at, mut end, mut quoted) = (0, 0, false);
    while at < length {
        chunk.resize(usize::try_from((length - at).min(CHUNK_BYTES)).unwrap_or(usize::MAX), 0);
        file.read_exact_at(&mut chunk, at)?;
        for (index, byte) in chunk.iter().enumerate() {
            match byte {
                b'"' => quoted = !quoted,
                b'\n' if !quoted => end = at + index as u64 + 1,
                _ => {}
            }
        }
        at += chunk.len() as u64;
    }
    Ok((end, byte_at(file, end, length)?))
}

/// Every frame but the last was synced before the next one began, so only the last can be damaged.
fn last_frame_end(compression: Compression, file: &File, length: u64) -> io::Result<Tail> {
    let (mut before, mut end) = (0, 0);
    while end < length {
        match compression.frame_at(file, end, length)? {
            Some(Frame::Whole(bytes)) => (before, end) = (end, end + bytes),
            Some(Frame::Torn) | None => break,
        }
    }
    if end > before && !compression.is_sound(file, before, end) {
        end = before;
    }
    Ok((end, byte_at(file, end, length)?))
}
