//! The emulated chat, declared.

use serde_json::{Value, json};
use sluicebox_emulator::{Api, Emulator, Options, start};
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
