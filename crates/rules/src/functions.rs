//! Functions that rules may call: our own, their registration, and the catalogue of all that exist.
//!
//! One file per family: what it does, and beside it what the reference says of it. Rhai's own functions stand in the
//! same lists. Invariant: every function that a rule can call is documented or in [`LEFT_OUT`], with the reason; none
//! reads a clock, a file or a network, none rolls dice, and what one gives stays within the limits.

mod base64;
mod catalogue;
mod decimal;
mod hash;
mod json;
mod list;
mod list_keys;
mod map;
mod missing;
mod number;
mod order;
mod outcome;
mod path;
mod regex;
mod regex_cache;
mod script;
mod shown;
mod state;
mod text;
mod text_form;
mod time;
mod time_span;
mod time_zone;
mod url;
mod value;

#[cfg(test)]
mod tests;

use rhai::Engine;

pub use catalogue::{Family, Function};
pub(crate) use catalogue::{nearest, usage};

/// Functions of Rhai that can be called and are not documented, with the reason.
#[cfg(test)]
const LEFT_OUT: [(&str, &str); 23] = [
    ("print", "the word is disabled; a script has `log`"),
    ("debug", "the word is disabled; a script has `log`"),
    ("to_debug", "shows a value as Rhai writes it; `to_json` is what other programs read"),
    ("to_blob", "bytes have no JSON form"),
    ("make_upper", "changes a text in place; `to_upper` gives a new one, as all text functions do"),
    ("make_lower", "changes a text in place; `to_lower` gives a new one, as all text functions do"),
    ("crop", "changes a text in place; `sub_string` gives a new one, as all text functions do"),
    ("for_each", "needs the word `this`, which is disabled; `for item in list` does the same"),
    ("bits", "bits of an integer, for device drivers"),
    ("name", "of a function value, for debugging"),
    ("is_anonymous", "of a function value, for debugging"),
    ("start", "of a range, which lives in a `for` only"),
    ("end", "of a range, which lives in a `for` only"),
    ("is_inclusive", "of a range, which lives in a `for` only"),
    ("is_exclusive", "of a range, which lives in a `for` only"),
    ("add", "the operator `+` of decimals by a name"),
    ("subtract", "the operator `-` of decimals by a name"),
    ("multiply", "the operator `*` of decimals by a name"),
    ("divide", "the operator `/` of decimals by a name"),
    ("modulo", "the operator `%` of decimals by a name"),
    ("power", "the operator `**` of decimals by a name"),
    ("parse_decimal", "another name for `decimal(text)`"),
    ("to_decimal", "another name for `decimal(number)`"),
];

/// The families, in the order of the reference.
static FAMILIES: [Family; 14] = [
    text::FAMILY,
    regex::FAMILY,
    time::FAMILY,
    number::FAMILY,
    decimal::FAMILY,
    hash::FAMILY,
    url::FAMILY,
    base64::FAMILY,
    json::FAMILY,
    map::FAMILY,
    list::FAMILY,
    value::FAMILY,
    script::FAMILY,
    state::FAMILY,
];

/// Every family of functions, in the order of the reference.
pub fn families() -> &'static [Family] {
    &FAMILIES
}

/// Every documented function, family by family.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    FAMILIES.iter().flat_map(|family| family.functions)
}

/// Registers everything.
pub(crate) fn register(engine: &mut Engine) {
    missing::register(engine);
    text::register(engine);
    regex::register(engine);
    time::register(engine);
    number::register(engine);
    decimal::register(engine);
    hash::register(engine);
    url::register(engine);
    base64::register(engine);
    json::register(engine);
    map::register(engine);
    list::register(engine);
    value::register(engine);
    script::register(engine);
    state::register(engine);
    shown::register(engine);
}
