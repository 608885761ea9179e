//! `matrix_sync` against the Matrix Client-Server API: scripted answers for what a server may say, and a homeserver as
//! the specification has it for everything between two syncs.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::{Value, json};
use sluicebox_contract::{Fault, Upstream};
use sluicebox_core::{Batch, Cursor, ErrorClass, Pace, Registry, Source, Standing, Timestamp};
use sluicebox_http::Request;
use sluicebox_testkit::{Dice, Homeserver};

use crate::support::{Reply, Scripted, context, in_turn, problems, source};

fn options(more: &Value) -> Value {
    let mut given =
        json!({ "base_url": "https://hs.example.org", "token": "syt_hunter2", "rate": "unlimited" });
    given.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    given
}

async fn feed_of(
    more: Value,
    answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
) -> (Box<dyn Source>, Arc<Scripted>) {
    let (cx, transport) = context(answer);
    (source("matrix_sync", options(&more), &cx).await, transport)
}

/// A feed of scripted answers that stands at the token `s1`.
async fn feed(more: Value, replies: Vec<Reply>) -> (Box<dyn Source>, Arc<Scripted>) {
    let (mut feed, transport) = feed_of(more, in_turn(replies)).await;
    feed.open(Some(&Cursor::from("s1"))).await.unwrap();
    (feed, transport)
}

/// A feed of a homeserver.
async fn reader(house: &Homeserver, more: Value) -> (Box<dyn Source>, Arc<Scripted>) {
    let house = house.clone();
    let answer = move |_: usize, request: &Request| {
        let answer = house.answer(&request.url[url::Position::BeforePath..]);
        Reply::new(answer.status, answer.body).after_seconds(answer.held.as_secs())
    };
    feed_of(more, answer).await
}

async fn page(feed: &mut Box<dyn Source>) -> Batch {
    feed.next().await.unwrap().unwrap().read()
}

fn ids(batch: &Batch) -> Vec<&str> {
    batch.events.iter().map(|event| event.meta().id.strip_prefix("matrix:acme:").unwrap()).collect()
}

fn cursor(batch: &Batch) -> String {
    batch.cursor.as_ref().unwrap().to_text()
}

fn message(id: &str) -> Value {
    json!({ "event_id": id, "type": "m.room.message", "sender": "@a:x", "origin_server_ts": 1_699_564_800_000_i64,
        "content": { "body": "hi\n" } })
}

fn synced(next_batch: &str, rooms: &Value) -> Reply {
    Reply::json(&json!({ "next_batch": next_batch, "rooms": { "join": rooms } }))
}

fn room(events: &[Value], limited: bool) -> Value {
    json!({ "timeline": { "events": events, "limited": limited, "prev_batch": "t0" } })
}

fn decoded(target: &str) -> String {
    percent_encoding::percent_decode_str(target).decode_utf8().unwrap().into_owned()
}

/// Polls until a held sync brings nothing, starting over from the cursor after every page if told so; everything that came.
async fn drained(feed: &mut Box<dyn Source>, reopening: bool) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    loop {
        let batch = page(feed).await;
        for event in &batch.events {
            seen.push((event.meta().key.to_string(), event.meta().id.replace("matrix:acme:", "")));
        }
        if reopening {
            feed.open(batch.cursor.as_ref()).await.unwrap();
        }
        if batch.caught_up {
            return seen;
        }
    }
}

fn of_room<'a>(seen: &'a [(String, String)], room: &str) -> Vec<&'a str> {
    seen.iter().filter(|(place, _)| place == room).map(|(_, id)| id.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_first_start_reads_every_room_from_its_beginning_and_then_holds() {
    let house = Homeserver::default();
    for at in 0..5 {
        house.say("!a:x", &at.to_string());
    }
    house.join("!a:x");
    house.join("!b:x");
    house.say("!elsewhere:x", "unheard");
    let (mut feed, transport) = reader(&house, json!({ "limit": 4 })).await;
    feed.open(None).await.unwrap();
    let first = page(&mut feed).await;
    assert_eq!((first.events.len(), first.caught_up, first.pace), (0, false, Pace::Immediately));
    assert_eq!(cursor(&first), r#"{"since":"s8","rooms":["!a:x","!b:x"]}"#);
    let seen = drained(&mut feed, false).await;
    assert_eq!(of_room(&seen, "!a:x"), house.ids("!a:x"));
    assert_eq!(of_room(&seen, "!b:x"), house.ids("!b:x"));
    let targets: Vec<String> = transport.targets().iter().map(|target| decoded(target)).collect();
    let filter = |limit: u32| {
        format!(
            r#"filter={{"account_data":{{"not_types":["*"]}},"presence":{{"not_types":["*"]}},"room":{{"account_data":{{"not_types":["*"]}},"ephemeral":{{"not_types":["*"]}},"state":{{"lazy_load_members":true,"not_types":["*"]}},"timeline":{{"limit":{limit}}}}}}}"#
        )
    };
    let pages = |room: &str, from: &str| {
        format!("/_matrix/client/v3/rooms/{room}/messages?dir=f&limit=4{from}&to=s8")
    };
    let expected = [
        format!("/_matrix/client/v3/sync?timeout=0&set_presence=offline&{}", filter(1)),
        pages("!a:x", ""),
        pages("!a:x", "&from=t4"),
        pages("!a:x", "&from=t6"),
        pages("!b:x", ""),
        pages("!b:x", "&from=t7"),
        format!("/_matrix/client/v3/sync?since=s8&timeout=30000&set_presence=offline&{}", filter(4)),
    ];
    assert_eq!(targets, expected);
    assert!(transport.targets().iter().all(|target| !target.contains(['{', '!', '"'])));
    let requests = transport.requests.lock();
    assert!(requests.iter().all(|request| request.headers["authorization"] == "Bearer syt_hunter2"));
}

#[tokio::test(start_paused = true)]
async fn start_now_reads_nothing_of_what_was_there() {
    let house = Homeserver::default();
    house.join("!a:x");
    house.say("!a:x", "old");
    let (mut feed, _) = reader(&house, json!({ "start": "now" })).await;
    feed.open(None).await.unwrap();
    assert_eq!(cursor(&page(&mut feed).await), "s2");
    let new = house.say("!a:x", "new");
    assert_eq!(ids(&page(&mut feed).await), [new]);
    assert!(page(&mut feed).await.caught_up);
    assert_eq!(house.count("/messages"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hole_is_read_before_the_next_sync_in_order_and_survives_a_restart_at_every_step() {
    let house = Homeserver::default();
    for room in ["!a:x", "!b:x"] {
        house.join(room);
    }
    let (mut feed, transport) = reader(&house, json!({ "start": "now", "limit": 3 })).await;
    feed.open(None).await.unwrap();
    page(&mut feed).await;
    let mut missed = Vec::new();
    for at in 0..8 {
        missed.push(house.say("!a:x", &at.to_string()));
    }
    let unlimited = house.say("!b:x", "one");
    let synced = page(&mut feed).await;
    assert_eq!(ids(&synced), [unlimited.as_str()]);
    assert_eq!(cursor(&synced), r#"{"since":"s11","after":"s2","rooms":["!a:x"]}"#);
    let later = house.say("!a:x", "later");
    feed.open(synced.cursor.as_ref()).await.unwrap();
    let half = page(&mut feed).await;
    assert_eq!(ids(&half), missed[..3]);
    assert_eq!(cursor(&half), r#"{"since":"s11","after":"s2","rooms":["!a:x"],"from":"t5"}"#);
    // A kill that lost the page: it is asked for again, and brings the same.
    feed.open(synced.cursor.as_ref()).await.unwrap();
    assert_eq!(ids(&page(&mut feed).await), missed[..3]);
    let seen = drained(&mut feed, true).await;
    let expected: Vec<&str> = missed[3..].iter().chain([&later]).map(String::as_str).collect();
    assert_eq!(of_room(&seen, "!a:x"), expected);
    assert!(transport.targets().iter().all(|target| !target.contains("prev_batch")));
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_and_however_often_it_starts_over_each_event_comes_once_and_in_order() {
    for seed in 1..=60 {
        let mut dice = Dice::new(seed);
        let house = Homeserver::default();
        let rooms: Vec<String> = (0..3).map(|room| format!("!{room}:x")).collect();
        for room in &rooms {
            house.join(room);
        }
        let (mut feed, _) = reader(&house, json!({ "limit": 1 + dice.below(4) })).await;
        let mut saved = None;
        feed.open(None).await.unwrap();
        let mut seen = Vec::new();
        for _ in 0..40 {
            for _ in 0..dice.below(7) {
                house.say(&rooms[usize::try_from(dice.below(3)).unwrap()], "x");
            }
            match dice.below(6) {
                0 => feed.open(saved.as_ref()).await.unwrap(),
                1 => house.fail("/_matrix", 502, "<html>"),
                2 => house.fail("/_matrix", 429, r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":50}"#),
                _ => {}
            }
            // A page whose events are lost is not saved: that is what a kill leaves.
            let is_killed = dice.below(5) == 0;
            match feed.next().await {
                Err(error) => assert!(error.class().is_retryable(), "{error}"),
                Ok(_) if is_killed => feed.open(saved.as_ref()).await.unwrap(),
                Ok(batch) => {
                    let batch = batch.unwrap().read();
                    assert!(batch.gap.is_none());
                    let of = |event: &sluicebox_core::Event| {
                        (event.meta().key.to_string(), event.meta().id.replace("matrix:acme:", ""))
                    };
                    seen.extend(batch.events.iter().map(of));
                    saved = batch.cursor;
                }
            }
        }
        seen.extend(drained(&mut feed, true).await);
        for room in &rooms {
            assert_eq!(of_room(&seen, room), house.ids(room), "seed {seed}");
        }
    }
}

/// A homeserver that struck faults befall.
struct Struck {
    house: Homeserver,
    fault: Arc<Mutex<Option<Reply>>>,
}

#[async_trait]
impl Upstream for Struck {
    async fn source(&mut self) -> Box<dyn Source> {
        let (house, fault) = (self.house.clone(), Arc::clone(&self.fault));
        let answer = move |_: usize, request: &Request| {
            let answer = house.answer(&request.url[url::Position::BeforePath..]);
            let healthy = Reply::new(answer.status, answer.body).after_seconds(answer.held.as_secs().max(1));
            fault.lock().clone().unwrap_or(healthy)
        };
        feed_of(json!({ "limit": 3 }), answer).await.0
    }

    fn faults(&self) -> Vec<Fault> {
        let asked =
            Fault { retry_after: Some(Duration::from_secs(4)), ..Fault::new("429", ErrorClass::RateLimited) };
        vec![
            Fault::new("401", ErrorClass::Auth),
            Fault::new("404", ErrorClass::Config),
            asked,
            Fault::new("502", ErrorClass::Transient),
            Fault::new("200", ErrorClass::Transient),
        ]
    }

    async fn strike(&mut self, fault: Option<&Fault>) {
        let reply = |fault: &Fault| {
            let reply = Reply::new(fault.name.parse().unwrap(), "<html>");
            if fault.retry_after.is_some() { reply.header("retry-after", "4") } else { reply }
        };
        *self.fault.lock() = fault.map(reply);
    }
}

#[tokio::test(start_paused = true)]
async fn the_contract_of_sources_is_kept() {
    let house = Homeserver::default();
    for room in ["!a:x", "!b:x"] {
        house.join(room);
        for at in 0..10 {
            house.say(room, &at.to_string());
        }
    }
    let tally = sluicebox_contract::source(&mut Struck { house, fault: Arc::default() }).await;
    assert_eq!((tally.events, tally.faults), (22, 5));
    assert!(tally.restarts >= 10 && tally.interruptions >= 10, "{tally:?}");
}

#[tokio::test(start_paused = true)]
async fn events_say_who_they_are_and_where_they_happened() {
    let odd = json!({ "event_id": "$2", "type": "org.example.new", "origin_server_ts": "soon" });
    let whole = json!({ "event_id": "$3", "type": "m.reaction", "room_id": "!a:x" });
    let events =
        [message("$1"), odd.clone(), whole.clone(), json!({ "type": "x" }), json!({ "event_id": "$9" })];
    let rooms = json!({ "!a:x": room(&events, false), "!b:x": room(&[json!("nonsense")], false) });
    let (mut feed, _) = feed(json!({}), vec![synced("s2", &rooms)]).await;
    let batch = page(&mut feed).await;
    assert_eq!(ids(&batch), ["$1", "$2", "$3"]);
    let [first, second, third] = &batch.events[..] else { panic!("three events") };
    assert_eq!(first.meta().time, Timestamp::from_millis(1_699_564_800_000));
    assert_eq!((&*first.meta().event_type, &*first.meta().key), ("m.room.message", "!a:x"));
    assert_eq!(second.meta().time, second.meta().received);
    let mut expected = message("$1").to_string();
    expected.truncate(expected.len() - 1);
    assert_eq!(first.json(), expected + r#","room_id":"!a:x"}"#);
    assert_eq!(third.json(), whole.to_string());
    assert_eq!(batch.rejects.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn rooms_and_types_are_asked_for_and_kept_by_servers_that_do_not_filter() {
    let noise = json!({ "event_id": "$2", "type": "m.room.member" });
    let custom = json!({ "event_id": "$3", "type": "org.example.build" });
    let rooms = json!({
        "!a:x": room(&[message("$1"), noise, custom], false),
        "!other:x": room(&[message("$4")], true),
    });
    let more = json!({ "rooms": ["!a:x"], "types": ["m.room.message", "org.example.*"] });
    let (mut feed, transport) = feed(more, vec![synced("s2", &rooms)]).await;
    let batch = page(&mut feed).await;
    assert_eq!((ids(&batch), cursor(&batch)), (vec!["$1", "$3"], "s2".to_owned()));
    let target = decoded(&transport.targets()[0]);
    assert!(target.contains(r#""rooms":["!a:x"]"#), "{target}");
    assert!(
        target.contains(r#""timeline":{"limit":50,"types":["m.room.message","org.example.*"]}"#),
        "{target}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_left_is_read_to_its_end() {
    let house = Homeserver::default();
    house.join("!a:x");
    let (mut feed, _) = reader(&house, json!({ "start": "now", "limit": 2 })).await;
    feed.open(None).await.unwrap();
    page(&mut feed).await;
    for at in 0..4 {
        house.say("!a:x", &at.to_string());
    }
    house.leave("!a:x");
    let expected = house.ids("!a:x")[1..].to_vec();
    house.say("!a:x", "behind closed doors");
    let seen = drained(&mut feed, false).await;
    assert_eq!(of_room(&seen, "!a:x"), expected);
}

#[tokio::test(start_paused = true)]
async fn what_a_server_shows_of_a_room_after_it_was_left_is_not_read() {
    let left = json!({ "timeline": { "events": [message("$3"), message("$4")], "limited": true } });
    let sync = json!({ "next_batch": "s2", "rooms": { "leave": { "!a:x": left }, "join": { "!b:x": room(&[], true) } } });
    let chunk = |ids: &[&str], end: &str| {
        let chunk: Vec<Value> = ids.iter().map(|id| message(id)).collect();
        Reply::json(&json!({ "start": "x", "chunk": chunk, "end": end }))
    };
    let replies = vec![
        Reply::json(&sync),
        chunk(&["$9"], "s2"),
        chunk(&["$1", "$2"], "t1"),
        chunk(&["$3", "$4", "$5"], "t2"),
        synced("s3", &json!({})),
    ];
    let (mut feed, transport) = feed(json!({}), replies).await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        let batch = page(&mut feed).await;
        seen.extend(ids(&batch).into_iter().map(str::to_owned));
        feed.open(batch.cursor.as_ref()).await.unwrap();
    }
    assert_eq!(seen, ["$9", "$1", "$2", "$3", "$4"]);
    assert!(transport.targets()[4].contains("since=s2"));
}

#[tokio::test(start_paused = true)]
async fn a_room_that_may_not_be_read_any_more_is_a_gap_and_the_others_go_on() {
    let house = Homeserver::default();
    for room in ["!a:x", "!b:x"] {
        house.join(room);
    }
    let (mut feed, _) = reader(&house, json!({})).await;
    feed.open(None).await.unwrap();
    let before = page(&mut feed).await;
    house.close("!a:x");
    let lost = page(&mut feed).await;
    let gap = lost.gap.as_ref().unwrap();
    assert_eq!(gap.lost_cursor, before.cursor);
    let expected = "the room !a:x may not be read any more (status 403, M_FORBIDDEN: You aren't a member of the room.): \
                    events of it up to the last sync may be lost";
    assert_eq!(gap.message, expected);
    assert_eq!(cursor(&lost), r#"{"since":"s2","rooms":["!b:x"]}"#);
    let seen = drained(&mut feed, false).await;
    assert_eq!(of_room(&seen, "!b:x"), house.ids("!b:x"));
}

#[tokio::test(start_paused = true)]
async fn early_empty_answers_are_followed_by_growing_rests_and_held_ones_are_not() {
    let empty = || synced("s2", &json!({}));
    let replies = vec![empty(), empty(), empty().after_seconds(30), empty()];
    let (mut feed, _) = feed(json!({}), replies).await;
    let mut rests = Vec::new();
    for _ in 0..3 {
        let batch = page(&mut feed).await;
        rests.push((batch.pace, batch.caught_up));
    }
    let rest = |seconds| Pace::After(Duration::from_secs(seconds));
    assert_eq!(rests, [(rest(1), false), (rest(2), false), (Pace::Immediately, true)]);
}

#[tokio::test(start_paused = true)]
async fn servers_that_do_not_move_on_or_go_in_circles_are_no_hot_loop() {
    let busy = |token: &str, id: &str| synced(token, &json!({ "!a:x": room(&[message(id)], false) }));
    let replies = vec![busy("s2", "$1"), busy("s3", "$2"), busy("s2", "$1"), busy("s3", "$3")];
    let (mut feed, _) = feed(json!({}), replies).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let batch = page(&mut feed).await;
        assert_eq!(batch.events.len(), 1);
        seen.push((cursor(&batch), batch.pace == Pace::Immediately));
    }
    let expected = [("s2", true), ("s3", true), ("s3", false), ("s3", false)];
    assert_eq!(seen, expected.map(|(token, at_once)| (token.to_owned(), at_once)));
}

#[tokio::test(start_paused = true)]
async fn pages_of_a_room_that_lead_in_a_circle_are_a_gap_and_ends_that_stand_still_are_the_end() {
    let chunk =
        |id: &str, end: &str| Reply::json(&json!({ "start": "x", "chunk": [message(id)], "end": end }));
    let limited =
        synced("s2", &json!({ "!a:x": room(&[], true), "!b:x": room(&[], true), "!c:x": room(&[], true) }));
    let replies = vec![
        limited,
        chunk("$1", "t1"),
        chunk("$2", "t2"),
        chunk("$3", "t1"),
        chunk("$4", "s1"),
        chunk("$5", "t1"),
        chunk("$6", "s2"),
        synced("s3", &json!({})),
    ];
    let (mut feed, transport) = feed(json!({}), replies).await;
    let mut gaps = Vec::new();
    for _ in 0..8 {
        gaps.extend(page(&mut feed).await.gap.map(|gap| gap.message));
    }
    assert_eq!(gaps.len(), 1);
    assert!(gaps[0].starts_with("the room !a:x leads in a circle"), "{gaps:?}");
    let asked: Vec<String> = transport.targets().iter().map(|target| decoded(target)).collect();
    let rooms: Vec<&str> = asked[1..7].iter().filter_map(|target| target.split('/').nth(5)).collect();
    assert_eq!(rooms, ["!a:x", "!a:x", "!a:x", "!b:x", "!c:x", "!c:x"]);
    assert!(asked[7].contains("since=s2"));
}

#[tokio::test(start_paused = true)]
async fn every_status_is_classified() {
    for (status, body, class, reason, says) in [
        (
            400,
            r#"{"errcode":"M_UNKNOWN_POS"}"#,
            ErrorClass::Config,
            "cursor_rejected",
            "the token sent was `s1`",
        ),
        (401, r#"{"errcode":"M_UNKNOWN_TOKEN"}"#, ErrorClass::Auth, "auth", "refused the access token"),
        (401, r#"{"errcode":"M_UNKNOWN_TOKEN","soft_logout":true}"#, ErrorClass::Auth, "auth", "has expired"),
        (401, r#"{"errcode":"M_USER_LOCKED"}"#, ErrorClass::Auth, "auth", "is locked"),
        (403, r#"{"errcode":"M_FORBIDDEN"}"#, ErrorClass::Auth, "auth", "may not do this"),
        (404, r#"{"errcode":"M_UNRECOGNIZED"}"#, ErrorClass::Config, "config", "no Matrix API at"),
        (418, "", ErrorClass::Permanent, "permanent", "unexpected"),
        (429, r#"{"retry_after_ms":2000}"#, ErrorClass::RateLimited, "rate_limited", "asks to wait"),
        (502, "<html>", ErrorClass::Transient, "transient", "failed"),
    ] {
        let said = body.replace('{', "{\"error\":\"for syt_hunter2\",").replace(",}", "}");
        let (mut feed, transport) = feed(json!({}), vec![Reply::new(status, said)]).await;
        let error = feed.next().await.unwrap_err();
        assert_eq!((error.class(), error.reason()), (class, reason), "{status}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!format!("{error:?} {}", error.chain()).contains("hunter2"));
        feed.next().await.unwrap_err();
        assert!(transport.targets().iter().all(|target| target.contains("since=s1")));
    }
}

#[tokio::test(start_paused = true)]
async fn waits_are_obeyed_whoever_states_them() {
    let limited = |body: &str| Reply::new(429, body.to_owned());
    let replies = vec![
        limited(r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":2500}"#),
        limited("{}").header("retry-after", "7"),
        limited("{}"),
        limited(""),
        synced("s2", &json!({})),
    ];
    let (mut feed, _) = feed(json!({}), replies).await;
    let mut waits = Vec::new();
    let mut closed = Duration::ZERO;
    for _ in 0..4 {
        let started = tokio::time::Instant::now();
        let wait = feed.next().await.unwrap_err().retry_after().unwrap();
        assert!(started.elapsed() >= closed, "{waits:?}");
        closed = wait;
        waits.push(wait.as_millis());
    }
    assert_eq!(waits, [2500, 7000, 20_000, 40_000]);
    page(&mut feed).await;
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_none_are_asked_for_again_ten_times() {
    let (mut feed, transport) = feed(json!({}), vec![Reply::new(200, "<html>sorry</html>")]).await;
    for _ in 0..9 {
        assert!(feed.next().await.unwrap_err().class().is_retryable());
    }
    let error = feed.next().await.unwrap_err();
    assert_eq!((error.class(), error.reason()), (ErrorClass::Permanent, "protocol"));
    assert!(transport.targets().iter().all(|target| target.contains("since=s1")));
}

#[tokio::test(start_paused = true)]
async fn a_held_sync_may_take_its_timeout_and_the_first_one_minutes() {
    let empty = || synced("s2", &json!({}));
    let replies = vec![empty().after_seconds(290), empty().after_seconds(24), empty().after_seconds(26)];
    let (mut feed, _) = feed_of(json!({ "timeout": "10s" }), in_turn(replies)).await;
    feed.open(None).await.unwrap();
    assert_eq!(cursor(&page(&mut feed).await), "s2");
    assert!(page(&mut feed).await.caught_up);
    assert_eq!(feed.next().await.unwrap_err().class(), ErrorClass::Transient);
}

#[tokio::test(start_paused = true)]
async fn damaged_cursors_pause() {
    let (mut feed, _) = feed(json!({}), vec![synced("s2", &json!({}))]).await;
    for text in [&b"\xff"[..], br#"{"since":"s1","rooms":"#] {
        let error = feed.open(Some(&Cursor::new(text))).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Config);
    }
}

#[test]
fn items_of_a_test_of_a_pipeline_say_who_they_are() {
    let (cx, _) = context(in_turn(vec![Reply::new(500, "")]));
    let mut registry = Registry::new();
    sluicebox_sources::register(&mut registry);
    let source = registry.sources()["matrix_sync"].parse(options(&json!({}))).unwrap();
    let item = |item: &Value| source.item(&item.to_string().into(), &cx).unwrap();
    let mut whole = message("$1");
    let event = item(&whole).unwrap();
    assert_eq!((&*event.meta().id, &*event.meta().key), ("matrix:acme:$1", "acme"));
    whole["room_id"] = "!a:x".into();
    let event = item(&whole).unwrap();
    assert_eq!((&*event.meta().key, event.json()), ("!a:x", whole.to_string().into()));
    assert!(item(&json!({ "type": "m.room.message" })).is_err());
}

#[test]
fn what_a_homeserver_would_refuse_is_found_when_the_file_is_checked() {
    assert!(problems("matrix_sync", options(&json!({}))).is_empty());
    for (more, path) in [
        (json!({ "base_url": "http://hs.example.org" }), "base_url"),
        (json!({ "base_url": "https://hs.example.org/_matrix" }), "base_url"),
        (json!({ "base_url": "https://example.org/hs/_matrix/client/" }), "base_url"),
        (json!({ "rooms": [] }), "rooms"),
        (json!({ "rooms": ["!a:x", "#alias:x"] }), "rooms[1]"),
        (json!({ "types": [] }), "types"),
        (json!({ "types": [""] }), "types[0]"),
        (json!({ "timeout": "3m" }), "timeout"),
        (json!({ "limit": 0 }), "limit"),
        (json!({ "limit": 1001 }), "limit"),
        (json!({ "start": { "cursor": "{\"since\":" } }), "start.cursor"),
    ] {
        let found = problems("matrix_sync", options(&more));
        let paths: Vec<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, [path], "{more}");
    }
    let below = json!({ "base_url": "https://example.org/hs" });
    assert!(problems("matrix_sync", options(&below)).is_empty(), "it may live below a path of its own");
}

/// What a probe of a homeserver finds: the subjects, each with what is wrong with it.
async fn found(house: &Homeserver, more: Value) -> Vec<(String, Option<String>)> {
    let house = house.clone();
    let (cx, transport) = context(move |_, request| {
        let answer = house.answer(&request.url[url::Position::BeforePath..]);
        Reply::new(answer.status, answer.body)
    });
    let mut registry = Registry::new();
    sluicebox_sources::register(&mut registry);
    let built = registry.sources()["matrix_sync"].parse(options(&more)).unwrap();
    let probe = built.probe(&cx).await;
    assert!(transport.targets().iter().all(|target| !target.contains("/sync")));
    let shown = probe.findings().iter().map(|finding| {
        let wrong = match &finding.standing {
            Standing::Fine(_) => None,
            Standing::Doubtful { message, .. } => Some(message.clone()),
            Standing::Wrong(error) => Some(error.to_string()),
        };
        (finding.subject.clone(), wrong)
    });
    shown.collect()
}

#[tokio::test(start_paused = true)]
async fn a_probe_says_whose_token_it_is_and_which_rooms_are_missing() {
    let house = Homeserver::default();
    house.join("!a:x");
    let fine = |subject: &str| (subject.to_owned(), None);
    let wrong = |subject: &str, message: &str| (subject.to_owned(), Some(message.to_owned()));
    assert_eq!(found(&house, json!({})).await, [fine("server"), fine("credentials")]);
    let rooms = json!({ "rooms": ["!a:x"] });
    assert_eq!(found(&house, rooms.clone()).await, [fine("server"), fine("credentials"), fine("rooms")]);
    let more = json!({ "rooms": ["!a:x", "!b:x"] });
    let expected = [fine("server"), fine("credentials"), wrong("rooms", "the account is not in !b:x")];
    assert_eq!(found(&house, more).await, expected);
    house.fail("whoami", 401, r#"{"errcode":"M_UNKNOWN_TOKEN","error":"Unknown"}"#);
    let refused = "the homeserver refused the access token (status 401, M_UNKNOWN_TOKEN: Unknown)";
    assert_eq!(found(&house, rooms.clone()).await, [fine("server"), wrong("credentials", refused)]);
    house.fail("whoami", 404, "<html>");
    let nowhere = "there is no Matrix API at https://hs.example.org (status 404, <html>)";
    assert_eq!(found(&house, rooms).await, [wrong("server", nowhere)]);
}
