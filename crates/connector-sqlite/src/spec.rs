//! The declaration of the `sqlite` sink.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    BuiltSink, CheckContext, Context, Delivery, DeliverySupport, Error, Problem, Result, SinkSpec,
};
use sluicebox_rules::Expression;

use crate::columns::ColumnSpec;
use crate::layout::{Column, Layout};
use crate::sink::{Destination, SqliteSink};

/// Appends events to a table of a SQLite database, exactly once.
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
/// A row that the table can never take (a constraint, a wrong type, an expression that fails) becomes a dead letter, and
/// the others go on. Several sinks and pipelines may write to one database.
///
/// Besides the table, the database holds `_sluicebox_positions`, `_sluicebox_epochs` and `_sluicebox_dead_letters`: keep
/// them with it, in backups too.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SqliteSpec {
    /// The database file, relative to the working directory.
    #[schemars(length(min = 1), example = "data/warehouse.db")]
    pub path: PathBuf,
    /// The table to append to; made if it is missing.
    #[serde(default = "default_table")]
    #[schemars(length(min = 1))]
    pub table: String,
    /// Columns by name instead of the default ones: an expression over `event` and `meta`, or
    /// `{value: <expression>, type: text|integer|real|blob|json}`. A missing field is NULL. In a table that is made here
    /// they stand in the order of their names.
    #[serde(default)]
    #[schemars(length(min = 1), example = columns_example())]
    pub columns: Option<BTreeMap<String, ColumnSpec>>,
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
        if self.columns.as_ref().is_some_and(BTreeMap::is_empty) {
            problems.push(Problem::new("columns", "expected at least one column"));
        }
        problems.extend(self.column_problems());
        problems
    }

    async fn build(self, cx: &Context) -> Result<BuiltSink> {
        let layout = self.layout()?;
        let destination = Destination { path: self.path, table: self.table, layout };
        let sink = SqliteSink::new(destination, cx.environment.clock.clone());
        Ok(BuiltSink::Transactional(Box::new(sink)))
    }
}

impl SqliteSpec {
    /// SQLite would take it for a database in memory, and everything would be lost.
    fn is_special(&self) -> bool {
        self.path.to_str().is_some_and(|path| path.starts_with(':'))
    }

    fn column_problems(&self) -> Vec<Problem> {
        let columns = self.columns.iter().flatten();
        let mut names: Vec<String> = Vec::new();
        let mut problems = Vec::new();
        for (name, column) in columns {
            let path = format!("columns.{name}");
            let folded = name.to_ascii_lowercase();
            if name.is_empty() || name.contains('\0') {
                problems.push(Problem::new(&*path, "this cannot be the name of a column"));
            } else if names.contains(&folded) {
                let message = "SQLite tells no upper from lower case: this column is there twice";
                problems.push(Problem::new(&*path, message));
            }
            names.push(folded);
            let inner = if column.is_map { format!("{path}.value") } else { path };
            problems.extend(Expression::compile(&column.value).err().map(|problem| problem.under(&inner)));
        }
        problems
    }

    fn layout(&self) -> Result<Layout> {
        let Some(columns) = &self.columns else { return Ok(Layout::Default) };
        let compile = |(name, column): (&String, &ColumnSpec)| {
            let expression = Expression::compile(&column.value)
                .map_err(|problem| Error::config(format!("the column `{name}`: {}", problem.message)))?;
            Ok(Column { name: name.clone(), holds: column.holds, expression })
        };
        columns.iter().map(compile).collect::<Result<_>>().map(Layout::Columns)
    }
}

/// Why a name cannot be that of our table, if so.
fn name_problem(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    if name.is_empty() || name.contains('\0') {
        Some("this cannot be the name of a table")
    } else if lower.starts_with("sqlite_") {
        Some("SQLite keeps names that begin with `sqlite_` for itself")
    } else if lower.starts_with("_sluicebox_") {
        Some("names that begin with `_sluicebox_` are kept for positions")
    } else {
        None
    }
}
