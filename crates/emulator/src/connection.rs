//! Connections that can be dropped or reset from within a request.
//!
//! A server speaks HTTP as long as nothing goes wrong; to play a peer that vanishes, something below HTTP must cut the
//! line. [`Gate`] accepts the connections and [`Line`] carries them; both share a [`Connection`], the switch. When the
//! emulator stops, every line ends, whatever it was doing: nobody waits for a client that does not read its answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const OPEN: u8 = 0;
const CLOSE: u8 = 1;
const RESET: u8 = 2;

/// The switch of one connection. Once turned, the next attempt to use the connection ends it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection(Arc<AtomicU8>);

impl Connection {
    /// End the connection; what was written before still arrives.
    pub(crate) fn close(&self) {
        self.0.store(CLOSE, Ordering::Release);
    }

    /// End the connection with an RST; what was written before may be lost.
    pub(crate) fn reset(&self) {
        self.0.store(RESET, Ordering::Release);
    }
}

impl Connected<IncomingStream<'_, Gate>> for Connection {
    fn connect_info(stream: IncomingStream<'_, Gate>) -> Self {
        stream.remote_addr().clone()
    }
}

/// The listening socket.
pub(crate) struct Gate {
    pub(crate) listener: TcpListener,
    /// Becomes true when the emulator stops.
    pub(crate) closing: watch::Sender<bool>,
}

impl Listener for Gate {
    type Io = Line;
    /// Not the address of the peer, which is this machine in any case, but the switch of the connection.
    type Addr = Connection;

    async fn accept(&mut self) -> (Line, Connection) {
        loop {
            if let Ok((stream, _)) = self.listener.accept().await {
                // Small answers must not wait for the acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                let connection = Connection::default();
                let closing = wait_for_close(&self.closing).boxed();
                return (Line { stream, connection: connection.clone(), closing, closed: false }, connection);
            }
            // Out of descriptors, most likely: give others time to close some.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn local_addr(&self) -> io::Result<Connection> {
        Ok(Connection::default())
    }
}

/// Ends when the emulator stops.
pub(crate) fn wait_for_close(closing: &watch::Sender<bool>) -> impl Future<Output = ()> + Send + 'static {
    let mut closing = closing.subscribe();
    async move {
        // An error means that the server is gone, which is the same news.
        let _ = closing.wait_for(|closing| *closing).await;
    }
}

/// An accepted connection.
pub(crate) struct Line {
    stream: TcpStream,
    connection: Connection,
    closing: BoxFuture<'static, ()>,
    closed: bool,
}

impl Line {
    /// Fails if the line has to end, and sees to it that whoever waits on the line learns of it.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        self.closed = self.closed || self.closing.poll_unpin(cx).is_ready();
        if self.closed {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        match self.connection.0.load(Ordering::Acquire) {
            OPEN => Ok(()),
            RESET => {
                self.stream.set_zero_linger()?;
                Err(io::ErrorKind::ConnectionReset.into())
            }
            _ => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        line.check(cx)?;
        Pin::new(&mut line.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let line = self.get_mut();
        line.check(cx)?;
        Pin::new(&mut line.stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let line = self.get_mut();
        line.check(cx)?;
        Pin::new(&mut line.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
