//! What the destination remembers beside the rows: who owns it, how far it is, and its dead letters.
//!
//! Invariant: whoever holds the row of an epoch locked is the only one that can commit for that pipeline and sink.
//! Every transaction locks it before anything else is sent, so a takeover, and our own return after a lost connection,
//! waits for a transaction that may still commit, and reads the positions after it.

use sluicebox_core::{DeadLetter, Error, ErrorClass, Position, Shard};
use smol_str::SmolStr;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error as ServerError, Row, Statement};

use crate::fault::Failure;
use crate::names::quoted;

/// The statements of one session.
pub(crate) struct Ledger {
    owner: Statement,
    put: Statement,
    letters: Statement,
    read: Statement,
    read_one: Statement,
}

/// The three tables, by name and definition.
pub(crate) const TABLES: [(&str, &str); 3] = [
    (
        "_sluicebox_epochs",
        "(pipeline text NOT NULL, sink text NOT NULL, epoch bigint NOT NULL, backend integer, \
          backend_start timestamp with time zone, PRIMARY KEY (pipeline, sink)) WITH (fillfactor = 50)",
    ),
    (
        "_sluicebox_positions",
        "(pipeline text NOT NULL, sink text NOT NULL, source text NOT NULL, partition text NOT NULL, \
          epoch bigint NOT NULL, safe_seq bigint NOT NULL, safe_cursor bytea, ahead json NOT NULL, \
          PRIMARY KEY (pipeline, sink, source, partition)) WITH (fillfactor = 50)",
    ),
    (
        "_sluicebox_dead_letters",
        "(\"time\" timestamp with time zone NOT NULL, pipeline text NOT NULL, component text NOT NULL, \
          account text NOT NULL, reason text NOT NULL, error json NOT NULL, attempts bigint NOT NULL, \
          event_id text NOT NULL, meta json NOT NULL, event bytea NOT NULL, \
          UNIQUE (pipeline, component, event_id))",
    ),
];

/// The session that runs a statement, so that a later owner can end it.
const THIS_SESSION: &str =
    "pg_backend_pid(), (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())";

/// Takes ownership; the epoch is the one asked for, or the next beyond the one that is there.
pub(crate) async fn take(client: &Client, schema: &str, shard: &Shard) -> Result<u64, ServerError> {
    let sql = format!(
        "INSERT INTO {}._sluicebox_epochs AS known (pipeline, sink, epoch, backend, backend_start) \
         SELECT $1::text, $2::text, $3::bigint, {THIS_SESSION} \
         ON CONFLICT (pipeline, sink) DO UPDATE SET epoch = greatest(excluded.epoch, known.epoch + 1), \
             backend = excluded.backend, backend_start = excluded.backend_start \
         RETURNING epoch",
        quoted(schema)
    );
    let row = client.query_one(&sql, &[&&*shard.pipeline, &&*shard.sink, &shard.epoch.cast_signed()]).await?;
    row.try_get(0).map(i64::cast_unsigned)
}

/// Makes this session the one that writes for an epoch that is ours already; `false` if it is ours no more.
pub(crate) async fn resume(client: &Client, schema: &str, shard: &Shard) -> Result<bool, ServerError> {
    let sql = format!(
        "UPDATE {}._sluicebox_epochs SET (backend, backend_start) = (SELECT {THIS_SESSION}) \
         WHERE pipeline = $1 AND sink = $2 AND epoch = $3",
        quoted(schema)
    );
    let rows = client.execute(&sql, &[&&*shard.pipeline, &&*shard.sink, &shard.epoch.cast_signed()]).await?;
    Ok(rows == 1)
}

/// Ends the session that last wrote for this pipeline and sink, if it is still there and we may.
pub(crate) async fn end_previous(client: &Client, schema: &str, shard: &Shard) -> Result<u64, ServerError> {
    let sql = format!(
        "SELECT pg_terminate_backend(activity.pid) FROM {}._sluicebox_epochs AS known \
         JOIN pg_stat_activity AS activity \
           ON activity.pid = known.backend AND activity.backend_start = known.backend_start \
         WHERE known.pipeline = $1 AND known.sink = $2 AND activity.pid <> pg_backend_pid()",
        quoted(schema)
    );
    client.execute(&sql, &[&&*shard.pipeline, &&*shard.sink]).await
}

impl Ledger {
    /// Prepares the statements.
    pub(crate) async fn prepare(client: &Client, schema: &str) -> Result<Self, ServerError> {
        let schema = quoted(schema);
        let owner = format!(
            "SELECT epoch FROM {schema}._sluicebox_epochs WHERE pipeline = $1 AND sink = $2 FOR UPDATE"
        );
        let put = format!(
            "INSERT INTO {schema}._sluicebox_positions AS known \
             SELECT $1::text, $2::text, source, partition, epoch, safe_seq, safe_cursor, ahead::json \
             FROM unnest($3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bytea[], $8::text[]) \
                 AS new (source, partition, epoch, safe_seq, safe_cursor, ahead) \
             ON CONFLICT (pipeline, sink, source, partition) DO UPDATE SET epoch = excluded.epoch, \
                 safe_seq = excluded.safe_seq, safe_cursor = excluded.safe_cursor, ahead = excluded.ahead"
        );
        let letters = format!(
            "INSERT INTO {schema}._sluicebox_dead_letters \
             SELECT new.\"time\"::timestamptz, $1::text, component, account, reason, error::json, attempts, event_id, \
                 meta::json, event \
             FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], \
                 $8::text[], $9::text[], $10::bytea[]) AS new \
                 (\"time\", component, account, reason, error, attempts, event_id, meta, event) \
             ON CONFLICT (pipeline, component, event_id) DO NOTHING"
        );
        let read = format!(
            "SELECT source, partition, epoch, safe_seq, safe_cursor, ahead::text \
             FROM {schema}._sluicebox_positions WHERE pipeline = $1 AND sink = $2"
        );
        let read_one = format!("{read} AND source = $3 AND partition = $4");
        let (owner, put, letters, read, read_one) = futures::try_join!(
            client.prepare(&owner),
            client.prepare(&put),
            client.prepare(&letters),
            client.prepare(&read),
            client.prepare(&read_one)
        )?;
        Ok(Self { owner, put, letters, read, read_one })
    }

    /// The epoch that owns the pipeline and sink, locked until the transaction ends.
    pub(crate) async fn owner(&self, client: &Client, shard: &Shard) -> Result<Option<u64>, ServerError> {
        let row = client.query_opt(&self.owner, &[&&*shard.pipeline, &&*shard.sink]).await?;
        row.map(|row| row.try_get(0).map(i64::cast_unsigned)).transpose()
    }

    /// The positions of a pipeline and sink.
    ///
    /// # Errors
    /// `State` if what is there was not written by us.
    pub(crate) async fn positions(&self, client: &Client, shard: &Shard) -> Result<Vec<Position>, Failure> {
        let rows = client.query(&self.read, &[&&*shard.pipeline, &&*shard.sink]).await?;
        rows.iter().map(read_position).collect()
    }

    /// Whether a position is stored as it is here; for none, always.
    pub(crate) async fn holds(
        &self,
        client: &Client,
        shard: &Shard,
        position: Option<&Position>,
    ) -> Result<bool, Failure> {
        let Some(position) = position else { return Ok(true) };
        let key: [&(dyn ToSql + Sync); 4] =
            [&&*shard.pipeline, &&*shard.sink, &position.source.as_str(), &position.partition.as_str()];
        let row = client.query_opt(&self.read_one, &key).await?;
        let stored = row.as_ref().map(read_position).transpose()?;
        Ok(stored.as_ref() == Some(position))
    }

    /// Replaces the positions of many partitions.
    pub(crate) async fn put(
        &self,
        client: &Client,
        shard: &Shard,
        positions: &[Position],
    ) -> Result<u64, ServerError> {
        if positions.is_empty() {
            return Ok(0);
        }
        let sources: Vec<&str> = positions.iter().map(|position| position.source.as_str()).collect();
        let partitions: Vec<&str> = positions.iter().map(|position| position.partition.as_str()).collect();
        let epochs: Vec<i64> = positions.iter().map(|position| position.epoch.cast_signed()).collect();
        let numbers: Vec<i64> = positions.iter().map(|position| position.safe_seq.cast_signed()).collect();
        let cursors: Vec<Option<&[u8]>> =
            positions.iter().map(|position| position.safe_cursor.as_deref()).collect();
        let ahead: Vec<String> = positions.iter().map(|position| written(&position.ahead)).collect();
        let (pipeline, sink) = (&*shard.pipeline, &*shard.sink);
        client
            .execute(
                &self.put,
                &[&pipeline, &sink, &sources, &partitions, &epochs, &numbers, &cursors, &ahead],
            )
            .await
    }

    /// Adds dead letters, each unless the component has one for that event.
    pub(crate) async fn add(
        &self,
        client: &Client,
        shard: &Shard,
        letters: &[DeadLetter],
    ) -> Result<u64, ServerError> {
        if letters.is_empty() {
            return Ok(0);
        }
        let column = |text: fn(&DeadLetter) -> String| -> Vec<String> { letters.iter().map(text).collect() };
        let attempts: Vec<i64> = letters.iter().map(|letter| letter.attempts.into()).collect();
        let events: Vec<&[u8]> = letters.iter().map(|letter| letter.event.as_ref()).collect();
        client
            .execute(
                &self.letters,
                &[
                    &&*shard.pipeline,
                    &column(|letter| letter.time.to_string()),
                    &column(|letter| printable(&letter.component)),
                    &column(|letter| printable(&letter.meta.account)),
                    &column(|letter| letter.reason.as_str().to_owned()),
                    &column(|letter| json(&letter.error)),
                    &attempts,
                    &column(|letter| printable(&letter.meta.id)),
                    &column(|letter| json(&letter.meta)),
                    &events,
                ],
            )
            .await
    }
}

fn read_position(row: &Row) -> Result<Position, Failure> {
    let ahead: Vec<SmolStr> = serde_json::from_str(row.try_get(5)?).map_err(|error| {
        Error::new(ErrorClass::State, "a row of _sluicebox_positions cannot be read").with_cause(error)
    })?;
    Ok(Position {
        source: row.try_get::<_, &str>(0)?.into(),
        partition: row.try_get::<_, &str>(1)?.into(),
        epoch: row.try_get::<_, i64>(2)?.cast_unsigned(),
        safe_seq: row.try_get::<_, i64>(3)?.cast_unsigned(),
        safe_cursor: row.try_get::<_, Option<Vec<u8>>>(4)?.map(Into::into),
        ahead,
    })
}

fn written(ids: &[SmolStr]) -> String {
    let ids: serde_json::Value = ids.iter().map(SmolStr::as_str).collect();
    ids.to_string()
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// A text without U+0000, which no text in PostgreSQL can hold; the envelope beside it has the original.
fn printable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
