//! Secret parameters that stand outside `auth`: no message shows them, in whatever form they were sent or quoted.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluicebox_core::{Context, Registry};
use sluicebox_declared::Plugin;
use sluicebox_http::Request;
use sluicebox_testkit::scripted::{Reply, context};

const SECRET: &str = "12:ab_cd/ef==PLAN \"TED";

const DECLARATION: &str = r#"
name: odd
summary: A feed whose credential is all over its requests.
parameters:
  token: { type: secret, required: true, description: The token. }
  plain: { type: text, default: in the open, description: No secret. }
source:
  base_url: https://api.example.com
  request:
    method: POST
    path: "/bot{{ parameters.token }}/events"
    query: { token: "{{ parameters.token }}", plain: "{{ parameters.plain }}", after: "{{ cursor }}" }
    headers: { X-Tok: "Key {{ parameters.token }}" }
    body: { token: "{{ parameters.token }}" }
  items: events
  cursor: { next: { body: next } }
  event: { id: id }
  rate: unlimited
"#;

/// All that came in a request, as a server may quote it.
fn quoted(request: &Request) -> String {
    let header = request.headers["x-tok"].to_str().unwrap();
    format!("{} {} x-tok: {header} {header:?}", request.url, String::from_utf8_lossy(&request.body))
}

fn plugin() -> Plugin {
    Plugin::read("odd.yaml", DECLARATION).unwrap()
}

/// What a run says after this answer.
async fn said_in_a_run(token: Value, cx: &Context) -> String {
    let mut registry = Registry::new();
    plugin().register(&mut registry);
    let config = registry.sources()["odd"].parse(json!({ "token": token })).unwrap();
    let mut source = config.build(cx).await.unwrap().into_single().unwrap();
    source.open(None).await.unwrap();
    let error = source.next().await.unwrap_err();
    format!("{} {error:?}", error.chain())
}

#[tokio::test(start_paused = true)]
async fn a_secret_out_of_a_file_is_sent_as_its_text() {
    let (cx, transport) = context(|_, _| Reply::new(500, ""));
    said_in_a_run(json!({ "$secret": "se-cret", "$file": "/run/secrets/token" }), &cx).await;
    let request = transport.requests.lock()[0].clone();
    assert!(
        request.url.as_str().ends_with("/botse-cret/events?plain=in%20the%20open&token=se-cret"),
        "{}",
        request.url
    );
    assert_eq!(request.body, r#"{"token":"se-cret"}"#);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_quotes_the_request_is_told_without_them() {
    for status in [400, 401, 429, 500] {
        let (cx, transport) = context(move |_, request| Reply::new(status, quoted(request)));
        let said = said_in_a_run(json!(SECRET), &cx).await;
        assert!(quoted(&transport.requests.lock()[0]).contains("12%3Aab_cd%2Fef%3D%3DPLAN%20%22TED"));
        assert!(said.contains("/bot…/events?") && said.contains("token=…"), "{said}");
        assert!(!said.contains("PLAN") && !said.contains("ab_cd"), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_try_shows_them_nowhere() {
    let given = BTreeMap::from([("token".to_owned(), SECRET.to_owned())]);
    for status in [200, 400] {
        let (cx, _) = context(move |_, request| match status {
            // The excerpt of an event ends within the token.
            200 => Reply::json(&json!({
                "events": [{ "id": SECRET, "url": "u".repeat(150), "q": quoted(request) }], "next": quoted(request)
            })),
            status => Reply::new(status, quoted(request)),
        });
        let attempt = plugin().try_once(&given, None, &cx).await.unwrap();
        assert_eq!(attempt.request, r#"POST /bot…/events?plain=in%20the%20open&token=… {"token":"…"}"#);
        assert_eq!(attempt.next_request.is_some(), status == 200, "{attempt:?}");
        let shown = format!("{attempt:?}");
        assert!(!shown.contains("PLA") && !shown.contains("ab_cd"), "{shown}");
        assert!(shown.contains("Key …"), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_exchange_that_breaks_names_the_request_without_them() {
    let (cx, _) = context(|_, _| Reply::new(302, "").header("location", "https://elsewhere.example/"));
    let said = said_in_a_run(json!(SECRET), &cx).await;
    assert!(said.contains("POST https://api.example.com/bot…/events was redirected"), "{said}");
}
