//! What was asked and what was answered: a bounded log of requests, and counters that never forget.
//!
//! A request is written down when it arrives and completed when its answer is decided, so that one that was given up
//! by the client in the middle of a long poll is still there, without a status.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::faults::Target;

/// How many requests are remembered; older ones are forgotten.
const CAPACITY: usize = 200_000;

/// One request, as the emulator saw it. Serialises to one JSON object, with times in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct RequestRecord {
    /// The number of the request, from 1, over all accounts.
    pub number: u64,
    /// When it arrived, since the start of the emulator.
    #[serde(serialize_with = "in_seconds")]
    pub arrived: Duration,
    /// When its answer was decided, since the start of the emulator; `None` while it is held, or if it was given up.
    #[serde(serialize_with = "in_optional_seconds")]
    pub answered: Option<Duration>,
    /// The method.
    pub method: String,
    /// The path, as received.
    pub path: String,
    /// The query, as received: neither decoded nor with its question mark.
    pub query: Option<String>,
    /// The account that the credential names, whether or not it was accepted.
    pub account: Option<u32>,
    /// How the client identified itself.
    pub credential: Credential,
    /// The status of the answer; `None` if there was none.
    pub status: Option<u16>,
    /// The fault that struck, as it is written without its time.
    pub fault: Option<String>,
    /// How long the answer told the client to stay away.
    #[serde(serialize_with = "in_optional_seconds")]
    pub retry_after: Option<Duration>,
    /// How many events were served; for Slack, how many messages were stored.
    pub events: u64,
    /// The word with which it was refused (Slack), whatever the status was.
    pub error: Option<String>,
}

/// The way a client identified itself; never the secret itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// Nothing that could be read as a credential.
    Missing,
    /// A bearer token (OpenTrain, Slack).
    Token,
    /// A static key with a signature (Zenzap).
    ApiKey,
    /// An OAuth access token (Zenzap).
    AccessToken,
    /// The id and secret of an OAuth client (Zenzap).
    Client,
    /// The address of an incoming webhook (Slack).
    Webhook,
}

fn in_seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
fn in_optional_seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => in_seconds(time, serializer),
        None => serializer.serialize_none(),
    }
}

/// Counts since the start of the emulator, over all accounts.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stats {
    /// Requests that arrived.
    pub requests: u64,
    /// Those for the polled feed, or that post a message.
    pub polls: u64,
    /// Those that look something up.
    pub lookups: u64,
    /// Those for an OAuth access token.
    pub mints: u64,
    /// Those for an attachment.
    pub files: u64,
    /// Requests that a fault struck.
    pub faults: u64,
    /// Events in the pages that were answered, and messages whose storing was answered; what is served twice counts
    /// twice.
    pub events_served: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
}

/// What came of a request.
#[derive(Debug, Default)]
pub(crate) struct Finish {
    pub(crate) at: Duration,
    pub(crate) status: Option<u16>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) events: u64,
    pub(crate) error: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    records: VecDeque<RequestRecord>,
    stats: Stats,
}

impl RequestLog {
    /// Writes an arrival down, gives it its number and counts it.
    pub(crate) fn begin(&mut self, mut record: RequestRecord, target: Target) -> u64 {
        self.stats.requests += 1;
        match target {
            Target::Poll => self.stats.polls += 1,
            Target::LookUp => self.stats.lookups += 1,
            Target::OAuth => self.stats.mints += 1,
            Target::File => self.stats.files += 1,
        }
        if record.fault.is_some() {
            self.stats.faults += 1;
        }
        record.number = self.stats.requests;
        if self.records.len() == CAPACITY {
            self.records.pop_front();
        }
        self.records.push_back(record);
        self.stats.requests
    }

    /// Completes a record, if it is still remembered.
    pub(crate) fn finish(&mut self, number: u64, finish: &Finish) {
        self.stats.events_served += finish.events;
        if let Some(status) = finish.status {
            *self.stats.statuses.entry(status).or_default() += 1;
        }
        let age = usize::try_from(self.stats.requests - number).unwrap_or(usize::MAX);
        let place = self.records.len().checked_sub(age.saturating_add(1));
        if let Some(record) = place.and_then(|place| self.records.get_mut(place)) {
            record.answered = Some(finish.at);
            record.status = finish.status;
            record.retry_after = finish.retry_after;
            record.events = finish.events;
            record.error.clone_from(&finish.error);
        }
    }

    /// The remembered requests with a number above this one.
    pub(crate) fn after(&self, number: u64) -> Vec<RequestRecord> {
        let start = self.records.partition_point(|record| record.number <= number);
        self.records.range(start..).cloned().collect()
    }

    pub(crate) fn stats(&self) -> Stats {
        self.stats.clone()
    }
}
