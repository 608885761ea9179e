//! Tells what is wrong with a source that was filled in at the options that its users wrote.
//!
//! Invariant: a fault of a value that came of a parameter is told at this parameter; a place inside the connector is
//! named in words only, and never as if it were an option.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};
use sluicebox_core::{ParseProblem, Problem};

use super::declaration::Declaration;
use super::fill;

/// The options of one source, as far as telling faults needs them: names without values.
pub(super) struct Written {
    declaration: Arc<Declaration>,
    /// What the pipeline gives, knobs and parameters.
    names: BTreeSet<String>,
    /// The parameters that have a value, defaults included; the values here mean nothing.
    filled: Map<String, Value>,
}

impl Written {
    /// `given` by the pipeline, and the `arguments` that the source was filled in with.
    pub(super) fn new(
        declaration: &Arc<Declaration>,
        given: &Map<String, Value>,
        arguments: &Map<String, Value>,
    ) -> Self {
        let present = |map: &Map<String, Value>| {
            let names: Vec<String> =
                map.iter().filter(|(_, it)| !it.is_null()).map(|(name, _)| name.clone()).collect();
            names
        };
        Self {
            declaration: Arc::clone(declaration),
            names: present(given).into_iter().collect(),
            filled: present(arguments).into_iter().map(|name| (name, Value::Bool(true))).collect(),
        }
    }

    /// A problem of the source, told to those who wrote the options.
    pub(super) fn problem(&self, problem: Problem) -> Problem {
        if self.is_written_knob(&problem.path) {
            return problem;
        }
        let (path, message) = self.told(&problem.path, &problem.message);
        // A place inside a text of the connector is none inside the option.
        Problem { path, message, inside: None, ..problem }
    }

    /// What serde refused at a place of the source, told to those who wrote the options.
    pub(super) fn refused(&self, refused: &ParseProblem) -> ParseProblem {
        let ParseProblem { path, message } = refused;
        if self.is_written_knob(path) {
            return refused.clone();
        }
        if let Some(missing) = self.missing(path, message) {
            return missing;
        }
        // What serde says of two variants at once.
        let is_twofold = message.contains("expected map with a single key");
        let (path, message) = self.told(path, if is_twofold { "only one way is possible" } else { message });
        ParseProblem { path, message }
    }

    /// Whether the value at a path is an option of the pipeline as it stands.
    fn is_written_knob(&self, path: &str) -> bool {
        let first = path.split(['.', '[']).next().unwrap_or_default();
        self.names.contains(first) && !self.declaration.parameters.contains_key(first)
    }

    /// A field that is missing because the parameter that it is made of was not given.
    fn missing(&self, path: &str, message: &str) -> Option<ParseProblem> {
        let (field, _) = message.strip_prefix("missing field `")?.split_once('`')?;
        let (template, beside) = if path.is_empty() {
            (self.declaration.source.get(field)?, None)
        } else {
            let map = fill::at(&self.declaration.source, path, &self.filled)?;
            (map.get(field)?, self.written_in(map).first().copied())
        };
        let missing = fill::names(template).into_iter().find(|name| !self.filled.contains_key(*name))?;
        let belongs = beside.map(|beside| format!(": it belongs with `{beside}`")).unwrap_or_default();
        let message = format!("`{missing}` is missing{belongs}");
        Some(ParseProblem { path: beside.unwrap_or_default().to_owned(), message })
    }

    /// The option that is to blame for what stands at a path, with the message in its words.
    fn told(&self, path: &str, message: &str) -> (String, String) {
        let template = fill::at(&self.declaration.source, path, &self.filled);
        let written = template.map(|template| self.written_in(template)).unwrap_or_default();
        if let ([option], Some(true)) = (&written[..], template.map(fill::is_parameter)) {
            return ((*option).to_owned(), message.to_owned());
        }
        let names: Vec<String> = written.iter().map(|name| format!("`{name}`")).collect();
        let made_of =
            if names.len() > 1 { format!(" (made of {})", names.join(", ")) } else { String::new() };
        let place = if path.is_empty() { String::new() } else { format!(", `{path}`{made_of}") };
        let message = format!("in the connector `{}`{place}: {message}", self.declaration.name);
        (written.first().copied().unwrap_or_default().to_owned(), message)
    }

    /// The parameters in a piece of the template that the pipeline gives.
    fn written_in<'v>(&self, template: &'v Value) -> Vec<&'v str> {
        fill::names(template).into_iter().filter(|name| self.names.contains(*name)).collect()
    }
}
