//! kill -9 at random moments while events are split and routed: every item is there once, in order, and at no output that
//! is not its own.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on says so")]

use std::time::Duration;

use sluicebox_emulator::{Api, Options};
use sluicebox_testkit::Feed;

const RUN: &str = "run --log-format json --admin off p.yaml";

/// Three items an event: the first has an output of its own, the others are told apart by the event's number, and a
/// second `route` sends the middle one two ways into the same table.
const PIPELINE: &str = "
transforms:
  shaped:
    type: map
    inputs: [feed]
    set: { items: '[#{ n: 0 }, #{ n: 1 }, #{ n: 2 }]', number: event.id }
    cast: { number: integer }
    keep: [id, number, items]
  items: { type: split, inputs: [shaped], path: items, keep: [id, number] }
  judge:
    type: route
    inputs: [items]
    routes:
      - first: event.n == 0
      - even: event.number % 2 == 0
  both:
    type: route
    inputs: [items]
    mode: all
    unmatched: drop
    routes:
      - low: event.n < 2
      - high: event.n > 0
sinks:
  first: { type: sqlite, inputs: [judge.first], path: first.db, table: events, batch: { max_events: 50 } }
  rest: { type: sqlite, inputs: [judge.even, judge], path: rest.db, table: events, batch: { max_events: 70 } }
  copies: { type: sqlite, inputs: [both.low, both.high], path: copies.db, table: events }
  slower: { type: blackhole, inputs: [feed], delay: 5ms, batch: { max_events: 20 } }
";

/// How often the program is killed.
fn kills() -> u64 {
    std::env::var("SLUICEBOX_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(6)
}

/// The ids of everything that was served.
fn truth(feed: &Feed) -> Vec<String> {
    let id = |event: String| {
        let event: serde_json::Value = serde_json::from_str(&event).unwrap();
        event["id"].as_str().unwrap().to_owned()
    };
    feed.served.truth(0).into_iter().map(id).collect()
}

fn ids(feed: &Feed, file: &str) -> Vec<String> {
    feed.rows(file, "SELECT _event_id FROM events ORDER BY rowid")
}

/// The ids of the children with these endings, of every event in turn.
fn children(truth: &[String], endings: &[&str]) -> Vec<String> {
    let of = |id: &String| endings.iter().map(|ending| format!("opentrain:a0:{id}/main/{ending}")).collect();
    truth.iter().flat_map(|id| -> Vec<String> { of(id) }).collect()
}

#[test]
fn every_item_arrives_once_and_in_order_however_often_the_program_is_killed() {
    let latency = Duration::from_millis(2);
    let options = Options { events: 2000, latency, ..Options::new(Api::OpenTrain) };
    let feed = Feed::new(env!("CARGO_BIN_EXE_sluicebox"), options);
    feed.pipeline("limit: 20", PIPELINE);
    let mut seen = Vec::new();
    for round in 0..kills() {
        feed.kill_in_flight(RUN, round);
        seen.push((feed.served.truth(0).len(), ids(&feed, "first.db").len()));
        feed.served.append(0, 1000);
    }
    println!("events and those of them that had arrived at each kill: {seen:?}");
    feed.once().expect(0);
    let all = truth(&feed);
    assert!(ids(&feed, "first.db") == children(&all, &["0"]), "the first item of every event");
    assert!(ids(&feed, "rest.db") == children(&all, &["1", "2"]), "the others");
    let copies = ["0/low/0", "1/low/0", "1/high/0", "2/high/0"];
    assert!(ids(&feed, "copies.db") == children(&all, &copies), "by every route that matches");
    assert_eq!(feed.dead_letters(), [] as [serde_json::Value; 0]);
    let odd = "SELECT count(*) || '' FROM events WHERE json_extract(event, '$.number') || '' != json_extract(event, '$.id') \
               OR json_extract(event, '$.items') IS NOT NULL";
    assert_eq!(feed.rows("rest.db", odd), ["0"], "what came along is that of the item's own event");
}
