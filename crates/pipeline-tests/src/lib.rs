//! Tests of a pipeline: the real engine with the real transforms between scripted ends, on a clock of its own.
//!
//! Above the engine, below the command line. [`run`] takes a checked test and a plan of its pipeline, replaces what
//! would reach outside (`staging`: sources by `source`, sinks by `sink`; the network by `wire`), runs the plan as
//! `run --once` would (`stage`), and compares what came out with what the test expects (`compare`, `differences`).
//! Invariants: a test touches no network, no disk but scripts and tables beside the pipeline, and no clock of the
//! machine; what nobody expected (a dead letter, a failed run, a look-up without an answer) fails it.

mod clock;
mod compare;
mod differences;
mod fault;
mod items;
mod ledger;
mod letters;
mod lists;
mod metrics;
mod sink;
mod source;
mod stage;
mod staging;
mod wire;

pub use compare::{Mismatch, Verdict};
pub use differences::Difference;
pub use stage::run;
