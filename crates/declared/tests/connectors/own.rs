//! The tests that connectors bring along.

use sluicebox_declared::{Plugin, shipped};
use sluicebox_testkit::context;

#[tokio::test(start_paused = true)]
async fn every_shipped_connector_passes_its_own_tests() {
    let connectors = shipped();
    assert!(connectors.len() >= 6);
    for connector in connectors {
        let outcomes = connector.run_tests(&context("test", "feed")).await;
        assert!(outcomes.len() >= 2, "{}", connector.name());
        for outcome in outcomes {
            assert_eq!(outcome.failures, Vec::<String>::new(), "{}: {}", connector.name(), outcome.name);
        }
    }
}

const WRONG: &str = r#"
name: wrong
summary: A feed.
source:
  base_url: https://api.example.com
  request: { path: /events, query: { after: "{{ cursor }}" } }
  items: events
  cursor: { next: { body: next } }
  event: { id: id, type: kind }
tests:
  - name: everything is wrong
    polls:
      - request: GET /events?after=1
        answer: { body: { events: [{ id: 1, kind: a }, { id: 2, kind: b }, 7], next: x } }
        caught_up: true
      - answer: { status: 500 }
      - answer: { body: { events: [], next: x } }
        error: auth
        gap: true
    events: [{ id: "1", type: z }]
    cursor_after: "y"
"#;

#[tokio::test(start_paused = true)]
async fn every_difference_is_told() {
    let connector = Plugin::read("wrong.yaml", WRONG).unwrap();
    let outcomes = connector.run_tests(&context("test", "feed")).await;
    let failures = outcomes[0].failures.join("\n");
    for part in [
        "poll 1: expected the request `GET /events?after=1`, and it was `GET /events`",
        "poll 1: expected `caught_up: true`",
        "poll 2: expected a page, found `transient`",
        "poll 3: expected the error `auth`, and a page came",
        "poll 3: expected a gap, found none",
        "expected the cursor `y` at the end, found `x`",
        "expected 0 rejects, found 1",
        "expected 1 events, found 2: 1, 2",
        "event 1: expected the type `z`, found `a`",
    ] {
        assert!(failures.contains(part), "{part}\n{failures}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_connector_of_the_guide_is_sound_and_short() {
    let guide = include_str!("../../../../docs/add-an-api.md");
    let text = guide.split("```yml\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(text.lines().count() <= 80, "{} lines", text.lines().count());
    let connector = Plugin::read("mastodon_notifications.yaml", text).unwrap();
    for outcome in connector.run_tests(&context("test", "feed")).await {
        assert_eq!(outcome.failures, Vec::<String>::new(), "{}", outcome.name);
    }
}

const SIGNED: &str = r#"
name: signed
summary: A feed whose requests are signed in the query.
parameters:
  api_key: { type: text, required: true, description: The key. }
  secret: { type: secret, required: true, description: The secret. }
source:
  base_url: https://api.example.com
  auth:
    hmac:
      key: "{{ parameters.api_key }}"
      secret: "{{ parameters.secret }}"
      timestamp: milliseconds
      sign: "{{ query }}"
      headers: { X-Key: "{{ key }}" }
      query: { timestamp: "{{ timestamp }}", signature: "{{ signature }}" }
  request: { path: /events, query: { after: "{{ cursor }}" } }
  items: events
  cursor: { next: { body: next } }
  event: { id: id }
tests:
  - name: signatures differ each time and are not compared
    with: { api_key: k }
    polls:
      - request: GET /events
        answer: { body: { events: [{ id: 1 }], next: x } }
      - request: GET /events?after=x
        answer: { body: { events: [], next: x } }
    events: [{ id: "1" }]
    cursor_after: x
"#;

#[tokio::test(start_paused = true)]
async fn a_connector_can_sign_its_requests() {
    let connector = Plugin::read("signed.yaml", SIGNED).unwrap();
    for outcome in connector.run_tests(&context("test", "feed")).await {
        assert_eq!(outcome.failures, Vec::<String>::new(), "{}", outcome.name);
    }
    let wrong = SIGNED.replace("{{ signature }}", "{{ signatur }}");
    let report = Plugin::read("signed.yaml", &wrong).unwrap_err();
    assert_eq!(report.problems[0].help.as_deref(), Some("did you mean `signature`?"));
}
