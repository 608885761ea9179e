//! Settings of a run that are not in the pipeline file.

use std::time::Duration;

use sluicebox_core::Environment;

/// How a pipeline is run.
#[derive(Clone)]
pub struct RunOptions {
    /// End when every source is caught up and everything is acknowledged.
    pub once: bool,
    /// Time and chance.
    pub environment: Environment,
    /// How long a drain may take before the rest is abandoned (nothing is lost: the cursors have not moved).
    pub drain_limit: Duration,
    /// Bounds on what is in flight.
    pub caps: Caps,
}

impl RunOptions {
    /// Runs until stopped, with the default caps and a drain limit of 25 s.
    pub fn new(environment: Environment) -> Self {
        Self { once: false, environment, drain_limit: Duration::from_secs(25), caps: Caps::default() }
    }
}

/// Bounds on what is between poll and acknowledgement. At a cap the source is not polled: that is the backpressure.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Pages in flight of one partition.
    pub partition_pages: usize,
    /// Events in flight of one partition.
    pub partition_events: usize,
    /// Bytes in flight of one partition.
    pub partition_bytes: usize,
    /// Bytes in flight of the whole pipeline: the byte budget. A partition with nothing in flight may always poll one
    /// page, so that no partition starves.
    pub pipeline_bytes: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            partition_pages: 32,
            partition_events: 16_384,
            partition_bytes: 16 << 20,
            pipeline_bytes: 64 << 20,
        }
    }
}
