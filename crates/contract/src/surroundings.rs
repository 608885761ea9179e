//! What a component is checked and built with in a test: time, chance, files, and an event to work on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sluicebox_core::{
    Chance, Clock, Context, Delivery, Environment, Event, Meta, RetryOptions, ScriptFiles, Shared, Timestamp,
};
use tokio::time::Instant;

/// The time of day at which every [`environment`] begins: 2026-06-12T10:00:00Z, in milliseconds.
pub const START_MILLISECONDS: i64 = 1_781_258_400_000;

/// Tokio's clock, which a test may pause.
struct TokioClock {
    start: Instant,
    day_passes: bool,
}

#[async_trait]
impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let passed = if self.day_passes { self.elapsed() } else { Duration::ZERO };
        Timestamp::from_millis(START_MILLISECONDS + i64::try_from(passed.as_millis()).unwrap_or(i64::MAX))
    }
    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Always the same.
pub struct NoChance;

impl Chance for NoChance {
    fn next_u64(&self) -> u64 {
        0
    }
}

/// Tokio's clock, which a test may pause, from [`START_MILLISECONDS`] on; no chance.
pub fn environment() -> Environment {
    with_clock(true)
}

/// An [`environment`] whose time of day stands still, so that what is written down with it can be compared.
pub fn still_environment() -> Environment {
    with_clock(false)
}

fn with_clock(day_passes: bool) -> Environment {
    let clock = TokioClock { start: Instant::now(), day_passes };
    Environment { clock: Arc::new(clock), chance: Arc::new(NoChance) }
}

/// What a component is built with: at least once, nothing shared, an [`environment`] of its own.
pub fn context(pipeline: &str, component: &str) -> Context {
    Context {
        pipeline: pipeline.into(),
        component: component.into(),
        account: "".into(),
        folder: PathBuf::new(),
        delivery: Delivery::AtLeastOnce,
        retry: RetryOptions::default(),
        environment: environment(),
        shared: Shared::default(),
    }
}

/// A folder in which there is no file.
pub struct NoFiles;

impl ScriptFiles for NoFiles {
    fn read(&self, path: &str) -> Result<String, String> {
        Err(format!("no file {path}"))
    }
}

/// The event `opentrain:a:<number>` of the source `feed`, with the key `k`.
///
/// # Panics
/// If `json` is no object.
pub fn event(number: usize, json: &str) -> Event {
    let meta = Meta {
        event_type: "payment.created".into(),
        time: Timestamp::from_millis(START_MILLISECONDS + 4_120),
        key: "k".into(),
        received: Timestamp::from_millis(START_MILLISECONDS + 5_000),
        ..Meta::new("feed", "a", format!("opentrain:a:{number}"))
    };
    Event::parse(&Bytes::from(json.to_owned()), meta).unwrap_or_else(|error| panic!("{error}: {json}"))
}
