//! What every component must keep to, as tests that its author runs: the contract suites.
//!
//! Beside the floors, a dev-dependency only, and light: it knows nothing but `sluicebox-core`. The components that ship
//! run the same suites. [`source`] wants an [`Upstream`], [`transform`] a way to build one and some events, [`sink`] a
//! [`Shelf`], [`resumable_sink`] a [`MarkedShelf`], [`transactional_sink`] a [`Warehouse`]. Each builds the component again and again, as restarts do, and
//! breaks off with a sentence that names the law and what happened instead. What they cannot see is proved with the whole
//! program: `sluicebox_testkit::contract` kills it, cuts its connections, and counts what arrived.
//!
//! ```
//! # use sluicebox_core::{Event, Outputs, Result, Transform};
//! struct Pass;
//!
//! #[async_trait::async_trait]
//! impl Transform for Pass {
//!     async fn apply(&self, batch: Vec<Event>, out: &mut Outputs) -> Result<()> {
//!         batch.into_iter().enumerate().for_each(|(index, event)| out.emit(index, event));
//!         Ok(())
//!     }
//! }
//!
//! // In your crate: `#[tokio::test(start_paused = true)]`, so that no wait takes time.
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
//! let events = [sluicebox_contract::event(1, r#"{"a":1}"#), sluicebox_contract::event(2, "{}")];
//! let tally = sluicebox_contract::transform(async || Box::new(Pass) as Box<dyn Transform>, &events).await;
//! assert_eq!(tally.events, 2);
//! # });
//! ```
#![allow(clippy::panic, reason = "whatever goes wrong here fails the test that asked")]

mod marks;
mod sinks;
mod sources;
mod stateful;
mod surroundings;
mod tally;
mod transactions;
mod transforms;

pub use marks::{MarkedShelf, resumable_sink};
pub use sinks::{Shelf, sink};
pub use sources::{Fault, Upstream, source};
pub use surroundings::{
    NoChance, NoFiles, START_MILLISECONDS, context, environment, event, still_environment,
};
pub use tally::Tally;
pub use transactions::{Warehouse, transactional_sink};
pub use transforms::transform;
