//! Texts that stand in a value many times.
//!
//! Texts are shared, not copied, so a list can hold one text ten thousand times and take no more memory; as JSON or as
//! text it would. Rhai measures what functions give, but not what grows by `map[key] = value` or `list[index] = value`,
//! and a value that is already too large it shows in full in an error's place. So before such a value can have become
//! large it is measured here. Invariant: no variable holds much more than [`MUCH`] beyond what the event had.

use rhai::{Dynamic, EvalAltResult, EvalContext};

use crate::{budget, limits};

/// Bytes of text that one variable may have got by assignments.
const MUCH: usize = 4 * limits::TEXT_BYTES;

/// Called before a variable is used. Each use may come before an assignment, which adds one text at most; the variables
/// are measured when that may have been much.
///
/// # Errors
/// A variable holds too much text.
pub(crate) fn watch(context: &EvalContext<'_, '_, '_, '_, '_, '_>) -> Result<(), Box<EvalAltResult>> {
    if budget::text_grown() < MUCH {
        return Ok(());
    }
    let most = MUCH + budget::event_bytes();
    let mut largest = 0;
    for (_, _, value) in context.scope().iter_raw() {
        let mut texts = Texts { left: most, largest };
        if !texts.fit(value) {
            return Err(budget::ended(limits::TEXT));
        }
        largest = texts.largest;
    }
    // A function sees its own variables only, so what its caller has is not measured yet.
    if context.call_level() == 0 {
        budget::measured(largest);
    }
    Ok(())
}

/// The texts of one variable.
struct Texts {
    /// Bytes that may still come.
    left: usize,
    /// Bytes of the largest so far.
    largest: usize,
}

impl Texts {
    /// Whether there is room for all texts of a value.
    fn fit(&mut self, value: &Dynamic) -> bool {
        if let Ok(text) = value.as_immutable_string_ref() {
            self.largest = self.largest.max(text.len());
            let left = self.left.checked_sub(text.len());
            self.left = left.unwrap_or_default();
            left.is_some()
        } else if value.is_locked() {
            true
        } else if let Ok(array) = value.as_array_ref() {
            array.iter().all(|value| self.fit(value))
        } else if let Ok(map) = value.as_map_ref() {
            map.values().all(|value| self.fit(value))
        } else {
            true
        }
    }
}
