//! The built-in transforms: `filter`, `map`, `route`, `split`, `dedupe`, `window`, `redact`, `validate`, `rhai`,
//! `http_lookup`, `table_lookup`, `throttle`.
//!
//! Floor 2 of the house: each transform is a configuration struct, which is its reference page, and one line below.
//! Invariant: events leave in the order in which they came, and each ends in an output, a discard or a dead letter.

mod dedupe;
mod filter;
mod grouping;
mod http_lookup;
mod map;
mod nearest;
mod redact;
mod rhai;
mod route;
mod split;
mod table_lookup;
#[cfg(test)]
mod testing;
mod throttle;
mod unreadable;
mod validate;
mod window;

use sluicebox_core::Registry;

pub use dedupe::{Dedupe, OnMissingKey};
pub use filter::Filter;
pub use http_lookup::{Find, HttpBatch, HttpLookup, Presets};
pub use map::{Assigned, CastType, Map, OnCastError};
pub use redact::{EventPath, How, Pattern, Redact, Rule, Sort};
pub use rhai::{PackParameter, PackScript, RhaiScript, ShippedPack, StateKind, StateOptions, shipped_packs};
pub use route::{Route, RouteMode, Unmatched};
pub use sluicebox_lookups::{CacheOptions, OnError};
pub use split::{OnEmpty, OnMissing, Split};
pub use table_lookup::{CellType, Duplicates, TableFormat, TableLookup};
pub use throttle::Throttle;
pub use validate::{OnInvalid, Validate};
pub use window::{Aggregate, Function, Late, Window, WindowKind};

/// Adds every transform of this crate.
pub fn register(registry: &mut Registry) {
    registry
        .transform::<Dedupe>()
        .transform::<Filter>()
        .transform::<RhaiScript>()
        .transform::<HttpLookup>()
        .transform::<Map>()
        .transform::<Redact>()
        .transform::<Route>()
        .transform::<Split>()
        .transform::<TableLookup>()
        .transform::<Throttle>()
        .transform::<Validate>()
        .transform::<Window>();
}
