//! `run`: both APIs into files and SQLite over TCP, side by side, with the exit codes that scripts rely on.

use sluicebox_emulator::Api;
use sluicebox_testkit::{Form, Sandbox, for_both_forms, wait_for};

fn market(form: Form) -> String {
    let (kind, access) = (form.source_type(Api::OpenTrain), access(form, Api::OpenTrain));
    format!(
        "sources:
  market: {{ type: {kind}, base_url: \"${{OPENTRAIN_URL}}\", {access}, interval: 1s, rate: unlimited }}
sinks:
  lines: {{ type: file, inputs: [market], path: market.jsonl }}
  rows: {{ type: sqlite, inputs: [market], path: market.db }}
"
    )
}

fn chat(form: Form) -> String {
    let (kind, access) = (form.source_type(Api::Zenzap), access(form, Api::Zenzap));
    format!(
        "sources:
  chat: {{ type: {kind}, base_url: \"${{ZENZAP_URL}}\", {access}, timeout: 1s, rate: unlimited }}
sinks:
  lines: {{ type: file, inputs: [chat], path: chat.jsonl }}
"
    )
}

/// The credentials, in the variables that the sandbox gives them.
fn access(form: Form, api: Api) -> String {
    let variable = |name: &str| format!("${{{}_{}}}", api.to_string().to_uppercase(), name.to_uppercase());
    form.access_entries(api, variable).join(", ")
}

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"))
}

fn both_apis_land_whole_and_a_second_run_adds_nothing(form: Form) {
    let mut sandbox = sandbox();
    let emulated_market = sandbox.emulate_with_variables("opentrain --events 700 --seed 5");
    let emulated_chat = sandbox.emulate_with_variables("zenzap --events 300 --seed 5");
    sandbox.write("all/market.yaml", &market(form));
    sandbox.write("all/chat.yaml", &chat(form));
    let finished = sandbox.run("run --once all").expect(0);
    let state = sandbox.path(".sluicebox").canonicalize().expect("the state exists");
    assert!(
        finished.stderr.contains(&format!("the state lies in {}", state.display())),
        "{}",
        finished.stderr
    );
    assert_eq!(finished.stdout, "", "logs go to stderr");
    assert!(sandbox.read("market.jsonl").lines().eq(emulated_market.events()));
    assert!(sandbox.read("chat.jsonl").lines().eq(emulated_chat.events()));

    emulated_market.control("POST", "append?n=50", "");
    sandbox.run("run --once all/market.yaml all/chat.yaml").expect(0);
    assert!(sandbox.read("market.jsonl").lines().eq(emulated_market.events()));
    assert!(sandbox.read("chat.jsonl").lines().eq(emulated_chat.events()));
}

for_both_forms!(
    both_apis_land_whole_and_a_second_run_adds_nothing,
    a_refused_token_pauses_and_ends_with_1,
    sigterm_and_sigint_drain_and_end_with_0,
);

#[test]
fn one_pipeline_that_fails_stops_no_other() {
    let mut sandbox = sandbox();
    let emulated_market = sandbox.emulate_with_variables("opentrain --events 20");
    sandbox.write(
        "a.yaml",
        "sources: { x: { type: nonsense } }\nsinks: { y: { type: blackhole, inputs: [x] } }\n",
    );
    sandbox.write("b.yaml", &market(Form::BuiltIn));
    let finished = sandbox.run("run --once a.yaml b.yaml").expect(78);
    assert!(finished.stderr.contains("a.yaml:1:"), "{}", finished.stderr);
    assert_eq!(sandbox.read("market.jsonl").lines().count(), emulated_market.events().len());
}

#[test]
fn two_files_of_one_name_are_refused() {
    let sandbox = sandbox();
    let pipeline = "name: same\nsources: { x: { type: generate, count: 3 } }\nsinks: { y: { type: blackhole, inputs: [x] } }\n";
    sandbox.write("a.yaml", pipeline);
    sandbox.write("b.yaml", pipeline);
    let finished = sandbox.run("run --once a.yaml b.yaml").expect(78);
    assert!(finished.stderr.contains("b.yaml has the name of another pipeline"), "{}", finished.stderr);
}

#[test]
fn wrong_usage_is_2() {
    let sandbox = sandbox();
    sandbox.write("market.yaml", &market(Form::BuiltIn));
    sandbox.run("run nothing.yaml").expect(2);
    sandbox.run("run").expect(2);
    sandbox.run("run market.yaml --state-dir /").expect(2);
    sandbox.run("run market.yaml --admin 0.0.0.0:0").expect(2);
    sandbox.run("run market.yaml --admin nonsense").expect(2);
    let unset = sandbox.run("run market.yaml --once").expect(78);
    assert!(unset.stderr.contains("the variable `OPENTRAIN_URL` is not set"), "{}", unset.stderr);
}

fn a_refused_token_pauses_and_ends_with_1(form: Form) {
    let mut sandbox = sandbox();
    let emulated_market = sandbox.emulate_with_variables("opentrain --events 20");
    emulated_market.control("POST", "revoke", "");
    sandbox.write("market.yaml", &market(form));
    let finished = sandbox.run("run --once market.yaml --log-format json").expect(1);
    let lines: Vec<serde_json::Value> =
        finished.stderr.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    let paused = lines.iter().find(|line| line["event"] == "paused").expect("a line about the pause");
    assert_eq!((&paused["pipeline"], &paused["component"]), (&"market".into(), &"market".into()));
    assert_eq!((&paused["account"], &paused["reason"]), (&"market".into(), &"auth".into()));
    for line in &lines {
        for key in ["time", "level", "message", "pipeline", "component", "account", "event"] {
            assert!(line.get(key).is_some(), "{key} is missing in {line}");
        }
    }
    assert!(!finished.stderr.contains(emulated_market.text("token")), "a secret is in the log");
}

#[test]
fn a_second_instance_is_75_and_a_damaged_state_is_78() {
    let mut sandbox = sandbox();
    let _market = sandbox.emulate_with_variables("opentrain --events 20");
    sandbox.write("market.yaml", &market(Form::BuiltIn));
    let mut first = sandbox.start("run market.yaml --admin 127.0.0.1:0");
    first.wait_for_log("caught up");
    let second = sandbox.run("run --once market.yaml --admin off").expect(75);
    assert!(second.stderr.contains("another instance"), "{}", second.stderr);
    first.terminate();
    first.finish().expect(0);

    std::fs::write(sandbox.path(".sluicebox/market/state.db"), "").expect("the state can be emptied");
    let finished = sandbox.run("run --once market.yaml --admin off").expect(78);
    assert!(finished.stderr.contains("state.db"), "{}", finished.stderr);
}

fn sigterm_and_sigint_drain_and_end_with_0(form: Form) {
    let mut sandbox = sandbox();
    let emulated_market = sandbox.emulate_with_variables("opentrain --events 200");
    sandbox.write("market.yaml", &market(form));
    for interrupt in [true, false] {
        let mut process = sandbox.start("run market.yaml --admin off");
        process.wait_for_log("caught up");
        if interrupt {
            process.interrupt();
        } else {
            process.terminate();
        }
        let finished = process.finish().expect(0);
        assert!(finished.stderr.contains("drained"), "{}", finished.stderr);
    }
    assert!(sandbox.read("market.jsonl").lines().eq(emulated_market.events()), "nothing came twice");
}

#[test]
fn a_second_signal_ends_at_once_with_1() {
    let sandbox = sandbox();
    sandbox.write(
        "slow.yaml",
        "sources: { made: { type: generate } }\nsinks: { slow: { type: blackhole, inputs: [made], delay: 1h } }\n",
    );
    let mut process = sandbox.start("run slow.yaml --admin off");
    process.wait_for_log("pipeline started");
    process.terminate();
    process.wait_for_log("asked to stop");
    assert!(!process.has_ended(), "the drain waits for the sink");
    process.terminate();
    let finished = process.finish().expect(1);
    assert!(finished.stderr.contains("second signal"), "{}", finished.stderr);
}

#[test]
fn an_emulator_announces_itself_first_and_ends_with_its_parent() {
    let sandbox = sandbox();
    let mut emulated = sandbox.emulate("zenzap --events 3");
    for field in ["url", "key", "secret", "client_id", "client_secret"] {
        assert!(!emulated.text(field).is_empty());
    }
    assert_eq!(emulated.events().len(), 3);
    emulated.process.close_input();
    wait_for("the emulator's end", || emulated.process.has_ended().then_some(()));
    sandbox.run("emulate nonsense").expect(2);
    sandbox.run("emulate opentrain --listen 0.0.0.0:0").expect(2);
    sandbox.run("emulate opentrain --fault nonsense").expect(2);
}
