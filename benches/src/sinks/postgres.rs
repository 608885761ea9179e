//! PostgreSQL: a sequential loop over `tokio-postgres`, against the `postgres` sink.
//!
//! Both sides write the same nine columns. The loop: BEGIN, binary COPY into a temporary staging table, INSERT … SELECT,
//! upsert of one position, COMMIT, all statements prepared, each answer awaited. `synchronous_commit` is on.

use std::path::Path;
use std::pin::pin;
use std::time::SystemTime;

use serde_json::value::RawValue;
use sluicebox_services::Postgres as Server;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{Json, ToSql, Type};
use tokio_postgres::{Client, NoTls};

use super::Destination;
use super::events::{self, Prepared, Ready};
use crate::Outcome;

/// The columns of the sink's own table.
const COLUMNS: &str = "_event_id text, _source text, _account text, _type text, _event_time timestamptz, \
     _received_at timestamptz, _loaded_at timestamptz, _pipeline text, event json";

const TYPES: [Type; 9] = [
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TIMESTAMPTZ,
    Type::TIMESTAMPTZ,
    Type::TIMESTAMPTZ,
    Type::TEXT,
    Type::JSON,
];

/// A schema of a server of its own.
pub(crate) struct Postgres {
    server: Server,
    schema: String,
}

impl Postgres {
    pub(crate) fn new(folder: &Path) -> Outcome<Self> {
        let server = Server::private(folder).ok_or("no services")?;
        Ok(Self { server, schema: "bench".to_owned() })
    }
}

impl Destination for Postgres {
    fn make(&mut self) -> Outcome {
        let schema = &self.schema;
        self.server.psql(&format!(
            "CREATE SCHEMA {schema}; CREATE TABLE {schema}.events ({COLUMNS}); \
             CREATE TABLE {schema}.positions (name text PRIMARY KEY, sequence bigint NOT NULL)"
        ));
        Ok(())
    }

    fn sink(&self) -> String {
        let (url, schema) = (self.server.url(), &self.schema);
        format!("{{ type: postgres, inputs: [feed], url: \"{url}\", schema: {schema}, table: events }}")
    }

    fn bare(&mut self, events: &Prepared, total: u64, note: &mut dyn FnMut(u64)) -> Outcome {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(write(&self.server.url(), &self.schema, (events, total), note))
    }

    fn count(&mut self) -> Outcome<u64> {
        Ok(self.server.psql(&format!("SELECT count(*) FROM {}.events", self.schema)).trim().parse()?)
    }

    fn remove(&mut self) -> Outcome {
        self.server.psql(&format!("SET client_min_messages = warning; DROP SCHEMA {} CASCADE", self.schema));
        Ok(())
    }
}

async fn write(
    url: &str,
    schema: &str,
    (events, total): (&Prepared, u64),
    note: &mut dyn FnMut(u64),
) -> Outcome {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    client
        .batch_execute(&format!("CREATE TEMPORARY TABLE staging ({COLUMNS}) ON COMMIT DELETE ROWS"))
        .await?;
    let copy = client.prepare("COPY staging FROM STDIN WITH (FORMAT binary)").await?;
    let insert = client.prepare(&format!("INSERT INTO {schema}.events SELECT * FROM staging")).await?;
    let position = format!(
        "INSERT INTO {schema}.positions VALUES ('feed', $1) \
         ON CONFLICT (name) DO UPDATE SET sequence = excluded.sequence"
    );
    let position = client.prepare(&position).await?;
    for (count, window) in events.windows(total) {
        client.batch_execute("BEGIN").await?;
        copy_in(&client, &copy, &window).await?;
        client.execute(&insert, &[]).await?;
        client.execute(&position, &[&i64::try_from(count)?]).await?;
        client.batch_execute("COMMIT").await?;
        note(count);
    }
    drop(client);
    connection.await??;
    Ok(())
}

async fn copy_in(client: &Client, copy: &tokio_postgres::Statement, window: &[Ready]) -> Outcome {
    let mut writer = pin!(BinaryCopyInWriter::new(client.copy_in(copy).await?, &TYPES));
    let now = SystemTime::now();
    for Ready { id, time, json } in window {
        let json: &RawValue = json;
        let json = Json(json);
        let row: [&(dyn ToSql + Sync); 9] =
            [id, &events::SOURCE, &"", &events::EVENT_TYPE, time, time, &now, &events::PIPELINE, &json];
        writer.as_mut().write(&row).await?;
    }
    writer.finish().await?;
    Ok(())
}
