//! Making and growing tables, one pipeline at a time.
//!
//! Invariant: whoever makes or changes a table of a schema holds the advisory lock of that schema until the transaction
//! ends, and looks again once it has it, so that pipelines that start together do not make a table twice.

use sluicebox_core::{Error, Result};
use sluicebox_tables::{Change, Column, TableWriter};
use tokio_postgres::{Client, Error as ServerError};

use crate::catalogue::{self, Found};
use crate::fault::Failure;
use crate::ledger;
use crate::names::{TableName, quoted, quoted_list};
use crate::types::{JsonType, declared};

/// The first key of our advisory locks: `slui` in ASCII. The second is a hash of the schema.
const LOCK_CLASS: i32 = 0x736c_7569;

/// Waits until nobody else makes or changes tables of this schema; until the transaction ends. Changes may take their
/// time: a widened column is written again.
pub(crate) async fn lock(client: &Client, schema: &str) -> std::result::Result<(), ServerError> {
    client.batch_execute("SET LOCAL statement_timeout = 0").await?;
    client.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", &[&LOCK_CLASS, &schema]).await?;
    Ok(())
}

/// Makes those tables of the ledger that are missing. The rights to make tables are only needed then.
pub(crate) async fn prepare_ledger(client: &Client, schema: &str) -> std::result::Result<(), ServerError> {
    let missing = missing_of_ledger(client, schema).await?;
    if missing.is_empty() {
        return Ok(());
    }
    lock(client, schema).await?;
    for name in missing_of_ledger(client, schema).await? {
        if let Some((name, definition)) = ledger::TABLES.iter().find(|(known, _)| *known == name) {
            client.batch_execute(&format!("CREATE TABLE {}.{name} {definition}", quoted(schema))).await?;
        }
    }
    Ok(())
}

/// Which tables of the ledger are not there.
pub(crate) async fn missing_of_ledger(
    client: &Client,
    schema: &str,
) -> std::result::Result<Vec<String>, ServerError> {
    let names: Vec<&str> = ledger::TABLES.iter().map(|(name, _)| *name).collect();
    let sql = "SELECT wanted FROM unnest($2::text[]) AS wanted WHERE NOT EXISTS (SELECT FROM pg_class AS class \
               JOIN pg_namespace AS namespace ON namespace.oid = class.relnamespace \
               WHERE namespace.nspname = $1 AND class.relname = wanted)";
    client.query(sql, &[&schema, &names]).await?.iter().map(|row| row.try_get(0)).collect()
}

/// Makes sure that the rows fit the table, which is made if it is missing and `may_create` is set.
///
/// # Errors
/// `Config` if it is gone, or another kind of table: what is there and what was expected.
pub(crate) async fn prepare_table(
    client: &Client,
    name: &TableName,
    writer: &TableWriter,
    (json, may_create): (JsonType, bool),
) -> std::result::Result<Found, Failure> {
    if let Some(found) = catalogue::read(client, name).await? {
        compare(&found, name, writer)?;
        return Ok(found);
    }
    if !may_create {
        let message = format!("the table {} was removed while it was in use", name.shown());
        return Err(Error::config(message).with_help("start again to make a new one").into());
    }
    lock(client, &name.schema).await?;
    if catalogue::read(client, name).await?.is_none() {
        client.batch_execute(&create(name, writer, json)).await?;
    }
    let found = catalogue::read(client, name).await?;
    let found = found.ok_or_else(|| Error::config(format!("the table {} cannot be made", name.shown())))?;
    compare(&found, name, writer)?;
    Ok(found)
}

/// The statement that makes the table before any event came.
pub(crate) fn create(name: &TableName, writer: &TableWriter, json: JsonType) -> String {
    let columns = writer.first_columns();
    let mut parts: Vec<String> = columns.iter().map(|column| definition(column, json)).collect();
    if writer.has_key(&columns) {
        parts.push(format!("UNIQUE ({})", quoted_list(writer.key())));
    }
    format!("CREATE TABLE {} ({})", name.sql(), parts.join(", "))
}

/// The statement that makes a change. A change that somebody else made meanwhile is an error: the table is read again.
pub(crate) fn alter(name: &TableName, change: &Change, json: JsonType) -> String {
    let table = name.sql();
    match change {
        Change::Add(column) => format!("ALTER TABLE {table} ADD COLUMN {}", definition(column, json)),
        Change::Widen { column, to, .. } => {
            format!("ALTER TABLE {table} ALTER COLUMN {} TYPE {}", quoted(column), declared(Some(*to), json))
        }
        Change::AddKey(key) => format!("CREATE UNIQUE INDEX ON {table} ({})", quoted_list(key)),
    }
}

fn definition(column: &Column, json: JsonType) -> String {
    format!("{} {}", quoted(&column.name), declared(column.holds, json))
}

/// Whether rows can be written to the table as it is.
pub(crate) fn compare(found: &Found, name: &TableName, writer: &TableWriter) -> Result<()> {
    let expected = writer.first_columns();
    let misfit = |difference: String| {
        let wanted: Vec<String> =
            expected.iter().map(|column| definition(column, JsonType::default()).replace('"', "`")).collect();
        let message = format!("the table {} does not fit: {difference}", name.shown());
        let help = format!(
            "choose another `table`, or rename that one; expected are the columns {}",
            wanted.join(", ")
        );
        Err(Error::config(message).with_help(help))
    };
    if !matches!(found.kind, 'r' | 'p' | 'f') {
        return misfit("it is not a table".to_owned());
    }
    if let Some(missing) = expected.iter().find(|column| found.column(&column.name).is_none()) {
        return misfit(format!("it has no column `{}`", missing.name));
    }
    let is_ours = |name: &str| expected.iter().any(|column| column.name == name);
    let in_the_way = |column: &&catalogue::FoundColumn| {
        column.is_not_null && !column.has_default && !is_ours(&column.name) && !writer.is_from_event()
    };
    if let Some(column) = found.columns.iter().find(in_the_way) {
        return misfit(format!("its column `{}` needs a value, and none is configured", column.name));
    }
    let key = writer.key();
    if writer.is_upsert() && writer.has_key(&found.table().columns) && !found.is_unique_by(key) {
        let message = format!("no unique index of the table {} is on exactly the key", name.shown());
        let index = format!("CREATE UNIQUE INDEX ON {} ({})", name.sql(), quoted_list(key));
        return Err(Error::config(message).with_help(format!("make one: {index}")));
    }
    Ok(())
}
