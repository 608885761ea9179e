//! Events, windows and an opened sink, shared by the tests of the `sqlite` sink.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "each test file uses its part; a failed set-up should panic"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::Connection;
use sluicebox_connector_sqlite::SqliteSpec;
use sluicebox_core::{
    BuiltSink, Chance, CheckContext, Clock, Committed, Context, Delivery, Environment, Error, Event, Meta,
    Opened, Position, ScriptFiles, Shard, SinkSpec, Timestamp, TransactionalSink, Window,
};

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

pub(crate) fn context() -> Context {
    Context {
        pipeline: "orders".into(),
        component: "warehouse".into(),
        account: "".into(),
        folder: PathBuf::new(),
        delivery: Delivery::ExactlyOnce,
        retry: sluicebox_core::RetryOptions::default(),
        environment: Environment { clock: Arc::new(Still), chance: Arc::new(Still) },
        shared: sluicebox_core::Shared::default(),
    }
}

pub(crate) fn spec(options: serde_json::Value) -> SqliteSpec {
    serde_json::from_value(options).unwrap()
}

pub(crate) fn problems(options: serde_json::Value) -> Vec<String> {
    let spec = spec(options);
    let found = spec.check(&CheckContext { files: &NoFiles, sources: &[] });
    found.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
}

/// A sink on a database in `dir`; `options` without the path.
pub(crate) async fn sink(dir: &Path, mut options: serde_json::Value) -> Box<dyn TransactionalSink> {
    options["path"] = database(dir).to_str().unwrap().into();
    match spec(options).build(&context()).await.unwrap() {
        BuiltSink::Transactional(sink) => sink,
        _ => unreachable!("the sink is transactional"),
    }
}

pub(crate) fn database(dir: &Path) -> PathBuf {
    dir.join("new/folders/warehouse.db")
}

pub(crate) fn shard(epoch: u64) -> Shard {
    Shard { pipeline: "orders".into(), sink: "warehouse".into(), epoch }
}

/// A sink that owns the positions.
pub(crate) async fn opened(dir: &Path, options: serde_json::Value) -> (Box<dyn TransactionalSink>, Opened) {
    let mut sink = sink(dir, options).await;
    let opened = sink.open(&shard(1)).await.unwrap();
    (sink, opened)
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

/// The first column of every row, as text.
pub(crate) fn select(dir: &Path, sql: &str) -> Vec<String> {
    let connection = Connection::open(database(dir)).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let text = |row: &rusqlite::Row<'_>| {
        Ok(match row.get_ref(0)? {
            rusqlite::types::ValueRef::Null => "NULL".to_owned(),
            rusqlite::types::ValueRef::Integer(number) => number.to_string(),
            rusqlite::types::ValueRef::Real(number) => format!("{number:?}"),
            rusqlite::types::ValueRef::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            rusqlite::types::ValueRef::Blob(bytes) => format!("{bytes:?}"),
        })
    };
    statement.query_map([], text).unwrap().map(Result::unwrap).collect()
}

pub(crate) fn execute(dir: &Path, sql: &str) {
    std::fs::create_dir_all(database(dir).parent().unwrap()).unwrap();
    Connection::open(database(dir)).unwrap().execute_batch(sql).unwrap();
}
