//! Patterns, compiled once per thread.
//!
//! Invariant: what is kept, how large a pattern may be and what it compiles to are bounded, so no event can fill the
//! memory with them.

use std::cell::RefCell;
use std::collections::HashMap;

use ::regex::{Regex, RegexBuilder};

use super::outcome::{Outcome, fault, quoted};
use crate::limits::{
    AUTOMATON_BYTES, GROUPS, GROUPS_IF_LARGE, PATTERN_BYTES, PATTERN_COMPILED_BYTES, PATTERN_SMALL_BYTES,
};

/// What the patterns of one generation weigh together at most; a thread keeps two.
const KEPT: usize = 48;

/// A pattern with what it may hold, in half mebibytes: its automaton, and a place for every group in every state.
#[derive(Clone)]
struct Kept {
    regex: Regex,
    weight: usize,
}

/// What a thread has compiled: the patterns used lately, and those used before them.
#[derive(Default)]
struct Compiled {
    young: HashMap<String, Kept>,
    old: HashMap<String, Kept>,
}

thread_local! {
    static COMPILED: RefCell<Compiled> = RefCell::default();
}

impl Compiled {
    fn get(&mut self, pattern: &str) -> Option<Regex> {
        if let Some(kept) = self.young.get(pattern) {
            return Some(kept.regex.clone());
        }
        let (pattern, kept) = self.old.remove_entry(pattern)?;
        let regex = kept.regex.clone();
        self.put(pattern, kept);
        Some(regex)
    }

    fn put(&mut self, pattern: String, kept: Kept) {
        if weight(&self.young) + kept.weight > KEPT {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(pattern, kept);
    }
}

fn weight(kept: &HashMap<String, Kept>) -> usize {
    kept.values().map(|kept| kept.weight).sum()
}

/// A pattern, compiled.
///
/// # Errors
/// It is none, or too large.
pub(super) fn compiled(function: &str, pattern: &str) -> Outcome<Regex> {
    if let Some(regex) = COMPILED.with_borrow_mut(|compiled| compiled.get(pattern)) {
        return Ok(regex);
    }
    if pattern.len() > PATTERN_BYTES {
        let expected = format!("a pattern of at most {PATTERN_BYTES} bytes");
        return Err(fault(function, &expected, &format!("one of {}", pattern.len())));
    }
    let (regex, bytes) = match build(pattern, PATTERN_SMALL_BYTES) {
        Ok(regex) => (regex, PATTERN_SMALL_BYTES),
        Err(_) => build(pattern, PATTERN_COMPILED_BYTES)
            .map(|regex| (regex, PATTERN_COMPILED_BYTES))
            .map_err(|error| {
                format!("`{function}` cannot use the pattern {}: {}", quoted(pattern), reason(&error))
            })?,
    };
    let groups = regex.captures_len();
    let most = if bytes == PATTERN_SMALL_BYTES { GROUPS } else { GROUPS_IF_LARGE };
    if groups > most + 1 {
        let expected = format!("a pattern of this size with at most {most} groups");
        return Err(fault(function, &expected, &format!("one with {}", groups - 1)));
    }
    let weight = 1 + bytes * groups / (512 << 10);
    let kept = Kept { regex: regex.clone(), weight };
    COMPILED.with_borrow_mut(|compiled| compiled.put(pattern.to_owned(), kept));
    Ok(regex)
}

fn build(pattern: &str, bytes: usize) -> Result<Regex, ::regex::Error> {
    RegexBuilder::new(pattern).size_limit(bytes).dfa_size_limit(AUTOMATON_BYTES).build()
}

/// The reason without the picture of the pattern, which needs several lines.
fn reason(error: &::regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_the_patterns_it_uses_and_never_more_than_two_generations() {
        let mut cache = Compiled::default();
        let kept = Kept { regex: Regex::new("x").unwrap(), weight: 1 };
        cache.put("hot".to_owned(), kept.clone());
        for number in 0..1000 {
            let weight = 1 + number % 20;
            cache.put(format!("cold{number}"), Kept { weight, ..kept.clone() });
            assert!(cache.get("hot").is_some(), "{number}");
            assert!(weight_of(&cache) <= 2 * KEPT, "{number}");
        }
        assert!(cache.get("cold0").is_none());
    }

    fn weight_of(cache: &Compiled) -> usize {
        weight(&cache.young) + weight(&cache.old)
    }

    #[test]
    fn groups_are_counted_because_every_state_has_a_place_for_each() {
        let groups = |count: usize| compiled("regex_find", &"(a)".repeat(count)).map(drop);
        assert!(groups(GROUPS).is_ok());
        let error = groups(GROUPS + 1).unwrap_err().to_string();
        assert!(
            error.contains("a pattern of this size with at most 64 groups, found one with 65"),
            "{error}"
        );
        let large = |count: usize| compiled("regex_find", &r"(\w+)".repeat(count)).map(drop);
        assert!(large(GROUPS_IF_LARGE / 4).is_ok());
    }
}
