//! Faults of a pipeline file with their places, ready to be rendered by whoever has a terminal.

use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

/// One fault or warning with its place. Serialises as `{file, line, column, path, message, help}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LocatedProblem {
    /// The file, as the user typed it; a script's file if the fault lies there.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Dotted path to the value (`sources.chat.limit`); empty for the file as a whole.
    pub path: String,
    /// What is wrong and what was expected.
    pub message: String,
    /// What to do, if that is not obvious.
    pub help: Option<String>,
    /// The bytes of [`Self::source`] to underline.
    #[serde(skip)]
    pub range: Range<usize>,
    /// The text of `file`, with literal secrets masked byte for byte.
    #[serde(skip)]
    pub source: Arc<str>,
}

/// Everything wrong with a pipeline file, all at once, in the order of the text.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// At least one.
    pub problems: Vec<LocatedProblem>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let LocatedProblem { file, line, column, message, .. } = problem;
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{file}:{line}:{column}: {message}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}
