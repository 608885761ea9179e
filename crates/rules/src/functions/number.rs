//! Numbers: read from text, rounded, bounded, and Rhai's mathematics.

use rhai::{Dynamic, Engine};

use super::catalogue::{Family, functions};
use super::decimal::{digits, from_float, half_up};
use super::order::order;
use super::outcome::{Outcome, fault, quoted, shown};

pub(super) const FAMILY: Family = Family {
    name: "number",
    summary: "Whole numbers (64 bits) and numbers with a fraction (double precision). `+ - * / % **` are written as \
              usual; 7 / 2 of whole numbers is 3. For money, see the family decimal.",
    functions: functions! {
        "parse_number" "(text) → number":
            "The number that a text holds: whole if it is written so. A number stays what it is."
            r#"[parse_number("42"), parse_number(" 1.5e3 "), parse_number(7)]"# => "[42,1500.0,7]";
        "parse_number" "(text, default) → number": "The same, with a value for anything else."
            r#"parse_number("n/a", 0)"# => "0";
        "parse_int" "(text) → integer": "A whole number; a second argument is the base."
            r#"[parse_int("42"), parse_int("ff", 16)]"# => "[42,255]";
        "parse_float" "(text) → number": "A number with a fraction." r#"parse_float("1.5")"# => "1.5";
        "to_int" "(number) → integer": "Without what is behind the point." "to_int(-3.7)" => "-3";
        "to_float" "(number) → number": "With a fraction." "to_float(3)" => "3.0";
        "round" "(number) → number": "The nearest whole number; a half goes away from zero." "[round(2.5), round(7)]" => "[3.0,7]";
        "round" "(number, digits) → number":
            "Rounded to so many digits behind the point, as the number is written; a half goes away from zero."
            "[round(2.675, 2), round(0.1 + 0.2, 2)]" => "[2.68,0.3]";
        "floor" "(number) → number": "The next whole number below." "[floor(-1.5), floor(2)]" => "[-2.0,2]";
        "ceiling" "(number) → number": "The next whole number above." "ceiling(1.2)" => "2.0";
        "int" "(number) → number": "What is before the point." "int(-1.7)" => "-1.0";
        "fraction" "(number) → number": "What is behind the point." "fraction(1.25)" => "0.25";
        "abs" "(number) → number": "Without its sign." "abs(-4)" => "4";
        "sign" "(number) → integer": "-1, 0 or 1." "sign(-2.5)" => "-1";
        "min" "(a, b) → value": "The smaller of two numbers, or the earlier of two texts." "min(3, 1.5)" => "1.5";
        "max" "(a, b) → value": "The greater of two numbers, or the later of two texts." "max(3, 1.5)" => "3.0";
        "clamp" "(number, lowest, highest) → number": "The number, or the bound that it is beyond." "clamp(130, 0, 100)" => "100";
        "is_zero" "(number) → true or false": "Whether it is 0." "is_zero(0.0)" => "true";
        "is_even" "(integer) → true or false": "Whether it can be halved." "is_even(4)" => "true";
        "is_odd" "(integer) → true or false": "Whether it cannot." "is_odd(4)" => "false";
        "is_nan" "(number) → true or false": "Whether it is no number at all, as 0.0 / 0.0 is; JSON cannot hold it."
            "is_nan(0.0 / 0.0)" => "true";
        "is_finite" "(number) → true or false": "Whether it is a number and not infinite." "is_finite(1.0 / 0.0)" => "false";
        "is_infinite" "(number) → true or false": "Whether it is infinite." "is_infinite(1.0 / 0.0)" => "true";
        "format_number" "(number, digits) → text":
            "For people: so many digits behind the point, a half away from zero, commas between thousands."
            "format_number(1234567.891, 2)" => r#""1,234,567.89""#;
        "to_hex" "(integer) → text": "In base 16." "to_hex(255)" => r#""ff""#;
        "to_octal" "(integer) → text": "In base 8." "to_octal(8)" => r#""10""#;
        "to_binary" "(integer) → text": "In base 2." "to_binary(5)" => r#""101""#;
        "sqrt" "(number) → number": "The square root." "sqrt(2.25)" => "1.5";
        "exp" "(number) → number": "e to that power." "exp(0.0)" => "1.0";
        "ln" "(number) → number": "The natural logarithm." "ln(1.0)" => "0.0";
        "log" "(number) → number": "The logarithm to base 10, or to the base that is given second." "[log(1000.0), log(8.0, 2.0)]" => "[3.0,3.0]";
        "hypot" "(x, y) → number": "The length of the diagonal." "hypot(3.0, 4.0)" => "5.0";
        "PI" "() → number": "The number π." "floor(PI() * 100.0)" => "314.0";
        "E" "() → number": "The number e." "floor(E() * 100.0)" => "271.0";
        "to_radians" "(degrees) → number": "Degrees as radians." "to_radians(0.0)" => "0.0";
        "to_degrees" "(radians) → number": "Radians as degrees." "to_degrees(PI())" => "180.0";
        "sin" "(radians) → number": "Sine." "sin(0.0)" => "0.0";
        "cos" "(radians) → number": "Cosine." "cos(0.0)" => "1.0";
        "tan" "(radians) → number": "Tangent." "tan(0.0)" => "0.0";
        "asin" "(number) → radians": "Arc sine." "asin(0.0)" => "0.0";
        "acos" "(number) → radians": "Arc cosine." "acos(1.0)" => "0.0";
        "atan" "(number) → radians": "Arc tangent; of two numbers, the direction to that point." "[atan(0.0), atan(0.0, 1.0)]" => "[0.0,0.0]";
        "sinh" "(number) → number": "Hyperbolic sine." "sinh(0.0)" => "0.0";
        "cosh" "(number) → number": "Hyperbolic cosine." "cosh(0.0)" => "1.0";
        "tanh" "(number) → number": "Hyperbolic tangent." "tanh(0.0)" => "0.0";
        "asinh" "(number) → number": "Inverse hyperbolic sine." "asinh(0.0)" => "0.0";
        "acosh" "(number) → number": "Inverse hyperbolic cosine." "acosh(1.0)" => "0.0";
        "atanh" "(number) → number": "Inverse hyperbolic tangent." "atanh(0.0)" => "0.0";
    },
};

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("parse_number", |text: &str| {
        parsed(text).ok_or_else(|| fault("parse_number", "a number", &quoted(text)))
    });
    engine.register_fn("parse_number", |value: Dynamic| -> Outcome<Dynamic> {
        number(value).map_err(|value| fault("parse_number", "text or a number", &shown(&value)))
    });
    engine.register_fn("parse_number", |text: &str, default: Dynamic| parsed(text).unwrap_or(default));
    engine.register_fn("parse_number", |value: Dynamic, default: Dynamic| number(value).unwrap_or(default));
    engine.register_fn("round", |number: f64, places: i64| -> Outcome<f64> {
        let places = digits("round", places)?;
        let rounded = from_float(number).and_then(|exact| half_up(exact, places).to_string().parse().ok());
        Ok(rounded.unwrap_or(number))
    });
    engine.register_fn("round", |number: i64, places: i64| digits("round", places).map(|_| number));
    engine.register_fn("clamp", |number: Dynamic, lowest: Dynamic, highest: Dynamic| {
        clamped(number, lowest, highest)
    });
    // JSON writes 5.0 as 5 as often as not: what works for a fraction works for a whole number.
    for name in ["round", "floor", "ceiling", "int"] {
        engine.register_fn(name, |number: i64| number);
    }
    engine.register_fn("fraction", |_: i64| 0_i64);
    for name in ["is_nan", "is_infinite"] {
        engine.register_fn(name, |_: i64| false);
    }
    engine.register_fn("is_finite", |_: i64| true);
}

/// A number that is one already.
fn number(value: Dynamic) -> Result<Dynamic, Dynamic> {
    if value.is_int() || value.is_float() || value.is_decimal() { Ok(value) } else { Err(value) }
}

fn parsed(text: &str) -> Option<Dynamic> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.into());
    }
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let number = text.parse::<f64>().ok().filter(|number| is_plain && number.is_finite())?;
    Some(number.into())
}

fn clamped(number: Dynamic, lowest: Dynamic, highest: Dynamic) -> Outcome<Dynamic> {
    let compared = (order(&number, &lowest), order(&number, &highest), order(&lowest, &highest));
    match compared {
        (Some(_), Some(_), Some(order)) if order.is_gt() => {
            Err(fault("clamp", "a lowest below the highest", &format!("{lowest} and {highest}")))
        }
        (Some(order), Some(_), Some(_)) if order.is_lt() => Ok(lowest),
        (Some(_), Some(order), Some(_)) if order.is_gt() => Ok(highest),
        (Some(_), Some(_), Some(_)) => Ok(number),
        _ => {
            let found = [&number, &lowest, &highest].map(shown).join(", ");
            Err(fault("clamp", "three numbers", &found))
        }
    }
}
