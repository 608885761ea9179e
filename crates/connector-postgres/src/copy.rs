//! Rows as binary COPY, written once and sent whole or in parts.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use futures::SinkExt;
use sluicebox_core::{Error, Rejected};
use sluicebox_tables::Cell;
use tokio_postgres::{CopyInSink, Error as ServerError};

use crate::types::Wire;

/// The signature, no flags and no header extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// The count of fields that stands for the end.
const TRAILER: &[u8] = &[255, 255];

/// Bytes in one message: large enough to be cheap, small enough for the server to hold at once.
const MESSAGE_BYTES: usize = 256 << 10;

/// The rows of one window; each begins with its number, from 0.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    bytes: Bytes,
    /// Where each row ends.
    ends: Vec<usize>,
}

impl Rows {
    /// Writes rows whose cells travel as `wires`; returns all that no column can hold instead.
    pub(crate) fn encode(rows: &[Vec<Cell<'_>>], wires: &[(String, Wire)]) -> Result<Self, Vec<Rejected>> {
        let mut buffer = BytesMut::with_capacity(rows.len() * 256);
        let mut ends = Vec::with_capacity(rows.len());
        let mut rejected = Vec::new();
        let fields = i16::try_from(wires.len() + 1).unwrap_or(i16::MAX);
        for (index, row) in rows.iter().enumerate() {
            buffer.put_i16(fields);
            buffer.put_i32(4);
            buffer.put_i32(i32::try_from(index).unwrap_or(i32::MAX));
            let mut cells = row.iter().zip(wires);
            let refusal = cells.find_map(|(cell, (name, wire))| {
                wire.encode(cell, &mut buffer)
                    .err()
                    .map(|why| format!("the column `{name}` cannot be written: {why}"))
            });
            rejected.extend(refusal.map(|message| Rejected { index, error: Error::permanent(message) }));
            ends.push(buffer.len());
        }
        if rejected.is_empty() { Ok(Self { bytes: buffer.freeze(), ends }) } else { Err(rejected) }
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Sends some of the rows and waits until the server has them.
    pub(crate) async fn send(&self, sink: CopyInSink<Bytes>, part: Range<usize>) -> Result<u64, ServerError> {
        let mut sink = std::pin::pin!(sink);
        sink.send(Bytes::from_static(HEADER)).await?;
        let start = |row: usize| if row == 0 { 0 } else { self.ends[row - 1] };
        let mut rest = self.bytes.slice(start(part.start)..start(part.end));
        while !rest.is_empty() {
            sink.send(rest.split_to(rest.len().min(MESSAGE_BYTES))).await?;
        }
        sink.send(Bytes::from_static(TRAILER)).await?;
        sink.finish().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_numbered_and_those_that_cannot_be_are_named() {
        let wires = [("a".to_owned(), Wire::Text)];
        let rows = Rows::encode(&[vec![Cell::Text("x".into())], vec![Cell::Null]], &wires).unwrap();
        let first = [0, 2, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, b'x'];
        let second = [0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 255, 255, 255, 255];
        assert_eq!(rows.bytes, [&first[..], &second].concat());
        assert_eq!(rows.ends, [15, 29]);
        let refused = Rows::encode(&[vec![Cell::Null], vec![Cell::Text("\0".into())]], &wires).unwrap_err();
        assert_eq!((refused.len(), refused[0].index), (1, 1));
        assert!(refused[0].error.to_string().starts_with("the column `a` cannot be written"));
    }
}
