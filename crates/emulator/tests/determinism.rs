//! The generated history: equal seeds give equal bytes, and what is in them is what the contracts describe.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where something unexpected happens")]

mod wire;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sluicebox_emulator::{Api, Options, events, start};
use wire::{encode, get};

fn parsed(api: Api, count: u64) -> Vec<Value> {
    events(api, 1, 0, 0..count).iter().map(|event| serde_json::from_slice(event).unwrap()).collect()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

#[test]
fn equal_seeds_give_equal_bytes_and_others_do_not() {
    for api in [Api::OpenTrain, Api::Zenzap] {
        let first = events(api, 7, 3, 0..3000);
        assert_eq!(first, events(api, 7, 3, 0..3000));
        assert_eq!(first[2000..2010], events(api, 7, 3, 2000..2010));
        assert_ne!(first, events(api, 8, 3, 0..3000));
        assert_ne!(first, events(api, 7, 4, 0..3000));
    }
}

#[test]
fn the_bytes_of_a_seed_never_change() {
    // Other tests and stored checkpoints may name ids of these feeds: a change here is a change of the feeds.
    assert_eq!(text(&parsed(Api::OpenTrain, 1)[0], "/id"), "1001");
    let digest = |api| {
        let bytes = events(api, 1, 0, 0..2000).concat();
        bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
        })
    };
    assert_eq!(
        (digest(Api::OpenTrain), digest(Api::Zenzap)),
        (14_908_940_890_616_561_155, 13_535_298_152_236_322_293)
    );
}

#[test]
fn marketplace_events_tell_consistent_stories() {
    let events = parsed(Api::OpenTrain, 20_000);
    let mut types: BTreeMap<String, usize> = BTreeMap::new();
    let mut known: BTreeSet<String> = BTreeSet::new();
    let (mut last_id, mut last_time, mut gaps) = (1000, String::new(), 0);
    for event in &events {
        let id: u64 = text(event, "/id").parse().unwrap();
        assert!(id > last_id);
        gaps += usize::from(id > last_id + 1);
        last_id = id;
        let time = text(event, "/createdAt");
        assert!(time > last_time.as_str() && time.len() == 24);
        last_time = time.to_owned();
        *types.entry(text(event, "/type").to_owned()).or_default() += 1;
        let data = &event["data"];
        let must_know = |key: &str| {
            let id = text(data, key);
            assert!(known.contains(id), "{id} comes from nowhere in {event}");
        };
        match text(event, "/type") {
            "proposal.received" => {
                known.insert(text(data, "/proposalId").to_owned());
            }
            "proposal.status_changed" => must_know("/proposalId"),
            "contract.created" => {
                must_know("/proposalId");
                known.insert(text(data, "/contractId").to_owned());
            }
            "milestone.status_changed" => {
                must_know("/contractId");
                known.insert(text(data, "/milestoneId").to_owned());
            }
            "payment.pending" => {
                must_know("/contractId");
                must_know("/milestoneId");
            }
            "contract.budget_state_changed" => {
                must_know("/contractId");
                let fraction = data["consumedFraction"].as_f64().unwrap();
                let ratio = data["consumedVolume"].as_f64().unwrap() / data["fundedVolume"].as_f64().unwrap();
                assert!((fraction - ratio).abs() < 0.0001, "{data}");
                assert_ne!(data["state"], data["previousState"]);
                assert_ne!(data["paymentType"], "FIXED_PRICE");
            }
            _ => {}
        }
    }
    assert_eq!(types.len(), 9, "the eight documented types and one that is not: {types:?}");
    assert!(types.values().all(|count| *count > 20), "{types:?}");
    assert!(gaps > 100, "{gaps}");
    let size: usize =
        sluicebox_emulator::events(Api::OpenTrain, 1, 0, 0..5000).iter().map(bytes::Bytes::len).sum();
    assert!((200..300).contains(&(size / 5000)), "{}", size / 5000);
}

#[test]
fn chat_events_show_what_a_chat_has() {
    let events = parsed(Api::Zenzap, 20_000);
    let kind = |event: &Value| text(event, "/eventType").to_owned();
    let types: BTreeSet<String> = events.iter().map(kind).collect();
    for expected in [
        "message.created",
        "message.updated",
        "message.deleted",
        "reaction.added",
        "reaction.removed",
        "member.added",
        "member.removed",
        "topic.updated",
        "poll_vote.created",
        "poll_vote.deleted",
        "webhook.test",
    ] {
        assert!(types.contains(expected), "{expected} is missing in {types:?}");
    }
    let messages: Vec<&Value> = events.iter().filter_map(|event| event.pointer("/data/message")).collect();
    let kinds: BTreeSet<&str> = messages.iter().filter_map(|message| message["type"].as_str()).collect();
    let expected = ["audio", "contact", "file", "image", "location", "poll", "task", "text", "video"];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
    let some = |test: &dyn Fn(&Value) -> bool| messages.iter().any(|message| test(message));
    assert!(
        some(&|m| m["senderType"] == "bot")
            && some(&|m| m["senderId"].as_str().is_some_and(|id| id.starts_with("u@")))
    );
    assert!(some(&|m| m["attachments"][0].is_string()) && some(&|m| m["attachments"][0].is_object()));
    assert!(some(&|m| m["text"].as_str().is_some_and(|text| text.contains("<@"))));
    assert!(events.iter().any(|event| event["data"]["truncated"] == true));
    assert!(
        events
            .iter()
            .any(|event| event["data"].get("memberIds").is_some() && event["data"].get("memberId").is_none())
    );
    let size: usize =
        sluicebox_emulator::events(Api::Zenzap, 1, 0, 0..5000).iter().map(bytes::Bytes::len).sum();
    assert!((450..650).contains(&(size / 5000)), "{}", size / 5000);
}

#[test]
fn transcripts_arrive_after_their_recordings() {
    let events = parsed(Api::Zenzap, 5000);
    let mut pending = BTreeSet::new();
    let mut done = 0;
    for event in &events {
        let Some(message) = event.pointer("/data/message").filter(|message| message["type"] == "audio")
        else {
            continue;
        };
        let id = text(message, "/id").to_owned();
        match message.pointer("/attachments/0/transcription/status").and_then(Value::as_str) {
            Some("Pending") => assert!(pending.insert(id)),
            Some("Done") => {
                assert!(pending.remove(&id) && event["eventType"] == "message.updated");
                assert!(!text(message, "/attachments/0/transcription/text").is_empty());
                done += 1;
            }
            _ => {}
        }
    }
    assert!(done > 50, "{done}");
}

#[tokio::test]
async fn what_is_served_is_what_is_generated() {
    for (api, uri, parameter, limit) in
        [(Api::OpenTrain, "/updates", "cursor", 200), (Api::Zenzap, "/v2/updates", "offset", 100)]
    {
        let emulator = start(Options { events: 2345, seed: 9, ..Options::new(api) }).await.unwrap();
        let mut served = Vec::new();
        let mut position = String::new();
        loop {
            let page = get(&emulator, &format!("{uri}?{position}limit={limit}")).await;
            if page.items().is_empty() {
                break;
            }
            served.extend(page.items());
            position = format!("{parameter}={}&", encode(&page.next().unwrap()));
        }
        let generated = events(api, 9, 0, 0..2345);
        assert_eq!(served.len(), generated.len());
        for (served, generated) in served.iter().zip(&generated) {
            assert_eq!(*served, serde_json::from_slice::<Value>(generated).unwrap());
        }
        let lines = emulator.control().events(0);
        assert_eq!(lines.strip_suffix(b"\n").unwrap(), generated.join(&b'\n'));
    }
}
