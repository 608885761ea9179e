//! A sink that can be cut back to a mark is exactly once, from its very first write.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

mod support;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use sluicebox_checkpoints::MemoryStore;
use sluicebox_core::{
    AnySink, BuiltSink, CheckContext, Context, Delivery, DeliverySupport, Event, Problem, Result,
    ResumableSink, Sink, Written,
};
use sluicebox_engine::{Failure, Outcome};
use support::{Destination, Feed, Piped};

/// Lines that survive a restart, and how many more writes may succeed before the process "dies" right after one.
#[derive(Clone, Default)]
struct Lines {
    held: Arc<Mutex<Vec<String>>>,
    dies_after_write: Arc<Mutex<bool>>,
}

struct LinesSink {
    lines: Lines,
    first_seen: usize,
}

#[async_trait]
impl Sink for LinesSink {
    async fn write(&mut self, events: &[Event]) -> Result<Written> {
        let texts = events.iter().map(|event| String::from_utf8(event.json().to_vec()).unwrap());
        self.lines.held.lock().unwrap().extend(texts);
        let dies = std::mem::take(&mut *self.lines.dies_after_write.lock().unwrap());
        assert!(!dies, "killed between the write and its checkpoint");
        Ok(Written::default())
    }
}

#[async_trait]
impl ResumableSink for LinesSink {
    async fn restore(&mut self, mark: Option<&[u8]>) -> Result<()> {
        let length = mark.map_or(self.first_seen, |mark| std::str::from_utf8(mark).unwrap().parse().unwrap());
        self.lines.held.lock().unwrap().truncate(length);
        Ok(())
    }

    fn mark(&self) -> Vec<u8> {
        self.lines.held.lock().unwrap().len().to_string().into_bytes()
    }
}

#[async_trait]
impl AnySink for Lines {
    fn delivery(&self) -> DeliverySupport {
        DeliverySupport { default: Delivery::ExactlyOnce, exactly_once: true, why: "test" }
    }
    fn check(&self, _: &CheckContext<'_>) -> Vec<Problem> {
        Vec::new()
    }
    async fn build(self: Box<Self>, _: &Context) -> Result<BuiltSink> {
        let first_seen = self.held.lock().unwrap().len();
        Ok(BuiltSink::Resumable(Box::new(LinesSink { lines: *self, first_seen })))
    }
}

fn piped(lines: &Lines) -> Piped {
    let mut piped = Piped::new().source(Feed::new("feed", 40, 10)).sink(
        "lines",
        &["feed"],
        &Arc::<Destination>::default(),
        true,
    );
    piped.0.sinks[0].config = Box::new(lines.clone());
    piped
}

#[tokio::test]
async fn what_a_killed_first_write_left_behind_is_cut_off_and_what_was_there_before_stays() {
    let (store, lines) = (Arc::new(MemoryStore::new()), Lines::default());
    lines.held.lock().unwrap().push(r#"{"n":0}"#.to_owned());
    *lines.dies_after_write.lock().unwrap() = true;
    assert!(matches!(piped(&lines).run_once(&store).await, Outcome::Failed(Failure::Panicked(_))));
    assert!(lines.held.lock().unwrap().len() > 1, "the killed write left something behind");
    assert!(matches!(piped(&lines).run_once(&store).await, Outcome::Finished));
    let numbers: Vec<u64> = lines.held.lock().unwrap().iter().map(|line| support::number(line)).collect();
    assert_eq!(numbers, (0..=40).collect::<Vec<_>>());
}
