//! A backlog of events into a file and into SQLite, against the bare client loop, in alternating pairs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sluicebox_emulator::Api;

use crate::Outcome;
use crate::server::Server;
use crate::statistics::spread;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Events in the backlog.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Pairs of runs; the median counts.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Latency added to every answer; repeatable.
    #[arg(long = "latency-milliseconds", default_values_t = [0, 5])]
    latencies: Vec<u64>,
    /// The program under test.
    #[arg(long, default_value = "target/release/sluicebox")]
    program: PathBuf,
}

/// What the backlog runs into.
#[derive(Clone, Copy)]
pub(crate) enum Into {
    File,
    Sqlite,
}

impl Into {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Sqlite => "sqlite",
        }
    }

    fn sink(self) -> &'static str {
        match self {
            Self::File => "{ type: file, inputs: [feed], path: out.jsonl }",
            Self::Sqlite => "{ type: sqlite, inputs: [feed], path: out.db, table: events }",
        }
    }

    fn rows(self, folder: &Path) -> Outcome<u64> {
        Ok(match self {
            Self::File => std::fs::read(folder.join("out.jsonl"))?
                .iter()
                .fold(0, |n, byte| n + u64::from(*byte == b'\n')),
            Self::Sqlite => {
                let connection = rusqlite::Connection::open(folder.join("out.db"))?;
                connection
                    .query_row("SELECT count(*) FROM events", [], |row| row.get::<_, i64>(0))?
                    .try_into()?
            }
        })
    }
}

/// Prints a table of medians and ratios.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    println!(
        "{} events, limit 200, {} pairs, median seconds (lowest–highest)",
        arguments.events, arguments.pairs
    );
    println!(
        "| latency | into | bare loop | sluicebox | events/s | of the bare loop |\n|---|---|---|---|---|---|"
    );
    for latency in &arguments.latencies {
        let server = Server::start(Api::OpenTrain, arguments.events, Duration::from_millis(*latency))?;
        for into in [Into::File, Into::Sqlite] {
            let mut pairs = Vec::with_capacity(arguments.pairs);
            for _ in 0..arguments.pairs {
                pairs.push((bare(&server, arguments.events)?, sluicebox(&server, into, arguments)?));
            }
            print_row(*latency, into, &pairs, arguments.events);
        }
    }
    Ok(())
}

fn print_row(latency: u64, into: Into, pairs: &[(Duration, Duration)], events: u64) {
    let bare: Vec<f64> = pairs.iter().map(|pair| pair.0.as_secs_f64()).collect();
    let ours: Vec<f64> = pairs.iter().map(|pair| pair.1.as_secs_f64()).collect();
    let ratios: Vec<f64> = bare.iter().zip(&ours).map(|(bare, ours)| bare / ours * 100.0).collect();
    #[allow(clippy::cast_precision_loss, reason = "a count of events is far below 2^53")]
    let rate = events as f64 / spread(&ours).1;
    println!(
        "| {latency} ms | {} | {} | {} | {rate:.0} | **{:.0} %** ({:.0}–{:.0}) |",
        into.name(),
        shown(&bare),
        shown(&ours),
        spread(&ratios).1,
        spread(&ratios).0,
        spread(&ratios).2,
    );
}

/// `median (lowest–highest)`.
pub(crate) fn shown(values: &[f64]) -> String {
    let (low, median, high) = spread(values);
    format!("{median:.2} ({low:.2}–{high:.2})")
}

fn bare(server: &Server, events: u64) -> Outcome<Duration> {
    let before = Instant::now();
    let output = Command::new(std::env::current_exe()?)
        .args(["bare", "--url", &server.url, "--token", &server.token])
        .stderr(Stdio::inherit())
        .output()?;
    let took = before.elapsed();
    let read: u64 = String::from_utf8(output.stdout)?.trim().parse()?;
    if read == events {
        Ok(took)
    } else {
        Err(format!("the bare loop read {read} of {events} events").into())
    }
}

fn sluicebox(server: &Server, into: Into, arguments: &Arguments) -> Outcome<Duration> {
    let source = "type: opentrain_updates, token: \"${TOKEN}\", limit: 200";
    drain(server, source, into, arguments.events, &arguments.program)
}

/// How long the program takes to bring every event of a server through a source, given as entries of a YAML map.
pub(crate) fn drain(
    server: &Server,
    source: &str,
    into: Into,
    events: u64,
    program: &Path,
) -> Outcome<Duration> {
    let folder = tempfile::tempdir_in("target")?;
    let pipeline = format!(
        "sources:\n  feed: {{ {source}, base_url: \"{}\", rate: unlimited }}\nsinks:\n  out: {}\n",
        server.url,
        into.sink()
    );
    std::fs::write(folder.path().join("backlog.yaml"), pipeline)?;
    let program = std::fs::canonicalize(program)?;
    let before = Instant::now();
    let output = Command::new(program)
        .args(["run", "--once", "--admin", "off", "-q", "backlog.yaml"])
        .envs([("TOKEN", &server.token), ("KEY", &server.key), ("SECRET", &server.secret)])
        .current_dir(folder.path())
        .output()?;
    let took = before.elapsed();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let rows = into.rows(folder.path())?;
    if rows == events { Ok(took) } else { Err(format!("{rows} of {events} events arrived").into()) }
}
