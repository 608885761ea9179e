//! Runs a plan: tasks, bounded edges, acknowledgements, the cursor frontier, retries, dead letters, the drain.
//!
//! Floor 2, and never meets a component: everything it runs comes through the traits of `sluicebox-core`. Invariants:
//! only the engine spawns tasks, only the engine saves a cursor, and the order of delivery is never changed: sink
//! durable, token resolved, frontier moved, checkpoint durable, upstream told.

mod accounts;
mod activity;
mod build;
mod checkpointer;
mod confirm;
mod discovery;
mod edge;
mod environment;
mod flow;
mod intake;
mod letters;
mod member;
mod memories;
mod metrics;
mod open;
mod options;
mod origins;
mod partition;
mod partitions;
mod poller;
mod probe;
mod recall;
mod replay;
mod running;
mod seen;
mod sinks;
mod start;
mod status;
mod supervised;
mod topology;
mod trace;
mod warnings;

pub use accounts::{AccountChange, AccountChanges};
pub use environment::system;
pub use metrics::Metrics;
pub use options::{Caps, RunOptions};
pub use probe::{Probed, probe};
pub use running::{Running, Watch};
pub use start::{Surroundings, start};
pub use status::{ComponentStatus, Failure, Outcome, PartitionStatus, PauseStatus, PipelineStatus};
pub use supervised::Supervised;
pub use trace::{Step, Subject, Trace};
