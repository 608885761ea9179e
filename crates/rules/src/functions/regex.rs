//! Regular expressions, matched in time linear in the text (the `regex` crate: no backtracking, no look-around).
//!
//! Patterns are nearly always literals of a rule; `regex_cache` keeps the ones used last. A search cannot be interrupted,
//! and linear time with a large factor is long: so a long text is first searched piece by piece, with a look at the
//! clock between two pieces. What the whole takes is then known to be about as much as was left.

use ::regex::{Captures, Regex};
use rhai::{Array, Dynamic, Engine, Map};

use super::catalogue::{Family, functions};
use super::outcome::{Outcome, Text, list, too_large};
use super::regex_cache::compiled;
use crate::{budget, limits};

/// What one replacement may grow to before it is measured: no group is longer than its match.
const EXPANDED_BYTES: usize = 8 * limits::TEXT_BYTES;
/// Bytes that are searched without a look at the clock; the worst pattern takes 0.1 s for them.
const PIECE_BYTES: usize = 4 << 10;
/// How much more a search is than reading the text once, for the clock.
const COST: usize = 16;

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
        Ok(found("regex_match", text, pattern)?.is_match(text))
    });
    engine.register_fn("regex_find", |text: &str, pattern: &str| -> Outcome<Dynamic> {
        let found = found("regex_find", text, pattern)?.find(text).map(|found| found.as_str().into());
        Ok(found.unwrap_or_default())
    });
    engine.register_fn("regex_find_all", |text: &str, pattern: &str| -> Outcome<Array> {
        let regex = found("regex_find_all", text, pattern)?;
        list(regex.find_iter(text).map(|found| counted(text, found.end()).map(|()| found.as_str().into())))
    });
    engine.register_fn("regex_captures", |text: &str, pattern: &str| -> Outcome<Dynamic> {
        let regex = caught("regex_captures", text, pattern)?;
        Ok(regex.captures(text).map(|found| groups(&found)).unwrap_or_default())
    });
    engine.register_fn("regex_groups", |text: &str, pattern: &str| -> Outcome<Dynamic> {
        let regex = caught("regex_groups", text, pattern)?;
        Ok(regex.captures(text).map(|found| named_groups(&regex, &found)).unwrap_or_default())
    });
    engine.register_fn("regex_replace", replaced);
    engine.register_fn("regex_split", |text: &str, pattern: &str| -> Outcome<Array> {
        let regex = found("regex_split", text, pattern)?;
        let mut at = 0;
        list(regex.split(text).map(|part| {
            at += part.len();
            counted(text, at).map(|()| part.into())
        }))
    });
    engine.register_fn("regex_escape", |text: &str| ::regex::escape(text));
}

/// The pattern, where there is time to search the text for it.
fn found(function: &str, text: &str, pattern: &str) -> Outcome<Regex> {
    let regex = compiled(function, pattern)?;
    in_pieces(text, |piece| regex.find_iter(piece).try_for_each(|found| counted(piece, found.end())))?;
    Ok(regex)
}

/// The same where what its groups catch is asked for, which takes longer.
fn caught(function: &str, text: &str, pattern: &str) -> Outcome<Regex> {
    let regex = compiled(function, pattern)?;
    in_pieces(text, |piece| {
        regex.captures_iter(piece).try_for_each(|found| counted(piece, found.get_match().end()))
    })?;
    Ok(regex)
}

/// Searches a long text piece by piece, for nothing but the time it takes.
fn in_pieces(text: &str, mut search: impl FnMut(&str) -> Outcome<()>) -> Outcome<()> {
    let mut rest = text;
    while text.len() > PIECE_BYTES && !rest.is_empty() {
        let (piece, after) = rest.split_at(limits::start(rest, PIECE_BYTES).len());
        search(piece)?;
        rest = after;
        budget::work(COST * PIECE_BYTES)?;
    }
    budget::work(COST * rest.len())
}

/// Looks at the clock between two matches: the next may have to go through all the rest.
fn counted(text: &str, at: usize) -> Outcome<()> {
    budget::work(COST * (text.len() - at.min(text.len())))
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
    let regex = caught("regex_replace", text, pattern)?;
    let dollars = with.matches('$').count();
    let mut replaced = Text::default();
    let mut at = 0;
    for found in regex.captures_iter(text) {
        let whole = found.get_match();
        counted(text, whole.end())?;
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
