//! A database and an opened sink, shared by the tests of the `sqlite` sink.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "each test file uses its part; a failed set-up should panic"
)]

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sluicebox_connector_sqlite::SqliteSpec;
use sluicebox_core::{BuiltSink, CheckContext, Context, Delivery, Opened, SinkSpec, TransactionalSink};
use sluicebox_testkit::{NoFiles, shard, still_environment};

pub(crate) fn context() -> Context {
    let environment = still_environment();
    Context {
        delivery: Delivery::ExactlyOnce,
        environment,
        ..sluicebox_testkit::context("orders", "warehouse")
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

/// A sink that owns the positions.
pub(crate) async fn opened(dir: &Path, options: serde_json::Value) -> (Box<dyn TransactionalSink>, Opened) {
    let mut sink = sink(dir, options).await;
    let opened = sink.open(&shard(1)).await.unwrap();
    (sink, opened)
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
