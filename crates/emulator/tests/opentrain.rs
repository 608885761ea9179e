//! The marketplace API as its contract says, over real connections.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something unexpected happens")]

mod wire;

use std::collections::BTreeSet;

use serde_json::Value;
use sluicebox_emulator::{Api, Emulator, Options, start};
use wire::{exchange, get, get_as};

async fn emulator(events: u64) -> Emulator {
    start(Options { events, ..Options::new(Api::OpenTrain) }).await.unwrap()
}

async fn with_scopes(scopes: &[&str]) -> Emulator {
    let scopes = scopes.iter().map(ToString::to_string).collect();
    start(Options { events: 500, scopes: Some(scopes), ..Options::new(Api::OpenTrain) }).await.unwrap()
}

fn types(items: &[Value]) -> BTreeSet<&str> {
    items.iter().filter_map(|item| item["type"].as_str()).collect()
}

#[tokio::test]
async fn the_announcement_is_one_line_of_json() {
    let emulator = emulator(1).await;
    let line = serde_json::to_string(&emulator.announcement()).unwrap();
    let port = emulator.address().port();
    assert!(line.starts_with(&format!(
        "{{\"api\":\"opentrain\",\"url\":\"http://127.0.0.1:{port}/api/public/v1\",\"token\":\"ot_pat_"
    )));
}

#[tokio::test]
async fn a_poll_reads_the_feed_page_by_page() {
    let emulator = emulator(120).await;
    let first = get(&emulator, "/updates?limit=100").await;
    assert_eq!((first.status, first.items().len()), (200, 100));
    assert_eq!(first.json()["hasMore"], true);
    assert_eq!(first.items()[0]["id"], "1001");
    assert_eq!(first.next().unwrap(), first.items()[99]["id"].as_str().unwrap());
    let second = get(&emulator, &format!("/updates?cursor={}&limit=100", first.next().unwrap())).await;
    assert_eq!((second.items().len(), &second.json()["hasMore"]), (20, &Value::Bool(false)));
    let end = second.next().unwrap();
    let third = get(&emulator, &format!("/updates?cursor={end}&limit=100")).await;
    assert_eq!((third.items().len(), third.next()), (0, Some(end)), "an empty page echoes the cursor");
    assert_eq!(get(&emulator, "/updates").await.items().len(), 50, "the limit of the example");
    let beyond = get(&emulator, "/updates?cursor=99999999999999999999999999").await;
    assert_eq!(beyond.next().as_deref(), Some("99999999999999999999999999"));
    assert_eq!(get(&emulator, "/updates?cursor=0&limit=1").await.items()[0]["id"], "1001");
}

#[tokio::test]
async fn an_account_without_events_answers_null() {
    let emulator = emulator(0).await;
    let page = get(&emulator, "/updates?limit=10").await;
    assert_eq!(page.text(), r#"{"events":[],"nextCursor":null,"hasMore":false}"#);
    emulator.control().append(0, 3);
    assert_eq!(get(&emulator, "/updates?limit=10").await.items().len(), 3);
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let emulator = emulator(10).await;
    for (query, field) in [
        ("cursor=", "cursor"),
        ("cursor=null", "cursor"),
        ("cursor=-1", "cursor"),
        ("cursor=1001.0", "cursor"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=ten", "limit"),
        ("limit=%2B5", "limit"),
    ] {
        let refused = get(&emulator, &format!("/updates?{query}")).await;
        let body = refused.json();
        assert_eq!((refused.status, &body["code"]), (400, &Value::from("BAD_REQUEST")), "{query}");
        assert_eq!(body["details"]["field"], field, "{query}");
        assert!(body["requestId"].is_string() && body["error"].is_string());
    }
}

#[tokio::test]
async fn only_the_current_token_is_let_in() {
    let emulator = emulator(10).await;
    let uri = "/api/public/v1/updates";
    for headers in [&[][..], &[("Authorization", "Bearer ot_pat_wrong")], &[("Authorization", "Basic eDp5")]]
    {
        let refused = exchange(emulator.address(), "GET", uri, headers, "").await.unwrap();
        assert_eq!((refused.status, &refused.json()["code"]), (401, &Value::from("UNAUTHORIZED")));
    }
    let control = emulator.control();
    let old = serde_json::to_value(control.credentials(0)).unwrap()["token"].as_str().unwrap().to_owned();
    control.revoke(0);
    assert_eq!(get(&emulator, "/updates").await.status, 401);
    control.rotate(0).unwrap();
    assert_eq!(get(&emulator, "/updates").await.status, 200);
    let bearer = format!("Bearer {old}");
    let stale = exchange(emulator.address(), "GET", uri, &[("Authorization", &bearer)], "").await.unwrap();
    assert_eq!(stale.status, 401);
    assert_eq!(control.log().last().unwrap().account, Some(0), "the log knows whose the old token was");
}

#[tokio::test]
async fn scopes_hide_events_in_silence() {
    let emulator = with_scopes(&["messages:read"]).await;
    let page = get(&emulator, "/updates?limit=50").await;
    assert_eq!(types(&page.items()), BTreeSet::from(["message.received"]));
    assert_eq!((page.items().len(), &page.json()["hasMore"]), (50, &Value::Bool(true)));
    let mut seen = page.items().len();
    let mut cursor = page.next().unwrap();
    loop {
        let page = get(&emulator, &format!("/updates?limit=50&cursor={cursor}")).await;
        seen += page.items().len();
        if page.json()["hasMore"] == false {
            let last = page.next().unwrap();
            assert_eq!(page.items().last().unwrap()["id"], last, "hidden events move no cursor");
            break;
        }
        cursor = page.next().unwrap();
    }
    let all = sluicebox_emulator::events(Api::OpenTrain, 1, 0, 0..500);
    let wanted = all.iter().filter(|event| event.windows(16).any(|part| part == b"message.received")).count();
    assert_eq!(seen, wanted);
    let writer = with_scopes(&["payments:write"]).await;
    let items = get(&writer, "/updates").await.items();
    assert!(types(&items).contains("contract.created") && !types(&items).contains("proposal.received"));
}

#[tokio::test]
async fn a_token_without_a_useful_scope_is_forbidden() {
    let emulator = with_scopes(&["jobs:read"]).await;
    let refused = get(&emulator, "/updates").await;
    let body = refused.json();
    assert_eq!((refused.status, &body["code"]), (403, &Value::from("FORBIDDEN")));
    assert_eq!(body["details"]["requiredScopes"].as_array().unwrap().len(), 3);
    assert_eq!(body["details"]["grantedScopes"][0], "jobs:read");
    assert_eq!(get(&emulator, "/auth/me").await.json()["token"]["scopes"][0], "jobs:read");
    assert_eq!(get(&emulator, "/contracts/ct_x").await.status, 403);
}

#[tokio::test]
async fn everything_an_event_names_can_be_looked_up() {
    let emulator = emulator(2000).await;
    let mut items = Vec::new();
    let mut cursor = String::new();
    while items.len() < 2000 {
        let page = get(&emulator, &format!("/updates?limit=200{cursor}")).await;
        cursor = format!("&cursor={}", page.next().unwrap());
        items.extend(page.items());
    }
    let data = |kind: &str| items.iter().rev().find(|item| item["type"] == kind).unwrap()["data"].clone();
    let created = data("contract.created");
    let uri = format!("/contracts/{}", created["contractId"].as_str().unwrap());
    let contract = get(&emulator, &uri).await.json()["contract"].clone();
    for key in ["proposalId", "jobId"] {
        assert_eq!(contract[key], created[key]);
    }
    assert_eq!(contract["id"], created["contractId"]);
    assert!(contract["title"].is_string() && contract["rateUsd"].is_number());
    let encoded = uri.replace('_', "%5F");
    assert_eq!(get(&emulator, &encoded).await.json()["contract"], contract, "segments are percent-decoded");

    let received = data("proposal.received");
    let uri = format!("/proposals/{}", received["proposalId"].as_str().unwrap());
    assert_eq!(get(&emulator, &uri).await.json()["proposal"]["jobId"], received["jobId"]);

    let message = data("message.received");
    let uri = format!("/messages?limit=100&conversationId={}", message["conversationId"].as_str().unwrap());
    let messages = get(&emulator, &uri).await.json()["messages"].as_array().unwrap().clone();
    assert!(messages.iter().any(|item| item["id"] == message["messageId"]));

    let approval = data("approval.confirmed");
    let uri = format!("/approvals/{}", approval["approvalId"].as_str().unwrap());
    assert_eq!(get(&emulator, &uri).await.json()["approval"]["status"], approval["status"]);

    let pending = get(&emulator, "/payments/pending").await.json()["payments"].as_array().unwrap().clone();
    assert!(pending.iter().all(|payment| payment["id"].as_str().unwrap().starts_with("inv_")));
    assert!(!pending.is_empty());
}

#[tokio::test]
async fn what_a_look_up_answers_does_not_depend_on_who_has_polled() {
    let (polled, fresh) = (emulator(2000).await, emulator(2000).await);
    let page = get(&polled, "/updates?limit=200").await.items();
    get(&polled, "/updates?cursor=9000&limit=1").await;
    let contracts: Vec<&str> = page.iter().filter_map(|item| item["data"]["contractId"].as_str()).collect();
    assert!(!contracts.is_empty());
    for id in contracts {
        let uri = format!("/contracts/{id}");
        assert_eq!(get(&fresh, &uri).await.json(), get(&polled, &uri).await.json(), "{id}");
    }
}

#[tokio::test]
async fn jobs_are_public_until_they_close() {
    let emulator = emulator(2000).await;
    get(&emulator, "/updates?cursor=3000&limit=1").await;
    let public = async |uri: &str| {
        let uri = format!("/api/public/v1{uri}");
        exchange(emulator.address(), "GET", &uri, &[], "").await.unwrap()
    };
    let changes = public("/jobs/changes?since=2025-01-01T00:00:00Z").await.json();
    let of = |kind: &str| {
        let changes = changes["changes"].as_array().unwrap();
        changes.iter().find(|change| change["eventType"] == kind).unwrap()["jobId"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let open = public(&format!("/jobs/{}", of("PUBLISHED"))).await;
    assert_eq!((open.status, &open.json()["status"]), (200, &Value::from("open")));
    let closed = public(&format!("/jobs/{}", of("CLOSED"))).await;
    assert_eq!(closed.status, 404);
    assert_eq!(closed.json(), serde_json::json!({ "id": of("CLOSED"), "status": "closed" }));
    assert_eq!(public("/jobs/changes?since=yesterday").await.status, 400);
    assert_eq!(public("/jobs/mine").await.status, 401);
    let mine = get(&emulator, "/jobs/mine?limit=3").await.json();
    assert_eq!(mine["jobs"].as_array().unwrap().len(), 3);
    assert!(mine["nextCursor"].is_string());
}

#[tokio::test]
async fn what_is_unknown_is_not_found() {
    let emulator = emulator(10).await;
    get(&emulator, "/updates").await;
    for uri in
        ["/update", "/contracts/ct_00000000", "/contracts/x%2Fy", "/proposals/prop_", "/nothing/at/all"]
    {
        let missing = get(&emulator, uri).await;
        assert_eq!((missing.status, &missing.json()["code"]), (404, &Value::from("NOT_FOUND")), "{uri}");
    }
    let outside = exchange(emulator.address(), "GET", "/elsewhere", &[], "").await.unwrap();
    assert_eq!((outside.status, &outside.json()["code"]), (404, &Value::from("NOT_FOUND")));
}

#[tokio::test]
async fn accounts_share_nothing() {
    let options = Options { accounts: 3, events: 5, ..Options::new(Api::OpenTrain) };
    let emulator = start(options).await.unwrap();
    emulator.control().append(1, 2);
    let mut firsts = BTreeSet::new();
    for (account, count) in [(0, 5), (1, 7), (2, 5)] {
        let page = get_as(&emulator, account, "/updates").await.unwrap();
        assert_eq!(page.items().len(), count);
        firsts.insert(page.items()[0].to_string());
        let proposal = page.items()[0]["data"]["proposalId"].as_str().unwrap().to_owned();
        for reader in 0..3 {
            let found = get_as(&emulator, reader, &format!("/proposals/{proposal}")).await.unwrap();
            assert_eq!(found.status, if reader == account { 200 } else { 403 }, "{reader} of {account}");
        }
    }
    assert_eq!(firsts.len(), 3);
    emulator.control().revoke(1);
    assert_eq!(get_as(&emulator, 1, "/updates").await.unwrap().status, 401);
    assert_eq!(get_as(&emulator, 2, "/updates").await.unwrap().status, 200);
    assert!(emulator.credentials(3).is_none());
}

#[tokio::test]
async fn events_appear_at_the_rate() {
    let options = Options { events: 100_000, rate: 200.0, ..Options::new(Api::OpenTrain) };
    let emulator = start(options).await.unwrap();
    let control = emulator.control();
    loop {
        let low = control.elapsed();
        let visible = control.visible(0);
        let high = control.elapsed();
        let bound = |time: std::time::Duration| time.as_micros() * 200 / 1_000_000;
        assert!((bound(low)..=bound(high) + 1).contains(&u128::from(visible)));
        if visible > 10 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    control.set_visible(0, 4);
    assert_eq!(get(&emulator, "/updates").await.items().len(), 4);
}

#[tokio::test]
async fn too_many_requests_are_told_when_to_return() {
    let options = Options { requests_per_minute: Some(2), ..Options::new(Api::OpenTrain) };
    let emulator = start(options).await.unwrap();
    assert_eq!(get(&emulator, "/updates").await.status, 200);
    assert_eq!(get(&emulator, "/auth/me").await.status, 200);
    let refused = get(&emulator, "/updates").await;
    assert_eq!((refused.status, &refused.json()["code"]), (429, &Value::from("RATE_LIMITED")));
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds));
    let last = emulator.control().log().pop().unwrap();
    assert_eq!((last.status, last.retry_after.unwrap().as_secs()), (Some(429), seconds));
}

#[tokio::test]
async fn what_cannot_be_served_is_refused() {
    let refuse = async |change: fn(&mut Options)| {
        let mut options = Options::new(Api::OpenTrain);
        change(&mut options);
        start(options).await.err().unwrap().to_string()
    };
    assert!(refuse(|options| options.listen = "0.0.0.0:0".parse().unwrap()).await.contains("loopback"));
    assert!(refuse(|options| options.accounts = 0).await.contains("at least one account"));
    assert!(refuse(|options| options.rate = f64::NAN).await.contains("more per second"));
    assert!("discord".parse::<Api>().unwrap_err().to_string().contains("`discord`"));
}
