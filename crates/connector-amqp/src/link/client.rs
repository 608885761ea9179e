//! One connection to a broker, made with a deadline and never remade behind our back.
//!
//! The client library's own recovery is off: whether a message was confirmed is only known while the connection that
//! carried it lives, so a lost connection has to be seen.

use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_rs::TokioRuntime;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use lapin::tcp::RustlsConnector;
use lapin::uri::AMQPUri;
use lapin::{AsyncTcpStream, Channel, Connection, ConnectionProperties, Event};
use sluicebox_core::{Clock, Context, Error, Period, Result, Secret, TlsOptions};
use sluicebox_tls::client_config;

use super::{Address, classify};

/// Longest wait for a connection: address, TCP, TLS and the broker's handshake together.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// Longest wait for the broker's goodbye.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);
/// Longest wait for one answer of the broker on a channel.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// Makes connections to one broker.
#[derive(Clone)]
pub(crate) struct Client {
    uri: AMQPUri,
    tls: Option<RustlsConnector>,
    host: String,
    place: String,
    name: String,
    clock: Arc<dyn Clock>,
}

/// A live connection. Dropped, it says goodbye in the background.
pub(crate) struct Link {
    connection: Connection,
    socket: Socket,
    /// A lock only so that a connection can be looked at from several tasks.
    events: Mutex<BoxStream<'static, Event>>,
    /// Why the broker takes nothing, as it said.
    blocked_for: Option<String>,
    clock: Arc<dyn Clock>,
    place: String,
}

/// A second handle on the socket, to cut a connection that does not end by itself.
type Socket = Arc<Mutex<Option<TcpStream>>>;

impl Client {
    /// What connects a component to the broker of its options.
    ///
    /// # Errors
    /// `Config` if the address or a file of the TLS options cannot be used.
    pub(crate) fn new(url: &Secret, tls: &TlsOptions, heartbeat: Period, cx: &Context) -> Result<Self> {
        let address = Address::parse(url).map_err(|problem| Error::config(problem.message))?;
        let connector = if address.is_encrypted() {
            Some(RustlsConnector::from(client_config(tls, &cx.folder)?))
        } else {
            None
        };
        let is_open = !address.is_encrypted() && !address.is_loopback();
        let warning = tls.warning(&address.to_string()).filter(|_| address.is_encrypted() || is_open);
        if let Some(warning) = warning {
            tracing::warn!(pipeline = %cx.pipeline, component = %cx.component, "{warning}");
        }
        Ok(Self {
            uri: address.with_heartbeat(heartbeat),
            tls: connector,
            host: address.host().to_owned(),
            place: address.to_string(),
            name: format!("sluicebox/{}/{}", cx.pipeline, cx.component),
            clock: Arc::clone(&cx.environment.clock),
        })
    }

    /// Host, port and virtual host, for messages.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Whether connections are TLS.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Connects once.
    ///
    /// # Errors
    /// Retryable if the broker is away or slow; `Auth` and `Config` as the broker says.
    pub(crate) async fn connect(&self) -> Result<Link> {
        let socket = Socket::default();
        let attempt = format!("connect to the broker at {}", self.place);
        let connecting = self.connection(Arc::clone(&socket));
        let connection = tokio::select! {
            connected = connecting => connected.map_err(|error| classify(error, &attempt))?,
            () = self.clock.sleep(CONNECT_DEADLINE) => {
                // The library's thread waits on this socket; without it, it ends.
                cut(&socket);
                let seconds = CONNECT_DEADLINE.as_secs();
                return Err(Error::transient(format!("cannot {attempt}: no answer within {seconds} s")));
            }
        };
        let events = Mutex::new(connection.events_listener().boxed());
        let clock = Arc::clone(&self.clock);
        Ok(Link { connection, socket, events, blocked_for: None, clock, place: self.place.clone() })
    }

    async fn connection(&self, socket: Socket) -> lapin::Result<Connection> {
        let properties = ConnectionProperties::default().with_connection_name(self.name.as_str().into());
        let (tls, host) = (self.tls.clone(), self.host.clone());
        let dial = async move |uri: AMQPUri, runtime: TokioRuntime| {
            let addresses: Vec<_> =
                tokio::net::lookup_host((host.as_str(), uri.authority.port)).await?.collect();
            let stream = AsyncTcpStream::connect(&runtime, addresses).await?;
            if let AsyncTcpStream::Plain(plain) = &stream {
                let second = plain.get_ref().as_fd().try_clone_to_owned()?;
                *socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(TcpStream::from(second));
            }
            match &tls {
                Some(connector) => Ok(stream.into_rustls(connector, &host).await?),
                None => Ok(stream),
            }
        };
        let runtime = TokioRuntime::tokio_current();
        Connection::connector(self.uri.clone(), runtime, dial, properties).await
    }
}

impl Link {
    /// Opens a channel.
    ///
    /// # Errors
    /// As the broker says.
    pub(crate) async fn channel(&self) -> Result<Channel> {
        let attempt = format!("open a channel at the broker {}", self.place);
        self.answer(self.connection.create_channel(), &attempt).await
    }

    /// Waits for one answer of the broker.
    ///
    /// # Errors
    /// As the broker says; retryable if it says nothing.
    pub(crate) async fn answer<T>(
        &self,
        question: impl Future<Output = lapin::Result<T>>,
        attempt: &str,
    ) -> Result<T> {
        tokio::select! {
            answer = question => answer.map_err(|error| classify(error, attempt)),
            () = self.clock.sleep(ANSWER_DEADLINE) => {
                let seconds = ANSWER_DEADLINE.as_secs();
                Err(Error::transient(format!("cannot {attempt}: no answer within {seconds} s")))
            }
        }
    }

    /// Whether the connection still stands.
    pub(crate) fn is_connected(&self) -> bool {
        self.connection.status().connected()
    }

    /// Why the broker takes nothing at present, if it said that it does not.
    pub(crate) fn blocked(&mut self) -> Option<&str> {
        let events = self.events.get_mut().unwrap_or_else(PoisonError::into_inner);
        while let Some(Some(event)) = events.next().now_or_never() {
            if let Event::ConnectionBlocked(reason) = event {
                self.blocked_for = Some(reason);
            }
        }
        self.connection.status().blocked().then(|| self.blocked_for.as_deref().unwrap_or("no reason given"))
    }

    /// Ends the connection at once; the broker takes back what was not acknowledged.
    pub(crate) fn cut(&self) {
        cut(&self.socket);
    }

    /// Says goodbye.
    pub(crate) async fn close(self) {
        if self.is_connected() {
            tokio::select! {
                _ = self.connection.close(200, "OK".into()) => {}
                () = self.clock.sleep(CLOSE_DEADLINE) => self.cut(),
            }
        }
    }
}

fn cut(socket: &Socket) {
    if let Some(socket) = socket.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // A socket that the other side has closed already is as good as cut.
        let _ = socket.shutdown(Shutdown::Both);
    }
}
