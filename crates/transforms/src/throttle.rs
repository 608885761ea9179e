//! The `throttle` transform: no more than so many events a second.
//!
//! Invariant: over any stretch of time, all partitions together pass at most `rate` events a second and one batch.

use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    CheckContext, Context, Effect, Environment, Error, Event, Outputs, Problem, Result, ScriptFiles,
    Transform, TransformSpec,
};

/// Lets through at most `rate` events a second and makes the rest wait; nothing is dropped.
///
/// The budget is shared by all accounts and sources above it. While events wait, polling waits too once the buffers
/// above are full. Events of one batch leave together, when the last of them may.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({ "rate": 20 }))]
pub struct Throttle {
    /// Events per second; may be a fraction (`0.5`: one every two seconds).
    pub rate: f64,
}

impl Throttle {
    /// Time between two events, if the rate makes sense.
    fn interval(&self) -> Option<Duration> {
        let seconds = Some(self.rate).filter(|rate| *rate > 0.0).map(f64::recip)?;
        Duration::try_from_secs_f64(seconds).ok().filter(|interval| *interval <= Duration::from_secs(86_400))
    }
}

#[async_trait]
impl TransformSpec for Throttle {
    const TYPE: &'static str = "throttle";

    fn effect(&self, _component: &str) -> Effect {
        Effect::None
    }

    fn check(&self, _cx: &CheckContext<'_>) -> Vec<Problem> {
        let message = format!("expected a positive number of events per second, found {}", self.rate);
        match self.interval() {
            Some(_) => Vec::new(),
            None => vec![Problem::new("rate", message).with_help("like `rate: 20`, or `0.5` for one in 2 s")],
        }
    }

    async fn build(self, cx: &Context, _files: &dyn ScriptFiles) -> Result<Box<dyn Transform>> {
        let interval = self.interval().ok_or_else(|| Error::config("the rate is not positive"))?;
        let environment = cx.environment.clone();
        Ok(Box::new(Turnstile { interval, environment, free_at: Mutex::new(Duration::ZERO) }))
    }
}

struct Turnstile {
    interval: Duration,
    environment: Environment,
    /// When the next event may pass, on the clock that never goes back.
    free_at: Mutex<Duration>,
}

impl Turnstile {
    /// Takes the next `events` turns and says how long the last of them is away.
    fn reserve(&self, events: usize) -> Duration {
        let now = self.environment.clock.elapsed();
        let turns = u32::try_from(events).unwrap_or(u32::MAX);
        let mut free_at = self.free_at.lock();
        let first = now.max(*free_at);
        *free_at = first.saturating_add(self.interval.saturating_mul(turns));
        free_at.saturating_sub(self.interval).saturating_sub(now)
    }
}

#[async_trait]
impl Transform for Turnstile {
    async fn apply(&self, batch: Vec<Event>, out: &mut Outputs) -> Result<()> {
        let wait = self.reserve(batch.len());
        if !batch.is_empty() && !wait.is_zero() {
            self.environment.clock.sleep(wait).await;
        }
        for (index, event) in batch.into_iter().enumerate() {
            out.emit(index, event);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde_json::json;
    use sluicebox_core::{Event, Transform};

    use crate::testing::{Files, apply, build, check, context, event};

    fn events(count: usize) -> Vec<Event> {
        vec![event("1", "a", "{}"); count]
    }

    #[tokio::test(start_paused = true)]
    async fn all_partitions_together_pass_so_many_events_a_second() {
        let throttle: Arc<dyn Transform> = build("throttle", &json!({ "rate": 20 }), &context()).await.into();
        let started = tokio::time::Instant::now();
        let partitions: Vec<_> = (0..4)
            .map(|_| {
                let throttle = Arc::clone(&throttle);
                tokio::spawn(async move {
                    for _ in 0..10 {
                        assert_eq!(apply(&*throttle, events(5)).await.len(), 5);
                    }
                })
            })
            .collect();
        for partition in partitions {
            partition.await.unwrap();
        }
        let seconds = started.elapsed().as_secs_f64();
        assert!((9.9..10.1).contains(&seconds), "{seconds}");
        tokio::time::advance(std::time::Duration::from_secs(60)).await;
        let started = tokio::time::Instant::now();
        apply(&*throttle, events(1)).await;
        apply(&*throttle, Vec::new()).await;
        assert!(started.elapsed().is_zero(), "an idle minute is no reason to wait");
        apply(&*throttle, events(21)).await;
        assert!(started.elapsed().as_secs_f64() >= 1.0, "and none to hurry");
    }

    #[test]
    fn a_rate_is_positive() {
        let files = Files(BTreeMap::new());
        assert_eq!(check("throttle", &json!({ "rate": 0.5 }), &files), []);
        for rate in [0.0, -1.0, 1e-300] {
            assert_eq!(check("throttle", &json!({ "rate": rate }), &files)[0].path, "rate");
        }
    }
}
