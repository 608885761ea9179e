//! Where a source listens, as its configuration says it: two that say the same cannot run beside each other.
//!
//! `check` has to find that before anything is built, so it is told by the options and not by a socket.

use std::net::SocketAddr;

/// An address and a path on it that one source or account has for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListensOn {
    /// As it is asked for: port 0, which takes any free port, is shared like every other.
    pub address: SocketAddr,
    /// The path that others post to.
    pub path: String,
    /// The option that holds the path, dotted: where it is told that another one has it.
    pub option: &'static str,
}
