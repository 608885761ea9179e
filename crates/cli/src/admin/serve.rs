//! Accepting connections with limits: `axum::serve` has none on how long a client may take to say what it wants.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How long a client may take to send the head of a request.
const HEADER_LIMIT: Duration = Duration::from_secs(10);
/// How long a client may keep one connection.
const CONNECTION_LIMIT: Duration = Duration::from_secs(300);
/// How many clients are served at once; more wait.
const MOST_CONNECTIONS: usize = 64;
/// The wait after a failed accept, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until it is dropped.
pub(crate) async fn connections(listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut served = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        while served.try_join_next().is_some() {}
        let service = TowerToHyperService::new(router.clone());
        served.spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_LIMIT)
                .serve_connection(TokioIo::new(stream), service);
            // A client that breaks off or is too slow is its own affair.
            let _ = tokio::time::timeout(CONNECTION_LIMIT, connection).await;
            drop(place);
        });
    }
}
