//! Phone numbers in texts.
//!
//! Source: E.123 and E.164 of the ITU for the international form; for the national ones the usual writings with a trunk
//! prefix 0, and those of the North American plan. Invariant: a number without `+` has at least one separator, so that
//! an id, a timestamp or an amount is never one.

use std::ops::Range;

use super::numbers::{Run, is_one_dash, is_one_space};

/// Digits of an international number, without `+` or `00` (E.164).
const INTERNATIONAL: Range<usize> = 8..16;
/// Digits of a national number with its trunk prefix.
const NATIONAL: Range<usize> = 9..13;
/// Most groups behind the area code.
const SUBSCRIBER_GROUPS: usize = 4;

/// A number: the place of its first character, and its last group.
type Number = (usize, usize);

/// The places of all phone numbers of a run.
pub(super) fn find(run: &Run<'_>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut group = 0;
    while group < run.len() {
        let number = international(run, group)
            .or_else(|| north_american(run, group))
            .or_else(|| pairs(run, group))
            .or_else(|| with_trunk_prefix(run, group));
        match number {
            Some((start, last)) => {
                found.push(start..run.place(last).end);
                group = last + 1;
            }
            None => group += 1,
        }
    }
    found
}

/// `+49 (0) 151 2345-6789`, `+15551234567`, `0049 151 23456789`.
fn international(run: &Run<'_>, first: usize) -> Option<Number> {
    let (start, prefix) = plus(run, first).or_else(|| double_zero(run, first))?;
    let code = &run.group(first)[prefix..];
    if code.starts_with('0') {
        return None;
    }
    let mut total = code.len();
    let mut ends = vec![(first, total)];
    for group in first + 1..run.len() {
        total += run.group(group).len();
        if total >= INTERNATIONAL.end {
            break;
        }
        ends.push((group, total));
    }
    // North America: eleven digits, so that the number behind the next space is not taken for a part of it.
    let fits =
        |total: &usize| if code.starts_with('1') { *total == 11 } else { INTERNATIONAL.contains(total) };
    let last = ends.iter().rev().find(|(last, total)| fits(total) && is_over(run, *last))?.0;
    let dialled = prefix == 0 || last > first;
    (dialled && !is_decimal(run, first, last)).then_some((start, last))
}

/// The place of a `+` right before the group.
fn plus(run: &Run<'_>, group: usize) -> Option<(usize, usize)> {
    let before = run.before(group);
    let bare = before.strip_suffix('(').unwrap_or(before).strip_suffix('+')?;
    let free = !bare.chars().next_back().is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '+' | '.'));
    free.then(|| (run.place(group).start - (before.len() - bare.len()), 0))
}

/// The place of a group that begins with the international prefix.
fn double_zero(run: &Run<'_>, group: usize) -> Option<(usize, usize)> {
    (run.group(group).starts_with("00") && is_free(run, group)).then(|| (run.place(group).start, 2))
}

/// `+52.5200066` is a coordinate, `+12.345.678,90` an amount.
fn is_decimal(run: &Run<'_>, first: usize, last: usize) -> bool {
    let dotted = (first + 1..=last).any(|group| run.before(group) == ".");
    let mut behind = run.behind(last).chars();
    let comma = behind.next() == Some(',') && behind.next().is_some_and(|c| c.is_ascii_digit());
    dotted && (last == first + 1 || comma)
}

/// `(415) 555-2671`, `415-555-2671`, `1-415-555-2671`: area and exchange do not begin with 0 or 1.
fn north_american(run: &Run<'_>, first: usize) -> Option<Number> {
    let area = if run.group(first) == "1" { first + 1 } else { first };
    let last = area + 2;
    if last >= run.len() || run.sizes(area..last + 1) != [3, 3, 4] {
        return None;
    }
    if !(area..last).all(|group| matches!(run.group(group).as_bytes()[0], b'2'..=b'9')) {
        return None;
    }
    let (before, first_gap, second_gap) = (run.before(area), run.before(area + 1), run.before(last));
    let spaced = is_one_space(first_gap) && is_one_space(second_gap);
    let bracketed = before.ends_with('(') && matches!(first_gap, ")" | ") " | ")-");
    let fits = if bracketed {
        is_one_space(second_gap) || is_one_dash(second_gap) || second_gap == "."
    } else if spaced {
        // Three numbers in a longer row of numbers are no phone number.
        first == 0 && last + 1 == run.len()
    } else {
        first_gap == second_gap && (is_one_dash(first_gap) || first_gap == ".")
    };
    let start = start(run, first, bracketed && area == first);
    (fits && is_free(run, first) && is_over(run, last)).then_some((start, last))
}

/// `06 12 34 56 78`: five pairs and nothing next to them.
fn pairs(run: &Run<'_>, first: usize) -> Option<Number> {
    let all = first == 0 && run.len() == 5 && run.sizes(0..5) == [2; 5];
    let sign = run.separator(0..run.len())?;
    let apart = is_one_space(sign) || is_one_dash(sign) || sign == ".";
    let fits = all && apart && has_trunk_prefix(run.group(0)) && is_free(run, 0) && is_over(run, 4);
    fits.then(|| (run.place(0).start, 4))
}

/// `030/1234567`, `(030) 123 45 67`, `020 7946 0958`, `07700 900123`.
fn with_trunk_prefix(run: &Run<'_>, area: usize) -> Option<Number> {
    let code = run.group(area);
    if !has_trunk_prefix(code)
        || !(2..=6).contains(&code.len())
        || !is_free(run, area)
        || area + 1 >= run.len()
    {
        return None;
    }
    let bracketed = run.before(area).ends_with('(');
    let gap = run.before(area + 1);
    let apart = if bracketed {
        gap.starts_with(')')
    } else {
        is_one_space(gap) || is_one_dash(gap) || matches!(gap, "/" | " / " | " - " | " \u{2013} ")
    };
    if !apart || run.group(area + 1).starts_with('0') {
        return None;
    }
    let last = subscriber(run, area)?;
    Some((start(run, area, bracketed), last))
}

/// The last group of the number that begins with this area code.
fn subscriber(run: &Run<'_>, area: usize) -> Option<usize> {
    let most = (area + SUBSCRIBER_GROUPS).min(run.len() - 1);
    (area + 1..=most).rev().find(|last| {
        let sizes = run.sizes(area..last + 1);
        let digits: usize = sizes.iter().sum();
        let behind = &sizes[1..];
        let even = *last == area + 1
            || run.separator(area + 1..last + 1).is_some_and(|sign| is_one_space(sign) || is_one_dash(sign));
        let grouped = behind.iter().all(|size| (2..=8).contains(size)) && behind.iter().any(|size| *size > 2);
        NATIONAL.contains(&digits) && even && grouped && !is_date(run, area, &sizes) && is_over(run, *last)
    })
}

/// `01-02-2026 …`: a day, a month, a year.
fn is_date(run: &Run<'_>, first: usize, sizes: &[usize]) -> bool {
    let within = |group: usize, range: Range<u16>| {
        run.group(group).parse::<u16>().is_ok_and(|number| range.contains(&number))
    };
    sizes.starts_with(&[2, 2, 4]) && within(first + 1, 1..32) && within(first + 2, 1900..2100)
}

fn has_trunk_prefix(code: &str) -> bool {
    matches!(code.as_bytes(), [b'0', b'1'..=b'9', ..])
}

fn start(run: &Run<'_>, group: usize, bracketed: bool) -> usize {
    run.place(group).start - usize::from(bracketed)
}

/// Whether nothing before the group makes it a part of something longer.
fn is_free(run: &Run<'_>, group: usize) -> bool {
    if group > 0 {
        return run.begins(group);
    }
    let before = run.before(group);
    let mut before = before.strip_suffix('(').unwrap_or(before).chars().rev();
    match before.next() {
        Some(':') => !before.next().is_some_and(|c| c.is_ascii_digit() || c == ':'),
        Some(c) => !(c.is_alphanumeric() || "_-.+#@$€£/\u{2010}\u{2011}\u{2013}".contains(c)),
        None => true,
    }
}

/// Whether nothing behind the group makes it a part of something longer; `x12` is an extension.
fn is_over(run: &Run<'_>, group: usize) -> bool {
    if group + 1 < run.len() {
        return run.ends(group);
    }
    let mut behind = run.behind(group).chars();
    match behind.next() {
        Some('x' | 'X') => behind.next().is_some_and(|c| c.is_ascii_digit()),
        Some('-' | '/' | '.' | ':' | '@') => !behind.next().is_some_and(char::is_alphanumeric),
        Some(c) => !(c.is_alphanumeric() || c == '_'),
        None => true,
    }
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
    fn numbers_are_found_as_people_write_them() {
        for number in [
            "+4915123456789",
            "+49 151 23456789",
            "+49 (0) 151 2345-6789",
            "+44 20 7946 0958",
            "+1 (415) 555-2671",
            "+1-415-555-2671",
            "+1.415.555.2671",
            "+14155552671",
            "+33 6 12 34 56 78",
            "+(49) 30 1234567",
            "0049 151 23456789",
            "+49\u{a0}151\u{a0}23456789",
            "+86 138 0013 8000",
            "+41 44 668 18 00",
            "(415) 555-2671",
            "(415)555-2671",
            "415-555-2671",
            "415.555.2671",
            "415 555 2671",
            "1-800-555-0199",
            "1 (415) 555-2671",
            "030/1234567",
            "030 / 1234567",
            "(030) 123 45 67",
            "0151 23456789",
            "0151-23456789",
            "020 7946 0958",
            "07700 900123",
            "06 12 34 56 78",
            "06.12.34.56.78",
            "(02) 9876 5432",
            "089 123 456",
        ] {
            for text in [
                number.to_owned(),
                format!("Call {number}."),
                format!("tel:{number}, ok"),
                format!("[{number}]"),
            ] {
                assert_eq!(found(&text), [number], "{text}");
            }
        }
        assert_eq!(found("+4915123456789,+4915123456780"), ["+4915123456789", "+4915123456780"]);
        assert_eq!(found("415-555-2671x12 or (212) 555-0123"), ["415-555-2671", "(212) 555-0123"]);
        assert_eq!(found("+1 415 555 2671 42 items"), ["+1 415 555 2671"]);
        assert_eq!(found("+49 151 23456789 2026-01-01"), ["+49 151 23456789"]);
        assert_eq!(found("room 12, 0151 23456789 2026"), ["0151 23456789"]);
    }

    #[test]
    fn plain_numbers_are_never_phone_numbers() {
        for text in [
            "4155552671",
            "01512345678",
            "0049151234567",
            "491512345678",
            "1718191234567",
            "1234567890123456789",
            "order 0123456789",
            "12345-67890",
            "1 2 3 4 5 6 7 8 9 0",
        ] {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
        }
    }

    #[test]
    fn near_misses_are_left_alone() {
        for text in [
            // Times and dates.
            "2026-06-12T10:00:00.000Z",
            "2026-06-12 10:00:00",
            "2026-06-12T10:00:00+02:00",
            "20260612-101500",
            "01-02-2026",
            "01.02.2026 10:30",
            "01-02-2026 11-12",
            "02 12 2026 11",
            "12/06/2026",
            "UTC+0200",
            "10:20:30.123456789",
            // Ids and order numbers.
            "ORD-0123-456789",
            "#0123-456789",
            "INV/2024/0123-45678",
            "112-1234567-1234567",
            "id_415-555-2671",
            "415-555-2671-88",
            "A415-555-2671",
            "978-3-16-148410-0",
            "123-456-7890",
            "415-155-2671",
            "078-05-1120",
            "01234567-8901-2345-6789-012345678901",
            "550e8400-e29b-41d4-a716-446655440000",
            "opentrain:a:1042",
            // Addresses and versions.
            "192.168.100.200",
            "10.0.0.1:8080",
            "415.555.2671.1",
            "v1.415.555.2671",
            "2001:0db8:0000:0042:0000:8a2e",
            "1.2.3-45",
            "01.02.03",
            // Amounts, coordinates and sums.
            "+52.5200066, +13.404954",
            "+12.345.678,90",
            "$415.555.2671",
            "1+12345678",
            "1e+10000000000",
            "+12.5",
            "+1234567",
            "+0151 23456789",
            "+12345678901234567",
            "+1 415 555",
            "010 020 030",
            "100 200 3000",
            "123 415 555 2671 9",
            "03 12 17 25 33 41",
            "4111 1111 1111 1111",
        ] {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
        }
    }
}
