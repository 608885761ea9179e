//! The `slack` sink as a whole: its options, its messages, and what becomes of every kind of answer over real TCP.

use serde_json::{Value, json};
use sluicebox_core::{BuiltSink, CheckContext, Event, Sink, SinkSpec};
use sluicebox_testkit::{NoFiles, event};

use super::SlackSpec;
use super::testing::{Server, context};

mod composing;
mod options;
mod probing;
mod rendering;
mod wire;

fn spec(options: &Value) -> SlackSpec {
    serde_json::from_value(options.clone()).unwrap()
}

/// What `check` says: `path: message`.
fn problems(options: &Value) -> Vec<String> {
    let problems = spec(options).check(&CheckContext { files: &NoFiles, sources: &[] });
    problems.into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
}

async fn build(options: &Value) -> Box<dyn Sink> {
    match spec(options).build(&context()).await.unwrap() {
        BuiltSink::Plain(sink) => sink,
        _ => panic!("a plain sink"),
    }
}

/// Options for a channel behind a server, without a pace; `more` is added.
fn channel(server: &Server, more: Value) -> Value {
    let mut options = json!({
        "token": "xoxb-hunter2-hunter2", "channel": "C1", "base_url": server.url("/api"),
        "text": "{{ event.text }}", "rate": "unlimited"
    });
    merge(&mut options, more);
    options
}

/// Options for a webhook behind a server, without a pace; `more` is added.
fn webhook(server: &Server, more: Value) -> Value {
    let url = server.url("/services/T0/B0/hunter2hunter2");
    let mut options = json!({ "webhook_url": url, "text": "{{ event.text }}", "rate": "unlimited" });
    merge(&mut options, more);
    options
}

fn merge(options: &mut Value, more: Value) {
    if let (Value::Object(options), Value::Object(more)) = (options, more) {
        options.extend(more);
    }
}

/// Events with these texts, numbered from 0.
fn events(texts: &[&str]) -> Vec<Event> {
    let event =
        |(number, text): (usize, &&str)| event(number, &json!({ "text": text, "n": number }).to_string());
    texts.iter().enumerate().map(event).collect()
}
