//! Trouble: errors, pauses, panics, fences, stalls, drains.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says so"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use sluicebox_checkpoints::MemoryStore;
use sluicebox_core::{CheckpointStore, Commit, Error, ErrorClass, Position, State};
use sluicebox_engine::{Failure, Outcome};
use support::{Destination, Feed, Piped, Verdict, pause, until};

#[tokio::test]
async fn a_failing_poll_is_tried_again_from_the_same_cursor() {
    let (store, sink) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let mut feed = Feed::new("feed", 40, 10);
    feed.failures.insert(3, vec![Error::transient("connection refused")]);
    let piped = Piped::new().source(feed).sink("sink", &["feed"], &sink, true);
    assert!(matches!(piped.run_once(&store).await, Outcome::Finished));
    assert_eq!(sink.numbers(), (1..=40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_paused_account_keeps_its_cursor_and_lets_the_others_finish() {
    let (store, sink) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let mut bad = Feed::new("bad", 40, 10);
    bad.failures.insert(3, vec![Error::auth("401 unauthorized")]);
    let accounts = vec![("bad", bad), ("good", Feed::new("good", 40, 10))];
    let outcome =
        Piped::new().accounts("feed", accounts).sink("sink", &["feed"], &sink, true).run_once(&store).await;
    let Outcome::Paused(paused) = outcome else { panic!("{outcome:?}") };
    assert!(paused[0].starts_with("feed/bad: 401"), "{paused:?}");
    assert_eq!(sink.numbers().len(), 60);
    let state = store.state();
    let cursors: Vec<_> =
        state.partitions.iter().map(|it| (it.partition.as_str(), it.cursor.as_deref())).collect();
    assert_eq!(cursors, [("bad", Some(&b"20"[..])), ("good", Some(&b"40"[..]))]);
    assert_eq!(state.partitions[0].paused.as_deref(), Some("auth"));
}

#[tokio::test]
async fn a_panic_stops_the_pipeline_and_counts_nothing_as_delivered() {
    let (store, sink) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    *sink.gate.lock().unwrap() = Some(Box::new(|_| Verdict::Panic));
    let piped = || Piped::new().source(Feed::new("feed", 40, 10)).sink("sink", &["feed"], &sink, true);
    let outcome = piped().run_once(&store).await;
    assert!(
        matches!(&outcome, Outcome::Failed(Failure::Panicked(text)) if text.contains("fell over")),
        "{outcome:?}"
    );
    *sink.gate.lock().unwrap() = None;
    assert!(matches!(piped().run_once(&store).await, Outcome::Finished));
    assert_eq!(sink.numbers(), (1..=40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_fenced_owner_writes_nothing_and_stops() {
    let (store, sink) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let (running, _drain) = Piped::new()
        .source(Feed::new("feed", 40, 10))
        .sink("sink", &["feed"], &sink, true)
        .start(&store, false)
        .await;
    *sink.epoch.lock().unwrap() += 1;
    let before = sink.numbers().len();
    let outcome = running.wait().await;
    assert!(matches!(outcome, Outcome::Failed(Failure::Fenced(_))), "{outcome:?}");
    assert_eq!(sink.numbers().len(), before);
}

#[tokio::test]
async fn a_destination_restored_from_a_backup_is_refused_with_the_choice() {
    let (store, sink) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let piped = || Piped::new().source(Feed::new("feed", 40, 10)).sink("sink", &["feed"], &sink, true);
    assert!(matches!(piped().run_once(&store).await, Outcome::Finished));
    for position in sink.positions.lock().unwrap().values_mut() {
        *position = Position { safe_seq: 1, safe_cursor: Some("10".into()), ..position.clone() };
    }
    let refused = piped().try_start(&store).await.unwrap_err().to_string();
    assert!(refused.contains("restored from a backup"), "{refused}");
    assert!(refused.contains("`sluicebox cursor set test feed/feed 10`, then start again"), "{refused}");
}

#[tokio::test]
async fn a_stalled_sink_stops_the_polling_at_the_caps() {
    let (store, sink) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    *sink.gate.lock().unwrap() = Some(Box::new(|_| Verdict::Hang));
    let feed = Feed::new("feed", 1_000_000, 200);
    let polls = Arc::clone(&feed.polls);
    let (running, _drain) =
        Piped::new().source(feed).sink("sink", &["feed"], &sink, false).start(&store, false).await;
    pause(300).await;
    let reached = polls.load(Ordering::SeqCst);
    pause(300).await;
    assert_eq!(polls.load(Ordering::SeqCst), reached, "polling stopped");
    let status = running.watch().status();
    assert!(status.partitions[0].inflight_events <= 16_384 + 200, "{status:?}");
    drop(running);
}

#[tokio::test]
async fn a_drain_settles_what_is_in_flight_and_a_stalled_one_gives_up() {
    let (store, sink) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let piped = || Piped::new().source(Feed::new("feed", 100_000, 10)).sink("sink", &["feed"], &sink, true);
    let (running, drain) = piped().start(&store, false).await;
    until("some rows", || sink.numbers().len() > 100).await;
    drain.cancel();
    assert!(matches!(running.wait().await, Outcome::Drained));
    let rows = sink.numbers();
    assert_eq!(rows, (1..=rows.len() as u64).collect::<Vec<_>>());
    let saved = store.state().partitions[0].cursor.clone().unwrap();
    assert_eq!(saved, rows.len().to_string(), "everything written is covered by the saved cursor");

    *sink.gate.lock().unwrap() = Some(Box::new(|_| Verdict::Hang));
    sink.writes.store(0, Ordering::SeqCst);
    let (running, drain) = piped().start(&store, false).await;
    until("the stalled write", || sink.writes.load(Ordering::SeqCst) > 0).await;
    drain.cancel();
    assert!(matches!(running.wait().await, Outcome::DrainTimeout));
}

#[tokio::test]
async fn a_sink_that_refuses_its_credentials_pauses_and_a_drain_still_works() {
    let (store, sink, other) =
        (Arc::new(MemoryStore::new()), Arc::<Destination>::default(), Arc::<Destination>::default());
    *sink.gate.lock().unwrap() = Some(Box::new(|_| Verdict::Fail(Error::auth("no such role"))));
    let piped = Piped::new().source(Feed::new("feed", 100, 10));
    let piped = piped.sink("sink", &["feed"], &sink, false).sink("other", &["feed"], &other, true);
    let (running, drain) = piped.start(&store, false).await;
    let watch = running.watch();
    until("the pause", || watch.status().state == "paused").await;
    until("the other sink", || other.numbers().len() == 100).await;
    drain.cancel();
    assert!(matches!(running.wait().await, Outcome::Drained));
    assert!(
        store.state().partitions.iter().all(|record| record.cursor.is_none()),
        "the paused sink has nothing"
    );
}

/// A store that another process takes over after the first commit.
struct TakenOver(MemoryStore);

#[async_trait::async_trait]
impl CheckpointStore for TakenOver {
    async fn load(&self) -> sluicebox_core::Result<State> {
        self.0.load().await
    }
    async fn commit(&self, commit: Commit) -> sluicebox_core::Result<()> {
        if self.0.commits() > 0 {
            return Err(Error::new(ErrorClass::Fenced, "the state has another owner"));
        }
        self.0.commit(commit).await
    }
}

#[tokio::test]
async fn a_state_that_is_not_ours_any_more_ends_the_run_at_once() {
    let sink = Arc::<Destination>::default();
    let piped = Piped::new().source(Feed::new("feed", 1_000_000, 10)).sink("sink", &["feed"], &sink, false);
    let outcome = piped.run_over(Arc::new(TakenOver(MemoryStore::new()))).await;
    assert!(matches!(outcome, Outcome::Failed(Failure::Fenced(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_pipeline_whose_only_source_is_paused_stays_up_until_it_is_drained() {
    let (store, sink) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let mut feed = Feed::new("feed", 40, 10);
    feed.failures.insert(3, vec![Error::auth("401 unauthorized")]);
    let (running, drain) =
        Piped::new().source(feed).sink("sink", &["feed"], &sink, true).start(&store, false).await;
    let watch = running.watch();
    let waiting = tokio::spawn(running.wait());
    until("the pause", || watch.status().state == "paused").await;
    until("the pages before it", || sink.numbers().len() == 20).await;
    pause(50).await;
    assert!(!waiting.is_finished(), "somebody has to see that it is paused");
    drain.cancel();
    assert!(matches!(waiting.await.unwrap(), Outcome::Drained));
}
