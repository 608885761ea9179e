//! Posts signed deliveries as OpenTrain does, over plain sockets, one connection each.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Longer than a sender of the contract waits.
const PATIENCE: Duration = Duration::from_secs(12);

/// One sender and its receiver.
pub(crate) struct Sender {
    address: SocketAddr,
    path: String,
    secret: String,
}

impl Sender {
    /// A sender to a port of this machine.
    pub(crate) fn new(port: u16, path: &str, secret: &str) -> Self {
        Self { address: ([127, 0, 0, 1], port).into(), path: path.to_owned(), secret: secret.to_owned() }
    }

    /// Posts a body, signed now as OpenTrain does. `None`: there was no whole answer.
    pub(crate) fn post(&self, id: &str, body: &str) -> Option<u16> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let signature = self.sign(u128::from(seconds), body)?;
        let headers =
            format!("X-OpenTrain-Delivery: {id}\r\nX-OpenTrain-Signature: t={seconds},v1={signature}\r\n");
        self.send(&headers, body.as_bytes())
    }

    fn sign(&self, time: u128, body: &str) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).ok()?;
        mac.update(format!("{time}.{body}").as_bytes());
        let bytes = mac.finalize().into_bytes();
        Some(bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")))
    }

    fn send(&self, headers: &str, body: &[u8]) -> Option<u16> {
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n{headers}\
             Content-Length: {}\r\n\r\n",
            self.path,
            body.len()
        );
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.write_all(&[head.as_bytes(), body].concat()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let text = String::from_utf8_lossy(&answer);
        text.split_once("\r\n\r\n")?.0.split(' ').nth(1)?.parse().ok()
    }
}
