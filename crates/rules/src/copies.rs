//! What a copy of a value would take.
//!
//! Rhai copies a value, all of it, whenever a rule gives it away, inside a single operation. Rhai bounds how much a
//! value holds, but not what grows by `map[key] = value` or `list[index] = value`: those are not measured. So once an
//! event holds much, every variable is measured before it is used, and what could not be copied is an error instead.

use rhai::{Array, Dynamic, EvalAltResult, FnPtr, Map, Scope};

use crate::budget;
use crate::limits;

/// A key that is longer does not lie in the map itself.
const INLINE_KEY: usize = 23;
/// The smallest node of a map, which has room for eleven fields.
const NODE: usize = 512;
/// A field of a large map, with its share of half-empty nodes.
const FIELD: usize = 64;
/// A function value.
const FUNCTION: usize = 128;

/// Called before a variable is used.
///
/// # Errors
/// The event holds so much that there is no room for a copy of it.
pub(crate) fn watch(name: &str, scope: &Scope<'_>) -> Result<(), Box<EvalAltResult>> {
    let room = limits::MEMORY.saturating_sub(budget::held());
    // Nothing is larger than all that is held.
    if room >= limits::MEMORY / 2 || scope.get(name).is_none_or(|value| less(room, value).is_some()) {
        return Ok(());
    }
    Err(budget::ended(budget::OUT_OF_MEMORY))
}

/// The room that is left beside a copy, roughly; none if there is too little. Texts are shared, not copied.
fn less(room: usize, value: &Dynamic) -> Option<usize> {
    if let Ok(array) = value.as_array_ref() {
        less_array(room, &array)
    } else if let Ok(map) = value.as_map_ref() {
        less_map(room, &map)
    } else if let Some(function) = value.read_lock::<FnPtr>() {
        function.iter_curry().try_fold(room.checked_sub(FUNCTION)?, less)
    } else {
        Some(room)
    }
}

fn less_array(room: usize, array: &Array) -> Option<usize> {
    array.iter().try_fold(room.checked_sub(size_of_val(array.as_slice()))?, less)
}

fn less_map(room: usize, map: &Map) -> Option<usize> {
    if map.is_empty() {
        return Some(room);
    }
    let far = |key: &str| if key.len() > INLINE_KEY { key.len() } else { 0 };
    let room = room.checked_sub(NODE.max(FIELD * map.len()))?;
    map.iter().try_fold(room, |room, (key, value)| less(room.checked_sub(far(key))?, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::read_value;

    #[test]
    fn lists_and_maps_are_copied_and_texts_are_not() {
        const ROOM: usize = 1 << 20;
        let value = |json: &str| ROOM - less(ROOM, &read_value(json.as_bytes()).unwrap()).unwrap();
        let text = format!("\"{}\"", "x".repeat(10_000));
        assert_eq!(value(&text), 0);
        assert_eq!(value("5"), 0);
        assert_eq!(value("[1,2,3]"), 3 * size_of::<Dynamic>());
        assert_eq!(value(&format!("[[{text}]]")), 2 * size_of::<Dynamic>());
        assert_eq!(value(r#"{"a":1}"#), NODE);
        assert!(value(&format!("{{{text}:1}}")) > 10_000);
        assert_eq!(value(r#"{"a":{"b":[1]}}"#), 2 * NODE + size_of::<Dynamic>());
        let list = read_value(b"[1,2,{},4]").unwrap();
        assert_eq!(less(4 * size_of::<Dynamic>(), &list), Some(0));
        assert_eq!(less(4 * size_of::<Dynamic>() - 1, &list), None);
    }
}
