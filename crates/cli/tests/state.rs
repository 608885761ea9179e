//! `cursor` and `dlq`: reading beside a running instance, changing only without one.

use sluicebox_testkit::{Process, Sandbox, wait_for};

/// Every message is a dead letter in `rule`.
const MARKET: &str = r#"
sources:
  market: { type: opentrain_updates, base_url: "${OPENTRAIN_URL}", token: "${OPENTRAIN_TOKEN}", interval: 1s, rate: unlimited }
transforms:
  rule: { type: rhai, inputs: [market], file: rule.rhai }
sinks:
  lines: { type: file, inputs: [rule], path: market.jsonl }
"#;

const RULE: &str = r#"
event.seen = true;
if meta.type == "message.received" {
    event.missing.trim();
}
"#;

/// Everything is a dead letter.
const CHAT: &str = r#"
sources:
  chat:
    type: zenzap_updates
    base_url: ${ZENZAP_URL}
    auth: { api_key: { key: "${ZENZAP_KEY}", secret: "${ZENZAP_SECRET}" } }
    timeout: 1s
    rate: unlimited
transforms:
  rule: { type: rhai, inputs: [chat], source: 'dead_letter("by hand")' }
sinks:
  none: { type: blackhole, inputs: [rule] }
"#;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write("market.yaml", MARKET);
    sandbox.write("rule.rhai", RULE);
    sandbox
}

/// Starts the pipeline and waits until its position is saved.
fn running(sandbox: &Sandbox, last_id: &str) -> Process {
    let mut process = sandbox.start("run market.yaml --admin off");
    process.wait_for_log("caught up");
    wait_for("the saved position", || {
        let rows = sandbox.run("cursor show market --format json").json_lines();
        (rows.first()?["cursor"] == last_id).then_some(())
    });
    process
}

fn id_of(event: &str) -> String {
    let event: serde_json::Value = serde_json::from_str(event).expect("JSON");
    event["id"].as_str().expect("an id").to_owned()
}

#[test]
fn positions_are_read_beside_a_running_instance_and_changed_without_one() {
    let mut sandbox = sandbox();
    let market = sandbox.emulate_with_variables("opentrain --events 120");
    let events = market.events();
    let process = running(&sandbox, &id_of(&events[119]));
    let rows = sandbox.run("cursor show --format json").expect(0).json_lines();
    assert_eq!(rows.len(), 1);
    for key in ["pipeline", "source", "account", "cursor", "safe_seq", "committed_at", "paused"] {
        assert!(rows[0].get(key).is_some(), "{key} is missing in {}", rows[0]);
    }
    let text = sandbox.run("cursor show").expect(0).stdout;
    assert!(text.starts_with(&format!("market market {} ", id_of(&events[119]))), "{text}");

    sandbox.run("cursor set market market 1 --yes").expect(75);
    sandbox.run("cursor reset market market --yes").expect(75);
    process.terminate();
    process.finish().expect(0);

    let refused = sandbox.run("cursor set market market 1").expect(1);
    assert!(refused.stderr.contains("nothing was changed"), "{}", refused.stderr);
    let moved = sandbox.run(&format!("cursor set market market {} --yes", id_of(&events[99]))).expect(0);
    assert_eq!(moved.stdout, format!("old: {}\nnew: {}\n", id_of(&events[119]), id_of(&events[99])));
    let before = sandbox.read("market.jsonl").lines().count();
    sandbox.run("run --once market.yaml --admin off").expect(0);
    let is_message = |event: &&String| event.contains("\"message.received\"");
    let again = events[100..].iter().filter(|event| !is_message(event)).count();
    assert_eq!(sandbox.read("market.jsonl").lines().count(), before + again, "the last 20 come again");

    sandbox.run("cursor reset market market --yes").expect(0);
    sandbox.run("run --once market.yaml --admin off").expect(0);
    let all = events.iter().filter(|event| !is_message(event)).count();
    assert_eq!(sandbox.read("market.jsonl").lines().count(), before + again + all, "all come again");
}

#[test]
fn names_that_are_not_there_are_wrong_usage() {
    let mut sandbox = sandbox();
    let _market = sandbox.emulate_with_variables("opentrain --events 5");
    assert_eq!(sandbox.run("cursor show").expect(0).stdout, "", "nothing has run");
    sandbox.run("cursor show market").expect(2);
    sandbox.run("cursor set market market 1 --yes").expect(2);
    assert!(!sandbox.path(".sluicebox").exists(), "looking makes no state");
    sandbox.run("run --once market.yaml --admin off").expect(0);
    let finished = sandbox.run("cursor set market markt 1 --yes").expect(2);
    assert!(finished.stderr.contains("help: there is market"), "{}", finished.stderr);
    sandbox.run("dlq list nothing").expect(2);
    sandbox.run("dlq show 0-0").expect(2);
}

#[test]
fn dead_letters_are_read_beside_a_running_instance() {
    let mut sandbox = sandbox();
    let market = sandbox.emulate_with_variables("opentrain --events 80");
    let events = market.events();
    let messages: Vec<_> = events.iter().filter(|event| event.contains("\"message.received\"")).collect();
    assert!(!messages.is_empty(), "the feed has messages");
    let process = running(&sandbox, &id_of(&events[79]));

    let list = sandbox.run("dlq list").expect(0).stdout;
    assert_eq!(list.lines().count(), messages.len());
    let first = list.lines().next().expect("a line");
    let parts: Vec<&str> = first.splitn(7, ' ').collect();
    let meta_id = format!("opentrain:market:{}", id_of(messages[0]));
    assert_eq!(parts[2..5], ["rule", "script", meta_id.as_str()], "{first}");
    assert!(parts[5].starts_with("rule.rhai:4:"), "{first}");

    let rows = sandbox.run("dlq list market --format json").expect(0).json_lines();
    for key in
        ["id", "time", "pipeline", "component", "account", "reason", "error", "attempts", "meta", "event"]
    {
        assert!(rows[0].get(key).is_some(), "{key} is missing in {}", rows[0]);
    }
    assert_eq!(rows[0]["event"]["id"], id_of(messages[0]));
    let shown = sandbox.run(&format!("dlq show {}", parts[0])).expect(0).stdout;
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown, rows[0]);
    process.terminate();
    process.finish().expect(0);
}

/// Attachments of the team chat come with links that let their reader in.
#[test]
fn signed_links_are_shown_without_their_query_unless_raw() {
    let mut sandbox = sandbox();
    let _chat = sandbox.emulate_with_variables("zenzap --events 100");
    sandbox.write("chat.yaml", CHAT);
    sandbox.run("run --once chat.yaml --admin off").expect(0);
    let is_signed = |line: &&str| line.contains("?token=");
    let list = |arguments: &str| sandbox.run(&format!("dlq list --format json {arguments}")).expect(0).stdout;
    let (raw, shown) = (list("--raw"), list(""));
    assert_eq!((raw.lines().count(), shown.lines().count()), (100, 100));
    let signed = raw.lines().find(is_signed).expect("an event with a signed link");
    assert_eq!(shown.lines().find(is_signed), None);
    assert!(shown.contains("?…"), "the place of the link is shown");

    let id = serde_json::from_str::<serde_json::Value>(signed).expect("JSON")["id"].clone();
    let id = id.as_str().expect("an id");
    assert!(!sandbox.run(&format!("dlq show {id}")).expect(0).stdout.contains("?token="));
    assert!(sandbox.run(&format!("dlq show --raw {id}")).expect(0).stdout.contains("?token="));
}

#[test]
fn a_newer_or_damaged_state_is_78_for_readers_too() {
    let mut sandbox = sandbox();
    let _market = sandbox.emulate_with_variables("opentrain --events 5");
    sandbox.run("run --once market.yaml --admin off").expect(0);
    std::fs::write(sandbox.path(".sluicebox/market/state.db"), "x".repeat(8192)).expect("written");
    let finished = sandbox.run("cursor show").expect(78);
    assert!(finished.stderr.contains("state.db"), "{}", finished.stderr);
    sandbox.run("dlq list").expect(78);
}
