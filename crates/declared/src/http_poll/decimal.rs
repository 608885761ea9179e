//! Decimal numbers with or without a fraction, as text: `42`, `1512085950.000216`.
//!
//! Invariant: a number is never turned into a machine number, so that no digit is lost, however many there are.

use std::cmp::Ordering;

use sluicebox_polling::digits;

/// Whether a text is a decimal number without a sign.
pub(super) fn is_decimal(text: &str) -> bool {
    match text.split_once('.') {
        Some((whole, fraction)) => digits::is_number(whole) && digits::is_number(fraction),
        None => digits::is_number(text),
    }
}

/// Compares two decimal numbers.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let parts = |text| {
        let (whole, fraction) = str::split_once(text, '.').unwrap_or((text, ""));
        (whole, fraction.trim_end_matches('0'))
    };
    let ((left, left_fraction), (right, right_fraction)) = (parts(left), parts(right));
    // Without the zeros at their end, fractions are in the order of their digits.
    digits::compare(left, right).then_with(|| left_fraction.cmp(right_fraction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_compare_as_numbers_and_not_as_text() {
        for (left, right, expected) in [
            ("1512085950.000216", "1512085950.000217", Ordering::Less),
            ("1512085950.9", "1512085951", Ordering::Less),
            ("999.9", "1000.1", Ordering::Less),
            ("1.10", "1.1", Ordering::Equal),
            ("1.0", "1", Ordering::Equal),
            ("1.09", "1.1", Ordering::Less),
            ("007.5", "7.05", Ordering::Greater),
            ("1512085950.0002160000000000001", "1512085950.000216", Ordering::Greater),
        ] {
            assert_eq!(compare(left, right), expected, "{left} {right}");
            assert_eq!(compare(right, left), expected.reverse(), "{right} {left}");
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        assert!(["0", "12", "12.5", "0.0"].into_iter().all(is_decimal));
        for other in ["", ".", "1.", ".5", "-1", "1e5", "1.2.3", "1,5", " 1"] {
            assert!(!is_decimal(other), "{other}");
        }
    }
}
