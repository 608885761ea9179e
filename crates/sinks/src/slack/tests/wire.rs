//! Every kind of answer over real TCP: what is posted, in which order, and what the engine is told.

use std::time::Duration;

use sluicebox_core::{ErrorClass, Written};

use super::*;
use crate::slack::testing::Reply::{Cut, Ok as Fine, Say};

const SLOW_DOWN: &str = r#"{"ok":false,"error":"ratelimited"}"#;

fn rejected(written: &Written) -> Vec<(usize, ErrorClass, &str)> {
    let rejected = written.rejected.iter();
    rejected.map(|one| (one.index, one.error.class(), one.error.reason())).collect()
}

#[tokio::test]
async fn messages_are_posted_in_order_and_in_the_documented_form() {
    let server = Server::new(&[]);
    let mut sink = build(&channel(&server, json!({ "blocks": [{ "type": "divider" }] }))).await;
    let written = sink.write(&events(&["one", "two", "three"])).await.unwrap();
    assert!(written.rejected.is_empty());
    assert_eq!(server.texts(), ["one", "two", "three"]);
    let first = &server.seen()[0];
    assert_eq!(first.line, "POST /api/chat.postMessage");
    let expected = json!({ "channel": "C1", "text": "one", "blocks": [{ "type": "divider" }], "unfurl_links": false, "unfurl_media": false });
    assert_eq!(first.body, expected);
    for header in
        ["authorization: Bearer xoxb-hunter2-hunter2", "content-type: application/json; charset=utf-8"]
    {
        assert!(first.headers.iter().any(|found| found == header), "{:?}", first.headers);
    }
}

#[tokio::test]
async fn a_webhook_says_ok_and_nothing_else() {
    let server = Server::new(&[Fine, Say(200, "", "not ok"), Fine]);
    let mut sink = build(&webhook(&server, json!({}))).await;
    let batch = events(&["one", "two"]);
    let error = sink.write(&batch).await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Transient, "unknown_answer"));
    sink.write(&batch).await.unwrap();
    assert_eq!(server.texts(), ["one", "two", "two"]);
    let first = &server.seen()[0];
    assert_eq!(first.line, "POST /services/T0/B0/hunter2hunter2");
    assert_eq!(first.body, json!({ "text": "one", "unfurl_links": false, "unfurl_media": false }));
}

#[tokio::test]
async fn a_rate_limit_is_obeyed_and_no_message_overtakes_another() {
    let server = Server::new(&[Fine, Say(429, "Retry-After: 1\r\n", SLOW_DOWN)]);
    let options = channel(&server, json!({}));
    let (mut sink, mut other) = (build(&options).await, build(&options).await);
    let batch = events(&["one", "two", "three"]);
    let error = sink.write(&batch).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::RateLimited);
    let asked = error.retry_after().unwrap();
    assert!((Duration::from_secs(1)..=Duration::from_secs(2)).contains(&asked), "{asked:?}");
    // The other sink of the channel waits too, and nothing that was posted is posted again.
    other.write(&events(&["other"])).await.unwrap();
    sink.write(&batch).await.unwrap();
    assert_eq!(server.texts(), ["one", "two", "other", "two", "three"]);
    let seen = server.seen();
    assert!(seen[2].at - seen[1].at >= Duration::from_millis(950), "{:?}", seen[2].at - seen[1].at);
}

#[tokio::test]
async fn a_rate_limit_that_says_no_time_is_half_a_minute() {
    for headers in ["", "Retry-After: soon\r\n", "Retry-After: -1\r\n"] {
        let server = Server::new(&[Say(429, headers, "")]);
        let error = build(&channel(&server, json!({}))).await.write(&events(&["one"])).await.unwrap_err();
        assert_eq!(error.retry_after().unwrap().as_secs(), 30, "{headers}");
    }
    let server = Server::new(&[Say(429, "Retry-After: 86400\r\n", "")]);
    let error = build(&webhook(&server, json!({}))).await.write(&events(&["one"])).await.unwrap_err();
    assert_eq!(error.retry_after().unwrap().as_secs(), 600);
}

#[tokio::test]
async fn a_workspace_that_takes_nothing_is_left_alone_for_minutes() {
    let server = Server::new(&[Say(200, "", r#"{"ok":false,"error":"message_limit_exceeded"}"#)]);
    let error = build(&channel(&server, json!({}))).await.write(&events(&["one"])).await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::RateLimited, "message_limit_exceeded"));
    assert_eq!(error.retry_after().unwrap().as_secs(), 300);
}

#[tokio::test]
async fn a_refused_token_pauses_and_costs_no_event() {
    let refused = Say(200, "", r#"{"ok":false,"error":"token_revoked"}"#);
    let server = Server::new(&[refused.clone(), Fine, refused.clone(), refused]);
    let mut sink = build(&channel(&server, json!({}))).await;
    let batch = events(&["one", "two", "three"]);
    let error = sink.write(&batch).await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Auth, "token_revoked"));
    assert!(error.help().is_some());
    // What was posted before a refusal counts; the rest is not a dead letter, and pauses the sink when it comes again.
    let written = sink.write(&batch).await.unwrap();
    let waiting = [(1, ErrorClass::Transient, "not_attempted"), (2, ErrorClass::Transient, "not_attempted")];
    assert_eq!(rejected(&written), waiting);
    assert_eq!(sink.write(&batch[1..]).await.unwrap_err().class(), ErrorClass::Auth);
    assert_eq!(server.texts(), ["one", "one", "two", "two"]);
}

#[tokio::test]
async fn a_channel_that_is_missing_pauses_or_is_a_dead_letter_as_the_user_says() {
    let missing = Say(200, "", r#"{"ok":false,"error":"channel_not_found"}"#);
    let server = Server::new(&[missing.clone(), missing]);
    let error = build(&channel(&server, json!({}))).await.write(&events(&["one"])).await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Config, "channel_not_found"));
    let options = channel(&server, json!({ "on_channel_error": "dead_letter" }));
    let written = build(&options).await.write(&events(&["one", "two"])).await.unwrap();
    assert_eq!(rejected(&written), [(0, ErrorClass::Permanent, "channel_not_found")]);
    let server = Server::new(&[Say(410, "", "channel_is_archived"), Say(404, "", "no_service")]);
    let mut sink = build(&webhook(&server, json!({ "on_channel_error": "dead_letter" }))).await;
    assert_eq!(sink.write(&events(&["one"])).await.unwrap().rejected.len(), 1);
    // A webhook that is gone is no matter of the channel.
    assert_eq!(sink.write(&events(&["two"])).await.unwrap_err().class(), ErrorClass::Auth);
}

#[tokio::test]
async fn a_message_that_is_refused_for_good_is_a_dead_letter_with_slacks_reasons() {
    let body = r#"{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["[ERROR] must be less than 3001 characters"]}}"#;
    let server = Server::new(&[
        Fine,
        Say(200, "", body),
        Fine,
        Say(200, "", r#"{"ok":false,"error":"msg_too_long"}"#),
    ]);
    let mut sink = build(&channel(&server, json!({}))).await;
    let written = sink.write(&events(&["one", "two", "three", "four"])).await.unwrap();
    let expected = [(1, ErrorClass::Permanent, "invalid_blocks"), (3, ErrorClass::Permanent, "too_large")];
    assert_eq!(rejected(&written), expected);
    let message = written.rejected[0].error.to_string();
    assert!(message.contains("invalid_blocks") && message.contains("less than 3001"), "{message}");
}

#[tokio::test]
async fn an_answer_that_nobody_knows_is_tried_three_times() {
    let strange = Say(200, "", r#"{"ok":false,"error":"brand_new"}"#);
    let server = Server::new(&[strange.clone(), strange.clone(), strange]);
    let mut sink = build(&channel(&server, json!({}))).await;
    let batch = events(&["one", "two"]);
    for _ in 0..2 {
        assert_eq!(sink.write(&batch).await.unwrap_err().class(), ErrorClass::Transient);
    }
    let written = sink.write(&batch).await.unwrap();
    assert_eq!(rejected(&written)[0].1, ErrorClass::Permanent);
    assert!(written.rejected[0].error.to_string().contains("brand_new"));
    assert_eq!(server.texts(), ["one", "one", "one", "two"]);
}

#[tokio::test]
async fn a_lost_answer_is_retried_or_left_to_a_person() {
    for lost in [Cut, Say(200, "", r#"{"ok":false,"error":"fatal_error"}"#)] {
        let server = Server::new(std::slice::from_ref(&lost));
        let mut sink = build(&channel(&server, json!({}))).await;
        let error = sink.write(&events(&["one"])).await.unwrap_err();
        assert_eq!((error.class(), error.reason()), (ErrorClass::Transient, "unknown_outcome"), "{lost:?}");
        sink.write(&events(&["one"])).await.unwrap();
        assert_eq!(server.texts(), ["one", "one"]);
        let server = Server::new(&[Fine, lost]);
        let mut sink = build(&channel(&server, json!({ "on_ambiguous": "dead_letter" }))).await;
        let written = sink.write(&events(&["one", "two", "three"])).await.unwrap();
        assert_eq!(rejected(&written), [(1, ErrorClass::Permanent, "unknown_outcome")]);
        assert_eq!(server.texts(), ["one", "two", "three"]);
    }
}

#[tokio::test]
async fn what_was_never_sent_is_always_retried() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/services/T0/B0/hunter2hunter2", listener.local_addr().unwrap());
    drop(listener);
    let options = json!({ "webhook_url": url, "text": "x", "on_ambiguous": "dead_letter" });
    let error = build(&options).await.write(&events(&["one"])).await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Transient, "transient"));
}

#[tokio::test]
async fn no_error_shows_a_secret() {
    let said = [
        Say(200, "", "hunter2hunter2"),
        Say(500, "", "/services/T0/B0/hunter2hunter2"),
        Say(302, "Location: https://evil.example/hunter2hunter2\r\n", ""),
        Say(404, "", "no_service"),
        Cut,
    ];
    let server = Server::new(&said);
    for _ in 0..said.len() {
        let error = build(&webhook(&server, json!({}))).await.write(&events(&["one"])).await.unwrap_err();
        let shown = format!("{} {:?} {error:?}", error.chain(), error.help());
        assert!(!shown.contains("hunter2") && !shown.contains("/services/"), "{shown}");
    }
    let server = Server::new(&[Say(200, "", r#"{"ok":false,"error":"xoxb-hunter2-hunter2"}"#)]);
    let error = build(&channel(&server, json!({}))).await.write(&events(&["one"])).await.unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}

#[tokio::test]
async fn events_of_one_key_go_into_one_thread() {
    let gone = Say(200, "", r#"{"ok":false,"error":"cannot_reply_to_message"}"#);
    let server = Server::new(&[Fine, Fine, Fine, Fine, gone]);
    let mut sink = build(&channel(&server, json!({ "thread_key": "event.text" }))).await;
    sink.write(&events(&["a", "b", "a"])).await.unwrap();
    sink.write(&events(&["a"])).await.unwrap();
    let written = sink.write(&events(&["a"])).await.unwrap();
    assert_eq!(rejected(&written), [(0, ErrorClass::Permanent, "cannot_reply_to_message")]);
    sink.write(&events(&["a", "b"])).await.unwrap();
    let threads: Vec<_> = server.seen().iter().map(|seen| seen.body["thread_ts"].clone()).collect();
    let (a, b) = (json!("1503435956.000001"), json!("1503435956.000002"));
    assert_eq!(threads, [Value::Null, Value::Null, a.clone(), a.clone(), a, Value::Null, b]);
}

#[tokio::test]
async fn a_long_text_goes_on_where_it_was_left() {
    let server =
        Server::new(&[Fine, Say(503, "", ""), Fine, Say(200, "", r#"{"ok":false,"error":"no_text"}"#)]);
    let mut sink = build(&channel(&server, json!({}))).await;
    let text = ["a".repeat(3_990), "b".repeat(3_990), "c".repeat(3_990)].join("\n");
    let batch = events(&[&text, "next"]);
    let error = sink.write(&batch).await.unwrap_err();
    // One part was posted: the wait for the next does not grow with what was waited before.
    assert_eq!(
        (error.class(), error.retry_after()),
        (ErrorClass::Transient, Some(Duration::from_millis(500)))
    );
    // A part that is refused for good takes the later ones with it.
    let written = sink.write(&batch).await.unwrap();
    assert_eq!(rejected(&written), [(0, ErrorClass::Permanent, "no_text")]);
    let starts: Vec<_> = server.texts().iter().map(|text| text[..1].to_owned()).collect();
    assert_eq!(starts, ["a", "b", "b", "c", "n"]);
}

#[tokio::test]
async fn a_digest_is_one_message_and_is_halved_until_the_guilty_event_is_found() {
    let server = Server::new(&[]);
    let mut sink = build(&channel(&server, json!({ "digest": { "header": "{{ event.count }} new" } }))).await;
    sink.write(&events(&["a", "b", "c"])).await.unwrap();
    assert_eq!(server.texts(), ["3 new\na\nb\nc"]);
    let refused = Say(200, "", r#"{"ok":false,"error":"invalid_blocks"}"#);
    let server = Server::new(&[refused.clone(), Fine, refused.clone(), Fine, refused]);
    let mut sink = build(&channel(&server, json!({ "digest": {} }))).await;
    let written = sink.write(&events(&["a", "b", "c", "d"])).await.unwrap();
    assert_eq!(rejected(&written), [(3, ErrorClass::Permanent, "invalid_blocks")]);
    assert_eq!(server.texts(), ["a\nb\nc\nd", "a\nb", "c\nd", "c", "d"]);
}

#[tokio::test]
async fn digests_keep_their_distance() {
    let server = Server::new(&[]);
    let mut sink = build(&channel(&server, json!({ "digest": { "every": "300ms" } }))).await;
    for text in ["a", "b", "c"] {
        sink.write(&events(&[text])).await.unwrap();
    }
    let seen = server.seen();
    assert!(seen[1].at - seen[0].at >= Duration::from_millis(200));
    assert!(seen[2].at - seen[0].at >= Duration::from_millis(500));
}
