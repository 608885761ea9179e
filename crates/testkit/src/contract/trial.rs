//! The trials: each runs the real program between an emulated feed and a destination, and lets one thing go wrong.

use std::path::PathBuf;
use std::time::Duration;

use sluicebox_emulator::{Api, Options};

use super::verdict::Verdict;
use super::{Destination, Effort, Promise, Tally, Waits};
use crate::{Direction, Feed, Process, Sandbox, Stub, wait_for};

/// Events that wait upstream when a process starts, and that come before each fault, so that faults strike while events
/// flow.
const BACKLOG: u64 = 3000;
/// How long the feed thinks about each page of 20: the backlog lasts for longer than the longest pause before a fault.
const LATENCY: Duration = Duration::from_millis(3);
/// Events for a trial of two owners, and how fast they come: events a second.
const OWNED: u64 = 1500;
const RATE: f64 = 600.0;
/// Accounts of one pipeline where there are many.
const ACCOUNTS: u32 = 200;
/// The shortest and the longest time between two faults.
const PAUSE: (Duration, Duration) = (Duration::from_millis(60), Duration::from_millis(320));

/// A pipeline from an emulated feed into a destination.
struct Trial<'d> {
    name: &'static str,
    feed: Feed,
    destination: &'d mut dyn Destination,
    waits: Waits,
    /// What may have repeated events.
    faults: usize,
}

impl<'d> Trial<'d> {
    fn new(name: &'static str, program: impl Into<PathBuf>, destination: &'d mut dyn Destination) -> Self {
        Self::with(
            name,
            program,
            destination,
            Options { events: BACKLOG, latency: LATENCY, ..Options::new(Api::OpenTrain) },
        )
    }

    fn with(
        name: &'static str,
        program: impl Into<PathBuf>,
        destination: &'d mut dyn Destination,
        options: Options,
    ) -> Self {
        let mut feed = Feed::new(program, options);
        for (variable, value) in destination.variables() {
            feed.set(&variable, value);
        }
        feed.pipeline("limit: 20\nkey: event.type", &sinks(&destination.options(), ""));
        Self { name, feed, destination, waits: Waits::new(), faults: 0 }
    }

    fn begin(&self) -> Process {
        self.feed.start("run --log-format json --admin off p.yaml")
    }

    /// Puts events upstream before a fault.
    fn feed_more(&self) {
        self.feed.served.append(0, BACKLOG);
    }

    /// Whether the feed has events that nobody has asked for since it had served so many.
    fn flows_since(&self, served: u64, waiting: u64) -> bool {
        self.feed.served.stats().events_served - served < waiting
    }

    fn pause(&mut self) {
        std::thread::sleep(self.waits.next(PAUSE.0, PAUSE.1));
    }

    /// Waits until the program polls: faults before that strike nothing.
    fn wait_for_polls(&self) {
        let before = self.feed.served.stats().events_served;
        wait_for("the first polls", || (self.feed.served.stats().events_served > before).then_some(()));
    }

    /// Drains a process that is meant to end well.
    #[track_caller]
    fn drain(&self, process: Process) {
        process.terminate();
        let ended = process.finish();
        assert_eq!(ended.code, 0, "{}: the drain: {}", self.name, ended.stderr);
    }

    /// Heals everything, runs to the end and judges.
    #[track_caller]
    fn judge(&mut self) -> Tally {
        self.destination.proxies().iter().for_each(crate::FaultProxy::heal);
        let ended = self.feed.once();
        assert_eq!(ended.code, 0, "{}: {}", self.name, ended.stderr);
        let arrived = self.destination.arrived();
        let expected = |event: &str| self.destination.expected(event);
        let truth = self.feed.served.truth(0);
        let verdict = Verdict::new(&truth, expected, &arrived);
        let repeats = self.faults.saturating_mul(self.destination.repeats());
        verdict.assert(self.name, self.destination.promise(), repeats);
        Tally { name: self.name, events: truth.len(), faults: self.faults, repeated: verdict.repeated }
    }
}

fn sinks(options: &str, more: &str) -> String {
    format!(
        "sinks:\n  out: {{ inputs: [feed], retry: {{ initial: 500ms, max: 1s }}, batch: {{ max_events: 100 }}, \
         {options}{more} }}\n"
    )
}

/// Nothing goes wrong: each event once, whatever the promise.
///
/// # Panics
/// If not.
pub fn whole(program: impl Into<PathBuf>, destination: &mut dyn Destination) -> Tally {
    let mut trial = Trial::new("whole", program, destination);
    let tally = trial.judge();
    assert_eq!(tally.repeated, 0, "nothing went wrong, so nothing is repeated");
    tally
}

/// The program is killed with SIGKILL again and again.
///
/// # Panics
/// If an event is lost, changed, out of order, or there more often than promised.
pub fn killed(program: impl Into<PathBuf>, destination: &mut dyn Destination, effort: Effort) -> Tally {
    let mut trial = Trial::new("killed", program, destination);
    let mut in_flow = 0;
    for _ in 0..effort.kills {
        let before = trial.feed.served.stats().events_served;
        let process = trial.begin();
        trial.wait_for_polls();
        trial.pause();
        in_flow += usize::from(trial.flows_since(before, BACKLOG));
        process.kill();
        process.finish();
        trial.faults += 1;
        trial.feed_more();
    }
    let tally = trial.judge();
    assert!(in_flow * 5 >= effort.kills * 4, "four kills of five strike while events flow: {in_flow}");
    tally
}

/// Two hundred accounts in one pipeline, beside a sink that is slower, so that much is committed ahead of the saved
/// cursors; the program is killed with SIGKILL again and again.
///
/// # Panics
/// If an event of any account is lost or there twice.
pub fn many_accounts_killed(
    program: impl Into<PathBuf>,
    destination: &mut dyn Destination,
    effort: Effort,
) -> Tally {
    let options =
        Options { events: 40, latency: LATENCY, accounts: ACCOUNTS, ..Options::new(Api::OpenTrain) };
    let mut trial = Trial::with("many accounts killed", program, destination, options);
    let slower = "  slower: { type: blackhole, inputs: [feed], delay: 5ms, batch: { max_events: 20 } }\n";
    let sinks = sinks(&trial.destination.options(), "") + slower;
    trial.feed.pipeline("limit: 10\nkey: event.type", &sinks);
    for _ in 0..effort.kills {
        let process = trial.begin();
        trial.wait_for_polls();
        trial.pause();
        process.kill();
        process.finish();
        trial.faults += 1;
        (0..ACCOUNTS).for_each(|account| trial.feed.served.append(account, 20));
    }
    let ended = trial.feed.once();
    assert_eq!(ended.code, 0, "{}: {}", trial.name, ended.stderr);
    let mut arrived = trial.destination.arrived();
    let mut truth: Vec<String> = (0..ACCOUNTS).flat_map(|account| trial.feed.served.truth(account)).collect();
    arrived.sort_unstable();
    truth.sort_unstable();
    let difference = truth.iter().zip(&arrived).find(|(served, found)| served != found);
    assert!(
        truth == arrived,
        "{}: {} events, {} arrived; {difference:?}",
        trial.name,
        truth.len(),
        arrived.len()
    );
    Tally { name: trial.name, events: truth.len(), faults: trial.faults, repeated: 0 }
}

/// The server is killed with SIGKILL while events flow, and comes back.
///
/// # Panics
/// As [`killed`].
pub fn server_killed(
    program: impl Into<PathBuf>,
    destination: &mut dyn Destination,
    effort: Effort,
) -> Tally {
    let mut trial = Trial::new("server killed", program, destination);
    let process = trial.begin();
    trial.wait_for_polls();
    for _ in 0..effort.server_kills {
        trial.feed_more();
        trial.pause();
        assert!(trial.destination.kill_server(), "this destination has a server");
        trial.faults += 1;
    }
    trial.drain(process);
    trial.judge()
}

/// Connections are cut between two messages, in either direction, again and again.
///
/// # Panics
/// As [`killed`].
pub fn connections_cut(
    program: impl Into<PathBuf>,
    destination: &mut dyn Destination,
    effort: Effort,
) -> Tally {
    let mut trial = Trial::new("connections cut", program, destination);
    let process = trial.begin();
    trial.wait_for_polls();
    for round in 0..effort.cuts as u64 {
        let direction = if round % 2 == 0 { Direction::Requests } else { Direction::Replies };
        for proxy in trial.destination.proxies() {
            proxy.cut_at_message(direction, round % 7);
        }
        trial.feed_more();
        trial.pause();
        trial.faults += 1;
    }
    trial.destination.proxies().iter().for_each(crate::FaultProxy::heal);
    trial.drain(process);
    trial.judge()
}

/// The way to the server is slow: everything arrives once, for nothing is lost on the way.
///
/// # Panics
/// As [`killed`].
pub fn slow(program: impl Into<PathBuf>, destination: &mut dyn Destination) -> Tally {
    let mut trial = Trial::new("slow", program, destination);
    trial.destination.proxies().iter().for_each(|proxy| proxy.slow(400_000));
    let process = trial.begin();
    trial.wait_for_polls();
    std::thread::sleep(Duration::from_secs(2));
    trial.destination.proxies().iter().for_each(crate::FaultProxy::heal);
    trial.drain(process);
    trial.judge()
}

/// Replies come late, those of one connection later than those of another, so that they overtake each other.
///
/// # Panics
/// As [`killed`].
pub fn late_replies(program: impl Into<PathBuf>, destination: &mut dyn Destination) -> Tally {
    let mut trial = Trial::new("late replies", program, destination);
    let process = trial.begin();
    trial.wait_for_polls();
    for round in 0..6_u64 {
        for (place, proxy) in trial.destination.proxies().iter().enumerate() {
            let delay = if (round + place as u64).is_multiple_of(2) { 150 } else { 5 };
            proxy.delay_replies(Duration::from_millis(delay));
        }
        trial.feed_more();
        trial.pause();
    }
    trial.destination.proxies().iter().for_each(crate::FaultProxy::heal);
    trial.drain(process);
    trial.judge()
}

/// The program is stopped as it should be, in the middle, and started again.
///
/// # Panics
/// As [`killed`]; nothing is repeated, for a drain leaves nothing in flight.
pub fn stopped_and_resumed(program: impl Into<PathBuf>, destination: &mut dyn Destination) -> Tally {
    let mut trial = Trial::new("stopped and resumed", program, destination);
    for _ in 0..2 {
        let process = trial.begin();
        trial.wait_for_polls();
        trial.pause();
        trial.drain(process);
        trial.feed_more();
    }
    let tally = trial.judge();
    assert_eq!(tally.repeated, 0, "a drain leaves nothing in flight");
    tally
}

/// One event of many is refused for good: it is a dead letter, and the others arrive.
///
/// # Panics
/// If not.
pub fn rejected(program: impl Into<PathBuf>, destination: &mut dyn Destination) -> Tally {
    let refused = destination.refused().expect("this destination refuses something");
    let data = |id: usize| if id == 137 { refused.data.clone() } else { format!("{{\"n\":{id}}}") };
    let events: Vec<String> = (1..=300).map(|id| Stub::event(id, &data(id))).collect();
    let stub = Stub::feed(events.clone());
    let mut sandbox = Sandbox::new(program);
    for (variable, value) in destination.variables() {
        sandbox.set(&variable, value);
    }
    sandbox.pipe(&stub, 50, &sinks(&destination.options(), &refused.options));
    let ended = sandbox.run("run --once --log-format json --admin off p.yaml");
    assert_eq!(ended.code, 0, "rejected: {}", ended.stderr);
    let letters = sandbox.dead_letters();
    let ids: Vec<_> =
        letters.iter().map(|letter| letter["meta"]["id"].as_str().unwrap_or_default()).collect();
    assert_eq!(ids, ["opentrain:feed:137"], "{letters:#?}");
    assert_eq!(letters[0]["reason"], refused.reason, "{:#}", letters[0]);
    let others: Vec<String> = events.into_iter().filter(|event| !event.contains("\"id\":\"137\"")).collect();
    let arrived = destination.arrived();
    let verdict = Verdict::new(&others, |event| destination.expected(event), &arrived);
    verdict.assert("rejected", Promise::ExactlyOnce, 0);
    Tally { name: "rejected", events: others.len(), faults: 1, repeated: 0 }
}

/// A frozen owner wakes up after another has taken over: it writes nothing, and says so (exit 75).
///
/// # Panics
/// If it does.
pub fn taken_over(program: impl Into<PathBuf>, destination: &mut dyn Destination, accounts: u32) -> Tally {
    let total = if accounts == 1 { OWNED } else { 40 };
    let rate = if accounts == 1 { RATE } else { 20.0 };
    let options = Options { events: total, rate, accounts, ..Options::new(Api::OpenTrain) };
    let trial = Trial::with("taken over", program, destination, options);
    let zombie = trial.feed.start("run --log-format json --admin off --state-dir first p.yaml");
    trial.wait_for_polls();
    std::thread::sleep(Duration::from_millis(700));
    zombie.freeze();
    // The successor has a state of its own: only the destination knows where to go on.
    (0..accounts).for_each(|account| trial.feed.served.set_visible(account, total));
    let successor = trial.feed.run("run --once --log-format json --admin off --state-dir second p.yaml");
    assert_eq!(successor.code, 0, "taken over: {}", successor.stderr);
    zombie.thaw();
    (0..accounts).for_each(|account| trial.feed.served.append(account, 20));
    let ended = zombie.finish();
    assert_eq!(ended.code, 75, "taken over: the frozen owner: {}", ended.stderr);
    let arrived = trial.destination.arrived();
    let served = |account| {
        let truth = trial.feed.served.truth(account);
        truth.into_iter().take(usize::try_from(total).unwrap_or(usize::MAX))
    };
    let truth: Vec<String> = (0..accounts).flat_map(served).collect();
    let mut expected = truth.clone();
    let mut found = arrived.clone();
    expected.sort_unstable();
    found.sort_unstable();
    assert!(expected == found, "taken over: {} events, {} arrived", truth.len(), arrived.len());
    Tally { name: "taken over", events: truth.len(), faults: 1, repeated: 0 }
}
