//! What `dedupe` lets through, what it remembers of it, and what it refuses at check.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluicebox_core::{Memory, Timestamp, Transform, TransformOutcome};

use crate::testing::{Files, Pages, at, build, check, context, remember};

async fn dedupe(options: Value) -> Box<dyn Transform> {
    build("dedupe", &options, &context()).await
}

/// What becomes of events, given as time in seconds and JSON, one page each.
fn judged(transform: &dyn Transform, memory: &mut Memory, events: &[(i64, &str)]) -> Vec<String> {
    let tell = |outcome| match outcome {
        TransformOutcome::Emit(None, _) => "passes".to_owned(),
        TransformOutcome::Discard(reason) => reason.as_str().to_owned(),
        TransformOutcome::DeadLetter(_, reason, error) => format!("{}: {}", reason.as_str(), error.message),
        other => format!("{other:?}"),
    };
    let page = events.iter().map(|(seconds, json)| at(*seconds, json)).collect();
    remember(transform, memory, page).into_iter().map(|(_, outcome)| tell(outcome)).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_of_a_key_passes_and_its_repeats_within_the_time_do_not() {
    let transform = dedupe(json!({ "key": "event.k", "within": "10s" })).await;
    let mut memory = Memory::new(100);
    let page = [
        (100, r#"{"k":"a"}"#),
        (100, r#"{"k":"a"}"#),
        (105, r#"{"k":"b"}"#),
        (109, r#"{"k":"a"}"#),
        (110, r#"{"k":"a"}"#),
        (114, r#"{"k":"b"}"#),
        (119, r#"{"k":"a"}"#),
    ];
    let expected = ["passes", "duplicate", "passes", "duplicate", "passes", "duplicate", "duplicate"];
    assert_eq!(judged(&*transform, &mut memory, &page), expected);
    assert_eq!(memory.len(), 1, "`b` was forgotten at 115");
    let values = [
        r#"{"k":1}"#,
        r#"{"k":"1"}"#,
        r#"{"k":1.0}"#,
        r#"{"k":{"x":[1],"y":2}}"#,
        r#"{"k":{"y":2,"x":[1]}}"#,
    ];
    let page = values.map(|json| (120, json));
    assert_eq!(
        judged(&*transform, &mut memory, &page),
        ["passes", "passes", "duplicate", "passes", "duplicate"]
    );
}

#[tokio::test(start_paused = true)]
async fn late_events_are_compared_by_their_own_time() {
    let transform = dedupe(json!({ "key": "event.k", "within": "10s" })).await;
    let mut memory = Memory::new(100);
    let page = [
        (100, r#"{"k":"a"}"#),
        (108, r#"{"k":"x"}"#),
        (95, r#"{"k":"a"}"#),
        (90, r#"{"k":"a"}"#),
        (109, r#"{"k":"a"}"#),
    ];
    let expected = ["passes", "passes", "duplicate", "passes", "duplicate"];
    assert_eq!(judged(&*transform, &mut memory, &page), expected, "ten seconds earlier is no repeat");
    // The newest time is 109. What passes late is remembered as long as anything else.
    let page = [
        (50, r#"{"k":"old"}"#),
        (118, r#"{"k":"y"}"#),
        (50, r#"{"k":"old"}"#),
        (119, r#"{"k":"z"}"#),
        (50, r#"{"k":"old"}"#),
    ];
    let expected = ["passes", "passes", "duplicate", "passes", "passes"];
    assert_eq!(judged(&*transform, &mut memory, &page), expected);
}

#[tokio::test(start_paused = true)]
async fn without_a_key_it_goes_by_the_id_and_a_missing_key_goes_as_asked() {
    let transform = dedupe(json!({ "within": "1h" })).await;
    let mut memory = Memory::new(100);
    let one = [(1, "{}")];
    assert_eq!(judged(&*transform, &mut memory, &one), ["passes"]);
    assert_eq!(judged(&*transform, &mut memory, &one), ["passes"], "`at` gives every event an id of its own");
    let twin = at(2, "{}");
    let outcomes = remember(&*transform, &mut memory, vec![twin.clone(), twin]);
    assert!(matches!(outcomes[1].1, TransformOutcome::Discard(sluicebox_core::DiscardReason::Duplicate)));
    for (on_missing, expected) in [
        (None, "validation: expected a value for `key`, found nothing"),
        (Some("pass"), "passes"),
        (Some("drop"), "filtered"),
    ] {
        let mut options = json!({ "key": "event.k", "within": "1h" });
        if let Some(word) = on_missing {
            options["on_missing"] = json!(word);
        }
        let transform = dedupe(options).await;
        let found = judged(&*transform, &mut memory, &[(9, "{}"), (9, r#"{"k":null}"#)]);
        assert_eq!(found, [expected, expected]);
    }
    let transform = dedupe(json!({ "key": "event.k.len()", "within": "1h" })).await;
    let found = judged(&*transform, &mut memory, &[(9, r#"{"k":1}"#)]);
    assert!(found[0].starts_with("script: "), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_is_bounded_in_number_and_size() {
    let transform = dedupe(json!({ "key": "event.k", "within": "1h", "max_keys": 2 })).await;
    let mut memory = Memory::new(transform.stateful().unwrap().max_entries());
    let page: Vec<(i64, &str)> =
        [r#"{"k":"a"}"#, r#"{"k":"b"}"#, r#"{"k":"c"}"#, r#"{"k":"b"}"#, r#"{"k":"a"}"#]
            .iter()
            .map(|json| (1, *json))
            .collect();
    assert_eq!(
        judged(&*transform, &mut memory, &page),
        ["passes", "passes", "passes", "duplicate", "passes"]
    );
    assert_eq!(memory.len(), 2);
    let long = format!(r#"{{"k":"{}"}}"#, "x".repeat(100_000));
    assert_eq!(judged(&*transform, &mut memory, &[(1, &long), (1, &long)]), ["passes", "duplicate"]);
    assert!(memory.starting_with("").all(|(key, value)| key.len() < 70 && value.len() == 8));
    assert_eq!(memory.time(), Some(Timestamp::from_millis(1000)));
}

/// Whatever the pages and wherever a run ends, the same events pass as in one run over one page.
#[tokio::test(start_paused = true)]
async fn pages_and_restarts_change_nothing() {
    let transform = dedupe(json!({ "key": "event.k", "within": "5s", "max_keys": 12 })).await;
    for seed in 1..200 {
        let mut pages = Pages::new(seed);
        let events: Vec<_> = (0..120)
            .map(|n| {
                let late = pages.below(4);
                at(n / 4 - i64::try_from(late).unwrap(), &format!(r#"{{"n":{n},"k":{}}}"#, pages.below(20)))
            })
            .collect();
        let whole = pages.in_one(&*transform, &events);
        assert_eq!(pages.with_restarts(&*transform, &events), whole, "seed {seed}");
        assert!((20..120).contains(&whole.len()), "some pass and some do not: {}", whole.len());
    }
}

#[test]
fn options_are_checked() {
    let files = Files(BTreeMap::new());
    assert_eq!(check("dedupe", &json!({ "within": "1h" }), &files), []);
    for (options, place, message) in [
        (json!({ "within": "0s" }), "within", "expected a time longer than nothing, found 0s"),
        (json!({ "within": "1h", "max_keys": 0 }), "max_keys", "expected 1 to 10000000, found 0"),
        (json!({ "within": "1h", "key": "event." }), "key", ""),
    ] {
        let problems = check("dedupe", &options, &files);
        assert_eq!(problems.len(), 1, "{options}: {problems:?}");
        assert_eq!(problems[0].path, place);
        assert!(problems[0].message.starts_with(message), "{}", problems[0].message);
    }
}
