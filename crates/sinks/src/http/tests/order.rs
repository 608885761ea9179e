//! Order per key under answers that come in any order, and what a failure in the middle of a call leaves behind.

use std::time::Duration;

use serde_json::json;

use super::server::{Received, Reply, Server};
use super::{event, rejected, sink};

fn options(server: &Server, concurrency: usize) -> serde_json::Value {
    json!({ "url": server.url, "concurrency": concurrency, "body": { "template": "{{ meta.key }}{{ event.n }}" } })
}

#[tokio::test]
async fn requests_of_a_key_wait_for_each_other_and_other_keys_overtake() {
    let slow = |_: usize, request: &Received| {
        if request.body == "a1" { Reply::Behind("< b4", 200) } else { Reply::status(200) }
    };
    let server = Server::start(slow).await;
    let events = [event(1, "a"), event(2, "a"), event(3, "b"), event(4, "b"), event(5, "a")];
    let mut sink = sink(options(&server, 4)).await;
    assert!(sink.write(&events).await.unwrap().rejected.is_empty());
    let journal = server.journal();
    let of = |key: &str| -> Vec<String> {
        let lines = journal.iter().filter(|line| line[2..].starts_with(key));
        lines.cloned().collect()
    };
    assert_eq!(of("a"), ["> a1", "< a1", "> a2", "< a2", "> a5", "< a5"]);
    assert_eq!(of("b"), ["> b3", "< b3", "> b4", "< b4"]);
}

#[tokio::test]
async fn one_at_a_time_is_the_default() {
    let server = Server::start(|_, _| Reply::Slowly(Duration::from_millis(5), 200)).await;
    let mut sink = sink(json!({ "url": server.url, "body": { "json": "event.n" } })).await;
    sink.write(&[event(1, "a"), event(2, "b"), event(3, "c")]).await.unwrap();
    assert_eq!(server.journal(), ["> 1", "< 1", "> 2", "< 2", "> 3", "< 3"]);
}

#[tokio::test]
async fn an_event_that_must_wait_holds_back_its_key_and_no_other() {
    for concurrency in [1, 4] {
        let server = Server::start(|_, request| match request.body.as_str() {
            "a1" => Reply::Slowly(Duration::from_millis(50), 500),
            "b2" => Reply::status(422),
            _ => Reply::status(200),
        })
        .await;
        let events = [event(1, "a"), event(2, "b"), event(3, "a"), event(4, "b"), event(5, "c")];
        let written = sink(options(&server, concurrency)).await.write(&events).await.unwrap();
        assert_eq!(
            rejected(&written),
            [(0, "transient", "transient"), (1, "permanent", "permanent"), (2, "transient", "transient")],
            "a dead letter frees its key"
        );
        let mut sent = server.bodies();
        sent.sort();
        assert_eq!(sent, ["a1", "b2", "b4", "c5"]);
    }
}

#[tokio::test]
async fn a_server_that_fails_thrice_in_a_row_is_left_alone_and_every_key_gets_its_turn() {
    let server = Server::start(|_, _| Reply::status(500)).await;
    let events: Vec<_> = (0..8).map(|number| event(number, &format!("k{number}"))).collect();
    let written = sink(options(&server, 1)).await.write(&events).await.unwrap();
    assert_eq!(rejected(&written).len(), 8);
    assert!(written.rejected.iter().all(|refusal| refusal.error.class().is_retryable()));
    assert_eq!(server.received().len(), 3);
}

#[tokio::test]
async fn a_pause_after_a_delivery_takes_nothing_back() {
    let refuse = |number: usize, _: &Received| Reply::status(if number == 0 { 200 } else { 401 });
    let server = Server::start(refuse).await;
    let mut sink = sink(options(&server, 1)).await;
    let events = [event(1, "a"), event(2, "b"), event(3, "c")];
    let written = sink.write(&events).await.unwrap();
    assert_eq!(rejected(&written), [(1, "transient", "transient"), (2, "transient", "transient")]);
    assert_eq!(server.received().len(), 2);
    let error = sink.write(&events[1..]).await.unwrap_err();
    assert_eq!(error.class().as_str(), "auth");
}

#[tokio::test]
async fn a_refused_batch_beside_a_delivered_one_comes_again_in_parts() {
    let server =
        Server::start(|_, request| Reply::status(if request.line().ends_with("/bad") { 400 } else { 200 }))
            .await;
    let url = format!("{}/{{{{ event.key }}}}", server.url);
    let mut sink = sink(json!({ "url": url, "batching": "array" })).await;
    let written = sink.write(&[event(1, "good"), event(2, "bad"), event(3, "bad")]).await.unwrap();
    assert_eq!(rejected(&written), [(1, "transient", "transient"), (2, "transient", "transient")]);
    let error = sink.write(&[event(2, "bad"), event(3, "bad")]).await.unwrap_err();
    assert_eq!(error.class().as_str(), "permanent", "to be halved");
}

#[tokio::test]
async fn a_server_that_names_a_time_gets_no_more_requests_in_the_call() {
    for (status, class) in [(429, "rate_limited"), (503, "transient")] {
        let asks = move |number: usize, _: &Received| match number {
            0 => Reply::status(200),
            _ => Reply::Answer(status, "retry-after: 7\r\n".to_owned(), String::new()),
        };
        let server = Server::start(asks).await;
        let events = [event(1, "a"), event(2, "b"), event(3, "c"), event(4, "d")];
        let written = sink(options(&server, 1)).await.write(&events).await.unwrap();
        assert_eq!(rejected(&written), [(1, class, class), (2, class, class), (3, class, class)]);
        assert!(written.rejected.iter().all(|refusal| refusal.error.retry_after().is_some()));
        assert_eq!(server.received().len(), 2, "{status}");
    }
}
