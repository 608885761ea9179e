//! PostgreSQL: a pool of read-only sessions that nothing drives in the background.
//!
//! Invariant: a session goes back to the pool only when its query has ended; one that was given up is closed.

use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use serde_json::Value;
use sluicebox_core::{Context, Error, Result};
use sluicebox_postgres::{Gate, Session, classify, said};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error as ServerError, Statement};

use crate::bind::Bound;
use crate::database::{Described, Line};
use crate::spec::SqlLookup;

/// A server with the query that it is asked.
pub(crate) struct Server {
    pool: Pool<Sessions>,
    sql: String,
    parameters: usize,
    shown: String,
}

/// Makes sessions.
struct Sessions(Gate);

/// A session, with the query prepared once it was asked.
struct Link {
    session: Session,
    statement: Option<Statement>,
}

impl Manager for Sessions {
    type Type = Link;
    type Error = Error;

    async fn create(&self) -> Result<Link> {
        Ok(Link { session: self.0.connect().await?, statement: None })
    }

    async fn recycle(&self, link: &mut Link, _: &Metrics) -> RecycleResult<Error> {
        if link.session.is_gone().await {
            Err(RecycleError::message("the session has ended"))
        } else {
            Ok(())
        }
    }
}

/// A session of the pool, which is closed unless it is given back.
struct Borrowed(Option<Object<Sessions>>);

impl Drop for Borrowed {
    fn drop(&mut self) {
        // Taken out of the pool and dropped: the connection is closed, and with it the query.
        drop(self.0.take().map(Object::take));
    }
}

impl Server {
    pub(crate) fn new(options: &SqlLookup, cx: &Context) -> Result<Self> {
        let settings = format!(
            "SET default_transaction_read_only = on; SET statement_timeout = {}; SET timezone = 'UTC'; \
             SET client_min_messages = 'warning'",
            options.timeout.0.as_millis().clamp(1, 2_000_000_000)
        );
        let gate = Gate::new(&options.url, options.tls.as_ref(), settings, cx)?;
        let shown = gate.shown().to_owned();
        let pool = Pool::builder(Sessions(gate)).max_size(options.connections.max(1)).build();
        let pool = pool.map_err(|error| Error::config("the pool cannot be made").with_cause(error))?;
        let parameters = options.parameters.each.len();
        Ok(Self { pool, sql: wrapped(options, parameters), parameters, shown })
    }

    pub(crate) async fn ask(&self, values: &[Value], limit: usize) -> Result<Vec<Line>> {
        let mut borrowed = Borrowed(Some(self.pool.get().await.map_err(without_pool)?));
        let Some(link) = borrowed.0.as_mut() else { return Ok(Vec::new()) };
        let Link { session, statement } = &mut **link;
        let limit = Value::from(limit);
        let bound: Vec<Bound<'_>> = values.iter().chain([&limit]).map(Bound).collect();
        let bound: Vec<&(dyn ToSql + Sync)> = bound.iter().map(|one| one as &(dyn ToSql + Sync)).collect();
        let Session { client, driver, .. } = session;
        let asking = driver.drive(async {
            let prepared = match statement.take() {
                Some(prepared) => prepared,
                None => client.prepare(&self.sql).await?,
            };
            let rows = client.query(&prepared, &bound).await?;
            *statement = Some(prepared);
            Ok(rows)
        });
        let rows = match asking.await {
            Ok(rows) => rows,
            Err(error) => return Err(self.fault(driver.cause_of(error))),
        };
        // The query has ended, so the session can be used again.
        drop(borrowed.0.take());
        rows.iter().map(line).collect::<Result<_, ServerError>>().map_err(|error| self.fault(error))
    }

    fn fault(&self, error: ServerError) -> Error {
        if error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) {
            let said = said(&error).unwrap_or_default();
            return Error::config(format!("the query writes: {said}")).with_help("write one that only reads");
        }
        classify(error, "ask", &self.shown)
    }

    pub(crate) async fn describe(&self) -> Result<Described> {
        let mut link = self.pool.get().await.map_err(without_pool)?;
        let Session { client, driver, version, encrypted } = &mut link.session;
        let tls = if *encrypted { "TLS, certificate verified as configured" } else { "not encrypted" };
        let server = format!("PostgreSQL {version}, {tls}");
        let query = driver.drive(client.prepare(&self.sql)).await;
        let query = query.map_err(|error| self.fault(driver.cause_of(error))).map(|prepared| {
            let types = prepared.params().iter().take(self.parameters).map(Type::name);
            format!("it can be asked; parameters: {}", types.collect::<Vec<_>>().join(", "))
        });
        Ok(Described { server, query })
    }
}

/// The query with its rows as JSON text and their keys, no more of them than the last parameter says.
fn wrapped(options: &SqlLookup, parameters: usize) -> String {
    let key = options.batch.as_ref().map_or_else(
        || "NULL::text".to_owned(),
        |batch| format!("to_json(_row.\"{}\")::text", batch.key.replace('"', "\"\"")),
    );
    let query = &options.query;
    // The line break ends a comment at the end of the query.
    format!(
        "SELECT row_to_json(_row)::text, {key} FROM (\n{query}\n) AS _row LIMIT ${}::bigint",
        parameters + 1
    )
}

fn line(row: &tokio_postgres::Row) -> Result<Line, ServerError> {
    let key: Option<String> = row.try_get(1)?;
    let key = key.and_then(|key| serde_json::from_str(&key).ok()).unwrap_or_default();
    Ok(Line { json: row.try_get(0)?, key })
}

fn without_pool(error: PoolError<Error>) -> Error {
    match error {
        PoolError::Backend(error) => error,
        other => Error::transient("there is no connection").with_cause(other),
    }
}
