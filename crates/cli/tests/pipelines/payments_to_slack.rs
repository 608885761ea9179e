//! `payments-to-slack`: what the emulator of Slack has stored, compared with the payments of the feed.

use std::collections::HashMap;

use serde_json::{Value, json};
use sluicebox_emulator::{Api, Options};
use sluicebox_testkit::Served;

use crate::contracts::Contracts;
use crate::scene::{Scene, events};

/// Enough events for several payments of one contract.
const SAMPLE: u64 = 150;

/// The pipeline with a workspace to post to.
struct Posting {
    scene: Scene,
    slack: Served,
}

impl Posting {
    fn new(events: u64) -> Self {
        let mut scene = Scene::new("payments-to-slack", Api::OpenTrain, events);
        let slack = Served::new(Options { rate: 0.0, ..Options::new(Api::Slack) });
        scene.sandbox.set("SLACK_URL", slack.url());
        for name in ["token", "channel"] {
            scene.sandbox.set(&format!("SLACK_{}", name.to_uppercase()), slack.credential(0, name));
        }
        scene.sandbox.set("SLACK_RATE", "unlimited");
        scene.sandbox.set("START", "beginning");
        Self { scene, slack }
    }

    /// The texts of the channel, each with the place of the message that it answers.
    fn posted(&self) -> Vec<(String, Option<usize>)> {
        let messages = self.slack.messages(0);
        let place = |ts: &String| messages.iter().position(|message| message.ts == *ts);
        let post = |message: &sluicebox_emulator::PostedMessage| {
            assert_eq!(message.channel, self.slack.credential(0, "channel"));
            (message.text.clone().unwrap(), message.thread_ts.as_ref().and_then(place))
        };
        messages.iter().map(post).collect()
    }

    /// What the channel is to hold: payments of USD 250 and more, each below the first of its contract.
    fn wanted(&self) -> Vec<(String, Option<usize>)> {
        let mut contracts = Contracts::of(&self.scene);
        let mut wanted = Vec::new();
        let mut threads: HashMap<String, usize> = HashMap::new();
        for payment in payments(&self.scene) {
            let amount = contracts.milestone(&payment).unwrap()["amountUsd"].clone();
            if amount.as_f64() < Some(250.0) {
                continue;
            }
            let title = contracts.contract(&payment)["title"].as_str().unwrap();
            let text = format!("A payment of USD {amount} waits: {}", escaped(title));
            let thread = threads.get(contract_id(&payment)).copied();
            threads.entry(contract_id(&payment).to_owned()).or_insert(wanted.len());
            wanted.push((text, thread));
        }
        wanted
    }
}

fn payments(scene: &Scene) -> impl Iterator<Item = Value> + use<> {
    events(&scene.truth()).into_iter().filter(|event| event["type"] == "payment.pending")
}

fn contract_id(event: &Value) -> &str {
    event["data"]["contractId"].as_str().unwrap()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[test]
fn large_payments_are_posted_once_and_below_each_other() {
    let posting = Posting::new(1500);
    posting.scene.check();
    posting.scene.run();
    let wanted = posting.wanted();
    assert!(wanted.len() < payments(&posting.scene).count(), "some are too small");
    assert!(wanted.iter().any(|(_, thread)| thread.is_some()), "some belong together");
    assert_eq!(posting.posted(), wanted);

    posting.scene.run();
    assert_eq!(posting.posted(), wanted, "a second run has nothing to say");
    assert_eq!(posting.scene.sandbox.dead_letters(), [] as [Value; 0]);
}

#[test]
fn a_payment_whose_contract_is_gone_is_put_aside_and_posted_when_it_is_back() {
    let posting = Posting::new(SAMPLE);
    // The first request of a look-up kind is the one about the scopes of the token.
    posting.scene.feed.fault("lookup:status=404@2");
    posting.scene.run();
    let letters = posting.scene.sandbox.dead_letters();
    assert!(!letters.is_empty());
    assert!(letters.iter().all(|letter| letter["reason"] == "lookup"), "{letters:?}");
    let posted = posting.posted();
    posting.scene.sandbox.run("dlq replay").expect(0);
    posting.scene.run();
    assert_eq!(posting.scene.sandbox.dead_letters(), [] as [Value; 0]);
    let texts = |posts: Vec<(String, Option<usize>)>| {
        let mut texts: Vec<String> = posts.into_iter().map(|(text, _)| text).collect();
        texts.sort();
        texts
    };
    assert!(posted.len() < posting.posted().len());
    assert_eq!(texts(posting.posted()), texts(posting.wanted()));
}

#[test]
fn the_channel_shows_what_lies_beside_the_pipeline() {
    let posting = Posting::new(SAMPLE);
    posting.scene.run();
    posting.scene.assert_lies_beside("sample/events.jsonl", &posting.scene.truth());
    let messages = posting.slack.messages(0);
    let lines = messages.iter().zip(posting.posted()).map(|(message, (text, thread))| {
        json!({ "answers": thread, "text": text, "blocks": message.blocks }).to_string() + "\n"
    });
    posting.scene.assert_lies_beside("expected/messages.jsonl", &lines.collect::<String>());
}

/// The pipeline as its closing comment says: the options that it names are gone, and the comment is none any more.
fn with_digest(pipeline: &str) -> String {
    let (rest, sink) = pipeline.split_once("sinks:\n").unwrap();
    let (sink, comment) = sink.split_once("    # Many payments a day?").unwrap();
    let mut text = format!("{rest}sinks:\n");
    let mut is_gone = false;
    for line in sink.lines() {
        if !line.starts_with("     ") {
            let replaced = ["token:", "channel:", "thread_key:", "blocks:"];
            is_gone = replaced.iter().any(|option| line.trim_start().starts_with(option));
        }
        if !is_gone {
            text.extend([line, "\n"]);
        }
    }
    let digest = comment.lines().skip_while(|line| !line.contains("# webhook_url:"));
    text.extend(digest.map(|line| line.replacen("# ", "", 1) + "\n"));
    text
}

#[test]
fn the_digest_of_the_comment_holds_every_payment_once() {
    let mut posting = Posting::new(SAMPLE);
    let webhook = posting.slack.credential(0, "webhook_url");
    posting.scene.sandbox.set("SLACK_WEBHOOK_URL", webhook);
    let read = |name: &str| std::fs::read_to_string(posting.scene.beside(name)).unwrap();
    // Nobody waits ten minutes here.
    let pipeline = with_digest(&read("pipeline.yaml")).replace("every: 10m", "every: 1s");
    assert!(pipeline.contains("every: 1s"), "{pipeline}");
    posting.scene.sandbox.write("pipeline.yaml", &pipeline);
    posting.scene.sandbox.write("rules/value.rhai", &read("rules/value.rhai"));
    posting.scene.sandbox.run("run --once --admin off pipeline.yaml").expect(0);

    let digests: Vec<String> = posting.posted().into_iter().map(|(text, _)| text).collect();
    let lines: Vec<&str> = digests.iter().flat_map(|text| text.lines().skip(1)).collect();
    let wanted: Vec<String> = posting.wanted().into_iter().map(|(text, _)| text).collect();
    assert_eq!(lines, wanted, "{digests:?}");
    let header = |text: &String| {
        let count = text.lines().count() - 1;
        text.lines().next() == Some(&format!("*{count} payments wait for approval*"))
    };
    assert!(digests.iter().all(header), "{digests:?}");
}
