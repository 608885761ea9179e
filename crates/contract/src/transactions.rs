//! The contract of transactional sinks: rows and positions in one unit, and one owner at a time.
//!
//! Invariant: rows are read by other code than the sink's, positions by the sink of the next owner, as the engine reads them.

use async_trait::async_trait;
use bytes::Bytes;
use sluicebox_core::{Committed, ErrorClass, Event, Position, Shard, TransactionalSink, Window};

use crate::{Tally, event};

/// A destination that commits, without rows and positions at first.
#[async_trait]
pub trait Warehouse: Send {
    /// Builds the sink on this destination, as the start of a process does.
    async fn sink(&mut self) -> Box<dyn TransactionalSink>;

    /// Everything that is committed, in order, one text for each row, read by other code than the sink's.
    async fn rows(&mut self) -> Vec<String>;

    /// An event that the suite commits: the number, in whatever this destination takes.
    fn event(&self, number: usize) -> Event {
        event(number, &format!("{{\"number\":{number}}}"))
    }

    /// What the row of an event looks like; the JSON, unless this is no place for that.
    fn expected(&self, event: &Event) -> String {
        String::from_utf8_lossy(&event.json()).into_owned()
    }

    /// An event that can never be a row here; `None` if every event can.
    fn refused(&self) -> Option<Event> {
        None
    }
}

/// Proves that a transactional sink keeps its contract.
///
/// 1. A first owner finds no position; what it commits is there, rows and positions; a window may hold positions alone.
/// 2. The next owner finds every position as it was committed, cursor bytes and ids ahead included, and a higher epoch.
/// 3. From then on the owner before it is fenced: it commits nothing, and is told `Fenced`.
/// 4. A row that can never be committed is named, and then nothing of its window is there.
///
/// # Panics
/// If it breaks one.
pub async fn transactional_sink(warehouse: &mut dyn Warehouse) -> Tally {
    let mut trial = Trial { expected: Vec::new(), safe_seq: 0, windows: 0 };
    let (mut first, first_epoch) = trial.open(warehouse, 1, None).await;
    for size in [1, 5, 0] {
        trial.commit(&mut *first, warehouse, size).await;
    }
    let known = trial.position();
    let (mut second, second_epoch) = trial.open(warehouse, 1, Some(&known)).await;
    assert!(
        second_epoch > first_epoch,
        "the next owner has a higher epoch: {second_epoch} after {first_epoch}"
    );
    trial.assert_fenced(&mut *first, warehouse).await;
    trial.commit(&mut *second, warehouse, 2).await;
    if let Some(refused) = warehouse.refused() {
        trial.assert_refused(&mut *second, warehouse, refused).await;
        trial.commit(&mut *second, warehouse, 1).await;
    }
    let closed = second.close().await;
    closed.unwrap_or_else(|error| panic!("close: {}", error.chain()));
    drop(second);
    let known = trial.position();
    let (third, third_epoch) = trial.open(warehouse, second_epoch + 10, Some(&known)).await;
    assert_eq!(third_epoch, second_epoch + 10, "an epoch that is asked for and free is taken");
    drop(third);
    Tally { events: trial.expected.len(), pages: trial.windows, restarts: 2, faults: 1, ..Tally::default() }
}

struct Trial {
    expected: Vec<String>,
    safe_seq: u64,
    windows: usize,
}

impl Trial {
    /// Where the last window left the partition, with bytes that are no text.
    fn position(&self) -> Position {
        let mut cursor = b"\x00\xff".to_vec();
        cursor.extend(self.safe_seq.to_string().bytes());
        Position {
            source: "feed".into(),
            partition: "a".into(),
            epoch: 1,
            safe_seq: self.safe_seq,
            safe_cursor: Some(Bytes::from(cursor)),
            ahead: vec![format!("feed:a:{}", self.safe_seq + 1).into(), "feed:a:é\"'".into()],
        }
    }

    async fn open(
        &self,
        warehouse: &mut dyn Warehouse,
        epoch: u64,
        known: Option<&Position>,
    ) -> (Box<dyn TransactionalSink>, u64) {
        let mut sink = warehouse.sink().await;
        let opened = sink.open(&Shard { pipeline: "orders".into(), sink: "warehouse".into(), epoch }).await;
        let opened = opened.unwrap_or_else(|error| panic!("open: {}", error.chain()));
        let known: Vec<Position> = known.cloned().into_iter().collect();
        assert_eq!(opened.positions, known, "an owner finds the positions as they were committed");
        (sink, opened.epoch)
    }

    async fn commit(&mut self, sink: &mut dyn TransactionalSink, warehouse: &mut dyn Warehouse, size: usize) {
        let events: Vec<Event> = (0..size).map(|at| warehouse.event(self.expected.len() + at)).collect();
        self.safe_seq += 1;
        let positions = [self.position()];
        let window = Window { events: &events, dead_letters: &[], positions: &positions };
        let committed = sink.commit(&window).await;
        let committed = committed.unwrap_or_else(|error| panic!("commit: {}", error.chain()));
        assert!(matches!(committed, Committed::All), "nothing is wrong with these rows: {committed:?}");
        self.expected.extend(events.iter().map(|event| warehouse.expected(event)));
        self.windows += 1;
        assert_eq!(
            warehouse.rows().await,
            self.expected,
            "after a commit every row is there, in order, once"
        );
    }

    /// Lets the owner before the present one try.
    async fn assert_fenced(&self, sink: &mut dyn TransactionalSink, warehouse: &mut dyn Warehouse) {
        let events = [warehouse.event(self.expected.len())];
        let positions = [Position { safe_seq: self.safe_seq + 1, ..self.position() }];
        let window = Window { events: &events, dead_letters: &[], positions: &positions };
        match sink.commit(&window).await {
            Ok(committed) => panic!("the owner before is fenced, and yet it commits: {committed:?}"),
            Err(error) => {
                assert_eq!(error.class(), ErrorClass::Fenced, "the owner before: {}", error.chain());
            }
        }
        assert_eq!(warehouse.rows().await, self.expected, "a fenced owner leaves nothing behind");
    }

    async fn assert_refused(
        &self,
        sink: &mut dyn TransactionalSink,
        warehouse: &mut dyn Warehouse,
        refused: Event,
    ) {
        let events = [warehouse.event(self.expected.len()), refused];
        let positions = [Position { safe_seq: self.safe_seq + 1, ..self.position() }];
        let window = Window { events: &events, dead_letters: &[], positions: &positions };
        let committed = sink.commit(&window).await;
        match committed.unwrap_or_else(|error| panic!("commit of a bad row: {}", error.chain())) {
            Committed::All => panic!("a row that can never be committed is named"),
            Committed::Nothing(rejected) => {
                let named: Vec<usize> = rejected.iter().map(|rejected| rejected.index).collect();
                assert_eq!(named, [1], "the bad row is named by its index, and no other");
            }
        }
        assert_eq!(warehouse.rows().await, self.expected, "nothing of a window with a bad row is there");
    }
}

#[cfg(test)]
mod tests;
