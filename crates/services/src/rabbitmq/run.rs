//! Making and running a RabbitMQ node: its port mapper, its settings, its environment.
//!
//! Invariant: whatever RabbitMQ would look for under `/etc`, `/var` or the user's home it finds in the folder instead.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::certificate::Certificates;
use crate::error::Result;
use crate::facts::{PASSWORD, RabbitMqFacts, USER, loopback};
use crate::server::Server;
use crate::{place, ports, tools};

/// The processes of a node.
pub(crate) struct Node {
    pub(crate) broker: Server,
    pub(crate) mapper: Server,
}

/// Makes a node in a folder and starts it.
pub(crate) fn create(folder: &Path) -> Result<(RabbitMqFacts, Node)> {
    place::remove(folder)?;
    place::create(&folder.join("data"))?;
    let certificates = Certificates::create(&folder.join("tls"), None)?;
    let [port, tls_port, mapper_port, distribution_port] = ports::free()?;
    let settings = settings(port, tls_port, &certificates);
    place::write(&folder.join("rabbitmq.conf"), settings)?;
    place::write(&folder.join("enabled_plugins"), "[].\n")?;
    let facts = RabbitMqFacts {
        folder: folder.to_owned(),
        port,
        tls_port,
        mapper_port,
        distribution_port,
        ca_file: certificates.ca_file(),
        mapper: None,
        process: None,
    };
    let mapper = start_mapper(&facts)?;
    let broker = start(&facts)?;
    Ok((facts, Node { broker, mapper }))
}

/// Starts the broker of a node that was made before, and waits until it answers.
pub(crate) fn start(facts: &RabbitMqFacts) -> Result<Server> {
    let mut command = command("rabbitmq-server", facts)?;
    // Threads that wait must not spin, for the tests share the processors with them.
    command.env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+sbwt none +sbwtdcpu none +sbwtdio none");
    let mut server = Server::start("RabbitMQ", command, &facts.folder.join("server.log"))?;
    server.await_ready(|_| says_hello(facts.port))?;
    Ok(server)
}

/// Lets a node run on after this process.
pub(crate) fn leave(facts: &mut RabbitMqFacts, node: Node) {
    facts.process = Some(node.broker.leave());
    facts.mapper = Some(node.mapper.leave());
}

/// Ends a node of an earlier run in good order.
pub(crate) fn stop(facts: &RabbitMqFacts) {
    for process in [facts.process, facts.mapper].into_iter().flatten() {
        process.stop(Signal::TERM);
    }
}

/// Runs `rabbitmqctl`.
pub(crate) fn ctl(facts: &RabbitMqFacts, arguments: &[&str]) -> Result<String> {
    tools::run(command("rabbitmqctl", facts)?.arg("--quiet").args(arguments))
}

fn start_mapper(facts: &RabbitMqFacts) -> Result<Server> {
    let mut command = Command::new(tools::erlang_mapper()?);
    command.args(["-port", &facts.mapper_port.to_string(), "-address", "127.0.0.1"]);
    let mut server = Server::start("the port mapper of Erlang", command, &facts.folder.join("mapper.log"))?;
    server.await_ready(|_| TcpStream::connect(loopback(facts.mapper_port)).is_ok())?;
    Ok(server)
}

/// A program of RabbitMQ that knows this node and no other.
fn command(program: &str, facts: &RabbitMqFacts) -> Result<Command> {
    let mut command = Command::new(tools::rabbitmq(program)?);
    let folder = &facts.folder;
    command
        .current_dir(folder)
        .env("HOME", folder)
        .env("ERL_EPMD_PORT", facts.mapper_port.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODENAME", format!("sluicebox-{}@localhost", facts.port))
        .env("RABBITMQ_DIST_PORT", facts.distribution_port.to_string())
        .env("RABBITMQ_SERVER_START_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", facts.port.to_string())
        .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq.conf"))
        .env("RABBITMQ_CONF_ENV_FILE", folder.join("none"))
        .env("RABBITMQ_ADVANCED_CONFIG_FILE", folder.join("none"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("enabled_plugins"))
        .env("RABBITMQ_MNESIA_BASE", folder.join("data"))
        .env("RABBITMQ_LOG_BASE", folder.join("log"))
        .env("RABBITMQ_PID_FILE", folder.join("pid"))
        .env("RABBITMQ_LOGS", "-");
    Ok(command)
}

fn settings(port: u16, tls_port: u16, certificates: &Certificates) -> String {
    format!(
        "# Written by sluicebox-services.\n\
         listeners.tcp.1 = 127.0.0.1:{port}\n\
         listeners.ssl.1 = 127.0.0.1:{tls_port}\n\
         ssl_options.cacertfile = {}\n\
         ssl_options.certfile = {}\n\
         ssl_options.keyfile = {}\n\
         ssl_options.verify = verify_peer\n\
         ssl_options.fail_if_no_peer_cert = false\n\
         default_user = {USER}\n\
         default_pass = {PASSWORD}\n\
         default_permissions.configure = .*\n\
         default_permissions.read = .*\n\
         default_permissions.write = .*\n\
         disk_free_limit.absolute = 50MB\n\
         log.console.level = info\n",
        certificates.ca_file().display(),
        certificates.server_file().display(),
        certificates.server_key_file().display(),
    )
}

/// Whether a broker answers the protocol header with its first method, `Connection.Start`.
fn says_hello(port: u16) -> bool {
    let hello = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(loopback(port))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"AMQP\x00\x00\x09\x01")?;
        let mut frame = [0];
        stream.read_exact(&mut frame)?;
        Ok(frame == [1])
    };
    hello().unwrap_or(false)
}
