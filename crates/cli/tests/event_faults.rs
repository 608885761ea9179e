//! Odd events, over TCP: what is unknown passes byte for byte, what cannot be processed becomes a dead letter that names
//! its place, and the page goes on.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

use std::collections::HashSet;

use serde_json::Value;
use sluicebox_emulator::{Api, Options};
use sluicebox_testkit::{Feed, Sandbox, Stub};

fn feed(options: Options) -> Feed {
    Feed::new(env!("CARGO_BIN_EXE_sluicebox"), options)
}

const ONCE: &str = "run --once --log-format json --admin off p.yaml";

#[test]
fn event_types_and_fields_that_nobody_knows_pass() {
    let known = [
        (
            Api::OpenTrain,
            "proposal.received proposal.status_changed message.received contract.created \
             milestone.status_changed payment.pending approval.confirmed contract.budget_state_changed",
        ),
        (
            Api::Zenzap,
            "message.created message.updated message.deleted reaction.added reaction.removed member.added \
             member.removed topic.updated",
        ),
    ];
    for (api, known) in known {
        let feed = feed(Options { events: 1500, ..Options::new(api) });
        let ended = feed.once().expect(0);
        feed.assert_whole(0, &ended.stderr);
        let known: HashSet<&str> = known.split_whitespace().collect();
        let types = feed.rows("rows.db", "SELECT DISTINCT _type FROM events");
        assert!(
            types.iter().any(|name| !known.contains(name.as_str())),
            "{api}: the feed has an unknown type: {types:?}"
        );
        assert!(feed.dead_letters().is_empty());
    }
}

/// Whichever library writes a line: who runs it stands in it.
#[test]
fn every_log_line_of_a_pipeline_names_it() {
    let feed = feed(Options { events: 50, ..Options::new(Api::OpenTrain) });
    let log = feed.once().expect(0).log();
    let scopes = log.iter().find(|line| line["message"].to_string().contains("the token's scopes")).unwrap();
    assert_eq!(
        (&scopes["pipeline"], &scopes["component"]),
        (&Value::from("p"), &Value::from("feed")),
        "{scopes}"
    );
    let named = log.iter().filter(|line| !line["component"].is_null());
    assert!(named.clone().count() > 1);
    assert!(named.into_iter().all(|line| line["pipeline"] == "p"), "{log:?}");
}

#[test]
fn a_missing_field_in_a_rule_is_a_dead_letter_with_its_place() {
    let feed = feed(Options { events: 200, ..Options::new(Api::OpenTrain) });
    feed.pipeline(
        "limit: 50",
        "transforms:\n  short:\n    type: rhai\n    inputs: [feed]\n    source: |\n      let id = \"\";\n      \
         id += event.data.contractId.sub_string(0, 4);\n      event.short = id;\n\
         sinks:\n  rows: { type: sqlite, inputs: [short], path: rows.db, table: events }\n",
    );
    feed.once().expect(0);
    let truth = feed.served.truth(0);
    let without: Vec<&String> = truth.iter().filter(|event| !event.contains("\"contractId\"")).collect();
    assert!(without.len() > 20 && without.len() < 180, "both kinds are in the feed: {}", without.len());
    let letters = feed.dead_letters();
    let dead: Vec<String> = letters.iter().map(|letter| letter["event"].to_string()).collect();
    let same = |left: &str, right: &str| {
        serde_json::from_str::<Value>(left).unwrap() == serde_json::from_str::<Value>(right).unwrap()
    };
    assert!(dead.len() == without.len() && dead.iter().zip(without).all(|(dead, event)| same(dead, event)));
    assert_eq!(feed.rows_of(0).len() + letters.len(), truth.len(), "each event is a row or a dead letter");
    let line =
        feed.read("p.yaml").lines().position(|line| line.contains("contractId.sub_string")).unwrap() + 1;
    let column = feed.read("p.yaml").lines().nth(line - 1).unwrap().find("sub_string").unwrap() + 1;
    let place = format!("p.yaml:{line}:{column}");
    let list = feed.run("dlq list").expect(0).stdout;
    assert!(
        list.lines().all(|listed| listed.contains(" short script opentrain:a0:") && listed.contains(&place)),
        "{place}\n{list}"
    );
    assert_eq!(list.lines().count(), letters.len());
    assert_eq!(letters[0]["reason"], "script");
    assert!(letters[0]["error"]["help"].as_str().unwrap().contains("??"), "{}", letters[0]);
}

#[test]
fn poison_becomes_a_dead_letter_and_the_page_goes_on() {
    for (api, poison) in [
        (Api::OpenTrain, "poison"),
        (Api::OpenTrain, "nameless"),
        (Api::Zenzap, "poison"),
        (Api::Zenzap, "nameless"),
    ] {
        let feed = feed(Options { events: 100, ..Options::new(api) });
        feed.pipeline("limit: 20", "");
        feed.served.fault(&format!("{poison}@2"));
        let ended = feed.once().expect(0);
        feed.assert_whole(0, &ended.stderr);
        let letters = feed.dead_letters();
        assert_eq!(letters.len(), 1, "{api} {poison}: {letters:?}");
        let letter = &letters[0];
        assert_eq!((letter["reason"].as_str(), letter["component"].as_str()), (Some("parse"), Some("feed")));
        assert!(letter["event"].to_string().contains("an event should"), "{letter}");
        assert_eq!(
            feed.served.polls(0).iter().filter(|poll| poll.fault.is_some()).count(),
            1,
            "asked for once"
        );
    }
}

/// Items that break parsers: lone surrogates, numbers beyond every type, deep nesting, duplicate keys.
#[test]
fn hostile_items_pass_byte_for_byte_and_only_a_rule_that_reads_them_fails() {
    let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    let hostile = [
        Stub::event(1, "{\"lone\":\"\\ud800\"}"),
        Stub::event(2, "{\"n\":1e400}"),
        Stub::event(3, &format!("{{\"deep\":{deep}}}")),
        Stub::event(4, "{\"n\":123456789012345678901234567890.10}"),
        Stub::event(5, "{\"n\":1,\"n\":2}"),
        Stub::event(6, "{\"n\":null}"),
    ];
    let stub = Stub::feed(hostile.to_vec());
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.pipe(
        &stub,
        100,
        "transforms:\n  read: { type: filter, inputs: [feed], when: event.data.n > 1 }\n\
         sinks:\n  all: { type: file, inputs: [feed], path: all.jsonl }\n  \
         numbers: { type: file, inputs: [read], path: read.jsonl }\n",
    );
    sandbox.run(ONCE).expect(0);
    let expected = hostile.join("\n") + "\n";
    assert_eq!(sandbox.read("all.jsonl"), expected, "byte for byte, whatever it is");
    let read = sandbox.read("read.jsonl");
    assert!(
        read.contains(&hostile[3]) && read.contains(&hostile[4]),
        "large numbers compare, the last key wins: {read}"
    );
    // As text: a JSON parser would break on them once more.
    let list = sandbox.run("dlq list").expect(0).stdout;
    let unreadable =
        |id: u32| list.contains(&format!(" read parse opentrain:feed:{id} - the event cannot be read"));
    assert!((1..=3).all(unreadable) && list.lines().count() == 3, "{list}");
    assert_eq!(read.lines().count(), 2, "null is no number: {read}");
}
