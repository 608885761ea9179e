//! Pipelines inside a program of your own: load, check, start, watch, drain.
//!
//! Floor 3 of the house, beside the bundle, which it does not know: whoever calls says which components there are. The
//! command line runs its pipelines through this crate as well. Invariants: it prints nothing, reads no environment, ends
//! no process, installs nothing global; so any number of pipelines run side by side in one process. What is wrong with a
//! file is data with its lines ([`Report`]), and everything else that can go wrong is a type.
//!
//! ```
//! use sluicebox_runtime::{BuildError, Ended, Registry, Runtime};
//!
//! const PIPELINE: &str = "
//! sources:
//!   orders: { type: generate, count: 100, rate: 1000 }
//! sinks:
//!   lines: { type: file, inputs: [orders], path: \"${FOLDER}/orders.jsonl\" }
//! ";
//!
//! /// `registry`: what your program knows, like `sluicebox_bundle::registry()`.
//! async fn run(registry: Registry) -> Result<(), Box<dyn std::error::Error>> {
//!     let built = Runtime::builder()
//!         .registry(registry)
//!         .pipeline_text("orders.yaml", PIPELINE)
//!         .variable("FOLDER", "/tmp")
//!         .state_dir("/var/lib/orders")
//!         .build();
//!     if let Err(BuildError::Refused(report)) = &built {
//!         for problem in &report.problems {
//!             eprintln!("{}:{}: {}", problem.file, problem.line, problem.message);
//!         }
//!     }
//!     let mut running = built?.start().await?;
//!     println!("{} components", running.status().components.len());
//!     let ended = running.drain().await?;
//!     assert!(matches!(ended, Ended::Drained | Ended::Finished));
//!     Ok(())
//! }
//! ```
//!
//! Log lines go to the `tracing` subscriber of the program, if it has one. Accounts that stand
//! in a file or a database are read once, at the start.

mod accounts;
mod builder;
mod errors;
mod loading;
mod running;
mod runtime;

pub use accounts::AccountReader;
pub use builder::Builder;
pub use errors::{BuildError, Ended, RunError, StartError};
pub use loading::{Folder, load, read, unreadable};
pub use running::{Handle, Running};
pub use runtime::{OpenedState, Runtime};
pub use sluicebox_checkpoints::{MemoryStore, OpenError};
pub use sluicebox_config::{LocatedProblem, Plan, Report, Route, Variables};
pub use sluicebox_core::{CheckpointStore, Environment, Registry};
pub use sluicebox_engine::{
    Caps, ComponentStatus, Failure, Metrics, PartitionStatus, PauseStatus, PipelineStatus, Step, Subject,
    Trace, Watch,
};
