//! The threads of a proxy: one accepts, two a connection carry bytes.
//!
//! Reads have a short deadline, so that a cut is noticed by a thread that waits for bytes. Invariant: a cut connection
//! is closed with a reset on both sides, one that ended by itself with an end of stream.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::Direction;
use super::faults::Faults;

/// How soon a thread that waits for bytes notices a cut.
const GLANCE: Duration = Duration::from_millis(20);

/// How long a server may take to accept; a frozen one does, for its machine accepts on its behalf.
const REACH: Duration = Duration::from_secs(5);

/// Both ends of a connection.
struct Wire {
    client: TcpStream,
    server: TcpStream,
}

/// Accepts until the proxy ends.
pub(super) fn accept(listener: &TcpListener, upstream: SocketAddr, faults: &Arc<Faults>) {
    for client in listener.incoming() {
        if faults.has_ended() {
            return;
        }
        let Ok(client) = client else { continue };
        let is_cut = faults.admit();
        let faults = Arc::clone(faults);
        thread::spawn(move || {
            let server = is_cut.as_ref().and_then(|_| TcpStream::connect_timeout(&upstream, REACH).ok());
            match (is_cut, server) {
                (Some(is_cut), Some(server)) => serve(Wire { client, server }, is_cut, &faults),
                _ => reset_on_close(&client),
            }
        });
    }
}

/// Carries both directions until both have ended.
fn serve(wire: Wire, is_cut: Arc<AtomicBool>, faults: &Faults) {
    for stream in [&wire.client, &wire.server] {
        // Without these the connection works, only a little later.
        let _ = stream.set_nodelay(true);
        let _ = stream.set_read_timeout(Some(GLANCE));
        let _ = stream.set_write_timeout(Some(GLANCE));
    }
    thread::scope(|scope| {
        for direction in [Direction::Requests, Direction::Replies] {
            let (wire, is_cut) = (&wire, &*is_cut);
            scope.spawn(move || {
                if carry(wire, direction, is_cut, faults).is_none() {
                    is_cut.store(true, Ordering::Release);
                }
            });
        }
    });
    if is_cut.load(Ordering::Acquire) {
        reset_on_close(&wire.client);
        reset_on_close(&wire.server);
    }
    // Closed before it counts as ended.
    drop(wire);
    drop(is_cut);
    faults.note_end();
}

/// Forwards one direction to its end of stream; None when the connection was cut or broke.
fn carry(wire: &Wire, direction: Direction, is_cut: &AtomicBool, faults: &Faults) -> Option<()> {
    let (mut from, to) = match direction {
        Direction::Requests => (&wire.client, &wire.server),
        Direction::Replies => (&wire.server, &wire.client),
    };
    let mut pending = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        faults.pass(direction, is_cut)?;
        match from.read(&mut chunk) {
            Ok(0) => {
                send(to, &pending, is_cut)?;
                // The other side may have closed already.
                let _ = to.shutdown(Shutdown::Write);
                return Some(());
            }
            Ok(amount) => pending.extend_from_slice(&chunk[..amount]),
            Err(error) if is_timeout(&error) => continue,
            Err(_) => return None,
        }
        let mut gone = 0;
        while let Some(length) = next_length(faults, &pending[gone..]) {
            gone += length;
            forward(to, &pending[gone - length..gone], direction, is_cut, faults)?;
        }
        pending.drain(..gone);
    }
}

/// How much may be forwarded as one piece: a whole message, or whatever there is without a framing.
fn next_length(faults: &Faults, pending: &[u8]) -> Option<usize> {
    if pending.is_empty() {
        return None;
    }
    faults.framing.map_or(Some(pending.len()), |framing| framing(pending))
}

fn forward(
    to: &TcpStream,
    bytes: &[u8],
    direction: Direction,
    is_cut: &AtomicBool,
    faults: &Faults,
) -> Option<()> {
    let (delay, _) = faults.pass(direction, is_cut)?;
    sleep(delay, is_cut)?;
    let verdict = faults.judge(direction, bytes.len());
    let mut left = &bytes[..verdict.bytes];
    while !left.is_empty() {
        let (_, speed) = faults.pass(direction, is_cut)?;
        // A twentieth of a second at a time.
        let step = speed.map_or(usize::MAX, |speed| usize::try_from(speed / 20).unwrap_or(usize::MAX).max(1));
        let (piece, rest) = left.split_at(step.min(left.len()));
        if let Some(speed) = speed {
            let nanoseconds =
                u64::try_from(piece.len()).unwrap_or(u64::MAX).saturating_mul(1_000_000_000) / speed;
            sleep(Duration::from_nanos(nanoseconds), is_cut)?;
        }
        send(to, piece, is_cut)?;
        left = rest;
    }
    (!verdict.cut).then_some(())
}

/// Writes all of it, however slowly the other side reads; None once cut.
fn send(mut to: &TcpStream, mut bytes: &[u8], is_cut: &AtomicBool) -> Option<()> {
    while !bytes.is_empty() {
        if is_cut.load(Ordering::Acquire) {
            return None;
        }
        match to.write(bytes) {
            Ok(amount) if amount > 0 => bytes = &bytes[amount..],
            Err(error) if is_timeout(&error) => {}
            _ => return None,
        }
    }
    Some(())
}

fn sleep(mut time: Duration, is_cut: &AtomicBool) -> Option<()> {
    while !time.is_zero() {
        if is_cut.load(Ordering::Acquire) {
            return None;
        }
        let part = time.min(GLANCE);
        thread::sleep(part);
        time -= part;
    }
    Some(())
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Makes the close of a connection a reset.
fn reset_on_close(stream: &TcpStream) {
    // If the option cannot be set, the connection ends in good order, which a client must bear too.
    let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}
