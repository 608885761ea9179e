//! The vocabulary of Sluicebox: events, batches, cursors, tokens, the component traits, the one error, the registry.
//!
//! Floor 0 of the house: everything else imports this crate and it imports none of them. Invariant: no runtime, no
//! I/O, no clock of its own. Time and chance reach a component through [`Context`], so that a simulator can own them.
//!
//! A component is a configuration struct that implements [`SourceSpec`], [`TransformSpec`] or [`SinkSpec`] and one
//! `register` line; built-in components use exactly this API.

mod accounts;
mod background;
mod backoff;
mod batch;
mod context;
mod cursor;
mod dead_letter;
mod delivery;
mod environment;
mod error;
mod event;
mod frontier;
mod known;
mod listens_on;
mod located;
mod lookup_url;
mod memory;
mod meta;
mod object;
mod options;
mod probe;
mod problem;
mod registry;
mod rendering;
mod secret;
mod sink;
mod source;
mod spec;
mod stand_in;
mod store;
mod tally;
mod timestamp;
mod tls_options;
mod token;
mod transform;
mod units;

pub use accounts::{AccountRow, AccountsSpec, AnyAccounts};
pub use background::{Background, BackgroundWork, StateFolder};
pub use backoff::Backoff;
pub use batch::{Batch, Gap, Pace, ReadItems, Reject, Unread};
pub use context::{CheckContext, Context, ScriptFiles, Shared};
pub use cursor::{Cursor, Position};
pub use dead_letter::{DeadLetter, DeadLetterError, LetterKey, LetterPage, NamedDeadLetter, Reason};
pub use delivery::{Delivery, DeliverySupport, SourceClass};
pub use environment::{Chance, Clock, Environment};
pub use error::{Error, ErrorClass, Result};
pub use event::{Event, InvalidEvent};
pub use frontier::{Frontier, Safe};
pub use known::{
    DeclaredEvents, Effect, FieldPath, KnownEvents, RuleForm, RuleReview, SchemaReader, ScriptText,
};
pub use listens_on::ListensOn;
pub use located::Located;
pub use lookup_url::LookupUrl;
pub use memory::{GroupSize, Memory, MemoryChange, Remembered, StatefulTransform};
pub use meta::{LookupStatus, Meta, PastFailure, Replay};
pub use object::object_fields;
pub use options::{BatchOptions, BufferOptions, RetryOptions};
pub use probe::{Finding, Probe, Standing};
pub use problem::{Problem, ProblemFile};
pub use registry::{
    AccountsType, ComponentKind, ComponentType, ConditionCheck, ParseProblem, Registry, SinkType, SourceType,
    TransformType,
};
pub use rendering::{Rendered, Rendering, Shown, each_event};
pub use secret::Secret;
pub use sink::{
    BuiltSink, Committed, Opened, Rejected, ResumableSink, Shard, Sink, Stopped, TransactionalSink, Window,
    Written,
};
pub use source::{BuiltSource, Committer, Discovered, PartitionedSource, Source};
pub use spec::{AnySink, AnySource, AnyTransform, SinkSpec, SourceSpec, TransformSpec};
pub use stand_in::{RowSource, StandInRows};
pub use store::{CheckpointStore, Commit, MemoryName, PartitionRecord, Request, SinkRecord, State, Wish};
pub use tally::{CacheTally, InboxFill};
pub use timestamp::Timestamp;
pub use tls_options::TlsOptions;
pub use token::{SlotListener, Token, Verdict};
pub use transform::{DiscardReason, Outputs, Transform, TransformOutcome};
pub use units::{ByteSize, Period};
