//! Installing what is missing: Debian's packages, Kafka's jars and that of S3Proxy by their Maven coordinates,
//! PouchDB Server by the lock file of its packages, Synapse by the list of its packages, and pika by its name.
//!
//! Invariant: nothing is installed that is there, and no server of the machine's own is left running by it: a policy
//! file forbids Debian to start one for as long as the installation takes.

use std::path::Path;
use std::process::Command;

use crate::error::{Error, Result};
use crate::{place, tools};

/// The client that reads queues back.
const PIKA: &str = "pika==1.3.2";

/// Where Debian asks whether it may start a service.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs what is missing; `say` hears what.
pub(crate) fn install(say: &mut dyn FnMut(&str)) -> Result<()> {
    let packages = missing_packages();
    if !packages.is_empty() {
        say(&format!("installing the Debian packages {}", packages.join(", ")));
        install_packages(&packages)?;
    }
    if tools::kafka_jars().is_err() {
        say("fetching Apache Kafka's jars with Maven");
        fetch_jars()?;
    }
    if tools::s3proxy().is_err() {
        say("fetching the jar of S3Proxy with Maven");
        fetch_s3proxy()?;
    }
    if tools::pika().is_err() {
        say("fetching pika with pip");
        fetch_pika()?;
    }
    if tools::pouchdb_server().is_err() {
        say("fetching PouchDB Server with npm");
        fetch_pouchdb()?;
    }
    if tools::synapse().is_err() {
        say("fetching Synapse with pip");
        fetch_synapse()?;
    }
    Ok(())
}

fn missing_packages() -> Vec<&'static str> {
    let mut packages = Vec::new();
    if tools::postgres("postgres").is_err() || tools::postgres("psql").is_err() {
        packages.push("postgresql");
    }
    if tools::sqlite3().is_err() {
        packages.push("sqlite3");
    }
    if tools::rabbitmq("rabbitmq-server").is_err() {
        packages.push("rabbitmq-server");
    }
    if tools::java().is_err() {
        packages.push("default-jre-headless");
    }
    let has_jars = tools::kafka_jars().is_ok() && tools::s3proxy().is_ok();
    if !has_jars && tools::on_search_path("mvn").is_none() {
        packages.push("maven");
    }
    if (tools::pika().is_err() || tools::synapse().is_err()) && !has_pip() {
        packages.push("python3-pip");
    }
    if tools::node().is_err() {
        packages.push("nodejs");
    }
    if tools::pouchdb_server().is_err() && tools::on_search_path("npm").is_none() {
        packages.push("npm");
    }
    packages
}

fn install_packages(packages: &[&str]) -> Result<()> {
    if tools::on_search_path("apt-get").is_none() {
        return Err(Error::new(format!(
            "this machine has no apt-get; install {} by hand, or use compose.yaml",
            packages.join(", ")
        )));
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Error::new(format!(
            "only root can install packages: sudo apt-get install {}",
            packages.join(" ")
        )));
    }
    let policy = Path::new(POLICY);
    let is_ours = !policy.exists();
    if is_ours {
        place::write(
            policy,
            "#!/bin/sh\n# Written by sluicebox-services for as long as it installs.\nexit 101\n",
        )?;
        place::executable(policy)?;
    }
    // Old lists may do where new ones cannot be had.
    let update = apt(&["update"]);
    let outcome = apt(&[&["install", "--yes", "--no-install-recommends"], packages].concat())
        .map_err(|cause| update.err().map_or(cause.clone(), |first| Error::during(first, cause)));
    if is_ours {
        place::remove_file(policy)?;
    }
    outcome
}

fn apt(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet").args(arguments);
    tools::run(&mut command).map(|_| ())
}

/// Copies the jars into a folder of their own, and last the list of what was asked for.
fn fetch_jars() -> Result<()> {
    let folder = tools::kafka_jars_folder();
    place::remove(&folder)?;
    place::create(&folder)?;
    let mut command = Command::new("mvn");
    command
        .args(["--quiet", "--batch-mode", "--file"])
        .arg(tools::kafka_pom())
        .arg("dependency:copy-dependencies")
        .arg(format!("-DoutputDirectory={}", folder.display()));
    tools::run(&mut command)?;
    let pom = place::read(&tools::kafka_pom())?;
    place::write(&folder.join(tools::KAFKA_POM_COPY), pom)
}

/// Copies the one jar that has everything in it.
fn fetch_s3proxy() -> Result<()> {
    let folder = tools::s3proxy_folder();
    place::remove(&folder)?;
    place::create(&folder)?;
    let mut command = Command::new("mvn");
    command.args(["--quiet", "--batch-mode", "dependency:copy"]);
    command.arg(format!("-Dartifact={}", tools::S3PROXY_COORDINATES));
    command.arg(format!("-DoutputDirectory={}", folder.display()));
    tools::run(&mut command).map(|_| ())
}

fn has_pip() -> bool {
    let run = |python| tools::run(Command::new(python).args(["-m", "pip", "--version"]));
    tools::python().and_then(run).is_ok()
}

/// Puts the package into a folder of its own; the Python of the machine stays as it is.
fn fetch_pika() -> Result<()> {
    let folder = tools::pika_folder();
    place::remove(&folder)?;
    let mut command = Command::new(tools::python()?);
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"]);
    tools::run(command.arg(&folder).arg(PIKA)).map(|_| ())
}

/// Fetches exactly the packages of the list as they were built by their authors, and last copies the list.
fn fetch_synapse() -> Result<()> {
    let (wanted, folder) = (tools::synapse_wanted(), tools::synapse_folder());
    place::remove(&folder)?;
    place::create(&folder)?;
    let mut command = Command::new(tools::python()?);
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    command.args(["--only-binary", ":all:", "--target"]).arg(&folder).arg("--requirement").arg(&wanted);
    tools::run(&mut command)?;
    place::write(&folder.join(tools::SYNAPSE_COPY), place::read(&wanted)?)
}

/// Fetches exactly the packages of the lock file, and runs none of their scripts: the databases are in memory, so that
/// nothing has to be compiled.
fn fetch_pouchdb() -> Result<()> {
    let (wanted, folder) = (tools::pouchdb_wanted(), tools::pouchdb_folder());
    place::remove(&folder)?;
    place::create(&folder)?;
    for name in ["package.json", tools::NPM_LOCK] {
        place::write(&folder.join(name), place::read(&wanted.join(name))?)?;
    }
    let mut command = Command::new("npm");
    command
        .args(["ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"])
        .current_dir(&folder);
    tools::run(&mut command).map(|_| ())
}
