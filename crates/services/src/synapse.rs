//! Synapse, a Matrix homeserver, as a test sees it.
//!
//! It starts within seconds and talks to no other server; anybody may register with it. Invariant: what it writes lies in
//! its folder.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::error::Result;
use crate::facts::loopback;
use crate::server::Server;
use crate::shared::{fail, is_wanted};
use crate::{place, ports, tools};

/// Ready, as its own log says it.
const READY: &str = "now listening on TCP port";

/// The key that it signs events with: of no worth, for nobody else ever sees them.
const SIGNING_KEY: &str = "ed25519 a_test AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";

/// A homeserver without users and rooms, whose name is `localhost`.
#[derive(Debug)]
pub struct Synapse {
    port: u16,
    _server: Server,
}

impl Synapse {
    /// A server of the caller's own with everything that it writes under `folder`, ended on drop; None when services are
    /// to be skipped.
    ///
    /// # Panics
    /// When Synapse is not installed or does not start.
    pub fn private(folder: impl AsRef<Path>) -> Option<Self> {
        is_wanted().then(|| fail(start(&folder.as_ref().join("synapse"))))
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

fn start(folder: &Path) -> Result<Synapse> {
    let packages = tools::synapse()?;
    place::create(folder)?;
    let [port] = ports::free()?;
    let configuration = folder.join("homeserver.yaml");
    place::write(&folder.join("signing.key"), SIGNING_KEY)?;
    place::write(&configuration, settings(folder, port))?;
    let mut command = Command::new(tools::python()?);
    command.env("PYTHONPATH", packages).current_dir(folder);
    command.args(["-m", "synapse.app.homeserver", "--config-path"]).arg(configuration);
    let mut server = Server::start("Synapse", command, &folder.join("server.log"))?;
    server.await_ready(|server| server.log().contains(READY))?;
    Ok(Synapse { port, _server: server })
}

/// Clients only, no limits, nobody else; JSON is YAML.
fn settings(folder: &Path, port: u16) -> String {
    let unlimited = serde_json::json!({ "per_second": 1_000_000, "burst_count": 1_000_000 });
    let settings = serde_json::json!({
        "server_name": "localhost",
        "listeners": [{
            "port": port, "bind_addresses": ["127.0.0.1"], "type": "http", "resources": [{ "names": ["client"] }],
        }],
        "database": { "name": "sqlite3", "args": { "database": folder.join("homeserver.db") } },
        "media_store_path": folder.join("media"),
        "signing_key_path": folder.join("signing.key"),
        "macaroon_secret_key": "of a test", "form_secret": "of a test",
        "report_stats": false, "trusted_key_servers": [], "federation_domain_whitelist": [],
        "presence": { "enabled": false },
        "enable_registration": true, "enable_registration_without_verification": true,
        "rc_message": unlimited, "rc_registration": unlimited,
        "rc_joins": { "local": unlimited, "remote": unlimited },
    });
    settings.to_string()
}
