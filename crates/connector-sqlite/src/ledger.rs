//! What the destination remembers beside the rows: who owns it, how far it is, and its dead letters.
//!
//! One epoch row for a pipeline and sink is checked once per transaction; the positions of many partitions are upserts
//! in the same transaction as the rows they stand for.

use rusqlite::{Connection, OptionalExtension, Row, params};
use sluicebox_core::{DeadLetter, Position, Shard};
use smol_str::SmolStr;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS _sluicebox_epochs (
        pipeline TEXT NOT NULL, sink TEXT NOT NULL, epoch INTEGER NOT NULL,
        PRIMARY KEY (pipeline, sink)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS _sluicebox_positions (
        pipeline TEXT NOT NULL, sink TEXT NOT NULL, source TEXT NOT NULL, partition TEXT NOT NULL,
        epoch INTEGER NOT NULL, safe_seq INTEGER NOT NULL, safe_cursor BLOB, ahead TEXT NOT NULL,
        PRIMARY KEY (pipeline, sink, source, partition)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS _sluicebox_dead_letters (
        time TEXT NOT NULL, pipeline TEXT NOT NULL, component TEXT NOT NULL, account TEXT NOT NULL,
        reason TEXT NOT NULL, error TEXT NOT NULL, attempts INTEGER NOT NULL, event_id TEXT NOT NULL,
        meta TEXT NOT NULL, event BLOB NOT NULL,
        UNIQUE (pipeline, component, event_id));";

/// Makes the tables of the ledger if they are missing.
pub(crate) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(TABLES)
}

/// The epoch that owns the pipeline and sink; `None` before the first owner.
pub(crate) fn owner(connection: &Connection, shard: &Shard) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT epoch FROM _sluicebox_epochs WHERE pipeline = ?1 AND sink = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let epoch = statement.query_row([&*shard.pipeline, &*shard.sink], |row| row.get(0)).optional()?;
    Ok(epoch.map(i64::cast_unsigned))
}

/// Takes ownership and returns the epoch: the one asked for, or the next beyond the one that is there.
pub(crate) fn take(connection: &Connection, shard: &Shard) -> rusqlite::Result<u64> {
    let next = owner(connection, shard)?.map_or(0, |epoch| epoch + 1);
    let epoch = shard.epoch.max(next);
    connection.execute(
        "INSERT OR REPLACE INTO _sluicebox_epochs VALUES (?1, ?2, ?3)",
        params![&*shard.pipeline, &*shard.sink, epoch.cast_signed()],
    )?;
    Ok(epoch)
}

/// The positions of a pipeline and sink.
pub(crate) fn positions(connection: &Connection, shard: &Shard) -> rusqlite::Result<Vec<Position>> {
    let mut statement = connection.prepare(
        "SELECT source, partition, epoch, safe_seq, safe_cursor, ahead FROM _sluicebox_positions \
         WHERE pipeline = ?1 AND sink = ?2 ORDER BY source, partition",
    )?;
    statement.query_map([&*shard.pipeline, &*shard.sink], read_position)?.collect()
}

fn read_position(row: &Row<'_>) -> rusqlite::Result<Position> {
    let ahead: String = row.get(5)?;
    let not_json = |error: serde_json::Error| {
        rusqlite::Error::FromSqlConversionFailure(5, rusqlite::types::Type::Text, Box::new(error))
    };
    Ok(Position {
        source: row.get::<_, String>(0)?.into(),
        partition: row.get::<_, String>(1)?.into(),
        epoch: row.get::<_, i64>(2)?.cast_unsigned(),
        safe_seq: row.get::<_, i64>(3)?.cast_unsigned(),
        safe_cursor: row.get::<_, Option<Vec<u8>>>(4)?.map(Into::into),
        ahead: serde_json::from_str(&ahead).map_err(not_json)?,
    })
}

/// Replaces the position of one partition.
pub(crate) fn put_position(
    connection: &Connection,
    shard: &Shard,
    position: &Position,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO _sluicebox_positions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let ahead: serde_json::Value = position.ahead.iter().map(SmolStr::as_str).collect();
    connection.prepare_cached(sql)?.execute(params![
        &*shard.pipeline,
        &*shard.sink,
        position.source.as_str(),
        position.partition.as_str(),
        position.epoch.cast_signed(),
        position.safe_seq.cast_signed(),
        position.safe_cursor.as_deref(),
        ahead.to_string(),
    ])?;
    Ok(())
}

/// Adds a dead letter unless the component has one for that event.
pub(crate) fn add_dead_letter(
    connection: &Connection,
    shard: &Shard,
    letter: &DeadLetter,
) -> rusqlite::Result<()> {
    let not_json = |error: serde_json::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    let sql = "INSERT INTO _sluicebox_dead_letters VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
               ON CONFLICT (pipeline, component, event_id) DO NOTHING";
    connection.prepare_cached(sql)?.execute(params![
        letter.time.to_string(),
        &*shard.pipeline,
        letter.component.as_str(),
        &*letter.meta.account,
        letter.reason.as_str(),
        serde_json::to_string(&letter.error).map_err(not_json)?,
        letter.attempts,
        letter.meta.id.as_str(),
        serde_json::to_string(&letter.meta).map_err(not_json)?,
        letter.event.as_ref(),
    ])?;
    Ok(())
}
