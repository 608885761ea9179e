//! Pages, pace and credentials of the Zenzap contract.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sluicebox_core::{ErrorClass, Pace, Source, Timestamp};
use sluicebox_emulator::Api;
use sluicebox_http::{Request, sign};
use sluicebox_testkit::{Login, START_MILLISECONDS};

use super::scripted::{
    Reply, Scripted, context, cursor, ids, page, poll_requests, polled, polls, source, update, zenzap_page,
};

async fn feed(options: Value, replies: Vec<Reply>) -> (Box<dyn Source>, Arc<Scripted>) {
    polled(Api::Zenzap, options, replies).await
}

#[tokio::test(start_paused = true)]
async fn polls_follow_each_other_and_the_offset_moves_with_empty_pages_too() {
    let replies = vec![
        zenzap_page(&["u1"], "a+/="),
        zenzap_page(&[], "b==").after_seconds(20),
        zenzap_page(&["u2", "u3"], "c"),
    ];
    let (mut feed, transport) = feed(json!({}), replies).await;
    feed.open(None).await.unwrap();
    let first = page(&mut feed).await;
    assert_eq!((ids(&first), cursor(&first)), (vec!["zenzap:acme:u1"], Some("a+/=".into())));
    assert_eq!((first.pace, first.caught_up), (Pace::Immediately, false));
    let second = page(&mut feed).await;
    assert_eq!(
        (second.pace, second.caught_up, cursor(&second)),
        (Pace::Immediately, true, Some("b==".into()))
    );
    assert_eq!(ids(&page(&mut feed).await), ["zenzap:acme:u2", "zenzap:acme:u3"]);
    let expected = [
        "/v2/updates?limit=50&timeout=20",
        "/v2/updates?limit=50&offset=a%2B%2F%3D&timeout=20",
        "/v2/updates?limit=50&offset=b%3D%3D&timeout=20",
    ];
    assert_eq!(polls(&transport), expected);
    for request in poll_requests(&transport) {
        let time: i64 = request.headers["x-timestamp"].to_str().unwrap().parse().unwrap();
        let target = &request.url[url::Position::BeforePath..];
        let expected = sign("hunter2", Timestamp::from_millis(time), target);
        assert_eq!(request.headers["x-signature"], expected.as_str());
        assert!((time - START_MILLISECONDS).abs() < 60_000);
    }
}

#[tokio::test(start_paused = true)]
async fn events_say_who_they_are() {
    let updates = json!([
        update("u1", "message.created", &json!({ "message": { "id": "m", "topicId": "t1", "senderId": "x" } })),
        update("u2", "poll_vote.created", &json!({ "topicId": "t2" })),
        { "updateId": "u3", "eventType": "webhook.test", "createdAt": "soon" },
        { "eventType": "message.created" },
        "nonsense",
    ]);
    let (mut feed, _) =
        feed(json!({}), vec![Reply::json(&json!({ "updates": updates, "nextOffset": "a" }))]).await;
    feed.open(None).await.unwrap();
    let batch = page(&mut feed).await;
    assert_eq!(ids(&batch), ["zenzap:acme:u1", "zenzap:acme:u2", "zenzap:acme:u3"]);
    let keys: Vec<&str> = batch.events.iter().map(|event| event.meta().key.as_str()).collect();
    assert_eq!(keys, ["t1", "t2", "acme"]);
    assert_eq!(batch.events[0].meta().time.as_millis(), 1_699_564_800_000);
    assert_eq!(batch.events[2].meta().time, batch.events[2].meta().received);
    assert_eq!(batch.rejects.len(), 2);
    assert_eq!(batch.events[0].json(), updates[0].to_string());
}

#[tokio::test(start_paused = true)]
async fn early_empty_pages_are_followed_by_growing_rests() {
    let (mut feed, _) = feed(json!({ "interval": "4s" }), vec![zenzap_page(&[], "a")]).await;
    feed.open(None).await.unwrap();
    let mut rests = Vec::new();
    for _ in 0..5 {
        let batch = page(&mut feed).await;
        assert!(!batch.caught_up);
        rests.push(batch.pace);
    }
    let expected = [1, 2, 4, 4, 4].map(|seconds| Pace::After(Duration::from_secs(seconds)));
    assert_eq!(rests, expected);
}

#[tokio::test(start_paused = true)]
async fn without_holding_every_empty_page_is_caught_up() {
    let (mut feed, transport) = feed(json!({ "timeout": "0s" }), vec![zenzap_page(&[], "a")]).await;
    feed.open(None).await.unwrap();
    let batch = page(&mut feed).await;
    assert_eq!((batch.caught_up, batch.pace), (true, Pace::After(Duration::from_secs(1))));
    assert!(polls(&transport)[0].ends_with("timeout=0"));
}

#[tokio::test(start_paused = true)]
async fn a_held_poll_may_take_its_timeout_and_fifteen_seconds_more() {
    let (mut feed, _) = feed(
        json!({ "timeout": "30s" }),
        vec![zenzap_page(&[], "a").after_seconds(44), zenzap_page(&[], "a").after_seconds(46)],
    )
    .await;
    feed.open(None).await.unwrap();
    assert!(page(&mut feed).await.caught_up);
    let error = feed.next().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Transient);
    assert!(error.to_string().contains("no answer within 45 s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn start_now_reads_history_away_without_holding_and_then_holds() {
    let replies = vec![zenzap_page(&["u1"], "a"), zenzap_page(&[], "a"), zenzap_page(&["u2"], "b")];
    let (mut feed, transport) = feed(json!({ "start": "now" }), replies).await;
    feed.open(None).await.unwrap();
    let first = page(&mut feed).await;
    assert_eq!((first.events.len(), cursor(&first)), (0, Some("priming a".into())));
    feed.open(first.cursor.as_ref()).await.unwrap();
    let second = page(&mut feed).await;
    assert_eq!((cursor(&second), second.caught_up), (Some("a".into()), false));
    assert_eq!(ids(&page(&mut feed).await), ["zenzap:acme:u2"]);
    let timeouts: Vec<bool> = polls(&transport).iter().map(|target| target.ends_with("timeout=20")).collect();
    assert_eq!(timeouts, [false, false, true]);
}

#[tokio::test(start_paused = true)]
async fn an_access_token_is_renewed_before_it_lapses_and_sent_without_a_signature() {
    let answer = |number: usize, request: &Request| match request.url.path() {
        "/oauth/token" => Reply::json(&json!({ "access_token": format!("t{number}"), "expires_in": 200 })),
        _ => zenzap_page(&[], "a").after_seconds(20),
    };
    let (cx, transport) = context(answer);
    let mut feed = source(Api::Zenzap, Login::OAuth, &json!({}), &cx).await;
    feed.open(None).await.unwrap();
    for _ in 0..14 {
        page(&mut feed).await;
    }
    let requests = transport.requests.lock();
    let fetches: Vec<usize> =
        (0..requests.len()).filter(|at| requests[*at].url.path() == "/oauth/token").collect();
    assert_eq!(fetches, [0, 8], "140 of 200 seconds are used, in polls of 20");
    assert!(requests.iter().all(|request| !request.headers.contains_key("x-signature")));
    assert_eq!(requests[9].headers["authorization"], "Bearer t8");
}
