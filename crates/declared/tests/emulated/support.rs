//! A driver that does what the engine does around a source, in fast time, and remembers what came.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use serde_json::Value;
use sluicebox_core::{
    Batch, Chance, Clock, Context, Cursor, Delivery, Environment, Error, Gap, Pace, Registry, RetryOptions,
    Shared, Source, Timestamp,
};
use sluicebox_emulator::{Control, Emulator};

/// Waits pass so many times faster than they say; the time of day is real, for signatures.
struct HastyClock {
    start: Instant,
    haste: u32,
}

#[async_trait]
impl Clock for HastyClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
    }
    fn elapsed(&self) -> Duration {
        self.start.elapsed() * self.haste
    }
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration / self.haste).await;
    }
}

struct NoChance;
impl Chance for NoChance {
    fn next_u64(&self) -> u64 {
        0
    }
}

/// One source and what came out of it.
pub(crate) struct Driver {
    source: Box<dyn Source>,
    clock: Arc<dyn Clock>,
    cursor: Option<Cursor>,
    seen: HashSet<String>,
    /// Every event once, in the order of its first arrival.
    pub(crate) lines: Vec<String>,
    pub(crate) rejects: usize,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) retries: usize,
}

impl Driver {
    /// A source whose waits pass `haste` times faster; much haste also means short deadlines.
    pub(crate) async fn new(source_type: &str, options: Value, haste: u32) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(HastyClock { start: Instant::now(), haste });
        let cx = Context {
            pipeline: "test".into(),
            component: "feed".into(),
            account: "feed".into(),
            folder: ".".into(),
            delivery: Delivery::AtLeastOnce,
            retry: RetryOptions::default(),
            environment: Environment { clock: Arc::clone(&clock), chance: Arc::new(NoChance) },
            shared: Shared::default(),
        };
        let mut registry = Registry::new();
        sluicebox_declared::register(&mut registry);
        let mut source = registry.sources()[source_type]
            .parse(options)
            .unwrap()
            .build(&cx)
            .await
            .unwrap()
            .into_single()
            .unwrap();
        source.open(None).await.unwrap();
        let (lines, gaps) = (Vec::new(), Vec::new());
        Self { source, clock, cursor: None, seen: HashSet::new(), lines, rejects: 0, gaps, retries: 0 }
    }

    /// One poll, and the wait that it asks for.
    pub(crate) async fn poll(&mut self) -> Result<Batch, Error> {
        let batch = self.source.next().await?.unwrap().read();
        for event in &batch.events {
            if self.seen.insert(event.meta().id.to_string()) {
                self.lines.push(String::from_utf8(event.json().to_vec()).unwrap());
            }
        }
        self.rejects += batch.rejects.len();
        self.gaps.extend(batch.gap.clone());
        self.cursor.clone_from(&batch.cursor);
        if let Pace::After(wait) = batch.pace {
            self.clock.sleep(wait).await;
        }
        Ok(batch)
    }

    /// Polls, and tries again after what passes by itself, until `count` events are there and the feed is at its end.
    pub(crate) async fn until(&mut self, count: usize) -> Result<(), Error> {
        loop {
            match self.poll().await {
                Ok(batch) if batch.caught_up && self.lines.len() >= count => return Ok(()),
                Ok(_) => {}
                Err(error) if error.class().is_retryable() => {
                    self.retries += 1;
                    self.clock.sleep(error.retry_after().unwrap_or(Duration::from_secs(1))).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Polls until the source would pause.
    pub(crate) async fn pause(&mut self) -> Error {
        self.until(usize::MAX).await.unwrap_err()
    }

    /// Starts over from the cursor of the last page, as after a restart.
    pub(crate) async fn reopen(&mut self) {
        self.source.open(self.cursor.as_ref()).await.unwrap();
    }
}

/// What the emulator serves, as lines.
pub(crate) fn truth(control: &Control) -> Vec<String> {
    String::from_utf8(control.events(0).to_vec()).unwrap().lines().map(str::to_owned).collect()
}

/// The credentials of an emulator as it announces them.
pub(crate) fn announced(emulator: &Emulator) -> Value {
    serde_json::to_value(emulator.announcement()).unwrap()
}
