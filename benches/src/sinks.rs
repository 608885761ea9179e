//! Events of 1 KiB into every kind of sink, against a bare sequential loop over the same client library.
//!
//! A pair is one run of the program and one of the loop, on the same server (one of the benchmark's own) right after each
//! other; which comes first alternates. Both write windows of 1000 events on one connection and wait until a window is
//! durable, with the same settings. The loop's events lie ready in memory, unless `--make` is given; the program makes its
//! own with the `generate` source while it writes, so its figure includes that. Invariant: a rate counts only the steady
//! part, from the first tenth on, so connecting, making tables or topics, and stopping count on neither side.

mod amqp;
mod events;
mod file;
mod kafka;
mod postgres;
mod program;
mod sqlite;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::Outcome;
use crate::statistics::spread;
use events::Prepared;
use program::Program;

/// Events of one window, on both sides.
pub(crate) const WINDOW: usize = 1000;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Events of one run.
    #[arg(long, default_value_t = 300_000)]
    events: u64,
    /// Pairs of runs; the median counts.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Only these kinds; repeatable.
    #[arg(long = "kind")]
    kinds: Vec<Kind>,
    /// How both sides compress what they send to Kafka.
    #[arg(long, default_value = "none")]
    compression: String,
    /// The loop makes its events too, window by window, instead of finding them ready.
    #[arg(long)]
    make: bool,
    /// The program under test.
    #[arg(long, default_value = "target/release/sluicebox")]
    program: PathBuf,
}

/// What events are written into, and with which promise.
#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Kafka,
    KafkaTransactional,
    Postgres,
    Amqp,
    Sqlite,
    File,
}

/// One destination, fresh for every run.
pub(crate) trait Destination {
    /// Makes an empty place to write to.
    fn make(&mut self) -> Outcome;
    /// The sink of the pipeline, as YAML on one line; `folder` is where the program runs.
    fn sink(&self) -> String;
    /// The bare loop: tells `note` after every window how many events are durable.
    fn bare(&mut self, events: &Prepared, total: u64, note: &mut dyn FnMut(u64)) -> Outcome;
    /// How many events are in there.
    fn count(&mut self) -> Outcome<u64>;
    /// Takes the place away.
    fn remove(&mut self) -> Outcome;
}

/// How far a run was at which time.
#[derive(Default)]
pub(crate) struct Marks(Vec<(Duration, u64)>);

impl Marks {
    pub(crate) fn push(&mut self, at: Duration, events: u64) {
        if self.0.last().is_none_or(|(_, known)| *known < events) {
            self.0.push((at, events));
        }
    }

    /// Events a second after the first tenth of `total`.
    fn rate(&self, total: u64) -> Outcome<f64> {
        let first = self.0.iter().find(|(_, events)| *events >= total / 10);
        let (Some(first), Some(last)) = (first, self.0.last()) else {
            return Err("no events were counted".into());
        };
        if last.1 - first.1 < total / 2 {
            return Err(format!("the run was too short to be measured: {} of {total} events", last.1).into());
        }
        #[allow(clippy::cast_precision_loss, reason = "a count of events is far below 2^53")]
        let events = (last.1 - first.1) as f64;
        Ok(events / last.0.saturating_sub(first.0).as_secs_f64())
    }
}

/// Prints a table of rates and ratios.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let events = Prepared::new(arguments.make)?;
    let program = Program::new(&arguments.program, arguments.events)?;
    println!(
        "{} events of 1 KiB, windows of {WINDOW}, {} pairs; events/s, median (lowest–highest)",
        arguments.events, arguments.pairs
    );
    println!("| into | bare loop | sluicebox | of the bare loop |\n|---|---|---|---|");
    let kinds = if arguments.kinds.is_empty() { Kind::value_variants() } else { &arguments.kinds };
    for kind in kinds {
        let mut destination = kind.destination(&program, &arguments.compression)?;
        let mut pairs = Vec::with_capacity(arguments.pairs);
        for number in 0..arguments.pairs {
            pairs.push(pair(number, destination.as_mut(), &events, &program)?);
        }
        print_row(*kind, &pairs);
    }
    Ok(())
}

impl Kind {
    fn destination(self, program: &Program, compression: &str) -> Outcome<Box<dyn Destination>> {
        Ok(match self {
            Self::Kafka => Box::new(kafka::Kafka::new(program.folder(), false, compression)?),
            Self::KafkaTransactional => Box::new(kafka::Kafka::new(program.folder(), true, compression)?),
            Self::Postgres => Box::new(postgres::Postgres::new(program.folder())?),
            Self::Amqp => Box::new(amqp::Amqp::new(program.folder())?),
            Self::Sqlite => Box::new(sqlite::Sqlite::new(program.folder())),
            Self::File => Box::new(file::Jsonl::new(program.folder())),
        })
    }
}

/// Both rates, the bare loop's first.
fn pair(
    number: usize,
    destination: &mut dyn Destination,
    events: &Prepared,
    program: &Program,
) -> Outcome<(f64, f64)> {
    if number.is_multiple_of(2) {
        let bare = bare(destination, events, program.events)?;
        Ok((bare, whole(destination, program)?))
    } else {
        let ours = whole(destination, program)?;
        Ok((bare(destination, events, program.events)?, ours))
    }
}

fn bare(destination: &mut dyn Destination, events: &Prepared, total: u64) -> Outcome<f64> {
    destination.make()?;
    let mut marks = Marks::default();
    let start = Instant::now();
    destination.bare(events, total, &mut |count| marks.push(start.elapsed(), count))?;
    close("the bare loop", destination, total)?;
    marks.rate(total)
}

fn whole(destination: &mut dyn Destination, program: &Program) -> Outcome<f64> {
    destination.make()?;
    let marks = program.run(&destination.sink())?;
    close("the program", destination, program.events)?;
    marks.rate(program.events)
}

/// Looks whether everything arrived.
fn close(writer: &str, destination: &mut dyn Destination, total: u64) -> Outcome {
    let count = destination.count()?;
    destination.remove()?;
    if count == total { Ok(()) } else { Err(format!("{count} of {total} events of {writer} arrived").into()) }
}

fn print_row(kind: Kind, pairs: &[(f64, f64)]) {
    let bare: Vec<f64> = pairs.iter().map(|pair| pair.0).collect();
    let ours: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
    let ratios: Vec<f64> = pairs.iter().map(|(bare, ours)| ours / bare * 100.0).collect();
    let shown = |values: &[f64]| {
        let (low, median, high) = spread(values);
        format!("{median:.0} ({low:.0}–{high:.0})")
    };
    let (low, median, high) = spread(&ratios);
    let name = kind.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    println!("| {name} | {} | {} | **{median:.0} %** ({low:.0}–{high:.0}) |", shown(&bare), shown(&ours));
}
