//! Every kind of answer over real TCP: what is posted, in which order, and what the engine is told.

use std::time::Duration;

use sluicebox_core::{Error, ErrorClass, Stopped, Written};

use super::*;
use crate::slack::testing::Reply::{Cut, Ok as Fine, Say};

const SLOW_DOWN: &str = r#"{"ok":false,"error":"ratelimited"}"#;

fn rejected(written: &Written) -> Vec<(usize, ErrorClass, &str)> {
    let rejected = written.rejected.iter();
    rejected.map(|one| (one.index, one.error.class(), one.error.reason())).collect()
}

/// Where a write stopped, and why.
fn stop(written: Written) -> (usize, Error) {
    match written.stopped {
        Some(Stopped { at, error: Some(error) }) => (at, error),
        other => panic!("{other:?}"),
    }
}

/// The error that a write stopped with at its first event.
async fn failure(sink: &mut dyn Sink, events: &[Event]) -> Error {
    let (at, error) = stop(sink.write(events).await.unwrap());
    assert_eq!(at, 0);
    error
}

/// Writes to the end as the engine does; where each write stopped without an error.
async fn to_the_end(sink: &mut dyn Sink, events: &[Event]) -> Vec<usize> {
    let mut stops = vec![0];
    while let Some(Stopped { at, error }) =
        sink.write(&events[stops[stops.len() - 1]..]).await.unwrap().stopped
    {
        assert!(error.is_none() && at > 0, "{error:?}");
        stops.push(stops[stops.len() - 1] + at);
    }
    stops.split_off(1)
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
    let (at, error) = stop(sink.write(&batch).await.unwrap());
    assert_eq!((at, error.class(), error.reason()), (1, ErrorClass::Transient, "unknown_answer"));
    sink.write(&batch[1..]).await.unwrap();
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
    let (at, error) = stop(sink.write(&batch).await.unwrap());
    assert_eq!((at, error.class()), (1, ErrorClass::RateLimited));
    let asked = error.retry_after().unwrap();
    assert!((Duration::from_secs(1)..=Duration::from_secs(2)).contains(&asked), "{asked:?}");
    // The other sink of the channel waits too.
    other.write(&events(&["other"])).await.unwrap();
    sink.write(&batch[1..]).await.unwrap();
    assert_eq!(server.texts(), ["one", "two", "other", "two", "three"]);
    let seen = server.seen();
    assert!(seen[2].at - seen[1].at >= Duration::from_millis(950), "{:?}", seen[2].at - seen[1].at);
}

#[tokio::test]
async fn a_rate_limit_that_says_no_time_is_half_a_minute() {
    for headers in ["", "Retry-After: soon\r\n", "Retry-After: -1\r\n"] {
        let server = Server::new(&[Say(429, headers, "")]);
        let error = failure(build(&channel(&server, json!({}))).await.as_mut(), &events(&["one"])).await;
        assert_eq!(error.retry_after().unwrap().as_secs(), 30, "{headers}");
    }
    let server = Server::new(&[Say(429, "Retry-After: 86400\r\n", "")]);
    let error = failure(build(&webhook(&server, json!({}))).await.as_mut(), &events(&["one"])).await;
    assert_eq!(error.retry_after().unwrap().as_secs(), 600);
}

#[tokio::test]
async fn a_workspace_that_takes_nothing_is_left_alone_for_minutes() {
    let server = Server::new(&[Say(200, "", r#"{"ok":false,"error":"message_limit_exceeded"}"#)]);
    let error = failure(build(&channel(&server, json!({}))).await.as_mut(), &events(&["one"])).await;
    assert_eq!((error.class(), error.reason()), (ErrorClass::RateLimited, "message_limit_exceeded"));
    assert_eq!(error.retry_after().unwrap().as_secs(), 300);
}

#[tokio::test]
async fn a_refused_token_pauses_and_costs_no_event() {
    let refused = Say(200, "", r#"{"ok":false,"error":"token_revoked"}"#);
    let too_long = Say(200, "", r#"{"ok":false,"error":"msg_too_long"}"#);
    let server = Server::new(&[refused.clone(), Fine, too_long, refused]);
    let mut sink = build(&channel(&server, json!({}))).await;
    let batch = events(&["one", "two", "three", "four"]);
    let error = failure(sink.as_mut(), &batch).await;
    assert_eq!((error.class(), error.reason()), (ErrorClass::Auth, "token_revoked"));
    assert!(error.help().is_some());
    // What came before a refusal counts; the rest is no dead letter.
    let written = sink.write(&batch).await.unwrap();
    assert_eq!(rejected(&written), [(1, ErrorClass::Permanent, "too_large")]);
    let (at, error) = stop(written);
    assert_eq!((at, error.class()), (2, ErrorClass::Auth));
    assert_eq!(server.texts(), ["one", "one", "two", "three"]);
}

#[tokio::test]
async fn a_token_that_was_rewritten_in_its_file_is_used_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "xoxb-new\n").unwrap();
    let refused = Say(200, "", r#"{"ok":false,"error":"invalid_auth"}"#);
    let server = Server::new(&[refused.clone(), Fine, refused]);
    let mut spec = spec(&channel(&server, json!({})));
    spec.token = Some(sluicebox_core::Secret::from_file("xoxb-old", &file));
    let BuiltSink::Plain(mut sink) = spec.build(&context()).await.unwrap() else { panic!("a plain sink") };
    assert!(sink.write(&events(&["one"])).await.unwrap().stopped.is_none());
    // It is the newest there is now: refused, it pauses.
    assert_eq!(failure(sink.as_mut(), &events(&["two"])).await.class(), ErrorClass::Auth);
    let tokens: Vec<_> = server.seen().into_iter().flat_map(|seen| seen.headers).collect();
    let tokens: Vec<_> =
        tokens.iter().filter_map(|header| header.strip_prefix("authorization: Bearer ")).collect();
    assert_eq!(tokens, ["xoxb-old", "xoxb-new", "xoxb-new"]);
}

#[tokio::test]
async fn what_was_posted_is_settled_after_a_few_messages() {
    let server = Server::new(&[]);
    let mut sink = build(&channel(&server, json!({}))).await;
    let names: Vec<_> = (10..22).map(|number| number.to_string()).collect();
    let batch = events(&names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(to_the_end(sink.as_mut(), &batch).await, [5, 10]);
    assert_eq!(server.texts(), names);
    assert_eq!(to_the_end(sink.as_mut(), &batch[..5]).await, [0_usize; 0]);
}

#[tokio::test]
async fn what_was_posted_is_settled_before_a_long_wait() {
    let server = Server::new(&[]);
    let mut sink = build(&channel(&server, json!({ "rate": 30 }))).await;
    // The second message may start in two seconds.
    let written = sink.write(&events(&["one", "two"])).await.unwrap();
    assert!(matches!(written.stopped, Some(Stopped { at: 1, error: None })), "{:?}", written.stopped);
    assert_eq!(server.texts(), ["one"]);
}

#[tokio::test]
async fn the_parts_of_a_long_text_are_settled_together() {
    let server = Server::new(&[]);
    let mut sink = build(&channel(&server, json!({}))).await;
    let long = ["a", "b", "c", "d", "e", "f", "g"].map(|letter| letter.repeat(3_990)).join("\n");
    assert_eq!(to_the_end(sink.as_mut(), &events(&["one", &long, "two"])).await, [2]);
    let starts: Vec<_> = server.texts().iter().map(|text| text[..1].to_owned()).collect();
    assert_eq!(starts, ["o", "a", "b", "c", "d", "e", "f", "g", "t"]);
}

#[tokio::test]
async fn a_channel_that_is_missing_pauses_or_is_a_dead_letter_as_the_user_says() {
    let missing = Say(200, "", r#"{"ok":false,"error":"channel_not_found"}"#);
    let server = Server::new(&[missing.clone(), missing]);
    let error = failure(build(&channel(&server, json!({}))).await.as_mut(), &events(&["one"])).await;
    assert_eq!((error.class(), error.reason()), (ErrorClass::Config, "channel_not_found"));
    let options = channel(&server, json!({ "on_channel_error": "dead_letter" }));
    let written = build(&options).await.write(&events(&["one", "two"])).await.unwrap();
    assert_eq!(rejected(&written), [(0, ErrorClass::Permanent, "channel_not_found")]);
    let server = Server::new(&[Say(410, "", "channel_is_archived"), Say(404, "", "no_service")]);
    let mut sink = build(&webhook(&server, json!({ "on_channel_error": "dead_letter" }))).await;
    assert_eq!(sink.write(&events(&["one"])).await.unwrap().rejected.len(), 1);
    // A webhook that is gone is no matter of the channel.
    assert_eq!(failure(sink.as_mut(), &events(&["two"])).await.class(), ErrorClass::Auth);
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
        assert_eq!(failure(sink.as_mut(), &batch).await.class(), ErrorClass::Transient);
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
        let error = failure(sink.as_mut(), &events(&["one"])).await;
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
    let error = failure(build(&options).await.as_mut(), &events(&["one"])).await;
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
        let error = failure(build(&webhook(&server, json!({}))).await.as_mut(), &events(&["one"])).await;
        let shown = format!("{} {:?} {error:?}", error.chain(), error.help());
        assert!(!shown.contains("hunter2") && !shown.contains("/services/"), "{shown}");
    }
    let server = Server::new(&[Say(200, "", r#"{"ok":false,"error":"xoxb-hunter2-hunter2"}"#)]);
    let error = failure(build(&channel(&server, json!({}))).await.as_mut(), &events(&["one"])).await;
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
    let no_text = Say(200, "", r#"{"ok":false,"error":"no_text"}"#);
    let server = Server::new(&[Fine, Fine, Say(503, "", ""), Say(503, "", ""), Fine, no_text]);
    let mut sink = build(&channel(&server, json!({}))).await;
    let text = ["a".repeat(3_990), "b".repeat(3_990), "c".repeat(3_990)].join("\n");
    let batch = events(&["first", &text, "next"]);
    assert_eq!(stop(sink.write(&batch).await.unwrap()).0, 1);
    assert_eq!(failure(sink.as_mut(), &batch[1..]).await.class(), ErrorClass::Transient);
    // A part that is refused for good takes the later ones with it.
    let written = sink.write(&batch[1..]).await.unwrap();
    assert_eq!(rejected(&written), [(0, ErrorClass::Permanent, "no_text")]);
    assert!(written.stopped.is_none());
    let starts: Vec<_> = server.texts().iter().map(|text| text[..1].to_owned()).collect();
    assert_eq!(starts, ["f", "a", "b", "b", "b", "c", "n"]);
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
async fn a_digest_goes_on_where_it_was_left() {
    let busy = Say(503, "", "");
    let refused = Say(200, "", r#"{"ok":false,"error":"invalid_blocks"}"#);
    let server = Server::new(&[Fine, refused, Fine, busy]);
    let mut sink = build(&channel(&server, json!({ "digest": { "max_events": 2, "every": "1h" } }))).await;
    let batch = events(&["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"]);
    assert_eq!(stop(sink.write(&batch).await.unwrap()).0, 3);
    // What goes on is the same digest, and does not wait for an hour.
    assert_eq!(to_the_end(sink.as_mut(), &batch[3..]).await, [10]);
    let expected = ["a\nb", "c\nd", "c", "d", "d\ne", "f\ng", "h\ni", "j\nk", "l\nm", "n"];
    assert_eq!(server.texts(), expected);
}

#[tokio::test]
async fn a_wait_for_the_next_digest_that_is_cut_short_costs_nothing() {
    let server = Server::new(&[]);
    let mut sink = build(&channel(&server, json!({ "digest": { "every": "1h" } }))).await;
    sink.write(&events(&["a"])).await.unwrap();
    let batch = events(&["b", "c"]);
    tokio::time::pause();
    tokio::time::timeout(Duration::from_secs(25), sink.write(&batch)).await.unwrap_err();
    assert_eq!(server.texts(), ["a"]);
    tokio::time::advance(Duration::from_secs(3_600)).await;
    tokio::time::resume();
    assert!(sink.write(&batch).await.unwrap().stopped.is_none());
    assert_eq!(server.texts(), ["a", "b\nc"]);
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
