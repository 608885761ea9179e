//! Functions that hold themselves.
//!
//! A function value shares the variables that it captures, so `f = |n| f.call(n - 1)` is held by its own variable and
//! nothing would ever free it: a little of every event would stay for good. The variables of a script are emptied when
//! it is over. (Those of a block or function are gone by then; what their functions hold in a circle stays.)

use rhai::{Dynamic, Scope};

/// Empties every variable that functions share.
pub(crate) fn cut(variables: &Scope<'_>) {
    for (_, _, value) in variables.iter_raw().filter(|(_, _, value)| value.is_shared()) {
        let mut shared = value.clone();
        // One that is locked now is in use by nothing that could go on: the script is over.
        if let Some(mut inside) = shared.write_lock::<Dynamic>() {
            let held = std::mem::take(&mut *inside);
            // What is dropped may hold this very variable: it must not be locked then.
            drop(inside);
            drop(held);
        }
    }
}
