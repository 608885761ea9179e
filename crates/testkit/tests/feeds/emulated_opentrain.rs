//! The source of the emulated marketplace: everything arrives, in order, byte for byte.

use serde_json::{Value, json};
use sluicebox_core::ErrorClass;
use sluicebox_emulator::{Api, Credentials, Emulator, Fault, Options, start};
use sluicebox_testkit::{Driver, Login, announced, truth};

use super::emulated;

fn options(events: u64) -> Options {
    emulated::options(Api::OpenTrain, events)
}

async fn driver(emulator: &Emulator, more: &Value) -> Driver {
    hasty_driver(emulator, more, 4).await
}

async fn hasty_driver(emulator: &Emulator, more: &Value, haste: u32) -> Driver {
    let base = json!({ "limit": 20, "rate": "unlimited", "interval": "1s" });
    emulated::driver((emulator, Api::OpenTrain, Login::Key), &base, more, haste).await
}

#[tokio::test]
async fn every_event_arrives_through_every_fault() {
    let emulator = start(Options { faults: Fault::transient_set(), ..options(3000) }).await.unwrap();
    let mut driver = hasty_driver(&emulator, &json!({ "max_body": "1MiB", "interval": "2s" }), 50).await;
    driver.until(3000).await.unwrap();
    assert_eq!(driver.lines, truth(&emulator.control()));
    assert!(driver.retries > 20 && driver.rejects > 0, "{} {}", driver.retries, driver.rejects);
}

#[tokio::test]
async fn start_now_takes_only_what_comes_afterwards() {
    let emulator = start(options(100)).await.unwrap();
    let mut driver = driver(&emulator, &json!({ "start": "now", "interval": "1s" })).await;
    driver.until(0).await.unwrap();
    driver.reopen().await;
    emulator.control().append(0, 30);
    driver.until(30).await.unwrap();
    assert_eq!(driver.lines, truth(&emulator.control())[100..]);
}

#[tokio::test]
async fn a_token_without_a_usable_scope_pauses_and_says_which_would_do() {
    let scopes = Some(vec!["jobs:read".to_owned()]);
    let emulator = start(Options { scopes, ..options(10) }).await.unwrap();
    let error = driver(&emulator, &json!({})).await.pause().await;
    assert_eq!(error.class(), ErrorClass::Auth);
    assert!(error.help().unwrap().contains("proposals:read"), "{error}");
    assert!(error.to_string().contains("jobs:read"), "{error}");
}

#[tokio::test]
async fn a_rotated_token_is_read_from_its_file_and_a_revoked_one_pauses() {
    let emulator = start(options(10)).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let token = announced(&emulator)["token"].as_str().unwrap().to_owned();
    std::fs::write(&file, &token).unwrap();
    let secret = json!({ "token": { "$secret": token, "$file": file } });
    let mut driver = driver(&emulator, &secret).await;
    driver.until(10).await.unwrap();
    let Some(Credentials::OpenTrain { token }) = emulator.control().rotate(0) else { panic!() };
    std::fs::write(&file, format!("{token}\n")).unwrap();
    emulator.control().append(0, 5);
    driver.until(15).await.unwrap();
    emulator.control().revoke(0);
    let error = driver.pause().await;
    assert_eq!(error.class(), ErrorClass::Auth);
    assert!(!format!("{} {error:?}", error.chain()).contains(&token));
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
        let mut driver = driver(&emulator, &json!({ "limit": 5 })).await;
        driver.poll().await.unwrap();
        emulator.control().add_fault(fault.parse().unwrap());
        assert_eq!(driver.pause().await.class(), class, "{fault}");
        emulator.control().clear_faults();
        driver.reopen().await;
        driver.until(10).await.unwrap();
        assert_eq!(driver.lines, truth(&emulator.control()), "{fault}");
    }
}
