//! SIGINT and SIGTERM: the first asks for a drain, the second ends the process at once. SIGXFSZ: survived.

use std::process;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::{Exit, Stop};

/// Cancels `drain` at the first signal; the second exits with code 1. Nothing is lost by that: cursors never stand
/// before what is durable.
pub(crate) fn watch(drain: CancellationToken) -> Result<(), Stop> {
    let listen = |kind| signal(kind).map_err(|error| Stop::failed("cannot listen for signals", &error));
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    // A file at its size limit is a full disk, which is waited for: a handler (it stays) turns the death that the
    // system has in mind into an error of the write.
    drop(listen(SignalKind::from_raw(Signal::XFSZ.as_raw()))?);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if drain.is_cancelled() {
                tracing::error!("second signal: stopping at once; what was in flight is delivered again");
                process::exit(Exit::Failed as i32);
            }
            tracing::info!("asked to stop; a second signal stops at once");
            drain.cancel();
        }
    });
    Ok(())
}
