//! A RabbitMQ of a test's own: what is durable outlives `kill -9`.

use std::io::ErrorKind;
use std::net::TcpStream;

use sluicebox_services::RabbitMq;

#[test]
fn what_is_durable_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = RabbitMq::private(folder.path()) else { return };
    server.ctl(&["add_vhost", "kept"]);
    server.kill();
    assert_eq!(TcpStream::connect(server.address()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    server.start();
    let found = server.ctl(&["list_vhosts", "name"]);
    assert!(found.lines().any(|line| line == "kept"), "{found}");
    assert!(TcpStream::connect(server.tls_address()).is_ok());
}
