//! Faults: what can go wrong on purpose, how it is written, and when it strikes.

mod board;
mod grammar;
mod kind;

pub(crate) use board::FaultBoard;
pub use kind::{Fault, FaultKind, RetryAfter, Target, When};
