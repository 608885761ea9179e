//! The built-in transforms: `filter`, `rhai`, `http_lookup`, `throttle`.
//!
//! Floor 2 of the house: each transform is a configuration struct, which is its reference page, and one line below.
//! Invariant: events leave in the order in which they came, and each ends in an output, a discard or a dead letter.

mod filter;
mod http_lookup;
mod rhai;
#[cfg(test)]
mod testing;
mod throttle;

use sluicebox_core::Registry;

pub use filter::Filter;
pub use http_lookup::{CacheOptions, HttpLookup, OnError};
pub use rhai::RhaiScript;
pub use throttle::Throttle;

/// Adds every transform of this crate.
pub fn register(registry: &mut Registry) {
    registry
        .transform::<Filter>()
        .transform::<RhaiScript>()
        .transform::<HttpLookup>()
        .transform::<Throttle>();
}
