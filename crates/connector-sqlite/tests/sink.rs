//! The `sqlite` sink: whole windows, one owner, rows that never fit, tables that do not.

#![allow(clippy::unwrap_used, reason = "a failed set-up should panic")]

mod support;

use serde_json::json;
use sluicebox_core::{
    Committed, DeadLetter, DeadLetterError, Error, ErrorClass, Event, Reason, Timestamp, Window,
};
use sluicebox_testkit::{commit, event, position, shard};
use support::{execute, opened, problems, select, sink};

fn rejected(committed: Result<Committed, Error>) -> Vec<(usize, String)> {
    match committed.unwrap() {
        Committed::Nothing(rejected) => {
            rejected.into_iter().map(|rejected| (rejected.index, rejected.error.chain())).collect()
        }
        Committed::All => Vec::new(),
    }
}

#[tokio::test]
async fn a_window_is_rows_positions_and_dead_letters() {
    let dir = tempfile::tempdir().unwrap();
    let (mut sink, found) = opened(dir.path(), json!({})).await;
    assert_eq!((found.epoch, found.positions.len()), (1, 0));
    let raw = r#"{ "n": 1.10, "big": 18446744073709551616,"n":2, "t": "it's 日本" }"#;
    let events = [event(2, raw), event(1, "{}")];
    let letter = |time| {
        DeadLetter::new(
            "warehouse",
            &events[1],
            Reason::Rejected,
            DeadLetterError::new("no"),
            Timestamp::from_millis(time),
        )
    };
    let positions = [position(7, &["opentrain:a:\"9\n", "x"])];
    let dead_letters = [letter(0), letter(1)];
    let window = Window { events: &events, dead_letters: &dead_letters, positions: &positions };
    assert!(matches!(sink.commit(&window).await.unwrap(), Committed::All));
    assert_eq!(select(dir.path(), "SELECT event FROM events ORDER BY rowid"), [raw, "{}"]);
    let row = "SELECT concat_ws('|', _event_id, _source, _account, _type, _event_time, _received_at, _loaded_at, \
               _pipeline) FROM events LIMIT 1";
    let expected = "opentrain:a:2|feed|a|payment.created|2026-06-12T10:00:04.120Z|2026-06-12T10:00:05.000Z|\
                    2026-06-12T10:00:00.000Z|orders";
    assert_eq!(select(dir.path(), row), [expected]);
    assert_eq!(select(dir.path(), "SELECT typeof(event) FROM events"), ["text", "text"]);
    assert_eq!(select(dir.path(), "SELECT time FROM _sluicebox_dead_letters"), ["1970-01-01T00:00:00.000Z"]);
    drop(sink);
    let (_, found) = opened(dir.path(), json!({})).await;
    assert_eq!(found.positions, positions);
    assert_eq!(found.epoch, 2, "an epoch is never taken twice");
}

#[tokio::test]
async fn a_fenced_owner_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut old, _) = opened(dir.path(), json!({})).await;
    commit(&mut *old, &[event(1, "{}")], 1).await.unwrap();
    let mut new = sink(dir.path(), json!({})).await;
    assert_eq!(new.open(&shard(9)).await.unwrap().epoch, 9);
    let error = commit(&mut *old, &[event(2, "{}")], 2).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Fenced);
    commit(&mut *new, &[event(3, "{}")], 3).await.unwrap();
    let error = commit(&mut *old, &[event(2, "{}")], 2).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Fenced);
    assert_eq!(select(dir.path(), "SELECT _event_id FROM events"), ["opentrain:a:1", "opentrain:a:3"]);
    assert_eq!(select(dir.path(), "SELECT safe_seq FROM _sluicebox_positions"), ["3"]);
}

#[tokio::test]
async fn rows_that_never_fit_are_all_named_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    execute(
        dir.path(),
        "CREATE TABLE orders (id TEXT UNIQUE, amount REAL CHECK (amount < 100), note TEXT DEFAULT 'x') STRICT",
    );
    let options = json!({
        "table": "orders",
        "columns": {
            "id": "meta.id",
            "amount": {
                "value": {"$text": "event.amount", "$file": "p.yaml", "$line": 9, "$column": 4},
                "type": "real"
            },
        },
    });
    let (mut sink, _) = opened(dir.path(), options).await;
    let events = [
        event(1, r#"{"amount": 1}"#),
        event(2, r#"{"amount": 1000}"#),
        event(3, r#"{"amount": "three"}"#),
        event(1, r#"{"amount": 4}"#),
        event(5, r"{}"),
    ];
    let guilty = rejected(commit(&mut *sink, &events, 1).await);
    assert_eq!(guilty.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(guilty[0].1.contains("CHECK constraint failed"), "{}", guilty[0].1);
    assert!(
        guilty[1].1.contains("the column `amount` cannot be written: expected real, found text"),
        "{guilty:?}"
    );
    assert!(guilty[2].1.contains("UNIQUE constraint failed: orders.id"), "{}", guilty[2].1);
    assert!(select(dir.path(), "SELECT id FROM orders").is_empty());
    assert!(select(dir.path(), "SELECT safe_seq FROM _sluicebox_positions").is_empty());
    let good: Vec<Event> = [0, 4].map(|index: usize| events[index].clone()).into();
    assert!(rejected(commit(&mut *sink, &good, 1).await).is_empty());
    assert_eq!(select(dir.path(), "SELECT amount FROM orders"), ["1.0", "NULL"]);
}

#[tokio::test]
async fn an_expression_that_fails_names_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let value = json!({"$text": "event.name.to_upper()", "$file": "p.yaml", "$line": 9, "$column": 14});
    let (mut sink, _) = opened(dir.path(), json!({"columns": {"name": value, "raw": "event"}})).await;
    let events = [event(1, r#"{"name": "a"}"#), event(2, "{}")];
    let Ok(Committed::Nothing(guilty)) = commit(&mut *sink, &events, 1).await else { panic!("it commits") };
    assert_eq!(guilty.iter().map(|guilty| guilty.index).collect::<Vec<_>>(), [1]);
    assert!(guilty[0].error.to_string().starts_with("the column `name` failed: "), "{guilty:?}");
    assert_eq!(guilty[0].error.place(), Some(("p.yaml", 9, 25)));
    commit(&mut *sink, &events[..1], 1).await.unwrap();
    assert_eq!(select(dir.path(), "SELECT raw FROM events"), [r#"{"name":"a"}"#]);
}

#[tokio::test]
async fn names_are_quoted_and_columns_typed() {
    let dir = tempfile::tempdir().unwrap();
    let table = r#"a "b"; DROP TABLE x --"#;
    let options = json!({
        "table": table,
        "columns": {
            "select": "event.n",
            "x\"y": {"value": "event.n", "type": "text"},
            "blob": {"value": "event.s", "type": "blob"},
            "json": {"value": "event.l", "type": "json"},
            "none": "event.missing.at.any.depth",
        },
    });
    let (mut sink, _) = opened(dir.path(), options.clone()).await;
    let events = [event(1, r#"{"n": 5, "s": "hi", "l": [1, {"a": null}]}"#)];
    assert!(rejected(commit(&mut *sink, &events, 1).await).is_empty());
    let quoted = table.replace('"', "\"\"");
    let sql = |column: &str| format!("SELECT {column} FROM \"{quoted}\"");
    assert_eq!(select(dir.path(), &sql("typeof(\"select\")")), ["integer"]);
    assert_eq!(select(dir.path(), &sql("\"x\"\"y\"")), ["5"]);
    assert_eq!(select(dir.path(), &sql("typeof(\"x\"\"y\")")), ["text"]);
    assert_eq!(select(dir.path(), &sql("blob")), ["[104, 105]"]);
    assert_eq!(select(dir.path(), &sql("json")), [r#"[1,{"a":null}]"#]);
    assert_eq!(select(dir.path(), &sql("none")), ["NULL"]);
    opened(dir.path(), options).await;
}

#[tokio::test]
async fn a_table_that_does_not_fit_is_explained() {
    for (sql, expected) in [
        ("CREATE TABLE events (a TEXT, b TEXT)", "it has no column `n`"),
        ("CREATE TABLE events (n TEXT)", "its column `n` is TEXT, expected REAL"),
        ("CREATE TABLE events (N REAL, must INTEGER NOT NULL)", "its column `must` needs a value"),
        ("CREATE VIEW Events AS SELECT 1 AS n", "it is a view"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        execute(dir.path(), sql);
        let columns = json!({"columns": {"n": {"value": "event.n", "type": "real"}}});
        let error = sink(dir.path(), columns).await.open(&shard(1)).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Config);
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.help().unwrap().contains("n REAL"));
    }
    let dir = tempfile::tempdir().unwrap();
    execute(
        dir.path(),
        "CREATE TABLE events (id INTEGER PRIMARY KEY, N DOUBLE, seen TEXT NOT NULL DEFAULT 'now', extra)",
    );
    opened(dir.path(), json!({"columns": {"n": {"value": "event.n", "type": "real"}}})).await;
}

#[tokio::test]
async fn sinks_on_one_file_take_turns() {
    let dir = tempfile::tempdir().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for name in ["a", "b", "c", "d"] {
        let mut sink = sink(dir.path(), json!({"table": name})).await;
        tasks.spawn(async move {
            let own = sluicebox_core::Shard { sink: name.into(), ..shard(1) };
            sink.open(&own).await.unwrap();
            for number in 0..25_u32 {
                commit(&mut *sink, &[event(number as usize, "{}")], number.into()).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    for name in ["a", "b", "c", "d"] {
        assert_eq!(select(dir.path(), &format!("SELECT count(*) FROM {name}")), ["25"]);
    }
}

#[tokio::test]
async fn a_commit_whose_caller_went_away_is_not_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let (mut sink, _) = opened(dir.path(), json!({})).await;
    let events: Vec<Event> = (0..2000).map(|number| event(number, r#"{"a":1}"#)).collect();
    if poll_once(Box::pin(commit(&mut *sink, &events, 1))).await {
        // Other sinks went on meanwhile: the same window comes with a position that has moved.
        commit(&mut *sink, &events, 2).await.unwrap();
    }
    assert_eq!(select(dir.path(), "SELECT count(*) FROM events"), ["2000"]);
    assert_eq!(select(dir.path(), "SELECT safe_seq || '' FROM _sluicebox_positions"), ["2"]);
    commit(&mut *sink, &events[..1], 3).await.unwrap();
    assert_eq!(select(dir.path(), "SELECT count(*) FROM events"), ["2001"]);
}

/// Polls a future once and drops it; `true` if it had not ended.
async fn poll_once<T>(mut future: std::pin::Pin<Box<dyn Future<Output = T> + '_>>) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

#[tokio::test]
async fn a_database_that_is_taken_away_or_is_none_stops_the_sink() {
    let dir = tempfile::tempdir().unwrap();
    let (mut sink, _) = opened(dir.path(), json!({})).await;
    std::fs::rename(support::database(dir.path()), dir.path().join("moved")).unwrap();
    let error = commit(&mut *sink, &[event(1, "{}")], 1).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::State);
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(support::database(dir.path()).parent().unwrap()).unwrap();
    std::fs::write(support::database(dir.path()), vec![b'x'; 5000]).unwrap();
    let error = support::sink(dir.path(), json!({})).await.open(&shard(1)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::State);
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(support::database(dir.path())).unwrap();
    let error = support::sink(dir.path(), json!({})).await.open(&shard(1)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Config);
}

#[test]
fn faults_of_the_configuration_are_found_without_running() {
    for (options, expected) in [
        (json!({"path": ":memory:"}), "path: expected the path of a file"),
        (json!({"path": "a", "table": "sqlite_x"}), "table: SQLite keeps names"),
        (json!({"path": "a", "table": "_Sluicebox_x"}), "table: names that begin"),
        (json!({"path": "a", "columns": {}}), "columns: expected at least one column"),
        (json!({"path": "a", "columns": {"a": "event.", "b": "1"}}), "columns.a: "),
        (json!({"path": "a", "columns": {"a": {"value": "event."}}}), "columns.a.value: "),
        (json!({"path": "a", "columns": {"a": "1", "A": "1"}}), "columns.a: SQLite tells no upper"),
    ] {
        let found = problems(options);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(expected), "{found:?}");
    }
    assert!(problems(json!({"path": "a/b.db"})).is_empty());
}
