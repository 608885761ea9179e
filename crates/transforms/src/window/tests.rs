//! What `window` makes of events, what it refuses, and what it says at check.

mod model;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluicebox_core::{Event, Memory, Replay, Timestamp, Transform, TransformOutcome};

use crate::testing::{Files, at, build, check, context, parse, remember};

async fn window(options: Value) -> Box<dyn Transform> {
    build("window", &options, &context()).await
}

/// What becomes of each event of a page, in the order of the outcomes: absorbed ones are left out.
fn told(transform: &dyn Transform, memory: &mut Memory, events: Vec<Event>) -> Vec<String> {
    let tell = |(index, outcome): (usize, TransformOutcome)| match outcome {
        TransformOutcome::Emit(None, event) => {
            let json = String::from_utf8(event.json().to_vec()).unwrap();
            Some(format!("{index} {} {json}", event.meta().id))
        }
        TransformOutcome::Emit(Some(output), event) => {
            Some(format!("{index} to {output}: {}", event.meta().time))
        }
        TransformOutcome::Absorb => None,
        TransformOutcome::Discard(reason) => Some(format!("{index} {}", reason.as_str())),
        TransformOutcome::DeadLetter(_, reason, error) => {
            Some(format!("{index} {}: {}", reason.as_str(), error.message))
        }
    };
    remember(transform, memory, events).into_iter().filter_map(tell).collect()
}

/// The windows alone, without ids.
fn windows(transform: &dyn Transform, events: &[(i64, &str)]) -> Vec<Value> {
    let mut memory = Memory::new(usize::MAX);
    let page = events.iter().map(|(seconds, json)| at(*seconds, json)).collect();
    let outcomes = remember(transform, &mut memory, page).into_iter();
    let json = |(_, outcome)| match outcome {
        TransformOutcome::Emit(None, event) => Some(serde_json::from_slice(&event.json()).unwrap()),
        TransformOutcome::DeadLetter(_, _, error) => panic!("{}", error.message),
        _ => None,
    };
    outcomes.filter_map(json).collect()
}

#[tokio::test(start_paused = true)]
async fn a_window_closes_when_an_event_is_as_new_as_its_end_and_the_lateness() {
    let transform = window(json!({
        "size": "10s", "lateness": "5s", "key": "event.k",
        "aggregates": { "events": "count", "total": { "sum": "event.v" } }
    }))
    .await;
    let mut memory = Memory::new(usize::MAX);
    let page = vec![
        at(101, r#"{"k":"b","v":0.1}"#),
        at(109, r#"{"k":"a","v":1}"#),
        at(114, r#"{"k":"b","v":5}"#),
        at(103, r#"{"k":"b","v":0.2}"#),
    ];
    assert_eq!(told(&*transform, &mut memory, page), [] as [&str; 0], "114 is not 110 and 5");
    let page = vec![at(115, r#"{"k":"c"}"#), at(109, r#"{"k":"b","v":9}"#), at(111, r#"{"k":"b","v":1}"#)];
    assert_eq!(
        told(&*transform, &mut memory, page),
        [
            r#"0 thing:feed:a:1970-01-01T00:01:40.000Z {"key":"a","start":"1970-01-01T00:01:40.000Z","end":"1970-01-01T00:01:50.000Z","events":1,"total":1}"#,
            r#"0 thing:feed:b:1970-01-01T00:01:40.000Z {"key":"b","start":"1970-01-01T00:01:40.000Z","end":"1970-01-01T00:01:50.000Z","events":2,"total":0.3}"#,
            "1 filtered",
        ],
        "in the order of the keys; what is late is counted nowhere"
    );
    let page = vec![at(1000, r#"{"k":"z"}"#)];
    let closed = told(&*transform, &mut memory, page);
    assert_eq!(closed.len(), 2);
    assert!(closed[0].ends_with(r#""events":2,"total":6}"#), "{closed:?}");
    assert!(closed[1].ends_with(r#""events":1,"total":null}"#), "a sum of nothing: {closed:?}");
    let left: Vec<&str> = memory.starting_with("").map(|(key, _)| key.as_str()).collect();
    assert_eq!(left.len(), 2, "one open window and the counters: {left:?}");
}

#[tokio::test(start_paused = true)]
async fn the_event_of_a_window_has_an_envelope_of_its_own() {
    let transform = window(json!({ "size": "1m", "aggregates": { "n": "count" } })).await;
    let mut memory = Memory::new(usize::MAX);
    let outcomes = remember(&*transform, &mut memory, vec![at(1, "{}"), at(60, "{}")]);
    assert!(matches!(outcomes[0], (0, TransformOutcome::Absorb)));
    let (1, TransformOutcome::Emit(None, event)) = &outcomes[1] else { panic!("{outcomes:?}") };
    let meta = event.meta();
    assert_eq!(meta.id, "thing:feed:1970-01-01T00:00:00.000Z", "the partition is the key");
    assert_eq!((meta.event_type.as_str(), meta.key.as_str()), ("thing", "feed"));
    assert_eq!((&*meta.source, &*meta.account), ("feed", "feed"));
    assert_eq!(meta.time, Timestamp::from_millis(60_000));
    assert!(matches!(outcomes[2], (1, TransformOutcome::Absorb)));
}

#[tokio::test(start_paused = true)]
async fn windows_of_two_accounts_have_two_ids() {
    let transform = window(json!({ "size": "1m", "key": "event.k", "aggregates": { "n": "count" } })).await;
    let mut ids = std::collections::BTreeSet::new();
    let partitions = [("feed", "feed"), ("feed", "a"), ("feed", "a:b"), ("feed", "a%3Ab"), ("other", "a")];
    for (source, account) in partitions {
        let mut memory = Memory::new(usize::MAX);
        let page = ["a:b", "b", "feed", "feed/a", "feed/a:b"].iter().map(|key| (1, *key)).chain([(60, "b")]);
        let page = page.map(|(seconds, key)| {
            let mut event = at(seconds, &json!({ "k": key }).to_string());
            (event.meta_mut().source, event.meta_mut().account) = (source.into(), account.into());
            event
        });
        for (_, outcome) in remember(&*transform, &mut memory, page.collect()) {
            if let TransformOutcome::Emit(None, event) = outcome {
                assert!(ids.insert(event.meta().id.clone()), "{}", event.meta().id);
            }
        }
    }
    assert_eq!(ids.len(), 5 * partitions.len());
}

#[tokio::test(start_paused = true)]
async fn every_aggregate_is_what_its_name_says() {
    let transform = window(json!({ "size": "1m", "aggregates": {
        "events": "count", "valued": { "count": "event.v" }, "total": { "sum": "event.v" }, "mean": { "avg": "event.v" },
        "least": { "min": "event.v" }, "most": { "max": "event.v" }, "kinds": { "distinct": "event.k" },
        "earliest": { "first": "event.k" }, "latest": { "last": "event.k" }, "word": { "max": "event.k.to_string()" }
    } }))
    .await;
    let feed = [
        (30, r#"{"v":2.5,"k":"b"}"#),
        (20, r#"{"v":10,"k":"a"}"#),
        (40, r#"{"v":null,"k":"b"}"#),
        (35, r#"{"v":-1,"k":"c"}"#),
        (60, r#"{"k":"end"}"#),
    ];
    assert_eq!(
        windows(&*transform, &feed),
        [json!({
            "key": "feed", "start": "1970-01-01T00:00:00.000Z", "end": "1970-01-01T00:01:00.000Z",
            "events": 4, "valued": 3, "total": 11.5, "mean": 3.833_333_333_333_333_5, "least": -1, "most": 10, "kinds": 3,
            "earliest": "a", "latest": "b", "word": "c"
        })]
    );
    let nothing = windows(&*transform, &[(1, r#"{"k":1}"#), (60, r#"{"k":1}"#)]);
    for name in ["total", "mean", "least", "most"] {
        assert_eq!(nothing[0][name], Value::Null, "{name}");
    }
    assert_eq!((&nothing[0]["valued"], &nothing[0]["latest"]), (&json!(0), &json!(1)));
}

#[tokio::test(start_paused = true)]
async fn sliding_windows_overlap_and_sessions_grow_and_merge() {
    let sliding = json!({ "kind": "sliding", "size": "30s", "every": "10s", "aggregates": { "n": "count" } });
    let found = windows(&*window(sliding).await, &[(100, "{}"), (105, "{}"), (115, "{}"), (200, "{}")]);
    let found: Vec<(&str, u64)> = found
        .iter()
        .map(|window| (&window["start"].as_str().unwrap()[14..19], window["n"].as_u64().unwrap()))
        .collect();
    let expected = [("01:20", 2), ("01:30", 3), ("01:40", 3), ("01:50", 1)];
    assert_eq!(found, expected);

    let session = json!({
        "kind": "session", "gap": "10s", "lateness": "20s", "key": "event.k",
        "aggregates": { "n": "count", "kinds": { "distinct": "event.v" }, "first": { "first": "event.v" } }
    });
    let feed = [
        (100, r#"{"k":"a","v":1}"#),
        (115, r#"{"k":"a","v":2}"#),
        (115, r#"{"k":"b","v":9}"#),
        (125, r#"{"k":"b","v":9}"#),
        (107, r#"{"k":"a","v":2}"#),
        (97, r#"{"k":"a","v":1}"#),
        (300, r#"{"k":"a"}"#),
    ];
    let found: Vec<String> = windows(&*window(session).await, &feed)
        .iter()
        .map(|window| {
            let time = |name: &str| window[name].as_str().unwrap()[14..19].to_owned();
            let (n, kinds, first) = (&window["n"], &window["kinds"], &window["first"]);
            format!("{} {}-{} {n} {kinds} {first}", window["key"], time("start"), time("end"))
        })
        .collect();
    assert_eq!(
        found,
        [r#""a" 01:37-02:05 4 2 1"#, r#""b" 01:55-02:05 1 1 9"#, r#""b" 02:05-02:15 1 1 9"#],
        "an event bridges two sessions; a pause as long as the gap ends one"
    );
}

#[tokio::test(start_paused = true)]
async fn late_events_go_as_asked_and_replayed_ones_with_them() {
    let options = |late: &str| json!({ "size": "10s", "late": late, "aggregates": { "n": "count" } });
    let feed = || {
        let mut replayed = at(101, "{}");
        replayed.meta_mut().replay = Some(Replay::default().into());
        vec![at(100, "{}"), at(110, "{}"), at(109, "{}"), replayed]
    };
    let closing = "1 thing:feed:1970-01-01T00:01:40.000Z";
    let replayed = "3 validation: a dead letter that is replayed cannot be counted: its window may be closed";
    for (late, expected) in [
        ("drop", ["2 filtered", replayed]),
        ("output", ["2 to late: 1970-01-01T00:01:49.000Z", "3 to late: 1970-01-01T00:01:41.000Z"]),
        ("dead_letter", ["2 validation: the event is late: its window is closed", replayed]),
    ] {
        let found = told(&*window(options(late)).await, &mut Memory::new(usize::MAX), feed());
        assert!(found[0].starts_with(closing), "{found:?}");
        assert_eq!(found[1..], expected, "{late}");
        let cx = Files(BTreeMap::new());
        let outputs = parse("window", &options(late))
            .outputs(&sluicebox_core::CheckContext { files: &cx, sources: &[] });
        assert_eq!(outputs, if late == "output" { vec!["late"] } else { vec![] });
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_counted_is_a_dead_letter_and_counted_nowhere() {
    let transform = window(json!({
        "size": "10s", "key": "event.k", "time": "event.t",
        "aggregates": { "n": "count", "total": { "sum": "event.v" }, "most": { "max": "event.m" } }
    }))
    .await;
    let event = |json: &str| at(0, json);
    let mut memory = Memory::new(usize::MAX);
    let page = vec![
        event(r#"{"k":"a","t":"1970-01-01T01:01:40+01:00","v":1,"m":"x"}"#),
        event(r#"{"k":"a","t":101000,"v":"2"}"#),
        event(r#"{"k":"a","t":101000,"v":2,"m":3}"#),
        event(r#"{"t":101000}"#),
        event(r#"{"k":"a"}"#),
        event(r#"{"k":"a","t":"soon"}"#),
        event(&format!(r#"{{"k":"{}","t":101000}}"#, "x".repeat(1025))),
        event(&format!(r#"{{"k":"a","t":101000,"m":"{}"}}"#, "x".repeat(20_000))),
        event(r#"{"k":"a","t":110000,"v":{}}"#),
    ];
    assert_eq!(
        told(&*transform, &mut memory, page),
        [
            "1 validation: expected a number for `total`, found text",
            "2 validation: for `most`, this event has text and others of its window a number, or the reverse",
            "3 validation: expected a value for `key`, found nothing",
            "4 validation: expected a time in RFC 3339 or whole milliseconds since 1970 for `time`, found nothing",
            "5 validation: expected a time in RFC 3339 or whole milliseconds since 1970 for `time`, found `\"soon\"`",
            "6 too_large: the key has 1025 bytes, and may have at most 1024",
            "7 too_large: the value for `most` has 20002 bytes, and at most 16384 are remembered",
            r#"8 thing:feed:a:1970-01-01T00:01:40.000Z {"key":"a","start":"1970-01-01T00:01:40.000Z","end":"1970-01-01T00:01:50.000Z","most":"x","n":1,"total":1}"#,
            "8 validation: expected a number for `total`, found a map",
        ],
        "an event that is given up moves the time all the same"
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_for_which_there_is_no_room_is_given_up_and_nothing_is_forgotten() {
    let options = json!({
        "size": "10s", "key": "event.k", "max_windows": 2, "max_distinct": 2,
        "aggregates": { "n": "count", "kinds": { "distinct": "event.v" } }
    });
    let transform = window(options).await;
    let mut memory = Memory::new(usize::MAX);
    let page = vec![
        at(100, r#"{"k":"a","v":1}"#),
        at(100, r#"{"k":"b","v":1}"#),
        at(100, r#"{"k":"c","v":1}"#),
        at(100, r#"{"k":"a","v":2}"#),
        at(100, r#"{"k":"a","v":3}"#),
        at(100, r#"{"k":"a","v":1}"#),
        at(110, r#"{"k":"c","v":1}"#),
    ];
    let found = told(&*transform, &mut memory, page);
    assert_eq!(
        found[..2],
        [
            "2 too_large: 2 windows are open, and at most 2 may be",
            "4 too_large: the window has 2 different values for `kinds`, and may have no more",
        ]
    );
    assert!(
        found[2].ends_with(r#""kinds":2,"n":3}"#) && found[3].ends_with(r#""kinds":1,"n":1}"#),
        "{found:?}"
    );
    assert_eq!(found.len(), 4, "there is room again");
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_was_changed_goes_on_with_the_windows_it_finds() {
    let mut memory = Memory::new(usize::MAX);
    let before =
        json!({ "size": "10s", "aggregates": { "n": "count", "v": { "sum": "event.v" }, "gone": "count" } });
    assert_eq!(told(&*window(before).await, &mut memory, vec![at(100, r#"{"v":5}"#)]), [] as [&str; 0]);
    let after =
        json!({ "size": "10s", "aggregates": { "n": "count", "v": { "max": "event.v" }, "new": "count" } });
    let found = told(&*window(after).await, &mut memory, vec![at(101, r#"{"v":3}"#), at(110, "{}")]);
    assert!(found[0].ends_with(r#""n":2,"new":1,"v":3}"#), "{found:?}");
}

#[test]
fn options_are_checked() {
    let files = Files(BTreeMap::new());
    let count = json!({ "n": "count" });
    for fine in [
        json!({ "size": "1m", "aggregates": count }),
        json!({ "kind": "sliding", "size": "1m", "every": "1s", "aggregates": count }),
        json!({ "kind": "session", "gap": "1m", "lateness": "0s", "aggregates": { "a": { "distinct": "event.x" } } }),
    ] {
        assert_eq!(check("window", &fine, &files), [], "{fine}");
    }
    for (more, place, message) in [
        (json!({}), "", "`size` is missing, and `kind: tumbling` needs it"),
        (json!({ "size": "0s" }), "size", "expected a time of 1 millisecond to 10 years"),
        (json!({ "size": "1m", "gap": "1s" }), "gap", "`kind: tumbling` has no `gap`"),
        (json!({ "kind": "session", "gap": "1m", "size": "1m" }), "size", "`kind: session` has no `size`"),
        (json!({ "kind": "sliding", "size": "1m" }), "", "`every` is missing"),
        (json!({ "kind": "sliding", "size": "1m", "every": "2m" }), "every", "windows that begin less often"),
        (
            json!({ "kind": "sliding", "size": "1h", "every": "1s" }),
            "every",
            "every event would be in more than 1000",
        ),
        (json!({ "size": "1m", "aggregates": {} }), "aggregates", "expected at least one aggregate"),
        (
            json!({ "size": "1m", "aggregates": { "key": "count" } }),
            "aggregates.key",
            "every window has a field `key`",
        ),
        (
            json!({ "size": "1m", "aggregates": { "a.b": "count" } }),
            "aggregates.a.b",
            "`a.b` cannot be the name",
        ),
        (json!({ "size": "1m", "aggregates": { "a": { "sum": "1 +" } } }), "aggregates.a.sum", ""),
        (json!({ "size": "1m", "key": "1 +" }), "key", ""),
        (json!({ "size": "1m", "max_windows": 0 }), "max_windows", "expected 1 to 1000000, found 0"),
    ] {
        let mut options = json!({ "aggregates": count });
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let problems = check("window", &options, &files);
        assert_eq!(problems.len(), 1, "{options}: {problems:?}");
        assert_eq!(problems[0].path, place, "{options}");
        assert!(problems[0].message.starts_with(message), "{}", problems[0].message);
    }
}
