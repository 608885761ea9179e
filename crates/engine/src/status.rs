//! What a run looks like from outside, and how it ends.

use serde::Serialize;
use sluicebox_core::Timestamp;
use smol_str::SmolStr;

/// Why a pipeline stopped before it was done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// Another instance owns the state or a destination now (exit 75).
    #[error("another instance has taken over: {0}")]
    Fenced(String),
    /// The state cannot be used (exit 78).
    #[error("the state cannot be used: {0}")]
    State(String),
    /// A component cannot be built as configured (exit 78).
    #[error("component {component} cannot be built: {message}")]
    Config {
        /// The component's name.
        component: SmolStr,
        /// What is wrong, with what to do.
        message: String,
    },
    /// A component failed in a way that no retry mends (exit 1).
    #[error("component {component} failed: {message}")]
    Component {
        /// The component's name.
        component: SmolStr,
        /// What happened.
        message: String,
    },
    /// A sink paused; every cursor is kept (exit 1).
    #[error("component {component} is paused: {message}")]
    Paused {
        /// The component's name.
        component: SmolStr,
        /// What happened.
        message: String,
    },
    /// A task panicked; what it held is not counted as delivered (exit 1).
    #[error("a task panicked: {0}")]
    Panicked(String),
    /// The pipeline was stopping already.
    #[error("the pipeline was stopped")]
    Stopped,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Every source ended or was caught up (`--once`), and everything is acknowledged.
    Finished,
    /// Asked to stop; everything in flight was settled.
    Drained,
    /// `--once`: these sources paused, the others finished.
    Paused(Vec<String>),
    /// The drain took longer than its limit; nothing is lost, the cursors have not moved past what is durable.
    DrainTimeout,
    /// It broke.
    Failed(Failure),
}

/// A snapshot of a pipeline for people and for `/api/v1/pipelines`.
#[derive(Clone, Debug, Serialize)]
pub struct PipelineStatus {
    /// The pipeline's name.
    pub name: String,
    /// `running`, `draining`, `paused` (a component is), `finished` or `failed`.
    pub state: &'static str,
    /// Every component with its counters.
    pub components: Vec<ComponentStatus>,
    /// Every partition with its cursor.
    pub partitions: Vec<PartitionStatus>,
}

/// One component.
#[derive(Clone, Debug, Serialize)]
pub struct ComponentStatus {
    /// Its name.
    pub name: String,
    /// `source`, `transform` or `sink`.
    pub kind: &'static str,
    /// Its `type:`.
    #[serde(rename = "type")]
    pub component_type: &'static str,
    /// Events that reached it.
    pub received: u64,
    /// Events that it passed on or made durable.
    pub sent: u64,
    /// Events dropped on purpose.
    pub discarded: u64,
    /// Events given up.
    pub dead_letters: u64,
    /// Failed attempts.
    pub errors: u64,
    /// Why it is paused, if it is.
    pub paused: Option<PauseStatus>,
}

/// One partition (source × account).
#[derive(Clone, Debug, Serialize)]
pub struct PartitionStatus {
    /// The source component.
    pub source: String,
    /// The account.
    pub account: String,
    /// The saved cursor as text.
    pub cursor: Option<String>,
    /// Its sequence number.
    pub safe_seq: u64,
    /// When it was last committed.
    pub committed_at: Option<Timestamp>,
    /// Event time of the newest committed event.
    pub newest_event: Option<Timestamp>,
    /// Events between poll and acknowledgement.
    pub inflight_events: usize,
    /// Bytes between poll and acknowledgement.
    pub inflight_bytes: usize,
    /// Why it is paused, if it is.
    pub paused: Option<PauseStatus>,
}

/// Why something is paused.
#[derive(Clone, Debug, Serialize)]
pub struct PauseStatus {
    /// A stable word: `auth`, `config`, `offset_expired` …
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}
