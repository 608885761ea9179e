//! The prompt without a terminal: an entry in, a text out.

use insta::assert_snapshot;
use sluicebox_core::Timestamp;

use super::*;

const FIRST: &str = r#"{"id":"1","type":"payment.pending","createdAt":"2026-06-12T10:00:00.000Z","price":1.10,"items":[{"a":1},{"a":2}]}"#;
const SECOND: &str = r#"{"type":"other","x":"y"}"#;

/// What a session over two events answers to each entry.
async fn answers(entries: &[&str]) -> Vec<String> {
    let registry = sluicebox_bundle::registry();
    let read = |line: &str| sample::read(line.as_bytes(), 2, Timestamp::default()).unwrap();
    let mut session = Session::new(&registry, vec![read(FIRST), read(SECOND)], None, false);
    let mut answers = Vec::new();
    for entry in entries {
        answers.push(match session.enter(entry).await {
            Answer::Text(text) => text,
            Answer::End => "the end".to_owned(),
        });
    }
    answers
}

async fn answer(entry: &str) -> String {
    answers(&[entry]).await.remove(0)
}

#[tokio::test]
async fn an_expression_shows_its_value() {
    assert_eq!(answer("event.price * 2").await, "2.2\n");
    assert_eq!(answer("meta.id").await, "\"opentrain:opentrain:1\"\n");
    assert_eq!(answer("event.nope.deeper").await, "()   nothing: a missing field, or null\n");
    assert_eq!(answer("event.items[0]").await, "{\n  \"a\": 1\n}\n");
    assert_eq!(answer("   ").await, "");
}

#[tokio::test]
async fn what_scripts_remember_lasts_as_long_as_the_session() {
    let registry = sluicebox_bundle::registry();
    let event = sample::read(SECOND.as_bytes(), 2, Timestamp::default()).unwrap();
    let state = "seen: { kind: counter, key: event.type }".to_owned();
    let mut session = Session::new(&registry, vec![event], Some(state), false);
    for count in 1..=2 {
        let Answer::Text(told) = session.enter("event.n = state.add(\"seen\", 1);").await else { panic!() };
        assert!(told.contains(&format!("\"n\": {count}")), "{told}");
    }
}

#[tokio::test]
async fn a_value_that_would_decide_as_a_last_one_says_so() {
    assert_eq!(answer("event.price > 1").await, "true\n");
    assert_eq!(answer("event.price > 2").await, "false\n(the last value of a script: it drops the event)\n");
    assert_eq!(
        answer("#{ a: 1 }").await,
        "{\n  \"a\": 1\n}\n(the last value of a script: it replaces the event)\n"
    );
    assert!(answer("event.items").await.ends_with("it makes 2 events of the event)\n"));
}

#[tokio::test]
async fn a_script_shows_what_it_changed_and_the_next_one_goes_on_from_there() {
    let answers =
        answers(&["event.price += 1; event.remove(\"items\");", "event.new_one = event.price;", ":show"])
            .await;
    assert_snapshot!(answers[0], @r#"
      {
        "id": "1",
        "type": "payment.pending",
        "createdAt": "2026-06-12T10:00:00.000Z",
    ~   "price": 2.1   (was 1.10)
    -   "items": [
    -     {
    -       "a": 1
    -     },
    -     {
    -       "a": 2
    -     }
    -   ]
      }
    "#);
    assert!(answers[1].contains("+   \"new_one\": 2.1\n"), "{}", answers[1]);
    assert!(!answers[1].contains('~'), "only what the last script did: {}", answers[1]);
    assert!(answers[2].contains("~   \"price\": 2.1"), "{}", answers[2]);
    assert!(answers[2].contains("    \"account\": \"opentrain\""), "{}", answers[2]);
}

#[tokio::test]
async fn every_outcome_is_told() {
    let script = "emit(#{ first: true }); to(\"big\"); event.items";
    assert_snapshot!(answer(script).await, @r#"
    opentrain:opentrain:1/main/0
      {
        "first": true
      }
    to big: opentrain:opentrain:1/big/0
      {
        "a": 1
      }
    to big: opentrain:opentrain:1/big/1
      {
        "a": 2
      }
    "#);
    assert_eq!(answer("drop();").await, "dropped\n");
    assert_eq!(answer("let x = 1;").await, "the event, unchanged\n");
    assert_eq!(answer("to(\"big\");").await, "to big: the event, unchanged\n");
}

#[tokio::test]
async fn an_error_shows_its_place() {
    assert_snapshot!(answer("let x = 1;\nif x > 0 { throw \"no\"; }").await, @r#"
    error: no
     --> input:2:12
      |
    2 | if x > 0 { throw "no"; }
      |            ^^^^^
    "#);
    assert!(answer("event.price > ").await.starts_with("error: script is incomplete\n --> input:1:"));
    assert!(answer("amount > 5").await.contains("`amount` is not known here"));
    let given_up = answer("dead_letter(\"no price\");").await;
    assert!(given_up.starts_with("error: given up: no price\n --> input:1:1\n"), "{given_up}");
    let failed = answer("event.nope.len()").await;
    assert!(failed.starts_with("error: ") && failed.contains(" --> input:1:12\n"), "{failed}");
}

#[tokio::test]
async fn commands_walk_the_samples() {
    let answers = answers(&[
        ":next",
        ":next",
        "event.x",
        ":prev",
        "event.price = 0;",
        ":reset",
        "event.price",
        ":events",
    ])
    .await;
    assert_eq!(answers[0], "lines:lines:2 other\n");
    assert_eq!(answers[1], "there is no other event that way: this is 2 of 2\n");
    assert_eq!(answers[2], "\"y\"\n");
    assert_eq!(answers[3], "opentrain:opentrain:1 payment.pending\n");
    assert_eq!(answers[6], "1.1\n");
    assert_eq!(answers[7], ">    1 opentrain:opentrain:1 payment.pending\n     2 lines:lines:2 other\n");
}

#[tokio::test]
async fn commands_that_are_none_are_told() {
    assert_eq!(answer(":nxt").await, "there is no command :nxt; did you mean :next?\n");
    assert_eq!(answer(":bananas").await, "there is no command :bananas; :help lists them\n");
    assert_eq!(answer(":quit").await, "the end");
    assert!(answer(":help").await.contains(":load"));
    assert!(answer(":help truncate").await.contains("truncate(text, length)"));
    assert!(answer(":help nonsense").await.starts_with("there is no function `nonsense`"));
}

#[tokio::test]
async fn a_script_and_other_samples_are_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("a.rhai"), "event.price = 5;\nevent.nope.x();\n").unwrap();
    std::fs::write(path("b.jsonl"), "{\"type\":\"b\"}\n\n{\"type\":\"c\"}\n").unwrap();
    std::fs::write(path("bad.jsonl"), "{}\n[1]\n").unwrap();
    let load = |name: &str| format!(":load {}", path(name));
    let entries = [load("a.rhai"), ":load".to_owned(), load("b.jsonl"), load("bad.jsonl"), load("gone.rhai")];
    let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
    let answers = answers(&entries).await;
    assert!(answers[0].contains("a.rhai:2:12"), "{}", answers[0]);
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[2], "2 events\nlines:lines:1 b\n");
    assert!(answers[3].contains("bad.jsonl:2: not a JSON object"), "{}", answers[3]);
    assert!(answers[4].contains("gone.rhai: not found"), "{}", answers[4]);
    assert!(answer(":load").await.starts_with("give a script"));
}
