//! The admin server: metrics, health and the state of pipelines, on loopback unless a token guards it.
//!
//! Invariant: it never writes and never blocks a pipeline; slow or many clients cost it a bounded number of connections.

mod access;
mod pages;
mod policy;
mod serve;
mod steps;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) use policy::Policy;

use crate::exit::{Exit, Stop};
use crate::fleet::Fleet;
use access::Access;

/// A running admin server; dropping it closes the port.
pub(crate) struct Admin {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts the server where the policy says; `None` if it is off.
pub(crate) async fn start(policy: Policy, fleet: Arc<Fleet>) -> Result<Option<Admin>, Stop> {
    let Policy::On { address, explicit, token } = policy else { return Ok(None) };
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) if !explicit && error.kind() == std::io::ErrorKind::AddrInUse => {
            let free = TcpListener::bind((address.ip(), 0)).await.map_err(|error| failed(address, &error))?;
            tracing::warn!("the admin address {address} is taken; another port is used");
            free
        }
        Err(error) => return Err(failed(address, &error)),
    };
    let address = listener.local_addr().map_err(|error| failed(address, &error))?;
    tracing::info!("the admin server listens on http://{address}");
    let access = Access { token, loopback: address.ip().is_loopback() };
    let task = tokio::spawn(serve::connections(listener, pages::router(fleet, access)));
    Ok(Some(Admin { address, task }))
}

fn failed(address: SocketAddr, error: &std::io::Error) -> Stop {
    Stop::new(Exit::Failed, format!("the admin server cannot listen on {address}: {error}"))
        .help("choose another address with --admin, or `--admin off`")
}
