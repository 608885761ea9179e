//! `zenzap_updates` against the emulated chat.

use std::time::Duration;

use serde_json::{Value, json};
use sluicebox_core::ErrorClass;
use sluicebox_emulator::{Api, DeliveryMode, Emulator, Fault, Options, start};
use sluicebox_testkit::{Driver, announced, truth};

use crate::registry;

fn options(events: u64) -> Options {
    Options { events, ..Options::new(Api::Zenzap) }
}

fn api_key(emulator: &Emulator) -> Value {
    let announced = announced(emulator);
    json!({ "api_key": { "key": announced["key"], "secret": announced["secret"] } })
}

fn oauth(emulator: &Emulator) -> Value {
    let announced = announced(emulator);
    json!({ "oauth": { "client_id": announced["client_id"], "client_secret": announced["client_secret"] } })
}

async fn driver(emulator: &Emulator, auth: Value, more: &Value) -> Driver {
    hasty_driver(emulator, auth, more, 4).await
}

async fn hasty_driver(emulator: &Emulator, auth: Value, more: &Value, haste: u32) -> Driver {
    let mut options = json!({ "base_url": emulator.url(), "auth": auth, "limit": 20, "timeout": "0s", "interval": "1s", "rate": "unlimited" });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Driver::new(&registry(), "zenzap_updates", options, haste).await
}

#[tokio::test]
async fn every_update_arrives_through_every_fault() {
    let emulator = start(Options { faults: Fault::transient_set(), ..options(3000) }).await.unwrap();
    let mut driver =
        hasty_driver(&emulator, api_key(&emulator), &json!({ "max_body": "1MiB", "interval": "2s" }), 50)
            .await;
    driver.until(3000).await.unwrap();
    assert_eq!(driver.lines, truth(&emulator.control()));
    assert!(driver.retries > 20 && driver.rejects > 0, "{} {}", driver.retries, driver.rejects);
    assert!(driver.gaps.is_empty());
}

#[tokio::test]
async fn access_tokens_are_renewed_through_lapses_and_faults_of_the_token_endpoint() {
    let faults = ["oauth:status=503@every:2", "oauth:rate_limited=1@every:3", "status=401@7"];
    let faults = faults.into_iter().map(|text| text.parse().unwrap()).collect();
    let emulator = start(Options { faults, ..options(1000) }).await.unwrap();
    let mut driver = driver(&emulator, oauth(&emulator), &json!({ "limit": 10 })).await;
    for count in [200, 400, 600, 800] {
        while driver.lines.len() < count {
            if let Err(error) = driver.poll().await {
                assert!(error.class().is_retryable(), "{error}");
            }
        }
        emulator.control().expire_access_tokens(0);
    }
    driver.until(1000).await.unwrap();
    assert_eq!(driver.lines, truth(&emulator.control()));
}

#[tokio::test]
async fn an_expired_offset_is_one_gap_and_what_comes_next_arrives() {
    let emulator = start(options(40)).await.unwrap();
    let mut driver = driver(&emulator, api_key(&emulator), &json!({})).await;
    driver.until(40).await.unwrap();
    emulator.control().expire_offsets(0);
    emulator.control().append(0, 7);
    driver.until(47).await.unwrap();
    assert_eq!(driver.gaps.len(), 1);
    assert_eq!(driver.lines, truth(&emulator.control()));
}

#[tokio::test]
async fn a_bot_in_webhook_mode_pauses_and_goes_on_when_it_is_polled_again() {
    let emulator = start(options(40)).await.unwrap();
    let mut driver = driver(&emulator, api_key(&emulator), &json!({})).await;
    driver.poll().await.unwrap();
    emulator.control().set_delivery_mode(0, DeliveryMode::Webhook);
    assert_eq!(driver.pause().await.reason(), "delivery_mode");
    emulator.control().set_delivery_mode(0, DeliveryMode::Polling);
    driver.reopen().await;
    driver.until(40).await.unwrap();
    assert_eq!(driver.lines, truth(&emulator.control()));
    assert!(driver.gaps.is_empty());
}

#[tokio::test]
async fn a_clock_ten_minutes_off_is_corrected() {
    for clock_skew in [600, -600] {
        let emulator = start(Options { clock_skew, ..options(60) }).await.unwrap();
        let mut driver = driver(&emulator, api_key(&emulator), &json!({})).await;
        driver.until(60).await.unwrap();
        let refused = emulator.control().log().iter().filter(|record| record.status == Some(401)).count();
        assert!(refused <= 1, "{refused}");
    }
}

#[tokio::test]
async fn a_held_poll_brings_what_happens_meanwhile() {
    let emulator = start(options(0)).await.unwrap();
    let mut driver = driver(&emulator, api_key(&emulator), &json!({ "timeout": "30s" })).await;
    let control = emulator.control();
    let (polled, ()) = tokio::join!(driver.poll(), async {
        while control.log().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        control.append(0, 3);
    });
    assert_eq!(polled.unwrap().events.len(), 3);
    assert_eq!(driver.lines, truth(&control));
}

#[tokio::test]
async fn own_messages_are_left_out_and_a_missing_scope_pauses() {
    let emulator = start(options(400)).await.unwrap();
    let mut driver = driver(&emulator, oauth(&emulator), &json!({ "drop_own": true })).await;
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
    let error = self::driver(&narrow, oauth(&narrow), &json!({ "drop_own": true })).await.pause().await;
    assert_eq!(error.class(), ErrorClass::Auth);
    assert!(error.to_string().contains("member:read"), "{error}");
}
