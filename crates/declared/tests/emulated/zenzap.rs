//! The emulated chat, declared.

use std::time::Duration;

use serde_json::{Value, json};
use sluicebox_emulator::{Api, DeliveryMode, Emulator, Fault, Options, start};
use sluicebox_testkit::{Driver, announced, truth};

use crate::registry;

fn options(events: u64) -> Options {
    Options { events, ..Options::new(Api::Zenzap) }
}

async fn driver(emulator: &Emulator, more: &Value, haste: u32) -> Driver {
    let announced = announced(emulator);
    let mut options = json!({
        "base_url": emulator.url(),
        "auth": { "api_key": { "key": announced["key"], "secret": announced["secret"] } },
        "request": {
            "path": "/v2/updates",
            "query": { "offset": "{{ cursor }}", "limit": "{{ limit }}", "timeout": "{{ timeout }}" }
        },
        "limit": 20,
        "timeout": "1s",
        "items": "updates",
        "cursor": { "next": { "body": "nextOffset" } },
        "class": "confirm_on_read",
        "on_cursor_expired": "reset",
        "errors": [
            { "status": 409, "contains": "delivery mode", "then": "pause", "help": "set it to polling" },
            { "status": 409, "then": "expired" }
        ],
        "event": {
            "id": "updateId", "type": "eventType", "time": "createdAt", "time_format": "milliseconds",
            "key": ["data.topicId", "data.message.topicId"]
        },
        "rate": "unlimited",
        "interval": "2s",
    });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Driver::new(&registry(), "http_poll", options, haste).await
}

#[tokio::test]
async fn every_update_arrives_through_every_fault() {
    let emulator = start(Options { faults: Fault::transient_set(), ..options(3000) }).await.unwrap();
    // Deadlines pass in haste, so nothing may be held.
    let unheld = json!({
        "request": { "path": "/v2/updates", "query": { "offset": "{{ cursor }}", "limit": "{{ limit }}" } },
        "timeout": null, "max_body": "1MiB",
    });
    let mut driver = driver(&emulator, &unheld, 50).await;
    driver.until(3000).await.unwrap();
    assert_eq!(driver.lines, truth(&emulator.control()));
    assert!(driver.retries > 20 && driver.rejects > 0, "{} {}", driver.retries, driver.rejects);
    assert!(driver.gaps.is_empty());
}

#[tokio::test]
async fn an_expired_offset_is_one_gap_or_a_pause_as_declared() {
    let emulator = start(options(40)).await.unwrap();
    let mut resetting = driver(&emulator, &json!({}), 4).await;
    let mut stopping = driver(&emulator, &json!({ "on_cursor_expired": "stop" }), 4).await;
    resetting.until(40).await.unwrap();
    stopping.until(40).await.unwrap();
    emulator.control().expire_offsets(0);
    emulator.control().append(0, 7);
    resetting.until(47).await.unwrap();
    assert_eq!(resetting.gaps.len(), 1);
    assert_eq!(resetting.lines, truth(&emulator.control()));
    assert_eq!(stopping.pause().await.reason(), "offset_expired");
}

#[tokio::test]
async fn a_bot_in_webhook_mode_pauses_with_the_declared_help() {
    let emulator = start(options(40)).await.unwrap();
    let mut driver = driver(&emulator, &json!({}), 4).await;
    driver.poll().await.unwrap();
    emulator.control().set_delivery_mode(0, DeliveryMode::Webhook);
    assert_eq!(driver.pause().await.help(), Some("set it to polling"));
    emulator.control().set_delivery_mode(0, DeliveryMode::Polling);
    driver.reopen().await;
    driver.until(40).await.unwrap();
    assert_eq!(driver.lines, truth(&emulator.control()));
    assert!(driver.gaps.is_empty());
}

#[tokio::test]
async fn a_held_poll_brings_what_happens_meanwhile() {
    let emulator = start(options(0)).await.unwrap();
    let mut driver = driver(&emulator, &json!({ "timeout": "30s" }), 4).await;
    let control = emulator.control();
    let (polled, ()) = tokio::join!(driver.poll(), async {
        while control.log().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        control.append(0, 3);
    });
    assert_eq!(polled.unwrap().unread.map_or(0, |unread| unread.count), 0);
    assert_eq!(driver.lines, truth(&control));
}
