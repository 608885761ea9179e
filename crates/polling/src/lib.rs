//! What sources share that poll an API: where they stand in its feed, how long they wait, how an item becomes an event,
//! and what answers mean that are not what the contract says.
//!
//! Invariant: nothing here asks anybody, waits or saves; it judges what a source has at hand.

pub mod asking;
pub mod digits;
pub mod item;
pub mod pace;
pub mod page;
pub mod path;
pub mod protocol;
pub mod quiet;
pub mod standing;
mod start;

pub use start::Start;
