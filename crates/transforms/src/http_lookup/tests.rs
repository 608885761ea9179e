//! Look-ups against an API that is a function, on paused time.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sluicebox_core::{Context, DiscardReason, Event, Outputs, Period, Transform, TransformOutcome};
use sluicebox_http::{BaseUrl, Client, ClientOptions, Limits, Rate};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Auth;
use crate::testing::{Api, Files, Reply, apply, build, check, context, event};

const URL: &str = "http://127.0.0.1:1/things/{{ event.id }}";

fn events(ids: &[&str]) -> Vec<Event> {
    let make = |id: &&str| event(id, "acme", &json!({ "id": id }).to_string());
    ids.iter().map(make).collect()
}

fn found(path: &str) -> Reply {
    Reply::Json(format!(r#"{{"thing": {{"path": "{path}", "n": 1.10}}}}"#))
}

/// One word or text for each outcome.
fn told(outcomes: Vec<(usize, TransformOutcome)>) -> Vec<(usize, String)> {
    let tell = |outcome| match outcome {
        TransformOutcome::Emit(None, event) => {
            let status = event.meta().lookups.get("thing").map_or("none", |status| status.as_str());
            format!("{status} {}", String::from_utf8(event.json().to_vec()).unwrap())
        }
        TransformOutcome::Emit(Some(output), _) => format!("to {output}"),
        TransformOutcome::Discard(reason) => {
            assert_eq!(reason, DiscardReason::Filtered);
            "dropped".to_owned()
        }
        TransformOutcome::Absorb => "absorbed".to_owned(),
        TransformOutcome::DeadLetter(_, reason, error) => format!("{}: {}", reason.as_str(), error.message),
    };
    outcomes.into_iter().map(|(index, outcome)| (index, tell(outcome))).collect()
}

async fn one(cx: &Context, options: serde_json::Value) -> String {
    let transform = build("http_lookup", &options, cx).await;
    told(apply(&*transform, events(&["a"])).await).remove(0).1
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_put_into_the_event_byte_for_byte() {
    let cx = context();
    let api = Api::publish(&cx, |path, _| found(path));
    let enriched = one(&cx, json!({ "url": URL, "select": "thing", "into": "contract" })).await;
    assert_eq!(enriched, r#"ok {"id":"a","contract":{"path": "/things/a", "n": 1.10}}"#);
    let whole = one(&cx, json!({ "url": URL })).await;
    assert_eq!(whole, r#"ok {"id":"a","thing":{"thing": {"path": "/things/a", "n": 1.10}}}"#);
    assert_eq!(one(&cx, json!({ "url": URL, "select": "nope" })).await, r#"not_found {"id":"a"}"#);
    assert_eq!(api.paths(), ["/things/a"; 3]);
}

#[tokio::test(start_paused = true)]
async fn missing_and_forbidden_are_final_and_remembered_and_on_error_decides() {
    let cx = context();
    let api = Api::publish(&cx, |path, _| match path {
        "/things/a" => Reply::Status(404, r#"{"id":"a","status":"closed"}"#),
        _ => Reply::Status(403, "no"),
    });
    let transform = build("http_lookup", &json!({ "url": URL }), &cx).await;
    let expected = [
        (0, r#"not_found {"id":"a"}"#.to_owned()),
        (1, r#"forbidden {"id":"b"}"#.to_owned()),
        (2, r#"not_found {"id":"a"}"#.to_owned()),
    ];
    assert_eq!(told(apply(&*transform, events(&["a", "b", "a"])).await), expected);
    assert_eq!(told(apply(&*transform, events(&["a", "b", "a"])).await), expected);
    assert_eq!(api.paths().len(), 2);
    tokio::time::advance(Duration::from_secs(61)).await;
    apply(&*transform, events(&["a"])).await;
    assert_eq!(api.paths().len(), 3);
    assert_eq!(one(&cx, json!({ "url": URL, "on_error": "drop" })).await, "dropped");
    let dead = one(&cx, json!({ "url": URL, "on_error": "dead_letter" })).await;
    assert!(dead.starts_with("lookup: the look-up `thing` ended not_found: the API answered 404"), "{dead}");
}

#[tokio::test(start_paused = true)]
async fn what_can_pass_is_retried_until_max_elapsed() {
    let cx = context();
    let api = Api::publish(&cx, |path, earlier| match earlier {
        0 => Reply::Status(503, "busy"),
        1 => Reply::RetryAfter(429, "3"),
        2 => Reply::Status(200, "<html>"),
        _ => found(path),
    });
    assert!(one(&cx, json!({ "url": URL })).await.starts_with("ok "));
    let times: Vec<Duration> = api.requests.lock().iter().map(|(at, _)| *at).collect();
    assert_eq!(times.len(), 4);
    assert!(times[1].saturating_sub(times[0]) >= Duration::from_millis(500));
    assert!(times[2].saturating_sub(times[1]) >= Duration::from_secs(3), "{times:?}");

    let cx = context();
    let api = Api::publish(&cx, |_, _| Reply::Status(500, "down"));
    let started = tokio::time::Instant::now();
    assert_eq!(one(&cx, json!({ "url": URL })).await, r#"unavailable {"id":"a"}"#);
    assert!(started.elapsed() <= Duration::from_secs(31), "{:?}", started.elapsed());
    assert!((4..10).contains(&api.paths().len()), "{}", api.paths().len());
}

#[tokio::test(start_paused = true)]
async fn an_api_that_stays_down_is_probed_gently_and_recovers() {
    let cx = context();
    let api =
        Api::publish(&cx, |path, _| if path == "/things/up" { found(path) } else { Reply::Status(502, "") });
    let transform = build("http_lookup", &json!({ "url": URL, "on_error": "dead_letter" }), &cx).await;
    let ids: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let started = tokio::time::Instant::now();
    let outcomes = told(apply(&*transform, events(&ids)).await);
    assert_eq!(outcomes.len(), 500);
    assert!(outcomes.iter().all(|(_, told)| told.contains("unavailable: the API answered 502")));
    assert!(started.elapsed() < Duration::from_secs(120), "{:?}", started.elapsed());
    let requests = api.requests.lock().clone();
    let later = requests.iter().filter(|(at, _)| *at > Duration::from_secs(1)).count() as u64;
    assert!(later <= 2 * started.elapsed().as_secs(), "{later} requests");
    tokio::time::advance(Duration::from_secs(120)).await;
    assert!(told(apply(&*transform, events(&["up"])).await)[0].1.starts_with("ok "));
    assert!(told(apply(&*transform, events(&["up"])).await)[0].1.starts_with("ok "));
}

#[tokio::test(start_paused = true)]
async fn a_poisonous_key_does_not_hold_up_the_others() {
    let cx = context();
    Api::publish(&cx, |path, _| if path == "/things/bad" { Reply::Status(500, "") } else { found(path) });
    let transform = build("http_lookup", &json!({ "url": URL }), &cx).await;
    let started = tokio::time::Instant::now();
    let outcomes = told(apply(&*transform, events(&["bad", "b", "c", "d"])).await);
    let words: Vec<&str> = outcomes.iter().map(|(_, told)| told.split(' ').next().unwrap()).collect();
    assert_eq!(words, ["unavailable", "ok", "ok", "ok"]);
    assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_hang_ends_and_refused_credentials_are_not_retried() {
    let cx = context();
    Api::publish(&cx, |_, _| Reply::Hang);
    let started = tokio::time::Instant::now();
    assert!(one(&cx, json!({ "url": URL, "timeout": "2s" })).await.starts_with("unavailable "));
    assert!(started.elapsed() < Duration::from_secs(40));

    let cx = context();
    let api = Api::publish(&cx, |_, _| Reply::Status(401, "who?"));
    let options = json!({ "url": URL, "on_error": "dead_letter", "auth": { "bearer": "hunter2" } });
    let transform = build("http_lookup", &options, &cx).await;
    let outcomes = told(apply(&*transform, events(&["a", "b", "c"])).await);
    assert!(
        outcomes.iter().all(|(_, told)| told.contains("unavailable: the API answered 401: who?")),
        "{outcomes:?}"
    );
    assert!(api.paths().len() <= 3);
    apply(&*transform, events(&["d", "e", "f"])).await;
    assert!(api.paths().len() <= 4);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_equal_keys_are_one_request() {
    let cx = context();
    let api = Api::publish(&cx, |path, _| found(path));
    let transform: Arc<dyn Transform> = build("http_lookup", &json!({ "url": URL }), &cx).await.into();
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let transform = Arc::clone(&transform);
            tokio::spawn(async move { told(apply(&*transform, events(&["a"; 1000])).await) })
        })
        .collect();
    for task in tasks {
        let outcomes = task.await.unwrap();
        assert!(outcomes.len() == 1000 && outcomes.iter().all(|(_, told)| told.starts_with("ok ")));
    }
    assert_eq!(api.paths().len(), 1);
    tokio::time::advance(Duration::from_secs(301)).await;
    apply(&*transform, events(&["a"; 1000])).await;
    assert_eq!(api.paths().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn events_keep_their_order_and_concurrency_its_bound() {
    let cx = context();
    let api = Api::publish(&cx, |path, earlier| {
        if path.ends_with('3') && earlier == 0 { Reply::Status(500, "") } else { found(path) }
    });
    let transform = build("http_lookup", &json!({ "url": URL, "concurrency": 4 }), &cx).await;
    let ids: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut out = Outputs::new();
    transform.apply(events(&ids), &mut out).await.unwrap();
    let order: Vec<(usize, String)> = out
        .into_outcomes()
        .into_iter()
        .map(|(index, outcome)| match outcome {
            TransformOutcome::Emit(None, event) => (index, event.meta().id.to_string()),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected: Vec<(usize, String)> = (0..100).map(|n: usize| (n, n.to_string())).collect();
    assert_eq!(order, expected);
    assert!((2..=4).contains(&api.most_at_once()), "{}", api.most_at_once());
}

#[tokio::test(start_paused = true)]
async fn an_event_without_a_value_is_a_dead_letter_and_no_value_escapes() {
    let cx = context();
    let api = Api::publish(&cx, |path, _| found(path));
    let transform = build("http_lookup", &json!({ "url": URL }), &cx).await;
    for (json, word) in [("{}", "script: "), (r#"{"id":""}"#, "script: "), (r#"{"id":".."}"#, "script: ")] {
        let outcomes = told(apply(&*transform, vec![event("1", "a", json)]).await);
        assert!(outcomes[0].1.starts_with(word), "{json} {outcomes:?}");
    }
    apply(&*transform, vec![event("1", "a", r#"{"id":"../../x?y#z"}"#)]).await;
    assert_eq!(api.paths(), ["/things/..%2F..%2Fx%3Fy%23z"]);
}

#[tokio::test(start_paused = true)]
async fn same_as_uses_the_client_of_the_account_of_each_event() {
    let cx = context();
    let api = Api::publish(&cx, |path, _| found(path));
    let transform = build("http_lookup", &json!({ "url": URL, "auth": { "same_as": "feed" } }), &cx).await;
    let outcomes = told(apply(&*transform, events(&["a"])).await);
    assert!(outcomes[0].1.starts_with("unavailable "), "{outcomes:?}");
    for account in ["acme", "other"] {
        let options = ClientOptions {
            base_url: BaseUrl::parse("http://127.0.0.1:1/v1").unwrap(),
            auth: Some(Auth::Bearer(sluicebox_core::Secret::new(account))),
            rate: Rate::Unlimited,
            limits: Limits::default(),
        };
        let client = Client::new(options, &cx).unwrap();
        cx.shared.publish("feed", account, client);
    }
    for account in ["acme", "other", "acme"] {
        let outcomes = told(apply(&*transform, vec![event("1", account, r#"{"id":"a"}"#)]).await);
        assert!(outcomes[0].1.starts_with("ok "), "{outcomes:?}");
    }
    assert_eq!(api.paths().len(), 2, "answers are remembered for each account apart");
    let elsewhere = json!({ "url": "http://127.0.0.1:2/{{ event.id }}", "auth": { "same_as": "feed" } });
    assert!(one(&cx, elsewhere).await.starts_with("unavailable "));
    assert_eq!(api.paths().len(), 2, "credentials are not sent to another host");
}

/// Serves each connection what its path asks for, over real TCP.
async fn serve(listener: tokio::net::TcpListener) {
    while let Ok((mut connection, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut request = vec![0; 4096];
            let length = connection.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let answer = match request.split(' ').nth(1).unwrap() {
                "/things/a%2Fb" => "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{\"x\":1}",
                "/things/gone" => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
                "/things/mine" => "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno",
                "/things/cut" => "HTTP/1.1 200 OK\r\ncontent-length: 700\r\n\r\n{\"x\":",
                _ => "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n",
            };
            connection.write_all(answer.as_bytes()).await.unwrap();
            connection.shutdown().await.unwrap();
        });
    }
}

#[tokio::test]
async fn every_ending_is_told_apart_over_tcp() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/things/{{{{ event.id }}}}", listener.local_addr().unwrap());
    tokio::spawn(serve(listener));
    for (id, expected) in [
        ("a/b", r#"ok {"id":"a/b","thing":{"x":1}}"#),
        ("gone", r#"not_found {"id":"gone"}"#),
        ("mine", r#"forbidden {"id":"mine"}"#),
        ("cut", r#"unavailable {"id":"cut"}"#),
        ("broken", r#"unavailable {"id":"broken"}"#),
    ] {
        let mut cx = context();
        cx.retry.max_elapsed = Some(Period::from_millis(0));
        let transform = build("http_lookup", &json!({ "url": url, "select": null }), &cx).await;
        assert_eq!(told(apply(&*transform, events(&[id])).await), [(0, expected.to_owned())]);
    }
}

#[test]
fn wrong_options_are_told_where_they_are() {
    let files = Files(std::collections::BTreeMap::new());
    assert_eq!(check("http_lookup", &json!({ "url": URL, "auth": { "same_as": "feed" } }), &files), []);
    for (options, path) in [
        (json!({ "url": "{{ event.url }}" }), "url"),
        (json!({ "url": "https://h/{{ event. }}" }), "url"),
        (json!({ "url": "http://example.com/{{ event.id }}" }), "url"),
        (json!({ "url": "https://user:pw@h/{{ event.id }}" }), "url"),
        (json!({ "url": URL, "auth": { "same_as": "fed" } }), "auth.same_as"),
        (json!({ "url": URL, "concurrency": 0 }), "concurrency"),
        (json!({ "url": URL, "timeout": "0s" }), "timeout"),
        (json!({ "url": URL, "select": "a..b" }), "select"),
        (json!({ "url": URL, "into": "a.b" }), "into"),
    ] {
        let problems = check("http_lookup", &options, &files);
        assert_eq!(problems.len(), 1, "{options} {problems:?}");
        assert_eq!(problems[0].path, path);
    }
}
