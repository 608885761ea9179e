//! What the look-ups share: keys, answers and how long they are good, patience with a service that is down, and what
//! becomes of an event.
//!
//! Floor 1, upper half: `table_lookup`, `http_lookup` and `sql_lookup` are built on it, so one vocabulary holds for all
//! three. Invariant: of all who ask for one key at a time, one fetches; what is remembered is bounded in entries and
//! bytes; no look-up waits for ever.

mod answers;
mod ending;
mod flights;
mod found;
mod gate;
mod keys;
mod options;
mod patience;
mod select;
pub mod sqlite;
#[cfg(test)]
mod tests;

pub use answers::{Answers, Portions};
pub use ending::{Ending, Part, into_problem, select_problem};
pub use found::{Found, Unavailable};
pub use gate::Gate;
pub use keys::{Key, Keys, OneOrMore, Rules, key_text};
pub use options::{CacheOptions, OnError};
pub use patience::{DEFAULT_MAX_ELAPSED, Failed, Patience};
pub use select::select;
