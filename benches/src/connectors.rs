//! A backlog through the connector of each API, against the built-in source of the same API, in alternating pairs.
//!
//! The aim: a connector drains at 80 % of the rate of the built-in source at least.

use std::path::PathBuf;
use std::time::Duration;

use sluicebox_emulator::Api;

use crate::Outcome;
use crate::backlog::{Into, drain, shown};
use crate::server::Server;
use crate::statistics::spread;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Events in the backlog of OpenTrain; Zenzap, whose pages wait until they are durable, has a fifth of it.
    #[arg(long, default_value_t = 200_000)]
    events: u64,
    /// Pairs of runs; the median counts.
    #[arg(long, default_value_t = 7)]
    pairs: usize,
    /// The program under test.
    #[arg(long, default_value = "target/release/sluicebox")]
    program: PathBuf,
}

/// An API, its two source types, and what both are given.
struct Pair {
    api: Api,
    built_in: &'static str,
    connector: &'static str,
}

const PAIRS: [Pair; 2] = [
    Pair {
        api: Api::OpenTrain,
        built_in: "type: opentrain_updates, token: \"${TOKEN}\", limit: 200",
        connector: "type: opentrain_feed, token: \"${TOKEN}\", limit: 200",
    },
    Pair {
        api: Api::Zenzap,
        built_in: "type: zenzap_updates, auth: { api_key: { key: \"${KEY}\", secret: \"${SECRET}\" } }, limit: 100, timeout: 0s",
        connector: "type: zenzap_feed, api_key: \"${KEY}\", api_secret: \"${SECRET}\", limit: 100, timeout: 0s",
    },
];

/// Prints a table of medians and ratios.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    println!("{} pairs, median seconds (lowest–highest)", arguments.pairs);
    println!(
        "| API | events | into | built-in | connector | events/s | of the built-in source |\n|---|---|---|---|---|---|---|"
    );
    for pair in &PAIRS {
        let events = if pair.api == Api::Zenzap { arguments.events / 5 } else { arguments.events };
        let server = Server::start(pair.api, events, Duration::ZERO)?;
        for into in [Into::File, Into::Sqlite] {
            let run = |source: &str| -> Outcome<f64> {
                Ok(drain(&server, source, into, events, &arguments.program)?.as_secs_f64())
            };
            let mut runs = Vec::with_capacity(arguments.pairs);
            for number in 0..arguments.pairs {
                // Who goes first changes, so that neither profits from what the other one warmed.
                runs.push(if number % 2 == 0 {
                    let built_in = run(pair.built_in)?;
                    (built_in, run(pair.connector)?)
                } else {
                    let connector = run(pair.connector)?;
                    (run(pair.built_in)?, connector)
                });
            }
            print_row(pair.api, events, into, &runs);
        }
    }
    Ok(())
}

fn print_row(api: Api, events: u64, into: Into, runs: &[(f64, f64)]) {
    let (built_in, connector): (Vec<f64>, Vec<f64>) = runs.iter().copied().unzip();
    let ratios: Vec<f64> = runs.iter().map(|(built_in, connector)| built_in / connector * 100.0).collect();
    let (lowest, median, highest) = spread(&ratios);
    #[allow(clippy::cast_precision_loss, reason = "a count of events is far below 2^53")]
    let rate = events as f64 / spread(&connector).1;
    println!(
        "| {api} | {events} | {} | {} | {} | {rate:.0} | **{median:.0} %** ({lowest:.0}–{highest:.0}) |",
        into.name(),
        shown(&built_in),
        shown(&connector),
    );
}
