//! The contract of every sink, proved with its real server: whatever happens on the way, each event arrives, in order
//! per key, and once where that is promised.
//!
//! A [`Destination`] says how the sink is configured, how what arrived is read back by other code than the sink's, and
//! which faults its server can suffer. The trials below are the same for all. Invariant: a trial ends in a healed world
//! with everything delivered, so it also proves that the sink comes back by itself.

mod trial;
mod verdict;

use std::time::Duration;

use crate::FaultProxy;

pub use trial::{
    connections_cut, killed, late_replies, many_accounts_killed, rejected, server_killed, slow,
    stopped_and_resumed, taken_over, whole,
};

/// What a sink says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Each event is there once.
    ExactlyOnce,
    /// Each event is there; a kill or a lost answer may repeat what was in flight.
    AtLeastOnce,
}

/// A sink under test with the place that it writes to.
pub trait Destination {
    /// The sink's own options as a YAML flow map without braces: `type: postgres, url: "${URL}", table: events`.
    fn options(&self) -> String;

    /// Variables that the options use.
    fn variables(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// What it promises.
    fn promise(&self) -> Promise;

    /// The JSON text of everything that has arrived so far, in order of arrival, read by other code than the sink's.
    /// Texts are compared byte for byte. Called when nothing writes.
    fn arrived(&mut self) -> Vec<String>;

    /// What should arrive for an event: the event itself, byte for byte, unless the destination is no place for that.
    fn expected(&self, event: &str) -> String {
        event.to_owned()
    }

    /// The proxies between the program and its server; none for what is on this machine's disk.
    fn proxies(&self) -> &[FaultProxy] {
        &[]
    }

    /// Kills the server with SIGKILL and starts it again; `false` if there is none.
    fn kill_server(&self) -> bool {
        false
    }

    /// The `data` of an event that the destination refuses for good, with the options that make it so (added to those
    /// of the sink); `None` if it takes everything.
    fn refused(&self) -> Option<Refused> {
        None
    }

    /// The most events a fault may repeat where the promise is at least once: the in-flight cap.
    fn repeats(&self) -> usize {
        16_384
    }
}

/// What a destination refuses.
#[derive(Clone, Debug)]
pub struct Refused {
    /// `data` of the event, as JSON.
    pub data: String,
    /// Options that the sink needs for it, beginning with a comma; or nothing.
    pub options: String,
    /// The reason of the dead letter.
    pub reason: &'static str,
}

/// How much of a trial is done: a short form for every run of the tests, a long one on demand.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How often the program is killed.
    pub kills: usize,
    /// How often its server is.
    pub server_kills: usize,
    /// How often a connection is cut.
    pub cuts: usize,
}

impl Effort {
    /// So many kills of the program and of the server; as many cuts as kills, but at least six.
    pub fn new(kills: usize, server_kills: usize) -> Self {
        Self { kills, server_kills, cuts: kills.max(6) }
    }
}

/// What a trial counted.
#[derive(Clone, Debug)]
pub struct Tally {
    /// The trial.
    pub name: &'static str,
    /// Events that were served and arrived.
    pub events: usize,
    /// Faults that struck.
    pub faults: usize,
    /// Arrivals beyond the first of an event.
    pub repeated: usize,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, events, faults, repeated } = self;
        write!(f, "{name}: {events} events, {faults} faults, 0 lost, {repeated} repeated")
    }
}

/// Waits that differ from each other and are the same in every run.
pub(crate) struct Waits(u64);

impl Waits {
    pub(crate) fn new() -> Self {
        Self(7)
    }

    /// Between the two, by xorshift.
    pub(crate) fn next(&mut self, least: Duration, most: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let span = u64::try_from(most.saturating_sub(least).as_millis()).unwrap_or(0).max(1);
        least + Duration::from_millis(self.0 % span)
    }
}
