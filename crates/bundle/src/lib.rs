//! What ships: every component, in one registry.
//!
//! Floor 3: here the two wings meet, components and engine, without either knowing the other.

mod bundled;
mod review;

pub use bundled::registry;
pub use sluicebox_declared::{Attempt, Plugin as Connector, TrialOutcome, shipped as shipped_connectors};
pub use sluicebox_transforms::{PackParameter, PackScript, ShippedPack, shipped_packs};
