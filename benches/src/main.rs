//! Benchmarks of the whole program against bare loops over the same libraries.
//!
//! Every figure is a ratio within one run, the median of pairs that alternate, because machines are shared and drift.
//! Run with `cargo run --release -p sluicebox-benches -- backlog|check|connectors|memory|sinks` after `cargo build --release`.

#![allow(clippy::print_stdout, reason = "a benchmark reports on stdout")]

mod backlog;
mod bare;
mod check;
mod connectors;
mod memory;
mod server;
mod sinks;
mod statistics;

use clap::{Parser, Subcommand};

/// What can go wrong in a benchmark: anything, told and over.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[derive(Parser)]
#[command(about = "Benchmarks of the whole program")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A backlog into a file and into SQLite, against a bare client loop.
    Backlog(backlog::Arguments),
    /// The time that `check` takes for a pipeline of 50 components with 30 scripts.
    Check(check::Arguments),
    /// A backlog through the connector of each API, against the built-in source.
    Connectors(connectors::Arguments),
    /// Peak memory with a stalled sink and a backlog waiting upstream.
    Memory(memory::Arguments),
    /// Events of 1 KiB into every kind of sink, against a bare loop over the same client library.
    Sinks(sinks::Arguments),
    /// The emulator, as a process of its own (used by the others).
    Serve(server::Arguments),
    /// The bare client loop, as a process of its own (used by the others).
    Bare(bare::Arguments),
}

fn main() -> Outcome {
    match Arguments::parse().command {
        Command::Backlog(arguments) => backlog::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Connectors(arguments) => connectors::run(&arguments),
        Command::Memory(arguments) => memory::run(&arguments),
        Command::Sinks(arguments) => sinks::run(&arguments),
        Command::Serve(arguments) => server::run(&arguments),
        Command::Bare(arguments) => bare::run(&arguments),
    }
}
