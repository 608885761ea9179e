//! What answers mean: by their status, and by the declared rules.

use serde_json::{Value, json};
use sluicebox_core::{Error, ErrorClass};

use crate::support::{Reply, context, page, source};

async fn error(more: &Value, reply: Reply) -> Error {
    let (cx, _) = context(move |_, _| reply.clone());
    source(more, &cx, Some("c")).await.next().await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_status_means_what_http_says() {
    for (status, class) in [
        (400, ErrorClass::Config),
        (401, ErrorClass::Auth),
        (403, ErrorClass::Auth),
        (404, ErrorClass::Config),
        (409, ErrorClass::Permanent),
        (408, ErrorClass::Transient),
        (429, ErrorClass::RateLimited),
        (500, ErrorClass::Transient),
        (503, ErrorClass::Transient),
    ] {
        assert_eq!(error(&json!({}), Reply::new(status, "no")).await.class(), class, "{status}");
    }
    let damaged = error(&json!({}), Reply::new(400, "bad cursor")).await;
    assert_eq!(damaged.reason(), "cursor_rejected");
    assert!(damaged.to_string().contains("`c`"), "{damaged}");
}

#[tokio::test(start_paused = true)]
async fn rules_go_before_the_status_and_the_first_counts() {
    let rules = json!({ "errors": [
        { "field": "error.code", "is": ["SLOW_DOWN", "BUSY"], "then": "rate_limited" },
        { "status": [200, 202], "field": "ok", "is": "false", "then": "pause", "help": "ask the vendor" },
        { "contains": "Maintenance", "then": "retry" },
        { "status": 410, "then": "expired" },
        { "status": 403, "then": "empty" },
    ] });
    let slow = error(&rules, Reply::new(400, r#"{"error":{"code":"BUSY"}}"#)).await;
    assert_eq!((slow.class(), slow.retry_after().is_some()), (ErrorClass::RateLimited, true));
    let paused = error(&rules, Reply::new(200, r#"{"ok":false,"events":[]}"#)).await;
    assert_eq!((paused.class(), paused.help()), (ErrorClass::Permanent, Some("ask the vendor")));
    let down = error(&rules, Reply::new(404, "<html>MAINTENANCE</html>")).await;
    assert_eq!(down.class(), ErrorClass::Transient);
    assert_eq!(error(&rules, Reply::new(410, "gone")).await.reason(), "offset_expired");
    let (cx, _) = context(|_, _| Reply::new(403, ""));
    let empty = source(&rules, &cx, Some("c")).await.next().await.unwrap().unwrap();
    assert!(empty.is_empty() && empty.caught_up);
    assert_eq!(empty.cursor.unwrap().to_text(), "c");
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_was_never_sent_cannot_expire() {
    let rules = json!({ "errors": [{ "status": 410, "then": "expired" }], "on_cursor_expired": "reset" });
    let (cx, transport) = context(|_, _| Reply::new(410, "gone"));
    let mut fresh = source(&rules, &cx, None).await;
    assert_eq!(fresh.next().await.unwrap_err().class(), ErrorClass::Permanent);
    let mut old = source(&rules, &cx, Some("c")).await;
    let batch = old.next().await.unwrap().unwrap();
    assert_eq!(batch.gap.unwrap().lost_cursor.unwrap().to_text(), "c");
    assert!(old.next().await.is_err());
    assert_eq!(transport.targets(), ["/events", "/events?after=c", "/events"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_page_never_moves_the_cursor_and_ten_pause() {
    for body in ["", "{", "<html>", "[]", "{}", r#"{"events":null}"#, r#"{"events":{},"next":"x"}"#] {
        let error = error(&json!({}), Reply::new(200, body)).await;
        assert_eq!((error.class(), error.reason()), (ErrorClass::Transient, "protocol"), "{body}");
    }
    let odd = error(&json!({}), page(&["1"], &json!({ "a": 1 }))).await;
    assert!(odd.to_string().contains("`next` is neither"), "{odd}");
    let more = json!({ "more": { "field": "more" } });
    assert!(error(&more, page(&["1"], &json!("n"))).await.to_string().contains("`more`"));
    let (cx, _) = context(|_, _| Reply::new(200, "{}"));
    let mut source = source(&json!({}), &cx, None).await;
    for _ in 0..9 {
        assert!(source.next().await.unwrap_err().class().is_retryable());
    }
    assert_eq!(source.next().await.unwrap_err().class(), ErrorClass::Permanent);
}

#[tokio::test(start_paused = true)]
async fn credentials_are_in_no_message() {
    let secret = json!({ "auth": { "bearer": "hunter2hunter2" } });
    let error = error(&secret, Reply::new(401, "hunter2hunter2 is wrong")).await;
    assert!(!format!("{} {error:?}", error.chain()).contains("hunter2"), "{error}");
    let (cx, _) = context(|_, _| Reply::new(500, ""));
    let path = json!({ "base_url": "https://api.example.com/bot12345678secret", "base_url_is_secret": true });
    let failed = source(&path, &cx, None).await.next().await.unwrap_err();
    assert!(!failed.chain().contains("12345678secret"), "{failed}");
}
