//! Sweeps over pages: where the cursor stands, and that nothing is lost, whatever happens between two pages.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use sluicebox_core::{Batch, Cursor, ErrorClass, Pace, Source};
use sluicebox_http::Request;

use crate::support::{Reply, context, in_turn, source};

fn ids(batch: &Batch) -> Vec<String> {
    batch.events.iter().map(|event| event.meta().id.rsplit(':').next().unwrap().to_owned()).collect()
}

fn text(batch: &Batch) -> String {
    batch.cursor.as_ref().map_or_else(|| "none".to_owned(), Cursor::to_text)
}

/// A list that begins with the newest item, in pages with a cursor of their own.
fn paged(more: &Value) -> Value {
    let mut options = json!({
        "request": { "path": "/list", "query": { "since": "{{ cursor }}", "page": "{{ page }}" } },
        "cursor": { "next": { "last_item": "ts" }, "kind": "number", "pages": { "body": "next" } },
        "newest_first": true, "event": { "id": "ts" },
        "errors": [{ "status": 410, "then": "expired" }],
    });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    options
}

fn page(items: &[&str], next: &str) -> Reply {
    let items: Vec<Value> = items.iter().map(|ts| json!({ "ts": ts })).collect();
    Reply::json(&json!({ "events": items, "next": next }))
}

async fn next(source: &mut Box<dyn Source>) -> Batch {
    source.next().await.unwrap().unwrap().read()
}

#[tokio::test(start_paused = true)]
async fn the_cursor_moves_when_the_last_page_is_read_to_what_the_sweep_began_with() {
    let replies = vec![
        page(&["10.000003", "10.000002"], "p1"),
        page(&["9.5"], "p2"),
        page(&["1.5"], ""),
        page(&["10.000004"], ""),
        page(&[], ""),
    ];
    let (cx, transport) = context(in_turn(replies));
    let mut source = source(&paged(&json!({})), &cx, None).await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        let batch = next(&mut source).await;
        seen.push((ids(&batch).join(" "), text(&batch), batch.caught_up, batch.pace == Pace::Immediately));
    }
    let seen: Vec<_> =
        seen.iter().map(|(ids, text, end, now)| (ids.as_str(), text.as_str(), *end, *now)).collect();
    assert_eq!(
        seen,
        [
            ("10.000002 10.000003", r#"sweep {"page":"p1","newest":"10.000003"}"#, false, true),
            ("9.5", r#"sweep {"page":"p2","newest":"10.000003"}"#, false, true),
            ("1.5", "10.000003", true, false),
            ("10.000004", "10.000004", true, false),
            ("", "10.000004", true, false),
        ]
    );
    assert_eq!(
        transport.targets(),
        ["/list", "/list?page=p1", "/list?page=p2", "/list?since=10.000003", "/list?since=10.000004"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_with_the_page_and_an_expired_page_begins_the_sweep_again() {
    let replies = vec![Reply::new(410, ""), page(&["9", "8"], "q1"), page(&["7"], ""), Reply::new(410, "")];
    let (cx, transport) = context(in_turn(replies));
    let saved = r#"sweep {"since":"5","page":"p1","newest":"8"}"#;
    let mut source = source(&paged(&json!({})), &cx, Some(saved)).await;
    let again = next(&mut source).await;
    assert_eq!((text(&again).as_str(), again.gap.is_none(), again.caught_up), ("5", true, false));
    assert_ne!(again.pace, Pace::Immediately);
    assert_eq!(text(&next(&mut source).await), r#"sweep {"since":"5","page":"q1","newest":"9"}"#);
    assert_eq!(text(&next(&mut source).await), "9");
    // Without a page, it is the cursor that is gone.
    let error = source.next().await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Permanent, "offset_expired"));
    assert_eq!(
        transport.targets(),
        ["/list?page=p1&since=5", "/list?since=5", "/list?page=q1&since=5", "/list?since=9"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_nothing_is_said_of_keeps_the_page_and_says_what_can_be() {
    let (cx, transport) = context(in_turn(vec![Reply::new(400, "stale token"), page(&["6"], "")]));
    let mut source = source(&paged(&json!({})), &cx, Some(r#"sweep {"since":"5","page":"p1"}"#)).await;
    let error = source.next().await.unwrap_err();
    assert!(error.help().unwrap().contains("then: expired"), "{error}");
    assert_eq!(text(&next(&mut source).await), "6");
    assert_eq!(transport.targets(), ["/list?page=p1&since=5"; 2]);
}

#[tokio::test(start_paused = true)]
async fn pages_that_always_expire_pause_after_ten_sweeps_and_never_move_the_cursor() {
    let (cx, _) = context(|_, request: &Request| match request.url.query().unwrap_or_default() {
        query if query.contains("page=") => Reply::new(410, ""),
        _ => page(&["9"], "p1"),
    });
    let mut source = source(&paged(&json!({})), &cx, Some("5")).await;
    for _ in 0..10 {
        assert!(text(&next(&mut source).await).starts_with("sweep"));
        assert_eq!(text(&next(&mut source).await), "5");
    }
    next(&mut source).await;
    let error = source.next().await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Permanent, "offset_expired"));
    assert!(error.help().unwrap().contains("rate"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_promised_and_not_named_is_asked_for_again() {
    let said = |next: &str, more: bool| {
        Reply::json(&json!({ "events": [{ "ts": "9" }], "next": next, "has_more": more }))
    };
    let (cx, transport) =
        context(in_turn(vec![said("p1", true), said("", true), said("p1", true), said("", false)]));
    let options = paged(&json!({ "more": { "field": "has_more" } }));
    let mut source = source(&options, &cx, Some("5")).await;
    let mid = r#"sweep {"since":"5","page":"p1","newest":"9"}"#;
    for at_once in [true, false, false] {
        let batch = next(&mut source).await;
        assert_eq!((text(&batch).as_str(), batch.caught_up), (mid, false));
        assert_eq!(batch.pace == Pace::Immediately, at_once);
    }
    assert_eq!(text(&next(&mut source).await), "9");
    assert_eq!(transport.targets()[1..], ["/list?page=p1&since=5"; 3]);
}

#[tokio::test(start_paused = true)]
async fn history_that_is_not_wanted_costs_one_request() {
    let (cx, transport) = context(in_turn(vec![page(&["9", "8"], "p1"), page(&["10"], "")]));
    let mut source = source(&paged(&json!({ "start": "now" })), &cx, None).await;
    let first = next(&mut source).await;
    assert_eq!((ids(&first).len(), text(&first).as_str(), first.caught_up), (0, "9", true));
    assert_eq!(ids(&next(&mut source).await), ["10"]);
    assert_eq!(transport.targets(), ["/list", "/list?since=9"]);
}

#[tokio::test(start_paused = true)]
async fn addresses_lead_from_page_to_page_on_the_same_host_only() {
    let options = |place: Value| {
        paged(&json!({
            "request": { "path": "/list", "query": { "since": "{{ cursor }}" } },
            "cursor": { "next": { "last_item": "ts" }, "pages": place },
        }))
    };
    let replies =
        || in_turn(vec![page(&["2"], "https://api.example.com/list?since=1&n=2"), page(&["1"], "")]);
    let (cx, transport) = context(replies());
    let mut by_body = source(&options(json!({ "address": "next" })), &cx, Some("0")).await;
    next(&mut by_body).await;
    assert_eq!(text(&next(&mut by_body).await), "2");
    assert_eq!(transport.targets(), ["/list?since=0", "/list?since=1&n=2"]);
    let (cx, transport) = context(in_turn(vec![page(&["2"], "https://evil.example/list")]));
    let mut elsewhere = source(&options(json!({ "address": "next" })), &cx, Some("0")).await;
    assert_eq!(elsewhere.next().await.unwrap_err().reason(), "protocol");
    assert_eq!(transport.targets(), ["/list?since=0"]);
}

#[tokio::test(start_paused = true)]
async fn the_item_that_is_listed_last_can_name_the_next_page() {
    let options = paged(&json!({
        "cursor": { "next": { "last_item": "ts" }, "pages": { "last_listed": "ts" } },
    }));
    let replies = vec![page(&["9", "8"], ""), page(&["8", "7"], ""), page(&["7"], ""), page(&[], "")];
    let (cx, transport) = context(in_turn(replies));
    let mut source = source(&options, &cx, Some("5")).await;
    for _ in 0..2 {
        assert!(!next(&mut source).await.caught_up);
    }
    // Where the boundary belongs to both pages, it comes alone at the end.
    let end = next(&mut source).await;
    assert_eq!((text(&end).as_str(), end.caught_up), ("9", true));
    assert_eq!(transport.targets(), ["/list?since=5", "/list?page=8&since=5", "/list?page=7&since=5"]);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_can_begin_before_the_cursor_and_keeps_to_where_it_began() {
    let options = paged(&json!({
        "cursor": { "next": { "last_item": "ts" }, "overlap": "10m", "pages": { "body": "next" } },
    }));
    let (one, two, three) = ("2026-06-12T10:00:00Z", "2026-06-12T10:20:00Z", "2026-06-12T10:15:00Z");
    let replies = vec![page(&[two, one], "p1"), page(&[one], ""), page(&[three], "p1"), page(&[], "")];
    let (cx, transport) = context(in_turn(replies));
    let mut source = source(&options, &cx, Some(one)).await;
    for expected in ["sweep", two, "sweep", two] {
        assert!(text(&next(&mut source).await).starts_with(expected));
    }
    let early = ["2026-06-12T09%3A50%3A00.000Z", "2026-06-12T10%3A10%3A00.000Z"];
    assert_eq!(
        transport.targets(),
        [
            format!("/list?since={}", early[0]),
            format!("/list?page=p1&since={}", early[0]),
            format!("/list?since={}", early[1]),
            format!("/list?page=p1&since={}", early[1]),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_did_not_change_is_only_asked_for_at_the_beginning_of_a_sweep() {
    let tagged = |reply: Reply| reply.header("etag", "\"v\"");
    let replies = vec![
        tagged(page(&["9"], "p1")),
        Reply::new(503, ""),
        tagged(page(&["8"], "")),
        tagged(page(&[], "")),
        Reply::new(304, ""),
    ];
    let (cx, transport) = context(in_turn(replies));
    let mut source = source(&paged(&json!({ "etag": true })), &cx, Some("5")).await;
    assert!(text(&next(&mut source).await).starts_with("sweep"));
    assert!(source.next().await.unwrap_err().class().is_retryable());
    for _ in 0..3 {
        assert_eq!(text(&next(&mut source).await), "9");
    }
    let asked = transport.requests.lock();
    let conditions: Vec<bool> = asked.iter().map(|it| it.headers.contains_key("if-none-match")).collect();
    assert_eq!(conditions, [false, false, false, false, true]);
}

#[tokio::test(start_paused = true)]
async fn nothing_changed_is_no_end_of_a_sweep_whose_pages_were_not_read() {
    let tagged = |items: &[&str], next: &str, more: bool| {
        let items: Vec<Value> = items.iter().map(|ts| json!({ "ts": ts })).collect();
        Reply::json(&json!({ "events": items, "next": next, "has_more": more })).header("etag", "\"v\"")
    };
    // A page that is promised and not named; a page that is gone, so that the sweep begins again.
    let unnamed = vec![tagged(&["9"], "", true), tagged(&["9"], "p1", true), tagged(&["8"], "", false)];
    let gone = vec![
        tagged(&["9"], "p1", true),
        Reply::new(410, ""),
        tagged(&["9"], "p2", true),
        tagged(&["8"], "", false),
    ];
    for replies in [unnamed, gone] {
        let polls = replies.len();
        let (cx, transport) = context(in_turn(replies));
        let options = paged(&json!({ "etag": true, "more": { "field": "has_more" } }));
        let mut source = source(&options, &cx, Some("5")).await;
        let mut last = String::new();
        for _ in 0..polls {
            last = text(&next(&mut source).await);
        }
        assert_eq!(last, "9");
        let asked = transport.requests.lock();
        assert!(asked.iter().all(|it| !it.headers.contains_key("if-none-match")));
    }
}

#[tokio::test(start_paused = true)]
async fn pages_in_a_circle_are_read_from_the_beginning_and_pause_after_ten_times() {
    let circle = |number: usize, _: &Request| match number % 3 {
        0 => page(&["9"], "p1"),
        1 => page(&["8"], "p2"),
        _ => page(&["7"], "p1"),
    };
    let (cx, transport) = context(circle);
    let mut source = source(&paged(&json!({})), &cx, Some("5")).await;
    for number in 0..29 {
        let batch = next(&mut source).await;
        assert_eq!(number % 3 == 2, text(&batch) == "5", "the sweep begins again from its cursor");
    }
    let error = source.next().await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Permanent, "protocol"));
    assert!(error.to_string().contains("led nowhere 10 times"), "{error}");
    assert_eq!(transport.targets().iter().filter(|target| *target == "/list?since=5").count(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_position_that_is_no_number_is_refused() {
    let (cx, _) = context(|_, _| page(&[], ""));
    let config = paged(&json!({}));
    let mut source = source(&config, &cx, None).await;
    for odd in
        ["x", "1.2.3", r#"sweep {"since":"x","page":"p"}"#, r#"sweep {"page":"p","newest":"x"}"#, "sweep {}"]
    {
        let error = source.open(Some(&Cursor::from(odd))).await.unwrap_err();
        assert_eq!(error.reason(), "cursor_rejected", "{odd}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_whose_field_is_no_number_stops_nothing_but_a_page_of_such_items_is_no_page() {
    let (cx, _) = context(in_turn(vec![page(&["1:2", "7", "5", ""], ""), page(&["1:2", "1:3"], "")]));
    let mut source = source(&paged(&json!({})), &cx, None).await;
    let batch = next(&mut source).await;
    assert_eq!((batch.events.len(), batch.rejects.len(), text(&batch).as_str()), (3, 1, "7"));
    assert_eq!(source.next().await.unwrap_err().reason(), "protocol");
}

/// A small generator of numbers that look random.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A list that grows while it is read, three items a page, whose pages are anchored at an item or counted from the newest.
struct Growing {
    items: Vec<u64>,
    dice: Dice,
    by_place: bool,
    newest_first: bool,
    is_done: bool,
}

impl Growing {
    fn answer(&mut self, request: &Request) -> Reply {
        let query: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
        let number = |name: &str| {
            let found = query.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.parse::<u64>().unwrap())
        };
        let (since, page) = (number("since"), number("page"));
        if page.is_some() && self.dice.roll(25) == 0 {
            return Reply::new(410, "");
        }
        if self.dice.roll(8) == 0 {
            return Reply::new(503, "");
        }
        let mut listed: Vec<u64> =
            self.items.iter().copied().filter(|item| since.is_none_or(|since| *item > since)).collect();
        if self.newest_first {
            listed.reverse();
        }
        let is_behind =
            |item: u64, anchor: u64| if self.newest_first { item < anchor } else { item > anchor };
        let begin = match page {
            None => 0,
            Some(place) if self.by_place => usize::try_from(place).unwrap().min(listed.len()),
            Some(anchor) => listed.iter().position(|item| is_behind(*item, anchor)).unwrap_or(listed.len()),
        };
        let end = (begin + 3).min(listed.len());
        let next = match listed[begin..end].last() {
            Some(_) if end == listed.len() => String::new(),
            Some(_) if self.by_place => end.to_string(),
            Some(last) => last.to_string(),
            None => String::new(),
        };
        let items: Vec<Value> = listed[begin..end].iter().map(|item| json!({ "ts": item })).collect();
        // What happens between two pages.
        let coming = if self.is_done { 0 } else { self.dice.roll(3) };
        for _ in 0..coming {
            let newest = self.items.last().copied().unwrap_or(97);
            self.items.push(newest + 1 + self.dice.roll(4));
        }
        Reply::json(&json!({ "events": items, "next": next }))
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_whatever_comes_between_pages_and_whenever_it_restarts() {
    let options = |newest_first: bool| paged(&json!({ "newest_first": newest_first }));
    for seed in 0..60 {
        let (by_place, newest_first) = (seed % 2 == 0, seed % 4 < 2);
        let growing =
            Growing { items: (1..20).collect(), dice: Dice(seed), by_place, newest_first, is_done: false };
        let growing = Arc::new(Mutex::new(growing));
        let server = Arc::clone(&growing);
        let (cx, _) = context(move |_, request| server.lock().answer(request));
        let mut feed = source(&options(newest_first), &cx, None).await;
        let (mut saved, mut dice, mut seen) = (None::<Cursor>, Dice(seed + 1000), BTreeSet::new());
        let mut since = 0;
        for poll in 0.. {
            if poll > 150 {
                // No more comes: what is there must be read.
                growing.lock().is_done = true;
                let all: BTreeSet<String> = growing.lock().items.iter().map(u64::to_string).collect();
                if seen == all {
                    break;
                }
                assert!(poll < 2000, "seed {seed}: {:?}", all.difference(&seen).collect::<Vec<_>>());
            }
            match feed.next().await {
                Ok(Some(batch)) => {
                    let batch = batch.read();
                    // A batch that a kill loses before it is durable is lost with its cursor.
                    if dice.roll(10) > 0 {
                        seen.extend(ids(&batch));
                        saved = batch.cursor;
                        continue;
                    }
                }
                Ok(None) => unreachable!("a feed has no end"),
                Err(error) if error.class().is_retryable() && dice.roll(4) > 0 => continue,
                Err(_) => {}
            }
            feed.open(saved.as_ref()).await.unwrap();
            let cursor = saved.as_ref().map_or_else(String::new, Cursor::to_text);
            let at: u64 = cursor.parse().unwrap_or(since);
            assert!(at >= since, "seed {seed}: the cursor went back from {since} to {at}");
            since = at;
        }
    }
}
