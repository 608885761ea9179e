//! `sql_lookup` in files of SQLite.

#![allow(clippy::unwrap_used, reason = "a failed set-up should panic")]

mod support;

use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};
use sluicebox_core::{CacheTally, Period};
use support::{build, context, found, parse, problems, told};

/// A file with customers 1 to 5, and its URL.
fn customers() -> (tempfile::TempDir, Connection, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("customers.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE customers (id INTEGER, name TEXT, rate REAL, photo BLOB);
             INSERT INTO customers VALUES (1, 'Ann', 1.5, x'00ff'), (2, 'it''s', 2, NULL), (3, 'C', 3, NULL),
               (4, 'D', 4, NULL), (4, 'E', 5, NULL);
             CREATE TABLE texts (id TEXT, name TEXT); INSERT INTO texts VALUES ('1', 'one'), ('007', 'seven')",
        )
        .unwrap();
    let url = format!("sqlite:{}", path.display());
    (folder, connection, url)
}

fn options(url: &str, query: &str, more: &Value) -> Value {
    let mut options = json!({ "url": url, "query": query, "parameters": "event.k" });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    options
}

#[tokio::test]
async fn rows_are_found_by_bound_parameters() {
    let (_folder, _connection, url) = customers();
    let cx = context();
    let one = options(&url, "SELECT * FROM customers WHERE id = $1", &json!({}));
    let transform = build(&one, &cx).await;
    let hostile = json!("1 OR 1=1");
    assert_eq!(
        told(&*transform, &[json!(1), json!("1"), json!(9), hostile, json!(null), json!(4)]).await,
        [
            r#"ok {"id":1,"name":"Ann","rate":1.5,"photo":"\\x00ff"}"#,
            r#"ok {"id":1,"name":"Ann","rate":1.5,"photo":"\\x00ff"}"#,
            "not_found",
            "not_found",
            "not_found",
            r#"ok {"id":4,"name":"D","rate":4.0,"photo":null}"#,
        ]
    );
    let many = options(
        &url,
        "SELECT name FROM customers WHERE id >= $1 ORDER BY id",
        &json!({ "rows": "many", "select": "name" }),
    );
    assert_eq!(
        told(&*build(&many, &cx).await, &[json!(3), json!(9)]).await,
        [r#"ok ["C","D","E"]"#, "not_found"]
    );
    let bounded = options(
        &url,
        "SELECT name FROM customers WHERE id >= $1",
        &json!({ "rows": "many", "max_rows": 2, "on_error": "dead_letter" }),
    );
    let dead = "lookup: the look-up `customer` ended unavailable: the database has more than 2 rows for it";
    assert_eq!(told(&*build(&bounded, &cx).await, &[json!(3)]).await, [dead]);
    let two = json!({ "url": url, "parameters": ["event.k.id", "event.k.name"], "select": "rate",
        "query": "SELECT rate FROM customers WHERE name = $2 AND id = $1 AND $2 = name" });
    let found = told(&*build(&two, &cx).await, &[json!({ "id": 4, "name": "E" }), json!({ "id": 4 })]).await;
    assert_eq!(found, ["ok 5.0", "not_found"]);
}

#[tokio::test]
async fn keys_of_a_batch_are_asked_for_at_once() {
    let (_folder, _connection, url) = customers();
    let cx = context();
    let query = "SELECT id, name FROM customers WHERE id IN (SELECT value FROM json_each($1))";
    let batch = options(&url, query, &json!({ "batch": { "key": "id", "max_keys": 2 }, "select": "name" }));
    let keys = [json!(1), json!("2"), json!(2.0), json!(9), json!(null), json!(4), json!(1)];
    let expected =
        ["ok \"Ann\"", "ok \"it's\"", "ok \"it's\"", "not_found", "not_found", "ok \"D\"", "ok \"Ann\""];
    assert_eq!(told(&*build(&batch, &cx).await, &keys).await, expected);
    let tally = cx.shared.find::<CacheTally>("customer", "").unwrap();
    assert_eq!(tally.totals(), [("hit", 0), ("miss", 4), ("failed", 0)]);
    let many = options(
        &url,
        query,
        &json!({ "batch": { "key": "id" }, "rows": "many", "max_rows": 1, "select": "name" }),
    );
    let found = told(&*build(&many, &cx).await, &[json!(3), json!(4), json!(1)]).await;
    assert_eq!(found, ["ok [\"C\"]", "unavailable", "ok [\"Ann\"]"], "4 has two rows");
    let texts = options(
        &url,
        "SELECT * FROM texts WHERE id IN (SELECT CAST(value AS TEXT) FROM json_each($1))",
        &json!({ "batch": { "key": "id" }, "select": "name" }),
    );
    assert_eq!(
        told(&*build(&texts, &cx).await, &[json!("007"), json!(7), json!(1)]).await,
        ["ok \"seven\"", "not_found", "ok \"one\""]
    );
}

#[tokio::test]
async fn answers_are_remembered_for_their_time() {
    let (_folder, connection, url) = customers();
    let cx = context();
    let more = json!({ "select": "name", "cache": { "ttl": "40ms", "negative_ttl": "40ms" } });
    let transform = build(&options(&url, "SELECT * FROM customers WHERE id = $1", &more), &cx).await;
    assert_eq!(told(&*transform, &[json!(1), json!(8)]).await, ["ok \"Ann\"", "not_found"]);
    connection.execute_batch("UPDATE customers SET name = 'Bob' WHERE id = 1; INSERT INTO customers (id, name) VALUES (8, 'Eve')").unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(told(&*transform, &[json!(1), json!(8)]).await, ["ok \"Bob\"", "ok \"Eve\""]);
}

#[tokio::test]
async fn nothing_is_written_and_a_file_that_is_not_there_is_not_made() {
    let (folder, connection, url) = customers();
    let mut cx = context();
    cx.retry.max_elapsed = Some(Period::from_millis(0));
    for query in
        ["DELETE FROM customers WHERE id = $1", "INSERT INTO customers (id) VALUES ($1) RETURNING id"]
    {
        let transform = build(&options(&url, query, &json!({ "on_error": "dead_letter" })), &cx).await;
        let told = told(&*transform, &[json!(1)]).await;
        assert!(told[0].contains("unavailable: the query writes"), "{told:?}");
    }
    let rows: i64 = connection.query_row("SELECT count(*) FROM customers", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 5);
    let missing = folder.path().join("missing.db");
    let url = format!("sqlite:{}", missing.display());
    let transform = build(&options(&url, "SELECT 1 WHERE 1 = $1", &json!({})), &cx).await;
    assert_eq!(told(&*transform, &[json!(1)]).await, ["unavailable"]);
    assert!(!missing.exists());
}

#[tokio::test]
async fn a_query_without_end_is_interrupted() {
    let (_folder, _connection, url) = customers();
    let mut cx = context();
    cx.retry.max_elapsed = Some(Period::from_millis(0));
    let endless = "WITH RECURSIVE n(i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let transform =
        build(&options(&url, endless, &json!({ "timeout": "100ms", "connections": 1 })), &cx).await;
    let started = Instant::now();
    assert_eq!(told(&*transform, &[json!(1)]).await, ["unavailable"]);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_probe_prepares_the_query() {
    let (_folder, _connection, url) = customers();
    let probe = async |query: &str| found(&parse(&options(&url, query, &json!({}))).probe(&context()).await);
    let fine = probe("SELECT * FROM customers WHERE id = $1").await;
    assert!(
        fine[0].starts_with("server: SQLite 3") && fine[1] == "query: it can be asked; parameters: 1",
        "{fine:?}"
    );
    let wrong = probe("SELECT * FROM nowhere WHERE id = $1").await;
    assert!(
        wrong[1].starts_with("query: wrong: ") && wrong[1].contains("no such table: nowhere"),
        "{wrong:?}"
    );
}

#[test]
fn wrong_options_are_told_where_they_are() {
    let query = "SELECT 1 WHERE 1 = $1";
    let with = |more: Value| options("sqlite:a.db", query, &more);
    assert_eq!(problems(&with(json!({}))), [""; 0]);
    for (options, expected) in [
        (with(json!({ "url": "sqlite:" })), "url: the URL names no file"),
        (with(json!({ "url": "mysql://u:p@h/d" })), "url: expected a URL of PostgreSQL or SQLite"),
        (with(json!({ "url": "postgres://h" })), "url: the URL names no user"),
        (with(json!({ "tls": {} })), "tls: a file of SQLite is not reached over a network"),
        (with(json!({ "parameters": ["event.", "event.a"], "query": "SELECT $1, $2" })), "parameters[0]: "),
        (with(json!({ "parameters": ["event.a", "event.b"] })), "query: the query does not use $2"),
        (
            with(json!({ "parameters": [] })),
            "query: the query asks for $1, and the number of parameters is 0",
        ),
        (
            with(json!({ "parameters": ["event.a", "event.b"], "batch": { "key": "a" } })),
            "parameters: expected one parameter",
        ),
        (
            with(json!({ "batch": { "key": "a", "max_keys": 0 } })),
            "batch.max_keys: expected 1 to 10000, found 0",
        ),
        (with(json!({ "connections": 65 })), "connections: expected 1 to 64, found 65"),
        (with(json!({ "timeout": "0s" })), "timeout: expected a time longer than nothing"),
        (with(json!({ "select": "a." })), "select: "),
        (with(json!({ "into": "a.b" })), "into: "),
    ] {
        let problems = problems(&options);
        assert!(problems.len() == 1 && problems[0].starts_with(expected), "{options} {problems:?}");
    }
}
