//! What `check` says, and that it never says a secret.

use super::*;

#[test]
fn what_fits_together_is_accepted() {
    let api = json!({ "token": "xoxb-1", "channel": "C1", "text": "x" });
    let hook = |url: &str| json!({ "webhook_url": url, "text": "x" });
    for options in [
        api.clone(),
        hook("https://hooks.slack.com/services/T0/B0/x"),
        hook("https://hooks.slack.com/T0/B0/x"),
        hook("https://hooks.slack-gov.com/services/T0/B0/x"),
        hook("http://127.0.0.1:9/x"),
        json!({ "token": "x", "channel": "C1", "text": "x", "base_url": "https://slack-gov.com/api" }),
        json!({ "token": "x", "channel": "C1", "text": "x", "thread_key": "event.a ?? meta.key" }),
        json!({ "token": "x", "channel": "C1", "text": "x", "digest": { "every": "5m", "header": "{{ event.count }}" } }),
    ] {
        assert_eq!(problems(&options), Vec::<String>::new(), "{options}");
    }
}

#[test]
fn every_fault_is_found_and_no_secret_shown() {
    let api = |more: Value| {
        let mut options = json!({ "token": "xoxb-hunter2", "channel": "C1", "text": "x" });
        merge(&mut options, more);
        options
    };
    let hook = |url: &str| json!({ "webhook_url": url, "text": "x" });
    let block = |text: &str| json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } });
    for (options, expected) in [
        (json!({ "text": "x" }), ": `webhook_url`, or `token`"),
        (json!({ "text": "x", "token": "hunter2" }), "token: `channel` is missing"),
        (api(json!({ "webhook_url": "https://hooks.slack.com/x" })), "token: only one of"),
        (
            json!({ "webhook_url": "https://hooks.slack.com/x", "channel": "C1", "text": "x" }),
            "channel: a webhook",
        ),
        (hook("https://evil.example/services/hunter2"), "webhook_url: expected an address at"),
        (hook("https://hooks.slack.com.evil.example/hunter2"), "webhook_url: expected an address at"),
        (hook("http://hooks.slack.com/services/hunter2"), "webhook_url: plain http"),
        (hook("hunter2"), "webhook_url: expected an address"),
        (api(json!({ "base_url": "https://evil.example/api" })), "base_url: expected an address at"),
        (api(json!({ "text": "{{ event. }}" })), "text: "),
        (api(json!({ "thread_key": "event." })), "thread_key: "),
        (api(json!({ "digest": { "header": "{{ x" } })), "digest.header: "),
        (api(json!({ "digest": { "max_events": 0 } })), "digest.max_events: expected 1 to 1000"),
        (api(json!({ "digest": {}, "thread_key": "meta.key" })), "thread_key: a digest"),
        (
            json!({ "webhook_url": "https://hooks.slack.com/x", "text": "x", "thread_key": "meta.key" }),
            "thread_key: a webhook",
        ),
        (api(json!({ "blocks": [] })), "blocks: expected 1 to 50 blocks, found 0"),
        (api(json!({ "blocks": vec![block("x"); 51] })), "blocks: expected 1 to 50 blocks, found 51"),
        (api(json!({ "blocks": [block("{{ event. }}")] })), "blocks[0].text.text: "),
        (api(json!({ "blocks": [{ "type": "section", "text": "x" }] })), "blocks[0].text: "),
    ] {
        let found = problems(&options);
        assert_eq!(found.len(), 1, "{options}: {found:?}");
        assert!(found[0].starts_with(expected), "{options}: {found:?}");
        assert!(!found[0].contains("hunter2"), "{found:?}");
    }
}

#[test]
fn the_example_of_the_reference_is_valid() {
    let schema = schemars::schema_for!(SlackSpec).to_value();
    assert_eq!(problems(&schema["examples"][0]), Vec::<String>::new());
    let blocks = &schema["properties"]["blocks"]["examples"][0];
    let options = json!({ "token": "x", "channel": "C1", "text": "x", "blocks": blocks });
    assert_eq!(problems(&options), Vec::<String>::new());
}

#[tokio::test]
async fn what_check_refuses_is_not_built() {
    let options = json!({ "webhook_url": "https://evil.example/hunter2", "text": "x" });
    let error = spec(&options).build(&context()).await.err().unwrap();
    assert!(!error.chain().contains("hunter2"), "{}", error.chain());
    assert!(!format!("{:?}", spec(&options)).contains("hunter2"));
}
