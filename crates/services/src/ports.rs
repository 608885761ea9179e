//! Free ports that stay free while a server is down.
//!
//! A server that is killed and started again needs its old port, so ports come from below the range out of which the
//! kernel serves outgoing connections. Invariant: two calls in one process never give the same port; processes start
//! looking at places of chance.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::error::{Error, Result};

const FIRST: u16 = 18_000;
const AMOUNT: u16 = 14_000;

/// So many ports on which nothing listens.
pub(crate) fn free<const N: usize>() -> Result<[u16; N]> {
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| {
        let chance = RandomState::new().hash_one(std::process::id()) % u64::from(AMOUNT);
        AtomicU16::new(u16::try_from(chance).unwrap_or(0))
    });
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ports = [0; N];
    let mut found = 0;
    for _ in 0..AMOUNT {
        if found == N {
            break;
        }
        let port = FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % AMOUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            ports[found] = port;
            found += 1;
        }
    }
    if found == N { Ok(ports) } else { Err(Error::new("no port is free between 18000 and 32000")) }
}
