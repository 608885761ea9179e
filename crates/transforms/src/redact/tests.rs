//! Tests of `redact` as a pipeline uses it: options in, events through.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluicebox_core::{Reason, TransformOutcome};

use crate::testing::{Files, apply, build, check, context, event};

async fn redact(options: &Value, json: &str) -> String {
    let transform = build("redact", options, &context()).await;
    match apply(&*transform, vec![event("1", "a", json)]).await.remove(0) {
        (0, TransformOutcome::Emit(None, event)) => String::from_utf8(event.json().to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn faults(options: &Value) -> Vec<(String, String)> {
    let problems = check("redact", options, &Files(BTreeMap::new()));
    problems.into_iter().map(|problem| (problem.path, problem.message)).collect()
}

#[tokio::test(start_paused = true)]
async fn values_at_paths_are_hidden_and_everything_else_keeps_its_bytes() {
    let options = json!({ "paths": [
        "data.email", "data.members[].phone", "data.contacts.*.email", "data.list[1]", "data[\"a-b\"]", "data.deep"
    ] });
    let json = r#"{ "n": 1.10, "big":12345678901234567890, "data" : {"email":"\u0061lice@example.com" ,
        "members":[{"phone": "+49 151 23456789","name":"caf\u00e9 \/ x"}, {"phone":null}, {}, 7],
        "contacts":{"x":{"email":"bob@example.com"},"y":{"mail":"bob@example.com"}}, "list":[10, 4111111111111111, 12],
        "a-b": true, "deep": {"a":["Jane Doe", 1.50, null, {"b":""}]}, "Email": "carol@example.com"} }"#;
    let expected = r#"{ "n": 1.10, "big":12345678901234567890, "data" : {"email":"a***@example.com" ,
        "members":[{"phone": "***89","name":"caf\u00e9 \/ x"}, {"phone":null}, {}, 7],
        "contacts":{"x":{"email":"b***@example.com"},"y":{"mail":"bob@example.com"}}, "list":[10, "****1111", 12],
        "a-b": "***", "deep": {"a":["J***", "***", null, {"b":"***"}]}, "Email": "carol@example.com"} }"#;
    assert_eq!(redact(&options, json).await, expected);
}

#[tokio::test(start_paused = true)]
async fn repeated_and_escaped_names_hide_nothing_from_it() {
    let options = json!({ "paths": ["a.email"], "how": { "replace": "gone \"x\"" } });
    let json = r#"{"a":{"email":"1","\u0065mail":"2","em\u0061il":{"x":3}},"a":{"email":[4]},"email":"5"}"#;
    let gone = r#""gone \"x\"""#;
    let expected = format!(
        r#"{{"a":{{"email":{gone},"\u0065mail":{gone},"em\u0061il":{gone}}},"a":{{"email":{gone}}},"email":"5"}}"#
    );
    assert_eq!(redact(&options, json).await, expected);
}

#[tokio::test(start_paused = true)]
async fn dropped_fields_go_with_their_commas() {
    let options = json!({ "paths": [{ "path": "x", "how": "drop" }, { "path": "l[]", "how": "drop" },
        { "path": "m[0]", "how": "drop" }, { "path": "o.*.x", "how": "drop" }] });
    for (json, expected) in [
        (r#"{"x":1}"#, "{}"),
        (r#"{ "x" : 1 , "a":2 }"#, r#"{ "a":2 }"#),
        (r#"{"a":2, "x":[1,{"x":3}] ,"b":3}"#, r#"{"a":2 ,"b":3}"#),
        (r#"{"a":2,"x":1}"#, r#"{"a":2}"#),
        (r#"{"x":0,"x":1,"a":2,"x":3,"x":4,"b":5,"x":6}"#, r#"{"a":2,"b":5}"#),
        (r#"{"x":0, "x":1 }"#, "{ }"),
        (r#"{"l":[1,"]",{"a":"}"}],"m":[1,2]}"#, r#"{"l":[],"m":[2]}"#),
        (r#"{"o":{"a":{"x":1,"y":2},"b":{"y":"\"x\"","x":1}}}"#, r#"{"o":{"a":{"y":2},"b":{"y":"\"x\""}}}"#),
        (r#"{"o":{"a":[{"x":1}]},"y":{"x":1}}"#, r#"{"o":{"a":[{"x":1}]},"y":{"x":1}}"#),
    ] {
        assert_eq!(redact(&options, json).await, expected, "{json}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_found_in_texts_is_hidden_and_the_rest_keeps_its_escapes() {
    let options = json!({ "detect": ["email", { "find": "phone", "how": "drop" }, "card"],
        "patterns": { "ticket": "TCK-[0-9]+", "word": { "regex": "geheim", "how": { "replace": "\n" } } } });
    let json = r#"{"text":"caf\u00e9 \/ \ud83d\ude00 write \u0061lice\u0040example.com,\tcall +49 151 23456789\n","n":4111111111111111,
        "list":["4111\u00a01111 1111 1111","4111 1111 1111 1111.",{"t":"TCK-1 TCK geheim"}],"alice@example.com":"\ud800 bob@example.com"}"#;
    let expected = r#"{"text":"caf\u00e9 \/ \ud83d\ude00 write a***@example.com,\tcall \n","n":4111111111111111,
        "list":["4111\u00a01111 1111 1111","****1111.",{"t":"T*** TCK \n"}],"alice@example.com":"\ud800 b***@example.com"}"#;
    assert_eq!(redact(&options, json).await, expected);
    let untouched = r#"{"a":"\u0041 order 4155552671 at 2026-06-12T10:00:00Z", "b" : [1, "10.0.0.1"] }"#;
    assert_eq!(redact(&options, untouched).await, untouched);
}

#[tokio::test(start_paused = true)]
async fn texts_are_searched_only_where_they_should_be() {
    let json = r#"{"a":{"text":"x a@b.de"},"b":{"text":"x a@b.de","list":[{"c":"x a@b.de"}],"keep":1},"c":"x a@b.de"}"#;
    let options = json!({ "detect": ["email"], "within": ["b.list", "c"], "how": { "replace": "-" } });
    let expected =
        r#"{"a":{"text":"x a@b.de"},"b":{"text":"x a@b.de","list":[{"c":"x -"}],"keep":1},"c":"x -"}"#;
    assert_eq!(redact(&options, json).await, expected);
}

#[tokio::test(start_paused = true)]
async fn keys_are_left_alone_unless_told_otherwise_and_never_become_equal() {
    let json = r#"{"al@b.de":1,"x":{"am@b.de":{"a@b.de":2}},"an@b.de":3,"a***@b.de":4}"#;
    assert_eq!(redact(&json!({ "detect": ["email"] }), json).await, json);
    let expected = r#"{"a***@b.de~2":1,"x":{"a***@b.de":{"***@b.de":2}},"a***@b.de~3":3,"a***@b.de":4}"#;
    assert_eq!(redact(&json!({ "detect": ["email"], "keys": true }), json).await, expected);
}

#[tokio::test(start_paused = true)]
async fn equal_values_have_equal_hashes_wherever_they_stand() {
    let options = json!({ "paths": ["id", "email"], "detect": ["email"], "how": "hash", "salt": "key" });
    let changed = redact(&options, r#"{"id":7,"email":"a@b.de","text":"by \u0061@b.de!","same":"7"}"#).await;
    let event: Value = serde_json::from_str(&changed).unwrap();
    let hash = event["email"].as_str().unwrap();
    assert!(hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{hash}");
    assert_eq!(event["text"], format!("by {hash}!"));
    assert!(event["id"].is_string() && event["id"] != event["email"]);
    assert_eq!(event["same"], "7");
    assert_eq!(redact(&options, r#"{"email":"a@b.de"}"#).await, format!(r#"{{"email":"{hash}"}}"#));
    let other = json!({ "paths": ["email"], "how": "hash", "salt": "other key" });
    assert!(!redact(&other, r#"{"email":"a@b.de"}"#).await.contains(hash));
}

#[tokio::test(start_paused = true)]
async fn the_first_path_that_leads_to_a_value_wins_and_a_longer_one_over_a_shorter() {
    let options = json!({ "paths": [{ "path": "a", "how": "mask" }, { "path": "a.b", "how": { "replace": "b" } },
        { "path": "a.*", "how": { "replace": "*" } }, { "path": "a.c", "how": "drop" }] });
    let expected = r#"{"a":{"b":"b","c":"*"}}"#;
    assert_eq!(redact(&options, r#"{"a":{"b":"secret","c":"secret"}}"#).await, expected);
    assert_eq!(redact(&options, r#"{"a":["secret"]}"#).await, r#"{"a":["s***"]}"#);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_followed_to_its_end_is_a_dead_letter() {
    let transform = build("redact", &json!({ "detect": ["email"], "paths": ["x"] }), &context()).await;
    let nested = |levels: usize| format!("{{\"a\":{}\"a@b.de\"{}}}", "[".repeat(levels), "]".repeat(levels));
    let outcomes =
        apply(&*transform, vec![event("1", "a", &nested(126)), event("2", "a", &nested(127))]).await;
    let TransformOutcome::Emit(None, kept) = &outcomes[0].1 else { panic!("{outcomes:?}") };
    assert_eq!(kept.json(), nested(126).replace("a@b.de", "***@b.de"));
    let TransformOutcome::DeadLetter(_, Reason::Parse, error) = &outcomes[1].1 else {
        panic!("{outcomes:?}")
    };
    assert_eq!(error.message, "the event is nested deeper than 127 levels");
    let not_followed = build("redact", &json!({ "paths": ["x"] }), &context()).await;
    let outcomes = apply(&*not_followed, vec![event("3", "a", &nested(100_000))]).await;
    assert!(matches!(outcomes[0].1, TransformOutcome::Emit(None, _)), "nothing in there can be meant");
}

#[test]
fn options_that_make_no_sense_are_explained() {
    for (options, path) in [
        (json!({}), ""),
        (json!({ "within": ["a"] }), "within"),
        (json!({ "paths": ["a"], "keys": true }), "keys"),
        (json!({ "paths": ["a", "b..c"] }), "paths[1]"),
        (json!({ "paths": [{ "path": "a b" }] }), "paths[0].path"),
        (json!({ "paths": ["event.a"] }), "paths[0]"),
        (json!({ "detect": ["email"], "within": ["a["] }), "within[0]"),
        (json!({ "patterns": { "x": "(" } }), "patterns.x"),
        (json!({ "patterns": { "x": { "regex": "a(?=b)" } } }), "patterns.x.regex"),
        (json!({ "patterns": { "x": "a*" } }), "patterns.x"),
        (json!({ "paths": ["a"], "how": "hash" }), "salt"),
        (json!({ "detect": [{ "find": "email", "how": "hash" }] }), "salt"),
    ] {
        let faults = faults(&options);
        assert!(faults.iter().any(|fault| fault.0 == path), "{options}: {faults:?}");
    }
    assert_eq!(
        faults(&json!({ "patterns": { "x": "(" } }))[0].1,
        "this is no regular expression: unclosed group"
    );
    assert!(faults(&json!({ "paths": ["a"], "how": "hash", "salt": "s" })).is_empty());
}

/// Random events of pieces that are hard to read: escapes, quotes, brackets inside texts, empty and repeated names.
fn random_json(next: &mut impl FnMut(usize) -> usize, depth: usize) -> String {
    const TEXTS: [&str; 10] = [
        r"\u0061lice\u0040example.com\n",
        r"\\",
        r#"\""#,
        "}],{",
        r"\ud83d\ude00",
        r"\ud800",
        "é a@b.de ",
        "+49 151 23456789",
        "",
        r"4111-1111\/",
    ];
    let text = |next: &mut dyn FnMut(usize) -> usize| {
        let parts: Vec<&str> = (0..next(4)).map(|_| TEXTS[next(TEXTS.len())]).collect();
        format!("\"{}\"", parts.concat())
    };
    let gap = [" ", "", "\n", "\t "][next(4)];
    match next(if depth == 0 { 4 } else { 8 }) {
        0 => "null".to_owned(),
        1 => ["-1.50e+3", "12345678901234567890", "true"][next(3)].to_owned(),
        2 | 3 => text(next),
        4 | 5 => {
            let items: Vec<String> = (0..next(4)).map(|_| random_json(next, depth - 1)).collect();
            format!("[{gap}{}{gap}]", items.join(&format!("{gap},{gap}")))
        }
        _ => random_map(next, depth, gap),
    }
}

fn random_map(next: &mut impl FnMut(usize) -> usize, depth: usize, gap: &str) -> String {
    let entries: Vec<String> = (0..next(5))
        .map(|_| {
            let key = ["a", r"\u0061", "b", r#"x\""#, "", "a@b.de"][next(6)];
            format!("\"{key}\"{gap}:{gap}{}", random_json(next, depth - 1))
        })
        .collect();
    format!("{{{gap}{}{gap}}}", entries.join(&format!(",{gap}")))
}

#[tokio::test(start_paused = true)]
async fn whatever_the_event_is_spelt_like_it_stays_json_and_nothing_found_is_left() {
    let mut state = 7_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let options = json!({ "detect": ["email", "phone"], "keys": true, "how": { "replace": "\"-\"" },
        "paths": [{ "path": "a", "how": "drop" }, { "path": "b[0]", "how": "drop" }, { "path": "*.b", "how": "mask" }] });
    let transform = build("redact", &options, &context()).await;
    for _ in 0..3_000 {
        let json = random_map(&mut next, 5, " ");
        let TransformOutcome::Emit(None, event) =
            apply(&*transform, vec![event("1", "a", &json)]).await.remove(0).1
        else {
            panic!("{json}")
        };
        let changed = event.json();
        let fields = sluicebox_core::object_fields(std::str::from_utf8(&changed).unwrap());
        let fields = fields.unwrap_or_else(|error| panic!("{error}: {json} became {changed:?}"));
        assert!(fields.iter().all(|(name, _)| name != "a"), "{json} became {changed:?}");
        let left = String::from_utf8_lossy(&changed).into_owned();
        assert!(!left.contains("a@b.de") && !left.contains("40example"), "{left}");
        let again = apply(&*transform, vec![event.clone()]).await.remove(0).1;
        assert!(matches!(again, TransformOutcome::Emit(None, _)));
    }
}
