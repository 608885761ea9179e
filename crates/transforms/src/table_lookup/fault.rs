//! What is wrong with a table, and in which line.

use sluicebox_core::Error;

/// What is wrong with a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Line of the file, from 1; of a database there is none.
    pub(super) line: Option<u64>,
    /// A clause.
    pub(super) message: String,
    /// What to do about it.
    pub(super) help: Option<String>,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { line: None, message: message.into(), help: None }
    }

    pub(super) fn at(self, line: u64) -> Self {
        Self { line: Some(line), ..self }
    }

    pub(super) fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The fault with the name of the file.
    pub(super) fn sentence(&self, file: &str) -> String {
        match self.line {
            Some(line) => format!("{file}, line {line}: {}", self.message),
            None => format!("{file}: {}", self.message),
        }
    }

    /// As an error at the start.
    pub(super) fn error(self, file: &str) -> Error {
        let error = Error::config(format!("the table cannot be used: {}", self.sentence(file)));
        self.help.into_iter().fold(error, Error::with_help)
    }

    /// There is no column of this name, among those that there are.
    pub(super) fn no_column<'a>(column: &str, known: impl Iterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.collect();
        let distance =
            |name: &&str| strsim::damerau_levenshtein(&name.to_lowercase(), &column.to_lowercase());
        let nearest = known.iter().copied().min_by_key(|name| distance(name));
        let near = nearest.filter(|name| distance(name) <= (column.chars().count() / 3).max(1));
        let fault = Self::new(format!("there is no column `{column}`"));
        match near {
            Some(name) => fault.with_help(format!("did you mean `{name}`?")),
            None => fault.with_help(format!("known: {}", known.join(", "))),
        }
    }
}
