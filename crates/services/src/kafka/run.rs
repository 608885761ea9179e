//! Making and running Kafka brokers, and Kafka's own tools, all with `java` from the jars of `kafka/pom.xml`.
//!
//! Invariant: a cluster is made of 1 or 3 brokers, which are formatted with the same cluster number and the same user.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use super::settings;
use crate::certificate::Certificates;
use crate::error::{Error, Result};
use crate::facts::{BrokerFacts, KafkaFacts, PASSWORD, USER};
use crate::server::Server;
use crate::shared::join;
use crate::{place, ports, tools};

/// Any 16 bytes in base64 will do.
const CLUSTER: &str = "c2x1aWNlYm94LXRlc3RzMA";

/// Ready, as the broker's own log says it.
const READY: &str = "Kafka Server started";

/// How long a broker of the shared cluster may be silent: long, for a busy machine is no fault.
pub(crate) const PATIENT_SESSION_MS: u32 = 15_000;

/// The same for private clusters: short, for what follows a kill waits for it (a broker that comes back does too).
pub(crate) const SHORT_SESSION_MS: u32 = 3000;

/// Makes a cluster in a folder and starts its brokers.
pub(crate) fn create(folder: &Path, brokers: usize, session_ms: u32) -> Result<(KafkaFacts, Vec<Server>)> {
    if ![1, 3].contains(&brokers) {
        return Err(Error::new(format!("a cluster has 1 or 3 brokers, not {brokers}")));
    }
    place::remove(folder)?;
    place::create(folder)?;
    let certificates = Certificates::create(&folder.join("tls"), None)?;
    let places = (0..brokers).map(|index| broker(folder, index)).collect::<Result<Vec<_>>>()?;
    let facts = KafkaFacts {
        session_ms,
        folder: folder.to_owned(),
        ca_file: certificates.ca_file(),
        brokers: places,
    };
    for (index, broker) in facts.brokers.iter().enumerate() {
        let text = settings::of_broker(&facts, index, &certificates.server_both_file());
        place::write(&broker.folder.join("server.properties"), text)?;
    }
    let servers = std::thread::scope(|scope| {
        let facts = &facts;
        let starting: Vec<_> = (0..brokers)
            .map(|index| {
                scope.spawn(move || {
                    format(&facts.brokers[index])?;
                    start(facts, index)
                })
            })
            .collect();
        starting.into_iter().map(join).collect::<Result<Vec<_>>>()
    })?;
    Ok((facts, servers))
}

/// Starts a broker that was made before, and waits until it serves.
pub(crate) fn start(facts: &KafkaFacts, index: usize) -> Result<Server> {
    let folder = &facts.brokers[index].folder;
    let mut command = java("384m")?;
    command.arg("kafka.Kafka").arg(folder.join("server.properties")).current_dir(folder);
    let mut server = Server::start("Kafka", command, &folder.join("server.log"))?;
    server.await_ready(|server| server.log().contains(READY))?;
    Ok(server)
}

/// Lets a cluster run on after this process.
pub(crate) fn leave(facts: &mut KafkaFacts, servers: Vec<Server>) {
    for (broker, server) in facts.brokers.iter_mut().zip(servers) {
        broker.process = Some(server.leave());
    }
}

/// Ends a cluster of an earlier run in good order.
pub(crate) fn stop(facts: &KafkaFacts) {
    for process in facts.brokers.iter().filter_map(|broker| broker.process) {
        process.stop(Signal::TERM);
    }
}

/// Runs a tool of Kafka against the cluster.
pub(crate) fn tool(class: &str, bootstrap: &str, arguments: &[&str]) -> Result<String> {
    let mut command = java("128m")?;
    tools::run(command.arg(class).args(["--bootstrap-server", bootstrap]).args(arguments))
}

/// Runs the console consumer. It reports the end of its time as a failure, after it wrote what it had read.
pub(crate) fn console_consumer(bootstrap: &str, topic: &str, arguments: &[&str]) -> Result<String> {
    let mut command = java("256m")?;
    command.arg("org.apache.kafka.tools.consumer.ConsoleConsumer");
    command.args(["--bootstrap-server", bootstrap, "--topic", topic, "--from-beginning"]);
    command.args(["--isolation-level", "read_committed"]).args(arguments);
    tools::run(&mut command)
}

/// Runs the console producer.
pub(crate) fn console_producer(bootstrap: &str, topic: &str, lines: &[&str]) -> Result<()> {
    let mut command = java("128m")?;
    command.arg("org.apache.kafka.tools.ConsoleProducer");
    command.args(["--bootstrap-server", bootstrap, "--topic", topic, "--sync"]);
    command.args(["--command-property", "acks=all"]);
    tools::run_with_input(&mut command, &(lines.join("\n") + "\n")).map(|_| ())
}

/// Writes the number of the cluster and the user into an empty data folder.
fn format(broker: &BrokerFacts) -> Result<()> {
    let mut command = java("128m")?;
    command.arg("kafka.tools.StorageTool").args(["format", "--cluster-id", CLUSTER, "--config"]);
    command.arg(broker.folder.join("server.properties"));
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
        command.arg("--add-scram").arg(format!("{mechanism}=[name={USER},password={PASSWORD}]"));
    }
    tools::run(&mut command).map(|_| ())
}

fn broker(folder: &Path, index: usize) -> Result<BrokerFacts> {
    let [port, tls_port, sasl_port, controller_port] = ports::free()?;
    let folder = folder.join(format!("broker-{index}"));
    place::create(&folder.join("data"))?;
    let proxied = (0..4).map(|_| ports::free().map(|[heard, told]| (heard, told))).collect::<Result<_>>()?;
    Ok(BrokerFacts { folder, port, tls_port, sasl_port, controller_port, proxied, process: None })
}

/// A Java that starts fast rather than runs fast, with little memory.
fn java(heap: &str) -> Result<Command> {
    let jars = tools::kafka_jars()?;
    let mut command = Command::new(tools::java()?);
    command
        .arg(format!("-Xmx{heap}"))
        .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.awt.headless=true"])
        .arg("-Dorg.slf4j.simpleLogger.showDateTime=true")
        .arg("-cp")
        .arg(jars.join("*"));
    Ok(command)
}
