//! The light sources: feeds of APIs, and generated events.
//!
//! Each is one configuration struct and one `register` line. Invariant: one `next` is one attempt; what came back is
//! classified here, and waiting, retrying, pausing and saving cursors are the engine's.

mod asking;
mod generate;
mod item;
mod opentrain_updates;
mod pace;
mod page;
mod protocol;
mod standing;
mod start;
mod zenzap_updates;

pub use generate::Generate;
pub use opentrain_updates::OpenTrainUpdates;
pub use start::Start;
pub use zenzap_updates::{OnOffsetExpired, ZenzapUpdates};

/// Adds every source of this crate.
pub fn register(registry: &mut sluicebox_core::Registry) {
    registry.source::<Generate>();
    registry.source::<OpenTrainUpdates>();
    registry.source::<ZenzapUpdates>();
}
