//! The receiver: one listening socket for all sources of a pipeline that share its address.
//!
//! It runs as background work of the component that asked first, and drives all its connections itself. Invariant:
//! connections, their headers, and the time that any of it may take are bounded.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::{Mutex, RwLock};
use sluicebox_core::{Clock, Context, Error, Result};
use tokio::net::{TcpListener, TcpStream};

use crate::answer::{Route, answer};
use crate::refusals::Refusals;
use crate::{Endpoint, Receive};

/// Connections at a time; more wait to be accepted.
const MOST_CONNECTIONS: usize = 512;
/// How long the head of a request may take; a connection that idles longer is closed too.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
const MOST_HEADERS: usize = 64;
const HEAD_BYTES: usize = 32 << 10;
/// How long to wait where no connection can be accepted, for want of descriptors most likely.
const PAUSE: Duration = Duration::from_millis(50);

/// The receivers of one pipeline, by the address that was asked for.
#[derive(Default)]
struct Receivers(Mutex<BTreeMap<SocketAddr, Arc<Receiver>>>);

/// Who listens where.
struct Receiver {
    /// With its real port.
    address: SocketAddr,
    routes: RwLock<BTreeMap<String, Arc<Route>>>,
}

/// A route that is listened on; dropping it ends that.
pub struct Listening {
    receiver: Arc<Receiver>,
    route: Arc<Route>,
}

impl Listening {
    /// The address with its real port.
    pub fn address(&self) -> SocketAddr {
        self.receiver.address
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut routes = self.receiver.routes.write();
        // Another one of the same account may have taken its place.
        if routes.get(&self.route.path).is_some_and(|route| Arc::ptr_eq(route, &self.route)) {
            routes.remove(&self.route.path);
        }
    }
}

/// Listens on an endpoint, and hands what comes to `receiver`, until what this returns is dropped. To be called while the
/// component is built; an account that is built anew takes the place of its old self.
///
/// # Errors
/// `Config` if the address cannot be listened on, or another source or account has the path.
pub async fn listen(cx: &Context, endpoint: &Endpoint<'_>, receiver: Arc<dyn Receive>) -> Result<Listening> {
    let clock = &cx.environment.clock;
    let route = Arc::new(Route {
        path: endpoint.path.to_owned(),
        owner: (Arc::clone(&cx.component), Arc::clone(&cx.account)),
        verifier: endpoint.verifier()?,
        body_limit: endpoint.max_body.as_usize(),
        receiver,
        refusals: Refusals::new(Arc::clone(clock)),
        clock: Arc::clone(clock),
    });
    let found = at(cx, endpoint.address()?).await?;
    {
        let mut routes = found.routes.write();
        if routes.get(endpoint.path).is_some_and(|taken| taken.owner != route.owner) {
            let message = format!("two sources or accounts listen on {}{}", endpoint.listen, endpoint.path);
            return Err(Error::config(message).with_help("give each a `path` of its own"));
        }
        routes.insert(endpoint.path.to_owned(), Arc::clone(&route));
    }
    let (address, path) = (found.address, endpoint.path);
    tracing::info!(component = %cx.component, account = %cx.account, "webhooks are taken at http://{address}{path}");
    Ok(Listening { receiver: found, route })
}

/// The receiver of an address; bound when it is first asked for.
async fn at(cx: &Context, address: SocketAddr) -> Result<Arc<Receiver>> {
    let receivers = cx.shared.find::<Receivers>("", "").unwrap_or_else(|| {
        let made = Arc::new(Receivers::default());
        cx.shared.publish("", "", Arc::clone(&made));
        made
    });
    if let Some(found) = receivers.0.lock().get(&address) {
        return Ok(Arc::clone(found));
    }
    let failed =
        |error: std::io::Error| Error::config(format!("cannot listen on {address}")).with_cause(error);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let real = listener.local_addr().map_err(failed)?;
    let made = Arc::new(Receiver { address: real, routes: RwLock::default() });
    receivers.0.lock().insert(address, Arc::clone(&made));
    cx.leave_to_background(serve(listener, Arc::clone(&made), Arc::clone(&cx.environment.clock)));
    Ok(made)
}

/// Serves until it is dropped.
async fn serve(listener: TcpListener, receiver: Arc<Receiver>, clock: Arc<dyn Clock>) -> Result<()> {
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if open.len() < MOST_CONNECTIONS => match accepted {
                Ok((stream, _)) => open.push(connection(stream, Arc::clone(&receiver))),
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be accepted");
                    clock.sleep(PAUSE).await;
                }
            },
            Some(()) = open.next(), if !open.is_empty() => {}
        }
    }
}

/// Serves one connection to its end.
async fn connection(stream: TcpStream, receiver: Arc<Receiver>) {
    // Small answers must not wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let route = receiver.routes.read().get(http::Request::uri(&request).path()).cloned();
        async move { Ok::<_, Infallible>(answer(route, request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_headers(MOST_HEADERS)
        .max_header_size(HEAD_BYTES)
        .max_buf_size(2 * HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection of a webhook ended early");
    }
}
