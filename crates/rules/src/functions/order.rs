//! Numbers of every kind, and texts, in one order: what `min`, `max`, `clamp` and sorting by a key go by.

use std::cmp::Ordering;

use rhai::Dynamic;

use super::decimal::from_float;
use super::outcome::{Outcome, fault, shown};

/// How two values compare: numbers of any kind, two texts, or two truths; `None` for anything else.
pub(super) fn order(left: &Dynamic, right: &Dynamic) -> Option<Ordering> {
    if let (Ok(left), Ok(right)) = (left.as_immutable_string_ref(), right.as_immutable_string_ref()) {
        return Some(left.as_str().cmp(right.as_str()));
    }
    if let (Ok(left), Ok(right)) = (left.as_bool(), right.as_bool()) {
        return Some(left.cmp(&right));
    }
    if let (Ok(left), Ok(right)) = (left.as_int(), right.as_int()) {
        return Some(left.cmp(&right));
    }
    if (left.is_decimal() || right.is_decimal())
        && let (Some(left), Some(right)) = (as_decimal(left), as_decimal(right))
    {
        return Some(left.cmp(&right));
    }
    as_float(left)?.partial_cmp(&as_float(right)?)
}

/// A number as a decimal, if one can hold it.
pub(super) fn as_decimal(value: &Dynamic) -> Option<rust_decimal::Decimal> {
    if let Ok(number) = value.as_decimal() {
        return Some(number);
    }
    if let Ok(number) = value.as_int() {
        return Some(number.into());
    }
    from_float(value.as_float().ok()?)
}

/// A number as floating point.
pub(super) fn as_float(value: &Dynamic) -> Option<f64> {
    if let Ok(number) = value.as_int() {
        #[allow(clippy::cast_precision_loss, reason = "as Rhai compares a whole number with a fraction")]
        return Some(number as f64);
    }
    if let Ok(number) = value.as_decimal() {
        return number.to_string().parse().ok();
    }
    value.as_float().ok()
}

/// The least or greatest item; missing items do not count. `wanted` is how a better item compares.
pub(super) fn extreme(function: &str, items: &[Dynamic], wanted: Ordering) -> Outcome<Dynamic> {
    let mut best = Dynamic::UNIT;
    for item in items.iter().filter(|item| !item.is_unit()) {
        let order = order(item, if best.is_unit() { item } else { &best });
        match order {
            Some(order) if best.is_unit() || order == wanted => best = item.clone(),
            Some(_) => {}
            None => return Err(fault(function, "numbers only or texts only", &shown(item))),
        }
    }
    Ok(best)
}
