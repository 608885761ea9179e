//! What a script asks for beside its last value: `emit`, `drop`, `to`, `dead_letter`, `log`.
//!
//! Evaluation is synchronous, so the effects of the run on this thread live in a thread-local between
//! [`collect`]'s start and its end; the engine itself stays shared and without state.

use std::cell::RefCell;

use rhai::{Dynamic, EvalAltResult, Map, Position};
use smol_str::SmolStr;

use crate::limits;

/// What `dead_letter` ends the script with.
pub(crate) const DEAD_LETTER: &str = "dead letter";

/// Functions that make sense in a script only.
pub(crate) const FUNCTIONS: [&str; 6] = ["emit", "drop", "to", "replace", "dead_letter", "log"];

/// What one run asked for.
#[derive(Default)]
pub(crate) struct Effects {
    /// Events to add before the run's own.
    pub(crate) emitted: Vec<Map>,
    /// `drop()` was called.
    pub(crate) dropped: bool,
    /// The output that `to` named.
    pub(crate) output: Option<SmolStr>,
    /// The map that `replace` was given.
    pub(crate) replacement: Option<Map>,
    /// The reason that `dead_letter` gave.
    pub(crate) dead_letter: Option<String>,
    /// Lines of `log`.
    pub(crate) log: Vec<String>,
}

thread_local! {
    static EFFECTS: RefCell<Effects> = RefCell::default();
}

/// Runs `evaluate` and hands over what it asked for.
pub(crate) fn collect<T>(evaluate: impl FnOnce() -> T) -> (T, Effects) {
    EFFECTS.take();
    let value = evaluate();
    (value, EFFECTS.take())
}

pub(crate) fn emit(map: Map) -> Result<(), Box<EvalAltResult>> {
    EFFECTS.with_borrow_mut(|effects| {
        if effects.emitted.len() >= limits::EMITTED {
            return Err(too_large(limits::EVENTS).into());
        }
        effects.emitted.push(map);
        Ok(())
    })
}

pub(crate) fn drop_event() {
    EFFECTS.with_borrow_mut(|effects| effects.dropped = true);
}

pub(crate) fn to(output: &str) {
    EFFECTS.with_borrow_mut(|effects| effects.output = Some(output.into()));
}

pub(crate) fn replace(map: Map) {
    EFFECTS.with_borrow_mut(|effects| effects.replacement = Some(map));
}

/// Gives up the event and ends the script at once; `try` cannot catch it.
pub(crate) fn dead_letter(reason: &str) -> Result<(), Box<EvalAltResult>> {
    EFFECTS.with_borrow_mut(|effects| effects.dead_letter = Some(limits::line(reason)));
    Err(EvalAltResult::ErrorTerminated(Dynamic::from(DEAD_LETTER), Position::NONE).into())
}

pub(crate) fn log(line: &str) -> Result<(), Box<EvalAltResult>> {
    EFFECTS.with_borrow_mut(|effects| {
        if effects.log.len() >= limits::LOG_LINES {
            return Err(too_large(limits::LINES).into());
        }
        effects.log.push(limits::line(line));
        Ok(())
    })
}

fn too_large(what: &str) -> EvalAltResult {
    EvalAltResult::ErrorDataTooLarge(what.to_owned(), Position::NONE)
}
