//! Which entry of a list is meant by which expected one.
//!
//! What fits is put together first, in order where order counts; what is left over is paired as it comes, so that a
//! diff shows the entry that was probably meant.

/// Entries that belong together, by their indices; one side is missing where there is nothing to pair.
pub(crate) type Pair = (Option<usize>, Option<usize>);

/// Pairs `expected` entries with `got` ones. Pairs that fit are left out: what comes back is what is wrong.
pub(crate) fn misfits(
    (expected, got): (usize, usize),
    in_order: bool,
    fits: impl Fn(usize, usize) -> bool,
) -> Vec<Pair> {
    let table: Vec<Vec<bool>> =
        (0..expected).map(|left| (0..got).map(|right| fits(left, right)).collect()).collect();
    let matched = if in_order { longest(&table, got) } else { greedy(&table, got) };
    let left_over = |side: fn(&(usize, usize)) -> usize, all: usize| {
        (0..all).filter(|index| !matched.iter().any(|pair| side(pair) == *index)).collect::<Vec<_>>()
    };
    let (wanted, came) = (left_over(|pair| pair.0, expected), left_over(|pair| pair.1, got));
    (0..wanted.len().max(came.len()))
        .map(|index| (wanted.get(index).copied(), came.get(index).copied()))
        .collect()
}

/// Each expected entry takes the first that fits and is free.
fn greedy(table: &[Vec<bool>], got: usize) -> Vec<(usize, usize)> {
    let mut free = vec![true; got];
    let mut matched = Vec::new();
    for (left, row) in table.iter().enumerate() {
        if let Some(right) = (0..got).find(|right| free[*right] && row[*right]) {
            free[right] = false;
            matched.push((left, right));
        }
    }
    matched
}

/// The longest common subsequence.
fn longest(table: &[Vec<bool>], got: usize) -> Vec<(usize, usize)> {
    let mut lengths = vec![vec![0_usize; got + 1]; table.len() + 1];
    for left in (0..table.len()).rev() {
        for right in (0..got).rev() {
            lengths[left][right] = if table[left][right] {
                lengths[left + 1][right + 1] + 1
            } else {
                lengths[left + 1][right].max(lengths[left][right + 1])
            };
        }
    }
    let (mut left, mut right, mut matched) = (0, 0, Vec::new());
    while left < table.len() && right < got {
        if table[left][right] {
            matched.push((left, right));
            (left, right) = (left + 1, right + 1);
        } else if lengths[left + 1][right] >= lengths[left][right + 1] {
            left += 1;
        } else {
            right += 1;
        }
    }
    matched
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(expected: &str, got: &str, in_order: bool) -> Vec<Pair> {
        let (left, right) = (expected.as_bytes(), got.as_bytes());
        misfits((left.len(), right.len()), in_order, |a, b| left[a] == right[b])
    }

    #[test]
    fn what_fits_is_left_out_and_the_rest_is_paired() {
        assert_eq!(wrong("abc", "abc", true), []);
        assert_eq!(wrong("abc", "axc", true), [(Some(1), Some(1))]);
        assert_eq!(wrong("abc", "ac", true), [(Some(1), None)]);
        assert_eq!(wrong("ac", "abc", true), [(None, Some(1))]);
        assert_eq!(wrong("ab", "ba", true), [(Some(0), Some(1))]);
        assert_eq!(wrong("ab", "ba", false), []);
        assert_eq!(wrong("aab", "abb", false), [(Some(1), Some(2))]);
        assert_eq!(wrong("", "", true), []);
    }
}
