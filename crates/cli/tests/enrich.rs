//! Ready look-ups (`enrich:`) over TCP: every event type of both emulated APIs with the real binary, and what `check` and
//! `test` know of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sluicebox_emulator::{Api, Options};
use sluicebox_testkit::{Feed, Sandbox, request};

/// Looks everything up and writes events with their envelopes.
fn enriched(feed: &Feed, presets: &str) -> Vec<Value> {
    feed.pipeline(
        "",
        &format!(
            "transforms:\n  details: {{ type: http_lookup, inputs: [feed], enrich: {presets}, auth: {{ same_as: feed }} }}\n\
             sinks:\n  out: {{ type: file, inputs: [details], path: out.jsonl, format: jsonl, envelope: true }}\n"
        ),
    );
    feed.once().expect(0);
    feed.read("out.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn marketplace(faults: &[&str]) -> Feed {
    let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    // What is looked up is the state after the last event, from the first request on.
    let options =
        Options { events: 1500, message_page: 1, prerender: true, faults, ..Options::new(Api::OpenTrain) };
    Feed::new(env!("CARGO_BIN_EXE_sluicebox"), options)
}

/// Asks the emulator itself; null for what it does not show.
struct Truth<'a> {
    feed: &'a Feed,
    known: BTreeMap<String, Value>,
    /// Paths that were answered 403, once and for all as far as the run is concerned.
    forbidden: BTreeSet<String>,
}

impl Truth<'_> {
    fn get(&mut self, path: &str) -> Value {
        if let Some(known) = self.known.get(path) {
            return known.clone();
        }
        let token = format!("Authorization: Bearer {}", self.feed.served.credential(0, "token"));
        let url = format!("{}{path}", self.feed.served.url());
        let answer = request("GET", &url, &[&token], "").unwrap();
        let value = if answer.status == 200 { answer.json() } else { Value::Null };
        self.known.insert(path.to_owned(), value.clone());
        value
    }

    /// A thing, with how its look-up ends.
    fn thing(&mut self, path: &str, wrapper: Option<&str>) -> (&'static str, Value) {
        if self.forbidden.contains(path) {
            return ("forbidden", Value::Null);
        }
        let found = self.get(path);
        let found = wrapper.map_or(found.clone(), |wrapper| found[wrapper].clone());
        (if found.is_null() { "not_found" } else { "ok" }, found)
    }

    fn item(&mut self, path: &str, list: &str, id: &Value) -> (&'static str, Value) {
        let (status, answer) = self.thing(path, None);
        let items =
            list.split('.').fold(&answer, |at, step| &at[step]).as_array().cloned().unwrap_or_default();
        let found = items.into_iter().find(|item| item["id"] == *id);
        match (status, found) {
            ("ok", None) => ("not_found", Value::Null),
            (status, found) => (status, found.unwrap_or_default()),
        }
    }

    /// A message, if it is among the newest five: five pages of one.
    fn message(&mut self, data: &Value) -> (&'static str, Value) {
        let path = |cursor: &str| {
            format!("/messages?conversationId={}{cursor}", data["conversationId"].as_str().unwrap())
        };
        let mut page = self.get(&path(""));
        let mut newest = page["messages"].as_array().unwrap().clone();
        while newest.len() < 5 && page["nextCursor"].is_string() {
            page = self.get(&path(&format!("&cursor={}", page["nextCursor"].as_str().unwrap())));
            newest.extend(page["messages"].as_array().unwrap().iter().cloned());
        }
        match newest.into_iter().find(|message| message["id"] == data["messageId"]) {
            Some(message) => ("ok", message),
            None => ("not_found", Value::Null),
        }
    }

    /// What each preset ought to give for an event.
    fn of(&mut self, event: &Value) -> BTreeMap<&'static str, (&'static str, Value)> {
        let data = &event["data"];
        let path = |folder: &str, id: &str| format!("/{folder}/{}", data[id].as_str().unwrap());
        let mut parts = BTreeMap::new();
        match event["type"].as_str().unwrap() {
            "proposal.received" | "proposal.status_changed" => {
                parts.insert("proposal", self.thing(&path("proposals", "proposalId"), Some("proposal")));
            }
            "message.received" => {
                parts.insert("message", self.message(data));
            }
            "contract.created" | "contract.budget_state_changed" => {
                parts.insert("contract", self.thing(&path("contracts", "contractId"), Some("contract")));
            }
            kind @ ("milestone.status_changed" | "payment.pending") => {
                let path = path("contracts", "contractId");
                parts.insert("contract", self.thing(&path, Some("contract")));
                parts.insert("milestone", self.item(&path, "contract.milestones", &data["milestoneId"]));
                if kind == "payment.pending" {
                    let found = self.item("/payments/pending", "payments", &data["invoiceId"]);
                    parts.insert("payment", found);
                }
            }
            "approval.confirmed" => {
                let (status, mut approval) = self.thing(&path("approvals", "approvalId"), Some("approval"));
                approval.as_object_mut().map(|fields| fields.remove("approvalUrl").unwrap());
                parts.insert("approval", (status, approval));
            }
            _ => return parts,
        }
        if let Some(job) = event["jobId"].as_str() {
            parts.insert("job", self.thing(&format!("/jobs/{job}"), None));
        }
        parts
    }
}

/// The worst of some statuses.
fn worst<'s>(statuses: impl Iterator<Item = &'s str>) -> &'s str {
    let order = ["ok", "not_found", "forbidden", "unavailable"];
    statuses.max_by_key(|status| order.iter().position(|known| known == status)).unwrap()
}

#[test]
fn every_event_of_the_marketplace_is_told_what_the_api_knows() {
    let feed = marketplace(&["lookup:status=403@2", "lookup:status=503@60"]);
    // One after the other: after that of the source for its scopes, the first is for the proposal of the first event.
    let events = enriched(&feed, "opentrain, concurrency: 1");
    let log = feed.served.log();
    let short = |path: &str| path.strip_prefix("/api/public/v1").unwrap().to_owned();
    let refused = log.iter().filter(|record| record.status == Some(403)).map(|record| short(&record.path));
    let mut truth = Truth { feed: &feed, known: BTreeMap::new(), forbidden: refused.collect() };
    assert_eq!(truth.forbidden.len(), 1, "{:?}", truth.forbidden);

    let served = feed.served.truth(0);
    assert_eq!(events.len(), served.len());
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (line, served) in events.iter().zip(&served) {
        let (mut event, served): (Value, Value) =
            (line["event"].clone(), serde_json::from_str(served).unwrap());
        let details = event.as_object_mut().unwrap().remove("details").unwrap_or_else(|| json!({}));
        assert_eq!(event, served, "the event itself stays as it was, its status too");
        let parts = truth.of(&event);
        let lookups = &line["meta"]["lookups"];
        if parts.is_empty() {
            assert_eq!((lookups, &details), (&json!({}), &json!({})), "{event}");
            *seen.entry("left alone".to_owned()).or_default() += 1;
            continue;
        }
        assert_eq!(lookups.as_object().unwrap().len(), parts.len() + 1, "{line}");
        assert_eq!(lookups["details"]["status"], worst(parts.values().map(|(status, _)| *status)), "{line}");
        for (name, (status, value)) in &parts {
            assert_eq!(lookups[format!("details.{name}")]["status"], *status, "{name} of {line}");
            assert_eq!(details[*name], *value, "{name} of {line}");
            *seen.entry(format!("{name} {status}")).or_default() += 1;
        }
    }
    let missing = [
        "proposal ok",
        "message ok",
        "message not_found",
        "contract ok",
        "milestone ok",
        "milestone not_found",
        "payment ok",
        "payment not_found",
        "approval ok",
        "job ok",
        "job not_found",
        "left alone",
    ]
    .into_iter()
    .find(|end| !seen.contains_key(*end));
    assert_eq!(missing, None, "{seen:?}");
    assert!(seen.contains_key("proposal forbidden"), "{seen:?}");
    assert!(!feed.read("out.jsonl").contains("approvalUrl"));

    // Asked once each, but for the one that was struck by the 503, and lists, which are asked for in pages.
    let things = log.iter().filter(|record| {
        !["updates", "messages", "me", "pending"].iter().any(|end| record.path.ends_with(end))
    });
    let paths: Vec<&str> = things.map(|record| record.path.as_str()).collect();
    let distinct: BTreeSet<&str> = paths.iter().copied().collect();
    assert!(paths.len() <= distinct.len() + 1, "{} requests for {} things", paths.len(), distinct.len());
    assert!(log.iter().any(|record| record.query.as_deref().is_some_and(|query| query.contains("&cursor="))));
}

#[test]
fn names_of_people_and_topics_come_with_the_updates_of_a_chat() {
    let faults = vec!["lookup:status=404@1".parse().unwrap()];
    let options = Options { events: 800, prerender: true, faults, ..Options::new(Api::Zenzap) };
    let feed = Feed::new(env!("CARGO_BIN_EXE_sluicebox"), options);
    let events = enriched(&feed, "[topic, names], concurrency: 1");
    assert_eq!(events.len(), 800);
    let log = feed.served.log();
    let struck = log.iter().find(|record| record.status == Some(404)).unwrap();
    let bare = |id: &Value| {
        let id = id.as_str().unwrap();
        id.strip_prefix("u@").unwrap_or(id).to_owned()
    };
    let messages = events.iter().filter_map(|line| line["event"]["data"].get("message"));
    let written = messages.filter(|message| message["senderName"].is_string());
    let known: BTreeMap<String, &Value> =
        written.map(|message| (bare(&message["senderId"]), &message["senderName"])).collect();
    let (mut named, mut lists, mut topics, mut gone) = (0, 0, BTreeMap::new(), 0);
    for line in &events {
        let (event, lookups) = (&line["event"], &line["meta"]["lookups"]);
        let (data, details) = (&event["data"], &event["details"]);
        let kind = event["eventType"].as_str().unwrap();
        if !["message", "reaction", "member", "poll_vote", "topic"].contains(&kind.split('.').next().unwrap())
            || kind == "topic.archived"
        {
            assert_eq!((lookups, event.get("details")), (&json!({}), None), "{line}");
            continue;
        }
        let topic = data["message"]["topicId"].as_str().or(data["topicId"].as_str()).unwrap();
        if struck.path.ends_with(topic) {
            assert_eq!(lookups["details.topic"]["status"], "not_found", "{line}");
            gone += 1;
        } else {
            assert_eq!(lookups["details.topic"]["status"], "ok", "{line}");
            assert_eq!(details["topic"]["id"], topic);
            assert_eq!(details["topic"].as_object().unwrap().len(), 3, "{line}");
            let name = details["topic"]["name"].as_str().unwrap();
            assert_eq!(*topics.entry(topic.to_owned()).or_insert(name), name);
        }
        for field in ["userId", "actorId", "voterId", "deletedBy", "memberId"] {
            let Some(id) = data.get(field) else { continue };
            let name = &details["names"][field];
            assert!(name.is_string(), "{field} of {line}");
            assert!(known.get(&bare(id)).is_none_or(|known| known == &name), "{field} of {line}");
            named += 1;
        }
        if let Some(ids) = data.get("memberIds").and_then(Value::as_array) {
            assert_eq!(details["names"]["memberIds"].as_array().unwrap().len(), ids.len());
            lists += 1;
        }
        if let Some(status) = lookups.get("details.names") {
            assert_eq!(status["status"], "ok", "{line}");
        }
    }
    assert!(named > 100 && lists > 5 && topics.len() > 5, "{named} {lists} {topics:?}");
    assert!(gone > 0, "{struck:?}");
    let added: String = events.iter().map(|line| line["event"]["details"].to_string()).collect();
    assert!(!added.contains("@example.com") && !added.contains("+49"), "nothing else of people is taken");
    assert!(log.iter().all(|record| !record.path.starts_with("/v2/members/")), "an undocumented call");
    let asked = |end: &str| log.iter().filter(|record| record.path.contains(end)).count();
    assert!(asked("/v2/members") <= 3 && asked("/v2/topics/") <= 2 * topics.len(), "few requests are enough");
}

/// A pipeline over the public addresses, with tests.
const TESTED: &str = r#"
sources:
  marketplace: { type: opentrain_updates, token: "t" }
  chat: { type: zenzap_updates, auth: { api_key: { key: k, secret: s } } }
transforms:
  details: { type: http_lookup, inputs: [marketplace], enrich: [milestone, payment, job], auth: { same_as: marketplace } }
  people: { type: http_lookup, inputs: [chat], enrich: zenzap, auth: { same_as: chat } }
sinks:
  out: { type: file, inputs: [details], path: out.jsonl, format: jsonl, when: event.details.milestone.amountUsd > 3 }
  told:
    type: slack
    inputs: [people]
    when: meta.lookups["people.topic"].status == "ok" && meta.lookups.people.status != "forbidden"
    webhook_url: https://hooks.slack.com/services/T/B/X
    text: "{{ event.people.names.userId }} in {{ event.people.topic.name }}"
tests:
  - name: milestones and payments
    sources:
      marketplace:
        - { id: "1", type: milestone.status_changed, createdAt: "2026-06-12T10:00:00.000Z", jobId: j1, data: { contractId: c1, milestoneId: m1 } }
        - { id: "2", type: payment.pending, createdAt: "2026-06-12T10:00:00.000Z", data: { invoiceId: i1, milestoneId: m9, contractId: c1 } }
    lookups:
      details:
        contract/c1: { contract: { milestones: [ { id: m1, amountUsd: 5 } ] } }
        job/j1: { status: 404 }
        payment: { payments: [] }
    expect:
      sinks:
        out:
          - id: "1"
            type: milestone.status_changed
            createdAt: "2026-06-12T10:00:00.000Z"
            jobId: j1
            data: { contractId: c1, milestoneId: m1 }
            details: { milestone: { id: m1, amountUsd: 5 } }
  - name: names
    sources:
      chat:
        - { updateId: a, eventType: reaction.added, createdAt: 1700000000000, data: { topicId: t1, userId: u@7, messageId: m, emoji: x } }
    lookups:
      people:
        topic/t1: { id: t1, name: Launch, memberIds: [] }
        names: { members: [ { id: "7", name: Dana } ] }
    expect:
      sinks:
        told: [ { text: Dana in Launch } ]
"#;

#[test]
fn tests_of_pipelines_answer_ready_look_ups_and_check_knows_what_they_add() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_sluicebox"));
    sandbox.write("p.yaml", TESTED);
    let tested = sandbox.run("test p.yaml").expect(0);
    assert!(tested.stdout.contains("2 passed"), "{}", tested.stdout);
    let checked = sandbox.run("check p.yaml").expect(0);
    assert!(!checked.stderr.contains("warning") && !checked.stdout.contains("warning"), "{}", checked.stdout);

    for (wrong, told) in [
        (TESTED.replace("event.details.milestone.", "event.details.milestoen."), "did you mean `milestone`?"),
        (TESTED.replace("enrich: zenzap", "enrich: zenzpa"), "did you mean `zenzap`?"),
        (TESTED.replace("[milestone, payment, job]", "[milestone, pyment, job]"), "did you mean `payment`?"),
        (TESTED.replace("same_as: chat", "same_as: marketplace"), "not one of Zenzap"),
        (TESTED.replace("enrich: zenzap", "enrich: zenzap, select: x"), "cannot go together"),
        (TESTED.replace("enrich: zenzap, auth: { same_as: chat }", "enrich: zenzap"), "same_as: chat"),
    ] {
        sandbox.write("wrong.yaml", &wrong);
        let checked = sandbox.run("check wrong.yaml");
        let said = format!("{}{}", checked.stdout, checked.stderr);
        assert!(said.contains(told), "{told}: {said}");
    }
}
