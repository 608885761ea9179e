//! Apache Kafka, as a test sees it.
//!
//! A client asks a broker where the brokers are and then connects there, past any proxy it was given first. So each
//! broker has listeners that tell clients the address of a proxy ([`Proxied`]). Invariant: every listener is on the
//! loopback interface, and the same user exists on each that asks for one.

mod run;
mod settings;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::facts::{BrokerFacts, Facts, KafkaFacts, PASSWORD, USER, loopback};
use crate::private::Private;
use crate::shared::{self, expect_private, fail};

/// A listener for clients behind a proxy: the proxy listens at `advertised` and forwards to `upstream`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proxied {
    /// What the broker tells clients, and where the proxy has to listen. Nothing listens there before.
    pub advertised: SocketAddr,
    /// Where the broker listens.
    pub upstream: SocketAddr,
}

/// A Kafka cluster in `KRaft` mode, each broker a controller too.
#[derive(Debug)]
pub struct Kafka {
    facts: KafkaFacts,
    private: Option<Private>,
}

impl Kafka {
    /// The one broker that `cargo xtask services up` started, or None when services are to be skipped.
    ///
    /// # Panics
    /// When it is not up.
    pub fn shared() -> Option<Self> {
        let facts =
            shared::find("Apache Kafka", |facts: Facts| facts.kafka_is_up().then_some(facts.kafka)?)?;
        Some(Self { facts, private: None })
    }

    /// A cluster of the caller's own (1 or 3 brokers) with its data under `folder`, ended on drop; None when services
    /// are to be skipped.
    ///
    /// # Panics
    /// When Kafka is not installed or does not start.
    pub fn private(folder: impl AsRef<Path>, brokers: usize) -> Option<Self> {
        shared::is_wanted().then(|| {
            let (facts, servers) =
                fail(run::create(&folder.as_ref().join("kafka"), brokers, run::SHORT_SESSION_MS));
            Self { facts, private: Some(Private::new(servers)) }
        })
    }

    /// `bootstrap.servers` without TLS: `127.0.0.1:port`, several with commas between.
    pub fn bootstrap(&self) -> String {
        self.every("127.0.0.1", |broker| broker.port)
    }

    /// `bootstrap.servers` with TLS: `localhost:port`.
    pub fn tls_bootstrap(&self) -> String {
        self.every("localhost", |broker| broker.tls_port)
    }

    /// `bootstrap.servers` with TLS and SASL (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512): `localhost:port`.
    pub fn sasl_bootstrap(&self) -> String {
        self.every("localhost", |broker| broker.sasl_port)
    }

    /// Listeners of a broker that send their clients to a proxy, several, for tests that run side by side: a test takes
    /// the first at whose advertised address it can listen.
    pub fn proxied(&self, broker: usize) -> Vec<Proxied> {
        let pairs = self.facts.brokers.get(broker).map_or(&[][..], |broker| &broker.proxied);
        let listener = |&(upstream, advertised): &(u16, u16)| Proxied {
            advertised: loopback(advertised),
            upstream: loopback(upstream),
        };
        pairs.iter().map(listener).collect()
    }

    /// The user of [`sasl_bootstrap`](Self::sasl_bootstrap), by every mechanism.
    pub fn user(&self) -> &'static str {
        USER
    }

    /// The password of [`user`](Self::user).
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// The authority that signed the servers' certificate, as PEM; `client.pem` and `client.key` lie beside it.
    pub fn ca_file(&self) -> PathBuf {
        self.facts.ca_file.clone()
    }

    /// Reads a topic with Apache Kafka's own console consumer: committed records only, from the beginning. Give it an
    /// end with `--max-messages N` or `--timeout-ms N`; what it wrote is returned.
    ///
    /// # Panics
    /// When it fails for another reason than its time being over.
    pub fn console_consumer(&self, topic: &str, arguments: &[&str]) -> String {
        fail(run::console_consumer(&self.bootstrap(), topic, arguments))
    }

    /// Writes a record a line with Apache Kafka's own console producer, acknowledged by all replicas in sync.
    ///
    /// # Panics
    /// When it fails.
    pub fn console_producer(&self, topic: &str, lines: &[&str]) {
        fail(run::console_producer(&self.bootstrap(), topic, lines));
    }

    /// Runs `kafka-topics`, such as `&["--create", "--topic", "orders", "--partitions", "3"]`.
    ///
    /// # Panics
    /// When it fails.
    pub fn topics(&self, arguments: &[&str]) -> String {
        fail(run::tool("org.apache.kafka.tools.TopicCommand", &self.bootstrap(), arguments))
    }

    /// Runs `kafka-acls`. Whoever connects without SASL may do everything; the user may do what no rule on the same
    /// topic leaves out.
    ///
    /// # Panics
    /// When it fails.
    pub fn acls(&self, arguments: &[&str]) -> String {
        fail(run::tool("org.apache.kafka.tools.AclCommand", &self.bootstrap(), arguments))
    }

    /// How many brokers there are.
    pub fn brokers(&self) -> usize {
        self.facts.brokers.len()
    }

    /// Ends a broker at once, as `kill -9` does.
    pub fn kill(&self, broker: usize) {
        expect_private(self.private.as_ref()).kill(broker);
    }

    /// Ends a broker in good order: it hands its partitions over first.
    pub fn stop(&self, broker: usize) {
        expect_private(self.private.as_ref()).stop(broker, Signal::TERM);
    }

    /// Starts a broker again on the same ports and waits until it serves.
    pub fn start(&self, broker: usize) {
        expect_private(self.private.as_ref()).start(broker, || run::start(&self.facts, broker));
    }

    /// Starts every broker that does not run, side by side: most of them have to be there before one serves.
    pub fn start_all(&self) {
        std::thread::scope(|scope| {
            for broker in 0..self.brokers() {
                scope.spawn(move || self.start(broker));
            }
        });
    }

    /// Stops a broker where it is; connections stay open and nothing answers.
    pub fn freeze(&self, broker: usize) {
        expect_private(self.private.as_ref()).freeze(broker);
    }

    /// Lets a frozen broker go on.
    pub fn thaw(&self, broker: usize) {
        expect_private(self.private.as_ref()).thaw(broker);
    }

    fn every(&self, host: &str, port: impl Fn(&BrokerFacts) -> u16) -> String {
        let addresses: Vec<String> =
            self.facts.brokers.iter().map(|broker| format!("{host}:{}", port(broker))).collect();
        addresses.join(",")
    }
}

pub(crate) use run::{PATIENT_SESSION_MS, create, leave, stop};
