//! Slack over TCP: both ways to post, every limit of the contract, the rate of a channel, and ambiguous failures.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something unexpected happens")]

mod wire;

use std::io;

use serde_json::{Value, json};
use sluicebox_emulator::{Api, Credential, Emulator, Options, PostedMessage, start};
use wire::{Received, exchange, get};

const JSON: &str = "application/json; charset=utf-8";

struct Slack {
    emulator: Emulator,
    access: Value,
}

impl Slack {
    /// Without a limit, so that a test asks as fast as it likes.
    async fn start() -> Self {
        Self::with(Options { rate: 0.0, ..Options::new(Api::Slack) }).await
    }

    async fn with(options: Options) -> Self {
        let emulator = start(options).await.unwrap();
        let access = serde_json::to_value(emulator.announcement()).unwrap();
        Self { emulator, access }
    }

    async fn failing(faults: &[&str]) -> Self {
        let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
        Self::with(Options { rate: 0.0, faults, ..Options::new(Api::Slack) }).await
    }

    fn id(&self, name: &str) -> &str {
        self.access[name].as_str().unwrap()
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.id("token"))
    }

    async fn call(&self, path: &str, content_type: &str, body: &str) -> io::Result<Received> {
        let bearer = self.bearer();
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", content_type)];
        exchange(self.emulator.address(), "POST", path, &headers, body).await
    }

    async fn try_post(&self, arguments: &Value) -> io::Result<Received> {
        self.call("/api/chat.postMessage", JSON, &arguments.to_string()).await
    }

    /// Posts to the first channel, unless another is named.
    async fn post(&self, mut arguments: Value) -> Received {
        if arguments["channel"].is_null() {
            arguments["channel"] = self.id("channel").into();
        }
        self.try_post(&arguments).await.unwrap()
    }

    /// The word with which a message is refused.
    async fn refused(&self, arguments: Value) -> String {
        let answer = self.post(arguments).await;
        let body = answer.json();
        assert_eq!((answer.status, &body["ok"]), (200, &json!(false)), "{body}");
        body["error"].as_str().unwrap().to_owned()
    }

    fn webhook(&self) -> &str {
        let url = self.id("webhook_url");
        &url[url.find("/services/").unwrap()..]
    }

    async fn hook(&self, path: &str, content_type: &str, body: &str) -> (u16, String) {
        let headers = [("Content-Type", content_type)];
        let answer = exchange(self.emulator.address(), "POST", path, &headers, body).await.unwrap();
        (answer.status, answer.text().to_owned())
    }

    fn messages(&self) -> Vec<PostedMessage> {
        self.emulator.control().messages(0)
    }
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } })
}

#[tokio::test]
async fn both_ways_to_post_store_the_message_in_order() {
    let slack = Slack::start().await;
    assert_eq!(slack.access["api"], "slack");
    assert!(slack.id("webhook_url").starts_with(slack.id("url")), "{}", slack.access);
    let first = slack
        .post(json!({ "text": "one", "blocks": [section("*one*")], "unfurl_links": false }))
        .await
        .json();
    assert_eq!((&first["ok"], first["channel"].as_str()), (&json!(true), Some(slack.id("channel"))));
    assert_eq!(slack.hook(slack.webhook(), JSON, r#"{"text":"two"}"#).await, (200, "ok".to_owned()));
    let short = slack.webhook().strip_prefix("/services").unwrap();
    assert_eq!(slack.hook(short, "application/json", r#"{"text":"three"}"#).await, (200, "ok".to_owned()));
    let form =
        format!("channel={}&text=four+%26&blocks=%5B%5D&unfurl_links=false", slack.id("second_channel"));
    let fourth =
        slack.call("/api/chat.postMessage", "application/x-www-form-urlencoded", &form).await.unwrap();
    assert_eq!(fourth.json()["ok"], true);

    let stored = slack.messages();
    let texts: Vec<_> = stored.iter().map(|message| message.text.as_deref().unwrap()).collect();
    assert_eq!(texts, ["one", "two", "three", "four &"]);
    assert!(stored.windows(2).all(|pair| pair[0].ts < pair[1].ts && pair[0].stored <= pair[1].stored));
    assert_eq!(first["ts"].as_str(), Some(stored[0].ts.as_str()));
    assert_eq!(stored[0].blocks, Some(json!([section("*one*")])));
    assert_eq!(stored[0].arguments["unfurl_links"], false);
    assert_eq!(
        (stored[1].credential, stored[1].channel.as_str()),
        (Credential::Webhook, slack.id("channel"))
    );
    assert_eq!(
        (stored[3].credential, stored[3].channel.as_str()),
        (Credential::Token, slack.id("second_channel"))
    );

    let lines = exchange(slack.emulator.address(), "GET", "/_emulator/messages", &[], "").await.unwrap();
    let lines: Vec<Value> = lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!((&lines[3]["text"], &lines[3]["number"]), (&json!("four &"), &json!(4)));
    let log = slack.emulator.control().log();
    assert_eq!(log.iter().map(|record| record.events).collect::<Vec<_>>(), [1; 4]);
    assert!(log.windows(2).all(|pair| pair[0].arrived <= pair[1].arrived));
}

#[tokio::test]
async fn threads_hang_on_the_string_of_a_parent_in_the_same_channel() {
    let slack = Slack::start().await;
    let parent = slack.post(json!({ "text": "parent" })).await.json()["ts"].clone();
    let reply = slack.post(json!({ "text": "reply", "thread_ts": parent })).await.json();
    assert_eq!(reply["message"]["thread_ts"], parent);
    let number: f64 = parent.as_str().unwrap().parse().unwrap();
    assert_eq!(slack.refused(json!({ "text": "x", "thread_ts": number })).await, "invalid_arguments");
    assert_eq!(
        slack.refused(json!({ "text": "x", "thread_ts": reply["ts"] })).await,
        "cannot_reply_to_message"
    );
    assert_eq!(
        slack.refused(json!({ "text": "x", "thread_ts": "1.000000" })).await,
        "cannot_reply_to_message"
    );
    let elsewhere = json!({ "text": "x", "thread_ts": parent, "channel": slack.id("second_channel") });
    assert_eq!(slack.refused(elsewhere).await, "cannot_reply_to_message");
    let body = json!({ "text": "by webhook", "thread_ts": parent }).to_string();
    assert_eq!(slack.hook(slack.webhook(), JSON, &body).await.0, 200);
    let stored = slack.messages();
    let parents: Vec<_> = stored.iter().map(|message| message.thread_ts.as_deref()).collect();
    assert_eq!(parents, [None, parent.as_str(), parent.as_str()]);
}

#[tokio::test]
async fn who_may_post_where() {
    let slack = Slack::start().await;
    let post = |channel: &str| slack.post(json!({ "text": "x", "channel": channel }));
    assert_eq!(post(slack.id("public_channel")).await.json()["ok"], true, "chat:write.public is held");
    assert_eq!(post("#alerts").await.json()["channel"].as_str(), Some(slack.id("second_channel")));
    let direct = post(slack.id("user")).await.json();
    assert!(direct["channel"].as_str().unwrap().starts_with('D'), "{direct}");
    for (channel, word) in [
        (slack.id("private_channel"), "channel_not_found"),
        (slack.id("archived_channel"), "is_archived"),
        ("C0000000000", "channel_not_found"),
        ("U0000000000", "channel_not_found"),
        ("", "channel_not_found"),
    ] {
        assert_eq!(post(channel).await.json()["error"], word, "{channel}");
    }
    let control = slack.emulator.control();
    control.set_scopes(0, vec!["chat:write".to_owned()]);
    assert_eq!(post(slack.id("public_channel")).await.json()["error"], "not_in_channel");
    assert_eq!(slack.refused(json!({ "text": "x", "username": "Boss" })).await, "missing_scope");
    let info = format!("channel={}", slack.id("channel"));
    let asked =
        slack.call("/api/conversations.info", "application/x-www-form-urlencoded", &info).await.unwrap();
    assert_eq!(
        (&asked.json()["error"], &asked.json()["needed"]),
        (&json!("missing_scope"), &json!("channels:read"))
    );
    control.set_scopes(0, vec!["channels:read".to_owned()]);
    assert_eq!(slack.refused(json!({ "text": "x" })).await, "missing_scope");
    let found = get(&slack.emulator, &format!("/conversations.info?{info}")).await.json();
    assert_eq!(
        (&found["channel"]["is_member"], &found["channel"]["is_archived"]),
        (&json!(true), &json!(false))
    );
    let hidden = format!("/conversations.info?channel={}", slack.id("private_channel"));
    assert_eq!(get(&slack.emulator, &hidden).await.json()["error"], "channel_not_found");
    assert_eq!(get(&slack.emulator, "/auth.test").await.json()["ok"], true);
}

#[tokio::test]
async fn credentials_are_asked_for_and_can_be_taken_away() {
    let slack = Slack::start().await;
    let address = slack.emulator.address();
    let as_token = async |token: Option<&str>| {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("Content-Type", JSON)];
        headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        let body = json!({ "channel": slack.id("channel"), "text": "x" }).to_string();
        let answer = exchange(address, "POST", "/api/chat.postMessage", &headers, &body).await.unwrap();
        answer.json()["error"].clone()
    };
    assert_eq!(as_token(None).await, "not_authed");
    assert_eq!(as_token(Some("xoxb-nobody")).await, "invalid_auth");
    let parts: Vec<&str> = slack.webhook().split('/').collect();
    let [_, _, team, service, secret] = parts[..] else { panic!() };
    for (path, status, word) in [
        (format!("/services/T0/{service}/{secret}"), 404, "no_team"),
        (format!("/services/{team}/B0/{secret}"), 404, "no_service"),
        (format!("/services/{team}/{service}/x"), 403, "invalid_token"),
        (format!("/services/{team}"), 404, "no_service_id"),
    ] {
        assert_eq!(slack.hook(&path, JSON, r#"{"text":"x"}"#).await, (status, word.to_owned()));
    }
    slack.emulator.control().rotate(0);
    assert_eq!(as_token(Some(slack.id("token"))).await, "token_revoked");
    assert_eq!(slack.hook(slack.webhook(), JSON, r#"{"text":"x"}"#).await, (404, "no_service".to_owned()));
    assert_eq!(slack.messages().len(), 0);
    let words: Vec<_> =
        slack.emulator.control().log().into_iter().map(|record| record.error.unwrap()).collect();
    assert_eq!(words[..2], ["not_authed", "invalid_auth"]);
}

#[tokio::test]
async fn what_the_contract_forbids_is_refused_with_its_word() {
    let slack = Slack::start().await;
    let long = |count: usize| "x".repeat(count);
    let header = |text: &str| json!({ "type": "header", "text": { "type": "plain_text", "text": text } });
    let plain = |text: &str| json!({ "type": "plain_text", "text": text });
    let button =
        json!({ "type": "button", "text": plain(&long(76)), "value": long(2001), "url": long(3001) });
    let fine = [
        json!({ "text": "x", "blocks": vec![json!({ "type": "divider" }); 50] }),
        json!({ "blocks": [section(&long(3000)), header(&long(150)), { "type": "section", "fields": vec![plain(&long(100)); 10] }] }),
        json!({ "blocks": [{ "type": "context", "elements": vec![plain("x"); 10] }] }),
        json!({ "markdown_text": long(12_000) }),
        json!({ "attachments": vec![json!({ "text": "x" }); 100] }),
        json!({ "text": "x", "metadata": { "event_type": "a", "event_payload": {} }, "blocks": null }),
    ];
    for arguments in fine {
        let answer = slack.post(arguments.clone()).await.json();
        assert_eq!(answer["ok"], true, "{answer} for {arguments}");
    }
    let stored = slack.messages().len();
    let blocks = |blocks: Value| ("invalid_blocks", json!({ "text": "x", "blocks": blocks }));
    let forbidden = [
        ("no_text", json!({})),
        ("no_text", json!({ "text": " ", "blocks": [] })),
        ("invalid_arguments", json!({ "text": 7 })),
        ("invalid_arguments", json!({ "text": "x", "unfurl_links": "no" })),
        ("invalid_blocks_format", json!({ "text": "x", "blocks": "[]" })),
        ("markdown_text_conflict", json!({ "text": "x", "markdown_text": "y" })),
        ("too_many_attachments", json!({ "attachments": vec![json!({ "text": "x" }); 101] })),
        ("invalid_metadata_format", json!({ "text": "x", "metadata": { "event_type": "a" } })),
        ("msg_blocks_too_long", json!({ "text": "x", "blocks": vec![section(&long(2700)); 5] })),
        blocks(json!(vec![json!({ "type": "divider" }); 51])),
        blocks(json!([section("")])),
        blocks(json!([section(&long(3001))])),
        blocks(json!([section(&"𝄞".repeat(1501))])),
        blocks(json!([header(&long(151))])),
        blocks(json!([{ "type": "header", "text": { "type": "mrkdwn", "text": "x" } }])),
        blocks(json!([{ "type": "section" }])),
        blocks(json!([{ "type": "section", "fields": vec![plain("x"); 11] }])),
        blocks(json!([{ "type": "section", "fields": [plain(&long(2001))] }])),
        blocks(json!([{ "type": "context", "elements": vec![plain("x"); 11] }])),
        blocks(json!([{ "type": "context", "elements": [] }])),
        blocks(
            json!([{ "type": "actions", "elements": vec![json!({ "type": "button", "text": plain("x") }); 26] }]),
        ),
        blocks(json!([{ "type": "actions", "elements": [button] }])),
        blocks(
            json!([{ "type": "markdown", "text": long(7000) }, { "type": "markdown", "text": long(5001) }]),
        ),
        blocks(json!([{ "type": "divider", "block_id": "a" }, { "type": "divider", "block_id": "a" }])),
        blocks(json!([{ "type": "divider", "block_id": long(256) }])),
        blocks(json!([{ "type": "marquee" }])),
        blocks(json!(["text"])),
    ];
    for (word, arguments) in forbidden {
        assert_eq!(slack.refused(arguments.clone()).await, word, "{arguments}");
    }
    assert_eq!(slack.messages().len(), stored, "what is refused is not stored");
    let answer = slack.post(json!({ "blocks": [section("x"), section(&long(3001))] })).await.json();
    assert_eq!(
        answer["response_metadata"]["messages"][0],
        "[ERROR] must be less than 3001 characters [json-pointer:/blocks/1/text/text]"
    );
}

#[tokio::test]
async fn the_form_of_a_request_is_checked() {
    let slack = Slack::start().await;
    let channel = slack.id("channel");
    let body = json!({ "channel": channel, "text": "x" }).to_string();
    let method = "/api/chat.postMessage";
    for (content_type, body, word) in [
        ("text/plain", body.as_str(), "invalid_post_type"),
        ("application/json; charset=latin1", &body, "invalid_charset"),
        (JSON, "{\"text\":", "invalid_arguments"),
        (JSON, "[]", "invalid_arguments"),
        ("application/x-www-form-urlencoded", "text=x&blocks=no", "invalid_blocks_format"),
    ] {
        assert_eq!(
            slack.call(method, content_type, body).await.unwrap().json()["error"],
            word,
            "{content_type} {body}"
        );
    }
    let bearer = slack.bearer();
    let bare = [("Authorization", bearer.as_str())];
    let answer = exchange(slack.emulator.address(), "POST", method, &bare, &body).await.unwrap();
    assert_eq!(answer.json()["error"], "missing_post_type");
    let warned = slack.call(method, "application/json", &body).await.unwrap().json();
    assert_eq!((&warned["ok"], &warned["warning"]), (&json!(true), &json!("missing_charset")));
    let cut = slack.post(json!({ "text": "é".repeat(40_001) })).await.json();
    assert_eq!(cut["response_metadata"]["warnings"], json!(["message_truncated"]));
    assert_eq!(slack.messages()[1].text.as_ref().unwrap().chars().count(), 40_000);
    for (content_type, body, word) in [
        ("application/x-www-form-urlencoded", "payload=%7B%7D", "invalid_payload"),
        (JSON, "ok", "invalid_payload"),
        (JSON, "{}", "no_text"),
        (JSON, r#"{"text":"x","blocks":[{}]}"#, "invalid_blocks"),
        (JSON, r#"{"text":"x","thread_ts":1}"#, "invalid_payload"),
    ] {
        assert_eq!(slack.hook(slack.webhook(), content_type, body).await, (400, word.to_owned()), "{body}");
    }
    assert_eq!(slack.messages().len(), 2);
}

#[tokio::test]
async fn a_channel_over_its_rate_answers_429_whichever_way_it_is_posted_to() {
    // One message in a thousand seconds: no test is slow enough to be let in again.
    let slack = Slack::with(Options { rate: 0.001, ..Options::new(Api::Slack) }).await;
    for text in ["a", "b"] {
        assert_eq!(slack.post(json!({ "text": text })).await.json()["ok"], true);
    }
    assert_eq!(slack.hook(slack.webhook(), JSON, r#"{"text":"c"}"#).await.0, 200);
    let limited = slack.post(json!({ "text": "d" })).await;
    assert_eq!((limited.status, &limited.json()["error"]), (429, &json!("ratelimited")));
    let wait: u64 = limited.header("retry-after").unwrap().parse().unwrap();
    assert!((900..=1000).contains(&wait), "{wait}");
    assert_eq!(slack.hook(slack.webhook(), JSON, r#"{"text":"e"}"#).await.0, 429);
    let other = json!({ "text": "f", "channel": slack.id("second_channel") });
    assert_eq!(slack.post(other).await.json()["ok"], true, "other channels are free");
    assert_eq!(slack.messages().len(), 4);
    let log = slack.emulator.control().log();
    assert!(log[3].retry_after.is_some() && log[4].retry_after.is_some());
}

#[tokio::test]
async fn every_documented_word_can_be_had() {
    let webhook = [
        (
            400,
            "invalid_payload user_not_found no_text invalid_blocks missing_text_or_fallback_or_attachments",
        ),
        (400, "too_many_attachments"),
        (403, "action_prohibited invalid_token posting_to_general_channel_denied"),
        (404, "channel_not_found no_service no_service_id no_team no_active_hooks team_disabled"),
        (410, "channel_is_archived"),
        (500, "rollup_error"),
    ];
    let slack = Slack::start().await;
    for (status, words) in webhook {
        for word in words.split(' ') {
            slack.emulator.control().add_fault(format!("slack_error={word}").parse().unwrap());
            assert_eq!(slack.hook(slack.webhook(), JSON, r#"{"text":"x"}"#).await, (status, word.to_owned()));
        }
    }
    let methods = "rate_limited message_limit_exceeded org_login_required team_added_to_org service_unavailable \
        request_timeout internal_error fatal_error msg_too_long too_many_contact_cards metadata_too_large \
        attachment_payload_limit_exceeded invalid_arg_name invalid_form_data not_in_channel no_permission is_archived \
        messages_tab_disabled restricted_action_read_only_channel team_not_found slack_connect_file_link_sharing_blocked \
        invalid_auth not_authed account_inactive token_expired missing_scope accesslimited a_word_of_tomorrow";
    for word in methods.split_whitespace() {
        slack.emulator.control().add_fault(format!("slack_error={word}").parse().unwrap());
        assert_eq!(slack.refused(json!({ "text": "x" })).await, word);
    }
    slack.emulator.control().add_fault("slack_error=ratelimited".parse().unwrap());
    assert_eq!(slack.post(json!({ "text": "x" })).await.status, 429);
    slack.emulator.control().add_fault("lookup:slack_error=invalid_auth".parse().unwrap());
    assert_eq!(get(&slack.emulator, "/auth.test").await.json()["error"], "invalid_auth");
    assert_eq!(slack.messages().len(), 0);
}

#[tokio::test]
async fn some_failures_come_before_the_message_is_stored_and_some_after() {
    let before = ["reset", "status=503", "rate_limited=7", "hang=0.01", "html"];
    let slack = Slack::failing(&before).await;
    let arguments = json!({ "text": "x", "channel": slack.id("channel") });
    assert!(slack.try_post(&arguments).await.is_err());
    assert_eq!(slack.post(arguments.clone()).await.status, 503);
    let limited = slack.post(arguments.clone()).await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("7")));
    assert!(slack.try_post(&arguments).await.is_err());
    assert!(slack.post(arguments.clone()).await.text().starts_with("<!DOCTYPE"));
    assert_eq!(slack.messages().len(), 0);

    let after = [
        "stored_reset",
        "stored_hang=0.01",
        "stored_status=502",
        "stored_slack_error=internal_error",
        "cut=1",
    ];
    let slack = Slack::failing(&after).await;
    assert!(slack.try_post(&arguments).await.is_err());
    assert!(slack.try_post(&arguments).await.is_err());
    assert_eq!(slack.post(arguments.clone()).await.status, 502);
    assert_eq!(slack.refused(arguments.clone()).await, "internal_error");
    let cut = slack.post(arguments.clone()).await;
    assert!(!cut.whole && cut.body.len() == 1, "{cut:?}");
    assert_eq!(slack.messages().len(), 5, "each was stored");
    let slack = Slack::failing(&["stored_status=500", "cut=1"]).await;
    assert_eq!(
        slack.hook(slack.webhook(), JSON, "{}").await,
        (400, "no_text".to_owned()),
        "nothing was stored"
    );
    assert_eq!(slack.hook(slack.webhook(), JSON, r#"{"text":"x"}"#).await, (200, "o".to_owned()));
}

#[tokio::test]
async fn there_is_no_feed() {
    let slack = Slack::start().await;
    slack.emulator.control().append(0, 5);
    slack.emulator.control().set_visible(0, 5);
    assert_eq!((slack.emulator.control().visible(0), slack.emulator.control().total(0)), (0, 0));
    assert_eq!(sluicebox_emulator::events(Api::Slack, 1, 0, 0..3).len(), 0);
}
