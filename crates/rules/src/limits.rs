//! The limits that every rule runs under, in one place; `docs/rules.md` shows them as a table.
//!
//! They are generous for honest rules and end a runaway one: first by counted operations, then by CPU time, by memory,
//! and by the size of what it builds. Sizes count everything inside a value, so they also bound how large an event may be
//! before a script that changes it refuses.

use std::time::Duration;

/// Operations of one evaluation; ends endless loops after a few milliseconds.
pub(crate) const OPERATIONS: u64 = 100_000;
/// CPU time of one evaluation, for the few operations that are expensive by themselves.
pub(crate) const CPU: Duration = Duration::from_secs(1);
/// Bytes of the heap that one event may hold: its tree, the variables, what is emitted. Looked at after every
/// operation; needs the allocator of `sluicebox-heap`.
pub(crate) const MEMORY: usize = 32 << 20;
/// Bytes of the stack that one evaluation may use; a worker thread has 2 MiB.
pub(crate) const STACK_BYTES: usize = 1 << 20;
/// Depth of script function calls.
pub(crate) const CALL_LEVELS: usize = 16;
/// Nesting of an expression at top level and inside a script function.
pub(crate) const EXPRESSION_DEPTH: (usize, usize) = (64, 32);
/// Bytes of text inside one value, all together.
pub(crate) const TEXT_BYTES: usize = 1 << 20;
/// Array elements inside one value, all together.
pub(crate) const ARRAY_ELEMENTS: usize = 10_000;
/// Map entries inside one value, all together.
pub(crate) const MAP_ENTRIES: usize = 10_000;
/// Variables alive at once.
pub(crate) const VARIABLES: usize = 256;
/// Functions of one script.
pub(crate) const FUNCTIONS: usize = 64;
/// Events that one run may emit beside its own.
pub(crate) const EMITTED: usize = 10_000;
/// Log lines of one run.
pub(crate) const LOG_LINES: usize = 100;
/// Bytes of one log line, and of the reason that a rule gives for a dead letter; the rest is cut off.
pub(crate) const LINE_BYTES: usize = 16 << 10;
/// Bytes of a format of times.
pub(crate) const FORMAT_BYTES: usize = 1024;
/// Longest pattern of a regular expression, in bytes.
pub(crate) const PATTERN_BYTES: usize = 4096;
/// A compiled pattern that counts as small, in bytes.
pub(crate) const PATTERN_SMALL_BYTES: usize = 64 << 10;
/// Largest compiled pattern, in bytes.
pub(crate) const PATTERN_COMPILED_BYTES: usize = 512 << 10;
/// What the automaton of a pattern may fill while it searches, in bytes.
pub(crate) const AUTOMATON_BYTES: usize = 256 << 10;
/// Groups of a small pattern: every state of the automaton has a place for each.
pub(crate) const GROUPS: usize = 64;
/// Groups of a large one.
pub(crate) const GROUPS_IF_LARGE: usize = 16;
/// Steps of a path in `get_path` and `set_path`.
pub(crate) const PATH_STEPS: usize = 32;
/// Nesting of a value that a rule may build; JSON itself is read to 127 levels.
pub(crate) const VALUE_DEPTH: usize = 127;
/// Bytes of a name of the state.
pub(crate) const STATE_NAME_BYTES: usize = 64;
/// Most keys of one name of the state, whatever is declared.
pub(crate) const STATE_KEYS: usize = 1_000_000;
/// Most items of one set, whatever is declared; a list may hold as many.
pub(crate) const STATE_ITEMS: usize = ARRAY_ELEMENTS;
/// Most items of one set where nothing is declared.
pub(crate) const STATE_ITEMS_DEFAULT: usize = 1000;
/// Bytes of a key of the state.
pub(crate) const STATE_KEY_BYTES: usize = 1024;
/// Bytes of the JSON of an item of a set.
pub(crate) const STATE_ITEM_BYTES: usize = 1024;
/// Bytes of the JSON of a value of the state.
pub(crate) const STATE_VALUE_BYTES: usize = 64 << 10;
/// Bytes of everything under one name of the state; beyond it the oldest is forgotten.
pub(crate) const STATE_BYTES: usize = 64 << 20;
/// Bytes of JSON that one run may write, all its events together.
pub(crate) const OUTPUT_BYTES: usize = 16 << 20;

/// The names of sizes in Rhai's errors, in lower case; our own functions use the same.
pub(crate) const TEXT: &str = "length of string";
/// See [`TEXT`].
pub(crate) const LIST: &str = "size of array/blob";
/// See [`TEXT`].
pub(crate) const MAP: &str = "size of object map";
/// Nesting of a value.
pub(crate) const NESTING: &str = "nesting of a value";
/// Events that were emitted.
pub(crate) const EVENTS: &str = "number of emitted events";
/// Lines that were logged.
pub(crate) const LINES: &str = "number of log lines";

/// What a size is, how much of it is allowed, and what to do about it.
pub(crate) fn size(name: &str) -> Option<(&'static str, String, &'static str)> {
    const GROWS: &str = "look for a loop that makes it grow, or work on a part of the event";
    Some(match name {
        TEXT => ("the text in one value", mebibytes(TEXT_BYTES), GROWS),
        LIST => ("the number of items in one value", ARRAY_ELEMENTS.to_string(), GROWS),
        MAP => ("the number of fields in one value", MAP_ENTRIES.to_string(), GROWS),
        NESTING => (
            "the nesting of a value",
            format!("{VALUE_DEPTH} levels"),
            "look for a value that is put into itself",
        ),
        EVENTS => (
            "the number of emitted events",
            EMITTED.to_string(),
            "look for `emit` in a loop that does not end",
        ),
        LINES => {
            ("the number of log lines", LOG_LINES.to_string(), "write one line per event, not one per item")
        }
        _ => return None,
    })
}

/// `32 MiB`.
pub(crate) fn mebibytes(bytes: usize) -> String {
    format!("{} MiB", bytes >> 20)
}

/// At most [`LINE_BYTES`] of a text that people read; `…` where something was cut off.
pub(crate) fn line(text: &str) -> String {
    if text.len() <= LINE_BYTES {
        return text.to_owned();
    }
    format!("{}…", start(text, LINE_BYTES))
}

/// The start of a text: so many bytes at most, and no half character.
pub(crate) fn start(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The guide shows the values; they are compared here, so that neither changes alone.
    #[test]
    fn the_guide_shows_these_limits() {
        let guide = include_str!("../../../docs/rules.md");
        let rows: Vec<&str> = guide.lines().filter(|line| line.starts_with("| ")).collect();
        let kibibytes = |bytes: usize| format!("{} KiB", bytes >> 10);
        let thousands = |number: u64| format!("{},{:03}", number / 1000, number % 1000);
        let (top, inside) = EXPRESSION_DEPTH;
        let pattern = [PATTERN_BYTES, PATTERN_COMPILED_BYTES].map(kibibytes).join(", ");
        let small = kibibytes(PATTERN_SMALL_BYTES);
        for (limit, value) in [
            ("operations", thousands(OPERATIONS)),
            ("CPU time", format!("{} s", CPU.as_secs())),
            ("memory", mebibytes(MEMORY)),
            ("stack", mebibytes(STACK_BYTES)),
            ("calls inside calls", format!("{CALL_LEVELS} levels")),
            ("nesting of an expression", format!("{top} levels, {inside} inside a function")),
            ("nesting of a value", format!("{VALUE_DEPTH} levels")),
            ("text in one value, all together", mebibytes(TEXT_BYTES)),
            ("items in one value, all together", thousands(ARRAY_ELEMENTS as u64)),
            ("fields in one value, all together", thousands(MAP_ENTRIES as u64)),
            ("variables alive at once", VARIABLES.to_string()),
            ("functions of a script", FUNCTIONS.to_string()),
            ("emitted events", thousands(EMITTED as u64)),
            ("JSON of the events that a script makes", mebibytes(OUTPUT_BYTES)),
            ("log lines", LOG_LINES.to_string()),
            ("length of a log line, of a reason, of an error", kibibytes(LINE_BYTES)),
            (
                "pattern of a regular expression",
                format!(
                    "{pattern} compiled, {GROUPS} groups ({GROUPS_IF_LARGE} if it compiles to more than {small})"
                ),
            ),
            ("format of a time", kibibytes(FORMAT_BYTES)),
            ("steps of a path", PATH_STEPS.to_string()),
        ] {
            let row = format!("| {limit} | {value} |");
            assert!(rows.iter().any(|line| line.starts_with(&row)), "docs/rules.md has no row {row}");
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!((start("aüb", 2), start("aüb", 3), start("aüb", 9), start("", 1)), ("a", "aü", "aüb", ""));
        let long = "ü".repeat(LINE_BYTES);
        assert_eq!(line(&long).len(), LINE_BYTES + "…".len());
        assert_eq!(line("short"), "short");
    }
}
