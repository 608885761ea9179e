//! Regular expressions, matched in time linear in the text (the `regex` crate: no backtracking, no look-around).
//!
//! Patterns are nearly always literals of a rule, so each thread keeps the ones it used last compiled. Invariant: what
//! is kept, how large a pattern may be and what it compiles to are bounded, so no event can fill the memory with them.

use std::cell::RefCell;
use std::collections::HashMap;

use ::regex::{Captures, Regex, RegexBuilder};
use rhai::{Array, Dynamic, Engine, Map};

use super::catalogue::{Family, functions};
use super::outcome::{Outcome, Text, fault, list, quoted, too_large};
use crate::limits;

/// Longest pattern, in bytes.
const PATTERN_BYTES: usize = 4096;
/// Largest compiled pattern, and largest cache of its automaton, in bytes each.
const COMPILED_BYTES: usize = 512 << 10;
/// What one replacement may grow to before it is measured: no group is longer than its match.
const EXPANDED_BYTES: usize = 8 * limits::TEXT_BYTES;
/// Patterns of one generation that a thread keeps; it keeps two.
const KEPT: usize = 32;

pub(super) const FAMILY: Family = Family {
    name: "regex",
    summary: "Regular expressions in the syntax of Rust's `regex` crate: matched in linear time, Unicode, no \
              look-around and no back-references. A match may lie anywhere: `^` and `$` tie it to the ends, `(?i)` \
              ignores case. In a text in double quotes a `\\` is written twice.",
    functions: functions! {
        "regex_match" "(text, pattern) → true or false": "Whether the pattern matches somewhere."
            r#""ORD-1042".regex_match("^ORD-\\d+$")"# => "true";
        "regex_find" "(text, pattern) → text": "The first match; missing if there is none."
            r#"["total: 42 EUR".regex_find("\\d+"), "none".regex_find("\\d+")]"# => r#"["42",null]"#;
        "regex_find_all" "(text, pattern) → list": "Every match, from left to right."
            r##""#red and #blue".regex_find_all("#\\w+")"## => r##"["#red","#blue"]"##;
        "regex_captures" "(text, pattern) → list":
            "The first match and what its groups caught: the whole match first, a group that took no part missing. \
             Missing if nothing matches."
            r#""2026-06-12".regex_captures("(\\d+)-(\\d+)")"# => r#"["2026-06","2026","06"]"#;
        "regex_groups" "(text, pattern) → map":
            "What the named groups of the first match caught; missing if nothing matches."
            r#""ann@example.com".regex_groups("(?<user>[^@]+)@(?<host>.+)")"# => r#"{"host":"example.com","user":"ann"}"#;
        "regex_replace" "(text, pattern, with) → text":
            "Every match replaced. `$1` and `${name}` in the replacement are what a group caught, `$$` is a dollar."
            r#""Doe, Jane".regex_replace("(\\w+), (\\w+)", "$2 $1")"# => r#""Jane Doe""#;
        "regex_split" "(text, pattern) → list": "The parts between the matches."
            r#""a1b22c".regex_split("\\d+")"# => r#"["a","b","c"]"#;
        "regex_escape" "(text) → text": "The pattern that matches just this text."
            r#"regex_escape("1.5")"# => r#""1\\.5""#;
    },
};

pub(super) fn register(engine: &mut Engine) {
    engine.register_fn("regex_match", |text: &str, pattern: &str| -> Outcome<bool> {
        Ok(compiled("regex_match", pattern)?.is_match(text))
    });
    engine.register_fn("regex_find", |text: &str, pattern: &str| -> Outcome<Dynamic> {
        let found = compiled("regex_find", pattern)?.find(text).map(|found| found.as_str().into());
        Ok(found.unwrap_or_default())
    });
    engine.register_fn("regex_find_all", |text: &str, pattern: &str| -> Outcome<Array> {
        list(compiled("regex_find_all", pattern)?.find_iter(text).map(|found| found.as_str().into()))
    });
    engine.register_fn("regex_captures", |text: &str, pattern: &str| -> Outcome<Dynamic> {
        Ok(compiled("regex_captures", pattern)?
            .captures(text)
            .map(|found| groups(&found))
            .unwrap_or_default())
    });
    engine.register_fn("regex_groups", |text: &str, pattern: &str| -> Outcome<Dynamic> {
        let regex = compiled("regex_groups", pattern)?;
        Ok(regex.captures(text).map(|found| named_groups(&regex, &found)).unwrap_or_default())
    });
    engine.register_fn("regex_replace", replaced);
    engine.register_fn("regex_split", |text: &str, pattern: &str| -> Outcome<Array> {
        list(compiled("regex_split", pattern)?.split(text).map(Into::into))
    });
    engine.register_fn("regex_escape", |text: &str| ::regex::escape(text));
}

fn groups(found: &Captures<'_>) -> Dynamic {
    let groups = found.iter().map(|group| group.map(|group| group.as_str().into()).unwrap_or_default());
    Dynamic::from_array(groups.collect())
}

fn named_groups(regex: &Regex, found: &Captures<'_>) -> Dynamic {
    let caught = |name: &str| found.name(name).map(|group| group.as_str().into()).unwrap_or_default();
    let groups: Map = regex.capture_names().flatten().map(|name| (name.into(), caught(name))).collect();
    Dynamic::from_map(groups)
}

fn replaced(text: &str, pattern: &str, with: &str) -> Outcome<String> {
    let regex = compiled("regex_replace", pattern)?;
    let dollars = with.matches('$').count();
    let mut replaced = Text::default();
    let mut at = 0;
    for found in regex.captures_iter(text) {
        let whole = found.get_match();
        replaced.push(&text[at..whole.start()])?;
        if dollars.saturating_mul(whole.len()) > EXPANDED_BYTES {
            return Err(too_large("length of string"));
        }
        let mut expanded = String::new();
        found.expand(with, &mut expanded);
        replaced.push(&expanded)?;
        at = whole.end();
    }
    replaced.push(&text[at..])?;
    Ok(replaced.done())
}

/// What a thread has compiled: the patterns used lately, and those used before them.
#[derive(Default)]
struct Compiled {
    young: HashMap<String, Regex>,
    old: HashMap<String, Regex>,
}

thread_local! {
    static COMPILED: RefCell<Compiled> = RefCell::default();
}

impl Compiled {
    fn get(&mut self, pattern: &str) -> Option<Regex> {
        if let Some(regex) = self.young.get(pattern) {
            return Some(regex.clone());
        }
        let (pattern, regex) = self.old.remove_entry(pattern)?;
        self.put(pattern, regex.clone());
        Some(regex)
    }

    fn put(&mut self, pattern: String, regex: Regex) {
        if self.young.len() >= KEPT {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(pattern, regex);
    }
}

fn compiled(function: &str, pattern: &str) -> Outcome<Regex> {
    if let Some(regex) = COMPILED.with_borrow_mut(|compiled| compiled.get(pattern)) {
        return Ok(regex);
    }
    if pattern.len() > PATTERN_BYTES {
        let expected = format!("a pattern of at most {PATTERN_BYTES} bytes");
        return Err(fault(function, &expected, &format!("one of {}", pattern.len())));
    }
    let regex = RegexBuilder::new(pattern)
        .size_limit(COMPILED_BYTES)
        .dfa_size_limit(COMPILED_BYTES)
        .build()
        .map_err(|error| {
            format!("`{function}` cannot use the pattern {}: {}", quoted(pattern), reason(&error))
        })?;
    COMPILED.with_borrow_mut(|compiled| compiled.put(pattern.to_owned(), regex.clone()));
    Ok(regex)
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
        let mut kept = Compiled::default();
        let regex = Regex::new("x").unwrap();
        kept.put("hot".to_owned(), regex.clone());
        for number in 0..1000 {
            kept.put(format!("cold{number}"), regex.clone());
            assert!(kept.get("hot").is_some(), "{number}");
            assert!(kept.young.len() + kept.old.len() <= 2 * KEPT, "{number}");
        }
        assert!(kept.get("cold0").is_none());
    }
}
