//! Tables of the `sqlite` sink that grow with the events, rows that replace others, and what a probe finds.

#![allow(clippy::unwrap_used, reason = "a failed set-up should panic")]

mod support;

use serde_json::json;
use sluicebox_core::{Committed, DeadLetter, ErrorClass, Event, Probe, Reason, SinkSpec, Standing};
use sluicebox_testkit::{commit, event, shard};
use support::{context, database, execute, opened, problems, select, spec};

fn events(texts: &[&str]) -> Vec<Event> {
    texts.iter().enumerate().map(|(number, text)| event(number, text)).collect()
}

const COLUMNS: &str = "SELECT name || ' ' || type FROM pragma_table_info('events') WHERE cid > 7";

#[tokio::test]
async fn a_table_grows_with_the_events_and_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let options = json!({"columns": "from_event"});
    let (mut sink, _) = opened(dir.path(), options.clone()).await;
    assert!(select(dir.path(), COLUMNS).is_empty());
    let first = events(&[
        r#"{"n": 1, "s": "it's", "b": true, "l": [1, 1.10], "gone": null, "big": 18446744073709551616}"#,
        r#"{"n": 2.50, "x\"y": 1, "_type": "own"}"#,
    ]);
    commit(&mut *sink, &first, 1).await.unwrap();
    let grown = ["n NUMERIC", "s TEXT", "b BOOLEAN", "l JSON TEXT", "big TEXT", "x\"y INTEGER"];
    let found = select(dir.path(), COLUMNS);
    assert_eq!(found[..6], grown);
    assert!(found[6].starts_with("_type_"), "{found:?}");
    drop(sink);
    let (mut sink, _) = opened(dir.path(), options.clone()).await;
    let more = events(&[
        r#"{"n": "three", "s": 4, "x\"y": 0.5, "l": "[", "big": "1"}"#,
        r#"{"n": [4], "s": {"a": 1}, "x\"y": 7, "b": 1, "N": 1}"#,
    ]);
    commit(&mut *sink, &more, 2).await.unwrap();
    for (column, expected) in [
        ("n", ["1", "2.5", "NULL", "NULL"]),
        ("n__text", ["NULL", "NULL", "three", "NULL"]),
        ("n__json", ["NULL", "NULL", "NULL", "[4]"]),
        ("s", ["it's", "NULL", "NULL", "NULL"]),
        ("s__number", ["NULL", "NULL", "4", "NULL"]),
        ("\"x\"\"y\"", ["NULL", "1", "0.5", "7"]),
        ("b", ["1", "NULL", "NULL", "NULL"]),
        ("b__number", ["NULL", "NULL", "NULL", "1"]),
        ("l", ["[1, 1.10]", "NULL", "\"[\"", "NULL"]),
        ("big", ["18446744073709551616", "NULL", "1", "NULL"]),
        ("_type", ["payment.created"; 4]),
    ] {
        assert_eq!(
            select(dir.path(), &format!("SELECT {column} FROM events ORDER BY rowid")),
            expected,
            "{column}"
        );
    }
    drop(sink);
    // The widened column stays one after another restart, whatever it is declared as.
    let frozen = json!({"columns": "from_event", "schema_contract": "freeze"});
    let (mut sink, _) = opened(dir.path(), frozen).await;
    commit(&mut *sink, &events(&[r#"{"x\"y": 0.25, "n": "text"}"#]), 3).await.unwrap();
    assert_eq!(select(dir.path(), "SELECT \"x\"\"y\" FROM events").last().unwrap(), "0.25");
}

#[tokio::test]
async fn a_window_that_fails_leaves_the_table_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let options = json!({"columns": "from_event"});
    let (mut sink, _) = opened(dir.path(), options.clone()).await;
    commit(&mut *sink, &events(&[r#"{"a": 1}"#]), 1).await.unwrap();
    execute(dir.path(), "CREATE UNIQUE INDEX one ON events (a)");
    let guilty = events(&[r#"{"a": 2, "new": 1}"#, r#"{"a": 1, "newer": 1}"#]);
    let Committed::Nothing(rejected) = commit(&mut *sink, &guilty, 2).await.unwrap() else {
        panic!("committed")
    };
    assert_eq!(rejected.iter().map(|rejected| rejected.index).collect::<Vec<_>>(), [1]);
    assert_eq!(select(dir.path(), COLUMNS), ["a INTEGER"]);
    commit(&mut *sink, &guilty[..1], 2).await.unwrap();
    assert_eq!(select(dir.path(), COLUMNS), ["a INTEGER", "new INTEGER"]);
}

#[tokio::test]
async fn a_table_of_someone_else_keeps_its_defaults_whatever_stands_beside_a_row() {
    let dir = tempfile::tempdir().unwrap();
    let meta = "_event_id, _source, _account, _type, _event_time, _received_at, _loaded_at, _pipeline";
    let sql =
        "CREATE TABLE events (id INTEGER PRIMARY KEY, state TEXT NOT NULL DEFAULT 'new', payload JSON, ";
    execute(dir.path(), &format!("{sql}{meta})"));
    let (mut sink, _) =
        opened(dir.path(), json!({"columns": "from_event", "schema_contract": "freeze"})).await;
    let rows = events(&[r#"{"state": "old", "payload": {"a": 1.10}}"#, r#"{"id": 7}"#, r#"{"state": null}"#]);
    commit(&mut *sink, &rows, 1).await.unwrap();
    let found = select(dir.path(), "SELECT concat_ws('|', id, state, payload) FROM events");
    assert_eq!(found, [r#"1|old|{"a": 1.10}"#, "7|new", "8|new"]);
}

#[tokio::test]
async fn two_sinks_let_one_table_grow() {
    let dir = tempfile::tempdir().unwrap();
    let options = json!({"columns": "from_event"});
    let mut tasks = tokio::task::JoinSet::new();
    for name in ["one", "two"] {
        let mut sink = support::sink(dir.path(), options.clone()).await;
        tasks.spawn(async move {
            let own = sluicebox_core::Shard { sink: name.into(), ..shard(1) };
            sink.open(&own).await.unwrap();
            for number in 0..20_usize {
                let text = format!(r#"{{"f{}": "{name}"}}"#, number / 2);
                commit(&mut *sink, &[event(number, &text)], number as u64).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(select(dir.path(), COLUMNS).len(), 10);
    assert_eq!(select(dir.path(), "SELECT count(*) FROM events WHERE f9 IS NOT NULL"), ["4"]);
}

#[tokio::test]
async fn contracts_freeze_discard_rows_or_discard_values() {
    let window = events(&[r#"{"a": 1}"#, r#"{"a": "x", "b": 1}"#]);
    for contract in ["freeze", "discard_row", "discard_value"] {
        let dir = tempfile::tempdir().unwrap();
        let (mut sink, _) = opened(dir.path(), json!({"columns": "from_event"})).await;
        commit(&mut *sink, &window[..1], 1).await.unwrap();
        drop(sink);
        let options = json!({"columns": "from_event", "schema_contract": contract});
        let (mut sink, _) = opened(dir.path(), options).await;
        let outcome = commit(&mut *sink, &window, 2).await;
        match (contract, outcome) {
            ("freeze", Err(error)) => {
                assert_eq!(error.class(), ErrorClass::Config);
                assert!(error.to_string().contains("opentrain:a:1"), "{error}");
            }
            ("discard_row", Ok(Committed::Nothing(rejected))) => {
                assert_eq!(rejected.len(), 1);
                assert_eq!(rejected[0].index, 1);
                assert_eq!(DeadLetter::reason_of(&rejected[0].error), Reason::Validation);
            }
            ("discard_value", Ok(Committed::All)) => {
                assert_eq!(select(dir.path(), "SELECT a FROM events"), ["1", "1", "NULL"]);
            }
            (_, outcome) => panic!("{contract}: {outcome:?}"),
        }
        assert_eq!(select(dir.path(), COLUMNS), ["a INTEGER"]);
    }
}

#[tokio::test]
async fn the_last_row_of_a_key_replaces_the_whole_row() {
    let dir = tempfile::tempdir().unwrap();
    let options = json!({"columns": "from_event", "mode": "upsert", "key": ["id"]});
    let (mut sink, _) = opened(dir.path(), options.clone()).await;
    let first = events(&[r#"{"id": 1, "a": 1, "b": 1}"#, r#"{"id": 2, "a": 2}"#, r#"{"id": 1, "a": 3}"#]);
    commit(&mut *sink, &first, 1).await.unwrap();
    assert_eq!(
        select(dir.path(), "SELECT concat_ws('|', id, a, b, _event_id) FROM events"),
        ["1|3|opentrain:a:2", "2|2|opentrain:a:1"]
    );
    drop(sink);
    let (mut sink, _) = opened(dir.path(), options).await;
    commit(&mut *sink, &events(&[r#"{"id": 2}"#]), 2).await.unwrap();
    assert_eq!(select(dir.path(), "SELECT concat_ws('|', id, a, b) FROM events"), ["1|3", "2"]);
    let Committed::Nothing(rejected) = commit(&mut *sink, &events(&["{}"]), 3).await.unwrap() else {
        panic!("a row without its key")
    };
    assert!(rejected[0].error.to_string().contains("nothing for `id`"));
}

#[tokio::test]
async fn the_default_table_and_one_of_expressions_can_be_upserted_too() {
    let dir = tempfile::tempdir().unwrap();
    let (mut sink, _) = opened(dir.path(), json!({"mode": "upsert"})).await;
    commit(&mut *sink, &[event(1, r#"{"a": 1}"#), event(1, r#"{"a": 2}"#)], 1).await.unwrap();
    assert_eq!(select(dir.path(), "SELECT event FROM events"), [r#"{"a": 2}"#]);
    let columns = json!({"id": "event.id", "at": {"value": "event.at", "type": "timestamp"}});
    let options = json!({"table": "other", "columns": columns, "mode": "upsert", "key": ["id"]});
    let (mut sink, _) = opened(dir.path(), options).await;
    let rows = events(&[
        r#"{"id": 1, "at": "2026-06-12T10:00:00+02:00"}"#,
        r#"{"id": 1, "at": "2026-06-12T10:00:00.000001Z"}"#,
    ]);
    commit(&mut *sink, &rows, 1).await.unwrap();
    assert_eq!(select(dir.path(), "SELECT at FROM other"), ["2026-06-12T10:00:00.000001Z"]);
}

#[tokio::test]
async fn a_table_that_cannot_be_upserted_or_grow_is_explained() {
    let meta = "_event_id, _source, _account, _type, _event_time, _received_at, _loaded_at, _pipeline";
    for (sql, options, expected) in [
        (
            format!("CREATE TABLE events ({meta}, event)"),
            json!({"mode": "upsert"}),
            "its rows are not told apart by",
        ),
        (
            format!("CREATE TABLE events ({}, a TEXT) STRICT", meta.replace(',', " TEXT,") + " TEXT"),
            json!({"columns": "from_event"}),
            "it is STRICT",
        ),
        (
            "CREATE TABLE events (a)".to_owned(),
            json!({"columns": "from_event"}),
            "it has no column `_event_id`",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        execute(dir.path(), &sql);
        let error = support::sink(dir.path(), options).await.open(&shard(1)).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Config);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn options_that_do_not_go_together_are_found() {
    for (options, expected) in [
        (json!({"path": "a", "schema_contract": "freeze"}), "schema_contract: a contract is about columns"),
        (json!({"path": "a", "key": ["id"]}), "key: rows are only appended"),
        (json!({"path": "a", "mode": "upsert", "key": []}), "key: expected at least one column"),
        (json!({"path": "a", "mode": "upsert", "key": ["id"]}), "key[0]: there is no column `id`"),
        (
            json!({"path": "a", "mode": "upsert", "columns": {"id": "1"}}),
            "mode: there is no column `_event_id`",
        ),
        (
            json!({"path": "a", "mode": "upsert", "columns": {"id": "1"}, "key": ["id", "ID"]}),
            "key[1]: this column is there twice",
        ),
    ] {
        let found = problems(options);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(expected), "{found:?}");
    }
    let fine = json!({"path": "a", "mode": "upsert", "columns": "from_event", "key": ["id"], "schema_contract": "freeze"});
    assert!(problems(fine).is_empty());
}

async fn probe(path: &std::path::Path, mut options: serde_json::Value) -> Probe {
    options["path"] = path.to_str().unwrap().into();
    spec(options).probe(&context()).await
}

#[tokio::test]
async fn a_probe_looks_at_the_file_and_the_table_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = database(dir.path());
    assert!(probe(&path, json!({})).await.is_fine());
    assert!(!path.parent().unwrap().exists());
    execute(dir.path(), "CREATE TABLE other (a)");
    assert!(probe(&path, json!({})).await.is_fine());
    assert_eq!(select(dir.path(), "SELECT name FROM sqlite_master"), ["other"]);
    let found = probe(&path, json!({"table": "other"})).await;
    let Standing::Wrong(error) = &found.findings()[1].standing else { panic!("{found:?}") };
    assert!(error.to_string().contains("it has no column `_event_id`"), "{error}");
    std::fs::write(&path, vec![b'x'; 5000]).unwrap();
    assert!(!probe(&path, json!({})).await.is_fine());
    assert!(!probe(&path.join("below/a/file"), json!({})).await.is_fine());
}

/// Values as an event writes them, with the type and the text that SQLite has to give back.
const VALUES: [(&str, &str, &str); 18] = [
    ("0", "integer", "0"),
    ("-9223372036854775808", "integer", "-9223372036854775808"),
    ("9223372036854775808", "text", "9223372036854775808"),
    ("9007199254740993.0", "text", "9007199254740993.0"),
    ("0.1", "real", "0.1"),
    ("1.50e2", "integer", "150"),
    ("1e300", "real", "1e300"),
    ("1e400", "text", "1e400"),
    ("0.1234567890123456789", "text", "0.1234567890123456789"),
    (r#""""#, "text", ""),
    (r#""12""#, "text", "12"),
    (r#"" 1e5 ""#, "text", " 1e5 "),
    (r#""a\u0000b""#, "text", "a\0b"),
    (r#""\ud83d\ude00""#, "text", "\u{1f600}"),
    ("true", "integer", "1"),
    ("[1.10, 18446744073709551616]", "text", "[1.10, 18446744073709551616]"),
    (r#"{"a": "b"}"#, "text", r#"{"a": "b"}"#),
    ("{}", "text", "{}"),
];

#[tokio::test]
async fn whatever_came_first_a_value_is_read_back_from_one_column() {
    for first in ["1", "1.5", r#""x""#, "false", "[]", "9223372036854775808"] {
        let dir = tempfile::tempdir().unwrap();
        let (mut sink, _) = opened(dir.path(), json!({"columns": "from_event"})).await;
        let mut texts = vec![format!(r#"{{"v": {first}}}"#)];
        texts.extend(VALUES.iter().map(|(value, _, _)| format!(r#"{{"v": {value}}}"#)));
        for (number, text) in texts.iter().enumerate() {
            commit(&mut *sink, &[event(number, text)], number as u64).await.unwrap();
        }
        let columns = select(dir.path(), "SELECT name FROM pragma_table_info('events') WHERE name LIKE 'v%'");
        let list = columns.join(", ");
        let read = |what: &str| {
            select(dir.path(), &format!("SELECT {what} FROM events WHERE rowid > 1 ORDER BY rowid"))
        };
        let found = read(&format!("coalesce({list}, NULL)"));
        let types = read(&format!("typeof(coalesce({list}, NULL))"));
        let filled: Vec<String> = columns.iter().map(|name| format!("({name} IS NOT NULL)")).collect();
        assert!(read(&filled.join(" + ")).iter().all(|count| count == "1"), "{first}");
        for ((value, kind, text), (found, found_type)) in VALUES.iter().zip(found.iter().zip(&types)) {
            // A column that was made for lists and maps holds everything as it is written.
            let is_json = first == "[]" && (found_type.as_str(), found.as_str()) == ("text", *value);
            assert!(
                is_json || (found_type.as_str(), found.as_str()) == (*kind, *text),
                "{first} {value}: {found}"
            );
        }
    }
}

#[tokio::test]
async fn a_new_table_knows_nothing_of_an_earlier_one_of_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let options = json!({"columns": "from_event"});
    let (mut sink, _) = opened(dir.path(), options.clone()).await;
    for (number, text) in [r#"{"n": 1}"#, r#"{"n": 1.5}"#].into_iter().enumerate() {
        commit(&mut *sink, &[event(number, text)], number as u64).await.unwrap();
    }
    assert_eq!(select(dir.path(), "SELECT column_name FROM _sluicebox_widened"), ["n"]);
    drop(sink);
    execute(dir.path(), "DROP TABLE events");
    let (mut sink, _) = opened(dir.path(), options).await;
    commit(&mut *sink, &[event(1, r#"{"n": 1}"#)], 1).await.unwrap();
    let (mut sink, _) =
        opened(dir.path(), json!({"columns": "from_event", "schema_contract": "freeze"})).await;
    let error = commit(&mut *sink, &[event(2, r#"{"n": 1.5}"#)], 2).await.unwrap_err();
    assert!(error.to_string().contains("holds integer"), "{error}");
}
