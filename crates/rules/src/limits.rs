//! The limits that every rule runs under, in one place.
//!
//! They are generous for honest rules and end a runaway one: first by counted operations, then by CPU time, and by
//! the size of what it builds. Sizes count everything inside a value, so they also bound how large an event may be
//! before a script that changes it refuses.

use std::time::Duration;

/// Operations of one evaluation; ends endless loops after a few milliseconds.
pub(crate) const OPERATIONS: u64 = 100_000;
/// CPU time of one evaluation, for the few operations that are expensive by themselves.
pub(crate) const CPU: Duration = Duration::from_secs(1);
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
/// Nesting of a value that a rule may build; JSON itself is read to 127 levels.
pub(crate) const VALUE_DEPTH: usize = 127;
/// Bytes of JSON that one run may write.
pub(crate) const OUTPUT_BYTES: usize = 16 << 20;
