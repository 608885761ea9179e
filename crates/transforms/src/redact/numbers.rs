//! Groups of digits in texts, as people write long numbers: `(415) 555-2671`, `4111 1111 1111 1111`.
//!
//! Invariant: one pass over the text; a group is as long as the digits are, so no finder sees a part of a number.

use std::ops::Range;

/// Most characters between two groups of one number.
const SEPARATOR_CHARS: usize = 3;

/// Groups of ASCII digits with nothing but separators between them.
pub(super) struct Run<'t> {
    text: &'t str,
    groups: Vec<Range<usize>>,
}

/// All runs of a text.
pub(super) fn runs(text: &str) -> Vec<Run<'_>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    let mut at = 0;
    while let Some(found) = text.as_bytes()[at..].iter().position(u8::is_ascii_digit) {
        let start = at + found;
        let length = text.as_bytes()[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        at = start + length;
        let group = start..at;
        match runs.last_mut() {
            Some(run) if run.goes_on_to(start) => run.groups.push(group),
            _ => runs.push(Run { text, groups: vec![group] }),
        }
    }
    runs
}

/// The digits of a text.
pub(super) fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\u{a0}' | '\u{202f}')
}

fn is_separator(character: char) -> bool {
    is_space(character)
        || matches!(character, '-' | '\u{2010}' | '\u{2011}' | '\u{2013}' | '.' | '/' | '(' | ')')
}

impl<'t> Run<'t> {
    fn goes_on_to(&self, start: usize) -> bool {
        let between = self.groups.last().map_or("", |last| &self.text[last.end..start]);
        between.chars().all(is_separator) && between.chars().count() <= SEPARATOR_CHARS
    }

    /// How many groups there are.
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// The place of a group.
    pub(super) fn place(&self, group: usize) -> Range<usize> {
        self.groups[group].clone()
    }

    /// The digits of a group.
    pub(super) fn group(&self, group: usize) -> &'t str {
        &self.text[self.place(group)]
    }

    /// The number of digits of each of some groups.
    pub(super) fn sizes(&self, groups: Range<usize>) -> Vec<usize> {
        groups.map(|group| self.groups[group].len()).collect()
    }

    /// What stands before a group, back to the group before it, or to the beginning of the text.
    pub(super) fn before(&self, group: usize) -> &'t str {
        let start = group.checked_sub(1).map_or(0, |previous| self.groups[previous].end);
        &self.text[start..self.groups[group].start]
    }

    /// What stands behind a group, up to the next group or to the end of the text.
    pub(super) fn behind(&self, group: usize) -> &'t str {
        let end = self.groups.get(group + 1).map_or(self.text.len(), |next| next.start);
        &self.text[self.groups[group].end..end]
    }

    /// The one separator between all of some groups, if it is the same each time.
    pub(super) fn separator(&self, groups: Range<usize>) -> Option<&'t str> {
        let mut separators = groups.skip(1).map(|group| self.before(group));
        let first = separators.next()?;
        separators.all(|other| other == first).then_some(first)
    }

    /// Whether the group before this one, if there is one, is only a neighbour: behind a space or a bracket.
    pub(super) fn begins(&self, group: usize) -> bool {
        group == 0 || self.before(group).chars().next_back().is_some_and(|c| is_space(c) || c == '(')
    }

    /// Whether the group behind this one, if there is one, is only a neighbour.
    pub(super) fn ends(&self, group: usize) -> bool {
        group + 1 == self.len() || self.behind(group).chars().next().is_some_and(|c| is_space(c) || c == ')')
    }
}

/// Whether this is one space.
pub(super) fn is_one_space(separator: &str) -> bool {
    let mut characters = separator.chars();
    characters.next().is_some_and(is_space) && characters.next().is_none()
}

/// Whether this is one dash.
pub(super) fn is_one_dash(separator: &str) -> bool {
    matches!(separator, "-" | "\u{2010}" | "\u{2011}" | "\u{2013}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_on_over_separators_and_no_further() {
        let text = "+49 (0) 151-23/4.5, 6 and 7    8\u{a0}9";
        let shown: Vec<Vec<&str>> =
            runs(text).iter().map(|run| (0..run.len()).map(|group| run.group(group)).collect()).collect();
        let expected: [&[&str]; 4] = [&["49", "0", "151", "23", "4", "5"], &["6"], &["7"], &["8", "9"]];
        assert_eq!(shown, expected);
        let run = &runs(text)[0];
        assert_eq!((run.before(0), run.before(1), run.behind(1)), ("+", " (", ") "));
        assert!(run.begins(1) && run.begins(2) && !run.begins(3));
        assert!(run.ends(0) && run.ends(1) && !run.ends(2));
        assert_eq!(runs("1-2-3")[0].separator(0..3), Some("-"));
        assert_eq!(runs("1-2 3")[0].separator(0..3), None);
    }
}
