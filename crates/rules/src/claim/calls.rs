//! Which functions change nothing: their value is all that they give.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::functions::families;

/// Says of a function that it changes what it is called on.
const IN_PLACE: &str = "in place";
/// Families of functions that do more than to give a value, whatever they are called on.
const ACTING: [&str; 2] = ["script", "state"];

/// Functions that only take something out, or put it in another order.
const NARROWING: [&str; 15] = [
    "remove",
    "clear",
    "retain",
    "drain",
    "pop",
    "shift",
    "truncate",
    "chop",
    "dedup",
    "reverse",
    "sort",
    "sort_by",
    "sort_desc",
    "split",
    "crop",
];

/// Documented functions, and whether some way to call one does more than to give a value.
static FUNCTIONS: LazyLock<BTreeMap<&'static str, bool>> = LazyLock::new(|| {
    let mut functions = BTreeMap::new();
    for family in families() {
        for function in family.functions {
            let acts = ACTING.contains(&family.name) || function.summary.contains(IN_PLACE);
            *functions.entry(function.name).or_default() |= acts;
        }
    }
    functions
});

/// Whether a call of it changes nothing, whatever it is called with; an operator is a function too.
pub(super) fn is_pure(name: &str) -> bool {
    is_operator(name) || FUNCTIONS.get(name) == Some(&false)
}

/// The same for a call with so many arguments, what a method is called on among them: some names do two things.
pub(super) fn is_pure_call(name: &str, arguments: usize) -> bool {
    is_pure(name) || (name == "replace" && arguments == 3)
}

/// Whether it is `==`, `+` and the like.
pub(super) fn is_operator(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Whether what it changes has nothing afterwards that it had not before.
pub(super) fn only_narrows(name: &str) -> bool {
    NARROWING.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_told_from_what_gives() {
        for name in ["trim", "to_upper", "set_path", "merge", "decimal", "==", "+", "len"] {
            assert!(is_pure(name), "{name}");
        }
        for name in ["push", "mixin", "remove", "emit", "log", "drop", "replace", "set", "nobody_knows"] {
            assert!(!is_pure(name), "{name}");
        }
        assert!(is_pure_call("replace", 3) && !is_pure_call("replace", 1));
        assert!(NARROWING.iter().all(|name| !is_pure(name)));
    }
}
