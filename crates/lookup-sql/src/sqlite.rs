//! SQLite: a pool of read-only connections, each query on a thread that may block.
//!
//! Invariant: a query that nobody waits for any more is interrupted.

use std::path::PathBuf;
use std::sync::Arc;

use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleResult};
use rusqlite::{Connection, ErrorCode, InterruptHandle, Statement};
use serde_json::Value;
use sluicebox_core::{Error, ErrorClass, Result};
use sluicebox_lookups::sqlite;

use crate::bind::for_sqlite;
use crate::database::{Described, Line};
use crate::spec::SqlLookup;

/// A file with the query that it is asked.
pub(crate) struct File {
    pool: Pool<Connections>,
    query: Arc<Query>,
}

struct Query {
    sql: String,
    /// The column that holds the key.
    key: Option<String>,
    shown: String,
}

/// Opens the file.
struct Connections {
    path: PathBuf,
}

impl Manager for Connections {
    type Type = Connection;
    type Error = Error;

    async fn create(&self) -> Result<Connection> {
        let path = self.path.clone();
        let shown = path.display().to_string();
        blocking(move || sqlite::open(&path)).await?.map_err(|error| fault(error, "open", &shown))
    }

    async fn recycle(&self, _: &mut Connection, _: &Metrics) -> RecycleResult<Error> {
        Ok(())
    }
}

/// Ends a query that is still running when this is dropped.
struct Interrupt(Option<InterruptHandle>);

impl Drop for Interrupt {
    fn drop(&mut self) {
        if let Some(handle) = self.0.take() {
            handle.interrupt();
        }
    }
}

impl File {
    pub(crate) fn new(options: &SqlLookup, path: PathBuf) -> Result<Self> {
        let shown = path.display().to_string();
        let key = options.batch.as_ref().map(|batch| batch.key.clone());
        let pool = Pool::builder(Connections { path }).max_size(options.connections.max(1)).build();
        let pool = pool.map_err(|error| Error::config("the pool cannot be made").with_cause(error))?;
        Ok(Self { pool, query: Arc::new(Query { sql: options.query.clone(), key, shown }) })
    }

    pub(crate) async fn ask(&self, values: &[Value], limit: usize) -> Result<Vec<Line>> {
        let connection: Object<Connections> = self.pool.get().await.map_err(without_pool)?;
        let mut interrupt = Interrupt(Some(connection.get_interrupt_handle()));
        let (query, values) = (Arc::clone(&self.query), values.to_vec());
        let lines = blocking(move || query.run(&connection, &values, limit)).await?;
        interrupt.0 = None;
        lines
    }

    pub(crate) async fn describe(&self) -> Result<Described> {
        let connection: Object<Connections> = self.pool.get().await.map_err(without_pool)?;
        let query = Arc::clone(&self.query);
        let prepared =
            blocking(move || query.prepare(&connection).map(|statement| statement.parameter_count()));
        let query = prepared.await?.map(|parameters| format!("it can be asked; parameters: {parameters}"));
        Ok(Described { server: format!("SQLite {}", rusqlite::version()), query })
    }
}

impl Query {
    fn prepare<'c>(&self, connection: &'c Connection) -> Result<rusqlite::CachedStatement<'c>> {
        let statement =
            connection.prepare_cached(&self.sql).map_err(|error| fault(error, "ask", &self.shown))?;
        if !statement.readonly() {
            return Err(Error::config("the query writes").with_help("write one that only reads"));
        }
        Ok(statement)
    }

    fn run(&self, connection: &Connection, values: &[Value], limit: usize) -> Result<Vec<Line>> {
        let wrong = |error| fault(error, "ask", &self.shown);
        // The query itself is sound, or it could not have been prepared: a value of a row is what it fails at.
        let of_row = |error| match wrong(error) {
            error if error.class() == ErrorClass::Config => {
                Error::new(ErrorClass::State, format!("a value of {} does not fit the query", self.shown))
                    .with_cause(error)
            }
            error => error,
        };
        let mut statement = self.prepare(connection)?;
        bind(&mut statement, values)?;
        let names: Vec<String> = statement.column_names().map(ToOwned::to_owned).collect();
        let key = self.key.as_ref().map(|key| {
            let place = names.iter().position(|name| name == key);
            place.ok_or_else(|| Error::config(format!("the answer has no column `{key}`")))
        });
        let key = key.transpose()?;
        let mut rows = statement.raw_query();
        let mut lines = Vec::new();
        while lines.len() < limit
            && let Some(row) = rows.next().map_err(of_row)?
        {
            let cells = sqlite::row(&names, row).map_err(wrong)?;
            let key = key.map_or(Value::Null, |place| cells[place].1.clone());
            lines.push(Line { key, json: sqlite::object(cells.iter()) });
        }
        Ok(lines)
    }
}

/// Binds each parameter by its number, as often as it stands in the query.
fn bind(statement: &mut Statement<'_>, values: &[Value]) -> Result<()> {
    for place in 1..=statement.parameter_count() {
        let number = statement.parameter_name(place).and_then(|name| name[1..].parse::<usize>().ok());
        let value = number.and_then(|number| values.get(number.checked_sub(1)?));
        let Some(value) = value else {
            return Err(Error::config("the query has a parameter that is not one of `$1`, `$2` and so on"));
        };
        let bound = statement.raw_bind_parameter(place, for_sqlite(value));
        bound.map_err(|error| Error::config("a parameter cannot be bound").with_cause(error))?;
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::transient("the query was given up").with_cause(error))
}

fn fault(error: rusqlite::Error, attempt: &str, shown: &str) -> Error {
    let class = match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::OperationInterrupted
            | ErrorCode::SystemIoFailure
            | ErrorCode::SchemaChanged
            | ErrorCode::CannotOpen,
        ) => ErrorClass::Transient,
        Some(ErrorCode::TypeMismatch | ErrorCode::TooBig) => ErrorClass::State,
        _ => ErrorClass::Config,
    };
    Error::new(class, format!("cannot {attempt} the database {shown}")).with_cause(error)
}

fn without_pool(error: PoolError<Error>) -> Error {
    match error {
        PoolError::Backend(error) => error,
        other => Error::transient("there is no connection").with_cause(other),
    }
}
