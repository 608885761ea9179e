//! RabbitMQ, as a test sees it.
//!
//! Invariant: the node is known to an Erlang port mapper of its own only, so that it never meets a node of the machine.

mod drain;
mod run;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::facts::{Facts, PASSWORD, RabbitMqFacts, USER, loopback};
use crate::private::Private;
use crate::shared::{self, expect_private, fail};

/// Which process of a private server is the broker; the other one is its port mapper.
const BROKER: usize = 0;

/// A RabbitMQ node with TLS and a user who may do everything.
#[derive(Debug)]
pub struct RabbitMq {
    facts: RabbitMqFacts,
    private: Option<Private>,
}

impl RabbitMq {
    /// The server that `cargo xtask services up` started, or None when services are to be skipped.
    ///
    /// # Panics
    /// When it is not up.
    pub fn shared() -> Option<Self> {
        let facts =
            shared::find("RabbitMQ", |facts: Facts| facts.rabbitmq_is_up().then_some(facts.rabbitmq)?)?;
        Some(Self { facts, private: None })
    }

    /// A server of the caller's own with its data under `folder`, ended on drop; None when services are to be skipped.
    ///
    /// # Panics
    /// When RabbitMQ is not installed or does not start.
    pub fn private(folder: impl AsRef<Path>) -> Option<Self> {
        shared::is_wanted().then(|| {
            let (facts, node) = fail(run::create(&folder.as_ref().join("rabbitmq")));
            Self { facts, private: Some(Private::new(vec![node.broker, node.mapper])) }
        })
    }

    /// `amqp://user:password@127.0.0.1:port/%2f`.
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// The URL of the same virtual host at another address, such as a proxy's.
    pub fn url_at(&self, address: SocketAddr) -> String {
        format!("amqp://{USER}:{PASSWORD}@{address}/%2f")
    }

    /// `amqps://user:password@localhost:port/%2f`.
    pub fn tls_url(&self) -> String {
        format!("amqps://{USER}:{PASSWORD}@localhost:{}/%2f", self.facts.tls_port)
    }

    /// Where it listens without TLS.
    pub fn address(&self) -> SocketAddr {
        loopback(self.facts.port)
    }

    /// Where it listens with TLS.
    pub fn tls_address(&self) -> SocketAddr {
        loopback(self.facts.tls_port)
    }

    /// The user.
    pub fn user(&self) -> &'static str {
        USER
    }

    /// The password of [`user`](Self::user).
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// The authority that signed the server's certificate, as PEM; `client.pem` and `client.key` lie beside it.
    pub fn ca_file(&self) -> PathBuf {
        self.facts.ca_file.clone()
    }

    /// Runs the real `rabbitmqctl` and returns what it wrote. It takes a second or two to start.
    ///
    /// # Panics
    /// When it fails.
    pub fn ctl(&self, arguments: &[&str]) -> String {
        fail(run::ctl(&self.facts, arguments))
    }

    /// Takes every message out of a queue with pika, a client that shares no code with ours.
    ///
    /// # Panics
    /// When pika is not installed, or the queue cannot be read.
    pub fn pika_drain(&self, queue: &str) -> Vec<Message> {
        fail(drain::drain(&self.url(), queue))
    }

    /// Ends the node at once, as `kill -9` does, when what was declared so far is on its disk.
    ///
    /// RabbitMQ 3.10 answers a declaration before that: its database Mnesia writes its log a while later, seconds on a
    /// busy disk, and a queue that is not in it is gone with all that it confirmed. Messages need no such help.
    ///
    /// # Panics
    /// When `rabbitmqctl` fails.
    pub fn kill(&self) {
        self.ctl(&["eval", "mnesia:sync_log()."]);
        expect_private(self.private.as_ref()).kill(BROKER);
    }

    /// Ends the node in good order: connections are closed with a reason.
    pub fn stop(&self) {
        expect_private(self.private.as_ref()).stop(BROKER, Signal::TERM);
    }

    /// Starts it again on the same ports and waits until it answers.
    pub fn start(&self) {
        expect_private(self.private.as_ref()).start(BROKER, || run::start(&self.facts));
    }

    /// Stops the node where it is; connections stay open and nothing answers.
    pub fn freeze(&self) {
        expect_private(self.private.as_ref()).freeze(BROKER);
    }

    /// Lets a frozen node go on.
    pub fn thaw(&self) {
        expect_private(self.private.as_ref()).thaw(BROKER);
    }
}

pub use drain::Message;
pub(crate) use run::{create, leave, stop};
