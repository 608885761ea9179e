//! The option as pipelines give it, and the transform as the engine calls it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluicebox_core::{Memory, Meta, Outputs, Timestamp, Transform, TransformOutcome};

use crate::testing::{Files, build, check, context, event, parse};

fn options(state: &Value, source: &str) -> Value {
    json!({ "state": state, "source": source })
}

/// What the engine would see of a batch.
fn remember(transform: &dyn Transform, memory: &mut Memory, events: &[(&str, i64, &str)]) -> Vec<String> {
    let events = events.iter().map(|(id, time, json)| {
        let event = event(id, "a", json);
        let meta = Meta { time: Timestamp::from_millis(*time), ..event.meta().clone() };
        sluicebox_core::Event::from_validated(event.json(), meta)
    });
    let mut out = Outputs::new();
    transform.stateful().unwrap().apply(events.collect(), memory, &mut out).unwrap();
    let told = out.into_outcomes().into_iter().map(|(_, outcome)| match outcome {
        TransformOutcome::Emit(_, event) => String::from_utf8(event.json().to_vec()).unwrap(),
        TransformOutcome::Discard(reason) => reason.as_str().to_owned(),
        TransformOutcome::Absorb => "absorbed".to_owned(),
        TransformOutcome::DeadLetter(_, reason, error) => format!("{} {}", reason.as_str(), error.message),
    });
    told.collect()
}

#[tokio::test(start_paused = true)]
async fn a_script_with_a_state_is_one_that_the_engine_gives_a_memory() {
    let state = json!({ "seen": { "kind": "counter", "key": "event.u", "ttl": "1s", "max_keys": 2 } });
    let source = "let n = state.add(\"seen\"); if n > 2 { drop() } if event.bad ?? false { event.nope.len() } event.n = n;";
    let transform = build("rhai", &options(&state, source), &context()).await;
    let stateful = transform.stateful().unwrap();
    assert_eq!(stateful.max_entries(), 2);
    let mut memory = Memory::new(stateful.max_entries());
    let first = remember(
        &*transform,
        &mut memory,
        &[
            ("1", 0, r#"{"u":1}"#),
            ("2", 0, r#"{"u":1,"bad":true}"#),
            ("3", 0, r#"{"u":1}"#),
            ("4", 0, r#"{"u":1}"#),
            ("5", 500, r#"{"u":2}"#),
            ("6", 1200, r#"{"u":1}"#),
        ],
    );
    assert_eq!(first[0], r#"{"u":1,"n":1}"#);
    assert!(first[1].starts_with("script no function fits"), "{}", first[1]);
    assert_eq!(first[2..], [r#"{"u":1,"n":2}"#, "filtered", r#"{"u":2,"n":1}"#, r#"{"u":1,"n":1}"#]);
    assert_eq!(memory.len(), 2);
    let plain = build("rhai", &json!({ "source": "true", "state": {} }), &context()).await;
    assert!(plain.stateful().is_none(), "where nothing is declared nothing is saved");
}

#[test]
fn what_is_wrong_is_told_where_it_stands() {
    let files = Files(BTreeMap::from([("a.rhai", "true;\nstate.add(\"sen\");")]));
    let told = |options: &Value| -> Vec<String> {
        let problems = check("rhai", options, &files).into_iter();
        let told = problems.map(|problem| {
            let (line, column) = problem.inside.unwrap_or_default();
            let help = problem.help.map(|help| format!(" ({help})")).unwrap_or_default();
            format!("{} {line}:{column} {}{help}", problem.path, problem.message)
        });
        told.collect()
    };
    let counter = json!({ "seen": { "kind": "counter" } });
    assert_eq!(told(&options(&counter, "state.add(\"seen\");")), [""; 0]);
    assert_eq!(
        told(&json!({ "file": "a.rhai", "state": counter })),
        ["file 2:11 `sen` is not declared under `state:` (did you mean `seen`?)"]
    );
    assert_eq!(
        told(&options(
            &json!({ "a": { "kind": "set", "key": "drop()" }, "b": { "kind": "value", "max_items": 1 } }),
            "true"
        )),
        [
            "state.a.key 1:1 `drop` can be used in a `rhai` script only",
            "state.b.max_items 0:0 a value has no items (`max_keys` bounds how many keys are remembered)"
        ]
    );
    assert_eq!(
        told(&json!({ "pack": "money/to_minor", "with": { "field": "n" }, "state": counter })),
        ["state.seen 0:0 `money/to_minor` remembers nothing under this name"]
    );
    let transcripts = |state: &Value| told(&json!({ "pack": "chat/transcripts", "state": state }));
    assert_eq!(
        transcripts(&json!({})),
        [
            "pack 0:0 `chat/transcripts` remembers, and what it may remember is not declared (add `state: { voice: { kind: value, ttl: 1d } }`)"
        ]
    );
    assert_eq!(
        transcripts(&json!({ "voice": { "kind": "counter" } })),
        ["state.voice 0:0 `chat/transcripts` needs another kind (use `kind: value`)"]
    );
    assert_eq!(transcripts(&json!({ "voice": { "kind": "value", "ttl": "2h" } })), [""; 0]);
    assert!(told(&json!({ "source": "state.add(\"seen\");" }))[0].contains("none is declared"));
    assert!(
        parse("rhai", &options(&counter, "to(\"a\");"))
            .outputs(&sluicebox_core::CheckContext { files: &files, sources: &[] })
            == ["a"]
    );
}
