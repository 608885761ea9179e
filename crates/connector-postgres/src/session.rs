//! A connection to the server, moved forward only while somebody waits for an answer.
//!
//! Nothing runs beside the pipeline: [`Driver::drive`] polls the connection together with the work that needs it, so a
//! commit whose caller went away stops sending, and a session that is dropped ends its transaction at the server.

use std::future::{Future, poll_fn};
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use sluicebox_core::{Error, Result, Secret};
use tokio_postgres::{Client, Error as ServerError, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::address::{Address, Unusable};
use crate::fault::classify;

/// Longest wait until a session is up: network, TLS and credentials.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(15);

/// What every session of ours asks for. A frozen process must not keep the lock of its epoch for ever, so the server
/// ends a transaction that nobody continues; a wait for somebody else's lock ends too, and is tried again. Commits are
/// durable even where the database says otherwise.
const SETTINGS: &str = "SET idle_in_transaction_session_timeout = '10s'; SET statement_timeout = '60s'; \
     SET lock_timeout = '15s'; SET timezone = 'UTC'; SET client_min_messages = 'warning'; \
     SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// How sessions are made.
pub(crate) struct Gate {
    url: Secret,
    tls: bool,
    connector: Option<MakeRustlsConnect>,
    application: String,
}

/// One session: statements go to the client, and the driver has to be polled along with them.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) driver: Driver,
    /// The version of the server, as it says it.
    pub(crate) version: String,
    pub(crate) encrypted: bool,
}

type Connection = Pin<Box<dyn Future<Output = std::result::Result<(), ServerError>> + Send>>;

/// The other half of a client: reads and writes the socket.
pub(crate) struct Driver {
    connection: Option<Connection>,
    end: Option<ServerError>,
}

impl Gate {
    /// Sessions for `url`; `connector` encrypts, if the address asks for that.
    pub(crate) fn new(url: Secret, tls: bool, connector: Option<MakeRustlsConnect>, pipeline: &str) -> Self {
        Self { url, tls, connector, application: format!("sluicebox {pipeline}") }
    }

    /// A new session.
    ///
    /// # Errors
    /// Retryable if the server is away, `Auth` if it refuses us, `Config` if it is not the one that was meant.
    pub(crate) async fn connect(&self) -> Result<Session> {
        let url = read_again(&self.url);
        let mut address = Address::parse(&url, self.tls).map_err(|fault| unusable(&fault))?;
        if address.config.get_application_name().is_none() {
            address.config.application_name(&self.application);
        }
        let connecting = async {
            let mut session = self.handshake(&address).await?;
            session.driver.drive(session.client.batch_execute(SETTINGS)).await?;
            Ok(session)
        };
        match tokio::time::timeout(HANDSHAKE_WAIT, connecting).await {
            Ok(session) => session.map_err(|error| classify(error, "connect to", &address.shown)),
            Err(_) => Err(Error::transient(format!(
                "cannot connect to the database {}: no answer within {} seconds",
                address.shown,
                HANDSHAKE_WAIT.as_secs()
            ))),
        }
    }

    async fn handshake(&self, address: &Address) -> std::result::Result<Session, ServerError> {
        let (client, driver, version) = match &self.connector {
            Some(connector) if address.encrypted => {
                let (client, connection) = address.config.connect(connector.clone()).await?;
                let version = connection.parameter("server_version").unwrap_or_default().to_owned();
                (client, Driver::new(connection), version)
            }
            _ => {
                let (client, connection) = address.config.connect(NoTls).await?;
                let version = connection.parameter("server_version").unwrap_or_default().to_owned();
                (client, Driver::new(connection), version)
            }
        };
        Ok(Session { client, driver, version, encrypted: address.encrypted })
    }
}

/// The secret as its file holds it now: a password that was changed needs no restart.
fn read_again(secret: &Secret) -> Arc<str> {
    let file: Option<PathBuf> = secret.file().map(PathBuf::from);
    let text = file.and_then(|file| std::fs::read_to_string(file).ok());
    text.map_or_else(|| secret.expose().into(), |text| text.strip_suffix('\n').unwrap_or(&text).into())
}

/// What is wrong with the URL, as an error.
pub(crate) fn unusable(unusable: &Unusable) -> Error {
    Error::config(format!("`url` cannot be used: {}", unusable.message)).with_help(unusable.help)
}

impl Session {
    /// Whether the server has ended the session meanwhile.
    pub(crate) async fn is_gone(&mut self) -> bool {
        self.driver.step().await;
        self.client.is_closed()
    }

    /// Says good-bye.
    pub(crate) async fn close(mut self) {
        drop(self.client);
        if let Some(connection) = self.driver.connection.take() {
            // The session is over, whatever the server answers.
            let _ = tokio::time::timeout(Duration::from_secs(1), connection).await;
        }
    }
}

impl Driver {
    fn new(connection: impl Future<Output = std::result::Result<(), ServerError>> + Send + 'static) -> Self {
        Self { connection: Some(Box::pin(connection)), end: None }
    }

    /// Waits for `work` on the client of this connection while the connection moves forward.
    pub(crate) async fn drive<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(done) = work.as_mut().poll(cx) {
                    return Poll::Ready(done);
                }
                let Some(connection) = &mut self.connection else { return Poll::Pending };
                match connection.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(end) => {
                        // Everything that waits for an answer hears that none will come.
                        self.connection = None;
                        self.end = end.err();
                    }
                }
            }
        })
        .await
    }

    /// Moves the connection forward as far as it goes without waiting.
    async fn step(&mut self) {
        poll_fn(|cx| {
            if let Some(connection) = &mut self.connection
                && let Poll::Ready(end) = connection.as_mut().poll(cx)
            {
                self.connection = None;
                self.end = end.err();
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Why the connection ended, where the work only heard that it is closed.
    pub(crate) fn cause_of(&mut self, error: ServerError) -> ServerError {
        if error.is_closed() { self.end.take().unwrap_or(error) } else { error }
    }
}
