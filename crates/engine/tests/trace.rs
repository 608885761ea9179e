//! Following an event: every step that it takes is told, to whoever looks and to nobody else.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says so"
)]

mod support;

use std::sync::Arc;

use sluicebox_checkpoints::MemoryStore;
use sluicebox_core::{DeadLetterError, Reason};
use sluicebox_engine::{Outcome, Subject};
use support::{Destination, Feed, Piped, Step};

async fn steps(piped: Piped, subject: Subject) -> (Vec<String>, u64) {
    let store = Arc::new(MemoryStore::new());
    let (running, _drain) = piped.start(&store, true).await;
    // No task has run yet: this runtime has one thread.
    let mut trace = running.watch().trace(subject);
    assert!(matches!(running.wait().await, Outcome::Finished));
    let mut told = Vec::new();
    while let Some(step) = trace.next().await {
        let mut step = serde_json::to_value(&step).unwrap();
        let time = step.as_object_mut().unwrap().remove("time").unwrap();
        assert!(time.as_str().unwrap().ends_with('Z'));
        told.push(step.to_string());
    }
    (told, trace.left_out())
}

fn piped() -> Piped {
    let step = Step(|n, index, event, out| match n % 3 {
        0 => out.dead_letter(index, event, Reason::Explicit, DeadLetterError::new("not this one")),
        1 => {
            out.emit(index, event.with_json(r#"{"n":1}"#.into()));
            out.emit_to(index, "copies", event.child("copies", 0, event.json()));
        }
        _ => {}
    });
    let piped = Piped::new().source(Feed::new("feed", 30, 10));
    let piped = piped.transform("step", "feed", Some("event.n != 5"), step);
    let piped = piped.sink("sink", &["step"], &Arc::default(), false);
    piped.sink("copies", &["step.copies"], &Arc::<Destination>::default(), true)
}

#[tokio::test]
async fn an_event_is_followed_from_its_source_to_its_sinks() {
    let (told, left_out) = steps(piped(), Subject::Event("test:feed:4".into())).await;
    let event = r#"{"key":"k0","n":4}"#;
    assert_eq!(
        told[..3],
        [
            format!(
                r#"{{"before":{event},"component":"feed","id":"test:feed:4","kind":"source","step":"received"}}"#
            ),
            format!(
                r#"{{"after":{{"n":1}},"after_id":"test:feed:4","before":{event},"component":"step","id":"test:feed:4","kind":"transform","output":null,"step":"emitted"}}"#
            ),
            format!(
                r#"{{"after":{event},"after_id":"test:feed:4/copies/0","before":{event},"component":"step","id":"test:feed:4","kind":"transform","output":"copies","step":"emitted"}}"#
            ),
        ]
    );
    let mut delivered = told[3..].to_vec();
    delivered.sort();
    assert_eq!(
        delivered,
        [
            r#"{"before":{"key":"k0","n":4},"component":"copies","id":"test:feed:4/copies/0","kind":"sink","step":"delivered"}"#,
            r#"{"before":{"n":1},"component":"sink","id":"test:feed:4","kind":"sink","step":"delivered"}"#,
        ]
    );
    assert_eq!(left_out, 0);
}

#[tokio::test]
async fn what_goes_no_further_says_why() {
    let last = |told: Vec<String>| {
        let last: serde_json::Value = serde_json::from_str(told.last().unwrap()).unwrap();
        format!("{} {} {} {}", last["component"], last["step"], last["reason"], last["message"])
    };
    for (id, expected) in [
        ("test:feed:3", r#""step" "dead_letter" "explicit" "not this one""#),
        ("test:feed:2", r#""step" "discarded" "filtered" null"#),
    ] {
        assert_eq!(last(steps(piped(), Subject::Event(id.into())).await.0), expected, "{id}");
    }
    let (around, _) = steps(piped(), Subject::Event("test:feed:5".into())).await;
    assert!(around[1].contains(r#""step":"around""#), "{around:?}");
}

#[tokio::test]
async fn a_reader_that_is_slow_loses_steps_and_holds_nothing_up() {
    let piped =
        Piped::new().source(Feed::new("feed", 1000, 100)).sink("sink", &["feed"], &Arc::default(), true);
    let (told, left_out) = steps(piped, Subject::Component("sink".into())).await;
    assert_eq!(told.len() + usize::try_from(left_out).unwrap(), 1000);
    assert!(left_out > 0);
}
