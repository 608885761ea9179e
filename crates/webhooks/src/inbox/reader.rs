//! Reads deliveries back in their order, beside the writer.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use rusqlite::{Connection, params};
use sluicebox_core::{Result, Timestamp};
use smol_str::SmolStr;

use super::fault::classify;
use super::number::{from_sql, to_sql};
use crate::Scheme;
use crate::identity::{Identity, identity};

/// A delivery as it lies in the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its number: 1, 2, 3 …, with gaps.
    pub number: u64,
    /// The sender's id of the delivery.
    pub id: SmolStr,
    /// The type of the event; may be empty.
    pub event_type: SmolStr,
    /// Event time, as the sender stated it.
    pub time: Option<Timestamp>,
    /// When it came.
    pub received: Timestamp,
    /// The body, byte for byte.
    pub body: Bytes,
}

impl Kept {
    /// The delivery that a body alone would make, for tests of a pipeline: what only headers say is not known.
    pub fn without_headers(scheme: Scheme, body: &Bytes, received: Timestamp) -> Self {
        let Identity { id, event_type, time } = identity(scheme, &http::HeaderMap::new(), body);
        Self { number: 0, id, event_type, time, received, body: body.clone() }
    }
}

/// The connection that reads.
pub(super) struct Reader {
    connection: Connection,
    path: PathBuf,
}

impl Reader {
    pub(super) fn new(connection: Connection, path: &Path) -> Self {
        Self { connection, path: path.to_owned() }
    }

    /// At least one delivery, if there is one; no more once they have so many bytes.
    pub(super) fn after(&self, number: u64, most: usize, bytes: u64) -> Result<Vec<Kept>> {
        let read = || -> rusqlite::Result<Vec<Kept>> {
            let sql = "SELECT number, id, type, time, received, body FROM deliveries WHERE number > ?1 \
                       ORDER BY number LIMIT ?2";
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query(params![to_sql(number), to_sql(most as u64)])?;
            let (mut kept, mut held) = (Vec::new(), 0);
            while held < bytes {
                let Some(row) = rows.next()? else { break };
                let body: Vec<u8> = row.get(5)?;
                held += body.len() as u64;
                kept.push(Kept {
                    number: from_sql(row.get(0)?),
                    id: SmolStr::from(row.get_ref(1)?.as_str()?),
                    event_type: SmolStr::from(row.get_ref(2)?.as_str()?),
                    time: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_millis),
                    received: Timestamp::from_millis(row.get(4)?),
                    body: body.into(),
                });
            }
            Ok(kept)
        };
        read().map_err(|error| classify(error, "read", &self.path))
    }
}
