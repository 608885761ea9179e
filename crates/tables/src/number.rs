//! JSON numbers by their digits: whether a floating-point number gives back what is written.

/// Most digits and largest power of ten of a number that is kept as one: every database with exact numbers takes it.
const MOST_DIGITS: usize = 1000;

/// A decimal number without needless zeros: `digits` × 10^`exponent`.
#[derive(PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

/// Whether a database with exact numbers takes the number: not too many digits, no giant exponent.
pub(crate) fn is_moderate(text: &str) -> bool {
    let most = i64::try_from(MOST_DIGITS).unwrap_or(i64::MAX);
    text.len() <= MOST_DIGITS && decimal(text).is_some_and(|number| number.exponent.abs() <= most)
}

/// The floating-point number that is written as the same digits, if there is one.
pub(crate) fn exact_real(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    (decimal(text)? == decimal(&format!("{number:e}"))?).then_some(number)
}

fn decimal(text: &str) -> Option<Decimal> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let is_negative = mantissa.starts_with('-');
    let (whole, fraction) =
        mantissa.trim_start_matches('-').split_once('.').unwrap_or((mantissa.trim_start_matches('-'), ""));
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    let digits = significant.trim_end_matches('0');
    if digits.is_empty() {
        return Some(Decimal { is_negative: false, digits: String::new(), exponent: 0 });
    }
    let zeros = i64::try_from(significant.len() - digits.len()).ok()?;
    let shift = i64::try_from(fraction.len()).ok()?;
    let exponent = exponent.checked_sub(shift)?.checked_add(zeros)?;
    Some(Decimal { is_negative, digits: digits.to_owned(), exponent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_is_exact_if_its_digits_are_those_that_were_written() {
        for text in [
            "0",
            "-0.0",
            "1.10",
            "0.1",
            "-12.5e3",
            "1E2",
            "1e300",
            "123456789012345",
            "9007199254740993e0",
            "5e-324",
        ] {
            let expected = text != "9007199254740993e0";
            assert_eq!(exact_real(text).is_some(), expected, "{text}");
        }
        for text in [
            "12345678901234567890",
            "18446744073709551616",
            "0.12345678901234567890",
            "1e400",
            "1e99999999999999999999",
        ] {
            assert_eq!(exact_real(text), None, "{text}");
        }
    }

    #[test]
    fn giant_numbers_are_not_moderate() {
        assert!(is_moderate("18446744073709551616.000000000000000001"));
        assert!(is_moderate("1e1000") && !is_moderate("1e1001") && !is_moderate("1e-1001"));
        assert!(!is_moderate(&"9".repeat(1001)));
        assert!(!is_moderate("1e99999999999999999999"));
    }
}
