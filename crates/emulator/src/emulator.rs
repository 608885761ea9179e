//! Starting and stopping an emulator.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::EmulatorError;
use crate::connection::{Connection, Gate, wait_for_close};
use crate::control::Control;
use crate::credentials::Credentials;
use crate::opentrain;
use crate::options::{Api, Options};
use crate::server::{Server, serve};

/// Starts an emulator on the current Tokio runtime.
///
/// # Errors
/// An address that is not loopback or cannot be listened on, no account, or a rate that is no rate.
pub async fn start(options: Options) -> Result<Emulator, EmulatorError> {
    options.check()?;
    let wanted = options.listen;
    let failed = |source| EmulatorError::Listen { address: wanted, source };
    let listener = TcpListener::bind(wanted).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    // Credentials of Slack name the address.
    let server = build(Options { listen: address, ..options }).await?;
    let app = Router::new().fallback(serve).with_state(server.clone());
    let closed = wait_for_close(&server.closing);
    let gate = Gate { listener, closing: server.closing.clone() };
    let service = app.into_make_service_with_connect_info::<Connection>();
    if server.options.api == Api::OpenTrain {
        tokio::spawn(opentrain::ring(Arc::clone(&server)));
    }
    let task = tokio::spawn(async move {
        // Serving ends when it is told to, never by an error: the gate tries again for ever.
        let _ = axum::serve(gate, service).with_graceful_shutdown(closed).await;
    });
    Ok(Emulator { address, server, task: Some(task) })
}

/// Prepares the accounts, and their events if that is wished, away from the threads that serve others.
async fn build(options: Options) -> Result<Arc<Server>, EmulatorError> {
    let prepare = move || {
        let server = Server::new(options);
        opentrain::subscribe_from_start(&server);
        if server.options.prerender {
            for account in &server.accounts {
                account.feed.write().generate(server.options.events);
            }
        }
        Arc::new(server)
    };
    tokio::task::spawn_blocking(prepare).await.map_err(|_| EmulatorError::Generate)
}

/// A running emulator. Dropping it stops it.
pub struct Emulator {
    address: SocketAddr,
    server: Arc<Server>,
    task: Option<JoinHandle<()>>,
}

/// Where an emulator listens and what lets a client in; as JSON, the line that `sluicebox emulate` prints first.
///
/// For the marketplace `{"api":"opentrain","url":"http://127.0.0.1:PORT/api/public/v1","token":"…"}`, for the team
/// chat `{"api":"zenzap","url":"http://127.0.0.1:PORT","key":"…","secret":"…","client_id":"…","client_secret":"…"}`,
/// for Slack `{"api":"slack","url":"http://127.0.0.1:PORT","token":"xoxb-…","webhook_url":"…","channel":"C…",…}`.
#[derive(Clone, Debug, Serialize)]
pub struct Announcement {
    /// The API.
    pub api: Api,
    /// What a client is to take as its base address.
    pub url: String,
    /// The credentials of account 0.
    #[serde(flatten)]
    pub credentials: Credentials,
    /// What signs the deliveries to [`Options::webhook`](crate::Options::webhook), if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_secret: Option<String>,
}

impl Emulator {
    /// The address that is listened on, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base address that a client of the API is to use.
    pub fn url(&self) -> String {
        match self.server.options.api {
            Api::OpenTrain => format!("http://{}/api/public/v1", self.address),
            Api::Zenzap | Api::Slack => format!("http://{}", self.address),
        }
    }

    /// Where the emulator is and what lets a client in as account 0.
    pub fn announcement(&self) -> Announcement {
        let credentials = self.server.accounts[0].access.read().credentials.clone();
        let webhook_secret = self.server.accounts[0].webhooks.lock().first_secret();
        Announcement { api: self.server.options.api, url: self.url(), credentials, webhook_secret }
    }

    /// The current credentials of an account; `None` if there is no such account.
    pub fn credentials(&self, account: u32) -> Option<Credentials> {
        self.control().credentials(account)
    }

    /// What steers the emulator while it runs; can be cloned and kept.
    pub fn control(&self) -> Control {
        Control::new(Arc::clone(&self.server))
    }

    /// Stops listening, drops every connection and returns when all are gone. Requests in flight get no answer.
    pub async fn stop(mut self) {
        self.server.closing.send_replace(true);
        if let Some(task) = self.task.take() {
            // The task fails only by a panic in it, which its thread has reported.
            let _ = task.await;
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.server.closing.send_replace(true);
    }
}
