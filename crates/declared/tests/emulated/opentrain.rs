//! The emulated marketplace, declared.

use serde_json::{Value, json};
use sluicebox_core::ErrorClass;
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
async fn every_event_arrives_through_every_fault() {
    let emulator = start(Options { faults: Fault::transient_set(), ..options(3000) }).await.unwrap();
    let mut driver = driver(&emulator, &json!({ "max_body": "1MiB" }), 50).await;
    driver.until(3000).await.unwrap();
    assert_eq!(driver.lines, truth(&emulator.control()));
    assert!(driver.retries > 20 && driver.rejects > 0, "{} {}", driver.retries, driver.rejects);
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

#[tokio::test]
async fn start_now_takes_only_what_comes_afterwards() {
    let emulator = start(options(100)).await.unwrap();
    let mut driver = driver(&emulator, &json!({ "start": "now" }), 4).await;
    driver.until(0).await.unwrap();
    driver.reopen().await;
    emulator.control().append(0, 30);
    driver.until(30).await.unwrap();
    assert_eq!(driver.lines, truth(&emulator.control())[100..]);
}

#[tokio::test]
async fn what_no_waiting_mends_pauses_with_the_cursor_kept() {
    for (fault, class) in [
        ("redirect=http://127.0.0.1:1/x", ErrorClass::Config),
        ("status=404", ErrorClass::Config),
        ("status=409", ErrorClass::Permanent),
        ("status=401@every:1", ErrorClass::Auth),
    ] {
        let emulator = start(options(10)).await.unwrap();
        let mut driver = driver(&emulator, &json!({ "limit": 5 }), 4).await;
        driver.poll().await.unwrap();
        emulator.control().add_fault(fault.parse().unwrap());
        assert_eq!(driver.pause().await.class(), class, "{fault}");
        emulator.control().clear_faults();
        driver.reopen().await;
        driver.until(10).await.unwrap();
        assert_eq!(driver.lines, truth(&emulator.control()), "{fault}");
    }
}
