//! From a polled page to tracked events: repeated ids dropped, the ordering key set, the source's condition asked.

use sluicebox_core::{Batch, DiscardReason, ErrorClass, Event, Token};
use sluicebox_rules::Expression;
use smol_str::SmolStr;

use crate::edge::Tracked;
use crate::member::{Admission, Cause, Member};
use crate::partition::Partition;
use crate::trace::Became;

/// Reads a page that is in flight and returns the events that go on; everything else is settled here.
///
/// `None` if the page is not in flight any more (the partition started over and will bring it again) or the pipeline
/// has stopped.
pub(crate) async fn admit(
    partition: &Partition,
    member: &Member,
    key: Option<&Expression>,
    (batch, tokens): (Batch, Vec<Token>),
) -> Option<Vec<Tracked>> {
    let slot = tokens.first().map(Token::slot)?;
    let batch = batch.read();
    let metas = || {
        let rejects = batch.rejects.iter().map(|reject| &reject.event);
        rejects.chain(&batch.events).map(Event::meta)
    };
    let fresh = partition.admit(slot, metas().map(|meta| &meta.id), metas().map(|meta| meta.time).max())?;
    if !partition.take_back(metas()).await {
        return None;
    }
    member.metrics.received.inc_by(fresh.len() as u64);
    let mut tokens = tokens.into_iter();
    let mut duties = tokens.by_ref().zip(fresh);
    for (reject, (token, is_new)) in batch.rejects.into_iter().zip(duties.by_ref()) {
        if is_new {
            member.give_up(&reject.event, token, Cause::new(reject.reason, reject.error));
        } else {
            member.discard(token, DiscardReason::Duplicate);
        }
    }
    let mut admitted = Vec::with_capacity(batch.events.len());
    let mut bytes = 0;
    for (event, (token, is_new)) in batch.events.into_iter().zip(duties) {
        if !is_new {
            member.discard(token, DiscardReason::Duplicate);
        } else if let Some(tracked) = one(member, key, Tracked { event, token }) {
            bytes += tracked.event.size();
            admitted.push(tracked);
        }
    }
    // Items of which the source made nothing.
    for token in tokens {
        member.discard(token, DiscardReason::Filtered);
    }
    member.metrics.sent.inc_by(admitted.len() as u64);
    member.metrics.sent_bytes.inc_by(bytes as u64);
    Some(admitted)
}

/// Sets the key of an event and asks the source's condition; `None` if that settled it.
pub(crate) fn one(member: &Member, key: Option<&Expression>, mut tracked: Tracked) -> Option<Tracked> {
    if let Some(expression) = key {
        match expression.evaluate(&tracked.event) {
            Ok(value) => tracked.event.meta_mut().key = text(&value),
            Err(error) => {
                member.metrics.error(ErrorClass::Script);
                member.give_up(&tracked.event, tracked.token, Cause::rule(error));
                return None;
            }
        }
    }
    member.trace(&tracked.event, || Became::Received);
    match member.admit(tracked) {
        Admission::In(tracked) | Admission::Around(tracked) => Some(tracked),
        Admission::Settled => None,
    }
}

/// A key is text: a JSON string without its quotes, anything else as JSON.
fn text(value: &serde_json::Value) -> SmolStr {
    value.as_str().map_or_else(|| SmolStr::from(value.to_string()), SmolStr::from)
}
