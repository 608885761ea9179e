//! Events, windows, schemas of their own and an opened sink, shared by the tests of the `postgres` sink.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "each test file uses its part; a failed set-up should panic"
)]

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use sluicebox_connector_postgres::PostgresSpec;
use sluicebox_core::{
    BuiltSink, CheckContext, Committed, Context, Delivery, Error, Event, Opened, Sink, SinkSpec,
    TransactionalSink,
};
use sluicebox_services::Postgres;
use sluicebox_testkit::{NoFiles, event, shard, still_environment};

pub(crate) fn context(delivery: Delivery) -> Context {
    let environment = still_environment();
    Context { delivery, environment, ..sluicebox_testkit::context("orders", "warehouse") }
}

pub(crate) fn spec(options: Value) -> PostgresSpec {
    serde_json::from_value(options).unwrap()
}

pub(crate) fn problems(options: Value) -> Vec<String> {
    let spec = spec(options);
    let found = spec.check(&CheckContext { files: &NoFiles, sources: &[] });
    found.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
}

/// A schema that no other test uses; removed on drop.
pub(crate) struct Room {
    pub(crate) server: Postgres,
    pub(crate) schema: String,
}

impl Room {
    /// A schema on the shared server; none when services are to be skipped.
    pub(crate) fn shared() -> Option<Self> {
        Postgres::shared().map(Self::on)
    }

    pub(crate) fn on(server: Postgres) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let schema = format!("Room {}.{number}", std::process::id());
        server.psql(&format!("DROP SCHEMA IF EXISTS \"{schema}\" CASCADE; CREATE SCHEMA \"{schema}\""));
        Self { server, schema }
    }

    /// Runs SQL with the schema first in the search path; a line a row, `|` between columns.
    pub(crate) fn psql(&self, sql: &str) -> String {
        let sql = format!(
            "SET client_min_messages = error; SET search_path = \"{}\"; SET timezone = 'UTC'; {sql}",
            self.schema
        );
        let shown = self.server.psql(&sql);
        shown.lines().filter(|line| *line != "SET").collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn options(&self, options: Value) -> Value {
        self.options_at(&self.server.url(), options)
    }

    pub(crate) fn options_at(&self, url: &str, mut options: Value) -> Value {
        let own = options.as_object_mut().unwrap();
        own.entry("url").or_insert_with(|| json!(url));
        own.entry("schema").or_insert_with(|| json!(self.schema));
        options
    }

    pub(crate) async fn sink(&self, options: Value) -> Box<dyn TransactionalSink> {
        transactional(self.options(options)).await
    }

    /// A sink that owns the positions.
    pub(crate) async fn opened(&self, options: Value) -> (Box<dyn TransactionalSink>, Opened) {
        let mut sink = self.sink(options).await;
        let opened = sink.open(&shard(1)).await.unwrap();
        (sink, opened)
    }

    pub(crate) async fn plain(&self, options: Value) -> Box<dyn Sink> {
        let spec = spec(self.options(options));
        match spec.build(&context(Delivery::AtLeastOnce)).await.unwrap() {
            BuiltSink::Plain(sink) => sink,
            _ => unreachable!("the sink is plain"),
        }
    }

    /// A session of its own, driven beside the test.
    pub(crate) async fn client(&self) -> tokio_postgres::Client {
        let (client, connection) =
            tokio_postgres::connect(&self.server.url(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("SET search_path = \"{}\"", self.schema)).await.unwrap();
        client
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let drop = format!("SET client_min_messages = error; DROP SCHEMA \"{}\" CASCADE", self.schema);
            let _ = self.server.psql_command().args(["-qc", &drop]).output();
        }
    }
}

pub(crate) async fn transactional(options: Value) -> Box<dyn TransactionalSink> {
    match spec(options).build(&context(Delivery::ExactlyOnce)).await.unwrap() {
        BuiltSink::Transactional(sink) => sink,
        _ => unreachable!("the sink is transactional"),
    }
}

pub(crate) fn events(numbers: std::ops::Range<usize>) -> Vec<Event> {
    numbers.map(|number| event(number, &format!(r#"{{"n":{number}}}"#))).collect()
}

/// Index and text of each row that was rejected; none if everything was committed.
pub(crate) fn rejected(committed: Result<Committed, Error>) -> Vec<(usize, String)> {
    match committed.unwrap() {
        Committed::Nothing(rejected) => {
            rejected.into_iter().map(|rejected| (rejected.index, rejected.error.chain())).collect()
        }
        Committed::All => Vec::new(),
    }
}
