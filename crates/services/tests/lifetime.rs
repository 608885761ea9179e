//! A private server ends with the process that owns it, however that ends; and services can be skipped.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sluicebox_services::{Kafka, Postgres, PouchDb, RabbitMq, S3Proxy, Synapse};

const FOLDER: &str = "SLUICEBOX_TEST_FOLDER";

#[test]
fn a_private_server_does_not_outlive_a_killed_owner() {
    if std::env::var("SLUICEBOX_SERVICES").as_deref() == Ok("skip") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut owner =
        child("owner_of_a_server").env(FOLDER, folder.path()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines().map_while(Result::ok);
    // The harness writes the name of the test into the same line.
    let address =
        lines.into_iter().find_map(|line| Some(line.split_once("listens at ")?.1.to_owned())).unwrap();
    let address: SocketAddr = address.parse().unwrap();
    TcpStream::connect(address).unwrap();
    owner.kill().unwrap();
    owner.wait().unwrap();
    let start = Instant::now();
    while TcpStream::connect(address).is_ok() {
        assert!(start.elapsed() < Duration::from_secs(20), "the server outlives its owner");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn skipped_services_are_none() {
    let outcome = child("nothing_is_started").env("SLUICEBOX_SERVICES", "skip").output().unwrap();
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stdout));
}

#[test]
#[ignore = "the child process of the tests in this file"]
fn owner_of_a_server() {
    let server = Postgres::private(std::env::var(FOLDER).unwrap()).unwrap();
    println!("listens at {}", server.address());
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
#[ignore = "the child process of the tests in this file"]
fn nothing_is_started() {
    assert!(Postgres::shared().is_none() && Postgres::private("none").is_none());
    assert!(RabbitMq::shared().is_none() && RabbitMq::private("none").is_none());
    assert!(Kafka::shared().is_none() && Kafka::private("none", 1).is_none());
    assert!(PouchDb::private("none").is_none());
    assert!(S3Proxy::private("none").is_none());
    assert!(Synapse::private("none").is_none());
}

fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a test runs from a file"));
    command.args(["--ignored", "--exact", test, "--nocapture"]);
    command
}
