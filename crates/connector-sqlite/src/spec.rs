//! The declaration of the `sqlite` sink.

use std::path::PathBuf;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    BuiltSink, CheckContext, Context, Delivery, DeliverySupport, Probe, Problem, Result, SinkSpec,
};
use sluicebox_tables::{Columns, Dialect, SchemaContract, TableOptions, WriteMode};

use crate::probe;
use crate::sink::{Destination, SqliteSink};
use crate::table::name_problem;

/// Appends events to a table of a SQLite database, or replaces rows by a key, exactly once.
///
/// The rows, the sink's dead letters and the position of every source are committed in one transaction, so after a
/// crash nothing is missing and nothing is there twice. The database and its folders are made if they are missing. It is
/// in WAL mode with `synchronous = FULL`: a commit survives a power failure, and others may read while rows are written.
///
/// Without `columns` the table has the columns `_event_id`, `_source`, `_account`, `_type`, `_event_time`,
/// `_received_at`, `_loaded_at`, `_pipeline` and `event`, all text; `event` is the JSON as it arrived, byte for byte, and
/// times are RFC 3339 in UTC. The order of rows (`ORDER BY rowid`) is the order of arrival. A table that exists is used
/// if these columns are in it.
///
/// With `columns: from_event` the table has the same columns but `event`, and one for each top-level field of the events.
/// It grows with them (`schema_contract: evolve`): a new field adds a column by the type of its first value (`TEXT`,
/// `INTEGER`, `NUMERIC`, `BOOLEAN`, and `JSON TEXT` for lists and maps, as they are written); a field that is only ever
/// `null` adds none. An integer column takes other numbers as they come. A value of another type goes to a column beside
/// it, named `<name>__<type>`: `amount__text`. A number with more digits than SQLite keeps is text, with all its digits.
/// A field whose name is an envelope column's, or differs from another one only in upper and lower case, gets a suffix
/// that is the same in every run. Columns are added in the transaction of the rows that need them.
///
/// With `mode: upsert` an event replaces the whole row that has its key; the last one of a key wins. An event without a
/// value for the key becomes a dead letter.
///
/// A row that the table can never take (a constraint, a wrong type, an expression that fails) becomes a dead letter, and
/// the others go on. Several sinks and pipelines may write to one database; sinks of one process share its transactions.
///
/// Besides the table, the database holds `_sluicebox_positions`, `_sluicebox_epochs` and `_sluicebox_dead_letters` (and
/// `_sluicebox_widened`, once an integer column holds other numbers): keep them with it, in backups too.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqliteSpec {
    /// The database file, relative to the working directory.
    #[schemars(length(min = 1), example = "data/warehouse.db")]
    pub path: PathBuf,
    /// The table to write to; made if it is missing.
    #[serde(default = "default_table")]
    #[schemars(length(min = 1))]
    pub table: String,
    /// Columns by name instead of the default ones: an expression over `event` and `meta`, or
    /// `{value: <expression>, type: text|integer|number|real|boolean|timestamp|blob|json}`. A missing field is NULL. In a
    /// table that is made here they stand in the order of their names. Or `from_event`: a column for each top-level field.
    #[serde(default)]
    #[schemars(example = columns_example(), example = &"from_event")]
    pub columns: Option<Columns>,
    /// With `columns: from_event`: what happens when an event does not fit the table. Default: `evolve`.
    #[serde(default)]
    pub schema_contract: Option<SchemaContract>,
    /// Whether events add rows, or replace those of the same key.
    #[serde(default)]
    pub mode: WriteMode,
    /// With `mode: upsert`: the columns that tell rows apart. Default: `_event_id`. A table that is made here gets a
    /// unique index of them; one that exists must have it.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub key: Option<Vec<String>>,
}

fn default_table() -> String {
    "events".to_owned()
}

fn columns_example() -> serde_json::Value {
    serde_json::json!({ "id": "meta.id", "amount": { "value": "event.data.amount", "type": "real" } })
}

#[async_trait]
impl SinkSpec for SqliteSpec {
    const TYPE: &'static str = "sqlite";

    fn delivery(&self) -> DeliverySupport {
        DeliverySupport {
            default: Delivery::ExactlyOnce,
            exactly_once: true,
            why: "rows and position share one SQLite transaction",
        }
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.path.as_os_str().is_empty() || self.path.file_name().is_none() || self.is_special() {
            problems.push(
                Problem::new("path", "expected the path of a file").with_help("like `data/warehouse.db`"),
            );
        }
        problems.extend(name_problem(&self.table).map(|message| Problem::new("table", message)));
        problems.extend(self.options().problems(&Dialect::SQLITE));
        problems
    }

    async fn probe(&self, _cx: &Context) -> Probe {
        match self.options().writer(Dialect::SQLITE) {
            Ok(rows) => {
                probe::ask(Destination { path: self.path.clone(), table: self.table.clone(), rows }).await
            }
            Err(error) => {
                let mut probe = Probe::new();
                probe.wrong("columns", error);
                probe
            }
        }
    }

    async fn build(self, cx: &Context) -> Result<BuiltSink> {
        let rows = self.options().writer(Dialect::SQLITE)?;
        let destination = Destination { path: self.path, table: self.table, rows };
        let sink = SqliteSink::new(destination, cx.environment.clock.clone());
        Ok(BuiltSink::Transactional(Box::new(sink)))
    }
}

impl SqliteSpec {
    /// SQLite would take it for a database in memory, and everything would be lost.
    fn is_special(&self) -> bool {
        self.path.to_str().is_some_and(|path| path.starts_with(':'))
    }

    fn options(&self) -> TableOptions<'_> {
        TableOptions {
            columns: self.columns.as_ref(),
            schema_contract: self.schema_contract,
            mode: self.mode,
            key: self.key.as_deref(),
        }
    }
}
