//! Numbers of payment cards in texts.
//!
//! Source: the prefixes and lengths that the networks publish, and the check digit of ISO/IEC 7812-1 (Luhn). A random
//! 16-digit number passes three times in a hundred, which is the bound on false positives.

use std::ops::Range;

use super::numbers::{Run, is_one_dash, is_one_space};

/// The groups that cards are written in, longest first; without groups, from 12 to 19 digits.
const SHAPES: [&[usize]; 7] = [
    &[4, 4, 4, 4, 3],
    &[4, 4, 4, 4, 2],
    &[4, 4, 4, 4, 1],
    &[4, 4, 4, 4],
    &[4, 3, 3, 3],
    &[4, 6, 5],
    &[4, 6, 4],
];

/// The places of all card numbers of a run.
pub(super) fn find(run: &Run<'_>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut group = 0;
    while group < run.len() {
        match card_at(run, group) {
            Some(count) => {
                found.push(run.place(group).start..run.place(group + count - 1).end);
                group += count;
            }
            None => group += 1,
        }
    }
    found
}

/// How many groups make a card from this group on.
fn card_at(run: &Run<'_>, first: usize) -> Option<usize> {
    let grouped = SHAPES.iter().filter(|shape| {
        let groups = first..first + shape.len();
        groups.end <= run.len()
            && run.sizes(groups.clone()) == **shape
            && run.separator(groups).is_some_and(|sign| is_one_space(sign) || is_one_dash(sign))
    });
    let mut counts = grouped.map(|shape| shape.len()).chain([1]);
    counts.find(|count| {
        let digits: String = (first..first + count).map(|group| run.group(group)).collect();
        stands_alone(run, first, first + count - 1) && is_known(&digits) && passes_luhn(&digits)
    })
}

/// Whether nothing next to it makes it a part of something longer: an id, a decimal, a path.
fn stands_alone(run: &Run<'_>, first: usize, last: usize) -> bool {
    let left = first > 0 || {
        let mut before = run.before(first).chars().rev();
        !before.next().is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '+'))
    };
    let right = last + 1 < run.len() || {
        let mut behind = run.behind(last).chars();
        match behind.next() {
            Some('-' | '/') => !behind.next().is_some_and(char::is_alphanumeric),
            Some(c) => !(c.is_alphanumeric() || c == '_'),
            None => true,
        }
    };
    left && right && run.begins(first) && run.ends(last)
}

/// Whether a network issues numbers of this length with this beginning.
fn is_known(digits: &str) -> bool {
    let prefix =
        |length: usize| digits.get(..length).and_then(|prefix| prefix.parse::<u32>().ok()).unwrap_or(0);
    let (two, three, four, six) = (prefix(2), prefix(3), prefix(4), prefix(6));
    match digits.len() {
        16 if matches!(four, 2221..=2720) || matches!(two, 51..=55) => true, // Mastercard
        13 | 16 | 19 if digits.starts_with('4') => true,                     // Visa
        15 => matches!(two, 34 | 37),                                        // American Express
        14 => matches!(three, 300..=305 | 309) || matches!(two, 36 | 38 | 39), // Diners Club
        // Discover, JCB, UnionPay, Mir.
        16..=19 if matches!(two, 62 | 65) || matches!(three, 644..=649) => true,
        16..=19 if matches!(four, 6011 | 3528..=3589 | 2200..=2204) => true,
        16 if matches!(two, 60 | 81 | 82) || three == 508 || six == 979_200 => true, // RuPay, Troy
        // Maestro.
        12..=19 => matches!(four, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763),
        _ => false,
    }
}

fn passes_luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            match place % 2 {
                0 => digit,
                _ if digit > 4 => digit * 2 - 9,
                _ => digit * 2,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::numbers::runs;

    fn found(text: &str) -> Vec<&str> {
        let runs = runs(text);
        runs.iter().flat_map(find).map(|range| &text[range]).collect()
    }

    #[test]
    fn cards_of_the_networks_are_found_as_people_write_them() {
        for card in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "4222222222222",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "3782 822463 10005",
            "30569309025904",
            "3056 930902 5904",
            "6011111111111117",
            "3530111333300000",
            "6200000000000005",
            "6759649826438453",
            "2200000000000053",
            "4111\u{a0}1111\u{a0}1111\u{a0}1111",
        ] {
            for text in [
                card.to_owned(),
                format!("card:{card}."),
                format!("a ({card}), b"),
                format!("2 {card} 12/27"),
            ] {
                assert_eq!(found(&text), [card], "{text}");
            }
        }
        assert_eq!(found("4111111111111111,5555555555554444"), ["4111111111111111", "5555555555554444"]);
        assert_eq!(found("4111 1111 1111 1111 5555 5555 5555 4444").len(), 2);
    }

    #[test]
    fn near_misses_are_left_alone() {
        for text in [
            "4111111111111112", // the check digit
            "1111111111111117",
            "9111111111111111", // no network
            "41111111111111111",
            "411111111111111", // the length
            "41111 1111 1111 111",
            "4111 1111-1111 1111",
            "4111  1111 1111 1111",
            "4111.1111.1111.1111",
            "ORD4111111111111111",
            "ORD-4111111111111111",
            "4111111111111111a",
            "4111111111111111-7",
            "2024-4111-1111-1111-1111",
            "4111-1111-1111-1111-2024-1",
            "/orders/4111111111111111",
            "0.4111111111111111",
            "4111111111111111.25",
            "id_4111111111111111",
            "+4111111111111111",
            "1718191234567",
            "1718191234567890",
            "1718191234567890123", // timestamps
            "4f111111-1111-4111-8111-111111111111",
            "41111111-1111-1111-1111-111111111111", // UUIDs
            "192.168.100.100",
            "2026-06-12 10:00:00.123456",
            "175928847299117063",
            "4.1111.1111",
            "0000000000000000",
        ] {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
        }
    }

    #[test]
    fn about_three_in_a_hundred_random_numbers_pass() {
        let mut state = 1_u64;
        let mut passed = 0;
        for _ in 0..100_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = format!("{:016}", (state >> 8) % 10_000_000_000_000_000);
            passed += usize::from(!found(&number).is_empty());
        }
        assert!((2_000..4_000).contains(&passed), "{passed}");
    }
}
