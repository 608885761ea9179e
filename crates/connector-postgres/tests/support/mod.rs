//! Events, windows, schemas of their own and an opened sink, shared by the tests of the `postgres` sink.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "each test file uses its part; a failed set-up should panic"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use sluicebox_connector_postgres::PostgresSpec;
use sluicebox_core::{
    BuiltSink, Chance, CheckContext, Clock, Committed, Context, Delivery, Environment, Error, Event, Meta,
    Opened, Position, ScriptFiles, Shard, Sink, SinkSpec, Timestamp, TransactionalSink, Window,
};
use sluicebox_services::Postgres;

struct Still;

#[async_trait]
impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_781_258_500_000)
    }
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
    async fn sleep(&self, _duration: Duration) {}
}

impl Chance for Still {
    fn next_u64(&self) -> u64 {
        7
    }
}

struct NoFiles;

impl ScriptFiles for NoFiles {
    fn read(&self, path: &str) -> Result<String, String> {
        Err(format!("no file {path}"))
    }
}

pub(crate) fn context(delivery: Delivery) -> Context {
    Context {
        pipeline: "orders".into(),
        component: "warehouse".into(),
        account: "".into(),
        folder: PathBuf::new(),
        delivery,
        retry: sluicebox_core::RetryOptions::default(),
        environment: Environment { clock: Arc::new(Still), chance: Arc::new(Still) },
        shared: sluicebox_core::Shared::default(),
    }
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

pub(crate) fn shard(epoch: u64) -> Shard {
    Shard { pipeline: "orders".into(), sink: "warehouse".into(), epoch }
}

pub(crate) fn meta(number: usize) -> Meta {
    Meta {
        id: format!("opentrain:a:{number}").into(),
        event_type: "payment.created".into(),
        time: Timestamp::from_millis(1_781_258_404_120),
        source: "feed".into(),
        account: "a".into(),
        key: "k".into(),
        received: Timestamp::from_millis(1_781_258_405_000),
        lookups: BTreeMap::new(),
        replay: None,
    }
}

pub(crate) fn event(number: usize, json: &str) -> Event {
    Event::parse(&Bytes::from(json.to_owned()), meta(number)).unwrap()
}

pub(crate) fn events(numbers: std::ops::Range<usize>) -> Vec<Event> {
    numbers.map(|number| event(number, &format!(r#"{{"n":{number}}}"#))).collect()
}

pub(crate) fn position(safe_seq: u64, ahead: &[&str]) -> Position {
    Position {
        source: "feed".into(),
        partition: "a".into(),
        epoch: 1,
        safe_seq,
        safe_cursor: Some(Bytes::from_static(b"\x00\xffcursor")),
        ahead: ahead.iter().map(|id| (*id).into()).collect(),
    }
}

pub(crate) async fn commit(
    sink: &mut dyn TransactionalSink,
    events: &[Event],
    safe_seq: u64,
) -> Result<Committed, Error> {
    let positions = [position(safe_seq, &[])];
    sink.commit(&Window { events, dead_letters: &[], positions: &positions }).await
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
