//! Faults of a pipeline file with their places, ready to be rendered by whoever has a terminal.

use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

use crate::text::SourceText;

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

impl LocatedProblem {
    /// A fault at a line and column (from 1) of a text that is no pipeline file, such as a script; the word there is
    /// underlined.
    pub fn in_text(file: &str, text: &str, (line, column): (usize, usize), message: &str) -> Self {
        let text = SourceText::new(file, text);
        let range = text.word_at(text.offset(line, column));
        let (line, column) = text.place(range.start);
        let (path, message, help) = (String::new(), message.to_owned(), None);
        Self { file: text.file, line, column, path, message, help, range, source: text.text }
    }
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
