//! From a polled page to tracked events: repeated ids dropped, the ordering key set, the source's condition asked.

use std::sync::Arc;

use sluicebox_core::{Batch, DiscardReason, ErrorClass, Event};
use sluicebox_rules::Expression;
use smol_str::SmolStr;

use crate::edge::Tracked;
use crate::member::{Admission, Cause, Member};
use crate::partition::{Page, Partition};

/// Opens the page's slot and returns the events that go on; everything else is settled here.
pub(crate) fn admit(
    partition: &Arc<Partition>,
    member: &Member,
    key: Option<&Expression>,
    batch: Batch,
) -> Vec<Tracked> {
    let items = || batch.events.iter().chain(batch.rejects.iter().map(|reject| &reject.event));
    let page = Page {
        events: batch.events.len() + batch.rejects.len(),
        bytes: items().map(Event::size).sum(),
        newest: items().map(|event| event.meta().time).max(),
        cursor: batch.cursor.clone(),
    };
    let mut tokens = partition.open(page).into_iter();
    for reject in batch.rejects {
        let Some(token) = tokens.next() else { break };
        member.metrics.received.inc();
        if partition.is_new(&reject.event.meta().id) {
            member.give_up(&reject.event, token, Cause::new(reject.reason, reject.error));
        } else {
            member.discard(token, DiscardReason::Duplicate);
        }
    }
    let mut admitted = Vec::with_capacity(batch.events.len());
    for (event, token) in batch.events.into_iter().zip(tokens) {
        if let Some(tracked) = one(partition, member, key, Tracked { event, token }) {
            admitted.push(tracked);
        }
    }
    admitted
}

fn one(
    partition: &Partition,
    member: &Member,
    key: Option<&Expression>,
    mut tracked: Tracked,
) -> Option<Tracked> {
    if !partition.is_new(&tracked.event.meta().id) {
        member.metrics.received.inc();
        member.discard(tracked.token, DiscardReason::Duplicate);
        return None;
    }
    if let Some(expression) = key {
        match expression.evaluate(&tracked.event) {
            Ok(value) => tracked.event.meta_mut().key = text(&value),
            Err(error) => {
                member.metrics.received.inc();
                member.metrics.error(ErrorClass::Script);
                member.give_up(&tracked.event, tracked.token, Cause::rule(error));
                return None;
            }
        }
    }
    match member.admit(tracked) {
        Admission::In(tracked) | Admission::Around(tracked) => {
            member.metrics.sent.inc();
            member.metrics.sent_bytes.inc_by(tracked.event.size() as u64);
            Some(tracked)
        }
        Admission::Settled => None,
    }
}

/// A key is text: a JSON string without its quotes, anything else as JSON.
fn text(value: &serde_json::Value) -> SmolStr {
    value.as_str().map_or_else(|| SmolStr::from(value.to_string()), SmolStr::from)
}
