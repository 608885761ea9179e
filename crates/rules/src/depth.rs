//! How deeply values are nested, watched while a rule runs.
//!
//! Rhai limits how much a value holds but not how deep it is, and it copies, measures and drops values recursively:
//! a loop around `a = [a]` would overflow the stack of the thread, which no handler can catch. A value can only grow
//! deeper through a variable, so every few accesses the variables of the scope are measured.

use std::any::TypeId;
use std::cell::Cell;

use rhai::{Array, Dynamic, EvalAltResult, FnPtr, Map, Position, Scope};

use crate::limits;

/// How many accesses pass between two measurements; one expression nests at most `EXPRESSION_DEPTH` levels.
const ACCESSES_PER_LOOK: u32 = 64;

thread_local! {
    static ACCESSES: Cell<u32> = const { Cell::new(0) };
}

/// Called for every access to a variable.
///
/// # Errors
/// A variable is nested too deeply.
pub(crate) fn watch(scope: &Scope<'_>) -> Result<(), Box<EvalAltResult>> {
    let accesses = ACCESSES.get().wrapping_add(1);
    ACCESSES.set(accesses);
    if !accesses.is_multiple_of(ACCESSES_PER_LOOK) {
        return Ok(());
    }
    if scope.iter_raw().any(|(_, _, value)| is_deeper(value, limits::VALUE_DEPTH)) {
        let what = limits::NESTING.to_owned();
        return Err(EvalAltResult::ErrorDataTooLarge(what, Position::NONE).into());
    }
    Ok(())
}

/// Whether a value has nothing inside: most have not, so this is asked first.
fn is_flat(value: &Dynamic) -> bool {
    let kind = value.type_id();
    kind != TypeId::of::<Map>() && kind != TypeId::of::<Array>() && kind != TypeId::of::<FnPtr>()
}

fn is_deeper(value: &Dynamic, levels: usize) -> bool {
    if value.is_locked() || is_flat(value) {
        return false;
    }
    let deeper = |value: &Dynamic| levels == 0 || is_deeper(value, levels - 1);
    if let Ok(array) = value.as_array_ref() {
        array.iter().any(deeper)
    } else if let Ok(map) = value.as_map_ref() {
        map.values().any(deeper)
    } else if let Some(function) = value.read_lock::<FnPtr>() {
        function.iter_curry().any(deeper)
    } else {
        false
    }
}
