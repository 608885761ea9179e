//! What becomes of an event when its look-up has ended.

use sluicebox_core::{DeadLetterError, DiscardReason, Event, LookupStatus, Outputs, Problem, Reason};
use sluicebox_rules::RuleError;
use smol_str::SmolStr;

use crate::{Found, OnError};

/// Puts answers into events, and knows what `on_error` says where there is none.
#[derive(Clone, Debug)]
pub struct Ending {
    component: SmolStr,
    into: SmolStr,
    on_error: OnError,
}

impl Ending {
    /// For the look-up `component`; the answer goes into the field `into`, or into one of the component's name.
    pub fn new(component: &str, into: Option<&str>, on_error: OnError) -> Self {
        let component = SmolStr::new(component);
        Self { into: into.map_or_else(|| component.clone(), SmolStr::new), component, on_error }
    }

    /// Says what becomes of the input event `index`; an error is that of a rule over the event.
    pub fn settle(&self, index: usize, mut event: Event, found: Result<Found, RuleError>, out: &mut Outputs) {
        let (status, reason) = match found {
            Err(error) => return out.dead_letter(index, event, error.reason(), error.into()),
            Ok(Found::Answer(json)) => {
                event.append(self.into.clone(), json);
                event.meta_mut().lookups.insert(self.component.clone(), LookupStatus::Ok);
                return out.emit(index, event);
            }
            Ok(Found::Nothing(status, reason)) => (status, reason),
        };
        event.meta_mut().lookups.insert(self.component.clone(), status);
        match self.on_error {
            OnError::Pass => out.emit(index, event),
            OnError::Drop => out.discard(index, DiscardReason::Filtered),
            OnError::DeadLetter => {
                let message = format!("the look-up `{}` ended {}: {reason}", self.component, status.as_str());
                out.dead_letter(index, event, Reason::Lookup, DeadLetterError::new(message));
            }
        }
    }
}

/// What is wrong with an option `select`.
pub fn select_problem(select: Option<&str>) -> Option<Problem> {
    let is_wrong = select.is_some_and(|path| path.split('.').any(str::is_empty));
    is_wrong.then(|| Problem::new("select", "expected a path like `contract` or `items.0.name`"))
}

/// What is wrong with an option `into`.
pub fn into_problem(into: Option<&str>) -> Option<Problem> {
    let is_wrong = into.is_some_and(|field| field.is_empty() || field.contains('.'));
    is_wrong.then(|| Problem::new("into", "expected the name of a top-level field"))
}
