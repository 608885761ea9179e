//! The `filter` transform: its condition is the common key `when`, which the engine evaluates.
//!
//! Invariant: whatever reaches it matched, so it passes everything on.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use sluicebox_core::{Context, Effect, Event, Outputs, Result, ScriptFiles, Transform, TransformSpec};

/// Passes on the events that match `when:` and discards all others (counted as `filtered`).
///
/// It has no options of its own: `when:` is the condition, an expression over `event` and `meta` that is true or
/// false, like `meta.type.starts_with("payment.") || meta.type == "contract.created"`. A missing field is `()`; `==` and
/// the orderings with it are false, `!=` is true, and a method on it is an error. An event on which the condition
/// fails, or is neither true nor false, is a dead letter with reason `script`.
///
/// On any other transform, `when:` does not discard: what does not match goes on unchanged.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({}))]
pub struct Filter {}

#[async_trait]
impl TransformSpec for Filter {
    const TYPE: &'static str = "filter";

    fn effect(&self, _component: &str) -> Effect {
        Effect::None
    }

    fn when_discards() -> bool {
        true
    }

    async fn build(self, _cx: &Context, _files: &dyn ScriptFiles) -> Result<Box<dyn Transform>> {
        Ok(Box::new(Pass))
    }
}

struct Pass;

#[async_trait]
impl Transform for Pass {
    async fn apply(&self, batch: Vec<Event>, out: &mut Outputs) -> Result<()> {
        for (index, event) in batch.into_iter().enumerate() {
            out.emit(index, event);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sluicebox_core::Registry;

    use crate::testing::{apply, build, context, event};

    #[tokio::test(start_paused = true)]
    async fn what_reaches_it_goes_on_and_its_condition_discards() {
        let mut registry = Registry::new();
        crate::register(&mut registry);
        let discarding = registry.transforms().iter().filter(|(_, known)| known.when_discards);
        assert_eq!(discarding.map(|(name, _)| *name).collect::<Vec<_>>(), ["filter"]);
        assert!(registry.transforms()["filter"].component.parse(json!({ "where": "x" })).is_err());
        let filter = build("filter", &json!({}), &context()).await;
        assert_eq!(apply(&*filter, vec![event("1", "a", "{}"), event("2", "a", "{}")]).await.len(), 2);
    }
}
