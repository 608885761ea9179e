//! What a transform remembers is saved with the cursor: no restart loses or repeats a count.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says so"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use sluicebox_checkpoints::MemoryStore;
use sluicebox_core::{
    AnyTransform, CheckContext, CheckpointStore, Commit, Context, Error, Event, Memory, Outputs,
    PartitionRecord, Problem, Remembered, Result, ScriptFiles, State, StatefulTransform, Transform,
};
use sluicebox_engine::{Failure, Outcome};
use smol_str::SmolStr;
use support::{Destination, Feed, Piped, Step, Verdict, number, until};

/// Lets every third event of a key on, with how many there have been; the others become part of the count.
struct Thirds {
    /// Errors to fail with, one for each call, after the memory was changed.
    failures: AtomicUsize,
}

#[async_trait]
impl AnyTransform for Thirds {
    fn check(&self, _: &CheckContext<'_>) -> Vec<Problem> {
        Vec::new()
    }
    fn outputs(&self, _: &CheckContext<'_>) -> Vec<String> {
        Vec::new()
    }
    async fn build(self: Box<Self>, _: &Context, _: &dyn ScriptFiles) -> Result<Box<dyn Transform>> {
        Ok(self)
    }
}

#[async_trait]
impl Transform for Thirds {
    async fn apply(&self, _: Vec<Event>, _: &mut Outputs) -> Result<()> {
        Err(Error::config("the engine calls the one that remembers"))
    }

    fn stateful(&self) -> Option<&dyn StatefulTransform> {
        Some(self)
    }
}

impl StatefulTransform for Thirds {
    fn max_entries(&self) -> usize {
        100
    }

    fn apply(&self, batch: Vec<Event>, memory: &mut Memory, out: &mut Outputs) -> Result<()> {
        for (index, event) in batch.into_iter().enumerate() {
            memory.advance(event.meta().time);
            let key = event.meta().key.clone();
            let before =
                memory.get(&key).map_or(0, |count| u64::from_le_bytes(count[..].try_into().unwrap()));
            let count = before + 1;
            memory.put(&key, Bytes::copy_from_slice(&count.to_le_bytes()), None);
            if count.is_multiple_of(3) {
                let json = event.json();
                let n = number(std::str::from_utf8(&json).unwrap());
                out.emit(index, event.with_json(Bytes::from(format!(r#"{{"n":{n},"count":{count}}}"#))));
            } else {
                out.absorb(index);
            }
        }
        let left = self.failures.load(Ordering::SeqCst);
        if left > 0 {
            self.failures.store(left - 1, Ordering::SeqCst);
            return Err(Error::transient("not now"));
        }
        Ok(())
    }
}

fn thirds() -> Thirds {
    Thirds { failures: AtomicUsize::new(0) }
}

/// A feed of so many events over seven keys, and every third of each key as the sink should have it.
fn piped(total: u64, transform: Thirds) -> Piped {
    let feed = Feed { keys: 7, ..Feed::new("feed", total, 10) };
    let mut piped = Piped::new().source(feed).transform("thirds", "feed", None, Step(|_, _, _, _| {}));
    piped.0.transforms[0].config = Box::new(transform);
    piped
}

fn expected(total: u64) -> Vec<String> {
    let mut counts = [0_u64; 7];
    let mut rows = Vec::new();
    for n in 1..=total {
        let count = &mut counts[usize::try_from(n % 7).unwrap()];
        *count += 1;
        if count.is_multiple_of(3) {
            rows.push(format!(r#"{{"n":{n},"count":{count}}}"#));
        }
    }
    rows
}

#[tokio::test]
async fn a_count_goes_on_where_the_cursor_does() {
    let (store, exact) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    for total in [95, 300, 301] {
        let piped = piped(total, thirds()).sink("exact", &["thirds"], &exact, true);
        assert!(matches!(piped.run_once(&store).await, Outcome::Finished));
        assert_eq!(*exact.rows.lock().unwrap(), expected(total));
    }
    let memory = store.state().memories.into_values().next().unwrap();
    assert_eq!(memory.len(), 8, "seven keys and the time");
}

#[tokio::test]
async fn runs_that_end_anywhere_neither_lose_nor_repeat_a_count() {
    let (store, exact, slow) =
        (Arc::new(MemoryStore::new()), Arc::<Destination>::default(), Arc::<Destination>::default());
    let piped = || {
        let piped = piped(2000, thirds()).sink("exact", &["thirds"], &exact, true);
        let mut piped = piped.sink("slow", &["thirds"], &slow, false);
        piped.0.sinks.iter_mut().for_each(|sink| sink.batch.max_events = 7);
        piped
    };
    let mut ahead = 0;
    for round in 0..12_usize {
        // The plain sink, or both, stop after some writes: what the exact one commits after that is ahead.
        let (slow_stops, exact_stops) = (slow.writes.load(Ordering::SeqCst) + round % 3, round % 4 == 3);
        let hang_after = |allowed: usize| {
            let seen = AtomicUsize::new(0);
            Box::new(move |_: &[Event]| match seen.fetch_add(1, Ordering::SeqCst) {
                count if count < allowed => Verdict::Write,
                _ => Verdict::Hang,
            })
        };
        *slow.gate.lock().unwrap() = Some(hang_after(round % 3));
        *exact.gate.lock().unwrap() = exact_stops.then(|| hang_after(round % 5) as support::Gate);
        let before = exact.rows.lock().unwrap().len();
        let (running, _drain) = piped().start(&store, false).await;
        until("a write that hangs", || slow.writes.load(Ordering::SeqCst) > slow_stops).await;
        support::pause(30).await;
        drop(running);
        ahead += usize::from(exact.rows.lock().unwrap().len() > before);
        assert!(exact.rows.lock().unwrap().len() <= expected(2000).len());
    }
    assert!(ahead > 0, "the exact sink has committed ahead of the slow one");
    *slow.gate.lock().unwrap() = None;
    *exact.gate.lock().unwrap() = None;
    assert!(matches!(piped().run_once(&store).await, Outcome::Finished));
    assert_eq!(*exact.rows.lock().unwrap(), expected(2000), "each count once, in order");
    let mut plain = slow.rows.lock().unwrap().clone();
    plain.sort();
    plain.dedup();
    let mut all = expected(2000);
    all.sort();
    assert_eq!(plain, all, "nothing lost, and no count that is wrong");
}

/// A store on a disk that stops answering after some commits.
struct Stuck {
    store: Arc<MemoryStore>,
    left: AtomicUsize,
}

#[async_trait]
impl CheckpointStore for Stuck {
    async fn load(&self) -> Result<State> {
        self.store.load().await
    }

    async fn commit(&self, commit: Commit) -> Result<()> {
        if self.left.load(Ordering::SeqCst) == 0 {
            std::future::pending::<()>().await;
        }
        self.left.fetch_sub(1, Ordering::SeqCst);
        self.store.commit(commit).await
    }
}

#[tokio::test]
async fn a_sink_that_was_further_than_the_saved_memory_is_not_where_the_next_run_begins() {
    let (store, exact) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let piped = |total| {
        let mut piped = piped(total, thirds()).sink("exact", &["thirds"], &exact, true);
        piped.0.sinks[0].batch.max_events = 7;
        piped
    };
    for round in 1..6_usize {
        let known = exact.rows.lock().unwrap().len();
        let stuck = Arc::new(Stuck { store: Arc::clone(&store), left: AtomicUsize::new(1 + round % 3) });
        let (running, _drain) = piped(400 * round as u64).start(&stuck, false).await;
        until("commits that nobody saves", || exact.rows.lock().unwrap().len() > known + 40).await;
        drop(running);
    }
    assert!(matches!(piped(2000).run_once(&store).await, Outcome::Finished));
    assert_eq!(*exact.rows.lock().unwrap(), expected(2000), "each count once, in order");
}

#[tokio::test]
async fn what_a_batch_that_failed_had_changed_is_not_remembered() {
    let (store, exact) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let transform = Thirds { failures: AtomicUsize::new(2) };
    let piped = piped(100, transform).sink("exact", &["thirds"], &exact, true);
    assert!(matches!(piped.run_once(&store).await, Outcome::Finished));
    assert_eq!(*exact.rows.lock().unwrap(), expected(100));
}

#[tokio::test]
async fn a_state_that_was_lost_with_its_memory_is_not_begun_afresh_in_silence() {
    let (store, exact) = (Arc::new(MemoryStore::new()), Arc::<Destination>::default());
    let first = piped(90, thirds()).sink("exact", &["thirds"], &exact, true);
    assert!(matches!(first.run_once(&store).await, Outcome::Finished));
    let again = piped(200, thirds()).sink("exact", &["thirds"], &exact, true);
    assert!(matches!(again.run_once(&store).await, Outcome::Finished));

    // A state that is older than the sink has the wrong memory for its position.
    let older = Arc::new(MemoryStore::new());
    let state = store.state();
    let partitions = state.partitions.iter().map(|record| PartitionRecord { safe_seq: 1, ..record.clone() });
    let remembered = |(key, entry): (&SmolStr, &Remembered)| (key.clone(), Some(entry.clone()));
    let memories = state.memories.iter();
    let memories = memories.map(|(name, entries)| (name.clone(), entries.iter().map(remembered).collect()));
    let partitions = partitions.filter(|record| record.source == "feed").collect();
    let backup = Commit { partitions, memories: memories.collect(), ..Commit::default() };
    older.commit(backup).await.unwrap();
    let third = piped(300, thirds()).sink("exact", &["thirds"], &exact, true);
    assert!(matches!(third.try_start(&older).await, Err(Failure::State(_))));

    let lost = Arc::new(MemoryStore::new());
    for _ in 0..2 {
        let third = piped(300, thirds()).sink("exact", &["thirds"], &exact, true);
        let failure = third.try_start(&lost).await.unwrap_err();
        let Failure::State(message) = failure else { panic!("{failure:?}") };
        assert!(message.contains("sluicebox cursor set test feed/feed"), "{message}");
    }
    // What `cursor set` does, which needs to know the partition.
    let waiting = lost.state().partitions.remove(0);
    assert_eq!(waiting.paused.as_deref(), Some("memory"));
    let chosen = PartitionRecord { paused: None, floor_epoch: waiting.epoch + 9, ..waiting };
    let epoch = Some(chosen.floor_epoch);
    lost.commit(Commit { epoch, partitions: vec![chosen], ..Commit::default() }).await.unwrap();
    let before = exact.rows.lock().unwrap().len();
    let third = piped(300, thirds()).sink("exact", &["thirds"], &exact, true);
    assert!(matches!(third.run_once(&lost).await, Outcome::Finished));
    assert!(exact.rows.lock().unwrap().len() > before);
}
