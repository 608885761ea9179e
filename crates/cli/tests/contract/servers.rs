//! Destinations with real servers, behind proxies: Apache Kafka, read back by its own console consumer, and PostgreSQL,
//! read back by psql.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use sluicebox_services::{Kafka, Postgres};
use sluicebox_testkit::contract::{Destination, Promise, Refused};
use sluicebox_testkit::{FaultProxy, framing, wait_for};

use crate::contract;

/// A name that no other test uses, in this process or another.
pub(crate) fn unique(prefix: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{prefix}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A topic of three partitions, with positions of its own.
pub(crate) struct Topic {
    kafka: Kafka,
    proxies: Vec<FaultProxy>,
    name: String,
    promise: Promise,
    kills: Cell<usize>,
    _folder: Option<tempfile::TempDir>,
}

impl Topic {
    fn shared(promise: Promise) -> Option<Self> {
        Some(Self::of(Kafka::shared()?, promise, None))
    }

    /// On brokers of its own, one of which is killed at a time.
    fn private(promise: Promise, brokers: usize) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        Some(Self::of(Kafka::private(folder.path(), brokers)?, promise, Some(folder)))
    }

    fn of(kafka: Kafka, promise: Promise, folder: Option<tempfile::TempDir>) -> Self {
        let name = unique("contract");
        let copies = kafka.brokers().to_string();
        kafka.topics(&["--create", "--topic", &name, "--partitions", "3", "--replication-factor", &copies]);
        let proxies = (0..kafka.brokers()).map(|broker| FaultProxy::before_kafka(&kafka, broker)).collect();
        Self { kafka, proxies, name, promise, kills: Cell::new(0), _folder: folder }
    }
}

impl Destination for Topic {
    fn options(&self) -> String {
        let Self { name, .. } = self;
        let brokers: Vec<String> =
            self.proxies.iter().map(|proxy| format!("\"{}\"", proxy.address())).collect();
        let brokers = brokers.join(", ");
        let exactly = match self.promise {
            Promise::ExactlyOnce => format!(
                ", delivery: exactly_once, position_topic: {name}_positions, dead_letter_topic: {name}_letters, \
                 transactional_id: {name}"
            ),
            Promise::AtLeastOnce => String::new(),
        };
        format!("type: kafka, brokers: [{brokers}], topic: {name}{exactly}")
    }

    fn promise(&self) -> Promise {
        self.promise
    }

    fn arrived(&mut self) -> Vec<String> {
        let text = self.kafka.console_consumer(&self.name, &["--timeout-ms", "4000"]);
        text.lines().map(str::to_owned).collect()
    }

    fn proxies(&self) -> &[FaultProxy] {
        &self.proxies
    }

    fn kill_server(&self) -> bool {
        // One after another, so that leaders move where there are several.
        let broker = self.kills.replace(self.kills.get() + 1) % self.kafka.brokers();
        self.kafka.kill(broker);
        self.kafka.start(broker);
        // Three brokers bear the loss of one at a time: the next may go when this one has caught up.
        let describe = ["--describe", "--under-replicated-partitions"];
        wait_for("all replicas in sync", || self.kafka.topics(&describe).trim().is_empty().then_some(()));
        true
    }

    fn refused(&self) -> Option<Refused> {
        let data = format!("{{\"n\":\"{}\"}}", "x".repeat(100_000));
        Some(Refused { data, options: ", max_message_bytes: 64KiB".to_owned(), reason: "too_large" })
    }
}

/// A table in a schema of its own.
pub(crate) struct Table {
    postgres: Postgres,
    proxies: [FaultProxy; 1],
    schema: String,
    _folder: Option<tempfile::TempDir>,
}

impl Table {
    fn shared() -> Option<Self> {
        Some(Self::of(Postgres::shared()?, None))
    }

    /// On a server that may be killed.
    fn private() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        Some(Self::of(Postgres::private(folder.path())?, Some(folder)))
    }

    fn of(postgres: Postgres, folder: Option<tempfile::TempDir>) -> Self {
        let schema = unique("contract");
        postgres.psql(&format!("CREATE SCHEMA {schema}"));
        // A table has no order of its own: a column counts the rows as they are inserted.
        postgres.psql(&format!(
            "CREATE TABLE {schema}.events (_event_id text, _source text, _account text, _type text, \
             _event_time timestamptz, _received_at timestamptz, _loaded_at timestamptz, _pipeline text, event json, \
             _row bigint GENERATED ALWAYS AS IDENTITY)"
        ));
        let proxies = [FaultProxy::framed(postgres.address(), framing::postgres)];
        Self { postgres, proxies, schema, _folder: folder }
    }
}

impl Destination for Table {
    fn options(&self) -> String {
        format!("type: postgres, url: \"${{URL}}\", schema: {}, table: events", self.schema)
    }

    fn variables(&self) -> Vec<(String, String)> {
        vec![("URL".to_owned(), self.postgres.url_at(self.proxies[0].address()))]
    }

    fn promise(&self) -> Promise {
        Promise::ExactlyOnce
    }

    fn arrived(&mut self) -> Vec<String> {
        let text = self.postgres.psql(&format!("SELECT event FROM {}.events ORDER BY _row", self.schema));
        text.lines().map(str::to_owned).collect()
    }

    fn proxies(&self) -> &[FaultProxy] {
        &self.proxies
    }

    fn kill_server(&self) -> bool {
        self.postgres.kill();
        self.postgres.start();
        true
    }

    /// A constraint that one event breaks.
    fn refused(&self) -> Option<Refused> {
        let check = "CHECK (event -> 'data' ->> 'n' <> 'many')";
        self.postgres.psql(&format!("ALTER TABLE {}.events ADD {check}", self.schema));
        Some(Refused { data: r#"{"n":"many"}"#.to_owned(), options: String::new(), reason: "rejected" })
    }
}

contract!(
    kafka_transactional,
    Topic::shared(Promise::ExactlyOnce),
    [
        whole,
        killed,
        many_accounts_killed,
        connections_cut,
        slow,
        late_replies,
        stopped_and_resumed,
        rejected,
        taken_over
    ]
);
contract!(
    kafka_idempotent,
    Topic::shared(Promise::AtLeastOnce),
    [whole, killed, connections_cut, slow, late_replies, stopped_and_resumed, rejected]
);
contract!(kafka_idempotent_broker, Topic::private(Promise::AtLeastOnce, 1), [server_killed]);
// A broker that is alone may forget the end of a transaction when it is killed (KAFKA-20734).
contract!(kafka_transactional_cluster, Topic::private(Promise::ExactlyOnce, 3), [server_killed]);
contract!(
    postgres,
    Table::shared(),
    [
        whole,
        killed,
        many_accounts_killed,
        connections_cut,
        slow,
        late_replies,
        stopped_and_resumed,
        rejected,
        taken_over
    ]
);
contract!(postgres_server, Table::private(), [server_killed]);
