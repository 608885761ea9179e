//! The public feed of job changes: section 8 of the contract over real TCP.

#![allow(clippy::unwrap_used, clippy::panic, reason = "whatever goes wrong here fails the test")]

mod wire;

use std::time::Duration;

use serde_json::Value;
use sluicebox_emulator::{Api, Emulator, Options, start};
use wire::{Received, exchange};

async fn emulator(events: u64, edge_cache: Duration) -> Emulator {
    start(Options { events, edge_cache, ..Options::new(Api::OpenTrain) }).await.unwrap()
}

async fn changes(emulator: &Emulator, since: &str) -> Received {
    let uri = format!("/api/public/v1/jobs/changes?since={since}");
    exchange(emulator.address(), "GET", &uri, &[], "").await.unwrap()
}

fn list(answer: &Value) -> Vec<(String, String, String)> {
    let text = |change: &Value, name: &str| change[name].as_str().unwrap().to_owned();
    let changes = answer["changes"].as_array().unwrap().iter();
    changes
        .map(|change| (text(change, "jobId"), text(change, "eventType"), text(change, "occurredAt")))
        .collect()
}

#[tokio::test]
async fn only_the_latest_change_of_a_job_is_told_and_the_bound_is_inclusive() {
    let emulator = emulator(3000, Duration::ZERO).await;
    let all = changes(&emulator, "2025-01-01T00:00:00Z").await.json();
    let told = list(&all);
    let mut jobs: Vec<&String> = told.iter().map(|(job, _, _)| job).collect();
    jobs.sort_unstable();
    jobs.dedup();
    assert_eq!(jobs.len(), told.len(), "one change for each job");
    for kind in ["PUBLISHED", "UPDATED", "CLOSED"] {
        assert!(told.iter().any(|(_, told, _)| told == kind), "{kind}");
    }
    assert!(told.windows(2).all(|pair| pair[0].2 <= pair[1].2));
    let middle = &told[told.len() / 2].2;
    let rest = changes(&emulator, middle).await.json();
    let expected: Vec<_> = told.iter().filter(|(_, _, at)| at >= middle).cloned().collect();
    assert_eq!((list(&rest), &rest["since"]), (expected, &Value::from(middle.as_str())));
    assert_eq!(rest["until"], all["until"]);
    for refused in ["", "yesterday", "1741000000"] {
        let answer = changes(&emulator, refused).await;
        assert_eq!(
            (answer.status, &answer.json()["details"]["field"]),
            (400, &Value::from("since")),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn an_answer_is_kept_and_given_stale_once_more() {
    let emulator = emulator(500, Duration::from_millis(400)).await;
    let since = "2025-01-01T00:00:00Z";
    let first = changes(&emulator, since).await;
    assert_eq!(first.header("cache-control").unwrap(), "public, s-maxage=0, stale-while-revalidate=0");
    emulator.control().append(0, 500);
    assert_eq!(changes(&emulator, since).await.body, first.body, "fresh, hence the same bytes");
    let other = changes(&emulator, "2025-01-01T00:00:01Z").await.json();
    assert!(list(&other).len() > list(&first.json()).len(), "another question is another answer");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(changes(&emulator, since).await.body, first.body, "stale, for the last time");
    assert_eq!(list(&changes(&emulator, since).await.json()), list(&other));
}

#[tokio::test]
async fn an_address_may_ask_so_often_a_minute_and_faults_of_the_feed_strike() {
    let emulator = emulator(100, Duration::from_secs(300)).await;
    emulator.control().add_fault("null_cursor".parse().unwrap());
    assert_eq!(changes(&emulator, "2025-01-01T00:00:00Z").await.json()["until"], Value::Null);
    for _ in 0..119 {
        assert_eq!(changes(&emulator, "2025-01-01T00:00:00Z").await.status, 200);
    }
    let refused = changes(&emulator, "2025-01-01T00:00:00Z").await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (429, Some("RATE_LIMITED")));
}
