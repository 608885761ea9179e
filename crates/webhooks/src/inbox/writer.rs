//! Writes groups of work, each in one durable transaction.
//!
//! Invariant: a delivery and what makes it known are one commit.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params, params_from_iter};
use sluicebox_core::{Result, Timestamp};

use super::fault::classify;
use super::number::{from_sql, to_sql};
use super::{Done, InboxOptions, ROW_BYTES};
use crate::Delivery;

/// Ids that are forgotten at most with one group, so that no group takes long.
const FORGOTTEN_AT_ONCE: u64 = 1000;

/// How long a signed content can come again: a signature is good for five minutes before and after its time.
const REPLAYED_WITHIN: Duration = Duration::from_secs(15 * 60);

/// One piece of work.
pub(super) enum Work {
    /// Keep a delivery.
    Keep(Delivery),
    /// Remove deliveries up to a number.
    Remove(u64),
}

impl Work {
    /// Bytes that it adds to the file.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Keep(delivery) => {
                let texts = delivery.body.len() + delivery.id.len() + delivery.event_type.len();
                texts as u64 + ROW_BYTES
            }
            Self::Remove(_) => 0,
        }
    }
}

/// The one connection that writes.
pub(super) struct Writer {
    connection: Connection,
    path: PathBuf,
    options: InboxOptions,
    remembered: u64,
}

/// SQL for what [`Work::bytes`] counts.
const BYTES: &str =
    "COALESCE(SUM(length(body) + length(CAST(id AS BLOB)) + length(CAST(type AS BLOB)) + ?1), 0)";

impl Writer {
    pub(super) fn new(connection: Connection, path: &Path, options: InboxOptions) -> Result<Self> {
        let count = connection.query_row("SELECT count(*) FROM seen", [], |row| row.get(0).map(from_sql));
        let remembered = count.map_err(|error| classify(error, "open", path))?;
        Ok(Self { connection, path: path.to_owned(), options, remembered })
    }

    /// The newest number ever given, and the bytes of the deliveries that are there.
    pub(super) fn standing(&self) -> Result<(u64, u64)> {
        let read = || {
            let sql = format!("SELECT {BYTES} FROM deliveries");
            let bytes =
                self.connection.query_row(&sql, [to_sql(ROW_BYTES)], |row| row.get(0).map(from_sql))?;
            Ok((newest(&self.connection)?, bytes))
        };
        read().map_err(|error| classify(error, "read", &self.path))
    }

    /// Does the work in one transaction. Returns what became of each, in order, and the newest number.
    pub(super) fn write(&mut self, work: &[Work]) -> Result<(Vec<Done>, u64)> {
        let run = || -> rusqlite::Result<(Vec<Done>, u64, u64)> {
            let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
            let mut remembered = self.remembered;
            let mut done = Vec::with_capacity(work.len());
            for one in work {
                done.push(match one {
                    Work::Keep(delivery) => keep(&transaction, delivery, &mut remembered, one.bytes())?,
                    Work::Remove(up_to) => remove(&transaction, *up_to)?,
                });
            }
            if let Some(now) = work.iter().filter_map(received).max() {
                remembered -= self.forget(&transaction, now, remembered)?;
            }
            let newest = newest(&transaction)?;
            transaction.commit()?;
            Ok((done, newest, remembered))
        };
        let (done, newest, remembered) = run().map_err(|error| classify(error, "write to", &self.path))?;
        self.remembered = remembered;
        Ok((done, newest))
    }

    /// Forgets ids that are old, or too many, and contents that no signature can bring again. Returns how many ids.
    fn forget(&self, transaction: &Transaction<'_>, now: Timestamp, count: u64) -> rusqlite::Result<u64> {
        let before = |age: Duration| {
            let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            params_from_iter([now.as_millis().saturating_sub(age), to_sql(FORGOTTEN_AT_ONCE)])
        };
        let sql =
            "DELETE FROM signed WHERE content IN (SELECT content FROM signed WHERE received < ?1 LIMIT ?2)";
        transaction.prepare_cached(sql)?.execute(before(REPLAYED_WITHIN))?;
        let sql = "DELETE FROM seen WHERE id IN (SELECT id FROM seen WHERE received < ?1 LIMIT ?2)";
        let old = transaction.prepare_cached(sql)?.execute(before(self.options.remember_for))? as u64;
        let surplus = (count - old).saturating_sub(self.options.remember_most).min(FORGOTTEN_AT_ONCE);
        if surplus == 0 {
            return Ok(old);
        }
        let sql = "DELETE FROM seen WHERE id IN (SELECT id FROM seen ORDER BY received LIMIT ?1)";
        Ok(old + transaction.prepare_cached(sql)?.execute([to_sql(surplus)])? as u64)
    }
}

fn received(work: &Work) -> Option<Timestamp> {
    match work {
        Work::Keep(delivery) => Some(delivery.received),
        Work::Remove(_) => None,
    }
}

fn keep(
    transaction: &Transaction<'_>,
    delivery: &Delivery,
    remembered: &mut u64,
    bytes: u64,
) -> rusqlite::Result<Done> {
    let received = delivery.received.as_millis();
    if let Some(content) = &delivery.content {
        let sql = "INSERT OR IGNORE INTO signed (content, received) VALUES (?1, ?2)";
        if transaction.prepare_cached(sql)?.execute(params![&content[..], received])? == 0 {
            // Its id is not remembered: few senders sign it, so a replay may bear the id of a delivery yet to come.
            return Ok(Done::Known(bytes));
        }
    }
    let sql = "INSERT OR IGNORE INTO seen (id, received) VALUES (?1, ?2)";
    if transaction.prepare_cached(sql)?.execute(params![delivery.id.as_str(), received])? == 0 {
        return Ok(Done::Known(bytes));
    }
    *remembered += 1;
    let sql = "INSERT INTO deliveries (id, type, time, received, body) VALUES (?1, ?2, ?3, ?4, ?5)";
    let time = delivery.time.map(Timestamp::as_millis);
    transaction.prepare_cached(sql)?.execute(params![
        delivery.id.as_str(),
        delivery.event_type.as_str(),
        time,
        received,
        &delivery.body[..]
    ])?;
    Ok(Done::Kept)
}

fn remove(transaction: &Transaction<'_>, up_to: u64) -> rusqlite::Result<Done> {
    let sql = format!("SELECT {BYTES} FROM deliveries WHERE number <= ?2");
    let parameters = [to_sql(ROW_BYTES), to_sql(up_to)];
    let bytes = transaction.prepare_cached(&sql)?.query_row(parameters, |row| row.get(0).map(from_sql))?;
    transaction.prepare_cached("DELETE FROM deliveries WHERE number <= ?1")?.execute([to_sql(up_to)])?;
    Ok(Done::Removed(bytes))
}

/// The newest number ever given.
fn newest(connection: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'deliveries'";
    let newest = connection.prepare_cached(sql)?.query_row([], |row| row.get(0).map(from_sql)).optional()?;
    Ok(newest.unwrap_or(0))
}
