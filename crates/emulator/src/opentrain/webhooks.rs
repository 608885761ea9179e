//! Subscriptions to events: `POST /webhooks`, and what became of every delivery.
//!
//! Source: section 10 of the contract. Where it is silent: only an `http` address of this machine is accepted, since
//! nothing else is delivered to; a failed attempt counts for the switch-off, not a delivery that was given up.

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::{Value, json};
use url::Url;

use super::refuse;
use crate::account::Account;
use crate::answer::Answer;
use crate::call::Call;
use crate::chance::Chance;
use crate::clock::iso_time;
use crate::server::Server;

/// Every type that can be subscribed to, with the scope that reads it.
const TYPES: [(&str, &str); 8] = [
    ("proposal.received", "proposals:read"),
    ("proposal.status_changed", "proposals:read"),
    ("message.received", "messages:read"),
    ("contract.created", "payments:read"),
    ("milestone.status_changed", "payments:read"),
    ("payment.pending", "payments:read"),
    ("approval.confirmed", "payments:read"),
    ("contract.budget_state_changed", "payments:read"),
];
const MOST_SUBSCRIPTIONS: usize = 10;
const LONGEST_URL: usize = 2048;
/// Failures in a row after which a subscription is switched off.
const MOST_FAILURES: u32 = 10;
/// How many attempts are remembered.
const CAPACITY: usize = 100_000;

/// One attempt to deliver an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WebhookAttempt {
    /// The id of the delivery; every attempt of it has the same.
    pub delivery: String,
    /// The id of the event.
    pub event: String,
    /// Which attempt it is, from 1.
    pub attempt: usize,
    /// What it was answered; `None` if there was no answer in time.
    pub status: Option<u16>,
}

/// One subscription.
pub(crate) struct Subscription {
    pub(super) id: String,
    pub(super) url: Url,
    pub(super) types: Vec<String>,
    pub(super) secret: String,
    /// The place in the feed of the next event to deliver: there is no backfill.
    pub(super) next: u64,
    created_at: i64,
    failures: u32,
    disabled_at: Option<i64>,
}

impl Subscription {
    pub(super) fn is_active(&self) -> bool {
        self.disabled_at.is_none()
    }

    fn json(&self) -> Value {
        json!({
            "id": self.id, "url": self.url.as_str(), "eventTypes": self.types,
            "status": if self.is_active() { "ACTIVE" } else { "DISABLED" },
            "createdAt": iso_time(self.created_at), "disabledAt": self.disabled_at.map(iso_time),
            "disabledReason": self.disabled_at.map(|_| "repeated delivery failures"),
        })
    }
}

/// The subscriptions of an account.
pub(crate) struct Webhooks {
    chance: Chance,
    pub(super) subscriptions: Vec<Subscription>,
    attempts: VecDeque<WebhookAttempt>,
}

impl Webhooks {
    pub(crate) fn new(seed: u64, account: u32) -> Self {
        let chance = Chance::new(seed, u64::from(account) << 8 | 0xB1);
        Self { chance, subscriptions: Vec::new(), attempts: VecDeque::new() }
    }

    /// Every attempt, oldest first.
    pub(crate) fn attempts(&self) -> Vec<WebhookAttempt> {
        self.attempts.iter().cloned().collect()
    }

    /// The secret of the oldest subscription.
    pub(crate) fn first_secret(&self) -> Option<String> {
        self.subscriptions.first().map(|subscription| subscription.secret.clone())
    }

    /// The id of the next delivery.
    pub(super) fn delivery_id(&mut self) -> String {
        self.chance.uuid()
    }

    /// Subscribes to what becomes visible from the place `next` on.
    pub(crate) fn subscribe(
        &mut self,
        url: Url,
        types: Vec<String>,
        (next, now): (u64, i64),
    ) -> &Subscription {
        let id = format!("wh_{}", self.chance.uuid());
        let secret = format!("whsec_{}", self.chance.uuid().replace('-', ""));
        let subscription =
            Subscription { id, url, types, secret, next, created_at: now, failures: 0, disabled_at: None };
        self.subscriptions.push(subscription);
        &self.subscriptions[self.subscriptions.len() - 1]
    }

    /// Writes an attempt down, and switches the subscription off after too many failures.
    pub(super) fn attempted(&mut self, id: &str, attempt: WebhookAttempt, now: i64) {
        let worked = attempt.status.is_some_and(|status| (200..300).contains(&status));
        self.attempts.push_back(attempt);
        if self.attempts.len() > CAPACITY {
            self.attempts.pop_front();
        }
        let Some(found) = self.subscriptions.iter_mut().find(|known| known.id == id) else { return };
        found.failures = if worked { 0 } else { found.failures + 1 };
        if found.failures >= MOST_FAILURES && found.is_active() {
            found.disabled_at = Some(now);
        }
    }
}

/// Every type that there is.
pub(super) fn all_types() -> Vec<String> {
    TYPES.iter().map(|(name, _)| (*name).to_owned()).collect()
}

/// `http` to this machine: all that is delivered to.
pub(crate) fn address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= LONGEST_URL)?;
    let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    (url.scheme() == "http" && is_here).then_some(url)
}

/// `POST /webhooks`.
pub(super) fn create(server: &Server, account: &Account, call: &Call) -> Result<Answer, Answer> {
    let bad = |field: &str, message: &str| refuse(server, 400, message, Some(json!({ "field": field })));
    let body: Value = serde_json::from_slice(&call.body).map_err(|_| bad("", "the body is not JSON"))?;
    let url = body["url"].as_str().and_then(address);
    let url = url.ok_or_else(|| bad("url", "url must be https, or http for localhost"))?;
    let types = body["eventTypes"].as_array().filter(|types| !types.is_empty());
    let types = types.ok_or_else(|| bad("eventTypes", "eventTypes must name at least one type"))?;
    let mut wanted = Vec::new();
    for given in types {
        let known = TYPES.iter().find(|(name, _)| Some(*name) == given.as_str());
        let (name, scope) = known.ok_or_else(|| bad("eventTypes", "unknown event type"))?;
        super::require(server, account, &[scope])?;
        wanted.push((*name).to_owned());
    }
    let visible = account.feed.read().visible(server.clock.elapsed());
    let mut webhooks = account.webhooks.lock();
    if webhooks.subscriptions.len() >= MOST_SUBSCRIPTIONS {
        return Err(refuse(server, 409, "at most 10 subscriptions", None));
    }
    let made = webhooks.subscribe(url, wanted, (visible, server.clock.now(0)));
    server.wake();
    let message = "store the secret now: it is not shown again";
    Ok(Answer::json(201, &json!({ "webhook": made.json(), "secret": made.secret, "message": message })))
}
