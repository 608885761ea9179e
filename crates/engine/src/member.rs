//! A component as the engine sees it: its name, its condition, its counters, and what becomes of events it ends.

use std::sync::Arc;

use parking_lot::Mutex;
use sluicebox_core::{
    ComponentKind, DeadLetter, DeadLetterError, DiscardReason, Environment, Error, ErrorClass, Event, Reason,
    Token, Verdict,
};
use sluicebox_rules::{Condition, RuleError};
use smol_str::SmolStr;

use crate::checkpointer::Checkpointer;
use crate::edge::Tracked;
use crate::letters::PostboxAddress;
use crate::metrics::{ComponentMetrics, Labels};
use crate::partition::Pause;
use crate::trace::{Became, Tracer};
use crate::warnings::{Warning, Warnings};

/// What source, transform and sink have in common at run time.
pub(crate) struct Member {
    pub(crate) name: SmolStr,
    pub(crate) kind: ComponentKind,
    pub(crate) component_type: &'static str,
    pub(crate) when: Option<Condition>,
    /// Whether what does not match `when:` is discarded (sources, sinks, `filter`) or goes around the component.
    pub(crate) when_discards: bool,
    pub(crate) letters: Letters,
    pub(crate) metrics: ComponentMetrics,
    pub(crate) checkpointer: Checkpointer,
    pub(crate) environment: Environment,
    pub(crate) paused: Mutex<Option<Pause>>,
    pub(crate) warnings: Mutex<Warnings>,
    pub(crate) tracer: Tracer,
}

/// What becomes of a component's dead letters.
pub(crate) enum Letters {
    /// They are kept in the state.
    Store,
    /// They are counted.
    Drop,
    /// They go to a sink.
    Post(PostboxAddress),
}

/// What a component's condition says of an event.
pub(crate) enum Admission {
    /// It matches (or there is no condition).
    In(Tracked),
    /// It does not match and goes on unchanged.
    Around(Tracked),
    /// It is settled: filtered, or a dead letter.
    Settled,
}

/// Why an event is given up.
pub(crate) struct Cause {
    pub(crate) reason: Reason,
    pub(crate) error: DeadLetterError,
    pub(crate) attempts: u32,
}

impl Cause {
    /// Given up at the first attempt.
    pub(crate) fn new(reason: Reason, error: DeadLetterError) -> Self {
        Self { reason, error, attempts: 1 }
    }

    /// A rule failed on it (or no rule could read it).
    pub(crate) fn rule(error: RuleError) -> Self {
        Self::new(error.reason(), error.into())
    }

    /// A destination refused it.
    pub(crate) fn refused(error: &Error, attempts: u32) -> Self {
        Self { reason: DeadLetter::reason_of(error), error: DeadLetterError::from(error), attempts }
    }
}

impl Member {
    /// Asks the condition.
    pub(crate) fn admit(&self, tracked: Tracked) -> Admission {
        let Some(when) = &self.when else { return Admission::In(tracked) };
        match when.matches(&tracked.event) {
            Ok(true) => Admission::In(tracked),
            Ok(false) if self.when_discards => {
                self.trace(&tracked.event, || Became::Discarded(DiscardReason::Filtered));
                self.discard(tracked.token, DiscardReason::Filtered);
                Admission::Settled
            }
            Ok(false) => {
                self.trace(&tracked.event, || Became::Around);
                Admission::Around(tracked)
            }
            Err(error) => {
                self.metrics.error(ErrorClass::Script);
                self.give_up(&tracked.event, tracked.token, Cause::rule(error));
                Admission::Settled
            }
        }
    }

    /// Tells whoever looks what became of an event here.
    pub(crate) fn trace(&self, event: &Event, became: impl FnOnce() -> Became) {
        self.tracer.step((&self.name, self.kind), event, became);
    }

    /// Drops an event on purpose.
    pub(crate) fn discard(&self, token: Token, reason: DiscardReason) {
        self.metrics.discarded(reason);
        token.resolve(Verdict::Filtered);
    }

    /// Makes an event a dead letter; its token is resolved once that is durable.
    pub(crate) fn give_up(&self, event: &Event, token: Token, cause: Cause) {
        let letter = self.letter(event, cause);
        match &self.letters {
            Letters::Store => self.checkpointer.dead_letter(letter, token),
            Letters::Drop => token.resolve(Verdict::Filtered),
            Letters::Post(postbox) => postbox.post(letter, token),
        }
    }

    /// The dead letter for an event, counted and logged.
    pub(crate) fn letter(&self, event: &Event, cause: Cause) -> DeadLetter {
        let Cause { reason, error, attempts } = cause;
        self.metrics.dead_letter(reason);
        self.trace(event, || Became::DeadLetter(reason, error.message.clone()));
        let id = &event.meta().id;
        match self.warnings.lock().admit(self.environment.clock.elapsed()) {
            Warning::Whole => tracing::warn!(
                component = %self.name, account = %event.meta().account, event = "dead_letter",
                reason = reason.as_str(), id = %id, "event {id} became a dead letter: {}", error.message
            ),
            Warning::After(left_out) => tracing::warn!(
                component = %self.name, account = %event.meta().account, event = "dead_letter",
                reason = reason.as_str(), id = %id,
                "event {id} became a dead letter, and {left_out} before it: {}", error.message
            ),
            Warning::LeftOut => {}
        }
        let letter = DeadLetter::new(&self.name, event, reason, error, self.environment.clock.now());
        let earlier = event.meta().replay.as_ref().map_or(0, |replay| replay.attempts);
        DeadLetter { attempts: earlier + attempts, ..letter }
    }

    /// Its label values.
    pub(crate) fn labels<'a>(&'a self, pipeline: &'a str) -> Labels<'a> {
        let (component, kind) = (self.name.as_str(), self.kind.as_str());
        Labels { pipeline, component, kind, component_type: self.component_type, account: "" }
    }

    /// Stops this component for a reason that waiting does not mend.
    pub(crate) fn pause(&self, pause: Pause) {
        *self.paused.lock() = Some(pause);
    }
}

/// A shared component.
pub(crate) type SharedMember = Arc<Member>;
