//! What a filter says on stderr: what is wrong with the rule, with a line, with an event.
//!
//! The first error at each place of a rule is shown with the source line and a caret, later ones there in one line, so
//! that a rule that fails on every event does not fill the screen with itself.

use std::collections::HashSet;

use sluicebox_config::LocatedProblem;
use sluicebox_core::{DeadLetterError, Reason};

use super::program::Texts;
use crate::diagnostics::{self, Severity};
use crate::terminal;

/// The voice of one run.
pub(super) struct Complaints {
    texts: Texts,
    /// Only JSON log lines may be written.
    json: bool,
    colour: bool,
    shown: HashSet<(String, usize, usize)>,
}

impl Complaints {
    /// Speaks about these texts; `json`: machines listen.
    pub(super) fn new(texts: &Texts, json: bool) -> Self {
        Self { texts: texts.clone(), json, colour: terminal::colour(), shown: HashSet::new() }
    }

    /// The rule does not compile.
    pub(super) fn problems(&self, problems: &[LocatedProblem]) {
        if !self.json {
            return terminal::complain(&diagnostics::render(problems, Severity::Error, self.colour));
        }
        for LocatedProblem { file, line, column, message, help, .. } in problems {
            tracing::error!(file, line, column, help = help.as_deref(), "{message}");
        }
    }

    /// A line is no event.
    pub(super) fn line(&self, number: usize, why: &str) {
        if self.json {
            tracing::error!(input_line = number, "the line is no event: {why}");
        } else {
            terminal::complain(&format!("error: line {number} is no event: {why}\n"));
        }
    }

    /// An event was given up.
    pub(super) fn letter(&mut self, number: usize, reason: Reason, error: &DeadLetterError) {
        let message = told(reason, error);
        if self.json {
            let DeadLetterError { file, line, column, help, .. } = error;
            let (file, help) = (file.as_deref(), help.as_deref());
            tracing::error!(
                input_line = number,
                reason = reason.as_str(),
                file,
                line,
                column,
                help,
                "{message}"
            );
            return;
        }
        let message = format!("line {number}: {message}");
        let shown = match self.problem(error, &message) {
            Some(problem) if self.shown.insert((problem.file.clone(), problem.line, problem.column)) => {
                diagnostics::render(&[problem], Severity::Error, self.colour)
            }
            Some(LocatedProblem { file, line, column, .. }) => {
                format!("error: {message} ({file}:{line}:{column})\n")
            }
            None => format!("error: {message}\n"),
        };
        terminal::complain(&shown);
    }

    /// The error where it stands, if it has a place in a text of the rule.
    fn problem(&self, error: &DeadLetterError, message: &str) -> Option<LocatedProblem> {
        let file = error.file.as_deref()?;
        located(error, self.texts.named(file)?, message)
    }
}

/// Why an event was given up.
pub(super) fn told(reason: Reason, error: &DeadLetterError) -> String {
    match reason {
        Reason::Explicit => format!("given up: {}", error.message),
        _ => error.message.clone(),
    }
}

/// An error where it stands in `text`.
pub(super) fn located(error: &DeadLetterError, text: &str, message: &str) -> Option<LocatedProblem> {
    let place = (error.line?, error.column?);
    let located = LocatedProblem::in_text(error.file.as_deref()?, text, place, message);
    Some(LocatedProblem { help: error.help.clone(), ..located })
}
