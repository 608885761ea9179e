//! The `postgres` sink: whole windows, one owner, rows that never fit, tables that do not.

#![allow(clippy::unwrap_used, reason = "a failed set-up should panic")]

mod support;

use serde_json::json;
use sluicebox_core::{
    Committed, DeadLetter, DeadLetterError, ErrorClass, Event, Position, Reason, Timestamp, Window,
};
use sluicebox_testkit::{commit, event, position, shard};
use support::{Room, events, rejected};

#[tokio::test]
async fn a_window_is_rows_positions_and_dead_letters() {
    let Some(room) = Room::shared() else { return };
    let (mut sink, found) = room.opened(json!({})).await;
    assert_eq!((found.epoch, found.positions.len()), (1, 0));
    let raw = r#"{ "n": 1.10, "big": 18446744073709551616,"n":2, "t": "it's 日本 \u0000" }"#;
    let events = [event(2, raw), event(1, "{}")];
    let letter = |time| {
        let error = DeadLetterError::new("no");
        DeadLetter::new("warehouse", &events[1], Reason::Rejected, error, Timestamp::from_millis(time))
    };
    let positions = [position(7, &["opentrain:a:\"9\n\0", "x"])];
    let dead_letters = [letter(0), letter(1)];
    let window = Window { events: &events, dead_letters: &dead_letters, positions: &positions };
    assert!(matches!(sink.commit(&window).await.unwrap(), Committed::All));
    // A window may hold dead letters alone.
    let window = Window { events: &[], dead_letters: &dead_letters, positions: &positions };
    assert!(matches!(sink.commit(&window).await.unwrap(), Committed::All));
    assert_eq!(room.psql("SELECT event FROM events ORDER BY _event_id DESC"), format!("{raw}\n{{}}"));
    let row = "SELECT * FROM events WHERE _event_id LIKE '%1'";
    let expected = "opentrain:a:1|feed|a|payment.created|2026-06-12 10:00:04.12+00|2026-06-12 10:00:05+00|\
                    2026-06-12 10:00:00+00|orders|{}";
    assert_eq!(room.psql(row), expected);
    let letters = "SELECT time, pipeline, component, account, reason, error->'attempts', attempts, event_id, \
                   meta->>'type', convert_from(event, 'UTF8') FROM _sluicebox_dead_letters";
    let expected = "1970-01-01 00:00:00+00|orders|warehouse|a|rejected||1|opentrain:a:1|payment.created|{}";
    assert_eq!(room.psql(letters), expected);
    drop(sink);
    let (_, found) = room.opened(json!({})).await;
    assert_eq!(found.positions, positions);
    assert_eq!(found.epoch, 2, "an epoch is never taken twice");
}

#[tokio::test]
async fn many_partitions_are_moved_by_one_window() {
    let Some(room) = Room::shared() else { return };
    let (mut sink, _) = room.opened(json!({})).await;
    let mut positions: Vec<Position> = (0..200)
        .map(|number| Position { partition: format!("account {number}").into(), ..position(number, &["x"]) })
        .collect();
    positions[7].safe_cursor = None;
    for seq in [1, 2] {
        for position in &mut positions {
            position.safe_seq += seq;
        }
        let window = Window { events: &events(0..200), dead_letters: &[], positions: &positions };
        assert!(matches!(sink.commit(&window).await.unwrap(), Committed::All));
    }
    let (_, mut found) = room.opened(json!({})).await;
    found.positions.sort_by_key(|position| position.safe_seq);
    assert_eq!(found.positions, positions);
    assert_eq!(room.psql("SELECT count(*), count(DISTINCT _event_id) FROM events"), "400|200");
}

#[tokio::test]
async fn a_fenced_owner_writes_nothing() {
    let Some(room) = Room::shared() else { return };
    let (mut old, _) = room.opened(json!({})).await;
    commit(&mut *old, &events(1..2), 1).await.unwrap();
    let mut new = room.sink(json!({})).await;
    assert_eq!(new.open(&shard(9)).await.unwrap().epoch, 9);
    for _ in 0..2 {
        let error = commit(&mut *old, &events(2..3), 2).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Fenced, "{}", error.chain());
    }
    commit(&mut *new, &events(3..4), 3).await.unwrap();
    assert_eq!(room.psql("SELECT _event_id FROM events ORDER BY 1"), "opentrain:a:1\nopentrain:a:3");
    assert_eq!(room.psql("SELECT safe_seq FROM _sluicebox_positions"), "3");
}

#[tokio::test]
async fn sinks_that_start_together_make_the_tables_once() {
    let Some(room) = Room::shared() else { return };
    let mut sinks = Vec::new();
    for _ in 0..8 {
        sinks.push(room.sink(json!({})).await);
    }
    let opening = sinks.iter_mut().enumerate().map(|(number, sink)| async move {
        let own = sluicebox_core::Shard { pipeline: format!("p{number}").into(), ..shard(1) };
        sink.open(&own).await.unwrap().epoch
    });
    assert_eq!(futures::future::join_all(opening).await, [1; 8]);
    let writing =
        sinks.iter_mut().map(|sink| async move { commit(&mut **sink, &events(0..5), 1).await.unwrap() });
    futures::future::join_all(writing).await;
    assert_eq!(room.psql("SELECT count(*) FROM events"), "40");
}

#[tokio::test]
async fn rows_that_never_fit_are_all_named_and_nothing_is_written() {
    let Some(room) = Room::shared() else { return };
    room.psql(
        "CREATE TABLE orders (id text UNIQUE DEFERRABLE INITIALLY DEFERRED, amount real CHECK (amount < 100), \
         note varchar(3) DEFAULT 'x', who uuid)",
    );
    let options = json!({
        "table": "orders",
        "columns": {
            "id": "meta.id",
            "amount": {"value": {"$text": "event.amount", "$file": "p.yaml", "$line": 9, "$column": 4}, "type": "real"},
            "note": "event.note",
            "who": {"value": "event.who", "type": "text"},
        },
    });
    let (mut sink, _) = room.opened(options).await;
    let windows = [
        event(1, r#"{"amount": 1, "who": "8c6ffa45-2d5e-4b60-9a4d-0f9d5f6a7c11"}"#),
        event(2, r#"{"amount": "three"}"#),
        event(3, r#"{"amount": 1000}"#),
        event(1, r#"{"amount": 4}"#),
        event(5, r#"{"note": "long"}"#),
        event(6, r#"{"who": "nobody"}"#),
        event(7, r#"{"note": "a\u0000b"}"#),
        event(8, "{}"),
    ];
    let guilty = rejected(commit(&mut *sink, &windows, 1).await);
    assert_eq!(guilty.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1]);
    assert!(guilty[0].1.contains("`amount` cannot be written: expected real, found text"), "{guilty:?}");
    let rest: Vec<Event> = [0, 2, 3, 4, 5, 6, 7].map(|index: usize| windows[index].clone()).into();
    let guilty = rejected(commit(&mut *sink, &rest, 1).await);
    assert_eq!(guilty.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [5]);
    assert!(guilty[0].1.contains("the column `note` cannot be written: text in PostgreSQL"), "{guilty:?}");
    let rest: Vec<Event> = [0, 2, 3, 4, 5, 7].map(|index: usize| windows[index].clone()).into();
    let guilty = rejected(commit(&mut *sink, &rest, 1).await);
    assert_eq!(guilty.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1, 2, 3, 4]);
    for (place, text) in [(0, "check constraint"), (1, "unique"), (2, "too long"), (3, "uuid")] {
        let message = &guilty[place].1;
        assert_eq!(message.matches(text).count(), 1, "said, and said once: {message}");
        assert!(!message.contains("Failing row"), "values of a row are no part of a message: {message}");
    }
    assert_eq!(room.psql("SELECT count(*) FROM orders"), "0");
    assert_eq!(room.psql("SELECT count(*) FROM _sluicebox_positions"), "0");
    let good: Vec<Event> = [0, 7].map(|index: usize| windows[index].clone()).into();
    assert!(rejected(commit(&mut *sink, &good, 1).await).is_empty());
    assert_eq!(room.psql("SELECT amount, who IS NULL FROM orders ORDER BY id"), "1|f\n|t");
}

#[tokio::test]
async fn one_bad_row_among_a_thousand_is_found_and_the_others_go_on() {
    let Some(room) = Room::shared() else { return };
    let (mut sink, _) = room.opened(json!({"json": "jsonb"})).await;
    let mut window = events(0..1000);
    for bad in [0, 617, 618, 999] {
        window[bad] = event(bad, r#"{"text":"a\u0000b"}"#);
    }
    room.psql("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this'; END $$; \
               CREATE TRIGGER no BEFORE INSERT ON events FOR EACH ROW WHEN (NEW._event_id IN ('opentrain:a:3', 'opentrain:a:700')) \
               EXECUTE FUNCTION no()");
    let guilty = rejected(commit(&mut *sink, &window, 1).await);
    assert_eq!(guilty.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 3, 617, 618, 700, 999]);
    assert!(guilty[0].1.contains("unsupported Unicode escape sequence"), "{}", guilty[0].1);
    assert!(guilty[1].1.contains("not this"), "{}", guilty[1].1);
    for (index, _) in guilty.iter().rev() {
        window.remove(*index);
    }
    assert!(rejected(commit(&mut *sink, &window, 1).await).is_empty());
    assert_eq!(room.psql("SELECT count(*) FROM events"), "994");
}
