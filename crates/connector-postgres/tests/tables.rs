//! The `postgres` sink and its table: names, types, columns that come from the events, contracts, keys.

#![allow(clippy::unwrap_used, reason = "a failed set-up should panic")]

mod support;

use serde_json::{Value, json};
use sluicebox_core::{Committed, ErrorClass, Event, TransactionalSink};
use sluicebox_testkit::{commit, event, shard};
use support::{Room, events, rejected};

/// Name and type of each column.
fn columns(room: &Room, table: &str) -> String {
    room.psql(&format!(
        "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) \
         FROM pg_attribute WHERE attrelid = format('%I', '{table}')::regclass AND attnum > 0 AND attname NOT LIKE '\\_%'"
    ))
}

fn numbered(lines: &[&str]) -> Vec<Event> {
    lines.iter().enumerate().map(|(number, json)| event(number, json)).collect()
}

async fn all(sink: &mut dyn TransactionalSink, lines: &[&str], safe_seq: u64) {
    let outcome = commit(sink, &numbered(lines), safe_seq).await;
    assert!(matches!(outcome, Ok(Committed::All)), "{outcome:?}");
}

#[tokio::test]
async fn names_are_quoted_and_columns_typed() {
    let Some(room) = Room::shared() else { return };
    let table = r#"a "b"; DROP TABLE x --"#;
    let options = json!({
        "table": table,
        "columns": {
            "select": {"value": "event.n", "type": "integer"},
            "n": {"value": "event.n", "type": "number"},
            "x\"y": "event.n",
            "Blob": {"value": "event.s", "type": "blob"},
            "json": {"value": "event.l", "type": "json"},
            "flag": {"value": "event.f", "type": "boolean"},
            "at": {"value": "meta.time", "type": "timestamp"},
            "real": {"value": "event.r", "type": "real"},
            "none": "event.missing.at.any.depth",
        },
    });
    let (mut sink, _) = room.opened(options.clone()).await;
    all(&mut *sink, &[r#"{"n": 5, "s": "hi", "l": [1, {"a": null}], "f": true, "r": 0.1}"#], 1).await;
    let quoted = table.replace('"', "\"\"");
    let types = "Blob bytea, at timestamp with time zone, flag boolean, json json, n numeric, none text, \
                 real double precision, select bigint, x\"y text";
    assert_eq!(columns(&room, table), types);
    let row = room.psql(&format!("SELECT * FROM \"{quoted}\""));
    assert_eq!(row, r#"\x6869|2026-06-12 10:00:04.12+00|t|[1,{"a":null}]|5||0.1|5|5"#);
    drop(sink);
    room.opened(options).await;
}

#[tokio::test]
async fn a_table_that_exists_is_filled_in_its_own_types_and_order() {
    let Some(room) = Room::shared() else { return };
    room.psql(
        "CREATE DOMAIN percent AS int CHECK (value BETWEEN 0 AND 100); \
         CREATE TABLE orders (_row bigint GENERATED ALWAYS AS IDENTITY, share percent, day date, code varchar(4), \
         amount numeric(10,2), tags jsonb, at timestamp, text text DEFAULT 'default', small smallint, flag int)",
    );
    let options = json!({"table": "orders", "columns": {
        "share": {"value": "event.share", "type": "integer"},
        "day": "event.day",
        "code": "event.code",
        "amount": {"value": "event.amount", "type": "number"},
        "tags": {"value": "event.tags", "type": "json"},
        "at": {"value": "meta.time", "type": "timestamp"},
        "small": {"value": "event.share", "type": "integer"},
        "flag": {"value": "event.flag", "type": "boolean"},
    }});
    let (mut sink, _) = room.opened(options).await;
    let lines = [
        r#"{"share": 7, "day": "2026-01-02", "code": "abcd", "amount": 12.345, "tags": {"b": 1, "a": [2]}, "flag": true}"#,
        r#"{"share": 101}"#,
        r#"{"code": "abcde"}"#,
        r#"{"day": "someday"}"#,
    ];
    let guilty = rejected(commit(&mut *sink, &numbered(&lines), 1).await);
    assert_eq!(guilty.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1, 2, 3]);
    for (place, text) in [(0, "percent"), (1, "character varying(4)"), (2, "date")] {
        assert!(guilty[place].1.contains(text), "{}", guilty[place].1);
    }
    all(&mut *sink, &lines[..1], 1).await;
    let row = "7|2026-01-02|abcd|12.35|{\"a\": [2], \"b\": 1}|2026-06-12 10:00:04.12|default|7|1";
    assert_eq!(room.psql("SELECT share, day, code, amount, tags, at, text, small, flag FROM orders"), row);
    for round in 0..3 {
        let lines: Vec<String> = (0..500).map(|n| format!(r#"{{"code":"{n}","flag":false}}"#)).collect();
        all(&mut *sink, &lines.iter().map(String::as_str).collect::<Vec<_>>(), round + 2).await;
    }
    let in_order = "SELECT bool_and(code = (expected % 500)::text) FROM (SELECT code, row_number() OVER (ORDER BY _row) - 1 \
                    AS expected FROM orders WHERE NOT flag::bool) AS rows";
    assert_eq!(room.psql(in_order), "t", "the identity follows the order of arrival");
}

#[tokio::test]
async fn a_table_that_does_not_fit_is_refused_with_what_to_do() {
    let Some(room) = Room::shared() else { return };
    room.psql(
        "CREATE TABLE a (_event_id text); CREATE VIEW b AS SELECT 1; \
               CREATE TABLE c (id text, must int NOT NULL); CREATE TABLE d (id text, at timestamptz)",
    );
    let columns = json!({"id": "meta.id"});
    let cases = [
        (json!({"table": "a"}), "it has no column `_source`"),
        (json!({"table": "b"}), "it is not a table"),
        (json!({"table": "c", "columns": columns}), "its column `must` needs a value"),
        (json!({"table": "d", "columns": columns, "mode": "upsert", "key": ["id"]}), "no unique index"),
    ];
    for (options, expected) in cases {
        let error = room.sink(options).await.open(&shard(1)).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Config, "{}", error.chain());
        assert!(error.to_string().contains(expected) && error.help().is_some(), "{}", error.chain());
    }
    // A type that nothing converts to is noticed with the first row, before anything is written.
    let options = json!({"table": "d", "columns": {"at": {"value": "event.b", "type": "boolean"}}});
    let (mut sink, _) = room.opened(options).await;
    let error = commit(&mut *sink, &numbered(&[r#"{"b":true}"#]), 1).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Config, "{}", error.chain());
}

#[tokio::test]
async fn columns_come_from_the_events_and_grow_with_them() {
    let Some(room) = Room::shared() else { return };
    let (mut sink, _) = room.opened(json!({"columns": "from_event"})).await;
    assert_eq!(columns(&room, "events"), "");
    all(&mut *sink, &[r#"{"n": 1, "s": "a"}"#, r#"{"ok": true, "n": null}"#], 1).await;
    assert_eq!(columns(&room, "events"), "n bigint, s text, ok boolean");
    let lines =
        [r#"{"n": 2.50, "s": 7, "at": "2026-01-02T03:04:05Z"}"#, r#"{"n": 18446744073709551616, "l": [1]}"#];
    all(&mut *sink, &lines, 2).await;
    let grown = columns(&room, "events");
    assert!(grown.starts_with("n numeric, s text, ok boolean, ") && grown.contains("s__"), "{grown}");
    assert_eq!(room.psql("SELECT n FROM events WHERE n > 1 ORDER BY n"), "2.50\n18446744073709551616");
    assert_eq!(room.psql("SELECT count(*), count(s), count(l) FROM events"), "4|1|1");
    // What somebody else did to the table meanwhile is seen.
    room.psql("ALTER TABLE events ADD COLUMN extra text; ALTER TABLE events DROP COLUMN ok");
    all(&mut *sink, &[r#"{"ok": false, "extra": "x"}"#], 3).await;
    assert_eq!(room.psql("SELECT count(ok), count(extra) FROM events"), "1|1");
    room.psql("ALTER TABLE events ALTER COLUMN extra TYPE varchar(9)");
    all(&mut *sink, &[r#"{"extra": "y"}"#], 4).await;
    assert_eq!(room.psql("SELECT count(extra) FROM events"), "2");
}

#[tokio::test]
async fn a_window_that_fails_leaves_the_table_as_it_was() {
    let Some(room) = Room::shared() else { return };
    let (mut sink, _) = room.opened(json!({"columns": "from_event"})).await;
    room.psql("ALTER TABLE events ADD CONSTRAINT no CHECK (_event_id <> 'opentrain:a:1')");
    let lines = [r#"{"a": 1}"#, r#"{"b": 2}"#, r#"{"c": 3}"#];
    let guilty = rejected(commit(&mut *sink, &numbered(&lines), 1).await);
    assert_eq!(guilty.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1]);
    assert_eq!(columns(&room, "events"), "");
    let good = [event(0, lines[0]), event(2, lines[2])];
    assert!(rejected(commit(&mut *sink, &good, 1).await).is_empty());
    assert_eq!(columns(&room, "events"), "a bigint, c bigint");
}

#[tokio::test]
async fn two_pipelines_grow_one_table_at_once() {
    let Some(room) = Room::shared() else { return };
    let mut sinks = Vec::new();
    for number in 0..4 {
        let mut sink = room.sink(json!({"columns": "from_event"})).await;
        let own = sluicebox_core::Shard { pipeline: format!("p{number}").into(), ..shard(1) };
        sink.open(&own).await.unwrap();
        sinks.push(sink);
    }
    for round in 0..5 {
        let window = [event(round, &format!(r#"{{"f{round}": 1}}"#))];
        let writing = sinks.iter_mut().map(|sink| {
            let window = &window;
            async move {
                while let Err(error) = commit(&mut **sink, window, round as u64 + 1).await {
                    assert!(error.class().is_retryable(), "{}", error.chain());
                }
            }
        });
        futures::future::join_all(writing).await;
    }
    assert_eq!(columns(&room, "events"), "f0 bigint, f1 bigint, f2 bigint, f3 bigint, f4 bigint");
    assert_eq!(room.psql("SELECT count(*), count(f4) FROM events"), "20|4");
}

#[tokio::test]
async fn a_contract_says_what_happens_to_events_that_do_not_fit() {
    let Some(room) = Room::shared() else { return };
    let table = |name: &str| {
        format!(
            "CREATE TABLE {name} (_event_id text, _source text, _account text, _type text, _event_time timestamptz, \
                 _received_at timestamptz, _loaded_at timestamptz, _pipeline text, n bigint)"
        )
    };
    let lines = [r#"{"n": 1}"#, r#"{"n": "two"}"#, r#"{"m": 3}"#];
    let open = async |contract: &str| {
        let name = format!("on_{contract}");
        room.psql(&table(&name));
        let options = json!({"table": name, "columns": "from_event", "schema_contract": contract});
        room.opened(options).await.0
    };
    let mut freeze = open("freeze").await;
    let error = commit(&mut *freeze, &numbered(&lines), 1).await.unwrap_err();
    assert!(!error.class().is_retryable() && error.help().is_some(), "{}", error.chain());
    let mut row = open("discard_row").await;
    let guilty = rejected(commit(&mut *row, &numbered(&lines), 1).await);
    assert_eq!(guilty.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1, 2]);
    let mut value = open("discard_value").await;
    all(&mut *value, &lines, 1).await;
    assert_eq!(room.psql("SELECT count(*) FROM on_freeze"), "0");
    assert_eq!(room.psql("SELECT count(*), count(n), sum(n) FROM on_discard_value"), "3|1|1");
}

#[tokio::test]
async fn an_upsert_keeps_the_last_row_of_each_key() {
    let Some(room) = Room::shared() else { return };
    let options = json!({
        "mode": "upsert", "key": ["id", "Part"],
        "columns": {
            "id": {"value": "event.id", "type": "number"},
            "Part": "event.part",
            "text": "event.text",
        },
    });
    let (mut sink, _) = room.opened(options.clone()).await;
    let line = |id: &str, part: &str, text: &str| format!(r#"{{"id":{id},"part":"{part}","text":"{text}"}}"#);
    let window = |lines: &[String]| -> Vec<Event> {
        lines.iter().enumerate().map(|(number, json)| event(number, json)).collect()
    };
    let first = [line("1", "a", "old"), line("2", "a", "x"), line("1.0", "a", "new"), line("1", "b", "y")];
    assert!(rejected(commit(&mut *sink, &window(&first), 1).await).is_empty());
    let all = "SELECT id, \"Part\", text FROM events ORDER BY id, \"Part\"";
    let rows = room.psql(all);
    assert!(rows.contains("|a|new\n") && rows.ends_with("2|a|x") && rows.lines().count() == 3, "{rows}");
    let second = [line("2", "a", "z"), line("3", "a", "3")];
    assert!(rejected(commit(&mut *sink, &window(&second), 2).await).is_empty());
    assert_eq!(room.psql("SELECT text FROM events WHERE id IN (2, 3) ORDER BY id"), "z\n3");
    let keyless = [event(1, r#"{"id":null,"part":"a"}"#)];
    assert_eq!(rejected(commit(&mut *sink, &keyless, 3).await).len(), 1);
    drop(sink);
    room.opened(options).await;
}

#[tokio::test]
async fn an_upsert_into_columns_of_the_events_is_told_apart_once_its_key_is_there() {
    let Some(room) = Room::shared() else { return };
    let options = json!({"mode": "upsert", "key": ["id"], "columns": "from_event"});
    let (mut sink, _) = room.opened(options).await;
    all(&mut *sink, &[r#"{"id": "a", "n": 1}"#, r#"{"id": "b", "n": 1}"#, r#"{"id": "a", "m": 2}"#], 1).await;
    all(&mut *sink, &[r#"{"id": "b", "k": 3}"#], 2).await;
    assert_eq!(room.psql("SELECT id, n, m, k FROM events ORDER BY id"), "a||2|\nb|||3");
    let guilty = rejected(commit(&mut *sink, &numbered(&[r#"{"n": 1}"#]), 3).await);
    assert_eq!(guilty.len(), 1);
    let (mut default, _) = room.opened(json!({"mode": "upsert", "table": "plain"})).await;
    for _ in 0..2 {
        commit(&mut *default, &events(0..3), 1).await.unwrap();
    }
    assert_eq!(room.psql("SELECT count(*) FROM plain"), "3");
}

#[tokio::test]
async fn a_batch_at_least_once_is_written_but_for_the_rows_that_never_can_be() {
    let Some(room) = Room::shared() else { return };
    let mut sink = room.plain(json!({"json": "jsonb"})).await;
    let mut window: Vec<Event> = events(0..10);
    window[3] = event(3, r#"{"t":"\u0000"}"#);
    let mut meta = window[5].meta().clone();
    meta.event_type = "a\0b".into();
    window[5] = Event::from_validated(bytes::Bytes::from_static(b"{}"), meta);
    let written = sink.write(&window).await.unwrap();
    let mut indices: Vec<usize> = written.rejected.iter().map(|rejected| rejected.index).collect();
    indices.sort_unstable();
    assert_eq!(indices, [3, 5]);
    assert_eq!(room.psql("SELECT count(*) FROM events"), "8");
    let ledger = "SELECT count(*) FROM pg_class WHERE relnamespace = quote_ident(current_schema())::regnamespace AND relname LIKE '\\_slui%'";
    assert_eq!(room.psql(ledger), "0");
    let types: Value = json!(room.psql("SELECT DISTINCT pg_typeof(event) FROM events"));
    assert_eq!(types, "jsonb");
    sink.close().await.unwrap();
}

#[tokio::test]
async fn a_table_that_is_removed_while_in_use_is_not_made_again_in_silence() {
    let Some(room) = Room::shared() else { return };
    let (mut sink, _) = room.opened(json!({})).await;
    commit(&mut *sink, &events(0..3), 1).await.unwrap();
    room.psql("DROP TABLE events");
    for _ in 0..2 {
        let error = commit(&mut *sink, &events(3..6), 2).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Config, "{}", error.chain());
        assert!(error.to_string().contains("was removed while it was in use"), "{}", error.chain());
    }
    room.opened(json!({})).await;
    assert_eq!(room.psql("SELECT count(*) FROM events"), "0");
}
