//! Templates of signatures over TCP: what is signed is what stands on the wire, in every attempt.

use crate::support::{RawServer, client, context, header, reply, target};
use http::{Method, StatusCode};
use sluicebox_http::Call;

const NOW: &str = "2026-06-12T10:00:00Z";

/// The signature that a text has under the secret `test-secret`, by way of the other scheme, which has tests of its own.
fn signature(text: &str) -> String {
    let (time, content) = text.split_once('.').unwrap();
    sluicebox_http::sign(
        "test-secret",
        sluicebox_core::Timestamp::from_millis(time.parse().unwrap()),
        content,
    )
}

fn template(sign: &str, places: &str) -> String {
    format!(r#"{{"hmac":{{"secret":"test-secret","timestamp":"milliseconds","sign":"{sign}",{places}}}}}"#)
}

const HEADERS: &str = r#""headers":{"X-Time":"{{ timestamp }}","X-Sign":"{{ signature }}"}"#;

#[tokio::test]
async fn the_signature_is_over_exactly_the_request_line() {
    let server = RawServer::start(|_, _| reply("200 OK", "", "{}")).await;
    let cx = context(NOW);
    let auth = template("{{ timestamp }}.{{ path_and_query }}", HEADERS);
    let client = client(&format!("{}/api", server.url), Some(&auth), &cx);
    for wanted in [
        "/v2/updates?offset=a%2Bb%2Fc%3D%3D&limit=50",
        "/v2/updates?q=it's+%7B%22a%22%3A1%7D&x=%zz",
        "/v2/topics/a~b-._%C3%A4/ä?x=ü",
        "/v2/none?",
    ] {
        client.get(wanted).await.unwrap();
        let requests = server.requests();
        let request = requests.last().unwrap();
        let time = header(request, "x-time").unwrap();
        assert!(target(request).starts_with("/api/v2/"));
        let expected = signature(&format!("{time}.{}", target(request)));
        assert_eq!(header(request, "x-sign").unwrap(), expected, "{wanted}");
        assert!(!request.contains("test-secret"));
    }
}

#[tokio::test]
async fn parameters_are_added_behind_those_that_are_there_and_the_signature_comes_last() {
    let server = RawServer::start(|_, _| reply("200 OK", "", "{}")).await;
    let cx = context(NOW);
    let auth = template(
        "{{ timestamp }}.{{ query }}",
        r#""signature_encoding":"hex","query":{"a_signature":"{{ signature }}","timestamp":"{{ timestamp }}"}"#,
    );
    let client = client(&server.url, Some(&auth), &cx);
    for (wanted, begins) in [
        ("/orders?after=a%2Bb&limit=5", "/orders?after=a%2Bb&limit=5&timestamp="),
        ("/orders", "/orders?timestamp="),
    ] {
        client.get(wanted).await.unwrap();
        let requests = server.requests();
        let request = requests.last().unwrap();
        assert!(target(request).starts_with(begins), "{}", target(request));
        let (signed, made) = target(request).split_once("&a_signature=").unwrap();
        let query = signed.split_once('?').unwrap().1;
        let time = query.rsplit('=').next().unwrap();
        assert_eq!(made, signature(&format!("{time}.{query}")));
    }
}

#[tokio::test]
async fn a_body_is_signed_byte_for_byte() {
    let server = RawServer::start(|_, _| reply("200 OK", "", "{}")).await;
    let cx = context(NOW);
    let client = client(&server.url, Some(&template("{{ timestamp }}.{{ body }}", HEADERS)), &cx);
    let body = "{ \"b\" : 1.10,\n\"a\":\"ä\" }";
    client.send(Call::new(Method::POST, "/x").with_body("application/json", body)).await.unwrap();
    let request = server.requests().pop().unwrap();
    let (head, sent) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(sent, body);
    let expected = signature(&format!("{}.{sent}", header(head, "x-time").unwrap()));
    assert_eq!(header(head, "x-sign").unwrap(), expected);
}

#[tokio::test]
async fn another_attempt_is_signed_anew_by_the_clock_of_the_server() {
    let server = RawServer::start(|number, _| {
        let date = "date: Fri, 12 Jun 2026 10:10:00 GMT\r\n";
        let status = if number == 1 { "200 OK" } else { "401 Unauthorized" };
        reply(status, date, "{}")
    })
    .await;
    let cx = context(NOW);
    let client = client(&server.url, Some(&template("{{ timestamp }}.{{ path }}", HEADERS)), &cx);
    assert_eq!(client.get("/v2/updates").await.unwrap().status, StatusCode::OK);
    let requests = server.requests();
    let times: Vec<i64> = requests.iter().map(|it| header(it, "x-time").unwrap().parse().unwrap()).collect();
    assert!((times[1] - times[0] - 600_000).abs() < 5_000, "{times:?}");
    let signatures: Vec<String> = requests.iter().map(|it| header(it, "x-sign").unwrap()).collect();
    assert_eq!(signatures[1], signature(&format!("{}./v2/updates", times[1])));
    assert_ne!(signatures[0], signatures[1]);
    let refused = client.get("/v2/updates").await.unwrap();
    assert!((refused.clock_skew_seconds.unwrap() - 600).abs() < 5);
}

#[tokio::test]
async fn secrets_from_files_are_read_again_after_a_401_and_no_secret_is_quoted() {
    let server = RawServer::start(|_, request| {
        let known = header(request, "x-key").unwrap() == "new-key";
        if known { reply("200 OK", "", "{}") } else { reply("401 Unauthorized", "", "no old-key here") }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "old-key\n").unwrap();
    let auth = serde_json::json!({ "hmac": {
        "key": { "$secret": "old-key", "$file": file }, "secret": "test-secret", "sign": "{{ path }}",
        "headers": { "X-Key": "{{ key }}", "X-Sign": "{{ signature }}" },
    }});
    let cx = context(NOW);
    let client = client(&server.url, Some(&auth.to_string()), &cx);
    let refused = client.get("/x").await.unwrap();
    assert_eq!(
        (refused.status, client.excerpt(&refused)),
        (StatusCode::UNAUTHORIZED, "no … here".to_owned())
    );
    let sent = header(&server.requests()[0], "x-sign").unwrap();
    assert_eq!(client.blotted(&format!("{sent} of test-secret")), "… of …");
    std::fs::write(&file, "new-key\n").unwrap();
    assert_eq!(client.get("/x").await.unwrap().status, StatusCode::OK);
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_quoted_request_shows_neither_key_nor_phrase_nor_signature() {
    let server = RawServer::start(|_, request| reply("400 Bad Request", "", target(request))).await;
    let auth = r#"{"hmac":{"key":"k/e+y=PLANTED","passphrase":"p:a ss_PLANTED","secret":"test-secret","sign":"{{ path }}",
        "signature_encoding":"base64","query":{"key":"{{ key }}","phrase":"{{ passphrase }}","sig":"{{ signature }}"}}}"#;
    let cx = context(NOW);
    let client = client(&server.url, Some(auth), &cx);
    let answer = client.get("/x?after=1").await.unwrap();
    assert!(String::from_utf8_lossy(&answer.body).contains("k%2Fe%2By%3DPLANTED&phrase=p%3Aa+ss_PLANTED"));
    assert_eq!(client.excerpt(&answer), "/x?after=1&key=…&phrase=…&sig=…");
}

#[tokio::test]
async fn an_address_that_repeats_the_query_loses_what_was_added_to_it() {
    let cx = context(NOW);
    let auth = template("{{ path }}", r#""query":{"a key":"{{ timestamp }}","sig":"{{ signature }}"}"#);
    let client = client("https://api.example.com", Some(&auth), &cx);
    for (given, kept) in [
        (
            "https://api.example.com/x?after=a%2Bb&a+key=1&sig=2&n=%zz",
            "https://api.example.com/x?after=a%2Bb&n=%zz",
        ),
        ("/x?a%20key=1&s%69g=2", "/x"),
        ("/x?sig#end", "/x#end"),
        ("/x?sig=1&n#end", "/x?n#end"),
        ("/x?signature=1&&", "/x?signature=1&&"),
        ("/x?", "/x?"),
        ("/x", "/x"),
    ] {
        assert_eq!(client.without_credentials(given), kept);
    }
}
