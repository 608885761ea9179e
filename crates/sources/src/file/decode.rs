//! Events out of records, with ids made of the file and the place.
//!
//! Invariant: a record that is no event becomes a dead letter, and its file goes on.

use std::sync::Arc;

use bytes::Bytes;
use sluicebox_core::{DeadLetterError, Event, Reason, Reject, Timestamp, Unread};

use super::rows::{Header, RowReader};
use crate::item::Origin;
use crate::line_event::{Line, LinePaths, reject, trimmed};
use crate::splitter::Record;

/// What all records of a source have in common.
#[derive(Clone)]
pub(super) struct Decoder {
    pub(super) origin: Origin,
    pub(super) paths: LinePaths,
    pub(super) delimiter: Option<u8>,
    pub(super) max_record: usize,
}

/// The records of one page, all of one file.
pub(super) struct Records {
    pub(super) list: Vec<Record>,
    /// What the ids of the file's events begin with.
    pub(super) file_id: u64,
    /// The columns, if the file has any.
    pub(super) header: Option<Arc<Header>>,
}

impl Decoder {
    /// The records, to be read beside the next poll.
    pub(super) fn unread(&self, records: Records, received: Timestamp) -> Unread {
        let decoder = self.clone();
        let count = records.list.len();
        let bytes = records.list.iter().map(|record| record.text.len()).sum();
        Unread { count, bytes, read: Box::new(move || decoder.read(records, received)) }
    }

    fn read(&self, records: Records, received: Timestamp) -> (Vec<Event>, Vec<Reject>) {
        let mut rows = records.header.as_ref().map(|header| {
            let reader = RowReader::new(self.delimiter.unwrap_or(b','));
            (reader, Arc::clone(header))
        });
        let (mut events, mut rejects) = (Vec::with_capacity(records.list.len()), Vec::new());
        for record in records.list {
            let id = format!("{:016x}:{}", records.file_id, record.at);
            let refuse = |reason, why: &str| {
                let why = DeadLetterError::new(why);
                reject(&self.origin, &id, &record.text, (reason, why), received)
            };
            if record.is_too_long {
                let why = format!("it is longer than {} bytes; this is its beginning", self.max_record);
                rejects.push(refuse(Reason::TooLarge, &why));
                continue;
            }
            let text = match &mut rows {
                Some((reader, header)) => row(reader, header, &record.text),
                None => Ok(line(&record)),
            };
            match text {
                Ok(text) if text.is_empty() => {}
                Ok(text) => match self.paths.event(&Line { id: &id, text }, &self.origin, received) {
                    Ok(event) => events.push(event),
                    Err(reject) => rejects.push(*reject),
                },
                Err(why) => rejects.push(refuse(Reason::Parse, &why)),
            }
        }
        (events, rejects)
    }
}

/// The row as an object; empty for a blank line.
fn row(reader: &mut RowReader, header: &Header, text: &[u8]) -> Result<Bytes, String> {
    let cells = reader.cells(text)?;
    if cells.is_empty() { Ok(Bytes::new()) } else { header.object(&cells).map(Bytes::from) }
}

/// The line without what some editors write before the first one.
fn line(record: &Record) -> Bytes {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    let has_mark = record.at == 0 && record.text.starts_with(BYTE_ORDER_MARK);
    trimmed(&record.text.slice(if has_mark { BYTE_ORDER_MARK.len() } else { 0 }..))
}
