//! The bell of `opentrain_updates` over a real connection: what wakes it, and what it does then.

use std::time::Duration;

use serde_json::json;
use sluicebox_core::{Background, Context, Pace, Source, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::support::{Reply, context, in_turn, opentrain_page, source};

const SECRET: &str = "whsec_test";

/// A source that listens, and where.
async fn feed(replies: Vec<Reply>) -> (Box<dyn Source>, std::net::SocketAddr, Context) {
    let mut all = vec![Reply::new(404, "")];
    all.extend(replies);
    let (cx, _) = context(in_turn(all));
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let webhook =
        json!({ "listen": address.to_string(), "path": "/hooks", "secrets": ["whsec_old", SECRET] });
    let options = json!({ "token": "hunter2", "interval": "30s", "webhook": webhook });
    let mut feed = source("opentrain_updates", options, &cx).await;
    for (_, work) in Background::of(&cx.shared).take() {
        tokio::spawn(work);
    }
    feed.open(None).await.unwrap();
    (feed, address, cx)
}

/// Posts a signed delivery; the status of the answer.
async fn ring(address: std::net::SocketAddr, cx: &Context, body: &str) -> String {
    let seconds = cx.environment.clock.now().as_millis() / 1000;
    // The same text is signed as with the other API: a number, a full stop, the body.
    let signature = sluicebox_http::sign(SECRET, Timestamp::from_millis(seconds), body);
    let request = format!(
        "POST /hooks HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-OpenTrain-Signature: t={seconds},v1={signature}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn a_ring_wakes_it_even_if_nobody_waited_and_a_replay_does_not() {
    let (mut feed, address, cx) = feed(vec![opentrain_page([1], &json!("1"), false)]).await;
    feed.next().await.unwrap();
    assert_eq!(ring(address, &cx, "{}").await, "200");
    timeout(Duration::from_secs(30), feed.woken()).await.expect("it has rung");
    feed.next().await.unwrap();
    assert_eq!(ring(address, &cx, "{}").await, "200", "a retry is answered like the first");
    assert!(timeout(Duration::from_millis(400), feed.woken()).await.is_err(), "the same message");
    assert_eq!(ring(address, &cx, "{ }").await, "200");
    timeout(Duration::from_secs(30), feed.woken()).await.expect("it has rung again");
}

#[tokio::test]
async fn what_was_rung_for_and_is_not_there_yet_is_looked_for_once_more() {
    let pages = vec![opentrain_page([1], &json!("1"), false), opentrain_page([], &json!("1"), false)];
    let (mut feed, address, cx) = feed(pages).await;
    let interval = Pace::After(Duration::from_secs(27));
    assert_eq!(feed.next().await.unwrap().unwrap().pace, interval);
    ring(address, &cx, "{}").await;
    timeout(Duration::from_secs(30), feed.woken()).await.expect("it has rung");
    assert_eq!(feed.next().await.unwrap().unwrap().pace, Pace::After(Duration::from_secs(2)));
    assert_eq!(feed.next().await.unwrap().unwrap().pace, interval, "once is enough");
}

#[tokio::test]
async fn without_a_webhook_nothing_wakes_it() {
    let (cx, _) = context(in_turn(vec![Reply::new(404, ""), opentrain_page([], &json!(null), false)]));
    let mut feed = source("opentrain_updates", json!({ "token": "hunter2" }), &cx).await;
    feed.open(None).await.unwrap();
    feed.next().await.unwrap();
    assert!(timeout(Duration::from_millis(300), feed.woken()).await.is_err());
    assert!(Background::of(&cx.shared).take().is_empty());
}
