//! Partitions, sinks and positions as rows: each with the generation that wrote it and a checksum over all of it.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use sluicebox_core::{PartitionRecord, Position, SinkRecord, State, Timestamp};
use smol_str::SmolStr;

use crate::checksum::Checksum;
use crate::fault::Fault;
use crate::head::{Head, Tally};
use crate::memories;

/// Reads everything and checks it: each record against its checksum, all of them against the head.
pub(crate) fn load(connection: &Connection) -> Result<(Head, State), Fault> {
    let head = Head::read(connection)?;
    let mut tally = Tally::default();
    let mut state = State { epoch: head.epoch, ..State::default() };
    let mut sum = |crc: u32| tally.add(crc);
    each(connection, "SELECT * FROM partitions ORDER BY source, account", |row| {
        let (record, stored, crc) = read_partition(row)?;
        sum(crc);
        state.partitions.push(record);
        Ok(("a partition", stored == u64::from(crc)))
    })?;
    each(connection, "SELECT * FROM sinks ORDER BY sink", |row| {
        let (name, mark): (SmolStr, _) = (text(row, 0)?, blob(row, 1)?);
        let crc = sink_crc(&name, mark.as_deref(), number(row, 2)?);
        sum(crc);
        state.sinks.insert(name, SinkRecord { mark, positions: Vec::new() });
        Ok(("a sink", number(row, 3)? == u64::from(crc)))
    })?;
    each(connection, "SELECT * FROM positions ORDER BY sink, source, account", |row| {
        let (sink, position, stored, crc) = read_position(row)?;
        sum(crc);
        state.sinks.entry(sink).or_default().positions.push(position);
        Ok(("a position", stored == u64::from(crc)))
    })?;
    each(connection, memories::ALL, |row| {
        let (name, key, entry, stored, crc) = memories::read(row)?;
        sum(crc);
        state.memories.entry(name).or_default().insert(key, entry);
        Ok(("a memory", stored == u64::from(crc)))
    })?;
    if tally != head.records {
        return Err(Fault::Broken("the records do not add up to what the head record says".to_owned()));
    }
    Ok((head, state))
}

/// Replaces one partition.
pub(crate) fn put_partition(
    connection: &Connection,
    head: &mut Head,
    record: &PartitionRecord,
) -> Result<(), Fault> {
    let key = params![record.source.as_str(), record.partition.as_str()];
    forget(connection, head, "SELECT crc FROM partitions WHERE source = ?1 AND account = ?2", key)?;
    let crc = partition_crc(record, head.generation);
    head.records.add(crc);
    let sql = "INSERT OR REPLACE INTO partitions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    connection.prepare_cached(sql)?.execute(params![
        record.source.as_str(),
        record.partition.as_str(),
        record.epoch.cast_signed(),
        record.safe_seq.cast_signed(),
        record.cursor.as_deref(),
        record.committed_at.as_millis(),
        record.newest_event.map(Timestamp::as_millis),
        record.paused.as_deref(),
        record.floor_epoch.cast_signed(),
        head.generation.cast_signed(),
        crc,
    ])?;
    Ok(())
}

/// Replaces a sink's mark if one is given, and the positions that are given.
pub(crate) fn put_sink(
    connection: &Connection,
    head: &mut Head,
    name: &str,
    record: &SinkRecord,
) -> Result<(), Fault> {
    let known = connection
        .prepare_cached("SELECT mark FROM sinks WHERE sink = ?1")?
        .query_row([name], |row| blob(row, 0))
        .optional()?;
    if record.mark.is_some() || known.is_none() {
        forget(connection, head, "SELECT crc FROM sinks WHERE sink = ?1", [name])?;
        let crc = sink_crc(name, record.mark.as_deref(), head.generation);
        head.records.add(crc);
        let row = params![name, record.mark.as_deref(), head.generation.cast_signed(), crc];
        connection.prepare_cached("INSERT OR REPLACE INTO sinks VALUES (?1, ?2, ?3, ?4)")?.execute(row)?;
    }
    record.positions.iter().try_for_each(|position| put_position(connection, head, name, position))
}

/// Forgets what every sink remembers of a partition.
pub(crate) fn remove_positions(
    connection: &Connection,
    head: &mut Head,
    source: &str,
    account: &str,
) -> Result<(), Fault> {
    let sql = "DELETE FROM positions WHERE source = ?1 AND account = ?2 RETURNING crc";
    let mut statement = connection.prepare_cached(sql)?;
    for crc in statement.query_map([source, account], |row| row.get(0))? {
        head.records.remove(crc?);
    }
    Ok(())
}

fn put_position(
    connection: &Connection,
    head: &mut Head,
    sink: &str,
    position: &Position,
) -> Result<(), Fault> {
    let key = params![sink, position.source.as_str(), position.partition.as_str()];
    let sql = "SELECT crc FROM positions WHERE sink = ?1 AND source = ?2 AND account = ?3";
    forget(connection, head, sql, key)?;
    let ahead: serde_json::Value = position.ahead.iter().map(SmolStr::as_str).collect();
    let ahead = ahead.to_string();
    let crc = position_crc(sink, position, &ahead, head.generation);
    head.records.add(crc);
    let sql = "INSERT OR REPLACE INTO positions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    connection.prepare_cached(sql)?.execute(params![
        sink,
        position.source.as_str(),
        position.partition.as_str(),
        position.epoch.cast_signed(),
        position.safe_seq.cast_signed(),
        position.safe_cursor.as_deref(),
        ahead,
        head.generation.cast_signed(),
        crc,
    ])?;
    Ok(())
}

/// Takes the record that is about to be replaced out of the tally.
fn forget(connection: &Connection, head: &mut Head, sql: &str, key: impl Params) -> Result<(), Fault> {
    let old: Option<u32> = connection.prepare_cached(sql)?.query_row(key, |row| row.get(0)).optional()?;
    if let Some(crc) = old {
        head.records.remove(crc);
    }
    Ok(())
}

/// Visits rows; `visit` says what the row is and whether its checksum fits.
fn each(
    connection: &Connection,
    sql: &str,
    mut visit: impl FnMut(&Row<'_>) -> Result<(&'static str, bool), Fault>,
) -> Result<(), Fault> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, fits) = visit(row)?;
        if !fits {
            return Err(Fault::Broken(format!("{kind} record does not match its checksum")));
        }
    }
    Ok(())
}

fn read_partition(row: &Row<'_>) -> Result<(PartitionRecord, u64, u32), Fault> {
    let record = PartitionRecord {
        source: text(row, 0)?,
        partition: text(row, 1)?,
        epoch: number(row, 2)?,
        safe_seq: number(row, 3)?,
        cursor: blob(row, 4)?,
        committed_at: Timestamp::from_millis(row.get(5)?),
        newest_event: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_millis),
        paused: row.get::<_, Option<String>>(7)?.map(SmolStr::from),
        floor_epoch: number(row, 8)?,
    };
    let crc = partition_crc(&record, number(row, 9)?);
    Ok((record, number(row, 10)?, crc))
}

fn read_position(row: &Row<'_>) -> Result<(SmolStr, Position, u64, u32), Fault> {
    let (sink, ahead) = (text(row, 0)?, row.get::<_, String>(6)?);
    let position = Position {
        source: text(row, 1)?,
        partition: text(row, 2)?,
        epoch: number(row, 3)?,
        safe_seq: number(row, 4)?,
        safe_cursor: blob(row, 5)?,
        ahead: serde_json::from_str(&ahead)
            .map_err(|_| Fault::Broken("the list of ids in a position record is not JSON".to_owned()))?,
    };
    let crc = position_crc(&sink, &position, &ahead, number(row, 7)?);
    Ok((sink, position, number(row, 8)?, crc))
}

fn partition_crc(record: &PartitionRecord, generation: u64) -> u32 {
    let newest = record.newest_event.map(|time| time.as_millis().to_le_bytes());
    Checksum::of("partition")
        .text(&record.source)
        .text(&record.partition)
        .number(record.epoch)
        .number(record.safe_seq)
        .optional(record.cursor.as_deref())
        .number(record.committed_at.as_millis().cast_unsigned())
        .optional(newest.as_ref().map(<[u8; 8]>::as_slice))
        .optional(record.paused.as_deref().map(str::as_bytes))
        .number(record.floor_epoch)
        .number(generation)
        .finish()
}

fn sink_crc(name: &str, mark: Option<&[u8]>, generation: u64) -> u32 {
    Checksum::of("sink").text(name).optional(mark).number(generation).finish()
}

fn position_crc(sink: &str, position: &Position, ahead: &str, generation: u64) -> u32 {
    Checksum::of("position")
        .text(sink)
        .text(&position.source)
        .text(&position.partition)
        .number(position.epoch)
        .number(position.safe_seq)
        .optional(position.safe_cursor.as_deref())
        .text(ahead)
        .number(generation)
        .finish()
}

pub(crate) fn text(row: &Row<'_>, index: usize) -> rusqlite::Result<SmolStr> {
    row.get::<_, String>(index).map(SmolStr::from)
}

pub(crate) fn number(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(index).map(i64::cast_unsigned)
}

fn blob(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Bytes>> {
    row.get::<_, Option<Vec<u8>>>(index).map(|bytes| bytes.map(Bytes::from))
}
