//! The declaration of the `postgres` sink.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    BuiltSink, CheckContext, Context, Delivery, DeliverySupport, Probe, Problem, Result, Secret, SinkSpec,
    TlsOptions,
};
use sluicebox_postgres::{Address, Gate, Unusable};
use sluicebox_tables::{Columns, Dialect, SchemaContract, TableOptions, WriteMode};

use crate::link::{Destination, SETTINGS};
use crate::names::TableName;
use crate::plain::PlainPostgres;
use crate::probe;
use crate::sink::TransactionalPostgres;
use crate::types::JsonType;

/// Appends events to a table of a PostgreSQL database, or replaces rows by a key, exactly once.
///
/// The rows, the sink's dead letters and the position of every source are committed in one transaction, so after a
/// crash of either side nothing is missing and nothing is there twice. A window is copied into a temporary table of the
/// connection and goes from there to the table in one statement. When the connection breaks during COMMIT, the
/// positions in the database say whether the window is in it. An instance that another one has replaced writes nothing
/// any more, even if it was frozen in the middle of a transaction.
///
/// Without `columns` the table has the columns `_event_id`, `_source`, `_account`, `_type` (text), `_event_time`,
/// `_received_at`, `_loaded_at` (timestamp with time zone), `_pipeline` (text) and `event`: the JSON as it arrived, byte
/// for byte, in a `json` column, or in a `jsonb` column with `json: jsonb`. With `columns: from_event` the table has
/// those of the envelope and a column for each field of the events, and grows with them. The table is made if it is
/// missing; one that exists is used if the columns are in it. Values are converted to the types that it has.
///
/// A table has no order of its own in PostgreSQL, and nothing is added for one. To read rows in the order in which they
/// arrived, give the table a column that counts: `ALTER TABLE events ADD COLUMN _row bigint GENERATED ALWAYS AS
/// IDENTITY`, then `ORDER BY _row`. Rows are inserted in order, so the numbers follow it.
///
/// A row that the table can never take (a constraint, a value that cannot be converted, an expression that fails)
/// becomes a dead letter, and the others go on. Deadlocks, serialization failures, a restart, a failover and a full disk
/// are tried again without end. Refused credentials, missing rights and a table that does not fit pause the sink.
///
/// Besides the table, the schema holds `_sluicebox_positions`, `_sluicebox_epochs` and `_sluicebox_dead_letters`: keep
/// them with it, in backups too. The user needs USAGE on the schema, TEMPORARY on the database, and INSERT on the table
/// (with `mode: upsert` also SELECT and UPDATE); and CREATE on the schema until all tables are there. A pooler that
/// shares connections between transactions cannot be used. PostgreSQL 12 or later.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostgresSpec {
    /// Where the database is: `postgres://user:password@host:5432/database`. Beyond this machine the connection is
    /// encrypted and the server's certificate verified, unless `sslmode=disable` is in the URL.
    #[schemars(example = &"${DATABASE_URL}")]
    pub url: Secret,
    /// How the server is recognised, and how we are.
    #[serde(default)]
    pub tls: Option<TlsOptions>,
    /// The schema of the table, which must exist.
    #[serde(default = "default_schema")]
    #[schemars(length(min = 1, max = 63))]
    pub schema: String,
    /// The table; made if it is missing.
    #[serde(default = "default_table")]
    #[schemars(length(min = 1, max = 63), example = &"marketplace_events")]
    pub table: String,
    /// Columns instead of the default ones: `from_event`, or columns by name, each an expression over `event` and
    /// `meta`, or `{value: <expression>, type: text|integer|number|real|boolean|timestamp|json|blob}`. A missing field
    /// is NULL. Without a type a column is text.
    #[serde(default)]
    #[schemars(example = columns_example())]
    pub columns: Option<Columns>,
    /// With `columns: from_event`: what happens when an event does not fit the table. Default `evolve`.
    #[serde(default)]
    pub schema_contract: Option<SchemaContract>,
    /// Whether every event adds a row, or replaces the one with its `key`.
    #[serde(default)]
    pub mode: WriteMode,
    /// With `mode: upsert`: the columns that tell rows apart. Default `[_event_id]`. A table that exists must have a
    /// unique index on exactly them.
    #[serde(default)]
    pub key: Option<Vec<String>>,
    /// The type of JSON columns in a table that is made here.
    #[serde(default)]
    pub json: JsonType,
}

fn default_schema() -> String {
    "public".to_owned()
}

fn default_table() -> String {
    "events".to_owned()
}

fn columns_example() -> serde_json::Value {
    serde_json::json!({ "id": "meta.id", "amount": { "value": "event.data.amount", "type": "number" } })
}

#[async_trait]
impl SinkSpec for PostgresSpec {
    const TYPE: &'static str = "postgres";

    fn delivery(&self) -> DeliverySupport {
        DeliverySupport {
            default: Delivery::ExactlyOnce,
            exactly_once: true,
            why: "rows and position share one PostgreSQL transaction",
        }
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Err(Unusable { message, help }) = self.address() {
            problems.push(Problem::new("url", message).with_help(help));
        }
        problems.extend(self.tls.iter().flat_map(TlsOptions::problems));
        let schema = name_problem(&self.schema, "a schema", "pg_");
        problems.extend(schema.map(|message| Problem::new("schema", message)));
        let table = name_problem(&self.table, "a table", "_sluicebox_");
        problems.extend(table.map(|message| Problem::new("table", message)));
        problems.extend(self.table_options().problems(&Dialect::POSTGRES));
        problems
    }

    async fn build(self, cx: &Context) -> Result<BuiltSink> {
        let destination = Arc::new(self.destination(cx)?);
        Ok(match cx.delivery {
            Delivery::ExactlyOnce => {
                BuiltSink::Transactional(Box::new(TransactionalPostgres::new(destination)))
            }
            Delivery::AtLeastOnce => BuiltSink::Plain(Box::new(PlainPostgres::new(destination))),
        })
    }

    async fn probe(&self, cx: &Context) -> Probe {
        let mut probe = Probe::new();
        match self.destination(cx) {
            Ok(destination) => probe::run(&destination, cx.delivery, &mut probe).await,
            Err(error) => probe.wrong("configuration", error),
        }
        probe
    }
}

impl PostgresSpec {
    fn address(&self) -> Result<Address, Unusable> {
        Address::parse(self.url.expose(), self.tls.is_some())
    }

    fn table_options(&self) -> TableOptions<'_> {
        TableOptions {
            columns: self.columns.as_ref(),
            schema_contract: self.schema_contract,
            mode: self.mode,
            key: self.key.as_deref(),
        }
    }

    fn destination(&self, cx: &Context) -> Result<Destination> {
        let gate = Gate::new(&self.url, self.tls.as_ref(), SETTINGS, cx)?;
        Ok(Destination {
            shown: gate.shown().to_owned(),
            gate,
            name: TableName { schema: self.schema.clone(), table: self.table.clone() },
            writer: self.table_options().writer(Dialect::POSTGRES)?,
            json: self.json,
            pipeline: Arc::clone(&cx.pipeline),
            clock: Arc::clone(&cx.environment.clock),
            noted: Mutex::default(),
        })
    }
}

/// Why a name cannot be used, if so.
fn name_problem(name: &str, what: &str, kept: &str) -> Option<String> {
    if name.is_empty() || name.contains('\0') || name.len() > Dialect::POSTGRES.name_bytes {
        Some(format!("this cannot be the name of {what}: it has 1 to 63 bytes"))
    } else if name.starts_with(kept) {
        Some(format!("names that begin with `{kept}` are kept for other uses"))
    } else {
        None
    }
}
