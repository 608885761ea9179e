//! The `http` sink against a server on real TCP.

mod answers;
mod options;
mod order;
mod requests;
mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use sluicebox_core::{
    BuiltSink, Chance, Clock, Context, Delivery, Environment, Event, RetryOptions, Shared, Sink, SinkSpec,
    Timestamp, Written,
};

use super::HttpSpec;
use crate::file::test_events;

struct RealClock(Instant);

#[async_trait]
impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.0.elapsed().as_millis()).unwrap();
        Timestamp::from_millis(1_781_258_400_000 + passed)
    }
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

struct NoChance;

impl Chance for NoChance {
    fn next_u64(&self) -> u64 {
        0
    }
}

fn context() -> Context {
    Context {
        pipeline: "test".into(),
        component: "hook".into(),
        account: "".into(),
        folder: ".".into(),
        delivery: Delivery::AtLeastOnce,
        retry: RetryOptions::default(),
        environment: Environment { clock: Arc::new(RealClock(Instant::now())), chance: Arc::new(NoChance) },
        shared: Shared::default(),
    }
}

/// The options as a pipeline file would give them.
fn spec(options: Value) -> HttpSpec {
    serde_json::from_value(options).unwrap()
}

async fn sink(options: Value) -> Box<dyn Sink> {
    sink_in(&context(), options).await
}

async fn sink_in(cx: &Context, options: Value) -> Box<dyn Sink> {
    match spec(options).build(cx).await.unwrap() {
        BuiltSink::Plain(sink) => sink,
        _ => unreachable!("an HTTP endpoint keeps no position"),
    }
}

/// An event with this number, of the ordering key `key`.
fn event(number: usize, key: &str) -> Event {
    event_with(number, key, &json!({ "n": number, "key": key }).to_string())
}

fn event_with(number: usize, key: &str, text: &str) -> Event {
    let mut event = test_events::event(number, "{}").with_json(Bytes::from(text.to_owned()));
    event.meta_mut().key = key.into();
    event
}

/// The rejected events by index, with the class and reason of their errors.
fn rejected(written: &Written) -> Vec<(usize, &'static str, &'static str)> {
    let mut rejected: Vec<_> = written
        .rejected
        .iter()
        .map(|refusal| (refusal.index, refusal.error.class().as_str(), refusal.error.reason()))
        .collect();
    rejected.sort_unstable();
    rejected
}
