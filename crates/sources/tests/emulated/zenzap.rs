//! `zenzap_updates` against the emulated chat, beside the suite of feeds: the bot's own messages.

use serde_json::{Value, json};
use sluicebox_core::ErrorClass;
use sluicebox_emulator::{Api, Emulator, Options, start};
use sluicebox_testkit::{Driver, announced, truth};

use crate::registry;

fn options(events: u64) -> Options {
    Options { events, ..Options::new(Api::Zenzap) }
}

async fn driver(emulator: &Emulator) -> Driver {
    let announced = announced(emulator);
    let oauth = json!({ "client_id": announced["client_id"], "client_secret": announced["client_secret"] });
    let options = json!({
        "base_url": emulator.url(), "auth": { "oauth": oauth }, "drop_own": true, "limit": 20, "timeout": "0s",
        "interval": "1s", "rate": "unlimited",
    });
    Driver::new(&registry(), "zenzap_updates", options, 4).await
}

#[tokio::test]
async fn own_messages_are_left_out_and_a_missing_scope_pauses() {
    let emulator = start(options(400)).await.unwrap();
    let mut driver = driver(&emulator).await;
    let all = truth(&emulator.control());
    driver.until(0).await.unwrap();
    while !driver.poll().await.unwrap().caught_up {}
    let own = announced(&emulator)["client_id"].as_str().unwrap().trim_start_matches("b@").to_owned();
    let is_own = |line: &String| {
        let update: Value = serde_json::from_str(line).unwrap();
        let sender = update.pointer("/data/message/senderId").and_then(Value::as_str).unwrap_or_default();
        sender.trim_start_matches("b@") == own
    };
    let expected: Vec<String> = all.iter().filter(|line| !is_own(line)).cloned().collect();
    assert!(!expected.is_empty());
    assert_eq!(driver.lines, expected);
    let scopes = Some(vec!["updates:read".to_owned()]);
    let narrow = start(Options { scopes, ..options(5) }).await.unwrap();
    let error = self::driver(&narrow).await.pause().await;
    assert_eq!(error.class(), ErrorClass::Auth);
    assert!(error.to_string().contains("member:read"), "{error}");
}
