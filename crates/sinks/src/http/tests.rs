//! The `http` sink against a server on real TCP.

mod answers;
mod options;
mod order;
mod requests;
mod server;

use bytes::Bytes;
use serde_json::{Value, json};
use sluicebox_core::{BuiltSink, Context, Event, Sink, SinkSpec, Written};

use super::HttpSpec;

fn context() -> Context {
    sluicebox_testkit::context("test", "hook")
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
    let mut event = sluicebox_testkit::event(number, "{}").with_json(Bytes::from(text.to_owned()));
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
