//! What becomes of an event when its look-up has ended.

use std::sync::Arc;

use bytes::Bytes;
use sluicebox_core::{DeadLetterError, DiscardReason, Event, LookupStatus, Outputs, Problem, Reason};
use sluicebox_rules::RuleError;
use smol_str::{SmolStr, format_smolstr};

use crate::{Found, OnError};

/// How one of several look-ups for an event ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What was looked up: the name of its field.
    pub name: &'static str,
    /// What was found, as JSON text; of several things perhaps not all.
    pub answer: Option<Bytes>,
    /// How it ended.
    pub status: LookupStatus,
    /// Why it did not end well: a clause.
    pub reason: Arc<str>,
}

impl Part {
    /// The end of one that looked for a single thing.
    pub fn new(name: &'static str, found: Found) -> Self {
        match found {
            Found::Answer(json) => {
                Self { name, answer: Some(json), status: LookupStatus::Ok, reason: Arc::default() }
            }
            Found::Nothing(status, reason) => Self { name, answer: None, status, reason },
        }
    }
}

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
            OnError::DeadLetter => self.give_up(index, event, (status, &reason), out),
        }
    }

    /// Says what becomes of the input event `index`, for which several look-ups were made; without any, it goes on
    /// untouched. Their answers are the fields of one object. The status of the component is the worst of theirs, and
    /// that of each is kept under `<component>.<name>`.
    pub fn settle_parts(&self, index: usize, mut event: Event, parts: &[Part], out: &mut Outputs) {
        let Some(status) = parts.iter().map(|part| part.status).max_by_key(|status| severity(*status)) else {
            return out.emit(index, event);
        };
        let lookups = &mut event.meta_mut().lookups;
        lookups.insert(self.component.clone(), status);
        for part in parts {
            lookups.insert(format_smolstr!("{}.{}", self.component, part.name), part.status);
        }
        match self.on_error {
            OnError::Drop if status != LookupStatus::Ok => out.discard(index, DiscardReason::Filtered),
            OnError::DeadLetter if status != LookupStatus::Ok => {
                let unwell = parts.iter().filter(|part| part.status != LookupStatus::Ok);
                let reasons: Vec<String> =
                    unwell.map(|part| format!("{}: {}", part.name, part.reason)).collect();
                self.give_up(index, event, (status, &reasons.join("; ")), out);
            }
            _ => {
                if let Some(json) = object(parts) {
                    event.append(self.into.clone(), json);
                }
                out.emit(index, event);
            }
        }
    }

    fn give_up(&self, index: usize, event: Event, (status, reason): (LookupStatus, &str), out: &mut Outputs) {
        let message = format!("the look-up `{}` ended {}: {reason}", self.component, status.as_str());
        out.dead_letter(index, event, Reason::Lookup, DeadLetterError::new(message));
    }
}

/// What outweighs what: that nobody could say is worse than that there is nothing.
fn severity(status: LookupStatus) -> u8 {
    match status {
        LookupStatus::Ok => 0,
        LookupStatus::NotFound => 1,
        LookupStatus::Forbidden => 2,
        LookupStatus::Unavailable => 3,
    }
}

/// One object of all answers; `None` without any.
fn object(parts: &[Part]) -> Option<Bytes> {
    let mut json = Vec::new();
    for part in parts {
        let Some(answer) = &part.answer else { continue };
        json.extend_from_slice(if json.is_empty() { b"{\"" } else { b",\"" });
        json.extend_from_slice(part.name.as_bytes());
        json.extend_from_slice(b"\":");
        json.extend_from_slice(answer);
    }
    if json.is_empty() {
        return None;
    }
    json.push(b'}');
    Some(json.into())
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
