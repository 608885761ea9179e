//! Look-ups that fail: what is final, what is retried, what becomes of the event, and how little is asked for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use sluicebox_emulator::{Api, Options};
use sluicebox_testkit::{Feed, Reply, Sandbox, Stub};

const ONCE: &str = "run --once --log-format json --admin off p.yaml";

/// An API with one path for each way of failing.
fn failing() -> Stub {
    Stub::new(|target| match target.split('/').nth(1) {
        Some("missing") => Reply::Json(404, "{\"id\":\"x\",\"status\":\"closed\"}".to_owned()),
        Some("forbidden") => Reply::Json(403, "{}".to_owned()),
        Some("down") => Reply::Json(503, "busy".to_owned()),
        Some("page") => Reply::Json(200, "<html>".to_owned()),
        Some("silent") => Reply::Silence,
        _ => Reply::Json(200, "{\"thing\":{\"n\":1.10}}".to_owned()),
    })
}

/// Each way of failing with the status that an event is told.
const ENDINGS: [(&str, &str); 6] = [
    ("good", "ok"),
    ("missing", "not_found"),
    ("forbidden", "forbidden"),
    ("down", "unavailable"),
    ("page", "unavailable"),
    ("silent", "unavailable"),
];

/// Twelve events through one look-up for each ending, with this `on_error`.
fn look_up(on_error: &str) -> (Sandbox, Stub) {
    let (feed, api) = (Stub::feed((1..=12).map(|id| Stub::event(id, "{}")).collect()), failing());
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    let transform = |name: &str| {
        format!(
            "  {name}: {{ type: http_lookup, inputs: [feed], url: \"{}/{name}/{{{{ event.id }}}}\", timeout: 1s, \
             select: thing, into: thing, on_error: {on_error}, retry: {{ max_elapsed: 1s }} }}\n",
            api.url()
        )
    };
    let sink = |name: &str| {
        format!("  to_{name}: {{ type: file, inputs: [{name}], path: {name}.jsonl, envelope: true }}\n")
    };
    let names = || ENDINGS.iter().map(|(name, _)| *name);
    let (transforms, sinks): (String, String) =
        (names().map(transform).collect(), names().map(sink).collect());
    sandbox.pipe(&feed, 5, &format!("transforms:\n{transforms}sinks:\n{sinks}"));
    sandbox.run(ONCE).expect(0);
    (sandbox, api)
}

/// The envelopes that went through a look-up.
fn passed(sandbox: &Sandbox, name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(sandbox.path(format!("{name}.jsonl"))).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(envelopes: &[Value]) -> Vec<String> {
    envelopes.iter().map(|envelope| envelope["event"]["id"].as_str().unwrap().to_owned()).collect()
}

fn all_ids() -> Vec<String> {
    (1..=12).map(|id| id.to_string()).collect()
}

#[test]
fn by_default_an_event_goes_on_without_the_answer_and_says_why() {
    let (sandbox, api) = look_up("pass");
    for (name, status) in ENDINGS {
        let envelopes = passed(&sandbox, name);
        assert_eq!(ids(&envelopes), all_ids(), "{name}: all of them, in order");
        for envelope in &envelopes {
            assert_eq!(envelope["meta"]["lookups"][name]["status"], status, "{name}: {envelope}");
            assert_eq!(!envelope["event"]["thing"].is_null(), status == "ok", "{name}: {envelope}");
        }
    }
    assert!(sandbox.read("good.jsonl").contains("\"thing\":{\"n\":1.10}"), "byte for byte");
    assert!(sandbox.dead_letters().is_empty());
    let asked =
        |name: &str| api.requests().iter().filter(|path| path.starts_with(&format!("/{name}/"))).count();
    assert_eq!([asked("good"), asked("missing"), asked("forbidden")], [12; 3], "404 and 403 are final");
    // Those that were under way when it began to fail, and a few probes.
    for name in ["down", "page", "silent"] {
        assert!((5..30).contains(&asked(name)), "{name}: {}", asked(name));
    }
}

#[test]
fn with_on_error_dead_letter_it_becomes_one() {
    let (sandbox, _api) = look_up("dead_letter");
    let letters = sandbox.dead_letters();
    for (name, status) in ENDINGS {
        let dead: Vec<&Value> = letters.iter().filter(|letter| letter["component"] == name).collect();
        let (passes, dies) = if status == "ok" { (12, 0) } else { (0, 12) };
        assert_eq!((passed(&sandbox, name).len(), dead.len()), (passes, dies), "{name}");
        let says = format!("the look-up `{name}` ended {status}");
        for letter in dead {
            assert_eq!(letter["reason"], "lookup", "{letter}");
            assert!(letter["error"]["message"].as_str().unwrap().starts_with(&says), "{letter}");
        }
    }
}

#[test]
fn with_on_error_drop_it_is_dropped() {
    let (sandbox, _api) = look_up("drop");
    for (name, status) in ENDINGS {
        assert_eq!(passed(&sandbox, name).len(), if status == "ok" { 12 } else { 0 }, "{name}");
    }
    assert!(sandbox.dead_letters().is_empty());
    assert_eq!(sandbox.cursors()[0]["cursor"], "12", "what is dropped does not hold up the cursor");
}

/// The emulated marketplace, whose look-ups fail in every passing way and recover.
#[test]
fn what_passes_is_retried_and_every_event_is_enriched_in_order() {
    let feed =
        Feed::new(env!("CARGO_BIN_EXE_sluicebox"), Options { events: 400, ..Options::new(Api::OpenTrain) });
    let url = feed.served.url();
    feed.pipeline(
        "limit: 100",
        &format!(
            "transforms:\n  contracts: {{ type: filter, inputs: [feed], when: '\"contractId\" in event.data' }}\n  \
             contract: {{ type: http_lookup, inputs: [contracts], url: \"{url}/contracts/{{{{ event.data.contractId }}}}\", \
             auth: {{ same_as: feed }}, select: contract, timeout: 1s, concurrency: 4 }}\n\
             sinks:\n  rows: {{ type: sqlite, inputs: [contract], path: rows.db, table: events, columns: \
             {{ id: event.id, status: meta.lookups.contract.status, contract: event.contract.id, \
             wanted: event.data.contractId }} }}\n"
        ),
    );
    let faults = [
        "status=500@3",
        "status=503@5",
        "reset@7",
        "cut=20@9",
        "malformed@11",
        "rate_limited=1@13",
        "trickle=100@15",
        "hang=20@17",
    ];
    for fault in faults {
        feed.served.fault(&format!("lookup:{fault}"));
    }
    let ended = feed.once().expect(0);
    let with_contract = feed.served.truth(0).into_iter().filter(|event| event.contains("\"contractId\""));
    let expected: Vec<String> = with_contract
        .map(|event| serde_json::from_str::<Value>(&event).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(expected.len() > 50, "{}", expected.len());
    assert_eq!(feed.rows("rows.db", "SELECT id FROM events ORDER BY rowid"), expected, "{}", ended.stderr);
    let wrong = "SELECT id FROM events WHERE status <> 'ok' OR contract <> wanted OR contract IS NULL";
    assert_eq!(feed.rows("rows.db", wrong), [""; 0], "{}", ended.stderr);
    let log = feed.served.log();
    let struck =
        log.iter().filter(|record| record.path.contains("/contracts/") && record.fault.is_some()).count();
    assert_eq!(struck, 8, "every fault has struck a look-up: {}", ended.stderr);
    let limited = log.iter().find(|record| record.retry_after.is_some()).unwrap();
    let until = limited.answered.unwrap() + limited.retry_after.unwrap();
    let early = log
        .iter()
        .filter(|it| it.arrived > limited.answered.unwrap() + Duration::from_millis(50) && it.arrived < until)
        .count();
    assert_eq!(early, 0, "source and look-up wait together");
    assert!(ended.stderr.contains("look-ups work again"), "{}", ended.stderr);
}

#[test]
fn ten_thousand_equal_keys_are_one_request() {
    let api = Stub::new(|_| {
        // Long enough for everybody to want the same.
        sleep(Duration::from_millis(300));
        Reply::Json(200, "{\"n\":1}".to_owned())
    });
    let events = (1..=10_000).map(|id| Stub::event(id, "{\"thing\":\"same\"}")).collect();
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.pipe(
        &Stub::feed(events),
        200,
        &format!(
            "transforms:\n  thing: {{ type: http_lookup, inputs: [feed], url: \"{}/{{{{ event.data.thing }}}}\", \
             concurrency: 64 }}\n\
             sinks:\n  rows: {{ type: sqlite, inputs: [thing], path: rows.db, table: events }}\n",
            api.url()
        ),
    );
    sandbox.run(ONCE).expect(0);
    let enriched = "SELECT count(*) || '' FROM events WHERE event ->> '$.thing.n' = 1";
    assert_eq!(sandbox.rows("rows.db", enriched), ["10000"]);
    assert_eq!(api.requests(), ["/same"]);
}

/// Answers come back in any order, the cache holds ten of five hundred, and the events stay as they came.
#[test]
fn order_is_kept_and_the_cache_is_bounded() {
    let api = Stub::new(|target| {
        let number: u64 = target.trim_start_matches('/').parse().unwrap();
        sleep(Duration::from_millis(number * 37 % 23));
        Reply::Json(200, format!("{{\"n\":{number}}}"))
    });
    let events = (1..=500).map(|id| Stub::event(id, &format!("{{\"thing\":{}}}", id % 100))).collect();
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.pipe(
        &Stub::feed(events),
        100,
        &format!(
            "transforms:\n  thing: {{ type: http_lookup, inputs: [feed], url: \"{}/{{{{ event.data.thing }}}}\", \
             concurrency: 16, cache: {{ max_entries: 10 }} }}\n\
             sinks:\n  out: {{ type: file, inputs: [thing], path: out.jsonl }}\n",
            api.url()
        ),
    );
    sandbox.run(ONCE).expect(0);
    for (line, id) in sandbox.read("out.jsonl").lines().zip(1..) {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (event["id"].as_str(), &event["thing"]["n"]),
            (Some(id.to_string().as_str()), &Value::from(id % 100))
        );
    }
    assert_eq!(sandbox.read("out.jsonl").lines().count(), 500);
    let asked = api.requests().len();
    assert!(asked > 300, "only ten answers of a hundred are remembered: {asked} requests");
}
