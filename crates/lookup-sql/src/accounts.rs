//! The rows of a query as accounts: `accounts: { sql: … }`.
//!
//! Invariant: nothing that a cell holds is a part of an error, and no connection stays open between two readings.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use sluicebox_core::{
    AccountRow, AccountsSpec, Context, Error, ErrorClass, Period, Problem, Result, Secret, TlsOptions,
};
use sluicebox_lookups::{CacheOptions, OnError, Rules};

use crate::database::Database;
use crate::placeholders;
use crate::spec::{RowsWanted, SqlLookup, address_problems};

/// More accounts are more than one process polls; a query that forgot its condition is stopped here.
const MOST_ACCOUNTS: usize = 10_000;

/// Less is asked of no database.
const LEAST_EVERY: Duration = Duration::from_secs(1);

/// Each row of a query to PostgreSQL or SQLite is an account, each column a field.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "url": "${DATABASE_URL}",
    "query": "SELECT id, token FROM accounts WHERE active"
}))]
pub struct SqlAccounts {
    /// Where the database is: `postgres://user:password@host:5432/database`, or `sqlite:` and the path of a file,
    /// relative to the working directory. Beyond this machine a connection to PostgreSQL is encrypted and the server's
    /// certificate verified, unless `sslmode=disable` is in the URL.
    #[schemars(example = &"${DATABASE_URL}")]
    pub url: Secret,
    /// How the server of PostgreSQL is recognised, and how we are.
    #[serde(default)]
    pub tls: Option<TlsOptions>,
    /// A query that reads, without a semicolon at its end. One column is `id`.
    #[schemars(example = "SELECT id, token FROM accounts WHERE active")]
    pub query: String,
    /// How often it is asked.
    #[serde(default = "default_every")]
    pub every: Period,
    /// Longest time of one query, connecting included.
    #[serde(default = "default_timeout")]
    pub timeout: Period,
}

fn default_every() -> Period {
    Period::from_secs(30)
}

fn default_timeout() -> Period {
    Period::from_secs(10)
}

impl SqlAccounts {
    /// The same as a look-up without parameters.
    fn look_up(&self) -> SqlLookup {
        SqlLookup {
            url: self.url.clone(),
            tls: self.tls.clone(),
            query: self.query.clone(),
            parameters: Rules::default(),
            batch: None,
            rows: RowsWanted::Many,
            max_rows: MOST_ACCOUNTS,
            select: None,
            into: None,
            cache: CacheOptions::default(),
            on_error: OnError::default(),
            timeout: self.timeout,
            connections: 1,
        }
    }
}

#[async_trait]
impl AccountsSpec for SqlAccounts {
    const TYPE: &'static str = "sql";

    fn check(&self) -> Vec<Problem> {
        let mut problems = address_problems(&self.url, self.tls.as_ref());
        problems.extend(placeholders::problem(&self.query, 0));
        if self.every.0 < LEAST_EVERY {
            problems.push(Problem::new("every", "expected a second or longer"));
        }
        if self.timeout.0.is_zero() {
            problems.push(Problem::new("timeout", "expected a time longer than nothing"));
        }
        problems
    }

    fn every(&self) -> Duration {
        self.every.0
    }

    async fn read(&self, cx: &Context) -> Result<Vec<AccountRow>> {
        let lines =
            Database::new(&self.look_up(), cx)?.ask(&[], MOST_ACCOUNTS + 1).await.map_err(discreet)?;
        if lines.len() > MOST_ACCOUNTS {
            let message = format!("the query gives more than {MOST_ACCOUNTS} rows");
            return Err(
                Error::new(ErrorClass::State, message).with_help("one process takes no more accounts")
            );
        }
        lines.iter().map(|line| row(&line.json)).collect()
    }
}

/// An error about a value would quote it.
fn discreet(error: Error) -> Error {
    match error.class() {
        ErrorClass::State => Error::new(ErrorClass::State, "the query fails at a value of a row")
            .with_help("run it by hand: the database says which value it is"),
        _ => error,
    }
}

fn row(json: &str) -> Result<AccountRow> {
    let unreadable = || Error::new(ErrorClass::State, "a row of the query cannot be read");
    let cells: Cells = serde_json::from_str(json).map_err(|_| unreadable())?;
    let mut columns = BTreeMap::new();
    for (name, cell) in cells.0 {
        let cell = text(&cell).map_err(|_| unreadable())?;
        if columns.insert(name.clone(), cell).is_some() {
            let message = format!("two columns of the query have the name `{name}`");
            return Err(Error::config(message).with_help("give one of them another name with `AS`"));
        }
    }
    Ok(AccountRow { columns })
}

/// A value as the text of a field: a text as it is, NULL as none, all else as the database writes it.
fn text(cell: &RawValue) -> serde_json::Result<Option<String>> {
    match cell.get() {
        "null" => Ok(None),
        quoted if quoted.starts_with('"') => serde_json::from_str(quoted).map(Some),
        other => Ok(Some(other.to_owned())),
    }
}

/// The members of an object, each as often as it is there.
struct Cells(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Cells {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(CellsVisitor)
    }
}

struct CellsVisitor;

impl<'de> Visitor<'de> for CellsVisitor {
    type Value = Cells;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Cells, M::Error> {
        let mut cells = Vec::new();
        while let Some(cell) = map.next_entry()? {
            cells.push(cell);
        }
        Ok(Cells(cells))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_becomes_the_text_that_stands_for_it() {
        let row =
            row(r#"{"id":"a\"b","n":18446744073709551616,"m":1.10,"on":true,"none":null,"tags":["x"]}"#);
        let columns = row.unwrap().columns;
        let cell = |name: &str| columns[name].as_deref();
        assert_eq!(cell("id"), Some("a\"b"));
        assert_eq!((cell("n"), cell("m")), (Some("18446744073709551616"), Some("1.10")), "with all digits");
        assert_eq!((cell("on"), cell("none"), cell("tags")), (Some("true"), None, Some("[\"x\"]")));
    }

    #[test]
    fn a_name_that_stands_for_two_columns_is_refused() {
        let error = row(r#"{"id":"a","id":"b"}"#).unwrap_err();
        assert_eq!(error.to_string(), "two columns of the query have the name `id`");
    }
}
