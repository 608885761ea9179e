//! The servers that all tests share: starting them, ending them, finding them.
//!
//! `up` writes what it started to `services.json`, test processes read it, `down` ends exactly that. Invariant: the file
//! names only servers that were ready when it was written, and a lock keeps two runs from starting the same server.

use std::fs::File;
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, Result};
use crate::facts::{Facts, loopback};
use crate::private::Private;
use crate::process::Started;
use crate::{install, kafka, place, postgres, rabbitmq};

/// Which servers tests use: `skip` none, anything else the ones that have to be there.
const VARIABLE: &str = "SLUICEBOX_SERVICES";

/// One line of `status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What it is.
    pub name: &'static str,
    /// `up`, or why not.
    pub state: &'static str,
    /// Where clients connect; empty when it is not up.
    pub addresses: String,
    /// The processes, comma between.
    pub pids: String,
    /// Its data and logs.
    pub folder: PathBuf,
}

/// What `up` did.
#[derive(Debug, Default)]
pub struct Up {
    /// The servers that this run started; others were up before.
    pub started: Vec<&'static str>,
    /// What is not up, and why.
    pub failures: Vec<Error>,
}

/// Starts the servers that are not up, side by side; with `install` it installs what is missing before. `say` hears
/// what is done.
///
/// # Errors
/// When nothing could be tried at all; a server that did not start is a failure in the result.
pub fn up(install: bool, say: &mut dyn FnMut(&str)) -> Result<Up> {
    let _lock = lock()?;
    let mut facts = Facts::read()?;
    let mut report = Up::default();
    if install {
        // What cannot be installed is named again, server by server, when it does not start.
        report.failures.extend(install::install(say).err());
    }
    let folder = place::services();
    let wanted = [facts.postgres_is_up(), facts.rabbitmq_is_up(), facts.kafka_is_up()].map(|is_up| !is_up);
    for (_, name) in wanted.iter().zip(NAMES).filter(|(wanted, _)| **wanted) {
        say(&format!("starting {name}"));
    }
    let (postgres, rabbitmq, kafka) = std::thread::scope(|scope| {
        let postgres = wanted[0].then(|| scope.spawn(|| postgres::create(&folder.join("postgres"))));
        let rabbitmq = wanted[1].then(|| scope.spawn(|| rabbitmq::create(&folder.join("rabbitmq"))));
        let kafka = wanted[2]
            .then(|| scope.spawn(|| kafka::create(&folder.join("kafka-data"), 1, kafka::PATIENT_SESSION_MS)));
        (postgres.map(join), rabbitmq.map(join), kafka.map(join))
    });
    if let Some((mut found, server)) = report.note(NAMES[0], postgres) {
        found.process = Some(server.leave());
        facts.postgres = Some(found);
    }
    if let Some((mut found, node)) = report.note(NAMES[1], rabbitmq) {
        rabbitmq::leave(&mut found, node);
        facts.rabbitmq = Some(found);
    }
    if let Some((mut found, servers)) = report.note(NAMES[2], kafka) {
        kafka::leave(&mut found, servers);
        facts.kafka = Some(found);
    }
    facts.write()?;
    Ok(report)
}

/// Ends servers that an earlier `up` started: those named, in good order, and nothing else.
///
/// # Errors
/// When the facts about them cannot be read or written.
pub fn down(names: &[&str]) -> Result<Vec<&'static str>> {
    let _lock = lock()?;
    let mut facts = Facts::read()?;
    let is_named = |name: &'static str| names.contains(&name).then_some(name);
    let postgres = is_named(NAMES[0]).and_then(|_| facts.postgres.take());
    let rabbitmq = is_named(NAMES[1]).and_then(|_| facts.rabbitmq.take());
    let kafka = is_named(NAMES[2]).and_then(|_| facts.kafka.take());
    std::thread::scope(|scope| {
        scope.spawn(|| postgres.iter().for_each(postgres::stop));
        scope.spawn(|| rabbitmq.iter().for_each(rabbitmq::stop));
        scope.spawn(|| kafka.iter().for_each(kafka::stop));
    });
    facts.write()?;
    let ended = [postgres.is_some(), rabbitmq.is_some(), kafka.is_some()];
    Ok(NAMES.into_iter().zip(ended).filter_map(|(name, ended)| ended.then_some(name)).collect())
}

/// The shared servers, one line each.
///
/// # Errors
/// When the facts about them cannot be read.
pub fn status() -> Result<Vec<Status>> {
    let facts = Facts::read()?;
    let line = |name, folder: &str| Status {
        name,
        state: "not started",
        addresses: String::new(),
        pids: String::new(),
        folder: place::services().join(folder),
    };
    let mut lines = [line(NAMES[0], "postgres"), line(NAMES[1], "rabbitmq"), line(NAMES[2], "kafka-data")];
    if let Some(postgres) = &facts.postgres {
        lines[0].fill(facts.postgres_is_up(), &[postgres.port], &[postgres.process], &postgres.folder);
    }
    if let Some(node) = &facts.rabbitmq {
        let (ports, processes) = ([node.port, node.tls_port], [node.process, node.mapper]);
        lines[1].fill(facts.rabbitmq_is_up(), &ports, &processes, &node.folder);
    }
    if let Some((kafka, broker)) =
        facts.kafka.as_ref().and_then(|kafka| Some((kafka, kafka.brokers.first()?)))
    {
        let ports = [broker.port, broker.tls_port, broker.sasl_port];
        lines[2].fill(facts.kafka_is_up(), &ports, &[broker.process], &kafka.folder);
    }
    Ok(lines.into())
}

/// The names of the servers, as `up` and `down` use them.
pub const NAMES: [&str; 3] = ["PostgreSQL", "RabbitMQ", "Apache Kafka"];

impl Up {
    fn note<T>(&mut self, name: &'static str, result: Option<Result<T>>) -> Option<T> {
        match result? {
            Ok(found) => {
                self.started.push(name);
                Some(found)
            }
            Err(cause) => {
                self.failures.push(cause);
                None
            }
        }
    }
}

impl Status {
    fn fill(&mut self, is_up: bool, ports: &[u16], processes: &[Option<Started>], folder: &std::path::Path) {
        self.state = if is_up { "up" } else { "ended" };
        folder.clone_into(&mut self.folder);
        if is_up {
            let addresses: Vec<String> = ports.iter().map(|port| loopback(*port).to_string()).collect();
            self.addresses = addresses.join(" ");
            let pids: Vec<String> =
                processes.iter().flatten().map(|started| started.pid.to_string()).collect();
            self.pids = pids.join(",");
        }
    }
}

/// Whether tests use servers at all.
pub(crate) fn is_wanted() -> bool {
    std::env::var(VARIABLE).as_deref() != Ok("skip")
}

/// The facts about a shared server that is up; None when services are to be skipped.
pub(crate) fn find<T>(name: &str, facts_of: impl FnOnce(Facts) -> Option<T>) -> Option<T> {
    if !is_wanted() {
        return None;
    }
    let Some(found) = facts_of(fail(Facts::read())) else {
        panic!(
            "{name} is not up. `cargo xtask services up` starts it (add --install when it is not installed), \
             `cargo xtask test` does so for all tests, and {VARIABLE}=skip leaves out the tests that need it"
        )
    };
    Some(found)
}

/// The processes of a private server.
pub(crate) fn expect_private(private: Option<&Private>) -> &Private {
    let Some(private) = private else {
        panic!("other tests use the shared server; ask for a private one to kill or freeze it")
    };
    private
}

/// Fails the test that asked.
pub(crate) fn fail<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|cause| panic!("{cause}"))
}

/// What a thread returned; its panic is a failure like others.
pub(crate) fn join<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|_| Err(Error::new("the thread that started a server panicked")))
}

/// Held while servers are started or ended; the end of the process lets it go.
fn lock() -> Result<File> {
    place::create(&place::services())?;
    let path = place::services().join("lock");
    let file = File::create(&path)
        .map_err(|cause| Error::during(format!("cannot write {}", path.display()), cause))?;
    flock(&file, FlockOperation::LockExclusive)
        .map_err(|cause| Error::during(format!("cannot lock {}", path.display()), cause))?;
    Ok(file)
}
