//! What is refused when the file is checked, and what `check --connect` asks.

use serde_json::{Value, json};
use sluicebox_core::{CheckContext, SinkSpec, Standing};
use sluicebox_testkit::NoFiles;

use super::server::{Reply, Server};
use super::{context, spec};

/// The paths of the problems of these options.
fn problems(options: &Value) -> Vec<String> {
    let mut whole = json!({ "url": "https://api.example.com/hook" });
    whole.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let sources = [("chat".to_owned(), "zenzap_updates".to_owned())];
    let cx = CheckContext { files: &NoFiles, sources: &sources };
    spec(whole).check(&cx).into_iter().map(|problem| problem.path).collect()
}

#[test]
fn sound_options_pass() {
    assert!(problems(&json!({})).is_empty());
    let all = json!({
        "url": "http://127.0.0.1:8080/{{ event.id }}",
        "method": "DELETE",
        "headers": { "X-A": "{{ meta.id }}" },
        "auth": { "same_as": "chat" },
        "body": "none",
        "idempotency_header": null,
        "errors": [{ "status": "4xx", "contains": "x", "then": "accept" }],
        "concurrency": 64,
        "rate": 60,
        "timeout": "5s"
    });
    assert!(problems(&all).is_empty());
}

#[test]
fn what_could_not_work_is_refused_by_its_place() {
    for (options, path) in [
        (json!({ "url": "https://{{ event.host }}/x" }), "url"),
        (json!({ "url": "https://api.{{ event.host }}/x" }), "url"),
        (json!({ "url": "http://api.example.com/x" }), "url"),
        (json!({ "url": "https://u:p@api.example.com/x" }), "url"),
        (json!({ "headers": { "X A": "1" } }), "headers.X A"),
        (json!({ "headers": { "Content-Length": "1" } }), "headers.Content-Length"),
        (json!({ "headers": { "X-A": "{{ event." } }), "headers.X-A"),
        (json!({ "headers": { "authorization": "x" }, "auth": { "bearer": "t" } }), "headers.authorization"),
        (json!({ "auth": { "same_as": "nobody" } }), "auth.same_as"),
        (json!({ "auth": { "same_as": "chat" }, "tls": {} }), "tls"),
        (json!({ "auth": { "header": { "name": "a b", "value": "x" } } }), "auth.header.name"),
        (json!({ "body": { "template": "{{ 1 + }}" } }), "body.template"),
        (json!({ "body": { "json": "1 +" } }), "body.json"),
        (json!({ "body": "none", "batching": "array" }), "batching"),
        (json!({ "idempotency_header": "Host" }), "idempotency_header"),
        (json!({ "errors": [{ "then": "accept" }] }), "errors[0]"),
        (json!({ "errors": [{ "status": 302, "then": "accept" }] }), "errors[0].status"),
        (json!({ "errors": [{ "status": 400, "equals": "x", "then": "accept" }] }), "errors[0].equals"),
        (json!({ "errors": [{ "at": "error", "then": "accept" }] }), "errors[0].at"),
        (json!({ "concurrency": 0 }), "concurrency"),
        (json!({ "timeout": "0s" }), "timeout"),
        (json!({ "tls": { "key_file": "k" } }), "tls"),
        (json!({ "tls": { "ca_file": "a", "insecure_skip_verify": true } }), "tls.ca_file"),
    ] {
        assert_eq!(problems(&options), [path], "{options}");
    }
}

#[test]
fn a_status_is_a_number_a_class_or_a_list() {
    let read = |status: Value| serde_json::from_value::<crate::Statuses>(status);
    for status in [json!(409), json!("409"), json!("5xx"), json!([400, "5xx"])] {
        assert!(read(status.clone()).is_ok(), "{status}");
    }
    for status in [json!(99), json!("6xx"), json!("xx"), json!([]), json!(-1), json!({})] {
        let error = read(status.clone()).unwrap_err().to_string();
        assert!(error.contains("expected a status"), "{status}: {error}");
    }
}

#[tokio::test]
async fn a_probe_touches_neither_the_address_nor_the_credentials() {
    let server = Server::start(|_, _| Reply::status(405)).await;
    let url = format!("{}/services/hook", server.url);
    let spec = spec(json!({ "url": url, "auth": { "bearer": "planted" } }));
    let probe = spec.probe(&context()).await;
    assert!(probe.is_fine());
    let standings: Vec<&Standing> = probe.findings().iter().map(|finding| &finding.standing).collect();
    assert!(matches!(standings[..], [Standing::Fine(_), Standing::Doubtful { .. }]), "{standings:?}");
    let received = server.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].line(), "OPTIONS /");
    assert!(received[0].body.is_empty() && !received[0].head.contains("planted"));
}

#[tokio::test]
async fn a_probe_names_a_server_that_is_not_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/services/hook", listener.local_addr().unwrap());
    drop(listener);
    let probe = spec(json!({ "url": url })).probe(&context()).await;
    let [finding] = probe.findings() else { unreachable!("one question") };
    let Standing::Wrong(error) = &finding.standing else { unreachable!("nothing listens") };
    assert!(error.to_string().contains("connection refused") && error.help().is_some(), "{error}");
}
