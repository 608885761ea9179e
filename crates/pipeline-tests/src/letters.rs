//! The dead letters of a run: those in its state, and those that went to a sink of the pipeline.

use serde_json::{Value, json};
use sluicebox_core::DeadLetter;

use crate::differences::{Depth, Difference, differences};

/// A dead letter as `dlq show` prints it.
pub(crate) struct Letter(Value);

impl Letter {
    /// Of the state.
    pub(crate) fn stored(letter: &DeadLetter, pipeline: &str) -> Self {
        let named = letter.named(&letter.meta.id, pipeline);
        Self(serde_json::to_value(named).unwrap_or_default())
    }

    /// An event of a sink, if it is a dead letter.
    pub(crate) fn posted(event: &sluicebox_core::Event) -> Option<Self> {
        if event.meta().event_type != "dead_letter" {
            return None;
        }
        let letter: Value = serde_json::from_slice(&event.json()).ok()?;
        letter.get("reason").and(letter.get("component"))?;
        Some(Self(letter))
    }

    fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// What differs from what is expected of it; every key of `expected` is looked at.
    pub(crate) fn differences(&self, expected: &Value) -> Vec<Difference> {
        let mut found = Vec::new();
        let entries = expected.as_object().into_iter().flatten();
        for (key, wanted) in entries.filter(|(_, wanted)| !wanted.is_null()) {
            let got = match key.as_str() {
                "id" => self.0.pointer("/meta/id"),
                "message" | "file" | "line" | "column" => self.0.pointer(&format!("/error/{key}")),
                _ => self.0.get(key),
            };
            let texts = got.and_then(Value::as_str).zip(wanted.as_str());
            let fits = texts.is_some_and(|(got, wanted)| match key.as_str() {
                "id" => got == wanted || got.strip_suffix(wanted).is_some_and(|before| before.ends_with(':')),
                "message" => got.contains(wanted),
                "file" => got.ends_with(wanted),
                _ => false,
            });
            if !fits {
                let differing = differences(wanted, got.unwrap_or(&Value::Null), Depth::Part);
                found.extend(crate::differences::under(key, differing));
            }
        }
        found
    }

    /// What a person wants to know of it, as a test would write it down.
    pub(crate) fn summary(&self) -> Value {
        let mut summary = json!({
            "component": self.0["component"],
            "reason": self.0["reason"],
            "id": self.text("/meta/id"),
            "message": self.text("/error/message"),
        });
        for key in ["file", "line", "column"] {
            let value = &self.0["error"][key];
            if !value.is_null() {
                summary[key] = value.clone();
            }
        }
        summary
    }
}
