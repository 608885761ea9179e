//! The declaration of the `sql_lookup` transform, which is its reference page.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluicebox_core::{
    CheckContext, Context, Effect, Error, Period, Probe, Problem, Result, ScriptFiles, Secret, TlsOptions,
    Transform, TransformSpec,
};
use sluicebox_lookups::{CacheOptions, Keys, OnError, Rules, into_problem, select_problem};
use sluicebox_postgres::Address;

use crate::database::{Database, Place};
use crate::enrich::Enricher;
use crate::{placeholders, probe};

/// Adds what a database knows about an event: a query to PostgreSQL or SQLite, with values of the event as parameters.
///
/// The first row of the answer, or with `rows: many` all of them as a list, becomes a field of the event. How it ended is
/// in `meta.lookups.<component>.status`: `ok`; `not_found` (no row); `unavailable` (no usable answer). Events keep their
/// order; equal parameters are asked for once, however many events need them at the same time, and remembered for
/// `cache.ttl`, that there is no row for `cache.negative_ttl`. What is read is the state now, not at event time.
///
/// The query is one that reads (`SELECT`, `WITH`, `VALUES`), without a semicolon at its end. Parameters are `$1`, `$2` and
/// so on, and bound, never put into the text; a missing value is NULL. In PostgreSQL a text is read as the type that the
/// query asks for, so "42" fits an integer, and "2026-06-12" a date. Sessions are read-only, and so are SQLite files.
///
/// PostgreSQL itself writes the rows as JSON (`row_to_json`): integers and `numeric` are numbers with all their digits,
/// timestamps text as in RFC 3339 (in UTC; those without a time zone have no offset), `bytea` is `\x` and hexadecimal
/// digits, `json`, arrays and composite types are JSON, everything else is text. SQLite gives numbers and text as they are
/// stored, and a blob as PostgreSQL does.
///
/// With `batch` the keys of many events are asked for in one query: `$1` is a list of keys then, and `batch.key` names the
/// column that says which key a row belongs to. In PostgreSQL write `= ANY($1)`, in SQLite `IN (SELECT value FROM
/// json_each($1))`, for a column of text with `CAST(value AS TEXT)`. A key that is missing or null finds nothing.
///
/// A database that is away or slow is asked again with the waits of `retry:` until `retry.max_elapsed` (30s unless set)
/// after the first failure. While it stays down, one query at a time probes it with growing waits, and events in between
/// are `unavailable` at once. Refused credentials, a query that is wrong and a value that a parameter cannot take are
/// `unavailable` too, and logged as errors. Then `on_error` decides what becomes of the event; by default it goes on
/// without the field.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "url": "${DATABASE_URL}",
    "query": "SELECT name, tier FROM customers WHERE id = $1",
    "parameters": ["event.data.customerId"],
    "into": "customer"
}))]
#[schemars(example = serde_json::json!({
    "url": "${DATABASE_URL}",
    "query": "SELECT id, name, tier FROM customers WHERE id = ANY($1)",
    "parameters": ["event.data.customerId"],
    "batch": { "key": "id" },
    "into": "customer"
}))]
pub struct SqlLookup {
    /// Where the database is: `postgres://user:password@host:5432/database`, or `sqlite:` and the path of a file,
    /// relative to the working directory. Beyond this machine a connection to PostgreSQL is encrypted and the server's
    /// certificate verified, unless `sslmode=disable` is in the URL.
    #[schemars(example = &"${DATABASE_URL}")]
    pub url: Secret,
    /// How the server of PostgreSQL is recognised, and how we are.
    #[serde(default)]
    pub tls: Option<TlsOptions>,
    /// The query.
    #[schemars(example = "SELECT name, tier FROM customers WHERE id = $1")]
    pub query: String,
    /// What `$1`, `$2` and so on are: expressions over `event` and `meta`. A single one needs no list.
    pub parameters: Rules,
    /// Asks for the keys of many events at once.
    #[serde(default)]
    pub batch: Option<BatchOptions>,
    /// Whether the first row is the answer, or the list of all.
    #[serde(default)]
    pub rows: RowsWanted,
    /// Most rows of one answer with `rows: many`; one that has more is `unavailable`.
    #[serde(default = "default_max_rows")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_rows: usize,
    /// Path inside each row, with dots (`name`, `address.city`); unset: the whole row.
    #[serde(default)]
    #[schemars(example = &"name")]
    pub select: Option<String>,
    /// The top-level field of the event that gets the answer; unset: the component's name.
    #[serde(default)]
    #[schemars(example = &"customer")]
    pub into: Option<String>,
    /// What is remembered, and for how long.
    #[serde(default)]
    pub cache: CacheOptions,
    /// What becomes of an event that could not be enriched.
    #[serde(default)]
    pub on_error: OnError,
    /// Longest time of one query, waiting for a connection included.
    #[serde(default = "default_timeout")]
    pub timeout: Period,
    /// Most connections, and so most queries at the same time.
    #[serde(default = "default_connections")]
    #[schemars(range(min = 1, max = 64))]
    pub connections: usize,
}

/// How the keys of many events are asked for at once.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchOptions {
    /// The column of the answer that holds the key. It is compared with the parameter as text: 42, 42.0 and "42" are the
    /// same key.
    #[schemars(example = &"id")]
    pub key: String,
    /// Most keys of one query.
    #[serde(default = "default_max_keys")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_keys: usize,
}

/// What of the rows is the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowsWanted {
    /// The first row, as an object.
    #[default]
    One,
    /// All of them, as a list of objects.
    Many,
}

fn default_max_rows() -> usize {
    1000
}

fn default_timeout() -> Period {
    Period::from_secs(10)
}

fn default_connections() -> usize {
    4
}

fn default_max_keys() -> usize {
    100
}

/// Which database a `url` means.
fn place_at(url: &Secret, tls: Option<&TlsOptions>) -> Result<Place, Problem> {
    if let Some(path) = url.expose().strip_prefix("sqlite:") {
        return match path.trim_start_matches("//") {
            "" => {
                Err(Problem::new("url", "the URL names no file").with_help("like `sqlite:data/customers.db`"))
            }
            path => Ok(Place::Sqlite(path.into())),
        };
    }
    if !url.expose().starts_with("postgres") {
        let help = "like `postgres://user:password@host:5432/database` or `sqlite:data/customers.db`";
        return Err(Problem::new("url", "expected a URL of PostgreSQL or SQLite").with_help(help));
    }
    match Address::parse(url.expose(), tls.is_some()) {
        Ok(_) => Ok(Place::Postgres),
        Err(fault) => Err(Problem::new("url", fault.message).with_help(fault.help)),
    }
}

/// Everything wrong with how a database is reached.
pub(crate) fn address_problems(url: &Secret, tls: Option<&TlsOptions>) -> Vec<Problem> {
    match place_at(url, tls) {
        Ok(Place::Sqlite(_)) if tls.is_some() => {
            vec![Problem::new("tls", "a file of SQLite is not reached over a network")]
        }
        Ok(_) => tls.iter().flat_map(|tls| tls.problems()).collect(),
        Err(problem) => vec![problem],
    }
}

impl SqlLookup {
    /// Which database, by the `url`.
    ///
    /// # Errors
    /// What is wrong with the URL.
    pub(crate) fn place(&self) -> Result<Place, Problem> {
        place_at(&self.url, self.tls.as_ref())
    }

    fn check_query(&self) -> Vec<Problem> {
        let parameters = self.parameters.each.len();
        if self.batch.is_some() && parameters != 1 {
            let message = format!("expected one parameter, the key, because of `batch`; found {parameters}");
            return vec![Problem::new("parameters", message)];
        }
        placeholders::problem(&self.query, parameters).into_iter().collect()
    }

    fn check_numbers(&self) -> Vec<Problem> {
        let keys = self.batch.as_ref().map_or(1, |batch| batch.max_keys);
        [
            ("connections", self.connections, 64),
            ("max_rows", self.max_rows, 100_000),
            ("batch.max_keys", keys, 10_000),
        ]
        .into_iter()
        .filter(|(_, number, most)| !(1..=*most).contains(number))
        .map(|(path, number, most)| Problem::new(path, format!("expected 1 to {most}, found {number}")))
        .collect()
    }
}

#[async_trait]
impl TransformSpec for SqlLookup {
    const TYPE: &'static str = "sql_lookup";

    fn is_repeatable(&self) -> bool {
        false
    }

    fn looks_up_rows(&self) -> bool {
        true
    }

    fn effect(&self, component: &str) -> Effect {
        Effect::Adds(self.into.clone().unwrap_or_else(|| component.to_owned()))
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        let mut problems = address_problems(&self.url, self.tls.as_ref());
        if let Err(wrong) = Keys::compile(&self.parameters, "parameters") {
            problems.extend(wrong);
        }
        problems.extend(self.check_query());
        problems.extend(self.check_numbers());
        if self.timeout.0.is_zero() {
            problems.push(Problem::new("timeout", "expected a time longer than nothing"));
        }
        problems.extend(select_problem(self.select.as_deref()));
        problems.extend(into_problem(self.into.as_deref()));
        problems
    }

    async fn build(self, cx: &Context, _files: &dyn ScriptFiles) -> Result<Box<dyn Transform>> {
        let keys = Keys::compile(&self.parameters, "parameters").map_err(|mut problems| {
            Error::config(problems.pop().map_or_else(String::new, |problem| problem.message))
        })?;
        let database = Database::new(&self, cx)?;
        let enricher = Enricher::new(&self, keys, database, cx);
        cx.shared.publish(&cx.component, "", enricher.tally());
        Ok(Box::new(enricher))
    }

    async fn probe(&self, cx: &Context) -> Probe {
        probe::probe(self, cx).await
    }
}
