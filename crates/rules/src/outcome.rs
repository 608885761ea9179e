//! What a script made of one event.

use bytes::Bytes;
use sluicebox_core::DeadLetterError;
use smol_str::SmolStr;

/// Everything that one run of a script decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptOutcome {
    /// What goes on, in order. Empty without a dead letter: the event was dropped on purpose.
    pub emitted: Vec<Emission>,
    /// The script gave the event up: nothing is emitted. The message is the script's reason; the place is the call's.
    pub dead_letter: Option<DeadLetterError>,
    /// Lines of `log`, in order.
    pub log: Vec<String>,
}

/// One event that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emission {
    /// The named output; `None`: the main one.
    pub output: Option<SmolStr>,
    /// Its JSON.
    pub event: Emitted,
}

/// How an event that goes on differs from the one that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Emitted {
    /// Not at all: its bytes stay as they are.
    Unchanged,
    /// The same event with this JSON.
    Changed(Bytes),
    /// A further event with this JSON: a child with an id of its own.
    Child(Bytes),
}
