//! A database of either kind, asked one query within its time.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sluicebox_core::{Clock, Context, Error, Result, StandInRows};

use crate::spec::SqlLookup;
use crate::{postgres, sqlite};

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where the `url` says.
    Postgres,
    /// A file.
    Sqlite(PathBuf),
}

/// One row of an answer.
#[derive(Debug, PartialEq)]
pub(crate) struct Line {
    /// The value of the column `batch.key`; null without `batch`.
    pub(crate) key: Value,
    /// The row as JSON text.
    pub(crate) json: String,
}

/// A database with its query.
pub(crate) struct Database {
    kind: Kind,
    clock: Arc<dyn Clock>,
    timeout: Duration,
}

enum Kind {
    Postgres(postgres::Server),
    Sqlite(sqlite::File),
    /// What a test says is in the database.
    Given(Given),
}

/// Rows that a test gives.
struct Given {
    rows: StandInRows,
    component: Arc<str>,
    /// Whether the one parameter is a list of keys.
    is_batched: bool,
}

impl Given {
    async fn ask(&self, parameters: &[Value], limit: usize) -> Result<Vec<Line>> {
        let mut lines = Vec::new();
        match parameters {
            [Value::Array(keys)] if self.is_batched => {
                for key in keys {
                    let rows = self.rows.0.rows(&self.component, std::slice::from_ref(key)).await?;
                    lines.extend(rows.iter().map(|row| Line { key: key.clone(), json: row.to_string() }));
                }
            }
            parameters => {
                let rows = self.rows.0.rows(&self.component, parameters).await?;
                lines.extend(rows.iter().map(|row| Line { key: Value::Null, json: row.to_string() }));
            }
        }
        lines.truncate(limit);
        Ok(lines)
    }
}

impl Database {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// `Config` if the options cannot be used.
    pub(crate) fn new(options: &SqlLookup, cx: &Context) -> Result<Self> {
        let given = cx.shared.find::<StandInRows>("", "").map(|rows| Given {
            rows: StandInRows::clone(&rows),
            component: Arc::clone(&cx.component),
            is_batched: options.batch.is_some(),
        });
        let clock = Arc::clone(&cx.environment.clock);
        if let Some(given) = given {
            return Ok(Self { kind: Kind::Given(given), clock, timeout: options.timeout.0 });
        }
        let kind = match options.place().map_err(|problem| Error::config(problem.message))? {
            Place::Postgres => Kind::Postgres(postgres::Server::new(options, cx)?),
            Place::Sqlite(path) => Kind::Sqlite(sqlite::File::new(options, path)?),
        };
        Ok(Self { kind, clock, timeout: options.timeout.0 })
    }

    /// The first `limit` rows for these parameters.
    ///
    /// # Errors
    /// Retryable: it is away, slow or busy. `State`: it is a value that the query cannot take. Anything else is about the
    /// query or the credentials.
    pub(crate) async fn ask(&self, parameters: &[Value], limit: usize) -> Result<Vec<Line>> {
        let asking = async {
            match &self.kind {
                Kind::Postgres(server) => server.ask(parameters, limit).await,
                Kind::Sqlite(file) => file.ask(parameters, limit).await,
                Kind::Given(given) => given.ask(parameters, limit).await,
            }
        };
        tokio::select! {
            answer = asking => answer,
            () = self.clock.sleep(self.timeout) => {
                Err(Error::transient(format!("the database gave no answer within {} s", self.timeout.as_secs_f64())))
            }
        }
    }

    /// What it says of itself, and of the query.
    ///
    /// # Errors
    /// It is away, or refuses us or the query.
    pub(crate) async fn describe(&self) -> Result<Described> {
        match &self.kind {
            Kind::Postgres(server) => server.describe().await,
            Kind::Sqlite(file) => file.describe().await,
            Kind::Given(_) => Ok(Described { server: "rows of a test".to_owned(), query: Ok(String::new()) }),
        }
    }
}

/// What a database says of itself and of the query, each a clause.
pub(crate) struct Described {
    pub(crate) server: String,
    pub(crate) query: Result<String>,
}
