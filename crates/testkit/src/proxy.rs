//! A proxy that breaks the wire between a client and a real server, when and how a test says.
//!
//! Blocking threads on the loopback interface, for any protocol over TCP. Switches act on live and on new connections
//! alike. Invariant: bytes are never changed, dropped or reordered; a connection forwards them in order or is reset.

mod faults;
pub mod framing;
mod pump;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sluicebox_services::Kafka;

use faults::Faults;
use framing::Framing;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Requests,
    /// From the server to the client.
    Replies,
}

/// A proxy in front of one server, ended on drop.
pub struct FaultProxy {
    address: SocketAddr,
    faults: Arc<Faults>,
}

impl FaultProxy {
    /// Listens at a free port and forwards to `upstream`.
    ///
    /// # Panics
    /// If it cannot listen.
    pub fn start(upstream: SocketAddr) -> Self {
        Self::run(listen(), upstream, None)
    }

    /// Forwards whole messages only, so that they can be counted and cut between; see [`framing`].
    ///
    /// # Panics
    /// If it cannot listen.
    pub fn framed(upstream: SocketAddr, framing: Framing) -> Self {
        Self::run(listen(), upstream, Some(framing))
    }

    /// Stands before a broker of Kafka: clients that are told this address once stay behind the proxy, because the
    /// broker tells it them again.
    ///
    /// # Panics
    /// If every address that the broker has for proxies is taken.
    pub fn before_kafka(cluster: &Kafka, broker: usize) -> Self {
        let listeners = cluster.proxied(broker).into_iter();
        let mut open =
            listeners.filter_map(|one| Some((TcpListener::bind(one.advertised).ok()?, one.upstream)));
        let (listener, upstream) = open.next().expect("the broker has an address for one more proxy");
        Self::run(listener, upstream, Some(framing::kafka))
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets every connection now; new ones are served.
    pub fn cut(&self) {
        self.faults.cut();
    }

    /// Resets new connections at once, or serves them again; live ones go on.
    pub fn refuse(&self, refuse: bool) {
        self.faults.change(|switches| switches.refuse = refuse);
    }

    /// Forwards nothing in either direction until [`thaw`](Self::thaw); connections stay open.
    pub fn freeze(&self) {
        self.faults.change(|switches| switches.frozen = [true, true]);
    }

    /// Forwards nothing in one direction until [`thaw`](Self::thaw).
    pub fn freeze_only(&self, direction: Direction) {
        self.faults.change(|switches| switches.frozen[direction as usize] = true);
    }

    /// Forwards again what waited, and everything after it.
    pub fn thaw(&self) {
        self.faults.change(|switches| switches.frozen = [false, false]);
    }

    /// Forwards at most so many bytes a second, for each connection and direction.
    pub fn slow(&self, bytes_per_second: u64) {
        self.faults.change(|switches| switches.bytes_per_second = Some(bytes_per_second.max(1)));
    }

    /// Holds what the server says back for at least so long.
    pub fn delay_replies(&self, delay: Duration) {
        self.faults.change(|switches| switches.delay = delay);
    }

    /// Resets the connection over which the last of `bytes` more bytes go in that direction, all connections counted
    /// together; what is beyond is not forwarded. It happens once. (A reset overtakes bytes for which the receiver had
    /// no room, so it may have got less.)
    pub fn cut_after(&self, direction: Direction, bytes: u64) {
        self.faults.change(|switches| switches.cut_after[direction as usize] = Some(bytes));
    }

    /// Resets the connection over which the last of `messages` more messages go in that direction, all connections
    /// counted together, between this message and the next. It happens once. Zero cuts before the next message.
    ///
    /// # Panics
    /// If the proxy was not given a framing.
    pub fn cut_at_message(&self, direction: Direction, messages: u64) {
        assert!(self.faults.framing.is_some(), "start the proxy with a framing to count messages");
        self.faults.change(|switches| switches.cut_at_message[direction as usize] = Some(messages));
    }

    /// Takes every switch back. Connections that are open stay so.
    pub fn heal(&self) {
        self.faults.change(|switches| *switches = faults::Switches::default());
    }

    /// How many connections clients made so far, reset and refused ones included.
    pub fn count(&self) -> usize {
        self.faults.count()
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.faults.open()
    }

    /// How many whole messages went in that direction so far; none without a framing.
    pub fn messages(&self, direction: Direction) -> u64 {
        self.faults.messages(direction)
    }

    fn run(listener: TcpListener, upstream: SocketAddr, framing: Option<Framing>) -> Self {
        let address = listener.local_addr().expect("it listens");
        let faults = Arc::new(Faults::new(framing));
        let shared = Arc::clone(&faults);
        thread::spawn(move || pump::accept(&listener, upstream, &shared));
        Self { address, faults }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.faults.end();
        // The thread that accepts hears of it with the next connection.
        drop(std::net::TcpStream::connect(self.address));
    }
}

fn listen() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free")
}

#[cfg(test)]
mod tests;
