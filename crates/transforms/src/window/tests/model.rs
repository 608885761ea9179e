//! Windows against a naive recomputation, over feeds at random: out of order, in pages of any size, with runs that end
//! anywhere.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sluicebox_core::Event;

use super::window;
use crate::testing::{Pages, at};

/// Seconds that events are out of order, and that windows wait.
const LATENESS: i64 = 12;

struct Sample {
    time: i64,
    key: &'static str,
    /// In cents.
    amount: i64,
    user: u64,
}

fn samples(pages: &mut Pages, count: i64) -> Vec<Sample> {
    let mut below = |bound| i64::try_from(pages.below(bound)).unwrap();
    let mut all: Vec<(i64, Sample)> = (0..count)
        .map(|n| {
            let time = n * 2 + below(2) + if n > count / 2 { 60 } else { 0 };
            let key = ["a", "b", "c:d"][usize::try_from(below(3)).unwrap()];
            let sample = Sample { time, key, amount: below(100_000) - 20_000, user: below(6).unsigned_abs() };
            (time + below(LATENESS.unsigned_abs()), sample)
        })
        .collect();
    // No event comes after one that is newer by more than the lateness.
    all.sort_by_key(|(arrival, _)| *arrival);
    all.into_iter().map(|(_, sample)| sample).collect()
}

fn feed(samples: &[Sample]) -> Vec<Event> {
    let event = |sample: &Sample| {
        let (amount, user) = (sample.amount.unsigned_abs(), sample.user);
        let sign = if sample.amount < 0 { "-" } else { "" };
        let amount = format!("{sign}{}.{:02}", amount / 100, amount % 100);
        at(sample.time, &format!(r#"{{"k":"{}","v":{amount},"u":{user}}}"#, sample.key))
    };
    let mut events: Vec<Event> = samples.iter().map(event).collect();
    // Closes everything.
    events.push(at(1_000_000, r#"{"k":"end","v":0,"u":0}"#));
    events
}

/// Every window with its members, by end, key and start.
type Windows<'s> = BTreeMap<(i64, &'s str, i64), Vec<&'s Sample>>;

fn regular(samples: &[Sample], size: i64, every: i64) -> Windows<'_> {
    let mut windows = Windows::new();
    for sample in samples {
        let starts = (-size / every..=sample.time / every).map(|step| step * every);
        for start in starts.filter(|start| (*start..start + size).contains(&sample.time)) {
            windows.entry((start + size, sample.key, start)).or_default().push(sample);
        }
    }
    windows
}

fn sessions(samples: &[Sample], gap: i64) -> Windows<'_> {
    let mut by_key: BTreeMap<&str, Vec<&Sample>> = BTreeMap::new();
    for sample in samples {
        by_key.entry(sample.key).or_default().push(sample);
    }
    let mut windows = Windows::new();
    for (key, mut samples) in by_key {
        samples.sort_by_key(|sample| sample.time);
        for session in samples.chunk_by(|one, next| next.time - one.time < gap) {
            let end = session[session.len() - 1].time + gap;
            windows.insert((end, key, session[0].time), session.to_vec());
        }
    }
    windows
}

fn expected(windows: &Windows<'_>) -> Vec<Value> {
    let result = |(&(_, key, start), members): (&(i64, &str, i64), &Vec<&Sample>)| {
        let total: i64 = members.iter().map(|sample| sample.amount).sum();
        let users: BTreeSet<u64> = members.iter().map(|sample| sample.user).collect();
        let least = members.iter().map(|sample| sample.amount).min().unwrap();
        json!({
            "key": key, "start": start, "n": members.len(), "cents": total, "users": users.len(), "least": least
        })
    };
    windows.iter().map(result).collect()
}

/// A window as it left, in the form of [`expected`].
fn found(told: &(usize, String)) -> Value {
    let (_, json) = told.1.split_once(" {").unwrap();
    let window: Value = serde_json::from_str(&format!("{{{json}")).unwrap();
    let start =
        sluicebox_core::Timestamp::parse(window["start"].as_str().unwrap()).unwrap().as_millis() / 1000;
    // Exact: the text of the sum has at most two digits after the point.
    let cents = |name: &str| {
        let text = window[name].to_string();
        let (whole, part) =
            text.trim_start_matches('-').split_once('.').unwrap_or((text.trim_start_matches('-'), ""));
        assert!(part.len() <= 2, "{text}");
        let cents: i64 = format!("{whole}{part:0<2}").parse().unwrap();
        if text.starts_with('-') { -cents } else { cents }
    };
    json!({
        "key": window["key"], "start": start, "n": window["n"], "cents": cents("total"), "users": window["users"],
        "least": cents("least")
    })
}

async fn compare(mut options: Value, naive: impl Fn(&[Sample]) -> Windows<'_>) {
    options.as_object_mut().unwrap().extend([
        ("key".to_owned(), json!("event.k")),
        ("lateness".to_owned(), json!(format!("{LATENESS}s"))),
        (
            "aggregates".to_owned(),
            json!({ "n": "count", "total": { "sum": "event.v" }, "users": { "distinct": "event.u" }, "least": { "min": "event.v" } }),
        ),
    ]);
    let transform = window(options).await;
    let mut merged = 0;
    for seed in 1..=60 {
        let mut pages = Pages::new(seed);
        let samples = samples(&mut pages, 120);
        let events = feed(&samples);
        let whole = pages.in_one(&*transform, &events);
        let truth = expected(&naive(&samples));
        assert_eq!(whole.iter().map(found).collect::<Vec<_>>(), truth, "seed {seed}");
        assert_eq!(pages.with_restarts(&*transform, &events), whole, "seed {seed}");
        let ids: BTreeSet<&str> =
            whole.iter().filter_map(|(_, told)| told.trim().split(' ').next()).collect();
        assert_eq!(ids.len(), whole.len(), "every window has an id of its own");
        merged += truth.iter().filter(|window| window["n"].as_u64() > Some(1)).count();
    }
    assert!(merged > 60);
}

#[tokio::test(start_paused = true)]
async fn tumbling_windows_are_what_a_naive_count_gives() {
    compare(json!({ "size": "20s" }), |samples| regular(samples, 20, 20)).await;
}

#[tokio::test(start_paused = true)]
async fn sliding_windows_are_what_a_naive_count_gives() {
    compare(json!({ "kind": "sliding", "size": "25s", "every": "10s" }), |samples| regular(samples, 25, 10))
        .await;
}

#[tokio::test(start_paused = true)]
async fn sessions_are_what_a_naive_count_gives() {
    compare(json!({ "kind": "session", "gap": "7s" }), |samples| sessions(samples, 7)).await;
}
