//! What transforms remember, as rows: one for each key, in the same tally as the records of partitions.

use std::collections::BTreeMap;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};
use sluicebox_core::{MemoryName, Remembered, Timestamp};
use smol_str::SmolStr;

use crate::checksum::Checksum;
use crate::fault::Fault;
use crate::head::Head;
use crate::records::{number, text};

/// Reads every row.
pub(crate) const ALL: &str = "SELECT * FROM memories ORDER BY source, account, component, key";

/// One row: whose it is, the key, the entry, the stored checksum and the one that it should have.
pub(crate) fn read(row: &Row<'_>) -> Result<(MemoryName, SmolStr, Remembered, u64, u32), Fault> {
    let name = MemoryName { source: text(row, 0)?, partition: text(row, 1)?, component: text(row, 2)? };
    let key = text(row, 3)?;
    let entry = Remembered {
        value: Bytes::from(row.get::<_, Vec<u8>>(4)?),
        until: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
        written: number(row, 6)?,
    };
    let crc = crc(&name, &key, &entry, number(row, 7)?);
    Ok((name, key, entry, number(row, 8)?, crc))
}

/// Replaces or forgets entries of one memory.
pub(crate) fn put(
    connection: &Connection,
    head: &mut Head,
    name: &MemoryName,
    entries: &BTreeMap<SmolStr, Option<Remembered>>,
) -> Result<(), Fault> {
    let MemoryName { source, partition, component } = name;
    let (source, partition, component) = (source.as_str(), partition.as_str(), component.as_str());
    let sql = "DELETE FROM memories WHERE source = ?1 AND account = ?2 AND component = ?3 AND key = ?4 RETURNING crc";
    let mut delete = connection.prepare_cached(sql)?;
    let mut insert =
        connection.prepare_cached("INSERT INTO memories VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
    for (key, entry) in entries {
        let old = delete.query_row(params![source, partition, component, key.as_str()], |row| row.get(0));
        if let Some(old) = old.optional()? {
            head.records.remove(old);
        }
        let Some(entry) = entry else { continue };
        let crc = crc(name, key, entry, head.generation);
        head.records.add(crc);
        insert.execute(params![
            source,
            partition,
            component,
            key.as_str(),
            &entry.value[..],
            entry.until.map(Timestamp::as_millis),
            entry.written.cast_signed(),
            head.generation.cast_signed(),
            crc,
        ])?;
    }
    Ok(())
}

/// Forgets everything that is remembered of a partition.
pub(crate) fn forget_all(
    connection: &Connection,
    head: &mut Head,
    source: &str,
    account: &str,
) -> Result<(), Fault> {
    let sql = "DELETE FROM memories WHERE source = ?1 AND account = ?2 RETURNING crc";
    let mut statement = connection.prepare_cached(sql)?;
    for crc in statement.query_map([source, account], |row| row.get(0))? {
        head.records.remove(crc?);
    }
    Ok(())
}

fn crc(name: &MemoryName, key: &str, entry: &Remembered, generation: u64) -> u32 {
    let until = entry.until.map(|until| until.as_millis().to_le_bytes());
    Checksum::of("memory")
        .text(&name.source)
        .text(&name.partition)
        .text(&name.component)
        .text(key)
        .bytes(&entry.value)
        .optional(until.as_ref().map(<[u8; 8]>::as_slice))
        .number(entry.written)
        .number(generation)
        .finish()
}
