//! A driver that does what the engine does around a source, in fast time, and remembers what came: for tests of polling
//! sources against the emulators, over real connections.
//!
//! Invariant: it polls as the engine does, one poll at a time, waiting as long as the source says, and never past an error
//! that the engine would pause for.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use serde_json::Value;
use sluicebox_contract::{NoChance, context};
use sluicebox_core::{
    Batch, Clock, Context, Cursor, Environment, Error, Gap, Pace, Registry, Source, Timestamp,
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
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
    fn elapsed(&self) -> Duration {
        self.start.elapsed() * self.haste
    }
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration / self.haste).await;
    }
}

/// One source and what came out of it.
pub struct Driver {
    source: Box<dyn Source>,
    clock: Arc<dyn Clock>,
    cursor: Option<Cursor>,
    seen: HashSet<String>,
    /// Every event once, in the order of its first arrival.
    pub lines: Vec<String>,
    /// Items that were no events.
    pub rejects: usize,
    /// Gaps that the source told of.
    pub gaps: Vec<Gap>,
    /// Errors after which it was asked again.
    pub retries: usize,
}

impl Driver {
    /// A source of a registered type, opened without a cursor, whose waits pass `haste` times faster; much haste also
    /// means short deadlines.
    ///
    /// # Panics
    /// When there is no such type, or it does not take the options.
    pub async fn new(registry: &Registry, source_type: &str, options: Value, haste: u32) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(HastyClock { start: Instant::now(), haste });
        let environment = Environment { clock: Arc::clone(&clock), chance: Arc::new(NoChance) };
        let cx =
            Context { account: "feed".into(), folder: ".".into(), environment, ..context("test", "feed") };
        let built =
            registry.sources()[source_type].parse(options).expect("options of the type").build(&cx).await;
        let mut source = built.expect("a source").into_single().expect("a source of one partition");
        source.open(None).await.expect("a first start");
        let (lines, gaps) = (Vec::new(), Vec::new());
        Self { source, clock, cursor: None, seen: HashSet::new(), lines, rejects: 0, gaps, retries: 0 }
    }

    /// One poll, and the wait that it asks for.
    ///
    /// # Errors
    /// What the source gave.
    ///
    /// # Panics
    /// When the source ends.
    pub async fn poll(&mut self) -> Result<Batch, Error> {
        let batch = self.source.next().await?.expect("a feed does not end").read();
        for event in &batch.events {
            if self.seen.insert(event.meta().id.to_string()) {
                self.lines.push(String::from_utf8(event.json().to_vec()).expect("JSON is UTF-8"));
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
    ///
    /// # Errors
    /// What the source would pause for.
    pub async fn until(&mut self, count: usize) -> Result<(), Error> {
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

    /// Polls until the source would pause, and says for what.
    ///
    /// # Panics
    /// When it would not.
    pub async fn pause(&mut self) -> Error {
        self.until(usize::MAX).await.expect_err("the source pauses")
    }

    /// Starts over from the cursor of the last page, as after a restart.
    ///
    /// # Panics
    /// When the source refuses it.
    pub async fn reopen(&mut self) {
        self.source.open(self.cursor.as_ref()).await.expect("its own cursor");
    }
}

/// What the emulator serves to its first account, as lines.
///
/// # Panics
/// When it serves no text.
pub fn truth(control: &Control) -> Vec<String> {
    let served = String::from_utf8(control.events(0).to_vec()).expect("JSON is UTF-8");
    served.lines().map(str::to_owned).collect()
}

/// The credentials of an emulator as it announces them.
///
/// # Panics
/// When they are no JSON.
pub fn announced(emulator: &Emulator) -> Value {
    serde_json::to_value(emulator.announcement()).expect("an announcement is JSON")
}
