//! What a running server is: folder, ports, credentials, processes.
//!
//! The facts of the shared servers are written to `services.json` when they start, and every test process reads them
//! there. Invariant: whatever a client or a later `down` needs is in the facts; nothing is guessed from the machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::place;
use crate::process::Started;

/// The user of every server, who may do everything.
pub(crate) const USER: &str = "sluicebox";
/// The password of [`USER`]. No secret: the servers hear the loopback interface only.
pub(crate) const PASSWORD: &str = "sluicebox-test";

/// The shared servers, as `services.json` holds them.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) postgres: Option<PostgresFacts>,
    pub(crate) rabbitmq: Option<RabbitMqFacts>,
    pub(crate) kafka: Option<KafkaFacts>,
}

/// One PostgreSQL.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PostgresFacts {
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    pub(crate) database: String,
    pub(crate) ca_file: PathBuf,
    pub(crate) process: Option<Started>,
}

/// One RabbitMQ node and the Erlang port mapper of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RabbitMqFacts {
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    pub(crate) tls_port: u16,
    pub(crate) mapper_port: u16,
    pub(crate) distribution_port: u16,
    pub(crate) ca_file: PathBuf,
    pub(crate) mapper: Option<Started>,
    pub(crate) process: Option<Started>,
}

/// One Kafka cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KafkaFacts {
    pub(crate) folder: PathBuf,
    /// How long a broker may be silent before the others take over, in milliseconds.
    pub(crate) session_ms: u32,
    pub(crate) ca_file: PathBuf,
    pub(crate) brokers: Vec<BrokerFacts>,
}

/// One broker, which is a controller too.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BrokerFacts {
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    pub(crate) tls_port: u16,
    pub(crate) sasl_port: u16,
    pub(crate) controller_port: u16,
    /// Pairs of the port that a listener hears and the port that it tells clients.
    pub(crate) proxied: Vec<(u16, u16)>,
    pub(crate) process: Option<Started>,
}

impl Facts {
    /// The file of the shared servers; no file means none were started.
    pub(crate) fn read() -> Result<Self> {
        let path = place::facts_file();
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|cause| {
                let attempt = format!(
                    "cannot understand {}; if another version of the code wrote it, end the processes that it names \
                     and remove it",
                    path.display()
                );
                Error::during(attempt, cause)
            }),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(cause) => Err(Error::during(format!("cannot read {}", path.display()), cause)),
        }
    }

    /// Whether the shared PostgreSQL runs.
    pub(crate) fn postgres_is_up(&self) -> bool {
        self.postgres.as_ref().is_some_and(|facts| all_run(&[facts.process]))
    }

    /// Whether the shared RabbitMQ runs.
    pub(crate) fn rabbitmq_is_up(&self) -> bool {
        self.rabbitmq.as_ref().is_some_and(|facts| all_run(&[facts.process, facts.mapper]))
    }

    /// Whether the shared Kafka runs.
    pub(crate) fn kafka_is_up(&self) -> bool {
        self.kafka.as_ref().is_some_and(|facts| facts.brokers.iter().all(|broker| all_run(&[broker.process])))
    }

    /// Writes the file aside and renames it, so that no reader sees half of it.
    pub(crate) fn write(&self) -> Result<()> {
        let path = place::facts_file();
        let aside = path.with_extension("json.new");
        let text = serde_json::to_string_pretty(self).expect("facts are plain data");
        std::fs::write(&aside, text + "\n")
            .and_then(|()| std::fs::rename(&aside, &path))
            .map_err(|cause| Error::during(format!("cannot write {}", path.display()), cause))
    }
}

fn all_run(processes: &[Option<Started>]) -> bool {
    processes.iter().all(|process| process.is_some_and(Started::is_alive))
}

/// Where everything here listens.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
