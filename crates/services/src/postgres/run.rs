//! Making and running a PostgreSQL: `initdb`, its settings, `postgres`.
//!
//! PostgreSQL refuses to run as root, so root runs it as the user `postgres`. Invariant: no socket file, no listener
//! but the loopback one, and passwords for every connection.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::certificate::Certificates;
use crate::error::{Error, Result};
use crate::facts::{PASSWORD, PostgresFacts, USER};
use crate::place::{self, Account};
use crate::server::Server;
use crate::{ports, tools};

const SETTINGS: &str = "\
# Written by sluicebox-services.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
wal_level = replica
password_encryption = 'scram-sha-256'
ssl = on
# The page cache outlives every process; only the machine's own crash could tell.
fsync = off
full_page_writes = off
shared_buffers = 64MB
log_line_prefix = '%m [%p] %u@%d '
";

const RULES: &str = "\
# Written by sluicebox-services: a password for everyone, with TLS and without.
host all all 127.0.0.1/32 scram-sha-256
host replication all 127.0.0.1/32 scram-sha-256
";

/// Makes a server in a folder and starts it.
pub(crate) fn create(folder: &Path) -> Result<(PostgresFacts, Server)> {
    let account = account()?;
    let folder = own_folder(folder, account)?;
    let [port] = ports::free()?;
    let certificates = Certificates::create(&folder.join("tls"), account)?;
    let data = folder.join("data");
    initialize(&folder, &data, account)?;
    let settings = format!(
        "{SETTINGS}port = {port}\nssl_cert_file = '{}'\nssl_key_file = '{}'\nssl_ca_file = '{}'\n",
        certificates.server_file().display(),
        certificates.server_key_file().display(),
        certificates.ca_file().display(),
    );
    place::write(&data.join("postgresql.auto.conf"), settings)?;
    place::write(&data.join("pg_hba.conf"), RULES)?;
    let facts = PostgresFacts {
        folder,
        port,
        database: USER.to_owned(),
        ca_file: certificates.ca_file(),
        process: None,
    };
    let server = start(&facts)?;
    psql(&facts, "postgres", &format!("create database {}", facts.database))?;
    Ok((facts, server))
}

/// Starts a server that was made before, and waits until it answers.
pub(crate) fn start(facts: &PostgresFacts) -> Result<Server> {
    let account = account()?;
    let mut command = Command::new(tools::postgres("postgres")?);
    Account::assume(account, &mut command);
    command.arg("-D").arg(facts.folder.join("data")).current_dir(&facts.folder);
    let mut server = Server::start("PostgreSQL", command, &facts.folder.join("server.log"))?;
    server.await_ready(|_| psql(facts, "postgres", "select 1").is_ok())?;
    Ok(server)
}

/// Ends a server of an earlier run in good order.
pub(crate) fn stop(facts: &PostgresFacts) {
    if let Some(process) = facts.process {
        process.stop(Signal::INT);
    }
    discard(facts);
}

/// Removes what an ended server left outside the folder that was wished for it.
pub(crate) fn discard(facts: &PostgresFacts) {
    if facts.folder.starts_with(place::aside("")) {
        // Nothing depends on it, and the machine clears its temporary folder anyway.
        let _ = place::remove(&facts.folder);
    }
}

/// Runs SQL with psql.
pub(crate) fn psql(facts: &PostgresFacts, database: &str, sql: &str) -> Result<String> {
    let mut command = client(&tools::postgres("psql")?, facts);
    command.env("PGDATABASE", database);
    tools::run(command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]))
}

/// A client program with everything that it needs to connect.
pub(crate) fn client(program: &Path, facts: &PostgresFacts) -> Command {
    let mut command = Command::new(program);
    command
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", facts.port.to_string())
        .env("PGUSER", USER)
        .env("PGPASSWORD", PASSWORD)
        .env("PGDATABASE", &facts.database)
        .env("PGCONNECT_TIMEOUT", "5");
    command
}

fn initialize(folder: &Path, data: &Path, account: Option<Account>) -> Result<()> {
    let password_file = folder.join("password");
    place::write(&password_file, PASSWORD)?;
    place::only_for(account, &password_file)?;
    let mut command = Command::new(tools::postgres("initdb")?);
    Account::assume(account, &mut command);
    command.arg("-D").arg(data).arg("--pwfile").arg(&password_file).current_dir(folder);
    let options = ["--username", USER, "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-sync"];
    tools::run(command.args(options).arg("--no-locale")).map(|_| ())
}

/// A folder that the server's user owns and can reach: the wished one, or one aside.
fn own_folder(wished: &Path, account: Option<Account>) -> Result<PathBuf> {
    for folder in [wished.to_owned(), place::aside(&format!("postgres-{}", ports::free::<1>()?[0]))] {
        place::remove(&folder)?;
        place::create(&folder)?;
        Account::own(account, &folder)?;
        if Account::can_enter(account, &folder) {
            return Ok(folder);
        }
    }
    Err(Error::new(format!(
        "the user `postgres` can enter neither {} nor a temporary folder",
        wished.display()
    )))
}

/// Whom the server runs as: `postgres` when we are root, ourselves otherwise.
fn account() -> Result<Option<Account>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")
        .map_err(|cause| Error::during("cannot read the users of this machine", cause))?;
    let user = users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let is_it = fields.first() == Some(&"postgres");
        is_it.then(|| {
            Some(Account { user: fields.get(2)?.parse().ok()?, group: fields.get(3)?.parse().ok()? })
        })?
    });
    user.map(Some).ok_or_else(|| {
        Error::new(
            "PostgreSQL refuses to run as root and there is no user `postgres`; \
             `cargo xtask services up --install` installs it",
        )
    })
}
