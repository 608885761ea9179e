//! The requests that a batch of events becomes, and which of them must wait for which.
//!
//! Invariant: requests that share an ordering key are chained in the order of its events, whatever batches and targets
//! the events fall into.

use std::collections::HashMap;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use sluicebox_core::{Event, Rejected};

use super::shape::{Shape, Target};

/// One request to be made.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) target: Target,
    pub(super) body: Bytes,
    /// Stays the same however often the same events are sent.
    pub(super) idempotency_key: String,
    /// The events that it carries, by their index in the call.
    pub(super) members: Vec<usize>,
    /// Requests that must have succeeded before.
    pub(super) after: Vec<usize>,
}

/// What a call has to do.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) requests: Vec<Planned>,
    /// Events that no request can be made for.
    pub(super) rejected: Vec<Rejected>,
}

/// A request that still takes events.
struct Open {
    target: Target,
    bodies: Vec<Bytes>,
    members: Vec<usize>,
    after: Vec<usize>,
}

/// What orders an event: its key within its source and account.
type Key<'a> = (&'a str, &'a str, &'a str);

/// Plans the requests for `events`.
pub(super) fn plan(events: &[Event], shape: &Shape) -> Plan {
    let mut rejected = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut last_of_target: HashMap<Target, usize> = HashMap::new();
    let mut last_of_key: HashMap<Key<'_>, usize> = HashMap::new();
    for (index, event) in events.iter().enumerate() {
        let rendered = shape.target(event).and_then(|target| Ok((target, shape.body(event)?)));
        let (target, body) = match rendered {
            Ok(rendered) => rendered,
            Err(error) => {
                rejected.push(Rejected { index, error });
                continue;
            }
        };
        let meta = event.meta();
        let key = (&*meta.source, &*meta.account, meta.key.as_str());
        let earlier = last_of_key.get(&key).copied();
        // An event never goes into a request that is made before one with an earlier event of its key.
        let shared = last_of_target.get(&target).copied();
        let shared =
            shared.filter(|request| shape.frame.is_some() && earlier.is_none_or(|at| at <= *request));
        let number = shared.unwrap_or_else(|| {
            open.push(Open {
                target: target.clone(),
                bodies: Vec::new(),
                members: Vec::new(),
                after: Vec::new(),
            });
            open.len() - 1
        });
        let request = &mut open[number];
        request.bodies.push(body);
        request.members.push(index);
        request.after.extend(earlier.filter(|at| *at != number && !request.after.contains(at)));
        last_of_key.insert(key, number);
        if shape.frame.is_some() {
            last_of_target.insert(target, number);
        }
    }
    Plan { requests: open.into_iter().map(|open| close(open, events, shape)).collect(), rejected }
}

fn close(open: Open, events: &[Event], shape: &Shape) -> Planned {
    let Open { target, bodies, members, after } = open;
    let ids = members.iter().map(|index| events[*index].meta().id.as_str());
    let idempotency_key = match &shape.frame {
        None => ids.collect(),
        Some(_) => hash_of(ids),
    };
    let body = match (&shape.frame, bodies.as_slice()) {
        (None, [body]) => body.clone(),
        (frame, bodies) => frame.clone().unwrap_or_default().join(bodies),
    };
    Planned { target, body, idempotency_key, members, after }
}

/// `batch-` and 32 hex digits, equal for equal ids in the same order.
fn hash_of<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for id in ids {
        // An id holds no line break of its own: it would not fit into a header either.
        hash.update(id.as_bytes());
        hash.update(b"\n");
    }
    let digest = hash.finalize();
    digest[..16].iter().fold("batch-".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}
