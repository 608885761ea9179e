//! Decimal numbers as text: cursors that are numbers are compared and counted without losing a digit.
//!
//! Invariant: a number is never turned into a machine number, so that its length does not matter.

use std::cmp::Ordering;

/// Whether a text is a decimal number without a sign.
pub fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Compares two decimal numbers of any length.
pub fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// The number after a decimal number of any length; `None` if it is none.
pub fn successor(text: &str) -> Option<String> {
    if !is_number(text) {
        return None;
    }
    let nines = text.bytes().rev().take_while(|byte| *byte == b'9').count();
    let (head, _) = text.split_at(text.len() - nines);
    let zeros = "0".repeat(nines);
    Some(match head.as_bytes().split_last() {
        None => format!("1{zeros}"),
        Some((last, _)) => format!("{}{}{zeros}", &head[..head.len() - 1], char::from(last + 1)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_as_numbers() {
        for (left, right, expected) in [
            ("999", "1000", Ordering::Less),
            ("1000", "999", Ordering::Greater),
            ("007", "7", Ordering::Equal),
            ("0", "000", Ordering::Equal),
            ("9007199254740993", "9007199254740992", Ordering::Greater),
            ("340282366920938463463374607431768211456", "99", Ordering::Greater),
        ] {
            assert_eq!(compare(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn the_successor_of_a_number_carries() {
        for (number, next) in [("0", "1"), ("41", "42"), ("199", "200"), ("99", "100"), ("9", "10")] {
            assert_eq!(successor(number).as_deref(), Some(next));
        }
        let long = "340282366920938463463374607431768211455";
        assert_eq!(successor(long).as_deref(), Some("340282366920938463463374607431768211456"));
        for other in ["", "-1", "1.5", "a"] {
            assert_eq!(successor(other), None, "{other}");
        }
    }
}
