//! What is known of the events of each API before the first one arrives: their types, their fields, what fields hold.
//!
//! Floor 1 of the house. The knowledge is data: JSON Schema (draft 2020-12), one file per event type, written from the
//! contracts of the APIs and checked against real events by a test. It serves `check` and people, never a run:
//! invariant: nothing here refuses an event, and a type or field that is not in the catalogue passes like all others.
//!
//! How the files are read: `properties` without `additionalProperties` names everything that is *known*, so another
//! name is probably a mistake, although an event may hold it; `additionalProperties` that are allowed make an object
//! *open*: any name may be meant.
//!
//! ```
//! use sluicebox_catalogue::{Catalogue, Found, Step};
//!
//! let catalogue = Catalogue::of_api("opentrain").expect("it is there");
//! let pending = catalogue.event_type("payment.pending").expect("it is known");
//! let path = [Step::Name("data"), Step::Name("contractid")];
//! let Found::Unknown { nearest, .. } = pending.field(&path) else { panic!("found") };
//! assert_eq!(nearest, Some("contractId"));
//! ```

mod catalogue;
mod declared;
mod files;
mod learn;
mod nearest;
mod schema;
mod shape;

pub use catalogue::Catalogue;
pub use declared::{Declared, DeclaredType};
pub use learn::Learner;
pub use nearest::nearest;
pub use schema::SchemaError;
pub use shape::{Found, Kind, Shape, Step};
