//! The shipped connectors of both APIs, with every fault, as the built-in sources are tested.

use serde_json::json;
use sluicebox_core::ErrorClass;
use sluicebox_emulator::{Api, DeliveryMode, Fault, Options, start};
use sluicebox_testkit::{Driver, announced, truth};

use crate::registry;

#[tokio::test]
async fn opentrain_feed_brings_every_event_through_every_fault() {
    let options = Options { events: 3000, faults: Fault::transient_set(), ..Options::new(Api::OpenTrain) };
    let emulator = start(options).await.unwrap();
    let announced = announced(&emulator);
    let options = json!({
        "base_url": announced["url"], "token": announced["token"], "limit": 20, "rate": "unlimited",
        "interval": "2s", "max_body": "1MiB",
    });
    let mut driver = Driver::new(&registry(), "opentrain_feed", options, 50).await;
    driver.until(3000).await.unwrap();
    assert_eq!(driver.lines, truth(&emulator.control()));
    assert!(driver.retries > 20 && driver.rejects > 0, "{} {}", driver.retries, driver.rejects);
}

#[tokio::test]
async fn opentrain_feed_pauses_without_a_usable_scope_and_starts_now() {
    let scopes = Some(vec!["jobs:read".to_owned()]);
    let narrow = start(Options { events: 10, scopes, ..Options::new(Api::OpenTrain) }).await.unwrap();
    let options = |announced: serde_json::Value| json!({ "base_url": announced["url"], "token": announced["token"], "rate": "unlimited", "interval": "1s", "start": "now" });
    let mut refused = Driver::new(&registry(), "opentrain_feed", options(announced(&narrow)), 4).await;
    let error = refused.pause().await;
    assert_eq!(error.class(), ErrorClass::Auth);
    assert!(error.to_string().contains("403") && error.help().unwrap().contains("proposals:read"), "{error}");
    let emulator = start(Options { events: 100, ..Options::new(Api::OpenTrain) }).await.unwrap();
    let mut driver = Driver::new(&registry(), "opentrain_feed", options(announced(&emulator)), 4).await;
    driver.until(0).await.unwrap();
    driver.reopen().await;
    emulator.control().append(0, 30);
    driver.until(30).await.unwrap();
    assert_eq!(driver.lines, truth(&emulator.control())[100..]);
}

#[tokio::test]
async fn zenzap_feed_signs_or_fetches_tokens_and_survives_what_a_bot_meets() {
    for with_oauth in [false, true] {
        let emulator = start(Options { events: 40, ..Options::new(Api::Zenzap) }).await.unwrap();
        let announced = announced(&emulator);
        let names = if with_oauth {
            [("client_id", "client_id"), ("client_secret", "client_secret")]
        } else {
            [("api_key", "key"), ("api_secret", "secret")]
        };
        let mut options = json!({
            "base_url": emulator.url(), "timeout": "1s", "interval": "1s", "rate": "unlimited", "limit": 7,
        });
        for (option, name) in names {
            options[option] = announced[name].clone();
        }
        let control = emulator.control();
        let mut driver = Driver::new(&registry(), "zenzap_feed", options, 4).await;
        driver.until(40).await.unwrap();
        control.expire_offsets(0);
        control.append(0, 7);
        driver.until(47).await.unwrap();
        assert_eq!((driver.gaps.len(), &driver.lines), (1, &truth(&control)));
        control.set_delivery_mode(0, DeliveryMode::Webhook);
        assert!(driver.pause().await.help().unwrap().contains("polling"));
    }
}
