//! The source of the emulated chat: everything arrives, in order, byte for byte.

use std::time::Duration;

use serde_json::{Value, json};
use sluicebox_emulator::{Api, DeliveryMode, Emulator, Fault, Options, start};
use sluicebox_testkit::{Driver, Login, truth};

use super::emulated;
use crate::FORM;

fn options(events: u64) -> Options {
    emulated::options(Api::Zenzap, events)
}

async fn driver(emulator: &Emulator, login: Login, more: &Value) -> Driver {
    hasty_driver(emulator, login, more, 4).await
}

async fn hasty_driver(emulator: &Emulator, login: Login, more: &Value, haste: u32) -> Driver {
    let base = json!({ "limit": 20, "timeout": "0s", "interval": "1s", "rate": "unlimited" });
    emulated::driver((emulator, Api::Zenzap, login), &base, more, haste).await
}

#[tokio::test]
async fn every_update_arrives_through_every_fault() {
    let emulator = start(Options { faults: Fault::transient_set(), ..options(3000) }).await.unwrap();
    let mut driver =
        hasty_driver(&emulator, Login::Key, &json!({ "max_body": "1MiB", "interval": "2s" }), 50).await;
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
    let mut driver = driver(&emulator, Login::OAuth, &json!({ "limit": 10 })).await;
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
    let mut driver = driver(&emulator, Login::Key, &json!({})).await;
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
    let mut driver = driver(&emulator, Login::Key, &json!({})).await;
    driver.poll().await.unwrap();
    emulator.control().set_delivery_mode(0, DeliveryMode::Webhook);
    let paused = driver.pause().await;
    assert_eq!((paused.class(), paused.reason()), FORM.wrong_mode());
    assert!(paused.help().unwrap().contains("polling"), "{paused}");
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
        let mut driver = driver(&emulator, Login::Key, &json!({})).await;
        driver.until(60).await.unwrap();
        let refused = emulator.control().log().iter().filter(|record| record.status == Some(401)).count();
        assert!(refused <= 1, "{refused}");
    }
}

#[tokio::test]
async fn a_held_poll_brings_what_happens_meanwhile() {
    let emulator = start(options(0)).await.unwrap();
    let mut driver = driver(&emulator, Login::Key, &json!({ "timeout": "30s" })).await;
    let control = emulator.control();
    let (polled, ()) = tokio::join!(driver.poll(), async {
        while control.log().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        control.append(0, 3);
    });
    polled.unwrap();
    assert_eq!(driver.lines, truth(&control));
}
