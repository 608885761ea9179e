//! The team chat API as its contract says, over real connections.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something unexpected happens")]

mod wire;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sluicebox_emulator::{Api, Credential, Credentials, DeliveryMode, Emulator, Options, start};
use wire::{Received, encode, exchange, get, now, sign};

const UPDATES: &str = "/v2/updates?limit=50&timeout=0";

async fn emulator(events: u64) -> Emulator {
    start(Options { events, ..Options::new(Api::Zenzap) }).await.unwrap()
}

struct Keys {
    key: String,
    secret: String,
    client_id: String,
    client_secret: String,
}

fn keys(emulator: &Emulator) -> Keys {
    match emulator.credentials(0).unwrap() {
        Credentials::Zenzap { key, secret, client_id, client_secret } => {
            Keys { key, secret, client_id, client_secret }
        }
        _ => unreachable!("the emulator is one of the chat"),
    }
}

/// Sends what is given, signed or not as it is given.
async fn raw(emulator: &Emulator, uri: &str, bearer: &str, signed: Option<(&str, &str)>) -> Received {
    let bearer = format!("Bearer {bearer}");
    let mut headers = vec![("Authorization", bearer.as_str())];
    if let Some((timestamp, signature)) = signed {
        headers.extend([("X-Timestamp", timestamp), ("X-Signature", signature)]);
    }
    exchange(emulator.address(), "GET", uri, &headers, "").await.unwrap()
}

async fn mint(emulator: &Emulator, headers: &[(&str, &str)], form: &str) -> Received {
    let mut all = vec![("Content-Type", "application/x-www-form-urlencoded")];
    all.extend(headers);
    exchange(emulator.address(), "POST", "/oauth/token", &all, form).await.unwrap()
}

fn form(keys: &Keys, more: &str) -> String {
    let id = keys.client_id.replace('@', "%40");
    format!("grant_type=client_credentials&client_id={id}&client_secret={}{more}", keys.client_secret)
}

async fn access_token(emulator: &Emulator, more: &str) -> String {
    let answer = mint(emulator, &[], &form(&keys(emulator), more)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_announcement_is_one_line_of_json() {
    let emulator = emulator(1).await;
    let line = serde_json::to_string(&emulator.announcement()).unwrap();
    let port = emulator.address().port();
    assert!(
        line.starts_with(&format!("{{\"api\":\"zenzap\",\"url\":\"http://127.0.0.1:{port}\",\"key\":\""))
    );
    for key in ["secret", "client_id", "client_secret"] {
        assert!(line.contains(&format!("\"{key}\":")), "{line}");
    }
}

#[tokio::test]
async fn a_signature_covers_exactly_what_was_sent() {
    let emulator = emulator(200).await;
    let Keys { key, secret, .. } = keys(&emulator);
    let page = get(&emulator, UPDATES).await;
    let offset = page.items().into_iter().map(|item| item["updateId"].as_str().unwrap().to_owned());
    let offset = offset.rev().find(|id| id.contains(['+', '/'])).unwrap();
    let sent = format!("/v2/updates?offset={}&limit=50", encode(&offset));
    let decoded = format!("/v2/updates?offset={offset}&limit=50");
    let timestamp = now();
    let stamp = timestamp.to_string();
    let right = sign(&secret, timestamp, &sent);
    assert_eq!(raw(&emulator, &sent, &key, Some((&stamp, &right))).await.status, 200);
    let wrong = [
        sign(&secret, timestamp, &decoded),
        sign(&secret, timestamp, "/v2/updates?limit=50"),
        sign("other", timestamp, &sent),
        sign(&secret, timestamp + 1, &sent),
        right.to_uppercase(),
        String::new(),
    ];
    for signature in &wrong {
        let refused = raw(&emulator, &sent, &key, Some((&stamp, signature))).await;
        assert_eq!((refused.status, refused.text()), (401, "unauthorized"), "{signature}");
        assert!(refused.header("content-type").unwrap().starts_with("text/plain"));
    }
    assert_eq!(raw(&emulator, &sent, &key, None).await.status, 401);
    assert_eq!(raw(&emulator, &sent, "zk_wrong", Some((&stamp, &right))).await.status, 401);
}

#[tokio::test]
async fn a_timestamp_older_than_five_minutes_is_refused() {
    let emulator = emulator(1).await;
    let Keys { key, secret, .. } = keys(&emulator);
    let at = async |timestamp: i64| {
        let signature = sign(&secret, timestamp, UPDATES);
        raw(&emulator, UPDATES, &key, Some((&timestamp.to_string(), &signature))).await
    };
    assert_eq!(at(now() - 290_000).await.status, 200);
    assert_eq!(at(now() - 301_000).await.status, 401);
    assert_eq!(at(now() / 1000).await.status, 401, "seconds are not milliseconds");
    emulator.control().set_clock_skew(3600);
    let refused = at(now()).await;
    assert_eq!(refused.status, 401);
    let date = refused.header("date").unwrap();
    let told = jiff::fmt::rfc2822::parse(date).unwrap().timestamp().as_millisecond();
    assert!((told - now() - 3_600_000).abs() < 5000, "{date}");
    assert_eq!(at(told).await.status, 200, "signed by the clock of the server");
}

#[tokio::test]
async fn an_access_token_replaces_the_signature() {
    let emulator = emulator(3).await;
    let token = access_token(&emulator, "").await;
    assert_eq!(token.split('.').count(), 3);
    assert_eq!(raw(&emulator, UPDATES, &token, None).await.items().len(), 3);
    let timestamp = now();
    let signature = sign(&keys(&emulator).secret, timestamp, UPDATES);
    let both = raw(&emulator, UPDATES, &token, Some((&timestamp.to_string(), &signature))).await;
    assert_eq!(both.status, 401, "signature headers do not belong to an access token");
    emulator.control().expire_access_tokens(0);
    assert_eq!(raw(&emulator, UPDATES, &token, None).await.text(), "unauthorized");
    let fresh = access_token(&emulator, "").await;
    assert_eq!(raw(&emulator, UPDATES, &fresh, None).await.status, 200);
    let kinds: Vec<Credential> = emulator.control().log().iter().map(|record| record.credential).collect();
    assert!(kinds.contains(&Credential::AccessToken) && kinds.contains(&Credential::Client));
    assert_eq!(emulator.control().stats().mints, 2);
}

#[tokio::test]
async fn access_tokens_expire_by_themselves() {
    let options = Options { token_lifetime: Duration::ZERO, ..Options::new(Api::Zenzap) };
    let emulator = start(options).await.unwrap();
    let token = access_token(&emulator, "").await;
    assert_eq!(raw(&emulator, UPDATES, &token, None).await.status, 401);
}

#[tokio::test]
async fn access_tokens_carry_scopes() {
    let scopes = vec!["updates:read".to_owned(), "member:read".to_owned()];
    let options = Options { scopes: Some(scopes), ..Options::new(Api::Zenzap) };
    let emulator = start(options).await.unwrap();
    let narrow = access_token(&emulator, "&scope=member%3Aread").await;
    let refused = raw(&emulator, UPDATES, &narrow, None).await;
    assert_eq!((refused.status, refused.text()), (403, "forbidden"));
    assert_eq!(raw(&emulator, "/v2/members/me", &narrow, None).await.status, 200);
    let both = access_token(&emulator, "&scope=member%3Aread+updates%3Aread").await;
    assert_eq!(raw(&emulator, UPDATES, &both, None).await.status, 200);
    assert_eq!(raw(&emulator, "/v2/topics", &both, None).await.status, 403);
    let keys = keys(&emulator);
    for (more, error) in [("&scope=task%3Aread", "invalid_grant"), ("&scope=everything", "invalid_scope")] {
        let refused = mint(&emulator, &[], &form(&keys, more)).await;
        assert_eq!((refused.status, refused.json()["error"].as_str()), (400, Some(error)));
    }
}

#[tokio::test]
async fn minting_refuses_what_is_wrong() {
    let emulator = emulator(1).await;
    let keys = keys(&emulator);
    let basic = STANDARD.encode(format!("{}:{}", keys.client_id, keys.client_secret));
    let basic = format!("Basic {basic}");
    let by_basic = mint(&emulator, &[("Authorization", &basic)], "grant_type=client_credentials").await;
    let body = by_basic.json();
    assert_eq!(
        (by_basic.status, body["token_type"].as_str(), body["expires_in"].as_u64()),
        (200, Some("Bearer"), Some(3600))
    );
    assert!(body["scope"].as_str().unwrap().contains("updates:read"));
    let good = form(&keys, "");
    for (form, status, error) in [
        (good.replace("client_credentials", "password"), 400, "unsupported_grant_type"),
        (good.replace("grant_type=", "grant="), 400, "invalid_request"),
        (good.replace(&keys.client_secret, "guess"), 401, "invalid_client"),
        (good.replace("client_id=", "id="), 401, "invalid_client"),
    ] {
        let refused = mint(&emulator, &[], &form).await;
        assert_eq!((refused.status, refused.json()["error"].as_str()), (status, Some(error)), "{form}");
    }
}

#[tokio::test]
async fn offsets_lead_through_the_feed() {
    let emulator = emulator(130).await;
    let first = get(&emulator, "/v2/updates?limit=100").await;
    assert_eq!(first.items().len(), 100);
    assert_eq!(first.next().unwrap(), first.items()[99]["updateId"].as_str().unwrap());
    let second =
        get(&emulator, &format!("/v2/updates?offset={}&limit=100", encode(&first.next().unwrap()))).await;
    assert_eq!(second.items().len(), 30);
    let mut offset = second.next().unwrap();
    for _ in 0..300 {
        let empty = get(&emulator, &format!("/v2/updates?offset={}", encode(&offset))).await;
        assert!(empty.items().is_empty());
        let moved = empty.next().unwrap();
        assert_ne!(moved, offset, "an empty page may move the offset");
        offset = moved;
    }
    emulator.control().append(0, 1);
    let last = get(&emulator, &format!("/v2/updates?offset={}", encode(&offset))).await;
    assert_eq!(last.items().len(), 1);
    assert_eq!(get(&emulator, "/v2/updates").await.items().len(), 50, "the documented default");
}

#[tokio::test]
async fn bad_parameters_are_refused_in_plain_text() {
    let emulator = emulator(10).await;
    let foreign = "offset=AAAAAAABAAAAAAAAAAABAA%3D%3D";
    for query in
        ["limit=0", "limit=101", "limit=x", "timeout=31", "timeout=-1", "timeout=1.5", "offset=", foreign]
    {
        let refused = get(&emulator, &format!("/v2/updates?{query}")).await;
        assert_eq!(refused.status, 400, "{query}");
        assert!(refused.header("content-type").unwrap().starts_with("text/plain"));
        assert!(serde_json::from_slice::<serde_json::Value>(&refused.body).is_err());
    }
}

#[tokio::test]
async fn a_long_poll_is_held_until_something_happens() {
    let emulator = emulator(0).await;
    let control = emulator.control();
    let (page, ()) = tokio::join!(get(&emulator, "/v2/updates?timeout=30"), async {
        while control.stats().polls == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(control.log()[0].status, None, "a held request has no answer yet");
        control.append(0, 2);
    });
    assert_eq!(page.items().len(), 2);
    let offset = encode(&page.next().unwrap());
    let empty = get(&emulator, &format!("/v2/updates?offset={offset}&timeout=1")).await;
    assert!(empty.items().is_empty() && empty.next().is_some());
    let record = control.log().pop().unwrap();
    assert!(record.answered.unwrap() >= record.arrived + Duration::from_secs(1));
}

#[tokio::test]
async fn a_long_poll_sees_the_feed_grow() {
    let options = Options { events: 5, rate: 20.0, ..Options::new(Api::Zenzap) };
    let emulator = start(options).await.unwrap();
    let mut offset = String::new();
    let mut seen = 0;
    while seen < 5 {
        let page = get(&emulator, &format!("/v2/updates?timeout=30{offset}")).await;
        assert!(!page.items().is_empty());
        seen += page.items().len();
        offset = format!("&offset={}", encode(&page.next().unwrap()));
    }
}

#[tokio::test]
async fn a_bot_in_webhook_mode_cannot_be_polled() {
    let emulator = emulator(0).await;
    let control = emulator.control();
    let (held, ()) = tokio::join!(get(&emulator, "/v2/updates?timeout=30"), async {
        while control.stats().polls == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        control.set_delivery_mode(0, DeliveryMode::Webhook);
    });
    assert_eq!((held.status, held.text()), (409, "delivery mode is not polling"));
    control.set_delivery_mode(0, DeliveryMode::Polling);
    assert_eq!(get(&emulator, UPDATES).await.status, 200);
}

#[tokio::test]
async fn offsets_outside_the_retention_are_gone() {
    let options = Options { events: 100, retention: Some(30), ..Options::new(Api::Zenzap) };
    let emulator = start(options).await.unwrap();
    let first = get(&emulator, "/v2/updates?limit=5").await;
    let ids = sluicebox_emulator::events(Api::Zenzap, 1, 0, 0..100);
    let id = |index: usize| {
        let event: serde_json::Value = serde_json::from_slice(&ids[index]).unwrap();
        event["updateId"].as_str().unwrap().to_owned()
    };
    assert_eq!(first.items()[0]["updateId"], id(70), "the oldest that is kept");
    let after =
        async |index: usize| get(&emulator, &format!("/v2/updates?offset={}", encode(&id(index)))).await;
    assert_eq!(after(69).await.status, 200);
    let gone = after(68).await;
    assert_eq!(gone.status, 409);
    assert!(!gone.text().contains("delivery mode"));
    emulator.control().set_retention(0, None);
    assert_eq!(after(10).await.status, 200);
}

#[tokio::test]
async fn expired_offsets_leave_a_gap() {
    let emulator = emulator(20).await;
    let control = emulator.control();
    let offset = get(&emulator, UPDATES).await.next().unwrap();
    control.expire_offsets(0);
    let gone = get(&emulator, &format!("/v2/updates?offset={}", encode(&offset))).await;
    assert_eq!(gone.status, 409, "even the newest offset has expired");
    assert!(!gone.text().contains("delivery mode"));
    let fresh = get(&emulator, UPDATES).await;
    assert!(fresh.items().is_empty());
    control.append(0, 3);
    let next = get(&emulator, &format!("/v2/updates?offset={}", encode(&fresh.next().unwrap()))).await;
    assert_eq!(next.items().len(), 3);
    let again = get(&emulator, &format!("/v2/updates?offset={}", encode(&next.next().unwrap()))).await;
    assert_eq!(again.status, 200);
    let update = encode(next.items()[0]["updateId"].as_str().unwrap());
    assert_eq!(get(&emulator, &format!("/v2/updates?offset={update}")).await.items().len(), 2);
}

#[tokio::test]
async fn topics_and_members_can_be_looked_up() {
    let emulator = emulator(300).await;
    let items = get(&emulator, "/v2/updates?limit=100").await.items();
    let message = items.iter().rev().find(|item| item["eventType"] == "message.created").unwrap();
    let message = &message["data"]["message"];
    let topic = message["topicId"].as_str().unwrap();
    let found = get(&emulator, &format!("/v2/topics/{topic}")).await.json();
    assert_eq!(found["id"], topic);
    assert!(found["name"].is_string() && found["memberIds"].is_array());
    let messages = get(&emulator, &format!("/v2/topics/{topic}/messages?limit=100")).await.json();
    assert!(messages["messages"].as_array().unwrap().iter().any(|item| item["id"] == message["id"]));
    let me = get(&emulator, "/v2/members/me").await.json();
    assert_eq!(me["id"], keys(&emulator).client_id);
    let mut members = 0;
    let mut cursor = String::new();
    loop {
        let page = get(&emulator, &format!("/v2/members?limit=15{cursor}")).await.json();
        members += page["members"].as_array().unwrap().len();
        match page["nextCursor"].as_str() {
            Some(next) if page["hasMore"] == true => cursor = format!("&cursor={next}"),
            _ => break,
        }
    }
    assert_eq!(members, 40);
    assert_eq!(get(&emulator, "/v2/topics").await.json()["topics"].as_array().unwrap().len(), 12);
    assert_eq!(get(&emulator, "/v2/topics/unknown").await.text(), "not found");
    assert_eq!(get(&emulator, "/v2/members?limit=101").await.status, 400);
    assert_eq!(get(&emulator, "/v3/anything").await.status, 404);
}

#[tokio::test]
async fn attachments_lie_behind_signed_links_that_expire() {
    let served = |lifetime| {
        let attachments = Some(Duration::from_secs(lifetime));
        start(Options { events: 60, attachments, ..Options::new(Api::Zenzap) })
    };
    for (lifetime, status) in [(3600, 200), (0, 403)] {
        let emulator = served(lifetime).await.unwrap();
        let page = get(&emulator, UPDATES).await;
        let items = page.items();
        let links = items.iter().filter_map(|item| item.pointer("/data/message/attachments/0/url")?.as_str());
        let links: Vec<&str> = links.collect();
        assert!(links.len() > 2, "{links:?}");
        for link in links {
            let uri = link.strip_prefix(&emulator.url()).unwrap();
            let ask = async |uri: &str, headers: &[(&str, &str)]| {
                exchange(emulator.address(), "GET", uri, headers, "").await.unwrap()
            };
            let found = ask(uri, &[]).await;
            assert_eq!(found.status, status, "{link}");
            let id = uri.split('?').next().unwrap().rsplit('/').next().unwrap();
            assert!(status != 200 || found.body == sluicebox_emulator::attachment(1, id));
            assert_eq!(
                ask(uri, &[("Authorization", "Bearer x")]).await.status,
                400,
                "credentials beside a signature"
            );
            assert_eq!(ask(&uri.replace("token=", "token=0"), &[]).await.status, 403, "another signature");
        }
        assert!(emulator.control().stats().files > 2);
    }
    assert!(start(Options { attachments: Some(Duration::ZERO), ..Options::new(Api::Slack) }).await.is_err());
}
