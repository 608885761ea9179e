//! The whole program in front of a Slack that is busy, refuses and goes silent: nothing comes before its `Retry-After`,
//! what Slack refuses for good is a dead letter with Slack's reasons, and a channel that is gone costs no event.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

use std::time::Duration;

use serde_json::Value;
use sluicebox_emulator::{Api, Options, RequestRecord};
use sluicebox_testkit::{Finished, Sandbox, Served, Stub, assert_patient, get, wait_for};

const EVENTS: usize = 12;

/// A pipeline from a feed of numbered events into an emulated Slack.
struct Scene {
    slack: Served,
    sandbox: Sandbox,
    _stub: Stub,
}

impl Scene {
    /// `options` are those of the sink, the way in left out.
    fn new(options: &str) -> Self {
        Self::of((1..=EVENTS).map(|id| Stub::event(id, &format!("{{\"n\":{id}}}"))).collect(), options)
    }

    fn of(events: Vec<String>, options: &str) -> Self {
        let slack = Served::new(Options { rate: 0.0, ..Options::new(Api::Slack) });
        let stub = Stub::feed(events);
        let mut sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
        sandbox.set("SLACK_URL", slack.url());
        for name in ["token", "channel", "webhook_url"] {
            sandbox.set(&format!("SLACK_{}", name.to_uppercase()), slack.credential(0, name));
        }
        let sink = format!("type: slack, rate: unlimited, text: \"event {{{{ event.id }}}}\", {options}");
        sandbox.pipe(&stub, 4, &format!("sinks:\n  channel: {{ inputs: [feed], {sink} }}\n"));
        Self { slack, sandbox, _stub: stub }
    }

    fn once(&self) -> Finished {
        self.sandbox.run("run --once --log-format json --admin off p.yaml")
    }

    /// The texts in the channel, in the order in which they came.
    fn posted(&self) -> Vec<String> {
        self.slack.messages(0).into_iter().filter_map(|message| message.text).collect()
    }

    fn posts(&self) -> Vec<RequestRecord> {
        let mut log = self.slack.log();
        log.retain(|record| {
            record.path.ends_with("chat.postMessage") || record.path.starts_with("/services")
        });
        log
    }

    fn letter_ids(&self) -> Vec<String> {
        let letters = self.sandbox.dead_letters();
        letters.iter().map(|letter| letter["meta"]["id"].as_str().unwrap().to_owned()).collect()
    }
}

const BOT: &str = "base_url: \"${SLACK_URL}/api\", token: \"${SLACK_TOKEN}\", channel: \"${SLACK_CHANNEL}\"";
const WEBHOOK: &str = "webhook_url: \"${SLACK_WEBHOOK_URL}\"";

/// Each text once, in order, those of some events left out.
fn texts(without: &[usize]) -> Vec<String> {
    (1..=EVENTS).filter(|id| !without.contains(id)).map(|id| format!("event {id}")).collect()
}

/// The messages of the log lines with that `event`.
fn said(log: &[Value], event: &str) -> Vec<String> {
    let lines = log.iter().filter(|line| line["event"] == event);
    lines.map(|line| line["message"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn nothing_is_posted_before_a_retry_after_is_over() {
    for way in [BOT, WEBHOOK] {
        let scene = Scene::new(way);
        scene.slack.fault("rate_limited=2@3");
        scene.slack.fault("rate_limited=1@7");
        let log = scene.once().expect(0).log();
        let posts = scene.posts();
        let waits: Vec<_> = posts.iter().filter_map(|post| post.retry_after).collect();
        assert_eq!(waits, [Duration::from_secs(2), Duration::from_secs(1)]);
        assert_patient(way, &posts);
        assert_eq!(scene.posted(), texts(&[]), "each once and in order");
        let told = said(&log, "retry");
        assert!(
            told.len() == 2
                && told.iter().all(|line| line.contains("Slack says `ratelimited`") || way == WEBHOOK),
            "{told:?}"
        );
        assert_eq!(scene.sandbox.cursors()[0]["cursor"], EVENTS.to_string());
    }
}

#[test]
fn a_message_that_slack_refuses_is_a_dead_letter_with_its_reasons() {
    let id = |id: usize| if id == 5 { "\"twin\"".to_owned() } else { format!("\"{id}\"") };
    let events = (1..=EVENTS).map(|n| Stub::event(n, &format!("{{\"block\":{}}}", id(n)))).collect();
    let block = |id: &str| format!("{{ type: divider, block_id: \"{id}\" }}");
    let blocks = [block("{{ event.data.block }}"), block("twin")].join(", ");
    let scene = Scene::of(events, &format!("{BOT}, blocks: [{blocks}]"));
    let log = scene.once().expect(0).log();
    assert_eq!(scene.posted(), texts(&[5]));
    let letters = scene.sandbox.dead_letters();
    assert_eq!(scene.letter_ids(), ["opentrain:feed:5"]);
    assert_eq!(letters[0]["reason"], "rejected");
    let message = letters[0]["error"]["message"].as_str().unwrap();
    let reasons = ["invalid_blocks", "block_id is not unique in the message", "/blocks/1/block_id"];
    assert!(reasons.iter().all(|reason| message.contains(reason)), "{message}");
    assert!(said(&log, "dead_letter")[0].contains("invalid_blocks"), "{log:?}");
}

#[test]
fn a_payload_that_a_webhook_refuses_is_a_dead_letter() {
    let scene = Scene::new(WEBHOOK);
    scene.slack.fault("slack_error=invalid_payload@4");
    scene.once().expect(0);
    assert_eq!(scene.posted(), texts(&[4]));
    assert_eq!(scene.letter_ids(), ["opentrain:feed:4"]);
    let letter = &scene.sandbox.dead_letters()[0];
    assert!(letter["error"]["message"].as_str().unwrap().contains("invalid_payload"), "{letter}");
}

#[test]
fn a_channel_that_is_gone_pauses_with_every_position_kept() {
    let scene = Scene::new(BOT);
    scene.slack.fault("slack_error=channel_not_found@6");
    let mut process = scene.sandbox.start("run --log-format json --admin 127.0.0.1:0 p.yaml");
    let admin = process.admin();
    let line = process.wait_for_log("\"paused\"");
    assert!(
        line.contains("channel_not_found") && line.contains("a private channel is found only after"),
        "{line}"
    );
    let ready = wait_for("the obstacle", || {
        get(&format!("{admin}/health/ready")).filter(|answer| answer.status == 503)
    });
    let obstacle = &ready.json()["obstacles"][0];
    assert_eq!(
        (&obstacle["component"], &obstacle["reason"]),
        (&"channel".into(), &"channel_not_found".into())
    );
    assert_eq!(get(&format!("{admin}/health/live")).unwrap().status, 200, "paused is not dead");
    process.terminate();
    process.finish().expect(0);
    assert_eq!(scene.posted(), texts(&[6, 7, 8, 9, 10, 11, 12]));
    assert_eq!(scene.letter_ids(), [] as [String; 0]);
    assert_eq!(scene.sandbox.cursors()[0]["cursor"], "4", "the first page of four is done");

    scene.slack.fault("slack_error=channel_not_found@1");
    let ended = scene.once().expect(1);
    assert!(ended.stderr.contains("channel_not_found"), "{}", ended.stderr);
    scene.once().expect(0);
    // The page that was not done comes again from its beginning: one event was posted before the pause.
    let again: Vec<String> = [5].into_iter().chain(5..=EVENTS).map(|id| format!("event {id}")).collect();
    assert_eq!(scene.posted(), [&texts(&[])[..4], &again].concat());
}

#[test]
fn an_address_that_is_not_that_of_slacks_methods_pauses_with_what_to_look_at() {
    let scene = Scene::new(&BOT.replace("/api", ""));
    let ended = scene.once().expect(1);
    let told = said(&ended.log(), "paused");
    assert!(told[0].contains("check `base_url`") && !told[0].contains("webhook was revoked"), "{told:?}");
    assert_eq!(scene.letter_ids(), [] as [String; 0]);
}

/// The documented duplicate: Slack knows no key that would make a message unique.
#[test]
fn a_message_whose_answer_is_lost_is_there_twice_or_is_put_aside() {
    for lost in ["stored_reset@3", "stored_hang=1@3", "stored_slack_error=internal_error@3"] {
        let scene = Scene::new(BOT);
        scene.slack.fault(lost);
        let log = scene.once().expect(0).log();
        let twice: Vec<String> =
            [1, 2, 3].into_iter().chain(3..=EVENTS).map(|id| format!("event {id}")).collect();
        assert_eq!(scene.posted(), twice, "{lost}: {log:?}");
        let told = said(&log, "retry");
        assert_eq!(told.len(), 1, "{lost}: {told:?}");
        assert_patient(lost, &scene.posts());

        let scene = Scene::new(&format!("{BOT}, on_ambiguous: dead_letter"));
        scene.slack.fault(lost);
        let log = scene.once().expect(0).log();
        assert_eq!(scene.posted(), texts(&[]), "{lost}: once, for nothing is posted again: {log:?}");
        assert_eq!(scene.letter_ids(), ["opentrain:feed:3"]);
    }
}
