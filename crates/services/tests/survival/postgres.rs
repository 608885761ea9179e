//! A PostgreSQL of a test's own: what was committed outlives `kill -9`, a frozen one hears and says nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use sluicebox_services::Postgres;

/// Asks for TLS, which the server answers with one letter before it knows anybody.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

#[test]
fn committed_rows_survive_a_kill_and_a_freeze() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Postgres::private(folder.path()) else { return };
    server.psql("create table kept (number integer); insert into kept select generate_series(1, 1000)");
    server.kill();
    assert_eq!(TcpStream::connect(server.address()).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    server.start();
    assert_eq!(server.psql("select count(*), sum(number) from kept"), "1000|500500");

    server.freeze();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    stream.write_all(&TLS_REQUEST).unwrap();
    let mut answer = [0];
    assert_eq!(stream.read_exact(&mut answer).unwrap_err().kind(), ErrorKind::WouldBlock);
    server.thaw();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, *b"S", "it speaks TLS");

    server.stop();
    server.start();
    assert_eq!(server.psql("select count(*) from kept"), "1000");
    assert!(server.url().contains(&server.address().to_string()));
}
