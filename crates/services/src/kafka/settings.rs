//! The settings of a Kafka broker.
//!
//! Invariant: with three brokers, two of them hold every record that was acknowledged by all; with one, it alone does.

use std::fmt::Write as _;
use std::path::Path;

use crate::facts::{BrokerFacts, KafkaFacts, PASSWORD, USER};

/// The text of `server.properties` of the broker at that place of the list.
pub(crate) fn of_broker(facts: &KafkaFacts, index: usize, key_file: &Path) -> String {
    let (several, broker) = (facts.brokers.len() > 1, &facts.brokers[index]);
    let (replicas, in_sync) = if several { (3, 2) } else { (1, 1) };
    let voters: Vec<String> = facts
        .brokers
        .iter()
        .enumerate()
        .map(|(index, broker)| format!("{}@127.0.0.1:{}", node(index), broker.controller_port))
        .collect();
    let mut text = format!(
        "# Written by sluicebox-services.\n\
         process.roles=broker,controller\n\
         node.id={node}\n\
         controller.quorum.voters={voters}\n\
         controller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=PLAIN\n\
         broker.session.timeout.ms={session}\n\
         log.dirs={data}\n\
         log.retention.ms=-1\n\
         default.replication.factor={replicas}\n\
         min.insync.replicas={in_sync}\n\
         offsets.topic.replication.factor={replicas}\n\
         offsets.topic.num.partitions=4\n\
         transaction.state.log.replication.factor={replicas}\n\
         transaction.state.log.min.isr={in_sync}\n\
         transaction.state.log.num.partitions=4\n\
         share.coordinator.state.topic.replication.factor={replicas}\n\
         share.coordinator.state.topic.min.isr={in_sync}\n\
         share.coordinator.state.topic.num.partitions=1\n",
        node = node(index),
        session = facts.session_ms,
        voters = voters.join(","),
        data = broker.folder.join("data").display(),
    );
    text.push_str(FOR_TESTS);
    listeners(&mut text, broker);
    security(&mut text, facts, key_file);
    text
}

/// Broker 0 is node 1, as in Kafka's own examples.
pub(crate) fn node(index: usize) -> usize {
    index + 1
}

/// Few threads, little memory, no waiting.
const FOR_TESTS: &str = "\
num.network.threads=1
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=4194304
log.segment.bytes=67108864
log.index.size.max.bytes=1048576
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
controlled.shutdown.enable=true
auto.create.topics.enable=false
";

fn listeners(text: &mut String, broker: &BrokerFacts) {
    // Name, protocol, port that is listened to, host and port that clients are told.
    let mut listeners = vec![
        ("PLAIN".to_owned(), "PLAINTEXT", broker.port, "127.0.0.1", broker.port),
        ("TLS".to_owned(), "SSL", broker.tls_port, "localhost", broker.tls_port),
        ("SASL".to_owned(), "SASL_SSL", broker.sasl_port, "localhost", broker.sasl_port),
    ];
    for (index, &(port, advertised)) in broker.proxied.iter().enumerate() {
        listeners.push((format!("PROXIED{index}"), "PLAINTEXT", port, "127.0.0.1", advertised));
    }
    let mut heard = vec![format!("CONTROLLER://127.0.0.1:{}", broker.controller_port)];
    let mut told = Vec::new();
    let mut protocols = vec!["CONTROLLER:PLAINTEXT".to_owned()];
    for (name, protocol, port, host, advertised) in listeners {
        heard.push(format!("{name}://127.0.0.1:{port}"));
        told.push(format!("{name}://{host}:{advertised}"));
        protocols.push(format!("{name}:{protocol}"));
    }
    let _ = write!(
        text,
        "listeners={}\nadvertised.listeners={}\nlistener.security.protocol.map={}\n",
        heard.join(","),
        told.join(","),
        protocols.join(",")
    );
}

fn security(text: &mut String, facts: &KafkaFacts, key_file: &Path) {
    let module = "org.apache.kafka.common.security";
    let _ = write!(
        text,
        "ssl.keystore.type=PEM\n\
         ssl.keystore.location={}\n\
         ssl.truststore.type=PEM\n\
         ssl.truststore.location={}\n\
         ssl.client.auth=requested\n\
         sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n\
         listener.name.sasl.plain.sasl.jaas.config={module}.plain.PlainLoginModule required \
         user_{USER}=\"{PASSWORD}\";\n\
         listener.name.sasl.scram-sha-256.sasl.jaas.config={module}.scram.ScramLoginModule required;\n\
         listener.name.sasl.scram-sha-512.sasl.jaas.config={module}.scram.ScramLoginModule required;\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         allow.everyone.if.no.acl.found=true\n\
         super.users=User:ANONYMOUS\n",
        key_file.display(),
        facts.ca_file.display(),
    );
}
