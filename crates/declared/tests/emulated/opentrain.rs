//! The emulated marketplace, declared.

use serde_json::{Value, json};
use sluicebox_emulator::{Api, Emulator, Fault, Options, start};
use sluicebox_testkit::{Driver, announced, truth};

use crate::registry;

fn options(events: u64) -> Options {
    Options { events, ..Options::new(Api::OpenTrain) }
}

async fn driver(emulator: &Emulator, more: &Value, haste: u32) -> Driver {
    let announced = announced(emulator);
    let mut options = json!({
        "base_url": announced["url"],
        "auth": { "bearer": announced["token"] },
        "request": { "path": "/updates", "query": { "cursor": "{{ cursor }}", "limit": "{{ limit }}" } },
        "limit": 20,
        "items": "events",
        "cursor": { "next": { "body": "nextCursor" }, "kind": "number" },
        "more": { "field": "hasMore" },
        "event": { "id": "id", "type": "type", "time": "createdAt" },
        "rate": "unlimited",
        "interval": "2s",
    });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Driver::new(&registry(), "http_poll", options, haste).await
}

#[tokio::test]
async fn an_opaque_cursor_survives_the_faults_too() {
    let emulator = start(Options { faults: Fault::transient_set(), ..options(1000) }).await.unwrap();
    let opaque = json!({ "max_body": "1MiB", "cursor": { "next": { "body": "nextCursor" } } });
    let mut driver = driver(&emulator, &opaque, 50).await;
    driver.until(1000).await.unwrap();
    assert_eq!(driver.lines, truth(&emulator.control()));
}

#[tokio::test]
async fn the_last_item_can_be_the_cursor() {
    let emulator = start(options(250)).await.unwrap();
    let last = json!({ "cursor": { "next": { "last_item": "id" } }, "more": "until_empty" });
    let mut driver = driver(&emulator, &last, 4).await;
    driver.until(250).await.unwrap();
    assert_eq!(driver.lines, truth(&emulator.control()));
}
