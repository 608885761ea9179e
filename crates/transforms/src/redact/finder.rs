//! Everything that is looked for in texts, in one pass per sort.

use std::ops::Range;

use regex::Regex;

use super::disguise::How;
use super::entry::Sort;
use super::{card, email, numbers, phone};

/// What is looked for, and what becomes of it.
#[derive(Default)]
pub(super) struct Finder {
    /// Regular expressions of the user.
    pub(super) patterns: Vec<(Regex, How)>,
    /// What is known here.
    pub(super) sorts: Vec<(Sort, How)>,
}

/// Words to hide.
pub(super) struct Found<'f> {
    /// Where they are in the text.
    pub(super) place: Range<usize>,
    /// What they are; `None` where a pattern found them, or a part of something that overlapped.
    pub(super) sort: Option<Sort>,
    /// What becomes of them.
    pub(super) how: &'f How,
}

impl Finder {
    /// Whether nothing is looked for.
    pub(super) fn is_empty(&self) -> bool {
        self.patterns.is_empty() && self.sorts.is_empty()
    }

    /// Everything that is found, in order and without overlaps.
    pub(super) fn find(&self, text: &str) -> Vec<Found<'_>> {
        let mut found = Vec::new();
        for (regex, how) in &self.patterns {
            let matches = regex.find_iter(text).map(|matched| matched.range());
            found.extend(matches.filter(|place| !place.is_empty()).map(|place| Found {
                place,
                sort: None,
                how,
            }));
        }
        for (sort, how) in &self.sorts {
            let places = find(*sort, text);
            found.extend(places.into_iter().map(|place| Found { place, sort: Some(*sort), how }));
        }
        without_overlaps(found)
    }
}

/// What a text is as a whole.
pub(super) fn found_whole(text: &str) -> Option<Sort> {
    let is_whole = |sort: &Sort| find(*sort, text).first() == Some(&(0..text.len()));
    [Sort::Email, Sort::Card, Sort::Phone].into_iter().find(is_whole)
}

fn find(sort: Sort, text: &str) -> Vec<Range<usize>> {
    match sort {
        Sort::Email => email::find(text),
        Sort::Phone => numbers::runs(text).iter().flat_map(phone::find).collect(),
        Sort::Card => numbers::runs(text).iter().flat_map(card::find).collect(),
    }
}

/// The earliest and longest first; of what overlaps it, only the rest: everything that was found is hidden.
fn without_overlaps(mut found: Vec<Found<'_>>) -> Vec<Found<'_>> {
    found.sort_by_key(|found| (found.place.start, usize::MAX - found.place.end));
    let mut hidden = 0;
    found.retain_mut(|found| {
        if found.place.start < hidden {
            found.place.start = hidden;
            found.sort = None;
        }
        let is_left = !found.place.is_empty() && found.place.start < found.place.end;
        hidden = hidden.max(found.place.end);
        is_left
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_is_hidden_once_and_whole() {
        let pattern = |text: &str| (Regex::new(text).unwrap(), How::Mask);
        let finder = Finder {
            patterns: vec![pattern("b@x"), pattern("com and"), pattern("z*"), pattern("example")],
            sorts: vec![(Sort::Email, How::Drop), (Sort::Card, How::Hash)],
        };
        let text = "ab@x.com and 4111111111111111";
        let found = finder.find(text);
        let shown: Vec<_> =
            found.iter().map(|found| (&text[found.place.clone()], found.sort, found.how)).collect();
        let expected = [
            ("ab@x.com", Some(Sort::Email), &How::Drop),
            (" and", None, &How::Mask),
            ("4111111111111111", Some(Sort::Card), &How::Hash),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_text_is_something_only_as_a_whole() {
        assert_eq!(found_whole("a@b.de"), Some(Sort::Email));
        assert_eq!(found_whole("4111111111111111"), Some(Sort::Card));
        assert_eq!(found_whole("+49 151 23456789"), Some(Sort::Phone));
        assert_eq!(found_whole("a@b.de c"), None);
        assert_eq!(found_whole(""), None);
    }
}
