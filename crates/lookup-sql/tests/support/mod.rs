//! A built look-up, the events it is given, and what became of them, shared by the tests of `sql_lookup`.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "each test file uses its part; a failed set-up should panic"
)]

use std::sync::Arc;

use serde_json::{Value, json};
use sluicebox_core::{
    AnyTransform, CheckContext, Context, Outputs, Probe, Registry, Standing, Transform, TransformOutcome,
};
use sluicebox_testkit::{NoFiles, event};

pub(crate) fn parse(options: &Value) -> Box<dyn AnyTransform> {
    let mut registry = Registry::new();
    sluicebox_lookup_sql::register(&mut registry);
    registry.transforms()["sql_lookup"].component.parse(options.clone()).unwrap()
}

pub(crate) fn context() -> Context {
    sluicebox_testkit::context("orders", "customer")
}

pub(crate) async fn build(options: &Value, cx: &Context) -> Arc<dyn Transform> {
    let spec = parse(options);
    let problems = spec.check(&CheckContext { files: &NoFiles, sources: &[] });
    assert_eq!(problems, [], "{options}");
    spec.build(cx, &NoFiles).await.unwrap().into()
}

pub(crate) fn problems(options: &Value) -> Vec<String> {
    let found = parse(options).check(&CheckContext { files: &NoFiles, sources: &[] });
    found.into_iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
}

/// What became of events with these values of `k`: the status and the field, or the dead letter.
pub(crate) async fn told(transform: &dyn Transform, keys: &[Value]) -> Vec<String> {
    let events = keys.iter().enumerate();
    let events = events.map(|(at, key)| event(at, &json!({ "k": key }).to_string())).collect();
    let mut out = Outputs::new();
    transform.apply(events, &mut out).await.unwrap();
    let outcomes = out.into_outcomes().into_iter().enumerate();
    let tell = |(at, (index, outcome)): (usize, (usize, TransformOutcome))| {
        assert_eq!(at, index, "the order of the events");
        match outcome {
            TransformOutcome::Emit(None, event) => {
                let text = String::from_utf8(event.json().to_vec()).unwrap();
                assert!(event.meta().id.ends_with(&format!(":{at}")));
                let status = event.meta().lookups["customer"].as_str();
                match text.split_once(r#","customer":"#) {
                    Some((_, added)) => format!("{status} {}", added.strip_suffix('}').unwrap()),
                    None => status.to_owned(),
                }
            }
            TransformOutcome::DeadLetter(_, reason, error) => {
                format!("{}: {}", reason.as_str(), error.message)
            }
            other => format!("{other:?}"),
        }
    };
    outcomes.map(tell).collect()
}

/// Subject and word of each finding.
pub(crate) fn found(probe: &Probe) -> Vec<String> {
    let word = |standing: &Standing| match standing {
        Standing::Fine(message) => message.clone(),
        Standing::Doubtful { message, .. } => format!("doubtful: {message}"),
        Standing::Wrong(error) => {
            assert!(error.help().is_some(), "{}", error.chain());
            format!("wrong: {}", error.chain())
        }
    };
    let findings = probe.findings().iter();
    findings.map(|finding| format!("{}: {}", finding.subject, word(&finding.standing))).collect()
}
