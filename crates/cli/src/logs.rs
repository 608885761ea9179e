//! Log lines on stderr: sentences for people, or JSON lines with fixed keys for machines.
//!
//! Invariant: only our own crates are logged below `warn`, whatever the verbosity: a library that prints requests whole
//! would print credentials.

mod fields;
mod json;
mod text;

use std::io::{self, Write};
use std::sync::Arc;

use indicatif::{MultiProgress, ProgressDrawTarget};
use sluicebox_core::{Clock, Timestamp};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::arguments::{LogArguments, LogFormat};
use crate::terminal;

/// The log of the process, and the progress bars that it must not tear.
#[derive(Clone)]
pub(crate) struct Logs {
    bars: MultiProgress,
    /// Whether bars can be drawn: stderr is a terminal and people read it.
    pub(crate) draws: bool,
    /// Whether machines read the log: then nothing but JSON lines may go to stderr.
    pub(crate) json: bool,
}

impl Logs {
    /// Sends every event of the process to stderr from now on.
    pub(crate) fn start(arguments: LogArguments) -> Self {
        let draws = arguments.log_format == LogFormat::Text
            && !arguments.quiet
            && io::IsTerminal::is_terminal(&io::stderr());
        let target = if draws { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let logs = Self {
            bars: MultiProgress::with_draw_target(target),
            draws,
            json: arguments.log_format == LogFormat::Json,
        };
        let time = Now(sluicebox_engine::system().clock);
        let layer = tracing_subscriber::fmt::layer().with_writer(logs.clone());
        let filter = Targets::new()
            .with_default(LevelFilter::WARN)
            // It repeats returned messages whole, and the connector says what happened.
            .with_target("lapin", LevelFilter::OFF)
            .with_target("sluicebox", own_level(arguments.quiet, arguments.verbose));
        let registry = tracing_subscriber::registry().with(filter).with(fields::SpanFields);
        // A program that embeds the command may have installed a subscriber of its own, and keeps it.
        let _ = match arguments.log_format {
            LogFormat::Text => {
                registry.with(layer.event_format(text::Text { time, colour: terminal::colour() })).try_init()
            }
            LogFormat::Json => registry.with(layer.event_format(json::Json { time })).try_init(),
        };
        logs
    }

    /// The bars of the process.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.bars
    }
}

fn own_level(quiet: bool, verbose: u8) -> LevelFilter {
    match (quiet, verbose) {
        (true, _) => LevelFilter::WARN,
        (false, 0) => LevelFilter::INFO,
        (false, 1) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    }
}

/// The time of day for log lines.
struct Now(Arc<dyn Clock>);

impl Now {
    fn get(&self) -> Timestamp {
        self.0.now()
    }
}

impl<'w> MakeWriter<'w> for Logs {
    type Writer = LogWriter<'w>;

    fn make_writer(&'w self) -> LogWriter<'w> {
        LogWriter(&self.bars)
    }
}

/// Writes a line to stderr while the bars are out of the way.
pub(crate) struct LogWriter<'w>(&'w MultiProgress);

impl Write for LogWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().lock().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
