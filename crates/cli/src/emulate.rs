//! `emulate`: one of the APIs, served on loopback until stopped.

use std::str::FromStr;

use sluicebox_emulator::{Api, Fault, Options};
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use crate::arguments::EmulateArguments;
use crate::exit::{Ended, Exit, Stop, chain};
use crate::{signals, terminal};

/// Serves; the first line on stdout says where and with which credentials.
pub(crate) async fn verb(arguments: EmulateArguments) -> Ended {
    let wrong = |error: sluicebox_emulator::EmulatorError| Stop::usage(chain(&error));
    let api = Api::from_str(&arguments.api).map_err(wrong)?;
    let mut faults = Vec::new();
    for text in &arguments.fault {
        faults.extend(Fault::parse_set(text).map_err(wrong)?);
    }
    let defaults = Options::new(api);
    let options = Options {
        listen: arguments.listen,
        events: arguments.events,
        rate: arguments.rate.unwrap_or(defaults.rate),
        seed: arguments.seed,
        faults,
        webhook: arguments.webhook,
        attachments: arguments.attachments.map(|lifetime| lifetime.0),
        ..defaults
    };
    let stop = CancellationToken::new();
    signals::watch(stop.clone())?;
    let emulator = sluicebox_emulator::start(options).await.map_err(wrong)?;
    let line = serde_json::to_string(&emulator.announcement())
        .map_err(|error| Stop::failed("cannot write the announcement", &error))?;
    terminal::print_line(&line);
    if arguments.stop_with_stdin {
        tokio::select! {
            () = stop.cancelled() => {}
            () = end_of_input() => {}
        }
    } else {
        stop.cancelled().await;
    }
    emulator.stop().await;
    Ok(Exit::Done)
}

/// Waits until whoever holds the other end of stdin is gone.
async fn end_of_input() {
    let mut input = tokio::io::stdin();
    let mut ignored = [0; 64];
    while input.read(&mut ignored).await.is_ok_and(|count| count > 0) {}
}
