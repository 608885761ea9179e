//! The proxy in front of a server that says back what it hears and remembers it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::Instant;

use super::framing::{amqp, kafka, postgres};
use super::*;
use crate::wait_for;

/// What the server heard, over each connection that has ended.
type Heard = Arc<Mutex<Vec<Vec<u8>>>>;

fn echo() -> (SocketAddr, Heard) {
    let listener = listen();
    let address = listener.local_addr().unwrap();
    let heard = Heard::default();
    let notes = Arc::clone(&heard);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let notes = Arc::clone(&notes);
            thread::spawn(move || {
                let (mut all, mut chunk) = (Vec::new(), [0; 1024]);
                while let Ok(amount @ 1..) = stream.read(&mut chunk) {
                    all.extend_from_slice(&chunk[..amount]);
                    // A client that is gone hears nothing; what it said counts.
                    let _ = stream.write_all(&chunk[..amount]);
                }
                notes.lock().unwrap().push(all);
            });
        }
    });
    (address, heard)
}

fn client(proxy: &FaultProxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn say(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

fn is_reset(stream: &mut TcpStream) -> bool {
    stream.read(&mut [0; 64]).is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}

/// All that the server heard over the first connection that ended.
fn first_heard(heard: &Heard) -> Vec<u8> {
    wait_for("the server to lose a client", || heard.lock().unwrap().first().cloned())
}

/// Whether nothing comes for a while that is long for a loopback interface.
fn is_silent(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let outcome = stream.read(&mut [0; 64]);
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    outcome.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn a_cut_resets_what_is_open_and_serves_what_comes() {
    let proxy = FaultProxy::start(echo().0);
    let (mut first, mut second) = (client(&proxy), client(&proxy));
    assert_eq!((say(&mut first, "one"), say(&mut second, "two")), ("one".to_owned(), "two".to_owned()));
    assert_eq!(proxy.open(), 2);
    proxy.cut();
    assert_eq!(proxy.open(), 0);
    assert!(is_reset(&mut first) && is_reset(&mut second));
    assert_eq!(say(&mut client(&proxy), "three"), "three");
    assert_eq!(proxy.count(), 3);
}

#[test]
fn refused_connections_are_reset_and_live_ones_go_on() {
    let proxy = FaultProxy::start(echo().0);
    let mut live = client(&proxy);
    say(&mut live, "before");
    proxy.refuse(true);
    assert!(is_reset(&mut client(&proxy)));
    assert_eq!(say(&mut live, "still"), "still");
    proxy.refuse(false);
    assert_eq!(say(&mut client(&proxy), "again"), "again");
}

#[test]
fn a_frozen_direction_waits_and_loses_nothing() {
    let (upstream, heard) = echo();
    let proxy = FaultProxy::start(upstream);
    let mut stream = client(&proxy);
    say(&mut stream, "before ");
    for freeze in [FaultProxy::freeze, |proxy: &FaultProxy| proxy.freeze_only(Direction::Replies)] {
        freeze(&proxy);
        stream.write_all(b"frozen ").unwrap();
        assert!(is_silent(&mut stream));
        proxy.thaw();
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"frozen ");
    }
    drop(stream);
    assert_eq!(first_heard(&heard), b"before frozen frozen ");
}

#[test]
fn slow_and_delayed_connections_take_their_time() {
    let proxy = FaultProxy::start(echo().0);
    let mut stream = client(&proxy);
    proxy.slow(1000);
    let start = Instant::now();
    say(&mut stream, &"x".repeat(200));
    assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
    proxy.heal();
    proxy.delay_replies(Duration::from_millis(150));
    let start = Instant::now();
    say(&mut stream, "x");
    assert!(start.elapsed() >= Duration::from_millis(150), "{:?}", start.elapsed());
}

#[test]
fn a_cut_after_bytes_is_exact_and_happens_once() {
    let (upstream, heard) = echo();
    let proxy = FaultProxy::start(upstream);
    proxy.cut_after(Direction::Requests, 5);
    let mut stream = client(&proxy);
    stream.write_all(b"0123456789").unwrap();
    assert_eq!(first_heard(&heard), b"01234");
    assert_eq!(say(&mut client(&proxy), "0123456789"), "0123456789");
}

#[test]
fn a_cut_between_messages_leaves_whole_ones() {
    let (upstream, heard) = echo();
    let proxy = FaultProxy::framed(upstream, kafka);
    proxy.cut_at_message(Direction::Requests, 2);
    let mut stream = client(&proxy);
    // Three messages, the last one in two pieces.
    stream.write_all(b"\0\0\0\x01a\0\0\0\x02bb\0\0").unwrap();
    // The reset may have come already.
    let _ = stream.write_all(b"\0\x01c");
    assert_eq!(first_heard(&heard), b"\0\0\0\x01a\0\0\0\x02bb");
    assert_eq!(proxy.messages(Direction::Requests), 2);
}

#[test]
fn a_held_message_is_forwarded_once_it_is_whole() {
    let proxy = FaultProxy::framed(echo().0, kafka);
    let mut stream = client(&proxy);
    stream.write_all(b"\0\0\0\x02h").unwrap();
    assert!(is_silent(&mut stream));
    stream.write_all(b"i").unwrap();
    let mut answer = [0; 6];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"\0\0\0\x02hi");
}

#[test]
fn framings_know_the_first_messages_and_the_later_ones() {
    for (framing, whole) in [
        (postgres as framing::Framing, &b"\0\0\0\x08\x04\xd2\x16\x2f"[..]),
        (postgres, b"Q\0\0\0\x07;;\0"),
        (amqp, b"AMQP\0\0\x09\x01"),
        (amqp, b"\x08\0\0\0\0\0\0\xce"),
        (amqp, b"\x01\0\x01\0\0\0\x02hi\xce"),
        (kafka, b"\0\0\0\x03abc"),
    ] {
        for end in 0..whole.len() {
            assert_eq!(framing(&whole[..end]), None, "{whole:?} up to {end}");
        }
        assert_eq!(framing(whole), Some(whole.len()));
        assert_eq!(framing(&[whole, b"more"].concat()), Some(whole.len()));
    }
}
