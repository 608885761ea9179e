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

use sluicebox_core::{Context, Error, Result, Secret, TlsOptions};
use sluicebox_tls::client_config;
use tokio_postgres::{Client, Error as ServerError, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::address::{Address, Unusable};
use crate::fault::classify;

/// Longest wait until a session is up: network, TLS and credentials.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(15);

/// How sessions are made.
pub struct Gate {
    url: Secret,
    tls: bool,
    connector: Option<MakeRustlsConnect>,
    application: String,
    settings: String,
    shown: String,
}

/// One session: statements go to the client, and the driver has to be polled along with them.
pub struct Session {
    /// Takes statements.
    pub client: Client,
    /// Has to be polled along with them.
    pub driver: Driver,
    /// The version of the server, as it says it.
    pub version: String,
    /// Whether the connection is encrypted.
    pub encrypted: bool,
}

type Connection = Pin<Box<dyn Future<Output = std::result::Result<(), ServerError>> + Send>>;

/// The other half of a client: reads and writes the socket.
pub struct Driver {
    connection: Option<Connection>,
    end: Option<ServerError>,
}

impl Gate {
    /// Sessions for `url`, whose `tls` option is as given; each begins by running `settings`. Files named in `tls` are
    /// relative to the folder of the pipeline file.
    ///
    /// # Errors
    /// `Config` if the URL, or a file of `tls`, cannot be used.
    pub fn new(
        url: &Secret,
        tls: Option<&TlsOptions>,
        settings: impl Into<String>,
        cx: &Context,
    ) -> Result<Self> {
        let address = Address::parse(url.expose(), tls.is_some()).map_err(|fault| unusable(&fault))?;
        let options = tls.cloned().unwrap_or_default();
        if let Some(warning) = options.warning(&address.shown) {
            tracing::warn!(pipeline = %cx.pipeline, component = %cx.component, "{warning}");
        }
        let connector = if address.encrypted {
            Some(MakeRustlsConnect::new(client_config(&options, &cx.folder)?))
        } else {
            None
        };
        let application = format!("sluicebox {}", cx.pipeline);
        let settings = settings.into();
        Ok(Self {
            url: url.clone(),
            tls: tls.is_some(),
            connector,
            application,
            settings,
            shown: address.shown,
        })
    }

    /// How messages name the database: never with credentials.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// A new session.
    ///
    /// # Errors
    /// Retryable if the server is away, `Auth` if it refuses us, `Config` if it is not the one that was meant.
    pub async fn connect(&self) -> Result<Session> {
        let url = read_again(&self.url);
        let mut address = Address::parse(&url, self.tls).map_err(|fault| unusable(&fault))?;
        if address.config.get_application_name().is_none() {
            address.config.application_name(&self.application);
        }
        let connecting = async {
            let mut session = self.handshake(&address).await?;
            session.driver.drive(session.client.batch_execute(&self.settings)).await?;
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
pub fn unusable(unusable: &Unusable) -> Error {
    Error::config(format!("`url` cannot be used: {}", unusable.message)).with_help(unusable.help)
}

impl Session {
    /// Whether the server has ended the session meanwhile.
    pub async fn is_gone(&mut self) -> bool {
        self.driver.step().await;
        self.client.is_closed()
    }

    /// Says good-bye.
    pub async fn close(mut self) {
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
    pub async fn drive<T>(&mut self, work: impl Future<Output = T>) -> T {
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
    pub fn cause_of(&mut self, error: ServerError) -> ServerError {
        if error.is_closed() { self.end.take().unwrap_or(error) } else { error }
    }
}
