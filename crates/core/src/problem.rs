//! A fault in a pipeline file as data: where, what, and what to do. `cli` alone renders them.

use serde::Serialize;

/// One fault that a component found in its own configuration.
///
/// `path` is relative to the component's map (`limit`, `auth.api_key.key`, `columns[2].value`); `config` turns it into
/// file, line and column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Dotted path to the value; empty means the component as a whole.
    pub path: String,
    /// What is wrong and what was expected.
    pub message: String,
    /// What to do, if that is not obvious.
    pub help: Option<String>,
    /// Place inside a text value (a script, an expression): line and column, both from 1.
    pub inside: Option<(usize, usize)>,
    /// The file that `inside` is a place of, where it is not the text at `path`.
    #[serde(skip)]
    pub file: Option<Box<ProblemFile>>,
}

/// A file that the pipeline draws on without naming it: one of a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProblemFile {
    /// Its path, relative to the pipeline file.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

impl Problem {
    /// A problem at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), help: None, inside: None, file: None }
    }

    /// What to do about it.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The place inside the text at `path`; line and column from 1.
    #[must_use]
    pub fn inside(mut self, line: usize, column: usize) -> Self {
        self.inside = Some((line, column));
        self
    }

    /// The file that the place lies in.
    #[must_use]
    pub fn in_file(mut self, path: impl Into<String>, text: impl Into<String>) -> Self {
        self.file = Some(Box::new(ProblemFile { path: path.into(), text: text.into() }));
        self
    }

    /// The same problem one level further out: `path` becomes `prefix.path`.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.path = match (prefix, self.path.as_str()) {
            ("", _) => self.path,
            (_, "") => prefix.to_owned(),
            (_, path) if path.starts_with('[') => format!("{prefix}{path}"),
            (_, path) => format!("{prefix}.{path}"),
        };
        self
    }
}
