//! PouchDB Server, which speaks the protocol of CouchDB, as a test sees it.
//!
//! It starts within a second and keeps its databases in memory, so that every test has one of its own and none is
//! shared. Invariant: what it writes lies in its folder.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::error::Result;
use crate::facts::loopback;
use crate::server::Server;
use crate::shared::{fail, is_wanted};
use crate::{place, ports, tools};

/// Ready, as its own log says it.
const READY: &str = "has started on";

/// A PouchDB Server without databases, for all to use.
#[derive(Debug)]
pub struct PouchDb {
    port: u16,
    _server: Server,
}

impl PouchDb {
    /// A server of the caller's own with its log under `folder`, ended on drop; None when services are to be skipped.
    ///
    /// # Panics
    /// When PouchDB Server is not installed or does not start.
    pub fn private(folder: impl AsRef<Path>) -> Option<Self> {
        is_wanted().then(|| fail(start(&folder.as_ref().join("pouchdb"))))
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        loopback(self.port)
    }
}

fn start(folder: &Path) -> Result<PouchDb> {
    place::create(folder)?;
    let [port] = ports::free()?;
    let mut command = Command::new(tools::node()?);
    command.arg(tools::pouchdb_server()?).current_dir(folder);
    command.args(["--in-memory", "--host", "127.0.0.1", "--port", &port.to_string()]);
    let mut server = Server::start("PouchDB Server", command, &folder.join("server.log"))?;
    server.await_ready(|server| server.log().contains(READY))?;
    Ok(PouchDb { port, _server: server })
}
