//! Look-ups of many keys at once, and in lists, against an API that is a function of the request, on paused time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use sluicebox_core::{CacheTally, Context, Event, Transform, TransformOutcome};
use sluicebox_http::{BaseUrl, Client, ClientOptions, Limits, Rate, Request};

use crate::testing::{Files, Lists, apply, build, check, context, event, parameter};

/// An event of an account, received now.
fn received(cx: &Context, account: &str, data: &Value) -> Event {
    let mut event = event("1", account, &data.to_string());
    event.meta_mut().received = cx.environment.clock.now();
    event
}

async fn told(transform: &dyn Transform, events: Vec<Event>) -> Vec<String> {
    let tell = |(_, outcome)| match outcome {
        TransformOutcome::Emit(None, event) => {
            let text = String::from_utf8(event.json().to_vec()).unwrap();
            let status = event.meta().lookups["thing"].as_str();
            match text.split_once(r#","thing":"#) {
                Some((_, added)) => format!("{status} {}", added.strip_suffix('}').unwrap()),
                None => status.to_owned(),
            }
        }
        TransformOutcome::DeadLetter(_, reason, error) => format!("{}: {}", reason.as_str(), error.message),
        other => format!("{other:?}"),
    };
    apply(transform, events).await.into_iter().map(tell).collect()
}

fn keyed(cx: &Context, keys: &[Value]) -> Vec<Event> {
    keys.iter().map(|key| received(cx, "acme", &json!({ "k": key }))).collect()
}

/// Contracts that are not multiples of 5, by `ids`.
fn contracts(request: &Request) -> (u16, Value) {
    let ids = parameter(request, "ids").unwrap();
    let wanted = ids.split(',').filter_map(|id| id.parse::<u32>().ok()).filter(|id| id % 5 != 0);
    let items: Vec<Value> = wanted.map(|id| json!({ "id": id, "title": format!("t{id}") })).collect();
    (200, json!({ "data": { "contracts": items } }))
}

const CONTRACTS: &str = "http://127.0.0.1:1/contracts?ids={{ keys }}&full=1";

#[tokio::test(start_paused = true)]
async fn the_keys_of_a_batch_are_one_request_for_each_portion() {
    let cx = context();
    let api = Lists::publish(&cx, contracts);
    let options = json!({ "url": CONTRACTS, "select": "title", "concurrency": 1,
        "batch": { "by": "event.k", "items": "data.contracts", "max_keys": 3 } });
    let transform = build("http_lookup", &options, &cx).await;
    let keys = [json!(1), json!("2"), json!(5), json!(null), json!(1), json!("a&b"), json!(2)];
    let ends = told(&*transform, keyed(&cx, &keys)).await;
    let expected =
        ["ok \"t1\"", "ok \"t2\"", "not_found", "not_found", "ok \"t1\"", "not_found", "ok \"t2\""];
    assert_eq!(ends, expected);
    let mut asked = api.asked();
    assert_eq!(asked.len(), 2, "four keys, three at a time: {asked:?}");
    assert!(asked.iter().all(|asked| asked.starts_with("/contracts?ids=") && asked.ends_with("&full=1")));
    asked.retain(|asked| asked.contains("a%26b"));
    assert_eq!(asked.len(), 1, "a key stays a key");
    assert_eq!(told(&*transform, keyed(&cx, &keys)).await, expected);
    assert_eq!(api.asked(), [""; 0], "everything is remembered, absence too");
    tokio::time::advance(Duration::from_secs(61)).await;
    told(&*transform, keyed(&cx, &keys)).await;
    assert_eq!(api.asked().len(), 1, "absence for a shorter time");
}

#[tokio::test(start_paused = true)]
async fn keys_can_be_repeated_parameters_or_stand_in_a_body() {
    let cx = context();
    let api = Lists::publish(&cx, |request| {
        let of = |id: &str| json!({ "name": format!("n{id}") });
        (
            200,
            if request.body.is_empty() {
                json!({ "a": of("a"), "b": of("b") })
            } else {
                json!([{ "id": 1 }, { "id": 2 }])
            },
        )
    });
    let repeated = json!({ "url": "http://127.0.0.1:1/people?id={{ keys }}", "select": "name",
        "batch": { "by": "event.k", "separator": "&id=", "items": "people" } });
    assert_eq!(
        told(&*build("http_lookup", &repeated, &cx).await, keyed(&cx, &[json!("a")])).await,
        ["unavailable"]
    );
    api.asked();
    let in_body = json!({ "url": "http://127.0.0.1:1/search",
        "batch": { "by": "event.k", "body": { "filter": { "ids": "{{ keys }}" }, "limit": 9 } } });
    let ends = told(&*build("http_lookup", &in_body, &cx).await, keyed(&cx, &[json!(2)])).await;
    assert_eq!(ends, [r#"ok {"id":2}"#]);
    assert_eq!(api.asked(), [r#"/search{"filter":{"ids":[2]},"limit":9}"#]);

    let api = Lists::publish(&cx, |request| {
        let ids: Vec<String> = request.url.query_pairs().map(|(_, id)| id.into_owned()).collect();
        (
            200,
            json!({ "people": ids.iter().map(|id| (id.clone(), json!({ "name": format!("n{id}") }))).collect::<BTreeMap<_, _>>() }),
        )
    });
    let ends =
        told(&*build("http_lookup", &repeated, &cx).await, keyed(&cx, &[json!("a"), json!("b")])).await;
    assert_eq!(ends, ["ok \"na\"", "ok \"nb\""]);
    let asked = api.asked();
    assert!(asked == ["/people?id=a&id=b"] || asked == ["/people?id=b&id=a"], "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_stands_for_all_of_its_keys() {
    for (status, expected, requests) in
        [(404, "not_found", 1), (403, "forbidden", 1), (400, "unavailable", 1), (503, "unavailable", 4)]
    {
        let cx = context();
        let api = Lists::publish(&cx, move |_| (status, json!({})));
        let options = json!({ "url": CONTRACTS, "batch": { "by": "event.k" } });
        let transform = build("http_lookup", &options, &cx).await;
        let started = tokio::time::Instant::now();
        let ends = told(&*transform, keyed(&cx, &[json!(1), json!(2), json!(3)])).await;
        assert_eq!(ends, [expected; 3]);
        let asked = api.asked().len();
        assert!((requests..10).contains(&asked), "{status}: {asked}");
        assert!(started.elapsed() <= Duration::from_secs(31));
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_equal_keys_are_one_request() {
    let find = json!({ "url": "http://127.0.0.1:1/list", "find": { "by": "event.k" } });
    let batch = json!({ "url": "http://127.0.0.1:1/list?ids={{ keys }}", "batch": { "by": "event.k" } });
    for options in [find, batch] {
        let cx = context();
        let api = Lists::publish(&cx, |_| (200, json!({ "list": [{ "id": 7, "n": 1 }] })));
        let transform: Arc<dyn Transform> = build("http_lookup", &options, &cx).await.into();
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let (transform, events) = (Arc::clone(&transform), keyed(&cx, &vec![json!(7); 1000]));
                async move { told(&*transform, events).await }
            })
            .collect();
        for told in futures::future::join_all(tasks).await {
            assert!(told.iter().all(|end| end == r#"ok {"id":7,"n":1}"#));
        }
        assert_eq!(api.asked().len(), 1);
        let hits = cx.shared.find::<CacheTally>("thing", "").unwrap().totals();
        assert_eq!(hits[1], ("miss", 1), "{hits:?}");
    }
}

/// Messages of a conversation, newest first, ten a page; there are `newest`.
fn messages(request: &Request, newest: usize) -> (u16, Value) {
    let first = parameter(request, "cursor").map_or(newest, |cursor| cursor.parse().unwrap());
    let last = first.saturating_sub(9).max(1);
    let page: Vec<Value> =
        (last..=first).rev().map(|n| json!({ "id": format!("m{n}"), "content": n })).collect();
    let next = (last > 1).then(|| (last - 1).to_string());
    (200, json!({ "messages": page, "nextCursor": next }))
}

const MESSAGES: &str = "http://127.0.0.1:1/messages?conversationId={{ event.c }}&limit=10";

fn message(cx: &Context, number: usize) -> Event {
    received(cx, "acme", &json!({ "c": "c/1", "m": format!("m{number}") }))
}

#[tokio::test(start_paused = true)]
async fn an_item_is_looked_for_page_by_page_and_no_further_than_needed() {
    let cx = context();
    let newest = Arc::new(Mutex::new(35));
    let api = Lists::publish(&cx, {
        let newest = Arc::clone(&newest);
        move |request| messages(request, *newest.lock())
    });
    let options = json!({ "url": MESSAGES, "select": "content",
        "find": { "by": "event.m", "next": "nextCursor", "max_pages": 3 } });
    let transform = build("http_lookup", &options, &cx).await;
    let find = async |number| told(&*transform, vec![message(&cx, number)]).await.remove(0);
    assert_eq!(find(30).await, "ok 30");
    assert_eq!(api.asked(), ["/messages?conversationId=c%2F1&limit=10"]);
    assert_eq!(find(31).await, "ok 31", "from the page that is known");
    assert_eq!(api.asked(), [""; 0]);

    let earlier = message(&cx, 12);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(told(&*transform, vec![earlier]).await, ["ok 12"]);
    let asked = api.asked();
    assert_eq!(asked.len(), 3, "the list is older than the event, so it begins anew: {asked:?}");
    assert_eq!(asked[2], "/messages?conversationId=c%2F1&limit=10&cursor=15");

    tokio::time::advance(Duration::from_secs(1)).await;
    *newest.lock() = 36;
    assert_eq!(find(36).await, "ok 36", "it came after the list was read");
    assert_eq!(api.asked().len(), 1);

    let events = vec![message(&cx, 5), message(&cx, 4), message(&cx, 99)];
    assert_eq!(told(&*transform, events).await, ["not_found"; 3]);
    assert_eq!(api.asked().len(), 3, "three pages once, and then it is known that they are not within them");
    tokio::time::advance(Duration::from_secs(301)).await;
    assert_eq!(find(36).await, "ok 36");
    assert_eq!(api.asked().len(), 1, "a list is good for `ttl`");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_in_a_list_is_remembered_for_a_short_time() {
    let cx = context();
    let api = Lists::publish(&cx, |_| (200, json!({ "payments": [{ "id": "i1", "amountUsd": 5 }] })));
    let options = json!({ "url": "http://127.0.0.1:1/payments/pending", "on_error": "dead_letter",
        "find": { "by": "event.k", "items": "payments" } });
    let transform = build("http_lookup", &options, &cx).await;
    let events = keyed(&cx, &[json!("i1"), json!("i2"), json!("i3"), json!(null)]);
    let ends = told(&*transform, events.clone()).await;
    let missing =
        |id: &str| format!("lookup: the look-up `thing` ended not_found: the list has no item `{id}`");
    assert_eq!(ends[0], r#"ok {"amountUsd":5,"id":"i1"}"#);
    assert_eq!(ends[1..3], [missing("i2"), missing("i3")]);
    assert!(ends[3].ends_with("the event has no value for the key"));
    assert_eq!(api.asked().len(), 1);
    told(&*transform, events.clone()).await;
    assert_eq!(api.asked().len(), 0);
    tokio::time::advance(Duration::from_secs(61)).await;
    told(&*transform, events).await;
    assert_eq!(api.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_refused_or_none_is_told_and_a_cursor_that_stands_still_ends_it() {
    for (status, body, expected) in [
        (404, json!({}), "not_found"),
        (403, json!({}), "forbidden"),
        (200, json!({ "error": "no" }), "unavailable"),
        (200, json!({ "list": [] }), "not_found"),
        (200, json!([{ "nr": 1 }]), "not_found"),
        (200, json!({ "list": [{ "id": 1 }], "next": "same" }), "not_found"),
    ] {
        let cx = context();
        let api = Lists::publish(&cx, {
            let body = body.clone();
            move |_| (status, body.clone())
        });
        let options = json!({ "url": "http://127.0.0.1:1/list", "find": { "by": "event.k", "next": "next", "max_pages": 9 } });
        let transform = build("http_lookup", &options, &cx).await;
        let events = keyed(&cx, &[json!("x"), json!("x")]);
        assert_eq!(told(&*transform, events).await, [expected; 2], "{body}");
        let most = if body["next"] == "same" { 2 } else { 1 };
        assert_eq!(api.asked().len(), most, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn lists_share_the_budget_and_the_account_of_their_source() {
    let cx = context();
    let api = Lists::publish(&cx, |_| (200, json!({ "list": [{ "id": "x" }] })));
    for account in ["acme", "other"] {
        let options = ClientOptions {
            base_url: BaseUrl::parse("http://127.0.0.1:1/v1").unwrap(),
            auth: None,
            rate: Rate::PerMinute(2.try_into().unwrap()),
            limits: Limits::default(),
        };
        cx.shared.publish("feed", account, Client::new(options, &cx).unwrap());
    }
    let source = Client::published(&cx.shared, "feed", "acme").unwrap();
    source.get("/updates").await.unwrap();
    for options in [
        json!({ "url": "http://127.0.0.1:1/list", "auth": { "same_as": "feed" }, "find": { "by": "event.k" } }),
        json!({ "url": "http://127.0.0.1:1/l?i={{ keys }}", "auth": { "same_as": "feed" }, "batch": { "by": "event.k" } }),
    ] {
        let transform = build("http_lookup", &options, &cx).await;
        let started = tokio::time::Instant::now();
        let events = ["acme", "other"].map(|account| received(&cx, account, &json!({ "k": "x" })));
        assert_eq!(told(&*transform, events.to_vec()).await, [r#"ok {"id":"x"}"#; 2]);
        assert_eq!(api.asked().len(), if options["find"].is_null() { 2 } else { 3 });
        let waited = started.elapsed();
        // Two requests of `acme` were free; the third waits for half a minute. `other` pays for itself.
        let expected = if options["find"].is_null() { 25..=35 } else { 0..=1 };
        assert!(expected.contains(&waited.as_secs()), "{options} {waited:?}");
    }
}

#[test]
fn wrong_options_are_told_where_they_are() {
    let files = Files(BTreeMap::new());
    let list = "http://127.0.0.1:1/list";
    for (options, path) in [
        (json!({ "url": list, "batch": { "by": "event.k" } }), "url"),
        (
            json!({ "url": "http://127.0.0.1:1/{{ event.a }}/{{ keys }}", "batch": { "by": "event.k" } }),
            "url",
        ),
        (json!({ "url": "{{ keys }}", "batch": { "by": "event.k" } }), "url"),
        (json!({ "url": CONTRACTS, "batch": { "by": "event." } }), "batch.by"),
        (json!({ "url": CONTRACTS, "batch": { "by": "event.k", "max_keys": 0 } }), "batch.max_keys"),
        (json!({ "url": CONTRACTS, "batch": { "by": "event.k", "separator": " " } }), "batch.separator"),
        (json!({ "url": CONTRACTS, "batch": { "by": "event.k", "body": ["{{ keys }}"] } }), "batch.body"),
        (json!({ "url": CONTRACTS, "batch": { "by": "event.k" }, "find": { "by": "event.k" } }), "find"),
        (json!({ "url": list, "find": { "by": "event." } }), "find.by"),
        (json!({ "url": list, "find": { "by": "event.k", "items": "a." } }), "find.items"),
        (json!({ "url": list, "find": { "by": "event.k", "key": "" } }), "find.key"),
        (json!({ "url": list, "find": { "by": "event.k", "next": "" } }), "find.next"),
        (json!({ "url": list, "find": { "by": "event.k", "cursor": "" } }), "find.cursor"),
        (json!({ "url": list, "find": { "by": "event.k", "max_pages": 0 } }), "find.max_pages"),
    ] {
        let problems = check("http_lookup", &options, &files);
        assert_eq!(problems.len(), 1, "{options} {problems:?}");
        assert_eq!(problems[0].path, path, "{options}");
    }
}
