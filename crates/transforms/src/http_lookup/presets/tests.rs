//! Ready look-ups against APIs that are functions of the request, on paused time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use sluicebox_core::{Context, Event, Meta, Timestamp, Transform, TransformOutcome};
use sluicebox_http::{BaseUrl, Client, ClientOptions, Limits, Rate, Request};

use super::Api;
use crate::testing::{Files, Lists, apply, build, check, context, parameter, parse};

/// The client of a source, as `same_as` finds it.
fn source(cx: &Context, accounts: &[&str], base_url: &str) {
    for account in accounts {
        let base_url = BaseUrl::parse(base_url).unwrap();
        let limits = Limits::default();
        let client =
            Client::new(ClientOptions { base_url, auth: None, rate: Rate::Unlimited, limits }, cx).unwrap();
        cx.shared.publish("feed", account, client);
    }
}

const OPENTRAIN: &str = "http://127.0.0.1:1/api/public/v1";
const ZENZAP: &str = "http://127.0.0.1:1";

fn enriched(presets: &Value) -> Value {
    json!({ "enrich": presets, "auth": { "same_as": "feed" } })
}

/// An event that happened and was received now.
fn happened(cx: &Context, kind: &str, event: &Value) -> Event {
    let now = cx.environment.clock.now();
    let meta = Meta { event_type: kind.into(), time: now, received: now, ..Meta::new("feed", "acme", "1") };
    Event::parse(&event.to_string().into(), meta).unwrap()
}

/// What became of an event: the statuses, and the field that was added.
async fn told(transform: &dyn Transform, event: Event) -> (String, Value) {
    match apply(transform, vec![event]).await.remove(0).1 {
        TransformOutcome::Emit(None, event) => {
            let lookups = &event.meta().lookups;
            let tell =
                |(name, status): (&_, &sluicebox_core::LookupStatus)| format!("{name}={}", status.as_str());
            let statuses: Vec<String> = lookups.iter().map(tell).collect();
            let event: Value = serde_json::from_slice(&event.json()).unwrap();
            (statuses.join(" ").replace("thing.", ".").replace("thing", ""), event["thing"].clone())
        }
        TransformOutcome::DeadLetter(event, reason, error) => (
            format!("{}: {}", reason.as_str(), error.message),
            serde_json::from_slice(&event.json()).unwrap(),
        ),
        TransformOutcome::Discard(_) => ("dropped".to_owned(), Value::Null),
        other => panic!("{other:?}"),
    }
}

/// A marketplace in which everything exists whose id does not say otherwise.
fn marketplace(request: &Request) -> (u16, Value) {
    let path = request.url.path().strip_prefix("/api/public/v1").unwrap().to_owned();
    let id = path.rsplit('/').next().unwrap().to_owned();
    let refusal = json!({ "error": "no", "code": "NOT_FOUND", "requestId": "r" });
    if id.ends_with("gone") {
        return (
            404,
            if path.starts_with("/jobs/") { json!({ "id": id, "status": "closed" }) } else { refusal },
        );
    }
    if id.ends_with("foreign") {
        return (403, refusal);
    }
    if id.ends_with("broken") {
        return (500, refusal);
    }
    let answer = match path.split('/').nth(1).unwrap() {
        "proposals" => {
            json!({ "proposal": { "id": id, "metrics": { "interviewScore": 86, "matchScore": 0.91 } } })
        }
        "contracts" => {
            json!({ "contract": { "id": id, "milestones": [{ "id": "ms_1" }, { "id": "ms_2", "amountUsd": 5 }] } })
        }
        "payments" => json!({ "payments": [{ "id": "inv_1", "amountUsd": 7 }] }),
        "approvals" => {
            json!({ "approval": { "id": id, "approvalUrl": "https://secret", "status": "declined" } })
        }
        "jobs" => json!({ "id": id, "title": "Labels" }),
        _ => return messages(request),
    };
    (200, answer)
}

/// A thousand messages, the newest first, under whatever name.
fn messages(request: &Request) -> (u16, Value) {
    assert_eq!(parameter(request, "limit").unwrap(), "100");
    let first: usize = parameter(request, "cursor").map_or(1000, |cursor| cursor.parse().unwrap());
    let page: Vec<Value> = (first - 99..=first)
        .rev()
        .map(|number| json!({ "id": format!("msg_{number}"), "conversationId": "conv_1", "content": number }))
        .collect();
    let list = match parameter(request, "conversationId").unwrap().as_str() {
        "conv_odd" => "items",
        "conv_none" => return (200, json!({ "attachments": [{ "id": "msg_1000" }] })),
        _ => "messages",
    };
    (
        200,
        json!({ "attachments": [{ "id": "msg_1000" }], list: page, "nextCursor": (first - 100).to_string() }),
    )
}

/// An event by its type, the statuses that it ends with, and what it got.
type Case = (&'static str, Value, &'static str, Value);

fn contract() -> Value {
    json!({ "id": "ct_1", "milestones": [{ "id": "ms_1" }, { "id": "ms_2", "amountUsd": 5 }] })
}

/// What has a call of its own.
fn things() -> Vec<Case> {
    let contract = contract();
    let job = json!({ "id": "job_1", "title": "Labels" });
    let proposal = json!({ "id": "prop_1", "metrics": { "interviewScore": 86, "matchScore": 0.91 } });
    vec![
        (
            "proposal.received",
            json!({ "jobId": "job_1", "data": { "proposalId": "prop_1" } }),
            "=ok .job=ok .proposal=ok",
            json!({ "proposal": proposal, "job": job }),
        ),
        (
            "proposal.status_changed",
            json!({ "jobId": "job_gone", "data": { "proposalId": "prop_1", "status": "HIRED" } }),
            "=not_found .job=not_found .proposal=ok",
            json!({ "proposal": proposal }),
        ),
        (
            "contract.created",
            json!({ "jobId": "job_1", "data": { "contractId": "ct_1" } }),
            "=ok .contract=ok .job=ok",
            json!({ "contract": contract, "job": job }),
        ),
        (
            "contract.budget_state_changed",
            json!({ "data": { "contractId": "ct_foreign", "state": "LOW" } }),
            "=forbidden .contract=forbidden",
            Value::Null,
        ),
        (
            "milestone.status_changed",
            json!({ "data": { "contractId": "ct_1", "milestoneId": "ms_2" } }),
            "=ok .contract=ok .milestone=ok",
            json!({ "contract": contract, "milestone": { "id": "ms_2", "amountUsd": 5 } }),
        ),
        (
            "milestone.status_changed",
            json!({ "data": { "contractId": "ct_1", "milestoneId": "ms_cancelled" } }),
            "=not_found .contract=ok .milestone=not_found",
            json!({ "contract": contract }),
        ),
    ]
}

/// What is found in lists, what is in none, and what is not looked up.
fn items() -> Vec<Case> {
    let message = |number: usize| json!({ "id": format!("msg_{number}"), "conversationId": "conv_1", "content": number });
    vec![
        (
            "message.received",
            json!({ "jobId": null, "data": { "conversationId": "conv_1", "messageId": "msg_1000" } }),
            "=ok .message=ok",
            json!({ "message": message(1000) }),
        ),
        (
            "message.received",
            json!({ "data": { "conversationId": "conv_odd", "messageId": "msg_650" } }),
            "=ok .message=ok",
            json!({ "message": message(650) }),
        ),
        (
            "message.received",
            json!({ "data": { "conversationId": "conv_1", "messageId": "msg_500" } }),
            "=not_found .message=not_found",
            Value::Null,
        ),
        (
            "message.received",
            json!({ "data": { "conversationId": "conv_none", "messageId": "msg_1000" } }),
            "=unavailable .message=unavailable",
            Value::Null,
        ),
        (
            "payment.pending",
            json!({ "data": { "invoiceId": "inv_1", "milestoneId": "ms_1", "contractId": "ct_1" } }),
            "=ok .contract=ok .milestone=ok .payment=ok",
            json!({ "contract": contract(), "milestone": { "id": "ms_1" }, "payment": { "id": "inv_1", "amountUsd": 7 } }),
        ),
        (
            "payment.pending",
            json!({ "data": { "invoiceId": "inv_paid" } }),
            "=not_found .contract=not_found .milestone=not_found .payment=not_found",
            Value::Null,
        ),
        (
            "approval.confirmed",
            json!({ "jobId": null, "data": { "approvalId": "appr_1", "status": "declined" } }),
            "=ok .approval=ok",
            json!({ "approval": { "id": "appr_1", "status": "declined" } }),
        ),
        ("approval.confirmed", json!({ "data": {} }), "=not_found .approval=not_found", Value::Null),
        ("approval.confirmed", json!({ "data": "odd" }), "=not_found .approval=not_found", Value::Null),
        (
            "approval.confirmed",
            json!({ "data": { "approvalId": {} } }),
            "=not_found .approval=not_found",
            Value::Null,
        ),
        (
            "contract.document_signed",
            json!({ "jobId": "job_1", "data": { "contractId": "ct_1" } }),
            "",
            Value::Null,
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn every_type_is_looked_up_as_it_demands_and_others_are_left_alone() {
    let cx = context();
    let api = Lists::publish(&cx, marketplace);
    source(&cx, &["acme"], OPENTRAIN);
    let transform = build("http_lookup", &enriched(&json!("opentrain")), &cx).await;
    // One page brings them all.
    let page: Vec<Case> = things().into_iter().chain(items()).collect();
    let events: Vec<Event> = page.iter().map(|(kind, event, ..)| happened(&cx, kind, event)).collect();
    for ((kind, event, statuses, added), happened) in page.into_iter().zip(events) {
        let ended = told(&*transform, happened).await;
        assert_eq!(ended, (statuses.to_owned(), added), "{kind} {event}");
    }
    let asked = api.asked();
    let of =
        |path: &str| asked.iter().filter(|asked| asked.starts_with(&format!("/api/public/v1{path}"))).count();
    assert_eq!((of("/proposals/prop_1"), of("/jobs/job_1"), of("/payments/pending")), (1, 1, 1), "{asked:?}");
    assert_eq!((of("/contracts/ct_1"), of("/approvals/")), (1, 1), "{asked:?}");
    assert_eq!(
        (of("/messages?conversationId=conv_1&limit=100"), of("/messages?conversationId=conv_odd&")),
        (5, 4)
    );
    assert_eq!(asked.len(), 1 + 2 + 5 + 4 + 1 + 2 + 1 + 1, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_not_found_makes_no_dead_letter_unless_it_is_asked_for() {
    let cx = context();
    let _api = Lists::publish(&cx, marketplace);
    source(&cx, &["acme"], OPENTRAIN);
    let event = || {
        let event = json!({ "jobId": "job_broken", "data": { "proposalId": "prop_foreign" } });
        happened(&cx, "proposal.received", &event)
    };
    let with = |on_error: &str| {
        let mut options = enriched(&json!(["job", "proposal"]));
        options["on_error"] = json!(on_error);
        options
    };
    let passed = told(&*build("http_lookup", &with("pass"), &cx).await, event()).await;
    assert_eq!(passed, ("=unavailable .job=unavailable .proposal=forbidden".to_owned(), Value::Null));
    let dropped = told(&*build("http_lookup", &with("drop"), &cx).await, event()).await;
    assert_eq!(dropped.0, "dropped");
    let (letter, event) = told(&*build("http_lookup", &with("dead_letter"), &cx).await, event()).await;
    let why = "lookup: the look-up `thing` ended unavailable: proposal: the API answered 403";
    assert!(letter.starts_with(why) && letter.contains("; job: the API answered 500"), "{letter}");
    assert!(event.get("thing").is_none());
}

#[tokio::test(start_paused = true)]
async fn an_answer_about_the_thing_of_an_event_is_never_older_than_the_event() {
    let cx = context();
    let milestones = Arc::new(Mutex::new(vec![json!({ "id": "ms_1" })]));
    let api = Lists::publish(&cx, {
        let milestones = Arc::clone(&milestones);
        move |request| {
            if request.url.path().contains("/contracts/") {
                (200, json!({ "contract": { "milestones": *milestones.lock() } }))
            } else {
                (200, json!({ "id": "job_1" }))
            }
        }
    });
    source(&cx, &["acme"], OPENTRAIN);
    let transform = build("http_lookup", &enriched(&json!("opentrain")), &cx).await;
    let milestone = |id: &str| {
        let event = json!({ "jobId": "job_1", "data": { "contractId": "ct_1", "milestoneId": id } });
        happened(&cx, "milestone.status_changed", &event)
    };
    let ok = "=ok .contract=ok .job=ok .milestone=ok";
    assert_eq!(told(&*transform, milestone("ms_1")).await.0, ok);
    tokio::time::advance(Duration::from_secs(20)).await;
    milestones.lock().push(json!({ "id": "ms_2" }));
    assert_eq!(told(&*transform, milestone("ms_2")).await.0, ok, "it was made after the contract was read");
    let asked = api.asked();
    assert_eq!(asked.len(), 3, "the contract twice, the job once: {asked:?}");
    tokio::time::advance(Duration::from_secs(20)).await;
    let mut late = milestone("ms_1");
    late.meta_mut().time = Timestamp::from_millis(late.meta().time.as_millis() - 3_600_000);
    assert_eq!(told(&*transform, late).await.0, ok);
    assert_eq!(
        api.asked(),
        [""; 0],
        "what was read since the event happened will do, however late it is fetched"
    );
}

#[tokio::test(start_paused = true)]
async fn answers_belong_to_accounts_and_same_as_says_where_the_api_is() {
    let cx = context();
    let api = Lists::publish(&cx, |_| (200, json!({ "approval": { "approvalUrl": 1 } })));
    source(&cx, &["acme", "other"], "http://127.0.0.1:1/proxy/v9");
    let transform = build("http_lookup", &enriched(&json!("approval")), &cx).await;
    let same = happened(&cx, "approval.confirmed", &json!({ "data": { "approvalId": "../a?b" } }));
    for account in ["acme", "other", "acme"] {
        let mut event = same.clone();
        event.meta_mut().account = account.into();
        assert_eq!(
            told(&*transform, event).await,
            ("=ok .approval=ok".to_owned(), json!({ "approval": {} }))
        );
    }
    assert_eq!(api.asked(), ["/proxy/v9/approvals/..%2Fa%3Fb"; 2]);

    let mut elsewhere = enriched(&json!("approval"));
    for (base_url, status) in [("http://127.0.0.1:1/v1/", "=ok"), ("http://127.0.0.1:2/v1", "=unavailable")] {
        elsewhere["base_url"] = json!(base_url);
        let transform = build("http_lookup", &elsewhere, &cx).await;
        assert!(told(&*transform, same.clone()).await.0.starts_with(status), "{base_url}");
    }
    assert_eq!(api.asked(), ["/v1/approvals/..%2Fa%3Fb"], "credentials are sent to their own host only");

    let own = json!({ "enrich": "job", "base_url": "http://127.0.0.1:1/own" });
    let transform = build("http_lookup", &own, &cx).await;
    told(&*transform, happened(&cx, "PUBLISHED", &json!({ "jobId": "job_1" }))).await;
    assert_eq!(api.asked(), ["/own/jobs/job_1"]);
}

/// 250 members, a hundred a page, every other with `u@`; topics by id.
fn team(request: &Request) -> (u16, Value) {
    match request.url.path() {
        "/v2/members" => {
            let first: usize = parameter(request, "cursor").map_or(0, |cursor| cursor.parse().unwrap());
            let last = (first + 100).min(250);
            let member = |number: usize| {
                let id = if number.is_multiple_of(2) { format!("u@{number}") } else { number.to_string() };
                json!({ "id": id, "name": format!("n{number}"), "email": "a@b.c", "phone": "+49" })
            };
            let mut page =
                json!({ "members": (first..last).map(member).collect::<Vec<_>>(), "hasMore": last < 250 });
            if last < 250 {
                page["nextCursor"] = json!(last.to_string());
            }
            (200, page)
        }
        "/v2/topics/t1" => {
            (200, json!({ "id": "t1", "name": "Launch", "description": "d", "memberIds": ["1"] }))
        }
        path => {
            assert!(path.starts_with("/v2/topics/"), "{path}");
            (404, json!("not found"))
        }
    }
}

#[tokio::test(start_paused = true)]
async fn bare_ids_get_names_and_topics_theirs_and_nothing_else_of_people_is_taken() {
    let cx = context();
    let api = Lists::publish(&cx, team);
    source(&cx, &["acme"], ZENZAP);
    let transform = build("http_lookup", &enriched(&json!("zenzap")), &cx).await;
    let topic = json!({ "id": "t1", "name": "Launch", "description": "d" });
    for (kind, data, statuses, added) in [
        (
            "reaction.added",
            json!({ "topicId": "t1", "userId": "u@249" }),
            "=ok .names=ok .topic=ok",
            json!({ "topic": topic, "names": { "userId": "n249" } }),
        ),
        (
            "member.added",
            json!({ "topicId": "t1", "memberIds": ["1", "2", "gone", "u@4"], "actorId": "u@3" }),
            "=not_found .names=not_found .topic=ok",
            json!({ "topic": topic, "names": { "memberIds": ["n1", "n2", null, "n4"], "actorId": "n3" } }),
        ),
        (
            "message.deleted",
            json!({ "topicId": "t1", "deletedBy": "5", "message": { "topicId": "t1", "senderId": "6" } }),
            "=ok .names=ok .topic=ok",
            json!({ "topic": topic, "names": { "deletedBy": "n5", "senderId": "n6" } }),
        ),
        (
            "message.created",
            json!({ "message": { "topicId": "t2", "senderId": "6", "senderName": "Dana" } }),
            "=not_found .topic=not_found",
            Value::Null,
        ),
        ("topic.updated", json!({ "topicId": "t1" }), "=ok .topic=ok", json!({ "topic": topic })),
        (
            "poll_vote.created",
            json!({ "topicId": "t1", "voterId": "nobody" }),
            "=not_found .names=not_found .topic=ok",
            json!({ "topic": topic }),
        ),
        ("webhook.test", json!({ "topicId": "t1", "userId": "1" }), "", Value::Null),
    ] {
        let ended = told(&*transform, happened(&cx, kind, &json!({ "data": data }))).await;
        assert_eq!(ended, (statuses.to_owned(), added), "{kind} {data}");
    }
    let mut asked = api.asked();
    asked.sort();
    let members =
        ["/v2/members?limit=100", "/v2/members?limit=100&cursor=100", "/v2/members?limit=100&cursor=200"];
    assert_eq!(asked[..3], members);
    let topics = ["/v2/topics/t1", "/v2/topics/t1", "/v2/topics/t2"];
    assert_eq!(asked[3..], topics, "once more for the change");
}

#[tokio::test(start_paused = true)]
async fn the_name_of_a_topic_is_the_new_one_as_soon_as_it_was_changed() {
    let cx = context();
    let names = Arc::new(Mutex::new("old"));
    let api = Lists::publish(&cx, {
        let names = Arc::clone(&names);
        move |_| (200, json!({ "id": "t1", "name": *names.lock() }))
    });
    source(&cx, &["acme"], ZENZAP);
    let transform = build("http_lookup", &enriched(&json!("topic")), &cx).await;
    let mut seen = Vec::new();
    for kind in ["reaction.added", "reaction.added", "topic.updated", "reaction.added"] {
        let (_, added) =
            told(&*transform, happened(&cx, kind, &json!({ "data": { "topicId": "t1" } }))).await;
        seen.push(added["topic"]["name"].clone());
        *names.lock() = "new";
        tokio::time::advance(Duration::from_secs(2)).await;
    }
    assert_eq!(seen, ["old", "old", "new", "new"]);
    assert_eq!(api.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn somebody_who_is_no_member_does_not_make_all_pages_be_read_for_every_event() {
    let cx = context();
    let api = Lists::publish(&cx, team);
    source(&cx, &["acme"], ZENZAP);
    let transform = build("http_lookup", &enriched(&json!("names")), &cx).await;
    for _ in 0..30 {
        let event = json!({ "data": { "userId": "gone" } });
        assert_eq!(
            told(&*transform, happened(&cx, "reaction.added", &event)).await.0,
            "=not_found .names=not_found"
        );
        tokio::time::advance(Duration::from_millis(500)).await;
    }
    let pages = api.asked().len();
    assert!((12..=24).contains(&pages), "about a page a second in 15 seconds, and not 90: {pages}");
}

#[test]
fn what_contradicts_itself_is_told_where_it_is() {
    let files = Files(BTreeMap::new());
    assert_eq!(check("http_lookup", &enriched(&json!("opentrain")), &files), []);
    assert_eq!(check("http_lookup", &enriched(&json!(["job", "opentrain", "job"])), &files), []);
    assert_eq!(check("http_lookup", &json!({ "enrich": "job" }), &files), []);
    let own =
        json!({ "enrich": "zenzap", "auth": { "bearer": "t" }, "base_url": "https://api.us.zenzap.co" });
    assert_eq!(check("http_lookup", &own, &files), []);
    for (more, path, help) in [
        (json!({ "url": "https://h/{{ event.id }}" }), "url", ""),
        (json!({ "select": "x" }), "select", ""),
        (json!({ "find": { "by": "event.k" } }), "find", ""),
        (json!({ "batch": { "by": "event.k" } }), "batch", ""),
        (json!({ "base_url": "http://example.com" }), "base_url", ""),
        (json!({ "enrich": "mesage" }), "enrich", "did you mean `message`?"),
        (json!({ "enrich": ["message", "opentrian"] }), "enrich[1]", "did you mean `opentrain`?"),
        (json!({ "enrich": ["message", "weather"] }), "enrich[1]", "known: opentrain, zenzap, proposal"),
        (json!({ "enrich": ["message", "topic"] }), "enrich[1]", "make it two"),
        (json!({ "enrich": [] }), "enrich", ""),
        (json!({ "enrich": "topic" }), "auth.same_as", "give `auth`"),
        (json!({ "auth": null }), "auth", "same_as: feed"),
        (json!({ "auth": { "same_as": "fed" } }), "auth.same_as", "known: feed"),
        (json!({ "auth": null, "enrich": "job", "base_url": "http://example.com" }), "base_url", ""),
    ] {
        let mut options = enriched(&json!("opentrain"));
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let problems = check("http_lookup", &options, &files);
        assert_eq!(problems.len(), 1, "{options} {problems:?}");
        assert_eq!(problems[0].path, path, "{options}");
        assert!(problems[0].help.as_deref().unwrap_or_default().contains(help), "{problems:?}");
    }
    let neither = check("http_lookup", &json!({}), &files);
    assert!(neither[0].message.contains("neither `url` nor `enrich`"), "{neither:?}");
    let url = "https://h/{{ event.id }}";
    assert_eq!(
        check("http_lookup", &json!({ "url": url, "base_url": "https://h" }), &files)[0].path,
        "base_url"
    );
}

#[test]
fn it_is_known_which_fields_are_added_and_which_urls_are_asked() {
    let mut registry = sluicebox_core::Registry::new();
    crate::register(&mut registry);
    let cx = sluicebox_core::CheckContext { files: &Files(BTreeMap::new()), sources: &[] };
    let parsed = parse("http_lookup", &json!({ "enrich": ["milestone", "payment"], "into": "more" }));
    let fields = ["milestone", "payment"].map(|name| vec!["more".to_owned(), name.to_owned()]);
    assert_eq!(parsed.effect("thing", &cx), sluicebox_core::Effect::Writes(fields.into()));
    let urls = parsed.lookup_urls().into_iter().map(|url| (url.name.unwrap(), url.template.text));
    let expected = [("contract", "/contracts/{{ event.data.contractId }}"), ("payment", "/payments/pending")];
    assert_eq!(urls.collect::<Vec<_>>(), expected.map(|(name, url)| (name, url.to_owned())));
    for api in Api::ALL {
        assert!(BaseUrl::parse(api.base_url()).is_ok());
    }
}
