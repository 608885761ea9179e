//! What OpenTrain has no call for: single messages and invoices, found in lists, over TCP at the emulated marketplace.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::collections::BTreeSet;

use serde_json::Value;
use sluicebox_emulator::{Api, Options};
use sluicebox_testkit::{Feed, request};

fn marketplace(events: u64) -> Feed {
    Feed::new(env!("CARGO_BIN_EXE_sluicebox"), Options { events, ..Options::new(Api::OpenTrain) })
}

/// The events of a type, as they were served.
fn served(feed: &Feed, kind: &str) -> Vec<Value> {
    let all = feed.served.truth(0).into_iter().map(|event| serde_json::from_str::<Value>(&event).unwrap());
    all.filter(|event| event["type"] == kind).collect()
}

#[test]
fn a_message_is_found_in_the_pages_of_its_conversation() {
    let feed = marketplace(600);
    let url = feed.served.url();
    feed.pipeline(
        "limit: 100",
        &format!(
            "transforms:\n  messages: {{ type: filter, inputs: [feed], when: 'meta.type == \"message.received\"' }}\n  \
             message:\n    type: http_lookup\n    inputs: [messages]\n    \
             url: \"{url}/messages?conversationId={{{{ event.data.conversationId }}}}&limit=2\"\n    \
             auth: {{ same_as: feed }}\n    \
             find: {{ by: event.data.messageId, next: nextCursor, max_pages: 50 }}\n\
             sinks:\n  rows: {{ type: sqlite, inputs: [message], path: rows.db, table: events, columns: \
             {{ id: event.id, status: meta.lookups.message.status, message: event.message.id, \
             wanted: event.data.messageId, content: event.message.content }} }}\n"
        ),
    );
    let ended = feed.once().expect(0);
    let expected = served(&feed, "message.received");
    let ids: Vec<&str> = expected.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert!(ids.len() > 50, "{}", ids.len());
    assert_eq!(feed.rows("rows.db", "SELECT id FROM events ORDER BY rowid"), ids, "{}", ended.stderr);
    let wrong =
        "SELECT id FROM events WHERE status <> 'ok' OR message <> wanted OR coalesce(content, '') = ''";
    assert_eq!(feed.rows("rows.db", wrong), [""; 0], "{}", ended.stderr);
    let paths: Vec<String> = feed.served.log().into_iter().map(|record| record.path).collect();
    let pages = paths.iter().filter(|path| path.contains("/messages")).count();
    let conversations: BTreeSet<&str> =
        expected.iter().map(|event| event["data"]["conversationId"].as_str().unwrap()).collect();
    assert!(
        pages >= conversations.len() && pages < 3 * ids.len(),
        "{pages} pages for {} messages",
        ids.len()
    );
    assert!(pages > ids.len() / 2, "a page of two holds no more than two messages: {pages}");
}

#[test]
fn an_invoice_is_found_among_the_pending_ones_and_a_paid_one_is_not() {
    let feed = marketplace(600);
    let url = feed.served.url();
    feed.pipeline(
        "limit: 100",
        &format!(
            "transforms:\n  payments: {{ type: filter, inputs: [feed], when: 'meta.type == \"payment.pending\"' }}\n  \
             invoice:\n    type: http_lookup\n    inputs: [payments]\n    url: \"{url}/payments/pending\"\n    \
             auth: {{ same_as: feed }}\n    find: {{ by: event.data.invoiceId, items: payments }}\n\
             sinks:\n  rows: {{ type: sqlite, inputs: [invoice], path: rows.db, table: events, columns: \
             {{ id: event.id, status: meta.lookups.invoice.status, invoice: event.invoice.id, \
             wanted: event.data.invoiceId, amount: {{ value: event.invoice.amountUsd, type: number }} }} }}\n"
        ),
    );
    let ended = feed.once().expect(0);
    let token = format!("Authorization: Bearer {}", feed.served.credential(0, "token"));
    let list = request("GET", &format!("{url}/payments/pending"), &[&token], "").unwrap().json();
    let pending: BTreeSet<&str> =
        list["payments"].as_array().unwrap().iter().map(|payment| payment["id"].as_str().unwrap()).collect();
    let expected = served(&feed, "payment.pending");
    let tell = |event: &Value| {
        let invoice = event["data"]["invoiceId"].as_str().unwrap();
        let status = if pending.contains(invoice) { "ok" } else { "not_found" };
        format!("{} {status}", event["id"].as_str().unwrap())
    };
    let expected: Vec<String> = expected.iter().map(tell).collect();
    assert!(expected.iter().any(|one| one.ends_with(" ok")), "{expected:?}");
    assert!(expected.iter().any(|one| one.ends_with("not_found")), "{expected:?}");
    let found = feed.rows("rows.db", "SELECT id || ' ' || status FROM events ORDER BY rowid");
    assert_eq!(found, expected, "{}", ended.stderr);
    let wrong =
        "SELECT id FROM events WHERE status = 'ok' AND (invoice <> wanted OR coalesce(amount, 0) <= 0)";
    assert_eq!(feed.rows("rows.db", wrong), [""; 0], "{}", ended.stderr);
    let paths: Vec<String> = feed.served.log().into_iter().map(|record| record.path).collect();
    let (lists, polls) = (
        paths.iter().filter(|path| path.contains("/payments/pending")).count(),
        paths.iter().filter(|path| path.contains("/updates")).count(),
    );
    assert!(lists <= polls + 1, "{lists} lists for {polls} pages of events");
}
