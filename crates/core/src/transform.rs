//! Transforms: a batch in, events, discards and dead letters out.

use async_trait::async_trait;
use smol_str::SmolStr;

use crate::{DeadLetterError, Event, Reason, Result, StatefulTransform};

/// Changes, drops, splits or enriches events.
///
/// One instance serves every partition of a pipeline at once, so it takes `&self`; what it remembers (caches, rate
/// budgets) sits behind its own lock. Events of a batch are in feed order and must leave in that order.
#[async_trait]
pub trait Transform: Send + Sync {
    /// Takes a batch of one partition and says what became of each event.
    ///
    /// Every event must end in exactly one of: one or more [`Outputs::emit`], [`Outputs::discard`],
    /// [`Outputs::dead_letter`]. One that ends in none counts as discarded (`filtered`).
    ///
    /// # Errors
    /// Retryable classes: the engine calls again with the same batch and a fresh `out`. Others stop the pipeline.
    async fn apply(&self, batch: Vec<Event>, out: &mut Outputs) -> Result<()>;

    /// The same transform as one that remembers; the engine then calls that one and never [`Transform::apply`].
    fn stateful(&self) -> Option<&dyn StatefulTransform> {
        None
    }
}

/// Why an event was discarded on purpose; the label `reason` of `sluicebox_component_discarded_events_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DiscardReason {
    /// A condition or rule dropped it.
    Filtered,
    /// Seen before.
    Duplicate,
    /// Left out by sampling.
    Sampled,
    /// No route matched.
    Unrouted,
}

impl DiscardReason {
    /// Every reason, for counters that exist from the start.
    pub const ALL: [Self; 4] = [Self::Filtered, Self::Duplicate, Self::Sampled, Self::Unrouted];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Filtered => "filtered",
            Self::Duplicate => "duplicate",
            Self::Sampled => "sampled",
            Self::Unrouted => "unrouted",
        }
    }
}

/// What became of one input event.
#[derive(Debug)]
pub enum TransformOutcome {
    /// It goes on as this event, on the named output (`None`: the main one).
    Emit(Option<SmolStr>, Event),

    /// Dropped on purpose.
    Discard(DiscardReason),
    /// Part of what the transform remembers now.
    Absorb,
    /// Given up.
    DeadLetter(Event, Reason, DeadLetterError),
}

/// Collects what a transform makes of a batch, by index of the input event.
#[derive(Debug, Default)]
pub struct Outputs {
    outcomes: Vec<(usize, TransformOutcome)>,
}

impl Outputs {
    /// An empty collection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Input event `index` goes on as `event` on the main output. May be called several times for one index.
    pub fn emit(&mut self, index: usize, event: Event) {
        self.outcomes.push((index, TransformOutcome::Emit(None, event)));
    }

    /// Input event `index` goes on as `event` on a named output.
    pub fn emit_to(&mut self, index: usize, output: impl Into<SmolStr>, event: Event) {
        self.outcomes.push((index, TransformOutcome::Emit(Some(output.into()), event)));
    }

    /// Input event `index` goes no further, on purpose.
    pub fn discard(&mut self, index: usize, reason: DiscardReason) {
        self.outcomes.push((index, TransformOutcome::Discard(reason)));
    }

    /// Input event `index` is part of what the transform remembers now; it may have made other events go on as well.
    pub fn absorb(&mut self, index: usize) {
        self.outcomes.push((index, TransformOutcome::Absorb));
    }

    /// Input event `index` is given up; `event` is what the dead letter shows.
    pub fn dead_letter(&mut self, index: usize, event: Event, reason: Reason, error: DeadLetterError) {
        self.outcomes.push((index, TransformOutcome::DeadLetter(event, reason, error)));
    }

    /// Everything collected, in the order of the calls.
    pub fn into_outcomes(self) -> Vec<(usize, TransformOutcome)> {
        self.outcomes
    }
}
