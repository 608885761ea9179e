//! `sql_lookup` at a real server of PostgreSQL, also behind a proxy that breaks connections.

#![allow(clippy::unwrap_used, reason = "a failed set-up should panic")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluicebox_core::{Period, Transform};
use sluicebox_services::Postgres;
use sluicebox_testkit::{Direction, FaultProxy, PATIENCE, framing};
use support::{build, context, found, parse, told};

/// A schema that no other test uses, with the table `customers` in it; removed on drop.
struct Room {
    server: Postgres,
    schema: String,
}

impl Room {
    /// On the shared server; none when services are to be skipped.
    fn shared() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = Postgres::shared()?;
        let schema = format!("lookup_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let room = Self { server, schema };
        let schema = &room.schema;
        room.server.psql(&format!(
            "CREATE SCHEMA {schema}; CREATE TABLE {schema}.customers (id int PRIMARY KEY, name text, tier text); \
             INSERT INTO {schema}.customers SELECT n, 'name ' || n, 'tier ' || n % 3 FROM generate_series(1, 1000) n"
        ));
        Some(room)
    }

    /// A query over `customers` with more options; `at` is where the server is.
    fn options(&self, rest: &str, more: &Value) -> Value {
        self.query(&format!("SELECT id, name FROM {}.customers WHERE {rest}", self.schema), more)
    }

    fn query(&self, query: &str, more: &Value) -> Value {
        let mut options = json!({ "url": self.server.url(), "query": query, "parameters": "event.k" });
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        options
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let drop = format!("SET client_min_messages = error; DROP SCHEMA {} CASCADE", self.schema);
            let _ = self.server.psql_command().args(["-qc", &drop]).output();
        }
    }
}

/// Messages of one query whose statement is prepared: bind, execute, sync.
const QUERY: u64 = 3;

#[tokio::test]
async fn the_server_writes_the_rows_as_json() {
    let Some(room) = Room::shared() else { return };
    let query = "SELECT 12345678901234567890.10::numeric AS n, 9007199254740993::bigint AS big, 1.5::float8 AS f, true AS yes, \
        NULL::text AS none, 'a \"b\"' AS t, '2026-06-12 12:00:00.5+02'::timestamptz AS at, '2026-06-12'::date AS day, \
        '2026-06-12 12:00'::timestamp AS wall, '\\x00ff'::bytea AS bytes, '{\"x\": [1,\n 2]}'::json AS j, ARRAY[1,2] AS list, \
        'b9e0c8a4-0000-4000-8000-000000000000'::uuid AS u, interval '1 day' AS span WHERE $1::int = 1";
    let transform = build(&room.query(query, &json!({})), &context()).await;
    let expected = r#"{"n":12345678901234567890.10,"big":9007199254740993,"f":1.5,"yes":true,"none":null,"t":"a \"b\"","at":"2026-06-12T10:00:00.5+00:00","day":"2026-06-12","wall":"2026-06-12T12:00:00","bytes":"\\x00ff","j":{"x": [1,  2]},"list":[1,2],"u":"b9e0c8a4-0000-4000-8000-000000000000","span":"1 day"}"#;
    assert_eq!(told(&*transform, &[json!(1)]).await, [format!("ok {expected}")]);
}

#[tokio::test]
async fn parameters_are_bound_as_the_type_that_the_query_asks_for() {
    let Some(room) = Room::shared() else { return };
    let cx = context();
    for (expression, value) in [
        ("$1::int = 42", json!("42")),
        ("$1::numeric = 12345678901234567890.1", json!("12345678901234567890.1")),
        ("$1::text = '42'", json!(42)),
        ("$1::timestamptz = '2026-06-12 10:00+00'", json!("2026-06-12T12:00:00+02:00")),
        ("$1::bool", json!(true)),
        ("$1::text IS NULL", json!(null)),
        ("$1::jsonb ->> 'a' = 'x'", json!({ "a": "x" })),
        ("$1::text[] = ARRAY['a\"b\\', 'c,d', NULL]", json!(["a\"b\\", "c,d", null])),
        ("$1::int[] = ARRAY[1, 2]", json!([1, "2"])),
        ("$1::text = ''' OR true --'", json!("' OR true --")),
    ] {
        let query = format!("SELECT 1 AS n WHERE {expression} -- to the end");
        let transform = build(&room.query(&query, &json!({ "select": "n" })), &cx).await;
        assert_eq!(told(&*transform, std::slice::from_ref(&value)).await, ["ok 1"], "{query} {value}");
    }
    let transform = build(&room.options("id = $1", &json!({ "on_error": "dead_letter" })), &cx).await;
    let ends = told(&*transform, &[json!("abc"), json!(7)]).await;
    assert!(ends[0].contains("invalid input syntax for type integer: \"abc\""), "{ends:?}");
    assert_eq!(ends[1], r#"ok {"id":7,"name":"name 7"}"#);
}

#[tokio::test]
async fn the_keys_of_a_batch_are_one_query_and_a_bad_one_does_not_spoil_the_others() {
    let Some(room) = Room::shared() else { return };
    let proxy = FaultProxy::framed(room.server.address(), framing::postgres);
    let batch = json!({ "url": room.server.url_at(proxy.address()), "batch": { "key": "id", "max_keys": 100 },
        "select": "name", "connections": 1 });
    let transform = build(&room.options("id = ANY($1)", &batch), &context()).await;
    assert_eq!(told(&*transform, &[json!(1)]).await, ["ok \"name 1\""]);
    let before = proxy.messages(Direction::Requests);
    let keys: Vec<Value> =
        (0..1000).map(|n| if n % 2 == 0 { json!(n % 200) } else { json!((n % 200).to_string()) }).collect();
    let ends = told(&*transform, &keys).await;
    for (n, end) in ends.iter().enumerate() {
        let expected = if n % 200 == 0 { "not_found".to_owned() } else { format!("ok \"name {}\"", n % 200) };
        assert_eq!(*end, expected);
    }
    assert_eq!(proxy.messages(Direction::Requests) - before, 2 * QUERY, "199 keys that were not known");
    let mut keys: Vec<Value> = (300..310).map(Value::from).collect();
    keys[4] = json!("abc");
    let ends = told(&*transform, &keys).await;
    for (n, end) in ends.iter().enumerate() {
        let expected = if n == 4 { "unavailable".to_owned() } else { format!("ok \"name {}\"", 300 + n) };
        assert_eq!(*end, expected);
    }
    let many = json!({ "batch": { "key": "tier" }, "rows": "many", "select": "id" });
    let query =
        format!("SELECT tier, id FROM {}.customers WHERE tier = ANY($1) AND id < 8 ORDER BY id", room.schema);
    let transform = build(&room.query(&query, &many), &context()).await;
    let ends = told(&*transform, &[json!("tier 1"), json!("tier 9"), json!("tier 2")]).await;
    assert_eq!(ends, ["ok [1,4,7]", "not_found", "ok [2,5]"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_equal_keys_are_one_query() {
    let Some(room) = Room::shared() else { return };
    for (rest, more) in [("id = $1", json!({})), ("id = ANY($1)", json!({ "batch": { "key": "id" } }))] {
        let proxy = FaultProxy::framed(room.server.address(), framing::postgres);
        let mut more = more;
        more["url"] = json!(room.server.url_at(proxy.address()));
        more["connections"] = json!(1);
        let transform = build(&room.options(rest, &more), &context()).await;
        assert_eq!(told(&*transform, &[json!(1)]).await.len(), 1);
        let before = proxy.messages(Direction::Requests);
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let transform = Arc::clone(&transform);
                tokio::spawn(async move { told(&*transform, &vec![json!(5); 1000]).await })
            })
            .collect();
        for task in tasks {
            assert!(task.await.unwrap().iter().all(|end| end == r#"ok {"id":5,"name":"name 5"}"#));
        }
        assert_eq!(proxy.messages(Direction::Requests) - before, QUERY);
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_is_made_again() {
    let Some(room) = Room::shared() else { return };
    let proxy = FaultProxy::framed(room.server.address(), framing::postgres);
    let more = json!({ "url": room.server.url_at(proxy.address()), "select": "name", "connections": 2 });
    let transform = build(&room.options("id = $1", &more), &context()).await;
    let mut next = 1;
    for direction in [Direction::Requests, Direction::Replies] {
        for message in 0..4 {
            proxy.cut_at_message(direction, message);
            let keys: Vec<Value> = (next..next + 3).map(Value::from).collect();
            let expected: Vec<String> = (next..next + 3).map(|n| format!("ok \"name {n}\"")).collect();
            assert_eq!(told(&*transform, &keys).await, expected, "cut at {message} {direction:?}");
            next += 3;
        }
    }
    proxy.cut();
    assert_eq!(told(&*transform, &[json!(900)]).await, ["ok \"name 900\""]);
}

/// Asks until there is an answer.
async fn works(transform: &dyn Transform, id: usize) {
    let start = Instant::now();
    while told(transform, &[json!(id)]).await != [format!("ok \"name {id}\"")] {
        assert!(start.elapsed() < PATIENCE, "the look-up does not work");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_server_that_is_away_or_silent_is_unavailable_until_it_is_back() {
    let Some(room) = Room::shared() else { return };
    let proxy = FaultProxy::start(room.server.address());
    let mut cx = context();
    cx.retry.max_elapsed = Some(Period::from_millis(600));
    let more = json!({ "url": room.server.url_at(proxy.address()), "select": "name", "timeout": "2s",
        "on_error": "dead_letter" });
    let transform = build(&room.options("id = $1", &more), &cx).await;
    works(&*transform, 1).await;
    let keys: Vec<Value> = (2..300).map(Value::from).collect();
    for silent in [false, true] {
        if silent {
            proxy.freeze();
        } else {
            proxy.refuse(true);
            proxy.cut();
        }
        let started = Instant::now();
        let ends = told(&*transform, &keys).await;
        assert!(
            ends.iter().all(|end| end.starts_with("lookup: the look-up `customer` ended unavailable: ")),
            "{ends:?}"
        );
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
        assert!(!ends.concat().contains(room.server.password()));
        assert_eq!(
            told(&*transform, &[json!(1)]).await,
            ["ok \"name 1\""],
            "what is remembered is still known"
        );
        proxy.heal();
        works(&*transform, 500).await;
    }
}

#[tokio::test]
async fn a_query_that_is_wrong_or_writes_is_unavailable_and_says_so() {
    let Some(room) = Room::shared() else { return };
    let schema = &room.schema;
    room.server.psql(&format!(
        "CREATE FUNCTION {schema}.add(n int) RETURNS int LANGUAGE sql AS \
           'INSERT INTO {schema}.customers VALUES (n) RETURNING id'"
    ));
    let cx = context();
    for (query, expected) in [
        (
            format!("SELECT {schema}.add($1) AS id"),
            "the query writes: cannot execute INSERT in a read-only transaction",
        ),
        (format!("DELETE FROM {schema}.customers WHERE id = $1 RETURNING id"), "syntax error"),
        ("SELECT * FROM nowhere WHERE id = $1".to_owned(), "relation \"nowhere\" does not exist"),
    ] {
        let own = json!({ "on_error": "dead_letter" });
        let transform = build(&room.query(&query, &own), &cx).await;
        let ends = told(&*transform, &[json!(5000)]).await;
        assert!(ends[0].contains("ended unavailable") && ends[0].contains(expected), "{ends:?}");
    }
    assert_eq!(room.server.psql(&format!("SELECT count(*) FROM {schema}.customers")).trim(), "1000");
}

#[tokio::test]
async fn credentials_and_certificates_are_checked_and_a_probe_says_what_is_wrong() {
    let Some(room) = Room::shared() else { return };
    let probe = async |options: Value| found(&parse(&options).probe(&context()).await);
    let fine = probe(room.options("id = $1", &json!({}))).await;
    assert!(
        fine[0].starts_with("server: PostgreSQL ") && fine[1] == "query: it can be asked; parameters: int4",
        "{fine:?}"
    );
    let tls = json!({ "url": room.server.tls_url(), "tls": { "ca_file": room.server.ca_file() } });
    assert!(probe(room.options("id = $1", &tls)).await[0].contains("TLS, certificate verified"));
    let unverified = json!({ "url": room.server.tls_url() });
    assert!(probe(room.options("id = $1", &unverified)).await[0].contains("certificate"));
    let url = room.server.url().replace(&format!(":{}@", room.server.password()), ":hunter2@");
    let refused = probe(room.options("id = $1", &json!({ "url": url }))).await;
    assert!(refused[0].starts_with("credentials: wrong: ") && !refused[0].contains("hunter2"), "{refused:?}");
    let wrong = probe(room.query("SELECT 1 FROM nowhere WHERE a = $1", &json!({}))).await;
    assert!(
        wrong[1].starts_with("query: wrong: ") && wrong[1].contains("\"nowhere\" does not exist"),
        "{wrong:?}"
    );
    let missing = probe(room.options("id = ANY($1)", &json!({ "batch": { "key": "nr" } }))).await;
    assert!(missing[1].contains("column _row.nr does not exist"), "{missing:?}");
    let transform =
        build(&room.options("id = $1", &json!({ "url": url, "on_error": "dead_letter" })), &context()).await;
    let started = Instant::now();
    let ends = told(&*transform, &[json!(1), json!(2), json!(3)]).await;
    assert!(ends.iter().all(|end| end.contains("unavailable") && !end.contains("hunter2")), "{ends:?}");
    assert!(started.elapsed() < Duration::from_secs(20), "refused credentials are not tried for long");
}
