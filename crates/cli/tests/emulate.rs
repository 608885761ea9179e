//! `emulate slack`: what it announces, its rate, its faults, and what can be read back.

use serde_json::{Value, json};
use sluicebox_testkit::{Sandbox, get, request};

const JSON: &str = "Content-Type: application/json; charset=utf-8";

#[test]
fn slack_is_served_with_its_limit_and_its_faults() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    let slack = sandbox.emulate("slack --rate 0.001 --fault slack_error=fatal_error@2");
    assert_eq!(slack.text("api"), "slack");
    let bearer = format!("Authorization: Bearer {}", slack.text("token"));
    let method = format!("{}/api/chat.postMessage", slack.text("url"));
    let post = |text: &str| {
        let body = json!({ "channel": slack.text("channel"), "text": text }).to_string();
        request("POST", &method, &[JSON, &bearer], &body).expect("an answer")
    };
    assert_eq!(post("one").json()["ok"], true);
    assert_eq!(post("two").json()["error"], "fatal_error");
    let hooked = request("POST", slack.text("webhook_url"), &[JSON], r#"{"text":"three"}"#);
    assert_eq!(hooked.expect("an answer").body, "ok");
    assert_eq!(post("four").json()["ok"], true);
    assert_eq!(post("five").status, 429, "a burst of three, and then one in a thousand seconds");
    let lines = get(&format!("{}/_emulator/messages", slack.origin())).expect("the messages").body;
    let texts: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["text"].clone())
        .collect();
    assert_eq!(texts, ["one", "three", "four"]);
}

#[test]
fn what_cannot_be_emulated_is_wrong_usage() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    for arguments in ["emulate discord", "emulate slack --fault flood", "emulate slack --rate -1"] {
        sandbox.run(arguments).expect(2);
    }
}
