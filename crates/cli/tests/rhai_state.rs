//! The declared state of a script, in the program as users run it: what it counts survives kill -9, restarts and other
//! scripts, and ends with its cursor.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on says so")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use sluicebox_emulator::{Api, Options};
use sluicebox_testkit::{Feed, Process, Sandbox};

const RUN: &str = "run --log-format json --admin off p.yaml";

/// Every fiftieth event fails after it has counted.
const PIPELINE: &str = r#"
transforms:
  counted:
    type: rhai
    inputs: [feed]
    state:
      by_type: { kind: counter, key: meta.type }
      all: { kind: counter }
      last: { kind: value, key: event.type }
      types: { kind: set, key: '"of " + meta.account', ttl: 3650d }
    source: |
      let count = state.add("by_type", 1);
      event.count = count;
      event.all = state.add("all");
      event.before = state.get("last") ?? "none";
      state.set("last", event.id);
      event.is_new = state.add("types", event.type);
      if parse_int(event.id) % 50 == 0 { dead_letter("every fiftieth") }
sinks:
  rows: { type: sqlite, inputs: [counted], path: rows.db, table: events, batch: { max_events: 70 } }
  exact: { type: file, inputs: [counted], path: exact.jsonl, delivery: exactly_once }
  plain: { type: file, inputs: [counted], path: plain.jsonl, batch: { max_events: 30 } }
  slower: { type: blackhole, inputs: [counted], delay: 5ms, batch: { max_events: 20 } }
"#;

fn kills() -> u64 {
    std::env::var("SLUICEBOX_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(15)
}

/// What the script must have made of everything that was served, in order.
fn expected(feed: &Feed) -> Vec<Value> {
    let (mut counts, mut last) = (BTreeMap::<String, u64>::new(), BTreeMap::<String, Value>::new());
    let mut made = Vec::new();
    for event in feed.served.truth(0) {
        let mut event: Value = serde_json::from_str(&event).unwrap();
        if event["id"].as_str().unwrap().parse::<u64>().unwrap().is_multiple_of(50) {
            continue;
        }
        let kind = event["type"].as_str().unwrap().to_owned();
        let count = counts.entry(kind.clone()).or_default();
        *count += 1;
        event["count"] = json!(*count);
        event["is_new"] = json!(*count == 1);
        event["all"] = json!(made.len() + 1);
        event["before"] = last.insert(kind, event["id"].clone()).unwrap_or_else(|| json!("none"));
        made.push(event);
    }
    made
}

fn parsed(lines: &[String]) -> Vec<Value> {
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn lines(sandbox: &Sandbox, file: &str) -> Vec<Value> {
    let lines: Vec<String> = sandbox.read(file).lines().map(str::to_owned).collect();
    parsed(&lines)
}

/// The counts of a file, in order.
fn counts(sandbox: &Sandbox, file: &str) -> Vec<u64> {
    lines(sandbox, file).iter().map(|event| event["count"].as_u64().unwrap()).collect()
}

#[test]
fn counts_are_neither_lost_nor_repeated_however_often_the_program_is_killed() {
    let latency = Duration::from_millis(2);
    let options = Options { events: 2000, latency, ..Options::new(Api::OpenTrain) };
    let feed = Feed::new(env!("CARGO_BIN_EXE_sluicebox"), options);
    feed.pipeline("limit: 20", PIPELINE);
    let mut seen = Vec::new();
    for round in 0..kills() {
        feed.kill_in_flight(RUN, round);
        let arrived = feed.rows("rows.db", "SELECT _event_id FROM events").len();
        let cursor = feed.cursor(0)["cursor"].as_str().map_or(0, |cursor| cursor.parse::<usize>().unwrap());
        seen.push((feed.served.truth(0).len(), arrived, cursor));
        feed.served.append(0, 500);
    }
    println!("at each kill: events, those that had arrived in SQLite, the saved cursor: {seen:?}");
    feed.once().expect(0);
    let expected = expected(&feed);
    let rows = parsed(&feed.rows("rows.db", "SELECT event FROM events ORDER BY rowid"));
    assert!(rows == expected, "SQLite: each count once, in order");
    assert!(lines(&feed, "exact.jsonl") == expected, "the exact file: each count once, in order");
    let repeated = lines(&feed, "plain.jsonl");
    let distinct: BTreeSet<String> = repeated.iter().map(Value::to_string).collect();
    println!(
        "{} events, of which the plain file repeats {}",
        expected.len(),
        repeated.len() - distinct.len()
    );
    let all: BTreeSet<String> = expected.iter().map(Value::to_string).collect();
    assert!(distinct == all, "what is repeated has the count that it had");
    let letters = feed.dead_letters();
    assert_eq!(letters.len(), feed.served.truth(0).len() / 50);
    let in_flight = seen.iter().filter(|(served, arrived, _)| arrived < served).count();
    assert!(in_flight * 5 >= seen.len() * 4, "most kills land in the middle of work: {seen:?}");
}

/// A counter into a plain file.
fn counter(script: &str) -> String {
    format!(
        "transforms:\n  counted:\n    type: rhai\n    inputs: [feed]\n    state:\n      n: {{ kind: counter }}\n    \
         source: '{script}'\nsinks:\n  out: {{ type: file, inputs: [counted], path: out.jsonl }}\n"
    )
}

fn feed(events: u64) -> Feed {
    Feed::new(env!("CARGO_BIN_EXE_sluicebox"), Options { events, ..Options::new(Api::OpenTrain) })
}

#[test]
fn another_script_goes_on_with_the_count_and_a_reset_begins_afresh() {
    let feed = feed(30);
    feed.pipeline("", &counter(r#"event.count = state.add("n", 1);"#));
    feed.once().expect(0);
    assert_eq!(counts(&feed, "out.jsonl"), (1..=30).collect::<Vec<_>>());
    feed.served.append(0, 5);
    feed.pipeline("", &counter(r#"event.count = state.add("n", 10) + 1000;"#));
    feed.once().expect(0);
    assert_eq!(counts(&feed, "out.jsonl")[30..], [1040, 1050, 1060, 1070, 1080]);
    feed.run("cursor reset p feed/a0 --yes").expect(0);
    feed.pipeline("", &counter(r#"event.count = state.add("n", 1);"#));
    feed.once().expect(0);
    assert_eq!(
        counts(&feed, "out.jsonl")[35..],
        (1..=35).collect::<Vec<_>>(),
        "the events come again, and count anew"
    );
}

#[test]
fn each_account_counts_by_itself_and_a_replayed_letter_has_a_memory_of_its_own() {
    let feed = Feed::new(
        env!("CARGO_BIN_EXE_sluicebox"),
        Options { events: 10, accounts: 2, ..Options::new(Api::OpenTrain) },
    );
    let broken = counter(r#"event.count = state.add("n", 1); if event.count > 8 { event.nope.len() }"#);
    feed.pipeline("", &broken);
    feed.once().expect(0);
    let mut made = counts(&feed, "out.jsonl");
    made.sort_unstable();
    let twice: Vec<u64> = (1..=8).flat_map(|count| [count, count]).collect();
    assert_eq!(made, twice);
    assert_eq!(feed.dead_letters().len(), 4);
    feed.pipeline("", &counter(r#"event.count = state.add("n", 1);"#));
    let ids: Vec<String> =
        feed.dead_letters().iter().map(|letter| letter["id"].to_string().replace('"', "")).collect();
    feed.run(&format!("dlq replay {}", ids.join(" "))).expect(0);
    feed.once().expect(0);
    let replayed = counts(&feed, "out.jsonl")[16..].to_vec();
    assert_eq!((replayed.len(), feed.dead_letters().len()), (4, 0));
    feed.served.append(0, 1);
    feed.once().expect(0);
    assert_eq!(counts(&feed, "out.jsonl")[20..], [9], "what was replayed has not counted here: {replayed:?}");
}

#[test]
fn what_is_wrong_with_a_state_is_shown_where_it_stands() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    let check = |state: &str, script: &str| {
        let pipeline = format!(
            "sources:\n  stream: {{ type: generate, count: 1 }}\ntransforms:\n  counted:\n    type: rhai\n    inputs: [stream]\n    \
             state:\n      seen: {{ {state} }}\n    source: '{script}'\nsinks:\n  out: {{ type: blackhole, inputs: [counted] }}\n"
        );
        sandbox.write("p.yaml", &pipeline);
        sandbox.run("check p.yaml")
    };
    let told = check("kind: counter, key: meta.key, ttl: 1d", r#"state.add("seen");"#).expect(0);
    assert!(told.stderr.is_empty(), "{}", told.stderr);
    for (state, script, says) in [
        (
            "kind: counter",
            r#"state.add("sen");"#,
            &["p.yaml:9:24", "`sen` is not declared", "did you mean `seen`?"][..],
        ),
        ("kind: conter", "true", &["p.yaml:8:21", "did you mean `counter`?"]),
        ("kind: counter, tll: 1d", "true", &["p.yaml:8:30", "did you mean `ttl`?"]),
        ("kind: counter, key: meta.kee", "true", &["p.yaml:8:", "meta.kee"]),
        ("kind: set, key: (", "true", &["p.yaml:8:"]),
    ] {
        let finished = check(state, script);
        let told = format!("{}{}", finished.stdout, finished.stderr);
        for part in says {
            assert!(told.contains(part), "{state} {script}\n{told}\nhas no {part}");
        }
    }
}

#[test]
fn rules_can_be_tried_with_a_state() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write("events.jsonl", "{\"u\":\"a\"}\n{\"u\":\"b\"}\n{\"u\":\"a\"}\n");
    sandbox.write("count.rhai", "event.n = state.add(\"seen\", 1);");
    let run = |state: &str| {
        let mut command = sandbox.command("rule count.rhai --events events.jsonl --state");
        let mut process = Process::start(command.arg(state));
        process.close_input();
        process.finish()
    };
    let counted = run("seen: { kind: counter, key: event.u, max_keys: 5 }").expect(0);
    assert_eq!(counted.stdout, "{\"u\":\"a\",\"n\":1}\n{\"u\":\"b\",\"n\":1}\n{\"u\":\"a\",\"n\":2}\n");
    for (state, says) in [
        ("sen: { kind: counter }", "did you mean `sen`?"),
        ("seen: { kind: count }", "unknown variant `count`"),
        ("seen: { kind: counter, ttl: 0s }", "`state.seen.ttl`: expected a duration above zero"),
        ("seen: {", "--state:1:"),
    ] {
        let told = run(state).expect(78).stderr;
        assert!(told.contains(says), "{state}\n{told}\nhas no {says}");
    }
}

#[test]
fn the_reference_has_it() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    let page = sandbox.run("explain rhai").expect(0).stdout;
    for part in ["state", "max_items", "kind: counter"] {
        assert!(page.contains(part), "{page}");
    }
    let page = sandbox.run("explain rhai.state.add").expect(0).stdout;
    assert!(page.contains("state.add(name, amount or item)"), "{page}");
}
