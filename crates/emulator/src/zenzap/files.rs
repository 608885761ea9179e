//! The storage that attachments lie in: links that are signed and expire, good for whoever has one.
//!
//! Source: section 9 of the contract. Invariant: a file is a function of the seed and its id, so that nothing is stored
//! and a test knows what it must find. Like the storages behind such links, it refuses a request that brings
//! credentials beside the signature of the link.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::header;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::answer::Answer;
use crate::call::Call;
use crate::chance::Chance;
use crate::options::Options;
use crate::server::Server;

pub(crate) const PREFIX: &str = "/files/";
/// Bytes of the smallest and the largest file.
const SIZES: (u64, u64) = (300, 40_000);

/// Where links lead to, and for how long they do.
#[derive(Clone, Debug)]
pub(crate) struct Storage {
    address: SocketAddr,
    seed: u64,
    lifetime: Duration,
}

impl Storage {
    /// The storage of an emulator that serves attachments.
    pub(crate) fn of(options: &Options) -> Option<Self> {
        let (address, seed) = (options.listen, options.seed);
        options.attachments.map(|lifetime| Self { address, seed, lifetime })
    }

    /// A link to a file, good from now on.
    pub(super) fn link(&self, id: &str) -> String {
        let expires = since_epoch().saturating_add(self.lifetime).as_secs();
        let token = token(self.seed, id, expires);
        format!("http://{}{PREFIX}{id}?token={token}&expires={expires}", self.address)
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn token(seed: u64, id: &str, expires: u64) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(&seed.to_be_bytes()).expect("a key of HMAC may have any length");
    mac.update(format!("{id}.{expires}").as_bytes());
    mac.finalize().into_bytes().iter().take(16).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// What lies behind the link of an attachment, as an emulator with this seed serves it.
pub fn attachment(seed: u64, id: &str) -> Bytes {
    let stream = id.bytes().fold(0_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut chance = Chance::new(seed, stream);
    let length = chance.between(SIZES.0, SIZES.1);
    (0..length).map(|_| u8::try_from(chance.below(256)).unwrap_or(0)).collect()
}

/// `GET /files/{id}?token=…&expires=…`
pub(super) fn answer(server: &Server, call: &Call) -> Answer {
    let id = call.path.strip_prefix(PREFIX).unwrap_or_default();
    if call.headers.contains_key(header::AUTHORIZATION) || call.header("x-signature").is_some() {
        return Answer::text(400, "only one way to authenticate is allowed");
    }
    let expires = call.parameter("expires").and_then(|text| text.parse().ok()).unwrap_or(0);
    let is_signed =
        call.parameter("token").is_some_and(|given| given == token(server.options.seed, id, expires));
    if server.options.attachments.is_none() {
        return Answer::text(404, "not found");
    }
    if !is_signed || since_epoch().as_secs() >= expires {
        return Answer::text(403, "the link is not signed, or has expired");
    }
    Answer::file(attachment(server.options.seed, id))
}
