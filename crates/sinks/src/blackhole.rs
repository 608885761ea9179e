//! The `blackhole` sink: takes everything and keeps nothing, at any speed.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{
    BuiltSink, Clock, Context, Delivery, DeliverySupport, Event, Period, Result, Sink, SinkSpec, Written,
};

/// Takes every event and keeps none.
///
/// For measuring what stands before it, and (with `delay`) for seeing what a slow destination does to a pipeline.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlackholeSpec {
    /// How long each batch takes.
    #[serde(default)]
    #[schemars(example = "10ms")]
    pub delay: Period,
}

#[async_trait]
impl SinkSpec for BlackholeSpec {
    const TYPE: &'static str = "blackhole";

    fn delivery(&self) -> DeliverySupport {
        DeliverySupport { default: Delivery::AtLeastOnce, exactly_once: false, why: "nothing is kept" }
    }

    async fn build(self, cx: &Context) -> Result<BuiltSink> {
        let clock = cx.environment.clock.clone();
        Ok(BuiltSink::Plain(Box::new(Blackhole { delay: self.delay, clock })))
    }
}

struct Blackhole {
    delay: Period,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Sink for Blackhole {
    async fn write(&mut self, _events: &[Event]) -> Result<Written> {
        if !self.delay.0.is_zero() {
            self.clock.sleep(self.delay.0).await;
        }
        Ok(Written::default())
    }
}
