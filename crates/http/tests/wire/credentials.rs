//! Credentials over TCP: what stands on the wire, and what a 401 may change.

use std::time::Duration;

use crate::support::{RawServer, client, context, header, reply, target};
use http::StatusCode;
use sluicebox_core::{ErrorClass, Timestamp};
use sluicebox_http::{Client, sign};

const NOW: &str = "2026-06-12T10:00:00Z";
const KEY: &str = r#"{"api_key":{"key":"key-1","secret":"test-secret"}}"#;
const OAUTH: &str = r#"{"oauth":{"client_id":"b@1","client_secret":"hunter2","scope":"updates:read"}}"#;

#[tokio::test]
async fn the_signature_is_over_exactly_the_request_line() {
    let server = RawServer::start(|_, _| reply("200 OK", "", "{}")).await;
    let cx = context(NOW);
    let client = client(&server.url, Some(KEY), &cx);
    for wanted in [
        "/v2/updates?offset=a%2Bb%2Fc%3D%3D&limit=50&timeout=20",
        "/v2/members?limit=10",
        "/v2/topics/a~b-._%C3%A4",
    ] {
        client.get(wanted).await.unwrap();
        let requests = server.requests();
        let request = requests.last().unwrap();
        assert_eq!(target(request), wanted);
        let time: i64 = header(request, "x-timestamp").unwrap().parse().unwrap();
        let expected = sign("test-secret", Timestamp::from_millis(time), target(request));
        assert_eq!(header(request, "x-signature").unwrap(), expected);
        assert_eq!(header(request, "authorization").unwrap(), "Bearer key-1");
        assert!(!request.contains("test-secret"));
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_corrected_once_and_named_if_that_does_not_help() {
    let server = RawServer::start(|number, _| {
        let date = "date: Fri, 12 Jun 2026 10:10:00 GMT\r\n";
        if number == 1 {
            reply("200 OK", date, "{}")
        } else {
            reply("401 Unauthorized", date, "unauthorized")
        }
    })
    .await;
    let cx = context(NOW);
    let client = client(&server.url, Some(KEY), &cx);
    assert_eq!(client.get("/v2/updates").await.unwrap().status, StatusCode::OK);
    let times: Vec<i64> = server
        .requests()
        .iter()
        .map(|request| header(request, "x-timestamp").unwrap().parse().unwrap())
        .collect();
    assert!((times[1] - times[0] - 600_000).abs() < 5_000, "{times:?}");
    let refused = client.get("/v2/updates").await.unwrap();
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!((refused.clock_skew_seconds.unwrap() - 600).abs() < 5);
    assert_eq!(server.requests().len(), 3, "the clock had been corrected already");
}

#[tokio::test]
async fn a_right_clock_is_no_reason_to_try_again() {
    let server =
        RawServer::start(|_, _| reply("401 Unauthorized", "date: Fri, 12 Jun 2026 10:00:30 GMT\r\n", ""))
            .await;
    let cx = context(NOW);
    let refused = client(&server.url, Some(KEY), &cx).get("/v2/updates").await.unwrap();
    assert_eq!((refused.clock_skew_seconds, server.requests().len()), (None, 1));
}

#[tokio::test]
async fn a_secret_file_is_read_again_after_a_401() {
    let server = RawServer::start(|_, request| {
        let known = header(request, "authorization").unwrap() == "Bearer new-token";
        if known { reply("200 OK", "", "{}") } else { reply("401 Unauthorized", "", "no") }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "old-token\n").unwrap();
    let auth = serde_json::json!({"bearer": {"$secret": "old-token", "$file": file}}).to_string();
    let cx = context(NOW);
    let client = client(&server.url, Some(&auth), &cx);
    assert_eq!(client.get("/x").await.unwrap().status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.requests().len(), 1, "an unchanged file is no reason to try again");
    std::fs::write(&file, "new-token\n").unwrap();
    assert_eq!(client.get("/x").await.unwrap().status, StatusCode::OK);
    assert_eq!(client.get("/x").await.unwrap().status, StatusCode::OK);
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_call_may_say_what_is_as_good_as_a_401() {
    let server = RawServer::start(|_, request| {
        let known = header(request, "authorization").unwrap() == "Bearer new-token";
        reply("200 OK", "", if known { "fine" } else { "invalid_auth" })
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "new-token\n").unwrap();
    let auth = serde_json::json!({"bearer": {"$secret": "old-token", "$file": file}}).to_string();
    let cx = context(NOW);
    let client = client(&server.url, Some(&auth), &cx);
    assert_eq!(&*client.get("/x").await.unwrap().body, b"invalid_auth");
    let refuses_credentials = |answer: &sluicebox_http::Answer| *answer.body == *b"invalid_auth";
    let call = || sluicebox_http::Call {
        refuses_credentials,
        ..sluicebox_http::Call::new(http::Method::POST, "/x")
    };
    assert_eq!(&*client.send(call()).await.unwrap().body, b"fine");
    assert_eq!(server.requests().len(), 3);
    // Refused again, there is nothing newer to try.
    std::fs::write(&file, "worse-token\n").unwrap();
    let worse = self::client(&server.url, Some(&auth), &cx);
    assert_eq!(&*worse.send(call()).await.unwrap().body, b"invalid_auth");
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn one_token_is_fetched_for_all_who_ask_and_one_more_after_a_401() {
    let server = RawServer::start(|number, request| {
        if target(request) == "/oauth/token" {
            assert!(header(request, "x-signature").is_none() && header(request, "authorization").is_none());
            assert!(request.ends_with(
                "grant_type=client_credentials&client_id=b%401&client_secret=hunter2&scope=updates%3Aread"
            ));
            let token = if number == 0 { "one" } else { "two" };
            return reply(
                "200 OK",
                "",
                &format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":3600}}"#),
            );
        }
        let known = header(request, "authorization").unwrap() == "Bearer two";
        if known { reply("200 OK", "", "{}") } else { reply("401 Unauthorized", "", "jwt expired") }
    })
    .await;
    let cx = context(NOW);
    let client = client(&server.url, Some(OAUTH), &cx);
    let answers = futures::future::join_all((0..20).map(|_| client.get("/v2/updates"))).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().status == StatusCode::OK));
    let fetches = server.requests().iter().filter(|request| target(request) == "/oauth/token").count();
    assert_eq!(fetches, 2);
}

#[tokio::test]
async fn a_token_may_come_from_another_place() {
    let issuer =
        RawServer::start(|_, _| reply("200 OK", "", r#"{"access_token":"t","expires_in":60}"#)).await;
    let server = RawServer::start(|_, _| reply("200 OK", "", "{}")).await;
    let url = format!("{}/realms/a/token", issuer.url);
    let auth = format!(r#"{{"oauth":{{"client_id":"c","client_secret":"hunter2","token_url":"{url}"}}}}"#);
    let cx = context(NOW);
    client(&server.url, Some(&auth), &cx).get("/v2/updates").await.unwrap();
    assert_eq!(target(&issuer.requests()[0]), "/realms/a/token");
    assert_eq!(header(&server.requests()[0], "authorization").unwrap(), "Bearer t");
}

#[tokio::test]
async fn refusals_of_the_token_endpoint_are_classified_and_shared_and_show_no_secret() {
    for (status, body, class) in [
        ("400 Bad Request", r#"{"error":"invalid_scope","error_description":"hunter2"}"#, ErrorClass::Config),
        ("401 Unauthorized", r#"{"error":"invalid_client"}"#, ErrorClass::Auth),
        ("429 Too Many Requests", "", ErrorClass::RateLimited),
        ("503 Service Unavailable", "", ErrorClass::Transient),
        ("200 OK", "not json", ErrorClass::Transient),
    ] {
        let server = RawServer::start(move |_, _| {
            let mut script = reply(status, "retry-after: 7\r\n", body);
            script[0].0 = Duration::from_millis(100);
            script
        })
        .await;
        let cx = context(NOW);
        let client = client(&server.url, Some(OAUTH), &cx);
        let outcomes = futures::future::join_all((0..5).map(|_| client.get("/v2/updates"))).await;
        for outcome in outcomes {
            let error = outcome.unwrap_err();
            assert_eq!(error.class(), class, "{status}");
            assert!(!error.chain().contains("hunter2"), "{}", error.chain());
            if class == ErrorClass::RateLimited {
                assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
            }
        }
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_token_that_is_refused_again_is_an_answer_and_not_a_loop() {
    let server = RawServer::start(|_, request| match target(request) {
        "/oauth/token" => reply("200 OK", "", r#"{"access_token":"t","expires_in":3600}"#),
        _ => reply("401 Unauthorized", "", "unauthorized t"),
    })
    .await;
    let cx = context(NOW);
    let answer = client(&server.url, Some(OAUTH), &cx).get("/v2/updates").await.unwrap();
    assert_eq!((answer.status, server.requests().len()), (StatusCode::UNAUTHORIZED, 4));
}

#[tokio::test]
async fn a_published_client_is_found_by_source_and_account() {
    let cx = context(NOW);
    let client = client("http://127.0.0.1:1", None, &cx);
    client.publish(&cx);
    assert!(Client::published(&cx.shared, "chat", "chat").is_some());
    assert!(Client::published(&cx.shared, "chat", "elsewhere").is_some());
    assert!(Client::published(&cx.shared, "feed", "chat").is_none());
}

#[tokio::test]
async fn a_call_can_move_between_threads() {
    let server = RawServer::start(|_, _| reply("200 OK", "", "{}")).await;
    let cx = context(NOW);
    let client = client(&server.url, None, &cx);
    let answer = tokio::spawn(async move { client.get("/v2/updates").await }).await.unwrap();
    assert_eq!(answer.unwrap().status, StatusCode::OK);
}
