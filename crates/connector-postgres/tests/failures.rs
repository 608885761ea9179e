//! The `postgres` sink when something breaks: connections, servers, owners, callers. Rows are counted twice over, by an
//! append-only table and by a sum that a trigger keeps, so that a window that is lost or written twice is seen.

#![allow(clippy::unwrap_used, reason = "a failed set-up should panic")]

mod support;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde_json::json;
use sluicebox_core::{Committed, Error, ErrorClass, Event, TransactionalSink, Window};
use sluicebox_services::Postgres;
use sluicebox_testkit::{Direction, FaultProxy, framing};
use sluicebox_testkit::{commit, event, position, shard};
use support::{Room, events, transactional};

const SUM: &str = "CREATE TABLE total (n bigint); INSERT INTO total VALUES (0); \
    CREATE FUNCTION add() RETURNS trigger LANGUAGE plpgsql AS \
      $$ BEGIN EXECUTE format('UPDATE %I.total SET n = n + $1', TG_TABLE_SCHEMA) USING (NEW.event->>'n')::bigint; \
         RETURN NEW; END $$; \
    CREATE TRIGGER add AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION add()";

/// Rows, distinct ids and the sum.
fn counted(room: &Room) -> String {
    room.psql("SELECT count(*), count(DISTINCT _event_id), (SELECT n FROM total) FROM events")
}

fn expected(count: usize) -> String {
    format!("{count}|{count}|{}", count * (count - 1) / 2)
}

/// Commits like the engine: the same window again after an error that passes.
async fn insist(sink: &mut dyn TransactionalSink, events: &[Event], safe_seq: u64) -> Result<usize, Error> {
    for failures in 0.. {
        match commit(sink, events, safe_seq).await {
            Ok(Committed::All) => return Ok(failures),
            Ok(Committed::Nothing(rejected)) => unreachable!("rejected: {rejected:?}"),
            Err(error) if error.class().is_retryable() => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => return Err(error),
        }
    }
    unreachable!("it counts without end")
}

#[tokio::test]
async fn a_connection_cut_between_any_two_messages_loses_and_repeats_nothing() {
    let Some(room) = Room::shared() else { return };
    let proxy = FaultProxy::framed(room.server.address(), framing::postgres);
    let mut sink = transactional(room.options_at(&room.server.url_at(proxy.address()), json!({}))).await;
    sink.open(&shard(1)).await.unwrap();
    room.psql(SUM);
    let (mut next, mut cuts) = (0, 0);
    for direction in [Direction::Requests, Direction::Replies] {
        for message in 0.. {
            let before = proxy.messages(direction);
            proxy.cut_at_message(direction, message);
            let failures = insist(&mut *sink, &events(next..next + 3), (next + 3) as u64).await.unwrap();
            next += 3;
            cuts += failures;
            assert_eq!(counted(&room), expected(next), "cut after {message} {direction:?}");
            if failures == 0 && proxy.messages(direction) - before <= message {
                proxy.heal();
                break;
            }
        }
    }
    assert!(cuts > 20, "{cuts} cuts");
}

#[tokio::test]
async fn a_commit_whose_caller_goes_away_is_found_again() {
    let Some(room) = Room::shared() else { return };
    let (mut sink, _) = room.opened(json!({})).await;
    room.psql(SUM);
    let mut lost = 0;
    for polls in 0..40 {
        let first = polls * 3;
        let window = events(first..first + 3);
        if !is_done_within(polls, commit(&mut *sink, &window, polls as u64 + 1)).await {
            insist(&mut *sink, &window, polls as u64 + 1).await.unwrap();
            lost += 1;
        }
        assert_eq!(counted(&room), expected(first + 3), "after {polls} polls");
    }
    assert!(lost >= 2, "{lost} commits were abandoned");
}

/// Polls so many times at most, then drops.
async fn is_done_within(polls: usize, commit: impl Future) -> bool {
    let mut commit = pin!(commit);
    for _ in 0..polls {
        if commit.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return true;
        }
        // Answers come in small pieces while nobody waits for them.
        std::thread::sleep(Duration::from_micros(200));
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test]
async fn a_window_that_was_committed_unnoticed_is_not_repeated_when_its_positions_have_moved_on() {
    let Some(room) = Room::shared() else { return };
    let proxy = FaultProxy::framed(room.server.address(), framing::postgres);
    let mut sink = transactional(room.options_at(&room.server.url_at(proxy.address()), json!({}))).await;
    sink.open(&shard(1)).await.unwrap();
    room.psql(SUM);
    // The server gets everything, and its answers are lost.
    commit(&mut *sink, &events(0..3), 1).await.unwrap();
    let window = events(3..6);
    let mut unanswered = Box::pin(commit(&mut *sink, &window, 2));
    let replies = proxy.messages(Direction::Replies);
    assert!(poll_once(&mut unanswered).await.is_pending());
    // BEGIN, the lock and the begin of the copy are answered; nothing moves as long as nobody polls.
    sluicebox_testkit::wait_for("answers", || {
        (proxy.messages(Direction::Replies) >= replies + 8).then_some(())
    });
    proxy.freeze_only(Direction::Replies);
    while room.psql("SELECT count(*) FROM events") == "3" {
        assert!(poll_once(&mut unanswered).await.is_pending());
    }
    proxy.thaw();
    proxy.cut();
    drop(unanswered);
    let positions = [position(3, &["opentrain:a:9"])];
    let window = Window { events: &events(3..6), dead_letters: &[], positions: &positions };
    assert!(matches!(sink.commit(&window).await.unwrap(), Committed::All));
    assert_eq!(counted(&room), expected(6));
    let (_, found) = room.opened(json!({})).await;
    assert_eq!(found.positions, positions);
}

async fn poll_once<F: Future>(future: &mut std::pin::Pin<Box<F>>) -> Poll<F::Output> {
    tokio::time::sleep(Duration::from_millis(1)).await;
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

#[tokio::test]
async fn a_zombie_in_the_middle_of_a_copy_is_ended_by_its_successor_and_writes_nothing() {
    let Some(room) = Room::shared() else { return };
    let proxy = FaultProxy::start(room.server.address());
    let mut zombie = transactional(room.options_at(&room.server.url_at(proxy.address()), json!({}))).await;
    zombie.open(&shard(1)).await.unwrap();
    let wide: Vec<Event> =
        (0..2000).map(|number| event(number, &format!(r#"{{"t":"{}"}}"#, "x".repeat(2000)))).collect();
    proxy.slow(200_000);
    let mut stuck = Box::pin(commit(&mut *zombie, &wide, 1));
    // It holds the lock of its epoch, and the server waits for its rows.
    let copying = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY pg_temp%' AND state = 'active' AND pid IN \
                   (SELECT backend FROM _sluicebox_epochs)";
    while room.psql(copying) == "0" {
        assert!(poll_once(&mut stuck).await.is_pending());
    }
    proxy.freeze();
    let mut successor = room.sink(json!({})).await;
    let opened = successor.open(&shard(2)).await.unwrap();
    assert_eq!((opened.epoch, opened.positions.len()), (2, 0));
    commit(&mut *successor, &events(0..3), 1).await.unwrap();
    proxy.heal();
    let error = stuck.await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient, "{}", error.chain());
    let error = insist(&mut *zombie, &wide, 1).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Fenced, "{}", error.chain());
    assert_eq!(room.psql("SELECT count(*), max(safe_seq) FROM events, _sluicebox_positions"), "3|1");
}

#[tokio::test]
async fn a_successor_that_may_not_end_a_sleeping_owner_says_who_can() {
    let Some(room) = Room::shared() else { return };
    let (sink, _) = room.opened(json!({})).await;
    drop(sink);
    let sleeper = room.client().await;
    sleeper.batch_execute("BEGIN; SELECT * FROM _sluicebox_epochs FOR UPDATE").await.unwrap();
    let mut successor = room.sink(json!({})).await;
    let error = successor.open(&shard(2)).await.unwrap_err();
    assert!(error.class().is_retryable() && error.help().unwrap().contains("pg_terminate_backend"));
    assert!(error.to_string().starts_with("another session still holds the positions of `warehouse`"));
    sleeper.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(successor.open(&shard(2)).await.unwrap().epoch, 2);
}

#[tokio::test]
async fn a_successor_waits_for_a_commit_that_is_under_way_and_sees_its_positions() {
    let Some(room) = Room::shared() else { return };
    let (mut old, _) = room.opened(json!({})).await;
    room.psql("CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
               $$ BEGIN PERFORM pg_advisory_xact_lock_shared(hashtext(TG_TABLE_SCHEMA)); RETURN NULL; END $$; \
               CREATE TRIGGER wait AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION wait()");
    let holder = room.client().await;
    holder.execute("SELECT pg_advisory_lock(hashtext($1))", &[&room.schema]).await.unwrap();
    let window = events(0..3);
    let mut under_way = Box::pin(commit(&mut *old, &window, 1));
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND pid IN \
                   (SELECT backend FROM _sluicebox_epochs)";
    while room.psql(waiting) == "0" {
        assert!(poll_once(&mut under_way).await.is_pending());
    }
    let mut successor = room.sink(json!({})).await;
    let shard = shard(2);
    let mut taking = Box::pin(successor.open(&shard));
    let queued = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                  AND query LIKE 'INSERT INTO ' || quote_ident(current_schema()) || '._sluicebox_epochs%'";
    while room.psql(queued) == "0" {
        assert!(poll_once(&mut taking).await.is_pending());
    }
    holder.execute("SELECT pg_advisory_unlock(hashtext($1))", &[&room.schema]).await.unwrap();
    let opened = taking.await.unwrap();
    assert_eq!((opened.epoch, opened.positions), (2, vec![position(1, &[])]));
    assert!(matches!(under_way.await.unwrap(), Committed::All));
    let error = commit(&mut *old, &events(3..6), 2).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Fenced);
    assert_eq!(room.psql("SELECT count(*) FROM events"), "3");
}

#[tokio::test]
async fn sessions_end_transactions_that_nobody_continues() {
    let Some(room) = Room::shared() else { return };
    let (mut sink, _) = room.opened(json!({})).await;
    room.psql("ALTER TABLE events ADD COLUMN idle text DEFAULT current_setting('idle_in_transaction_session_timeout'), \
               ADD COLUMN statement text DEFAULT current_setting('statement_timeout'), \
               ADD COLUMN durable text DEFAULT current_setting('synchronous_commit')");
    commit(&mut *sink, &events(0..1), 1).await.unwrap();
    assert_eq!(room.psql("SELECT idle, statement, durable FROM events"), "10s|1min|on");
}

#[tokio::test]
async fn what_passes_is_tried_again_whole() {
    let Some(room) = Room::shared() else { return };
    let (mut sink, _) = room.opened(json!({})).await;
    room.psql(SUM);
    room.psql(
        "CREATE SEQUENCE tries; CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
               CASE nextval(format('%I.tries', TG_TABLE_SCHEMA)) \
               WHEN 1 THEN RAISE 'could not serialize' USING ERRCODE = '40001'; \
               WHEN 2 THEN RAISE 'deadlock' USING ERRCODE = '40P01'; \
               WHEN 3 THEN RAISE 'disk full' USING ERRCODE = '53100'; \
               WHEN 4 THEN RAISE 'read-only' USING ERRCODE = '25006'; \
               ELSE RETURN NULL; END CASE; END $$; \
               CREATE TRIGGER fail AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION fail()",
    );
    assert_eq!(insist(&mut *sink, &events(0..3), 1).await.unwrap(), 4);
    assert_eq!(counted(&room), expected(3));
}

#[tokio::test]
async fn a_session_that_was_ended_between_windows_is_replaced() {
    let Some(room) = Room::shared() else { return };
    let (mut sink, _) = room.opened(json!({})).await;
    room.psql(SUM);
    for round in 0..3 {
        insist(&mut *sink, &events(round * 3..round * 3 + 3), round as u64 + 1).await.unwrap();
        room.psql("SELECT pg_terminate_backend(backend) FROM _sluicebox_epochs");
    }
    assert_eq!(counted(&room), expected(9));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_again_and_again_loses_and_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Postgres::private(folder.path()) else { return };
    let room = Room::on(server);
    let (mut sink, _) = room.opened(json!({})).await;
    room.psql(SUM);
    let url = room.options(json!({}));
    let (windows, per_window) = (400, 20);
    let (done, mut progress) = tokio::sync::mpsc::unbounded_channel();
    let writing = tokio::spawn(async move {
        let mut failures = 0;
        for window in 0..windows {
            let first = window * per_window;
            let rows = events(first..first + per_window);
            failures += insist(&mut *sink, &rows, window as u64 + 1).await.unwrap();
            let _ = done.send(window);
        }
        failures
    });
    let mut kills = 0;
    while let Some(window) = progress.recv().await {
        if window % 40 == 20 {
            room.server.kill();
            room.server.start();
            kills += 1;
        }
    }
    let failures = writing.await.unwrap();
    assert!(kills == 10 && failures > 0, "{kills} kills, {failures} failures");
    assert_eq!(counted(&room), expected(windows * per_window));
    let mut next = transactional(url).await;
    assert_eq!(next.open(&shard(1)).await.unwrap().positions, [position(windows as u64, &[])]);
    next.close().await.unwrap();
}

#[tokio::test]
async fn a_database_that_forgot_what_it_committed_stops_the_sink() {
    let Some(room) = Room::shared() else { return };
    let forget = [
        "UPDATE _sluicebox_positions SET safe_seq = 1",
        "DELETE FROM _sluicebox_positions",
        "UPDATE _sluicebox_epochs SET epoch = 0",
    ];
    for sql in forget {
        let (mut sink, opened) = room.opened(json!({})).await;
        for seq in 1..3 {
            let positions =
                [sluicebox_core::Position { epoch: opened.epoch, ..position(opened.epoch * 10 + seq, &[]) }];
            let window = Window { events: &events(0..1), dead_letters: &[], positions: &positions };
            assert!(matches!(sink.commit(&window).await, Ok(Committed::All)));
        }
        room.psql("SELECT pg_terminate_backend(backend) FROM _sluicebox_epochs");
        room.psql(sql);
        let error = insist(&mut *sink, &events(0..1), 99).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::State, "{}", error.chain());
        assert!(error.help().unwrap().contains("backup"));
    }
}
