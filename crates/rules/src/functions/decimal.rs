//! Money: decimals of up to 28 digits, exact where floating point is not.
//!
//! A number with a fraction counts with the digits that JSON writes for it: `0.1` is one tenth here, not the nearest
//! double. Where none of the operands is a decimal, floating point stays floating point.

use std::cmp::Ordering;
use std::fmt::Display;

use rhai::{Dynamic, Engine};
use rust_decimal::{Decimal, RoundingStrategy};

use super::catalogue::{Family, functions};
use super::order::{as_decimal, order};
use super::outcome::{Outcome, fault, quoted, shown};

/// Digits behind the point that a decimal can have.
const DIGITS: i64 = 28;

pub(super) const FAMILY: Family = Family {
    name: "decimal",
    summary: "Money as decimals: exact, up to 28 digits, overflow is an error. `+ - * / %` and comparisons work \
              between decimals and with other numbers, which count with the digits they are written with. JSON \
              gets a number with exactly its digits. Functions of numbers (`abs`, `floor`, `min`, …) take decimals too.",
    functions: functions! {
        "decimal" "(value) → decimal":
            "The exact decimal of a text or a number."
            r#"decimal("0.1") + decimal("0.2")"# => "0.3";
        "decimal" "(value, default) → decimal":
            "The same, with a value for what is no number."
            r#"decimal("n/a", 0)"# => "0";
        "is_decimal" "(value) → true or false": "Whether a value is a decimal." r#"is_decimal(decimal("1"))"# => "true";
        "round" "(decimal, digits) → decimal":
            "Rounded to so many digits behind the point; a half goes to the even neighbour, as banks round. Without \
             digits, to a whole number."
            r#"[decimal("2.345").round(2), decimal("2.355").round(2)]"# => "[2.34,2.36]";
        "round_half_up" "(decimal, digits) → decimal":
            "The same, but a half goes away from zero, as on invoices."
            r#"decimal("2.345").round_half_up(2)"# => "2.35";
        "round_half_down" "(decimal, digits) → decimal": "The same, but a half goes towards zero."
            r#"decimal("2.345").round_half_down(2)"# => "2.34";
        "round_up" "(decimal, digits) → decimal": "Whatever is cut off, away from zero." r#"decimal("2.341").round_up(2)"# => "2.35";
        "round_down" "(decimal, digits) → decimal": "Whatever is cut off, towards zero." r#"decimal("2.349").round_down(2)"# => "2.34";
        "with_digits" "(decimal, digits) → decimal":
            "With exactly so many digits behind the point: filled up with zeros, or rounded half to even."
            r#"decimal("5").with_digits(2)"# => "5.00";
        "to_float" "(decimal) → number": "As floating point." r#"decimal("1.50").to_float()"# => "1.5";
        "to_int" "(decimal) → integer": "What is before the point." r#"decimal("7.9").to_int()"# => "7";
        "to_string" "(decimal) → text": "With all its digits." r#"decimal("1.50").to_string()"# => r#""1.50""#;
    },
};

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("decimal", |value: Dynamic| {
        exact(&value).ok_or_else(|| fault("decimal", "a number of up to 28 digits", &shown(&value)))
    });
    engine.register_fn("decimal", |value: Dynamic, default: Dynamic| {
        exact(&value).map_or(default, Dynamic::from_decimal)
    });
    // Rhai's own goes by the bits of the number, not by its digits.
    engine.register_fn("to_decimal", |number: f64| {
        from_float(number)
            .ok_or_else(|| fault("to_decimal", "a number of up to 28 digits", &number.to_string()))
    });
    engine.register_fn("is_decimal", |value: Dynamic| value.is_decimal());
    engine.register_fn("with_digits", |number: Decimal, places: i64| -> Outcome<Decimal> {
        let places = digits("with_digits", places)?;
        let mut number = number.round_dp(places);
        number.rescale(places);
        if number.scale() == places {
            return Ok(number);
        }
        Err(fault("with_digits", "a number with room for so many digits", &number.to_string()))
    });
    engine.register_fn("format_number", |number: Dynamic, places: i64| formatted(&number, places));
    with_fractions(engine);
}

/// A result, or none where 28 digits do not suffice.
type Calculation = fn(Decimal, Decimal) -> Option<Decimal>;

/// Whether an order is the one that was asked for.
type Comparison = fn(Ordering) -> bool;

/// Decimals beside floating point; Rhai brings decimals beside decimals and whole numbers.
fn with_fractions(engine: &mut Engine) {
    let calculations: [(&str, Calculation); 5] = [
        ("+", Decimal::checked_add),
        ("-", Decimal::checked_sub),
        ("*", Decimal::checked_mul),
        ("/", Decimal::checked_div),
        ("%", Decimal::checked_rem),
    ];
    for (name, calculate) in calculations {
        engine.register_fn(name, move |left: Decimal, right: f64| -> Outcome<Decimal> {
            let result = from_float(right).and_then(|right| calculate(left, right));
            result.ok_or_else(|| out_of_range(&left, name, &right).into())
        });
        engine.register_fn(name, move |left: f64, right: Decimal| -> Outcome<Decimal> {
            let result = from_float(left).and_then(|left| calculate(left, right));
            result.ok_or_else(|| out_of_range(&left, name, &right).into())
        });
    }
    let comparisons: [(&str, Comparison); 6] = [
        ("==", Ordering::is_eq),
        ("!=", Ordering::is_ne),
        ("<", Ordering::is_lt),
        ("<=", Ordering::is_le),
        (">", Ordering::is_gt),
        (">=", Ordering::is_ge),
    ];
    for (name, holds) in comparisons {
        let of = move |left: &Dynamic, right: &Dynamic| order(left, right).map_or(name == "!=", holds);
        engine.register_fn(name, move |left: Decimal, right: f64| of(&left.into(), &right.into()));
        engine.register_fn(name, move |left: f64, right: Decimal| of(&left.into(), &right.into()));
    }
    for (name, wanted) in [("min", Ordering::Less), ("max", Ordering::Greater)] {
        let of = move |left: Dynamic, right: Dynamic| {
            if order(&right, &left) == Some(wanted) { right } else { left }
        };
        engine.register_fn(name, move |left: Decimal, right: f64| of(left.into(), right.into()));
        engine.register_fn(name, move |left: f64, right: Decimal| of(left.into(), right.into()));
    }
}

fn out_of_range(left: &dyn Display, operator: &str, right: &dyn Display) -> String {
    format!("{left} {operator} {right} cannot be calculated with 28 digits")
}

/// The decimal that a text or a number stands for.
fn exact(value: &Dynamic) -> Option<Decimal> {
    match value.as_immutable_string_ref() {
        Ok(text) => read(text.trim()),
        Err(_) => as_decimal(value),
    }
}

fn read(text: &str) -> Option<Decimal> {
    Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).ok()
}

/// The decimal with the digits that JSON writes for a floating-point number.
pub(super) fn from_float(number: f64) -> Option<Decimal> {
    if number.is_finite() { read(&number.to_string()) } else { None }
}

/// How many digits behind the point a rule asked for.
pub(super) fn digits(function: &str, number: i64) -> Outcome<u32> {
    match u32::try_from(number) {
        Ok(digits) if number <= DIGITS => Ok(digits),
        _ => Err(fault(function, "0 to 28 digits", &number.to_string())),
    }
}

/// Rounded, a half away from zero.
pub(super) fn half_up(number: Decimal, digits: u32) -> Decimal {
    number.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero)
}

/// For people: digits behind the point, commas between thousands.
fn formatted(number: &Dynamic, places: i64) -> Outcome<String> {
    let places = digits("format_number", places)?;
    let exact = as_decimal(number)
        .ok_or_else(|| fault("format_number", "a number of up to 28 digits", &quoted(&number.to_string())))?;
    let text = format!("{:.*}", usize::try_from(places).unwrap_or_default(), half_up(exact, places));
    let (sign, text) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut grouped = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if !fraction.is_empty() {
        grouped.push('.');
        grouped.push_str(fraction);
    }
    Ok(grouped)
}
